"""Publication and repair of records, by the rule in force on the day in question.

The rules stand in ``repair_rules.toml``, with the days from which they hold. A term is over on the first day
on which it is over by the rule in force on that day. So a record made under one rule goes by the next from
the day on which that one comes into force. `repairable_from`, `published_until` and `published_until_sql` say
it for dates, and everything else asks them.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tierkit.records.arguments import InputError
from tierkit.records.credit_events import MERITS
from tierkit.records.label import Label
from tierkit.records.levels import SEVERITIES

__all__ = [
    "REPAIR_RULES",
    "RepairRule",
    "Term",
    "declared_rules",
    "open_sql",
    "published_until",
    "published_until_sql",
    "repairable_from",
    "rule_on",
]

FAMILIES = ("penalty", "other")
"""Kinds of record that a rule tells apart: penalties, and all others against an enterprise."""
Days = NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Term:
    """How long records of a class are published.

    Attributes
    ----------
    shortest : int
        Months after which repair can be asked for, duties being done.
    longest : int
        Months after which publication ends by itself.
    ground : str
        Source and assumption.
    """

    shortest: int
    longest: int
    ground: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRule:
    """One rule on repair and publication.

    Attributes
    ----------
    name : str
        Its id.
    label : Label
    start : datetime.date
        First day on which it is in force.
    transition : Label
        What holds for records that were made before that day.
    terms : mapping
        Family (``penalty``, ``other``) and severity → `Term`.
    """

    name: str
    label: Label
    start: dt.date
    transition: Label
    terms: Mapping[tuple[str, str], Term] = field(hash=False)

    def term(self, kind: str, severity: str) -> Term:
        """Return the term of a record of a kind and severity.

        Examples
        --------
        >>> rule_on("2026-04-01").term("penalty", "moderate").longest
        12
        """
        return self.terms[_family(kind), severity]


def _family(kind: str) -> str:
    return "penalty" if kind == "penalty" else "other"


def declared_rules(text: str) -> tuple[RepairRule, ...]:
    """Return the rules that a declaration in TOML holds, by the day from which they hold.

    Raises
    ------
    ValueError
        Listing every rule that says too little or too much, terms that are no whole months or out of order,
        and days that are not ascending.
    """
    rules, problems = [], []
    for name, row in tomllib.loads(text).items():
        wrong = set(row) ^ {"label", "from", "transition", *FAMILIES}
        problems += [
            f"'{name}.{key}' is {'missing' if key not in row else 'not known'}" for key in sorted(wrong)
        ]
        terms = {}
        for family in FAMILIES:
            for severity in SEVERITIES:
                place, entry = f"{name}.{family}.{severity}", row.get(family, {}).get(severity, {})
                found = _term_problem(entry)
                if found:
                    problems.append(f"'{place}' {found}")
                else:
                    ground = [entry[key] for key in ("source", "assumption") if key in entry]
                    terms[family, severity] = Term(entry["shortest"], entry["longest"], "; ".join(ground))
        if not wrong:
            rules.append(
                RepairRule(
                    name=name,
                    label=Label(*row["label"]),
                    start=row["from"],
                    transition=Label(*row["transition"]),
                    terms=MappingProxyType(terms),
                )
            )
    for one, other in pairwise(rules):
        if other.start <= one.start:
            problems.append(f"'{other.name}' must begin after '{one.name}'")
    if problems or not rules:
        raise ValueError("repair_rules.toml: " + ("; ".join(problems) or "it holds no rule") + ".")
    return tuple(rules)


def _term_problem(entry: Mapping[str, Any]) -> str:
    """Return what is wrong with a term, or nothing."""
    months: list[Any] = [entry.get("shortest"), entry.get("longest")]
    if any(type(one) is not int or one < 0 for one in months) or entry.get("unit") != "months":
        return "needs 'shortest' and 'longest' in whole months (unit = \"months\")"
    if months[0] > months[1]:
        return "can be repaired only after its publication has ended"
    return "" if {"source", "assumption"} & set(entry) else "needs a source or an assumption"


REPAIR_RULES: tuple[RepairRule, ...] = declared_rules(
    resources.files("tierkit.records").joinpath("repair_rules.toml").read_text("utf-8")
)
"""All rules, the earliest first."""


def rule_on(day: dt.date | str) -> RepairRule:
    """Return the rule in force on a day; before the first one began, that one.

    Examples
    --------
    >>> rule_on("2026-03-31").name, rule_on("2026-04-01").name
    ('trial-2023', 'measures-2026')
    """
    try:
        on = dt.date.fromisoformat(str(day)[:10])
    except ValueError as error:
        raise InputError(f"The day must be an ISO date. Got '{day}'.") from error
    return next((rule for rule in reversed(REPAIR_RULES) if rule.start <= on), REPAIR_RULES[0])


def _after(days: Days, months: NDArray[np.int64]) -> Days:
    """Return the days that lie whole months later, or the last of their month where it is shorter."""
    month = days.astype("datetime64[M]")
    later = month + months.astype("timedelta64[M]")
    last = (later + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    same: Days = later.astype("datetime64[D]") + (days - month.astype("datetime64[D]"))
    earlier: Days = np.minimum(same, last)
    return earlier


def _reached(
    known_on: ArrayLike, kind: ArrayLike, severity: ArrayLike, which: Literal["shortest", "longest"]
) -> Days:
    """Return the first day on which repair can be asked for, or the last of publication."""
    days, kinds, severities = np.broadcast_arrays(
        np.asarray(known_on, "datetime64[D]"), np.asarray(kind, object), np.asarray(severity, object)
    )
    out = np.full(days.shape, np.datetime64("NaT", "D"))
    left = ~np.isin(kinds.astype(str), MERITS)
    # A term that the old rule did not end is over on the first day of the next one at the earliest; of
    # publication the last day is told, which is the day before.
    given = 0 if which == "shortest" else 1
    for at, rule in enumerate(REPAIR_RULES):
        months = np.zeros(days.shape, np.int64)
        for (family, level), term in rule.terms.items():
            months[((kinds == "penalty") == (family == "penalty")) & (severities == level)] = getattr(
                term, which
            )
        on = _after(days, months)
        if at > 0:
            on = np.maximum(on, np.datetime64(rule.start, "D") - given)
        over = left
        if at + 1 < len(REPAIR_RULES):
            over = left & (on < np.datetime64(REPAIR_RULES[at + 1].start, "D"))
        out[over] = on[over]
        left = left & ~over
    return out


def repairable_from(known_on: ArrayLike, kind: ArrayLike, severity: ArrayLike) -> Days:
    """Return the first day on which repair of records can be asked for, duties being done.

    Parameters
    ----------
    known_on : days
        On which the records became known.
    kind, severity : str or array of str
        Levels of the columns ``kind`` and ``severity`` of ``credit_events``.

    Returns
    -------
    datetime64 array
        Days; none for merits, which nobody repairs.

    Examples
    --------
    >>> repairable_from(["2024-01-15", "2025-12-15"], "penalty", "moderate").astype(str).tolist()
    ['2024-07-15', '2026-04-01']
    """
    return _reached(known_on, kind, severity, "shortest")


def published_until(known_on: ArrayLike, kind: ArrayLike, severity: ArrayLike) -> Days:
    """Return the last day on which records that are not repaired are published, and so count as open.

    The arguments are those of `repairable_from`.

    Examples
    --------
    >>> published_until(["2022-01-15", "2024-01-15"], "penalty", "moderate").astype(str).tolist()
    ['2025-01-15', '2026-03-31']
    """
    return _reached(known_on, kind, severity, "longest")


def published_until_sql(prefix: str = "") -> str:
    """Return `published_until` as SQL over the columns of ``known_credit_events``.

    Parameters
    ----------
    prefix : str
        What stands before the names of columns, such as ``k.``.
    """

    def last(at: int) -> str:
        rule = REPAIR_RULES[at]
        families = [
            " ".join(f"WHEN '{level}' THEN {rule.terms[family, level].longest}" for level in SEVERITIES)
            for family in FAMILIES
        ]
        months = (
            "CASE WHEN {0}kind = 'penalty' THEN CASE {0}severity {1} END ELSE CASE {0}severity {2} END END"
        )
        on = f"CAST({prefix}known_on AS DATE) + to_months({months.format(prefix, *families)})"
        if at > 0:
            on = f"greatest({on}, DATE '{rule.start}' - 1)"
        on = f"CAST({on} AS DATE)"
        if at + 1 == len(REPAIR_RULES):
            return on
        return f"CASE WHEN {on} < DATE '{REPAIR_RULES[at + 1].start}' THEN {on} ELSE {last(at + 1)} END"

    return last(0)


def open_sql(prefix: str = "", as_of: str = "as_of") -> str:
    """Return the SQL condition that a credit event, as known before a day, stands open on that day."""
    return f"{prefix}repaired_on IS NULL AND {as_of} <= {published_until_sql(prefix)}"
