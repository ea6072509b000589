"""Interventional Shapley values: those of the definition, over every subset and every background row."""

from __future__ import annotations

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
from test_compiled import ODD, around, chain, drawn, grow

from tierkit.explain import background, contributions, reason_codes
from tierkit.explain import shap_explanation as shap_values
from tierkit.explain.trees import interventional
from tierkit.explain.trees.compiled import CompiledTrees
from tierkit.explain.trees.fragments import UnsupportedTreesError
from tierkit.explain.trees.tables import _OVER
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

with warnings.catch_warnings():  # shap's import uses what matplotlib means to deprecate
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap


def margin(booster: lgb.Booster, X: np.ndarray) -> np.ndarray:
    return np.asarray(booster.predict(X, raw_score=True, num_threads=1))


def by_definition(
    booster: lgb.Booster, rows: np.ndarray, background: np.ndarray, weight: np.ndarray | None = None
) -> np.ndarray:
    """Return Shapley values from LightGBM's own margins of rows put together, over all subsets."""
    n, k = rows.shape
    subsets = [frozenset(s) for size in range(k + 1) for s in itertools.combinations(range(k), size)]
    worth = {}
    for known in subsets:
        mixed = np.repeat(background[None], n, axis=0)
        mixed[:, :, list(known)] = rows[:, None, list(known)]
        told = margin(booster, mixed.reshape(-1, k)).reshape(n, -1)
        worth[known] = np.average(told, axis=1, weights=weight)
    out = np.zeros((n, k))
    for j, known in itertools.product(range(k), subsets):
        if j not in known:
            share = math.factorial(len(known)) * math.factorial(k - 1 - len(known)) / math.factorial(k)
            out[:, j] += share * (worth[known | {j}] - worth[known])
    return out


def drawn_booster(data: st.DataObject, k: int) -> tuple[lgb.Booster, np.ndarray, np.random.Generator]:
    """Return a model with levels and missing values, and rows of which it was grown."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32), "seed"))
    n = data.draw(st.integers(60, 400), "rows")
    X = rng.normal(size=(n, k)).round(data.draw(st.integers(0, 2), "digits"))
    levels = tuple(data.draw(st.sets(st.integers(0, k - 1), max_size=2), "by level"))
    for j in levels:
        X[:, j] = rng.integers(0, data.draw(st.sampled_from([2, 5, 40])), n)
    for j in data.draw(st.sets(st.integers(0, k - 1)), "with missing"):
        X[rng.random(n) < 0.2, j] = np.nan
    score = np.nan_to_num(X).sum(axis=1) + np.nan_to_num(X[:, 0] * X[:, -1])
    y = (score + rng.normal(size=n) > np.median(score)).astype(int)
    booster = grow(
        X, y, data.draw(st.integers(1, 6), "trees"), levels, min_data_in_leaf=data.draw(st.integers(1, 20)),
        num_leaves=data.draw(st.sampled_from([2, 4, 9, 25]), "leaves"),
        use_missing=data.draw(st.booleans(), "use missing"),
    )  # fmt: skip
    return booster, X, rng


@settings(max_examples=15)
@given(st.data())
def test_values_are_those_of_the_definition_with_levels_missing_values_and_weights(
    data: st.DataObject,
) -> None:
    k = data.draw(st.integers(1, 4), "columns")
    booster, X, rng = drawn_booster(data, k)
    rows = np.vstack([X[:5], around(booster, k, 8, rng)])
    background = np.vstack([X[-9:], around(booster, k, data.draw(st.integers(0, 6)), rng)])
    weight = rng.exponential(size=len(background)) * (rng.random(len(background)) < 0.8)
    for given_ in (None, weight + (weight.sum() == 0)):
        trees = CompiledTrees.checked(booster, background, given_)
        expected = by_definition(booster, rows, background, given_)
        np.testing.assert_allclose(trees.values(rows), expected, rtol=0, atol=1e-12)
        assert trees.base == pytest.approx(np.average(margin(booster, background), weights=given_), abs=1e-12)


@settings(max_examples=25)
@given(st.data())
def test_identities_of_the_interventional_game(data: st.DataObject) -> None:
    k = data.draw(st.integers(1, 8), "columns")
    booster, X, rng = drawn_booster(data, k)
    first, second = X[: len(X) // 3], around(booster, k, 20, rng)
    rows = np.vstack([X[:20], around(booster, k, 20, rng)])
    over = CompiledTrees.of(booster, first)
    values = over.values(rows)
    np.testing.assert_allclose(over.base + values.sum(axis=1), margin(booster, rows), rtol=0, atol=1e-12)
    # What no tree asks is of no account.
    unused = [j for j in range(k) if j not in over.feature]
    assert not values[:, unused].any()
    # Whoever is explained and whoever stands in for him are drawn alike: on average nothing is left.
    np.testing.assert_allclose(over.values(first).mean(axis=0), 0, atol=1e-12)
    # The order of the background changes no bit, and saying a row twice is giving it twice the weight.
    mixed = CompiledTrees.of(booster, first[rng.permutation(len(first))])
    assert np.array_equal(mixed.values(rows), values)
    assert mixed.base == over.base
    times = rng.integers(1, 4, len(first))
    repeated = CompiledTrees.of(booster, np.repeat(first, times, axis=0)).values(rows)
    np.testing.assert_allclose(
        CompiledTrees.of(booster, first, times.astype(float)).values(rows), repeated, rtol=0, atol=1e-12
    )
    turned = CompiledTrees.of(booster, first[::-1], times[::-1].astype(float)).values(rows)
    np.testing.assert_allclose(turned, repeated, rtol=0, atol=1e-12)
    # Two backgrounds put together explain as their mean.
    both = CompiledTrees.of(booster, np.vstack([first, second])).values(rows)
    apart = values * len(first) + CompiledTrees.of(booster, second).values(rows) * len(second)
    np.testing.assert_allclose(both, apart / (len(first) + len(second)), rtol=0, atol=1e-12)
    # Against itself a row has nothing to explain, and two rows explain each other with opposite signs.
    one, other = rows[:1], rows[-1:]
    assert np.abs(CompiledTrees.of(booster, one).values(one)).max() < 1e-12
    np.testing.assert_allclose(
        CompiledTrees.of(booster, one).values(other),
        -CompiledTrees.of(booster, other).values(one),
        rtol=0, atol=1e-12,
    )  # fmt: skip


@pytest.mark.parametrize(("columns", "leaves"), [(1, 12), (6, 2)])
def test_with_one_feature_a_tree_both_games_over_the_training_rows_are_one(columns: int, leaves: int) -> None:
    rng = np.random.default_rng(columns)
    X = rng.normal(size=(400, columns)).round(1)
    X[:, -1] = rng.integers(0, 40, 400)
    X[::9, 0] = np.nan
    booster = grow(X, np.nan_to_num(X[:, 0]) + (X[:, -1] % 3) > 0.5, 30, (columns - 1,), num_leaves=leaves)
    path, over = CompiledTrees.of(booster), CompiledTrees.of(booster, X)
    assert over.base == pytest.approx(path.base, abs=1e-12)
    np.testing.assert_allclose(over.values(X), path.values(X), rtol=0, atol=1e-12)
    assert np.ptp(path.values(X)) > 0.1


def test_the_two_games_differ_where_features_go_together() -> None:
    # Worth 1 where both columns are 1, which go together; the tree asks the first, then the second.
    # Path-dependent: v() = .4, v(first) = 40 / 50, v(second) = 50 / 100, v(both) = 1, so the first gets
    # (.4 + .5) / 2 and the second (.1 + .2) / 2. Interventional: v(first) = v(second) = .5, .3 each.
    X = np.repeat([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [40, 10, 10, 40], axis=0)
    exact = {"objective": "regression", "learning_rate": 1.0, "lambda_l2": 0.0, "num_leaves": 3}
    booster = grow(X, X.prod(axis=1), 1, **exact)
    assert booster.dump_model()["tree_info"][0]["tree_structure"]["split_feature"] == 0
    path, over = CompiledTrees.of(booster), CompiledTrees.of(booster, X)
    assert (path.base, over.base) == pytest.approx((0.4, 0.4), abs=1e-6)
    assert path.values(X[-1:])[0].tolist() == pytest.approx([0.45, 0.15], abs=1e-6)
    assert over.values(X[-1:])[0].tolist() == pytest.approx([0.3, 0.3], abs=1e-6)


@pytest.mark.parametrize("k", [1, 2, 5, 8])
def test_a_leafs_values_are_those_of_the_closed_form(k: int) -> None:
    # The game of one leaf and one background row: worth v where every condition that only the row explained
    # meets (a of them) is known and none that only the background row meets (c of them) is. A feature of the
    # first kind gets (a - 1)! c! / (a + c)!, one of the second the negative of a! (c - 1)! / (a + c)!.
    rng = np.random.default_rng(k)
    share = rng.dirichlet(np.ones(1 << k))
    expected = np.zeros((k, 1 << k))
    for o, b in itertools.product(range(1 << k), repeat=2):
        if (o | b) + 1 != 1 << k:
            continue  # a condition that neither meets
        a, c = (o & ~b).bit_count(), (b & ~o).bit_count()
        for j in range(k):
            if (o & ~b) >> j & 1:
                weight = math.factorial(a - 1) * math.factorial(c) / math.factorial(a + c)
            elif (b & ~o) >> j & 1:
                weight = -math.factorial(a) * math.factorial(c - 1) / math.factorial(a + c)
            else:
                continue
            expected[j, o] += 3.0 * share[b] * weight
    np.testing.assert_allclose(interventional.leaf_values(share, 3.0), expected, rtol=0, atol=1e-14)


def test_a_path_of_sixteen_features_keeps_its_precision() -> None:
    booster, X = chain(16)
    trees = CompiledTrees.checked(booster, X)
    rows = np.vstack([X, np.eye(16), 1 - np.eye(16)])
    assert np.abs(trees.base + trees.values(rows).sum(axis=1) - margin(booster, rows)).max() < 1e-13


def test_values_are_those_of_shap_within_its_own_error() -> None:
    rng = np.random.default_rng(4)
    X = rng.normal(size=(1500, 6))
    X[::7, 1] = np.nan
    y = X[:, 0] * X[:, 2] + np.nan_to_num(X[:, 1]) + np.sin(X[:, 3]) > 0.3
    booster = grow(X, y, 30, num_leaves=20)
    background = X[:60]
    theirs = shap.TreeExplainer(booster, background, feature_perturbation="interventional")
    given_ = np.asarray(theirs.shap_values(X[:100]))
    off = np.abs(given_.sum(axis=1) + theirs.expected_value - margin(booster, X[:100])).max()
    trees = CompiledTrees.checked(booster, background)
    # shap keeps leaves in single precision and misses the margin by 1e-8 to 1e-7; ours does not.
    assert 1e-12 < off < 1e-6
    np.testing.assert_allclose(trees.values(X[:100]), given_, rtol=0, atol=5 * off)
    assert np.abs(trees.base + trees.values(X[:100]).sum(axis=1) - margin(booster, X[:100])).max() < 1e-12


def test_odd_values_in_the_background_are_answered_as_lightgbm_answers_them() -> None:
    rng = np.random.default_rng(7)
    X = np.column_stack([rng.normal(size=(300, 2)), rng.integers(0, 70, 300)])
    X[::5, 0] = np.nan
    X[::11, 2] = np.nan
    booster = grow(X, np.nan_to_num(X[:, 0]) + X[:, 1] + X[:, 2] % 3 > 1, 8, (2,), num_leaves=10)
    background = rng.choice([*ODD, 31.0, 32.0, 64.5, 69.0], (40, 3))
    np.testing.assert_allclose(
        CompiledTrees.checked(booster, background).values(background[:10]),
        by_definition(booster, background[:10], background),
        rtol=0, atol=1e-12,
    )  # fmt: skip


@pytest.fixture(scope="module", name="fitted")
def fitted_model() -> tuple[RiskModel, pd.DataFrame]:
    X, y = drawn(900)
    X.index = pd.Index([f"e{i}" for i in range(len(X))], name="enterprise_id")
    return RiskModel(n_trees=12, n_leaves=6, num_threads=1).fit(X, y), X


def test_contributions_over_a_background_join_columns_by_name(
    fitted: tuple[RiskModel, pd.DataFrame],
) -> None:
    model, X = fitted
    chosen = background(X, 50)
    values, base = contributions(model, X, chosen)
    assert base == pytest.approx(model.margin(chosen).mean(), abs=1e-12)
    np.testing.assert_allclose(base + values.sum(axis=1), model.margin(X), rtol=0, atol=1e-9)
    turned = contributions(model, X, chosen[chosen.columns[::-1]].assign(other=1.0))[0]
    assert np.array_equal(turned, values)
    assert np.array_equal(contributions(model, X.iloc[7:8], chosen)[0], values[7:8])
    rows, few = X.iloc[:4], chosen.iloc[:7]
    np.testing.assert_allclose(
        contributions(model, rows, few)[0],
        by_definition(model.booster_, model.matrix(rows), model.matrix(few)),
        rtol=0, atol=1e-12,
    )  # fmt: skip
    weight = np.arange(50.0)
    weighted, base = contributions(model, X, chosen, weight=weight)
    assert base == pytest.approx(np.average(model.margin(chosen), weights=weight), abs=1e-12)
    assert np.abs(weighted - values).max() > 1e-3
    alike = contributions(model, X, chosen, weight=np.full(50, 0.5))[0]
    np.testing.assert_allclose(alike, values, rtol=0, atol=1e-12)
    assert contributions(model, X.iloc[:0], chosen)[0].shape == (0, 6)


def test_explanations_say_which_game_they_are_of(fitted: tuple[RiskModel, pd.DataFrame]) -> None:
    model, X = fitted
    path = shap_values(model, X)
    over = shap_values(model, X, background=X.iloc[:20], lang="en")
    assert (path.game, over.game) == ("path-dependent", "interventional, 20 background rows")
    assert over[3].output_names == "risk margin (log-odds), interventional, 20 background rows"
    one = shap_values(model, X.iloc[:5], background=X.iloc[:1], weight=[2.0])
    assert one.game == "interventional, 1 background row, weighted"
    assert not np.asarray(one.values)[0].any()
    assert np.abs(np.asarray(path.values) - np.asarray(over.values)).max() > 0.01
    for explanation in (path, over):
        total = explanation.base_values + np.asarray(explanation.values).sum(axis=1)
        np.testing.assert_allclose(total, model.margin(X), rtol=0, atol=1e-9)


def test_reason_codes_take_a_background(fitted: tuple[RiskModel, pd.DataFrame]) -> None:
    model, X = fitted
    late = np.random.default_rng(0).random(len(X)) < np.where(X["a"] > 0, 0.3, 0.2)
    card = CreditScorecard().fit(X[["a"]], late.astype(int))
    chosen = background(X, 30)
    codes = reason_codes(model, card, X, 6, background=chosen)
    total = codes[[f"risk_effect_{place}" for place in range(1, 7)]].fillna(0).sum(axis=1)
    np.testing.assert_allclose(total + model.margin(chosen).mean(), model.margin(X), rtol=0, atol=1e-9)


def test_the_tables_of_the_last_four_backgrounds_are_kept(
    fitted: tuple[RiskModel, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, X = fitted
    made: list[int] = []
    right = CompiledTrees.checked.__func__  # type: ignore[attr-defined]

    def counted(cls: Any, *given_: Any) -> CompiledTrees:
        made.append(len(given_[1]))
        return right(cls, *given_)  # type: ignore[no-any-return]

    monkeypatch.setattr(CompiledTrees, "checked", classmethod(counted))
    _OVER.pop(model.booster_, None)
    for n in (5, 6, 5, 7, 8, 5, 9, 5, 6):  # 6 is the one longest unused when 9 comes
        contributions(model, X.iloc[:3], X.iloc[:n].copy())
    assert made == [5, 6, 7, 8, 9, 6]
    contributions(model, X.iloc[:3], X.iloc[:5], weight=np.ones(5))
    contributions(model, X.iloc[:3], X.iloc[1:6])
    assert made == [5, 6, 7, 8, 9, 6, 5, 5]
    assert len(_OVER[model.booster_]) == 4


def test_what_cannot_be_explained_over_a_background_is_refused_with_a_remedy(
    fitted: tuple[RiskModel, pd.DataFrame],
) -> None:
    model, X = fitted
    with pytest.raises(ValueError, match="The background has no rows"):
        contributions(model, X, X.iloc[:0])
    for weight in ([1.0], [0.0, 0.0], [1.0, -1.0], [1.0, np.nan], [np.inf, 1.0]):
        with pytest.raises(ValueError, match="must be 2 numbers of at least 0"):
            contributions(model, X, X.iloc[:2], weight=weight)
    with pytest.raises(ValueError, match="needs a 'background' whose rows"):
        contributions(model, X, weight=[1.0])
    with pytest.raises(ValueError, match="must have 6 columns"):
        CompiledTrees.of(model.booster_, np.zeros((3, 5)))
    large, y = drawn(4000)
    other = RiskModel(n_trees=1, num_threads=1).fit(large, y)
    deep = grow(other.matrix(large), np.arange(4000) % 97, 1, objective="regression", num_leaves=67)
    other.booster_ = lgb.Booster(model_str=deep.model_to_string())
    with pytest.raises(UnsupportedTreesError, match=r"more than 64 inner nodes.*leave 'background' out"):
        contributions(other, large, large.iloc[:9])


def test_tables_that_miss_the_margins_or_favour_a_feature_are_refused(
    fitted: tuple[RiskModel, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, X = fitted
    matrix = model.matrix(X.iloc[:40])
    right = interventional.leaf_values

    def shifted(share: np.ndarray, value: float) -> np.ndarray:
        return right(share, value) + 1e-7

    def stretched(share: np.ndarray, value: float) -> np.ndarray:
        return right(share, value) * (1 + 1e-7)

    def swapped(share: np.ndarray, value: float) -> np.ndarray:
        # Adds up as before, and gives the first feature what is another's.
        out = right(share, value)
        moved = 0.01 * np.abs(out[-1])
        return out + np.vstack([moved, *[0 * moved] * (len(out) - 2), -moved]) if len(out) > 1 else out

    for wrong in (shifted, stretched, swapped):
        monkeypatch.setattr(interventional, "leaf_values", wrong)
        with pytest.raises(UnsupportedTreesError, match=r"interventional values miss its margins by \d"):
            CompiledTrees.checked(model.booster_, matrix)


def test_a_background_is_drawn_by_enterprise_whatever_the_order_of_rows() -> None:
    X = pd.DataFrame({"a": np.arange(3000.0)}, index=[f"e{i}" for i in range(3000)])
    chosen = background(X, 200, seed=3)
    mixed = background(X.sample(frac=1, random_state=0), 200, seed=3)
    pd.testing.assert_frame_equal(chosen, mixed)
    assert background(X, 100, seed=3).index.tolist() == chosen.index[:100].tolist()
    assert len(set(chosen.index) & set(background(X, 200, seed=4).index)) < 40
    assert len(background(X, 5000)) == 3000
    # A sample of everybody: its mean is within four standard errors of theirs.
    assert abs(chosen["a"].mean() - 1499.5) < 4 * 866 / math.sqrt(200)
    with pytest.raises(ValueError, match="'e3' occurs more than once"):
        background(X.rename(index={"e5": "e3"}), 10)
    with pytest.raises(ValueError, match="has no rows to draw"):
        background(X.iloc[:0])
    with pytest.raises(ValueError, match="must be at least 1"):
        background(X, 0)
