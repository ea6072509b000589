"""How near the order of the risk comes to the truth: ``python -m benchmarks.truth``.

Fresh cities are made, the risk model is trained on the records of each as `tierkit train` does, and its order
of everybody on the register is held against what only the engine knows: which obligations are in violation at
the end of the records. Beside it stand the model that was tested, a logistic regression on the rows of the
tested trees and one on all rows, and the ceiling of the records: trees grown on the truth of other cities,
from the same features. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.correction import truth
from tierkit.city.synth import make
from tierkit.features import build
from tierkit.policy import Policy
from tierkit.scores.baselines import baseline_scores
from tierkit.scores.metrics import auc
from tierkit.scores.refitting import refit_risk
from tierkit.scores.training_rows import TrainingRows, time_split, training_frame

SEEDS, OTHERS, ENTERPRISES = 10, 6, 20_000
_CEILING: dict[str, Any] = {
    "objective": "cross_entropy", "num_leaves": 15, "learning_rate": 0.05, "min_data_in_leaf": 300,
    "deterministic": True, "force_row_wise": True, "verbosity": -1,
}  # fmt: skip


class City(NamedTuple):
    """Records to train on, everybody's features, and the truth about both obligations and enterprises."""

    rows: TrainingRows
    X: pd.DataFrame
    risk: NDArray[np.float64]  # true risk of each enterprise of X
    owner: NDArray[np.int64]  # row of X of each obligation
    violating: NDArray[np.int64]


def city(seed: int, enterprises: int) -> City:
    """Make a city, and return what is known of it and what is true."""
    data, world = make(enterprises, seed)
    known = truth(world, Policy.load("legacy"))
    X = build(data, world.date)
    X = X[X.index.isin(known.index)]
    state = data["truth"]
    owner = X.index.get_indexer(state["enterprise_id"])
    violating = (state["violation"].to_numpy() > 0).astype(np.int64)
    rows = training_frame(data, world.date)
    there = owner >= 0
    return City(rows, X, known.reindex(X.index).to_numpy(), owner[there], violating[there])


def _logistic(one: City, every: bool) -> NDArray[np.float64]:
    """Return the score of a logistic regression for everybody, fitted on the tested trees' rows or on all."""
    split = time_split(one.rows.rows["as_of"])
    n, more = len(one.rows.y), len(one.X)
    train = np.r_[np.ones(n, bool) if every else split.train, np.zeros(more, bool)]
    X = pd.concat([one.rows.X, one.X[list(one.rows.X)]], ignore_index=True)
    y, weight = np.r_[one.rows.y, np.zeros(more, np.int64)], np.r_[one.rows.weight, np.ones(more)]
    both = TrainingRows(X, y, weight, one.rows.rows)
    told = baseline_scores(both, replace(split, train=train))["logistic regression"]
    return told.to_numpy()[n:]


def measure(one: City, ceiling: lgb.Booster | None = None) -> dict[str, float]:
    """Return the AUC of each way over all obligations, and how far the mean risk is from the truth."""
    found = refit_risk(one.rows, time_split(one.rows.rows["as_of"]))
    X = one.X[list(found.risk.inputs_.names)]
    scores = {
        "model": found.risk.margin(X),
        "tested model": found.tested.margin(X),
        "logistic, same rows as tested": _logistic(one, every=False),
        "logistic, all rows": _logistic(one, every=True),
    }
    if ceiling is not None:
        scores["ceiling"] = np.asarray(ceiling.predict(found.risk.matrix(X), num_threads=1))
    told = {name: auc(one.violating, score[one.owner]) for name, score in scores.items()}
    off = 100 * (found.risk.predict_proba(X)[:, 1].mean() - one.risk.mean())
    return told | {"level held": float(found.held), "mean less truth, points": float(off)}


def ceiling(cities: list[City]) -> lgb.Booster:
    """Return trees grown on the truth of cities, from the features that the risk model reads."""
    model = refit_risk(cities[0].rows, time_split(cities[0].rows.rows["as_of"]), newest=False).risk
    names = list(model.inputs_.names)
    matrix = np.vstack([model.matrix(one.X[names]) for one in cities])
    levels = [j for j, name in enumerate(names) if name in model.inputs_.levels]
    risk = np.concatenate([one.risk for one in cities])
    return lgb.train(_CEILING, lgb.Dataset(matrix, risk, categorical_feature=levels), 300)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth", description=__doc__)
    parser.add_argument("--enterprises", type=int, default=ENTERPRISES)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first", type=int, default=401, help="Seed of the first city.")
    given = parser.parse_args()
    best = ceiling([city(given.first + 1000 + k, given.enterprises) for k in range(OTHERS)])
    seeds = range(given.first, given.first + given.seeds)
    table = pd.DataFrame({seed: measure(city(seed, given.enterprises), best) for seed in seeds}).T
    table.loc["mean"] = table.mean()
    print("| city | " + " | ".join(table.columns) + " |\n" + "|---" * (len(table.columns) + 1) + "|")
    for seed, row in table.iterrows():
        print(f"| {seed} | " + " | ".join(f"{value:.4f}" for value in row) + " |")


if __name__ == "__main__":
    main()
