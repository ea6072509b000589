"""How often an inspection finds something, as three ways to take the records say."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from tierkit.records.known import Known, Source, opened
from tierkit.scores.metrics import rate_interval
from tierkit.scores.training_rows import SCHEMES, training_frame

__all__ = ["finding_rates"]


def finding_rates(data: Source | Known, as_of: date | str | None, *, threads: int = 1) -> pd.DataFrame:
    """Return the probability that a standard audit finds a violation, as each scheme estimates it.

    Parameters
    ----------
    data : Dataset, mapping, path or Known
    as_of : date
        Nothing known on this day or later is used.
    threads : int
        Does not change the result.

    Returns
    -------
    DataFrame of shape (3, 5), indexed by scheme
        ``naive`` (every on-site inspection as it comes), ``random`` (equal-chance audits alone) and
        ``weighted`` (equal-chance audits and routine inspections, by one over the probability of their
        draw): ``value``, ``low`` and ``high`` (Wilson, 95 %, at the effective size), ``n`` and
        ``effective``, the rows and the independent trials that they are worth, as weights differ and rows of
        one enterprise are alike. Rows of the first half year of records are left out, as in training.

    Raises
    ------
    DataError
        If a scheme has no rows.

    Examples
    --------
    >>> rates = finding_rates("data/synthetic", "2024-12-30")
    >>> rates.index.tolist(), bool((rates["effective"] <= rates["n"] + 1e-9).all())
    (['naive', 'random', 'weighted'], True)
    """
    with opened(data, as_of, threads=threads) as known:
        every = [training_frame(known, scheme=scheme) for scheme in SCHEMES]
    told = []
    for rows in every:
        value = float(np.average(rows.y, weights=rows.weight))
        low, high, n = rate_interval(rows.y, rows.weight, rows.rows["enterprise_id"])
        told.append((value, low, high, len(rows.y), n))
    return pd.DataFrame(told, index=list(SCHEMES), columns=["value", "low", "high", "n", "effective"])
