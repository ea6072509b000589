"""What everybody would expect: moving a lever moves what it must, which way; paired, with intervals."""

from typing import Any

import pytest

from tests.worlds import policy_of
from tierkit.city.synth import make
from tierkit.city.world import World
from tierkit.compare.comparison import compare
from tierkit.policy import Policy

PLANNED = "planned_inspections"
SHANGHAI = "shanghai-2025"
JINSHAN = "jinshan-2025"

BUSY = {"frequency.base_rate": 3.0, "capacity.multiplier": 1000.0}

# from which policy, what it has, what it gets, what is measured, which way it goes
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], str, int]] = {
    "more floor, more inspections": (
        "legacy", {}, {"frequency.random_floor": 0.05}, "inspections", +1,
    ),
    "more floor, more audits": (
        "legacy", {}, {"frequency.random_floor": 0.05}, "random_audits", +1,
    ),
    "sharper eyes, more findings an inspection": (
        "legacy", {"depth.detection": 0.5}, {"depth.detection": 0.9}, "finding_rate", +1,
    ),
    "a lower cap, fewer planned inspections": (
        JINSHAN, {**BUSY, "cap.planned_visits": 3}, {"cap.planned_visits": 1}, PLANNED, -1,
    ),
    "a longer period of the cap, fewer planned inspections": (
        JINSHAN, {**BUSY, "cap.planned_visits": 1, "cap.period_weeks": 8},
        {"cap.period_weeks": 52}, PLANNED, -1,
    ),
    "less room, fewer inspections": (
        "legacy", {"capacity.multiplier": 1000.0}, {"capacity.multiplier": 0.4}, "inspections", -1,
    ),
    "more listed items, fewer planned inspections": (
        SHANGHAI, {"lists.no_disturb.items": []},
        {"lists.no_disturb.items": ["fire-g1", "fire-g2", "market_regulation-g1", "market_regulation-g2"]},
        PLANNED, -1,
    ),
    "a list of the unmonitored, fewer planned inspections": (
        SHANGHAI, {"lists.unmonitored.enabled": False},
        {"lists.unmonitored.enabled": True, "lists.unmonitored.max_risk": 0.2}, PLANNED, -1,
    ),
    "less at T1, fewer planned inspections": (
        "legacy", {"scoring.matrix": [["T1"] * 4] * 4}, {"frequency.tier.T1.general": 0.2}, PLANNED, -1,
    ),
    "deeper checks, more findings": (
        "legacy", {"scoring.matrix": [["T4"] * 4] * 4}, {"depth.tier.T4": 4.0}, "findings", +1,
    ),
    "better recognised, fewer triggered inspections": (
        "legacy", {"professional_filter.weight": 0.0}, {"professional_filter.recall": 0.9},
        "triggered_inspections", -1,
    ),
    "more false positives, fewer triggered inspections": (
        "legacy", {"professional_filter.weight": 0.0}, {"professional_filter.false_positive": 0.8},
        "triggered_inspections", -1,
    ),
    "off site instead, fewer visits": (
        "legacy", {"offsite.coverage": 1.0}, {"offsite.substitution": 0.9}, "visits", -1,
    ),
    "sharper off site, more visits after an alarm": (
        "legacy", {"offsite.coverage": 1.0, "offsite.substitution": 1.0, "offsite.sensitivity": 0.1},
        {"offsite.sensitivity": 0.9}, "findings", +1,
    ),
    "merged, fewer visits": (
        "legacy", {**BUSY, "check_code.unregistered_share": 0.0},
        {"check_code.action": "merge", "check_code.window_weeks": 8}, "visits", -1,
    ),
    "refused, fewer planned inspections": (
        "legacy", {**BUSY}, {"check_code.action": "refuse", "check_code.window_weeks": 8},
        PLANNED, -1,
    ),
    "more without a code, fewer refused": (
        "legacy", {**BUSY, "check_code.action": "refuse", "check_code.window_weeks": 8},
        {"check_code.unregistered_share": 0.9}, PLANNED, +1,
    ),
    "relabelled, more triggered inspections": (
        SHANGHAI, {"lists.unmonitored.max_risk": 0.2}, {"trigger.relabelled_share": 0.9},
        "triggered_inspections", +1,
    ),
    "inspectors' own choice, relief undone": (
        SHANGHAI, {}, {"frequency.override": 0.9}, PLANNED, +1,
    ),
    "ordered from above, more inspections": ("legacy", {}, {"campaign.rate": 0.5}, "inspections", +1),
    "more let off, fewer penalties": (
        "legacy", {"lenience.minor_waiver": 0.0, **BUSY},
        {"lenience.minor_waiver": 1.0}, "penalties", -1,
    ),
    "more punished, more penalties": (
        "legacy", {}, {"disposition.penalised.moderate": 1.0, "disposition.penalised.minor": 0.9},
        "penalties", +1,
    ),
    "fewer seizures, which plans ask for": (
        "legacy", {"disposition.penalised.serious": 1.0, **BUSY, "disposition.sealed_share": 0.1},
        {"disposition.sealed_share": 0.05}, "seizures", -1,
    ),
    "off-site alerts in the place of routine checks, fewer inspections": (
        "legacy", {"offsite.coverage": 1.0}, {"offsite.alerts_replace": True}, "inspections", -1,
    ),
    "more commitments verified, more planned inspections": (
        "legacy", {"commitment.check_share": 0.0}, {"commitment.check_share": 1.0}, PLANNED, +1,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def town() -> World:
    return make(2_000, 6)[1]


@pytest.mark.parametrize("name", CASES)
def test_a_lever_moves_what_it_must(name: str, town: World) -> None:
    start, has, gets, measure, way = CASES[name]
    before = policy_of(has | {"scoring.basis": "rule"}, Policy.load(start))
    after = policy_of(gets, before).reform({}, name="after")
    # the first ten weeks are left out: what is brought forward then has not been missing before
    told = compare(town, before, after, replicates=4, weeks=50, over=40, kappa=0.0, seed=3, threads=1)
    row = told.table(measures=[measure]).set_index("policy").loc["after"]
    low, high = row["difference_low"], row["difference_high"]
    assert low <= row["difference"] <= high
    assert (low > 0) if way > 0 else (high < 0), (low, high)


def test_deterrence_carries_what_is_not_inspected_into_more_violations(town: World) -> None:
    fewer = policy_of({"frequency.base_rate": 0.02})
    legacy = Policy.load("legacy")
    shift = {}
    for kappa in (0.0, 0.25):
        told = compare(
            town, legacy, fewer, replicates=4, weeks=104, over=52, kappa=kappa, seed=3, threads=1
        ).table(measures=["prevalence"])
        shift[kappa] = told.set_index("policy").loc["drawn"]
    assert shift[0.25]["difference_low"] > 0
    assert shift[0.25]["difference"] > shift[0.0]["difference"]
