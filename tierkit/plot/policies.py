"""Figures of load: inspections by channel, visits per enterprise, and their distribution over groups."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tierkit import texts
from tierkit.plot.bars import stacked_bars
from tierkit.plot.effects import caption, effects, policy_label
from tierkit.plot.given import rows_of
from tierkit.plot.style import COLORS, INK, canvas, policy_color, style, whiskers
from tierkit.records import LEVELS, SHANGHAI, Place

__all__ = ["fairness", "load", "visits"]

# Planned channels first, then what something set off.
_CHANNELS = ("routine", "random", "commitment", "campaign", "trigger", "followup")
_COUNT = FuncFormatter(lambda value, _: texts.number(value))


def load(summary: pd.DataFrame, *, lang: str = "en", kappa: float = 0.1, weeks: int = 52) -> Axes:
    """Draw the inspections of each policy by channel.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary`` with the measure ``inspections`` by group ``channel`` and ``all``.
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = load(summary, lang="zh")  # summary = compare(...).summary
    >>> ax.get_xlabel()
    '52 周内的行政检查（次）'
    """
    rows = effects(summary, "inspections", group="channel", kappa=kappa, weeks=weeks)
    total = effects(summary, "inspections", kappa=kappa, weeks=weeks).set_index("policy")
    table = rows.pivot_table(
        index="policy", columns="level", values="value", sort=False, aggfunc="sum", observed=True
    )
    policies = [policy for policy in total.index if policy in table.index]
    table = table.loc[policies, [channel for channel in _CHANNELS if channel in table]]
    longest = float(table.sum(axis=1).max())
    with style():
        _, axes = canvas(
            texts.text("figure.load.title", lang),
            texts.text("figure.load.subtitle", lang),
            caption(summary, lang, "caption.value", kappa=kappa, weeks=weeks),
            height=0.42 * len(policies) + 0.75,
        )
        ax: Axes = axes[0, 0]
        stacked_bars(
            ax,
            table.fillna(0.0),
            colors=COLORS["channel"],
            names={channel: LEVELS["channel"][channel].text(lang) for channel in _CHANNELS},
            show=texts.number,
            least=0.055,
            lang=lang,
        )
        for y, policy in enumerate(table.index):
            row, end = total.loc[policy].to_dict(), float(table.loc[policy].sum())
            change = "" if policy == row["baseline"] else "  " + texts.percent(row["relative"], sign=True)
            ax.hlines(y, row["low"], row["high"], color=INK["text"], linewidth=1.4)
            end = max(end, float(np.nan_to_num(row["high"])))
            ax.text(end + 0.012 * longest, y, texts.number(row["value"]) + change, va="center", fontsize=9)
        ax.set_xlim(0, longest * 1.17)
        ax.xaxis.set_major_formatter(_COUNT)
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.grid(axis="x")
        ax.set_xlabel(texts.text("axis.inspections", lang, weeks=weeks))
    return ax


def visits(distribution: pd.DataFrame, *, lang: str = "en", conditions: str = "") -> Axes:
    """Draw the distribution of visits per enterprise under each policy, from no visit up.

    Parameters
    ----------
    distribution : DataFrame
        Columns ``policy``, ``visits`` (0 and up) and ``enterprises`` (count, or mean count over replicates).
    lang : {"zh", "en"}
    conditions : str
        What the caption adds, such as the conditions of the run.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no rows, or visits are no whole numbers from 0, or a count is below 0.

    Examples
    --------
    >>> ax = visits(pd.DataFrame({"policy": ["legacy"] * 2, "visits": [0, 1], "enterprises": [70, 30]}))
    >>> len(ax.patches)
    2
    """
    given = {"visits": "amounts", "enterprises": "amounts"}
    counts = rows_of(distribution, "distribution", given, {"policy": None}, whole=["visits"])
    counts = counts.assign(visits=counts["visits"].clip(upper=4))
    table = counts.pivot_table(
        index="policy", columns="visits", values="enterprises", aggfunc="sum", sort=False, observed=True
    )
    table = table.reindex(columns=sorted(table.columns)).fillna(0.0)
    shares = table.div(table.sum(axis=1), axis=0).rename(columns=str)
    special = {"0": "figure.visits.never", "4": "figure.visits.more"}
    with style():
        _, axes = canvas(
            texts.text("figure.visits.title", lang),
            texts.text("figure.visits.subtitle", lang),
            texts.text("caption.enterprises", lang, n=texts.number(table.sum(axis=1).max()))
            + (f" {conditions}" if conditions else ""),
            height=0.42 * len(shares) + 0.55,
        )
        ax: Axes = axes[0, 0]
        stacked_bars(
            ax,
            shares,
            colors=COLORS["visits"],
            names={
                k: texts.text(special.get(k, "figure.visits.count"), lang, n=int(k))
                for k in map(str, shares.columns)
            },
            show=lambda share: texts.percent(share, 1 if share < 0.1 else 0),
            least=0.04,
            lang=lang,
        )
        ax.set_xlim(0, 1)
        ax.xaxis.set_visible(False)
        ax.spines["bottom"].set_visible(False)
    return ax


def fairness(
    summary: pd.DataFrame,
    group: str,
    policy: str,
    *,
    measure: str = "inspections",
    lang: str = "en",
    kappa: float = 0.1,
    weeks: int = 52,
    place: Place = SHANGHAI,
) -> Axes:
    """Draw how much inspection each part of a group gets under a plan and under its baseline.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary`` with `measure` by `group`; ``n`` is the number of enterprises of a level.
    group : {"ownership", "size", "sector", "district"}
    policy : str
        The plan.
    measure : str, default="inspections"
        A count; it is shown per 100 enterprises and year.
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.
    place : Place
        The place of the comparison.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = fairness(summary, "size", "jiading-2025")  # summary = compare(...).summary
    >>> len(ax.get_yticks())
    4
    """
    rows = effects(summary, measure, group=group, kappa=kappa, weeks=weeks)
    rows = rows[(rows["policy"] == policy) & (rows["n"] > 0)].set_index("level")
    levels = [level for level in place.ids(group) if level in rows.index]
    with style():
        _, axes = canvas(
            texts.text("figure.fairness.title", lang, group=texts.text(f"group.{group}", lang)),
            texts.text("figure.fairness.subtitle", lang, plan=policy_label(policy, lang)),
            caption(summary, lang, "caption.value", kappa=kappa, weeks=weeks),
            width=5.8,
            height=0.40 * len(levels) + 0.75,
        )
        ax: Axes = axes[0, 0]
        color, labels, most = policy_color(policy), [], 0.0
        for y, level in enumerate(levels):
            row = rows.loc[level].to_dict()
            scale = 100 / (row["n"] * row["over"] / 52)
            before, after = row["baseline_value"] * scale, row["value"] * scale
            most = max(most, before, row["high"] * scale)
            ax.hlines(y, min(before, after), max(before, after), color=INK["line"], linewidth=1.2, zorder=2)
            whiskers(ax, before, y, np.nan, np.nan, INK["soft"], hollow=True, size=7)
            whiskers(ax, after, y, row["low"] * scale, row["high"] * scale, color, size=7)
            if y == 0:
                first = [(before, policy_label(row["baseline"], lang), INK["soft"])]
                first.append((after, policy_label(policy, lang), color))
            ax.annotate(
                texts.percent(row["relative"], sign=True),
                (1.0, y),
                xycoords=ax.get_yaxis_transform(),
                xytext=(4, 0),
                textcoords="offset points",
                ha="left",
                va="center",
                fontsize=8.2,
                color=INK["soft"],
            )
            labels.append(f"{place.levels[group][level].text(lang)}  n = {texts.number(row['n'])}")
        ax.set_yticks(range(len(levels)), labels)
        ax.set_ylim(len(levels) - 0.5, -0.9)
        ax.set_xlim(-0.03 * most, most * 1.04)
        ax.grid(axis="x")
        ax.set_xlabel(texts.text("axis.per_100", lang, measure=texts.text(f"measure.{measure}", lang)))
        for i, (value, name, shade) in enumerate(sorted(first)):
            ax.annotate(
                name,
                (value, 0),
                xytext=(0, 9),
                textcoords="offset points",
                ha="left" if i else "right",
                va="bottom",
                fontsize=8.5,
                color=shade,
            )
    return ax
