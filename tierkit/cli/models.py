"""``tierkit train``, ``score`` and ``explain``: models, everybody's tier, and one enterprise's reasons."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.jobs.checks import cores
from tierkit.progress import show

__all__ = ["INSIST", "add_to"]

AsOf = Annotated[str, typer.Option(metavar="DATE", help="Only what was known before this day is used.")]
INSIST = "Give tiers even if a model is no better than chance on what was kept back."
Data = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")]
ModelFolder = Annotated[Path, typer.Argument(metavar="MODEL", help="What train wrote.")]
Previous = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The last assignment of tiers, for rules of hysteresis and dwell."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    command(app, "train")(train)
    command(app, "score")(score)
    command(app, "explain")(explain)


def train(
    data: Data,
    as_of: AsOf,
    out: Annotated[Path, typer.Option(metavar="MODEL", help="Where to write.")],
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY",
            help="What the model is trained for; the place's past policy if not given.",
        ),
    ] = None,
    scheme: Annotated[str, typer.Option(metavar="SCHEME", help="naive, random or weighted.")] = "weighted",
    level: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="Rows that set the level of risk: scheme, all of them, or audits, random ones alone.",
        ),
    ] = "scheme",
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the trees and of the hold-out set.")] = 0,
    budget: Annotated[
        int, typer.Option(metavar="N", help="How many other settings of the risk model to try.")
    ] = 0,
    bootstrap: Annotated[
        int, typer.Option(metavar="B", help="Models of resampled enterprises, to tell how certain tiers are.")
    ] = 0,
    structure: Annotated[
        bool,
        typer.Option("--structure", help="Let size, age, sector and the like give and take credit points."),
    ] = False,
    credit_table: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Take credit from an expert's table of points, not from records."),
    ] = None,
    risk_alone: Annotated[
        bool, typer.Option("--risk-alone", help="Give no credit, and tiers by risk alone.")
    ] = False,
) -> Answer:
    """Train the risk model and the credit scorecard."""
    from tierkit.jobs import training

    with show() as progress:
        done = training.train(
            data, as_of, out, policy=policy, scheme=scheme, level=level, seed=seed, budget=budget,
            bootstrap=bootstrap, structure=structure, credit_table=credit_table, risk_alone=risk_alone,
            threads=cores(), progress=progress,
        )  # fmt: skip
    rows = [
        {"tested on": name, **{key: _short(value) for key, value in test.items()}}
        for name, test in done.tests.items()
    ]
    doubt = f"\n\nToo few to judge by: {', '.join(done.too_few)}." if done.too_few else ""
    about = done.manifest["risk"]
    if done.ahead:
        doubt += (
            f"\n\nAhead of the risk model by more than chance: {'; '.join(done.ahead)}. Try other settings "
            "with --budget 30, or ask whether the simple score will do."
        )
    if not about["refit"]["held"]:
        doubt += (
            "\n\nThe level of the risk moves: carried over to the later inspections it was off by more than "
            f"chance (calibration error {about['refit']['error']:.3f}, chance allows "
            f"{about['refit']['bound']:.3f})."
        )
    if done.credit:
        doubt += f"\n\n{' '.join(done.credit)}"
    beside = table([_beside(one) for one in about["baselines"]["test"]])
    tried = f"\n\nSettings: {_settings(about['tuning'])}." if about["tuning"] else ""
    wrote = "Replaced" if done.replaced else "Wrote"
    text = (
        f"{table(rows)}{doubt}\n\nRisk beside simple scores, on the later inspections (95 % intervals, by "
        f"enterprise):\n\n{beside}{tried}\n\n{wrote} '{out}', trained on what was known before {as_of}."
    )
    return Answer(done.to_dict(), text)


def score(
    model: ModelFolder,
    data: Data,
    as_of: AsOf,
    policy: Annotated[str, typer.Option(metavar="POLICY", help="Policy under which tiers are given.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write scores and tiers, FILE.parquet.")],
    previous: Previous = None,
    reasons: Annotated[
        int,
        typer.Option(
            metavar="K", help="Reason codes to give for each score; a code book is written beside the file."
        ),
    ] = 0,
    certainty: Annotated[
        bool, typer.Option("--certainty", help="Say how many bootstrap models give the same tier.")
    ] = False,
    insist: Annotated[bool, typer.Option("--insist", help=INSIST)] = False,
    chunk_rows: Annotated[
        int, typer.Option(metavar="N", help="Enterprises at a time; fewer need less memory.")
    ] = 65_536,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was stopped.")] = False,
) -> Answer:
    """Give every enterprise its scores and tier."""
    from tierkit.jobs import scoring

    with show() as progress:
        done = scoring.score(
            model, data, as_of, policy, out, previous, reasons, chunk_rows, resume,
            certainty=certainty, insist=insist, threads=cores(), progress=progress,
        )  # fmt: skip
    counts = ("rows_in", "scored", "rejected", "closed", "not_registered", "flagged")
    rows = [{"": name.replace("_", " "), "enterprises": getattr(done, name)} for name in counts]
    rows += [{"": f"in {tier}", "enterprises": n} for tier, n in done.tiers.items()]
    wrong = [
        {"table": name, "rows": one["rows"], "rejected": one["rejected"]}
        for name, one in done.records.items()
        if one["rejected"]
    ]
    parts = [
        table(rows, right=["enterprises"]),
        *([table(wrong, right=["rows", "rejected"])] if wrong else []),
    ]
    rejects = f", and what was rejected to '{done.rejects}'" if done.rejected or wrong else ""
    book = f", what the codes mean to '{done.codes}'" if done.codes else ""
    parts.append(" ".join(done.grounds["en"]))
    return Answer(done.to_dict(), "\n\n".join([*parts, f"Wrote '{out}'{book}{rejects}."]))


def explain(
    model: ModelFolder,
    data: Data,
    as_of: AsOf,
    enterprise: Annotated[str, typer.Option(metavar="ID", help="Id of the enterprise.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the page, FILE.html.")],
    policy: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="Policy under which the tier is given; the model's own if not given."
        ),
    ] = None,
    lang: Annotated[str, typer.Option(metavar="LANG", help="zh or en.")] = "zh",
    previous: Previous = None,
    reviews: Annotated[
        Path | None, typer.Option(metavar="LOG", help="Log of reviewers' decisions, as review keeps it.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID", help="Also tell what would be without this record; may be given several times."
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File of scores of that day, which says on which agencies' lists it is."
        ),
    ] = None,
    insist: Annotated[bool, typer.Option("--insist", help=INSIST)] = False,
    background: Annotated[
        int, typer.Option(metavar="N", help="Measure risk against N enterprises of DIR, drawn at random.")
    ] = 0,
) -> Answer:
    """Say why one enterprise is in its tier."""
    from tierkit.jobs import dossier

    done = dossier.explain(
        model, data, as_of, enterprise, out, policy=policy, lang=lang, previous=previous, reviews=reviews,
        without=without or (), scores=scores, background=background, insist=insist, threads=cores(),
    )  # fmt: skip
    return Answer(done.to_dict(), "\n".join([*done.sentences(), "", f"Wrote '{out}'."]))


def _short(value: float | None) -> float | str:
    if value is None:
        return "none"
    return value if isinstance(value, int) else f"{value:.4f}"


def _beside(one: dict[str, Any]) -> dict[str, str]:
    """Return a row of the table of baselines."""

    def told(name: str) -> str:
        if one[name] is None:
            return "none: one class only"
        low, high = one[f"{name}_low"], one[f"{name}_high"]
        return f"{one[name]:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")

    behind = "" if one["score"] == "model" else told("auc_behind")
    return {
        "ranked by": one["score"],
        "auc": told("auc"),
        "found in the first tenth": told("capture"),
        "behind the model by": behind,
    }


def _settings(tuned: dict[str, Any]) -> str:
    best = next(one for one in tuned["candidates"] if one["chosen"])
    numbers = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in tuned["chosen"].items())
    return (
        f"{numbers}, the best of {len(tuned['candidates'])} at {len(tuned['origins'])} origins; log loss "
        f"{best['difference']:+.5f} [{best['difference_low']:+.5f}, {best['difference_high']:+.5f}] "
        "from the stated ones, in intervals that hold for all tried together"
    )
