"""On the demonstration's city tiers, lists and caps are founded on dated records, under every plan."""

from __future__ import annotations

from functools import cache

import pandas as pd
import pytest
from hypothesis import given, settings

from tests.test_founded import complaints, rows
from tests.test_instruments import _planned_visits
from tests.worlds import demo_city, load
from tierkit.city.engine import run
from tierkit.jobs.simulation import supervised
from tierkit.policy import PLANS
from tierkit.policy.tiers import assign, listed
from tierkit.records import GRAVITY, MERITS, REPAIRABLE_KINDS

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore::tierkit.policy.PolicyWarning"),
]

ALL = ("legacy", *PLANS)
LISTING = [name for name in PLANS if load(name)["lists.unmonitored.enabled"]]
ESCALATING = [name for name in PLANS if load(name)["escalation.kinds"]]


@cache
def adverse() -> pd.DataFrame:
    """Return the adverse records that were known on the day, with whether they stand open on it."""
    data, world, *_ = demo_city()
    day, told = pd.Timestamp(world.date), data["credit_events"]
    told = told[(told["known_on"] < day) & ~told["kind"].isin(list(MERITS))]
    return told.assign(
        open=~(told["repaired_on"] < day), weeks=(day - told["known_on"]).dt.days // 7,
        enterprise_id=told["enterprise_id"].astype("str"),
    )  # fmt: skip


@cache
def placed(name: str) -> pd.DataFrame:
    """Return everybody's tier under a plan, by id, with who is on how many agencies' lists."""
    data, _, _, scores = demo_city()
    found = listed(scores, load(name), supervised(data))
    on = found.groupby("enterprise_id")["listed"].sum()
    tiers = assign(scores, load(name))
    tiers.index = pd.Index(tiers["enterprise_id"].astype("str"))
    return tiers.assign(lists=on.reindex(tiers.index, fill_value=0))


def sectors() -> pd.Series:
    """Return everybody's sector by id."""
    firms = demo_city()[0]["enterprises"]
    return pd.Series(firms["sector"].astype("str").to_numpy(), firms["enterprise_id"].astype("str"))


@pytest.mark.parametrize("name", ALL)
def test_nobody_without_an_adverse_record_is_graded_d(name: str) -> None:
    own = placed(name)
    worst = own.index[own["credit_grade"] == "D"]
    assert set(worst) <= set(adverse()["enterprise_id"])


@pytest.mark.parametrize("name", ALL)
def test_nobody_with_an_open_red_line_record_is_in_t1_or_t2_or_on_a_list(name: str) -> None:
    policy, own = load(name), placed(name)
    kinds = [kind for kind in GRAVITY if policy[f"red_lines.{kind}"] != "A"]
    told = adverse()
    gravest = told.loc[told["open"] & told["kind"].isin(kinds), "enterprise_id"]
    mine = own[own.index.isin(gravest)]
    assert len(mine) > 15
    # outside the sectors that a plan grades nobody has a tier: what stands there stands for none
    scope, sector = policy["scoring.scope_sectors"], sectors()[mine.index]
    assert bool(scope) == (name == "minhang-2023")
    mine = mine[sector.isin(scope).to_numpy() | (not scope)]
    assert (mine["lists"] == 0).all()
    assert not mine["unmonitored"].any()
    assert not mine["tier"].isin(["T1", "T2"]).any()


@pytest.mark.parametrize("name", ESCALATING)
def test_everybody_with_a_record_that_a_plan_names_beside_high_risk_is_in_its_tier(name: str) -> None:
    policy, own = load(name), placed(name)
    assert policy["escalation.kinds"] == ("any",)
    young = adverse()["weeks"] <= policy["escalation.max_weeks"]
    named = adverse()[adverse()["open"] & young & adverse()["kind"].isin(list(REPAIRABLE_KINDS))]
    mine = own[own.index.isin(named["enterprise_id"])]
    assert len(mine) > 1000
    assert (mine["tier"] == policy["escalation.tier"]).all()


@pytest.mark.parametrize("name", LISTING)
def test_each_agencys_list_holds_the_share_that_the_plan_aims_at(name: str) -> None:
    data, _, _, scores = demo_city()
    found = listed(scores, load(name), supervised(data))
    shares = found.groupby("agency")["listed"].mean()
    assert len(shares) == 12
    assert (shares - load(name)["lists.unmonitored.target_share"]).abs().max() <= 0.02


def test_no_enterprise_of_the_city_has_more_planned_visits_than_the_cap() -> None:
    _, frame, _, scores = demo_city()
    for name in ALL:
        policy = load(name)
        if policy["cap.planned_visits"] == 0:
            continue
        assert (
            name == "jinshan-2025"
        )  # the one that has a cap, of the agencies that are all a district's here
        for replicate in range(3):
            visits = _planned_visits(run(frame, policy, 52, scores=scores, replicate=replicate))
            assert visits.groupby("e").size().max() == policy["cap.planned_visits"]


@given(rows)
@settings(max_examples=4, deadline=None)
def test_no_tier_of_the_city_moves_with_complaints_that_are_open_or_were_found_untrue(
    given_rows: list[tuple[int, int, int, bool]],
) -> None:
    data, frame, model, scores = demo_city()
    more = complaints(given_rows, scores["enterprise_id"], data["complaints"])
    after = model.score({**data, "complaints": more}, frame.date)
    for name in ALL:
        assert assign(after, load(name))["tier"].equals(assign(scores, load(name))["tier"]), name
