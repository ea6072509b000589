"""Say how sound a model and a policy are, on the records after a day: tables, figures and a model card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from tierkit import __version__, plot
from tierkit.evaluate.assessment import Assessment, assess
from tierkit.folders import whole_folder
from tierkit.jobs.checks import Checks, Location
from tierkit.policy import Policy
from tierkit.progress import Progress, quiet
from tierkit.records import read_dataset
from tierkit.report import figures, model_card
from tierkit.scores.model import Model
from tierkit.spreadsheets import write_csv
from tierkit.texts import LANGUAGES

__all__ = ["Evaluation", "evaluate"]

MOST_MONTHS = 24
MOST_WORLDS = 100


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` wrote: ``model_card.html``, ``summary.json``, ``tables`` and ``figures``.

    Attributes
    ----------
    folder : Path
    replaced : bool
        Whether an older evaluation lay there.
    assessment : Assessment
        What was found.
    """

    folder: Path
    replaced: bool
    assessment: Assessment

    @property
    def card(self) -> Path:
        """The model card."""
        return self.folder / "model_card.html"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON, without the tables."""
        found = {name: one for name, one in self.assessment.to_dict().items() if name != "tables"}
        return {"folder": str(self.folder), **found}


def evaluate(
    model: Location,
    data: Location,
    as_of: date | str,
    out: Location,
    *,
    policy: Policy | Location | None = None,
    practice: Policy | Location | None = None,
    months: int = 6,
    worlds: int = 0,
    threads: int = 1,
    progress: Progress = quiet,
) -> Evaluation:
    """Hold a model and a policy against the records after a day, and write what was found.

    Parameters
    ----------
    model, data : path
        Folders of the model and of the records.
    as_of : date
        A Monday: scores are of this day, and the records after it judge them.
    out : path
        Folder of the evaluation; an older one there is replaced.
    policy : Policy, or name or path of one, optional
        What to value; the model's own if absent.
    practice : Policy, or name or path of one, optional
        What was in force after the day; as the records say if absent.
    months, worlds, threads
        As for `tierkit.evaluate.assessment.assess`.
    progress : Progress

    Returns
    -------
    Evaluation

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
    >>> evaluate("build/model", "data/synthetic", "2024-07-01", "build/evaluation", months=0)
    Traceback (most recent call last):
    ...
    tierkit.jobs.checks.BadInputError: model: 'build/model' does not exist. Give a folder that exists.
    months: 0 is out of range. Give a number from 1 to 24.
    """
    checks = Checks()
    checks.folder("model", model, "model", holds=["manifest.json"])
    checks.folder("data", data, "dataset")
    day = checks.date("as_of", as_of)
    meant = None if policy is None else checks.policy("policy", policy, of_models=True)
    in_force = None if practice is None else checks.policy("practice", practice)
    checks.between("months", months, 1, MOST_MONTHS)
    checks.between("worlds", worlds, 0, MOST_WORLDS)
    checks.at_least("threads", threads, 1)
    folder = checks.out_folder("out", out, "evaluation")
    with checks.writing() as replaced:
        loaded, records = Model.load(model), read_dataset(data)
        with checks.blame("as_of", "Give a Monday, with records before and after it."):
            found = assess(
                loaded, records, day, meant, practice=in_force, months=months, worlds=worlds, threads=threads,
                progress=progress,
            )  # fmt: skip
        with whole_folder(folder, "evaluation") as draft:
            _write(draft, loaded, found, progress)
    return Evaluation(folder, replaced, found)


def _write(folder: Path, model: Model, found: Assessment, progress: Progress) -> None:
    told = {"kind": "evaluation", "version": __version__, **found.to_dict()}
    text = json.dumps(told, ensure_ascii=False, indent=1, default=_plain, allow_nan=False)
    (folder / "summary.json").write_text(text + "\n", "utf-8")
    for part in ("tables", "figures"):
        (folder / part).mkdir()
    for name, frame in found.tables.items():
        write_csv(frame, folder / "tables" / f"{name}.csv")
    draw = figures(found)
    for k, (name, make) in enumerate(draw.items()):
        progress("drawing", k, len(draw) + 1)
        for lang in LANGUAGES:
            axes: Any = make(lang)
            with plot.style():
                figure = (axes if hasattr(axes, "figure") else axes.flat[0]).figure
                figure.savefig(folder / "figures" / f"{name}.{lang}.png", dpi=160)
            plt.close("all")
    progress("drawing", len(draw), len(draw) + 1)
    model_card(model, found, folder / "model_card.html")
    progress("drawing", len(draw) + 1, len(draw) + 1)


def _plain(value: Any) -> Any:
    """Return a NumPy number or a date as JSON knows it."""
    return value.item() if hasattr(value, "item") else str(value)
