"""Counts from the records known before a date: exposures, chances and outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta, gamma

from tierkit.arrays import Floats
from tierkit.city.parameters import Parameters
from tierkit.city.world import WEEKS_A_YEAR
from tierkit.evaluate.findings import found_something, on_site
from tierkit.evaluate.history.routine import Routine
from tierkit.policy import Policy
from tierkit.records import CHANNELS, CREDIT_EVENTS, FINDINGS, SEVERITIES, SIZES, TIERS, place_of
from tierkit.records.unknown import begun, stand_ins, told_stand_ins

__all__ = ["Chance", "Records"]


MANY_COMPLAINTS = 3
"""Complaints within the window from which a complainant counts as professional."""
TAKEN_UP_DAYS = 28
"""Days within which a triggered check must follow a signal to be its check."""
FOLLOWED_DAYS = 91
"""Days within which a follow-up must follow a finding."""
DECIDED_DAYS = 63
"""Days after which a finding without a decision is left aside as undecided."""
_JEFFREYS = 0.5
_YEAR_DAYS = 7 * WEEKS_A_YEAR

_EVENT_OF = {one.kind: one.score_event for one in CREDIT_EVENTS.values()}
"""Kind of credit event → event of the score update."""


@dataclass(frozen=True)
class Chance:
    """A share of chances (beta) or a rate over an exposure (gamma); ``scale`` turns it into the parameter."""

    path: str
    n: int
    exposure: float
    kind: str
    scale: float = 1.0
    high: float = np.inf

    def __post_init__(self) -> None:
        """Raise if there are more events than chances."""
        if self.n < 0 or (self.kind == "share" and self.n > self.exposure):
            raise ValueError(
                f"'{self.path}' has {self.n} events of {self.exposure:g} chances. Give both of the same."
            )

    @property
    def value(self) -> float:
        """The estimate, of greatest likelihood."""
        return min(self.scale * self.n / self.exposure, self.high)

    def quantile(self, q: Any) -> Floats:
        """Return quantiles of its posterior, given the count and Jeffreys' prior."""
        if self.kind == "share":
            found = beta.ppf(q, self.n + _JEFFREYS, self.exposure - self.n + _JEFFREYS)
        else:
            found = gamma.ppf(q, self.n + _JEFFREYS) / self.exposure
        out: Floats = np.minimum(self.scale * np.asarray(found, np.float64), self.high)
        return out

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval: from 0 where nothing was seen, and to 1 where every chance was taken.

        The posterior's own ends leave out the estimate there: Brown, Cai and DasGupta, *Interval estimation
        for a binomial proportion*, Statistical Science 16 (2001).

        Examples
        --------
        >>> Chance("", 0, 10, "share").interval()[0], Chance("", 10, 10, "share").interval()[1]
        (0.0, 1.0)
        """
        low, high = (float(q) for q in self.quantile([0.025, 0.975]))
        if self.n == 0:
            low = 0.0
        if self.kind == "share" and self.n == self.exposure:
            high = self.value
        return low, high


class Records:
    """The records that were known before a date, from the first day of the window on."""

    def __init__(self, data: Mapping[str, pd.DataFrame], start: pd.Timestamp, end: pd.Timestamp) -> None:
        self.start, self.end, self.place = start, end, place_of(data)
        enterprises = data["enterprises"]
        self.enterprises = enterprises[begun(enterprises["registered_on"], end)].reset_index(drop=True)
        self.slot = pd.Index(self.enterprises["enterprise_id"].astype(str))
        obligations = data["obligations"].merge(data["items"][["item", "offsite"]], on="item", how="left")
        obligations = obligations[begun(obligations["valid_from"], end)]
        self.obligations = obligations[obligations["enterprise_id"].astype(str).isin(self.slot)]
        every = data["inspections"]
        every = every[every["inspected_on"] < end]
        self.inspections = every[every["inspected_on"] >= start]
        self.before = every[every["inspected_on"] < start]
        events = data["credit_events"][data["credit_events"]["known_on"] < end]
        # the day on which it became known stands for that on which it happened, where nobody knows it
        self.events = events.assign(happened_on=events["happened_on"].fillna(events["known_on"]))
        self.complaints = data["complaints"][data["complaints"]["received_on"].between(start, end, "left")]
        self.signals = data["signals"][data["signals"]["raised_on"].between(start, end, "left")]
        tiers = data.get("tiers")
        self.tiers = None if tiers is None else tiers[tiers["assigned_on"] < end]

    def _years(self, first: pd.Series, last: pd.Series, low: pd.Timestamp, high: pd.Timestamp) -> Floats:
        """Return the years (of 52 weeks) for which each row existed between two days."""
        begin = first.where(first > low, low)
        stop = last.where(last < high, high)
        days = (stop - begin).dt.days.clip(lower=0)
        years: Floats = days.to_numpy(np.float64) / _YEAR_DAYS
        return years

    def _place(self, ids: pd.Series) -> NDArray[np.int64]:
        out: NDArray[np.int64] = self.slot.get_indexer(pd.Index(ids.astype(str)))
        return out

    def routine(self, base: Policy) -> Routine:
        """Return routine inspections and the exposure to them, by enterprise and period between reviews."""
        weeks = int(base["review.cadence_weeks"])
        edges = list(pd.date_range(self.start, self.end, freq=f"{7 * weeks}D"))
        edges = [*(one for one in edges if one < self.end), self.end]
        n = len(self.enterprises)
        sectors = self.place.ids("sector")
        codes, unknown = stand_ins(self.enterprises, ("sector", "size"), self.place)
        told_stand_ins(unknown, "enterprises", self.place)
        sector, size = codes["sector"], codes["size"]
        bound = np.zeros(n, bool)
        bound[self._place(self.obligations["enterprise_id"])] = True
        years, scores = [], []
        for low, high in pairwise(edges):
            here = self._years(self.enterprises["registered_on"], self.enterprises["closed_on"], low, high)
            years.append(np.where(bound, here, 0.0))
            scores.append(self.score(base, low))
        done = self.inspections[self.inspections["channel"] == "routine"]
        period = np.searchsorted(pd.DatetimeIndex(edges[1:-1]), done["inspected_on"], side="right")
        owner = self._place(done["enterprise_id"])
        known = owner >= 0
        cell = sector * len(SIZES) + size
        counts = np.bincount(cell[owner[known]], minlength=len(sectors) * len(SIZES)).astype(np.float64)
        return Routine(
            counts.reshape(len(sectors), len(SIZES)),
            np.concatenate(years),
            np.tile(cell, len(years)),
            np.concatenate(scores),
            (period * n + owner)[known],
        )

    def score(self, base: Policy, day: pd.Timestamp) -> Floats:
        """Return what the records add to the rule margin on a day, standardised as the base policy does."""
        total = np.zeros(len(self.enterprises))
        checks = pd.concat([self.before, self.inspections])
        checks = checks[on_site(checks)]
        told = self.complaints[
            (self.complaints["substantiated_on"] < self.end) & self.complaints["substantiated"].fillna(False)
        ]
        parts = [
            *(
                (checks[checks["finding"] == finding], "inspected_on", event)
                for finding, event in zip(
                    FINDINGS, ("clean_check", *(f"found_{s}" for s in SEVERITIES)), strict=True
                )
            ),
            *(
                (self.events[self.events["kind"] == kind], "happened_on", event)
                for kind, event in _EVENT_OF.items()
            ),
            (told, "received_on", "complaint_substantiated"),
        ]
        for rows, column, event in parts:
            mine = rows[rows[column] < day]
            owner = self._place(mine["enterprise_id"])
            weeks = (day - mine[column]).dt.days.to_numpy(np.float64) / 7
            worth = base[f"score_update.{event}.margin"] * 2.0 ** (
                -weeks / base[f"score_update.{event}.half_life"]
            )
            total += np.bincount(owner[owner >= 0], weights=worth[owner >= 0], minlength=len(total))
        out: Floats = (total - base["scoring.rule_mean"]) / base["scoring.rule_sd"]
        return out

    def chances(self, base: Policy, p: Parameters) -> tuple[list[Chance], dict[str, Any]]:
        """Return the rates and shares estimated from the records, and the parameters that they fix."""
        fixed: dict[str, Any] = {}
        seen = self.inspections["channel"].value_counts()
        years = self._years(
            self.obligations["valid_from"], self.obligations["valid_to"], self.start, self.end
        )
        held = self._years(
            self.enterprises["registered_on"], self.enterprises["closed_on"], self.start, self.end
        )
        out = [Chance("frequency.random_floor", int(seen.get("random", 0)), years.sum(), "rate", high=1.0)]
        permits = float(held[self.enterprises["commitment"].eq(True).fillna(False).to_numpy(bool)].sum())
        if permits > 0:
            renewal = float(p["commitment.renewal"]) / WEEKS_A_YEAR
            checked = int(seen.get("commitment", 0))
            out.append(Chance("commitment.check_share", checked, permits, "rate", renewal, 1.0))
        ordered = self.inspections[self.inspections["channel"] == "campaign"]
        if len(ordered):
            sector = self.enterprises["sector"].astype(str).to_numpy()
            where = sorted(
                set(sector[self._place(ordered["enterprise_id"])]), key=self.place.ids("sector").index
            )
            exposed = float(held[np.isin(sector, where)].sum())
            fixed["campaign.sectors"] = where
            out.append(Chance("campaign.rate", len(ordered), exposed, "rate", high=10.0))
        for part in (self._triggers, self._followups, self._dispositions, self._offsite):
            found, more = part()
            out += found
            fixed |= more
        return [one for one in out if one.exposure > 0], fixed

    def _triggers(self) -> tuple[list[Chance], dict[str, Any]]:
        """Return how often complaints and signals open a check, and after how many weeks."""
        checks = self.inspections.loc[
            self.inspections["channel"] == "trigger", ["enterprise_id", "agency", "inspected_on"]
        ]
        early = self.end - pd.Timedelta(days=TAKEN_UP_DAYS)
        complaints = self.complaints[self.complaints["received_on"] < early]
        made = self.complaints["complainant"].value_counts()
        many = complaints["complainant"].map(made).to_numpy() >= MANY_COMPLAINTS
        gaps = _next(complaints, "received_on", checks, "inspected_on", ["enterprise_id"], TAKEN_UP_DAYS)
        signals = self.signals[self.signals["raised_on"] < early]
        own = _next(signals, "raised_on", checks, "inspected_on", ["enterprise_id", "agency"], TAKEN_UP_DAYS)
        kinds = {
            "genuine": gaps[~many],
            "professional": gaps[many],
            "incident": own[(signals["kind"] == "incident").to_numpy()],
            "alert": own[(signals["kind"] == "offsite_alert").to_numpy()],
        }
        found = [
            Chance(f"trigger.{kind}", int(np.isfinite(days).sum()), len(days), "share")
            for kind, days in kinds.items()
            if len(days)
        ]
        taken = np.concatenate([gaps, own])
        taken = taken[np.isfinite(taken)]
        return found, {"trigger.delay_weeks": round(float(np.median(taken)) / 7)} if len(taken) else {}

    def _followups(self) -> tuple[list[Chance], dict[str, Any]]:
        """Return how often a finding is followed up, and after how many weeks."""
        where = ["enterprise_id", "agency", "item_class"]
        found = self.inspections[found_something(self.inspections)]
        found = found[found["inspected_on"] < self.end - pd.Timedelta(days=FOLLOWED_DAYS)]
        checks = self.inspections.loc[
            self.inspections["channel"] == "followup", [*where, "inspected_on"]
        ].rename(columns={"inspected_on": "followed_on"})
        days = _next(found, "inspected_on", checks, "followed_on", where, FOLLOWED_DAYS)
        chances = []
        for severity in SEVERITIES:
            mine = days[(found["finding"] == severity).to_numpy()]
            if len(mine):
                chances.append(
                    Chance(f"trigger.followup.{severity}", int(np.isfinite(mine).sum()), len(mine), "share")
                )
        taken = days[np.isfinite(days)]
        weeks = {"trigger.followup_weeks": max(1, round(float(np.median(taken)) / 7))} if len(taken) else {}
        return chances, weeks

    def _dispositions(self) -> tuple[list[Chance], dict[str, Any]]:
        """Return how findings were dealt with, of those old enough to be decided."""
        found = self.inspections[found_something(self.inspections)]
        found = found[
            (found["inspected_on"] < self.end - pd.Timedelta(days=DECIDED_DAYS))
            & (found["decided_on"] < self.end)
        ]
        out = []
        keys = ["enterprise_id", "agency", "item_class"]
        again = pd.concat([self.before, self.inspections])[[*keys, "inspected_on", "finding"]]
        again = again[found_something(again)].sort_values("inspected_on", kind="stable")
        first = found.index.isin(again.drop_duplicates(keys).index)  # as far as the records go back
        minor = found[first & (found["finding"] == "minor") & (found["item_class"] == "general")]
        if len(minor):
            warned = int((minor["disposition"] == "warned").sum())
            out.append(Chance("lenience.minor_waiver", warned, len(minor), "share"))
        for severity in SEVERITIES:
            mine = found[(found["finding"] == severity) & (found["disposition"] != "warned")]
            fined = int(mine["disposition"].isin(["penalised", "sealed"]).sum())
            if len(mine):
                out.append(Chance(f"disposition.penalised.{severity}", fined, len(mine), "share"))
            if severity == "serious" and fined:
                sealed = int((mine["disposition"] == "sealed").sum())
                out.append(Chance("disposition.sealed_share", sealed, fined, "share"))
        return out, {}

    def _offsite(self) -> tuple[list[Chance], dict[str, Any]]:
        """Return the share of planned checks that could be made off site and were, if any was."""
        planned = self.inspections[self.inspections["channel"].isin(["routine", "commitment"])]
        off = ~on_site(planned)
        if not off.any():
            return [], {}
        keys = ["enterprise_id", "agency", "item_class"]
        could = self.obligations[self.obligations["offsite"].fillna(False).astype(bool)]
        own = pd.MultiIndex.from_frame(planned[keys].astype(str))
        can = own.isin(pd.MultiIndex.from_frame(could[keys].astype(str)))
        # Coverage and substitution act as a product; the records show that alone.
        made = Chance("offsite.coverage", int((off & can).sum()), int(can.sum()), "share")
        return [made], {"offsite.substitution": 1.0}

    def descriptive(self) -> list[tuple[Any, ...]]:
        """Return rates by agency and by tier that no parameter carries, a row each."""
        rows: list[tuple[Any, ...]] = []
        years = self._years(
            self.obligations["valid_from"], self.obligations["valid_to"], self.start, self.end
        )
        for agency in self.place.agencies:
            mine = (self.obligations["agency"] == agency).to_numpy()
            made = self.inspections[self.inspections["agency"] == agency]["channel"].value_counts()
            for channel in CHANNELS:
                one = Chance("", int(made.get(channel, 0)), float(years[mine].sum()), "rate")
                rows += _described(one, "agency", agency, channel, "inspections/obligation-year")
        planned = self.inspections[self.inspections["channel"].isin(["routine", "commitment"])]
        for mode in ("joint", "offsite"):
            one = Chance("", int((planned["mode"] == mode).sum()), len(planned), "share")
            rows += _described(one, "mode", mode, "", "share of planned inspections")
        if self.tiers is None or self.tiers.empty:
            return rows
        # A tier is known from its day on; who changed it in between has no earlier rows, so this is no whole.
        last = self.tiers.sort_values("assigned_on", kind="stable").drop_duplicates(
            "enterprise_id", keep="last"
        )
        since = pd.Series(last["assigned_on"].to_numpy(), index=last["enterprise_id"].astype(str))
        tier = pd.Series(last["tier"].astype(str).to_numpy(), index=since.index)
        ids = self.enterprises["enterprise_id"].astype(str)
        first = ids.map(since).where(lambda day: day.notna(), self.end)
        own = np.fmax(  # of an unknown registration, the other
            first.to_numpy("datetime64[ns]"), self.enterprises["registered_on"].to_numpy("datetime64[ns]")
        )
        exposed = self._years(pd.Series(own), self.enterprises["closed_on"], self.start, self.end)
        done = self.inspections[self.inspections["channel"] == "routine"]
        whose = done["enterprise_id"].astype(str)
        after = done["inspected_on"].to_numpy("datetime64[ns]") >= whose.map(since).to_numpy("datetime64[ns]")
        for name in TIERS:
            mine = (ids.map(tier) == name).to_numpy()
            n = int((after & (whose.map(tier) == name).to_numpy()).sum())
            one = Chance("", n, float(exposed[mine].sum()), "rate")
            rows += _described(one, "tier", name, "routine", "inspections/enterprise-year")
        return rows


def _described(one: Chance, group: str, level: str, channel: str, unit: str) -> list[tuple[Any, ...]]:
    if one.exposure <= 0:
        return []
    low, high = one.interval()
    return [("", group, level, channel, unit, one.value, low, high, one.n, one.exposure, np.nan, False)]


def _next(left: pd.DataFrame, day: str, right: pd.DataFrame, other: str, by: list[str], days: int) -> Floats:
    """Return the days to the next row of another table of the same object, NaN if there is none in time."""
    if left.empty:
        return np.empty(0)
    asked = left[[*by, day]].reset_index(drop=True)
    asked = asked.assign(row=np.arange(len(asked))).astype(dict.fromkeys(by, str))
    there = right[[*by, other]].astype(dict.fromkeys(by, str)).rename(columns={other: "then"})
    asked = asked.rename(columns={day: "when"})
    joined = pd.merge_asof(
        asked.sort_values("when", kind="stable"),
        there.sort_values("then", kind="stable"),
        left_on="when",
        right_on="then",
        by=by,
        direction="forward",
        allow_exact_matches=True,
        tolerance=pd.Timedelta(days=days),
    ).sort_values("row", kind="stable")
    gap = (joined["then"] - joined["when"]).dt.days.to_numpy(np.float64, na_value=np.nan)
    return gap.astype(np.float64)
