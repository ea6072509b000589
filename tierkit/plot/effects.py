"""Helpers of the figures of policies: rows of a measure, names, captions and axes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tierkit import texts
from tierkit.compare.intervals import relative_ends
from tierkit.plot.given import frame_of
from tierkit.texts import policy_label

__all__ = ["caption", "counted", "effects", "horizon", "intervals", "policy_axis", "policy_label"]

SUMMARY = ("policy", "baseline", "group", "level", "measure", "kappa", "weeks")
"""Columns of `Comparison.summary` by which a figure finds its rows."""


def effects(
    summary: pd.DataFrame,
    measure: str,
    *,
    group: str = "all",
    level: str | None = None,
    kappa: float = 0.1,
    weeks: int = 52,
) -> pd.DataFrame:
    """Return one measure's rows of a comparison's summary, the baseline's own row first.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary``: one row per policy, group, level, measure, kappa and weeks.
    measure : str
        The measure, for instance ``"inspections"``.
    group, level : str
        Which rows; by default those of all enterprises together. Without `level`, all levels of the group.
    kappa : float, default=0.1
        General deterrence.
    weeks : int, default=52
        Horizon.

    Returns
    -------
    DataFrame
        Rows in the order of `summary`, with ``relative_low`` and ``relative_high`` added: the interval of
        the difference as a share of the baseline's value.

    Raises
    ------
    KeyError
        If the summary has no such rows; the message lists those it has.
    InputError
        If the summary is no frame, the comparison itself for instance, or lacks a column.

    Examples
    --------
    >>> row = {"policy": "p", "baseline": "b", "group": "all", "level": "all", "measure": "harm"}
    >>> row |= {"kappa": 0.1, "weeks": 52, "value": 8.0, "low": 7.0, "high": 9.0, "baseline_value": 10.0}
    >>> row |= {"difference": -2.0, "difference_low": -3.0, "difference_high": -1.0, "relative": -0.2}
    >>> effects(pd.DataFrame([row]), "harm")[["policy", "value", "relative_low"]].values.tolist()
    [['b', 10.0, nan], ['p', 8.0, -0.3]]
    """
    frame_of(summary, "summary", *SUMMARY, give="comparison.summary")
    chosen = summary[
        (summary["measure"] == measure)
        & (summary["group"] == group)
        & np.isclose(summary["kappa"].astype(float), kappa)
        & (summary["weeks"] == weeks)
    ]
    if level is not None:
        chosen = chosen[chosen["level"] == level]
    if chosen.empty:
        have = summary[["kappa", "weeks"]].drop_duplicates().to_numpy().tolist()
        raise KeyError(
            f"The summary has no '{measure}' by '{group}' at kappa = {kappa} over {weeks} weeks; "
            f"it has (kappa, weeks) {have}."
        )
    chosen = chosen.assign(policy=chosen["policy"].astype(str), baseline=chosen["baseline"].astype(str))
    if not (chosen["policy"] == chosen["baseline"]).any():
        own = chosen.drop_duplicates(["level"]).copy()
        own["policy"] = own["baseline"]
        own["value"] = own["baseline_value"]
        own[["low", "high", "difference_low", "difference_high"]] = np.nan
        own[["difference", "relative"]] = 0.0
        chosen = pd.concat([own, chosen])
    base = chosen["baseline_value"].astype(float).where(lambda value: value != 0)
    low, high = relative_ends(chosen["difference_low"], chosen["difference_high"], base)
    first = (chosen["policy"] != chosen["baseline"]).to_numpy()
    chosen = chosen.assign(relative_low=low, relative_high=high)
    return chosen.iloc[np.argsort(first, kind="stable")].reset_index(drop=True)


def caption(
    summary: pd.DataFrame, lang: str, extra: str = "caption.paired", *, kappa: float = 0.1, weeks: int = 52
) -> str:
    """Return the conditions of a run and what the intervals are, as a figure's caption.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary``.
    lang : {"zh", "en"}
    extra : str
        Id of the text on the intervals.
    kappa, weeks
        Which run of the comparison.

    Examples
    --------
    >>> caption(summary, "en", "caption.value")  # summary = compare(...).summary
    '20,000 enterprises, 52 weeks, 20 replicates, κ = 0.1. Bars: 95% intervals over the replicates.'
    """
    row = effects(summary, "inspections", kappa=kappa, weeks=weeks).iloc[0].to_dict()
    n, replicates = int(row["n"]), int(row["replicates"])
    told = counted(replicates, lang)
    conditions = texts.text("caption.run", lang, n=n, replicates=told, weeks=weeks, kappa=f"{kappa:g}")
    return f"{conditions} {intervals(replicates, lang, extra)}"


def counted(replicates: int, lang: str) -> str:
    """Return a number of replicates in words.

    Examples
    --------
    >>> counted(1, "en"), counted(20, "en")
    ('1 replicate', '20 replicates')
    """
    return texts.text("count.replicates", lang, n=replicates)


def intervals(replicates: int, lang: str, text_id: str) -> str:
    """Return what a figure's intervals are, or that one replicate has none.

    Examples
    --------
    >>> intervals(1, "en", "caption.paired")
    'One replicate has no intervals.'
    """
    return texts.text("caption.single" if replicates == 1 else text_id, lang)


def horizon(weeks: int, over: int, lang: str) -> str:
    """Return in words which weeks a measure is of.

    Parameters
    ----------
    weeks : int
        Length of the run.
    over : int
        The last weeks of it that are measured.
    lang : {"zh", "en"}

    Examples
    --------
    >>> horizon(52, 52, "en"), horizon(260, 52, "en"), horizon(26, 26, "en"), horizon(260, 52, "zh")
    ('over 1 year', 'in year 5', 'over 26 weeks', '第 5 年')
    """
    years, rest = divmod(weeks, 52)
    if over == weeks:
        return (
            texts.text("horizon.weeks", lang, n=weeks) if rest else texts.text("horizon.years", lang, n=years)
        )
    if over == 52 and not rest:
        return texts.text("horizon.in_year", lang, n=years)
    return texts.text("horizon.last_weeks", lang, n=over, weeks=weeks)


def policy_axis(ax: Axes, policies: Sequence[str], lang: str) -> None:
    """Label the vertical axis with the policies, the first on top.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figure, ax = plt.subplots()
    >>> policy_axis(ax, ["legacy", "jinshan-2025"], "en")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['Legacy', 'Jinshan 2025']
    """
    ax.set_yticks(range(len(policies)), [policy_label(policy, lang) for policy in policies])
    ax.set_ylim(len(policies) - 0.45, -0.55)
