"""Bootstrap of the enterprises: clustered, keyed, and a spread that is the sampling error's."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import poisson
from test_tuning import made

from tierkit.policy import Policy
from tierkit.scores.ensemble import Ensemble
from tierkit.scores.refitting import refit_risk
from tierkit.scores.scorecard import CreditScorecard
from tierkit.scores.training_rows import Split, TrainingRows, lots, time_split

POLICY = Policy.load("jiading-2025")


def credit_rows(n: int = 1500, seed: int = 1) -> TrainingRows:
    """Return one snapshot an enterprise, of which an open record says something; ids as those of `made`."""
    rng = np.random.default_rng(seed)
    opened = (rng.random(n) < 0.2).astype(float)
    y = (rng.random(n) < np.where(opened, 0.3, 0.06)).astype(np.int64)
    ids = pd.DataFrame({"enterprise_id": [f"e{k}" for k in range(n)], "as_of": pd.Timestamp("2023-12-30")})
    return TrainingRows(pd.DataFrame({"opened": opened}), y, np.ones(n), ids)


CREDIT = credit_rows()
CARD = CreditScorecard().fit(CREDIT.X, CREDIT.y)


def both_of(X: pd.DataFrame) -> pd.DataFrame:
    return X.assign(opened=CREDIT.X["opened"].to_numpy()[: len(X)])


def scores_for(probability: np.ndarray, X: pd.DataFrame) -> pd.DataFrame:
    n = len(probability)
    return pd.DataFrame(
        {
            "enterprise_id": [f"e{k}" for k in range(n)],
            "sector": "food",
            "risk_probability": probability,
            "credit_points": CARD.points(X[["opened"]]),
        }
    )


def test_agreement_by_hand() -> None:
    rows = made(1500)
    split = time_split(rows.rows["as_of"])
    some = Ensemble.fit(rows, CREDIT, split, 4)
    X = both_of(rows.X[:200])
    scores = scores_for(refit_risk(rows, split).risk.predict_proba(rows.X[:200])[:, 1], X)
    good = float(CARD.points(pd.DataFrame({"opened": [0.0]}))[0])
    cuts, steps = [0.05, 0.12], [520.0, good - 0.5]
    policy = POLICY.reform({"scoring.risk_cutoffs": cuts, "scoring.credit_cutoffs": steps})
    found = some.certainty(X, scores, policy, card=CARD)
    # The members once more, by hand: each enterprise as often as its lot says, the card on its own scale.
    risk, points = [], []
    for k in range(4):
        times = [
            poisson.ppf(lots(one.rows["enterprise_id"], f"bootstrap 0 {k}") / 2.0**64, 1).astype(int)
            for one in (rows, CREDIT)
        ]
        again = refit_risk(replace(rows, weight=rows.weight * times[0]), split, newest=False).risk
        risk.append(again.predict_proba(rows.X[:200])[:, 1])
        chosen = np.repeat(np.arange(len(CREDIT.y)), times[1])
        card = CreditScorecard().fit(CREDIT.X.iloc[chosen], CREDIT.y[chosen])
        points.append(card.points(X[["opened"]]))
    levels, grades, tiers = [], [], []
    matrix = np.array([[int(one[1]) for one in row] for row in policy["scoring.matrix"]])
    for p, c in [(scores["risk_probability"], scores["credit_points"]), *zip(risk, points, strict=True)]:
        levels.append(np.searchsorted(cuts, p, side="right"))
        grades.append(2 - np.searchsorted(steps, c, side="right"))
        tiers.append(matrix[levels[-1], grades[-1]])
    for name, codes in (("level", levels), ("grade", grades), ("tier", tiers)):
        agree = (np.array(codes[1:]) == codes[0]).mean(axis=0)
        np.testing.assert_allclose(found[f"{name}_agreement"], agree)
        assert 0 < agree.mean() < 1
    np.testing.assert_allclose(found["log_odds_sd"], logit(np.array(risk)).std(axis=0, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(found["points_sd"], np.array(points).std(axis=0, ddof=1), rtol=1e-9)
    assert (found["members"] == 4).all()
    assert ((found["low"] <= found["tier_agreement"]) & (found["tier_agreement"] <= found["high"])).all()
    with pytest.raises(ValueError, match="must have the same rows"):
        some.certainty(X[:3], scores, POLICY, card=CARD)


@pytest.mark.long
def test_the_spread_of_points_is_the_sampling_error_of_the_bins() -> None:
    # Two bins: the log-odds of each have the variance 1/events + 1/others, points 40 / ln 2 times as much.
    rows = made(600)
    tiny = {"n_trees": 1, "learning_rate": 0.1, "n_leaves": 2, "min_rows": 100}
    some = Ensemble.fit(rows, CREDIT, time_split(rows.rows["as_of"]), 16, tiny)
    told = CARD.points_of(some.credit_log_odds(pd.DataFrame({"opened": [0.0, 1.0]})))
    for value, spread in zip((0.0, 1.0), told.std(axis=1, ddof=1), strict=True):
        own = CREDIT.y[CREDIT.X["opened"] == value]
        right = 40 / np.log(2) * np.sqrt(1 / own.sum() + 1 / (1 - own).sum())
        assert spread == pytest.approx(right, rel=0.5)  # of 16 members: a standard error of 18 %


def test_members_are_keyed_by_enterprise_and_not_by_row() -> None:
    rows = made(1200)
    split = time_split(rows.rows["as_of"])
    one, two = Ensemble.fit(rows, CREDIT, split, 2, seed=1), Ensemble.fit(rows, CREDIT, split, 3, seed=1)
    X = rows.X[:50]
    np.testing.assert_array_equal(one.log_odds(X), two.log_odds(X)[:, :2])
    assert (Ensemble.fit(rows, CREDIT, split, 2, seed=2).log_odds(X) != one.log_odds(X)).any()
    assert (one.log_odds(X)[:, 0] != one.log_odds(X)[:, 1]).any()
    with pytest.raises(ValueError, match="at least 2 members"):
        Ensemble.fit(rows, CREDIT, split, 1)


def plain_level(n: int, repeats: int, seed: int) -> tuple[TrainingRows, Split]:
    """Return rows without any signal, each enterprise having as many rows with the same outcome."""
    rng = np.random.default_rng(seed)
    y = np.repeat(rng.random(n) < 0.2, repeats).astype(np.int64)
    ids = np.repeat([f"e{seed}-{k}" for k in range(n)], repeats)
    # the dates of one enterprise are spread over all parts, so that every part has its copy
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.tile(np.arange(repeats), n) * 30, unit="D")
    rows = pd.DataFrame({"enterprise_id": ids, "as_of": days, "channel": "random"})
    X = pd.DataFrame({"age_years": np.zeros(len(y))})
    return TrainingRows(X, y, np.ones(len(y)), rows), time_split(pd.Series(days))


@pytest.mark.long
def test_the_spread_is_the_sampling_error_of_whole_enterprises() -> None:
    # Nothing but the level is learnt, so the spread of the log-odds is 1 / sqrt(n p (1 - p)), n enterprises.
    n, p = 300, 0.2
    rows, split = plain_level(n, 20, 0)
    some = Ensemble.fit(
        rows, CREDIT, split, 25, {"n_trees": 1, "learning_rate": 0.1, "n_leaves": 2, "min_rows": 100}
    )
    spread = some.log_odds(rows.X[:1]).std(ddof=1)
    right = 1 / np.sqrt(n * p * (1 - p))
    assert spread == pytest.approx(right, rel=0.5)  # of 25 members: a standard error of 14 %
    # Rows taken one by one would make it half of that: the calibration part holds four of each.
    alone = replace(rows, rows=rows.rows.assign(enterprise_id=[f"r{k}" for k in range(len(rows.y))]))
    naive = Ensemble.fit(
        alone, CREDIT, split, 25, {"n_trees": 1, "learning_rate": 0.1, "n_leaves": 2, "min_rows": 100}
    )
    assert naive.log_odds(rows.X[:1]).std(ddof=1) < 0.7 * right


def test_it_comes_back_from_json_with_every_bit() -> None:
    rows = made(900)
    some = Ensemble.fit(rows, CREDIT, time_split(rows.rows["as_of"]), 2)
    text = json.dumps(some.to_dict())
    back = Ensemble.from_json(text)
    np.testing.assert_array_equal(back.log_odds(rows.X), some.log_odds(rows.X))
    np.testing.assert_array_equal(back.credit_log_odds(CREDIT.X), some.credit_log_odds(CREDIT.X))
    assert back.to_dict() == some.to_dict()
    with pytest.raises(ValueError, match="no ensemble of format"):
        Ensemble.from_json('{"format": "other"}')


@pytest.mark.long
def test_certain_and_uncertain_enterprises_are_told_apart() -> None:
    rows = made(1500)
    split = time_split(rows.rows["as_of"])
    some = Ensemble.fit(rows, CREDIT, split, 10)
    X = both_of(pd.DataFrame({"findings_1y": [0.0, 5.0], "age_years": [4.0, 4.0]}))
    told = expit(some.log_odds(X)).mean(axis=1)
    cut = POLICY.reform({"scoring.risk_cutoffs": [float(told[0]) * 1.01, 0.98]}, name="cut")
    found = some.certainty(X, scores_for(np.array([told[0], told[1]]), X), cut, card=CARD)
    assert found["level_agreement"].iloc[0] < 1
    assert found["level_agreement"].iloc[1] == 1
