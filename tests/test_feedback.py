"""The runaway test: it sees a loop where there is nothing but the loop, and no floor is not a floor."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest

from tierkit.city.engine import LOG, Run, run
from tierkit.city.synth import history
from tierkit.evaluate import Feedback, equal_hazards, runaway
from tierkit.evaluate.feedback.feedback import MEASURES, Arm, _gini, _tiered
from tierkit.evaluate.feedback.learning import ROUND_WEEKS, Book
from tierkit.policy import Policy
from tierkit.records import CHANNELS

LOOP, FAIR = Arm("loop", "discovered", 0.0), Arm("fair", "audits", 0.03)
ROUNDS = 6


@cache
def result() -> Feedback:
    """Return rounds in a world where nobody is riskier than anybody."""
    return runaway(
        1500, rounds=ROUNDS, arms=(LOOP, FAIR), seeds=(1, 2, 3, 4), reported=False, params=equal_hazards()
    )


@cache
def past() -> Run:
    return history(500, 1, horizon_weeks=ROUND_WEEKS)[1]


def at(frame: pd.DataFrame, arm: str, measure: str, k: int = ROUNDS) -> pd.Series:
    return frame[(frame["arm"] == arm) & (frame["measure"] == measure) & (frame["round"] == k)].iloc[0]


def test_in_a_world_of_equals_the_loop_keeps_its_own_and_random_audits_do_not() -> None:
    means, paired = result().summary(), result().differences("fair")
    assert at(means, "loop", "kept")["value"] > 0.3  # a lot would keep 13 in a hundred
    assert at(means, "fair", "kept")["value"] < 0.25
    assert at(paired, "loop", "kept")["low"] > 0.1
    assert at(paired, "loop", "never")["low"] > 0.05
    assert at(paired, "loop", "missed")["low"] > 0
    assert at(paired, "loop", "top_share")["low"] > 0.1


def test_the_loop_does_not_find_more_for_it() -> None:
    found = at(result().differences("fair"), "loop", "findings")
    assert found["low"] < 2
    for arm in ("loop", "fair"):
        assert at(result().summary(), arm, "planned")["value"] == pytest.approx(200, rel=0.08)


def test_the_loop_takes_the_unvisited_for_safe_and_audits_do_not() -> None:
    means = result().summary()
    assert at(means, "loop", "gap")["high"] < -0.04
    assert abs(at(means, "fair", "gap")["value"]) < 0.03


def test_nothing_correlates_with_a_truth_that_is_all_alike() -> None:
    rows = result().rounds
    assert rows.loc[rows["measure"] == "correlation", "value"].isna().all()
    assert rows.loc[rows["measure"] != "correlation", "value"].notna().all()
    row = at(result().summary(), "loop", "correlation")
    assert (row["n"], np.isnan(row["value"])) == (0, True)


def test_everything_starts_alike_and_the_unseen_become_fewer() -> None:
    rows = result().rounds
    assert (rows.loc[(rows["measure"] == "kept") & (rows["round"] == 1), "value"] == 1).all()
    for _, mine in rows[rows["measure"] == "never"].groupby(["arm", "seed"]):
        assert mine["value"].is_monotonic_decreasing
    assert set(rows["measure"]) == set(MEASURES)
    assert len(rows) == 2 * 4 * ROUNDS * len(MEASURES)


def test_the_same_seeds_give_the_same_numbers() -> None:
    once, twice = (
        runaway(300, rounds=2, arms=(Arm("a", "inspected", 0.0),), seeds=(4,)).rounds for _ in range(2)
    )
    pd.testing.assert_frame_equal(once, twice)
    told = runaway(300, rounds=2, arms=(Arm("a", "inspected", 0.0),), seeds=(4,))
    assert told.seeds == 1
    assert told.summary()["low"].isna().all()


def test_paired_intervals_are_those_of_the_differences() -> None:
    rows = result().rounds.set_index(["arm", "measure", "round", "seed"])["value"].sort_index()
    gap = rows["loop", "never", ROUNDS].to_numpy() - rows["fair", "never", ROUNDS].to_numpy()
    row = at(result().differences("fair"), "loop", "never")
    half = 3.182446 * gap.std(ddof=1) / 2  # Student's t with three degrees of freedom, over the root of four
    assert (row["value"], row["high"] - row["value"]) == (pytest.approx(gap.mean()), pytest.approx(half))
    with pytest.raises(KeyError, match="there are loop, fair"):
        result().differences("other")


def test_tiers_hold_their_shares_whatever_the_score() -> None:
    frame = past().end
    alive = np.flatnonzero(frame.alive())
    policy = Policy.load("legacy").reform(
        {"scoring.basis": "model", "scoring.matrix": [["T1"] * 4, ["T2"] * 4, ["T3"] * 4, ["T4"] * 4]}
    )
    for score in (np.linspace(0, 1, alive.size), np.zeros(alive.size)):
        tiered = _tiered(frame, score, alive, policy["scoring.risk_cutoffs"])
        tier = run(frame, policy, 1, scores=tiered).first_tier[alive]
        shares = np.bincount(tier, minlength=4) / alive.size
        np.testing.assert_allclose(shares, [0.62, 0.25, 0.10, 0.03], atol=0.01)


def test_features_count_what_was_before_a_week_and_outcomes_what_came_after() -> None:
    book, log = Book(past().end, [past()]), past().table()
    log = log[log["mode"] < 2].assign(owner=past().start.fixed.enterprise[log["obligation"]].astype(int))
    now = past().end.week
    week = now - 40
    owner = np.arange(60)
    X = book.features(owner, np.full(60, week))
    seen = log[(log["week"] < week) & (log["week"] >= week - 104)]
    np.testing.assert_array_equal(X["inspections"], np.bincount(seen["owner"], minlength=5000)[:60])
    found = seen[seen["finding"] > 0]
    np.testing.assert_array_equal(X["findings"], np.bincount(found["owner"], minlength=5000)[:60])
    inspected, y = book.rows("inspected", now)
    recent = log[log["week"] >= now - 104]
    assert (len(inspected), y.sum()) == (len(recent), (recent["finding"] > 0).sum())
    assert len(book.rows("audits", now)[1]) == (recent["channel"] == CHANNELS.index("random")).sum()
    whole, told = book.rows("discovered", now)
    after = log[(log["finding"] > 0) & (log["week"] >= now - 78)]  # snapshots 26, 52 and 78 weeks ago
    halves = (now - 1 - after["week"]) // ROUND_WEEKS
    assert told.sum() <= after.assign(half=halves).groupby(["owner", "half"]).ngroups
    assert told.sum() > 0.9 * after.assign(half=halves).groupby(["owner", "half"]).ngroups
    assert len(whole) > 2.5 * past().end.alive().sum()
    assert LOG[:6] == ("week", "obligation", "channel", "mode", "finding", "disposition")


def test_the_future_changes_no_feature() -> None:
    frame = past().end
    later = run(frame, Policy.load("legacy"), ROUND_WEEKS)
    owner = np.flatnonzero(frame.alive())
    week = np.full(owner.size, frame.week)
    one = Book(frame, [past()]).features(owner, week)
    two = Book(later.end, [past(), later]).features(owner, week)
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    ("values", "gini"), [([1, 1, 1, 1], 0.0), ([0, 0, 0, 4], 0.75), ([0, 0], 0.0), ([1, 3], 0.25)]
)
def test_ginis_by_hand(values: list[float], gini: float) -> None:
    assert _gini(np.array(values, float)) == pytest.approx(gini, abs=1e-12)


def test_arms_that_cannot_learn_are_refused() -> None:
    with pytest.raises(ValueError, match=r"has no floor\. Give it one"):
        runaway(arms=[Arm("a", "audits", 0.0)])
    with pytest.raises(ValueError, match="different names"):
        runaway(arms=[LOOP, LOOP])
    with pytest.raises(ValueError, match="at least one round"):
        runaway(rounds=0)
    with pytest.raises(ValueError, match=r"leaves no targeted inspection\. Lower it"):
        runaway(100, arms=[Arm("a", "audits", 0.5)], seeds=[1])
    with pytest.raises(ValueError, match="do not hold both outcomes"):
        runaway(20, arms=[Arm("a", "audits", 0.01)], seeds=[1])


def test_the_result_is_shown_and_written() -> None:
    told = json.loads(json.dumps(result().to_dict()))
    assert (told["seeds"], told["enterprises"]) == (4, 1500)
    assert "never inspected" in result()._repr_html_()
    assert None in [row["value"] for row in told["summary"]]
