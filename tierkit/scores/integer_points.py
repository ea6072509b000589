"""The error of rounding a scorecard to whole points: bounds, observed errors and changed grades.

A scorecard in whole points (`CreditScorecard.rounded`) can be added up on paper. Each row of its table is off
by half a point at most, so a score that adds up k features and a base is off by (k + 1) / 2 points at most;
the rows of one table say it more sharply, since only one bin of each feature counts at a time. Points
are log-odds times a factor, and a probability moves by at most a quarter of its log-odds, so the bounds hold
for these, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from tierkit.scores.checked import checked
from tierkit.scores.metrics import wilson_interval
from tierkit.scores.scorecard import CreditScorecard
from tierkit.texts import number

__all__ = ["Rounding", "rounding"]


@dataclass(frozen=True, repr=False)
class Rounding:
    """The difference between a scorecard in whole points and the scorecard itself.

    Attributes
    ----------
    errors : DataFrame
        One row per unit (``points``, ``log_odds``, ``probability``): ``n`` rows scored; ``bound``, half a
        point a feature and base, in that unit; ``table_bound``, the largest that the rows of the table can
        add up to; ``largest``, ``mean_absolute`` and ``mean``, as realised.
    grades : DataFrame
        One row per cut-off and ``any`` for the grade: ``n``, ``changed`` (rows that the rounding moves
        across), ``share`` with ``low`` and ``high`` (Wilson, 95 %). Without cut-offs there is no row.
    features : int
        Features that carry points.
    """

    errors: pd.DataFrame
    grades: pd.DataFrame
    features: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "features": self.features,
            "errors": self.errors.to_dict("records"),
            "grades": self.grades.to_dict("records"),
        }

    def __repr__(self) -> str:
        """Return the bound, the largest error and the changed grades, as one line."""
        row = self.errors.iloc[0]
        text = (
            f"Rounding(at most {number(row['bound'], 1)} points of {self.features} features; "
            f"largest of {number(row['n'])} rows {number(row['largest'], 2)}"
        )
        if len(self.grades):
            last = self.grades.iloc[-1]
            text += f"; {number(last['changed'])} grades changed"
        return text + ")"

    def _repr_html_(self) -> str:
        frames = [self.errors, self.grades] if len(self.grades) else [self.errors]
        return "".join(frame.to_html(index=False, float_format="{:.4g}".format) for frame in frames)


def rounding(card: CreditScorecard, X: Any, cutoffs: Sequence[float] = ()) -> Rounding:
    """Return the errors of rounding a scorecard on some rows, with the largest that are possible.

    Parameters
    ----------
    card : CreditScorecard
        Fitted, as it is before `CreditScorecard.rounded`.
    X : DataFrame or array of shape (n, k)
        Rows to score both ways.
    cutoffs : sequence of float
        Points at which the credit grade changes, as a policy's ``scoring.credit_cutoffs``.

    Returns
    -------
    Rounding

    Raises
    ------
    ValueError
        If a cut-off is no finite number.

    Notes
    -----
    With points rounded row by row, |error| ≤ (k + 1) / 2 points for k features; in log-odds that times
    ln 2 / points_to_double; in probability a quarter of that, the logistic's steepest slope.

    Examples
    --------
    >>> x = np.repeat([0.0, 1.0], 500)
    >>> late = np.r_[np.repeat([0, 1], [475, 25]), np.repeat([0, 1], [400, 100])]
    >>> X = pd.DataFrame({"arrears": x})
    >>> found = rounding(CreditScorecard().fit(X, late), X, [507.5])
    >>> found.errors[["unit", "bound", "largest"]].round(3).values.tolist()
    [['points', 1.0, 0.6], ['log_odds', 0.017, 0.01], ['probability', 0.004, 0.002]]
    >>> found.grades[["cutoff", "n", "changed"]].values.tolist()
    [['507.5', 1000, 500], ['any', 1000, 500]]
    """
    [cuts] = checked(cutoffs=("scores", cutoffs))
    whole = card.rounded()
    table, other = card.table(), whole.table()
    before, after = card.points_and_log_odds(X), whole.points_and_log_odds(X)
    features = int(table["feature"].nunique()) - 1
    # A row falls into one bin of each feature, so the worst of each feature may meet, and no more: the sum of
    # their extremes bounds every row, scored or not.
    steps = (other["points"] - table["points"]).groupby(table["feature"], sort=False)
    reach = max(float(steps.max().sum()), -float(steps.min().sum()))
    to_log_odds = float(np.log(2) / card.points_to_double)
    # Points of both, then log-odds, then probabilities: the bound of each follows from that before it.
    units: dict[str, tuple[float, NDArray[np.float64]]] = {
        "points": (1.0, after[0] - before[0]),
        "log_odds": (to_log_odds, after[1] - before[1]),
        "probability": (to_log_odds / 4, expit(after[1]) - expit(before[1])),
    }
    errors = [
        {
            "unit": unit,
            "n": len(error),
            "bound": scale * (features + 1) / 2,
            "table_bound": scale * reach,
            "largest": float(np.abs(error).max(initial=0.0)),
            "mean_absolute": float(np.abs(error).mean()) if error.size else float("nan"),
            "mean": float(error.mean()) if error.size else float("nan"),
        }
        for unit, (scale, error) in units.items()
    ]
    return Rounding(pd.DataFrame(errors), _grades(before[0], after[0], cuts), features)


def _grades(
    before: NDArray[np.float64], after: NDArray[np.float64], cutoffs: NDArray[np.float64]
) -> pd.DataFrame:
    """Return how many rows rounding moves across each cut-off, and across any."""
    columns = ["cutoff", "n", "changed", "share", "low", "high"]
    if not len(cutoffs):
        return pd.DataFrame(columns=columns)
    # At a cut-off belongs above, as in the tier rule, so whole points that land on one count as above it.
    sides = np.array([(before >= cut) != (after >= cut) for cut in cutoffs])
    counts = [int(side.sum()) for side in sides] + [int(sides.any(axis=0).sum())]
    n = np.full(len(counts), before.size)
    low, high = wilson_interval(counts, n)
    share = np.array(counts) / n if before.size else np.full(len(counts), np.nan)
    names = [*(f"{cut:g}" for cut in cutoffs), "any"]
    return pd.DataFrame(dict(zip(columns, (names, n, counts, share, low, high), strict=True)))
