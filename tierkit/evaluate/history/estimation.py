"""Estimate a policy from records, with the uncertainty of each number."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from tierkit.arrays import Floats
from tierkit.city.parameters import Parameters, parameters
from tierkit.evaluate.history.logged import Chance, Records
from tierkit.evaluate.history.routine import GRADIENTS, Routine, fitted_rates, frequencies
from tierkit.policy import Policy
from tierkit.records import SIZES, Parameter, place_of
from tierkit.records.gate import day_of
from tierkit.texts import number

__all__ = ["FEWEST_DAYS", "NEEDED", "History", "estimate"]


NEEDED = (
    "enterprises", "items", "obligations", "inspections", "credit_events", "complaints", "signals",
)  # fmt: skip
"""Tables that the policy of the past is estimated from."""
FEWEST_DAYS = 182
"""Shortest window that is estimated from."""
_SURE_ENOUGH = 0.3  # largest standard error of a gradient that replaces the base policy's
_SHOWN_DRAWS = 400
_COLUMNS = [
    "parameter", "group", "level", "channel", "unit", "value", "low", "high", "n", "exposure", "base", "used",
]  # fmt: skip


@dataclass(frozen=True, repr=False)
class History:
    """A policy estimated from records, with the uncertainty of each number.

    Attributes
    ----------
    policy : Policy
        Named ``history``: the base policy with the estimated numbers put in.
    base : Policy
        What it was before.
    since, until : datetime.date
        The records used: from the first day on, before the last.
    inspections : int
        Inspections in them.
    estimates : DataFrame
        One row per number: ``parameter`` (empty for what no parameter carries), ``group``, ``level``,
        ``channel``, ``unit``, ``value`` with its 95 % interval ``low`` to ``high``, ``n`` (events),
        ``exposure`` (chances, or years), ``base`` (the value before) and ``used`` (is it in the policy).
    """

    policy: Policy
    base: Policy
    since: dt.date
    until: dt.date
    inspections: int
    estimates: pd.DataFrame
    _routine: Routine
    _gradient: tuple[float, float]
    _chances: tuple[Chance, ...]
    _fixed: Mapping[str, Any]
    _shares: tuple[Floats, Floats]

    def draw(self, seed: int, replicate: int = 0) -> Policy:
        """Return the policy with each number drawn anew from the distribution of its estimate.

        A parametric bootstrap: routine counts are drawn from the fitted rates and fitted again, the
        gradient is normal, the other rates gamma and shares beta.

        Parameters
        ----------
        seed, replicate : int
            The same two give the same policy.

        Returns
        -------
        Policy
        """
        return self.base.reform(
            self._drawn(np.random.default_rng([seed, replicate])),
            name=self.policy.name,
            assumption=self._assumption,
        )

    def _drawn(self, rng: np.random.Generator) -> dict[str, Any]:
        gradient, error = self._gradient
        if np.isfinite(error) and "scoring.rule_gradient" in self._fixed:
            gradient = float(np.clip(rng.normal(gradient, error), *GRADIENTS))
        changes = dict(self._fixed)
        changes |= frequencies(
            fitted_rates(
                rng.poisson(self._mean).astype(np.float64),
                self._routine.exposure(gradient),
            ),
            self._routine.exposure(0.0),
            self.base,
            self._shares,
        )
        if "scoring.rule_gradient" in self._fixed:
            changes["scoring.rule_gradient"] = gradient
        for one in self._chances:
            changes[one.path] = float(one.quantile(rng.random()))
        return changes

    @cached_property
    def _mean(self) -> Floats:
        exposure = self._routine.exposure(self._gradient[0])
        return fitted_rates(self._routine.counts, exposure) * exposure

    @property
    def _assumption(self) -> str:
        return _ground(self.inspections, self.since, self.until)

    def __repr__(self) -> str:
        """Return what was used, as one line."""
        return f"History({self.inspections:,} inspections of {self.since}..{self._last})"

    @property
    def _last(self) -> dt.date:
        return self.until - dt.timedelta(days=1)

    def _repr_html_(self) -> str:
        used = self.estimates[self.estimates["used"]]
        kept = used[["parameter", "unit", "base", "value", "low", "high", "n", "exposure"]]
        shown = kept.to_html(index=False, float_format="{:.4g}".format)
        return f"<p><b>{html.escape(repr(self))}</b></p>{shown}"


def _ground(inspections: int, since: dt.date, until: dt.date) -> str:
    return f"estimated from {number(inspections)} inspections of {since}..{until - dt.timedelta(days=1)}"


def estimate(
    data: Mapping[str, pd.DataFrame],
    until: Any,
    *,
    since: Any = None,
    base: Policy | None = None,
    params: Parameters | None = None,
) -> History:
    """Estimate the policy that the records show, up to a date.

    Parameters
    ----------
    data : Dataset or mapping of str to DataFrame
        Tables of the data contract; of them ``enterprises``, ``items``, ``obligations``, ``inspections``,
        ``credit_events``, ``complaints``, ``signals`` and ``tiers`` are read, the truth is not.
    until : date
        Nothing that was known on this day or later is used.
    since : date, optional
        First day of the window; the start of the records if absent.
    base : Policy, optional
        Holds what the records cannot tell; ``legacy`` if absent.
    params : Parameters, optional
        Parameters of the world, for the shares by which relative frequencies are scaled and for how often a
        permit is renewed.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If a table is missing or the window is too short or has no routine inspections.

    Examples
    --------
    >>> from tierkit.city.synth import make
    >>> data, world = make(300, seed=1)
    >>> found = estimate(data, "2024-01-01")
    >>> found.policy.parameter("frequency.base_rate").assumption
    'estimated from 108 inspections of 2023-01-02..2023-12-31'
    """
    missing = [name for name in NEEDED if name not in data]
    if missing:
        raise ValueError(
            f"The policy of the past is estimated from records; {', '.join(missing)} is missing."
        )
    place = place_of(data)
    base = (base or Policy.load(place.past_policy)).at(place)
    p = params or parameters(place)
    end = pd.Timestamp(day_of(until, "until"))
    inspections = data["inspections"]
    start = _start(data, inspections) if since is None else pd.Timestamp(day_of(since, "since"))
    if pd.isna(start) or (end - start).days < FEWEST_DAYS:
        raise ValueError(
            f"The policy of the past needs at least {FEWEST_DAYS} days of records. "
            f"Got {start:%Y-%m-%d}..{end:%Y-%m-%d}; give a later date."
            if not pd.isna(start)
            else "The table 'inspections' is empty; there is no past to estimate a policy from."
        )
    records = Records(data, start, end)
    routine = records.routine(base)
    if not routine.counts.sum():
        raise ValueError(f"No routine inspections between {start:%Y-%m-%d} and {end:%Y-%m-%d}.")
    gradient, error = routine.gradient()
    fixed: dict[str, Any] = {}
    told = error < _SURE_ENOUGH
    if told:
        fixed["scoring.rule_gradient"] = gradient
    else:
        gradient, error = float(base["scoring.rule_gradient"]), np.inf
    chances, more = records.chances(base, p)
    fixed |= more
    shares = (
        np.array([p[f"share.sector.{s}"] for s in place.sectors]),
        np.array([p[f"share.size.{s}"] for s in SIZES]),
    )
    exposure = routine.exposure(gradient)
    changes = fixed | frequencies(fitted_rates(routine.counts, exposure), routine.exposure(0.0), base, shares)
    changes |= {one.path: one.value for one in chances}
    ground = _ground(len(records.inspections), start.date(), end.date())
    reform = {
        path: Parameter(value, base.parameter(path).unit, assumption=ground)
        for path, value in changes.items()
    }
    policy = base.reform(reform, name="history")
    found = History(
        policy,
        base,
        start.date(),
        end.date(),
        len(records.inspections),
        pd.DataFrame(columns=_COLUMNS),
        routine,
        (gradient, error),
        tuple(chances),
        fixed,
        shares,
    )
    rows = _parameter_rows(found, changes) + records.descriptive()
    object.__setattr__(found, "estimates", pd.DataFrame(rows, columns=_COLUMNS))
    return found


def _start(data: Any, inspections: pd.DataFrame) -> pd.Timestamp:
    """Return the first day of the records: what the manifest says, else the first inspection."""
    manifest = getattr(data, "manifest", {})
    first: pd.Timestamp = (
        pd.Timestamp(manifest["start"]) if manifest.get("start") else inspections["inspected_on"].min()
    )
    return first


def _parameter_rows(found: History, changes: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return one row per parameter that was set; intervals of the regression come from draws."""
    rng = np.random.default_rng(0)
    draws = [found._drawn(rng) for _ in range(_SHOWN_DRAWS)]
    routine = found._routine
    years = routine.exposure(0.0)
    by = {
        **{
            f"frequency.sector.{s}": (routine.counts[k].sum(), years[k].sum())
            for k, s in enumerate(found.policy["frequency.sector"])
        },
        **{
            f"frequency.size.{s}": (routine.counts[:, k].sum(), years[:, k].sum())
            for k, s in enumerate(SIZES)
        },
    }
    whole = (routine.counts.sum(), years.sum())
    chances = {one.path: one for one in found._chances}
    rows: list[tuple[Any, ...]] = []
    for path, value in changes.items():
        unit, before = found.base.parameter(path).unit, found.base[path]
        low, high = np.nan, np.nan
        n, exposure = by.get(path, whole)
        if path in chances:
            low, high = chances[path].interval()
            n, exposure = chances[path].n, chances[path].exposure
        elif path.startswith("frequency.") or path == "scoring.rule_gradient":
            low, high = (float(q) for q in np.quantile([one[path] for one in draws], [0.025, 0.975]))
        row = (path, "policy", path.rpartition(".")[2], "", unit, value, low, high)
        rows.append((*row, int(n), float(exposure), before, True))
    return rows
