"""The file that says how raw files become tables: read strictly, all that is wrong told with its line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tierkit.bounds import PROBLEMS, TOML_BYTES, UnreadableError, parse_toml, read_text
from tierkit.intake.cells import DATE_FORMS, FORMS_APART, UNITS
from tierkit.intake.reading import ENCODINGS, SUFFIXES, Layout
from tierkit.records.columns import Table
from tierkit.records.places import Place, PlaceError
from tierkit.records.problems import DataError, Problem, suggestion
from tierkit.records.tables import tables_of

__all__ = [
    "DROP",
    "FORMAT",
    "HELPERS",
    "OTHERS",
    "RAW_TABLES",
    "UNDECIDED",
    "UNKNOWN",
    "Field",
    "Mapping",
    "MappingError",
    "Rule",
    "Source",
    "line_numbers",
    "read_mapping",
]

FORMAT = 1
"""Version of the format of a mapping."""
UNDECIDED = "?"
"""Stands where a person has to decide; nothing is run until nobody's decision is missing."""
UNKNOWN, DROP, OTHERS = "unknown", "drop", "*"
"""In a table of values: this value means nothing known; its rows are left out; all values not named."""

RAW_TABLES = ("enterprises", "inspections", "credit_events", "complaints", "signals", "obligations")
"""Tables that raw files can fill. The others follow from the place."""

HELPERS: MappingOf[str, MappingOf[str, str]] = {
    "enterprises": {
        "industry_code": "id",
        "industry_name": "text",
    },
    **{
        table: {"enterprise_name": "text"}
        for table in ("inspections", "credit_events", "complaints", "signals", "obligations")
    },
}
"""Table → columns that are read and not written, with their kinds: industry and code follow from them."""

_DERIVED: MappingOf[str, MappingOf[str, tuple[str, ...]]] = {
    "enterprises": {
        "sector": ("industry",),
        "industry_section": ("industry",),
        "industry_division": ("industry",),
    },
    "inspections": {"check_code": ("content", "visit"), "visit_id": ("visit",)},
    "credit_events": {"event_id": ("content",)},
    "complaints": {"complaint_id": ("content",)},
    "signals": {"signal_id": ("content",)},
    "obligations": {"item": ("place",)},
}
"""Table → column → what it may be derived from."""

DUPLICATES = ("merge", "worst", "reject", "newest")


class MappingError(DataError):
    """A mapping that cannot be used; the message lists every problem with its line."""


@dataclass(frozen=True)
class Rule:
    """How one or several columns of a file give a value.

    Attributes
    ----------
    columns : tuple of str
        Columns of the file; the first that is filled counts.
    values : mapping of str to str
        Value of the file → value of the contract.
    dates : tuple of str
        Forms of a date.
    unit : str
        Unit of a number that states none.
    at_least, at_most : tuple of (float, str)
        Bounds → the level from which, or up to which, a number gives it.
    otherwise : str
        The level of a number within no bound.
    constant : str or None
        The same for every row.
    """

    columns: tuple[str, ...] = ()
    values: MappingOf[str, str] = field(default_factory=dict)
    dates: tuple[str, ...] = ()
    unit: str = ""
    at_least: tuple[tuple[float, str], ...] = ()
    at_most: tuple[tuple[float, str], ...] = ()
    otherwise: str = ""
    constant: str | None = None


@dataclass(frozen=True)
class Field:
    """How a column of the contract is filled: by rules, of which the worst level counts, or derived."""

    name: str
    rules: tuple[Rule, ...] = ()
    derived: str = ""


@dataclass(frozen=True)
class Source:
    """Files of one form that fill one table.

    Attributes
    ----------
    table : str
    at : str
        Path of the entry in the mapping, for messages: ``inspections[2]``.
    files : tuple of str
        Names below the folder of raw files, or patterns such as ``2024/*.csv``.
    layout : Layout
    fields : mapping of str to Field
    unknown : tuple of str
        Columns of the contract that these files do not tell.
    duplicates : str
        ``merge``, ``reject`` or ``newest``.
    newest_by : str
        The date column that tells which of two rows is newer.
    """

    table: str
    at: str
    files: tuple[str, ...]
    layout: Layout
    fields: MappingOf[str, Field]
    unknown: tuple[str, ...] = ()
    duplicates: str = "merge"
    newest_by: str = ""


@dataclass(frozen=True)
class Mapping:
    """A mapping, checked.

    Attributes
    ----------
    path : Path
    raw : Path
        Folder of the raw files.
    place : Place
    as_of : date
        Day up to which there are records.
    sources : tuple of Source
    obligations : tuple of str
        What obligations are derived from: ``inspections``, ``sector``.
    sector_share : float
        Share of the inspected enterprises of a sector from which an agency's class of items binds all of it.
    industries : mapping of str to str
        Beginning of an industry code → sector; the longest that fits counts.
    text : str
        The file.
    lines : mapping of str to int
        Where entries stand.
    """

    path: Path
    raw: Path
    place: Place
    as_of: date
    sources: tuple[Source, ...]
    obligations: tuple[str, ...]
    sector_share: float
    industries: MappingOf[str, str]
    text: str = field(repr=False)
    lines: MappingOf[str, int] = field(repr=False, default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def tables(self) -> dict[str, list[Source]]:
        """Return the sources by table, in the order of the contract."""
        return {
            name: found
            for name in RAW_TABLES
            if (found := [one for one in self.sources if one.table == name])
        }

    def line(self, path: str) -> tuple[str, ...]:
        """Return the line of an entry, or of what it is in, as an example of a problem."""
        return _line(self.lines, path)


def _line(lines: MappingOf[str, int], path: str) -> tuple[str, ...]:
    while path and path not in lines:
        path = path.rpartition(".")[0] if "." in path else path.rpartition("[")[0]
    return (f"line {lines[path]}",) if path else ()


_ARRAY = re.compile(r"\s*\[\[\s*([^\[\]]+?)\s*\]\]\s*(?:#.*)?$")
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)\s*=""")


def line_numbers(text: str) -> dict[str, int]:
    r"""Return path → line, counted from 1, of the entries of a mapping, by their look alone.

    Examples
    --------
    >>> line_numbers('[[inspections]]\n[inspections.values.finding]\n"合格" = "none"')
    {'inspections[1]': 1, 'inspections[1].values.finding': 2, 'inspections[1].values.finding.合格': 3}
    """
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        array, header, key = _ARRAY.match(line), _HEADER.match(line), _KEY.match(line)
        if array:
            counts[array[1]] = counts.get(array[1], 0) + 1
            table = f"{array[1]}[{counts[array[1]]}]"
            found.setdefault(table, number)
        elif header:
            first, dot, rest = header[1].partition(".")
            table = f"{first}[{counts[first]}]{dot}{rest}" if first in counts else header[1]
            found.setdefault(table, number)
        elif key:
            found.setdefault(f"{table}.{key[1].strip(chr(34) + chr(39))}".lstrip("."), number)
    return found


class _Reader:
    """Collects what is wrong with one mapping."""

    def __init__(self, file: str, lines: MappingOf[str, int]) -> None:
        self.file, self.lines = file, lines
        self.problems: list[Problem] = []

    def note(self, path: str, message: str, remedy: str) -> None:
        """Add a problem, unless there are enough."""
        if len(self.problems) < PROBLEMS:
            self.problems.append(Problem(self.file, path, 0, _line(self.lines, path), message, remedy))

    def known(self, path: str, entry: MappingOf[str, Any], names: tuple[str, ...]) -> None:
        """Note every key that is not one of some names."""
        for key in entry:
            if key not in names:
                shown = ", ".join(names)
                self.note(
                    f"{path}.{key}".lstrip("."), f"is not known{suggestion(key, names)}", f"Use {shown}"
                )

    def text(self, path: str, entry: MappingOf[str, Any], key: str, default: str = "") -> str:
        """Return a text."""
        value = entry.get(key, default)
        if not isinstance(value, str):
            self.note(f"{path}.{key}".lstrip("."), f"= {value!r} must be a text", "Put it in quotation marks")
            return default
        return value

    def texts(self, path: str, value: Any) -> tuple[str, ...]:
        """Return one text, or a list of them."""
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not listed or not all(isinstance(v, str) and v for v in listed):
            self.note(path, f"= {value!r} must be a text, or a list of texts", "Correct the value")
            return ()
        return tuple(listed)

    def table(self, path: str, value: Any) -> dict[str, Any]:
        """Return a table."""
        if not isinstance(value, dict):
            self.note(path, "must be a table", "Give key = value below a line in brackets")
            return {}
        return value


def read_mapping(path: Path) -> Mapping:
    """Read a mapping.

    Raises
    ------
    MappingError
        With everything that is wrong with it by itself; files are not looked into.
    """

    def fails(message: str, remedy: str) -> MappingError:
        return MappingError([Problem(path.name, "", 0, (), message, remedy)])

    try:
        text = read_text(path, TOML_BYTES)
        tree = parse_toml(text)
    except UnreadableError as error:
        raise fails(f"cannot be read: {error}", error.remedy or "Correct it") from error
    except OSError as error:
        raise fails(f"cannot be read: {error.strerror}", "Give the path of a mapping") from error
    lines = line_numbers(text)
    reader = _Reader(path.name, lines)
    head = ("format", "raw", "place", "as_of")
    reader.known("", tree, (*head, "obligations", "derive", "industry", *RAW_TABLES))
    if tree.get("format") != FORMAT:
        reader.note("format", f"= {tree.get('format')!r} is not known", f"Write format = {FORMAT}")
    raw = path.parent / reader.text("", tree, "raw", ".")
    if not raw.is_dir():
        reader.note("raw", f"'{raw}' is no folder", "Give the folder of the raw files, seen from the mapping")
    place = _place(reader, path.parent, tree)
    as_of = _as_of(reader, tree.get("as_of"))
    sources: list[Source] = []
    if place is not None:
        tables = tables_of(place)
        for name in RAW_TABLES:
            entries = tree.get(name, [])
            if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
                reader.note(name, "must be a list of tables", f"Write [[{name}]]")
                continue
            for k, entry in enumerate(entries, start=1):
                sources.append(_source(reader, f"{name}[{k}]", entry, tables[name], place))
    derive = reader.table("derive", tree.get("derive", {}))
    reader.known("derive", derive, ("obligations", "sector_share"))
    share = derive.get("sector_share", 0.05)
    if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
        reader.note("derive.sector_share", f"= {share!r} must be a share", "Give a number above 0, at most 1")
        share = 0.05
    of = _derivation(reader, derive, sources)
    industries = _industries(reader, tree.get("industry", {}), place)
    _check_whole(reader, sources, industries)
    if reader.problems or place is None or as_of is None:
        raise MappingError(reader.problems)
    return Mapping(path, raw, place, as_of, tuple(sources), of, float(share), industries, text, lines)


def _place(reader: _Reader, folder: Path, tree: MappingOf[str, Any]) -> Place | None:
    name = reader.text("", tree, "place")
    if not name:
        reader.note("place", "is missing", 'Write place = "place.toml", or the name of one that comes along')
        return None
    try:
        own = folder / name
        return Place.load(own if own.is_file() else name)
    except PlaceError as error:
        reader.problems.extend(error.problems)
        return None


def _as_of(reader: _Reader, value: Any) -> date | None:
    if value == UNDECIDED:
        reader.note("as_of", "is not decided", "Write the day up to which there are records")
    elif isinstance(value, date) and not isinstance(value, datetime):
        return value
    else:
        reader.note("as_of", f"= {value!r} is no day", "Write as_of = 2024-12-31")
    return None


def _derivation(reader: _Reader, derive: MappingOf[str, Any], sources: list[Source]) -> tuple[str, ...]:
    if any(one.table == "obligations" for one in sources):
        return ()
    of = reader.texts("derive.obligations", derive.get("obligations", ["inspections", "sector"]))
    for one in of:
        if one not in ("inspections", "sector"):
            reader.note("derive.obligations", f"= {one!r} is not known", "Use inspections, sector")
    return of


def _industries(reader: _Reader, tree: Any, place: Place | None) -> dict[str, str]:
    found = {}
    for code, sector in reader.table("industry", tree).items():
        path = f"industry.{code}"
        if sector == UNDECIDED:
            reader.note(path, "is not decided", "Write the id of a sector of the place")
        elif place is not None and sector not in place.sectors:
            hint = suggestion(str(sector), list(place.sectors))
            reader.note(path, f"= {sector!r} is no sector of the place{hint}", "Use the ids of [sector]")
        found[str(code)] = str(sector)
    return found


def _check_whole(reader: _Reader, sources: list[Source], industries: MappingOf[str, str]) -> None:
    for needed in ("enterprises", "inspections"):
        if not any(one.table == needed for one in sources) and not reader.problems:
            reader.note(needed, "is missing", f"Write [[{needed}]] with the files that hold them")
    for one in sources:
        derived = one.fields.get("sector")
        if (
            one.table == "enterprises"
            and derived is not None
            and derived.derived
            and OTHERS not in industries
        ):
            reader.note(
                "industry",
                "has no sector for the codes that it does not name, and for enterprises without one",
                f'Write "{OTHERS}" = "…" below [industry]',
            )


_SOURCE_KEYS = ("files", "encoding", "delimiter", "sheet", "header", "unknown", "duplicates", "newest_by")


def _source(reader: _Reader, at: str, entry: MappingOf[str, Any], table: Table, place: Place) -> Source:
    reader.known(at, entry, (*_SOURCE_KEYS, "columns", "values"))
    files = reader.texts(f"{at}.files", entry.get("files", ""))
    for one in files:
        if Path(one).is_absolute() or ".." in Path(one).parts:
            reader.note(
                f"{at}.files", f"{one!r} lies outside of the folder of raw files", "Name files below it"
            )
        elif not one.lower().endswith(SUFFIXES):
            reader.note(f"{at}.files", f"{one!r} has no known ending", f"Give files in {', '.join(SUFFIXES)}")
    layout = _layout(reader, at, entry)
    columns = reader.table(f"{at}.columns", entry.get("columns", {}))
    values = reader.table(f"{at}.values", entry.get("values", {}))
    fields = _fields(reader, at, columns, values, table)
    unknown = _unknown(reader, at, entry, fields, table)
    duplicates = reader.text(at, entry, "duplicates", "merge")
    if duplicates not in DUPLICATES:
        shown = ", ".join(DUPLICATES)
        reader.note(f"{at}.duplicates", f"= {duplicates!r} is not known", f"Use one of {shown}")
    newest_by = reader.text(at, entry, "newest_by")
    if (duplicates == "newest") != bool(newest_by) or (newest_by and newest_by not in fields):
        remedy = "Name a date column of the table in newest_by"
        reader.note(
            f"{at}.newest_by", f"= {newest_by!r} does not go with duplicates = {duplicates!r}", remedy
        )
    return Source(table.name, at, files, layout, fields, unknown, duplicates, newest_by)


def _layout(reader: _Reader, at: str, entry: MappingOf[str, Any]) -> Layout:
    encoding = reader.text(at, entry, "encoding", "utf-8")
    if encoding == UNDECIDED:
        reader.note(f"{at}.encoding", "is not decided", f"Write one of {', '.join(ENCODINGS)}")
    elif encoding not in ENCODINGS:
        shown = ", ".join(ENCODINGS)
        hint = suggestion(encoding, ENCODINGS)
        reader.note(f"{at}.encoding", f"= {encoding!r} is not known{hint}", f"Use one of {shown}")
    delimiter = reader.text(at, entry, "delimiter", ",")
    if len(delimiter) != 1 or delimiter in '"\r\n' or ord(delimiter) > 127:
        reader.note(f"{at}.delimiter", f"= {delimiter!r} must be one character", r'Write "," or "\t"')
        delimiter = ","
    header = entry.get("header", 1)
    if type(header) is not int or not 1 <= header <= 1_000:
        reader.note(f"{at}.header", f"= {header!r} must be a whole number", "Give the line of the names")
        header = 1
    return Layout(encoding, delimiter, reader.text(at, entry, "sheet"), header)


def _unknown(
    reader: _Reader, at: str, entry: MappingOf[str, Any], fields: MappingOf[str, Field], table: Table
) -> tuple[str, ...]:
    given = entry.get("unknown", [])
    unknown = reader.texts(f"{at}.unknown", given) if given != [] else ()
    for name in unknown:
        column = table.columns.get(name)
        if column is None:
            hint = suggestion(name, list(table.columns))
            reader.note(f"{at}.unknown", f"{name!r} is no column of {table.name}{hint}", "Take it out")
        elif name in fields:
            reader.note(
                f"{at}.unknown", f"{name!r} is filled by columns, too", "Take it out of the one or the other"
            )
        elif not column.nullable:
            remedy = "Say how it is filled, below columns"
            reader.note(
                f"{at}.unknown", f"{name!r} cannot be unknown: nothing can be done without it", remedy
            )
    for column in table:
        by_name = column.name == "enterprise_id" and "enterprise_name" in fields
        if column.name not in fields and column.name not in unknown and column.required and not by_name:
            if column.nullable:
                remedy = f'Say how it is filled, or add "{column.name}" to unknown'
            else:
                remedy = f"Add {column.name} = … below columns"
            reader.note(f"{at}.columns", f"does not say what {column.name} is", remedy)
    return unknown


def _fields(
    reader: _Reader, at: str, columns: MappingOf[str, Any], values: MappingOf[str, Any], table: Table
) -> dict[str, Field]:
    helpers = HELPERS.get(table.name, {})
    fields = {}
    for name, given in columns.items():
        path = f"{at}.columns.{name}"
        if name not in table.columns and name not in helpers:
            names = (*table.columns, *helpers)
            reader.note(
                path, f"is no column of {table.name}{suggestion(name, names)}", f"Use {', '.join(names)}"
            )
            continue
        own = reader.table(f"{at}.values.{name}", values.get(name, {}))
        fields[name] = _field(reader, path, name, given, own, table)
    for name in values:
        if name not in columns:
            reader.note(
                f"{at}.values.{name}", "has values of a column that is not mapped", "Map it, or take it out"
            )
    return fields


def _field(
    reader: _Reader, path: str, name: str, given: Any, values: MappingOf[str, Any], table: Table
) -> Field:
    if given == UNDECIDED:
        reader.note(path, "is not decided", "Name the column of the file, or list it in unknown")
        return Field(name)
    if isinstance(given, dict) and "derived" in given:
        reader.known(path, given, ("derived",))
        allowed = _DERIVED.get(table.name, {}).get(name, ())
        if given["derived"] not in allowed:
            shown = ", ".join(allowed) or "columns of the file: it cannot be derived"
            reader.note(path, f"cannot be derived from {given['derived']!r}", f"Use {shown}")
        return Field(name, (), str(given["derived"]))
    listed = given if isinstance(given, list) and any(isinstance(one, dict) for one in given) else [given]
    kind = table.columns[name].kind if name in table.columns else HELPERS[table.name][name]
    if len(listed) > 1 and kind != "level":
        reader.note(path, "has several rules, and no worst of them", "Give one rule; several are for levels")
    rules = []
    for k, one in enumerate(listed):
        rules.append(_rule(reader, path, name, one, values if k == 0 else {}, table))
    return Field(name, tuple(rules))


_RULE_KEYS = ("column", "dates", "unit", "at_least", "at_most", "otherwise", "constant", "values")


def _rule(
    reader: _Reader, path: str, name: str, given: Any, values: MappingOf[str, Any], table: Table
) -> Rule:
    if isinstance(given, str | list):
        given = {"column": given}
    elif not isinstance(given, dict):
        reader.note(path, f"= {given!r} must name a column of the file", f'Write {name} = "…"')
        return Rule()
    reader.known(path, given, _RULE_KEYS)
    column = table.columns.get(name)
    kind = column.kind if column is not None else HELPERS[table.name][name]
    if "constant" in given:
        value = given["constant"]
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        if column is not None and column.ids and shown not in column.ids:
            hint = suggestion(shown, column.ids)
            reader.note(path, f"= {shown!r} is no level of {name}{hint}", f"Use {_some(column.ids)}")
        return Rule(constant=shown)
    sources = reader.texts(path, given.get("column", ""))
    own = given.get("values", {})
    if own:
        values = reader.table(path, own)
    checked = _values(reader, path, name, values, table)
    dates = _dates(reader, path, given.get("dates"), kind)
    unit = given.get("unit", "")
    if unit == UNDECIDED:
        reader.note(path, "has a unit that is not decided", f"Write one of {', '.join(filter(None, UNITS))}")
    elif not isinstance(unit, str) or unit not in UNITS:
        reader.note(path, f"has the unknown unit {unit!r}", f"Use one of {', '.join(filter(None, UNITS))}")
        unit = ""
    bounds = {key: _bounds(reader, path, given.get(key, {}), column) for key in ("at_least", "at_most")}
    otherwise = given.get("otherwise", "")
    if otherwise and (column is None or otherwise not in column.ids):
        reader.note(path, f"has otherwise = {otherwise!r}, no level of {name}", "Use a level of the column")
        otherwise = ""
    return Rule(sources, checked, dates, unit, bounds["at_least"], bounds["at_most"], str(otherwise))


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:12]) + ", …" * (len(names) > 12)


def _dates(reader: _Reader, path: str, given: Any, kind: str) -> tuple[str, ...]:
    if given is None:
        if kind == "date":
            reader.note(path, "is a date and states no form", 'Add dates = ["Y-M-D"], say')
        return ()
    if kind != "date":
        reader.note(path, "states forms of a date, and holds none", "Take dates out")
        return ()
    forms = reader.texts(path, given)
    for form in forms:
        if form == UNDECIDED:
            reader.note(
                path,
                "has dates in which day and month could be swapped: which comes first is not decided",
                'Write "D/M/Y" or "M/D/Y" in the place of "?"',
            )
        elif form not in DATE_FORMS:
            shown = ", ".join(DATE_FORMS)
            reader.note(path, f"has the unknown form {form!r}{suggestion(form, DATE_FORMS)}", f"Use {shown}")
    for one, other in FORMS_APART:
        if one in forms and other in forms:
            reader.note(
                path, f"has both {one} and {other}: day and month could be swapped", "Keep one of them"
            )
    return tuple(form for form in forms if form in DATE_FORMS)


def _values(
    reader: _Reader, path: str, name: str, values: MappingOf[str, Any], table: Table
) -> dict[str, str]:
    column = table.columns.get(name)
    at = path.replace(".columns.", ".values.")
    if values and (column is None or column.kind not in ("level", "flag")):
        reader.note(path, "has values, and is no column of levels", "Take them out")
        return {}
    checked = {}
    undecided = []
    for raw, value in values.items():
        shown = str(value).lower() if isinstance(value, bool) else value
        allowed = () if column is None else column.ids or ("true", "false")
        if shown == UNDECIDED:
            undecided.append(raw)
        elif shown == UNKNOWN and (column is None or not column.nullable):
            remedy = f"Use {_some(allowed)}, or {DROP} to leave such rows out"
            reader.note(f"{at}.{raw}", f"cannot be unknown: {name} is needed", remedy)
        elif shown not in (*allowed, UNKNOWN, DROP):
            hint = suggestion(str(shown), allowed)
            remedy = f"Use {_some(allowed)}, {UNKNOWN} or {DROP}"
            reader.note(f"{at}.{raw}", f"= {shown!r} is no value of {name}{hint}", remedy)
        checked[raw] = str(shown)
    for raw in undecided:
        allowed = () if column is None else column.ids or ("true", "false")
        remedy = f"Write one of {_some(allowed)}, or {DROP} to leave such rows out"
        reader.note(f"{at}.{raw}", "is not decided", remedy)
    return checked


def _bounds(reader: _Reader, path: str, given: Any, column: Any) -> tuple[tuple[float, str], ...]:
    found = []
    for level, bound in reader.table(path, given).items():
        if column is None or level not in column.ids:
            reader.note(path, f"has a bound of {level!r}, no level of the column", "Use levels of the column")
        elif isinstance(bound, bool) or not isinstance(bound, int | float) or bound - bound != 0:
            reader.note(path, f"has the bound {bound!r} of {level}", "Give a number")
        else:
            found.append((float(bound), level))
    return tuple(found)
