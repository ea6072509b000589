"""Find the cut-offs that give wanted shares of scores, with their intervals and what they give.

A cut-off of points lies on a tenth near the quantile that is wanted, where few values lie: many have the very
same points, and a cut-off beside such a value lets a rounding move all of them. A cut-off of risk is the
quantile to four digits, or to as many as it takes; where many have the very same risk it lies halfway between
two values. What a cut-off gives is always counted with it, by the rule itself.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Floats
from tierkit.policy.core import Policy
from tierkit.policy.tiers.inputs import standing_of
from tierkit.policy.tiers.rule import (
    Placement,
    Previous,
    TierRule,
    is_composite,
    is_risk_alone,
    lists_by_rule,
    margin_steps,
    margins,
    place,
)
from tierkit.records import TIERS, DataError, Problem

__all__ = [
    "AIMED",
    "COMPOSITE",
    "CREDIT",
    "LEVEL",
    "LISTED",
    "RISK",
    "Aims",
    "aims_of",
    "binomial_interval",
    "cutoffs",
    "in_scope",
    "placed",
    "quantile_interval",
    "scores_for",
    "values_of",
]

RISK, CREDIT, COMPOSITE = "scoring.risk_cutoffs", "scoring.credit_cutoffs", "scoring.composite_cutoffs"
LISTED = ("lists.unmonitored.max_risk", "lists.unmonitored.min_points")
"""What the two conditions of the unmonitored list are called; those of a tier stand before it."""
AIMED = "set from the target shares on "
"""How the assumption of a cut-off begins that was set from target shares; any other was set by hand."""
LEVEL = 0.95
"""Level of every interval."""
NEAR, SLACK = 1.0, 0.002
"""Points on either side of a cut-off where few should lie; the share that may be missed for it."""
_THREE = {(0.62, 0.25, 0.10, 0.03): (0.62, 0.28, 0.10)}
"""Shares of four tiers → those of three levels, where it is not the two worst taken together."""
_MOST_DIGITS = 12


class Aims(NamedTuple):
    """Shares that cut-offs are to give, each from the best: of levels from 1, grades from A, and tiers."""

    risk: tuple[float, ...]
    credit: tuple[float, ...]
    tiers: tuple[float, ...]


def aims_of(policy: Policy, shares: Sequence[float] | None = None) -> Aims:
    """Return the shares of levels, grades and tiers that stand for shares of the four tiers.

    Parameters
    ----------
    policy : Policy
        Its own `scoring.target_shares` count where no shares are given.
    shares : sequence of float, optional
        Of T1 to T4. Where a policy has fewer levels or grades, the last of them takes those of the rest.

    Examples
    --------
    >>> aims_of(Policy.load("jiading-2025")).risk, aims_of(Policy.load("legacy"), (0.5, 0.3, 0.1, 0.1)).credit
    ((0.62, 0.28, 0.1), (0.5, 0.3, 0.1, 0.1))
    """
    own = [policy[f"scoring.target_shares.{tier}"] for tier in TIERS] if shares is None else shares
    four = tuple(float(one) for one in own)
    levels, grades = (len(policy[one]) + 1 for one in (RISK, CREDIT))
    return Aims(_taken_together(four, levels), _taken_together(four, grades), four)


def _taken_together(four: tuple[float, ...], levels: int) -> tuple[float, ...]:
    if levels == len(four):
        return four
    if levels == 3 and four in _THREE:
        return _THREE[four]
    return (*four[: levels - 1], round(sum(four[levels - 1 :]), 12))


def in_scope(policy: Policy, sectors: pd.Series) -> NDArray[np.bool_]:
    """Return who is in one of the sectors that a policy tiers."""
    scope = list(policy["scoring.scope_sectors"])
    return sectors.isin(scope).to_numpy(bool) if scope else np.ones(len(sectors), bool)


def values_of(policy: Policy, scores: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return risks, and points with the offsets of their sectors, as the rule compares them."""
    risk, points = (scores[name].to_numpy(np.float64) for name in ("risk_probability", "credit_points"))
    offsets = policy["scoring.sector_offset"] if policy.place else {}
    return risk, points + scores["sector"].astype(str).map(offsets).fillna(0.0).to_numpy(np.float64)


def placed(policy: Policy, scores: pd.DataFrame) -> Placement:
    """Return what the rule gives new enterprises: what stands in the records counts, no last tier does."""
    rule = TierRule.of(policy)
    none = np.full(len(scores), -1, np.int64)
    margin = margin_steps(scores["risk_probability"].to_numpy(np.float64))
    points = rule.read(scores["credit_points"].to_numpy(np.float64))
    sectors = rule.sector_codes(scores["sector"])
    return place(rule, margin, points, sectors, standing_of(scores), Previous(none, none, none, none))


def cutoffs(policy: Policy, risk: Floats, points: Floats, aims: Aims | None = None) -> dict[str, Any]:
    """Return the cut-offs that give shares, those of the policy if none are given, by parameter.

    Those of the unmonitored list are among them where it is enabled, goes by rule and has a target share.
    Where a composite decides, cut-offs of grades that would fall together are left out, and so stay.

    Parameters
    ----------
    policy : Policy
    risk, points : ndarray of float, shape (n,)
        As of `values_of`, of those in scope.
    aims : Aims, optional

    Raises
    ------
    DataError
        If so many have the very same score that two cut-offs which decide about tiers fall together.
    """
    aims = aims or aims_of(policy)
    if is_risk_alone(policy):
        return _by_risk(policy, np.sort(risk), aims)
    mixed = _composite(policy, risk, points)
    out: dict[str, Any] = {
        RISK: [_risk_cut(np.sort(risk), below) for below in np.cumsum(aims.risk)[:-1]],
        CREDIT: _worst_first(points, aims.credit, 0.0, 1000.0),
        COMPOSITE: _worst_first(mixed, aims.tiers, -np.inf, np.inf),
    }
    levels = {RISK: ("risk_probability", risk), CREDIT: ("credit_points", points)}
    mixture = {COMPOSITE: ("composite of risk and credit", mixed)}
    problems = []
    for path, (column, values) in (levels | mixture).items():
        if any(b <= a for a, b in zip(out[path], out[path][1:], strict=False)):
            if path == CREDIT and is_composite(policy):
                del out[path]
            elif path != COMPOSITE or is_composite(policy):
                problems.append(_fallen_together(path, column, out[path], values))
    if problems:
        raise DataError(problems)
    target = float(policy["lists.unmonitored.target_share"])
    if lists_by_rule(policy) and target > 0:
        out |= dict(zip(LISTED, _listing(risk, points, target), strict=True))
    return out


def _by_risk(policy: Policy, ordered: Floats, aims: Aims) -> dict[str, Any]:
    """Return the cut-offs of risk, which are all that a policy by risk alone has."""
    found = [_risk_cut(ordered, below) for below in np.cumsum(aims.risk)[:-1]]
    if any(b <= a for a, b in pairwise(found)):
        raise DataError([_fallen_together(RISK, "risk_probability", found, ordered)])
    target = float(policy["lists.unmonitored.target_share"])
    listed = {LISTED[0]: _risk_cut(ordered, target)} if lists_by_rule(policy) and target > 0 else {}
    return {RISK: found, **listed}


def scores_for(
    policy: Policy, risk: Floats, points: Floats, aims: Aims
) -> list[tuple[str, Floats, list[float]]]:
    """Return each list of cut-offs of tiers with the scores that it cuts and the shares below each."""
    rising = {RISK: (risk, aims.risk)}
    if not is_risk_alone(policy):
        rising[CREDIT] = (points, aims.credit[::-1])
    if is_composite(policy):
        rising[COMPOSITE] = (_composite(policy, risk, points), aims.tiers[::-1])
    return [(path, v, [float(one) for one in np.cumsum(s)[:-1]]) for path, (v, s) in rising.items()]


def quantile_interval(ordered: Floats, below: float) -> tuple[float, float]:
    """Return the 95 % interval of a quantile, from order statistics, exact by the binomial.

    It holds whatever the distribution, and covers more where values tie. An end that no value bounds is
    infinite.

    Parameters
    ----------
    ordered : ndarray of float, shape (n,)
        Ascending.
    below : float
        Share of all that lies below the quantile.

    Examples
    --------
    >>> quantile_interval(np.arange(1.0, 101.0), 0.5)
    (40.0, 61.0)
    """
    from scipy.stats import binom

    n, tail = len(ordered), (1 - LEVEL) / 2
    low, high = int(binom.ppf(tail, n, below)), int(binom.ppf(1 - tail, n, below)) + 1
    return (
        float(ordered[low - 1]) if low >= 1 else -np.inf,
        float(ordered[high - 1]) if high <= n else np.inf,
    )


def binomial_interval(count: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper and Pearson).

    Examples
    --------
    >>> [round(one, 4) for one in binomial_interval(0, 100)]
    [0.0, 0.0362]
    """
    from scipy.stats import beta

    tail = (1 - LEVEL) / 2
    low = float(beta.ppf(tail, count, n - count + 1)) if count else 0.0
    return low, float(beta.ppf(1 - tail, count + 1, n - count)) if count < n else 1.0


def _composite(policy: Policy, risk: Floats, points: Floats) -> Floats:
    weighted: Floats = policy["scoring.composite_credit_weight"] * points
    weighted = weighted - policy["scoring.composite_risk_weight"] * margins(risk)
    return weighted


def _fallen_together(path: str, column: str, cuts: list[float], values: Floats) -> Problem:
    most, count = max(zip(*np.unique(values, return_counts=True), strict=True), key=lambda one: one[1])
    shown = ", ".join(f"{one:g}" for one in cuts)
    message = (
        f"ties: {count:,} of {values.size:,} have the very same value {most:g}, so that cut-offs of "
        f"'{path}' fall together ({shown})"
    )
    remedy = "Give other shares, a policy with fewer levels, or scores that tell enterprises apart"
    return Problem("scores", column, int(count), (), message, remedy)


def _listing(risk: Floats, points: Floats, target: float) -> tuple[float, float]:
    """Return the highest risk and the fewest points of a list that holds a share of all."""
    from scipy.optimize import brentq

    def excess(q: float) -> float:
        listed = (risk <= np.quantile(risk, q)) & (points >= np.quantile(points, 1 - q))
        return float(listed.mean()) - target

    if excess(0.02) * excess(0.98) > 0:
        message = f"ties: no two conditions list {target:.1%} of {risk.size:,} enterprises"
        remedy = "Give scores that tell enterprises apart, or another lists.unmonitored.target_share"
        raise DataError([Problem("scores", "", risk.size, (), message, remedy)])
    q = brentq(excess, 0.02, 0.98, xtol=1e-4)
    # A third may have the very same points; risks hardly tie, so they give the share wanted.
    least = _cut(points, 1 - q, 0.0, 1000.0)
    fine = np.sort(risk[points >= least])
    return _risk_cut(fine, min(target * risk.size / fine.size, 1.0)), least


def _risk_cut(ordered: Floats, below: float) -> float:
    """Return a cut-off of risk at a quantile; halfway between two values where many tie there."""

    def missed(value: float) -> float:
        return abs(np.searchsorted(ordered, value) / len(ordered) - below)

    exact = float(np.quantile(ordered, below))
    ties = np.searchsorted(ordered, exact, side="right") - np.searchsorted(ordered, exact)
    if ties <= max(SLACK * len(ordered), 1):
        for digits in range(4, _MOST_DIGITS + 1):
            value = round(exact, digits)
            if 0 < value < 1 and missed(value) <= SLACK:
                return value
    known = np.unique(np.concatenate([[0.0], ordered, [1.0]]))
    near = int(np.searchsorted(known, exact))
    between = [_halfway(*known[k : k + 2]) for k in range(max(near - 2, 0), min(near + 2, len(known) - 1))]
    return min(between, key=missed)


def _halfway(a: float, b: float) -> float:
    """Return a number between two, of as few digits as it takes to be in the middle half."""
    middle = (a + b) / 2
    for digits in range(4, _MOST_DIGITS + 1):
        if abs(round(middle, digits) - middle) <= (b - a) / 4:
            return float(round(middle, digits))
    return float(middle)


def _worst_first(values: Floats, shares: Sequence[float], low: float, high: float) -> list[float]:
    """Return ascending cut-offs of a score of which more is better, for shares from the best."""
    return [_cut(values, below, low, high) for below in np.cumsum(list(shares)[::-1])[:-1]]


def _cut(values: Floats, below: float, low: float, high: float) -> float:
    """Return a cut-off to one decimal near a quantile, in a place where few values lie.

    The share may miss what is wanted by `SLACK` for an emptier place.
    """
    exact = min(max(float(np.quantile(values, below)), low), high)
    tenths = np.round(np.arange(np.floor(exact * 10) - 100, np.ceil(exact * 10) + 101)) / 10
    tenths = tenths[(tenths >= low) & (tenths <= high)]
    order = np.sort(values)
    missed = np.abs(np.searchsorted(order, tenths, side="left") / len(order) - below)
    beside = np.searchsorted(order, tenths + NEAR) - np.searchsorted(order, tenths - NEAR)
    allowed = missed <= missed.min() + SLACK
    return float(min(zip(beside[allowed], missed[allowed], tenths[allowed], strict=True))[2])
