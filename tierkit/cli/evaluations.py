"""``tierkit evaluate``: how sound a model and a policy are, on the records that came after a date."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.jobs.checks import cores
from tierkit.progress import show

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "evaluate")(evaluate)


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="What train wrote.")],
    data: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")],
    as_of: Annotated[
        str,
        typer.Option(
            metavar="DATE", help="A Monday: scores are of this day, and the records after it test them."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    policy: Annotated[
        str | None, typer.Option(metavar="POLICY", help="Policy to evaluate; the model's own if not given.")
    ] = None,
    practice: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="Policy in force after the date; taken from the records if not given."
        ),
    ] = None,
    months: Annotated[int, typer.Option(metavar="M", help="Months over which tiers are followed.")] = 6,
    worlds: Annotated[
        int,
        typer.Option(
            metavar="W", help="Synthetic worlds in which retraining on a policy's own findings is tried."
        ),
    ] = 0,
) -> Answer:
    """Say how sound a model and a policy are, as tables, figures and a model card."""
    from tierkit.jobs import evaluation

    with show() as progress:
        done = evaluation.evaluate(
            model, data, as_of, out, policy=policy, practice=practice, months=months, worlds=worlds,
            threads=cores(), progress=progress,
        )  # fmt: skip
    found = done.assessment
    parts = [
        *_levels(found.tables),
        *_value(found.results),
        *found.notes,
        *(f"Refused, {name.replace('_', ' ')}: {why}" for name, why in found.refused.items()),
        f"{'Replaced' if done.replaced else 'Wrote'} '{done.card}', tables and figures.",
    ]
    return Answer(done.to_dict(), "\n\n".join(parts))


def _levels(tables: Any) -> list[str]:
    from tierkit.texts import interval, percent

    if "scores.levels" not in tables:
        return []
    rows = [
        {
            "inspections": {"all": "all on site", "random": "equal-chance audits"}[row["set"]],
            "n": row["n"],
            "findings": row["findings"],
            "rate": "too few findings"
            if row["too_few"]
            else f"{percent(row['rate'], 1)} {interval(row['low'], row['high'], 1, share=True)}",
            "predicted": percent(row["predicted"], 1),
        }
        for row in tables["scores.levels"].to_dict("records")
    ]
    return [table(rows, right=["n", "findings"])]


def _value(results: Any) -> list[str]:
    from tierkit.texts import interval, number, text

    if "policy_value" not in results:
        return []
    value = results["policy_value"]
    rows = [
        {
            "estimator": text(f"estimator.{name}", "en"),
            "findings per 1,000 obligations": "refused"
            if row["refused"]
            else f"{number(row['value'], 2)} {interval(row['low'], row['high'], 2)}",
            "holds if": row["holds_if"],
            "n": row["n"],
        }
        for name, row in value.table.to_dict("index").items()
    ]
    about = f"{value.policy}: {number(value.opportunities, 1)} audit opportunities per 1,000 obligations."
    return [table(rows, right=["n"]), about]
