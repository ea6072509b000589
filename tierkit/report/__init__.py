"""Pages for people: the report of a run, the index of a whole city, the dossier of one enterprise."""

from tierkit.report.card import figures, model_card
from tierkit.report.cases import Case, cases, data_hash
from tierkit.report.city import City, city_page
from tierkit.report.dossier import dossier
from tierkit.report.index import headline, index, summary_json
from tierkit.report.run import Run
from tierkit.report.sheet_records import known_records
from tierkit.report.tables import floor_checks

__all__ = [
    "Case",
    "City",
    "Run",
    "cases",
    "city_page",
    "data_hash",
    "dossier",
    "figures",
    "floor_checks",
    "headline",
    "index",
    "known_records",
    "model_card",
    "summary_json",
]
