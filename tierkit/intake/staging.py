"""Collect the rows of all sources in a database beside the output, which keeps memory constant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from tierkit.bounds import UnreadableError
from tierkit.intake.converting import Converted, Converter
from tierkit.intake.mapping import DROP, HELPERS, UNKNOWN, Mapping, MappingError, Source
from tierkit.intake.reading import Batch, Layout, header_of, is_text_file, read_batches
from tierkit.progress import Progress, quiet
from tierkit.records.columns import Table
from tierkit.records.problems import Problem, suggestion
from tierkit.records.tables import tables_of

__all__ = ["Staging", "defaults", "files_of", "source_problems", "staging"]

_SQL = {"date": "DATE", "int": "BIGINT", "float": "DOUBLE", "flag": "BOOLEAN"}
_FAULTS = pa.schema(
    [
        *(("tbl", pa.string()), ("file", pa.string()), ("line", pa.int64())),
        *(("col", pa.string()), ("val", pa.large_string()), ("why", pa.string())),
    ]
)
_SHOWN = 500  # characters of a value that is told


class Staging:
    """The rows of all sources, table by table, and what was set aside.

    Attributes
    ----------
    db : duckdb.DuckDBPyConnection
        Tables ``in_NAME`` with the rows as converted; ``rejected``, ``duplicates`` and ``cells`` with table,
        file, row, column, value and reason.
    mapping : Mapping
    tables : mapping of str to Table
    read : dict of (str, str) to int
        Rows read, by table and file.
    columns : dict of str to list of str
        Columns of each table that some source fills.
    """

    def __init__(self, db: Any, mapping: Mapping) -> None:
        self.db, self.mapping = db, mapping
        self.tables = tables_of(mapping.place)
        self.read: dict[tuple[str, str], int] = {}
        self.columns: dict[str, list[str]] = {}
        self.problems: list[Problem] = []
        for name in ("rejected", "duplicates", "cells"):
            self.sql(
                f"CREATE TABLE {name} (tbl VARCHAR, file VARCHAR, line BIGINT, col VARCHAR, val "
                f"VARCHAR, why VARCHAR)"
            )

    def sql(self, statement: str, given: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement to its end, and return its rows."""
        rows: list[tuple[Any, ...]] = self.db.execute(statement, given).fetchall()
        return rows

    def load(self, progress: Progress = quiet) -> None:
        """Read every file of every source.

        Raises
        ------
        MappingError
            With every file that cannot be read, and every value to which the mapping gives no level.
        """
        jobs = [
            (source, path)
            for sources in self.mapping.tables().values()
            for source in sources
            for path in files_of(self.mapping, source)
        ]
        for name, sources in self.mapping.tables().items():
            self._create(name, sources)
        for done, (source, path) in enumerate(jobs):
            progress("reading the files", done, len(jobs))
            self._file(source, path)
        progress("reading the files", len(jobs), len(jobs))
        if self.problems:
            raise MappingError(self.problems)

    def _create(self, name: str, sources: list[Source]) -> None:
        filled = {column for one in sources for column, field in one.fields.items() if field.rules}
        kinds = {column.name: column.kind for column in self.tables[name]} | dict(HELPERS.get(name, {}))
        own = [column for column in kinds if column in filled and column != "enterprise_name"]
        self.columns[name] = own
        typed = [f'"{column}" {_SQL.get(kinds[column], "VARCHAR")}' for column in own]
        rest = ["_name_key VARCHAR", "_source INTEGER", "_file VARCHAR", "_line BIGINT"]
        self.sql(f"CREATE TABLE in_{name} ({', '.join([*typed, *rest])})")

    def _file(self, source: Source, path: Path) -> None:
        table = self.tables[source.table]
        name = path.relative_to(self.mapping.raw).as_posix()
        number = self.mapping.sources.index(source)
        converter = Converter(
            source, table, self.mapping.place, self.mapping.as_of, header_of(path, source.layout)
        )
        try:
            for batch in read_batches(path, source.layout):
                self._batch(source, number, table, converter, batch, name)
        except UnreadableError as error:
            remedy = error.remedy or "Copy or make the file again"
            where = self.mapping.line(f"{source.at}.files")
            self.problems.append(Problem(name, "", 0, where, f"cannot be read: {error}", remedy))
        for (column, value), seen in converter.unmapped.items():
            first = (f"row {seen.row} of {name}: {value[:60]!r}",)
            at = f"{source.at}.values.{column}"
            line = "".join(self.mapping.line(at))
            below = f"below [{source.table}.values.{column}] ({line})"
            remedy = f'Write "{value[:60]}" = … {below}, or "*" = … for all others'
            self.problems.append(
                Problem(self.mapping.path.name, at, seen.rows, first, "gives no level to a value", remedy)
            )

    def _batch(
        self, source: Source, number: int, table: Table, converter: Converter, batch: Batch, file: str
    ) -> None:
        size = len(batch.rows)
        key = source.table, file
        self.read[key] = self.read.get(key, 0) + size + len(batch.misfits)
        if batch.misfits:
            self.aside("rejected", source.table, file, [(m.row, "", m.text, m.reason) for m in batch.misfits])
        if not size:
            return
        done = converter.convert(batch, file)
        bad = self._faults(source.table, table, done, batch, file)
        bad |= self._missing(source, table, done, batch, file, bad)
        kept = np.flatnonzero(~bad)
        if not len(kept):
            return
        columns = dict(done.columns)
        columns["_source"] = pa.array(np.full(size, number, np.int32))
        columns["_file"] = pa.array([file] * size)
        columns["_line"] = pa.array(batch.rows)
        data = pa.table(columns).take(pa.array(kept))
        self.db.register("batch", data)
        self.sql(f"INSERT INTO in_{source.table} BY NAME SELECT * FROM batch")
        self.db.unregister("batch")

    def _faults(
        self, name: str, table: Table, done: Converted, batch: Batch, file: str
    ) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Set rows and cells aside that could not be read; return which rows."""
        bad = np.zeros(len(batch.rows), np.bool_)
        for column, at, reasons, values in done.faults:
            spec = table.columns.get(column)
            optional = spec is None or (spec.nullable and column != "enterprise_id")
            rejected, emptied = [], []
            for k, why, value in zip(at.tolist(), reasons, values, strict=True):
                if bad[k]:
                    continue
                row = int(batch.rows[k]), column, value, why
                if optional and why != "is left out by the mapping":
                    emptied.append(row)
                else:
                    bad[k] = True
                    rejected.append(row)
            self.aside("rejected", name, file, rejected)
            self.aside("cells", name, file, emptied)
        if bad.any():  # a row that is set aside has no cells to tell of
            lines = batch.rows[bad].tolist()
            self.sql(
                "DELETE FROM cells WHERE tbl = ? AND file = ? AND line IN (SELECT unnest(?))",
                [name, file, lines],
            )
        return bad

    def _missing(
        self, source: Source, table: Table, done: Converted, batch: Batch, file: str, bad: Any
    ) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Set rows aside in which a cell is empty that must not be."""
        found = np.zeros(len(batch.rows), np.bool_)
        for column in table:
            values = done.columns.get(column.name)
            by_name = (
                column.name == "enterprise_id" and "_name_key" in done.columns and table.name != "enterprises"
            )
            filled = column.name in defaults([source])
            if values is None or column.nullable or by_name or filled or not values.null_count:
                continue
            empty = values.is_null().to_numpy(zero_copy_only=False) & ~bad & ~found
            at = np.flatnonzero(empty)
            rows = [
                (int(batch.rows[k]), column.name, "", "is empty, and nothing can be done without it")
                for k in at
            ]
            self.aside("rejected", source.table, file, rows)
            found |= empty
        return found

    def aside(self, where: str, table: str, file: str, rows: list[tuple[int, str, str, str]]) -> None:
        """Add rows or cells to those that are set aside."""
        if not rows:
            return
        lines, columns, values, reasons = zip(*rows, strict=True)
        size = len(rows)
        data = pa.table(
            [
                [table] * size,
                [file] * size,
                list(lines),
                list(columns),
                [v[:_SHOWN] for v in values],
                list(reasons),
            ],
            schema=_FAULTS,
        )
        self.db.register("aside", data)
        self.sql(f"INSERT INTO {where} SELECT * FROM aside")
        self.db.unregister("aside")


@contextmanager
def staging(mapping: Mapping, folder: Path, threads: int = 1) -> Iterator[Staging]:
    """Give a database in a folder, which is closed at the end."""
    db = duckdb.connect(str(folder / "staging.duckdb"))
    try:
        db.execute(f"SET threads = {threads}; SET preserve_insertion_order = false; SET memory_limit = '2GB'")
        yield Staging(db, mapping)
    finally:
        db.close()


def defaults(sources: list[Source]) -> dict[str, str]:
    """Return the values that empty cells of columns get, by the values of "" in the mapping."""
    return {
        name: rule.values[""]
        for one in sources
        for name, field in one.fields.items()
        for rule in field.rules
        if rule.values.get("", UNKNOWN) not in (UNKNOWN, DROP)
    }


def files_of(mapping: Mapping, source: Source) -> list[Path]:
    """Return the files of a source, in the order of their names, each once."""
    found: dict[str, Path] = {}
    for pattern in source.files:
        for path in mapping.raw.glob(pattern):
            if path.is_file():
                found[path.relative_to(mapping.raw).as_posix()] = path
    return [found[name] for name in sorted(found)]


def source_problems(mapping: Mapping) -> list[Problem]:
    """Return everything that is wrong between the mapping and the headers of its files."""
    problems: list[Problem] = []
    for source in mapping.sources:
        for pattern in source.files:
            if not any(path.is_file() for path in mapping.raw.glob(pattern)):
                at = mapping.line(f"{source.at}.files")
                message, remedy = f"names {pattern!r}, which is not in the raw folder", "Correct the name"
                problems.append(Problem(mapping.path.name, f"{source.at}.files", 0, at, message, remedy))
        for path in files_of(mapping, source):
            problems += _header_problems(mapping, source, path)
    return problems


def _header_problems(mapping: Mapping, source: Source, path: Path) -> list[Problem]:
    name = path.relative_to(mapping.raw).as_posix()
    try:
        header = header_of(
            path,
            source.layout
            if is_text_file(path)
            else Layout(sheet=source.layout.sheet, header=source.layout.header),
        )
    except (UnreadableError, OSError) as error:
        where = mapping.line(f"{source.at}.files")
        remedy = getattr(error, "remedy", "") or "Copy or make the file again"
        return [Problem(name, "", 0, where, f"cannot be read: {error}", remedy)]
    problems = []
    for field in source.fields.values():
        for column in dict.fromkeys(one for rule in field.rules for one in rule.columns):
            at = f"{source.at}.columns.{field.name}"
            if column not in header:
                message = (
                    f"names the column {column!r}, which {name} does not have{suggestion(column, header)}"
                )
                remedy = f"Use one of {', '.join(header[:30])}"
                problems.append(Problem(mapping.path.name, at, 0, mapping.line(at), message, remedy))
            elif header.count(column) > 1:
                message = f"names the column {column!r}, which {name} has {header.count(column)} times"
                problems.append(
                    Problem(mapping.path.name, at, 0, mapping.line(at), message, "Give each its own name")
                )
    return problems
