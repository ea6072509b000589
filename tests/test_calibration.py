"""The calibration recovers a known map, keeps every rank, and has a rule for every shortage of data."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from tierkit.scores import metrics
from tierkit.scores.calibration import Calibration

finite = st.floats(-30, 30)


def expected_rows(truth: Calibration, margin: np.ndarray):
    """Return every margin with both outcomes, weighted by the true probabilities: no noise at all."""
    p = truth.probability(margin)
    return np.tile(margin, 2), np.repeat([1, 0], margin.size), np.r_[p, 1 - p]


@settings(max_examples=10)
@given(st.floats(0.2, 3), st.floats(0.2, 3), st.floats(-3, 3))
def test_a_known_map_is_found(low: float, high: float, shift: float) -> None:
    truth = Calibration(low, high, shift, "beta")
    # Rows enough that the prior weighs nothing beside them.
    margin = np.linspace(-4, 4, 20_001)
    found = Calibration.fit(*expected_rows(truth, margin))
    np.testing.assert_allclose(found.probability(margin), truth.probability(margin), rtol=0, atol=5e-3)


@given(st.lists(finite, min_size=2, max_size=30, unique=True), st.floats(0.01, 5), st.floats(0.01, 5), finite)
def test_ranks_survive(margins: list[float], low: float, high: float, shift: float) -> None:
    # Distinct by far more than rounding error, so that strictness can be asked for.
    m = np.unique(np.round(margins, 6))
    assert (np.diff(Calibration(low, high, shift, "beta").log_odds(m)) > 0).all()


def test_noise_still_gives_a_strictly_increasing_map() -> None:
    rng = np.random.default_rng(0)
    margin = rng.normal(size=2000)
    found = Calibration.fit(margin, expit(-margin) > rng.random(2000))
    assert found.low > 0
    assert found.high > 0
    assert (np.diff(found.log_odds(np.linspace(-5, 5, 100))) > 0).all()


@pytest.mark.slow
def test_a_slope_that_the_data_hardly_see_stays_near_one() -> None:
    # All margins far below 0: the slope above 0 is anybody's guess, and must not be a wild one.
    rng = np.random.default_rng(3)
    margin = rng.normal(-2.5, 0.4, 1500)
    slopes = []
    for seed in range(20):
        y = np.random.default_rng(seed).random(1500) < expit(margin)
        found = Calibration.fit(margin, y)
        slopes += [found.low, found.high]
    assert min(slopes) > 0.2
    assert max(slopes) < 2.5


def test_calibrated_probabilities_have_the_observed_mean() -> None:
    # The score equation of the shift: weighted mean of the predictions = weighted mean of the outcomes.
    rng = np.random.default_rng(1)
    margin, weight = rng.normal(size=5000), rng.gamma(1, size=5000)
    y = (rng.random(5000) < expit(2 * margin - 2)).astype(int)
    found = Calibration.fit(margin, y, weight)
    assert np.average(found.probability(margin), weights=weight) == pytest.approx(
        np.average(y, weights=weight), abs=1e-6
    )
    before = metrics.calibration_error(y, expit(margin), 10, weight)
    assert metrics.calibration_error(y, found.probability(margin), 10, weight) < before / 4


def test_weight_zero_is_left_out() -> None:
    rng = np.random.default_rng(2)
    margin, y = rng.normal(size=400), rng.integers(0, 2, 400)
    weight = np.r_[np.ones(300), np.zeros(100)]
    assert Calibration.fit(margin, y, weight) == Calibration.fit(margin[:300], y[:300])


@pytest.mark.parametrize(
    ("events", "kind"), [(0, "none"), (29, "shift"), (30, "beta"), (971, "shift"), (1000, "none")]
)
def test_what_few_events_allow(events: int, kind: str) -> None:
    margin = np.linspace(-2, 2, 1000)
    y = np.zeros(1000)
    y[:events] = 1
    found = Calibration.fit(margin, y)
    assert found.kind == kind
    if kind == "shift":
        assert (found.low, found.high) == (1, 1)
        assert found.probability(margin).mean() == pytest.approx(events / 1000, abs=1e-6)
    if kind == "none":
        np.testing.assert_allclose(found.log_odds(margin), margin, rtol=0, atol=1e-12)


def test_json_is_lossless() -> None:
    found = Calibration.fit(*expected_rows(Calibration(0.3, 1.7, -1.1), np.linspace(-3, 3, 99)))
    assert Calibration.from_dict(json.loads(json.dumps(found.to_dict()))) == found
