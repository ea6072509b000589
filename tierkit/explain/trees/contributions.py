"""Exact contributions of features: Shapley values of the risk margin, points lost of the credit score.

Both identities are checked for every row that is explained, at 1e-9, and a breach is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tierkit.arrays import Floats
from tierkit.explain.trees import tables
from tierkit.features import BONUSES, BY_NAME
from tierkit.records import SHANGHAI, Place
from tierkit.scores.card_table import BASE
from tierkit.scores.expert import CreditCard
from tierkit.scores.risk import RiskModel

if TYPE_CHECKING:
    import shap

__all__ = [
    "UNIT",
    "AdditivityError",
    "Losses",
    "check_additivity",
    "contributions",
    "points_lost",
    "shap_explanation",
]


UNIT = "log-odds"
"""Unit of the risk margin and of all that adds up to it."""
TOLERANCE = 1e-9


class AdditivityError(ArithmeticError):
    """Contributions do not add up to the score."""


def check_additivity(
    values: ArrayLike, base: ArrayLike, score: ArrayLike, tolerance: float = TOLERANCE
) -> None:
    """Raise unless base and contributions add up to the score in every row.

    Parameters
    ----------
    values : float array of shape (n, k)
        Contributions.
    base : float or float array of shape (n,)
    score : float array of shape (n,)
    tolerance : float
        Largest absolute difference allowed, in the unit of the score.

    Raises
    ------
    AdditivityError
        With the number of rows that fail, and the worst.

    Examples
    --------
    >>> check_additivity([[0.5, -0.2]], -2.0, [-1.7])
    >>> check_additivity([[0.5, -0.2]], -2.0, [-1.6])
    Traceback (most recent call last):
    ...
    tierkit.explain.trees.contributions.AdditivityError: 1 of 1 rows do not add up; row 0 is off by -0.1, ...
    """
    total = np.asarray(base, np.float64) + np.asarray(values, np.float64).sum(axis=1)
    off = total - np.asarray(score, np.float64)
    # A comparison that NaN fails, so that a missing score does not pass as an exact one.
    bad = np.flatnonzero(~(np.abs(off) <= tolerance))
    if bad.size:
        worst = bad[np.argmax(np.nan_to_num(np.abs(off[bad]), nan=np.inf))]
        raise AdditivityError(
            f"{bad.size} of {off.size} rows do not add up; row {worst} is off by {off[worst]:.3g}, "
            f"more than {tolerance:g}. Explain with the model that gave the score."
        )


def _own(model: RiskModel | CreditCard, X: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that a model reads, without those of the other model."""
    if hasattr(model, "feature_names_in_") and isinstance(X, pd.DataFrame):
        return X[[name for name in model.feature_names_in_ if name in X]]
    return X


def contributions(
    model: RiskModel,
    X: pd.DataFrame,
    background: pd.DataFrame | None = None,
    *,
    weight: ArrayLike | None = None,
) -> tuple[Floats, float]:
    """Return the exact Shapley values of the risk margin, and the margin that they start from.

    Without a background they are path-dependent, with one interventional: the notes of `background` say what
    each of them answers. A feature that is a bonus (`tierkit.features.BONUSES`) starts, in both, from the
    value of one that has none: who has none gets 0 for it, and the base is that of nobody having any.

    A model is compiled into tables once, and once more for each background, of which the last four are kept.
    Path-dependent values of a model outside the limits of `CompiledTrees` are left to LightGBM, with a
    warning. The values of a row do not depend on other rows or on threads.

    Parameters
    ----------
    model : RiskModel
    X : DataFrame of shape (n, any)
        Features; columns are joined by name, those of other models are left alone.
    background : DataFrame of shape (B, any), optional
        Rows that stand in for what is not known, as `background` draws them; features as in ``X``.
    weight : float array of shape (B,), optional
        Of the background rows; all alike if not given.

    Returns
    -------
    values : float array of shape (n, k)
        In log-odds, in the order of the model's features.
    base : float
        The average margin without any bonus: over the training rows, or over the background.

    Raises
    ------
    AdditivityError
        If a row does not add up to its margin within 1e-9.
    UnsupportedTreesError
        If there is a background, and the model is outside the limits.
    ValueError
        If the background has no rows, or its weights are no weights.

    Examples
    --------
    >>> X = pd.DataFrame({"a": np.arange(200.0)})
    >>> model = RiskModel(n_trees=5).fit(X, X["a"] > 99)
    >>> values, base = contributions(model, X)
    >>> values.shape
    (200, 1)
    >>> values, base = contributions(model, X, X.iloc[:50])
    >>> bool(np.allclose(base, model.margin(X.iloc[:50]).mean()))
    True
    """
    if background is None and weight is not None:
        raise ValueError("A 'weight' needs a 'background' whose rows it weighs. Give both, or neither.")
    own = _own(model, X)
    matrix = model.matrix(own)
    if not len(matrix):
        return np.empty((0, matrix.shape[1])), float("nan")
    names = list(model.inputs_.names)
    given = {names.index(name): none for name, none in BONUSES.items() if name in names}
    if background is None:
        compiled = tables.path_dependent(model.booster_, given)
    else:
        over = model.matrix(_own(model, background))
        over[:, list(given)] = list(given.values())
        compiled = tables.interventional(model.booster_, over, weight)
    if compiled is None:
        both = model.booster_.predict(matrix, pred_contrib=True, num_threads=model.threads)
        values, base = np.asarray(both, np.float64)[:, :-1], float(np.asarray(both)[0, -1])
    else:
        values, base = compiled.values(matrix, model.threads), compiled.base
        for place, none in given.items():  # over a background it is 0 but for rounding
            values[matrix[:, place] == none, place] = 0.0
    check_additivity(values, base, model.margin(own))
    return values, base


def _game(background: pd.DataFrame | None, weight: ArrayLike | None) -> str:
    if background is None:
        return "path-dependent"
    rows = "1 background row" if len(background) == 1 else f"{len(background):,} background rows"
    return f"interventional, {rows}" + (", weighted" if weight is not None else "")


def shap_explanation(
    model: RiskModel,
    X: pd.DataFrame,
    *,
    lang: str | None = None,
    background: pd.DataFrame | None = None,
    weight: ArrayLike | None = None,
    place: Place = SHANGHAI,
) -> shap.Explanation:
    """Return the exact Shapley values of the risk margin as a `shap.Explanation`.

    The margin is explained, not the calibrated probability: the calibration is a smooth rising map of it,
    so the order of reasons is the same, and only the margin is a sum.

    Parameters
    ----------
    model : RiskModel
    X : DataFrame of shape (n, any)
    lang : {"zh", "en"}, optional
        Language of the features' names and levels; their ids if not given.
    background, weight
        As in `contributions`: interventional values over these rows, path-dependent ones if not given.
    place : Place
        The place whose levels are named.

    Returns
    -------
    shap.Explanation of shape (n, k)
        Every plot of shap's takes it. ``unit`` is ``"log-odds"`` and ``game`` names the values;
        ``output_names`` says both too. Slices and copies keep all three.

    Raises
    ------
    AdditivityError, UnsupportedTreesError, ValueError
        As in `contributions`.

    Examples
    --------
    >>> X = pd.DataFrame({"a": np.arange(200.0)})
    >>> model = RiskModel(n_trees=5).fit(X, X["a"] > 99)
    >>> explanation = shap_explanation(model, X)
    >>> explanation.shape, explanation.unit, explanation[0].output_names
    ((200, 1), 'log-odds', 'risk margin (log-odds), path-dependent')
    >>> shap_explanation(model, X, background=X.iloc[:50]).game
    'interventional, 50 background rows'
    """
    # Imported here, since it takes seconds, and scoring and batches do without it.
    from tierkit.explain.trees.margin_explanation import MarginExplanation

    values, base = contributions(model, X, background, weight=weight)
    game = _game(background, weight)
    own = _own(model, X)
    names = list(model.inputs_.names)
    explanation = MarginExplanation(
        values,
        base_values=np.full(len(values), base),
        data=model.matrix(own),
        display_data=_shown(own, names, lang, place),
        feature_names=[_name(name, lang) for name in names],
    )
    explanation.output_names = f"risk margin ({UNIT}), {game}"
    explanation.unit = UNIT
    explanation.game = game
    return explanation


def _name(name: str, lang: str | None) -> str:
    return BY_NAME[name].label.text(lang) if lang and name in BY_NAME else name


def _shown(X: Any, names: list[str], lang: str | None, place: Place) -> NDArray[np.object_]:
    """Return the values for display, with labels of levels in the place of codes."""
    frame = X if isinstance(X, pd.DataFrame) else pd.DataFrame(X, columns=names)
    shown = frame[names].astype(object)
    for name in names:
        feature = BY_NAME.get(name)
        if lang and feature and feature.levels:
            labels = place.levels[feature.levels]
            shown[name] = [labels[v].text(lang) if v in labels else v for v in shown[name]]
    return shown.to_numpy(object)


@dataclass(frozen=True)
class Losses:
    """Points that rows lost against the best bins: ``best - lost.sum(axis=1)`` is their points.

    Attributes
    ----------
    best : float
        Points of an enterprise in the best bin of everything that is no bonus, whatever other rows there are.
    lost : DataFrame of shape (n, k)
        Points lost, with the index of the rows; one column per feature that carries points. At least 0; of a
        bonus (`tierkit.features.BONUSES`) at most 0, as it is measured from having none.
    """

    best: float
    lost: pd.DataFrame


def _points_at(rows: pd.DataFrame, value: float) -> float:
    """Return the points of a value, from the rows of its feature in a table."""
    low, high = rows["lower"].fillna(-np.inf), rows["upper"].fillna(np.inf)
    mine = rows[(rows["kind"] == "interval") & (low <= value) & (value < high)]
    return float(mine["points"].iloc[0])


def points_lost(card: CreditCard, X: pd.DataFrame) -> Losses:
    """Return the credit points that each feature loses against its best bin, or a bonus adds to having none.

    Parameters
    ----------
    card : CreditScorecard, ExpertCard or NoCredit
    X : DataFrame of shape (n, any)
        Features; columns are joined by name, those of other models are left alone.

    Returns
    -------
    Losses

    Raises
    ------
    AdditivityError
        If a row's losses do not lead from the best points to its own within 1e-9.

    Examples
    --------
    >>> x = np.repeat([0.0, 1.0], 500)
    >>> late = np.r_[np.repeat([0, 1], [475, 25]), np.repeat([0, 1], [400, 100])]
    >>> from tierkit.scores.scorecard import CreditScorecard
    >>> card = CreditScorecard().fit(pd.DataFrame({"arrears": x}), late)
    >>> points_lost(card, pd.DataFrame({"arrears": [0.0, 1.0]})).lost["arrears"].round(1).tolist()
    [0.0, 87.9]
    """
    own = _own(card, X)
    table = card.table()
    points = table["points"].to_numpy(np.float64)
    rows = card.bin_rows(own)
    best_of = table[table["kind"] != "base"].groupby("feature")["points"].max()
    for name in best_of.index.intersection(list(BONUSES)):
        best_of[name] = _points_at(table[table["feature"] == name], BONUSES[name])
    lost = pd.DataFrame(
        {str(name): best_of[str(name)] - points[rows[name].to_numpy()] for name in rows}, index=rows.index
    )
    base = float(table.loc[table["feature"] == BASE, "points"].iloc[0])
    best = base + float(best_of.sum())
    check_additivity(-lost.to_numpy(np.float64), best, card.points(own))
    return Losses(best, lost)
