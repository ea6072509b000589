"""Folders that appear whole or not at all: filled beside their final name, renamed at the end."""

import glob
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["kind_of", "whole_folder"]

_DRAFT = ".tierkit-draft."


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
        said = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(said, dict):
        return {}
    return said if {"tierkit", "version"} & {*said, *said.get("facts", {})} else {}


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a temporary folder to fill, which takes the target's name when all went well.

    A folder that had the name is replaced. If anything is raised, the target stays as it was.

    Parameters
    ----------
    target : Path
        Its parents are made.

    Yields
    ------
    Path
        An empty folder on the same file system.
    """
    target, draft = _places(target)
    draft.mkdir()
    try:
        yield draft
        if target.exists():
            old = draft.with_name(f"{draft.name}-old")
            target.rename(old)
            draft.rename(target)
            shutil.rmtree(old)
        else:
            draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _places(target: Path) -> tuple[Path, Path]:
    """Return where the result goes and where its draft does; drafts of runs that were killed are removed."""
    target = target.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    for draft in target.parent.glob(f".*{_DRAFT}{glob.escape(target.name)}*"):
        if draft.name.partition(_DRAFT)[2] not in (target.name, f"{target.name}-old"):
            continue
        owner = draft.name[1:].partition(".")[0]
        if owner.isdigit() and not _lives(int(owner)):
            shutil.rmtree(draft)
    return target, target.with_name(f".{os.getpid()}{_DRAFT}{target.name}")


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and is somebody else's
        return True
    return True
