"""Measures of a run: load, findings and harm, for all enterprises and by group.

Every measure is a sum or a ratio of sums over enterprises, obligations or visits, so that groups add
up to the whole. The finding rate never stands alone: `MEASURES` keeps it between findings and what
was missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.engine import LOG, SUPPRESSED, TALLY, Run, run
from tierkit.city.engine.kernels import RELABELLED
from tierkit.city.population import items
from tierkit.city.world import State, World
from tierkit.compare.measures import GROUPS, MEASURES
from tierkit.policy import Policy
from tierkit.records import (
    AGENCY_LEVELS,
    CHANNELS,
    DISPOSITIONS,
    FIRST_PENALTY,
    MODES,
    SEVERITIES,
    TIERS,
    Place,
)

__all__ = [
    "Mark",
    "Outcome",
    "levels_of",
    "measure",
    "run_and_measure",
    "run_and_measure_windows",
]

REPEAT_WEEKS = 4
"""Weeks within which a second visit counts as a repeat: 30 days, rounded down to whole weeks."""
"""The `cause` of a planned check that was stopped and made all the same under a trigger's name."""


@cache
def levels_of(place: Place) -> Mapping[str, tuple[str, ...]]:
    """Return the levels of each group in a place.

    Enterprises that entered after the start of the run have no tier at its start.

    Examples
    --------
    >>> from tierkit.records import SHANGHAI
    >>> levels_of(SHANGHAI)["tier"]
    ('T1', 'T2', 'T3', 'T4', 'entered')
    """
    own = {"all": ("all",), "tier": (*TIERS, "entered"), "shield": ("shielded", "open"), "channel": CHANNELS}
    return {group: own.get(group) or place.ids(group) for group in GROUPS}


_DRAWN = [CHANNELS.index(name) for name in ("random", "routine")]
_SEALED = DISPOSITIONS.index("sealed")
_SUPPRESSED = [TALLY.index(name) for name in SUPPRESSED]
_RANDOM, _TRIGGER, _FOLLOWUP = (CHANNELS.index(name) for name in ("random", "trigger", "followup"))
_CAMPAIGN = CHANNELS.index("campaign")
_JOINT, _OFFSITE = MODES.index("joint"), MODES.index("offsite")


@dataclass(frozen=True)
class Outcome:
    """Sums of one run over some weeks, for each enterprise and by group.

    Attributes
    ----------
    world : World
        The world at the start of the run.
    tier : uint8 array of shape (E,)
        Tier by which enterprises are grouped: 0 = T1, 4 = entered after the start.
    sums : mapping of str to float array of shape (E,)
        Additive parts of the measures, for every slot.
    parts : mapping of str to DataFrame
        Group → levels × additive parts.
    """

    world: World
    tier: NDArray[np.uint8]
    sums: Mapping[str, NDArray[np.float64]]
    parts: Mapping[str, pd.DataFrame]

    @property
    def visits_per_enterprise(self) -> NDArray[np.int64]:
        """Visits in the measured weeks, shape (E,); -1 for enterprises not in the register then."""
        there = self.sums["enterprises"] > 0
        return np.where(there, self.sums["visits"], -1).astype(np.int64)

    def values(self) -> pd.DataFrame:
        """Return the measures: ``group``, ``level``, ``measure``, ``unit``, ``value``, ``n``.

        ``n`` is what the measure is a sum or a mean of: the denominator of a ratio, else enterprises
        (or inspections, by agency and channel).
        """
        value, n = self.numbers()
        return self.rows.assign(value=value, n=n)

    @property
    def rows(self) -> pd.DataFrame:
        """Columns ``group``, ``level``, ``measure`` and ``unit`` of `values`."""
        return _rows(tuple(self.parts), self.world.place)

    def numbers(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the columns ``value`` and ``n`` of `values` alone, which is quicker."""
        parts = {
            group: dict(zip(part.columns, part.to_numpy(np.float64).T, strict=True))
            for group, part in self.parts.items()
        }
        value, n = [], []
        for m in MEASURES:
            for part in (parts[group] for group in m.groups if group in parts):
                top = part[m.top]
                if m.bottom:
                    bottom = part[m.bottom]
                    value.append(np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0))
                    n.append(bottom)
                else:
                    value.append(top)
                    n.append(part["n"])
        return np.concatenate(value), np.concatenate(n)

    def by_tier(self, tier: NDArray[np.uint8]) -> Outcome:
        """Return the same enterprises grouped by other tiers, with that group alone.

        So a baseline can be measured for those whom a reform puts into a tier.

        Parameters
        ----------
        tier : uint8 array of shape (E,)
            0 = T1; of those who entered after the start it is not read.
        """
        tier = _entered(self.world, tier)
        return Outcome(self.world, tier, self.sums, {"tier": _by(self.world.place, "tier", tier, self.sums)})


PART_UNITS: Mapping[str, str] = {
    "obligation_weeks": "obligation-weeks",
    "inspections": "inspections",
    "planned": "inspections",
    "triggered": "inspections",
    "relabelled": "inspections",
    "uncoded": "inspections",
    "audits": "inspections",
    "visits": "visits",
    "repeats": "visits",
    "multi_agency": "visits",
    "inspector_hours": "hours",
    "enterprise_hours": "hours",
    "findings": "findings",
    "triggered_findings": "findings",
    "audit_findings": "findings",
    "violations": "violations",
    "missed": "violations",
    "violation_weeks": "obligation-weeks",
    "harm": "harm units",
    "detection_weeks": "weeks",
    "penalties": "penalties",
    "seizures": "measures",
    "changes": "changes",
    "flips": "changes",
}
"""Counts of an enterprise and their units; ``violation_weeks`` are of all severities."""


@cache
def _rows(groups: tuple[str, ...], place: Place) -> pd.DataFrame:
    """Return the rows of `Outcome.values` that there are for some groups."""
    levels = levels_of(place)
    rows = [
        (group, level, m.name, m.unit)
        for m in MEASURES
        for group in m.groups
        if group in groups
        for level in levels[group]
    ]
    return pd.DataFrame(rows, columns=["group", "level", "measure", "unit"])


class Mark(NamedTuple):
    """The counts of a run at the beginning of a week."""

    week: int
    weeks: NDArray[np.uint16]
    spells: NDArray[np.uint16]
    standing: NDArray[np.int64]  # violations that existed
    changes: NDArray[np.uint8]
    flips: NDArray[np.uint8]
    listed: NDArray[np.uint8]  # who was on the unmonitored list in that week


def _mark(week: int, state: State, world: World) -> Mark:
    """Return a copy of the counts at the beginning of a week; the list is that of the week before."""
    owner = world.fixed.enterprise
    alive = (world.fixed.entered <= week) & (week < state.left)
    there = (state.violation > 0) & alive[owner]
    standing = np.bincount(owner[there], minlength=len(alive))
    return Mark(
        week, state.weeks.copy(), state.spells.copy(), standing, state.changes.copy(), state.flips.copy(),
        state.listed.copy(),
    )  # fmt: skip


def _entered(world: World, tier: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return tiers in which those who enter after the start of a run stand apart."""
    return np.where(world.fixed.entered > world.week, np.uint8(len(TIERS)), tier).astype(np.uint8)


def _by(
    place: Place, group: str, code: NDArray[Any], sums: Mapping[str, NDArray[np.float64]]
) -> pd.DataFrame:
    levels = list(levels_of(place)[group])
    code = code.astype(np.int64)
    return pd.DataFrame(
        {name: np.bincount(code, weights=row, minlength=len(levels)) for name, row in sums.items()},
        index=levels,
    )


def measure(
    done: Run,
    since: Mark | None = None,
    until: Mark | None = None,
    *,
    tier: NDArray[np.uint8] | None = None,
    groups: Sequence[str] = GROUPS,
) -> Outcome:
    """Compute the measures of a run, or of some weeks of it.

    Parameters
    ----------
    done : Run
    since : Mark, optional
        What had been counted when the measured weeks began; without it they begin with the run, and who was
        on the list then is not known, so that the group ``shield`` is left out.
    until : Mark, optional
        The same at the week after the last measured one; the end of the run if absent.
    tier : uint8 array of shape (E,), optional
        Tier by which enterprises are grouped, 0 = T1; the run's own at its start if absent.
    groups : sequence of str
        Groups to measure, of `GROUPS`; all if absent.

    Returns
    -------
    Outcome
    """
    world = done.start
    fixed, p = world.fixed, world.parameters
    n = world.enterprises
    first = world.week if since is None else since.week
    last = world.week + done.weeks if until is None else until.week
    owner = fixed.enterprise.astype(np.int64)
    log = done.log
    inside = (log[:, 0] >= first) & (log[:, 0] < last) & (log[:, LOG.index("mode")] != _OFFSITE)
    log = log[inside].astype(np.int64)
    column = {name: log[:, k] for k, name in enumerate(LOG)}
    week, channel, obligation = column["week"], column["channel"], column["obligation"]
    who = owner[obligation]
    agency = fixed.agency[obligation].astype(np.int64)
    exposed = np.clip(
        np.minimum(done.end.state.left, last) - np.maximum(fixed.entered, first), 0, None
    ).astype(np.int64)
    there = exposed > 0
    state = done.end.state if until is None else until
    weeks, spells = state.weeks.astype(np.float64), state.spells.astype(np.int64)
    changes, flips = state.changes.astype(np.int64), state.flips.astype(np.int64)
    if since is not None:
        weeks = weeks - since.weeks
        spells = spells - (since.spells.astype(np.int64) - since.standing)
        changes, flips = changes - since.changes, flips - since.flips
    harm = np.array([p[f"violation.harm.{s}"] for s in SEVERITIES], np.float64)

    found = column["finding"] > 0
    planned = (channel == _RANDOM) | (channel >= _CAMPAIGN)
    triggered = (channel == _TRIGGER) | (channel == _FOLLOWUP)
    coded = column["coded"]
    by_inspection: dict[str, NDArray[Any]] = {
        "inspections": np.ones(len(log)),
        "planned": planned,
        "triggered": triggered,
        "relabelled": column["cause"] == RELABELLED,
        "uncoded": coded == 0,
        "findings": found,
        "triggered_findings": triggered & found,
        "detection_weeks": np.where(found, week - column["since"], 0),
        "penalties": column["disposition"] >= FIRST_PENALTY,
        "seizures": column["disposition"] == _SEALED,
        "audits": channel == _RANDOM,
        "audit_findings": (channel == _RANDOM) & found,
    }
    agencies = list(world.place.agencies)
    visit = _visits(week, who, column["visit"], agency, channel, column["mode"], len(agencies))
    minutes = items(world.place)["minutes"].to_numpy(np.int64)[fixed.item[obligation]]
    people, travel = p["burden.inspectors"], p["burden.onsite_minutes_travel"]
    by_visit: dict[str, NDArray[Any]] = {
        "visits": np.ones(len(visit.who)),
        "travel_hours": np.full(len(visit.who), travel * people / 60),
        "enterprise_hours": np.where(
            visit.joint, p["burden.enterprise_hours_joint"], p["burden.enterprise_hours_single"]
        ),
        "repeats": visit.repeat,
        "multi_agency": visit.multi,
    }

    def gathered(
        code: NDArray[np.int64],
        size: int,
        visit_code: NDArray[np.int64],
        of: Any = slice(None),
        share: Any = 1.0,
    ) -> dict[str, Any]:
        """Return sums over inspections by their code, and over visits, or shares of visits, by theirs."""
        out = {
            name: np.bincount(code, weights=row.astype(np.float64), minlength=size)
            for name, row in by_inspection.items()
        }
        for name, row in by_visit.items():
            out[name] = np.bincount(visit_code, weights=row[of] * share, minlength=size)
        hours = np.bincount(code, weights=minutes * (people / 60), minlength=size)
        out["inspector_hours"] = hours + out.pop("travel_hours")
        return out

    sums = gathered(who, n, visit.who)
    visits = sums["visits"]
    sums |= {
        "n": there.astype(np.float64),
        "enterprises": there.astype(np.float64),
        "obligation_weeks": exposed.astype(np.float64) * np.diff(fixed.start),
        "violations": spells.astype(np.float64),
        "missed": spells - sums["findings"],
        "violation_weeks": weeks.sum(axis=1),
        "harm": weeks @ harm,
        "unvisited": (there & (visits == 0)).astype(np.float64),
        "drawn": (np.bincount(who[np.isin(channel, _DRAWN)], minlength=n) > 0).astype(np.float64),
        "visited_1": (there & (visits == 1)).astype(np.float64),
        "visited_2": (there & (visits == 2)).astype(np.float64),
        "visited_3": (there & (visits == 3)).astype(np.float64),
        "visited_more": (there & (visits > 3)).astype(np.float64),
        "changes": changes.astype(np.float64),
        "flips": flips.astype(np.float64),
    }
    tier = _entered(world, done.first_tier if tier is None else tier)
    codes: dict[str, NDArray[Any]] = {
        "all": np.zeros(n, np.int64),
        "tier": tier,
        "sector": fixed.sector,
        "size": fixed.size,
        "ownership": fixed.ownership,
        "district": fixed.district,
    }
    if since is not None and "shield" in groups:
        counted = (planned & (channel != _CAMPAIGN)) & (coded == 1)
        level = fixed.agency_level[agency].astype(np.int64)
        capped = _at_the_cap(
            done, week[counted], who[counted], column["visit"][counted], level[counted], agency[counted]
        )
        codes["shield"] = np.where((since.listed == 1) | capped, 0, 1)
    parts = {group: _by(world.place, group, code, sums) for group, code in codes.items() if group in groups}
    if "agency" in groups:
        told = gathered(agency, len(agencies), visit.agency, visit.of, visit.share)
        parts["agency"] = pd.DataFrame(told | {"n": told["inspections"]}, index=agencies)
    if "channel" in groups:
        told = {
            name: np.bincount(channel, weights=row.astype(np.float64), minlength=len(CHANNELS))
            for name, row in by_inspection.items()
        }
        parts["channel"] = pd.DataFrame(told | {"n": told["inspections"]}, index=list(CHANNELS))
    tally = done.tally[first - world.week : last - world.week].sum(axis=0).astype(np.float64)
    for name, fates in (
        ("offsite", [TALLY.index("offsite"), TALLY.index("replaced")]),
        ("suppressed", _SUPPRESSED),
        ("put_off", [TALLY.index("put_off")]),
    ):
        if "agency" in parts:
            parts["agency"][name] = tally[:, fates].sum(axis=1)
        if "all" in parts:
            parts["all"][name] = tally[:, fates].sum()
    if "all" in parts:
        parts["all"]["visits_saved"] = float(done.saved[first - world.week : last - world.week].sum())
    return Outcome(world, tier, sums, parts)


class _Visits(NamedTuple):
    """One entry a visit; and one entry a visit and agency that took part."""

    who: NDArray[np.int64]
    joint: NDArray[np.bool_]
    repeat: NDArray[np.bool_]  # within 30 days of the visit before
    multi: NDArray[np.bool_]  # the same, and by another agency
    of: NDArray[np.int64]  # number of the visit
    agency: NDArray[np.int64]
    share: NDArray[np.float64]  # of the visit that counts for this agency


def _visits(
    week: NDArray[np.int64], who: NDArray[np.int64], number: NDArray[np.int64], agency: NDArray[np.int64],
    channel: NDArray[np.int64], mode: NDArray[np.int64], agencies: int,
) -> _Visits:  # fmt: skip
    """Return the visits of a log of inspections."""
    key = (who * 8192 + week) * 32 + number
    _, index, inverse = np.unique(key, return_index=True, return_inverse=True)
    again = np.zeros(len(index), np.bool_)
    multi = np.zeros(len(index), np.bool_)
    # A follow-up is meant to be a second visit, so it is no repeat.
    mine = np.flatnonzero(channel[index] != _FOLLOWUP)
    w, e, a = week[index][mine], who[index][mine], agency[index][mine]
    close = (e[1:] == e[:-1]) & (w[1:] - w[:-1] <= REPEAT_WEEKS)
    again[mine[1:]] = close
    multi[mine[1:]] = close & (a[1:] != a[:-1])
    pairs = np.unique(inverse * agencies + agency)
    of = pairs // agencies
    share = 1 / np.bincount(of, minlength=len(index))[of]
    return _Visits(who[index], mode[index] == _JOINT, again, multi, of, pairs % agencies, share)


def _at_the_cap(
    done: Run, week: NDArray[np.int64], who: NDArray[np.int64], number: NDArray[np.int64],
    level: NDArray[np.int64], agency: NDArray[np.int64],
) -> NDArray[np.bool_]:  # fmt: skip
    """Return who had as many planned visits at a level that the cap binds as it allows, shape (E,)."""
    n, cap = done.start.enterprises, int(done.policy["cap.planned_visits"])
    if cap == 0:
        return np.zeros(n, np.bool_)
    weeks = int(done.policy["cap.period_weeks"])
    # A joint visit counts once a level, any other once an agency, which its number tells.
    visit = np.unique(((who * 8192 + week) * 32 + number) * len(AGENCY_LEVELS) + level)
    of, level = np.divmod(visit, len(AGENCY_LEVELS))
    bound = [
        i for i, name in enumerate(AGENCY_LEVELS) if name in (done.policy["cap.levels"] or AGENCY_LEVELS)
    ]
    of, level = of[np.isin(level, bound)], level[np.isin(level, bound)]
    of, at = of // 32 // 8192, of // 32 % 8192
    period, count = np.unique(
        (of * 8192 + (at - done.start.week) // weeks) * len(AGENCY_LEVELS) + level, return_counts=True
    )
    out = np.zeros(n, np.bool_)
    out[period[count >= cap] // len(AGENCY_LEVELS) // 8192] = True
    return out


def run_and_measure_windows(
    world: World,
    policy: Policy,
    weeks: int,
    windows: Sequence[tuple[int, int]],
    *,
    groups: Sequence[Sequence[str]] | None = None,
    tier: NDArray[np.uint8] | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> tuple[Run, list[Outcome]]:
    """Run a policy once and measure several windows of its weeks.

    Parameters
    ----------
    world, policy, weeks, **options
        As in `tierkit.city.engine.run`.
    windows : sequence of (int, int)
        First week of each span and the week after its last, 0 being the run's first.
    groups : sequence of sequence of str, optional
        Groups to measure in each span; all if absent.
    tier : uint8 array of shape (E,), optional
        As in `measure`.
    progress : callable, optional
        Called with the weeks done and all weeks.

    Returns
    -------
    Run, list of Outcome
        An outcome a window, in their order.

    Raises
    ------
    ValueError
        If a window is not within the run.

    Examples
    --------
    >>> from tierkit.city.synth import make
    >>> _, halves = run_and_measure_windows(make(60, 1)[1], Policy.load("legacy"), 8, [(0, 4), (4, 8)])
    >>> len(halves)
    2
    """
    for lo, hi in windows:
        if not 0 <= lo < hi <= weeks:
            raise ValueError(f"A window must be in 0 … {weeks} and hold a week. Got ({lo}, {hi}).")
    edges = {world.week + edge for window in windows for edge in window}
    marks: dict[int, Mark] = {}
    begin = world.week

    def observe(week: int, state: State) -> None:
        if week == begin and begin in edges:
            none = np.zeros_like(state.changes)
            marks[begin] = Mark(
                begin, np.zeros_like(state.weeks), np.zeros_like(state.spells),
                np.zeros(world.enterprises, np.int64), none, none, state.listed.copy(),
            )  # fmt: skip
        if week in marks:  # reviews come first in a week, so this is the list that held in it
            marks[week] = marks[week]._replace(listed=state.listed.copy())
        if week + 1 in edges and week + 1 < begin + weeks:
            marks[week + 1] = _mark(week + 1, state, world)

    done = run(world, policy, weeks, progress=progress, observe=observe, **options)
    wanted = [GROUPS] * len(windows) if groups is None else groups
    out = [
        measure(done, marks[world.week + lo], marks.get(world.week + hi), tier=tier, groups=some)
        for (lo, hi), some in zip(windows, wanted, strict=True)
    ]
    return done, out


def run_and_measure(
    world: World,
    policy: Policy,
    weeks: int,
    *,
    over: int | None = None,
    tier: NDArray[np.uint8] | None = None,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> tuple[Run, Outcome]:
    """Run a policy and measure its last weeks.

    Parameters
    ----------
    world, policy, weeks, **options
        As in `tierkit.city.engine.run`.
    over : int, optional
        Measure the last so many weeks; all if absent.
    tier : uint8 array of shape (E,), optional
        As in `measure`.
    progress : callable, optional
        Called with the weeks done and all weeks.

    Returns
    -------
    Run, Outcome

    Raises
    ------
    ValueError
        If `over` is not in 1 … weeks.
    """
    over = weeks if over is None else over
    if not 1 <= over <= weeks:
        raise ValueError(f"The 'over' must be in 1 … {weeks}. Got {over}.")
    done, (outcome,) = run_and_measure_windows(
        world, policy, weeks, [(weeks - over, weeks)], tier=tier, progress=progress, **options
    )
    return done, outcome
