"""Figures of changes from the baseline, with intervals: findings, missed violations and harm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tierkit import texts
from tierkit.plot.effects import SUMMARY, caption, counted, effects, horizon, intervals, policy_label
from tierkit.plot.given import frame_of
from tierkit.plot.labels import PercentTicks, halo, place_labels, spread
from tierkit.plot.style import INK, AxesRow, canvas, policy_color, style, whiskers

__all__ = ["kappa", "outcomes", "trade_off"]

_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0)


def outcomes(
    summary: pd.DataFrame,
    *,
    measures: Sequence[str] = ("inspections", "finding_rate", "findings", "violations_missed", "harm"),
    lang: str = "en",
    kappa: float = 0.1,
    weeks: int = 52,
) -> AxesRow:
    """Draw load, finding rate, findings, missed violations and harm side by side, as changes.

    All panels share one scale, so that a finding rate is read together with its cost; the number
    beside each point is the value itself.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary``.
    measures : sequence of str
        The panels, from left to right.
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.

    Returns
    -------
    array of Axes, shape (len(measures),)

    Examples
    --------
    >>> axes = outcomes(summary, measures=["finding_rate", "findings"])  # summary = compare(...).summary
    >>> [ax.get_title(loc="left").partition(chr(10))[0] for ax in axes]
    ['finding rate', 'findings']
    """
    frames = {measure: effects(summary, measure, kappa=kappa, weeks=weeks) for measure in measures}
    policies = list(frames[measures[0]]["policy"])
    plans = policies[1:]
    reach = max(
        float(
            np.nanmax(np.abs(frame[["relative", "relative_low", "relative_high"]].astype(float).to_numpy()))
        )
        for frame in frames.values()
    )
    # The widest round step that leaves the labels of neighbouring panels apart.
    step = max((s for s in _STEPS if s <= 0.95 * reach), default=reach)
    with style():
        _, axes = canvas(
            texts.text("figure.outcomes.title", lang),
            texts.text("figure.outcomes.subtitle", lang, baseline=policy_label(policies[0], lang)),
            caption(summary, lang, "caption.paired_or_dot", kappa=kappa, weeks=weeks),
            width=9.2,
            height=0.60 * len(plans) + 0.95,
            ncols=len(measures),
            sharey=True,
            sharex=True,
        )
        for ax, measure in zip(axes[0], measures, strict=True):
            frame = frames[measure].set_index("policy")
            ax.axvspan(-2, 0, color=INK["band"], zorder=0)
            # The zero line stops where labels stand, which may be anywhere along their row.
            for y in range(-1, len(plans)):
                ends = ((y - 0.13, y + 0.14), (y + 0.42, y + 0.58))
                ax.vlines([0, 0], *zip(*ends, strict=True), color=INK["soft"], linewidth=1.0, zorder=1)
            share = measure in ("finding_rate", "trigger_share", "prevalence")
            for y, policy in enumerate(plans):
                row = frame.loc[policy].to_dict()
                color = policy_color(policy)
                whiskers(ax, row["relative"], y, row["relative_low"], row["relative_high"], color, size=7)
                at = float(np.clip(row["relative"], -0.8 * reach, 0.8 * reach))
                value = texts.percent(row["value"], 1) if share else texts.number(row["value"])
                change = texts.percent(row["relative"], 1 if abs(row["relative"]) < 0.1 else 0, sign=True)
                ax.text(
                    at,
                    y - 0.16,
                    change,
                    ha="center",
                    va="bottom",
                    fontsize=9,
                    color=color,
                    path_effects=halo(),
                )
                ax.text(
                    at,
                    y + 0.17,
                    value,
                    ha="center",
                    va="top",
                    fontsize=7.8,
                    color=INK["soft"],
                    path_effects=halo(),
                )
            base = float(frame["baseline_value"].iloc[-1])
            shown = texts.percent(base, 1) if share else texts.number(base)
            name = texts.text(f"measure.{measure}", lang)
            ax.set_title(f"{name}\n{policy_label(policies[0], lang)} {shown}", fontsize=9, linespacing=1.5)
            ax.xaxis.set_major_formatter(PercentTicks(sign=True))
            ax.set_xticks([-step, 0.0, step])
            ax.grid(axis="x")
            ax.get_xgridlines()[1].set_visible(False)
            ax.set_xlim(-reach * 1.3, reach * 1.3)
        axes[0, 0].set_yticks(range(len(plans)), [policy_label(p, lang) for p in plans])
        axes[0, 0].set_ylim(len(plans) - 0.45, -0.6)
        axes[0, len(measures) // 2].set_xlabel(texts.text("axis.change", lang))
    panels: AxesRow = axes[0]
    return panels


def trade_off(
    summary: pd.DataFrame,
    *,
    x: str = "inspections",
    y: str = "harm",
    lang: str = "en",
    kappa: float = 0.1,
    weeks: int = 52,
) -> Axes:
    """Draw each plan by its change in load and its change in harm, with both intervals.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary``.
    x, y : str
        The measures of the two axes.
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = trade_off(summary)  # summary = compare(...).summary
    >>> ax.get_ylabel()
    'change in harm'
    """
    across = effects(summary, x, kappa=kappa, weeks=weeks).set_index("policy")
    up = effects(summary, y, kappa=kappa, weeks=weeks).set_index("policy")
    with style():
        _, axes = canvas(
            texts.text("figure.trade_off.title", lang),
            texts.text("figure.trade_off.subtitle", lang),
            caption(summary, lang, "caption.cross", kappa=kappa, weeks=weeks),
            width=7.2,
            height=3.9,
        )
        ax: Axes = axes[0, 0]
        for policy in across.index:
            a, b = across.loc[policy].to_dict(), up.loc[policy].to_dict()
            color = policy_color(policy)
            if policy != a["baseline"]:
                ax.hlines(b["relative"], a["relative_low"], a["relative_high"], color=color, linewidth=1.8)
                ax.vlines(a["relative"], b["relative_low"], b["relative_high"], color=color, linewidth=1.8)
            ax.plot(a["relative"], b["relative"], "o", color=color, markersize=8)
        ax.margins(0.16, 0.16)
        (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
        right, low = max(right, 0.12 * (right - left)), min(low, -0.12 * (high - low))
        ax.set(xlim=(left, right), ylim=(low, high))
        ax.axhline(0, color=INK["soft"], linewidth=0.9, zorder=1)
        ax.axvline(0, color=INK["soft"], linewidth=0.9, zorder=1)
        ax.axhspan(low, 0, xmax=(0 - left) / (right - left), color=INK["band"], zorder=0)
        ax.text(
            left + 0.01 * (right - left),
            low + 0.02 * (high - low),
            texts.text("figure.trade_off.corner", lang),
            fontsize=8,
            color=INK["soft"],
            va="bottom",
        )
        ax.xaxis.set_major_formatter(PercentTicks(sign=True))
        ax.yaxis.set_major_formatter(PercentTicks(sign=True))
        ax.tick_params(axis="y", labelcolor=INK["soft"], labelsize=8.5)
        ax.grid()
        ax.set_xlabel(texts.text("axis.change_of", lang, measure=texts.text(f"measure.{x}", lang)))
        ax.set_ylabel(texts.text("axis.change_of", lang, measure=texts.text(f"measure.{y}", lang)))
        boxes = [
            [a["relative_low"], a["relative_high"], b["relative_low"], b["relative_high"]]
            for (_, a), (_, b) in zip(across.iterrows(), up.iterrows(), strict=True)
        ]
        place_labels(
            ax,
            np.column_stack([across["relative"], up["relative"]]),
            [policy_label(policy, lang) for policy in across.index],
            [policy_color(policy) for policy in across.index],
            np.nan_to_num(np.array(boxes, float)),
        )
    return ax


def kappa(summary: pd.DataFrame, *, measure: str = "harm", lang: str = "en") -> AxesRow:
    """Draw one measure's change against the strength of general deterrence, one panel per horizon.

    Parameters
    ----------
    summary : DataFrame
        The ``summary`` of comparisons with several kappas and horizons, one below the other.
    measure : str, default="harm"
    lang : {"zh", "en"}

    Returns
    -------
    array of Axes, one per horizon

    Examples
    --------
    >>> axes = kappa(summary)  # summary = compare(...).summary
    >>> [ax.get_title(loc="left") for ax in axes]
    ['over 1 year', 'in year 5']
    """
    frame_of(summary, "summary", *SUMMARY, give="comparison.summary")
    rows = summary[(summary["measure"] == measure) & (summary["group"] == "all")]
    horizons = sorted(int(w) for w in rows["weeks"].unique())
    kappas = sorted(float(k) for k in rows["kappa"].unique())
    baseline = str(rows["baseline"].iloc[0])
    plans = [str(p) for p in rows["policy"].unique() if str(p) != baseline]
    offsets = np.linspace(-0.13, 0.13, len(plans)) if len(plans) > 1 else np.zeros(1)
    with style():
        _, axes = canvas(
            texts.text("figure.kappa.title", lang, measure=texts.text(f"measure.{measure}", lang)),
            texts.text("figure.kappa.subtitle", lang),
            texts.text("caption.kappa", lang, n=int(rows["n"].iloc[0]))
            + " "
            + intervals(int(rows["replicates"].max()), lang, "caption.paired"),
            ncols=len(horizons),
            height=3.3,
            sharey=True,
        )
        for ax, weeks in zip(axes[0], horizons, strict=True):
            ends = []
            of_case = rows[rows["weeks"] == weeks].groupby("kappa")["replicates"].first()
            for plan, offset in zip(plans, offsets, strict=True):
                cases = [effects(summary, measure, kappa=k, weeks=weeks) for k in kappas]
                mine = pd.concat(cases).query("policy == @plan")
                at, y = np.arange(len(kappas)) + offset, mine["relative"].to_numpy(float)
                color = policy_color(plan)
                ax.plot(at, y, color=color, linewidth=1.3, alpha=0.55)
                ends_low, ends_high = mine["relative_low"], mine["relative_high"]
                whiskers(ax, at, y, ends_low, ends_high, color, vertical=True, size=5.5)
                ends.append((float(y[-1]), policy_label(plan, lang), color))
            ax.axhline(0, color=INK["soft"], linewidth=0.9, zorder=1)
            names = [f"κ = {k:g}\n{counted(int(of_case[k]), lang)}" for k in kappas]
            ax.set_xticks(range(len(kappas)), names, linespacing=1.4)
            ax.set_xlim(-0.4, len(kappas) - 0.6 + (0.75 if ax is axes[0, -1] else 0))
            ax.yaxis.set_major_formatter(PercentTicks(sign=True))
            ax.tick_params(axis="y", labelcolor=INK["soft"], labelsize=8.5)
            ax.grid(axis="y")
            ax.set_title(horizon(weeks, int(mine["over"].iloc[0]), lang))
        bottom, top = axes[0, -1].get_ylim()
        ends.sort()
        placed = spread([end[0] for end in ends], 0.062 * (top - bottom))
        for (_, name, color), height in zip(ends, placed, strict=True):
            axes[0, -1].text(len(kappas) - 1 + 0.24, height, name, color=color, va="center", fontsize=8.8)
    panels: AxesRow = axes[0]
    return panels
