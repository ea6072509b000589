"""HTML pages: the report of a run, the page of a whole city, the dossier of one enterprise."""

from tierkit.report.card import figures, model_card
from tierkit.report.city_page import City, city_page
from tierkit.report.dossier import dossier
from tierkit.report.run_page import headline, index, summary_json
from tierkit.report.run_report import RunReport
from tierkit.report.sheet_records import known_records
from tierkit.report.sheets import Sheet, data_hash, sheets
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
    "known_records",
    "model_card",
    "sheets",
    "summary_json",
]
