"""A clause that is carried is acted on: taking its parameters back changes what the engine is given.

It moves the figures that the clause names, too, in the direction that it states: the long tests run each plan
with its parameters and with those of the time before.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.worlds import LEGACY, demo_city, load, plain_world
from tierkit.city.engine.rules import Rules, compile_rules
from tierkit.city.parameters import parameters
from tierkit.city.world import WEEKS_A_YEAR
from tierkit.compare.intervals import mean_interval
from tierkit.compare.outcomes import Outcome, run_and_measure
from tierkit.compare.sensitivity.ranges import uncertain
from tierkit.policy import PLANS, SPEC, Policy
from tierkit.policy.plans.covering import Clause, Shown, clauses

ELSEWHERE = {
    "scoring.basis": "says whether the scores that a run starts from are the models' or the rule's",
    "lists.no_disturb.target_share": "says how many items the list was drawn up to hold",
}
"""Parameter that no rule of the engine is made of → what it does instead."""

TOGETHER = {"scoring.matrix", "scoring.risk_cutoffs", "scoring.credit_cutoffs"}
"""Parameters that can only be taken back together."""


@cache
def world() -> Any:
    return plain_world(60)


@cache
def rules_of(name: str) -> Rules:
    return compile_rules(load(name), world(), 0.1)


def set_by(plan: Policy, reference: str) -> list[str]:
    """Return the parameters of a reference that a plan sets otherwise than those before it."""
    inside = [one for one in SPEC if one == reference or one.startswith(f"{reference}.")]
    return [one for one in inside if plan[one] != LEGACY[one]]


def references() -> list[tuple[str, str, str]]:
    """Return plan, clause and reference, for each that names parameters which the plan sets."""
    of = {load(name).meta.document: name for name in PLANS}
    return [
        (of[one.document], one.id, reference.name)
        for one in clauses().values()
        for reference in one.carried_by
        if reference.kind == "policy" and set_by(load(of[one.document]), reference.name)
    ]


def without(plan: Policy, paths: list[str]) -> Policy:
    """Return a plan with parameters as they were before it."""
    more = TOGETHER if TOGETHER & set(paths) else set()
    return plan.reform({one: LEGACY[one] for one in {*paths, *more}})


@pytest.mark.parametrize(("plan", "reference"), sorted({(plan, name) for plan, _, name in references()}))
@pytest.mark.filterwarnings("ignore::tierkit.policy.PolicyWarning")
def test_what_a_clause_names_is_acted_on(plan: str, reference: str) -> None:
    if any(reference == one or reference.startswith(f"{one}.") for one in ELSEWHERE):
        return
    before, after = (
        rules_of(plan),
        compile_rules(without(load(plan), set_by(load(plan), reference)), world(), 0.1),
    )
    moved = [
        name for name, a, b in zip(Rules._fields, before, after, strict=True) if not np.array_equal(a, b)
    ]
    assert moved, f"{plan}: nothing that the engine is given changes with {reference}"


def test_every_clause_that_parameters_alone_carry_names_one_that_acts() -> None:
    acts: dict[str, list[str]] = {}
    for _, clause, reference in references():
        if reference not in ELSEWHERE:
            acts.setdefault(clause, []).append(reference)

    def by_parameters(one: Clause) -> bool:
        return any(each.kind == "policy" for each in one.carried_by) and not any(
            each.kind in ("world", "record", "output") for each in one.carried_by
        )

    idle = [
        one.id for one in clauses().values() if by_parameters(one) and not one.outside and one.id not in acts
    ]
    assert idle == []


@pytest.mark.filterwarnings("ignore::tierkit.policy.PolicyWarning")
def test_what_is_read_elsewhere_is_no_part_of_the_engines_rules() -> None:
    for reference in ELSEWHERE:
        name = next(plan for plan in PLANS if set_by(load(plan), reference))
        after = compile_rules(without(load(name), set_by(load(name), reference)), world(), 0.1)
        pairs = zip(rules_of(name), after, strict=True)
        assert all(np.array_equal(before, now) for before, now in pairs), reference


# What a clause moves

BY_RECORDS = {"P2": "the library of those who may be inspected is the data's tables, which no run moves"}
"""Clause that is carried by records and outputs alone → why there is nothing to run."""


def test_the_effect_of_guidance_which_nobody_knows_is_swept_from_none_on() -> None:
    (swept,) = [one for one in uncertain() if one.name == "deterrence.guidance"]
    assert (swept.acts, swept.low, swept.needs) == ("world", 0.0, "commitment.guidance")
    assert parameters()["deterrence.guidance"] < swept.high
    told = clauses()["A2"].outside
    assert told is not None
    assert "`tierkit sensitivity`" in told.zh
    assert "`tierkit sensitivity`" in told.en
    ordered = [name for name in PLANS if load(name)["commitment.guidance"]]
    assert [load(name).meta.document for name in ordered] == [clauses()["A2"].document]


REPLICATES, KAPPA = 4, 0.1
"""The fewest runs whose intervals tell."""


def carried() -> list[Clause]:
    return [one for one in clauses().values() if one.standing == "carried"]


def test_every_clause_that_is_carried_by_parameters_says_what_it_moves() -> None:
    silent = {one.id for one in carried() if not one.shown}
    assert silent == set(BY_RECORDS)
    assert not any(by.kind == "policy" for one in carried() if one.id in silent for by in one.carried_by)


def taken_back(plan: Policy, one: Clause, shown: Shown) -> tuple[str, ...]:
    """Return the parameters that are taken back to show what a clause moves."""
    named = shown.of or [by.name for by in one.carried_by if by.kind == "policy"]
    paths = {path for name in named for path in set_by(plan, name)}
    return tuple(sorted(paths | (TOGETHER if TOGETHER & paths else set())))


@pytest.mark.parametrize("name", PLANS)
def test_what_is_taken_back_is_set_by_the_clauses_own_plan(name: str) -> None:
    plan = load(name)
    for one in clauses().values():
        if one.document == plan.meta.document:
            assert all(taken_back(plan, one, shown) for shown in one.shown), one.id


def figures(outcome: Outcome, tier: np.ndarray[Any, Any]) -> pd.Series:
    """Return all figures of a run by their names, those by tier of whom the plan puts there."""
    parts = []
    for part in (outcome, outcome.by_tier(tier)):
        rows = part.values()
        names = rows["measure"] + "/" + rows["group"] + "/" + rows["level"]
        parts.append(pd.Series(rows["value"].to_numpy(), names.str.removesuffix("/all/all")))
    whole, by_tier = parts
    return pd.concat([whole.drop(by_tier.index), by_tier])


@pytest.mark.long
@pytest.mark.parametrize("name", PLANS)
@pytest.mark.filterwarnings("ignore::tierkit.policy.PolicyWarning")
def test_each_clause_moves_its_figures_in_the_stated_direction(name: str) -> None:
    plan, (_, frame, _, scores) = load(name), demo_city()
    tier: Any = None

    def year_of(policy: Policy) -> list[pd.Series]:
        nonlocal tier
        told = []
        for replicate in range(REPLICATES):
            done, outcome = run_and_measure(
                frame, policy, WEEKS_A_YEAR, scores=scores, replicate=replicate, kappa=KAPPA, threads=1
            )
            tier = done.first_tier if tier is None else tier
            told.append(figures(outcome, tier))
        return told

    ordered = year_of(plan)
    runs: dict[tuple[str, ...], list[pd.Series]] = {}
    wrong = []
    for one in clauses().values():
        for shown in one.shown if one.document == plan.meta.document else ():
            paths = taken_back(plan, one, shown)
            if paths not in runs:
                runs[paths] = year_of(plan.reform({path: LEGACY[path] for path in paths}))
            now, before = (np.array([[row[shown.figure]] for row in part]) for part in (ordered, runs[paths]))
            mean, low, high = (end[0] for end in mean_interval(now - before, against=before))
            told = f"{one.id} {shown}: {now.mean():.6g}, by {mean:+.4g} [{low:.4g}, {high:.4g}]"
            sys.stdout.write(f"{told}\n")
            if not (low > 0 if shown.change == "more" else high < 0):
                wrong.append(told)
    assert wrong == []
