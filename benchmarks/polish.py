"""The scorecard on real bankruptcies: ``python -m benchmarks.polish FILE`` writes docs/polish.md.

The file is ``polish_1year.csv.gz``, the first-year file of the Polish companies data: ``Attr1`` to ``Attr64``
and ``bankrupt`` (Zięba, Tomczak and Tomczak, *Ensemble boosted trees with synthetic features generation in
application to bankruptcy prediction*, Expert Systems with Applications 58, 2016; UCI repository). It is not
part of the project.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.model_selection import StratifiedKFold

from benchmarks.scorecards import Score, fit_lightgbm, fit_optbinning, fit_toad, installed
from tierkit.progress import show
from tierkit.scores.integer_points import rounding
from tierkit.scores.metrics import auc, resampled_interval
from tierkit.scores.scorecard import CreditScorecard
from tierkit.texts import signed

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "polish.md"
FOLDS, REPEATS = 5, 3
POINTS_TO_DOUBLE = 15.0
"""The ratios part firms so well that 40 points to double would leave 0 … 1000; it changes no ranking."""
Y = NDArray[np.int64]

HEAD = """\
# The scorecard on real bankruptcies

`python -m benchmarks.polish FILE` makes this page from the first-year file of the Polish companies data
(Zięba, Tomczak and Tomczak, Expert Systems with Applications 58, 2016; in the UCI repository), which is
not part of the project: {n:,} firms, {events} of them bankrupt ({rate:.1%}), 64 ratios of their accounts,
many values missing.

Five stratified folds, {repeats} times, by shuffles of fixed seeds; every model sees the same folds. The
interval is that of Nadeau and Bengio (2003) for repeated splits, which share rows: the variance over the
{splits} folds times 1/{splits} + 1/4. Differences are paired by fold. No model was tuned on this file.
"""
TAIL = """\
A table of points gives up some AUC for being one. optbinning's scorecard is told to give missing values
points of their own (`metric_missing="empirical"`); by default it gives them the average's.

Points, log-odds and probability of the scorecard agree on every test row of every fold: the largest
difference is {identity:.1e} points, and {log_odds:.1e} in log-odds; 1e-9 is allowed.

In whole points, the scorecard fitted on the first fold adds up {features} ratios, so rounding moves a score
by at most {bound:.1f} points ({table_bound:.2f} by this very table). Over its {rows:,} test rows it moved one
by {largest:.2f} at most and by {mean:.2f} on average, which is {probability:.4f} of probability at most.
AUC of that fold was {before:.4f} before and {after:.4f} after.
"""


def read(path: Path) -> tuple[pd.DataFrame, Y]:
    """Return the ratios and who went bankrupt."""
    rows = pd.read_csv(path)
    return rows.drop(columns="bankrupt"), rows["bankrupt"].to_numpy(np.int64)


def folds(y: Y, repeats: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Return train and test rows of every fold of every repeat; the repeat's number is its seed."""
    return [
        split
        for seed in range(1, repeats + 1)
        for split in StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(y, y)
    ]


def card_of(X: pd.DataFrame, y: Y) -> CreditScorecard:
    """Return tierkit's scorecard with its default bins."""
    return CreditScorecard(points_to_double=POINTS_TO_DOUBLE).fit(X, y)


def disagreement(card: CreditScorecard, X: pd.DataFrame) -> tuple[float, float]:
    """Return how far points are from those of the log-odds, and log-odds from those of the probability."""
    points, log_odds = card.points_and_log_odds(X)
    factor = card.points_to_double / np.log(2)
    implied = card.base_points + factor * (-log_odds - np.log(card.base_odds))
    from_probability = logit(card.predict_proba(X)[:, 1])
    return float(np.abs(points - implied).max()), float(np.abs(from_probability - log_odds).max())


def compare(
    X: pd.DataFrame, y: Y, ways: dict[str, Callable[[pd.DataFrame, Y], Score]], repeats: int,
    progress: Callable[[int, int], None],
) -> pd.DataFrame:  # fmt: skip
    """Return the AUC and the CPU seconds of fitting: a row a way and fold."""
    found = []
    splits = folds(y, repeats)
    for k, (train, test) in enumerate(splits):
        for j, (way, fit) in enumerate(ways.items()):
            start = time.process_time()
            score = fit(X.iloc[train], y[train])
            spent = time.process_time() - start
            found.append({"way": way, "fold": k, "auc": auc(y[test], score(X.iloc[test])), "seconds": spent})
            progress(k * len(ways) + j + 1, len(splits) * len(ways))
    return pd.DataFrame(found)


def table(found: pd.DataFrame, own: str) -> pd.DataFrame:
    """Return mean AUC and its difference from one way, each with its interval."""
    by_way = {str(way): rows.set_index("fold")["auc"] for way, rows in found.groupby("way", sort=False)}
    rows = []
    for way, values in by_way.items():
        mean, low, high = resampled_interval(values, 1 / FOLDS)
        less, least, most = resampled_interval(values - by_way[own], 1 / FOLDS, against=by_way[own])
        seconds = found.loc[found["way"] == way, "seconds"].median()
        rows.append((way, mean, low, high, less, least, most, seconds))
    columns = ["way", "auc", "low", "high", "difference", "least", "most", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def told(shown: pd.DataFrame, names: dict[str, str]) -> list[str]:
    """Return the table as lines of Markdown."""
    lines = [
        "| model | AUC | 95 % interval | beside the scorecard | fit, CPU seconds |",
        "|---|---|---|---|---|",
    ]
    for row in shown.to_dict("records"):
        gain, least, most = (signed(row[name], 3) for name in ("difference", "least", "most"))
        beside = f"{gain} [{least}, {most}]"
        own = row["difference"] == row["least"] == row["most"] == 0
        # Folds that all give the same value show no spread.
        about = f"{row['low']:.3f} to {row['high']:.3f}" if row["low"] <= row["high"] else "none"
        lines.append(
            f"| {names[row['way']]} | {row['auc']:.3f} | {about} "
            f"| {'' if own else beside} | {row['seconds']:.1f} |"
        )
    return lines


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.polish", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    X, y = read(given.file)
    cards: list[CreditScorecard] = []

    def tierkit(rows: pd.DataFrame, event: Y) -> Score:
        card = card_of(rows, event)
        cards.append(card)
        return lambda more: -card.points(more)

    ways: dict[str, Callable[[pd.DataFrame, Y], Score]] = {
        "tierkit": tierkit, "lightgbm": fit_lightgbm, "optbinning": fit_optbinning,
    }  # fmt: skip
    if installed("toad"):
        ways["toad"] = fit_toad
    with show() as progress:
        found = compare(X, y, ways, given.repeats, partial(progress, "folds"))
    splits = folds(y, given.repeats)
    off = np.array([disagreement(card, X.iloc[test]) for card, (_, test) in zip(cards, splits, strict=True)])
    first, test = cards[0], splits[0][1]
    rounded = rounding(first, X.iloc[test])
    errors = rounded.errors.set_index("unit")
    names = {
        "tierkit": "tierkit's scorecard",
        "lightgbm": f"tierkit's risk model (LightGBM {importlib.metadata.version('lightgbm')})",
        **{f"{way}": f"{way}'s scorecard ({importlib.metadata.version(way)})" for way in list(ways)[2:]},
    }  # fmt: skip
    lines = [
        *HEAD.format(
            n=len(y), events=int(y.sum()), rate=y.mean(), repeats=given.repeats, splits=len(splits)
        ).splitlines(),
        "", *told(table(found, "tierkit"), names), "",
        *TAIL.format(
            identity=off[:, 0].max(), log_odds=off[:, 1].max(), features=rounded.features,
            bound=errors.loc["points", "bound"], table_bound=errors.loc["points", "table_bound"],
            rows=len(test), largest=errors.loc["points", "largest"],
            mean=errors.loc["points", "mean_absolute"], probability=errors.loc["probability", "largest"],
            before=auc(y[test], -first.points(X.iloc[test])),
            after=auc(y[test], -first.rounded().points(X.iloc[test])),
        ).splitlines(), "",
    ]  # fmt: skip
    given.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
