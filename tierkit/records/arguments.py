"""What is said of an argument that a function cannot use, and the forms of plain ones."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "InputError",
    "count_of",
    "day_of",
    "described",
    "did_you_mean",
    "id_of",
    "ids_of",
    "instance_of",
    "one_of",
    "path_of",
]

T = TypeVar("T")
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class InputError(ValueError, TypeError):
    """An argument that a function of tierkit cannot use; the message says which, why, and what to give."""


def instance_of(value: Any, kind: type[T], name: str, give: str) -> T:
    """Return a value of a class.

    Parameters
    ----------
    value
    kind : type
        The class.
    name : str
        Name of the argument, for the message.
    give : str
        What to give, for the message.

    Raises
    ------
    InputError
        If it is not of the class.
    """
    if isinstance(value, kind):
        return value
    raise InputError(f"The '{name}' must be {give}. Got {described(value)}.")


def path_of(path: Any, name: str, give: str = "a path") -> Path:
    """Return a path.

    Raises
    ------
    InputError
        If it is neither a text nor a path.
    """
    if isinstance(path, str | os.PathLike) and str(path):
        return Path(path)
    raise InputError(f"The '{name}' must be {give}. Got {described(path)}.")


def day_of(value: Any, name: str = "as_of") -> date:
    """Return a calendar day, however it was given.

    Parameters
    ----------
    value : str, datetime.date, or naive midnight datetime.datetime or pandas.Timestamp
        A text must be an ISO day, ``YYYY-MM-DD``.
    name : str
        Name of the argument, for the message.

    Returns
    -------
    datetime.date

    Raises
    ------
    InputError
        If the value is anything else: an integer, a day and month in another order, a time of day, a time
        zone, a missing date.

    Examples
    --------
    >>> day_of("2024-12-30")
    datetime.date(2024, 12, 30)
    >>> day_of(20241230)
    Traceback (most recent call last):
        ...
    tierkit.records.arguments.InputError: The 'as_of' must be one day: ...
    """
    why = "it is none of these"
    if isinstance(value, datetime):  # pandas.Timestamp is one too, and NaT is not equal to itself
        if value != value:
            why = "it is missing"
        elif value.tzinfo is not None:
            why = "it has a time zone; give the local day"
        elif value.time() != time(0) or getattr(value, "nanosecond", False):
            why = "it has a time of day"
        else:
            return value.date()
    elif isinstance(value, date):
        return value
    elif isinstance(value, str):
        if _ISO_DAY.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                why = "there is no such day"
        else:
            why = "a text must be YYYY-MM-DD"
    raise InputError(
        f"The '{name}' must be one day: a text such as '2024-12-30', a datetime.date, or a pandas.Timestamp "
        f"at midnight without a time zone. Got {described(value)}: {why}."
    )


def id_of(value: Any, name: str = "enterprise_id") -> str:
    """Return one id.

    Raises
    ------
    InputError
        If it is no text.
    """
    if isinstance(value, str) and value:
        return value
    raise InputError(f"The '{name}' must be one id, a text. Got {described(value)}.")


def ids_of(ids: Any, name: str = "ids", what: str = "ids") -> list[str]:
    """Return ids, or other names of things, as a list.

    Raises
    ------
    InputError
        If it is one id alone, or something in it is no text.

    Examples
    --------
    >>> ids_of("91310000MA1FL0002X")
    Traceback (most recent call last):
        ...
    tierkit.records.arguments.InputError: The 'ids' must be a list of ids. Got one text; give ['...'].
    """
    if isinstance(ids, str):
        raise InputError(f"The '{name}' must be a list of {what}. Got one text; give [{ids!r}].")
    if isinstance(ids, Iterable) and not isinstance(ids, Mapping | bytes):
        listed = list(ids)
        strange = [one for one in listed if not isinstance(one, str)]
        if not strange:
            return listed
        raise InputError(f"The '{name}' must be a list of texts. Got {described(strange[0])} in it.")
    raise InputError(f"The '{name}' must be a list of {what}. Got {described(ids)}.")


def count_of(value: Any, name: str, least: int = 1) -> int:
    """Return a whole number.

    Raises
    ------
    InputError
        If it is anything else, or below ``least``.

    Examples
    --------
    >>> count_of(2.5, "enterprises")
    Traceback (most recent call last):
        ...
    tierkit.records.arguments.InputError: The 'enterprises' must be a whole number from 1. Got 2.5 (float).
    """
    whole = hasattr(value, "__index__") and not isinstance(value, bool)
    if whole and int(value) >= least:
        return int(value)
    raise InputError(f"The '{name}' must be a whole number from {least}. Got {described(value)}.")


def one_of(value: Any, allowed: Collection[str], name: str) -> str:
    """Return one of some words.

    Raises
    ------
    InputError
        If it is none of them.

    Examples
    --------
    >>> one_of("weigthed", ("naive", "weighted"), "scheme")
    Traceback (most recent call last):
        ...
    tierkit.records.arguments.InputError: The 'scheme' must be one of naive, weighted. Got 'weigthed' (str).
    """
    if isinstance(value, str) and value in allowed:
        return value
    raise InputError(f"The '{name}' must be one of {', '.join(allowed)}. Got {described(value)}.")


def did_you_mean(word: object, words: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of ``words``, or what there is.

    Examples
    --------
    >>> did_you_mean("inspection", ["enterprises", "inspections"])
    "; did you mean 'inspections'?"
    >>> did_you_mean("zzz", ["enterprises", "inspections"])
    '; there are enterprises, inspections'
    """
    known = [str(one) for one in words]
    near = get_close_matches(str(word), known, n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else f"; there are {', '.join(known)}"


def described(value: Any) -> str:
    """Return a short description of a value for a message: what it is, and of what type.

    Examples
    --------
    >>> described(20241230)
    '20241230 (int)'
    """
    text = repr(value)
    if len(text) > 60 or "\n" in text:
        return f"a {type(value).__name__}"
    return f"{text} ({type(value).__name__})"
