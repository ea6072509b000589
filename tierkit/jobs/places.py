"""What a place holds, as tables that a command or a notebook shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from tierkit.city.parameters import parameters
from tierkit.jobs.checks import Checks
from tierkit.records import Place

__all__ = ["PlaceTables", "show"]


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


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
