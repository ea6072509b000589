"""Views of the records as they were known before a date, cell by cell.

`Timeline` puts the tables of a dataset into DuckDB, frames and Parquet files alike, and makes a view
``known_<table>`` of each. A view holds one row for every record of an enterprise that was known before the
date that is asked about, with those cells blanked that were not known yet. Which cell is known from when is
taken from the schema, and from nowhere else. Truth is never loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tierkit.records import TABLES, Column, DataError, Dataset, Place, Problem, Table, read_dataset
from tierkit.records.dataset import arrow_table, empty
from tierkit.records.folder import open_folder, place_of

__all__ = ["COMPLAINANT_DAYS", "TIMED", "Source", "Timeline", "check_recorded", "is_declared", "known_sql"]

Source: TypeAlias = Dataset | Mapping[str, Any] | str | os.PathLike[str]
"""What features can be taken from: a dataset in memory, or a folder."""

TIMED = ("enterprises", "obligations", "inspections", "credit_events", "complaints", "signals")
"""Tables that have a view: those of records of an enterprise that features may use."""

COMPLAINANT_DAYS = 365
"""Days before the date over which a complainant's complaints in the whole city are counted."""


def _cell(column: Column, known: str) -> str:
    """Return the SQL of a cell: its value, or null while it is not known."""
    if column.known_from in (None, known):
        return f't."{column.name}"'
    return f'CASE WHEN t."{column.known_from}" < a.as_of THEN t."{column.name}" END AS "{column.name}"'


def known_sql(table: str) -> str:
    """Return the query of a view: the rows of a table known before the date of each row of ``asked``.

    Parameters
    ----------
    table : str
        One of `TIMED`.

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
    """
    spec = TABLES[table]
    known = spec.columns["enterprise_id"].known_from
    if known is None:
        raise ValueError(f"The rows of '{table}' carry no date from which they are known.")
    cells = ", ".join(_cell(column, known) for column in spec)
    return (
        f'SELECT a."row", a.as_of, {cells}\n'
        f"FROM asked a JOIN raw_{table} t ON t.enterprise_id = a.enterprise_id\n"
        f'WHERE t."{known}" < a.as_of'
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


class Timeline:
    """A dataset seen from any date before which nothing later is known.

    Parameters
    ----------
    data : Dataset, mapping or path
        Frames by table name (or Parquet files of the declared types by table name), or a folder of Parquet
        files, which DuckDB then reads itself, or of CSV files.
    threads : int
        Threads of DuckDB; no result depends on it.
    place : Place or None
        The place whose levels the records hold; that of the data if None.

    Examples
    --------
    >>> signals = pd.DataFrame({"signal_id": ["s1", "s2"], "enterprise_id": "e1", "agency": "fire",
    ...                         "kind": "incident", "raised_on": ["2024-01-05", "2024-02-01"]})
    >>> with Timeline({"signals": signals}) as timeline:
    ...     timeline.ask(pd.DataFrame({"enterprise_id": ["e1"], "as_of": "2024-02-01"}))
    ...     timeline.query("SELECT signal_id FROM known_signals")["signal_id"].tolist()
    ['s1']
    """

    def __init__(self, data: Source, threads: int = 1, place: Place | None = None) -> None:
        self.place = place_of(data) if place is None else place
        self._base = duckdb.connect(
            config={
                "threads": threads,
                "preserve_insertion_order": "true",
                "autoinstall_known_extensions": "false",  # nothing is fetched while scoring
                "autoload_known_extensions": "false",
            }
        )
        sources, self._until = _sources(data, self.place)
        for table, source in sources.items():
            if isinstance(source, Path):
                escaped = str(source).replace("'", "''")
                self._base.execute(f"CREATE TEMP VIEW raw_{table} AS SELECT * FROM read_parquet('{escaped}')")
            else:
                self._base.register(f"raw_{table}", source)
        self._base.execute(_COMPLAINANTS)
        self._viewed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the tables."""
        self._base.close()

    def ids(self) -> pd.Series:
        """Return the ids of all enterprises, in the order of their table."""
        return self.query("SELECT enterprise_id FROM raw_enterprises")["enterprise_id"]

    def ask(self, pairs: pd.DataFrame) -> None:
        """Say about which enterprises and dates the views are to tell.

        Parameters
        ----------
        pairs : DataFrame of shape (n, any)
            Columns ``enterprise_id`` and ``as_of``. A pair's number, from 0, is ``row`` in the views.

        Raises
        ------
        DataError
            If a date lies after the end of the records.
        """
        days = pd.to_datetime(pairs["as_of"]).to_numpy().astype("datetime64[D]")
        if days.size:
            check_recorded(days.max().item(), self._until)
        asked = pa.table(
            {
                "row": pa.array(range(len(pairs)), pa.int64()),
                "enterprise_id": pa.array(pairs["enterprise_id"].astype("object"), pa.string()),
                "as_of": pa.array(days, pa.date32()),
            }
        )
        if self._viewed:
            self._base.unregister("asked")
        self._base.register("asked", asked)
        if not self._viewed:
            for table in TIMED:
                if table == "complaints":
                    self._base.execute(_COMPLAINTS.format(known=known_sql(table)))
                else:
                    self._base.execute(f"CREATE TEMP VIEW known_{table} AS {known_sql(table)}")
            self._viewed = True

    def query(self, sql: str) -> pd.DataFrame:
        """Return the answer to a query over the views.

        Raises
        ------
        DataError
            If a file behind them cannot be read to its end.
        """
        try:
            return self._base.execute(sql).df()
        except (duckdb.IOException, duckdb.InvalidInputException, duckdb.ConversionException) as error:
            reason = str(error).splitlines()[0]
            remedy = "Copy or make the dataset again."
            raise DataError([Problem("", "", 0, (), f"a table cannot be read: {reason}", remedy)]) from error


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


def _sources(data: Source, place: Place) -> tuple[dict[str, Any], date | None]:
    """Return each timed table as a Parquet file or an Arrow table, and the day up to which there are records.

    A table that is absent is empty.
    """
    if isinstance(data, Mapping):
        given = {
            name: data[name] if isinstance(data.get(name), Path) else _arrow(data.get(name), name, place)
            for name in TIMED
        }
        return given, data.as_of if isinstance(data, Dataset) else None
    folder = open_folder(data)
    problems: Iterable[Problem] = [
        p for p in folder.problems if p.table in ("", "manifest.json", "place.toml", *TIMED)
    ]
    if "enterprises" not in folder.files:
        remedy = "Give a folder that holds at least this table."
        problems = [*problems, Problem("enterprises", "", 0, (), "is missing", remedy)]
    if problems:
        raise DataError(problems)
    there = [name for name in TIMED if name in folder.files]
    # What is not Parquet, or not of the declared types, is read and cast here.
    texts = [name for name in there if not is_declared(folder.files[name], TABLES[name])]
    read = read_dataset(data, texts) if texts else {}
    found = {
        name: folder.files[name]
        if name in there and name not in texts
        else _arrow(read.get(name), name, place)
        for name in TIMED
    }
    return found, folder.as_of


def is_declared(path: Path, table: Table) -> bool:
    """Return whether a file is Parquet and holds the table's columns in the declared types."""
    if path.suffix != ".parquet":
        return False
    try:
        found = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        message, remedy = f"{path.name} cannot be read: {reason}", "Copy or make the file again."
        raise DataError([Problem(table.name, "", 0, (), message, remedy)]) from error
    types = {name: found.field(name).type for name in found.names}
    return all(types.get(column.name) == column.arrow_type for column in table)


def _arrow(frame: Any, table: str, place: Place) -> Any:
    return arrow_table(empty(table, place) if frame is None else frame, table, place)
