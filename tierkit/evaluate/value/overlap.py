"""Overlap between what practice drew and what a policy would draw; refusals where there is too little."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from tierkit.arrays import Floats
from tierkit.scores.metrics import effective_size

__all__ = ["FEWEST_FINDINGS", "Gap", "OverlapError", "overlap"]


FEWEST_FINDINGS = 10
"""Findings below which nothing is estimated from a sample or a stratum."""
FEWEST_EFFECTIVE = 30.0
"""Effective inspections below which an average of weighted ones is refused; an assumption."""
MOST_UNSEEN = 0.01
"""Largest share of a policy's opportunities that may go where nothing was drawn; an assumption."""
NEVER_DRAWN = 1e-6
"""Weekly probability below which an obligation counts as never drawn: once in twenty thousand years."""


class Gap(NamedTuple):
    """One reason why a policy's value cannot be estimated: where, what is wrong, what to do."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        """Return it as one sentence."""
        return f"{self.where}: {self.what}; {self.remedy}"


class OverlapError(ValueError):
    """The records cannot tell the policy's value. ``gaps`` holds every reason.

    Examples
    --------
    >>> print(OverlapError([Gap("equal-chance audits", "there are none", "set a random floor")]))
    equal-chance audits: there are none; set a random floor  (1 problem)
    """

    def __init__(self, gaps: list[Gap]) -> None:
        self.gaps = tuple(gaps)
        count = f"{len(gaps)} problem" + ("s" if len(gaps) > 1 else "")
        super().__init__("\n".join(map(str, gaps)) + f"  ({count})")


def overlap(
    target: Floats, logged: Floats, weights: Floats, labels: pd.Series
) -> tuple[dict[str, float], list[Gap]]:
    """Return measures of overlap between past draws and the policy's draws, and the gaps found.

    Parameters
    ----------
    target : float array of shape (N,)
        Probability of an opportunity under the policy.
    logged : float array of shape (N,)
        Weekly probability with which practice drew the same obligation.
    weights : float array of shape (n,)
        Weight of each inspection in the policy's value.
    labels : Series of shape (N,)
        Stratum of each obligation, to say where.

    Returns
    -------
    dict of str to float
        ``unseen_share`` (share of the opportunities where the logged probability is nil),
        ``effective_size`` (Kish), ``design_effect`` (inspections over that) and ``largest_share`` (of one
        inspection in all weight).
    list of Gap

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> strata = pd.Series(["T1", "T4"])
    >>> told, gaps = overlap(np.array([0.1, 0.3]), np.array([0.01, 0.0]), np.ones(100), strata)
    >>> round(told["unseen_share"], 2), gaps[0].where
    (0.75, 'T4')
    """
    unseen = (logged < NEVER_DRAWN) & (target > 0)
    total = float(target.sum())
    size = effective_size(weights)
    told = {
        "unseen_share": float(target[unseen].sum()) / total if total else 0.0,
        "effective_size": size,
        "design_effect": len(weights) / size if size else float("nan"),
        "largest_share": float(weights.max() / weights.sum()) if size else float("nan"),
    }
    gaps = []
    if told["unseen_share"] > MOST_UNSEEN:
        where = ", ".join(sorted(set(labels[unseen].astype(str))))
        what = (
            f"{told['unseen_share']:.0%} of the policy's opportunities go to obligations that practice never "
            "drew"
        )
        gaps.append(Gap(where, what, "keep a random floor there, or take them out of the comparison"))
    if size < FEWEST_EFFECTIVE:
        what = (
            f"{len(weights)} inspections are worth {size:.1f} of equal weight, under {FEWEST_EFFECTIVE:.0f}"
        )
        gaps.append(Gap("weights", what, "use a longer window, more equal-chance audits or a nearer policy"))
    return told, gaps
