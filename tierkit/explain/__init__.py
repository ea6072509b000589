"""Why an enterprise is in its tier: exact reasons of both scores, in words, for one or for all."""

from tierkit.explain.codes import code_book, reason_codes
from tierkit.explain.contributions import (
    UNIT,
    AdditivityError,
    Losses,
    check_additivity,
    contributions,
    explain,
    points_lost,
)
from tierkit.explain.evidence import Record, evidence
from tierkit.explain.paths import Obstacle, Path, Recourse
from tierkit.explain.reasons import Reason, Reasons, reasons
from tierkit.explain.recourse import recourse
from tierkit.explain.revocation import Move, Revocation, revoked
from tierkit.explain.steps import Step

__all__ = [
    "UNIT",
    "AdditivityError",
    "Losses",
    "Move",
    "Obstacle",
    "Path",
    "Reason",
    "Reasons",
    "Record",
    "Recourse",
    "Revocation",
    "Step",
    "check_additivity",
    "code_book",
    "contributions",
    "evidence",
    "explain",
    "points_lost",
    "reason_codes",
    "reasons",
    "recourse",
    "revoked",
]
