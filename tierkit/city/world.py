"""The world that a policy acts on: parameters, fixed part and state.

Everything the engine touches is an integer. Rates and hazards are logarithms in steps of 1/`LOG_ONE`,
scores lie on the grid of `tierkit.policy.tiers`, weeks are counted from the first week of the burn-in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.parameters import Parameters
from tierkit.records import Place
from tierkit.results import Result, plain
from tierkit.texts import number, text

__all__ = [
    "LOG_MIN",
    "LOG_ONE",
    "LONG_AGO",
    "NEVER",
    "WEEKS_A_YEAR",
    "Fixed",
    "State",
    "World",
    "log_index",
    "probability_table",
    "rate_table",
]

WEEKS_A_YEAR = 52
LOG_ONE = 512
"""Steps a unit of a logarithmic rate."""
LOG_MIN = -12.0
"""Natural logarithm of the smallest weekly rate that the tables hold; index 0 means never."""
NEVER = 32_000
"""A week that never comes."""
LONG_AGO = -20_000
"""A week that was over before the records began."""


def log_index(rate: Any) -> NDArray[np.int64]:
    """Return the table index of a weekly rate: steps of 1/`LOG_ONE` above ``exp(LOG_MIN)``.

    Parameters
    ----------
    rate : float array
        Weekly rate or hazard; zero gives index 0, which means never.

    Examples
    --------
    >>> log_index([0.0, np.exp(LOG_MIN + 1), 1.0]).tolist()
    [0, 512, 6144]
    """
    rate = np.asarray(rate, np.float64)
    with np.errstate(divide="ignore"):
        steps = np.rint((np.log(rate) - LOG_MIN) * LOG_ONE)
    return np.where(rate > 0, np.clip(steps, 1, -LOG_MIN * LOG_ONE), 0).astype(np.int64)


@cache
def probability_table() -> NDArray[np.uint32]:
    """Return the draw threshold of each log index: ``(1 - exp(-rate)) * 2**32``, 0 for never.

    The formula is the probability that a Poisson process of the weekly rate has an event in a week.
    """
    rate = np.exp(np.arange(int(-LOG_MIN * LOG_ONE) + 1) / LOG_ONE + LOG_MIN)
    table = np.rint(-np.expm1(-rate) * 2.0**32).astype(np.uint32)
    table[0] = 0
    table.setflags(write=False)
    return table


@cache
def rate_table() -> NDArray[np.uint32]:
    """Return the share of weeks, times 2**32, in which a fixed interval of each log index falls: the rate.

    At most one a week; 0 for never.
    """
    rate = np.exp(np.arange(int(-LOG_MIN * LOG_ONE) + 1) / LOG_ONE + LOG_MIN)
    table = np.minimum(np.rint(rate * 2.0**32), 2**32 - 1).astype(np.uint32)
    table[0] = 0
    table.setflags(write=False)
    return table


class Fixed(NamedTuple):
    """The part of a world that no policy changes: E slots of enterprises, O obligations in their order.

    There are A agencies, as the place has them.
    """

    start: NDArray[np.int64]  # (E+1) first obligation of each enterprise
    entered: NDArray[np.int16]  # (E) first week in the register, ascending
    left: NDArray[np.int16]  # (E) first week no longer in the register, unless it re-registers before
    successor_of: NDArray[
        np.int32
    ]  # (E) slot of the enterprise that may re-register as this one; -1 for none
    sector: NDArray[np.uint8]  # (E)
    size: NDArray[np.uint8]  # (E)
    ownership: NDArray[np.uint8]  # (E)
    district: NDArray[np.uint8]  # (E)
    permit_phase: NDArray[np.int16]  # (E) week of the permit's cycle in which it is renewed; -1 without one
    professional: NDArray[np.uint32]  # (E) weekly draw threshold of a professional complaint
    latent: NDArray[np.int16]  # (E) latent propensity, SD in log steps
    base_rate: NDArray[np.uint32]  # (E) expected inspections a week under the reference, in 2**-24
    enterprise: NDArray[np.uint32]  # (O) slot
    local: NDArray[np.uint8]  # (O) number within the enterprise
    agency: NDArray[np.uint8]  # (O)
    item_class: NDArray[np.uint8]  # (O)
    item: NDArray[np.uint8]  # (O)
    hazard: NDArray[np.int16]  # (O) log index of the weekly hazard of falling into violation
    hunch: NDArray[np.int16]  # (O) what an inspector senses, steps of 1/LOG_ONE of a standard deviation
    offsite: NDArray[np.uint16]  # (O) rank for off-site coverage; 65,535 if it cannot be checked off site
    agency_level: NDArray[np.uint8]  # (A) by agency: 0 municipal, 1 district
    capacity: NDArray[np.int64]  # (A) inspections a week
    inspector_z: NDArray[np.float64]  # (A, groups) standardised skill of an inspector group


class State(NamedTuple):
    """The part of a world that changes from week to week: E enterprises, O obligations."""

    violation: NDArray[np.uint8]  # (O) 0 compliant, else severity 1-3
    since: NDArray[np.int16]  # (O) week in which the violation began
    found_week: NDArray[np.int16]  # (O) week of the last finding
    found_kind: NDArray[np.uint8]  # (O) 0 none, 1 without a penalty, 2 with one, 3 guidance
    record_week: NDArray[np.int16]  # (O) week of the last penalty
    record_severity: NDArray[np.uint8]  # (O)
    record_until: NDArray[np.int16]  # (O) week in which that record is repaired or no longer shown
    due_week: NDArray[np.int16]  # (O) week for which a check is arranged, or NEVER
    due_channel: NDArray[np.uint8]  # (O)
    due_age: NDArray[np.uint8]  # (O) how often it was put off
    merged_until: NDArray[np.int16]  # (O) routine draws up to this week were brought forward
    routine: NDArray[np.uint32]  # (O) weekly threshold of the routine draw
    phase: NDArray[np.uint32]  # (O) where in its interval a routine inspection is, if intervals are fixed
    bound: NDArray[np.uint32]  # (O) weekly threshold of a fall, specific deterrence apart
    unseen: NDArray[np.uint8]  # (O) 1 if the enterprise is on the unmonitored list of its agency
    known_rate: NDArray[np.int16]  # (O) log index of that rate as the records explain it
    left: NDArray[np.int16]  # (E) first week no longer in the register
    tier: NDArray[np.uint8]  # (E) 0 = T1
    before: NDArray[np.uint8]  # (E) the tier before this one
    risk_level: NDArray[np.uint8]  # (E) 0 = level 1
    grade: NDArray[np.uint8]  # (E) 0 = A
    tier_week: NDArray[np.int16]  # (E) week of the last change of tier
    listed: NDArray[np.uint8]  # (E) 1 if on the unmonitored list of any agency
    margin0: NDArray[np.int32]  # (E) starting margin
    points0: NDArray[np.int32]  # (E) starting points
    conduct: NDArray[np.int32]  # (E, 4, 2) fading sums of events, by half-life: margin, points
    conduct_week: NDArray[np.int16]  # (E) week to which they are faded
    offset: NDArray[np.int32]  # (E, 2) what records had added to margin and points at the start of the run
    last_visit: NDArray[np.int16]  # (E) week of the last visit
    last_agency: NDArray[np.uint8]  # (E)
    visits: NDArray[np.uint8]  # (E, 2) planned visits in the cap's period, by level of agency
    perceived: NDArray[np.int64]  # (E) perceived inspection rate over the reference rate, in 2**-16
    perceived0: NDArray[np.int64]  # (E) the same at the start of the run
    fear: NDArray[np.int16]  # (E) shift of the log hazard by general deterrence
    adverse_until: NDArray[np.int16]  # (E, K) week in which a record of each uninspected kind is closed
    adverse_week: NDArray[np.int16]  # (E, K) week of the last record of each uninspected kind
    recorded: NDArray[np.uint8]  # (E) whether there ever was an adverse record: 0 no, 1 yes, 2 nobody knows
    serious_week: NDArray[np.int16]  # (E) week of the last serious finding
    changes: NDArray[np.uint8]  # (E) changes of tier in this run
    flips: NDArray[np.uint8]  # (E) of these, back to where it was within half a year
    spells: NDArray[np.uint16]  # (E) violations that existed at some time in this run
    weeks: NDArray[np.uint16]  # (E, 3) violation-weeks in this run, by severity

    def copy(self) -> State:
        """Return a state that shares nothing with this one."""
        parts: Iterator[Any] = (part.copy() for part in self)
        return State(*parts)


@dataclass(frozen=True, repr=False)
class World(Result):
    """A world at a point in time: fixed part, state, calendar and enterprise ids.

    Attributes
    ----------
    fixed, state
        See `Fixed` and `State`.
    week : int
        The week that comes next, counted from the first week of the burn-in.
    origin : datetime.date
        Monday of week 0.
    ids : object array of shape (E,)
        Enterprise ids.
    seed : int
        Seed of the world's draws.
    parameters : Parameters
    known_from : int
        The week from which there are records.
    """

    fixed: Fixed
    state: State
    week: int
    origin: dt.date
    ids: NDArray[np.object_]
    seed: int
    parameters: Parameters
    known_from: int

    def __repr__(self) -> str:
        """Return the date and the numbers of enterprises and obligations, as one line."""
        return (
            f"World({int(self.alive().sum()):,} enterprises on {self.date}, "
            f"{self.obligations:,} obligations of {self.enterprises:,} slots, seed={self.seed})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Return who is there and when, as one row."""
        return pd.DataFrame([self._facts])

    def to_dict(self) -> dict[str, Any]:
        """Return who is there and when, as data for JSON."""
        told: dict[str, Any] = plain(self._facts)
        return told

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return who is there and when, in words."""
        facts = self._facts
        counts = {name: number(facts[name]) for name in ("in_register", "obligations", "slots")}
        return [text("world.head", lang, date=facts["date"], seed=str(facts["seed"]), **counts)]

    @property
    def _facts(self) -> dict[str, Any]:
        return {
            "date": self.date,
            "week": self.week,
            "in_register": int(self.alive().sum()),
            "slots": self.enterprises,
            "obligations": self.obligations,
            "seed": self.seed,
        }

    @property
    def place(self) -> Place:
        """The place whose vocabularies the codes stand for."""
        return self.parameters.place

    @property
    def enterprises(self) -> int:
        """Number of slots, those still to be entered included."""
        return len(self.fixed.entered)

    @property
    def obligations(self) -> int:
        """Number of obligations of all slots."""
        return len(self.fixed.enterprise)

    @property
    def date(self) -> dt.date:
        """Monday of the week that comes next."""
        return self.origin + dt.timedelta(weeks=self.week)

    def alive(self) -> NDArray[np.bool_]:
        """Return who is in the register in the week that comes next, shape (E,)."""
        alive: NDArray[np.bool_] = (self.fixed.entered <= self.week) & (self.week < self.state.left)
        return alive

    def _repr_html_(self) -> str:
        return (
            f"<p><b>World</b> on {self.date}: {int(self.alive().sum()):,} enterprises in the register, "
            f"{self.obligations:,} obligations, seed {self.seed}</p>"
        )
