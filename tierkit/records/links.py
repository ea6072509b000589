"""Rules between rows: keys, references to other tables, and events after the registration."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tierkit.records.cells import Fault
from tierkit.records.columns import Table
from tierkit.records.tables import TABLES

__all__ = ["Links", "Target", "linked_columns"]

# The first table with such a key owns it: enterprises, not what is latent about them.
_OWNERS = {table.key[0]: name for name, table in reversed(list(TABLES.items())) if len(table.key) == 1}


class Codes(NamedTuple):
    """An integer below ``size`` for each cell; -1 if it is empty or not in the table that owns it."""

    places: NDArray[np.int64]
    size: int
    shared: bool  # whether the same value has the same integer in other tables


class Target(NamedTuple):
    """The columns of a table that others refer to; None where they could not be read."""

    key: Any  # the values of a key of one column, as an Arrow array
    codes: NDArray[np.int64] | None  # an integer for each key, if other tables can make the same
    registered_on: Any  # the registration of enterprises, as an Arrow array
    closed_on: Any = None  # their end


def linked_columns(table: Table) -> set[str]:
    """Return the columns of a table that rules between rows read."""
    references = {name for reference in table.references for name in reference.columns}
    return {*table.key, *references, table.happens_on, "registered_on"} & set(table.columns)


@dataclass(frozen=True, slots=True)
class Links:
    """The linked columns of one table, against the tables before it.

    Parameters
    ----------
    table : Table
        The declaration.
    cells : mapping of str to pyarrow.Array, each of shape (n,)
        The columns of `linked_columns`, cast to their types.
    targets : mapping of str to Target
        Tables that were read before.
    """

    table: Table
    cells: Mapping[str, Any]
    targets: Mapping[str, Target]

    def faults(self) -> Iterator[tuple[tuple[str, ...], Fault]]:
        """Yield the faults, each with the columns that it concerns."""
        codes = {name: self._codes(name) for name in self.cells if name in linked_columns(self.table)}
        if codes.keys() >= set(self.table.key):
            keys = _combine([codes[name] for name in self.table.key])
            again = pd.Series(keys).duplicated().to_numpy() & (keys >= 0)
            remedy = f"Keep one row for each {' × '.join(self.table.key)}"
            yield self.table.key, Fault(again, "repeats a key", remedy)
        told = np.zeros(len(next(iter(self.cells.values()), ())), dtype=np.bool_)
        for reference in self.table.references:
            target = self.targets.get(reference.table)
            if target is not None and codes.keys() >= set(reference.columns):
                lost = self._lost([codes[name] for name in reference.columns], reference.columns[0], target)
                lost &= ~told
                told |= lost  # an enterprise that is unknown has no obligation either: said once
                remedy = f"Add it to {reference.table}, or take the row out"
                yield reference.columns, Fault(lost, f"is not in {reference.table}", remedy)
        yield from self._too_early(codes)

    def target(self) -> Target:
        """Return what later tables need of this one."""
        key = self.table.key
        codes = [self._codes(name) for name in key if name in self.cells]
        shared = len(codes) == len(key) and all(c.shared for c in codes)
        single = self.cells.get(key[0]) if len(key) == 1 else None
        return Target(
            single, _combine(codes) if shared else None, *map(self.cells.get, ("registered_on", "closed_on"))
        )

    def of_enterprise(self, values: Any) -> Any:
        """Return for each row the value of its enterprise, given the values by enterprise; None if none."""
        if values is None:
            return None
        places = self._codes("enterprise_id").places
        return values.take(pa.array(places, mask=places < 0))

    def _codes(self, name: str) -> Codes:
        values = self.cells[name]
        owner = self.targets.get(_OWNERS.get(name, ""))
        if pa.types.is_dictionary(values.type):
            places, size, shared = values.indices, len(values.dictionary), True
        elif owner is not None and owner.key is not None:
            places, size, shared = pc.index_in(values, value_set=owner.key), len(owner.key), True
        else:
            encoded = values.dictionary_encode()
            places, size, shared = encoded.indices, len(encoded.dictionary), False
        filled = pc.fill_null(pc.cast(places, pa.int64()), -1)
        return Codes(filled.to_numpy(zero_copy_only=False), size, shared)

    def _lost(self, codes: Sequence[Codes], first: str, target: Target) -> NDArray[np.bool_]:
        """Return which rows have values in all the columns that the target does not have."""
        keys = _combine(codes)
        if target.codes is not None and all(c.shared for c in codes):
            return (keys >= 0) & ~_mask(pc.is_in(pa.array(keys), value_set=pa.array(target.codes)))
        if target.key is not None:  # the codes are places in that very key
            return (keys < 0) & _mask(self.cells[first].is_valid())
        return np.zeros(len(keys), dtype=np.bool_)

    def _too_early(self, codes: Mapping[str, Codes]) -> Iterator[tuple[tuple[str, ...], Fault]]:
        registry, day = self.targets.get("enterprises"), self.table.happens_on
        if registry is None or registry.registered_on is None or not {day, "enterprise_id"} <= codes.keys():
            return
        registered = self.of_enterprise(registry.registered_on)
        early = _mask(pc.less(self.cells[day], registered))
        message = "lies before the registration of the enterprise"
        yield (day, "enterprise_id"), Fault(early, message, "Correct the one date or the other")


def _combine(columns: Sequence[Codes]) -> NDArray[np.int64]:
    """Return one integer for each row, equal where all columns are equal; -1 where one of them is -1."""
    total = columns[0].places
    for column in columns[1:]:
        filled = (total >= 0) & (column.places >= 0)
        total = np.where(filled, total * column.size + column.places, -1)
    return total


def _mask(array: Any) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)
