"""Input from which little or nothing can be learnt: a stated rule and a clear message, for both models."""

import numpy as np
import pandas as pd
import pytest

from tierkit.records import CREDIT_TARGET, DataError, Dataset, read_dataset
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard
from tierkit.scores.train import train

MODELS = [RiskModel(num_threads=1), CreditScorecard()]
both = pytest.mark.parametrize("model", MODELS, ids=["risk", "credit"])


def fitted(model, X, y, weight=None):
    from sklearn.base import clone

    return clone(model).fit(X, y) if weight is None else clone(model).fit(X, y, weight)


def events(n: int, share: int = 4) -> np.ndarray:
    return (np.arange(n) % share == 0).astype(int)


@both
def test_one_class_is_refused(model) -> None:
    with pytest.raises(ValueError, match=r"The target holds one class only: 0"):
        fitted(model, pd.DataFrame({"x": np.arange(100.0)}), np.zeros(100, int))


def test_records_without_what_a_model_predicts_are_refused_by_name_with_what_they_hold() -> None:
    data = read_dataset("data/synthetic")
    events, checks = data["credit_events"], data["inspections"]
    penalties = events[events["kind"] == "penalty"]
    late = (penalties["known_on"] >= "2023-12-30") & (penalties["known_on"] < "2024-12-30")
    clean = checks.assign(finding="none", disposition="none")
    with pytest.raises(DataError) as told:
        train(Dataset({**data, "credit_events": penalties, "inspections": clean}), "2024-12-30")
    risk, credit = told.value.problems
    assert (risk.table, risk.column, credit.table, credit.column) == (
        "inspections",
        "finding",
        "credit_events",
        "kind",
    )
    assert "the risk model" in risk.message
    assert "found nothing" in risk.message
    assert "the credit scorecard" in credit.message
    assert (
        f"It predicts {', '.join(CREDIT_TARGET)}; what the table holds since then is penalty "
        in credit.message
    )
    assert credit.message.endswith(f"penalty {late.sum()}")
    with pytest.raises(DataError, match="no events"):
        train(Dataset({**data, "credit_events": events[:0]}), "2024-12-30")


@both
@pytest.mark.parametrize("values", [np.ones(200), np.full(200, np.nan)], ids=["constant", "all missing"])
def test_a_column_that_says_nothing_changes_nothing(model, values) -> None:
    X, y = pd.DataFrame({"x": np.tile(np.arange(50.0), 4)}), events(200)
    with_it, without = fitted(model, X.assign(nothing=values), y), fitted(model, X, y)
    np.testing.assert_allclose(
        with_it.predict_proba(X.assign(nothing=values)), without.predict_proba(X), rtol=0, atol=1e-9
    )


@both
@pytest.mark.parametrize("values", [np.ones(200), np.full(200, np.nan)], ids=["constant", "all missing"])
def test_where_no_column_says_anything_every_row_gets_the_average(model, values) -> None:
    X = pd.DataFrame({"nothing": values})
    told = fitted(model, X, events(200)).predict_proba(X)[:, 1]
    np.testing.assert_allclose(told, 0.25, rtol=0, atol=1e-9)


@both
def test_ten_rows_are_scored_and_never_with_certainty(model) -> None:
    X, y = pd.DataFrame({"x": np.arange(10.0)}), np.r_[np.zeros(5, int), np.ones(5, int)]
    told = fitted(model, X, y).predict_proba(X)[:, 1]
    assert ((told > 0.01) & (told < 0.99)).all()
    if isinstance(model, RiskModel):
        np.testing.assert_allclose(told, 0.5, rtol=0, atol=1e-9)  # too few for two leaves


def test_all_weight_on_one_row_is_one_class() -> None:
    # The scorecard takes no weights: every enterprise of a snapshot is there.
    X, y = pd.DataFrame({"x": np.arange(100.0)}), events(100)
    weight = np.zeros(100)
    weight[7] = 1.0
    with pytest.raises(ValueError, match=r"Rows of one class only carry weight: \[0\]. Give weight to both"):
        RiskModel().fit(X, y, weight)
    with pytest.raises(ValueError, match="weight"):
        RiskModel().fit(X, y, np.zeros(100))


def test_weight_on_one_row_of_each_class_gives_their_average() -> None:
    X, y = pd.DataFrame({"x": np.arange(100.0)}), events(100)
    weight = np.zeros(100)
    weight[[7, 8]] = 1.0
    told = RiskModel(num_threads=1).fit(X, y, weight).predict_proba(X)[:, 1]
    np.testing.assert_allclose(told, 0.5, rtol=0, atol=1e-9)


@both
@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308])
def test_infinite_and_huge_numbers_are_refused_or_scored_but_never_make_nan(model, value) -> None:
    X, y = pd.DataFrame({"x": np.tile(np.arange(50.0), 4)}), events(200)
    ready = fitted(model, X, y)
    strange = X.copy()
    strange.loc[0, "x"] = value
    try:
        told = ready.predict_proba(strange)
    except ValueError as error:
        assert "x" in str(error)  # noqa: PT017  # either is a rule; silence with NaN is none
    else:
        assert np.isfinite(told).all()
