"""``tierkit sensitivity``: which uncertain numbers decide a comparison."""

from pathlib import Path
from typing import Annotated

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.models import INSIST
from tierkit.jobs.checks import cores
from tierkit.progress import show

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "sensitivity")(sensitivity)


def sensitivity(
    policy: Annotated[str, typer.Option(metavar="POLICY", help="The reform.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    baseline: Annotated[str, typer.Option(metavar="POLICY", help="What to compare with.")] = "legacy",
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL", help="Model whose scores set the tiers; a rule score sets them if not given."
        ),
    ] = None,
    insist: Annotated[bool, typer.Option("--insist", help=INSIST)] = False,
    enterprises: Annotated[int, typer.Option(metavar="N", help="Enterprises of a city.")] = 5000,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the cities and of the design.")] = 0,
    measures: Annotated[
        list[str] | None,
        typer.Option(
            "--measure",
            metavar="M",
            help="findings, violations_missed and harm if not given; may be given several times.",
        ),
    ] = None,
    chosen: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="An uncertain number to vary; all if not given; may be given several times."
        ),
    ] = None,
    trajectories: Annotated[int, typer.Option(metavar="T", help="Trajectories of the screening.")] = 10,
    levels: Annotated[int, typer.Option(metavar="L", help="Levels of its grid; an even number.")] = 4,
    replicates: Annotated[int, typer.Option(metavar="R", help="Cities for each trajectory.")] = 2,
    cities: Annotated[int, typer.Option(metavar="C", help="Cities of the tornado.")] = 10,
    kappa: Annotated[float, typer.Option(metavar="K", help="General deterrence in the tornado.")] = 0.1,
    weeks: Annotated[int, typer.Option(metavar="W", help="How long to run.")] = 52,
) -> Answer:
    """Rank the uncertain numbers by their effect on a comparison."""
    from tierkit.jobs import sensitivity as job

    with show() as progress:
        done = job.sensitivity(
            policy, out, baseline=baseline, model=model, insist=insist, enterprises=enterprises, seed=seed,
            measures=measures or (), chosen=chosen or (), trajectories=trajectories, levels=levels,
            replicates=replicates, cities=cities, kappa=kappa, weeks=weeks, threads=cores(),
            progress=progress,
        )  # fmt: skip
    lines = "\n".join(done.screening.sentences("en"))
    return Answer(done.to_dict(), f"{lines}\n\n{'Replaced' if done.replaced else 'Wrote'} '{out}'.")
