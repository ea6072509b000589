"""``tierkit sensitivity``: which of the numbers that nobody knows decide a comparison."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierkit import __version__
from tierkit.cli.answers import Answer, as_data, command
from tierkit.cli.simulations import MOST_KAPPA, MOST_REPLICATES, MOST_WEEKS, warn_of_rule_scores
from tierkit.folders import whole_folder
from tierkit.jobs.checks import MAX_SEED, Checks, cores, nearest
from tierkit.progress import show

if TYPE_CHECKING:
    import pandas as pd

    from tierkit.compare.sensitivity import Screening

__all__ = ["add_to"]

LEAST_ENTERPRISES = 100
MOST_TRAJECTORIES = 1000
MOST_LEVELS = 100


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "sensitivity")(sensitivity)


def sensitivity(
    policy: Annotated[str, typer.Option(metavar="POLICY", help="The reform.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    baseline: Annotated[str, typer.Option(metavar="POLICY", help="What to compare with.")] = "legacy",
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Whose scores the tiers rest on; a rule score if not given."),
    ] = None,
    enterprises: Annotated[int, typer.Option(metavar="N", help="Enterprises of a city.")] = 5000,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the cities and of the design.")] = 0,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            metavar="M", help="findings, violations_missed and harm if not given; may be given several times."
        ),
    ] = None,
    trajectories: Annotated[int, typer.Option(metavar="T", help="Trajectories of the screening.")] = 10,
    levels: Annotated[int, typer.Option(metavar="L", help="Levels of its grid, even.")] = 4,
    replicates: Annotated[int, typer.Option(metavar="R", help="Cities for each trajectory.")] = 2,
    cities: Annotated[int, typer.Option(metavar="C", help="Cities of the tornado.")] = 10,
    kappa: Annotated[float, typer.Option(metavar="K", help="General deterrence in the tornado.")] = 0.1,
    weeks: Annotated[int, typer.Option(metavar="W", help="How long to run.")] = 52,
) -> Answer:
    """Rank the unknown numbers by what they do to a comparison."""
    checks = Checks()
    if model is not None:
        checks.folder("MODEL", model, "model", holds=["manifest.json"])
    base, reform = checks.policy("--baseline", baseline), checks.policy("--policy", policy)
    if base is not None and reform is not None and base.hash == reform.hash:
        said = f"'{reform.name}' is equal to the baseline '{base.name}'"
        checks.note("--policy", said, "Give another policy.")
    checks.at_least("--enterprises", enterprises, LEAST_ENTERPRISES)
    checks.between("--seed", seed, 0, MAX_SEED)
    checks.between("--trajectories", trajectories, 2, MOST_TRAJECTORIES)
    checks.between("--levels", levels, 2, MOST_LEVELS)
    if levels % 2:
        checks.note("--levels", f"{levels} is odd", "Give an even number.")
    checks.between("--replicates", replicates, 2, MOST_REPLICATES)
    checks.between("--cities", cities, 2, MOST_REPLICATES)
    checks.between("--kappa", kappa, 0, MOST_KAPPA)
    checks.between("--weeks", weeks, 1, MOST_WEEKS)
    measures = _measures(checks, measure)
    wrote = checks.out_folder("--out", out, "screening")
    checks.settle()
    assert base is not None
    assert reform is not None

    from tierkit.compare.sensitivity import screen, tornado, uncertain

    if model is None:
        warn_of_rule_scores([base, reform])
    common: dict[str, Any] = {
        "measures": measures,
        "seed": seed,
        "weeks": weeks,
        "kappa": kappa,
        "score": None if model is None else _score(model),
        "threads": cores(),
    }
    remedy = "Give more of them, more weeks, or another measure."
    with show() as progress, checks.blame("--enterprises", remedy):
        screening = screen(
            enterprises,
            base,
            reform,
            trajectories=trajectories,
            levels=levels,
            replicates=replicates,
            progress=partial(progress, "screening, a trajectory of a city at a time"),
            **common,
        )
        known = set(screening.first()["parameter"]) or set(screening.frame["parameter"])
        swings = tornado(
            enterprises,
            base,
            reform,
            chosen=[one for one in uncertain() if one.name in known],
            replicates=cities,
            progress=partial(progress, "one at a time, a city at a time"),
            **common,
        )
    facts = {
        "version": __version__,
        "baseline": base.name,
        "reform": reform.name,
        "enterprises": enterprises,
        "seed": seed,
        "trajectories": trajectories,
        "levels": levels,
        "replicates": replicates,
        "cities": cities,
        "kappa": kappa,
        "weeks": weeks,
    }
    first: list[Any] = screening.first().to_dict("records")
    with whole_folder(out) as draft:
        _save(draft, screening, swings)
        summary = as_data({"kind": "screening", "facts": facts, "first": first})
        text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False)
        (draft / "summary.json").write_text(text + "\n", encoding="utf-8")
    lines = "\n".join(screening.words("en"))
    return Answer({"folder": str(out), "facts": facts, "first": first}, f"{lines}\n\n{wrote} '{out}'.")


def _measures(checks: Checks, asked: list[str] | None) -> list[str]:
    """Return the measures, each once, and note those that there are not."""
    from tierkit.compare.outcomes import MEASURES
    from tierkit.compare.sensitivity import MEASURED

    known = [one.name for one in MEASURES]
    measures = list(dict.fromkeys(asked or MEASURED))
    for one in measures:
        if one not in known:
            said = f"there is no measure '{one}'{nearest(one, known)}"
            checks.note("--measure", said, f"Give one of {', '.join(known)}.")
    return measures


def _score(model: Path) -> Any:
    """Return what gives a city's scores at the end of its records."""
    from tierkit.scores.model import Model

    loaded = Model.load(model)
    return lambda data: loaded.score(data, str(data.manifest["as_of"]), threads=1)


def _save(folder: Path, screening: "Screening", swings: "pd.DataFrame") -> None:
    """Write both frames, and the figures of every measure in both languages."""
    import matplotlib.pyplot as plt

    from tierkit import plot
    from tierkit.texts import LANGUAGES

    screening.frame.to_parquet(folder / "screening.parquet", index=False)
    swings.to_parquet(folder / "tornado.parquet", index=False)
    with plot.style():
        for measure in dict.fromkeys(screening.frame["measure"]):
            for lang in LANGUAGES:
                plot.screening(screening.frame, measure=measure, lang=lang)
                plt.savefig(folder / f"screening-{measure}-{lang}.png")
                plt.close()
                plot.tornado(swings, measure=measure, lang=lang)
                plt.savefig(folder / f"tornado-{measure}-{lang}.png")
                plt.close()
