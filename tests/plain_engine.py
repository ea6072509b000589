"""A plain engine: the rules of docs/engine.md once more, in NumPy, to hold the compiled one against.

It is written to be read. Behaviour, signals, demand and review work on whole columns; what the policy
does with an enterprise's demand is told check by check. It shares with the compiled engine only what is
given (the world, the policy's integers, the draws by their keys), none of its steps, and must give the same
bits. It is as slow as it looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from tierkit.arrays import Ints
from tierkit.city.engine import LOG, TALLY, compile_rules, oracle_scores
from tierkit.city.engine.rules import EVENTS
from tierkit.city.keyed_random import ENTERPRISE_LEVEL, Block, draws
from tierkit.city.world import NEVER, World
from tierkit.policy import Policy
from tierkit.policy.tiers import MARGIN_ONE, POINT_ONE
from tierkit.records import CHANNELS

__all__ = ["PlainRun", "plain_run"]

Flags = NDArray[np.bool_]

RANDOM, TRIGGER, FOLLOWUP, CAMPAIGN, COMMITMENT, ROUTINE = range(len(CHANNELS))
NO_CHANNEL = -1
ONSITE, JOINT, OFFSITE = range(3)
NOTHING, WARNED, RECTIFIED, PENALISED, SEALED = range(5)
TRUE, MISTAKEN, PROFESSIONAL, INCIDENT, ALERT = range(5)
IGNORED, OPENED, ARRANGED_ALREADY = range(3)
FIRST_RECORD = 6
"""Row of the score update at which the kinds of credit event begin that no inspection bears."""
GUIDED = 3
RELABELLED = 6
NO_RATE, BY_LOT, BY_ORDER = -1, -2, -3
"""What a row says of its propensity where it is not the routine rate."""
MOST_RARE, MOST_FREQUENT = 1, 6144
"""Ends of the table of weekly rates."""
OLDEST = 1023
"""Weeks after which deterrence and conduct fade no further."""
ONE = 1 << 16


class PlainRun(NamedTuple):
    """What the plain engine saw; the names are those of `tierkit.city.engine.Run`."""

    log: Ints
    signals: Ints
    events: Ints
    tally: Ints
    counts: Ints
    demanded: Ints
    served: Ints
    saved: Ints
    first_tier: Ints
    end: SimpleNamespace


@dataclass
class Check:
    """A demanded inspection on its way through the policy."""

    obligation: int
    agency: int
    channel: int
    drawn: int
    age: int = 0
    cause: int = 0
    shares: bool = False
    coded: bool = True
    goes: bool = True

    def relabel(self) -> None:
        """Go under the name of a trigger."""
        self.channel, self.cause, self.shares, self.coded = TRIGGER, RELABELLED, False, True


@dataclass
class Week:
    """What is written down of one week."""

    number: int
    tally: Ints
    demanded: Ints
    served: Ints
    inspected: Ints
    rows: list[list[int]] = field(default_factory=list)
    saved: int = 0

    def count(self, agency: int, what: str) -> None:
        self.tally[agency, TALLY.index(what)] += 1


def _widened(parts: Any) -> SimpleNamespace:
    """Return the fields with integers wide enough never to wrap."""
    wide = {}
    for name, value in parts._asdict().items():
        integers = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
        wide[name] = value.astype(np.int64) if integers else value
    return SimpleNamespace(**wide)


class PlainEngine:
    """One run of a policy over a world, week by week."""

    def __init__(
        self,
        frame: World,
        policy: Policy,
        seed: int,
        replicate: int,
        kappa: float,
        scores: pd.DataFrame | None,
    ) -> None:
        self.rules = _widened(compile_rules(policy, frame, kappa))
        self.world = _widened(frame.fixed)
        self.state = _widened(frame.state)
        self.key = (seed, replicate)
        self.first_week = frame.week
        self.size = frame.enterprises
        self.owner = self.world.enterprise
        self.stratum = 1 + 2 * self.rules.tagged[self.world.sector][self.owner]
        self.stratum += self.rules.own_table[self.world.agency]
        self.held = np.diff(self.world.start)
        self.in_scope = self.rules.scope_sector[self.world.sector] == 1
        self.obligation_in_scope = (
            self.in_scope[self.owner] & (self.rules.scope_agency[self.world.agency] == 1)
        ).astype(int)
        self.covered = (
            (self.world.offsite < self.rules.coverage)
            & (self.rules.offsite_sector[self.world.sector] == 1)[self.owner]
            & (self.rules.offsite_agency[self.world.agency] == 1)
        )
        self.quiet = self.rules.quiet_item[self.world.item] == 1
        self.ratio = np.full(4, ONE)
        self.owed = np.zeros(len(self.rules.capacity), int)
        self._begin(frame, policy, scores)

    # Scores and tiers

    def _begin(self, frame: World, policy: Policy, scores: pd.DataFrame | None) -> None:
        s, week = self.state, frame.week
        if policy.oracle:
            scores = oracle_scores(frame, policy["depth.detection"])
        elif policy["scoring.basis"] == "rule":
            scores = None
        s.offset[:] = 0
        if scores is None:
            s.margin0[:] = round(policy["scoring.rule_intercept"] * MARGIN_ONE)
            s.points0[:] = round(policy["scoring.rule_points"] * POINT_ONE)
        else:
            own = scores.set_index("enterprise_id").reindex(frame.ids)
            margin = pd.Series(np.clip(logit(own["risk_probability"].to_numpy()), -30, 30))
            points = own["credit_points"].astype(float).reset_index(drop=True).clip(-1e6, 1e6)
            for column, one, start in ((margin, MARGIN_ONE, s.margin0), (points, POINT_ONE, s.points0)):
                column = (column * one).round()
                of_sector = column.groupby(self.world.sector).transform("mean").fillna(column.mean())
                start[:] = column.fillna(of_sector).round()
            if "serious_finding_weeks" in own:
                for e, ago in enumerate(own["serious_finding_weeks"]):
                    if s.recorded[e] == 2 and not pd.isna(ago) and ago <= 1000:
                        s.serious_week[e] = week - int(ago)
            if "adverse_record" in own:
                told = own["adverse_record"].to_numpy()
                s.recorded[:] = [
                    int(now) if known == 2 and not pd.isna(now) else known
                    for known, now in zip(s.recorded, told, strict=True)
                ]
            everybody = np.arange(self.size)
            s.offset[:] = np.stack(self._earned(everybody, week), axis=1)
        if policy["scoring.logic"] == "risk":
            s.points0[:] = 10**6 * POINT_ONE
        s.perceived0[:] = s.perceived
        if self.rules.interval:
            s.phase[:] = self._draw(Block.PHASE, 0, np.arange(len(self.owner)))[0]
        for nothing_yet in (s.fear, s.visits, s.changes, s.flips, s.weeks):
            nothing_yet[:] = 0
        self.reregister(week)
        here = self._registered(week)
        s.spells[:] = np.bincount(self.owner[(s.violation > 0) & here[self.owner]], minlength=self.size)
        self.review(week, here, fresh=True)
        self.fill_lists(week)

    def _registered(self, week: int) -> Flags:
        return (self.world.entered <= week) & (week < self.state.left)

    def _discredited(self, e: int, week: int) -> bool:
        """Tell whether this week's records come to the worst credit grade."""
        s, r = self.state, self.rules
        earned = self._earned(np.array([e]), week)[1][0]
        points = s.points0[e] + earned - s.offset[e, 1] + r.sector_offset[self.world.sector[e]]
        capped = (week < s.adverse_until[e]) & (r.red_line >= len(r.credit_cut))
        spared = r.record_needed and not s.recorded[e] and len(r.credit_cut) > 1
        return bool((points < r.credit_cut[0] and not spared) or capped.any())

    def reregister(self, week: int) -> None:
        """Let enterprises of the worst grade close and go on, without records, in the slots kept for them."""
        s, world = self.state, self.world
        for e in np.flatnonzero((world.entered == week) & (world.successor_of >= 0)):
            old = int(world.successor_of[e])
            if week < s.left[old] and self._discredited(old, week):
                s.left[old] = week
                s.perceived[e], s.perceived0[e] = s.perceived[old], s.perceived0[old]
                mine, theirs = (slice(world.start[k], world.start[k + 1]) for k in (e, old))
                s.violation[mine], s.since[mine] = s.violation[theirs], s.since[theirs]

    def _fade(self, who: Ints, week: int) -> None:
        """Let the sums of an enterprise's conduct fade to a week, rounding down."""
        s = self.state
        age = np.minimum(week - s.conduct_week[who], OLDEST)
        left = self.rules.fade[:, np.maximum(age, 0)].T[:, :, None]
        s.conduct[who] = np.where((age > 0)[:, None, None], s.conduct[who] * left >> 16, s.conduct[who])
        s.conduct_week[who] = np.where(age > 0, week, s.conduct_week[who])

    def _remember(self, who: int, event: str, week: int) -> None:
        """Add an event to an enterprise's conduct; the points of records are a stock, counted apart."""
        kind = EVENTS.index(event)
        self._fade(np.array([who]), week)
        margin, points = self.rules.update[kind]
        of_record = event == "penalty" or kind >= FIRST_RECORD
        self.state.conduct[who, self.rules.bucket[kind]] += (margin, 0 if of_record else points)

    def _earned(self, who: Ints, week: int) -> tuple[Ints, Ints]:
        """Return what records add to margin and points."""
        s, update = self.state, self.rules.update
        self._fade(who, week)
        margin, points = s.conduct[who].sum(axis=1).T
        open_penalties = np.bincount(self.owner[week < s.record_until], minlength=self.size)[who]
        open_records = week < s.adverse_until[who]
        points = points + open_penalties * update[EVENTS.index("penalty"), 1]
        points = points + open_records @ update[FIRST_RECORD:, 1]
        return margin, points

    def _least(self, who: Ints, week: int) -> Ints:
        """Return the best tier that open records allow."""
        s, r = self.state, self.rules
        is_open, young = week < s.adverse_until[who], week - s.adverse_week[who] <= r.rising_weeks
        by_kind = np.where(is_open, np.maximum(r.red_tier, young * r.rising_tier), 0)
        fined = (week < s.record_until) & (week - s.record_week <= r.rising_weeks)
        any_fined = np.bincount(self.owner[fined], minlength=self.size)[who] > 0
        return np.maximum(by_kind.max(axis=1), any_fined * r.rising_penalty)

    def _barred(self, who: Ints, week: int, level: Ints) -> Flags:
        """Tell whom a floor keeps from the best tier and from lists."""
        s, r = self.state, self.rules
        riskiest = (level == len(r.risk_cut)) & (r.floor_risk == 1)
        lately = week - s.serious_week[who] <= r.floor_weeks
        return riskiest | lately | ((week < s.adverse_until[who]) & (r.floor_kind == 1)).any(axis=1)

    def review(self, week: int, who: Flags, *, fresh: bool) -> None:
        """Give enterprises their tier, their place on the list and their rate of routine inspections."""
        s, r = self.state, self.rules
        w = np.flatnonzero(who)
        grades, tiers = len(r.credit_cut), len(r.composite_cut)
        added, earned = self._earned(w, week)
        margin = s.margin0[w] + added - s.offset[w, 0]
        points = s.points0[w] + earned - s.offset[w, 1] + r.sector_offset[self.world.sector[w]]

        def place(value: Ints, cuts: Ints, slack: int, held: Ints) -> Ints:
            """Count the cut-offs passed; whoever holds a place keeps it within the slack."""
            give = 0 if fresh else slack
            sure = (value[:, None] >= cuts + give).sum(axis=1)
            perhaps = (value[:, None] >= cuts - give).sum(axis=1)
            return sure if fresh else np.clip(held, sure, perhaps)

        level = place(margin, r.risk_cut, r.slack_margin, s.risk_level[w])
        spared = (r.record_needed == 1) & (s.recorded[w] == 0)
        counted = np.where(spared, np.maximum(points, r.sound_points), points)
        grade = grades - place(counted, r.credit_cut, r.slack_points, grades - s.grade[w])
        grade = np.where(spared, np.minimum(grade, 1), grade)
        cap = np.where(week < s.adverse_until[w], r.red_line, 0).max(axis=1)
        red, scoped = cap > 0, self.in_scope[w]
        capped = np.maximum(grade, np.minimum(cap, grades))
        if r.composite:
            score = r.credit_weight * counted - r.risk_weight * margin >> 10
            by_rule = tiers - place(score, r.composite_cut, r.slack_points, tiers - s.tier[w])
            by_rule = np.maximum(by_rule, np.minimum(cap, tiers))
            grade = capped
        else:
            by_rule = r.matrix[level, capped]
            grade = np.where(scoped, capped, grade)
        least = np.where(scoped, np.maximum(self._least(w, week), self._barred(w, week, level)), 0)
        tier = np.maximum(np.where(scoped, by_rule, r.neutral), least)
        old = s.tier[w]
        if fresh:
            s.before[w], s.tier_week[w] = tier, week
        else:
            held = (week - s.tier_week[w] < r.dwell) & ~red
            tier = np.where(held, np.maximum(old, least), tier)
            moved = tier != old
            back = moved & (tier == s.before[w]) & (week - s.tier_week[w] <= 26)
            s.changes[w] = np.minimum(s.changes[w] + moved, 255)
            s.flips[w] = np.minimum(s.flips[w] + back, 255)
            s.before[w] = np.where(moved, old, s.before[w])
            s.tier_week[w] = np.where(moved, week, s.tier_week[w])
        s.tier[w], s.risk_level[w], s.grade[w] = tier, level, grade
        fits = (margin <= r.list_margin) & (points >= r.list_points)
        mine = who[self.owner]
        if r.list_on == 4:
            may = np.zeros(self.size, np.bool_)
            may[w] = scoped & ~red & (least == 0)
            s.unseen[mine] = (r.named & may[self.owner])[mine]
            s.listed[w] = np.bincount(self.owner, s.unseen, self.size)[w] > 0
        elif r.list_on <= 1 or fresh:
            s.listed[w] = (r.list_on == 1) & scoped & fits & ~red & (least == 0)
            s.unseen[mine] = s.listed[self.owner[mine]]

        # The routine draw: the base rate, moved by tier, by recorded conduct and by what nobody recorded.
        lean = np.zeros(self.size, np.int64)
        if r.gradient != 0:
            lean[w] = np.clip(((added - r.gradient_centre) * r.gradient >> 16) - r.gradient_shift, -768, 768)
        o = np.flatnonzero(who[self.owner])
        mine = self.owner[o]
        stratum = np.where(self.obligation_in_scope[o], self.stratum[o], 0)
        step = r.tier_rate[stratum, s.tier[mine], self.world.item_class[o]]
        drawn = (r.rate[o] > 0) & (step > -30_000)
        known = np.clip(r.rate[o] + step + lean[mine], MOST_RARE, MOST_FREQUENT)
        hunch = (self.world.hunch[o] * r.hidden >> 16) - r.hidden_shift
        s.known_rate[o] = np.where(drawn, known, 0)
        s.routine[o] = np.where(drawn, r.chance[np.clip(known + hunch, MOST_RARE, MOST_FREQUENT)], 0)

    def fill_lists(self, week: int) -> None:
        """List those of the least risk for each agency, up to its share, where lists are filled so."""
        s, r = self.state, self.rules
        if r.list_on not in (2, 3):
            return
        here = self._registered(week) & self.in_scope
        margin, points = s.margin0 - s.offset[:, 0], s.points0 - s.offset[:, 1]
        added, earned = self._earned(np.flatnonzero(here), week)
        margin[here] += added
        points[here] += earned
        fined = np.bincount(self.owner[week < s.record_until], minlength=self.size) > 0
        barred = (margin >= r.risk_cut[-1]) | fined | ((week < s.adverse_until) & (r.merit == 0)).any(axis=1)
        barred |= self._barred(np.arange(self.size), week, s.risk_level)
        lists: dict[tuple[int, int], dict[int, None]] = {}
        for i in np.flatnonzero(here[self.owner]):
            e = int(self.owner[i])
            field = self.world.sector[e] if r.list_on == 3 else 0
            lists.setdefault((int(self.world.agency[i]), int(field)), {})[e] = None
        s.unseen[:], s.listed[:] = 0, 0
        for (agency, _), members in lists.items():
            room = len(members) * round(r.list_share * 10**6) // 10**6
            fit = sorted((margin[e], -points[e], e) for e in members if not barred[e])
            for *_, e in fit[:room]:
                mine = np.arange(self.world.start[e], self.world.start[e + 1])
                s.unseen[mine[self.world.agency[mine] == agency]] = 1
                s.listed[e] = 1

    # The week of every enterprise by itself

    def _draw(self, block: int, week: Any, obligations: Ints) -> Ints:
        slots, numbers = self.owner[obligations], self.world.local[obligations]
        return draws(*self.key, slots, numbers, block, week).astype(np.int64)

    def perceive(self, week: int, here: Flags) -> None:
        """Let the perceived rate follow last week's, and the hazard follow what has changed in it."""
        s, r = self.state, self.rules
        target = self.ratio[s.tier[here]]
        now = s.perceived[here] + ((target - s.perceived[here]) * r.memory >> 16)
        s.perceived[here] = np.clip(now, 1 << 10, 1 << 22)
        if r.kappa > 0 and week % 4 == 0:
            change = self._log(s.perceived[here]) - self._log(s.perceived0[here])
            s.fear[here] = -(r.kappa * change >> 16)

    def _log(self, value: Ints) -> Ints:
        """Return natural logarithms in steps of 1/512: exponent, and 11 bits of mantissa from a table."""
        mantissa, exponent = np.frexp(value.astype(np.float64))
        place = np.floor((2 * mantissa - 1) * 2048).astype(np.int64)
        return self.rules.log_mantissa[place] + (exponent - 1) * self.rules.log_two

    def credit_events(self, week: int, here: Flags) -> tuple[list[list[int]], Flags]:
        """Draw what tax offices, courts and others record; tell also whose permit is verified."""
        s, r, world = self.state, self.rules, self.world
        slots = np.arange(self.size)
        y = draws(*self.key, slots, ENTERPRISE_LEVEL, Block.ENTERPRISE, week).astype(np.int64)
        lean = r.slope[:, None] * world.latent.astype(np.int64) >> 16
        chance = r.fall[np.clip(r.adverse[:, None] + lean, MOST_RARE, MOST_FREQUENT)]
        chance[r.adverse == 0] = 0
        chance[(r.permit_only == 1)[:, None] & (world.permit_phase < 0)] = 0
        kind = (y[0] >= chance.cumsum(axis=0)).sum(axis=0)
        rows = []
        for e in np.flatnonzero(here & (kind < len(r.adverse)) & ((week + slots) % 4 == 0)):
            k = int(kind[e])
            until = week + int(r.adverse_display[week, k])
            if not r.merit[k] and y[1, e] < r.take_up:
                until = min(until, week + int(r.adverse_earliest[week, k] + r.repair_delay[y[2, e] >> 24]))
            s.adverse_until[e, k] = max(s.adverse_until[e, k], until)
            s.adverse_week[e, k] = week
            s.recorded[e] = s.recorded[e] or not r.merit[k]
            self._remember(e, EVENTS[FIRST_RECORD + k], week)
            rows.append([week, e, k, until])
        renewed = (world.permit_phase >= 0) & (week % r.permit_cycle == world.permit_phase)
        return rows, here & renewed & (y[3] < r.commitment)

    def behave(self, week: int, x: Ints, here: Flags) -> Ints:
        """Let compliant obligations fall into violation and violations mend; count who is in which state."""
        s, r = self.state, self.rules
        age = np.minimum(week - s.found_week, OLDEST)
        rate = self.world.hazard + s.fear[self.owner] - r.deterrence[s.found_kind, age]
        may_fall = here & (s.violation == 0) & (self.world.hazard > 0)
        falls = may_fall & (x < r.fall[np.clip(rate, MOST_RARE, MOST_FREQUENT)])
        mends = here & (s.violation > 0) & (x < r.mend[s.violation])
        fallen = np.flatnonzero(falls)
        lot = self._draw(Block.SEVERITY, week, fallen)[0]
        s.violation[mends] = 0
        s.violation[fallen] = 1 + (lot >= r.severity[0]) + (lot >= r.severity[1])
        s.since[fallen] = week
        s.spells += np.bincount(self.owner[fallen], minlength=self.size)
        there = np.flatnonzero(here & (s.violation > 0))
        np.add.at(s.weeks, (self.owner[there], s.violation[there] - 1), 1)
        counts = np.zeros((4, 2, 4), np.int64)
        o = np.flatnonzero(here)
        np.add.at(counts, (s.tier[self.owner[o]], self.world.item_class[o], s.violation[o]), 1)
        return counts

    def signal(self, week: int, x: Ints, here: Flags, due: Ints, cause: Ints) -> list[list[int]]:
        """Raise complaints, incidents and alerts, and arrange the checks that they open.

        One draw means at most one signal: it falls into one of five bands that lie end to end.
        """
        s, r, world = self.state, self.rules, self.world
        first_door = (world.agency == 0) & (world.item_class == 0)
        bands = (
            (PROFESSIONAL, np.where(first_door, world.professional[self.owner], 0)),
            (MISTAKEN, r.mistaken[self.held[self.owner]]),
            (TRUE, r.genuine[s.violation]),
            (INCIDENT, r.incident[s.violation]),
            (ALERT, np.where(self.covered, r.alert[np.minimum(s.violation, 1)], 0)),
        )
        reach = np.cumsum([width for _, width in bands], axis=0)
        band = (x >= reach).sum(axis=0)
        raised = np.flatnonzero(here & (band < len(bands)))
        y = self._draw(Block.SIGNAL, week, raised)
        rows = []
        for i, opens, looks_professional in zip(raised.tolist(), y[0], y[1], strict=True):
            kind = bands[band[i]][0]
            by_people = kind in (TRUE, MISTAKEN, PROFESSIONAL)
            recognised = by_people and looks_professional < r.filtered[int(kind == PROFESSIONAL)]
            outcome = IGNORED
            if opens < (r.filtered_opens if recognised else r.opens[kind]):
                outcome = ARRANGED_ALREADY
                if s.due_week[i] == NEVER and due[i] == NO_CHANNEL:
                    outcome = OPENED
                    if r.delay == 0:
                        due[i], cause[i] = TRIGGER, kind + 1
                    else:
                        self._arrange(i, week + r.delay, TRIGGER, cause=kind + 1)
            rows.append([week, i, kind, outcome, int(recognised)])
        return rows

    def _arrange(self, i: int, week: int, channel: int, *, cause: int = 0, age: int = 0) -> None:
        s = self.state
        s.due_week[i], s.due_channel[i], s.due_age[i] = week, channel | cause << 4, age

    # The week of all together

    def demand(self, x: Ints, here: Flags, verified: Flags, due: Ints, week: int) -> Flags:
        """Return which channels ask for an inspection of which obligation, shape (6, O)."""
        s, r, world = self.state, self.rules, self.world
        wants = np.zeros((len(CHANNELS), len(self.owner)), bool)
        wants[RANDOM] = x[2] < r.floor
        wants[CAMPAIGN] = ~wants[RANDOM] & (x[2] >= (1 << 32) - r.campaign[world.sector][self.owner])
        wants[COMMITMENT, world.start[:-1][verified & (self.held > 0)]] = True
        wants[ROUTINE] = (x[1] < s.routine) & (week > s.merged_until)
        for channel in range(len(CHANNELS)):
            wants[channel] |= due == channel
        return wants & here

    def propose(self, now: Week, e: int, asked: list[tuple[int, Flags, int, int, int, Ints]]) -> list[Check]:
        """Pass an enterprise's demand through lists, off-site checks, the check code and the cap."""
        s, r, week = self.state, self.rules, now.number
        refuses, merges = r.code == 2, r.code == 1
        may_join = merges or r.joint_sector[self.world.sector[e]] == 1
        checks: list[Check] = []
        holder = None  # the agency whose code covers this week
        for i, channels, due, age, cause, y in asked:
            agency = int(self.world.agency[i])
            wanting = np.flatnonzero(channels).tolist()
            for channel in wanting:
                now.count(agency, "carried_in" if channel == due and age > 0 else "new")
            for _ in wanting[1:]:
                now.count(agency, "duplicate")
            check = Check(i, agency, wanting[0], week)
            if check.channel == due:
                check.age, check.cause = age, cause
            checks.append(check)
            if check.channel not in (COMMITMENT, ROUTINE):
                continue
            reason = None
            if s.due_week[i] != NEVER:
                reason = "duplicate"
            elif s.unseen[i]:
                reason = "list"
            elif self.quiet[i]:
                reason = "item"
            if reason is None and check.age == 0 and self.covered[i] and y[0] < r.substitution:
                alarm = y[1] < (r.sensitivity if s.violation[i] else r.false_alarm)
                if not alarm:
                    reason = "offsite"
                    self._write(now, check, e, mode=OFFSITE)
            check.coded = bool(y[3] >= r.unregistered)
            if reason is None and refuses and check.coded:
                lately = week - s.last_visit[e] <= r.window and s.last_agency[e] != agency
                if lately or holder not in (None, agency):
                    reason = "window"
                else:
                    holder = agency
            if reason in ("list", "item", "window") and self._relabels(week, i):
                check.relabel()
            elif reason is not None:
                now.count(agency, reason)
                checks.pop()
            else:
                check.shares = may_join and check.coded
        if any(check.shares for check in checks):
            checks += self._bring_forward(now, e, {i for i, *_ in asked}, merges)
        if r.cap > 0:
            self._cap(now, e, checks)
        return checks

    def _relabels(self, week: int, i: int) -> bool:
        """Tell whether a check that was stopped is made all the same, under the name of a trigger."""
        return bool(self._draw(Block.SEVERITY, week, np.array([i]))[1, 0] < self.rules.relabelled)

    def _bring_forward(self, now: Week, e: int, asked: set[int], merges: bool) -> Iterator[Check]:
        """Yield the routine inspections that lie ahead within the window and can share this visit."""
        s, r, world, week = self.state, self.rules, self.world, now.number
        reach = max(r.window if merges else 0, r.joint_window if r.joint_sector[world.sector[e]] == 1 else 0)
        ahead = np.arange(week + 1, min(week + reach, s.left[e] - 1) + 1)
        for i in range(world.start[e], world.start[e + 1]):
            if s.unseen[i] or self.quiet[i] or self.covered[i]:
                continue
            if i in asked or s.due_week[i] != NEVER or not len(ahead):
                continue
            lot = self._routine_lot(self._draw(Block.WEEK, ahead, np.full(len(ahead), i))[1], i, ahead)
            drawn = ahead[(lot < s.routine[i]) & (ahead > s.merged_until[i])]
            if len(drawn):
                s.merged_until[i] = drawn[0]
                agency = int(world.agency[i])
                now.count(agency, "new")
                yield Check(i, agency, ROUTINE, int(drawn[0]), shares=True)

    def _routine_lot(self, lot: Ints, obligation: Any, week: Any) -> Ints:
        """Return the lot of a routine draw: as drawn, or once an interval where these are fixed."""
        if not self.rules.interval:
            return lot
        return (week * self.state.routine[obligation] + self.state.phase[obligation]) % (1 << 32)

    def _cap(self, now: Week, e: int, checks: list[Check]) -> None:
        """Drop planned checks that would need a visit past the cap of their agency's level."""
        level_of = self.world.agency_level
        visiting = {(check.agency, False) for check in checks if check.channel == RANDOM}
        made = self.state.visits[e].copy()
        for agency, _ in visiting:
            made[level_of[agency]] += 1
        for check in checks:
            if check.channel not in (COMMITMENT, ROUTINE) or not check.coded:
                continue
            level = int(level_of[check.agency])
            if not self.rules.cap_level[level]:
                continue
            visit = (level, True) if check.shares else (check.agency, False)
            if visit in visiting:
                continue
            if made[level] >= self.rules.cap:
                if self._relabels(now.number, check.obligation):
                    check.relabel()
                else:
                    check.goes = False
                    now.count(check.agency, "cap")
            else:
                made[level] += 1
                visiting.add(visit)

    def ration(self, now: Week, checks: list[Check]) -> None:
        """Let each agency serve what it can: by channel, then by lot; the rest is put off or lapses."""
        for agency in range(len(now.demanded)):
            queue = [check for check in checks if check.goes and check.agency == agency]
            for check in queue:
                now.demanded[agency, check.channel] += 1
                opened = check.cause == 1 + ALERT and check.age == 0
                self.owed[agency] += opened and self.rules.alerts_replace
            self._replace(now, agency, queue)
            queue = [check for check in queue if check.goes]
            room = max(self.rules.capacity[agency], now.demanded[agency, RANDOM])
            if len(queue) > room:
                waiting = np.array([check.obligation for check in queue])
                lots = self._draw(Block.DEMAND, now.number, waiting)[2].tolist()
                ranked = sorted(zip(queue, lots, strict=True), key=lambda pair: (pair[0].channel, pair[1]))
                for check, _ in ranked[room:]:
                    check.goes = False
                    now.count(agency, self._put_off(check, now.number))
            for check in queue:
                now.served[agency, check.channel] += check.goes

    def _replace(self, now: Week, agency: int, queue: list[Check]) -> None:
        """Let the checks that alerts opened take the place of routine ones, those that the lot puts last."""
        routine = [check for check in queue if check.channel == ROUTINE]
        fewer = min(int(self.owed[agency]), len(routine))
        if fewer:
            lots = self._draw(Block.DEMAND, now.number, np.array([check.obligation for check in routine]))[2]
            for k in np.argsort(lots, kind="stable")[len(routine) - fewer :]:
                routine[k].goes = False
                now.count(agency, "replaced")
            self.owed[agency] -= fewer

    def _put_off(self, check: Check, week: int) -> str:
        if check.age + 1 > self.rules.max_postpone:
            return "lapsed"
        if self.state.due_week[check.obligation] != NEVER:
            return "duplicate"
        self._arrange(check.obligation, week + 1, check.channel, cause=check.cause, age=check.age + 1)
        return "put_off"

    def visit(self, now: Week, e: int, checks: list[Check]) -> None:
        """Call at an enterprise: inspect, and draw what follows from what is found."""
        s, r, week = self.state, self.rules, now.number
        tier = int(s.tier[e])
        together = {check.agency for check in checks if check.shares}
        now.saved += max(len(together) - 1, 0)
        called: set[tuple[str, int]] = set()
        for check in checks:
            i, agency = check.obligation, check.agency
            joint = check.shares and len(together) > 1
            y = self._draw(Block.INSPECTION, week, np.array([i]))[:, 0]
            inspector = int(y[1] * r.detect.shape[1] >> 32)
            at_reference = check.channel == RANDOM or not self.obligation_in_scope[i]
            sharpness = r.detect[agency, inspector, 4 if at_reference else tier]
            severity, since = int(s.violation[i]), int(s.since[i])
            found = severity > 0 and y[0] < sharpness
            disposition, until = NOTHING, 0
            if found:
                disposition, until = self._decide(week, e, check, severity, int(y[2]), int(y[3]))
            else:
                self._remember(e, "clean_check", week)
                if check.channel == COMMITMENT and r.guidance and self._first(week, i):
                    s.found_week[i], s.found_kind[i] = week, GUIDED
            level = int(self.world.agency_level[agency])
            call = ("joint", level) if joint else ("alone", agency)
            if check.channel in (RANDOM, COMMITMENT, ROUTINE) and check.coded and call not in called:
                called.add(call)
                s.visits[e, level] = min(s.visits[e, level] + 1, 255)
            if check.coded:
                s.last_visit[e], s.last_agency[e] = week, agency
            now.count(agency, "joint" if joint else "alone")
            now.inspected[tier] += 1
            known = NO_RATE
            if check.channel == ROUTINE and not (r.interval or (self.covered[i] and r.substitution > 0)):
                known = int(s.known_rate[i])
            elif check.channel == RANDOM:
                known = BY_LOT
            elif check.channel == CAMPAIGN:
                known = BY_ORDER
            self._write(
                now, check, e, mode=JOINT if joint else ONSITE, finding=severity if found else 0,
                disposition=disposition, violation=severity, since=since, inspector=inspector,
                visit=0 if joint else 1 + agency, known_rate=known, record_until=until, coded=check.coded,
            )  # fmt: skip

    def _first(self, week: int, i: int) -> bool:
        """Tell whether an obligation was not found in violation for two years."""
        return bool(week - self.state.found_week[i] > 104 or self.state.found_kind[i] == GUIDED)

    def _decide(
        self, week: int, e: int, check: Check, severity: int, lot: int, waiver: int
    ) -> tuple[int, int]:
        """Return the disposition of a finding and when its record closes; reset what it resets."""
        s, r, i = self.state, self.rules, check.obligation
        z = self._draw(Block.CONSEQUENCE, week, np.array([i]))[:, 0]
        first = self._first(week, i)
        slight = severity == 1 and (first or not r.first_only)
        slight = slight and (bool(r.off_list) or self.world.item_class[i] == 0)
        spared = bool(r.rectify_first) and severity == 2 and first
        if slight and waiver < r.waiver:
            disposition = WARNED
        elif spared or lot >= r.penalised[severity]:
            disposition = RECTIFIED
        else:
            disposition = SEALED if severity == 3 and z[3] < r.sealed else PENALISED
        s.violation[i], s.found_week[i] = 0, week
        s.found_kind[i] = 2 if disposition in (PENALISED, SEALED) else 1
        if severity == 3:
            s.serious_week[e] = week
        self._remember(e, ("found_minor", "found_moderate", "found_serious")[severity - 1], week)
        until = 0
        if disposition in (PENALISED, SEALED):
            until = week + int(r.display[week, severity])
            if z[0] < r.take_up:
                until = min(until, week + int(r.earliest[week, severity]) + int(r.repair_delay[z[1] >> 24]))
            s.record_week[i], s.record_severity[i], s.record_until[i] = week, severity, until
            s.recorded[self.owner[i]] = 1
            self._remember(e, "penalty", week)
        if check.channel == TRIGGER and check.cause - 1 in (TRUE, MISTAKEN, PROFESSIONAL):
            self._remember(e, "complaint_substantiated", week)
        if z[2] < r.follow[severity] and s.due_week[i] == NEVER:
            self._arrange(i, week + r.follow_weeks, FOLLOWUP)
        return disposition, until

    def _write(self, now: Week, check: Check, e: int, *, mode: int, **facts: int) -> None:
        """Write a row of the log; what is not told is as it stands."""
        i = check.obligation
        row = {
            "week": now.number, "obligation": i, "channel": check.channel, "mode": mode, "finding": 0,
            "disposition": NOTHING, "violation": self.state.violation[i], "since": self.state.since[i],
            "drawn": check.drawn, "inspector": 0, "visit": 0, "tier": self.state.tier[e], "age": check.age,
            "cause": check.cause, "known_rate": NO_RATE, "record_until": 0,
            "coded": True,
        } | facts  # fmt: skip
        now.rows.append([int(row[name]) for name in LOG])

    def week(self, at: int, now: Week) -> tuple[list[list[int]], list[list[int]], Ints]:
        """Run one week; return its signals, its credit events and its counts of states."""
        week, s = now.number, self.state
        if at > 0:
            self.reregister(week)
        registered = self._registered(week)
        if at > 0:
            self.review(week, registered & (self.world.entered == week), fresh=True)
            if at % self.rules.cap_period == 0:
                s.visits[:] = 0
            if at % self.rules.cadence == 0:
                self.review(week, registered, fresh=False)
                self.fill_lists(week)
        here = registered[self.owner]
        self.perceive(week, registered)
        expected = np.zeros(4, np.int64)
        np.add.at(expected, s.tier[registered], self.world.base_rate[registered])
        events, verified = self.credit_events(week, registered)
        everything = np.arange(len(self.owner))
        x = self._draw(Block.WEEK, week, everything)
        x[1] = self._routine_lot(x[1], everything, week)
        counts = self.behave(week, x[0], here)
        today = here & (s.due_week == week)
        due = np.where(today, s.due_channel & 15, NO_CHANNEL)
        cause, age = np.where(today, s.due_channel >> 4, 0), np.where(today, s.due_age, 0)
        s.due_week[today] = NEVER
        signals = self.signal(week, x[3], here, due, cause)
        wants = self.demand(x, here, verified, due, week)

        asked = np.flatnonzero(wants.any(axis=0))
        lots = self._draw(Block.DEMAND, week, asked)
        facts = zip(asked.tolist(), wants.T[asked], due[asked], age[asked], cause[asked], lots.T, strict=True)
        checks: list[Check] = []
        for e, of_enterprise in groupby(facts, key=lambda fact: self.owner[fact[0]]):
            checks += self.propose(now, int(e), list(of_enterprise))
        self.ration(now, checks)
        for e, of_enterprise in groupby(checks, key=lambda check: self.owner[check.obligation]):
            self.visit(now, int(e), [check for check in of_enterprise if check.goes])
        known = expected > 0
        self.ratio = np.where(known, (now.inspected << 40) // np.where(known, expected, 1), ONE)
        return signals, events, counts


def plain_run(
    frame: World,
    policy: Policy,
    weeks: int,
    *,
    seed: int | None = None,
    replicate: int = 0,
    kappa: float = 0.0,
    scores: pd.DataFrame | None = None,
) -> PlainRun:
    """Run a policy over a world by the plain engine; the arguments are those of `tierkit.city.engine.run`."""
    engine = PlainEngine(frame, policy, frame.seed if seed is None else seed, replicate, kappa, scores)
    first_tier = engine.state.tier.copy()
    shape = (weeks, len(engine.rules.capacity))
    tally = np.zeros((*shape, len(TALLY)), np.int64)
    demanded, served = np.zeros((2, *shape, len(CHANNELS)), np.int64)
    counts, saved = np.zeros((weeks, 4, 2, 4), np.int64), np.zeros(weeks, np.int64)
    log: list[list[int]] = []
    signals: list[list[int]] = []
    events: list[list[int]] = []
    for at in range(weeks):
        now = Week(frame.week + at, tally[at], demanded[at], served[at], np.zeros(4, np.int64))
        raised, recorded, counts[at] = engine.week(at, now)
        log, signals, events = log + now.rows, signals + raised, events + recorded
        saved[at] = now.saved
    return PlainRun(
        np.array(log, np.int64).reshape(-1, len(LOG)),
        np.array(signals, np.int64).reshape(-1, 5),
        np.array(events, np.int64).reshape(-1, 4),
        tally,
        counts,
        demanded,
        served,
        saved,
        first_tier,
        engine.state,
    )
