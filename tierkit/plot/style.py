"""The look of every figure: font, colours, header and caption strips, intervals."""

from __future__ import annotations

import contextlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import AbstractPathEffect, withStroke

from tierkit import fonts

__all__ = ["COLORS", "INK", "canvas", "halo", "place_labels", "policy_color", "style", "whiskers", "wrap"]

INK = {"text": "#1f2933", "soft": "#5b6775", "line": "#c9d0d8", "grid": "#e6eaee", "band": "#f4f6f8", "paper": "#ffffff"}

# Blue to orange runs of different lightness: told apart with every common colour vision deficiency, and in grey.
COLORS: Mapping[str, Mapping[str, str]] = {
    "tier": {"T1": "#bcd7ea", "T2": "#5f9ac6", "T3": "#f2bd6b", "T4": "#c4512b"},
    "channel": {
        "routine": "#2c6a9a",
        "campaign": "#16405f",
        "commitment": "#7db0d3",
        "random": "#bcd7ea",
        "trigger": "#d9822b",
        "followup": "#f2bd6b",
    },
    "group": {"structure": "#7b8794", "conduct": "#2c6a9a", "complaints": "#d9822b"},
    "direction": {"worse": "#c4512b", "better": "#2c6a9a", "none": "#9aa5b1"},
    "visits": {"0": "#e3e8ed", "1": "#bcd7ea", "2": "#7db0d3", "3": "#2c6a9a", "4": "#16405f"},
}

_POLICY_COLORS = {
    "legacy": "#5b6775",
    "shanghai-2025": "#2c6a9a",
    "chongming-2025": "#1f8a70",
    "jiading-2025": "#d9822b",
    "jinshan-2025": "#c4512b",
    "minhang-2023": "#7a5195",
}
_OTHER_POLICY_COLORS = ("#0f766e", "#a16207", "#9d4edd", "#475569")

_HEADER_TITLE, _HEADER_LINE, _FOOTER_LINE = 0.30, 0.19, 0.165  # inches


def style() -> contextlib.AbstractContextManager[None]:
    """Return a context in which matplotlib draws in tierkit's style, Chinese included.

    Examples
    --------
    >>> with style():
    ...     mpl.rcParams["font.family"]
    ['Tierkit Sans SC']
    """
    return mpl.rc_context(
        {
            "font.family": [fonts.register()],
            "font.size": 9.5,
            "text.color": INK["text"],
            "axes.unicode_minus": True,
            "axes.edgecolor": INK["line"],
            "axes.labelcolor": INK["soft"],
            "axes.labelsize": 9,
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.spines.left": False,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.titlepad": 7,
            "axes.grid": False,
            "axes.axisbelow": True,
            "grid.color": INK["grid"],
            "grid.linewidth": 0.8,
            "xtick.color": INK["line"],
            "ytick.color": INK["line"],
            "xtick.labelcolor": INK["soft"],
            "ytick.labelcolor": INK["text"],
            "xtick.labelsize": 8.5,
            "ytick.labelsize": 9.5,
            "xtick.major.size": 3,
            "ytick.major.size": 0,
            "legend.frameon": False,
            "legend.fontsize": 8.5,
            "legend.handlelength": 0.9,
            "legend.handleheight": 0.9,
            "figure.facecolor": INK["paper"],
            "savefig.facecolor": INK["paper"],
            "figure.dpi": 110,
            "savefig.dpi": 160,
            "svg.fonttype": "none",
            "svg.hashsalt": "tierkit",
            "lines.solid_capstyle": "butt",
        }
    )


def policy_color(policy: str) -> str:
    """Return the colour of a policy, the same in every figure.

    Examples
    --------
    >>> policy_color("legacy")
    '#5b6775'
    """
    if policy in _POLICY_COLORS:
        return _POLICY_COLORS[policy]
    return _OTHER_POLICY_COLORS[sum(policy.encode()) % len(_OTHER_POLICY_COLORS)]


def wrap(words: str, ems: float) -> list[str]:
    """Break text into lines of at most `ems` em widths, between words or between Chinese characters.

    matplotlib does not wrap text without spaces; a full-width character counts one em and any other one half.

    Examples
    --------
    >>> wrap("one two three", 4)
    ['one two', 'three']
    >>> wrap("风险高且信用低", 4)
    ['风险高且', '信用低']
    """
    lines, line, width = [], "", 0.0
    for token in _tokens(words):
        size = sum(1.0 if unicodedata.east_asian_width(char) in "WF" else 0.53 for char in token)
        if line and width + size > ems and not _closes(token):
            lines.append(line.rstrip())
            line, width = "", 0.0
            if token.isspace():
                continue
        line, width = line + token, width + size
    return [*lines, line.rstrip()] if line.strip() else lines


def _closes(token: str) -> bool:
    return token[0] in "，。；：、）】”’,.;:)%"


def _tokens(words: str) -> Iterator[str]:
    word = ""
    for char in words:
        if char.isspace() or unicodedata.east_asian_width(char) in "WF":
            if word:
                yield word
                word = ""
            yield char
        else:
            word += char
    if word:
        yield word


def canvas(
    title: str,
    subtitle: str = "",
    caption: str = "",
    *,
    width: float = 8.0,
    height: float = 3.6,
    ncols: int = 1,
    nrows: int = 1,
    **subplots: Any,
) -> tuple[Figure, npt.NDArray[np.object_]]:
    """Return a figure with title and subtitle above, caption below, and axes laid out between them.

    Parameters
    ----------
    title, subtitle, caption : str
        What the figure says, how to read it, and its n, intervals and conditions; each is wrapped to the width.
    width, height : float
        Inches; the height is that of the axes, and the strips are added to it.
    ncols, nrows : int
        Axes across and down.
    **subplots
        Passed to `matplotlib.pyplot.subplots`.

    Returns
    -------
    figure, axes
        The axes as an array of shape (nrows, ncols).

    Examples
    --------
    >>> with style():
    ...     figure, axes = canvas("标题", "副题", "n = 10", ncols=2)
    >>> axes.shape
    (1, 2)
    """
    subtitles = wrap(subtitle, (width - 0.1) * 72 / 9.2) if subtitle else []
    captions = wrap(caption, (width - 0.1) * 72 / 7.8) if caption else []
    header = _HEADER_TITLE + _HEADER_LINE * len(subtitles) + 0.12
    footer = _FOOTER_LINE * len(captions) + (0.10 if captions else 0.0)
    total = height + header + footer
    figure, axes = plt.subplots(
        nrows,
        ncols,
        figsize=(width, total),
        squeeze=False,
        layout=ConstrainedLayoutEngine(
            rect=(0.005, footer / total, 0.99, height / total), h_pad=0.03, w_pad=0.03, hspace=0.04, wspace=0.03
        ),
        **subplots,
    )
    top = 1 - 0.06 / total
    figure.text(0.006, top, title, fontsize=13, color=INK["text"], va="top", ha="left")
    for i, line in enumerate(subtitles):
        y = top - (_HEADER_TITLE + i * _HEADER_LINE) / total
        figure.text(0.006, y, line, fontsize=9.2, color=INK["soft"], va="top", ha="left")
    for i, line in enumerate(captions):
        y = (footer - 0.07 - i * _FOOTER_LINE) / total
        figure.text(0.006, y, line, fontsize=7.8, color=INK["soft"], va="top", ha="left")
    return figure, axes


def whiskers(
    ax: Axes,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    color: str,
    *,
    vertical: bool = False,
    size: float = 6.0,
    hollow: bool = False,
    zorder: float = 3,
) -> None:
    """Draw points with their intervals; a point without an interval is drawn as a point.

    Examples
    --------
    >>> with style():
    ...     figure, axes = canvas("a")
    >>> whiskers(axes[0, 0], [1], [2], [0.5], [1.5], "#2c6a9a")
    """
    x, y, low, high = (np.atleast_1d(np.asarray(v, float)) for v in (x, y, low, high))
    shown = np.isfinite(low) & np.isfinite(high)
    if vertical:
        ax.vlines(x[shown], low[shown], high[shown], color=color, linewidth=1.8, zorder=zorder)
    else:
        ax.hlines(y[shown], low[shown], high[shown], color=color, linewidth=1.8, zorder=zorder)
    ax.plot(
        x, y, "o", color=color, markersize=size, markerfacecolor=INK["paper"] if hollow else color,
        markeredgewidth=1.4 if hollow else 0.0, zorder=zorder + 1,
    )  # fmt: skip


def halo() -> list[AbstractPathEffect]:
    """Return the path effect that keeps text readable where it crosses a line.

    Examples
    --------
    >>> len(halo())
    1
    """
    return [withStroke(linewidth=2.4, foreground=INK["paper"])]


def place_labels(
    ax: Axes,
    points: npt.NDArray[np.float64],
    labels: Sequence[str],
    colors: Sequence[str],
    boxes: npt.NDArray[np.float64],
) -> None:
    """Write a label beside each point, where it covers least of the other labels, points and intervals.

    Parameters
    ----------
    ax : Axes
        With its limits and formatters already set.
    points : array of shape (n, 2)
        Positions in data units.
    labels, colors : sequences of length n
    boxes : array of shape (n, 4)
        Each point's intervals, ``x low, x high, y low, y high``; what a label should not cover.

    Examples
    --------
    >>> with style():
    ...     figure, axes = canvas("a")
    ...     place_labels(axes[0, 0], np.array([[0.2, 0.5], [0.21, 0.5]]), ["a", "b"], ["k", "k"], np.zeros((2, 4)))
    >>> len(axes[0, 0].texts)
    2
    """
    figure = ax.figure
    figure.draw_without_rendering()  # type: ignore[union-attr]
    scale = figure.dpi / 72  # type: ignore[union-attr]
    window = ax.get_window_extent()
    at = ax.transData.transform(points)
    corners = ax.transData.transform(boxes[:, [0, 2]]), ax.transData.transform(boxes[:, [1, 3]])
    taken = [(x - 6 * scale, y - 6 * scale, x + 6 * scale, y + 6 * scale) for x, y in at]
    for (x, y), (left, low), (right, high) in zip(at, *corners, strict=True):
        taken += [(left, y - 2, right, y + 2), (x - 2, low, x + 2, high)]
    for (x, y), label, color in zip(at, labels, colors, strict=True):
        width = sum(9.0 if unicodedata.east_asian_width(c) in "WF" else 5.0 for c in label) * scale
        tall = 10.0 * scale
        best: tuple[float, float, float, str] | None = None
        for dx, dy in ((9, 9), (-9, 9), (9, -9), (-9, -9), (11, 0), (-11, 0), (9, 20), (-9, 20), (9, -20), (-9, -20)):
            left = x + dx * scale - (width if dx < 0 else 0)
            low = y + dy * scale - tall / 2
            box = (left, low, left + width, low + tall)
            cost = sum(_overlap(box, other) for other in taken) + 0.4 * (abs(dy) > 9) * tall
            cost += 1e6 * (box[0] < window.x0 or box[2] > window.x1 or box[1] < window.y0 or box[3] > window.y1)
            if best is None or cost < best[0]:
                best = (cost, dx, dy, "right" if dx < 0 else "left")
        assert best is not None
        _, dx, dy, side = best
        ax.annotate(
            label, ax.transData.inverted().transform((x, y)), xytext=(dx, dy), textcoords="offset points",  # type: ignore[arg-type]
            ha=side, va="center", fontsize=9, color=color, path_effects=halo(),
        )  # fmt: skip
        left = x + dx * scale - (width if dx < 0 else 0)
        taken.append((left, y + dy * scale - tall / 2, left + width, y + dy * scale + tall / 2))


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    up = min(a[3], b[3]) - max(a[1], b[1])
    return across * up if across > 0 and up > 0 else 0.0
