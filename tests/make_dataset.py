"""Small random datasets from the schema alone: dates and levels fall anywhere, so corners are met often."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tierkit.records import SHANGHAI, TABLES, Column, Dataset, conform, credit_code

AGENCIES = SHANGHAI.ids("agency")

START, END = np.datetime64("2022-06-01"), np.datetime64("2024-06-01")
_DIVISIONS = ["01", "34", "62"]


def _days(rng: np.random.Generator, n: int, low: Any = START, high: Any = END) -> np.ndarray:
    return low + rng.integers(0, (high - low).astype(int), n).astype("timedelta64[D]")


def _values(column: Column, rng: np.random.Generator, n: int) -> Any:
    """Return cells of any kind but dates, which hang together."""
    if column.kind == "level":
        return rng.choice(column.ids, n)
    if column.kind == "flag":
        return rng.random(n) < 0.5
    if column.kind in ("int", "float"):
        low, high = column.low or 0, min(column.high or 100, 100)
        numbers = rng.uniform(max(low, 1e-6), high, n).round(6)
        return np.maximum(numbers.astype(int), int(low)) if column.kind == "int" else numbers
    if column.kind == "texts":
        return [list(rng.choice(["a", "b", "c"], rng.integers(0, 3), replace=False)) for _ in range(n)]
    return [f"{column.name}-{i}" for i in range(n)]


def _later(rng: np.random.Generator, first: np.ndarray, share: float, most: int = 300) -> np.ndarray:
    """Return a later day for a share of the rows, and none for the rest."""
    days = first + rng.integers(0, most, first.size).astype("timedelta64[D]")
    return np.where(rng.random(first.size) < share, days, np.datetime64("NaT"))


def _frame(table: str, rng: np.random.Generator, n: int, **given: Any) -> pd.DataFrame:
    cells = {
        column.name: _values(column, rng, n)
        for column in TABLES[table]
        if column.name not in given and column.kind != "date" and column.required
    }
    return conform(pd.DataFrame({**cells, **given}), table)


def make_dataset(enterprises: int = 40, seed: int = 0, records: int = 200) -> Dataset:
    """Make a dataset of every table that features read, with ``records`` rows in each table of records."""
    rng = np.random.default_rng(seed)
    ids = credit_code.make(range(enterprises)).tolist()
    born = _days(rng, enterprises, np.datetime64("2015-01-01"), END)
    born[: enterprises // 2] -= np.timedelta64(3000, "D")
    park = np.where(rng.random(enterprises) < 0.3, "P", None)
    tables = {
        "enterprises": _frame(
            "enterprises", rng, enterprises, enterprise_id=ids, registered_on=born, park=park,
            industry_division=rng.choice(_DIVISIONS, enterprises),
            closed_on=np.maximum(_later(rng, born, 0.3, 4000), born),
        ),
        "agencies": _frame("agencies", rng, len(AGENCIES), agency=list(AGENCIES)),
    }  # fmt: skip

    def owned(n: int) -> Any:
        return rng.choice(ids, n)

    since = _days(rng, records)
    seen, happened, received = _days(rng, records), _days(rng, records), _days(rng, records)
    rated = _later(rng, seen, 0.4, 30)
    finding = rng.choice(["none", "none", "minor", "moderate", "serious"], records)
    decided = np.where(finding == "none", np.datetime64("NaT"), _later(rng, seen, 0.8, 60))
    known = happened + rng.integers(0, 20, records).astype("timedelta64[D]")
    honest = _later(rng, received, 0.5, 60)
    open_ = np.isnat(decided)
    tables |= {
        "obligations": _frame(
            "obligations", rng, records, enterprise_id=owned(records), valid_from=since,
            valid_to=_later(rng, since, 0.4),
        ),
        "inspections": _frame(
            "inspections", rng, records, enterprise_id=owned(records), inspected_on=seen, finding=finding,
            decided_on=decided, rated_on=rated,
            disposition=np.where(open_, "none", rng.choice(["warned", "penalised", "sealed"], records)),
            rating=pd.array(rng.integers(1, 6, records)).astype("Int8").copy(),
            propensity=rng.uniform(0.001, 1, records), served_share=rng.uniform(0.5, 1, records),
        ),
        "credit_events": _frame(
            "credit_events", rng, records, enterprise_id=owned(records), happened_on=happened, known_on=known,
            repairable_from=known, repaired_on=_later(rng, known, 0.5),
            letter_sent_on=_later(rng, known, 0.5),
        ),
        "complaints": _frame(
            "complaints", rng, records, enterprise_id=owned(records), received_on=received,
            complainant=[f"c{i}" for i in np.minimum(rng.zipf(1.5, records), 60)],
            substantiated=pd.array(rng.random(records) < 0.5, dtype="boolean"), substantiated_on=honest,
        ),
        "signals": _frame(
            "signals", rng, records, enterprise_id=owned(records), raised_on=_days(rng, records)
        ),
    }  # fmt: skip
    inspections, complaints = tables["inspections"], tables["complaints"]
    tables["inspections"] = inspections.assign(
        rating=inspections["rating"].where(inspections["rated_on"].notna())
    )
    never = complaints["substantiated_on"].isna()
    tables["complaints"] = complaints.assign(substantiated=complaints["substantiated"].mask(never))
    return Dataset(tables)
