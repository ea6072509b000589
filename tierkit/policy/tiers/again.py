"""Set the cut-offs of a policy again on scores of a model that was just trained, so that its shares hold.

Cut-offs are absolute numbers, set once on models of other cities. A model that is trained anew has a level of
its own, and under it the same numbers give other shares: the policy is then another one than was meant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tierkit.arrays import Floats
from tierkit.policy.calibration import restated
from tierkit.policy.core import Policy
from tierkit.policy.tiers.cutoffs import AIMED, CREDIT, LISTED, aims_of, cutoffs, in_scope, values_of
from tierkit.policy.tiers.rule import is_risk_alone
from tierkit.records import DataError

__all__ = ["AGAIN", "set_again"]

AGAIN = "again"
"""What is added to the name of a policy whose cut-offs were set again."""
FEWEST = 40
"""Fewest enterprises in scope on whom cut-offs are set again."""
_COMMON = 0.05  # share with the very same points from which these are those of nothing on record
_APART = 0.01  # share of all that a grade holds at least, where cut-offs would fall together


def set_again(policy: Policy, scores: pd.DataFrame, *, called: str = "its own scores") -> Policy:
    """Return a policy with its cut-offs set to its target shares on given scores, for use with these scores.

    Unlike `tierkit.policy.calibrate` it never refuses: it serves many cities, small ones among them. A policy
    that does not rest on models, or with fewer than `FEWEST` in its scope, is returned as it is. Where so
    many have the very same points that cut-offs of grades would fall together, the lower one goes down until
    a hundredth of all lies between; and all of whom nothing is recorded have the grade above a cut-off that
    falls among them.

    Parameters
    ----------
    policy : Policy
    scores : DataFrame
        As for `tierkit.assign`.
    called : str
        What the scores are called in the assumption of the new values.

    Examples
    --------
    >>> scores = pd.DataFrame({"enterprise_id": [f"e{k}" for k in range(500)], "sector": "retail"})
    >>> scores["risk_probability"], scores["credit_points"] = scores.index / 501, 500 + scores.index / 5
    >>> again = set_again(Policy.load("jiading-2025"), scores)
    >>> again.name, again["scoring.risk_cutoffs"]
    ('jiading-2025-again', (0.6175, 0.8964))
    """
    used = scores[in_scope(policy, scores["sector"])]
    if policy["scoring.basis"] != "model" or policy.oracle or len(used) < FEWEST:
        return policy
    risk, points = values_of(policy, used)
    found = _found(policy, risk, points)
    if not found:
        return policy
    why = f"{AIMED}{called}, {len(used):,} enterprises"
    return policy.reform(restated(policy, found, why), name=f"{policy.name}-{AGAIN}")


def _found(policy: Policy, risk: Floats, points: Floats) -> dict[str, Any]:
    """Return cut-offs; where ties keep some from being set, these are set apart, or left as they stand."""
    try:
        found = cutoffs(policy, risk, points)
    except DataError:
        try:
            found = cutoffs(policy, risk, _spread_out(points))  # the cut-offs of risk, whatever credit does
        except DataError:
            return {}
        listed = found.get(LISTED[1])
        found = {path: value for path, value in found.items() if path != CREDIT}
        if listed is not None:
            found[LISTED[1]] = float(np.floor(10 * listed) / 10)
    if not is_risk_alone(policy):
        found[CREDIT] = _grades(policy, points)
    return found


def _spread_out(points: Floats) -> Floats:
    """Return points of which no two are equal, in the same order, so that ties are cut somewhere."""
    order = np.argsort(points, kind="stable")
    out = points.astype(np.float64).copy()
    out[order] += np.linspace(0.0, 1.0, len(points))
    return out


def _grades(policy: Policy, points: Floats) -> list[float]:
    """Return the cut-offs of credit grades, ascending and apart."""
    ordered = np.sort(points)
    values, count = np.unique(points, return_counts=True)
    most = float(values[count.argmax()]) if count.max() >= _COMMON * len(points) else float("nan")
    below = np.cumsum(aims_of(policy).credit[::-1])[:-1]
    cuts = []
    for share in below:
        value = float(np.quantile(ordered, share))
        # A tenth at the value or below it: those who have the very value are above.
        cuts.append(float(np.floor(10 * (most if value == most else value)) / 10))
    for k in range(len(cuts) - 2, -1, -1):
        if cuts[k] >= cuts[k + 1]:
            held = float(np.searchsorted(ordered, cuts[k + 1]) / len(ordered))
            lower = float(np.quantile(ordered, max(held - _APART, held / 2)))
            cuts[k] = min(float(np.floor(10 * lower) / 10), round(cuts[k + 1] - 0.1, 1))
    return [max(one, 0.0) for one in cuts]
