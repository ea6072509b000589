"""Comparisons of a score with practice that need no equal-chance audits, and what they assume instead.

**Contraction** (Lakkaraju, Kleinberg, Leskovec, Ludwig and Mullainathan 2017). Whoever inspects the largest
share of a caseload holds outcomes of the most cases. Leaving out those that a score puts last tells what the
score would have found there at any lower share; other groups, who inspect as little, show what people found.
It assumes that caseloads are alike, as if cases were dealt out at random, and that the score sees what people
see: agencies with different enterprises are not alike, groups of inspectors who share a district may be.

**Swap the worst tenth** (Battaglini, Guiso, Lacava, Miller and Patacchini 2025). In each group the tenth of
the inspected that the score puts last gives way to as many uninspected that it puts first. What was found at
the first is in the records; what the others would show is read off a logistic regression of findings on the
score among the inspected, which may rise or fall: a curve that can only rise would promise gains of noise. It
assumes that of two cases with the same score, the inspected and the other are alike.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tierkit.arrays import Floats
from tierkit.evaluate.value.evidence import Logged
from tierkit.records import PLANNED_CHANNELS
from tierkit.scores.checked import checked
from tierkit.scores.metrics import bootstrap_interval, rate_interval

__all__ = ["cases", "contraction", "swap"]


_NEEDED = {"enterprise_id", "group", "score", "inspected", "found"}
_PLANNED = tuple(name for name in PLANNED_CHANNELS if name != "random")


def cases(given: Logged, score: pd.Series, group: str = "agency") -> pd.DataFrame:
    """Return the obligations of a window as cases that somebody decided to inspect or not.

    Parameters
    ----------
    given : Logged
    score : Series
        Score by enterprise_id, higher for more to be found.
    group : str
        Column of the obligations that names who decides.

    Returns
    -------
    DataFrame
        ``enterprise_id``, ``group``, ``score``, ``inspected`` (by a planned inspection, equal-chance audits
        and triggered checks apart) and ``found``, one row per obligation.
    """
    base, seen = given.obligations, given.inspections
    planned = seen[seen["channel"].isin(_PLANNED)]
    found = planned.groupby("obligation")["found"].max()
    rows = np.arange(len(base))
    return pd.DataFrame(
        {
            "enterprise_id": base["enterprise_id"],
            "group": base[group].astype(str),
            "score": score.reindex(base["enterprise_id"]).to_numpy(np.float64),
            "inspected": np.isin(rows, found.index),
            "found": found.reindex(rows).eq(True).to_numpy(bool),
        }
    )


def _check(table: pd.DataFrame) -> None:
    missing = sorted(_NEEDED - set(table.columns))
    if missing:
        raise ValueError(f"The cases need the columns {', '.join(missing)}; make them with 'cases'.")
    if not table["inspected"].any() or table["score"].isna().any():
        raise ValueError("The cases need a score each and at least one that was inspected.")
    kinds = {"score": "scores", "inspected": "outcomes", "found": "outcomes"}
    checked(**{name: (kinds.get(name, "groups"), table[name]) for name in sorted(_NEEDED)})
    unseen = int((table["found"].astype(bool) & ~table["inspected"].astype(bool)).sum())
    if unseen:
        raise ValueError(
            f"{unseen:,} of {len(table):,} cases are 'found' and not 'inspected'. Make them with 'cases'."
        )


def contraction(table: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Compare findings of a score, on the most active group's cases, with other groups at their shares.

    Parameters
    ----------
    table : DataFrame
        As from `cases`.
    confidence : float

    Returns
    -------
    DataFrame
        By group, the most active first: ``cases``, ``inspected``, ``share`` inspected; ``people``, what the
        group found per 1,000 cases, with ``people_low`` and ``people_high``; ``score``, what the score finds
        per 1,000 cases of the most active group at the same share, with ``score_low`` and ``score_high``
        (`tierkit.scores.metrics.rate_interval`, by enterprise); their ``difference`` with ``low`` and
        ``high``. Equal scores are left out in proportion. There is no interval (NaN) of one enterprise.

    Raises
    ------
    ValueError
        If columns are missing, a score is, nothing was inspected, or something was found that was not.

    Examples
    --------
    >>> many = pd.DataFrame({"enterprise_id": list("abcd"), "group": "A", "score": [4, 3, 2, 1],
    ...                      "inspected": True, "found": [True, False, True, False]})
    >>> few = pd.DataFrame({"enterprise_id": list("efgh"), "group": "B", "score": [4, 3, 2, 1],
    ...                     "inspected": [False, True, False, False], "found": False})
    >>> contraction(pd.concat([many, few]))["score"].tolist()  # the best quarter holds one finding in four
    [500.0, 250.0]
    """
    _check(table)
    whole = table.groupby("group").agg(
        cases=("found", "size"), inspected=("inspected", "sum"), findings=("found", "sum")
    )
    whole["share"] = whole["inspected"] / whole["cases"]
    whole = whole.sort_values("share", ascending=False, kind="stable")
    lead = table[table["group"] == whole.index[0]]
    out = whole[["cases", "inspected", "share"]].copy()
    found: dict[str, list[tuple[float, float, float]]] = {"people": [], "score": []}
    for name, share in whole["share"].items():
        mine = table[table["group"] == name]
        kept = _kept(lead, share * len(lead))
        for who, rows, hits in (("people", mine, mine["found"].to_numpy(np.float64)), ("score", lead, kept)):
            low, high, _ = rate_interval(hits, groups=rows["enterprise_id"], confidence=confidence)
            found[who].append((float(hits.mean()), low, high))
    for who, rates in found.items():
        out[[who, f"{who}_low", f"{who}_high"]] = 1000 * np.array(rates)
    out["difference"] = out["score"] - out["people"]
    # Newcombe's interval of a difference of two rates, from Wilson's of each; within ±1000 as they are.
    out["low"] = out["difference"] - np.hypot(
        out["score"] - out["score_low"], out["people_high"] - out["people"]
    )
    out["high"] = out["difference"] + np.hypot(
        out["score_high"] - out["score"], out["people"] - out["people_low"]
    )
    return out


def _kept(lead: pd.DataFrame, room: float) -> Floats:
    """Return what of each case is found up to a capacity, the best-scored inspected first."""
    kept, seen = lead["found"].to_numpy(np.float64, copy=True), lead["inspected"].to_numpy(bool)
    kept[seen] *= _part(-lead["score"].to_numpy(np.float64)[seen], room)
    return np.where(seen, kept, 0.0)


def _part(score: Floats, room: float) -> Floats:
    """Return how much of each case is among so many of the lowest scores; ties at the edge in proportion."""
    _, place, size = np.unique(score, return_inverse=True, return_counts=True)
    part: Floats = np.clip((room - (np.cumsum(size) - size)) / size, 0, 1)[place]
    return part


def swap(
    table: pd.DataFrame, share: float = 0.1, *, confidence: float = 0.95, resamples: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Return what replacing the worst-scored inspections of each group would have changed.

    Parameters
    ----------
    table : DataFrame
        As from `cases`.
    share : float
        Of each group's inspections, in (0, 1]; rounded down, and no more than it left uninspected.
    confidence : float
    resamples : int
        Bootstrap samples of enterprises.
    seed : int

    Returns
    -------
    DataFrame
        One row, ``all``: ``inspections``, ``swapped``, ``findings`` as made, ``given_up`` (found at those
        that give way), ``gained`` (expected at those that come in, by logistic regression of findings on
        the score among the inspected), ``after``, and ``change`` (share of the findings; NaN of none) with
        ``low`` and ``high`` (NaN where the samples show no spread).

    Raises
    ------
    ValueError
        If columns are missing, nothing was inspected, something was found that was not, or the share is out
        of range.
    """
    _check(table)
    if not 0 < share <= 1:
        raise ValueError(f"The 'share' must be in (0, 1]. Got {share}.")
    if resamples < 2:
        raise ValueError(f"The 'resamples' must be at least 2. Got {resamples}.")
    place = pd.factorize(table["enterprise_id"])[0]
    group = pd.factorize(table["group"])[0]
    score, seen = table["score"].to_numpy(np.float64), table["inspected"].to_numpy(bool)
    found = table["found"].to_numpy(np.float64)
    told = _swapped(score, seen, found, group, share)
    rng = np.random.default_rng(seed)
    changes = []
    for _ in range(resamples):
        times = np.bincount(rng.integers(0, place.max() + 1, place.max() + 1), minlength=place.max() + 1)
        again = np.repeat(np.arange(len(table)), times[place])
        one = _swapped(score[again], seen[again], found[again], group[again], share)
        changes.append((one["gained"] - one["given_up"]) / (one["findings"] or np.nan))
    low, high = bootstrap_interval(changes, len(np.unique(place[seen])), confidence)
    change = (told["gained"] - told["given_up"]) / (told["findings"] or np.nan)
    after = told["findings"] - told["given_up"] + told["gained"]
    return pd.DataFrame(
        {**told, "after": after, "change": change, "low": float(low), "high": float(high)}, index=["all"]
    )


def _swapped(
    score: Floats, seen: NDArray[np.bool_], found: Floats, group: NDArray[np.int64], share: float
) -> dict[str, float]:
    """Return the counts of one swap; of equal scores at its edge each gives way in part."""
    centre, spread = float(score[seen].mean()), float(score[seen].std())
    if spread == 0 or found[seen].min() == found[seen].max():
        chance = np.full(len(score), float(found[seen].mean()))
    else:
        rows = ((score - centre) / spread)[:, None]
        curve = LogisticRegression(C=np.inf, solver="newton-cholesky").fit(rows[seen], found[seen])
        chance = curve.predict_proba(rows)[:, 1]
    swapped, given_up, gained = 0, 0.0, 0.0
    for number in np.unique(group):
        mine = np.flatnonzero(group == number)
        inspected, free = mine[seen[mine]], mine[~seen[mine]]
        free = free[np.argsort(score[free], kind="stable")]  # equal scores have one chance
        room = min(int(share * len(inspected)), len(free))
        swapped += room
        given_up += float(_part(score[inspected], room) @ found[inspected])
        gained += float(chance[free[len(free) - room :]].sum())
    return {
        "inspections": int(seen.sum()), "swapped": swapped, "findings": float(found[seen].sum()),
        "given_up": given_up, "gained": gained,
    }  # fmt: skip
