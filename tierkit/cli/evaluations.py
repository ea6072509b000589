"""``tierkit evaluate``: how sound a model and a policy are, on the records that came after a date."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tierkit import __version__
from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.folders import whole_folder
from tierkit.jobs.checks import Checks, cores
from tierkit.progress import show

__all__ = ["add_to"]

_MOST_MONTHS = 24
_MOST_WORLDS = 100


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "evaluate")(evaluate)


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="What train wrote.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")],
    as_of: Annotated[
        str,
        typer.Option(metavar="DATE", help="A Monday: scores are of it, records after it judge them."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    policy: Annotated[
        str | None, typer.Option(metavar="POLICY", help="What to value; the model's own if not given.")
    ] = None,
    practice: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="What was in force after the date; as the records say if absent."
        ),
    ] = None,
    months: Annotated[int, typer.Option(metavar="M", help="Months over which tiers are followed.")] = 6,
    worlds: Annotated[
        int, typer.Option(metavar="W", help="Worlds in which retraining on one's own findings is tried.")
    ] = 0,
) -> Answer:
    """Say how sound a model and a policy are, as tables, figures and a model card."""
    checks = Checks()
    checks.folder("MODEL", model, "model", holds=["manifest.json"])
    checks.folder("DIR", folder, "dataset")
    day = checks.date("--as-of", as_of)
    meant = None if policy is None else checks.policy("--policy", policy, of_models=True)
    in_force = None if practice is None else checks.policy("--practice", practice)
    checks.between("--months", months, 1, _MOST_MONTHS)
    checks.between("--worlds", worlds, 0, _MOST_WORLDS)
    wrote = checks.out_folder("--out", out, "evaluation")
    checks.settle()

    import matplotlib.pyplot as plt

    from tierkit import plot
    from tierkit.evaluate.assessment import assess
    from tierkit.records import read_dataset
    from tierkit.report import figures, model_card
    from tierkit.scores.model import Model
    from tierkit.texts import LANGUAGES

    loaded, data = Model.load(model), read_dataset(folder)
    with show() as progress, checks.blame("--as-of", "Give a Monday, with records before and after it."):
        found = assess(
            loaded,
            data,
            day.date(),
            meant,
            practice=in_force,
            months=months,
            worlds=worlds,
            threads=cores(),
            progress=progress,
        )
    with whole_folder(out) as draft, show() as progress:
        told = {"kind": "evaluation", "version": __version__, **found.to_dict()}
        (draft / "summary.json").write_text(
            json.dumps(told, ensure_ascii=False, indent=1, default=_plain, allow_nan=False) + "\n", "utf-8"
        )
        for part in ("tables", "figures"):
            (draft / part).mkdir()
        for name, frame in found.tables.items():
            frame.to_csv(draft / "tables" / f"{name}.csv", index=False, float_format="%.9g")
        draw = figures(found)
        for k, (name, make) in enumerate(draw.items()):
            progress("drawing", k, len(draw) + 1)
            for lang in LANGUAGES:
                axes: Any = make(lang)
                with plot.style():
                    (axes if hasattr(axes, "figure") else axes.flat[0]).figure.savefig(
                        draft / "figures" / f"{name}.{lang}.png", dpi=160
                    )
                plt.close("all")
        progress("drawing", len(draw), len(draw) + 1)
        model_card(loaded, found, draft / "model_card.html")
        progress("drawing", len(draw) + 1, len(draw) + 1)
    text = "\n\n".join(
        [
            *_levels(found.tables),
            *_value(found.results),
            *found.notes,
            *(f"Refused, {name.replace('_', ' ')}: {why}" for name, why in found.refused.items()),
            f"{wrote} '{out / 'model_card.html'}', tables and figures.",
        ]
    )
    told = {name: kept for name, kept in found.to_dict().items() if name != "tables"}
    return Answer({"folder": str(out), **told}, text)


def _levels(tables: Any) -> list[str]:
    from tierkit.texts import interval, percent

    if "scores.levels" not in tables:
        return []
    rows = [
        {
            "inspections": {"all": "all on site", "random": "random audits"}[row["set"]],
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


def _plain(value: Any) -> Any:
    """Return a NumPy number or a date as JSON knows it."""
    return value.item() if hasattr(value, "item") else str(value)
