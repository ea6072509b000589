"""``tierkit review``: a reviewer's decisions, kept in a log."""

from pathlib import Path
from typing import Annotated

import typer

from tierkit.cli.answers import Answer, command

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "review")(review)


def review(
    decisions: Annotated[
        Path, typer.Argument(metavar="DECISIONS", help="A CSV or Parquet file with one decision per row.")
    ],
    log: Annotated[Path, typer.Option(metavar="LOG", help="The log to add to; made if it is not there.")],
    scores: Annotated[
        Path | None,
        typer.Option(metavar="SCORES", help="A file that score wrote, to check the decisions against."),
    ] = None,
    place: Annotated[
        str, typer.Option(metavar="PLACE", help="Name or file of the place whose ids are decided on.")
    ] = "shanghai",
) -> Answer:
    """Add decisions of reviewers to a log whose lines are chained by their hashes."""
    from tierkit.jobs import reviewing

    done = reviewing.review(decisions, log, scores=scores, place=place)
    old = done.rows - done.added
    said = f"Recorded {done.added} of {done.rows} decision{'s' * (done.rows != 1)} in '{log}'"
    said += f"; {old} {'was' if old == 1 else 'were'} there already." if old else "."
    keep = (
        f"It has {done.entries} entries, the last with hash {done.hash}: keep that hash elsewhere, since "
        "only it shows if entries are cut off at the end or written anew."
    )
    return Answer(done.to_dict(), f"{said}\n{keep}" if done.hash else said)
