"""Cells: what is read as a value, what is refused, against oracles from the standard library."""

import math
import re
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierkit.records import FINDINGS, SHANGHAI, Column, DataError, conform
from tierkit.records.cells import EARLIEST, LATEST, WrongTypeError, check_cells, raw_cells

INT = Column("n", "int", "数", "number", nullable=True, bits=16)
FLOAT = Column("x", "float", "数", "number", nullable=True, low=-1e9, high=1e9)
DATE = Column("d", "date", "日", "day", nullable=True)
FLAG = Column("f", "flag", "否", "flag", nullable=True)
LEVEL = Column("l", "level", "级", "level", levels="finding", ids=FINDINGS, nullable=True)
TEXTS = Column("t", "texts", "签", "tags", nullable=True)
INTS = Column("i", "ints", "数", "states", nullable=True, low=0, high=3, bits=8)
ID = Column("e", "id", "号", "id")
TEXT = Column("s", "text", "名", "name")


def read(values: Any, column: Column, as_of: date | None = None) -> tuple[list[Any], list[str]]:
    """Return the values as Python objects, and for each cell what is wrong with it."""
    cells = check_cells(raw_cells(values), column, as_of)
    wrong = ["; ".join(f.message for f in cells.faults if f.rows[row]) for row in range(len(values))]
    return cells.array.to_pylist(), wrong


texts = st.one_of(
    st.text("0123456789-+.eE ", max_size=8),
    st.integers().map(str),
    st.floats().map(str),
    st.dates().map(str),
    st.text(max_size=4),
)


@given(st.lists(texts))
def test_integers_in_text_are_those_of_python(cells: list[str]) -> None:
    values, wrong = read(pa.array(cells, pa.large_string()), INT)
    for text, value, fault in zip(cells, values, wrong, strict=True):
        text = re.sub(r"(?<=[0-9])\.0*\Z", "", text)  # 10.0 is 10, as a column of decimals has it
        number = int(text) if text.lstrip("+-").isdecimal() and text.isascii() and len(text) < 18 else None
        whole = number is not None and text.count("-") + text.count("+") < 2
        if whole and -32768 <= number <= 32767:
            assert (value, fault) == (number, "")
        else:
            assert value is None
            assert fault in ("is not a whole number", "is out of range")


@given(st.lists(texts))
def test_numbers_in_text_are_those_of_python(cells: list[str]) -> None:
    values, wrong = read(pa.array(cells, pa.large_string()), FLOAT)
    for text, value, fault in zip(cells, values, wrong, strict=True):
        try:
            number = float(text) if text == text.strip() and text.isascii() else None
        except ValueError:
            number = None
        if number is None:
            assert (value, fault) == (None, "is not a number")
        elif not math.isfinite(number):
            assert fault == "is not a finite number"
        else:
            assert value == number
            assert fault == ("" if abs(number) <= 1e9 else "is out of range")


@given(st.lists(st.one_of(texts, st.from_regex(r"\A(19|20|21)[0-9]{2}-[01][0-9]-[0-3][0-9]\Z"))))
def test_dates_in_text_are_those_of_python(cells: list[str]) -> None:
    values, wrong = read(pa.array(cells, pa.large_string()), DATE)
    for text, value, fault in zip(cells, values, wrong, strict=True):
        try:
            day = date.fromisoformat(text) if len(text) == 10 and text.isascii() and text[4] == "-" else None
        except ValueError:
            day = None
        assert value == day
        expected = (
            "" if day and EARLIEST <= day <= LATEST else "is an impossible date" if day else "is not a date"
        )
        assert fault == expected


@given(st.lists(st.one_of(st.none(), st.dates(date(1900, 1, 1), date(2200, 1, 1)))))
def test_dates_of_every_type_are_read_alike(days: list[date | None]) -> None:
    expected = read(pa.array(days, pa.date32()), DATE)
    series = pd.Series(pd.to_datetime(pd.Series(days, dtype=object)).to_numpy())
    for unit in ("s", "ms", "us", "ns"):
        assert read(series.astype(f"datetime64[{unit}]"), DATE) == expected
    assert read(pd.Series(days, dtype=object), DATE) == expected
    assert read(pa.array(days, pa.date64()), DATE) == expected
    assert read([None if day is None else day.isoformat() for day in days], DATE) == expected


def test_dates_have_no_time_of_day_and_no_zone() -> None:
    assert read(pd.Series([datetime(2024, 5, 1), datetime(2024, 5, 1, 12)]), DATE) == (
        [date(2024, 5, 1), None],
        ["", "is not a date: it has a time of day"],
    )
    with pytest.raises(
        WrongTypeError, match=r"is of type timestamp\[us, tz=.*\], not a date without time zone"
    ):
        read([datetime(2024, 5, 1, tzinfo=timezone(timedelta(hours=8)))], DATE)


def test_no_date_lies_after_the_day_of_the_records() -> None:
    days = [date(2024, 12, 30), date(2024, 12, 31), date(2101, 1, 1), None]
    assert read(days, DATE, date(2024, 12, 30))[1] == ["", "lies in the future", "is an impossible date", ""]
    ahead = Column("d", "date", "日", "day", nullable=True, future=True)
    assert read(days, ahead, date(2024, 12, 30))[1] == ["", "", "is an impossible date", ""]


@pytest.mark.parametrize(
    ("cells", "values", "wrong"),
    [
        ([1, -32768, 32767, None], [1, -32768, 32767, None], [""] * 4),
        ([32768, -32769], [None, None], ["is out of range"] * 2),
        ([1.0, 2.5, float("nan"), None], [1, None, None, None], ["", "is not a whole number", "", ""]),
        ([float("inf"), 1e308, -0.0], [None, None, 0], ["is not a whole number"] * 2 + [""]),
        ([Decimal("3"), Decimal("3.5")], [3, None], ["", "is not a whole number"]),
        (np.array([2**63, 4], dtype=np.uint64), [None, 4], ["is not a whole number", ""]),
        (["7", 8, "", None], [7, 8, None, None], ["", "", "is not a whole number", ""]),
        ([None, None], [None, None], ["", ""]),
    ],
    ids=str,
)
def test_integers_of_many_types(cells: Any, values: list[Any], wrong: list[str]) -> None:
    assert read(cells, INT) == (values, wrong)


@pytest.mark.parametrize(
    ("cells", "wrong"),
    [
        ([0.5, 1, None, float("nan")], [""] * 4),
        ([float("inf"), float("-inf")], ["is not a finite number"] * 2),
        ([1e308, -1e308, 1e9], ["is out of range"] * 2 + [""]),
        (["1e308", "-1e308"], ["is out of range"] * 2),
        (["1e999", "nan", "Infinity"], ["is not a finite number"] * 3),
        (["1,5", " 1", "0x10", ""], ["is not a number"] * 4),
        ([Decimal("0.25"), None], ["", ""]),
        ([None], [""]),
    ],
    ids=str,
)
def test_numbers_of_many_types(cells: Any, wrong: list[str]) -> None:
    assert read(cells, FLOAT)[1] == wrong


def test_a_probability_is_above_zero() -> None:
    column = Column("p", "float", "概率", "probability", nullable=True, positive=True, high=1)
    cells = [0.0, -0.0, 5e-324, 1.0, 1.0 + 2**-52, -0.1, None]
    out = "is out of range"
    assert read(cells, column)[1] == [out, out, "", "", out, out, ""]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ([True, None, False], [True, None, False]),
        (["TRUE", "false", "1"], [True, False, True]),
        ([0, 1], [False, True]),
    ],
    ids=str,
)
def test_flags_of_many_types(cells: Any, values: list[Any]) -> None:
    assert read(cells, FLAG) == (values, [""] * len(cells))
    assert read(["yes", "true"], FLAG) == ([None, True], ["is neither true nor false", ""])


@pytest.mark.parametrize(
    "cells",
    [
        ["minor", "none", None, "Minor"],
        pd.Categorical(["minor", "none", None, "Minor"], categories=["Minor", "serious", "none", "minor"]),
        pd.Series(["minor", "none", None, "Minor"], dtype="str"),
    ],
    ids=lambda cells: type(cells).__name__,
)
def test_levels_are_read_by_name_whatever_their_codes(cells: Any) -> None:
    values, wrong = read(cells, LEVEL)
    assert values == ["minor", "none", None, None]
    assert wrong == ["", "", "", "is not a declared level"]
    array = check_cells(raw_cells(cells), LEVEL).array
    assert array.indices.to_pylist() == [1, 0, None, None]
    assert array.dictionary.to_pylist() == ["none", "minor", "moderate", "serious"]


def test_lists_from_objects_and_from_text() -> None:
    assert read([["a", "b"], [], None], TEXTS) == ([["a", "b"], [], None], [""] * 3)
    assert read(pa.array(["a|b", "", None]), TEXTS) == ([["a", "b"], [], None], [""] * 3)
    assert read([["a|b"], ["a", None], [""], ["c"]], TEXTS)[1] == [
        "has an entry that holds '|'",
        "has an entry that has no value",
        "has an entry that is blank",
        "",
    ]
    assert read([[0, 3], [4], [], [1, None]], INTS)[1] == [
        "",
        "has an entry that is out of range",
        "",
        "has an entry that has no value",
    ]
    assert read(["0|3|1", "", "2|x"], INTS)[1] == ["", "", "has an entry that is not a whole number"]
    assert read(["0|3|1", ""], INTS)[0] == [[0, 3, 1], []]
    fixed = pa.array([[0, 1], [2, 3]], pa.list_(pa.int64(), 2))
    assert read(fixed, INTS) == ([[0, 1], [2, 3]], ["", ""])
    sliced = pa.array([["x"], ["a", "b"], None, ["c"]])[1:]
    assert read(sliced, TEXTS) == ([["a", "b"], None, ["c"]], [""] * 3)


def test_levels_in_lists() -> None:
    column = Column("t", "texts", "域", "sectors", levels="sector", ids=SHANGHAI.ids("sector"))
    assert read([["gas", "retail"], ["oil"], []], column)[1] == [
        "",
        "has an entry that is not a declared level",
        "",
    ]


@pytest.mark.parametrize("name", ["", " ", "\t\n", "\u3000", "\u202e", "\u200b"])
def test_texts_have_something_to_see(name: str) -> None:
    assert read([name], TEXT)[1] == ["is blank"]


@pytest.mark.parametrize("name", ["a b", "", "a\u00a0b", "\u202ea", "a\n", "x" * 65])
def test_ids_are_visible_and_of_one_piece(name: str) -> None:
    assert read([name, "沪市监检〔2025〕1号"], ID)[1] == [
        "is not an identifier: it is blank, has blanks or control characters, or is too long",
        "",
    ]


@pytest.mark.parametrize(
    ("cells", "column", "message"),
    [
        ([1, 2], ID, "is of type int64, not text"),
        ([b"x"], TEXT, "is of type binary, not text"),
        ([True], INT, "is of type bool, not a whole number"),
        ([["1"]], INT, "not a whole number"),
        ([True], FLOAT, "is of type bool, not a number"),
        ([20240501], DATE, "is of type int64, not a date"),
        ([date(2024, 5, 1)], FLAG, "not true or false"),
        ([3], TEXTS, "is of type int64, not a list"),
        ([1.0], LEVEL, "is of type double, not text"),
    ],
    ids=str,
)
def test_a_column_of_another_type_is_refused_as_a_whole(
    cells: list[Any], column: Column, message: str
) -> None:
    with pytest.raises(WrongTypeError, match=message):
        read(cells, column)


def test_what_no_text_can_hold_is_spelt_out() -> None:
    assert raw_cells(["a", 1, None, float("nan"), "\ud800"]).to_pylist() == ["a", "1", None, None, "\\ud800"]


def test_conform_lists_every_cell_that_it_cannot_keep() -> None:
    frame = pd.DataFrame({"complaint_id": ["C1", None], "kind": ["true", "odd"], "note": ["", ""]})
    with pytest.raises(DataError) as error:
        conform(frame, "truth_complaints")
    assert str(error.value) == (
        "3 problems in the data:\n"
        "truth_complaints.note: is not a declared column."
        " Take it out, or rename it; the columns are complaint_id, kind\n"
        "truth_complaints.complaint_id: has no value (1 row, row 2: empty)."
        " Fill it in; this column may not be empty\n"
        "truth_complaints.kind: is not a declared level (1 row, row 2: 'odd')."
        " Use one of true, mistaken, professional"
    )


def test_conform_adds_what_may_be_empty_and_keeps_what_only_breaks_a_rule() -> None:
    frame = pd.DataFrame(
        {"enterprise_id": ["not a code"], "assigned_on": ["2150-01-01"], "tier": ["T1"], "risk_level": [9],
         "credit_grade": ["A"], "policy": [" "]},
        index=[5],
    )  # fmt: skip
    kept = conform(frame, "tiers")
    assert kept.astype(str).iloc[0].tolist() == ["not a code", "2150-01-01", "T1", "9", "A", " "]
    assert kept.index.tolist() == [0]
    complaint = pd.DataFrame(
        {"complaint_id": ["C"], "enterprise_id": ["x"], "agency": ["fire"], "received_on": ["2024-01-01"],
         "channel": ["letter"], "complainant": ["h"]}
    )  # fmt: skip
    assert conform(complaint, "complaints")[["substantiated", "substantiated_on"]].isna().all(axis=None)
