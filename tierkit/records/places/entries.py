"""What a place says of a district, an agency, a sector, an item and the names of synthetic enterprises."""

from typing import NamedTuple

from tierkit.records.label import Label

__all__ = ["NO_BASIS", "Agency", "District", "Item", "Names", "Sector"]


NO_BASIS = Label("未载明", "not given")
"""What stands for the legal basis of an item for which a place gives none."""


class District(NamedTuple):
    """A district: its label, its division code in enterprise ids, its towns, and whether it is rural."""

    label: Label
    division: str
    towns: tuple[str, ...]
    rural: bool


class Agency(NamedTuple):
    """An agency: its label, its level of government, and whether it is one of the core agencies."""

    label: Label
    level: str
    core: bool


class Sector(NamedTuple):
    """A supervision sector: its label, industry section and divisions, trade words, licensed or not."""

    label: Label
    section: str
    divisions: tuple[str, ...]
    trades: tuple[str, ...]
    licensed: bool


class Item(NamedTuple):
    """An item of one agency: label, class, minutes of one check, off site or not, legal basis if any."""

    label: Label
    agency: str
    item_class: str
    minutes: int
    offsite: bool
    basis: str


class Names(NamedTuple):
    """What names of synthetic enterprises and parks are made of."""

    pattern: str
    brands: tuple[str, ...]
    company: str
    individual: str
    park: str
