"""Figures over time: drift of a scorecard's population, and stability of tiers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from tierkit import texts
from tierkit.features import FEATURES
from tierkit.plot.effects import policy_label
from tierkit.plot.labels import PercentTicks
from tierkit.plot.style import COLORS, INK, AxesRow, canvas, policy_color, style, whiskers
from tierkit.records.arguments import instance_of
from tierkit.scores.monitoring import CUSTOM, SCORE, Monitoring

if TYPE_CHECKING:
    from tierkit.evaluate import Stability

__all__ = ["monitoring", "tier_stability"]

_SHOWN = ("change_share", "flip_share", "held_share")


def monitoring(result: Monitoring, *, lang: str = "en") -> Axes:
    """Draw the stability index of the score and of each feature, with its value by chance alone.

    Parameters
    ----------
    result : Monitoring
        As from `tierkit.scores.monitoring.monitor`.
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
    >>> import pandas as pd
    >>> from tierkit.scores.monitoring import monitor
    >>> from tierkit.scores.scorecard import CreditScorecard
    >>> X = pd.DataFrame({"penalties_open": np.repeat([0.0, 1.0], 500)})
    >>> card = CreditScorecard().fit(X, np.repeat([0, 1, 0, 1], [475, 25, 400, 100]))
    >>> [label.get_text() for label in monitoring(monitor(card, X.iloc[200:])).get_yticklabels()]
    ['open records: penalty']
    """
    instance_of(result, Monitoring, "result", "what tierkit.scores.monitoring.monitor returned")
    table = result.table.iloc[::-1].reset_index(drop=True)
    labels = {feature.name: feature.label.text(lang) for feature in FEATURES}
    labels[SCORE] = texts.text("figure.monitoring.score", lang)
    least = 0.3 * float(table["null_95"].min())
    with style():
        _, axes = canvas(
            texts.text("figure.monitoring.title", lang),
            texts.text("figure.monitoring.subtitle", lang),
            texts.text(
                "caption.monitoring",
                lang,
                n=texts.number(table["n"].max()),
                expected=texts.number(table["n_expected"].max()),
            ),
            height=0.32 * len(table) + 0.8,
        )
        ax: Axes = axes[0, 0]
        at = np.arange(len(table))
        for by_chance, color in ((True, INK["soft"]), (False, COLORS["direction"]["worse"])):
            rows = table["by_chance"].to_numpy(bool) == by_chance
            mine = table[rows]
            low, high = (np.maximum(mine[end].to_numpy(float), least) for end in ("low", "high"))
            whiskers(ax, np.maximum(mine["index"], least), at[rows], low, high, color)
        ax.plot(table["null_95"], at, "|", color=INK["text"], markersize=13, markeredgewidth=1.4, zorder=5)
        for limit in list(CUSTOM.values())[1:]:
            ax.axvline(limit, color=INK["line"], linewidth=1.0, linestyle=(0, (3, 3)), zorder=1)
        ax.set_xscale("log")
        ax.set_xlim(least * 0.9, max(1.0, 1.3 * float(table[["index", "high"]].to_numpy().max())))
        ax.set_ylim(-0.6, len(table) - 0.4)
        ax.set_yticks(at, [labels.get(name, name) for name in table["variable"]])
        ax.xaxis.set_major_locator(LogLocator(10))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.grid(axis="x")
        ax.set_xlabel(texts.text("axis.stability_index", lang))
    return ax


def tier_stability(result: Stability, *, lang: str = "en") -> AxesRow:
    """Draw how often tiers change and change back, with hysteresis and dwell on and off, and what they cost.

    Parameters
    ----------
    result : Stability
        As from `tierkit.evaluate.tier_stability`.
    lang : {"zh", "en"}

    Returns
    -------
    array of Axes, shape (3,)

    Raises
    ------
    InputError
        If the result is something else.

    Examples
    --------
    >>> from datetime import date
    >>> import pandas as pd
    >>> from tierkit import evaluate
    >>> from tierkit.policy import Policy
    >>> steady = pd.DataFrame({"enterprise_id": ["a", "b"], "sector": "gas", "credit_points": 620.0,
    ...                        "risk_probability": [0.05, 0.2]})
    >>> scores = {date(2025, month, 1): steady for month in (1, 2, 3)}
    >>> found = evaluate.tier_stability(scores, Policy.load("jiading-2025"))
    >>> [ax.get_title(loc="left") for ax in tier_stability(found)]
    ['change tier in a month', 'change back', 'held against the scores']
    """
    from tierkit.evaluate import Stability

    instance_of(result, Stability, "result", "what tierkit.evaluate.tier_stability returned")
    table = result.table
    settings, policies = table["setting"].unique()[::-1], list(table["policy"].unique())
    offsets = np.linspace(0.16, -0.16, len(policies)) if len(policies) > 1 else np.zeros(1)
    sizes = table[table["measure"] == "change_share"]
    with style():
        _, axes = canvas(
            texts.text("figure.stability.title", lang),
            texts.text("figure.stability.subtitle", lang),
            texts.text(
                "caption.stability",
                lang,
                n=texts.number(sizes["n"].max()),
                enterprises=texts.number(sizes["enterprises"].max()),
                months=result.within,
            ),
            ncols=len(_SHOWN),
            width=9.0,
            height=0.34 * len(settings) * max(len(policies), 1.4) + 0.75,
            sharey=True,
        )
        for ax, measure in zip(axes[0], _SHOWN, strict=True):
            for policy, offset in zip(policies, offsets, strict=True):
                rows = table[(table["measure"] == measure) & (table["policy"] == policy)]
                rows = rows.set_index("setting").loc[settings]
                y = np.arange(len(settings)) + offset
                whiskers(
                    ax, rows["value"], y, rows["low"], rows["high"], policy_color(policy),
                )  # fmt: skip
            ax.set_title(texts.text(f"figure.stability.{measure}", lang))
            ax.set_xlim(left=0)
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.xaxis.set_major_formatter(PercentTicks())
            ax.grid(axis="x")
        axes[0, 0].set_ylim(-0.6, len(settings) - 0.4)
        axes[0, 0].set_yticks(
            range(len(settings)), [texts.text(f"figure.stability.{one}", lang) for one in settings]
        )
        if len(policies) > 1:
            for policy in policies:
                axes[0, -1].plot([], [], "o", color=policy_color(policy), label=policy_label(policy, lang))
            axes[0, -1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    panels: AxesRow = axes[0]
    return panels
