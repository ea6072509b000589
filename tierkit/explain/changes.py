"""Changes of tiers between two dates, and of the contributions behind them, by records and by time alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from tierkit import texts
from tierkit.explain.trees.contributions import contributions, points_lost
from tierkit.features import BY_NAME, build
from tierkit.records import TIERS
from tierkit.records.known import Source, known
from tierkit.results import Result, plain
from tierkit.scores.expert import CreditCard
from tierkit.scores.metrics import wilson_interval
from tierkit.scores.risk import RiskModel

__all__ = ["ABSENT", "DIRECTIONS", "Changes", "changes", "effects", "features_held", "span"]


ABSENT = ("new", "gone")
"""Those who had no tier before, and those who have none now."""

DIRECTIONS = ("better", "worse")
_TOP = 3


def effects(risk: RiskModel, credit: CreditCard, X: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the contribution of each feature to both scores: log-odds of risk, points of credit.

    Examples
    --------
    >>> X = pd.DataFrame({"findings_1y": np.repeat([0.0, 3.0], 200)})
    >>> y = np.tile([0, 0, 0, 1], 100) | np.repeat([0, 1], 200)
    >>> y[200::5] = 0
    >>> from tierkit.scores.scorecard import CreditScorecard
    >>> added = effects(RiskModel(n_trees=5).fit(X, y), CreditScorecard().fit(X, y), X)
    >>> bool(added["risk"]["findings_1y"].iloc[-1] > 0 > added["credit"]["findings_1y"].iloc[-1])
    True
    """
    values, _ = contributions(risk, X)
    return {
        "risk": pd.DataFrame(values, index=X.index, columns=list(risk.inputs_.names)),
        "credit": -points_lost(credit, X).lost,
    }


def span(low: float, high: float, digits: int, lang: str, *, share: bool = False, sign: bool = False) -> str:
    """Return an interval as text, or a note that rows were too few, or too alike, for one.

    Examples
    --------
    >>> span(1.0, 2.5, 1, "en"), span(np.nan, np.nan, 1, "en")
    ('[1.0, 2.5]', '[too few, or too alike, for an interval]')
    """
    if not np.isfinite([low, high]).all():
        return f"[{texts.text('portrait.few', lang)}]"
    return texts.interval(low, high, digits, share=share, sign=sign)


def features_held(
    data: Source, known_before: date | str, as_of: date | str, ids: Iterable[str], *, threads: int = 1
) -> pd.DataFrame:
    """Return features as of a date from the records known on an earlier date, to show the effect of time.

    Parameters
    ----------
    data : Dataset or path
    known_before : date
        Cells known on this day or later are not used.
    as_of : date
        The day up to which ages, and windows of a year or two, run.
    ids : iterable of str
        Enterprises registered before ``known_before``.
    threads : int

    Returns
    -------
    DataFrame of shape (n, n_features)
        As from `tierkit.features.build`.

    Examples
    --------
    >>> one = build("data/synthetic", "2023-12-30").index[:1]
    >>> held = features_held("data/synthetic", "2023-12-30", "2024-12-30", one)
    >>> held["age_years"].equals(build("data/synthetic", "2024-12-30", one)["age_years"])
    True
    """
    with known(data, known_before, threads=threads) as seen:
        tables = seen.tables()
    return build(tables, as_of, ids, threads=threads)


@dataclass(frozen=True, kw_only=True, repr=False)
class Changes(Result):
    """How tiers changed between two dates under one model and one policy.

    Attributes
    ----------
    before, after : str
        The two dates.
    transitions : DataFrame
        ``before``, ``after`` (a tier, or ``new`` and ``gone``), ``n``, ``of`` (all of ``before``), ``share``
        with ``low`` and ``high`` (Wilson).
    moved : DataFrame
        Of those whose tier changed, by ``direction`` (better, worse): ``axis``, ``feature``, ``part``
        (``records``, ``time``, or ``all``, their sum), ``n``, and the ``mean`` difference of what the feature
        adds to the score, with ``low`` and ``high`` (Student). Over features they add up to the change of the
        mean score.
    """

    before: str
    after: str
    transitions: pd.DataFrame
    moved: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """Return `transitions`."""
        return self.transitions

    def to_dict(self) -> dict[str, Any]:
        """Return both frames as data for JSON."""
        return {name: plain(getattr(self, name)) for name in ("before", "after", "transitions", "moved")}

    def totals(self) -> pd.DataFrame:
        """Return the mean change of each score by direction and part, the sums over features of `moved`."""
        keys = ["direction", "axis", "part"]
        told = self.moved.groupby(keys, sort=False).agg(n=("n", "first"), mean=("mean", "sum"))
        return told.reset_index()

    def strongest(self, direction: str, axis: str, top: int = _TOP) -> pd.DataFrame:
        """Return the features whose contribution changed most, by records and time together."""
        rows = self.moved.query("direction == @direction and axis == @axis and part == 'all' and mean != 0")
        order = rows["mean"].abs().sort_values(ascending=False, kind="stable").index
        return rows.loc[order].head(top)

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return the changes and their causes as sentences, with n and intervals."""
        both = self.transitions[~self.transitions["before"].isin(ABSENT)]
        both = both[~both["after"].isin(ABSENT)]
        dates = {"before": self.before, "after": self.after}
        moved, n = both[both["before"] != both["after"]]["n"].sum(), int(both["n"].sum())
        if not n:
            return [texts.text("portrait.changes.nobody", lang, **dates)]
        low, high = (float(one) for one in wilson_interval(moved, n))
        told = {"n": n, "moved": int(moved), "share": texts.percent(moved / n, 1)}
        interval = span(low, high, 1, lang, share=True)
        said = [texts.text("portrait.changes.moved", lang, **told, interval=interval, **dates)]
        for direction in DIRECTIONS:
            of = self.totals().query("direction == @direction").set_index(["axis", "part"])
            count = int(of["n"].iloc[0]) if len(of) else 0
            if not count:
                continue
            for axis, digits in (("risk", 2), ("credit", 1)):
                parts = {
                    part: texts.signed(float(of.loc[(axis, part), "mean"]), digits)  # type: ignore[arg-type]
                    for part in ("all", "records", "time")
                }
                named = texts.join(
                    [
                        texts.text(
                            "portrait.changes.feature",
                            lang,
                            label=BY_NAME[str(row.feature)].label.text(lang),
                            mean=texts.signed(float(row.mean), digits),  # type: ignore[arg-type]
                            interval=span(row.low, row.high, digits, lang, sign=True),  # type: ignore[arg-type]
                        )
                        for row in self.strongest(direction, axis).itertuples()
                    ],
                    lang,
                )
                most = texts.text("portrait.changes.most", lang, named=named) if named else ""
                text_id = f"portrait.changes.{direction}.{axis}"
                said.append(texts.text(text_id, lang, count=texts.number(count), most=most, **parts))
        return said


def changes(
    risk: RiskModel,
    credit: CreditCard,
    tiers: pd.DataFrame,
    X: pd.DataFrame,
    last_tiers: pd.DataFrame,
    last_X: pd.DataFrame,
    held_X: pd.DataFrame,
    *,
    before: str,
    after: str,
) -> Changes:
    """Compare tiers with an earlier assignment by the same models, and the contributions behind them.

    Parameters
    ----------
    risk : RiskModel
    credit : CreditScorecard, ExpertCard or NoCredit
        Both dates are explained by these; tiers that other models gave must not be compared by them.
    tiers, last_tiers : DataFrame
        With ``enterprise_id`` and ``tier``, of each date.
    X, last_X : DataFrame
        Features as of each date, indexed by ``enterprise_id``.
    held_X : DataFrame
        `features_held` of those that have both: it parts what records did from what time did.
    before, after : str
        The two dates.

    Returns
    -------
    Changes

    Examples
    --------
    >>> data, days = "data/synthetic", ("2024-06-30", "2024-12-30")
    >>> X = [build(data, day) for day in days]
    >>> risk = RiskModel(n_trees=5).fit(X[1][["findings_2y"]], X[1]["complaints_1y"] > 0)
    >>> from tierkit.scores.scorecard import CreditScorecard
    >>> credit = CreditScorecard().fit(X[1][["adverse_2y"]], X[1]["adverse_open"] > 0)
    >>> tiers = [x.reset_index()[["enterprise_id"]].assign(tier="T1") for x in X]
    >>> held = features_held(data, *days, X[0].index.intersection(X[1].index))
    >>> found = changes(risk, credit, tiers[1], X[1], tiers[0], X[0], held, before=days[0], after=days[1])
    >>> int(found.transitions["n"].sum()) == len(set(X[0].index) | set(X[1].index))
    True
    """
    was = last_tiers.set_index("enterprise_id")["tier"].astype("str")
    now = tiers.set_index("enterprise_id")["tier"].astype("str")
    both = pd.concat([was.rename("before"), now.rename("after")], axis=1)
    both = both.fillna({"before": ABSENT[0], "after": ABSENT[1]})
    counts = both.groupby(["before", "after"]).size().rename("n").reset_index()
    counts["of"] = counts.groupby("before")["n"].transform("sum")
    counts["share"] = counts["n"] / counts["of"]
    counts["low"], counts["high"] = wilson_interval(counts["n"], counts["of"])

    stayed = both[~both["before"].isin(ABSENT) & ~both["after"].isin(ABSENT)]
    rank = {tier: k for k, tier in enumerate(TIERS)}
    # With a type, since those of nobody are no numbers.
    step = stayed["after"].map(rank).astype("int64") - stayed["before"].map(rank).astype("int64")
    moved = [
        _moved(risk, credit, step.index[step < 0 if direction == "better" else step > 0], direction,
               last_X, X, held_X)
        for direction in DIRECTIONS
    ]  # fmt: skip
    return Changes(before=before, after=after, transitions=counts, moved=pd.concat(moved, ignore_index=True))


def _moved(
    risk: RiskModel,
    credit: CreditCard,
    ids: pd.Index,
    direction: str,
    last_X: pd.DataFrame,
    X: pd.DataFrame,
    held_X: pd.DataFrame,
) -> pd.DataFrame:
    """Return the mean differences of contributions of some enterprises."""
    from tierkit.compare.intervals import mean_interval  # here: a batch of reasons needs no simulator

    columns = ["direction", "axis", "feature", "part", "n", "mean", "low", "high"]
    if not len(ids):
        return pd.DataFrame(columns=columns)
    start, between, end = (effects(risk, credit, one.loc[ids]) for one in (last_X, held_X, X))
    parts = []
    for axis in start:
        steps = {
            "all": end[axis] - start[axis],
            "records": end[axis] - between[axis],
            "time": between[axis] - start[axis],
        }
        for part, step in steps.items():
            mean, low, high = mean_interval(step.to_numpy(np.float64))
            told = {"feature": list(step), "mean": mean, "low": low, "high": high}
            parts.append(pd.DataFrame(told).assign(direction=direction, axis=axis, part=part, n=len(ids)))
    return pd.concat(parts, ignore_index=True)[columns]
