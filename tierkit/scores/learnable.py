"""Refuse records from which a model cannot be learnt, and say what they hold and what would help."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tierkit.arrays import Mask
from tierkit.records import CREDIT_TARGET, DataError, Problem
from tierkit.records.known import Known
from tierkit.scores.training_rows import Split, TrainingRows

__all__ = ["check_learnable"]


def check_learnable(
    rows: TrainingRows, split: Split, snapshots: TrainingRows, held: Mask, records: Known
) -> None:
    """Refuse rows whose outcomes are all alike, for both models at once.

    Parameters
    ----------
    rows, split
        Those of the risk model.
    snapshots : TrainingRows
        Those of the scorecard.
    held : bool array of shape (n_snapshots,)
        The snapshots that test it.
    records : Known
        What the rows were made of.

    Raises
    ------
    DataError
        With the model, its table, what that holds and what would help.

    Examples
    --------
    >>> from tierkit.records.known import known
    >>> from tierkit.scores.training_rows import credit_frame, hold_out, time_split, training_frame
    >>> with known("data/synthetic", "2024-12-30") as records:
    ...     rows, snapshots = training_frame(records), credit_frame(records)
    ...     split = time_split(rows.rows["as_of"])
    ...     held = hold_out(snapshots.rows["enterprise_id"])
    ...     check_learnable(rows, split, snapshots, held, records)
    """
    problems = []
    found = rows.y[split.train]
    if _alike(found):
        days = rows.rows["as_of"][split.train]
        message = (
            f"gives the risk model nothing to tell apart: all of the {found.size:,} checks that it learns "
            f"from, of {days.min().date()} to {days.max().date()}, found "
            f"{'something' if found[0] else 'nothing'}"
        )
        remedy = "Look at how findings are written ('none' where nothing was found), or give more records"
        problems.append(Problem("inspections", "finding", 0, (), message, remedy))
    late = snapshots.y[~held]
    if _alike(late):
        when = snapshots.rows["as_of"]
        since, until = when.min().date(), records.day
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
        problems.append(Problem("credit_events", "kind", 0, (), message, remedy))
    if problems:
        raise DataError(problems)


def _alike(outcomes: NDArray[np.int64]) -> bool:
    return not outcomes.size or bool(outcomes.min() == outcomes.max())
