"""Text in figures: line breaks, halos, and placement with the least overlap."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import Formatter

from tierkit import texts

__all__ = ["PercentTicks", "halo", "place_labels", "spread", "wrap"]

_PAPER = "#ffffff"
# Where a label may stand beside its point, in points, best first.
_OFFSETS = [(dx, dy) for dy in (9.0, -9.0, 0.0, 20.0, -20.0) for dx in (10.0, -10.0)]


class PercentTicks(Formatter):
    """Tick labels in per cent, with as many decimals as the step between ticks needs.

    Parameters
    ----------
    sign : bool, default=False
        Whether positive values get a plus, as changes do.

    Examples
    --------
    >>> PercentTicks(sign=True).format_ticks([-0.005, 0.0, 0.005])
    ['−0.5%', '0%', '+0.5%']
    """

    def __init__(self, sign: bool = False) -> None:
        self.sign = sign

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return the labels of all ticks of an axis, with equal decimals."""
        steps = np.diff(np.asarray(values, float)) * 100
        digits = next((d for d in range(3) if np.allclose(np.round(steps, d), steps, atol=1e-9)), 3)
        return [texts.percent(value, 0 if value == 0 else digits, sign=self.sign) for value in values]

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a single value."""
        return self.format_ticks([x])[0]


def wrap(words: str, ems: float) -> list[str]:
    """Break text into lines of at most `ems` em widths, between words or between Chinese characters.

    matplotlib does not wrap text without spaces. A full-width character counts one em, any other a little
    less than half.

    Examples
    --------
    >>> wrap("one two three", 4)
    ['one two', 'three']
    >>> wrap("风险高且信用低", 4)
    ['风险高且', '信用低']
    """
    lines, line, width = [], "", 0.0
    for token in _tokens(words):
        size = sum(1.0 if unicodedata.east_asian_width(char) in "WF" else 0.49 for char in token)
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


def halo() -> list[AbstractPathEffect]:
    """Return the path effect that keeps text readable where it crosses a line.

    Examples
    --------
    >>> len(halo())
    1
    """
    return [withStroke(linewidth=2.4, foreground=_PAPER)]


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
    >>> import matplotlib.pyplot as plt
    >>> figure, ax = plt.subplots()
    >>> place_labels(ax, np.array([[0.2, 0.5], [0.21, 0.5]]), ["a", "b"], ["k", "k"], np.zeros((2, 4)))
    >>> len({tuple(text.xyann) for text in ax.texts})
    2
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    scale = figure.dpi / 72
    window = ax.get_window_extent()
    at = ax.transData.transform(points)
    corners = ax.transData.transform(boxes[:, [0, 2]]), ax.transData.transform(boxes[:, [1, 3]])
    taken = [(x - 6 * scale, y - 6 * scale, x + 6 * scale, y + 6 * scale) for x, y in at]
    for (x, y), (left, low), (right, high) in zip(at, *corners, strict=True):
        taken += [(left, y - 2, right, y + 2), (x - 2, low, x + 2, high)]
    for point, (x, y), label, color in zip(points, at, labels, colors, strict=True):
        width = sum(9.0 if unicodedata.east_asian_width(c) in "WF" else 5.2 for c in label) * scale
        tall = 12.0 * scale
        best = (np.inf, 0.0, 0.0)
        for dx, dy in _OFFSETS:
            left = x + dx * scale - (width if dx < 0 else 0)
            low = y + dy * scale - tall / 2
            box = (left, low, left + width, low + tall)
            cost = sum(_overlap(box, other) for other in taken) + 0.4 * (abs(dy) > 9) * tall
            cost += 1e6 * (
                box[0] < window.x0 or box[2] > window.x1 or box[1] < window.y0 or box[3] > window.y1
            )
            if cost < best[0]:
                best = (cost, dx, dy)
        _, dx, dy = best
        ax.annotate(
            label,
            (float(point[0]), float(point[1])),
            xytext=(dx, dy),
            textcoords="offset points",
            ha="right" if dx < 0 else "left",
            va="center",
            fontsize=9,
            color=color,
            path_effects=halo(),
        )
        left = x + dx * scale - (width if dx < 0 else 0)
        taken.append((left, y + dy * scale - tall / 2, left + width, y + dy * scale + tall / 2))


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    up = min(a[3], b[3]) - max(a[1], b[1])
    return across * up if across > 0 and up > 0 else 0.0


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Return sorted positions moved apart to at least `gap`, their order and centre kept.

    Examples
    --------
    >>> spread([0.0, 0.0, 5.0], 0.5)
    [-0.25, 0.25, 5.0]
    """
    placed = np.asarray(values, float)
    for _ in range(200):
        close = np.diff(placed) < gap - 1e-12
        if not close.any():
            break
        for i in np.flatnonzero(close):
            push = (gap - (placed[i + 1] - placed[i])) / 2
            placed[i] -= push
            placed[i + 1] += push
    return [float(value) for value in placed]
