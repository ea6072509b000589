"""An expert's table of credit points: a TOML file, read strictly and named by its digest.

Each row gives the points of a band of a feature, of some of its levels, or of a missing value, with its
source or the assumption that it is. A policy carries the table as it does a list: by the file's name and the
SHA-256 of its bytes. Which features there are is not known in this room; `tierkit.scores.expert` holds the
rows against them.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tierkit.bounds import TOML_BYTES, UnreadableError, decoded, parse_toml, read_bytes
from tierkit.policy.files.problems import PolicyError, PolicyProblem
from tierkit.records import Label
from tierkit.records.problems import suggestion
from tierkit.texts import is_text

__all__ = ["MOST_ROWS", "PointsRow", "PointsTable", "pinned_table", "read_points"]

MOST_ROWS = 1_000
"""Rows of a table of points; one on paper has some dozens."""
_LARGEST = 1_000.0
_HEAD = ("title_zh", "title_en", "document", "date", "base", "rows")
_GROUND = ("source", "assumption")
_BASE = ("points", *_GROUND)
_ROW = ("feature", "at_least", "below", "levels", "missing", "others", "points", *_GROUND)
_PINNED = re.compile(r"(.+)#sha256=([0-9a-f]{64})")
_ROW_HEADER = re.compile(r"\s*\[\[\s*rows\s*\]\]\s*(?:#.*)?$")
_TABLE_HEADER = re.compile(r"\s*\[\s*(\w+)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsRow:
    """One row: whom it is of, its points, and on what they rest.

    Attributes
    ----------
    feature : str
    points : float
    at_least, below : float or None
        A band of a number holds its lower end and not its upper one; None where it is open.
    levels : tuple of str
        Levels of a feature that is no number.
    missing, others : bool
        Whether the row is of a missing value, or of all levels that no other row names.
    source, assumption : str or None
    """

    feature: str
    points: float
    at_least: float | None = None
    below: float | None = None
    levels: tuple[str, ...] = ()
    missing: bool = False
    others: bool = False
    source: str | None = None
    assumption: str | None = None


@dataclass(frozen=True, slots=True)
class PointsTable:
    """An expert's table of points.

    Attributes
    ----------
    name : str
        Name of its file.
    digest : str
        SHA-256 of the file's bytes.
    title : Label
    document : str
        What orders it; empty where nothing does.
    date : date
    base : float
        Points that everybody has.
    base_source, base_assumption : str or None
    rows : tuple of PointsRow
    lines : mapping of str to int
        Where entries stand in the file, for messages; not compared.
    """

    name: str
    digest: str
    title: Label
    document: str
    date: date
    base: float
    base_source: str | None
    base_assumption: str | None
    rows: tuple[PointsRow, ...]
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def pinned(self) -> str:
        """Name and digest, as a policy writes them."""
        return f"{self.name}#sha256={self.digest}"

    @property
    def assumed(self) -> int:
        """How many rows, the base among them, rest on an assumption alone."""
        grounds = [self.base_source, *(row.source for row in self.rows)]
        return sum(one is None for one in grounds)


class _Reader:
    """Collects what is wrong with one file."""

    def __init__(self, place: str, lines: Mapping[str, int]) -> None:
        self.place, self.lines = place, lines
        self.problems: list[PolicyProblem] = []

    def note(self, path: str, message: str, remedy: str) -> None:
        at = self.lines.get(path, self.lines.get(path.rpartition(".")[0]))
        self.problems.append(PolicyProblem(self.place, at, path, f"'{path}' {message}", remedy))

    def keys(self, table: Mapping[str, Any], known: tuple[str, ...], path: str) -> None:
        for key in table:
            if key not in known:
                at = f"{path}.{key}" if path else key
                self.note(at, f"is not known{suggestion(key, known)}", f"use {', '.join(known)}")

    def number(self, table: Mapping[str, Any], key: str, path: str, largest: float = math.inf) -> float:
        value = table[key]
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not plain or not math.isfinite(value) or abs(value) > largest:
            limit = f" from {-largest:g} to {largest:g}" if math.isfinite(largest) else ""
            self.note(f"{path}.{key}", f"= {value!r:.40} must be a number{limit}", "correct the value")
            return 0.0
        return float(value) + 0.0

    def points(self, table: Mapping[str, Any], path: str) -> float:
        if "points" not in table:
            self.note(path, "has no points", "add points = …")
            return 0.0
        return self.number(table, "points", path, _LARGEST)

    def ground(self, table: Mapping[str, Any], path: str) -> tuple[str | None, str | None]:
        for key in _GROUND:
            if key in table and not is_text(table[key]):
                self.note(f"{path}.{key}", "is no text with anything in it", f"write the {key} in words")
                return None, "unreadable"
        if not any(key in table for key in _GROUND):
            self.note(
                path,
                "has points without a source (document and clause) or an assumption (why)",
                'add source = "…" or assumption = "…"',
            )
        return table.get("source"), table.get("assumption")

    def flag(self, table: Mapping[str, Any], key: str, path: str) -> bool:
        value = table.get(key, False)
        if not isinstance(value, bool):
            self.note(f"{path}.{key}", f"= {value!r:.40} must be true or false", "correct the value")
            return False
        return value


def _lines(text: str) -> dict[str, int]:
    """Return path → line of the entries, those of the k-th row as ``rows[k]``, counted from 1."""
    found: dict[str, int] = {}
    table, rows = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _TABLE_HEADER.match(line), _KEY.match(line)
        if _ROW_HEADER.match(line):
            rows += 1
            table = f"rows[{rows}]"
            found.setdefault(table, number)
        elif header:
            table = header[1]
            found.setdefault(table, number)
        elif key:
            found.setdefault(f"{table}.{key[1]}".lstrip("."), number)
    return found


def read_points(path: Path) -> PointsTable:
    """Read a table of points.

    Parameters
    ----------
    path : Path
        A TOML file.

    Raises
    ------
    PolicyError
        With everything that is wrong with its form: each with its line, and what to do.

    Examples
    --------
    >>> read_points(Path("none.toml"))
    Traceback (most recent call last):
    ...
    tierkit.policy.files.problems.PolicyError: none.toml: the table of points cannot be read: ...
    """
    try:
        content = read_bytes(path, TOML_BYTES)
        text = decoded(content)
        tree = parse_toml(text)
    except OSError as error:
        message = f"the table of points cannot be read: {error.strerror}"
        problem = PolicyProblem(path.name, None, "", message, "give the path of a TOML file")
        raise PolicyError([problem]) from error
    except UnreadableError as error:
        message = f"the table of points cannot be used: {error}"
        raise PolicyError([PolicyProblem(path.name, None, "", message, error.remedy)]) from error
    reader = _Reader(path.name, _lines(text))
    found = _table(tree, reader, hashlib.sha256(content).hexdigest())
    if reader.problems:
        raise PolicyError(reader.problems)
    return found


def pinned_table(given: str, folder: Path | None) -> PointsTable | str:
    """Return the table that a policy names; its name and digest alone where a file so pinned is not at hand.

    Parameters
    ----------
    given : str
        A path relative to the folder of the policy, which may go on with ``#sha256=`` and the digest.
    folder : Path or None
        None for a policy that is a text alone.

    Raises
    ------
    PolicyError
        If the file cannot be used, or is another than the one named.
    """
    pinned = _PINNED.fullmatch(given)
    name, digest = (pinned[1], pinned[2]) if pinned else (given, "")
    path = (folder or Path()) / name
    if digest and (folder is None or not path.is_file()):
        return f"{Path(name).name}#sha256={digest}"
    found = read_points(path)
    if digest and digest != found.digest:
        message = f"is another file than the one named: its sha256 is {found.digest}"
        raise PolicyError([PolicyProblem(path.name, None, "", message, "give the file of that digest")])
    return found


def _table(tree: Mapping[str, Any], reader: _Reader, digest: str) -> PointsTable:
    reader.keys(tree, _HEAD, "")
    for key in ("title_zh", "title_en"):
        if not is_text(tree.get(key)):
            reader.note(key, "must be a text that is not empty", "name the table in Chinese and in English")
    if "document" in tree and not is_text(tree["document"]):
        reader.note("document", "must be a text that is not empty", "name the document, or leave it out")
    day = tree.get("date")
    if not isinstance(day, date) or isinstance(day, datetime):
        reader.note("date", "must be a date such as 2025-01-24", "give the day from which the table holds")
        day = date.min
    base = tree.get("base")
    if not isinstance(base, Mapping):
        reader.note("base", "must be a table with the points that everybody has", "add [base] and points = …")
        base = {"points": 0, "assumption": "none"}
    reader.keys(base, _BASE, "base")
    rows = tree.get("rows")
    if not isinstance(rows, list) or not rows or len(rows) > MOST_ROWS:
        reader.note("rows", f"must be 1 to {MOST_ROWS:,} rows", 'add [[rows]] with feature = "…", points = …')
        rows = []
    source, assumption = reader.ground(base, "base")
    return PointsTable(
        name=reader.place,
        digest=digest,
        title=Label(str(tree.get("title_zh")), str(tree.get("title_en"))),
        document=str(tree.get("document", "")),
        date=day,
        base=reader.points(base, "base"),
        base_source=source,
        base_assumption=assumption,
        rows=tuple(_row(row, f"rows[{k}]", reader) for k, row in enumerate(rows, 1)),
        lines=reader.lines,
    )


def _row(row: Any, path: str, reader: _Reader) -> PointsRow:
    if not isinstance(row, Mapping):
        reader.note(path, "must be a table", "write [[rows]] and its entries below")
        return PointsRow(feature="", points=0.0)
    reader.keys(row, _ROW, path)
    if not is_text(row.get("feature")):
        reader.note(f"{path}.feature", "must be the name of a feature", "add feature = …")
    ends = {key: reader.number(row, key, path) for key in ("at_least", "below") if key in row}
    if len(ends) == 2 and not ends["at_least"] < ends["below"]:
        reader.note(path, f"ends at {ends['below']:g}, before it begins", "let 'below' be above 'at_least'")
    levels = row.get("levels", [])
    if not isinstance(levels, list) or not all(map(is_text, levels)) or ("levels" in row and not levels):
        reader.note(f"{path}.levels", "must be a list of names", "name a level at least")
        levels = []
    missing, others = (reader.flag(row, key, path) for key in ("missing", "others"))
    kinds = [bool(ends), "levels" in row, missing, others]
    if sum(kinds) != 1:
        reader.note(
            path,
            "must be of one thing: a band (at_least, below), levels, missing = true or others = true",
            "keep one of them, and write a row for each other",
        )
    source, assumption = reader.ground(row, path)
    return PointsRow(
        feature=str(row.get("feature")), points=reader.points(row, path), at_least=ends.get("at_least"),
        below=ends.get("below"), levels=tuple(map(str, levels)), missing=missing, others=others,
        source=source, assumption=assumption,
    )  # fmt: skip
