"""Why an enterprise is in its tier: exact reasons of both scores, in words, for one or for all."""

from tierkit.explain.bands import AGREEMENT, BANDS, DISTANCE, bands
from tierkit.explain.changes import Changes, changes, features_held
from tierkit.explain.codes import code_book, code_books, reason_codes
from tierkit.explain.contributions import (
    UNIT,
    AdditivityError,
    Losses,
    check_additivity,
    contributions,
    explain,
    points_lost,
)
from tierkit.explain.portraits import Portraits, portraits
from tierkit.explain.reasons import Reason, Reasons, reasons

__all__ = [
    "AGREEMENT",
    "BANDS",
    "DISTANCE",
    "UNIT",
    "AdditivityError",
    "Changes",
    "Losses",
    "Portraits",
    "Reason",
    "Reasons",
    "bands",
    "changes",
    "check_additivity",
    "code_book",
    "code_books",
    "contributions",
    "explain",
    "features_held",
    "points_lost",
    "portraits",
    "reason_codes",
    "reasons",
]
