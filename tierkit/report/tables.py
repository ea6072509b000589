"""Tables of a report: cells of value, change and intervals as text, the same in both languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from tierkit import plot, texts
from tierkit.city.world import WEEKS_A_YEAR
from tierkit.compare import agencies
from tierkit.compare.comparison import IN_SHORT
from tierkit.compare.measures import SHARES
from tierkit.policy import UNITS, Policy, diff, spec_of
from tierkit.policy.ladders import FloorCheck, check_floor
from tierkit.policy.tiers import by_quota
from tierkit.records import LEVELS, TIERS, Label, Parameter, Place
from tierkit.report.run_report import RunReport
from tierkit.scores.worth import auc_interval

__all__ = [
    "BESIDE",
    "ERRORS",
    "Cell",
    "ParameterRow",
    "all_measures",
    "auc_interval",
    "auc_told",
    "beside",
    "drift_table",
    "effect",
    "floor_checks",
    "kappa_table",
    "listed_shares",
    "move_table",
    "parameters",
    "rating_table",
    "replicates",
    "scoreboard",
    "settings",
    "tier_table",
    "weak_models",
]

BESIDE = (
    "inspections",
    "visits",
    "enterprise_hours",
    "trigger_share",
    "finding_rate",
    "findings",
    "violations_missed",
    "harm",
)
"""What stands beside the finding rate, from burden to harm."""
ERRORS = (
    "auc_low",
    "auc_high",
    "independent",
    "truth_auc",
    "truth_low",
    "truth_high",
    "truth_n",
    "truth_events",
)
"""What may stand among a model's measures to tell their error, or its AUC against the truth of a city."""
_TIER_MEASURES = ("inspections", "finding_rate", "prevalence", "never_visited_share")
_MOST_RELATIVE = 10.0  # a count that was next to nothing before has no meaningful change in per cent
_DECIMALS = {"weeks_to_detection": 1}


@dataclass(frozen=True)
class Cell:
    """One number with its change, both with intervals.

    Attributes
    ----------
    value, interval : str
        The policy's own value and its 95 % interval.
    change, change_interval : str
        From the baseline: per cent of a count, points of a share; empty for the baseline itself.
    points : bool
        Whether the change is in percentage points.
    sure : bool
        Whether the interval of the change leaves out zero.
    relative : float
        The change as a share of the baseline's value.
    """

    value: str
    interval: str
    change: str = ""
    change_interval: str = ""
    points: bool = False
    sure: bool = False
    relative: float = float("nan")


def _written(value: float, measure: str) -> str:
    if measure in SHARES:
        return texts.percent(value, 1)
    return texts.number(value, _DECIMALS.get(measure, 0))


def _range(low: float, high: float, measure: str) -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return texts.interval(
        low, high, 1 if measure in SHARES else _DECIMALS.get(measure, 0), share=measure in SHARES
    )


def cell(row: Mapping[Any, Any], measure: str) -> Cell:
    """Return the cell of one row of `tierkit.plot.effects`.

    Examples
    --------
    >>> row = plot.effects(summary, "harm").iloc[1].to_dict()  # summary = compare(...).summary
    >>> cell(row, "harm").change
    '+3.6%'
    """
    own = Cell(_written(row["value"], measure), _range(row["low"], row["high"], measure))
    if row["policy"] == row["baseline"]:
        return own
    low, high = row["difference_low"], row["difference_high"]
    sure = bool(low > 0 or high < 0)
    change, ends = _change(row, measure)
    return Cell(own.value, own.interval, change, ends, measure in SHARES, sure, float(row["relative"]))


def _change(row: Mapping[Any, Any], measure: str) -> tuple[str, str]:
    """Return the change and its interval: points of a share, else per cent, or plain where that is idle.

    Per cent say nothing of what was next to nothing before, and an interval of a count past −100 % is none.
    """
    ends = [float(row[f"difference_{end}"]) for end in ("low", "high")]
    if measure in SHARES:
        scale, digits = 100.0, 1 if abs(row["difference"]) >= 0.005 else 2
    elif not abs(row["relative"]) < _MOST_RELATIVE or ends[0] < -float(row["baseline_value"]):
        scale, digits = 1.0, _DECIMALS.get(measure, 0)
    else:
        base, digits = float(row["baseline_value"]), 1 if abs(row["relative"]) < 0.1 else 0
        ends = [end / base for end in ends]
        interval = texts.interval(ends[0], ends[1], digits, share=True, sign=True)
        return texts.percent(row["relative"], digits, sign=True), interval if np.isfinite(ends[0]) else ""
    interval = texts.interval(ends[0] * scale, ends[1] * scale, digits, sign=True)
    return texts.signed(row["difference"] * scale, digits), interval if np.isfinite(ends[0]) else ""


def effect(
    run: RunReport, measure: str, policy: str, kappa: float | None = None, weeks: int | None = None
) -> Cell:
    """Return one policy's cell for one measure, by default under the headline's conditions.

    Raises
    ------
    KeyError
        If the summary has no such row.
    """
    key = (measure, policy, run.kappa if kappa is None else kappa, run.weeks if weeks is None else weeks)
    return cell(run.effects[key], measure)


def beside(run: RunReport, measures: Sequence[str] = BESIDE) -> list[tuple[str, list[Cell]]]:
    """Return one row per policy with one cell per measure."""
    return [(policy.name, [effect(run, m, policy.name) for m in measures]) for policy in run.policies]


def all_measures(run: RunReport) -> list[tuple[str, str, list[Cell]]]:
    """Return one row per measure of the summary: id, unit and one cell per policy."""
    rows = run.summary[run.summary["group"] == "all"].drop_duplicates("measure")
    return [
        (measure, unit, [effect(run, measure, policy.name) for policy in run.policies])
        for measure, unit in zip(rows["measure"].astype(str), rows["unit"].astype(str), strict=True)
    ]


def settings(run: RunReport) -> list[tuple[int, int, float]]:
    """Return the settings that were run: weeks, weeks measured, kappa."""
    found = run.summary[["weeks", "over", "kappa"]].drop_duplicates().sort_values(["weeks", "kappa"])
    return [(int(w), int(o), float(k)) for w, o, k in found.itertuples(index=False)]


def kappa_table(
    run: RunReport, measures: Sequence[str] = IN_SHORT
) -> tuple[list[tuple[int, int, float]], list[tuple[str, str, list[Cell]]]]:
    """Return the cases (weeks, weeks measured, kappa), and rows by plan and measure with a cell per case."""
    keys = settings(run)
    rows = [
        (policy.name, measure, [effect(run, measure, policy.name, k, w) for w, _, k in keys])
        for policy in run.policies[1:]
        for measure in measures
    ]
    return keys, rows


@dataclass(frozen=True)
class TierRow:
    """Results of the enterprises of one first tier under one policy.

    Attributes
    ----------
    policy, tier : str
        The tier at the start of the run, or ``entered``: on the register only later.
    n, share, target : str
        Enterprises; their share of those with a tier; the share that the policy's cut-offs were set for.
    cells : list of Cell
        Inspections per 100 of them and year, finding rate, prevalence, share never visited.
    """

    policy: str
    tier: str
    n: str
    share: str
    target: str
    cells: list[Cell]


def tier_table(run: RunReport) -> list[TierRow]:
    """Return one row per policy and tier: enterprises, their share, and what happened in that tier.

    Tiers are those at the start of the run under the policy itself, so a tier's enterprises differ from one
    policy to the next. Enterprises are those that the measures are of; so they add up to the same number
    under every policy, those that entered later included.
    """
    measured = set(run.summary.loc[run.summary["group"] == "tier", "measure"].astype(str))
    out = []
    for policy in run.policies:
        if measured:
            rows = {
                m: _tier_rows(run, m, policy.name).to_dict("index") for m in _TIER_MEASURES if m in measured
            }
            counts = {str(level): int(row["n"]) for level, row in rows["inspections"].items()}
        else:
            rows, counts = {}, _tier_counts(run, policy.name)
        total = max(sum(counts.get(tier, 0) for tier in TIERS), 1)
        for tier in (*TIERS, *(level for level in counts if level not in TIERS)):
            n = counts.get(tier, 0)
            cells = [_tier_cell(rows.get(m, {}).get(tier), m, n) for m in _TIER_MEASURES]
            share = target = "–"
            if tier in TIERS:
                share = texts.percent(n / total, 1)
                target = texts.percent(policy[f"scoring.target_shares.{tier}"], 1)
            out.append(TierRow(policy.name, tier, texts.number(n), share, target, cells))
    return out


def listed_shares(run: RunReport) -> list[tuple[str, float, float]]:
    """Return the policies with an unmonitored list: the share listed at the start, and its target.

    Lists that are filled for each agency are counted by whom the agencies supervise, others by enterprise.
    """
    if run.tiers is None or "unmonitored" not in run.tiers:
        return []
    shares = run.tiers.groupby(run.tiers["policy"].astype(str))["unmonitored"].mean()
    if "listed_by" in run.tiers:
        sums = run.tiers.groupby(run.tiers["policy"].astype(str))[["listed_by", "agencies"]].sum()
        quota = [policy.name for policy in run.policies if by_quota(policy) and policy.name in shares]
        shares[quota] = (sums["listed_by"] / sums["agencies"].clip(lower=1))[quota]
    return [
        (policy.name, float(shares[policy.name]), float(policy["lists.unmonitored.target_share"]))
        for policy in run.policies
        if policy["lists.unmonitored.enabled"] and policy.name in shares
    ]


def replicates(run: RunReport, kappa: float, weeks: int) -> int:
    """Return the replicates of one case."""
    return int(run.effects["inspections", run.policies[0].name, kappa, weeks]["replicates"])


def weak_models(metrics: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str, str, int]]:
    """Return the models whose AUC is not told apart from chance: name, AUC, 95 % interval, events.

    Rows of one enterprise are alike, so the interval is what was made of whole enterprises where there is one
    (``auc_low``, ``auc_high``), else that of `auc_interval` for as many rows as they are worth
    (``independent``; all if absent).

    Examples
    --------
    >>> weak_models({"risk": {"n": 239, "events": 19, "auc": 0.54}, "credit": {"n": 1e4, "auc": 0.7}})
    [('risk', '0.540', '[0.407, 0.666]', 19)]
    >>> weak_models({"risk": {"n": 239, "events": 60, "auc": 0.6, "auc_low": 0.48, "auc_high": 0.71}})
    [('risk', '0.600', '[0.480, 0.710]', 60)]
    """
    found = []
    for name, one in metrics.items():
        low, high = _auc_ends(one)
        if low <= 0.5:
            interval = texts.interval(low, high, 3)
            found.append((name, texts.number(float(one["auc"]), 3), interval, round(float(one["events"]))))
    return found


def _auc_ends(one: Mapping[str, float]) -> tuple[float, float]:
    """Return the 95 % interval of a model's AUC; NaN where it has none."""
    nothing = float("nan"), float("nan")
    if not {"n", "events", "auc"} <= set(one):
        return nothing
    auc, hits = float(one["auc"]), float(one["events"])
    misses = float(one["n"]) - hits
    if not (hits > 0 and misses > 0 and 0 <= auc <= 1):
        return nothing
    low, high = (float(one.get(end, np.nan)) for end in ERRORS[:2])
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    worth = min(float(one.get("independent", np.inf)) / float(one["n"]), 1.0)
    return auc_interval(auc, hits * worth, misses * worth)


def auc_told(metrics: Mapping[str, Mapping[str, float]], lang: str) -> list[str]:
    """Return each AUC with its interval, rows and events, and that against the truth where it is known.

    Examples
    --------
    >>> auc_told({"credit": {"n": 1000, "events": 100, "auc": 0.7}}, "en")[0][-27:]
    '1,000 rows with 100 events.'
    """
    told = []
    for name, one in metrics.items():
        low, high = _auc_ends(one)
        if not np.isfinite(low):
            continue
        model = texts.text(f"word.{name}", lang)
        told.append(
            texts.text(
                "report.models.auc", lang, model=model if lang == "zh" else model.lower(),
                auc=texts.number(one["auc"], 3), interval=texts.interval(low, high, 3),
                n=texts.number(one["n"]), events=texts.number(one["events"]),
            )
        )  # fmt: skip
        if "truth_auc" in one:
            told.append(
                texts.text(
                    "report.models.truth", lang, auc=texts.number(one["truth_auc"], 3),
                    interval=texts.interval(one["truth_low"], one["truth_high"], 3),
                    n=texts.number(one["truth_n"]), events=texts.number(one["truth_events"]),
                )
            )  # fmt: skip
    return told


def floor_checks(run: RunReport) -> list[FloorCheck]:
    """Check every policy of a run against the legal floor in force on the run's last day.

    Tier shares are those of the run. A policy for some sectors alone has ordinary tiers elsewhere, so where
    the run does not tell whom it leaves out, its target shares stand in. What was drawn is shown where a
    whole year was measured.

    Examples
    --------
    >>> [check.breach for check in floor_checks(run)]  # run = RunReport.read("build/demo/run")
    [False, False, False, False, False, False]
    """
    on = None
    if "as_of" in run.facts:
        on = date.fromisoformat(str(run.facts["as_of"])) + timedelta(weeks=run.weeks)
    checks = []
    for policy in run.policies:
        shares = _shares_in_scope(run, policy)
        row = run.effects.get(("drawn_share", policy.name, run.kappa, run.weeks))
        year = row is not None and int(row["over"]) == WEEKS_A_YEAR
        realised = (float(row["value"]), float(row["low"]), float(row["high"])) if row and year else None
        of_run = shares is not None
        checks.append(check_floor(policy, shares, on=on, of_run=of_run, realised=realised))
    return checks


def _shares_in_scope(run: RunReport, policy: Policy) -> dict[str, int] | None:
    """Return the enterprises in a policy's scope by tier, as far as the run tells them."""
    counts: dict[str, int] = {}
    if not policy["scoring.scope_sectors"]:
        counts = _tier_counts(run, policy.name)
    elif run.tiers is not None and "tier_reason" in run.tiers:
        own = run.tiers["policy"].astype(str) == policy.name
        inside = own & (run.tiers["tier_reason"].astype(str) != "out_of_scope")
        counts = {str(t): int(n) for t, n in run.tiers.loc[inside, "tier"].astype(str).value_counts().items()}
    return {tier: counts.get(tier, 0) for tier in TIERS} if sum(counts.values()) else None


def scoreboard(run: RunReport) -> list[tuple[str, list[tuple[str, list[Cell]]]]]:
    """Return for each policy one row per agency that had anything to do, of one cell a measure.

    Examples
    --------
    >>> [len(rows) for _, rows in scoreboard(run)]  # run = RunReport.read("build/demo/run")
    []
    """
    if not (run.summary["group"] == "agency").any():
        return []
    board = agencies.scoreboard(run.summary, kappa=run.kappa, weeks=run.weeks, place=run.place)
    rows = {(row["policy"], row["agency"], row["measure"]): row for row in board.rows.to_dict("records")}
    return [
        (
            policy.name,
            [
                (str(agency), [_own(rows.get((policy.name, agency, m)), m) for m in agencies.MEASURES])
                for agency in board.table(policy.name).index
            ],
        )
        for policy in run.policies
    ]


def _own(row: Mapping[Any, Any] | None, measure: str) -> Cell:
    """Return a policy's own value, which may be of nothing."""
    if row is None or not np.isfinite(row["value"]):
        return Cell("–", "")
    return Cell(_written(row["value"], measure), _range(row["low"], row["high"], measure))


def rating_table(run: RunReport) -> list[tuple[str, str, str, str]]:
    """Return one row per agency: mean rating in the records, its interval, and how many."""
    if run.ratings is None:
        return []
    return [
        (
            str(row["agency"]),
            texts.number(row["value"], 2),
            texts.interval(row["low"], row["high"], 2) if np.isfinite(row["low"]) else "",
            texts.number(row["n"]),
        )
        for row in run.ratings.to_dict("records")
    ]


def move_table(run: RunReport) -> list[tuple[str, str, str, list[Cell]]]:
    """Return one row per policy and first tier: enterprises, where they are in the end, changes, flip-flops.

    The first five cells are shares of the row's enterprises in T1 to T4 and of those that left; the last two
    are per 100 enterprises.
    """
    if run.transitions is None:
        return []
    own = run.transitions[
        np.isclose(run.transitions["kappa"].astype(float), run.kappa)
        & (run.transitions["weeks"] == run.weeks)
    ]
    out = []
    for policy in run.policies:
        mine = own[own["policy"].astype(str) == policy.name]
        for tier in TIERS:
            rows = mine[mine["first"] == tier].to_dict("records")
            n = int(rows[0]["n"]) if rows else 0
            cells = [
                Cell(texts.percent(row["share"], 1), _range(row["low"] / n, row["high"] / n, "prevalence"))
                if n
                else Cell("–", "")
                for row in rows
            ]
            for measure in ("tier_changes", "flip_flops"):
                row = _tier_rows(run, measure, policy.name).loc[tier].to_dict()
                value, low, high = (100 * row[key] / max(n, 1) for key in ("value", "low", "high"))
                shown = Cell(texts.number(value, 1), texts.interval(low, high, 1) if np.isfinite(low) else "")
                cells.append(shown if n else Cell("–", ""))
            out.append((policy.name, tier, texts.number(n), cells))
    return out


def drift_table(
    run: RunReport, measures: Sequence[str] = ("prevalence", "harm")
) -> tuple[list[tuple[float, int]], list[tuple[str, str, str, str, list[Cell]]]]:
    """Return the cases (kappa, year), and one row per plan, tier and measure: its n, and one change a case.

    Cases are the first and the last year at each kappa. The baseline is measured on the same enterprises.
    """
    if run.years is None or run.years.empty:
        return [], []
    last = int(run.years["year"].max())
    kappas = sorted({float(kappa) for kappa in run.years["kappa"]})
    keys = [(kappa, year) for kappa in kappas for year in dict.fromkeys((1, last))]
    rows = {
        (row["policy"], row["level"], row["measure"], float(row["kappa"]), int(row["year"])): row
        for row in run.years[run.years["group"] == "tier"].to_dict("records")
    }
    out = []
    for policy in run.policies[1:]:
        for tier in TIERS:
            n = int(rows[policy.name, tier, "inspections", *keys[0]]["n"])
            for measure in measures:
                cells = [cell(rows[policy.name, tier, measure, *key], measure) for key in keys]
                out.append((policy.name, tier, measure, texts.number(n), cells if n else []))
    return keys, [row for row in out if row[-1]]


def _tier_rows(run: RunReport, measure: str, policy: str) -> pd.DataFrame:
    rows = plot.effects(run.summary, measure, group="tier", kappa=run.kappa, weeks=run.weeks)
    return rows[rows["policy"] == policy].set_index("level")


def _tier_counts(run: RunReport, policy: str) -> dict[str, int]:
    if run.tiers is not None:
        chosen = run.tiers[run.tiers["policy"].astype(str) == policy]
        if len(chosen):
            return {str(tier): int(n) for tier, n in chosen["tier"].astype(str).value_counts().items()}
    # A policy on the engine's own rule score has no assignment of model scores; the engine counted its tiers.
    if not (run.summary["group"] == "tier").any():
        return {}
    return {str(tier): int(n) for tier, n in _tier_rows(run, "inspections", policy)["n"].items()}


def _tier_cell(row: Mapping[Any, Any] | None, measure: str, n: int) -> Cell:
    if row is None or not n:
        return Cell("–", "")
    scale = 1.0 if measure in SHARES else 100 / (max(row["n"], 1) * row["over"] / WEEKS_A_YEAR)
    value, low, high = (row[key] * scale for key in ("value", "low", "high"))
    if measure in SHARES:
        return Cell(texts.percent(value, 1), _range(low, high, measure))
    return Cell(texts.number(value, 1), texts.interval(low, high, 1) if np.isfinite(low) else "")


@dataclass(frozen=True)
class ParameterRow:
    """One parameter of a policy, formatted for display."""

    path: str
    label: Label
    value: Label
    was: Label | None
    unit: Label
    source: str
    assumption: str


def parameters(policy: Policy, baseline: Policy | None = None) -> list[ParameterRow]:
    """Return a policy's parameters, or only those that differ from a baseline, with where they come from.

    Examples
    --------
    >>> rows = parameters(Policy.load("jinshan-2025"), Policy.load("legacy"))
    >>> next(row.value.en for row in rows if row.path == "cap.planned_visits")
    '2'
    """
    spec = spec_of(policy.place)
    paths = list(spec) if baseline is None else [p for p in diff(baseline, policy)["parameter"] if p in spec]
    return [_parameter_row(path, policy, baseline) for path in paths]


def _parameter_row(path: str, policy: Policy, baseline: Policy | None) -> ParameterRow:
    spec, parameter = spec_of(policy.place)[path], policy.parameter(path)
    return ParameterRow(
        path=path,
        label=spec.label,
        value=_said(parameter, policy.place),
        was=None if baseline is None else _said(baseline.parameter(path), policy.place),
        unit=UNITS.get(parameter.unit, Label(parameter.unit, parameter.unit)),
        source=parameter.source or "",
        assumption=parameter.assumption or "",
    )


def _said(parameter: Parameter, place: Place | None) -> Label:
    """Return a parameter's value in words: numbers with few digits, lists joined, a matrix row by row."""
    return Label(*(_one(parameter.value, lang, place) for lang in ("zh", "en")))


def _one(value: Any, lang: str, place: Place | None) -> str:
    if isinstance(value, bool):
        return texts.text("value.yes" if value else "value.no", lang)
    if isinstance(value, int | float):
        return f"{value:,g}".replace("-", "−")
    if isinstance(value, list | tuple):
        if not value:
            return texts.text("value.nothing", lang)
        if isinstance(value[0], list | tuple):
            return " / ".join(" ".join(map(str, row)) for row in value)
        return texts.join((_one(part, lang, place) for part in value), lang)
    levels = [LEVELS["grade"]] if place is None else [*_names(place), LEVELS["grade"]]
    return next((labels[value].text(lang) for labels in levels if value in labels), str(value))


def _names(place: Place) -> list[Mapping[str, Label]]:
    """Return what sectors, agencies and items are called, by id."""
    items = {name: one.label for name, one in place.items.items()}
    return [place.levels["sector"], place.levels["agency"], items]


def apart_rows(run: RunReport) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Return plan, measure and a cell for the plan as it is and without each instrument, if that was run."""
    if run.apart is None:
        return []
    rows = []
    for (policy, measure), own in run.apart.groupby(["policy", "measure"], sort=False):
        cells = [
            {
                "apart": one["apart"],
                "change": texts.signed(100 * one["relative"], 1) if pd.notna(one["relative"]) else "–",
                "place": texts.number(one["place"]),
                "turns": bool(one["turns"]),
                "assumed": bool(one["turns"] and one["assumed"]),
            }
            for one in own.to_dict("records")
        ]
        rows.append((str(policy), str(measure), cells))
    return rows
