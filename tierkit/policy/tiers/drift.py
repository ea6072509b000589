"""Warn where the shares that cut-offs give are far from those for which they were set."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pandas as pd

from tierkit.policy.core import Policy
from tierkit.policy.files.problems import PolicyWarning
from tierkit.policy.tiers.cutoffs import AIMED, COMPOSITE, CREDIT, RISK, aims_of, binomial_interval, in_scope
from tierkit.records import GRADES, TIERS

__all__ = ["FAR", "LEAST", "Gap", "SharesWarning", "counts_of", "gaps", "unheeded", "warn_of_shares"]

FAR = 0.15
"""Difference of a share from its target that is told. Many may have the very same points, and so a share may
miss its target by 12 points on the very scores on which the cut-offs of a preset were set."""
LEAST = 5000
"""Fewest enterprises in scope of whom it is told: from the records of fewer no model has learned enough for
shares to settle."""


class SharesWarning(PolicyWarning):
    """A policy whose cut-offs give these enterprises other shares than they were set to give."""


class Gap(NamedTuple):
    """A share past a cut-off that is far from its target, and farther than lots would put it."""

    levels: str
    """``T1``, ``T2 or better``, ``level 1``, ``grade A``."""
    share: float
    target: float
    n: int


def counts_of(policy: Policy, sectors: pd.Series, tiers: pd.DataFrame) -> Counter[str]:
    """Count those in scope by tier, level and grade, of what `tierkit.policy.tiers.assign` gave."""
    tiers = tiers[in_scope(policy, sectors)]
    counts = Counter({"n": len(tiers)})
    for column, mark in (("tier", ""), ("risk_level", "level "), ("credit_grade", "grade ")):
        counts.update({f"{mark}{k}": int(n) for k, n in tiers[column].value_counts().items() if n})
    return counts


def gaps(policy: Policy, counts: Mapping[str, int]) -> list[Gap]:
    """Return the shares that are far from those for which the cut-offs were set, the farthest first.

    Only what decides about tiers counts, and only cut-offs whose assumption says that they were set from
    target shares.

    Parameters
    ----------
    policy : Policy
    counts : mapping of str to int
        As of `counts_of`.
    """
    n = counts.get("n", 0)
    if n < LEAST or policy.oracle:
        return []
    found = []
    for levels, shares in _targets(policy):
        count, target = 0, 0.0
        for k, level in enumerate(levels[:-1]):
            count, target = count + counts.get(level, 0), target + shares[k]
            low, high = binomial_interval(count, n)
            if abs(count / n - target) > FAR and not low <= target <= high:
                found.append(Gap(f"{level} or better" if k else level, count / n, target, n))
    return sorted(found, key=lambda one: -abs(one.share - one.target))


def _targets(policy: Policy) -> Iterator[tuple[list[str], tuple[float, ...]]]:
    """Yield the levels that decide about tiers, from the best, with the shares that they were to have."""
    aims = aims_of(policy)
    if policy["scoring.logic"] == "composite":
        if _aimed(policy, COMPOSITE):
            yield list(TIERS), aims.tiers
        return
    matrix = np.array(policy["scoring.matrix"])
    if _aimed(policy, RISK) and (matrix != matrix[:1]).any():
        yield [f"level {k + 1}" for k in range(len(aims.risk))], aims.risk
    if _aimed(policy, CREDIT) and (matrix != matrix[:, :1]).any():
        yield [f"grade {grade}" for grade in GRADES[: len(aims.credit)]], aims.credit


def _aimed(policy: Policy, path: str) -> bool:
    return (policy.parameter(path).assumption or "").startswith(AIMED)


def warn_of_shares(policy: Policy, counts: Mapping[str, int], stacklevel: int = 2) -> None:
    """Warn, with figures, if a share is far from that for which the cut-offs were set.

    Warns
    -----
    SharesWarning
        With the farthest share, how many others are far, and where the cut-offs come from.
    """
    found = gaps(policy, counts)
    if not found:
        return
    first, *others = found
    more = f", and {len(others)} more by over {100 * FAR:.0f}" if others else ""
    warnings.warn(
        f"under {policy.name} {first.share:.1%} of {first.n:,} enterprises are in {first.levels}, and its "
        f"cut-offs were set to put {first.target:.1%} there: {100 * abs(first.share - first.target):.1f} "
        f"points apart{more}. The cut-offs come from "
        f"{policy['scoring.reference']}; 'tierkit policy calibrate {policy.name} SCORES --out mine.toml' "
        "sets them on scores of your own",
        SharesWarning,
        stacklevel=stacklevel + 1,
    )


@contextmanager
def unheeded() -> Iterator[None]:
    """Leave out the warning: where a part of a city is tiered, or tiers that nobody gets are tried."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SharesWarning)
        yield
