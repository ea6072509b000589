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
from tierkit.scores.training_rows import Split, TrainingRows, credit_frame, hold_out

__all__ = ["credit_rows", "faults_of_risk", "with_offers"]


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
    try:
        snapshots = credit_frame(records)
    except DataError as error:
        return None, tuple(error.problems)
    held = hold_out(snapshots.rows["enterprise_id"], seed=seed)
    if not _alike(snapshots.y[~held]):
        return (snapshots, held), ()
    since, until = snapshots.rows["as_of"].min().date(), records.day
    counts = records.query(
        "SELECT CAST(kind AS VARCHAR) AS kind, count(*) AS n FROM known_credit_events "
        f"WHERE known_on >= DATE '{since}' GROUP BY kind ORDER BY n DESC, kind"
    )
    held_kinds = ", ".join(f"{kind} {n:,}" for kind, n in counts.itertuples(index=False)) or "no events"
    kinds = ", ".join(CREDIT_TARGET)
    message = (
        f"gives the credit scorecard nothing to tell apart: {int(snapshots.y.sum()):,} of the "
        f"{snapshots.y.size:,} enterprises that it learns from had an event that it predicts, from "
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
