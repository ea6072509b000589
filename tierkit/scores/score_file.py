"""The file of scores and tiers that `tierkit score` writes: what its columns are, and how it is read."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tierkit.bounds import UnreadableError, parse_json
from tierkit.records import TIERS, DataError, Problem
from tierkit.records.parquet import read_sealed
from tierkit.scores.basis import check_stated
from tierkit.scores.content import ContentError

__all__ = ["CERTAINTY", "agencies_of", "read_scores", "score_schema"]

CERTAINTY = ("tier_agreement", "agreement_low", "agreement_high")
"""Columns that say how sure a tier is."""

_REMEDY = "Give a file that 'tierkit score' wrote, as it was written."
_SAID = {
    "as_of": str, "policy_name": str, "policy": str, "model": str, "data": dict, "previous": str,
    "reasons": int, "certainty": str, "scored": int,
}  # fmt: skip
"""What the file says of itself, as far as it is read."""


def score_schema(reasons: int, certainty: bool) -> Any:
    """Return the columns and types of a file with so many reasons of each score.

    Examples
    --------
    >>> score_schema(0, certainty=True).names[-3:]
    ['tier_agreement', 'agreement_low', 'agreement_high']
    """
    text, number, yes, day = pa.string(), pa.float64(), pa.bool_(), pa.date32()
    columns = {
        "enterprise_id": text,
        "sector": text,
        "risk_margin": number,
        "risk_probability": number,
        "credit_points": number,
        "credit_probability": number,
        "tier": text,
        "risk_level": pa.int8(),
        "credit_grade": text,
        "tier_reason": text,
        "distance_risk": number,
        "distance_credit": number,
        "buffered": yes,
        "unmonitored": yes,
        "unmonitored_by": text,
        "held": yes,
        "changed": yes,
        "composite_points": number,
        "red_line": text,
        "standing_records": text,
        "adverse_record": yes,
        "serious_finding_weeks": pa.int32(),
        "tier_record": text,
        "without_record": yes,
        "barred_by": text,
        "flags": text,
        "assigned_on": day,
        "policy": text,
    }
    for axis in ("risk", "credit"):
        for k in range(1, reasons + 1):
            columns |= {f"{axis}_reason_{k}": text, f"{axis}_effect_{k}": number}
    columns |= dict.fromkeys(CERTAINTY if certainty else (), number)
    return pa.schema(list(columns.items()))


def read_scores(path: str | os.PathLike[str], table: str = "scores") -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read a file that `tierkit.jobs.scoring.score` wrote, with what it says of itself.

    Parameters
    ----------
    path : path
        A ``.parquet`` file.
    table : str
        What the file is here, for messages.

    Returns
    -------
    tuple of DataFrame and dict
        The rows; ``as_of``, ``policy_name``, ``policy`` and ``model`` (hashes) and the rest.

    Raises
    ------
    DataError
        If it is no such file or was altered, its columns are not those of `score_schema`, an enterprise is
        there twice, or certainty is not whole.
    """
    try:
        data, said = read_sealed(Path(path))
    except UnreadableError as error:
        raise _refused(table, f"{path} cannot be read: {error}") from error
    about = _about(table, path, said.get("tierkit", "{}"))
    if not 0 <= about["reasons"] <= data.num_columns:  # each has columns of its own
        raise _refused(table, f"{path} does not say what it is: reasons")
    expected = score_schema(about["reasons"], bool(about["certainty"]))
    if not data.schema.equals(expected):
        there, due = ({f"{one.name} ({one.type})" for one in schema} for schema in (data.schema, expected))
        wrong = sorted(there ^ due)
        differ = ", ".join(wrong[:3]) or "their order"
        raise _refused(table, f"{path} has other columns than it says: {differ}")
    if data.num_rows != about["scored"]:
        raise _refused(table, f"{path} has {data.num_rows:,} rows, and says {about['scored']:,}")
    rows: pd.DataFrame = data.to_pandas()
    held = [name for name in CERTAINTY if name in rows]
    problems = []
    for column, wrong_rows, message in (
        ("tier", ~rows["tier"].isin(TIERS), "is no tier"),
        ("enterprise_id", rows["enterprise_id"].isna(), "is empty"),
        ("enterprise_id", rows["enterprise_id"].duplicated(), "is there twice"),
        *((name, rows[name].isna(), "is missing") for name in held),
    ):
        if wrong_rows.any():
            first = np.flatnonzero(wrong_rows)[:3]
            shown = tuple(f"row {k + 1}: {rows[column].iloc[k]!s:.40}" for k in first)
            problems.append(Problem(table, column, int(wrong_rows.sum()), shown, message, _REMEDY))
    if problems:
        raise DataError(problems)
    return rows, about


def _about(table: str, path: str | os.PathLike[str], text: str) -> dict[str, Any]:
    """Return what a file says of itself, which must be all that is read of it."""
    try:
        about = parse_json(text)
    except UnreadableError as error:
        raise _refused(table, f"{path} does not say what it is: {error}") from error
    try:
        as_written = date.fromisoformat(about["as_of"]).isoformat() == about["as_of"]
    except (ValueError, TypeError, KeyError) as error:
        raise _refused(table, f"{path} does not say of which day it is") from error
    if not as_written:  # 20241230 is a date in ISO 8601, too, and sorts otherwise
        raise _refused(table, f"{path} does not say of which day it is")
    lacking = [name for name, kind in _SAID.items() if type(about.get(name)) is not kind]
    if lacking:
        raise _refused(table, f"{path} does not say what it is: {', '.join(lacking)}")
    if "credit" in about:
        try:
            check_stated(about["credit"], "credit")
        except ContentError as error:
            raise _refused(table, f"{path} does not say what it is: {error}") from error
    found: dict[str, Any] = about
    return found


def _refused(table: str, message: str) -> DataError:
    return DataError([Problem(table, "", 0, (), message, _REMEDY)])


def agencies_of(unmonitored_by: str) -> list[str]:
    """Return the agencies that a cell of ``unmonitored_by`` names.

    Examples
    --------
    >>> agencies_of("fire;health"), agencies_of("")
    (['fire', 'health'], [])
    """
    return [agency for agency in unmonitored_by.split(";") if agency]
