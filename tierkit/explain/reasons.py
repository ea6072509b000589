"""Reasons of one enterprise: its tier, the rule behind it, and the facts behind both scores, in words."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import logit

from tierkit import texts
from tierkit.explain.evidence import Record, records_of
from tierkit.explain.listing import Listing, listing_of
from tierkit.explain.trees.contributions import contributions, points_lost
from tierkit.features import BY_NAME, GROUPS, is_structure
from tierkit.policy import Policy
from tierkit.policy.tiers import is_risk_alone, sentences
from tierkit.records import SHANGHAI, TIER_NAMES, TIERS, Label, Place
from tierkit.results import Result
from tierkit.scores.basis import credit_basis
from tierkit.scores.expert import CreditCard
from tierkit.scores.manifest import stated_credit
from tierkit.scores.risk import RiskModel

__all__ = ["AXES", "Reason", "Reasons", "plain_value", "reasons"]

AXES = ("risk", "credit")
_BY_RECORD = ("red_line", "red_line_tier", "escalated")
"""Rules of a tier that name a record."""
_MAY_LACK = ("distance_risk", "distance_credit", "credit_best", "credit_points")
NAMED = 3
"""Records that a sentence names; it counts the rest."""


@dataclass(frozen=True)
class Reason:
    """One fact and its effect on one score.

    Attributes
    ----------
    axis : {"risk", "credit"}
    feature : str
        Id of the feature.
    group : str
        ``structure``, ``conduct`` or ``complaints``.
    value : float or str or None
        The fact's value in the feature's unit, or the id of a level.
    effect : float
        Log-odds added to the risk margin; or points taken off the credit (below 0), or added by a merit
        (above 0).
    composite : float or None
        The same in points of the composite score, where the policy has one.
    records : tuple of Record
        The records behind the value, the latest first, where they were asked for.
    """

    axis: str
    feature: str
    group: str
    value: float | str | None
    effect: float
    composite: float | None = None
    records: tuple[Record, ...] = ()

    def fact(self, lang: str, place: Place = SHANGHAI) -> str:
        """Return the fact in words, with its number and unit; levels as the place calls them."""
        feature = BY_NAME.get(self.feature)
        return feature.sentence(self.value, lang, place) if feature else f"{self.feature} = {self.value}"

    def sentence(self, lang: str, place: Place = SHANGHAI) -> str:
        """Return the fact and its effect as one sentence."""
        fact = self.fact(lang, place).rstrip("。. ")
        return texts.text("reason.sentence", lang, fact=fact, by=self.by(lang))

    def behind(self, lang: str, most: int = NAMED) -> str:
        """Return the records behind the fact as a sentence that names some of them, or nothing.

        The enterprise's own row of the register goes without saying.
        """
        own = [record for record in self.records if record.table != "enterprises"]
        if not own:
            return ""
        named = texts.join((record.text(lang) for record in own[:most]), lang)
        if len(own) > most:
            named = texts.text("record.more", lang, records=named, n=len(own) - most)
        return texts.text("record.behind", lang, records=named)

    def by(self, lang: str) -> str:
        """Return the effect in words."""
        if self.axis == "risk":
            direction = "reason.raises" if self.effect > 0 else "reason.lowers"
            return texts.text(direction, lang, value=texts.number(abs(self.effect), 2))
        change = "reason.adds" if self.effect > 0 else "reason.costs"
        return texts.text(change, lang, value=texts.number(abs(self.effect), 1))


@dataclass(frozen=True, kw_only=True, repr=False)
class Reasons(Result):
    """Why an enterprise is in its tier.

    Each score is a sum of its own: ``risk_base`` plus the risk reasons is ``risk_margin``, and
    ``credit_best`` plus the credit reasons is ``credit_points``. Only a composite policy has one sum.

    Attributes
    ----------
    enterprise_id : str
    policy : str
        Name of the policy.
    tier, credit_grade, tier_reason : str
        The grade is empty where tiers go by risk alone.
    risk_level : int
    rule : Label
        The rule that gave the tier, as a sentence.
    reasons : tuple of Reason
        Of both scores: conduct and complaints, the strongest first, then structure, what the enterprise is;
        those without any effect are left out.
    risk_base, risk_margin, risk_probability : float
        Average margin, own margin (log-odds before calibration), calibrated probability.
    risk_boundaries : tuple of float
        Margins at which the policy's risk level changes.
    credit_best, credit_points : float
        Points of an enterprise that loses none and has no merit, and own points; NaN where the model gives no
        credit.
    credit_boundaries : tuple of float
        Points at which the policy's credit grade changes in the enterprise's sector.
    composite : tuple of float or None
        Start, rounding and sum of the composite score, where the policy has one.
    distance_risk, distance_credit : float
        Signed move of either score to where the tier changes; NaN if nothing changes it.
    buffered : bool
        Whether the hysteresis that keeps a last tier is part of these distances.
    unmonitored, held : bool
        On the list of those that get no planned inspection; kept by hysteresis or dwell.
    names : tuple of Label
        What the policy calls the tiers, from T1 on.
    listed : Listing or None
        How it came on the list, or that nobody told; None under a policy without one.
    flags : tuple of str
        What the models had not seen when they were trained.
    credit_from : mapping
        What a manifest says of credit that was not fitted on records; empty of one that was.
    background : int or None
        Enterprises against which the reasons of risk are measured (interventional values); None where they
        are path-dependent.
    lang : {"zh", "en"}
        Language of `_repr_html_`.
    place : Place
        The place whose sectors and other levels the facts name; not part of `to_dict`.
    """

    enterprise_id: str
    policy: str
    tier: str
    risk_level: int
    credit_grade: str
    tier_reason: str
    rule: Label
    reasons: tuple[Reason, ...]
    risk_base: float
    risk_margin: float
    risk_probability: float
    risk_boundaries: tuple[float, ...]
    credit_best: float
    credit_points: float
    credit_boundaries: tuple[float, ...]
    composite: tuple[float, float, float] | None
    distance_risk: float
    distance_credit: float
    buffered: bool = False
    unmonitored: bool
    held: bool
    flags: tuple[str, ...]
    credit_from: Mapping[str, Any] = field(default_factory=dict)
    background: int | None = None
    listed: Listing | None = None
    names: tuple[Label, ...] = TIER_NAMES
    lang: str = "zh"
    place: Place = SHANGHAI

    def __repr__(self) -> str:
        """Return the tier and the number of reasons, as one line."""
        return (
            f"Reasons({self.enterprise_id}: {self.tier} under {self.policy}, "
            f"{len(self.of('risk'))} risk and {len(self.of('credit'))} credit reasons)"
        )

    def of(self, axis: str) -> tuple[Reason, ...]:
        """Return the reasons of one score: conduct and complaints, the strongest first, then structure."""
        return tuple(reason for reason in self.reasons if reason.axis == axis)

    def table(self, lang: str | None = None) -> pd.DataFrame:
        """Return all reasons as a table.

        Returns
        -------
        DataFrame
            ``axis``, ``feature``, ``group``, ``fact`` (in words), ``value``, ``effect``, ``unit`` and, for
            a composite policy, ``composite`` (points of the composite score), and, where they were asked
            for, ``records`` (ids and dates of all records behind the fact).
        """
        lang = lang or self.lang
        units = {"risk": "log-odds", "credit": "points"}
        rows = [
            {
                "axis": reason.axis,
                "feature": reason.feature,
                "group": GROUPS[reason.group].text(lang),
                "fact": reason.fact(lang, self.place),
                "value": reason.value,
                "effect": reason.effect,
                "unit": texts.text(f"unit.{units[reason.axis]}", lang),
                "composite": reason.composite,
                "records": texts.join((f"{one.record_id} ({one.day(lang)})" for one in reason.records), lang),
            }
            for reason in self.reasons
        ]
        columns = ["axis", "feature", "group", "fact", "value", "effect", "unit"]
        columns += ["composite"] if self.composite else []
        columns += ["records"] if any(reason.records for reason in self.reasons) else []
        return pd.DataFrame(rows, columns=columns)

    def to_frame(self) -> pd.DataFrame:
        """Return all reasons, as `table` does."""
        return self.table()

    def groups(self, axis: str) -> dict[str, float]:
        """Return the sum of the effects of each group of features on one score."""
        return {group: sum(r.effect for r in self.of(axis) if r.group == group) for group in GROUPS}

    def sentences(self, lang: str | None = None, top: int = 5, *, records: bool = False) -> list[str]:
        """Return the explanation as sentences for an official document, with facts, numbers and units.

        Parameters
        ----------
        lang : {"zh", "en"}, optional
        top : int, default=5
            Facts of each score.
        records : bool, default=False
            Whether to name the records behind each fact.
        """
        lang = lang or self.lang
        return [
            self.rule.text(lang),
            *filter(None, [self.unfounded_sentence(lang), self.list_sentence(lang)]),
            *(self.distance_sentence(axis, lang) for axis in self.axes),
            self.risk_sentence(lang),
            *self._facts("risk", lang, top, records),
            self.credit_sentence(lang),
            *(credit_basis(self.credit_from, lang) if self.has_credit else []),
            *self._facts("credit", lang, top, records),
        ]

    @property
    def axes(self) -> tuple[str, ...]:
        """The scores that can change the tier: both, or risk alone."""
        return AXES if self.credit_grade else AXES[:1]

    @property
    def has_credit(self) -> bool:
        """Whether the model gives credit points."""
        return bool(np.isfinite(self.credit_points))

    def tier_name(self, tier: str | None = None) -> Label:
        """Return what the policy calls a tier, that of the enterprise if none is given."""
        return self.names[TIERS.index(tier or self.tier)]

    @property
    def founded(self) -> bool:
        """Whether a record of conduct or a complaint counts against the enterprise, on either score."""
        if self.tier_reason in _BY_RECORD:
            return True
        return any(
            (one.effect > 0) == (one.axis == "risk")
            and not is_structure(one.feature)
            and one.value is not None
            and one.value != BY_NAME[one.feature].absent
            for one in self.reasons
            if one.feature in BY_NAME
        )

    def unfounded_sentence(self, lang: str) -> str:
        """Return that the worst tier rests on no record against the enterprise; nothing where it does."""
        worst = self.tier == TIERS[-1] and not self.founded
        return texts.text("reason.unfounded", lang, tier=self.tier) if worst else ""

    def list_sentence(self, lang: str) -> str:
        """Return whether and why the enterprise is on an unmonitored list; nothing where there is none."""
        return "" if self.listed is None else self.listed.sentence(lang, self.place)

    def risk_sentence(self, lang: str) -> str:
        """Return the risk in one sentence."""
        probability = texts.percent(self.risk_probability, 1)
        margin, base = texts.number(self.risk_margin, 2), texts.number(self.risk_base, 2)
        level = texts.number(self.risk_level)
        return texts.text("reason.risk", lang, probability=probability, level=level, margin=margin, base=base)

    def game_sentence(self, lang: str) -> str:
        """Return which kind of Shapley values the reasons of risk are, and what average they start from."""
        if self.background is None:
            return texts.text("reason.game.path", lang)
        return texts.text("reason.game.background", lang, n=texts.number(self.background))

    def credit_sentence(self, lang: str) -> str:
        """Return the credit in one sentence, or that there is none."""
        if not self.has_credit:
            return texts.text("reason.credit.none", lang)
        points, best = texts.number(self.credit_points, 1), texts.number(self.credit_best, 1)
        gained = sum(reason.effect for reason in self.of("credit") if reason.effect > 0)
        said = {"points": points, "grade": self.credit_grade, "best": best}
        if not self.credit_grade:
            return texts.text("reason.credit.uncounted", lang, points=points)
        said["lost"] = texts.number(self.credit_best + gained - self.credit_points, 1)
        if gained:
            return texts.text("reason.credit.merits", lang, gained=texts.number(gained, 1), **said)
        return texts.text("reason.credit", lang, **said)

    def distance_sentence(self, axis: str, lang: str) -> str:
        """Return the distance of one score from the nearest change of tier, in words."""
        distance = self.distance_risk if axis == "risk" else self.distance_credit
        if not np.isfinite(distance):
            return texts.text(f"reason.distance.{axis}.none", lang)
        way = "rise" if distance > 0 else "fall"
        digits = 2 if axis == "risk" else 1
        shown = texts.number(abs(distance), digits)
        if 0 < abs(distance) < 0.5 * 10**-digits:
            shown = texts.text("reason.distance.least", lang, value=texts.number(10**-digits, digits))
        sentence = texts.text(f"reason.distance.{axis}.{way}", lang, value=shown)
        included = self.buffered and distance != 0
        return texts.text("reason.distance.buffered", lang, sentence=sentence) if included else sentence

    def _facts(self, axis: str, lang: str, top: int, records: bool) -> list[str]:
        chosen = self.of(axis)
        shown = [
            texts.paragraph(
                filter(None, (reason.sentence(lang, self.place), reason.behind(lang) if records else "")),
                lang,
            )
            for reason in chosen[:top]
        ]
        if len(chosen) > top:
            rest = sum(reason.effect for reason in chosen[top:])
            digits = 2 if axis == "risk" else 1
            n = len(chosen) - top
            shown.append(texts.text(f"reason.rest.{axis}", lang, n=n, value=texts.signed(rest, digits)))
        return shown

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; `from_dict` reads it back."""
        data = asdict(self)
        del data["place"]
        if not self.credit_from:
            del data["credit_from"]
        data["rule"] = self.rule._asdict()
        for plain, reason in zip(data["reasons"], self.reasons, strict=True):
            plain["records"] = [record._asdict() for record in reason.records]
        for name in _MAY_LACK:
            data[name] = data[name] if np.isfinite(data[name]) else None
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], place: Place = SHANGHAI) -> Self:
        """Return the reasons that `to_dict` wrote; they are of that place."""
        known = {**data, "place": place}
        known["rule"] = Label(**data["rule"])
        known["reasons"] = tuple(
            Reason(**{**reason, "records": tuple(Record(**one) for one in reason.get("records", ()))})
            for reason in data["reasons"]
        )
        for name in ("risk_boundaries", "credit_boundaries", "flags"):
            known[name] = tuple(data[name])
        known["names"] = tuple(Label(*one) for one in data.get("names", TIER_NAMES))
        known["listed"] = Listing.from_dict(data["listed"]) if data.get("listed") else None
        known["composite"] = tuple(data["composite"]) if data["composite"] else None
        for name in _MAY_LACK:
            known[name] = float("nan") if data[name] is None else data[name]
        return cls(**known)

    def _repr_html_(self) -> str:
        tier = f"{self.tier} {self.tier_name().text(self.lang)}"
        first, *rest = self.sentences()
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in rest)
        name = html.escape(texts.plain(self.enterprise_id, 40))
        return (
            f"<p><b>{html.escape(tier)}</b> · <code>{name}</code><br>{html.escape(first)}</p><ul>{items}</ul>"
        )


def reasons(
    risk: RiskModel,
    credit: CreditCard,
    X: pd.DataFrame,
    assigned: pd.DataFrame,
    policy: Policy,
    enterprise_id: str,
    *,
    lang: str = "zh",
    records: pd.DataFrame | None = None,
    background: pd.DataFrame | None = None,
) -> Reasons:
    """Return why one enterprise is in its tier.

    Parameters
    ----------
    risk : RiskModel
    credit : CreditScorecard, ExpertCard or NoCredit
    X : DataFrame
        Features, indexed by ``enterprise_id``.
    assigned : DataFrame
        `tierkit.policy.tiers.assign` of the scores that these models give, under `policy`.
    policy : Policy
    enterprise_id : str
    lang : {"zh", "en"}, default="zh"
        Language in which a notebook shows it; every method takes another.
    records : DataFrame, optional
        As from `tierkit.explain.evidence` on the date of `X`, to name the records behind each reason.
    background : DataFrame, optional
        Features of the enterprises against which risk is measured, as from
        `tierkit.explain.trees.background`; without them its values are path-dependent.

    Returns
    -------
    Reasons

    Raises
    ------
    KeyError
        If the enterprise has no features or no tier.
    AdditivityError
        If the reasons of a score do not add up to it within 1e-9.

    Examples
    --------
    >>> from tierkit.policy.tiers import assign
    >>> X = pd.DataFrame({"findings_1y": np.repeat([0.0, 3.0], 200)}, index=[f"e{i}" for i in range(400)])
    >>> y = np.r_[np.repeat([0, 1], [180, 20]), np.repeat([0, 1], [100, 100])]
    >>> from tierkit.scores.scorecard import CreditScorecard
    >>> risk, credit = RiskModel(n_trees=20).fit(X, y), CreditScorecard().fit(X, y)
    >>> scores = pd.DataFrame({"enterprise_id": X.index, "sector": "food"})
    >>> scores["risk_probability"], scores["credit_points"] = risk.predict_proba(X)[:, 1], credit.points(X)
    >>> jiading = Policy.load("jiading-2025")
    >>> why = reasons(risk, credit, X, assign(scores, jiading), jiading, "e399")
    >>> why.of("risk")[0].fact("en")
    'Inspections with a finding in the past year: 3.'
    """
    row = X.loc[[enterprise_id]] if enterprise_id in X.index else X.iloc[:0]
    tier = assigned[assigned["enterprise_id"] == enterprise_id]
    if row.empty or tier.empty:
        lacking = "features" if row.empty else "tier"
        shown = texts.plain(enterprise_id, 40)
        raise KeyError(f"The enterprise '{shown}' has no {lacking}. Give one that was on the register.")
    values, base = contributions(risk, row, background)
    losses = points_lost(credit, row)
    margin = float(risk.margin(row[list(risk.inputs_.names)])[0])
    best = float("nan") if credit.kind == "none" else losses.best
    points = best - float(losses.lost.to_numpy().sum())
    calibrated = risk.calibration_
    own, average = (float(calibrated.log_odds([m])[0]) for m in (margin, base))
    # The calibration bends the margin; each reason is stretched alike, so that they still add up.
    stretch = (own - average) / (margin - base) if margin != base else 0.0
    one_sum = policy["scoring.logic"] == "composite"
    risk_weight = -policy["scoring.composite_risk_weight"] * stretch if one_sum else None
    credit_weight = policy["scoring.composite_credit_weight"] if one_sum else None
    found = [
        *_collect("risk", dict(zip(risk.inputs_.names, values[0], strict=True)), row, risk_weight),
        *_collect(
            "credit",
            {str(name): -float(lost) for name, lost in losses.lost.iloc[0].items()},
            row,
            credit_weight,
        ),
    ]
    behind = {} if records is None else records_of(records, enterprise_id)
    found = [replace(reason, records=behind.get(reason.feature, ())) for reason in found]
    known = tier.iloc[0].to_dict()
    of_sector = policy.place is not None and "sector" in row
    offset = policy[f"scoring.sector_offset.{row['sector'].iloc[0]}"] if of_sector else 0.0
    composite = None
    if one_sum and np.isfinite(known["composite_points"]):
        start = policy["scoring.composite_credit_weight"] * (losses.best + offset)
        start -= policy["scoring.composite_risk_weight"] * average
        total = float(known["composite_points"])
        composite = (start, total - start - sum(r.composite or 0.0 for r in found), total)
    return Reasons(
        enterprise_id=enterprise_id,
        policy=policy.name,
        tier=str(known["tier"]),
        risk_level=int(known["risk_level"]),
        credit_grade="" if pd.isna(known["credit_grade"]) else str(known["credit_grade"]),
        tier_reason=str(known["tier_reason"]),
        rule=Label(*(sentences(tier, policy, each).iloc[0] for each in ("zh", "en"))),
        reasons=tuple(found),
        risk_base=base,
        risk_margin=margin,
        risk_probability=float(calibrated.probability([margin])[0]),
        risk_boundaries=_margins(risk, policy["scoring.risk_cutoffs"]),
        credit_best=best,
        credit_points=points,
        credit_boundaries=tuple(
            float(cut) - offset for cut in (() if is_risk_alone(policy) else policy["scoring.credit_cutoffs"])
        ),
        composite=composite,
        distance_risk=float(known["distance_risk"]),
        distance_credit=float(known["distance_credit"]),
        buffered=bool(known["buffered"]),
        unmonitored=bool(known["unmonitored"]),
        names=policy.tier_names,
        listed=listing_of(policy, enterprise_id, on=bool(known["unmonitored"])),
        held=bool(known["held"]),
        flags=_flags(risk, credit, row),
        credit_from={} if credit.kind == "records" else stated_credit(credit),
        background=None if background is None else len(background),
        lang=lang,
        place=policy.place or SHANGHAI,
    )


def _collect(
    axis: str, effects: Mapping[str, float], row: pd.DataFrame, weight: float | None
) -> Iterable[Reason]:
    """Return the reasons of a score that have any effect, in the order of `Reasons`."""
    ordered = sorted(effects.items(), key=lambda item: (is_structure(item[0]), -abs(item[1])))
    for name, effect in ordered:
        if effect:
            kept = plain_value(row[name].iloc[0])
            composite = None if weight is None else float(effect) * weight
            group = BY_NAME[name].group if name in BY_NAME else "structure"
            yield Reason(axis, name, group, kept, float(effect), composite)


def plain_value(value: Any) -> float | str | None:
    """Return a feature's value as a number, the id of a level, or None where it is missing."""
    return None if pd.isna(value) else value if isinstance(value, str) else float(value)


def _margins(risk: RiskModel, cutoffs: Iterable[float]) -> tuple[float, ...]:
    """Return the margins at which the calibrated probability is a cut-off, without unreachable ones."""

    def beyond(margin: float, cut: float) -> float:
        return float(risk.calibration_.log_odds([margin])[0]) - float(logit(cut))

    found = []
    for cut in cutoffs:
        low, high = beyond(-40.0, cut), beyond(40.0, cut)
        if low < 0 < high:
            found.append(float(brentq(beyond, -40.0, 40.0, args=(cut,), xtol=1e-10)))
    return tuple(found)


def _flags(risk: RiskModel, credit: CreditCard, row: pd.DataFrame) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for model in (risk, credit):
        flags = model.check(row[list(model.inputs_.names)])
        found |= dict.fromkeys(str(code) for code in flags.columns if flags[code].iloc[0])
    return tuple(found)
