"""Probabilities of an audit opportunity under a policy, from its tiers, lists and rates.

An obligation's planned inspections are drawn by lot every week: a routine one with probability
``1 - exp(-f / 52)``, f being the base rate of its sector and size, split over the enterprise's obligations,
times the multiple of its tier, class and stratum, times what the rule score of the records adds; a random
audit with the floor's probability; an inspection ordered from above with the campaign's. Lists stop routine
ones and nothing else. With q the probability that a week draws it at all, the probability of an opportunity
within T weeks is ``1 - (1 - q) ** T``, tier, list and score being those of the date throughout.

Instruments between a draw and a visit (off-site checks, merging, caps, capacity) and checks that somebody
else sets off (triggers, follow-ups, permits) are no part of it: they are for the simulation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Floats
from tierkit.city.engine import tier_rates
from tierkit.city.engine.rules import MAX_SHIFT
from tierkit.city.parameters import Parameters, parameters
from tierkit.city.population import base_rates
from tierkit.city.world import WEEKS_A_YEAR
from tierkit.evaluate.history.logged import Records
from tierkit.policy import Policy
from tierkit.records import ITEM_CLASSES, TIERS, place_of
from tierkit.records.unknown import stand_ins, told_stand_ins

__all__ = ["open_obligations", "weekly_chances", "within"]


_LONG_AGO = pd.Timestamp("1900-01-01")
"""Most that the rule score moves a log rate, either way, as in the engine."""


def within(weekly: Floats, weeks: float) -> Floats:
    """Return the probability of at least one draw within some weeks: ``1 - (1 - q) ** weeks``.

    Parameters
    ----------
    weekly : float array
        Probability of a draw in one week.
    weeks : float

    Examples
    --------
    >>> within(np.array([0.0, 0.5]), 2).tolist()
    [0.0, 0.75]
    """
    return -np.expm1(weeks * np.log1p(-np.asarray(weekly, np.float64)))


def open_obligations(data: Mapping[str, pd.DataFrame], as_of: pd.Timestamp, weeks: int = 26) -> pd.DataFrame:
    """Return the obligations that are open on a date, with what their enterprises are.

    Parameters
    ----------
    data : Dataset or mapping of str to DataFrame
        ``enterprises`` and ``obligations`` of the data contract.
    as_of : Timestamp
    weeks : int
        Length of the window.

    Returns
    -------
    DataFrame
        ``enterprise_id``, ``agency``, ``item_class``, ``item``, ``sector``, ``size`` and ``there`` (share of
        the window in which it is open), one row per obligation.
    """
    every = data["obligations"]
    here = ~(every["valid_from"] > as_of) & (every["valid_to"].isna() | (every["valid_to"] > as_of))
    stays = ((every["valid_to"] - as_of).dt.days / 7).fillna(weeks).clip(upper=weeks) / weeks
    mine = every.assign(there=stays).loc[here, ["enterprise_id", "agency", "item_class", "item", "there"]]
    register = data["enterprises"].set_index("enterprise_id")[["sector", "size"]]
    return mine.join(register, on="enterprise_id", how="inner").reset_index(drop=True)


def _codes(values: pd.Series, levels: tuple[str, ...]) -> NDArray[np.int64]:
    return pd.Categorical(values.astype(str), levels).codes.astype(np.int64)


def _named(values: pd.Series, names: tuple[str, ...]) -> pd.Series:
    """Return which values a list of a policy names; one that is empty names all."""
    return values.isin(names) if names else pd.Series(True, index=values.index)


def _multiples(policy: Policy, rows: pd.DataFrame) -> Floats:
    """Return the multiple of the base rate of each obligation, with overrides by inspectors."""
    scoped = _named(rows["sector"], policy["scoring.scope_sectors"])
    scoped &= _named(rows["agency"], policy["scoring.scope_agencies"])
    tagged = rows["sector"].isin(policy["strata.tags"]).to_numpy(np.int64)
    own_table = rows["agency"].isin(policy["agency_table.agencies"]).to_numpy(np.int64)
    stratum = np.where(scoped, 1 + 2 * tagged + own_table, 0)
    tier, item_class = _codes(rows["tier"], TIERS), _codes(rows["item_class"], ITEM_CLASSES)
    return np.exp(tier_rates(policy)[stratum, tier, item_class])


def _rule_shift(
    policy: Policy, data: Mapping[str, pd.DataFrame], rows: pd.DataFrame, as_of: pd.Timestamp
) -> Floats:
    """Return what the rule score adds to the log rate; the mean rate over a normal score is unchanged."""
    gradient = float(policy["scoring.rule_gradient"])
    if gradient == 0:
        return np.zeros(len(rows))
    records = Records(data, _LONG_AGO, as_of)
    score = pd.Series(records.score(policy, as_of), index=records.slot)
    own = score.reindex(rows["enterprise_id"].astype(str)).fillna(0.0).to_numpy(np.float64)
    return np.clip(gradient * own - gradient**2 / 2, -MAX_SHIFT, MAX_SHIFT)


def weekly_chances(
    rows: pd.DataFrame,
    policy: Policy,
    data: Mapping[str, pd.DataFrame],
    as_of: pd.Timestamp,
    *,
    params: Parameters | None = None,
) -> pd.DataFrame:
    """Return the weekly probability that each obligation is drawn, by channel.

    Parameters
    ----------
    rows : DataFrame
        As from `open_obligations`, with ``tier`` and ``unmonitored`` under this policy.
    policy : Policy
    data : Dataset or mapping of str to DataFrame
        The records that the policy's rule score is made of; those known before the date count.
    as_of : Timestamp
    params : Parameters, optional
        Parameters of the world, for the shares that scale relative frequencies.

    Returns
    -------
    DataFrame
        ``routine``, ``random``, ``campaign``: weekly probabilities; ``any``: that of any of them. A routine
        draw is independent of the others; the lot for audits and campaigns is one.

    Raises
    ------
    ValueError
        If the policy inspects at fixed intervals: nothing is drawn, so there is no probability.
    """
    if policy["frequency.schedule"] == "interval":
        raise ValueError(
            f"Policy '{policy.name}': 'frequency.schedule' is 'interval', so inspections fall on fixed dates "
            "and nobody has a probability of being drawn; set it to 'lottery', or compare by simulation."
        )
    place = place_of(data)
    policy, rate = policy.at(place), base_rates(policy, params or parameters(place))
    held = rows.groupby("enterprise_id", observed=True)["agency"].transform("size").to_numpy(np.float64)
    codes, unknown = stand_ins(rows, ("sector", "size"), place)
    told_stand_ins(unknown, "obligations", place)
    yearly = rate[codes["sector"], codes["size"]] / held
    yearly = yearly * _multiples(policy, rows) * np.exp(_rule_shift(policy, data, rows, as_of))
    stopped = rows["unmonitored"].to_numpy(bool) & bool(policy["lists.unmonitored.enabled"])
    stopped |= rows["item"].isin(policy["lists.no_disturb.items"]).to_numpy(bool)
    ordered = _named(rows["sector"], policy["campaign.sectors"]).to_numpy(np.float64)
    enterprises = max(rows["enterprise_id"].nunique(), 1)
    campaign = policy["campaign.rate"] * enterprises / max(len(rows), 1) * ordered
    floor = np.full(len(rows), float(policy["frequency.random_floor"]))
    chance = {
        name: -np.expm1(-year / WEEKS_A_YEAR)
        for name, year in (
            ("routine", np.where(stopped, 0.0, yearly)), ("random", floor), ("campaign", campaign),
        )
    }  # fmt: skip
    either = 1 - (1 - chance["routine"]) * (1 - chance["random"] - chance["campaign"])
    return pd.DataFrame({**chance, "any": either}, index=rows.index)
