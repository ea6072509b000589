"""Credit codes: published codes verify, made codes are valid, and every single slip of the pen is caught."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared import calls

from tierkit.records import SHANGHAI, credit_code
from tierkit.records.credit_code import (
    ALPHABET,
    MAX_SERIAL,
    check_character,
    is_valid,
    make,
    valid_mask,
)

DISTRICTS = SHANGHAI.ids("district")

# Codes printed on licences and in filings; both check characters (GB 32100 and, inside, GB 11714) verify.
PUBLISHED = (
    "91350100M000100Y43",  # the example that usually goes with the standard
    "914403001922038216",  # Huawei Technologies
    "91440300708461136T",  # Tencent Computer Systems
    "9144030071526726XG",  # Tencent Technology
    "91330100799655058B",  # Alibaba (China) Network Technology
    "91110108551385082Q",  # Xiaomi Technology
)
serials = st.integers(0, MAX_SERIAL)
DIVISIONS = {name: one.division for name, one in SHANGHAI.districts.items()}
divisions = st.sampled_from(sorted(DIVISIONS.values()))


def by_hand(code17: str) -> str:
    """Give the check character as the standard words it: 31 less the remainder, and 0 for 31."""
    weights = [1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28]  # the table in GB 32100-2015
    value = 31 - sum(ALPHABET.index(c) * w for c, w in zip(code17, weights, strict=True)) % 31
    return ALPHABET[0 if value == 31 else value]


@pytest.mark.parametrize("code", PUBLISHED)
def test_published_codes_verify(code: str) -> None:
    assert check_character(code[:17]) == code[17] == by_hand(code[:17])
    assert is_valid(code)
    assert valid_mask([code]).tolist() == [True]


@given(st.text(ALPHABET, min_size=17, max_size=17))
def test_check_character_agrees_with_the_standard(code17: str) -> None:
    assert check_character(code17) == by_hand(code17)


@given(serials, divisions, st.sampled_from("12"), st.integers(0, 17), st.sampled_from(ALPHABET))
def test_any_one_wrong_character_is_caught(
    serial: int, division: str, category: str, at: int, wrong: str
) -> None:
    code = make([serial], division, category).iloc[0]
    assert is_valid(code)
    changed = code[:at] + wrong + code[at + 1 :]
    assert is_valid(changed) == (changed == code)


@given(serials, st.integers(0, 16))
def test_any_swap_of_neighbours_is_caught(serial: int, at: int) -> None:
    code = make([serial]).iloc[0]
    swapped = code[:at] + code[at + 1] + code[at] + code[at + 2 :]
    assert is_valid(swapped) == (swapped == code)


@given(st.lists(st.one_of(st.none(), st.text(), st.text(ALPHABET, min_size=18, max_size=18), st.integers())))
def test_vectorised_and_single_forms_agree(codes: list[object]) -> None:
    codes += [PUBLISHED[0], PUBLISHED[0].lower(), " " + PUBLISHED[1], "９" + PUBLISHED[2][1:]]
    expected = [is_valid(code) for code in codes]
    assert valid_mask(codes).tolist() == expected
    assert valid_mask(pd.Series(codes, dtype=object)).tolist() == expected


def test_vectorised_form_takes_every_kind_of_column() -> None:
    codes = pd.Series([*PUBLISHED, None, PUBLISHED[0]])
    expected = [True] * 6 + [False, True]
    for column in (codes, codes.astype("category"), codes.astype("string"), codes[::-1][::-1]):
        assert valid_mask(column).tolist() == expected
    assert valid_mask(codes.iloc[2:5]).tolist() == [True] * 3
    assert valid_mask([]).tolist() == []
    assert valid_mask(["\ud800" * 18]).tolist() == [False]


@given(st.lists(serials, unique=True, min_size=1))
def test_different_serials_give_different_codes(numbers: list[int]) -> None:
    codes = make(numbers, DIVISIONS["jinshan"])
    assert codes.is_unique
    assert codes.str[:10].eq("91310116TK").all()
    assert [credit_code.ALPHABET.index(c[15]) for c in codes] == [n % 31 for n in numbers]


def test_organisation_code_inside_has_its_own_check_character() -> None:
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    for code in (*PUBLISHED, *make(np.arange(500))):
        total = sum(int(c, 36) * w for c, w in zip(code[8:16], weights, strict=True))
        assert code[16] == "0X987654321"[total % 11]


def test_each_district_has_a_division() -> None:
    assert set(DIVISIONS) == set(DISTRICTS)
    assert len(set(DIVISIONS.values())) == len(DISTRICTS)


def test_division_and_category_may_differ_by_row() -> None:
    codes = make([5, 5, 6], ["310101", "310116", "310116"], ["1", "2", "1"])
    assert codes.str[:8].tolist() == ["91310101", "92310116", "91310116"]
    assert valid_mask(codes).all()
    assert codes.name == "enterprise_id"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["-1"],), "'serial' must be one-dimensional, from 0 to 887503680"),
        (([MAX_SERIAL + 1],), "'serial' must be"),
        (([[1]],), "'serial' must be"),
        (([1], "31011"), "'division' must be 6 digits, for instance '310101'"),
        (([1], "31011X"), "'division' must be 6 digits"),
        (([1], "310116", "12"), "'category' must be 1 digit, for instance '3'"),
        (([1, 2], ["310116"] * 3), "one value or as many as 'serial': 2"),
    ],
)
def test_bad_arguments_say_what_is_expected(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(*arguments)


def test_check_character_refuses_what_is_no_code() -> None:
    with pytest.raises(ValueError, match=r"must be 17 characters .* Got 3 characters instead"):
        check_character("913")
    with pytest.raises(ValueError, match=r"Got characters \['I', 'O'\] outside"):
        check_character("IO" + "0" * 15)


def test_codes_are_checked_without_a_loop_over_them() -> None:
    few, many = make(np.arange(1_000)), make(np.arange(100_000))
    assert calls(lambda: valid_mask(few).all()) == calls(lambda: valid_mask(many).all())
