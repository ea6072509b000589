"""Read overlays: requirements with their dates, sources and conditions, every fault of a file located."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from tierkit.policy.files.problems import PolicyError, PolicyProblem
from tierkit.policy.files.reading import Reading, parse, read_file
from tierkit.policy.specification import Spec, spec_of
from tierkit.records import TIERS, Label, Parameter
from tierkit.records.lines import line_numbers
from tierkit.records.problems import suggestion
from tierkit.texts import is_text

__all__ = ["CONDITIONS", "Condition", "Overlay", "Requirement", "overlay_names", "unknown_overlays"]

_FOLDER = Path(str(files("tierkit.policy").joinpath("overlays")))
_META = ("name", "title", "document", "date")
_KEYS = ("from", "source", "text", "all", "any", "remedy", "unshown")
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_MOST = 10**6  # beyond every declared range, and far from what Python cannot print
_ANYWHERE = spec_of(None)
"""What conditions may be about: parameters of every place, as a rule holds in all of them."""


class _Kind(NamedTuple):
    """What a kind of condition is about, what it is given, and when it holds."""

    of: tuple[str, ...]
    given: Callable[[object, Spec | None], bool]
    wanted: str
    holds: Callable[[tuple[Parameter, ...], Any], bool]


def _a_number(given: object, spec: Spec | None) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and abs(given) <= _MOST


def _levels(given: object, spec: Spec | None) -> bool:
    levels = spec.levels if spec else ()
    return isinstance(given, list) and bool(given) and all(one in levels for one in given)


def _true(given: object, spec: Spec | None) -> bool:
    return given is True


_NUMBERS = ("number", "integer")
_FAMILY = "a family by tier"

CONDITIONS: Mapping[str, _Kind] = MappingProxyType(
    {
        "at_least": _Kind(
            _NUMBERS, _a_number, f"a number up to {_MOST:,}", lambda ps, bound: ps[0].value >= bound
        ),
        "at_most": _Kind(
            _NUMBERS, _a_number, f"a number up to {_MOST:,}", lambda ps, bound: ps[0].value <= bound
        ),
        "above": _Kind(
            _NUMBERS, _a_number, f"a number up to {_MOST:,}", lambda ps, bound: ps[0].value > bound
        ),
        "one_of": _Kind(
            ("choice",), _levels, "a list of what it may be", lambda ps, bound: ps[0].value in bound
        ),
        "named": _Kind(("names",), _true, "true", lambda ps, _: bool(ps[0].value)),
        "differs": _Kind((_FAMILY,), _true, "true", lambda ps, _: len({one.value for one in ps}) > 1),
        "cited": _Kind(_NUMBERS, _true, "true", lambda ps, _: ps[0].value == 0 or ps[0].source is not None),
    }
)
"""Kind of condition → what it is about and when it holds. ``cited`` holds at 0 and for a value with a source,
``differs`` for a family of parameters by tier that are not the same in all tiers."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a requirement asks of one parameter, or of a family of them.

    Attributes
    ----------
    parameter : str
        Dotted name of the parameter, or the beginning of a family by tier.
    kind : str
        A key of `CONDITIONS`.
    bound : float, tuple of str or bool
        The number, or what the parameter may be; True where the kind needs nothing.
    """

    parameter: str
    kind: str
    bound: Any

    def holds(self, parameters: Mapping[str, Parameter]) -> bool:
        """Return whether it holds for the parameters of a policy."""
        kind = CONDITIONS[self.kind]
        if kind.of != (_FAMILY,):
            return kind.holds((parameters[self.parameter],), self.bound)
        return any(
            kind.holds(tuple(parameters[path] for path in paths), self.bound)
            for paths in _by_tier(self.parameter, parameters)
        )

    def existing(self, parameters: Mapping[str, Parameter], since: date) -> bool:
        """Return whether it asks for the document of a value that was in force before a day without one.

        Such a value is existing practice. A policy that goes on with it shows neither that it keeps the rule
        nor that it breaks it.
        """
        if self.kind != "cited":
            return False
        one = parameters[self.parameter]
        return one.source is None and one.from_ is not None and one.from_ < since

    def value(self, parameters: Mapping[str, Parameter]) -> Any:
        """Return the value of the parameter, or the different values of the family."""
        if CONDITIONS[self.kind].of != (_FAMILY,):
            return parameters[self.parameter].value
        paths = _by_tier(self.parameter, parameters)
        return tuple(dict.fromkeys(parameters[path].value for group in paths for path in group))


def _by_tier(family: str, known: Mapping[str, Any]) -> list[list[str]]:
    """Return the parameters of a family, those together that differ in their tier alone."""
    inside = [path for path in known if path.startswith(f"{family}.")]
    split = [(path, path.removeprefix(f"{family}.").partition(".")) for path in inside]
    tiered = sorted((rest, path) for path, (tier, _, rest) in split if tier in TIERS)
    return [[path for _, path in group] for _, group in groupby(tiered, key=lambda one: one[0])]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that an overlay asks of a policy.

    Attributes
    ----------
    id : str
        Its name within the overlay.
    from_ : datetime.date
        Date from which it binds.
    source : str
        Document, and the code of docs/sources.md.
    text : Label
        What it asks, in our own words.
    conditions : tuple of Condition
        What of it a policy shows; empty where nothing does.
    either : bool
        Whether one of the conditions will do.
    remedy : Label or None
        What to do where it is broken.
    unshown : Label or None
        What of it nothing in a policy shows.
    """

    id: str
    from_: date
    source: str
    text: Label
    conditions: tuple[Condition, ...]
    either: bool
    remedy: Label | None
    unshown: Label | None


@dataclass(frozen=True, slots=True)
class Overlay:
    """A rule of higher rank that binds policies from a date on.

    Attributes
    ----------
    name : str
        What a policy states in ``meta.overlays``.
    title : Label
        For people.
    document : str
        The document, with its number.
    date : datetime.date
        Date from which the rule is in force.
    requirements : tuple of Requirement
        In the order of the file.

    Examples
    --------
    >>> rule = Overlay.load("national-2025")
    >>> rule.document, [one.id for one in rule.requirements][:2]
    ('国办发〔2024〕54号', ['yearly-cap', 'off-site-first'])
    """

    name: str
    title: Label
    document: str
    date: date
    requirements: tuple[Requirement, ...]

    @classmethod
    def load(cls, name_or_path: str | Path) -> "Overlay":
        """Read an overlay that comes with tierkit by its name, or a file by its path.

        Raises
        ------
        PolicyError
            With everything that is wrong with the file.
        """
        if str(name_or_path) in overlay_names():
            return _packaged(str(name_or_path))
        path = Path(name_or_path)
        try:
            known = path.is_file()
        except OSError:  # a name too long for the file system is no file either
            known = False
        if not known:
            message = f"neither an overlay nor a file{_hint(str(name_or_path))}"
            raise PolicyError(
                [PolicyProblem(str(name_or_path), None, "", message, "name one, or give a path")]
            )
        return _read(read_file(path), path.name)


def overlay_names() -> tuple[str, ...]:
    """Return the names of the overlays that come with tierkit, in alphabetical order.

    Examples
    --------
    >>> overlay_names()
    ('national-2025', 'shanghai-2026')
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def unknown_overlays(reading: Reading) -> None:
    """Record a problem for each overlay that a policy states and that does not exist."""
    for name in reading.meta.get("overlays", ()):
        if name not in overlay_names():
            message = f"'meta.overlays' names '{name}', which is not an overlay{_hint(name)}"
            reading.note("meta.overlays", message, f"name some of {', '.join(overlay_names())}")


def _hint(name: str) -> str:
    return suggestion(name, overlay_names()) or f"; overlays are {', '.join(overlay_names())}"


@cache
def _packaged(name: str) -> Overlay:
    path = _FOLDER / f"{name}.toml"
    return _read(read_file(path), path.name)


def _read(text: str, place: str) -> Overlay:
    """Return the overlay of a text.

    Raises
    ------
    PolicyError
        With everything that is wrong with it.
    """
    tree = parse(text, place)
    reading = Reading(place, line_numbers(text), of_place=None)
    meta = _table(tree.get("meta"), "meta", _META, _META, reading)
    title = _pair(meta, "meta", "title", reading)
    for key in ("name", "document"):
        _a_text(meta, "meta", key, reading)
    _a_day(meta, "meta", "date", reading)
    requirements = [_requirement(key, tree[key], reading) for key in tree if key != "meta"]
    if not requirements:
        reading.note("", "the file states no requirement", "add a table with from, source and text")
    if reading.problems or title is None:
        raise PolicyError(reading.problems)
    found = tuple(one for one in requirements if one is not None)
    return Overlay(meta["name"], title, meta["document"], meta["date"], found)


def _requirement(name: str, given: object, reading: Reading) -> Requirement | None:
    before = len(reading.problems)
    if not _ID.fullmatch(name):
        message = f"'{name}' is not a name of a requirement"
        reading.note(name, message, "use small letters, digits and hyphens, such as yearly-cap")
    table = _table(given, name, _KEYS, ("from", "source", "text"), reading)
    _a_day(table, name, "from", reading)
    _a_text(table, name, "source", reading)
    text, remedy, unshown = (_pair(table, name, key, reading) for key in ("text", "remedy", "unshown"))
    if "all" in table and "any" in table:
        reading.note(name, f"'{name}' has both all and any", "keep one of them")
    which = next((key for key in ("all", "any") if key in table), None)
    conditions = _conditions(table[which], f"{name}.{which}", reading) if which else ()
    if which and "remedy" not in table:
        reading.note(name, f"'{name}' has conditions and no remedy", 'add remedy = ["…", "…"]')
    if which is None and "unshown" not in table:
        message = f"'{name}' has neither conditions nor unshown: it would be passed over"
        reading.note(name, message, "give all or any, or say in unshown what nothing in a policy shows")
    if len(reading.problems) > before or text is None:
        return None
    return Requirement(
        name, table["from"], table["source"], text, conditions, which == "any", remedy, unshown
    )


def _table(
    given: object, place: str, known: tuple[str, ...], needed: tuple[str, ...], reading: Reading
) -> Mapping[str, Any]:
    """Return a table; record what it lacks and what it has that is not known."""
    if not isinstance(given, Mapping):
        reading.note(place, f"'{place}' must be a table", f"add [{place}] with {', '.join(needed)}")
        return {}
    for key in given:
        if key not in known:
            path, hint = f"{place}.{key}", suggestion(key, known)
            reading.note(path, f"'{path}' is not known{hint}", f"use {', '.join(known)}")
    for key in needed:
        if key not in given:
            reading.note(place, f"'{place}.{key}' is missing", f"add {key} = …")
    return given


def _a_text(table: Mapping[str, Any], place: str, key: str, reading: Reading) -> None:
    if key in table and not is_text(table[key]):
        reading.note(
            f"{place}.{key}", f"'{place}.{key}' must be a text that is not empty", "write it in words"
        )


def _a_day(table: Mapping[str, Any], place: str, key: str, reading: Reading) -> None:
    day = table.get(key)
    if key in table and (not isinstance(day, date) or isinstance(day, datetime)):
        message = f"'{place}.{key}' must be a date such as 2024-12-30"
        reading.note(f"{place}.{key}", message, "write the date without quotation marks")


def _pair(table: Mapping[str, Any], place: str, key: str, reading: Reading) -> Label | None:
    """Return a text in both languages, None where there is none."""
    pair = table.get(key)
    if isinstance(pair, list) and len(pair) == 2 and all(map(is_text, pair)):
        return Label(*pair)
    if key in table:
        message = f"'{place}.{key}' must be two texts, in Chinese and in English"
        reading.note(f"{place}.{key}", message, f'write {key} = ["…", "…"]')
    return None


def _conditions(given: object, place: str, reading: Reading) -> tuple[Condition, ...]:
    if not isinstance(given, list) or not given:
        message = f"'{place}' must be a list of conditions"
        reading.note(place, message, 'write [{ parameter = "cap.planned_visits", at_least = 1 }]')
        return ()
    found = [_condition(one, place, reading) for one in given]
    return tuple(one for one in found if one is not None)


def _condition(given: object, place: str, reading: Reading) -> Condition | None:
    stated = given if isinstance(given, Mapping) else {}
    keys = set(stated) - {"parameter"}
    if len(stated) != 2 or len(keys) != 1 or not keys <= set(CONDITIONS):
        message = f"'{place}' has a condition that is not a parameter with one of {', '.join(CONDITIONS)}"
        reading.note(place, message, 'write { parameter = "cap.planned_visits", at_least = 1 }')
        return None
    (name,) = keys
    kind, path = CONDITIONS[name], str(stated["parameter"])
    if kind.of == (_FAMILY,):
        spec, known = None, {one.partition(".T1")[0] for one in _ANYWHERE if ".T1" in one}
        fits = path in known
    else:
        spec, known = _ANYWHERE.get(path), set(_ANYWHERE)
        fits = spec is not None and spec.kind in kind.of
    if not fits:
        what = (
            f"which '{name}' is not about"
            if path in known
            else f"which no policy has{suggestion(path, sorted(known))}"
        )
        remedy = f"name a parameter that is {' or '.join(kind.of)}"
        reading.note(place, f"'{place}' names '{path}', {what}", remedy)
        return None
    if not kind.given(stated[name], spec):
        message = f"'{place}' has {name} = {stated[name]!r:.60} for '{path}', which must be {kind.wanted}"
        reading.note(place, message, f"{spec.about.en}: {spec.range_text}" if spec else "write true")
        return None
    bound = tuple(stated[name]) if isinstance(stated[name], list) else stated[name]
    return Condition(path, name, bound)
