"""Add reviewers' decisions to a log."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tierkit.jobs.checks import Checks, Location
from tierkit.policy import reviews
from tierkit.records.files import FORMATS
from tierkit.scores.score_file import read_scores

__all__ = ["Review", "review"]


@dataclass(frozen=True)
class Review:
    """What `review` did.

    Attributes
    ----------
    log : str
    rows, added : int
        Decisions in the file, and how many of them were new.
    entries : int
        Entries of the log now.
    hash : str or None
        Hash of the last entry, which shows later whether entries were cut off or changed.
    """

    log: str
    rows: int
    added: int
    entries: int
    hash: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def review(
    decisions: Location, log: Location, *, scores: Location | None = None, place: Location = "shanghai"
) -> Review:
    """Add decisions to a log whose lines are chained by their hashes.

    Parameters
    ----------
    decisions : path
        A CSV or Parquet file with one decision per row.
    log : path
        The log to add to; made if it is not there.
    scores : path, optional
        A file that `tierkit.jobs.scoring.score` wrote, to hold the decisions against.
    place : str or path
        Name or file of the place whose ids are decided on.

    Returns
    -------
    Review

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.
    DataError
        With everything that is wrong with the decisions or the log; then nothing is written.

    Examples
    --------
    >>> review("decisions.txt", "data")
    Traceback (most recent call last):
    ...
    tierkit.jobs.checks.BadInputError: decisions: 'decisions.txt' does not exist. Give a file that exists.
    decisions: 'decisions.txt' has no known ending. End it in .parquet or .csv or .csv.gz.
    log: 'data' is not a file. Give the name of a file.
    """
    checks = Checks()
    source = checks.file("decisions", decisions)
    endings = [f".{one}" for one in FORMATS]
    if not source.name.endswith(tuple(endings)):
        checks.note("decisions", f"'{source}' has no known ending", f"End it in {' or '.join(endings)}.")
    if scores is not None:
        checks.file("scores", scores)
    of_place = checks.place("place", place)
    target = checks.out_file("log", log, [""])
    with checks.writing():
        assert of_place is not None
        held = None
        if scores is not None:
            scored, about = read_scores(scores)
            held = scored[["enterprise_id", "tier", "policy"]].assign(as_of=about["as_of"])
        rows, added, entries, last = reviews.append(target, source, held, place=of_place)
    return Review(str(target), rows, added, entries, last)
