"""Headlines with and without what plans differ in by assumption: campaigns, lists and caps.

Of each instrument plans and baseline are run again with it switched off in all of them, under the same draws.
A headline turns on an instrument where, without it, a plan's change goes the other way, or is no longer
clear of zero (or is so now), or where the plan takes another place among the plans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.compare.comparison import compare
from tierkit.policy import INSTRUMENTS, Policy, without

__all__ = ["APART", "headlines_apart"]

APART = {
    "campaign": "campaign.rate",
    "list": "lists.unmonitored.target_share",
    "cap": "cap.planned_visits",
}
"""Instrument that is taken out → the parameter whose ground says whether it is an assumption."""
MEASURES = ("inspections", "violations_missed", "harm")
_CHANGE = ["difference", "difference_low", "difference_high", "relative"]


def headlines_apart(
    world: World,
    baseline: Policy,
    plans: Sequence[Policy],
    *,
    as_they_are: pd.DataFrame | None = None,
    scores: pd.DataFrame | None = None,
    replicates: int = 6,
    weeks: int = WEEKS_A_YEAR,
    seed: int = 0,
    kappa: float = 0.1,
    threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Return the change that each plan makes, as it is and without each instrument of `APART`.

    Parameters
    ----------
    world, baseline, scores, replicates, weeks, seed, kappa, threads, progress
        As for `tierkit.compare.comparison.compare`.
    plans : sequence of Policy
    as_they_are : DataFrame, optional
        The summary of a comparison of these plans under these draws, which is then not made again.

    Returns
    -------
    DataFrame
        ``policy``, ``measure`` and ``apart`` (the instrument; empty for the plan as it is), one row of each;
        ``difference`` from the baseline with ``difference_low`` and ``difference_high``, ``relative``;
        ``place`` of the plan among the plans, 1 for the lowest; ``has`` (whether plan or baseline have the
        instrument), ``assumed`` (whether its value is an assumption in either that has it) and ``turns``
        (whether the headline is another without it).

    Examples
    --------
    >>> from tierkit.city.synth import make
    >>> legacy, minhang = Policy.load("legacy"), Policy.load("minhang-2023")
    >>> found = headlines_apart(make(60, seed=1)[1], legacy, [minhang], weeks=8, replicates=2)
    >>> sorted(set(found["apart"])), len(found)
    (['', 'campaign', 'cap', 'list'], 12)
    """
    every = [baseline, *plans]
    options: dict[str, Any] = {
        "scores": scores, "replicates": replicates, "weeks": weeks, "seed": seed, "kappa": kappa,
        "threads": threads,
    }  # fmt: skip
    each = (len(APART) + (as_they_are is None)) * replicates * weeks * len(every)
    parts, done = [], 0

    def told(week: int, _: int) -> None:
        if progress is not None:
            progress(done + week, each)

    for apart in ("", *APART):
        names = {one.name: one.name for one in every}
        if not apart and as_they_are is not None:
            summary = as_they_are
        else:
            run = [without(one, apart) for one in every] if apart else every
            names = {new.name: old.name for new, old in zip(run, every, strict=True)}
            summary = compare(world, run[0], run[1:], progress=told, **options).summary
            done += replicates * weeks * len(every)
        rows = summary[
            (summary["group"] == "all")
            & summary["measure"].isin(MEASURES)
            & (summary["policy"] != summary["baseline"])
            & (summary["kappa"] == kappa)
            & (summary["weeks"] == weeks)
        ]
        plan = rows["policy"].astype(str).map(names)
        kept = rows[["measure", *_CHANGE]].assign(policy=plan, apart=apart)
        parts.append(kept.astype({"measure": "str"}))
    found = pd.concat(parts, ignore_index=True)
    found["place"] = found.groupby(["measure", "apart"])["difference"].rank(method="min").astype(np.int64)
    by_name = {one.name: one for one in plans}
    grounds = {
        (name, apart): _ground(one, baseline, apart) for name, one in by_name.items() for apart in APART
    }
    keys = list(zip(found["policy"], found["apart"], strict=True))
    found["has"] = [grounds.get(key, (False, False))[0] for key in keys]
    found["assumed"] = [grounds.get(key, (False, False))[1] for key in keys]
    found["turns"] = found["has"] & _differs(found)
    columns = ["policy", "measure", "apart", *_CHANGE, "place", "has", "assumed", "turns"]
    return found[columns]


def _ground(plan: Policy, baseline: Policy, apart: str) -> tuple[bool, bool]:
    """Return whether plan or baseline have an instrument, and whether its value is assumed in one of them."""
    off = INSTRUMENTS[apart].off
    having = [one for one in (plan, baseline) if any(one[path] != value for path, value in off.items())]
    return bool(having), any(one.parameter(APART[apart]).assumption is not None for one in having)


def _differs(found: pd.DataFrame) -> pd.Series:
    """Return where the verdict or the place is another than that of the plan as it is."""
    low, high = found["difference_low"], found["difference_high"]
    clear = np.where(low.isna(), np.sign(found["difference"]), np.sign(low) * (np.sign(low) == np.sign(high)))
    told = found.assign(verdict=clear)
    own = told[told["apart"] == ""].set_index(["policy", "measure"])[["verdict", "place"]]
    was = own.reindex(pd.MultiIndex.from_frame(told[["policy", "measure"]]))
    other = told[["verdict", "place"]].to_numpy() != was.to_numpy()
    return pd.Series(other.any(axis=1), index=found.index)
