"""What was known of an inspection before its day, or before the order of a whole window was drawn up."""

from __future__ import annotations

import numpy as np
import pandas as pd

from studies.chicago.records import COUNTS, LICENCES
from tierkit.features.catalogue import Sign

__all__ = ["MONOTONE", "WHO", "features"]

MONOTONE: dict[str, Sign] = {
    "critical_rate": 1,
    "last_critical": 1,
    "last_serious": 1,
    "area_rate": 1,
    "inspector_rate": 1,
}
"""More of what was found before never lowers the risk."""

WHO = ("inspector", "inspector_rate")
"""Features that say who inspects."""

_FACILITIES = ("Restaurant", "Grocery Store", "School", "Bakery", "other")
_INSPECTORS = ("blue", "brown", "green", "orange", "purple", "yellow", "unknown")
_YEAR = pd.Timedelta(days=365)
_EVER = 100 * _YEAR
_PRIOR = 10.0  # inspections' worth of belief in the average, for rates of licences, wards and inspectors


def features(records: pd.DataFrame, as_of: pd.Timestamp | None = None) -> pd.DataFrame:
    """Return what was known of each inspection before its day, or before an earlier date.

    Parameters
    ----------
    records : DataFrame
        As from `read`.
    as_of : date, optional
        When the order is drawn up: of inspections on or after it nothing is used for any row.

    Returns
    -------
    DataFrame
        By row of the records: history of the licence, of its ward and of the inspector group over the year
        before, the licence's age and kinds, and ``inspector``.
    """
    day = records["inspection_date"]
    known = day if as_of is None else day.where(day < as_of, as_of)
    found = records["critical_found"].astype(np.float64)
    bad = pd.DataFrame({"n": 1.0, "critical": found})
    overall = _so_far(records, pd.Series(0, records.index), bad, known)
    average = (overall["critical"] + 1) / (overall["n"] + 8)  # an eighth before anything is known

    def rate(key: pd.Series, since: pd.Timedelta = _EVER) -> pd.Series:
        lately = _so_far(records, key, bad, known) - _so_far(records, key, bad, known - since)
        out: pd.Series = (lately["critical"] + _PRIOR * average) / (lately["n"] + _PRIOR)
        return out

    history = pd.DataFrame(
        {
            "n": 1.0,
            "failed": (records["result"] == "Fail").astype(np.float64),
            **{name: records[name].astype(np.float64) for name in COUNTS},
        }
    )
    past = _so_far(records, records["license"], history, known)
    seen = past["n"].where(past["n"] > 0)
    last = _latest(records, records["license"], records[[*COUNTS, "inspection_date"]], known)
    kind = records["facility_type"]
    who = records["inspector_group"].fillna("unknown")
    return pd.DataFrame(
        {
            "inspections": past["n"],
            "critical_rate": rate(records["license"]),
            "mean_serious": past["serious_count"] / seen,
            "mean_minor": past["minor_count"] / seen,
            "failed_share": past["failed"] / seen,
            "last_critical": last["critical_count"],
            "last_serious": last["serious_count"],
            "last_minor": last["minor_count"],
            "days_since_last": (known - last["inspection_date"]).dt.days.astype(np.float64),
            "area_rate": rate(records["ward"].fillna(0), _YEAR),
            "inspector_rate": rate(who, _YEAR),
            "risk_class": records["risk_class"].astype(np.float64),
            "age_years": records["age_years"].astype(np.float64),
            "facility": pd.Categorical(kind.where(kind.isin(_FACILITIES), "other"), _FACILITIES),
            **{name: records[name].astype(np.float64) for name in LICENCES},
            "inspector": pd.Categorical(who, _INSPECTORS),
        },
        index=records.index,
    )


def _latest(records: pd.DataFrame, key: pd.Series, values: pd.DataFrame, before: pd.Series) -> pd.DataFrame:
    """Return the values of the last record of each row's key that lies strictly before a date of the row."""
    held = values.assign(_at=records["inspection_date"], _key=key)
    asked = (
        pd.DataFrame({"_at": before, "_key": key}).reset_index(names="_row").sort_values("_at", kind="stable")
    )
    joined = pd.merge_asof(asked, held, on="_at", by="_key", allow_exact_matches=False)
    return joined.set_index("_row").reindex(records.index)[list(values)]


def _so_far(records: pd.DataFrame, key: pd.Series, values: pd.DataFrame, before: pd.Series) -> pd.DataFrame:
    """Return sums of values over the records of each row's key strictly before a date of the row."""
    return _latest(records, key, values.groupby(key.to_numpy()).cumsum(), before).fillna(0)
