"""Smooth calibration of a margin: strictly increasing, so ranks are kept, and stored as three numbers.

Isotonic regression would make ties of thousands of scores; beta calibration does not. In terms of the
margin m (log-odds before calibration) the calibrated log-odds are

    c + b × softplus(m) - a × softplus(-m),    a, b > 0,

a line of slope a far below 0 that bends into one of slope b far above it (Kull, Silva Filho and Flach,
*Beta calibration*, AISTATS 2017); a = b is Platt's. Few rows lie above 0 where events are rare, so b would be
fitted to next to nothing: a weak prior draws both slopes to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize
from scipy.special import expit

from tierkit.arrays import Floats
from tierkit.scores.checked import checked
from tierkit.scores.content import known, number, record, refuse

__all__ = ["Calibration"]


_FEWEST = 30  # of either class; below this two slopes are noise, so only the level is moved
_SLOPE_SD = 0.5  # of the prior of each slope around 1, where the margin would be right as it is
_FLATTEST = 0.01  # keeps the map strictly increasing where the data see no slope at all
_STEEPEST = 1e6  # of a map that is read: with it and the largest margin, log-odds stay finite
_FORM = record(
    low=number(_FLATTEST, _STEEPEST),
    high=number(_FLATTEST, _STEEPEST),
    shift=number(-_STEEPEST, _STEEPEST),
    kind=known("none", "shift", "beta"),
)


@dataclass(frozen=True)
class Calibration:
    """A strictly increasing map from margins to calibrated log-odds.

    Parameters
    ----------
    low, high : float
        Slopes far below and far above margin 0, both above 0.
    shift : float
        Log-odds added everywhere.
    kind : {"none", "shift", "beta"}
        What could be fitted: nothing (one class only), the level alone (fewer than 30 rows of a class),
        or all three numbers.

    Examples
    --------
    >>> Calibration().log_odds([-2.0, 0.0, 3.0]).round(12).tolist()
    [-2.0, 0.0, 3.0]
    """

    low: float = 1.0
    high: float = 1.0
    shift: float = 0.0
    kind: Literal["none", "shift", "beta"] = "none"

    @classmethod
    def fit(cls, margin: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the map by weighted maximum likelihood, with the prior on the slopes.

        Parameters
        ----------
        margin : float array of shape (n,)
            Log-odds of rows that the model was not fitted on.
        y : array of 0 and 1, shape (n,)
        sample_weight : float array of shape (n,), optional

        Returns
        -------
        Calibration

        Raises
        ------
        ValueError
            If a margin is not finite, an outcome not 0 or 1, a weight below 0 or all are 0, an array not of
            one dimension, or lengths differ.

        Examples
        --------
        Every margin occurs with both outcomes, weighted by the probabilities of a line, 2 m - 1:

        >>> margin = np.linspace(-3, 3, 100_000)
        >>> late = 1 / (1 + np.exp(1 - 2 * margin))
        >>> found = Calibration.fit(np.tile(margin, 2), np.repeat([1, 0], 100_000), np.r_[late, 1 - late])
        >>> round(found.low, 2), round(found.high, 2), round(found.shift, 2)
        (2.0, 2.0, -1.0)
        """
        margins, outcome, weight = checked(
            margin=("scores", margin), y=("outcomes", y), sample_weight=("weights", sample_weight)
        )
        used = weight > 0
        margins, outcome, weight = margins[used], outcome[used], weight[used]
        rarer = min(outcome.sum(), (1 - outcome).sum())
        if rarer == 0:
            return cls()
        pull = 1 / (_SLOPE_SD**2 * float(weight.sum()) ** 2 / float((weight**2).sum()))
        weight = weight / weight.sum()
        below, above = -np.logaddexp(0, -margins), np.logaddexp(0, margins)

        def loss(parameters: Floats) -> tuple[float, Floats]:
            a, b, c = parameters
            z = c + a * below + b * above
            error = weight * (expit(z) - outcome)
            value = (weight * (np.logaddexp(0, z) - outcome * z)).sum()
            value += pull / 2 * ((a - 1) ** 2 + (b - 1) ** 2)
            slope_low = (error * below).sum() + pull * (a - 1)
            slope_high = (error * above).sum() + pull * (b - 1)
            return float(value), np.array([slope_low, slope_high, error.sum()])

        enough = rarer >= _FEWEST
        slope = (_FLATTEST, None) if enough else (1.0, 1.0)
        found = minimize(
            loss,
            np.array([1.0, 1.0, 0.0]),
            jac=True,
            method="L-BFGS-B",
            bounds=[slope, slope, (None, None)],
            options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
        )
        low, high, shift = map(float, found.x)
        return cls(low, high, shift, "beta" if enough else "shift")

    def log_odds(self, margin: ArrayLike) -> Floats:
        """Return calibrated log-odds of margins, in the same order.

        Raises
        ------
        ValueError
            If a margin is not finite, or they have not one dimension.
        """
        [margins] = checked(margin=("scores", margin))
        bent: Floats = (
            self.shift - self.low * np.logaddexp(0, -margins) + self.high * np.logaddexp(0, margins)
        )
        return bent

    def probability(self, margin: ArrayLike) -> Floats:
        """Return calibrated probabilities of margins, in the same order.

        Examples
        --------
        >>> Calibration(shift=-1.0, kind="shift").probability([1.0]).tolist()
        [0.5]
        """
        chance: Floats = expit(self.log_odds(margin))
        return chance

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON.

        Examples
        --------
        >>> some = Calibration(0.5, kind="beta")
        >>> Calibration.from_dict(some.to_dict()) == some
        True
        """
        return {"low": self.low, "high": self.high, "shift": self.shift, "kind": self.kind}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the calibration that `to_dict` wrote.

        Raises
        ------
        ContentError
            If it would not be strictly increasing, or is no calibration of its kind.
        """
        _FORM(data, "calibration")
        fixed = {"none": (1.0, 1.0, 0.0), "shift": (1.0, 1.0, data["shift"])}.get(data["kind"])
        if fixed and fixed != (data["low"], data["high"], data["shift"]):
            refuse("calibration", f"of the kind '{data['kind']}' holds other numbers than it moves.")
        return cls(float(data["low"]), float(data["high"]), float(data["shift"]), data["kind"])
