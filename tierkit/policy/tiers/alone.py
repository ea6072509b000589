"""Tiers by risk alone, where there is no credit: a policy's own rule, without the axis that nobody has."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tierkit.policy import Policy
from tierkit.policy.tiers.rule import is_composite, is_risk_alone
from tierkit.records import TIERS, Label, Parameter
from tierkit.texts import ALONE, text

__all__ = ["by_risk_alone"]


def by_risk_alone(policy: Policy) -> Policy:
    """Return a policy that gives tiers by risk alone, and is otherwise this one.

    The tier of a risk level is the one that the matrix gives it together with the grade of the same standing:
    A with the lowest level, the worst with the highest. Under a composite the levels share out the four tiers
    alike. A red line that caps the grade still makes the tier worse, as it did; floors, open records that
    state a tier, hysteresis and dwell act as they do.

    Parameters
    ----------
    policy : Policy
        Returned as it is where it gives tiers by risk alone already.

    Examples
    --------
    >>> alone = by_risk_alone(Policy.load("jiading-2025"))
    >>> alone.name, alone["scoring.logic"], alone["scoring.matrix"]
    ('jiading-2025-risk-alone', 'risk', (('T1', 'T2', 'T2'), ('T2', 'T2', 'T3'), ('T4', 'T4', 'T4')))
    """
    if is_risk_alone(policy):
        return policy
    levels, grades = (len(policy[f"scoring.{one}_cutoffs"]) + 1 for one in ("risk", "credit"))
    if is_composite(policy):
        best = np.arange(levels) * (len(TIERS) - 1) // (levels - 1)
        codes = np.maximum(best[:, None], np.arange(grades))
    else:
        matrix = np.array([[TIERS.index(tier) for tier in row] for row in policy["scoring.matrix"]])
        own = np.arange(levels) * (grades - 1) // (levels - 1)
        codes = matrix[np.arange(levels)[:, None], np.maximum(own[:, None], np.arange(grades))]
    why = f"by risk alone: the tiers of '{policy.name}' with the grade of each level's standing"
    changes = {
        "scoring.logic": Parameter("risk", "name", assumption=why),
        "scoring.matrix": Parameter(_named(codes), "tier", assumption=why),
    }
    alone = policy.reform(changes, name=f"{policy.name}{ALONE}")
    titles = {lang: text("alone.policy", lang, policy=policy.meta.title.text(lang)) for lang in ("zh", "en")}
    return replace(alone, meta=replace(alone.meta, title=Label(**titles), document=policy.meta.document))


def _named(codes: NDArray[np.int64]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(TIERS[code] for code in row) for row in codes.tolist())
