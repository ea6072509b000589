"""A professional offset on top of the general score (通用 + 专业): what a sector adds to the log-odds.

The general model reads the sector, but its trees split on it only where that pays over all rows. What is left
is estimated on rows that the model was not grown on: by how much the log-odds of each sector's rows would
have to move, drawn to 0 the more, the fewer they are. The model itself stays as it is, with its margin, ranks
and reasons; the offset is applied to a frame of scores, or given in points to a composite policy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit
from scipy.stats import norm

from tierkit.policy import Policy
from tierkit.scores.metrics import effective_size

__all__ = ["SectorOffset"]

Floats = NDArray[np.float64]

_STEPS = 50  # of Newton's method, each at most 1 long; a dozen do


@dataclass(frozen=True)
class SectorOffset:
    """Log-odds that each sector adds.

    Parameters
    ----------
    table : DataFrame
        One row a sector: ``n``, ``events``, ``raw`` (before shrinkage), ``offset`` with ``low`` and ``high``
        (95 %, normal posterior).
    spread : float
        Standard deviation of the true offsets over sectors, as estimated; 0 makes all offsets 0.
    """

    table: pd.DataFrame
    spread: float

    @classmethod
    def fit(
        cls, log_odds: ArrayLike, y: ArrayLike, sector: pd.Series, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Estimate the offsets by empirical Bayes.

        Parameters
        ----------
        log_odds : float array of shape (n,)
            Calibrated log-odds of rows that the model was not grown on.
        y : array of 0 and 1, shape (n,)
        sector : Series of shape (n,)
        sample_weight : float array of shape (n,), optional

        Returns
        -------
        SectorOffset

        Raises
        ------
        ValueError
            If there are no rows of weight.

        Notes
        -----
        The offsets are the posterior mode of a logistic likelihood with a normal prior at 0, weights being
        scaled to Kish's effective size. The prior's spread over sectors is a moment estimate after
        DerSimonian and Laird (Controlled Clinical Trials 7, 1986) from each sector's ``raw`` offset, one
        Newton step from 0. They are not forced to a mean of 0: what all sectors share is the level, which
        calibration has set.

        Examples
        --------
        >>> y = np.r_[np.repeat([0, 1], [900, 100]), np.repeat([0, 1], [800, 200])]
        >>> found = SectorOffset.fit(np.full(2000, -2.0), y, pd.Series(["food"] * 1000 + ["gas"] * 1000))
        >>> found.table["offset"].round(2).to_dict()  # logit of 0.1 and of 0.2, less -2, drawn to 0
        {'food': -0.19, 'gas': 0.6}
        """
        z, outcome = np.asarray(log_odds, np.float64), np.asarray(y, np.float64)
        w = np.ones(len(z)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        used = w > 0
        if not used.any():
            raise ValueError("No row carries weight, so no sector has an offset. Give rows.")
        z, outcome, w = z[used], outcome[used], w[used] / w[used].sum() * effective_size(w)
        place, names = pd.factorize(sector.astype("str").to_numpy()[used], sort=True)

        def slopes(offset: Floats) -> tuple[Floats, Floats]:
            p = expit(z + offset[place])
            known = pd.DataFrame({"score": w * (outcome - p), "information": w * p * (1 - p)})
            sums = known.groupby(place).sum()
            return sums["score"].to_numpy(np.float64), sums["information"].to_numpy(np.float64)

        score, information = slopes(np.zeros(len(names)))
        raw = score / information
        # Moments around 0, where the prior is: Σ information raw² is k + spread² Σ information on average.
        spread2 = max(float(((information * raw**2).sum() - len(raw)) / information.sum()), 0.0)
        offset, variance = np.zeros(len(names)), np.zeros(len(names))
        for _ in range(_STEPS if spread2 else 0):
            score, information = slopes(offset)
            variance = 1 / (information + 1 / spread2)
            offset = offset + np.clip(variance * (score - offset / spread2), -1, 1)
        half = norm.ppf(0.975) * np.sqrt(variance)
        table = pd.DataFrame(
            {
                "n": np.bincount(place),
                "events": np.bincount(place, outcome).astype(np.int64),
                "raw": raw,
                "offset": offset,
                "low": offset - half,
                "high": offset + half,
            },
            index=pd.Index(names, name="sector"),
        )
        return cls(table, float(np.sqrt(spread2)))

    def apply(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Return scores whose probabilities hold the offset, with a column ``sector_offset`` beside.

        Parameters
        ----------
        scores : DataFrame
            With ``sector`` and ``risk_probability``. A sector that was never seen gets 0.

        Examples
        --------
        >>> one = SectorOffset(pd.DataFrame({"offset": [0.5]}, index=["gas"]), 0.5)
        >>> scores = pd.DataFrame({"sector": ["gas", "food"], "risk_probability": [0.1, 0.1]})
        >>> one.apply(scores)["risk_probability"].round(4).tolist()
        [0.1548, 0.1]
        """
        added = scores["sector"].astype("str").map(self.table["offset"]).fillna(0.0)
        moved = expit(logit(scores["risk_probability"]) + added)
        return scores.assign(
            risk_probability=scores["risk_probability"].where(added == 0, moved), sector_offset=added
        )

    def reform(self, policy: Policy) -> dict[str, float]:
        """Return the offsets as values of a composite policy, ready for `Policy.reform`.

        A composite takes its risk weight times the log-odds from its credit weight times the points, so an
        offset in log-odds is worth that many points less.

        Raises
        ------
        ValueError
            If the policy's tiers come from a matrix, where no points stand for log-odds.

        Examples
        --------
        >>> one = SectorOffset(pd.DataFrame({"offset": [0.5]}, index=["gas"]), 0.5)
        >>> one.reform(Policy.load("legacy").reform({"scoring.logic": "composite"}, name="c"))
        {'scoring.sector_offset.gas': -20.0}
        """
        if policy["scoring.logic"] != "composite":
            raise ValueError(
                f"The policy '{policy.name}' takes tiers from a matrix, where points cannot stand for risk. "
                "Apply the offset to the scores instead."
            )
        rate = policy["scoring.composite_risk_weight"] / policy["scoring.composite_credit_weight"]
        return {
            f"scoring.sector_offset.{name}": round(-float(rate * offset), 1)
            for name, offset in self.table["offset"].items()
        }

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""
        return {"spread": self.spread, "sectors": self.table.reset_index().to_dict("records")}

    def _repr_html_(self) -> str:
        return self.table.to_html(float_format="{:.3f}".format)
