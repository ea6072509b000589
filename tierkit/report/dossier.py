"""One enterprise on one printable page: 一企一档."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from scipy.special import logit

from tierkit import plot, texts
from tierkit.explain import Reason, Record, Revocation
from tierkit.features import GROUPS, is_structure
from tierkit.folders import whole_file
from tierkit.policy import Policy
from tierkit.policy.tiers.drift import from_elsewhere, origin
from tierkit.records import LEVELS, MERITS, TIERS, Place
from tierkit.records.gate import day_of
from tierkit.records.places.entries import NO_BASIS
from tierkit.records.repair_rules import RepairRule, rule_on
from tierkit.report.page import Words, figure, render
from tierkit.report.sheets import Sheet
from tierkit.report.waterfall import waterfall
from tierkit.scores.basis import credit_basis
from tierkit.scores.worth import Worth, age

__all__ = ["dossier", "write_dossiers"]

_TOLD = ("trained", "useless", "synthetic")
"""Facts that are told in a sentence."""
_TOP = 7
_FACTS = 8
"""Facts of a group that get a row each."""
_RECORDS = 60
"""Records that get a row each."""
_LATE_DAYS = 30
_HASH = 12
"""Characters of a log entry's hash that are shown."""
_CODE = re.compile(r"[0-9A-Z]{18}")


def dossier(
    case: Sheet,
    policy: Policy,
    *,
    as_of: str,
    lang: str = "zh",
    facts: Mapping[str, Any] | None = None,
    appeal: Revocation | None = None,
    out: str | Path | None = None,
) -> str:
    """Return the dossier of one enterprise as one page, and write it if asked to.

    Parameters
    ----------
    case : Sheet
        The enterprise, its reasons, and as much else as there is: what is missing is said to be missing.
    policy : Policy
        Under which the tier was given.
    as_of : str
        Date before which everything used was known.
    lang : {"zh", "en"}, default="zh"
    facts : mapping, optional
        Versions and hashes beside the case's own; ``command``, say, which makes the page again.
    appeal : Revocation, optional
        What scores and tier would be had some records never been.
    out : str or Path, optional
        File to write; its folder must exist.

    Returns
    -------
    str
        A self-contained HTML page that prints on A4.

    Examples
    --------
    >>> case, policy = run.cases[0], run.policies[1]  # run = RunReport.read("build/demo/run")
    >>> page = dossier(case, policy, as_of="2024-12-30", lang="en")
    >>> page.startswith("<!doctype html>"), "<script" in page
    (True, False)
    """
    reasons = case.reasons
    words = Words(lang, reasons.place)
    known = {
        **dict.fromkeys(("district", "sector", "size", "ownership", "registered_on")),
        "name": "",
        **case.enterprise,
    }
    missing = [key for key, value in known.items() if not isinstance(value, list | tuple) and pd.isna(value)]
    known |= dict.fromkeys(missing)
    unknown = words.unknown({name: known[name] for name in case.enterprise})
    known["registered_on"] = texts.plain(str(known["registered_on"] or ""), 20)
    records = case.records if case.records is not None else pd.DataFrame()
    name = texts.plain(str(known["name"] or reasons.enterprise_id), 60)
    rows = _records(records, as_of, lang, reasons.place)
    page = render(
        "dossier.html.j2",
        lang=lang,
        place=reasons.place,
        title=texts.text("dossier.page", lang, name=name),
        kind=texts.text("dossier.title", lang),
        reasons=reasons,
        enterprise=known,
        unknown=unknown,
        policy=policy,
        as_of=as_of,
        in_force=words.each(case.in_force),
        origin=[*origin(policy, lang), *age(case.facts.get("trained") or as_of, as_of, lang)],
        elsewhere=from_elsewhere(policy),
        synthetic=bool(case.facts.get("synthetic")),
        useless=[Worth(**one).sentence(lang) for one in case.facts.get("useless", ())],
        credit=credit_basis(reasons.credit_from, lang),
        certainty=_certainty(case, lang),
        figure=waterfall(case, words, "waterfall", top=_TOP),
        composite=_composite(case, policy),
        scales=[_risk_scale(case), *([_credit_scale(case)] if reasons.has_credit else [])],
        facts_of={group: _facts(case, group, lang) for group in GROUPS},
        structure_apart=not any(is_structure(one.feature) for one in reasons.of("credit")),
        units=_units(case),
        groups=GROUPS,
        timeline=_timeline(records, as_of, words),
        records=rows[:_RECORDS],
        count_records=len(rows),
        more_records=len(rows) - len(rows[:_RECORDS]),
        anchors={row["id"]: f"record-{k}" for k, row in enumerate(rows[:_RECORDS])},
        known_when=_known_when(records, lang),
        has_records=case.records is not None,
        items=None if case.items is None else _items(case.items, lang, reasons.place),
        repair_rules=_repair_rules(records, as_of, lang),
        recourse=_recourse(case, lang),
        appeal=None if appeal is None else appeal.sentences(lang),
        reviews=None if case.reviews is None else case.reviews.to_dict("records"),
        short_hash=_HASH,
        facts={
            "policy": policy.name,
            "policy_hash": policy.hash,
            **{name: value for name, value in case.facts.items() if name not in _TOLD},
            **(facts or {}),
        },
        tiers=TIERS,
        day=day_of(as_of),
        code=reasons.enterprise_id if _CODE.fullmatch(reasons.enterprise_id) else "",
    )
    if out is not None:
        with whole_file(Path(out)) as draft:
            draft.write_text(page, encoding="utf-8")
    return page


def write_dossiers(
    cases: Iterable[Sheet],
    policy: Policy,
    *,
    as_of: str,
    languages: Iterable[str],
    path: Callable[[Sheet, str], Path],
    appeal: Revocation | None = None,
) -> Iterator[Sheet]:
    """Write the dossiers of some enterprises as their sheets are made, and yield each sheet.

    Parameters
    ----------
    cases : iterable of Sheet
        As `tierkit.report.sheets` makes them.
    policy, as_of, appeal
        As for `dossier`.
    languages : iterable of {"zh", "en"}
        A page is written in each of them.
    path : callable
        Takes a sheet and a language, and returns the file to write.

    Yields
    ------
    Sheet

    Examples
    --------
    >>> case, policy = run.cases[0], run.policies[1]  # run = RunReport.read("build/demo/run")
    >>> file = Path("build/one.html")
    >>> [made] = write_dossiers([case], policy, as_of="2024-12-30", languages=["en"], path=lambda *_: file)
    >>> made is case, file.exists()
    (True, True)
    """
    for case in cases:
        for lang in languages:
            page = dossier(case, policy, as_of=as_of, lang=lang, appeal=appeal)
            path(case, lang).write_text(page, encoding="utf-8")
        yield case


def _units(case: Sheet) -> list[dict[str, Any]]:
    """Return the columns of effects: heading, first and last value, and number of digits."""
    reasons = case.reasons
    columns = [{"axis": "risk", "digits": 2, "start": reasons.risk_base, "end": reasons.risk_margin}]
    if reasons.has_credit:
        ends = {"start": reasons.credit_best, "end": reasons.credit_points}
        columns.append({"axis": "credit", "digits": 1, **ends})
    if reasons.composite is not None:
        start, rounding, end = reasons.composite
        columns.append({"axis": "composite", "digits": 1, "start": start + rounding, "end": end})
    return columns


def _effects(reasons: Iterable[Reason]) -> dict[str, float | None]:
    """Return the sums of effects on each score, None where there is none."""
    sums: dict[str, float | None] = {"risk": None, "credit": None, "composite": None}
    for reason in reasons:
        sums[reason.axis] = (sums[reason.axis] or 0.0) + reason.effect
        if reason.composite is not None:
            sums["composite"] = (sums["composite"] or 0.0) + reason.composite
    return sums


def _facts(case: Sheet, group: str, lang: str) -> dict[str, Any]:
    """Return the facts of a group, each with its effect on both scores, the largest first."""
    whole = {axis: sum(abs(r.effect) for r in case.reasons.of(axis)) or 1.0 for axis in ("risk", "credit")}
    by_feature: dict[str, list[Reason]] = {}
    for reason in case.reasons.reasons:
        if reason.group == group:
            by_feature.setdefault(reason.feature, []).append(reason)
    ordered = sorted(by_feature.values(), key=lambda own: -max(abs(r.effect) / whole[r.axis] for r in own))
    shown, rest = ordered[:_FACTS], [reason for own in ordered[_FACTS:] for reason in own]
    return {
        "rows": [
            {
                "fact": own[0].fact(lang, case.reasons.place),
                "records": [
                    (one.record_id, _named(one, lang, case.reasons.place))
                    for one in own[0].records
                    if _tells(one)
                ],
                "effects": _effects(own),
            }
            for own in shown
        ],
        "rest": len(ordered) - len(shown),
        "rest_effects": _effects(rest),
        "sums": _effects(reason for own in ordered for reason in own),
    }


def _tells(record: Record) -> bool:
    """Return whether a record should be named beside the fact; the row of the register is not."""
    return record.table != "enterprises"


def _named(record: Record, lang: str, place: Place) -> str:
    """Return a record in words, with its id and date; an obligation by its agency."""
    if record.table != "obligations":
        return record.text(lang)
    agency, item = record.record_id.split("/")
    levels = place.agencies[agency].label.text(lang), LEVELS["item_class"][item].text(lang)
    told = {"agency": levels[0], "item": levels[1]}
    if not record.on:
        return texts.text("dossier.obligation.undated", lang, **told)
    return texts.text("dossier.obligation", lang, **told, on=record.on)


def _certainty(case: Sheet, lang: str) -> list[str]:
    """Return how sure the tier is, in sentences."""
    sure = case.certainty
    if sure is None:
        return [texts.text("dossier.certainty.none", lang)]
    return [
        texts.text(
            "dossier.certainty.risk" if case.reasons.credit_from else "dossier.certainty",
            lang,
            members=int(sure["members"]),
            agree=round(sure["tier_agreement"] * sure["members"]),
            share=texts.percent(sure["tier_agreement"]),
            interval=texts.interval(sure["low"], sure["high"], share=True),
            level=round(sure["level_agreement"] * sure["members"]),
            grade=round((sure["grade_agreement"] or 0.0) * sure["members"]),
        )
    ]


def _recourse(case: Sheet, lang: str) -> dict[str, Any] | None:
    """Return each path with its steps and scores, and the notes beside them."""
    if case.recourse is None:
        return None
    paths = [path.sentences(lang, case.recourse.place, case.recourse.names) for path in case.recourse.paths]
    told = sum(len(path) for path in paths)
    return {
        "paths": [(path[0], path[1:-1], path[-1]) for path in paths],
        "rest": case.recourse.sentences(lang)[told:],
    }


def _timeline(records: pd.DataFrame, as_of: str, words: Words) -> Markup:
    if records.empty or set(records["table"]) == {"tiers"}:
        return Markup("")

    def label(lang: str) -> str:
        return texts.text("dossier.timeline.label", lang, n=len(records), as_of=as_of)

    return figure(words, "timeline", lambda lang: plot.timeline(records, as_of, lang=lang), label)


def _known_when(records: pd.DataFrame, lang: str) -> str:
    """Return how late records became known, in a sentence."""
    if records.empty:
        return ""
    delay = (records["known_on"] - records["happened_on"]).dt.days
    late = int((delay > _LATE_DAYS).sum())
    if not late:
        return texts.text("dossier.known.soon", lang, n=len(records), days=_LATE_DAYS)
    last = records["record_id"].to_numpy()[delay.to_numpy().argmax()]
    shown = {"late": late, "days": _LATE_DAYS, "most": int(delay.max())}
    one = texts.plain(str(last), 40)
    return texts.text("dossier.known.late", lang, n=len(records), id=one, **shown)


def _records(records: pd.DataFrame, as_of: str, lang: str, place: Place) -> list[dict[str, Any]]:
    """Return the records as rows of a table: open credit events first, then the latest known."""
    rows = []
    if not records.empty:
        open_ = records["table"].eq("credit_events") & records["repaired_on"].isna()
        open_ &= ~records["kind"].isin(MERITS) & (records["published_until"] >= pd.Timestamp(as_of))
        records = pd.concat([records[open_], records[~open_]])
    for row in records.to_dict("records"):
        until = row["counts_until"]
        rows.append(
            {
                "id": str(row["record_id"]),
                "table": row["table"],
                "what": _what(row, lang, place),
                "result": _result(row, lang),
                "happened": _day(row["happened_on"]),
                "known": _day(row["known_on"]),
                "until": _day(until),
                "past": bool(until < pd.Timestamp(as_of)),
                "repair": _repair(row, as_of, lang),
            }
        )
    return rows


def _items(ids: Sequence[str], lang: str, place: Place) -> list[tuple[str, str, str]]:
    """Return each item in words, its class and the law that inspections of it rest on."""
    return [
        (
            one.label.text(lang),
            LEVELS["item_class"][one.item_class].text(lang),
            one.basis or NO_BASIS.text(lang),
        )
        for one in (place.items[name] for name in ids if name in place.items)
    ]


def _what(row: Mapping[Any, Any], lang: str, place: Place) -> str:
    """Return what a record is: its kind, and the agency where one made it."""
    if row["table"] == "tiers":
        return texts.text("dossier.record.tiers", lang, policy=texts.policy_label(str(row["kind"]), lang))
    levels = {
        "inspections": "channel",
        "credit_events": "event_kind",
        "complaints": "complaint_channel",
        "signals": "signal_kind",
    }
    unknown = texts.text("word.unknown", lang)
    kind = unknown if pd.isna(row["kind"]) else LEVELS[levels[row["table"]]][row["kind"]].text(lang)
    agency = unknown if pd.isna(row["agency"]) else place.agencies[row["agency"]].label.text(lang)
    return texts.text(f"dossier.record.{row['table']}", lang, kind=kind, agency=agency)


def _result(row: Mapping[Any, Any], lang: str) -> str:
    """Return the outcome of a record, with the day on which it was decided."""
    outcome = row["outcome"]
    if row["table"] == "tiers":
        return f"{outcome} {LEVELS['tier'][outcome].text(lang)}"
    if row["table"] == "complaints":
        said = "open" if pd.isna(outcome) else outcome
        return texts.text(f"dossier.complaint.{said}", lang, on=_day(row["outcome_on"]))
    if row["table"] == "signals":
        return ""
    if row["table"] == "credit_events":
        level = LEVELS["severity"][outcome].text(lang)
        return "" if row["kind"] in MERITS else texts.text("dossier.severity", lang, level=level)
    found = texts.text("dossier.finding.none", lang)
    if outcome != "none":
        found = texts.text("dossier.finding.some", lang, finding=LEVELS["finding"][outcome].text(lang))
    if row["disposition"] == "none" or pd.isna(row["disposition"]):
        return found
    done = LEVELS["disposition"][row["disposition"]].text(lang)
    return texts.text("dossier.disposition", lang, finding=found, done=done, on=_day(row["outcome_on"]))


def _repair(row: Mapping[Any, Any], as_of: str, lang: str) -> str:
    """Return whether and when a credit event was or can be repaired."""
    if row["table"] != "credit_events" or row["kind"] in MERITS:
        return ""
    if not pd.isna(row["repaired_on"]):
        return texts.text("dossier.repair.done", lang, on=_day(row["repaired_on"]))
    if row["published_until"] < pd.Timestamp(as_of):
        return ""
    if pd.isna(row["repairable_from"]):
        return texts.text("dossier.repair.never", lang)
    rule = _rule_of_repair(row, as_of).label.text(lang)
    return texts.text("dossier.repair.from", lang, on=_day(row["repairable_from"]), rule=rule)


def _rule_of_repair(row: Mapping[Any, Any], as_of: str) -> RepairRule:
    """Return the rule by which a record can be repaired: that of the first day on which it still can be."""
    return rule_on(f"{max(row['repairable_from'], pd.Timestamp(as_of)):%Y-%m-%d}")


def _repair_rules(records: pd.DataFrame, as_of: str, lang: str) -> list[str]:
    """Return the rules by which the open records can be repaired, with their terms, in sentences."""
    if records.empty:
        return []
    terms: dict[RepairRule, dict[tuple[str, str], None]] = {}
    earlier: set[str] = set()
    for row in records.to_dict("records"):
        if row["table"] != "credit_events" or row["kind"] in MERITS or not pd.isna(row["repaired_on"]):
            continue
        if row["published_until"] < pd.Timestamp(as_of) or pd.isna(row["repairable_from"]):
            continue
        rule = _rule_of_repair(row, as_of)
        terms.setdefault(rule, {})[row["kind"], row["outcome"]] = None
        if row["known_on"] < pd.Timestamp(rule.start):
            earlier.add(rule.name)
    return [
        texts.text(
            "dossier.repair.rule",
            lang,
            rule=rule.label.text(lang),
            start=rule.start.isoformat(),
            terms=texts.join((_term(rule, kind, severity, lang) for kind, severity in terms[rule]), lang),
            transition=rule.transition.text(lang) if rule.name in earlier else "",
        ).rstrip()
        for rule in sorted(terms, key=lambda one: one.start)
    ]


def _term(rule: RepairRule, kind: str, severity: str, lang: str) -> str:
    """Return how long records of a kind and severity are published by a rule, in words."""
    term = rule.term(kind, severity)
    named = {"kind": LEVELS["event_kind"][kind], "severity": LEVELS["severity"][severity]}
    words = {name: label.text(lang) for name, label in named.items()}
    return texts.text("dossier.repair.term", lang, shortest=term.shortest, longest=term.longest, **words)


def _day(value: Any) -> str:
    return "" if pd.isna(value) else f"{value:%Y-%m-%d}"


def _composite(case: Sheet, policy: Policy) -> dict[str, Any] | None:
    """Return the composite score, what it is made of and its cut-offs; None under a plan without one."""
    reasons = case.reasons
    if reasons.composite is None:
        return None
    start, rounding, total = reasons.composite
    start += rounding
    t3, t2, t1 = (float(cut) for cut in policy["scoring.composite_cutoffs"])
    weight = float(policy["scoring.composite_risk_weight"])
    log_odds = float(logit(reasons.risk_probability))
    risk = -weight * log_odds
    made = {
        "total": texts.number(total, 1),
        "credit": texts.number(total - rounding - risk, 1),
        "credit_weight": f"{policy['scoring.composite_credit_weight']:g}",
        "risk": texts.signed(risk, 1),
        "risk_weight": f"{weight:g}",
        "log_odds": texts.number(log_odds, 2),
        "t1": f"{t1:g}",
        "t2": f"{t2:g}",
        "t3": f"{t3:g}",
        "start": texts.number(start, 1),
        "sum": texts.signed(total - start, 1),
        "rounding": lambda lang: _rounded(rounding, lang),
    }
    return {"made": made, **_line(total, (t3, t2, t1), None, 1)}


def _rounded(rounding: float, lang: str) -> str:
    """Return the rounding error of the composite score, where it is visible."""
    shown = texts.number(-rounding, 1)
    return texts.text("dossier.composite.rounding", lang, value=shown) if float(shown) else ""


def _risk_scale(case: Sheet) -> dict[str, Any]:
    reasons = case.reasons
    return _scale(case, "risk", reasons.risk_margin, reasons.risk_boundaries, reasons.risk_base)


def _credit_scale(case: Sheet) -> dict[str, Any]:
    reasons = case.reasons
    return _scale(case, "credit", reasons.credit_points, reasons.credit_boundaries, reasons.credit_best)


def _scale(
    case: Sheet, axis: str, value: float, boundaries: tuple[float, ...], reference: float
) -> dict[str, Any]:
    """Return a score's line; boundaries of levels and grades only where the plan reads them."""
    composite = case.reasons.composite is not None
    return {
        "axis": axis,
        "about": f"dossier.scale.{axis}{'_composite' if composite else ''}",
        "distance": lambda lang: case.reasons.distance_sentence(axis, lang),
        **_line(value, () if composite else boundaries, reference, 2 if axis == "risk" else 1),
    }


def _line(
    value: float, boundaries: tuple[float, ...], reference: float | None, digits: int
) -> dict[str, Any]:
    """Return where a score and a policy's boundaries lie on a line from 0 to 100."""
    marks = [value, *boundaries, *([] if reference is None else [reference])]
    low, high = min(marks), max(marks)
    room = 0.12 * (high - low) or 1.0

    def at(mark: float) -> float:
        return round((mark - low + room) / (high - low + 2 * room) * 100, 2)

    return {
        "value": texts.number(value, digits),
        "at": at(value),
        "reference": "" if reference is None else texts.number(reference, digits),
        "reference_at": None if reference is None else at(reference),
        "boundaries": [(texts.number(mark, digits), at(mark)) for mark in boundaries],
    }
