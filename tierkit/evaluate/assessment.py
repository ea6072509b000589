"""Every check of `evaluate` for one model and one policy, on the records after a date.

Each part is either there or refused with a reason; a part that the records do not carry never shows a number.
"""

from __future__ import annotations

import datetime as dt
import html
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tierkit.evaluate import (
    OverlapError,
    audits_for_rate,
    audits_for_value,
    cases,
    contraction,
    domestic_foreign,
    fairness,
    logged,
    policy_value,
    rank_inspections,
    runaway,
    swap,
    tier_stability,
)
from tierkit.evaluate.findings import found_something, of_channels, on_site
from tierkit.evaluate.order.ranking import PLANNED
from tierkit.evaluate.targets import movers, severities
from tierkit.evaluate.value.evidence import WINDOW_DAYS
from tierkit.evaluate.value.overlap import FEWEST_FINDINGS
from tierkit.evaluate.value.weighting import weigh
from tierkit.evaluate.windows import FEWEST_DAYS, end_of
from tierkit.features import build
from tierkit.policy import Policy, PolicyLike, policy_of, presets
from tierkit.policy.tiers import assign
from tierkit.progress import Progress, quiet
from tierkit.records import DataError, Dataset
from tierkit.records.gate import dataset_of, day_of
from tierkit.results import Result
from tierkit.scores.expert import fitted
from tierkit.scores.integer_points import rounding
from tierkit.scores.metrics import calibration_error_null, calibration_table, measures, rate_interval
from tierkit.scores.model import Model, ModelLike, model_of
from tierkit.scores.monitoring import Bands, monitor
from tierkit.texts import join, number, policy_label, text

__all__ = ["PARTS", "Assessment", "assess"]

PARTS = (
    "scores", "ranking", "policy_value", "comparators", "audits_needed", "fairness", "stability", "drift",
    "targets", "rounding", "feedback",
)  # fmt: skip
"""Parts of an assessment, in the order in which they are made and told."""
_SETS = {"all": None, "random": ("random",)}
_WIDTHS = (0.03, 0.02, 0.01, 0.005)  # half-widths that one may want of a rate
_SHARES = (0.2, 0.1, 0.05)  # half-widths that one may want of a policy's value
_WORLD_SIZE = 2000  # enterprises of a world in which retraining is tried
_FINDINGS_A_BIN = 5
_MONTHS = 6


@dataclass(frozen=True, repr=False)
class Assessment(Result):
    """Results of `assess`, by part.

    Attributes
    ----------
    facts : dict
        Dates, names and hashes.
    tables : dict of str to DataFrame
        Tidy tables; the first word of a name is the part that it belongs to.
    refused : dict of str to str
        Parts that could not be computed from these records, with the reason.
    results : dict of str to object
        Results that figures are drawn from: ``ranking``, ``policy_value``, ``fairness``, ``consistency``,
        ``stability``, ``drift``, ``feedback``, by what could be made.
    notes : tuple of str
        What was left out, and what was assumed without a check.
    """

    facts: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]
    refused: Mapping[str, str]
    results: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row per part: the names of its ``tables``, or why it was ``refused``."""
        rows = []
        for part in PARTS:
            names = [name for name in self.tables if name.partition(".")[0] == part]
            rows.append({"part": part, "tables": ", ".join(names), "refused": self.refused.get(part, "")})
        return pd.DataFrame(rows)

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return what was held against what, and which parts the records do not carry."""
        facts = {name: self.facts[name] for name in ("as_of", "until", "model_trained_as_of")}
        n = {"n": number(self.facts["inspections"]), "enterprises": number(self.facts["enterprises"])}
        policy = policy_label(str(self.facts["policy"]), lang)
        said = [text("assessment.head", lang, policy=policy, **facts, **n)]
        if self.refused:
            parts = join((text(f"assessment.part.{name}", lang) for name in self.refused), lang)
            said.append(text("assessment.refused", lang, parts=parts))
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return facts, tables and refusals as plain values for JSON; those not finite become None."""
        return {
            "facts": dict(self.facts),
            "refused": dict(self.refused),
            "notes": list(self.notes),
            "tables": {
                name: known.astype(object).where(known.notna(), None).to_dict("records")
                for name, known in (
                    (name, frame.replace([np.inf, -np.inf], np.nan)) for name, frame in self.tables.items()
                )
            },
        }

    def _repr_html_(self) -> str:
        parts = [f"<h4>{name}</h4>{frame.to_html(index=False)}" for name, frame in self.tables.items()]
        gone = "".join(f"<li>{name}: {html.escape(why)}</li>" for name, why in self.refused.items())
        said = "".join(f"<p>{html.escape(one)}</p>" for one in self.sentences("en"))
        return said + "".join(parts) + (f"<p>Refused:</p><ul>{gone}</ul>" if gone else "")


class _Book:
    """Collects tables, results and refusals."""

    def __init__(self) -> None:
        self.tables: dict[str, pd.DataFrame] = {}
        self.refused: dict[str, str] = {}
        self.results: dict[str, Any] = {}
        self.notes: list[str] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Record a part as refused if the records lack what it needs."""
        try:
            yield
        except (OverlapError, DataError, ValueError) as error:
            self.refused[name] = str(error)
            self.tables = {key: one for key, one in self.tables.items() if key.partition(".")[0] != name}


def assess(
    model: ModelLike,
    data: Dataset | str | os.PathLike[str],
    as_of: dt.date | str,
    policy: PolicyLike | None = None,
    *,
    practice: PolicyLike | None = None,
    months: int = _MONTHS,
    worlds: int = 0,
    threads: int = 1,
    progress: Progress = quiet,
) -> Assessment:
    """Assess a model and a policy on the 180 days of records after a date, or as many as there are.

    Parameters
    ----------
    model : Model or path
        Trained on what was known on the date or before.
    data : Dataset or path
        Records that go on after the date; the truth of a synthetic dataset is not read.
    as_of : date
        Scores are of this day. A Monday, so that the window holds whole weeks.
    policy : Policy, name or path, optional
        The policy to be valued; the model's own if absent.
    practice : Policy, name or path, optional
        The policy in force in the window; the preset that most of the window's inspections name if absent.
        Without one, equal-chance audits alone tell the policy's value.
    months : int
        Monthly assignments before the date, over which the stability of tiers is counted.
    worlds : int
        Synthetic worlds in which retraining on a policy's own findings is tried for ten rounds
        (`tierkit.evaluate.runaway`, some ten seconds each); none at 0. They know nothing of the records.
    threads : int
        Does not change the result.
    progress : callable, optional

    Returns
    -------
    Assessment

    Raises
    ------
    ValueError
        If the model has seen what it would be held against, or no record lies after the date.

    Examples
    --------
    >>> import tierkit as tk
    >>> data = tk.synth(600, seed=1)
    >>> model = tk.train(data, "2024-07-15")
    >>> found = tk.assess(model, data, "2024-07-15", "jiading-2025", months=1)
    >>> there = {name.partition(".")[0] for name in found.tables}
    >>> set(PARTS) <= {*there, *found.refused}
    True
    """
    model = replace(model_of(model), insist=True)  # to measure a model is to give nobody a tier
    data, day = dataset_of(data), pd.Timestamp(day_of(as_of))
    chosen = (model.policy if policy is None else policy_of(policy)).on(day.date())
    practice = None if practice is None else policy_of(practice, "practice").on(day.date())
    trained = str(model.manifest["as_of"])
    if pd.Timestamp(trained) > day:
        raise ValueError(
            f"The model was trained as of {trained} and has seen what it would be held against. Give "
            f"{trained} or a later date, or train as of {day.date()}."
        )
    if day.weekday():
        monday = (day - pd.Timedelta(days=day.weekday())).date()
        raise ValueError(f"The window must hold whole weeks, and {day.date()} is no Monday; {monday} is.")
    inspections = data["inspections"]
    days = min(WINDOW_DAYS, (end_of(data) - day).days // 7 * 7)
    if days < FEWEST_DAYS:
        raise ValueError(
            f"The records end on {end_of(data).date()}, and what came after {day.date()} is looked at for "
            f"{FEWEST_DAYS} days at least. Give an earlier date."
        )
    until = day + pd.Timedelta(days=days)
    window = inspections[(inspections["inspected_on"] >= day) & (inspections["inspected_on"] < until)]
    named = _practice(window)
    in_force = practice or named
    chosen = model.policy_for(chosen)
    scored = model.score(data, day.date(), threads=threads)
    book = _Book()
    if practice is not None and named is not None and practice.hash != named.hash:
        book.notes.append(
            f"The records name '{named.name}' as in force, and not '{practice.name}', which was given: the "
            "chances of routine draws are believed as given."
        )
    in_tiers = cache(
        lambda: scored.merge(assign(scored, chosen)[["enterprise_id", "tier"]], on="enterprise_id")
    )
    known = cache(lambda: build(data, day.date(), threads=threads))
    steps: list[tuple[str, Callable[[], None]]] = [
        ("scores", lambda: _scores(book, window, scored)),
        ("ranking", lambda: _ranking(book, window, scored)),
        ("policy_value", lambda: _value(book, data, scored, chosen, in_force, day, days)),
        ("audits_needed", lambda: _audits(book, window)),
        ("fairness", lambda: _fairness(book, data, in_tiers(), day, days)),
        ("stability", lambda: _stability(book, model, data, scored, chosen, day, months, threads)),
        ("drift", lambda: _drift(book, model, known())),
        ("targets", lambda: _targets(book, data, in_tiers(), chosen, day)),
        ("rounding", lambda: _rounding(book, model, known(), chosen)),
        ("feedback", lambda: _feedback(book, worlds, threads)),
    ]
    for k, (name, step) in enumerate(steps):
        progress(f"assessing: {name.replace('_', ' ')}", k, len(steps))
        with book.part(name):
            step()
    if "policy_value" in book.refused:
        book.refused["comparators"] = book.refused["policy_value"]
    progress("assessing", len(steps), len(steps))
    facts = {
        "as_of": day.date().isoformat(),
        "until": until.date().isoformat(),
        "days": days,
        "policy": chosen.name,
        "policy_hash": chosen.hash,
        "practice": in_force.name if in_force else "",
        "enterprises": len(scored),
        "inspections": len(window),
        "model_trained_as_of": trained,
        "model_hash": model.manifest.get("sha256", ""),
    }
    return Assessment(facts, book.tables, book.refused, book.results, tuple(book.notes))


def _practice(window: pd.DataFrame) -> Policy | None:
    """Return the preset that most inspections of the window name; None if it is no preset."""
    named = window["policy"].astype("str").value_counts()
    return Policy.load(str(named.index[0])) if len(named) and named.index[0] in presets() else None


def _scores(book: _Book, window: pd.DataFrame, scored: pd.DataFrame) -> None:
    """Compare risk probabilities with the findings of on-site inspections: all, and equal-chance audits."""
    rows = window[on_site(window)].merge(scored[["enterprise_id", "risk_probability"]], on="enterprise_id")
    told = []
    for name, channels in _SETS.items():
        mine = rows if channels is None else rows[of_channels(rows, channels)]
        found = found_something(mine).astype(np.int64)
        risk = mine["risk_probability"].to_numpy(np.float64)
        few = int(found.sum()) < FEWEST_FINDINGS
        owners = mine["enterprise_id"].astype(str)
        low, high, _ = rate_interval(found, groups=owners)
        known = measures(found, risk)
        null = np.quantile(calibration_error_null(risk), 0.95) if len(risk) else float("nan")
        told.append(
            {
                "set": name, "n": len(found), "findings": int(found.sum()),
                "rate": float("nan") if few else known["rate"],
                "low": float("nan") if few else low, "high": float("nan") if few else high,
                "predicted": known["predicted"],
                "calibration_error": float("nan") if few else known["calibration_error"],
                "calibration_error_null_95": float(null), "too_few": few,
            }
        )  # fmt: skip
        if not few:
            bins = int(np.clip(found.sum() // _FINDINGS_A_BIN, 1, 10))
            book.tables[f"scores.calibration_{name}"] = calibration_table(found, risk, bins, groups=owners)
    book.tables["scores.levels"] = pd.DataFrame(told)


def _ranking(book: _Book, window: pd.DataFrame, scored: pd.DataFrame) -> None:
    channels = tuple(PLANNED)
    if len(window) and window["channel"].isna().all():  # then none can be told from the others
        book.notes.append("No inspection says what brought it about; the order is that of all of them.")
        window, channels = window.assign(channel=PLANNED[0]), PLANNED[:1]
    planned = window[of_channels(window, channels)]
    events = int(found_something(planned[on_site(planned)]).sum())
    if events < FEWEST_FINDINGS:
        raise ValueError(
            f"The planned inspections hold {events} findings, under {FEWEST_FINDINGS}; no order is told."
        )
    found = rank_inspections(window, scored, channels=channels, replicates=199)
    book.results["ranking"] = found
    book.tables["ranking.measures"] = found.table


def _value(
    book: _Book,
    data: Dataset,
    scored: pd.DataFrame,
    policy: Policy,
    practice: Policy | None,
    day: pd.Timestamp,
    days: int,
) -> None:
    given = logged(data, scored, policy, day.date(), practice=practice, days=days)
    book.notes.extend(weigh(given).notes)
    unknown = given.inspections["channel"].eq("random") & given.inspections["propensity"].isna()
    if unknown.any():
        book.notes.append(
            f"Equal-chance audits without the chance of their draw are not used: {int(unknown.sum())}."
        )
    found = policy_value(given)
    book.results["policy_value"] = found
    book.tables["policy_value.estimates"] = found.table.reset_index()
    book.tables["policy_value.strata"] = found.strata.reset_index()
    book.tables["policy_value.overlap"] = found.overlap.reset_index()
    value = float(found.table["value"].to_dict()["random"])
    rows = [
        {"share_of_value": share, "audits": audits_for_value(found, share * value)}
        for share in (_SHARES if value > 0 else ())
    ]
    if rows:
        book.tables["policy_value.audits_needed"] = pd.DataFrame(rows)
    with book.part("comparators"):
        table = cases(given, scored.set_index("enterprise_id")["risk_margin"])
        book.tables["comparators.swap"] = swap(table, resamples=100).reset_index(names="group")
        book.tables["comparators.contraction"] = contraction(table).reset_index()


def _audits(book: _Book, window: pd.DataFrame) -> None:
    audits = window[of_channels(window, ["random"])]
    hit = found_something(audits).astype(np.float64)
    found = int(hit.sum())
    if found < FEWEST_FINDINGS:
        raise ValueError(
            f"The equal-chance audits hold {found} findings, under {FEWEST_FINDINGS}; their rate is not told."
        )
    *_, size = rate_interval(hit, groups=audits["enterprise_id"].astype(str))
    if not size:
        raise ValueError("The equal-chance audits are all of one enterprise; their rate is not told.")
    rate, effect = found / len(audits), len(audits) / size
    rows = [
        {"half_width": w, "rate": rate, "audits": audits_for_rate(rate, w, design_effect=effect)}
        for w in _WIDTHS
        if w < rate < 1
    ]
    book.tables["audits_needed.rate"] = pd.DataFrame(rows)


def _fairness(book: _Book, data: Dataset, tiered: pd.DataFrame, day: pd.Timestamp, days: int) -> None:
    found = fairness(tiered, data, day.date(), days=days)
    book.results["fairness"] = found
    for name in ("tiers", "visits", "audits", "false_t4", "missed", "cost"):
        book.tables[f"fairness.{name}"] = getattr(found, name)
    book.results["consistency"] = domestic_foreign(tiered, data, day.date(), days=days)


def _stability(
    book: _Book,
    model: Model,
    data: Dataset,
    scored: pd.DataFrame,
    policy: Policy,
    day: pd.Timestamp,
    months: int,
    threads: int,
) -> None:
    before = [(day - pd.DateOffset(months=k)).date() for k in range(months, 0, -1)]
    scores = {one: model.score(data, one, threads=threads) for one in before} | {day.date(): scored}
    found = tier_stability(scores, policy)
    book.results["stability"] = found
    book.tables["stability.measures"] = found.table


def _drift(book: _Book, model: Model, X: pd.DataFrame) -> None:
    bands = model.manifest["credit"].get("bands")
    found = monitor(fitted(model.credit), X, Bands.from_dict(bands) if bands else None)
    book.results["drift"] = found
    book.tables["drift.features"] = found.table


def _targets(book: _Book, data: Dataset, tiered: pd.DataFrame, policy: Policy, day: pd.Timestamp) -> None:
    found = movers(tiered, severities(data, day.date()), policy, level="tier")
    book.tables["targets.summary"] = found.summary


def _rounding(book: _Book, model: Model, X: pd.DataFrame, policy: Policy) -> None:
    found = rounding(fitted(model.credit), X, policy["scoring.credit_cutoffs"])
    book.tables["rounding.errors"] = found.errors
    book.tables["rounding.grades"] = found.grades


def _feedback(book: _Book, worlds: int, threads: int) -> None:
    if not worlds:
        raise ValueError("Not asked for: retraining is tried in synthetic worlds, so say in how many.")
    found = runaway(_WORLD_SIZE, seeds=range(1, worlds + 1), threads=threads)
    book.results["feedback"] = found
    book.tables["feedback.rounds"] = found.summary()
    book.tables["feedback.differences"] = found.differences()
