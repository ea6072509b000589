"""The figure of one enterprise's reasons: what raised its risk and what lowered it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrow

from tierkit import texts
from tierkit.plot.given import ascending
from tierkit.plot.labels import halo
from tierkit.plot.style import COLORS, INK, canvas, style
from tierkit.scores.checked import checked

__all__ = ["waterfall"]


def waterfall(
    contributions: npt.ArrayLike,
    base: float,
    labels: Sequence[str],
    *,
    lang: str = "en",
    top: int = 9,
    title: str | None = None,
    cutoffs: Sequence[float] = (),
) -> Axes:
    """Draw how each fact moves the risk margin from the average to this enterprise's own.

    Parameters
    ----------
    contributions : array of float, shape (p,)
        Shapley values of the margin, in log-odds; ``explanation[i].values``.
    base : float
        The average margin; ``explanation[i].base_values``.
    labels : sequence of str, length p
        What is said beside each bar: the fact, in words.
    lang : {"zh", "en"}
    top : int, default=9
        Facts shown one by one; the rest is one bar, so the sum is kept.
    title : str, optional
    cutoffs : sequence of float
        Margins at which the risk level changes, ascending, drawn as thin lines between the levels' numbers.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If a contribution is no finite number, cut-offs do not ascend, or there are not as many labels as
        contributions.

    Examples
    --------
    >>> ax = waterfall([0.5, -0.2, 0.05], -2.0, ["two findings", "small", "new"], top=2)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['two findings', 'small', '1 other fact']
    """
    [values], [middle] = checked(contributions=("scores", contributions)), checked(base=("scores", [base]))
    base = float(middle[0])
    cutoffs = ascending(cutoffs, apart=False).tolist()  # margins are rounded
    if len(labels) != values.size:
        raise ValueError(
            f"'labels' must name each contribution: {values.size} contributions, {len(labels)} labels."
        )
    order = np.argsort(-np.abs(values), kind="stable")
    shown, rest = order[:top], order[top:]
    rows = [(labels[i], float(values[i])) for i in shown]
    if rest.size:
        rows.append((texts.text("reason.others", lang, n=int(rest.size)), float(values[rest].sum())))
    frame = pd.DataFrame(rows, columns=["label", "value"])
    frame["start"] = base + frame["value"].cumsum() - frame["value"]
    end = base + float(frame["value"].sum())
    edges = [base, *(frame["start"] + frame["value"])]
    span = max(max(edges) - min(edges), 1e-6)
    with style():
        _, axes = canvas(
            title or texts.text("figure.waterfall.title", lang),
            texts.text("figure.waterfall.subtitle", lang),
            texts.text("caption.waterfall", lang)
            + (" " + texts.text("caption.levels", lang) if cutoffs else ""),
            width=7.6,
            height=0.33 * len(frame) + (1.1 if cutoffs else 0.95),
        )
        ax: Axes = axes[0, 0]
        for y, row in enumerate(frame.itertuples()):
            _bar(ax, y, float(row.start), float(row.value), span)  # type: ignore[arg-type]
        starts = [base, *(frame["start"] + frame["value"])]
        for y, x in enumerate(starts):
            ax.plot(
                [x, x], [y - 1 + (0.30 if y else 0.45), y - 0.30], color=INK["line"], linewidth=0.9, zorder=1
            )
        low, high = min(edges) - 0.16 * span, max(edges) + 0.16 * span
        for level, cut in enumerate(cutoffs, start=1):
            if low < cut < high:
                ax.axvline(cut, color=INK["soft"], linewidth=0.9, linestyle=(0, (3, 2)), zorder=0)
                label = f"{level} | {level + 1}"
                ax.text(cut, -1.5, label, ha="center", va="top", fontsize=8.2, color=INK["soft"])
        ax.text(
            base,
            -0.62,
            texts.text("figure.waterfall.base", lang, value=texts.number(base, 2)),
            ha="center",
            va="bottom",
            fontsize=8.2,
            color=INK["soft"],
            path_effects=halo(),
        )
        ax.text(
            end,
            len(frame) - 0.42,
            texts.text("figure.waterfall.end", lang, value=texts.number(end, 2)),
            ha="center",
            va="top",
            fontsize=9,
            color=INK["text"],
        )
        ax.set_yticks(range(len(frame)), list(frame["label"]))
        ax.set_ylim(len(frame) + 0.05, -1.55 if cutoffs else -1.05)
        ax.set_xlim(low, high)
        ax.tick_params(axis="y", labelsize=9)
        ax.grid(axis="x")
        ax.set_xlabel(texts.text("axis.margin", lang))
    return ax


def _bar(ax: Axes, y: float, start: float, value: float, span: float) -> None:
    direction = "none" if value == 0 else "worse" if value > 0 else "better"
    color = COLORS["direction"][direction]
    head = min(abs(value), 0.02 * span)
    ax.add_patch(
        FancyArrow(
            start,
            y,
            value,
            0,
            width=0.56,
            head_width=0.56,
            head_length=head,
            length_includes_head=True,
            color=color,
            linewidth=0,
        )
    )
    outside = start + value + np.copysign(0.012 * span, value if value else 1.0)
    ax.text(
        outside,
        y,
        texts.signed(value, 2),
        ha="left" if value >= 0 else "right",
        va="center",
        fontsize=8.5,
        color=color,
    )
