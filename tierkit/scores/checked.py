"""What an array has to be before a number is taken from it: one table, read by every public measure.

The rule is the same everywhere. **Arrays that are not what they have to be are refused**, with one error that
names everything wrong: a value missing or out of range, a shape of two dimensions, lengths that differ. **A
statistic that does not exist for sound arrays is NaN**: the AUC of one class, a rate of no rows, an interval
of one enterprise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Floats, Mask

__all__ = [
    "KINDS",
    "Kind",
    "checked",
    "checked_count",
    "checked_share",
    "checked_whole",
    "is_number",
    "unmasked",
]


class Kind(NamedTuple):
    """What every value of an array must be, in words and as a test."""

    must_be: str
    holds: Callable[[Floats], Mask]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "outcomes": Kind("0 or 1", lambda x: (x == 0) | (x == 1)),
        "probabilities": Kind("a probability in 0 … 1", lambda x: (x >= 0) & (x <= 1)),
        "values": Kind("a finite number, or missing", lambda x: ~np.isinf(x)),
        "scores": Kind("a finite number", np.isfinite),
        "amounts": Kind("a finite number, 0 or more", lambda x: np.isfinite(x) & (x >= 0)),
        "weights": Kind("a finite weight, 0 or more", lambda x: np.isfinite(x) & (x >= 0)),
        "groups": Kind("a group", lambda x: ~pd.isna(x)),
    }
)
"""Kind of array → what it must be. Weights may not all be 0, and are 1 where none are given.

Weights and amounts are summed and squared, so these sums must be numbers too.
"""
_NUMBERS = "biuf"
_SHOWN = 40
_EXACT = 2.0**53  # below this every whole number is a float


def checked(**given: tuple[str, Any]) -> list[NDArray[Any]]:
    """Return arrays of one length, each of its kind; refuse them with all that is wrong.

    Parameters
    ----------
    **given : tuple of str and array of shape (n,)
        By the name that the caller knows it by: one of `KINDS`, and the values.

    Returns
    -------
    list of array of shape (n,)
        In the order given, as float64; groups as they came.

    Raises
    ------
    ValueError
        If an array has not one dimension or another length than the first, if a value is not of its kind, or
        if all weights are 0.

    Examples
    --------
    >>> checked(y=("outcomes", [True, False]), sample_weight=("weights", None))
    [array([1., 0.]), array([1., 1.])]
    >>> checked(y=("outcomes", [0, 1, 2]), p=("scores", [0.2, 0.1]))
    Traceback (most recent call last):
    ...
    ValueError: 'y' must be 0 or 1 in every row; row 2 holds 2.0 (1 of 3 rows). 'p' has 2 rows, and 'y' has 3.
    """
    problems: list[str] = []
    arrays: list[NDArray[Any]] = []
    first, n = "", 0
    for name, (kind, values) in given.items():
        if values is None and kind == "weights":
            arrays.append(np.ones(n))
            continue
        array, wrong = _array(name, kind, values)
        if not wrong:
            if not first:
                first, n = name, len(array)
            elif len(array) != n:
                problems.append(f"'{name}' has {len(array):,} rows, and '{first}' has {n:,}.")
            wrong = _values(name, kind, array)
        problems += wrong
        arrays.append(array)
    if problems:
        raise ValueError(" ".join(problems))
    return arrays


def checked_count(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number that is not below the least, as a number of bins is.

    Raises
    ------
    ValueError
        If it is another.

    Examples
    --------
    >>> checked_count("bins", 10)
    10
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"The '{name}' must be a whole number from {least}. Got {value!r}.")
    return int(value)


def checked_share(name: str, value: float) -> float:
    """Return a number that lies between 0 and 1, as a level of confidence does.

    Raises
    ------
    ValueError
        If it does not.

    Examples
    --------
    >>> checked_share("confidence", 0.9)
    0.9
    """
    if not 0 < value < 1:
        raise ValueError(f"The '{name}' must be in (0, 1). Got {value}.")
    return float(value)


def checked_whole(name: str, values: Floats) -> NDArray[np.int64]:
    """Return numbers as integers, if all are whole.

    Raises
    ------
    ValueError
        If one is not.

    Examples
    --------
    >>> checked_whole("codes", np.array([1.0, 2.0])).tolist()
    [1, 2]
    """
    whole = (values == np.floor(values)) & (np.abs(values) <= _EXACT)
    if not whole.all():
        shown = values[np.argmin(whole)]
        raise ValueError(f"'{name}' must be a whole number in every row. Got {shown:g}.")
    return values.astype(np.int64)


def is_number(value: Any) -> bool:
    """Return whether a value is a real number; NumPy counts its durations among the whole ones.

    Examples
    --------
    >>> is_number(1.5), is_number(True), is_number(1j), is_number(np.timedelta64(1, "D"))
    (True, True, False, False)
    """
    return isinstance(value, Real | Decimal | np.bool_) and not isinstance(value, np.timedelta64)


def unmasked(values: Any) -> Any:
    """Return values as they came, with None for what is masked; NumPy reads what is under a mask.

    Examples
    --------
    >>> unmasked(np.ma.masked_array([1, 999], [False, True])).tolist()
    [1, None]
    """
    if isinstance(values, list | tuple) and any(isinstance(one, np.ma.MaskedArray) for one in values):
        if any(one is np.ma.masked for one in values):
            return [None if one is np.ma.masked else one for one in values]
        values = np.ma.array(values)
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.getmaskarray(values).any():
        return values.data
    array = values.data.astype(object)
    array[np.ma.getmaskarray(values)] = None
    return array


def _array(name: str, kind: str, values: Any) -> tuple[NDArray[Any], list[str]]:
    """Return the values as an array of one dimension, or what is wrong with them."""
    array = np.asarray(unmasked(values))
    if array.ndim != 1:
        told = f"'{name}' has the shape {array.shape}, and must have one dimension."
        return array, [told + (" Give its column alone." if array.ndim == 2 else "")]
    if kind == "groups":
        return array, []
    try:
        gone = pd.isna(array)
    except ArithmeticError:  # a signalling NaN, of decimals, bears no comparison
        return array, [_not_numbers(name, kind, array)]
    if array.dtype == object and all(map(is_number, array[~gone])):
        array = np.where(gone, np.nan, array)
    elif array.dtype.kind not in _NUMBERS and len(array):
        return array, [_not_numbers(name, kind, array)]
    try:
        return array.astype(np.float64), []
    except (TypeError, ValueError):
        return array, [_not_numbers(name, kind, array)]


def _not_numbers(name: str, kind: str, array: NDArray[Any]) -> str:
    return f"'{name}' must be {KINDS[kind].must_be} in every row; it holds {array.dtype}, no numbers."


def _values(name: str, kind: str, array: NDArray[Any]) -> list[str]:
    """Return what is wrong with the values of an array."""
    bad = np.flatnonzero(~KINDS[kind].holds(array))
    if bad.size:
        shown = str(array[bad[0]])[:_SHOWN]
        count = f"{bad.size:,} of {len(array):,} rows"
        return [f"'{name}' must be {KINDS[kind].must_be} in every row; row {bad[0]} holds {shown} ({count})."]
    if kind == "weights" and len(array) and not array.sum() > 0:
        return [f"'{name}' has no weight above zero. Give weight to a row at least."]
    if kind in ("weights", "amounts") and array.any():
        with np.errstate(over="ignore"):
            squares = (array**2).sum()
        if not (0 < squares < np.inf):
            return [f"'{name}' must have sums and squares that are numbers. Scale it, to a mean of 1 say."]
    return []
