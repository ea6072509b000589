"""What a figure may be given, checked at its door: it draws what is there, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tierkit.arrays import Floats
from tierkit.records.arguments import InputError, instance_of
from tierkit.scores.checked import checked, checked_whole

__all__ = ["ascending", "frame_of", "rows_of"]


def frame_of(table: Any, name: str, *columns: str, give: str = "a DataFrame") -> pd.DataFrame:
    """Return a table as it came, once it is known to be a frame with some columns.

    Raises
    ------
    ValueError
        If it is no frame or lacks a column.

    Examples
    --------
    >>> frame_of(pd.DataFrame({"tier": ["T1"]}), "tiers", "tier", "policy")
    Traceback (most recent call last):
    ...
    tierkit.records.arguments.InputError: The 'tiers' has no column 'policy'. Give a DataFrame with it.
    """
    frame = instance_of(table, pd.DataFrame, name, give)
    lacking = [column for column in columns if column not in frame]
    if lacking:
        them = "it" if len(lacking) == 1 else "them"
        raise InputError(
            f"The '{name}' has no column {', '.join(map(repr, lacking))}. Give {give} with {them}."
        )
    return frame


def rows_of(
    table: Any,
    name: str,
    numbers: Mapping[str, str],
    levels: Mapping[str, Sequence[str] | None] | None = None,
    *,
    whole: Sequence[str] = (),
    may_be_empty: bool = False,
) -> pd.DataFrame:
    """Return the columns of a table that a figure draws, or refuse it.

    Parameters
    ----------
    table : DataFrame
    name : str
        Name of the argument, for the message.
    numbers : mapping of str to str
        Columns of numbers, and their kinds (`tierkit.scores.checked.KINDS`).
    levels : mapping of str to sequence of str, optional
        Columns of texts, and what they may be; None for any text.
    whole : sequence of str
        Columns of numbers that must be whole.
    may_be_empty : bool

    Returns
    -------
    DataFrame
        Numbers as float64 or, where whole, int64; levels as text.

    Raises
    ------
    ValueError
        If it is no frame, has no rows or lacks a column, or a value is missing or not what it must be.

    Examples
    --------
    >>> rows_of(pd.DataFrame({"tier": ["T1"], "n": [2]}), "tiers", {"n": "amounts"}, {"tier": ["T1"]})
         n tier
    0  2.0   T1
    """
    levels = levels or {}
    frame = frame_of(table, name, *numbers, *levels)
    if not len(frame) and not may_be_empty:
        raise InputError(f"The '{name}' has no rows, so there is nothing to draw. Give one at least.")
    arrays = checked(**{column: (kind, frame[column]) for column, kind in numbers.items()})
    found: dict[str, Any] = dict(zip(numbers, arrays, strict=True))
    found |= {column: checked_whole(column, found[column]) for column in whole}
    problems = []
    for column, known in levels.items():
        texts = frame[column].astype(object)
        bad = texts.isna() if known is None else ~texts.isin(list(known))
        if bad.any():
            must = "" if known is None else f" It must be one of {', '.join(known)}."
            first = str(texts[bad].iloc[0])[:40]
            problems.append(
                f"'{column}' of the '{name}' is missing or unknown in {int(bad.sum()):,} of {len(frame):,} "
                f"rows, the first holds {first}.{must} Correct these rows, or leave them out."
            )
        found[column] = texts.astype(str).to_numpy(object)
    if problems:
        raise InputError(" ".join(problems))
    return pd.DataFrame(found, index=frame.index)


def ascending(cutoffs: Any, name: str = "cutoffs", *, apart: bool = True) -> Floats:
    """Return cut-offs, finite and ascending, or refuse them; ``apart`` if no two may be equal.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> ascending([500, 550]).tolist()
    [500.0, 550.0]
    """
    [found] = checked(**{name: ("scores", cutoffs)})
    steps = np.diff(found)
    if (steps < 0).any() or (apart and (steps == 0).any()):
        raise InputError(f"The '{name}' must ascend, each above the one before. Got {found.tolist()}.")
    ends: Floats = found
    return ends
