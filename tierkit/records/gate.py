"""The one gate for what users hand in: a day has one strict form; all else is refused in a sentence.

Rooms further up have their own part of the gate, for what they define: policies, models, scores.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Any

__all__ = ["InputError", "day_of", "described"]

_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class InputError(ValueError, TypeError):
    """An argument that a function of tierkit cannot use; the message says which, why, and what to give."""


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
    tierkit.records.gate.InputError: The 'as_of' must be one day: ...
    """
    why = "a day has no other form"
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
