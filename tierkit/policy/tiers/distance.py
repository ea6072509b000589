"""The distance of each score, on its own axis, to the nearest change of tier."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tierkit.policy.tiers.rule import (
    MARGIN_LIMIT,
    MARGIN_ONE,
    POINT_LIMIT,
    POINT_ONE,
    WEIGHT_ONE,
    Placement,
    Steps,
    TierRule,
    place_among,
)
from tierkit.policy.tiers.standing import SOUND_GRADE, Standing
from tierkit.records import TIERS

__all__ = ["distances"]

_MARGIN_STEPS = MARGIN_LIMIT * MARGIN_ONE
_POINT_STEPS = POINT_LIMIT * POINT_ONE


def distances(
    rule: TierRule, margin: Steps, points: Steps, sector: Steps, standing: Standing, placed: Placement
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest moves of margin and of points that change the tier.

    At a first assignment there is no hysteresis, and a move changes the tier if these scores, so moved,
    would have given another one: the distance is to the cut-off itself. After a previous assignment a move
    changes the tier if the next review gives another one, with this assignment as the previous one, the
    hysteresis that goes with it, and its dwell over. So an enterprise whose tier is kept by the dwell alone
    has 0 on both axes.

    Returns
    -------
    risk : ndarray of float, shape (n,)
        Log-odds, positive where the risk would have to rise; NaN where no move does it.
    credit : ndarray of float, shape (n,)
        Points, positive where they would have to rise; NaN where no move does it.

    Notes
    -----
    Of two moves as long as each other the one to the better tier is given: less risk, more points.
    """
    points = rule.points_of(points, sector)
    cap, spared = rule.caps[standing.red_line], rule.by_records.spared(standing)
    if rule.composite:
        risk, credit = _along_composite(rule, margin, points, cap, spared, placed)
    else:
        risk = _nearest(_along_risk(rule, margin, placed), placed.tier, margin, _MARGIN_STEPS, better=-1)
        credit = _nearest(
            _along_credit(rule, points, cap, spared, placed), placed.tier, points, _POINT_STEPS, better=1
        )
    if rule.risk_alone:
        credit = np.full(len(points), np.nan)
    return _final(risk, placed) / MARGIN_ONE, _final(credit, placed) / POINT_ONE


def _final(moves: NDArray[np.float64], placed: Placement) -> NDArray[np.float64]:
    """Return the moves; 0 where the dwell alone keeps the tier, NaN outside the scope."""
    moves = np.where(placed.candidate != placed.tier, 0.0, moves)
    return np.where(placed.in_scope, moves, np.nan)


Crossing = tuple[Steps, NDArray[np.bool_], Steps]
"""A move, where it leads anywhere, and the tier it leads to."""


def _along_risk(rule: TierRule, margin: Steps, placed: Placement) -> Iterator[Crossing]:
    slack = rule.slack_margin * placed.known
    for k, cut in enumerate(rule.risk_cuts):
        up = placed.level <= k
        move = np.where(up, cut + slack, cut - slack - 1) - margin
        level = np.where(up, k + 1, k)
        tier = np.maximum(rule.matrix[level, placed.grade], placed.floor)
        yield move, np.full(len(margin), True), np.maximum(tier, _barred(rule, level))


def _along_credit(
    rule: TierRule, points: Steps, cap: Steps, spared: NDArray[np.bool_], placed: Placement
) -> Iterator[Crossing]:
    worst, slack = rule.grades - 1, rule.slack_points * placed.known
    for k, cut in enumerate(rule.credit_cuts):
        up = worst - placed.grade <= k
        move = np.where(up, cut + slack, cut - slack - 1) - points
        grade = worst - np.where(up, k + 1, k)
        grade = np.where(spared, np.minimum(grade, SOUND_GRADE), grade)
        tier = rule.matrix[placed.level, np.maximum(grade, np.minimum(cap, worst))]
        tier = np.maximum(tier, _barred(rule, placed.level))
        yield move, np.full(len(points), True), np.maximum(tier, placed.floor)


def _barred(rule: TierRule, level: Steps) -> NDArray[np.bool_]:
    """Return whom the risk level bars from T1."""
    barred: NDArray[np.bool_] = (level == rule.levels - 1) & rule.floors.risk
    return barred


def _along_composite(
    rule: TierRule,
    margin: Steps,
    points: Steps,
    cap: Steps,
    spared: NDArray[np.bool_],
    placed: Placement,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the moves of each axis that carry the weighted sum past a cut-off."""
    top, tier = len(TIERS) - 1, placed.tier
    # Points below the cut-off of B count as that cut-off: from there the first steps up change nothing, and
    # no step down does.
    counted = np.where(spared, np.maximum(points, rule.by_records.sound_points), points)
    score, slack = rule.weighted(margin, counted), rule.slack_points * WEIGHT_ONE * placed.known
    slack_margin = rule.slack_margin * placed.known

    def crossings(weight: int, sign: int) -> Iterator[Crossing]:
        for k, cut in enumerate(rule.composite_cuts):
            up = top - tier <= k
            need = np.where(up, cut + slack - score, score - (cut - slack) + 1)
            steps = -(-need // max(weight, 1))  # rounded up: the first step that is past the cut-off
            target = np.maximum(np.maximum(top - np.where(up, k + 1, k), cap), placed.floor)
            yield np.where(up, sign, -sign) * steps, np.full(len(tier), weight > 0), target

    def of_points() -> Iterator[Crossing]:
        for move, possible, target in crossings(rule.credit_weight, 1):
            lasting = ~spared | (counted + move >= rule.by_records.sound_points)
            target = np.maximum(target, _barred(rule, placed.level))
            yield move + counted - points, possible & lasting, target

    def of_risk() -> Iterator[Crossing]:
        for move, possible, target in crossings(rule.risk_weight, -1):
            level = place_among(margin + move, rule.risk_cuts, slack_margin, placed.level)
            yield move, possible, np.maximum(target, _barred(rule, level))
        # Into the highest risk level and out of it, where that bars from T1.
        cut, highest = rule.risk_cuts[-1], placed.level == rule.levels - 1
        move = np.where(highest, cut - slack_margin - 1, cut + slack_margin) - margin
        moved = rule.weighted(margin + move, counted)
        there = top - place_among(moved, rule.composite_cuts, slack, top - tier)
        target = np.maximum(np.maximum(there, cap), placed.floor)
        yield move, np.full(len(tier), rule.floors.risk), np.maximum(target, ~highest)

    return (
        _nearest(of_risk(), tier, margin, _MARGIN_STEPS, better=-1),
        _nearest(of_points(), tier, points, _POINT_STEPS, better=1),
    )


def _nearest(
    crossings: Iterator[Crossing], tier: Steps, score: Steps, limit: int, *, better: int
) -> NDArray[np.float64]:
    """Return the shortest move that leads to another tier within the grid; NaN where there is none."""
    best = np.full(len(tier), np.nan)
    for move, possible, target in crossings:
        counts = possible & (target != tier) & (np.abs(score + move) <= limit)
        shorter = np.isnan(best) | (np.abs(move) < np.abs(best))
        shorter |= (np.abs(move) == np.abs(best)) & (np.sign(move) == better)
        best = np.where(counts & shorter, move, best)
    return best
