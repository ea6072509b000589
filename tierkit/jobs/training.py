"""Train a model on a folder of records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, cast, get_args

from tierkit.city.limits import MAX_SEED
from tierkit.jobs.checks import Checks, Location
from tierkit.policy import Policy
from tierkit.progress import Progress, quiet
from tierkit.records import DataError, place_of, validate
from tierkit.records.validation import errors_of
from tierkit.scores.baselines import FEW_EVENTS, ahead
from tierkit.scores.basis import credit_basis
from tierkit.scores.fitting import LEVELS, Level
from tierkit.scores.train import train as fit
from tierkit.scores.training_rows import Scheme
from tierkit.scores.tuning import SPACE

__all__ = ["MAX_BOOTSTRAP", "MAX_BUDGET", "Training", "train"]

MAX_BUDGET = math.prod(map(len, SPACE.values())) - 1
"""All other settings of the space that is searched."""
MAX_BOOTSTRAP = 200


@dataclass(frozen=True)
class Training:
    """What `train` wrote.

    Attributes
    ----------
    folder : Path
    replaced : bool
        Whether an older model lay there.
    manifest : mapping
        What the model says of itself.
    """

    folder: Path
    replaced: bool
    manifest: Mapping[str, Any]

    @property
    def tests(self) -> dict[str, Mapping[str, Any]]:
        """How good the models are: what was tested on → its measures."""
        return {
            "risk, later inspections": self.manifest["risk"]["metrics"]["test"],
            "risk, later equal-chance audits": self.manifest["risk"]["metrics"]["test_random_audits"],
            **(
                {"credit, enterprises held out": self.manifest["credit"]["metrics"]}
                if "metrics" in self.manifest["credit"]
                else {}
            ),
        }

    @property
    def credit(self) -> list[str]:
        """That credit comes from an expert's table, or is not given, where it was not fitted on records."""
        return credit_basis(self.manifest["credit"], "en")

    @property
    def too_few(self) -> list[str]:
        """The tests with too few events to judge by."""
        return [
            f"{name} ({test['events']} events)"
            for name, test in self.tests.items()
            if test["events"] < FEW_EVENTS
        ]

    @property
    def ahead(self) -> list[str]:
        """The simple scores that order the later inspections better than the risk model, beyond chance."""
        return [
            f"{one['score']} (AUC {one['auc']:.3f}, ahead by {-one['auc_behind']:.3f} "
            f"[{-one['auc_behind_high']:.3f}, {-one['auc_behind_low']:.3f}])"
            for one in ahead(self.manifest["risk"]["baselines"]["test"])
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "folder": str(self.folder),
            "manifest": dict(self.manifest),
            **({"credit": self.credit} if self.credit else {}),
            "too_few_to_judge_by": self.too_few,
            "ahead_of_the_model": self.ahead,
        }


def train(
    data: Location,
    as_of: date | str,
    out: Location,
    *,
    policy: Policy | Location | None = None,
    scheme: str = "weighted",
    level: str = "scheme",
    seed: int = 0,
    budget: int = 0,
    bootstrap: int = 0,
    structure: bool = False,
    credit_table: Location | None = None,
    risk_alone: bool = False,
    threads: int = 1,
    progress: Progress = quiet,
) -> Training:
    """Train the risk model and the credit scorecard on a folder of records, and write the model.

    Parameters
    ----------
    data : path
        Folder of tables, which must keep the data contract.
    as_of : date
        Only what was known before this day is used.
    out : path
        Folder of the model; an older model there is replaced.
    policy : Policy, or name or path of one
        The policy that the model is trained for; if absent, that of the past of the place of the records.
    scheme, level, seed, budget, bootstrap, structure, risk_alone, threads
        As for `tierkit.scores.train.train`.
    credit_table : path, optional
        An expert's table of points, a TOML file, from which credit is taken instead of from records.
    progress : Progress

    Returns
    -------
    Training

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.
    DataError
        If the tables break the contract, or the records are too few or reach back too little.
    PolicyError
        If the table of points that the policy carries cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     done = train("data/synthetic", "2024-12-30", f"{place}/model")
    >>> done.manifest["as_of"], sorted(done.tests)[0]
    ('2024-12-30', 'credit, enterprises held out')
    """
    checks = Checks()
    source = checks.folder("data", data, "dataset")
    day = checks.date("as_of", as_of)
    meant = None if policy is None else checks.policy("policy", policy, of_models=True)
    checks.one_of("scheme", scheme, get_args(Scheme))
    checks.one_of("level", level, LEVELS)
    checks.between("budget", budget, 0, MAX_BUDGET)
    checks.between("bootstrap", bootstrap, 0, MAX_BOOTSTRAP)
    if bootstrap == 1:
        checks.note(
            "bootstrap", "one model cannot show how much models differ", "Give 2 or more, or 0 for none."
        )
    checks.between("seed", seed, 0, MAX_SEED)
    checks.at_least("threads", threads, 1)
    if credit_table is not None:
        checks.file("credit_table", credit_table)
        if risk_alone:
            checks.note("risk_alone", "there is no credit by risk alone", "Leave it out, or `credit_table`.")
    folder = checks.out_folder("out", out, "model")
    checks.settle()
    with checks.writing() as replaced:
        meant = checks.in_place("policy", meant, place_of(source))
        checks.settle()
        table = checks.points("credit_table", credit_table, place_of(source), structure)
        checks.settle()
        problems = errors_of(validate(source))
        if problems:
            raise DataError(problems)
        with checks.blame("data", "Give more records, or an earlier or later date."):
            model = fit(
                source, day, meant, out=folder, seed=seed, scheme=cast(Scheme, scheme),
                level=cast(Level, level), budget=budget, bootstrap=bootstrap, structure=structure,
                credit_table=table, risk_alone=risk_alone, threads=threads, progress=progress,
            )  # fmt: skip
    return Training(folder, replaced, dict(model.manifest))
