"""Reasons from tables: the same as LightGBM's walk, as shap's, and as the definition over all subsets."""

from __future__ import annotations

import dataclasses
import itertools
import math
import warnings
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierkit.explain import contributions
from tierkit.explain.trees import compiled, fragments, kernels
from tierkit.explain.trees.compiled import CompiledTrees
from tierkit.explain.trees.fragments import UnsupportedTreesError
from tierkit.scores.risk import RiskModel
from tierkit.scores.trees import read_trees

with warnings.catch_warnings():  # shap's import uses what matplotlib means to deprecate
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap

TINY = float(np.float32(1e-35))
"""What is not further from 0 is 0 to LightGBM."""
ODD = [
    0.0,
    -0.0,
    np.nan,
    np.inf,
    -np.inf,
    1e300,
    -1e300,
    5e-324,
    -1e-35,
    1e-35,
    TINY,
    -TINY,
    float(np.nextafter(TINY, 1)),
    float(np.nextafter(-TINY, -1)),
    -0.5,
    0.5,
    -1.0,
    2.0**31,
    2.0**40,
]
"""Values that a comparison, a cast or a table may take amiss."""


def grow(X: np.ndarray, y: np.ndarray, trees: int, levels: tuple[int, ...] = (), **given: Any) -> lgb.Booster:
    fixed = {
        "objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 5,
        "min_data_per_group": 5, "cat_smooth": 1.0, "min_data_in_bin": 1,
    }  # fmt: skip
    return lgb.train(fixed | given, lgb.Dataset(X, y, categorical_feature=list(levels)), trees)


def lightgbm(booster: lgb.Booster, X: np.ndarray) -> np.ndarray:
    return np.asarray(booster.predict(X, pred_contrib=True, num_threads=1))


def with_base(trees: CompiledTrees, X: np.ndarray) -> np.ndarray:
    return np.column_stack([trees.values(X), np.full(len(X), trees.base)])


def around(booster: lgb.Booster, k: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return rows of what the model compares with, and just beside it, and of unknown levels."""
    table = booster.trees_to_dataframe()
    rows = np.empty((n, k))
    for j in range(k):
        own = table[table["split_feature"] == f"Column_{j}"]
        known = [float(one) for text in own["threshold"] for one in str(text).split("||")]
        near = [np.nextafter(one, side) for one in known for side in (-np.inf, np.inf)]
        rows[:, j] = rng.choice([*known, *near, *ODD, 33.0, 70.0], n)
    return rows


@settings(max_examples=40)
@given(st.data())
def test_values_are_those_of_lightgbm_and_of_shap(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), "seed"))
    n, k = data.draw(st.integers(60, 600), "rows"), data.draw(st.integers(1, 8), "columns")
    X = rng.normal(size=(n, k)).round(data.draw(st.integers(0, 3), "digits"))
    levels = tuple(data.draw(st.sets(st.integers(0, k - 1), max_size=2), "by level"))
    for j in levels:
        X[:, j] = rng.integers(0, data.draw(st.sampled_from([2, 5, 40])), n)
    missing = data.draw(st.sets(st.integers(0, k - 1)), "with missing")
    for j in missing:
        X[rng.random(n) < 0.2, j] = np.nan
    margin = np.nan_to_num(X).sum(axis=1) + np.nan_to_num(X[:, 0] * X[:, -1])
    y = (margin + rng.normal(size=n) > np.median(margin)).astype(int)
    booster = grow(
        X, y, data.draw(st.integers(1, 12), "trees"), levels, min_data_in_leaf=data.draw(st.integers(1, 40)),
        num_leaves=data.draw(st.sampled_from([2, 3, 6, 20]), "leaves"),
        use_missing=data.draw(st.booleans(), "use missing"),
    )  # fmt: skip
    trees = CompiledTrees.checked(booster)
    for rows in (X, around(booster, k, 120, rng)):
        np.testing.assert_allclose(with_base(trees, rows), lightgbm(booster, rows), rtol=0, atol=1e-9)
    if not levels and not missing:  # shap's own walk knows neither as LightGBM does
        explainer = shap.TreeExplainer(booster)
        explainer.model.model_type = "internal"  # else it asks LightGBM
        theirs = np.asarray(explainer(X[:20]).values)
        np.testing.assert_allclose(trees.values(X[:20]), theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("leaves", "depth"), [(65, -1), (40, 16), (30, 30)])
def test_large_and_deep_trees_up_to_the_limits(leaves: int, depth: int) -> None:
    rng = np.random.default_rng(leaves)
    X = rng.normal(size=(3000, 14))
    X[:, 2] = rng.integers(0, 70, len(X))
    X[rng.random(len(X)) < 0.1, 5] = np.nan
    y = np.exp(X[:, 1]) * X[:, 0] + X[:, 3] * X[:, 4] + X[:, 2] % 3
    booster = grow(
        X, y, 3, (2,), objective="regression", num_leaves=leaves, max_depth=depth, min_data_in_leaf=1
    )
    trees = CompiledTrees.checked(booster)
    assert trees.tree_start[-1] == 3 * (leaves - 1)
    for rows in (X[:200], around(booster, 14, 200, rng)):
        np.testing.assert_allclose(with_base(trees, rows), lightgbm(booster, rows), rtol=0, atol=1e-9)


def chain(k: int) -> tuple[lgb.Booster, np.ndarray]:
    """Return one tree that tests k different columns one after the other, and its rows."""
    step = np.arange(k + 1).repeat(10)
    X = (step[:, None] == np.arange(k)).astype(float)
    settings = {"num_leaves": k + 1, "min_data_in_leaf": 1, "enable_bundle": False}
    return grow(X, 0.8**step, 1, objective="regression", **settings), X


def test_a_path_of_as_many_features_as_a_table_holds_and_one_more() -> None:
    booster, X = chain(16)
    assert max(booster.trees_to_dataframe()["node_depth"]) == 17
    trees = CompiledTrees.checked(booster)
    np.testing.assert_allclose(with_base(trees, X), lightgbm(booster, X), rtol=0, atol=1e-9)
    with pytest.raises(UnsupportedTreesError, match="A path tests more than 16 different features"):
        CompiledTrees.of(chain(17)[0])


def test_stumps_constant_trees_and_no_trees() -> None:
    x = np.arange(200.0)[:, None]
    late = (x[:, 0] > 49).astype(int)
    constant = grow(x, late, 5, min_data_in_leaf=150)
    assert CompiledTrees.checked(constant).base == pytest.approx(math.log(3))
    assert not CompiledTrees.checked(constant).values(x).any()
    none = lgb.Booster({"verbosity": -1}, lgb.Dataset(x, late))
    assert none.num_trees() == 0
    assert CompiledTrees.checked(none).base == 0
    assert CompiledTrees.checked(none).values(x).tolist() == [[0.0]] * 200
    for booster, base in ((constant, math.log(3)), (none, 0)):
        over = CompiledTrees.checked(booster, x[:3])
        assert over.base == pytest.approx(base)
        assert not over.values(x).any()
    stump = CompiledTrees.checked(grow(x, late, 1, num_leaves=2)).values(x)[:, 0]
    assert len(np.unique(stump)) == 2
    assert stump.mean() == pytest.approx(0, abs=1e-12)


WAYS: dict[str, dict[str, Any]] = {
    "dart": {"boosting": "dart", "drop_rate": 0.5, "skip_drop": 0.0},
    "goss": {"data_sample_strategy": "goss"},
    "random forest": {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
    "bagging": {"bagging_freq": 1, "bagging_fraction": 0.5, "feature_fraction": 0.6},
    "extra trees": {"extra_trees": True},
    "not from the average": {"boost_from_average": False},
    "smoothed": {"path_smooth": 5.0},
    "quantised": {"use_quantized_grad": True},
    "counts": {"objective": "poisson"},
    "few values": {"max_bin": 3},
    "monotone": {"monotone_constraints": [1, 0, 0, 0], "monotone_constraints_method": "advanced"},
    "several levels at once": {"max_cat_to_onehot": 1, "max_cat_threshold": 64},
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_of_growing(way: str) -> None:
    rng = np.random.default_rng(11)
    X = np.column_stack([rng.normal(size=(500, 3)), rng.integers(0, 50, 500)])
    X[::7, 1] = np.nan
    X[::11, 3] = np.nan
    X[::13, 2] = rng.choice([np.inf, -np.inf], len(X[::13]))
    y = (X[:, 0] + np.nan_to_num(X[:, 1]) + np.nan_to_num(X[:, 3]) % 3 > 1).astype(int)
    booster = grow(X, y, 8, (3,), **WAYS[way])
    assert len(np.unique(booster.predict(X))) > 4
    rows = np.vstack([X[:80], around(booster, 4, 80, rng)])
    for background in (None, rows[40:120]):
        trees = CompiledTrees.checked(booster, background)
        total = trees.base + trees.values(rows).sum(axis=1)
        np.testing.assert_allclose(total, booster.predict(rows, raw_score=True), rtol=0, atol=1e-9)
        if background is None:
            np.testing.assert_allclose(with_base(trees, rows), lightgbm(booster, rows), rtol=0, atol=1e-9)


def test_a_split_between_missing_and_not() -> None:
    X = np.repeat([[1.0], [2.0], [np.nan]], 50, axis=0)
    booster = grow(X, np.isnan(X[:, 0]).astype(int), 1, num_leaves=2)
    rows = np.array([[np.nan], [np.inf], [-np.inf], [1e300], [1e301], [3.0], [0.0]])
    trees = CompiledTrees.checked(booster)
    np.testing.assert_allclose(with_base(trees, rows), lightgbm(booster, rows), rtol=0, atol=1e-12)
    assert trees.values(rows)[0, 0] > 0 > trees.values(rows)[5, 0]


def test_an_endless_threshold_refuses_no_model() -> None:
    """LightGBM writes an endless threshold as 1e300; beyond, a fresh model and one read back differ."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(2_000, 2))
    X[rng.random(2_000) < 0.3, 0] = np.nan
    booster = grow(X, np.isnan(X[:, 0]) + 0.1 * X[:, 1], 20, objective="regression")
    found = CompiledTrees.of(booster)
    assert (np.abs(found.threshold) >= 1e300).any()
    assert np.nanmax(np.abs(found.probes())) == 1e300
    for background in (None, X[:50]):
        CompiledTrees.checked(booster, background)


def test_weights_initial_scores_and_early_stopping() -> None:
    rng = np.random.default_rng(12)
    X = rng.normal(size=(600, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    data = lgb.Dataset(X, y, weight=rng.exponential(size=600), init_score=rng.normal(size=600))
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    wrong = lgb.Dataset(X[:100], 1 - y[:100], reference=data)
    stop = lgb.early_stopping(3, verbose=False)
    # Growth goes on for three trees that make it worse; LightGBM scores with the best number of trees.
    booster = lgb.train(fixed, data, 30, valid_sets=[wrong], callbacks=[stop], keep_training_booster=True)
    assert booster.best_iteration < booster.num_trees()
    for trees in (CompiledTrees.checked(booster), CompiledTrees.checked(booster, X[:50])):
        assert len(trees.tree_start) - 1 == booster.best_iteration
        total = trees.base + trees.values(X).sum(axis=1)
        np.testing.assert_allclose(total, booster.predict(X, raw_score=True), rtol=0, atol=1e-12)


def test_values_are_those_of_the_definition_over_all_subsets() -> None:
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(size=(500, 3)), rng.integers(0, 9, 500)])
    X[::6, 1] = np.nan
    y = (X[:, 0] * X[:, 2] + np.nan_to_num(X[:, 1]) + (X[:, 3] % 2) > 0.4).astype(int)
    booster = grow(X, y, 4, (3,), num_leaves=9)
    roots = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]

    def goes_left(node: dict[str, Any], x: float) -> bool:
        if node["decision_type"] == "==":
            return str(x).removesuffix(".0") in node["threshold"].split("||")
        if math.isnan(x):
            return bool(node["default_left"]) if node["missing_type"] == "NaN" else node["threshold"] >= 0
        return x <= node["threshold"]

    def expected(node: dict[str, Any], row: np.ndarray, known: frozenset[int]) -> float:
        if "leaf_value" in node:
            return float(node["leaf_value"])
        sides = node["left_child"], node["right_child"]
        if node["split_feature"] in known:
            return expected(sides[not goes_left(node, row[node["split_feature"]])], row, known)
        rows = [side["internal_count"] if "internal_count" in side else side["leaf_count"] for side in sides]
        return float(np.average([expected(side, row, known) for side in sides], weights=rows))

    def game(row: np.ndarray, known: tuple[int, ...]) -> float:
        return sum(expected(root, row, frozenset(known)) for root in roots)

    rows = np.vstack([X[:5], [[0.1, np.nan, 1.0, 50.0], [np.inf, -np.inf, -0.0, np.nan]]])
    trees = CompiledTrees.of(booster)
    values = trees.values(rows)
    assert trees.base == pytest.approx(game(rows[0], ()), abs=1e-12)
    for i, row in enumerate(rows):
        for j in range(4):
            gains: list[list[float]] = [[] for _ in range(4)]  # by size of what is known before
            for size in range(4):
                for known in itertools.combinations([k for k in range(4) if k != j], size):
                    gains[size].append(game(row, (*known, j)) - game(row, known))
            assert values[i, j] == pytest.approx(np.mean([np.mean(one) for one in gains]), abs=1e-12)


def drawn(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=list("abcde"))
    X["sector"] = pd.Categorical(rng.choice(["food", "fire", "retail"], n))
    X.loc[::7, "b"] = np.nan
    y = (X["a"] * X["c"] + X["b"].fillna(1) + (X["sector"] == "fire") > 0.5).to_numpy().astype(int)
    return X, y


def test_threads_and_chunks_change_no_bit() -> None:
    X, y = drawn(3 * kernels.BLOCK + 11)
    model = RiskModel(n_trees=20, n_leaves=6, num_threads=1).fit(X, y)
    matrix = model.matrix(X)
    trees = CompiledTrees.of(model.booster_)
    whole = trees.values(matrix)
    assert np.ptp(whole[:, 0]) > 0.01
    for threads in (2, 3, 5):
        assert np.array_equal(whole, trees.values(matrix, threads))
    for size in (1, 7, 1000, kernels.BLOCK + 1):
        starts = range(0, len(matrix) if size > 7 else 50, size)
        parts = np.vstack([trees.values(matrix[start : start + size]) for start in starts])
        assert np.array_equal(whole[: len(parts)], parts)
    for threads in (1, 2):
        model.set_params(num_threads=threads)
        values, base = contributions(model, X)
        assert np.array_equal(values, whole)
        assert base == trees.base
    assert np.array_equal(contributions(model, X.iloc[5:6])[0], whole[5:6])


def test_a_model_is_compiled_once_and_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = drawn(500)
    model = RiskModel(n_trees=5, num_threads=1).fit(X, y)
    before = model.booster_.model_to_string()
    contributions(model, X)
    monkeypatch.setattr(CompiledTrees, "checked", None)
    contributions(model, X)
    assert model.booster_.model_to_string() == before
    assert contributions(model, X.iloc[:0])[0].shape == (0, 6)


def test_outside_the_limits_lightgbm_serves_and_a_warning_says_why() -> None:
    X, y = drawn(4000)
    model = RiskModel(n_trees=3, n_leaves=80, min_rows=2, num_threads=1).fit(X, y)
    deep = grow(model.matrix(X), np.arange(4000) % 97, 1, objective="regression", num_leaves=67)
    model.booster_ = lgb.Booster(model_str=deep.model_to_string())
    with pytest.warns(UserWarning, match=r"A tree has more than 64 inner nodes\. LightGBM's own"):
        values, base = contributions(model, X.iloc[:200])
    theirs = lightgbm(model.booster_, model.matrix(X.iloc[:200]))
    assert np.array_equal(values, theirs[:, :-1])
    assert base == theirs[0, -1]
    contributions(model, X.iloc[:200])  # says it once


def test_outside_the_limits_a_warning_says_that_merits_are_no_longer_a_bonus() -> None:
    X, y = drawn(4000)
    X = X.rename(columns={"a": "honours_2y"})
    model = RiskModel(n_trees=3, num_threads=1).fit(X, y)
    deep = grow(model.matrix(X), np.arange(4000) % 97, 1, objective="regression", num_leaves=67)
    model.booster_ = lgb.Booster(model_str=deep.model_to_string())
    with pytest.warns(UserWarning, match=r"64 inner nodes.* They measure merits, too, against the average\."):
        contributions(model, X.iloc[:200])


def test_where_the_check_fails_lightgbm_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = drawn(500)
    model = RiskModel(n_trees=3, num_threads=1).fit(X, y)
    right = fragments.Fragment.table
    monkeypatch.setattr(fragments.Fragment, "table", lambda self, game: right(self, game) + 1e-7)
    with pytest.warns(UserWarning, match=r"Its contributions differ from LightGBM's by \d\.\de-0\d"):
        values, _ = contributions(model, X)
    assert np.array_equal(values, lightgbm(model.booster_, model.matrix(X))[:, :-1])
    contributions(model, X)  # says it once


def test_each_limit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 2))
    y = (X[:, 0] > 0).astype(int)
    for said, booster in {
        "a tree for each class": grow(X, y + (X[:, 1] > 0), 2, objective="multiclass", num_class=3),
        "zero as missing": grow(
            np.where(X > 0, X, 0), X[:, 0], 2, objective="regression", zero_as_missing=True
        ),
        "linear leaves": grow(X, X[:, 1], 2, objective="regression", linear_tree=True),
    }.items():
        with pytest.raises(UnsupportedTreesError, match=said):
            CompiledTrees.of(booster)
    booster = grow(X, y, 2)
    tree = read_trees(booster.model_to_string()).trees[0]
    empty = dataclasses.replace(tree, leaf_rows=np.zeros_like(tree.leaf_rows))
    with pytest.raises(UnsupportedTreesError, match="A side of a split has no training rows"):
        fragments.read(empty, empty.root)
    monkeypatch.setattr(compiled, "_MOST_BYTES", 1 << 5)
    with pytest.raises(UnsupportedTreesError, match="The tables take more than 0 MiB"):
        CompiledTrees.of(booster)


def test_rows_of_another_width_are_refused() -> None:
    trees = CompiledTrees.of(grow(np.arange(99.0)[:, None], np.arange(99) > 40, 1))
    with pytest.raises(ValueError, match=r"must have 1 columns. Got the shape \(3, 2\)"):
        trees.values(np.zeros((3, 2)))
