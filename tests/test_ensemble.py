"""Bootstrap of the enterprises: clustered, keyed, and a spread that is the sampling error's."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from test_tuning import made

from tierkit.policy import Policy
from tierkit.scores.ensemble import Ensemble
from tierkit.scores.refitting import refit_risk
from tierkit.scores.training_rows import Split, TrainingRows, time_split

POLICY = Policy.load("jiading-2025")


def scores_for(probability: np.ndarray) -> pd.DataFrame:
    n = len(probability)
    return pd.DataFrame(
        {
            "enterprise_id": [f"e{k}" for k in range(n)],
            "sector": "food",
            "risk_probability": probability,
            "credit_points": np.full(n, 600.0),
        }
    )


def test_agreement_by_hand() -> None:
    rows = made(1500)
    split = time_split(rows.rows["as_of"])
    some = Ensemble.fit(rows, split, 4)
    X = rows.X[:200]
    model = refit_risk(rows, split).risk
    scores = scores_for(model.predict_proba(X)[:, 1])
    found = some.certainty(X, scores, POLICY)
    cuts = POLICY["scoring.risk_cutoffs"]
    own = np.searchsorted(cuts, scores["risk_probability"], side="right")
    told = np.stack([one.predict_proba(X)[:, 1] for one in some.members], axis=1)
    level = np.searchsorted(cuts, told, side="right")
    np.testing.assert_allclose(found["level_agreement"], (level == own[:, None]).mean(axis=1))
    np.testing.assert_allclose(found["log_odds_sd"], logit(told).std(axis=1, ddof=1), rtol=1e-9)
    assert found["level_agreement"].between(0, 1).all()
    assert (found["members"] == 4).all()
    assert ((found["low"] <= found["tier_agreement"]) & (found["tier_agreement"] <= found["high"])).all()
    assert 0 < found["level_agreement"].mean() < 1
    with pytest.raises(ValueError, match="must have the same rows"):
        some.certainty(X[:3], scores, POLICY)


def test_members_are_keyed_by_enterprise_and_not_by_row() -> None:
    rows = made(1200)
    split = time_split(rows.rows["as_of"])
    one, two = Ensemble.fit(rows, split, 2, seed=1), Ensemble.fit(rows, split, 3, seed=1)
    X = rows.X[:50]
    np.testing.assert_array_equal(one.log_odds(X), two.log_odds(X)[:, :2])
    assert (Ensemble.fit(rows, split, 2, seed=2).log_odds(X) != one.log_odds(X)).any()
    assert (one.log_odds(X)[:, 0] != one.log_odds(X)[:, 1]).any()
    with pytest.raises(ValueError, match="at least 2 members"):
        Ensemble.fit(rows, split, 1)


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
    some = Ensemble.fit(rows, split, 25, {"n_trees": 1, "learning_rate": 0.1, "n_leaves": 2, "min_rows": 100})
    spread = some.log_odds(rows.X[:1]).std(ddof=1)
    right = 1 / np.sqrt(n * p * (1 - p))
    assert spread == pytest.approx(right, rel=0.5)  # of 25 members: a standard error of 14 %
    # Rows taken one by one would make it half of that: the calibration part holds four of each.
    alone = replace(rows, rows=rows.rows.assign(enterprise_id=[f"r{k}" for k in range(len(rows.y))]))
    naive = Ensemble.fit(
        alone, split, 25, {"n_trees": 1, "learning_rate": 0.1, "n_leaves": 2, "min_rows": 100}
    )
    assert naive.log_odds(rows.X[:1]).std(ddof=1) < 0.7 * right


def test_it_comes_back_from_json_with_every_bit() -> None:
    rows = made(900)
    some = Ensemble.fit(rows, time_split(rows.rows["as_of"]), 2)
    text = json.dumps(some.to_dict())
    back = Ensemble.from_json(text)
    np.testing.assert_array_equal(back.log_odds(rows.X), some.log_odds(rows.X))
    assert back.to_dict() == some.to_dict()
    with pytest.raises(ValueError, match="no ensemble of format"):
        Ensemble.from_json('{"format": "other"}')


def test_certain_and_uncertain_enterprises_are_told_apart() -> None:
    rows = made(1500)
    split = time_split(rows.rows["as_of"])
    some = Ensemble.fit(rows, split, 10)
    X = pd.DataFrame({"findings_1y": [0.0, 5.0], "age_years": [4.0, 4.0]})
    told = expit(some.log_odds(X)).mean(axis=1)
    cut = POLICY.reform({"scoring.risk_cutoffs": [float(told[0]) * 1.01, 0.98]}, name="cut")
    found = some.certainty(X, scores_for(np.array([told[0], told[1]])), cut)
    assert found["level_agreement"].iloc[0] < 1
    assert found["level_agreement"].iloc[1] == 1
