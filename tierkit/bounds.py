"""How large what a stranger made may be, and readers that hold to it: text, JSON, TOML, bytes of a CSV.

Every budget is declared here, with its reason. A reader never takes more of a file than its budget, whatever
size the file says it has, and what it refuses it refuses in one sentence, with what to do.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import stat
import tomllib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

__all__ = [
    "BASELINES",
    "CSV_BLOCK",
    "CSV_BYTES",
    "CSV_HEADER",
    "DIGITS",
    "EXPANSION",
    "EXPANSION_FROM",
    "JSON_BYTES",
    "KEY",
    "LIST_BYTES",
    "LOG_BYTES",
    "LOG_LINE",
    "MALFORMED",
    "NESTING",
    "PROBLEMS",
    "TOML_BYTES",
    "TOML_DIGITS",
    "CsvBytes",
    "UnreadableError",
    "decoded",
    "is_unicode",
    "parse_json",
    "parse_toml",
    "read_bytes",
    "read_json",
    "read_text",
]

JSON_BYTES = 16 << 20
"""Bytes of a JSON file. The largest that tierkit writes, the summary of a page, has 0.3 MB; what fits in
16 MB takes at most half a gigabyte when it is parsed."""
TOML_BYTES = 1 << 19
"""Bytes of a TOML file. The largest that comes with tierkit has 25 kB; what fits takes a second to parse."""
NESTING = 32
"""Levels of tables and lists in JSON and TOML, and parts of a dotted key. tierkit writes at most 8; functions
that call themselves for each level stay far from their limit."""
KEY = 100
"""Characters of a key in TOML; the longest of ours has 25."""
DIGITS = 20
"""Digits of a whole number in JSON: all that 64 bits hold."""
TOML_DIGITS = 1_000
"""Digits of a whole number in TOML. Each parameter has its range, and its line in the message; this is for
numbers that Python would not even print, of more than 4,300 digits."""
BASELINES = 16
"""Policies in a chain of baselines, which is read anew for each of them. Those that come with tierkit form
chains of 3."""
PROBLEMS = 100
"""Problems that are told of one file of settings: each takes a comparison with all known names, and nobody
reads more at once."""
LIST_BYTES = 128 << 20
"""Bytes of a list of enterprises that a policy names: a line for each of 3 million enterprises has 60 MB."""
LOG_BYTES = 256 << 20
"""Bytes of a log of reviews, about 400,000 decisions, which take a gigabyte when they are verified."""
LOG_LINE = 64 << 10
"""Bytes of one line of a log: three texts of 2,000 characters, up to 4 bytes each, leave more than half."""
CSV_BYTES = 16 << 30
"""Bytes of a CSV, unpacked: the largest table of a city of 3 million enterprises over ten years has some
5 GB."""
CSV_BLOCK = 1 << 20
"""Bytes of a CSV that are read at a time, and so the longest row. A row of ours has 160, and a name of 10,000
characters takes up to 40,000."""
CSV_HEADER = 16 << 10
"""Bytes of the header of a CSV: 20 times that of the widest table."""
MALFORMED = 100_000
"""Rows of a CSV with another number of fields than its header that are set aside and listed. A file with more
was not written for its header; the list takes at most 0.1 GB."""
EXPANSION = 100
"""How many times its size a packed CSV may become. Tables of records become 6 to 12 times, deflate can reach
1,032 times."""
EXPANSION_FROM = 64 << 20
"""Unpacked bytes from which `EXPANSION` is asked for: a short table may repeat itself."""


class UnreadableError(ValueError):
    """A file that is not what its name says: damaged, of another format, or beyond its budget.

    Parameters
    ----------
    message : str
        What is wrong, as a sentence about it, to go on from “the file cannot be read:”.
    remedy : str
        What to do, empty where the reader of the file knows better.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def _size(count: int) -> str:
    """Return a number of bytes as messages say it.

    Examples
    --------
    >>> _size(16 << 20), _size(64 << 10)
    ('16 MiB', '64 KiB')
    """
    for step, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << step:
            return f"{count / (1 << step):.4g} {unit}"
    return f"{count} bytes"


def _opened(path: Path) -> IO[bytes]:
    """Open a regular file; a pipe or a device, which may never end, is refused.

    Raises
    ------
    UnreadableError
    OSError
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # a folder has its own error
        raise UnreadableError("it is not a regular file", "Save it as a file, and give that")
    return path.open("rb")


def read_bytes(path: Path, most: int) -> bytes:
    """Return the content of a file that is at most so large.

    Raises
    ------
    UnreadableError
        If it is larger, or no regular file.
    OSError

    Examples
    --------
    >>> read_bytes(Path("data/synthetic/manifest.json"), 10)
    Traceback (most recent call last):
    ...
    tierkit.bounds.UnreadableError: it is larger than 10 bytes, more than a file of its kind may have
    """
    with _opened(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        message = f"it is larger than {_size(most)}, more than a file of its kind may have"
        raise UnreadableError(message, "Check that it is the file that you mean")
    return content


def read_text(path: Path, most: int) -> str:
    """Return the text of a file in UTF-8 that is at most so large, without the mark some editors put first.

    Raises
    ------
    UnreadableError
        If it is larger, no regular file, or of another encoding.
    OSError
    """
    return decoded(read_bytes(path, most))


def decoded(content: bytes) -> str:
    r"""Return bytes in UTF-8 as text, without the mark that some editors put first.

    Raises
    ------
    UnreadableError
        If they are of another encoding, with the one that they seem to have.

    Examples
    --------
    >>> decoded(b"\xef\xbb\xbfid")
    'id'
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _encoding(error, content, f"byte {error.start}") from error


def _encoding(error: UnicodeDecodeError, content: bytes, where: str) -> UnreadableError:
    """Return the error of a file that is not UTF-8, with the encoding that it seems to have."""
    hint = ""
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        hint = "; it begins as UTF-16 does"
    else:
        try:
            codecs.getincrementaldecoder("gb18030")().decode(error.object[error.start :])
            hint = "; it can be read as GBK (GB 18030)"
        except UnicodeDecodeError:
            pass
    message = f"it is not UTF-8: {where} is {error.object[error.start]:#04x}{hint}"
    return UnreadableError(message, "Save it as UTF-8; a spreadsheet calls that “CSV UTF-8”")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises
    ------
    UnreadableError
        As from `read_text` and `parse_json`.
    OSError

    Examples
    --------
    >>> read_json(Path("data/synthetic/manifest.json"))["as_of"]
    '2024-12-30'
    """
    return parse_json(read_text(path, JSON_BYTES))


def parse_json(text: str | bytes, most: int = JSON_BYTES) -> Any:
    """Return what a JSON text holds.

    Raises
    ------
    UnreadableError
        If it is longer than ``most``, no JSON, nested beyond `NESTING`, or has a number beyond `DIGITS` or a
        text that is not Unicode.

    Examples
    --------
    >>> parse_json("[" * 100_000)
    Traceback (most recent call last):
    ...
    tierkit.bounds.UnreadableError: it is nested more than 32 levels deep
    """
    if len(text) > most:
        raise UnreadableError(f"it is longer than {_size(most)}")
    try:
        tree = json.loads(text, parse_int=_whole)
    except RecursionError as error:
        raise _nested() from error
    except UnreadableError:
        raise
    except ValueError as error:
        raise UnreadableError(f"it is not JSON: {error}", "Correct it there, or make it again") from error
    _check(tree)
    if not is_unicode(tree):
        raise UnreadableError("it has a text with half of a surrogate pair", "Correct it, or make it again")
    return tree


def is_unicode(tree: Any) -> bool:
    r"""Return whether all texts of JSON can be written: its escapes can tell half of a surrogate pair.

    Examples
    --------
    >>> is_unicode(["\U0001F600"]), is_unicode({"name": "\ud83d"})
    (True, False)
    """
    try:
        json.dumps(tree, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(digits: str) -> int:
    if len(digits.lstrip("-")) > DIGITS:
        raise _digits(DIGITS)
    return int(digits)


# A string of any kind, closed or not, so that no text is looked at twice; and a comment.
_STRINGS = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|' r"'''.*?(?:'''|\Z)|" r'"(?:[^"\\\n]|\\.)*+"?|' r"'[^'\n]*+'?|#[^\n]*+",
    re.DOTALL,
)
_DOTTED = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{NESTING}}}")


def parse_toml(text: str) -> dict[str, Any]:
    """Return what a TOML text holds.

    Raises
    ------
    UnreadableError
        If it is longer than `TOML_BYTES`, no TOML, nested beyond `NESTING`, or has a key beyond `KEY` or a
        number beyond `TOML_DIGITS`.

    Examples
    --------
    >>> parse_toml(f"serial = {'9' * 5000}")
    Traceback (most recent call last):
    ...
    tierkit.bounds.UnreadableError: it has a whole number of more than 1,000 digits
    """
    if len(text) > TOML_BYTES:
        raise UnreadableError(f"it is longer than {_size(TOML_BYTES)}")
    # The parser takes quadratic time for the parts of a key, so these are counted before.
    if _DOTTED.search(_STRINGS.sub("s", text)):
        raise _nested()
    try:
        tree = tomllib.loads(text)
    except RecursionError as error:
        raise _nested() from error
    except tomllib.TOMLDecodeError as error:
        raise UnreadableError(f"it is not TOML: {error}", "Correct the syntax there") from error
    except ValueError as error:  # of int(), for thousands of digits
        raise _digits(TOML_DIGITS) from error
    _check(tree)
    _check_toml(tree)
    return tree


def _nested() -> UnreadableError:
    return UnreadableError(
        f"it is nested more than {NESTING} levels deep", "Make it flatter, or make it again"
    )


def _digits(most: int) -> UnreadableError:
    message = f"it has a whole number of more than {most:,} digits"
    return UnreadableError(message, "Shorten it, or write it as text")


def _check(tree: Any) -> None:
    """Refuse a tree that is too deep."""
    level: list[Any] = [tree]
    for _ in range(NESTING + 1):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise _nested()


def _check_toml(node: Any) -> None:
    """Refuse a tree, of no great depth, that holds a key or a number that is too long."""
    if isinstance(node, int) and abs(node) >= 10**TOML_DIGITS:
        raise _digits(TOML_DIGITS)
    if isinstance(node, dict) and any(len(key) > KEY for key in node):
        raise UnreadableError(f"it has a key of more than {KEY} characters", "Shorten it")
    for child in _children(node):
        _check_toml(child)


def _children(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


class CsvBytes(io.RawIOBase):
    """The bytes of a CSV file, packed or not, within the budgets, and in UTF-8 for certain.

    A block never ends between the two characters of a line's end: Arrow drops the second then, also where
    the line ends within a quoted text.

    Parameters
    ----------
    path : Path
        One that ends in ``.gz`` is unpacked.

    Raises
    ------
    UnreadableError
        If it is no regular file or too large; by `read`, if it is damaged, not UTF-8, or expands too far.
    OSError
    """

    def __init__(self, path: Path) -> None:
        self._file = _opened(path)
        self._packed = path.name.endswith(".gz")
        self._source: Any = gzip.GzipFile(fileobj=self._file) if self._packed else self._file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._waiting = b""
        self._taken, self._line = 0, 1
        self._within(path.stat().st_size)

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes, at most ``count``; none at the end."""
        count = CSV_BLOCK if count < 0 else count
        block = self._waiting + self._take(count - len(self._waiting))
        at = len(block) - 1 if len(block) > 1 and block.endswith(b"\r") else len(block)
        block, self._waiting = block[:at], block[at:]
        return block

    def header(self) -> str:
        """Return the beginning of the text, as far as a header may reach, and leave it to be read."""
        self._waiting = self._take(CSV_HEADER)
        return self._waiting.decode("utf-8-sig", "ignore")  # the last character may be cut

    def _take(self, count: int) -> bytes:
        try:
            block: bytes = self._source.read(count)
        except (zlib.error, EOFError, gzip.BadGzipFile) as error:
            said = str(error).rstrip(".")
            message = f"it is damaged: after {self._taken:,} unpacked bytes, {said[:1].lower()}{said[1:]}"
            raise UnreadableError(message, "Copy or make the file again") from error
        try:
            self._decoder.decode(block, final=not block and count > 0)
        except UnicodeDecodeError as error:
            line = self._line + error.object[: error.start].count(b"\n")
            raise _encoding(error, b"" if self._taken else block, f"a byte in line {line:,}") from error
        self._line += block.count(b"\n")
        self._taken += len(block)
        self._within(self._taken)
        if self._packed and self._taken > max(EXPANSION_FROM, EXPANSION * self._file.tell()):
            message = f"it unpacks to more than {EXPANSION} times its size, as no table of records does"
            raise UnreadableError(message, "If it is sound, unpack it and give the .csv")
        return block

    def _within(self, count: int) -> None:
        if count > CSV_BYTES:
            message = f"it is larger than {_size(CSV_BYTES)}, more than a table may have"
            raise UnreadableError(message, "Check that it is the table that you mean, or give it as Parquet")
