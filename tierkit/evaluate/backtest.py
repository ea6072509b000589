"""Simulate a past year under the policy estimated from the records before it; compare with what happened.

The policy is estimated from the records up to a date (`tierkit.evaluate.history`), with no look at the truth
or at what came later. The world is put back to that date: who is in the register, when they come and go, and
how they behave are given, for a synthetic dataset by making its past again. So what is tested is the
estimated policy, the engine and the width of its intervals, not the knowledge of behaviour; to test that as
well, hand over a world whose hazards come from calibrated risk (`tierkit.city.scored`). Each replicate has a
policy drawn within the errors of its estimation and draws of its own, never those of what happened.
"""

from __future__ import annotations

import datetime as dt
import html
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.engine import Run, run
from tierkit.city.limits import FEWEST_REPLICATES
from tierkit.city.synth import world_at
from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.evaluate.history import History, estimate
from tierkit.policy import PolicyLike, policy_of
from tierkit.progress import in_threads
from tierkit.records import SHANGHAI, Dataset, Place
from tierkit.records.gate import dataset_of, day_of
from tierkit.results import Result
from tierkit.scores.metrics import wilson_interval
from tierkit.texts import interval, number, percent, text

__all__ = ["Backtest", "backtest", "prediction_interval"]

DIMENSIONS = ("agency", "channel", "sector")
"""What a cell of the load is."""
LEAST_EXPECTED = 5.0
"""Inspections that a cell must be expected to have, to be judged: fewer say little of a year's rate."""


def prediction_interval(draws: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % prediction interval for one further draw from the same distribution.

    With R draws its ends are the k-th smallest and the k-th largest, k = ⌊0.025 (R + 1)⌋: one more draw is
    equally likely to take each of the R + 1 places, so it lies inside with probability 1 - 2k/(R + 1) at
    least, more where there are ties.

    Parameters
    ----------
    draws : array of shape (R, ...)
        At least 39 draws.

    Returns
    -------
    low, high : float array of shape (...)

    Examples
    --------
    >>> low, high = prediction_interval(np.arange(39))
    >>> float(low), float(high)
    (0.0, 38.0)
    """
    ordered = np.sort(np.asarray(draws, np.float64), axis=0)
    place = int(0.025 * (len(ordered) + 1))
    if place < 1:
        raise ValueError(
            f"A 95 % prediction interval needs at least {FEWEST_REPLICATES} replicates. Got {len(ordered)}."
        )
    if not np.isfinite(ordered).all():
        raise ValueError("The 'draws' must be finite numbers. Leave out the replicates that have none.")
    return ordered[place - 1], ordered[-place]


@dataclass(frozen=True, repr=False)
class Backtest(Result):
    """Predicted and observed load of a past period, by agency, channel and sector.

    Attributes
    ----------
    history : History
        The policy and what it was estimated from.
    since, until : datetime.date
        The period that was predicted.
    counts : int array of shape (replicates, 12, 6, 16)
        Inspections of each replicate by agency, channel and sector.
    observed : int array of shape (12, 6, 16)
        What happened.
    least : float
        Smallest expected number of inspections for a cell to be judged.
    """

    history: History
    since: dt.date
    until: dt.date
    counts: NDArray[np.int64]
    observed: NDArray[np.int64]
    least: float = LEAST_EXPECTED
    place: Place = SHANGHAI

    @property
    def replicates(self) -> int:
        """Number of replicates."""
        return len(self.counts)

    def table(self, by: Sequence[str] = DIMENSIONS) -> pd.DataFrame:
        """Return one row per cell: levels, ``predicted`` with interval, ``observed``, ``inside``, ``judged``.

        Parameters
        ----------
        by : sequence of {"agency", "channel", "sector"}
            Dimensions of the cells; all others are summed over. With none, the frame has one row.

        Returns
        -------
        DataFrame
            Cells that were neither expected nor seen are left out. ``judged`` cells have an expected
            load of at least `least`, whatever was seen.

        Raises
        ------
        ValueError
            If a dimension is unknown or comes twice.
        """
        if unknown := [name for name in by if name not in DIMENSIONS]:
            raise ValueError(f"A cell has {', '.join(DIMENSIONS)}. Got {', '.join(map(repr, unknown))}.")
        if len(set(by)) < len(by):
            raise ValueError(f"Give each dimension of a cell once. Got {list(by)}.")
        kept = [name for name in DIMENSIONS if name in by]
        out = tuple(k for k, name in enumerate(DIMENSIONS) if name not in by)
        draws = self.counts.sum(axis=tuple(k + 1 for k in out)).reshape(self.replicates, -1)
        observed = self.observed.sum(axis=out).reshape(-1)
        low, high = prediction_interval(draws)
        predicted = draws.mean(axis=0)
        shape = [len(self.place.ids(name)) for name in kept]
        places = np.indices(shape).reshape(len(kept), len(predicted))
        levels = {
            name: np.array(self.place.ids(name), object)[at] for name, at in zip(kept, places, strict=True)
        }
        cells = pd.DataFrame(
            {
                **levels,
                "predicted": predicted,
                "low": low,
                "high": high,
                "observed": observed,
                "inside": (low <= observed) & (observed <= high),
                "judged": predicted >= self.least,
            }
        )
        there: pd.DataFrame = cells.loc[(predicted > 0) | (observed > 0)]
        return there.reset_index(drop=True)

    def to_frame(self) -> pd.DataFrame:
        """Return every cell, as `table` does."""
        return self.table()

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return in how many cells what happened lies inside the interval, and where that should be."""
        last = self.until - dt.timedelta(days=1)
        if not self.table()["judged"].any():
            return [text("backtest.few", lang, since=self.since, last=last, least=number(self.least))]
        found = self.coverage
        shown = {"share": percent(found["share"], 1), "cells": number(found["cells"])}
        shown["expected"] = interval(found["expected_low"], found["expected_high"], 1, share=True)
        inside = number(found["inside"])
        return [text("backtest.said", lang, since=self.since, last=last, inside=inside, **shown)]

    @cached_property
    def coverage(self) -> dict[str, float]:
        """Return the share of judged cells whose observed load lies inside its interval, with intervals.

        ``low`` to ``high`` is Wilson's interval, as if cells were independent. They are not, as they share
        rates: ``expected_low`` to ``expected_high`` is where 95 % of the replicates' own coverage lies, each
        trading places with what happened; there it should be if policy and engine are right.
        """
        cells = self.table()
        judged = cells[cells["judged"]]
        n, k = len(judged), int(judged["inside"].sum())
        if not n:
            raise ValueError(
                f"No cell is expected to have {self.least:g} inspections; "
                "take a larger world or a longer period."
            )
        low, high = wilson_interval(k, n)
        mask = self.counts.mean(axis=0) >= self.least
        draws = self.counts[:, mask]
        own = []
        for r in range(self.replicates):
            others = draws.copy()
            others[r] = self.observed[mask]
            below, above = prediction_interval(others)
            own.append(float(((below <= draws[r]) & (draws[r] <= above)).mean()))
        expected = np.quantile(own, [0.025, 0.975])
        return {
            "cells": n,
            "inside": k,
            "share": k / n,
            "low": float(low),
            "high": float(high),
            "expected_low": float(expected[0]),
            "expected_high": float(expected[1]),
        }

    def _repr_html_(self) -> str:
        shown = self.table(["channel"]).to_html(index=False, float_format="{:.1f}".format)
        said = "".join(f"<p>{html.escape(one)}</p>" for one in self.sentences("en"))
        return said + shown


def _shape(place: Place) -> tuple[int, ...]:
    """Return how many levels each dimension has."""
    return tuple(len(place.ids(name)) for name in DIMENSIONS)


def _of_run(done: Run) -> NDArray[np.int64]:
    """Return the inspections of a run by agency, channel and sector."""
    log, world = done.table(), done.start.fixed
    obligation = log["obligation"].to_numpy(np.int64)
    sector = world.sector[world.enterprise[obligation].astype(np.int64)]
    shape = _shape(done.start.place)
    cell = np.ravel_multi_index((world.agency[obligation], log["channel"], sector), shape)
    return np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)


def _of_records(
    data: Dataset, since: pd.Timestamp, until: pd.Timestamp, ids: NDArray[np.object_]
) -> NDArray[np.int64]:
    """Return the inspections of the records by agency, channel and sector, of enterprises of the world.

    Warns
    -----
    UserWarning
        If the channel of some is not known: nothing is compared with them.
    """
    rows = data["inspections"]
    rows = rows[rows["inspected_on"].between(since, until, "left") & rows["enterprise_id"].isin(ids)]
    gone = rows["channel"].isna()
    if gone.any():
        message = (
            f"The channel of {int(gone.sum()):,} of {len(rows):,} inspections is not known; they are left "
            "out of what is compared, so the rerun makes more than it is held against."
        )
        warnings.warn(message, stacklevel=3)
        rows = rows[~gone]
    of = pd.Series(
        data["enterprises"]["sector"].astype(str).to_numpy(),
        index=data["enterprises"]["enterprise_id"].astype(str),
    )
    codes = [
        pd.Categorical(values.astype(str), data.place.ids(name)).codes.astype(np.int64)
        for name, values in zip(
            DIMENSIONS,
            (rows["agency"], rows["channel"], rows["enterprise_id"].astype(str).map(of)),
            strict=True,
        )
    ]
    shape = _shape(data.place)
    return np.bincount(np.ravel_multi_index(codes, shape), minlength=int(np.prod(shape))).reshape(shape)


def backtest(
    data: Dataset | str | os.PathLike[str],
    as_of: dt.date | str,
    *,
    world: World | None = None,
    history: History | None = None,
    policy: PolicyLike | None = None,
    weeks: int = WEEKS_A_YEAR,
    replicates: int = 119,
    seed: int = 0,
    kappa: float = 0.0,
    threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Backtest:
    """Predict the load after a date from the records before it, and compare it with the records after it.

    Parameters
    ----------
    data : Dataset or path
        Records that go on for `weeks` after the date.
    as_of : date
        A Monday. Nothing known on it or later is used for the policy.
    world : World, optional
        The world on that date; if absent, that of the synthetic dataset, made again up to it. What
        happened is counted for its enterprises alone.
    history : History, optional
        The policy of the past; estimated from the records if absent.
    policy : Policy, name or path, optional
        The policy under which a synthetic dataset was made; ``legacy`` if absent. Only its world is made with
        it, the prediction is not.
    weeks : int
        How long to predict.
    replicates : int
        Runs, each with a policy drawn within the errors of its estimation; at least 39. Numbers such as
        39, 79, 119 give an interval of exactly 95 %.
    seed : int
        Seed of the runs' draws.
    kappa : float
        Strength of general deterrence.
    threads : int
        Runs at a time; the result does not depend on it.
    progress : callable, optional
        Called with the runs done and all runs.

    Returns
    -------
    Backtest

    Raises
    ------
    ValueError
        If the records end too early, the dataset cannot be put back or a number is out of range.

    Examples
    --------
    >>> import tierkit as tk
    >>> data = tk.synth(400, seed=1)
    >>> tk.backtest(data, "2024-01-01", replicates=39).replicates
    39
    """
    if replicates < FEWEST_REPLICATES:
        raise ValueError(f"The 'replicates' must be at least {FEWEST_REPLICATES}. Got {replicates}.")
    data, since = dataset_of(data), pd.Timestamp(day_of(as_of))
    policy = None if policy is None else policy_of(policy)
    if since.weekday():
        monday = since - pd.Timedelta(days=since.weekday())
        raise ValueError(
            f"The 'as_of' of a backtest must be a Monday. Got {since:%Y-%m-%d}; {monday:%Y-%m-%d} is one."
        )
    until = since + pd.Timedelta(weeks=weeks)
    last = data.manifest.get("as_of")
    ends = pd.Timestamp(last) if last else data["inspections"]["inspected_on"].max()
    if weeks < 1 or until > ends:
        raise ValueError(
            f"The records end on {ends:%Y-%m-%d}; {weeks} weeks from {since:%Y-%m-%d} are not in them. "
            "Give an earlier date or fewer weeks."
        )
    frame = world or world_at(data, since.date(), policy=policy, threads=threads)
    if frame.date != since.date():
        raise ValueError(f"The world is that of {frame.date}, not of {since:%Y-%m-%d}.")
    found = history or estimate(data, since)

    def one(replicate: int, step: Callable[[], None]) -> NDArray[np.int64]:
        # Replicate 0 under the world's own seed is what happened; none of these is.
        counts = _of_run(
            run(frame, found.draw(seed, replicate), weeks, seed=seed, replicate=replicate, kappa=kappa)
        )
        step()
        return counts

    jobs = [partial(one, replicate) for replicate in range(1, replicates + 1)]
    counts = in_threads(jobs, replicates, threads, progress)
    happened = _of_records(data, since, until, frame.ids)
    return Backtest(found, since.date(), until.date(), np.stack(counts), happened, place=data.place)
