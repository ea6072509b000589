"""The main job, end to end: from a synthetic city's records to tiers, reasons and what each plan would do.

Nothing here is computed that is not in another module; this one says in which order, and what goes where.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tierkit import __version__, report
from tierkit.city.synth import make
from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.compare import agencies
from tierkit.compare.comparison import Comparison, compare
from tierkit.evaluate import moments
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.progress import Progress, quiet
from tierkit.records import DataError, Dataset, validate, write_dataset
from tierkit.records.files import sha256
from tierkit.scores import metrics, training_rows
from tierkit.scores.model import Model
from tierkit.scores.model_folder import MANIFEST
from tierkit.scores.train import train

__all__ = ["KAPPAS", "PLANS", "Demo", "run"]

PLANS = ("shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025", "minhang-2023")
"""The five action plans, the city's first."""
KAPPAS = (0.0, 0.1, 0.25)
"""Nobody knows how strong general deterrence is, so the headline is shown at three strengths."""
KAPPA = 0.1
FIVE_YEARS = 5 * WEEKS_A_YEAR


@dataclass(frozen=True)
class Demo:
    """What the main job made.

    Attributes
    ----------
    folder : Path
        With ``index.html``, ``summary.json``, ``data``, ``model``, ``scores.parquet`` and ``run``.
    comparison : Comparison
        The five plans against the legacy policy, one year, the headline's strength of deterrence.
    moments : DataFrame
        `tierkit.evaluate.moments`, all that this run shows.
    seconds : dict of str to float
        Time by stage.
    """

    folder: Path
    comparison: Comparison
    moments: pd.DataFrame
    seconds: dict[str, float]


class _Clock:
    """Seconds by stage, told as progress."""

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
    out: str | Path,
    *,
    enterprises: int = 20_000,
    seed: int = 2025,
    replicates: int = 20,
    threads: int = 2,
    progress: Progress = quiet,
) -> Demo:
    """Do the main job and write it to a folder that ends in ``index.html``.

    Parameters
    ----------
    out : str or Path
        Folder; made if it is not there.
    enterprises : int
        Enterprises of the synthetic city.
    seed : int
        Seed of the city and of the draws of the year ahead.
    replicates : int
        Runs of each policy at the headline's strength of deterrence; a sixth of them (at least 2) at the
        others and over five years.
    threads : int
        Threads; they change no number.
    progress : Progress
        Called as stages go.

    Returns
    -------
    Demo

    Raises
    ------
    DataError
        If the synthetic records break the data contract.
    ValueError
        If an argument is out of range.
    """
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    clock = _Clock(progress)
    data, world = make(
        enterprises, seed, horizon_weeks=FIVE_YEARS, threads=threads, progress=partial(progress, "records")
    )
    write_dataset(data, folder / "data")
    problems = validate(folder / "data")
    if problems:
        raise DataError(problems)
    clock.done("records")

    as_of = world.date
    model = train(
        data, as_of, folder / "model", Policy.load(PLANS[0]), seed=seed, threads=threads, progress=progress
    )
    clock.done("models")

    policies = [Policy.load(name) for name in ("legacy", *PLANS)]
    scores = model.score(data, as_of)
    tiers = pd.concat(
        [_assigned(scores, policy) for policy in policies if policy["scoring.basis"] == "model"],
        ignore_index=True,
    )
    scores.to_parquet(folder / "scores.parquet", index=False)
    clock.done("scores and tiers")

    runs = _simulate(world, policies, scores, replicates, seed, threads, progress)
    headline = runs[0]
    clock.done("simulation")

    told_of = (
        moments.of_records(data), moments.of_truth(data), moments.of_comparison(headline), moments.of_ladder()
    )  # fmt: skip
    table = pd.concat(told_of, ignore_index=True)
    cases = _cases(model, data, scores, policies[1])
    facts = _facts(data, model, enterprises, seed, replicates, folder / "model")
    told = report.RunReport(
        summary=pd.concat([one.summary for one in runs], ignore_index=True),
        years=pd.concat([one.years for one in runs if len(one.years)], ignore_index=True),
        transitions=pd.concat([one.transitions for one in runs], ignore_index=True),
        by_replicate=pd.concat([one.by_replicate for one in runs], ignore_index=True),
        policies=tuple(policies),
        kappa=KAPPA,
        weeks=WEEKS_A_YEAR,
        tiers=tiers,
        scores=scores,
        visits=report.RunReport.visits_frame(headline.visits),
        ratings=agencies.ratings(data["inspections"]),
        moments=table,
        calibration=_calibration(data, model),
        metrics={
            "risk": model.manifest["risk"]["metrics"]["test"],
            "credit": model.manifest["credit"]["metrics"],
        },
        cases=cases,
        facts=facts,
    )
    told.save(folder / "run")
    report.index(told, folder)
    clock.done("report")
    return Demo(folder, headline, table, clock.seconds)


def _assigned(scores: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    columns = ["enterprise_id", "tier", "risk_level", "credit_grade", "tier_reason", "unmonitored"]
    return assign(scores, policy)[columns].assign(policy=policy.name)


def _simulate(
    world: World,
    policies: Sequence[Policy],
    scores: pd.DataFrame,
    replicates: int,
    seed: int,
    threads: int,
    progress: Progress,
) -> list[Comparison]:
    """Compare over one year and over five, at each strength of deterrence; the headline comes first."""
    few = max(2, replicates // 6)
    cases = [(KAPPA, WEEKS_A_YEAR, replicates)]
    cases += [(kappa, WEEKS_A_YEAR, few) for kappa in KAPPAS if kappa != KAPPA]
    cases += [(kappa, FIVE_YEARS, few) for kappa in KAPPAS]
    return [
        compare(
            world,
            policies[0],
            policies[1:],
            scores=scores,
            replicates=runs,
            weeks=weeks,
            over=WEEKS_A_YEAR,
            by_year=weeks > WEEKS_A_YEAR,
            seed=seed,
            kappa=kappa,
            threads=threads,
            progress=partial(progress, f"simulation, {weeks // WEEKS_A_YEAR} year(s), κ = {kappa:g}"),
        )
        for kappa, weeks, runs in cases
    ]


def _cases(model: Model, data: Dataset, scores: pd.DataFrame, policy: Policy) -> tuple[report.Sheet, ...]:
    """Return three examples: the safest, the one nearest to a boundary and the riskiest enterprise."""
    assigned = assign(scores, policy)
    near = assigned["distance_risk"].abs().fillna(np.inf)
    order = scores["risk_probability"].to_numpy()
    chosen = [int(order.argmin()), int(near.to_numpy().argmin()), int(order.argmax())]
    ids = list(dict.fromkeys(assigned["enterprise_id"].iloc[k] for k in chosen))
    return tuple(report.sheets(model, data, str(data.manifest["as_of"]), ids, policy))


def _calibration(data: Dataset, model: Model) -> pd.DataFrame:
    """Return predicted beside observed rates on the last fifth of the inspections, which no fit has seen."""
    rows = training_rows.training_frame(data, str(model.manifest["as_of"]), model.manifest["scheme"])
    test = training_rows.time_split(rows.rows["as_of"]).test
    predicted = model.risk.predict_proba(rows.X[test])[:, 1]
    return metrics.calibration_table(rows.y[test], predicted, sample_weight=rows.weight[test])


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
