"""In which range a parameter of the synthetic city may lie: its limits run, what lies beyond is refused."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from tierkit.records import Parameter

__all__ = ["fault_of"]

_OVER = ("hazard.prevalence", "deterrence.half_life", "deterrence.memory",
         "commitment.renewal", "capital.median", "calendar.history_weeks")  # fmt: skip
"""What something is divided by, or the logarithm of which is taken, and all below it: never zero."""
_BELOW = {"hazard.prevalence": 1.0, "turnover.exit": 52.0}  # weeks a year
"""What has to stay below a limit: a week's share of a yearly rate is below one."""
_WHOLE = ("calendar", "commitment.renewal", "inspector.groups")


def fault_of(path: str, given: Any, old: Parameter) -> str:
    """Return what is wrong with a new value of a parameter of the world; empty if nothing is.

    Numbers are finite. Shares, probabilities and weekly rates are in 0 … 1, correlations in -1 … 1, log-odds
    and the like are any, and all others are not negative. What is not one number is not looked at.

    Parameters
    ----------
    path : str
    given : object
    old : Parameter
        Its unit says which range is its.

    Examples
    --------
    >>> from tierkit.city.parameters import parameters
    >>> p = parameters()
    >>> fault_of("turnover.exit", 0.0, p.parameter("turnover.exit"))
    ''
    >>> fault_of("hazard.prevalence", 0.0, p.parameter("hazard.prevalence"))
    'must be above 0'
    """
    if not isinstance(old.value, int | float):
        return ""
    if isinstance(given, bool) or not isinstance(given, Real) or not math.isfinite(float(given)):
        return "must be a finite number"
    value, unit = float(given), old.unit
    if _is_of(path, _WHOLE) and value != int(value):
        return "must be a whole number"
    if _is_of(path, _OVER) and value <= 0:
        return "must be above 0"
    if path in _BELOW:
        return "" if 0 <= value < _BELOW[path] else f"must be in 0 … {_BELOW[path]:g}, and below it"
    if unit.startswith(("share", "probability", "1/week")):
        return "" if 0 <= value <= 1 else "must be in 0 … 1"
    if "correlation" in unit:
        return "" if -1 <= value <= 1 else "must be in -1 … 1"
    return "must not be negative" if value < 0 and "log" not in unit else ""


def _is_of(path: str, groups: tuple[str, ...]) -> bool:
    """Return whether a parameter is one of some, or below one of them."""
    return any(path == one or path.startswith(f"{one}.") for one in groups)
