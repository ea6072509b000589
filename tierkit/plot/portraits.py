"""Figures of tiers as groups: distinguishing features, changed reasons, and shares near a boundary."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from tierkit import texts
from tierkit.explain import BANDS, Portraits
from tierkit.explain.changes import DIRECTIONS, Changes
from tierkit.features import BY_NAME
from tierkit.plot.labels import PercentTicks
from tierkit.plot.style import COLORS, INK, canvas, style, whiskers
from tierkit.records import LEVELS
from tierkit.records.arguments import instance_of

__all__ = ["near_boundary", "tier_marks", "tier_moves"]

_ROW, _GAP = 0.25, 0.9
_DIGITS = {"risk": 2, "credit": 0}
_NEAR_COLORS = {"risk": "#2c6a9a", "credit": "#d9822b", "certainty": INK["text"]}


def _label(feature: str, lang: str) -> str:
    label = BY_NAME[feature].label.text(lang) if feature in BY_NAME else feature
    return texts.short(label[:1].upper() + label[1:], 44)


def _groups(ax: Axes, groups: list[tuple[str, list[str]]], lang: str) -> dict[tuple[int, int], float]:
    """Lay out groups from the top: a heading for each, and a position and label for each row."""
    at: dict[tuple[int, int], float] = {}
    ticks, labels, y = [], [], 0.0
    for k, (heading, rows) in enumerate(groups):
        told = ax.text(0.0, y, heading, transform=ax.get_yaxis_transform(), fontsize=9.5, va="center")
        told.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.5})  # over the line at zero
        for i, feature in enumerate(rows):
            y += 1
            at[k, i] = y
            ticks.append(y)
            labels.append(_label(feature, lang))
        y += 1 + _GAP
    ax.set_yticks(ticks, labels)
    ax.set_ylim(y - _GAP, -0.9)
    ax.axvline(0, color=INK["soft"], linewidth=0.9, zorder=1)
    ax.grid(axis="x")
    return at


def tier_marks(portraits: Portraits, axis: str = "risk", *, lang: str = "en", top: int = 5) -> Axes:
    """Draw the features by which each tier differs from the city on one score, with 95 % intervals.

    Parameters
    ----------
    portraits : Portraits
    axis : {"risk", "credit"}
    lang : {"zh", "en"}
    top : int, default=5
        Features of each tier, by size.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the portraits are something else.
    """
    instance_of(portraits, Portraits, "portraits", "what tierkit.portraits returned")
    found = {tier: portraits.strongest(tier, axis, top) for tier in portraits.tiers["tier"]}
    groups = []
    for tier, rows in found.items():
        n = int(portraits.tiers.set_index("tier").loc[tier, "n"])
        heading = f"{tier} {LEVELS['tier'][tier].text(lang)}, n = {texts.number(n)}"
        groups.append((heading, rows["feature"].tolist()))
    caption = texts.text("caption.portrait_marks", lang, n=int(portraits.tiers["n"].sum()))
    with style():
        _, axes = canvas(
            texts.text(f"figure.portrait_marks.{axis}", lang),
            texts.text("figure.portrait_marks.subtitle", lang),
            caption,
            height=0.6 + _ROW * sum(len(rows) + 1 + _GAP for _, rows in groups),
        )
        ax: Axes = axes[0, 0]
        at = _groups(ax, groups, lang)
        for k, rows in enumerate(found.values()):
            y = [at[k, i] for i in range(len(rows))]
            worse = (rows["difference"] > 0) == (axis == "risk")
            for mask, kind in ((worse, "worse"), (~worse, "better")):
                one = rows[mask]
                whiskers(
                    ax, one["difference"], np.asarray(y)[mask], one["low"], one["high"],
                    COLORS["direction"][kind], size=5.5,
                )  # fmt: skip
        _numbers(ax, axis, lang)
    return ax


def tier_moves(changes: Changes, axis: str = "risk", *, lang: str = "en", top: int = 5) -> Axes:
    """Draw which reasons moved for those whose tier changed: by records, and by time alone.

    Parameters
    ----------
    changes : Changes
    axis : {"risk", "credit"}
    lang : {"zh", "en"}
    top : int, default=5

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the changes are something else.
    """
    instance_of(changes, Changes, "changes", "what tierkit.explain.changes returned")
    found = {one: changes.strongest(one, axis, top) for one in DIRECTIONS}
    groups, counts = [], []
    for direction, rows in found.items():
        n = int(rows["n"].iloc[0]) if len(rows) else 0
        counts.append(n)
        heading = f"{texts.text(f'figure.portrait_moves.{direction}', lang)}, n = {texts.number(n)}"
        groups.append((heading, rows["feature"].tolist()))
    with style():
        _, axes = canvas(
            texts.text(f"figure.portrait_moves.{axis}", lang),
            texts.text("figure.portrait_moves.subtitle", lang, before=changes.before, after=changes.after),
            texts.text("caption.portrait_moves", lang, n=sum(counts)),
            height=0.8 + _ROW * sum(len(rows) + 1 + _GAP for _, rows in groups),
        )
        ax: Axes = axes[0, 0]
        at = _groups(ax, groups, lang)
        parts = (
            ("records", COLORS["group"]["conduct"], -0.16),
            ("time", COLORS["group"]["complaints"], 0.16),
        )
        for part, color, shift in parts:
            every = changes.moved[(changes.moved["axis"] == axis) & (changes.moved["part"] == part)]
            for k, (direction, rows) in enumerate(found.items()):
                own = every[every["direction"] == direction].set_index("feature").loc[rows["feature"]]
                y = np.array([at[k, i] for i in range(len(rows))]) + shift
                whiskers(ax, own["mean"], y, own["low"], own["high"], color, size=4.5, hollow=part == "time")
            label = texts.text(f"figure.portrait_moves.{part}", lang)
            ax.plot([], [], "o", color=color, markersize=4.5, label=label,
                    markerfacecolor=INK["paper"] if part == "time" else color)  # fmt: skip
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)
        _numbers(ax, axis, lang)
    return ax


def near_boundary(portraits: Portraits, *, lang: str = "en") -> Axes:
    """Draw which share of each tier is near a boundary, on each axis and by certainty, with 95 % intervals.

    Parameters
    ----------
    portraits : Portraits
    lang : {"zh", "en"}

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the portraits are something else.
    """
    instance_of(portraits, Portraits, "portraits", "what tierkit.portraits returned")
    near: pd.DataFrame = portraits.near[portraits.near["band"] == BANDS[0]]
    tiers = portraits.tiers["tier"].tolist()
    shifts = {"risk": -0.2, "credit": 0.0, "certainty": 0.2}
    with style():
        _, axes = canvas(
            texts.text("figure.portrait_near.title", lang),
            texts.text("figure.portrait_near.subtitle", lang),
            texts.text(f"caption.portrait_near.{portraits.basis}", lang),
            height=0.7 + 0.5 * len(tiers),
        )
        ax: Axes = axes[0, 0]
        for axis, shift in shifts.items():
            own = near[near["axis"] == axis].set_index("tier").loc[tiers]
            y = np.arange(len(tiers)) + shift
            whiskers(ax, own["share"], y, own["low"], own["high"], _NEAR_COLORS[axis], size=5)
            name = texts.text(f"figure.portrait_near.{axis}", lang)
            ax.plot([], [], "o", color=_NEAR_COLORS[axis], markersize=5, label=name)
        names = [f"{row.tier}, n = {texts.number(row.n)}" for row in portraits.tiers.itertuples()]  # type: ignore[arg-type]
        ax.set_yticks(range(len(tiers)), names)
        ax.set_ylim(len(tiers) - 0.5, -0.5)
        ax.set_xlim(left=0)
        ax.xaxis.set_major_formatter(PercentTicks())
        ax.set_xlabel(texts.text("axis.share_of_tier", lang))
        ax.grid(axis="x")
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, borderaxespad=0.2)
    return ax


def _numbers(ax: Axes, axis: str, lang: str) -> None:
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: texts.signed(x, _DIGITS[axis])))
    ax.set_xlabel(texts.text(f"axis.portrait.{axis}", lang))
