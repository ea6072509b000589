"""``tierkit intake``: from the files that a city has to a dataset."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.jobs.checks import cores
from tierkit.progress import show

__all__ = ["app"]

app = typer.Typer(help="Bring your own files in: propose a mapping, check it, run it.", no_args_is_help=True)

Given = Annotated[Path, typer.Argument(metavar="MAPPING", help="The mapping, a TOML file.")]


@command(app, "draft")
def draft(
    raw: Annotated[Path, typer.Argument(metavar="RAW", help="Folder of the files.")],
    out: Annotated[Path, typer.Option(metavar="FILE.toml", help="Where to write the mapping.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Short name of the place.")] = "",
) -> Answer:
    """Propose a mapping of files in a folder, and a place that fits them."""
    from tierkit.jobs import intake

    done = intake.draft(raw, out, name=name)
    looked = [
        f"Looked at {', '.join(done.proposal.files)}.",
        *(f"Not used: {one}." for one in done.proposal.left),
    ]
    wrote = f"Wrote '{done.mapping}' and '{done.place}'. Look at every line of both."
    left = [f"To decide: {one}" for one in done.proposal.open]
    then = f"Then: tierkit intake check {done.mapping}"
    return Answer(done.to_dict(), "\n".join([*looked, wrote, *left, then]))


@command(app, "check")
def check(mapping: Given) -> Answer:
    """List what is wrong with a mapping and its files, what becomes of their rows, and what they allow."""
    from tierkit.jobs import intake

    with show() as progress:
        done = intake.check(mapping, threads=cores(), progress=progress)
    able = done.abilities
    told = [f"{one.sentence('en')}\n  {one.sentence('zh')}" for one in able.each] if able else []
    then = f"Nothing is open. Then: tierkit intake run {mapping} --out DIR"
    return Answer(done.to_dict(), "\n\n".join([_shown(done), "\n".join(told), then]))


@command(app, "run")
def run(
    mapping: Given, out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write the dataset.")]
) -> Answer:
    """Make a dataset of files by a mapping."""
    from tierkit.jobs import intake

    with show() as progress:
        done = intake.run(mapping, out, threads=cores(), progress=progress)
    wrote = (
        f"{'Replaced' if done.replaced else 'Wrote'} '{out}', as of {done.account.as_of}; see "
        f"'{out / 'intake' / 'index.html'}'."
    )
    return Answer(done.to_dict(), f"{_shown(done)}\n\n{wrote}")


def _shown(done: Any) -> str:
    """Return what became of the rows as tables."""
    one = done.account
    rows = [
        {
            "table": name,
            "read": one.read[name],
            "taken": one.taken[name],
            "rejected": one.rejected[name],
            "duplicates": one.duplicates[name],
            "found by name": one.found_by_name[name],
        }
        for name in one.read
    ]
    parts = [table(rows, right=["read", "taken", "rejected", "duplicates", "found by name"])]
    for title, listed in (("Rejected", one.reasons), ("Cells that are not taken as they stand", one.cells)):
        if listed:
            parts.append(f"{title}\n{table(listed, right=['rows'])}")
    if one.warnings:
        keys = ("table", "column", "rows", "message", "remedy")
        shown = [{key: warning[key] for key in keys} for warning in one.warnings]
        parts.append(f"To be looked at, as it seldom is right\n{table(shown, right=['rows'])}")
    return "\n\n".join(parts)
