"""Every public measure refuses the same arrays, by one table; what does not exist for sound arrays is NaN."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tierkit.evaluate.backtest import prediction_interval
from tierkit.policy import Policy
from tierkit.scores import metrics
from tierkit.scores.calibration import Calibration
from tierkit.scores.checked import checked
from tierkit.scores.monitoring import Bands, null_point
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

Y, P, W = [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.9], [1.0, 1.0, 2.0, 1.0]

# Name → a call with outcomes, probabilities and weights.
OF_THREE: dict[str, Callable[[Any, Any, Any], Any]] = {
    "auc": metrics.auc,
    "ks": metrics.ks,
    "brier": metrics.brier,
    "calibration_table": lambda y, p, w: metrics.calibration_table(y, p, 2, w),
    "calibration_error": lambda y, p, w: metrics.calibration_error(y, p, 2, w),
    "measures": metrics.measures,
    "Calibration.fit": lambda y, p, w: Calibration.fit(p, y, w),
}
BAD: dict[str, tuple[Any, Any, Any]] = {
    "classes 1 and 2": ([1, 2, 1, 2], P, W),
    "classes -1 and 1": ([-1, 1, -1, 1], P, W),
    "an outcome missing": ([0, 1, np.nan, 1], P, W),
    "outcomes as text": (["0", "1", "0", "1"], P, W),
    "outcomes of two dimensions": (np.array(Y)[:, None], P, W),
    "a score missing": (Y, [0.1, np.nan, 0.3, 0.9], W),
    "a score of None": (Y, [0.1, None, 0.3, 0.9], W),
    "a score of NA": (Y, pd.array([0.1, None, 0.3, 0.9], "Float64"), W),
    "a score masked": (Y, np.ma.masked_array(P, [0, 1, 0, 0]), W),
    "a score infinite": (Y, [0.1, np.inf, 0.3, 0.9], W),
    "scores as text": (Y, list(map(str, P)), W),
    "scores that are complex": (Y, np.array(P) + 0j, W),
    "scores that are dates": (Y, pd.date_range("2024-01-01", periods=4), W),
    "one score for all": (Y, [0.2], W),
    "scores of two dimensions": (Y, np.array(P)[:, None], W),
    "a score too many": (Y, [*P, 0.5], W),
    "a negative weight": (Y, P, [1, -1, 1, 1]),
    "a weight missing": (Y, P, [1, np.nan, 1, 1]),
    "an infinite weight": (Y, P, [1, np.inf, 1, 1]),
    "no weight at all": (Y, P, [0, 0, 0, 0]),
    "a weight too few": (Y, P, [1, 1, 1]),
    "weights of two dimensions": (Y, P, np.array(W)[:, None]),
    "weights whose squares vanish": (Y, P, [1e-300] * 4),
    "weights beyond all sums": (Y, P, [1e300] * 4),
    "objects that are dates": (Y, np.array([np.datetime64("2024-01-01")] * 4, dtype=object), W),
    "objects that are durations": (Y, np.array([np.timedelta64(1, "D")] * 4, dtype=object), W),
    "objects that are complex": (Y, np.array([np.complex128(0.5)] * 4, dtype=object), W),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("name", OF_THREE)
def test_every_measure_refuses_what_is_not_sound(name: str, case: str) -> None:
    with pytest.raises(ValueError, match=r"must|has|no weight"):
        OF_THREE[name](*BAD[case])


@pytest.mark.parametrize("name", OF_THREE)
@pytest.mark.parametrize(
    "made", [np.array, tuple, pd.Series, lambda x: pd.Series(x, dtype=object), lambda x: map(Decimal, x)]
)
def test_every_measure_takes_any_kind_of_sound_numbers(name: str, made: Callable[[Any], Any]) -> None:
    given = [made(one) for one in (Y, P, W)]
    given = [list(one) if isinstance(one, map) else one for one in given]
    np.testing.assert_equal(_plain(OF_THREE[name](*given)), _plain(OF_THREE[name](Y, P, W)))


def _plain(found: Any) -> Any:
    return found.to_numpy() if isinstance(found, pd.DataFrame) else found


@pytest.mark.parametrize("chance", [-0.1, 1.1, np.nan])
@pytest.mark.parametrize("name", ["brier", "calibration_table", "calibration_error", "measures"])
def test_a_probability_lies_between_0_and_1(name: str, chance: float) -> None:
    with pytest.raises(ValueError, match=r"'probability' must be a probability in 0 … 1 in every row; row 1"):
        OF_THREE[name](Y, [0.1, chance, 0.3, 0.9], W)
    with pytest.raises(ValueError, match="must be a probability"):
        metrics.calibration_error_null([0.1, chance])


@pytest.mark.parametrize("bins", [0, -3, 2.5, np.nan, True])
def test_a_number_of_bins_is_a_whole_number_from_1(bins: Any) -> None:
    for call in (
        lambda: metrics.bands(P, bins),
        lambda: metrics.quantile_edges(P, bins),
        lambda: metrics.psi(P, P[::-1], bins),
        lambda: metrics.calibration_table(Y, P, bins),
        lambda: metrics.calibration_error(Y, P, bins),
        lambda: metrics.calibration_error_null(P, bins),
        lambda: metrics.calibration_error_null(P, replicates=bins),
        lambda: Bands.of(P, bands=bins),
    ):
        with pytest.raises(ValueError, match="must be a whole number from 1"):
            call()


def test_a_calibration_maps_margins_alone() -> None:
    for bad in ([np.nan], [None], ["1"], [[1.0], [2.0]], [np.inf]):
        for call in (Calibration().log_odds, Calibration().probability):
            with pytest.raises(ValueError, match="'margin'"):
                call(bad)


def test_the_limit_of_an_index_needs_two_samples() -> None:
    for n, m in ((0, 10), (10, -3), (np.nan, 10)):
        with pytest.raises(ValueError, match="Two samples with rows"):
            null_point(5, n, m)
    with pytest.raises(ValueError, match="'level'"):
        null_point(5, 10, 10, 2)


def test_one_error_names_all_that_is_wrong() -> None:
    with pytest.raises(ValueError, match="'y' must be 0 or 1") as refused:
        metrics.brier([1, 2, 1], [0.2], [1, -1, 1])
    assert "'probability' has 1 rows, and 'y' has 3." in str(refused.value)
    assert "'sample_weight' must be a finite weight, 0 or more in every row; row 1 holds -1.0" in str(
        refused.value
    )


def test_groups_are_one_per_row_and_never_missing() -> None:
    [_, group] = checked(y=("outcomes", [0, 1]), group=("groups", ["a", "b"]))
    assert group.tolist() == ["a", "b"]
    for bad in (["a"], ["a", None], [["a"], ["b"]], np.nan):
        with pytest.raises(ValueError, match="'group'"):
            checked(y=("outcomes", [0, 1]), group=("groups", bad))


def test_what_does_not_exist_of_sound_arrays_is_nan() -> None:
    for name in ("auc", "ks", "brier", "calibration_error"):
        assert np.isnan(OF_THREE[name]([], [], None))
        assert np.isnan(OF_THREE[name]([1, 1], [0.1, 0.2], None)) == (name in ("auc", "ks"))
    known = metrics.measures([], [])
    assert known.pop("n") == known.pop("events") == 0
    assert np.isnan([*known.values()]).all()
    assert np.isnan(metrics.calibration_error_null([], replicates=3)).all()
    assert np.isnan(metrics.psi([1.0], []))
    assert np.isnan(metrics.psi([], [1.0]))
    assert np.isnan(metrics.psi(["a"], []))
    assert np.isnan(metrics.psi_parts([1, 2], [0, 0])).all()
    assert np.isnan(metrics.resampled_interval([], 0.2)).all()
    assert metrics.effective_size([]) == metrics.effective_size([0, 0]) == 0
    assert Calibration.fit([], []) == Calibration.fit([1.0, 2.0], [1, 1]) == Calibration()


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.wilson_interval(3, 2),
        lambda: metrics.wilson_interval(-1, 2),
        lambda: metrics.wilson_interval(np.nan, 2),
        lambda: metrics.wilson_interval(1, np.inf),
        lambda: metrics.wilson_interval([1, 1], [2, np.nan]),
        lambda: metrics.wilson_interval(1, 2, 95),
        lambda: metrics.effective_size([1, -1]),
        lambda: metrics.effective_size([[1, 1]]),
        lambda: metrics.resampled_interval([0.1, np.nan], 0.2),
        lambda: metrics.resampled_interval([0.1, 0.2], 1.0),
        lambda: metrics.psi_parts([1, 2], [1, 2, 3]),
        lambda: metrics.psi_parts([1, -2], [1, 2]),
        lambda: metrics.psi([1.0, 2.0], ["a"]),
        lambda: metrics.psi([1.0, np.inf], [1.0]),
        lambda: metrics.psi([1.0], [1.0, np.inf]),
        lambda: metrics.bands([0.1, np.nan], 2),
        lambda: metrics.quantile_edges([], 2),
        lambda: Bands.of([500.0, np.nan]),
        lambda: Bands.of([]),
        lambda: Bands.of([500.0], [510, 510]),
        lambda: Bands.of([500.0], [520, 510]),
        lambda: metrics.calibration_error_null([0.1, 0.2], sample_weight=[1, -1]),
    ],
)
def test_counts_and_samples_are_checked_as_well(call: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"must|has|hold|no values"):
        call()


def test_every_measure_of_one_table_takes_the_weights() -> None:
    # A row of weight 0 is no row, and one of weight 2 is two.
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, 60), np.round(rng.random(60), 1)
    weight = rng.integers(0, 3, 60)
    weighted = metrics.measures(y, p, weight)
    repeated = metrics.measures(np.repeat(y, weight), np.repeat(p, weight))
    for name in ("rate", "predicted", "auc", "ks", "brier"):
        assert weighted[name] == pytest.approx(repeated[name], abs=1e-12), name
    assert metrics.measures([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.9], [1, 1, 0, 1])["ks"] == 1.0
    assert metrics.measures([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.9])["ks"] == 0.5


def test_the_calibration_error_by_chance_takes_the_weights() -> None:
    # Four fair coins in a bin, one of weight 3: the error is |Σ w (y - 1/2)| / 6, exactly.
    weight = np.array([3.0, 1, 1, 1])
    outcomes = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1).T
    exact = np.abs((outcomes - 0.5) @ weight) / 6
    null = metrics.calibration_error_null(np.full(4, 0.5), 1, 20_000, sample_weight=weight)
    assert set(np.round(null, 9)) == set(np.round(exact, 9))
    assert null.mean() == pytest.approx(exact.mean(), abs=4 * exact.std() / np.sqrt(20_000))
    assert np.array_equal(
        metrics.calibration_error_null([0.1, 0.4, 0.2], 2, 9),
        metrics.calibration_error_null([0.1, 0.4, 0.2], 2, 9, sample_weight=[1, 1, 1]),
    )


def test_parameters_that_are_numbers_of_numpy_go_to_json() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.random(200), "b": rng.random(200)})
    y = X["a"] + rng.random(200) > 1
    plain = RiskModel({"a": 1}, n_trees=3, n_leaves=4, learning_rate=0.125).fit(X, y)
    of_numpy = RiskModel(
        {"a": np.int64(1)}, n_trees=np.int64(3), n_leaves=np.int32(4), learning_rate=np.float32(0.125)
    ).fit(X, y)
    assert json.dumps(of_numpy._learnt()) == json.dumps(plain._learnt())
    card = CreditScorecard(monotone={"a": np.int8(1)}, max_bins=np.int64(4)).fit(X, y)
    assert card.to_json() == CreditScorecard(monotone={"a": 1}, max_bins=4).fit(X, y).to_json()


@pytest.mark.parametrize("value", [np.float64(0.5), np.float32(0.5)])
def test_a_reform_takes_numbers_of_numpy(value: Any) -> None:
    legacy = Policy.load("legacy")
    one = legacy.reform({"frequency.base_rate": value}, name="half")
    assert one.hash == legacy.reform({"frequency.base_rate": 0.5}, name="half").hash
    assert type(one["frequency.base_rate"]) is float
    whole = legacy.reform({"frequency.base_rate": np.int64(1)}, name="one")
    assert whole.hash == legacy.reform({"frequency.base_rate": 1}, name="one").hash


def test_draws_of_which_one_is_missing_give_no_prediction() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        prediction_interval([*range(39), np.nan])
