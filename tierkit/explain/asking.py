"""Ask for the reasons of one enterprise, or of each tier, with a model, records and a policy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pandas as pd

from tierkit import texts
from tierkit.explain.evidence import evidence
from tierkit.explain.portraits import Portraits
from tierkit.explain.portraits import portraits as tiers_apart
from tierkit.explain.reasons import Reasons, reasons
from tierkit.policy import Policy, PolicyLike, policy_of
from tierkit.records.gate import id_of, one_of
from tierkit.records.known import Known, Source, opened
from tierkit.scores.model import Model, ModelLike, Scored, model_of

__all__ = ["explain", "portraits", "reasons_known"]


def explain(
    model: ModelLike,
    data: Source | Known,
    as_of: date | str | None,
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
    data : Dataset, mapping, path or Known
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
    ValueError
        If it was not on the register on that day.

    Examples
    --------
    >>> import tierkit as tk
    >>> model = tk.train("data/synthetic", "2024-12-30")
    >>> scores = model.score("data/synthetic", "2024-12-30")
    >>> riskiest = scores.loc[scores["risk_probability"].idxmax(), "enterprise_id"]
    >>> why = tk.explain(model, "data/synthetic", "2024-12-30", riskiest, "jiading-2025")
    >>> why.tier, why.risk_level
    ('T2', 3)
    """
    found, one = model_of(model), id_of(enterprise_id)
    one_of(lang, texts.LANGUAGES, "lang")
    plan = found.policy if policy is None else policy_of(policy)
    with opened(data, as_of, threads=threads) as known:
        plan, scored = found.policy_for(plan.on(known.day)), found.scored(known, [one])
        [why] = reasons_known(found, known, scored, plan, previous, background=background, lang=lang)
        return why


def reasons_known(
    model: Model,
    known: Known,
    scored: Scored,
    policy: Policy,
    previous: pd.DataFrame | None = None,
    *,
    background: pd.DataFrame | None = None,
    lang: str = "zh",
) -> Iterator[Reasons]:
    """Return the reasons of enterprises that were scored over open records, in their order.

    Raises
    ------
    ValueError
        If one of those asked about was not on the register.
    """
    scored.check_present()
    policy = model.policy_for(policy)
    tiers, ids = scored.tiers(policy, previous), scored.scores["enterprise_id"]
    behind = evidence(known, ids=ids)
    return (
        reasons(
            model.risk, model.credit, scored.X, tiers, policy, one,
            records=behind, background=background, lang=lang,
        )
        for one in ids
    )  # fmt: skip


def portraits(
    model: ModelLike,
    data: Source | Known,
    as_of: date | str | None,
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
    one_of(lang, texts.LANGUAGES, "lang")
    plan = found.policy if policy is None else policy_of(policy)
    with opened(data, as_of, threads=threads) as known:
        plan, scored = plan.on(known.day), found.scored(known)
    assigned = scored.tiers(plan, previous)
    if found.ensemble is not None:
        sure = found.certainty_of(scored, plan, previous)
        ends = {"low": "agreement_low", "high": "agreement_high"}
        told = sure[["enterprise_id", "tier_agreement", "low", "high"]].rename(columns=ends)
        assigned = assigned.merge(told, on="enterprise_id")
    return tiers_apart(found.risk, found.credit, scored.X, assigned, lang=lang)
