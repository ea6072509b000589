"""Stacked bars, one per policy, shared by the figures of load, visits and tiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tierkit.plot.effects import policy_axis
from tierkit.plot.style import INK, is_dark

__all__ = ["stacked_bars"]


def stacked_bars(
    ax: Axes,
    table: pd.DataFrame,
    *,
    colors: Mapping[str, str],
    names: Mapping[str, str],
    show: Callable[[float], str],
    least: float,
    lang: str,
) -> None:
    """Draw each row of a table as a bar made of its columns, with the value in each part that is wide enough.

    Parameters
    ----------
    ax : Axes
    table : DataFrame
        Policies as rows, from the top; parts as columns, from the left.
    colors, names : mapping
        Colour and name of each part.
    show : callable
        How a value is written.
    least : float
        Values from which a part is wide enough to hold its number, as a share of the longest bar.
    lang : {"zh", "en"}

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figure, ax = plt.subplots()
    >>> table = pd.DataFrame({"a": [3.0], "b": [1.0]}, index=["legacy"])
    >>> look = {"colors": {"a": "k", "b": "w"}, "names": {"a": "A", "b": "B"}}
    >>> stacked_bars(ax, table, **look, show=str, least=0.3, lang="en")
    >>> [text.get_text() for text in ax.texts]
    ['3.0']
    """
    longest = float(table.sum(axis=1).max())
    left = np.zeros(len(table))
    for part in table.columns:
        width = table[part].to_numpy(float)
        ink = "white" if is_dark(colors[part]) else INK["text"]
        rows = range(len(table))
        bars = ax.barh(rows, width, left=left, height=0.62, color=colors[part], label=names[part])
        for bar in bars:
            bar.set(edgecolor="white", linewidth=0.6)
        for y, value in enumerate(width):
            if value > least * longest:
                at = left[y] + value / 2
                ax.text(at, y, show(value), ha="center", va="center", fontsize=8, color=ink)
        left += width
    policy_axis(ax, list(table.index), lang)
    ax.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=table.shape[1],
        borderaxespad=0.2,
        columnspacing=1.2,
        handletextpad=0.4,
        borderpad=0.0,
    )
