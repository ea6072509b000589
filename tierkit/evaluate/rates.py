"""How often an inspection finds something, as three ways to take the records say."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from tierkit.records.gate import day_of, source_of
from tierkit.records.known import Source
from tierkit.scores.metrics import effective_size, wilson_interval
from tierkit.scores.training_rows import SCHEMES, training_frame

__all__ = ["finding_rates"]


def finding_rates(data: Source, as_of: date | str, *, threads: int = 1) -> pd.DataFrame:
    """Return the probability that a standard audit finds a violation, as each scheme estimates it.

    Parameters
    ----------
    data : Dataset or path
    as_of : date
        Nothing known on this day or later is used.
    threads : int
        Does not change the result.

    Returns
    -------
    DataFrame of shape (3, 5), indexed by scheme
        ``naive`` (every on-site inspection as it comes), ``random`` (random audits alone) and ``weighted``
        (random audits and routine inspections, by one over the probability of their draw): ``value``, ``low``
        and ``high`` (Wilson, 95 %, at the effective size), ``n`` and ``effective``, the rows and what they
        are worth. Rows of the first half year of records are left out, as in training.

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
    data, day = source_of(data), day_of(as_of)
    told = []
    for scheme in SCHEMES:
        rows = training_frame(data, day, scheme, threads=threads)
        n, value = effective_size(rows.weight), float(np.average(rows.y, weights=rows.weight))
        low, high = wilson_interval(value * n, n)
        told.append((value, float(low), float(high), len(rows.y), n))
    return pd.DataFrame(told, index=list(SCHEMES), columns=["value", "low", "high", "n", "effective"])
