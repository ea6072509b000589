"""The data contract: every table, column and level, declared once.

Declarations are imported at once. What reads and writes tables loads NumPy, pandas and pyarrow, and is
imported when it is first asked for, so that a policy can be checked without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tierkit.records.arguments import InputError
from tierkit.records.columns import Column, Table
from tierkit.records.credit_events import (
    CREDIT_EVENTS,
    CREDIT_TARGET,
    EVENT_KINDS,
    GRAVITY,
    MERIT_DAYS,
    MERITS,
    REPAIRABLE_KINDS,
    UNINSPECTED_KINDS,
)
from tierkit.records.label import Label
from tierkit.records.levels import (
    AGENCY_LEVELS,
    CHANNELS,
    COMPLAINT_CHANNELS,
    COMPLAINT_KINDS,
    DISPOSITIONS,
    FINDINGS,
    FIRST_PENALTY,
    GRADES,
    INDUSTRY_SECTIONS,
    ITEM_CLASSES,
    LEVELS,
    MODES,
    OWNERSHIPS,
    PLANNED_CHANNELS,
    SEVERITIES,
    SIGNAL_KINDS,
    SIZES,
    TIER_NAMES,
    TIERS,
)
from tierkit.records.parameter import Parameter
from tierkit.records.places import PLACE_FILE, PLACE_LEVELS, SHANGHAI, Place, PlaceError, place_names
from tierkit.records.problems import DataError, Problem, problems_table, refuse_rows
from tierkit.records.tables import SCHEMA_VERSION, TABLES, bound, tables_of

if TYPE_CHECKING:
    from tierkit.records.dataset import Dataset, Tables, conform, empty
    from tierkit.records.dictionary import data_dictionary
    from tierkit.records.folder import Folder, open_folder, place_of, read_dataset, write_dataset
    from tierkit.records.parquet import PARQUET_OPTIONS, ROW_GROUP
    from tierkit.records.rows import row_problems
    from tierkit.records.validation import validate

__all__ = [
    "AGENCY_LEVELS",
    "CHANNELS",
    "COMPLAINT_CHANNELS",
    "COMPLAINT_KINDS",
    "CREDIT_EVENTS",
    "CREDIT_TARGET",
    "DISPOSITIONS",
    "EVENT_KINDS",
    "FINDINGS",
    "FIRST_PENALTY",
    "GRADES",
    "GRAVITY",
    "INDUSTRY_SECTIONS",
    "ITEM_CLASSES",
    "LEVELS",
    "MERITS",
    "MERIT_DAYS",
    "MODES",
    "OWNERSHIPS",
    "PARQUET_OPTIONS",
    "PLACE_FILE",
    "PLACE_LEVELS",
    "PLANNED_CHANNELS",
    "REPAIRABLE_KINDS",
    "ROW_GROUP",
    "SCHEMA_VERSION",
    "SEVERITIES",
    "SHANGHAI",
    "SIGNAL_KINDS",
    "SIZES",
    "TABLES",
    "TIERS",
    "TIER_NAMES",
    "UNINSPECTED_KINDS",
    "Column",
    "DataError",
    "Dataset",
    "Folder",
    "InputError",
    "Label",
    "Parameter",
    "Place",
    "PlaceError",
    "Problem",
    "Table",
    "Tables",
    "bound",
    "conform",
    "data_dictionary",
    "empty",
    "open_folder",
    "place_names",
    "place_of",
    "problems_table",
    "read_dataset",
    "refuse_rows",
    "row_problems",
    "tables_of",
    "validate",
    "write_dataset",
]

_ON_DEMAND = {
    "PARQUET_OPTIONS": "parquet",
    "ROW_GROUP": "parquet",
    "Dataset": "dataset",
    "Tables": "dataset",
    "Folder": "folder",
    "conform": "dataset",
    "data_dictionary": "dictionary",
    "empty": "dataset",
    "open_folder": "folder",
    "place_of": "folder",
    "read_dataset": "folder",
    "row_problems": "rows",
    "validate": "validation",
    "write_dataset": "folder",
}
"""Name → module that it is imported from when it is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = getattr(import_module(f"{__name__}.{_ON_DEMAND[name]}"), name)
    return globals()[name]
