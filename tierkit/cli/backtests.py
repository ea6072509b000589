"""``tierkit backtest``: run a past year again under the policy of its past, and compare."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierkit import __version__
from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.folders import whole_folder
from tierkit.jobs.checks import MAX_SEED, Checks, cores
from tierkit.progress import show

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_to"]

FEWEST_REPLICATES = 39
MOST_REPLICATES = 1999
MOST_WEEKS = 520
_REMEDY = "Give a date after the first half year and at least --weeks before the records end."


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "backtest")(backtest)


def backtest(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")],
    as_of: Annotated[
        str, typer.Option(metavar="DATE", help="A Monday; the policy is from the records before it.")
    ],
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Make the world of its scores; of the truth if not given."),
    ] = None,
    weeks: Annotated[int, typer.Option(metavar="W", help="How long to predict.")] = 52,
    replicates: Annotated[int, typer.Option(metavar="R", help="Runs; 39, 79, 119 … fit 95 % best.")] = 119,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write what was found.")] = None,
) -> Answer:
    """Hold a past year's load against what its own past predicts."""
    checks = Checks()
    checks.folder("DIR", folder, "dataset", holds=["manifest.json"])
    checks.date("--as-of", as_of)
    if model is not None:
        checks.folder("--model", model, "model", holds=["manifest.json"])
    checks.between("--weeks", weeks, 1, MOST_WEEKS)
    checks.between("--replicates", replicates, FEWEST_REPLICATES, MOST_REPLICATES)
    checks.between("--seed", seed, 0, MAX_SEED)
    wrote = "" if out is None else checks.out_folder("--out", out, "backtest")
    checks.settle()
    data, text, frames, policy = _records(checks, str(folder), as_of, model, weeks, replicates, seed)
    if out is not None:
        with whole_folder(out) as draft:
            for name, frame in frames.items():
                frame.to_csv(draft / f"{name}.csv", index=False, float_format="%.9g")
            (draft / "history.toml").write_text(policy, "utf-8")
            summary = {
                "kind": "backtest",
                "version": __version__,
                "seed": seed,
                "replicates": replicates,
                **data,
            }
            (draft / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
        text += f" {wrote} '{out}'."
    return Answer(data, text)


def _records(
    checks: Checks, folder: str, as_of: str, model: Path | None, weeks: int, replicates: int, seed: int
) -> "tuple[dict[str, Any], str, dict[str, pd.DataFrame], str]":
    from tierkit.evaluate.backtest import backtest as rerun
    from tierkit.records import read_dataset
    from tierkit.texts import interval, number, percent

    data = read_dataset(folder)
    world = None
    if model is not None:
        import datetime as dt

        from tierkit.city.scored import table_of, world_from_scores
        from tierkit.scores.model import Model

        with checks.blame("--model", "Give a model that was trained on records before --as-of."):
            loaded = Model.load(model)
            trained = str(loaded.manifest["as_of"])
            if trained > as_of:
                raise ValueError(f"the model was trained as of {trained} and has seen what it would predict")
            scores = loaded.score(data, as_of, threads=cores())
        room = dict(zip(data["agencies"]["agency"].astype(str), data["agencies"]["capacity"], strict=True))
        world = world_from_scores(
            table_of(data, scores, as_of), dt.date.fromisoformat(as_of), capacity=room, seed=seed
        )
    with checks.blame("DIR", _REMEDY), show() as progress:
        result = rerun(
            data,
            as_of,
            world=world,
            weeks=weeks,
            replicates=replicates,
            seed=seed,
            threads=cores(),
            progress=partial(progress, "rerunning"),
        )
        found = result.coverage
    groups = ("channel", "agency", "sector")
    tables = [("all", result.table([])), *((one, result.table([one])) for one in groups)]
    rows = [
        {
            "by": group,
            "level": one.get(group, "all"),
            "predicted": f"{number(one['predicted'])} {interval(one['low'], one['high'], 0)}",
            "observed": number(one["observed"]),
            "inside": "yes" if one["inside"] else "NO",
        }
        for group, cells in tables
        for one in cells.to_dict("records")
    ]
    n, inside = number(found["cells"]), number(found["inside"])
    told = (
        f"{inside} of {n} cells of agency, channel and sector with at least {result.least:g} inspections "
        f"expected lie inside their 95 % intervals: {percent(found['share'], 1)} "
        f"{interval(100 * found['low'], 100 * found['high'], 1)}; to be expected "
        f"{interval(100 * found['expected_low'], 100 * found['expected_high'], 1)}. "
        f"The policy was {result.history.policy.parameter('frequency.base_rate').assumption}."
    )
    frames = {"cells": result.table(), "estimates": result.history.estimates}
    answer = {"coverage": found, "rows": rows, "policy": result.history.policy.hash}
    policy = result.history.policy.to_toml(against=result.history.base)
    return answer, f"{table(rows, right=['observed'])}\n\n{told}", frames, policy
