"""What is written for a spreadsheet stays what it is there, and comes back as it was."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierkit.spreadsheets import TAKEN, cell, write_csv

# Everything that Unicode calls a blank, a control or invisible and a spreadsheet might pass over.
BLANKS = [
    "",
    " ",
    "\u00a0",
    "\u3000",
    "\u2003",
    "\u200b",
    "\ufeff",
    "\u202e",
    "\t",
    "\x00",
    "\x85",
    " \u3000\u00a0 ",
]
texts = (
    st.text(st.sampled_from("=+-@＝＋－＠' \u00a0\u3000\t\r\n0123456789eE.,危aZ\u200b\ufeff"), max_size=8)
    | st.text()
)


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("sign", list("=+-@＝＋－＠﹦﹢﹣﹫"))
def test_no_blank_before_a_sign_hides_a_formula(blank: str, sign: str) -> None:
    assert cell(f"{blank}{sign}1") == f"'{blank}{sign}1"
    assert cell(f"'{blank}{sign}1") == f"''{blank}{sign}1", "so that reading can take one away again"
    assert cell(f"1{blank}{sign}a") == f"1{blank}{sign}a"


@pytest.mark.parametrize(
    "code",
    [
        "91310000132200821",
        "000123",
        "7",
        "1e5",
        "12E45",
        "1.5",
        ".5",
        "5.",
        " 12 ",
        "9131　",
        "1,234",
        "1/2",
        "12-3",
        "2024-01",
        "1 2",
        "1 1/2",
        "1.2.3",
        "8:30",
        "10%",
        "０１２３",
        "2024/1/2 8:30",
    ],
)
def test_what_would_become_a_number_stays_text(code: str) -> None:
    assert cell(code) == f"'{code}"


@pytest.mark.parametrize(
    "text", ["", "91310115MA1K35Q5XY", "T12", "1e", "e5", "上海金瑞百货", "12a", "3号", "'"]
)
def test_any_other_text_is_left_as_it_is(text: str) -> None:
    assert cell(text) == text


@given(texts)
def test_the_rule_is_one_and_can_be_taken_back(text: str) -> None:
    column = pa.array([text], pa.large_string())
    written = pc.replace_substring_regex(column, f"^({TAKEN})", r"'\1")
    read = pc.replace_substring_regex(written, f"^'({TAKEN})", r"\1")
    assert read[0].as_py() == text
    if not text.endswith("\n"):  # where Python's $ and RE2's differ
        assert written[0].as_py() == cell(text)


@given(st.lists(texts, min_size=1, max_size=6))
def test_a_table_for_people_holds_no_formula_and_no_bare_number(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    path = tmp_path_factory.mktemp("t") / "t.csv"
    write_csv(pd.DataFrame({"=name": values, "n": range(len(values))}), path)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["'=name", "n"]
    assert [row[1] for row in rows[1:]] == [str(k) for k in range(len(values))], "numbers stay numbers"
    for row, value in zip(rows[1:], values, strict=True):
        assert row[0].removeprefix("'") == value.removeprefix("'")
        assert not re.match(r"[\s\u200b\ufeff]*[=+\-@＝＋－＠]", row[0])
        assert not re.fullmatch(r"[0-9]+", row[0])


def test_numbers_have_nine_digits_and_lines_end_as_spreadsheets_end_them(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"x": [1 / 3, None]}), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == b'\xef\xbb\xbfx\r\n0.333333333\r\n""\r\n'
