"""Warn where the shares that cut-offs give are far from those for which they were set."""

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pandas as pd

from tierkit import texts
from tierkit.policy.core import Policy
from tierkit.policy.files.problems import PolicyWarning
from tierkit.policy.specification import spec_of
from tierkit.policy.tiers.cutoffs import AIMED, COMPOSITE, CREDIT, RISK, aims_of, binomial_interval, in_scope
from tierkit.policy.tiers.rule import is_composite, is_risk_alone
from tierkit.records import GRADES, SHANGHAI, TIERS

__all__ = [
    "FAR",
    "LEAST",
    "Gap",
    "SharesWarning",
    "counts_of",
    "from_elsewhere",
    "gaps",
    "origin",
    "unheeded",
    "warn_of_shares",
]

FAR = 0.25
"""Difference of a share from its target that is told: more than a model of its own makes between two cities
of one generator, 20 points of risk level 1 for 20,000 enterprises of seeds 2024 and 2025."""
_WORLDS = re.compile(
    r"(?P<worlds>\d+) worlds of (?P<n>[\d,]+) enterprises, seeds (?P<first>\d+) to (?P<last>\d+), "
    r"as of (?P<date>\d{4}-\d\d-\d\d)$"
)
LEAST = 5000
"""Fewest enterprises in scope of whom it is told: from the records of fewer no model has learned enough for
shares to settle."""


class SharesWarning(PolicyWarning):
    """A policy whose cut-offs give these enterprises other shares than they were set to give."""


class Gap(NamedTuple):
    """A share past a cut-off that is far from its target, and farther than lots would put it."""

    kind: str
    """``tier``, ``risk_level`` or ``credit_grade``."""
    level: str
    best: bool
    """Whether it is of the best level alone; else the better ones count too."""
    share: float
    target: float
    n: int

    def levels(self, lang: str) -> str:
        """Return which levels it is of.

        Examples
        --------
        >>> Gap("risk_level", "2", False, 0.7, 0.9, 6000).levels("en")
        'level 2 or better'
        """
        level = texts.text(f"cutoffs.kind.{self.kind}", lang, level=self.level)
        return level if self.best else texts.text("cutoffs.or_better", lang, level=level)

    def sentence(self, policy: Policy, lang: str) -> str:
        """Return the share beside its target, and on what the policy's cut-offs were set."""
        share, target = texts.percent(self.share, 1), texts.percent(self.target, 1)
        known = {"policy": policy.name, "reference": policy["scoring.reference"], "n": self.n}
        levels = self.levels(lang)
        return texts.text("cutoffs.gap", lang, levels=levels, share=share, target=target, **known)


def counts_of(policy: Policy, sectors: pd.Series, tiers: pd.DataFrame) -> Counter[str]:
    """Count those in scope by ``tier T1`` and so on, of what `tierkit.policy.tiers.assign` gave."""
    tiers = tiers[in_scope(policy, sectors)]
    counts = Counter({"n": len(tiers)})
    for column in ("tier", "risk_level", "credit_grade"):
        counts.update({f"{column} {k}": int(n) for k, n in tiers[column].value_counts().items() if n})
    return counts


def gaps(policy: Policy, counts: Mapping[str, int]) -> list[Gap]:
    """Return the shares that are far from those for which the cut-offs were set, the farthest first.

    Only what decides about tiers counts, and only cut-offs whose assumption says that they were set from
    target shares. Where a policy of another place still has the presets' cut-offs, every share is told that
    chance would not put so far.

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
    least = 0.0 if from_elsewhere(policy) else FAR
    for kind, levels, shares in _targets(policy):
        count, target = 0, 0.0
        for k, level in enumerate(levels[:-1]):
            count, target = count + counts.get(f"{kind} {level}", 0), target + shares[k]
            low, high = binomial_interval(count, n)
            if abs(count / n - target) > least and not low <= target <= high:
                found.append(Gap(kind, level, k == 0, count / n, target, n))
    return sorted(found, key=lambda one: -abs(one.share - one.target))


def from_elsewhere(policy: Policy) -> bool:
    """Return whether the cut-offs of a policy of elsewhere are still those of the presets.

    Examples
    --------
    >>> from_elsewhere(Policy.load("jiading-2025"))
    False
    """
    if policy.place in (None, SHANGHAI):
        return False
    return bool(policy["scoring.reference"] == Policy.load("legacy")["scoring.reference"])


def origin(policy: Policy, lang: str) -> list[str]:
    """Return where the numbers come from that decide about tiers: hardly ever from the text of a plan.

    Parameters
    ----------
    policy : Policy
    lang : {"zh", "en"}

    Returns
    -------
    list of str
        Sentences, each cut-offs' origin once, and that they are of another place where they are.

    Examples
    --------
    >>> print(*origin(Policy.load("jiading-2025"), "en"))
    jiading-2025 holds no numbers for risk cut-offs, credit cut-offs: tierkit set them from target shares, ...
    """
    paths = [COMPOSITE] if is_composite(policy) else [RISK] if is_risk_alone(policy) else [RISK, CREDIT]
    known = spec_of(policy.place)
    found: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        one = policy.parameter(path)
        ground = (one.assumption or "", "" if one.assumption else one.source or "")
        found.setdefault(ground, []).append(known[path].label.text(lang))
    told = []
    for (why, source), names in found.items():
        about = {"policy": policy.name, "what": texts.join(names, lang)}
        if why.startswith(AIMED):
            on = _reference(why.removeprefix(AIMED), lang)
            told.append(texts.text("cutoffs.origin.aimed", lang, reference=on, **about))
        elif why:
            told.append(texts.text("cutoffs.origin.given", lang, why=why, **about))
        else:
            told.append(texts.text("cutoffs.origin.text", lang, source=source, **about))
    if from_elsewhere(policy) and policy.place is not None:
        told.append(texts.text("cutoffs.origin.elsewhere", lang, place=policy.place.label.text(lang)))
    return told


def _reference(why: str, lang: str) -> str:
    """Return on whom cut-offs were set, of the presets' reference worlds in the reader's language."""
    worlds = _WORLDS.search(why)
    return texts.text("cutoffs.worlds", lang, **worlds.groupdict()) if worlds else why


def _targets(policy: Policy) -> Iterator[tuple[str, Sequence[str], tuple[float, ...]]]:
    """Yield the levels that decide about tiers, from the best, with the shares that they were to have."""
    aims = aims_of(policy)
    if is_composite(policy):
        if _aimed(policy, COMPOSITE):
            yield "tier", TIERS, aims.tiers
        return
    matrix = np.array(policy["scoring.matrix"])
    if is_risk_alone(policy):
        matrix = matrix[:, :1]
    if _aimed(policy, RISK) and (matrix != matrix[:1]).any():
        yield "risk_level", [str(k + 1) for k in range(len(aims.risk))], aims.risk
    if _aimed(policy, CREDIT) and (matrix != matrix[:, :1]).any():
        yield "credit_grade", GRADES[: len(aims.credit)], aims.credit


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
    more = f" (so far off are {1 + len(others)} shares)" if others else ""
    place = policy.place
    where = f", and not in {place.label.en}" if place and from_elsewhere(policy) else ""
    points = 100 * abs(first.share - first.target)
    warnings.warn(
        f"{first.sentence(policy, 'en').rstrip('.')}{where}: {points:.1f} points apart{more}. "
        f"'tierkit policy calibrate {policy.name} SCORES --out mine.toml' sets the cut-offs on "
        "scores of your own",
        SharesWarning,
        stacklevel=stacklevel + 1,
    )


@contextmanager
def unheeded() -> Iterator[None]:
    """Leave out the warning: where a part of a city is tiered, or tiers that nobody gets are tried."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SharesWarning)
        yield
