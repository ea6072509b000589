"""The inspections of a window, and the estimators computed from them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from tierkit.arrays import Floats, Mask
from tierkit.evaluate.value.evidence import Logged
from tierkit.evaluate.value.overlap import FEWEST_FINDINGS, Gap
from tierkit.scores.metrics import effective_size, rate_interval, wilson_interval

__all__ = ["Estimate", "Sample", "interval"]

_ROUNDING = 1e-6  # findings per 1,000 obligations, and part of the residuals
_MORE = "look at more inspections; nothing shows how far the estimate may be off"


class Estimate(NamedTuple):
    """An estimate with its residual and weight per inspection, and the reasons against it."""

    value: float
    residual: Floats
    weight: Floats
    holds_if: str
    gaps: list[Gap]


class Sample:
    """The inspections of a window, with the obligations they belong to."""

    def __init__(self, given: Logged) -> None:
        seen = given.inspections
        self.base = given.obligations
        self.target = self.base["target"].to_numpy(np.float64)
        self.place = seen["obligation"].to_numpy(np.int64)
        self.owner = pd.factorize(self.base["enterprise_id"])[0][self.place]
        self.tier = self.base["tier"].astype(str).to_numpy(object)
        self.found = seen["found"].to_numpy(np.float64)
        self.audit = (seen["channel"] == "random").to_numpy(bool)
        self.chance = (seen["propensity"] * seen["served_share"]).to_numpy(np.float64)
        self.mean = 1000 * float(self.target.mean())
        self.there = self.base["there"].to_numpy(np.float64)
        self.most = 1000 * float((self.target * self.there).mean())

    def audits(self) -> Floats:
        """Return the weight of each equal-chance audit, one over its probability; 0 for other inspections."""
        out: Floats = np.zeros(len(self.chance))
        usable = self.audit & (self.chance > 0)
        out[usable] = 1 / self.chance[usable]
        return out

    def naive(self) -> Estimate:
        """Return the value at the finding rate of all inspections of each tier."""
        n = len(self.found)
        residual, value = np.zeros(n), 0.0
        overall = float(self.found.mean()) if n else float("nan")
        inspected = self.tier[self.place]
        for tier in sorted(set(self.tier)):
            here = self.tier == tier
            share = 1000 / len(here) * float(self.target[here] @ self.there[here])
            mine = inspected == tier
            rate = float(self.found[mine].mean()) if mine.any() else overall
            value += share * rate
            residual[mine] = share * (self.found[mine] - rate) / mine.sum()
        return Estimate(value, residual, np.ones(n), "no selection", [])

    def ratio(self, weight: Floats, holds_if: str, gaps: list[Gap]) -> Estimate:
        """Return the value at a weighted finding rate."""
        share = weight / max(float(weight.sum()), np.finfo(float).tiny)
        rate = float(share @ self.found)
        return Estimate(rate * self.most, share * (self.found - rate) * self.most, weight, holds_if, gaps)

    def total(self, weight: Floats, expected: Floats, holds_if: str, gaps: list[Gap]) -> Estimate:
        """Return the model's total over all obligations plus the weighted sum of its residuals."""
        per = 1000 / len(self.target)
        residual = per * weight * (self.found - expected[self.place])
        return Estimate(
            per * float(self.target * self.there @ expected) + float(residual.sum()),
            residual,
            weight,
            holds_if,
            gaps,
        )

    def row(self, one: Estimate, confidence: float) -> dict[str, Any]:
        """Return an estimate as one row of the table."""
        use = one.weight > 0
        by_enterprise = np.bincount(self.owner, one.residual) if len(self.owner) else np.zeros(1)
        squares = by_enterprise**2
        value, se = one.value, float(np.sqrt(squares.sum()))
        freedom = 2 * se**4 / float((squares**2).sum()) if se > 0 else float("nan")
        gaps = [*one.gaps, *self._doubts(value, use)]
        # Sums of residuals that cancel within every enterprise leave rounding alone.
        if not gaps and se <= _ROUNDING * float(np.sqrt((one.residual**2).sum())):
            gaps.append(Gap("error", "the enterprises used are all alike", _MORE))
        if gaps:
            value = se = freedom = float("nan")
        low, high = np.clip(interval(value, se, freedom, self.most, confidence), 0.0, self.most).tolist()
        size = effective_size(one.weight)
        return {
            "value": value, "low": low, "high": high, "se": se, "freedom": freedom,
            "per_opportunity": value / self.mean if self.mean else float("nan"),
            "n": int(use.sum()), "findings": int(self.found[use].sum()), "effective_size": size,
            "largest_share": float(one.weight.max() / one.weight.sum()) if size else float("nan"),
            "holds_if": one.holds_if, "refused": "; ".join(map(str, gaps)),
        }  # fmt: skip

    def apart(self, one: Estimate, other: Estimate, confidence: float, among: int) -> dict[str, Any]:
        """Return the difference of two estimates, with Student's interval for ``among`` so many at once.

        Their residuals are taken together by enterprise, as they rest on the same inspections in part.
        """
        squares = np.bincount(self.owner, one.residual - other.residual) ** 2
        difference, se = one.value - other.value, float(np.sqrt(squares.sum()))
        if se <= _ROUNDING * float(np.sqrt((one.residual**2).sum())):  # the same estimate, but for rounding
            return {"difference": difference, "low": difference, "high": difference, "differs": False}
        freedom = 2 * se**4 / float((squares**2).sum())
        far = float(t.ppf(1 - (1 - confidence) / 2 / among, freedom)) * se
        low, high = difference - far, difference + far
        return {"difference": difference, "low": low, "high": high, "differs": bool(low > 0 or high < 0)}

    def _doubts(self, value: float, use: Mask) -> list[Gap]:
        """Return why a value of the inspections used is none, or has no error that can be told."""
        gaps = []
        found = self.found[use]
        if found.size and found.min() == found.max():
            what = (
                "every inspection used found something" if found[0] else "no inspection used found anything"
            )
            gaps.append(Gap("findings", what, _MORE))
        if found.size and len(np.unique(self.owner[use])) < 2:
            gaps.append(Gap("enterprises", "all inspections used are of one enterprise", _MORE))
        if not -_ROUNDING <= value <= self.most + _ROUNDING:
            what = f"the estimate is outside 0 … {self.most:.2f}, which is all that can be found"
            gaps.append(
                Gap("value", what, "see that the chance of each draw is right, or use more inspections")
            )
        return gaps

    def strata(self, confidence: float) -> pd.DataFrame:
        """Return the equal-chance audits of each tier, and the rate of all inspections beside theirs."""
        rows = []
        for tier in sorted(set(self.tier)):
            here, mine = self.tier == tier, self.tier[self.place] == tier
            audits, findings = int((mine & self.audit).sum()), int(self.found[mine & self.audit].sum())
            few = findings < FEWEST_FINDINGS
            drawn = mine & self.audit
            low, high, _ = rate_interval(self.found[drawn], None, self.owner[drawn], confidence)
            told = (float("nan"),) * 3 if few else (findings / audits, low, high)
            rows.append({
                "tier": tier, "obligations": int(here.sum()), "opportunities": float(self.target[here].sum()),
                "audits": audits, "findings": findings, "rate": told[0], "low": told[1], "high": told[2],
                "naive_rate": float(self.found[mine].mean()) if mine.any() else float("nan"),
                "naive_n": int(mine.sum()),
                "refused": f"{findings} findings, under {FEWEST_FINDINGS}" if few else "",
            })  # fmt: skip
        return pd.DataFrame(rows).set_index("tier")


def interval(value: float, se: float, freedom: float, mean: float, confidence: float) -> tuple[float, float]:
    """Return Wilson's interval at the effective size that gives this error; outside 0 … mean, Student's.

    NaN without an error above 0: nothing shows then how far the estimate may be off.
    """
    if not se > 0:
        return float("nan"), float("nan")
    wide = float(t.ppf(0.5 + confidence / 2, freedom))
    if 0 < value < mean:
        wider = wide / float(norm.ppf(0.5 + confidence / 2))
        rate = value / mean
        size = rate * (1 - rate) * (mean / (se * wider)) ** 2
        low, high = wilson_interval(rate * size, size, confidence)
        return float(low) * mean, float(high) * mean
    return value - wide * se, value + wide * se
