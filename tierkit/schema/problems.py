"""What is wrong with data: one problem a line, all of them at once."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

import pandas as pd

__all__ = ["DataError", "Problem", "problems_table"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it is, and what to do about it.

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
    """

    table: str
    column: str
    rows: int
    examples: tuple[str, ...]
    message: str
    remedy: str

    def __str__(self) -> str:
        """Put the problem into one line."""
        place = ".".join(part for part in (self.table, self.column) if part)
        count = f"{self.rows:,} row{'s' * (self.rows != 1)}" if self.rows else ""
        seen = "; ".join(self.examples)
        detail = ", ".join(part for part in (count, seen) if part)
        return f"{place}: {self.message}{f' ({detail})' * bool(detail)}. {self.remedy}"


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
    """Return the problems as a frame, one a row.

    Examples
    --------
    >>> problem = Problem("items", "minutes", 1, ("row 2: 0",), "is out of range", "Correct it.")
    >>> problems_table([problem])[["table", "column", "examples", "remedy"]].to_numpy().tolist()
    [['items', 'minutes', 'row 2: 0', 'Correct it.']]
    """
    columns = [field.name for field in fields(Problem)]
    frame = pd.DataFrame([astuple(problem) for problem in problems], columns=columns)
    return frame.assign(examples=["; ".join(examples) for examples in frame["examples"]])
