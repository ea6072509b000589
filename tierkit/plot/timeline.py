"""Figure of one enterprise's records on a time axis, with the day until which each counts."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.lines import Line2D

from tierkit import texts
from tierkit.plot.given import frame_of
from tierkit.plot.style import COLORS, INK, canvas, is_dark, style
from tierkit.records import LEVELS, MERITS
from tierkit.records.gate import day_of

__all__ = ["timeline"]

_MOST = 8
"""Credit events that get a row each."""
_COLUMNS = ("table", "kind", "outcome", "happened_on", "known_on", "counts_until", "repaired_on")
_LANES = ("inspections", "complaints", "signals", "tiers")
_FOUND = {"none": INK["paper"], "minor": "#f2bd6b", "moderate": "#d9822b", "serious": "#8f2d12"}
_STATES = {"open": "#c4512b", "repaired": "#2c6a9a", "lapsed": "#9aa5b1", "honour": "#1f8a70"}


def timeline(records: pd.DataFrame, as_of: date | str, *, lang: str = "en") -> Axes:
    """Draw the records of one enterprise on a time axis.

    Parameters
    ----------
    records : DataFrame
        As `tierkit.report.known_records` gives them, of one enterprise.
    as_of : date
        Where the line ends: nothing that became known on this day or later is in the records.
    lang : {"zh", "en"}

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no records, or they are no frame or lack a column.

    Examples
    --------
    >>> days = pd.to_datetime(["2024-03-01", "2024-06-01"])
    >>> records = pd.DataFrame({"table": "inspections", "kind": "random", "outcome": ["none", "minor"],
    ...     "happened_on": days, "known_on": days, "counts_until": days, "repaired_on": pd.NaT})
    >>> ax = timeline(records, "2024-12-30")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['inspections (2)']
    """
    frame_of(records, "records", *_COLUMNS, give="what tierkit.report.known_records returned")
    if records.empty:
        raise ValueError("There are no records to draw. Leave the figure out.")
    end = pd.Timestamp(day_of(as_of))
    events = records[records["table"] == "credit_events"].sort_values("known_on")
    shown = events.tail(_MOST)
    lanes = [name for name in _LANES if (records["table"] == name).any()]
    labels = [LEVELS["event_kind"][kind].text(lang) for kind in shown["kind"]]
    counts = records["table"].value_counts()
    labels += [texts.text(f"figure.timeline.{name}", lang, count=str(counts[name])) for name in lanes]
    told = {"n": len(records), "as_of": f"{end:%Y-%m-%d}"}
    caption = texts.text("caption.timeline", lang, **told)
    if len(events) > len(shown):
        caption += " " + texts.text("caption.timeline.more", lang, n=len(events) - len(shown))
    with style():
        _, axes = canvas(
            texts.text("figure.timeline.title", lang),
            texts.text("figure.timeline.subtitle", lang),
            caption,
            width=7.6,
            height=0.9 + 0.34 * len(labels),
        )
        ax: Axes = axes[0, 0]
        used = _events(ax, shown, end)
        for y, name in enumerate(lanes, start=len(shown)):
            used |= _lane(ax, y, name, records[records["table"] == name], end)
        first = min(records["happened_on"].fillna(records["known_on"]).min(), end - pd.Timedelta(days=365))
        room = (end - first) * 0.02
        ax.set_xlim(_at(first - room), _at(end + room))
        ax.set_ylim(len(labels) - 0.4, -0.7)
        ax.set_yticks(range(len(labels)), labels)
        ax.axvline(_at(end), color=INK["soft"], linewidth=0.9, linestyle=(0, (3, 2)), zorder=0)
        locator = AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(_dates(locator))
        ax.grid(axis="x")
        _legend(ax, [key for key in (*_FOUND, *_STATES) if key in used], lang)
    return ax


def _at(day: Any) -> float:
    """Return where matplotlib puts a day: days since 1970."""
    return float((pd.Timestamp(day) - pd.Timestamp(0)) / pd.Timedelta(days=1))


def _dates(locator: AutoDateLocator) -> ConciseDateFormatter:
    """Return labels of dates that read the same in every language."""
    return ConciseDateFormatter(  # type: ignore[no-untyped-call]
        locator,
        formats=["%Y", "%Y-%m", *["%m-%d"] * 4],
        zero_formats=["", "%Y", *["%m-%d"] * 4],
        offset_formats=[""] * 6,
    )


def _state(row: pd.Series, end: pd.Timestamp) -> tuple[str, pd.Timestamp]:
    """Return the state of a credit event, and the day on which its bar ends."""
    if row["kind"] in MERITS:
        return "honour", min(row["counts_until"], end)
    if pd.notna(row["repaired_on"]):
        return "repaired", row["repaired_on"]
    ends = row["published_until"]
    return ("open", end) if ends >= end else ("lapsed", ends)


def _events(ax: Axes, events: pd.DataFrame, end: pd.Timestamp) -> set[str]:
    used = set()
    for y, (_, row) in enumerate(events.iterrows()):
        state, until = _state(row, end)
        known = _at(row["known_on"])
        happened = known if pd.isna(row["happened_on"]) else _at(row["happened_on"])
        ax.hlines(y, happened, known, color=_STATES[state], linewidth=1.2, linestyle=(0, (1, 1.5)))
        ax.hlines(y, known, _at(until), color=_STATES[state], linewidth=5.5)
        ax.plot([happened], [y], "|", color=_STATES[state], markersize=9)
        used.add(state)
    return used


def _lane(ax: Axes, y: int, name: str, rows: pd.DataFrame, end: pd.Timestamp) -> set[str]:
    days = [_at(day) for day in rows["happened_on"]]
    if name == "inspections":
        for day, found in zip(days, rows["outcome"], strict=True):
            clean = found == "none"
            edge = INK["soft"] if clean else _FOUND[found]
            ax.plot([day], [y], "o", color=_FOUND[found], markeredgecolor=edge, markersize=7 - clean)
        return set(rows["outcome"])
    if name == "tiers":
        ordered = rows.sort_values("happened_on")
        until = [*ordered["happened_on"].iloc[1:], end]
        for row, last in zip(ordered.itertuples(), until, strict=True):
            color = COLORS["tier"][str(row.outcome)]
            left, right = _at(row.happened_on), _at(last)
            ax.barh(y, right - left, 0.5, left, color=color, edgecolor=INK["paper"])
            ink = INK["paper"] if is_dark(color) else INK["text"]
            at = (left + right) / 2
            ax.text(at, y, str(row.outcome), ha="center", va="center", fontsize=8, color=ink, clip_on=True)
        return set()
    ax.plot(days, [y] * len(days), "D", color=INK["soft"], markersize=4.5, alpha=0.8)
    return set()


def _legend(ax: Axes, keys: list[str], lang: str) -> None:
    handles = []
    for key in keys:
        if key in _FOUND:
            handle = Line2D([], [], color=_FOUND[key], marker="o", linestyle="", markersize=6)
            handle.set_markeredgecolor(INK["soft"] if key == "none" else _FOUND[key])
        else:
            handle = Line2D([], [], color=_STATES[key], linewidth=5)
        handle.set_label(texts.text(f"figure.timeline.{key}", lang))
        handles.append(handle)
    if handles:
        low = -0.14 - 0.32 / len(ax.get_yticks())
        columns = len(keys) if len(keys) < 6 else -(-len(keys) // 2)
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, low), ncol=columns, borderaxespad=0)
