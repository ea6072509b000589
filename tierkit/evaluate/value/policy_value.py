"""Estimate what a policy would find, from inspections that practice selected (off-policy evaluation).

**What is estimated.** The findings per 1,000 obligations to be expected if the policy gave out its audit
opportunities of the next 180 days, one at most to an obligation, with states and tiers frozen as of the date:

    V = 1000 / N · Σ_i target_i · μ_i

N is the number of obligations open on the date. ``target_i`` is the probability that the policy's lots draw
obligation i at least once within the window, by its tier, class, sector, lists and rates on the date
(`tierkit.evaluate.value.opportunities`); it is not rescaled, so a policy that draws twice as many may find
twice as much, and the opportunities stand beside the findings. ``μ_i`` is the mean over the weeks of the
window of the probability that one standard audit (on site, at reference depth, by an inspector drawn by lot)
finds at least a minor violation; after an enterprise has left the register, nothing is found. Frozen means
that the policy changes nobody's conduct: states are those that went with the practice in force. What the
policy would bring about by itself, deterrence and all, is simulation.

**From what.** Every inspection of the window has a channel; equal-chance audits and routine inspections have
the weekly probability q of their draw and the share s of draws that were served. In each week the draw is
independent of the state it meets, so with ``w = λ / (T q s)`` and T weeks, the sum of ``w · found`` over the
inspections of i has expectation μ_i (`tierkit.evaluate.value.weighting`). λ shares an obligation out between
its channels, by their effective sizes, where both could draw it. A routine draw that meets an audit's in the
same week goes by the audit's name, for which q is corrected. ``there`` is the share of the window in which an
obligation was open, which is known by its end.

==================  ==========================================================================
naive               finding rate of all on-site inspections of the tier, however they came about
random              Σ target·found / Σ target over the equal-chance audits, times the mean of target·there
ipw                 Σ target·w·found (Horvitz and Thompson 1952)
self_normalised     Σ target·w·found / Σ target·w, times the mean of target·there (Hájek 1971)
doubly_robust       Σ target·there·m(x) over everybody + Σ target·w·(found − m(x)) over the inspected, m
                    fitted without the enterprise's fold (Robins, Rotnitzky and Zhao 1994; Chernozhukov
                    and others 2018)
==================  ==========================================================================

``random`` holds whatever inspectors choose on. The next three hold if they choose on what the records hold;
``naive`` holds if there is no selection at all.

**How sure.** The register is finite and known as a whole; what is random is who was drawn and what was
detected. The variance is the sum over enterprises of the squared sum of weighted residuals. It takes the
draws of an enterprise for dependent; where each week draws anew and much of the register is drawn, that is
on the safe side. Intervals are Wilson's, at the effective number of inspections that gives this variance
(Franco and others 2019), since sums of few findings are skewed. Where few enterprises make most of the
variance, it is itself uncertain: with u the residual sums, it has about 2 (Σ u²)² / Σ u⁴ degrees of freedom
(Satterthwaite 1946), and the effective number shrinks by the square of Student's quantile over the normal one
(Korn and Graubard 1998). Fewer than ten findings are refused, and so are fewer than two enterprises, weights
that stand for far fewer or far more opportunities than there are, and a value below 0 or above the most that
can be found, something at every opportunity. Refusing selects: of windows with ten findings or so, those that
are shown found more than others would have, and lie somewhat high on average, which is said where findings
are few.

**Held against each other.** What rests on the records is held against the equal-chance audits alone
(`PolicyValue.contrast`; the idea is Hausman's, 1978), with the variance of the difference by enterprise, as
both share inspections.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.evaluate.value.evidence import Logged
from tierkit.evaluate.value.outcome_model import expected_findings
from tierkit.evaluate.value.overlap import FEWEST_FINDINGS, Gap, OverlapError, overlap
from tierkit.evaluate.value.sample import Sample
from tierkit.evaluate.value.weighting import weigh
from tierkit.results import Result
from tierkit.texts import interval, number, policy_label, signed, text

__all__ = ["ESTIMATORS", "PolicyValue", "policy_value"]

_FEW = 3 * FEWEST_FINDINGS  # below which refusing those with few leaves those shown somewhat high
_MOST_OFF = 2.0  # weights sum to the opportunities on average: not to half or twice, and 4 errors off
ESTIMATORS = ("naive", "random", "ipw", "self_normalised", "doubly_robust")


@dataclass(frozen=True, repr=False)
class PolicyValue(Result):
    """Estimates of a policy's value.

    Attributes
    ----------
    policy, practice : str
    obligations, enterprises : int
    opportunities : float
        Audit opportunities per 1,000 obligations that the policy gives out.
    table : DataFrame
        By estimator: ``value`` with ``low``, ``high`` and ``se`` (findings per 1,000 obligations), the
        degrees of ``freedom`` of ``se``, ``per_opportunity`` (findings an opportunity), ``n``, ``findings``,
        ``effective_size``, ``largest_share`` (of one inspection in all weight), ``holds_if`` (``no
        selection``, ``design``, ``records``, ``not claimed``) and ``refused`` (why there is no number; empty
        where there is one).
    strata : DataFrame
        By tier: obligations, opportunities, equal-chance audits and their findings, their finding rate with
        Wilson's interval (refused under ten findings), and the rate of all inspections beside it.
    overlap : DataFrame
        By set of channels: what `tierkit.evaluate.value.overlap` tells.
    notes : tuple of str
        What was left out, and why.
    confidence : float
    contrast : DataFrame
        By estimator that rests on the records: its ``difference`` from ``random`` with ``low`` and ``high``,
        for all of them at once, and whether it ``differs`` by more than chance: then inspectors chose by what
        no record holds, or the chances are wrong, and ``random`` alone is to be relied on. That it does not
        differ shows little where intervals are wide.
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
    contrast: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __repr__(self) -> str:
        """Return the policy and what it rests on, as one line."""
        return f"PolicyValue({self.policy!r}, {self._size})"

    @property
    def _size(self) -> str:
        return f"{self.obligations:,} obligations of {self.enterprises:,} enterprises"

    def summary(self) -> pd.DataFrame:
        """Return each estimator's value and interval, findings per 1,000 obligations."""
        return self.table[["value", "low", "high", "n", "findings", "effective_size", "holds_if", "refused"]]

    def to_frame(self) -> pd.DataFrame:
        """Return `summary` with the estimator as a column."""
        return self.summary().rename_axis("estimator").reset_index()

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return each estimate with its interval, or that it is refused."""
        n = {"obligations": number(self.obligations), "enterprises": number(self.enterprises)}
        said = [text("value.head", lang, policy=policy_label(self.policy, lang), **n)]
        for name, row in self.table.iterrows():
            told = {"estimator": text(f"estimator.{name}", lang), "value": number(row["value"], 2)}
            ends = interval(row["low"], row["high"], 2)
            said.append(
                text("value.refused" if row["refused"] else "value.said", lang, interval=ends, **told)
            )
        shown = self.table[self.table["refused"] == ""]
        if (shown["findings"] < _FEW).any():
            said.append(text("value.selected", lang, fewest=FEWEST_FINDINGS))
        return [*said, *self.warnings(lang)]

    def warnings(self, lang: str = "zh") -> list[str]:
        """Return of each estimate that rests on the records how far it is from equal-chance audits alone."""
        return [
            text(
                f"value.contrast.{'differs' if row['differs'] else 'alike'}", lang,
                estimator=text(f"estimator.{name}", lang), difference=signed(row["difference"], 2),
                interval=interval(row["low"], row["high"], 2, sign=True),
            )
            for name, row in self.contrast.iterrows()
        ]  # fmt: skip

    def shown(self, lang: str = "en") -> pd.DataFrame:
        """Return what `tierkit.plot.estimates` draws: ``label``, ``value``, ``low``, ``high``, ``n``."""
        names = [text(f"estimator.{name}", lang) for name in self.table.index]
        return self.table[["value", "low", "high", "n"]].reset_index(drop=True).assign(label=names)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON, NaN as None."""
        plain = {"policy", "practice", "obligations", "enterprises", "opportunities", "confidence", "notes"}
        frames = {
            name: getattr(self, name).reset_index() for name in ("table", "strata", "overlap", "contrast")
        }
        return {
            "unit": "findings per 1,000 obligations",
            **{name: getattr(self, name) for name in sorted(plain)},
            **{
                name: frame.astype(object).where(frame.notna(), None).to_dict("records")
                for name, frame in frames.items()
            },
        }

    def _repr_html_(self) -> str:
        head = (
            f"<p><b>{html.escape(self.policy)}</b>: findings per 1,000 obligations, "
            f"{self.opportunities:.1f} opportunities per 1,000; n = {self._size}; "
            f"{self.confidence:.0%} intervals</p>"
        )
        return head + self.summary().to_html(float_format="{:.3g}".format)


def policy_value(
    given: Logged, *, model: Any = None, folds: int = 5, confidence: float = 0.95, seed: int = 0
) -> PolicyValue:
    """Estimate a policy's value with every estimator listed in this module's docstring.

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
        Seed of the assignment of enterprises to folds.

    Returns
    -------
    PolicyValue

    Raises
    ------
    OverlapError
        If neither the equal-chance audits alone nor those together with routine inspections can tell the
        value.

    Examples
    --------
    >>> import tierkit.city.synth, tierkit.policy
    >>> from tierkit.evaluate import logged
    >>> load = tierkit.policy.Policy.load
    >>> practice = load("legacy").reform({"frequency.random_floor": 1.0}, name="practice")
    >>> data, world = tierkit.city.synth.make(300, seed=1, policy=practice)
    >>> scored = data["enterprises"][["enterprise_id", "sector"]]
    >>> scored = scored.assign(risk_probability=0.1, credit_points=600)
    >>> given = logged(data, scored, load("shanghai-2025"), "2024-07-01", practice=practice)
    >>> policy_value(given).table.loc["random", ["n", "holds_if"]].tolist()
    [..., 'design']
    """
    if not 0 < confidence < 1:
        raise ValueError(f"The 'confidence' must be in (0, 1). Got {confidence}.")
    sample = Sample(given)
    weighed = weigh(given)
    pull = sample.target[sample.place]
    audits, drawn = sample.audits() * pull / given.weeks, weighed.weight * pull
    base = given.obligations
    random = base["random"].to_numpy(np.float64)
    either = (
        random + base["routine"].fillna(0.0).to_numpy(np.float64) if "routine" in weighed.channels else random
    )
    told, gaps = {}, {}
    for name, chance, weight in (("random", random, audits), ("+".join(weighed.channels), either, drawn)):
        told[name], gaps[name] = overlap(sample.target, chance, weight[weight > 0], base["tier"])
        gaps[name] += _not_standing(name, weight, float(sample.target @ sample.there))
        few = int(sample.found[weight > 0].sum())
        if few < FEWEST_FINDINGS:
            remedy = "use a longer window or more equal-chance audits"
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
    table = pd.DataFrame([sample.row(one, confidence) for one in estimates], index=list(ESTIMATORS))
    named = dict(zip(ESTIMATORS, estimates, strict=True))
    beside = [name for name in ESTIMATORS[2:] if not (table.loc[["random", name], "refused"] != "").any()]
    apart = {name: sample.apart(named[name], named["random"], confidence, len(beside)) for name in beside}
    return PolicyValue(
        policy=given.policy,
        practice=given.practice,
        obligations=len(base),
        enterprises=int(base["enterprise_id"].nunique()),
        opportunities=sample.mean,
        table=table.rename_axis("estimator"),
        strata=sample.strata(confidence),
        overlap=pd.DataFrame(told).T.rename_axis("channels"),
        notes=weighed.notes,
        confidence=confidence,
        contrast=pd.DataFrame.from_dict(apart, orient="index").rename_axis("estimator"),
    )


def _not_standing(name: str, weight: NDArray[np.float64], opportunities: float) -> list[Gap]:
    """Return a gap if the weights sum to under half or over twice the opportunities, their sum on average."""
    total, error = float(weight.sum()), float(np.sqrt((weight**2).sum()))
    near = opportunities / _MOST_OFF < total < opportunities * _MOST_OFF
    if near or abs(opportunities - total) < 4 * error:
        return []
    remedy = "see that all inspections are in the records, once each, with the chance of each draw"
    return [Gap(name, f"weights stand for {total / opportunities:.0%} of the opportunities", remedy)]
