"""Check a whole dataset against the contract and report every problem."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pyarrow as pa

from tierkit.records import relations
from tierkit.records.columns import Table
from tierkit.records.dataset import Dataset
from tierkit.records.folder import Folder, missing_tables, open_folder, place_of
from tierkit.records.gate import source_of
from tierkit.records.links import Links, Target, linked_columns
from tierkit.records.places import Place
from tierkit.records.problems import DataError, Problem
from tierkit.records.rows import check_rows, describe, row_faults
from tierkit.records.tables import TABLES, tables_of

__all__ = ["CHUNK", "errors_of", "validate", "validate_folder"]

CHUNK = 1 << 19
"""Rows that are checked at a time, which bounds the memory that a city takes."""


def validate(data: Dataset | Mapping[str, pd.DataFrame] | str | os.PathLike[str]) -> list[Problem]:
    """Check a dataset against the contract and list everything that is wrong.

    Checked are: tables and columns (missing, undeclared, of a wrong type), cells (empty, unknown level, out
    of range, not finite, impossible or future date, wrong check character), rows (dates out of order, values
    without their date), keys that repeat, references that lead nowhere, events before the enterprise was
    registered, empty tables, and, for a folder, files that are unreadable or are not those of the manifest.
    What may be right and seldom is, such as a penalty where nothing was found, is a warning
    (`tierkit.records.relations`); `errors_of` leaves these out.

    Parameters
    ----------
    data : Dataset, mapping of str to DataFrame, or path
        The tables, or the folder that holds them.

    Returns
    -------
    list of Problem
        Empty if nothing is wrong.

    Raises
    ------
    InputError
        If it is neither a dataset nor a path. What is wrong with the data is returned, not raised.

    Examples
    --------
    >>> import tierkit as tk
    >>> problems = tk.validate({"agencies": pd.DataFrame({"agency": ["fire", "police"]})})
    >>> print(next(problem for problem in problems if problem.rows))
    agencies.agency: is not a declared level (1 row, row 2: 'police'). Use one of market_regulation, fire, ...
    """
    data = source_of(data)
    problems: list[Problem] = []
    if isinstance(data, Mapping):
        names, as_of = set(data), data.as_of if isinstance(data, Dataset) else None
        undeclared = [str(name) for name in data if name not in TABLES]
        remedy = f"Take it out; the tables are {', '.join(TABLES)}"
        problems += [Problem(name, "", 0, (), "is not a declared table", remedy) for name in undeclared]
        return problems + _check(names, place_of(data), as_of, lambda table: _slices(data[table.name]))
    return validate_folder(open_folder(data))


def validate_folder(folder: Folder) -> list[Problem]:
    """Check a folder that is open against the contract, as `validate` does."""
    if not folder.root.is_dir():
        return list(folder.problems)
    found = _check(set(folder.files), folder.place, folder.as_of, lambda table: folder.chunks(table, CHUNK))
    return [*folder.problems, *found]


def _check(
    names: set[str], place: Place, as_of: date | None, chunks: Callable[[Table], Iterator[Any]]
) -> list[Problem]:
    problems = missing_tables(names, [t.name for t in TABLES.values() if t.required])
    targets: dict[str, Target] = {}
    for table in tables_of(place).values():
        if table.name in names:
            problems += _check_table(chunks(table), table, targets, as_of)
    return problems


def errors_of(problems: Iterable[Problem]) -> list[Problem]:
    """Return the problems that break the contract, without those that are warnings.

    Examples
    --------
    >>> errors_of([Problem("items", "minutes", 1, (), "is odd", "See to it", warning=True)])
    []
    """
    return [one for one in problems if not one.warning]


def _slices(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, max(len(frame), 1), CHUNK):
        yield frame.iloc[start : start + CHUNK]


def _check_table(
    chunks: Iterator[Any], table: Table, targets: dict[str, Target], as_of: date | None
) -> list[Problem]:
    """Check one table, chunk by chunk; add the columns that later tables refer to to ``targets``."""
    found: list[Problem] = []
    kept: dict[str, list[Any]] = {
        name: [] for name in linked_columns(table) | relations.linked_columns(table)
    }
    size = parts = 0
    try:
        for chunk in chunks:
            rows = check_rows(chunk, table, as_of)
            found += rows.problems
            told = (*row_faults(rows), *relations.row_relations(rows, as_of, date.today()))
            faults = [(columns, fault) for columns, fault in told if fault.rows.any()]
            found += [describe(table.name, rows.raw, columns, fault, size) for columns, fault in faults]
            for name in kept.keys() & rows.cells.keys():
                kept[name].append(rows.cells[name].array)
            size += rows.size
            parts += 1
    except DataError as error:
        return [*_merge(found), *error.problems]
    if not size and not table.may_be_empty:
        remedy = "Fill it; nothing can be done without it"
        found.append(Problem(table.name, "", 0, (), "has no rows", remedy))
    whole = {name: arrays for name, arrays in kept.items() if len(arrays) == parts}
    links = Links(
        table, {n: pa.chunked_array(arrays).combine_chunks() for n, arrays in whole.items()}, targets
    )
    between = (*links.faults(), *relations.link_relations(links))
    faults = [(columns, fault) for columns, fault in between if fault.rows.any()]
    found += [describe(table.name, links.cells, columns, fault) for columns, fault in faults]
    targets[table.name] = links.target()
    return _merge(found)


def _merge(problems: list[Problem]) -> list[Problem]:
    """Merge equal problems of several chunks."""
    merged: dict[tuple[str, ...], Problem] = {}
    for problem in problems:
        key = (problem.table, problem.column, problem.message, problem.remedy)
        first = merged.setdefault(key, problem)
        if first is not problem:
            rows, examples = first.rows + problem.rows, (first.examples + problem.examples)[:3]
            merged[key] = replace(first, rows=rows, examples=examples)
    return list(merged.values())
