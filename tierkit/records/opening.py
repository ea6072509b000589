"""What records are opened from: frames, Parquet files that DuckDB reads itself, and folders of both."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from tierkit.bounds import UnreadableError
from tierkit.records.columns import Column, Table
from tierkit.records.dataset import Dataset, arrow_table, empty
from tierkit.records.folder import Folder, open_folder, unreadable
from tierkit.records.parquet import is_sound_inside, literal_path, parquet_schemas, parts
from tierkit.records.places import Place
from tierkit.records.problems import DataError, Problem
from tierkit.records.tables import TABLES

__all__ = ["TIMED", "VIEWED", "Source", "arrow", "is_declared", "raw_sql", "sources"]

Source: TypeAlias = Dataset | Mapping[str, Any] | str | os.PathLike[str]
"""What can be opened: a dataset in memory, frames or Parquet files by table name, or a folder."""

TIMED = ("enterprises", "obligations", "inspections", "credit_events", "complaints", "signals")
"""Tables of records of an enterprise that features may use."""

VIEWED = (*TIMED, "tiers")
"""Tables that have a view: these, and the past tiers."""


def raw_sql(path: Path, table: Table) -> str:
    """Return the query of a table as it lies, in which what is empty is NULL: Parquet may hold NaN.

    Infinite numbers were refused before. DuckDB takes ``isnan`` for false where statistics name no NaN. It
    takes a path for a pattern, and ``sector=food`` in it for the values of a column, unless told otherwise.
    """
    literal = [literal_path(part).replace("'", "''") for part in parts(path)]
    files = ", ".join(f"'{one}'" for one in literal)
    there = {name for schema in parquet_schemas(path) for name in schema.names}
    columns = ", ".join(_cell_sql(one) if one.name in there else _absent_sql(one) for one in table)
    return f"SELECT {columns} FROM read_parquet([{files}], union_by_name = true, hive_partitioning = false)"


def _cell_sql(column: Column) -> str:
    name = f'"{column.name}"'
    return f"CASE WHEN isfinite({name}) THEN {name} END AS {name}" if column.kind == "float" else name


def _absent_sql(column: Column) -> str:
    """Return the cells of a column that a file need not have, and has not."""
    kind = {"float": "DOUBLE", "date": "DATE"}.get(column.kind, "VARCHAR")
    return f'CAST(NULL AS {kind}) AS "{column.name}"'


def sources(data: Source) -> tuple[dict[str, Any], Folder | None]:
    """Return each table that has a view as a file or a frame, and the folder that they are from.

    A table that is absent is empty.
    """
    if isinstance(data, Mapping):
        return {name: data[name] for name in VIEWED if name in data}, None
    folder = open_folder(data)
    problems: Iterable[Problem] = [
        p for p in folder.problems if p.table in ("", "manifest.json", "place.toml", *TIMED)
    ]
    if "enterprises" not in folder.files:
        remedy = "Give a folder that holds at least this table."
        problems = [*problems, Problem("enterprises", "", 0, (), "is missing", remedy)]
    if problems:
        raise DataError(problems)
    return {name: folder.files[name] for name in VIEWED if name in folder.files}, folder


def is_declared(path: Path, table: Table, base: Any) -> bool:
    """Return whether a file, or each part of a folder, is sound Parquet in the declared types.

    ``base`` is a connection of DuckDB's.
    """
    if path.suffix != ".parquet" and not path.is_dir():
        return False
    try:
        found = parquet_schemas(path)
    except UnreadableError as error:
        raise DataError([unreadable(table, path, error)]) from error
    typed = all(
        (one.name not in schema.names and not one.required)
        or (
            schema.names.count(one.name) == 1
            and _stored(schema.field(one.name).type) == _stored(one.arrow_type)
        )
        for schema in found
        for one in table
    )
    return typed and is_sound_inside(path, base)


def _stored(kind: Any) -> Any:
    """Return the type as which Parquet stores one: it has one kind of text, however long."""
    return pa.string() if pa.types.is_large_string(kind) else kind


def arrow(frame: Any, table: str, place: Place) -> Any:
    """Return a table in memory as an Arrow table with every column; what it need not have is empty."""
    found = arrow_table(empty(table, place) if frame is None else frame, table, place)
    for one in TABLES[table]:
        if one.name not in found.column_names:
            found = found.append_column(one.name, pa.nulls(len(found), one.arrow_type))
    return found
