"""Files of tables, Parquet and CSV: written completely or not at all, with reproducible bytes."""

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tierkit.bounds import UnreadableError
from tierkit.folders import file_sha256
from tierkit.records.columns import Table
from tierkit.records.csv_files import Malformed, read_csv, write_csv
from tierkit.records.parquet import PARQUET_OPTIONS, ROW_GROUP, parts, read_chunks

__all__ = [
    "FORMATS",
    "Malformed",
    "MalformedRowsError",
    "UnreadableError",
    "load_file",
    "save_file",
    "sha256",
]

FORMATS = ("parquet", "csv", "csv.gz")


class MalformedRowsError(UnreadableError):
    """A CSV with rows that have another number of fields than its header; ``rows`` are all of them."""

    def __init__(self, rows: Iterable[Malformed]) -> None:
        self.rows = tuple(rows)
        super().__init__("; ".join(f"row {one.row} has {one}" for one in self.rows[:3]))


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal; of a folder of parts, that of their names and hashes.

    Raises
    ------
    UnreadableError
        As from `parts`.
    """
    found = parts(path)
    if path.is_dir():
        listed = "".join(f"{part.name} {sha256(part)}\n" for part in found)
        return hashlib.sha256(listed.encode()).hexdigest()
    return file_sha256(path)


def save_file(data: Any, table: Table, path: Path, format: str) -> None:
    """Write an Arrow table in one of `FORMATS`; the same table gives the same bytes."""
    if format == "parquet":
        pq.write_table(data, path, row_group_size=ROW_GROUP, **PARQUET_OPTIONS)
    elif format == "csv":
        with path.open("wb") as file:
            write_csv(data, table, file)
    else:
        # no name and no time in the header, which would differ from one writing to the next
        with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
            write_csv(data, table, packed)


def load_file(
    path: Path, table: Table, rows: int | None = None, malformed: list[Malformed] | None = None
) -> Iterator[Any]:
    """Read a file as Arrow tables of at most ``rows`` rows, or as one, with its own types; a CSV is all text.

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
    if path.suffix == ".parquet" or path.is_dir():
        levels = [column.name for column in table if column.kind == "level"]
        yield from read_chunks(path, rows, levels)
        return
    read = read_csv(path, table, rows, bad)
    try:
        for part in read:
            if bad and malformed is None:
                continue  # to its end, to count them
            part.validate(full=True)
            yield part
    except UnreadableError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UnreadableError(reason[0][:200].rstrip(".")) from error
    if bad and malformed is None:
        raise MalformedRowsError(bad)
