"""Propose a mapping and a place from what raw files hold, each line with its certainty and its evidence."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

from tierkit.bounds import KEY, UnreadableError
from tierkit.intake.cells import DATE_FORMS, date_cell, is_empty
from tierkit.intake.converting import industry_of
from tierkit.intake.guessing import (
    CERTAIN,
    LIKELY,
    OPEN,
    Guess,
    columns_of,
    forms,
    level_of,
    synonyms,
    table_of,
    unit_of,
)
from tierkit.intake.mapping import FORMAT, HELPERS, RAW_TABLES, UNDECIDED
from tierkit.intake.places import Found, place_text
from tierkit.intake.profiling import Profile, RawFile, profile, raw_files
from tierkit.intake.reading import is_text_file, read_batches
from tierkit.records.problems import DataError, Problem
from tierkit.records.tables import TABLES
from tierkit.records.toml_text import quoted

__all__ = ["Draft", "draft"]

_MOST = 60
"""Values of a column of levels that are listed one by one."""
_EVENT_DAYS = {"inspections": "inspected_on", "credit_events": "known_on", "complaints": "received_on"}
_PART = 200_000
"""Rows of which repeated codes are told; of more, a part of all codes is looked at, with all its rows."""
_SEVERAL = 0.05
"""Share of codes that stand with several enterprises or days, above which they are no codes of one check."""
_OFTEN, _FEW = 0.2, 100
"""Share of rows above which serious findings, or below which clean checks, are asked about; least rows."""
_FINES = (("minor", 0.01), ("moderate", 5_000), ("serious", 20_000))


@dataclass
class Draft:
    """A proposal.

    Attributes
    ----------
    mapping, place : str
        Texts of the two files.
    open : list of str
        What a person has to decide before anything can be run.
    left : list of str
        Files that no table takes, each with the reason.
    files : list of str
        Files that were looked at.
    """

    mapping: str
    place: str
    open: list[str]
    left: list[str]
    files: list[str]


@dataclass
class _Writer:
    """Lines of a mapping, with what is open."""

    lines: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    table: str = ""

    def add(self, line: str = "", note: str = "") -> None:
        """Add a line, with a comment behind it."""
        self.lines.append(f"{line}  # {_plain(note)}" if note else line)

    def entry(self, name: str, value: str, certainty: str, evidence: str) -> None:
        """Add a key with how certain it is; one to decide is listed."""
        if UNDECIDED in re.findall(r'"(.*?)"', value):
            certainty = OPEN
            self.open.append(f"{self.table}.{name}: {evidence}")
        self.add(f"{name} = {value}", f"{certainty}: {evidence}")


def _plain(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def draft(raw: Path, mapping: Path, name: str) -> Draft:
    """Propose a mapping of the files in a folder.

    Parameters
    ----------
    raw : Path
        Folder of raw files.
    mapping : Path
        Where the mapping will stand, from which the folder is named.
    name : str
        Short name of the place.

    Raises
    ------
    DataError
        If there is no file that can be read, or none that holds inspections.
    """
    files, left = _looked_at(raw)
    groups = _groups(files, left)
    if "inspections" not in groups:
        seen = ", ".join(one.name for one in files[:10])
        message = "holds no file that is known for inspections" + (f"; looked at {seen}" if seen else "")
        remedy = (
            "Give files with a day and a result of each inspection; or write the mapping by "
            "hand, see docs/intake.md"
        )
        raise DataError([Problem(str(raw), "", 0, tuple(left[:3]), message, remedy)])
    found = Found(name)
    chosen = {
        table: [(group, columns_of(group[0], table)) for group in each] for table, each in groups.items()
    }
    if "enterprises" not in chosen:
        group, columns = chosen["inspections"][0]
        chosen = {"enterprises": [(group, columns_of(group[0], "enterprises"))], **chosen}
    writer = _Writer()
    body = _Writer(open=writer.open)
    for table in RAW_TABLES:
        for group, columns in chosen.get(table, []):
            body.add()
            _source(body, table, group, columns, found)
    ends = [
        _last_day(group, columns[_EVENT_DAYS[table]].header)
        for table, each in chosen.items()
        if table in _EVENT_DAYS
        for group, columns in each
        if _EVENT_DAYS[table] in columns
    ]
    _head(writer, raw, mapping, ends)
    writer.lines += body.lines
    _tail(writer, found)
    for one in left:
        writer.add("", "")
        writer.lines[-1] = f"# not used: {_plain(one)}"
    return Draft(
        "\n".join(writer.lines) + "\n", place_text(found), writer.open, left, [one.name for one in files]
    )


def _looked_at(raw: Path) -> tuple[list[RawFile], list[str]]:
    files, left = [], []
    for path in raw_files(raw):
        try:
            files.append(profile(raw, path))
        except (UnreadableError, OSError) as error:
            left.append(f"{path.relative_to(raw).as_posix()} cannot be read: {error}")
    return files, left


def _groups(files: list[RawFile], left: list[str]) -> dict[str, list[list[RawFile]]]:
    """Return the files of each table; those of one form and header together."""
    groups: dict[str, list[list[RawFile]]] = {}
    for file in files:
        table, why = table_of(file) if file.rows else (None, "has no rows")
        if table is None:
            left.append(f"{file.name}: {why}")
            continue
        names = [one.name for one in file.columns]
        for group in groups.setdefault(table, []):
            if [one.name for one in group[0].columns] == names and group[0].layout == file.layout:
                group.append(file)
                break
        else:
            groups[table].append([file])
    return groups


def _merged(group: list[RawFile], name: str) -> Profile:
    """Return a column over all files of a group."""
    if len(group) == 1:
        return group[0].column(name)
    whole = Profile(name)
    for file in group:
        one = file.column(name)
        whole.rows += one.rows
        whole.filled += one.filled
        whole.values.update(one.values)
        whole.many |= one.many
    return whole


def _head(writer: _Writer, raw: Path, mapping: Path, ends: list[tuple[date | None, str]]) -> None:
    writer.add("# How raw files become a dataset: a proposal of `tierkit intake draft`. Look at every line.")
    writer.add(
        '# certain: header and values say so. likely: look twice. to decide: a "?" that only you can answer;'
    )
    writer.add(
        "# `tierkit intake check` lists what is left, and nothing is run before. The format: docs/intake.md."
    )
    writer.add(f"format = {FORMAT}")
    seen = os.path.relpath(raw.resolve(), mapping.resolve().parent)
    writer.add(f"raw = {quoted(Path(seen).as_posix())}", "folder of the files, seen from this one")
    writer.add(
        f"place = {quoted(mapping.stem + '.place.toml')}",
        "districts, agencies and sectors as they occur: look at it, too",
    )
    writer.table = "mapping"
    days = [one for one, _ in ends if one is not None]
    notes = "; ".join(dict.fromkeys(note for _, note in ends if note))
    if days and not any(one is None for one, _ in ends):
        writer.entry(
            "as_of", max(days).isoformat(), LIKELY, f"the last day of the records{'; ' * bool(notes)}{notes}"
        )
    else:
        writer.entry(
            "as_of", quoted(UNDECIDED), OPEN, "the day up to which there are records, such as 2024-12-31"
        )


def _last_day(group: list[RawFile], header: str) -> tuple[date | None, str]:
    """Return the last day of a column; days far above all others are left out, and told."""
    column = _merged(group, header)
    listed, _ = forms(column)
    if not listed or UNDECIDED in listed or any(form not in DATE_FORMS for form in listed):
        return None, ""
    read = date_cell(listed)
    counts: Counter[date] = Counter()
    for value, rows in column.values.items():
        day = read(value)[0]
        if isinstance(day, date):
            counts[day] += rows
    days = sorted(counts)
    total, above = sum(counts.values()), 0
    while (
        len(days) > 1
        and days[-1] - days[-2] > timedelta(days=180)
        and (above + counts[days[-1]]) * 200 < total
    ):
        above += counts[days.pop()]
    if not days:
        return None, ""
    return days[-1], f"{above} later days in {header} stand far apart and would be rejected" if above else ""


def _source(
    writer: _Writer, table: str, group: list[RawFile], columns: dict[str, Guess], found: Found
) -> None:
    first = group[0]
    writer.table = table
    writer.add(f"[[{table}]]")
    _, why = table_of(first)
    total = sum(one.rows for one in group)
    names = ", ".join(quoted(one.name) for one in group)
    writer.add(f"files = [{names}]", f"{total:,} rows; {why}")
    if is_text_file(Path(first.name)):
        certain = all(one.certain for one in group)
        if certain:
            writer.entry("encoding", quoted(first.layout.encoding), CERTAIN, first.evidence)
        else:
            note = (
                f"{first.evidence}, but with letters that records seldom have: is it {first.layout.encoding}?"
            )
            writer.entry("encoding", quoted(UNDECIDED), OPEN, note)
        if first.layout.delimiter != ",":
            writer.add(f"delimiter = {quoted(first.layout.delimiter)}")
    elif first.layout.sheet:
        writer.add(f"sheet = {quoted(first.layout.sheet)}", first.evidence)
    if first.layout.header > 1:
        writer.add(f"header = {first.layout.header}", "what stands above is no name")
    spec = TABLES[table]
    columns = _with_own_codes(writer, table, group, columns)
    if table == "enterprises" and "enterprise_id" in columns:
        found.ids(_merged(group, columns["enterprise_id"].header))
    _duplicates(writer, table, group, columns)
    at = len(writer.lines)
    writer.add(f"[{table}.columns]")
    values: list[tuple[str, list[tuple[str, str, str, int]]]] = []
    filled = set()
    for name in [*spec.columns, *HELPERS.get(table, {})]:
        if _column(writer, table, name, group, columns, found, values):
            filled.add(name)
    unknown = [one.name for one in spec if one.required and one.nullable and one.name not in filled]
    if unknown:
        listed = ", ".join(map(quoted, unknown))
        writer.lines.insert(at, f"unknown = [{listed}]  # no column tells them; they stay unknown")
    for name, rows in values:
        writer.add(f"[{table}.values.{name}]")
        for value, level, certainty, count in rows:
            note = "all others" if value == "*" else f"{count:,} rows{' without a value' * (not value)}"
            writer.entry(quoted(value), quoted(level), certainty, note)
    used = {one for guess in columns.values() for one in [guess.header]}
    spare = [one.name for one in first.columns if one.name and one.name not in used]
    if spare:
        writer.add(f"# not used: {_plain(', '.join(spare))}")


def _duplicates(writer: _Writer, table: str, group: list[RawFile], columns: dict[str, Guess]) -> None:
    key = TABLES[table].key[0]
    if key not in columns:
        if table == "inspections" and _one_by_finding(group, columns):
            writer.add(
                'duplicates = "worst"', "likely: many rows share enterprise and day: one row for each finding"
            )
        return
    share, _ = _repeats(group, columns[key].header)
    if table in ("inspections", "credit_events") and share > 0.1:
        writer.add(
            'duplicates = "worst"',
            f"likely: {share:.0%} of the rows repeat a code: one row for each finding, it seems",
        )
    elif share > 0:
        writer.add(
            'duplicates = "merge"',
            f"likely: {share:.1%} of the rows repeat a code; cells that differ are not known. Or "
            f"worst, reject, newest",
        )


def _one_by_finding(group: list[RawFile], columns: dict[str, Guess]) -> bool:
    """Return whether many rows without a code of their own share enterprise and day."""
    if "check_code" in columns or not {"enterprise_id", "inspected_on"} <= columns.keys():
        return False
    who, when = columns["enterprise_id"].header, columns["inspected_on"].header
    return _repeats(group, who, when)[0] > 0.1


def _repeats(group: list[RawFile], *names: str, beside: tuple[str, ...] = ()) -> tuple[float, float]:
    """Return the share of rows that repeat a code, and of codes that stand with several values of others."""
    part = max(1, sum(one.rows for one in group) // _PART)
    rows = 0
    seen: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for file in group:
        headers = [one.name for one in file.columns]
        places = [headers.index(one) for one in (*names, *beside)]
        for batch in read_batches(file.path, file.layout):
            for cells in zip(*(batch.columns[one].to_pylist() for one in places), strict=True):
                code = cells[: len(names)]
                if any(map(is_empty, code)) or (part > 1 and crc32("\n".join(code).encode()) % part):
                    continue
                rows += 1
                seen.setdefault(code, set()).add(cells[len(names) :])
    several = sum(len(one) > 1 for one in seen.values())
    return (1 - len(seen) / rows, several / len(seen)) if rows else (0.0, 0.0)


def _with_own_codes(
    writer: _Writer, table: str, group: list[RawFile], columns: dict[str, Guess]
) -> dict[str, Guess]:
    """Return the columns without a code that stands with several enterprises or days, and tell it."""
    if table != "inspections" or not {"check_code", "enterprise_id", "inspected_on"} <= columns.keys():
        return columns
    header = columns["check_code"].header
    beside = (columns["enterprise_id"].header, columns["inspected_on"].header)
    _, several = _repeats(group, header, beside=beside)
    if several <= _SEVERAL:
        return columns
    writer.add(f"# {_plain(header)} numbers no check: {several:.0%} of its codes stand with several")
    writer.add("# enterprises or days, as those of a task or a case do")
    return {name: guess for name, guess in columns.items() if name != "check_code"}


def _column(
    writer: _Writer,
    table: str,
    name: str,
    group: list[RawFile],
    columns: dict[str, Guess],
    found: Found,
    values: list[tuple[str, list[tuple[str, str, str, int]]]],
) -> bool:
    """Write how one column is filled; return whether it is."""
    spec = TABLES[table].columns.get(name)
    kind = spec.kind if spec else HELPERS[table][name]
    guess = columns.get(name)
    whole = _merged(group, guess.header) if guess else None
    if name == "sector":
        return _sector(writer, group, columns, found, values)
    if name in ("industry_section", "industry_division"):
        if "industry_code" not in columns:
            return False
        writer.entry(name, '{ derived = "industry" }', CERTAIN, "from the industry code")
        return True
    if name == "agency" and (guess is None or whole is None or not whole.filled):
        if spec is None or spec.nullable or not spec.required:
            return False
        found.agencies.setdefault("agency_1", "agency")
        writer.entry(
            name,
            '{ constant = "agency_1" }',
            LIKELY,
            "no column tells it: one agency, to be named in the place file",
        )
        return True
    if name == "item_class":
        return _item_class(writer, guess, whole, values)
    if name == "finding":
        return _finding(writer, group, guess, whole, columns, values)
    if name == "severity" and guess is None and table == "credit_events":
        return _severity(writer, columns)
    if name == "mode" and guess is None and spec is not None and not spec.nullable:
        writer.entry(
            name,
            '{ constant = "onsite" }',
            LIKELY,
            "no column tells it: a check is on site unless a system says otherwise",
        )
        return True
    if name == "kind" and guess is None:
        given = "penalty" if table == "credit_events" else UNDECIDED
        writer.entry(
            name,
            f'{{ constant = "{given}" }}',
            LIKELY,
            "no column tells the kind; the file looks like penalties",
        )
        return True
    if guess is None or whole is None or not whole.filled:
        return _absent(writer, table, name, columns, group)
    if name == "district" and table == "enterprises":
        code = columns.get("enterprise_id")
        found.add_districts(whole, group, guess.header, code.header if code else None)
    elif name == "agency":
        found.add_agencies(whole)
    header = quoted(guess.header)
    if name == "disposition" and "decided_on" not in columns:
        return False
    if name == "substantiated" and "substantiated_on" not in columns:
        return False
    if name == "rating" and "rated_on" not in columns:
        return False
    if kind == "date":
        listed, evidence = forms(whole)
        shown = ", ".join(map(quoted, listed or [UNDECIDED]))
        writer.entry(
            name,
            f"{{ column = {header}, dates = [{shown}] }}",
            guess.certainty,
            "; ".join(filter(None, [guess.evidence, evidence])),
        )
    elif kind == "float" and _own_money(guess) is None and spec is not None and spec.unit.endswith("CNY"):
        return False  # money of another country is not held
    elif kind == "float" or (spec is not None and spec.unit.endswith("CNY")):
        unit, evidence = unit_of(guess.header, list(whole.values)[:20])
        writer.entry(
            name,
            f"{{ column = {header}, unit = {quoted(unit)} }}",
            guess.certainty,
            f"{guess.evidence}; {evidence}",
        )
    else:
        writer.entry(name, header, guess.certainty, guess.evidence)
    if kind in ("level", "flag") and name not in ("district", "agency"):
        assert spec is not None
        values.append((name, _levels(str(spec.levels or "flag"), whole, spec.nullable)))
    return True


def _levels(kind: str, column: Profile, optional: bool) -> list[tuple[str, str, str, int]]:
    rows = []
    for value, count in column.values.most_common(_MOST):
        if len(value) <= KEY:
            rows.append((value, *level_of(kind, value), count))
    if optional:  # what nobody can tell stays unknown, unless somebody knows better
        rows = [
            (
                value,
                "unknown" if level == UNDECIDED else level,
                certainty if level != UNDECIDED else LIKELY,
                n,
            )
            for value, level, certainty, n in rows
        ]
    if len(column.values) > len(rows):
        rows.append(("*", "unknown" if optional else UNDECIDED, OPEN, 0))
    return rows


def _absent(writer: _Writer, table: str, name: str, columns: dict[str, Guess], group: list[RawFile]) -> bool:
    """Write how a column is filled that no column of the file tells."""
    derived = {
        "check_code": "content",
        "visit_id": "visit",
        "event_id": "content",
        "complaint_id": "content",
        "signal_id": "content",
    }
    if name == "check_code" and _one_by_finding(group, columns):
        evidence = "no column numbers the checks, and many rows share enterprise and day: these are one check"
        writer.entry(name, '{ derived = "visit" }', LIKELY, evidence)
        return True
    if (name in derived and name == TABLES[table].key[0]) or name == "visit_id":
        evidence = (
            "from who was inspected, when and by whom"
            if name == "visit_id"
            else "from what the row says, so that equal rows are one"
        )
        writer.entry(name, f'{{ derived = "{derived[name]}" }}', LIKELY, evidence)
        return True
    spec = TABLES[table].columns.get(name)
    if spec is None or spec.nullable or not spec.required:
        return False
    if name == "enterprise_id" and table != "enterprises" and "enterprise_name" in columns:
        return False
    if table == "enterprises" and name == "name" and "enterprise_id" in columns:
        guess = columns["enterprise_id"]
        writer.entry(name, quoted(guess.header), LIKELY, "no column holds names: the code stands for it")
        return True
    writer.entry(name, quoted(UNDECIDED), OPEN, "no column of the file is known for it")
    return True


def _item_class(writer: _Writer, guess: Guess | None, whole: Profile | None, values: Any) -> bool:
    if guess is None or whole is None or not whole.filled:
        writer.entry("item_class", '{ constant = "general" }', LIKELY, "no column tells what was inspected")
        return True
    words = synonyms()["key_items"]["words"]
    writer.entry("item_class", quoted(guess.header), LIKELY, guess.evidence)
    rows = []
    for value, count in whole.values.most_common(_MOST):
        is_key = any(one in value.lower() for one in words)
        if len(value) <= KEY:
            rows.append((value, "key" if is_key else "general", LIKELY, count))
    rows.append(("*", "general", LIKELY, 0))
    values.append(("item_class", rows))
    return True


def _finding(
    writer: _Writer,
    group: list[RawFile],
    guess: Guess | None,
    whole: Profile | None,
    columns: dict[str, Guess],
    values: Any,
) -> bool:
    """Write what was found: from the result, and worse with the fine."""
    if guess is None or whole is None or not whole.filled:
        writer.entry("finding", quoted(UNDECIDED), OPEN, "no column is known for what was found")
        return True
    if whole.numbers > 0.9 and len(whole.values) > 2:
        bounds = '{ serious = "?", moderate = "?", minor = "?" }'
        rule = f'{{ column = {quoted(guess.header)}, at_most = {bounds}, otherwise = "none" }}'
        writer.entry(
            "finding",
            rule,
            OPEN,
            "a score: write the scores up to which a finding is serious, moderate, minor",
        )
        return True
    fine = _own_money(columns.get("fine"))
    rules = [f"{{ column = {quoted(guess.header)} }}"]
    evidence = guess.evidence
    if fine is not None:
        unit, told = unit_of(fine.header, [])
        bounds = ", ".join(f"{level} = {bound}" for level, bound in _FINES)
        rules.append(
            f"{{ column = {quoted(fine.header)}, unit = {quoted(unit)}, at_least = {{ {bounds} }} }}"
        )
        evidence += f"; the worse of result and fine counts, bounds in CNY are an assumption; {told}"
    rows = [
        (value, *level_of("finding", value), count)
        for value, count in whole.values.most_common(_MOST)
        if len(value) <= KEY
    ]
    rows, told = _weighed(rows, whole.rows)
    writer.entry("finding", f"[{', '.join(rules)}]", LIKELY, evidence + told)
    if whole.filled < whole.rows:  # a clean check, or one that nobody wrote down: no file tells which
        rows.append(("", UNDECIDED, OPEN, whole.rows - whole.filled))
    if len(whole.values) > len(rows):
        rows.append(("*", UNDECIDED, OPEN, 0))
    values.append(("finding", rows))
    return True


def _weighed(
    rows: list[tuple[str, str, str, int]], total: int
) -> tuple[list[tuple[str, str, str, int]], str]:
    """Return words and levels, those to decide that most rows would have and few can mean; and why."""
    share = {level: sum(n for _, one, _, n in rows if one == level) / total for level in ("none", "serious")}
    asked, told = set(), ""
    if total >= _FEW and share["serious"] > _OFTEN:
        asked.add("serious")
        told += (
            f"; {share['serious']:.0%} of the rows would be serious, and whoever has such a finding is "
            f"kept from the best tier: is it that grave?"
        )
    if total >= _FEW and share["none"] < _OFTEN and any(one == "minor" for _, one, _, _ in rows):
        asked.add("minor")
        told += (
            f"; only {share['none']:.0%} of the rows would be clean, and where nearly all have findings no "
            f"model can tell them apart: is the lightest word minor, or none?"
        )
    return [
        (value, UNDECIDED if level in asked else level, OPEN if level in asked else sure, n)
        for value, level, sure, n in rows
    ], told


def _own_money(guess: Guess | None) -> Guess | None:
    """Return a column of amounts if it may be in CNY, as the contract has them: its header is Chinese."""
    return guess if guess is not None and not guess.header.isascii() else None


def _severity(writer: _Writer, columns: dict[str, Guess]) -> bool:
    """Write how grave an event is: by its amount, and minor where there is none."""
    amount = _own_money(columns.get("amount"))
    rules, evidence = ['{ constant = "minor" }'], "no column tells how grave it is: minor is an assumption"
    if amount is not None:
        unit, told = unit_of(amount.header, [])
        bounds = ", ".join(f"{level} = {bound}" for level, bound in _FINES[1:])
        rules.insert(
            0, f"{{ column = {quoted(amount.header)}, unit = {quoted(unit)}, at_least = {{ {bounds} }} }}"
        )
        evidence = f"no column tells how grave it is: by the amount, bounds in CNY are an assumption; {told}"
    writer.entry("severity", f"[{', '.join(rules)}]", LIKELY, evidence)
    return True


def _sector(
    writer: _Writer, group: list[RawFile], columns: dict[str, Guess], found: Found, values: Any
) -> bool:
    """Write the sector: from the industry code, or from a column of trades, or one for all."""
    code = columns.get("industry_code")
    if code is not None and (whole := _merged(group, code.header)).filled:
        shares = [industry_of(value)[0] is not None for value in whole.values]
        if sum(shares) > 0.8 * len(shares):
            found.add_industries(whole)
            writer.entry(
                "sector", '{ derived = "industry" }', CERTAIN, "from the industry code, below [industry]"
            )
            return True
    guess = columns.get("sector")
    if guess is not None and (whole := _merged(group, guess.header)).filled:
        rows = found.add_sectors(whole)
        writer.entry("sector", quoted(guess.header), guess.certainty, guess.evidence)
        values.append(("sector", rows))
        return True
    found.sectors.setdefault("unspecified", Counter())
    writer.entry(
        "sector", '{ constant = "unspecified" }', LIKELY, "no column tells the trade: one sector for all"
    )
    return True


def _tail(writer: _Writer, found: Found) -> None:
    writer.add()
    writer.add("[derive]")
    writer.add(
        'obligations = ["inspections", "sector"]',
        "who was inspected may be inspected; and so may a whole sector of which an agency inspects",
    )
    writer.add("sector_share = 0.05", "at least this share of the inspected enterprises")
    if found.industries:
        writer.add()
        writer.add("[industry]", "beginning of the code, or section, → sector; the longest that fits counts")
        writer.table = "industry"
        for start, (sector, rows) in found.industries.items():
            writer.entry(quoted(start), quoted(sector), LIKELY, f"{rows:,} rows")
        writer.entry('"*"', '"unspecified"', LIKELY, "no code, and none that follows from its name")
