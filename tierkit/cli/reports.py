"""``tierkit report``: the page of a run, or of every enterprise of a city that was scored."""

from pathlib import Path
from typing import Annotated

import typer

from tierkit.cli.answers import Answer, command
from tierkit.jobs.checks import Checks, cores
from tierkit.progress import show

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "report")(report)


def report(
    source: Annotated[
        Path, typer.Argument(metavar="RUN|SCORES", help="What simulate wrote, or what score wrote.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The dataset that was scored.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="The model that gave the scores; adds portraits of tiers, and is needed for dossiers.",
        ),
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="POLICY", help="The policy of the scores, if it is a file.")
    ] = None,
    previous: Annotated[
        Path | None,
        typer.Option(metavar="SCORES", help="Scores of an earlier day; adds how tiers changed and why."),
    ] = None,
    last: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The file that score --previous was given; if not given, --previous is tried.",
        ),
    ] = None,
    reviews: Annotated[
        Path | None, typer.Option(metavar="LOG", help="Log of reviewers' decisions; adds the last ones.")
    ] = None,
    tiers: Annotated[
        list[str] | None,
        typer.Option("--tier", metavar="TIER", help="Only this tier; may be given several times."),
    ] = None,
    sectors: Annotated[
        list[str] | None,
        typer.Option("--sector", metavar="SECTOR", help="Only this sector; may be given several times."),
    ] = None,
    districts: Annotated[
        list[str] | None,
        typer.Option(
            "--district", metavar="DISTRICT", help="Only this district; may be given several times."
        ),
    ] = None,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="Only enterprises whose tier is uncertain.")
    ] = False,
    dossiers: Annotated[
        int, typer.Option(metavar="N", help="Dossiers to make, from the worst tier and highest risk down.")
    ] = 0,
    lang: Annotated[
        str | None,
        typer.Option(metavar="LANG", help="Language of dossiers: zh, en or both; zh if not given."),
    ] = None,
) -> Answer:
    """Write the page of a run, or the page that lists all scored enterprises."""
    of_scores = {
        "data": data, "model": model, "policy": policy, "previous": previous, "last": last,
        "reviews": reviews, "tiers": tiers, "sectors": sectors, "districts": districts,
        "uncertain": uncertain, "dossiers": dossiers, "lang": lang,
    }  # fmt: skip
    if source.suffix != ".parquet" or source.is_dir():
        return _of_run(source, out, [name for name, value in of_scores.items() if value])
    from tierkit.jobs import city_page

    with show() as progress:
        done = city_page.city_page(
            source, data, out, model=model, policy=policy, previous=previous, last=last, reviews=reviews,
            tiers=tiers or (), sectors=sectors or (), districts=districts or (), uncertain=uncertain,
            dossiers=dossiers, lang="zh" if lang is None else lang, threads=cores(), progress=progress,
        )  # fmt: skip
    told, made = done.summary, len(done.summary["dossiers"])
    text = f"{'Replaced' if done.replaced else 'Wrote'} '{done.page}': "
    text += f"{told['enterprises']:,} of {told['scored']:,} enterprises"
    text += f", {made:,} of them with a dossier." if made else "."
    return Answer(done.to_dict(), text)


def _of_run(run: Path, out: Path, unfit: list[str]) -> Answer:
    """Write the page of a run; options that are for scores are refused."""
    checks = Checks()
    for name in unfit:
        checks.note(name, "is for scores, not for a run", "Leave it out, or give SCORES.parquet.")
    checks.settle()
    from tierkit.jobs import simulation

    done = simulation.run_page(run, out)
    return Answer(done.to_dict(), f"{'Replaced' if done.replaced else 'Wrote'} '{done.page}'.")
