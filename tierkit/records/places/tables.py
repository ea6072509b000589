"""The tables of a dataset that a place tells alone: its agencies and its items."""

from __future__ import annotations

from typing import Any

from tierkit.records.places.place import Place

__all__ = ["agency_rows", "item_rows"]


def agency_rows(place: Place) -> list[dict[str, Any]]:
    """Return the rows of ``agencies``; of capacities a place knows nothing.

    Examples
    --------
    >>> from tierkit.records.places import SHANGHAI
    >>> agency_rows(SHANGHAI)[0]["agency"] == SHANGHAI.ids("agency")[0]
    True
    """
    return [
        {
            "agency": name,
            "name_zh": one.label.zh,
            "name_en": one.label.en,
            "level": one.level,
            "core": one.core,
            "capacity": None,
        }
        for name, one in place.agencies.items()
    ]


def item_rows(place: Place) -> list[dict[str, Any]]:
    """Return the rows of ``items``; a legal basis that is not given is None.

    Examples
    --------
    >>> from tierkit.records.places import SHANGHAI
    >>> len(item_rows(SHANGHAI)) == len(SHANGHAI.items)
    True
    """
    return [
        {
            "item": name,
            "agency": one.agency,
            "item_class": one.item_class,
            "name_zh": one.label.zh,
            "name_en": one.label.en,
            "minutes": one.minutes,
            "offsite": one.offsite,
            "sectors": [],
            "legal_basis": one.basis or None,
        }
        for name, one in place.items.items()
    ]
