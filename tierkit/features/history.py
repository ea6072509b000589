"""What a table of inspections tells of each row's past: of its enterprise, its area and its inspector.

Any table will do that has an id, a day and an outcome. Each row is told what was known before its own day,
and nothing of that day or later: records are sorted once for each key, and a row counts those that lie before
the place at which its own day begins. So a record of the day or later cannot move a row by a bit, and 10⁶
rows take seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Floats, Ints, Mask
from tierkit.features.catalogue import Sign
from tierkit.records.arguments import InputError, count_of, day_of, described, ids_of, instance_of
from tierkit.records.gate import days_of

__all__ = ["history_signs", "inspections"]

_WINDOWS = (365, 1095)
_PRIOR = 10.0  # inspections' worth of belief in the average, in every rate (assumption)
_KINDS = 20  # more are no kinds: each has columns of its own
_SIGNS: tuple[tuple[str, Sign], ...] = (
    ("events", 1),
    ("rate", 1),
    ("area_rate", 1),
    ("inspector_rate", 1),
    ("last_outcome", 1),
    ("last_but_one_outcome", 1),
    ("days_since_event", -1),
)


def history_signs(names: Iterable[str]) -> dict[str, Sign]:
    """Return which way more of each column moves the risk, for the columns of `inspections` that have a way.

    Parameters
    ----------
    names : iterable of str
        Of columns; what `inspections` did not make from outcomes is left out.

    Returns
    -------
    dict of str to {-1, 1}
        For the parameter ``monotone`` of the risk model. More was found: no lower risk.

    Examples
    --------
    >>> history_signs(["rate", "days_since_event", "days_since_last", "area"])
    {'rate': 1, 'days_since_event': -1}
    """
    ways = ((name, next((s for start, s in _SIGNS if name.startswith(start)), None)) for name in names)
    return {name: sign for name, sign in ways if sign is not None}


def inspections(
    table: pd.DataFrame,
    about: pd.DataFrame | None = None,
    *,
    id: str = "enterprise_id",
    day: str = "inspected_on",
    outcome: str = "outcome",
    kind: str | None = None,
    area: str | None = None,
    inspector: str | None = None,
    counts: Sequence[str] = (),
    dates: Sequence[str] = (),
    windows: Sequence[int] = _WINDOWS,
    as_of: date | str | None = None,
) -> pd.DataFrame:
    """Return what was known of each row before its day, from any table of inspections.

    Parameters
    ----------
    table : DataFrame
        A row an inspection. What it found counts as known from the next day on.
    about : DataFrame, optional
        Rows to tell about, with the columns ``id`` and ``day``, and those of ``kind``, ``area``,
        ``inspector`` and ``dates`` if these are named; the table's own rows if absent.
    id, day, outcome : str
        Columns: who was inspected, when, and whether something was found (0 or 1, true or false; missing
        where it is not known, which counts as an inspection and in no rate).
    kind, area, inspector : str, optional
        Columns of levels: what kind of inspection it is, where, and by whom; known beforehand.
    counts : sequence of str
        Columns of numbers that an inspection leaves, such as a score or how many faults it counted.
    dates : sequence of str
        Columns of dates that belong to a row, such as the start of its licence. They are told as ages.
    windows : sequence of int
        Days to look back.
    as_of : date, optional
        When an order of inspections is drawn up: for rows of this day or later, what is known before it.

    Returns
    -------
    DataFrame of shape (n, k)
        Indexed as the rows told about. Numbers are doubles, missing where there is nothing to tell:

        - ``inspections``, ``events``, ``rate`` of all before; ``inspections_365d``, ``events_365d`` of a
          window;
        - ``last_outcome``, ``last_but_one_outcome``; ``days_since_last``, ``days_since_first`` and
          ``days_since_event``;
        - the same by kind, as in ``events_365d_followup``, ``days_since_last_followup`` and
          ``last_outcome_followup``; ``kind`` of the row and ``last_kind``, as levels;
        - ``area_rate``, ``inspector_rate`` of all before and, as ``area_rate_365d``, of the shortest window;
        - ``last_score``, ``last_but_one_score``, ``mean_score``, ``min_score`` and ``max_score`` of a column
          of ``counts`` called score; ``age_of_opened``, in days, of a column of ``dates`` called opened,
          missing where the date is not before the day.

        Rates are drawn to that of all inspections, as if ten more had had it. Of several records of one day
        the lower row of the table is the last.

    Raises
    ------
    InputError
        If an argument or a column cannot be used; all that is wrong is listed.

    Examples
    --------
    >>> import tierkit as tk
    >>> table = pd.DataFrame({
    ...     "enterprise_id": ["a", "b", "a", "a"],
    ...     "inspected_on": pd.to_datetime(["2023-01-02", "2023-01-02", "2023-03-01", "2024-06-01"]),
    ...     "outcome": [1, 0, 0, 1],
    ... })
    >>> told = tk.inspections(table)
    >>> told["inspections"].tolist(), told["last_outcome"].tolist(), told["events_365d"].tolist()
    ([0.0, 0.0, 1.0, 2.0], [nan, nan, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0])
    """
    give = "a DataFrame with a row an inspection"
    instance_of(table, pd.DataFrame, "table", give)
    asked = table if about is None else instance_of(about, pd.DataFrame, "about", "a DataFrame of rows")
    counts, dates = ids_of(counts, "counts", "columns"), ids_of(dates, "dates", "columns")
    looks = sorted({count_of(one, "windows") for one in windows})
    levels = [one for one in (kind, area, inspector) if one is not None]
    _check_columns(table, "table", [id, day, outcome, *levels, *counts])
    _check_columns(asked, "about" if about is not None else "table", [id, day, *levels, *dates])
    done = _days(table[day], day)
    known = done if about is None else _days(asked[day], day)
    if as_of is not None:
        known = np.minimum(known, np.datetime64(day_of(as_of), "D").astype(np.int64))
    found = _numbers(table[outcome], outcome)
    if not np.isin(found[~np.isnan(found)], (0.0, 1.0)).all():
        raise InputError(f"Column '{outcome}' must be 0 or 1, or missing, in every row of the table.")
    past = _Past(done, known, found)
    who, whose = _codes(table[id], asked[id])
    if (who < 0).any() or (whose < 0).any():
        raise InputError(f"Column '{id}' is missing in some rows. Leave them out, or give them their ids.")
    own, everybody = past.of(who, whose), past.of(np.zeros_like(who), np.zeros_like(whose))
    out: dict[str, Any] = own.told("", looks, own.every) | {"rate": own.rate(everybody)}
    out["days_since_first"] = own.since(own.start)
    out["last_but_one_outcome"] = own.last(found, 2)
    if kind is not None:
        out |= _by_kind(own, table[kind], asked[kind], looks)
    for column, name in ((area, "area"), (inspector, "inspector")):
        if column is not None:
            group = past.of(*_codes(table[column], asked[column]))
            out[f"{name}_rate"] = group.rate(everybody)
            for window in looks[:1]:
                out[f"{name}_rate_{window}d"] = group.rate(everybody, window)
    for name in counts:
        values = _numbers(table[name], name)
        out |= {f"last_{name}": own.last(values), f"last_but_one_{name}": own.last(values, 2)}
        out |= {f"{how}_{name}": told for how, told in own.so_far(values).items()}
    for name in dates:
        out[f"age_of_{name}"] = _age(asked[name], name, known)
    return pd.DataFrame(out, index=asked.index)


class _Past:
    """The days and outcomes of a table, and the days of the rows that are told about."""

    def __init__(self, done: Ints, known: Ints, found: Floats) -> None:
        self.done, self.known, self.found = done, known, found
        self.first_day = min(int(done.min(initial=0)), int(known.min(initial=0)))
        self.span = max(int(done.max(initial=0)), int(known.max(initial=0))) - self.first_day + 2

    def of(self, key: Ints, asked: Ints) -> _Group:
        """Return the records by a key, -1 for none."""
        return _Group(self, key, asked)

    def place(self, key: Ints, day: Ints) -> Ints:
        """Return numbers that sort by key, then by day."""
        return key * self.span + day - self.first_day


class _Group:
    """Records sorted by a key and day, and for each row where its own key begins and its own day does."""

    def __init__(self, past: _Past, key: Ints, asked: Ints) -> None:
        place = past.place(key, past.done)
        order = np.argsort(place, kind="stable")
        self.order = order[np.searchsorted(key[order], 0) :]
        self.past, self.key, self.place = past, key[self.order], place[self.order]
        self.day = past.done[self.order]
        # Questions in the order of the records are answered many times faster than in any other.
        self.questions = past.place(asked, past.known)
        self.turn = np.argsort(self.questions, kind="stable")
        self.start = np.searchsorted(self.key, asked)
        self.end = self.until(0)
        found = past.found[self.order]
        self.hit, self.seen = found == 1, ~np.isnan(found)
        self.every = np.ones(len(found), bool)
        self.begins: dict[int, Ints] = {}

    def until(self, earlier: int) -> Ints:
        """Return the place of the first record that lies on a row's day, less some days, or later."""
        out = np.empty(len(self.turn), np.int64)
        out[self.turn] = np.searchsorted(self.place, self.questions[self.turn] - earlier)
        return np.maximum(out, self.start)

    def begin(self, window: int | None) -> Ints:
        """Return where the records of each row's key begin, all or those of a window."""
        if window is None:
            return self.start
        if window not in self.begins:
            self.begins[window] = self.until(window)
        return self.begins[window]

    def count(self, which: Mask, window: int | None = None) -> Floats:
        """Return how many of some records each row has before its day, ever or in a window."""
        sums = np.r_[0, np.cumsum(which, dtype=np.int64)]
        return np.asarray(sums[self.end] - sums[self.begin(window)], np.float64)

    def rate(self, average: _Group, window: int | None = None) -> Floats:
        """Return the share of records that found something, drawn to that of all."""
        n, all_n = self.count(self.seen, window), average.count(average.seen, window)
        mean = (average.count(average.hit, window) + 0.5) / (all_n + 1)
        return np.asarray((self.count(self.hit, window) + _PRIOR * mean) / (n + _PRIOR), np.float64)

    def take(self, values: NDArray[Any], at: Ints) -> Floats:
        """Return the values of records at some places, missing where a place is none of the row's key."""
        there = (at >= self.start) & (at < self.end)
        out = np.full(len(at), np.nan)
        out[there] = values[at[there]]
        return out

    def since(self, at: Ints) -> Floats:
        """Return days from the record at a place to the row's day."""
        return np.asarray(self.past.known - self.take(self.day, at), np.float64)

    def last(self, values: Floats, back: int = 1) -> Floats:
        """Return what the last record left, or the one before it."""
        return self.take(values[self.order], self.end - back)

    def latest(self, which: Mask) -> Ints:
        """Return the place of the last of some records before each row's day; it may be another key's."""
        run = np.r_[-1, np.maximum.accumulate(np.where(which, np.arange(len(which)), -1))]
        return np.asarray(run[self.end], np.int64)

    def so_far(self, values: Floats) -> dict[str, Floats]:
        """Return mean, least and most of values before each row's day; missing values are passed over.

        Sums begin anew with each key, as the digits of a running sum depend on all that went before.
        """
        held = pd.Series(values[self.order])
        by = held.groupby(self.key)
        there = pd.Series(held.notna().to_numpy(np.float64)).groupby(self.key).cumsum()
        total = held.fillna(0.0).groupby(self.key).cumsum()
        runs = {"mean": total / there.where(there > 0), "min": by.cummin(), "max": by.cummax()}
        for name in ("min", "max"):
            runs[name] = runs[name].groupby(self.key).ffill()
        return {name: self.take(run.to_numpy(), self.end - 1) for name, run in runs.items()}

    def told(self, of: str, looks: list[int], which: Mask) -> dict[str, Floats]:
        """Return the counts, last outcome and times since of some records, by name."""
        hit, last = which & self.hit, self.latest(which)
        out = {f"inspections{of}": self.count(which), f"events{of}": self.count(hit)}
        for window in looks:
            out[f"inspections_{window}d{of}"] = self.count(which, window)
            out[f"events_{window}d{of}"] = self.count(hit, window)
        out[f"last_outcome{of}"] = self.take(self.past.found[self.order], last)
        out[f"days_since_last{of}"] = self.since(last)
        out[f"days_since_event{of}"] = self.since(self.latest(hit))
        return out


def _by_kind(own: _Group, kind: pd.Series, asked: pd.Series, looks: list[int]) -> dict[str, Any]:
    """Return the kind of each row and of the last record, and the counts of each kind apart."""
    names = list(dict.fromkeys([*_kinds_of(kind), *_kinds_of(asked)]))
    if len(names) > _KINDS:
        raise InputError(
            f"Column '{kind.name}' has {len(names):,} kinds of inspection, and each has columns of its own. "
            f"Put them together, to {_KINDS} at most."
        )
    codes, mine = (_level(one, names) for one in (kind, asked))
    last = np.nan_to_num(own.last(codes.astype(np.float64)), nan=-1).astype(np.int64)
    out: dict[str, Any] = {
        name: pd.Categorical.from_codes(which, pd.Index(names, dtype="str"))
        for name, which in (("kind", mine), ("last_kind", last))
    }
    for code, name in enumerate(names):
        out |= own.told(f"_{name}", looks, codes[own.order] == code)
    return out


def _kinds_of(column: pd.Series) -> list[str]:
    """Return the declared levels of a column, or else those that occur, sorted."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return list(map(str, column.cat.categories))
    return sorted(map(str, column.dropna().unique()))


def _level(column: pd.Series, names: list[str]) -> Ints:
    """Return the place of each kind among the names, -1 where it is missing."""
    codes, values = pd.factorize(column)
    place = np.array([names.index(str(one)) for one in values] + [-1], np.int64)
    return place[codes]


def _check_columns(frame: pd.DataFrame, name: str, wanted: list[str]) -> None:
    """Check that a frame has some columns, each once."""
    have = list(frame.columns)
    wrong = [f"the '{name}' has no column '{one}'" for one in dict.fromkeys(wanted) if one not in have]
    wrong += [f"column '{one}' of the '{name}' occurs twice" for one in wanted if have.count(one) > 1]
    wrong += [
        f"column '{one}' is named for two things" for one in dict.fromkeys(wanted) if wanted.count(one) > 1
    ]
    if wrong:
        raise InputError(f"This table of inspections cannot be read: {'; '.join(wrong)}. Name its columns.")


def _days(column: pd.Series, name: str) -> Ints:
    return days_of(column, name).astype(np.int64)


def _numbers(column: pd.Series, name: str) -> Floats:
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind not in "biufO":
        raise InputError(f"Column '{name}' must hold numbers. Got {column.dtype}.")
    try:
        values: Floats = column.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        odd = next(one for one in column if not isinstance(one, int | float))
        raise InputError(f"Column '{name}' must hold numbers. Got {described(odd)} in it.") from None
    if np.isinf(values).any():
        raise InputError(f"Column '{name}' holds infinity. Give finite numbers, or leave the value missing.")
    return values


def _codes(records: pd.Series, asked: pd.Series) -> tuple[Ints, Ints]:
    """Return one number for each key in both, -1 where it is missing."""
    if records is asked:
        codes = pd.factorize(records)[0].astype(np.int64)
        return codes, codes
    both = np.concatenate([records.to_numpy(object), asked.to_numpy(object)])
    codes = pd.factorize(both)[0].astype(np.int64)
    return codes[: len(records)], codes[len(records) :]


def _age(column: pd.Series, name: str, known: Ints) -> Floats:
    """Return days since a date of the row, missing where it is missing or not before the day."""
    there = column.notna().to_numpy()
    out = np.full(len(column), np.nan)
    out[there] = known[there] - _days(column[there], name)
    out[out <= 0] = np.nan
    return out
