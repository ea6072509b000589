"""Checked inspections as rows that a score can put in order, and the measures of an order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Floats, Ints
from tierkit.city.limits import FEWEST_REPLICATES
from tierkit.evaluate.order.ordering import Order

__all__ = ["POOLED", "Inspections", "codes"]

POOLED, WITHIN = "pooled", "within"
_NORMAL = 1.959963984540054  # quantile of a 95 % interval


@dataclass(frozen=True)
class Inspections:
    """Inspections with one or more scores each, and the strata within which they are reordered.

    Parameters
    ----------
    event, day : float array of shape (n,)
        1 where a violation was found; days since the first inspection.
    dates : Series of shape (n,)
    scores : mapping of str to float array of shape (n,)
    strata : mapping of str to int array of shape (n,)
        ``pooled``, and ``within`` if there are groups.
    cluster : int array of shape (n,)
    capacity : tuple of float
    """

    event: Floats
    day: Floats
    dates: pd.Series
    scores: Mapping[str, Floats]
    strata: Mapping[str, Ints]
    cluster: Ints
    capacity: tuple[float, ...]

    @classmethod
    def of(
        cls,
        outcome: Any,
        scores: Mapping[str, Any],
        dates: Any,
        group: Any,
        cluster: Any,
        capacity: Sequence[float],
        replicates: int,
    ) -> Inspections:
        """Return the inspections; raise one error that lists everything wrong with the input."""
        event, dated = np.asarray(outcome), _days(dates)
        each = {name: np.asarray(one) for name, one in scores.items()}
        given = {"group": group, "cluster": cluster}
        parts: list[tuple[str, Any]] = [("outcome", event), ("dates", dated), *each.items()]
        parts += [(name, np.asarray(one)) for name, one in given.items() if one is not None]
        n = len(event)
        told = [f"'{name}' has {len(one)} rows, not {n}" for name, one in parts if len(one) != n]
        gone = [(name, int(pd.isna(one).sum())) for name, one in parts]
        told += [f"'{name}' is missing in {count} rows" for name, count in gone if count]
        told += [f"'{name}' has the shape {one.shape}" for name, one in parts if one.ndim != 1]
        told += [
            f"'{name}' holds what is no finite number"
            for name, one in each.items()
            if one.dtype.kind not in "biuf" or np.isinf(one).any()
        ]
        if not n:
            told.append("there are none")
        if not np.isin(event, (0, 1)).all():
            told.append("'outcome' holds values other than 0 and 1")
        if not all(0 < share <= 1 for share in capacity):
            told.append(f"the 'capacity' must be shares in (0, 1], got {tuple(capacity)}")
        if replicates < FEWEST_REPLICATES:
            told.append(f"the 'replicates' must be at least {FEWEST_REPLICATES}, got {replicates}")
        if told:
            raise ValueError(
                f"These inspections cannot be put in order: {'; '.join(told)}. "
                "Give a value for every inspection, and leave out those that have none."
            )
        day = (dated - dated.min()).dt.total_seconds().to_numpy(np.float64) / 86_400
        return cls(
            event.astype(np.float64),
            day,
            dated,
            {name: np.asarray(one, np.float64) for name, one in scores.items()},
            {POOLED: np.zeros(n, np.int64)} | ({} if group is None else {WITHIN: codes(group)}),
            np.arange(n) if cluster is None else codes(cluster),
            tuple(capacity),
        )

    def order(self, score: str, stratum: str) -> Order:
        """Return the order of a score."""
        return Order.of(self.event, self.scores[score], self.day, self.strata[stratum])

    def measures(self) -> pd.DataFrame:
        """Return the names of the measures, in the order of `values`."""
        rows: list[tuple[str, float]] = [("auc", np.nan), ("days_earlier", np.nan)]
        rows += [(name, share) for name in ("capture", "precision") for share in self.capacity]
        return pd.DataFrame(rows, columns=["measure", "capacity"])

    def bounds(self, order: Order, weight: Floats | None = None) -> Floats:
        """Return each measure at the mean, worst and best order of ties, shape (measures, 3)."""
        capture = [order.capture(share, weight) for share in self.capacity]
        rate = float(np.average(self.event, weights=weight))
        return self._with_precision([order.auc(weight), order.days_earlier(weight)], capture, rate)

    def values(self, order: Order, weight: Floats | None = None) -> Floats:
        """Return each measure with ties in random order, shape (measures,)."""
        value: Floats = self.bounds(order, weight)[:, 0]
        return value

    def chance(self, order: Order) -> Floats:
        """Return mean and standard deviation of each measure in a random order, shape (measures, 2)."""
        capture = [order.chance(share) for share in self.capacity]
        return self._with_precision([order.auc_chance(), order.chance()], capture, float(self.event.mean()))

    def _with_precision(
        self, first: Sequence[tuple[float, ...]], capture: Sequence[tuple[float, ...]], rate: float
    ) -> Floats:
        found = np.array(capture)
        return np.vstack([np.array(first), found, found * rate / np.array(self.capacity)[:, None]])

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return int(self.cluster.max()) + 1

    def samples(self, replicates: int, seed: int) -> Iterator[Floats]:
        """Yield how often each row is in a bootstrap sample of the clusters."""
        rng, m = np.random.default_rng([seed, 0]), self.clusters
        for _ in range(replicates):
            yield np.bincount(rng.integers(0, m, m), minlength=m).astype(np.float64)[self.cluster]

    def course(self, orders: Mapping[str, Order]) -> pd.DataFrame:
        """Return the share of violations found by the end of each day."""
        pooled = orders[POOLED]
        shown = {"as_made": pooled.by(-self.day), **orders, "oracle": pooled.by(self.event)}
        rows = []
        for day in np.unique(self.day):
            past = self.day <= day
            lot = pooled.chance(float(past.mean()))
            found = {
                name: one.found_by(np.bincount(one.stratum, past).astype(float))
                for name, one in shown.items()
            }
            rows.append(
                {"date": self.dates[self.day == day].iloc[0], "inspections": past.mean(), **found}
                | {"random": lot.mean, "random_low": lot.mean - _NORMAL * lot.sd}
                | {"random_high": lot.mean + _NORMAL * lot.sd}
            )
        return pd.DataFrame(rows)


_NUMBERS = ("integer", "floating", "mixed-integer", "mixed-integer-float", "boolean", "decimal", "complex")


def _days(dates: Any) -> pd.Series:
    """Return days, also of texts; refuse numbers, which would count nanoseconds since 1970."""
    given = pd.Series(np.asarray(dates))
    known = given[given.notna()]
    if len(known) and pd.api.types.infer_dtype(known) in _NUMBERS:
        raise ValueError(
            f"The 'dates' must be days, and hold numbers, {known.iloc[0]} say. Give dates, or texts as "
            "'2024-01-31'."
        )
    return pd.to_datetime(given)


def codes(values: Any) -> Ints:
    """Return levels as 0, 1, … in sorted order."""
    found: NDArray[np.int64] = pd.factorize(np.asarray(values), sort=True)[0].astype(np.int64)
    return found
