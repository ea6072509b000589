"""Figure of several estimates of one number, with intervals, n and, if known, the true value."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import Formatter, FuncFormatter

from tierkit import texts
from tierkit.plot.given import rows_of
from tierkit.plot.labels import PercentTicks
from tierkit.plot.style import COLORS, INK, canvas, style
from tierkit.records.arguments import InputError
from tierkit.scores.checked import is_number

__all__ = ["estimates"]

_ROW = 0.42  # inches


def estimates(
    frame: pd.DataFrame,
    *,
    title: str,
    axis: str,
    subtitle: str = "",
    truth: float | None = None,
    share: bool = True,
    lang: str = "en",
) -> Axes:
    r"""Draw estimates of one number with their intervals, and the truth as a line where it is known.

    Parameters
    ----------
    frame : DataFrame
        One row per estimate, from the top: ``label``, ``value``, ``low``, ``high`` and ``n``, what it rests
        on. One without a value is drawn as refused.
    title, axis : str
        What is estimated, and its unit.
    subtitle : str, default=""
    truth : float, optional
        The true value, of a synthetic world.
    share : bool, default=True
        Whether values are shares, shown in per cent.
    lang : {"zh", "en"}

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If there are no rows, a column is missing or holds what it cannot, an interval ends before it begins,
        or the truth is no number.

    Examples
    --------
    >>> rows = {"label": ["naive", "random"], "value": [0.15, 0.1], "low": [0.14, 0.08], "high": [0.16, 0.12]}
    >>> ax = estimates(pd.DataFrame(rows | {"n": [900, 90]}), title="Finding rate", axis="share", truth=0.1)
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['naive\nn = 900', 'random\nn = 90']
    """
    kinds = {"value": "values", "low": "values", "high": "values", "n": "amounts"}
    frame = rows_of(frame, "frame", kinds, {"label": None})
    if (frame["low"] > frame["high"]).any():
        raise InputError("'low' of the 'frame' must not be above 'high'. Correct these rows.")
    if truth is not None and not (is_number(truth) and np.isfinite(truth)):
        raise InputError(
            f"The 'truth' must be a finite number, or None where it is not known. Got {truth!r}."
        )
    at = np.arange(len(frame))
    caption = texts.text("caption.estimates" if truth is None else "caption.estimates_truth", lang)
    with style():
        _, axes = canvas(title, subtitle, caption, height=1.1 + _ROW * len(frame))
        ax: Axes = axes[0, 0]
        if truth is not None:
            ax.axvline(truth, color=INK["text"], linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        known = frame["value"].notna().to_numpy()
        low, high, value = (frame[name].to_numpy(np.float64) for name in ("low", "high", "value"))
        ends = np.stack([low, high, value, np.full(len(frame), np.nan if truth is None else truth)])
        covers = (low <= truth) & (truth <= high) if truth is not None else np.ones(len(frame), bool)
        for inside, kind in ((True, "better"), (False, "worse")):
            mine = known & (covers == inside)
            color = COLORS["direction"][kind]
            ax.hlines(at[mine], low[mine], high[mine], color=color, linewidth=2.2)
            ax.plot(value[mine], at[mine], "o", color=color, markersize=5.5, zorder=3)
        for y in at[~known]:
            ax.annotate(
                texts.text("figure.estimates.refused", lang),
                (0.01, float(y)),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=8.5,
                color=INK["soft"],
            )
        names = [
            f"{label}\nn = {texts.number(n)}" for label, n in zip(frame["label"], frame["n"], strict=True)
        ]
        ax.set_yticks(at, names)
        ax.set_ylim(len(frame) - 0.5, -0.5)
        if np.isfinite(ends).any():
            left, right = float(np.nanmin(ends)), float(np.nanmax(ends))
            room = 0.08 * (right - left) or 0.01
            ax.set_xlim(left - room, right + room)
        numbers: Formatter = PercentTicks() if share else FuncFormatter(lambda x, _: texts.number(x, 1))
        ax.xaxis.set_major_formatter(numbers)
        ax.set_xlabel(axis)
        ax.grid(axis="x")
    return ax
