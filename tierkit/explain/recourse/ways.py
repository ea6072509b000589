"""Find the cheapest paths of steps that lead an enterprise to a better tier.

A path edits records as its steps would, takes the features from them anew on a later date, scores them and
gives the tier by the policy's own rule, the tier that stands being the last one: so hysteresis, dwell and red
lines are in it. It assumes that nothing else happens meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from tierkit import texts
from tierkit.explain.recourse.editing import known_tables, spotless
from tierkit.explain.recourse.paths import Obstacle, Path, Recourse
from tierkit.explain.recourse.search import Question, answers, cheapest_sets, placed
from tierkit.explain.recourse.steps import DAY, Row, ends_after, is_open, possible
from tierkit.features import features_of, standing
from tierkit.policy import Policy, PolicyLike, policy_of
from tierkit.progress import Progress, quiet
from tierkit.records import GRADES, TIERS, Tables
from tierkit.records.gate import count_of, ids_of, one_of
from tierkit.records.known import TIMED, Known, Source, known, opened
from tierkit.scores.model import Model, ModelLike, Scored, model_of

__all__ = ["recourse", "recourse_known"]

_OWN = tuple(name for name in TIMED if name != "complaints")
"""Tables of which an enterprise's features use its own rows alone."""
_TOLD = [
    *("question", "steps", "on", "cost", "tier"),
    *("risk_level", "credit_grade", "risk_probability", "credit_points"),
]
_CHUNK = 250
"""Enterprises at a time; it sets memory and changes nothing."""


def recourse(
    model: ModelLike,
    data: Source | Known,
    as_of: date | str | None,
    ids: Iterable[str],
    policy: PolicyLike | None = None,
    *,
    previous: pd.DataFrame | None = None,
    months: int = 12,
    threads: int = 1,
    progress: Progress = quiet,
    lang: str = "zh",
) -> dict[str, Recourse]:
    """Return the steps by which enterprises can reach a better tier under a policy.

    Steps are those of `tierkit.explain.recourse.steps.STEPS` that the enterprise's records allow, each on its
    earliest day; sets of them are looked at on the day after their last step, on monthly dates, and on the
    day on which the tier may change again.

    Parameters
    ----------
    model : Model or path
    data : Dataset, mapping, path or Known
    as_of : date
        Only what was known before this day is used. What is open already has its day.
    ids : iterable of str
        Enterprises; those that were not on the register are left out.
    policy : Policy, name or path, optional
        The model's own if absent.
    previous : DataFrame, optional
        The last assignment, as `tierkit.policy.tiers.assign` takes it.
    months : int, default=12
        How far ahead to look.
    threads : int
        Does not change the result.
    progress : callable, optional
        Told the stage, the number done and the total.
    lang : {"zh", "en"}, default="zh"
        Language in which a notebook shows it.

    Returns
    -------
    dict of str to Recourse
        By enterprise, in the order asked.

    Raises
    ------
    DataError
        If an enterprise is not in the dataset, the records do not reach to that day, or the policy sees
        the truth.

    Examples
    --------
    >>> import tierkit as tk
    >>> jiading = tk.Policy.load("jiading-2025")
    >>> model = tk.train("data/synthetic", "2024-12-30", policy=jiading)
    >>> scores = model.score("data/synthetic", "2024-12-30")
    >>> watched = tk.assign(scores, jiading).query("tier == 'T4'")["enterprise_id"].iloc[:5]
    >>> found = tk.recourse(model, "data/synthetic", "2024-12-30", watched, jiading)
    >>> all(path.tier < "T4" for one in found.values() for path in one.paths)
    True
    """
    model = model_of(model)
    one_of(lang, texts.LANGUAGES, "lang")
    chosen = model.policy if policy is None else policy_of(policy)
    with opened(data, as_of, threads=threads) as seen:
        asked = model.scored(seen, list(dict.fromkeys(ids_of(ids))))
        return recourse_known(
            model, seen, asked, chosen, previous, months=months, progress=progress, lang=lang
        )


def recourse_known(
    model: Model,
    known: Known,
    scored: Scored,
    policy: Policy,
    previous: pd.DataFrame | None = None,
    *,
    months: int = 12,
    progress: Progress = quiet,
    lang: str = "zh",
) -> dict[str, Recourse]:
    """Return the recourse of enterprises that were scored over open records, as `recourse` does."""
    months = count_of(months, "months")
    tables, threads = known_tables(known, scored.scores["enterprise_id"]), known.threads
    day = pd.Timestamp(scored.day)
    policy = model.policy_for(policy.at(tables.place, known.day))
    present = _present(scored, policy, previous)
    rows = _by_enterprise(tables)
    out: dict[str, Recourse] = {}
    for start in range(0, len(present), _CHUNK):
        progress("recourse", start, len(present))
        part = present.iloc[start : start + _CHUNK]
        own = Tables(
            {**tables, **{name: _of(tables[name], part["enterprise_id"]) for name in _OWN}}, tables.place
        )
        for found in _chunk(model, own, rows, part, day, policy, months, threads, lang):
            out[found.enterprise_id] = found
    progress("recourse", len(present), len(present))
    return out


def _present(asked: Scored, policy: Policy, previous: pd.DataFrame | None) -> pd.DataFrame:
    """Return current scores and tiers, with the day since which the tier holds."""
    scores, tiers, day = asked.scores, asked.tiers(policy, previous), pd.Timestamp(asked.day)
    since = pd.Series(day, index=tiers.index)
    if previous is not None and not previous.empty:
        last = previous.set_index("enterprise_id").reindex(tiers["enterprise_id"])
        if "weeks_ago" in last:
            began = day - pd.to_timedelta(7 * last["weeks_ago"], unit="D")
        else:
            began = pd.to_datetime(last["assigned_on"])
        since = since.where(tiers["changed"], began.set_axis(tiers.index))
    return pd.concat([scores, tiers.drop(columns=["enterprise_id", "red_line"])], axis=1).assign(since=since)


def _by_enterprise(tables: Tables) -> Mapping[str, Mapping[str, Sequence[Row]]]:
    """Return each enterprise's rows of each table."""
    out: dict[str, dict[str, list[Row]]] = {}
    for one in tables["enterprises"]["enterprise_id"]:
        out[one] = {name: [] for name in _OWN}
    for name in _OWN:
        frame = tables[name].astype(object)
        for row in frame.where(frame.notna(), None).to_dict("records"):
            if row["enterprise_id"] in out:
                out[row["enterprise_id"]][name].append({str(key): value for key, value in row.items()})
    return out


def _of(frame: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    return frame[frame["enterprise_id"].isin(ids)].reset_index(drop=True)


def _chunk(
    model: Model,
    tables: Tables,
    rows: Mapping[str, Mapping[str, Sequence[Row]]],
    present: pd.DataFrame,
    day: pd.Timestamp,
    policy: Policy,
    months: int,
    threads: int,
    lang: str,
) -> Iterable[Recourse]:
    """Yield the recourse of some enterprises."""
    days = [day + pd.DateOffset(months=k) for k in range(1, months + 1)]
    last = days[-1]
    questions, whole = [], []
    now = present.to_dict("records")
    for one in now:
        best = one["tier"] == TIERS[0] or one["tier_reason"] == "out_of_scope"
        name, again = one["enterprise_id"], one["since"] + 7 * policy["review.dwell_weeks"] * DAY
        sets, complete = cheapest_sets([] if best else possible(rows[name], day, last))
        own = sorted({*days, *([again] if day < again < last else [])})
        stands = (one["tier"], one["risk_level"], one["credit_grade"], one["since"])
        questions.append(Question(name, [] if best else sets, own, *stands))
        whole.append(complete)
    paths: dict[int, list[Path]] = {}
    if any(question.sets for question in questions):
        ways = answers(model, tables, questions, policy, threads)
        before = np.array([questions[place].tier for place in ways["question"]])
        better = ways.loc[ways["tier"].to_numpy() < before, _TOLD]
        paths = {int(str(place)): _offered(found) for place, found in better.groupby("question")}
    stuck = [one for place, one in enumerate(questions) if one.sets and place not in paths]
    bounds = _bounds(model, tables, stuck, last, policy, threads)
    for place, (question, one) in enumerate(zip(questions, now, strict=True)):
        name = question.enterprise_id
        blocked: tuple[Obstacle, ...] = ()
        if one["tier_reason"] == "out_of_scope":
            blocked = (Obstacle("out_of_scope"),)
        elif name in bounds:
            known_rows = rows[name]
            events, checks = known_rows["credit_events"], known_rows["inspections"]
            blocked = _obstacles(events, checks, question, bounds[name], policy, day, last)
        yield Recourse(
            enterprise_id=name, as_of=f"{day:%Y-%m-%d}", policy=policy.name, tier=question.tier,
            months=months, paths=tuple(paths.get(place, ())), tried=len(question.sets),
            complete=whole[place], pass_chance=1 - one["risk_probability"], obstacles=blocked, lang=lang,
            place=tables.place, names=policy.tier_names,
        )  # fmt: skip


def _offered(found: pd.DataFrame) -> list[Path]:
    """Return the paths worth offering among those of one enterprise that lead to a better tier."""
    ways = sorted(found.to_dict("records"), key=lambda way: (way["cost"], way["on"], len(way["steps"])))
    chosen = []
    for tier in TIERS:
        reach = [way for way in ways if way["tier"] <= tier]
        chosen += reach[:1]
        if reach and not reach[0]["steps"]:
            chosen += [way for way in reach if way["on"] < reach[0]["on"]][:1]
    kept: list[dict[Any, Any]] = []
    for way in sorted(chosen, key=lambda way: (way["tier"], way["cost"], way["on"])):
        if not any(other["cost"] <= way["cost"] and other["on"] <= way["on"] for other in kept):
            kept.append(way)
    return [
        Path(
            tier=way["tier"], on=f"{way['on']:%Y-%m-%d}", cost=way["cost"],
            steps=tuple(sorted(way["steps"], key=lambda step: step.on)), risk_level=way["risk_level"],
            credit_grade=_known(way["credit_grade"], ""), risk_probability=way["risk_probability"],
            credit_points=_known(way["credit_points"], None),
        )
        for way in sorted(kept, key=lambda way: (way["cost"], way["on"]))
    ]  # fmt: skip


def _bounds(
    model: Model,
    tables: Tables,
    stuck: Sequence[Question],
    last: pd.Timestamp,
    policy: Policy,
    threads: int,
) -> dict[str, str]:
    """Return the best tier of each on the last day: nothing adverse, and all steps taken.

    The dwell is taken to be over: it says nothing of the enterprise.
    """
    if not stuck:
        return {}
    stuck = [replace(question, since=last - 3650 * DAY) for question in stuck]
    taken = {question.enterprise_id: question.sets[-1] for question in stuck}  # the last set is all steps
    pairs = pd.DataFrame({"enterprise_id": list(taken), "as_of": last})
    with known(spotless(tables, taken, policy.name), threads=threads) as seen:
        X, records = features_of(seen, pairs), standing(seen, pairs)
    return dict(zip(taken, placed(model, X, records, stuck, pairs["as_of"], policy)["tier"], strict=True))


def _obstacles(
    events: Sequence[Row],
    inspections: Sequence[Row],
    question: Question,
    bound: str,
    policy: Policy,
    day: pd.Timestamp,
    last: pd.Timestamp,
) -> tuple[Obstacle, ...]:
    """Return what prevents an enterprise from a better tier up to the last day."""
    if bound >= question.tier:
        return (Obstacle("structure"),)
    found = []
    for event in events:
        given = event["repairable_from"] is not None
        until: pd.Timestamp = min(ends_after(event), event["repairable_from"]) if given else ends_after(event)
        if is_open(event, day) and until >= last:
            barred = policy["red_lines"].get(event["kind"], GRADES[0]) != GRADES[0]
            barred |= event["kind"] in policy["red_line_tier.kinds"]
            code = "red_line" if barred else "not_before" if given else "never"
            found.append(Obstacle(code, event["event_id"], event["kind"], f"{until:%Y-%m-%d}"))
    weeks = policy["floors.serious_weeks"]
    if weeks and question.tier == TIERS[1]:  # the only better tier is the one from which it bars
        for check in inspections:
            free = check["inspected_on"] + 7 * (weeks + 1) * DAY
            if check["finding"] == "serious" and check["inspected_on"] < day and free > last:
                found.append(Obstacle("serious", check["check_code"], until=f"{free:%Y-%m-%d}"))
    again = question.since + 7 * policy["review.dwell_weeks"] * DAY
    if again > last:
        found.append(Obstacle("dwell", until=f"{again:%Y-%m-%d}"))
    return tuple(found) or (Obstacle("time"),)


def _known(value: Any, otherwise: Any) -> Any:
    """Return a value, or what stands for one that is missing."""
    return otherwise if pd.isna(value) else value
