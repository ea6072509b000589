"""Is it sound: what the scores and a policy are worth, from records that show only who was inspected.

`ranking` says what is found, and how much earlier, if inspections are made in the order of a score.
"""

from tierkit.evaluate.ranking import (
    Ranking,
    RankingComparison,
    compare_rankings,
    rank_inspections,
    ranking,
    reordered,
)

__all__ = ["Ranking", "RankingComparison", "compare_rankings", "rank_inspections", "ranking", "reordered"]
