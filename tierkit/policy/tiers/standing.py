"""What records, and having none, do to a tier: steps 3 to 5 of `tierkit.policy.tiers.rule`."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierkit.arrays import Ints
from tierkit.policy import Policy
from tierkit.policy.specification import ANY_KIND
from tierkit.records import EVENT_KINDS, GRADES, GRAVITY, REPAIRABLE_KINDS, TIERS

__all__ = ["BARS", "SOUND_GRADE", "FloorRule", "RecordRule", "Standing"]

BARS = ("red_line", "serious", "highest_risk")
"""What may bar an enterprise from T1 and from unmonitored lists; of several the first is told."""

SOUND_GRADE = GRADES.index("B")
"""Code of the worst grade of whoever never had an adverse record."""
# Of several records that would decide a tier the gravest is told; a penalty comes last.
_BY_GRAVITY = [
    EVENT_KINDS.index(kind) for kind in (*GRAVITY, *(one for one in REPAIRABLE_KINDS if one not in GRAVITY))
]
# Below all points: whoever has two grades to get has B at worst in any case.
_LOWEST = -(10**9)


class Standing(NamedTuple):
    """What the rule asks of the records of n enterprises."""

    red_line: Ints
    """Code among `tierkit.records.EVENT_KINDS` of the gravest adverse kind that stands open; -1 for none."""
    weeks: Ints
    """Weeks since the youngest open record, by enterprise and event kind; -1 for none."""
    clean: NDArray[np.bool_]
    """Whether it is known that there never was an adverse record."""
    serious: Ints
    """Weeks since the last serious finding that is known; -1 for none."""

    @classmethod
    def nothing(cls, n: int) -> "Standing":
        """Return that no record stands, and that nobody knows of those before."""
        weeks = np.full((n, len(EVENT_KINDS)), -1, np.int64)
        return cls(np.full(n, -1, np.int64), weeks, np.zeros(n, np.bool_), np.full(n, -1, np.int64))


@dataclass(frozen=True)
class RecordRule:
    """What a policy makes of open records, and of having had none.

    Attributes
    ----------
    needed : bool
        Whether a grade worse than B needs an adverse record.
    sound_points : int
        Cut-off of grade B, in grid steps.
    red_kinds, rising_kinds : ndarray of bool
        By event kind, whether an open record is a red line to `red_tier`, or escalates to `rising_tier`.
    rising_weeks : int
        The oldest record that escalates.
    """

    needed: bool
    sound_points: int
    red_kinds: NDArray[np.bool_]
    red_tier: int
    rising_kinds: NDArray[np.bool_]
    rising_tier: int
    rising_weeks: int

    @classmethod
    def of(cls, policy: Policy, credit_cuts: Ints) -> "RecordRule":
        """Return the rule of a policy whose credit cut-offs are these.

        Examples
        --------
        >>> rule = RecordRule.of(Policy.load("chongming-2025"), np.array([480, 540, 600]) * 16)
        >>> rule.sound_points // 16, int(rule.rising_kinds.sum()) == len(REPAIRABLE_KINDS)
        (540, True)
        """
        named = policy["escalation.kinds"]
        return cls(
            needed=policy["scoring.record_needed"],
            sound_points=int(credit_cuts[-2]) if len(credit_cuts) > 1 else _LOWEST,
            red_kinds=np.isin(EVENT_KINDS, policy["red_line_tier.kinds"]),
            red_tier=TIERS.index(policy["red_line_tier.tier"]),
            rising_kinds=np.isin(EVENT_KINDS, REPAIRABLE_KINDS if ANY_KIND in named else named),
            rising_tier=TIERS.index(policy["escalation.tier"]),
            rising_weeks=policy["escalation.max_weeks"],
        )

    def spared(self, standing: Standing) -> NDArray[np.bool_]:
        """Return who is graded B at worst, as there never was an adverse record."""
        return standing.clean & self.needed

    def counted(self, points: Ints, standing: Standing) -> Ints:
        """Return the points that count: without an adverse record no fewer than the cut-off of B."""
        counted: Ints = np.where(self.spared(standing), np.maximum(points, self.sound_points), points)
        return counted

    def stated(self, standing: Standing) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """Return the best tier that open records allow, of which kind, and whether that is a red line."""
        red = (standing.weeks >= 0) & self.red_kinds
        rising = (standing.weeks >= 0) & (standing.weeks <= self.rising_weeks) & self.rising_kinds
        to_red = red.any(axis=1) * self.red_tier
        to_rising = rising.any(axis=1) * self.rising_tier
        floor = np.maximum(to_red, to_rising)
        by_red = (to_red > 0) & (to_red == floor)
        telling = np.where(by_red[:, None], red, rising)[:, _BY_GRAVITY]
        kind = np.where(floor > 0, np.array(_BY_GRAVITY)[telling.argmax(axis=1)], -1)
        return floor, kind, by_red


@dataclass(frozen=True)
class FloorRule:
    """Whom a policy bars from T1 and from unmonitored lists, whatever the scores come to.

    Attributes
    ----------
    risk : bool
        Whether the highest risk level bars.
    serious_weeks : int
        The oldest serious finding that bars; -1 if none does.
    kinds : ndarray of bool
        By event kind, whether an open record bars, as one that the policy calls a red line; a last entry of
        false for no record.
    """

    risk: bool
    serious_weeks: int
    kinds: NDArray[np.bool_]

    @classmethod
    def of(cls, policy: Policy) -> "FloorRule":
        """Return the floors of a policy.

        Examples
        --------
        >>> rule = FloorRule.of(Policy.load("jiading-2025"))
        >>> rule.risk, rule.serious_weeks, bool(rule.kinds[EVENT_KINDS.index("serious_dishonesty")])
        (True, 52, True)
        """
        capping = [policy["red_lines"].get(kind, GRADES[0]) != GRADES[0] for kind in EVENT_KINDS]
        red = np.array(capping) | np.isin(EVENT_KINDS, policy["red_line_tier.kinds"])
        return cls(
            risk=policy["floors.highest_risk"],
            serious_weeks=policy["floors.serious_weeks"] or -1,
            kinds=np.append(red & policy["floors.red_line"], False),
        )

    def bars(self, standing: Standing, highest: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return whom each of `BARS` bars, shape (3, n), given who is of the highest risk level."""
        found = (standing.serious >= 0) & (standing.serious <= self.serious_weeks)
        return np.stack([self.record(standing) >= 0, found, highest & self.risk])

    def record(self, standing: Standing) -> Ints:
        """Return the event kind of the gravest open record that bars; -1 for none."""
        opened = (standing.weeks >= 0) & self.kinds[:-1]
        kind = np.where(opened.any(axis=1), np.array(_BY_GRAVITY)[opened[:, _BY_GRAVITY].argmax(axis=1)], -1)
        # The red line is open whether or not it is told among those that are.
        told: Ints = np.where(self.kinds[standing.red_line], standing.red_line, kind)
        return told
