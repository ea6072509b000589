"""The tier rule in integer arithmetic, exact and equal on every machine.

Scores lie on a grid: risk margins (log-odds) in steps of 1/1024, cut off at 30 log-odds either way;
points in steps of 1/16, the sector's offset added first. Scores, cut-offs and hysteresis are rounded to
the grid once, so the same records give the same tier on every machine and in every engine. The steps:

1. **Place.** The place of a score among ascending cut-offs is the number of cut-offs ``cut`` with
   ``score >= cut``: at a cut-off it belongs above. The risk level is the place of the margin plus one, so
   level 1 is low. The credit grade is A for the highest place of the points, then B, C, D.
2. **Hysteresis.** With a previous place and a slack, let ``low`` be the number of cut-offs with
   ``score >= cut + slack`` and ``high`` that with ``score >= cut - slack``. The place is the previous one,
   raised to ``low`` or lowered to ``high`` where it lies outside: a cut-off must be passed by the slack.
   Previous places that this policy's cut-offs do not have count as none.
3. **Red line, and the need of a record.** Where the policy asks for a record behind a bad grade, whoever is
   known to have had no adverse record is graded B at worst, and its points count as no fewer than the
   cut-off of B. While a record caps the grade, the grade is that cap or worse. A cap that the policy has
   no grade for means its worst one.
4. **Tier.** By matrix: the entry of risk level and (capped) grade. By composite: the place of
   ``credit weight × points − risk weight × margin`` among the composite cut-offs, T1 on top, with the
   points' slack and the previous tier as the previous place; a cap of A, B, C, D is a cap of T1, T2, T3, T4.
   While a record is open that is a red line to a tier, or that escalates and is not older than that, the
   tier is the one that the policy states for it, or a worse one.
   By risk alone nobody's points are asked for: everybody counts as A before a record caps the grade, so that
   the first column of the matrix gives the tier of each risk level, and no grade is told.
5. **Floors.** Whoever is of the highest risk level, had a serious finding that is not older than the policy
   says, or has an open record that the policy calls a red line, is not T1 where the policy has that floor:
   T2 takes its place. What step 4 gives holds where it is worse.
6. **Dwell.** If the tier differs from the previous one, which is younger than the dwell, and no red line
   caps the grade, the previous tier stays (level and grade move all the same), but never above the tier that
   an open record states, nor above a floor.
7. **Scope.** Outside the policy's sectors the tier is `NEUTRAL_TIER`, whatever the scores.

An enterprise is on the unmonitored list by rule if that is how the list is made, the list is enabled, its
sector is in scope, its margin is at most, its points are at least what the list asks, no red line caps its
grade, no open record states a tier worse than T1, and no floor bars it. On a list that is given as data is
whom it names, if these last three conditions hold. Lists that are filled to a share depend on everybody:
`tierkit.policy.tiers.lists`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tierkit.arrays import Floats, Ints
from tierkit.policy import Policy
from tierkit.policy.tiers.standing import SOUND_GRADE, FloorRule, RecordRule, Standing
from tierkit.records import EVENT_KINDS, GRADES, TIERS

__all__ = [
    "MARGIN_LIMIT",
    "MARGIN_ONE",
    "NEUTRAL_TIER",
    "POINT_LIMIT",
    "POINT_ONE",
    "WEIGHT_ONE",
    "Placement",
    "Previous",
    "TierRule",
    "is_composite",
    "is_risk_alone",
    "lists_by_data",
    "lists_by_rule",
    "margin_steps",
    "margins",
    "place",
    "place_among",
    "point_steps",
]

MARGIN_ONE = 1024
"""Grid steps of one log-odds."""
POINT_ONE = 16
"""Grid steps of one point."""
NEUTRAL_TIER = "T2"
"""Tier of whoever is outside a policy's scope: the ordinary one; its multipliers count as 1 there."""

# A probability of 0 or 1 has no finite margin; beyond 30 log-odds (1e-13) no cut-off can tell anybody apart.
MARGIN_LIMIT = 30
"""Largest margin, either way, in log-odds."""
POINT_LIMIT = 10**6
"""Largest number of points, either way."""
# Weights of the composite are whole numbers of 1/1024. Sums are compared with cut-offs that are as many times
# larger, so nothing is divided, or rounded, before the comparison.
WEIGHT_ONE = 1024
"""Grid steps of one point of a composite."""
# For "no previous place": no number of cut-offs passed is negative.
_NONE = -1

Steps = Ints
"""Numbers on the grid."""


def is_composite(policy: Policy) -> bool:
    """Return whether a sum of risk and credit decides, and not a matrix of levels and grades."""
    return bool(policy["scoring.logic"] == "composite")


def is_risk_alone(policy: Policy) -> bool:
    """Return whether tiers are given by risk alone, whatever anybody's credit."""
    return bool(policy["scoring.logic"] == "risk")


def lists_by_rule(policy: Policy) -> bool:
    """Return whether the unmonitored list follows from cut-offs; others are filled to their share."""
    return bool(policy["lists.unmonitored.enabled"]) and policy["lists.unmonitored.by"] == "rule"


def lists_by_data(policy: Policy) -> bool:
    """Return whether the unmonitored list is one that was given, as a file."""
    return bool(policy["lists.unmonitored.enabled"]) and policy["lists.unmonitored.by"] == "data"


def margins(probability: ArrayLike) -> Floats:
    """Return the margins of probabilities, 0 and 1 at the limit.

    Examples
    --------
    >>> margins([0.0, 0.5]).tolist()
    [-30.0, 0.0]
    """
    # log1p keeps the digits of 1 - p where p is small.
    p = np.asarray(probability, np.float64)
    with np.errstate(divide="ignore"):
        found: Floats = np.clip(np.log(p) - np.log1p(-p), -MARGIN_LIMIT, MARGIN_LIMIT)
    return found


def margin_steps(probability: ArrayLike) -> Steps:
    """Return the margins of probabilities in grid steps, 0 and 1 at the limit.

    Parameters
    ----------
    probability : array-like of float, shape (n,)
        In [0, 1].

    Examples
    --------
    >>> margin_steps([0.0, 0.5, 0.75]).tolist()
    [-30720, 0, 1125]
    """
    # Rounding comes last, and once: a cut-off goes through this same function, so a score equal to a cut-off
    # in the policy's file is equal to it on the grid.
    steps: Steps = np.rint(margins(probability) * MARGIN_ONE).astype(np.int64)
    return steps


def point_steps(points: ArrayLike) -> Steps:
    """Return points in grid steps; beyond a million points, where no cut-off can be, they stop.

    Examples
    --------
    >>> point_steps([600.0, 540.03, 1e308]).tolist()
    [9600, 8640, 16000000]
    """
    steps: Steps = np.rint(
        np.clip(np.asarray(points, np.float64), -POINT_LIMIT, POINT_LIMIT) * POINT_ONE
    ).astype(np.int64)
    return steps


class Previous(NamedTuple):
    """The last assignment, as codes of shape (n,); -1 in ``tier`` where there is none.

    ``weeks`` is how long the tier has stood.
    """

    tier: Steps
    level: Steps
    grade: Steps
    weeks: Steps


class Placement(NamedTuple):
    """The result of the rule for each enterprise, as codes of shape (n,)."""

    tier: Steps
    level: Steps
    grade: Steps
    composite: Steps
    """Composite score in 1/16 points, rounded down."""
    unmonitored: NDArray[np.bool_]
    """Whether the rule lists it; under a list that is data, whether it may be on one."""
    in_scope: NDArray[np.bool_]
    candidate: Steps
    """Tier before the dwell."""
    fresh: Steps
    """Tier that the scores alone would give: no previous one, but red lines."""
    by_red_line: NDArray[np.bool_]
    """Whether the candidate would be another but for a red line on the grade."""
    by_record: NDArray[np.bool_]
    """Whether the tier would be another but for the one that an open record states."""
    red_tier: NDArray[np.bool_]
    """Whether the record that states a tier is a red line; otherwise it escalates."""
    record: Steps
    """Event kind of the record that states a tier or bars from T1; -1 where none states one worse."""
    floor: Steps
    """Best tier that records allow, findings included, but not the risk level."""
    bars: NDArray[np.bool_]
    """Which of `tierkit.policy.tiers.standing.BARS` bar from T1 and from lists, shape (3, n)."""
    by_floor: NDArray[np.bool_]
    """Whether the tier would be T1 but for one of them."""
    without_record: NDArray[np.bool_]
    """Whether grade or points are better than the points alone give, as there is no adverse record."""
    by_need: NDArray[np.bool_]
    """Whether the candidate would be another but for that."""
    known: NDArray[np.bool_]
    """Whether there was a last assignment that counts, and so hysteresis and dwell."""


@dataclass(frozen=True)
class TierRule:
    """A policy's tier rule in grid steps and codes.

    Attributes
    ----------
    risk_cuts, credit_cuts, composite_cuts : ndarray of int
        Ascending cut-offs; composite ones in 1/16 points times 1024, as the weighted sum comes.
    matrix : ndarray of int, shape (levels, grades)
        Tier codes.
    sectors : tuple of str
        Sectors in the order of their codes; empty under a policy of any place, for which all have code 0.
    """

    composite: bool
    risk_alone: bool
    """Whether points count for nothing."""
    risk_cuts: Steps
    credit_cuts: Steps
    composite_cuts: Steps
    matrix: Steps
    risk_weight: int
    credit_weight: int
    slack_margin: int
    slack_points: int
    dwell: int
    sector_offset: Steps
    in_scope: NDArray[np.bool_]
    caps: Steps
    """Cap of the grade by event kind, with 0 for none and a last entry of 0 for no record."""
    by_records: RecordRule
    floors: FloorRule
    list_enabled: bool
    list_given: bool
    """Whether the list is data; margin and points are not asked for then."""
    list_margin: int
    list_points: int
    sectors: tuple[str, ...]

    @classmethod
    def of(cls, policy: Policy) -> "TierRule":
        """Return the rule of a policy.

        Examples
        --------
        >>> TierRule.of(Policy.load("jiading-2025")).matrix.tolist()
        [[0, 1, 1], [1, 1, 2], [1, 2, 3]]
        """
        sectors = policy.place.ids("sector") if policy.place else ()
        scope = policy["scoring.scope_sectors"] or sectors
        offsets = [policy[f"scoring.sector_offset.{sector}"] for sector in sectors]
        caps = [GRADES.index(policy["red_lines"].get(kind, "A")) for kind in EVENT_KINDS]
        composite = is_composite(policy)
        matrix = [["T1"]] if composite else policy["scoring.matrix"]  # one not used need not fit the cut-offs
        risk_weight = policy["scoring.composite_risk_weight"] * POINT_ONE / MARGIN_ONE * WEIGHT_ONE
        credit_cuts = point_steps(policy["scoring.credit_cutoffs"])
        return cls(
            composite=composite,
            risk_alone=is_risk_alone(policy),
            risk_cuts=margin_steps(policy["scoring.risk_cutoffs"]),
            credit_cuts=credit_cuts,
            composite_cuts=point_steps(policy["scoring.composite_cutoffs"]) * WEIGHT_ONE,
            matrix=np.array([[TIERS.index(tier) for tier in row] for row in matrix]),
            risk_weight=round(risk_weight),
            credit_weight=round(policy["scoring.composite_credit_weight"] * WEIGHT_ONE),
            slack_margin=round(policy["review.hysteresis_margin"] * MARGIN_ONE),
            slack_points=round(policy["review.hysteresis_points"] * POINT_ONE),
            dwell=policy["review.dwell_weeks"],
            sector_offset=point_steps(offsets or [0.0]),
            in_scope=np.array([sector in scope for sector in sectors] or [True]),
            caps=np.array([*caps, 0]),
            by_records=RecordRule.of(policy, credit_cuts),
            floors=FloorRule.of(policy),
            list_enabled=lists_by_rule(policy) or lists_by_data(policy),
            list_given=lists_by_data(policy),
            list_margin=int(margin_steps(policy["lists.unmonitored.max_risk"])),
            list_points=int(point_steps(policy["lists.unmonitored.min_points"])),
            sectors=sectors,
        )

    def sector_codes(self, sectors: pd.Series) -> Steps:
        """Return the code of each sector."""
        if not self.sectors:
            return np.zeros(len(sectors), np.int64)
        return pd.Categorical(sectors, categories=list(self.sectors)).codes.astype(np.int64)

    @property
    def levels(self) -> int:
        """Number of risk levels."""
        return len(self.risk_cuts) + 1

    @property
    def grades(self) -> int:
        """Number of credit grades."""
        return len(self.credit_cuts) + 1

    def read(self, points: ArrayLike) -> Steps:
        """Return points in grid steps; by risk alone nobody's are read, as nobody may have any."""
        if self.risk_alone:
            return np.zeros(len(np.asarray(points)), np.int64)
        return point_steps(points)

    def points_of(self, points: Steps, sector: Steps) -> Steps:
        """Return the points that count: with the sector's offset, or more than any cut-off by risk alone."""
        if self.risk_alone:
            return np.full(len(points), POINT_LIMIT * POINT_ONE)
        return points + self.sector_offset[sector]

    def weighted(self, margin: Steps, points: Steps) -> Steps:
        """Return the composite score in 1/16 points times 1024."""
        return self.credit_weight * points - self.risk_weight * margin


def place_among(score: Steps, cuts: Steps, slack: Steps | int, previous: Steps) -> Steps:
    """Return the place of each score among the cut-offs, previous places kept within the slack."""
    # With the slack at 0, `low`, `high` and `plain` are one number and the previous place does not matter.
    shifted, slacks = score[:, None], np.asarray(slack).reshape(-1, 1)
    plain = (shifted >= cuts).sum(axis=1)
    low = (shifted >= cuts + slacks).sum(axis=1)
    high = (shifted >= cuts - slacks).sum(axis=1)
    kept: Steps = np.where(previous == _NONE, plain, np.minimum(np.maximum(previous, low), high))
    return kept


def place(
    rule: TierRule, margin: Steps, points: Steps, sector: Steps, standing: Standing, previous: Previous
) -> Placement:
    """Apply steps 1 to 7 of the rule in this module's docstring.

    Parameters
    ----------
    rule : TierRule
    margin, points : ndarray of int, shape (n,)
        Grid steps; points without the sector's offset.
    sector : ndarray of int, shape (n,)
        Codes as of `TierRule.sector_codes`.
    standing : Standing
    previous : Previous
    """
    points = rule.points_of(points, sector)
    counted, spared = rule.by_records.counted(points, standing), rule.by_records.spared(standing)
    cap = rule.caps[standing.red_line]
    least, record, red_tier = rule.by_records.stated(standing)
    # A policy with fewer levels or grades than that of the last assignment has no such place to keep.
    known = (previous.tier != _NONE) & (previous.level < rule.levels) & (previous.grade < rule.grades)
    last = Previous(*(np.where(known, one, _NONE) for one in previous))
    nobody = Previous(*(np.full_like(margin, _NONE) for _ in previous))
    uncapped, unspared = np.zeros_like(cap), np.zeros_like(spared)

    # With and without the red line, the need of a record and what was before: the differences are the
    # reasons. What decides is the first.
    level, grade, own = _steps_1_to_4(rule, margin, counted, cap, spared, last)
    anew, _, fresh = _steps_1_to_4(rule, margin, counted, cap, spared, nobody)
    others = [
        tuple(_steps_1_to_4(rule, margin, values, caps, sound, before)[2] for before in (last, nobody))
        for values, caps, sound in ((counted, uncapped, spared), (points, cap, unspared))
    ]
    bars, bars_anew = (rule.floors.bars(standing, one == rule.levels - 1) for one in (level, anew))
    barred = bars.any(axis=0)
    of_records, of_records_anew = np.maximum(own, least), np.maximum(fresh, least)
    candidate = np.maximum(of_records, barred)
    first = np.maximum(of_records_anew, bars_anew.any(axis=0))
    dwells = known & (candidate != previous.tier) & (previous.weeks < rule.dwell) & (cap == 0)
    # What the dwell keeps, records and floors may still lower; then they are the reason, and not the dwell.
    kept = np.where(dwells, previous.tier, candidate)
    kept_by_records = np.maximum(kept, least)
    in_scope = rule.in_scope[sector]
    neutral = TIERS.index(NEUTRAL_TIER)
    fits = (margin <= rule.list_margin) & (points >= rule.list_points) | rule.list_given
    listed = fits & (cap == 0) & (least == 0) & ~barred

    def made(without: tuple[Steps, ...], now: Steps, anew: Steps) -> NDArray[np.bool_]:
        """Return where what was left out decides: in the candidate, or where that is what comes anew."""
        # The second part: hysteresis may hold the tier where this, too, has put it; then both are the reason.
        decides: NDArray[np.bool_] = (now != without[0]) | ((now == anew) & (anew != without[1]))
        return decides

    return Placement(
        tier=np.where(in_scope, np.maximum(kept_by_records, barred), neutral),
        level=level,
        grade=grade,
        composite=rule.weighted(margin, counted) // WEIGHT_ONE,
        unmonitored=listed & in_scope & rule.list_enabled,
        in_scope=in_scope,
        candidate=np.where(in_scope, candidate, neutral),
        fresh=np.where(in_scope, first, neutral),
        by_red_line=made(others[0], own, fresh),
        by_record=np.where(dwells, kept_by_records > kept, made((own, fresh), of_records, of_records_anew)),
        red_tier=red_tier,
        record=np.where(in_scope, np.where(record < 0, rule.floors.record(standing), record), -1),
        floor=np.maximum(least, bars[:-1].any(axis=0)),
        bars=bars & in_scope,
        by_floor=np.where(
            dwells,
            barred & (kept_by_records == 0),
            made((of_records, of_records_anew), candidate, first),
        ),
        without_record=spared & in_scope & (points < rule.by_records.sound_points),
        by_need=made(others[1], own, fresh),
        known=known,
    )


def _steps_1_to_4(
    rule: TierRule, margin: Steps, points: Steps, cap: Steps, spared: NDArray[np.bool_], last: Previous
) -> tuple[Steps, Steps, Steps]:
    """Return level, capped grade and the tier that both give."""
    worst = rule.grades - 1
    level = place_among(margin, rule.risk_cuts, rule.slack_margin, last.level)
    old_rank = np.where(last.grade == _NONE, _NONE, worst - last.grade)
    # Places count upwards from the worst points, grades downwards from A.
    grade = worst - place_among(points, rule.credit_cuts, rule.slack_points, old_rank)
    # The points alone do not do it: a grade from before may be held within the slack.
    grade = np.where(spared, np.minimum(grade, SOUND_GRADE), grade)
    grade = np.maximum(grade, np.minimum(cap, worst))
    if not rule.composite:
        return level, grade, rule.matrix[level, grade]
    top = len(TIERS) - 1
    old_rank = np.where(last.tier == _NONE, _NONE, top - last.tier)
    slack = rule.slack_points * WEIGHT_ONE
    tier = top - place_among(rule.weighted(margin, points), rule.composite_cuts, slack, old_rank)
    return level, grade, np.maximum(tier, cap)
