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
from tierkit.scores.checked import checked
from tierkit.scores.metrics import (
    bands,
    clustered_interval,
    clustered_variance,
    effective_size,
    wilson_interval,
)

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
"""With fewer events than this nothing is said. Nor is anything said of one enterprise."""
_AGE_EDGES = (2.0, 5.0, 10.0)


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


def clustered_rate(count: ArrayLike, years: ArrayLike) -> Estimate:
    """Return events per year of exposure, with an interval clustered by enterprise.

    Parameters
    ----------
    count, years : array of shape (n,)
        By enterprise.

    Returns
    -------
    Estimate
        Refused (NaN) with fewer than `FEWEST` events, or of fewer than two enterprises.

    Raises
    ------
    ValueError
        If a count or an exposure is missing, infinite or below 0, there are events without any exposure, or
        lengths differ.

    Notes
    -----
    Linearisation of a ratio of sums, on the log scale: Cochran, *Sampling Techniques*, 3rd ed. (1977), 6.4.
    `tierkit.scores.metrics.clustered_variance` gives variance and degrees of freedom of Student's quantile.
    The variance is no less than that of a Poisson count, so that rates which happen to be alike are not
    certain.

    Examples
    --------
    >>> clustered_rate(np.ones(100), np.full(100, 2.0)).value
    0.5
    """
    y, n = _clusters(count=count, years=years)
    if y.sum() < FEWEST or n.size < 2:
        return _REFUSED
    rate = float(y.sum() / n.sum())
    variance, freedom = clustered_variance(y, n)
    se = np.sqrt(max(variance / rate**2, 1 / y.sum()))
    far = float(np.exp(stats.t.ppf(0.975, freedom) * se))
    return Estimate(rate, rate / far, rate * far)


def clustered_share(events: ArrayLike, trials: ArrayLike) -> Estimate:
    """Return a share of trials, with Wilson's interval at the effective sample size under clustering.

    Parameters
    ----------
    events, trials : array of shape (n,)
        By enterprise.

    Returns
    -------
    Estimate
        Refused (NaN) with fewer than `FEWEST` events, or of fewer than two enterprises.

    Raises
    ------
    ValueError
        If a count is missing, infinite or below 0, there are more events than trials, or lengths differ.

    Notes
    -----
    `tierkit.scores.metrics.clustered_interval`. With one trial an enterprise at most there are no clusters,
    and the interval is Wilson's own.

    Examples
    --------
    >>> one = clustered_share([1] * 20 + [0] * 80, [1] * 100)
    >>> one.value, bool(one.low == wilson_interval(20, 100)[0])
    (0.2, True)
    """
    k, n = _clusters(events=events, trials=trials)
    if (k > n).any():
        raise ValueError("An enterprise has more 'events' than 'trials'. Give trials that hold the events.")
    if k.sum() < FEWEST or n.size < 2:
        return _REFUSED
    if n.max() > 1:
        low, high, _ = clustered_interval(k, n, float(n.sum()))
    else:
        low, high = (float(end) for end in wilson_interval(k.sum(), n.sum()))
    return Estimate(float(k.sum() / n.sum()), low, high)


def _clusters(**given: ArrayLike) -> tuple[Floats, Floats]:
    """Return what is above and below of a ratio of sums, without the clusters in which nothing is below."""
    above, name = given
    top, bottom = checked(**{one: ("amounts", values) for one, values in given.items()})
    _check_exposed(top, bottom, above, name)
    return top[bottom > 0], bottom[bottom > 0]


def _check_exposed(top: Floats, bottom: Floats, above: str, name: str) -> None:
    if (top[bottom == 0] > 0).any():
        raise ValueError(
            f"An enterprise has '{above}' and no '{name}'. Give the '{name}' in which they fell."
        )


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
        Refused (NaN) where either side has fewer than `FEWEST` events, or fewer than two enterprises, in
        strata that hold both.

    Raises
    ------
    ValueError
        If a count or an exposure is missing, infinite or below 0, there are events without any exposure, a
        stratum is missing, or lengths differ.

    Notes
    -----
    The Mantel-Haenszel ratio of rates: with events a and c and exposures N1 and N0 of group and rest, and
    T = N1 + N0, it is sum(a N0 / T) / sum(c N1 / T) over strata (Rothman, Greenland and Lash, *Modern
    Epidemiology*, 3rd ed., 2008, ch. 15). It stays right where strata are many and small. Its variance is
    the sandwich of that estimating equation with the enterprise as cluster, given everybody's exposure, with
    n / (n - 1) for each stratum or, if more, as in `clustered_variance` for each side; it is no less than
    that of Poisson counts. Interval and p-value are Student's, with the degrees of freedom of two samples,
    group and rest (Welch and Satterthwaite), each of its effective number of enterprises less one.

    Examples
    --------
    >>> y, n = np.repeat([2.0, 1.0], 50), np.ones(100)
    >>> round(rate_ratio(y, n, np.arange(100) < 50, np.zeros(100, int)).value, 9)
    2.0
    """
    y, n, group, strata = checked(
        count=("amounts", count),
        years=("amounts", years),
        mine=("outcomes", mine),
        stratum=("groups", stratum),
    )
    _check_exposed(y, n, "count", "years")
    group = group.astype(np.bool_)
    if not y.size:
        return _REFUSED
    _, at = np.unique(strata, return_inverse=True)

    def total(values: Floats, who: Mask) -> Floats:
        return np.bincount(at, weights=np.where(who, values, 0.0)).astype(np.float64)

    own, rest, whole = total(n, group), total(n, ~group), total(n, np.ones_like(group))
    both = (own > 0) & (rest > 0)
    scale = np.where(both, 1 / np.maximum(whole, 1e-300), 0.0)
    weight = np.where(group, (rest * scale)[at], (own * scale)[at])
    inside = both[at]
    sides = group & inside, ~group & inside
    if min(y[side].sum() for side in sides) < FEWEST or min((n[side] > 0).sum() for side in sides) < 2:
        return _REFUSED
    top, bottom = float((weight * y)[group].sum()), float((weight * y)[~group].sum())
    ratio = top / bottom
    seen = total(y, np.ones_like(group))
    rate = np.where(both, seen / np.maximum(ratio * own + rest, 1e-300), 0.0)[at]
    residual = np.where(group, y - ratio * rate * n, -ratio * (y - rate * n)) * weight
    members = total(np.ones_like(n), n > 0)
    factor = (members / np.maximum(members - 1, 1))[at]
    held = [(weight * n)[side] for side in sides]
    for side, exposure in zip(sides, held, strict=True):  # of the more that a residual falls short by
        factor[side] = np.maximum(factor[side], 1 / (1 - exposure / exposure.sum()))
    part = np.array([float((factor * residual**2)[side].sum()) for side in sides])
    each = np.array([max(effective_size(exposure) - 1, 1.0) for exposure in held])
    shared = float((part**2 / each).sum())
    freedom = float(part.sum() ** 2 / shared) if shared > 0 else float(each.min())
    poisson = float((weight**2 * y * np.where(group, 1, ratio**2)).sum())
    se = float(np.sqrt(max(part.sum(), poisson)) / top)
    p = float(2 * stats.t.sf(abs(np.log(ratio)) / se, freedom))
    far = float(np.exp(stats.t.ppf(0.975, freedom) * se))
    return Estimate(ratio, ratio / far, ratio * far, p)


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
    checked(p=("probabilities", np.where(np.isnan(values), 0.0, values)))
    out = np.full(values.shape, np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(order.size, 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out
