"""Features as of a date, for every enterprise or for pairs of enterprise and date, by one query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pandas as pd

from tierkit.features.catalogue import FEATURES, RECORD_DAYS, Feature
from tierkit.records import GRAVITY, DataError, Problem
from tierkit.records.gate import day_of, ids_of, source_of
from tierkit.records.known import Source, Timeline

__all__ = [
    "build",
    "build_rows",
    "check_ids",
    "features_of",
    "features_sql",
    "on_register",
    "standing",
    "wanted_ids",
]


def _value(feature: Feature) -> str:
    if feature.levels is not None:
        return f'CAST({feature.sql} AS VARCHAR) AS "{feature.name}"'
    return f'CAST({feature.sql} AS DOUBLE) AS "{feature.name}"'


def _absent(feature: Feature) -> str:
    """Return the value of a feature without records; missing if the enterprise is not registered."""
    if feature.absent is None or feature.source == "enterprises":
        return f'{feature.source}."{feature.name}"'
    default = f'coalesce({feature.source}."{feature.name}", {feature.absent!r})'
    return f'CASE WHEN enterprises."row" IS NOT NULL THEN {default} END AS "{feature.name}"'


def features_sql() -> str:
    """Return the query for all features, over the views of `Timeline` and nothing else."""
    sources: dict[str, list[Feature]] = {}
    for feature in FEATURES:
        sources.setdefault(feature.source, []).append(feature)
    parts = []
    for source, group in sources.items():
        values = ", ".join(_value(feature) for feature in group)
        grouped = "" if source == "enterprises" else ' GROUP BY "row"'
        parts.append(f'{source} AS (SELECT "row", {values} FROM known_{source}{grouped})')
    joins = "\n".join(f'LEFT JOIN {source} ON {source}."row" = a."row"' for source in sources)
    columns = ",\n".join(_absent(feature) for feature in FEATURES)
    return 'WITH {}\nSELECT {}\nFROM asked a\n{}\nORDER BY a."row"'.format(",\n".join(parts), columns, joins)


def features_of(timeline: Timeline) -> pd.DataFrame:
    """Return the features of the pairs that the timeline was last asked about.

    Returns
    -------
    DataFrame of shape (n, n_features)
        In the order of the pairs, indexed from 0; all missing where an enterprise was not registered yet.
        Numbers are doubles, levels categorical with all declared levels.
    """
    frame = timeline.query(features_sql())
    for feature in FEATURES:
        if feature.levels is not None:
            frame[feature.name] = pd.Categorical(frame[feature.name], timeline.place.ids(feature.levels))
    return frame


def on_register(timeline: Timeline) -> pd.Series:
    """Return, for each pair, whether the enterprise was registered before the date and had not closed."""
    sql = """SELECT coalesce(bool_and(e."row" IS NOT NULL AND e.closed_on IS NULL), FALSE) AS here
        FROM asked a LEFT JOIN known_enterprises e ON e."row" = a."row"
        GROUP BY a."row" ORDER BY a."row" """
    here = timeline.query(sql)
    return here["here"]


def standing(timeline: Timeline) -> pd.Series:
    """Return, for each pair, the gravest open adverse kind of credit event, or missing.

    Returns
    -------
    Series of str
        One of `GRAVITY` or missing, in the order of the pairs.
    """
    rank = " ".join(f"WHEN '{kind}' THEN {i}" for i, kind in enumerate(GRAVITY))
    sql = f"""SELECT min(CASE k.kind {rank} END) AS gravest
        FROM asked a LEFT JOIN known_credit_events k ON k."row" = a."row"
            AND k.repaired_on IS NULL AND k.known_on >= a.as_of - {RECORD_DAYS}
        GROUP BY a."row" ORDER BY a."row" """
    gravest = timeline.query(sql)["gravest"]
    return gravest.map(dict(enumerate(GRAVITY))).astype("str")


def build(
    data: Source,
    as_of: date | str,
    ids: Iterable[str] | None = None,
    *,
    closed: bool = False,
    threads: int = 1,
) -> pd.DataFrame:
    """Return the features of enterprises as of a date, from what was known before it.

    Parameters
    ----------
    data : Dataset or path
    as_of : date
        Cells known on this day or later are not used.
    ids : iterable of str, optional
        Enterprises to tell about, in this order; all, in the order of their table, if absent.
    closed : bool
        Whether to tell about enterprises that had closed before the date, too.
    threads : int
        Does not change the result.

    Returns
    -------
    DataFrame of shape (n, n_features)
        Indexed by ``enterprise_id``; columns are `FEATURES`. Enterprises that were not registered before
        the date are left out.

    Raises
    ------
    DataError
        If ``ids`` names enterprises that the dataset does not have, or tables cannot be read.

    Examples
    --------
    >>> X = build("data/synthetic", "2024-12-30")
    >>> bool((X["findings_2y"] >= X["findings_1y"]).all()), X.index.name
    (True, 'enterprise_id')
    """
    day = day_of(as_of)
    with Timeline(source_of(data), threads) as timeline:
        wanted = wanted_ids(timeline, None if ids is None else ids_of(ids))
        timeline.ask(pd.DataFrame({"enterprise_id": wanted, "as_of": pd.Timestamp(day)}))
        frame = features_of(timeline)
        here = frame["sector"].notna() if closed else on_register(timeline)
        frame.index = pd.Index(wanted, name="enterprise_id")
        return frame[here.to_numpy()]


def build_rows(data: Source, pairs: pd.DataFrame, *, threads: int = 1) -> pd.DataFrame:
    """Return the features of each pair of enterprise and date, from what was known before that date.

    Parameters
    ----------
    data : Dataset or path
    pairs : DataFrame of shape (n, any)
        Columns ``enterprise_id`` and ``as_of``.
    threads : int
        Does not change the result.

    Returns
    -------
    DataFrame of shape (n, n_features)
        With the index of ``pairs``; all missing where the enterprise was not registered before the date.

    Raises
    ------
    DataError
        If an enterprise is not in the dataset, or tables cannot be read.

    Examples
    --------
    >>> one = build("data/synthetic", "2024-12-30").index[0]
    >>> pairs = pd.DataFrame({"enterprise_id": one, "as_of": ["2023-12-30", "2024-12-30"]})
    >>> build_rows("data/synthetic", pairs)["age_years"].diff().iloc[1].round(3).item()
    1.002
    """
    with Timeline(data, threads) as timeline:
        check_ids(pairs["enterprise_id"], timeline.ids())
        timeline.ask(pairs)
        return features_of(timeline).set_axis(pairs.index)


def wanted_ids(timeline: Timeline, ids: Iterable[str] | None) -> pd.Series:
    """Return the enterprises that are asked about, in that order; all, in that of their table, if none are.

    Raises
    ------
    DataError
        If the dataset does not have one of them.
    """
    known = timeline.ids()
    wanted = known if ids is None else pd.Series(list(ids), dtype="str")
    check_ids(wanted, known)
    return wanted


def check_ids(wanted: pd.Series, known: pd.Series) -> None:
    """Raise a `DataError` if ids are asked for that the dataset does not have."""
    unknown = wanted[~wanted.isin(known)]
    if len(unknown):
        examples = tuple(map(str, unknown.iloc[:3]))
        remedy = "Give ids of the table 'enterprises'."
        message = "is not in the dataset"
        raise DataError([Problem("enterprises", "enterprise_id", len(unknown), examples, message, remedy)])
