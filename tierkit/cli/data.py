"""``tierkit synth``, ``validate`` and ``manifest``: make records, check them, and sign for them."""

from pathlib import Path
from typing import Annotated, Any

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
    command(app, "manifest")(manifest)


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
    from tierkit.records import problems_table

    done = synthesis.validate(data)
    rows = [{"table": name, "rows": n} for name, n in done.rows.items()]
    said = f"{table(rows, right=['rows'])}\n\n'{data}' keeps the contract."
    if done.warnings:
        told: list[Any] = problems_table(done.warnings).drop(columns="warning").to_dict("records")
        said += f"\n\nTo be looked at, as it seldom is right:\n\n{table(told, right=['rows'])}"
    if done.abilities:
        told_of = (f"{one.sentence('en')}\n  {one.sentence('zh')}" for one in done.abilities.each)
        said += "\n\n" + "\n".join(told_of)
    return Answer(done.to_dict(), said)


def manifest(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables of your own.")],
    as_of: Annotated[str, typer.Option(metavar="DATE", help="The day up to which there are records.")],
    start: Annotated[
        str | None, typer.Option(metavar="DATE", help="The day from which on there are records.")
    ] = None,
    place: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Name of the place; see 'tierkit place show'.")
    ] = None,
) -> Answer:
    """Write the manifest of a folder whose tables keep the contract: files, rows, hashes, days."""
    from tierkit.jobs import synthesis

    done = synthesis.manifest(data, as_of=as_of, start=start, place=place)
    rows = [{"table": name, "rows": one["rows"]} for name, one in done.content["tables"].items()]
    wrote = f"{'Replaced' if done.replaced else 'Wrote'} '{done.file}'."
    return Answer(done.to_dict(), f"{table(rows, right=['rows'])}\n\n{wrote}")
