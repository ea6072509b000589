"""HTML pages: the report of a run, the page of a whole city, the dossier of one enterprise."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tierkit.report.city_page import City, city_page
from tierkit.report.dossier import dossier, write_dossiers
from tierkit.report.sheet_records import known_records
from tierkit.report.sheets import Sheet, data_hash, is_synthetic, sheets

if TYPE_CHECKING:
    from tierkit.report.card import figures, model_card
    from tierkit.report.run_page import headline, index, summary_json, width_note
    from tierkit.report.run_report import RunReport
    from tierkit.report.tables import floor_checks

__all__ = [
    "City",
    "RunReport",
    "Sheet",
    "city_page",
    "data_hash",
    "dossier",
    "figures",
    "floor_checks",
    "headline",
    "index",
    "is_synthetic",
    "known_records",
    "model_card",
    "sheets",
    "summary_json",
    "width_note",
    "write_dossiers",
]

_PLACES = {
    "RunReport": "run_report",
    "figures": "card",
    "floor_checks": "tables",
    "headline": "run_page",
    "index": "run_page",
    "model_card": "card",
    "summary_json": "run_page",
    "width_note": "run_page",
}
"""Where the other names are made. Loaded when asked for: the page of one enterprise needs no simulator."""


def __getattr__(name: str) -> Any:
    """Load what is asked for."""
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    globals()[name] = found = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return list(__all__)
