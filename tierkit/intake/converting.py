"""Turn batches of a source into typed columns of a table, with every cell that could not be read.

A column is converted by its distinct values, each once, so that the cost of a value's rules does not grow
with the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tierkit.intake.cells import Cell, date_cell, flag_cell, is_empty, number_cell, word
from tierkit.intake.mapping import DROP, HELPERS, OTHERS, UNKNOWN, Field, Rule, Source
from tierkit.intake.reading import LOST, Batch
from tierkit.records.columns import Column, Table
from tierkit.records.credit_code import valid_mask
from tierkit.records.levels import LEVELS
from tierkit.records.places import Place
from tierkit.records.relations import DIVISIONS

__all__ = ["ARROW", "Converted", "Converter", "Unmapped", "industry_of"]

_MEMO = 1 << 18
"""Distinct values of a column that are remembered between batches."""
_TEXT = pa.large_string()

ARROW: Mapping[str, Any] = {
    "date": pa.date32(),
    "int": pa.int64(),
    "float": pa.float64(),
    "flag": pa.bool_(),
}
"""Kind of column → its type while rows are collected; all others are text."""

_LEFT_OUT = "is left out by the mapping"
_UNMAPPED = "\x00"


@dataclass
class Unmapped:
    """A value of a column of levels to which the mapping gives no level."""

    rows: int
    file: str
    row: int


@dataclass(frozen=True)
class Converted:
    """Rows of one batch: typed columns, and the faults of cells.

    Attributes
    ----------
    columns : mapping of str to pyarrow.Array
    faults : list of (str, bool array, list of reasons, list of values)
        Column, rows at fault, and for each of these the reason and the value as it stands.
    """

    columns: dict[str, Any]
    faults: list[tuple[str, NDArray[np.int64], list[str], list[str]]]


@dataclass
class Converter:
    """Converts the batches of one source.

    Parameters
    ----------
    source : Source
    table : Table
        With the levels and ids of the place.
    place : Place
    as_of : date
    header : list of str
        Names of the columns of the file.
    """

    source: Source
    table: Table
    place: Place
    as_of: date
    header: list[str]
    unmapped: dict[tuple[str, str], Unmapped] = field(default_factory=dict)
    _memo: dict[tuple[str, int], dict[str, Cell]] = field(default_factory=dict)

    def convert(self, batch: Batch, file: str) -> Converted:
        """Convert a batch of a file."""
        columns: dict[str, Any] = {}
        faults: list[tuple[str, NDArray[np.int64], list[str], list[str]]] = []
        for name, one in self.source.fields.items():
            if one.derived or not one.rules:
                continue
            values, why, raw = self._column(one, batch)
            columns[name] = values
            if name == "name" and self.table.name == "enterprises":
                columns["_name_key"] = _keys(values)
            elif name == "enterprise_name":
                columns["_name_key"] = _keys(columns.pop(name))
            if why is not None:
                at = np.flatnonzero([bool(one) for one in why])
                faults.append(self._told(name, at, why, raw, batch, file))
        return Converted(columns, faults)

    def _told(
        self, name: str, at: NDArray[np.int64], why: list[str], raw: Any, batch: Batch, file: str
    ) -> tuple[str, NDArray[np.int64], list[str], list[str]]:
        reasons, shown = [], []
        kept = []
        for k in at.tolist():
            value = raw[k].as_py() or ""
            if why[k] == _UNMAPPED:
                seen = self.unmapped.setdefault((name, value), Unmapped(0, file, int(batch.rows[k])))
                seen.rows += 1
            kept.append(k)
            reasons.append("has no level in the mapping" if why[k] == _UNMAPPED else why[k])
            shown.append(value.replace(LOST, ""))
        return name, np.asarray(kept, np.int64), reasons, shown

    def _column(self, one: Field, batch: Batch) -> tuple[Any, list[str] | None, Any]:
        """Return the values of a column, the reasons row by row if there are any, and the texts."""
        column = self.table.columns.get(one.name)
        kind = column.kind if column is not None else HELPERS[self.table.name][one.name]
        if len(one.rules) == 1:
            return self._by_rule(one.name, 0, one.rules[0], column, kind, batch)
        assert column is not None
        ids = list(column.ids)
        worst: NDArray[np.int64] | None = None
        reasons: list[str] | None = None
        shown: Any = None
        for k, rule in enumerate(one.rules):
            values, why, raw = self._by_rule(one.name, k, rule, column, kind, batch)
            places = pc.fill_null(pc.index_in(values, value_set=pa.array(ids, _TEXT)), -1)
            codes = places.to_numpy(zero_copy_only=False).astype(np.int64)
            worst = codes if worst is None else np.maximum(worst, codes)
            if why is not None:
                reasons = why if reasons is None else [a or b for a, b in zip(reasons, why, strict=True)]
            shown = raw if shown is None else pc.coalesce(shown, raw)
        assert worst is not None
        values = pa.array(ids, _TEXT).take(pa.array(worst, mask=worst < 0))
        return values, reasons, shown

    def _by_rule(
        self, name: str, number: int, rule: Rule, column: Column | None, kind: str, batch: Batch
    ) -> tuple[Any, list[str] | None, Any]:
        size = len(batch.rows)
        if rule.constant is not None:
            value, why = self._reader(name, rule, column, kind)(rule.constant)
            return (
                pa.array([value] * size, ARROW.get(kind, _TEXT)),
                [why] * size if why else None,
                pa.array([rule.constant] * size, _TEXT),
            )
        raw = self._texts(rule, batch)
        coded = raw.dictionary_encode()
        distinct = coded.dictionary.to_pylist()
        memo = self._memo.setdefault((name, number), {})
        if len(memo) > _MEMO:
            memo.clear()
        new = [text for text in distinct if text is not None and text not in memo]
        if column is not None and column.name == "enterprise_id":
            self._codes(new, memo, column)
        else:
            read = self._reader(name, rule, column, kind)
            meant = {word(one).lower() for one in rule.values}
            for text in new:
                empty = is_empty(text) and word(text).lower() not in meant
                memo[text] = (None, "") if empty else read(text)
        found = [(None, "") if text is None else memo[text] for text in distinct]
        values = pa.array([value for value, _ in found], ARROW.get(kind, _TEXT)).take(coded.indices)
        if not any(why for _, why in found):
            return values, None, raw
        reasons = pa.array([why for _, why in found], _TEXT).take(coded.indices)
        return values, ["" if why is None else why for why in reasons.to_pylist()], raw

    def _texts(self, rule: Rule, batch: Batch) -> Any:
        arrays = [batch.columns[self.header.index(name)] for name in rule.columns]
        if len(arrays) == 1:
            return arrays[0]
        return pc.coalesce(*map(_without_empty, arrays))

    def _reader(self, name: str, rule: Rule, column: Column | None, kind: str) -> Callable[[str], Cell]:
        if kind == "date":
            until = None if column is not None and column.future else self.as_of
            return date_cell(rule.dates, until) if rule.constant is None else date_cell(["Y-M-D"], until)
        if kind in ("int", "float"):
            assert column is not None
            return _bounded(number_cell(rule.unit or column.unit, column.unit, whole=kind == "int"), column)
        if kind == "flag":
            return _by_values(rule, {}, flag_cell)
        if kind == "level" and column is not None:
            return self._level(rule, column)
        if kind == "id":
            return _id_cell
        return _text_cell

    def _level(self, rule: Rule, column: Column) -> Callable[[str], Cell]:
        if rule.at_least or rule.at_most:
            return _banded(rule)
        known: dict[str, str] = {}
        labels = self.place.levels.get(str(column.levels), LEVELS.get(str(column.levels), {}))
        for level, label in labels.items():
            for one in (level, label.zh, label.en):
                known.setdefault(word(one).lower(), level)
        return _by_values(rule, known, None)

    def _codes(self, new: list[str], memo: dict[str, Cell], column: Column) -> None:
        """Read ids of enterprises, all at once."""
        if not self.place.credit_codes:
            for text in new:
                if is_empty(text):
                    memo[text] = None, ""
                    continue
                shown, why = _id_cell(text)
                fits = isinstance(shown, str) and self.place.has_form(shown)
                wrong = why or f"does not have the form of an id here, {column.pattern}"
                memo[text] = (shown, "") if fits else (None, wrong)
            return
        shown_codes = ["".join(word(text).upper().split()) for text in new]
        good = valid_mask(shown_codes).tolist() if new else []
        for text, code, fits in zip(new, shown_codes, good, strict=True):
            if is_empty(text):
                memo[text] = None, ""
            elif fits:
                memo[text] = code, ""
            elif not column.credit_code:  # of another table: the register tells whether it is anybody's
                memo[text] = _id_cell(text)
            else:
                memo[text] = None, _why_no_code(text, code)


def _why_no_code(text: str, code: str) -> str:
    if text.startswith(LOST):
        return (
            "is a number that lost digits in the workbook: format its cells as text before codes are put in"
        )
    if len(code) != 18:
        return f"has {len(code)} characters instead of the 18 of a unified social credit code"
    return "is no unified social credit code: its check character or one of its letters is wrong"


def _keys(names: Any) -> Any:
    """Return names as they are compared."""
    coded = names.dictionary_encode()
    keys = [
        None if one is None else word(one).upper().replace(" ", "") for one in coded.dictionary.to_pylist()
    ]
    return pa.array(keys, _TEXT).take(coded.indices)


def _without_empty(array: Any) -> Any:
    coded = array.dictionary_encode()
    kept = [None if one is None or is_empty(one) else one for one in coded.dictionary.to_pylist()]
    return pa.array(kept, _TEXT).take(coded.indices)


def _id_cell(text: str) -> Cell:
    if text.startswith(LOST):
        return None, "is a number that lost digits in the workbook: format its cells as text"
    shown = "".join(word(text).split())
    if not shown or len(shown) > 64 or not shown.isprintable():
        return None, "is no identifier: it is too long, or holds what is not seen"
    return shown, ""


def _text_cell(text: str) -> Cell:
    shown = " ".join(text.replace(LOST, "").split())
    return (shown, "") if shown else (None, "")


def _bounded(read: Callable[[str], Cell], column: Column) -> Callable[[str], Cell]:
    def inner(text: str) -> Cell:
        value, why = read(text)
        if isinstance(value, int | float) and not why:
            low, high = column.low, column.high
            if low is not None and value < low:
                return None, f"is below {low:g}"
            if high is not None and value > high:
                return None, f"is above {high:,.0f} {column.unit}"
            if column.positive and value <= 0:
                return None, "is not above 0"
        return value, why

    return inner


def _banded(rule: Rule) -> Callable[[str], Cell]:
    read = number_cell(rule.unit, "元")

    def inner(text: str) -> Cell:
        value, why = read(text)
        if not isinstance(value, int | float):
            return None, why
        for bound, level in sorted(rule.at_least, reverse=True):
            if value >= bound:
                return level, ""
        for bound, level in sorted(rule.at_most):
            if value <= bound:
                return level, ""
        return rule.otherwise or None, ""

    return inner


def _by_values(
    rule: Rule, known: Mapping[str, str], read: Callable[[str], Cell] | None
) -> Callable[[str], Cell]:
    """Return a function that looks a value up, in the mapping before what is known."""
    values = {word(raw).lower(): value for raw, value in rule.values.items()}

    def inner(text: str) -> Cell:
        key = word(text).lower()
        value = values.get(key) or known.get(key)
        if value is None and read is not None:
            found = read(text)
            if not found[1]:
                return found
        value = value or values.get(OTHERS)
        if value is None:
            return None, _UNMAPPED
        if value == DROP:
            return None, _LEFT_OUT
        if value == UNKNOWN:
            return None, ""
        return (value == "true" if read is not None else value), ""

    return inner


def industry_of(code: str | None) -> tuple[str | None, str | None, str]:
    """Return section, division and digits of an industry code of GB/T 4754.

    Examples
    --------
    >>> industry_of("H6210"), industry_of("6210"), industry_of("H"), industry_of("XX")
    (('H', '62', '6210'), ('H', '62', '6210'), ('H', None, ''), (None, None, ''))
    """
    shown = word(code or "").upper().replace(".", "")
    letter = shown[:1] if shown[:1].isalpha() else ""
    digits = shown[len(letter) :]
    digits = digits if digits.isdigit() else ""
    division = digits[:2] if len(digits) >= 2 else None
    section = next((one for one, held in DIVISIONS.items() if division and int(division) in held), None)
    if section is None:
        return (letter if letter in DIVISIONS else None), None, ""
    return section, division, digits
