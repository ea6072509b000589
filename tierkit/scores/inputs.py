"""The columns of a fitted model: rows to score are joined by name, and unknown values are reported.

`Inputs` remembers the names, the declared levels and where values were missing at fit. Reading a
frame gives one float matrix, with levels as codes, and a flag for every value of a kind that was never
seen at fit. LightGBM alone would take all of these in silence: reordered columns, unknown levels,
values missing where none was before, and categories lost through a CSV file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["ColumnError", "Inputs", "Unseen", "flag_text"]

Unseen = Literal["flag", "error"]
UNSEEN = -1.0
"""Code of a level that the model does not know."""


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


def _is_levels(column: pd.Series) -> bool:
    return not (pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_bool_dtype(column.dtype))


def _check_kind(name: str, column: pd.Series, levels: bool) -> list[str]:
    if not levels and _is_levels(column):
        return [f"Column '{name}' holds {column.dtype}, the model was fitted on numbers. Cast it to float."]
    if levels and not _is_levels(column):
        return [f"Column '{name}' holds numbers, the model was fitted on levels. Give the ids of its levels."]
    if not levels and np.isinf(column.to_numpy(np.float64, na_value=np.nan)).any():
        return [f"Column '{name}' contains infinity. Give finite numbers, or leave the value missing."]
    return []


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
            Numbers and booleans are numbers. Categories keep all their declared levels; other columns
            of text have the levels that occur, in sorted order.

        Raises
        ------
        ColumnError
            If a name occurs twice or a number is infinite.

        Examples
        --------
        >>> frame = pd.DataFrame({"n": [1.0, None], "size": pd.Categorical(["s", "m"], ["s", "m", "l"])})
        >>> Inputs.learn(frame).levels
        {'size': ('s', 'm', 'l')}
        """
        names = tuple(map(str, frame.columns))
        twice = sorted({n for n in names if names.count(n) > 1})
        problems = [f"Column '{n}' occurs more than once. Keep one." for n in twice]
        levels: dict[str, tuple[str, ...]] = {}
        missing = set()
        for name in () if twice else names:
            column = frame[name]
            problems += _check_kind(name, column, _is_levels(column))
            if isinstance(column.dtype, pd.CategoricalDtype):
                levels[name] = tuple(map(str, column.cat.categories))
            elif _is_levels(column):
                levels[name] = tuple(sorted(set(column.dropna().astype(str))))
            if column.isna().any():
                missing.add(name)
        if problems:
            raise ColumnError(problems)
        return cls(names, levels, frozenset(missing))

    def _aligned(self, frame: pd.DataFrame, on_unseen: Unseen) -> pd.DataFrame:
        given = list(map(str, frame.columns))
        absent = [n for n in self.names if n not in given]
        extra = [n for n in given if n not in self.names]
        problems = [
            f"Column '{n}' occurs more than once. Keep one." for n in sorted(set(given)) if given.count(n) > 1
        ]
        if extra and (absent or on_unseen == "error"):
            problems.append("Feature names unseen at fit time: " + ", ".join(extra) + ". Leave them out.")
        if absent:
            problems.append(
                "Feature names seen at fit time, yet now missing: " + ", ".join(absent) + ". Add them."
            )
        if not problems:
            for name in self.names:
                problems += _check_kind(name, frame[name], name in self.levels)
        if problems:
            raise ColumnError(problems)
        return frame[list(self.names)]

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
            If columns are missing, of another kind or infinite, or if ``on_unseen`` is ``"error"`` and
            something unseen is found.

        Examples
        --------
        >>> inputs = Inputs.learn(pd.DataFrame({"n": [1.0, 2.0], "size": ["s", "m"]}))
        >>> inputs.read(pd.DataFrame({"size": ["m", "xl"], "n": [3, None]})).tolist()
        [[3.0, 0.0], [nan, -1.0]]
        """
        chosen = self._aligned(frame, on_unseen)
        matrix = np.empty((len(chosen), len(self.names)))
        for j, name in enumerate(self.names):
            column = chosen[name]
            if name in self.levels:
                text = column.astype("str") if not isinstance(column.dtype, pd.CategoricalDtype) else column
                values = pd.Categorical(text).rename_categories(lambda level: str(level))
                known = pd.Index(self.levels[name]).get_indexer(values.categories).astype(np.float64)
                codes = values.codes
                matrix[:, j] = np.append(known, np.nan)[codes]
            else:
                matrix[:, j] = column.to_numpy(np.float64, na_value=np.nan)
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
