"""Declarations of columns and tables: kinds, types in memory and on disk, and rules.

pandas and pyarrow are imported where a type is asked for, so that declarations load without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from tierkit.records.label import Label

__all__ = ["KINDS", "Column", "Reference", "Table"]

Kind = Literal["id", "text", "level", "flag", "int", "float", "date", "texts", "ints"]

KINDS: Mapping[str, Label] = MappingProxyType(
    {
        "id": Label("标识", "identifier"),
        "text": Label("文本", "text"),
        "level": Label("枚举", "level"),
        "flag": Label("是否", "true or false"),
        "int": Label("整数", "integer"),
        "float": Label("小数", "number"),
        "date": Label("日期", "date"),
        "texts": Label("文本列表", "list of texts"),
        "ints": Label("整数列表", "list of integers"),
    }
)
"""What a column can hold; ``texts`` and ``ints`` are lists, joined by ``|`` in CSV."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, in which unit, and from which date its value is known.

    Parameters
    ----------
    name : str
        ASCII id of the column.
    kind : str
        One of `KINDS`.
    zh, en : str
        Labels for people.
    known_from : str or None
        Date column of the same table from which the value is known; None if it always is.
        While that date is missing the value is not known yet.
    unit : str
        Unit of a number; empty if it has none.
    levels : str or None
        Name of the level set in `Place.levels`, for kind ``level`` and lists of levels.
    ids : tuple of str
        The values of that set, in code order; `tierkit.records.tables_of` fills in those of a place.
    nullable : bool
        Whether a cell may be empty.
    required : bool
        Whether a file must have the column at all.
    low, high : float or None
        Smallest and largest value of a number, both allowed.
    positive : bool
        Whether a number must be above zero.
    bits : int
        Width of an integer in memory and in Parquet.
    future : bool
        Whether a date may lie after the dataset's ``as_of``.
    pattern : str
        Regular expression that an id must match; empty for any visible characters.
    credit_code : bool
        Whether an id is a unified social credit code whose check character is verified here.
    dated : tuple of str
        Kinds of credit event, for a list of texts that must name none: they have a day, and a list has none.
    """

    name: str
    kind: Kind
    zh: str
    en: str
    known_from: str | None = None
    unit: str = ""
    levels: str | None = None
    ids: tuple[str, ...] = ()
    nullable: bool = False
    required: bool = True
    low: float | None = None
    high: float | None = None
    positive: bool = False
    bits: int = 64
    future: bool = False
    pattern: str = ""
    credit_code: bool = False
    dated: tuple[str, ...] = ()

    @property
    def label(self) -> Label:
        """Label of the column."""
        return Label(self.zh, self.en)

    @property
    def dtype(self) -> Any:
        """The pandas dtype of the column in memory.

        Ids and texts are ``str``; levels are categorical with all declared levels; dates are
        ``datetime64[us]``; nullable flags and integers are masked (``boolean``, ``Int8``);
        lists are Arrow lists.
        """
        import pandas as pd

        if self.kind in ("id", "text"):
            return pd.StringDtype(na_value=float("nan"))
        if self.kind == "level":
            return pd.CategoricalDtype(list(self.ids))
        if self.kind == "flag":
            return pd.BooleanDtype() if self.nullable else "bool"
        if self.kind == "int":
            name = f"int{self.bits}"
            return name.capitalize() if self.nullable else name
        if self.kind == "float":
            return "float64"
        if self.kind == "date":
            return "datetime64[us]"
        return pd.ArrowDtype(self.arrow_type)

    @property
    def arrow_type(self) -> Any:
        """The Arrow type of the column in a Parquet file; levels are plain strings there."""
        import pyarrow as pa

        integers = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}
        if self.kind == "int":
            return integers[self.bits]
        if self.kind == "ints":
            return pa.list_(integers[self.bits])
        simple = {
            "flag": pa.bool_(),
            "float": pa.float64(),
            "date": pa.date32(),
            "texts": pa.list_(pa.string()),
        }
        return simple.get(self.kind, pa.large_string())


@dataclass(frozen=True, slots=True)
class Reference:
    """Columns whose values must appear in the columns of the same names of another table."""

    columns: tuple[str, ...]
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table: its columns, its key, and what must hold between its cells.

    Parameters
    ----------
    name : str
        ASCII id of the table and stem of its file.
    zh, en : str
        Labels for people.
    row : Label
        What one row is.
    key : tuple of str
        Columns that together name a row.
    columns : mapping of str to Column
        The columns in file order.
    references : tuple of Reference
        Foreign keys.
    orders : tuple of (str, str)
        Pairs of date columns of which the first is never after the second.
    together : tuple of (str, str)
        Pairs of columns that are both empty or both filled.
    decided : tuple of (str, str)
        Pairs of a level column and a date column; any level but ``none`` needs the date.
    happens_on : str
        Date column that may not lie before the enterprise's registration; empty if there is none.
    required : bool
        Whether a dataset must have the table.
    may_be_empty : bool
        Whether the table may have no rows.
    latent : bool
        Whether the table holds truth that no feature, model or ordinary policy may read.
    """

    name: str
    zh: str
    en: str
    row: Label
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    references: tuple[Reference, ...] = ()
    orders: tuple[tuple[str, str], ...] = ()
    together: tuple[tuple[str, str], ...] = ()
    decided: tuple[tuple[str, str], ...] = ()
    happens_on: str = ""
    required: bool = True
    may_be_empty: bool = False
    latent: bool = False

    def __iter__(self) -> Iterator[Column]:
        """Iterate over the columns in file order."""
        return iter(self.columns.values())

    @property
    def dtypes(self) -> dict[str, Any]:
        """The pandas dtype of each column."""
        return {column.name: column.dtype for column in self}

    @property
    def arrow_schema(self) -> Any:
        """The Arrow schema of the table's Parquet file."""
        import pyarrow as pa

        return pa.schema([(column.name, column.arrow_type) for column in self])
