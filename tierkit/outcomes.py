"""Measure what a run did to load, findings and harm, for all and by group.

Every measure is a sum or a ratio of sums over enterprises, obligations or visits, so that groups add
up to the whole. The finding rate never stands alone: `MEASURES` keeps it between findings and what
was missed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.policy import Policy
from tierkit.population import items
from tierkit.schema import AGENCIES, CHANNELS, DISTRICTS, OWNERSHIPS, SECTORS, SEVERITIES, SIZES, TIERS
from tierkit.simulate import TALLY, Run, run
from tierkit.world import Frame, State

__all__ = ["GROUPS", "MEASURES", "Measure", "Outcome", "measure", "run_and_measure"]

REPEAT_WEEKS = 4
"""Weeks within which a second visit counts as a repeat: 30 days, rounded down to whole weeks."""


class Measure(NamedTuple):
    """A measure of the summary: its parts are columns of sums."""

    name: str
    unit: str
    top: str
    bottom: str = ""  # empty: a sum
    groups: tuple[str, ...] = ("all", "tier", "sector", "size", "ownership", "district")


_BY_AGENCY = ("all", "tier", "sector", "size", "ownership", "district", "agency")
_BY_CHANNEL = (*_BY_AGENCY, "channel")
_WHOLE = ("all", "agency")
MEASURES = (
    Measure("inspections", "inspections", "inspections", groups=_BY_CHANNEL),
    Measure("planned_inspections", "inspections", "planned", groups=_BY_CHANNEL),
    Measure("visits", "visits", "visits"),
    Measure("inspector_hours", "hours", "inspector_hours"),
    Measure("enterprise_hours", "hours", "enterprise_hours"),
    Measure("findings", "findings", "findings", groups=_BY_CHANNEL),
    Measure("finding_rate", "findings/inspection", "findings", "inspections", groups=_BY_CHANNEL),
    Measure("violations", "violations", "violations"),
    Measure("violations_missed", "violations", "missed"),
    Measure("violation_weeks", "obligation-weeks", "violation_weeks"),
    Measure("harm", "harm units", "harm"),
    Measure("weeks_to_detection", "weeks", "detection_weeks", "findings", groups=_BY_CHANNEL),
    Measure("trigger_share", "share of inspections", "triggered", "inspections", groups=_BY_AGENCY),
    Measure("prevalence", "share of obligations", "violation_weeks", "obligation_weeks"),
    Measure("never_visited_share", "share of enterprises", "unvisited", "enterprises"),
    Measure("drawn_share", "share of enterprises", "drawn", "enterprises"),
    Measure("repeat_visits_30d", "visits", "repeats"),
    Measure("multi_agency_30d", "visits", "multi_agency"),
    Measure("penalties", "penalties", "penalties", groups=_BY_CHANNEL),
    Measure("random_audits", "inspections", "audits", groups=_BY_AGENCY),
    Measure("random_finding_rate", "findings/inspection", "audit_findings", "audits", groups=_BY_AGENCY),
    Measure("replaced_offsite", "inspections", "offsite", groups=_WHOLE),
    Measure("suppressed", "inspections", "suppressed", groups=_WHOLE),
    Measure("put_off", "inspections", "put_off", groups=_WHOLE),
    Measure("visits_saved", "visits", "visits_saved", groups=("all",)),
    Measure("tier_changes", "changes", "changes"),
    Measure("flip_flops", "changes", "flips"),
)
"""The summary, in the order in which it is shown."""
GROUPS: Mapping[str, tuple[str, ...]] = {
    "all": ("all",),
    "tier": TIERS,
    "agency": AGENCIES,
    "sector": SECTORS,
    "size": SIZES,
    "ownership": OWNERSHIPS,
    "district": DISTRICTS,
    "channel": CHANNELS,
}
_DRAWN = [CHANNELS.index(name) for name in ("random", "routine")]
_SUPPRESSED = [TALLY.index(name) for name in ("list", "item", "window", "cap", "duplicate", "lapsed")]


@dataclass(frozen=True)
class Outcome:
    """Sums of one run: for each group a frame of levels × parts, and visits per enterprise.

    Attributes
    ----------
    parts : mapping of str to DataFrame
        Group → levels × additive parts.
    visits_per_enterprise : int array of shape (E,)
        Visits in the measured weeks; -1 for enterprises not in the register then.
    """

    parts: Mapping[str, pd.DataFrame]
    visits_per_enterprise: NDArray[np.int64]

    def values(self) -> pd.DataFrame:
        """Return the measures: ``group``, ``level``, ``measure``, ``unit``, ``value``, ``n``.

        ``n`` is what the measure is a sum or a mean of: the denominator of a ratio, else enterprises
        (or inspections, by agency and channel).
        """
        rows = []
        for m in MEASURES:
            for group in m.groups:
                part = self.parts[group]
                top = part[m.top].to_numpy(np.float64)
                if m.bottom:
                    bottom = part[m.bottom].to_numpy(np.float64)
                    value = np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)
                    n = bottom
                else:
                    value, n = top, part["n"].to_numpy(np.float64)
                rows += [
                    (group, level, m.name, m.unit, float(v), float(c))
                    for level, v, c in zip(part.index, value, n, strict=True)
                ]
        return pd.DataFrame(rows, columns=["group", "level", "measure", "unit", "value", "n"])


class _Start(NamedTuple):
    """What had been counted when the measured weeks began."""

    weeks: NDArray[np.uint16]
    spells: NDArray[np.int64]
    changes: NDArray[np.uint8]
    flips: NDArray[np.uint8]


def _start(state: State, alive: NDArray[np.bool_], owner: NDArray[np.int64]) -> _Start:
    """Return counts as they are now, less the violations that exist now."""
    there = (state.violation > 0) & alive[owner]
    now = np.bincount(owner[there], minlength=len(alive))
    return _Start(
        state.weeks.copy(), state.spells.astype(np.int64) - now, state.changes.copy(), state.flips.copy()
    )


def measure(
    done: Run,
    first_week: int | None = None,
    start: _Start | None = None,
    tier: NDArray[np.uint8] | None = None,
) -> Outcome:
    """Measure a run.

    Parameters
    ----------
    done : Run
    first_week : int, optional
        Week from which to measure; the run's first if absent. Needs `start`, see `run_and_measure`.
    start : optional
        Counts at that week.
    tier : uint8 array of shape (E,), optional
        Tier by which enterprises are grouped, 0 = T1; the run's own at its start if absent.

    Returns
    -------
    Outcome
    """
    frame = done.frame
    world, p = frame.world, frame.parameters
    n = frame.enterprises
    first = frame.week if first_week is None else first_week
    last = frame.week + done.weeks
    owner = world.enterprise.astype(np.int64)
    log = done.log[(done.log[:, 0] >= first) & (done.log[:, 3] < 2)].astype(np.int64)
    week, obligation, channel, mode, finding, disposition = (log[:, k] for k in range(6))
    who = owner[obligation]
    agency = world.agency[obligation].astype(np.int64)
    exposed = np.clip(
        np.minimum(done.end.state.left, last) - np.maximum(world.entered, first), 0, None
    ).astype(np.int64)
    there = exposed > 0
    state = done.end.state
    weeks = state.weeks.astype(np.float64)
    spells = state.spells.astype(np.int64)
    changes, flips = state.changes.astype(np.int64), state.flips.astype(np.int64)
    if start is not None:
        weeks = weeks - start.weeks
        spells = spells - start.spells
        changes = changes - start.changes
        flips = flips - start.flips
    harm = np.array([p[f"violation.harm.{s}"] for s in SEVERITIES], np.float64)

    visit = _visits(week, who, log[:, 10], agency, channel, mode, n)
    minutes = items()["minutes"].to_numpy(np.int64)[world.item[obligation]]
    people, travel = p["burden.inspectors"], p["burden.onsite_minutes_travel"]
    hours = np.where(visit["joint"], p["burden.enterprise_hours_joint"], p["burden.enterprise_hours_single"])

    def count(mask: Any = slice(None), weights: Any = None) -> NDArray[np.float64]:
        return np.bincount(who[mask], weights=None if weights is None else weights[mask], minlength=n).astype(
            np.float64
        )

    def count_visits(weights: Any = None) -> NDArray[np.float64]:
        return np.bincount(visit["who"], weights=weights, minlength=n).astype(np.float64)

    found = finding > 0
    visits = count_visits()
    findings = count(found)
    part = {
        "n": there.astype(np.float64),
        "enterprises": there.astype(np.float64),
        "obligation_weeks": exposed.astype(np.float64) * np.diff(world.start),
        "inspections": count(),
        "planned": count((channel == 0) | (channel >= 3)),
        "triggered": count((channel == 1) | (channel == 2)),
        "visits": visits,
        "inspector_hours": (count(weights=minutes) + count_visits() * travel) * people / 60,
        "enterprise_hours": count_visits(hours),
        "findings": findings,
        "violations": spells.astype(np.float64),
        "missed": spells - findings,
        "violation_weeks": weeks.sum(axis=1),
        "harm": weeks @ harm,
        "detection_weeks": count(found, week - log[:, 7]),
        "unvisited": (there & (visits == 0)).astype(np.float64),
        "drawn": (count(np.isin(channel, _DRAWN)) > 0).astype(np.float64),
        "repeats": count_visits(visit["repeat"].astype(np.float64)),
        "multi_agency": count_visits(visit["multi"].astype(np.float64)),
        "penalties": count(disposition >= 3),
        "audits": count(channel == 0),
        "audit_findings": count((channel == 0) & found),
        "changes": changes.astype(np.float64),
        "flips": flips.astype(np.float64),
    }
    names = list(part)
    sums = np.stack([part[name] for name in names])
    codes = {
        "all": np.zeros(n, np.int64),
        "tier": (done.first_tier if tier is None else tier).astype(np.int64),
        "sector": world.sector.astype(np.int64),
        "size": world.size.astype(np.int64),
        "ownership": world.ownership.astype(np.int64),
        "district": world.district.astype(np.int64),
    }
    parts = {
        group: pd.DataFrame(
            {
                name: np.bincount(code, weights=row, minlength=len(GROUPS[group]))
                for name, row in zip(names, sums, strict=True)
            },
            index=list(GROUPS[group]),
        )
        for group, code in codes.items()
    }
    by_inspection = {
        "n": np.ones(len(log)),
        "inspections": np.ones(len(log)),
        "planned": (channel == 0) | (channel >= 3),
        "triggered": (channel == 1) | (channel == 2),
        "findings": found,
        "detection_weeks": np.where(found, week - log[:, 7], 0),
        "penalties": disposition >= 3,
        "audits": channel == 0,
        "audit_findings": (channel == 0) & found,
    }
    for group, code in (("agency", agency), ("channel", channel)):
        parts[group] = pd.DataFrame(
            {
                k: np.bincount(code, weights=v.astype(np.float64), minlength=len(GROUPS[group]))
                for k, v in by_inspection.items()
            },
            index=list(GROUPS[group]),
        )
    tally = done.tally[first - frame.week :].sum(axis=0).astype(np.float64)
    for name, column in (
        ("offsite", tally[:, TALLY.index("offsite")]),
        ("suppressed", tally[:, _SUPPRESSED].sum(axis=1)),
        ("put_off", tally[:, TALLY.index("put_off")]),
    ):
        parts["agency"][name] = column
        parts["all"][name] = column.sum()
    parts["all"]["visits_saved"] = float(done.saved[first - frame.week :].sum())
    return Outcome(parts, np.where(there, visits, -1).astype(np.int64))


def _visits(
    week: NDArray[np.int64], who: NDArray[np.int64], number: NDArray[np.int64], agency: NDArray[np.int64],
    channel: NDArray[np.int64], mode: NDArray[np.int64], n: int,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Return one entry a visit: who, joint, repeat within 30 days, repeat by another agency."""
    key = (who * 8192 + week) * 32 + number
    _, index = np.unique(key, return_index=True)
    out: dict[str, NDArray[Any]] = {"who": who[index], "joint": mode[index] == 1}
    again = np.zeros(len(index), np.bool_)
    multi = np.zeros(len(index), np.bool_)
    # A follow-up is meant to be a second visit, so it is no repeat.
    mine = np.flatnonzero(channel[index] != 2)
    w, e, a = week[index][mine], who[index][mine], agency[index][mine]
    close = (e[1:] == e[:-1]) & (w[1:] - w[:-1] <= REPEAT_WEEKS)
    again[mine[1:]] = close
    multi[mine[1:]] = close & (a[1:] != a[:-1])
    return out | {"repeat": again, "multi": multi}


def run_and_measure(
    frame: Frame,
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
    frame, policy, weeks, **options
        As in `tierkit.simulate.run`.
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
    first = frame.week + weeks - over
    if over == weeks:
        done = run(frame, policy, weeks, progress=progress, **options)
        return done, measure(done, tier=tier)
    kept: list[_Start] = []
    owner = frame.world.enterprise.astype(np.int64)
    alive = (frame.world.entered <= first) & (first < frame.state.left)

    def observe(week: int, state: State) -> None:
        if week == first - 1:
            kept.append(_start(state, alive, owner))

    done = run(frame, policy, weeks, progress=progress, observe=observe, **options)
    return done, measure(done, first, kept[0], tier)
