"""``tierkit synth`` and ``tierkit validate``: make records, and check them."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.jobs.checks import FORMATS, MAX_SEED, Checks, cores
from tierkit.progress import show

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    command(app, "synth")(synth)
    command(app, "validate")(validate)


def synth(
    enterprises: Annotated[int, typer.Option(metavar="N", help="How many enterprises.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    seed: Annotated[int, typer.Option(metavar="S", help="Another seed draws another city.")] = 0,
    format: Annotated[str, typer.Option(metavar="FORMAT", help="parquet, csv or csv.gz.")] = "parquet",
) -> Answer:
    """Make a synthetic city with two years of records."""
    from tierkit.city.population import MOST_ENTERPRISES

    checks = Checks()
    checks.between("--enterprises", enterprises, 1, MOST_ENTERPRISES)
    checks.between("--seed", seed, 0, MAX_SEED)
    checks.one_of("--format", format, FORMATS)
    wrote = checks.out_folder("--out", out, "dataset")
    checks.settle()
    from tierkit.city.synth import make_folder

    with show() as progress:
        stage = partial(progress, "simulating the years of records")
        make_folder(enterprises, seed, out, format=format, threads=cores(), progress=stage)
    manifest = json.loads((out / "manifest.json").read_text("utf-8"))
    rows = [{"table": name, "rows": entry["rows"]} for name, entry in manifest["tables"].items()]
    return Answer(
        {"folder": str(out), "manifest": manifest},
        f"{table(rows, right=['rows'])}\n\n{wrote} '{out}', as of {manifest['as_of']}.",
    )


def validate(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")]) -> Answer:
    """List everything in which the tables of a folder break the data contract."""
    from tierkit.records import DataError, read_dataset
    from tierkit.records import validate as problems_of

    checks = Checks()
    checks.folder("DIR", folder, "dataset")
    checks.settle()
    problems = problems_of(folder)
    if problems:
        raise DataError(problems)
    rows = [{"table": name, "rows": len(frame)} for name, frame in read_dataset(folder).items()]
    return Answer(
        {"folder": str(folder), "tables": {row["table"]: row["rows"] for row in rows}},
        f"{table(rows, right=['rows'])}\n\n'{folder}' keeps the contract.",
    )
