"""The scorecard on real bankruptcies, where the public file is there: discrimination, and points that agree.

``python -m benchmarks.polish FILE`` does the same in full, with peers, and writes docs/polish.md.
"""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from benchmarks import polish
from tierkit.scores.integer_points import rounding
from tierkit.scores.metrics import auc, resampled_interval
from tierkit.scores.scorecard import CreditScorecard

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("TIERKIT_REALDATA", ROOT.parent / "shared" / "realdata"))
FILE = REAL / "polish_bankruptcy" / "polish_1year.csv.gz"
real = pytest.mark.skipif(not FILE.is_file(), reason="the public file is not here; set TIERKIT_REALDATA")

Fold = tuple[CreditScorecard, pd.DataFrame, np.ndarray]


def fit(folds: int) -> list[Fold]:
    X, y = polish.read(FILE)
    return [
        (polish.card_of(X.iloc[train], y[train]), X.iloc[test], y[test])
        for train, test in polish.folds(y, 1)[:folds]
    ]


@pytest.fixture(scope="module")
def fitted() -> list[Fold]:
    """One of five folds, for the time that a fit takes; the page has fifteen."""
    return fit(1)


@real
@pytest.mark.long
def test_the_scorecard_discriminates() -> None:
    # The mean over fifteen folds is 0.89 ± 0.03 (docs/polish.md); required is 0.88.
    values = [auc(y, -card.points(X)) for card, X, y in fit(3)]
    assert np.mean(values) >= 0.88
    assert min(values) > 0.84


@real
def test_points_and_probability_are_one_thing_on_real_rows(fitted: list[Fold]) -> None:
    for card, X, _ in fitted:
        for one in (card, card.rounded()):
            assert max(polish.disagreement(one, X)) < 1e-9
    card, X, _ = fitted[0]
    card.base_points += 1e-6  # the identity can fail
    assert max(polish.disagreement(card, X)) > 1e-7
    card.base_points -= 1e-6


@real
def test_whole_points_cost_no_discrimination(fitted: list[Fold]) -> None:
    for card, X, y in fitted:
        errors = rounding(card, X).errors.set_index("unit")
        assert errors.loc["points", "largest"] <= errors.loc["points", "table_bound"]
        assert abs(auc(y, -card.rounded().points(X)) - auc(y, -card.points(X))) < 0.005


def test_the_interval_of_repeated_folds_by_hand() -> None:
    values = np.array([0.9, 0.88, 0.91, 0.87, 0.89, 0.9, 0.92, 0.86, 0.9, 0.87])
    mean, low, high = resampled_interval(values, 0.2)
    half = student.ppf(0.975, 9) * values.std(ddof=1) * np.sqrt(1 / 10 + 0.25)
    assert (mean, low, high) == pytest.approx((values.mean(), values.mean() - half, values.mean() + half))
    assert np.isnan(resampled_interval([0.9], 0.2)[1:]).all()
    assert resampled_interval([0.1] * 5, 0.2) == pytest.approx((0.1, np.nan, np.nan), nan_ok=True)
    assert resampled_interval([0.0] * 10, 0.2, against=values) == (0, 0, 0)  # of models that predict the same


def test_the_page_is_made_on_any_file_of_its_form() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({f"Attr{j}": rng.normal(size=600) for j in range(1, 4)})
    X.loc[::9, "Attr2"] = np.nan
    y = (rng.random(600) < 1 / (1 + np.exp(2 - 2 * X["Attr1"]))).astype(np.int64).to_numpy()

    def one(rows: pd.DataFrame, event: np.ndarray) -> polish.Score:
        card = polish.card_of(rows, event)
        return lambda more: -card.points(more)

    def nothing(rows: pd.DataFrame, event: np.ndarray) -> polish.Score:
        return lambda more: np.zeros(len(more))

    found = polish.compare(X, y, {"tierkit": one, "nothing": nothing}, 1, lambda done, total: None)
    assert len(found) == 2 * polish.FOLDS
    shown = polish.table(found, "tierkit").set_index("way")
    assert shown.loc["nothing", "auc"] == 0.5
    assert shown.loc["nothing", ["low", "high"]].isna().all(), "folds that are all alike show no spread"
    assert shown.loc["nothing", "most"] < 0
    lines = polish.told(shown.reset_index(), {"tierkit": "ours", "nothing": "nothing"})
    assert lines[2].startswith("| ours | 0.")
    assert "| 0.500 | none | −0." in lines[3]
