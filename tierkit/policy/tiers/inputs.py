"""Checks of scores and previous tiers; one error lists all problems."""

import re
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tierkit.policy import Policy
from tierkit.policy.tiers.rule import Previous, is_risk_alone
from tierkit.policy.tiers.standing import Standing
from tierkit.records import EVENT_KINDS, GRADES, REPAIRABLE_KINDS, TIERS, DataError, Problem

__all__ = ["check_inputs", "previous_of", "standing_of"]

_SCORES = ("enterprise_id", "sector", "risk_probability", "credit_points")
_RECORD = re.compile(r"(\w+):(\d{1,4})")
_MOST_WEEKS = 10**5
_PREVIOUS = ("enterprise_id", "tier", "risk_level", "credit_grade")


def check_inputs(
    scores: pd.DataFrame,
    policy: Policy,
    previous: pd.DataFrame | None,
    oracle_probability: pd.Series | None,
    as_of: date | None,
) -> None:
    """Check the arguments of `tierkit.policy.tiers.assign`.

    Raises
    ------
    DataError
        With every problem found.
    """
    problems = _score_problems(scores, policy)
    if previous is not None and not previous.empty:
        problems += _previous_problems(previous, as_of, is_risk_alone(policy))
    if not any(one.column == "enterprise_id" for one in problems):
        problems += _oracle_problems(scores, policy, oracle_probability)
    if problems:
        raise DataError(problems)


def _problem(
    frame: pd.DataFrame, table: str, column: str, bad: ArrayLike, message: str, remedy: str
) -> list[Problem]:
    """Return a problem with the first three rows that have it, or nothing."""
    where = np.flatnonzero(np.asarray(bad))
    if not len(where):
        return []
    ids, values = frame["enterprise_id"], frame[column]
    examples = tuple(
        f"row {row + 1}, {ids.iloc[row]}: {values.iloc[row]!s:.40}"
        if column != "enterprise_id"
        else f"row {row + 1}: {values.iloc[row]!s:.40}"
        for row in where[:3]
    )
    return [Problem(table, column, len(where), examples, message, remedy)]


def _missing(frame: pd.DataFrame, table: str, wanted: tuple[str, ...]) -> list[Problem]:
    lacking = [column for column in wanted if column not in frame]
    return [Problem(table, column, 0, (), "is missing", f"Give the column '{column}'.") for column in lacking]


def _ids(frame: pd.DataFrame, table: str) -> list[Problem]:
    ids, column = frame["enterprise_id"], "enterprise_id"
    return [
        *_problem(frame, table, column, ids.isna(), "is empty", "Give the id of the enterprise."),
        *_problem(
            frame,
            table,
            column,
            ids.duplicated() & ids.notna(),
            "occurs more than once",
            "Keep one row per enterprise.",
        ),
    ]


def _unknown(
    frame: pd.DataFrame, table: str, column: str, levels: tuple[object, ...], *, may_lack: bool
) -> list[Problem]:
    bad = ~frame[column].isin(list(levels)) & (frame[column].notna() | (not may_lack))
    remedy = f"Use one of {', '.join(map(str, levels))}."
    return _problem(frame, table, column, bad, "has an unknown level", remedy)


def _numbers(column: pd.Series) -> NDArray[np.float64]:
    """Return a column as numbers, NaN where it holds none: text, dates and complex numbers are none."""
    if column.dtype.kind in "biuf":
        return column.to_numpy(np.float64, na_value=np.nan)
    return np.array([_number(one) for one in column.astype(object)], np.float64)


def _number(value: Any) -> float:
    # NumPy counts its durations among the whole numbers.
    if isinstance(value, np.timedelta64) or not isinstance(value, Real | Decimal | np.bool_):
        return float("nan")
    try:
        return float(value)
    except (ArithmeticError, ValueError):  # beyond all floats, or a signalling NaN
        return float("nan")


def _score_problems(scores: pd.DataFrame, policy: Policy) -> list[Problem]:
    problems = _missing(scores, "scores", _SCORES)
    if problems:
        return problems
    remedy = (
        "Score the row again, or leave it out; a tier needs both scores, but under a policy by risk alone "
        "(scoring.logic)."
    )
    known = policy.place.ids("sector") if policy.place else tuple(scores["sector"].dropna().unique())
    problems = _ids(scores, "scores") + _unknown(scores, "scores", "sector", known, may_lack=False)
    for column in ("risk_probability",) if is_risk_alone(policy) else ("risk_probability", "credit_points"):
        bad = ~np.isfinite(_numbers(scores[column]))
        problems += _problem(scores, "scores", column, bad, "is not a finite number", remedy)
    risk = _numbers(scores["risk_probability"])
    outside = np.isfinite(risk) & ((risk < 0) | (risk > 1))
    remedy = "Give a probability, not a margin."
    problems += _problem(scores, "scores", "risk_probability", outside, "is outside [0, 1]", remedy)
    if "red_line" in scores:
        problems += _unknown(scores, "scores", "red_line", EVENT_KINDS, may_lack=True)
    if "standing_records" in scores:
        texts = scores["standing_records"]
        wrong = {one for one in texts.dropna().unique() if _records(one) is None}
        message = "is not kinds of open records with their weeks, such as 'penalty:12;court_default:80'"
        remedy = f"Use {', '.join(REPAIRABLE_KINDS)}, or leave it empty."
        problems += _problem(scores, "scores", "standing_records", texts.isin(wrong), message, remedy)
    if "serious_finding_weeks" in scores:
        told = scores["serious_finding_weeks"]
        weeks = _numbers(told)
        bad = told.notna().to_numpy() & ~((weeks >= 0) & (weeks == np.floor(weeks)) & (weeks < _MOST_WEEKS))
        message = "is no whole number of weeks since a serious finding"
        remedy = "Give the weeks since the last one, or leave it empty if there was none."
        problems += _problem(scores, "scores", "serious_finding_weeks", bad, message, remedy)
    if "adverse_record" in scores:
        levels, remedy = (True, False), "Say true or false, or leave it empty if nobody knows."
        told = scores["adverse_record"]
        other = ~told.isin(levels) & told.notna()
        problems += _problem(scores, "scores", "adverse_record", other, "is neither true nor false", remedy)
    return problems


def _records(text: Any) -> dict[str, int] | None:
    """Return kind and weeks of what `standing_records` says of an enterprise; None if it is no such text."""
    if not isinstance(text, str):
        return None
    found: dict[str, int] = {}
    for part in filter(None, text.split(";")):
        one = _RECORD.fullmatch(part)
        if one is None or one[1] not in REPAIRABLE_KINDS or one[1] in found:
            return None
        found[one[1]] = int(one[2])
    return found


def standing_of(scores: pd.DataFrame) -> Standing:
    """Return what the tier rule asks of records, from scores that were checked.

    Examples
    --------
    >>> scores = pd.DataFrame({"standing_records": ["penalty:12", ""], "adverse_record": [True, False]})
    >>> found = standing_of(scores)
    >>> found.weeks[:, EVENT_KINDS.index("penalty")].tolist(), found.clean.tolist()
    ([12, -1], [False, True])
    """
    out = Standing.nothing(len(scores))
    if "red_line" in scores:
        codes = pd.Categorical(scores["red_line"], categories=list(EVENT_KINDS)).codes.astype(np.int64)
        out = out._replace(red_line=codes)
    if "standing_records" in scores:
        # Most have none, and of the rest many are alike.
        place, texts = pd.factorize(scores["standing_records"])
        weeks = np.full((len(texts) + 1, len(EVENT_KINDS)), -1, np.int64)  # the last for what is missing
        for row, text in enumerate(texts):
            for kind, since in (_records(text) or {}).items():
                weeks[row, EVENT_KINDS.index(kind)] = since
        out = out._replace(weeks=weeks[place])
    # A red line that is told without its age is taken to be new.
    untold = np.flatnonzero((out.red_line >= 0) & (out.weeks.max(axis=1) < 0))
    out.weeks[untold, out.red_line[untold]] = 0
    if "adverse_record" in scores:
        never = np.asarray(scores["adverse_record"].isin([False]), np.bool_)
        out = out._replace(clean=never & (out.weeks.max(axis=1) < 0))
    if "serious_finding_weeks" in scores:
        out = out._replace(
            serious=np.nan_to_num(_numbers(scores["serious_finding_weeks"]), nan=-1).astype(np.int64)
        )
    return out


def _previous_problems(previous: pd.DataFrame, as_of: date | None, risk_alone: bool) -> list[Problem]:
    problems = _missing(previous, "previous", _PREVIOUS)
    if problems:
        return problems
    problems = _ids(previous, "previous")
    problems += _unknown(previous, "previous", "tier", TIERS, may_lack=False)
    problems += _unknown(previous, "previous", "credit_grade", GRADES, may_lack=risk_alone)
    problems += _unknown(previous, "previous", "risk_level", tuple(range(1, len(TIERS) + 1)), may_lack=False)
    if "weeks_ago" in previous:
        weeks = _numbers(previous["weeks_ago"])
        bad = ~(np.isfinite(weeks) & (weeks >= 0))
        remedy = "Give the number of weeks since the tier began."
        return problems + _problem(
            previous, "previous", "weeks_ago", bad, "is not a number of weeks of at least 0", remedy
        )
    if "assigned_on" not in previous:
        remedy = "Give 'assigned_on', the day since which the tier has stood, or 'weeks_ago'."
        return [*problems, Problem("previous", "assigned_on", 0, (), "is missing", remedy)]
    if as_of is None:
        remedy = "Give as_of, the day of this assignment, to `assign`."
        return [
            *problems,
            Problem(
                "previous",
                "assigned_on",
                0,
                (),
                "needs as_of, to compute how long each tier has stood",
                remedy,
            ),
        ]
    days = pd.to_datetime(previous["assigned_on"], errors="coerce")
    late = days.isna() | (days > pd.Timestamp(as_of))
    remedy = "Give the day since which the tier has stood."
    return problems + _problem(
        previous, "previous", "assigned_on", late, f"is not a date up to {as_of}", remedy
    )


def _oracle_problems(
    scores: pd.DataFrame, policy: Policy, oracle_probability: pd.Series | None
) -> list[Problem]:
    table, column = "oracle_probability", ""
    if not policy.oracle:
        if oracle_probability is None:
            return []
        remedy = "Leave it out; only a policy with meta.oracle = true may see the truth."
        return [Problem(table, column, 0, (), f"is not for policy '{policy.name}'", remedy)]
    if oracle_probability is None:
        remedy = "Give the true probabilities of a synthetic world, by enterprise_id."
        return [Problem(table, column, 0, (), f"is missing, and policy '{policy.name}' needs it", remedy)]
    if "enterprise_id" not in scores:
        return []
    if not oracle_probability.index.is_unique:
        return [
            Problem(
                table, column, 0, (), "has an enterprise more than once", "Keep one value per enterprise."
            )
        ]
    truth = oracle_probability.reindex(scores["enterprise_id"])
    frame = pd.DataFrame({"enterprise_id": scores["enterprise_id"].to_numpy(), table: truth.array})
    chance = _numbers(truth)
    bad = ~((chance >= 0) & (chance <= 1))
    return _problem(
        frame, table, table, bad, "is not a probability", "Give one in [0, 1] for every enterprise."
    )


def previous_of(ids: pd.Series, previous: pd.DataFrame | None, as_of: date | None) -> Previous:
    """Return the last assignment in the order of ``ids``."""
    if previous is None or previous.empty:
        none = np.full(len(ids), -1, np.int64)
        return Previous(none, none, none, none)
    rows = previous.set_index("enterprise_id").reindex(ids)
    if "weeks_ago" in rows:
        weeks = rows["weeks_ago"]
    else:
        weeks = (np.datetime64(as_of, "D") - pd.to_datetime(rows["assigned_on"])).dt.days // 7
    return Previous(
        tier=_codes(rows["tier"], TIERS),
        level=rows["risk_level"].fillna(0).to_numpy(np.int64) - 1,
        grade=_codes(rows["credit_grade"], GRADES),
        weeks=weeks.fillna(-1).to_numpy(np.int64),
    )


def _codes(levels: pd.Series, known: tuple[str, ...]) -> NDArray[np.int64]:
    """Return the position of each level, -1 for none."""
    return pd.Categorical(levels, categories=list(known)).codes.astype(np.int64)
