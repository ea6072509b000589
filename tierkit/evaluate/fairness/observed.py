"""Exposure, planned inspections and equal-chance audits of scored enterprises, from a window of records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Floats, Ints
from tierkit.city.world import WEEKS_A_YEAR
from tierkit.evaluate.fairness import groups as g
from tierkit.evaluate.findings import found_something, of_channels, on_site
from tierkit.evaluate.windows import check_window
from tierkit.records import PLANNED_CHANNELS, TIERS, Place, place_of
from tierkit.records.unknown import begun
from tierkit.scores.checked import checked
from tierkit.texts import interval, number

__all__ = ["Observed", "alike", "observe", "ratio_text", "verdict"]


_YEAR_DAYS = 7 * WEEKS_A_YEAR
_ALPHA = 0.05


@dataclass(frozen=True)
class Observed:
    """The counts of a window by enterprise, in the order of the scores."""

    enterprises: pd.DataFrame
    tier: Ints
    risk: Floats
    years: Floats
    planned: Floats
    audits: Floats
    found: Floats
    obligations: Floats
    inspected: Floats  # obligations that were looked at, on site or off
    place: Place


def observe(
    scored: pd.DataFrame, records: Mapping[str, pd.DataFrame], start: pd.Timestamp, days: int
) -> Observed:
    """Count exposure, inspections and audits of scored enterprises over some days.

    Parameters
    ----------
    scored : DataFrame
        ``enterprise_id``, ``tier``, ``risk_probability``.
    records : mapping of str to DataFrame
        ``enterprises``, ``obligations``, ``inspections``.
    start : Timestamp
    days : int

    Raises
    ------
    ValueError
        If a column or an enterprise is missing, a tier is none, a risk is no probability, a finding
        or mode is missing, or the records do not hold the days.
    """
    missing = {"enterprise_id", "tier", "risk_probability"} - set(scored.columns)
    if missing:
        raise ValueError(f"The 'scored' frame must have the columns {sorted(missing)}; see tiers.assign.")
    [risk] = checked(risk_probability=("probabilities", scored["risk_probability"]))
    tier = pd.Index(TIERS).get_indexer(pd.Index(scored["tier"].astype(str))).astype(np.int64)
    if (tier < 0).any():
        other = scored["tier"].to_numpy()[tier < 0]
        raise ValueError(
            f"The 'tier' must be one of {', '.join(TIERS)} in every row. Got {other[0]!r} ({len(other):,} of "
            f"{len(tier):,} rows); see tiers.assign."
        )
    check_window(records, start, days)
    ids = pd.Index(scored["enterprise_id"].astype(str))
    table = records["enterprises"]
    table = table.set_axis(table["enterprise_id"].astype(str), axis=0)
    if not ids.is_unique or not ids.isin(table.index).all():
        raise ValueError(
            "The 'scored' enterprises must be in the records, a row each; score the same dataset."
        )
    table = table.loc[ids].reset_index(drop=True)
    end = start + pd.Timedelta(days=days)
    last = table["closed_on"].where(table["closed_on"] < end, end)
    years = (last - start).dt.days.clip(lower=0).to_numpy(np.float64) / _YEAR_DAYS
    rows = records["inspections"]
    rows = rows[(rows["inspected_on"] >= start) & (rows["inspected_on"] < end)]
    place = ids.get_indexer(pd.Index(rows["enterprise_id"].astype(str)))
    rows, place = rows[place >= 0], place[place >= 0]
    onsite = on_site(rows)
    random = of_channels(rows, ["random"]) & onsite

    def per(which: NDArray[np.bool_]) -> Floats:
        return np.bincount(place[which], minlength=len(ids)).astype(np.float64)

    keys = ["enterprise_id", "agency", "item_class"]
    duties = records["obligations"]
    duties = duties[begun(duties["valid_from"], end) & ~(duties["valid_to"] <= start)][keys].astype(str)
    looked = pd.MultiIndex.from_frame(duties).isin(pd.MultiIndex.from_frame(rows[keys].astype(str)))
    owner = ids.get_indexer(pd.Index(duties["enterprise_id"]))
    mine = owner >= 0
    return Observed(
        enterprises=table,
        tier=tier,
        risk=risk,
        years=years,
        planned=per(onsite & of_channels(rows, PLANNED_CHANNELS)),
        audits=per(random),
        found=per(random & found_something(rows)),
        obligations=np.bincount(owner[mine], minlength=len(ids)).astype(np.float64),
        inspected=np.bincount(owner[mine & looked], minlength=len(ids)).astype(np.float64),
        place=place_of(records),
    )


def alike(seen: Observed, band: Ints, but: str, day: date) -> Ints:
    """Return strata of equal risk, sector and size, without the group itself; the unknown are one level."""
    out = band
    for name in ("sector", "size"):
        if name != but:
            levels = len(g.levels_of(name, seen.place))
            code = g.group_of(seen.enterprises, name, day, seen.place)
            out = out * (levels + 1) + np.where(code < 0, levels, code)
    return out


def verdict(ratio: float, p: float) -> str:
    """Return the verdict on a ratio and its p-value: ``more``, ``less``, ``no_difference``, ``too_few``."""
    if np.isnan(ratio):
        return "too_few"
    return "no_difference" if p >= _ALPHA else "more" if ratio > 1 else "less"


def ratio_text(row: Mapping[Any, Any], name: str) -> str:
    """Return a ratio and its interval as text, from the columns that begin with a name."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{number(row[name], 2)} {interval(low, high, 2)}"
