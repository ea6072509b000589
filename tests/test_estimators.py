"""What both estimators do with their input before anything is fitted."""

from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import NotFittedError

from tierkit.scores.estimators import check_monotone, check_parameters, learn, named, rows


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
