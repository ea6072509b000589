"""What the JSON files of a model may hold: read without trust, and held against a stated form.

A form is a function of a value and of its place in the file. It returns nothing, and raises a `ContentError`
that names the place.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Hashable
from datetime import date
from typing import Any, NoReturn, TypeAlias

from tierkit.bounds import is_unicode

__all__ = [
    "ContentError",
    "Form",
    "anything",
    "count",
    "day",
    "digest",
    "either",
    "flag",
    "intervals",
    "known",
    "mapping",
    "maybe",
    "number",
    "read_json",
    "record",
    "refuse",
    "series",
    "share",
    "text",
]

Form: TypeAlias = Callable[[Any, str], None]
_LARGEST_INT = 2**53  # beyond, floats skip whole numbers
_ROUNDED = 1e-9  # what a sum of many shares may be off by
_LONGEST_NUMBER = 40  # characters
_MOST_ITEMS = 100_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ContentError(ValueError):
    """A file of a model holds what no model has; the message begins with the place in the file."""


def refuse(place: str, problem: str) -> NoReturn:
    """Raise a `ContentError`."""
    raise ContentError(f"{place or 'the file'}: {problem}")


def read_json(source: str) -> Any:
    """Return the value of a JSON text in which nothing is hidden.

    Raises
    ------
    ContentError
        If it is no JSON, nested too deeply, gives a key twice, or holds a number that is not finite or longer
        than 40 characters, or a text that is not Unicode.

    Examples
    --------
    >>> read_json('{"rate": 0.5, "rate": 0.7}')
    Traceback (most recent call last):
    tierkit.scores.content.ContentError: the file: the key 'rate' is given twice.
    """
    try:
        tree = json.loads(
            source, object_pairs_hook=_once, parse_int=_int, parse_float=_float, parse_constant=_float
        )
        if not is_unicode(tree):
            raise ContentError("the file: has a text with half of a surrogate pair.")
        return tree
    except RecursionError:
        raise ContentError("the file: is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise ContentError(f"the file: is no JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        refuse("", f"the key {twice[:_LONGEST_NUMBER]!r} is given twice.")
    return found


def _short(digits: str) -> str:
    if len(digits) > _LONGEST_NUMBER:
        refuse("", f"a number of {len(digits):,} characters is too long.")
    return digits


def _int(digits: str) -> int:
    return int(_short(digits))


def _float(digits: str) -> float:
    value = float(_short(digits))
    if not math.isfinite(value):
        refuse("", f"the number {digits} is not finite.")
    return value


def record(**fields: Form) -> Form:
    """Return the form of an object with just these keys.

    Examples
    --------
    >>> record(name=text(), rate=number(0, 1))({"name": "a", "rate": 2}, "rows[3]")
    Traceback (most recent call last):
    tierkit.scores.content.ContentError: rows[3].rate: must be a number from 0 to 1. Got 2 instead.
    """

    def form(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            refuse(place, f"must be an object. Got {_shown(value)} instead.")
        if unknown := [key for key in value if key not in fields]:
            refuse(place, f"has the unknown key {_shown(unknown[0])}.")
        if absent := [key for key in fields if key not in value]:
            refuse(place, f"has no {absent[0]!r}.")
        for key, one in value.items():
            fields[key](one, _at(place, key))

    return form


def intervals(of: Form, *told: tuple[str, str, str]) -> Form:
    """Return the form of an object in which an interval has both ends, in order, and stands beside its value.

    Parameters
    ----------
    of : Form
        The form of the object, which holds all that is named.
    *told : tuple of str
        The keys of a value, of its lower end and of its upper end; all three may be null, or the ends.

    Examples
    --------
    >>> keys = ("auc", "low", "high")
    >>> of = intervals(record(**dict.fromkeys(keys, maybe(share()))), keys)
    >>> of({"auc": 0.6, "low": 0.5, "high": None}, "test")
    Traceback (most recent call last):
    tierkit.scores.content.ContentError: test.high: is null, and 'low' is not: an interval has two ends.
    """

    def form(value: Any, place: str) -> None:
        of(value, place)
        for middle, low, high in told:
            for one, other in ((low, high), (high, low)):
                if value[one] is None and value[other] is not None:
                    refuse(_at(place, one), f"is null, and {other!r} is not: an interval has two ends.")
            if value[low] is None:
                continue
            if value[middle] is None:
                refuse(_at(place, middle), "is null, and its interval is not.")
            if value[low] > value[high]:
                refuse(_at(place, low), f"is above {high!r}.")

    return form


def mapping(of: Form, most: int = _MOST_ITEMS) -> Form:
    """Return the form of an object with any keys, whose values have one form."""

    def form(value: Any, place: str) -> None:
        if not isinstance(value, dict) or len(value) > most:
            refuse(place, f"must be an object of at most {most} keys. Got {_shown(value)} instead.")
        for key, one in value.items():
            text()(key, place)
            of(one, _at(place, key))

    return form


def series(of: Form, most: int = _MOST_ITEMS, *, apart: bool = False) -> Form:
    """Return the form of an array whose items have one form; ``apart`` if no two may be alike."""

    def form(value: Any, place: str) -> None:
        if not isinstance(value, list) or len(value) > most:
            refuse(place, f"must be an array of at most {most} items. Got {_shown(value)} instead.")
        for at, one in enumerate(value):
            of(one, f"{place}[{at}]")
        if apart and len(set(value)) < len(value):
            refuse(place, "holds an item twice.")

    return form


def maybe(of: Form) -> Form:
    """Return the form of what may be null."""

    def form(value: Any, place: str) -> None:
        if value is not None:
            of(value, place)

    return form


def either(*forms: Form) -> Form:
    """Return the form of a value that has the first or another of some forms."""

    def form(value: Any, place: str) -> None:
        for one in forms[:-1]:
            try:
                one(value, place)
            except ContentError:
                continue
            return
        forms[-1](value, place)

    return form


def number(low: float = -math.inf, high: float = math.inf, *, above: float = -math.inf) -> Form:
    """Return the form of a finite number from ``low`` to ``high``, and larger than ``above``."""

    def form(value: Any, place: str) -> None:
        plain = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not plain or not low <= value <= high or not value > above:
            limit = f" from {low} to {high}" if math.isfinite(low) or math.isfinite(high) else ""
            limit += f" above {above}" if math.isfinite(above) else ""
            refuse(place, f"must be a number{limit}. Got {_shown(value)} instead.")

    return form


def share(low: float = 0.0) -> Form:
    """Return the form of a share from ``low`` to 1, which may be off by a rounding."""

    def form(value: Any, place: str) -> None:
        number()(value, place)
        if not low - _ROUNDED <= value <= 1 + _ROUNDED:
            refuse(place, f"must be a share from {low:g} to 1. Got {_shown(value)} instead.")

    return form


def count(least: int = 0, most: int = _LARGEST_INT) -> Form:
    """Return the form of a whole number."""

    def form(value: Any, place: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            refuse(place, f"must be a whole number from {least} to {most}. Got {_shown(value)} instead.")

    return form


def anything(value: Any, place: str) -> None:
    """Refuse nothing: what reads the value holds it against its own form."""


def flag(value: Any, place: str) -> None:
    """Refuse what is not true or false."""
    if not isinstance(value, bool):
        refuse(place, f"must be true or false. Got {_shown(value)} instead.")


def text(longest: int = 1000) -> Form:
    """Return the form of a text."""

    def form(value: Any, place: str) -> None:
        if not isinstance(value, str) or len(value) > longest:
            refuse(place, f"must be a text of at most {longest} characters. Got {_shown(value)} instead.")

    return form


def known(*values: Hashable) -> Form:
    """Return the form of one of some values, of the same type."""

    def form(value: Any, place: str) -> None:
        if not any(type(value) is type(one) and value == one for one in values):
            told = " or ".join(map(repr, values))
            refuse(place, f"must be {told}. Got {_shown(value)} instead.")

    return form


def day(value: Any, place: str) -> None:
    """Refuse what is no day as YYYY-MM-DD."""
    try:
        same = date.fromisoformat(value).isoformat() == value
    except (TypeError, ValueError):
        same = False
    if not same:
        refuse(place, f"must be a day as YYYY-MM-DD. Got {_shown(value)} instead.")


def digest(value: Any, place: str) -> None:
    """Refuse what is no SHA-256 in hexadecimal."""
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        refuse(place, f"must be a SHA-256 of 64 hexadecimal digits. Got {_shown(value)} instead.")


def _at(place: str, key: str) -> str:
    return f"{place}.{key[:_LONGEST_NUMBER]}" if place else key[:_LONGEST_NUMBER]


def _shown(value: Any) -> str:
    """Return a value in few characters, and without looking into a large one."""
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value):,}"
    return repr(value)[:_LONGEST_NUMBER]
