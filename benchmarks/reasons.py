"""Shapley values of a LightGBM model by tierkit, LightGBM, shap and woodelf: the same, each its own way."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings
from collections.abc import Callable

import lightgbm as lgb
import numpy as np

from tierkit.arrays import Floats

__all__ = ["MODELS", "OVER", "THREADED", "WAYS", "grow", "installed"]

Explain = Callable[[Floats], Floats]

MODELS = {
    "large, with levels": "300 trees of 31 leaves, 30 columns, two of them levels, three with missing values",
    "large, of numbers": "the same without levels",
    "tierkit's": "the risk model of `tierkit train`",
}
THREADED = ("tierkit", "LightGBM")


def grow(which: str, rows: int) -> tuple[lgb.Booster, Floats]:
    """Return a model and rows to explain, drawn anew."""
    if which == "tierkit's":
        from tierkit.city.synth import make
        from tierkit.scores import fitting
        from tierkit.scores import training_rows as training

        data, world = make(2_000, seed=1, threads=2)
        frame = training.training_frame(data, world.date)
        model = fitting.new_model(frame).fit(frame.X, frame.y, frame.weight)
        matrix = model.matrix(frame.X)
        return model.booster_, matrix[np.random.default_rng(0).integers(0, len(matrix), rows)]
    rng = np.random.default_rng(0)
    levels = [3, 7] if which == "large, with levels" else []
    X = rng.normal(size=(max(rows, 50_000), 30))
    for column, number in zip(levels, (12, 40), strict=False):
        X[:, column] = rng.integers(0, number, len(X))
    for column in (1, 5, 9):
        X[rng.random(len(X)) < 0.1, column] = np.nan
    known = np.nan_to_num(X)
    margin = known[:, 1] + X[:, 2] * X[:, 4] + X[:, 3] % 3 + np.sin(known[:, 5:15]).sum(axis=1) - 2
    y = rng.random(len(X)) < 1 / (1 + np.exp(-margin))
    fixed = {"objective": "binary", "num_leaves": 31, "verbosity": -1, "num_threads": 2}
    return lgb.train(fixed, lgb.Dataset(X, y, categorical_feature=levels), 300), X[:rows]


def by_tierkit(booster: lgb.Booster, threads: int) -> Explain:
    """Compile, and check against LightGBM on rows around the thresholds."""
    from tierkit.explain.trees.compiled import CompiledTrees

    trees = CompiledTrees.checked(booster)
    return lambda X: trees.values(X, threads)


def by_lightgbm(booster: lgb.Booster, threads: int) -> Explain:
    """Ask LightGBM for contributions."""
    return lambda X: np.asarray(booster.predict(X, pred_contrib=True, num_threads=threads))[:, :-1]


def by_shap(booster: lgb.Booster, threads: int) -> Explain:
    """Explain as shap's documentation shows it; of LightGBM's models it asks LightGBM."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its import
        import shap

    explainer = shap.TreeExplainer(booster)
    return lambda X: np.asarray(explainer(X).values)


def by_woodelf(booster: lgb.Booster, threads: int) -> Explain:
    """Explain as woodelf's documentation shows it, without what it prints."""
    import pandas as pd
    from woodelf import WoodelfExplainer

    def values(X: Floats) -> Floats:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            rows = pd.DataFrame(X, columns=booster.feature_name())
            return np.asarray(WoodelfExplainer(booster).shap_values(rows), np.float64)

    return values


WAYS: dict[str, Callable[[lgb.Booster, int], Explain]] = {
    "tierkit": by_tierkit,
    "LightGBM": by_lightgbm,
    "shap": by_shap,
    "woodelf": by_woodelf,
}


def over_by_tierkit(booster: lgb.Booster, background: Floats, threads: int) -> Explain:
    """Compile for a background, and check against LightGBM's margins on rows around the thresholds."""
    from tierkit.explain.trees.compiled import CompiledTrees

    trees = CompiledTrees.checked(booster, background)
    return lambda X: trees.values(X, threads)


def over_by_shap(booster: lgb.Booster, background: Floats, threads: int) -> Explain:
    """Explain as shap's documentation shows it, with all of the background, of which it would take 100."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its import
        import shap
        from shap.utils._exceptions import ExplainerError

    all_of_it = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.TreeExplainer(booster, all_of_it, feature_perturbation="interventional")

    def values(X: Floats) -> Floats:
        try:
            return np.asarray(explainer.shap_values(X), np.float64)
        except ExplainerError as error:
            raise ValueError(str(error).split("!")[0]) from None

    return values


def over_by_woodelf(booster: lgb.Booster, background: Floats, threads: int) -> Explain:
    """Explain as woodelf's documentation shows it, without what it prints."""
    import pandas as pd
    from woodelf import WoodelfExplainer

    names = booster.feature_name()

    def values(X: Floats) -> Floats:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            explainer = WoodelfExplainer(booster, pd.DataFrame(background, columns=names))
            return np.asarray(explainer.shap_values(pd.DataFrame(X, columns=names)), np.float64)

    return values


OVER: dict[str, Callable[[lgb.Booster, Floats, int], Explain]] = {
    "tierkit": over_by_tierkit,
    "shap": over_by_shap,
    "woodelf": over_by_woodelf,
}


def installed(way: str) -> bool:
    """Return whether the library of a way is there."""
    return importlib.util.find_spec(way.lower()) is not None
