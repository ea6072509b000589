"""Scores that are handed in beside records or a world: whether they are of the same enterprises."""

from __future__ import annotations

import pandas as pd

from tierkit.records.gate import InputError

__all__ = ["check_scores"]


def check_scores(scores: pd.DataFrame, sectors: pd.Series) -> None:
    """Refuse scores of another city, whose ids may well occur here.

    Ids of synthetic cities overlap, and a mark on a frame is lost by a merge, a concat or a file. So facts
    are compared that scores carry with them: an enterprise has one sector.

    Parameters
    ----------
    scores : DataFrame
        With ``enterprise_id``; without ``sector`` there is nothing to compare.
    sectors : Series of str
        Sector of each enterprise here, by id.

    Raises
    ------
    InputError
        If an enterprise is of another sector here.

    Examples
    --------
    >>> scores = pd.DataFrame({"enterprise_id": ["a", "b"], "sector": ["food", "gas"]})
    >>> check_scores(scores, pd.Series(["gas", "food"], index=["b", "a"]))
    >>> check_scores(scores, pd.Series(["gas", "gas"], index=["b", "a"]))
    Traceback (most recent call last):
        ...
    tierkit.records.arguments.InputError: The 'scores' are of another city: 1 of 2 enterprises ...
    """
    if "sector" not in scores:
        return
    told = scores.drop_duplicates("enterprise_id").set_index("enterprise_id")["sector"].astype("str")
    here = sectors[~sectors.index.duplicated()].astype("str").reindex(told.index).dropna()
    told = told[here.index]
    other = told[told != here]
    if len(other):
        one = other.index[0]
        raise InputError(
            f"The 'scores' are of another city: {len(other):,} of {len(told):,} enterprises that both have "
            f"are of another sector here, such as {one} ({here[one]} here, {other[one]} in the scores). "
            "Score this dataset."
        )
