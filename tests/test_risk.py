"""The risk model: scikit-learn's contract, monotone, calibrated, and never silently wrong about columns."""

import json

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from tierkit.scores import metrics
from tierkit.scores.inputs import ColumnError
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

SECTORS = ["retail", "food", "gas", "drugs"]
MONOTONE = {"findings": 1, "clean": -1}


def rows(n: int = 3000, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "findings": rng.poisson(0.5, n).astype(float),
            "clean": rng.poisson(1.0, n).astype(float),
            "days": rng.gamma(2, 100, n),
            "sector": pd.Categorical.from_codes(rng.integers(0, 3, n), SECTORS),
            "constant": np.ones(n),
        }
    )
    frame.loc[rng.random(n) < 0.2, "days"] = np.nan
    log_odds = -2 + frame["findings"] - 0.4 * frame["clean"] + 0.8 * (frame["sector"] == "food")
    return frame, (rng.random(n) < expit(log_odds)).astype(int)


@pytest.fixture(scope="module")
def model() -> RiskModel:
    return RiskModel(monotone=MONOTONE, n_trees=60, num_threads=1).fit(*rows()).calibrate(*rows(3000, 1))


@parametrize_with_checks([RiskModel(num_threads=1)])
def test_scikit_learn_contract(estimator, check) -> None:
    check(estimator)


def test_it_ranks_and_is_calibrated(model) -> None:
    X, y = rows(6000, 2)
    p = model.predict_proba(X)[:, 1]
    assert metrics.auc(y, p) > 0.68
    # 3,000 rows to calibrate on: the standard error of the level alone is 0.7 points.
    assert metrics.calibration_error(y, p) < 0.03


def test_probability_is_a_strictly_increasing_map_of_the_margin(model) -> None:
    X, _ = rows(2000, 3)
    margin, p = model.margin(X), model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(p, model.calibration_.probability(margin), rtol=0, atol=0)
    assert len(np.unique(np.round(margin, 9))) == len(
        np.unique(np.round(model.calibration_.log_odds(margin), 9))
    )
    np.testing.assert_array_equal(np.argsort(margin, kind="stable"), np.argsort(p, kind="stable"))


@given(st.integers(0, 8), st.integers(0, 8), st.sampled_from(SECTORS), st.floats(0, 1000) | st.none())
@settings(deadline=None)
def test_one_more_finding_never_lowers_the_risk(findings, clean, sector, days) -> None:
    row = pd.DataFrame(
        {"findings": findings, "clean": clean, "days": days, "sector": sector, "constant": 1.0}, index=[0]
    ).astype({"days": float})
    fitted = RiskModelOnce.get()
    for feature, sign in MONOTONE.items():
        change = fitted.margin(row.assign(**{feature: row[feature] + 1})) - fitted.margin(row)
        assert (sign * change >= 0).all()


class RiskModelOnce:
    """hypothesis may not use a fixture of a module, so the model is kept here."""

    model: RiskModel | None = None

    @classmethod
    def get(cls) -> RiskModel:
        cls.model = cls.model or RiskModel(monotone=MONOTONE, n_trees=60, num_threads=1).fit(*rows())
        return cls.model


def test_without_the_constraint_the_property_fails() -> None:
    # Shows that the test above can fail: a model grown on a wave is not monotone unless it is told to be.
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 6, 3000)
    X, y = pd.DataFrame({"findings": x}), (rng.random(3000) < 0.5 + 0.4 * np.sin(2 * x)).astype(int)
    grid = pd.DataFrame({"findings": np.linspace(0, 6, 200)})
    free = np.diff(RiskModel(num_threads=1).fit(X, y).margin(grid))
    bound = np.diff(RiskModel(monotone={"findings": 1}, num_threads=1).fit(X, y).margin(grid))
    assert (free < 0).any()
    assert (bound >= 0).all()


@pytest.mark.slow
def test_threads_change_no_bit(model) -> None:
    other = clone(model).set_params(num_threads=2).fit(*rows()).calibrate(*rows(3000, 1))
    X, _ = rows(1000, 4)
    np.testing.assert_array_equal(other.margin(X), model.margin(X))
    np.testing.assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_bits_do_not_depend_on_the_other_rows(model) -> None:
    X, _ = rows(500, 5)
    parts = [model.margin(X.iloc[i : i + 37]) for i in range(0, 500, 37)]
    np.testing.assert_array_equal(np.concatenate(parts), model.margin(X))
    assert model.margin(X.iloc[:0]).shape == (0,)


def test_plain_lightgbm_takes_reordered_columns_in_silence_and_we_join_by_name(model) -> None:
    X, y = rows()
    numbers = X.drop(columns="sector")
    plain = lgb.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, lgb.Dataset(numbers, y), 20)
    turned = numbers[numbers.columns[::-1]]
    silent = np.abs(np.asarray(plain.predict(turned)) - np.asarray(plain.predict(numbers)))
    assert silent.max() > 0.1
    np.testing.assert_array_equal(model.margin(X[X.columns[::-1]]), model.margin(X))
    with pytest.raises(ValueError, match="fitted on named columns"):
        model.margin(numbers.to_numpy())


def test_levels_survive_csv(model, tmp_path) -> None:
    X, _ = rows(300, 6)
    X.to_csv(tmp_path / "x.csv", index=False)
    np.testing.assert_array_equal(model.margin(pd.read_csv(tmp_path / "x.csv")), model.margin(X))


def test_unknown_levels_and_new_missing_values_are_counted_or_refused(model) -> None:
    X, _ = rows(100, 7)
    strange = X.astype({"sector": object})
    strange.loc[:9, "sector"] = "banking"
    strange.loc[:4, "findings"] = np.nan
    assert model.check(strange).sum().to_dict() == {"findings:missing": 5, "sector:unseen": 10}
    assert model.check(X).empty
    assert np.isfinite(model.margin(strange)).all()
    strict = clone(model).set_params(on_unseen="error").fit(*rows())
    with pytest.raises(ColumnError, match="not declared at fit"):
        strict.margin(strange)
    with pytest.raises(ColumnError, match="unseen at fit time: note"):
        strict.margin(X.assign(note=1))
    with pytest.raises(ColumnError, match="now missing: days"):
        model.margin(X.drop(columns="days"))


def test_text_round_trip_keeps_every_bit(model) -> None:
    trees, rest = model.to_parts()
    back = RiskModel.from_parts(trees, json.loads(json.dumps(rest)))
    X, _ = rows(1000, 8)
    np.testing.assert_array_equal(back.margin(X), model.margin(X))
    np.testing.assert_array_equal(back.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert back.to_parts() == model.to_parts()
    with pytest.raises(ValueError, match="no risk model of format"):
        RiskModel.from_parts(trees, {**rest, "format": "other"})


def test_any_column_name_is_fine() -> None:
    X, y = rows(500)
    names = {"findings": 'a, "b": [1]', "clean": "检查 发现"}
    model = RiskModel(monotone={names["findings"]: 1}, num_threads=1).fit(X.rename(columns=names), y)
    plain = RiskModel(monotone={"findings": 1}, num_threads=1).fit(X, y)
    np.testing.assert_array_equal(model.margin(X.rename(columns=names)), plain.margin(X))


def test_weight_zero_is_as_if_the_row_were_not_there() -> None:
    X, y = rows(800)
    weight = np.r_[np.ones(600), np.zeros(200)]
    all_rows = RiskModel(n_trees=20, num_threads=1).fit(X, y, weight)
    some_rows = RiskModel(n_trees=20, num_threads=1).fit(X[:600], y[:600])
    np.testing.assert_array_equal(all_rows.margin(X), some_rows.margin(X))


def test_weights_undo_selection_on_what_the_model_does_not_see() -> None:
    # Rows were kept by a hidden variable that also drives the outcome; 1 / propensity gives the level back.
    rng = np.random.default_rng(0)
    n = 40_000
    hidden, x = rng.normal(size=n), rng.normal(size=n)
    y = (rng.random(n) < expit(-2 + 0.5 * x + hidden)).astype(int)
    propensity = expit(-1 + hidden)
    kept = rng.random(n) < propensity
    X = pd.DataFrame({"x": x})
    weight = 1 / propensity[kept]
    half = np.arange(kept.sum()) % 2 == 0

    def mean(weights):
        model = RiskModel(n_trees=40, min_rows=200, num_threads=1)
        model.fit(X[kept][half], y[kept][half], weights[half])
        return model.calibrate(X[kept][~half], y[kept][~half], weights[~half]).predict_proba(X)[:, 1].mean()

    assert abs(mean(weight) - y.mean()) < 0.01
    assert mean(np.ones(kept.sum())) - y.mean() > 0.05


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (pd.DataFrame({"constant": np.ones(100)}), np.tile([0, 0, 0, 1], 25)),
        (pd.DataFrame({"missing": np.full(100, np.nan)}), np.tile([0, 0, 0, 1], 25)),
        (pd.DataFrame({"few": np.arange(12.0)}), np.tile([0, 0, 0, 1], 3)),
    ],
)
def test_where_no_tree_can_grow_every_row_gets_the_average(X, y) -> None:
    model = RiskModel(num_threads=1).fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], 0.25, rtol=0, atol=1e-9)


def test_one_class_is_refused() -> None:
    X, _ = rows(50)
    with pytest.raises(ValueError, match="one class only"):
        RiskModel().fit(X, np.zeros(50))
    with pytest.raises(ValueError, match="one class only carry weight"):
        RiskModel().fit(X, np.tile([0, 1], 25), np.r_[1.0, np.zeros(49)])


def test_calibration_on_few_or_foreign_rows(model) -> None:
    X, y = rows(100, 9)
    fresh = clone(model).fit(*rows())
    assert fresh.calibration_.kind == "none"
    assert fresh.calibrate(X[y == 0], y[y == 0]).calibration_.kind == "none"
    assert fresh.calibrate(X, y).calibration_.kind in ("shift", "beta")
    with pytest.raises(ValueError, match="classes unseen at fit"):
        fresh.calibrate(X, y + 1)


def test_wrong_parameters_are_listed_together() -> None:
    with pytest.raises(ValueError, match="'n_trees'") as caught:
        RiskModel(n_trees=0, learning_rate=2, n_leaves=1.5, on_unseen="no").fit(*rows(50))
    for name in ("n_trees", "learning_rate", "n_leaves", "on_unseen"):
        assert f"The '{name}' parameter of RiskModel must be" in str(caught.value)
    with pytest.raises(ValueError, match=r"must be -1, 0 or 1 for 'days'. Got 2"):
        RiskModel(monotone={"days": 2}).fit(*rows(50))


def silently(change, X: pd.DataFrame, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what plain LightGBM predicts of the rows and of the rows as changed; a warning is an error."""
    plain = lgb.LGBMClassifier(n_estimators=30, num_threads=1, verbosity=-1).fit(X, y)
    return plain.predict_proba(X)[:, 1], plain.predict_proba(change(X))[:, 1]


def test_plain_lightgbm_scores_unknown_levels_as_missing_in_silence_and_we_count_or_refuse(model) -> None:
    X, y = rows()

    def strange(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(sector=pd.Categorical(["banking"] * len(frame)))

    def without(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(sector=pd.Categorical([None] * len(frame), SECTORS))

    before, after = silently(strange, X, y)
    np.testing.assert_array_equal(after, silently(without, X, y)[1])
    assert np.abs(after - before).max() > 0.05
    assert model.check(strange(X))["sector:unseen"].all()
    with pytest.raises(ColumnError, match="Column 'sector' has a level that was not declared"):
        clone(model).set_params(on_unseen="error").fit(X, y).margin(strange(X))


def test_plain_lightgbm_scores_new_missing_values_in_silence_and_we_count_or_refuse(model) -> None:
    X, y = rows()

    def strange(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(findings=frame["findings"].where(np.arange(len(frame)) % 2 == 0))

    before, after = silently(strange, X, y)
    assert np.isfinite(after).all()
    assert np.abs(after - before).max() > 0.05
    assert model.check(strange(X))["findings:missing"].sum() == len(X) // 2
    assert "days:missing" not in model.check(strange(X))  # missing at fit, and so no news
    with pytest.raises(ColumnError, match="findings"):
        clone(model).set_params(on_unseen="error").fit(X, y).margin(strange(X))


def test_plain_lightgbm_cannot_read_its_own_rows_back_from_csv_and_we_score_the_same_bits(
    model, tmp_path
) -> None:
    X, y = rows(400, 6)
    X.to_csv(tmp_path / "x.csv", index=False)
    back = pd.read_csv(tmp_path / "x.csv")
    with pytest.raises(ValueError, match="categorical_feature do not match"):
        silently(lambda _: back, X, y)
    # Levels put back by hand, as one does: those of the file alone, in another order, change the codes.
    codes = lgb.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, lgb.Dataset(
        X.assign(sector=X["sector"].cat.codes), y, categorical_feature=["sector"]), 30)  # fmt: skip
    again = back.assign(sector=pd.Categorical(back["sector"]).codes)
    apart = np.asarray(codes.predict(again)) - np.asarray(
        codes.predict(X.assign(sector=X["sector"].cat.codes))
    )
    assert np.abs(apart).max() > 0.05
    np.testing.assert_array_equal(model.predict_proba(back), model.predict_proba(X))


def test_extra_columns_and_columns_of_another_type_are_never_taken_for_others(model) -> None:
    X, _ = rows(50, 7)
    np.testing.assert_array_equal(model.margin(X.assign(note="x")), model.margin(X))
    assert model.check(X.assign(note="x"))["note:extra"].all()
    with pytest.raises(ValueError, match="findings"):
        model.margin(X.assign(findings="many"))


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (["1"] * 60, "'sample_weight' must be a finite weight"),
        (np.ones(60, "m8[D]"), "'sample_weight' must be a finite weight"),
        (np.ma.masked_array(np.ones(60), np.arange(60) == 7), "'sample_weight' must be .* row 7"),
        ([1.0] * 59, "'sample_weight' has 59 rows"),
        ([-1.0] * 60, "'sample_weight' must be a finite weight, 0 or more"),
    ],
)
def test_weights_are_numbers_at_fit_and_at_calibration(weight, said) -> None:
    X, y = np.arange(60.0)[:, None], np.arange(60) % 2
    with pytest.raises(ValueError, match=said):
        RiskModel(n_trees=2).fit(X, y, weight)
    with pytest.raises(ValueError, match=said):
        RiskModel(n_trees=2).fit(X, y).calibrate(X, y, weight)


def test_calibration_refuses_a_target_that_is_none() -> None:
    X, y = np.arange(60.0)[:, None], np.arange(60) % 2
    model = RiskModel(n_trees=2).fit(X, y)
    for bad in (y[:, None], 1, [None, "1"] * 30, y.astype("M8[D]")):
        with pytest.raises(ValueError, match="'y' "):
            model.calibrate(X, bad)
    with pytest.raises(ValueError, match="'y' has 59 rows"):
        model.calibrate(X, y[1:])


@pytest.mark.parametrize("make", [lambda: RiskModel(n_trees=5, n_leaves=3, min_rows=5), CreditScorecard])
def test_a_mask_hides_what_is_under_it(make) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((2000, 1))
    y = (rng.random(2000) < 0.1 + 0.6 * x[:, 0]).astype(int)
    gone = rng.random(2000) < 0.3
    masked = np.ma.masked_array(np.where(gone[:, None], 999.0, x), gone[:, None])
    missing = np.where(gone[:, None], np.nan, x)
    np.testing.assert_array_equal(
        make().fit(masked, y).predict_proba(masked), make().fit(missing, y).predict_proba(missing)
    )
