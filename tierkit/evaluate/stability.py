"""Tier stability: how often tiers change between months, how often they change back, and what reduces it.

The same scores are put into tiers month after month four times: with the policy's hysteresis and dwell, with
each of them alone, and with neither. What differs between the four is their doing and nothing else. Stability
has a price, which stands beside it: the months in which a tier is held although the scores say another.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from tierkit.arrays import Floats
from tierkit.policy import Policy
from tierkit.policy.tiers import Previous, Standing, TierRule, margin_steps, place
from tierkit.policy.tiers.inputs import check_inputs, standing_of
from tierkit.records.gate import day_of
from tierkit.results import Result
from tierkit.scores.metrics import clustered_interval, effective_size, wilson_interval
from tierkit.texts import interval, number, percent, policy_label, text

__all__ = ["MEASURES", "SETTINGS", "Stability", "tier_stability"]

_Tally = Mapping[str, NDArray[np.int64]]

_NO_HYSTERESIS = {"slack_margin": 0, "slack_points": 0}
_NO_DWELL = {"dwell": 0}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "both": {},
    "hysteresis": _NO_DWELL,
    "dwell": _NO_HYSTERESIS,
    "neither": {**_NO_HYSTERESIS, **_NO_DWELL},
}
"""Which of the two a setting leaves on → what it changes in the tier rule."""
MEASURES: Mapping[str, tuple[str, str]] = {
    "change_share": ("changes", "months"),
    "flip_share": ("flips", "months"),
    "return_share": ("flips", "changes"),
    "held_share": ("held", "months"),
}
"""Measure → what is counted, and out of what."""
_ROUNDING = 1e-12
_COUNTS = ("months", "changes", "flips", "held")


@dataclass(frozen=True, repr=False)
class Stability(Result):
    """How stable tiers are under one policy or several.

    Attributes
    ----------
    table : DataFrame
        One row per policy, setting (of `SETTINGS`) and measure: ``policy``, ``logic`` (matrix or composite),
        ``setting``, ``measure``, ``value``, ``low``, ``high`` (95 %, enterprises as clusters), ``count`` out
        of ``n``, ``enterprises``; ``difference`` from the setting ``neither`` with ``difference_low`` and
        ``difference_high``, paired by enterprise. The measures: ``change_share``, changes of tier by
        enterprise-month; ``flip_share``, flip-flops by enterprise-month; ``return_share``, flip-flops by
        change; ``held_share``, enterprise-months in which the tier is not that of the scores alone.
    monthly : DataFrame
        One row per policy, setting and month: ``policy``, ``setting``, ``month``, ``n``, ``changes``,
        ``flips``, ``held`` and the ``change_share`` with ``low`` and ``high`` (Wilson: an enterprise is once
        in a month).
    within : int
        Months in which a way back makes a flip-flop.
    """

    table: pd.DataFrame
    monthly: pd.DataFrame
    within: int

    def to_frame(self) -> pd.DataFrame:
        """Return the table."""
        return self.table

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return the monthly change share with hysteresis and dwell, and without, a sentence a policy."""
        share = self.table[self.table["measure"] == "change_share"].set_index(["policy", "setting"])
        said = []
        for policy in self.table["policy"].unique():
            both, neither = share.loc[(policy, "both")], share.loc[(policy, "neither")]
            said.append(text(
                "stability.said", lang, policy=policy_label(policy, lang), share=percent(both["value"], 2),
                interval=interval(both["low"], both["high"], 2, share=True),
                neither=percent(neither["value"], 2), months=number(both["n"]),
            ))  # fmt: skip
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; what is not defined is null."""
        plain = self.table.astype(object).where(self.table.notna(), None)
        months = self.monthly.assign(month=self.monthly["month"].astype(str))
        return {
            "within_months": self.within,
            "table": plain.to_dict("records"),
            "monthly": months.to_dict("records"),
        }

    def __repr__(self) -> str:
        """Return the monthly change share with both and with neither, a line a policy."""
        share = self.table[self.table["measure"] == "change_share"].set_index(["policy", "setting"])
        lines = [
            f"{policy}: {percent(share.loc[(policy, 'both'), 'value'], 2)} change tier in a month "
            f"({percent(share.loc[(policy, 'neither'), 'value'], 2)} without hysteresis and dwell), "
            f"n = {number(share.loc[(policy, 'both'), 'n'])} enterprise-months"
            for policy in self.table["policy"].unique()
        ]
        return "Stability(" + "; ".join(lines) + ")"

    def _repr_html_(self) -> str:
        shown = self.table.to_html(index=False, float_format="{:.4f}".format)
        return f"<p><b>{html.escape(repr(self))}</b></p>{shown}"


def tier_stability(
    scores: Mapping[date, pd.DataFrame], policies: Policy | Sequence[Policy], *, within: int = 6
) -> Stability:
    """Assign tiers to the same enterprises month after month, and count the changes.

    Parameters
    ----------
    scores : mapping of date to DataFrame
        By the day of the assignment, ascending, the scores of that day as `tierkit.policy.tiers.assign`
        takes them: ``{day: model.score(data, day) for day in days}``.
    policies : Policy or sequence of Policy
        By matrix or composite; to compare the two, give ``policy.reform({"scoring.logic": …})`` as well.
    within : int
        A change back to the tier before the last change is a flip-flop if that change is no more than this
        many months past. Half a year is what a simulated run counts by, an assumption.

    Returns
    -------
    Stability

    Raises
    ------
    ValueError
        If there are fewer than two days, or they do not ascend.
    DataError
        If scores cannot be used.

    Notes
    -----
    Who is outside a policy's scope has no tier of its own to change, and is left out. Who is new in a month
    has no change in it, and no flip-flop before the second change, so short spans show too few of those. Each
    measure is a ratio of sums over enterprises; its interval is `tierkit.scores.metrics.clustered_interval`.
    Differences have Student intervals from the paired linearised values (Cochran, *Sampling Techniques*,
    1977, chapter 6), with the variance and the degrees of freedom of
    `tierkit.scores.metrics.clustered_variance`; there is none (NaN) of enterprises that are all alike.

    Examples
    --------
    >>> steady = pd.DataFrame({"enterprise_id": ["a", "b"], "sector": "gas", "credit_points": 620.0,
    ...                        "risk_probability": [0.05, 0.2]})
    >>> days = [date(2025, month, 1) for month in (1, 2, 3)]
    >>> found = tier_stability({day: steady for day in days}, Policy.load("jiading-2025"))
    >>> found.table[["count", "n"]].iloc[0].tolist()
    [0, 4]
    """
    scores = {day_of(day, "scores"): frame for day, frame in scores.items()}
    days = list(scores)
    if len(days) < 2 or days != sorted(set(days)):
        raise ValueError(
            f"Tiers move between days: give at least two, each later than the one before. Got {len(days)}."
        )
    table, monthly = [], []
    for policy in [policies] if isinstance(policies, Policy) else policies:
        read, size = _read(scores, policy)
        rule = TierRule.of(policy)
        tallies = {}
        for setting, change in SETTINGS.items():
            tallies[setting], months = _follow(read, size, replace(rule, **change), within)
            monthly.append(months.assign(policy=policy.name, setting=setting))
        about = {"policy": policy.name, "logic": policy["scoring.logic"]}
        for setting, tally in tallies.items():
            for measure, (top, bottom) in MEASURES.items():
                row = _ratio(tally, tallies["neither"], top, bottom)
                table.append({**about, "setting": setting, "measure": measure, **row})
    by_month = pd.concat(monthly, ignore_index=True)
    return Stability(
        pd.DataFrame(table),
        by_month[["policy", "setting", *by_month.columns.drop(["policy", "setting"])]],
        within,
    )


class _Day(NamedTuple):
    """The scores of a day in grid steps, and the positions of its enterprises among all."""

    day: date
    at: NDArray[np.int64]
    margin: NDArray[np.int64]
    points: NDArray[np.int64]
    sector: NDArray[np.int64]
    standing: Standing


def _read(scores: Mapping[date, pd.DataFrame], policy: Policy) -> tuple[list[_Day], int]:
    """Return the days, checked, and the number of enterprises that any of them has."""
    for frame in scores.values():
        check_inputs(frame, policy, None, None, None)
    ids = pd.Index(pd.concat([frame["enterprise_id"] for frame in scores.values()]).unique())
    days = []
    for day, frame in scores.items():
        days.append(
            _Day(
                day,
                ids.get_indexer(frame["enterprise_id"]).astype(np.int64),
                margin_steps(frame["risk_probability"].to_numpy(np.float64)),
                TierRule.of(policy).read(frame["credit_points"].to_numpy(np.float64)),
                TierRule.of(policy).sector_codes(frame["sector"]),
                standing_of(frame),
            )
        )
    return days, len(ids)


def _follow(days: list[_Day], size: int, rule: TierRule, within: int) -> tuple[_Tally, pd.DataFrame]:
    """Return the counts by enterprise, and by month."""
    tier, level, grade, before = (np.full(size, -1, np.int64) for _ in range(4))
    since, moved_on = (np.full(size, np.datetime64("NaT", "D")) for _ in range(2))
    tally = {name: np.zeros(size, np.int64) for name in _COUNTS}
    months = []
    for day, at, margin, points, sector, standing in days:
        today = np.datetime64(day, "D")
        weeks = np.where(tier[at] < 0, -1, (today - since[at]).astype(np.int64) // 7)
        placed = place(
            rule, margin, points, sector, standing, Previous(tier[at], level[at], grade[at], weeks)
        )
        known = (tier[at] >= 0) & placed.in_scope
        changed = placed.tier != tier[at]
        moved = changed & known
        earliest = np.datetime64((pd.Timestamp(day) - pd.DateOffset(months=within)).date(), "D")
        flipped = moved & (placed.tier == before[at]) & (moved_on[at] >= earliest)
        counts = (known, moved, flipped, known & (placed.tier != placed.fresh))
        for name, one in zip(_COUNTS, counts, strict=True):
            tally[name][at] += one
        if known.any():
            n, *rest = (int(one.sum()) for one in counts)
            low, high = wilson_interval(rest[0], n)
            months.append((day, n, *rest, rest[0] / n, float(low), float(high)))
        before[at[moved]], moved_on[at[moved]] = tier[at[moved]], today
        since[at[changed]] = today
        tier[at], level[at], grade[at] = placed.tier, placed.level, placed.grade
    columns = ["month", "n", *_COUNTS[1:], "change_share", "low", "high"]
    return tally, pd.DataFrame(months, columns=columns)


def _linear(tally: _Tally, top: str, bottom: str) -> tuple[float, Floats]:
    """Return a ratio of sums, and each enterprise's first-order influence on it."""
    x, d = tally[top].astype(np.float64), tally[bottom].astype(np.float64)
    if not d.sum():
        return float("nan"), np.full(x.size, np.nan)
    ratio = x.sum() / d.sum()
    return float(ratio), (x - ratio * d) / d.sum()


def _ratio(tally: _Tally, neither: _Tally, top: str, bottom: str) -> dict[str, Any]:
    value, own = _linear(tally, top, bottom)
    other, plain = _linear(neither, top, bottom)
    size, before = tally[bottom].astype(np.float64), neither[bottom].astype(np.float64)
    there = size > 0
    n, half = int(size.sum()), _half(own - plain, size, before)
    low, high, _ = clustered_interval(tally[top][there].astype(np.float64), size[there], float(n))
    if tally is neither and other:  # itself; of a share of nothing, nobody knows how far it was from one
        half = 0.0
    return {
        "value": value,
        "low": low,
        "high": high,
        "count": int(tally[top].sum()),
        "n": n,
        "enterprises": int(there.sum()),
        "difference": value - other,
        "difference_low": float(np.clip(value - other - half, -1, 1)),
        "difference_high": float(np.clip(value - other + half, -1, 1)),
    }


def _half(apart: Floats, size: Floats, before: Floats) -> float:
    """Return half the interval of a paired difference of two ratios, from each enterprise's part in it.

    NaN of one enterprise, and of enterprises that are all alike, which show no spread.
    """
    both = (size > 0) | (before > 0)
    if both.sum() < 2 or not (size.any() and before.any()) or np.abs(apart[both]).max() <= _ROUNDING:
        return np.nan
    share = np.maximum(size / size.sum(), before / before.sum())[both]
    if share.max() >= 1:
        return np.nan
    variance = float((apart[both] ** 2 / (1 - share)).sum())
    freedom = max(min(effective_size(size), effective_size(before)) - 1, 1.0)
    return float(student.ppf(0.975, freedom) * np.sqrt(variance))
