"""An enterprise's records for a page: what, when it happened, became known, and until when it counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from tierkit.records import MERIT_DAYS, REPAIRABLE_KINDS
from tierkit.records.known import Known, Source, opened
from tierkit.records.repair_rules import published_until

__all__ = ["COLUMNS", "TOLD", "known_records", "register"]

COLUMNS = (
    "enterprise_id", "table", "record_id", "kind", "agency", "outcome", "disposition", "happened_on",
    "known_on", "outcome_on", "counts_until", "published_until", "repairable_from", "repaired_on",
)  # fmt: skip
"""Columns of `known_records`."""
_TERMS = {kind: pd.Timedelta(days=days) for kind, days in MERIT_DAYS.items()}
_YEAR, _TWO_YEARS = pd.Timedelta(days=365), pd.Timedelta(days=730)
"""Spans over which the catalogue counts: signals; all else but open records and merits."""


def register(known: Known, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the register's row of each enterprise, as texts.

    Returns
    -------
    dict
        ``enterprise_id`` → ``name``, ``district``, ``town``, ``sector``, ``size``, ``ownership`` and
        ``registered_on``; None where it is not known.
    """
    rows = known.rows("enterprises", ids)
    kept = ["name", "district", "town", "sector", "size", "ownership"]
    days = rows["registered_on"].dt.strftime("%Y-%m-%d")
    texts = rows[kept].astype("object").assign(registered_on=days)
    told = texts.astype("object").where(texts.notna(), None)
    return dict(zip(rows["enterprise_id"], told.to_dict("records"), strict=True))


def known_records(
    data: Source | Known, as_of: date | str | None = None, ids: Sequence[str] = ()
) -> pd.DataFrame:
    """Return every record of some enterprises as it was known before a day.

    Parameters
    ----------
    data : Dataset, mapping of str to DataFrame or Path, path or Known
    as_of : date
        Rows known on this day or later are absent, and cells known then are empty. What is open already has
        its day.
    ids : sequence of str

    Returns
    -------
    DataFrame
        `COLUMNS`, one row per record, by enterprise and the latest known first. ``table`` is one of `TOLD`;
        ``kind`` the channel of an inspection or complaint, the kind of a credit event or signal, the policy
        of a past tier; ``outcome`` the finding, the severity, ``true`` or ``false`` for a complaint that was
        looked into, the tier; ``outcome_on`` when that was decided; ``counts_until`` the last day on which
        a count that a model reads still holds the record if nothing more is known of it, missing for tiers
        and for complaints that nobody found true; ``published_until`` the last day on which a credit event
        against the enterprise that is not repaired stands open, by the rules in force.

    Examples
    --------
    >>> ids = ["92310116TK0000004Y"]
    >>> found = known_records("data/synthetic", "2024-07-01", ids)
    >>> bool((found["known_on"] < "2024-07-01").all()), list(found.columns) == list(COLUMNS)
    (True, True)
    """
    with opened(data, as_of) as known:
        parts = [tell(known.rows(name, ids)).assign(table=name) for name, tell in _TELLERS.items()]
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
    last = published_until(rows["known_on"], rows["kind"], rows["severity"])
    ends = pd.Series(last.astype("datetime64[us]"), index=rows.index).where(stays)
    term = rows["kind"].astype("str").map(_TERMS).astype("timedelta64[us]")
    counted = rows["known_on"] + term.fillna(_TWO_YEARS)
    return rows.assign(
        record_id=rows["event_id"],
        outcome=rows["severity"],
        counts_until=counted.where(~(ends > counted), ends),
        published_until=ends,
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
        counts_until=(rows["substantiated_on"] + _TWO_YEARS).where(true),
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
    "tiers": _tiers,
}
TOLD = tuple(_TELLERS)
"""Tables whose rows are told, in this order where they share a day."""
