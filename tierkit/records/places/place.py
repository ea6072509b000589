"""A place: the districts, agencies, sectors, items and ids of a city, read from TOML and frozen."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cached_property, lru_cache
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tierkit.bounds import TOML_BYTES, UnreadableError, read_text
from tierkit.records.label import Label
from tierkit.records.levels import LEVELS
from tierkit.records.places.entries import Agency, District, Item, Names, Sector
from tierkit.records.places.reading import PlaceError, matches, read
from tierkit.records.problems import Problem, suggestion

__all__ = ["PLACE_FILE", "PLACE_LEVELS", "SHANGHAI", "Place", "place_names"]

PLACE_FILE = "place.toml"
"""File in which a dataset or model carries a place that does not come with the package."""

PLACE_LEVELS = ("sector", "district", "agency")
"""Level sets that belong to a place."""
_FIRST = ("sector", "size", "ownership", "district", "agency")
_ORDER = (*_FIRST, *(kind for kind in LEVELS if kind not in _FIRST))
_FOLDER = Path(__file__).parent


class Place:
    """The vocabularies that belong to a city; make one with `Place.load`.

    A place is frozen. Two places are equal if their ids, codes and id scheme are (`hash`) and so is the text
    of their files.

    Attributes
    ----------
    name : str
        Short name, which datasets, models and policies state.
    label : Label
        Name for people.
    language : {"zh", "en"}
        Language of its records.
    past_policy : str
        The policy under which a synthetic history of the place is made.
    districts, agencies, sectors, items : mapping of str to District, Agency, Sector, Item
        By id, in the order of the engine's codes.
    names : Names
        What names of synthetic enterprises are made of.
    city : mapping
        Parameters of the synthetic city that are keyed by these vocabularies; see `tierkit.city.world`.

    Examples
    --------
    >>> place = Place.load("shanghai")
    >>> place
    Place('shanghai', 16 districts, 12 agencies, 16 sectors, 60 items)
    >>> place.agencies["fire"].label.text("zh"), place.code("agency", "fire")
    ('消防救援', 1)
    """

    def __init__(self, text: str, file: str = PLACE_FILE) -> None:
        content = read(text, file)
        self._text = text
        self._ids = content.ids
        self.name: str = content.about["name"]
        self.label = Label(content.about["zh"], content.about["en"])
        self.language: str = content.about["language"]
        self.past_policy: str = content.about["past_policy"]
        self.districts: Mapping[str, District] = MappingProxyType(dict(content.districts))
        self.agencies: Mapping[str, Agency] = MappingProxyType(dict(content.agencies))
        self.sectors: Mapping[str, Sector] = MappingProxyType(dict(content.sectors))
        self.items: Mapping[str, Item] = MappingProxyType(dict(content.items))
        self.names: Names = content.names
        self.city: Mapping[str, Any] = MappingProxyType(dict(content.city))
        self._frozen = True

    def __setattr__(self, name: str, value: Any) -> None:
        if "_frozen" in self.__dict__:
            raise AttributeError(f"A Place is frozen; '{name}' cannot be set. Change its file instead.")
        super().__setattr__(name, value)

    @property
    def towns(self) -> tuple[tuple[str, str], ...]:
        """Every town with its district, in the order of districts."""
        return tuple((name, town) for name, one in self.districts.items() for town in one.towns)

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> Place:
        """Read a place that comes with the package by its name, or a place file by its path.

        Parameters
        ----------
        name_or_path : str or path
            ``"shanghai"``, say, or ``"place.toml"``.

        Raises
        ------
        PlaceError
            With every problem of the file.

        Examples
        --------
        >>> Place.load("shanghia")
        Traceback (most recent call last):
            ...
        tierkit.records.places.reading.PlaceError: 1 problem in the data:
        shanghia: is neither a place that comes with the package nor a file (did you mean 'shanghai'?). ...
        """
        if str(name_or_path) in place_names():
            return _bundled(str(name_or_path))
        path = Path(name_or_path)
        try:
            text = read_text(path, TOML_BYTES)
        except (OSError, ValueError) as error:  # of a null character in the path, too
            if isinstance(error, UnreadableError):
                message, remedy = f"cannot be read: {error}", error.remedy
            elif isinstance(error, PermissionError | IsADirectoryError):
                message, remedy = f"cannot be read: {error.strerror}", "Give the path of a place file"
            else:
                near = suggestion(str(name_or_path), place_names())
                message = f"is neither a place that comes with the package nor a file{near}"
                remedy = f"Name one of {', '.join(place_names())}, or give the path of a place file"
            raise PlaceError([Problem(str(name_or_path), "", 0, (), message, remedy)]) from error
        return cls.loads(text, path.name)

    @classmethod
    def loads(cls, text: str, file: str = PLACE_FILE) -> Place:
        """Read a place from the text of its file.

        Raises
        ------
        PlaceError
            With every problem of the text, and where it takes the name of a place that is another.
        """
        place = cls(text, file)
        if place.name in place_names() and place.hash != _bundled(place.name).hash:
            message = (
                f"is the name of a place that comes with the package, which has other ids: '{place.name}'"
            )
            raise PlaceError([Problem(file, "place.name", 0, (), message, "Give it another name")])
        return place

    def to_toml(self) -> str:
        """Return the text of the place's file."""
        return self._text

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        """Let a place be copied and cross process boundaries."""
        return _read_again, (self._text,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and (self.hash, self._text) == (other.hash, other._text)

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        """Return the name, and how much of everything there is."""
        return (
            f"Place({self.name!r}, {len(self.districts)} districts, {len(self.agencies)} agencies, "
            f"{len(self.sectors)} sectors, {len(self.items)} items)"
        )

    def _repr_html_(self) -> str:
        parts = [f"<h4>{escape(self.label.zh)} · {escape(self.label.en)}</h4>"]
        for kind in PLACE_LEVELS:
            labels = self.levels[kind]
            rows = "".join(
                f"<tr><td>{escape(one)}</td><td>{escape(label.zh)}</td><td>{escape(label.en)}</td></tr>"
                for one, label in labels.items()
            )
            parts.append(f"<details><summary>{kind}: {len(labels)}</summary><table>{rows}</table></details>")
        return f'<div class="tierkit-place">{"".join(parts)}</div>'

    @cached_property
    def levels(self) -> Mapping[str, Mapping[str, Label]]:
        """Level set → id → label: those of the place and those that are the same everywhere."""
        own = {
            "sector": {k: one.label for k, one in self.sectors.items()},
            "district": {k: one.label for k, one in self.districts.items()},
            "agency": {k: one.label for k, one in self.agencies.items()},
        }
        merged = {kind: own.get(kind) or LEVELS[kind] for kind in _ORDER}
        return MappingProxyType({kind: MappingProxyType(dict(labels)) for kind, labels in merged.items()})

    def ids(self, kind: str) -> tuple[str, ...]:
        """Return the ids of a level set, in the order of their codes.

        Examples
        --------
        >>> SHANGHAI.ids("sector")[:3]
        ('retail', 'manufacturing', 'business_services')
        """
        return tuple(self.levels[kind])

    def code(self, kind: str, name: str) -> int:
        """Return the code of an id, which is its position.

        Raises
        ------
        KeyError
            If the place has no such id, with the nearest one.
        """
        ids = self.ids(kind)
        if name not in ids:
            raise KeyError(f"{self.label.en} has no {kind} '{name}'{suggestion(name, ids)}")
        return ids.index(name)

    @property
    def credit_codes(self) -> bool:
        """Whether enterprise ids are unified social credit codes."""
        return self._ids["scheme"] == "uscc"

    @property
    def id_pattern(self) -> str:
        """Regular expression of enterprise ids where they are no credit codes, else empty."""
        return self._ids["pattern"]

    def has_form(self, enterprise_id: str) -> bool:
        """Return whether a text has the form of the ids here, which are no credit codes.

        Examples
        --------
        >>> Place.load("tests/places/lowmere.toml").has_form("91310000")
        False
        """
        return matches(self.id_pattern, enterprise_id)

    @property
    def made_id(self) -> str:
        """Format of synthetic ids where they are no credit codes, else empty."""
        return self._ids["made"]

    @property
    def bundled(self) -> bool:
        """Whether the place comes with the package, so that its name is enough to find it."""
        return self.name in place_names()

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what data are held against: ids in order, divisions, levels and the id scheme.

        Labels and the parameters of the synthetic city are not in it: a corrected label makes no other place.
        """
        facts = {
            "districts": [(k, one.division) for k, one in self.districts.items()],
            "agencies": [(k, one.level) for k, one in self.agencies.items()],
            "sectors": list(self.sectors),
            "items": [(k, one.agency, one.item_class) for k, one in self.items.items()],
            "ids": [self._ids["scheme"], self._ids["pattern"]],
        }
        text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def stated(self) -> dict[str, str]:
        """Return what a manifest says of the place: its name and its hash."""
        return {"name": self.name, "hash": self.hash}


def place_names() -> tuple[str, ...]:
    """Return the names of the places that come with the package.

    Examples
    --------
    >>> place_names()
    ('shanghai',)
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@lru_cache
def _bundled(name: str) -> Place:
    return Place((_FOLDER / f"{name}.toml").read_text("utf-8"), f"{name}.toml")


@lru_cache(16)
def _read_again(text: str) -> Place:
    return Place.loads(text)


SHANGHAI = _bundled("shanghai")
"""The place of data that name none."""
