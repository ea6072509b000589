"""Is it sound? What a policy would find, estimated from records that selection made, with its error."""

from tierkit.evaluate.evidence import Logged, logged
from tierkit.evaluate.overlap import Gap, OverlapError
from tierkit.evaluate.policy_value import PolicyValue, policy_value

__all__ = ["Gap", "Logged", "OverlapError", "PolicyValue", "logged", "policy_value"]
