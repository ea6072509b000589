"""Levels with many values: noise brings nothing, and real effects are kept, of other rows' outcomes alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from tierkit.scores.inputs import ColumnError
from tierkit.scores.level_effects import LevelEffects
from tierkit.scores.metrics import auc
from tierkit.scores.risk import RiskModel
from tierkit.scores.training_rows import lots

LEVELS = 300


@parametrize_with_checks([LevelEffects()])
def test_scikit_learn_contract(estimator, check) -> None:
    check(estimator)


def world(seed: int, spread: float, n: int = 4000) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return rows with a number that tells, inspectors whose effects have a spread, and streets of noise."""
    rng = np.random.default_rng(seed)
    x, effect = rng.normal(size=n), spread * np.random.default_rng(seed // 2).normal(size=LEVELS)
    who, street = rng.integers(0, LEVELS, n), rng.integers(0, LEVELS, n)
    y = rng.random(n) < 1 / (1 + np.exp(1.8 - 0.7 * x - effect[who]))
    return pd.DataFrame({"x": x, "who": who.astype(str), "street": street.astype(str)}), y.astype(np.int64)


def model() -> RiskModel:
    return RiskModel(n_trees=60, n_leaves=4, num_threads=1)


def gains(seed: int, spread: float) -> tuple[float, float]:
    """Return the AUC on new rows beyond that of the number alone, with pooled levels and with raw ones."""
    (X, y), (Z, later) = world(2 * seed, spread), world(2 * seed + 1, spread)
    alone = auc(later, model().fit(X[["x"]], y).margin(Z[["x"]]))
    pooled = make_pipeline(LevelEffects(), model()).fit(X, y).predict_proba(Z)[:, 1]
    return auc(later, pooled) - alone, auc(later, model().fit(X, y).margin(Z)) - alone


@pytest.mark.parametrize(
    ("seeds", "refits"), [(60, 3), pytest.param(600, 40, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_pure_noise_brings_nothing_where_raw_levels_cost_a_lot(seeds: int, refits: int) -> None:
    fits = [LevelEffects().fit(*world(seed, 0.0)).pooled_["kept"] for seed in range(seeds)]
    any_kept = sum(bool(kept.any()) for kept in fits)
    assert any_kept <= binom.ppf(0.999, seeds, 0.05)
    pooled, raw = np.transpose([gains(seed, 0.0) for seed in range(refits)])
    assert abs(pooled.mean()) < 0.002
    assert raw.mean() < -0.02


@pytest.mark.parametrize("refits", [3, pytest.param(40, marks=pytest.mark.long)], ids=["short", "long"])
def test_real_effects_are_kept(refits: int) -> None:
    for seed in range(refits):
        kept = LevelEffects().fit(*world(seed, 0.7)).pooled_["kept"]
        assert kept["who"]
    pooled, raw = np.transpose([gains(seed, 0.7) for seed in range(refits)])
    assert pooled.mean() > 0.015
    assert (pooled > raw).all()


def test_rows_of_the_fit_are_told_nothing_of_outcomes_of_their_own_lot() -> None:
    X, y = world(1, 0.7)
    house = np.arange(len(y)) // 2
    told = LevelEffects().fit_transform(X, y, groups=house)["who"]
    lot = lots(pd.Series(house).astype("str"), "fold 0") % np.uint64(5)
    mine, rng = np.flatnonzero(lot == 0), np.random.default_rng(0)
    some = rng.choice(mine, 100, replace=False)
    turned = y.copy()
    turned[some] = 1 - turned[some]
    other = LevelEffects().fit_transform(X, turned, groups=house)["who"]
    np.testing.assert_array_equal(told[mine], other[mine])
    assert not np.array_equal(told, other)


def test_effects_are_those_of_an_analysis_of_variance_by_hand() -> None:
    # Two levels of 40 rows with 30 and 10 events: mean 1/2, apart ± 1/4. Within (40 · 3/16 · 2) / 78, between
    # ((80 / 16) - within) / 40.
    X = pd.DataFrame({"who": np.repeat(["a", "b"], 40)})
    y = np.r_[np.ones(30), np.zeros(10), np.ones(10), np.zeros(30)]
    fitted = LevelEffects(over=1).fit(X, y)
    within = 15 / 78
    between = (5 - within) / 40
    belief = within / between
    assert fitted.pooled_.loc["who", "rows_of_belief"] == pytest.approx(belief)
    told = fitted.transform(pd.DataFrame({"who": ["a", "b", "new", None]}))
    np.testing.assert_allclose(told["who"], [10 / (40 + belief), -10 / (40 + belief), 0, 0], rtol=1e-12)


def test_streets_that_are_one_house_each_are_no_effect_of_streets() -> None:
    kept = {"by row": 0, "by house": 0}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        house = np.repeat(np.arange(300), 8)
        street = (house // 3).astype(str)
        y = rng.random(len(house)) < 1 / (1 + np.exp(1.5 - rng.normal(0, 1.0, 300)[house]))
        X = pd.DataFrame({"street": street})
        kept["by row"] += LevelEffects().fit(X, y).pooled_.loc["street", "kept"]
        kept["by house"] += LevelEffects().fit(X, y, groups=house).pooled_.loc["street", "kept"]
    assert kept["by row"] > 25
    assert kept["by house"] <= binom.ppf(0.999, 30, 0.05)


def test_few_levels_and_numbers_pass_as_they_are() -> None:
    X, y = world(3, 0.7)
    X["few"] = np.where(X["x"] > 0, "high", "low")
    told = LevelEffects().fit_transform(X, y)
    pd.testing.assert_frame_equal(told[["x", "few"]], X[["x", "few"]])
    assert list(told) == ["x", "who", "few"]


def test_weights_of_whole_numbers_are_rows_given_again() -> None:
    X, y = world(4, 0.7, n=3000)
    times = np.random.default_rng(0).integers(0, 3, 3000)
    again = np.repeat(np.arange(3000), times)
    weighed = LevelEffects().fit(X, y, sample_weight=times, groups=np.arange(3000))
    rows = LevelEffects().fit(X.iloc[again], y[again], groups=again)
    a, b = weighed.transform(X)["who"], rows.transform(X)["who"]
    assert np.corrcoef(a, b)[0, 1] > 0.999


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"over": 0}, "'over' parameter of LevelEffects must be an int from 1"),
        ({"folds": 1}, "'folds' parameter of LevelEffects must be an int from 2"),
        ({"y": ["a", "b", "c", "a"]}, "'y' has 3 classes of text"),
        ({"groups": [1, 2]}, "'groups' has 2 rows, and 'y' has 4"),
    ],
)
def test_what_it_cannot_use_is_refused(given, said) -> None:
    X = pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0]})
    own = {name: value for name, value in given.items() if name in ("over", "folds")}
    with pytest.raises(ValueError, match=said):
        LevelEffects(**own).fit(X, given.get("y", [0, 1, 0, 1]), groups=given.get("groups"))


def test_a_column_that_names_the_rows_is_refused() -> None:
    X = pd.DataFrame({"name": [f"n{i}" for i in range(50)]})
    with pytest.raises(ColumnError, match="as an identifier"):
        LevelEffects().fit(X, np.arange(50) % 2)
