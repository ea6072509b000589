"""Which column of a file is which of the contract, and which word which level: proposals with evidence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from tierkit.intake.cells import FORMS_APART, UNITS, word
from tierkit.intake.mapping import HELPERS, RAW_TABLES, UNDECIDED
from tierkit.intake.profiling import Profile, RawFile
from tierkit.records.tables import TABLES

__all__ = [
    "Guess",
    "columns_of",
    "forms",
    "key",
    "known_words",
    "level_of",
    "synonyms",
    "table_of",
    "unit_of",
]

CERTAIN, LIKELY, OPEN = "certain", "likely", "to decide"
_BRACKETS = re.compile(r"[(（\[【].*?[)）\]】]")
_SIGNS = re.compile(r"[\s_\-./#:：、,，*]+")
_NEGATION = re.compile(r"不|未|非|无|\b(?:no|not|non|un\w+|in\w+)\b")
_MOST_LEVELS = 200
"""Distinct values that a column of levels has at most."""


class Guess(NamedTuple):
    """A proposal: the column of the file, how certain it is, and why."""

    header: str
    certainty: str
    evidence: str
    score: float


@lru_cache
def synonyms() -> Mapping[str, Any]:
    """Return what systems call things."""
    return tomllib.loads((Path(__file__).parent / "synonyms.toml").read_text("utf-8"))


def key(header: str) -> str:
    """Return a header as it is compared.

    Examples
    --------
    >>> key("注册资本(万元)"), key("License #"), key("INSPECTION_DATE"), key("抽查机关")
    ('注册资本', 'license', 'inspectiondate', '检查机关')
    """
    shown = word(header).lower().replace("抽查", "检查")
    return _SIGNS.sub("", _BRACKETS.sub("", shown)) or _SIGNS.sub("", shown)


@lru_cache
def known_words(table: str, column: str) -> tuple[str, ...]:
    """Return the keys of the names that a column has, the usual first."""
    own = synonyms()["columns"].get(table, {}).get(column, [])
    shared = []
    if column == "enterprise_id":
        shared = synonyms()["columns"]["enterprises"]["enterprise_id"]
    elif column == "enterprise_name":
        shared = synonyms()["columns"]["enterprises"]["name"]
    elif (table, column) == ("enterprises", "name"):  # of a register that follows from checks
        shared = synonyms()["columns"]["inspections"]["enterprise_name"]
    return tuple(dict.fromkeys(key(one) for one in (*own, *shared, column)))


def columns_of(file: RawFile, table: str) -> dict[str, Guess]:
    """Return a proposal for each column of a table for which there is one."""
    names = [*TABLES[table].columns, *HELPERS.get(table, {})]
    found = {}
    for name in names:
        ranked = sorted(
            (guess for one in file.columns if one.name and (guess := _guess(table, name, one))),
            key=lambda guess: (-guess.score, guess.header),
        )
        if ranked:
            found[name] = ranked[0]
    return found


def _guess(table: str, name: str, column: Profile) -> Guess | None:
    words = known_words(table, name)
    header = key(column.name)
    if header in words:
        score, evidence = 3.0 - words.index(header) / 100, f"the header is a usual name of {name}"
    else:
        near = next((w for w in words if _near(w, header)), None) if not _elsewhere(table, header) else None
        if near is None and name == "enterprise_id" and column.codes > 0.8:
            full = f"{column.codes:.0%} of the filled cells are valid credit codes"
            return Guess(column.name, LIKELY, f"the header is not known, but {full}", 2.0)
        if near is None:
            return None
        score, evidence = 1.5 - words.index(near) / 100, f"the header holds “{near}”"
    weight, proof = _fits(table, name, column)
    if not weight:
        return None
    certainty = CERTAIN if score >= 2.5 and weight > 0.9 else LIKELY
    return Guess(column.name, certainty, f"{evidence}{proof}", score * weight)


def _elsewhere(table: str, header: str) -> bool:
    """Return whether a header is the usual name of what tells of a check, and so nothing of an enterprise."""
    names = TABLES["inspections"].columns
    return table == "enterprises" and any(header in known_words("inspections", one) for one in names)


def _near(known: str, header: str) -> bool:
    least = 3 if not known.isascii() else 7
    return len(known) >= least and (known in header or (len(header) >= least + 1 and header in known))


def _fits(table: str, name: str, column: Profile) -> tuple[float, str]:
    """Return how well the values fit a column, from 0 to 1, and what speaks for it."""
    full = f"{column.filled / max(column.rows, 1):.0%} filled"
    if not column.filled:
        return (0.3, "; every cell is empty") if column.rows else (0.8, "; no rows")
    spec = TABLES[table].columns.get(name)
    kind = spec.kind if spec else HELPERS[table][name]
    if name == "enterprise_id":
        share = column.codes
        return 1.0, f"; {full}, {share:.0%} of these are valid credit codes" if share else f"; {full}"
    if kind == "date":
        share = column.dates
        return (
            1.0 if share > 0.8 else 0.0 if share < 0.3 else 0.5
        ), f"; {full}, {share:.0%} of these are days"
    if kind in ("int", "float"):
        share = column.numbers
        return (
            1.0 if share > 0.8 else 0.0 if share < 0.3 else 0.5
        ), f"; {full}, {share:.0%} of these are numbers"
    if kind in ("level", "flag"):
        if column.many or len(column.values) > _MOST_LEVELS:
            numeric = name == "finding" and column.numbers > 0.9
            return (0.6 if numeric else 0.0), f"; {full}, numbers"
        told = f"; {full}, {len(column.values)} different values"
        if name not in ("finding", "disposition"):
            return 1.0, told
        rows = sum(n for value, n in column.values.items() if level_of(name, value)[0] != UNDECIDED)
        share = rows / column.filled  # of several columns that may tell it, the one whose words are known
        return 0.6 + 0.4 * share, f"{told}, {share:.0%} of the words are known"
    return 1.0, f"; {full}"


def table_of(file: RawFile) -> tuple[str | None, str]:
    """Return the table of the contract that a file is of, and why."""
    name = file.name.lower()
    best, why, most = None, "", 0.0
    for table in RAW_TABLES:
        said = synonyms()["files"].get(table)
        if said is None:
            continue
        found = columns_of(file, table)
        if not any(need in found for need in said["needs"]):
            continue
        own = {
            guess.header
            for column, guess in found.items()
            if column not in ("enterprise_id", "enterprise_name", "name")
        }
        score = sum(max(g.score for g in found.values() if g.header == header) for header in own)
        hinted = [one for one in said["words"] if one in name]
        score += 4.0 if hinted else 0.0
        if score > most:
            best, most = table, score
            why = f"{len(own)} of its columns" + (f", and “{hinted[0]}” in its name" if hinted else "")
    return (best, why) if most >= 3 else (None, "no table of the contract has columns of such names")


def forms(column: Profile) -> tuple[list[str], str]:
    """Return the forms of the dates of a column, and the evidence; ``"?"`` where day and month could swap."""
    counts = column.forms
    chosen: dict[str, int] = {}
    told = []
    for seen, rows in sorted(counts.items(), key=lambda one: (-one[1], one[0])):
        if len(seen) == 1:
            chosen[seen[0]] = chosen.get(seen[0], 0) + rows
    for day_first, month_first in FORMS_APART:
        both = counts.get((day_first, month_first), 0)
        days, months = chosen.pop(day_first, 0), chosen.pop(month_first, 0)
        if not both + days + months:
            continue
        if days and not months:
            chosen[day_first] = days + both
            told.append(f"{days:,} cells can only be {day_first}, none only {month_first}")
        elif months and not days:
            chosen[month_first] = months + both
            told.append(f"{months:,} cells can only be {month_first}, none only {day_first}")
        else:
            chosen[UNDECIDED] = chosen.get(UNDECIDED, 0) + days + months + both
            told.append(
                f"{both:,} cells could be {day_first} or {month_first}, {days:,} only the first, "
                f"{months:,} only "
                f'the second: write the one that the system uses in the place of "?"'
            )
    listed = sorted(chosen, key=lambda form: (-chosen[form], form))
    total = sum(counts.values())
    unread = counts.get((), 0)
    if unread:
        told.append(f"{unread:,} cells of {total:,} are no day")
    return listed, "; ".join(told)


def unit_of(header: str, values: list[str]) -> tuple[str, str]:
    """Return the unit of amounts that state none, from the header, and the evidence; ``"?"`` if none is told.

    Examples
    --------
    >>> unit_of("注册资本(万元)", ["500"])[0], unit_of("处罚金额", ["500"])[0]
    ('万元', '?')
    """
    inside = "".join(_BRACKETS.findall(word(header))) + word(header)
    for unit in sorted(filter(None, UNITS), key=len, reverse=True):
        if unit not in ("1",) and (unit in inside if not unit.isascii() else f"({unit})" in inside):
            return unit, "the header states it"
    return UNDECIDED, "the header states no unit"


def level_of(kind: str, value: str) -> tuple[str, str]:
    """Return the level that a word of a source means, and how certain that is.

    Examples
    --------
    >>> level_of("finding", "合格"), level_of("finding", "不合格"), level_of("finding", "其他")
    (('none', 'certain'), ('minor', 'likely'), ('?', 'to decide'))
    """
    shown = word(value).lower()
    words = synonyms()["values"].get(kind, {})
    for level, known in words.items():
        if shown in [word(one).lower() for one in known]:
            sure = kind != "finding" or level == "none"
            return level, CERTAIN if sure else LIKELY
    held = [
        (len(one), level)
        for level, known in words.items()
        for one in known
        if len(one) >= (2 if not one.isascii() else 4) and word(one).lower() in shown
    ]
    if held and not (kind in ("finding", "flag") and _NEGATION.search(shown)):
        return max(held)[1], LIKELY
    return UNDECIDED, OPEN
