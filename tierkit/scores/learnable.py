"""Refuse records from which a model cannot be learnt, and say what they hold and what would help."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tierkit.arrays import Mask
from tierkit.records import CREDIT_TARGET, DataError, Problem
from tierkit.records.known import Known
from tierkit.scores.training_rows import (
    Scheme,
    Split,
    TrainingRows,
    chosen_rows,
    credit_frame,
    hold_out,
    snapshots,
)

__all__ = ["FEWEST_FOUND", "credit_rows", "credit_target", "faults_of_risk", "fitting_scheme", "with_offers"]

FEWEST_FOUND = 100
"""Findings of equal-chance audits from which on these alone train a model (assumption)."""


def fitting_scheme(records: Known, scheme: Scheme) -> tuple[Scheme, str]:
    """Return the scheme that fits the records, and why if it is another than was asked for.

    Weights need the chance of each draw. Where no row carries it, none can be made: the equal-chance audits
    serve alone if they found enough, as they need no weight, and every inspection as it comes if not.

    Examples
    --------
    >>> from tierkit.records.known import known
    >>> with known("data/synthetic", "2024-12-30") as records:
    ...     fitting_scheme(records, "weighted")
    ('weighted', '')
    """
    if scheme != "weighted":
        return scheme, ""
    try:
        chosen_rows(records, scheme)
        return scheme, ""
    except DataError as error:
        refused = error
    try:
        audits, _ = chosen_rows(records, "random")
        if audits["found"].sum() >= FEWEST_FOUND and not audits["found"].all():
            return "random", f"{_NO_CHANCE} {_AUDITS}"
    except DataError:
        pass
    try:
        chosen_rows(records, "naive")
    except DataError:
        raise refused from None
    return "naive", f"{_NO_CHANCE} {_AS_THEY_COME}"


_NO_CHANCE = (
    "No equal-chance or routine inspection carries the chance of its draw, so rows cannot be weighted."
)
_AUDITS = "The scheme 'random' is taken: equal-chance audits alone train the model; they stand for everybody."
_AS_THEY_COME = (
    "The scheme 'naive' is taken: the model learns from every inspection as it comes. Its order holds among "
    "those whom inspectors choose, and its level for everybody is not known; say so with its probabilities. "
    "Give 'propensity' and 'served_share', or more equal-chance audits, for more."
)


def faults_of_risk(rows: TrainingRows, split: Split) -> list[Problem]:
    """Return that the rows of the risk model have outcomes that are all alike, if they do.

    Examples
    --------
    >>> from tierkit.scores.training_rows import time_split, training_frame
    >>> rows = training_frame("data/synthetic", "2024-12-30")
    >>> faults_of_risk(rows, time_split(rows.rows["as_of"]))
    []
    """
    found = rows.y[split.train]
    if not _alike(found):
        return []
    days = rows.rows["as_of"][split.train]
    message = (
        f"gives the risk model nothing to tell apart: all of the {found.size:,} checks that it learns "
        f"from, of {days.min().date()} to {days.max().date()}, found "
        f"{'something' if found[0] else 'nothing'}"
    )
    remedy = "Look at how findings are written ('none' where nothing was found), or give more records"
    return [Problem("inspections", "finding", 0, (), message, remedy)]


def credit_rows(
    records: Known, seed: int = 0
) -> tuple[tuple[TrainingRows, Mask] | None, tuple[Problem, ...]]:
    """Return the rows of the scorecard and which test it; or nothing, and why records give no target.

    Parameters
    ----------
    records : Known
    seed : int
        Of the lot that holds enterprises out.

    Examples
    --------
    >>> from tierkit.records.known import known
    >>> with known("data/synthetic", "2024-12-30") as records:
    ...     found, faults = credit_rows(records)
    >>> found is not None, faults
    (True, ())
    """
    held, faults = credit_target(records, seed)
    return (None if held is None else (credit_frame(records), held)), faults


def credit_target(records: Known, seed: int = 0) -> tuple[Mask | None, tuple[Problem, ...]]:
    """Return which rows of the scorecard test it, as `credit_rows` does, and build no features."""
    try:
        rows, y, _ = snapshots(records)
    except DataError as error:
        return None, tuple(error.problems)
    held = hold_out(rows["enterprise_id"], seed=seed)
    if not _alike(y[~held]):
        return held, ()
    since, until = rows["as_of"].min().date(), records.day
    counts = records.query(
        "SELECT CAST(kind AS VARCHAR) AS kind, count(*) AS n FROM known_credit_events "
        f"WHERE known_on >= DATE '{since}' GROUP BY kind ORDER BY n DESC, kind"
    )
    held_kinds = ", ".join(f"{kind} {n:,}" for kind, n in counts.itertuples(index=False)) or "no events"
    kinds = ", ".join(CREDIT_TARGET)
    message = (
        f"gives the credit scorecard nothing to tell apart: {int(y.sum()):,} of the "
        f"{y.size:,} enterprises that it learns from had an event that it predicts, from "
        f"{since} until {until}. It predicts {kinds}; what the table holds since then is {held_kinds}"
    )
    remedy = (
        "Add the records of those kinds (no inspection brings them about, so that they tell of "
        "everybody), or give another date"
    )
    return None, (Problem("credit_events", "kind", 0, (), message, remedy),)


def with_offers(problem: Problem, data: object, day: date, out: str | os.PathLike[str] | None) -> Problem:
    """Return why records give no credit, with what serves instead: the commands themselves.

    Examples
    --------
    >>> from datetime import date
    >>> one = Problem("credit_events", "kind", 0, (), "gives nothing", "Add records")
    >>> with_offers(one, "data", date(2024, 12, 30), "model").remedy[-77:]
    'by risk alone: tierkit train data --as-of 2024-12-30 --out model --risk-alone'
    """
    folder = os.fspath(data) if isinstance(data, str | os.PathLike) else "DIR"
    target = "MODEL" if out is None else os.fspath(out)
    again = shlex.join(["tierkit", "train", folder, "--as-of", day.isoformat(), "--out", target])
    remedy = (
        f"{problem.remedy.rstrip('.')}. Or take credit from an expert's table of points: {again} "
        f"--credit-table FILE.toml. Or give tiers by risk alone: {again} --risk-alone"
    )
    return replace(problem, remedy=remedy)


def _alike(outcomes: NDArray[np.int64]) -> bool:
    return not outcomes.size or bool(outcomes.min() == outcomes.max())
