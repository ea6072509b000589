"""The engine: one simulator for the past and the future.

A week has seven steps, in this order: behaviour, signals, demand, policy, inspection, consequence,
review. Every draw is keyed by what it decides (`tierkit.city.keyed_random`), so runs under different
policies meet the same draws, and threads or slices change nothing.
"""

from tierkit.city.engine.engine import Run, oracle_scores, run
from tierkit.city.engine.kernels import LOG, SUPPRESSED, TALLY
from tierkit.city.engine.potential import potential_detections
from tierkit.city.engine.rules import compile_rules, repair_terms, tier_rates

__all__ = [
    "LOG",
    "SUPPRESSED",
    "TALLY",
    "Run",
    "compile_rules",
    "oracle_scores",
    "potential_detections",
    "repair_terms",
    "run",
    "tier_rates",
]
