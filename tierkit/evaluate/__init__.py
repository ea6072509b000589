"""Whether scores and policies are sound, though records show only those who were inspected."""

from tierkit.evaluate.fairness import Consistency, Fairness, domestic_foreign, fairness, missed_by_group

__all__ = [
    "Consistency",
    "Fairness",
    "domestic_foreign",
    "fairness",
    "missed_by_group",
]
