"""What a policy would find, estimated from records that inspectors and lots have selected.

**What is estimated.** The findings per 1,000 obligations to be expected if the policy gave out its audit
opportunities of the next 180 days, one at most to an obligation, with states and tiers frozen as of the date:

    V = 1000 / N · Σ_i target_i · μ_i

N is the number of obligations open on the date. ``target_i`` is the probability that the policy's lots draw
obligation i at least once within the window, by its tier, class, sector, lists and rates on the date
(`tierkit.evaluate.opportunities`); it is not rescaled, so a policy that draws twice as many may find twice as
much, and the opportunities stand beside the findings. ``μ_i`` is the mean over the weeks of the window of
the probability that one standard audit (on site, at reference depth, by an inspector drawn by lot) finds at
least a minor violation; after an enterprise has left the register, nothing is found. Frozen means that the
policy changes nobody's conduct: states are those that went with the practice in force. What the policy would
bring about by itself, deterrence and all, is simulation.

**From what.** Every inspection of the window has a channel; random audits and routine inspections have the
weekly probability q of their draw and the share s of draws that were served. In each week the draw is
independent of the state it meets, so with ``w = λ / (T q s)`` and T weeks, the sum of ``w · found`` over the
inspections of i has expectation μ_i (`tierkit.evaluate.weighting`). λ shares an obligation out between its channels, by their effective
sizes, where both could draw it. A routine draw that meets an audit's in the same week goes by the audit's
name, for which q is corrected. ``there`` is the share of the window in which an obligation was open, which is
known by its end.

==================  ==========================================================================
naive               finding rate of all on-site inspections of the tier, however they came about
random              Σ target·found / Σ target over the random audits, times the mean of target·there
ipw                 Σ target·w·found (Horvitz and Thompson 1952)
self_normalised     Σ target·w·found / Σ target·w, times the mean of target·there (Hájek 1971)
doubly_robust       Σ target·there·m(x) over everybody + Σ target·w·(found − m(x)) over the inspected, m fitted
                    without the enterprise's fold (Robins, Rotnitzky and Zhao 1994; Chernozhukov and others 2018)
==================  ==========================================================================

``random`` holds whatever inspectors choose on. The next three hold if they choose on what the records hold;
``naive`` holds if there is no selection at all.

**How sure.** The register is finite and known as a whole; what is random is who was drawn and what was
detected. The variance is the sum over enterprises of the squared sum of weighted residuals. Intervals are
Wilson's, at the effective number of inspections that gives this variance (Franco and others 2019), since sums
of few findings are skewed. Where few enterprises make most of the variance, it is itself uncertain: with u the
residual sums, it has about 2 (Σ u²)² / Σ u⁴ degrees of freedom (Satterthwaite 1946), and the effective number
shrinks by the square of Student's quantile over the normal one (Korn and Graubard 1998). Fewer than ten
findings are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, t

from tierkit.evaluate.evidence import Logged
from tierkit.evaluate.outcome_model import expected_findings
from tierkit.evaluate.overlap import FEWEST_FINDINGS, Gap, OverlapError, overlap
from tierkit.evaluate.weighting import weigh
from tierkit.metrics import effective_size, wilson_interval

__all__ = ["ESTIMATORS", "PolicyValue", "policy_value"]

Floats = NDArray[np.float64]

ESTIMATORS = ("naive", "random", "ipw", "self_normalised", "doubly_robust")


@dataclass(frozen=True, repr=False)
class PolicyValue:
    """Estimates of a policy's value.

    Attributes
    ----------
    policy, practice : str
    obligations, enterprises : int
    opportunities : float
        Audit opportunities per 1,000 obligations that the policy gives out.
    table : DataFrame
        By estimator: ``value`` with ``low``, ``high`` and ``se`` (findings per 1,000 obligations), its degrees of ``freedom``,
        ``per_opportunity`` (findings an opportunity), ``n``, ``findings``, ``effective_size``,
        ``largest_share`` (of one inspection in all weight), ``holds_if`` (``no selection``, ``design``,
        ``records``, ``not claimed``) and ``refused`` (why there is no number; empty where there is one).
    strata : DataFrame
        By tier: obligations, opportunities, random audits and their findings, their finding rate with
        Wilson's interval (refused under ten findings), and the rate of all inspections beside it.
    overlap : DataFrame
        By set of channels: what `tierkit.evaluate.overlap` tells.
    notes : tuple of str
        What was left out, and why.
    confidence : float
    """

    policy: str
    practice: str
    obligations: int
    enterprises: int
    opportunities: float
    table: pd.DataFrame
    strata: pd.DataFrame
    overlap: pd.DataFrame
    notes: tuple[str, ...]
    confidence: float

    def __repr__(self) -> str:
        """Return the policy and what it rests on, in a line."""
        return f"PolicyValue({self.policy!r}, {self.obligations:,} obligations of {self.enterprises:,} enterprises)"

    def summary(self) -> pd.DataFrame:
        """Return each estimator's value and interval, findings per 1,000 obligations."""
        return self.table[["value", "low", "high", "n", "findings", "effective_size", "holds_if", "refused"]]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON, NaN as None."""
        frames = {name: getattr(self, name) for name in ("table", "strata", "overlap")}
        return {
            "policy": self.policy,
            "practice": self.practice,
            "obligations": self.obligations,
            "enterprises": self.enterprises,
            "opportunities": self.opportunities,
            "confidence": self.confidence,
            "unit": "findings per 1,000 obligations",
            **{
                name: frame.reset_index()
                .astype(object)
                .where(frame.reset_index().notna(), None)
                .to_dict("records")
                for name, frame in frames.items()
            },
        }

    def _repr_html_(self) -> str:
        head = (
            f"<p><b>{self.policy}</b>: findings per 1,000 obligations, {self.opportunities:.0f} opportunities "
            f"per 1,000; n = {self.obligations:,} obligations of {self.enterprises:,} enterprises; "
            f"{self.confidence:.0%} intervals</p>"
        )
        return head + self.summary().to_html(float_format="{:.3g}".format)


class _Estimate(NamedTuple):
    """A value, what each inspection leaves over in its unit, the weight of each, and what stands against it."""

    value: float
    residual: Floats
    weight: Floats
    holds_if: str
    gaps: list[Gap]


class _Sample:
    """The inspections of a window, beside the obligations that they were made of."""

    def __init__(self, given: Logged) -> None:
        seen = given.inspections
        self.base = given.obligations
        self.target = self.base["target"].to_numpy(np.float64)
        self.place = seen["obligation"].to_numpy(np.int64)
        self.owner = pd.factorize(self.base["enterprise_id"])[0][self.place]
        self.tier = self.base["tier"].astype(str).to_numpy(object)
        self.found = seen["found"].to_numpy(np.float64)
        self.audit = (seen["channel"] == "random").to_numpy(bool)
        self.mean = 1000 * float(self.target.mean())
        self.there = self.base["there"].to_numpy(np.float64)
        self.most = 1000 * float((self.target * self.there).mean())

    def naive(self) -> _Estimate:
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
        return _Estimate(value, residual, np.ones(n), "no selection", [])

    def ratio(self, weight: Floats, holds_if: str, gaps: list[Gap]) -> _Estimate:
        """Return the value at a weighted finding rate."""
        share = weight / max(float(weight.sum()), np.finfo(float).tiny)
        rate = float(share @ self.found)
        return _Estimate(rate * self.most, share * (self.found - rate) * self.most, weight, holds_if, gaps)

    def total(self, weight: Floats, expected: Floats, holds_if: str, gaps: list[Gap]) -> _Estimate:
        """Return what a model expects of everybody, and the weighted sum of what it gets wrong."""
        per = 1000 / len(self.target)
        residual = per * weight * (self.found - expected[self.place])
        return _Estimate(
            per * float(self.target * self.there @ expected) + float(residual.sum()), residual, weight, holds_if, gaps
        )

    def row(self, one: _Estimate, confidence: float) -> dict[str, Any]:
        """Return an estimate as a line of the table."""
        use = one.weight > 0
        by_enterprise = np.bincount(self.owner, one.residual) if len(self.owner) else np.zeros(1)
        squares = by_enterprise**2
        value, se = one.value, float(np.sqrt(squares.sum()))
        freedom = 2 * se**4 / float((squares**2).sum()) if se > 0 else float("nan")
        if one.gaps:
            value = se = freedom = float("nan")
        low, high = _interval(value, se, freedom, self.most, confidence)
        size = effective_size(one.weight)
        return {
            "value": value, "low": low, "high": high, "se": se, "freedom": freedom,
            "per_opportunity": value / self.mean if self.mean else float("nan"),
            "n": int(use.sum()), "findings": int(self.found[use].sum()), "effective_size": size,
            "largest_share": float(one.weight.max() / one.weight.sum()) if size else float("nan"),
            "holds_if": one.holds_if, "refused": "; ".join(map(str, one.gaps)),
        }  # fmt: skip

    def strata(self, confidence: float) -> pd.DataFrame:
        """Return the random audits of each tier, and the rate of all inspections beside theirs."""
        rows = []
        for tier in sorted(set(self.tier)):
            here, mine = self.tier == tier, self.tier[self.place] == tier
            audits, findings = int((mine & self.audit).sum()), int(self.found[mine & self.audit].sum())
            few = findings < FEWEST_FINDINGS
            low, high = wilson_interval(findings, audits, confidence)
            told = (float("nan"),) * 3 if few else (findings / audits, float(low), float(high))
            rows.append({
                "tier": tier, "obligations": int(here.sum()), "opportunities": float(self.target[here].sum()),
                "audits": audits, "findings": findings, "rate": told[0], "low": told[1], "high": told[2],
                "naive_rate": float(self.found[mine].mean()) if mine.any() else float("nan"),
                "naive_n": int(mine.sum()),
                "refused": f"{findings} findings, under {FEWEST_FINDINGS}" if few else "",
            })  # fmt: skip
        return pd.DataFrame(rows).set_index("tier")


def _interval(value: float, se: float, freedom: float, mean: float, confidence: float) -> tuple[float, float]:
    """Return Wilson's interval at the effective size that gives this error; outside 0 … mean, Student's."""
    wide = float(t.ppf(0.5 + confidence / 2, freedom)) if se > 0 else 0.0
    if se > 0 and 0 < value < mean:
        wider = wide / float(norm.ppf(0.5 + confidence / 2))
        rate = value / mean
        size = rate * (1 - rate) * (mean / (se * wider)) ** 2
        low, high = wilson_interval(rate * size, size, confidence)
        return float(low) * mean, float(high) * mean
    return value - wide * se, value + wide * se


def policy_value(
    given: Logged, *, model: Any = None, folds: int = 5, confidence: float = 0.95, seed: int = 0
) -> PolicyValue:
    """Estimate a policy's value with every estimator of this module's heading.

    Parameters
    ----------
    given : Logged
        As from `tierkit.evaluate.logged`.
    model : classifier, optional
        Outcome model of the doubly robust estimator, with ``fit(X, y)`` and ``predict_proba``; a logistic
        regression if absent. Where a fit would see one class only, its rate stands in.
    folds : int
        Folds of enterprises, at least 2.
    confidence : float
    seed : int
        Lot by which enterprises fall into folds.

    Returns
    -------
    PolicyValue

    Raises
    ------
    OverlapError
        If neither the random audits alone nor those together with routine inspections can tell the value.

    Examples
    --------
    >>> import tierkit.synth, tierkit.policy
    >>> from tierkit.evaluate import logged
    >>> load = tierkit.policy.Policy.load
    >>> practice = load("legacy").reform({"frequency.random_floor": 1.0}, name="practice")
    >>> data, world = tierkit.synth.make(300, seed=1, policy=practice)
    >>> scored = data["enterprises"][["enterprise_id", "sector"]].assign(risk_probability=0.1, credit_points=600)
    >>> given = logged(data, scored, load("shanghai-2025"), "2024-07-01", practice=practice)
    >>> policy_value(given).table.loc["random", ["n", "holds_if"]].tolist()
    [..., 'design']
    """
    sample = _Sample(given)
    weighed = weigh(given)
    pull = sample.target[sample.place]
    audits, drawn = np.where(sample.audit, pull, 0.0), weighed.weight * pull
    base = given.obligations
    random = base["random"].to_numpy(np.float64)
    either = (
        random + base["routine"].fillna(0.0).to_numpy(np.float64) if "routine" in weighed.channels else random
    )
    told, gaps = {}, {}
    for name, chance, weight in (("random", random, audits), ("+".join(weighed.channels), either, drawn)):
        told[name], gaps[name] = overlap(sample.target, chance, weight[weight > 0], base["tier"])
        few = int(sample.found[weight > 0].sum())
        if few < FEWEST_FINDINGS:
            remedy = "use a longer window or more random audits"
            gaps[name].append(Gap(name, f"{few} findings, under {FEWEST_FINDINGS}", remedy))
    if all(gaps.values()):
        raise OverlapError(list(dict.fromkeys(gap for some in gaps.values() for gap in some)))
    against = gaps["+".join(weighed.channels)]
    holds = "design" if weighed.channels == ("random",) else "records" if given.on_records else "not claimed"
    expected = expected_findings(given, drawn > 0, model, folds, seed)
    estimates = (
        sample.naive(),
        sample.ratio(audits, "design", gaps["random"]),
        sample.total(drawn, np.zeros(len(base)), holds, against),
        sample.ratio(drawn, holds, against),
        sample.total(drawn, expected, holds, against),
    )
    return PolicyValue(
        policy=given.policy,
        practice=given.practice,
        obligations=len(base),
        enterprises=int(base["enterprise_id"].nunique()),
        opportunities=sample.mean,
        table=pd.DataFrame(
            [sample.row(one, confidence) for one in estimates], index=list(ESTIMATORS)
        ).rename_axis("estimator"),
        strata=sample.strata(confidence),
        overlap=pd.DataFrame(told).T.rename_axis("channels"),
        notes=weighed.notes,
        confidence=confidence,
    )
