"""Portraits of tiers: distinguishing features, changes since the last run, and shares near a boundary."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tierkit import texts
from tierkit.arrays import Floats
from tierkit.explain.bands import BANDS, DISTANCE, bands, basis, distance_band, way
from tierkit.explain.changes import Changes, effects, span
from tierkit.features import BY_NAME, NEVER_DAYS, Feature
from tierkit.records import LEVELS, SHANGHAI, TIERS, Place
from tierkit.results import Result, plain
from tierkit.scores.expert import CreditCard
from tierkit.scores.metrics import wilson_interval
from tierkit.scores.risk import RiskModel

__all__ = ["Portraits", "portraits"]


_DIGITS = {"risk": 2, "credit": 1}
_TOP = 5
_NEAREST = 50


@dataclass(frozen=True, kw_only=True, repr=False)
class Portraits(Result):
    """Tiers as groups: distinguishing features, changes, and shares near a boundary.

    Intervals are of 95 %, one by one: enterprises count as drawn from those that could have been there.

    Attributes
    ----------
    tiers : DataFrame
        ``tier``, ``n``, ``of``, ``share`` with ``low`` and ``high`` (Wilson), and the mean scores ``risk``
        (margin) and ``credit`` (points).
    marks : DataFrame
        One row per tier, ``axis`` and ``feature``: ``n``, the ``mean`` that it adds to the score of the tier
        and of the ``city``, their ``difference`` with ``low`` and ``high`` (Welch, of the tier against the
        rest; NaN where neither shows any spread). With ``base``, over features the means add up to the tier's
        mean score.
    facts : DataFrame
        One row per tier and feature: ``kind`` (``flag``, ``count``, ``ever``: shares; ``level``: the share of
        the level that differs most, named in ``level``, picked ``among`` so many; ``median``), ``n`` known,
        ``value``, ``low``, ``high`` (Wilson; for a level such that the intervals of all levels hold together
        with 95 %; between order statistics for a median), and the same of the whole city: ``city_n``,
        ``city``, ``city_low``, ``city_high``.
    near : DataFrame
        One row per tier, ``axis`` (risk, credit, certainty) and ``band`` (`tierkit.explain.BANDS`): ``n``,
        ``of``, ``share``, ``low``, ``high``.
    nearest : DataFrame
        The enterprises nearest to a boundary: ``enterprise_id``, ``tier``, ``distance_risk``,
        ``distance_credit``, and ``tier_agreement`` where there is any.
    base : mapping of str to float
        What each sum starts from: the average margin, and the best points.
    basis : {"agreement", "distance"}
        What certainty rests on.
    changes : Changes, optional
        Since the last run.
    lang : {"zh", "en"}
        Language of `_repr_html_`.
    place : Place
        The place whose levels the facts name.
    """

    tiers: pd.DataFrame
    marks: pd.DataFrame
    facts: pd.DataFrame
    near: pd.DataFrame
    nearest: pd.DataFrame
    base: dict[str, float]
    basis: str
    changes: Changes | None = None
    lang: str = "zh"
    place: Place = SHANGHAI

    def to_frame(self) -> pd.DataFrame:
        """Return `tiers`."""
        return self.tiers

    def to_dict(self) -> dict[str, Any]:
        """Return all frames as data for JSON."""
        names = ("tiers", "marks", "facts", "near", "nearest", "base", "basis", "changes")
        return {name: plain(getattr(self, name)) for name in names}

    def strongest(self, tier: str, axis: str, top: int = _TOP) -> pd.DataFrame:
        """Return the features of a tier on an axis, the largest difference from the city's mean first.

        Their intervals are one by one: the difference of a feature that is first for being the largest is
        likely to be smaller in another city.
        """
        rows = self.marks.query("tier == @tier and axis == @axis and difference != 0")
        return rows.loc[rows["difference"].abs().sort_values(ascending=False, kind="stable").index].head(top)

    def fact(self, tier: str, feature: str, lang: str) -> str:
        """Return a tier's share or mean of a feature and the city's, in words."""
        row = _row(self.facts, tier=tier, feature=feature)
        known = BY_NAME[feature]
        kind, digits = str(row["kind"]), 1
        if kind == "median":
            value, city = (texts.number(row[name], digits) for name in ("value", "city"))
            interval = span(row["low"], row["high"], digits, lang)
        else:
            value, city = (texts.percent(row[name], digits) for name in ("value", "city"))
            interval = span(row["low"], row["high"], digits, lang, share=True)
        fact = {"flag": 1.0, "level": row["level"]}.get(kind)
        what = (
            known.label.text(lang) if fact is None else known.sentence(fact, lang, self.place).rstrip("。. ")
        )
        what = what[:1].upper() + what[1:]
        n = texts.number(int(row["n"]))
        return texts.text(
            f"portrait.fact.{kind}", lang, what=what, value=value, interval=interval, city=city, count=n,
            among=int(row["among"]), unit=known.unit.text(lang),
        ).strip()  # fmt: skip

    def mark(self, row: pd.Series, lang: str) -> str:
        """Return how much a feature distinguishes a tier, in words: one row of `marks`."""
        digits = _DIGITS[str(row["axis"])]
        return texts.text(
            f"portrait.mark.{row['axis']}",
            lang,
            value=texts.signed(row["difference"], digits),
            interval=span(row["low"], row["high"], digits, lang, sign=True),
        )

    def sentences(self, lang: str = "zh", top: int = 3) -> list[str]:
        """Return everything as sentences: each tier, then the changes, then the shares near a boundary."""
        said = []
        for row in self.tiers.to_dict("records"):
            tier = str(row["tier"])
            said.append(self.headline(tier, lang))
            for axis in DISTANCE:
                for _, mark in self.strongest(tier, axis, top).iterrows():
                    both = self.fact(tier, str(mark["feature"]), lang), self.mark(mark, lang)
                    said.append(texts.paragraph(both, lang))
        if self.changes is not None:
            said += self.changes.sentences(lang)
        return [*said, *self.near_sentences(lang)]

    def headline(self, tier: str, lang: str) -> str:
        """Return how many are in a tier, in one sentence."""
        row = _row(self.tiers, tier=tier)
        name = f"{tier} {LEVELS['tier'][tier].text(lang)}"
        share = texts.percent(row["share"], 1)
        interval = texts.interval(row["low"], row["high"], 1, share=True)
        n, of = int(row["n"]), int(row["of"])
        return texts.text("portrait.tier", lang, n=n, of=of, tier=name, share=share, interval=interval)

    def near_sentences(self, lang: str) -> list[str]:
        """Return how many of each tier are unsure, a sentence a tier."""
        said = []
        rows = self.near[(self.near["axis"] == "certainty") & (self.near["band"] == BANDS[0])]
        for row in rows.to_dict("records"):
            share = texts.percent(row["share"], 1)
            interval = texts.interval(row["low"], row["high"], 1, share=True)
            told = {"tier": row["tier"], "n": int(row["n"]), "of": int(row["of"])}
            said.append(
                texts.text(f"portrait.near.{self.basis}", lang, share=share, interval=interval, **told)
            )
        return said

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences(self.lang))
        return f"<ul>{items}</ul>"


def portraits(
    risk: RiskModel,
    credit: CreditCard,
    X: pd.DataFrame,
    tiers: pd.DataFrame,
    *,
    changes: Changes | None = None,
    lang: str = "zh",
    place: Place = SHANGHAI,
) -> Portraits:
    """Describe each tier by its distinguishing features and its share near a boundary.

    Parameters
    ----------
    risk : RiskModel
    credit : CreditScorecard, ExpertCard or NoCredit
    X : DataFrame
        Features, indexed by ``enterprise_id``.
    tiers : DataFrame
        ``enterprise_id``, ``tier``, ``distance_risk``, ``distance_credit``, and perhaps ``tier_agreement``:
        of the enterprises of ``X``, as from `tierkit.policy.tiers.assign` or `tierkit.jobs.scoring.score`.
    changes : Changes, optional
        From `tierkit.explain.changes`.
    lang : {"zh", "en"}, default="zh"
    place : Place
        The place of the enterprises.

    Returns
    -------
    Portraits

    Raises
    ------
    KeyError
        If an enterprise has a tier and no features.
    ValueError
        If ``tiers`` has no rows.
    AdditivityError
        If the reasons of a row do not add up to its score within 1e-9.

    Examples
    --------
    >>> from tierkit.features import build
    >>> X = build("data/synthetic", "2024-12-30")
    >>> risk = RiskModel(n_trees=5).fit(X[["findings_2y"]], X["complaints_1y"] > 0)
    >>> from tierkit.scores.scorecard import CreditScorecard
    >>> credit = CreditScorecard().fit(X[["adverse_2y"]], X["adverse_open"] > 0)
    >>> tiers = X.reset_index()[["enterprise_id"]].assign(distance_risk=0.1, distance_credit=-5.0)
    >>> tiers["tier"] = np.where(X["findings_2y"] > 0, "T3", "T1")
    >>> told = portraits(risk, credit, X, tiers)
    >>> told.fact("T1", "findings_2y", "en")[:36], told.strongest("T3", "risk")["feature"].tolist()
    ('Findings, 2 years, one or more: 0.0%', ['findings_2y'])
    """
    if tiers.empty:
        raise ValueError("'tiers' has no rows. Give the tiers of at least one enterprise.")
    rows = X.loc[tiers["enterprise_id"]]
    tier = tiers["tier"].astype("str").to_numpy()
    there = [name for name in TIERS if (tier == name).any()]
    added = effects(risk, credit, rows)
    base = {"risk": _base(risk, rows, added["risk"]), "credit": _best(credit, rows, added["credit"])}
    scores = {axis: base[axis] + values.to_numpy(np.float64).sum(axis=1) for axis, values in added.items()}
    n = len(tier)
    sizes = [
        {"tier": name, "n": int((tier == name).sum()), "of": n}
        | {axis: float(values[tier == name].mean()) for axis, values in scores.items()}
        for name in there
    ]
    size = pd.DataFrame(sizes)
    size["share"] = size["n"] / size["of"]
    size["low"], size["high"] = wilson_interval(size["n"], size["of"])
    read = [name for name in rows if any(name in values for values in added.values()) and name in BY_NAME]
    facts = [_fact(BY_NAME[str(name)], rows[name], tier == one, one) for one in there for name in read]
    order = way(tiers).to_numpy(float).argsort(kind="stable")[:_NEAREST]
    shown = ["enterprise_id", "tier", "distance_risk", "distance_credit", "tier_agreement"]
    return Portraits(
        tiers=size[["tier", "n", "of", "share", "low", "high", "risk", "credit"]],
        marks=pd.concat(
            [_marks(values, tier == name, name, axis) for axis, values in added.items() for name in there],
            ignore_index=True,
        ),
        facts=pd.DataFrame(facts),
        near=_near(tiers, tier, there),
        nearest=tiers.iloc[order][[name for name in shown if name in tiers]].reset_index(drop=True),
        base=base,
        basis=basis(tiers),
        changes=changes,
        lang=lang,
        place=place,
    )


def _row(frame: pd.DataFrame, **keys: str) -> dict[Any, Any]:
    """Return the one row that has these keys."""
    mine = np.logical_and.reduce([frame[name] == value for name, value in keys.items()])
    [row] = frame[mine].to_dict("records")
    return row


def _base(risk: RiskModel, rows: pd.DataFrame, added: pd.DataFrame) -> float:
    margin = risk.margin(rows[list(risk.inputs_.names)])
    return float((margin - added.to_numpy(np.float64).sum(axis=1)).mean())


def _best(credit: CreditCard, rows: pd.DataFrame, added: pd.DataFrame) -> float:
    points = credit.points(rows[list(credit.inputs_.names)])
    return float((points - added.to_numpy(np.float64).sum(axis=1)).mean())


def _marks(values: pd.DataFrame, inside: NDArray[np.bool_], tier: str, axis: str) -> pd.DataFrame:
    """Return the mean contributions of features to the score, for a tier and for the city.

    The tier is part of the city, so the difference is the share of the rest times the difference from it,
    whose interval is Welch's (*The generalization of "Student's" problem*, Biometrika 34, 1947); there is
    none where neither shows any spread.
    """
    x = values.to_numpy(np.float64)
    own, rest = x[inside], x[~inside]
    city = x.mean(axis=0)
    n, m = len(own), len(rest)
    half = np.full(x.shape[1], np.nan)
    if n > 1 and m > 1:
        a, b = own.var(axis=0, ddof=1) / n, rest.var(axis=0, ddof=1) / m
        varies = (np.ptp(own, axis=0) > 0) | (np.ptp(rest, axis=0) > 0)
        spread = np.where(varies, a + b, 1.0)
        dof = spread**2 / np.where(varies, a**2 / (n - 1) + b**2 / (m - 1), 1.0)
        welch = m / (n + m) * stats.t.ppf(0.975, dof) * np.sqrt(a + b)
        half = np.where(varies, welch, np.nan)
    elif m == 0:  # the tier is the city
        half = np.zeros(x.shape[1])
    difference = m / (n + m) * (own.mean(axis=0) - rest.mean(axis=0)) if m else np.zeros(x.shape[1])
    return pd.DataFrame(
        {
            "tier": tier,
            "axis": axis,
            "feature": list(values),
            "n": n,
            "mean": own.mean(axis=0),
            "city": city,
            "difference": difference,
            "low": difference - half,
            "high": difference + half,
        }
    )


def _fact(feature: Feature, column: pd.Series, inside: NDArray[np.bool_], tier: str) -> dict[str, object]:
    """Return a tier's share or mean of a feature, and the city's."""
    known = column.notna().to_numpy()
    kind, level, among = _kind(feature), None, 1
    if kind == "median":
        x = column.to_numpy(np.float64)
        values = [_median(x[known & inside]), _median(x[known])]
    else:
        if kind == "level":
            shares = pd.get_dummies(column, dtype=float)
            level = str((shares[inside].mean() - shares.mean()).abs().idxmax())
            has = (column == level).to_numpy()
            among = int((shares.sum() > 0).sum())
        else:
            has = (column != feature.absent).to_numpy()
        values = []
        for rows in (inside & known, known):
            k, n = float((has & rows).sum()), float(rows.sum())
            # The level is the one that differs most, so its interval is one that holds for all of them.
            low, high = wilson_interval(k, n, 1 - 0.05 / max(among, 1))
            values.append([k / n if n else np.nan, float(low), float(high)])
    names = [["value", "low", "high"], ["city", "city_low", "city_high"]]
    told: dict[str, object] = {"tier": tier, "feature": feature.name, "kind": kind, "level": level}
    told["among"] = among
    told |= {"n": int((inside & known).sum()), "city_n": int(known.sum())}
    for keys, numbers in zip(names, values, strict=True):
        told |= dict(zip(keys, numbers, strict=True))
    return told


def _median(x: Floats) -> list[float]:
    """Return the median and the order statistics between which it lies with 95 % or more.

    David and Nagaraja, *Order statistics* (2003), section 7.1.
    """
    if not len(x):
        return [np.nan] * 3
    ordered = np.sort(x)
    below = int(stats.binom.ppf(0.025, len(x), 0.5))
    if below == 0:  # too few for an interval
        return [float(np.median(x)), np.nan, np.nan]
    return [float(np.median(x)), float(ordered[below - 1]), float(ordered[len(x) - below])]


def _kind(feature: Feature) -> str:
    """Return how a feature is summarised for a group: as a share if 0 has a word for it, else as a median."""
    if feature.levels is not None:
        return "level"
    if feature.none is None:
        return "median"
    if feature.absent == NEVER_DAYS:
        return "ever"
    return "count" if "{value" in feature.text.en else "flag"


def _near(tiers: pd.DataFrame, tier: NDArray[np.object_], there: list[str]) -> pd.DataFrame:
    """Return how many of each tier are in each band of distance, and of certainty."""
    axes: dict[str, pd.Series] = {"certainty": bands(tiers)}
    for axis in DISTANCE:
        axes[axis] = pd.Series(np.array(BANDS)[distance_band(tiers, axis)])
    told = [
        {"tier": name, "axis": axis, "band": band, "n": int(((tier == name) & (values == band)).sum()),
         "of": int((tier == name).sum())}
        for axis, values in axes.items() for name in there for band in BANDS
    ]  # fmt: skip
    frame = pd.DataFrame(told)
    frame["share"] = frame["n"] / frame["of"]
    frame["low"], frame["high"] = wilson_interval(frame["n"], frame["of"])
    return frame
