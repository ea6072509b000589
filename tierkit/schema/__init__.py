"""The data contract: every table, column and level, declared once."""

from tierkit.schema.columns import KINDS, Column, Reference, Table
from tierkit.schema.dataset import Dataset, conform, empty
from tierkit.schema.dictionary import data_dictionary
from tierkit.schema.files import replacing
from tierkit.schema.folder import read_dataset, write_dataset
from tierkit.schema.levels import (
    AGENCIES,
    AGENCY_LEVELS,
    CHANNELS,
    COMPLAINT_CHANNELS,
    COMPLAINT_KINDS,
    CORE_AGENCIES,
    DISPOSITIONS,
    DISTRICTS,
    EVENT_KINDS,
    FINDINGS,
    GRADES,
    INDUSTRY_SECTIONS,
    ITEM_CLASSES,
    LEVELS,
    MODES,
    OWNERSHIPS,
    PLANNED_CHANNELS,
    SECTORS,
    SEVERITIES,
    SIGNAL_KINDS,
    SIZES,
    TIERS,
    Label,
)
from tierkit.schema.problems import DataError, Problem, problems_table
from tierkit.schema.rows import row_problems
from tierkit.schema.tables import SCHEMA_VERSION, TABLES
from tierkit.schema.validation import validate

__all__ = [
    "AGENCIES",
    "AGENCY_LEVELS",
    "CHANNELS",
    "COMPLAINT_CHANNELS",
    "COMPLAINT_KINDS",
    "CORE_AGENCIES",
    "DISPOSITIONS",
    "DISTRICTS",
    "EVENT_KINDS",
    "FINDINGS",
    "GRADES",
    "INDUSTRY_SECTIONS",
    "ITEM_CLASSES",
    "KINDS",
    "LEVELS",
    "MODES",
    "OWNERSHIPS",
    "PLANNED_CHANNELS",
    "SCHEMA_VERSION",
    "SECTORS",
    "SEVERITIES",
    "SIGNAL_KINDS",
    "SIZES",
    "TABLES",
    "TIERS",
    "Column",
    "DataError",
    "Dataset",
    "Label",
    "Problem",
    "Reference",
    "Table",
    "conform",
    "data_dictionary",
    "empty",
    "problems_table",
    "read_dataset",
    "replacing",
    "row_problems",
    "validate",
    "write_dataset",
]
