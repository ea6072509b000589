"""Figure of a score as an order of inspections: share of violations found by day."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

from tierkit import texts
from tierkit.plot.style import COLORS, INK, canvas, style
from tierkit.records.arguments import instance_of

if TYPE_CHECKING:
    from tierkit.evaluate import Ranking

__all__ = ["found"]

_BLUE, _ORANGE = COLORS["direction"]["better"], COLORS["channel"]["trigger"]
_LINES = {
    "oracle": (INK["soft"], ":", 1.2),
    "pooled": (_BLUE, "-", 2.0),
    "within": (_ORANGE, "-", 2.0),
    "as_made": (INK["text"], "-", 1.2),
}


def found(result: Ranking, *, lang: str = "en") -> Axes:
    """Draw the share of violations found by each day, in the order of a score and as inspections were made.

    Parameters
    ----------
    result : Ranking
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
    >>> from tierkit.evaluate import ranking
    >>> days = np.datetime64("2024-01-01") + np.arange(4)
    >>> ax = found(ranking([0, 1, 0, 1], [1, 2, 3, 4], days, replicates=39))
    >>> ax.get_xlabel()
    'days since 2024-01-01'
    """
    from tierkit.evaluate import Ranking

    instance_of(result, Ranking, "result", "what tierkit.evaluate.ranking returned")
    course, row = result.course, result.row("days_earlier")
    day = (course["date"] - course["date"].iloc[0]).dt.days.to_numpy(np.float64)
    orders = [name for name in _LINES if name in course]
    gain = [
        texts.text(
            f"figure.found.{order}",
            lang,
            value=texts.number(one["value"], 1),
            interval=texts.interval(one["low"], one["high"], 1),
        )
        for order in ("pooled", "within")
        if order in orders
        for one in [result.row("days_earlier", order)]
    ]
    caption = texts.text(
        "caption.found",
        lang,
        n=int(row["n"]),
        events=texts.number(int(row["events"])),
        replicates=result.replicates,
        gain=texts.join(gain, lang),
    )
    with style():
        _, axes = canvas(
            texts.text("figure.found.title", lang), texts.text("figure.found.subtitle", lang), caption
        )
        ax: Axes = axes[0, 0]
        ax.fill_between(
            day, course["random_low"], course["random_high"], color=INK["line"], alpha=0.6, linewidth=0,
            label=texts.text("figure.found.random", lang),
        )  # fmt: skip
        for name in orders:
            color, dash, width = _LINES[name]
            label = texts.text(f"legend.found.{name}", lang)
            ax.plot(day, course[name], dash, color=color, linewidth=width, label=label)
        ax.set_xlim(0, day.max())
        ax.set_ylim(0, 1)
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: texts.number(value)))
        ax.set_xlabel(texts.text("axis.days_since", lang, date=f"{course['date'].iloc[0]:%Y-%m-%d}"))
        ax.set_ylabel(texts.text("axis.found", lang))
        ax.grid(axis="y")
        ax.legend(loc="lower right", frameon=False, fontsize=8.5)
    return ax
