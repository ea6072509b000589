"""Weights of inspections, by which those drawn represent all weeks of all obligations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tierkit.arrays import Floats
from tierkit.evaluate.value.evidence import Logged
from tierkit.evaluate.value.overlap import NEVER_DRAWN
from tierkit.scores.metrics import effective_size

__all__ = ["Weighed", "weigh"]


class Weighed(NamedTuple):
    """The weight of each inspection (0 if it does not count), the channels used, and why no more are."""

    weight: Floats
    channels: tuple[str, ...]
    notes: tuple[str, ...]


def weigh(given: Logged) -> Weighed:
    """Return ``λ / (T q s)`` of each equal-chance audit and, where they can be used, of routine inspections.

    Routine inspections are used if the practice in force is known and each of them has a propensity. An
    obligation that one channel alone could draw is that channel's; else the channels share it by the
    effective sizes (Kish 1965) of their weights in the policy's value. A check that is already arranged stops
    a routine draw; that is rare (a signal or a follow-up in the same weeks) and left uncorrected.

    Parameters
    ----------
    given : Logged

    Returns
    -------
    Weighed

    Examples
    --------
    >>> import pandas as pd
    >>> base = pd.DataFrame({"target": [0.2, 0.2], "there": 1.0, "random": 0.01, "routine": [0.03, 0.0]})
    >>> seen = pd.DataFrame({"obligation": [0, 1], "channel": "random", "found": True,
    ...                      "propensity": 0.01, "served_share": 1.0})
    >>> weigh(Logged(base, seen, np.zeros((2, 1)), weeks=25)).weight
    array([4., 4.])
    """
    base, seen = given.obligations, given.inspections
    place = seen["obligation"].to_numpy(np.int64)
    random, routine = base["random"].to_numpy(np.float64), base["routine"].to_numpy(np.float64)
    chance = seen["propensity"].to_numpy(np.float64) * seen["served_share"].to_numpy(np.float64)
    by = {name: (seen["channel"] == name).to_numpy(bool) for name in ("random", "routine")}
    notes = []
    if np.isnan(routine).any():
        notes.append("routine inspections are not used: the practice in force is not known")
    elif unknown := int((by["routine"] & ~(chance > 0)).sum()):
        notes.append(f"routine inspections are not used: {unknown} of them have no propensity")
    elif not by["routine"].any():
        notes.append("routine inspections are not used: there are none")
    usable = {"random": by["random"] & (chance > 0)}
    if not notes:
        # A week's audit takes the name of a routine draw that meets it.
        chance = np.where(by["routine"], chance * (1 - random[place]), chance)
        usable["routine"] = by["routine"]
    pull = base["target"].to_numpy(np.float64)[place]
    raw = np.divide(1 / given.weeks, chance, out=np.zeros(len(seen)), where=chance > 0)
    size = {name: effective_size(raw[rows] * pull[rows]) for name, rows in usable.items()}
    able = {"random": random >= NEVER_DRAWN, "routine": routine >= NEVER_DRAWN}
    both = sum(size[name] * able[name] for name in usable)
    weight = np.zeros(len(seen))
    for name, rows in usable.items():
        share = np.divide(size[name] * able[name], both, out=np.zeros(len(base)), where=both > 0)
        weight[rows] = (share[place] * raw)[rows]
    return Weighed(weight, tuple(usable), tuple(notes))
