"""A whole dataset against the contract: every failure at once."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tierkit.schema.cells import Fault, Mask
from tierkit.schema.columns import Table
from tierkit.schema.dataset import Dataset
from tierkit.schema.folder import missing_tables, open_folder
from tierkit.schema.problems import Problem
from tierkit.schema.rows import Rows, check_rows, describe, row_faults
from tierkit.schema.tables import TABLES

__all__ = ["validate"]


def validate(data: Dataset | Mapping[str, pd.DataFrame] | str | os.PathLike[str]) -> list[Problem]:
    """Hold a dataset against the contract and list everything that is wrong.

    Checked are: tables and columns (missing, undeclared, of a wrong type), cells (empty, unknown level, out
    of range, not finite, impossible or future date, wrong check character), rows (dates out of order, values
    without their date), keys that repeat, references that lead nowhere, events before the enterprise was
    registered, empty tables, and, for a folder, files that are unreadable or are not those of the manifest.

    Parameters
    ----------
    data : Dataset, mapping of str to DataFrame, or path
        The tables, or the folder that holds them.

    Returns
    -------
    list of Problem
        Empty if nothing is wrong.

    Examples
    --------
    >>> problems = validate({"agencies": pd.DataFrame({"agency": ["fire", "police"]})})
    >>> print(problems[0])
    agencies.agency: is not a declared level (1 row, row 2: 'police'). Use one of market_regulation, fire, ...
    """
    problems: list[Problem] = []
    if isinstance(data, Mapping):
        names, as_of = set(data), data.as_of if isinstance(data, Dataset) else None
        undeclared = [str(name) for name in data if name not in TABLES]
        remedy = f"Take it out; the tables are {', '.join(TABLES)}"
        problems += [Problem(name, "", 0, (), "is not a declared table", remedy) for name in undeclared]
    else:
        folder = open_folder(data)
        if not folder.root.is_dir():
            return list(folder.problems)
        names, as_of = set(folder.files), folder.as_of
        problems += folder.problems
    problems += missing_tables(names, [t.name for t in TABLES.values() if t.required])
    targets: dict[str, dict[str, Any]] = {}
    for table in TABLES.values():
        if table.name in names:
            if isinstance(data, Mapping):
                loaded: Any = data[table.name]
            else:
                loaded, unreadable = folder.load(table)
                problems += unreadable
            if loaded is not None:
                problems += _check_table(loaded, table, targets, as_of)
    return problems


def _check_table(
    loaded: Any, table: Table, targets: dict[str, dict[str, Any]], as_of: date | None
) -> list[Problem]:
    """Check one table; leave in ``targets`` the columns that later tables refer to."""
    rows = check_rows(loaded, table, as_of)
    problems = list(rows.problems)
    if not rows.size and not table.may_be_empty:
        problems.append(
            Problem(table.name, "", 0, (), "has no rows", "Fill it; nothing can be done without it")
        )
    problems += [describe(rows, columns, fault) for columns, fault in row_faults(rows) if fault.rows.any()]
    problems += [
        describe(rows, columns, fault) for columns, fault in _across(rows, targets) if fault.rows.any()
    ]
    references = [r for other in TABLES.values() for r in other.references if r.table == table.name]
    kept = {"registered_on", *(name for reference in references for name in reference.columns)}
    targets[table.name] = {name: cells.array for name, cells in rows.cells.items() if name in kept}
    return problems


def _across(rows: Rows, targets: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[tuple[str, ...], Fault]]:
    """Yield what is wrong between rows: repeated keys, dangling references, events before registration."""
    table = rows.table
    values = {name: cells.array for name, cells in rows.cells.items()}
    if all(name in values for name in table.key):
        codes, filled = _codes([values[name] for name in table.key], [None] * len(table.key))
        again = pd.Series(codes).duplicated().to_numpy() & filled
        yield table.key, Fault(again, "repeats a key", f"Keep one row for each {' × '.join(table.key)}")
    dangling = np.zeros(rows.size, dtype=np.bool_)
    for reference in table.references:
        there = targets.get(reference.table, {})
        if all(name in values and name in there for name in reference.columns):
            lost = _lost(
                [values[name] for name in reference.columns], [there[name] for name in reference.columns]
            )
            lost &= ~dangling  # a row whose enterprise is unknown has no obligation either: said once
            dangling |= lost
            message, remedy = (
                f"is not in {reference.table}",
                f"Add it to {reference.table}, or take the row out",
            )
            yield reference.columns, Fault(lost, message, remedy)
    registered = targets.get("enterprises", {})
    if (
        table.happens_on in values
        and "enterprise_id" in values
        and {"enterprise_id", "registered_on"} <= set(registered)
    ):
        which = pc.index_in(values["enterprise_id"], value_set=registered["enterprise_id"])
        early = pc.less(values[table.happens_on], registered["registered_on"].take(which))
        message = "lies before the registration of the enterprise"
        yield (
            (table.happens_on, "enterprise_id"),
            Fault(_true(early), message, "Correct the one or the other date"),
        )


def _codes(columns: Sequence[Any], sets: Sequence[Any]) -> tuple[NDArray[np.int64], Mask]:
    """Return one integer for each row, equal where all columns are equal, and whether none of them is null.

    With a set of values for a column its codes are places in that set; others count as null.
    """
    total = np.zeros(len(columns[0]), dtype=np.int64)
    filled = np.ones(len(columns[0]), dtype=np.bool_)
    for values, known in zip(columns, sets, strict=True):
        if pa.types.is_dictionary(values.type):
            indices, size = values.indices, len(values.dictionary)
        elif known is not None:
            indices, size = pc.index_in(values, value_set=known), len(known)
        else:
            encoded = values.dictionary_encode()
            indices, size = encoded.indices, len(encoded.dictionary)
        codes = pc.fill_null(pc.cast(indices, pa.int64()), -1).to_numpy(zero_copy_only=False)
        filled &= codes >= 0
        total = total * (size + 1) + codes
    return total, filled


def _lost(columns: Sequence[Any], targets: Sequence[Any]) -> Mask:
    """Return which rows are complete and yet not among the rows of the targets."""
    complete = np.ones(len(columns[0]), dtype=np.bool_)
    for values in columns:
        complete &= _true(values.is_valid())
    if len(columns) == 1:
        names, known = (pc.cast(c, pa.large_string()) for c in (columns[0], targets[0]))
        return complete & ~_true(pc.is_in(names, value_set=known))
    sets = [None if pa.types.is_dictionary(t.type) else pc.unique(t) for t in targets]
    codes, found = _codes(columns, sets)
    known_codes, known_filled = _codes(targets, sets)
    inside = pc.is_in(pa.array(codes), value_set=pa.array(known_codes[known_filled]))
    return complete & ~(found & _true(inside))


def _true(array: Any) -> Mask:
    return np.array(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)
