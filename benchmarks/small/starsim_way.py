"""The small model in starsim: a module with a stream of draws for each kind of decision."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("STARSIM_INSTALL_FONTS", "0")  # or it writes to the user's font cache

import starsim as ss  # reads the setting above when it is imported

from benchmarks.small.model import DETECTION, TIER_RATE, City


class Inspections(ss.Module):
    """Falls into violation, inspections and findings, week by week."""

    def __init__(self, city: City, weeks: int) -> None:
        super().__init__()
        self.city = city
        self.define_states(ss.BoolState("violation"), ss.FloatArr("hazard"), ss.FloatArr("rate"), reset=True)
        self.fall = ss.bernoulli(p=lambda self, sim, uids: self.hazard[uids])
        self.visit = ss.bernoulli(p=lambda self, sim, uids: self.rate[uids])
        self.detect = ss.bernoulli(p=DETECTION)
        self.counted = np.zeros((2, weeks), np.int64)

    def init_post(self) -> None:
        """Give every enterprise its hazard and the rate of its tier."""
        super().init_post()
        self.hazard[:] = self.city.hazard
        self.rate[:] = TIER_RATE[self.city.tier]

    def step(self) -> None:
        """Live through a week."""
        self.violation[self.fall.filter(~self.violation)] = True
        inspected = self.visit.filter()
        found = self.detect.filter(inspected[self.violation[inspected]])
        self.violation[found] = False
        self.counted[:, self.ti] = len(inspected), len(found)


def prepare(city: City, weeks: int, seed: int, threads: int = 1) -> Callable[[], NDArray[np.int64]]:
    """Return the task of simulating a city; starsim has one thread."""
    module = Inspections(city, weeks)
    sim = ss.Sim(
        n_agents=len(city.tier), modules=module, start=ss.date("2025-01-06"), dt=ss.week, dur=weeks - 1,
        rand_seed=seed, verbose=0, people_results=False, copy_inputs=False,
    )  # fmt: skip
    sim.init()

    def task() -> NDArray[np.int64]:
        sim.run()
        return module.counted

    return task
