"""Routine inspections as a Poisson regression: sector × size × exp(gradient × rule score).

Who is visited more within a sector and size is told by the rule score of the records, as the engine has it;
without it a rate of the first year, in which nobody has records, would not hold for the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from tierkit.arrays import Floats
from tierkit.city.engine.rules import MAX_SHIFT
from tierkit.policy import Policy
from tierkit.records import SIZES

__all__ = ["GRADIENTS", "Routine", "fitted_rates", "frequencies"]


GRADIENTS = (-1.0, 2.0)
"""Between these the gradient is looked for."""
_HALF = 0.5  # inspections that draw a sector or a size with few of them to the rate of all


@dataclass(frozen=True)
class Routine:
    """Counts and exposures of routine inspections by sector and size, and the effect of the rule score."""

    counts: Floats  # (sectors, sizes)
    years: Floats  # (rows) enterprise-years of each enterprise and period between two reviews
    cell: NDArray[np.int64]  # (rows) sector × size
    score: Floats  # (rows) standardised rule score
    events: NDArray[np.int64]  # (inspections) row of each

    def exposure(self, gradient: float) -> Floats:
        """Return enterprise-years by sector and size, each weighted by the multiple that its score gives."""
        weight = self.years * np.exp(_shift(self.score, gradient))
        total = np.bincount(self.cell, weights=weight, minlength=self.counts.size).astype(np.float64)
        return total.reshape(self.counts.shape)

    def loss(self, gradient: float) -> float:
        """Return the negative log likelihood at the best rates for this gradient."""
        exposure = self.exposure(gradient)
        rate = fitted_rates(self.counts, exposure)
        seen = self.counts > 0
        fitted = (self.counts[seen] * np.log(rate[seen])).sum() - (rate * exposure).sum()
        return -float(fitted + _shift(self.score[self.events], gradient).sum())

    def gradient(self) -> tuple[float, float]:
        """Return the gradient and its standard error; infinite where the records cannot tell."""
        if not len(self.events) or np.ptp(self.score) == 0:
            return 0.0, np.inf
        best = float(minimize_scalar(self.loss, bounds=GRADIENTS, method="bounded").x)
        step = 0.05
        curve = (self.loss(best + step) - 2 * self.loss(best) + self.loss(best - step)) / step**2
        return best, float(1 / np.sqrt(curve)) if curve > 0 else np.inf


def _shift(score: Floats, gradient: float) -> Floats:
    """Return the log multiple of the routine rate as the engine has it: a normal score keeps the mean."""
    out: Floats = np.clip(gradient * score - gradient**2 / 2, -MAX_SHIFT, MAX_SHIFT)
    return out


def fitted_rates(counts: Floats, exposure: Floats) -> Floats:
    """Return rates that are a product of sector and size and reproduce the margins of the counts.

    A half inspection at the rate of all is added to each sector and each size, so that none is never visited.
    """
    total = counts.sum() / exposure.sum() if exposure.sum() > 0 else 0.0
    if total == 0:
        return np.zeros_like(counts)
    own = np.ones(counts.shape[0])
    for _ in range(50):
        by_size = (counts.sum(axis=0) + _HALF) / (own @ exposure + _HALF / total)
        by_sector = (counts.sum(axis=1) + _HALF) / (exposure @ by_size + _HALF)
        if np.allclose(by_sector, own, rtol=1e-10):
            break
        own = by_sector
    return np.outer(by_sector, by_size)


def frequencies(rates: Floats, years: Floats, base: Policy, shares: tuple[Floats, Floats]) -> dict[str, Any]:
    """Return base rate and multiples that give these rates; kinds that are absent keep their own."""
    factors = []
    scale = 1.0
    own = (rates[:, 0] if rates.size else rates, rates[0])
    for axis, (names, group) in enumerate(((tuple(base["frequency.sector"]), "sector"), (SIZES, "size"))):
        told = years.sum(axis=1 - axis) > 0
        before = np.array([base[f"frequency.{group}.{name}"] for name in names])
        new = own[axis].copy()
        if told.any() and not told.all() and before[told].sum() > 0:
            new[~told] = before[~told] * (new[told].sum() / before[told].sum())
        mean = float(new @ shares[axis] / shares[axis].sum())
        factors.append((group, names, new / mean if mean > 0 else before))
        scale *= mean
    changes = {
        f"frequency.{group}.{name}": round(float(value), 6)
        for group, names, values in factors
        for name, value in zip(names, values, strict=True)
    }
    corner = rates[0, 0]
    return {"frequency.base_rate": round(float(scale / corner), 6) if corner > 0 else 0.0, **changes}
