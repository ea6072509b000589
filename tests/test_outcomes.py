from collections import Counter, defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tierkit.city.engine import run
from tierkit.city.engine.kernels import RELABELLED
from tierkit.city.population import items
from tierkit.city.synth import make
from tierkit.compare.measures import MEASURES
from tierkit.compare.outcomes import levels_of, measure, run_and_measure, run_and_measure_windows
from tierkit.policy import Policy
from tierkit.records import SHANGHAI

LEVELS = levels_of(SHANGHAI)

HARM = np.array([1, 5, 40])


@pytest.fixture(scope="module")
def world():
    return make(1500, seed=11)[1]


@pytest.fixture(scope="module")
def both(world):
    return run_and_measure(world, Policy.load("jinshan-2025"), 52, kappa=0.1)


@pytest.fixture(scope="module")
def done(both):
    return both[0]


@pytest.fixture(scope="module")
def outcome(both):
    return both[1]


def value(outcome, name, group="all", level="all"):
    rows = outcome.values()
    row = rows[(rows["measure"] == name) & (rows["group"] == group) & (rows["level"] == level)]
    assert len(row) == 1
    return row["value"].iloc[0]


def test_groups_add_up_to_the_whole(outcome):
    rows = outcome.values()
    for m in MEASURES:
        if m.bottom or m.groups == ("all",):
            continue
        whole = value(outcome, m.name)
        for group in m.groups:
            mine = rows[(rows["measure"] == m.name) & (rows["group"] == group)]
            assert mine["value"].sum() == pytest.approx(whole, rel=1e-12), (m.name, group)
            assert tuple(mine["level"]) == LEVELS[group]


def test_inspections_visits_and_hours_by_hand(done, outcome):
    log = done.table()
    on_site = log[log["mode"] < 2]
    owner = done.start.fixed.enterprise
    item = done.start.fixed.item
    spent = items()["minutes"].to_list()
    visits = {}
    minutes = 0
    for row in on_site.itertuples():
        minutes += spent[item[row.obligation]]
        visits[(int(owner[row.obligation]), row.week, row.visit)] = row.mode == 1
    assert value(outcome, "inspections") == len(on_site)
    assert value(outcome, "visits") == len(visits)
    assert value(outcome, "findings") == (on_site["finding"] > 0).sum()
    assert value(outcome, "finding_rate") == pytest.approx((on_site["finding"] > 0).mean())
    assert value(outcome, "inspector_hours") == pytest.approx((minutes + 60 * len(visits)) * 2 / 60)
    assert value(outcome, "enterprise_hours") == sum(6 if joint else 4 for joint in visits.values())
    assert value(outcome, "trigger_share") == pytest.approx(on_site["channel"].isin([1, 2]).mean())
    assert any(visits.values()), "the world should hold a joint visit"


def test_repeats_by_hand(done, outcome):
    log = done.table()
    world = done.start.fixed
    log = log[(log["mode"] < 2)]
    first = {}
    for row in log.itertuples():
        key = (int(world.enterprise[row.obligation]), row.week, row.visit)
        first.setdefault(key, row)
    by_enterprise = defaultdict(list)
    for key, row in sorted(first.items()):
        if row.channel != 2:
            by_enterprise[key[0]].append((row.week, int(world.agency[row.obligation])))
    repeats = multi = 0
    for calls in by_enterprise.values():
        for (w0, a0), (w1, a1) in pairwise(calls):
            repeats += w1 - w0 <= 4
            multi += w1 - w0 <= 4 and a0 != a1
    assert repeats > 0
    assert value(outcome, "repeat_visits_30d") == repeats
    assert value(outcome, "multi_agency_30d") == multi


def test_violations_are_found_or_missed_and_harm_is_counted_by_week(done, outcome):
    spells = int(done.end.state.spells.sum())
    assert value(outcome, "violations") == spells
    assert value(outcome, "violations_missed") == spells - value(outcome, "findings")
    by_state = done.counts.sum(axis=(0, 1, 2))
    assert value(outcome, "violation_weeks") == by_state[1:].sum()
    assert value(outcome, "harm") == by_state[1:] @ HARM
    assert value(outcome, "prevalence") == pytest.approx(by_state[1:].sum() / by_state.sum())


def test_visits_per_enterprise_sum_to_visits(done, outcome):
    per = outcome.visits_per_enterprise
    assert per[per >= 0].sum() == value(outcome, "visits")
    world, week = done.start.fixed, done.start.week
    alive = (done.end.state.left > week) & (world.entered < week + 52)
    assert ((per >= 0) == alive).all()
    assert value(outcome, "never_visited_share") == pytest.approx(Counter(per.tolist())[0] / alive.sum())


def test_the_last_weeks_are_the_whole_less_the_first(world):
    policy = Policy.load("shanghai-2025")
    _, whole = run_and_measure(world, policy, 30, kappa=0.1)
    _, early = run_and_measure(world, policy, 18, kappa=0.1)
    _, late = run_and_measure(world, policy, 30, over=12, kappa=0.1)
    for name in (
        "inspections",
        "visits",
        "findings",
        "harm",
        "violation_weeks",
        "penalties",
        "tier_changes",
        "put_off",
    ):
        assert value(early, name) + value(late, name) == value(whole, name), name
    # Violations that existed at the boundary count in both parts, so those of the parts are no fewer.
    assert value(early, "violations") + value(late, "violations") > value(whole, "violations")


def test_every_finding_rate_has_its_company():
    names = [m.name for m in MEASURES]
    beside = {"findings", "violations_missed", "harm", "enterprise_hours", "trigger_share"}
    assert beside <= set(names)


def test_over_out_of_range_is_refused(world):
    with pytest.raises(ValueError, match="'over' must be in 1 … 4"):
        run_and_measure(world, Policy.load("legacy"), 4, over=5)


def test_a_run_measured_alone_gives_the_same_without_what_needs_its_list(done, outcome):
    alone = measure(done).values()
    rows = outcome.values()
    rows = rows[rows["group"] != "shield"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, rows, check_exact=True)


def test_by_agency_a_joint_visit_is_shared_by_those_that_take_part(done, outcome):
    log = done.table()
    world = done.start.fixed
    spent = items()["minutes"].to_list()
    members, first = defaultdict(set), {}
    hours = Counter()
    for row in log[log["mode"] < 2].itertuples():
        visit = (int(world.enterprise[row.obligation]), row.week, row.visit)
        agency = int(world.agency[row.obligation])
        members[visit].add(agency)
        first.setdefault(visit, (agency, row.channel, row.mode))
        hours[agency] += spent[world.item[row.obligation]] * 2 / 60
    assert max(map(len, members.values())) > 1
    visits, repeats, multi = Counter(), Counter(), Counter()
    before = {}
    for visit in sorted(members):
        enterprise, week, _ = visit
        lead, channel, _ = first[visit]
        share = Fraction(1, len(members[visit]))
        for agency in members[visit]:
            visits[agency] += share
            hours[agency] += float(share) * 2
        if channel == 2:
            continue
        if enterprise in before and week - before[enterprise][0] <= 4:
            for agency in members[visit]:
                repeats[agency] += share
                multi[agency] += share * (before[enterprise][1] != lead)
        before[enterprise] = (week, lead)
    for at, name in enumerate(LEVELS["agency"]):
        assert value(outcome, "visits", "agency", name) == pytest.approx(float(visits[at]))
        assert value(outcome, "repeat_visits_30d", "agency", name) == pytest.approx(float(repeats[at]))
        assert value(outcome, "multi_agency_30d", "agency", name) == pytest.approx(float(multi[at]))
        assert value(outcome, "inspector_hours", "agency", name) == pytest.approx(hours[at])


def test_those_who_enter_later_stand_apart_from_the_tiers(done, outcome):
    owner = done.start.fixed.enterprise[done.table()["obligation"]]
    later = done.start.fixed.entered > done.start.week
    on_site = (done.table()["mode"] < 2).to_numpy()
    assert value(outcome, "inspections", "tier", "entered") == (later[owner] & on_site).sum() > 0
    for at, tier in enumerate(LEVELS["tier"][:4]):
        mine = ~later & (done.first_tier == at)
        assert value(outcome, "inspections", "tier", tier) == (mine[owner] & on_site).sum()


def test_the_distribution_of_visits_is_that_of_the_counts(outcome):
    per = outcome.visits_per_enterprise
    per = per[per >= 0]
    names = ["never_visited_share", "visited_once_share", "visited_twice_share", "visited_thrice_share"]
    shares = [value(outcome, name) for name in names]
    assert shares == pytest.approx([(per == k).mean() for k in range(4)])
    assert value(outcome, "visited_more_share") == pytest.approx((per > 3).mean())
    assert sum(shares) + value(outcome, "visited_more_share") == pytest.approx(1)


def test_the_shielded_are_those_on_the_list_or_at_the_cap(world, done):
    policy = Policy.load("jinshan-2025").reform(
        {"lists.unmonitored.enabled": True, "lists.unmonitored.max_risk": 0.3, "frequency.base_rate": 4.0},
        name="listed",
    )
    listed = []
    run(world, policy, 1, kappa=0.1, observe=lambda week, state: listed.append(state.listed.copy()))
    done, outcome = run_and_measure(world, policy, 52, kappa=0.1)
    owner, level = world.fixed.enterprise, world.fixed.agency_level[world.fixed.agency]
    calls = defaultdict(set)
    for row in done.table().itertuples():
        if row.mode < 2 and row.channel in (0, 4, 5) and getattr(row, "coded", 1):
            calls[int(owner[row.obligation]), int(level[row.obligation])].add((row.week, row.visit))
    cap = policy["cap.planned_visits"]
    capped = {enterprise for (enterprise, _), days in calls.items() if len(days) >= cap}
    shielded = listed[0] == 1
    assert 0 < len(capped) < shielded.sum()
    # The engine's own count at the end of the year says the same.
    assert set(np.flatnonzero((done.end.state.visits >= cap).any(axis=1))) == capped
    shielded[list(capped)] = True
    log = done.table()
    log = log[log["mode"] < 2]
    inside = shielded[owner[log["obligation"]]]
    triggered = log["channel"].isin([1, 2]).to_numpy()
    for name, mine in (("shielded", inside), ("open", ~inside)):
        assert value(outcome, "inspections", "shield", name) == mine.sum() > 0
        assert value(outcome, "trigger_share", "shield", name) == pytest.approx(triggered[mine].mean())
        found = (log["finding"] > 0).to_numpy()[mine & triggered]
        assert value(outcome, "trigger_finding_rate", "shield", name) == pytest.approx(found.mean())


def test_relabelled_checks_are_those_whose_cause_says_so(done):
    log = done.log.copy()
    triggers = np.flatnonzero((log[:, 2] == 1) & (log[:, 3] < 2))
    log[triggers[::3], 13] = RELABELLED
    told = measure(replace(done, log=log))
    assert value(told, "relabelled") == len(triggers[::3]) > 0
    agency = done.start.fixed.agency[log[triggers[::3], 1]]
    assert told.parts["agency"]["relabelled"].tolist() == np.bincount(agency, minlength=12).tolist()
    assert value(measure(done), "relabelled") == 0


def test_windows_of_one_run_add_up_to_the_whole(world):
    policy = Policy.load("shanghai-2025")
    given = {"kappa": 0.1}
    done, (a, b, c, whole) = run_and_measure_windows(
        world, policy, 30, [(0, 10), (10, 22), (22, 30), (0, 30)], **given
    )
    again, late = run_and_measure(world, policy, 30, over=8, **given)
    np.testing.assert_array_equal(done.log, again.log)
    pd.testing.assert_frame_equal(c.values(), late.values(), check_exact=True)
    for name in ("inspections", "visits", "findings", "harm", "violation_weeks", "tier_changes", "put_off"):
        by = {"all", "agency"} if name in ("inspections", "put_off", "visits") else {"all", "tier"}

        def told(one, name=name, by=by):
            rows = one.values()
            return rows.loc[(rows["measure"] == name) & rows["group"].isin(by), "value"].to_numpy()

        np.testing.assert_allclose(sum(told(part) for part in (a, b, c)), told(whole), rtol=1e-12)
    assert whole.values().equals(run_and_measure(world, policy, 30, **given)[1].values())


@pytest.mark.parametrize("window", [(0, 5), (-1, 2), (2, 2), (3, 1)])
def test_a_window_beyond_the_run_is_refused(world, window):
    with pytest.raises(ValueError, match=r"A window must be in 0 … 4 and hold a week"):
        run_and_measure_windows(world, Policy.load("legacy"), 4, [window])
