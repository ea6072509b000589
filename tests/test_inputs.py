"""Columns are joined by name, and whatever was never seen at fit is counted or refused."""

import json
import re
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
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


# What a column holds

NUMBERS = {  # whole numbers below 128, as every type that holds them
    **{kind: (lambda v, kind=kind: pd.Series(v, dtype=kind)) for kind in (
        "int8", "int64", "uint16", "float32", "float64", "longdouble", "Int8", "Int64", "UInt16", "Float32",
        "Float64", "int64[pyarrow]", "float[pyarrow]", "object",
    )},
    "decimal": lambda v: pd.Series([Decimal(one) for one in v], dtype=object),
    "arrow decimal": lambda v: pd.Series(list(map(Decimal, v)), dtype=pd.ArrowDtype(pa.decimal128(9, 2))),
    "mixed": lambda v: pd.Series(
        [(int, float, Decimal, np.int16)[k % 4](one) for k, one in enumerate(v)], dtype=object
    ),
    "sparse": lambda v: pd.Series(pd.arrays.SparseArray([float(one) for one in v])),
}  # fmt: skip
LEVELS = {
    **{kind: (lambda v, kind=kind: pd.Series(list(map(str, v)), dtype=kind)) for kind in (
        "str", "string[python]", "string[pyarrow]", "object", "category", pd.ArrowDtype(pa.string()),
        pd.ArrowDtype(pa.large_string()), pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string())),
    )},
    "categories of ints": lambda v: pd.Series(pd.Categorical(v)),
    "categories of floats": lambda v: pd.Series(pd.Categorical([float(one) for one in v])),
    "categories of Int64": lambda v: pd.Series(pd.array(v, "Int64")).astype("category"),
    "categories of decimals": lambda v: pd.Series(pd.Categorical([Decimal(f"{one}.00") for one in v])),
}  # fmt: skip
values = st.lists(st.integers(0, 9), min_size=1, max_size=12)


@given(values, st.sampled_from(list(NUMBERS)), st.sampled_from(list(NUMBERS)))
@settings(deadline=None)
def test_numbers_are_the_same_whatever_holds_them_at_fit_and_at_scoring(v, at_fit, at_scoring) -> None:
    known = Inputs.learn(pd.DataFrame({"n": NUMBERS[at_fit](v)}))
    assert not known.levels
    np.testing.assert_array_equal(known.read(pd.DataFrame({"n": NUMBERS[at_scoring](v)}))[:, 0], v)


@given(values, st.sampled_from(list(LEVELS)), st.sampled_from(list(LEVELS)))
@settings(deadline=None)
def test_levels_are_the_same_whatever_holds_them_at_fit_and_at_scoring(v, at_fit, at_scoring) -> None:
    known = Inputs.learn(pd.DataFrame({"c": LEVELS[at_fit](v)}))
    assert known.levels == {"c": tuple(map(str, sorted(set(v))))}
    codes = known.read(pd.DataFrame({"c": LEVELS[at_scoring](v)}))[:, 0]
    assert [known.levels["c"][int(code)] for code in codes] == list(map(str, v))


@given(values, st.sampled_from(list(NUMBERS)), st.sampled_from(list(LEVELS)))
@settings(deadline=None)
def test_numbers_are_not_taken_for_levels_nor_levels_for_numbers(v, number, level) -> None:
    numbers, levels = (pd.DataFrame({"x": one[key](v)}) for one, key in ((NUMBERS, number), (LEVELS, level)))
    with pytest.raises(ColumnError, match="'x' holds numbers, the model was fitted on levels"):
        Inputs.learn(levels).read(numbers)
    with pytest.raises(ColumnError, match=r"'x' holds .*, the model was fitted on numbers"):
        Inputs.learn(numbers).read(levels)


@pytest.mark.parametrize("kind", ["object", "bool", "boolean", "bool[pyarrow]"])
def test_truth_values_are_numbers(kind) -> None:
    frame = pd.DataFrame({"x": pd.Series([True, False, True], dtype=kind)})
    np.testing.assert_array_equal(Inputs.learn(frame).read(frame)[:, 0], [1, 0, 1])
    as_category = frame.astype("object").astype("category")
    known = Inputs.learn(as_category)
    assert known.levels == {"x": ("False", "True")}
    np.testing.assert_array_equal(known.read(as_category.astype("str")), known.read(as_category))


INEXACT = "numbers that a float cannot hold exactly"
STRANGE = [
    ("date", [date(2024, 1, 1), date(2024, 1, 2)]),
    ("Timestamp", pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"]).astype(object), dtype=object)),
    ("datetime64", pd.to_datetime(["2024-01-01", "2024-01-02"])),
    (
        "datetime64[us, UTC]",
        pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"], utc=True)).dt.as_unit("us"),
    ),
    ("date32", pd.Series([date(2024, 1, 1), date(2024, 1, 2)], dtype=pd.ArrowDtype(pa.date32()))),
    ("timedelta", pd.Series([timedelta(1), timedelta(2)], dtype=object)),
    ("timedelta64", pd.to_timedelta([1, 2], "D")),
    ("Period", pd.period_range("2024-01", periods=2, freq="M")),
    ("Interval", pd.interval_range(0, 2)),
    ("list", [[1], [2]]),
    ("tuple", [(1,), (2,)]),
    ("dict", [{"a": 1}, {"a": 2}]),
    ("bytes", [b"1", b"2"]),
    ("complex128", np.array([1 + 1j, 2.0])),
    ("complex", pd.Series([1 + 1j, 2 + 0j], dtype=object)),
    ("Fraction", [Fraction(1, 2), Fraction(1, 3)]),
    ("int, str", [1, "1"]),
    ("categories of Interval", pd.cut(pd.Series([1.0, 2.0]), 2)),
    ("categories of Timestamp", pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"])).astype("category")),
    ("categories of float", pd.Categorical([0.5, 1.5])),
    ("categories of int, str", pd.Categorical([1, "1"])),
    ("categories of bool, str", pd.Categorical([True, "True"])),
    (INEXACT, [2**53 + 1, 1]),
    (INEXACT, pd.Series([2**63 + 1, 1], dtype="uint64")),
    (INEXACT, [10**400, 1]),
    (INEXACT, [Decimal("0.1"), Decimal(1)]),
    (INEXACT, np.array([1 / np.longdouble(3), 1], np.longdouble)),
]


@pytest.mark.parametrize(("held", "values"), STRANGE, ids=range(len(STRANGE)))
def test_what_is_neither_numbers_nor_levels_is_refused_with_its_name_and_a_remedy(held, values) -> None:
    strange = pd.DataFrame({"when": pd.Series(values)})
    message = rf"Column 'when' (holds|has) {re.escape(held)}.*(Give|Cast)"
    for other in (pd.DataFrame({"when": [1.0, 2.0]}), pd.DataFrame({"when": ["1", "2"]})):
        with pytest.raises(ColumnError, match=message):
            Inputs.learn(other).read(strange)
    with pytest.raises(ColumnError, match=message):
        Inputs.learn(strange)
    both = pd.DataFrame({"when": strange["when"], "then": strange["when"]})
    with pytest.raises(ColumnError, match=r"'when'[\s\S]*'then'[\s\S]*2 problems"):
        Inputs.learn(both)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_a_column_without_values_may_be_of_either_kind_at_scoring(missing, known) -> None:
    rows = FRAME.assign(
        sector=pd.Series([missing] * 3, dtype=object), employees=pd.Series([missing] * 3, dtype=object)
    )
    assert np.isnan(known.read(rows)[:, [0, 2]]).all()
    assert np.isnan(known.read(FRAME.assign(sector=np.nan))[:, 2]).all()
    assert np.isnan(known.read(FRAME.assign(age=pd.Series([None] * 3, dtype="str")))[:, 1]).all()


def test_an_identifier_is_refused_and_levels_with_rows_to_learn_from_are_not() -> None:
    ids = [f"E{i}" for i in range(200)]
    with pytest.raises(
        ColumnError, match=r"'id' has 200 levels in 200 rows, as an identifier has\. Leave it out"
    ):
        Inputs.learn(pd.DataFrame({"id": ids}))
    with pytest.raises(ColumnError, match="'id' has 101 levels in 200 rows"):
        Inputs.learn(pd.DataFrame({"id": pd.Categorical([ids[min(i, 100)] for i in range(200)], ids)}))
    assert len(Inputs.learn(pd.DataFrame({"id": ids[:100] * 2})).levels["id"]) == 100
    # Declared levels that do not occur are no rows' names.
    assert len(Inputs.learn(pd.DataFrame({"id": pd.Categorical(ids[:5] * 3, ids)})).levels["id"]) == 200


def test_names_that_are_no_text_are_refused(known) -> None:
    for frame in (pd.DataFrame({1: [1.0], "1": [2.0]}), pd.DataFrame([[1.0, 2.0]])):
        with pytest.raises(ColumnError, match="joined by name, and these names are no text"):
            Inputs.learn(frame)
    with pytest.raises(ColumnError, match=r"no text: 7\."):
        known.read(FRAME.assign(note=1).rename(columns={"note": 7}))


def test_durations_of_numpy_in_a_column_of_objects_are_no_numbers() -> None:
    held = pd.Series([np.timedelta64(day, "D") for day in (1, 2, 3)], dtype=object)
    for column in (held, pd.Categorical(held.to_list())):
        with pytest.raises(ColumnError, match="Column 'x'"):
            Inputs.learn(pd.DataFrame({"x": column}))


def test_levels_that_differ_by_a_nul_at_the_end_stay_apart() -> None:
    frame = pd.DataFrame({"x": pd.Series(["a", "a\0", "b"], dtype=object)})
    known = Inputs.learn(frame)
    assert known.levels["x"] == ("a", "a\0", "b")
    assert known.read(frame)[:, 0].tolist() == [0, 1, 2]


def test_a_nan_that_is_no_null_is_missing_at_fit_as_at_scoring() -> None:
    held = pd.Series(pd.arrays.ArrowExtensionArray(pa.array([1.0, float("nan"), 3.0])))
    assert not held.isna().any()
    frame = pd.DataFrame({"x": held})
    known = Inputs.learn(frame)
    assert known.missing == {"x"}
    np.testing.assert_array_equal(known.read(frame, "error")[:, 0], [1, np.nan, 3])
