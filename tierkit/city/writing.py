"""Convert a run of the engine into the records that its agencies would have kept.

Days of the week, delays of decisions, ratings and complainants are drawn here, keyed like every other
draw. What happened after the last day of the records is left out, cell by cell.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from tierkit.city.engine import Run, compile_rules, repair_terms
from tierkit.city.keyed_random import ENTERPRISE_LEVEL, Block, draws, uniform
from tierkit.city.world import World, probability_table
from tierkit.records import (
    CHANNELS,
    COMPLAINT_CHANNELS,
    COMPLAINT_KINDS,
    CREDIT_EVENTS,
    DISPOSITIONS,
    FINDINGS,
    FIRST_PENALTY,
    GRADES,
    ITEM_CLASSES,
    MERITS,
    MODES,
    SIGNAL_KINDS,
    TABLES,
    TIERS,
    UNINSPECTED_KINDS,
    conform,
)
from tierkit.records.repair_rules import repairable_from

__all__ = ["state_columns", "write_records"]

_NO_DATE = np.datetime64("NaT", "us")
_RATED_BLOCK = 9
_EVENT_BLOCK = 10
_OFFSITE_VISIT = 50
_COMPLAINT_WEIGHTS = (0.6, 0.3, 0.1)  # hotline, platform, letter; assumed


def _levels(names: tuple[str, ...], codes: Any) -> NDArray[np.object_]:
    out: NDArray[np.object_] = np.array(names, object)[np.asarray(codes, np.int64)]
    return out


def _numbered(letter: str, n: int) -> pd.Series:
    """Return consecutive ids as text; an empty column is text too."""
    return pd.Series([f"{letter}{k:09d}" for k in range(1, n + 1)], dtype="str")


def _codes(letter: str, days: list[str], owner: Any, number: Any) -> pd.Series:
    """Return codes made of a day, an enterprise and a number; an empty column is text too."""
    parts = zip(days, owner, number, strict=True)
    return pd.Series([f"{letter}{day}-{e:08d}-{n:02d}" for day, e, n in parts], dtype="str")


class _Calendar:
    """Converts weeks and days into dates, and blanks dates after the records."""

    def __init__(self, run: Run) -> None:
        self.origin = np.datetime64(run.start.origin, "D")
        self.end = np.datetime64(run.end.date, "D")

    def day(self, week: Any, day: Any) -> NDArray[np.datetime64]:
        return self.origin + (np.asarray(week, np.int64) * 7 + np.asarray(day, np.int64)).astype(
            "timedelta64[D]"
        )

    def known(self, dates: NDArray[np.datetime64], where: Any = True) -> NDArray[np.datetime64]:
        """Return dates before the end, and nothing for the others."""
        return np.where(np.asarray(where) & (dates < self.end), dates.astype("datetime64[us]"), _NO_DATE)


def _whole(words: NDArray[np.uint32], low: int, high: int) -> NDArray[np.int64]:
    """Return integers from low to high, both included."""
    return low + (uniform(words) * (high - low + 1)).astype(np.int64)


def _propensity(run: Run, log: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probability of the draw, and the share of draws that capacity let happen."""
    rules = compile_rules(run.policy, run.start, run.kappa)
    owner = run.start.fixed.enterprise[log["obligation"]].astype(np.int64)
    known = log["known_rate"].to_numpy(np.int64)
    campaign = rules.campaign[run.start.fixed.sector[owner]] / 2.0**32
    probability = np.where(known > 0, probability_table()[np.maximum(known, 0)] / 2.0**32, np.nan)
    probability = np.where(known == -2, rules.floor / 2.0**32, probability)
    probability = np.where(known == -3, campaign, probability)
    week = log["week"].to_numpy(np.int64) - run.start.week
    agency = run.start.fixed.agency[log["obligation"]].astype(np.int64)
    channel = log["channel"].to_numpy(np.int64)
    share = run.served[week, agency, channel] / np.maximum(run.demanded[week, agency, channel], 1)
    drawn = ~np.isnan(probability) & (log["mode"].to_numpy() < 2)
    return np.where(drawn, np.round(probability, 12), np.nan), np.where(drawn, np.round(share, 9), np.nan)


def _inspections(run: Run, calendar: _Calendar) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of inspections and, row by row, the columns that only the engine knows."""
    fixed, ids = run.start.fixed, run.start.ids
    log = run.table()
    obligation = log["obligation"].to_numpy(np.int64)
    owner = fixed.enterprise[obligation].astype(np.int64)
    week = log["week"].to_numpy(np.int64)
    offsite = log["mode"].to_numpy() == MODES.index("offsite")
    # Nobody calls for an off-site check; each has a number of its own, past those of agencies.
    visit = np.where(offsite, _OFFSITE_VISIT + fixed.local[obligation], log["visit"]).astype(np.int64)
    words = draws(run.seed, run.replicate, owner, ENTERPRISE_LEVEL, Block.VISIT, week, visit)
    inspected = calendar.day(week, _whole(words[0], 0, 4))
    own = draws(run.seed, run.replicate, owner, fixed.local[obligation], _RATED_BLOCK, week)
    disposition = log["disposition"].to_numpy(np.int64)
    lag = np.where(disposition >= FIRST_PENALTY, _whole(own[0], 10, 60), _whole(own[0], 0, 14))
    decided = calendar.known(inspected + lag.astype("timedelta64[D]"), disposition > 0)
    known = ~np.isnat(decided)
    share = run.start.parameters["rating.share"]
    happy = np.where(disposition >= FIRST_PENALTY, 0.4, 0.8)
    stars = 1 + (
        uniform(words[2])[:, None]
        < expit(np.log(happy / (1 - happy))[:, None] + np.array([2.2, 1.4, 0.6, -0.3]))
    ).sum(axis=1)
    rated = calendar.known(
        inspected + _whole(words[3], 0, 7).astype("timedelta64[D]"), (uniform(words[1]) < share) & ~offsite
    )
    propensity, served = _propensity(run, log)
    stamp = [s.replace("-", "") for s in np.datetime_as_string(inspected, unit="D").tolist()]
    agency = _levels(run.start.place.ids("agency"), fixed.agency[obligation])
    table = pd.DataFrame(
        {
            "check_code": _codes("", stamp, owner, fixed.local[obligation]),
            "visit_id": _codes("V", stamp, owner, visit),
            "enterprise_id": ids[owner],
            "agency": agency,
            "item_class": _levels(ITEM_CLASSES, fixed.item_class[obligation]),
            "inspected_on": inspected.astype("datetime64[us]"),
            "channel": _levels(CHANNELS, log["channel"]),
            "mode": _levels(MODES, log["mode"]),
            "finding": _levels(FINDINGS, log["finding"]),
            "disposition": _levels(DISPOSITIONS, np.where(known, disposition, 0)),
            "decided_on": decided,
            "rating": pd.array(np.where(np.isnat(rated), 0, stars), "Int64"),
            "rated_on": rated,
            "propensity": propensity,
            "served_share": served,
            "policy": run.policy.name,
            "inspector": pd.Series(
                [f"{a}-{g + 1}" for a, g in zip(agency, log["inspector"], strict=True)], dtype="str"
            ),
        }
    )
    table.loc[np.isnat(rated), "rating"] = pd.NA
    facts = pd.DataFrame(
        {
            "obligation": obligation,
            "week": week,
            "mode": log["mode"].to_numpy(np.int64),
            "found": log["finding"].to_numpy(np.int64),
            "decided": inspected + lag.astype("timedelta64[D]"),
            "inspected": inspected,
            "disposition": disposition,
            "until": log["record_until"].to_numpy(np.int64),
        }
    )
    return table, facts


def _credit_events(run: Run, calendar: _Calendar, facts: pd.DataFrame) -> pd.DataFrame:
    policy, fixed, ids = run.policy, run.start.fixed, run.start.ids
    terms = repair_terms(run.start.origin)
    fined = facts[facts["disposition"] >= FIRST_PENALTY]
    obligation = fined["obligation"].to_numpy(np.int64)
    decided = fined["decided"].to_numpy("datetime64[D]")
    week, until = fined["week"].to_numpy(np.int64), fined["until"].to_numpy(np.int64)
    severity = fined["found"].to_numpy(np.int64)
    penalties = pd.DataFrame(
        {
            "obligation": obligation,
            "slot": fixed.enterprise[obligation].astype(np.int64),
            "kind": "penalty",
            "severity": _levels(FINDINGS, severity),
            "happened": fined["inspected"].to_numpy("datetime64[D]"),
            "known": decided + np.timedelta64(7, "D"),
            "repaired": calendar.day(until, 0),
            "is_repaired": until < week + terms.display[week, severity],
            "letter": decided,
        }
    )
    events = run.events
    slot, kind = events[:, 1].astype(np.int64), events[:, 2].astype(np.int64)
    words = draws(run.seed, run.replicate, slot, ENTERPRISE_LEVEL, _EVENT_BLOCK, events[:, 0])
    happened = calendar.day(events[:, 0], _whole(words[0], 0, 6))
    names = _levels(UNINSPECTED_KINDS, kind)
    merit = np.isin(names, MERITS)
    others = pd.DataFrame(
        {
            "obligation": -1,
            "slot": slot,
            "kind": names,
            "severity": [CREDIT_EVENTS[name].severity for name in names],
            "happened": happened,
            "known": happened + _whole(words[1], 0, 30).astype("timedelta64[D]"),
            "repaired": calendar.day(events[:, 3], 0),
            "is_repaired": (events[:, 3] < events[:, 0] + terms.adverse_display[events[:, 0], kind]) & ~merit,
            "letter": np.full(len(events), np.datetime64("NaT", "D")),
        }
    )
    both = pd.concat([penalties, others], ignore_index=True)
    both = both[both["known"].to_numpy("datetime64[D]") < calendar.end].reset_index(drop=True)
    known = both["known"].to_numpy("datetime64[D]")
    # A record is published some weeks after the check, and its terms are counted from then.
    repairable = repairable_from(known, both["kind"], both["severity"])
    repaired = np.maximum(both["repaired"].to_numpy("datetime64[D]"), repairable)
    letter = both["letter"].to_numpy("datetime64[D]")
    two_letters = bool(policy["repair.two_letters"])
    both = both.assign(
        repairable_from=repairable.astype("datetime64[us]"),
        repaired_on=calendar.known(repaired, both["is_repaired"].to_numpy(bool)),
        letter_sent_on=calendar.known(letter, two_letters),
    )
    both["happened_on"] = both["happened"].to_numpy("datetime64[us]")
    both["known_on"] = known.astype("datetime64[us]")
    both["enterprise_id"] = ids[both["slot"].to_numpy(np.int64)]
    order = np.lexsort((both["kind"].astype(str), both["obligation"], both["slot"], known))
    both = both.iloc[order].reset_index(drop=True)
    both["event_id"] = _numbered("E", len(both))
    columns = [
        "event_id",
        "enterprise_id",
        "kind",
        "severity",
        "happened_on",
        "known_on",
        "repairable_from",
        "repaired_on",
        "letter_sent_on",
    ]
    return both[columns]


def _complainants(
    run: Run, owner: NDArray[np.int64], number: Any, week: Any, kind: NDArray[np.int64]
) -> pd.Series:
    """Return a hash for each complainant; professional ones are few, ranked by a Zipf law."""
    p, world = run.start.parameters, run.start
    words = draws(run.seed, run.replicate, owner, number, Block.SIGNAL, week)
    known = int((world.fixed.entered < run.end.week).sum())  # slots of later entrants are none of theirs
    people = max(3, round(p["complaint.professional_people"] * known / 1000))
    weight = np.cumsum(np.arange(1, people + 1, dtype=np.float64) ** -p["complaint.zipf"])
    rank = np.searchsorted(weight / weight[-1], uniform(words[2]), side="right")
    names = [
        f"professional {r}" if k == 2 else f"person {o} {n} {w}"
        for k, r, o, n, w in zip(kind, rank, owner, number, week, strict=True)
    ]
    hashes = [hashlib.sha256(f"{run.seed} {name}".encode()).hexdigest()[:16] for name in names]
    return pd.Series(hashes, dtype="str")


def _signals(run: Run, calendar: _Calendar, facts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    fixed, ids = run.start.fixed, run.start.ids
    rows = run.signals
    obligation = rows[:, 1].astype(np.int64)
    owner = fixed.enterprise[obligation].astype(np.int64)
    number = fixed.local[obligation].astype(np.int64)
    week, kind = rows[:, 0].astype(np.int64), rows[:, 2].astype(np.int64)
    words = draws(run.seed, run.replicate, owner, number, Block.SIGNAL, week)
    last = 6 if run.policy["trigger.delay_weeks"] > 0 else 0
    raised = calendar.day(week, _whole(words[3], 0, last))
    agency = _levels(run.start.place.ids("agency"), fixed.agency[obligation])
    is_complaint = kind < 3
    mine = np.flatnonzero(is_complaint)
    complaints = pd.DataFrame(
        {
            "row": mine,
            "enterprise_id": ids[owner[mine]],
            "agency": agency[mine],
            "received": raised[mine].astype("datetime64[us]"),
            "channel": _levels(
                COMPLAINT_CHANNELS,
                np.searchsorted(np.cumsum(_COMPLAINT_WEIGHTS[:2]), uniform(words[1])[mine], side="right"),
            ),
            "complainant": _complainants(run, owner[mine], number[mine], week[mine], kind[mine]),
            "kind": _levels(COMPLAINT_KINDS, kind[mine]),
            "obligation": obligation[mine],
            "week": week[mine],
            "opened": rows[mine, 3] > 0,
        }
    )
    # A complaint that opened a check is settled by the next visit to its obligation.
    visits = facts[facts["mode"] < 2].sort_values("week", kind="stable")[
        ["obligation", "week", "found", "decided", "inspected"]
    ]
    settled = pd.merge_asof(
        complaints.sort_values("week", kind="stable"),
        visits.assign(check_week=visits["week"]),
        on="week",
        by="obligation",
        direction="forward",
        tolerance=26,
    ).sort_values("row", kind="stable")
    found = settled["found"].fillna(0).to_numpy() > 0
    closed = np.where(
        found,
        settled["decided"].to_numpy("datetime64[D]"),
        settled["inspected"].to_numpy("datetime64[D]") + np.timedelta64(7, "D"),
    ).astype("datetime64[D]")
    on = calendar.known(closed, settled["opened"].to_numpy(bool) & ~np.isnat(closed))
    complaints["substantiated"] = pd.array(found, "boolean")
    complaints.loc[np.isnat(on), "substantiated"] = pd.NA
    complaints["substantiated_on"] = on
    complaints["received_on"] = complaints["received"]
    order = np.lexsort((complaints["obligation"], complaints["received"]))
    complaints = complaints.iloc[order].reset_index(drop=True)
    complaints["complaint_id"] = _numbered("C", len(complaints))
    other = np.flatnonzero(~is_complaint)
    signals = pd.DataFrame(
        {
            "enterprise_id": ids[owner[other]],
            "agency": agency[other],
            "kind": _levels(SIGNAL_KINDS, kind[other] - 3),
            "raised_on": raised[other].astype("datetime64[us]"),
            "obligation": obligation[other],
        }
    )
    signals = signals.sort_values(["raised_on", "obligation"], kind="stable").reset_index(drop=True)
    signals["signal_id"] = _numbered("S", len(signals))
    people = complaints.drop_duplicates("complainant")
    return {
        "complaints": complaints,
        "signals": signals,
        "truth_complaints": complaints[["complaint_id", "kind"]],
        "truth_complainants": pd.DataFrame(
            {
                "complainant": people["complainant"],
                "professional": (people["kind"] == "professional").to_numpy(),
            }
        ),
    }


def _tiers(run: Run) -> pd.DataFrame:
    world = run.end
    state = world.state
    alive = np.flatnonzero(world.alive())
    calendar = _Calendar(run)
    return pd.DataFrame(
        {
            "enterprise_id": world.ids[alive],
            "assigned_on": calendar.day(np.maximum(state.tier_week[alive], 0), 0).astype("datetime64[us]"),
            "tier": _levels(TIERS, state.tier[alive]),
            "risk_level": state.risk_level[alive].astype(np.int64) + 1,
            "credit_grade": _levels(GRADES, state.grade[alive]),
            "policy": run.policy.name,
        }
    )


def state_columns(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the engine's state as columns of the truth tables: of obligations, of enterprises."""
    n = world.enterprises
    of_obligations: dict[str, Any] = {}
    of_enterprises: dict[str, Any] = {}
    for name, values in world.state._asdict().items():
        if name in TABLES["truth"].columns:
            of_obligations[name] = values
        elif name in TABLES["truth_enterprises"].columns:
            of_enterprises[name] = values
        elif f"{name}_0" in TABLES["truth_enterprises"].columns:
            flat = values.reshape(n, -1)
            of_enterprises |= {f"{name}_{k}": flat[:, k] for k in range(flat.shape[1])}
    return of_obligations, of_enterprises


def write_records(run: Run) -> dict[str, pd.DataFrame]:
    """Return the tables of records of a run.

    Parameters
    ----------
    run : Run

    Returns
    -------
    dict of str to DataFrame
        ``inspections``, ``credit_events``, ``complaints``, ``signals``, ``tiers`` of the data contract, and
        ``truth_complaints``, ``truth_complainants``.
    """
    calendar = _Calendar(run)
    inspections, facts = _inspections(run, calendar)
    order = np.lexsort((inspections["check_code"], inspections["inspected_on"]))
    tables = {
        "inspections": inspections.iloc[order],
        "credit_events": _credit_events(run, calendar, facts),
        **_signals(run, calendar, facts),
        "tiers": _tiers(run),
    }
    return {
        name: conform(table[[c for c in table.columns if c in TABLES[name].columns]], name, run.start.place)
        for name, table in tables.items()
    }
