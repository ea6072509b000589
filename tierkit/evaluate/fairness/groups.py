"""Statistics for comparing groups: membership, clustered rates and ratios, Holm's correction."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from tierkit.arrays import Floats, Ints, Mask
from tierkit.records import SHANGHAI, Place
from tierkit.records.gate import day_of
from tierkit.scores.metrics import wilson_interval

__all__ = [
    "FEWEST",
    "GROUPS",
    "Estimate",
    "bands",
    "clustered_rate",
    "clustered_share",
    "group_of",
    "holm",
    "levels_of",
    "rate_ratio",
]


AGES = ("under_2", "2_to_5", "5_to_10", "over_10")
"""Whole years since registration."""
GROUPS = ("ownership", "size", "sector", "district", "age")
"""Groups that are compared."""
FEWEST = 10
"""With fewer events than this nothing is said."""
_AGE_EDGES = (2.0, 5.0, 10.0)
_Z = float(stats.norm.ppf(0.975))


class Estimate(NamedTuple):
    """An estimate with its 95 % interval and, for a ratio, the p-value that it is 1; NaN where refused."""

    value: float
    low: float
    high: float
    p: float = np.nan


_REFUSED = Estimate(np.nan, np.nan, np.nan)


def levels_of(group: str, place: Place = SHANGHAI) -> tuple[str, ...]:
    """Return the levels of a group in a place."""
    return AGES if group == "age" else place.ids(group)


def group_of(enterprises: pd.DataFrame, group: str, day: date | str, place: Place = SHANGHAI) -> Ints:
    """Return the position of each enterprise's level in `levels_of` the group, -1 where it has none.

    Parameters
    ----------
    enterprises : DataFrame
        The column of that name, or ``registered_on`` for ``"age"``.
    group : str
    day : date
        On which the age is counted.
    place : Place
        The place of the enterprises.

    Raises
    ------
    ValueError
        If there is no such group.

    Examples
    --------
    >>> group_of(pd.DataFrame({"size": ["micro", "large"]}), "size", "2025-01-01").tolist()
    [0, 3]
    """
    if group not in GROUPS:
        raise ValueError(f"A group must be one of {', '.join(GROUPS)}. Got {group!r} instead.")
    if group == "age":
        years = (pd.Timestamp(day_of(day, "day")) - enterprises["registered_on"]).dt.days.to_numpy(
            np.float64
        ) / 365.25
        return np.where(np.isnan(years), -1, np.searchsorted(_AGE_EDGES, years, side="right")).astype(
            np.int64
        )
    return pd.Categorical(enterprises[group].astype("str"), list(levels_of(group, place))).codes.astype(
        np.int64
    )


def bands(risk: ArrayLike, n: int) -> Ints:
    """Return bands of equal counts by rank; equal values are in the same band.

    A calibration that keeps ranks, whatever it does to the probabilities, leaves the bands as they are.

    Examples
    --------
    >>> bands([0.1, 0.4, 0.2, 0.2], 2).tolist()
    [0, 1, 0, 0]
    """
    values = np.asarray(risk, np.float64)
    return np.searchsorted(np.sort(values), values, side="left") * n // max(values.size, 1)


def clustered_rate(count: ArrayLike, years: ArrayLike) -> Estimate:
    """Return events per year of exposure, with an interval clustered by enterprise.

    Parameters
    ----------
    count, years : array of shape (n,)
        By enterprise.

    Returns
    -------
    Estimate
        Refused (NaN) with fewer than `FEWEST` events.

    Notes
    -----
    Linearisation of a ratio of sums, on the log scale: Cochran, *Sampling Techniques*, 3rd ed. (1977), 6.4.

    Examples
    --------
    >>> clustered_rate(np.ones(100), np.full(100, 2.0)).value
    0.5
    """
    y, n = np.asarray(count, np.float64), np.asarray(years, np.float64)
    if y.sum() < FEWEST or n.sum() <= 0:
        return _REFUSED
    rate = float(y.sum() / n.sum())
    se = float(np.sqrt(((y - rate * n) ** 2).sum() * y.size / max(y.size - 1, 1)) / y.sum())
    return Estimate(rate, rate * np.exp(-_Z * se), rate * np.exp(_Z * se))


def clustered_share(events: ArrayLike, trials: ArrayLike) -> Estimate:
    """Return a share of trials, with Wilson's interval at the effective sample size under clustering.

    Parameters
    ----------
    events, trials : array of shape (n,)
        By enterprise.

    Returns
    -------
    Estimate
        Refused (NaN) with fewer than `FEWEST` events.

    Notes
    -----
    Trials are divided by the design effect, the variance clustered by enterprise over the binomial one, at
    least 1: Kish, *Survey Sampling* (1965), 8.2.

    Examples
    --------
    >>> one = clustered_share([1] * 20 + [0] * 80, [1] * 100)
    >>> one.value, bool(abs(one.low - wilson_interval(20, 100)[0]) < 0.01)
    (0.2, True)
    """
    k, n = np.asarray(events, np.float64), np.asarray(trials, np.float64)
    there = n > 0
    k, n = k[there], n[there]
    if k.sum() < FEWEST:
        return _REFUSED
    share, size = float(k.sum() / n.sum()), float(n.sum())
    clustered = ((k - share * n) ** 2).sum() / size**2
    binomial = share * (1 - share) / size
    effect = max(1.0, clustered / binomial) if binomial > 0 else 1.0
    low, high = wilson_interval(share * size / effect, size / effect)
    return Estimate(share, float(low), float(high))


def rate_ratio(count: ArrayLike, years: ArrayLike, mine: ArrayLike, stratum: ArrayLike) -> Estimate:
    """Return the stratified ratio of one group's event rate to that of the rest.

    Parameters
    ----------
    count, years : array of shape (n,)
        Events and exposure by enterprise.
    mine : bool array of shape (n,)
        Who is in the group.
    stratum : int array of shape (n,)
        What the comparison is at equal values of.

    Returns
    -------
    Estimate
        Refused (NaN) where either side has fewer than `FEWEST` events in strata that hold both.

    Notes
    -----
    The Mantel-Haenszel ratio of rates: with events a and c and exposures N1 and N0 of group and rest, and
    T = N1 + N0, it is sum(a N0 / T) / sum(c N1 / T) over strata (Rothman, Greenland and Lash, *Modern
    Epidemiology*, 3rd ed., 2008, ch. 15). It stays right where strata are many and small. Its variance is
    the sandwich of that estimating equation with the enterprise as cluster, given everybody's exposure, and
    n / (n - 1) for each stratum.

    Examples
    --------
    >>> y, n = np.repeat([2.0, 1.0], 50), np.ones(100)
    >>> round(rate_ratio(y, n, np.arange(100) < 50, np.zeros(100, int)).value, 9)
    2.0
    """
    y, n = np.asarray(count, np.float64), np.asarray(years, np.float64)
    group = np.asarray(mine, np.bool_)
    _, at = np.unique(np.asarray(stratum), return_inverse=True)

    def total(values: Floats, who: Mask) -> Floats:
        return np.bincount(at, weights=np.where(who, values, 0.0)).astype(np.float64)

    own, rest, whole = total(n, group), total(n, ~group), total(n, np.ones_like(group))
    both = (own > 0) & (rest > 0)
    scale = np.where(both, 1 / np.maximum(whole, 1e-300), 0.0)
    weight = np.where(group, (rest * scale)[at], (own * scale)[at])
    inside = both[at]
    if min(y[group & inside].sum(), y[~group & inside].sum()) < FEWEST:
        return _REFUSED
    top, bottom = float((weight * y)[group].sum()), float((weight * y)[~group].sum())
    ratio = top / bottom
    seen = total(y, np.ones_like(group))
    rate = np.where(both, seen / np.maximum(ratio * own + rest, 1e-300), 0.0)[at]
    residual = np.where(group, y - ratio * rate * n, -ratio * (y - rate * n)) * weight
    members = total(np.ones_like(n), n > 0)
    factor = (members / np.maximum(members - 1, 1))[at]
    se = float(np.sqrt((factor * residual**2).sum()) / top)
    p = float(2 * stats.norm.sf(abs(np.log(ratio)) / se)) if se > 0 else float(ratio == 1.0)
    return Estimate(ratio, ratio * np.exp(-_Z * se), ratio * np.exp(_Z * se), p)


def holm(p: ArrayLike) -> Floats:
    """Return p-values adjusted for multiple tests (Holm); NaN stays NaN and is not counted as a test.

    Notes
    -----
    Holm, *A simple sequentially rejective multiple test procedure*, Scandinavian Journal of Statistics 6
    (1979).

    Examples
    --------
    >>> holm([0.01, 0.04, float("nan"), 0.03]).round(3).tolist()
    [0.03, 0.06, nan, 0.06]
    """
    values = np.asarray(p, np.float64)
    out = np.full(values.shape, np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(order.size, 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out
