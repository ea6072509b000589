"""Simulate a policy on a world week by week and return the log of what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from tierkit.city.engine.kernels import (
    LOG,
    TALLY,
    advance,
    bind,
    candidates,
    fill,
    members,
    reregister,
    review,
    set_offsets,
    settle,
)
from tierkit.city.engine.rules import Rules, compile_rules
from tierkit.city.keyed_random import Block, draws
from tierkit.city.limits import LAST_WEEK, MAX_SEED
from tierkit.city.population import cells, violation_weeks
from tierkit.city.world import LOG_MIN, LOG_ONE, Fixed, State, World
from tierkit.policy import Policy
from tierkit.policy.tiers import MARGIN_ONE, POINT_ONE, is_risk_alone, margin_steps, point_steps
from tierkit.policy.tiers.lists import room_of
from tierkit.policy.tiers.rule import POINT_LIMIT
from tierkit.records import CHANNELS, TIERS
from tierkit.scores.gate import check_scores

__all__ = ["Run", "oracle_scores", "run"]

_OLDEST_FINDING = 1000  # weeks; no floor of a policy reaches back so far
CHUNK_OBLIGATIONS = 16_384
"""Obligations that a slice holds: small enough for the second-level cache."""
# Perceived rates are whole numbers in 2**-16; reference rates in 2**-24, so a ratio is shifted by 40 bits.
_PERCEIVED_ONE = 1 << 16


@dataclass(frozen=True)
class Run:
    """The result of one run of a policy.

    Attributes
    ----------
    policy : Policy
    start : World
        The world at the start.
    end : World
        The world after the last week.
    kappa : float
    seed, replicate : int
    log : int32 array of shape (inspections, 17)
        Columns as in `tierkit.city.engine.LOG`.
    signals : int32 array of shape (signals, 5)
        Week, obligation, kind (true, mistaken, professional, incident, alert), opened (0 no, 1 yes,
        2 a check was arranged already), recognised as professional.
    events : int32 array of shape (events, 4)
        Week, slot, kind, week in which the record is closed.
    tally : int64 array of shape (weeks, agencies, 13)
        Inspections by week, agency and what became of them, as in `tierkit.city.engine.TALLY`.
    counts : int64 array of shape (weeks, 4, 2, 4)
        Obligation-weeks by tier, item class and compliance state.
    demanded, served : int64 array of shape (weeks, agencies, 6)
        Inspections that reached the agencies' capacity, and those they made, by channel.
    saved : int64 array of shape (weeks,)
        Visits that joint inspections saved.
    first_tier : uint8 array of shape (E,)
        Tier at the start of the run, 0 = T1.
    """

    policy: Policy
    start: World
    end: World
    kappa: float
    seed: int
    replicate: int
    log: NDArray[np.int32]
    signals: NDArray[np.int32]
    events: NDArray[np.int32]
    tally: NDArray[np.int64]
    counts: NDArray[np.int64]
    demanded: NDArray[np.int64]
    served: NDArray[np.int64]
    saved: NDArray[np.int64]
    first_tier: NDArray[np.uint8]

    @property
    def weeks(self) -> int:
        """Number of weeks that were run."""
        return len(self.tally)

    def table(self) -> pd.DataFrame:
        """Return the log as a frame of integers, one row per inspection."""
        return pd.DataFrame(self.log, columns=list(LOG))

    def check_conservation(self) -> None:
        """Check that every demanded inspection is accounted for, in each week and agency.

        Raises
        ------
        AssertionError
            If new and carried in differ from done, replaced, suppressed and put off.
        """
        came = self.tally[:, :, :2].sum(axis=2)
        went = self.tally[:, :, 2:].sum(axis=2)
        if not np.array_equal(came, went):
            week, agency = (int(x[0]) for x in np.nonzero(came != went))
            raise AssertionError(
                f"week {week}, {self.start.place.ids('agency')[agency]}: {came[week, agency]} demanded, "
                f"{went[week, agency]} accounted for "
                f"({dict(zip(TALLY, self.tally[week, agency].tolist(), strict=True))})"
            )


def _slices(start: NDArray[np.int64], size: int) -> list[tuple[int, int]]:
    """Return slices of enterprises with about `size` obligations each."""
    # Cut between enterprises, never within one: a slice decides for whole enterprises.
    edges = [0]
    n = len(start) - 1
    while edges[-1] < n:
        nxt = int(np.searchsorted(start, start[edges[-1]] + size, side="right")) - 1
        edges.append(min(max(nxt, edges[-1] + 1), n))
    return list(pairwise(edges))


class _Buffers:
    """Work arrays for one slice of a week; each thread has its own."""

    def __init__(self, obligations: int, enterprises: int) -> None:
        self.draws = np.empty((4, obligations), np.uint32)
        self.hit = np.empty(obligations, np.uint8)
        self.who = np.empty(obligations, np.int64)
        self.mask = np.empty(obligations, np.int32)
        self.signals = np.empty((obligations, 5), np.int32)
        self.events = np.empty((enterprises, 4), np.int32)


def oracle_scores(world: World, detection: float) -> pd.DataFrame:
    """Return the true risk of every enterprise, which only the ``oracle`` policy may use.

    The probability that one audit of an obligation drawn at random finds a violation is the mean over
    the obligations of the stationary share in violation, times the probability of detection.

    Parameters
    ----------
    world : World
    detection : float
        Probability that an audit at reference depth detects a violation.

    Returns
    -------
    DataFrame
        ``enterprise_id``, ``risk_probability``, ``credit_points``.
    """
    fixed = world.fixed
    odds = np.exp(fixed.hazard / LOG_ONE + LOG_MIN) * violation_weeks(world.parameters).sum()
    total = np.add.reduceat(odds / (1 + odds), fixed.start[:-1])
    risk = np.clip(detection * total / np.diff(fixed.start), 1e-6, 1 - 1e-6)
    return pd.DataFrame(
        {"enterprise_id": world.ids, "risk_probability": risk, "credit_points": 600 - 40 * logit(risk)}
    )


_TOP = POINT_LIMIT * POINT_ONE


def _starting_scores(state: State, world: World, policy: Policy, scores: pd.DataFrame | None) -> None:
    """Set the starting margins and points, to which the score update adds."""
    alone = is_risk_alone(policy)  # then points count for nothing, and everybody has more than any cut-off
    if scores is None:
        state.margin0[:] = round(policy["scoring.rule_intercept"] * MARGIN_ONE)
        state.points0[:] = _TOP if alone else round(policy["scoring.rule_points"] * POINT_ONE)
        return
    missing = {"enterprise_id", "risk_probability", "credit_points"} - set(scores.columns)
    if missing:
        raise ValueError(f"The 'scores' must have the columns {sorted(missing)}.")
    by_id = scores.set_index("enterprise_id")
    if not by_id.index.is_unique:
        twice = by_id.index[by_id.index.duplicated()].unique()
        raise ValueError(
            f"The 'scores' must have one row per enterprise; {len(twice)} have more, such as {twice[0]}."
        )
    check_scores(scores, pd.Series(np.array(world.place.ids("sector"))[world.fixed.sector], index=world.ids))
    aligned = by_id.reindex(world.ids)
    risk = aligned["risk_probability"].to_numpy(np.float64)
    points = np.full(len(risk), _TOP / POINT_ONE)
    if not alone:
        points = aligned["credit_points"].to_numpy(np.float64)
        if scores["credit_points"].isna().all():
            raise ValueError(
                "The 'scores' hold no credit, as of a model by risk alone. Give policies by risk alone, too "
                "(scoring.logic)."
            )
    if np.isnan(risk).all() or np.isnan(points).all():
        raise ValueError("The 'scores' hold none of the enterprises of this world; score the same dataset.")
    if ((risk <= 0) | (risk >= 1)).any() or np.isinf(points).any():
        raise ValueError("A 'risk_probability' must be in (0, 1) and 'credit_points' finite.")
    unknown = state.recorded == 2
    if "serious_finding_weeks" in aligned:
        ago = aligned["serious_finding_weeks"].astype("Float64").to_numpy(np.float64, na_value=np.nan)
        told = unknown & (ago >= 0) & (ago <= _OLDEST_FINDING)
        state.serious_week[told] = world.week - ago[told].astype(np.int64)
    if "adverse_record" in aligned:
        untold = unknown & aligned["adverse_record"].notna().to_numpy()
        state.recorded[untold] = aligned["adverse_record"].to_numpy()[untold].astype(np.uint8)
    # An enterprise without a score, as one still to enter, starts at the mean of its sector.
    # The mean is taken on the grid and rounded again, so that whoever starts at it stands on the grid as
    # well.
    sector, sectors = world.fixed.sector, len(world.place.sectors)
    for values, where, steps in ((risk, state.margin0, margin_steps), (points, state.points0, point_steps)):
        known = ~np.isnan(values)
        own = steps(values[known])
        total = np.bincount(sector[known], weights=own, minlength=sectors)
        count = np.bincount(sector[known], minlength=sectors)
        mean = np.where(count > 0, total / np.maximum(count, 1), own.mean())
        where[:] = np.rint(mean[sector]).astype(np.int32)
        where[known] = own


def _prepare(
    world: World, policy: Policy, rules: Rules, scores: pd.DataFrame | None, seed: int, replicate: int
) -> State:
    """Return the state at the start of a run under a policy."""
    state = world.state.copy()
    n, fixed = world.enterprises, world.fixed
    if rules.interval:
        state.phase[:] = draws(seed, replicate, fixed.enterprise, fixed.local, Block.PHASE)[0]
    if policy.oracle:
        scores = oracle_scores(world, float(policy["depth.detection"]))
    elif policy["scoring.basis"] == "rule":
        scores = None
    _starting_scores(state, world, policy, scores)
    state.offset[:] = 0
    if scores is not None:
        set_offsets(world.fixed, state, rules, world.week, state.offset)
    entering = np.searchsorted(fixed.entered, [world.week, world.week + 1])
    reregister(fixed, state, rules, world.week, int(entering[0]), int(entering[1]))
    # Fear is measured from the perceived rate at which the run starts.
    state.perceived0[:] = state.perceived
    state.fear[:] = 0
    bind(world.fixed, state, rules)
    state.visits[:] = 0
    state.changes[:] = 0
    state.flips[:] = 0
    state.weeks[:] = 0
    there = state.violation > 0
    there &= ((fixed.entered <= world.week) & (world.week < state.left))[fixed.enterprise]
    state.spells[:] = np.bincount(world.fixed.enterprise[there], minlength=n)
    review(world.fixed, state, rules, world.week, 0, n, True)
    _fill_lists(world.fixed, state, rules, world.week)
    return state


def _fill_lists(world: Fixed, state: State, rules: Rules, week: int) -> None:
    """List those of the least risk for each agency, where lists are filled to a share."""
    if rules.list_on not in (2, 3):
        return
    n = len(world.entered)
    margin, points, may = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.uint8)
    candidates(world, state, rules, week, margin, points, may)
    sectors = len(rules.scope_sector) if rules.list_on == 3 else 1
    count = np.zeros(sectors * (1 + int(world.agency.max(initial=0))), np.int64)
    members(world, may, sectors, count)
    fill(world, state, may, np.lexsort((-points, margin)), sectors, room_of(rules.list_share, count))


def run(
    world: World,
    policy: Policy,
    weeks: int,
    *,
    seed: int | None = None,
    replicate: int = 0,
    kappa: float = 0.0,
    scores: pd.DataFrame | None = None,
    threads: int = 1,
    chunk_obligations: int = CHUNK_OBLIGATIONS,
    progress: Callable[[int, int], None] | None = None,
    observe: Callable[[int, State], None] | None = None,
) -> Run:
    """Run a policy over a world.

    Parameters
    ----------
    world : World
        The world at the start; it stays as it is.
    policy : Policy
    weeks : int
        Length of the run, at least 1.
    seed : int, optional
        Seed of the draws; the world's own if absent.
    replicate : int
        Number of the replicate; runs that share seed and replicate share every draw.
    kappa : float
        Strength of general deterrence, log hazard per log perceived rate.
    scores : DataFrame, optional
        ``enterprise_id``, ``risk_probability``, ``credit_points`` as of the start, for policies whose
        tiers rest on models. Without it the rule score stands in. In a world that knows of no records,
        ``adverse_record`` says who had one, and ``serious_finding_weeks`` when something serious was found.
    threads : int
        Threads that share the slices of a week; the result does not depend on it.
    chunk_obligations : int
        Obligations in a slice; the result does not depend on it.
    progress : callable, optional
        Called with the weeks done and all weeks.
    observe : callable, optional
        Called after each week with the week and the state, which it must leave as it is.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        If an argument is out of range, scores do not fit the world, the policy is of another place, or the
        run would outlast the calendar.
    """
    if weeks < 1 or world.week + weeks > LAST_WEEK:
        raise ValueError(f"The 'weeks' must be in 1 … {LAST_WEEK - world.week}. Got {weeks}.")
    seed = world.seed if seed is None else seed
    for name, value in (("seed", seed), ("replicate", replicate)):
        if not 0 <= value <= MAX_SEED:
            raise ValueError(f"The '{name}' must be in 0 … {MAX_SEED}. Got {value}.")
    if threads < 1 or chunk_obligations < 1:
        raise ValueError("The 'threads' and 'chunk_obligations' must be at least 1.")
    policy = policy.at(world.place, world.date)
    rules = compile_rules(policy, world, kappa)
    state = _prepare(world, policy, rules, scores, seed, replicate)
    first_tier = state.tier.copy()
    fixed = world.fixed
    slices = _slices(fixed.start, chunk_obligations)
    largest = max((int(fixed.start[hi] - fixed.start[lo]) for lo, hi in slices), default=1)
    widest = max((hi - lo for lo, hi in slices), default=1)
    # Threads help since the compiled steps let go of Python's lock. As many buffers as threads: whoever works
    # takes one and puts it back, so none is waited for.
    pool = ThreadPoolExecutor(threads) if threads > 1 else None
    spare = [_Buffers(largest, widest) for _ in range(threads)]
    k0, k1 = np.uint64(seed), np.uint64(replicate)
    agencies, kinds = len(world.place.agencies), cells(world.place)
    tally = np.zeros((weeks, agencies, len(TALLY)), np.int64)
    counts = np.zeros((weeks, len(TIERS), 2, 4), np.int64)
    demanded = np.zeros((weeks, agencies, len(CHANNELS)), np.int64)
    served = np.zeros_like(demanded)
    saved = np.zeros(weeks, np.int64)
    # Routine checks of each agency whose place alerts' checks are still to take.
    owed = np.zeros(agencies, np.int64)
    # No week has been seen yet: the perceived rate is the reference rate.
    ratio = np.full(len(TIERS), _PERCEIVED_ONE, np.int64)
    logs: list[NDArray[np.int32]] = []
    all_signals: list[NDArray[np.int32]] = []
    all_events: list[NDArray[np.int32]] = []

    def look(week: int, part: tuple[int, int]) -> None:
        review(fixed, state, rules, week, part[0], part[1], False)

    def work(week: int, part: tuple[int, int]) -> tuple[Any, ...]:
        mine = spare.pop()
        count = np.zeros(counts.shape[1:], np.int64)
        expected = np.zeros(len(TIERS), np.int64)
        n, s, e = advance(
            fixed, state, rules, k0, k1, week, part[0], part[1], ratio, mine.draws, mine.hit, mine.who,
            mine.mask, mine.signals, mine.events, count, expected,
        )  # fmt: skip
        out = (mine.who[:n].copy(), mine.mask[:n].copy(), mine.signals[:s].copy(), mine.events[:e].copy())
        spare.append(mine)
        return (*out, count, expected)

    try:
        for at in range(weeks):
            week = world.week + at
            # Slots are in the order of entry, so those who enter this week are a range.
            entering = np.searchsorted(fixed.entered, [week, week + 1])
            if entering[1] > entering[0] and at > 0:
                lo, hi = int(entering[0]), int(entering[1])
                reregister(fixed, state, rules, week, lo, hi)
                review(fixed, state, rules, week, lo, hi, True)
            if at and at % rules.cap_period == 0:
                state.visits[:] = 0
            # Slots are in the order of entry, so the slices of those still to come are the last.
            here = [part for part in slices if fixed.entered[part[0]] <= week] or slices[:1]
            if at and at % rules.cadence == 0:
                _map(pool, partial(look, week), here)
                _fill_lists(fixed, state, rules, week)
            parts = _map(pool, partial(work, week), here)
            who, mask, signals, events = (np.concatenate([part[k] for part in parts]) for k in range(4))
            # Whole numbers add up to the same in any order, so slices and threads change nothing.
            counts[at] = sum(part[4] for part in parts)
            expected = sum(part[5] for part in parts)
            n = len(who)
            # Room for the worst case: each demand belongs to an enterprise of its own, all of whose
            # obligations are brought forward. The log also takes the off-site checks, at most one a demand.
            plan = np.empty((n * kinds, 8), np.int64)
            log = np.empty((n * (kinds + 1), len(LOG)), np.int32)
            inspected = np.zeros(len(TIERS), np.int64)
            rows, saved[at] = settle(
                fixed,
                state,
                rules,
                k0,
                k1,
                week,
                who,
                mask,
                n,
                plan,
                log,
                tally[at],
                demanded[at],
                served[at],
                inspected,
                owed,
            )
            # Inspections over reference rates, in 2**-16. Below 2**23 inspections a week and tier, the shift
            # fits 63 bits.
            ratio = np.where(expected > 0, (inspected << 40) // np.maximum(expected, 1), _PERCEIVED_ONE)
            logs.append(log[:rows].copy())
            all_signals.append(signals)
            all_events.append(events)
            if observe is not None:
                observe(week, state)
            if progress is not None:
                progress(at + 1, weeks)
    finally:
        if pool is not None:
            pool.shutdown()
    end = World(
        fixed,
        state,
        world.week + weeks,
        world.origin,
        world.ids,
        world.seed,
        world.parameters,
        world.known_from,
    )
    return Run(
        policy, world, end, kappa, seed, replicate, np.concatenate(logs), np.concatenate(all_signals),
        np.concatenate(all_events), tally, counts, demanded, served, saved, first_tier,
    )  # fmt: skip


def _map(
    pool: ThreadPoolExecutor | None, task: Callable[[tuple[int, int]], Any], parts: Sequence[Any]
) -> list[Any]:
    return list(pool.map(task, parts)) if pool is not None else [task(part) for part in parts]
