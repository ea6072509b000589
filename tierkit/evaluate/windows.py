"""Checks that the records cover the days of a window."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

__all__ = ["FEWEST_DAYS", "check_window", "end_of"]

FEWEST_DAYS = 91
"""Days of records after a date, below which an assessment holds nothing against them."""


def end_of(records: Mapping[str, pd.DataFrame]) -> pd.Timestamp:
    """Return the first day after the records, by the manifest or else the last inspection.

    Examples
    --------
    >>> end_of({"inspections": pd.DataFrame({"inspected_on": pd.to_datetime(["2024-12-30"])})})
    Timestamp('2024-12-31 00:00:00')
    """
    last = getattr(records, "manifest", {}).get("as_of")
    return pd.Timestamp(last) if last else records["inspections"]["inspected_on"].max() + pd.Timedelta(days=1)


def check_window(records: Mapping[str, pd.DataFrame], start: pd.Timestamp, days: int) -> None:
    """Raise unless a window lies within the records.

    Parameters
    ----------
    records : Dataset or mapping of str to DataFrame
    start : Timestamp
    days : int
        At least 1; a window may end up to a week late, as one of whole weeks does.

    Raises
    ------
    ValueError
        If nothing could have been recorded on some of its days.

    Examples
    --------
    >>> records = {"inspections": pd.DataFrame({"inspected_on": pd.to_datetime(["2024-12-30"])})}
    >>> check_window(records, pd.Timestamp("2024-07-01"), 365)
    Traceback (most recent call last):
    ...
    ValueError: The records end on 2024-12-31, within the 365 days from 2024-07-01. Give fewer days, ...
    """
    if days < 1:
        raise ValueError(f"The 'days' must be at least 1. Got {days}.")
    end = end_of(records)
    if start + pd.Timedelta(days=days - 7) > end:
        raise ValueError(
            f"The records end on {end.date()}, within the {days} days from {start.date()}. Give fewer days, "
            "or an earlier date."
        )
