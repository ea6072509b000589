"""What the table of a scorecard promises, whoever wrote it: bins without gaps, numbers that agree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any

import numpy as np
import pandas as pd

from tierkit.scores.binning import woe
from tierkit.scores.content import count, known, maybe, number, record, refuse, series, text
from tierkit.scores.inputs import Inputs

__all__ = ["BASE", "COLUMNS", "check_bins", "check_numbers", "check_rows", "rows_of", "table_of", "typed"]

BASE = "(base)"
"""Feature name of the table's first row, which every enterprise gets: the intercept."""

_AGREE = 1e-9  # points
_LARGEST = 1e6  # of points, log-odds and coefficients; their sums are held to 0 … 1000
_REAL = number(-_LARGEST, _LARGEST)
_CELLS = {
    "feature": text(),
    "bin": count(),
    "kind": known("base", "interval", "level", "missing", "unseen"),
    "lower": maybe(number()),
    "upper": maybe(number()),
    "levels": maybe(series(text(), apart=True)),
    "count": count(),
    "events": count(),
    "woe": _REAL,
    "iv": _REAL,
    "coefficient": _REAL,
    "points": _REAL,
    "log_odds": _REAL,
}
COLUMNS = tuple(_CELLS)
_ROWS = series(record(**_CELLS))


def check_rows(rows: Any, place: str) -> None:
    """Refuse rows as read from JSON that are not of the form of a table's.

    Raises
    ------
    ContentError
    """
    _ROWS(rows, place)
    for at, row in enumerate(rows):
        if row["events"] > row["count"]:
            refuse(f"{place}[{at}].events", f"is {row['events']}, more than its {row['count']} rows.")


def check_bins(rows: Sequence[Mapping[str, Any]], inputs: Inputs, unused: Mapping[str, str]) -> None:
    """Refuse rows that leave a value without a bin, or give it two.

    Parameters
    ----------
    rows : sequence of mapping
        In the form of `check_rows`.
    inputs : Inputs
        Columns of the scorecard, each of which has bins or is unused.
    unused : mapping of str to str

    Raises
    ------
    ContentError
    """
    if not rows or rows[0]["feature"] != BASE or [row["kind"] for row in rows].count("base") != 1:
        refuse("table[0]", f"must be the only base row, of the feature '{BASE}'.")
    if not 0 < rows[0]["events"] < rows[0]["count"]:
        refuse("table[0].events", "must be some of its rows, and not all.")
    if rows[0]["bin"] != 0 or any(rows[0][name] for name in ("woe", "iv", "coefficient")):
        refuse("table[0]", "must have the bin, the weight and the coefficient 0.")
    _check_nothing_else(rows[0], "table[0]")
    at, seen = 1, list(unused)
    for name, group in groupby(rows[1:], key=lambda row: row["feature"]):
        own = list(group)
        seen.append(name)
        _check_feature(own, at, inputs.levels.get(name))
        for what in ("count", "events"):
            if sum(row[what] for row in own) != rows[0][what]:
                refuse(f"table[{at}].{what}", f"begins bins whose sum is not the base row's {rows[0][what]}.")
        at += len(own)
    if sorted(seen) != sorted(inputs.names):
        refuse("table and unused", "must tell of each column of the scorecard once, and of no other.")


def _check_feature(rows: Sequence[Mapping[str, Any]], first: int, levels: tuple[str, ...] | None) -> None:
    """Refuse the rows of a feature that do not part its values; ``first`` is the place of its first row."""
    place = f"table[{first}]"
    kind, last = ("interval", ["missing"]) if levels is None else ("level", ["missing", "unseen"])
    n = len(rows) - len(last)
    if n < 1 or [row["kind"] for row in rows] != [kind] * n + last:
        refuse(f"{place}.kind", f"begins bins that are not of the kind '{kind}', then {' and '.join(last)}.")
    if [row["bin"] for row in rows] != list(range(len(rows))):
        refuse(f"{place}.bin", "begins bins that are not numbered 0, 1, …")
    for at, row in enumerate(rows[n:], first + n):
        _check_nothing_else(row, f"table[{at}]")
    if levels is None:
        ends = [(row["lower"], row["upper"]) for row in rows[:n]]
        inner = [low for low, _ in ends[1:]]
        whole = ends[0][0] is None and ends[-1][1] is None and inner == [high for _, high in ends[:-1]]
        if not whole or None in inner or any(a >= b for a, b in pairwise(inner)):
            refuse(f"{place}.lower", "begins intervals that do not follow each other without a gap.")
        if any(row["levels"] is not None for row in rows[:n]):
            refuse(f"{place}.levels", "begins intervals that name levels.")
    else:
        named = [level for row in rows[:n] for level in row["levels"] or [None]]
        if len(set(named)) < len(named) or not set(named) <= set(levels):
            refuse(
                f"{place}.levels", "begins bins that name no level, one twice, or one that 'inputs' has not."
            )
        if any(row["lower"] is not None or row["upper"] is not None for row in rows[:n]):
            refuse(f"{place}.lower", "begins bins of levels that have limits.")


def _check_nothing_else(row: Mapping[str, Any], place: str) -> None:
    for name in ("lower", "upper", "levels"):
        if row[name] is not None:
            refuse(f"{place}.{name}", f"must be null in a row of the kind '{row['kind']}'.")


def check_numbers(
    rows: Sequence[Mapping[str, Any]], factor: float, base: float, signs: Mapping[str, float]
) -> None:
    """Refuse numbers that do not follow from each other, or turn a declared direction round.

    Weights follow from rows and events (those of levels are shrunken, by rates that the table does not hold,
    and missing values of a declared direction may weigh 0), log-odds from coefficients and weights, points
    from log-odds; whole points are those rounded.

    Parameters
    ----------
    rows : sequence of mapping
        That passed `check_bins`.
    factor : float
        Points by log-odds of no event.
    base : float
        Points at log-odds 0 of the event.
    signs : mapping of str to {-1, 0, 1}
        Which way the points may move as a column grows.

    Raises
    ------
    ContentError
    """
    for at, row in enumerate(rows):
        # Not `>`, which NaN would pass.
        if not math.fabs(row["points"] + factor * row["log_odds"] - (0.0 if at else base)) <= _AGREE:
            refuse(f"table[{at}].points", f"are not those of the log-odds, within {_AGREE:g}.")
    whole = all(row["points"] == round(row["points"]) for row in rows)
    count, events = (np.array([row[name] for row in rows], np.float64) for name in ("count", "events"))
    starts = [at for at, row in enumerate(rows) if at and row["bin"] == 0]
    weights = np.zeros(len(rows))
    for start, end in pairwise([*starts, len(rows)]):
        weights[start:end] = woe(count[start:end], events[start:end], count[0], events[0])
    slopes: dict[str, float] = {}
    for at, row in enumerate(rows[1:], 1):
        by_chance = row["kind"] == "missing" and row["woe"] == 0 and signs.get(row["feature"], 0)
        if row["kind"] != "level" and not by_chance and not math.fabs(row["woe"] - weights[at]) <= _AGREE:
            refuse(f"table[{at}].woe", "is not that of the row's 'count' and 'events'.")
        if (
            row["coefficient"] >= 0
            or slopes.setdefault(row["feature"], row["coefficient"]) != row["coefficient"]
        ):
            refuse(f"table[{at}].coefficient", "must be below 0, and one for all bins of a column.")
        exact = -factor * (row["coefficient"] * row["woe"])
        if not math.fabs(row["points"] - (round(exact) if whole else exact)) <= _AGREE:
            refuse(f"table[{at}].points", "are not those of the weight and the coefficient.")
    for at, (one, other) in enumerate(pairwise(rows)):
        both = one["feature"] == other["feature"] and one["kind"] == other["kind"] == "interval"
        if both and (other["points"] - one["points"]) * signs.get(one["feature"], 0) < -_AGREE:
            refuse(f"table[{at + 1}].points", "turn the declared direction round.")


def typed(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with all columns, each in its type."""
    table = table.reindex(columns=list(COLUMNS)).reset_index(drop=True)
    table["levels"] = table["levels"].astype(object).where(table["levels"].notna(), None)
    kinds = {"bin": "int64", "count": "int64", "events": "int64", "levels": "object"}
    numbers = ("lower", "upper", "woe", "iv", "coefficient", "points", "log_odds")
    return table.astype({**kinds, **dict.fromkeys(numbers, "float64"), "feature": "str", "kind": "str"})


def rows_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as rows for JSON, which has no infinite numbers: None stands for them."""
    return [
        {str(k): (None if isinstance(v, float) and not np.isfinite(v) else v) for k, v in row.items()}
        for row in table.to_dict("records")
    ]


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return the table that `rows_of` made rows of."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    interval = table["kind"] == "interval"
    table["lower"] = table["lower"].astype(np.float64).mask(interval & table["lower"].isna(), -np.inf)
    table["upper"] = table["upper"].astype(np.float64).mask(interval & table["upper"].isna(), np.inf)
    return table
