"""Read the file of a place: every problem at once, each with its line and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from string import Formatter
from typing import Any, NamedTuple

from tierkit.bounds import PROBLEMS, UnreadableError, parse_toml
from tierkit.records.label import Label
from tierkit.records.levels import LEVELS
from tierkit.records.lines import line_numbers
from tierkit.records.places.entries import Agency, District, Item, Names, Sector
from tierkit.records.problems import DataError, Problem, suggestion
from tierkit.texts import is_text

__all__ = ["Content", "PlaceError", "matches", "read"]

MOST = {"district": 127, "agency": 30, "sector": 127, "item": 8}
"""Most entries of each table: levels are held in 7 bits, and the visits of a week numbered in 5."""
_NAME = re.compile(r"^[a-z][a-z0-9_-]{0,39}$")
_SERIAL = re.compile(r"\{serial(:0[1-9]\d?d)?\}")  # ids have at most 64 characters


class PlaceError(DataError):
    """A place file that cannot be used; the message lists every problem with its line."""


class Field(NamedTuple):
    """What one key of an entry must be; a key without a default must be given."""

    wanted: str
    fits: Callable[[Any], bool]
    default: Any = None
    required: bool = True


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_text, value))


def _one_of(*names: str) -> Field:
    return Field(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)


_TEXT = Field("a text that is not empty", is_text)
_TEXTS = Field("a list of texts, at least one", _are_texts)
_FLAG = Field("true or false", lambda value: isinstance(value, bool), False, required=False)
_OPTIONAL_TEXT = _TEXT._replace(required=False, default="")
_OPTIONAL_TEXTS = _TEXTS._replace(required=False, default=())
_LABEL = {"zh": _TEXT, "en": _TEXT}

_ENTRIES: Mapping[str, Mapping[str, Field]] = {
    "district": {
        **_LABEL,
        "division": Field(
            "six digits",
            lambda value: isinstance(value, str) and bool(re.fullmatch(r"[0-9]{6}", value)),
            "",
            False,
        ),
        "towns": _OPTIONAL_TEXTS,
        "rural": _FLAG,
    },
    "agency": {**_LABEL, "level": _one_of(*LEVELS["agency_level"]), "core": _FLAG},
    "sector": {
        **_LABEL,
        "section": _one_of(*LEVELS["industry_section"]),
        "divisions": Field(
            "a list of divisions of two digits, at least one",
            lambda value: _are_texts(value) and all(re.fullmatch(r"[0-9]{2}", one) for one in value),
        ),
        "trades": _TEXTS,
        "licensed": _FLAG,
    },
    "item": {
        "class": _one_of(*LEVELS["item_class"]),
        **_LABEL,
        "minutes": Field(
            "a whole number from 1 to 10080", lambda value: type(value) is int and 1 <= value <= 10080
        ),
        "offsite": _FLAG,
        "basis": _OPTIONAL_TEXT,
    },
}
"""Table of a place file → what each of its entries holds."""

_ALL = "all"
"""In a table of bases: the items of the agency that are not named."""

_SINGLE: Mapping[str, Mapping[str, Field]] = {
    "place": {
        "name": Field(
            "a short name of small letters, digits, - and _",
            lambda value: isinstance(value, str) and bool(_NAME.match(value)),
        ),
        **_LABEL,
        "language": _one_of("zh", "en"),
        "past_policy": _OPTIONAL_TEXT._replace(default="generic"),
    },
    "ids": {
        "scheme": _one_of("uscc", "free"),
        "pattern": _OPTIONAL_TEXT,
        "made": Field(
            "a text with {serial}, such as 'T{serial:06d}'",
            lambda value: is_text(value) and len(_SERIAL.findall(value)) == 1 == value.count("{"),
            "",
            required=False,
        ),
    },
    "names": {
        "pattern": _TEXT,
        "brands": _TEXTS,
        "company": _TEXT,
        "individual": _TEXT,
        "park": _TEXT,
        "towns": _TEXTS,
    },
}
"""Table of a place file that is one entry → what it holds."""

_WORDS = {"pattern": {"first", "second", "trade", "form"}, "park": {"district"}}


class Content(NamedTuple):
    """What a place file says, checked."""

    about: Mapping[str, str]
    ids: Mapping[str, str]
    districts: Mapping[str, District]
    agencies: Mapping[str, Agency]
    sectors: Mapping[str, Sector]
    items: Mapping[str, Item]
    names: Names
    city: Mapping[str, Any]


class _Reading:
    """The problems found so far in one file, each with its line."""

    def __init__(self, text: str, file: str) -> None:
        self.file, self.lines, self.problems = file, line_numbers(text), list[Problem]()

    def note(self, path: str, message: str, remedy: str) -> None:
        """Add a problem.

        Raises
        ------
        PlaceError
            With all of them, once there are `PROBLEMS`.
        """
        at = path
        while at and at not in self.lines:
            at = at.rpartition(".")[0]
        where = (f"line {self.lines[at]}",) if at else ()
        self.problems.append(Problem(self.file, path, 0, where, message, remedy))
        if len(self.problems) == PROBLEMS:
            more = f"has {PROBLEMS} problems before this place; what follows was not read"
            remedy = "Correct these, and try again"
            raise PlaceError([*self.problems, Problem(self.file, "", 0, where, more, remedy)])

    def fields(self, path: str, entry: Any, wanted: Mapping[str, Field]) -> dict[str, Any]:
        """Return what one entry holds, noting what is missing, unknown or unfit."""
        if not isinstance(entry, Mapping):
            self.note(path, "must be a table", f"Give {', '.join(wanted)}")
            return {}
        for key in entry:
            if key not in wanted:
                self.note(
                    f"{path}.{key}",
                    f"is not known{suggestion(key, list(wanted))}",
                    f"Use {', '.join(wanted)}",
                )
        found = {}
        for key, field in wanted.items():
            if key not in entry:
                if field.required:
                    self.note(f"{path}.{key}", "is missing", f"Give {field.wanted}")
                found[key] = field.default
            elif field.fits(entry[key]):
                found[key] = tuple(entry[key]) if isinstance(entry[key], list) else entry[key]
            else:
                self.note(f"{path}.{key}", f"= {entry[key]!r} must be {field.wanted}", "Correct the value")
        return found


def matches(pattern: str, text: str) -> bool:
    """Return whether a regular expression is found in a text, by the rules by which cells are checked.

    They allow no look-around and no back references, so no pattern takes long.

    Raises
    ------
    ValueError
        If it is no such expression.

    Examples
    --------
    >>> matches("^T[0-9]{6}$", "T000001"), matches("^(a+)+$", "a" * 60 + "b")
    (True, False)
    """
    import pyarrow as pa  # where it is needed: a policy can be checked without
    import pyarrow.compute as pc

    return bool(pc.match_substring_regex(pa.scalar(text), pattern).as_py())


def read(text: str, file: str) -> Content:
    """Return what the text of a place file says.

    Parameters
    ----------
    text : str
    file : str
        What messages call it.

    Raises
    ------
    PlaceError
        With everything that is wrong.
    """
    try:
        tree = parse_toml(text)
    except UnreadableError as error:
        raise PlaceError([Problem(file, "", 0, (), f"cannot be read: {error}", error.remedy)]) from error
    reading = _Reading(text, file)
    known = (*_SINGLE, *_ENTRIES, "basis", "city")
    for table in tree:
        if table not in known:
            reading.note(
                table, f"is not a table of a place{suggestion(table, known)}", f"Use {', '.join(known)}"
            )
    single = {table: reading.fields(table, tree.get(table, {}), _SINGLE[table]) for table in _SINGLE}
    entries = {table: _entries(table, tree.get(table, {}), reading) for table in _ENTRIES}
    _check_ids(single["ids"], entries["district"], reading)
    _check_names(single["names"], reading)
    _check_items(entries["item"], reading)
    bases = _bases(tree.get("basis", {}), entries, reading)
    city = tree.get("city", {})
    if not isinstance(city, Mapping):
        reading.note(
            "city", "must be a table of parameters of the synthetic city", "Give [city.share.sector], …"
        )
    if reading.problems:
        raise PlaceError(reading.problems)
    return _content(single, entries, bases, city)


def _entries(table: str, tree: Any, reading: _Reading) -> dict[str, dict[str, Any]]:
    if not isinstance(tree, Mapping) or not tree:
        reading.note(table, "has no entries", f"Give [{table}] with at least one")
        return {}
    if len(tree) > MOST[table]:
        reading.note(table, f"has {len(tree)} entries", f"Give at most {MOST[table]}")
    for name in tree:
        if not _NAME.match(name):
            reading.note(
                f"{table}.{name}",
                "is not an id",
                "Use small letters, digits, - and _, beginning with a letter",
            )
    return {name: reading.fields(f"{table}.{name}", entry, _ENTRIES[table]) for name, entry in tree.items()}


def _check_ids(ids: Mapping[str, Any], districts: Mapping[str, Mapping[str, Any]], reading: _Reading) -> None:
    if ids.get("scheme") == "uscc":
        for name, district in districts.items():
            if district.get("division") == "":
                reading.note(f"district.{name}.division", "is missing", "Give six digits: its ids carry them")
        for key in ("pattern", "made"):
            if ids.get(key):
                reading.note(
                    f"ids.{key}", "has no meaning for credit codes", "Take it out, or use scheme = 'free'"
                )
    elif ids.get("scheme") == "free":
        pattern, made = ids.get("pattern"), ids.get("made")
        for key, value in (("pattern", pattern), ("made", made)):
            if value == "":
                reading.note(f"ids.{key}", "is missing", f"Give {_FREE[key]}")
        if not pattern:
            return
        try:
            example = str(made).format(serial=1)
            fits = matches(str(pattern), example) or not made
        except ValueError as error:
            reading.note("ids.pattern", f"is not a regular expression: {error}", "Correct it")
            return
        if not fits:
            reading.note(
                "ids.made", f"gives {example!r}, which does not match ids.pattern", "Make them agree"
            )


_FREE = {
    "pattern": "a regular expression that every id matches, such as '^T[0-9]{6}$'",
    "made": "a text with {serial} from which synthetic ids are made, such as 'T{serial:06d}'",
}


def _check_names(names: Mapping[str, Any], reading: _Reading) -> None:
    for key, words in _WORDS.items():
        if not _is_filled_by(names.get(key) or "", words):
            shown = ", ".join(f"{{{word}}}" for word in sorted(words))
            reading.note(f"names.{key}", f"= {names[key]!r} may hold {shown}", "Take out other braces")


def _is_filled_by(text: str, words: Collection[str]) -> bool:
    """Return whether what stands in braces is one of some words alone, so that `str.format` fills it."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return False
    return all(
        word is None or (word in words and not spec and conversion is None)
        for _, word, spec, conversion in parts
    )


def _check_items(items: Mapping[str, Mapping[str, Any]], reading: _Reading) -> None:
    classes = {item.get("class") for item in items.values()}
    for item_class in LEVELS["item_class"]:
        if items and item_class not in classes:
            reading.note("item", f"has none of class {item_class}", "Give each class at least one item")


def _bases(
    tree: Any, entries: Mapping[str, Mapping[str, Any]], reading: _Reading
) -> dict[str, dict[str, str]]:
    """Return agency → item, or `all` for the rest of its items → the legal basis."""
    if not isinstance(tree, Mapping):
        reading.note("basis", "must be a table of agencies", 'Give [basis] with fire = { all = "…" }')
        return {}
    found: dict[str, dict[str, str]] = {}
    for agency, given in tree.items():
        path = f"basis.{agency}"
        if agency not in entries["agency"]:
            hint = suggestion(agency, list(entries["agency"]))
            reading.note(path, f"is not an agency of the place{hint}", "Use the ids of [agency]")
            continue
        wanted = dict.fromkeys((_ALL, *entries["item"]), _OPTIONAL_TEXT)
        found[agency] = {key: text for key, text in reading.fields(path, given, wanted).items() if text}
    return found


def _label(entry: Mapping[str, Any]) -> Label:
    return Label(entry["zh"], entry["en"])


def _content(
    single: Mapping[str, Mapping[str, Any]],
    entries: Mapping[str, Mapping[str, Mapping[str, Any]]],
    bases: Mapping[str, Mapping[str, str]],
    city: Mapping[str, Any],
) -> Content:
    names = single["names"]
    agencies = {k: Agency(_label(one), one["level"], one["core"]) for k, one in entries["agency"].items()}
    return Content(
        about=single["place"],
        ids=single["ids"],
        districts={
            k: District(_label(one), one["division"], one["towns"] or names["towns"], one["rural"])
            for k, one in entries["district"].items()
        },
        agencies=agencies,
        sectors={
            k: Sector(_label(one), one["section"], one["divisions"], one["trades"], one["licensed"])
            for k, one in entries["sector"].items()
        },
        items={
            f"{name}-{key}": _item(name, agency, one, _basis(key, one, bases.get(name, {})))
            for name, agency in agencies.items()
            for key, one in _general_first(entries["item"])
        },
        names=Names(*(names[key] for key in Names._fields)),
        city=city,
    )


def _general_first(items: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Yield the items in the order of their classes: an obligation finds those of its class side by side."""
    order = list(LEVELS["item_class"])
    return sorted(items.items(), key=lambda one: order.index(one[1]["class"]))


def _basis(key: str, one: Mapping[str, Any], of_agency: Mapping[str, str]) -> str:
    """Return the legal basis of an agency's item: its own, the agency's, or that of the item everywhere."""
    return of_agency.get(key) or of_agency.get(_ALL) or one["basis"]


def _item(name: str, agency: Agency, one: Mapping[str, Any], basis: str) -> Item:
    label = Label(f"{agency.label.zh}·{one['zh']}", f"{agency.label.en}: {one['en']}")
    return Item(label, name, one["class"], one["minutes"], one["offsite"], basis)
