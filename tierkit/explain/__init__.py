"""Explain tiers: exact contributions to both scores, as numbers and in words, for one enterprise or all."""

from tierkit.explain.asking import explain
from tierkit.explain.bands import AGREEMENT, BANDS, DISTANCE, bands
from tierkit.explain.changes import Changes, changes, features_held
from tierkit.explain.codes import code_book, code_books, reason_codes
from tierkit.explain.evidence import Record, evidence
from tierkit.explain.portraits import Portraits, portraits
from tierkit.explain.reasons import Reason, Reasons, reasons
from tierkit.explain.recourse.paths import Recourse
from tierkit.explain.recourse.revocation import Revocation, revoked
from tierkit.explain.recourse.ways import recourse
from tierkit.explain.trees.background import background
from tierkit.explain.trees.contributions import (
    AdditivityError,
    check_additivity,
    contributions,
    points_lost,
    shap_explanation,
)
from tierkit.explain.trees.fragments import UnsupportedTreesError

__all__ = [
    "AGREEMENT",
    "BANDS",
    "DISTANCE",
    "AdditivityError",
    "Changes",
    "Portraits",
    "Reason",
    "Reasons",
    "Record",
    "Recourse",
    "Revocation",
    "UnsupportedTreesError",
    "background",
    "bands",
    "changes",
    "check_additivity",
    "code_book",
    "code_books",
    "contributions",
    "evidence",
    "explain",
    "features_held",
    "points_lost",
    "portraits",
    "reason_codes",
    "reasons",
    "recourse",
    "revoked",
    "shap_explanation",
]
