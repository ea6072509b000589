"""Make a synthetic city's records, hold a folder of records to the data contract, and write its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from tierkit.city.limits import MAX_SEED
from tierkit.city.population import MOST_ENTERPRISES
from tierkit.city.synth import make_folder
from tierkit.evaluate.possible import Abilities, abilities
from tierkit.folders import whole_file
from tierkit.jobs.checks import Checks, Location
from tierkit.progress import Progress, quiet
from tierkit.records import ROW_GROUP, TABLES, DataError, Problem, open_folder, read_dataset
from tierkit.records import validate as problems_of
from tierkit.records.files import FORMATS
from tierkit.records.folder import MANIFEST, manifest_text
from tierkit.records.validation import errors_of, validate_folder

__all__ = ["Manifest", "Synthesis", "Validation", "manifest", "synth", "validate"]


@dataclass(frozen=True)
class Synthesis:
    """What `synth` wrote.

    Attributes
    ----------
    folder : Path
    replaced : bool
        Whether an older dataset lay there.
    manifest : mapping
        What ``manifest.json`` says: tables with their rows and hashes, the day on which records end and
        the seed.
    """

    folder: Path
    replaced: bool
    manifest: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"folder": str(self.folder), "manifest": self.manifest}


@dataclass(frozen=True)
class Validation:
    """A folder that keeps the data contract, its rows, what seldom is right, and what it can be used for.

    What can be done is told of records of one's own; with a synthetic city all of it can.
    """

    folder: Path
    rows: Mapping[str, int]
    warnings: tuple[Problem, ...] = ()
    abilities: Abilities | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; warnings are there where there are any."""
        told = [asdict(one) for one in self.warnings]
        return {
            "folder": str(self.folder),
            "tables": dict(self.rows),
            **({"warnings": told} if told else {}),
            **({"abilities": self.abilities.to_dict()} if self.abilities else {}),
        }


@dataclass(frozen=True)
class Manifest:
    """What `manifest` wrote: the file, whether it replaced another, and what it says."""

    file: Path
    replaced: bool
    content: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"file": str(self.file), "manifest": dict(self.content)}


def synth(
    enterprises: int,
    out: Location,
    *,
    seed: int = 0,
    format: str = "parquet",
    place: Location = "shanghai",
    threads: int = 1,
    progress: Progress = quiet,
) -> Synthesis:
    """Make a synthetic city with two years of records, and write them to a folder.

    Parameters
    ----------
    enterprises : int
    out : path
        Folder of the dataset; an older dataset there is replaced.
    seed : int
        Another seed draws another city.
    format : {"parquet", "csv", "csv.gz"}
    place : str or path
        Name or file of the place that the city is in.
    threads : int
        It changes no byte.
    progress : Progress

    Returns
    -------
    Synthesis

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     made = synth(60, f"{place}/city", seed=1)
    ...     rows = validate(f"{place}/city").rows
    >>> rows["enterprises"], made.manifest["tables"]["enterprises"]["rows"], made.replaced
    (60, 60, False)
    """
    checks = Checks()
    checks.between("enterprises", enterprises, 1, MOST_ENTERPRISES)
    checks.between("seed", seed, 0, MAX_SEED)
    checks.one_of("format", format, FORMATS)
    checks.at_least("threads", threads, 1)
    of_place = checks.place("place", place)
    folder = checks.out_folder("out", out, "dataset")
    checks.settle()
    assert of_place is not None
    count = partial(progress, "simulating the years of records")
    with checks.writing() as replaced:
        make_folder(enterprises, seed, folder, format=format, place=of_place, threads=threads, progress=count)
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    return Synthesis(folder, replaced, manifest)


def validate(data: Location) -> Validation:
    """Hold the tables of a folder to the data contract.

    Parameters
    ----------
    data : path
        Folder of tables.

    Returns
    -------
    Validation
        If they keep it.

    Raises
    ------
    BadInputError
        If it is no folder of tables.
    DataError
        With everything in which the tables break the contract.

    Examples
    --------
    >>> validate("data/synthetic").rows["agencies"]
    12
    """
    checks = Checks()
    folder = checks.folder("data", data, "dataset")
    checks.settle()
    problems = problems_of(folder)
    if errors_of(problems):
        raise DataError(problems)
    found = read_dataset(folder)
    rows = {name: len(frame) for name, frame in found.items()}
    own = None if found.manifest.get("synthetic") else abilities(found)
    return Validation(folder, rows, tuple(problems), own)


def manifest(
    data: Location, *, as_of: date | str, start: date | str | None = None, place: Location | None = None
) -> Manifest:
    """Write the manifest of a folder of tables of one's own: files, rows, hashes, and what days they hold.

    It is a command of its own, since `validate` reads and this writes. What a manifest says beside that,
    such as the seed of a synthetic city, does not hold for tables of one's own and is left out.

    Parameters
    ----------
    data : path
        Folder of tables. A manifest that is there is replaced.
    as_of : date
        The day up to which there are records: nothing may lie after it.
    start : date, optional
        The day from which on there are records.
    place : str or path, optional
        Name of the place; that of ``place.toml`` in the folder, or Shanghai, if absent.

    Returns
    -------
    Manifest

    Raises
    ------
    BadInputError
        If it is no folder of tables, or a day is none.
    DataError
        With everything in which the tables break the contract; then nothing is written.

    Examples
    --------
    >>> import shutil, tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     copy = shutil.copytree("data/synthetic", f"{place}/own")
    ...     made = manifest(copy, as_of="2024-12-30", start="2023-01-02")
    >>> made.replaced, sorted(made.content)
    (True, ['as_of', 'place', 'schema', 'start', 'tables', 'tierkit'])
    """
    checks = Checks()
    folder = checks.folder("data", data, "dataset")
    end, first = checks.date("as_of", as_of), None if start is None else checks.date("start", start)
    given = None if place is None else checks.place("place", place)
    checks.settle()
    stated: dict[str, Any] = {} if first is None else {"start": first.isoformat()}
    assert end is not None
    stated["as_of"] = end.isoformat()
    if given is not None:
        stated["place"] = given.stated()
    opened = open_folder(folder, stated)
    problems = errors_of(validate_folder(opened))
    if problems:
        raise DataError(problems)
    listed = {
        name: {
            "file": opened.files[name].name,
            "rows": sum(chunk.num_rows for chunk in opened.chunks(opened.tables[name], ROW_GROUP)),
            "sha256": opened.sha256(opened.tables[name]),
        }
        for name in TABLES
        if name in opened.files
    }
    text = manifest_text(stated, opened.place, listed)
    file = folder / MANIFEST
    replaced = file.exists()
    with whole_file(file) as draft:
        draft.write_text(text, encoding="utf-8")
    return Manifest(file, replaced, json.loads(text))
