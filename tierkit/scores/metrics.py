"""Measures of the quality of a score, with the counts and intervals to report beside them.

Ranking (`auc`, `ks`), calibration (`calibration_table`, `calibration_error` and its size by chance
alone, `calibration_error_null`), drift (`psi`, `psi_parts`) and the interval of a rate: of independent trials
(`wilson_interval`), of weighted rows of which an enterprise may have several (`rate_interval`).
What scikit-learn or SciPy has is used. Arrays that are not what they have to be are refused; a measure that
does not exist for sound arrays, for instance of rows of one class only, is NaN (`tierkit.scores.checked`).

Equal values are never parted. A value that holds as many rows as a bin should is a bin of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from tierkit.arrays import Floats, Ints
from tierkit.records.arguments import described
from tierkit.scores.checked import checked, checked_count, checked_share, is_number, unmasked
from tierkit.scores.inputs import column_of

__all__ = [
    "auc",
    "bands",
    "bootstrap_interval",
    "brier",
    "calibration_error",
    "calibration_error_null",
    "calibration_table",
    "clustered_interval",
    "clustered_variance",
    "effective_size",
    "ks",
    "measures",
    "psi",
    "psi_parts",
    "quantile_edges",
    "rate_interval",
    "resampled_interval",
    "wilson_interval",
]


_UNTOLD = 0.05  # most bootstrap samples without a value; beside an interval of 95 %, as many as lie outside
_ROUNDING = 1e-12  # spread beside the values' size that sums of weights in another order leave


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
    outcomes, scores, weights = checked(
        y=("outcomes", y), score=("scores", score), sample_weight=("weights", sample_weight)
    )
    if not (weights[outcomes == 0].sum() > 0 and weights[outcomes == 1].sum() > 0):
        return float("nan")
    from sklearn.metrics import roc_auc_score  # slow to load, and nothing else here needs it

    return float(roc_auc_score(outcomes, scores, sample_weight=weights))


def ks(y: ArrayLike, score: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the largest distance between the two classes' distributions of the score.

    Parameters
    ----------
    y, score, sample_weight
        As in `auc`.

    Returns
    -------
    float
        The two-sample Kolmogorov-Smirnov statistic, in [0, 1]; NaN where only one class carries weight.

    Examples
    --------
    >>> ks([0, 0, 1, 1], [0.1, 0.3, 0.2, 0.9])
    0.5
    >>> ks([0, 0, 1, 1], [0.1, 0.3, 0.2, 0.9], [1, 0, 1, 1])  # without the row of weight 0 they are apart
    1.0
    """
    outcomes, scores, weights = checked(
        y=("outcomes", y), score=("scores", score), sample_weight=("weights", sample_weight)
    )
    whole = [weights[outcomes == one].sum() for one in (0, 1)]
    if not min(whole) > 0:
        return float("nan")
    order = np.argsort(scores, kind="stable")
    last = np.append(np.diff(scores[order]) > 0, True)  # of its tie: distributions are compared there alone
    good, bad = (
        np.cumsum(np.where(outcomes[order] == one, weights[order], 0.0))[last] / whole[one] for one in (0, 1)
    )
    return float(min(np.abs(good - bad).max(), 1.0))


def brier(y: ArrayLike, probability: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Return the mean squared difference between outcome and probability; NaN if there are no rows.

    Examples
    --------
    >>> brier([0, 1], [0.5, 0.5])
    0.25
    """
    outcomes, chance, weights = _predicted(y, probability, sample_weight)
    return float(np.average((outcomes - chance) ** 2, weights=weights)) if outcomes.size else float("nan")


def _predicted(
    y: ArrayLike, probability: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    outcomes, chance, weights = checked(
        y=("outcomes", y),
        probability=("probabilities", probability),
        sample_weight=("weights", sample_weight),
    )
    return outcomes, chance, weights


def effective_size(sample_weight: ArrayLike) -> float:
    """Return Kish's effective sample size: the square of the sum over the sum of the squares, 0 of nothing.

    Examples
    --------
    >>> effective_size([1, 1, 1, 1]), effective_size([4, 0, 0, 0])
    (4.0, 1.0)
    """
    [weights] = checked(sample_weight=("amounts", sample_weight))
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def wilson_interval(
    k: ArrayLike, n: ArrayLike, confidence: float = 0.95, freedom: float | None = None
) -> tuple[Floats, Floats]:
    """Return Wilson's interval of a rate of independent trials, for one count or many.

    Twenty inspections of one enterprise are not twenty independent trials: `rate_interval` takes their ids.

    Parameters
    ----------
    k, n : array
        Events and trials. Fractions are allowed, so that an effective size can stand for ``n``.
    confidence : float
    freedom : float, optional
        Degrees of freedom of the variance that an effective size comes from: the quantile is Student's then.

    Returns
    -------
    tuple of two float arrays
        Low and high; 0 and 1 where ``n`` is 0, which says nothing of the rate.

    Raises
    ------
    ValueError
        If a count is missing, infinite or below 0, if there are more events than trials, if the confidence
        is not in (0, 1), or if the freedom is not above 0.

    Notes
    -----
    Wilson, *Probable inference, the law of succession, and statistical inference*, JASA 22 (1927).

    Examples
    --------
    >>> low, high = wilson_interval(3, 20)
    >>> round(float(low), 4), round(float(high), 4)
    (0.0524, 0.3604)
    """
    events, trials = _counts("k", k), _counts("n", n)
    # Written so that NaN fails. Products of a share and a size may be off by a rounding.
    if not (np.all((events >= 0) & (events <= trials * (1 + 1e-9))) and np.isfinite(trials).all()):
        raise ValueError("There must be 0 … n events 'k' of n trials 'n', all finite. Give counts of each.")
    checked_share("confidence", confidence)
    if freedom is not None and not freedom > 0:
        raise ValueError(f"The 'freedom' must be above 0. Got {freedom}.")
    beyond = stats.norm if freedom is None else stats.t(freedom)
    z2 = beyond.ppf(0.5 + confidence / 2) ** 2
    safe = np.where(trials > 0, trials, 1.0)
    rate = events / safe
    centre = (rate + z2 / (2 * safe)) / (1 + z2 / safe)
    half = np.sqrt(z2 / safe * (rate * np.maximum(1 - rate, 0) + z2 / (4 * safe))) / (1 + z2 / safe)
    low = np.where((trials > 0) & (events > 0), centre - half, 0.0)
    high = np.where((trials > 0) & (events < trials), centre + half, 1.0)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _counts(name: str, values: ArrayLike) -> Floats:
    """Return counts of any shape; what is masked is missing, and refused as that is."""
    given = np.asarray(unmasked(values))
    return np.asarray(checked(**{name: ("scores", given.ravel())})[0].reshape(given.shape), np.float64)


def rate_interval(
    values: ArrayLike,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Return the interval of a weighted rate, and the independent trials that it is as good as.

    Parameters
    ----------
    values : float array of shape (n,)
        0 or 1, or a part of one.
    sample_weight : float array of shape (n,), optional
    groups : array of shape (n,), optional
        The enterprise of each row. Rows are taken as independent if absent, which rows of one enterprise are
        not: the interval is too narrow then.
    confidence : float

    Returns
    -------
    tuple of float
        Low and high (`clustered_interval`), and the effective size. Wilson's interval at Kish's effective
        size where no enterprise has two rows. NaN, 0 trials, for rows of a single enterprise.

    Raises
    ------
    ValueError
        If a value is not in 0 … 1, a group is missing, or lengths differ.

    Examples
    --------
    >>> [round(one, 4) for one in rate_interval([1, 1, 1] + [0] * 17)]
    [0.0524, 0.3604, 20.0]
    >>> ten = list(range(10)) * 10  # a hundred rows of ten enterprises, of which two hold all that was found
    >>> [round(one, 4) for one in rate_interval([1, 0, 0, 0, 0] * 20, groups=ten)]
    [0.0445, 0.573, 9.0]
    """
    events, weights = checked(values=("probabilities", values), sample_weight=("weights", sample_weight))
    trials = effective_size(weights)
    if groups is not None:
        _, ids = checked(values=("probabilities", values), groups=("groups", groups))
        own = pd.factorize(ids[weights > 0])[0]
        size = np.bincount(own, weights[weights > 0]).astype(np.float64)
        if not len(size) == len(own) > 1:
            total = np.bincount(own, (events * weights)[weights > 0]).astype(np.float64)
            return clustered_interval(total, size, trials, confidence)
    rate = float(np.average(events, weights=weights)) if trials else 0.0
    low, high = wilson_interval(rate * trials, trials, confidence)
    return float(low), float(high), trials


def clustered_interval(
    total: Floats, size: Floats, trials: float, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return Wilson's interval of a rate at the effective size under clustering, and this size.

    Parameters
    ----------
    total, size : float array of shape (n_clusters,)
        Sums of events and of trials by cluster, weighted if they are; sizes above 0.
    trials : float
        Trials in all, or their effective number under weights. The size is no more.
    confidence : float

    Returns
    -------
    tuple of float
        Low, high and the size; NaN, and 0 trials, for fewer than two clusters.

    Raises
    ------
    ValueError
        If a sum is missing, infinite or below 0, a cluster has no trials or more events than trials, or
        lengths differ.

    Notes
    -----
    Trials are divided by the design effect, the variance clustered by enterprise over the binomial one, at
    least 1: Kish, *Survey Sampling* (1965), 8.2. Where all trials are events, or none is, nothing shows the
    effect, and clusters count as one trial each, by Kish's effective number. Wilson's normal quantile is
    Student's at the degrees of freedom of `clustered_variance`.

    Examples
    --------
    >>> clustered_interval(np.array([20.0]), np.array([20.0]), 20)
    (nan, nan, 0.0)
    """
    total, size = checked(total=("amounts", total), size=("amounts", size))
    if not (size > 0).all() or (total > size * (1 + 1e-9)).any():  # sums may be off by a rounding
        raise ValueError("A cluster has more 'total' than 'size', or no 'size'. Give the events and trials.")
    if len(size) < 2:
        return float("nan"), float("nan"), 0.0
    rate = float(total.sum() / size.sum())
    variance, freedom = clustered_variance(total, size)
    if not 0 < rate < 1:
        trials = min(trials, effective_size(size))
    elif variance > 0:
        trials = min(trials, rate * (1 - rate) / variance)
    low, high = wilson_interval(rate * trials, trials, confidence, freedom)
    return float(low), float(high), trials


def clustered_variance(total: Floats, size: Floats) -> tuple[float, float]:
    """Return the variance of a ratio of sums over clusters, and its degrees of freedom.

    Parameters
    ----------
    total, size : float array of shape (n,)
        What is summed above and below, by cluster; two clusters or more, of sizes above 0.

    Returns
    -------
    variance : float
        Each squared residual is divided by one less the cluster's share of the size, which a residual from a
        ratio that the cluster has a part in falls short by (Bell and McCaffrey, *Bias reduction in standard
        errors for linear regression with multi-stage samples*, Survey Methodology 28, 2002).
    freedom : float
        Kish's effective number of clusters less one, at least 1: the number of clusters less one where they
        are of one size, and fewer where few of them hold most.

    Examples
    --------
    >>> variance, freedom = clustered_variance(np.array([1.0, 3.0, 2.0, 2.0]), np.ones(4))
    >>> round(variance, 9), freedom  # the variance 2 / 3 over four clusters
    (0.166666667, 3.0)
    """
    share = size / size.sum()
    residual = (total - total.sum() / size.sum() * size) / size.sum()
    freedom = max(effective_size(size) - 1, 1.0)
    return float((residual**2 / (1 - share)).sum()), freedom


def bootstrap_interval(
    drawn: ArrayLike,
    clusters: int,
    confidence: float = 0.95,
    *,
    against: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Return the ends of percentile intervals, from a measure on bootstrap samples of clusters.

    Parameters
    ----------
    drawn : float array of shape (n_samples, ...)
        NaN where a sample has no value, as it has one class only, say.
    clusters : int
        Enterprises, or whatever is drawn, of which a sample is made.
    confidence : float
    against : float array of the same shape, optional
        For differences, what they are differences from.

    Returns
    -------
    tuple of two float arrays of shape (...)
        Low and high. NaN for fewer than two clusters, or two samples, and where more than a twentieth of the
        samples have no value: too few then make the value to tell where the rest would lie. NaN too where
        all samples have one value, as AUCs of rows that are perfectly apart: samples of the same rows do not
        show what other rows would. Differences that are zero in all, from what is not the same in all, are
        those of a thing from itself, and certain.

    Notes
    -----
    Percentiles are moved outwards, as the spread of a bootstrap of few is too small by the root of
    (n - 1) / n and a normal quantile is not Student's (Hesterberg, *What teachers should know about the
    bootstrap*, American Statistician 69, 2015, "expanded percentile"); for many they are the usual ones.

    Examples
    --------
    >>> low, high = bootstrap_interval(np.arange(1001.0), 10_000)
    >>> round(float(low)), round(float(high))
    (25, 975)
    >>> bootstrap_interval(np.arange(1001.0), 1)
    (np.float64(nan), np.float64(nan))
    >>> same = np.zeros(99)
    >>> bootstrap_interval(same, 50)[0], bootstrap_interval(same, 50, against=np.arange(99.0))[0]
    (np.float64(nan), np.float64(0.0))
    """
    checked_share("confidence", confidence)
    values = np.asarray(drawn, np.float64)
    ends = np.full((2, *values.shape[1:]), np.nan)
    if clusters >= 2 and len(values) >= 2:
        far = np.sqrt(clusters / (clusters - 1)) * stats.t.ppf(0.5 + confidence / 2, clusters - 1)
        tail = float(stats.norm.sf(far))
        told = np.isnan(values).mean(axis=0) <= _UNTOLD
        told &= _shown(values, against)
        ends[:, told] = np.nanquantile(values[:, told], [tail, 1 - tail], axis=0)
    return ends[0], ends[1]


def _shown(values: Floats, against: ArrayLike | None) -> NDArray[np.bool_]:
    """Return whether values show a spread, or are differences of zero from what does; by the first axis."""
    least, most = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    size = np.fmax(np.abs(least), np.abs(most))
    varies: NDArray[np.bool_]
    if against is None:
        varies = most - least > _ROUNDING * size
        return varies
    other = np.asarray(against, np.float64)
    beside = np.fmax.reduce(np.abs(other), axis=0)
    varies = most - least > _ROUNDING * np.fmax(size, beside)
    varies |= (size <= _ROUNDING * beside) & _shown(other, None)
    return varies


def resampled_interval(
    values: ArrayLike, test_share: float, confidence: float = 0.95, *, against: ArrayLike | None = None
) -> tuple[float, float, float]:
    """Return the mean of a measure over repeated train-test splits of the same rows, with its interval.

    Parameters
    ----------
    values : float array of shape (n_splits,)
        The measure on each split's test rows, or its difference between two models on each.
    test_share : float
        Test rows over all rows of a split: 0.2 for five folds.
    confidence : float
    against : float array of shape (n_splits,), optional
        For differences, what they are differences from.

    Returns
    -------
    tuple of float
        Mean, low and high; the ends are NaN for a single split and for values that are all the same, all
        three where there is none. Differences of zero in each split, from what is not the same in each, are
        those of two models that predict the same, and certain.

    Raises
    ------
    ValueError
        If a value is missing or infinite, or if a share is not in (0, 1).

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
    [sample] = checked(values=("scores", values))
    checked_share("test_share", test_share)
    checked_share("confidence", confidence)
    mean = float(sample.mean()) if sample.size else float("nan")
    if sample.size < 2 or not _shown(sample, against):
        return mean, float("nan"), float("nan")
    variance = float(sample.var(ddof=1)) * (1 / sample.size + test_share / (1 - test_share))
    half = float(stats.t.ppf(0.5 + confidence / 2, sample.size - 1)) * variance**0.5
    return mean, mean - half, mean + half


def bands(values: ArrayLike, n: int) -> Ints:
    """Return the band of each value in bands of equal counts by rank.

    Equal values share a band, that of the lowest rank among them; one that holds as many rows as a band
    should has it to itself, so that there may be fewer bands than ``n``, or more, up to 2 n - 1. What keeps
    ranks, as a calibration does, leaves the bands as they are.

    Parameters
    ----------
    values : float array of shape (rows,)
    n : int
        Bands where no values are equal, at least 1.

    Returns
    -------
    int array of shape (rows,)
        From 0 upwards, by ascending value.

    Examples
    --------
    >>> bands([0.1, 0.4, 0.2, 0.2], 2).tolist()
    [0, 2, 1, 1]
    >>> bands([0.1] + [0.9] * 19, 10).tolist()[:3]
    [0, 1, 1]
    """
    [given] = checked(values=("scores", values))
    checked_count("n", n)
    if not given.size:
        return np.zeros(0, np.int64)
    _, place, count = np.unique(given, return_inverse=True, return_counts=True)
    band = (np.cumsum(count) - count) * n // given.size
    full = count * n >= given.size
    begins = np.append(True, (np.diff(band) > 0) | full[1:] | full[:-1])
    number: Ints = (np.cumsum(begins) - 1)[place].astype(np.int64)
    return number


def calibration_table(
    y: ArrayLike,
    probability: ArrayLike,
    bins: int = 10,
    sample_weight: ArrayLike | None = None,
    confidence: float = 0.95,
    groups: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return predicted and observed rates in bins of equal counts.

    Parameters
    ----------
    y : array of 0 and 1, shape (n,)
    probability : float array of shape (n,)
    bins : int
        Number of bins, as in `bands`: equal probabilities share one, so ties give fewer, or up to
        2 bins - 1 where many are equal.
    sample_weight : float array of shape (n,), optional
        Rates are weighted, and the interval uses Kish's effective size.
    confidence : float
    groups : array of shape (n,), optional
        The enterprise of each row. Without it rows are taken as independent (`rate_interval`).

    Returns
    -------
    DataFrame
        One row per bin, by ascending probability: ``n``, ``events``, ``weight`` (share of all weight),
        ``predicted``, ``observed``, ``low``, ``high`` (`rate_interval`; NaN for a bin of one enterprise).

    Examples
    --------
    >>> table = calibration_table([0, 0, 1, 1], [0.1, 0.1, 0.8, 0.8], bins=2)
    >>> table[["n", "events", "predicted", "observed"]].to_numpy().tolist()
    [[2.0, 0.0, 0.1, 0.0], [2.0, 2.0, 0.8, 1.0]]
    """
    outcomes, predicted, weights = _predicted(y, probability, sample_weight)
    owners = None if groups is None else checked(y=("outcomes", y), groups=("groups", groups))[1]
    group = bands(predicted, bins)
    rows = []
    for number in np.unique(group):
        inside = group == number
        w = weights[inside]
        if not w.sum() > 0:
            continue
        own = None if owners is None else owners[inside]
        low, high, _ = rate_interval(outcomes[inside], w, own, confidence)
        rows.append(
            {
                "n": int(inside.sum()),
                "events": int(outcomes[inside].sum()),
                "weight": float(w.sum() / weights.sum()),
                "predicted": float(np.average(predicted[inside], weights=w)),
                "observed": float(np.average(outcomes[inside], weights=w)),
                "low": low,
                "high": high,
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
    probability: ArrayLike,
    bins: int = 10,
    replicates: int = 999,
    seed: int = 0,
    sample_weight: ArrayLike | None = None,
) -> Floats:
    """Return calibration errors of outcomes simulated from the probabilities: the null distribution.

    The error is a mean of absolute distances, so it is above zero though every probability be right. Outcomes
    are drawn from the probabilities themselves, each by itself; an error above the 95 % point of these is
    more than chance among independent rows. Of rows that share an enterprise, chance alone gives more.

    Parameters
    ----------
    probability : float array of shape (n,)
    bins : int
        As in `calibration_error`.
    replicates : int
        Sets of outcomes drawn.
    seed : int
    sample_weight : float array of shape (n,), optional
        As in `calibration_error`.

    Returns
    -------
    float array of shape (replicates,)
        In ascending order; NaN if there are no rows.

    Examples
    --------
    A thousand fair coins in one bin: the mean distance is √(2/π) of the standard deviation.

    >>> null = calibration_error_null(np.full(1000, 0.5), bins=1)
    >>> round(float(null.mean()), 3), round(float(np.sqrt(2 / np.pi * 0.25 / 1000)), 3)
    (0.013, 0.013)
    """
    given, weights = checked(
        probability=("probabilities", probability), sample_weight=("weights", sample_weight)
    )
    checked_count("replicates", replicates)
    if not given.size:
        return np.full(replicates, np.nan)
    order = np.argsort(given, kind="stable")
    chance, weight = given[order], weights[order]
    starts = np.flatnonzero(np.diff(bands(chance, bins), prepend=-1))
    rng = np.random.default_rng(seed)
    errors = np.empty(replicates)
    for k in range(replicates):
        distance = (rng.random(chance.size) < chance) - chance
        errors[k] = np.abs(np.add.reduceat(weight * distance, starts)).sum() / weight.sum()
    return np.sort(errors)


def quantile_edges(values: ArrayLike, bins: int) -> Floats:
    """Return the edges of bins of numbers at their quantiles; a bin holds its lower edge.

    Quantiles that fall together would leave a value and all that is above it in one bin. So a value that
    holds as many rows as a bin should has an edge below and one above it, halfway to the next value. Values
    fall into 2 bins - 1 at most, more than ``bins`` only where many rows are equal.

    Parameters
    ----------
    values : float array of shape (n,)
    bins : int
        Bins where no values are equal, at least 1.

    Returns
    -------
    float array
        Strictly ascending.

    Examples
    --------
    >>> quantile_edges([1, 2, 3, 4], 2).tolist()
    [2.5]
    >>> quantile_edges([0] * 95 + [1] * 5, 10).tolist()
    [0.0, 0.5]
    """
    [given] = checked(values=("scores", values))
    checked_count("bins", bins)
    if not given.size:
        raise ValueError("There are no values to take quantiles of. Give one at least.")
    each, count = np.unique(given, return_counts=True)
    above = np.append((each[:-1] + each[1:]) / 2, np.nextafter(each[-1], np.inf))
    full = count * bins >= given.size
    quantiles = np.quantile(given, np.linspace(0, 1, bins + 1)[1:-1])
    edges = np.sort(np.concatenate([quantiles, each[full], above[full]]))
    _, first = np.unique(np.searchsorted(each, edges, side="left"), return_index=True)
    parting: Floats = edges[first]  # of edges between the same two values, one parts them
    return parting


def psi(reference: ArrayLike, other: ArrayLike, bins: int = 10) -> float:
    """Return the population stability index between two samples of one variable.

    Parameters
    ----------
    reference, other : array of shape (n,) and (m,)
        Numbers, or levels as text or categories. Missing values are a cell of their own.
    bins : int
        Bins of numbers, at the quantiles of the reference (`quantile_edges`).

    Returns
    -------
    float
        Sum over cells of (a - e) ln(a / e): 0 for equal shares; above 0.25 is by custom a shift. NaN where a
        sample has no rows.

    Raises
    ------
    ValueError
        If one sample holds numbers and the other levels, a number is infinite, or a sample holds what is
        neither, dates for instance.

    Examples
    --------
    >>> psi([1, 2, 3, 4], [1, 2, 3, 4])
    0.0
    >>> round(psi(["a", "b"], ["a", "a", "a", "b"]), 4)  # (3/4 - 1/2) ln(3/2) + (1/4 - 1/2) ln(1/2)
    0.2747
    """
    samples = [_sample("reference", reference), _sample("other", other)]
    if not all(map(len, samples)):
        return float("nan")
    known = [one.dropna() for one in samples]
    numbers = [one.dtype == np.float64 for one in known if len(one)]
    if numbers and all(numbers):
        before, after = (one.to_numpy(np.float64) for one in known)
        edges = quantile_edges(before if before.size else after, bins)
        known = [pd.Series(np.searchsorted(edges, one, side="right")) for one in (before, after)]
    elif any(numbers):
        raise ValueError("One sample holds numbers, the other levels. Give both as numbers, or as levels.")
    counts = [one.astype("object").value_counts() for one in known]
    cells = counts[0].index.union(counts[1].index, sort=False)
    told = [one.reindex(cells, fill_value=0).to_numpy(np.float64) for one in counts]
    gone = [size - one.sum() for size, one in zip(map(len, samples), told, strict=True)]
    return float(psi_parts(*(np.append(one, lost) for one, lost in zip(told, gone, strict=True))).sum())


def _sample(name: str, values: ArrayLike) -> pd.Series:
    """Return a sample as numbers, or as the texts of its levels; refuse what is neither, as a model does."""
    if isinstance(values, Set | Mapping):
        raise ValueError(
            f"'{name}' must be an array of values, each as often as it occurs. Got {described(values)}."
        )
    given = pd.Series(unmasked(values)).reset_index(drop=True)
    if given.dtype.kind == "O" and not isinstance(given.dtype, pd.CategoricalDtype):
        given = given.astype(object)
        number = all(is_number(one) or one is None or one is pd.NA for one in given)
    else:
        number = given.dtype.kind in "biuf"
    if number:
        return pd.Series(checked(**{name: ("values", given)})[0])
    held = column_of(name, given)
    if held.problem:
        raise ValueError(held.problem)
    levels = np.array([*held.levels, None], dtype=object)
    return pd.Series(levels[held.codes], dtype=object)


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
        one sample leaves empty, which keeps the logarithm finite. NaN where a sample has no rows.

    Examples
    --------
    >>> psi_parts([50, 50, 0], [75, 25, 0]).round(4).tolist()
    [0.1014, 0.1733, 0.0]
    """
    e, a = checked(expected=("amounts", expected), actual=("amounts", actual))
    if not (e.any() and a.any()):
        return np.full(e.size, np.nan)
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
        ``calibration_error``; all but the two counts are weighted where weights are given.

    Examples
    --------
    >>> measures([0, 1], [0.25, 0.75])["auc"]
    1.0
    """
    outcomes, predicted, weights = _predicted(y, probability, sample_weight)
    some = outcomes.size > 0
    return {
        "n": int(outcomes.size),
        "events": int(outcomes.sum()),
        "rate": float(np.average(outcomes, weights=weights)) if some else float("nan"),
        "predicted": float(np.average(predicted, weights=weights)) if some else float("nan"),
        "auc": auc(outcomes, predicted, weights),
        "ks": ks(outcomes, predicted, weights),
        "brier": brier(outcomes, predicted, weights),
        "calibration_error": calibration_error(outcomes, predicted, 10, weights),
    }
