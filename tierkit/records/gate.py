"""The one gate for what users hand in: an argument has its forms, and all else is refused.

Rooms further up have their own part of the gate, for what they define: `tierkit.policy.policy_of` and
`tierkit.scores.model.model_of`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.records.arguments import (
    InputError,
    count_of,
    day_of,
    described,
    id_of,
    ids_of,
    instance_of,
    one_of,
    path_of,
)
from tierkit.records.dataset import Dataset
from tierkit.records.folder import read_dataset

__all__ = [
    "InputError",
    "count_of",
    "dataset_of",
    "day_of",
    "days_of",
    "described",
    "id_of",
    "ids_of",
    "instance_of",
    "one_of",
    "path_of",
    "scores_of",
    "source_of",
]


def days_of(values: Any, name: str = "as_of") -> NDArray[np.datetime64]:
    """Return the calendar days of a column; `day_of` says what each of them may be.

    Raises
    ------
    InputError
        If one of them is no day; the first is named.

    Examples
    --------
    >>> days_of(pd.Series(["2023-12-30", "2024-12-30"])).tolist()
    [datetime.date(2023, 12, 30), datetime.date(2024, 12, 30)]
    """
    column = pd.Series(values)
    if column.dtype.kind == "M" and column.dt.tz is None:
        wrong = column[column.isna() | (column != column.dt.normalize())]
        for value in wrong.head(1):
            day_of(value, name)
        return column.to_numpy().astype("datetime64[D]")
    days = {value: day_of(value, name) for value in column.unique()}
    return np.array([days[value] for value in column], "datetime64[D]")


def dataset_of(data: Any, name: str = "data") -> Dataset:
    """Return a dataset, which may be given as the path of its folder.

    Parameters
    ----------
    data : Dataset, mapping of str to DataFrame, or path
    name : str
        Name of the argument, for the message.

    Raises
    ------
    InputError
        If it is anything else.
    DataError
        If the folder cannot be read.

    Examples
    --------
    >>> dataset_of("data/synthetic").as_of
    datetime.date(2024, 12, 30)
    """
    given = source_of(data, name)
    if isinstance(given, Dataset):
        return given
    return Dataset(given) if isinstance(given, Mapping) else read_dataset(given)


def source_of(data: Any, name: str = "data") -> Dataset | Mapping[str, Any] | str | os.PathLike[str]:
    """Return data as it was given, a dataset or the path of its folder, and refuse all else.

    Raises
    ------
    InputError

    Examples
    --------
    >>> source_of(3)
    Traceback (most recent call last):
        ...
    tierkit.records.arguments.InputError: The 'data' must be a Dataset or the path of its folder. Got 3 (int).
    """
    if isinstance(data, Mapping | str | os.PathLike) and not isinstance(data, bytes):
        return data
    raise InputError(f"The '{name}' must be a Dataset or the path of its folder. Got {described(data)}.")


def scores_of(scores: Any, name: str = "scores") -> pd.DataFrame:
    """Return a frame of scores.

    Raises
    ------
    InputError
        If it is no frame.
    """
    return instance_of(scores, pd.DataFrame, name, "a DataFrame, as from model.score(data, as_of)")
