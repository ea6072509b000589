"""A list that an official gives: a CSV of enterprise ids, read strictly and named by its digest.

One column is needed, ``enterprise_id``. ``agency`` says on whose list an enterprise is (empty for every
agency), ``listed_on`` and ``until`` from and before which day. The list is part of its policy: the value of
the parameter is the file's name and the SHA-256 of its bytes, so two policies act alike only if their lists
are the same. A policy that is written names its list so, and is read without it, too; only who needs the
list itself has to have the file.

Any list of names, such as that of the no-disturb items, may be given as a CSV as well. Names are few, so the
policy holds them themselves, and asks for the file no more once it is read.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from tierkit.bounds import LIST_BYTES, UnreadableError, decoded, read_bytes
from tierkit.policy.files.checks import UnfitError
from tierkit.policy.files.problems import PolicyError, PolicyProblem
from tierkit.records import Place

__all__ = ["Entry", "ListFile", "list_file", "names_file"]

_ALSO = {"统一社会信用代码": "enterprise_id", "部门": "agency", "列入日期": "listed_on", "移出日期": "until"}
_NAMES_IN = {"item": "事项", "sector": "行业", "agency": "部门", "": ""}
"""What of a place names are → the column of a file that holds them, in Chinese."""
_COLUMNS = ("enterprise_id", "agency", "listed_on", "until")
_PINNED = re.compile(r"(.+)#sha256=([0-9a-f]{64})")
_SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+[0-9]+")
_TOLD = 5  # lines of a file that are told of each fault

Entry = tuple[str, str, date | None, date | None]
"""Id, agency (empty for every one), first day and the day before which it ends."""


class ListFile(str):
    """The name and digest of a list, as text, with what it holds.

    Attributes
    ----------
    entries : tuple of Entry or None
        In the order of the file; None where the file is not at hand.
    """

    entries: tuple[Entry, ...] | None = None

    @classmethod
    def of(cls, name: str, digest: str, entries: Iterable[Entry] | None) -> ListFile:
        """Return a list with its content.

        Examples
        --------
        >>> ListFile.of("a.csv", "0" * 64, [("e1", "", None, None)]).name
        'a.csv'
        """
        made = cls(f"{name}#sha256={digest}")
        made.entries = None if entries is None else tuple(entries)
        return made

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.partition("#sha256=")[0]

    @property
    def digest(self) -> str:
        """The SHA-256 of the file's bytes."""
        return self.partition("#sha256=")[2]

    def on(self, day: date) -> ListFile:
        """Return the list with those entries alone that are in force on a day."""
        if self.entries is None:
            return self
        now = [
            one
            for one in self.entries
            if (one[2] is None or one[2] <= day) and (one[3] is None or day < one[3])
        ]
        return ListFile.of(self.name, self.digest, now)

    def at_hand(self) -> tuple[Entry, ...]:
        """Return the entries.

        Raises
        ------
        PolicyError
            If the policy was read without the file.
        """
        if self.entries is not None:
            return self.entries
        message = f"the list '{self.name}' (sha256 {self.digest[:12]}…) is not beside the policy"
        remedy = "put the file there, or give the policy file that lies beside it"
        raise PolicyError([PolicyProblem(self.name, None, "lists.unmonitored.file", message, remedy)])


def list_file(given: str, folder: Path | None, place: Place | None) -> ListFile:
    """Read the list that a policy names: a path, which may go on with ``#sha256=`` and the digest.

    Parameters
    ----------
    given : str
        Relative to the folder of the policy file.
    folder : Path or None
        None for a policy that is a text alone: a file that it names by a digest is then not looked for.
    place : Place or None
        Whose ids and agencies it names; None where any do.

    Raises
    ------
    UnfitError
        With everything that is wrong with the file.
    """
    pinned = _PINNED.fullmatch(given)
    name, digest = (pinned[1], pinned[2]) if pinned else (given, "")
    if digest and folder is None:
        return ListFile.of(Path(name).name, digest, None)
    try:
        content, text = _read((folder or Path()) / name)
    except FileNotFoundError:
        if digest:  # a policy as it was written by a run
            return ListFile.of(Path(name).name, digest, None)
        raise UnfitError("must be the path of a CSV; there is no such file") from None
    found = hashlib.sha256(content).hexdigest()
    if digest and digest != found:
        raise UnfitError(f"is another file than the one named: its sha256 is {found}")
    return ListFile.of(Path(name).name, found, _entries(text, place))


def names_file(given: str, folder: Path | None, of_place: str = "") -> list[str]:
    """Read a list of names from a CSV.

    Parameters
    ----------
    given : str
        Path, relative to the folder of the policy file.
    folder : Path or None
    of_place : str
        What of a place they name: ``item``, ``sector`` or ``agency``, which is also the name of their column
        (or 事项, 行业, 部门); ``name`` (名称) does for all. A column ``note`` (备注) beside it is not read.

    Raises
    ------
    UnfitError
        With what is wrong with the file.
    """
    try:
        _, text = _read((folder or Path()) / given)
    except FileNotFoundError:
        raise UnfitError("must be a list of names, or the path of a CSV; there is no such file") from None
    head, rows = _rows(text)
    own = {of_place or "name", _NAMES_IN[of_place], "name", "名称"} - {""}
    columns = [at for at, one in enumerate(head) if one in own]
    if len(columns) != 1 or any(one not in own | {"note", "备注"} for one in head):
        shown = ", ".join(one[:40] for one in head) or "nothing"
        raise UnfitError(
            f"must begin with a line that names the column {of_place or 'name'} and, if need be, note; it "
            f"begins with {shown}"
        )
    short = [f"line {line}" for line, row in rows if len(row) != len(head) or not _cell(row[columns[0]])]
    if short:
        more = f" and {len(short) - _TOLD:,} more" if len(short) > _TOLD else ""
        raise UnfitError(
            f"has faulty lines: {', '.join(short[:_TOLD])}{more}; each is of {len(head)} cells, one a name"
        )
    return [_cell(row[columns[0]]) for _, row in rows]


def _read(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a list and its text; a file that is not there is the caller's matter."""
    try:
        content = read_bytes(path, LIST_BYTES)
        return content, decoded(content)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnfitError(f"cannot be read: {error.strerror}") from error
    except UnreadableError as error:
        raise UnfitError(f"cannot be used: {error}. {error.remedy}".rstrip(". ")) from error


def _rows(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the cells of the first line that is not blank, and the lines after it with their numbers."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UnfitError(f"is no CSV: line {reader.line_num}: {error}") from error
    return [_cell(one) for one in rows[0][1]] if rows else [], rows[1:]


def _entries(text: str, place: Place | None) -> list[Entry]:
    """Return the rows of a list, or say of every kind of fault in which lines it is."""
    head, rows = _rows(text)
    names = [_ALSO.get(one, one) for one in head]
    unknown = [one for one in names if one not in _COLUMNS]
    if "enterprise_id" not in names or unknown or len(set(names)) < len(names):
        shown = ", ".join(one[:40] for one in head) or "nothing"
        raise UnfitError(
            "must begin with a line that names the columns, separated by commas: enterprise_id and, as "
            f"needed, agency, listed_on, until; it begins with {shown}"
        )
    faults: Counter[str] = Counter()
    where: dict[str, list[str]] = {}

    def note(line: int, value: str, fault: str) -> None:
        faults[fault] += 1
        if faults[fault] <= _TOLD:
            where.setdefault(fault, []).append(f"line {line} ({value[:40]})" if value else f"line {line}")

    out: list[Entry] = []
    seen: set[tuple[str, str]] = set()
    lines: list[int] = []
    for line, row in rows:
        if len(row) != len(names):
            note(line, "", f"has not {len(names)} cells")
            continue
        cells = dict(zip(names, map(_cell, row), strict=True))
        one, agency = cells["enterprise_id"], cells.get("agency", "")
        days = {name: _day(cells.get(name, "")) for name in ("listed_on", "until")}
        for name, day in days.items():
            if day is _NO_DAY:
                note(line, cells[name], f"has in {name} no date such as 2025-03-01")
        if not one:
            note(line, "", "has no enterprise_id")
        elif _SCIENTIFIC.fullmatch(one):
            note(line, one, "has an id that a spreadsheet made a number of; format the column as text")
        if agency and place is not None and agency not in place.agencies:
            note(line, agency, "names an agency that the place does not have")
        if (one, agency) in seen:
            note(line, one, "is there before, for the same agency")
        seen.add((one, agency))
        since, until = (None if day is _NO_DAY else day for day in days.values())
        if since and until and until <= since:
            note(line, cells["until"], "ends before it begins")
        out.append((one, agency, since, until))
        lines.append(line)
    for at in _not_ids([one[0] for one in out], place):
        if out[at][0] and not _SCIENTIFIC.fullmatch(out[at][0]):
            note(lines[at], out[at][0], "has an id that is none of the place; check for missing characters")
    everybody = {one for one, agency in seen if not agency}
    for (one, agency, *_), line in zip(out, lines, strict=True):
        if agency and one in everybody:
            note(line, one, "is listed for an agency and for every agency")
    if faults:
        told = [
            f"{', '.join(where[fault])}{f' and {n - _TOLD:,} more' if n > _TOLD else ''} {fault}"
            for fault, n in faults.items()
        ]
        raise UnfitError(f"has faulty lines: {'; '.join(told)}")
    return out


def _cell(value: str) -> str:
    """Return a cell without blanks, and without the apostrophe that makes it text in a spreadsheet."""
    return value.strip().removeprefix("'").strip()


_NO_DAY = date.min
"""Stands for what is no date."""


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text) if len(text) == len("2025-03-01") else _NO_DAY
    except ValueError:
        return _NO_DAY


def _not_ids(ids: list[str], place: Place | None) -> list[int]:
    """Return where there are no ids of the place."""
    if place is None or not ids:
        return []
    if not place.credit_codes:
        pattern = re.compile(place.id_pattern)
        return [at for at, one in enumerate(ids) if not pattern.fullmatch(one)]
    import pandas as pd  # policies are read without it

    from tierkit.records.credit_code import valid_mask

    return [at for at, ok in enumerate(valid_mask(pd.Series(ids, dtype="str"))) if not ok]
