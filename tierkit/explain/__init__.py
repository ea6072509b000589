"""Why an enterprise is in its tier: exact reasons of both scores, in words, for one or for all."""

from tierkit.explain.background import background
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
from tierkit.explain.fragments import UnsupportedTreesError
from tierkit.explain.reasons import Reason, Reasons, reasons

__all__ = [
    "UNIT",
    "AdditivityError",
    "Losses",
    "Reason",
    "Reasons",
    "UnsupportedTreesError",
    "background",
    "check_additivity",
    "code_book",
    "contributions",
    "explain",
    "points_lost",
    "reason_codes",
    "reasons",
]
