"""Ask for the reasons of one enterprise, or of each tier, with a model, records and a policy."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pandas as pd

from tierkit.explain.evidence import evidence
from tierkit.explain.portraits import Portraits
from tierkit.explain.portraits import portraits as tiers_apart
from tierkit.explain.reasons import Reasons, reasons
from tierkit.features.building import wanted_ids
from tierkit.policy import PolicyLike, policy_of
from tierkit.policy.tiers import assign
from tierkit.records.gate import day_of, id_of, source_of
from tierkit.records.known import Source, Timeline
from tierkit.scores.model import Model, ModelLike, model_of

__all__ = ["explain", "portraits"]


def explain(
    model: ModelLike,
    data: Source,
    as_of: date | str,
    enterprise_id: str,
    policy: PolicyLike | None = None,
    previous: pd.DataFrame | None = None,
    *,
    background: pd.DataFrame | None = None,
    threads: int = 1,
    lang: str = "zh",
) -> Reasons:
    """Return why one enterprise is in its tier: the rule, the facts behind both scores, and their records.

    Parameters
    ----------
    model : Model or path
    data : Dataset or path
    as_of : date
        Cells known on this day or later are not used.
    enterprise_id : str
    policy : Policy, name or path, optional
        The model's own if absent.
    previous : DataFrame, optional
        The last assignment, as `assign` takes it.
    background : DataFrame, optional
        Features of the enterprises against which risk is measured, ``tk.features(data, day).sample(500)``
        for instance; without them its values are path-dependent.
    threads : int
        Does not change the result.
    lang : {"zh", "en"}, default="zh"
        Language in which a notebook shows it; every method takes another.

    Returns
    -------
    Reasons

    Raises
    ------
    InputError
        If an argument cannot be used.
    DataError
        If the enterprise is not in the data, or the records end before the day.
    KeyError
        If it was not on the register on that day.

    Examples
    --------
    >>> import tierkit as tk
    >>> model = tk.train("data/synthetic", "2024-12-30")
    >>> scores = model.score("data/synthetic", "2024-12-30")
    >>> riskiest = scores.loc[scores["risk_probability"].idxmax(), "enterprise_id"]
    >>> why = tk.explain(model, "data/synthetic", "2024-12-30", riskiest, "jiading-2025")
    >>> why.tier, why.risk_level
    ('T4', 3)
    """
    found = model_of(model)
    data, day, one = source_of(data), day_of(as_of), id_of(enterprise_id)
    plan = found.policy if policy is None else policy_of(policy)
    X, assigned = _placed(found, data, day, [one], previous, plan, threads)
    behind = evidence(data, day, [one])
    return reasons(
        found.risk, found.credit, X, assigned, plan, one, lang=lang, records=behind, background=background
    )


def portraits(
    model: ModelLike,
    data: Source,
    as_of: date | str,
    policy: PolicyLike | None = None,
    previous: pd.DataFrame | None = None,
    *,
    lang: str = "zh",
    threads: int = 1,
) -> Portraits:
    """Return what sets each tier apart from the whole city, and who is near a boundary.

    Parameters
    ----------
    model, data, as_of, policy, previous, lang, threads
        As for `explain`. A model with an ensemble also tells how sure each tier is.

    Returns
    -------
    Portraits

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> import tierkit as tk
    >>> model = tk.train("data/synthetic", "2024-12-30")
    >>> city = tk.portraits(model, "data/synthetic", "2024-12-30", "jiading-2025")
    >>> len(city.strongest("T4", "risk")) > 0
    True
    """
    found = model_of(model)
    data, day = source_of(data), day_of(as_of)
    plan = found.policy if policy is None else policy_of(policy)
    X, assigned = _placed(found, data, day, None, previous, plan, threads)
    if found.ensemble is not None:
        sure = found.certainty(data, day, X.index, plan, previous, threads=threads)
        ends = {"low": "agreement_low", "high": "agreement_high"}
        told = sure[["enterprise_id", "tier_agreement", "low", "high"]].rename(columns=ends)
        assigned = assigned.merge(told, on="enterprise_id")
    return tiers_apart(found.risk, found.credit, X, assigned, lang=lang)


def _placed(
    model: Model,
    data: Source,
    day: date,
    ids: Iterable[str] | None,
    previous: pd.DataFrame | None,
    policy: PolicyLike,
    threads: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return features, indexed by enterprise, and tiers of those who were on the register."""
    with Timeline(data, threads) as timeline:
        scores, X = model.score_ids(timeline, wanted_ids(timeline, ids), day)
    X.index = pd.Index(scores["enterprise_id"], name="enterprise_id")
    return X, assign(scores, policy, previous, as_of=day)
