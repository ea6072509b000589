"""Results of `ranking` and `compare_rankings`: frames with one row per measure, and their display."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tierkit.evaluate.order.inspections import POOLED
from tierkit.results import Result
from tierkit.texts import interval, number, percent, text

__all__ = ["Ranking", "RankingComparison"]


@dataclass(frozen=True, repr=False)
class Ranking(Result):
    """Result of `ranking`: how early and how much an order by a score finds.

    Attributes
    ----------
    table : DataFrame
        One row per measure and order: ``measure`` (``auc``, ``days_earlier``, ``capture``, ``precision``),
        ``capacity`` (share of inspections, for the last two), ``order`` (``pooled``, or ``within``: each
        group keeps its own dates), ``value`` with its 95 % bootstrap interval ``low`` to ``high``, ``worst``
        and ``best`` order of ties, ``as_made`` (what was), ``random`` and ``random_sd`` of a random order,
        ``oracle``, ``p_value`` (chance that the scores, dealt out at random, ``within`` among the group's own
        rows, do as well), ``n`` inspections, ``events``, ``groups``.
    course : DataFrame
        One row per day: ``date``, ``inspections`` (share made by its end), and shares of violations found by
        then, ``as_made``, ``pooled``, ``within`` (if there are groups), ``random`` with ``random_low`` and
        ``random_high`` (95 %, normal), ``oracle``.
    replicates : int
        Bootstrap samples, and shuffles.
    """

    table: pd.DataFrame
    course: pd.DataFrame
    replicates: int

    def summary(self) -> pd.DataFrame:
        """Return the table."""
        return self.table

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return how well the order finds violations, and how much earlier."""
        auc, days = self.row("auc"), self.row("days_earlier")
        n = {"n": number(auc["n"]), "events": number(auc["events"])}
        of_auc = {"auc": number(auc["value"], 3), "auc_interval": interval(auc["low"], auc["high"], 3)}
        of_days = {"days": number(days["value"], 1), "days_interval": interval(days["low"], days["high"], 1)}
        return [text("ranking.auc", lang, **of_auc, **n), text("ranking.days", lang, **of_days)]

    def row(self, measure: str, order: str = POOLED, capacity: float | None = None) -> pd.Series:
        """Return one row of the table.

        Raises
        ------
        KeyError
            If there is no such row.
        """
        return _row(self.table, measure, order, capacity)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON; no value is None."""
        return {"replicates": self.replicates, "measures": _plain(self.table), "course": _plain(self.course)}

    def _repr_html_(self) -> str:
        head = f"{_size(self.table)}; 95% intervals of {self.replicates} bootstrap samples"
        rows = [
            [
                _named(row),
                row["order"],
                _shown(row, "value"),
                _range(row, "low", "high"),
                _range(row, "worst", "best"),
                *(_shown(row, name) for name in ("as_made", "random", "oracle")),
                number(row["p_value"], 3),
            ]
            for row in self.table.to_dict("records")
        ]
        return _html(head, ["", "order", "value", "95%", "ties", "as made", "random", "oracle", "p"], rows)


@dataclass(frozen=True)
class RankingComparison:
    """Several scores on the same inspections, each against the first.

    Attributes
    ----------
    table : DataFrame
        One row per score, measure and order: ``score``, ``against``, ``measure``, ``capacity``, ``order``,
        ``value``, ``low``, ``high``, ``difference`` with its paired 95 % bootstrap interval
        ``difference_low`` to ``difference_high`` (NaN for the first), ``n``, ``events``.
    replicates : int
        Bootstrap samples, the same for all scores.
    """

    table: pd.DataFrame
    replicates: int

    def summary(self) -> pd.DataFrame:
        """Return the table."""
        return self.table

    def row(self, score: str, measure: str, order: str = POOLED, capacity: float | None = None) -> pd.Series:
        """Return one row of the table.

        Raises
        ------
        KeyError
            If there is no such row.
        """
        return _row(self.table[self.table["score"] == score], measure, order, capacity)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON; no value is None."""
        return {"replicates": self.replicates, "measures": _plain(self.table)}

    def _repr_html_(self) -> str:
        first = self.table["against"].iloc[0]
        against = f"against {first}; paired 95% intervals of {self.replicates} bootstrap samples"
        head = f"{_size(self.table)}; {against}"
        rows = [
            [
                row["score"],
                _named(row),
                row["order"],
                _shown(row, "value"),
                _range(row, "low", "high"),
                "" if row["score"] == first else _shown(row, "difference"),
                "" if row["score"] == first else _range(row, "difference_low", "difference_high"),
            ]
            for row in self.table.to_dict("records")
        ]
        return _html(head, ["", "", "order", "value", "95%", "difference", "95%"], rows)


def _size(table: pd.DataFrame) -> str:
    return f"{number(int(table['n'].iloc[0]))} inspections, {number(int(table['events'].iloc[0]))} violations"


def _row(table: pd.DataFrame, measure: str, order: str, capacity: float | None) -> pd.Series:
    """Return the one row of a measure."""
    at = table["capacity"].isna() if capacity is None else np.isclose(table["capacity"], capacity)
    rows = table[(table["measure"] == measure) & (table["order"] == order) & at]
    if rows.empty:
        there = table[["measure", "capacity", "order"]].drop_duplicates().to_numpy().tolist()
        raise KeyError(f"No '{measure}' in the order '{order}' at capacity {capacity}; there are {there}.")
    row: pd.Series = rows.iloc[0]
    return row


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.assign(date=frame["date"].dt.strftime("%Y-%m-%d")) if "date" in frame else frame
    return [
        {str(name): None if pd.isna(value) else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]


def _shown(row: Mapping[Any, Any], name: str) -> str:
    """Return a value in the unit of its measure: days, an AUC, or a share."""
    if row["measure"] in ("capture", "precision"):
        return percent(row[name], 1)
    return number(row[name], 3 if row["measure"] == "auc" else 2)


def _range(row: Mapping[Any, Any], low: str, high: str) -> str:
    ends = row[low], row[high]
    if row["measure"] in ("capture", "precision"):
        return interval(*ends, 1, share=True)
    return interval(*ends, 3 if row["measure"] == "auc" else 2)


def _named(row: Mapping[Any, Any]) -> str:
    at = "" if pd.isna(row["capacity"]) else f" at {percent(row['capacity'])}"
    return f"{row['measure']}{at}"


def _html(head: str, names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<p>{html.escape(head)}.</p><table><tr>{top}</tr>{body}</table>"
