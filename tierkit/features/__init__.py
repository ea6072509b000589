"""Features of enterprises as of a date, each declared once, from cells known before it."""

from tierkit.features.building import build, build_rows, features_of, features_sql, on_register, standing
from tierkit.features.catalogue import (
    BONUSES,
    BY_NAME,
    FEATURES,
    GROUPS,
    HEAVY_COMPLAINTS,
    NEVER_DAYS,
    RECORD_DAYS,
    Feature,
    is_structure,
    monotone,
    read_by,
)
from tierkit.features.history import history_signs, inspections

__all__ = [
    "BONUSES",
    "BY_NAME",
    "FEATURES",
    "GROUPS",
    "HEAVY_COMPLAINTS",
    "NEVER_DAYS",
    "RECORD_DAYS",
    "Feature",
    "build",
    "build_rows",
    "features_of",
    "features_sql",
    "history_signs",
    "inspections",
    "is_structure",
    "monotone",
    "on_register",
    "read_by",
    "standing",
]
