"""Whether the event rate differs between the values of a column, tested before anything is chosen by it.

Bins are chosen by the outcome: cuts are sought, levels are sorted by their own rate and merged. A test of
the chosen bins that takes them as given finds differences in noise, the surer the more values there are. So
the finest cells are tested, which no outcome has touched, and the events are dealt out to them again at
random. Each deal is given every choice that the bins have: a number the best rates that rise, or fall,
whichever way its own rank correlation points, levels a rate each. A number whose rates rise and fall again
has no way of its own, so its cells are asked at half the size for a single way and at half for any rates. All
deals of as many events to the same
rows are alike where the column says nothing, so the share of deals that look as good is an exact p-value
whatever the number of cells (Besag and Clifford, *Sequential Monte Carlo p-values*, Biometrika 78, 1991).

Rows are taken as independent and as alike in weight; the scorecard knows no weights. To deal events out among
rows of unlike weights would be exact still, but a test of the rows and not of whom they stand for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.special import xlogy
from scipy.stats import rankdata

from tierkit.arrays import Floats
from tierkit.scores.checked import checked, checked_whole

__all__ = ["SIGNIFICANCE", "cells", "differs", "shrunken"]

SIGNIFICANCE = 0.001
"""How often a column that says nothing may pass: a table has many columns, and each costs points."""

_DEALS = 1999
_BATCH = 100
_CELLS = 40
_SPREAD = 0.5
"""Spread of rates in log-odds to which the test is tuned (assumption); its size is exact whatever it is."""


def cells(x: Floats) -> NDArray[np.int64]:
    """Return the cell of each number: up to forty in order, made of whole values, finer at both ends.

    Their borders are shares of the rows, evenly spaced on the arcsine scale: cells in the middle hold a
    share of 0.039, those at the ends 0.0015, so that a rare value at either end has a cell of its own.

    Parameters
    ----------
    x : float array of shape (n,)
        Without missing values.

    Returns
    -------
    int array of shape (n,)

    Examples
    --------
    >>> cells(np.array([5.0, 1, 1, 1])).tolist()
    [26, 0, 0, 0]
    """
    [x] = checked(x=("scores", x))
    borders = np.sin(np.linspace(0, np.pi / 2, _CELLS + 1)[1:-1]) ** 2
    below = (rankdata(x, "min") - 1) / max(x.size, 1)
    return np.searchsorted(borders, below, side="right").astype(np.int64)


def shrunken(count: Floats, events: Floats) -> Floats:
    """Return the event rates of levels, drawn to the mean the more, the fewer rows a level has.

    The spread of the true rates is estimated from that of the seen ones (moments, each level weighted by its
    rows), and each rate is the posterior mean under a beta law of that spread. So a rate that is high because
    it was picked as the highest is drawn back by as much as such rates are too high on average.

    Parameters
    ----------
    count, events : float array of shape (n_levels,)
        Rows, at least one each, and events.

    Returns
    -------
    float array of shape (n_levels,)
        All at the mean where the rates differ no more than chance has it.

    Raises
    ------
    ValueError
        If a level has no rows, or more events than rows.

    Examples
    --------
    >>> shrunken(np.array([1000.0, 1000, 10]), np.array([50.0, 150, 4])).round(3).tolist()
    [0.051, 0.149, 0.22]
    """
    count, events = _sound(count, events, 1)
    total = count.sum()
    rate = events.sum() / total
    chance = rate * (1 - rate)
    room = total - (count**2).sum() / total
    seen = (count * (events / count - rate) ** 2).sum()
    spread = (seen - (len(count) - 1) * chance) / room if room > 0 else 0.0
    if spread <= 0:
        return np.full(len(count), rate)
    rows = max(chance / spread - 1, 0.0)  # that the mean counts for
    drawn: Floats = (events + rows * rate) / (count + rows)
    return drawn


def differs(count: NDArray[np.int64], events: NDArray[np.int64], ordered: int = 0) -> bool:
    """Return whether cells differ in their event rate by more than chance, at `SIGNIFICANCE`.

    Parameters
    ----------
    count, events : int array of shape (n_cells,)
        Rows and events of each cell.
    ordered : int
        The first so many cells are in order: rates that only rise or only fall are tried at half of the
        size, rates of their own at the other half. The others, and all if 0, have rates of their own.

    Returns
    -------
    bool
        The same for the same counts, since the deals are drawn from a fixed stream. No deal is left out of
        the count for being drawn late: dealing stops where too many looked as good already.

    Raises
    ------
    ValueError
        If a count is no whole number from 0, or a cell has more events than rows.

    Examples
    --------
    >>> differs(np.array([500, 500, 500]), np.array([50, 52, 47]))
    False
    >>> differs(np.array([500, 500, 500]), np.array([20, 50, 80]), ordered=3)
    True
    """
    count, events = (checked_whole("count", one) for one in _sound(count, events, 0))
    occurs = count > 0
    ordered = int(occurs[:ordered].sum())
    count, events = count[occurs], events[occurs]
    if len(count) < 2 or not 0 < events.sum() < count.sum():
        return False
    ways = [ordered, 0] if ordered > 2 else [0]  # two rates in order are any two
    most = (
        int(SIGNIFICANCE / len(ways) * (_DEALS + 1)) - 1
    )  # deals that may look as good: 1 of 1,999, or none
    seen = np.array([_gain(events[np.newaxis], count, way)[0] for way in ways])
    least = seen - 1e-6 * (1 + seen)  # equal but for rounding is equal
    rng = np.random.default_rng(0)
    as_good = np.zeros(len(ways), np.int64)
    for left in range(_DEALS, 0, -_BATCH):
        dealt = rng.multivariate_hypergeometric(count, int(events.sum()), min(_BATCH, left))
        as_good += [
            int((_gain(dealt, count, way) >= bar).sum()) for way, bar in zip(ways, least, strict=True)
        ]
        if as_good.min() > most:
            return False
    return True


def _sound(count: Any, events: Any, least: int) -> tuple[Floats, Floats]:
    """Return rows and events as numbers, or refuse them."""
    rows, found = checked(count=("amounts", count), events=("amounts", events))
    if not rows.size or (rows < least).any() or (found > rows).any():
        raise ValueError(
            f"'count' must be {least} or more rows of each of some cells, and 'events' no more than these. "
            f"Got {rows.tolist()[:6]} and {found.tolist()[:6]}."
        )
    return rows, found


def _gain(events: NDArray[np.int64], count: NDArray[np.int64], ordered: int) -> Floats:
    """Return by how much the log-likelihood of each row of events gains by rates that differ, doubled."""
    rate = events[0].sum() / count.sum()
    # Rates of few rows are drawn to the mean, else their noise drowns what the others say.
    rows = 1 / (_SPREAD**2 * rate * (1 - rate))
    told = (events + rows * rate) / (count + rows)
    if ordered:
        fitted, held = _monotone(events[:, :ordered], count[:ordered])
        told[:, :ordered] = (held * fitted + rows * rate) / (held + rows)
    good = xlogy(count - events, (1 - told) / (1 - rate))
    gain: Floats = 2 * (xlogy(events, told / rate) + good).sum(axis=1)
    return gain


def _monotone(events: NDArray[np.int64], count: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the likeliest rates of cells that rise, or fall where the rank correlation is negative.

    With them come the rows of all cells that are given the same rate together.
    """
    middle = np.cumsum(count) - count / 2
    way = np.where(events @ (middle - np.average(middle, weights=count)) >= 0, 1.0, -1.0)[:, np.newaxis]
    # One call for all rows of events: each lies so far above the one before that none is pooled with it.
    apart = 3.0 * np.arange(len(events))[:, np.newaxis]
    rates = way * events / count + apart
    weight = np.broadcast_to(count.astype(np.float64), rates.shape)
    found = isotonic_regression(rates.ravel(), weights=weight.ravel())
    held: Floats = np.repeat(found.weights, np.diff(found.blocks)).reshape(rates.shape)
    fitted: Floats = np.clip(way * (found.x.reshape(rates.shape) - apart), 0.0, 1.0)
    return fitted, held
