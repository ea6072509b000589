"""Split a dataset's rows before scoring: those that keep the data contract, and those for the reject file.

A table whose rows all keep the contract and have the declared types is used as it is; any other is written
again without the rows that break it. Tables are read in chunks, so that memory does not grow with them; only
the ids of enterprises are held, to find duplicates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tierkit.folders import replacing
from tierkit.records import (
    ROW_GROUP,
    DataError,
    Folder,
    Problem,
    Table,
    Tables,
    row_problems,
)
from tierkit.records.cells import raw_cells
from tierkit.records.files import Malformed
from tierkit.records.known import TIMED, is_declared
from tierkit.records.parquet import read_sealed, sealed_writer
from tierkit.records.rows import check_rows

__all__ = ["REJECTS", "Rejects", "Staged", "column_problems", "parquet_writer", "stage", "stage_one"]

REJECTS = pa.schema(
    [("table", pa.string()), ("row", pa.int64()), ("key", pa.string()), ("reason", pa.string())]
)
"""Columns of the reject file: the row (1 is the first below the header), its key as it stands, the reason."""

_AT_ONCE = 1 << 16  # rows that are checked together
_TWICE = "enterprise_id: occurs more than once"


@dataclass(frozen=True)
class Staged:
    """Tables ready to be read.

    Parameters
    ----------
    files : Tables
        A Parquet file in the declared types for each table that there is, and the place of the dataset.
    rows, rejected : mapping of str to int
        Rows of each table as it came, and how many of them were sent to the reject file.
    """

    files: Tables
    rows: Mapping[str, int]
    rejected: Mapping[str, int]


@contextmanager
def parquet_writer(path: Path, schema: Any, metadata: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Yield a function that takes tables of any size and writes them in row groups of one size.

    So the bytes do not depend on how the rows came. The file is sealed, and appears when all went well.
    """
    waiting: list[Any] = []
    with replacing(path) as temporary, sealed_writer(temporary, schema, metadata) as writer:

        def flush(all_of_it: bool) -> None:
            data = pa.concat_tables(waiting)
            whole = data.num_rows if all_of_it else data.num_rows // ROW_GROUP * ROW_GROUP
            for start in range(0, whole, ROW_GROUP):
                part = data.slice(start, min(ROW_GROUP, whole - start)).combine_chunks()
                writer.write_table(part, ROW_GROUP)
            waiting[:] = [data.slice(whole)]

        def write(table: Any) -> None:
            waiting.append(table.cast(schema))
            if sum(part.num_rows for part in waiting) >= ROW_GROUP:
                flush(False)

        yield write
        write(schema.empty_table())
        flush(True)


class Rejects:
    """Collects rejected rows, and writes them with `parquet_writer`."""

    def __init__(self, write: Any) -> None:
        self._write = write

    def add(self, table: Table, chunk: Any, numbers: NDArray[np.int64], reasons: NDArray[np.object_]) -> None:
        """Write the rows of a chunk that have a reason, with their numbers in the table."""
        where = np.flatnonzero(reasons != "")
        if where.size:
            keys = [_key(chunk.column(name).take(where)) for name in table.key]
            key = pc.binary_join_element_wise(*keys, "|", null_handling="replace", null_replacement="")
            names = pa.array([table.name] * where.size, pa.string())
            texts = pa.array(reasons[where].tolist(), pa.string())
            self._write(pa.table([names, pa.array(numbers[where]), key, texts], schema=REJECTS))

    def add_malformed(self, table: Table, rows: list[Malformed]) -> None:
        """Write rows of a CSV that have no cells to speak of."""
        cells = [(table.name, one.row, "", str(one)) for one in rows]
        self._write(
            pa.Table.from_pylist([dict(zip(REJECTS.names, one, strict=True)) for one in cells], REJECTS)
        )


def _key(column: Any) -> Any:
    """Return cells as text, as they stand."""
    raw = raw_cells(column)
    try:
        return pc.cast(raw, pa.string())
    except pa.ArrowException:  # days that no calendar has
        return pa.array([None if one is None else str(one) for one in pc.cast(raw, pa.int64()).to_pylist()])


def stage(folder: Folder, work: Path, rejects: Rejects, only: str | None = None) -> Staged:
    """Sort the rows of all tables that features read.

    Parameters
    ----------
    folder : Folder
        As from `tierkit.records.open_folder`.
    work : Path
        Where tables are written that cannot be used as they lie.
    rejects : Rejects
    only : str, optional
        The enterprise that is asked about: rows of others are neither checked nor rejected, but for
        complaints, since those of the whole city say who complains often. Its past tiers are sorted, too.

    Returns
    -------
    Staged

    Raises
    ------
    DataError
        If a table is missing, unreadable or altered, or its columns are not those of the contract: then no
        row of it can be judged.
    """
    names = TIMED if only is None else (*TIMED, "tiers")
    problems = [p for p in folder.problems if p.table in ("", "manifest.json", "place.toml", *names)]
    if "enterprises" not in folder.files:
        remedy = "Add enterprises.parquet, enterprises.csv or enterprises.csv.gz."
        problems.append(Problem("enterprises", "", 0, (), "is a table that is missing", remedy))
    if problems:
        raise DataError([*problems, *column_problems(folder, names, {p.table for p in problems})])
    files = Tables({}, folder.place)
    rows: dict[str, int] = {}
    rejected: dict[str, int] = {}
    import duckdb

    with duckdb.connect(config={"threads": 1}) as base:
        for name in names:
            if name not in folder.files:
                continue
            table = folder.tables[name]
            try:
                usable = is_declared(folder.files[name], table, base)
                rows[name], rejected[name] = _sort(folder, table, work, rejects, only, usable=usable)
            except DataError as error:
                problems += error.problems
                continue
            kept = work / f"{name}.parquet"  # none is left of a table that is used as it lies
            files[name] = kept if kept.exists() else folder.files[name]
    if problems:
        raise DataError(problems)
    return Staged(files, rows, rejected)


def column_problems(folder: Folder, names: Iterable[str], told: Collection[str]) -> list[Problem]:
    """Return what is wrong with the columns of tables of which nothing was told, from their first rows."""
    problems: list[Problem] = []
    for name in names:
        if name in folder.files and name not in told:
            table = folder.tables[name]
            try:
                for chunk in islice(folder.chunks(table, _AT_ONCE, []), 1):
                    row_problems(chunk, name, folder.as_of, folder.place)
            except DataError as error:
                problems += error.problems
    return problems


def stage_one(folder: Folder, work: Path, enterprise_id: str) -> tuple[Staged, Any]:
    """Sort the rows on which the features of one enterprise rest.

    Parameters
    ----------
    folder, work
        As for `stage`.
    enterprise_id : str

    Returns
    -------
    tuple of Staged and DataFrame
        What can be read, and the rows of the enterprise that were rejected, with the columns of `REJECTS`.
    """
    with parquet_writer(work / "rejects.parquet", REJECTS) as write:
        staged = stage(folder, work, Rejects(write), enterprise_id)
    return staged, read_sealed(work / "rejects.parquet")[0].to_pandas()


def _sort(
    folder: Folder, table: Table, work: Path, rejects: Rejects, only: str | None, *, usable: bool
) -> tuple[int, int]:
    """Write the rows of a table that keep the contract, if it cannot be used as it lies."""
    twice = _repeated(folder, table) if table.name == "enterprises" else None
    size = bad = 0
    malformed: list[Malformed] = []
    # Most tables are clean and are only read; one that turns out not to be is read again and written.
    for attempt in ("read", "write"):
        with parquet_writer(work / f"{table.name}.parquet", table.arrow_schema) as write:
            size = bad = 0
            for chunk in folder.chunks(table, _AT_ONCE, malformed):
                numbers = _numbers(size, chunk.num_rows, malformed)
                size += chunk.num_rows
                asked = _asked(chunk, only)
                if only is not None and table.name != "complaints":
                    chunk, numbers, asked = chunk.filter(pa.array(asked)), numbers[asked], asked[asked]
                reasons = _reasons(chunk, folder, table, twice)
                keep = reasons == ""
                bad += int((~keep).sum())
                if attempt == "write" or not usable:
                    rejects.add(table, chunk, numbers, np.where(asked, reasons, ""))
                    write(_declared(chunk.filter(pa.array(keep)), table))
        if not usable or not bad:
            break
    if usable and not bad:
        (work / f"{table.name}.parquet").unlink()
    if malformed:
        rejects.add_malformed(table, [one for one in malformed if only is None or only in one.text])
    return size + len(malformed), bad + len(malformed)


def _numbers(before: int, size: int, malformed: list[Malformed]) -> NDArray[np.int64]:
    """Return the numbers in their file of rows that follow ``before`` others, malformed ones not counted.

    Examples
    --------
    >>> _numbers(1, 3, [Malformed(1, 2, 16, "too,few"), Malformed(4, 2, 16, "too,few")]).tolist()
    [3, 5, 6]
    """
    above = np.array([one.row - 1 - k for k, one in enumerate(malformed)], np.int64)
    rows = np.arange(before, before + size)
    numbers: NDArray[np.int64] = rows + 1 + np.searchsorted(above, rows, side="right")
    return numbers


def _asked(chunk: Any, only: str | None) -> NDArray[np.bool_]:
    """Return which rows are of the enterprise that is asked about; all of them where none is."""
    ids = None if only is None else _ids(chunk)
    if ids is None:
        return np.full(chunk.num_rows, True)
    return np.asarray(pc.fill_null(pc.equal(ids, only), False).to_numpy(zero_copy_only=False), np.bool_)


def _reasons(chunk: Any, folder: Folder, table: Table, twice: Any) -> NDArray[np.object_]:
    reasons = row_problems(chunk, table.name, folder.as_of, folder.place).to_numpy(dtype=object)
    if twice is not None and len(twice):
        here = pc.is_in(_ids(chunk), value_set=twice).to_numpy(zero_copy_only=False)
        reasons[here] = [f"{old}; {_TWICE}" if old else _TWICE for old in reasons[here]]
    return reasons


def _repeated(folder: Folder, table: Table) -> Any:
    """Return the ids that more than one row has: neither row can be trusted."""
    found = [_ids(chunk) for chunk in folder.chunks(table, ROW_GROUP, [])]
    counted = pc.value_counts(pa.chunked_array([ids for ids in found if ids is not None], pa.string()))
    many = pc.and_(pc.greater(counted.field("counts"), 1), pc.is_valid(counted.field("values")))
    return counted.field("values").filter(many)


def _ids(chunk: Any) -> Any:
    """Return the ids of enterprises as text; None where the column cannot be read, which is told later."""
    try:
        return pc.cast(raw_cells(chunk.column("enterprise_id")), pa.string())
    except (KeyError, pa.ArrowException):
        return None


def _declared(chunk: Any, table: Table) -> Any:
    """Return rows that keep the contract in the declared types."""
    cells = check_rows(chunk, table).cells
    schema = table.arrow_schema
    columns = [  # one that a file need not have, and has not, is empty
        pc.cast(cells[field.name].array, field.type)
        if field.name in cells
        else pa.nulls(chunk.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
