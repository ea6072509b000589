"""Policies as data: frozen, dated, cited; a reform is only its difference from a baseline."""

from tierkit.policy.calibration import CutoffCalibration, calibrate
from tierkit.policy.core import Policy, PolicyLike, check, policies_of, policy_of
from tierkit.policy.differences import diff
from tierkit.policy.editing import amend
from tierkit.policy.files.checks import HALF_LIVES
from tierkit.policy.files.loading import presets
from tierkit.policy.files.problems import PolicyError, PolicyWarning
from tierkit.policy.files.reading import STATUSES
from tierkit.policy.instruments import without
from tierkit.policy.ladders import DANDONG, check_floor, ladder, ladder_table, realised
from tierkit.policy.overlays.checking import OverlayCheck, check_overlays
from tierkit.policy.overlays.rules import Overlay, overlay_names
from tierkit.policy.plans.covering import REFERENCES, STANDINGS, clauses_naming, coverage, coverage_summary
from tierkit.policy.plans.plans import PLANS, plans_page, plans_table
from tierkit.policy.specification import INSTRUMENTS, SPEC, UNITS, spec_of

__all__ = [
    "DANDONG",
    "HALF_LIVES",
    "INSTRUMENTS",
    "PLANS",
    "REFERENCES",
    "SPEC",
    "STANDINGS",
    "STATUSES",
    "UNITS",
    "CutoffCalibration",
    "Overlay",
    "OverlayCheck",
    "Policy",
    "PolicyError",
    "PolicyLike",
    "PolicyWarning",
    "amend",
    "calibrate",
    "check",
    "check_floor",
    "check_overlays",
    "clauses_naming",
    "coverage",
    "coverage_summary",
    "diff",
    "ladder",
    "ladder_table",
    "overlay_names",
    "plans_page",
    "plans_table",
    "policies_of",
    "policy_of",
    "presets",
    "realised",
    "spec_of",
    "without",
]


def __dir__() -> list[str]:
    return list(__all__)
