"""Evaluate scores, tiers and policies, on records and on synthetic worlds whose truth is known.

`policy_value` says what a policy would find, from records that selection made, with its error or a refusal;
`ranking` what is found, and how much earlier, if inspections are made in the order of a score;
`tier_stability` how often tiers move, and what hysteresis and dwell do to it; `fairness` whether groups of
equal risk are visited alike; `runaway` what retraining on a policy's own findings does; `finding_rates` how
often an inspection finds something, by three ways to take the records; `movers` whom another target would put
first; `rounding` what whole points change; `abilities` what records can be used for. `wilson_interval`,
`effective_size` and `calibration_table` are the counts and intervals that stand beside rates; `of_truth`
and `potential` are the truth of a synthetic city.
"""

from tierkit.city.synth import potential
from tierkit.evaluate.fairness.consistency import domestic_foreign
from tierkit.evaluate.fairness.fairness import Fairness, fairness, missed_by_group
from tierkit.evaluate.feedback.feedback import Feedback, equal_hazards, runaway
from tierkit.evaluate.moments import of_truth
from tierkit.evaluate.order.comparators import cases, contraction, swap
from tierkit.evaluate.order.ranking import (
    Ranking,
    RankingComparison,
    compare_rankings,
    rank_inspections,
    ranking,
)
from tierkit.evaluate.possible import Abilities, abilities
from tierkit.evaluate.rates import finding_rates
from tierkit.evaluate.stability import Stability, tier_stability
from tierkit.evaluate.targets import movers, severities
from tierkit.evaluate.value.audits import audits_for_rate, audits_for_value
from tierkit.evaluate.value.evidence import Logged, logged, true_value
from tierkit.evaluate.value.overlap import OverlapError
from tierkit.evaluate.value.policy_value import policy_value
from tierkit.scores.integer_points import rounding
from tierkit.scores.metrics import calibration_table, effective_size, wilson_interval

__all__ = [
    "Abilities",
    "Fairness",
    "Feedback",
    "Logged",
    "OverlapError",
    "Ranking",
    "RankingComparison",
    "Stability",
    "abilities",
    "audits_for_rate",
    "audits_for_value",
    "calibration_table",
    "cases",
    "compare_rankings",
    "contraction",
    "domestic_foreign",
    "effective_size",
    "equal_hazards",
    "fairness",
    "finding_rates",
    "logged",
    "missed_by_group",
    "movers",
    "of_truth",
    "policy_value",
    "potential",
    "rank_inspections",
    "ranking",
    "rounding",
    "runaway",
    "severities",
    "swap",
    "tier_stability",
    "true_value",
    "wilson_interval",
]


def __dir__() -> list[str]:
    return list(__all__)
