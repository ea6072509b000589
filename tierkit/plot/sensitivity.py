"""Figures of sensitivity: which uncertain parameters change a comparison, and by how much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tierkit import texts
from tierkit.plot.effects import policy_label
from tierkit.plot.given import frame_of
from tierkit.plot.labels import PercentTicks, halo
from tierkit.plot.style import COLORS, INK, AxesRow, canvas, style, whiskers

__all__ = ["screening", "tornado"]

_ENDS = {"low": COLORS["channel"]["commitment"], "high": COLORS["channel"]["trigger"]}
_SHARED = ("measure", "parameter", "enterprises", "weeks", "replicates")
_COLUMNS = {
    "screening": (
        *_SHARED,
        "rank",
        "mu_star",
        "mu_star_conf",
        "noise",
        "sigma",
        "stands_out",
        "trajectories",
    ),
    "tornado": (
        *(*_SHARED, "change_low", "change_high"),
        *("base_relative", "base_relative_low", "base_relative_high"),
    ),
}
"""What a figure takes of the frame."""


def _rows(frame: pd.DataFrame, measure: str, kind: str) -> tuple[pd.DataFrame, dict[Any, Any]]:
    frame_of(frame, "frame", *_COLUMNS[kind], give=f"the frame of a {kind}")
    chosen = frame[frame["measure"] == measure]
    if chosen.empty:
        known = ", ".join(dict.fromkeys(frame["measure"]))
        raise KeyError(f"The {kind} has no '{measure}'; it has {known}.")
    return chosen, chosen.iloc[0].to_dict()


def screening(frame: pd.DataFrame, *, measure: str = "findings", lang: str = "en", top: int = 12) -> AxesRow:
    """Draw the effect of each uncertain parameter on the change of a measure, and its dependence on others.

    Left, the mean absolute effect μ* with its interval, and as a tick what noise alone would reach; right,
    on the same scale, the standard deviation σ of the effect.

    Parameters
    ----------
    frame : DataFrame
        ``Screening.frame`` of `tierkit.compare.sensitivity.screen`.
    measure : str
    lang : {"zh", "en"}
    top : int
        How many numbers are shown, the largest effects first.

    Returns
    -------
    array of Axes, shape (2,)

    Raises
    ------
    KeyError
        If the frame does not hold the measure.
    ValueError
        If it is no frame or lacks a column.

    Examples
    --------
    >>> axes = screening(screened, measure="harm")  # screened = screen(...).frame
    >>> [ax.get_xlabel() for ax in axes]
    ['mean absolute effect μ*', 'spread of the effect σ']
    """
    rows, fact = _rows(frame, measure, "screening")
    rows = rows.nsmallest(top, "rank")
    effect, half, noise, sigma = (
        rows[name].to_numpy(float) for name in ("mu_star", "mu_star_conf", "noise", "sigma")
    )
    solid = rows["stands_out"].to_numpy(bool)
    y = np.arange(len(rows))
    with style():
        _, axes = canvas(
            texts.text("figure.screening.title", lang, measure=texts.text(f"measure.{measure}", lang)),
            texts.text("figure.screening.subtitle", lang, **_policies(fact, lang)),
            texts.text(
                "caption.screening",
                lang,
                **{name: int(fact[name]) for name in ("enterprises", "weeks", "trajectories", "replicates")},
            ),
            height=0.3 * len(rows) + 0.6,
            ncols=2,
            sharex=True,
            sharey=True,
            width_ratios=[3, 2],
        )
        left, right = axes[0]
        for mask, color in ((~solid, COLORS["direction"]["none"]), (solid, COLORS["channel"]["routine"])):
            at, spread = effect[mask], half[mask]
            hollow = mask is not solid
            whiskers(left, at, y[mask], np.maximum(at - spread, 0), at + spread, color, hollow=hollow)
            nothing = np.full(int(mask.sum()), np.nan)
            whiskers(right, sigma[mask], y[mask], nothing, nothing, color, hollow=hollow)
        left.vlines(noise, y - 0.3, y + 0.3, color=COLORS["channel"]["trigger"], linewidth=1.6, zorder=5)
        names = [
            f"{row[f'label_{lang}']} {_value(row, row['low'])}–{row['high']:g}"
            for row in rows.to_dict("records")
        ]
        left.set_yticks(y, names)
        left.set_ylim(len(rows) - 0.4, -0.6)
        left.set_xlim(-0.02 * max([1e-9, *(effect + half)]), None)
        left.set_xlabel(texts.text("axis.effect", lang))
        right.set_xlabel(texts.text("axis.sigma", lang))
        for ax in (left, right):
            ax.xaxis.set_major_formatter(PercentTicks())
            ax.grid(axis="x")
    row: AxesRow = axes[0]
    return row


def tornado(frame: pd.DataFrame, *, measure: str = "findings", lang: str = "en", top: int = 10) -> Axes:
    """Draw the change of a measure at both ends of each parameter's range, the widest on top.

    Parameters
    ----------
    frame : DataFrame
        Of `tierkit.compare.sensitivity.tornado`.
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
    ValueError
        If it is no frame or lacks a column.

    Examples
    --------
    >>> ax = tornado(swings, measure="harm")  # swings = tornado(...) of tierkit.compare.sensitivity
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
                ax.annotate(
                    _value(row, row["setting"]),
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
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, borderaxespad=0.2, handletextpad=0.4)
    return ax


def _value(row: dict[Any, Any], value: float) -> str:
    """Return a number as text, with a multiplication sign if it is a multiple."""
    return f"{'× ' if row['unit'] == 'multiple' else ''}{value:g}"


def _policies(fact: dict[Any, Any], lang: str) -> dict[str, str]:
    return {
        "plan": policy_label(str(fact["policy"]), lang),
        "baseline": policy_label(str(fact["baseline"]), lang),
    }
