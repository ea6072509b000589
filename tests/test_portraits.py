"""Portraits: means that add up to the tier's score, intervals and shares by oracles, changes that add up."""

from __future__ import annotations

import itertools
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from leakage import scramble
from make_dataset import make_dataset
from scipy import stats

from tierkit import plot, texts
from tierkit.compare.intervals import mean_interval
from tierkit.explain import (
    BANDS,
    Changes,
    Portraits,
    bands,
    changes,
    contributions,
    features_held,
    points_lost,
    portraits,
)
from tierkit.explain.bands import way
from tierkit.explain.changes import ABSENT
from tierkit.explain.portraits import _marks, _median
from tierkit.features import FEATURES, build, read_by
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.records import TIERS, Dataset
from tierkit.scores.model import Model
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

DAYS = ("2024-01-01", "2024-03-01")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_dataset(400, seed=4, records=3000)


@pytest.fixture(scope="module")
def model(data: Dataset) -> Model:
    """Return models of made-up outcomes, which is enough to have something to explain."""
    X = build(data, DAYS[1])
    rng = np.random.default_rng(6)
    bad = rng.random(len(X)) < 0.2 + 0.5 * (X["findings_2y"] > 0)
    late = rng.random(len(X)) < 0.1 + 0.4 * (X["arrears_open"] > 0) + 0.2 * (X["penalties_open"] > 0)
    of_risk, of_credit = X[read_by("risk")], X[read_by("credit")]
    risk = RiskModel(n_trees=20).fit(of_risk, bad).calibrate(of_risk, bad)
    return Model(risk, CreditScorecard().fit(of_credit, late), Policy.load("legacy"), {})


@pytest.fixture(scope="module")
def policy(data: Dataset, model: Model) -> Policy:
    scores = model.score(data, DAYS[1])
    cuts = {
        "scoring.risk_cutoffs": [round(float(q), 3) for q in scores["risk_probability"].quantile([0.4, 0.7])],
        "scoring.credit_cutoffs": [round(float(q), 1) for q in scores["credit_points"].quantile([0.2, 0.6])],
    }
    return Policy.load("jiading-2025").reform(cuts, name="near", assumption="quantiles")


@pytest.fixture(scope="module")
def tiers(data: Dataset, model: Model, policy: Policy) -> list[pd.DataFrame]:
    return [assign(model.score(data, day), policy) for day in DAYS]


@pytest.fixture(scope="module", name="X")
def features_of_both_days(data: Dataset) -> list[pd.DataFrame]:
    return [build(data, day) for day in DAYS]


@pytest.fixture(scope="module")
def held(data: Dataset, X: list[pd.DataFrame]) -> pd.DataFrame:
    return features_held(data, *DAYS, X[0].index.intersection(X[1].index))


@pytest.fixture(scope="module")
def moved(model: Model, tiers, X, held) -> Changes:
    return changes(
        model.risk, model.credit, tiers[1], X[1], tiers[0], X[0], held, before=DAYS[0], after=DAYS[1]
    )


@pytest.fixture(scope="module")
def found(model: Model, tiers, X, moved: Changes) -> Portraits:
    return portraits(model.risk, model.credit, X[1], tiers[1], changes=moved)


def test_group_means_add_up_to_the_mean_score_of_each_tier(model, tiers, X, found: Portraits) -> None:
    scores = {
        "risk": model.risk.margin(X[1][list(model.risk.inputs_.names)]),
        "credit": model.credit.points(X[1][list(model.credit.inputs_.names)]),
    }
    for axis, values in scores.items():
        for row in found.tiers.to_dict("records"):
            rows = found.marks[(found.marks["tier"] == row["tier"]) & (found.marks["axis"] == axis)]
            inside = (tiers[1]["tier"] == row["tier"]).to_numpy()
            assert found.base[axis] + rows["mean"].sum() == pytest.approx(values[inside].mean(), abs=1e-9)
            assert row[axis] == pytest.approx(values[inside].mean(), abs=1e-9)
            assert found.base[axis] + rows["city"].sum() == pytest.approx(values.mean(), abs=1e-9)
    sizes = found.tiers.set_index("tier")["n"]
    for (axis, feature), rows in found.marks.groupby(["axis", "feature"]):
        weighted = (rows.set_index("tier")["mean"] * sizes).sum() / sizes.sum()
        assert weighted == pytest.approx(rows["city"].iloc[0], abs=1e-9), (axis, feature)


def test_intervals_of_marks_are_welchs_times_the_share_of_the_rest(model, tiers, X, found) -> None:
    values, _ = contributions(model.risk, X[1])
    lost = points_lost(model.credit, X[1]).lost
    added = {"risk": pd.DataFrame(values, columns=list(model.risk.inputs_.names)), "credit": -lost}
    for row in found.marks.to_dict("records"):
        x = added[row["axis"]][row["feature"]].to_numpy()
        inside = (tiers[1]["tier"] == row["tier"]).to_numpy()
        assert row["difference"] == pytest.approx(x[inside].mean() - x.mean(), abs=1e-12)
        if np.ptp(x[inside]) < 1e-12 or np.ptp(x[~inside]) < 1e-12:
            continue
        welch = stats.ttest_ind(x[inside], x[~inside], equal_var=False).confidence_interval()
        rest = 1 - inside.mean()
        assert row["low"] == pytest.approx(rest * welch.low, abs=1e-9)
        assert row["high"] == pytest.approx(rest * welch.high, abs=1e-9)


def test_facts_are_shares_and_medians_by_hand(tiers, X, found: Portraits) -> None:
    kinds = set()
    for row in found.facts.to_dict("records"):
        feature = next(one for one in FEATURES if one.name == row["feature"])
        column = X[1][row["feature"]].to_numpy()
        inside = (tiers[1]["tier"] == row["tier"]).to_numpy()
        kinds.add(row["kind"])
        if row["kind"] == "median":
            own = np.sort(column[inside].astype(float))
            assert row["value"] == pytest.approx(np.median(own))
            if np.isfinite(row["low"]):
                # The sign test accepts what lies inside, and no order statistic further out.
                below = int((own < row["low"]).sum())
                assert 2 * stats.binom.cdf(below - 1, len(own), 0.5) <= 0.05
                assert row["low"] <= row["value"] <= row["high"]
            continue
        has = column == row["level"] if row["kind"] == "level" else column != feature.absent
        assert row["value"] == pytest.approx(has[inside].mean())
        assert row["city"] == pytest.approx(has.mean())
        # A level is picked as the one that differs most: its interval has to hold for all of them.
        among = len(set(column)) if row["kind"] == "level" else 1
        assert row["among"] == among
        oracle = stats.binomtest(int(has[inside].sum()), int(inside.sum())).proportion_ci(
            1 - 0.05 / among, method="wilson"
        )
        assert row["low"] == pytest.approx(oracle.low, abs=1e-9)
        assert row["high"] == pytest.approx(oracle.high, abs=1e-9)
    assert kinds >= {"level", "flag", "count", "ever", "median"}


def test_transitions_add_up_to_both_days(tiers, moved: Changes) -> None:
    counts = moved.transitions
    before = dict(zip(tiers[0]["enterprise_id"], tiers[0]["tier"].astype(str), strict=True))
    after = dict(zip(tiers[1]["enterprise_id"], tiers[1]["tier"].astype(str), strict=True))
    for tier in TIERS:
        assert counts.loc[counts["before"] == tier, "n"].sum() == sum(t == tier for t in before.values())
        assert counts.loc[counts["after"] == tier, "n"].sum() == sum(t == tier for t in after.values())
    for a, b in itertools.product([*TIERS, ABSENT[0]], [*TIERS, ABSENT[1]]):
        n = sum(
            before.get(one, ABSENT[0]) == a and after.get(one, ABSENT[1]) == b for one in {*before, *after}
        )
        rows = counts[(counts["before"] == a) & (counts["after"] == b)]
        assert rows["n"].sum() == n
    assert counts.groupby("before")["share"].sum().to_numpy() == pytest.approx(1)


def test_moves_of_reasons_add_up_to_moves_of_scores(model, tiers, X, moved: Changes) -> None:
    both = tiers[0].merge(tiers[1], on="enterprise_id", suffixes=("_0", "_1"))
    step = both["tier_1"].astype(str).str[1].astype(int) - both["tier_0"].astype(str).str[1].astype(int)
    score = {
        "risk": lambda x: model.risk.margin(x[list(model.risk.inputs_.names)]),
        "credit": lambda x: model.credit.points(x[list(model.credit.inputs_.names)]),
    }
    totals = moved.totals().set_index(["direction", "axis", "part"])
    for direction, chosen in (("better", step < 0), ("worse", step > 0)):
        ids = both.loc[chosen, "enterprise_id"]
        assert len(ids) > 0
        for axis, of in score.items():
            change = of(X[1].loc[ids]).mean() - of(X[0].loc[ids]).mean()
            parts = {part: totals.loc[(direction, axis, part)] for part in ("all", "records", "time")}
            assert parts["all"]["mean"] == pytest.approx(change, abs=1e-9)
            assert parts["records"]["mean"] + parts["time"]["mean"] == pytest.approx(change, abs=1e-9)
            assert parts["all"]["n"] == len(ids)


@pytest.mark.parametrize(("whose", "nothing"), [(0, "time"), (1, "records")])
def test_what_stands_as_on_one_day_moved_by_the_other_part_alone(
    model, tiers, X, moved: Changes, whose: int, nothing: str
) -> None:
    held = X[whose].loc[X[0].index.intersection(X[1].index)]
    found = changes(
        model.risk, model.credit, tiers[1], X[1], tiers[0], X[0], held, before="a", after="b"
    ).moved
    parts = {part: rows.drop(columns="part").reset_index(drop=True) for part, rows in found.groupby("part")}
    assert (parts[nothing]["mean"] == 0).all()
    other = "records" if nothing == "time" else "time"
    pd.testing.assert_frame_equal(parts[other], parts["all"])
    assert (parts["all"]["mean"] != 0).any()
    pd.testing.assert_frame_equal(
        parts["all"], moved.moved.query("part == 'all'").drop(columns="part").reset_index(drop=True)
    )


def _added(risk: object, credit: object, X: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return effects that are simple: a finding is half a log-odd and -10 points."""
    return {"risk": 0.5 * X[["findings_2y"]], "credit": -10.0 * X[["findings_2y"]]}


def _by_hand(monkeypatch, last, held, now, tiers=("T2", "T3"), ids=("a", "b")) -> Changes:
    monkeypatch.setattr(sys.modules[Changes.__module__], "effects", _added)
    frames = [pd.DataFrame({"findings_2y": one}, index=list(ids)).astype(float) for one in (last, held, now)]
    before, after = (pd.DataFrame({"enterprise_id": list(ids), "tier": tier}) for tier in tiers)
    return changes(None, None, after, frames[2], before, frames[0], frames[1], before="x", after="y")  # type: ignore[arg-type]


def test_records_and_time_by_hand(monkeypatch) -> None:
    # Of a's 4 findings one grew too old and 3 are new; b had none, and has 2.
    found = _by_hand(monkeypatch, last=[4, 0], held=[3, 0], now=[6, 2])
    mean = found.moved.set_index(["axis", "part"])["mean"]
    assert mean.xs("risk").to_dict() == {"all": 1.0, "records": 1.25, "time": -0.25}
    assert mean.xs("credit").to_dict() == {"all": -20.0, "records": -25.0, "time": 5.0}
    assert set(found.moved["direction"]) == {"worse"}
    assert "moved by +1.00 on average, +1.25 by records and −0.25 by time alone; most by: " in "".join(
        found.sentences("en")
    )


@pytest.mark.parametrize("lang", sorted(texts.LANGUAGES))
def test_a_score_that_did_not_move_is_not_said_to_have_moved_by_anything(monkeypatch, lang: str) -> None:
    said = _by_hand(monkeypatch, last=[1, 1], held=[1, 1], now=[1, 1]).sentences(lang)
    assert len(said) == 3
    for sentence in said[1:]:
        assert sentence.endswith(("by time alone.", "时间推移所致 0.00。", "时间推移所致 0.0。"))


@pytest.mark.parametrize("lang", sorted(texts.LANGUAGES))
def test_one_alone_has_no_interval_and_that_is_said(monkeypatch, lang: str) -> None:
    said = "".join(_by_hand(monkeypatch, [1], [1], [2], ids=("a",)).sentences(lang))
    assert texts.text("portrait.few", lang) in said
    assert "[–" not in said


@pytest.mark.parametrize("lang", sorted(texts.LANGUAGES))
def test_a_tier_of_one_has_no_interval_and_that_is_said(model, X, tiers, lang: str) -> None:
    own = tiers[1].assign(tier=np.where(np.arange(len(tiers[1])) == 7, "T4", "T1"))
    found = portraits(model.risk, model.credit, X[1], own)
    assert found.tiers["n"].tolist() == [len(own) - 1, 1]
    said = "\n".join(found.sentences(lang))
    assert texts.text("portrait.few", lang) in said
    assert "[–" not in said


def test_where_nobody_has_a_tier_on_both_days_nobody_moved(data, model, tiers, X) -> None:
    nobody, none = tiers[0].iloc[:0], build(data, DAYS[0], [])
    held = features_held(data, *DAYS, [])
    empty = changes(model.risk, model.credit, tiers[1], X[1], nobody, none, held, before="a", after="b")
    assert set(empty.transitions["before"]) == {ABSENT[0]}
    assert empty.transitions["n"].sum() == len(tiers[1])
    half = len(tiers[1]) // 2
    last, now = tiers[1].iloc[:half], tiers[1].iloc[half:]
    apart = changes(model.risk, model.credit, now, X[1], last, X[1], held, before="a", after="b")
    for found in (empty, apart):
        assert found.moved.empty
        assert found.sentences("en") == ["Nobody has a tier both on a and on b, so nobody changed it."]
        told = portraits(model.risk, model.credit, X[1], tiers[1], changes=found)
        assert found.sentences("zh")[0] in told.sentences("zh")
        for axis in ("risk", "credit"):
            plot.tier_moves(found, axis)
    plt.close("all")


def test_portraits_of_nobody_say_what_to_do(model, X, tiers) -> None:
    with pytest.raises(ValueError, match=r"'tiers' has no rows.*Give the tiers"):
        portraits(model.risk, model.credit, X[1].iloc[:0], tiers[1].iloc[:0])


@pytest.mark.parametrize("n", [1, 5, 6, 7, 16, 17, 50, 101, 400])
def test_the_median_lies_between_the_narrowest_order_statistics_that_hold(n: int) -> None:
    value, low, high = _median(np.random.default_rng(n).permutation(n).astype(np.float64) + 1)
    assert value == (n + 1) / 2

    def holds(r: int) -> float:
        """Return how often the median is between the r-th from below and the r-th from above."""
        return float(stats.binom.cdf(n - r, n, 0.5) - stats.binom.cdf(r - 1, n, 0.5))

    if np.isnan(low):
        assert np.isnan(high)
        assert holds(1) < 0.95
        return
    assert low + high == n + 1
    assert holds(int(low)) >= 0.95 > holds(int(low) + 1)


def test_the_level_told_is_the_one_that_differs_most_either_way(tiers, X, found: Portraits) -> None:
    rows = found.facts[found.facts["kind"] == "level"]
    higher = set()
    for row in rows.to_dict("records"):
        column = X[1][row["feature"]].astype(str)
        inside = (tiers[1]["tier"] == row["tier"]).to_numpy()
        every = {
            level: float((column[inside] == level).mean() - (column == level).mean()) for level in set(column)
        }
        most = max(abs(difference) for difference in every.values())
        assert abs(every[row["level"]]) == pytest.approx(most)
        higher.add(every[row["level"]] > 0)
    assert higher == {True, False}


def test_agreement_that_is_missing_vouches_for_nothing() -> None:
    tiers = pd.DataFrame(
        {"tier_agreement": [0.95, np.nan, 0.8], "distance_risk": 3.0, "distance_credit": 90.0}
    )
    assert bands(tiers).tolist() == ["sure", "unsure", "fair"]
    assert bands(tiers.drop(columns="tier_agreement")).tolist() == ["sure"] * 3


def test_what_time_does_is_blind_to_records_after_the_first_day(data, held, X) -> None:
    # Everything that became known on the first day or later is replaced; what time alone does stays the same.
    other = scramble(data, pd.Timestamp(DAYS[0]), seed=1)
    again = features_held(other, *DAYS, held.index)
    pd.testing.assert_frame_equal(again, held)
    assert (held["age_years"] > X[0].loc[held.index, "age_years"]).all(), "time passes"
    assert (held["findings_1y"] <= X[0].loc[held.index, "findings_1y"]).all(), "records only leave windows"
    assert not held.equals(X[1].loc[held.index])


def test_nothing_moves_between_a_day_and_itself(data, model, tiers, X) -> None:
    same = features_held(data, DAYS[1], DAYS[1], X[1].index)
    pd.testing.assert_frame_equal(same, X[1])
    none = changes(
        model.risk, model.credit, tiers[1], X[1], tiers[1], X[1], same, before=DAYS[1], after=DAYS[1]
    )
    assert (none.transitions["before"] == none.transitions["after"]).all()
    assert none.moved.empty
    assert len(none.sentences("en")) == 1


def test_bands_are_counted_for_each_tier(tiers, found: Portraits) -> None:
    near = found.near
    assert (near.groupby(["tier", "axis"])["n"].sum() == near.groupby(["tier", "axis"])["of"].first()).all()
    band = bands(tiers[1])
    for row in near[near["axis"] == "certainty"].to_dict("records"):
        mine = (tiers[1]["tier"] == row["tier"]) & (band == row["band"])
        assert row["n"] == mine.sum()
    nearest = way(tiers[1]).sort_values(kind="stable").index[: len(found.nearest)]
    assert found.nearest["enterprise_id"].tolist() == tiers[1].loc[nearest, "enterprise_id"].tolist()
    assert set(near["band"]) == set(BANDS)


@pytest.mark.parametrize("lang", sorted(texts.LANGUAGES))
def test_sentences_hold_the_tiers_share_beside_the_citys(found: Portraits, lang: str) -> None:
    said = "\n".join(found.sentences(lang))
    row = found.strongest(found.tiers["tier"].iloc[-1], "credit", 1).iloc[0]
    facts = found.facts.set_index(["tier", "feature"]).loc[(row["tier"], row["feature"])]
    show = texts.number if facts["kind"] == "median" else texts.percent
    assert show(facts["value"], 1) in said
    assert show(facts["city"], 1) in said
    assert f"n\u00a0=\u00a0{texts.number(int(facts['n']))}" in said
    assert "{" not in said
    assert "nan" not in said
    assert said.splitlines()[0] in found.__class__(**{**found.__dict__, "lang": lang})._repr_html_()


@pytest.mark.parametrize("lang", sorted(texts.LANGUAGES))
def test_figures_carry_n_and_intervals(found: Portraits, moved: Changes, lang: str) -> None:
    for axis in ("risk", "credit"):
        ax = plot.tier_marks(found, axis, lang=lang)
        headings = [text.get_text() for text in ax.texts]
        assert [heading.rpartition("= ")[2] for heading in headings] == [
            texts.number(int(n)) for n in found.tiers["n"]
        ]
        assert len(ax.collections) > 0, "intervals"
        ax = plot.tier_moves(moved, axis, lang=lang)
        assert "n = " in ax.texts[0].get_text()
    ax = plot.near_boundary(found, lang=lang)
    assert ax.get_yticklabels()[0].get_text().endswith(f"n = {texts.number(int(found.tiers['n'].iloc[0]))}")
    plt.close("all")


def test_one_tier_alone_is_the_city(model, X, tiers) -> None:
    alone = tiers[1].assign(tier="T2")
    found = portraits(model.risk, model.credit, X[1], alone)
    assert (found.marks["difference"] == 0).all()
    assert found.sentences("en")[0].startswith("T2 second tier")
    plot.tier_marks(found)
    plt.close("all")


def test_changes_that_are_all_alike_have_no_interval() -> None:
    mean, low, high = mean_interval(np.column_stack([np.full(6, 0.1), np.zeros(6), np.arange(6.0)]))
    assert np.isnan([low[:2], high[:2]]).all()
    assert low[2] < mean[2] < high[2]


def test_marks_without_any_spread_have_no_interval() -> None:
    inside = np.arange(100) < 30
    values = pd.DataFrame(
        {"apart": np.where(inside, 0.1, 0.7), "some": np.where(inside, 0.1, np.arange(100.0))}
    )
    marks = _marks(values, inside, "T4", "risk").set_index("feature")
    assert marks.loc["apart", "difference"] == pytest.approx(0.7 * (0.1 - 0.7))
    assert marks.loc["apart", ["low", "high"]].isna().all()
    assert marks.loc["some", "low"] < marks.loc["some", "difference"] < marks.loc["some", "high"]


@pytest.mark.parametrize("lang", sorted(texts.LANGUAGES))
def test_a_mark_without_any_spread_is_said_to_have_no_interval(model, X, tiers, found, lang: str) -> None:
    row = found.strongest("T2", "risk").iloc[0].copy()
    row["low"] = row["high"] = np.nan
    said = found.mark(row, lang)
    assert texts.text("portrait.few", lang) in said
    assert {"en": "too alike", "zh": "全同"}[lang] in said
