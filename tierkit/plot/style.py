"""The look of every figure: font, colours, header and caption strips, intervals."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tierkit.plot import fonts
from tierkit.plot.labels import wrap

__all__ = ["COLORS", "INK", "AxesRow", "canvas", "is_dark", "policy_color", "style", "whiskers"]

AxesRow = np.ndarray[tuple[int], np.dtype[np.object_]]
"""A row of panels."""

INK = {
    "text": "#1f2933",
    "soft": "#5b6775",
    "line": "#c9d0d8",
    "grid": "#e6eaee",
    "band": "#f4f6f8",
    "paper": "#ffffff",
}

# Blue to orange runs of different lightness: told apart with every common colour vision deficiency, and in
# grey.
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
    "visits": {"0": "#e8ecf0", "1": "#abcce3", "2": "#7db0d3", "3": "#2c6a9a", "4": "#16405f"},
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


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Give a context in which matplotlib draws in tierkit's style, Chinese included.

    Only the settings of the style are restored afterwards; other changes stay, such as the
    interactive mode, which a notebook's first figure switches on.

    Examples
    --------
    >>> with style():
    ...     mpl.rcParams["font.family"]
    ['Tierkit Sans SC']
    """
    settings: dict[Any, Any] = {
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
    before: dict[Any, Any] = {name: mpl.rcParams[name] for name in settings}
    mpl.rcParams.update(settings)
    try:
        yield
    finally:
        mpl.rcParams.update(before)


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
        What the figure says, how to read it, and its n, intervals and conditions; each is wrapped to the
        width.
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
            rect=(0.005, footer / total, 0.99, height / total),
            h_pad=0.03,
            w_pad=0.03,
            hspace=0.04,
            wspace=0.03,
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
        x,
        y,
        "o",
        color=color,
        markersize=size,
        markerfacecolor=INK["paper"] if hollow else color,
        markeredgewidth=1.4 if hollow else 0.0,
        zorder=zorder + 1,
    )


def is_dark(color: str) -> bool:
    """Return whether white reads better on a colour than dark grey: WCAG's relative luminance below 0.3.

    Examples
    --------
    >>> is_dark("#16405f"), is_dark("#f2bd6b")
    (True, False)
    """
    return float(np.dot([0.2126, 0.7152, 0.0722], np.array(to_rgb(color)) ** 2.2)) < 0.3
