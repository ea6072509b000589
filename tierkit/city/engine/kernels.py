"""The compiled steps of a week. Integers only; the order of the steps is that of the rules.

`advance` does behaviour, signals and demand for a slice of enterprises and touches nothing outside
it, so slices may run in any order and on any thread. `settle` passes the week's demand through the
policy, inspects and draws the consequences; agencies' capacities couple enterprises there, so it runs
once a week over the demand alone. `review` moves scores and tiers of a slice.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from tierkit.city.engine.rules import ADVERSE_EVERY, FADE_WEEKS, MAX_SHIFT, NO_TIER_RATE, REFERENCE_DEPTH
from tierkit.city.keyed_random import ENTERPRISE_LEVEL, Block, philox
from tierkit.city.world import LOG_ONE, NEVER
from tierkit.policy.tiers.standing import SOUND_GRADE
from tierkit.records import SEVERITIES

__all__ = [
    "LOG",
    "RELABELLED",
    "SUPPRESSED",
    "TALLY",
    "advance",
    "bind",
    "candidates",
    "fill",
    "members",
    "reregister",
    "review",
    "set_offsets",
    "settle",
]

RANDOM, TRIGGER, FOLLOWUP, CAMPAIGN, COMMITMENT, ROUTINE = range(6)
ONSITE, JOINT, OFFSITE = range(3)
ALONE_WITH_CODE, SHARES, WITHOUT_CODE = range(3)
RELABELLED = 6
"""Cause of a planned check that is made under the name of a trigger."""
ALERTED = 5
"""Cause of a check that an off-site alert opened."""
GUIDANCE = 3
"""Kind of last finding of an obligation that was clean and given guidance."""
SERIOUS = len(SEVERITIES)
"""State of an obligation whose violation is serious."""
FIRST_WEEKS = 104
"""Weeks without a finding after which an offence counts as the first."""
FLIP_WEEKS = 26
"""Weeks within which a return to the tier before counts as a flip-flop."""
# The lean of the inspectors' rule may change a rate by a factor of exp(1.5) at most, either way.
SHIFT_LIMIT = int(MAX_SHIFT * LOG_ONE)
# From 1/64 to 64 times the reference rate, where one is 2**16; above 0, since its logarithm is taken.
PERCEIVED_LOW, PERCEIVED_HIGH = 1 << 10, 1 << 22
# Last index of the tables of rates: one a week. Index 0 is kept for "never", so sums are cut to 1 … 6144.
TOP_INDEX = 6144

LOG = (
    "week", "obligation", "channel", "mode", "finding", "disposition", "violation", "since",
    "drawn", "inspector", "visit", "tier", "age", "cause", "known_rate", "record_until", "coded",
)  # fmt: skip
"""Columns of an inspection's row."""
TALLY = (
    "new", "carried_in", "alone", "joint", "offsite", "list", "item", "window", "cap", "duplicate", "lapsed",
    "put_off", "replaced",
)  # fmt: skip
"""What becomes of a demanded inspection, by week and agency."""
SUPPRESSED = ("list", "item", "window", "cap", "duplicate", "lapsed")
"""Of these, what means that it is not made."""
(
    NEW,
    CARRIED,
    ALONE,
    JOINTLY,
    REPLACED,
    BY_LIST,
    BY_ITEM,
    BY_WINDOW,
    BY_CAP,
    BY_DUPLICATE,
    LAPSED,
    PUT_OFF,
    BY_ALERT,
) = range(len(TALLY))

_FOUND, _CLEAN, _PENALTY, _SUBSTANTIATED, _ADVERSE = 0, 3, 4, 5, 6
_B_WEEK, _B_SEVERITY, _B_SIGNAL, _B_DEMAND, _B_INSPECTION, _B_CONSEQUENCE, _B_ENTERPRISE = (
    int(b)
    for b in (
        Block.WEEK, Block.SEVERITY, Block.SIGNAL, Block.DEMAND, Block.INSPECTION, Block.CONSEQUENCE,
        Block.ENTERPRISE,
    )
)  # fmt: skip


@njit(cache=True, nogil=True)
def _block(k0: Any, k1: Any, slot: Any, number: Any, block: Any, week: Any) -> Any:  # pragma: no cover
    """Return four draws as signed 64-bit integers, so that thresholds up to 2**32 compare rightly."""
    # Word 1 of the counter: obligation in bits 0-7, block in 8-15; the index in 16-31 is 0 for all that is
    # drawn here. `keyed_random.pack` is the same layout for arrays.
    middle = np.uint64(number) | (np.uint64(block) << np.uint64(8))
    a, b, c, d = philox(k0, k1, np.uint64(slot), middle, np.uint64(week), np.uint64(0))
    return np.int64(a), np.int64(b), np.int64(c), np.int64(d)


@njit(cache=True, nogil=True)
def _fill(
    k0: Any, k1: Any, slot: Any, number: Any, week: Any, lo: Any, hi: Any, out: Any
) -> None:  # pragma: no cover
    """Draw the block WEEK of a run of obligations; a loop of its own, so that it vectorises."""
    # The block WEEK is number 0, so word 1 of the counter is the number of the obligation alone.
    for i in range(lo, hi):
        a, b, c, d = philox(k0, k1, np.uint64(slot[i]), np.uint64(number[i]), np.uint64(week), np.uint64(0))
        out[0, i - lo] = np.uint32(a)
        out[1, i - lo] = np.uint32(b)
        out[2, i - lo] = np.uint32(c)
        out[3, i - lo] = np.uint32(d)


@njit(cache=True, nogil=True)
def _turn(week: Any, routine: Any, phase: Any) -> Any:  # pragma: no cover
    """Return the substitute for the routine draw at fixed intervals, below the threshold once an interval."""
    # A wheel of 2**32 steps that turns by the threshold each week: it lands below the threshold exactly once
    # in each turn, so an interval is 2**32 / threshold weeks, with no division and no date to keep. Weeks are
    # below 2**13, so the product is below 2**45.
    return (np.int64(week) * np.int64(routine) + np.int64(phase)) & 0xFFFFFFFF


@njit(cache=True, nogil=True)
def _turns(week: Any, routine: Any, phase: Any, lo: Any, hi: Any, out: Any) -> None:  # pragma: no cover
    """Replace the routine draws of a slice by those of fixed intervals."""
    for i in range(lo, hi):
        out[1, i - lo] = np.uint32(_turn(week, routine[i], phase[i]))


@njit(cache=True, nogil=True)
def _log(value: Any, mantissa: Any, two: Any) -> Any:  # pragma: no cover
    """Return the natural logarithm of a positive integer in steps of 1/LOG_ONE, from a table."""
    # Floating-point logarithms may differ in the last bit between machines, and a threshold would then differ
    # too. So: the place of the highest bit times ln 2, and the 11 bits after it by a table.
    bits = 0
    rest = value
    while rest > 1:
        rest >>= 1
        bits += 1
    place = (value >> (bits - 11) if bits >= 11 else value << (11 - bits)) & 2047
    return mantissa[place] + bits * two


# Small helpers take arrays, not the named tuples: a call hands over every field of a tuple.
@njit(cache=True, nogil=True)
def _fade_to(conduct: Any, conduct_week: Any, fade: Any, e: Any, week: Any) -> None:  # pragma: no cover
    """Decay an enterprise's sums of events to a week."""
    # Sums are kept as of the week of the last change and faded when they are needed, so a week without events
    # costs nothing. Each fading rounds down: the result depends on the weeks in which it is done, and these
    # are part of the rule (docs/engine.md, section 4). Sums are below 2**31 and factors at most 2**16, so the
    # product fits.
    age = min(week - np.int64(conduct_week[e]), FADE_WEEKS - 1)
    if age > 0:
        for b in range(conduct.shape[1]):
            for axis in range(2):
                conduct[e, b, axis] = (np.int64(conduct[e, b, axis]) * fade[b, age]) >> 16
        conduct_week[e] = week


@njit(cache=True, nogil=True)
def _add_event(
    conduct: Any,
    conduct_week: Any,
    fade: Any,
    bucket: Any,
    update: Any,
    e: Any,
    event: Any,
    week: Any,
    record: Any,
) -> None:  # pragma: no cover
    """Add an event to the decaying sums; the points of a record do not decay and are added at review."""
    _fade_to(conduct, conduct_week, fade, e, week)
    b = bucket[event]
    conduct[e, b, 0] += update[event, 0]
    if not record:
        conduct[e, b, 1] += update[event, 1]


@njit(cache=True, nogil=True)
def _relabels(k0: Any, k1: Any, e: Any, number: Any, week: Any, share: Any) -> Any:  # pragma: no cover
    """Return whether a planned check that was stopped is made all the same, recorded as triggered."""
    # Draws are keyed by what they decide, so one that is not made shifts no other.
    if share == 0:
        return False
    _y0, y1, _y2, _y3 = _block(k0, k1, e, number, _B_SEVERITY, week)
    return y1 < share


@njit(cache=True, nogil=True)
def _covered(rank: Any, coverage: Any, sector: Any, agency: Any) -> Any:  # pragma: no cover
    """Return whether an obligation is covered by off-site checks, by its rank and the scopes."""
    return np.int64(rank) < coverage and sector == 1 and agency == 1


@njit(cache=True, nogil=True)
def _bind(bound: Any, hazard: Any, fall: Any, fear: Any, first: Any, last: Any) -> None:  # pragma: no cover
    """Set the draw threshold of falling into violation, leaving specific deterrence out."""
    # Specific deterrence is left out: it only lowers the hazard, so this is an upper bound. `_mark` compares
    # with it, and `advance` makes the exact comparison for the few that pass.
    for i in range(first, last):
        place = np.int64(hazard[i])
        bound[i] = fall[min(max(place + fear, 1), TOP_INDEX)] if place > 0 else 0


@njit(cache=True, nogil=True)
def bind(world: Any, state: Any, rules: Any) -> None:  # pragma: no cover
    """Set these thresholds for all enterprises."""
    for e in range(len(world.entered)):
        _bind(state.bound, world.hazard, rules.fall, state.fear[e], world.start[e], world.start[e + 1])


@njit(cache=True, nogil=True)
def _mark(
    draws: Any, violation: Any, bound: Any, routine: Any, due_week: Any, lo: Any, hi: Any, week: Any,
    mend: Any, floor: Any, campaign: Any, ceiling: Any, hit: Any,
) -> None:  # fmt: skip  # pragma: no cover
    """Mark the obligations to which anything can happen this week: a few in a hundred.

    Comparisons of 32-bit numbers without branches, in a loop of its own, so that it vectorises.
    """
    # The test is one-sided: it may mark an obligation to which nothing happens, and never leaves out one to
    # which something does. `advance` asks again, exactly, about those that are marked.
    minor, moderate, serious = mend[1], mend[2], mend[3]
    # A campaign takes the draws from 2**32 less its threshold upwards. Without a campaign that is 2**32,
    # which no 32-bit number holds.
    no_campaign = campaign > 0xFFFFFFFF
    least = np.uint32(0xFFFFFFFF if no_campaign else campaign)
    some = not no_campaign
    low, top, now = np.uint32(floor), np.uint32(ceiling), np.int16(week)
    for i in range(lo, hi):
        j = i - lo
        v = violation[i]
        limit = bound[i] if v == 0 else (minor if v == 1 else (moderate if v == 2 else serious))
        # `|` and not `or`: `or` would branch, and the compiler could not use vector instructions. The six
        # conditions are those under which anything is drawn, in the order of the lanes.
        hit[j] = (
            (draws[0, j] < limit)
            | (draws[1, j] < routine[i])
            | (draws[2, j] < low)
            | (some & (draws[2, j] >= least))
            | (draws[3, j] < top)
            | (due_week[i] == now)
        )


@njit(cache=True, nogil=True)
def _severity(k0: Any, k1: Any, e: Any, number: Any, week: Any, cumulative: Any) -> Any:  # pragma: no cover
    """Draw the severity of a new violation."""
    s0, _s1, _s2, _s3 = _block(k0, k1, e, number, _B_SEVERITY, week)
    # The serious take what the cumulative shares leave, so the three always add up to one.
    if s0 >= np.int64(cumulative[1]):
        return 3
    return 2 if s0 >= np.int64(cumulative[0]) else 1


@njit(cache=True, nogil=True)
def _adverse(
    world: Any, state: Any, rules: Any, k0: Any, k1: Any, week: Any, e: Any, events: Any, n_events: Any
) -> Any:  # pragma: no cover
    """Draw a credit event that does not come from an inspection; return the number of events so far."""
    y0, y1, y2, _y3 = _block(k0, k1, e, ENTERPRISE_LEVEL, _B_ENTERPRISE, week)
    # The kinds lie end to end on one draw: each has exactly its probability and an enterprise has at most one
    # event. The widths are the world's, so a draw means the same kind under every policy.
    reach = np.int64(0)
    for kind in range(len(rules.adverse)):
        if rules.adverse[kind] == 0 or (rules.permit_only[kind] == 1 and world.permit_phase[e] < 0):
            continue
        lean = (np.int64(world.latent[e]) * rules.slope[kind]) >> 16
        reach += np.int64(rules.fall[min(max(np.int64(rules.adverse[kind]) + lean, 1), TOP_INDEX)])
        if y0 < reach:
            until = week + np.int64(rules.adverse_display[week, kind])
            if rules.merit[kind] == 0 and y1 < rules.take_up:
                # The top byte of the draw chooses one of 256 quantiles of the delay.
                first = week + np.int64(rules.adverse_earliest[week, kind])
                until = min(until, first + rules.repair_delay[y2 >> 24])
            # A record that is open for longer stays open for longer.
            state.adverse_until[e, kind] = max(until, np.int64(state.adverse_until[e, kind]))
            state.adverse_week[e, kind] = week
            if rules.merit[kind] == 0:
                state.recorded[e] = 1
            _add_event(
                state.conduct,
                state.conduct_week,
                rules.fade,
                rules.bucket,
                rules.update,
                e,
                _ADVERSE + kind,
                week,
                True,
            )
            events[n_events, 0] = week
            events[n_events, 1] = e
            events[n_events, 2] = kind
            events[n_events, 3] = until
            return n_events + 1
    return n_events


@njit(cache=True, nogil=True)
def _signal(
    world: Any, state: Any, rules: Any, k0: Any, k1: Any, week: Any, e: Any, i: Any, x: Any, m: Any,
    signals: Any, row: Any,
) -> Any:  # fmt: skip  # pragma: no cover
    """Find the signal, if any, that a draw stands for, and arrange the check that it opens.

    Returns the demand of the obligation, with bit 32 set if a signal was written.
    """
    v = np.int64(state.violation[i])
    kind = -1
    reach = (
        np.int64(world.professional[e])
        if (world.agency[i] == 0 and world.item_class[i] == 0)
        else np.int64(0)
    )
    # As the credit events, the signals lie end to end on one draw. Complaints by professionals and by mistake
    # come first: their widths are the world's, so no policy changes when they come.
    if x < reach:
        kind = 2
    if kind < 0:
        reach += np.int64(rules.mistaken[world.start[e + 1] - world.start[e]])
        if x < reach:
            kind = 1
    if kind < 0:
        reach += np.int64(rules.genuine[v])
        if x < reach:
            kind = 0
    if kind < 0:
        reach += np.int64(rules.incident[v])
        if x < reach:
            kind = 3
    if kind < 0 and _covered(
        world.offsite[i],
        rules.coverage,
        rules.offsite_sector[world.sector[e]],
        rules.offsite_agency[world.agency[i]],
    ):
        reach += np.int64(rules.alert[min(v, 1)])
        if x < reach:
            kind = 4
    if kind < 0:
        return m
    y0, y1, _y2, _y3 = _block(k0, k1, e, world.local[i], _B_SIGNAL, week)
    recognised = kind < 3 and y1 < np.int64(rules.filtered[1 if kind == 2 else 0])
    limit = rules.filtered_opens if recognised else np.int64(rules.opens[kind])
    opened = 0
    if y0 < limit:
        opened = 2
        # One arranged check is enough. Bits 16 and up of the mask tell of one that is due this week: see
        # `advance`.
        if state.due_week[i] == NEVER and (m >> 16) == 0:
            opened = 1
            if rules.delay == 0:
                m |= (1 << TRIGGER) | ((TRIGGER + 1) << 16) | ((kind + 1) << 20)
            else:
                state.due_week[i] = week + rules.delay
                state.due_channel[i] = TRIGGER | ((kind + 1) << 4)
                state.due_age[i] = 0
    signals[row, 0] = week
    signals[row, 1] = i
    signals[row, 2] = kind
    signals[row, 3] = opened
    signals[row, 4] = 1 if recognised else 0
    # The mask of demands ends at bit 23; bit 32 tells the caller that a row was written.
    return m | (np.int64(1) << 32)


@njit(cache=True, nogil=True)
def advance(
    world: Any, state: Any, rules: Any, k0: Any, k1: Any, week: Any, lo: Any, hi: Any,
    ratio: Any, draws: Any, hit: Any, who: Any, mask: Any, signals: Any, events: Any, counts: Any,
    expected: Any,
) -> Any:  # fmt: skip  # pragma: no cover
    """Simulate behaviour, signals and demand of the enterprises in slots ``lo`` to ``hi`` for a week.

    Writes the demanded obligations to ``who`` and ``mask`` (bits 0-5 channels, 8-15 times put off,
    16-18 channel of what was due plus one, 20-23 its cause), signals and credit events as rows, and adds
    obligation-weeks by tier, class and state to ``counts`` and reference rates by tier to ``expected``.
    Returns how many rows each has.
    """
    # Fields of a named tuple are bound once: in a loop each access would count references.
    start, entered, left = world.start, world.entered, state.left
    item_class, hazard, local = world.item_class, world.hazard, world.local
    permit, base_rate, professional = world.permit_phase, world.base_rate, world.professional
    violation, since, due_week, due_channel = state.violation, state.since, state.due_week, state.due_channel
    found_week, found_kind, due_age = state.found_week, state.found_kind, state.due_age
    routine, merged_until, perceived, perceived0 = (
        state.routine,
        state.merged_until,
        state.perceived,
        state.perceived0,
    )
    fear, tiers, spells, weeks = state.fear, state.tier, state.spells, state.weeks
    fall, mend, deterrence = rules.fall, rules.mend, rules.deterrence
    memory, kappa, floor = rules.memory, rules.kappa, rules.floor
    mantissa, two, severity = rules.log_mantissa, rules.log_two, rules.severity
    latent, adverse_rate, slope, sector = world.latent, rules.adverse, rules.slope, world.sector
    permit_cycle, commitment, campaign_limit, mistaken = (
        rules.permit_cycle,
        rules.commitment,
        rules.campaign,
        rules.mistaken,
    )
    bound = state.bound
    a = start[lo]
    _fill(k0, k1, world.enterprise, local, week, a, start[hi], draws)
    if rules.interval == 1:
        _turns(week, routine, state.phase, a, start[hi], draws)
    # The most that signals which depend on the state can take of lane 3, for the one-sided tests below.
    most = np.int64(rules.genuine.max()) + np.int64(rules.incident.max()) + np.int64(rules.alert.max())
    n = 0
    n_signals = 0
    n_events = 0
    highest = np.int64(0)
    for e in range(lo, hi):
        if week < entered[e] or week >= left[e]:
            continue
        tier = np.int64(tiers[e])
        # An exponential average in whole numbers: by the share `memory` of the gap, in 2**-16, rounded down.
        now = perceived[e] + (((ratio[tier] - perceived[e]) * memory) >> 16)
        perceived[e] = min(max(now, PERCEIVED_LOW), PERCEIVED_HIGH)
        # Every fourth week only, since the thresholds of all its obligations have to be set anew.
        if kappa > 0 and week % 4 == 0:
            change = _log(perceived[e], mantissa, two) - _log(perceived0[e], mantissa, two)
            fear[e] = -((kappa * change) >> 16)
            _bind(bound, hazard, fall, fear[e], start[e], start[e + 1])
        expected[tier] += base_rate[e]
        # A quarter of the slots in any week; the rates are those of four weeks.
        if (week + e) % ADVERSE_EVERY == 0:
            y0, _y1, _y2, _y3 = _block(k0, k1, e, ENTERPRISE_LEVEL, _B_ENTERPRISE, week)
            reach = np.int64(0)
            for kind in range(len(adverse_rate)):
                # One-sided, as `_mark`: kinds that cannot happen to it are counted in. `_adverse` asks again,
                # exactly.
                lean = (np.int64(latent[e]) * slope[kind]) >> 16
                reach += np.int64(fall[min(max(np.int64(adverse_rate[kind]) + lean, 1), TOP_INDEX)])
            if y0 < reach:
                n_events = _adverse(world, state, rules, k0, k1, week, e, events, n_events)
        highest = max(highest, np.int64(professional[e]) + np.int64(mistaken[start[e + 1] - start[e]]))
    _mark(
        draws, violation, bound, routine, due_week, a, start[hi], week, mend, floor,
        (np.int64(1) << 32) - np.int64(campaign_limit.max()), min(highest + most, (np.int64(1) << 32) - 1),
        hit,
    )  # fmt: skip
    # First what is the enterprise's own, since what `_mark` compares with depends on it (fear, the rates of
    # complaints); then one vectorised pass over all obligations; then, one by one, the few that it marked.
    for e in range(lo, hi):
        if week < entered[e] or week >= left[e]:
            continue
        tier = np.int64(tiers[e])
        first = start[e]
        last = start[e + 1]
        if permit[e] >= 0 and week % permit_cycle == permit[e]:
            _y0, _y1, _y2, y3 = _block(k0, k1, e, ENTERPRISE_LEVEL, _B_ENTERPRISE, week)
            if y3 < commitment:
                # The check is the enterprise's; its first obligation stands for it, and 2 says so.
                hit[first - a] = 2
        for i in range(first, last):
            j = i - a
            v = np.int64(violation[i])
            if hit[j] == 0:
                counts[tier, item_class[i], v] += 1
                if v > 0:
                    weeks[e, v - 1] += 1
                continue
            # Signed and 64 bits wide from here on: a threshold of certainty, 2**32, compares rightly.
            x0 = np.int64(draws[0, j])
            if v == 0:
                place = np.int64(hazard[i])
                if place > 0:
                    kind = found_kind[i]
                    place += fear[e]
                    if kind > 0:
                        place -= deterrence[kind, min(week - np.int64(found_week[i]), FADE_WEEKS - 1)]
                    if x0 < np.int64(fall[min(max(place, 1), TOP_INDEX)]):
                        v = _severity(k0, k1, e, local[i], week, severity)
                        violation[i] = v
                        since[i] = week
                        spells[e] += 1
            elif x0 < np.int64(mend[v]):
                v = 0
                violation[i] = 0
            counts[tier, item_class[i], v] += 1
            if v > 0:
                weeks[e, v - 1] += 1
            m = 0
            if due_week[i] == week:
                channel = np.int64(due_channel[i]) & 15
                m = (1 << channel) | (np.int64(due_age[i]) << 8) | ((channel + 1) << 16)
                m |= (np.int64(due_channel[i]) >> 4) << 20
                due_week[i] = NEVER
            x3 = np.int64(draws[3, j])
            if x3 < np.int64(professional[e]) + np.int64(mistaken[last - first]) + most:
                m = _signal(world, state, rules, k0, k1, week, e, i, x3, m, signals, n_signals)
                n_signals += m >> 32
                m &= 0xFFFFFFFF
            # One lane for two: the lot takes draws from below and campaigns from above, so none meets both.
            if np.int64(draws[2, j]) < floor:
                m |= 1 << RANDOM
            elif np.int64(draws[2, j]) >= (np.int64(1) << 32) - np.int64(campaign_limit[sector[e]]):
                m |= 1 << CAMPAIGN
            if hit[j] == 2:
                m |= 1 << COMMITMENT
            if draws[1, j] < routine[i] and week > merged_until[i]:
                m |= 1 << ROUTINE
            if m > 0:
                who[n] = i
                mask[n] = m
                n += 1
    return n, n_signals, n_events


@njit(cache=True, nogil=True)
def _write(
    log: Any, r: Any, week: Any, i: Any, channel: Any, mode: Any, finding: Any, disposition: Any,
    violation: Any, since: Any, drawn: Any, inspector: Any, visit: Any, tier: Any, age: Any, cause: Any,
    known: Any, until: Any, coded: Any,
) -> None:  # fmt: skip  # pragma: no cover
    log[r, 0] = week
    log[r, 1] = i
    log[r, 2] = channel
    log[r, 3] = mode
    log[r, 4] = finding
    log[r, 5] = disposition
    log[r, 6] = violation
    log[r, 7] = since
    log[r, 8] = drawn
    log[r, 9] = inspector
    log[r, 10] = visit
    log[r, 11] = tier
    log[r, 12] = age
    log[r, 13] = cause
    log[r, 14] = known
    log[r, 15] = until
    log[r, 16] = coded


@njit(cache=True, nogil=True)
def _propose(
    world: Any, state: Any, rules: Any, k0: Any, k1: Any, week: Any, who: Any, mask: Any, n: Any,
    plan: Any, log: Any, tally: Any,
) -> Any:  # fmt: skip  # pragma: no cover
    """Pass the demand through lists, off-site checks, the check-code window, merging and the cap.

    ``plan`` gets a row for each inspection that may go ahead: obligation, channel, age, group
    (1 = may share a visit, 2 = without a check code), week of the draw, cause, agency, 1 (goes ahead).
    Returns the rows of
    ``plan`` and of ``log`` (off-site checks that found nothing).
    """
    n_plan = 0
    n_log = 0
    at = 0
    extra = np.zeros(2, np.int64)
    seen = np.zeros((2, 2), np.int64)
    seen_agency = np.zeros(len(rules.own_table), np.int64)
    # Slices are joined in order, so the demand stands by slot and, within one, by obligation: the rows of an
    # enterprise are next to each other. The order is part of the rule: the first planned check opens a
    # window.
    while at < n:
        e = np.int64(world.enterprise[who[at]])
        sector = world.sector[e]
        end = at
        while end < n and np.int64(world.enterprise[who[end]]) == e:
            end += 1
        first_row = n_plan
        joins = rules.code == 1 or rules.joint_sector[sector] == 1
        lead = False
        code_agency = -1
        for d in range(at, end):
            i = np.int64(who[d])
            m = np.int64(mask[d])
            agency = np.int64(world.agency[i])
            due = ((m >> 16) & 15) - 1
            age = (m >> 8) & 255
            cause = (m >> 20) & 15
            channel = 0
            # The lowest bit is the channel that goes first; a mask is never 0.
            while not (m >> channel) & 1:
                channel += 1
            # Every demand is counted once as it comes and once for what becomes of it: the tally must
            # balance.
            for c in range(6):
                if (m >> c) & 1:
                    carried = c == due and age > 0
                    tally[agency, CARRIED if carried else NEW] += 1
                    if c != channel:
                        tally[agency, BY_DUPLICATE] += 1
            # Age and cause belong to the check that was due, which is the duplicate here.
            if channel != due:
                age = 0
                cause = 0
            planned = channel >= COMMITMENT
            if planned:
                if state.due_week[i] != NEVER:
                    tally[agency, BY_DUPLICATE] += 1
                    continue
                stop = -1
                if state.unseen[i] == 1:
                    stop = BY_LIST
                elif rules.quiet_item[world.item[i]] == 1:
                    stop = BY_ITEM
                y0, y1, _y2, y3 = _block(k0, k1, e, world.local[i], _B_DEMAND, week)
                if (
                    stop < 0
                    # A check that was put off has been through this in the week in which it was drawn.
                    and age == 0
                    and _covered(
                        world.offsite[i],
                        rules.coverage,
                        rules.offsite_sector[world.sector[e]],
                        rules.offsite_agency[world.agency[i]],
                    )
                    and y0 < rules.substitution
                ):
                    v = np.int64(state.violation[i])
                    if y1 >= (rules.sensitivity if v > 0 else rules.false_alarm):
                        tally[agency, REPLACED] += 1
                        _write(log, n_log, week, i, channel, OFFSITE, 0, 0, v, state.since[i], week, 0, 0,
                               state.tier[e], age, 0, -1, 0, 1)  # fmt: skip
                        n_log += 1
                        continue
                registered = y3 >= rules.unregistered
                if stop < 0 and rules.code == 2 and registered:
                    recent = week - np.int64(state.last_visit[e]) <= rules.window
                    if (recent and np.int64(state.last_agency[e]) != agency) or (
                        code_agency >= 0 and code_agency != agency
                    ):
                        stop = BY_WINDOW
                    else:
                        code_agency = agency
                if stop >= 0 and not _relabels(k0, k1, e, world.local[i], week, rules.relabelled):
                    tally[agency, stop] += 1
                    continue
                if stop >= 0:
                    channel = TRIGGER
                    cause = RELABELLED
                    group = ALONE_WITH_CODE
                elif not registered:
                    group = WITHOUT_CODE
                else:
                    group = SHARES if joins else ALONE_WITH_CODE
                lead = lead or group == SHARES
            else:
                group = ALONE_WITH_CODE
            plan[n_plan, 0] = i
            plan[n_plan, 1] = channel
            plan[n_plan, 2] = age
            plan[n_plan, 3] = group
            plan[n_plan, 4] = week
            plan[n_plan, 5] = cause
            plan[n_plan, 6] = agency
            plan[n_plan, 7] = 1
            n_plan += 1
        # Bringing forward looks at the very draws that the coming weeks would look at, and `merged_until`
        # marks them as spent. So merging moves routine inspections; with equal thresholds it loses none.
        reach = 0
        if lead:
            if rules.code == 1:
                reach = rules.window
            if rules.joint_sector[sector] == 1:
                reach = max(reach, rules.joint_window)
        if reach > 0:
            d = at
            for i in range(world.start[e], world.start[e + 1]):
                while d < end and np.int64(who[d]) < i:
                    d += 1
                if d < end and np.int64(who[d]) == i:
                    continue
                if (
                    state.due_week[i] != NEVER
                    or state.unseen[i] == 1
                    or rules.quiet_item[world.item[i]] == 1
                    or _covered(
                        world.offsite[i],
                        rules.coverage,
                        rules.offsite_sector[world.sector[e]],
                        rules.offsite_agency[world.agency[i]],
                    )
                ):
                    continue
                for t in range(week + 1, min(week + reach, np.int64(state.left[e]) - 1) + 1):
                    if t <= state.merged_until[i]:
                        continue
                    if rules.interval == 1:
                        y1 = _turn(t, state.routine[i], state.phase[i])
                    else:
                        _y0, y1, _y2, _y3 = _block(k0, k1, e, world.local[i], _B_WEEK, t)
                    if y1 < np.int64(state.routine[i]):
                        state.merged_until[i] = t
                        tally[world.agency[i], NEW] += 1
                        plan[n_plan, 0] = i
                        plan[n_plan, 1] = ROUTINE
                        plan[n_plan, 2] = 0
                        plan[n_plan, 3] = 1
                        plan[n_plan, 4] = t
                        plan[n_plan, 5] = 0
                        plan[n_plan, 6] = world.agency[i]
                        plan[n_plan, 7] = 1
                        n_plan += 1
                        break
        # Audits by lot are not capped, but their visits count, and before the planned ones.
        if rules.cap > 0:
            extra[:] = 0
            seen[:] = 0
            seen_agency[:] = 0
            for r in range(first_row, n_plan):
                if plan[r, 1] == RANDOM:
                    level = world.agency_level[plan[r, 6]]
                    if seen_agency[plan[r, 6]] == 0:
                        seen_agency[plan[r, 6]] = 1
                        extra[level] += 1
            for r in range(first_row, n_plan):
                if plan[r, 1] < COMMITMENT or plan[r, 3] == WITHOUT_CODE:
                    continue
                agency = plan[r, 6]
                level = world.agency_level[agency]
                if rules.cap_level[level] == 0:
                    continue
                fresh = seen[level, 1] == 0 if plan[r, 3] == SHARES else seen_agency[agency] == 0
                if fresh:
                    if np.int64(state.visits[e, level]) + extra[level] >= rules.cap:
                        if _relabels(k0, k1, e, world.local[plan[r, 0]], week, rules.relabelled):
                            plan[r, 1] = TRIGGER
                            plan[r, 3] = ALONE_WITH_CODE
                            plan[r, 5] = RELABELLED
                        else:
                            plan[r, 7] = 0
                            tally[agency, BY_CAP] += 1
                        continue
                    extra[level] += 1
                    if plan[r, 3] == SHARES:
                        seen[level, 1] = 1
                    else:
                        seen_agency[agency] = 1
        at = end
    return n_plan, n_log


@njit(cache=True, nogil=True)
def _queue(
    world: Any, k0: Any, k1: Any, week: Any, plan: Any, n_plan: Any, agency: Any, channel: Any, total: Any
) -> Any:  # pragma: no cover
    """Return an agency's rows of the plan that go ahead, of one channel or of all (-1), and their order."""
    rows = np.empty(total, np.int64)
    keys = np.empty(total, np.int64)
    k = 0
    for r in range(n_plan):
        if plan[r, 7] == 1 and plan[r, 6] == agency and (channel < 0 or plan[r, 1] == channel):
            i = plan[r, 0]
            _y0, _y1, y2, _y3 = _block(k0, k1, world.enterprise[i], world.local[i], _B_DEMAND, week)
            rows[k] = r
            # Channel above, lot below: one sort serves by priority and draws lots among equals.
            keys[k] = (np.int64(plan[r, 1]) << 32) | y2
            k += 1
    return rows, keys


@njit(cache=True, nogil=True)
def _ration(
    world: Any, state: Any, rules: Any, k0: Any, k1: Any, week: Any, plan: Any, n_plan: Any,
    tally: Any, demanded: Any, served: Any, owed: Any,
) -> None:  # fmt: skip  # pragma: no cover
    """Let alerts' checks replace routine ones; then apply capacity and postpone the rest.

    Capacity serves audits by lot, then others by channel and lot. ``owed`` holds how many routine checks of
    each agency are still to be replaced.
    """
    for r in range(n_plan):
        if plan[r, 7] == 1:
            demanded[plan[r, 6], plan[r, 1]] += 1
            # What was put off has been counted in the week in which it was opened.
            if rules.alerts_replace == 1 and plan[r, 5] == ALERTED and plan[r, 2] == 0:
                owed[plan[r, 6]] += 1
    for agency in range(demanded.shape[0]):
        total = np.int64(0)
        for channel in range(6):
            total += demanded[agency, channel]
            served[agency, channel] = demanded[agency, channel]
        fewer = min(owed[agency], demanded[agency, ROUTINE])
        if fewer > 0:
            rows, keys = _queue(world, k0, k1, week, plan, n_plan, agency, ROUTINE, demanded[agency, ROUTINE])
            order = np.argsort(keys, kind="mergesort")
            for k in range(len(rows) - fewer, len(rows)):
                plan[rows[order[k]], 7] = 0
            tally[agency, BY_ALERT] += fewer
            served[agency, ROUTINE] -= fewer
            owed[agency] -= fewer
            total -= fewer
        # Audits by lot are all made, however small the capacity, so that their probability is the declared
        # one.
        room = max(rules.capacity[agency], demanded[agency, RANDOM])
        if total <= room:
            continue
        rows, keys = _queue(world, k0, k1, week, plan, n_plan, agency, -1, total)
        # Stable: equal keys stay in the order of obligations, on every machine.
        order = np.argsort(keys, kind="mergesort")
        for k in range(room, total):
            r = rows[order[k]]
            i = plan[r, 0]
            plan[r, 7] = 0
            served[agency, plan[r, 1]] -= 1
            if plan[r, 2] + 1 > rules.max_postpone:
                tally[agency, LAPSED] += 1
            elif state.due_week[i] != NEVER:
                tally[agency, BY_DUPLICATE] += 1
            else:
                state.due_week[i] = week + 1
                state.due_channel[i] = plan[r, 1] | (plan[r, 5] << 4)
                state.due_age[i] = plan[r, 2] + 1
                tally[agency, PUT_OFF] += 1


@njit(cache=True, nogil=True)
def _inspect(
    world: Any, state: Any, rules: Any, k0: Any, k1: Any, week: Any, plan: Any, n_plan: Any,
    log: Any, n_log: Any, tally: Any, inspected: Any,
) -> Any:  # fmt: skip  # pragma: no cover
    """Make the visits and inspections, and draw the consequences of findings."""
    saved = 0
    groups = rules.detect.shape[1]
    # seen[0]: agencies that share the visit. seen[1]: visits already counted under the cap, joint ones by
    # level (0, 1) and others by agency (2 and up).
    seen = np.zeros((2, len(rules.own_table) + 2), np.int64)
    at = 0
    while at < n_plan:
        e = np.int64(world.enterprise[plan[at, 0]])
        end = at
        while end < n_plan and np.int64(world.enterprise[plan[end, 0]]) == e:
            end += 1
        seen[:] = 0
        together = 0
        for r in range(at, end):
            if plan[r, 7] == 1 and plan[r, 3] == SHARES and seen[0, plan[r, 6]] == 0:
                seen[0, plan[r, 6]] = 1
                together += 1
        seen[:] = 0
        saved += max(together - 1, 0)
        tier = np.int64(state.tier[e])
        for r in range(at, end):
            if plan[r, 7] == 0:
                continue
            i = plan[r, 0]
            channel = plan[r, 1]
            agency = plan[r, 6]
            joint = plan[r, 3] == SHARES and together > 1
            coded = plan[r, 3] != WITHOUT_CODE
            visit = 0 if joint else 1 + agency
            v = np.int64(state.violation[i])
            since = np.int64(state.since[i])
            y0, y1, y2, y3 = _block(k0, k1, e, world.local[i], _B_INSPECTION, week)
            # A group from a 32-bit draw by its product's high word: no division, equal shares to within
            # 2**-32.
            group = (y1 * groups) >> 32
            scoped = rules.scope_sector[world.sector[e]] == 1 and rules.scope_agency[agency] == 1
            depth = tier if channel != RANDOM and scoped else REFERENCE_DEPTH
            # The draw does not depend on the depth: what a lower threshold finds, a higher one finds too.
            found = v > 0 and y0 < np.int64(rules.detect[agency, group, depth])
            finding = v if found else 0
            disposition = 0
            until = 0
            first = week - np.int64(state.found_week[i]) > FIRST_WEEKS or state.found_kind[i] == GUIDANCE
            if found:
                eligible = v == 1 and (rules.first_only == 0 or first)
                eligible = eligible and (rules.off_list == 1 or world.item_class[i] == 0)
                z0, z1, z2, z3 = _block(k0, k1, e, world.local[i], _B_CONSEQUENCE, week)
                if eligible and y3 < rules.waiver:
                    disposition = 1
                elif y2 < np.int64(rules.penalised[v]) and not (
                    rules.rectify_first == 1 and v == 2 and first
                ):
                    disposition = 4 if v == 3 and z3 < rules.sealed else 3
                else:
                    disposition = 2
                state.violation[i] = 0
                state.found_week[i] = week
                state.found_kind[i] = 2 if disposition >= 3 else 1
                if v == SERIOUS:
                    state.serious_week[e] = week
                _add_event(
                    state.conduct,
                    state.conduct_week,
                    rules.fade,
                    rules.bucket,
                    rules.update,
                    e,
                    _FOUND + v - 1,
                    week,
                    False,
                )
                if disposition >= 3:
                    until = week + np.int64(rules.display[week, v])
                    if z0 < rules.take_up:
                        from_week = week + np.int64(rules.earliest[week, v])
                        until = min(until, from_week + rules.repair_delay[z1 >> 24])
                    state.record_week[i] = week
                    state.record_severity[i] = v
                    state.record_until[i] = until
                    state.recorded[e] = 1
                    _add_event(
                        state.conduct,
                        state.conduct_week,
                        rules.fade,
                        rules.bucket,
                        rules.update,
                        e,
                        _PENALTY,
                        week,
                        True,
                    )
                if channel == TRIGGER and 1 <= plan[r, 5] <= 3:
                    _add_event(
                        state.conduct,
                        state.conduct_week,
                        rules.fade,
                        rules.bucket,
                        rules.update,
                        e,
                        _SUBSTANTIATED,
                        week,
                        False,
                    )
                if z2 < np.int64(rules.follow[v]) and state.due_week[i] == NEVER:
                    state.due_week[i] = week + rules.follow_weeks
                    state.due_channel[i] = FOLLOWUP
                    state.due_age[i] = 0
            else:
                _add_event(
                    state.conduct,
                    state.conduct_week,
                    rules.fade,
                    rules.bucket,
                    rules.update,
                    e,
                    _CLEAN,
                    week,
                    False,
                )
                if channel == COMMITMENT and rules.guidance == 1 and first:
                    state.found_week[i] = week
                    state.found_kind[i] = GUIDANCE
            if (channel == RANDOM or channel >= COMMITMENT) and coded:
                level = world.agency_level[agency]
                place = level if joint else 2 + agency
                if seen[1, place] == 0:
                    seen[1, place] = 1
                    state.visits[e, level] = min(np.int64(state.visits[e, level]) + 1, 255)
            if coded:
                state.last_visit[e] = week
                state.last_agency[e] = agency
            tally[agency, JOINTLY if joint else ALONE] += 1
            inspected[tier] += 1
            # For the propensities in the records: an index of the table of rates, or -1 none, -2 lot, -3
            # campaign.
            known = -1
            if (
                channel == ROUTINE
                and rules.interval == 0
                and not (
                    _covered(
                        world.offsite[i],
                        rules.coverage,
                        rules.offsite_sector[world.sector[e]],
                        rules.offsite_agency[world.agency[i]],
                    )
                    and rules.substitution > 0
                )
            ):
                known = np.int64(state.known_rate[i])
            elif channel == RANDOM:
                known = -2
            elif channel == CAMPAIGN:
                known = -3
            _write(log, n_log, week, i, channel, JOINT if joint else ONSITE, finding, disposition, v, since,
                   plan[r, 4], group, visit, tier, plan[r, 2], plan[r, 5], known, until,
                   1 if coded else 0)  # fmt: skip
            n_log += 1
        at = end
    return n_log, saved


@njit(cache=True, nogil=True)
def settle(
    world: Any, state: Any, rules: Any, k0: Any, k1: Any, week: Any, who: Any, mask: Any, n: Any,
    plan: Any, log: Any, tally: Any, demanded: Any, served: Any, inspected: Any, owed: Any,
) -> Any:  # fmt: skip  # pragma: no cover
    """Pass a week's demand through the policy, inspect, and draw the consequences.

    Returns the number of rows written to ``log`` and the visits that joint inspections saved.
    """
    n_plan, n_log = _propose(world, state, rules, k0, k1, week, who, mask, n, plan, log, tally)
    _ration(world, state, rules, k0, k1, week, plan, n_plan, tally, demanded, served, owed)
    return _inspect(world, state, rules, k0, k1, week, plan, n_plan, log, n_log, tally, inspected)


@njit(cache=True, nogil=True)
def _place(value: Any, cuts: Any, slack: Any, current: Any) -> Any:  # pragma: no cover
    """Return how many cut-offs a value has passed; with a current place, it must pass them by the slack."""
    high = 0
    low = 0
    for cut in cuts:
        if value >= cut - slack:
            high += 1
        if value >= cut + slack:
            low += 1
    if current < 0:
        passed = 0
        for cut in cuts:
            if value >= cut:
                passed += 1
        return passed
    return min(max(current, low), high)


@njit(cache=True, nogil=True)
def _sums(
    conduct: Any, conduct_week: Any, fade: Any, record_until: Any, adverse_until: Any, update: Any,
    e: Any, first: Any, last: Any, week: Any,
) -> Any:  # fmt: skip  # pragma: no cover
    """Return what the records add to an enterprise's margin and points in a week."""
    _fade_to(conduct, conduct_week, fade, e, week)
    margin = np.int64(0)
    points = np.int64(0)
    for b in range(conduct.shape[1]):
        margin += conduct[e, b, 0]
        points += conduct[e, b, 1]
    # Points of penalties and credit events are a stock: they count while the record is open, without fading.
    for i in range(first, last):
        if week < record_until[i]:
            points += update[_PENALTY, 1]
    for kind in range(adverse_until.shape[1]):
        if week < adverse_until[e, kind]:
            points += update[_ADVERSE + kind, 1]
    return margin, points


@njit(cache=True, nogil=True)
def set_offsets(world: Any, state: Any, rules: Any, week: Any, offset: Any) -> None:  # pragma: no cover
    """Write what the records add to every enterprise's margin and points to ``offset``."""
    for e in range(len(world.entered)):
        offset[e, 0], offset[e, 1] = _sums(
            state.conduct, state.conduct_week, rules.fade, state.record_until, state.adverse_until,
            rules.update, e, world.start[e], world.start[e + 1], week,
        )  # fmt: skip


@njit(cache=True, nogil=True)
def _barred(state: Any, rules: Any, e: Any, week: Any, level: Any) -> Any:  # pragma: no cover
    """Return whether a floor bars an enterprise of a risk level from T1 and from lists."""
    if rules.floor_risk == 1 and level == len(rules.risk_cut):
        return True
    if week - np.int64(state.serious_week[e]) <= rules.floor_weeks:
        return True
    for kind in range(len(rules.floor_kind)):
        if rules.floor_kind[kind] == 1 and week < state.adverse_until[e, kind]:
            return True
    return False


@njit(cache=True, nogil=True)
def candidates(
    world: Any, state: Any, rules: Any, week: Any, margin: Any, points: Any, may: Any
) -> None:  # pragma: no cover
    """Write margin and points of every enterprise, and whether it may be listed: 2 yes, 1 no, 0 not there."""
    for e in range(len(world.entered)):
        may[e] = 0
        if week < world.entered[e] or week >= state.left[e] or rules.scope_sector[world.sector[e]] == 0:
            continue
        first, last = world.start[e], world.start[e + 1]
        added, earned = _sums(
            state.conduct, state.conduct_week, rules.fade, state.record_until, state.adverse_until,
            rules.update, e, first, last, week,
        )  # fmt: skip
        margin[e] = np.int64(state.margin0[e]) + added - state.offset[e, 0]
        points[e] = np.int64(state.points0[e]) + earned - state.offset[e, 1]
        may[e] = 2 if margin[e] < rules.risk_cut[-1] else 1
        for i in range(first, last):
            if week < state.record_until[i]:
                may[e] = 1
        for kind in range(len(rules.merit)):
            if rules.merit[kind] == 0 and week < state.adverse_until[e, kind]:
                may[e] = 1
        if _barred(state, rules, e, week, state.risk_level[e]):
            may[e] = 1


@njit(cache=True, nogil=True)
def members(world: Any, may: Any, sectors: Any, count: Any) -> None:  # pragma: no cover
    """Count who could be on each list; with ``sectors`` above 1 a list is of an agency and sector."""
    for e in range(len(world.entered)):
        if may[e] == 0:
            continue
        field = np.int64(world.sector[e]) if sectors > 1 else 0
        for i in range(world.start[e], world.start[e + 1]):
            # An enterprise's obligations with one agency stand side by side.
            if i == world.start[e] or world.agency[i] != world.agency[i - 1]:
                count[np.int64(world.agency[i]) * sectors + field] += 1


@njit(cache=True, nogil=True)
def fill(world: Any, state: Any, may: Any, order: Any, sectors: Any, room: Any) -> None:  # pragma: no cover
    """Put enterprises on the lists in an order, while a list has room."""
    for e in order:
        state.listed[e] = 0
        field = np.int64(world.sector[e]) if sectors > 1 else 0
        on = np.uint8(0)
        for i in range(world.start[e], world.start[e + 1]):
            if i == world.start[e] or world.agency[i] != world.agency[i - 1]:
                cell = np.int64(world.agency[i]) * sectors + field
                on = np.uint8(may[e] == 2 and room[cell] > 0)
                room[cell] -= on
            state.unseen[i] = on
            state.listed[e] |= on


@njit(cache=True, nogil=True)
def reregister(world: Any, state: Any, rules: Any, week: Any, lo: Any, hi: Any) -> None:  # pragma: no cover
    """Let those who enter in slots ``lo`` to ``hi`` take over from a predecessor of the worst grade.

    The grade is that of this week's records, without hysteresis. The predecessor leaves the register with its
    records; its violations go on in the new one's slot, which holds the same obligations.
    """
    cuts = len(rules.credit_cut)
    for e in range(lo, hi):
        old = np.int64(world.successor_of[e])
        if old < 0 or week >= state.left[old]:
            continue
        _margin, earned = _sums(
            state.conduct, state.conduct_week, rules.fade, state.record_until, state.adverse_until,
            rules.update, old, world.start[old], world.start[old + 1], week,
        )  # fmt: skip
        points = np.int64(state.points0[old]) + earned - state.offset[old, 1]
        worst = points + rules.sector_offset[world.sector[old]] < rules.credit_cut[0]
        # Without an adverse record nobody has the worst of more than two grades.
        worst = worst and not (rules.record_needed == 1 and state.recorded[old] == 0 and cuts > 1)
        for kind in range(len(rules.red_line)):
            if week < state.adverse_until[old, kind] and rules.red_line[kind] >= cuts:
                worst = True
        if not worst:
            continue
        state.left[old] = week
        state.perceived[e] = state.perceived[old]
        state.perceived0[e] = state.perceived0[old]
        # The twin holds the same obligations in the same order, so one shift maps them all.
        shift = world.start[e] - world.start[old]
        for i in range(world.start[old], world.start[old + 1]):
            state.violation[i + shift] = state.violation[i]
            state.since[i + shift] = state.since[i]


@njit(cache=True, nogil=True)
def review(
    world: Any, state: Any, rules: Any, week: Any, lo: Any, hi: Any, fresh: Any
) -> None:  # pragma: no cover
    """Move scores, tiers, lists and routine draws of the enterprises in slots ``lo`` to ``hi``.

    With ``fresh`` there is no tier to keep: neither hysteresis nor dwell apply and nothing is counted
    as a change.
    """
    cuts = len(rules.credit_cut)
    tops = len(rules.composite_cut)
    start, entered, left, sectors = world.start, world.entered, state.left, world.sector
    agency, item_class, hunch = world.agency, world.item_class, world.hunch
    rate, tier_rate, scope_agency, chance = rules.rate, rules.tier_rate, rules.scope_agency, rules.chance
    own_table = rules.own_table
    gradient, centre, gradient_shift = rules.gradient, rules.gradient_centre, rules.gradient_shift
    hidden_step, hidden_shift = rules.hidden, rules.hidden_shift
    known_rate, routine = state.known_rate, state.routine
    conduct, conduct_week, fade, update = state.conduct, state.conduct_week, rules.fade, rules.update
    record_until, adverse_until = state.record_until, state.adverse_until
    record_week, adverse_week = state.record_week, state.adverse_week
    red_tier, rising_tier, rising_penalty = rules.red_tier, rules.rising_tier, rules.rising_penalty
    rising_weeks = rules.rising_weeks
    for e in range(lo, hi):
        if week >= left[e] or week < entered[e]:
            continue
        sector = sectors[e]
        first, last = start[e], start[e + 1]
        added, earned = _sums(
            conduct, conduct_week, fade, record_until, adverse_until, update, e, first, last, week
        )
        margin = np.int64(state.margin0[e]) + added - state.offset[e, 0]
        points = np.int64(state.points0[e]) + earned - state.offset[e, 1] + rules.sector_offset[sector]
        level = _place(
            margin, rules.risk_cut, rules.slack_margin, -1 if fresh else np.int64(state.risk_level[e])
        )
        spared = rules.record_needed == 1 and state.recorded[e] == 0
        counted = max(points, rules.sound_points) if spared else points
        good = _place(
            counted, rules.credit_cut, rules.slack_points, -1 if fresh else cuts - np.int64(state.grade[e])
        )
        grade = min(cuts - good, SOUND_GRADE) if spared else cuts - good
        # The best tier that open records and floors allow.
        least = np.int64(0)
        for kind in range(len(red_tier)):
            if week < adverse_until[e, kind]:
                least = max(least, np.int64(red_tier[kind]))
                if week - np.int64(adverse_week[e, kind]) <= rising_weeks:
                    least = max(least, np.int64(rising_tier[kind]))
        if least < rising_penalty:
            for i in range(first, last):
                if week < record_until[i] and week - np.int64(record_week[i]) <= rising_weeks:
                    least = np.int64(rising_penalty)
        if _barred(state, rules, e, week, level):
            least = max(least, np.int64(1))
        red = False
        worst = np.int64(0)
        for kind in range(len(rules.red_line)):
            if week < state.adverse_until[e, kind] and rules.red_line[kind] > 0:
                worst = max(worst, np.int64(rules.red_line[kind]))
                red = True
        scoped = rules.scope_sector[sector] == 1
        if not scoped:
            tier = rules.neutral
        elif rules.composite == 1:
            # Cut-offs are in 1/16 point here, and 1024 times that in `TierRule`. Rounding down first moves
            # nobody: x >> 10 >= cut exactly where x >= 1024 cut. Weights are below 2**17, so the products are
            # below 2**50.
            score = (rules.credit_weight * counted - rules.risk_weight * margin) >> 10
            tier = tops - _place(
                score,
                rules.composite_cut,
                rules.slack_points,
                -1 if fresh else tops - np.int64(state.tier[e]),
            )
            if red:
                tier = max(tier, min(worst, tops))
        else:
            grade = max(grade, min(worst, cuts))
            tier = np.int64(rules.matrix[level, grade])
        if red and rules.composite == 1:
            grade = max(grade, min(worst, cuts))
        if scoped:
            tier = max(tier, least)
        old = np.int64(state.tier[e])
        if not fresh and tier != old:
            if week - np.int64(state.tier_week[e]) < rules.dwell and not red:
                tier = max(old, least) if scoped else old
            if tier != old:
                if state.changes[e] < 255:
                    state.changes[e] += 1
                if (
                    tier == state.before[e]
                    and week - np.int64(state.tier_week[e]) <= FLIP_WEEKS
                    and state.flips[e] < 255
                ):
                    state.flips[e] += 1
                state.before[e] = old
                state.tier_week[e] = week
        if fresh:
            state.before[e] = tier
            state.tier_week[e] = week
        state.tier[e] = tier
        state.risk_level[e] = level
        state.grade[e] = grade
        listed = (
            rules.list_on == 1
            and scoped
            and margin <= rules.list_margin
            and points >= rules.list_points
            and least == 0
            and not red
        )
        if rules.list_on == 4:
            state.listed[e] = 0
            for i in range(first, last):
                state.unseen[i] = rules.named[i] if scoped and least == 0 and not red else 0
                state.listed[e] |= state.unseen[i]
        elif rules.list_on <= 1 or fresh:
            state.listed[e] = 1 if listed else 0
            for i in range(first, last):
                state.unseen[i] = state.listed[e]
        shift = np.int64(0)
        if gradient != 0:
            # `>>` rounds down, below zero as well; another engine has to do the same.
            shift = ((added - centre) * gradient) >> 16
            shift = min(max(shift - gradient_shift, -SHIFT_LIMIT), SHIFT_LIMIT)
        tagged = 1 + 2 * np.int64(rules.tagged[sector])
        for i in range(first, last):
            inside = scoped and scope_agency[agency[i]] == 1
            stratum = tagged + np.int64(own_table[agency[i]]) if inside else np.int64(0)
            # Rates multiply; their indices are logarithms, so they add.
            step = np.int64(tier_rate[stratum, tier, item_class[i]])
            if step == NO_TIER_RATE or rate[i] == 0:
                known_rate[i] = 0
                routine[i] = 0
                continue
            hidden = ((np.int64(hunch[i]) * hidden_step) >> 16) - hidden_shift
            known = min(max(np.int64(rate[i]) + step + shift, 1), TOP_INDEX)
            known_rate[i] = known
            routine[i] = chance[min(max(known + hidden, 1), TOP_INDEX)]
