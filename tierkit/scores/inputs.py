"""The columns of a fitted model: rows to score are joined by name, and unknown values are reported.

`Inputs` remembers the names, the declared levels and where values were missing at fit. Reading a
frame gives one float matrix, with levels as codes, and a flag for every value of a kind that was never
seen at fit. LightGBM alone would take all of these in silence: reordered columns, unknown levels,
values missing where none was before, and categories lost through a CSV file.

A column holds numbers or levels, and which is told by its values alike at fit and at scoring. Numbers are
what a float holds exactly; levels are text, or categories that have one text each. Dates, durations, bytes,
lists and whatever else has no exact number are refused: as levels they would be learnt one by one, without
a word, and say nothing about the next value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Floats, Mask

__all__ = ["Column", "ColumnError", "Inputs", "Unseen", "check_names", "column_of", "flag_text", "numbers_of"]

Unseen = Literal["flag", "error"]
UNSEEN = -1.0
"""Code of a level that the model does not know."""

_FEW_LEVELS = 20  # so many levels may stand in any number of rows
_ROWS_A_LEVEL = (
    2  # of a column with more levels, on average: below it, the column names the rows (assumption)
)
_EXACT = 2.0**53  # below this every whole number is a float
_BOOLS = (bool, np.bool_)
_NUMBERS = (*_BOOLS, int, np.integer, float, np.floating, Decimal)


class ColumnError(ValueError):
    """The columns of a frame do not fit the model; the message lists every problem with its remedy."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        super().__init__("\n".join([*problems, f"({count} with the columns)"]))


def flag_text(flags: pd.DataFrame) -> pd.Series:
    """Return the flags of each row as one text, codes joined by ``;``, empty where there are none.

    Parameters
    ----------
    flags : DataFrame of bool
        As from `Inputs.flags`.

    Examples
    --------
    >>> flag_text(pd.DataFrame({"sector:unseen": [True, False], "size:missing": [True, False]})).tolist()
    ['sector:unseen;size:missing', '']
    """
    text = np.full(len(flags), "", dtype=object)
    for code in flags.columns:
        here = flags[code].to_numpy()
        text[here] = [f"{old};{code}" if old else code for old in text[here]]
    return pd.Series(text, index=flags.index, dtype="str")


def _exact(values: Iterable[Any]) -> list[float] | None:
    """Return numbers as floats, or None where a float does not hold one of them exactly."""
    found = []
    for value in values:
        try:
            one = float(value)
            # A NaN equals nothing, and an infinity is told by its own message.
            same = one == value if np.isfinite(one) else isinstance(value, (float, np.floating, Decimal))
        except (ArithmeticError, ValueError):  # a signalling NaN, or an integer beyond all floats
            return None
        if not same:
            return None
        found.append(one)
    return found


def _is_number(value: Any) -> bool:
    # NumPy counts its durations among the whole numbers.
    return isinstance(value, _NUMBERS) and not isinstance(value, np.timedelta64)


def _kinds(values: Iterable[Any]) -> str:
    return ", ".join(sorted({type(value).__name__ for value in values}))


def _texts(categories: pd.Index) -> list[str] | None:
    """Return the text of each category, or None where categories have no text that is theirs alone.

    A whole number has one text whatever its type, as 722 comes back from a file as 722.0.
    """
    values = categories.tolist()
    if all(type(value) in (str, np.str_) for value in values) or all(isinstance(v, _BOOLS) for v in values):
        texts = list(map(str, values))
    elif all(_is_number(v) and not isinstance(v, _BOOLS) and v == v // 1 for v in values):
        texts = [str(int(v)) for v in values]
    else:
        return None
    return texts if len(set(texts)) == len(texts) else None


@dataclass(frozen=True)
class Column:
    """What a column holds: numbers, or levels by code; neither where it is refused.

    Parameters
    ----------
    numbers : float array of shape (n,), optional
        NaN where missing.
    levels : tuple of str
    codes : int array of shape (n,), optional
        Positions of the levels, -1 where missing.
    problem : str
        Why it is refused, and what to do.
    """

    numbers: Floats | None = None
    levels: tuple[str, ...] = ()
    codes: NDArray[np.int64] | None = None
    problem: str = ""

    @property
    def missing(self) -> Mask:
        """Which values are missing, as they are read: pandas does not count every NaN as such."""
        return np.isnan(self.numbers) if self.numbers is not None else np.asarray(self.codes == -1)

    @property
    def empty(self) -> bool:
        """Whether every value is missing, so that the column may be of either kind."""
        return bool(self.missing.all())


def _of_numbers(name: str, values: Floats, exact: bool) -> Column:
    if not exact:
        return Column(
            problem=f"Column '{name}' holds numbers that a float cannot hold exactly. Cast it to float where "
            "rounding does no harm, or leave it out where it is a code."
        )
    if np.isinf(values).any():
        return Column(
            problem=f"Column '{name}' contains infinity. Give finite numbers, or leave the value missing."
        )
    return Column(numbers=values)


def column_of(name: str, column: pd.Series) -> Column:
    """Return what a column holds, by its values.

    Examples
    --------
    >>> column_of("size", pd.Series(["s", None, "m"])).levels
    ('m', 's')
    """
    kind = column.dtype.kind
    if kind in "biuf":
        values = column.to_numpy(np.float64, na_value=np.nan)
        wide = np.abs(values) >= _EXACT if kind in "iu" else np.zeros(len(values), bool)
        if column.dtype == np.longdouble and np.dtype(np.longdouble) != np.float64:
            wide = column.notna().to_numpy()
        exact = not wide.any() or _exact(column.to_numpy(object)[wide]) is not None
        return _of_numbers(name, values, exact)
    if isinstance(column.dtype, pd.CategoricalDtype):
        texts = _texts(column.cat.categories)
        if texts is None:
            kinds = _kinds(column.cat.categories)
            return Column(
                problem=f"Column '{name}' has categories of {kinds}, whose texts may change or be the same. "
                "Give text, whole numbers or truth values of one kind, each once."
            )
        return Column(levels=tuple(texts), codes=np.array(column.cat.codes, np.int64))
    try:
        some = column.notna().to_numpy()
    except ArithmeticError:  # a signalling NaN bears no comparison
        return Column(
            problem=f"Column '{name}' holds a decimal that is no number. Leave it empty where it is missing."
        )
    values = column.to_numpy(object)[some]
    if kind in "OUT" and all(type(value) in (str, np.str_) for value in values):
        codes = np.full(len(column), -1, np.int64)
        texts = list(map(str, values))  # no array of text, which would drop a NUL at the end
        found = sorted(set(texts))
        code = {level: i for i, level in enumerate(found)}
        codes[some] = [code[one] for one in texts]
        return Column(levels=tuple(found), codes=codes)
    if kind == "O" and all(map(_is_number, values)):
        floats = _exact(values)
        numbers = np.full(len(column), np.nan)
        numbers[some] = 0.0 if floats is None else floats
        return _of_numbers(name, numbers, floats is not None)
    held = _kinds(values) if kind == "O" else str(column.dtype)
    return Column(
        problem=f"Column '{name}' holds {held}, which is neither numbers nor text. Give a number that says "
        "the same, such as days for a date or a duration, text for levels, or leave it out."
    )


def check_names(frame: pd.DataFrame) -> None:
    """Check that columns are named by text, each name once.

    Raises
    ------
    ColumnError

    Examples
    --------
    >>> check_names(pd.DataFrame({"7": [1.0]}))
    """
    problems = _name_problems(frame)
    if problems:
        raise ColumnError(problems)


def numbers_of(frame: pd.DataFrame) -> Floats:
    """Return the columns of a frame as numbers, if each holds what a float holds exactly, or nothing.

    Raises
    ------
    ColumnError

    Examples
    --------
    >>> numbers_of(pd.DataFrame({"n": [1, 2], "m": [None, True]})).tolist()
    [[1.0, nan], [2.0, 1.0]]
    """
    problems = []
    matrix = np.full(frame.shape, np.nan)
    for j, name in enumerate(frame.columns):
        found = column_of(name, frame[name])
        if found.problem:
            problems.append(found.problem)
        elif found.numbers is not None:
            matrix[:, j] = found.numbers
        elif not found.empty:
            problems.append(
                f"Column '{name}' holds text or categories. For levels give a DataFrame with named columns."
            )
    if problems:
        raise ColumnError(problems)
    return matrix


def _name_problems(frame: pd.DataFrame) -> list[str]:
    names = list(frame.columns)
    other = [repr(name) for name in names if not isinstance(name, str)]
    if other:
        return [
            f"Columns are joined by name, and these names are no text: {', '.join(other)}. "
            "Name them, for instance by X.columns = X.columns.astype(str)."
        ]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [f"Column '{name}' occurs more than once. Keep one." for name in twice]


@dataclass(frozen=True)
class Inputs:
    """The columns of a fitted model.

    Parameters
    ----------
    names : tuple of str
    levels : mapping of str to tuple of str
        Declared levels of the columns that hold levels; a code is a position in this tuple.
    missing : frozenset of str
        Columns that had missing values at fit.
    """

    names: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    missing: frozenset[str]

    @classmethod
    def learn(cls, frame: pd.DataFrame) -> Self:
        """Learn names, levels and missing values from the frame that a model is fitted on.

        Parameters
        ----------
        frame : DataFrame
            Numbers and booleans are numbers, in columns of objects too where a float holds them exactly.
            Categories keep all their declared levels, whole numbers by their digits; other columns of text
            have the levels that occur, in sorted order.

        Raises
        ------
        ColumnError
            If a name is no text or occurs twice, a column holds neither exact numbers nor levels, a number
            is infinite, or a column has so many levels that it names the rows.

        Examples
        --------
        >>> frame = pd.DataFrame({"n": [1.0, None], "size": pd.Categorical(["s", "m"], ["s", "m", "l"])})
        >>> Inputs.learn(frame).levels
        {'size': ('s', 'm', 'l')}
        """
        problems = _name_problems(frame)
        levels: dict[str, tuple[str, ...]] = {}
        missing = set()
        for name in () if problems else frame.columns:
            found = column_of(name, frame[name])
            if found.problem:
                problems.append(found.problem)
                continue
            if found.missing.any():
                missing.add(name)
            if found.codes is not None:
                levels[name] = found.levels
                occurring = len(np.unique(found.codes[found.codes >= 0]))
                if occurring > max(_FEW_LEVELS, len(frame) / _ROWS_A_LEVEL):
                    problems.append(
                        f"Column '{name}' has {occurring:,} levels in {len(frame):,} rows, as an identifier "
                        "has. Leave it out, or put its levels together."
                    )
        if problems:
            raise ColumnError(problems)
        return cls(tuple(frame.columns), levels, frozenset(missing))

    def _found(self, frame: pd.DataFrame, on_unseen: Unseen) -> list[Column]:
        """Return what the columns hold, in the order of the names."""
        problems = _name_problems(frame)
        given = list(map(str, frame.columns))
        absent = [n for n in self.names if n not in given]
        extra = [n for n in given if n not in self.names]
        if extra and (absent or on_unseen == "error"):
            problems.append("Feature names unseen at fit time: " + ", ".join(extra) + ". Leave them out.")
        if absent:
            problems.append(
                "Feature names seen at fit time, yet now missing: " + ", ".join(absent) + ". Add them."
            )
        found = [] if problems else [column_of(name, frame[name]) for name in self.names]
        for name, one in zip(self.names, found, strict=bool(found)):
            problems += [one.problem] if one.problem else self._other_kind(name, one, frame[name])
        if problems:
            raise ColumnError(problems)
        return found

    def _other_kind(self, name: str, found: Column, column: pd.Series) -> list[str]:
        levels = found.codes is not None
        if levels == (name in self.levels) or found.empty:
            return []
        if levels:
            return [
                f"Column '{name}' holds {column.dtype}, the model was fitted on numbers. Cast it to float."
            ]
        return [f"Column '{name}' holds numbers, the model was fitted on levels. Give the ids of its levels."]

    def read(self, frame: pd.DataFrame, on_unseen: Unseen = "flag") -> NDArray[np.float64]:
        """Return the frame as numbers, columns joined by name.

        Parameters
        ----------
        frame : DataFrame of shape (n, any)
        on_unseen : {"flag", "error"}
            Whether an unknown level, a value missing where none was at fit, or an extra column is let
            pass (see `flags`) or refused.

        Returns
        -------
        float array of shape (n, n_names)
            Levels as codes, -1 for an unknown level, NaN for a missing value.

        Raises
        ------
        ColumnError
            If columns are missing, of another kind, neither exact numbers nor levels, or infinite, or if
            ``on_unseen`` is ``"error"`` and something unseen is found.

        Examples
        --------
        >>> inputs = Inputs.learn(pd.DataFrame({"n": [1.0, 2.0], "size": ["s", "m"]}))
        >>> inputs.read(pd.DataFrame({"size": ["m", "xl"], "n": [3, None]})).tolist()
        [[3.0, 0.0], [nan, -1.0]]
        """
        matrix = np.empty((len(frame), len(self.names)))
        for j, (name, found) in enumerate(zip(self.names, self._found(frame, on_unseen), strict=True)):
            if name in self.levels and found.codes is not None:
                known = pd.Index(self.levels[name], dtype=object).get_indexer(
                    pd.Index(found.levels, dtype=object)
                )
                matrix[:, j] = np.append(known.astype(np.float64), np.nan)[found.codes]
            else:
                matrix[:, j] = np.nan if found.numbers is None else found.numbers
        if on_unseen == "error":
            self._refuse(self._flags(matrix))
        return matrix

    def _flags(self, matrix: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
        found: dict[str, NDArray[np.bool_]] = {}
        for j, name in enumerate(self.names):
            if name in self.levels:
                found[f"{name}:unseen"] = matrix[:, j] == UNSEEN
            if name not in self.missing:
                found[f"{name}:missing"] = np.isnan(matrix[:, j])
        return {code: here for code, here in found.items() if here.any()}

    def _refuse(self, flags: Mapping[str, NDArray[np.bool_]]) -> None:
        remedy = {
            "unseen": "has a level that was not declared at fit. Correct it, or score with on_unseen='flag'.",
            "missing": "is missing, which it never was at fit. Fill it, or score with on_unseen='flag'.",
        }
        problems = []
        for code, here in flags.items():
            name, kind = code.rsplit(":", 1)
            problems.append(f"Column '{name}' {remedy[kind]} Rows: {int(here.sum())}, first {here.argmax()}.")
        if problems:
            raise ColumnError(problems)

    def flags(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return flags, by row, for values that did not occur at fit.

        Parameters
        ----------
        frame : DataFrame of shape (n, any)

        Returns
        -------
        DataFrame of bool, shape (n, n_kinds)
            Indexed as ``frame``, one column for each kind that occurs: ``<column>:unseen`` (level),
            ``<column>:missing``, ``<column>:extra``. Its sum counts the rows.

        Examples
        --------
        >>> inputs = Inputs.learn(pd.DataFrame({"n": [1.0, 2.0], "size": ["s", "m"]}))
        >>> inputs.flags(pd.DataFrame({"size": ["m", "xl"], "n": [3, None]})).sum().to_dict()
        {'n:missing': 1, 'size:unseen': 1}
        """
        found = self._flags(self.read(frame, "flag"))
        extra = {f"{n}:extra": np.ones(len(frame), bool) for n in frame.columns if n not in self.names}
        return pd.DataFrame({**found, **extra}, index=frame.index)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON.

        Examples
        --------
        >>> inputs = Inputs.learn(pd.DataFrame({"size": ["s", None]}))
        >>> inputs.to_dict()
        {'names': ['size'], 'levels': {'size': ['s']}, 'missing': ['size']}
        >>> Inputs.from_dict(inputs.to_dict()) == inputs
        True
        """
        return {
            "names": list(self.names),
            "levels": {name: list(levels) for name, levels in self.levels.items()},
            "missing": sorted(self.missing),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the columns that `to_dict` wrote."""
        levels = {name: tuple(values) for name, values in data["levels"].items()}
        return cls(tuple(data["names"]), levels, frozenset(data["missing"]))
