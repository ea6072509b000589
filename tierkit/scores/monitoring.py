"""Drift of a scorecard's population between fitting and now: PSI of the score, CSI of the features.

The population stability index compares shares of cells: bands of points for the score, and for a feature
(characteristic stability index) the scorecard's own bins, those of missing and unseen values included. What
was expected is the count of each bin, which the scorecard's table keeps.

By chance alone an index is above 0, even where nothing has changed. If both samples are independent draws of
one population, it is near (1/n + 1/m) times a chi-square variable with one degree of freedom less than there
are cells (Yurdakul and Naranjo, *Statistical properties of the population stability index*, Journal of Risk
Model Validation 14(4), 2020). So each index stands beside the value that it exceeds in one of twenty months
without any change. The customary limits of 0.1 and 0.25 (Siddiqi 2006, chapter 9) do not depend on n.

Rows that belong together make the samples less independent: one enterprise on several dates of the
training rows makes the index larger by chance than the chi-square says; the same enterprises before and now
make it smaller.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from tierkit.arrays import Floats
from tierkit.scores.checked import checked, checked_share, checked_whole
from tierkit.scores.metrics import psi_parts, quantile_edges
from tierkit.scores.scorecard import BASE, CreditScorecard
from tierkit.texts import number

__all__ = ["CUSTOM", "SCORE", "Bands", "Monitoring", "monitor", "null_point", "psi_interval"]


SCORE = "(score)"
"""Name of the row that tells about the score itself."""
CUSTOM: Mapping[str, float] = {"little": 0.0, "some": 0.1, "much": 0.25}
"""Label by custom → index from which it holds. An assumption of the trade, whatever the number of rows."""


@dataclass(frozen=True)
class Bands:
    """Bands of points, and how many were in each when the scorecard was made.

    Parameters
    ----------
    edges : tuple of float
        Ascending; a band holds its lower edge and not its upper one.
    counts : tuple of int
        One more than edges, not all 0.

    Raises
    ------
    ValueError
        If edges are not finite or do not ascend, or counts are not whole, not one more than edges or all 0.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check both."""
        ends, counts = checked(edges=("scores", self.edges))[0], checked(counts=("amounts", self.counts))[0]
        if not (np.diff(ends) > 0).all():
            raise ValueError(f"The 'edges' must ascend, each above the one before. Got {ends.tolist()}.")
        checked_whole("counts", counts)
        if len(counts) != len(ends) + 1 or not counts.any():
            raise ValueError(
                f"The 'counts' must be one more than the {len(ends)} edges, with a row in one band at least. "
                f"Got {counts.tolist()}."
            )

    @classmethod
    def of(cls, points: ArrayLike, edges: Sequence[float] | None = None, bands: int = 10) -> Self:
        """Return the bands of some points.

        Parameters
        ----------
        points : float array of shape (n,)
            Of the rows that the scorecard was fitted on, or of a month to compare others with.
        edges : sequence of float, optional
            A policy's ``scoring.credit_cutoffs``, say; quantiles of the points if absent, as of
            `tierkit.scores.metrics.quantile_edges`.
        bands : int
            Bands where no edges are given and no points are equal.

        Raises
        ------
        ValueError
            If points are not finite, edges do not ascend, or there are no points.

        Examples
        --------
        >>> Bands.of([500.0, 510, 520, 530], bands=2)
        Bands(edges=(515.0,), counts=(2, 2))
        """
        [values] = checked(points=("scores", points))
        [ends] = checked(edges=("scores", quantile_edges(values, bands) if edges is None else edges))
        return cls(tuple(ends.tolist()), tuple(_banded(values, ends).tolist()))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"edges": list(self.edges), "counts": list(self.counts)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the bands that `to_dict` wrote."""
        return cls(tuple(data["edges"]), tuple(data["counts"]))


def _banded(points: Floats, edges: Sequence[float] | Floats) -> NDArray[np.int64]:
    inside = np.searchsorted(np.asarray(edges, np.float64), points, side="right")
    return np.bincount(inside, minlength=len(edges) + 1).astype(np.int64)


def null_point(cells: int, n: float, m: float, level: float = 0.95) -> float:
    """Return the index exceeded with probability 1 - level if nothing has changed.

    Parameters
    ----------
    cells : int
        Cells that hold anybody.
    n, m : float
        Rows of the two samples, drawn independently.
    level : float

    Returns
    -------
    float
        (1/n + 1/m) times the chi-square quantile with cells - 1 degrees of freedom; 0 for a single cell.

    Raises
    ------
    ValueError
        If a sample has no rows or the level is not in (0, 1).

    Examples
    --------
    >>> round(null_point(10, 1000, 1000), 4), round(null_point(10, 100_000, 100_000), 6)
    (0.0338, 0.000338)
    """
    checked_share("level", level)
    if not (n > 0 and m > 0):
        raise ValueError(f"Two samples with rows are needed. Got {n} and {m}.")
    return float((1 / n + 1 / m) * chi2.ppf(level, cells - 1)) if cells > 1 else 0.0


def psi_interval(
    index: float, cells: int, n: float, m: float, confidence: float = 0.95
) -> tuple[float, float]:
    """Return an interval for the index between the two populations, corrected for its bias by chance.

    Parameters
    ----------
    index : float
        As observed.
    cells, n, m
        As in `null_point`.
    confidence : float

    Returns
    -------
    tuple of float
        Low and high; the low end is 0 where chance alone explains the index. NaN for a single cell, which all
        rows share whatever the population: nothing shows how far another might lie. The index itself may lie
        above the interval, since it is biased upwards by about (cells - 1) (1/n + 1/m).

    Raises
    ------
    ValueError
        If the index is not finite or below 0, a sample has no rows or no end of them, or the confidence is
        not in (0, 1).

    Notes
    -----
    Index / (1/n + 1/m) is taken as noncentral chi-square with the populations' index over (1/n + 1/m) as its
    noncentrality, which holds for shifts that are small beside the shares; the ends are those noncentralities
    under which the observed index is at a tail's edge.

    Examples
    --------
    >>> [round(end, 3) for end in psi_interval(0.10, 10, 2000, 1000)]
    [0.047, 0.14]
    >>> psi_interval(0.001, 10, 2000, 1000)[0]
    0.0
    """
    checked_share("confidence", confidence)
    if not (0 < n < np.inf and 0 < m < np.inf and 0 <= index < np.inf):
        raise ValueError(
            f"A finite index, 0 or more, of two samples with rows is needed. Got {index}, {n}, {m}."
        )
    if cells < 2:
        return float("nan"), float("nan")
    scale = 1 / n + 1 / m
    seen, free, tail = index / scale, cells - 1, (1 - confidence) / 2

    def end(level: float) -> float:
        if chi2.cdf(seen, free) <= level:
            return 0.0
        top = 10.0 + 2 * seen
        while ncx2.cdf(seen, free, top) > level:
            top *= 2
        return float(brentq(lambda lam: ncx2.cdf(seen, free, lam) - level, 1e-12, top))

    return scale * end(1 - tail), scale * end(tail)


@dataclass(frozen=True, repr=False)
class Monitoring:
    """Result of `monitor`: how far the rows of a month have drifted from those of the fit.

    Attributes
    ----------
    table : DataFrame
        The score (if bands were given), then each feature that carries points: ``variable``, ``cells``,
        ``n_expected``, ``n`` (rows now), ``index`` (PSI or CSI), ``low`` and ``high`` (95 % interval of that
        of the populations), ``null_95`` (95 % point of the index without any change), ``by_chance`` (whether
        the index is no larger than that), ``custom`` (label by `CUSTOM`), ``thin`` (cells in which fewer than
        five rows are expected, where the chi-square is rough) and ``points_moved`` (change of the mean
        points that the variable gives).
    cells : DataFrame
        One row per variable and cell: ``variable``, ``cell``, ``kind``, ``expected`` and ``actual`` (counts),
        ``expected_share``, ``actual_share`` and ``part`` of the index.
    """

    table: pd.DataFrame
    cells: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"table": self.table.to_dict("records"), "cells": self.cells.to_dict("records")}

    def __repr__(self) -> str:
        """Return the number of rows and of variables that moved, as one line."""
        moved = self.table.loc[~self.table["by_chance"], "variable"]
        n = number(self.table["n"].max())
        return f"Monitoring({n} rows; {len(moved)} of {len(self.table)} moved by more than chance)"

    def _repr_html_(self) -> str:
        shown = self.table.to_html(index=False, float_format="{:.4g}".format)
        return f"<p><b>{html.escape(repr(self))}</b></p>{shown}"


def monitor(card: CreditScorecard, X: Any, bands: Bands | None = None) -> Monitoring:
    """Compare a month's rows with those that a scorecard was fitted on.

    Parameters
    ----------
    card : CreditScorecard
        Its table holds the counts of every bin, missing and unseen too.
    X : DataFrame or array of shape (n, k)
        The month's rows, as for scoring.
    bands : Bands, optional
        Of the points of the rows that it was fitted on; without them only features are compared.

    Returns
    -------
    Monitoring

    Raises
    ------
    ValueError
        If there is no row.

    Examples
    --------
    >>> x = np.repeat([0.0, 1.0], 500)
    >>> late = np.r_[np.repeat([0, 1], [475, 25]), np.repeat([0, 1], [400, 100])]
    >>> card = CreditScorecard().fit(pd.DataFrame({"arrears": x}), late)
    >>> now = pd.DataFrame({"arrears": np.repeat([0.0, 1.0, np.nan], [700, 250, 50])})
    >>> found = monitor(card, now, Bands.of(card.points(pd.DataFrame({"arrears": x}))))
    >>> found.table[["variable", "n", "by_chance", "custom"]].values.tolist()
    [['(score)', 1000, False, 'some'], ['arrears', 1000, False, 'much']]
    >>> found.cells.loc[found.cells["kind"] == "missing", "actual"].tolist()
    [50]
    """
    where = card.bin_rows(X)
    if not len(where):
        raise ValueError("There is no row to compare. Give the rows of a month.")
    table = card.table()
    variables, cells = [], []
    for name, rows in table[table["feature"] != BASE].groupby("feature", sort=False):
        now = np.bincount(where[name] - rows.index[0], minlength=len(rows))
        before = rows["count"].to_numpy(np.int64)
        found = _cells(str(name), _bin_names(rows), rows["kind"].tolist(), before, now)
        points = rows["points"].to_numpy(np.float64)
        moved = float(points @ (now / now.sum() - before / before.sum()))
        cells.append(found)
        variables.append(_variable(found, moved))
    if bands is not None:
        now = _banded(card.points(X), bands.edges)
        names = [f"[{low:g}, {high:g})" for low, high in pairwise([-np.inf, *bands.edges, np.inf])]
        cells.insert(0, _cells(SCORE, names, ["band"] * len(names), np.array(bands.counts), now))
        variables.insert(0, _variable(cells[0], sum(row["points_moved"] for row in variables)))
    columns = ["variable", "cell", "kind", "expected", "actual", "expected_share", "actual_share", "part"]
    return Monitoring(
        pd.DataFrame(variables, columns=_TABLE),
        pd.concat(cells, ignore_index=True) if cells else pd.DataFrame(columns=columns),
    )


_TABLE = [
    "variable", "cells", "n_expected", "n", "index", "low", "high", "null_95", "by_chance", "custom", "thin",
    "points_moved",
]  # fmt: skip


def _bin_names(rows: pd.DataFrame) -> list[str]:
    names = []
    for row in rows.to_dict("records"):
        if row["kind"] == "interval":
            names.append(f"[{row['lower']:g}, {row['upper']:g})")
        else:
            names.append(" · ".join(row["levels"]) if row["kind"] == "level" else f"({row['kind']})")
    return names


def _cells(
    variable: str, names: list[str], kinds: list[str], before: NDArray[np.int64], now: NDArray[np.int64]
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "variable": variable,
            "cell": names,
            "kind": kinds,
            "expected": before,
            "actual": now,
            "expected_share": before / before.sum(),
            "actual_share": now / now.sum(),
            "part": psi_parts(before, now),
        }
    )


def _variable(cells: pd.DataFrame, moved: float) -> dict[str, Any]:
    before, now = cells["expected"].to_numpy(np.float64), cells["actual"].to_numpy(np.float64)
    both = before + now
    used = int((both > 0).sum())
    m, n = float(before.sum()), float(now.sum())
    index = float(cells["part"].sum())
    low, high = psi_interval(index, used, m, n)
    limit = null_point(used, m, n)
    # Counts that the smaller sample would have if both were of one population.
    fewest = both / both.sum() * min(m, n)
    return {
        "variable": cells["variable"].iloc[0],
        "cells": used,
        "n_expected": int(m),
        "n": int(n),
        "index": index,
        "low": low,
        "high": high,
        "null_95": limit,
        "by_chance": index <= limit,
        "custom": [label for label, least in CUSTOM.items() if index >= least][-1],
        "thin": int(((both > 0) & (fewest < 5)).sum()),
        "points_moved": moved,
    }
