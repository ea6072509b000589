"""Measures against closed forms and against independent implementations."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss

from tierkit.scores import metrics

pairs = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=40)


@given(pairs)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, int]]) -> None:
    y, score = map(np.array, zip(*rows, strict=True))
    good, bad = score[y == 0], score[y == 1]
    if not (good.size and bad.size):
        assert np.isnan(metrics.auc(y, score))
        return
    points = [(b > g) + 0.5 * (b == g) for g, b in product(good, bad)]
    assert metrics.auc(y, score) == pytest.approx(np.mean(points), abs=1e-12)


@given(pairs)
def test_integer_weights_are_repeated_rows(rows: list[tuple[int, int]]) -> None:
    y, score = map(np.array, zip(*rows, strict=True))
    weight = score % 3 + 1
    repeated = metrics.auc(np.repeat(y, weight), np.repeat(score, weight))
    assert metrics.auc(y, score, weight) == pytest.approx(repeated, abs=1e-12, nan_ok=True)


def test_ks_by_hand() -> None:
    # At 2: all of class 0 are at or below, a third of class 1 is.
    assert metrics.ks([0, 0, 1, 1, 1], [1, 2, 2, 3, 4]) == pytest.approx(2 / 3)
    assert np.isnan(metrics.ks([1, 1], [1, 2]))


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_interval_agrees_with_scipy(k: int, n: int) -> None:
    k = min(k, n)
    theirs = binomtest(k, n).proportion_ci(0.9, method="wilson")
    low, high = metrics.wilson_interval(k, n, 0.9)
    assert (float(low), float(high)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_interval_of_no_trials_is_everything() -> None:
    low, high = metrics.wilson_interval([0, 1], [0, 4])
    assert (low[0], high[0]) == (0, 1)
    assert 0 < low[1] < 0.25 < high[1] < 1


def test_calibration_table_counts_add_up_and_ties_stay_together() -> None:
    rng = np.random.default_rng(0)
    p = rng.choice([0.1, 0.2, 0.3, 0.35, 0.7], 997)
    y = (rng.random(997) < p).astype(int)
    table = metrics.calibration_table(y, p, bins=10)
    assert table["n"].sum() == 997
    assert table["events"].sum() == y.sum()
    assert table["weight"].sum() == pytest.approx(1)
    assert len(table) <= 5
    assert table["predicted"].is_monotonic_increasing
    assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()


def test_calibration_error_of_a_calibrated_and_of_a_shifted_score() -> None:
    # 1,000 rows at each of 0.1 … 0.9 with exactly that share of events.
    levels = np.arange(1, 10) / 10
    p = np.repeat(levels, 1000)
    y = np.concatenate([np.r_[np.ones(round(v * 1000)), np.zeros(1000 - round(v * 1000))] for v in levels])
    assert metrics.calibration_error(y, p, 9) == pytest.approx(0, abs=1e-12)
    assert metrics.calibration_error(y, p + 0.05, 9) == pytest.approx(0.05, abs=1e-12)
    assert metrics.brier(y, p) == pytest.approx(brier_score_loss(y, p), abs=1e-12)


def test_weights_undo_selection() -> None:
    # Half of class 1 was left out at random; a weight of 2 gives the rate back.
    y, p, w = np.r_[np.zeros(60), np.ones(20)], np.full(80, 0.4), np.r_[np.ones(60), np.full(20, 2.0)]
    assert metrics.calibration_error(y, p, 10, w) == pytest.approx(0)
    assert metrics.calibration_error(y, p, 10) == pytest.approx(0.15)
    assert metrics.measures(y, p, w)["rate"] == pytest.approx(0.4)


def test_psi() -> None:
    assert metrics.psi_parts([5, 7], [50, 70]).sum() == 0
    # (3/4 - 1/2) ln(3/2) + (1/4 - 1/2) ln(1/2)
    exact = 0.25 * np.log(1.5) + 0.25 * np.log(2)
    assert metrics.psi_parts([200, 200], [300, 100]).sum() == pytest.approx(exact, abs=1e-12)


def test_outcomes_must_be_zero_or_one() -> None:
    with pytest.raises(ValueError, match="must be 0 or 1"):
        metrics.auc([1, 2], [0.1, 0.2])


def test_measures_of_one_class_is_nan_not_an_error() -> None:
    found = metrics.measures([0, 0], [0.1, 0.2])
    assert np.isnan(found["auc"])
    assert np.isnan(found["ks"])
    assert found["brier"] == pytest.approx(0.025)


def test_the_calibration_error_by_chance_is_that_of_outcomes_drawn_from_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    chance = np.round(rng.beta(1, 6, 800), 2)  # ties, which are never parted
    null = metrics.calibration_error_null(chance, replicates=400)
    slow = [metrics.calibration_error((rng.random(800) < chance).astype(int), chance) for _ in range(150)]
    assert null.mean() == pytest.approx(np.mean(slow), abs=4 * np.std(slow) / np.sqrt(150))
    assert np.quantile(null, 0.95) == pytest.approx(np.quantile(slow, 0.95), rel=0.15)
    assert (np.diff(null) >= 0).all()
    wrong = metrics.calibration_error((rng.random(800) < chance + 0.1).astype(int), chance)
    assert wrong > np.quantile(null, 0.95)
