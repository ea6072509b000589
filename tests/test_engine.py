"""What the engine promises whatever the policy: keyed draws, equal bits, exact accounts, each rule's word."""

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.worlds import (
    ALL_ON,
    LEGACY,
    busy_world,
    changes,
    load,
    plain_world,
    policy_of,
    scores_of,
    with_parameters,
)
from tierkit.city.engine import TALLY, Run, engine, oracle_scores, run
from tierkit.city.limits import MAX_SEED
from tierkit.city.world import NEVER, State, World
from tierkit.policy import INSTRUMENTS, Policy, presets
from tierkit.policy.tiers import assign, listed
from tierkit.records import CHANNELS, EVENT_KINDS, GRAVITY, SHANGHAI, TIERS, UNINSPECTED_KINDS

AGENCIES = SHANGHAI.ids("agency")

RANDOM, TRIGGER, FOLLOWUP, CAMPAIGN, COMMITMENT, ROUTINE = range(len(CHANNELS))
ONSITE, JOINT, OFFSITE = range(3)
ROWS = ("log", "signals", "events", "tally", "counts", "demanded", "served", "saved", "first_tier")


def same_bits(a: Run, b: Run) -> bool:
    rows = all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ROWS)
    return rows and all(np.array_equal(x, y) for x, y in zip(a.end.state, b.end.state, strict=True))


def table(done: Run) -> pd.DataFrame:
    """Return the log with the enterprise, the agency, its level and the item class of each row."""
    log = done.table()
    world = done.start.fixed
    i = log["obligation"].to_numpy()
    agency = world.agency[i]
    return log.assign(
        slot=world.enterprise[i].astype(np.int64),
        agency=agency,
        level=world.agency_level[agency],
        item_class=world.item_class[i],
        item=world.item[i],
        at=log["week"] - done.start.week,
    )


def watched(
    frame: World, policy: Policy, weeks: int, *parts: str, **options: Any
) -> tuple[Run, dict[str, Any]]:
    """Return a run, and parts of the state in each of its weeks, shape (weeks, ...)."""
    seen: dict[str, list[NDArray[Any]]] = {part: [] for part in parts}

    def observe(_week: int, state: State) -> None:
        for part in parts:
            seen[part].append(getattr(state, part).copy())

    done = run(frame, policy, weeks, observe=observe, **options)
    return done, {part: np.stack(values) for part, values in seen.items()}


def staying(frame: World) -> World:
    """Return the world without those who would leave."""
    state = frame.state.copy()
    state.left[:] = np.where(state.left > frame.week, NEVER, state.left)
    return dataclasses.replace(under_one_name(frame), state=state)


def under_one_name(frame: World) -> World:
    """Return the world in which nobody re-registers."""
    nobody = np.full_like(frame.fixed.successor_of, -1)
    return dataclasses.replace(frame, fixed=frame.fixed._replace(successor_of=nobody))


# Equal bits


def test_equal_policies_give_equal_bits() -> None:
    frame = busy_world()
    policy = policy_of(ALL_ON)
    again = Policy.loads(policy.to_toml())
    assert again == policy
    assert same_bits(run(frame, policy, 60, kappa=0.1), run(frame, again, 60, kappa=0.1))


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    frame = plain_world()
    first = run(frame, LEGACY, 30, seed=5, replicate=2)
    assert same_bits(first, run(frame, LEGACY, 30, seed=5, replicate=2))
    assert same_bits(run(frame, LEGACY, 30), run(frame, LEGACY, 30, seed=frame.seed, replicate=0))
    for seed, replicate in ((6, 2), (5, 3), (2, 5)):
        other = run(frame, LEGACY, 30, seed=seed, replicate=replicate)
        drawn = {tuple(row) for row in first.log[:, :2].tolist()}
        shared = drawn & {tuple(row) for row in other.log[:, :2].tolist()}
        assert len(shared) < len(drawn) / 10


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("chunk", [1, 97, 10**6])
def test_threads_and_slices_change_nothing(threads: int, chunk: int) -> None:
    frame, policy = busy_world(), policy_of(ALL_ON)
    whole = run(frame, policy, 56, kappa=0.25)
    assert same_bits(whole, run(frame, policy, 56, kappa=0.25, threads=threads, chunk_obligations=chunk))


def test_a_run_leaves_the_world_as_it_was_and_shares_nothing_with_its_end() -> None:
    frame = busy_world()
    before = frame.state.copy()
    world = [part.copy() for part in frame.fixed]
    done = run(frame, policy_of(ALL_ON), 20, kappa=0.1)
    assert all(np.array_equal(a, b) for a, b in zip(frame.state, before, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(frame.fixed, world, strict=True))
    assert not any(np.shares_memory(a, b) for a, b in zip(frame.state, done.end.state, strict=True))
    assert done.start is frame
    assert (done.weeks, done.end.week) == (20, frame.week + 20)


def test_progress_counts_the_weeks() -> None:
    told: list[tuple[int, int]] = []
    run(busy_world(35, 3), LEGACY, 4, progress=lambda done, weeks: told.append((done, weeks)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


# Keyed draws

T4_ALONE = {
    "frequency.tier.T4.general": 5.0,
    "frequency.tier.T4.key": 0.0,
    "depth.tier.T4": 3.0,
}
UNCOUPLED = {
    "scoring.logic": "composite",
    "scoring.composite_cutoffs": [620, 660, 690],
    "frequency.base_rate": 3.0,
    "capacity.multiplier": 1000.0,
    "offsite.coverage": 0.3,
    "offsite.substitution": 0.5,
    "lists.unmonitored.enabled": True,
    "campaign.rate": 0.5,
    "review.cadence_weeks": 4,
}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_outcomes_of_t1_to_t3_are_equal_under_a_reform_of_t4_alone(seed: int) -> None:
    frame = under_one_name(busy_world(150, seed))
    base = policy_of(UNCOUPLED)
    (a, tiers_a), (b, tiers_b) = (
        watched(frame, policy, 78, "tier", "violation", "conduct", seed=seed)
        for policy in (base, policy_of(T4_ALONE, base))
    )
    worst = TIERS.index("T4")
    touched = (tiers_a["tier"] == worst) | (tiers_b["tier"] == worst)
    since = np.where(touched.any(axis=0), touched.argmax(axis=0), 78)  # first week in T4 under either policy
    never = since == 78
    assert 0.05 < (~never).mean() < 0.95
    rows_a, rows_b = table(a), table(b)
    assert not np.array_equal(a.log, b.log)
    # enterprises never in T4: every row and the whole end; the others: every row before they came there
    before_a, before_b = (
        rows[rows["at"] < since[rows["slot"]]].reset_index(drop=True) for rows in (rows_a, rows_b)
    )
    pd.testing.assert_frame_equal(before_a, before_b)
    assert len(before_a) > 300
    owner = frame.fixed.enterprise
    for x, y, name in zip(a.end.state, b.end.state, State._fields, strict=True):
        if name not in ("perceived", "fear"):  # what enterprises see of each other; κ = 0 gives it no effect
            mine = never[owner] if len(x) == len(owner) else never
            assert np.array_equal(x[mine], y[mine]), name
    signals_a, signals_b = (
        done.signals[done.signals[:, 0] - frame.week < since[owner[done.signals[:, 1]]]] for done in (a, b)
    )
    assert np.array_equal(signals_a, signals_b)


@pytest.mark.parametrize(
    "coupling",
    [
        {"capacity.multiplier": 0.7},
        {"check_code.action": "merge", "check_code.window_weeks": 4},
        {"kappa": 2.0},
        {"re-registers": True},
    ],
    ids=["capacity", "merging", "deterrence", "re-registration"],
)
def test_each_coupling_carries_a_reform_of_t4_to_the_others(coupling: dict[str, Any]) -> None:
    # so that the test above is not equal for want of anything happening
    frame = busy_world(150, 1)
    if "re-registers" not in coupling:
        frame = under_one_name(frame)
    kappa = coupling.get("kappa", 0.0)
    base = policy_of(UNCOUPLED | {k: v for k, v in coupling.items() if "." in k})
    runs = [watched(frame, p, 78, "tier", kappa=kappa) for p in (base, policy_of(T4_ALONE, base))]
    never = ~np.any([(seen["tier"] == 3).any(axis=0) for _, seen in runs], axis=0)
    a, b = (rows[never[rows["slot"]]].to_numpy() for rows in (table(done) for done, _ in runs))
    if "check_code.action" in coupling:  # merging stays within an enterprise, so it carries nothing
        assert np.array_equal(a, b)
    else:
        assert a.shape != b.shape or not np.array_equal(a, b)


def test_every_draw_is_equal_under_unequal_policies() -> None:
    frame = under_one_name(busy_world(150, 2))
    other = policy_of(
        ALL_ON | {"frequency.random_floor": LEGACY["frequency.random_floor"], "capacity.multiplier": 0.5}
    )
    a, b = run(frame, LEGACY, 78, kappa=0.0), run(frame, other, 78, kappa=0.5)
    # what no policy moves: credit events, complaints by professionals and by mistake
    assert np.array_equal(a.events[:, :3], b.events[:, :3])
    for kind in (1, 2):
        one, two = (done.signals[done.signals[:, 2] == kind][:, [0, 1]] for done in (a, b))
        assert len(one) > 50
        assert np.array_equal(one, two)
    # what policies move only through thresholds: the draw of the same decision is the same
    rows_a, rows_b = table(a), table(b)
    met = rows_a.merge(rows_b, on=["obligation", "week"])
    met = met[(met["mode_x"] != OFFSITE) & (met["mode_y"] != OFFSITE)]
    assert len(met) > 50
    assert (met["inspector_x"] == met["inspector_y"]).all()
    begun = [
        rows.loc[rows["violation"] > 0, ["obligation", "since", "violation"]].drop_duplicates()
        for rows in (rows_a, rows_b)
    ]
    both = begun[0].merge(begun[1], on=["obligation", "since"])
    assert len(both) > 50
    assert (both["violation_x"] == both["violation_y"]).all()


@pytest.mark.parametrize("low", [0.01, 0.1])
def test_a_higher_random_floor_keeps_every_audit_of_the_lower_one(low: float) -> None:
    frame = staying(plain_world())
    kept = []
    for floor in (low, 3 * low):
        done = run(frame, policy_of({"frequency.random_floor": floor, "capacity.multiplier": 1000.0}), 52)
        rows = table(done)
        kept.append(
            {tuple(row) for row in rows.loc[rows["channel"] == RANDOM, ["obligation", "week"]].to_numpy()}
        )
    assert kept[0] < kept[1]


# Conservation


def check_accounts(done: Run) -> None:
    """Check the accounts of a run against its log."""
    done.check_conservation()
    rows = table(done)
    went = np.zeros((done.weeks, len(AGENCIES), 3), np.int64)
    np.add.at(went, (rows["at"], rows["agency"], rows["mode"]), 1)
    columns = [TALLY.index(name) for name in ("alone", "joint", "offsite")]
    assert np.array_equal(done.tally[:, :, columns], went)
    made = rows[rows["mode"] != OFFSITE]
    served = np.zeros_like(done.served)
    np.add.at(served, (made["at"], made["agency"], made["channel"]), 1)
    assert np.array_equal(done.served, served)
    lost = [TALLY.index(name) for name in ("lapsed", "put_off")]
    # Routine checks whose place an alert's check took are turned away whatever the room.
    turned = (done.demanded - done.served).sum(axis=2) - done.tally[:, :, TALLY.index("replaced")]
    assert (turned >= done.tally[:, :, lost].sum(axis=2)).all()  # some were arranged already
    room = np.floor(done.start.fixed.capacity * done.policy["capacity.multiplier"])
    room = np.maximum(room, done.demanded[:, :, RANDOM])  # audits by lot pass
    assert (done.served.sum(axis=2) <= room).all()
    assert ((done.served.sum(axis=2) == room) | (turned == 0)).all()
    assert np.array_equal(done.served[:, :, RANDOM], done.demanded[:, :, RANDOM])
    joint = made[made["mode"] == JOINT].groupby(["week", "slot"])["agency"].nunique() - 1
    saved = joint.groupby("week").sum().reindex(range(done.start.week, done.end.week), fill_value=0)
    assert np.array_equal(done.saved, saved)


@settings(max_examples=50)
@given(
    reform=changes(),
    world=st.sampled_from([(60, 1), (60, 2), (35, 3)]),
    weeks=st.sampled_from([3, 40, 70]),
    seed=st.integers(0, MAX_SEED),
    kappa=st.sampled_from([0.0, 0.5]),
)
def test_accounts_are_exact_for_each_week_and_agency(
    reform: dict[str, Any], world: tuple[int, int], weeks: int, seed: int, kappa: float
) -> None:
    check_accounts(run(busy_world(*world), policy_of(reform), weeks, seed=seed, kappa=kappa))


@pytest.mark.parametrize("preset", presets())
def test_accounts_are_exact_under_every_preset(preset: str) -> None:
    check_accounts(run(plain_world(), load(preset), 60, kappa=0.1))


def test_conservation_is_able_to_fail_and_names_the_place() -> None:
    done = run(busy_world(35, 3), LEGACY, 6)
    done.tally[4, 1, TALLY.index("alone")] += 1
    with pytest.raises(AssertionError, match=r"week 4, fire: \d+ demanded, \d+ accounted for \(\{'new'"):
        done.check_conservation()


@pytest.mark.parametrize("longest", [0, 1, 4])
def test_what_is_put_off_comes_back_the_next_week_and_lapses_in_time(longest: int) -> None:
    frame = staying(busy_world(150, 1))
    short = {"capacity.multiplier": 0.4, "capacity.max_postpone_weeks": longest, "frequency.base_rate": 12.0}
    done = run(frame, policy_of(ALL_ON | short), 40)
    put_off, carried, lapsed = (
        done.tally[:, :, TALLY.index(name)] for name in ("put_off", "carried_in", "lapsed")
    )
    assert np.array_equal(carried[1:], put_off[:-1])
    assert lapsed.sum() > 0
    assert (put_off.sum() > 0) == (longest > 0)
    rows = table(done)
    assert rows["age"].max() == longest
    # who was served before whom: by channel, and only where there was too little room
    turned = done.demanded - done.served
    for channel in range(len(CHANNELS) - 1):
        later_served = done.served[:, :, channel + 1 :].sum(axis=2)
        assert not ((turned[:, :, channel] > 0) & (later_served > 0)).any()


# The rules, each by its word


def visits_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the visits by lot or plan by enterprise, level and year; agencies that go together make one."""
    on_site = rows[rows["channel"].isin([RANDOM, COMMITMENT, ROUTINE]) & (rows["mode"] != OFFSITE)]
    on_site = on_site[on_site["coded"] == 1]  # what no register holds, no cap can count
    on_site = on_site.assign(year=on_site["at"] // 40, by_lot=on_site["channel"] == RANDOM)
    visits = on_site.groupby(["slot", "level", "year", "week", "visit"])["by_lot"].any().reset_index()
    weekly = (
        visits.groupby(["slot", "level", "year", "week"]).size().groupby(["slot", "level", "year"]).cumsum()
    )
    return visits.join(weekly.rename("so_far"), on=["slot", "level", "year", "week"])


@settings(max_examples=15)
@given(
    cap=st.integers(1, 4),
    action=st.sampled_from(["none", "merge", "refuse"]),
    capacity=st.sampled_from([0.6, 100.0]),
    seed=st.integers(0, MAX_SEED),
)
def test_nobody_is_visited_more_often_than_the_cap_allows(
    cap: int, action: str, capacity: float, seed: int
) -> None:
    reform = {"cap.planned_visits": cap, "check_code.action": action, "capacity.multiplier": capacity}
    done = run(busy_world(), policy_of(ALL_ON | reform), 110, seed=seed)
    assert done.tally[:, :, TALLY.index("cap")].sum() > 0
    visits = visits_of(table(done))
    planned = visits[~visits["by_lot"]]  # a planned check may ride along with an audit by lot
    assert planned["so_far"].max() == cap
    assert planned.groupby(["slot", "level", "year"]).size().max() <= cap


def test_the_cap_counts_afresh_every_period_and_never_stops_a_trigger() -> None:
    done = run(busy_world(), policy_of(ALL_ON | {"cap.planned_visits": 1, "capacity.multiplier": 100.0}), 110)
    rows = table(done)
    visits = visits_of(rows)[lambda visits: ~visits["by_lot"]]
    assert set(visits["year"]) == {0, 1, 2}
    assert visits.groupby(["slot", "level"]).size().max() > 1
    triggered = rows[rows["channel"].isin([TRIGGER, FOLLOWUP])]
    assert triggered.groupby(["slot", "level", triggered["at"] // 40]).size().max() > 1


def test_listed_enterprises_get_no_planned_inspection_but_by_lot_and_by_order() -> None:
    frame = busy_world(200, 1)
    done, seen = watched(frame, policy_of(ALL_ON | {"lists.no_disturb.items": []}), 60, "listed")
    rows = table(done)
    listed = seen["listed"][rows["at"], rows["slot"]] == 1
    assert set(rows.loc[listed, "channel"]) <= {RANDOM, TRIGGER, FOLLOWUP, CAMPAIGN}
    assert set(rows.loc[listed, "channel"]) >= {RANDOM, TRIGGER, CAMPAIGN}
    assert set(rows.loc[~listed, "channel"]) == set(range(6))
    assert done.tally[:, :, TALLY.index("list")].sum() > 0
    alive = (frame.fixed.entered <= frame.week + 59) & (done.end.state.left > frame.week + 59)
    assert 0.1 < seen["listed"][-1][alive].mean() < 0.9


def test_listed_items_get_no_planned_inspection_but_by_lot_and_by_order() -> None:
    done = run(busy_world(200, 1), policy_of(ALL_ON | {"lists.unmonitored.enabled": False}), 60)
    rows = table(done)
    ids = dict(
        zip(range(60), (f"{a}-{n}" for a in AGENCIES for n in ("g1", "g2", "g3", "k1", "k2")), strict=True)
    )
    listed = rows["item"].map(ids).isin(ALL_ON["lists.no_disturb.items"])
    assert set(rows.loc[listed, "channel"]) <= {RANDOM, TRIGGER, FOLLOWUP, CAMPAIGN}
    assert {RANDOM, TRIGGER, CAMPAIGN} <= set(rows.loc[listed, "channel"])
    assert done.tally[:, :, TALLY.index("item")].sum() > 0


def test_random_audits_are_on_site_alone_at_reference_depth_and_wait_for_nobody() -> None:
    frame = busy_world()
    reform = {"capacity.multiplier": 0.0, "frequency.random_floor": 0.3}
    blind = {f"depth.tier.{tier}": 1e-9 for tier in TIERS}  # planned checks see nothing, audits by lot all
    done = run(frame, policy_of(ALL_ON | reform), 60)
    lot = table(done)[lambda rows: rows["channel"] == RANDOM]
    assert len(lot) > 100
    assert done.served.sum() == len(lot)  # nobody else has room
    assert set(lot["mode"]) == {ONSITE}
    assert (lot["age"] == 0).all()
    done = run(frame, policy_of(ALL_ON | {"depth.inspector_sd": 0.0} | blind), 60)
    rows = table(done)
    violating = rows[rows["violation"] > 0]
    seen = violating["finding"] > 0
    assert 0.5 < seen[violating["channel"] == RANDOM].mean() < 0.9
    assert not seen[(violating["channel"] != RANDOM) & (violating["mode"] != OFFSITE)].any()


def test_a_second_agency_is_refused_within_the_window() -> None:
    window = 3
    reform = {
        "check_code.action": "refuse",
        "check_code.window_weeks": window,
        "check_code.unregistered_share": 0.0,
    }
    done = run(busy_world(), policy_of(ALL_ON | reform | {"joint.sectors": []}), 60)
    assert done.tally[:, :, TALLY.index("window")].sum() > 0
    rows = table(done)[lambda rows: rows["mode"] != OFFSITE]
    for _slot, mine in rows.groupby("slot"):
        for row in mine[mine["channel"].isin([COMMITMENT, ROUTINE])].itertuples():
            earlier = mine[(mine["week"] < row.week)]
            if len(earlier):
                last = earlier.iloc[-1]
                assert row.week - last["week"] > window or last["agency"] == row.agency
            together = mine[(mine["week"] == row.week) & mine["channel"].isin([COMMITMENT, ROUTINE])]
            assert len(set(together["agency"])) == 1


def test_merging_brings_inspections_forward_and_loses_none() -> None:
    # feedbacks of scores off, room for all: the same draws are made, some of them earlier
    calm = {
        "scoring.rule_gradient": 0.0,
        "capacity.multiplier": 1000.0,
        "frequency.base_rate": 8.0,
        "trigger.genuine": 0.0,
        "trigger.professional": 0.0,
        "trigger.incident": 0.0,
        "trigger.alert": 0.0,
        **{f"trigger.followup.{s}": 0.0 for s in ("minor", "moderate", "serious")},
        "commitment.check_share": 0.0,
    }
    window, weeks = 5, 60
    merged = {
        "check_code.action": "merge",
        "check_code.window_weeks": window,
        "check_code.unregistered_share": 0.0,
    }
    frame = staying(busy_world())
    alone, together = run(frame, policy_of(calm), weeks + window), run(frame, policy_of(calm | merged), weeks)
    a, b = ({*zip(rows["obligation"], rows["drawn"], strict=True)} for rows in (
        table(done)[lambda rows: rows["channel"] == ROUTINE] for done in (alone, together)
    ))  # fmt: skip
    rows = table(together)[lambda rows: rows["channel"] == ROUTINE]
    last = frame.week + weeks
    assert b <= a  # nothing but what was drawn
    lost = {(i, week) for i, week in a - b if week < last}
    by_lot = {
        *zip(
            *(table(together)[lambda rows: rows["channel"] < ROUTINE][c] for c in ("obligation", "week")),
            strict=True,
        )
    }
    assert lost <= by_lot  # a draw of an obligation that is audited by lot that week is its duplicate
    assert ((rows["drawn"] >= rows["week"]) & (rows["drawn"] <= rows["week"] + window)).all()
    assert (rows["drawn"] > rows["week"]).sum() > 100
    assert together.saved.sum() > 0


def test_a_trigger_comes_after_its_delay_and_only_once() -> None:
    frame = busy_world()
    for delay in (0, 3):
        reform = {"trigger.delay_weeks": delay, "trigger.genuine": 1.0, "trigger.followup.minor": 0.0}
        done = run(frame, policy_of(reform | {"capacity.multiplier": 1000.0}), 40)
        rows = table(done)
        checks = {
            (i, week - delay): cause
            for i, week, cause in rows.loc[
                rows["channel"] == TRIGGER, ["obligation", "week", "cause"]
            ].to_numpy()
            if week - delay >= frame.week + 2  # what the past had arranged is over by then
        }
        opened = {(i, week): kind + 1 for week, i, kind, outcome, _ in done.signals.tolist() if outcome == 1}
        assert len(checks) > 50
        assert all(opened[key] == cause for key, cause in checks.items())
        audited = {*zip(rows["obligation"], rows["week"], strict=True)}
        gone = dict(enumerate(done.end.state.left.tolist()))
        for i, week in (
            opened.keys() - checks.keys()
        ):  # an audit by lot stood in, the enterprise left, or the run ended
            leaves = gone[int(frame.fixed.enterprise[i])] <= week + delay
            assert (i, week + delay) in audited or leaves or week + delay >= frame.week + 40


def test_nobody_is_inspected_before_entry_or_after_exit() -> None:
    frame = busy_world()
    done = run(frame, policy_of(ALL_ON), 70)
    rows = table(done)
    for slots, weeks in (
        (rows["slot"], rows["week"]),
        (done.events[:, 1], done.events[:, 0]),
        (frame.fixed.enterprise[done.signals[:, 1]], done.signals[:, 0]),
    ):
        assert (frame.fixed.entered[slots] <= weeks).all()
        assert (weeks < done.end.state.left[slots]).all()
    came = (frame.fixed.entered > frame.week) & (frame.fixed.entered < done.end.week)
    assert np.isin(rows["slot"], np.flatnonzero(came)).any()
    alive = (frame.fixed.entered[:, None] <= np.arange(frame.week, done.end.week)) & (
        np.arange(frame.week, done.end.week) < done.end.state.left[:, None]
    )
    held = np.diff(frame.fixed.start)
    assert np.array_equal(done.counts.sum(axis=(1, 2, 3)), held @ alive)


def test_a_finding_ends_the_violation_and_a_clean_check_leaves_it() -> None:
    done = run(busy_world(), policy_of(ALL_ON), 60)
    rows = table(done)
    assert (rows.loc[rows["finding"] > 0, "finding"] == rows.loc[rows["finding"] > 0, "violation"]).all()
    assert ((rows["disposition"] > 0) == (rows["finding"] > 0)).all()
    assert ((rows["record_until"] > 0) == (rows["disposition"] >= 3)).all()
    found = rows[rows["finding"] > 0]
    later = rows.merge(found[["obligation", "week"]], on="obligation", suffixes=("", "_found"))
    later = later[(later["week"] > later["week_found"]) & (later["violation"] > 0)]
    assert len(later) > 20
    assert (later["since"] > later["week_found"]).all()


def test_lenience_keeps_its_word() -> None:
    frame = busy_world(200, 2)
    base = {
        "disposition.penalised.minor": 1.0,
        "disposition.penalised.moderate": 1.0,
        "frequency.base_rate": 10.0,
    }

    def findings(reform: dict[str, Any]) -> pd.DataFrame:
        done, seen = watched(frame, policy_of(base | reform), 60, "found_week")
        rows = table(done)[lambda rows: rows["finding"] > 0]
        before = np.concatenate([frame.state.found_week[None], seen["found_week"][:-1]])
        last = before[rows["at"], rows["obligation"]]
        return rows.assign(first=rows["week"] - last > 104)

    waived, rectified, penalised = 1, 2, 3
    everywhere = {"lenience.minor_waiver": 1.0, "lenience.first_only": False, "lenience.off_list": True}
    rows = findings(everywhere)
    assert (rows.loc[rows["finding"] == 1, "disposition"] == waived).all()
    assert (rows.loc[rows["finding"] == 2, "disposition"] == penalised).all()
    rows = findings(everywhere | {"lenience.first_only": True})
    minor = rows[rows["finding"] == 1]
    assert ((minor["disposition"] == waived) == minor["first"]).all()
    assert 0 < minor["first"].mean() < 1
    rows = findings(everywhere | {"lenience.off_list": False})
    minor = rows[rows["finding"] == 1]
    assert ((minor["disposition"] == waived) == (minor["item_class"] == 0)).all()
    rows = findings(
        {"lenience.minor_waiver": 0.0, "lenience.rectify_first": True, "lenience.first_only": True}
    )
    moderate = rows[rows["finding"] == 2]
    assert ((moderate["disposition"] == rectified) == moderate["first"]).all()
    assert (rows.loc[rows["finding"] == 1, "disposition"] == penalised).all()


# Scores and tiers


def alive_only(frame: World, here: NDArray[np.bool_]) -> World:
    """Return the world without those who are not there now."""
    state = frame.state.copy()
    state.left[~here] = np.minimum(state.left[~here], frame.week)
    return dataclasses.replace(frame, state=state)


@pytest.mark.parametrize("preset", [name for name in presets() if not load(name).oracle])
def test_starting_tiers_are_those_that_the_tier_rule_assigns(preset: str) -> None:
    frame = busy_world(200, 1)
    scores = scores_of(frame, 4)
    here = frame.alive() & np.isin(frame.ids, scores["enterprise_id"])
    policy = policy_of({"scoring.basis": "model", "red_lines.tax_arrears": "C"}, load(preset))
    done, seen = watched(frame, policy, 1, "risk_level", "grade", "listed", scores=scores)
    adverse = [kind for kind in UNINSPECTED_KINDS if kind in GRAVITY]
    columns = [UNINSPECTED_KINDS.index(kind) for kind in adverse]
    state, week, w = frame.state, frame.week, frame.fixed
    until = state.adverse_until[here][:, columns]
    caps = np.array(["ABCD".index(policy[f"red_lines.{kind}"]) for kind in adverse])
    capped = np.where(until > week, caps, 0)
    gravest = np.array(adverse, object)[capped.argmax(axis=1)]
    assert set(gravest) <= set(EVENT_KINDS)
    standing: list[str] = []
    for e in np.flatnonzero(here):
        ages = {kind: week - state.adverse_week[e, k] for kind, k in zip(adverse, columns, strict=True)
                if week < state.adverse_until[e, k]}  # fmt: skip
        mine = slice(w.start[e], w.start[e + 1])
        fined = state.record_week[mine][week < state.record_until[mine]]
        ages |= {"penalty": week - fined.max()} if len(fined) else {}
        standing.append(";".join(f"{kind}:{age}" for kind, age in ages.items()))
    given_ = scores.set_index("enterprise_id").loc[frame.ids[here]].reset_index()
    given_ = given_.assign(
        sector=pd.Series(w.sector[here]).map(dict(enumerate(frame.place.ids("sector")))),
        red_line=np.where(capped.max(axis=1) > 0, gravest, None),
        standing_records=standing,
        adverse_record=state.recorded[here] == 1,
        serious_finding_weeks=np.where(
            state.serious_week[here] >= 0, week - state.serious_week[here], np.nan
        ),
    )
    wanted = assign(given_, policy)
    assert (capped > 0).any()
    assert np.array_equal(wanted["tier"].cat.codes, done.first_tier[here])
    assert np.array_equal(wanted["risk_level"] - 1, seen["risk_level"][0][here])
    if not policy["scoring.scope_sectors"]:
        assert np.array_equal(wanted["credit_grade"].cat.codes, seen["grade"][0][here])
    # who has no score is on the engine's lists as well, so that everybody has one here
    frame = alive_only(frame, here)
    done, seen = watched(frame, policy, 1, "listed", "unseen", scores=scores)
    agencies = np.array(frame.place.ids("agency"))[w.agency]
    pairs = pd.DataFrame({"enterprise_id": frame.ids[w.enterprise], "agency": agencies})
    on = listed(given_, policy, pairs).set_index(["enterprise_id", "agency"])["listed"]
    mine = here[w.enterprise]
    names = pd.MultiIndex.from_frame(pairs[mine].astype("str"))
    assert np.array_equal(on.reindex(names).to_numpy(bool), seen["unseen"][0][mine] == 1)
    assert seen["listed"][0][here].any() == on.any()


def test_tiers_move_at_reviews_only_and_after_their_dwell() -> None:
    frame = staying(busy_world(200, 1))
    reform = {"review.cadence_weeks": 6, "review.dwell_weeks": 10, "red_lines.tax_arrears": "A"}
    # What an open record or a floor states for a tier or a grade waits for no dwell.
    reform |= INSTRUMENTS["floors"].off
    reform |= {"red_lines.serious_dishonesty": "A", "escalation.kinds": [], "red_line_tier.kinds": []}
    done, seen = watched(frame, policy_of(ALL_ON | reform), 80, "tier", "changes", "flips")
    here = frame.alive()
    path = seen["tier"][:, here]
    moves = path[1:] != path[:-1]
    at = 1 + np.flatnonzero(moves.any(axis=1))
    assert len(at) > 3
    assert (at % 6 == 0).all()
    for column in moves.T:
        gaps = np.diff(np.concatenate([[0], 1 + np.flatnonzero(column)]))
        assert (gaps >= 10).all()
    assert np.array_equal(moves.sum(axis=0), seen["changes"][-1][here])
    assert (seen["flips"][-1] <= seen["changes"][-1]).all()
    assert np.array_equal(done.first_tier[here], path[0])


def scrambled(frame: World) -> World:
    """Return the world with its truth shuffled among the obligations; no record changes."""
    order = np.random.default_rng(0).permutation(frame.obligations)
    world = frame.fixed._replace(hazard=frame.fixed.hazard[order], hunch=frame.fixed.hunch[order])
    state = frame.state._replace(violation=frame.state.violation[order], since=frame.state.since[order])
    return dataclasses.replace(frame, fixed=world, state=state)


@pytest.mark.parametrize("preset", presets())
def test_only_the_oracle_knows_the_truth(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, policy = plain_world(), load(preset)
    scores = scores_of(frame, 1)
    a, b = (
        watched(one, policy, 1, "listed", "known_rate", scores=scores) for one in (frame, scrambled(frame))
    )
    told = [np.array_equal(a[0].first_tier, b[0].first_tier)]
    told += [np.array_equal(a[1][part], b[1][part]) for part in ("listed", "known_rate")]
    assert all(told) != policy.oracle

    def refuse(*_: object) -> None:
        raise AssertionError("the truth was asked for")

    monkeypatch.setattr(engine, "oracle_scores", refuse)
    if policy.oracle:
        with pytest.raises(AssertionError, match="the truth was asked for"):
            run(frame, policy, 1, scores=scores)
    else:
        run(frame, policy, 1, scores=scores)


def test_the_oracle_takes_the_truth_over_any_score_and_orders_tiers_by_it() -> None:
    frame, oracle = plain_world(), load("oracle")
    done = run(frame, oracle, 1)
    assert same_bits(done, run(frame, oracle, 1, scores=scores_of(frame, 1)))
    truth = oracle_scores(frame, oracle["depth.detection"])["risk_probability"].to_numpy()
    here = frame.alive()
    edges = [
        (truth[here & (done.first_tier == t)].min(), truth[here & (done.first_tier == t)].max())
        for t in range(4)
    ]
    assert all(low[1] < high[0] for low, high in pairwise(edges))


def test_true_risk_is_the_mean_share_in_violation_times_detection() -> None:
    frame = plain_world()
    p = frame.parameters
    severities = ("minor", "moderate", "serious")
    weeks = sum(p[f"violation.severity.{s}"] / p[f"violation.mend.{s}"] for s in severities)
    hazard = np.exp(frame.fixed.hazard / 512 - 12.0)
    share = pd.Series(hazard * weeks / (1 + hazard * weeks)).groupby(frame.fixed.enterprise).mean()
    told = oracle_scores(frame, 0.6)
    assert told["risk_probability"].to_numpy() == pytest.approx(0.6 * share.to_numpy(), rel=1e-12)


def test_rule_policies_ignore_scores_and_model_policies_do_not() -> None:
    frame = plain_world()
    scores = scores_of(frame, 1)
    assert same_bits(run(frame, LEGACY, 20), run(frame, LEGACY, 20, scores=scores))
    model = load("shanghai-2025")
    assert not same_bits(run(frame, model, 20), run(frame, model, 20, scores=scores))
    shuffled = scores.sample(frac=1, random_state=3)
    assert same_bits(run(frame, model, 20, scores=scores), run(frame, model, 20, scores=shuffled))


def test_entrants_start_at_the_mean_of_their_sector() -> None:
    frame = busy_world()
    scores = scores_of(frame, 2)
    _, seen = watched(frame, policy_of({"scoring.basis": "model"}), 1, "points0", scores=scores)
    sector = dict(zip(frame.ids, frame.fixed.sector, strict=True))
    mean = scores["credit_points"].groupby(scores["enterprise_id"].map(sector)).mean()
    unknown = ~np.isin(frame.ids, scores["enterprise_id"])
    wanted = mean.reindex(frame.fixed.sector[unknown]).fillna(scores["credit_points"].mean())
    assert seen["points0"][0][unknown] == pytest.approx(wanted * 16, abs=1)  # on the grid of 1/16 point


# Errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weeks": 0}, r"The 'weeks' must be in 1 … \d+\. Got 0\."),
        ({"weeks": 5_000}, r"The 'weeks' must be in 1 … \d+\. Got 5000\."),
        ({"seed": -1}, rf"The 'seed' must be in 0 … {MAX_SEED}\. Got -1\."),
        ({"seed": MAX_SEED + 1}, r"The 'seed' must be in"),
        ({"replicate": -1}, r"The 'replicate' must be in"),
        ({"threads": 0}, r"The 'threads' and 'chunk_obligations' must be at least 1\."),
        ({"chunk_obligations": 0}, r"The 'threads' and 'chunk_obligations' must be at least 1\."),
        ({"kappa": -0.1}, r"The 'kappa' must be in \[0, 2\]\. Got -0\.1\."),
        ({"kappa": float("nan")}, r"The 'kappa' must be in \[0, 2\]\. Got nan\."),
    ],
)
def test_arguments_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(busy_world(35, 3), LEGACY, **{"weeks": 4} | options)


def spoiled(column: str, value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def spoil(scores: pd.DataFrame) -> pd.DataFrame:
        values = scores[column].copy()
        values.iloc[0] = value
        return scores.assign(**{column: values})

    return spoil


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda s: s.drop(columns="credit_points"),
            r"The 'scores' must have the columns \['credit_points'\]\.",
        ),
        (lambda s: s.assign(enterprise_id="nobody").head(1), r"The 'scores' hold none of the enterprises"),
        (spoiled("risk_probability", 0.0), r"A 'risk_probability' must be in \(0, 1\)"),
        (spoiled("risk_probability", 1.0), r"A 'risk_probability' must be in \(0, 1\)"),
        (spoiled("credit_points", np.inf), r"'credit_points' finite"),
        (
            lambda s: s.assign(credit_points=np.nan),
            r"The 'scores' hold no credit, as of a model by risk alone",
        ),
        (
            lambda s: pd.concat([s, s.head(2)]),
            r"The 'scores' must have one row per enterprise; 2 have more, such as 9[0-9A-Z]{17}\.",
        ),
    ],
)
def test_scores_that_cannot_be_are_refused(
    spoil: Callable[[pd.DataFrame], pd.DataFrame], message: str
) -> None:
    frame = busy_world(35, 3)
    with pytest.raises(ValueError, match=message):
        run(frame, policy_of({"scoring.basis": "model"}), 4, scores=spoil(scores_of(frame, 1)))


def test_points_beyond_all_cut_offs_stop_where_the_tier_rule_stops_them() -> None:
    frame, policy = busy_world(35, 3), policy_of({"scoring.basis": "model"})
    scores = scores_of(frame, 1)
    one = frame.ids == scores["enterprise_id"].iloc[0]
    for value, steps in ((1e308, 16_000_000), (-1e308, -16_000_000)):
        _, seen = watched(frame, policy, 1, "points0", scores=spoiled("credit_points", value)(scores))
        assert seen["points0"][0][one] == steps


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_a_severity_that_is_certain_is_the_only_one(severity: int) -> None:
    names = ("minor", "moderate", "serious")
    shares = {f"violation.severity.{name}": float(k == severity) for k, name in enumerate(names, 1)}
    frame = busy_world()
    done = run(with_parameters(frame, shares), LEGACY, 20)
    begun = (done.end.state.since >= frame.week) & (done.end.state.violation > 0)
    assert begun.sum() > 20
    assert set(done.end.state.violation[begun]) == {severity}


def test_what_mends_for_certain_is_gone_the_next_week() -> None:
    frame = busy_world()
    mends = {f"violation.mend.{name}": 1.0 for name in ("minor", "moderate", "serious")}
    done = run(with_parameters(frame, mends), LEGACY, 20)
    stayed = done.end.state.left[frame.fixed.enterprise] >= done.end.week
    violating = stayed & (done.end.state.violation > 0)
    assert violating.any()
    assert (done.end.state.since[violating] == done.end.week - 1).all()


def test_a_world_where_nobody_errs_or_lies_has_no_such_complaints() -> None:
    honest = {"complaint.mistaken": 0.0, "complaint.professional": 0.0}
    kinds = [
        set(run(frame, LEGACY, 30).signals[:, 2])
        for frame in (busy_world(), with_parameters(busy_world(), honest))
    ]
    assert kinds[0] >= {0, 1, 2}
    assert 1 not in kinds[1]  # thresholds of professional ones are the world's, set when it was drawn
