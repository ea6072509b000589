"""Figures of what a comparison rests on: which unknown numbers move it, and how far one of them does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from tierkit import texts
from tierkit.plot.effects import policy_label
from tierkit.plot.labels import PercentTicks, halo, place_labels
from tierkit.plot.style import COLORS, INK, canvas, style, whiskers

__all__ = ["screening", "tornado"]

_RANGE = 1000.0
"""Effects smaller than the largest by this are not drawn."""
_ENDS = {"low": COLORS["channel"]["commitment"], "high": COLORS["channel"]["trigger"]}


def _rows(frame: pd.DataFrame, measure: str, kind: str) -> tuple[pd.DataFrame, dict[Any, Any]]:
    chosen = frame[frame["measure"] == measure]
    if chosen.empty:
        known = ", ".join(dict.fromkeys(frame["measure"]))
        raise KeyError(f"The {kind} has no '{measure}'; it has {known}.")
    return chosen, chosen.iloc[0].to_dict()


def screening(frame: pd.DataFrame, *, measure: str = "findings", lang: str = "en", top: int = 8) -> Axes:
    """Draw what each uncertain number does to the change of a measure, and how much that depends on the rest.

    Both axes are logarithmic; what does nothing, or a thousandth of the largest effect, is not drawn.

    Parameters
    ----------
    frame : DataFrame
        ``Screening.frame`` of `tierkit.sensitivity.screen`.
    measure : str
    lang : {"zh", "en"}
    top : int
        How many of those that stand out from the noise are named.

    Returns
    -------
    Axes

    Raises
    ------
    KeyError
        If the frame does not hold the measure.

    Examples
    --------
    >>> ax = screening(frame, measure="harm")  # frame = screen(...).frame
    >>> ax.get_xlabel()
    'mean absolute effect on the change, μ* (percentage points)'
    """
    rows, fact = _rows(frame, measure, "screening")
    rows = rows[rows["mu_star"] > rows["mu_star"].max() / _RANGE]
    effect, sigma, half = (rows[name].to_numpy(float) for name in ("mu_star", "sigma", "mu_star_conf"))
    least = 0.6 * float(effect.min()) if len(effect) else 1 / _RANGE
    low, high = np.maximum(effect - half, least), effect + half
    sigma = np.maximum(sigma, least)
    most = 2.2 * max([least, *high, *sigma])
    solid = rows["stands_out"].to_numpy(bool)
    with style():
        _, axes = canvas(
            texts.text("figure.screening.title", lang, measure=texts.text(f"measure.{measure}", lang)),
            texts.text("figure.screening.subtitle", lang, **_policies(fact, lang)),
            texts.text(
                "caption.screening",
                lang,
                **{name: int(fact[name]) for name in ("enterprises", "weeks", "trajectories", "replicates")},
            ),
            height=3.8,
        )
        ax: Axes = axes[0, 0]
        ax.set(xscale="log", yscale="log", xlim=(least, most), ylim=(0.8 * least, most))
        ax.grid(True)
        ax.plot([least, most], [least, most], color=INK["line"], linewidth=1.0, linestyle="--", zorder=1)
        for mask, color in ((~solid, COLORS["direction"]["none"]), (solid, COLORS["channel"]["routine"])):
            spots = (effect[mask], sigma[mask], low[mask], high[mask])
            whiskers(ax, *spots, color, size=5.0, hollow=mask is not solid)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
            axis.set_minor_formatter(NullFormatter())
        ax.set_xlabel(texts.text("axis.effect", lang))
        ax.set_ylabel(texts.text("axis.sigma", lang))
        named = np.flatnonzero(solid)[:top]
        points = np.column_stack([effect[named], sigma[named]])
        labels = [str(one) for one in rows[f"label_{lang}"].iloc[named]]
        boxes = np.column_stack([low[named], high[named], sigma[named], sigma[named]])
        # The diagonal is named where it ends, as one more label, so that no other stands there.
        points = np.vstack([points, [most / 1.5, most / 1.5]])
        boxes = np.vstack([boxes, np.repeat(most / 1.5, 4)])
        labels.append(texts.text("figure.screening.diagonal", lang))
        place_labels(ax, points, labels, [INK["text"]] * len(named) + [INK["soft"]], boxes)
    return ax


def tornado(frame: pd.DataFrame, *, measure: str = "findings", lang: str = "en", top: int = 10) -> Axes:
    """Draw the change of a measure with each number at either end of its range, the widest swing on top.

    Parameters
    ----------
    frame : DataFrame
        Of `tierkit.sensitivity.tornado`.
    measure : str
    lang : {"zh", "en"}
    top : int
        How many numbers are shown.

    Returns
    -------
    Axes

    Raises
    ------
    KeyError
        If the frame does not hold the measure.

    Examples
    --------
    >>> ax = tornado(swings, measure="harm")  # swings = tornado(...) of tierkit.sensitivity
    >>> ax.get_xlabel()
    'change in harm'
    """
    rows, fact = _rows(frame, measure, "tornado")
    names = list(dict.fromkeys(rows["parameter"]))[:top]
    rows = rows[rows["parameter"].isin(names)]
    base = float(fact["base_relative"])
    span = float(np.ptp([base, *(base + rows["change_low"]), *(base + rows["change_high"])])) or 0.01
    shown = texts.interval(fact["base_relative_low"], fact["base_relative_high"], 1, share=True, sign=True)
    with style():
        _, axes = canvas(
            texts.text("figure.tornado.title", lang, measure=texts.text(f"measure.{measure}", lang)),
            texts.text("figure.tornado.subtitle", lang, **_policies(fact, lang)),
            texts.text(
                "caption.tornado",
                lang,
                kappa=f"{fact['kappa']:g}",
                base=texts.percent(base, 1, sign=True),
                interval=shown,
                **{name: int(fact[name]) for name in ("enterprises", "weeks", "replicates")},
            ),
            height=0.44 * len(names) + 0.8,
        )
        ax: Axes = axes[0, 0]
        for end, shift in (("low", -0.19), ("high", 0.19)):
            mine = rows[rows["end"] == end].set_index("parameter").loc[names]
            y = np.arange(len(names)) + shift
            change = mine["change"].to_numpy(float)
            label = texts.text(f"figure.tornado.{end}", lang)
            ax.barh(y, change, left=base, height=0.36, color=_ENDS[end], label=label, zorder=2)
            low, high = (base + mine[f"change_{side}"].to_numpy(float) for side in ("low", "high"))
            ax.hlines(y, low, high, color=INK["text"], linewidth=1.1, zorder=3)
            for at, row, left, right in zip(y, mine.to_dict("records"), low, high, strict=True):
                beyond = row["change"] < 0
                setting = f"{'× ' if row['unit'] == 'multiple' else ''}{row['setting']:g}"
                ax.annotate(
                    setting,
                    (float(left if beyond else right), float(at)),
                    xytext=(-4 if beyond else 4, 0),
                    textcoords="offset points",
                    ha="right" if beyond else "left",
                    va="center",
                    fontsize=7.5,
                    color=INK["soft"],
                    path_effects=halo(),
                )
        ax.axvline(base, color=INK["text"], linewidth=1.0, zorder=4)
        labels = dict(zip(rows["parameter"], rows[f"label_{lang}"], strict=True))
        ax.set_yticks(range(len(names)), [labels[name] for name in names])
        ax.set_ylim(len(names) - 0.4, -0.6)
        ends = [base, *(base + rows["change_low"]), *(base + rows["change_high"])]
        ax.set_xlim(min(ends) - 0.14 * span, max(ends) + 0.14 * span)
        ax.xaxis.set_major_formatter(PercentTicks(sign=True))
        ax.grid(axis="x")
        ax.set_xlabel(texts.text("axis.change_of", lang, measure=texts.text(f"measure.{measure}", lang)))
        ax.legend(
            loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2, handletextpad=0.4
        )
    return ax


def _policies(fact: dict[Any, Any], lang: str) -> dict[str, str]:
    return {
        "plan": policy_label(str(fact["policy"]), lang),
        "baseline": policy_label(str(fact["baseline"]), lang),
    }
