"""Fit the risk model: its default settings, and the rows that set the level of its probabilities.

The trees learn who is riskier from the rows of a scheme; the calibration says how risky. Rows that were
chosen by what the records do not hold give a level that no weight can mend, but the equal-chance audits are a
fair sample whatever the choice of the rest. So the level may be taken from them alone: those of the
calibration part, scored by the model, and those of the training part, each scored by a model that was grown
without its enterprise (cross-fitting, in five lots), so that few audits need not become fewer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from tierkit.features import monotone
from tierkit.records.arguments import one_of
from tierkit.scores.calibration import Calibration
from tierkit.scores.risk import RiskModel
from tierkit.scores.training_rows import Split, TrainingRows, lots

__all__ = ["LEVELS", "SETTINGS", "Level", "fit_risk", "new_model"]

SETTINGS: Mapping[str, float] = MappingProxyType(
    {"n_trees": 300, "learning_rate": 0.04, "n_leaves": 2, "min_rows": 100}
)
"""Trees of one question each, so that features add up: findings are rare, and records too few to tell how
features go together."""

Level = Literal["scheme", "audits"]
LEVELS: tuple[Level, ...] = ("scheme", "audits")

_FOLDS = 5
_MANY_ROWS = 50_000  # below this a second thread of LightGBM costs more than it gives


def new_model(
    rows: TrainingRows, settings: Mapping[str, float] = SETTINGS, seed: int = 0, threads: int = 1
) -> RiskModel:
    """Return a risk model with these settings, not fitted yet.

    Parameters
    ----------
    rows : TrainingRows
        Their columns say which monotone signs apply, and their number how many threads are worth while.
    settings : mapping
        Parameters of `RiskModel`.
    seed, threads : int

    Examples
    --------
    >>> from tierkit.scores.training_rows import training_frame
    >>> new_model(training_frame("data/synthetic", "2024-12-30", "random")).n_leaves
    2
    """
    known = monotone("risk") if rows.signs is None else rows.signs
    signs = {name: sign for name, sign in known.items() if name in rows.X.columns}
    numbers: dict[str, Any] = dict(settings)
    return RiskModel(
        monotone=signs, num_threads=threads if len(rows.y) > _MANY_ROWS else 1, random_state=seed, **numbers
    )


def fit_risk(
    rows: TrainingRows,
    split: Split,
    settings: Mapping[str, float] = SETTINGS,
    level: Level = "scheme",
    *,
    seed: int = 0,
    threads: int = 1,
) -> RiskModel:
    """Fit the risk model on the training part and calibrate it on the next; the test part is not used.

    Parameters
    ----------
    rows : TrainingRows
        As from `tierkit.scores.training_rows.training_frame`.
    split : Split
    settings : mapping
        Parameters of `RiskModel`.
    level : {"scheme", "audits"}
        What the calibration is fitted on: the rows of the calibration part with their weights, or the random
        audits alone, cross-fitted; see the docstring of this module.
    seed : int
        Seed of LightGBM and of the folds of cross-fitting.
    threads : int
        Does not change the result.

    Returns
    -------
    RiskModel

    Raises
    ------
    ValueError
        If a part holds one class only, or ``level`` is not known.

    Examples
    --------
    >>> from tierkit.scores.training_rows import time_split, training_frame
    >>> rows = training_frame("data/synthetic", "2024-12-30")
    >>> model = fit_risk(rows, time_split(rows.rows["as_of"]))
    >>> model.calibration_.kind
    'shift'
    """
    one_of(level, LEVELS, "level")
    model = new_model(rows, settings, seed, threads)
    model.fit(rows.X[split.train], rows.y[split.train], rows.weight[split.train])
    if level == "scheme":
        later = split.calibrate
        return model.calibrate(rows.X[later], rows.y[later], rows.weight[later])
    audits = (rows.rows["channel"] == "random").to_numpy()
    own, later = audits & split.train, audits & split.calibrate
    margin = np.zeros(len(rows.y))
    margin[later] = model.margin(rows.X[later])
    lot = lots(rows.rows["enterprise_id"], f"fold {seed}") % np.uint64(_FOLDS)
    for fold in range(_FOLDS):
        left_out = lot == fold
        if not (own & left_out).any():
            continue
        rest = split.train & ~left_out
        other = new_model(rows, settings, seed, threads)
        other.fit(rows.X[rest], rows.y[rest], rows.weight[rest])
        margin[own & left_out] = other.margin(rows.X[own & left_out])
    used = own | later
    model.calibration_ = Calibration.fit(margin[used], rows.y[used], rows.weight[used])
    return model
