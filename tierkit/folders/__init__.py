"""Folders and files that appear whole or not at all: filled beside their final name, renamed at the end."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tierkit.bounds import UnreadableError, read_json
from tierkit.folders.claims import OutputError, beside, check_wanted, claim, is_partial, unbroken

__all__ = [
    "IN_DEMO",
    "WRITERS",
    "check_replaceable",
    "file_sha256",
    "flush",
    "kind_of",
    "read_sealed_folder",
    "replacing",
    "whole_file",
    "whole_folder",
]

WRITERS = {
    "dataset": "synth",
    "model": "train",
    "run": "simulate",
    "page": "report",
    "city": "report",
    "demo": "demo",
    "screening": "sensitivity",
    "backtest": "backtest",
    "evaluation": "evaluate",
}
"""Kind of a folder → the command that writes it."""
IN_DEMO = {"dataset": "data", "model": "model", "run": "run"}
"""Kind of a folder → where a demo holds one."""
_LISTED = {
    "dataset": (
        *("manifest.json", "place.toml", "dictionary.md", "dictionary.zh-CN.md"),
        *(f"intake/{name}" for name in ("mapping.toml", "account.json", "index.html")),
        *(f"intake/{name}.csv" for name in ("rejected", "duplicates", "cells")),
    ),
    "model": ("manifest.json",),
}
"""Kinds whose manifest lists files in a form of its own → the files that are theirs beside those."""
_ABOUT = {"run": "run.json"} | dict.fromkeys(_LISTED, "manifest.json")
"""Kind → the file by which it is known, where that is not ``summary.json``; it lists all others."""


def _about(folder: Path, kind: str) -> Path:
    """Return the file by which a folder of a kind is known."""
    return folder / _ABOUT.get(kind, "summary.json")


def kind_of(folder: Path) -> str | None:
    """Return what tierkit wrote there, by the manifest or summary in it.

    Returns
    -------
    str or None
        ``"dataset"``, ``"model"``, ``"run"``, ``"page"``, ``"demo"``, which holds one of each, or what its
        summary says it is, ``"screening"`` say; None where it is nothing of tierkit's.

    Examples
    --------
    >>> kind_of(Path("data/synthetic"))
    'dataset'
    """
    if summary := _signed(folder / "summary.json"):
        kind: str | None = summary.get("kind")
        return kind or ("demo" if _signed(folder / "run" / "run.json") else "page")
    if _signed(folder / "run.json"):
        return "run"
    manifest = _signed(folder / "manifest.json")
    return ("model" if "format" in manifest else "dataset") if manifest else None


def _signed(file: Path) -> dict[str, Any]:
    """Return what a file says, if it says that tierkit wrote it."""
    try:
        said = read_json(file)
    except (OSError, UnreadableError):
        return {}
    if not isinstance(said, dict):
        return {}
    facts = said.get("facts")
    own = {*said, *facts} if isinstance(facts, dict) else {*said}
    return said if {"tierkit", "version"} & own else {}


def check_replaceable(folder: Path, kind: str) -> None:
    """Raise if something is there that is not to be replaced by a folder of a kind.

    What may be replaced is a folder that holds nothing, or only what the command of that kind wrote.

    Raises
    ------
    OutputError
        If it is no such folder.
    """
    if folder.is_symlink() or not folder.exists():
        return  # a link is refused by whoever claims the place
    if not folder.is_dir():
        raise OutputError(f"'{folder}' is a file", "Give the name of a folder.")
    if Path.cwd().is_relative_to(folder.resolve()):
        raise OutputError(f"'{folder}' is the working folder", "Give a folder in it, or go elsewhere.")
    found = kind_of(folder)
    there = sorted(one for one in folder.rglob("*") if one.is_symlink() or not one.is_dir())
    if not there and found is None and not any(folder.iterdir()):
        return
    remedy = f"Give a new folder, an empty one, or one that 'tierkit {WRITERS[kind]}' wrote."
    if found != kind:
        what = f"is a {found}, which only another {found} may replace" if found else _NOT_OURS
        raise OutputError(f"'{folder}' {what}", remedy)
    known = set(_held(folder, kind))
    strange = [one for one in there if not _is_known(one, folder, known)]
    if strange:
        names = ", ".join(f"'{one.relative_to(folder)}'" for one in strange[:3])
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        raise OutputError(
            f"'{folder}' {_NOT_OURS}: {names}{more}", "Move them elsewhere, or give another folder."
        )


_NOT_OURS = "holds files that tierkit did not write"


def _held(folder: Path, kind: str) -> Iterator[str]:
    """Yield the names of the files that the command of a kind left in a folder."""
    file = _about(folder, kind)
    said = _signed(file)
    if kind == "dataset":
        tables = said.get("tables")
        for entry in tables.values() if isinstance(tables, dict) else ():
            yield str(entry.get("file")) if isinstance(entry, dict) else ""
    elif isinstance(said.get("files"), dict):
        yield from said["files"]
    yield from _LISTED.get(kind, (file.name,))
    if kind == "demo":
        for inner, name in IN_DEMO.items():
            yield from (f"{name}/{one}" for one in _held(folder / name, inner))


def _is_known(file: Path, folder: Path, known: Collection[str]) -> bool:
    """Return whether a file is one of ours; an unfinished one of ours that was killed is."""
    if file.is_symlink():
        return False
    names = [file.relative_to(folder).as_posix()]
    if file.name.endswith(".partial"):
        whole = file.name[1:].removesuffix(".partial").rpartition(".")[0]
        if is_partial(file.name, whole):
            names.append(file.with_name(whole).relative_to(folder).as_posix())
    return any(name in known for name in names)


def _seal(draft: Path, kind: str) -> None:
    """Write the hash of every file of a folder, and one of all that it says, into its signed file."""
    file = _about(draft, kind)
    if kind in _LISTED or not file.is_file():
        return
    inner = tuple(f"{name}/" for name in IN_DEMO.values()) if kind == "demo" else ()
    files = {}
    for one in sorted(draft.rglob("*")):
        name = one.relative_to(draft).as_posix()
        if one.is_file() and one != file and not name.startswith(inner):
            files[name] = file_sha256(one)
    said = read_json(file) | {"files": files}
    said["seal"] = _seal_of(said)
    file.write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _seal_of(said: dict[str, Any]) -> str:
    text = json.dumps({key: said[key] for key in said if key != "seal"}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def read_sealed_folder(folder: Path, kind: str) -> dict[str, Any]:
    """Return what the signed file of a folder says, if nothing that it lists was altered.

    Files that somebody put beside them are not looked at, and are not in its ``files``.

    Raises
    ------
    UnreadableError
        If it was altered, or a file that it lists was altered or taken away.
    OSError

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "run"
    >>> with whole_folder(target, "run") as draft:
    ...     _ = (draft / "run.json").write_text('{"facts": {"version": "1"}}')
    ...     _ = (draft / "a.txt").write_text("one")
    >>> read_sealed_folder(target, "run")["facts"]
    {'version': '1'}
    >>> _ = (target / "a.txt").write_text("two")
    >>> read_sealed_folder(target, "run")
    Traceback (most recent call last):
    ...
    tierkit.bounds.UnreadableError: 'a.txt' was altered after it was written: its SHA-256 differs
    """
    file = _about(folder, kind)
    said: dict[str, Any] = read_json(file)
    files = said.get("files") if isinstance(said, dict) else None
    if not isinstance(files, dict) or said.get("seal") != _seal_of(said):
        raise UnreadableError(f"'{file.name}' is not what was written: its seal does not fit")
    for name, listed in files.items():
        inside = folder / name
        if ".." in Path(name).parts or inside.is_symlink() or not inside.is_file():
            raise UnreadableError(f"{name!r} is missing")
        if file_sha256(inside) != listed:
            raise UnreadableError(f"{name!r} was altered after it was written: its SHA-256 differs")
    return said


@contextmanager
def whole_folder(target: Path, kind: str) -> Iterator[Path]:
    """Give a temporary folder to fill, which takes the target's name when all went well.

    A folder of the same kind that had the name is replaced. If anything is raised, the target stays as it
    was.

    Parameters
    ----------
    target : Path
        Its parents are made.
    kind : str
        What is written, as `kind_of` will tell it.

    Yields
    ------
    Path
        An empty folder on the same file system.

    Raises
    ------
    OutputError
        If another run is writing there, or something is there that this kind may not replace.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "run"
    >>> with whole_folder(target, "run") as draft:
    ...     _ = (draft / "run.json").write_text('{"facts": {"version": "1"}}')
    >>> kind_of(target), [one.name for one in target.parent.iterdir()]
    ('run', ['run'])
    """
    with claim(target) as where:
        check_replaceable(where, kind)
        draft, old = beside(where, "draft"), beside(where, "old")
        draft.mkdir()
        try:
            yield draft
            _seal(draft, kind)
            check_replaceable(where, kind)  # somebody may have put something there in the meantime
            check_wanted()
            with unbroken():
                _swap(draft, where, old)
        finally:
            with unbroken():
                shutil.rmtree(draft, ignore_errors=True)


def _swap(draft: Path, where: Path, old: Path) -> None:
    """Give a draft its name. A run that is killed in between leaves the old one, for the next to put back."""
    if not where.exists():
        draft.rename(where)
        return
    where.rename(old)
    try:
        draft.rename(where)
    except BaseException:
        old.rename(where)
        raise
    shutil.rmtree(old)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces ``path`` only if the block succeeds.

    Nothing keeps another run from the same path: where one could come, `whole_file` claims it.

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
        check_wanted()
        temporary.replace(path)
    finally:
        with unbroken():
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a temporary file to write, which takes the target's name when all went well.

    Parameters
    ----------
    target : Path
        Its parents are made; an older file is replaced.

    Raises
    ------
    OutputError
        If another run is writing it, or it is a link.
    """
    with claim(target) as where, replacing(where) as draft:
        yield draft


def flush(path: Path) -> None:
    """Flush a file to disk, so that a full disk raises here."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
