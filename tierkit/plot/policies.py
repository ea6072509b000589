"""Figures of what policies do: load, findings, harm, sensitivity and who is visited."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tierkit import texts
from tierkit.plot.style import COLORS, INK, canvas, halo, place_labels, policy_color, style, whiskers
from tierkit.schema import LEVELS

__all__ = ["effects", "fairness", "kappa", "load", "outcomes", "policy_label", "trade_off", "visits"]

# Planned channels first, from the ruled to the ordered, then what something set off.
_CHANNELS = ("routine", "random", "commitment", "campaign", "trigger", "followup")
_PERCENT = FuncFormatter(lambda value, _: texts.percent(value, sign=True))
_COUNT = FuncFormatter(lambda value, _: texts.number(value))


def policy_label(policy: str, lang: str) -> str:
    """Return the short name of a preset in one language; another policy's own name as it is.

    Examples
    --------
    >>> policy_label("jinshan-2025", "zh"), policy_label("mine", "zh")
    ('金山 2025', 'mine')
    """
    text_id = f"policy.{policy}"
    return texts.text(text_id, lang) if text_id in texts.ids(lang) else texts.plain(policy, 24)


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
        Rows in the order of `summary`, with ``relative_low`` and ``relative_high`` added: the interval of the difference as a
        share of the baseline's value.

    Raises
    ------
    KeyError
        If the summary has no such rows; the message says what it has.

    Examples
    --------
    >>> row = {"policy": "p", "baseline": "b", "group": "all", "level": "all", "measure": "harm", "kappa": 0.1, "weeks": 52,
    ...        "value": 8.0, "low": 7.0, "high": 9.0, "baseline_value": 10.0, "difference": -2.0, "difference_low": -3.0,
    ...        "difference_high": -1.0, "relative": -0.2}
    >>> effects(pd.DataFrame([row]), "harm")[["policy", "value", "relative_low"]].values.tolist()
    [['b', 10.0, nan], ['p', 8.0, -0.3]]
    """
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
            f"The summary has no '{measure}' by '{group}' at kappa = {kappa} over {weeks} weeks; it has (kappa, weeks) {have}."
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
    low, high = chosen["difference_low"] / base, chosen["difference_high"] / base
    first = (chosen["policy"] != chosen["baseline"]).to_numpy()
    chosen = chosen.assign(relative_low=low, relative_high=high)
    return chosen.iloc[np.argsort(first, kind="stable")].reset_index(drop=True)


def _caption(rows: pd.DataFrame, lang: str, extra: str = "caption.paired", *, by_level: bool = False) -> str:
    first = rows.iloc[-1]
    conditions = texts.text(
        "caption.run", lang, n=texts.number(rows.drop_duplicates("level")["n"].sum() if by_level else rows["n"].max()), replicates=int(first["replicates"]), weeks=int(first["weeks"]),
        kappa=f"{float(first['kappa']):g}",
    )  # fmt: skip
    return f"{conditions} {texts.text(extra, lang)}" if extra else conditions


def _policy_axis(ax: Axes, policies: Sequence[str], lang: str) -> None:
    ax.set_yticks(range(len(policies)), [policy_label(p, lang) for p in policies])
    ax.set_ylim(len(policies) - 0.45, -0.55)


def load(summary: pd.DataFrame, *, lang: str = "en", kappa: float = 0.1, weeks: int = 52) -> Axes:
    """Draw the inspections of each policy, by the channel that brought them about.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary`` with the measure ``inspections`` by group ``channel`` and ``all``.
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = load(summary, lang="zh")  # summary = compare(...).summary
    >>> ax.get_xlabel()
    '52 周内的行政检查（次）'
    """
    rows = effects(summary, "inspections", group="channel", kappa=kappa, weeks=weeks)
    total = effects(summary, "inspections", kappa=kappa, weeks=weeks).set_index("policy")
    table = rows.pivot_table(index="policy", columns="level", values="value", sort=False, aggfunc="sum", observed=True)
    policies = [p for p in total.index if p in table.index]
    longest = float(table.sum(axis=1).max())
    with style():
        figure, axes = canvas(
            texts.text("figure.load.title", lang),
            texts.text("figure.load.subtitle", lang),
            _caption(rows, lang),
            height=0.42 * len(policies) + 0.75,
        )
        ax: Axes = axes[0, 0]
        left = pd.Series(0.0, index=policies)
        for channel in _CHANNELS:
            if channel not in table:
                continue
            width = table.loc[policies, channel].fillna(0.0)
            color = COLORS["channel"][channel]
            ax.barh(
                range(len(policies)), width, left=left, height=0.62, color=color, edgecolor="white", linewidth=0.6,
                label=LEVELS["channel"][channel].text(lang),
            )  # fmt: skip
            for y, policy in enumerate(policies):
                if width[policy] > 0.055 * longest:
                    dark = channel in ("routine", "campaign", "trigger")
                    ax.text(
                        left[policy] + width[policy] / 2, y, texts.number(width[policy]), ha="center", va="center",
                        fontsize=7.8, color="white" if dark else INK["text"],
                    )  # fmt: skip
            left += width
        for y, policy in enumerate(policies):
            row = total.loc[policy]
            change = "" if policy == row["baseline"] else "  " + texts.percent(row["relative"], sign=True)
            ax.text(left[policy] + 0.012 * longest, y, texts.number(left[policy]) + change, va="center", fontsize=9)
        _policy_axis(ax, policies, lang)
        ax.set_xlim(0, longest * 1.17)
        ax.xaxis.set_major_formatter(_COUNT)
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.grid(axis="x")
        ax.set_xlabel(texts.text("axis.inspections", lang, weeks=weeks))
        ax.legend(
            loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(_CHANNELS), borderaxespad=0.2, columnspacing=1.2,
            handletextpad=0.4, borderpad=0.0,
        )  # fmt: skip
    return ax


def outcomes(
    summary: pd.DataFrame,
    *,
    measures: Sequence[str] = ("inspections", "finding_rate", "findings", "violations_missed", "harm"),
    lang: str = "en",
    kappa: float = 0.1,
    weeks: int = 52,
) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Draw load, finding rate, findings, missed violations and harm side by side, as changes from the baseline.

    One scale for all panels, so that a high finding rate is never read without what it cost; the number beside each point is
    the value itself.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary``.
    measures : sequence of str
        The panels, from left to right.
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.

    Returns
    -------
    array of Axes, shape (len(measures),)

    Examples
    --------
    >>> axes = outcomes(summary, measures=["finding_rate", "findings"])  # summary = compare(...).summary
    >>> [ax.get_title(loc="left").split("\\n")[0] for ax in axes]
    ['finding rate', 'findings']
    """
    frames = {measure: effects(summary, measure, kappa=kappa, weeks=weeks) for measure in measures}
    policies = list(frames[measures[0]]["policy"])
    plans = policies[1:]
    reach = max(
        float(np.nanmax(np.abs(frame[["relative", "relative_low", "relative_high"]].astype(float).to_numpy())))
        for frame in frames.values()
    )
    with style():
        figure, axes = canvas(
            texts.text("figure.outcomes.title", lang),
            texts.text("figure.outcomes.subtitle", lang, baseline=policy_label(policies[0], lang)),
            _caption(frames[measures[0]], lang),
            width=9.2,
            height=0.60 * len(plans) + 0.95,
            ncols=len(measures),
            sharey=True,
            sharex=True,
        )
        for ax, measure in zip(axes[0], measures, strict=True):
            frame = frames[measure].set_index("policy")
            ax.axvspan(-2, 0, color=INK["band"], zorder=0)
            ax.axvline(0, color=INK["soft"], linewidth=1.0, zorder=1)
            share = measure in ("finding_rate", "trigger_share", "prevalence")
            for y, policy in enumerate(plans):
                row = frame.loc[policy]
                color = policy_color(policy)
                whiskers(ax, row["relative"], y, row["relative_low"], row["relative_high"], color, size=7)
                at = float(np.clip(row["relative"], -0.8 * reach, 0.8 * reach))
                value = texts.percent(row["value"], 1) if share else texts.number(row["value"])
                change = texts.percent(row["relative"], 1 if abs(row["relative"]) < 0.1 else 0, sign=True)
                ax.text(at, y - 0.16, change, ha="center", va="bottom", fontsize=9, color=color, path_effects=halo())
                ax.text(at, y + 0.17, value, ha="center", va="top", fontsize=7.8, color=INK["soft"], path_effects=halo())
            base = float(frame["baseline_value"].iloc[-1])
            shown = texts.percent(base, 1) if share else texts.number(base)
            name = texts.text(f"measure.{measure}", lang)
            ax.set_title(f"{name}\n{policy_label(policies[0], lang)} {shown}", fontsize=9, linespacing=1.5)
            ax.xaxis.set_major_formatter(_PERCENT)
            ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
            ax.grid(axis="x")
            ax.set_xlim(-reach * 1.3, reach * 1.3)
        axes[0, 0].set_yticks(range(len(plans)), [policy_label(p, lang) for p in plans])
        axes[0, 0].set_ylim(len(plans) - 0.45, -0.6)
        axes[0, len(measures) // 2].set_xlabel(texts.text("axis.change", lang))
    chosen: np.ndarray[tuple[int], np.dtype[np.object_]] = axes[0]
    return chosen


def trade_off(
    summary: pd.DataFrame,
    *,
    x: str = "inspections",
    y: str = "harm",
    lang: str = "en",
    kappa: float = 0.1,
    weeks: int = 52,
) -> Axes:
    """Draw each plan by its change in load and its change in harm, with both intervals.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary``.
    x, y : str
        The measures of the two axes.
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = trade_off(summary)  # summary = compare(...).summary
    >>> ax.get_ylabel()
    'change in harm'
    """
    across = effects(summary, x, kappa=kappa, weeks=weeks).set_index("policy")
    up = effects(summary, y, kappa=kappa, weeks=weeks).set_index("policy")
    with style():
        _, axes = canvas(
            texts.text("figure.trade_off.title", lang),
            texts.text("figure.trade_off.subtitle", lang),
            _caption(up, lang, "caption.cross"),
            width=7.2,
            height=3.9,
        )
        ax: Axes = axes[0, 0]
        for policy in across.index:
            a, b = across.loc[policy], up.loc[policy]
            color = policy_color(policy)
            if policy != a["baseline"]:
                ax.hlines(b["relative"], a["relative_low"], a["relative_high"], color=color, linewidth=1.8)
                ax.vlines(a["relative"], b["relative_low"], b["relative_high"], color=color, linewidth=1.8)
            ax.plot(a["relative"], b["relative"], "o", color=color, markersize=8)
        ax.margins(0.16, 0.16)
        (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
        right, low = max(right, 0.12 * (right - left)), min(low, -0.12 * (high - low))
        ax.set(xlim=(left, right), ylim=(low, high))
        ax.axhline(0, color=INK["soft"], linewidth=0.9, zorder=1)
        ax.axvline(0, color=INK["soft"], linewidth=0.9, zorder=1)
        ax.axhspan(low, 0, xmax=(0 - left) / (right - left), color=INK["band"], zorder=0)
        ax.text(
            left + 0.01 * (right - left), low + 0.02 * (high - low), texts.text("figure.trade_off.corner", lang), fontsize=8,
            color=INK["soft"], va="bottom",
        )  # fmt: skip
        ax.xaxis.set_major_formatter(_PERCENT)
        ax.yaxis.set_major_formatter(_PERCENT)
        ax.tick_params(axis="y", labelcolor=INK["soft"], labelsize=8.5)
        ax.grid()
        ax.set_xlabel(texts.text("axis.change_of", lang, measure=texts.text(f"measure.{x}", lang)))
        ax.set_ylabel(texts.text("axis.change_of", lang, measure=texts.text(f"measure.{y}", lang)))
        boxes = [
            [a["relative_low"], a["relative_high"], b["relative_low"], b["relative_high"]]
            for (_, a), (_, b) in zip(across.iterrows(), up.iterrows(), strict=True)
        ]
        place_labels(
            ax,
            np.column_stack([across["relative"], up["relative"]]),
            [policy_label(policy, lang) for policy in across.index],
            [policy_color(policy) for policy in across.index],
            np.nan_to_num(np.array(boxes, float)),
        )
    return ax


def kappa(
    summary: pd.DataFrame, *, measure: str = "harm", lang: str = "en"
) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    """Draw one measure's change against general deterrence, one panel a horizon.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary`` over several kappas and horizons.
    measure : str, default="harm"
    lang : {"zh", "en"}

    Returns
    -------
    array of Axes, one a horizon

    Examples
    --------
    >>> axes = kappa(summary)  # summary = compare(...).summary
    >>> [ax.get_title(loc="left") for ax in axes]
    ['over 1 year', 'over 5 years']
    """
    rows = summary[(summary["measure"] == measure) & (summary["group"] == "all")]
    horizons = sorted(int(w) for w in rows["weeks"].unique())
    kappas = sorted(float(k) for k in rows["kappa"].unique())
    baseline = str(rows["baseline"].iloc[0])
    plans = [str(p) for p in rows["policy"].unique() if str(p) != baseline]
    offsets = np.linspace(-0.13, 0.13, len(plans)) if len(plans) > 1 else np.zeros(1)
    with style():
        _, axes = canvas(
            texts.text("figure.kappa.title", lang, measure=texts.text(f"measure.{measure}", lang)),
            texts.text("figure.kappa.subtitle", lang),
            texts.text("caption.kappa", lang, replicates=int(rows["replicates"].min()), n=texts.number(rows["n"].max()))
            + " "
            + texts.text("caption.paired", lang),
            ncols=len(horizons),
            height=3.3,
            sharey=True,
        )
        for ax, weeks in zip(axes[0], horizons, strict=True):
            ends = []
            for plan, offset in zip(plans, offsets, strict=True):
                frames = [effects(summary, measure, kappa=k, weeks=weeks).set_index("policy").loc[plan] for k in kappas]
                at = np.arange(len(kappas)) + offset
                y = np.array([float(f["relative"]) for f in frames])
                color = policy_color(plan)
                ax.plot(at, y, color=color, linewidth=1.3, alpha=0.55)
                whiskers(
                    ax, at, y, [f["relative_low"] for f in frames], [f["relative_high"] for f in frames], color,
                    vertical=True, size=5.5,
                )  # fmt: skip
                ends.append((float(y[-1]), policy_label(plan, lang), color))
            ax.axhline(0, color=INK["soft"], linewidth=0.9, zorder=1)
            ax.set_xticks(range(len(kappas)), [f"κ = {k:g}" for k in kappas])
            ax.set_xlim(-0.4, len(kappas) - 0.6 + (0.75 if ax is axes[0, -1] else 0))
            ax.yaxis.set_major_formatter(_PERCENT)
            ax.tick_params(axis="y", labelcolor=INK["soft"], labelsize=8.5)
            ax.grid(axis="y")
            ax.set_title(texts.text("figure.kappa.after", lang, n=weeks // 52))
        low, high = axes[0, -1].get_ylim()
        for (_, name, color), y in zip(
            sorted(ends), _spread(sorted(end[0] for end in ends), 0.062 * (high - low)), strict=True
        ):
            axes[0, -1].text(len(kappas) - 1 + 0.24, y, name, color=color, va="center", fontsize=8.8)
    chosen: np.ndarray[tuple[int], np.dtype[np.object_]] = axes[0]
    return chosen


def _spread(values: Sequence[float], gap: float) -> list[float]:
    """Move sorted label positions apart to at least `gap`, keeping their order and their centre of mass near."""
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


def visits(distribution: pd.DataFrame, *, lang: str = "en", caption: str = "") -> Axes:
    """Draw how many visits enterprises get under each policy, the never visited first.

    Parameters
    ----------
    distribution : DataFrame
        Columns ``policy``, ``visits`` (0 and up) and ``enterprises`` (count, or mean count over replicates).
    lang : {"zh", "en"}
    caption : str
        What the caption adds, such as the conditions of the run.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = visits(pd.DataFrame({"policy": ["legacy"] * 2, "visits": [0, 1], "enterprises": [70, 30]}))
    >>> len(ax.patches)
    2
    """
    counts = distribution.assign(visits=distribution["visits"].clip(upper=4).astype(int))
    table = counts.pivot_table(
        index="policy", columns="visits", values="enterprises", aggfunc="sum", sort=False, observed=True
    )
    table = table.reindex(columns=sorted(table.columns)).fillna(0.0)
    shares = table.div(table.sum(axis=1), axis=0)
    policies = [str(p) for p in shares.index]
    with style():
        _, axes = canvas(
            texts.text("figure.visits.title", lang),
            texts.text("figure.visits.subtitle", lang),
            texts.text("caption.enterprises", lang, n=texts.number(table.sum(axis=1).max())) + (f" {caption}" if caption else ""),
            height=0.42 * len(policies) + 0.55,
        )
        ax: Axes = axes[0, 0]
        left = np.zeros(len(policies))
        for count in shares.columns:
            width = shares[count].to_numpy()
            label = texts.text("figure.visits.never" if count == 0 else "figure.visits.more" if count == 4 else "figure.visits.count", lang, n=int(count))  # fmt: skip
            ax.barh(
                range(len(policies)), width, left=left, height=0.62, color=COLORS["visits"][str(count)], edgecolor="white",
                linewidth=0.6, label=label,
            )  # fmt: skip
            for y, share in enumerate(width):
                if share > (0.03 if share >= 0.1 else 0.045):
                    dark = count >= 3
                    ax.text(
                        left[y] + share / 2, y, texts.percent(share, 1 if share < 0.1 else 0), ha="center", va="center",
                        fontsize=8, color="white" if dark else INK["text"],
                    )  # fmt: skip
            left += width
        _policy_axis(ax, policies, lang)
        ax.set_xlim(0, 1)
        ax.xaxis.set_visible(False)
        ax.spines["bottom"].set_visible(False)
        ax.legend(
            loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=5, borderaxespad=0.2, columnspacing=1.2, handletextpad=0.4, borderpad=0.0
        )  # fmt: skip
    return ax


def fairness(
    summary: pd.DataFrame,
    group: str,
    policy: str,
    *,
    measure: str = "inspections",
    lang: str = "en",
    kappa: float = 0.1,
    weeks: int = 52,
) -> Axes:
    """Draw how much inspection each part of a group gets under a plan and under its baseline.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary`` with `measure` by `group`; ``n`` is the number of enterprises of a level.
    group : {"ownership", "size", "sector", "district"}
    policy : str
        The plan.
    measure : str, default="inspections"
        A count; it is shown per 100 enterprises and year.
    lang : {"zh", "en"}
    kappa, weeks
        Which run of the comparison.

    Returns
    -------
    Axes

    Examples
    --------
    >>> ax = fairness(summary, "size", "jiading-2025")  # summary = compare(...).summary
    >>> len(ax.get_yticks())
    4
    """
    rows = effects(summary, measure, group=group, kappa=kappa, weeks=weeks)
    rows = rows[rows["policy"] == policy].set_index("level")
    levels = [level for level in LEVELS[group] if level in rows.index]
    scale = 100 / (rows["n"].astype(float) * weeks / 52)
    with style():
        _, axes = canvas(
            texts.text("figure.fairness.title", lang, group=texts.text(f"group.{group}", lang)),
            texts.text("figure.fairness.subtitle", lang, plan=policy_label(policy, lang)),
            _caption(rows.reset_index(), lang, "caption.value", by_level=True),
            width=7.2,
            height=0.40 * len(levels) + 0.75,
        )
        ax: Axes = axes[0, 0]
        color = policy_color(policy)
        labels = []
        for y, level in enumerate(levels):
            row, k = rows.loc[level], float(scale[level])
            before, after = float(row["baseline_value"]) * k, float(row["value"]) * k
            ax.hlines(y, min(before, after), max(before, after), color=INK["line"], linewidth=1.2, zorder=2)
            whiskers(ax, before, y, np.nan, np.nan, INK["soft"], hollow=True, size=7)
            whiskers(ax, after, y, float(row["low"]) * k, float(row["high"]) * k, color, size=7)
            ax.annotate(
                texts.percent(row["relative"], sign=True), (min(before, after), y), xytext=(-9, 0),
                textcoords="offset points", ha="right", va="center", fontsize=8.2, color=INK["soft"],
            )  # fmt: skip
            labels.append(f"{LEVELS[group][level].text(lang)}  n = {texts.number(row['n'])}")
        ax.set_yticks(range(len(levels)), labels)
        ax.set_ylim(len(levels) - 0.5, -0.9)
        high = max(ax.get_xlim()[1], float((rows["baseline_value"] * scale).max()) * 1.08)
        ax.set_xlim(-0.07 * high, high)
        ax.grid(axis="x")
        ax.set_xlabel(texts.text("axis.per_100", lang, measure=texts.text(f"measure.{measure}", lang)))
        first = rows.loc[levels[0]]
        for value, name, shade, side in (
            (float(first["baseline_value"]) * scale[levels[0]], policy_label(str(first["baseline"]), lang), INK["soft"], "left"),
            (float(first["value"]) * scale[levels[0]], policy_label(policy, lang), color, "right"),
        ):
            ax.annotate(
                name, (value, 0), xytext=(0, 9), textcoords="offset points", ha=side, va="bottom", fontsize=8.5, color=shade
            )
    return ax
