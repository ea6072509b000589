"""The exact accounts of many enterprises: what each feature adds to risk and costs in credit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from tierkit.explain.codes import strongest
from tierkit.explain.trees import contributions as trees
from tierkit.explain.trees.background import background as drawn
from tierkit.records.gate import count_of
from tierkit.records.known import Known, Source, opened
from tierkit.results import Result
from tierkit.scores.model import Model, ModelLike, model_of
from tierkit.texts import number, text

if TYPE_CHECKING:
    import shap

__all__ = ["Contributions", "contributions"]


@dataclass(frozen=True, repr=False)
class Contributions(Result):
    """What each feature adds to the risk and to the credit points of enterprises; both add up exactly.

    Attributes
    ----------
    risk : DataFrame of shape (n, features)
        Shapley values of the risk margin in log-odds, indexed by ``enterprise_id``. With `risk_base` they
        add up to the margin within 1e-9.
    risk_base : float
        The average margin that they start from.
    credit : DataFrame of shape (n, features)
        Points lost against the best there is, 0 or negative; of a merit points added, 0 or positive. With
        `credit_best` they add up to the points.
    credit_best : float
        The most points that anybody without a merit can have.
    X : DataFrame
        The features, in the same order.
    model : Model
        That they explain.
    background : DataFrame, optional
        Features of the enterprises against which risk is measured; path-dependent values without them.
    """

    risk: pd.DataFrame
    risk_base: float
    credit: pd.DataFrame
    credit_best: float
    X: pd.DataFrame
    model: Model
    background: pd.DataFrame | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return ``enterprise_id``, ``axis``, ``feature`` and ``effect``: a row per score and feature."""
        parts = {"risk": self.risk, "credit": self.credit}
        long = [
            part.melt(var_name="feature", value_name="effect", ignore_index=False)
            .reset_index()
            .assign(axis=axis)
            for axis, part in parts.items()
        ]
        return pd.concat(long, ignore_index=True)[["enterprise_id", "axis", "feature", "effect"]]

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return which kind of Shapley values those of risk are, and where they start."""
        if self.background is None:
            return [text("reason.game.path", lang)]
        return [text("reason.game.background", lang, n=number(len(self.background)))]

    def codes(self, k: int = 3) -> pd.DataFrame:
        """Return the k strongest features of each score for every enterprise, as a batch writes them.

        Returns
        -------
        DataFrame of shape (n, 4 k)
            ``risk_reason_1``, ``risk_effect_1``, …, ``credit_reason_1``, ``credit_effect_1``, …, as from
            `tierkit.explain.reason_codes`.
        """
        return strongest(self.risk, self.credit, k)

    def to_shap(self, lang: str | None = None) -> shap.Explanation:
        """Return the values of risk as a `shap.Explanation`, which every plot of shap's takes.

        Parameters
        ----------
        lang : {"zh", "en"}, optional
            Language of the features' names and levels; their ids if not given.
        """
        return trees.shap_explanation(self.model.risk, self.X, lang=lang, background=self.background)


def contributions(
    model: ModelLike,
    data: Source | Known,
    as_of: date | str | None,
    ids: Iterable[str] | None = None,
    *,
    background: pd.DataFrame | int | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Contributions:
    """Return what each feature adds to both scores, for one, for some or for all enterprises.

    Parameters
    ----------
    model : Model or path
    data : Dataset, mapping, path or Known
    as_of : date
        Cells known on this day or later are not used.
    ids : iterable of str, optional
        Enterprises, in this order; all that are on the register, in their order, if absent.
    background : DataFrame or int, optional
        Against whom risk is measured: features as from `tierkit.features`, or how many enterprises to draw
        by lot from all. Values are then interventional; without it they are path-dependent.
    seed : int
        Of that draw.
    threads : int
        Does not change the result.

    Returns
    -------
    Contributions

    Raises
    ------
    InputError
        If an argument cannot be used.
    DataError
        If the dataset does not have one of the enterprises.

    Notes
    -----
    *Path-dependent* values average what is not known along the training rows that went each way in the trees,
    and start at the average of these, the inspected. *Interventional* ones put in the values of the
    background, and start at its average: they say what the model did, and against whom an enterprise was
    measured. Neither says what would happen if the enterprise changed. More in the notes of
    `tierkit.explain.background`.

    Examples
    --------
    >>> import tierkit as tk
    >>> model = tk.train("data/synthetic", "2024-12-30")
    >>> parts = tk.contributions(model, "data/synthetic", "2024-12-30", background=50)
    >>> scores = model.score("data/synthetic", "2024-12-30").set_index("enterprise_id")
    >>> off = parts.risk_base + parts.risk.sum(axis=1) - scores["risk_margin"]
    >>> bool(off.abs().max() < 1e-9), parts.codes(1).columns[0]
    (True, 'risk_reason_1')
    """
    found = replace(model_of(model), insist=True)  # what features add to a score is no tier
    over = background if isinstance(background, pd.DataFrame) else None
    with opened(data, as_of, threads=threads) as known:
        X = found.scored(known, ids).X
        if background is not None and over is None:
            n = count_of(background, "background", 1)
            over = drawn(X if ids is None else found.scored(known).X, n, seed)
    values, base = trees.contributions(found.risk, X, over)
    losses = trees.points_lost(found.credit, X)
    risk = pd.DataFrame(values, index=X.index, columns=list(found.risk.inputs_.names))
    credit = -losses.lost.set_axis(X.index) + 0.0  # so that nothing lost is 0 and not -0
    return Contributions(risk, base, credit, losses.best, X, found, over)
