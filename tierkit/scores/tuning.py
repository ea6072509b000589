"""Choose settings of the risk model by rolling origins in the training part, within a budget.

Candidates are drawn from a small declared space, the stated settings always being the first of them. Each is
fitted at rolling origins inside the **training** part: on the rows before the origin, scored on the rows from
there to the next. Neither the calibration nor the test part is read, so both stay what they are for.

The settings are chosen as the best of all that were tried, so their interval has to hold for all of these at
once (Bonferroni): the best of many looks better than it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import t as student

from tierkit.arrays import Floats
from tierkit.scores.fitting import SETTINGS, new_model
from tierkit.scores.training_rows import Split, TrainingRows, time_split

__all__ = ["ORIGINS", "SPACE", "Tuning", "tune"]


SPACE: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "n_trees": (50, 100, 150, 300, 450),
        "learning_rate": (0.02, 0.04, 0.08),
        "n_leaves": (2, 3, 4, 6, 10),
        "min_rows": (30, 60, 100, 200, 400),
    }
)
"""What may be tried: 375 settings around the stated ones."""
ORIGINS = (0.4, 0.55, 0.7, 0.85)
"""Shares of the training rows before each origin; each is scored up to the next, the last to the end."""


@dataclass(frozen=True)
class Tuning:
    """The settings tried, with their results.

    Parameters
    ----------
    candidates : DataFrame
        One row per candidate, the stated settings first: settings, ``log_loss`` (mean over origins) with
        ``low`` and ``high``, and ``difference`` from the stated settings with ``difference_low`` and
        ``difference_high`` (Student intervals over origins, paired; all of them together hold with 95 %, as
        the chosen one is picked among them), ``chosen``.
    chosen : mapping
        The settings of the lowest mean log loss; of equals, the first.
    budget : int
    origins : tuple of Timestamp
        First days of the scored stretches.
    until : Timestamp
        Last day that was read.
    """

    candidates: pd.DataFrame
    chosen: Mapping[str, float]
    budget: int
    origins: tuple[pd.Timestamp, ...]
    until: pd.Timestamp

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "budget": self.budget,
            "origins": [one.date() for one in self.origins],
            "until": self.until.date(),
            "chosen": dict(self.chosen),
            "candidates": self.candidates.to_dict("records"),
        }

    def _repr_html_(self) -> str:
        return self.candidates.to_html(index=False, float_format="{:.5f}".format)


def _log_loss(y: NDArray[np.int64], p: Floats, weight: Floats) -> float:
    return float(np.average(-(xlogy(y, p) + xlogy(1 - y, 1 - p)), weights=weight))


def _mean(values: Floats, tried: int) -> tuple[Floats, Floats, Floats]:
    """Return mean, low and high over the last axis, by Student intervals of which so many hold with 95 %.

    Values that are all the same, yet not zero, show no spread and have no interval (NaN). Differences that
    are all zero are those of settings that predict the same, and certain.
    """
    n = values.shape[-1]
    half = student.ppf(1 - 0.025 / tried, n - 1) * values.std(axis=-1, ddof=1) / np.sqrt(n)
    mean = values.mean(axis=-1)
    half = np.where((np.ptp(values, axis=-1) == 0) & (mean != 0), np.nan, half)
    return mean, mean - half, mean + half


def _drawn(budget: int, seed: int) -> list[dict[str, float]]:
    """Return the default settings and as many others as the budget allows, in an order set by the seed."""
    stated = dict(SETTINGS)
    others = [dict(zip(SPACE, values, strict=True)) for values in product(*SPACE.values())]
    others = [one for one in others if one != stated]
    order = np.random.default_rng(seed).permutation(len(others))
    return [stated, *(others[k] for k in order[:budget])]


def tune(
    rows: TrainingRows, budget: int, split: Split | None = None, *, seed: int = 0, threads: int = 1
) -> Tuning:
    """Choose settings by rolling origins within the training part.

    Parameters
    ----------
    rows : TrainingRows
    budget : int
        Settings tried beside the stated ones, 1 … 374; each costs four fits.
    split : Split, optional
        That of `time_split` if absent. Rows outside its training part are not read.
    seed : int
        Of the draw of candidates and of LightGBM. A larger budget tries the same and more.
    threads : int
        Does not change the result.

    Returns
    -------
    Tuning

    Raises
    ------
    ValueError
        If the budget is out of range, or the training part is too short: an origin without rows after it, or
        with one class only before it.

    Examples
    --------
    >>> from tierkit.scores.training_rows import training_frame
    >>> found = tune(training_frame("data/synthetic", "2024-12-30"), budget=2)
    >>> len(found.candidates), found.candidates["chosen"].sum(), set(found.chosen) == set(SPACE)
    (3, np.int64(1), True)
    """
    most = int(np.prod([len(values) for values in SPACE.values()])) - 1
    if not 1 <= budget <= most:
        raise ValueError(f"The 'budget' must be in 1 … {most}. Got {budget} instead.")
    split = split or time_split(rows.rows["as_of"])
    mine = np.flatnonzero(split.train)
    days = rows.rows["as_of"].to_numpy()[mine]
    borders = [days[int(share * len(mine))] for share in ORIGINS]
    ends = [*borders[1:], days[-1] + np.timedelta64(1, "D")]
    candidates = _drawn(budget, seed)
    losses = np.empty((len(candidates), len(borders)))
    for k, (start, end) in enumerate(zip(borders, ends, strict=True)):
        before, after = mine[days < start], mine[(days >= start) & (days < end)]
        if not len(after) or len(np.unique(rows.y[before])) < 2:
            raise ValueError(
                f"The training part is too short to be tuned: {len(before)} rows before "
                f"{pd.Timestamp(start).date()} and {len(after)} later. Give more records, or no budget."
            )
        for c, settings in enumerate(candidates):
            model = new_model(rows, settings, seed, threads)
            model.fit(rows.X.iloc[before], rows.y[before], rows.weight[before])
            told = model.predict_proba(rows.X.iloc[after])[:, 1]
            losses[c, k] = _log_loss(rows.y[after], told, rows.weight[after])
    mean, low, high = _mean(losses, len(candidates))
    apart, apart_low, apart_high = _mean(losses - losses[0], budget)
    best = int(mean.argmin())
    table = pd.DataFrame(candidates).astype({"n_trees": int, "n_leaves": int, "min_rows": int}).assign(
        log_loss=mean, low=low, high=high, difference=apart, difference_low=apart_low,
        difference_high=apart_high, chosen=np.arange(len(candidates)) == best,
    )  # fmt: skip
    origins = tuple(pd.Timestamp(one) for one in borders)
    return Tuning(table, MappingProxyType(candidates[best]), budget, origins, pd.Timestamp(days[-1]))
