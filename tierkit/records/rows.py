"""Check rows against their table's declaration, within one table and within one row."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tierkit.arrays import Mask
from tierkit.records.cells import Cells, Fault, WrongTypeError, check_cells, raw_cells
from tierkit.records.columns import Table
from tierkit.records.places import SHANGHAI, Place
from tierkit.records.problems import DataError, Problem
from tierkit.records.tables import tables_of

__all__ = ["Rows", "cell_problems", "check_rows", "describe", "row_faults", "row_problems"]


class Rows(NamedTuple):
    """A table as given, the cells that could be cast, and the problems of whole columns."""

    table: Table
    size: int
    raw: dict[str, Any]
    cells: dict[str, Cells]
    problems: list[Problem]


def check_rows(data: Any, table: Table, as_of: date | None = None) -> Rows:
    """Check the columns of a frame or an Arrow table, and every cell of the valid ones."""
    names = list(data.column_names if isinstance(data, pa.Table) else data.columns)
    size = data.num_rows if isinstance(data, pa.Table) else len(data)
    there = Counter(names)
    problems = []
    for name, times in there.items():
        if name not in table.columns:
            remedy = f"Take it out, or rename it; the columns are {', '.join(table.columns)}"
            problems.append(Problem(table.name, str(name), 0, (), "is not a declared column", remedy))
        elif times > 1:
            problems.append(Problem(table.name, name, 0, (), "is there more than once", "Keep one of them"))
    raw: dict[str, Any] = {}
    cells: dict[str, Cells] = {}
    for column in table:
        if column.name not in there:
            if column.required:
                remedy = f"Add it, with a {column.kind} in each row" + ", or empty cells" * column.nullable
                problems.append(
                    Problem(table.name, column.name, 0, (), "is a column that is missing", remedy)
                )
        elif there[column.name] == 1:
            array = raw_cells(data[column.name])
            try:
                cells[column.name] = check_cells(array, column, as_of)
            except WrongTypeError as error:
                remedy = f"Store it as {column.kind}"
                problems.append(Problem(table.name, column.name, size, (), str(error), remedy))
            else:
                raw[column.name] = array
    return Rows(table, size, raw, cells, problems)


def row_faults(rows: Rows) -> Iterator[tuple[tuple[str, ...], Fault]]:
    """Yield the faults of cells and rows, each with the columns that it concerns."""
    for name, cells in rows.cells.items():
        for fault in cells.faults:
            yield (name,), fault
    values = {name: cells.array for name, cells in rows.cells.items()}
    for first, last in rows.table.orders:
        if first in values and last in values:
            early = _true(pc.greater(values[first], values[last]))
            yield (last, first), Fault(early, f"lies before {first}", "Correct the one or the other")
    for one, other in rows.table.together:
        if one in values and other in values:
            alone = _true(pc.not_equal(rows.raw[one].is_null(), rows.raw[other].is_null()))
            remedy = "Fill in both, or neither"
            yield (one, other), Fault(alone, f"is filled without {other}, or the other way round", remedy)
    for level, day in rows.table.decided:
        if level in values and day in values:
            open_ = _true(rows.raw[day].is_null()) & _true(
                pc.not_equal(pc.cast(values[level], pa.string()), "none")
            )
            yield (
                (level, day),
                Fault(open_, f"is not none, yet {day} is empty", f"Fill in {day}, or write none"),
            )


def describe(
    table: str, cells: Mapping[str, Any], columns: tuple[str, ...], fault: Fault, before: int = 0
) -> Problem:
    """Return a fault as a problem, with the number of rows and up to three examples.

    Parameters
    ----------
    table : str
        Name of the table.
    cells : mapping of str to pyarrow.Array
        Cells to show, by column.
    columns : tuple of str
        Columns concerned, the one to correct first.
    fault : Fault
        What is wrong, and in which of these rows.
    before : int
        Number of rows of the table before these.
    """
    where = np.flatnonzero(fault.rows)
    examples = []
    for row in where[:3].tolist():
        shown = [_shown(cells[name][row]) for name in columns]
        rest = [f"{name} {text}" for name, text in zip(columns[1:], shown[1:], strict=True)]
        examples.append(f"row {before + row + 1}: {', '.join([shown[0], *rest])}")
    return Problem(table, columns[0], len(where), tuple(examples), fault.message, fault.remedy, fault.warning)


def cell_problems(rows: Rows, lost_only: bool = False, before: int = 0) -> list[Problem]:
    """Return the problems of columns and cells; with ``lost_only`` only cells that cannot be cast.

    ``before`` is the number of rows of the table before these.
    """
    faults = [(name, fault) for name, cells in rows.cells.items() for fault in cells.faults]
    told = [(name, fault) for name, fault in faults if fault.lost or not lost_only]
    found = (describe(rows.table.name, rows.raw, (name,), fault, before) for name, fault in told)
    return [*rows.problems, *found]


def row_problems(
    frame: Any, table: str, as_of: date | None = None, place: Place = SHANGHAI
) -> "pd.Series[str]":
    """Return, for each row, what is wrong with it by itself; an empty text if nothing is.

    Keys that repeat and references that lead nowhere concern more than the row, and some values are wrong
    that nothing reads; `validate` finds those.

    Parameters
    ----------
    frame : DataFrame or pyarrow.Table, shape (n, columns)
        Rows of the table, of any types that can be read as the declared ones.
    table : str
        Name of the table.
    as_of : date or None
        Day after which no date may lie.
    place : Place
        The place whose levels and ids are allowed.

    Returns
    -------
    Series of str, shape (n,)
        Reasons as ``column: what is wrong``, joined by ``"; "``, with the index of the frame.

    Raises
    ------
    DataError
        If columns are missing, undeclared or of a wrong type: then no row can be judged.

    Examples
    --------
    >>> agencies = pd.DataFrame({"agency": ["fire", "police"], "name_zh": "消防", "name_en": "fire",
    ...                          "level": "municipal", "core": True, "capacity": [30, -1]})
    >>> row_problems(agencies, "agencies").tolist()
    ['', 'agency: is not a declared level; capacity: is out of range']
    """
    rows = check_rows(frame, tables_of(place)[table], as_of)
    if rows.problems:
        raise DataError(rows.problems)
    reasons = np.full(rows.size, "", dtype=object)
    for columns, fault in row_faults(rows):
        if fault.rows.any() and not fault.unread:
            text = f"{columns[0]}: {fault.message}"
            reasons[fault.rows] = [f"{before}; {text}" if before else text for before in reasons[fault.rows]]
    index = frame.index if isinstance(frame, pd.DataFrame) else None
    return pd.Series(reasons, index=index, name="reason", dtype="str")


def _true(array: Any) -> Mask:
    return np.array(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _shown(scalar: Any, width: int = 40) -> str:
    """Return an unambiguous text of a cell, with invisible characters spelt out."""
    try:
        if pa.types.is_timestamp(scalar.type) and scalar.type.unit == "ns" and scalar.is_valid:
            scalar = scalar.cast(pa.timestamp("us", scalar.type.tz), safe=False)
        value = scalar.as_py()
    except (ValueError, OverflowError, pa.ArrowException):  # no day of a calendar
        return f"{scalar.value} as {scalar.type}"
    if isinstance(value, datetime):
        return str(value).removesuffix(" 00:00:00")
    if isinstance(value, date):
        return value.isoformat()
    text = "empty" if value is None else repr(value)
    return text if len(text) <= width else f"{text[: width - 1]}…"
