"""Folders and files that appear whole or not at all: filled beside their final name, renamed at the end."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tierkit.bounds import UnreadableError, read_json
from tierkit.folders.claims import OutputError, beside, claim, is_partial, unbroken

__all__ = [
    "IN_DEMO",
    "RUN_TABLES",
    "WRITERS",
    "check_replaceable",
    "flush",
    "kind_of",
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
RUN_TABLES = (
    "summary", "years", "transitions", "by_replicate", "tiers", "scores", "visits", "ratings", "moments",
    "calibration",
)  # fmt: skip
"""Tables that a run may hold, each as a Parquet file of its name."""
_FILES = {
    "dataset": ("manifest.json", "place.toml", "dictionary.md", "dictionary.zh-CN.md"),
    "model": ("manifest.json",),
    "run": ("run.json", *(f"{name}.parquet" for name in RUN_TABLES), "policies/*.toml"),
    "page": ("index.html", "summary.json"),
    "city": ("index.html", "summary.json", "dossiers/*.html"),
    "demo": ("index.html", "summary.json", "scores.parquet"),
    "screening": ("summary.json", "screening.parquet", "tornado.parquet", "screening-*.png", "tornado-*.png"),
    "backtest": ("summary.json", "cells.csv", "estimates.csv", "history.toml"),
    "evaluation": ("summary.json", "model_card.html", "tables/*.csv", "figures/*.png"),
}
"""Kind of a folder → the files that its command writes, beside those that its manifest lists."""


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
    known = list(_held(folder, kind))
    strange = [one for one in there if not _is_known(one, folder, known)]
    if strange:
        names = ", ".join(f"'{one.relative_to(folder)}'" for one in strange[:3])
        more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
        raise OutputError(
            f"'{folder}' {_NOT_OURS}: {names}{more}", "Move them elsewhere, or give another folder."
        )


_NOT_OURS = "holds files that tierkit did not write"


def _held(folder: Path, kind: str) -> Iterator[str]:
    """Yield the patterns of the files that the command of a kind leaves in a folder."""
    yield from _FILES[kind]
    manifest = _signed(folder / "manifest.json")
    if kind == "model" and isinstance(manifest.get("files"), dict):
        yield from manifest["files"]
    if kind == "dataset" and isinstance(manifest.get("tables"), dict):
        for entry in manifest["tables"].values():
            yield str(entry.get("file")) if isinstance(entry, dict) else ""
    if kind == "demo":
        for inner, name in IN_DEMO.items():
            yield from (f"{name}/{one}" for one in _held(folder / name, inner))


def _is_known(file: Path, folder: Path, known: Iterable[str]) -> bool:
    """Return whether a file is one of ours; unfinished ones of ours that were killed are."""
    if file.is_symlink():
        return False
    name = file.relative_to(folder).as_posix()
    unfinished = file.name.endswith(".partial") and is_partial(
        file.name, file.name[1:].removesuffix(".partial").rpartition(".")[0]
    )
    return unfinished or any(fnmatchcase(name, one) and name.count("/") == one.count("/") for one in known)


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
            check_replaceable(where, kind)  # somebody may have put something there in the meantime
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
