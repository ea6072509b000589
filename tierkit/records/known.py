"""Views of the records as they were known before a day, cell by cell, opened once and handed on.

`known` puts the tables of a dataset into DuckDB, frames and Parquet files alike, and makes a view
``known_<table>`` of each. A view holds one row for every record of an enterprise that is asked about, if the
record was known before the day, with those cells blanked that were not known yet. Which cell is known from
when is taken from the schema, and from nowhere else: `known_sql` is the one rule. Truth is never loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from tierkit.records.columns import Column, Table
from tierkit.records.dataset import Dataset, Tables, frame_of
from tierkit.records.folder import Folder, place_of
from tierkit.records.gate import InputError, day_of, days_of, ids_of, source_of
from tierkit.records.opening import TIMED, VIEWED, Source, arrow, is_declared, raw_sql, sources
from tierkit.records.problems import DataError, Problem
from tierkit.records.rows import check_rows
from tierkit.records.tables import TABLES, tables_of

__all__ = [
    "COMPLAINANT_DAYS",
    "TIMED",
    "About",
    "Known",
    "Source",
    "check_recorded",
    "is_declared",
    "known",
    "known_sql",
    "opened",
]

About: TypeAlias = Iterable[str] | pd.DataFrame | None
"""Whom a view is asked about: ids, everybody if None, or pairs of ``enterprise_id`` and ``as_of``."""

_T = TypeVar("_T")

COMPLAINANT_DAYS = 365
"""Days before the date over which a complainant's complaints in the whole city are counted."""


def _cell(table: Table, column: Column) -> str:
    """Return the SQL of a cell: the value, or what stands in its place while it is not known.

    What is decided later stands at "none" until then, in the contract's own words; all else is empty.
    """
    if column.known_from in (None, table.columns["enterprise_id"].known_from):
        return f't."{column.name}"'
    until = " ELSE 'none'" if (column.name, column.known_from) in table.decided else ""
    return f'CASE WHEN t."{column.known_from}" < a.as_of THEN t."{column.name}"{until} END AS "{column.name}"'


def known_sql(table: str) -> str:
    """Return the query of a view: the rows of a table known before the date of each row of ``asked``.

    A row whose day may be unknown, and is, counts as known before every date.

    Parameters
    ----------
    table : str
        One of `TIMED`, or ``tiers``.

    Returns
    -------
    str
        SQL over ``asked`` (``row``, ``enterprise_id``, ``as_of``) and ``raw_<table>``.

    Examples
    --------
    >>> print(known_sql("signals"))
    SELECT a."row", a.as_of, t."signal_id", t."enterprise_id", t."agency", t."kind", t."raised_on"
    FROM asked a JOIN raw_signals t ON t.enterprise_id = a.enterprise_id
    WHERE t."raised_on" < a.as_of
    >>> 'CASE WHEN t."repaired_on" < a.as_of THEN t."repaired_on" END' in known_sql("credit_events")
    True
    >>> "ELSE 'none' END AS" in known_sql("inspections")
    True
    """
    spec = TABLES[table]
    since = spec.columns["enterprise_id"].known_from
    if since is None:
        raise ValueError(f"The rows of '{table}' carry no date from which they are known.")
    cells = ", ".join(_cell(spec, column) for column in spec)
    ever = f' OR t."{since}" IS NULL' if spec.columns[since].nullable else ""
    return (
        f'SELECT a."row", a.as_of, {cells}\n'
        f"FROM asked a JOIN raw_{table} t ON t.enterprise_id = a.enterprise_id\n"
        f'WHERE t."{since}" < a.as_of{ever}'
    )


# How many complaints a complainant had made in the city in the year before the date: a running count, read
# twice. It uses complaints of other enterprises, so it is taken from the whole table.
_COMPLAINANTS = """
CREATE TEMP TABLE complainant_days AS
SELECT complainant, received_on, CAST(sum(count(*)) OVER (
    PARTITION BY complainant ORDER BY received_on) AS BIGINT) AS made
FROM raw_complaints GROUP BY complainant, received_on
"""
_COMPLAINTS = f"""
CREATE TEMP VIEW known_complaints AS
WITH mine AS (SELECT *, as_of - {COMPLAINANT_DAYS} AS since FROM ({{known}}))
SELECT m.* EXCLUDE (since), coalesce(late.made, 0) - coalesce(early.made, 0) AS by_complainant
FROM mine m
ASOF LEFT JOIN complainant_days late ON m.complainant = late.complainant AND m.as_of > late.received_on
ASOF LEFT JOIN complainant_days early ON m.complainant = early.complainant AND m.since > early.received_on
"""


class Known:
    """Records as they were known before a day; made by `known`.

    Nothing is kept of what was asked before: every method tells about the ids, or the pairs of enterprise and
    day, that are passed to it.

    Attributes
    ----------
    source : Dataset, mapping or path
        What was opened.
    place : Place
        The place whose levels the records hold.
    until : date or None
        The day up to which there are records, if that is known.
    threads : int
    """

    def __init__(self, source: Source, as_of: date | None = None, threads: int = 1) -> None:
        import duckdb  # takes as long to load as all the rest of this room

        self.source, self.threads, self._day = source, threads, as_of
        self._tables, self._folder = sources(source)
        recorded = source if isinstance(source, Dataset) else self._folder
        self.until: date | None = None if recorded is None else recorded.as_of
        self.place = place_of(source)
        if as_of is not None:
            check_recorded(as_of, self.until)
        self._base = duckdb.connect(
            config={
                "threads": threads,
                "preserve_insertion_order": "true",
                "autoinstall_known_extensions": "false",  # nothing is fetched while scoring
                "autoload_known_extensions": "false",
            }
        )
        self._errors = (duckdb.IOException, duckdb.InvalidInputException, duckdb.ConversionException)
        self._any_error = duckdb.Error
        self._named: set[str] = set()

    @property
    def day(self) -> date:
        """The day before which things are known, where pairs do not name days of their own."""
        if self._day is None:
            raise InputError("The 'as_of' is missing: the records were opened without a day. Give one.")
        return self._day

    def __repr__(self) -> str:
        """Return what is seen, and as of when."""
        named = isinstance(self.source, str | os.PathLike)
        what = str(self.source) if named else type(self.source).__name__
        return f"Known({what}, before {self._day or 'the day of each pair'})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the tables."""
        self._base.close()

    def ids(self, ids: Iterable[str] | None = None) -> pd.Series:
        """Return the ids asked about, in that order; if None, all, in the order of their table.

        Raises
        ------
        DataError
            If the dataset does not have one of them.
        """
        if ids is None:
            return self.query("SELECT enterprise_id FROM raw_enterprises", ())["enterprise_id"]
        wanted = pd.Series(ids_of(ids), dtype="str")
        sql = "SELECT enterprise_id FROM raw_enterprises SEMI JOIN asked USING (enterprise_id)"
        unknown = wanted[~wanted.isin(self.query(sql, wanted)["enterprise_id"])]
        if len(unknown):
            examples = tuple(map(str, unknown.iloc[:3]))
            message, remedy = "is not in the dataset", "Give ids of the table 'enterprises'."
            problem = Problem("enterprises", "enterprise_id", len(unknown), examples, message, remedy)
            raise DataError([problem])
        return wanted

    def rows(self, table: str, about: About = None) -> pd.DataFrame:
        """Return the records of enterprises in a table, as they were known.

        Parameters
        ----------
        table : str
            One of `TIMED`, or ``tiers``.
        about : iterable of str, or DataFrame, optional
            Ids, or pairs of ``enterprise_id`` and ``as_of``; everybody if absent.

        Returns
        -------
        DataFrame
            The table's columns in their declared types, in the order asked, then by key.
        """
        spec = tables_of(self.place)[table]
        columns = ", ".join(f'"{column.name}"' for column in spec)
        keys = ", ".join(f'"{name}"' for name in spec.key)
        sql = f'SELECT {columns} FROM known_{table} ORDER BY "row", {keys}'
        found = self._answer(sql, about, lambda base: base.sql(sql).to_arrow_table())
        return frame_of(check_rows(found, spec))

    def tables(self, about: About = None) -> Tables:
        """Return all records that features may use, as they were known, by table."""
        return Tables({name: self.rows(name, about) for name in TIMED}, self.place)

    def query(self, sql: str, about: About = None) -> pd.DataFrame:
        """Return the answer to a query over the views.

        Parameters
        ----------
        sql : str
            Over ``known_<table>``, what was known of those asked about; ``asked``, who they are (``row``, the
            number of the id or pair from 0, ``enterprise_id``, ``as_of``); and ``raw_<table>``, in which
            nothing is hidden.
        about : iterable of str, or DataFrame, optional
            Ids, or pairs of ``enterprise_id`` and ``as_of``; everybody if absent.

        Raises
        ------
        DataError
            If a date lies after the end of the records, or a file cannot be read to its end.
        """
        # Not through a relation, which plans a query twice: once to tell its columns, once to run it.
        answer: pd.DataFrame = self._answer(sql, about, lambda base: base.execute(sql).df())
        return answer

    def _answer(self, sql: str, about: About, fetch: Callable[[Any], _T]) -> _T:
        # What is never hidden can be asked for without a day.
        by_pair = isinstance(about, pd.DataFrame)
        asked = self._asked(about, self._day if by_pair or "known_" not in sql else self.day)
        try:
            if "asked" in self._named:
                self._base.unregister("asked")
            self._base.register("asked", asked)
            self._named.add("asked")
            for name in VIEWED:  # a table is opened when a query first names it
                if f"known_{name}" in sql or f"raw_{name}" in sql:
                    self._name(name)
            return fetch(self._base)
        except self._any_error as error:
            # What DuckDB has no name for comes of a file whose inner structure is damaged.
            if not isinstance(error, self._errors) and type(error) is not self._any_error:
                raise
            reason = str(error).splitlines()[0]
            remedy = "Copy or make the dataset again."
            raise DataError([Problem("", "", 0, (), f"a table cannot be read: {reason}", remedy)]) from error

    def _asked(self, about: About, day: date | None) -> Any:
        """Return who is asked about, and as of when."""
        if isinstance(about, pd.DataFrame):
            days, ids = days_of(about["as_of"]), about["enterprise_id"]
            if days.size:
                check_recorded(days.max().item(), self.until)
        else:
            ids = self.ids() if about is None else pd.Series(about, dtype="str")
            days = np.full(len(ids), day, "datetime64[D]")
        names = pa.array(ids.astype("object"), pa.string())
        return pa.table({"row": np.arange(len(ids)), "enterprise_id": names, "as_of": days})

    def _name(self, table: str) -> None:
        """Give a table its names in the database."""
        if table in self._named:
            return
        source = self._tables.get(table)
        if isinstance(source, Path) and not isinstance(self.source, Tables):  # which were sorted before
            folder = self._folder or Folder(source.parent, {table: source}, {}, (), self.place)
            if is_declared(source, TABLES[table], self._base):
                folder.check(folder.tables[table])  # DuckDB reads it then, and verifies no checksum
            else:
                source = folder.read(folder.tables[table])
        if isinstance(source, Path):
            self._base.execute(f"CREATE TEMP VIEW raw_{table} AS {raw_sql(source, TABLES[table])}")
        else:
            self._base.register(f"raw_{table}", arrow(source, table, self.place))
        if table == "complaints":
            self._base.execute(_COMPLAINANTS)
            self._base.execute(_COMPLAINTS.format(known=known_sql(table)))
        else:
            self._base.execute(f"CREATE TEMP VIEW known_{table} AS {known_sql(table)}")
        self._named.add(table)


def known(data: Source, as_of: date | str | None = None, *, threads: int = 1) -> Known:
    """Open the records as they were known before a day.

    Parameters
    ----------
    data : Dataset, mapping or path
        Frames by table name (or Parquet files of the declared types by table name), or a folder of Parquet
        files, which DuckDB then reads itself, or of CSV files.
    as_of : date, optional
        Cells known on this day or later are not seen. Without it only pairs of enterprise and day can be
        asked about.
    threads : int
        Threads of DuckDB; no result depends on it.

    Returns
    -------
    Known
        To be closed, or used in a ``with`` statement.

    Raises
    ------
    InputError
        If ``as_of`` is no day.
    DataError
        If the folder cannot be read, or the records end before that day.

    Examples
    --------
    >>> signals = pd.DataFrame({"signal_id": ["s1", "s2"], "enterprise_id": "e1", "agency": "fire",
    ...                         "kind": "incident", "raised_on": ["2024-01-05", "2024-02-01"]})
    >>> with known({"signals": signals}, "2024-02-01") as seen:
    ...     seen.rows("signals", ["e1"])["signal_id"].tolist()
    ['s1']
    """
    return Known(source_of(data), None if as_of is None else day_of(as_of), threads)


def opened(
    data: Source | Known, as_of: date | str | None = None, *, threads: int = 1
) -> AbstractContextManager[Known]:
    """Open records for the time of a ``with`` statement; those that are open already stay open after it.

    Raises
    ------
    InputError
        If ``data`` is open as of another day than ``as_of``.
    """
    if not isinstance(data, Known):
        return known(data, as_of, threads=threads)
    if as_of is not None and day_of(as_of) != data.day:
        message = f"The records are open as of {data.day}, not as of {day_of(as_of)}. Open them again."
        raise InputError(message)
    return nullcontext(data)


def check_recorded(as_of: date, until: date | None) -> None:
    """Raise if a date is after the end of the records, since missing records would count as no events.

    Parameters
    ----------
    as_of : date
        The day before which things are to be known.
    until : date or None
        The day up to which there are records, if that is known.

    Raises
    ------
    DataError

    Examples
    --------
    >>> check_recorded(date(2024, 12, 30), until=date(2024, 12, 30))
    """
    if until is not None and as_of > until:
        message = f"no records reach to {as_of}: they end on {until}"
        raise DataError([Problem("", "as_of", 0, (), message, f"Give a date up to {until}.")])
