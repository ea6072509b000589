"""What both estimators do with their input before anything is fitted."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError

from tierkit.scores.estimators import check_monotone, check_parameters, events_of, learn, named, rows
from tierkit.scores.inputs import ColumnError


def test_frames_keep_their_names_and_arrays_get_some() -> None:
    one = BaseEstimator()
    learn(one, pd.DataFrame({"b": [1.0, 2.0], "a": ["x", "y"]}), [0, 1])
    assert one.feature_names_in_.tolist() == ["b", "a"]
    assert one.inputs_.levels == {"a": ("x", "y")}
    learn(one, np.zeros((2, 3)), [0, 1])  # fitted anew, on an array: the old names are forgotten
    assert not hasattr(one, "feature_names_in_")
    assert one.inputs_.names == ("x0", "x1", "x2")
    assert not named(pd.DataFrame([[1]]))


@pytest.mark.parametrize("names", [[1, 0], [0, 2], [0.0, 1.0], ["a", 1], [("a", 1), ("a", 2)]])
def test_names_that_are_no_text_are_refused_at_fit_and_at_scoring(names) -> None:
    # Read as arrays, [1, 0] would be joined to [0, 1] by position, each number to the other's column.
    X = pd.DataFrame(np.arange(8.0).reshape(4, 2))
    one = DummyClassifier()
    if names not in ([0.0, 1.0],):  # equal to the positions, hence none
        with pytest.raises(ValueError, match="these names are no text"):
            learn(one, X.set_axis(names, axis=1), [0, 1, 0, 1])
    learn(one, X, [0, 1, 0, 1])
    one.fit(X.to_numpy(), [0, 1, 0, 1])
    assert rows(one, X).equals(rows(one, X.to_numpy()))
    if names not in ([0.0, 1.0],):
        with pytest.raises(ValueError, match="these names are no text"):
            rows(one, X.set_axis(names, axis=1))
    with pytest.raises(ValueError, match="joins by position"):
        rows(one, X.set_axis(["b", "a"], axis=1))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.array([["2020-01-01"], ["2020-01-02"]], "M8[D]"), "'x0' holds datetime64"),
        (np.array([[1], [2]], "m8[D]"), "'x0' holds timedelta64"),
        (np.array([["1"], ["2"]]), "'x0' holds text"),
        (np.array([[b"1"], [b"2"]]), "'x0' holds bytes"),
        (np.array([["1"], [2]], object), "'x0' holds int, str"),
        (np.array([[2**53 + 1], [2]]), "cannot hold exactly"),
        ([[Decimal("0.1")], [Decimal(1)]], "cannot hold exactly"),
        (pd.DataFrame([[pd.Timestamp("2020-01-01")]] * 2), "'x0' holds datetime64"),
    ],
)
def test_what_numpy_would_turn_into_numbers_is_refused_in_arrays_too(X, message) -> None:
    with pytest.raises(ValueError, match=message):
        learn(DummyClassifier(), X, [0, 1])
    one = DummyClassifier()
    learn(one, np.array([[1.0], [2.0]]), [0, 1])
    one.fit([[1.0], [2.0]], [0, 1])
    with pytest.raises(ValueError, match=message):
        rows(one, X)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (pd.DataFrame({"a": [1.0, 2.0]}), [1, 1], "one class only: 1"),
        (pd.DataFrame({"a": [1.0, 2.0, 3.0]}), ["a", "b", "c"], "Only binary classification is supported"),
        (pd.DataFrame({"a": [1.0, 2.0]}), [0, 1, 1], "inconsistent numbers of samples"),
        (pd.DataFrame({"a": []}), [], "Found a frame of shape"),
        (pd.DataFrame({"a": [1.0, 2.0]}), [0.5, 0.7], "continuous"),
        (np.array([[np.inf], [0.0]]), [0, 1], "infinity"),
    ],
)
def test_bad_input_is_refused_with_a_clear_message(X, y, message) -> None:
    with pytest.raises(ValueError, match=message):
        learn(BaseEstimator(), X, y)


def test_rows_need_a_fitted_estimator_and_names_where_names_were_learnt() -> None:
    one = DummyClassifier()
    with pytest.raises(NotFittedError):
        rows(one, [[1.0]])
    learn(one, pd.DataFrame({"a": [1.0, 2.0]}), [0, 1])
    with pytest.raises(ValueError, match=r"joins by name\. Give a DataFrame"):
        rows(one, [[1.0]])


def test_all_wrong_parameters_are_told() -> None:
    wrong = SimpleNamespace(share="half", least=2.5, on_unseen="maybe")
    with pytest.raises(ValueError, match="share") as caught:
        check_parameters(wrong, {"share": (0, 1)}, {"least": 1})
    assert str(caught.value).count("parameter of SimpleNamespace must be") == 3
    check_parameters(
        SimpleNamespace(share=1, least=np.int64(3), on_unseen="flag"), {"share": (0, 1)}, {"least": 1}
    )


def test_signs_name_numbers_of_the_frame() -> None:
    one = BaseEstimator()
    learn(one, pd.DataFrame({"a": [1.0, 2.0], "level": ["x", "y"]}), [0, 1])
    one.monotone = {"a": 2, "b": 1, "level": -1}
    with pytest.raises(ValueError, match="must be -1, 0 or 1 for 'a'") as caught:
        check_monotone(one)
    assert "names 'b', which X does not have" in str(caught.value)
    assert "'level', whose levels have no order" in str(caught.value)
    one.monotone = {"a": 1, "level": 0}
    check_monotone(one)


# What has no names, is masked, or is no target


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pd.Categorical([1, 2, 1, 2]), "'x1' holds text or categories. For levels give a DataFrame"),
        (["a", "b", "a", "b"], "'x1' holds text or categories"),
        (pd.date_range("2024-01-01", periods=4), "'x1' holds datetime64.*Give a number"),
        ([date(2024, 1, 1)] * 4, "'x1' holds date, which is neither"),
        (pd.timedelta_range("1D", periods=4), "'x1' holds timedelta64"),
        ([Decimal("sNaN")] * 4, "'x1' holds a decimal that is no number"),
    ],
)
@pytest.mark.parametrize("kind", [pd.DataFrame, lambda of: pd.DataFrame(of).to_numpy(object)])
def test_columns_without_names_are_refused_by_their_position(kind, column, message) -> None:
    X, numbers = kind({0: [1.0, 2, 3, 4], 1: column}), [[1.0, 2.0]] * 4
    if isinstance(X, np.ndarray) and isinstance(column, pd.Categorical):
        return  # its labels, which were numbers before they were asked
    with pytest.raises(ColumnError, match=message):
        learn(DummyClassifier(), X, [0, 1, 0, 1])
    one = DummyClassifier()
    learn(one, numbers, [0, 1, 0, 1])
    one.fit(numbers, [0, 1, 0, 1])
    with pytest.raises(ColumnError, match=message):
        rows(one, X)


def test_a_decimal_that_is_no_number_is_refused_by_its_name() -> None:
    with pytest.raises(ColumnError, match="Column 'a' holds a decimal that is no number"):
        learn(DummyClassifier(), pd.DataFrame({"a": [Decimal("sNaN"), Decimal(1)]}), [0, 1])


@pytest.mark.parametrize("kind", [pd.DataFrame, lambda of: pd.DataFrame(of).to_numpy(object)])
def test_na_without_names_is_missing(kind) -> None:
    X, one = kind({0: pd.array([1, None, 3, 4], "Int64"), 1: [pd.NA, 1.5, None, 2]}), DummyClassifier()
    frame, _ = learn(one, X, [0, 1, 0, 1])
    assert frame.isna().to_numpy().tolist() == [[False, True], [True, False], [False, True], [False, False]]
    assert one.inputs_.missing == {"x0", "x1"}


@pytest.mark.parametrize("kind", [float, int, object])
def test_what_is_masked_is_missing_at_fit_and_at_scoring(kind) -> None:
    data = np.array([[999, 1], [2, 2], [3, 1], [4, 2]], kind)
    X, one = np.ma.masked_array(data, data == 999), DummyClassifier()
    frame, _ = learn(one, X, [0, 1, 0, 1])
    assert np.isnan(frame.iloc[0, 0])
    assert frame.to_numpy()[1:].tolist() == data[1:].tolist()
    assert one.inputs_.missing == {"x0"}
    one.fit(data, [0, 1, 0, 1])
    assert rows(one, X).equals(frame)
    assert rows(one, list(X)).equals(frame)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["1", 0, 1, 0], "'y' holds int, str. Give two classes of one kind"),
        ([None, 0, 1, 0], "'y' is missing in 1 of 4 rows, the first is row 0. Leave these rows out"),
        (["a", None, "b", "b"], "'y' is missing in 1 of 4 rows, the first is row 1"),
        (pd.array([0, 1, None, 1], "Int64"), "'y' is missing in 1 of 4 rows, the first is row 2"),
        (
            np.ma.masked_array([0, 1, 0, 1], [0, 0, 0, 1]),
            "'y' is missing in 1 of 4 rows, the first is row 3. Leave",
        ),
        (np.ma.masked_array(["a", "b"] * 2, [0, 0, 0, 1]), "'y' is missing in 1 of 4 rows"),
        (np.array(["2024-01-01", "2024-01-02"] * 2, "M8[D]"), "'y' holds date"),
        (pd.to_timedelta([1, 2] * 2, "D"), "'y' holds .*Give two classes"),
        ([date(2024, 1, 1), date(2024, 1, 2)] * 2, "'y' holds date. Give two classes"),
        ([b"a", b"b"] * 2, "'y' holds bytes"),
        ([Decimal("sNaN"), Decimal(1)] * 2, "'y' holds Decimal"),
        ([Fraction(1, 2), Fraction(1)] * 2, "'y' holds Fraction"),
    ],
)
@pytest.mark.parametrize("X", [pd.DataFrame({"a": [1.0, 2, 3, 4]}), [[1.0], [2], [3], [4]]])
def test_a_target_is_numbers_or_texts_and_known(X, y, message) -> None:
    with pytest.raises(ValueError, match=message):
        learn(DummyClassifier(), X, y)
    one = DummyClassifier().fit(X, [0, 1, 0, 1])
    with pytest.raises(ValueError, match=message):
        events_of(one, y)


@pytest.mark.parametrize(
    "y",
    [
        [0, 1],
        [False, True],
        ["a", "b"],
        pd.array([0, 1], "Int64"),
        np.array([0, 1], object),
        pd.Categorical(["a", "b"]),
        np.ma.masked_array([0, 1], [0, 0]),
    ],
)
def test_targets_of_every_other_kind_are_taken(y) -> None:
    one = DummyClassifier()
    _, event = learn(one, [[1.0], [2.0]], y)
    assert event.tolist() == [0, 1]
    assert events_of(one, y).tolist() == [False, True]
    with pytest.raises(ValueError, match=r"'y' has the shape \(2, 1\), and must have one dimension"):
        events_of(one, np.asarray(y).reshape(2, 1))
    with pytest.raises(ValueError, match=r"'y' has the shape \(\)"):
        events_of(one, np.asarray(y)[0])
