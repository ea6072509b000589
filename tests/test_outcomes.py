from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest

from tierkit.outcomes import GROUPS, MEASURES, measure, run_and_measure
from tierkit.policy import Policy
from tierkit.population import items
from tierkit.simulate import run
from tierkit.synth import make

HARM = np.array([1, 5, 40])


@pytest.fixture(scope="module")
def world():
    return make(1500, seed=11)[1]


@pytest.fixture(scope="module")
def done(world):
    return run(world, Policy.load("jinshan-2025"), 52, kappa=0.1)


@pytest.fixture(scope="module")
def outcome(done):
    return measure(done)


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
            assert tuple(mine["level"]) == GROUPS[group]


def test_inspections_visits_and_hours_by_hand(done, outcome):
    log = done.table()
    on_site = log[log["mode"] < 2]
    owner = done.frame.world.enterprise
    item = done.frame.world.item
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
    world = done.frame.world
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
    alive = (done.frame.world.left > done.frame.week) & (done.frame.world.entered < done.frame.week + 52)
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
