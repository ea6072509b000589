"""Intervals of what was seen in nested replicates: draws within models within worlds.

The design is balanced: W worlds, in each M models trained on its records, with each R runs. The value of run
r under model m in world w is the mean of all, plus a part of the world, of the model and of the draws, each
with its variance. Mean squares, their expectations and the intervals are those of a nested analysis of
variance (Searle, Casella and McCulloch, *Variance Components*, 1992, 4.2 and 4.5); sums of mean squares have
the degrees of freedom of Satterthwaite (*Biometrics Bulletin* 2, 1946).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from tierkit.arrays import Floats

__all__ = ["LEVELS", "Ends", "nested_ends", "parts_of", "satterthwaite"]

LEVELS = ("draws", "model", "world")
"""What varies, from the innermost outwards; a level holds those before it."""


class Ends(NamedTuple):
    """Intervals at one level, each an array of the shape of one value.

    Attributes
    ----------
    low, high : float array
        95 % interval of the mean over what the level holds.
    one_low, one_high : float array
        95 % interval of one more run: of this city and model (draws), of a model trained anew on this city's
        records (model), of another city (world).
    freedom : float
        Degrees of freedom of the first.
    """

    low: Floats
    high: Floats
    one_low: Floats
    one_high: Floats
    freedom: float


class _Squares(NamedTuple):
    """The mean square of a level, its degrees of freedom, and how many runs one of its units holds."""

    square: Floats
    freedom: int
    runs: int


def satterthwaite(parts: Sequence[tuple[Floats, float]]) -> tuple[Floats, Floats]:
    """Return the sum of independent mean squares times positive factors, and its degrees of freedom.

    Parameters
    ----------
    parts : sequence of (array, float)
        Each the factor times the mean square, and the degrees of freedom of the mean square.

    Examples
    --------
    >>> total, freedom = satterthwaite([(np.array(2.0), 5), (np.array(1.0), 10)])
    >>> float(total), round(float(freedom), 2)  # 3² / (2²/5 + 1²/10)
    (3.0, 10.0)
    """
    total = np.sum([one for one, _ in parts], axis=0)
    below = np.sum([one**2 / freedom for one, freedom in parts], axis=0)
    return total, np.divide(total**2, below, out=np.full_like(total, np.nan), where=below > 0)


def _squares(values: Floats) -> dict[str, _Squares]:
    """Return the mean squares of the levels of which there are several units."""
    w, m, r = values.shape[:3]
    of_models, of_worlds = values.mean(axis=2), values.mean(axis=(1, 2))
    found = {}
    if r > 1:
        apart = ((values - of_models[:, :, None]) ** 2).sum(axis=(0, 1, 2))
        found["draws"] = _Squares(apart / (w * m * (r - 1)), w * m * (r - 1), 1)
    if m > 1:
        apart = ((of_models - of_worlds[:, None]) ** 2).sum(axis=(0, 1))
        found["model"] = _Squares(r * apart / (w * (m - 1)), w * (m - 1), r)
    if w > 1:
        apart = ((of_worlds - of_worlds.mean(axis=0)) ** 2).sum(axis=0)
        found["world"] = _Squares(m * r * apart / (w - 1), w - 1, m * r)
    return found


def parts_of(values: Floats) -> dict[str, Floats]:
    """Return the variance of each level's own part, from the innermost outwards; never below 0.

    Parameters
    ----------
    values : float array of shape (worlds, models, runs, ...)

    Returns
    -------
    dict of str to float array
        Of the levels of which there are several units. A level holds the parts of those that are not told:
        the part of worlds that of models, where each world has one model.

    Notes
    -----
    The mean square of a level less that of the next one within, over the runs of one unit.

    Examples
    --------
    Two worlds of two models of two runs: runs differ by 2, models by 4, worlds by 10.

    >>> runs = np.array([-1.0, 1.0])
    >>> models = np.array([runs - 2, runs + 2])
    >>> {k: float(v) for k, v in parts_of(np.array([models - 5, models + 5])).items()}
    {'draws': 2.0, 'model': 7.0, 'world': 46.0}
    """
    told, inner = {}, np.zeros(values.shape[3:])
    for level, one in _squares(values).items():
        told[level] = np.maximum(one.square - inner, 0.0) / one.runs
        inner = one.square
    return told


def nested_ends(values: Floats, among: int = 1) -> dict[str, Ends]:
    """Return the 95 % intervals at each level of which there are several units.

    Parameters
    ----------
    values : float array of shape (worlds, models, runs, ...)
    among : int
        How many intervals are to hold together with 95 % (Bonferroni).

    Returns
    -------
    dict of str to Ends
        From the innermost level outwards. Ends are NaN where all values are the same, as they show no spread.

    Notes
    -----
    With mean squares S of draws, models and worlds: the mean over what a level holds has the variance S / (W
    M R) by the S of that level, and Student's quantile of its degrees of freedom, W M (R - 1), W (M - 1) or W
    - 1. That is exact for normal parts, however few worlds there are: they make it wide. One more run has
    beside it the variances of all parts up to the level, which are a sum of mean squares with positive
    factors::

        draws   S_draws
        model   S_model / R + S_draws (1 - 1 / R)
        world   S_world / (M R) + S_model (1 / R - 1 / (M R)) + S_draws (1 - 1 / R)

    with Satterthwaite's degrees of freedom. A level's interval is never narrower than that of one within it,
    nor that of one more than that of the mean: by chance a mean square may come out smaller.

    Examples
    --------
    >>> ends = nested_ends(np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1))["world"]  # 2 ± 4.303 / √3
    >>> round(float(ends.low), 3), round(float(ends.high), 3), ends.freedom
    (-0.484, 4.484, 2)
    >>> round(float(ends.one_high), 3)  # 2 + 4.303 √(1 + 1/3)
    6.968
    """
    w, m, r = values.shape[:3]
    squares, mean = _squares(values), values.mean(axis=(0, 1, 2))
    shown = np.ptp(values.reshape(w * m * r, *values.shape[3:]), axis=0) > 0
    beyond = 1 - 0.025 / among
    told: dict[str, Ends] = {}
    half, far = np.zeros_like(mean), np.zeros_like(mean)
    for level, own in squares.items():
        mine = student.ppf(beyond, own.freedom) * np.sqrt(own.square / (w * m * r))
        factors = _factors(level, m, r)
        one = [(squares[name].square * factor, squares[name].freedom) for name, factor in factors.items()]
        one[0] = (one[0][0] + own.square / (w * m * r), own.freedom)
        total, freedom = satterthwaite(one)
        single = student.ppf(beyond, freedom) * np.sqrt(total)
        half = np.fmax(half, mine)
        far = np.fmax(np.fmax(far, half), np.where(total > 0, single, 0.0))
        h, f = (np.where(shown, one_half, np.nan) for one_half in (half, far))
        told[level] = Ends(mean - h, mean + h, mean - f, mean + f, own.freedom)
    return told


def _factors(level: str, m: int, r: int) -> dict[str, float]:
    """Return the mean squares that the variance of one more run adds up, the level's own first."""
    own = {"draws": 1.0, "model": 1 / r, "world": 1 / (m * r)}[level]
    rest = {
        "model": 1 / r - 1 / (m * r) if level == "world" else 0.0,
        "draws": 1 - 1 / r if level != "draws" else 0.0,
    }
    return {level: own} | {name: factor for name, factor in rest.items() if factor > 0}
