"""The small model as tierkit's engine is built: keyed draws, integer thresholds, compiled slices, threads.

A block of Philox4x32-10 serves two weeks of an enterprise: of each pair of words the first decides the fall,
the second inspection and detection together (below ``rate`` inspected, below ``rate * 0.7`` also detecting).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit, uint8, uint32, uint64
from numpy.typing import NDArray

from benchmarks.small.model import DETECTION, TIER_RATE, City
from tierkit.city.keyed_random import philox, threshold

SLICE = 1 << 16
"""Enterprises of a slice: its 13 bytes each stay in the second-level cache for the whole year."""


@njit(cache=True, nogil=True)
def two_weeks(
    k0: Any, k1: Any, lo: Any, pair: Any, fall: Any, inspect: Any, find: Any, violation: Any
) -> Any:  # pragma: no cover - compiled
    """Step a slice by two weeks; numbers of fixed width and no branches, so that the loop vectorises."""
    inspected0 = inspected1 = found0 = found1 = uint32(0)
    for i in range(violation.size):
        a, b, c, d = philox(k0, k1, uint64(lo + i), uint64(0), uint64(pair), uint64(0))
        v = uint8(violation[i] | uint8(uint32(a) < fall[i]))
        found = uint8(v & uint8(uint32(b) < find[i]))
        inspected0 += uint32(uint32(b) < inspect[i])
        found0 += uint32(found)
        v = uint8((v ^ found) | uint8(uint32(c) < fall[i]))
        found = uint8(v & uint8(uint32(d) < find[i]))
        inspected1 += uint32(uint32(d) < inspect[i])
        found1 += uint32(found)
        violation[i] = v ^ found
    return inspected0, found0, inspected1, found1


@njit(cache=True, nogil=True)
def all_weeks(
    k0: Any, k1: Any, lo: Any, fall: Any, inspect: Any, find: Any, violation: Any, result: Any
) -> None:  # pragma: no cover - compiled
    """Step a slice through its weeks; nothing couples the enterprises, so it does so in one go."""
    for pair in range(result.shape[1] // 2):
        counts = two_weeks(k0, k1, lo, pair, fall, inspect, find, violation)
        result[0, 2 * pair] += counts[0]
        result[1, 2 * pair] += counts[1]
        result[0, 2 * pair + 1] += counts[2]
        result[1, 2 * pair + 1] += counts[3]


def prepare(
    city: City, weeks: int, seed: int, threads: int = 1, size: int = SLICE
) -> Callable[[], NDArray[np.int64]]:
    """Return the task of simulating a city; `weeks` must be even."""
    if weeks % 2:
        raise ValueError(f"The 'weeks' must be even, since a block of draws serves two. Got {weeks}.")
    limits = (city.hazard, TIER_RATE[city.tier], TIER_RATE[city.tier] * DETECTION)
    fall, inspect, find = (threshold(limit).astype(np.uint32) for limit in limits)
    violation = np.zeros(len(fall), np.uint8)
    k0, k1 = np.uint64(seed), np.uint64(0)

    def work(lo: int) -> NDArray[np.int64]:
        mine = slice(lo, lo + size)
        result = np.zeros((2, weeks), np.int64)
        all_weeks(k0, k1, lo, fall[mine], inspect[mine], find[mine], violation[mine], result)
        return result

    def task() -> NDArray[np.int64]:
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(work, range(0, len(fall), size)), np.zeros((2, weeks), np.int64))

    return task
