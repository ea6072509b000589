"""``tierkit backtest``: run a past year again under the policy of its past, and compare."""

from pathlib import Path
from typing import Annotated

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.jobs.checks import cores
from tierkit.progress import show

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "backtest")(backtest)


def backtest(
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")],
    as_of: Annotated[
        str,
        typer.Option(metavar="DATE", help="A Monday; the policy is estimated from the records before it."),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL", help="Build the world from its scores; from the synthetic truth if not given."
        ),
    ] = None,
    weeks: Annotated[int, typer.Option(metavar="W", help="How long to predict.")] = 52,
    replicates: Annotated[
        int, typer.Option(metavar="R", help="Runs; 39, 79 and 119 suit 95 % intervals best.")
    ] = 119,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write what was found.")] = None,
) -> Answer:
    """Compare the inspections of a past year with what the records before it predict."""
    from tierkit.jobs import backtest as job
    from tierkit.texts import interval, number, percent

    with show() as progress:
        done = job.backtest(
            data, as_of, model=model, weeks=weeks, replicates=replicates, seed=seed, out=out,
            threads=cores(), progress=progress,
        )  # fmt: skip
    result, found = done.result, done.result.coverage
    n, inside = number(found["cells"]), number(found["inside"])
    told = (
        f"{inside} of {n} cells of agency, channel and sector with at least {result.least:g} inspections "
        f"expected lie inside their 95 % intervals: {percent(found['share'], 1)} "
        f"{interval(100 * found['low'], 100 * found['high'], 1)}; to be expected "
        f"{interval(100 * found['expected_low'], 100 * found['expected_high'], 1)}. "
        f"The policy was {result.history.policy.parameter('frequency.base_rate').assumption}."
    )
    wrote = "" if out is None else f" {'Replaced' if done.replaced else 'Wrote'} '{out}'."
    return Answer(done.to_dict(), f"{table(done.rows, right=['observed'])}\n\n{told}{wrote}")
