"""The input of `policy_value`: the obligations open on a date and the inspections after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from tierkit.city.parameters import Parameters
from tierkit.evaluate.findings import found_something, on_site
from tierkit.evaluate.value.opportunities import open_obligations, weekly_chances, within
from tierkit.evaluate.value.overlap import Gap, OverlapError
from tierkit.evaluate.windows import check_window
from tierkit.policy import Policy
from tierkit.policy.tiers import assign, listed
from tierkit.records.gate import day_of
from tierkit.scores.gate import check_scores

__all__ = ["WINDOW_DAYS", "Logged", "logged", "true_value"]

WINDOW_DAYS = 180
"""Days after the date in which inspections count; from a Monday, they hold the working days of 26 weeks."""
_KEYS = ["enterprise_id", "agency", "item_class"]
_LEVELS = ("tier", "agency", "item_class", "sector", "size")
_SURELY = 1e-4  # risks are kept this far from 0 and 1 before their log-odds are a feature


@dataclass(frozen=True)
class Logged:
    """The obligations of a date, their draw probabilities under policy and practice, and the inspections.

    Attributes
    ----------
    obligations : DataFrame of N rows
        ``enterprise_id``, ``tier``, ``target`` (probability of an opportunity under the policy within the
        window), ``there`` (share of the window in which it was open), ``random`` and ``routine`` (weekly
        probabilities with which practice drew; NaN in ``routine`` where it is not known) and whatever else
        describes them.
    inspections : DataFrame of n rows
        ``obligation`` (row number in the above), ``channel``, ``found`` (True for at least a minor
        violation), ``propensity`` (weekly; NaN where there is none) and ``served_share``.
    X : float array of shape (N, k)
        What an outcome model may read of each obligation, known on the date.
    weeks : int
        Working weeks of the window.
    policy, practice : str
        Name of the policy to be valued, and of the one in force; empty if not known.
    on_records : bool
        Whether those who drew routine inspections used nothing but what the records hold.
    """

    obligations: pd.DataFrame
    inspections: pd.DataFrame
    X: NDArray[np.float64]
    weeks: int
    policy: str = ""
    practice: str = ""
    on_records: bool = True


def logged(
    data: Mapping[str, pd.DataFrame],
    scored: pd.DataFrame,
    policy: Policy,
    as_of: date | str,
    *,
    practice: Policy | None = None,
    days: int = WINDOW_DAYS,
    on_records: bool | None = None,
    params: Parameters | None = None,
) -> Logged:
    """Assemble the input of `policy_value` from records, scores and a policy.

    Parameters
    ----------
    data : Dataset or mapping of str to DataFrame
        ``enterprises``, ``obligations``, ``items``, ``inspections``, ``credit_events``, ``complaints`` and
        ``signals`` of the data contract, with records up to the end of the window. The truth is not read.
    scored : DataFrame
        Scores on the date, as from `Model.score`: ``enterprise_id``, ``sector``, ``risk_probability``,
        ``credit_points``; tiers and list are made of them under each policy. Enterprises that it does not
        hold are left out.
    policy : Policy
        The policy to be valued.
    as_of : date
        A Monday, so that the window holds whole weeks.
    practice : Policy, optional
        The policy in force in the window. It says where routine inspections were possible at all; without
        it equal-chance audits alone are used.
    days : int
    on_records : bool, optional
        Whether inspectors chose on nothing but what the records hold. Taken from the practice's
        ``scoring.hidden_gradient`` if absent.
    params : Parameters, optional

    Returns
    -------
    Logged

    Raises
    ------
    OverlapError
        If a policy inspects at fixed intervals, or no scored enterprise has an open obligation.
    ValueError
        If the records do not hold the window.
    """
    start = pd.Timestamp(day_of(as_of))
    check_scores(scored, data["enterprises"].set_index("enterprise_id")["sector"])
    check_window(data, start, days)
    gaps = [
        Gap(
            f"policy '{one.name}'",
            "'frequency.schedule' is 'interval', so nobody has a probability of being drawn",
            "set it to 'lottery', or compare by simulation",
        )
        for one in (policy, practice)
        if one is not None and one["frequency.schedule"] == "interval"
    ]
    weeks = -(-days // 7)
    rows = open_obligations(data, start, weeks)
    rows = rows[rows["enterprise_id"].isin(scored["enterprise_id"])].reset_index(drop=True)
    if rows.empty:
        gaps.append(Gap(f"{start.date()}", "no scored enterprise has an open obligation", "score that date"))
    if gaps:
        raise OverlapError(gaps)
    own = _placed(rows, scored, policy)
    weekly = weekly_chances(own, policy, data, start, params=params)["any"].to_numpy(np.float64)
    out = own.assign(target=within(weekly, weeks))
    seen = _inspected(data, rows, start, days)
    if practice is None:
        drawn = seen.loc[seen["channel"] == "random", "propensity"]
        out = out.assign(random=float(drawn.median()) if len(drawn) else 0.0, routine=np.nan)
    else:
        then = weekly_chances(_placed(rows, scored, practice), practice, data, start, params=params)
        out = out.assign(random=then["random"], routine=then["routine"])
    if on_records is None:
        on_records = practice is None or practice["scoring.hidden_gradient"] == 0
    return Logged(
        out, seen, _features(out, scored), weeks, policy.name, practice.name if practice else "", on_records
    )


def true_value(given: Logged, potential: pd.DataFrame) -> float:
    """Return the true value of the policy in a synthetic world, where the result of every audit is known.

    Parameters
    ----------
    given : Logged
    potential : DataFrame
        ``enterprise_id``, ``agency``, ``item_class``, ``potential``, as from `tierkit.city.synth.potential`
        for the weeks of the window.

    Returns
    -------
    float
        Findings per 1,000 obligations.

    Raises
    ------
    ValueError
        If it does not hold each of the obligations.
    """
    told = (
        given.obligations[_KEYS]
        .astype(str)
        .merge(potential.astype(dict.fromkeys(_KEYS, str)), on=_KEYS, how="left")
    )
    if told["potential"].isna().any() or len(told) != len(given.obligations):
        raise ValueError(
            f"The 'potential' holds {int(told['potential'].notna().sum())} of {len(given.obligations)} "
            "obligations; make it of the same dataset and date, a row an obligation."
        )
    target = given.obligations["target"].to_numpy(np.float64)
    return 1000 * float((target * told["potential"].to_numpy(np.float64)).mean())


def _placed(rows: pd.DataFrame, scored: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return the obligations with tier and list under a policy."""
    tiers = assign(scored, policy).set_index("enterprise_id")[["tier"]]
    keys = ["enterprise_id", "agency"]
    on = listed(scored, policy, rows).set_index(keys)["listed"].rename("unmonitored")
    placed = rows.join(tiers, on="enterprise_id")
    names = pd.MultiIndex.from_frame(placed[keys].astype("str"))
    return placed.assign(unmonitored=on.reindex(names, fill_value=False).to_numpy(bool))


def _inspected(
    data: Mapping[str, pd.DataFrame], rows: pd.DataFrame, start: pd.Timestamp, days: int
) -> pd.DataFrame:
    """Return the on-site inspections of these obligations within the window."""
    every = data["inspections"]
    inside = every["inspected_on"].between(start, start + pd.Timedelta(days=days), inclusive="left")
    there = every[inside]
    there = there[on_site(there)]
    number = rows[_KEYS].astype(str).assign(obligation=np.arange(len(rows)))
    names = there[_KEYS].astype(str).merge(number, on=_KEYS, how="left")["obligation"].to_numpy()
    out = pd.DataFrame(
        {
            "obligation": names,
            "channel": there["channel"].astype(str).to_numpy(object),
            "found": found_something(there),
            "propensity": there["propensity"].to_numpy(np.float64, na_value=np.nan),
            "served_share": there["served_share"].to_numpy(np.float64, na_value=np.nan),
            "inspector": there["inspector"].astype(str).to_numpy(object),
        }
    )
    return out[out["obligation"].notna()].astype({"obligation": np.int64}).reset_index(drop=True)


def _features(rows: pd.DataFrame, scored: pd.DataFrame) -> NDArray[np.float64]:
    """Return one column per level, and the log-odds of the risk."""
    levels = pd.get_dummies(rows[list(_LEVELS)].astype(str), dtype=np.float64)
    risk = scored.set_index("enterprise_id")["risk_probability"].reindex(rows["enterprise_id"])
    margin = logit(np.clip(risk.to_numpy(np.float64), _SURELY, 1 - _SURELY))
    return np.column_stack([levels.to_numpy(np.float64), margin])
