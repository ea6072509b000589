import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from tierkit.city.synth import make
from tierkit.compare.agencies import MEASURES, ratings, scoreboard
from tierkit.compare.comparison import compare
from tierkit.compare.outcomes import run_and_measure
from tierkit.policy import Policy
from tierkit.records import SHANGHAI
from tierkit.texts import text

AGENCIES = SHANGHAI.ids("agency")


@pytest.fixture(scope="module")
def city():
    return make(1500, seed=5)


@pytest.fixture(scope="module")
def comparison(city):
    plan = Policy.load("jinshan-2025").reform({}, name="<b>plan")
    return compare(city[1], Policy.load("legacy"), plan, replicates=3, weeks=26)


def test_the_scoreboard_is_the_mean_of_what_each_run_measured(city, comparison):
    board = scoreboard(comparison.summary, weeks=26)
    runs = [
        run_and_measure(city[1], Policy.load("jinshan-2025"), 26, seed=0, replicate=r, kappa=0.1)[1].values()
        for r in range(3)
    ]
    for name in ("put_off", "repeat_visits_30d", "findings"):
        told = [
            one[(one["measure"] == name) & (one["level"] == "market_regulation")]["value"] for one in runs
        ]
        values = np.array([one.item() for one in told])
        assert np.isfinite(values).all()
        row = board.rows.query("policy == '<b>plan' and agency == 'market_regulation' and measure == @name")
        assert row["value"].item() == pytest.approx(values.mean())
        if values.std() > 0:
            low, high = ttest_1samp(values, 0).confidence_interval(0.95)
            assert (row["low"].item(), row["high"].item()) == pytest.approx((max(low, 0), high))
    assert board.table("<b>plan").loc["market_regulation", "findings"] > 0


def test_every_agency_that_inspects_is_shown_with_its_findings_beside_its_rate(comparison):
    board = scoreboard(comparison.summary, weeks=26)
    table = board.table("legacy")
    rows = comparison.summary
    busy = rows.query("policy == 'legacy' and group == 'agency' and measure == 'inspections' and value > 0")
    assert list(table.index) == [agency for agency in AGENCIES if agency in set(busy["level"])]
    assert list(table.columns) == list(MEASURES)
    place = list(table.columns).index("finding_rate")
    assert {table.columns[place - 1], table.columns[place + 1]} == {"inspections", "findings"}
    whole = rows.query("policy == 'legacy' and group == 'all' and measure == 'inspections'")["value"].item()
    assert table["inspections"].sum() == pytest.approx(whole)


def test_the_page_says_kappa_and_escapes_names(city, comparison):
    shown = scoreboard(comparison.summary, weeks=26, rated=ratings(city[0]["inspections"]))._repr_html_()
    assert "κ = 0.1" in shown
    assert "3 replicates" in shown
    assert "<b>&lt;b&gt;plan</b>" in shown
    assert "nan" not in shown
    for name in MEASURES:
        assert f">{text(f'measure.{name}', 'en')}<" in shown
    assert shown.count(SHANGHAI.levels["agency"]["market_regulation"].en) == 3


def test_what_was_not_run_is_refused(comparison):
    with pytest.raises(KeyError, match=r"nothing by 'agency' at kappa = 0\.5"):
        scoreboard(comparison.summary, kappa=0.5, weeks=26)
    with pytest.raises(KeyError, match=r"No policy 'mine'; there are"):
        scoreboard(comparison.summary, weeks=26).table("mine")


def test_ratings_are_those_of_the_records(city):
    rows = city[0]["inspections"]
    told = ratings(rows).set_index("agency")
    given = rows[rows["rating"].notna()]
    assert told["n"].sum() == len(given) > 100
    mine = given.loc[given["agency"].astype(str) == "market_regulation", "rating"].astype(float)
    low, high = ttest_1samp(mine, 0).confidence_interval(0.95)
    row = told.loc["market_regulation"]
    assert (row["value"], row["low"], row["high"]) == pytest.approx((mine.mean(), low, high))
    assert row["n"] == len(mine)
    none = ratings(pd.DataFrame({"agency": ["fire"], "rating": [pd.NA]}))
    assert none.empty
    assert list(none.columns) == ["agency", "value", "low", "high", "n"]
    one = ratings(pd.DataFrame({"agency": ["fire"], "rating": [4]})).iloc[0]
    assert np.isnan(one["low"])
    assert one["value"] == 4


def test_ratings_that_are_none_are_refused():
    rows = pd.DataFrame({"agency": ["fire", "moon", "fire"], "rating": [9, 4, -3]})
    with pytest.raises(ValueError, match=r"from 1 to 5. Got 9 \(2 rows\). The 'agency' must be .* Got moon"):
        ratings(rows)
    alike = ratings(pd.DataFrame({"agency": ["fire"] * 5, "rating": 4}))
    assert alike[["low", "high"]].isna().all(axis=None)
