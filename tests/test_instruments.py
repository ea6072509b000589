"""Each instrument does what it says, and nothing when it is switched off alone."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.test_theory import EQUAL, FLAT, agrees, bare, weekly, with_hazard, world
from tests.worlds import ALL_ON, LEGACY, busy_world, plain_world, policy_of, with_parameters
from tierkit.city.engine import TALLY, Run, compile_rules, repair_terms, run
from tierkit.city.parameters import parameters
from tierkit.city.population import base_rates
from tierkit.city.synth import make
from tierkit.city.world import WEEKS_A_YEAR, State, log_index, rate_table
from tierkit.policy import INSTRUMENTS, SPEC, Policy, PolicyWarning, without
from tierkit.records import AGENCY_LEVELS, SHANGHAI
from tierkit.records import UNINSPECTED_KINDS as KINDS

AGENCIES = SHANGHAI.ids("agency")
SECTORS = SHANGHAI.ids("sector")

SEEDS = (1, 2, 3)
ROUTINE = 5

# Switching off


def happens(what: str) -> Callable[[Run], float]:
    return lambda done: done.tally[:, :, TALLY.index(what)].sum()


def rules(name: str) -> Callable[[Run], Any]:
    return lambda done: getattr(compile_rules(done.policy, done.start, 0.0), name)


PROBES: dict[str, Callable[[Run], Any]] = {
    "frequency": lambda done: np.ptp(np.exp(rules("tier_rate")(done)[1] / 512.0)) > 1e-9,
    "depth": lambda done: np.ptp(rules("detect")(done).astype(float), axis=2).max(),
    "inspectors": lambda done: np.ptp(rules("detect")(done).astype(float), axis=1).max(),
    "list": happens("list"),
    "items": happens("item"),
    "random_floor": lambda done: (done.log[:, 2] == 0).sum(),
    "triggers": lambda done: (done.signals[:, 3] == 1).sum() + _followed_up(done),
    "professional_filter": lambda done: done.signals[:, 4].sum(),
    "check_code": happens("window"),
    "uncoded": lambda done: (done.log[:, 16] == 0).sum(),
    "cap": happens("cap"),
    "relabelling": lambda done: (done.log[:, 13] == 6).sum(),
    "campaign": lambda done: (done.log[:, 2] == 3).sum(),
    "joint": happens("joint"),
    "offsite": happens("offsite"),
    "sector_credit": lambda done: np.abs(rules("sector_offset")(done)).sum(),
    "strata": lambda done: rules("tagged")(done).sum(),
    "agency_tables": lambda done: rules("own_table")(done).sum(),
    "override": lambda done: done.policy["frequency.override"],
    "red_lines": lambda done: rules("red_line")(done).sum(),
    "red_line_tier": lambda done: rules("red_tier")(done).sum(),
    "escalation": lambda done: rules("rising_tier")(done).sum() + rules("rising_penalty")(done),
    "record_needed": lambda done: rules("record_needed")(done),
    "floors": lambda done: (
        rules("floor_risk")(done) + rules("floor_weeks")(done) + 1 + rules("floor_kind")(done).sum()
    ),
    "hysteresis": lambda done: rules("dwell")(done) + rules("slack_margin")(done),
    "lenience": lambda done: (done.log[:, 5] == 1).sum(),
    "two_letters": lambda done: rules("take_up")(done) - round(done.policy["repair.take_up"] * 2**32),
    "repair": lambda done: _repaired(done),
    "commitment": lambda done: (done.log[:, 2] == 4).sum(),
    "guidance": lambda done: (done.end.state.found_kind == 3).sum(),
    "capacity": happens("put_off"),
}
"""What is there under a policy with everything on, and not when the instrument is switched off alone."""


def _followed_up(done: Run) -> int:
    late = done.log[:, 0] > done.start.week + 40  # what the past had arranged is over by then
    return int((late & (done.log[:, 2] == 2)).sum())


def _repaired(done: Run) -> int:
    fined = done.log[done.log[:, 5] >= 3]
    ends = fined[:, 0] + repair_terms(done.start.origin).display[fined[:, 0], fined[:, 4]]
    return int((fined[:, 15] < ends).sum())


@pytest.fixture(scope="module")
def everything() -> Run:
    # refusing gives the window and joint inspections something to do at once
    on = ALL_ON | {"check_code.action": "refuse", "check_code.window_weeks": 1}
    return run(busy_world(), policy_of(on), 70)


def test_every_instrument_has_a_probe_and_holds_parameters_that_there_are() -> None:
    assert list(PROBES) == list(INSTRUMENTS)
    assert {path for one in INSTRUMENTS.values() for path in one.off} <= set(SPEC)


@pytest.mark.filterwarnings("ignore::tierkit.policy.PolicyWarning")
@pytest.mark.parametrize("name", INSTRUMENTS)
def test_an_instrument_is_there_and_gone_when_switched_off_alone(name: str, everything: Run) -> None:
    assert PROBES[name](everything) > 0
    off = without(everything.policy, name)
    done = run(everything.start, off, 70)
    assert PROBES[name](done) == 0
    # nothing else was touched
    assert {path for path in SPEC if off[path] != everything.policy[path]} <= set(INSTRUMENTS[name].off)


def test_what_cannot_be_switched_off_is_named() -> None:
    with pytest.raises(ValueError, match=r"no instrument 'caps'; there are frequency, depth"):
        without(Policy.load("legacy"), "caps")
    with pytest.warns(PolicyWarning, match="random_floor"):
        without(Policy.load("legacy"), "random_floor")


def test_what_is_left_has_the_name_it_is_given_or_says_what_is_gone() -> None:
    jinshan = Policy.load("jinshan-2025")
    assert without(jinshan, "check_code", "cap").name == "jinshan-2025-without-check-code-cap"
    named = without(jinshan, "cap", name="− cap")
    assert named.name == "− cap"
    assert named.values == without(jinshan, "cap").values


# Closed forms


@pytest.mark.parametrize("seed", SEEDS)
def test_tags_tables_and_overrides_multiply_the_draws(seed: int) -> None:
    frame = world(seed)
    tier, share = "T3", 0.25
    given = {
        "scoring.matrix": [[tier] * 4] * 4,
        f"frequency.tier.{tier}.general": 0.4,
        f"frequency.tier.{tier}.key": 2.0,
        "strata.tags": ["retail", "ict"],
        f"strata.tier.{tier}": 3.0,
        "agency_table.agencies": ["fire", "labour"],
        f"agency_table.tier.{tier}": 0.5,
        "frequency.override": share,
        "frequency.base_rate": 1.0,
    }
    done = run(frame, bare(given), 52)
    w = frame.fixed
    rate = (base_rates(done.policy, frame.parameters)[w.sector, w.size] / np.diff(w.start))[w.enterprise]
    tagged = np.isin(w.sector, [SECTORS.index(s) for s in ("retail", "ict")])[w.enterprise]
    table = np.isin(w.agency, [AGENCIES.index(a) for a in ("fire", "labour")])
    own = np.where(w.item_class == 0, 0.4, 2.0) * np.where(tagged, 3.0, 1.0) * np.where(table, 0.5, 1.0)
    q = weekly(rate * ((1 - share) * own + share))
    drawn = done.log[:, 1]
    for tag in (False, True):
        for at in (False, True):
            mine = (tagged == tag) & (table == at)
            expected = 52 * q[mine].sum()
            assert expected > 500
            assert agrees(mine[drawn].sum(), expected, 52 * (q[mine] * (1 - q[mine])).sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_fixed_intervals_come_as_often_as_the_rate_says_and_evenly(seed: int) -> None:
    frame = world(seed)
    rate, weeks = 6.0, 104
    given = {"frequency.base_rate": rate, "frequency.schedule": "interval"}
    done = run(frame, bare(EQUAL | FLAT | given), weeks, seed=seed)
    held = np.diff(frame.fixed.start)
    share = rate_table()[log_index(rate / held / WEEKS_A_YEAR)][frame.fixed.enterprise] / 2.0**32
    times = np.bincount(done.log[:, 1], minlength=frame.obligations)
    # a systematic sample: each obligation has the whole part of weeks × share, or one more
    assert ((times == np.floor(weeks * share)) | (times == np.ceil(weeks * share))).all()
    rest = weeks * share % 1
    assert agrees(times.sum(), (weeks * share).sum(), (rest * (1 - rest)).sum())
    order = np.lexsort((done.log[:, 0], done.log[:, 1]))
    row = done.log[order]
    gap = np.diff(row[:, 0])[np.diff(row[:, 1]) == 0]
    wanted = 1 / share[row[1:, 1]][np.diff(row[:, 1]) == 0]
    assert (np.abs(gap - wanted) < 1).all()
    assert set(done.log[:, 14]) == {-1}  # no week is a lottery: nothing overlaps, and no propensity is told


def test_records_at_fixed_intervals_tell_no_propensity() -> None:
    by_interval = Policy.load("legacy").reform({"frequency.schedule": "interval"}, name="by-interval")
    data, _ = make(400, 3, policy=by_interval)
    told = data["inspections"].groupby("channel", observed=True)["propensity"].count()
    assert told["routine"] == 0
    assert told["random"] > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_items_list_stops_is_relabelled_at_its_share(seed: int) -> None:
    frame = world(seed)
    given = {
        "frequency.base_rate": 3.0,
        "lists.no_disturb.items": ["fire-g1", "fire-g2", "fire-g3", "fire-k1", "fire-k2"],
        "trigger.relabelled_share": 0.3,
    }
    done = run(frame, bare(EQUAL | given), 52)
    relabelled = (done.log[:, 13] == 6).sum()
    stopped = done.tally[:, :, TALLY.index("item")].sum()
    n = relabelled + stopped
    assert n > 5000
    assert agrees(relabelled, 0.3 * n, 0.21 * n)
    rows = done.log[done.log[:, 13] == 6]
    assert set(rows[:, 2]) == {1}  # under the name of a trigger
    assert set(frame.fixed.agency[rows[:, 1]]) == {AGENCIES.index("fire")}


@pytest.mark.parametrize("seed", SEEDS)
def test_guidance_lowers_the_hazard_of_those_who_got_it_and_nobody_elses(seed: int) -> None:
    frame = with_hazard(world(seed, violation=0), 0.02)
    guided = np.random.default_rng(seed).random(frame.obligations) < 0.5
    state = frame.state.copy()
    state.found_kind[:] = np.where(guided, 3, 0)
    state.found_week[:] = frame.week
    by = {"deterrence.guidance": 0.4, "deterrence.half_life": 10_000.0}
    frame = with_parameters(dataclasses.replace(frame, state=state), by)
    done = run(frame, bare({}), 1)
    fell = done.end.state.violation > 0
    for mine, hazard in ((guided, 0.02 * np.exp(-0.4)), (~guided, 0.02)):
        p = -np.expm1(-hazard)
        n = mine.sum()
        assert agrees(fell[mine].sum(), n * p, n * p * (1 - p) + (0.002 * n * p) ** 2)  # steps of 1/512


def test_guidance_is_given_where_a_commitment_check_finds_nothing() -> None:
    frame = busy_world()
    given = {"commitment.check_share": 1.0, "commitment.guidance": True, "capacity.multiplier": 1000.0}
    done = run(frame, policy_of(given), 20)
    rows = done.log[done.log[:, 2] == 4]
    clean = rows[rows[:, 4] == 0]
    kind = done.end.state.found_kind[clean[:, 1]]
    assert len(clean) > 20
    # those found in violation within two years keep that; all others carry guidance or a later finding
    assert (kind == 3).mean() > 0.5
    assert (kind != 0).all()
    assert (run(frame, policy_of(given | {"commitment.guidance": False}), 20).end.state.found_kind != 3).all()


def test_open_records_bring_their_tier_at_each_review_and_only_while_they_are_young() -> None:
    frame = busy_world(400, 3)
    given = {
        "red_line_tier.kinds": ["court_default"], "red_line_tier.tier": "T3",
        "escalation.kinds": ["penalty", "tax_arrears"], "escalation.tier": "T2", "escalation.max_weeks": 20,
        "scoring.risk_cutoffs": [0.999997, 0.999998, 0.999999], "scoring.credit_cutoffs": [1, 2, 3],
        "red_lines.serious_dishonesty": "A", "review.cadence_weeks": 1,
        "lists.unmonitored.enabled": True, "lists.unmonitored.max_risk": 1.0,
        "lists.unmonitored.min_points": 0,
        **INSTRUMENTS["floors"].off,
    }  # fmt: skip
    seen: list[set[int]] = [set(), set(), set()]

    def look(week: int, state: State) -> None:
        there = (frame.fixed.entered < week) & (week < state.left)
        if week == frame.week:
            return
        # as of the review, which comes before the week's own events
        court, tax = (KINDS.index(kind) for kind in ("court_default", "tax_arrears"))
        new = (state.adverse_week == week).any(axis=1)
        owners = frame.fixed.enterprise
        new |= np.bincount(owners[state.record_week == week], minlength=len(new)) > 0
        young = (week < state.record_until) & (week - state.record_week <= 20)
        rises = np.bincount(owners[young], minlength=len(new)) > 0
        rises |= (week < state.adverse_until[:, tax]) & (week - state.adverse_week[:, tax] <= 20)
        least = np.where(week < state.adverse_until[:, court], 2, np.where(rises, 1, 0))
        sure = there & ~new
        assert np.array_equal(state.tier[sure], least[sure])
        assert np.array_equal(state.listed[sure] == 1, least[sure] == 0)
        for tier in range(3):
            seen[tier].update(np.flatnonzero(sure & (state.tier == tier)).tolist())

    run(frame, policy_of(given | {"review.dwell_weeks": 0}), 40, observe=look)
    assert min(map(len, seen)) > 5
    assert seen[0] & seen[1]  # some came and some went


def test_the_engine_grades_nobody_worse_than_b_without_a_record() -> None:
    frame = busy_world(400, 3)
    worst = policy_of(
        {"scoring.credit_cutoffs": [997, 998, 999], "scoring.matrix": [["T1", "T2", "T3", "T4"]] * 4}
    )
    done = run(frame, worst, 30)
    state = done.end.state
    there = (frame.fixed.entered <= frame.week) & (state.left > frame.week + 30)
    reviewed = frame.week + 26
    old = there & (state.recorded == 1) & (state.adverse_week.max(axis=1) < reviewed)
    old &= np.bincount(frame.fixed.enterprise, state.record_week >= reviewed, len(there)) == 0
    none = there & (state.recorded == 0)
    assert none.sum() > 40
    assert old.sum() > 50
    assert set(state.tier[none]) == {1}
    assert set(state.tier[old]) == {3}
    off = run(frame, worst.reform({"scoring.record_needed": False}), 1)
    assert set(off.first_tier[there]) == {3}


def test_those_of_the_worst_grade_re_register_at_their_rate() -> None:
    rate = 0.10
    frame = make(20_000, 4, params=parameters().replace({"turnover.reregister": rate}))[1]
    worst = policy_of({f"red_lines.{kind}": "A" for kind in ("serious_dishonesty", "abnormal_list")})
    worst = worst.reform({"scoring.record_needed": False}, name="record or none")
    # everybody has the worst grade: below a cut-off that nobody reaches
    worst = worst.reform({"scoring.credit_cutoffs": [997, 998, 999]}, name="worst")
    done = run(frame, worst, 52)
    state, w = done.end.state, frame.fixed
    gone = state.left != frame.state.left
    there = (w.entered == 0) & (frame.state.left > frame.week)
    n = int(there.sum())
    # a slot is kept for each at most once, so the yearly chance is that of one of 12 % × n slots
    expected = rate * there.sum()
    assert abs(gone.sum() - expected) < 4 * np.sqrt(expected) + 0.1 * expected
    assert (w.entered[gone] == 0).all()
    twins = np.flatnonzero(np.isin(w.successor_of, np.flatnonzero(gone)))
    assert (w.entered[twins] == state.left[w.successor_of[twins]]).all()
    for e in twins[:50]:
        old = int(w.successor_of[e])
        mine, theirs = (slice(w.start[k], w.start[k + 1]) for k in (e, old))
        for field in ("agency", "item_class", "item", "hunch", "offsite"):
            assert np.array_equal(getattr(w, field)[mine], getattr(w, field)[theirs])
        younger = w.hazard[mine].astype(int) - w.hazard[theirs]
        assert set(np.abs(younger - round(0.3 * 512))) <= {0, 1} or not younger.any()
        assert w.sector[e] == w.sector[old]
        assert w.size[e] == w.size[old]
        assert frame.ids[e] != frame.ids[old]
    clean = without(LEGACY, "red_lines").reform({"scoring.credit_cutoffs": [1, 2, 3]}, name="clean")
    left = run(frame, clean, 52).end.state.left  # nobody has the worst grade, so nobody goes
    assert set(left[left != frame.state.left]) <= {frame.week}  # in the first week the past's grade stands
    assert n > 12_000


def test_a_successor_takes_over_violations_and_no_records() -> None:
    frame = busy_world(150, 1)
    seen: dict[int, np.ndarray] = {}
    done = run(
        frame,
        policy_of(ALL_ON),
        60,
        observe=lambda week, state: seen.setdefault(week, state.violation.copy()) is None,
    )
    w, state = frame.fixed, done.end.state
    entered = (w.entered > frame.week) & (w.entered < done.end.week)
    twins = [
        e
        for e in np.flatnonzero(entered & (w.successor_of >= 0))
        if state.left[w.successor_of[e]] == w.entered[e] != w.left[w.successor_of[e]]
    ]
    assert twins
    took = 0
    for e in twins:
        old, week = int(w.successor_of[e]), int(w.entered[e])
        before = seen[week - 1][w.start[old] : w.start[old + 1]]
        after = seen[week][w.start[e] : w.start[e + 1]]
        kept = (after == before) & (before > 0)  # mended or found within its first week apart
        took += kept.sum()
        events = done.events[(done.events[:, 1] == old) & (done.events[:, 0] >= week)]
        assert len(events) == 0
    assert took > 0


# The cap by level of government


def _planned_visits(done: Run) -> Any:
    """Return the visits of planned checks with a code: enterprise, week, level, and who made them."""
    fixed, log = done.start.fixed, done.table()
    log = log[(log["mode"] < 2) & (log["channel"] >= 4) & (log["coded"] == 1)]
    agency = fixed.agency[log["obligation"]]
    level = fixed.agency_level[agency].astype(int)
    # a joint visit is one a level, any other one an agency
    by = np.where(log["visit"] == 0, -1, agency)
    told = log.assign(e=fixed.enterprise[log["obligation"]], level=level, by=by)
    return told[["e", "week", "level", "by"]].drop_duplicates()


@pytest.mark.parametrize("levels", [[], ["district"], ["municipal"]])
@pytest.mark.parametrize("cap", [1, 2])
def test_no_enterprise_has_more_planned_visits_than_the_cap_by_the_agencies_that_it_binds(
    levels: list[str], cap: int
) -> None:
    frame = busy_world()
    given = np.where(np.arange(len(AGENCIES)) % 3 == 0, 0, 1).astype(np.uint8)  # some of either level
    frame = dataclasses.replace(frame, fixed=frame.fixed._replace(agency_level=given))
    changes = {"cap.planned_visits": cap, "cap.levels": levels, "cap.period_weeks": 52}
    done = run(frame, policy_of(ALL_ON | changes), 52)
    most = _planned_visits(done).groupby(["level", "e"]).size().groupby("level").max()
    for at, name in enumerate(AGENCY_LEVELS):
        if name in levels or not levels:
            assert most[at] == cap
        else:
            assert most[at] > cap


@pytest.mark.parametrize("seed", SEEDS)
def test_no_enterprise_of_jinshan_has_more_planned_visits_than_its_cap(seed: int) -> None:
    frame, jinshan = plain_world(3000, seed), Policy.load("jinshan-2025")
    done = run(frame, jinshan, 52)
    visits = _planned_visits(done)
    assert set(visits["level"]) == {AGENCY_LEVELS.index("district")}, "each agency is a district's here"
    assert visits.groupby("e").size().max() <= jinshan["cap.planned_visits"]
    free = _planned_visits(run(frame, without(jinshan, "cap"), 52))
    assert free.groupby("e").size().max() > jinshan["cap.planned_visits"], (
        "without the cap it would be passed"
    )


# Off-site alerts in the place of routine checks


def _made(done: Run) -> int:
    return int((done.log[:, 3] < 2).sum())


def test_alerts_in_the_place_of_routine_checks_leave_fewer_inspections() -> None:
    frame, plan = plain_world(3000), Policy.load("shanghai-2025")
    assert plan["offsite.alerts_replace"]
    none, on_top, replacing = [], [], []
    for replicate in range(4):
        none.append(_made(run(frame, without(plan, "offsite"), 52, replicate=replicate)))
        added = run(frame, plan.reform({"offsite.alerts_replace": False}), 52, replicate=replicate)
        on_top.append(_made(added))
        replacing.append(_made(run(frame, plan, 52, replicate=replicate)))
    assert all(fewer < more for fewer, more in zip(replacing, on_top, strict=True))
    # In the place of routine checks they add next to none, on top of them they do.
    assert np.mean(replacing) < 1.01 * np.mean(none) < np.mean(on_top)


def test_an_agency_replaces_as_many_routine_checks_as_alerts_opened_and_no_others() -> None:
    frame = busy_world()
    changes = {"capacity.multiplier": 1000.0, "alert.true": 3.0}
    frame = with_parameters(frame, {"alert.true": changes.pop("alert.true")})
    done = run(frame, policy_of(ALL_ON | changes), 60)
    agency = frame.fixed.agency[done.log[:, 1]]
    opened = (done.log[:, 13] == 5) & (done.log[:, 12] == 0)
    by_week = np.zeros(done.tally.shape[:2], int)
    np.add.at(by_week, (done.log[opened, 0] - frame.week, agency[opened]), 1)
    replaced = done.tally[:, :, TALLY.index("replaced")]
    assert (replaced.cumsum(axis=0) <= by_week.cumsum(axis=0)).all()
    assert replaced.sum() > 0
    turned = done.demanded - done.served
    np.testing.assert_array_equal(turned[:, :, ROUTINE], replaced), "and nothing else is turned away"
    assert turned[:, :, :ROUTINE].sum() == 0
    owed = by_week.cumsum(axis=0) - replaced.cumsum(axis=0)
    assert (owed[done.served[:, :, ROUTINE] > 0] == 0).all(), "who owes makes no routine check"


def test_a_serious_finding_and_an_open_red_line_bar_from_the_best_tier_and_from_lists() -> None:
    frame = busy_world(400, 3)
    given = {
        "scoring.risk_cutoffs": [0.999997, 0.999998, 0.999999], "scoring.credit_cutoffs": [1, 2, 3],
        "red_lines.serious_dishonesty": "A", "red_lines.tax_arrears": "B", "review.cadence_weeks": 1,
        "scoring.matrix": [["T1"] * 4] * 4, "review.dwell_weeks": 0, "floors.serious_weeks": 12,
        "lists.unmonitored.enabled": True, "lists.unmonitored.max_risk": 1.0,
        "lists.unmonitored.min_points": 0,
    }  # fmt: skip
    counts = np.zeros(3, int)

    def look(week: int, state: State) -> None:
        there = (frame.fixed.entered < week) & (week < state.left) & (week > frame.week)
        # as of the review, which comes before the week's own events
        tax = KINDS.index("tax_arrears")
        sure = there & (state.serious_week < week) & (state.adverse_week < week).all(axis=1)
        lately, opened = week - state.serious_week <= 12, week < state.adverse_until[:, tax]
        assert np.array_equal(state.tier[sure] > 0, (lately | opened)[sure])
        assert not state.listed[sure & (lately | opened)].any()
        counts[:] += [(sure & one).sum() for one in (lately, opened, ~lately & ~opened)]

    run(frame, policy_of(given), 25, observe=look)
    assert (counts > 50).all()
