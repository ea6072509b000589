"""Intervals of what replicates show, and how many of them a narrower one takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2
from scipy.stats import t as student

from tierkit.compare.measures import SHARES

__all__ = ["Replicates", "mean_interval", "relative_ends", "replicates_for"]


def mean_interval(
    values: NDArray[np.float64], among: int = 1, *, against: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, low and high of the 95 % Student interval over the first axis.

    Parameters
    ----------
    values : float array of shape (n, ...)
    among : int
        How many intervals are to hold together with 95 % (Bonferroni).
    against : float array of the same shape, optional
        For differences, what they are differences from.

    Returns
    -------
    tuple of three float arrays of shape (...)
        The ends are NaN for fewer than two values, and for values that are all the same: they show no spread
        to make an interval from, however many they are. Differences that are all zero, from what is not, are
        those of runs that nothing sets apart, and certain.

    Raises
    ------
    ValueError
        If ``among`` is below 1.

    Examples
    --------
    >>> mean_interval(np.array([1.0, 3.0]))[0]
    np.float64(2.0)
    >>> mean_interval(np.array([-26.0, -26.0]))[1:], mean_interval(np.zeros(2))[1:]
    ((np.float64(nan), np.float64(nan)), (np.float64(nan), np.float64(nan)))
    >>> mean_interval(np.zeros(2), against=np.array([5.0, 7.0]))[1:]
    (np.float64(0.0), np.float64(0.0))
    """
    if among < 1:
        raise ValueError(f"The 'among' must be at least 1. Got {among}.")
    r = values.shape[0]
    mean = values.mean(axis=0)
    if r < 2:
        nothing = np.full_like(mean, np.nan)
        return mean, nothing, nothing
    half = student.ppf(1 - 0.025 / among, r - 1) * values.std(axis=0, ddof=1) / np.sqrt(r)
    certain = False if against is None else (values == 0).all(axis=0) & (against != 0).any(axis=0)
    half = np.where((np.ptp(values, axis=0) == 0) & ~np.asarray(certain), np.nan, half)
    return mean, mean - half, mean + half


def relative_ends(low: Any, high: Any, base: Any) -> tuple[Any, Any]:
    """Return the interval of a difference as shares of what it is from, for what cannot be below zero.

    Such a quantity falls by all of it at most, so the ends are cut off at -1, as those of shares are at ± 1.
    They are NaN where the base is zero.

    Examples
    --------
    >>> relative_ends(-12.0, 15.0, 10.0)
    (-1.0, 1.5)
    """
    scale = np.where(np.asarray(base, np.float64) > 0, base, np.nan)
    ends = [np.maximum(np.asarray(end, np.float64) / scale, -1.0) for end in (low, high)]
    first, last = ((end if end.ndim else end.item()) for end in ends)
    return first, last


class Replicates(NamedTuple):
    """The number of replicates that an interval of a wanted width needs, in all and beyond those run.

    ``low`` and ``high`` are the 95 % interval of ``needed``, from that of the standard deviation over so few
    replicates.
    """

    needed: int
    low: int
    high: int
    more: int


def replicates_for(row: Mapping[Any, Any], width: float) -> Replicates:
    """Return how many replicates give a row of `Comparison.summary` an interval of a wanted half-width.

    The smallest n with ``t(.975, n - 1) s / √n`` at most the width, s being the standard deviation of the
    paired difference over the replicates that were run. Its interval takes the ends of the χ² interval of s.

    Parameters
    ----------
    row : mapping
        With ``difference``, ``difference_low``, ``difference_high`` and ``replicates``.
    width : float
        The wanted half width.

    Returns
    -------
    Replicates

    Raises
    ------
    ValueError
        If the width is not above zero, or there was one replicate alone.

    Examples
    --------
    >>> half = student.ppf(0.975, 9) / np.sqrt(10)  # ten replicates, standard deviation 1
    >>> row = {"difference": 0.0, "difference_low": -half, "difference_high": half, "replicates": 10}
    >>> replicates_for(row, 0.5)
    Replicates(needed=18, low=10, high=54, more=8)
    """
    run = int(row["replicates"])
    if run < 2:
        raise ValueError("One replicate shows no spread; run at least 2, then ask how many more it takes.")
    if not width > 0:
        raise ValueError(f"The 'width' must be above zero. Got {width}.")
    value, below, above = (row[name] for name in ("difference", "difference_low", "difference_high"))
    half = max(value - below, above - value)  # an end may be cut off at what is possible
    if not np.isfinite(half):
        raise ValueError(
            "The difference has no interval: its measure has no value in some replicate, or one in all."
        )
    if row.get("measure") in SHARES and below <= -1 and above >= 1:
        raise ValueError("The interval holds every difference that shares can have; run more replicates.")
    sd = half * np.sqrt(run) / student.ppf(0.975, run - 1)
    ends = sd * np.sqrt((run - 1) / chi2.ppf([0.975, 0.025], run - 1))
    needed, low, high = (_needed(float(one) / width) for one in (sd, *ends))
    return Replicates(needed, low, high, max(needed - run, 0))


def _needed(ratio: float) -> int:
    """Return the smallest n ≥ 2 with ``t(.975, n - 1) / √n × ratio ≤ 1``; the left side falls with n."""

    def enough(n: int) -> bool:
        return bool(student.ppf(0.975, n - 1) * ratio <= np.sqrt(n) * (1 + 1e-12))  # rounding, no more

    high = 2
    while not enough(high):
        high *= 2
    low = high // 2  # not enough, or 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
