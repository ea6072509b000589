"""Tiers from scores by a deterministic rule, with the reason and the distance to the next tier."""

from tierkit.policy.tiers.alone import by_risk_alone
from tierkit.policy.tiers.assignment import assign
from tierkit.policy.tiers.lists import by_agency, by_quota, listed, unknown_on_list
from tierkit.policy.tiers.reasons import REASONS, sentences
from tierkit.policy.tiers.rule import (
    MARGIN_ONE,
    NEUTRAL_TIER,
    POINT_ONE,
    Previous,
    TierRule,
    is_risk_alone,
    margin_steps,
    place,
    point_steps,
)
from tierkit.policy.tiers.standing import RecordRule, Standing

__all__ = [
    "MARGIN_ONE",
    "NEUTRAL_TIER",
    "POINT_ONE",
    "REASONS",
    "Previous",
    "RecordRule",
    "Standing",
    "TierRule",
    "assign",
    "by_agency",
    "by_quota",
    "by_risk_alone",
    "is_risk_alone",
    "listed",
    "margin_steps",
    "place",
    "point_steps",
    "sentences",
    "unknown_on_list",
]
