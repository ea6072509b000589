"""Make a synthetic city's records, and hold a folder of records to the data contract."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tierkit.city.limits import MAX_SEED
from tierkit.city.population import MOST_ENTERPRISES
from tierkit.city.synth import make_folder
from tierkit.jobs.checks import Checks, Location
from tierkit.progress import Progress, quiet
from tierkit.records import DataError, read_dataset
from tierkit.records import validate as problems_of
from tierkit.records.files import FORMATS

__all__ = ["Synthesis", "Validation", "synth", "validate"]


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
    """A folder that keeps the data contract, and the rows of its tables."""

    folder: Path
    rows: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"folder": str(self.folder), "tables": dict(self.rows)}


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
    if problems:
        raise DataError(problems)
    return Validation(folder, {name: len(frame) for name, frame in read_dataset(folder).items()})
