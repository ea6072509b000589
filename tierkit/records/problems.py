"""Problems of data, reported together, one per line."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DataError", "Problem", "problems_table", "refuse_rows", "suggestion"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: what is wrong, where, and what to do.

    Parameters
    ----------
    table : str
        Table, or file where no table is known; empty for the folder.
    column : str
        Column or columns; empty for the table as a whole.
    rows : int
        Number of rows concerned; 0 if the problem is not one of rows.
    examples : tuple of str
        Up to three of them, with their row numbers: 1 is the first below the header.
    message : str
        What is wrong.
    remedy : str
        What to do.
    warning : bool
        Whether it may be right, so that nothing is stopped by it.
    """

    table: str
    column: str
    rows: int
    examples: tuple[str, ...]
    message: str
    remedy: str
    warning: bool = False

    def __str__(self) -> str:
        """Put the problem into one line."""
        place = ".".join(part for part in (self.table, self.column) if part)
        count = f"{self.rows:,} row{'s' * (self.rows != 1)}" if self.rows else ""
        seen = "; ".join(self.examples)
        detail = ", ".join(part for part in (count, seen) if part)
        grave = "warning: " * self.warning
        return (
            f"{grave}{place}{': ' * bool(place)}{self.message}{f' ({detail})' * bool(detail)}. {self.remedy}"
        )


class DataError(ValueError):
    """Data that break the contract; the message lists every problem.

    Parameters
    ----------
    problems : iterable of Problem
        All of them; also kept as the attribute `problems`.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        n = len(self.problems)
        super().__init__("\n".join([f"{n} problem{'s' * (n != 1)} in the data:", *map(str, self.problems)]))


def problems_table(problems: Iterable[Problem]) -> pd.DataFrame:
    """Return the problems as a frame, one a row; a column says which are warnings, where any is.

    Examples
    --------
    >>> problem = Problem("items", "minutes", 1, ("row 2: 0",), "is out of range", "Correct it.")
    >>> problems_table([problem])[["table", "column", "examples", "remedy"]].to_numpy().tolist()
    [['items', 'minutes', 'row 2: 0', 'Correct it.']]
    """
    import pandas as pd

    columns = [field.name for field in fields(Problem)]
    frame = pd.DataFrame([astuple(problem) for problem in problems], columns=columns)
    frame = frame if frame["warning"].any() else frame.drop(columns="warning")
    return frame.assign(examples=["; ".join(examples) for examples in frame["examples"]])


def refuse_rows(path: str | os.PathLike[str], rows: pd.DataFrame, problems: Mapping[str, pd.Series]) -> None:
    """Raise if any row of a public file is wrong, or there is none.

    Parameters
    ----------
    path : str or Path
        The file, for the message.
    rows : DataFrame
        As read, indexed from 0.
    problems : mapping of str to bool Series
        What is wrong, in words → in which rows.

    Raises
    ------
    ValueError
        With everything that is wrong: how many rows, and the line of the first.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame({"score": [50, 101]})
    >>> refuse_rows("file.csv", rows, {"scores are above 100": rows["score"] > 100})
    Traceback (most recent call last):
    ...
    ValueError: 'file.csv': 1 scores are above 100 (first in line 3). Correct the file, or fetch it again.
    """
    told = [
        f"{int(bad.sum())} {what} (first in line {int(bad.argmax()) + 2})"
        for what, bad in problems.items()
        if bad.any()
    ]
    if rows.empty:
        told.append("there are no rows")
    if told:
        raise ValueError(f"'{path}': {'; '.join(told)}. Correct the file, or fetch it again.")


def suggestion(word: str, words: Mapping[str, str] | Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the nearest of ``words``, or an empty text.

    Parameters
    ----------
    word : str
        What was written.
    words : iterable of str, or mapping
        What may be written; a mapping gives what to propose for each.

    Examples
    --------
    >>> suggestion("retial", ("retail", "gas"))
    " (did you mean 'retail'?)"
    """
    proposals = words if isinstance(words, Mapping) else {one: one for one in words}
    near = get_close_matches(word, list(proposals), n=1, cutoff=0.6)
    return f" (did you mean '{proposals[near[0]]}'?)" if near else ""
