"""Reasons of all enterprises as codes: the k strongest features of each score, with their effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit import texts
from tierkit.explain.trees.contributions import contributions, points_lost
from tierkit.features import FEATURES, GROUPS, is_structure
from tierkit.scores.expert import CreditCard
from tierkit.scores.risk import RiskModel

__all__ = ["code_book", "code_books", "reason_codes", "strongest"]


def reason_codes(
    risk: RiskModel,
    credit: CreditCard,
    X: pd.DataFrame,
    k: int = 3,
    *,
    background: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the strongest reasons of both scores for every row.

    Parameters
    ----------
    risk : RiskModel
    credit : CreditScorecard, ExpertCard or NoCredit
    X : DataFrame of shape (n, any)
        Features, one row per enterprise.
    k : int, default=3
        Reasons of each score.
    background : DataFrame of shape (B, any), optional
        Rows that the risk is measured against; path-dependent values if not given. See `contributions`.

    Returns
    -------
    DataFrame of shape (n, 4 k)
        With the index of ``X``: ``risk_reason_1`` (a feature's id, see `code_book`), ``risk_effect_1``
        (log-odds, positive where it raises the risk), …, ``credit_reason_1``, ``credit_effect_1`` (points,
        negative: what was lost; positive: what a merit added), …; conduct and complaints, the strongest
        first, then structure; ties in the order of the features. A reason without any effect is missing.

    Raises
    ------
    ValueError
        If ``k`` is less than 1.
    AdditivityError
        If the reasons of a row do not add up to its score.
    UnsupportedTreesError
        If there is a background, and the risk model is outside the limits of `contributions`.

    Examples
    --------
    >>> X = pd.DataFrame({"findings_1y": np.repeat([0.0, 3.0], 200)})
    >>> y = np.tile([0, 0, 0, 1], 100) | np.repeat([0, 1], 200)
    >>> y[200::5] = 0
    >>> from tierkit.scores.scorecard import CreditScorecard
    >>> codes = reason_codes(RiskModel(n_trees=5).fit(X, y), CreditScorecard().fit(X, y), X, k=1)
    >>> codes.columns.tolist()
    ['risk_reason_1', 'risk_effect_1', 'credit_reason_1', 'credit_effect_1']
    >>> codes["risk_reason_1"].iloc[-1], bool(codes["risk_effect_1"].iloc[-1] > 0)
    ('findings_1y', True)
    """
    values, _ = contributions(risk, X, background)
    return strongest(
        pd.DataFrame(values, index=X.index, columns=list(risk.inputs_.names)), -points_lost(credit, X).lost, k
    )


def strongest(risk: pd.DataFrame, credit: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return the strongest effects on both scores for every row, as `reason_codes` does, from all effects.

    Parameters
    ----------
    risk, credit : DataFrame of shape (n, features)
        What each feature adds to the risk margin and to the points.
    k : int
    """
    if k < 1:
        raise ValueError(f"The 'k' parameter must be at least 1. Got {k} instead.")
    parts = [
        _strongest(axis, effects.to_numpy(np.float64), list(map(str, effects.columns)), k)
        for axis, effects in (("risk", risk), ("credit", credit))
    ]
    return pd.concat(parts, axis=1).set_axis(risk.index)


def _strongest(axis: str, values: NDArray[np.float64], names: list[str], k: int) -> pd.DataFrame:
    n = len(values)
    # Padded, so that a score of fewer features than k has missing reasons rather than fewer columns.
    padded = np.hstack([values, np.zeros((n, max(0, k - values.shape[1])))])
    ids = np.array([*names, *[""] * (padded.shape[1] - len(names))], dtype=object)
    late = np.array([is_structure(str(one)) for one in ids], np.int64)
    last = np.where(padded == 0, 2, late)  # what has no effect is no reason, so structure comes before it
    order = np.lexsort((-np.abs(padded), last), axis=1)[:, :k]
    effects = np.take_along_axis(padded, order, axis=1)
    columns: dict[str, object] = {}
    for place in range(k):
        effect = effects[:, place]
        code = pd.Series(ids[order[:, place]], dtype="str")
        columns[f"{axis}_reason_{place + 1}"] = code.where(effect != 0)
        columns[f"{axis}_effect_{place + 1}"] = np.where(effect != 0, effect, np.nan)
    return pd.DataFrame(columns)


def code_book(lang: str = "zh") -> pd.DataFrame:
    """Return the meaning of each reason code.

    Parameters
    ----------
    lang : {"zh", "en"}

    Returns
    -------
    DataFrame
        ``code``, ``name``, ``group``, ``unit``, ``risk`` and ``credit`` (which way more of it may work, in
        words), one row per feature that a model reads.

    Examples
    --------
    >>> book = code_book("en").set_index("code")
    >>> book.loc["findings_1y", ["group", "risk"]].tolist()
    ['conduct', 'more never lowers it']
    """
    ways = {1: "code.up", -1: "code.down", 0: "code.free", None: "code.unread"}
    rows = [
        {
            "code": feature.name,
            "name": feature.label.text(lang),
            "group": GROUPS[feature.group].text(lang),
            "unit": feature.unit.text(lang),
            "risk": texts.text(ways[feature.risk], lang),
            "credit": texts.text(ways[feature.credit], lang),
        }
        for feature in FEATURES
        if feature.risk is not None or feature.credit is not None
    ]
    return pd.DataFrame(rows, dtype="str")


def code_books() -> pd.DataFrame:
    """Return the meaning of each reason code in Chinese and in English.

    Returns
    -------
    DataFrame
        ``code``, then each other column of `code_book` as ``<column>_zh`` and ``<column>_en``.

    Examples
    --------
    >>> code_books().set_index("code").loc["findings_1y", ["group_zh", "group_en"]].tolist()
    ['行为记录', 'conduct']
    """
    zh, en = (code_book(lang).set_index("code").add_suffix(f"_{lang}") for lang in texts.LANGUAGES)
    both = zh.join(en).reset_index()
    names = [f"{name}_{lang}" for name in code_book("en").columns[1:] for lang in texts.LANGUAGES]
    return both[["code", *names]]
