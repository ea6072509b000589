"""Read a file as its system exports it: everything as text, in batches, each row with its number.

CSV and TSV in any encoding that is named, workbooks (.xlsx) and Parquet. Nothing is guessed here: an encoding
is proved on the whole file, and a number in a workbook that lost digits is marked, so that no reader takes
it for a code.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tierkit.bounds import CSV_BLOCK, CSV_BYTES, MALFORMED, UnreadableError

__all__ = [
    "ENCODINGS",
    "LOST",
    "SUFFIXES",
    "Batch",
    "Layout",
    "Misfit",
    "encoding_of",
    "header_of",
    "is_text_file",
    "read_batches",
    "sheets_of",
]

ENCODINGS = ("utf-8", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "big5", "cp1252")
"""Encodings that a mapping may name. UTF-8 and UTF-16 may begin with a byte order mark."""
SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".xlsx", ".parquet")
"""Endings of files that are read."""
LOST = "\x00lost "
"""Before a number of a workbook that has more digits than a workbook keeps."""
ROWS = 1 << 16
"""Rows of a batch."""
_DIGITS = 15  # that a number of a workbook keeps
_HEADER = 1 << 16  # characters in which a header must end
_SHEET_BYTES = 2 << 30  # unpacked bytes of a workbook
_COLUMNS = 2_000
_ZEROS = 50  # one byte in so many is 0 in UTF-16, at least
_LINES = 100  # lines of one row, above which it has taken in the rows below


@dataclass(frozen=True)
class Layout:
    """How a file is laid out.

    Attributes
    ----------
    encoding : str
        One of `ENCODINGS`; of a text file.
    delimiter : str
        One character; of a text file.
    sheet : str
        Name of the sheet of a workbook; the first if empty.
    header : int
        The line, or row of the sheet, in which the names of the columns stand.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str = ""
    header: int = 1


class Misfit(NamedTuple):
    """A row that has another number of fields than the header."""

    row: int
    text: str
    reason: str


class Batch(NamedTuple):
    """Rows of a file: texts by column, in the order of the header, and the number of each row from 1."""

    columns: list[Any]
    rows: NDArray[np.int64]
    misfits: list[Misfit]


def is_text_file(path: Path) -> bool:
    """Return whether a file is a CSV or its like, packed or not.

    Examples
    --------
    >>> is_text_file(Path("a.csv.gz")), is_text_file(Path("a.xlsx"))
    (True, False)
    """
    return path.suffix.lower() not in (".xlsx", ".parquet")


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise UnreadableError("it is not a regular file", "Save it as a file, and give that")
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _blocks(path: Path) -> Iterator[bytes]:
    taken = 0
    try:
        with _opened(path) as file:
            while block := file.read(CSV_BLOCK):
                taken += len(block)
                if taken > CSV_BYTES:
                    raise UnreadableError(
                        "it is larger than a table may be", "Give it as Parquet, or in parts"
                    )
                yield block
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise UnreadableError(f"it is damaged: {error}", "Copy or make the file again") from error


def encoding_of(path: Path) -> tuple[str, str, bool]:
    """Return the encoding of a text file, proved on the whole of it, the evidence, and whether it is certain.

    Raises
    ------
    UnreadableError
        If no encoding that is read here gives a text.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_bytes("企业名称,代码".encode("gb18030"))
    >>> encoding_of(path)[0]
    'gb18030'
    """
    head = next(_blocks(path), b"")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        tried: tuple[str, ...] = ("utf-16",)
    elif head.count(0) * _ZEROS > len(head):  # no other text has so many; a few are damage
        little = head[1::2].count(0) >= head[::2].count(0)
        tried = ("utf-16-le", "utf-16-be") if little else ("utf-16-be", "utf-16-le")
    else:
        tried = ("utf-8", "gb18030", "big5")
    failed = []
    for name in tried:
        decoder = codecs.getincrementaldecoder(name)()
        odd = letters = 0
        line = 1
        try:
            for block in _blocks(path):
                text = decoder.decode(block)
                letters += len(text)
                line += text.count("\n")
                if name in ("gb18030", "big5"):
                    odd += sum(not _is_usual(letter) for letter in set(text))
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            line += 0 if name.startswith("utf-16") else error.object[: error.start].count(b"\n")
            failed.append(f"not {name} ({error.object[error.start]:#04x} in line {line:,})")
            continue
        shown = "; ".join([f"all {letters:,} characters of the file read as {name}", *failed])
        return name, shown, not odd
    raise UnreadableError(
        f"it is text in no encoding that is known here: {', '.join(failed)}",
        f"Save it as UTF-8, or name one of {', '.join(ENCODINGS)} as its encoding",
    )


def _is_usual(letter: str) -> bool:
    """Return whether a letter is usual in records: no private use, no rare script, no control."""
    code = ord(letter)
    return (
        code < 0x250
        or 0x2000 <= code < 0x2700
        or 0x3000 <= code < 0x3400
        or 0x4E00 <= code < 0xA000
        or 0xFF00 <= code < 0xFFF0
    )


class _Recoded(io.RawIOBase):
    """The text of a file from its header's end on, as UTF-8."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._source = _blocks(path)
        self._encoding = layout.encoding
        self._decoder = codecs.getincrementaldecoder(
            "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding
        )()
        self._line = 1
        self._first = True
        self._ended = False
        text = ""
        while len(text) < _HEADER and not self._ended:
            text += self._more()
        self.names, rest = _split_header(text, layout)
        self._waiting = rest.encode("utf-8", "surrogatepass")

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes, at most ``count``; none at the end."""
        count = CSV_BLOCK if count < 0 else count
        while len(self._waiting) < count and not self._ended:
            self._waiting += self._more().encode("utf-8", "surrogatepass")
        block, self._waiting = self._waiting[:count], self._waiting[count:]
        if len(block) > 1 and block.endswith(b"\r"):  # Arrow drops the second half of a line's end
            block, self._waiting = block[:-1], b"\r" + self._waiting
        return block

    def _more(self) -> str:
        block = next(self._source, b"")
        self._ended = not block
        try:
            text = self._decoder.decode(block, final=self._ended)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(self._encoding, "ignore")
            line = self._line + before.count("\n")
            raise UnreadableError(
                f"it is not {self._encoding}: a byte in line {line:,} is {error.object[error.start]:#04x}",
                "State the encoding that it has, or save it again",
            ) from error
        if self._first:
            text, self._first = text.removeprefix("\ufeff"), False
        self._line += text.count("\n")
        return text


def _split_header(text: str, layout: Layout) -> tuple[list[str], str]:
    """Return the names of the columns, and the text below them."""
    for _ in range(layout.header - 1):
        text = text.partition("\n")[2]
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=layout.delimiter)
    try:
        names = next((row for row in reader if any(cell.strip() for cell in row)), [])
    except csv.Error as error:
        raise UnreadableError(f"its header cannot be read: {error}", "Give it one header line") from error
    rest = text[file.tell() :]
    if not rest and len(text) >= _HEADER:
        raise UnreadableError(
            "its header does not end", "Give it one header line, with all quotation marks closed"
        )
    if len(names) > _COLUMNS:
        raise UnreadableError(f"it has {len(names):,} columns", "Check that it is the table that you mean")
    return [_name(one) for one in names], rest


def _name(value: Any) -> str:
    return " ".join(str(value).replace("\ufeff", "").split()) if value is not None else ""


def header_of(path: Path, layout: Layout) -> list[str]:
    """Return the names of the columns of a file.

    Raises
    ------
    UnreadableError
        If it cannot be read.
    OSError
    """
    if is_text_file(path):
        return _Recoded(path, layout).names
    if path.suffix.lower() == ".parquet":
        return [_name(name) for name in _parquet(path).schema_arrow.names]
    with _sheet(path, layout.sheet) as rows:
        for at, row in enumerate(rows, start=1):
            if at == layout.header:
                return _trimmed([_name(cell.value) for cell in row])
    return []


def sheets_of(path: Path) -> list[str]:
    """Return the names of the sheets of a workbook.

    Raises
    ------
    UnreadableError
        If it is none.
    """
    book = _workbook(path)
    names = [str(one) for one in book.sheetnames]
    book.close()
    return names


def read_batches(path: Path, layout: Layout) -> Iterator[Batch]:
    """Yield the rows of a file as texts; an empty cell is null.

    Raises
    ------
    UnreadableError
        If it cannot be read to its end.
    OSError
    """
    if is_text_file(path):
        yield from _text_batches(path, layout)
    elif path.suffix.lower() == ".parquet":
        yield from _parquet_batches(path)
    else:
        yield from _sheet_batches(path, layout)


def _text_batches(path: Path, layout: Layout) -> Iterator[Batch]:
    source = _Recoded(path, layout)
    names = [f"c{k}" for k in range(len(source.names))]
    if not names:
        raise UnreadableError("it has no header", "Give it one header line with the names of the columns")
    misfits: list[Misfit] = []
    swallowed: list[int] = []

    def set_aside(row: Any) -> str:
        if str(row.text).count("\n") > _LINES:
            swallowed.append(int(row.number))
        if len(misfits) >= MALFORMED or swallowed:
            return "error"
        reason = f"has {row.actual_columns} fields instead of {row.expected_columns}"
        misfits.append(Misfit(int(row.number), str(row.text)[:1_000], reason))
        return "skip"

    convert = pv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.large_string()),
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
        null_values=[""],
    )
    options = pv.ReadOptions(column_names=names, use_threads=False, block_size=CSV_BLOCK)
    parse = pv.ParseOptions(
        newlines_in_values=True, invalid_row_handler=set_aside, delimiter=layout.delimiter
    )
    done, told = 0, 0
    try:
        with pv.open_csv(source, options, parse, convert) as reader:
            for batch in reader:
                new = misfits[told:]
                rows = _numbers(done, batch.num_rows, [one.row for one in new])
                done += batch.num_rows + len(new)
                told = len(misfits)
                for one in batch.columns:
                    long = pc.greater(pc.count_substring(one, "\n"), _LINES)
                    if pc.any(long).as_py():
                        raise _open_quote(int(rows[pc.index(long, True).as_py()]))
                yield Batch([batch.column(k) for k in range(len(names))], rows, new)
    except pa.ArrowInvalid as error:
        if swallowed:
            raise _open_quote(swallowed[0]) from error
        if len(misfits) >= MALFORMED:
            raise UnreadableError(
                f"it has more than {MALFORMED:,} rows with another number of fields than its header",
                "Check its delimiter, and the line in which its header stands",
            ) from error
        if "Empty CSV" in str(error):
            pass
        elif "straddling" in str(error):
            raise UnreadableError(
                f"it has a row of more than {CSV_BLOCK >> 20} MiB below row {done:,}: perhaps a "
                f"quotation mark is not closed",
                "Close the quotation mark, or shorten the row",
            ) from error
        else:
            raise UnreadableError(str(error).splitlines()[0][:200], "Correct the file there") from error
    if len(misfits) > told:  # those after the last row that fits
        yield Batch([pa.array([], pa.large_string()) for _ in names], np.empty(0, np.int64), misfits[told:])


def _open_quote(row: int) -> UnreadableError:
    """Return the problem of a cell that holds so many lines that it must have taken in rows."""
    return UnreadableError(
        f"row {row:,} goes on over more than {_LINES} lines: a quotation mark is opened there and not closed",
        "Close the quotation mark, or take it out",
    )


def _numbers(before: int, count: int, left_out: Sequence[int]) -> NDArray[np.int64]:
    """Return the numbers of rows of which some, by their numbers, were left out."""
    every = np.arange(before + 1, before + count + len(left_out) + 1, dtype=np.int64)
    return every[~np.isin(every, np.asarray(left_out, np.int64))][:count]


def _parquet(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableError(
            f"it is no Parquet file: {str(error).splitlines()[0][:200]}", "Copy or make it again"
        ) from error


def _parquet_batches(path: Path) -> Iterator[Batch]:
    file = _parquet(path)
    done = 0
    try:
        for batch in file.iter_batches(ROWS):
            columns = [_as_text(column) for column in batch.columns]
            yield Batch(columns, np.arange(done + 1, done + batch.num_rows + 1, dtype=np.int64), [])
            done += batch.num_rows
    except (pa.ArrowException, OSError, ValueError) as error:
        message = f"it is damaged below row {done:,}: {str(error).splitlines()[0][:200]}"
        raise UnreadableError(message, "Copy or make it again") from error


def _as_text(column: Any) -> Any:
    """Return a column of any type as the texts that a CSV would have."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_floating(kind):
        cells = [None if one is None or one != one else _number_text(one) for one in column.to_pylist()]
        return pa.array(cells, pa.large_string())
    if pa.types.is_timestamp(kind):
        cells = [None if one is None else _moment(one) for one in column.cast(pa.timestamp("us")).to_pylist()]
        return pa.array(cells, pa.large_string())
    if pa.types.is_nested(kind):
        cells = [
            None if one is None else "|".join(map(str, one)) if isinstance(one, list) else str(one)
            for one in column.to_pylist()
        ]
        return pa.array(cells, pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise UnreadableError(f"a column is of type {kind}, which is no text", "Save it as text")
    text = pc.cast(column, pa.large_string())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.large_string()), text)


def _number_text(value: float) -> str:
    if value == int(value) if abs(value) < 1e300 and value - value == 0 else False:
        whole = str(int(value))
        return LOST + repr(value) if len(whole.lstrip("-")) > _DIGITS else whole
    return repr(value)


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%d}" if value.time() == time(0) else f"{value:%Y-%m-%d %H:%M:%S}"


def _workbook(path: Path) -> Any:
    import openpyxl  # takes a while to load, and most files are no workbooks

    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(one.file_size for one in packed.infolist())
        if size > _SHEET_BYTES:
            raise UnreadableError(
                "it unpacks to more than a workbook may have", "Save the sheet as CSV UTF-8"
            )
        return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except UnreadableError:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers do
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UnreadableError(
            f"it is no workbook: {reason}", "Save it again as .xlsx, or as CSV UTF-8"
        ) from error


class _sheet:  # noqa: N801  # used as a function is
    """The rows of a sheet, while its workbook is open."""

    def __init__(self, path: Path, name: str) -> None:
        self._book = _workbook(path)
        names = self._book.sheetnames
        if name and name not in names:
            self._book.close()
            shown = ", ".join(map(repr, names[:10]))
            raise UnreadableError(f"it has no sheet {name!r}", f"Name one of {shown}")
        self._rows = self._book[name or names[0]].iter_rows()

    def __enter__(self) -> Iterator[Any]:
        return self._guarded()

    def _guarded(self) -> Iterator[Any]:
        try:
            yield from self._rows
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise UnreadableError(f"it is damaged: {reason}", "Save it again") from error

    def __exit__(self, *_: object) -> None:
        self._book.close()


def _trimmed(names: list[str]) -> list[str]:
    while names and not names[-1]:
        names.pop()
    return names


def _sheet_batches(path: Path, layout: Layout) -> Iterator[Batch]:
    width, held, numbers = 0, list[list[str | None]](), list[int]()
    with _sheet(path, layout.sheet) as rows:
        for at, row in enumerate(rows, start=1):
            if at < layout.header:
                continue
            if at == layout.header:
                width = len(_trimmed([_name(cell.value) for cell in row]))
                if not width:
                    raise UnreadableError(
                        f"row {at} of its sheet, the header, is empty", "State `header`, the row of the names"
                    )
                continue
            cells = [_cell(cell) for cell in row[:width]]
            if any(cell is not None for cell in cells):
                held.append(cells + [None] * (width - len(cells)))
                numbers.append(at - layout.header)
            if len(held) == ROWS:
                yield _rows_batch(held, numbers, width)
                held, numbers = [], []
    yield _rows_batch(held, numbers, width)


def _rows_batch(held: list[list[str | None]], numbers: list[int], width: int) -> Batch:
    columns = [pa.array([row[k] for row in held], pa.large_string()) for k in range(width)]
    return Batch(columns, np.asarray(numbers, np.int64), [])


def _cell(cell: Any) -> str | None:
    """Return the text of a cell of a workbook as the sheet shows it."""
    value = cell.value
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | float):
        text = _number_text(float(value)) if abs(value) < 1e300 else repr(value)
        shape = str(cell.number_format or "")
        if shape and set(shape) == {"0"} and text.isdigit():  # shown with leading zeros
            text = text.zfill(len(shape))
        return text
    return str(value)
