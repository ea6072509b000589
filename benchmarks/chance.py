"""How often noise gets points, and how often what is there is found: writes docs/binning.md.

``python -m benchmarks.chance`` draws columns of 4,000 rows at an event rate of 0.1 and counts how many of
them the scorecard's test before binning lets pass. Every draw has a seed of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from tierkit.arrays import Floats
from tierkit.scores import chance

PAGE = Path(__file__).parent.parent / "docs" / "binning.md"
ROWS, RATE, NOISE, REAL = 4000, 0.1, 400, 200
LEVELS, SPREADS, SLOPES = (5, 20, 60, 300), (0.2, 0.4, 0.7), (0.1, 0.2, 0.3)
Draw = Callable[[np.random.Generator], tuple[NDArray[np.int64], Floats, bool]]
"""Gives the cell and the log-odds of each row, and whether the cells are in order."""

HEAD = """\
# How the scorecard decides whether a column says anything

Bins are chosen by the outcome: levels are sorted by their event rate and put together, cuts of a number are
sought where the rate changes. Bins chosen so differ in noise too, the more, the more values there are, and
a test that takes them as given finds that they do. So the scorecard asks first, before anything is chosen
(`tierkit.scores.chance`): the events are dealt out again at random to the levels, or to up to forty cells
of a number, 1,999 times, and each deal is given the choices that the bins have. A number is asked twice,
each at half the size: for rates that only rise or only fall, and for any rates. A column without a declared
direction gets points only if at most one deal (of a number: none) looks as good as what was seen, a size of
{size}. Missing
values are a cell of their own; where they differ and the known values do not, by the same test of these
alone, the known ones stay one bin.

A column with a declared direction is not tested. A direction says nothing of missing values, though. So these
are tested against the known ones, as two cells; where they do not differ, they weigh 0, which is the average.

Levels that pass are weighed by shrunken rates: each is drawn to the column's mean the more, the fewer rows
it has, by as much as the spread of all levels says (empirical Bayes). Otherwise the level with the highest
rate, which is picked for being the highest, would be told too high on new rows. The coefficient of a column
comes from the rates as seen, since a regression on the same rows would stretch shrunken ones again.

`python -m benchmarks.chance` makes the tables: columns of {rows:,} rows at an event rate of {rate}.
"""


def levels(count: int, spread: float) -> Draw:
    """Return levels that are equally likely, their log-odds normal with this spread."""

    def draw(rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats, bool]:
        code = rng.integers(0, count, ROWS)
        return code, rng.normal(0, spread, count)[code], False

    return draw


def number(slope: float) -> Draw:
    """Return a normal number on whose size the log-odds depend by this slope."""

    def draw(rng: np.random.Generator) -> tuple[NDArray[np.int64], Floats, bool]:
        x = rng.normal(size=ROWS)
        return chance.cells(x), slope * x, True

    return draw


def passed(draw: Draw, times: int) -> int:
    """Return how many of so many columns pass."""
    found = 0
    for seed in range(times):
        rng = np.random.default_rng(seed)
        cell, effect, ordered = draw(rng)
        event = rng.random(ROWS) < expit(logit(RATE) + effect)
        count = np.bincount(cell)
        events = np.bincount(cell[event], minlength=len(count))
        found += chance.differs(count, events, len(count) if ordered else 0)
    return found


def main() -> None:
    """Measure and write the page."""
    lines = [f"| noise | passed, of {NOISE} |", "|---|---:|"]
    lines += [f"| {count} levels | {passed(levels(count, 0.0), NOISE)} |" for count in LEVELS]
    lines += [f"| a number | {passed(number(0.0), NOISE)} |"]
    lines += ["", f"| a real effect | passed, of {REAL} |", "|---|---:|"]
    for count in LEVELS:
        for spread in SPREADS:
            found = passed(levels(count, spread), REAL)
            lines.append(f"| {count} levels, standard deviation {spread} in log-odds | {found} |")
    lines += [
        f"| a number, {slope} in log-odds per standard deviation | {passed(number(slope), REAL)} |"
        for slope in SLOPES
    ]
    head = HEAD.format(size=chance.SIGNIFICANCE, rows=ROWS, rate=RATE)
    PAGE.write_text("\n".join([head, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
