"""Figures of scores and tiers: distributions, the tier matrix, and calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tierkit import texts
from tierkit.plot.bars import stacked_bars
from tierkit.plot.effects import policy_label
from tierkit.plot.given import ascending, frame_of, rows_of
from tierkit.plot.labels import PercentTicks
from tierkit.plot.style import COLORS, INK, canvas, is_dark, style, whiskers
from tierkit.records import GRADES, LEVELS, TIERS
from tierkit.records.arguments import InputError
from tierkit.scores.checked import checked

__all__ = ["calibration", "matrix", "points", "tier_label", "tier_sizes"]


def tier_label(tier: str, lang: str) -> str:
    """Return a tier's id and name.

    Examples
    --------
    >>> tier_label("T4", "zh")
    'T4 第四级'
    """
    return f"{tier} {LEVELS['tier'][tier].text(lang)}"


def tier_sizes(tiers: pd.DataFrame, *, lang: str = "en") -> Axes:
    """Draw how many enterprises each policy puts into each tier.

    Parameters
    ----------
    tiers : DataFrame
        Columns ``policy`` and ``tier``, one row per enterprise; or one row per policy and tier with a count
        in ``enterprises``.
    lang : {"zh", "en"}

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no rows, a tier or policy is missing or unknown, or a count is below 0.

    Examples
    --------
    >>> ax = tier_sizes(pd.DataFrame({"policy": ["legacy"] * 4, "tier": ["T1", "T1", "T2", "T4"]}), lang="zh")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['改革前']
    """
    numbers = {"enterprises": "amounts"} if "enterprises" in frame_of(tiers, "tiers") else {}
    counted = rows_of(tiers, "tiers", numbers, {"policy": None, "tier": TIERS})
    if not numbers:
        counted = counted.assign(enterprises=1)
    table = counted.pivot_table(
        index="policy", columns="tier", values="enterprises", aggfunc="sum", sort=False
    )
    table = table.reindex(columns=list(TIERS)).fillna(0)
    most = float(table.sum(axis=1).max())
    with style():
        _, axes = canvas(
            texts.text("figure.tiers.title", lang),
            texts.text("figure.tiers.subtitle", lang),
            texts.text("caption.enterprises", lang, n=texts.number(most)),
            height=0.42 * len(table) + 0.55,
        )
        ax: Axes = axes[0, 0]
        stacked_bars(
            ax,
            table,
            colors=COLORS["tier"],
            names={tier: tier_label(tier, lang) for tier in TIERS},
            show=texts.number,
            least=0.045,
            lang=lang,
        )
        ax.set_xlim(0, most)
        ax.xaxis.set_visible(False)
        ax.spines["bottom"].set_visible(False)
    return ax


def matrix(
    tiers: pd.DataFrame, *, lang: str = "en", policy: str | None = None, shape: tuple[int, int] | None = None
) -> Axes:
    """Draw the tier matrix: risk level by credit grade, with the number of enterprises in each cell.

    Parameters
    ----------
    tiers : DataFrame
        One policy's tiers: columns ``risk_level``, ``credit_grade`` and ``tier``.
    lang : {"zh", "en"}
    policy : str, optional
        Its name, for the title.
    shape : tuple of int, optional
        Risk levels and credit grades that the policy has; those that occur, if not given.

    Returns
    -------
    Axes
        A cell where several tiers meet (a red line, hysteresis, a composite score) has the colour of the
        commonest, and the share that this tier has of the cell.

    Raises
    ------
    ValueError
        If there are neither rows nor a shape, or a level, grade or tier is missing, unknown or outside the
        shape.

    Examples
    --------
    >>> rows = [(1, "A", "T1"), (2, "B", "T4"), (2, "B", "T4"), (2, "B", "T3")]
    >>> frame = pd.DataFrame(rows, columns=["risk_level", "credit_grade", "tier"])
    >>> [text.get_text() for text in matrix(frame).texts if "T" in text.get_text()]
    ['T1', 'T4 67%']
    """
    of = GRADES if shape is None else GRADES[: shape[1]]
    cells = rows_of(
        tiers,
        "tiers",
        {"risk_level": "amounts"},
        {"credit_grade": of, "tier": TIERS},
        whole=["risk_level"],
        may_be_empty=shape is not None,
    )
    most = len(TIERS) if shape is None else shape[0]
    outside = (cells["risk_level"] < 1) | (cells["risk_level"] > most)
    if outside.any():
        raise InputError(
            f"'risk_level' of the 'tiers' must be from 1 to {most}. {int(outside.sum()):,} of {len(cells):,} "
            f"rows hold another, the first {cells.loc[outside, 'risk_level'].iloc[0]}. Correct them."
        )
    counts = cells.groupby(["risk_level", "credit_grade", "tier"], observed=True).size()
    rows = shape[0] if shape else int(cells["risk_level"].max())
    grades = list(GRADES[: shape[1]]) if shape else sorted(cells["credit_grade"].unique())
    with style():
        plan = texts.text("figure.matrix.of", lang, plan=policy_label(policy, lang)) if policy else ""
        _, axes = canvas(
            texts.text("figure.matrix.title", lang) + plan,
            texts.text("figure.matrix.subtitle", lang),
            texts.text("caption.enterprises", lang, n=int(counts.sum())),
            width=5.6,
            height=0.68 * rows + 0.62,
        )
        ax: Axes = axes[0, 0]
        for level in range(1, rows + 1):
            for column, grade in enumerate(grades):
                here = {tier: int(counts.get((level, grade, tier), 0)) for tier in TIERS}
                _draw_cell(ax, column, level - 1, here)
        ax.set_xlim(-0.5, len(grades) - 0.5)
        ax.set_ylim(-0.5, rows - 0.5)
        ax.set_xticks(range(len(grades)), [LEVELS["grade"][grade].text(lang) for grade in grades])
        ax.set_yticks(range(rows), [str(level) for level in range(1, rows + 1)])
        ax.tick_params(length=0)
        ax.tick_params(axis="x", labelcolor=INK["text"], labelsize=9.5)
        ax.spines[:].set_visible(False)
        ax.set_xlabel(texts.text("axis.credit_grade", lang))
        ax.set_ylabel(texts.text("axis.risk_level", lang))
    return ax


def _draw_cell(ax: Axes, column: int, row: int, tiers: dict[str, int]) -> None:
    """Draw a cell in the colour of its commonest tier; the stricter one where two are as common."""
    n = sum(tiers.values())
    face, ink = INK["band"], INK["soft"]
    centred: dict[str, Any] = {"ha": "center", "va": "center"}
    if n:
        tier = max(tiers, key=lambda one: (tiers[one], one))
        face = COLORS["tier"][tier]
        ink = "white" if is_dark(face) else INK["text"]
        note = tier if tiers[tier] == n else f"{tier} {texts.percent(tiers[tier] / n)}"
        ax.text(column, row + 0.24, note, fontsize=8.2, color=ink, **centred)
    ax.text(column, row - 0.13 * (n > 0), texts.number(n), fontsize=11.5 if n else 9, color=ink, **centred)
    ax.add_patch(Rectangle((column - 0.48, row - 0.47), 0.96, 0.94, facecolor=face, linewidth=0, zorder=0))


def calibration(table: pd.DataFrame, *, lang: str = "en") -> Axes:
    """Draw the observed share of findings against the predicted probability.

    Parameters
    ----------
    table : DataFrame
        `tierkit.scores.metrics.calibration_table`: ``predicted``, ``observed``, ``low``, ``high`` and ``n``,
        one row per bin. Ends may be missing, as those of a bin of one enterprise are.
    lang : {"zh", "en"}

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no bins, a rate is no share, ends are the wrong way round, or a count is below 0.

    Examples
    --------
    >>> columns = ["predicted", "observed", "low", "high", "n"]
    >>> bins = pd.DataFrame([(0.1, 0.12, 0.08, 0.16, 200), (0.3, 0.28, 0.2, 0.36, 150)], columns=columns)
    >>> calibration(bins).get_xlabel()
    'predicted probability'
    """
    rates = dict.fromkeys(("predicted", "observed"), "probabilities")
    table = rows_of(table, "table", {**rates, "low": "values", "high": "values", "n": "amounts"})
    ends = table[["low", "high"]].to_numpy(np.float64)
    if not ((np.isnan(ends) | ((ends >= 0) & (ends <= 1))).all() and not (ends[:, 0] > ends[:, 1]).any()):
        raise InputError("'low' and 'high' of the 'table' must be shares in 0 … 1, low first, or missing.")
    high = float(np.nanmax(table[["predicted", "observed", "high"]].to_numpy(float))) * 1.08 or 1.0
    with style():
        _, axes = canvas(
            texts.text("figure.calibration.title", lang),
            texts.text("figure.calibration.subtitle", lang),
            texts.text("caption.calibration", lang, n=texts.number(table["n"].sum()), bins=len(table)),
            width=5.6,
            height=3.7,
        )
        ax: Axes = axes[0, 0]
        ax.plot([0, 1], [0, 1], color=INK["soft"], linewidth=1.0, zorder=1)
        whiskers(
            ax,
            table["predicted"],
            table["observed"],
            table["low"],
            table["high"],
            COLORS["direction"]["better"],
            vertical=True,
        )
        ax.annotate(
            texts.text("figure.calibration.line", lang),
            (0.42 * high, 0.42 * high),
            xytext=(30, -12),
            textcoords="offset points",
            ha="left",
            va="top",
            fontsize=8.2,
            color=INK["soft"],
            arrowprops={"arrowstyle": "-", "color": INK["line"], "linewidth": 0.8, "shrinkB": 0},
        )
        ax.set(xlim=(0.0, high), ylim=(0.0, high))
        _percent_axes(ax)
        ax.set_xlabel(texts.text("axis.predicted", lang))
        ax.set_ylabel(texts.text("axis.observed", lang))
        ax.grid()
    return ax


def _percent_axes(ax: Axes) -> None:
    ax.xaxis.set_major_formatter(PercentTicks())
    ax.yaxis.set_major_formatter(PercentTicks())
    ax.tick_params(axis="y", labelcolor=INK["soft"], labelsize=8.5)


def points(
    credit_points: npt.ArrayLike,
    cutoffs: Sequence[float] = (),
    *,
    grades: Sequence[str] | None = None,
    lang: str = "en",
) -> Axes:
    """Draw the distribution of credit points, with the cut-offs between grades.

    Parameters
    ----------
    credit_points : array of float, shape (n,)
        Points, more is better. Those that are missing are left out, and the caption says how many.
    cutoffs : sequence of float
        The policy's ``scoring.credit_cutoffs``, ascending.
    grades : sequence of str
        Grades, best first; as many as cut-offs and one more, the best ones if absent. Without cut-offs none
        is told.
    lang : {"zh", "en"}

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If no points are known or one is infinite, cut-offs do not ascend, or there are not as many grades as
        cut-offs and one more.

    Examples
    --------
    >>> ax = points([480.0, 520.0, 560.0, 600.0], [500.0, 550.0], grades=("A", "B", "C"))
    >>> len(ax.lines)
    2
    """
    [given] = checked(credit_points=("values", credit_points))
    values = given[~np.isnan(given)]
    if not values.size:
        raise InputError(f"None of {given.size:,} 'credit_points' is known. Give one at least.")
    cutoffs = ascending(cutoffs).tolist()
    grades = GRADES[: len(cutoffs) + 1] if grades is None else grades
    if len(grades) != len(cutoffs) + 1 or not set(grades) <= set(GRADES):
        raise InputError(
            f"The 'grades' must be one more than the {len(cutoffs)} cut-offs, best first, out of "
            f"{', '.join(GRADES)}. Got {', '.join(map(str, grades))}."
        )
    left_out = given.size - values.size
    low, high = min(values.min(), *cutoffs, np.inf), max(values.max(), *cutoffs, -np.inf)
    room = 0.07 * (high - low) or 1.0
    ends = [low - room, *cutoffs, high + room]
    edges = np.linspace(ends[0], ends[-1], 61)
    counts, _ = np.histogram(values, edges)
    top = float(counts.max())
    worst_first = list(reversed(grades)) if cutoffs else []
    caption = texts.text("caption.enterprises", lang, n=int(values.size))
    if left_out:
        caption += " " + texts.text("caption.left_out", lang, n=texts.number(left_out))
    with style():
        _, axes = canvas(
            texts.text("figure.points.title", lang),
            texts.text("figure.points.subtitle", lang),
            caption,
            width=5.6,
            height=2.9,
        )
        ax: Axes = axes[0, 0]
        bars = ax.bar(edges[:-1], counts, width=0.92 * (edges[1] - edges[0]), align="edge")
        for bar in bars:
            bar.set_facecolor(COLORS["direction"]["better"])
        for cut in cutoffs:
            ax.plot([cut, cut], [0, top * 1.06], color=INK["text"], linewidth=1.0)
            ax.text(cut, top * 1.07, texts.number(cut), ha="center", va="bottom", fontsize=8.5)
        for grade, left, right in zip(worst_first, ends[:-1], ends[1:], strict=bool(cutoffs)):
            inside = (values >= left) & (values < right)
            name = f"{LEVELS['grade'][grade].text(lang)}\n{texts.percent(inside.mean(), 1)}"
            at = (left + right) / 2
            ax.text(at, top * 1.22, name, ha="center", va="bottom", fontsize=9, linespacing=1.3)
        ax.set_xlim(ends[0], ends[-1])
        ax.set_ylim(0, top * 1.5)
        ax.yaxis.set_visible(False)
        ax.set_xlabel(texts.text("axis.points", lang))
    return ax
