"""Intervals of what replicates show, of values and of differences between policies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

__all__ = ["mean_interval", "relative_ends"]


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
