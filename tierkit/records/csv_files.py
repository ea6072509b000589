"""Tables as CSV: written so that a spreadsheet shows them as they are, and read in blocks of bounded size."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from tierkit.bounds import CSV_BLOCK, CSV_HEADER, MALFORMED, CsvBytes, UnreadableError
from tierkit.records.columns import Table
from tierkit.spreadsheets import BOM, TAKEN

__all__ = ["Malformed", "read_csv", "write_csv"]

_WORDS = ("id", "text", "texts")
_SHOWN = 1_000  # characters kept of a row that is set aside
_TOGETHER = 64  # blocks that make one table at most, however long their rows are


class Malformed(NamedTuple):
    """A row of a CSV with another number of fields than its header.

    ``row`` counts from 1, the first below the header; empty lines do not count. ``text`` is its beginning.
    """

    row: int
    fields: int
    expected: int
    text: str

    def __str__(self) -> str:
        """Return a short description with the beginning of the row."""
        shown = self.text if len(self.text) <= 40 else f"{self.text[:39]}…"
        return f"{self.fields} field{'s' * (self.fields != 1)} instead of {self.expected}: {shown!r}"


def write_csv(data: Any, table: Table, target: Any) -> None:
    """Write an Arrow table to an open file, in UTF-8 with the mark that tells a spreadsheet so."""
    columns = []
    for name in data.column_names:
        column, values = table.columns[name], data.column(name)
        if column.kind in ("texts", "ints"):
            values = pc.binary_join(pc.cast(values, pa.list_(pa.string())), "|")
        if column.kind in _WORDS:
            values = pc.replace_substring_regex(values, f"^({TAKEN})", r"'\1")
        columns.append(values)
    target.write(BOM.encode())
    options = pv.WriteOptions(quoting_style="needed", quoting_header="none")
    pv.write_csv(pa.table(columns, data.column_names), target, options)


def read_csv(path: Path, table: Table, rows: int | None, malformed: list[Malformed]) -> Iterator[Any]:
    """Read a file as Arrow tables of text, of at most ``rows`` rows each, or as one.

    Rows with another number of fields than the header are added to ``malformed``, before the table comes in
    which they would have been.

    Raises
    ------
    UnreadableError
        If it is damaged, beyond a budget of `tierkit.bounds`, or not UTF-8.
    pyarrow.ArrowException
        If it is no CSV.
    """

    def set_aside(row: Any) -> str:
        if len(malformed) == MALFORMED:
            return "error"
        text = row.text[:_SHOWN]
        malformed.append(Malformed(row.number - 1, row.actual_columns, row.expected_columns, text))
        return "skip"

    done = 0
    with CsvBytes(path) as source:
        convert = pv.ConvertOptions(
            check_utf8=False,  # the source does
            column_types=dict.fromkeys(_header(source), pa.large_string()),
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,  # "" is an empty text, nothing at all is an empty cell
            null_values=[""],
        )
        # One thread: others do not know the numbers of rows, and gain nothing where values hold newlines.
        options = pv.ReadOptions(use_threads=False, block_size=CSV_BLOCK)
        parse = pv.ParseOptions(newlines_in_values=True, invalid_row_handler=set_aside)
        try:
            with pv.open_csv(source, options, parse, convert) as reader:
                for part in _tables(reader, table, rows):
                    done += part.num_rows
                    yield part
        except pa.ArrowInvalid as error:
            if len(malformed) == MALFORMED:
                message = (
                    f"it has more than {MALFORMED:,} rows with another number of fields than its header, "
                    f"the first is row {malformed[0].row:,}"
                )
                raise UnreadableError(message) from error
            if "straddling" not in str(error):
                raise
            message = (
                f"it has a row of more than {CSV_BLOCK >> 20} MiB, below row {done + len(malformed):,}: "
                "perhaps a quotation mark is not closed"
            )
            raise UnreadableError(message, "Close the quotation mark, or shorten the row") from error


def _header(source: CsvBytes) -> list[str]:
    text = source.header()
    file = io.StringIO(text, newline="")
    names = next((row for row in csv.reader(file) if row), [])  # Arrow passes over empty lines, too
    if len(text.encode()) >= CSV_HEADER - 4 and file.tell() == len(text):
        message = f"it has a header of more than {CSV_HEADER >> 10} KiB"
        raise UnreadableError(message, "Give it one header line with the names of the columns")
    return names


def _tables(reader: Any, table: Table, rows: int | None) -> Iterator[Any]:
    """Yield what a reader gives as tables of at most so many rows, at least one."""
    waiting: list[Any] = [reader.schema.empty_table()]
    for batch in reader:
        most = rows or batch.num_rows or 1
        for start in range(0, batch.num_rows, most):
            part = pa.Table.from_batches([batch.slice(start, most)])
            full = len(waiting) > _TOGETHER or sum(one.num_rows for one in waiting) + part.num_rows > most
            if rows is not None and full:
                yield _as_meant(pa.concat_tables(waiting), table)
                waiting = []
            waiting.append(part)
    yield _as_meant(pa.concat_tables(waiting), table)


def _as_meant(data: Any, table: Table) -> Any:
    """Return texts without the apostrophes that writing put before them, and empty lists as such."""
    for at, name in enumerate(data.column_names):
        column, values = table.columns.get(name), data.column(at)
        if column is not None and column.kind in _WORDS:
            values = pc.replace_substring_regex(values, f"^'({TAKEN})", r"\1")
        if column is not None and column.kind in ("texts", "ints") and not column.nullable:
            values = pc.fill_null(values, "")  # an empty cell is an empty list
        data = data.set_column(at, name, values)
    return data
