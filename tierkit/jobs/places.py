"""What a place holds, as tables that a command or a notebook shows, and a draft of one from records."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tierkit.city.parameters import parameters
from tierkit.folders import whole_file
from tierkit.jobs.checks import Checks, Location
from tierkit.records import ROW_GROUP, DataError, Place, open_folder
from tierkit.records.folder import missing_tables
from tierkit.records.places.draft import PlaceDraft, draft_place, occurring

__all__ = ["Drafted", "PlaceTables", "draft", "show"]


class PlaceTables(NamedTuple):
    """A place and what it holds: table → rows of id, labels and what else the place says of each."""

    place: Place
    tables: dict[str, list[dict[str, Any]]]


def show(name_or_path: str | os.PathLike[str] = "shanghai") -> PlaceTables:
    """Return what a place holds.

    Parameters
    ----------
    name_or_path : str or path
        A place that comes with the package, or a place file.

    Raises
    ------
    BadInputError
        With every problem of the file.
    DataError
        If its parameters of the synthetic city are wrong.

    Examples
    --------
    >>> show().tables["agency"][1]["en"], list(show().tables)
    ('fire and rescue', ['district', 'agency', 'sector', 'item'])
    """
    checks = Checks()
    place = checks.place("place", name_or_path)
    checks.settle()
    assert place is not None
    parameters(place)  # its parameters of the synthetic city are held against the city's own
    held: dict[str, Mapping[str, Any]] = {
        "district": place.districts,
        "agency": place.agencies,
        "sector": place.sectors,
        "item": place.items,
    }
    tables = {
        kind: [
            {"id": name, "zh": one.label.zh, "en": one.label.en}
            | {key: _plain(value) for key, value in one._asdict().items() if key != "label"}
            for name, one in entries.items()
        ]
        for kind, entries in held.items()
    }
    return PlaceTables(place, tables)


class Drafted(NamedTuple):
    """What `draft` wrote: the file, whether it replaced another, and the draft."""

    file: Path
    replaced: bool
    draft: PlaceDraft

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"file": str(self.file), "ids": self.draft.ids, "notes": list(self.draft.notes)}


def draft(
    data: Location, out: Location, *, name: str, zh: str, en: str, language: str | None = None
) -> Drafted:
    """Write a place made of what occurs in a folder of tables: districts, towns, agencies, sectors, ids.

    Parameters
    ----------
    data : path
        Folder with the tables of the contract, of which ``enterprises`` must be there; their values may be
        of no place yet.
    out : path
        File to write.
    name : str
        Short name of the place.
    zh, en : str
        Its name for people.
    language : {"zh", "en"}, optional

    Returns
    -------
    Drafted

    Raises
    ------
    BadInputError
        If it is no folder of tables.
    DataError
        If a table cannot be read, or a place cannot hold what occurs.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = draft("data/synthetic", f"{folder}/place.toml", name="own", zh="本市", en="our city")
    ...     again = Place.load(made.file)
    >>> len(again.districts), len(again.agencies), again.credit_codes
    (16, 12, True)
    """
    checks = Checks()
    folder = checks.folder("data", data, "dataset")
    file = checks.out_file("out", out, (".toml",))
    if language is not None:
        checks.one_of("language", language, ("zh", "en"))
    checks.settle()
    opened = open_folder(folder, {})
    needed = missing_tables(opened.files, ["enterprises"])
    if needed:
        raise DataError(needed)
    tables = {}
    for kind in ("enterprises", "agencies", "inspections", "obligations", "complaints", "signals"):
        if kind in opened.files:
            wanted = [*_READ_OF_PEOPLE] if kind == "enterprises" else ["agency", "name_zh", "name_en"]
            chunks = [
                one.select([column for column in wanted if column in one.column_names]).to_pandas()
                for one in opened.chunks(opened.tables[kind], ROW_GROUP)
            ]
            whole = pd.concat(chunks, ignore_index=True)
            tables[kind] = whole if kind == "enterprises" else whole.drop_duplicates()
    made = draft_place(occurring(tables), name, zh, en, language)
    replaced = file.exists()
    with whole_file(file) as target:
        target.write_text(made.text, encoding="utf-8")
    return Drafted(file, replaced, made)


_READ_OF_PEOPLE = ("enterprise_id", "district", "town", "sector", "industry_section", "industry_division")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
