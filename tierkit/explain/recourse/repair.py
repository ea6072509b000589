"""Credit repair: open records, the days from which they can be repaired, and the points regained.

A record that is not repaired is open until its publication ends, by the rule in force on the day; one that
is repaired is open no longer, and its points are back on the next day. The earliest day is the record's own
(``repairable_from``). Here records are edited and features taken from them anew as of later days, so that
what comes back is what the scorecard would really say then, ages and counts of other records moving on as
they do. Nothing new is assumed to happen.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from tierkit.explain.recourse.editing import known_tables
from tierkit.features import features_of, standing
from tierkit.records import REPAIRABLE_KINDS, Tables
from tierkit.records.gate import day_of
from tierkit.records.known import Known, Source, known, opened
from tierkit.records.repair_rules import open_sql, published_until
from tierkit.scores.model import ModelLike, model_of

__all__ = ["credit_path", "open_records", "repaired"]

Case = Literal["none", "earliest"]
CASES: tuple[Case, ...] = ("none", "earliest")
"""Nothing is repaired from now on; everything that can be is, on its earliest day."""


def open_records(
    data: Source | Known, as_of: date | str | None = None, ids: Iterable[str] | None = None
) -> pd.DataFrame:
    """Return the open records of enterprises on a day, with the day from which each can be repaired.

    Parameters
    ----------
    data : Dataset, mapping, path or Known
    as_of : date
    ids : iterable of str, optional
        Enterprises to tell about; all if absent.

    Returns
    -------
    DataFrame
        One row per penalty or adverse record that is known, not repaired and still open: ``enterprise_id``,
        ``event_id``, ``kind``, ``severity``, ``known_on``, ``repairable_from`` (missing where it cannot be),
        ``repairable`` (whether that day has come) and ``open_until``, the last day on which it counts if it
        is not repaired. By enterprise, then by the day from which it can be repaired.

    Examples
    --------
    >>> found = open_records("data/synthetic", "2024-07-01")
    >>> bool((found["known_on"] <= found["repairable_from"]).all())
    True
    """
    with opened(data, as_of) as seen:
        events = seen.rows("credit_events", seen.ids(ids))
        return _open(events, pd.Timestamp(seen.day))


def _open(events: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    last = published_until(events["known_on"], events["kind"], events["severity"])
    until = pd.Series(last.astype("datetime64[us]"), index=events.index)
    here = events["kind"].isin(REPAIRABLE_KINDS) & ~(events["repaired_on"] < day) & (until >= day)
    here &= events["known_on"] < day
    columns = ["enterprise_id", "event_id", "kind", "severity", "known_on", "repairable_from"]
    found = events.loc[here, columns].assign(
        repairable=events.loc[here, "repairable_from"] <= day, open_until=until[here]
    )
    return found.sort_values(["enterprise_id", "repairable_from", "event_id"], ignore_index=True)


def repaired(events: pd.DataFrame, as_of: date | str) -> pd.DataFrame:
    """Return credit events with every open record repaired on its earliest day, ``as_of`` or later.

    Parameters
    ----------
    events : DataFrame
        The table ``credit_events`` as known before ``as_of``.
    as_of : date

    Examples
    --------
    >>> events = pd.DataFrame({"kind": ["penalty", "penalty", "honour"],
    ...     "repairable_from": pd.to_datetime(["2024-03-01", "2024-09-01", None]),
    ...     "repaired_on": pd.to_datetime([None, None, None])})
    >>> repaired(events, "2024-07-01")["repaired_on"].dt.strftime("%m-%d").tolist()
    ['07-01', '09-01', nan]
    """
    day = pd.Timestamp(day_of(as_of))
    can = events["kind"].isin(REPAIRABLE_KINDS) & events["repaired_on"].isna()
    earliest = events["repairable_from"].mask(events["repairable_from"] < day, day)
    return events.assign(repaired_on=events["repaired_on"].mask(can, earliest))


def credit_path(
    model: ModelLike,
    data: Source | Known,
    as_of: date | str | None,
    ids: Iterable[str],
    *,
    months: int = 12,
) -> pd.DataFrame:
    """Return the points of enterprises over the coming months, with nothing and with everything repaired.

    Parameters
    ----------
    model : Model or path
        Whose scorecard gives the points.
    data : Dataset or path
    as_of : date
        Cells known on this day or later are not used.
    ids : iterable of str
    months : int
        How many months ahead, a row each; on top of them come the days after a record can be repaired.

    Returns
    -------
    DataFrame
        One row per enterprise, case (of `CASES`) and day: ``enterprise_id``, ``as_of``, ``case``, ``points``,
        ``red_line`` (the gravest adverse kind that stands open, or missing) and ``open_records``. The days
        are those of the months, and each enterprise's own on which points come back.

    Raises
    ------
    DataError
        If an enterprise is not in the dataset, or the records do not reach to that day.

    Examples
    --------
    >>> import tierkit as tk
    >>> model = tk.train("data/synthetic", "2024-12-30")
    >>> one = open_records("data/synthetic", "2024-07-01")["enterprise_id"].iloc[0]
    >>> path = tk.credit_path(model, "data/synthetic", "2024-07-01", [one], months=6)
    >>> by_case = path.groupby("case", sort=False)["points"]
    >>> bool((by_case.get_group("earliest").to_numpy() >= by_case.get_group("none").to_numpy()).all())
    True
    """
    card = model_of(model).credit
    with opened(data, as_of) as seen:
        wanted, day = seen.ids(ids), seen.day
        now = known_tables(seen, wanted)
    pairs = _days(now["credit_events"], pd.Timestamp(day), wanted, months)
    parts = []
    for case in CASES:
        events = now["credit_events"]
        if case == "earliest":
            events = repaired(events, day)
        with known(Tables({**now, "credit_events": events}, now.place)) as later:
            X, red = features_of(later, pairs), standing(later, pairs)["red_line"]
            counts = later.query(_OPEN, pairs)["open"]
        points = card.points(X[list(card.inputs_.names)])
        parts.append(pairs.assign(case=case, points=points, red_line=red, open_records=counts))
    return pd.concat(parts, ignore_index=True)


_LISTED = ", ".join(f"'{kind}'" for kind in REPAIRABLE_KINDS)
_OPEN = f"""SELECT count(*) FILTER (WHERE k.kind IN ({_LISTED}) AND {open_sql("k.", "a.as_of")}) AS open
    FROM asked a LEFT JOIN known_credit_events k ON k."row" = a."row"
    GROUP BY a."row" ORDER BY a."row" """


def _days(events: pd.DataFrame, day: pd.Timestamp, ids: pd.Series, months: int) -> pd.DataFrame:
    """Return enterprise and day: every month, and the day after each repair."""
    ahead = pd.DatetimeIndex([day + pd.DateOffset(months=k) for k in range(months + 1)])
    regular = pd.DataFrame(
        {"enterprise_id": np.repeat(ids.to_numpy(), len(ahead)), "as_of": np.tile(ahead.to_numpy(), len(ids))}
    )
    found = _open(events, day).dropna(subset=["repairable_from"])
    back = found["repairable_from"].mask(found["repairable"], day) + pd.Timedelta(days=1)
    own = pd.DataFrame({"enterprise_id": found["enterprise_id"], "as_of": back})
    pairs = pd.concat([regular, own[own["as_of"] <= ahead[-1]]]).drop_duplicates()
    order = pairs["enterprise_id"].map({one: i for i, one in enumerate(ids)})
    return (
        pairs.assign(order=order).sort_values(["order", "as_of"]).drop(columns="order").reset_index(drop=True)
    )
