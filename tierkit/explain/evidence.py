"""The records behind each feature's value, with ids and dates, by the queries of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

import pandas as pd

from tierkit import texts
from tierkit.features import FEATURES, Feature
from tierkit.records import LEVELS
from tierkit.records.known import Known, Source, opened

__all__ = ["KEYS", "KINDS", "Record", "evidence", "records_of"]

COLUMNS = ("enterprise_id", "feature", "table", "record_id", "on", "kind")

KEYS = {
    "enterprises": "enterprise_id",
    "obligations": "agency || '/' || item_class",
    "inspections": "check_code",
    "credit_events": "event_id",
    "complaints": "complaint_id",
    "signals": "signal_id",
}
"""What names a record of a table: its key, and of an obligation what it is beside the enterprise."""

KINDS = {
    "enterprises": ("", ""),
    "obligations": ("item_class", "item_class"),
    "inspections": ("finding", "finding"),
    "credit_events": ("kind", "event_kind"),
    "complaints": ("channel", "complaint_channel"),
    "signals": ("kind", "signal_kind"),
}
"""Table → column that says what a record is, and the set of its levels."""


class Record(NamedTuple):
    """A record behind a reason.

    Attributes
    ----------
    table : str
    record_id : str
        Check code, event, complaint or signal id; ``agency/item_class`` of an obligation; the enterprise's
        own id for its row of the register.
    on : str
        The day that counts, ISO; empty where it is not known.
    kind : str or None
        Finding, kind of event or signal, channel of a complaint, class of an obligation.
    """

    table: str
    record_id: str
    on: str
    kind: str | None = None

    def text(self, lang: str) -> str:
        """Return the record in words, with its id and date.

        Examples
        --------
        >>> Record("credit_events", "E7", "2024-05-02", "tax_arrears").text("en")
        'credit event E7 (2024-05-02, tax arrears)'
        """
        table = texts.text(f"record.of.{self.table}", lang)
        level = LEVELS.get(KINDS[self.table][1], {}).get(self.kind or "")
        kind = level.text(lang) if level else ""
        name = texts.plain(self.record_id, 40)
        return texts.text(
            "record.kind" if kind else "record", lang, table=table, id=name, on=self.day(lang), kind=kind
        )

    def day(self, lang: str) -> str:
        """Return the day that counts, or that it is not known.

        Examples
        --------
        >>> Record("enterprises", "9131", "").day("en")
        'not known'
        """
        return self.on or texts.text("word.unknown", lang)


def evidence(
    data: Source | Known,
    as_of: date | str | None = None,
    ids: Iterable[str] | None = None,
    *,
    threads: int = 1,
) -> pd.DataFrame:
    """Return the records behind the features of enterprises, as they were known before a date.

    A count has as many as it says; of a time since the last one there are those of that last day; a share
    has the records that it is a share of; a cell of the register has the enterprise's row. Where a feature
    has none, its value is that of the absence of records.

    Parameters
    ----------
    data : Dataset, mapping, path or Known
    as_of : date
        Cells known on this day or later are not used. What is open already has its day.
    ids : iterable of str, optional
        Enterprises; all if absent.
    threads : int
        It changes nothing.

    Returns
    -------
    DataFrame
        One row per feature and record: ``enterprise_id``, ``feature``, ``table``, ``record_id``, ``on`` (the
        day that counts) and ``kind`` (see `Record`). By enterprise in the order asked, then by feature in
        that of the catalogue, the latest first.

    Raises
    ------
    DataError
        If ``ids`` names enterprises that the dataset does not have, or tables cannot be read.

    Examples
    --------
    >>> found = evidence("data/synthetic", "2024-12-30")
    >>> behind = found[found["feature"] == "penalties_open"].groupby("enterprise_id").size()
    >>> from tierkit.features import build
    >>> open_ = build("data/synthetic", "2024-12-30")["penalties_open"]
    >>> bool((open_ == behind.reindex(open_.index, fill_value=0)).all())
    True
    """
    with opened(data, as_of, threads=threads) as known:
        wanted = known.ids(ids)
        parts = " UNION ALL ".join(_behind(place, feature) for place, feature in enumerate(FEATURES))
        # Records of somebody who was not registered yet make no feature.
        sql = f"""SELECT f.* FROM ({parts}) f JOIN known_enterprises e ON e."row" = f."row"
            ORDER BY f."row", f.place, f."on" DESC, f.record_id"""
        found = known.query(sql, wanted)
    found["enterprise_id"] = wanted.iloc[found["row"]].to_numpy()
    found["feature"] = [FEATURES[place].name for place in found["place"]]
    found["on"] = pd.to_datetime(found["on"])
    return found[list(COLUMNS)].astype(dict.fromkeys(("feature", "table", "record_id", "kind"), "str"))


def _behind(place: int, feature: Feature) -> str:
    """Return the query for the records behind one feature."""
    table = feature.source
    kind = KINDS[table][0] or "NULL"
    last = ' QUALIFY "on" = max("on") OVER (PARTITION BY "row")' if feature.latest else ""
    return (
        f"""(SELECT "row", {place} AS place, '{table}' AS "table", {KEYS[table]} AS record_id, """
        f"""{feature.on} AS "on", {kind} AS kind FROM known_{table} WHERE {feature.where or "TRUE"}{last})"""
    )


def records_of(found: pd.DataFrame, enterprise_id: str) -> dict[str, tuple[Record, ...]]:
    """Return the records behind each feature of one enterprise.

    Parameters
    ----------
    found : DataFrame
        As from `evidence`.
    enterprise_id : str

    Examples
    --------
    >>> found = evidence("data/synthetic", "2024-12-30")
    >>> one = found.loc[found["feature"] == "findings_2y", "enterprise_id"].iloc[0]
    >>> records_of(found, one)["findings_2y"][0].table
    'inspections'
    """
    mine = found[found["enterprise_id"] == enterprise_id]
    out: dict[str, list[Record]] = {}
    for row in mine.to_dict("records"):
        kind = None if pd.isna(row["kind"]) else row["kind"]
        on = "" if pd.isna(row["on"]) else f"{row['on']:%Y-%m-%d}"
        record = Record(row["table"], row["record_id"], on, kind)
        out.setdefault(row["feature"], []).append(record)
    return {feature: tuple(records) for feature, records in out.items()}
