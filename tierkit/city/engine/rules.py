"""Compile a policy and the parameters of the world into the integers that the engine uses."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from tierkit.city.keyed_random import threshold
from tierkit.city.limits import LAST_WEEK, MAX_KAPPA
from tierkit.city.population import base_rates, cells, items
from tierkit.city.world import (
    LOG_ONE,
    WEEKS_A_YEAR,
    Fixed,
    World,
    log_index,
    probability_table,
    rate_table,
)
from tierkit.policy import HALF_LIVES, Policy
from tierkit.policy.specification import SCORE_EVENTS
from tierkit.policy.tiers import MARGIN_ONE, NEUTRAL_TIER, POINT_ONE, TierRule
from tierkit.policy.tiers.rule import lists_by_data
from tierkit.records import (
    AGENCY_LEVELS,
    CREDIT_EVENTS,
    EVENT_KINDS,
    ITEM_CLASSES,
    MERIT_DAYS,
    SEVERITIES,
    TIERS,
    UNINSPECTED_KINDS,
    Place,
)
from tierkit.records.repair_rules import published_until, repairable_from

__all__ = [
    "EVENTS",
    "MAX_SHIFT",
    "NO_TIER_RATE",
    "REFERENCE_DEPTH",
    "Rules",
    "compile_rules",
    "repair_terms",
    "tier_rates",
]

EVENTS = tuple(SCORE_EVENTS)
"""Events of the score update, in the order of the engine's columns."""
# Fits 16 bits; as a multiplier it would be exp(-58), so no rate in use is taken for it.
NO_TIER_RATE = -30_000
"""Logarithmic multiplier of a rate that is zero."""
REFERENCE_DEPTH = len(TIERS)
"""Row of the detection table that equal-chance audits use."""
FADE_WEEKS = 1024
_LISTS = ("rule", "agency", "agency_sector", "data")
_INSPECTED = tuple(kind for kind in EVENT_KINDS if kind not in UNINSPECTED_KINDS)
MAX_SHIFT = 1.5
"""Most by which what the records tell may raise or lower the logarithm of a routine rate."""
ADVERSE_EVERY = 4
"""Weeks between two draws of an enterprise's adverse events."""


class Rules(NamedTuple):
    """A policy in integers; thresholds are compared with 32-bit draws.

    A agencies, S sectors and I items, as the place has them.
    """

    # behaviour
    fall: NDArray[np.uint32]  # threshold by log index
    severity: NDArray[np.uint32]  # (2) cumulative: minor, moderate
    mend: NDArray[np.uint32]  # (4) by state
    deterrence: NDArray[np.int16]  # (4, FADE_WEEKS) by kind of finding (3 = guidance) and its age
    kappa: int  # 2**-16
    memory: int  # weight of this week in the perceived rate, 2**-16
    log_mantissa: NDArray[np.int64]  # (2048) log of 1 + m/2048, in 1/LOG_ONE
    log_two: int
    # signals
    mistaken: NDArray[np.uint32]  # (2 A + 1) by number of obligations
    genuine: NDArray[np.uint32]  # (4) by state
    incident: NDArray[np.uint32]  # (4)
    alert: NDArray[np.uint32]  # (2) compliant, violating
    opens: NDArray[np.uint32]  # (5) true, mistaken, professional, incident, alert
    filtered: NDArray[np.uint32]  # (2) recognised as professional: other, professional
    filtered_opens: int
    relabelled: int
    delay: int
    # the K kinds of credit event that no inspection bears
    adverse: NDArray[np.int16]  # (K) log index of the rate over ADVERSE_EVERY weeks
    slope: NDArray[np.int64]  # (K) of that log rate on latent propensity, 2**-16
    merit: NDArray[np.uint8]  # (K) speaks for the enterprise, so that there is nothing to repair
    permit_only: NDArray[np.uint8]  # (K) only of those who hold a permit by commitment
    adverse_earliest: NDArray[np.int16]  # (weeks, K) by week of the record: weeks until it can be repaired
    adverse_display: NDArray[np.int16]  # (weeks, K) weeks until its publication, or a merit, ends
    # planned demand
    rate: NDArray[np.int16]  # (O) log index of the base rate
    tier_rate: NDArray[np.int16]  # (5, 4, 2) stratum, tier, item class: log multiplier
    tagged: NDArray[np.uint8]  # (S) sectors with the tag
    own_table: NDArray[np.uint8]  # (A) agencies with a table of their own
    chance: NDArray[np.uint32]  # threshold of a routine draw by log index
    interval: int  # routine inspections at fixed intervals
    gradient: int  # log rate a margin step, 2**-16
    gradient_centre: int  # margin steps
    gradient_shift: int  # keeps the mean rate
    hidden: int  # log rate a hunch step, 2**-16
    hidden_shift: int
    floor: int
    campaign: NDArray[np.uint32]  # (S) by sector, weekly and per obligation
    commitment: int
    permit_cycle: int
    scope_sector: NDArray[np.uint8]  # (S)
    scope_agency: NDArray[np.uint8]  # (A)
    # lists, off-site, code, joint, cap, capacity
    list_on: int  # 1 by rule; filled to list_share by agency (2) or by agency and sector (3); 4 as data
    named: NDArray[np.uint8]  # (O), or none unless the list is data: whether it names enterprise and agency
    list_share: float
    list_margin: int
    list_points: int
    quiet_item: NDArray[np.uint8]  # (I)
    coverage: int  # rank below which an obligation is covered
    offsite_sector: NDArray[np.uint8]
    offsite_agency: NDArray[np.uint8]
    substitution: int
    sensitivity: int
    false_alarm: int
    alerts_replace: int
    code: int  # 0 none, 1 merge, 2 refuse
    window: int
    joint_sector: NDArray[np.uint8]
    joint_window: int
    unregistered: int
    cap: int
    cap_level: NDArray[np.uint8]  # by level of government: whether the cap binds it
    cap_period: int
    capacity: NDArray[np.int64]  # (A)
    max_postpone: int
    # inspection and after
    detect: NDArray[np.uint32]  # (A, groups, 5)
    guidance: int
    waiver: int
    first_only: int
    off_list: int
    rectify_first: int
    penalised: NDArray[np.uint32]  # (4)
    sealed: int
    follow: NDArray[np.uint32]  # (4)
    follow_weeks: int
    take_up: int
    repair_delay: NDArray[np.int16]  # (256) quantiles
    earliest: NDArray[np.int16]  # (weeks, 4) of penalties, by severity of the finding
    display: NDArray[np.int16]  # (weeks, 4)
    # review
    cadence: int
    dwell: int
    slack_margin: int
    slack_points: int
    composite: int
    risk_cut: NDArray[np.int64]
    credit_cut: NDArray[np.int64]
    matrix: NDArray[np.uint8]
    risk_weight: int  # 2**-10 point steps a margin step
    credit_weight: int  # 2**-10
    composite_cut: NDArray[np.int64]
    neutral: int
    sector_offset: NDArray[np.int64]  # (S) point steps
    red_line: NDArray[np.uint8]  # (K) best grade while the record is open; 0 caps nothing
    record_needed: int
    sound_points: int  # cut-off of grade B
    red_tier: NDArray[np.uint8]  # (K) best tier while the record is open; 0 states nothing
    rising_tier: NDArray[np.uint8]  # (K) the same while it is not older than rising_weeks
    rising_penalty: int  # the same of a penalty
    rising_weeks: int
    floor_risk: int  # the highest risk level bars from T1 and from lists
    floor_weeks: int  # so does a serious finding that is not older; -1 for none
    floor_kind: NDArray[np.uint8]  # (K) so does an open record
    update: NDArray[np.int32]  # (events, 2) by event: margin, points
    bucket: NDArray[np.uint8]  # (events) by event: row of fade
    fade: NDArray[np.int64]  # (HALF_LIVES, FADE_WEEKS) 2**-16


def _weekly(rate: Any) -> NDArray[np.uint32]:
    """Threshold of an event of a yearly rate within one week."""
    return threshold(-np.expm1(-np.asarray(rate, np.float64) / WEEKS_A_YEAR)).astype(np.uint32)


def _certain(probability: float) -> int:
    """Threshold of a probability that may be one, as an integer that 32 bits may not hold."""
    # For scalars, which are compared in 64 bits: 2**32 there means always.
    return int(threshold(probability))


def _limits(probabilities: Any) -> NDArray[np.uint32]:
    """Thresholds in 32 bits, where what is certain fails once in 2**32 draws."""
    # For tables, which are kept in 32 bits so that the vectorised loops compare 32-bit numbers.
    return np.minimum(threshold(probabilities), 2**32 - 1).astype(np.uint32)


def _flags(names: tuple[str, ...], chosen: Any, empty: int) -> NDArray[np.uint8]:
    chosen = tuple(chosen)
    return np.array([(name in chosen) if chosen else empty for name in names], np.uint8)


def fade_table(half_life: float) -> NDArray[np.int64]:
    """Return the decay factor after each number of weeks, in 2**-16: ``2 ** (-weeks / half_life)``."""
    return np.rint(65536 * 2.0 ** (-np.arange(FADE_WEEKS) / half_life)).astype(np.int64)


def _score_update(policy: Policy) -> dict[str, Any]:
    # What fades alike can share one sum: an enterprise keeps one pair of sums for each half-life, not for
    # each event.
    lives = [float(policy[f"score_update.{event}.half_life"]) for event in EVENTS]
    distinct = sorted(set(lives))
    table = np.zeros((HALF_LIVES, FADE_WEEKS), np.int64)
    for row, life in enumerate(distinct):
        table[row] = fade_table(life)
    update = [
        (
            policy[f"score_update.{event}.margin"] * MARGIN_ONE,
            policy[f"score_update.{event}.points"] * POINT_ONE,
        )
        for event in EVENTS
    ]
    return {
        # On the grid of scores, so sums of events stay whole numbers and come out alike in any order.
        "update": np.rint(update).astype(np.int32),
        "bucket": np.array([distinct.index(life) for life in lives], np.uint8),
        "fade": table,
    }


def _quiet(policy: Policy, place: Place) -> NDArray[np.uint8]:
    return items(place)["item"].isin(policy["lists.no_disturb.items"]).to_numpy().astype(np.uint8)


def _named(policy: Policy, world: World) -> NDArray[np.uint8]:
    """Return whether the list of a policy names each obligation's enterprise and agency."""
    if not lists_by_data(policy):
        return np.zeros(0, np.uint8)
    agencies = world.place.ids("agency")
    some: dict[str, set[int]] = {}
    for one, agency, *_ in policy["lists.unmonitored.file"].at_hand():
        some.setdefault(one, set()).update([agencies.index(agency)] if agency else range(len(agencies)))
    named = np.zeros(world.obligations, np.uint8)
    start = world.fixed.start
    for slot in np.flatnonzero(pd.Series(world.ids).isin(some.keys())):
        own = slice(start[slot], start[slot + 1])
        named[own] = np.isin(world.fixed.agency[own], list(some[world.ids[slot]]))
    return named


def _detection(policy: Policy, fixed: Fixed) -> NDArray[np.uint32]:
    """Return detection thresholds by agency, inspector group and depth.

    An inspector group shifts the log-odds of detection so that the standard deviation of the
    probability is, to first order, the declared one: ``sd / (p (1 - p))``. Depth multiplies the odds.
    """
    # The derivative of the logistic function at p is p (1 - p): a step of sd / (p (1 - p)) in log-odds moves
    # the probability by sd, to first order.
    p = float(policy["depth.detection"])
    spread = float(policy["depth.inspector_sd"]) / (p * (1 - p)) if 0 < p < 1 else 0.0
    depth = np.array([policy[f"depth.tier.{t}"] for t in TIERS] + [1.0], np.float64)
    with np.errstate(divide="ignore"):
        odds = logit(p) + spread * fixed.inspector_z[:, :, None] + np.log(depth)
    return _limits(expit(odds))


def tier_rates(policy: Policy) -> NDArray[np.float64]:
    """Return the logarithm of the multiple of the base rate, by stratum, tier and item class.

    Stratum 0 is out of scope; the others are 1 + 2 × tagged + agency with a table of its own. Where
    inspectors set the tier aside in a share of their choices, a multiple m becomes (1 - share) m + share.

    Examples
    --------
    >>> np.exp(tier_rates(Policy.load("jiading-2025"))[1, :, 0]).round(2).tolist()
    [0.15, 1.0, 1.0, 2.0]
    """
    own = np.array([[policy[f"frequency.tier.{t}.{c}"] for c in ITEM_CLASSES] for t in TIERS], np.float64)
    by_tag, by_table = (
        np.array([policy[f"{family}.tier.{t}"] for t in TIERS], np.float64)[:, None]
        for family in ("strata", "agency_table")
    )
    override = float(policy["frequency.override"])
    strata = np.stack([own, own * by_table, own * by_tag, own * by_tag * by_table])
    with np.errstate(divide="ignore"):
        inside = np.log((1 - override) * strata + override)
    return np.concatenate([np.zeros((1, *own.shape)), inside])


class RepairTerms(NamedTuple):
    """Weeks from a record to its earliest repair and to the end of publication, by week of the record."""

    earliest: NDArray[np.int16]  # (weeks, 4) of penalties, by severity
    display: NDArray[np.int16]
    adverse_earliest: NDArray[np.int16]  # (weeks, K) of the kinds that no inspection bears
    adverse_display: NDArray[np.int16]


@lru_cache(8)
def repair_terms(origin: dt.date) -> RepairTerms:
    """Return the terms of records by the week in which they are made, from the rules in force.

    Parameters
    ----------
    origin : datetime.date
        First day of week 0.

    Examples
    --------
    >>> terms = repair_terms(dt.date(2023, 5, 1))
    >>> terms.earliest[0].tolist(), terms.display[0].tolist()
    ([0, 13, 26, 52], [0, 152, 152, 157])
    >>> terms.display[160].tolist()
    [0, 13, 52, 157]
    """
    days = np.datetime64(origin, "D") + 7 * np.arange(LAST_WEEK + 1)

    def weeks(term: Any, kind: str, severity: str) -> NDArray[np.int16]:
        ahead: NDArray[np.int64] = (term(days, kind, severity) - days).astype(np.int64)
        return np.rint(ahead / 7).astype(np.int16)

    def of_penalties(term: Any) -> NDArray[np.int16]:
        none = np.zeros(len(days), np.int16)
        return np.stack([none, *(weeks(term, "penalty", severity) for severity in SEVERITIES)], axis=1)

    def of_others(term: Any) -> NDArray[np.int16]:
        """Return the weeks by kind; a merit counts for a time of its own, and there is nothing to repair."""
        return np.stack(
            [
                np.full(len(days), round(MERIT_DAYS[kind] / 7), np.int16)
                if kind in MERIT_DAYS
                else weeks(term, kind, str(CREDIT_EVENTS[kind].severity))
                for kind in UNINSPECTED_KINDS
            ],
            axis=1,
        )

    return RepairTerms(
        of_penalties(repairable_from),
        of_penalties(published_until),
        of_others(repairable_from),
        of_others(published_until),
    )


def compile_rules(policy: Policy, world: World, kappa: float) -> Rules:
    """Return the policy as the engine's integers.

    Parameters
    ----------
    policy : Policy
    world : World
        The world it acts on.
    kappa : float
        Strength of general deterrence: log hazard per log perceived rate, not negative.

    Returns
    -------
    Rules

    Raises
    ------
    ValueError
        If kappa is out of range, or the policy is of another place than the world.
    """
    if not 0 <= kappa <= MAX_KAPPA:
        raise ValueError(f"The 'kappa' must be in [0, {MAX_KAPPA}]. Got {kappa}.")
    p, fixed, policy = world.parameters, world.fixed, policy.at(world.place, world.date)
    sectors, agencies = world.place.ids("sector"), world.place.ids("agency")
    counts = np.diff(fixed.start)
    by_kind = base_rates(policy, p)
    yearly = by_kind[fixed.sector, fixed.size] / np.maximum(counts, 1)  # of each of its obligations
    here = world.alive()
    # A campaign's rate is an enterprise's; the draw is an obligation's.
    held = max(counts[here].mean(), 1) if here.any() else 1  # of those in the register, not of slots to come
    severity = np.cumsum([p[f"violation.severity.{s}"] for s in SEVERITIES])
    half = p["deterrence.half_life"]
    age = 2.0 ** (-np.arange(FADE_WEEKS) / half)
    sizes = (0.0, *(p[f"deterrence.{kind}"] for kind in ("found", "found_penalised", "guidance")))
    deterrence = np.outer(sizes, age)
    tier_rate = tier_rates(policy)
    gradient, sd = float(policy["scoring.rule_gradient"]), float(policy["scoring.rule_sd"])
    hidden = float(policy["scoring.hidden_gradient"])
    true = [p[f"complaint.true_{s}"] for s in SEVERITIES]
    letters = "letters_" if policy["repair.two_letters"] else ""
    # The exponential distribution as 256 equally likely weeks, each the quantile at the middle of its cell:
    # the top byte of a draw chooses one, and no logarithm is taken while the engine runs.
    quantile = -np.log1p(-(np.arange(256) + 0.5) / 256) * policy[f"repair.{letters}mean_delay_weeks"]
    interval = policy["frequency.schedule"] == "interval"
    tier_rule = TierRule.of(policy)
    terms = repair_terms(world.origin)
    by_records = tier_rule.by_records

    def stated(kinds: NDArray[np.bool_], tier: int, columns: tuple[str, ...]) -> NDArray[np.uint8]:
        return np.array([kinds[EVENT_KINDS.index(one)] * tier for one in columns], np.uint8)

    return Rules(
        fall=probability_table(),
        # Cumulative: two ends are enough, the rest is serious.
        severity=_limits(np.minimum(severity[:2] / severity[2], 1)),
        mend=_limits([0.0, *(p[f"violation.mend.{s}"] for s in SEVERITIES)]),
        deterrence=np.rint(deterrence * LOG_ONE).astype(np.int16),
        kappa=round(kappa * 65536),
        memory=round(-np.expm1(-1 / p["deterrence.memory"]) * 65536),
        log_mantissa=np.rint(np.log1p(np.arange(2048) / 2048) * LOG_ONE).astype(np.int64),
        log_two=round(np.log(2) * LOG_ONE),
        mistaken=_weekly(p["complaint.mistaken"] / np.maximum(np.arange(cells(world.place) + 1), 1)),
        genuine=_weekly([0.0, *true]),
        incident=_weekly([0.0, 0.0, 0.0, p["incident.serious"]]),
        alert=_weekly([p["alert.false"], p["alert.true"]]),
        opens=_limits(
            [policy[f"trigger.{k}"] for k in ("genuine", "genuine", "professional", "incident", "alert")]
        ),
        filtered=_limits([policy[f"professional_filter.{k}"] for k in ("false_positive", "recall")]),
        filtered_opens=_certain(policy["professional_filter.weight"]),
        relabelled=_certain(policy["trigger.relabelled_share"]),
        delay=int(policy["trigger.delay_weeks"]),
        adverse=log_index(
            [p[f"adverse.{kind}"] * ADVERSE_EVERY / WEEKS_A_YEAR for kind in UNINSPECTED_KINDS]
        ).astype(np.int16),
        slope=np.rint([p[f"slope.{kind}"] * 65536 for kind in UNINSPECTED_KINDS]).astype(np.int64),
        merit=np.array([CREDIT_EVENTS[kind].nature == "merit" for kind in UNINSPECTED_KINDS], np.uint8),
        permit_only=np.array([CREDIT_EVENTS[kind].permit_only for kind in UNINSPECTED_KINDS], np.uint8),
        adverse_earliest=terms.adverse_earliest,
        adverse_display=terms.adverse_display,
        rate=log_index(yearly / WEEKS_A_YEAR).astype(np.int16)[fixed.enterprise],
        tier_rate=np.where(np.isfinite(tier_rate), np.rint(tier_rate * LOG_ONE), NO_TIER_RATE).astype(
            np.int16
        ),
        tagged=_flags(sectors, policy["strata.tags"], 0),
        own_table=_flags(agencies, policy["agency_table.agencies"], 0),
        chance=rate_table() if interval else probability_table(),
        interval=int(interval),
        gradient=round(gradient / sd * LOG_ONE / MARGIN_ONE * 65536),
        gradient_centre=round(policy["scoring.rule_mean"] * MARGIN_ONE),
        # The mean of exp(g z) over a standard normal z is exp(g² / 2): taken off, the mean rate stays.
        gradient_shift=round(gradient**2 / 2 * LOG_ONE),
        hidden=round(hidden * 65536),
        hidden_shift=round(hidden**2 / 2 * LOG_ONE),
        floor=int(_weekly(policy["frequency.random_floor"])),
        campaign=np.where(
            _flags(sectors, policy["campaign.sectors"], 1),
            int(_weekly(policy["campaign.rate"] / held)),
            0,
        ).astype(np.uint32),
        commitment=_certain(policy["commitment.check_share"]),
        permit_cycle=int(p["commitment.renewal"]),
        scope_sector=tier_rule.in_scope.astype(np.uint8),
        scope_agency=_flags(agencies, policy["scoring.scope_agencies"], 1),
        list_on=policy["lists.unmonitored.enabled"] * (1 + _LISTS.index(policy["lists.unmonitored.by"])),
        named=_named(policy, world),
        list_share=float(policy["lists.unmonitored.target_share"]),
        list_margin=tier_rule.list_margin,
        list_points=tier_rule.list_points,
        quiet_item=_quiet(policy, world.place),
        # Ranks end at 65,533, and 65,535 stands for items that cannot be checked off site: full coverage
        # takes all ranks and never those.
        coverage=round(policy["offsite.coverage"] * 65_534),
        offsite_sector=_flags(sectors, policy["offsite.sectors"], 1),
        offsite_agency=_flags(agencies, policy["offsite.agencies"], 1),
        substitution=_certain(policy["offsite.substitution"]),
        sensitivity=_certain(policy["offsite.sensitivity"]),
        false_alarm=_certain(policy["offsite.false_alarm"]),
        alerts_replace=int(policy["offsite.alerts_replace"]),
        code=("none", "merge", "refuse").index(policy["check_code.action"]),
        window=int(policy["check_code.window_weeks"]),
        joint_sector=_flags(sectors, policy["joint.sectors"], 0),
        joint_window=int(policy["joint.window_weeks"]),
        unregistered=_certain(policy["check_code.unregistered_share"]),
        cap=int(policy["cap.planned_visits"]),
        cap_level=_flags(AGENCY_LEVELS, policy["cap.levels"], 1),
        cap_period=int(policy["cap.period_weeks"]),
        capacity=np.floor(fixed.capacity * policy["capacity.multiplier"]).astype(np.int64),
        max_postpone=int(policy["capacity.max_postpone_weeks"]),
        detect=_detection(policy, fixed),
        guidance=int(policy["commitment.guidance"]),
        waiver=_certain(policy["lenience.minor_waiver"]),
        first_only=int(policy["lenience.first_only"]),
        off_list=int(policy["lenience.off_list"]),
        rectify_first=int(policy["lenience.rectify_first"]),
        penalised=_limits([0.0, *(policy[f"disposition.penalised.{s}"] for s in SEVERITIES)]),
        sealed=_certain(policy["disposition.sealed_share"]),
        follow=_limits([0.0, *(policy[f"trigger.followup.{s}"] for s in SEVERITIES)]),
        follow_weeks=int(policy["trigger.followup_weeks"]),
        take_up=_certain(policy[f"repair.{letters}take_up"]),
        repair_delay=np.rint(quantile).astype(np.int16),
        earliest=terms.earliest,
        display=terms.display,
        cadence=int(policy["review.cadence_weeks"]),
        dwell=tier_rule.dwell,
        slack_margin=tier_rule.slack_margin,
        slack_points=tier_rule.slack_points,
        composite=int(tier_rule.composite),
        risk_cut=tier_rule.risk_cuts,
        credit_cut=tier_rule.credit_cuts,
        matrix=tier_rule.matrix.astype(np.uint8),
        risk_weight=tier_rule.risk_weight,
        credit_weight=tier_rule.credit_weight,
        # The rule compares at 1024 times the grid; the engine shifts its sums down instead (`review` in
        # kernels.py).
        composite_cut=tier_rule.composite_cuts // 1024,
        neutral=TIERS.index(NEUTRAL_TIER),
        sector_offset=tier_rule.sector_offset,
        red_line=np.array([tier_rule.caps[EVENT_KINDS.index(kind)] for kind in UNINSPECTED_KINDS], np.uint8),
        record_needed=int(by_records.needed),
        sound_points=by_records.sound_points,
        red_tier=stated(by_records.red_kinds, by_records.red_tier, UNINSPECTED_KINDS),
        rising_tier=stated(by_records.rising_kinds, by_records.rising_tier, UNINSPECTED_KINDS),
        rising_penalty=int(stated(by_records.rising_kinds, by_records.rising_tier, _INSPECTED).max()),
        rising_weeks=by_records.rising_weeks,
        floor_risk=int(tier_rule.floors.risk),
        floor_weeks=tier_rule.floors.serious_weeks,
        floor_kind=stated(tier_rule.floors.kinds, 1, UNINSPECTED_KINDS),
        **_score_update(policy),
    )
