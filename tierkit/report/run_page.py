"""The report of a run: one page that holds everything, in Chinese and English."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tierkit import plot, texts
from tierkit.compare import agencies
from tierkit.compare.spread import Spread, change_told
from tierkit.evaluate.moments import decimals
from tierkit.folders import whole_file
from tierkit.folders.claims import claim
from tierkit.plot.over_time import FEWEST
from tierkit.policy import STATUSES, OverlayCheck, Policy, check_overlays
from tierkit.policy.ladders import FloorCheck
from tierkit.records import GRADES, TIERS
from tierkit.report import tables
from tierkit.report.page import Words, figure, render
from tierkit.report.run_report import RunReport
from tierkit.report.sheets import Sheet
from tierkit.report.waterfall import waterfall

__all__ = ["headline", "index", "summary_json", "width_note"]

_SECTIONS = (
    "results", "floor", "overlays", "load", "agencies", "harm", "tiers", "examples", "method", "moments",
    "limits", "parameters", "versions",
)  # fmt: skip
_LIMITS = 8
_STEPS = 7


def headline(run: RunReport, lang: str) -> list[str]:
    """Return the result in two or three sentences, with numbers and intervals, each with its κ.

    The first is about the first plan: load and finding rate, and in the same breath findings, what was missed
    and harm. The second compares the plans and says what more years and more deterrence would do, or, where
    one plan was run under one condition, how much is left to complaints. The third, where there are several
    conditions, gives the first plan's harm under each.

    Where the changes were run over cities like this, or over models, what is said of plans is of these, with
    their intervals, and what is left is said to be of this city, over draws alone.

    Parameters
    ----------
    run : RunReport
    lang : {"zh", "en"}

    Returns
    -------
    list of str
        Plain text in which ``**`` marks what is strong.

    Examples
    --------
    >>> sentences = headline(run, "en")  # run = RunReport.read("build/demo/run")
    >>> sentences[0].partition(" and the")[0]
    'Under **Shanghai 2025** (κ = 0.1), inspections change by **−52%** [−55%, −49%] from Legacy'
    """
    with texts.titled(run.titles):
        return _headline(run, lang)


def _headline(run: RunReport, lang: str) -> list[str]:
    first, plans = run.policies[1].name, [policy.name for policy in run.policies[1:]]

    def said(measure: str, policy: str, kappa: float | None = None, weeks: int | None = None) -> str:
        one = tables.effect(run, measure, policy, kappa, weeks)
        return f"**{one.change}** {one.change_interval}".strip()

    rate, base = (tables.effect(run, "finding_rate", name).value for name in (first, run.policies[0].name))
    wider = [] if run.spread is None else _wider(run.spread, lang)
    here = [
        texts.text(
            "report.headline.first",
            lang,
            plan=plot.policy_label(first, lang),
            baseline=plot.policy_label(run.policies[0].name, lang),
            kappa=f"{run.kappa:g}",
            inspections=said("inspections", first),
            base=base,
            rate=rate,
            findings=said("findings", first),
            missed=said("violations_missed", first),
            harm=said("harm", first),
        )
    ]
    if wider:
        here = [texts.text("report.headline.here", lang, sentence=one) for one in here]
    sentences = [*wider, *here]
    sentences.append(_second(run, plans, lang, said))
    cases = tables.settings(run)
    if len(cases) > 1:
        join = texts.text("report.headline.join", lang)
        horizons = [
            texts.text(
                "report.headline.at_kappas",
                lang,
                when=plot.horizon(weeks, over, lang),
                changes=texts.join(
                    [
                        texts.text(
                            "report.headline.at_kappa",
                            lang,
                            change=said("harm", first, kappa, weeks),
                            kappa=f"{kappa:g}",
                        )
                        for lasting, _, kappa in cases
                        if lasting == weeks
                    ],
                    lang,
                ),
            )
            for weeks, over in dict.fromkeys((weeks, over) for weeks, over, _ in cases)
        ]
        sentences.append(
            texts.text(
                "report.headline.kappas",
                lang,
                plan=plot.policy_label(first, lang),
                harm=join.join(horizons),
            )
        )
    return sentences


def _second(run: RunReport, plans: list[str], lang: str, said: Callable[..., str]) -> str:
    """Return the headline's second sentence."""
    clauses = []
    if len(plans) > 1 and run.spread is None:
        case = run.kappa, run.weeks
        least = _best(run, "inspections", texts.text("report.headline.least", lang), lang, said, *case)
        safest = _best(run, "harm", texts.text("report.headline.safest", lang), lang, said, *case)
        said_at = f"{run.kappa:g}"
        clauses.append(
            texts.text(
                "report.headline.compared", lang, n=len(plans), kappa=said_at, least=least, safest=safest
            )
        )
    far = kappa, weeks = _worst_case(run)
    if far != (run.kappa, run.weeks):
        when = plot.horizon(weeks, int(run.effects["harm", plans[0], *far]["over"]), lang)
        if len(plans) > 1:
            most = texts.text("report.headline.worst", lang, when=when)
            worst = _best(run, "harm", most, lang, said, *far, most=True)
            clauses.append(texts.text("report.headline.far", lang, kappa=f"{kappa:g}", worst=worst))
        else:
            told = {"worst": plot.policy_label(plans[0], lang), "harm": said("harm", plans[0], *far)}
            clauses.append(texts.text("report.headline.far_one", lang, kappa=f"{kappa:g}", when=when, **told))
    if not clauses:
        share, base = (
            tables.effect(run, "trigger_share", p.name).value for p in (run.policies[1], run.policies[0])
        )
        clauses.append(
            texts.text("report.headline.trigger", lang, base=base, share=share, kappa=f"{run.kappa:g}")
        )
    sentence = texts.text("report.headline.join", lang).join(clauses)
    return texts.text("report.headline.end", lang, sentence=sentence[0].upper() + sentence[1:])


def _best(
    run: RunReport,
    measure: str,
    what: str,
    lang: str,
    said: Callable[..., str],
    kappa: float,
    weeks: int,
    *,
    most: bool = False,
) -> str:
    """Return which plan has the least (or most) of a measure, with those not told apart from it."""
    sign = -1 if most else 1
    plans = sorted(
        (policy.name for policy in run.policies[1:]),
        key=lambda name: sign * float(run.effects[measure, name, kappa, weeks]["relative"]),
    )
    tied = [plans[0]]
    others = plans[1:]
    tied += [
        one for one in others if not run.told_apart(measure, plans[0], one, kappa, weeks, among=len(others))
    ]
    kind = "one" if len(tied) == 1 else "none" if plans[-1] in tied else "tied"
    shown = [
        texts.text(
            "report.headline.plan",
            lang,
            plan=plot.policy_label(name, lang),
            change=said(measure, name, kappa, weeks),
        )
        for name in (tied if kind == "tied" else tied[:1])
    ]
    return texts.text(f"report.headline.{kind}", lang, what=what, plans=_joined(shown, lang))


def _wider(spread: Spread, lang: str) -> list[str]:
    """Return what is said of the first plan, and of the order of plans, at the widest level there is."""
    first, *others = spread.policies[1:]

    def said(measure: str, policy: str = first) -> str:
        change, _, ends = change_told(spread.row(policy, measure), lang).partition(" [")
        return f"**{change}** [{ends}" if ends else f"**{change}**"

    row = spread.row(first, "inspections")
    told = [
        texts.text(
            f"report.headline.within.{spread.widest}", lang, plan=plot.policy_label(first, lang),
            baseline=plot.policy_label(spread.policies[0], lang), kappa=f"{spread.kappa:g}",
            n=spread.worlds, how=spread.how(lang),
            enterprises=texts.number(row["enterprises"]), inspections=said("inspections"),
            rate=said("finding_rate"), findings=said("findings"), missed=said("violations_missed"),
            harm=said("harm"),
            one=texts.interval(100 * row["one_low"], 100 * row["one_high"], 0, sign=True),
        )
    ]  # fmt: skip
    if others:
        clauses = [
            _lowest(spread, measure, texts.text(f"report.headline.{what}", lang), lang, said)
            for measure, what in (("inspections", "least"), ("harm", "safest"))
        ]
        where = texts.text(
            f"report.headline.order.{spread.widest}", lang, n=len(others) + 1, kappa=f"{spread.kappa:g}",
            least=clauses[0], safest=clauses[1],
        )  # fmt: skip
        told.append(texts.text("report.headline.end", lang, sentence=where[0].upper() + where[1:]))
    return told


def _lowest(spread: Spread, measure: str, what: str, lang: str, said: Callable[..., str]) -> str:
    """Return which plan has the least of a measure at the widest level, with those not told apart from it."""
    plans = sorted(spread.policies[1:], key=lambda name: float(spread.row(name, measure)["change"]))
    pairs = spread.order[(spread.order["measure"] == measure) & (spread.order["lower"] == plans[0])]
    apart = set(pairs.loc[pairs["sure"].astype(bool), "higher"])
    tied = [plans[0], *(one for one in plans[1:] if one not in apart)]
    kind = "one" if len(tied) == 1 else "none" if plans[-1] in tied else "tied"
    shown = [
        texts.text(
            "report.headline.plan", lang, plan=plot.policy_label(name, lang), change=said(measure, name)
        )
        for name in (tied if kind == "tied" else tied[:1])
    ]
    told = texts.text(f"report.headline.{kind}", lang, what=what, plans=_joined(shown, lang))
    share = float(pairs["share"].min())
    if kind != "one" or not np.isfinite(share):
        return told
    of = texts.text(f"report.headline.share.{spread.widest}", lang, share=texts.percent(share, 0))
    return f"{told}{of}"


def width_note(run: RunReport, lang: str) -> str:
    """Return what the intervals of a run are over, and how to get wider ones.

    Examples
    --------
    >>> width_note(run, "en").partition(":")[0]  # run = RunReport.read("build/demo/run")
    'Intervals not said to be of more are over draws alone, for this city and this model'
    """
    kind = "none" if run.spread is None else run.spread.widest
    return texts.text(f"report.width.{kind}", lang)


def _widths(run: RunReport, words: Words) -> tuple[list[tuple[str, str, list[str]]], list[Markup]]:
    """Return the changes at the widest level as rows of cells, and what varies and is sure in words."""
    spread = run.spread
    if spread is None:
        return [], []
    rows = []
    for policy in spread.policies[1:]:
        for measure in dict.fromkeys(spread.rows["measure"]):
            row = spread.row(policy, str(measure))
            alone = tables.effect(run, str(measure), policy)
            change, _, ends = change_told(row, "en").partition(" [")
            more = change_told(row, "en", one=True).partition(" [")[2]
            cells = [
                change.removesuffix(" points"), f"[{ends}" if ends else "–", f"[{more}" if more else "–",
                texts.percent(row["same_sign"], 0), f"{alone.change} {alone.change_interval}",
            ]  # fmt: skip
            rows.append((policy, str(measure), cells))
    told = ([spread.head(lang), *spread.sentences(lang)[len(spread.policies) :]] for lang in ("zh", "en"))
    return rows, [words.pair(zh, en) for zh, en in zip(*told, strict=True)]


def _joined(parts: list[str], lang: str) -> str:
    """Return a list of words in a sentence, the last joined by "and"."""
    *others, last = parts
    return texts.text("join.last", lang, first=texts.join(others, lang), last=last) if others else last


def _worst_case(run: RunReport) -> tuple[float, int]:
    """Return the largest kappa and longest horizon that were run."""
    cases = run.summary[["kappa", "weeks"]].drop_duplicates()
    weeks = int(cases["weeks"].max())
    return float(cases.loc[cases["weeks"] == weeks, "kappa"].max()), weeks


def _figures(run: RunReport, words: Words) -> dict[str, Markup]:
    """Return the figures for which the run has the data."""
    case: dict[str, Any] = {"kappa": run.kappa, "weeks": run.weeks}
    first = run.policies[1].name
    makers: dict[str, Callable[[str], Any]] = {
        "outcomes": lambda lang: plot.outcomes(run.summary, lang=lang, **case),
        "trade_off": lambda lang: plot.trade_off(run.summary, lang=lang, **case),
    }
    groups = set(run.summary["group"].astype(str))
    if "channel" in groups:
        makers["load"] = lambda lang: plot.load(run.summary, lang=lang, **case)
    if run.summary[["kappa", "weeks"]].drop_duplicates().shape[0] > 1:
        makers["kappa"] = lambda lang: plot.kappa(run.summary, lang=lang)
    shielded = run.summary[(run.summary["group"] == "shield") & (run.summary["level"] == "shielded")]
    if (shielded["n"] > 0).any():
        makers["triggers"] = lambda lang: plot.triggers(run.summary, lang=lang, **case)
    years, moved = run.years, run.transitions
    if years is not None and _many_in_t1(years):
        makers["drift"] = lambda lang: plot.drift(years, lang=lang)
    if moved is not None:
        makers["transitions"] = lambda lang: plot.transitions(moved, first, lang=lang, **case)
    for group in ("ownership", "size"):
        if group in groups:
            makers[f"fairness_{group}"] = partial(_fairness, run, group, first)
    visits, tiers = _in_order(run, run.visits), _in_order(run, run.tiers)
    scores, calibration = run.scores, run.calibration
    if visits is not None:
        makers["visits"] = lambda lang: plot.visits(
            visits, lang=lang, conditions=texts.text("caption.one_replicate", lang, weeks=run.weeks)
        )
    if tiers is not None:
        makers["tiers"] = lambda lang: plot.tier_sizes(tiers, lang=lang)
        for policy in run.policies[1:]:
            if policy["scoring.logic"] == "matrix":
                makers[f"matrix_{policy.name}"] = partial(_matrix, tiers, policy)
    if calibration is not None and len(calibration):
        makers["calibration"] = lambda lang: plot.calibration(calibration, lang=lang)
    if scores is not None and "credit_points" in scores and scores["credit_points"].notna().any():
        policy = next((p for p in run.policies[1:] if p["scoring.basis"] == "model"), run.policies[0])
        cuts = [float(cut) for cut in policy["scoring.credit_cutoffs"]]
        makers["points"] = lambda lang: plot.points(
            scores["credit_points"].to_numpy(float), cuts, grades=GRADES[: len(cuts) + 1], lang=lang
        )
    return {name: figure(words, name, draw, _title(name)) for name, draw in makers.items()}


def _in_order(run: RunReport, frame: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return a frame with the policies in the order of the run."""
    if frame is None:
        return None
    place = {policy.name: k for k, policy in enumerate(run.policies)}
    return frame.iloc[np.argsort(frame["policy"].astype(str).map(place).to_numpy(), kind="stable")]


def _many_in_t1(years: pd.DataFrame) -> bool:
    """Return whether any plan has enough enterprises in T1 for the drift to be drawn."""
    rows = years[(years["level"] == "T1") & (years["measure"] == "inspections") & (years["n"] >= FEWEST)]
    return bool((rows["policy"].astype(str) != rows["baseline"].astype(str)).any())


def _fairness(run: RunReport, group: str, policy: str, lang: str) -> Any:
    return plot.fairness(
        run.summary, group, policy, lang=lang, kappa=run.kappa, weeks=run.weeks, place=run.place
    )


def _matrix(tiers: pd.DataFrame, policy: Policy, lang: str) -> Any:
    own = tiers[tiers["policy"].astype(str) == policy.name]
    shape = len(policy["scoring.risk_cutoffs"]) + 1, len(policy["scoring.credit_cutoffs"]) + 1
    return plot.matrix(own, lang=lang, policy=policy.name, shape=shape)


def _title(name: str) -> Callable[[str], str]:
    # These stand once for each policy or group, which their names end in.
    of_several = next((one for one in ("fairness", "matrix") if name.startswith(f"{one}_")), name)
    return lambda lang: texts.text(f"report.alt.{of_several}", lang)


def _case(case: Sheet, number: int, words: Words) -> dict[str, Any]:
    """Return an example enterprise as the template shows it."""
    reasons = case.reasons
    return {
        "reasons": reasons,
        "enterprise": case.enterprise,
        "figure": waterfall(case, words, f"case-{number}", top=8),
        "in_force": words.each(case.in_force) if case.in_force("zh") else "",
        "distances": {axis: partial(reasons.distance_sentence, axis) for axis in reasons.axes},
    }


def index(run: RunReport, out: str | Path) -> Path:
    """Write the report of a run: ``index.html``, which needs nothing else, and ``summary.json``.

    Parameters
    ----------
    run : RunReport
    out : str or Path
        Folder; made if it is not there.

    Returns
    -------
    Path
        Of ``index.html``.

    Examples
    --------
    >>> import tempfile
    >>> page = index(run, tempfile.mkdtemp())  # run = RunReport.read("build/demo/run")
    >>> "http://" in page.read_text("utf-8").replace("http://www.w3.org", "")
    False
    """
    place = Path(out)
    target = place / "index.html"
    with claim(place), whole_file(target) as draft, whole_file(place / "summary.json") as beside:
        with texts.titled(run.titles):
            page = _page(run)
            summary = summary_json(run)
        draft.write_text(page, encoding="utf-8")
        text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False)
        beside.write_text(text + "\n", encoding="utf-8")
    return target


def _page(run: RunReport) -> str:
    words = Words(place=run.place)
    baseline = run.policies[0]
    keys, kappa_rows = tables.kappa_table(run)
    drift_keys, drift_rows = tables.drift_table(run)
    told = headline(run, "zh"), headline(run, "en")
    width_rows, width_told = _widths(run, words)
    return render(
        "index.html.j2",
        place=run.place,
        title={lang: texts.text("report.title", lang, n=len(run.policies) - 1) for lang in texts.LANGUAGES},
        run=run,
        case={"n": _enterprises(run), "replicates": partial(_replicates, run)},
        once=run.replicates == 1,
        stand_ins=_named(_on_models(run, True)) if _on_models(run, True) and not run.has_models else None,
        on_rule=_named(_on_models(run, False)) if _on_models(run, False) and run.has_models else None,
        listed=_listed(run),
        tier_names={one.name: dict(zip(TIERS, one.tier_names, strict=True)) for one in run.policies},
        headline=[words.pair(zh, en) for zh, en in zip(*told, strict=True)],
        figures=_figures(run, words),
        measures=tables.BESIDE,
        beside=tables.beside(run, tables.BESIDE),
        all_measures=tables.all_measures(run),
        floors=[(check, _warnings(check, words)) for check in tables.floor_checks(run)],
        overlays=_overlays(run, words),
        apart=tables.apart_rows(run),
        width_note=words.pair(*(width_note(run, lang) for lang in ("zh", "en"))),
        width_rows=width_rows,
        width_told=width_told,
        widest="draws" if run.spread is None else run.spread.widest,
        kappa_keys=keys,
        kappa_replicates=[tables.replicates(run, kappa, weeks) for weeks, _, kappa in keys],
        kappa_rows=kappa_rows,
        drift_keys=drift_keys,
        drift_rows=drift_rows,
        tier_rows=tables.tier_table(run),
        move_rows=tables.move_table(run),
        agency_measures=agencies.MEASURES,
        agency_rows=tables.scoreboard(run),
        rating_rows=tables.rating_table(run),
        moments=[]
        if run.moments is None
        else [{**one, "digits": decimals(one)} for one in run.moments.to_dict("records")],
        metrics={
            name: {key: value for key, value in one.items() if key not in tables.ERRORS}
            for name, one in run.metrics.items()
        },
        auc_told=[
            words.pair(zh, en)
            for zh, en in zip(*(tables.auc_told(run.metrics, lang) for lang in ("zh", "en")), strict=True)
        ],
        weak=tables.weak_models(run.metrics),
        cases=[_case(case, k, words) for k, case in enumerate(run.cases)],
        changed=[(policy, tables.parameters(policy, baseline)) for policy in run.policies[1:]],
        whole=tables.parameters(baseline),
        statuses=STATUSES,
        sections=_sections(run),
        steps=_steps(run),
        kappas=", ".join(
            f"{kappa:g}" for kappa in dict.fromkeys(kappa for _, _, kappa in tables.settings(run))
        ),
        limits=range(1, _LIMITS + 1),
    )


def _steps(run: RunReport) -> list[str]:
    """Return the ids of the method's texts; without models, one on the rule score stands for both models'."""
    kept = [k for k in range(1, _STEPS + 1) if run.has_models or k not in (2, 3)]
    steps = [f"report.method.{k}" for k in kept]
    return steps if run.has_models else [steps[0], "report.method.rule", *steps[1:]]


def _named(names: list[str]) -> Callable[[str], str]:
    """Return for a language the short names of policies in a sentence."""
    return lambda lang: _joined([plot.policy_label(name, lang) for name in names], lang)


def _on_models(run: RunReport, on: bool) -> list[str]:
    """Return the policies whose tiers are meant to rest on models, or those on the rule score."""
    return [p.name for p in run.policies if (p["scoring.basis"] == "model") == on and not p.oracle]


def _listed(run: RunReport) -> Callable[[str], str] | None:
    """Return for a language how many each policy's list holds beside how many it was meant to hold."""
    shares = tables.listed_shares(run)
    if not shares:
        return None

    def told(lang: str) -> str:
        parts = [
            texts.text(
                "report.tiers.list",
                lang,
                plan=plot.policy_label(name, lang),
                share=texts.percent(share, 1),
                target=texts.percent(target, 1),
            )
            for name, share, target in shares
        ]
        return texts.join(parts, lang)

    return told


def _checked(run: RunReport) -> list[OverlayCheck]:
    """Return the policies that state rules of higher rank, held against these on the day of the run."""
    day = run.facts.get("as_of")
    bound = [one for one in run.policies if one.meta.overlays]
    return [check_overlays(one, None if day is None else str(day)[:10]) for one in bound]


def _overlays(run: RunReport, words: Words) -> list[tuple[OverlayCheck, list[Markup]]]:
    """Return of each policy how many requirements it keeps, and each that it breaks, in both languages."""
    found = []
    for check in _checked(run):
        called = (replace(check, policy=plot.policy_label(check.policy, lang)) for lang in ("zh", "en"))
        told = (
            one.sentences(lang)[: 1 + len(check.broken)]
            for one, lang in zip(called, ("zh", "en"), strict=True)
        )
        found.append((check, [words.pair(zh, en) for zh, en in zip(*told, strict=True)]))
    return found


def _warnings(check: FloorCheck, words: Words) -> list[Markup]:
    """Return the warnings of a check of the legal floor, in both languages."""
    told = (check.sentences(lang) for lang in ("zh", "en"))
    return [words.pair(zh, en) for zh, en in zip(*told, strict=True)]


def _sections(run: RunReport) -> list[str]:
    """Return the sections that the page has, in its order."""
    by_agency = (run.summary["group"] == "agency").any() or run.ratings is not None
    there = {
        "agencies": by_agency,
        "overlays": any(one.meta.overlays for one in run.policies),
        "examples": bool(run.cases),
        "moments": run.moments is not None and len(run.moments) > 0,
    }
    return [name for name in _SECTIONS if there.get(name, True)]


def _replicates(run: RunReport, lang: str) -> str:
    return texts.text("count.replicates", lang, n=run.replicates)


def _enterprises(run: RunReport) -> int:
    rows = plot.effects(run.summary, "inspections", kappa=run.kappa, weeks=run.weeks)
    return int(rows["n"].iloc[0])


def summary_json(run: RunReport) -> dict[str, Any]:
    """Return the run's results as plain data: what ``summary.json`` holds.

    Returns
    -------
    dict
        ``headline`` (zh, en), ``conditions``, ``policies`` (name, title, document, hash), ``results`` (a
        row a case, policy and measure, of all enterprises), ``widths`` (the headline's changes over models or
        cities like this, each with its level), ``tiers`` (enterprises by policy and tier), ``floor``
        (declared draws against the legal floor), ``moments``, ``metrics``, ``facts``. Missing numbers are
        null.

    Examples
    --------
    >>> sorted(summary_json(run))  # run = RunReport.read("build/demo/run")
    ['conditions', 'facts', 'floor', 'headline', 'metrics', 'moments', 'policies', 'results', 'tiers',
    'widths']
    """
    rows = run.summary[run.summary["group"] == "all"].drop(columns=["group", "level"])
    tiers: dict[str, dict[str, int]] = {}
    if run.tiers is not None:
        for policy in run.policies:
            own = run.tiers.loc[run.tiers["policy"].astype(str) == policy.name, "tier"].astype(str)
            tiers[policy.name] = {str(tier): int(n) for tier, n in own.value_counts().sort_index().items()}
    return {
        "headline": {
            lang: [line.replace("**", "") for line in headline(run, lang)] for lang in texts.LANGUAGES
        },
        "conditions": {"kappa": run.kappa, "weeks": run.weeks, "enterprises": _enterprises(run)},
        "policies": [_policy_json(policy) for policy in run.policies],
        "results": _plain(rows.to_dict("records")),
        "widths": [] if run.widths is None else _plain(run.widths.to_dict("records")),
        "tiers": tiers,
        "floor": [check.to_dict() for check in tables.floor_checks(run)],
        "moments": [] if run.moments is None else _plain(run.moments.to_dict("records")),
        "metrics": _plain({name: dict(values) for name, values in run.metrics.items()}),
        "facts": _plain(dict(run.facts)),
    }


def _policy_json(policy: Policy) -> dict[str, Any]:
    title = policy.meta.title
    return {
        "name": policy.name,
        "title_zh": title.zh,
        "title_en": title.en,
        "document": policy.meta.document,
        "date": policy.meta.date.isoformat(),
        "status": policy.meta.status,
        "hash": policy.hash,
    }


def _plain(data: Any) -> Any:
    """Return plain data for JSON: NumPy numbers as Python numbers, non-finite values as null."""
    if isinstance(data, dict):
        return {str(key): _plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_plain(value) for value in data]
    if isinstance(data, np.generic):
        data = data.item()
    if isinstance(data, float):
        return data if np.isfinite(data) else None
    return data if isinstance(data, str | int | bool | None) else str(data)
