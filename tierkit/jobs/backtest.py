"""Run a past year again under the policy that the records before it show, and compare."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from tierkit import __version__
from tierkit.city.limits import FEWEST_REPLICATES, MAX_SEED
from tierkit.city.scored import table_of, world_from_scores
from tierkit.city.world import World
from tierkit.evaluate.backtest import Backtest
from tierkit.evaluate.backtest import backtest as rerun
from tierkit.folders import whole_folder
from tierkit.jobs.checks import Checks, Location
from tierkit.jobs.simulation import MOST_WEEKS
from tierkit.progress import Progress, quiet
from tierkit.records import Dataset, read_dataset
from tierkit.scores.model import Model
from tierkit.spreadsheets import write_csv
from tierkit.texts import interval, number

__all__ = ["Rerun", "backtest"]

MOST_REPLICATES = 1999
GROUPS = ("channel", "agency", "sector")
_REMEDY = "Give a date after the first half year and at least `weeks` before the records end."


@dataclass(frozen=True)
class Rerun:
    """What `backtest` found, and where it is kept.

    Attributes
    ----------
    folder : Path or None
        Where it was written, if it was.
    replaced : bool
        Whether an older backtest lay there.
    result : Backtest
    """

    folder: Path | None
    replaced: bool
    result: Backtest

    @property
    def rows(self) -> list[dict[str, str]]:
        """Predicted and observed inspections of all, and by channel, agency and sector, as texts."""
        tables = [("all", self.result.table([])), *((one, self.result.table([one])) for one in GROUPS)]
        return [
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        policy = self.result.history.policy
        return {"coverage": self.result.coverage, "rows": self.rows, "policy": policy.hash}


def backtest(
    data: Location,
    as_of: date | str,
    *,
    model: Location | None = None,
    weeks: int = 52,
    replicates: int = 119,
    seed: int = 0,
    out: Location | None = None,
    threads: int = 1,
    progress: Progress = quiet,
) -> Rerun:
    """Hold the inspections of a past year against what the records before it predict.

    Parameters
    ----------
    data : path
        Folder of records.
    as_of : date
        A Monday; the policy is estimated from the records before it.
    model : path, optional
        Make the world from this model's scores; from the truth of a synthetic city if absent.
    weeks : int
        How long to predict.
    replicates : int
        Runs; 39, 79, 119 and so on fit 95 % intervals best.
    seed : int
        Seed of the draws.
    out : path, optional
        Folder for what was found; an older backtest there is replaced.
    threads : int
        It changes no number.
    progress : Progress

    Returns
    -------
    Rerun

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.
    DataError
        If tables cannot be read.
    ModelError
        If the model folder is refused.

    Examples
    --------
    >>> backtest("data/synthetic", "2024-01-01", replicates=5, weeks=0)
    Traceback (most recent call last):
    ...
    tierkit.jobs.checks.BadInputError: weeks: 0 is out of range. Give a number from 1 to 520.
    replicates: 5 is out of range. Give a number from 39 to 1,999.
    """
    checks = Checks()
    checks.folder("data", data, "dataset", holds=["manifest.json"])
    day = checks.date("as_of", as_of)
    if model is not None:
        checks.folder("model", model, "model", holds=["manifest.json"])
    checks.between("weeks", weeks, 1, MOST_WEEKS)
    checks.between("replicates", replicates, FEWEST_REPLICATES, MOST_REPLICATES)
    checks.between("seed", seed, 0, MAX_SEED)
    checks.at_least("threads", threads, 1)
    folder = None if out is None else checks.out_folder("out", out, "backtest")
    with checks.writing() as replaced:
        result = _found(
            checks, data, model, day, weeks=weeks, replicates=replicates, seed=seed, threads=threads,
            progress=progress,
        )  # fmt: skip
        done = Rerun(folder, replaced, result)
        if folder is not None:
            _write(folder, done, seed, replicates)
    return done


def _found(
    checks: Checks,
    data: Location,
    model: Location | None,
    day: date,
    *,
    weeks: int,
    replicates: int,
    seed: int,
    threads: int,
    progress: Progress,
) -> Backtest:
    records = read_dataset(data)
    world = None if model is None else _world(checks, records, model, day, seed, threads)
    with checks.blame("data", _REMEDY):
        result = rerun(
            records, day.isoformat(), world=world, weeks=weeks, replicates=replicates, seed=seed,
            threads=threads, progress=partial(progress, "rerunning"),
        )  # fmt: skip
        _ = result.coverage  # which raises if the records hold too little to compare
    return result


def _write(folder: Path, done: Rerun, seed: int, replicates: int) -> None:
    result = done.result
    told = {"kind": "backtest", "version": __version__, "seed": seed, "replicates": replicates}
    with whole_folder(folder, "backtest") as draft:
        frames = {"cells": result.table(), "estimates": result.history.estimates}
        for name, frame in frames.items():
            write_csv(frame, draft / f"{name}.csv")
        policy = result.history.policy.to_toml(against=result.history.base)
        (draft / "history.toml").write_text(policy, "utf-8")
        text = json.dumps({**told, **done.to_dict()}, indent=2)
        (draft / "summary.json").write_text(text + "\n", "utf-8")


def _world(checks: Checks, data: Dataset, model: Location, day: date, seed: int, threads: int) -> World:
    """Return the world of a model's scores on the day."""
    with checks.blame("model", "Give a model that was trained on records before `as_of`."):
        loaded = Model.load(model, insist=True)  # to measure a model is to give nobody a tier
        trained = str(loaded.manifest["as_of"])
        if trained > day.isoformat():
            raise ValueError(f"the model was trained as of {trained} and has seen what it would predict")
        scores = loaded.score(data, day.isoformat(), threads=threads)
    known = data["agencies"].dropna(subset="capacity")  # one whose capacity is not known has room for all
    room = dict(zip(known["agency"].astype(str), known["capacity"], strict=True))
    return world_from_scores(table_of(data, scores, day.isoformat()), day, capacity=room, seed=seed)
