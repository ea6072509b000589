"""Check cells against their column's declaration: cast what can be cast, and report the rest."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from tierkit.arrays import Mask
from tierkit.records.columns import Column
from tierkit.records.credit_code import valid_mask

__all__ = ["EARLIEST", "LATEST", "Cells", "Fault", "WrongTypeError", "check_cells", "raw_cells"]

EARLIEST = date(1949, 10, 1)
LATEST = date(2100, 12, 31)


_ID = r"^[^\s\pZ\pC]{1,64}$"
_BLANK = r"^[\s\pZ\pC]*$"
_INTEGER = r"^[+-]?[0-9]{1,18}$"
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_MIDNIGHT = r"[ T]00:00(:00(\.0+)?)?$"
_PER_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_NOT_FINITE = ("nan", "inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")


class Fault(NamedTuple):
    """Rows of one column that break one rule.

    It is ``lost`` if the declared type cannot hold their values, ``unread`` if nothing reads what is wrong,
    so that the row can be used as it is, and a ``warning`` if it may be right.
    """

    rows: Mask
    message: str
    remedy: str
    lost: bool = False
    unread: bool = False
    warning: bool = False


class Cells(NamedTuple):
    """A column cast to its declared type, what could not be cast made null, and its faults."""

    array: Any
    faults: list[Fault]


class WrongTypeError(TypeError):
    """A whole column has a type that cannot be cast to the declared one."""


def raw_cells(values: Any) -> Any:
    """Return a Series or an Arrow column as one Arrow array in which what is empty is null.

    This is the one definition of empty: null, None, NaN of any kind, NaT and NA, whatever type holds them. A
    column of nothing else has the type null, which every column can be read from. Views, dictionaries of
    numbers and the like become the plain type; nothing else is cast, but mixed types become text.
    """
    if isinstance(values, pa.Array | pa.ChunkedArray):
        array = values
    else:
        try:
            array = pa.array(values, from_pandas=True, mask=_empty(values))
        except (pa.ArrowException, UnicodeEncodeError, OverflowError):
            cells = zip(values, pd.Series(values, dtype="object").isna(), strict=True)
            array = pa.array([None if e else _printed(v) for v, e in cells], pa.large_string())
    return _plain(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array)


def _empty(values: Any) -> Any:
    """Return where Python objects are empty, which Arrow does not see in all of them; None else."""
    objects = getattr(values, "dtype", None) == np.dtype(object)
    return pd.Series(values).isna().to_numpy() if objects else None


def _plain(array: Any) -> Any:
    """Return an array of a plain type, with null for NaN; of type null if it holds nothing."""
    kind = array.type
    if pt.is_run_end_encoded(kind):
        array = pc.run_end_decode(array)
    elif pt.is_string_view(kind):
        array = pc.cast(array, pa.large_string())
    elif pt.is_list_view(kind) or pt.is_large_list_view(kind) or pt.is_fixed_size_list(kind):
        array = pc.cast(array, pa.large_list(kind.value_type))
    elif pt.is_dictionary(kind):
        values = _plain(array.dictionary)
        # levels stay codes and names
        keeps = _is_text(values.type) and not values.null_count
        array = pa.DictionaryArray.from_arrays(array.indices, values) if keeps else values.take(array.indices)
    if pt.is_floating(array.type):
        array = pc.cast(array, pa.float64())
        array = _where(array, ~_mask(pc.is_nan(array)))
    return array if array.null_count < len(array) else pa.nulls(len(array))


def check_cells(raw: Any, column: Column, as_of: date | None = None) -> Cells:
    """Cast an Arrow array to what the column declares and check every cell.

    Parameters
    ----------
    raw : pyarrow.Array, shape (n,)
        Cells as `raw_cells` gives them; texts are parsed, so that a CSV needs no types.
    column : Column
        The declaration.
    as_of : date or None
        Day after which no date may lie, unless the column allows it.

    Returns
    -------
    Cells
        Values of ``column.arrow_type`` (levels: a dictionary in declared order), and the faults.

    Raises
    ------
    WrongTypeError
        If the whole array is of a type that has nothing to do with the column's.
    """
    if pt.is_dictionary(raw.type) and column.kind != "level":
        raw = raw.dictionary_decode()
    values, faults = _KINDS[column.kind](raw, column, as_of)
    if raw.null_count:
        missing = _mask(raw.is_null())
        faults = [fault._replace(rows=fault.rows & ~missing) for fault in faults]
        if not column.nullable:
            faults.append(
                Fault(missing, "has no value", "Fill it in; this column may not be empty", lost=True)
            )
    return Cells(values, [fault for fault in faults if fault.rows.any()])


def _printed(value: object) -> str:
    """Return a value as text that can be stored: half characters are spelt out."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _mask(array: Any) -> Mask:
    return np.array(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _where(values: Any, good: Mask) -> Any:
    """Return the values, with null where they are not valid."""
    return values if good.all() else pc.if_else(pa.array(good), values, pa.scalar(None, values.type))


def _is_text(kind: Any) -> bool:
    return bool(pt.is_string(kind) or pt.is_large_string(kind))


def _matches(texts: Any, pattern: str) -> Mask:
    return _mask(pc.match_substring_regex(texts, pattern))


def _parse(raw: Any, pattern: str, kind: Any, fault: tuple[str, str]) -> tuple[Any, list[Fault]]:
    """Cast the texts that match the pattern; the others are at fault."""
    good = _matches(raw, pattern)
    return pc.cast(_where(raw, good), kind), [Fault(~good, *fault, lost=True)]


def _as_text(raw: Any) -> Any:
    if pt.is_null(raw.type) or _is_text(raw.type):
        return pc.cast(raw, pa.large_string())
    raise WrongTypeError(f"is of type {raw.type}, not text")


def _id(raw: Any, column: Column, as_of: date | None) -> tuple[Any, list[Fault]]:
    values = _as_text(raw)
    if column.credit_code:
        message = "is not a unified social credit code: its check character or its form is wrong"
        remedy = "Correct it: 18 characters as GB 32100-2015 has them"
        return values, [Fault(~valid_mask(values), message, remedy)]
    if column.pattern:
        remedy = f"Correct it: it must match {column.pattern}"
        return values, [Fault(~_matches(values, column.pattern), "does not have the declared form", remedy)]
    message = "is not an identifier: it is blank, has blanks or control characters, or is too long"
    return values, [Fault(~_matches(values, _ID), message, "Use 1 to 64 visible characters without blanks")]


def _text(raw: Any, column: Column, as_of: date | None) -> tuple[Any, list[Fault]]:
    values = _as_text(raw)
    remedy = "Leave it out altogether if it is not known" if column.nullable else "Fill it in"
    return values, [Fault(_matches(values, _BLANK), "is blank", remedy)]


def _level(raw: Any, column: Column, as_of: date | None) -> tuple[Any, list[Fault]]:
    coded = raw if pt.is_dictionary(raw.type) else _as_text(raw).dictionary_encode()
    declared = pa.array(column.ids, pa.large_string())
    places = pc.cast(pc.index_in(_as_text(coded.dictionary), value_set=declared), pa.int8())
    codes = places.take(coded.indices)
    remedy = f"Use one of {', '.join(column.ids)}"
    fault = Fault(_mask(codes.is_null()), "is not a declared level", remedy, lost=True)
    return pa.DictionaryArray.from_arrays(codes, declared), [fault]


def _flag(raw: Any, column: Column, as_of: date | None) -> tuple[Any, list[Fault]]:
    if pt.is_null(raw.type) or pt.is_boolean(raw.type):
        return pc.cast(raw, pa.bool_()), []
    if _is_text(raw.type):
        text = pc.utf8_lower(raw)
        yes = _mask(pc.is_in(text, value_set=pa.array(["true", "1"], text.type)))
        no = _mask(pc.is_in(text, value_set=pa.array(["false", "0"], text.type)))
    elif _is_number(raw.type):
        numbers = _doubles(raw)
        yes, no = _mask(pc.equal(numbers, 1.0)), _mask(pc.equal(numbers, 0.0))
    else:
        raise WrongTypeError(f"is of type {raw.type}, not true or false")
    fault = Fault(~(yes | no), "is neither true nor false", "Write true or false", lost=True)
    return _where(pa.array(yes), yes | no), [fault]


def _int(raw: Any, column: Column, as_of: date | None) -> tuple[Any, list[Fault]]:
    fault = ("is not a whole number", "Write a whole number, in digits only")
    if _is_text(raw.type):
        # Arrow reads no sign but minus; a program that kept the column as decimals wrote 10.0 for 10
        plain = pc.replace_substring_regex(raw, r"^(?:\+|(-))?([0-9]+)(?:\.0*)?$", r"\1\2")
        values, faults = _parse(plain, _INTEGER, pa.int64(), fault)
    elif pt.is_null(raw.type) or pt.is_signed_integer(raw.type):
        values, faults = (pc.cast(raw, pa.int64()) if pt.is_null(raw.type) else raw), []
    elif _is_number(raw.type):
        numbers = _doubles(raw)
        whole = _mask(pc.equal(numbers, pc.floor(numbers))) & _mask(pc.less(pc.abs(numbers), 2.0**53))
        values, faults = pc.cast(_where(numbers, whole), pa.int64()), [Fault(~whole, *fault, lost=True)]
    else:
        raise WrongTypeError(f"is of type {raw.type}, not a whole number")
    widest = 2 ** (column.bits - 1)
    over = _outside(values, -widest, widest - 1)
    if over.any():
        remedy = f"Correct it: it must be from {-widest:,} to {widest - 1:,}"
        faults = [*faults, Fault(over, "is out of range", remedy, lost=True)]
        values = _where(values, ~over)
    return pc.cast(values, column.arrow_type), [*faults, *_range(values, column)]


def _float(raw: Any, column: Column, as_of: date | None) -> tuple[Any, list[Fault]]:
    if _is_text(raw.type):
        words = _mask(pc.is_in(pc.utf8_lower(raw), value_set=pa.array(_NOT_FINITE, raw.type)))
        fault = ("is not a number", "Write it in digits, with a point before decimals")
        values, faults = _parse(pc.if_else(pa.array(words), "1e999", raw), _NUMBER, pa.float64(), fault)
    elif pt.is_null(raw.type) or _is_number(raw.type):
        values, faults = _doubles(raw), []
    else:
        raise WrongTypeError(f"is of type {raw.type}, not a number")
    infinite = _mask(pc.is_inf(values))
    remedy = "Correct it, or leave it empty if it is not known"
    endless = Fault(infinite, "is not a finite number", remedy)
    return values, [*faults, endless, *_range(_where(values, ~infinite), column)]


def _is_number(kind: Any) -> bool:
    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


def _doubles(raw: Any) -> Any:
    """Return numbers as the nearest doubles; those of decimals are taken from their digits."""
    digits = pc.cast(raw, pa.large_string()) if pt.is_decimal(raw.type) else raw
    return pc.cast(digits, pa.float64(), safe=False)


def _outside(values: Any, low: float, high: float) -> Mask:
    ends = pc.min_max(values).as_py()
    if ends["min"] is None or (low <= ends["min"] and ends["max"] <= high):
        return np.zeros(len(values), dtype=np.bool_)
    return _mask(pc.or_(pc.less(values, low), pc.greater(values, high)))


def _range(values: Any, column: Column) -> list[Fault]:
    """Return the fault of values outside the declared bounds, if any."""
    low, high = (0.0 if column.positive else column.low), column.high
    if low is None or high is None:
        return []
    outside = _outside(values, low, high)
    if column.positive:
        outside |= _mask(pc.equal(values, 0.0))
    start = f"above {low:,.15g}" if column.positive else f"from {low:,.15g}"
    unit = f" ({column.unit})" * bool(column.unit)
    return [Fault(outside, "is out of range", f"Correct it: it must be {start} to {high:,.15g}{unit}")]


def _date(raw: Any, column: Column, as_of: date | None) -> tuple[Any, list[Fault]]:
    remedy = "Write a calendar date as YYYY-MM-DD"
    faults = []
    if pt.is_null(raw.type) or pt.is_date32(raw.type):
        values = pc.cast(raw, pa.date32())
    elif _is_text(raw.type):
        raw = pc.replace_substring_regex(raw, _MIDNIGHT, "")  # many programs cannot write a date without it
        shaped = _where(raw, _matches(raw, _DATE))
        days = pc.cast(pc.strptime(shaped, format="%Y-%m-%d", unit="s", error_is_null=True), pa.date32())
        # the parser takes 30 February for 2 March, which shows when the date is written again
        good = _mask(pc.equal(pc.cast(days, raw.type), raw))
        values, faults = _where(days, good), [Fault(~good, "is not a date", remedy, lost=True)]
    elif pt.is_date64(raw.type) or (pt.is_timestamp(raw.type) and raw.type.tz is None):
        values, whole = _days(raw)
        faults = [Fault(~whole, "is not a date: it has a time of day", remedy, lost=True)]
    else:
        raise WrongTypeError(f"is of type {raw.type}, not a date without time zone")
    possible = _mask(pc.and_(pc.greater_equal(values, EARLIEST), pc.less_equal(values, LATEST)))
    impossible = _mask(values.is_valid()) & ~possible
    named = _mask(pc.and_(pc.greater_equal(values, date.min), pc.less_equal(values, date.max)))
    told = ("is an impossible date", f"Correct it: from {EARLIEST} to {LATEST}")
    faults += [Fault(impossible & named, *told), Fault(impossible & ~named, *told, lost=True)]
    values = _where(values, named | ~impossible)
    if as_of is not None and not column.future:
        late = _mask(pc.greater(values, as_of)) & possible
        remedy = f"Correct it, or leave out what was recorded after the as_of of the manifest, {as_of}"
        faults.append(Fault(late, "lies in the future", remedy))
    return values, faults


def _days(raw: Any) -> tuple[Any, Mask]:
    """Return the days of instants, and which of these begin one; days beyond date32 are its ends."""
    per_day = _PER_DAY["ms" if pt.is_date64(raw.type) else raw.type.unit]
    ticks = pc.fill_null(pc.cast(raw, pa.int64()), 0).to_numpy(zero_copy_only=False)
    days, rest = np.divmod(ticks, per_day)
    ends = np.iinfo(np.int32)
    empty = raw.is_null().to_numpy(zero_copy_only=False)
    narrow = pa.array(np.clip(days, ends.min, ends.max).astype(np.int32), mask=empty | (rest != 0))
    return pc.cast(narrow, pa.date32()), rest == 0


def _list(raw: Any, column: Column, as_of: date | None) -> tuple[Any, list[Fault]]:
    if pt.is_null(raw.type):
        return pc.cast(raw, column.arrow_type), []
    if _is_text(raw.type):
        nothing = pa.scalar([], pa.list_(raw.type))
        raw = pc.if_else(pc.equal(raw, ""), nothing, pc.split_pattern(raw, "|"))
    if not (pt.is_list(raw.type) or pt.is_large_list(raw.type)):
        raise WrongTypeError(f"is of type {raw.type}, not a list")
    parents = pc.list_parent_indices(raw).to_numpy(zero_copy_only=False)
    kind: Literal["int", "level", "text"]
    kind = "int" if column.kind == "ints" else "level" if column.levels else "text"
    entries, faults = check_cells(raw_cells(pc.list_flatten(raw)), replace(column, kind=kind, nullable=False))
    if kind == "text":
        remedy = "Take it out: it parts the entries of a list in CSV"
        faults.append(Fault(_mask(pc.match_substring(entries, "|")), "holds '|'", remedy))
    if column.dated:
        known = _mask(pc.is_in(entries, value_set=pa.array(column.dated, entries.type)))
        remedy = "Take it out, and give each as a row of credit_events, with its days"
        message = "is a kind of credit event, of which nobody would know since when"
        faults.append(Fault(known, message, remedy, unread=True))
    listed = []
    for fault in faults:
        rows = np.zeros(len(raw), dtype=np.bool_)
        rows[parents[fault.rows]] = True
        listed.append(fault._replace(rows=rows, message=f"has an entry that {fault.message}"))
    lengths = pc.fill_null(pc.list_value_length(raw), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    entries = pc.cast(entries, column.arrow_type.value_type)
    return pa.ListArray.from_arrays(offsets, entries, mask=raw.is_null()), listed


_KINDS: dict[str, Callable[[Any, Column, date | None], tuple[Any, list[Fault]]]] = {
    "id": _id,
    "text": _text,
    "level": _level,
    "flag": _flag,
    "int": _int,
    "float": _float,
    "date": _date,
    "texts": _list,
    "ints": _list,
}
