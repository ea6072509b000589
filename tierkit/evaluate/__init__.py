"""How sound scores, tiers and policies are, judged on records and on worlds whose truth is known.

`policy_value` says what a policy would find, from records that selection made, with its error or a refusal;
`ranking` what is found, and how much earlier, if inspections are made in the order of a score;
`tier_stability` how often tiers move, and what hysteresis and dwell do to it.
"""

from tierkit.evaluate.audits import audits_for_rate, audits_for_value, floor_for, half_width
from tierkit.evaluate.comparators import cases, contraction, swap
from tierkit.evaluate.evidence import Logged, logged, true_value
from tierkit.evaluate.overlap import Gap, OverlapError
from tierkit.evaluate.policy_value import PolicyValue, policy_value
from tierkit.evaluate.ranking import (
    Ranking,
    RankingComparison,
    compare_rankings,
    rank_inspections,
    ranking,
    reordered,
)
from tierkit.evaluate.stability import Stability, tier_stability

__all__ = [
    "Gap",
    "Logged",
    "OverlapError",
    "PolicyValue",
    "Ranking",
    "RankingComparison",
    "Stability",
    "audits_for_rate",
    "audits_for_value",
    "cases",
    "compare_rankings",
    "contraction",
    "floor_for",
    "half_width",
    "logged",
    "policy_value",
    "rank_inspections",
    "ranking",
    "reordered",
    "swap",
    "tier_stability",
    "true_value",
]
