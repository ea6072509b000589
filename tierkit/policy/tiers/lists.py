"""The unmonitored list of each agency: by one rule for all, filled to a share in the order of risk, or given.

A list that is filled depends on everybody in it, and so on the whole city: `tierkit.policy.tiers.assign`,
which looks at rows one by one, cannot tell it. On an agency's list go those under its supervision who have no
open adverse record, are not in the highest risk level and are not barred by a floor, in the order of their
risk, then of their points, most first, then as they stand in the table, until it holds the target share of
all whom the agency supervises (and the policy's scope holds), rounded down.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Ints
from tierkit.policy import Policy, PolicyLike, policy_of
from tierkit.policy.files.checks import QUOTAS
from tierkit.policy.tiers.assignment import assign
from tierkit.policy.tiers.inputs import check_inputs, standing_of
from tierkit.policy.tiers.rule import TierRule, lists_by_data, margin_steps
from tierkit.records.gate import scores_of

__all__ = ["by_agency", "by_quota", "filled", "listed", "room_of", "unknown_on_list"]

FILE = "lists.unmonitored.file"
_MILLION = 10**6


def by_quota(policy: Policy) -> bool:
    """Return whether a policy has lists that are filled to a share.

    Examples
    --------
    >>> by_quota(Policy.load("shanghai-2025")), by_quota(Policy.load("minhang-2023"))
    (True, False)
    """
    return bool(policy["lists.unmonitored.enabled"]) and policy["lists.unmonitored.by"] in QUOTAS


def by_agency(policy: Policy) -> bool:
    """Return whether an enterprise may be on the list of one agency and not on that of another.

    Examples
    --------
    >>> by_agency(Policy.load("shanghai-2025")), by_agency(Policy.load("minhang-2023"))
    (True, False)
    """
    return by_quota(policy) or lists_by_data(policy)


def unknown_on_list(policy: Policy, ids: pd.Series) -> list[str]:
    """Return the ids that the list of a policy names and that are not among these, in the order of the file.

    Examples
    --------
    >>> unknown_on_list(Policy.load("legacy"), pd.Series(["a"]))
    []
    """
    if not lists_by_data(policy):
        return []
    known = frozenset(ids.astype("str"))
    return [one for one in dict.fromkeys(e[0] for e in policy[FILE].at_hand()) if one not in known]


def room_of(share: float, members: Ints) -> Ints:
    """Return how many a list of each cell holds: the share of its members, rounded down.

    Examples
    --------
    >>> room_of(0.29, np.array([100, 3])).tolist()
    [29, 0]
    """
    room: Ints = members * round(share * _MILLION) // _MILLION  # in whole numbers, as .29 × 100 is below 29
    return room


def filled(cell: Ints, rank: Ints, share: float) -> NDArray[np.bool_]:
    """Return which pairs of enterprise and agency are listed.

    Parameters
    ----------
    cell : ndarray of int, shape (n,)
        The list that each pair would be on, from 0.
    rank : ndarray of int, shape (n,)
        Place of its enterprise in the order of listing; -1 if it may not be listed.
    share : float

    Examples
    --------
    >>> filled(np.array([0, 0, 0, 0, 1, 1]), np.array([3, 1, -1, 0, 5, -1]), 0.5).tolist()
    [False, True, False, True, True, False]
    """
    room = room_of(share, np.bincount(cell, minlength=1))
    order = np.lexsort((rank, cell))
    order = order[rank[order] >= 0]
    own = cell[order]
    first = np.searchsorted(own, own)  # the place of the first of the cell
    out = np.zeros(len(cell), np.bool_)
    out[order[np.arange(len(own)) - first < room[own]]] = True
    return out


def listed(scores: pd.DataFrame, policy: PolicyLike, supervised: pd.DataFrame) -> pd.DataFrame:
    """Return who is on the unmonitored list of which agency under a policy.

    Parameters
    ----------
    scores : pandas.DataFrame
        Of everybody, as `tierkit.policy.tiers.assign` takes them. With ``risk_level``, as it gave it, who is
        held in the highest by hysteresis counts as in it.
    policy : Policy, name or path
    supervised : pandas.DataFrame
        ``enterprise_id`` and ``agency``: who is under whose supervision, such as the open obligations. Pairs
        may be there more than once; enterprises without scores are left out.

    Returns
    -------
    pandas.DataFrame
        ``enterprise_id``, ``agency``, one row for each of both that is under supervision, and ``listed``.

    Raises
    ------
    DataError
        If scores cannot be used, as from `tierkit.policy.tiers.assign`.

    Examples
    --------
    >>> scores = pd.DataFrame({"enterprise_id": ["a", "b", "c", "d"], "sector": "gas",
    ...                        "risk_probability": [0.08, 0.05, 0.02, 0.06], "credit_points": 600.0,
    ...                        "standing_records": ["", "", "penalty:3", ""]})
    >>> supervised = pd.DataFrame({"enterprise_id": list("abcdab"), "agency": ["fire"] * 4 + ["health"] * 2})
    >>> half = Policy.load("shanghai-2025").reform({"lists.unmonitored.target_share": 0.5})
    >>> found = listed(scores, half, supervised)
    >>> found.loc[found["listed"], ["enterprise_id", "agency"]].values.tolist()
    [['b', 'fire'], ['d', 'fire'], ['b', 'health']]
    """
    scores, policy = scores_of(scores), policy_of(policy)
    pairs = supervised[["enterprise_id", "agency"]].astype("str").drop_duplicates(ignore_index=True)
    place = pd.Index(scores["enterprise_id"].astype("str"))
    pairs = pairs[pairs["enterprise_id"].isin(place)].reset_index(drop=True)
    who = place.get_indexer(pd.Index(pairs["enterprise_id"])).astype(np.int64)
    if not by_quota(policy):
        on = assign(scores, policy)["unmonitored"].to_numpy()[who]
        return pairs.assign(listed=on & _named(pairs, policy) if lists_by_data(policy) else on)
    check_inputs(scores, policy, None, None, None)
    rule = TierRule.of(policy)
    sector = rule.sector_codes(scores["sector"])
    margin = margin_steps(scores["risk_probability"].to_numpy(np.float64))
    points = rule.read(scores["credit_points"].to_numpy(np.float64))
    order = np.lexsort((-points, margin))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    standing, highest = standing_of(scores), margin >= rule.risk_cuts[-1]
    rank[standing.weeks.max(axis=1, initial=-1) >= 0] = -1
    rank[highest] = -1
    if "risk_level" in scores:
        highest |= scores["risk_level"].to_numpy() == rule.levels
    rank[rule.floors.bars(standing, highest).any(axis=0)] = -1
    inside = np.flatnonzero(rule.in_scope[sector][who])
    cell = pd.factorize(pairs["agency"].iloc[inside])[0].astype(np.int64)
    if policy["lists.unmonitored.by"] == "agency_sector":
        cell = cell * max(len(rule.sectors), 1) + sector[who[inside]]
    on = np.zeros(len(pairs), np.bool_)
    on[inside] = filled(cell, rank[who[inside]], float(policy["lists.unmonitored.target_share"]))
    return pairs.assign(listed=on)


def _named(pairs: pd.DataFrame, policy: Policy) -> NDArray[np.bool_]:
    """Return which pairs of enterprise and agency the file of a policy names."""
    everywhere = {one for one, agency, *_ in policy[FILE].at_hand() if not agency}
    some = pd.MultiIndex.from_tuples([e[:2] for e in policy[FILE].at_hand() if e[1]], names=list(pairs))
    on: NDArray[np.bool_] = pairs["enterprise_id"].isin(everywhere).to_numpy()
    return on | pd.MultiIndex.from_frame(pairs).isin(some) if len(some) else on
