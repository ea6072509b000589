"""Unified social credit codes: the check character of GB 32100-2015, for one code and for millions.

A code has 18 characters of an alphabet of 31 (no I, O, S, V, Z): the registering department, the category,
six digits of the administrative division, nine characters of organisation code (GB 11714, with a check
character of its own) and the check character over all of them.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = [
    "ALPHABET",
    "LENGTH",
    "MAX_SERIAL",
    "check_character",
    "is_valid",
    "make",
    "valid_mask",
]

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LENGTH = 18
MAX_SERIAL = 31**6 - 1

# Organisation codes are digits or begin with MA and the like, so no real enterprise has one of these.
_SYNTHETIC = "TK"
_WEIGHTS = np.array([pow(3, i, 31) for i in range(LENGTH - 1)], dtype=np.int32)
_INNER_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int32)  # GB 11714
_INNER_CHECKS = np.frombuffer(b"0X987654321", dtype=np.uint8)  # by the weighted sum modulo 11
_BYTES = np.frombuffer(ALPHABET.encode("ascii"), dtype=np.uint8)
_VALUES = np.full(256, -1, dtype=np.int8)
_VALUES[_BYTES] = np.arange(31)
_INNER_VALUES = np.zeros(256, dtype=np.int32)
_INNER_VALUES[np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)] = np.arange(36)


def check_character(code17: str) -> str:
    """Return the 18th character that belongs to the first 17 of a code.

    With values ``c_i`` and weights ``3**i mod 31``, the check value is ``-sum(c_i * w_i) mod 31``
    (GB 32100-2015).

    Parameters
    ----------
    code17 : str
        The first 17 characters.

    Returns
    -------
    str
        One character of `ALPHABET`.

    Raises
    ------
    ValueError
        If the text has not 17 characters, or one that is not in `ALPHABET`.

    Examples
    --------
    >>> check_character("91350100M000100Y4")
    '3'
    """
    bad = sorted(set(code17) - set(ALPHABET))
    if len(code17) != LENGTH - 1 or bad:
        what = f"characters {bad} outside {ALPHABET}" if bad else f"{len(code17)} characters"
        raise ValueError(
            f"the first part of a credit code must be 17 characters of {ALPHABET}. Got {what} instead."
        )
    total = sum(ALPHABET.index(c) * int(w) for c, w in zip(code17, _WEIGHTS, strict=True))
    return ALPHABET[-total % 31]


def is_valid(code: object) -> bool:
    """Return whether a code has 18 characters of the alphabet and the right check character.

    Examples
    --------
    >>> is_valid("91350100M000100Y43"), is_valid("91350100M000100Y44"), is_valid(None)
    (True, False, False)
    """
    if not isinstance(code, str) or len(code) != LENGTH or not set(code) <= set(ALPHABET):
        return False
    return check_character(code[:-1]) == code[-1]


def valid_mask(codes: Any) -> NDArray[np.bool_]:
    """Return `is_valid` of many codes at once; millions of codes take a second.

    Parameters
    ----------
    codes : sequence, Series or array of str, shape (n,)
        Codes; missing ones are not valid.

    Returns
    -------
    ndarray of bool, shape (n,)

    Examples
    --------
    >>> valid_mask(["91350100M000100Y43", "91350100M000100Y44", None]).tolist()
    [True, False, False]
    """
    try:
        strings = pa.array(codes, type=pa.large_string(), from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):  # a number, or half a character
        return np.fromiter(map(is_valid, codes), dtype=np.bool_)
    if isinstance(strings, pa.ChunkedArray):
        strings = strings.combine_chunks()
    right_length = pc.fill_null(pc.equal(pc.binary_length(strings), LENGTH), False)
    valid: NDArray[np.bool_] = right_length.to_numpy(zero_copy_only=False)
    kept = strings.filter(pa.array(valid))
    if len(kept) == 0:
        return valid
    data = np.frombuffer(kept.buffers()[2], dtype=np.uint8)[: LENGTH * len(kept)]
    values = _VALUES[data.reshape(-1, LENGTH)]
    total = values[:, :-1] @ _WEIGHTS + values[:, -1]
    valid[valid] = (values >= 0).all(axis=1) & (total % 31 == 0)
    return valid


def make(serial: Any, division: Any = "310000", category: Any = "1") -> pd.Series:
    """Make codes that are valid, different for different serials, and belong to no real enterprise.

    Parameters
    ----------
    serial : array of int, shape (n,)
        Numbers from 0 to `MAX_SERIAL`; equal serials in one division and category give equal codes.
    division : str or array of str, shape (n,)
        Six digits (GB/T 2260), as a place gives them for each district.
    category : str or array of str, shape (n,)
        ``"1"`` for an enterprise, ``"2"`` for an individual business.

    Returns
    -------
    Series of str, shape (n,)

    Raises
    ------
    ValueError
        If a serial is out of range, a division is not six digits or a category not one digit.

    Examples
    --------
    >>> make([0, 1], division="310116").tolist()
    ['91310116TK00000042', '91310116TK0000012W']
    """
    numbers = np.asarray(serial, dtype=np.int64)
    if numbers.ndim != 1 or (numbers.size and (numbers.min() < 0 or numbers.max() > MAX_SERIAL)):
        raise ValueError(f"'serial' must be one-dimensional, from 0 to {MAX_SERIAL}.")
    n = len(numbers)
    characters = np.empty((n, LENGTH), dtype=np.uint8)
    characters[:, 0] = ord("9")  # registered by the market regulator
    characters[:, 1:2] = _digits(category, 1, n, "category")
    characters[:, 2:8] = _digits(division, 6, n, "division")
    characters[:, 8:10] = np.frombuffer(_SYNTHETIC.encode("ascii"), dtype=np.uint8)
    for place in range(6):
        characters[:, 15 - place] = _BYTES[numbers // 31**place % 31]
    inner = _INNER_VALUES[characters[:, 8:16]] @ _INNER_WEIGHTS
    characters[:, 16] = _INNER_CHECKS[inner % 11]
    characters[:, 17] = _BYTES[-(_VALUES[characters[:, :17]] @ _WEIGHTS) % 31]
    offsets = pa.py_buffer(np.arange(n + 1, dtype=np.int64) * LENGTH)
    strings = pa.LargeStringArray.from_buffers(n, offsets, pa.py_buffer(characters.tobytes()))
    return pd.Series(pd.array(strings, dtype=pd.StringDtype(na_value=float("nan"))), name="enterprise_id")


def _digits(texts: Any, width: int, n: int, name: str) -> NDArray[np.uint8]:
    array = np.asarray(texts, dtype=f"S{width + 1}")
    if (np.char.str_len(array) != width).any() or not np.char.isdigit(array).all():
        raise ValueError(
            f"'{name}' must be {width} digit{'s' * (width > 1)}, for instance '{'310101'[:width]}'."
        )
    flat = np.broadcast_to(array.reshape(-1), (n,)) if array.ndim == 0 else array
    if flat.shape != (n,):
        raise ValueError(
            f"'{name}' must have one value or as many as 'serial': {n}. Got {flat.shape} instead."
        )
    return np.ascontiguousarray(flat.astype(f"S{width}")).view(np.uint8).reshape(n, width)
