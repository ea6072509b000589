"""Is it sound? What a policy would find, estimated from records that selection made, with its error."""

from tierkit.evaluate.audits import audits_for_rate, audits_for_value, floor_for, half_width
from tierkit.evaluate.comparators import cases, contraction, swap
from tierkit.evaluate.evidence import Logged, logged, true_value
from tierkit.evaluate.overlap import Gap, OverlapError
from tierkit.evaluate.policy_value import PolicyValue, policy_value

__all__ = [
    "Gap",
    "Logged",
    "OverlapError",
    "PolicyValue",
    "audits_for_rate",
    "audits_for_value",
    "cases",
    "contraction",
    "floor_for",
    "half_width",
    "logged",
    "policy_value",
    "swap",
    "true_value",
]
