"""``tierkit synth`` and ``tierkit validate``: make records, and check them."""

from pathlib import Path
from typing import Annotated

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.jobs.checks import cores
from tierkit.progress import show

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    command(app, "synth")(synth)
    command(app, "validate")(validate)


def synth(
    enterprises: Annotated[int, typer.Option(metavar="N", help="How many enterprises.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the city.")] = 0,
    format: Annotated[str, typer.Option(metavar="FORMAT", help="parquet, csv or csv.gz.")] = "parquet",
    place: Annotated[
        str, typer.Option(metavar="PLACE", help="Name or file of the place; see 'tierkit place show'.")
    ] = "shanghai",
) -> Answer:
    """Make a synthetic city with two years of records."""
    from tierkit.jobs import synthesis

    with show() as progress:
        done = synthesis.synth(
            enterprises, out, seed=seed, format=format, place=place, threads=cores(), progress=progress
        )
    rows = [{"table": name, "rows": entry["rows"]} for name, entry in done.manifest["tables"].items()]
    wrote = f"{'Replaced' if done.replaced else 'Wrote'} '{out}', as of {done.manifest['as_of']}."
    return Answer(done.to_dict(), f"{table(rows, right=['rows'])}\n\n{wrote}")


def validate(data: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")]) -> Answer:
    """List everything in which the tables of a folder break the data contract."""
    from tierkit.jobs import synthesis

    done = synthesis.validate(data)
    rows = [{"table": name, "rows": n} for name, n in done.rows.items()]
    return Answer(done.to_dict(), f"{table(rows, right=['rows'])}\n\n'{data}' keeps the contract.")
