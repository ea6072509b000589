"""Policies as data: frozen, dated, cited; a reform is only its difference from a baseline."""

from tierkit.policy.checks import Value
from tierkit.policy.core import Policy, check, diff
from tierkit.policy.editing import amend
from tierkit.policy.instruments import INSTRUMENTS, Instrument, without
from tierkit.policy.loading import presets
from tierkit.policy.problems import PolicyError, PolicyProblem, PolicyWarning
from tierkit.policy.reading import STATUSES, Meta, Parameter
from tierkit.policy.specification import RENAMED, SCORE_EVENTS, SPEC, UNITS, Spec

__all__ = [
    "INSTRUMENTS",
    "RENAMED",
    "SCORE_EVENTS",
    "SPEC",
    "STATUSES",
    "UNITS",
    "Instrument",
    "Meta",
    "Parameter",
    "Policy",
    "PolicyError",
    "PolicyProblem",
    "PolicyWarning",
    "Spec",
    "Value",
    "amend",
    "check",
    "diff",
    "presets",
    "without",
]
