"""Which inspections were made, where, and which of them found something: never told of a missing value."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from tierkit.arrays import Mask
from tierkit.records import FINDINGS, MODES

__all__ = ["found_something", "of_channels", "on_site"]


def found_something(inspections: pd.DataFrame) -> Mask:
    """Return which inspections found something, of any severity.

    Parameters
    ----------
    inspections : DataFrame of n rows
        With the column ``finding``.

    Returns
    -------
    bool array of shape (n,)

    Raises
    ------
    ValueError
        If a finding is missing, or is no finding of the data contract. No dataset that was read and validated
        holds such a row.

    Examples
    --------
    >>> found_something(pd.DataFrame({"finding": ["none", "minor"]})).tolist()
    [False, True]
    >>> found_something(pd.DataFrame({"finding": ["none", None]}))
    Traceback (most recent call last):
    ...
    ValueError: The 'finding' is missing in 1 of 2 inspections, and a missing one is neither ...
    """
    _check(inspections, "finding", FINDINGS, "neither a violation nor none")
    return ~_is(inspections["finding"], "none")


def on_site(inspections: pd.DataFrame) -> Mask:
    """Return which inspections were made on site, alone or jointly.

    Parameters
    ----------
    inspections : DataFrame of n rows
        With the column ``mode``.

    Returns
    -------
    bool array of shape (n,)

    Raises
    ------
    ValueError
        If a mode is missing, or is no mode of the data contract.

    Examples
    --------
    >>> on_site(pd.DataFrame({"mode": ["onsite", "offsite", "joint"]})).tolist()
    [True, False, True]
    """
    _check(inspections, "mode", MODES, "neither on site nor off")
    return ~_is(inspections["mode"], "offsite")


def of_channels(inspections: pd.DataFrame, channels: Collection[str]) -> Mask:
    """Return which inspections were made through one of some channels; of an unknown one, that they were not.

    Parameters
    ----------
    inspections : DataFrame of n rows
        With the column ``channel``.
    channels : collection of str

    Returns
    -------
    bool array of shape (n,)

    Examples
    --------
    >>> of_channels(pd.DataFrame({"channel": ["routine", "random", None]}), ["random"]).tolist()
    [False, True, False]
    """
    return _is(inspections["channel"], *channels)


def _is(values: pd.Series, *levels: str) -> Mask:
    same: Mask = values.isin(levels).to_numpy(np.bool_)
    return same


def _check(inspections: pd.DataFrame, name: str, levels: tuple[str, ...], neither: str) -> None:
    """Raise if a level is missing or is none of those that there are."""
    values = inspections[name]
    gone = (values.isna() | values.isin([""])).to_numpy(np.bool_)
    of = f"{len(values):,} inspections"
    told = []
    if gone.any():
        told.append(
            f"The '{name}' is missing in {int(gone.sum()):,} of {of}, and a missing one is {neither}."
        )
    if (other := ~_is(values, *levels) & ~gone).any():
        first = values[other].iloc[0]
        told.append(
            f"The '{name}' is none of {', '.join(levels)} in {int(other.sum()):,} of {of}: {first!r} say."
        )
    if told:
        raise ValueError(f"{' '.join(told)} Give a dataset that was read and validated, or leave them out.")
