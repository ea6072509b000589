"""Measures of an order of inspections: expected, worst and best results over all orders of tied scores.

Inspections are done in descending order of a score. Each takes a slot: the days on which inspections were
made, sorted, stay as they were. Within a stratum (all, or one inspector) slots are the stratum's own. Every
measure here is a sum, over the slots in which violations are found, of a value that never rises from one slot
to the next (minus the day; 1 in the first c of all slots). A tie group of m rows with k violations takes m
slots in a row; so the measure is, with C the running sum of the values,

- k / m × (C(end) - C(begin)) if ties are in random order,
- C(begin + k) - C(begin) at best and C(end) - C(end - k) at worst.

Rows may carry whole-number weights, as bootstrap samples do: a row of weight 2 is two rows with one score.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tierkit.arrays import Floats, Ints

__all__ = ["Bounds", "Chance", "Order"]

_Run = Callable[[Floats], Floats]


class Bounds(NamedTuple):
    """A measure with ties in random order, and with ties in the worst and in the best order."""

    value: float
    worst: float
    best: float


class Chance(NamedTuple):
    """A measure of a random order: its mean and standard deviation."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Order:
    """Rows in the order of a score, by stratum, and the slots they share.

    Parameters
    ----------
    event : float array of shape (n,)
        1 where a violation was found.
    day : float array of shape (n,)
        When the inspection was made, in days.
    stratum : int array of shape (n,)
        0, 1, …; each keeps its own slots.
    tie : int array of shape (n,)
        Number of the row's tie group, counted by stratum and, within one, by descending score.
    tie_stratum : int array of shape (groups,)
    slot : int array of shape (n,)
        Number of the row's stratum and day, counted in that order.
    slot_day : float array of shape (slots,)
    """

    event: Floats
    day: Floats
    stratum: Ints
    tie: Ints
    tie_stratum: Ints
    slot: Ints
    slot_day: Floats

    @classmethod
    def of(cls, event: Floats, score: Floats, day: Floats, stratum: Ints) -> Order:
        """Return the order of a score.

        Examples
        --------
        >>> one = Order.of(np.array([1.0, 0, 1]), np.array([2.0, 5, 2]), np.arange(3.0), np.zeros(3, int))
        >>> one.tie.tolist(), one.slot.tolist()
        ([1, 0, 1], [0, 1, 2])
        """
        tie, tied = _number(stratum, -score)
        slot, dated = _number(stratum, day)
        return cls(event, day, stratum, tie, stratum[tied], slot, day[dated])

    def days_earlier(self, weight: Floats | None = None) -> Bounds:
        """Return the mean days by which a violation is found earlier than it was."""
        w = self._weight(weight)
        was = _mean(self.day, w * self.event)
        return Bounds(*(was + one for one in self._bounds(self._run(None, w), w)))

    def capture(self, share: float, weight: Floats | None = None) -> Bounds:
        """Return the share of violations that the first share of each stratum's slots finds."""
        w = self._weight(weight)
        return self._bounds(self._run(share, w), w)

    def by(self, score: Floats) -> Order:
        """Return the same inspections in the order of another score."""
        return Order.of(self.event, score, self.day, self.stratum)

    def chance(self, share: float | None = None) -> Chance:
        """Return days earlier (or, given a share, capture) of a random order.

        Each stratum's violations take slots drawn without replacement.
        """
        w = self._weight(None)
        value = np.diff(self._run(share, w)(np.arange(len(w) + 1.0)))  # of each slot
        events, size = self._per_stratum(self.event), self._per_stratum(w)
        whose = np.repeat(np.arange(len(size)), size.astype(np.int64))
        mean = _summed(whose, value, len(size)) / size
        variance = _summed(whose, (value - mean[whose]) ** 2, len(size)) / np.maximum(size - 1, 1)
        sd = np.sqrt((events * (1 - events / size) * variance).sum())
        total = events.sum() or np.nan
        was = _mean(self.day, self.event) if share is None else 0.0
        return Chance(was + float((events * mean).sum() / total), float(sd / total))

    def shuffled(self, rng: np.random.Generator) -> Order:
        """Return the order after a random permutation of the scores within each stratum."""
        lot = np.lexsort((rng.random(len(self.tie)), self.stratum))
        tie = np.empty_like(self.tie)
        tie[lot] = np.sort(self.tie)
        return replace(self, tie=tie)

    def auc(self, weight: Floats | None = None) -> Bounds:
        """Return the chance that a violation scores above a clean inspection of its stratum.

        A tie counts one half, at worst nothing, at best one.
        """
        w = self._weight(weight)
        bad = _summed(self.tie, w * self.event, len(self.tie_stratum))
        clean = _summed(self.tie, w * (1 - self.event), len(self.tie_stratum))
        all_clean = self._per_stratum(w * (1 - self.event))
        below = np.cumsum(all_clean)[self.tie_stratum] - np.cumsum(clean)
        pairs = float((self._per_stratum(w * self.event) * all_clean).sum()) or np.nan
        sure, tied = float((bad * below).sum()), float((bad * clean).sum())
        return Bounds((sure + tied / 2) / pairs, sure / pairs, (sure + tied) / pairs)

    def auc_chance(self) -> Chance:
        """Return the AUC of a random order without ties (Mann and Whitney's mean and variance)."""
        size, bad = self._per_stratum(self._weight(None)), self._per_stratum(self.event)
        pairs = bad * (size - bad)
        if not pairs.sum():
            return Chance(np.nan, np.nan)
        return Chance(0.5, float(np.sqrt((pairs * (size + 1) / 12).sum()) / pairs.sum()))

    def found_by(self, filled: Floats) -> float:
        """Return the share of violations found in the first slots of each stratum."""
        begin, end = self._ends(self._weight(None))
        size = self._per_stratum(self._weight(None))
        until = (np.cumsum(size) - size + filled)[self.tie_stratum]
        done = np.clip((until - begin) / (end - begin), 0, 1)
        return _mean(done[self.tie], self.event)

    def _weight(self, weight: Floats | None) -> Floats:
        return np.ones(len(self.event)) if weight is None else weight

    def _per_stratum(self, value: Floats) -> Floats:
        out: Floats = _summed(self.stratum, value, int(self.stratum.max()) + 1)
        return out

    def _ends(self, w: Floats) -> tuple[Floats, Floats]:
        """Return the slots, counted over all strata, at which each tie group begins and ends."""
        size = _summed(self.tie, w, len(self.tie_stratum))
        end = np.cumsum(size)
        return end - size, end

    def _run(self, share: float | None, w: Floats) -> _Run:
        """Return the running sum over slots of minus the day, or of 1 in the first share of a stratum."""
        if share is None:
            size = _summed(self.slot, w, len(self.slot_day))
            return _line(np.cumsum(size), np.cumsum(-size * self.slot_day))
        size = self._per_stratum(w)
        end, total = np.cumsum(size), np.cumsum(share * size)
        at = np.column_stack([end - (1 - share) * size, end]).ravel()
        return _line(at, np.repeat(total, 2))

    def _bounds(self, run: _Run, w: Floats) -> Bounds:
        begin, end = self._ends(w)
        k = _summed(self.tie, w * self.event, len(self.tie_stratum))
        share = np.divide(k, end - begin, out=np.zeros_like(k), where=end > begin)
        sums = share * (run(end) - run(begin)), run(end) - run(end - k), run(begin + k) - run(begin)
        total = float(k.sum()) or np.nan
        return Bounds(*(float(one.sum()) / total for one in sums))


def _mean(value: Floats, weight: Floats) -> float:
    return float((value * weight).sum() / (weight.sum() or np.nan))


def _summed(at: Ints, value: Floats, size: int) -> Floats:
    total: Floats = np.bincount(at, value, size).astype(np.float64, copy=False)
    return total


def _line(at: Floats, total: Floats) -> _Run:
    xs, ys = np.r_[0, at], np.r_[0, total]

    def run(position: Floats) -> Floats:
        return np.interp(position, xs, ys)

    return run


def _number(stratum: Ints, value: Floats) -> tuple[Ints, Ints]:
    """Return the number of each row's pair of stratum and value, in ascending order, and a row per pair."""
    order = np.lexsort((value, stratum))
    new = np.ones(len(order), bool)
    new[1:] = (np.diff(stratum[order]) != 0) | (np.diff(value[order]) != 0)
    number = np.empty(len(order), np.int64)
    number[order] = np.cumsum(new) - 1
    return number, order[new]
