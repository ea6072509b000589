"""Worlds and policies for the tests of the engine: small, busy, and drawn so that every instrument bites."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy.special import expit

from tierkit.city.parameters import parameters
from tierkit.city.population import draw, items
from tierkit.city.synth import make
from tierkit.city.world import World
from tierkit.policy import Policy, PolicyWarning
from tierkit.records import AGENCY_LEVELS, GRADES, GRAVITY, REPAIRABLE_KINDS, SHANGHAI, TIERS, Dataset

if TYPE_CHECKING:
    from tierkit.scores.model import Model

AGENCIES = SHANGHAI.ids("agency")
SECTORS = SHANGHAI.ids("sector")

LEGACY = Policy.load("legacy")

BUSY = {
    "turnover.entry": 0.5,
    "turnover.exit": 0.4,
    "turnover.reregister": 0.4,
    "commitment.share": 0.5,
    "commitment.share_licensed": 0.8,
    "commitment.renewal": 20,
    "hazard.prevalence": 0.4,
    "complaint.mistaken": 1.5,
    "complaint.professional": 1.5,
    "complaint.true_minor": 0.6,
    "complaint.true_moderate": 0.9,
    "complaint.true_serious": 1.5,
    "incident.serious": 1.0,
    "alert.true": 3.0,
    "alert.false": 0.5,
    "adverse.abnormal_list": 0.3,
    "adverse.court_default": 0.2,
    "adverse.tax_arrears": 0.2,
    "adverse.wage_arrears": 0.1,
    "adverse.commitment_breach": 0.3,
    "adverse.serious_dishonesty": 0.2,
    "adverse.honour": 0.3,
    "adverse.late_annual_report": 0.2,
    "adverse.address_unreachable": 0.1,
    "adverse.certified_management": 0.2,
    "adverse.self_check_filed": 0.3,
    "calendar.history_weeks": 30,
    "calendar.burn_in_weeks": 10,
}
"""Parameters of a world in which a hundred enterprises see everything happen within a year."""

ALL_ON: dict[str, Any] = {
    "scoring.hidden_gradient": 0.5,
    "scoring.sector_offset.food": -30,
    "scoring.risk_cutoffs": [0.09, 0.12, 0.16],
    "scoring.credit_cutoffs": [520, 560, 595],
    "frequency.base_rate": 6.0,
    "frequency.random_floor": 0.15,
    "frequency.tier.T1.general": 0.3,
    "frequency.tier.T2.general": 0.8,
    "frequency.tier.T3.key": 1.5,
    "frequency.tier.T4.key": 3.0,
    "depth.tier.T3": 1.3,
    "depth.tier.T4": 2.0,
    "red_lines.tax_arrears": "C",
    "red_line_tier.kinds": ["court_default"],
    "red_line_tier.tier": "T3",
    "escalation.kinds": ["penalty", "abnormal_list"],
    "escalation.max_weeks": 30,
    "lists.unmonitored.enabled": True,
    "lists.unmonitored.max_risk": 0.1,
    "lists.no_disturb.items": ["fire-g3", "labour-g1", "market_regulation-k2"],
    "campaign.rate": 0.8,
    "campaign.sectors": ["retail", "catering", "manufacturing"],
    "commitment.check_share": 0.8,
    "capacity.multiplier": 1.2,
    "capacity.max_postpone_weeks": 3,
    "professional_filter.recall": 0.6,
    "professional_filter.false_positive": 0.1,
    "check_code.action": "merge",
    "check_code.window_weeks": 3,
    "check_code.unregistered_share": 0.1,
    "joint.sectors": ["catering", "construction"],
    "joint.window_weeks": 5,
    "cap.planned_visits": 3,
    "offsite.coverage": 0.4,
    "offsite.substitution": 0.7,
    "offsite.alerts_replace": True,
    "frequency.override": 0.25,
    "strata.tags": ["retail", "food"],
    "strata.tier.T1": 0.7,
    "strata.tier.T4": 2.0,
    "agency_table.agencies": ["fire", "market_regulation"],
    "agency_table.tier.T2": 0.5,
    "agency_table.tier.T3": 1.4,
    "trigger.relabelled_share": 0.2,
    "commitment.guidance": True,
    "cap.period_weeks": 40,
    "repair.two_letters": True,
    "review.dwell_weeks": 8,
    "review.cadence_weeks": 4,
}
"""Every instrument switched on at once; the check code merges."""


def policy_of(changes: Mapping[str, Any], base: Policy = LEGACY) -> Policy:
    """Return a reform; what a policy should have meant is meant here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        return base.reform(changes, name="drawn")


def load(name: str) -> Policy:
    """Return a preset, without the warnings that say what its law leaves out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        return Policy.load(name)


@cache
def busy_world(enterprises: int = 120, seed: int = 1) -> World:
    """Return a busy world after its history, with entrants and exits to come."""
    return make(enterprises, seed, params=parameters().replace(BUSY), horizon_weeks=80)[1]


@cache
def plain_world(enterprises: int = 400, seed: int = 1) -> World:
    """Return a world with the default parameters after its history."""
    return make(enterprises, seed)[1]


@cache
def demo_city(enterprises: int = 20_000, seed: int = 2025) -> tuple[Dataset, World, Model, pd.DataFrame]:
    """Return the demonstration's city: records, world, model and scores; every tier has somebody there."""
    from tierkit.scores.train import train  # here, as most that use this file train nothing

    data, world = make(enterprises, seed)
    model = train(data, world.date, load("shanghai-2025"), seed=seed, bootstrap=0)
    return data, world, model, model.score(data, world.date)


@cache
def closed_world(enterprises: int, seed: int = 1) -> World:
    """Return a world in week 0 that nobody enters or leaves, and in which nothing but violations happens."""
    quiet = {name: 0.0 for name in parameters() if name.startswith(("complaint.true", "incident.", "alert."))}
    quiet |= {name: 0.0 for name in parameters() if name.startswith("adverse.")}
    quiet |= {"complaint.mistaken": 0.0, "complaint.professional": 0.0}
    quiet |= {
        "turnover.entry": 0.0,
        "turnover.exit": 1e-9,
        "deterrence.found": 0.0,
        "deterrence.found_penalised": 0.0,
    }
    return draw(enterprises, seed, LEGACY, 0, parameters().replace(quiet)).world


def with_parameters(frame: World, changes: Mapping[str, Any]) -> World:
    """Return the same world under other parameters."""
    return replace(frame, parameters=frame.parameters.replace(changes))


def scores_of(frame: World, seed: int) -> pd.DataFrame:
    """Return scores for most of the enterprises, as a model might give them."""
    rng = np.random.default_rng(seed)
    known = rng.random(frame.enterprises) < 0.9
    risk = expit(rng.normal(-2.0, 0.8, frame.enterprises))
    points = np.clip(rng.normal(590, 50, frame.enterprises), 10, 990)
    scores = pd.DataFrame({"enterprise_id": frame.ids, "risk_probability": risk, "credit_points": points})
    return scores[known].sample(frac=1, random_state=seed)


def _some(names: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), unique=True, max_size=5)


_chance = st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])
_multiple = st.sampled_from([0.0, 0.2, 1.0, 3.0])
_ODDS = st.sampled_from([0.3, 1.0, 2.0])


@st.composite
def changes(draw_: st.DrawFn) -> dict[str, Any]:
    """Draw a reform of the legacy policy that switches on some of the instruments."""
    one = {
        "frequency.base_rate": st.sampled_from([1.0, 4.0, 12.0]),
        "frequency.random_floor": st.sampled_from([0.0, 0.03, 0.3]),
        "capacity.multiplier": st.sampled_from([0.0, 0.5, 1.0, 100.0]),
        "capacity.max_postpone_weeks": st.sampled_from([0, 1, 6]),
        "scoring.logic": st.sampled_from(["matrix", "composite"]),
        "scoring.rule_gradient": st.sampled_from([0.0, 0.5, -1.0]),
    }
    groups: list[dict[str, st.SearchStrategy[Any]]] = [
        {f"frequency.tier.{t}.{c}": _multiple for t in TIERS for c in ("general", "key")},
        {f"depth.tier.{t}": _ODDS for t in TIERS}
        | {"depth.detection": _chance, "depth.inspector_sd": st.just(0.2)},
        {
            "lists.unmonitored.enabled": st.just(True),
            "lists.unmonitored.by": st.sampled_from(["rule", "agency", "agency_sector"]),
            "lists.unmonitored.target_share": st.sampled_from([0.0, 0.3, 1.0]),
            "lists.unmonitored.max_risk": st.sampled_from([0.1, 0.3, 1.0]),
            "lists.unmonitored.min_points": st.sampled_from([0, 560, 600]),
        },
        {
            "red_line_tier.kinds": _some(GRAVITY),
            "red_line_tier.tier": st.sampled_from(TIERS),
            "escalation.kinds": _some(REPAIRABLE_KINDS),
            "escalation.tier": st.sampled_from(TIERS),
            "escalation.max_weeks": st.sampled_from([1, 8, 52]),
            "scoring.record_needed": st.booleans(),
        },
        {
            "floors.highest_risk": st.booleans(),
            "floors.serious_weeks": st.sampled_from([0, 1, 30]),
            "floors.red_line": st.booleans(),
        },
        {"lists.no_disturb.items": _some(tuple(items()["item"]))},
        {"campaign.rate": st.sampled_from([0.5, 5.0]), "campaign.sectors": _some(SECTORS)},
        {"commitment.check_share": _chance},
        {
            "check_code.action": st.sampled_from(["merge", "refuse"]),
            "check_code.window_weeks": st.sampled_from([0, 1, 6]),
            "check_code.unregistered_share": _chance,
        },
        {"joint.sectors": _some(SECTORS), "joint.window_weeks": st.sampled_from([0, 3, 12])},
        {
            "cap.planned_visits": st.integers(1, 4),
            "cap.levels": _some(AGENCY_LEVELS),
            "cap.period_weeks": st.sampled_from([5, 26, 52]),
        },
        {"frequency.schedule": st.just("interval")},
        {"frequency.override": _chance},
        {"strata.tags": _some(SECTORS)} | {f"strata.tier.{t}": _multiple for t in TIERS},
        {"agency_table.agencies": _some(AGENCIES)} | {f"agency_table.tier.{t}": _multiple for t in TIERS},
        {"trigger.relabelled_share": _chance},
        {"commitment.check_share": _chance, "commitment.guidance": st.just(True)},
        {
            "repair.two_letters": st.just(True),
            "repair.letters_take_up": _chance,
            "repair.letters_mean_delay_weeks": st.sampled_from([0.0, 9.0]),
        },
        {
            "offsite.coverage": _chance,
            "offsite.substitution": _chance,
            "offsite.sensitivity": _chance,
            "offsite.false_alarm": _chance,
            "offsite.alerts_replace": st.booleans(),
            "offsite.sectors": _some(SECTORS),
            "offsite.agencies": _some(AGENCIES),
        },
        {"trigger.delay_weeks": st.sampled_from([0, 2]), "trigger.followup_weeks": st.sampled_from([1, 3])},
        {f"trigger.{kind}": _chance for kind in ("genuine", "professional", "incident", "alert")},
        {f"professional_filter.{what}": _chance for what in ("recall", "false_positive", "weight")},
        {f"lenience.{flag}": st.booleans() for flag in ("first_only", "off_list", "rectify_first")}
        | {"lenience.minor_waiver": _chance, "disposition.sealed_share": _chance},
        {
            "scoring.hidden_gradient": st.sampled_from([0.5, -0.5]),
            "scoring.rule_mean": st.sampled_from([0.1, -0.2]),
        },
        {"scoring.scope_sectors": _some(SECTORS), "scoring.scope_agencies": _some(AGENCIES)},
        {f"scoring.sector_offset.{sector}": st.sampled_from([-40, 25]) for sector in SECTORS[:4]},
        {
            "review.cadence_weeks": st.sampled_from([1, 4, 13]),
            "review.dwell_weeks": st.sampled_from([0, 10]),
            "review.hysteresis_margin": st.sampled_from([0.0, 0.3]),
            "review.hysteresis_points": st.sampled_from([0.0, 15.0]),
        },
        {
            f"red_lines.{kind}": st.sampled_from(GRADES)
            for kind in ("tax_arrears", "abnormal_list", "court_default")
        },
        {
            "scoring.risk_cutoffs": st.just([0.11]),
            "scoring.credit_cutoffs": st.just([560, 595]),
            "scoring.matrix": st.just([["T1", "T2", "T3"], ["T2", "T3", "T4"]]),
        },
        {"scoring.composite_cutoffs": st.just([620, 660, 690])},
        {
            "repair.take_up": _chance,
            "repair.mean_delay_weeks": st.sampled_from([0.0, 4.0]),
        },
    ]
    out = draw_(st.fixed_dictionaries(one))
    for group in draw_(st.lists(st.sampled_from(groups), unique_by=id, max_size=12)):
        out |= draw_(st.fixed_dictionaries(group))
    return out
