"""How a comparison is shown: a measure's change as text, and the headline as a table of a page."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tierkit.compare.intervals import relative_ends
from tierkit.compare.measures import SHARES
from tierkit.texts import interval, number, percent, signed, text

__all__ = ["change_of", "html_of"]


def html_of(table: pd.DataFrame, policies: Sequence[str]) -> str:
    """Return measures as an HTML table, a row for each policy and a column for each measure.

    Parameters
    ----------
    table : DataFrame
        `Comparison.table`: the rows of each policy in the order of its measures.
    policies : sequence of str
    """
    names = table["measure"].drop_duplicates()
    head = "".join(f"<th>{html.escape(text(f'measure.{name}', 'en'))}</th>" for name in names)
    body = []
    for policy in policies:
        mine = table[table["policy"] == policy]
        cells = "".join(f"<td>{_cell(row)}</td>" for row in mine.to_dict("records"))
        body.append(f"<tr><th>{html.escape(policy)}</th>{cells}</tr>")
    return f"<table><tr><th></th>{head}</tr>{''.join(body)}</table>"


def _cell(row: Mapping[Any, Any]) -> str:
    """Return a value and below it its difference from the baseline, as a cell of a page."""
    share = row["measure"] in SHARES
    value = percent(row["value"], 1) if share else number(row["value"])
    if row["policy"] == row["baseline"]:
        return value
    scale, digits = (100, 1) if share else (1, 0)
    change, low, high = (scale * row[key] for key in ("difference", "difference_low", "difference_high"))
    ends = f" {interval(low, high, digits, sign=True)}" if np.isfinite(low) else ""
    return f"{value}<br><small>{signed(change, digits)}{ends}</small>"


def change_of(row: Mapping[Any, Any], lang: str) -> str:
    """Return a measure's change with its interval: of a share in points, of others relative."""
    measure = text(f"measure.{row['measure']}", lang)
    change, ends = row["difference"], (row["difference_low"], row["difference_high"])
    share = row["measure"] in SHARES
    if not share:
        base = row["baseline_value"]
        change, ends = change / (base or np.nan), relative_ends(*ends, base)
    if not np.isfinite(change):
        return f"{measure} {number(None)}"
    low, high = (100 * end for end in ends)
    told = text(
        "comparison.points" if share else "comparison.change",
        lang,
        measure=measure,
        change=signed(100 * change, 1),
        interval=interval(low, high, 1, sign=True) if np.isfinite(low) else "",
    )
    return told.rstrip()
