"""Credit where records give no target: an expert's table of points, or none at all.

An expert's table is read from a file (`tierkit.policy.files.points_file`), held against the features that
there are, and laid down as the one table that scoring and reasons look up, like that of a scorecard. It gives
points and no probability: it was fitted on nobody. `NoCredit` stands where tiers are given by risk alone.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd

from tierkit.arrays import Floats
from tierkit.features import BY_NAME, is_structure
from tierkit.policy import PolicyError
from tierkit.policy.files.points_file import MOST_ROWS, PointsRow, PointsTable, read_points
from tierkit.policy.files.problems import PolicyProblem
from tierkit.records import SHANGHAI, Label, Place
from tierkit.records.arguments import InputError
from tierkit.records.problems import suggestion
from tierkit.scores.card_table import BASE, COLUMNS
from tierkit.scores.content import (
    ContentError,
    day,
    digest,
    flag,
    known,
    mapping,
    maybe,
    number,
    read_json,
    record,
    refuse,
    series,
    text,
)
from tierkit.scores.inputs import Inputs, Unseen
from tierkit.scores.point_card import HIGHEST, LOWEST, CreditKind, PointCard
from tierkit.scores.scorecard import CreditScorecard

__all__ = ["CreditCard", "ExpertCard", "NoCredit", "card_of", "credit_from_json", "fitted"]

_FORMAT = "tierkit-expert-table-1"
_NO_FORMAT = "tierkit-no-credit-1"
_END = maybe(number())
_POINTS = number(-HIGHEST, HIGHEST)
_LEVELS = series(text(), 10_000, apart=True)
_GROUNDS = {"source": maybe(text()), "assumption": maybe(text())}
_ROW = record(
    feature=text(), points=_POINTS, at_least=_END, below=_END, levels=_LEVELS, missing=flag, others=flag,
    **_GROUNDS,
)  # fmt: skip
_SAVED = record(
    format=known(_FORMAT), name=text(), digest=digest, title=record(zh=text(), en=text()), document=text(),
    date=day, base=record(points=_POINTS, **_GROUNDS), rows=series(_ROW, MOST_ROWS),
    levels=mapping(_LEVELS, len(BY_NAME)),
)  # fmt: skip
_NONE = record(format=known(_NO_FORMAT))


class _GivenCard(PointCard):
    """Credit that was fitted on nobody: it is whole as soon as it is made."""

    on_unseen: Unseen = "flag"

    @property
    def unused_(self) -> dict[str, str]:
        """Nothing: every feature that the table names carries points."""
        return {}

    def _check_made(self) -> None:
        pass

    def _rows_of(self, X: Any) -> pd.DataFrame:
        frame: pd.DataFrame = X
        return frame[list(self.inputs_.names)]

    def check(self, X: pd.DataFrame) -> pd.DataFrame:
        """Return flags by row for levels that the place does not have."""
        return self.inputs_.flags(self._rows_of(X))


class ExpertCard(_GivenCard):
    """An expert's table of points as a source of credit points.

    Make one with `card_of`.

    Parameters
    ----------
    source : PointsTable
    levels : mapping of str to tuple of str
        The levels that each feature without numbers may have.

    Raises
    ------
    PolicyError
        With everything by which the table does not fit the features.

    Examples
    --------
    >>> rows = (PointsRow(feature="penalties_open", points=0, below=1, assumption="none is the rule"),
    ...         PointsRow(feature="penalties_open", points=-60, at_least=1, assumption="one is enough"))
    >>> about = ("own.toml", "0" * 64, Label("表", "a table"), "", date(2025, 1, 1), 620.0, None, "round")
    >>> card = ExpertCard(PointsTable(*about, rows), {})
    >>> card.points(pd.DataFrame({"penalties_open": [0.0, 2.0, None]})).tolist()
    [620.0, 560.0, 620.0]
    """

    kind: CreditKind = "table"

    def __init__(self, source: PointsTable, levels: Mapping[str, tuple[str, ...]]) -> None:
        self.source = source
        self.levels = {name: tuple(values) for name, values in levels.items()}
        by_feature = _by_feature(source)
        problems = [one for name in by_feature for one in _unfit(source, name, by_feature[name], self.levels)]
        if problems:
            raise PolicyError(problems)
        names = tuple(name for name in BY_NAME if name in by_feature)
        kept = {name: self.levels[name] for name in names if name in self.levels}
        self.inputs_ = Inputs(names, kept, frozenset(names))
        rows = [_cells(BASE, "base", 0, points=source.base)]
        for name in names:
            rows += _bins(name, by_feature[name], name in kept)
        self._keep(pd.DataFrame(rows, columns=list(COLUMNS)))
        low, high = self.span()
        if low < LOWEST or high > HIGHEST:
            message = f"'base' and 'rows' could give {low:g} to {high:g} points, which leaves 0 … 1000"
            raise PolicyError([_problem(source, "base", message, "move the base, or lower the points")])

    def points_and_log_odds(self, X: pd.DataFrame) -> tuple[Floats, Floats]:
        """Return points, and missing log-odds: the table says nothing of any probability."""
        points = self.points(X)
        return points, np.full(points.size, np.nan)

    def grounds(self) -> pd.DataFrame:
        """Return the table as it was written: ``feature``, ``of``, ``points``, ``source``, ``assumption``."""
        one = self.source
        rows = [(BASE, "", one.base, one.base_source, one.base_assumption)]
        rows += [(row.feature, _whom(row), row.points, row.source, row.assumption) for row in one.rows]
        return pd.DataFrame(rows, columns=["feature", "of", "points", "source", "assumption"])

    def to_json(self) -> str:
        """Return the table as JSON text that `credit_from_json` reads back without loss."""
        one = self.source
        data = {
            "format": _FORMAT,
            "name": one.name,
            "digest": one.digest,
            "title": one.title._asdict(),
            "document": one.document,
            "date": one.date.isoformat(),
            "base": {"points": one.base, "source": one.base_source, "assumption": one.base_assumption},
            "rows": [{name: _plain(getattr(row, name)) for name in row.__slots__} for row in one.rows],
            "levels": {name: list(values) for name, values in self.inputs_.levels.items()},
        }
        return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Return the table that `to_json` wrote, read strictly.

        Raises
        ------
        ContentError
        """
        _SAVED(data, "")
        rows = tuple(PointsRow(**{**row, "levels": tuple(row["levels"])}) for row in data["rows"])
        base = data["base"]
        for at, row in enumerate([base, *data["rows"]]):
            if row["source"] is None and row["assumption"] is None:
                refuse(f"rows[{at - 1}]" if at else "base", "has neither a source nor an assumption.")
        source = PointsTable(
            data["name"], data["digest"], Label(**data["title"]), data["document"],
            date.fromisoformat(data["date"]), base["points"], base["source"], base["assumption"], rows,
        )  # fmt: skip
        try:
            return cls(source, {name: tuple(values) for name, values in data["levels"].items()})
        except PolicyError as error:
            raise ContentError(f"{error.problems[0].parameter}: {error.problems[0].message}") from error


class NoCredit(_GivenCard):
    """No credit at all: nobody has points, no feature gives any, and tiers are given by risk alone.

    Examples
    --------
    >>> none = NoCredit()
    >>> none.points_and_log_odds(pd.DataFrame({"sector": ["gas"]}))[0].tolist(), none.inputs_.names
    ([nan], ())
    """

    kind: CreditKind = "none"

    def __init__(self) -> None:
        self.inputs_ = Inputs((), {}, frozenset())
        self._keep(pd.DataFrame([_cells(BASE, "base", 0, points=0.0)], columns=list(COLUMNS)))

    def points_and_log_odds(self, X: pd.DataFrame) -> tuple[Floats, Floats]:
        """Return that both are missing."""
        nothing = np.full(len(X), np.nan)
        return nothing, nothing.copy()

    def to_json(self) -> str:
        """Return JSON text that `credit_from_json` reads back."""
        return json.dumps({"format": _NO_FORMAT})


CreditCard: TypeAlias = CreditScorecard | ExpertCard | NoCredit
"""Where a model's credit comes from."""


def fitted(card: CreditCard) -> CreditScorecard:
    """Return a source of credit that was fitted on records, as drift and rounding need it.

    Raises
    ------
    InputError
        If it is an expert's table or nothing.
    """
    if not isinstance(card, CreditScorecard):
        what = "comes from an expert's table of points" if card.kind == "table" else "is not given at all"
        raise InputError(
            f"The credit score {what}, so that there is nothing that was fitted on records. Train a model on "
            "records of credit events."
        )
    return card


def credit_from_json(source: str) -> CreditCard:
    """Return the source of credit that its `to_json` wrote, whichever it is.

    Raises
    ------
    ValueError
        If the text is none of them.

    Examples
    --------
    >>> credit_from_json(NoCredit().to_json()).kind
    'none'
    """
    data = read_json(source)
    form = data.get("format") if isinstance(data, dict) else None
    if form == _FORMAT:
        return ExpertCard.from_data(data)
    if form == _NO_FORMAT:
        _NONE(data, "")
        return NoCredit()
    return CreditScorecard.from_json(source)


def card_of(
    table: PointsTable | str | os.PathLike[str], place: Place = SHANGHAI, *, structure: bool = False
) -> ExpertCard:
    """Return an expert's table as a source of credit points in a place.

    Parameters
    ----------
    table : PointsTable or path of its file
    place : Place
        Whose levels the rows may name.
    structure : bool
        Whether what an enterprise is may give or take points.

    Raises
    ------
    PolicyError
        With everything that is wrong with the table, each with its place and what to do.
    """
    source = table if isinstance(table, PointsTable) else read_points(Path(table))
    levels = {name: place.ids(one.levels) for name, one in BY_NAME.items() if one.levels is not None}
    named = (
        [] if structure else [name for name in _by_feature(source) if name in BY_NAME and is_structure(name)]
    )
    problems = [
        _problem(
            source,
            _path(source, name),
            f"'{name}' is what an enterprise is, and by default what it did alone gives or takes credit",
            "leave the rows out, or train with --structure",
        )
        for name in named
    ]
    try:
        card = ExpertCard(source, levels)
    except PolicyError as error:
        raise PolicyError([*problems, *error.problems]) from error
    if problems:
        raise PolicyError(problems)
    return card


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _by_feature(source: PointsTable) -> dict[str, list[tuple[int, PointsRow]]]:
    """Return the rows of each feature, with their numbers from 1."""
    found: dict[str, list[tuple[int, PointsRow]]] = {}
    for number_, row in enumerate(source.rows, 1):
        found.setdefault(row.feature, []).append((number_, row))
    return found


def _path(source: PointsTable, feature: str) -> str:
    return f"rows[{_by_feature(source)[feature][0][0]}]"


def _problem(source: PointsTable, path: str, message: str, remedy: str) -> PolicyProblem:
    at = source.lines.get(path, source.lines.get(path.rpartition(".")[0]))
    return PolicyProblem(source.name, at, path, message, remedy)


def _whom(row: PointsRow) -> str:
    """Return in signs whom a row is of."""
    if row.missing or row.others:
        return "missing" if row.missing else "others"
    if row.levels:
        return ", ".join(row.levels)
    ends = [
        *([f">= {row.at_least:g}"] if row.at_least is not None else []),
        *([f"< {row.below:g}"] if row.below is not None else []),
    ]
    return ", ".join(ends)


def _unfit(
    source: PointsTable,
    name: str,
    rows: list[tuple[int, PointsRow]],
    levels: Mapping[str, tuple[str, ...]],
) -> Iterator[PolicyProblem]:
    """Yield what is wrong with the rows of one feature."""
    first = f"rows[{rows[0][0]}]"
    if name not in BY_NAME:
        near = suggestion(name, list(BY_NAME)) or "; 'tierkit.features.read_by' lists them"
        message = f"'{first}.feature' names '{name[:40]}', which is no feature{near}"
        yield _problem(source, f"{first}.feature", message, "correct the name")
        return
    feature = BY_NAME[name]
    if feature.credit is None and feature.risk is None:
        message = f"'{first}.feature' = '{name}' is read by no model, so that nobody is judged by it"
        yield _problem(source, f"{first}.feature", message, "leave its rows out")
    for alone in ("missing", "others"):
        twice = [f"rows[{k}]" for k, row in rows if getattr(row, alone)][1:]
        if twice:
            message = f"'{twice[0]}' is a second row of '{name}' with {alone} = true"
            yield _problem(source, twice[0], message, "keep one")
    if feature.levels is not None:
        yield from _unfit_levels(source, name, rows, levels[name])
        return
    for k, row in rows:
        if row.levels or row.others:
            message = f"'rows[{k}]' names levels, and '{name}' is a number"
            yield _problem(source, f"rows[{k}]", message, "give a band: at_least and below")
    yield from _unfit_bands(source, name, rows)


def _unfit_levels(
    source: PointsTable, name: str, rows: list[tuple[int, PointsRow]], known_levels: tuple[str, ...]
) -> Iterator[PolicyProblem]:
    seen: dict[str, int] = {}
    for k, row in rows:
        if row.at_least is not None or row.below is not None:
            message = f"'rows[{k}]' is a band, and '{name}' is no number"
            yield _problem(source, f"rows[{k}]", message, f"name levels: {', '.join(known_levels[:5])}, …")
        for level in row.levels:
            if level not in known_levels:
                near = suggestion(level, known_levels)
                message = f"'rows[{k}].levels' has '{level[:40]}'{near}, no level of '{name}'"
                yield _problem(source, f"rows[{k}].levels", message, "correct the name")
            if level in seen:
                message = (
                    f"'rows[{k}]' overlaps with 'rows[{seen[level]}]': both are of the level '{level[:40]}'"
                )
                yield _problem(source, f"rows[{k}].levels", message, "name each level once")
            seen.setdefault(level, k)


def _unfit_bands(
    source: PointsTable, name: str, rows: list[tuple[int, PointsRow]]
) -> Iterator[PolicyProblem]:
    bands = _bands(rows)
    if not bands:
        k = rows[0][0]
        message = f"'rows[{k}]' says what a missing '{name}' gives, and no row gives its numbers points"
        yield _problem(source, f"rows[{k}]", message, "add its bands")
        return
    for (_, end, one, _), (start, _, other, _) in pairwise(bands):
        if start < end:
            message = f"'rows[{other}]' overlaps with 'rows[{one}]': both hold {start:g} of '{name}'"
            yield _problem(
                source, f"rows[{other}]", message, f"let one end where the other begins, below = {start:g}"
            )
        elif start > end:
            message = f"'rows[{other}]' leaves '{name}' from {end:g} to below {start:g} without points"
            yield _problem(
                source, f"rows[{other}]", message, f"begin it with at_least = {end:g}, or add a row"
            )
    (low, _, first, _), (_, high, last, _) = bands[0], max(bands, key=lambda one: one[1])
    if low > 0:
        message = f"'rows[{first}]' leaves '{name}' below {low:g} without points"
        yield _problem(source, f"rows[{first}]", message, f"add a row with below = {low:g}")
    if high < math.inf:
        message = f"'rows[{last}]' leaves '{name}' from {high:g} on without points"
        yield _problem(source, f"rows[{last}]", message, f"add a row with at_least = {high:g}")
    feature = BY_NAME[name]
    sign = feature.credit if feature.credit is not None else -(feature.risk or 0)
    for (_, _, _, one_points), (_, _, k, more_points) in pairwise(bands):
        if (more_points - one_points) * sign < 0:
            way = "gives" if sign < 0 else "takes"
            message = (
                f"'rows[{k}].points' = {more_points:g}: more of '{name}' {way} points, against its sense"
            )
            remedy = f"let it be {'at most' if sign < 0 else 'at least'} {one_points:g}"
            yield _problem(source, f"rows[{k}].points", message, remedy)


def _bands(rows: list[tuple[int, PointsRow]]) -> list[tuple[float, float, int, float]]:
    """Return start, end, number and points of each band, ascending."""
    return sorted(
        (
            -math.inf if row.at_least is None else row.at_least,
            math.inf if row.below is None else row.below,
            k,
            row.points,
        )
        for k, row in rows
        if row.at_least is not None or row.below is not None
    )


def _cells(feature: str, kind: str, at: int, **cells: Any) -> dict[str, Any]:
    """Return a row of the table; what only a fitted one has is missing, and counts are 0."""
    empty = {"lower": None, "upper": None, "levels": None, "count": 0, "events": 0}
    unknown = dict.fromkeys(("woe", "iv", "coefficient", "log_odds"), math.nan)
    return {"feature": feature, "bin": at, "kind": kind, **empty, **unknown, **cells}


def _bins(name: str, rows: list[tuple[int, PointsRow]], of_levels: bool) -> Iterator[dict[str, Any]]:
    """Yield the bins of a feature: bands or levels, then what is missing and, of levels, all others."""
    alone = {key: [row.points for _, row in rows if getattr(row, key)] for key in ("missing", "others")}
    at = 0
    if of_levels:
        for _, row in rows:
            if row.levels:
                yield _cells(name, "level", at, levels=list(row.levels), points=row.points)
                at += 1
    else:
        ascending = _bands(rows)
        for low, high, _, points in ascending:
            lower = -math.inf if at == 0 else low  # a band from 0 on is of everything: no feature is below 0
            yield _cells(name, "interval", at, lower=lower, upper=high, points=points)
            at += 1
    yield _cells(name, "missing", at, points=(alone["missing"] or [0.0])[0])
    if of_levels:
        yield _cells(name, "unseen", at + 1, points=(alone["others"] or [0.0])[0])
