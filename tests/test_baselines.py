"""Baselines: measures against scikit-learn and brute force, intervals of whole enterprises, fair scores."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from tierkit.scores.baselines import BASELINES, _Sorted, baseline_scores, baselines
from tierkit.scores.training_rows import Split, TrainingRows, time_split, training_frame


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    return training_frame("data/synthetic", "2024-12-30", "naive")


@pytest.fixture(scope="module")
def split(rows: TrainingRows) -> Split:
    return time_split(rows.rows["as_of"])


def test_auc_with_ties_and_weights_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        y = rng.integers(0, 2, 60)
        score, weight = rng.integers(0, 8, 60).astype(float), rng.gamma(1, 1, 60)
        found = _Sorted(y, score).measures(weight, 0.2)[0]
        assert found == pytest.approx(roc_auc_score(y, score, sample_weight=weight))


def capture(y, score, capacity, weight=None) -> float:
    return _Sorted(y, score).measures(np.ones(len(y)) if weight is None else weight, capacity)[1]


def test_capture_of_ties_is_the_mean_over_all_orders() -> None:
    y, score = np.array([1, 0, 1, 0, 1, 0]), np.array([2.0, 2.0, 2.0, 1.0, 1.0, 0.0])
    taken = [
        y[sorted(range(6), key=lambda k: (-score[k], order[k]))[:4]].sum() / 3
        for order in permutations(range(6))
    ]
    assert capture(y, score, 4 / 6) == pytest.approx(np.mean(taken))
    # a part of a row is a part of its event
    assert capture(np.array([1, 0]), np.array([2.0, 1.0]), 0.25) == 0.5
    weighed = capture(np.array([1, 0, 1]), np.array([3.0, 2.0, 1.0]), 0.5, np.array([1.0, 2.0, 1.0]))
    assert weighed == 0.5  # the first row and half of the second, which is no event
    assert np.isnan(capture(np.zeros(3, int), np.arange(3.0), 0.1))


def test_each_baseline_is_what_its_name_says(rows, split) -> None:
    scores = baseline_scores(rows, split)
    X, train = rows.X, split.train
    assert (scores["random"] == 0).all()
    never = (X["days_since_finding"] == 3650) & (X["days_since_clean_check"] == 3650)
    assert (scores.loc[never, "longest unvisited"] == 3650).all()
    assert (scores.loc[never, "last result"] == 0).all()
    last_found = X["days_since_finding"] < X["days_since_clean_check"]
    assert (scores["last result"] == np.where(never, 0, np.where(last_found, 1, -1))).all()
    by_size = scores["size"].groupby(X["size"].astype(str)).first()
    assert by_size["large"] > by_size["medium"] > by_size["small"] > by_size["micro"]
    sector = X["sector"].astype(str)
    here = train & (sector == "catering").to_numpy()
    mean = rows.y[train].mean()
    by_hand = (rows.y[here].sum() + 20 * mean) / (here.sum() + 20)
    assert scores["sector rate"][(sector == "catering")].unique() == pytest.approx(by_hand)


def test_no_baseline_reads_the_outcomes_of_the_tested_rows(rows, split) -> None:
    y = rows.y.copy()
    y[~split.train] = 1 - y[~split.train]
    other = baseline_scores(replace(rows, y=y), split)
    pd.testing.assert_frame_equal(other, baseline_scores(rows, split), check_exact=True)
    y[split.train] = 1 - y[split.train]
    other = baseline_scores(replace(rows, y=y), split)
    assert (other != baseline_scores(rows, split)).any().to_dict() == {
        name: name in ("sector rate", "logistic regression") for name in BASELINES
    }


def test_the_table_on_the_test_part_and_on_audits(rows, split) -> None:
    margin = rows.X["findings_2y"].to_numpy(float)
    table = baselines(rows, split, margin)
    assert table.index.tolist() == ["model", *BASELINES]
    assert (table["n"] == split.test.sum()).all()
    assert (table["events"] == rows.y[split.test].sum()).all()
    own = roc_auc_score(rows.y[split.test], margin[split.test])
    assert table.loc["model", "auc"] == pytest.approx(own)
    for name in ("auc", "capture"):
        assert (table[f"{name}_low"] <= table[name]).all()
        assert (table[name] <= table[f"{name}_high"]).all()
    assert table.loc["random", ["auc", "auc_low", "auc_high"]].tolist() == [0.5] * 3
    assert table.loc["model", ["auc_behind", "auc_behind_low", "auc_behind_high"]].tolist() == [0.0] * 3
    np.testing.assert_allclose(table["auc_behind"], own - table["auc"])
    pd.testing.assert_frame_equal(baselines(rows, split, margin), table, check_exact=True)
    audits = split.test & (rows.rows["channel"] == "random").to_numpy()
    few = baselines(rows, split, margin, audits)
    assert few["enough"].all() == (rows.y[audits].sum() >= 10)
    none = baselines(rows, split, margin, np.zeros(len(rows.y), bool))
    assert (none["n"] == 0).all()
    assert none[["auc", "auc_low", "capture", "auc_behind_high"]].isna().all(axis=None)
    only = split.test & (rows.y == 0)
    assert baselines(rows, split, margin, only)[["auc", "auc_high", "capture_low"]].isna().all(axis=None)
    with pytest.raises(ValueError, match="share in"):
        baselines(rows, split, margin, capacity=1.0)


def test_the_interval_covers_and_knows_that_rows_of_one_enterprise_are_no_independent_evidence(
    rows, split
) -> None:
    # Enterprises of a known AUC: the score is normal, the outcome follows it, and every row comes four times.
    rng = np.random.default_rng(3)
    hits, n = 0, 250
    z = rng.normal(size=400_000)
    right = roc_auc_score(rng.random(z.size) < expit(-1 + z), z)
    base = rows.X.iloc[: 4 * n].reset_index(drop=True)
    widths = []
    for _ in range(40):
        z = rng.normal(size=n)
        y = np.repeat(rng.random(n) < expit(-1 + z), 4).astype(int)
        ids = pd.DataFrame({"enterprise_id": np.repeat([f"e{k}" for k in range(n)], 4)})
        many = TrainingRows(base, y, np.ones(4 * n), ids)
        part = np.ones(4 * n, bool)
        found = _bounds(many, np.repeat(z, 4), part)
        hits += found[0] <= right <= found[1]
        alone = TrainingRows(base, y, np.ones(4 * n), pd.DataFrame({"enterprise_id": np.arange(4 * n)}))
        if not widths:
            widths = [found, _bounds(alone, np.repeat(z, 4), part)]
    assert hits >= 34  # of 40 at 95 %: fewer has probability 0.003
    (low, high), (narrow_low, narrow_high) = widths
    assert (high - low) > 1.6 * (narrow_high - narrow_low)  # twice as wide, as each counts four times


def _bounds(rows: TrainingRows, score: np.ndarray, part: np.ndarray) -> tuple[float, float]:
    from unittest.mock import patch

    empty = pd.DataFrame({name: np.zeros(len(rows.y)) for name in BASELINES})
    split = Split(part, ~part, part, None, None)  # type: ignore[arg-type]
    with (
        patch("tierkit.scores.baselines.baseline_scores", return_value=empty),
        patch("tierkit.scores.baselines._DRAWS", 80),
    ):
        row = baselines(rows, split, score, part).loc["model"]
    return float(row["auc_low"]), float(row["auc_high"])


def test_no_area_is_above_one_by_rounding() -> None:
    rng = np.random.default_rng(0)
    most = 0.0
    for n in rng.integers(4, 60, 500):
        y = (np.arange(n) < n // 2).astype(np.int64)
        most = max(most, *_Sorted(y, -np.arange(n, dtype=float)).measures(rng.random(n), 0.999))
    assert most == 1
