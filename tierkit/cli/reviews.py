"""``tierkit review``: a reviewer's decisions, kept in a log."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tierkit.cli.answers import Answer, command
from tierkit.jobs.checks import FORMATS, Checks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "review")(review)


def review(
    decisions: Annotated[
        Path, typer.Argument(metavar="DECISIONS", help="A CSV or Parquet file, a decision a row.")
    ],
    log: Annotated[Path, typer.Option(metavar="LOG", help="The log to add to; made if it is not there.")],
    scores: Annotated[
        Path | None, typer.Option(metavar="SCORES", help="What score wrote, to hold decisions against.")
    ] = None,
) -> Answer:
    """Add decisions of reviewers to a log whose lines are chained by their hashes."""
    checks = Checks()
    checks.file("DECISIONS", decisions)
    endings = [f".{one}" for one in FORMATS]
    if not decisions.name.endswith(tuple(endings)):
        checks.note("DECISIONS", f"'{decisions}' has no known ending", f"End it in {' or '.join(endings)}.")
    if scores is not None:
        checks.file("--scores", scores)
    checks.out_file("--log", log, [""])
    checks.settle()

    from tierkit.policy import reviews

    held = None
    if scores is not None:
        with checks.blame("--scores", "Give a file that score wrote."):
            held = _scored(scores)
    rows, added, entries, last = reviews.append(log, decisions, held)
    said = f"Recorded {added} of {rows} decision{'s' * (rows != 1)} in '{log}'"
    if added < rows:
        said += f"; {rows - added} {'was' if rows - added == 1 else 'were'} there already"
    keep = f"It has {entries} entries, the last with hash {last}: keep that hash elsewhere, since only it "
    keep += "shows if entries are cut off at the end or written anew."
    data = {"log": str(log), "rows": rows, "added": added, "entries": entries, "hash": last}
    return Answer(data, f"{said}.\n{keep}" if last else f"{said}.")


def _scored(file: Path) -> "pd.DataFrame":
    """Return who was scored, with tier, policy and day."""
    import pyarrow.parquet as pq

    scored = pq.read_table(file, columns=["enterprise_id", "tier", "policy"])
    about = (scored.schema.metadata or {}).get(b"tierkit")
    if about is None:
        raise ValueError(f"'{file}' does not say of which day it is")
    frame: pd.DataFrame = scored.to_pandas()
    return frame.assign(as_of=json.loads(about)["as_of"])
