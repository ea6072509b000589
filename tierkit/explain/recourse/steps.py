"""Steps an enterprise can take: the kinds, from ``steps.toml``, and those its records allow.

Only records can be changed, and only as the rules allow: a record is repaired on the day that it carries
(``repairable_from``) or later, one without that day cannot be. What an enterprise is (age, sector, size,
district, ownership, capital, staff, obligations) is no step's business.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import pandas as pd

from tierkit import texts
from tierkit.records import MERIT_DAYS, SHANGHAI, Place
from tierkit.records.repair_rules import published_until

__all__ = [
    "DAY",
    "STEPS",
    "Row",
    "Step",
    "StepKind",
    "ends_after",
    "is_open",
    "possible",
    "working_days",
]

Row: TypeAlias = Mapping[str, Any]
"""A row of a table by column, None where there is no value."""

DAY = pd.Timedelta(days=1)
"""One day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepKind:
    """A kind of step, as ``steps.toml`` declares it.

    Attributes
    ----------
    name : str
    edit : {"repair", "earn", "check"}
        What it does to the records.
    cost : float
        Working days of the enterprise, an assumption as ``cost_note`` says.
    lead : int
        Days from asking to effect, likewise.
    moves : tuple of str
        Features that it may change.
    event : str or None
        Kind of credit event that is repaired or earned.
    """

    name: str
    edit: Literal["repair", "earn", "check"]
    cost: float
    cost_note: str
    lead: int
    lead_note: str
    moves: tuple[str, ...]
    event: str | None = None

    @property
    def table(self) -> str:
        """The table whose rows it edits."""
        return "inspections" if self.edit == "check" else "credit_events"


def _read() -> Mapping[str, StepKind]:
    text = resources.files("tierkit.explain.recourse").joinpath("steps.toml").read_text("utf-8")
    kinds = {}
    for name, row in tomllib.loads(text).items():
        cost, lead = row.pop("cost"), row.pop("lead")
        kinds[name] = StepKind(
            name=name, cost=float(cost["value"]), cost_note=cost["assumption"], lead=int(lead["value"]),
            lead_note=lead["assumption"], **{**row, "moves": tuple(row["moves"])},
        )  # fmt: skip
    return MappingProxyType(kinds)


STEPS: Mapping[str, StepKind] = _read()
"""Kinds of step by name, in the order of their file."""

_REPAIRS = {kind.event: kind for kind in STEPS.values() if kind.edit == "repair"}


@dataclass(frozen=True, slots=True)
class Step:
    """One step that an enterprise can take.

    Attributes
    ----------
    kind : str
        One of `STEPS`.
    record_id : str or None
        The credit event that is repaired, or the obligation (``agency/item_class``) that is checked; None of
        a record that is new.
    features : tuple of str
        Features that it may move.
    on : str
        The day on which it takes effect, ISO; scores see it from the next day on.
    cost : float
        Working days of the enterprise.
    """

    kind: str
    record_id: str | None
    features: tuple[str, ...]
    on: str
    cost: float

    @property
    def table(self) -> str:
        """The table whose rows it edits."""
        return STEPS[self.kind].table

    def sentence(self, lang: str, place: Place = SHANGHAI) -> str:
        """Return the step in words, with its day and its cost; agencies as the place calls them.

        Examples
        --------
        >>> Step("file_self_check", None, ("self_check_1y",), "2024-07-02", 2.0).sentence("en")
        '2024-07-02: file a self-check report, about 2 working days.'
        """
        name = texts.plain(self.record_id or "", 40)
        if self.table == "inspections":
            agency, item_class = name.split("/")
            labels = place.levels["agency"][agency], place.levels["item_class"][item_class]
            name = texts.join((label.text(lang) for label in labels), lang)
        act = texts.text(f"step.{self.kind}", lang, id=name)
        return texts.text("step.sentence", lang, on=self.on, act=act, cost=working_days(self.cost, lang))


def working_days(cost: float, lang: str) -> str:
    """Return a cost in words, in whole days.

    Examples
    --------
    >>> working_days(1.0, "en"), working_days(6.0, "en")
    ('1 working day', '6 working days')
    """
    return texts.text("step.cost", lang, n=math.ceil(cost))


def is_open(event: Row, day: pd.Timestamp) -> bool:
    """Return whether a credit event, as known before a day, stands open on it and has a kind of repair."""
    return event["kind"] in _REPAIRS and event["repaired_on"] is None and ends_after(event) >= day


def ends_after(event: Row) -> pd.Timestamp:
    """Return the last day on which a credit event that is not repaired counts as open."""
    last = published_until(event["known_on"], event["kind"], event["severity"])
    return pd.Timestamp(str(last))


def _counts(event: Row, day: pd.Timestamp) -> bool:
    """Return whether a merit, as known before a day, counts on it."""
    return bool(event["known_on"] + MERIT_DAYS[event["kind"]] * DAY >= day)


def possible(rows: Mapping[str, Sequence[Row]], day: pd.Timestamp, last: pd.Timestamp) -> list[list[Step]]:
    """Return the steps that one enterprise can take from a day, grouped where only their number matters.

    Parameters
    ----------
    rows : mapping of str to sequence of mapping
        Table → the enterprise's rows, as they were known before the day.
    day, last : Timestamp
        Steps that would be seen only after ``last`` are left out.

    Returns
    -------
    list of list of Step
        Of a group the first k are to be taken, for any k: open records of one kind move the same features
        at the same cost, so the earliest repairs are never worse, unless a record ends by itself before
        ``last``; such a one is a group of its own.
    """
    groups: dict[tuple[str, str], list[Step]] = {}
    for event in rows["credit_events"]:
        what = _REPAIRS.get(event["kind"])
        if what and is_open(event, day) and event["repairable_from"] is not None:
            on = max(event["repairable_from"], day) + what.lead * DAY
            alone = str(event["event_id"]) if ends_after(event) < last else ""
            if on < last:
                groups.setdefault((what.name, alone), []).append(_step(what, str(event["event_id"]), on))
    held = {one["kind"] for one in rows["credit_events"] if one["kind"] in MERIT_DAYS and _counts(one, day)}
    for what in STEPS.values():
        on = day + what.lead * DAY
        checked = _to_check(rows) if what.edit == "check" else None
        apt = checked if what.edit == "check" else what.edit == "earn" and what.event not in held
        if apt and on < last:
            groups[what.name, ""] = [_step(what, checked, on)]
    return [sorted(group, key=lambda step: (step.on, step.record_id)) for group in groups.values()]


def _step(what: StepKind, record_id: str | None, on: pd.Timestamp) -> Step:
    return Step(what.name, record_id, what.moves, f"{on:%Y-%m-%d}", what.cost)


def _to_check(rows: Mapping[str, Sequence[Row]]) -> str | None:
    """Return the obligation to be checked: the one where something was found last, else the first."""

    def named(row: Row) -> str:
        return f"{row['agency']}/{row['item_class']}"

    held = [named(row) for row in rows["obligations"] if row["valid_to"] is None]
    found = [row for row in rows["inspections"] if row["finding"] != "none" and named(row) in held]
    if found:
        return named(max(found, key=lambda row: (row["inspected_on"], row["check_code"])))
    return held[0] if held else None
