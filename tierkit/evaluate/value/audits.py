"""The number of equal-chance audits that a wanted precision needs, and the precision of a given number."""

from __future__ import annotations

import math

from tierkit.evaluate.value.policy_value import PolicyValue
from tierkit.scores.metrics import wilson_interval

__all__ = ["audits_for_rate", "audits_for_value", "half_width"]

_MOST = 10**9


def half_width(audits: int, rate: float, confidence: float = 0.95) -> float:
    """Return half the width of Wilson's interval of a finding rate.

    Parameters
    ----------
    audits : int
        At least 1.
    rate : float
        In [0, 1].
    confidence : float

    Examples
    --------
    >>> round(half_width(400, 0.1), 4)
    0.0295
    """
    if audits < 1 or not 0 <= rate <= 1:
        raise ValueError(
            f"The 'audits' must be at least 1 and the 'rate' in [0, 1]. Got {audits} and {rate}."
        )
    low, high = wilson_interval(rate * audits, audits, confidence)
    return float(high - low) / 2


def audits_for_rate(rate: float, wanted: float, confidence: float = 0.95, design_effect: float = 1.0) -> int:
    """Return the smallest number of audits for which the interval of a rate has the wanted half-width.

    Parameters
    ----------
    rate : float
        Finding rate that is expected, in (0, 1).
    wanted : float
        Half the width of Wilson's interval, in (0, 0.5).
    confidence : float
    design_effect : float
        Factor by which clustering by enterprise, or weights of a policy, raise the number needed.

    Returns
    -------
    int

    Examples
    --------
    >>> audits_for_rate(0.1, 0.03)
    388
    """
    if not 0 < rate < 1 or not 0 < wanted < 0.5 or not 0 < design_effect < math.inf:
        raise ValueError(
            "The rate must be in (0, 1), the half-width in (0, 0.5), the design effect positive and finite. "
            f"Got {rate}, {wanted} and {design_effect}."
        )
    low, high = 0, 1
    while half_width(high, rate, confidence) > wanted:
        low, high = high, 2 * high
        if high > _MOST:
            raise ValueError(f"A half-width of {wanted} needs more than {_MOST:,} audits; ask for less.")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if half_width(middle, rate, confidence) > wanted else (low, middle)
    return math.ceil(high * design_effect)


def audits_for_value(found: PolicyValue, wanted: float, estimator: str = "random") -> int:
    """Return how many equal-chance audits give a policy's value an interval of the wanted half-width.

    Widths shrink with the square root of the number of inspections, the policy, the population and the
    mixture of channels staying as they are: half the width takes four times as many.

    Parameters
    ----------
    found : PolicyValue
        Estimated from the audits at hand.
    wanted : float
        Half the width of the interval, findings per 1,000 obligations.
    estimator : str
        Name of the estimator whose width counts.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the width is not positive and finite, or there is no such estimate to start from.
    """
    if not 0 < wanted < math.inf:
        raise ValueError(f"The half-width must be positive and finite. Got {wanted}.")
    rows = found.table.to_dict("index")
    if estimator not in rows:
        raise ValueError(f"The 'estimator' must be one of {', '.join(map(str, rows))}. Got {estimator!r}.")
    row, audits = rows[estimator], int(rows["random"]["n"])
    width = float(row["high"]) - float(row["low"])
    if not width > 0:
        why = row["refused"] or "its error is nil"
        raise ValueError(f"There is no interval of '{estimator}' to start from: {why}.")
    return math.ceil(audits * (width / 2 / wanted) ** 2)
