"""``tierkit synth`` and ``tierkit validate``: make records, and check them."""

from pathlib import Path
from typing import Annotated

import typer

from tierkit.cli.ending import Answer, command
from tierkit.cli.given import Given
from tierkit.cli.table import table

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    command(app, "validate")(validate)


def validate(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")]) -> Answer:
    """List everything in which the tables of a folder break the data contract."""
    from tierkit.schema import DataError, read_dataset
    from tierkit.schema import validate as problems_of

    given = Given()
    given.folder("DIR", folder)
    given.settle()
    problems = problems_of(folder)
    if problems:
        raise DataError(problems)
    rows = [{"table": name, "rows": len(frame)} for name, frame in read_dataset(folder).items()]
    return Answer(
        {"folder": str(folder), "tables": {row["table"]: row["rows"] for row in rows}},
        f"{table(rows, right=['rows'])}\n\n'{folder}' keeps the contract.",
    )
