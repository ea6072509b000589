"""The way in: files as a city's systems export them become a dataset, by a mapping that a person has seen."""

from tierkit.intake.mapping import Mapping, MappingError, read_mapping
from tierkit.intake.running import Account, fill

__all__ = ["Account", "Mapping", "MappingError", "fill", "read_mapping"]
