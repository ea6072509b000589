"""Morris screening of any function: SALib's design and effects, with intervals and a threshold for noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from SALib.analyze.morris import analyze
from SALib.sample.morris import sample
from scipy.stats import t as student

from tierkit.compare.sensitivity.ranges import Uncertain
from tierkit.progress import in_threads

__all__ = ["FALSE_ONES", "Evaluate", "Progress", "check_finite", "city_seeds", "morris"]

FALSE_ONES = 0.025
"""Share of the parameters that do nothing and yet stand out from the noise."""
NULL_DRAWS = 40_000
"""Draws behind the quantile that a parameter's effect must exceed."""
_ROUNDING = 1e-9  # what differences of a function leave of effects that are the same

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the steps done and all of them."""
Evaluate: TypeAlias = Callable[[Sequence[Mapping[str, float]], int], NDArray[np.float64]]
"""Takes points and a seed, returns an array of shape (points, measures)."""


def city_seeds(seed: int, count: int) -> list[int]:
    """Return seeds of cities, a function of the seed and their number alone.

    Examples
    --------
    >>> city_seeds(0, 2) == city_seeds(0, 2)
    True
    """
    return [int(one) for one in np.random.SeedSequence(seed).generate_state(count)]


def morris(
    chosen: Sequence[Uncertain],
    evaluate: Evaluate,
    measures: Sequence[str],
    *,
    trajectories: int = 10,
    levels: int = 4,
    seed: int = 0,
    replicates: int = 2,
    threads: int = 2,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Screen a random function of some parameters by Morris's method.

    The design and the effects are SALib's [1]_: from a random point of a grid, each trajectory moves one
    parameter after the other by a step of ``levels / (2 (levels - 1))`` of its range; a change of the
    function over the step, divided by the step, is an elementary effect. The interval of a mean absolute
    effect is Student's over the trajectories; SALib's own, a normal quantile times a bootstrap's spread,
    holds the truth far less often where trajectories are few. Every trajectory and replicate has its own
    seed, the same at all of its points, so that what they share in chance cancels.

    A parameter that does nothing still has effects, by chance, and their absolute values do not cancel. So
    the same design is run under several seeds; the variance of an effect over them, divided by their number
    and pooled over the trajectories, is s². ``noise`` is what the mean absolute effect of such a parameter
    exceeds once in forty times: s times the .975 quantile of the mean of as many absolute normal numbers as
    there are trajectories, over the root of a χ² number divided by its degrees of freedom. A parameter
    stands out if its ``mu_star`` is above that. (Its interval is wide as well where the effect depends on
    the other parameters, which is not noise.) Expect one false one among forty.

    Parameters
    ----------
    chosen : sequence of Uncertain
    evaluate : callable
        Takes points (parameter name → value) and a seed; returns an array of shape (points, measures).
    measures : sequence of str
        Names of what the function returns.
    trajectories : int
        At least 2.
    levels : int
        Levels of the grid, even.
    seed : int
        Of the design and the draws.
    replicates : int
        Seeds for each trajectory, at least 2.
    threads : int
        Trajectories at a time; the result does not depend on it.
    progress : callable, optional
        Called with the trajectories done and all of them.

    Returns
    -------
    DataFrame
        As `Screening.frame`.

    Raises
    ------
    ValueError
        If a number is out of range, no parameter is given, or the function returns a value that is not
        finite.

    References
    ----------
    .. [1] M. D. Morris, Technometrics 33 (1991) 161-174; F. Campolongo, J. Cariboni, A. Saltelli,
       Environmental Modelling & Software 22 (2007) 1509-1518.

    Examples
    --------
    >>> from tierkit.compare.sensitivity import uncertain
    >>> a, b = [one for one in uncertain() if one.name in ("kappa", "depth.detection")]
    >>> def line(points, seed):
    ...     return np.array([[point["kappa"]] for point in points])
    >>> morris([a, b], line, ["output"], trajectories=2)[["parameter", "mu_star"]].round(6).values.tolist()
    [['kappa', 0.25], ['depth.detection', 0.0]]
    """
    for name, value, least in (
        ("trajectories", trajectories, 2), ("levels", levels, 2), ("replicates", replicates, 2)
    ):  # fmt: skip
        if value < least:
            raise ValueError(f"The '{name}' must be at least {least}. Got {value}.")
    if levels % 2:
        raise ValueError(f"The 'levels' must be an even number. Got {levels}.")
    if not chosen:
        raise ValueError("There is no parameter to screen; give at least one that matters to these policies.")
    count = len(chosen)
    names = [one.name for one in chosen]
    problem = {"num_vars": count, "names": names, "bounds": [[0.0, 1.0]] * count}
    unit: NDArray[np.float64] = sample(problem, trajectories, num_levels=levels, seed=seed)
    paths = unit.reshape(trajectories, count + 1, count)
    low, high = (np.array([getattr(one, end) for one in chosen]) for end in ("low", "high"))
    seeds = city_seeds(seed, trajectories * replicates)

    def job(j: int, r: int) -> Callable[[Callable[[], None]], NDArray[np.float64]]:
        def run_path(step: Callable[[], None]) -> NDArray[np.float64]:
            points = [dict(zip(names, row, strict=True)) for row in (low + paths[j] * (high - low)).tolist()]
            found = np.asarray(evaluate(points, seeds[j * replicates + r]), np.float64)
            check_finite(found, measures)
            step()
            return found

        return run_path

    jobs = [job(j, r) for j in range(trajectories) for r in range(replicates)]
    found = np.stack(in_threads(jobs, len(jobs), threads, progress))
    values = found.reshape(trajectories, replicates, count + 1, len(measures))
    which, effects = _elementary(paths, values)
    frames = []
    for m, measure in enumerate(measures):
        output = values[..., m].mean(axis=1).ravel()
        # Its own interval is not used, so it is made of as few resamples as can be.
        found_m = analyze(problem, unit, output, num_resamples=2, num_levels=levels, seed=seed, scaled=False)
        each = np.zeros((trajectories, count))
        np.put_along_axis(each, which, effects[..., m].mean(axis=1), axis=1)
        variance = np.zeros((trajectories, count))
        np.put_along_axis(variance, which, effects[..., m].var(axis=1, ddof=1) / replicates, axis=1)
        table = pd.DataFrame(
            {
                "measure": measure,
                "parameter": names,
                "label_zh": [one.label.zh for one in chosen],
                "label_en": [one.label.en for one in chosen],
                "acts": [one.acts for one in chosen],
                "unit": [one.unit for one in chosen],
                "low": low,
                "high": high,
                **{key: np.asarray(found_m[key], np.float64) for key in ("mu", "mu_star", "sigma")},
                "mu_star_conf": _half_width(np.abs(each)),
                "noise": _noise_quantile(trajectories, replicates) * np.sqrt(variance.mean(axis=0)),
            }
        )
        table["stands_out"] = table["mu_star"] > table["noise"] + 1e-12  # what rounding leaves of no effect
        table = table.iloc[np.argsort(-table["mu_star"].to_numpy(), kind="stable")]
        frames.append(table.assign(rank=np.arange(1, count + 1)))
    return pd.concat(frames, ignore_index=True)


def _half_width(effects: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half of Student's 95 % interval of the mean absolute effect over trajectories, (D,).

    NaN for a single trajectory, and where the effects of all are the same: they show no spread.

    Examples
    --------
    >>> _half_width(np.array([[1.0, 2.0], [3.0, 2.0]])).round(2)
    array([12.71,   nan])
    """
    n, parameters = effects.shape
    if n < 2:
        return np.full(parameters, np.nan)
    half = student.ppf(0.975, n - 1) * effects.std(axis=0, ddof=1) / np.sqrt(n)
    alike = np.ptp(effects, axis=0) <= _ROUNDING * np.abs(effects).max(axis=0) + 1e-12
    return np.where(alike, np.nan, half)


@cache
def _noise_quantile(trajectories: int, replicates: int) -> float:
    """Return the 97.5 % quantile of a mean of absolute normal numbers, in estimated standard deviations.

    By a simulation that always has the same seed; the third decimal is uncertain.

    Examples
    --------
    >>> round(_noise_quantile(2_000, 2), 1)  # the mean of one, sqrt(2 / pi)
    0.8
    """
    rng = np.random.default_rng(0)
    freedom = trajectories * (replicates - 1)
    mean = np.zeros(NULL_DRAWS)
    for _ in range(trajectories):
        mean += np.abs(rng.standard_normal(NULL_DRAWS)) / trajectories
    spread = np.sqrt(rng.chisquare(freedom, NULL_DRAWS) / freedom)
    return float(np.quantile(mean / spread, 1 - FALSE_ONES))


def check_finite(found: NDArray[np.float64], measures: Sequence[str]) -> None:
    """Check that every relative difference is a number.

    Parameters
    ----------
    found : array whose last axis are the measures
    measures : sequence of str

    Raises
    ------
    ValueError
        With the first measure that is not one everywhere.

    Examples
    --------
    >>> check_finite(np.zeros((3, 1)), ["harm"])
    """
    for m, measure in enumerate(measures):
        if not np.isfinite(found[..., m]).all():
            raise ValueError(
                f"The relative difference of '{measure}' is no number in some of the cities, as the baseline "
                "has none of it there; take more enterprises or weeks, or another measure."
            )


def _elementary(
    paths: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which parameter each step moves, (N, D), and its effect by replicate, (N, R, D, measures)."""
    moved = np.diff(paths, axis=1)
    which = np.abs(moved).argmax(axis=2)
    size = np.take_along_axis(moved, which[..., None], axis=2)[..., 0]
    return which, np.diff(values, axis=2) / size[:, None, :, None]
