"""Columns are joined by name, and whatever was never seen at fit is counted or refused."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierkit.scores.inputs import ColumnError, Inputs, flag_text

FRAME = pd.DataFrame(
    {
        "employees": [3.0, 40.0, 5.0],
        "age": [1.0, np.nan, 2.0],
        "sector": pd.Categorical(["food", "gas", None], ["retail", "food", "gas"]),
        "commitment": [True, False, True],
    }
)


@pytest.fixture
def known() -> Inputs:
    return Inputs.learn(FRAME)


@given(st.permutations(list(FRAME.columns)))
def test_order_of_columns_does_not_matter(order: list[str]) -> None:
    known = Inputs.learn(FRAME)
    np.testing.assert_array_equal(known.read(FRAME[order]), known.read(FRAME))


def test_levels_survive_csv(tmp_path, known) -> None:
    FRAME.to_csv(tmp_path / "x.csv", index=False)
    back = pd.read_csv(tmp_path / "x.csv")
    assert back["sector"].dtype != FRAME["sector"].dtype
    np.testing.assert_array_equal(known.read(back), known.read(FRAME))


def test_levels_are_read_by_name_whatever_their_codes(known) -> None:
    other = FRAME.assign(sector=pd.Categorical(["food", "gas", None], ["gas", "water", "food"]))
    np.testing.assert_array_equal(known.read(other), known.read(FRAME))


def test_unseen_is_flagged_row_by_row(known) -> None:
    rows = pd.DataFrame(
        {
            "commitment": [False, True, True],
            "employees": [1.0, np.nan, np.nan],
            "sector": ["food", "banking", "gas"],
            "age": [np.nan, 1.0, 2.0],
            "note": ["", "", ""],
        }
    )
    flags = known.flags(rows)
    assert flags.sum().to_dict() == {"employees:missing": 2, "sector:unseen": 1, "note:extra": 3}
    assert flag_text(flags.drop(columns="note:extra")).tolist() == [
        "",
        "employees:missing;sector:unseen",
        "employees:missing",
    ]
    assert known.flags(FRAME).empty


def test_unseen_can_be_refused_with_every_problem_listed(known) -> None:
    rows = FRAME.assign(sector="banking", employees=np.nan)
    with pytest.raises(ColumnError) as caught:
        known.read(rows, "error")
    text = str(caught.value)
    assert "'sector' has a level that was not declared at fit" in text
    assert "'employees' is missing, which it never was at fit" in text
    assert "(2 problems" in text
    with pytest.raises(ColumnError, match="Feature names unseen at fit time: note"):
        known.read(FRAME.assign(note=1), "error")
    np.testing.assert_array_equal(known.read(FRAME, "error"), known.read(FRAME))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (FRAME.drop(columns="age"), "now missing: age"),
        (FRAME.assign(age=np.inf), "'age' contains infinity"),
        (FRAME.assign(age=["x", "y", "z"]), "'age' holds str, the model was fitted on numbers"),
        (FRAME.assign(sector=1), "'sector' holds numbers, the model was fitted on levels"),
        (pd.concat([FRAME, FRAME[["age"]]], axis=1), "'age' occurs more than once"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(known, rows, message) -> None:
    with pytest.raises(ColumnError, match=message):
        known.read(rows)


def test_huge_numbers_pass(known) -> None:
    assert known.read(FRAME.assign(age=1e308))[:, 1].tolist() == [1e308] * 3


def test_round_trip_through_json(known) -> None:
    assert Inputs.from_dict(json.loads(json.dumps(known.to_dict()))) == known


def test_masked_integers_and_flags_are_numbers() -> None:
    frame = pd.DataFrame({"rating": pd.array([1, None], "Int8"), "ok": pd.array([True, None], "boolean")})
    known = Inputs.learn(frame)
    np.testing.assert_array_equal(known.read(frame), [[1, 1], [np.nan, np.nan]])
    assert known.missing == {"rating", "ok"}
