"""Features as of a date, for every enterprise or for pairs of enterprise and date, by one query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pandas as pd

from tierkit.features.catalogue import FEATURES, Feature
from tierkit.records import GRAVITY, REPAIRABLE_KINDS
from tierkit.records.known import About, Known, Source, opened
from tierkit.records.repair_rules import open_sql

__all__ = [
    "build",
    "build_rows",
    "features_of",
    "features_sql",
    "on_register",
    "standing",
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
    """Return the query for all features, over the views of `Known` and nothing else."""
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


def features_of(known: Known, about: About = None) -> pd.DataFrame:
    """Return the features of enterprises, or of pairs of enterprise and day.

    Parameters
    ----------
    known : Known
    about : iterable of str, or DataFrame, optional
        Ids, or pairs of ``enterprise_id`` and ``as_of``; everybody if absent.

    Returns
    -------
    DataFrame of shape (n, n_features)
        In the order asked, indexed from 0; all missing where an enterprise was not registered yet. Numbers
        are doubles, levels categorical with all declared levels.
    """
    frame = known.query(features_sql(), about)
    for feature in FEATURES:
        if feature.levels is not None:
            frame[feature.name] = pd.Categorical(frame[feature.name], known.place.ids(feature.levels))
    return frame


def on_register(known: Known, about: About = None) -> pd.Series:
    """Return whether each enterprise asked about was registered before the day and had not closed."""
    sql = """SELECT coalesce(bool_and(e."row" IS NOT NULL AND e.closed_on IS NULL), FALSE) AS here
        FROM asked a LEFT JOIN known_enterprises e ON e."row" = a."row"
        GROUP BY a."row" ORDER BY a."row" """
    return known.query(sql, about)["here"]


def standing(known: Known, about: About = None) -> pd.DataFrame:
    """Return what the tier rule asks of the records of each enterprise asked about.

    Returns
    -------
    DataFrame of shape (n, 4)
        In the order asked: ``red_line``, the gravest adverse kind of credit event that stands open, or
        missing; ``standing_records``, each kind that stands open with the weeks since its youngest record,
        such as ``penalty:12;court_default:80``, empty if none does; ``adverse_record``, whether any adverse
        record was ever known, open or not; ``serious_finding_weeks`` since the last inspection with a serious
        finding, or missing.
    """
    rank = " ".join(f"WHEN '{kind}' THEN {i}" for i, kind in enumerate(GRAVITY))
    is_open = open_sql("k.", "a.as_of")
    kinds = ", ".join(f"'{kind}'" for kind in REPAIRABLE_KINDS)
    told = ", ".join(
        f"'{kind}:' || min((a.as_of - k.known_on) // 7) FILTER (k.kind = '{kind}' AND {is_open})"
        for kind in REPAIRABLE_KINDS
    )
    sql = f"""SELECT min(CASE k.kind {rank} END) FILTER ({is_open}) AS red_line,
            concat_ws(';', {told}) AS standing_records,
            coalesce(bool_or(k.kind IN ({kinds})), FALSE) AS adverse_record
        FROM asked a LEFT JOIN known_credit_events k ON k."row" = a."row"
        GROUP BY a."row" ORDER BY a."row" """
    found = known.query(sql, about)
    sql = """SELECT min((a.as_of - k.inspected_on) // 7) FILTER (k.finding = 'serious') AS weeks
        FROM asked a LEFT JOIN known_inspections k ON k."row" = a."row"
        GROUP BY a."row" ORDER BY a."row" """
    weeks = known.query(sql, about)["weeks"]
    return found.assign(
        red_line=found["red_line"].map(dict(enumerate(GRAVITY))).astype("str"),
        standing_records=found["standing_records"].astype("str"),
        serious_finding_weeks=pd.array(weeks.to_numpy(), "Int32"),
    )


def build(
    data: Source | Known,
    as_of: date | str | None = None,
    ids: Iterable[str] | None = None,
    *,
    closed: bool = False,
    threads: int = 1,
) -> pd.DataFrame:
    """Return the features of enterprises as of a date, from what was known before it.

    Parameters
    ----------
    data : Dataset, mapping, path or Known
    as_of : date
        Cells known on this day or later are not used. What is open already has its day.
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
    InputError
        If ``as_of`` is no day.
    DataError
        If ``ids`` names enterprises that the dataset does not have, or tables cannot be read.

    Examples
    --------
    >>> import tierkit as tk
    >>> X = tk.features("data/synthetic", "2024-12-30")
    >>> bool((X["findings_2y"] >= X["findings_1y"]).all()), X.index.name
    (True, 'enterprise_id')
    """
    with opened(data, as_of, threads=threads) as known:
        wanted = known.ids(ids)
        frame = features_of(known, wanted)
        here = frame["sector"].notna() if closed else on_register(known, wanted)
        frame.index = pd.Index(wanted, name="enterprise_id")
        return frame[here.to_numpy()]


def build_rows(data: Source | Known, pairs: pd.DataFrame, *, threads: int = 1) -> pd.DataFrame:
    """Return the features of each pair of enterprise and date, from what was known before that date.

    Parameters
    ----------
    data : Dataset, mapping, path or Known
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
    InputError
        If a value of ``as_of`` is no day.
    DataError
        If an enterprise is not in the dataset, or tables cannot be read.

    Examples
    --------
    >>> one = build("data/synthetic", "2024-12-30").index[0]
    >>> pairs = pd.DataFrame({"enterprise_id": one, "as_of": ["2023-12-30", "2024-12-30"]})
    >>> build_rows("data/synthetic", pairs)["age_years"].diff().iloc[1].round(3).item()
    1.002
    """
    with opened(data, threads=threads) as known:
        known.ids(pairs["enterprise_id"].unique())
        return features_of(known, pairs).set_axis(pairs.index)
