"""The public file of canvass inspections, read and checked, and the scores of the published model."""

from __future__ import annotations

import os
import zlib

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tierkit.records import refuse_rows

__all__ = ["CLOSES", "COUNTS", "LICENCES", "OPENS", "inspectors_alone", "published", "read", "window"]

OPENS, CLOSES = pd.Timestamp("2014-09-02"), pd.Timestamp("2014-10-31")
"""First and last day of the published window."""
COUNTS = ("critical_count", "serious_count", "minor_count")
LICENCES = ("tobacco", "tavern", "outdoor_patio", "consumption_on_premises_incidental_activity")
_PUBLISHED = {  # column → how the paper's model reads it
    "past_serious": ("past_serious", 1.0),
    "past_critical": ("past_critical", 1.0),
    "years_since_last": ("years_since_last", np.inf),
    "consumption": ("paper_consumption_incidental", np.inf),
    "tobacco": ("paper_tobacco", np.inf),
    "temperature": ("paper_wx3_temperatureMax", np.inf),
    "burglary": ("heat_burglary", 70.0),
    "sanitation": ("heat_sanitation", 70.0),
    "garbage": ("heat_garbage", 50.0),
}
_OLD = 4.0  # years of a licence above which the paper calls it old
_COLUMNS = (
    "inspection_id", "license", "inspection_date", "result", "risk_class", "facility_type", "ward",
    "age_years", "inspector_group", "in_paper_sample", "paper_test", "paper_inspector_group",
    "paper_age_years", "critical_found", *COUNTS, *LICENCES, *(source for source, _ in _PUBLISHED.values()),
)  # fmt: skip


def read(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the public file of canvass inspections, checked.

    Parameters
    ----------
    path : str or path
        A CSV file, compressed or not.

    Returns
    -------
    DataFrame
        A row an inspection, by date and id, columns as in the file.

    Raises
    ------
    ValueError
        With everything that is wrong with the file.
    """
    try:
        raw = pd.read_csv(path, low_memory=False)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"'{path}' cannot be read as a CSV file: {error}.") from error
    if missing := sorted(set(_COLUMNS) - set(raw)):
        raise ValueError(
            f"'{path}' has no column {', '.join(missing)}; give the file of canvass inspections."
        )
    date = pd.to_datetime(raw["inspection_date"], errors="coerce", format="%Y-%m-%d")
    tested = raw["paper_test"].astype(bool) & ~date.between(OPENS, CLOSES)
    problems = {
        "dates are not YYYY-MM-DD": date.isna(),
        "inspection ids come twice": raw["inspection_id"].duplicated(),
        "outcomes are not 0 or 1": ~raw["critical_found"].isin([0, 1]),
        "outcomes are not those of the counts": (raw["critical_count"] > 0) != (raw["critical_found"] == 1),
        "rows of the published test lie outside its window": tested & date.notna(),
    }
    refuse_rows(path, raw, problems)
    out = raw.assign(inspection_date=date).sort_values(["inspection_date", "inspection_id"])
    return out.reset_index(drop=True)


def window(records: pd.DataFrame) -> pd.DataFrame:
    """Return the inspections of the published test: 1,637, of which 258 found a critical violation."""
    return records[records["paper_test"].astype(bool)]


def published(records: pd.DataFrame, *, inspectors: bool = True) -> NDArray[np.float64]:
    """Return the scores of the published model on its test window, fitted again on its own sample.

    Parameters
    ----------
    records : DataFrame
        As from `read`.
    inspectors : bool
        Whether it reads the inspector group, as published.

    Returns
    -------
    float array of shape (1637,)
        Log-odds, in the order of `window`.

    Notes
    -----
    The city fitted a ridge regression by glmnet and found 7.44 days; maximum likelihood finds 7.43.
    """
    sample = records[records["in_paper_sample"].astype(bool)]
    parts = {name: sample[source].clip(upper=top) for name, (source, top) in _PUBLISHED.items()}
    table = pd.DataFrame({**parts, "old": sample["paper_age_years"] > _OLD}).astype(np.float64)
    if inspectors:
        table = table.join(pd.get_dummies(sample["paper_inspector_group"], drop_first=True, dtype=np.float64))
    test = sample["paper_test"].astype(bool)
    model = LogisticRegression(C=np.inf, solver="newton-cholesky").fit(
        table[~test], sample.loc[~test, "critical_found"]
    )
    score: NDArray[np.float64] = model.decision_function(table[test])
    return score


def inspectors_alone(records: pd.DataFrame) -> NDArray[np.float64]:
    """Return the rate of each inspection's group of inspectors in the published training rows."""
    sample = records[records["in_paper_sample"].astype(bool) & ~records["paper_test"].astype(bool)]
    rate = sample.groupby("paper_inspector_group")["critical_found"].mean()
    score: NDArray[np.float64] = window(records)["paper_inspector_group"].map(rate).to_numpy(np.float64)
    return score
