"""Figures, each a function that returns matplotlib axes, in Chinese or English.

Every figure carries its n, its conditions and its intervals in the caption. The colours are told apart with
every common colour vision deficiency. The Chinese font comes with the package.
"""

from tierkit.plot.backtests import backtest
from tierkit.plot.bars import stacked_bars
from tierkit.plot.changes import kappa, outcomes, trade_off
from tierkit.plot.credit import monitoring, tier_stability
from tierkit.plot.effects import effects, horizon, policy_label
from tierkit.plot.estimates import estimates
from tierkit.plot.explanation import waterfall
from tierkit.plot.over_time import drift, transitions, triggers
from tierkit.plot.policies import fairness, load, visits
from tierkit.plot.portraits import near_boundary, tier_marks, tier_moves
from tierkit.plot.ranking import found
from tierkit.plot.scores import calibration, matrix, points, tier_label, tier_sizes
from tierkit.plot.sensitivity import screening, tornado
from tierkit.plot.soundness import equal_visits, feedback
from tierkit.plot.style import COLORS, canvas, policy_color, style
from tierkit.plot.timeline import timeline

__all__ = [
    "COLORS",
    "backtest",
    "calibration",
    "canvas",
    "drift",
    "effects",
    "equal_visits",
    "estimates",
    "fairness",
    "feedback",
    "found",
    "horizon",
    "kappa",
    "load",
    "matrix",
    "monitoring",
    "near_boundary",
    "outcomes",
    "points",
    "policy_color",
    "policy_label",
    "screening",
    "stacked_bars",
    "style",
    "tier_label",
    "tier_marks",
    "tier_moves",
    "tier_sizes",
    "tier_stability",
    "timeline",
    "tornado",
    "trade_off",
    "transitions",
    "triggers",
    "visits",
    "waterfall",
]


def __dir__() -> list[str]:
    return list(__all__)
