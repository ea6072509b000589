"""What is not known of an enterprise, and how each reader of the records takes it.

A cell of the register may be unknown, and stays so: no reader puts a value in its place unless this module
says which, and then it says so to whoever asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.records.places import SHANGHAI, Place

__all__ = ["begun", "stand_ins", "told_stand_ins"]


def begun(days: pd.Series, day: pd.Timestamp) -> pd.Series:
    """Return what began before a day; of what nobody knows the beginning, that it always was.

    Parameters
    ----------
    days : Series of dates, shape (n,)
    day : Timestamp

    Returns
    -------
    Series of bool, shape (n,)

    Examples
    --------
    >>> days = pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02", None]))
    >>> begun(days, pd.Timestamp("2024-01-02")).tolist()
    [True, False, True]
    """
    return ~(days >= day)


def stand_ins(
    frame: pd.DataFrame, names: tuple[str, ...], place: Place = SHANGHAI
) -> tuple[dict[str, NDArray[np.int64]], dict[str, int]]:
    """Return codes of levels for a computation that needs one of everybody: of the unknown, the first level.

    Parameters
    ----------
    frame : DataFrame of shape (n, any)
        A column that is absent is unknown in every row.
    names : tuple of str
        Level sets, and columns of the frame.
    place : Place

    Returns
    -------
    tuple of dict and dict
        Codes by name, each an int array of shape (n,); and by name how many are unknown, where any is.

    Examples
    --------
    >>> codes, unknown = stand_ins(pd.DataFrame({"size": ["large", None]}), ("size",))
    >>> codes["size"].tolist(), unknown
    ([3, 0], {'size': 1})
    """
    codes, unknown = {}, {}
    for name in names:
        if name not in frame:
            codes[name] = np.zeros(len(frame), np.int64)
            continue
        known = frame[name].notna().to_numpy()
        found = pd.Categorical(frame[name].astype("str"), place.ids(name)).codes.astype(np.int64)
        codes[name] = np.where(known, found, 0)
        if not known.all():
            unknown[name] = int((~known).sum())
    return codes, unknown


def told_stand_ins(
    unknown: Mapping[str, int], what: str, place: Place = SHANGHAI, stacklevel: int = 3
) -> None:
    """Warn of the values that stand in for unknown ones.

    Warns
    -----
    UserWarning
        If any does: of how many, and which value.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     told_stand_ins({"size": 2}, "enterprises")
    >>> print(told[0].message)
    The 'size' of 2 enterprises is not known; 'micro' stands in. Say nothing by 'size', or give it.
    """
    if unknown:
        parts = [
            f"the '{name}' of {count:,} {what} is not known; '{place.ids(name)[0]}' stands in"
            for name, count in unknown.items()
        ]
        names = " or ".join(f"'{name}'" for name in unknown)
        said = "; ".join(parts)
        warnings.warn(
            f"{said[0].upper()}{said[1:]}. Say nothing by {names}, or give it.", stacklevel=stacklevel
        )
