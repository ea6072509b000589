"""Files of tables, Parquet and CSV: written completely or not at all, with reproducible bytes."""

import csv
import gzip
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq

from tierkit.records.columns import Table

__all__ = [
    "FORMATS",
    "PARQUET_OPTIONS",
    "ROW_GROUP",
    "Malformed",
    "MalformedRowsError",
    "UnreadableError",
    "flush",
    "load_file",
    "replacing",
    "save_file",
    "sha256",
]

FORMATS = ("parquet", "csv", "csv.gz")
ROW_GROUP = 1 << 17
"""Rows in a row group of a Parquet file: fixed, so that the bytes do not depend on the writer."""

PARQUET_OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "version": "2.6",
        "compression": "zstd",
        "compression_level": 3,
        "store_schema": False,  # plain types only: what other tools read is what we read
        "write_page_checksum": True,
    }
)
"""How Parquet is written: no times, no names of machines, every page with its checksum."""

# What a spreadsheet takes for a formula (full-width signs too) or lets slip into the next cell, after any
# number of apostrophes: so that one can be put before it, and taken away again, whatever was there.
_FORMULA = r"('*(?:[ \x{A0}\x{3000}]*[=+\-@＝＋－＠]|[\t\r\n]))"
_WORDS = ("id", "text", "texts")


class UnreadableError(ValueError):
    """A file that is not what its name says: truncated, corrupted or of another format."""


class Malformed(NamedTuple):
    """A row of a CSV with another number of fields than its header.

    ``row`` counts from 1, the first below the header; empty lines do not count.
    """

    row: int
    fields: int
    expected: int
    text: str

    def __str__(self) -> str:
        """Return a short description with the beginning of the row."""
        shown = self.text if len(self.text) <= 40 else f"{self.text[:39]}…"
        return f"{self.fields} field{'s' * (self.fields != 1)} instead of {self.expected}: {shown!r}"


class MalformedRowsError(UnreadableError):
    """A CSV with rows that have another number of fields than its header; ``rows`` are all of them."""

    def __init__(self, rows: Iterable[Malformed]) -> None:
        self.rows = tuple(rows)
        super().__init__("; ".join(f"row {one.row} has {one}" for one in self.rows[:3]))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` only if the block succeeds.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replacing(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text(), len(list(path.parent.iterdir()))
    ('whole', 1)
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        flush(temporary)  # the bytes reach the disk before the name does
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Flush a file to disk, so that a full disk raises here."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_file(data: Any, table: Table, path: Path, format: str) -> None:
    """Write an Arrow table in one of `FORMATS`; the same table gives the same bytes."""
    if format == "parquet":
        pq.write_table(data, path, row_group_size=ROW_GROUP, **PARQUET_OPTIONS)
    elif format == "csv":
        _write_csv(data, table, path)
    else:
        # no name and no time in the header, which would differ from one writing to the next
        with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            _write_csv(data, table, packed)


def load_file(
    path: Path, table: Table, rows: int | None = None, malformed: list[Malformed] | None = None
) -> Iterator[Any]:
    """Read a file as Arrow tables of ``rows`` rows, or as one, with the types that it has; a CSV is all text.

    At least one table comes, if need be without rows. Rows of a CSV with another number of fields than its
    header are left out and added to ``malformed``, if that is given, before the first table comes.

    Raises
    ------
    MalformedRowsError
        If there are such rows, and nobody asked for them.
    UnreadableError
        If the file cannot be read to its end.
    """
    bad: list[Malformed] = [] if malformed is None else malformed
    read = (
        _read_parquet(path, table, rows) if path.suffix == ".parquet" else _read_csv(path, table, rows, bad)
    )
    try:
        for part in read:
            if bad and malformed is None:
                raise MalformedRowsError(bad)
            part.validate(full=True)
            yield part
    except UnreadableError:
        raise
    except (pa.ArrowException, OSError, EOFError, ValueError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UnreadableError(reason[0][:200].rstrip(".")) from error


def _read_parquet(path: Path, table: Table, rows: int | None) -> Iterator[Any]:
    with pq.ParquetFile(path) as file:
        there = set(file.schema_arrow.names)
    levels = [column.name for column in table if column.kind == "level" and column.name in there]
    # levels stay codes and names, which saves most of the memory of an inspection
    with pq.ParquetFile(path, read_dictionary=levels, page_checksum_verification=True) as file:
        if rows is None or file.metadata.num_rows <= rows:
            yield file.read()
        else:
            for batch in file.iter_batches(rows):
                yield pa.Table.from_batches([batch])


def _write_csv(data: Any, table: Table, target: Any) -> None:
    columns = []
    for name in data.column_names:
        column, values = table.columns[name], data.column(name)
        if column.kind in ("texts", "ints"):
            values = pc.binary_join(pc.cast(values, pa.list_(pa.string())), "|")
        if column.kind in _WORDS:
            values = pc.replace_substring_regex(values, "^" + _FORMULA, r"'\1")
        columns.append(values)
    options = pv.WriteOptions(quoting_style="needed", quoting_header="none")
    pv.write_csv(pa.table(columns, data.column_names), target, options)


def _read_csv(path: Path, table: Table, rows: int | None, malformed: list[Malformed]) -> Iterator[Any]:
    opened = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as head:
        names = next(csv.reader(head), [])
    convert = pv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.large_string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,  # "" is an empty text, nothing at all is an empty cell
        null_values=[""],
    )

    def set_aside(row: Any) -> str:
        malformed.append(Malformed(row.number - 1, row.actual_columns, row.expected_columns, row.text))
        return "skip"

    with opened(path, "rb") as stream:
        parse = pv.ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside)
        # One thread: others do not know the numbers of rows, and gain nothing where values hold newlines.
        data = pv.read_csv(
            stream,
            read_options=pv.ReadOptions(use_threads=False),
            parse_options=parse,
            convert_options=convert,
        )
    for at, name in enumerate(data.column_names):
        column, values = table.columns.get(name), data.column(at)
        if column is not None and column.kind in _WORDS:
            values = pc.replace_substring_regex(values, "^'" + _FORMULA, r"\1")
        if column is not None and column.kind in ("texts", "ints") and not column.nullable:
            values = pc.fill_null(values, "")  # an empty cell is an empty list
        data = data.set_column(at, name, values)
    for start in range(0, max(data.num_rows, 1), rows or max(data.num_rows, 1)):
        yield data.slice(start, rows)
