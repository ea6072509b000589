"""RentSafe's evaluations predicted year by year: ``python -m studies.rentsafe FILE [--out DIR]``."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path

import pandas as pd

from studies.rentsafe.ladder import ladder, read, years
from tierkit.folders import whole_file
from tierkit.folders.claims import claim
from tierkit.texts import interval, number

__all__ = ["main", "predicted"]

FEWEST_YEARS = 4


def predicted(rows: pd.DataFrame, *, replicates: int, seed: int) -> pd.DataFrame:
    """Predict each year of the file from the years before it, as `studies.rentsafe.ladder.years` does.

    Raises
    ------
    ValueError
        If the evaluations span fewer than four years.
    """
    first, last = (int(one) for one in (rows["date"].dt.year.min(), rows["date"].dt.year.max()))
    if last - first < FEWEST_YEARS - 1:
        raise ValueError(f"the evaluations go from {first} to {last}; a backtest needs four years")
    # The last year may not be whole.
    parts = [years(rows, year, replicates=replicates, seed=seed) for year in range(first + 2, last)]
    return pd.concat(parts, ignore_index=True)


def main(words: list[str] | None = None) -> None:
    """Predict, print a row a year and tier, and write the tables where asked."""
    parser = argparse.ArgumentParser(prog="python -m studies.rentsafe", description=__doc__)
    parser.add_argument("file", type=Path, help="the public file of RentSafe evaluations")
    parser.add_argument("--replicates", type=int, default=119, help="39, 79, 119 … fit 95 %% best")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a folder for years.csv and chances.csv")
    given = parser.parse_args(words)
    with claim(given.out) if given.out is not None else nullcontext():
        _predict(given.file, given.out, replicates=given.replicates, seed=given.seed)


def _predict(file: Path, out: Path | None, *, replicates: int, seed: int) -> None:
    rows = read(file)
    frame = predicted(rows, replicates=replicates, seed=seed)
    shown = pd.DataFrame(
        {
            "year": frame["year"],
            "tier": frame["tier"],
            "due": frame["due"].map(number),
            "predicted": [
                f"{number(one['predicted'])} {interval(one['low'], one['high'], 0)}"
                for one in frame.to_dict("records")
            ],
            "observed": frame["observed"].map(number),
            "inside": frame["inside"].map({True: "yes", False: "NO"}),
        }
    )
    print(shown.to_string(index=False))
    print(
        "\nEach year is predicted from the years before it; intervals of 95 %, errors of estimation "
        "included. Only buildings known before and still registered are in it."
    )
    if out is not None:
        chances = ladder(rows, int(rows["date"].dt.year.max())).chances
        for name, table in (("years", frame), ("chances", chances)):
            with whole_file(out / f"{name}.csv") as draft:
                table.to_csv(draft, index=False, float_format="%.9g")


if __name__ == "__main__":
    main()
