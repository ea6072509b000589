"""Figures of side effects over time: drift by year, moves between tiers, and triggered checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tierkit import texts
from tierkit.compare.intervals import relative_ends
from tierkit.plot.effects import caption, counted, effects, intervals, policy_axis, policy_label
from tierkit.plot.given import frame_of
from tierkit.plot.labels import PercentTicks, spread
from tierkit.plot.style import COLORS, INK, AxesRow, canvas, is_dark, policy_color, style, whiskers

__all__ = ["FEWEST", "drift", "transitions", "triggers"]

FEWEST = 30
"""Of fewer enterprises in a tier the drift is not drawn."""
_YEARLY = (
    *("policy", "baseline", "group", "level", "measure", "kappa", "year", "n", "replicates"),
    *("baseline_value", "difference", "difference_low", "difference_high"),
)
_MOVED = ("policy", "first", "last", "kappa", "weeks", "n", "share", "low", "high", "replicates")


def drift(years: pd.DataFrame, *, tier: str = "T1", measure: str = "prevalence", lang: str = "en") -> AxesRow:
    """Draw, by year, a measure of the enterprises that each plan put into a tier; one panel per κ.

    The change is from the baseline on the same enterprises under the same draws, so it is not a matter of
    who is in the tier. Plans with fewer than 30 enterprises in the tier are left out.

    Parameters
    ----------
    years : DataFrame
        ``Comparison.years``; those of several kappas one below the other.
    tier : str, default="T1"
    measure : str, default="prevalence"
    lang : {"zh", "en"}

    Returns
    -------
    array of Axes, one per κ

    Raises
    ------
    KeyError
        If there are no such rows of a plan with 30 enterprises in the tier.
    ValueError
        If the years are no frame or lack a column.

    Examples
    --------
    >>> axes = drift(years)  # years = compare(..., by_year=True).years
    >>> [ax.get_title(loc="left") for ax in axes]
    ['κ = 0', 'κ = 0.1', 'κ = 0.25']
    """
    frame_of(years, "years", *_YEARLY, give="comparison.years")
    within = years[(years["group"] == "tier") & (years["level"] == tier)]
    within = within.assign(policy=within["policy"].astype(str), baseline=within["baseline"].astype(str))
    counts = within[(within["measure"] == "inspections") & (within["policy"] != within["baseline"])]
    counts = counts[(counts["year"] == 1) & (counts["n"] >= FEWEST)]
    plans = list(dict.fromkeys(counts["policy"]))
    rows = within[(within["measure"] == measure) & within["policy"].isin(plans)]
    if rows.empty:
        raise KeyError(f"There are no years of '{measure}' with {FEWEST} enterprises in {tier}.")
    kappas = sorted({float(one) for one in rows["kappa"]})
    base = rows["baseline_value"].astype(float)
    low, high = relative_ends(rows["difference_low"], rows["difference_high"], base)
    rows = rows.assign(change=rows["difference"] / base, low=low, high=high)
    offsets = np.linspace(-0.16, 0.16, len(plans)) if len(plans) > 1 else np.zeros(1)
    with style():
        _, axes = canvas(
            texts.text("figure.drift.title", lang, tier=tier, measure=texts.text(f"measure.{measure}", lang)),
            texts.text(
                "figure.drift.subtitle",
                lang,
                tier=tier,
                baseline=policy_label(rows["baseline"].iloc[0], lang),
            ),
            texts.text(
                "caption.drift",
                lang,
                least=texts.number(counts["n"].min()),
                most=texts.number(counts["n"].max()),
                replicates=counted(int(rows["replicates"].min()), lang),
            )
            + " "
            + intervals(int(rows["replicates"].min()), lang, "caption.paired"),
            ncols=len(kappas),
            height=3.2,
            width=9.0,
            sharey=True,
        )
        last = int(rows["year"].max())
        for ax, kappa in zip(axes[0], kappas, strict=True):
            ends = []
            for plan, offset in zip(plans, offsets, strict=True):
                mine = rows[(rows["policy"] == plan) & np.isclose(rows["kappa"].astype(float), kappa)]
                mine = mine.sort_values("year")
                at, y = mine["year"].to_numpy(float) + offset, mine["change"].to_numpy(float)
                color = policy_color(plan)
                ax.plot(at, y, color=color, linewidth=1.3, alpha=0.6)
                whiskers(ax, at, y, mine["low"], mine["high"], color, vertical=True, size=4)
                ends.append((float(y[-1]), policy_label(plan, lang), color))
            ax.axhline(0, color=INK["soft"], linewidth=0.9, zorder=1)
            ax.set_xlim(0.6, last + 0.4 + (0.5 * last if ax is axes[0, -1] else 0))
            ax.set_xticks(range(1, last + 1))
            ax.yaxis.set_major_formatter(PercentTicks(sign=True))
            ax.tick_params(axis="y", labelcolor=INK["soft"], labelsize=8.5)
            ax.grid(axis="y")
            ax.set_title(f"κ = {kappa:g}")
            ax.set_xlabel(texts.text("axis.year", lang))
        bottom, top = axes[0, -1].get_ylim()
        ends = sorted(end for end in ends if np.isfinite(end[0]))
        placed = spread([end[0] for end in ends], 0.062 * (top - bottom))
        for (_, name, color), height in zip(ends, placed, strict=True):
            axes[0, -1].text(last + 0.3, height, name, color=color, va="center", fontsize=8.5)
    panels: AxesRow = axes[0]
    return panels


def transitions(
    moved: pd.DataFrame, policy: str, *, lang: str = "en", kappa: float = 0.1, weeks: int = 52
) -> Axes:
    """Draw where enterprises of each tier are at the end of a run.

    Parameters
    ----------
    moved : DataFrame
        ``Comparison.transitions``.
    policy : str
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.

    Returns
    -------
    Axes

    Raises
    ------
    KeyError
        If the frame has no such run.
    ValueError
        If it is no frame or lacks a column.

    Examples
    --------
    >>> ax = transitions(moved, "jinshan-2025")  # moved = compare(...).transitions
    >>> ax.get_xticklabels()[-1].get_text()
    'left'
    """
    frame_of(moved, "moved", *_MOVED, give="comparison.transitions")
    own = moved[
        (moved["policy"].astype(str) == policy)
        & np.isclose(moved["kappa"].astype(float), kappa)
        & (moved["weeks"] == weeks)
    ]
    if own.empty:
        raise KeyError(f"There are no moves under '{policy}' at kappa = {kappa} over {weeks} weeks.")
    firsts, lasts = list(dict.fromkeys(own["first"])), list(dict.fromkeys(own["last"]))
    cells = own.set_index(["first", "last"])
    with style():
        _, axes = canvas(
            texts.text("figure.transitions.title", lang, plan=policy_label(policy, lang)),
            texts.text("figure.transitions.subtitle", lang),
            texts.text(
                "caption.transitions",
                lang,
                n=texts.number(own.drop_duplicates("first")["n"].sum()),
                weeks=weeks,
                replicates=counted(int(own["replicates"].iloc[0]), lang),
                kappa=f"{kappa:g}",
            )
            + " "
            + intervals(int(own["replicates"].iloc[0]), lang, "caption.brackets"),
            width=5.8,
            height=2.6,
        )
        ax: Axes = axes[0, 0]
        for y, first in enumerate(firsts):
            for x, last in enumerate(lasts):
                cell = cells.loc[(first, last)].to_dict()
                share = 0.0 if np.isnan(cell["share"]) else float(cell["share"])
                color = _tint(COLORS["tier"].get(last, INK["soft"]), share)
                square = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=color, linewidth=0)
                ax.add_patch(square)
                if not cell["n"]:
                    continue
                digits = 1 if 0 < share < 0.1 else 0
                text = texts.percent(share, digits)
                if np.isfinite(cell["low"]) and cell["high"] > cell["low"]:
                    low, high = cell["low"] / cell["n"], cell["high"] / cell["n"]
                    text += f"\n{texts.interval(max(low, 0.0), high, 1, share=True)}"
                ink = "white" if is_dark(color) else INK["text"]
                ax.text(x, y, text, ha="center", va="center", fontsize=7, color=ink, linespacing=1.3)
        names = [texts.text("tier.left", lang) if last == "left" else last for last in lasts]
        ax.set_xticks(range(len(lasts)), names)
        sizes = [int(cells.loc[(first, lasts[0]), "n"]) for first in firsts]
        ax.set_yticks(
            range(len(firsts)),
            [f"{first}  n = {texts.number(n)}" for first, n in zip(firsts, sizes, strict=True)],
        )
        ax.set_xlim(-0.5, len(lasts) - 0.5)
        ax.set_ylim(len(firsts) - 0.5, -0.5)
        ax.xaxis.tick_top()
        ax.xaxis.set_label_position("top")
        ax.set_xlabel(texts.text("axis.last_tier", lang))
        ax.tick_params(length=0)
        ax.spines["bottom"].set_visible(False)
    return ax


def _tint(color: str, share: float) -> str:
    """Return a colour that is paler the smaller the share is."""
    rgb = np.array(to_rgb(color)) * share**0.5 + 1 - share**0.5
    return to_hex(rgb)


def triggers(summary: pd.DataFrame, *, lang: str = "en", kappa: float = 0.1, weeks: int = 52) -> AxesRow:
    """Draw trigger share and the finding rate of triggered checks, of the shielded and of the others.

    Shielded are those whose planned checks list or cap stop. If planned checks are made on them all the
    same under a trigger's name, triggers become more and find less.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary``.
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.

    Returns
    -------
    array of Axes, shape (2,)

    Raises
    ------
    KeyError
        If the summary has no such rows, or nobody is shielded under any policy.

    Examples
    --------
    >>> axes = triggers(summary)  # summary = compare(...).summary
    >>> [ax.get_title(loc="left") for ax in axes]
    ['trigger share', 'finding rate of triggered inspections']
    """
    of: dict[str, Any] = {"group": "shield", "kappa": kappa, "weeks": weeks}
    shielded = effects(summary, "inspections", level="shielded", **of)
    policies = list(shielded.loc[shielded["n"] > 0, "policy"])
    if not policies:
        raise KeyError("Nobody is shielded under any of the policies.")
    relabelled = effects(summary, "relabelled", kappa=kappa, weeks=weeks).set_index("policy")
    with style():
        _, axes = canvas(
            texts.text("figure.triggers.title", lang),
            texts.text("figure.triggers.subtitle", lang),
            caption(summary, lang, "caption.shielded", kappa=kappa, weeks=weeks),
            ncols=2,
            width=8.4,
            height=0.42 * len(policies) + 0.75,
            sharey=True,
        )
        for ax, measure in zip(axes[0], ("trigger_share", "trigger_finding_rate"), strict=True):
            for level, shift in (("open", 0.13), ("shielded", -0.13)):
                rows = effects(summary, measure, level=level, **of).set_index("policy")
                for y, policy in enumerate(policies):
                    row, color = rows.loc[policy].to_dict(), policy_color(policy)
                    hollow = level == "open"
                    whiskers(ax, row["value"], y + shift, row["low"], row["high"], color, hollow=hollow)
            ax.set_title(texts.text(f"measure.{measure}", lang))
            ax.set_xlim(left=0)
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.xaxis.set_major_formatter(PercentTicks())
            ax.grid(axis="x")
        policy_axis(axes[0, 0], policies, lang)
        made = {policy: relabelled.loc[policy, "value"] for policy in policies}
        sizes = shielded.set_index("policy")["n"]
        labels = [
            texts.text(
                "figure.triggers.row",
                lang,
                plan=policy_label(policy, lang),
                n=texts.number(sizes[policy]),
                relabelled=texts.number(made[policy]),
            )
            for policy in policies
        ]
        axes[0, 0].set_yticks(range(len(policies)), labels)
        axes[0, 0].tick_params(axis="y", labelsize=8.5)
        for label in axes[0, 0].get_yticklabels():
            label.set_linespacing(1.4)
    panels: AxesRow = axes[0]
    return panels
