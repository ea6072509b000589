"""What one run of one policy tells a comparison: values by window, and where enterprises moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.engine import Run
from tierkit.compare.intervals import mean_interval
from tierkit.compare.outcomes import Outcome
from tierkit.records import TIERS

__all__ = ["LAST", "Told", "by_replicate_of", "tell", "transitions_of"]

LAST = (*TIERS, "left")
"""Where an enterprise may be at the end of a run."""


class Told(NamedTuple):
    """The values and counts of one run of one policy, by window and row."""

    keys: list[pd.DataFrame]
    told: list[NDArray[np.float64]]
    counts: list[NDArray[np.float64]]
    cohorts: list[list[NDArray[np.float64]]]  # by window and reform: the rows by tier, for its tiers
    moved: NDArray[np.int64]  # enterprises by tier at the start and at the end


def tell(done: Run, outcomes: Sequence[Outcome], cohorts: Sequence[NDArray[np.uint8]]) -> Told:
    """Return what one run of one policy came to."""
    numbers = [outcome.numbers() for outcome in outcomes]
    by_tier = [[outcome.by_tier(tier).numbers()[0] for tier in cohorts] for outcome in outcomes]
    alive = done.start.alive()
    end = done.start.week + done.weeks
    last = np.where(done.end.state.left < end, np.int64(len(TIERS)), done.end.state.tier)
    cell = done.first_tier[alive].astype(np.int64) * len(LAST) + last[alive]
    moved = np.bincount(cell, minlength=len(TIERS) * len(LAST)).reshape(len(TIERS), len(LAST))
    rows = [outcome.rows for outcome in outcomes]
    return Told(rows, [value for value, _ in numbers], [n for _, n in numbers], by_tier, moved)


def by_replicate_of(
    told: Sequence[Sequence[Told]], names: Sequence[str], common: Mapping[str, Any], shown: Sequence[str]
) -> pd.DataFrame:
    """Return some measures of each policy in each replicate."""
    keys = told[0][0].keys[0]
    kept = np.flatnonzero((keys["group"] == "all") & keys["measure"].isin(shown))
    measures = keys["measure"].iloc[kept].astype(str)
    frames = [
        pd.DataFrame(
            {
                "policy": name,
                "measure": measures.to_numpy(object),
                "kappa": common["kappa"],
                "weeks": common["weeks"],
                "replicate": replicate,
                "value": one.told[0][kept],
            }
        )
        for runs, name in zip(told, names, strict=True)
        for replicate, one in enumerate(runs)
    ]
    return pd.concat(frames, ignore_index=True)


def transitions_of(
    told: Sequence[Sequence[Told]], names: Sequence[str], common: Mapping[str, Any]
) -> pd.DataFrame:
    """Return how many enterprises moved from each first tier to each last tier."""
    frames = []
    for runs, name in zip(told, names, strict=True):
        moved = np.stack([one.moved for one in runs]).astype(np.float64)
        n = moved.sum(axis=2).mean(axis=0)  # the same in every replicate
        mean, low, high = mean_interval(moved)
        low, high = (np.clip(end, 0.0, n[:, None]) for end in (low, high))
        share = np.divide(mean, n[:, None], out=np.full_like(mean, np.nan), where=n[:, None] > 0)
        frames.append(
            pd.DataFrame(
                {
                    "policy": name,
                    "kappa": common["kappa"],
                    "weeks": common["weeks"],
                    "first": np.repeat(TIERS, len(LAST)),
                    "last": np.tile(LAST, len(TIERS)),
                    "enterprises": mean.ravel(),
                    "low": low.ravel(),
                    "high": high.ravel(),
                    "share": share.ravel(),
                    "replicates": len(moved),
                    "n": np.repeat(n.astype(np.int64), len(LAST)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
