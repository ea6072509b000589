"""Assign tiers to a frame of scores."""

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.policy import Policy, PolicyLike, policy_of
from tierkit.policy.tiers.distance import distances
from tierkit.policy.tiers.drift import counts_of, warn_of_shares
from tierkit.policy.tiers.inputs import check_inputs, previous_of, standing_of
from tierkit.policy.tiers.reasons import REASONS, reason_codes
from tierkit.policy.tiers.rule import (
    POINT_ONE,
    TierRule,
    lists_by_data,
    margin_steps,
    place,
)
from tierkit.policy.tiers.standing import BARS
from tierkit.records import EVENT_KINDS, GRADES, TIERS
from tierkit.records.gate import day_of, instance_of, scores_of

__all__ = ["assign"]

_BARRED = tuple(
    ";".join(one for k, one in enumerate(BARS) if code >> k & 1) for code in range(1 << len(BARS))
)


def assign(
    scores: pd.DataFrame,
    policy: PolicyLike,
    previous: pd.DataFrame | None = None,
    oracle_probability: pd.Series | None = None,
    *,
    as_of: date | str | None = None,
) -> pd.DataFrame:
    """Return the tier of each enterprise under a policy, with the rule that gave it.

    A pure function of each row alone, its scores and its last tier; no tier depends on other rows.
    Every row gets exactly one tier. `tierkit.policy.tiers.rule` states the rule step by step.

    Parameters
    ----------
    scores : pandas.DataFrame
        ``enterprise_id``, ``sector``, ``risk_probability`` (in [0, 1]), ``credit_points`` and, as
        far as records are known, ``red_line`` (the gravest kind of credit event that stands, or NA),
        ``standing_records`` (the open records with their weeks, such as ``penalty:12;court_default:80``),
        ``adverse_record`` (whether any was ever known; whoever has NA is not spared a bad grade for
        having none) and ``serious_finding_weeks`` (since the last serious finding of an inspection, or NA).
    policy : Policy, name or path
    previous : pandas.DataFrame, optional
        The last assignment: ``enterprise_id``, ``tier``, ``risk_level``, ``credit_grade`` and either
        ``weeks_ago`` or ``assigned_on``, the day since which the tier has stood. Enterprises that it does
        not hold are new: no hysteresis, no dwell. It may hold others.
    oracle_probability : pandas.Series, optional
        True probabilities by enterprise_id; needed by the oracle and refused by every other policy.
    as_of : date, optional
        The day of this assignment; needed where ``previous`` has ``assigned_on``.

    Returns
    -------
    pandas.DataFrame
        One row for each of ``scores``, with its index: ``enterprise_id``; ``tier``; ``risk_level``;
        ``credit_grade`` (capped; NA for everybody under a policy by risk alone, where ``credit_points``
        may be NA too); ``tier_reason`` (an id of `REASONS`); ``distance_risk`` (log-odds) and
        ``distance_credit`` (points), signed moves to the nearest boundary that changes the tier, NaN where
        there is none; ``buffered`` (whether the hysteresis is part of them: it is for those with a last
        assignment, and the new are told the way to the cut-off itself); ``unmonitored`` (by
        rule or as data; lists that are filled to a share depend on everybody, and
        `tierkit.policy.tiers.listed` gives them); ``held`` (whether
        hysteresis or dwell keeps the tier from what the scores alone give); ``changed`` (whether the tier
        differs from the last one; true for the new, so
        that ``assigned_on`` is this day where it is true and the last one where not); ``composite_points``
        (NaN under a matrix); ``red_line`` (the kind where it caps the grade, else NA); ``tier_record`` (the
        kind of open record for which the policy states a tier, or that bars from T1, else NA);
        ``without_record`` (whether the
        credit counts as grade B although the points are fewer, as there never was an adverse record);
        ``barred_by`` (the floors under which the enterprise can be neither T1 nor on an unmonitored list, of
        ``red_line``, ``serious`` and ``highest_risk``, joined by ``;``).

    Raises
    ------
    DataError
        With all problems: a missing column, an unknown level, a duplicate id, a score that is NaN or
        infinite, a probability outside [0, 1]. Finite points of any size are allowed.

    Warns
    -----
    SharesWarning
        With figures, if the scores are of a whole city and the cut-offs give it other shares than those for
        which they were set (`tierkit.policy.tiers.drift`); `tierkit.policy.calibrate` sets them anew.

    Examples
    --------
    >>> import tierkit as tk
    >>> scores = pd.DataFrame({"enterprise_id": ["a", "b"], "sector": ["gas", "retail"],
    ...                        "risk_probability": [0.05, 0.3], "credit_points": [650.0, 420.0]})
    >>> out = tk.assign(scores, "jiading-2025")
    >>> out[["enterprise_id", "tier", "risk_level", "credit_grade"]].values.tolist()
    [['a', 'T1', 1, 'A'], ['b', 'T4', 3, 'C']]
    """
    scores, policy = scores_of(scores), policy_of(policy)
    if previous is not None:
        instance_of(previous, pd.DataFrame, "previous", "a DataFrame, the last assignment")
    as_of = None if as_of is None else day_of(as_of)
    policy = policy if as_of is None else policy.on(as_of)
    check_inputs(scores, policy, previous, oracle_probability, as_of)
    risk = scores["risk_probability"]
    if policy.oracle and oracle_probability is not None:
        risk = oracle_probability.reindex(scores["enterprise_id"])
    rule = TierRule.of(policy)
    margin = margin_steps(risk.to_numpy(np.float64))
    points = rule.read(scores["credit_points"].to_numpy(np.float64, na_value=np.nan))
    sector, standing = rule.sector_codes(scores["sector"]), standing_of(scores)
    last = previous_of(scores["enterprise_id"], previous, as_of)
    placed = place(rule, margin, points, sector, standing, last)
    to_risk, to_credit = distances(rule, margin, points, sector, standing, placed)
    capping = (rule.caps[standing.red_line] > 0) & placed.in_scope
    told = pd.DataFrame(
        {
            "enterprise_id": scores["enterprise_id"].astype("str"),
            "tier": _category(placed.tier, TIERS),
            "risk_level": (placed.level + 1).astype(np.int8),
            "credit_grade": _category(np.where(rule.risk_alone, -1, placed.grade), GRADES),
            "tier_reason": _category(reason_codes(placed, rule), tuple(REASONS)),
            "distance_risk": to_risk,
            "distance_credit": to_credit,
            "buffered": placed.known & (rule.slack_margin + rule.slack_points > 0),
            "unmonitored": _unmonitored(scores["enterprise_id"], placed.unmonitored, policy),
            "held": placed.tier != placed.fresh,
            "changed": placed.tier != last.tier,
            "composite_points": placed.composite / POINT_ONE if rule.composite else np.nan,
            "red_line": _category(np.where(capping, standing.red_line, -1), EVENT_KINDS),
            "tier_record": _category(placed.record, EVENT_KINDS),
            "without_record": placed.without_record,
            "barred_by": _category(placed.bars.T @ (1 << np.arange(len(BARS))), _BARRED),
        },
        index=scores.index,
    )
    warn_of_shares(policy, counts_of(policy, scores["sector"], told))
    return told


def _unmonitored(ids: pd.Series, may: NDArray[np.bool_], policy: Policy) -> NDArray[np.bool_]:
    """Return who is on the list that the policy's rule or file gives."""
    if not lists_by_data(policy):
        return may
    named = {one for one, *_ in policy["lists.unmonitored.file"].at_hand()}
    on: NDArray[np.bool_] = may & ids.astype("str").isin(named).to_numpy()
    return on


def _category(codes: NDArray[np.integer], levels: tuple[str, ...]) -> "pd.Categorical[str]":
    return pd.Categorical.from_codes(codes.astype(np.int64), categories=pd.Index(levels))
