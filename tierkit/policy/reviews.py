"""Reviewers' decisions about tiers: an append-only log, chained by hashes so that changes are detected.

A line of the log is one decision, as JSON. Each holds the SHA-256 of the line before it and its own, so who
alters, removes or inserts a line breaks the chain there, and `read_log` names the first line that does not
fit. What a chain cannot show: that lines at its very end were cut off, and that all lines from some line on
were written anew with hashes that fit, since anybody can compute them. Against both only a hash that is kept
elsewhere helps: `append` returns the last one, and every dossier tells it. A decision changes no score and
no tier by itself; it is shown.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tierkit.bounds import LOG_BYTES, LOG_LINE, UnreadableError, parse_json, read_bytes
from tierkit.folders.claims import check_wanted, unbroken
from tierkit.records import SHANGHAI, Column, DataError, Folder, Label, Place, Problem, Table, bound
from tierkit.records.dataset import frame_of
from tierkit.records.gate import day_of
from tierkit.records.rows import cell_problems, check_rows, describe, row_faults

__all__ = ["COLUMNS", "LONGEST", "Appended", "append", "check", "latest", "read_log"]

LONGEST = 2_000
"""Characters that a text may have; `LOG_LINE` leaves room for all of them."""

_DECLARED = Table(
    name="decisions",
    zh="审定意见",
    en="decisions",
    row=Label("一次审定", "a reviewer's decision"),
    key=("enterprise_id", "as_of", "policy", "reviewer", "decided_on"),
    columns=MappingProxyType({
        column.name: column
        for column in (
            Column("enterprise_id", "id", "统一社会信用代码", "unified social credit code", credit_code=True),
            Column("decision", "level", "审定意见", "decision", levels="decision"),
            Column("override_tier", "level", "另定等级", "tier given instead", levels="tier", nullable=True,
                   required=False),
            Column("reason", "text", "理由", "reason", nullable=True, required=False),
            Column("reviewer", "text", "审定人", "reviewer"),
            Column("decided_on", "date", "审定日期", "decided on"),
            Column("as_of", "date", "评定日期", "date of the assignment"),
            Column("policy", "text", "适用方案", "policy"),
            Column("tier", "level", "监管等级", "tier that was reviewed", levels="tier"),
        )
    }),
    orders=(("as_of", "decided_on"),),
)  # fmt: skip
_ANY_ID = replace(_DECLARED.columns["enterprise_id"], credit_code=False)
_TABLE = bound(
    replace(_DECLARED, columns=MappingProxyType({**_DECLARED.columns, "enterprise_id": _ANY_ID})), SHANGHAI
)
"""The decisions of a log: the form of ids, which differs between places, was checked when they were added."""
_GIVEN = tuple(_TABLE.columns)
_DAYS = ("decided_on", "as_of")
COLUMNS = (
    "entry", "enterprise_id", "decided_on", "decision", "tier", "override_tier", "reason", "reviewer",
    "as_of", "policy", "recorded_at", "hash",
)  # fmt: skip
"""Columns of `read_log`."""
_FIRST = "0" * 64
_OPENING = b'{"as_of":'
"""How each line begins, as the names in it are sorted."""
_FIELDS = {*_GIVEN, "entry", "recorded_at", "previous", "hash"}


class Appended(NamedTuple):
    """Result of `append`.

    Attributes
    ----------
    rows : int
        Decisions given.
    added : int
        Those of them that were new.
    entries : int
        Entries of the log now.
    hash : str or None
        Hash of the last entry, to be stored apart from the log; None if the log is empty.
    """

    rows: int
    added: int
    entries: int
    hash: str | None


def check(
    decisions: pd.DataFrame | str | os.PathLike[str],
    scores: pd.DataFrame | None = None,
    today: date | None = None,
    place: Place = SHANGHAI,
) -> pd.DataFrame:
    """Check decisions and return them in their declared types.

    Parameters
    ----------
    decisions : DataFrame or path
        One row per decision: ``enterprise_id``, ``decision`` (``agree``, ``override`` or ``correct``, which
        sends records back to be put right), ``override_tier`` (with ``override`` only), ``reason`` (needed
        unless the reviewer agrees), ``reviewer``, ``decided_on``, ``as_of``, ``policy`` and ``tier``, the
        last three as in the score file. A path leads to a CSV or Parquet file.
    scores : DataFrame, optional
        Who was scored: ``enterprise_id``, ``tier``, ``policy`` and perhaps ``as_of``; what is decided on must
        be that.
    today : date, optional
        No decision may be later; the clock's day if absent.
    place : Place
        The place whose ids the enterprises have.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        With everything that is wrong, or if the scores lack a column.

    Examples
    --------
    >>> one = {"enterprise_id": "91350100M000100Y43", "decision": "override", "tier": "T4"}
    >>> rest = {"reviewer": "Li", "decided_on": "2025-01-06", "as_of": "2024-12-30", "policy": "jiading-2025"}
    >>> check(pd.DataFrame([one | rest]))
    Traceback (most recent call last):
    ...
    tierkit.records.problems.DataError: 2 problems in the data:
    decisions.override_tier: is missing (1 row, row 1: empty). Give the tier that the reviewer sets
    decisions.reason: is missing (1 row, row 1: empty). Give the reason; only who agrees needs none
    """
    data = decisions
    if not isinstance(data, pd.DataFrame):
        path = Path(data)
        data = Folder(path.parent, {_TABLE.name: path}, {}, ()).load(_TABLE)
    rows = check_rows(data, bound(_DECLARED, place), today or datetime.now().astimezone().date())
    problems = cell_problems(rows)
    problems += [
        describe(_TABLE.name, rows.raw, at, fault)
        for at, fault in row_faults(rows)
        if len(at) > 1 and fault.rows.any()
    ]
    if rows.problems:
        raise DataError(problems)
    frame = frame_of(rows).reindex(columns=list(_GIVEN)).astype(_TABLE.dtypes)
    for column, here, message, remedy in (*_rules(frame), *_among(frame), *_against(frame, scores)):
        examples = tuple(
            f"row {row + 1}: {_shown(frame[column].iloc[row])}" for row in np.flatnonzero(here)[:3].tolist()
        )
        if examples:
            problems.append(Problem(_TABLE.name, column, int(here.sum()), examples, message, remedy))
    if problems:
        raise DataError(problems)
    return frame


def _rules(frame: pd.DataFrame) -> Iterator[tuple[str, Any, str, str]]:
    """Yield the rules on rows beyond single cells: column, rows at fault, what is wrong, what to do."""
    overrides, given = frame["decision"] == "override", frame["override_tier"].notna()
    reasoned = frame["reason"].notna()
    yield "override_tier", overrides & ~given, "is missing", "Give the tier that the reviewer sets"
    other = frame["decision"].notna() & ~overrides & given
    yield "override_tier", other, "is given, yet nothing is overridden", "Empty it, or write override"
    same = overrides & given & (frame["override_tier"].astype("str") == frame["tier"].astype("str"))
    yield "override_tier", same, "is the tier that stands", "Give another tier, or write agree"
    lacking = frame["decision"].isin(["override", "correct"]) & ~reasoned
    yield "reason", lacking, "is missing", "Give the reason; only who agrees needs none"
    for name in ("reason", "reviewer", "policy"):
        long = frame[name].str.len().fillna(0) > LONGEST
        yield name, long, f"has more than {LONGEST:,} characters", "Shorten it, and cite the file"
    for name in ("reason", "reviewer", "policy"):
        # Most say the same, so each text is looked at once.
        hidden = frame[name].isin([text for text in frame[name].dropna().unique() if _hides(text)])
        yield (
            name,
            hidden,
            "holds control or direction characters",
            "Take them out; a log is read as it is",
        )


def _among(frame: pd.DataFrame) -> Iterator[tuple[str, Any, str, str]]:
    """Yield the rules between rows that are given together, in the form of `_rules`."""
    fresh = ~frame.duplicated()
    twice = frame[fresh].duplicated(list(_TABLE.key), keep=False).reindex(frame.index, fill_value=False)
    yield "decision", twice, "contradicts another row of the same reviewer and day", "Keep the one that holds"


def _against(frame: pd.DataFrame, scores: pd.DataFrame | None) -> Iterator[tuple[str, Any, str, str]]:
    """Yield the rules between rows and scores, in the form of `_rules`."""
    if scores is None:
        return
    remedy = "Give what 'tierkit score' wrote"
    lacking = [name for name in ("enterprise_id", "tier", "policy") if name not in scores]
    if lacking:
        raise DataError([Problem("scores", name, 0, (), "is a column that is missing", remedy)
                         for name in lacking])  # fmt: skip
    own = scores.drop_duplicates("enterprise_id").set_index("enterprise_id")
    known = frame["enterprise_id"].isin(own.index)
    yield "enterprise_id", ~known, "is not among the scores", "Give the scores that were reviewed"
    for name in ("tier", "policy", *(["as_of"] if "as_of" in own else [])):
        held = frame["enterprise_id"].map(own[name].astype("str"))
        differs = known & (held != frame[name].astype("str"))
        yield name, differs, "is not that of the scores", "Decide on the tier as it was scored"


def _hides(text: str) -> bool:
    """Return whether text holds invisible characters or characters that change the reading direction."""
    return not text.isprintable() and any(
        not (char.isprintable() or char in "\n\t" or unicodedata.category(char) == "Zs") for char in text
    )


def _shown(cell: Any) -> str:
    if pd.isna(cell):
        return "empty"
    return repr(str(cell)) if len(str(cell)) <= 40 else f"{str(cell)[:39]!r}…"


def append(
    log: str | os.PathLike[str],
    decisions: pd.DataFrame | str | os.PathLike[str],
    scores: pd.DataFrame | None = None,
    *,
    now: datetime | None = None,
    place: Place = SHANGHAI,
) -> Appended:
    """Add decisions to a log, each once, and return how many were new.

    Either all of them are on the disk when it returns, or, if the process is killed, the first few; the same
    call adds the rest. Two processes wait for each other, and Ctrl-C waits for the writing. A decision is not
    added where the last entry of the same reviewer, day, enterprise and assignment says the same; who decides
    otherwise and then goes back is heard each time.

    Parameters
    ----------
    log : path
        Made if it is not there.
    decisions, scores, place
        As for `check`.
    now : datetime, optional
        When they are recorded; the clock's time if absent.

    Returns
    -------
    Appended
        How many were given and added, how many entries there are, and the last hash.

    Raises
    ------
    DataError
        If there is none, a decision is wrong or the log was altered; nothing is written then.

    Warns
    -----
    UserWarning
        If the log ended in half a line, left by a writer that was killed; it is taken away.

    Examples
    --------
    >>> import tempfile
    >>> log = Path(tempfile.mkdtemp()) / "reviews.jsonl"
    >>> one = pd.DataFrame([{"enterprise_id": "91350100M000100Y43", "decision": "agree", "tier": "T4",
    ...     "reviewer": "Li", "decided_on": "2025-01-06", "as_of": "2024-12-30", "policy": "jiading-2025"}])
    >>> append(log, one).added, append(log, one).added
    (1, 0)
    """
    path = Path(log)
    moment = now or datetime.now(UTC)
    frame = check(decisions, scores, moment.astimezone().date(), place)
    at = moment.astimezone(UTC).isoformat(timespec="seconds")
    if frame.empty:
        remedy = "Give one decision per row, below the header"
        raise DataError([Problem(_TABLE.name, "", 0, (), "hold no decision", remedy)])
    path.parent.mkdir(parents=True, exist_ok=True)
    check_wanted()
    with unbroken():
        try:
            return _added(path, frame, at)
        except FileExistsError:  # another process began the log meanwhile
            return _added(path, frame, at)


def _added(path: Path, frame: pd.DataFrame, at: str) -> Appended:
    """Add checked decisions to a log; FileExistsError if it was begun by another process meanwhile."""
    with _locked(path) as (descriptor, fresh):
        entries, whole, half = ([], 0, b"") if fresh else _entries(path)
        if half:
            warnings.warn(_half(path, half), stacklevel=3)
            os.ftruncate(descriptor, whole)
        held = {_values(entry, _TABLE.key): _values(entry, _GIVEN) for entry in entries}
        last: dict[str, Any] = entries[-1] if entries else {"entry": 0, "hash": _FIRST}
        lines = []
        for row in frame.drop_duplicates().to_dict("records"):
            given = {str(name): _plain(cell) for name, cell in row.items()}
            key, content = _values(given, _TABLE.key), _values(given, _GIVEN)
            if held.get(key) == content:
                continue
            held[key] = content
            entry = given | {"entry": last["entry"] + 1, "recorded_at": at, "previous": last["hash"]}
            last = entry | {"hash": _hash(entry)}
            lines.append(_line(last))
        rest = "".join(lines).encode()
        if whole + len(rest) > LOG_BYTES:
            message = f"is full: with these it would be larger than {LOG_BYTES >> 20} MiB"
            raise DataError([Problem(str(path), "", 0, (), message, "Keep it, and begin another log")])
        os.lseek(descriptor, 0, os.SEEK_END)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    count = int(last["entry"])
    return Appended(len(frame), len(lines), count, last["hash"] if count else None)


def read_log(log: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the decisions of a log after verifying the chain of hashes and the content of every line.

    It waits while another process of tierkit writes.

    Returns
    -------
    DataFrame
        `COLUMNS`, by entry; ``decided_on`` and ``as_of`` are days, ``recorded_at`` is UTC in ISO 8601.

    Raises
    ------
    DataError
        If the log was altered, or a line is no decision that `append` would have written; it names the first
        line that does not fit.
    FileNotFoundError

    Warns
    -----
    UserWarning
        If the log ends in half a line, which is left out.
    """
    path = Path(log)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        entries, _, half = _entries(path)
    if half:
        warnings.warn(_half(path, half), stacklevel=2)
    frame = pd.DataFrame(entries, columns=list(COLUMNS))
    words = [name for name in COLUMNS if name not in ("entry", *_DAYS)]
    types = {"entry": "int64", **dict.fromkeys(words, "str"), **dict.fromkeys(_DAYS, "datetime64[us]")}
    return frame.astype(types)


def latest(
    log: pd.DataFrame | str | os.PathLike[str], as_of: date | str | None = None, policy: str | None = None
) -> pd.DataFrame:
    """Return the decision in force for each enterprise: the latest by day, then by entry.

    Parameters
    ----------
    log : path or DataFrame
        A log, or what `read_log` gave.
    as_of : date, optional
        Decisions of later days are left out.
    policy : str, optional
        Only decisions on tiers under this policy.

    Returns
    -------
    DataFrame
        `COLUMNS`, one row per enterprise, by ``enterprise_id``.
    """
    frame = log if isinstance(log, pd.DataFrame) else read_log(log)
    if as_of is not None:
        frame = frame[frame["decided_on"] <= pd.Timestamp(day_of(as_of))]
    if policy is not None:
        frame = frame[frame["policy"] == policy]
    last = frame.sort_values(["decided_on", "entry"]).drop_duplicates("enterprise_id", keep="last")
    return last.sort_values("enterprise_id", ignore_index=True)


@contextmanager
def _locked(path: Path) -> Iterator[tuple[int, bool]]:
    """Open a log for writing under a lock, with its directory entry flushed to disk; say whether it is new.

    A new log has no name until all is in it: a process that is killed before leaves no empty file. Where the
    file system has no files without a name, it has one from the start.
    """
    fresh = not os.path.lexists(path)
    descriptor = _nameless(path.parent) if fresh else None
    if descriptor is None:
        descriptor, fresh = os.open(path, os.O_RDWR | os.O_CREAT, 0o644), False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not fresh:
            _flush(path.parent)
        yield descriptor, fresh
        if fresh:
            # With a folder named, Python asks for the file behind the link; without, for the link itself.
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)
            _flush(path.parent)
    finally:
        os.close(descriptor)  # which gives the lock back


def _nameless(folder: Path) -> int | None:
    """Open a file in a folder that has no name yet; None where that cannot be had."""
    if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").exists():
        return None
    try:
        return os.open(folder, os.O_RDWR | os.O_TMPFILE, 0o644)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
            return None
        raise


def _flush(folder: Path) -> None:
    """Flush the entries of a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _entries(path: Path) -> tuple[list[dict[str, Any]], int, bytes]:
    """Return the verified entries of a log, their length in bytes, and an incomplete last line if any."""
    try:
        content = read_bytes(path, LOG_BYTES)
    except UnreadableError as error:
        remedy = "Check that it is the log that you mean; keep a full one, and begin another"
        raise DataError([Problem(str(path), "", 0, (), f"cannot be read: {error}", remedy)]) from error
    whole = content.rfind(b"\n") + 1
    entries: list[dict[str, Any]] = []
    previous, wrong = _FIRST, ""
    for k, line in enumerate(content[:whole].split(b"\n")[:-1], start=1):
        try:
            entry = parse_json(line, LOG_LINE)
            own = {name: value for name, value in entry.items() if name != "hash"}
            if entry["hash"] != _hash(own) or _line(entry).encode() != line + b"\n":
                wrong = "is not what was written: its hash is not that of its content"
            elif entry["previous"] != previous or entry["entry"] != k:
                wrong = "does not follow the line before it: a line was taken out, put in or moved"
            elif not _shaped(entry):
                wrong = "is no entry of a log"
        except (ValueError, AttributeError, KeyError, TypeError):
            wrong = "is no entry of a log"
        if wrong:
            break
        entries.append(entry)
        previous = entry["hash"]
    if not wrong and not _OPENING.startswith(content[whole:][: len(_OPENING)]):
        wrong = "is no entry of a log"  # nor the beginning of one
    at, untrue = _untrue(entries)
    if untrue or wrong:
        at, wrong = (at, untrue) if untrue else (len(entries), wrong)
        remedy = "Restore the log from a backup; nothing from this line on can be trusted"
        message = f"line {at + 1} {wrong}"
        raise DataError([Problem(str(path), "", 1, (f"line {at + 1}",), message, remedy)])
    return entries, whole, content[whole:]


def _shaped(entry: dict[str, Any]) -> bool:
    """Return whether an entry has all fields with the right types; fields of a decision are text or empty."""
    moment = datetime.fromisoformat(entry["recorded_at"])
    return (
        set(entry) == _FIELDS
        and type(entry["entry"]) is int
        and moment.utcoffset() is not None
        and all(entry[name] is None or isinstance(entry[name], str) for name in _GIVEN)
    )


def _untrue(entries: list[dict[str, Any]]) -> tuple[int, str]:
    """Return the position of the first invalid decision and what is wrong with it; None if all are valid."""
    rows = check_rows(pd.DataFrame(entries, columns=list(_GIVEN), dtype="object"), _TABLE)
    faults = [(columns[0], fault.rows, fault.message) for columns, fault in row_faults(rows)]
    frame = frame_of(rows).astype(_TABLE.dtypes)
    faults += [(column, np.asarray(here), message) for column, here, message, _ in _rules(frame)]
    first = min(
        ((int(here.argmax()), column, said) for column, here, said in faults if here.any()), default=None
    )
    return (0, "") if first is None else (first[0], f"is no decision: {first[1]} {first[2]}")


def _half(path: Path, half: bytes) -> str:
    return (
        f"'{path}' ends in half a line of {len(half):,} bytes, left by a writer that was killed; it is no "
        "entry and is left out. Record those decisions again."
    )


def _values(entry: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(entry[name] for name in names)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"


def _hash(entry: dict[str, Any]) -> str:
    return hashlib.sha256(_line(entry).encode("utf-8", "surrogatepass")).hexdigest()


def _plain(cell: Any) -> str | None:
    if pd.isna(cell):
        return None
    return cell.date().isoformat() if isinstance(cell, pd.Timestamp) else str(cell)
