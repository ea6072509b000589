"""Datasets in memory: tables by name, each with its declared columns and types."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tierkit.records.columns import Column
from tierkit.records.problems import DataError
from tierkit.records.rows import Rows, cell_problems, check_rows
from tierkit.records.tables import TABLES

__all__ = ["Dataset", "arrow_table", "conform", "empty", "frame_of"]


class Dataset(Mapping[str, pd.DataFrame]):
    """Tables by name, with the manifest that describes them; the mapping itself is frozen.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Frames by table name.
    manifest : mapping or None
        What is known about the whole: seed, start, ``as_of`` and so on.

    Examples
    --------
    >>> data = Dataset({"agencies": empty("agencies")}, {"as_of": "2024-12-30"})
    >>> data, data.as_of
    (Dataset(agencies: 0), datetime.date(2024, 12, 30))
    """

    __slots__ = ("_manifest", "_tables")

    def __init__(self, tables: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any] | None = None) -> None:
        ordered = {name: tables[name] for name in TABLES if name in tables}
        self._tables = MappingProxyType(ordered | dict(tables))
        self._manifest = MappingProxyType(dict(manifest or {}))

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        return "Dataset(" + ", ".join(f"{name}: {len(frame):,}" for name, frame in self.items()) + ")"

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What is known about the whole."""
        return self._manifest

    @property
    def as_of(self) -> date | None:
        """The day up to which there are records, if the manifest says."""
        value = self._manifest.get("as_of")
        return None if value is None else date.fromisoformat(str(value))

    def without(self, names: Iterable[str]) -> "Dataset":
        """Return the dataset without some tables, for instance without those that are latent."""
        dropped = set(names)
        return Dataset({name: frame for name, frame in self.items() if name not in dropped}, self._manifest)


def empty(table: str) -> pd.DataFrame:
    """Return a frame of the table with its declared columns and types and no rows.

    Examples
    --------
    >>> list(empty("agencies"))
    ['agency', 'name_zh', 'name_en', 'level', 'core', 'capacity']
    """
    return pd.DataFrame({column.name: pd.Series([], dtype=column.dtype) for column in TABLES[table]})


def conform(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return the frame with the declared columns, in their order, cast to the declared types.

    Columns that may be empty and are absent come back empty; those that a file need not have stay away.

    Parameters
    ----------
    frame : DataFrame, shape (n, columns)
        Any types that can be read as the declared ones: texts for dates, lists for lists, and so on.
    table : str
        Name of the table.

    Returns
    -------
    DataFrame, shape (n, declared columns)
        With a new index from 0.

    Raises
    ------
    DataError
        If a column is missing or undeclared, or a cell cannot be kept in the declared type: an unknown level,
        say, or no value where there must be one. All are listed. Ranges and dates are left to `validate`.

    Examples
    --------
    >>> frame = pd.DataFrame({"complainant": ["c1"], "professional": ["true"]})
    >>> conform(frame, "truth_complainants").dtypes.tolist()
    [<StringDtype(na_value=nan)>, dtype('bool')]
    """
    return frame_of(_cast(frame, table))


def frame_of(rows: Rows) -> pd.DataFrame:
    """Return checked rows as a frame, in the declared types."""
    columns = {name: _series(cells.array, rows.table.columns[name]) for name, cells in rows.cells.items()}
    return pd.DataFrame(columns, index=pd.RangeIndex(rows.size))


def arrow_table(frame: pd.DataFrame, table: str) -> Any:
    """Return the frame, conformed, as an Arrow table with the types of a file.

    Raises
    ------
    DataError
        As `conform` does.
    """
    spec = TABLES[table]
    cells = _cast(frame, table).cells
    schema = pa.schema([(name, spec.columns[name].arrow_type) for name in cells])
    return pa.table([pc.cast(cells[field.name].array, field.type) for field in schema], schema=schema)


def _cast(frame: pd.DataFrame, table: str) -> Rows:
    spec = TABLES[table]
    absent = [c for c in spec if c.nullable and c.required and c.name not in frame.columns]
    if absent:
        frame = frame.assign(**{c.name: pd.Series(None, index=frame.index, dtype=c.dtype) for c in absent})
    rows = check_rows(frame, spec)
    problems = cell_problems(rows, lost_only=True)
    if problems:
        raise DataError(problems)
    return rows


def _series(values: Any, column: Column) -> "pd.Series[Any]":
    if column.kind in ("id", "text"):
        data: Any = pd.array(values, dtype=column.dtype)
    elif column.kind == "level":
        data = pd.Categorical.from_codes(_codes(values), dtype=column.dtype)
    elif column.kind == "date":
        data = pc.cast(values, pa.timestamp("us")).to_numpy(zero_copy_only=False)
    elif column.kind in ("texts", "ints"):
        data = pd.arrays.ArrowExtensionArray(values)
    elif column.nullable and column.kind != "float":
        masked: Any = pd.api.types.pandas_dtype(column.dtype)
        data = masked.__from_arrow__(values)
    else:
        data = values.to_numpy(zero_copy_only=False)
    series: pd.Series[Any] = pd.Series(data, dtype=column.dtype)
    return series


def _codes(values: Any) -> Any:
    return pc.fill_null(values.indices, -1).to_numpy(zero_copy_only=False)
