"""Features and training rows taken directly from engine runs: a fast substitute for many rounds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Ints
from tierkit.city.engine import LOG, Run
from tierkit.city.world import World
from tierkit.records import CHANNELS, FIRST_PENALTY, MERITS, MODES, UNINSPECTED_KINDS

__all__ = ["COUNTED", "ROUND_WEEKS", "Book", "Learn"]

Learn = Literal["discovered", "inspected", "audits"]

ROUND_WEEKS = 26
MEMORY_WEEKS = 104
"""Weeks of records that features and training look back on."""
COUNTED = ("findings", "penalties", "complaints", "adverse")
"""Features more of which never lowers the score."""
_COMPLAINTS = 3  # kinds of signals below this one


class Book:
    """The records so far as numeric columns, with the features and training rows made from them.

    Parameters
    ----------
    world : World
        The world now.
    runs : sequence of Run
        What happened, one run after the other.
    """

    def __init__(self, world: World, runs: Sequence[Run]) -> None:
        fixed = world.fixed
        self.world = world
        log = np.concatenate([one.log for one in runs])
        table = {name: log[:, k].astype(np.int64) for k, name in enumerate(LOG)}
        onsite = table["mode"] != MODES.index("offsite")
        self.owner = fixed.enterprise[table["obligation"][onsite]].astype(np.int64)
        self.week, self.channel = table["week"][onsite], table["channel"][onsite]
        self.found: NDArray[np.bool_] = table["finding"][onsite] > 0
        penalised = table["disposition"][onsite] >= FIRST_PENALTY
        signals = np.concatenate([one.signals for one in runs]).astype(np.int64)
        told = signals[signals[:, 2] < _COMPLAINTS]
        events = np.concatenate([one.events for one in runs]).astype(np.int64)
        bad = events[~np.isin(events[:, 2], [UNINSPECTED_KINDS.index(kind) for kind in MERITS])]
        self.span = world.week + 10_000
        self.keys = {
            "inspections": self._key(self.owner, self.week),
            "findings": self._key(self.owner[self.found], self.week[self.found]),
            "penalties": self._key(self.owner[penalised], self.week[penalised]),
            "complaints": self._key(fixed.enterprise[told[:, 1]].astype(np.int64), told[:, 0]),
            "adverse": self._key(bad[:, 1], bad[:, 0]),
        }

    def _key(self, owner: Ints, week: Ints) -> Ints:
        return np.sort(owner * self.span + week)

    def count(self, name: str, owner: Ints, low: Ints, high: Ints) -> Ints:
        """Return events of enterprises in weeks from low to before high."""
        key = self.keys[name]
        out: Ints = np.searchsorted(key, owner * self.span + high) - np.searchsorted(
            key, owner * self.span + low
        )
        return out

    def features(self, owner: Ints, week: Ints) -> pd.DataFrame:
        """Return what was known of enterprises before a week, a row each."""
        fixed = self.world.fixed
        first = np.maximum(week - MEMORY_WEEKS, 0)
        X: dict[str, Any] = {}
        for name in ("sector", "size", "ownership", "district"):
            codes = getattr(fixed, name)[owner].astype(np.int64)
            X[name] = pd.Categorical.from_codes(codes, categories=pd.Index(self.world.place.ids(name)))
        X |= {name: self.count(name, owner, first, week) for name in self.keys}
        return pd.DataFrame(X)

    def rows(self, learn: Learn, now: int) -> tuple[pd.DataFrame, NDArray[np.int64]]:
        """Return rows to train on before a week, and whether something was found."""
        if learn == "discovered":
            fixed = self.world.fixed
            parts = []
            for at in range(now - ROUND_WEEKS, now - MEMORY_WEEKS, -ROUND_WEEKS):
                there = np.flatnonzero((fixed.entered <= at) & (at < self.world.state.left))
                parts.append((there, np.full(there.size, at)))
            owner, week = (np.concatenate(part) for part in zip(*parts, strict=True))
            y = self.count("findings", owner, week, week + ROUND_WEEKS) > 0
            return self.features(owner, week), y.astype(np.int64)
        mine = self.week >= now - MEMORY_WEEKS
        if learn == "audits":
            mine &= self.channel == CHANNELS.index("random")
        return self.features(self.owner[mine], self.week[mine]), self.found[mine].astype(np.int64)
