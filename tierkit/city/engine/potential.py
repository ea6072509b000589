"""The expected result of a standard audit of every obligation: the truth for evaluations.

Only worlds that were made hold it. No feature, model or policy reads it, and no record shows it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierkit.city.engine.engine import Run, run
from tierkit.city.engine.kernels import LOG
from tierkit.city.engine.rules import REFERENCE_DEPTH, compile_rules
from tierkit.city.world import State, World
from tierkit.policy import Policy
from tierkit.records import MODES

__all__ = ["potential_detections"]


class _Watch:
    """Counts, after each week of the window, the obligations in the register and in violation."""

    def __init__(self, world: World, first: int) -> None:
        self.world, self.first = world.fixed, world.week + first
        self.owner = world.fixed.enterprise.astype(np.int64)
        self.weeks = np.zeros(world.obligations, np.int64)

    def __call__(self, week: int, state: State) -> None:
        if week >= self.first:
            here = (self.world.entered <= week) & (week < state.left)
            self.weeks += (state.violation > 0) & here[self.owner]


def potential_detections(
    world: World, policy: Policy, weeks: int, *, first: int = 0, **options: Any
) -> tuple[Run, NDArray[np.float64]]:
    """Run a policy; return the run and what a standard audit of each obligation would have found.

    Parameters
    ----------
    world : World
    policy : Policy
        The practice in force; what its inspections mend is mended.
    weeks : int
        Length of the run.
    first : int
        Weeks of the run before the window that counts.
    **options
        As of `tierkit.city.engine.run`.

    Returns
    -------
    Run
    float array of shape (O,)
        The mean over the window's weeks of the probability that one audit at reference depth, by an
        inspector drawn by lot, made at the time of that week's inspections, finds at least a minor
        violation; 0 in weeks in which the enterprise is not in the register.

    Raises
    ------
    ValueError
        If the window is empty, or an option of the run is out of range.

    Notes
    -----
    The state at the time of a week's inspections is that after them, with what they found put back.

    Examples
    --------
    >>> from tierkit.city.population import draw_world
    >>> legacy = Policy.load("legacy")
    >>> run, chance = potential_detections(draw_world(50, 1, legacy), legacy, 26)
    >>> run.weeks, bool((chance >= 0).all() and (chance < 0.75).all())
    (26, True)
    """
    if not 0 <= first < weeks:
        raise ValueError(f"The 'first' week of the window must be in 0 … {weeks - 1}. Got {first}.")
    watch = _Watch(world, first)
    done = run(world, policy, weeks, observe=watch, **options)
    log = dict(zip(LOG, done.log.T, strict=True))
    found = (log["finding"] > 0) & (log["week"] >= watch.first) & (log["mode"] != MODES.index("offsite"))
    np.add.at(watch.weeks, log["obligation"][found], 1)
    rules = compile_rules(policy, world, done.kappa)
    detects = (rules.detect[:, :, REFERENCE_DEPTH] / 2.0**32).mean(axis=1)
    return done, watch.weeks / (weeks - first) * detects[world.fixed.agency]
