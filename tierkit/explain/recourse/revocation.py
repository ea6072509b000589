"""For appeals: both scores and the tier as they would be if some records had never existed."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Self

import pandas as pd

from tierkit import texts
from tierkit.explain.asking import reasons_known
from tierkit.explain.evidence import KEYS, KINDS, Record
from tierkit.explain.reasons import AXES, Reason, Reasons, plain_value
from tierkit.explain.recourse.editing import known_tables
from tierkit.policy import Policy, PolicyLike, policy_of
from tierkit.records import SHANGHAI, TABLES, DataError, Place, Problem, Tables
from tierkit.records.gate import id_of, ids_of, one_of
from tierkit.records.known import Known, Source, known, opened
from tierkit.results import Result
from tierkit.scores.model import Model, ModelLike, Scored, model_of

__all__ = ["Move", "Revocation", "revoked"]

REVOCABLE = ("inspections", "credit_events", "complaints", "signals")
"""Tables of records that can be revoked."""


@dataclass(frozen=True, slots=True)
class Move:
    """A fact and its effect on one score, with the records and without them.

    Attributes
    ----------
    axis : {"risk", "credit"}
    feature : str
    value_before, value_after : float or str or None
    effect_before, effect_after : float
        Log-odds added to the risk margin, or points taken off the credit (0 or less).
    """

    axis: str
    feature: str
    value_before: float | str | None
    value_after: float | str | None
    effect_before: float
    effect_after: float

    @property
    def change(self) -> float:
        """The change of the score by this fact."""
        return self.effect_after - self.effect_before

    def fact(self, lang: str, place: Place = SHANGHAI) -> str:
        """Return the fact in words, as it is and as it would be."""
        values = self.value_before, self.value_after
        facts = [Reason(self.axis, self.feature, "", value, 0.0).fact(lang, place) for value in values]
        return " → ".join(dict.fromkeys(fact.rstrip("。. ") for fact in facts))

    def sentence(self, lang: str, place: Place = SHANGHAI) -> str:
        """Return the fact and the change of the score as one sentence."""
        by = texts.signed(self.change, 2 if self.axis == "risk" else 1)
        return texts.text(f"revoked.moved.{self.axis}", lang, fact=self.fact(lang, place), value=by)


@dataclass(frozen=True, kw_only=True, repr=False)
class Revocation(Result):
    """Reasons of one enterprise with all its records and without some.

    Attributes
    ----------
    enterprise_id, as_of, policy : str
    records : tuple of Record
        The records that are treated as if they had never existed.
    before, after : Reasons
    moves : tuple of Move
        What moves, of each score the most first; the changes add up to that of the margin and the points.
    tier_alone : str
        What the scores without them give if the last tier counts for nothing.
    related : tuple of Record
        Penalties for what happened on the day of an inspection among them. Records do not say which penalty
        follows from which inspection, so these are only named.
    lang : {"zh", "en"}
        Language of `_repr_html_`.
    """

    enterprise_id: str
    as_of: str
    policy: str
    records: tuple[Record, ...]
    before: Reasons
    after: Reasons
    moves: tuple[Move, ...]
    tier_alone: str
    related: tuple[Record, ...] = ()
    lang: str = "zh"

    @property
    def changes(self) -> bool:
        """Whether the tier would be different."""
        return self.before.tier != self.after.tier

    def __repr__(self) -> str:
        """Return the tiers with and without the records, as one line."""
        return (
            f"Revocation({self.enterprise_id} without {', '.join(one.record_id for one in self.records)}: "
            f"{self.before.tier} to {self.after.tier} under {self.policy})"
        )

    def moved(self, lang: str | None = None) -> pd.DataFrame:
        """Return the changed contributions as a table.

        Returns
        -------
        DataFrame
            ``axis``, ``feature``, ``fact`` (in words), ``effect_before``, ``effect_after`` and ``change``
            (log-odds of the risk margin, or points).
        """
        lang = lang or self.lang
        rows = [
            (
                one.axis,
                one.feature,
                one.fact(lang, self.before.place),
                one.effect_before,
                one.effect_after,
                one.change,
            )
            for one in self.moves
        ]
        columns = ["axis", "feature", "fact", "effect_before", "effect_after", "change"]
        return pd.DataFrame(rows, columns=columns)

    def to_frame(self) -> pd.DataFrame:
        """Return what moves, as `moved` does."""
        return self.moved()

    def sentences(self, lang: str | None = None, top: int = 5) -> list[str]:
        """Return in words what would change without the records, and what would not.

        Parameters
        ----------
        lang : {"zh", "en"}, optional
        top : int, default=5
            Facts of each score.
        """
        lang = lang or self.lang

        def tier(name: str) -> str:
            return texts.text("revoked.tier", lang, tier=name, label=self.before.tier_name(name).text(lang))

        was, now = self.before, self.after
        named = texts.join((record.text(lang) for record in self.records), lang)
        said = [
            texts.text(
                "revoked.changes" if self.changes else "revoked.stays", lang, records=named,
                before=tier(was.tier), after=tier(now.tier),
            ),
            texts.text(
                "revoked.risk" if was.risk_margin != now.risk_margin else "revoked.risk.same", lang,
                before=texts.percent(was.risk_probability, 1), after=texts.percent(now.risk_probability, 1),
                level_before=was.risk_level, level_after=now.risk_level,
            ),
        ]  # fmt: skip
        if "credit" in was.axes:
            said.append(
                texts.text(
                    "revoked.credit" if was.credit_points != now.credit_points else "revoked.credit.same",
                    lang,
                    before=texts.number(was.credit_points, 1),
                    after=texts.number(now.credit_points, 1),
                    grade_before=was.credit_grade,
                    grade_after=now.credit_grade,
                )
            )
        for axis in AXES:
            own = [one for one in self.moves if one.axis == axis][:top]
            said += [one.sentence(lang, was.place) for one in own]
        if self.tier_alone != now.tier:
            said.append(texts.text("revoked.held", lang, alone=tier(self.tier_alone), after=tier(now.tier)))
        if self.related:
            named = texts.join((record.text(lang) for record in self.related), lang)
            said.append(texts.text("revoked.related", lang, records=named))
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; `from_dict` reads it back."""
        return {
            "enterprise_id": self.enterprise_id,
            "as_of": self.as_of,
            "policy": self.policy,
            "records": [record._asdict() for record in self.records],
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "moves": [asdict(one) for one in self.moves],
            "tier_alone": self.tier_alone,
            "related": [record._asdict() for record in self.related],
            "lang": self.lang,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the revocation that `to_dict` wrote."""
        records = {name: tuple(Record(**one) for one in data[name]) for name in ("records", "related")}
        both = {name: Reasons.from_dict(data[name]) for name in ("before", "after")}
        moves = tuple(Move(**one) for one in data["moves"])
        return cls(**{**data, **records, **both, "moves": moves})

    def _repr_html_(self) -> str:
        first, *rest = self.sentences()
        items = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in rest)
        return f"<p><b>{html.escape(first)}</b></p><ul>{items}</ul>"


def revoked(
    model: ModelLike,
    data: Source | Known,
    as_of: date | str | None,
    enterprise_id: str,
    record_ids: Iterable[str],
    policy: PolicyLike,
    previous: pd.DataFrame | None = None,
    *,
    everybody: Source | None = None,
    lang: str = "zh",
) -> Revocation:
    """Return what an enterprise's scores and tier would be if some of its records had never existed.

    Parameters
    ----------
    model : Model or path
    data : Dataset, mapping, path or Known
    as_of : date
        Only what was known before this day is used. What is open already has its day.
    enterprise_id : str
    record_ids : iterable of str
        Check codes, or ids of credit events, complaints or signals. With an inspection goes how it ended;
        a penalty has an id of its own.
    policy : Policy, name or path
    previous : DataFrame, optional
        The last assignment, as `tierkit.policy.tiers.assign` takes it; it counts with and without the
        records.
    everybody : Dataset, mapping or path, optional
        Records of all, where ``data`` holds those of this enterprise alone: to say whose an id is that is
        none of its own.
    lang : {"zh", "en"}, default="zh"
        Language in which a notebook shows it.

    Returns
    -------
    Revocation

    Raises
    ------
    DataError
        If the enterprise is not in the dataset, no record is given, or one is unknown, another
        enterprise's, or was not known before the date; all are named.
    ValueError
        If the enterprise was not on the register.

    Examples
    --------
    >>> import tierkit as tk
    >>> from tierkit.explain.recourse.repair import open_records
    >>> jiading = tk.Policy.load("jiading-2025")
    >>> model = tk.train("data/synthetic", "2024-12-30", policy=jiading)
    >>> one = open_records("data/synthetic", "2024-12-30").iloc[0]
    >>> appeal = tk.revoked(
    ...     model, "data/synthetic", "2024-12-30", one["enterprise_id"], [one["event_id"]], jiading
    ... )
    >>> appeal.after.credit_points > appeal.before.credit_points
    True
    """
    model, policy = model_of(model), policy_of(policy)
    one_of(lang, texts.LANGUAGES, "lang")
    enterprise_id, asked = id_of(enterprise_id), list(dict.fromkeys(ids_of(record_ids, "record_ids")))
    with opened(data, as_of) as seen:
        day, policy = seen.day, model.policy_for(policy.at(seen.place, seen.day))
        found, left = _without(known_tables(seen, [enterprise_id]), enterprise_id, asked)
        lacking = [one for one in asked if one not in {record.record_id for record in found}]
        if lacking or not asked:
            with opened(seen if everybody is None else everybody) as whole:
                _refuse(whole, day, enterprise_id, lacking)
        with_, before = _why(model, seen, enterprise_id, policy, previous, lang)
    with known(left, day) as rest:
        without, after = _why(model, rest, enterprise_id, policy, previous, lang)
    dates = {str(one.on) for one in found if one.table == "inspections"}
    fines = left["credit_events"]
    fines = fines[fines["kind"] == "penalty"]
    related = [
        Record("credit_events", row["event_id"], f"{row['known_on']:%Y-%m-%d}", "penalty")
        for row in fines.to_dict("records")
        if f"{row['happened_on']:%Y-%m-%d}" in dates
    ]
    return Revocation(
        enterprise_id=enterprise_id, as_of=f"{day:%Y-%m-%d}", policy=policy.name, records=tuple(found),
        before=with_, after=without, moves=_moves((with_, without), (before.X, after.X)),
        tier_alone=str(after.tiers(policy)["tier"].iloc[0]),
        related=tuple(related), lang=lang,
    )  # fmt: skip


def _why(
    model: Model,
    known: Known,
    enterprise_id: str,
    policy: Policy,
    previous: pd.DataFrame | None,
    lang: str,
) -> tuple[Reasons, Scored]:
    """Return the reasons, and the features and scores behind them."""
    scored = model.scored(known, [enterprise_id])
    [why] = reasons_known(model, known, scored, policy, previous, lang=lang)
    return why, scored


def _moves(why: tuple[Reasons, Reasons], X: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[Move, ...]:
    """Return the changes of contributions between two states, the largest of each score first."""
    found = []
    for axis in AXES:
        was, now = ({one.feature: one.effect for one in each.of(axis)} for each in why)
        for feature in dict.fromkeys([*was, *now]):
            first, last = (plain_value(frame[feature].iloc[0]) for frame in X)
            one = Move(axis, feature, first, last, was.get(feature, 0.0), now.get(feature, 0.0))
            if one.change:
                found.append(one)
    return tuple(sorted(found, key=lambda one: (AXES.index(one.axis), -abs(one.change))))


def _without(tables: Tables, enterprise_id: str, ids: Sequence[str]) -> tuple[list[Record], Tables]:
    """Return an enterprise's records of these ids, and all records but them."""
    found, left = [], Tables(tables, tables.place)
    for name in REVOCABLE:
        frame, key = tables[name], KEYS[name]
        gone = frame["enterprise_id"].eq(enterprise_id) & frame[key].isin(ids)
        day = TABLES[name].columns["enterprise_id"].known_from
        found += [
            Record(name, row[key], f"{row[day]:%Y-%m-%d}", row[KINDS[name][0]])
            for row in frame[gone].to_dict("records")
        ]
        left[name] = frame[~gone].reset_index(drop=True)
    return found, left


def _refuse(known: Known, day: date, enterprise_id: str, lacking: Sequence[str]) -> None:
    """Raise for ids that are not records of the enterprise known before the day."""
    problems = []
    if not lacking:
        problems = [Problem("", "record_id", 0, (), "no record is given", "Name at least one.")]
    owners = _owners(known, lacking)
    for one in lacking:
        shown = texts.plain(one, 40)
        own = owners[owners["record_id"] == one]
        if own.empty:
            message = f"'{shown}' is in none of the tables {', '.join(REVOCABLE)}"
            remedy = "Give a check code, or the id of a credit event, a complaint or a signal."
        elif (own["enterprise_id"] == enterprise_id).any():
            message = f"'{shown}' was not known before {day:%Y-%m-%d}"
            remedy = "Leave it out, as nothing rests on it, or give a later date."
        else:
            message = f"'{shown}' is not a record of {enterprise_id}"
            remedy = "Give ids of this enterprise's own records."
        problems.append(Problem("", "record_id", 0, (), message, remedy))
    raise DataError(problems)


def _owners(known: Known, ids: Sequence[str]) -> pd.DataFrame:
    """Return whose records some ids name, in all tables and at any time."""
    quoted = ", ".join("'{}'".format(one.replace("'", "''")) for one in ids) or "NULL"
    parts = " UNION ALL ".join(
        f"SELECT {KEYS[name]} AS record_id, enterprise_id FROM raw_{name} WHERE {KEYS[name]} IN ({quoted})"
        for name in REVOCABLE
    )
    return known.query(parts, ())
