"""Whether scores and policies are sound, though records show only those who were inspected."""

from tierkit.evaluate.consistency import Consistency, domestic_foreign
from tierkit.evaluate.fairness import Fairness, fairness, missed_by_group
from tierkit.evaluate.feedback import Arm, Feedback, equal_hazards, runaway

__all__ = [
    "Arm",
    "Consistency",
    "Fairness",
    "Feedback",
    "domestic_foreign",
    "equal_hazards",
    "fairness",
    "missed_by_group",
    "runaway",
]
