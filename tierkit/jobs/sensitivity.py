"""Rank uncertain numbers by their effect on a comparison, and write frames and figures to a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from tierkit import __version__, plot
from tierkit.city.limits import MAX_KAPPA, MAX_SEED
from tierkit.compare.measures import MEASURES
from tierkit.compare.sensitivity import MEASURED, Screening, screen, tornado, uncertain
from tierkit.compare.sensitivity.questions import matters
from tierkit.folders import whole_folder
from tierkit.jobs.checks import Checks, Location, listed, nearest
from tierkit.jobs.simulation import MOST_REPLICATES, MOST_WEEKS, warn_of_rule_scores
from tierkit.policy import Policy
from tierkit.progress import Progress, quiet
from tierkit.records import Dataset
from tierkit.records.parquet import write_sealed
from tierkit.scores.model import Model
from tierkit.texts import LANGUAGES

__all__ = ["Sensitivity", "sensitivity"]

LEAST_ENTERPRISES = 100
MOST_TRAJECTORIES = 1000
MOST_LEVELS = 100


@dataclass(frozen=True)
class Sensitivity:
    """What `sensitivity` wrote: both frames, the figures of every measure and a summary.

    Attributes
    ----------
    folder : Path
    replaced : bool
        Whether an older screening lay there.
    screening : Screening
    swings : DataFrame
        `tierkit.compare.sensitivity.tornado` of the numbers that stand out, or of all if none does.
    facts : dict
    """

    folder: Path
    replaced: bool
    screening: Screening
    swings: pd.DataFrame
    facts: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        first = _plain(self.screening.first())
        return {"folder": str(self.folder), "facts": self.facts, "first": first}


def sensitivity(
    policy: Policy | Location,
    out: Location,
    *,
    baseline: Policy | Location = "legacy",
    model: Location | None = None,
    insist: bool = False,
    enterprises: int = 5000,
    seed: int = 0,
    measures: Sequence[str] = (),
    chosen: Sequence[str] = (),
    trajectories: int = 10,
    levels: int = 4,
    replicates: int = 2,
    cities: int = 10,
    kappa: float = 0.1,
    weeks: int = 52,
    threads: int = 1,
    progress: Progress = quiet,
) -> Sensitivity:
    """Rank the uncertain numbers by their effect on the comparison of a reform with its baseline.

    Parameters
    ----------
    policy : Policy, or name or path of one
        The reform.
    out : path
        Folder of the screening; an older one there is replaced.
    baseline : Policy, or name or path of one
    model : path, optional
        Folder of the model whose scores the tiers rest on; a rule score stands in if absent.
    insist : bool
        Whether to give tiers even if a model is no better than chance on what was kept back.
    enterprises : int
        Enterprises of a city.
    seed : int
        Seed of the cities and of the design.
    measures : sequence of str
        Measures of the comparison; findings, violations missed and harm if empty.
    chosen : sequence of str
        Names of the uncertain numbers that are varied, as `uncertain` lists them; all if empty.
    trajectories, levels, replicates
        Trajectories of the screening, levels of its grid (even), cities of each trajectory.
    cities : int
        Cities of the tornado.
    kappa : float
        General deterrence in the tornado.
    weeks : int
        Length of the runs.
    threads : int
        It changes no number.
    progress : Progress

    Returns
    -------
    Sensitivity

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.
    ModelError
        If the model folder is refused.

    Examples
    --------
    >>> sensitivity("legacy", "build/screening", levels=3)
    Traceback (most recent call last):
    ...
    tierkit.jobs.checks.BadInputError: policy: 'legacy' is equal to the baseline 'legacy'. ...
    levels: 3 is odd. Give an even number.
    """
    checks = Checks()
    if model is not None:
        checks.folder("model", model, "model", holds=["manifest.json"])
    base, reform = checks.policy("baseline", baseline), checks.policy("policy", policy)
    if base is not None and reform is not None and base.hash == reform.hash:
        message = f"'{reform.name}' is equal to the baseline '{base.name}'"
        checks.note("policy", message, "Give another policy.")
    checks.at_least("enterprises", enterprises, LEAST_ENTERPRISES)
    checks.between("seed", seed, 0, MAX_SEED)
    checks.between("trajectories", trajectories, 2, MOST_TRAJECTORIES)
    checks.between("levels", levels, 2, MOST_LEVELS)
    if isinstance(levels, int) and levels % 2:
        checks.note("levels", f"{levels} is odd", "Give an even number.")
    checks.between("replicates", replicates, 2, MOST_REPLICATES)
    checks.between("cities", cities, 2, MOST_REPLICATES)
    checks.between("kappa", kappa, 0, MAX_KAPPA, whole=False)
    checks.between("weeks", weeks, 1, MOST_WEEKS)
    wanted, varied = _measures(checks, measures), _chosen(checks, chosen, base, reform)
    checks.at_least("threads", threads, 1)
    folder = checks.out_folder("out", out, "screening")
    checks.settle()
    assert base is not None
    assert reform is not None

    with checks.writing() as replaced:
        if model is None:
            warn_of_rule_scores([base, reform])
        common: dict[str, Any] = {
            "measures": wanted, "seed": seed, "weeks": weeks, "kappa": kappa,
            "score": None if model is None else _score(model, checks, insist), "threads": threads,
        }  # fmt: skip
        with checks.blame("enterprises", "Give more of them, more weeks, or another measure."):
            screening = screen(
                enterprises, base, reform, chosen=varied or None, trajectories=trajectories, levels=levels,
                replicates=replicates, **common,
                progress=partial(progress, "screening, a trajectory of a city at a time"),
            )  # fmt: skip
            known = set(screening.first()["parameter"]) or set(screening.frame["parameter"])
            swings = tornado(
                enterprises, base, reform, chosen=[one for one in uncertain() if one.name in known],
                replicates=cities, progress=partial(progress, "one at a time, a city at a time"), **common,
            )  # fmt: skip
        facts = {
            "version": __version__, "baseline": base.name, "reform": reform.name, "enterprises": enterprises,
            "seed": seed, "trajectories": trajectories, "levels": levels, "replicates": replicates,
            "cities": cities, "kappa": kappa, "weeks": weeks, **({"chosen": varied} if varied else {}),
        }  # fmt: skip
        with whole_folder(folder, "screening") as draft:
            _save(draft, screening, swings)
            summary = {"kind": "screening", "facts": facts, "first": _plain(screening.first())}
            text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False)
            (draft / "summary.json").write_text(text + "\n", encoding="utf-8")
    return Sensitivity(folder, replaced, screening, swings, facts)


def _measures(checks: Checks, asked: Sequence[str]) -> list[str]:
    """Return the measures, each once, and record those that there are not."""
    known = [one.name for one in MEASURES]
    measures = list(dict.fromkeys(listed(asked) or MEASURED))
    for one in measures:
        if one not in known:
            message = f"there is no measure '{one}'{nearest(str(one), known)}"
            checks.note("measures", message, f"Give one of {', '.join(known)}.")
    return measures


def _chosen(
    checks: Checks, asked: Sequence[str], baseline: Policy | None, reform: Policy | None
) -> list[str]:
    """Return the uncertain numbers, each once, and record those that there are not or that cannot matter."""
    known = {one.name: one for one in uncertain()}
    chosen = list(dict.fromkeys(listed(asked)))
    for name in chosen:
        if name not in known:
            message = f"there is no uncertain number '{name}'{nearest(str(name), known)}"
            checks.note("chosen", message, f"Give one of {', '.join(known)}.")
        elif baseline is not None and reform is not None and not matters(known[name], baseline, reform):
            message = f"'{name}' cannot affect the comparison of '{reform.name}' with '{baseline.name}'"
            checks.note("chosen", message, "Leave it out.")
    return chosen


def _score(model: Location, checks: Checks, insist: bool) -> Callable[[Dataset], pd.DataFrame]:
    """Return what gives a city's scores at the end of its records."""
    loaded = Model.load(model, insist=insist)
    checks.worth("model", loaded.manifest, insist)
    return lambda data: loaded.score(data, str(data.manifest["as_of"]), threads=1)


def _plain(frame: pd.DataFrame) -> list[Any]:
    """Return rows that JSON can hold, missing and infinite numbers as None."""
    finite = frame.replace([float("inf"), float("-inf")], float("nan")).astype(object)
    return [
        {str(key): one.item() if hasattr(one, "item") else one for key, one in row.items()}
        for row in finite.where(finite.notna(), None).to_dict("records")
    ]


def _save(folder: Path, screening: Screening, swings: pd.DataFrame) -> None:
    """Write both frames, and the figures of every measure in both languages."""
    write_sealed(screening.frame, folder / "screening.parquet")
    write_sealed(swings, folder / "tornado.parquet")
    with plot.style():
        for measure in dict.fromkeys(screening.frame["measure"]):
            for lang in LANGUAGES:
                plot.screening(screening.frame, measure=measure, lang=lang)
                plt.savefig(folder / f"screening-{measure}-{lang}.png")
                plt.close()
                plot.tornado(swings, measure=measure, lang=lang)
                plt.savefig(folder / f"tornado-{measure}-{lang}.png")
                plt.close()
