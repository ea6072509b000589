"""Refit the risk model on all rows after its test, with the level of its probabilities guarded.

The test says how good a model is whose trees never saw the newest two fifths of the rows. Who is scored
today is better served by trees of all rows. What those would say of rows that they never saw is then known of
no row, so the level is carried over from rows that were foretold: those of the calibration part by the tested
trees, those of the test part by trees of all rows before it. The first step of the same kind can be held
against what came: trees of all rows before the test part, with the level of the tested model. Where its
error on the test part is beyond what chance allows, the level moves, and it is taken from the rows of the
test part alone, the newest, as they were foretold. Trees that know of more rows may give all of them a higher
or lower margin, so foretold margins are first moved to the mean of the margins whose level they set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from tierkit.arrays import Floats, Mask
from tierkit.scores.calibration import Calibration
from tierkit.scores.fitting import SETTINGS, Level, fit_risk, new_model
from tierkit.scores.metrics import calibration_error, calibration_error_null
from tierkit.scores.risk import RiskModel
from tierkit.scores.training_rows import Split, TrainingRows

__all__ = ["Refit", "refit_risk"]

_CHANCE = 0.95
_REPLICATES = 199


class Refit(NamedTuple):
    """A risk model of all rows, and the one that was tested.

    Attributes
    ----------
    risk : RiskModel
        The one to score with, of all rows.
    tested : RiskModel
        Never fitted on the test part.
    error, bound : float
        On the test part: the calibration error of trees of all rows before it with a level that was carried
        over, and the 95 % point of what chance gives such a model.
    """

    risk: RiskModel
    tested: RiskModel
    error: float
    bound: float

    @property
    def held(self) -> bool:
        """Whether a level that was carried over held on later rows, or was off by no more than chance."""
        return not self.error > self.bound

    def report(self) -> dict[str, Any]:
        """Return what a manifest says of it."""
        return {"held": self.held, "error": self.error, "bound": self.bound}


def refit_risk(
    rows: TrainingRows,
    split: Split,
    settings: Mapping[str, float] = SETTINGS,
    level: Level = "scheme",
    *,
    seed: int = 0,
    threads: int = 1,
    newest: bool | None = None,
) -> Refit:
    """Fit the risk model, test the step from its rows to more rows, and take that step.

    Parameters
    ----------
    rows, split, settings, level, seed, threads
        As for `tierkit.scores.fitting.fit_risk`.
    newest : bool, optional
        Whether to take the level from the test part alone; if absent, as what was carried over held there.

    Returns
    -------
    Refit

    Raises
    ------
    ValueError
        If a part holds one class only, or ``level`` is not known.

    Examples
    --------
    >>> from tierkit.scores.training_rows import time_split, training_frame
    >>> rows = training_frame("data/synthetic", "2024-12-30")
    >>> found = refit_risk(rows, time_split(rows.rows["as_of"]))
    >>> found.held, found.error <= found.bound
    (True, True)
    """
    options: dict[str, Any] = {"seed": seed, "threads": threads}
    tested = fit_risk(rows, split, settings, level, **options)
    before, every = ~split.test, np.ones(len(rows.y), bool)
    if level == "audits":  # whose cross-fitting foretells every row of the trees by others
        carried, whole = (
            fit_risk(rows, replace(split, train=part, calibrate=~every), settings, level, **options)
            for part in (before, every)
        )
        held = split.test & (rows.rows["channel"] == "random").to_numpy()
        return Refit(whole, tested, *_error(carried, rows, held))
    carried, whole = (
        new_model(rows, settings, **options).fit(rows.X[part], rows.y[part], rows.weight[part])
        for part in (before, every)
    )
    own, earlier, later = (model.margin(rows.X) for model in (whole, carried, tested))
    moved = _centred(later, earlier, before)[split.calibrate]
    carried.calibration_ = Calibration.fit(moved, rows.y[split.calibrate], rows.weight[split.calibrate])
    foretold = np.where(split.test, _centred(earlier, own, every), _centred(later, own, every))
    none = float("nan")
    found = Refit(whole, tested, *(_error(carried, rows, split.test) if newest is None else (none, none)))
    newest = not found.held if newest is None else newest
    used = split.test if newest else ~split.train
    whole.calibration_ = Calibration.fit(foretold[used], rows.y[used], rows.weight[used])
    return found


def _centred(margin: Floats, other: Floats, part: Mask) -> Floats:
    """Return margins moved to the mean that another model gives these rows: it may know of other times."""
    moved: Floats = margin + (other[part].mean() - margin[part].mean())
    return moved


def _error(model: RiskModel, rows: TrainingRows, held: Mask) -> tuple[float, float]:
    """Return the calibration error of a model on rows, and what chance allows it there."""
    weight = rows.weight[held]
    chance = model.predict_proba(rows.X[held])[:, 1]
    null = calibration_error_null(chance, replicates=_REPLICATES, sample_weight=weight)
    error = calibration_error(rows.y[held], chance, sample_weight=weight)
    return error, float(np.quantile(null, _CHANCE))
