"""Measures of the quality of a score, with the counts and intervals to report beside them.

Ranking (`auc`, `ks`), calibration (`calibration_table`, `calibration_error` and its size by chance
alone, `calibration_error_null`), drift (`psi_parts`) and the interval of a rate (`wilson_interval`). What
scikit-learn or SciPy has is used. A measure that is undefined, for instance on rows of one class only, is
NaN, not an error.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tierkit.arrays import Floats

__all__ = [
    "auc",
    "brier",
    "calibration_error",
    "calibration_error_null",
    "calibration_table",
    "effective_size",
    "ks",
    "measures",
    "psi_parts",
    "resampled_interval",
    "wilson_interval",
]


def _outcomes(y: ArrayLike) -> NDArray[np.int64]:
    values = np.asarray(y)
    if not np.isin(values, (0, 1)).all():
        raise ValueError("The outcomes 'y' must be 0 or 1. Give the class of interest as 1.")
    return values.astype(np.int64)


def _weights(sample_weight: ArrayLike | None, n: int) -> Floats:
    return np.ones(n) if sample_weight is None else np.asarray(sample_weight, np.float64)


def auc(y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the area under the ROC curve, where a tie counts one half.

    Parameters
    ----------
    y : array of 0 and 1, shape (n,)
    score : float array of shape (n,)
        Higher should mean class 1.
    sample_weight : float array of shape (n,), optional

    Returns
    -------
    float
        In [0, 1]; NaN where only one class carries weight.

    Examples
    --------
    >>> auc([0, 1, 0, 1], [0.1, 0.4, 0.4, 0.8])
    0.875
    """
    outcomes = _outcomes(y)
    weights = _weights(sample_weight, outcomes.size)
    if not (weights[outcomes == 0].sum() > 0 and weights[outcomes == 1].sum() > 0):
        return float("nan")
    from sklearn.metrics import roc_auc_score  # slow to load, and nothing else here needs it

    return float(roc_auc_score(outcomes, np.asarray(score), sample_weight=weights))


def ks(y: ArrayLike, score: ArrayLike) -> float:
    """Return the largest distance between the two classes' distributions of the score.

    Returns
    -------
    float
        The two-sample Kolmogorov-Smirnov statistic, in [0, 1]; NaN where there is one class only.

    Examples
    --------
    >>> ks([0, 0, 1, 1], [0.1, 0.3, 0.2, 0.9])
    0.5
    """
    outcomes, scores = _outcomes(y), np.asarray(score, np.float64)
    good, bad = scores[outcomes == 0], scores[outcomes == 1]
    if not (good.size and bad.size):
        return float("nan")
    return float(stats.ks_2samp(good, bad).statistic)


def brier(y: ArrayLike, probability: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the mean squared difference between outcome and probability; NaN if there are no rows.

    Examples
    --------
    >>> brier([0, 1], [0.5, 0.5])
    0.25
    """
    outcomes = _outcomes(y)
    if not outcomes.size:
        return float("nan")
    error = (outcomes - np.asarray(probability, np.float64)) ** 2
    return float(np.average(error, weights=_weights(sample_weight, outcomes.size)))


def effective_size(sample_weight: ArrayLike) -> float:
    """Return Kish's effective sample size, the square of the sum over the sum of the squares.

    Examples
    --------
    >>> effective_size([1, 1, 1, 1]), effective_size([4, 0, 0, 0])
    (4.0, 1.0)
    """
    weights = np.asarray(sample_weight, np.float64)
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def wilson_interval(k: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Return Wilson's interval of a rate, for one count or many.

    Parameters
    ----------
    k, n : array
        Events and trials. Fractions are allowed, so that an effective size can stand for ``n``.
    confidence : float

    Returns
    -------
    tuple of two float arrays
        Low and high; 0 and 1 where ``n`` is 0.

    Notes
    -----
    Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927).

    Examples
    --------
    >>> low, high = wilson_interval(3, 20)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3604)
    """
    events, trials = np.asarray(k, np.float64), np.asarray(n, np.float64)
    z2 = stats.norm.ppf(0.5 + confidence / 2) ** 2
    safe = np.where(trials > 0, trials, 1.0)
    rate = events / safe
    centre = (rate + z2 / (2 * safe)) / (1 + z2 / safe)
    half = np.sqrt(z2 / safe * (rate * (1 - rate) + z2 / (4 * safe))) / (1 + z2 / safe)
    low = np.where((trials > 0) & (events > 0), centre - half, 0.0)
    high = np.where((trials > 0) & (events < trials), centre + half, 1.0)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def resampled_interval(
    values: ArrayLike, test_share: float, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the mean of a measure over repeated train-test splits of the same rows, with its interval.

    Parameters
    ----------
    values : float array of shape (n_splits,)
        The measure on each split's test rows, or its difference between two models on each.
    test_share : float
        Test rows over all rows of a split: 0.2 for five folds.
    confidence : float

    Returns
    -------
    tuple of float
        Mean, low and high; the ends are NaN for a single split.

    Notes
    -----
    Splits share rows, so their values belong together, and the variance of their mean is more than the
    sample variance over their number: it is the sample variance times 1/n + test/train (Nadeau and Bengio,
    *Inference for the generalization error*, Machine Learning 52, 2003), with a Student quantile of n - 1.

    Examples
    --------
    >>> mean, low, high = resampled_interval([0.88, 0.90, 0.89, 0.91, 0.87], 0.2)
    >>> round(mean, 4), round(low, 4), round(high, 4)
    (0.89, 0.8606, 0.9194)
    """
    sample = np.asarray(values, np.float64)
    mean = float(sample.mean())
    if sample.size < 2:
        return mean, float("nan"), float("nan")
    variance = float(sample.var(ddof=1)) * (1 / sample.size + test_share / (1 - test_share))
    half = float(stats.t.ppf(0.5 + confidence / 2, sample.size - 1)) * variance**0.5
    return mean, mean - half, mean + half


def calibration_table(
    y: ArrayLike,
    probability: ArrayLike,
    bins: int = 10,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Return predicted and observed rates in bins of equal counts.

    Parameters
    ----------
    y : array of 0 and 1, shape (n,)
    probability : float array of shape (n,)
    bins : int
        Largest number of bins; equal probabilities share a bin, so ties give fewer.
    sample_weight : float array of shape (n,), optional
        Rates are weighted, and the interval uses Kish's effective size.
    confidence : float

    Returns
    -------
    DataFrame
        One row per bin, by ascending probability: ``n``, ``events``, ``weight`` (share of all weight),
        ``predicted``, ``observed``, ``low``, ``high`` (Wilson).

    Examples
    --------
    >>> table = calibration_table([0, 0, 1, 1], [0.1, 0.1, 0.8, 0.8], bins=2)
    >>> table[["n", "events", "predicted", "observed"]].to_numpy().tolist()
    [[2.0, 0.0, 0.1, 0.0], [2.0, 2.0, 0.8, 1.0]]
    """
    outcomes, predicted = _outcomes(y), np.asarray(probability, np.float64)
    weights = _weights(sample_weight, outcomes.size)
    # The bin of a value is that of its lowest rank, so equal values share a bin.
    order = np.sort(predicted)
    group = np.searchsorted(order, predicted, side="left") * bins // max(predicted.size, 1)
    rows = []
    for number in np.unique(group):
        inside = group == number
        w = weights[inside]
        if not w.sum() > 0:
            continue
        observed = float(np.average(outcomes[inside], weights=w))
        size = effective_size(w)
        low, high = wilson_interval(observed * size, size, confidence)
        rows.append(
            {
                "n": int(inside.sum()),
                "events": int(outcomes[inside].sum()),
                "weight": float(w.sum() / weights.sum()),
                "predicted": float(np.average(predicted[inside], weights=w)),
                "observed": observed,
                "low": float(low),
                "high": float(high),
            }
        )
    columns = ["n", "events", "weight", "predicted", "observed", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def calibration_error(
    y: ArrayLike, probability: ArrayLike, bins: int = 10, sample_weight: ArrayLike | None = None
) -> float:
    """Return the expected calibration error: the mean distance of predicted from observed rates.

    Bins are those of `calibration_table`, weighted by their share; NaN if there are no rows.

    Examples
    --------
    >>> round(calibration_error([0, 0, 1, 1], [0.1, 0.1, 0.8, 0.8], bins=2), 12)
    0.15
    """
    table = calibration_table(y, probability, bins, sample_weight)
    if table.empty:
        return float("nan")
    return float((table["weight"] * (table["predicted"] - table["observed"]).abs()).sum())


def calibration_error_null(
    probability: ArrayLike, bins: int = 10, replicates: int = 999, seed: int = 0
) -> Floats:
    """Return calibration errors of outcomes simulated from the probabilities: the null distribution.

    The error is a mean of absolute distances, so it is above zero though every probability be right. Outcomes
    are drawn from the probabilities themselves; an error above the 95 % point of these is more than chance.

    Parameters
    ----------
    probability : float array of shape (n,)
    bins : int
        As in `calibration_error`.
    replicates : int
        Sets of outcomes drawn.
    seed : int

    Returns
    -------
    float array of shape (replicates,)
        In ascending order.

    Examples
    --------
    A thousand fair coins in one bin: the mean distance is √(2/π) of the standard deviation.

    >>> null = calibration_error_null(np.full(1000, 0.5), bins=1)
    >>> round(float(null.mean()), 3), round(float(np.sqrt(2 / np.pi * 0.25 / 1000)), 3)
    (0.013, 0.013)
    """
    chance = np.sort(np.asarray(probability, np.float64))
    group = np.searchsorted(chance, chance, side="left") * bins // max(chance.size, 1)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    rng = np.random.default_rng(seed)
    errors = np.empty(replicates)
    for k in range(replicates):
        distance = (rng.random(chance.size) < chance) - chance
        errors[k] = np.abs(np.add.reduceat(distance, starts)).sum() / chance.size
    return np.sort(errors)


def psi_parts(expected: ArrayLike, actual: ArrayLike) -> Floats:
    """Return each cell's part of the population stability index of two sets of counts.

    Parameters
    ----------
    expected, actual : array of shape (n_cells,)
        Counts of the same cells in the reference sample and in the new one.

    Returns
    -------
    float array of shape (n_cells,)
        (a - e) ln(a / e) of the shares; 0 where both counts are 0. Half an observation stands in a cell that
        one sample leaves empty, which keeps the logarithm finite.

    Examples
    --------
    >>> psi_parts([50, 50, 0], [75, 25, 0]).round(4).tolist()
    [0.1014, 0.1733, 0.0]
    """
    e, a = np.asarray(expected, np.float64), np.asarray(actual, np.float64)
    used = e + a > 0
    e, a = np.maximum(e[used], 0.5), np.maximum(a[used], 0.5)
    e, a = e / e.sum(), a / a.sum()
    parts = np.zeros(used.size)
    parts[used] = (a - e) * np.log(a / e)
    return parts


def measures(
    y: ArrayLike, probability: ArrayLike, sample_weight: ArrayLike | None = None
) -> dict[str, float | int]:
    """Return the measures that a model folder keeps, by name.

    Returns
    -------
    dict
        ``n``, ``events``, ``rate``, ``predicted``, ``auc``, ``ks``, ``brier`` and
        ``calibration_error``; rates are weighted where weights are given.

    Examples
    --------
    >>> measures([0, 1], [0.25, 0.75])["auc"]
    1.0
    """
    outcomes, predicted = _outcomes(y), np.asarray(probability, np.float64)
    weights = _weights(sample_weight, outcomes.size)
    some = bool(weights.sum() > 0)
    return {
        "n": int(outcomes.size),
        "events": int(outcomes.sum()),
        "rate": float(np.average(outcomes, weights=weights)) if some else float("nan"),
        "predicted": float(np.average(predicted, weights=weights)) if some else float("nan"),
        "auc": auc(outcomes, predicted, weights),
        "ks": ks(outcomes, predicted),
        "brier": brier(outcomes, predicted, weights) if some else float("nan"),
        "calibration_error": calibration_error(outcomes, predicted, 10, weights),
    }
