"""The small model in NumPy: whole columns, masks, a generator for each thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from benchmarks.small.model import DETECTION, TIER_RATE, City


def prepare(city: City, weeks: int, seed: int, threads: int = 1) -> Callable[[], NDArray[np.int64]]:
    """Return the task of simulating a city."""
    hazard = city.hazard.astype(np.float32)
    rate = TIER_RATE.astype(np.float32)[city.tier]
    edges = np.linspace(0, len(hazard), threads + 1).astype(int)

    def work(k: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([seed, k])
        mine = slice(edges[k], edges[k + 1])
        fall, visit = hazard[mine], rate[mine]
        violation = np.zeros(len(fall), np.bool_)
        draw = np.empty(len(fall), np.float32)
        result = np.zeros((2, weeks), np.int64)
        for week in range(weeks):
            rng.random(out=draw, dtype=np.float32)
            violation |= draw < fall
            rng.random(out=draw, dtype=np.float32)
            inspected = draw < visit
            at_risk = np.flatnonzero(inspected & violation)
            found = at_risk[rng.random(len(at_risk), dtype=np.float32) < DETECTION]
            violation[found] = False
            result[:, week] = np.count_nonzero(inspected), len(found)
        return result

    def task() -> NDArray[np.int64]:
        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(work, range(threads)), np.zeros((2, weeks), np.int64))

    return task
