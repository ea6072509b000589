"""A clause that is carried is acted on: taking its parameters back changes what the engine is given."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.worlds import LEGACY, load, plain_world
from tierkit.city.engine.rules import Rules, compile_rules
from tierkit.policy import PLANS, SPEC, Policy
from tierkit.policy.plans.covering import Clause, clauses

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
