"""Policies as data: frozen, dated, cited; a reform is only its difference from a baseline."""

from tierkit.policy.core import Policy, check, diff
from tierkit.policy.editing import amend
from tierkit.policy.files.checks import HALF_LIVES, Value
from tierkit.policy.files.loading import presets
from tierkit.policy.files.problems import PolicyError, PolicyProblem, PolicyWarning
from tierkit.policy.files.reading import STATUSES, Meta, Parameter
from tierkit.policy.instruments import INSTRUMENTS, Instrument, without
from tierkit.policy.plans.covering import (
    REFERENCES,
    STANDINGS,
    STEPS,
    Clause,
    Reference,
    clauses,
    clauses_naming,
    coverage,
    coverage_summary,
    read_clauses,
)
from tierkit.policy.plans.plans import PLANS, plans_page, plans_table
from tierkit.policy.specification import RENAMED, SCORE_EVENTS, SPEC, UNITS, Spec

__all__ = [
    "HALF_LIVES",
    "INSTRUMENTS",
    "PLANS",
    "REFERENCES",
    "RENAMED",
    "SCORE_EVENTS",
    "SPEC",
    "STANDINGS",
    "STATUSES",
    "STEPS",
    "UNITS",
    "Clause",
    "Instrument",
    "Meta",
    "Parameter",
    "Policy",
    "PolicyError",
    "PolicyProblem",
    "PolicyWarning",
    "Reference",
    "Spec",
    "Value",
    "amend",
    "check",
    "clauses",
    "clauses_naming",
    "coverage",
    "coverage_summary",
    "diff",
    "plans_page",
    "plans_table",
    "presets",
    "read_clauses",
    "without",
]
