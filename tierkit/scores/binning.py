"""Optimal monotone bins of one variable, by optbinning, with rules for the cases that it does not handle.

optbinning chooses the cuts. Three rules are added here, each stated where it applies: pre-bins that
hold one class only are merged away by optbinning, so a variable that parts the classes perfectly would
come back without a cut, and gets one; counts are smoothed by a few rows at the average rate, so a bin
without events has a finite weight and an empty bin the weight 0; bins whose smoothed rates would break
the declared order are pooled. Whether there is anything to choose by is tested first, in
`tierkit.scores.chance`, as bins that were chosen by the outcome cannot be tested as if they had been given.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tierkit.arrays import Floats
from tierkit.features.catalogue import Sign
from tierkit.scores.chance import cells, differs, shrunken
from tierkit.scores.checked import checked, checked_count, checked_share, checked_whole

__all__ = ["SMOOTHING", "bins", "cuts", "groups", "place", "woe"]


SMOOTHING = 10.0
"""Rows at the average event rate that every bin is given before its weight of evidence is taken."""

_ROUNDED = 1e-9  # what sums of fractions may be off by
_SMALLEST_BIN = 5  # rows; below this a rate says nothing even after smoothing
_BY_CHANCE = "its values differ no more than chance would have it"
_TREND = {1: "ascending", -1: "descending"}


@contextmanager
def _quiet_import() -> Iterator[None]:
    """Keep cvxpy, which optbinning imports, from writing to stderr about solvers it cannot load."""

    def silent(record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("__cvxpy__")
    logger.addFilter(silent)
    try:
        yield
    finally:
        logger.removeFilter(silent)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Restore Python's handling of Ctrl-C, which optbinning's solver replaces by an immediate exit."""
    ours = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if ours is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, ours)


def _optimal(**settings: Any) -> Any:
    # Imported at fit only: it takes two seconds, and scoring needs none of it.
    with _quiet_import():
        from optbinning import OptimalBinning
    return OptimalBinning(solver="cp", max_n_prebins=20, random_state=0, **settings)


def woe(count: Floats, events: Floats, total: float, total_events: float) -> Floats:
    """Return the weight of evidence of bins: the log of the non-events' share over the events' share.

    Parameters
    ----------
    count, events : float array of shape (n_bins,)
        Rows and events of each bin.
    total, total_events : float
        Rows and events of all bins of the column, of which those given may be some; both classes present.

    Returns
    -------
    float array of shape (n_bins,)
        Natural log; above 0 where the bin has fewer events than average, 0 where it is empty.

    Raises
    ------
    ValueError
        If a bin has more events than rows, or the totals are less than the bins hold or of one class only.

    Notes
    -----
    Siddiqi, *Credit Risk Scorecards* (2006), chapter 6, after adding `SMOOTHING` rows at the average rate.

    Examples
    --------
    Two bins of 130 and 210 rows. The average rate is 310/340, so the first bin's 100 events become
    100 + 10 × 310/340, and so on.

    >>> woe(np.array([130.0, 210, 0]), np.array([100.0, 210, 0]), 340, 310).round(4).tolist()
    [1.0731, -3.1794, 0.0]
    """
    rows, found = checked(count=("amounts", count), events=("amounts", events))
    if (found > rows * (1 + _ROUNDED)).any():
        at = int(np.argmax(found > rows * (1 + _ROUNDED)))
        raise ValueError(
            f"'events' must be no more than 'count'; bin {at} has {found[at]:g} of {rows[at]:g}."
        )
    [sums] = checked(totals=("amounts", [total, total_events]))
    if not 0 < sums[1] < sums[0]:
        raise ValueError(f"{sums[1]:g} of {sums[0]:g} rows are events. Give totals of both classes.")
    good, its = rows.sum() - found.sum(), sums[0] - sums[1]
    if found.sum() > sums[1] * (1 + _ROUNDED) or good > its * (1 + _ROUNDED):
        raise ValueError(
            f"The bins hold {found.sum():g} events and {good:g} others, and the totals say {sums[1]:g} and "
            f"{its:g}. Give the totals of all bins."
        )
    return _weights(rows, found, *map(float, sums))


def _weights(count: Floats, events: Floats, total: float, total_events: float) -> Floats:
    """Return the weights of counts that are sound, or of rates that stand for them."""
    rate = total_events / total
    bad = events + SMOOTHING * rate
    good = count - events + SMOOTHING * (1 - rate)
    value: Floats = np.log(good / bad) - np.log((total - total_events) / total_events)
    return value


def _sound(x: Any, event: Any, kind: str, name: str = "x") -> tuple[Floats, NDArray[np.int64]]:
    """Return the values and the events of rows as arrays, or refuse them."""
    values, outcome = checked(**{name: (kind, x)}, event=("outcomes", event))
    return values, outcome.astype(np.int64)


def _check_settings(sign: int, max_bins: int, min_share: float) -> None:
    if sign not in (-1, 0, 1):
        raise ValueError(f"The 'sign' must be -1, 0 or 1. Got {sign!r}.")
    checked_count("max_bins", max_bins)
    checked_share("min_share", min_share)


def _share(n: int, min_share: float) -> float:
    return min(0.5, max(min_share, _SMALLEST_BIN / n))


def _perfect_cut(x: Floats, event: NDArray[np.int64], share: float) -> list[float]:
    """Return the cut that separates the two classes without error, if there is one."""
    from sklearn.tree import DecisionTreeClassifier  # only to fit: scoring should not wait for it

    stump = DecisionTreeClassifier(max_leaf_nodes=2, min_samples_leaf=share, random_state=0)
    tree = stump.fit(x.reshape(-1, 1), event).tree_
    if tree.node_count == 3 and (tree.impurity[1:] == 0).all():
        return [float(tree.threshold[0])]
    return []


def _pooled(x: Floats, event: NDArray[np.int64], edges: list[float], sign: int, rate: float) -> list[float]:
    """Drop cuts until the event rates are monotone, smoothed as the weights of evidence are."""
    while edges:
        inside = np.searchsorted(np.array(edges), x, side="right")
        count = np.bincount(inside, minlength=len(edges) + 1)
        bad = np.bincount(inside, weights=event, minlength=len(edges) + 1)
        steps = np.diff((bad + SMOOTHING * rate) / (count + SMOOTHING))
        if (steps * sign >= 0).all():
            break
        edges = [edge for i, edge in enumerate(edges) if i != int(np.argmin(steps * sign))]
    return edges


def cuts(
    x: Floats,
    event: NDArray[np.int64],
    sign: Sign = 0,
    max_bins: int = 6,
    min_share: float = 0.005,
    rate: float | None = None,
) -> list[float]:
    """Return the cuts between the bins of a number; a bin holds its lower cut and not its upper one.

    Parameters
    ----------
    x : float array of shape (n,)
        Without missing values.
    event : int array of shape (n,)
        1 for an event, 0 otherwise.
    sign : {-1, 0, 1}
        Direction of the event rate as ``x`` grows; 0 takes that of their rank correlation.
    max_bins : int
    min_share : float
        Smallest share of rows in a bin, never less than five rows.
    rate : float, optional
        Average event rate to which bins are smoothed, where missing values have one too; that of ``event`` if
        absent.

    Returns
    -------
    list of float
        Ascending; empty where ``x`` is constant, one class is absent or no cut in that direction helps.

    Raises
    ------
    ValueError
        If a number is missing or infinite, an outcome not 0 or 1, or a setting cannot be used.

    Examples
    --------
    >>> x = np.repeat([0.0, 1.0, 2.0], 100)
    >>> event = np.tile([1] * 10 + [0] * 90, 3)
    >>> event[200:230] = 1
    >>> cuts(x, event, sign=1), cuts(x, event, sign=-1)
    ([1.5], [])
    """
    x, event = _sound(x, event, "scores")
    _check_settings(sign, max_bins, min_share)
    average = float(event.mean()) if rate is None and event.size else rate
    if rate is not None:
        checked_share("rate", rate)
    if x.size < 2 * _SMALLEST_BIN or x.min() == x.max() or event.min() == event.max():
        return []
    share = _share(x.size, min_share)
    if sign == 0:  # the way of the rank correlation
        rank = rankdata(x)
        sign = 1 if rank[event == 1].mean() >= rank.mean() else -1
    binning = _optimal(
        monotonic_trend=_TREND[sign], max_n_bins=max_bins, min_prebin_size=share, min_bin_size=share
    )
    with _interruptible():
        binning.fit(x, event)
    found = [float(cut) for cut in binning.splits]
    assert average is not None  # there are rows
    return _pooled(x, event, found or _perfect_cut(x, event, share), sign, average)


def groups(
    codes: NDArray[np.int64], event: NDArray[np.int64], max_bins: int = 6, min_share: float = 0.005
) -> list[list[int]]:
    """Return the bins of levels: levels with similar event rates together, by ascending rate.

    Parameters
    ----------
    codes : int array of shape (n,)
        Codes of known levels.
    event : int array of shape (n,)
    max_bins, min_share
        As in `cuts`.

    Returns
    -------
    list of list of int
        Codes that occur, each in one bin; a single bin where no split helps.

    Raises
    ------
    ValueError
        If a code is no whole number from 0, an outcome not 0 or 1, or a setting cannot be used.

    Examples
    --------
    >>> codes = np.repeat([0, 1, 2], 100)
    >>> event = np.tile([1] * 10 + [0] * 90, 3)
    >>> event[100:140] = 1
    >>> groups(codes, event)
    [[0, 2], [1]]
    """
    given, event = _sound(codes, event, "amounts", "codes")
    codes = checked_whole("codes", given)
    _check_settings(1, max_bins, min_share)
    if not codes.size:
        raise ValueError("There are no 'codes' to put together. Give a row at least.")
    occurring, inverse = np.unique(codes, return_inverse=True)
    # A level's rank by its rate turns the grouping of levels into cuts of a number.
    rate = _level_rates(inverse, event)
    rank = np.unique(rate, return_inverse=True)[1].astype(np.float64)
    edges = cuts(rank[inverse], event, 1, max_bins, min_share)
    place = np.searchsorted(np.array(edges), rank, side="right")
    return [sorted(map(int, occurring[place == i])) for i in range(len(edges) + 1)]


def _level_rates(codes: NDArray[np.int64], event: NDArray[np.int64]) -> Floats:
    """Return the shrunken event rate of each level; every code from 0 occurs."""
    return shrunken(
        np.bincount(codes).astype(np.float64), np.bincount(codes, weights=event).astype(np.float64)
    )


def _check_codes(x: Floats, labels: Sequence[str], least: int) -> None:
    """Refuse what is neither missing nor the code of a level."""
    codes = checked_whole("x", x[~np.isnan(x)])
    if codes.size and not least <= codes.min() <= codes.max() < len(labels):
        raise ValueError(
            f"'x' must hold codes of levels, {least} to {len(labels) - 1}, or missing values. "
            f"Got {codes.min()} to {codes.max()}."
        )


def _bin(feature: str, number: int, kind: str, **rest: Any) -> dict[str, Any]:
    return {
        "feature": feature,
        "bin": number,
        "kind": kind,
        "lower": None,
        "upper": None,
        "levels": None,
        **rest,
    }


def _chosen(
    name: str,
    known: Floats,
    event: NDArray[np.int64],
    labels: tuple[str, ...] | None,
    sign: Sign,
    max_bins: int,
    min_share: float,
    rate: float,
) -> list[dict[str, Any]]:
    """Return the bins of the known values, without their figures; a single one if ``max_bins`` is 1."""
    if labels is not None:
        codes = known.astype(np.int64)
        one = [sorted(set(codes.tolist()))]
        found = groups(codes, event, max_bins, min_share) if max_bins > 1 else one
        return [
            _bin(name, i, "level", levels=[labels[code] for code in group]) for i, group in enumerate(found)
        ]
    inner = cuts(known, event, sign, max_bins, min_share, rate) if max_bins > 1 else []
    edges = pairwise([-np.inf, *inner, np.inf])
    return [_bin(name, i, "interval", lower=low, upper=high) for i, (low, high) in enumerate(edges)]


def _says_something(cell: NDArray[np.int64], event: NDArray[np.int64], ordered: bool) -> tuple[bool, bool]:
    """Return whether the rate differs between cells, missing ones (-1) too, and between the known ones."""
    missing = cell < 0
    last = int(cell.max()) + 1
    place = np.where(missing, last, cell)
    count = np.bincount(place, minlength=last + 1)
    bad = np.bincount(place[event == 1], minlength=last + 1)
    n_ordered = last if ordered else 0
    # The second is asked only if the first holds, so that where nothing differs both together are wrong no
    # more often than one; where missing values alone differ, the second alone tells.
    any_at_all = differs(count, bad, n_ordered)
    known = any_at_all and (not missing.any() or differs(count[:last], bad[:last], n_ordered))
    return any_at_all, known


def bins(
    name: str,
    x: Floats,
    event: NDArray[np.int64],
    labels: tuple[str, ...] | None = None,
    sign: Sign = 0,
    max_bins: int = 6,
    min_share: float = 0.005,
) -> list[dict[str, Any]] | str:
    """Return the bins of a feature with their weights of evidence, with rows for missing and unseen values.

    Parameters
    ----------
    name : str
        Name of the feature.
    x : float array of shape (n,)
        Numbers or codes of levels, NaN where missing.
    event : int array of shape (n,)
        1 for an event, 0 otherwise; both occur.
    labels : tuple of str, optional
        The levels, where ``x`` holds codes.
    sign, max_bins, min_share
        As in `cuts`.

    Returns
    -------
    list of dict, or str
        Rows with ``feature``, ``bin``, ``kind``, ``lower``, ``upper``, ``levels``, ``count``, ``events``,
        ``woe`` and ``iv``, the kinds ``interval`` or ``level`` first, then ``missing`` and, for levels,
        ``unseen``. A text if the feature says nothing, with the reason. ``count`` and ``events`` are those
        seen; ``woe`` and ``iv`` of levels are of their shrunken rates (`tierkit.scores.chance.shrunken`), and
        0 of missing values that differ from the known ones of a declared direction by chance only.

    Raises
    ------
    ValueError
        If a number is infinite or no code of a level, an outcome not 0 or 1 or of one class only, or a
        setting cannot be used.

    Examples
    --------
    >>> x = np.repeat([0.0, 1.0, np.nan], 100)
    >>> event = np.repeat([0, 1, 0, 1, 0, 1], [95, 5, 50, 50, 95, 5])
    >>> [(row["kind"], row["lower"], row["count"]) for row in bins("x", x, event)]
    [('interval', -inf, 100), ('interval', 0.5, 100), ('missing', None, 100)]
    """
    x, event = _sound(x, event, "values")
    _check_settings(sign, max_bins, min_share)
    if labels is not None:
        _check_codes(x, labels, 0)
    if event.size and event.min() == event.max():
        raise ValueError("The 'event' is of one class only. Give rows of both classes.")
    some = ~np.isnan(x)
    if not some.any():
        return "all values are missing"
    known, its_event, rate = x[some], event[some], float(event.mean())
    if some.all() and known.min() == known.max():
        return "constant"
    # A declared direction is knowledge enough; what has none must show that it is no accident. Of missing
    # values it says nothing, so these must show it too.
    parted = weighed = True
    if sign == 0 or labels is not None:
        cell = np.full(x.size, -1)
        cell[some] = known if labels is not None else cells(known)
        weighed, parted = _says_something(cell, event, ordered=labels is None)
    elif not some.all():
        weighed = _says_something(some - 1, event, ordered=False)[0]
        parted = bool(known.min() < known.max())
    if not weighed and (sign == 0 or labels is not None or not parted):
        return _BY_CHANCE
    rows = _chosen(name, known, its_event, labels, sign, max_bins if parted else 1, min_share, rate)
    if len(rows) == 1 and (some.all() or not weighed):
        return "no cut that helps"
    rows.append(_bin(name, len(rows), "missing"))
    if labels is not None:
        rows.append(_bin(name, len(rows), "unseen"))
    where = place(rows, x, labels)
    count = np.bincount(where, minlength=len(rows)).astype(np.float64)
    events = np.bincount(where, weights=event, minlength=len(rows)).astype(np.float64)
    expected = events.copy()
    if labels is not None and len(rows) > 3:  # levels were parted by their rates: those are too far apart
        inverse = np.unique(known, return_inverse=True)[1]
        told = _level_rates(inverse, its_event)[inverse]
        expected[:-2] = np.bincount(where[some], weights=told, minlength=len(rows))[:-2]
    total, bad = float(event.size), float(event.sum())
    value = _weights(count, expected, total, bad)
    if not weighed:
        value[[row["kind"] == "missing" for row in rows]] = 0.0
    gain = ((count - expected) / (total - bad) - expected / bad) * value
    for i, row in enumerate(rows):
        row |= {
            "count": int(count[i]),
            "events": int(events[i]),
            "woe": float(value[i]),
            "iv": float(gain[i]),
        }
    return rows


def place(
    rows: Sequence[Mapping[Any, Any]], x: Floats, labels: tuple[str, ...] | None = None
) -> NDArray[np.int64]:
    """Return the bin of each value, as a position in the feature's rows.

    Parameters
    ----------
    rows : sequence of mappings
        As from `bins`.
    x : float array of shape (n,)
        Numbers or codes of levels; NaN where missing, -1 for an unknown level.
    labels : tuple of str, optional
        The levels, where ``x`` holds codes.

    Raises
    ------
    ValueError
        If a number is infinite, or no code of a level.

    Examples
    --------
    >>> kinds = [("interval", -np.inf), ("interval", 2.0), ("missing", None)]
    >>> found = [{"kind": kind, "lower": lower} for kind, lower in kinds]
    >>> place(found, np.array([1.0, 2.0, np.nan])).tolist()
    [0, 1, 2]
    """
    [x] = checked(x=("values", x))
    if labels is not None:
        _check_codes(x, labels, -1)
    kind = [row["kind"] for row in rows]
    missing = kind.index("missing")
    if labels is not None:
        # The last entry serves code -1, an unknown level; a declared level that never occurred is one too.
        lookup = np.full(len(labels) + 1, kind.index("unseen"))
        for i, row in enumerate(rows[:missing]):
            lookup[[labels.index(level) for level in row["levels"]]] = i
        found = lookup[np.nan_to_num(x, nan=0.0).astype(np.int64)]
    else:
        inner = np.array([row["lower"] for row in rows[1:missing]], np.float64)
        found = np.searchsorted(inner, x, side="right")
    return np.where(np.isnan(x), missing, found).astype(np.int64)
