"""A run as tidy frames: one row per cell, one column per count, and the unit of each.

Cells are week × agency × tier × class × channel × mode of the inspections, week × tier × class × state of
the obligations, and week × agency × fate of what was demanded. Here a tier is that of the week itself; the
summary groups by the tier at the start instead (`tierkit.compare.outcomes`). Units are in
``frame.attrs["units"]``. Frames of several runs go one below the other: each names its policy, κ and
replicate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.engine import LOG, TALLY, Run
from tierkit.records import CHANNELS, DISPOSITIONS, FINDINGS, FIRST_PENALTY, ITEM_CLASSES, MODES, TIERS

__all__ = ["demand", "inspections", "obligation_weeks"]

_LEVELS: Mapping[str, Sequence[str]] = {
    "tier": TIERS,
    "item_class": ITEM_CLASSES,
    "channel": CHANNELS,
    "mode": MODES,
    "state": ("compliant", *FINDINGS[1:]),
    "fate": TALLY,
}
_INSPECTION_UNITS = {
    "inspections": "inspections",
    "findings": "findings",
    "minor": "findings",
    "moderate": "findings",
    "serious": "findings",
    "penalties": "penalties",
    "seizures": "measures",
    "detection_weeks": "weeks",
}


def inspections(run: Run) -> pd.DataFrame:
    """Return inspections and findings by week, agency, tier, class, channel and mode.

    Off-site checks are there with their mode; measures of the summary count those on site.

    Parameters
    ----------
    run : Run

    Returns
    -------
    DataFrame
        ``policy``, ``kappa``, ``replicate``, ``week`` (counted as in the log), ``agency``, ``tier``,
        ``item_class``, ``channel``, ``mode``, and the counts ``inspections``, ``findings`` and those by
        severity, ``penalties``, ``seizures``, and ``detection_weeks`` (the sum over findings of weeks since
        the violation began). Cells without an inspection are left out.

    Examples
    --------
    >>> from tierkit.policy import Policy
    >>> from tierkit.city.engine import run
    >>> from tierkit.city.synth import make
    >>> cells = inspections(run(make(80, seed=1)[1], Policy.load("legacy"), 8))
    >>> cells.attrs["units"]["detection_weeks"]
    'weeks'
    """
    log = run.log.astype(np.int64)
    column = {name: log[:, k] for k, name in enumerate(LOG)}
    world, obligation = run.start.fixed, column["obligation"]
    cells = {
        "week": column["week"] - run.start.week,
        "agency": world.agency[obligation].astype(np.int64),
        "tier": column["tier"],
        "item_class": world.item_class[obligation].astype(np.int64),
        "channel": column["channel"],
        "mode": column["mode"],
    }
    shape = (run.weeks, *(len(_levels(run, name)) for name in list(cells)[1:]))
    key, cell = np.unique(np.ravel_multi_index(tuple(cells.values()), shape), return_inverse=True)
    finding = column["finding"]
    counts = {
        "inspections": np.ones(len(log)),
        "findings": finding > 0,
        **{name: finding == k for k, name in enumerate(FINDINGS) if k},
        "penalties": column["disposition"] >= FIRST_PENALTY,
        "seizures": column["disposition"] == DISPOSITIONS.index("sealed"),
        "detection_weeks": np.where(finding > 0, column["week"] - column["since"], 0),
    }
    summed = {name: np.bincount(cell, weights=row, minlength=len(key)) for name, row in counts.items()}
    at = dict(zip(cells, np.unravel_index(key, shape), strict=True))
    return _frame(run, at, summed, _INSPECTION_UNITS)


def obligation_weeks(run: Run) -> pd.DataFrame:
    """Return obligation-weeks by week, tier, class and state of compliance.

    Parameters
    ----------
    run : Run

    Returns
    -------
    DataFrame
        ``policy``, ``kappa``, ``replicate``, ``week``, ``tier``, ``item_class``, ``state`` (``compliant``, or
        the severity of the violation) and ``obligation_weeks``. States are those before the inspections.

    Examples
    --------
    >>> from tierkit.policy import Policy
    >>> from tierkit.city.engine import run
    >>> from tierkit.city.synth import make
    >>> len(obligation_weeks(run(make(60, seed=1)[1], Policy.load("legacy"), 4))) == 4 * 4 * 2 * 4
    True
    """
    index = np.indices(run.counts.shape).reshape(run.counts.ndim, -1)
    at = dict(zip(("week", "tier", "item_class", "state"), index, strict=True))
    return _frame(run, at, {"obligation_weeks": run.counts.ravel()}, {"obligation_weeks": "obligation-weeks"})


def demand(run: Run) -> pd.DataFrame:
    """Return what was demanded and what became of it, by week and agency.

    Parameters
    ----------
    run : Run

    Returns
    -------
    DataFrame
        ``policy``, ``kappa``, ``replicate``, ``week``, ``agency``, ``fate`` (as `tierkit.city.engine.TALLY`:
        new and carried in are what came, the others what became of it) and ``inspections``.

    Examples
    --------
    >>> from tierkit.policy import Policy
    >>> from tierkit.city.engine import run
    >>> from tierkit.city.synth import make
    >>> told = demand(run(make(60, seed=1)[1], Policy.load("legacy"), 4))
    >>> came = told["fate"].isin(["new", "carried_in"])
    >>> told.loc[came, "inspections"].sum() == told.loc[~came, "inspections"].sum()
    np.True_
    """
    index = np.indices(run.tally.shape).reshape(run.tally.ndim, -1)
    at = dict(zip(("week", "agency", "fate"), index, strict=True))
    return _frame(run, at, {"inspections": run.tally.ravel()}, {"inspections": "inspections"})


def _levels(run: Run, name: str) -> Sequence[str]:
    return run.start.place.ids("agency") if name == "agency" else _LEVELS[name]


def _frame(
    run: Run,
    at: Mapping[str, NDArray[np.int64]],
    counts: Mapping[str, NDArray[np.generic]],
    units: Mapping[str, str],
) -> pd.DataFrame:
    """Return cells as a frame: levels by name, counts as integers, units beside them."""
    n = len(at["week"])
    out = pd.DataFrame(
        {
            "policy": pd.Categorical([run.policy.name] * n),
            "kappa": run.kappa,
            "replicate": run.replicate,
            "week": at["week"] + run.start.week,
        }
    )
    for name, codes in at.items():
        if name != "week":
            out[name] = pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(list(_levels(run, name))))
    for name, row in counts.items():
        out[name] = row.astype(np.int64)
    out.attrs["units"] = dict(units)
    return out
