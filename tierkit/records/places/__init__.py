"""Places: the vocabularies that belong to a city. A dataset names its place; Shanghai is the first."""

from tierkit.records.places.entries import Agency, District, Item, Names, Sector
from tierkit.records.places.place import PLACE_FILE, PLACE_LEVELS, SHANGHAI, Place, place_names
from tierkit.records.places.reading import PlaceError

__all__ = [
    "PLACE_FILE",
    "PLACE_LEVELS",
    "SHANGHAI",
    "Agency",
    "District",
    "Item",
    "Names",
    "Place",
    "PlaceError",
    "Sector",
    "place_names",
]
