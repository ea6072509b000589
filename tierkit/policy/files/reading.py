"""Read policy files and plain mappings into parameters, and record every problem."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from tierkit.bounds import PROBLEMS, TOML_BYTES, UnreadableError, parse_toml, read_text
from tierkit.policy.files.checks import UnfitError, Value, normalise
from tierkit.policy.files.list_file import ListFile, list_file, names_file
from tierkit.policy.files.points_file import PointsTable, pinned_table
from tierkit.policy.files.problems import PolicyError, PolicyProblem
from tierkit.policy.specification import RENAMED, Spec, spec_of
from tierkit.records import SHANGHAI, TIERS, Label, Parameter, Place
from tierkit.records.lines import line_numbers
from tierkit.records.problems import suggestion
from tierkit.texts import is_text

__all__ = [
    "STATUSES",
    "Meta",
    "Reading",
    "parse",
    "read_body",
    "read_file",
    "read_head",
    "read_mapping",
]

_LEAF_KEYS = ("value", "unit", "from", "before", "source", "assumption")
_META_KEYS = ("name", "title_zh", "title_en", "document", "date", "status", "baseline", "oracle", "place",
              "overlays", "tiers", "credit_table")  # fmt: skip
STATUSES: Mapping[str, Label] = {
    "in_force": Label("现行", "in force"),
    "draft": Label("征求意见稿", "draft for comment"),
    "reference": Label("参照", "for reference"),
    "reform": Label("设想", "a reform to try"),
}
"""Standing of a policy → its label."""


@lru_cache(32)
def _tables(paths: Iterable[str]) -> frozenset[str]:
    """Return every table that holds one of the paths, at whatever depth."""
    return frozenset(path.rsplit(".", depth)[0] for path in paths for depth in range(1, path.count(".") + 1))


_OLD_TABLES = _tables(tuple(RENAMED))


@dataclass(frozen=True, slots=True)
class Meta:
    """Title, document, date and status of a policy.

    Attributes
    ----------
    title : Label
        For people.
    document : str
        The document that orders it, with its number.
    date : datetime.date
        Date of the document, from which values without a date of their own are in force.
    status : str
        A key of `STATUSES`.
    baseline : str or None
        Name of the policy from which it differs.
    oracle : bool
        Whether scores are the true probabilities, which only a synthetic world knows.
    place : Place or None
        The place whose sectors, agencies and items it names; None for a policy of any place.
    overlays : tuple of str
        Names of the rules of higher rank that bind it, as of `tierkit.policy.overlay_names`.
    tiers : mapping of str to Parameter
        What the document itself calls a tier, a `Label` with its clause; those for which it has no word are
        left out.
    credit_table : PointsTable or str or None
        An expert's table of credit points, for records that give no target; its name and digest alone where
        the file is not at hand.
    """

    title: Label
    document: str
    date: date
    status: str = "reform"
    baseline: str | None = None
    oracle: bool = False
    place: Place | None = SHANGHAI
    overlays: tuple[str, ...] = ()
    tiers: Mapping[str, Parameter] = field(default_factory=dict)
    credit_table: PointsTable | str | None = None


@dataclass(slots=True)
class Reading:
    """Parameters read so far from one file or mapping, and the problems found.

    ``place`` is what messages call the file; ``of_place`` the place that the policy is of; ``folder`` where
    the files are that it names, None if it is a text without any.
    """

    place: str
    lines: Mapping[str, int] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)
    renamed: set[str] = field(default_factory=set)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    problems: list[PolicyProblem] = field(default_factory=list)
    of_place: Place | None = SHANGHAI
    folder: Path | None = field(default_factory=Path)

    @property
    def spec(self) -> Mapping[str, Spec]:
        """What each parameter may be in the policy's place."""
        return spec_of(self.of_place)

    @property
    def tables(self) -> frozenset[str]:
        """Every table of parameters."""
        return _tables(tuple(self.spec))

    def note(self, parameter: str, message: str, remedy: str, *, warning: bool = False) -> None:
        """Add a problem, at the line of its parameter, of the table that holds it, or of what it holds.

        Raises
        ------
        PolicyError
            With all of them, once there are `PROBLEMS`.
        """
        inside = (one for one in self.lines if one.startswith(f"{parameter}."))
        at = next((self.lines[one] for one in (*_upwards(parameter), *inside) if one in self.lines), None)
        self.problems.append(PolicyProblem(self.place, at, parameter, message, remedy, warning))
        if len(self.problems) == PROBLEMS:
            more = f"there are {PROBLEMS} problems before this line; what follows was not read"
            raise PolicyError(
                [*self.problems, PolicyProblem(self.place, at, "", more, "correct these, and try again")]
            )


def _upwards(path: str) -> Iterator[str]:
    """Yield a path, then the tables that hold it."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def read_file(path: Path) -> str:
    """Return the text of a policy file.

    Raises
    ------
    PolicyError
        If it cannot be read, is not UTF-8 or too large.
    """
    try:
        return read_text(path, TOML_BYTES)
    except OSError as error:
        message = f"the file cannot be read: {error.strerror}"
        problem = PolicyProblem(path.name, None, "", message, "give the path of a policy file")
    except UnreadableError as error:
        problem = _unreadable(error, path.name)
    raise PolicyError([problem])


def _unreadable(error: UnreadableError, place: str) -> PolicyProblem:
    """Return what is wrong with a file as a problem, with its line where it is known."""
    found = re.search(r"line (\d+)", str(error))
    message = f"the file {str(error).removeprefix('it ')}"
    remedy = error.remedy[:1].lower() + error.remedy[1:]
    return PolicyProblem(place, int(found[1]) if found else None, "", message, remedy)


def parse(text: str, place: str) -> Mapping[str, Any]:
    """Return the tree of a TOML text, which nobody changes: the same text gives the same tree again.

    Raises
    ------
    PolicyError
        If it is not TOML, or beyond a budget of `tierkit.bounds`.
    """
    try:
        return _parsed(text)
    except UnreadableError as error:
        raise PolicyError([_unreadable(error, place)]) from error


@lru_cache(maxsize=16)  # a preset is read again and again, and parsing is most of that
def _parsed(text: str) -> Mapping[str, Any]:
    return parse_toml(text)


def read_head(tree: Mapping[str, Any], text: str, place: str) -> Reading:
    """Read the [meta] table of a policy file.

    Parameters
    ----------
    tree : mapping
        As `tomllib` returns it.
    text : str
        The file itself, for line numbers.
    place : str
        What messages call it.
    """
    reading = Reading(place, line_numbers(text))
    meta = tree.get("meta")
    if isinstance(meta, Mapping):
        _read_meta(meta, reading)
    else:
        reading.note("meta", "'meta' must be a table with at least a name", 'add [meta] and name = "…"')
    return reading


def read_body(tree: Mapping[str, Any], reading: Reading, folder: Path | None) -> None:
    """Read the parameters of a policy whose place is known, in a folder if it has one."""
    reading.folder = folder
    if "credit_table" in reading.meta:
        _read_table(str(reading.meta["credit_table"]), reading)
    rest = {key: value for key, value in tree.items() if key != "meta"}
    for path, leaf in _leaves(rest, "", reading):
        _read_leaf(path, leaf, reading)


def read_mapping(changes: Mapping[str, Any], place: str, assumption: str, of_place: Place | None) -> Reading:
    """Read changes given in Python: dotted or nested names to plain values, leaves or parameters."""
    reading = Reading(place, of_place=of_place)
    for path, leaf in _leaves(changes, "", reading):
        if isinstance(leaf, Parameter):
            leaf = {
                "value": leaf.value,
                "unit": leaf.unit,
                "from": leaf.from_,
                "before": leaf.before,
                "source": leaf.source,
                "assumption": leaf.assumption,
            }
            leaf = {key: value for key, value in leaf.items() if value is not None}
        elif not isinstance(leaf, Mapping):
            leaf = {"value": leaf, "unit": reading.spec[_renamed(path)].unit, "assumption": assumption}
        _read_leaf(path, leaf, reading)
    return reading


def _leaves(tree: Mapping[str, Any], prefix: str, reading: Reading) -> Iterator[tuple[str, Any]]:
    """Yield path and content of every parameter, old names included; record a problem for anything else."""
    for key, node in tree.items():
        path = f"{prefix}{key}"
        old = _old_start(path)
        if old is not None and old not in reading.renamed:
            reading.renamed.add(old)
            reading.note(old, f"'{old}' was renamed '{RENAMED[old]}'", f"write '{RENAMED[old]}' instead")
        new = _renamed(path)
        if new in reading.spec:
            yield path, node
        elif new in reading.tables | _OLD_TABLES and isinstance(node, Mapping):
            yield from _leaves(node, f"{path}.", reading)
        elif new in reading.tables:
            reading.note(
                path,
                f"'{path}' = {_shown(node)} must be a table of parameters",
                f"give its parameters, such as '{_first_under(new, reading)}'",
            )
        else:
            reading.note(path, f"'{path}' {_unknown(path, reading)}", "correct the name, or remove it")


def _old_start(path: str) -> str | None:
    """Return the part of a path that has been renamed; None if the path is current."""
    return next((start for start in _upwards(path) if start in RENAMED), None)


def _renamed(path: str) -> str:
    """Return a path under its new name."""
    start = _old_start(path)
    return path if start is None else RENAMED[start] + path[len(start) :]


def _first_under(table: str, reading: Reading) -> str:
    return next(path for path in reading.spec if path.startswith(f"{table}."))


def _unknown(path: str, reading: Reading) -> str:
    """Say that there is no such parameter: nowhere, or not in the policy's place."""
    if reading.of_place is None and path in _tables(tuple(spec_of(SHANGHAI))):
        return "goes by the sectors of a place, and the policy is of any; state meta.place to use it"
    return f"is not a parameter{_near(path, reading)}"


_MANY_NAMES = 20  # more than these are not listed


def _near(path: str, reading: Reading) -> str:
    """Return a suggestion for the first unknown word of a path, or the names that its table has."""
    spec, tables = reading.spec, reading.tables
    known = tables | set(spec)
    table = next((one for one in _upwards(path) if one in tables), "")
    word, _, rest = path.removeprefix(f"{table}.").partition(".")
    inside = [one for one in spec if table and one.startswith(f"{table}.")] or spec
    names = list(dict.fromkeys(one.removeprefix(f"{table}.").partition(".")[0] for one in inside))
    paths = {name: ".".join(part for part in (table, name, rest) if part) for name in names}
    near = suggestion(word, {name: one for name, one in paths.items() if one in known})
    anywhere = {one.rpartition(".")[2]: one for one in sorted(known, reverse=True)}
    if near or (not rest and word in anywhere):
        return near or suggestion(word, anywhere)
    if table and len(names) <= _MANY_NAMES:
        return f" ('{table}' has {', '.join(names)})"
    return suggestion(path.rpartition(".")[2], anywhere)


def _read_leaf(given: str, leaf: Any, reading: Reading) -> None:
    """Check one parameter and keep it, or record everything that is wrong with it."""
    path = _renamed(given)
    spec = reading.spec[path]
    if path in reading.given:
        reading.note(given, f"'{path}' is given twice", "keep one of them, under its present name")
    reading.given.add(path)
    if not isinstance(leaf, Mapping):
        example = f'{{ value = {_toml_like(leaf)}, unit = "{spec.unit}", assumption = "why" }}'
        reading.note(
            given, f"'{given}' = {_shown(leaf)} must be an inline table: {example}", "wrap the value"
        )
        return
    before = len(reading.problems)
    for key in leaf:
        if key not in _LEAF_KEYS:
            reading.note(
                given,
                f"'{given}' has an unknown key '{key}'{suggestion(key, _LEAF_KEYS)}",
                f"use {', '.join(_LEAF_KEYS)}",
            )
    values: dict[str, Value] = {}
    for key in ("value", "before"):
        if key in leaf:
            try:
                values[key] = _value(spec, leaf[key], reading)
            except UnfitError as fault:
                called = f"'{given}'" if key == "value" else f"'{given}' has before"
                reading.note(given, f"{called} = {_shown(leaf[key])} {fault}", f"{spec.about.en}: {fault}")
    if "value" not in leaf:
        reading.note(given, f"'{given}' has no value", "add value = …")
    if "before" in leaf and "from" not in leaf:
        reading.note(given, f"'{given}' has a value before, and no date until which it holds", "add from = …")
    _check_unit(given, spec, leaf, reading)
    _check_ground(given, path, leaf, reading)
    day = leaf.get("from")
    if day is not None and (not isinstance(day, date) or isinstance(day, datetime)):
        reading.note(
            given,
            f"'{given}' has from = {_shown(day)}, which must be a date such as 2025-01-24",
            "write the date without quotation marks",
        )
    if "value" in values and len(reading.problems) == before:
        reading.parameters[path] = Parameter(
            values["value"], spec.unit, leaf.get("source"), leaf.get("assumption"), day, values.get("before")
        )


def _value(spec: Spec, raw: object, reading: Reading) -> Value:
    """Return the frozen value of a parameter; lists may be given as files."""
    if spec.kind == "names" and isinstance(raw, str) and raw.lower().endswith(".csv"):
        raw = names_file(raw, reading.folder, spec.of_place)
    if spec.kind == "list" and isinstance(raw, ListFile):
        return raw
    value = normalise(spec, raw)
    if spec.kind == "list" and isinstance(value, str) and value:
        return list_file(value, reading.folder, reading.of_place)
    return value


def _check_unit(given: str, spec: Spec, leaf: Mapping[str, Any], reading: Reading) -> None:
    if leaf.get("unit") != spec.unit:
        fault = (
            f"has unit {_shown(leaf['unit'])}, which must be" if "unit" in leaf else "has no unit; it must be"
        )
        reading.note(
            given,
            f"'{given}' {fault} '{spec.unit}'",
            "convert the value, if it was in another unit, and name this one",
        )


def _check_ground(given: str, path: str, leaf: Mapping[str, Any], reading: Reading) -> None:
    for key in ("source", "assumption"):
        if key in leaf and not is_text(leaf[key]):
            reading.note(
                given,
                f"'{given}' has {key} = {_shown(leaf[key])}, not a text with anything in it",
                f"write the {key} in words",
            )
    if "source" not in leaf and "assumption" not in leaf:
        reading.note(
            given,
            f"'{given}' needs a source (document and clause) or an assumption (why)",
            'add source = "…" or assumption = "…"',
        )
    elif path == "frequency.random_floor" and leaf.get("value") == 0 and "assumption" not in leaf:
        reading.note(
            given,
            f"'{given}' = 0 needs an assumption: no document orders an end to equal-chance audits",
            'say why in assumption = "…", or set a floor',
        )


def _read_meta(meta: Mapping[str, Any], reading: Reading) -> None:
    """Check the [meta] table and keep its valid entries."""
    for key, value in meta.items():
        if key not in _META_KEYS:
            reading.note(
                f"meta.{key}",
                f"'meta.{key}' is not known{suggestion(key, _META_KEYS)}",
                f"use {', '.join(_META_KEYS)}",
            )
            continue
        if key == "oracle":
            fine, wanted = isinstance(value, bool), "true or false"
        elif key == "date":
            fine = isinstance(value, date) and not isinstance(value, datetime)
            wanted = "a date such as 2025-01-24"
        elif key == "status":
            fine, wanted = isinstance(value, str) and value in STATUSES, f"one of {', '.join(STATUSES)}"
        elif key == "overlays":
            fine = isinstance(value, list) and all(map(is_text, value)) and len(set(value)) == len(value)
            wanted, value = "a list of names of overlays, each once", tuple(value) if fine else value
        elif key == "tiers":
            _read_names(value, reading)
            continue
        else:
            fine, wanted = is_text(value), "a text that is not empty"
        if fine:
            reading.meta[key] = value
        else:
            reading.note(
                f"meta.{key}", f"'meta.{key}' = {_shown(value)} must be {wanted}", "correct the value"
            )
    if "name" not in meta:
        reading.note("meta", "'meta.name' is missing", "name the policy")


def _read_table(given: str, reading: Reading) -> None:
    """Read the table of points that a policy carries; what is wrong with it is told with its own lines."""
    del reading.meta["credit_table"]
    try:
        reading.meta["credit_table"] = pinned_table(given, reading.folder)
    except PolicyError as error:
        reading.problems.extend(error.problems)


_NAME_KEYS = ("zh", "en", "source")
_LONGEST_NAME = 40


def _read_names(value: object, reading: Reading) -> None:
    """Check [meta.tiers], what the document calls its tiers, and keep it if all of it is sound."""
    names: dict[str, Parameter] = {}
    before = len(reading.problems)
    example = '{ zh = "重点关注", en = "special attention", source = "document and clause" }'
    if not isinstance(value, Mapping):
        reading.note("meta.tiers", f"'meta.tiers' = {_shown(value)} must be a table", f"write T4 = {example}")
        return
    for tier, leaf in value.items():
        path = f"meta.tiers.{tier}"
        if tier not in TIERS:
            reading.note(path, f"'{path}' is no tier{suggestion(tier, TIERS)}", f"use {', '.join(TIERS)}")
        elif (
            not isinstance(leaf, Mapping)
            or set(leaf) != set(_NAME_KEYS)
            or not all(map(is_text, leaf.values()))
            or any(len(leaf[key]) > _LONGEST_NAME for key in ("zh", "en"))
        ):
            reading.note(
                path,
                f"'{path}' = {_shown(leaf)} must have {', '.join(_NAME_KEYS)}, names of at most "
                f"{_LONGEST_NAME} characters",
                f"write {tier} = {example}",
            )
        else:
            names[tier] = Parameter(Label(leaf["zh"], leaf["en"]), "name", leaf["source"])
    if len(reading.problems) == before:
        reading.meta["tiers"] = names


def _toml_like(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f'"{value}"'
        if isinstance(value, str)
        else str(value)
    )


def _shown(value: object) -> str:
    """Return a value as messages show it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
