"""The base of both estimators, and the checks of their input, by scikit-learn's conventions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from tierkit.results import plain
from tierkit.scores.checked import is_number, unmasked
from tierkit.scores.inputs import Inputs, check_names, numbers_of

__all__ = [
    "TwoClassEstimator",
    "check_monotone",
    "check_parameters",
    "events_of",
    "frame_and_target",
    "learn",
    "learn_columns",
    "named",
    "rows",
]

_STORED = (bool, int, float, np.generic)  # numbers that a file of JSON holds


class TwoClassEstimator(ClassifierMixin, BaseEstimator):
    """Base of the risk model and the scorecard: classification into two classes, with checked inputs.

    A subclass has the parameters ``monotone`` and ``on_unseen``, calls `learn` in ``fit`` and defines
    ``predict_proba``.
    """

    def __sklearn_tags__(self) -> Any:
        """Declare two classes only, and that missing values and text are read."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likelier class, shape (n,)."""
        likely = self.predict_proba(X)[:, 1] > 0.5
        chosen: NDArray[Any] = self.classes_[likely.astype(np.int64)]
        return chosen

    def check(self, X: Any) -> pd.DataFrame:
        """Return flags by row for values not seen at fit; see `tierkit.scores.inputs.Inputs.flags`."""
        flags: pd.DataFrame = self.inputs_.flags(rows(self, X))
        return flags

    def _learnt(self) -> dict[str, Any]:
        """Return the parameters and what `learn` set, as plain data for JSON."""
        return {
            "parameters": plain({**self.get_params(), "monotone": self.monotone or None}),
            "classes": self.classes_.tolist(),
            "named": hasattr(self, "feature_names_in_"),
            "inputs": self.inputs_.to_dict(),
        }

    @classmethod
    def _restored(cls, data: Mapping[str, Any]) -> Self:
        """Return an estimator with the parameters and inputs that `_learnt` wrote."""
        estimator = cls(**data["parameters"])
        estimator.classes_ = np.array(data["classes"])
        estimator.inputs_ = Inputs.from_dict(data["inputs"])
        estimator.n_features_in_ = len(estimator.inputs_.names)
        if data["named"]:
            estimator.feature_names_in_ = np.array(estimator.inputs_.names, dtype=object)
        return estimator


def named(X: Any) -> bool:
    """Return whether ``X`` is a frame whose columns have names.

    Names that are their own positions, as pandas gives them to what has none, are no names.

    Raises
    ------
    ColumnError
        If other names are no text: read as an array, such columns would be joined by position.

    Examples
    --------
    >>> named(pd.DataFrame({"a": [1]})), named(pd.DataFrame([[1]])), named([[1]])
    (True, False, False)
    """
    if not isinstance(X, pd.DataFrame) or X.columns.equals(pd.RangeIndex(X.shape[1])):
        return False
    check_names(X)
    return True


def _by_position(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_axis([f"x{j}" for j in range(frame.shape[1])], axis=1)


def _unnamed(X: Any) -> Any:
    """Return what has no names as scikit-learn can check it, what is masked or NA as missing.

    NumPy would take the labels of categories for numbers, and what is under a mask for a value.
    """
    try:
        X = unmasked(X)
        X = np.asarray(X) if isinstance(X, list | tuple) else X
    except ValueError:  # rows of unlike lengths, of which scikit-learn tells
        return X
    if isinstance(X, pd.DataFrame):
        return numbers_of(_by_position(X))
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 2:
        return numbers_of(_by_position(pd.DataFrame(X)))
    return X


def _frame(X: Any, values: NDArray[np.float64]) -> pd.DataFrame:
    """Return an array as a frame; what NumPy turned into numbers must have been some, exactly."""
    given = np.asarray(X)
    if given.dtype != np.float64:
        numbers_of(_by_position(pd.DataFrame({j: given[:, j] for j in range(given.shape[1])})))
    return _by_position(pd.DataFrame(values))


def _target(y: Any) -> Any:
    """Return a target as it came, if its values are known and of one kind that a file can hold."""
    if y is None:
        return y
    y = unmasked(y)
    # Of a list NumPy would make texts of numbers, where one of them is a text.
    values = np.array(y, dtype=object) if isinstance(y, list | tuple) else np.asarray(y)
    flat = values.ravel().tolist() if values.dtype == object else []
    decimals = any(isinstance(one, Decimal) for one in flat)
    gone = np.flatnonzero(False if decimals else pd.isna(values))  # of which one may bear no comparison
    if gone.size:
        raise ValueError(
            f"'y' is missing in {gone.size:,} of {values.size:,} rows, the first is row {gone[0]}. "
            "Leave these rows out."
        )
    if values.dtype.kind in "biufcU":
        return y
    if values.dtype == object and all(isinstance(one, str) for one in flat):
        return y
    if values.dtype == object and all(is_number(one) and isinstance(one, _STORED) for one in flat):
        return np.array(flat).reshape(values.shape)
    held = ", ".join(sorted({type(one).__name__ for one in flat})) or str(values.dtype)
    raise ValueError(f"'y' holds {held}. Give two classes of one kind: numbers such as 0 and 1, or texts.")


def events_of(estimator: Any, y: Any) -> NDArray[np.bool_]:
    """Return which rows are events, by the classes that an estimator was fitted on.

    Raises
    ------
    ValueError
        If ``y`` has not one dimension, or holds what is no class seen at fit.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> events_of(SimpleNamespace(classes_=np.array(["no", "yes"])), ["yes", "no"]).tolist()
    [True, False]
    """
    outcome = np.asarray(_target(y))
    if outcome.ndim != 1:
        raise ValueError(
            f"'y' has the shape {outcome.shape}, and must have one dimension. Give its column alone."
        )
    unknown = sorted(set(outcome.tolist()) - set(estimator.classes_.tolist()))
    if unknown:
        raise ValueError(f"The target holds classes unseen at fit: {unknown}. Leave these rows out.")
    event: NDArray[np.bool_] = outcome == estimator.classes_[1]
    return event


def frame_and_target(estimator: Any, X: Any, y: Any) -> tuple[pd.DataFrame, Any]:
    """Return X by name and y, validated for ``fit``; an array has the columns ``x0``, ``x1``, ….

    Raises
    ------
    ValueError
        If ``y`` is missing somewhere, rows do not match, or a column or the target cannot be used.
    """
    frame: pd.DataFrame
    y = _target(y)
    if named(X):
        if not (X.shape[0] and X.shape[1]):
            raise ValueError(f"Found a frame of shape {X.shape}. Give at least one row and one column.")
        frame = X
        y = validate_data(estimator, y=y, X="no_validation")
        check_consistent_length(frame, y)
    else:
        given = _unnamed(X)
        values, y = validate_data(estimator, given, y, dtype=np.float64, ensure_all_finite="allow-nan")
        frame = _frame(given, values)
    return frame, y


def learn_columns(estimator: Any, X: Any, frame: pd.DataFrame) -> None:
    """Set `inputs_`, `n_features_in_` and, for a frame with names, ``feature_names_in_`` on the estimator."""
    estimator.inputs_ = Inputs.learn(frame)
    estimator.n_features_in_ = frame.shape[1]
    if named(X):
        estimator.feature_names_in_ = np.array(estimator.inputs_.names, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def learn(estimator: Any, X: Any, y: Any) -> tuple[pd.DataFrame, NDArray[Any]]:
    """Validate X and y for ``fit`` and set `inputs_`, `classes_` and `n_features_in_` on the estimator.

    For a frame ``feature_names_in_`` is set as well.

    Parameters
    ----------
    estimator : classifier
    X : DataFrame or array of shape (n, k)
        An array is taken as numbers in columns ``x0``, ``x1``, …, and so is a frame without names; what is
        masked is missing.
    y : array of shape (n,)
        Two classes, numbers or texts; the second in sorted order is the event.

    Returns
    -------
    tuple of DataFrame of shape (n, k) and int array of shape (n,)
        The rows by name, and 1 for the event.

    Raises
    ------
    ValueError
        If ``y`` has not exactly two classes of one kind or is missing somewhere, rows do not match, or a
        column cannot be used.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> estimator = BaseEstimator()
    >>> frame, event = learn(estimator, [[1.0], [2.0]], ["no", "yes"])
    >>> event.tolist(), estimator.classes_.tolist(), estimator.inputs_.names
    ([0, 1], ['no', 'yes'], ('x0',))
    """
    frame, y = frame_and_target(estimator, X, y)
    check_classification_targets(y)
    target = type_of_target(y, input_name="y")
    classes, event = np.unique(y, return_inverse=True)
    if len(classes) > 2:
        raise ValueError(
            f"Only binary classification is supported. The type of the target is {target}. "
            "Give two classes, the event as the second."
        )
    if len(classes) < 2:
        raise ValueError(
            f"The target holds one class only: {classes.tolist()[0]!r}. Give rows of both classes."
        )
    learn_columns(estimator, X, frame)
    estimator.classes_ = classes
    return frame, event


def rows(estimator: Any, X: Any) -> pd.DataFrame:
    """Return the rows to score as a frame for ``estimator.inputs_``.

    Raises
    ------
    ValueError
        If one of the estimator's and ``X``'s columns have names and the others have none.
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    """
    check_is_fitted(estimator)
    if hasattr(estimator, "feature_names_in_"):
        if not named(X):
            raise ValueError(
                f"{type(estimator).__name__} was fitted on named columns and joins by name. Give a DataFrame."
            )
        frame: pd.DataFrame = X
        return frame
    if named(X):
        raise ValueError(
            f"{type(estimator).__name__} was fitted on columns without names and joins by position. "
            "Give an array, or fit on a DataFrame."
        )
    given = _unnamed(X)
    values = validate_data(estimator, given, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
    return _frame(given, values)


def check_parameters(
    estimator: Any, numbers: Mapping[str, tuple[float, float]], counts: Mapping[str, int]
) -> None:
    """Check the parameters of an estimator; one error lists all that are wrong.

    Parameters
    ----------
    estimator : object
        With an ``on_unseen`` parameter too.
    numbers : mapping of str to (low, high)
        Finite numbers in (low, high].
    counts : mapping of str to int
        Least value of each integer parameter.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> check_parameters(SimpleNamespace(share=2, on_unseen="flag"), {"share": (0, 1)}, {})
    Traceback (most recent call last):
    ValueError: The 'share' parameter of SimpleNamespace must be a float in (0, 1]. Got 2 instead.
    """
    wrong = []
    for name, (low, high) in numbers.items():
        value = getattr(estimator, name)
        if not isinstance(value, Real) or not np.isfinite(float(value)) or not low < float(value) <= high:
            wrong.append((name, f"a float in ({low}, {high}]", value))
    for name, least in counts.items():
        value = getattr(estimator, name)
        if not isinstance(value, Integral) or int(value) < least:
            wrong.append((name, f"an int from {least}", value))
    if estimator.on_unseen not in ("flag", "error"):
        wrong.append(("on_unseen", "'flag' or 'error'", estimator.on_unseen))
    if wrong:
        owner = type(estimator).__name__
        raise ValueError(
            "\n".join(
                f"The '{name}' parameter of {owner} must be {rule}. Got {value!r} instead."
                for name, rule, value in wrong
            )
        )


def check_monotone(estimator: Any) -> None:
    """Check that the signs in the ``monotone`` parameter are -1, 0 or 1 and name numbers of the fitted frame.

    Raises
    ------
    ValueError
    """
    known = estimator.inputs_
    wrong = []
    for name, sign in (estimator.monotone or {}).items():
        if sign not in (-1, 0, 1):
            wrong.append(f"must be -1, 0 or 1 for '{name}'. Got {sign!r} instead.")
        if name not in known.names:
            wrong.append(f"names '{name}', which X does not have. Leave it out, or add the column.")
        elif name in known.levels and sign:
            wrong.append(f"gives a direction to '{name}', whose levels have no order. Leave it out.")
    if wrong:
        owner = type(estimator).__name__
        raise ValueError("\n".join(f"The 'monotone' parameter of {owner} {text}" for text in wrong))
