"""Everything that is explained of some enterprises at once: reasons, ways to a better tier, and how sure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from tierkit.explain.asking import reasons_known
from tierkit.explain.reasons import Reasons
from tierkit.explain.recourse.paths import Recourse
from tierkit.explain.recourse.ways import recourse_known
from tierkit.policy import Policy
from tierkit.progress import Progress, quiet
from tierkit.records.known import Known
from tierkit.scores.model import Model

__all__ = ["Explained", "explained"]

_CERTAINTY = (
    "tier", "members", "tier_agreement", "low", "high", "level_agreement", "grade_agreement", "log_odds_sd",
    "points_sd",
)  # fmt: skip


class Explained(NamedTuple):
    """What is explained of one enterprise.

    Attributes
    ----------
    reasons : Reasons
    recourse : Recourse or None
        None if it was not asked for.
    certainty : mapping of str to object, or None
        As `tierkit.scores.ensemble.Ensemble.certainty` gives it; None without an ensemble.
    """

    reasons: Reasons
    recourse: Recourse | None
    certainty: Mapping[str, Any] | None


def explained(
    model: Model,
    known: Known,
    ids: Iterable[str],
    policy: Policy,
    previous: pd.DataFrame | None = None,
    *,
    recourse: bool = True,
    background: pd.DataFrame | None = None,
    progress: Progress = quiet,
    lang: str = "zh",
) -> Iterator[Explained]:
    """Score enterprises over open records once, and explain them one after the other.

    Parameters
    ----------
    model : Model
    known : Known
        Records as they were known before a day.
    ids : iterable of str
        Enterprises, in this order.
    policy : Policy
    previous : DataFrame, optional
        The last assignment.
    recourse : bool
        Whether to look for what would lead to a better tier, which takes most of the time.
    background : DataFrame, optional
        Features of the enterprises against which risk is measured.
    progress : Progress
    lang : {"zh", "en"}
        Language in which a notebook shows the reasons.

    Yields
    ------
    Explained

    Raises
    ------
    DataError
        If an enterprise is not in the records.
    ValueError
        If an enterprise was not on the register on that day.

    Examples
    --------
    >>> import tierkit as tk
    >>> from tierkit.records.known import known
    >>> data = tk.read("data/synthetic")
    >>> model = tk.train(data, "2024-12-30")
    >>> there = model.score(data, "2024-12-30")["enterprise_id"]
    >>> with known(data, "2024-12-30") as seen:
    ...     [one] = explained(model, seen, there[:1], model.policy)
    >>> one.reasons.tier == one.recourse.tier, one.certainty
    (True, None)
    """
    scored = model.scored(known, list(dict.fromkeys(ids)))
    why = reasons_known(model, known, scored, policy, previous, background=background, lang=lang)
    ways: Mapping[str, Recourse] = {}
    if recourse:
        ways = recourse_known(model, known, scored, policy, previous, progress=progress, lang=lang)
    sure: Mapping[str, Mapping[str, Any]] = {}
    if model.ensemble is not None:
        told = model.certainty_of(scored, policy, previous)
        sure = {
            str(row["enterprise_id"]): {
                name: None if pd.isna(row[name]) else row[name] for name in _CERTAINTY
            }
            for row in told.to_dict("records")
        }
    for reasons in why:
        one = reasons.enterprise_id
        yield Explained(reasons, ways.get(one), sure.get(one))
