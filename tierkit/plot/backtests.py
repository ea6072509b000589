"""Figure of a backtest: predicted and observed load of each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from tierkit import texts
from tierkit.plot.style import COLORS, INK, canvas, style
from tierkit.records.arguments import instance_of

if TYPE_CHECKING:
    from tierkit.evaluate.backtest import Backtest

__all__ = ["backtest"]

_COUNT = FuncFormatter(lambda value, _: texts.number(value))
_INSIDE, _OUTSIDE = COLORS["direction"]["better"], COLORS["direction"]["worse"]


def backtest(result: Backtest, *, lang: str = "en") -> Axes:
    """Draw the load of every judged cell: its prediction interval, and what happened.

    Parameters
    ----------
    result : Backtest
    lang : {"zh", "en"}

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        If the result is something else.

    Examples
    --------
    >>> import datetime as dt
    >>> from tierkit.evaluate.backtest import Backtest
    >>> counts, day = np.full((39, 12, 6, 16), 6), dt.date(2024, 1, 1)
    >>> ax = backtest(Backtest(None, day, day, counts, counts[0]))  # the policy of the past is not drawn
    >>> ax.get_ylabel()
    'inspections in the cell'
    """
    from tierkit.evaluate.backtest import Backtest

    instance_of(result, Backtest, "result", "what tierkit.backtest returned")
    cells = result.table()
    cells = cells[cells["judged"]].sort_values("predicted", ascending=False, kind="stable")
    at = np.arange(len(cells))
    found = result.coverage
    caption = texts.text(
        "caption.backtest",
        lang,
        n=int(found["cells"]),
        share=texts.percent(found["share"], 1),
        interval=texts.interval(100 * found["low"], 100 * found["high"], 1),
        expected=texts.interval(100 * found["expected_low"], 100 * found["expected_high"], 1),
        least=texts.number(result.least),
        replicates=result.replicates,
        since=result.since.isoformat(),
    )
    with style():
        _, axes = canvas(
            texts.text("figure.backtest.title", lang),
            texts.text("figure.backtest.subtitle", lang),
            caption,
            height=3.4,
        )
        ax: Axes = axes[0, 0]
        ax.vlines(at, np.maximum(cells["low"], 0.5), cells["high"], color=INK["line"], linewidth=2.2)
        for inside, color in ((True, _INSIDE), (False, _OUTSIDE)):
            mine = (cells["inside"] == inside).to_numpy()
            seen = np.maximum(cells["observed"].to_numpy(np.float64), 0.5)
            ax.plot(at[mine], seen[mine], "o", color=color, markersize=3.6, zorder=3)
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(_COUNT)
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_xlim(-1, len(cells))
        ax.set_xticks([])
        ax.grid(axis="y")
        ax.set_ylabel(texts.text("axis.cell_load", lang))
        _legend(ax, lang)
    return ax


def _legend(ax: Axes, lang: str) -> None:
    """Add the legend of cells inside and outside their interval."""
    marks = [
        Line2D([], [], color=color, marker="o", linestyle="", markersize=4, label=texts.text(text_id, lang))
        for color, text_id in ((_INSIDE, "figure.backtest.inside"), (_OUTSIDE, "figure.backtest.outside"))
    ]
    ax.legend(handles=marks, loc="upper right", frameon=False, fontsize=8.5)
