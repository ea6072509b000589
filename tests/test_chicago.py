"""Chicago's inspections: the published figures again where the file is, and a window that stays closed."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reordering import reordered

from studies import chicago
from studies.chicago import frozen
from tierkit.evaluate import compare_rankings, ranking
from tierkit.scores.metrics import auc

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("TIERKIT_REALDATA", ROOT.parent / "shared" / "realdata"))
FILE = REAL / "chicago_food" / "chicago_canvass.csv.gz"
real = pytest.mark.skipif(not FILE.is_file(), reason="the public file is not here; set TIERKIT_REALDATA")
FAST = {"ORIGINS": ("2013-09-01",), "GRID": {**frozen.GRID, "n_trees": (20, 40)}}


def made(n: int = 4000, seed: int = 1) -> pd.DataFrame:
    """Return inspections in the format of the file, of licences that differ in how often they violate."""
    rng = np.random.default_rng(seed)
    licence = rng.integers(0, n // 3, n)
    fault = rng.normal(size=n // 3)[licence]
    who = rng.integers(0, 6, n)
    rate = 1 / (1 + np.exp(2.2 - fault - np.linspace(-1, 1, 6)[who]))
    critical = np.where(rng.random(n) < rate, rng.integers(1, 3, n), 0)
    first = pd.Timestamp("2011-09-02")
    date = first + pd.to_timedelta(np.sort(rng.integers(0, 1156, n)), unit="D")
    names = ("past_serious", "past_critical", "heat_burglary", "heat_sanitation", "heat_garbage")
    noise = {name: rng.poisson(1.0, n) for name in names}
    return pd.DataFrame(
        {
            "inspection_id": np.arange(n),
            "license": licence,
            "inspection_date": date.strftime("%Y-%m-%d"),
            "result": np.where(critical > 0, "Fail", "Pass"),
            "risk_class": rng.integers(1, 4, n),
            "facility_type": rng.choice(["Restaurant", "School", "Liquor"], n),
            "ward": rng.integers(1, 51, n),
            "age_years": rng.uniform(0, 12, n),
            "inspector_group": np.array(["blue", "brown", "green", "orange", "purple", "yellow"])[who],
            "in_paper_sample": True,
            "paper_test": date >= chicago.OPENS,
            "paper_inspector_group": np.array(["blue", "brown", "green", "orange", "purple", "yellow"])[who],
            "paper_age_years": rng.uniform(0, 12, n),
            "critical_count": critical,
            "serious_count": rng.poisson(0.3, n),
            "minor_count": rng.poisson(3, n),
            "tobacco": 0,
            "tavern": 0,
            "outdoor_patio": 0,
            "consumption_on_premises_incidental_activity": 0,
            **noise,
            "years_since_last": rng.uniform(0, 2, n),
            "paper_consumption_incidental": rng.integers(0, 2, n),
            "paper_tobacco": rng.integers(0, 2, n),
            "paper_wx3_temperatureMax": rng.normal(60, 10, n),
            "critical_found": (critical > 0).astype(int),
        }
    )


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    file = tmp_path_factory.mktemp("made") / "canvass.csv"
    made().to_csv(file, index=False)
    return chicago.read(file)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in FAST.items():
        monkeypatch.setattr(frozen, name, value)


def test_a_file_that_is_wrong_is_told_in_full(tmp_path: Path) -> None:
    rows = made(50)
    rows.loc[3, "inspection_date"] = "2 Sept"
    rows.loc[4, "inspection_id"] = 0
    rows.loc[5, "critical_found"] = 2
    rows.loc[6, "paper_test"] = True
    rows.loc[7, "critical_count"] = 0 if rows["critical_found"].to_numpy()[7] else 3
    rows.to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(ValueError, match="1 dates are not") as error:
        chicago.read(tmp_path / "bad.csv")
    for told in ("ids come twice (first in line 6)", "not 0 or 1", "not those of the counts", "outside"):
        assert told in str(error.value)
    rows.drop(columns="ward").to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(ValueError, match="no column ward"):
        chicago.read(tmp_path / "bad.csv")
    with pytest.raises(ValueError, match="cannot be read"):
        chicago.read(tmp_path / "none.csv")
    rows.iloc[:0].to_csv(tmp_path / "bad.csv", index=False)
    with pytest.raises(ValueError, match="no rows"):
        chicago.read(tmp_path / "bad.csv")


def test_features_are_the_past_counted_by_hand(records: pd.DataFrame) -> None:
    table = chicago.features(records)
    for row in (500, 2000, 3999):
        one = records.loc[row]
        before = records[records["inspection_date"] < one["inspection_date"]]
        mine = before[before["license"] == one["license"]]
        assert table.loc[row, "inspections"] == len(mine)
        year = before[before["inspection_date"] >= one["inspection_date"] - pd.Timedelta(days=365)]
        average = (before["critical_found"].sum() + 1) / (len(before) + 8)
        for name, rows in (
            ("critical_rate", mine),
            ("area_rate", year[year["ward"] == one["ward"]]),
            ("inspector_rate", year[year["inspector_group"] == one["inspector_group"]]),
        ):
            rate = (rows["critical_found"].sum() + 10 * average) / (len(rows) + 10)
            assert table.loc[row, name] == pytest.approx(rate), name
        if len(mine):
            assert table.loc[row, "last_critical"] == mine["critical_count"].iloc[-1]
            assert table.loc[row, "mean_minor"] == pytest.approx(mine["minor_count"].mean())


def scrambled(records: pd.DataFrame, since: pd.Timestamp) -> pd.DataFrame:
    """Return the records with everything that was found from a day on turned over."""
    late = (records["inspection_date"] >= since).to_numpy()
    turned = records.copy()
    turned.loc[late, "critical_found"] = 1 - records.loc[late, "critical_found"]
    for name in ("critical_count", "serious_count", "minor_count"):
        turned.loc[late, name] = 7 - records.loc[late, name].clip(upper=7)
    turned.loc[late, "result"] = "Fail"
    return turned


def test_nothing_found_on_the_day_or_later_is_in_the_features(records: pd.DataFrame) -> None:
    day = pd.Timestamp("2014-09-10")
    other = scrambled(records, day)
    early = records["inspection_date"] <= day
    pd.testing.assert_frame_equal(chicago.features(records)[early], chicago.features(other)[early])
    pd.testing.assert_frame_equal(chicago.features(records, day), chicago.features(other, day))
    assert not chicago.features(records).equals(chicago.features(other))


@pytest.mark.usefixtures("fast")
def test_a_choice_is_the_same_whatever_the_window_holds(records: pd.DataFrame, tmp_path: Path) -> None:
    one = chicago.choose(records, tmp_path / "a", budget=3)
    other = chicago.choose(scrambled(records, chicago.OPENS), tmp_path / "b", budget=3)
    assert one.sha256 == other.sha256
    pd.testing.assert_frame_equal(one.tried, other.tried)
    assert len(one.tried) == 3
    assert one.tried["within"].is_monotonic_decreasing
    changed = scrambled(records, pd.Timestamp("2014-08-01"))
    assert chicago.choose(changed, tmp_path / "c", budget=3).sha256 != one.sha256
    with pytest.raises(ValueError, match="chosen already"):
        chicago.choose(records, tmp_path / "a", budget=3)


@pytest.mark.usefixtures("fast")
def test_the_window_opens_for_the_frozen_hash_alone(records: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stays closed"):
        chicago.open_window(records, tmp_path, "0" * 64)
    found = chicago.choose(records, tmp_path, budget=1)
    with pytest.raises(ValueError, match="stays closed"):
        chicago.open_window(records, tmp_path, "0" * 64)
    score = chicago.open_window(records, tmp_path, found.sha256)
    rows = chicago.window(records)
    assert auc(rows["critical_found"], score) > 0.55
    turned = chicago.open_window(scrambled(records, chicago.OPENS), tmp_path, found.sha256)
    np.testing.assert_array_equal(score, turned)
    model = json.loads((tmp_path / "model.json").read_text("utf-8"))
    model["rest"]["calibration"]["shift"] = 1.0
    (tmp_path / "model.json").write_text(json.dumps(model), "utf-8")
    with pytest.raises(ValueError, match="stays closed"):
        chicago.open_window(records, tmp_path, found.sha256)


@real
def test_the_published_evaluation_comes_out_again() -> None:
    records = chicago.read(FILE)
    rows = chicago.window(records)
    assert (len(rows), rows["critical_found"].sum()) == (1637, 258)
    scores = {"published": chicago.published(records), "inspectors": chicago.inspectors_alone(records)}
    found = {
        name: ranking(
            rows["critical_found"], score, rows["inspection_date"], group=rows["inspector_group"],
            capacity=(0.5,), replicates=199,
        )
        for name, score in scores.items()
    }  # fmt: skip
    ours = found["published"]
    assert round(ours.row("auc")["value"], 3) == 0.673
    pooled, within = (ours.row("days_earlier", one) for one in ("pooled", "within"))
    assert abs(pooled["value"] - 7.44) < 0.02, "published"
    assert pooled["low"] == pytest.approx(4.5, abs=0.4)
    assert pooled["high"] == pytest.approx(10.4, abs=0.4)
    half = ours.row("capture", capacity=0.5)
    assert (f"{half['value']:.0%}", f"{half['as_made']:.0%}") == ("69%", "55%")
    assert (round(pooled["random"], 1), round(pooled["random_sd"], 1)) == (-1.5, 1.0)
    assert round(pooled["oracle"], 1) == 24.1
    assert round(within["value"], 2) == 1.78
    assert within["low"] < 0 < within["random"] * -1 < within["high"]
    alone = found["inspectors"]
    assert round(alone.row("auc")["value"], 3) == 0.662
    assert round(alone.row("days_earlier")["value"], 1) == 6.9
    assert round(alone.row("days_earlier", "within")["value"], 1) == -1.4
    # a second way: each inspection really dealt out
    new = reordered(scores["published"], rows["inspection_date"], rows["inspection_id"])
    earlier = (rows["inspection_date"].reset_index(drop=True) - new).dt.days[
        rows["critical_found"].to_numpy() == 1
    ]
    assert earlier.mean() == pytest.approx(pooled["value"], abs=0.05)


@real
def test_the_frozen_model_is_the_one_that_the_page_names(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "real_records.md").read_text("utf-8")
    assert f"`{chicago.DIGEST}`" in page
    assert f"`{json.dumps(dict(chicago.CHOSEN))}`" in page
    records = chicago.read(FILE)
    digest = chicago.freeze(records, tmp_path)
    assert digest == chicago.DIGEST, "the same bits under the same lock file"
    rows = chicago.window(records)
    scores = {
        "published": chicago.published(records),
        "tierkit": chicago.open_window(records, tmp_path, digest),
    }
    both = compare_rankings(
        rows["critical_found"], scores, rows["inspection_date"], group=rows["inspector_group"],
        capacity=(0.5,), cluster=rows["license"], replicates=99,
    )  # fmt: skip
    for order in ("pooled", "within"):
        one = both.row("tierkit", "days_earlier", order)
        assert f"{one['value']:.2f}" in page
        assert one["difference_low"] > -0.5


def test_the_published_model_runs_on_made_up_records(records: pd.DataFrame) -> None:
    rows = chicago.window(records)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score, blind = chicago.published(records), chicago.published(records, inspectors=False)
    assert len(score) == len(blind) == len(rows)
    assert auc(rows["critical_found"], score) > auc(rows["critical_found"], blind)
    alone = chicago.inspectors_alone(records)
    assert len(np.unique(alone)) == 6
