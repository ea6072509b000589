"""The small model itself: its enterprises, what it must give on average, and whether a run does."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["DETECTION", "STANDARD_ERRORS", "WEEKS", "City", "city", "disagreement", "expected"]

WEEKS = 52
DETECTION = 0.7
TIER_RATE = np.array([0.005, 0.01, 0.02, 0.05])
"""Inspections a week by tier, T1 first."""
TIER_SHARE = (0.25, 0.45, 0.25, 0.05)
MEDIAN_HAZARD = 0.004
STANDARD_ERRORS = 4
PERIODS = 4
"""Periods of the time that are held to the expectation one by one, so that its course counts too."""


class City(NamedTuple):
    """Enterprises of the small model."""

    hazard: NDArray[np.float64]  # (E) probability of falling into violation in a week
    tier: NDArray[np.uint8]  # (E) 0 = T1


def city(enterprises: int) -> City:
    """Return enterprises with log-normal hazards and the declared shares of tiers."""
    rng = np.random.default_rng(0)
    hazard = MEDIAN_HAZARD * np.exp(0.8 * rng.standard_normal(enterprises))
    tier = rng.choice(len(TIER_SHARE), enterprises, p=TIER_SHARE).astype(np.uint8)
    return City(np.minimum(hazard, 0.5), tier)


def expected(city: City, weeks: int = WEEKS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return expected inspections and findings by week with the variances of both, shapes (2, weeks).

    The share in violation follows p ← p + (1 - p) h before the inspections and p ← p (1 - r d) after them.
    The variances of sums over weeks are taken as sums of the weeks' variances: exact for inspections; for
    findings a little too large, since a finding resets its enterprise, which makes the next one later.
    """
    rate = TIER_RATE[city.tier]
    in_violation = np.zeros(len(rate))
    mean, variance = np.empty((2, weeks)), np.empty((2, weeks))
    for week in range(weeks):
        in_violation += (1 - in_violation) * city.hazard
        found = in_violation * rate * DETECTION
        in_violation -= found
        for row, probability in enumerate((rate, found)):
            mean[row, week] = probability.sum()
            variance[row, week] = (probability * (1 - probability)).sum()
    return mean, variance


def disagreement(city: City, result: NDArray[np.int64]) -> float:
    """Return by how many standard errors a run differs most from what it must give on average.

    Compared are inspections and findings of the whole time and of each quarter of it.
    """
    weeks = result.shape[1]
    mean, variance = expected(city, weeks)
    edges = np.unique(np.linspace(0, weeks, PERIODS + 1).astype(int))
    spans = [(0, weeks), *pairwise(edges)]
    return float(
        max(
            abs(result[row, a:b].sum() - mean[row, a:b].sum()) / np.sqrt(variance[row, a:b].sum())
            for row in range(2)
            for a, b in spans
        )
    )
