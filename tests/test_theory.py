"""With the feedbacks off the engine agrees with closed forms: four standard errors, 10⁵ obligations."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tests.worlds import closed_world, policy_of, with_parameters
from tierkit.city.engine import TALLY, Run, compile_rules, run
from tierkit.city.engine.rules import Rules
from tierkit.city.population import base_rates
from tierkit.city.world import NEVER, World, log_index, probability_table
from tierkit.policy import Policy
from tierkit.records import CHANNELS, SEVERITIES, SHANGHAI, SIZES, TIERS

SECTORS = SHANGHAI.ids("sector")

SEEDS = (1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long))
ENTERPRISES = 20_000
"""Some 100,000 obligations."""
FOUR = 4.0

RANDOM, TRIGGER, FOLLOWUP, CAMPAIGN, COMMITMENT, ROUTINE = range(len(CHANNELS))
BARE: dict[str, Any] = {
    "scoring.rule_gradient": 0.0,
    "frequency.random_floor": 0.0,
    "campaign.rate": 0.0,
    "commitment.check_share": 0.0,
    "capacity.multiplier": 1000.0,
    "depth.inspector_sd": 0.0,
    **{f"trigger.followup.{s}": 0.0 for s in SEVERITIES},
    **{f"frequency.tier.{t}.{c}": 0.0 for t in TIERS for c in ("general", "key")},
}
"""Nothing planned, nothing remembered, room for all; each test switches on what it looks at."""
FLAT = {f"frequency.sector.{s}": 1.0 for s in SECTORS} | {f"frequency.size.{s}": 1.0 for s in SIZES}
"""Every enterprise is drawn alike."""
EQUAL = {f"frequency.tier.{t}.{c}": 1.0 for t in TIERS for c in ("general", "key")}


def bare(changes: Mapping[str, Any]) -> Policy:
    return policy_of(BARE | dict(changes))


def world(seed: int, **state: Any) -> World:
    frame = closed_world(ENTERPRISES, seed)
    assert 9e4 < frame.obligations < 1.1e5
    return with_state(frame, **state)


def with_state(frame: World, **state: Any) -> World:
    """Return the world with parts of its state set, each to one value or to an array."""
    fresh = frame.state.copy()
    for name, value in state.items():
        getattr(fresh, name)[:] = value
    return dataclasses.replace(frame, state=fresh)


def with_hazard(frame: World, weekly: float) -> World:
    """Return the world with one hazard for all."""
    hazard = np.full_like(frame.fixed.hazard, log_index(weekly))
    return dataclasses.replace(frame, fixed=frame.fixed._replace(hazard=hazard))


def agrees(count: float, expected: float, variance: float) -> bool:
    return abs(count - expected) <= FOUR * np.sqrt(variance)


def weekly(rate: Any) -> Any:
    """Return q = 1 − exp(−f / 52)."""
    return -np.expm1(-np.asarray(rate, np.float64) / 52)


def channel_rows(done: Run, channel: int) -> NDArray[np.int32]:
    return done.log[done.log[:, 2] == channel]


def rules_of(done: Run) -> Rules:
    return compile_rules(done.policy, done.start, done.kappa)


# Draws


@pytest.mark.parametrize("seed", SEEDS)
def test_routine_draws_come_at_the_weekly_probability(seed: int) -> None:
    frame = world(seed)
    done = run(frame, bare(EQUAL | FLAT | {"frequency.base_rate": 1.5}), 52)
    held = np.diff(frame.fixed.start)
    q = weekly(1.5 / np.repeat(held, held))  # an enterprise's rate is shared by its obligations
    assert agrees(len(done.log), 52 * q.sum(), 52 * (q * (1 - q)).sum())
    # each obligation by itself: the number of draws in 52 weeks is binomial
    times = np.bincount(np.bincount(done.log[:, 1], minlength=len(q)), minlength=4)
    for k in range(4):
        p = stats.binom.pmf(k, 52, q)
        assert agrees(times[k], p.sum(), (p * (1 - p)).sum())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tier", [0, 3])
def test_a_tier_multiplies_its_draws(seed: int, tier: int) -> None:
    frame = world(seed)
    matrix = [[TIERS[tier]] * 4] * 4
    multiple = {f"frequency.tier.{TIERS[tier]}.general": 0.4, f"frequency.tier.{TIERS[tier]}.key": 2.5}
    done = run(frame, bare(multiple | {"scoring.matrix": matrix, "frequency.base_rate": 1.0}), 52)
    rate = base_rates(done.policy, frame.parameters)[frame.fixed.sector, frame.fixed.size] / np.diff(
        frame.fixed.start
    )
    for item_class, by in enumerate((0.4, 2.5)):
        mine = frame.fixed.item_class == item_class
        q = weekly(by * rate[frame.fixed.enterprise[mine]])
        count = mine[done.log[:, 1]].sum()
        assert agrees(count, 52 * q.sum(), 52 * (q * (1 - q)).sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_audits_by_lot_campaigns_and_commitment_checks_come_at_their_probabilities(seed: int) -> None:
    frame = world(seed)
    n, weeks = frame.obligations, 104  # a permit's cycle
    given = {"frequency.random_floor": 0.2, "campaign.rate": 0.7, "campaign.sectors": ["retail"]}
    done = run(frame, bare(given | {"commitment.check_share": 0.3}), weeks)
    q = weekly(0.2)
    assert agrees(len(channel_rows(done, RANDOM)), weeks * n * q, weeks * n * q * (1 - q))
    retail = int((frame.fixed.sector[frame.fixed.enterprise] == 0).sum())
    q = weekly(0.7 / (n / frame.enterprises))
    # a campaign's draw and the lot's are one draw, so the two never meet; a permit's check gives way to both
    assert agrees(len(channel_rows(done, CAMPAIGN)), weeks * retail * q, weeks * retail * q * (1 - q))
    permits = frame.fixed.permit_phase >= 0
    p = 0.3 * (1 - weekly(0.2) - q * (frame.fixed.sector[permits] == 0))
    assert agrees(len(channel_rows(done, COMMITMENT)), p.sum(), (p * (1 - p)).sum())
    assert len(channel_rows(done, ROUTINE)) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_whoever_is_listed_is_drawn_at_the_floor(seed: int) -> None:
    frame = world(seed)
    everybody = {
        "lists.unmonitored.enabled": True,
        "lists.unmonitored.max_risk": 1.0,
        "lists.unmonitored.min_points": 0,
        "floors.highest_risk": False,
        "floors.serious_weeks": 0,
        "floors.red_line": False,
    }
    done = run(
        frame, bare(EQUAL | everybody | {"frequency.random_floor": 0.01, "commitment.check_share": 1.0}), 52
    )
    assert (done.end.state.listed == 1).all()
    assert set(done.log[:, 2]) == {RANDOM}
    n, q = frame.obligations, weekly(0.01)
    assert agrees(len(done.log), 52 * n * q, 52 * n * q * (1 - q))
    assert done.tally[:, :, TALLY.index("list")].sum() > 0
    assert int(np.rint(q * 2**32)) == rules_of(done).floor  # the probability itself, exactly


# Behaviour


@pytest.mark.parametrize("seed", SEEDS)
def test_a_persistent_violation_is_found_within_the_year_at_its_probability(seed: int) -> None:
    persistent = {f"violation.mend.{s}": 0.0 for s in SEVERITIES}
    frame = with_parameters(with_hazard(world(seed, violation=2, since=0), 0.0), persistent)
    assert (frame.fixed.hazard == 0).all()
    f, p = 0.8, 0.6
    done = run(frame, bare({"frequency.random_floor": f, "depth.detection": p}), 52)
    q, n = weekly(f), frame.obligations
    found = done.log[done.log[:, 4] > 0]
    assert len(np.unique(found[:, 1])) == len(found)  # found once, gone for good
    share = 1 - (1 - p * q) ** 52
    assert agrees(len(found), n * share, n * share * (1 - share))
    # weeks to detection: geometric, in each quarter of the year and on average
    wait = found[:, 0] - frame.week
    for quarter in range(4):
        chance = (1 - p * q) ** (13 * quarter) * (1 - (1 - p * q) ** 13)
        assert agrees(
            ((wait >= 13 * quarter) & (wait < 13 * quarter + 13)).sum(), n * chance, n * chance * (1 - chance)
        )
    weeks = np.arange(52)
    within = (1 - p * q) ** weeks * p * q / share
    mean = (weeks * within).sum()
    assert agrees(wait.mean(), mean, ((weeks - mean) ** 2 * within).sum() / len(found))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_violation_that_mends_is_found_first_at_its_probability(seed: int) -> None:
    # competing ends: each week it mends (m), else it is drawn and detected (p q)
    m = {"violation.mend.minor": 0.08, "violation.mend.moderate": 0.04, "violation.mend.serious": 0.02}
    severity = 1 + np.arange(closed_world(ENTERPRISES, seed).obligations) % 3
    frame = with_parameters(with_hazard(world(seed, violation=severity, since=0), 0.0), m)
    f, p = 2.0, 0.7
    done = run(frame, bare({"frequency.random_floor": 1.0, "campaign.rate": f, "depth.detection": p}), 300)
    q = weekly(1.0) + weekly(f / (frame.obligations / frame.enterprises))
    found = done.log[done.log[:, 4] > 0]
    for k, mend in enumerate(m.values(), 1):
        n = int((severity == k).sum())
        ends = mend + (1 - mend) * p * q
        chance = (1 - mend) * p * q / ends * (1 - (1 - ends) ** 300)
        count = int((found[:, 6] == k).sum())
        assert agrees(count, n * chance, n * chance * (1 - chance))


def chain(hazard: float, shares: NDArray[Any], mends: NDArray[Any]) -> NDArray[np.float64]:
    """Return the weekly transition matrix of an obligation that nobody inspects."""
    fall = probability_table()[log_index(hazard)] / 2.0**32
    step = np.diag(np.concatenate([[1 - fall], 1 - mends]))
    step[0, 1:] = fall * shares
    step[1:, 0] = mends
    return step


@pytest.mark.parametrize("seed", SEEDS)
def test_states_follow_their_chain_to_its_stationary_shares(seed: int) -> None:
    shares, mends = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.1, 0.06])
    changes = {f"violation.severity.{s}": x for s, x in zip(SEVERITIES, shares, strict=True)}
    changes |= {f"violation.mend.{s}": x for s, x in zip(SEVERITIES, mends, strict=True)}
    hazard = 0.03
    frame = with_parameters(with_hazard(world(seed, violation=0), hazard), changes)
    done = run(frame, bare({}), 200)
    n = frame.obligations
    step, start = chain(hazard, shares, mends), np.eye(4)[0]
    for weeks in (1, 5, 20, 60, 200):
        p = start @ np.linalg.matrix_power(step, weeks)
        counts = done.counts[weeks - 1].sum(axis=(0, 1))
        for k in range(4):
            assert agrees(counts[k], n * p[k], n * p[k] * (1 - p[k])), (weeks, k)
    # the closed form: π_s / π_0 = h' σ_s / m_s
    odds = -np.expm1(-hazard) * shares / mends
    stationary = np.concatenate([[1.0], odds]) / (1 + odds.sum())
    assert p == pytest.approx(stationary, abs=2e-4)
    # violations begun, and the weeks in violation, of a year in balance
    later = run(done.end, bare({}), 52)
    begun = later.end.state.spells.sum() - (done.end.state.violation > 0).sum()
    expected = 52 * n * stationary[0] * -np.expm1(-hazard)
    assert agrees(begun, expected, expected)
    assert later.end.state.weeks.sum() == later.counts[:, :, :, 1:].sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_world_is_drawn_at_its_stationary_shares(seed: int) -> None:
    frame = world(seed)
    p = frame.parameters
    stock = np.array([p[f"violation.severity.{s}"] / p[f"violation.mend.{s}"] for s in SEVERITIES])
    rate = np.exp(frame.fixed.hazard / 512.0 - 12.0)
    inside = rate[:, None] * stock / (1 + rate * stock.sum())[:, None]
    counts = np.bincount(frame.state.violation, minlength=4)[1:]
    for k in range(3):
        assert agrees(counts[k], inside[:, k].sum(), (inside[:, k] * (1 - inside[:, k])).sum())


# Inspection


def check_legal_floor(frame: World, weeks: int, least: int) -> None:
    """Check that findings are draws × prevalence just before the inspection × detection."""
    off: dict[str, Any] = {f"trigger.followup.{s}": 0.0 for s in SEVERITIES}
    off |= {"capacity.multiplier": 1000.0, "scoring.rule_gradient": 0.0}
    done = run(frame, policy_of(off, Policy.load("uniform-3pct")), weeks)
    assert set(done.log[:, 2]) == {RANDOM}
    n, q = weeks * frame.obligations, weekly(0.03)
    assert agrees(len(done.log), n * q, n * q * (1 - q))
    prevalence = done.counts.sum(axis=(1, 2))[:, 1:].sum(axis=1) / frame.obligations
    detection = (
        rules_of(done).detect[:, :, 4].mean(axis=1) / 2.0**32
    )  # six groups of inspectors, each as likely
    agency = frame.fixed.agency[done.log[:, 1]]
    p = prevalence[done.log[:, 0] - frame.week] * detection[agency]
    assert p.sum() > least
    assert agrees((done.log[:, 4] > 0).sum(), p.sum(), (p * (1 - p)).sum())


@pytest.mark.parametrize("seed", SEEDS)
def test_the_legal_floor_finds_draws_times_prevalence_times_detection(seed: int) -> None:
    check_legal_floor(world(seed), 104, least=400)


@pytest.mark.long
def test_the_legal_floor_of_a_city_of_300000_finds_draws_times_prevalence_times_detection() -> None:
    check_legal_floor(closed_world.__wrapped__(300_000, 4), 52, least=4_000)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("odds", [1.0, 2.5])
def test_depth_multiplies_the_odds_of_detection(seed: int, odds: float) -> None:
    persistent = {f"violation.mend.{s}": 0.0 for s in SEVERITIES}
    frame = with_parameters(with_hazard(world(seed, violation=1, since=0), 0.0), persistent)
    depth = {f"depth.tier.{t}": odds for t in TIERS} | {"depth.detection": 0.55, "frequency.base_rate": 2.0}
    done = run(frame, bare(EQUAL | depth | {"frequency.random_floor": 0.5}), 10)
    for channel, by in ((ROUTINE, odds), (RANDOM, 1.0)):
        met = channel_rows(done, channel)
        met = met[met[:, 6] > 0]
        p = by * 0.55 / (1 - 0.55 + by * 0.55)
        assert agrees((met[:, 4] > 0).sum(), len(met) * p, len(met) * p * (1 - p))


@pytest.mark.parametrize("seed", SEEDS)
def test_off_site_checks_see_what_they_should(seed: int) -> None:
    violation = np.arange(closed_world(ENTERPRISES, seed).obligations) % 2
    persistent = {f"violation.mend.{s}": 0.0 for s in SEVERITIES}
    frame = with_parameters(with_hazard(world(seed, violation=violation, since=0), 0.0), persistent)
    substitution, sensitivity, false_alarm = 0.8, 0.4, 0.1
    offsite = {
        "coverage": 1.0,
        "substitution": substitution,
        "sensitivity": sensitivity,
        "false_alarm": false_alarm,
    }
    given = {f"offsite.{k}": v for k, v in offsite.items()} | {
        "depth.detection": 0.0,
        "frequency.base_rate": 3.0,
    }
    done = run(frame, bare(EQUAL | given), 20)
    can = frame.fixed.offsite[done.log[:, 1]] < 65_535
    for state, alarm in ((0, false_alarm), (1, sensitivity)):
        rows = done.log[can & (done.log[:, 6] == state)]
        p = substitution * (1 - alarm)  # replaced: made off site, and no alarm
        assert agrees((rows[:, 3] == 2).sum(), len(rows) * p, len(rows) * p * (1 - p))
    assert (done.log[~can, 3] != 2).all()


# Caps, capacity, merging


def one_each(seed: int) -> World:
    """Return a world in which each enterprise has one obligation that is ever drawn, all alike."""
    frame = world(seed)
    first = np.zeros(frame.obligations, bool)
    first[frame.fixed.start[:-1]] = True
    quiet = np.where(first, frame.fixed.item, 59).astype(np.uint8)  # the rest goes on the items' list
    return dataclasses.replace(frame, fixed=frame.fixed._replace(item=quiet))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cap", [1, 2, 4])
def test_a_cap_cuts_the_binomial_of_visits(seed: int, cap: int) -> None:
    frame = one_each(seed)
    given = {"frequency.base_rate": 8.0, "lists.no_disturb.items": ["water-k2"], "cap.planned_visits": cap}
    given["check_code.unregistered_share"] = 0.0
    done = run(frame, bare(EQUAL | FLAT | given), 52)
    q = weekly(8.0 / np.diff(frame.fixed.start))
    k = np.arange(53)
    pmf = stats.binom.pmf(k, 52, q[:, None])
    cut = np.minimum(k, cap)
    mean = (pmf * cut).sum(axis=1)
    assert agrees(len(done.log), mean.sum(), ((pmf * cut**2).sum(axis=1) - mean**2).sum())
    visits = np.bincount(frame.fixed.enterprise[done.log[:, 1]], minlength=frame.enterprises)
    assert visits.max() == cap
    full = pmf[:, cap:].sum(axis=1)
    assert agrees((visits == cap).sum(), full.sum(), (full * (1 - full)).sum())


def distribution_of_sum(q: NDArray[np.float64], top: int) -> NDArray[np.float64]:
    """Return P(0 … top) of a sum of independent draws: probabilities by the discrete Fourier transform."""
    angle = 2j * np.pi * np.arange(top + 1) / (top + 1)
    value, times = np.unique(q, return_counts=True)
    logs = (times[:, None] * np.log1p(value[:, None] * np.expm1(angle))).sum(axis=0)
    return np.fft.fft(np.exp(logs)).real / (top + 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_capacity_cuts_the_week_and_what_cannot_wait_lapses(seed: int) -> None:
    frame = world(seed)
    given = {"frequency.base_rate": 0.4, "capacity.max_postpone_weeks": 0, "capacity.multiplier": 1.0}
    held = np.diff(frame.fixed.start)
    q = weekly(0.4 / np.repeat(held, held))
    demand = np.bincount(frame.fixed.agency, weights=q, minlength=12)
    spread = np.sqrt(np.bincount(frame.fixed.agency, weights=q * (1 - q), minlength=12))
    room = np.rint(demand + np.linspace(-0.5, 0.5, 12) * spread).astype(np.int64)  # tight, each to its degree
    frame = dataclasses.replace(frame, fixed=frame.fixed._replace(capacity=room))
    weeks = 208
    done = run(frame, bare(EQUAL | FLAT | given), weeks)
    made = done.served.sum(axis=2)
    lapsed = done.tally[:, :, TALLY.index("lapsed")]
    assert (made <= room).all()
    for agency in range(12):
        mine = q[frame.fixed.agency == agency]
        pmf = distribution_of_sum(mine, int(demand[agency] + 12 * spread[agency]) + 12)
        grid = np.arange(len(pmf))
        assert (pmf * grid).sum() == pytest.approx(mine.sum(), rel=1e-9)
        cut = np.minimum(grid, room[agency])
        mean = (pmf * cut).sum()
        variance = (pmf * cut**2).sum() - mean**2
        assert agrees(made[:, agency].sum(), weeks * mean, weeks * variance), agency
        over = np.maximum(grid - room[agency], 0)
        mean = (pmf * over).sum()
        assert agrees(lapsed[:, agency].sum(), weeks * mean, weeks * ((pmf * over**2).sum() - mean**2)), (
            agency
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_an_agency_that_is_never_idle_makes_what_it_can(seed: int) -> None:
    frame = world(seed)
    given = {"frequency.base_rate": 6.0, "capacity.max_postpone_weeks": 100, "capacity.multiplier": 1.0}
    done = run(frame, bare(EQUAL | given), 30)
    assert (done.served.sum(axis=2)[1:] == frame.fixed.capacity).all()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("window", [0, 3, 9])
def test_joint_visits_save_what_the_draws_of_a_week_and_of_the_window_say(seed: int, window: int) -> None:
    # One week from nothing. Agency a joins if one of its obligations is drawn now, or, where anything is,
    # within the window: 1 − Π (1 − q)(1 − r), r = 1 − (1 − q)^window, over its obligations.
    frame = world(seed)
    merge = {
        "check_code.action": "merge",
        "check_code.window_weeks": window,
        "check_code.unregistered_share": 0.0,
    }
    done = run(frame, bare(EQUAL | merge | {"frequency.base_rate": 3.0}), 1)
    owner = frame.fixed.enterprise.astype(np.int64)
    q = done.end.state.routine / 2.0**32  # nothing is remembered in one week
    r = 1 - (1 - q) ** window
    now, never = np.log1p(-q), np.log1p(-q) + np.log1p(-r)
    lead = -np.expm1(np.bincount(owner, now))
    key = owner * 12 + frame.fixed.agency
    out = np.exp(np.bincount(key, never, minlength=12 * frame.enterprises)).reshape(-1, 12)
    alone_now = np.bincount(key, now, minlength=12 * frame.enterprises).reshape(-1, 12)
    others = -np.expm1(np.bincount(owner, now)[:, None] - alone_now)
    has = np.bincount(key, minlength=12 * frame.enterprises).reshape(-1, 12) > 0
    joins = np.where(has, lead[:, None] - out * others, 0)  # something is drawn, and not without a
    saved = joins.sum(axis=1) - lead
    together = np.zeros((frame.enterprises, 12), bool)
    together[owner[done.log[:, 1]], frame.fixed.agency[done.log[:, 1]]] = True
    seen = np.maximum(together.sum(axis=1) - 1, 0)
    assert seen.sum() == done.saved.sum()
    assert agrees(seen.sum(), saved.sum(), (seen - saved).var() * len(seen))
    # and the inspections: Σ P(drawn now) + P(something else drawn now, this one within the window)
    rest = -np.expm1(np.bincount(owner, now)[owner] - now)
    made = np.bincount(owner, q + (1 - q) * rest * r)
    counted = np.bincount(owner[done.log[:, 1]], minlength=frame.enterprises)
    assert agrees(counted.sum(), made.sum(), (counted - made).var() * len(made))
    ahead = (done.log[:, 8] > done.log[:, 0]).sum()
    brought = ((1 - q) * rest * r).sum()
    assert agrees(ahead, brought, 2 * brought)  # those of one visit come together
    assert (ahead > 100) == (window > 0)


# What the tests above stand on


def test_four_standard_errors_are_able_to_fail() -> None:
    frame = world(1)
    done = run(frame, bare({"frequency.random_floor": 0.2}), 52)
    n, q = 52 * frame.obligations, weekly(0.2)
    assert agrees(len(done.log), n * q, n * q * (1 - q))
    for wrong in (0.2 / 52 * 1.05, weekly(0.2 * 0.95)):
        assert not agrees(len(done.log), n * wrong, n * wrong * (1 - wrong))


def test_the_table_of_probabilities_is_that_of_the_formula() -> None:
    rate = np.exp(np.arange(1, 6145) / 512 - 12.0)
    told = probability_table()[1:] / 2.0**32
    assert told == pytest.approx(-np.expm1(-rate), abs=2.0**-32)
    assert probability_table()[0] == 0
    assert log_index(rate).tolist() == list(range(1, 6145))
    assert (
        np.abs(np.exp(log_index(rate * 1.0007) / 512 - 12.0) / (rate * 1.0007) - 1)[:-1].max()
        < 1 / 1024 + 1e-6
    )


def test_a_closed_world_has_nothing_but_violations() -> None:
    frame = closed_world(ENTERPRISES, 1)
    assert (frame.fixed.left == NEVER).all()
    assert (frame.fixed.entered == 0).all()
    done = run(frame, bare({}), 52)
    assert len(done.log) == len(done.signals) == len(done.events) == 0
