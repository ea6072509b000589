"""The small model in Mesa 3: an agent for each enterprise, stepped by the model's agent set."""

from __future__ import annotations

from collections.abc import Callable

import mesa
import numpy as np
from numpy.typing import NDArray

from benchmarks.small.model import DETECTION, TIER_RATE, City


class Enterprise(mesa.Agent):
    """An enterprise that falls into violation and is inspected."""

    def __init__(self, model: Register, hazard: float, rate: float) -> None:
        super().__init__(model)
        self.hazard = hazard
        self.rate = rate
        self.violation = False

    def step(self) -> None:
        """Live through a week."""
        draw = self.random.random
        if not self.violation and draw() < self.hazard:
            self.violation = True
        if draw() < self.rate:
            self.model.inspected += 1
            if self.violation and draw() < DETECTION:
                self.model.found += 1
                self.violation = False


class Register(mesa.Model):
    """The enterprises and what was counted this week."""

    def __init__(self, city: City, seed: int) -> None:
        super().__init__(seed=seed)
        self.inspected = 0
        self.found = 0
        rate = TIER_RATE[city.tier]
        Enterprise.create_agents(self, len(rate), hazard=city.hazard.tolist(), rate=rate.tolist())

    def step(self) -> None:
        """Step every enterprise by a week, in the order in which they were made."""
        self.inspected = self.found = 0
        self.agents.do("step")


def prepare(city: City, weeks: int, seed: int, threads: int = 1) -> Callable[[], NDArray[np.int64]]:
    """Return the task of simulating a city; Mesa has one thread."""
    model = Register(city, seed)

    def task() -> NDArray[np.int64]:
        result = np.zeros((2, weeks), np.int64)
        for week in range(weeks):
            model.step()
            result[:, week] = model.inspected, model.found
        return result

    return task
