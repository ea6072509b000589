"""Scorecards by tierkit, optbinning and toad on the same rows: how to fit each, and how to score with it.

Each way is used as its own documentation shows it first, with its defaults; what differs from them is said
where it differs.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

__all__ = ["WAYS", "Score", "fit_lightgbm", "installed", "is_levels"]

Score = Callable[[pd.DataFrame], NDArray[np.float64]]
"""From rows to a score that is higher where the event is likelier."""


def is_levels(X: pd.DataFrame) -> list[str]:
    """Return the names of the columns that hold levels and no numbers."""
    return [str(name) for name in X if not pd.api.types.is_numeric_dtype(X[name].dtype)]


def fit_tierkit(X: pd.DataFrame, y: NDArray[np.int64], points_to_double: float = 40.0) -> Score:
    """Fit tierkit's scorecard; steep data need fewer points to double, which changes no ranking."""
    card = CreditScorecard(points_to_double=points_to_double).fit(X, y)
    return lambda rows: -card.points(rows)


def fit_optbinning(X: pd.DataFrame, y: NDArray[np.int64]) -> Score:
    """Fit optbinning's Scorecard; missing values get points from their own rate, and not the average's."""
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    levels = is_levels(X)

    def plain(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.astype(dict.fromkeys(levels, object))

    params = {"pdo": 40, "odds": 20, "scorecard_points": 600}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas 3, which it does not know yet
        process = BinningProcess(list(X.columns), categorical_variables=levels or None)
        card = Scorecard(
            process, LogisticRegression(max_iter=1000), scaling_method="pdo_odds",
            scaling_method_params=params,
        )  # fmt: skip
        card.fit(plain(X), y, metric_missing="empirical")

    def score(rows: pd.DataFrame) -> NDArray[np.float64]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return -np.asarray(card.score(plain(rows)), np.float64)

    return score


def fit_toad(X: pd.DataFrame, y: NDArray[np.int64]) -> Score:
    """Fit toad's ScoreCard on its chi-merged bins of at least 5 % of the rows, missing values apart."""
    import toad

    levels = is_levels(X)

    def plain(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.astype(dict.fromkeys(levels, object)).reset_index(drop=True)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        combiner = toad.transform.Combiner()
        combiner.fit(plain(X), y, method="chi", min_samples=0.05, empty_separate=True)
        weights = toad.transform.WOETransformer()
        weighed = weights.fit_transform(combiner.transform(plain(X)), y)
        card = toad.ScoreCard(combiner=combiner, transer=weights)
        card.fit(weighed, y)

    def score(rows: pd.DataFrame) -> NDArray[np.float64]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return -np.asarray(card.predict(plain(rows)), np.float64)

    return score


def fit_lightgbm(X: pd.DataFrame, y: NDArray[np.int64]) -> Score:
    """Fit tierkit's risk model, LightGBM with its defaults: what a table of points gives up for being one."""
    model = RiskModel(num_threads=1).fit(X, y)
    return lambda rows: np.asarray(model.margin(rows), np.float64)


WAYS: dict[str, Callable[..., Any]] = {
    "tierkit": fit_tierkit,
    "optbinning": fit_optbinning,
    "toad": fit_toad,
}


def installed(way: str) -> bool:
    """Return whether a library is there; tierkit always is."""
    return importlib.util.find_spec(way) is not None
