"""Figures of the evaluation: visits at equal risk by group, and rounds of retraining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from tierkit import texts
from tierkit.plot.labels import PercentTicks
from tierkit.plot.style import COLORS, INK, canvas, style, whiskers
from tierkit.records.arguments import instance_of

if TYPE_CHECKING:  # figures draw what they are given, and load no model for it
    from tierkit.evaluate import Fairness, Feedback

__all__ = ["equal_visits", "feedback"]

_ROW = 0.42  # inches
# An arm that is known looks the same in every figure; others take these looks in turn.
_LOOKS: dict[str, tuple[str, Any]] = {
    "discovered": (COLORS["tier"]["T4"], "-"),
    "inspected": (COLORS["channel"]["trigger"], (0, (5, 1.5))),
    "inspected_floor": (COLORS["visits"]["2"], "-."),
    "audits_floor": (COLORS["visits"]["3"], "-"),
}
_TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0)
_SHOWN = ("kept", "never", "missed", "gap")


def equal_visits(result: Fairness, group: str = "ownership", *, lang: str = "en") -> Axes:
    """Draw the ratio of planned visits of each level to those of the rest, at equal risk, on a log scale.

    Parameters
    ----------
    result : Fairness
    group : str
        One of its groups.
    lang : {"zh", "en"}

    Returns
    -------
    Axes

    Raises
    ------
    KeyError
        If the result does not have the group.
    InputError
        If the result is something else.

    Examples
    --------
    >>> import pandas as pd
    >>> from tierkit.evaluate import fairness
    >>> from tierkit.city.synth import make
    >>> data, _ = make(300, seed=1)
    >>> ids = data["enterprises"]["enterprise_id"]
    >>> scored = pd.DataFrame({"enterprise_id": ids, "tier": "T2", "risk_probability": 0.1})
    >>> ax = equal_visits(fairness(scored, data, "2024-07-01", repeats=20), "size", lang="en")
    >>> ax.get_xscale()
    'log'
    """
    from tierkit.evaluate import Fairness

    instance_of(result, Fairness, "result", "what tierkit.evaluate.fairness returned")
    rows = result.visits[(result.visits["group"] == group) & (result.visits["n"] > 0)]
    if rows.empty:
        have = ", ".join(result.visits["group"].unique())
        raise KeyError(f"The result has no group '{group}'; it has {have}.")
    at = np.arange(len(rows), dtype=np.float64)
    colors = (COLORS["direction"]["better"], INK["soft"])
    caption = texts.text("caption.equal_visits", lang, start=result.start, days=result.days)
    title = texts.text("figure.equal_visits.title", lang, group=texts.text(f"group.{group}", lang))
    with style():
        _, axes = canvas(title, "", caption, height=1.2 + _ROW * len(rows))
        ax: Axes = axes[0, 0]
        ax.axvline(1.0, color=INK["line"], linewidth=1.2, zorder=1)
        for name, shift, color in (("ratio", -0.13, colors[0]), ("like", 0.13, colors[1])):
            value, low, high = (rows[f"{name}{end}"].to_numpy(np.float64) for end in ("", "_low", "_high"))
            whiskers(ax, value, at + shift, low, high, color, hollow=name == "like")
            ax.lines[-1].set_label(
                texts.text(f"figure.equal_visits.{'risk' if name == 'ratio' else 'like'}", lang)
            )
        ax.set_xscale("log")
        known = rows[["ratio_low", "ratio_high", "like_low", "like_high"]].to_numpy(np.float64)
        least, most = (0.5, 2.0) if np.isnan(known).all() else (np.nanmin(known), np.nanmax(known))
        left, right = min(float(least) / 1.1, 0.7), max(float(most) * 1.1, 1.5)
        ax.set_xlim(left, right)
        ax.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if left <= tick <= right]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        for y, value in zip(at, rows["ratio"], strict=True):
            if np.isnan(value):
                few = texts.text("fairness.too_few", lang)
                place = (0.01, float(y) - 0.13)
                where = ("axes fraction", "data")
                ax.annotate(few, place, xycoords=where, va="center", fontsize=8.5, color=INK["soft"])
        names = [
            f"{result.label(group, level, lang)}\nn = {texts.number(n)}"
            for level, n in zip(rows["level"], rows["n"], strict=True)
        ]
        ax.set_yticks(at, names)
        for label, told in zip(ax.get_yticklabels(), rows["verdict"].isin(["more", "less"]), strict=True):
            label.set_color(COLORS["direction"]["worse"] if told else INK["text"])
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlabel(texts.text("figure.equal_visits.axis", lang))
        ax.grid(axis="x")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.1)
    return ax


def feedback(result: Feedback, measures: Sequence[str] = _SHOWN, *, lang: str = "en") -> np.ndarray[Any, Any]:
    """Draw measures of retraining by round, one line per arm, with bands over the worlds.

    Parameters
    ----------
    result : Feedback
    measures : sequence of str
        Of `tierkit.evaluate.feedback.MEASURES`; a panel each, two across.
    lang : {"zh", "en"}

    Returns
    -------
    array of Axes, shape (n,)

    Raises
    ------
    InputError
        If the result is something else.

    Examples
    --------
    >>> from tierkit.evaluate import runaway
    >>> from tierkit.evaluate.feedback.feedback import Arm
    >>> short = runaway(300, rounds=2, seeds=[1, 2], arms=[Arm("a", "inspected", 0.0)])
    >>> len(feedback(short, ["never"], lang="en")[0].lines)
    1
    """
    from tierkit.evaluate import Feedback

    instance_of(result, Feedback, "result", "what tierkit.evaluate.runaway returned")
    means = result.summary()
    rows = (len(measures) + 1) // 2
    words = {"n": result.enterprises, "seeds": result.seeds}
    caption = texts.text(f"caption.feedback{'_single' if result.seeds == 1 else ''}", lang, **words)
    title, subtitle = (texts.text(f"figure.feedback.{name}", lang) for name in ("title", "subtitle"))
    with style():
        _, axes = canvas(
            title, subtitle, caption, height=0.45 + 2.3 * rows, nrows=rows, ncols=min(2, len(measures))
        )
        drawn = axes.ravel()
        for ax, measure in zip(drawn, measures, strict=False):
            for k, arm in enumerate(result.arms):
                mine = means[(means["arm"] == arm.name) & (means["measure"] == measure)]
                x, value, low, high = (
                    mine[c].to_numpy(np.float64) for c in ("round", "value", "low", "high")
                )
                color, line = _LOOKS.get(arm.name, list(_LOOKS.values())[k % len(_LOOKS)])
                ax.plot(x, value, color=color, linewidth=1.9, linestyle=line)
                ax.fill_between(x, low, high, color=color, alpha=0.13, linewidth=0)
            ax.set_title(texts.text(f"feedback.{measure}", lang))
            if str(mine["unit"].iloc[0]).startswith(("share", "probability")):
                ax.yaxis.set_major_formatter(PercentTicks())
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.grid(axis="y")
        for ax in drawn[len(measures) :]:
            ax.set_visible(False)
        for ax in axes[-1]:
            ax.set_xlabel(texts.text("figure.feedback.round", lang))
        named = [_arm_text(arm.name, lang) for arm in result.arms]
        half = -(-len(named) // axes.shape[1])
        for k, ax in enumerate(axes[0]):  # above the panels of the first row, a part each
            some = slice(k * half, (k + 1) * half)
            place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.12), "borderaxespad": 0.0}
            ax.legend(drawn[0].lines[some], named[some], handlelength=2.4, **place)
    return drawn[: len(measures)]


def _arm_text(name: str, lang: str) -> str:
    known = f"feedback.arm.{name}"
    return texts.text(known, lang) if known in texts.ids(lang) else name
