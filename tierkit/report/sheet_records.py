"""An enterprise's records for a page: what, when it happened, became known, and until when it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from tierkit.explain.recourse.repair import known_on
from tierkit.features import RECORD_DAYS
from tierkit.records import REPAIRABLE_KINDS, TABLES, Tables, conform, open_folder, place_of, read_dataset
from tierkit.records.known import TIMED, Source, is_declared

__all__ = ["COLUMNS", "TOLD", "known_records", "register"]

COLUMNS = (
    "enterprise_id", "table", "record_id", "kind", "agency", "outcome", "disposition", "happened_on",
    "known_on", "outcome_on", "counts_until", "repairable_from", "repaired_on",
)  # fmt: skip
"""Columns of `known_records`."""
TOLD = ("inspections", "credit_events", "complaints", "signals", "tiers")
"""Tables whose rows are told, in this order where they share a day."""
_YEAR, _TWO_YEARS = pd.Timedelta(days=365), pd.Timedelta(days=730)
"""Spans over which the catalogue counts: complaints as such and signals; all else but open records."""


def _of(data: Source, ids: Sequence[str]) -> Tables:
    """Return the rows of some enterprises, of every table that features read and of past tiers."""
    names = [*TIMED, "tiers"]
    given: dict[str, Any] = {}
    if isinstance(data, Mapping):
        given = {name: data[name] for name in names if name in data}
    else:
        files = open_folder(data).files
        there = [name for name in names if name in files]
        other = [name for name in there if not is_declared(files[name], TABLES[name])]
        given = {name: files[name] for name in there} | (dict(read_dataset(data, other)) if other else {})
    place = place_of(data)
    out = Tables({}, place)
    for name, table in given.items():
        if isinstance(table, Path):
            rows = pq.read_table(table, filters=[("enterprise_id", "in", list(ids))])
            out[name] = conform(rows.to_pandas(), name, place)
        else:
            out[name] = table[table["enterprise_id"].isin(ids)]
    return out


def register(data: Source, as_of: date | str, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the register's row of each enterprise, as texts.

    Returns
    -------
    dict
        ``enterprise_id`` → ``name``, ``district``, ``town``, ``sector``, ``size``, ``ownership`` and
        ``registered_on``.
    """
    rows = known_on(_of(data, ids), as_of)["enterprises"]
    kept = ["name", "district", "town", "sector", "size", "ownership"]
    days = rows["registered_on"].dt.strftime("%Y-%m-%d")
    texts = rows[kept].astype("object").assign(registered_on=days)
    return dict(zip(rows["enterprise_id"], texts.to_dict("records"), strict=True))


def known_records(data: Source, as_of: date | str, ids: Sequence[str]) -> pd.DataFrame:
    """Return every record of some enterprises as it was known before a day.

    Parameters
    ----------
    data : Dataset, mapping of str to DataFrame or Path, or path
    as_of : date
        Rows known on this day or later are absent, and cells known then are empty.
    ids : sequence of str

    Returns
    -------
    DataFrame
        `COLUMNS`, one row per record, by enterprise and the latest known first. ``table`` is one of `TOLD`;
        ``kind`` the channel of an inspection or complaint, the kind of a credit event or signal, the policy
        of a past tier; ``outcome`` the finding, the severity, ``true`` or ``false`` for a complaint that was
        looked into, the tier; ``outcome_on`` when that was decided; ``counts_until`` the last day on which
        a count that a model reads still holds the record if nothing more is known of it, missing for tiers;
        a complaint by a heavy complainant counts only once it is substantiated.

    Examples
    --------
    >>> ids = ["92310116TK0000004Y"]
    >>> found = known_records("data/synthetic", "2024-07-01", ids)
    >>> bool((found["known_on"] < "2024-07-01").all()), list(found.columns) == list(COLUMNS)
    (True, True)
    """
    day = pd.Timestamp(as_of)
    held = _of(data, ids)
    now = known_on(held, as_of)
    parts = [_TELLERS[name](now[name]).assign(table=name) for name in TOLD if name in now]
    if "tiers" in held:
        past = held["tiers"][held["tiers"]["assigned_on"] < day]
        parts.append(_tiers(past).assign(table="tiers"))
    texts = [name for name in COLUMNS if not name.endswith(("_on", "_until", "_from"))]
    days = [name for name in COLUMNS if name not in texts]
    parts = [
        part.reindex(columns=list(COLUMNS))
        .astype(dict.fromkeys(texts, "str"))
        .astype(dict.fromkeys(days, "datetime64[us]"))
        for part in parts
        if len(part)
    ]
    if not parts:
        empty = pd.DataFrame(columns=list(COLUMNS), dtype="str")
        return empty.astype(dict.fromkeys(days, "datetime64[us]"))
    found = pd.concat(parts, ignore_index=True)
    order = found["enterprise_id"].map({one: k for k, one in enumerate(ids)})
    found = found.assign(order=order).sort_values(
        ["order", "known_on"], ascending=[True, False], kind="stable", ignore_index=True
    )
    return found.drop(columns="order")


def _inspections(rows: pd.DataFrame) -> pd.DataFrame:
    penalised = rows["disposition"].isin(["penalised", "sealed"])
    last = rows["inspected_on"].where(~penalised, rows["decided_on"])
    return rows.assign(
        record_id=rows["check_code"],
        kind=rows["channel"],
        outcome=rows["finding"],
        happened_on=rows["inspected_on"],
        known_on=rows["inspected_on"],
        outcome_on=rows["decided_on"],
        counts_until=last + _TWO_YEARS,
    )


def _credit_events(rows: pd.DataFrame) -> pd.DataFrame:
    stays = rows["kind"].isin(REPAIRABLE_KINDS) & rows["repaired_on"].isna()
    long = rows["known_on"] + pd.Timedelta(days=RECORD_DAYS)
    return rows.assign(
        record_id=rows["event_id"],
        outcome=rows["severity"],
        counts_until=long.where(stays, rows["known_on"] + _TWO_YEARS),
    )


def _complaints(rows: pd.DataFrame) -> pd.DataFrame:
    true = rows["substantiated"].fillna(False).astype(bool)
    found = rows["substantiated"].map({True: "true", False: "false"}, na_action="ignore")
    return rows.assign(
        record_id=rows["complaint_id"],
        kind=rows["channel"],
        outcome=found,
        happened_on=rows["received_on"],
        known_on=rows["received_on"],
        outcome_on=rows["substantiated_on"],
        counts_until=(rows["received_on"] + _YEAR).where(~true, rows["substantiated_on"] + _TWO_YEARS),
    )


def _signals(rows: pd.DataFrame) -> pd.DataFrame:
    days = {"happened_on": rows["raised_on"], "known_on": rows["raised_on"]}
    return rows.assign(record_id=rows["signal_id"], counts_until=rows["raised_on"] + _YEAR, **days)


def _tiers(rows: pd.DataFrame) -> pd.DataFrame:
    days = {"happened_on": rows["assigned_on"], "known_on": rows["assigned_on"]}
    return rows.assign(
        record_id=rows["assigned_on"].dt.strftime("%Y-%m-%d"),
        kind=rows["policy"],
        outcome=rows["tier"],
        **days,
    )


_TELLERS = {
    "inspections": _inspections,
    "credit_events": _credit_events,
    "complaints": _complaints,
    "signals": _signals,
}
