"""The demonstration, end to end: a synthetic city's records, models, tiers, reasons and the five plans.

All computing is done by other modules; this one states the order of the steps and where results are written.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from tierkit import __version__, report
from tierkit.city.limits import MAX_SEED
from tierkit.city.population import MOST_ENTERPRISES
from tierkit.city.synth import make
from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.compare.apart import headlines_apart
from tierkit.compare.comparison import Comparison, compare
from tierkit.compare.worlds import LEAST_TO_LEARN, over_worlds
from tierkit.evaluate import moments
from tierkit.folders import whole_folder
from tierkit.jobs.checks import Checks, Location
from tierkit.jobs.simulation import (
    KAPPA,
    KAPPAS,
    MOST_REPLICATES,
    MOST_WORLDS,
    WORLD_REPLICATES,
    headline_rows,
    report_of,
    supervised,
    tiers_under,
    widths_of,
)
from tierkit.policy import PLANS, Policy
from tierkit.policy.tiers import assign
from tierkit.policy.tiers import listed as on_lists
from tierkit.progress import Progress, quiet
from tierkit.records import DataError, Dataset, validate, write_dataset
from tierkit.records.files import sha256
from tierkit.records.parquet import write_sealed
from tierkit.records.validation import errors_of
from tierkit.scores.metrics import auc
from tierkit.scores.model import Model
from tierkit.scores.model_folder import MANIFEST
from tierkit.scores.train import train
from tierkit.scores.worth import auc_interval

__all__ = ["FIVE_YEARS", "Demo", "against_truth", "run"]

WORLDS, WORLD_SIZE = 5, 4_000
"""Cities like this, and enterprises of each: what two cores run in a quarter of a minute."""
_NO_TRUTH: Mapping[str, float] = MappingProxyType({})
FIVE_YEARS = 5 * WEEKS_A_YEAR


@dataclass(frozen=True)
class Demo:
    """What `run` wrote.

    Attributes
    ----------
    folder : Path
        With ``index.html``, ``summary.json``, ``data``, ``model``, ``scores.parquet`` and ``run``.
    replaced : bool
        Whether an older demo lay there.
    comparison : Comparison
        The five plans against the legacy policy; the headline is one year at κ = 0.1.
    report : RunReport
        What the page tells.
    seconds : dict of str to float
        Time by stage.
    """

    folder: Path
    replaced: bool
    comparison: Comparison
    report: report.RunReport
    seconds: dict[str, float]

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / "index.html"

    @property
    def moments(self) -> pd.DataFrame:
        """`tierkit.evaluate.moments`, all that this run shows."""
        assert self.report.moments is not None
        return self.report.moments

    @property
    def headline(self) -> pd.DataFrame:
        """The rows of the comparison's headline."""
        rows = headline_rows(self.comparison.summary)
        at = self.comparison
        return rows[(rows["kappa"] == at.kappa) & (rows["weeks"] == at.weeks)]

    @property
    def sentences(self) -> list[str]:
        """The headline in English, and what its intervals are over."""
        told = [*report.headline(self.report, "en"), report.width_note(self.report, "en")]
        return [one.replace("**", "") for one in told]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "page": str(self.page),
            "seconds": self.seconds,
            "headline": self.sentences,
            "moments": self.moments.to_dict("records"),
        }


class _Clock:
    """Measures the seconds of each stage, and reports its end as progress."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._last = time.perf_counter()

    def done(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = round(now - self._last, 2)
        self._last = now
        self._progress(stage, 1, 1)


def run(
    out: Location,
    *,
    enterprises: int = 20_000,
    seed: int = 2025,
    replicates: int = 20,
    apart: bool = False,
    worlds: int = WORLDS,
    threads: int = 2,
    progress: Progress = quiet,
) -> Demo:
    """Run the whole demonstration, and write it to a folder with ``index.html``.

    Parameters
    ----------
    out : str or Path
        Folder; an older demo there is replaced.
    enterprises : int
        Enterprises of the synthetic city.
    seed : int
        Seed of the city and of the draws of the year ahead.
    replicates : int
        Runs of each policy at the headline's strength of deterrence; a sixth of them (at least 2) at the
        others and over five years.
    apart : bool
        Whether to run the headline again without campaigns, lists and caps, as `tierkit.compare.apart` does.
    worlds : int
        Further cities, made by the same parameters, each with a model trained on its own records and cut-offs
        set again, over which the headline has its intervals; of `WORLD_SIZE` enterprises at most. 0 for none:
        all intervals are over draws alone then.
    threads : int
        Threads; they change no number.
    progress : Progress
        Called as stages go.

    Returns
    -------
    Demo

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.
    DataError
        If the synthetic records break the data contract.
    """
    checks = Checks()
    checks.between("enterprises", enterprises, LEAST_TO_LEARN, MOST_ENTERPRISES)
    checks.between("replicates", replicates, 2, MOST_REPLICATES)
    checks.between("seed", seed, 0, MAX_SEED)
    checks.at_least("threads", threads, 1)
    if worlds != 0:
        checks.between("worlds", worlds, 2, MOST_WORLDS)
    folder = checks.out_folder("out", out, "demo")
    with checks.writing() as replaced, whole_folder(folder, "demo") as draft:
        comparison, told, seconds = _made(
            draft, enterprises, seed, replicates, apart, worlds, threads, progress
        )
    return Demo(folder, replaced, comparison, told, seconds)


def _made(
    folder: Path,
    enterprises: int,
    seed: int,
    replicates: int,
    apart: bool,
    worlds: int,
    threads: int,
    progress: Progress,
) -> tuple[Comparison, report.RunReport, dict[str, float]]:
    """Write everything into a folder, one stage after another."""
    clock = _Clock(progress)
    data, world = make(
        enterprises, seed, horizon_weeks=FIVE_YEARS, threads=threads, progress=partial(progress, "records")
    )
    write_dataset(data, folder / "data")
    problems = errors_of(validate(folder / "data"))
    if problems:
        raise DataError(problems)
    clock.done("records")

    as_of = world.date
    model = train(
        data,
        as_of,
        Policy.load(PLANS[0]),
        out=folder / "model",
        seed=seed,
        insist=True,  # the city may be small; the page says where a model is no better than chance
        threads=threads,
        progress=progress,
    )
    clock.done("models")

    policies = [Policy.load(name) for name in ("legacy", *PLANS)]
    scores = model.score(data, as_of)
    tiers = tiers_under(scores, policies, data)
    write_sealed(scores, folder / "scores.parquet")
    clock.done("scores and tiers")

    comparison = compare(
        world,
        policies[0],
        policies[1:],
        scores=scores,
        replicates=replicates,
        beside=max(2, replicates // 6),
        weeks=(WEEKS_A_YEAR, FIVE_YEARS),
        over=WEEKS_A_YEAR,
        by_year=True,
        seed=seed,
        kappa=(KAPPA, *(one for one in KAPPAS if one != KAPPA)),
        threads=threads,
        progress=partial(progress, "simulation"),
    )
    clock.done("simulation")

    wider: dict[str, pd.DataFrame] = {}
    if worlds:
        spread = over_worlds(
            policies[0], policies[1:], worlds=worlds, enterprises=min(enterprises, WORLD_SIZE),
            replicates=WORLD_REPLICATES, seed=seed, kappa=KAPPA, threads=threads,
            progress=partial(progress, "cities like this"),
        )  # fmt: skip
        wider = widths_of(spread)
        clock.done("cities like this")
    taken = None
    if apart:
        taken = headlines_apart(
            world, policies[0], policies[1:], as_they_are=comparison.summary, scores=scores,
            replicates=replicates, seed=seed, kappa=KAPPA, threads=threads,
            progress=partial(progress, "taking apart"),
        )  # fmt: skip
        clock.done("taking apart")
    told_of = [moments.of_records(data), moments.of_truth(data)]
    told_of += [moments.of_comparison(comparison), moments.of_ladder()]
    told = report_of(
        comparison,
        policies,
        data,
        tiers=tiers,
        apart=taken,
        scores=scores,
        moments=pd.concat(told_of, ignore_index=True),
        calibration=model.calibration(data, bins=10),
        metrics=_metrics(model, against_truth(scores, world)),
        cases=_cases(model, data, scores, policies[1]),
        facts=_facts(data, model, enterprises, seed, replicates, folder / "model"),
        **wider,
    )
    told.save(folder / "run")
    report.index(told, folder)
    clock.done("report")
    return comparison, told, clock.seconds


def _cases(model: Model, data: Dataset, scores: pd.DataFrame, policy: Policy) -> tuple[report.Sheet, ...]:
    """Return three examples: the safest, the one nearest to a boundary and the riskiest enterprise."""
    assigned = assign(scores, policy)
    near = assigned["distance_risk"].abs().fillna(np.inf)
    order = scores["risk_probability"].to_numpy()
    chosen = [int(order.argmin()), int(near.to_numpy().argmin()), int(order.argmax())]
    ids = list(dict.fromkeys(assigned["enterprise_id"].iloc[k] for k in chosen))
    by = on_lists(scores, policy, supervised(data))
    named = by[by["listed"]].groupby("enterprise_id")["agency"].agg(list)
    day = str(data.manifest["as_of"])
    return tuple(
        report.sheets(
            model, data, day, ids, policy, on_lists=dict(zip(named.index.astype(str), named, strict=True))
        )
    )


def against_truth(scores: pd.DataFrame, world: World) -> dict[str, float]:
    """Return how scores of risk rank the obligations of a synthetic city by whether they are in violation.

    Parameters
    ----------
    scores : DataFrame
        ``enterprise_id``, ``risk_probability``, as of the day of the world.
    world : World

    Returns
    -------
    dict of str to float
        ``truth_auc`` over the open obligations of all who are scored, with the 95 % interval (``truth_low``,
        ``truth_high``) of as many independent rows as enterprises; ``truth_n`` and ``truth_events``.
        Empty where all obligations are alike.

    Examples
    --------
    >>> _, world = make(200, seed=1)
    >>> ids = world.ids[world.alive()]
    >>> scores = pd.DataFrame({"enterprise_id": ids, "risk_probability": np.linspace(0.01, 0.2, len(ids))})
    >>> told = against_truth(scores, world)
    >>> told["truth_low"] < told["truth_auc"] < told["truth_high"]
    True
    """
    owner = world.fixed.enterprise.astype(np.int64)
    slot = pd.Index(scores["enterprise_id"].astype(str)).get_indexer(pd.Index(world.ids.astype(str)))[owner]
    here = world.alive()[owner] & (slot >= 0)
    wrong = (world.state.violation[here] > 0).astype(np.int64)
    found = auc(wrong, scores["risk_probability"].to_numpy(np.float64)[slot[here]])
    if not np.isfinite(found):
        return {}
    worth = len(np.unique(owner[here])) / len(wrong)
    low, high = auc_interval(found, wrong.sum() * worth, (len(wrong) - wrong.sum()) * worth)
    return {
        "truth_auc": found, "truth_low": low, "truth_high": high, "truth_n": len(wrong),
        "truth_events": int(wrong.sum()),
    }  # fmt: skip


def _metrics(model: Model, truth: Mapping[str, float] = _NO_TRUTH) -> dict[str, dict[str, float]]:
    """Return the measures of both models, with what tells their error where rows share enterprises."""
    risk, credit = model.manifest["risk"], model.manifest["credit"]
    [own] = [row for row in risk["baselines"]["test"] if row["score"] == "model"]
    ends = {name: own[name] for name in ("auc_low", "auc_high") if own[name] is not None}
    # An enterprise is in every snapshot, and counts once.
    independent = credit["metrics"]["n"] / max(credit["rows"]["snapshots"], 1)
    return {
        "risk": risk["metrics"]["test"] | ends | dict(truth),
        "credit": credit["metrics"] | {"independent": independent},
    }


def _facts(
    data: Dataset, model: Model, enterprises: int, seed: int, replicates: int, folder: Path
) -> dict[str, Any]:
    return {
        "tierkit": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "enterprises": enterprises,
        "seed": seed,
        "replicates": replicates,
        "as_of": str(data.manifest["as_of"]),
        "parameters_hash": data.manifest["parameters_hash"],
        "model_hash": sha256(folder / MANIFEST),
        "scheme": model.manifest["scheme"],
    }
