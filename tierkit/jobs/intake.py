"""Bring anybody's files in: propose a mapping, check it, and write the dataset that it makes of them."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tierkit import intake
from tierkit.evaluate.possible import Abilities, abilities
from tierkit.folders import whole_file, whole_folder
from tierkit.intake.drafting import Draft
from tierkit.intake.drafting import draft as drafted
from tierkit.intake.running import FOLDER
from tierkit.jobs.checks import Checks, Location
from tierkit.progress import Progress, quiet
from tierkit.records import read_dataset
from tierkit.report.intake_page import intake_page

__all__ = ["Drafted", "Intake", "check", "draft", "run"]


@dataclass(frozen=True)
class Drafted:
    """What `draft` wrote.

    Attributes
    ----------
    mapping, place : Path
    proposal : Draft
        What they say, and what a person has to decide.
    """

    mapping: Path
    place: Path
    proposal: Draft

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "mapping": str(self.mapping),
            "place": str(self.place),
            "files": self.proposal.files,
            "open": self.proposal.open,
            "left": self.proposal.left,
        }


@dataclass(frozen=True)
class Intake:
    """What became of raw files.

    Attributes
    ----------
    account : Account
        Rows read, taken, rejected and repeated, and the rest.
    folder : Path or None
        The dataset; None where it was a check alone.
    replaced : bool
        Whether an older dataset lay there.
    abilities : Abilities or None
        What can be done with the records, of a check.
    """

    account: intake.Account
    folder: Path | None = None
    replaced: bool = False
    abilities: Abilities | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        own = {"abilities": self.abilities.to_dict()} if self.abilities else {}
        return {"folder": None if self.folder is None else str(self.folder), **self.account.to_dict(), **own}


def draft(raw: Location, out: Location, *, name: str = "") -> Drafted:
    r"""Propose a mapping of raw files, and the file of a place, beside it, that fits what occurs in them.

    Parameters
    ----------
    raw : path
        Folder of the files: CSV, TSV, xlsx or Parquet, below it at any depth.
    out : path
        The mapping, which ends in ``.toml``. What is there already is never replaced.
    name : str
        Short name of the place; that of the folder if not given.

    Returns
    -------
    Drafted

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments.
    DataError
        If there is nothing to propose from.

    Examples
    --------
    >>> import tempfile
    >>> raw = Path(tempfile.mkdtemp()) / "raw"
    >>> raw.mkdir()
    >>> rows = "License,Inspection Date,Results\n7,2024-03-13,Pass\n8,2024-03-14,Fail\n"
    >>> _ = (raw / "inspections.csv").write_text(rows)
    >>> draft(raw, raw.parent / "mapping.toml", name="elsewhere").proposal.files
    ['inspections.csv']
    """
    checks = Checks()
    folder = checks.path("raw", raw)
    if not folder.is_dir():
        checks.note("raw", f"'{folder}' is no folder", "Give the folder that holds the files.")
    mapping = checks.out_file("out", out, [".toml"])
    place = mapping.with_name(f"{mapping.stem}.place.toml")
    for path in (mapping, place):
        if path.exists():
            message = f"'{path}' is there already, and may have been edited"
            checks.note("out", message, "Give another name, or take it away.")
    short = name or re.sub(r"[^a-z0-9_-]+", "", folder.name.lower()).lstrip("0123456789-_")[:40] or "own_city"
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", short):
        checks.note("name", f"'{short}' is no short name", "Use small letters, digits, - and _.")
    checks.settle()
    proposal = drafted(folder, mapping, short)
    with checks.writing(), whole_file(place) as beside, whole_file(mapping) as file:
        beside.write_text(proposal.place, encoding="utf-8")
        file.write_text(proposal.mapping, encoding="utf-8")
    return Drafted(mapping, place, proposal)


def check(mapping: Location, *, threads: int = 1, progress: Progress = quiet) -> Intake:
    """Hold a mapping against its files as a run would, say what can be done with them, and write nothing.

    Parameters
    ----------
    mapping : path
    threads : int
        It changes no result.
    progress : Progress

    Raises
    ------
    BadInputError
        If the mapping is no file.
    MappingError
        With everything that is wrong with it, or between it and its files.
    DataError
        If what comes out breaks the data contract.
    """
    checks = Checks()
    path = checks.file("mapping", mapping)
    checks.at_least("threads", threads, 1)
    checks.settle()
    with tempfile.TemporaryDirectory() as beside:
        account = intake.fill(path, Path(beside), threads, progress)
        able = abilities(read_dataset(beside))
    return Intake(account, abilities=able)


def run(mapping: Location, out: Location, *, threads: int = 1, progress: Progress = quiet) -> Intake:
    """Make a dataset of raw files by a mapping.

    Parameters
    ----------
    mapping : path
    out : path
        Folder of the dataset; an older dataset there is replaced. Its folder ``intake`` holds what was set
        aside, a page on what was read, derived, unknown and dropped, and the mapping.
    threads : int
        It changes no byte.
    progress : Progress

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments.
    MappingError
        As `check` does; nothing is written then.
    DataError
        If what comes out breaks the data contract; nothing is written then.
    """
    checks = Checks()
    path = checks.file("mapping", mapping)
    checks.at_least("threads", threads, 1)
    folder = checks.out_folder("out", out, "dataset")
    checks.settle()
    with checks.writing() as replaced, whole_folder(folder, "dataset") as beside:
        account = intake.fill(path, beside, threads, progress)
        (beside / FOLDER / "index.html").write_text(intake_page(account), encoding="utf-8")
    return Intake(account, folder, replaced)
