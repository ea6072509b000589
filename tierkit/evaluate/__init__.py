"""How sound scores, tiers and policies are, judged on records and on worlds whose truth is known.

`ranking` says what is found, and how much earlier, if inspections are made in the order of a score;
`tier_stability` how often tiers move, and what hysteresis and dwell do to it.
"""

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
    "Ranking",
    "RankingComparison",
    "Stability",
    "compare_rankings",
    "rank_inspections",
    "ranking",
    "reordered",
    "tier_stability",
]
