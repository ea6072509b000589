"""The scorecard: one table, three scores that agree, and stated rules for degenerate input."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.estimator_checks import parametrize_with_checks

from tierkit.scores import metrics
from tierkit.scores.inputs import ColumnError
from tierkit.scores.integer_points import rounding
from tierkit.scores.scorecard import BASE, CreditScorecard

SECTORS = ["retail", "food", "gas", "drugs"]


def people(n: int = 3000, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "arrears": rng.poisson(0.3, n).astype(float),
            "age": rng.gamma(2, 4, n),
            "noise": rng.normal(size=n),
            "sector": pd.Categorical.from_codes(rng.integers(-1, 3, n), SECTORS),
            "constant": np.ones(n),
            "nothing": np.full(n, np.nan),
        }
    )
    frame.loc[rng.random(n) < 0.1, "age"] = np.nan
    log_odds = -2.2 + frame["arrears"] - 0.08 * frame["age"].fillna(0) + (frame["sector"] == "food")
    return frame, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)


@pytest.fixture(scope="module")
def card() -> CreditScorecard:
    return CreditScorecard(monotone={"arrears": -1, "age": 1}).fit(*people())


@pytest.fixture(scope="module")
def strange() -> pd.DataFrame:
    """Rows with every kind of value: known, missing, unseen, never seen missing."""
    frame = people(500, 1)[0].astype({"sector": object})
    frame.loc[::3, "sector"] = "banking"
    frame.loc[::4, "arrears"] = np.nan
    frame.loc[::5, "age"] = 1e308
    frame.loc[::7, "sector"] = "drugs"
    return frame


@parametrize_with_checks([CreditScorecard()])
def test_scikit_learn_contract(estimator, check) -> None:
    check(estimator)


def check_identity(card: CreditScorecard, rows: pd.DataFrame, points: np.ndarray) -> None:
    """Points, log-odds and probability agree, and all come from the same rows of the table."""
    probability = card.predict_proba(rows)[:, 1]
    log_odds = card.log_odds(rows)
    factor = card.points_to_double / np.log(2)
    np.testing.assert_allclose(
        points, card.base_points + factor * (-log_odds - np.log(card.base_odds)), atol=1e-9
    )
    np.testing.assert_allclose(np.log(probability / (1 - probability)), log_odds, rtol=0, atol=1e-9)
    table = card.table()
    chosen = card.bin_rows(rows)
    for column, score in (("points", points), ("log_odds", log_odds)):
        values = table[column].to_numpy()
        np.testing.assert_allclose(
            values[0] + values[chosen.to_numpy(np.int64)].sum(axis=1), score, rtol=0, atol=1e-9
        )


def test_points_log_odds_and_probability_agree(card, strange) -> None:
    for rows in (people(300, 2)[0], strange):
        check_identity(card, rows, card.points(rows))


def test_the_identity_can_fail(card, strange) -> None:
    with pytest.raises(AssertionError):
        check_identity(card, strange, card.points(strange) + 1e-6)


def test_points_by_hand(monkeypatch) -> None:
    # One feature, so the regression on its weight of evidence gives back each bin's own odds:
    # 95 good to 5 late is 19 to 1, and 80 to 20 is 4 to 1; 20 points double the odds.
    from tierkit.scores import binning

    monkeypatch.setattr(binning, "SMOOTHING", 1e-9)
    x = np.repeat([0.0, 1.0], 50_000)
    late = np.repeat([0, 1, 0, 1], [47_500, 2500, 40_000, 10_000])
    card = CreditScorecard(base_points=600, base_odds=19, points_to_double=20).fit(
        pd.DataFrame({"x": x}), late
    )
    expected = [600, 600 + 20 * np.log2(4 / 19)]
    # The penalty of the regression moves the slope by one in ten thousand.
    np.testing.assert_allclose(card.points(pd.DataFrame({"x": [0.0, 1.0]})), expected, rtol=0, atol=0.01)


def test_odds_double_by_points_to_double(card) -> None:
    rows = people(300, 3)[0]
    odds = np.exp(-card.log_odds(rows))
    order = np.argsort(odds)
    gain = np.diff(card.points(rows)[order])
    np.testing.assert_allclose(gain, card.points_to_double * np.diff(np.log2(odds[order])), rtol=0, atol=1e-9)


def test_the_scale_changes_no_ranking_and_no_probability(card) -> None:
    X, y = people()
    other = CreditScorecard(base_points=500, base_odds=50, points_to_double=40, monotone=card.monotone).fit(
        X, y
    )
    np.testing.assert_allclose(other.predict_proba(X), card.predict_proba(X), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(
        np.argsort(other.points(X), kind="stable"), np.argsort(card.points(X), kind="stable")
    )


def test_more_points_mean_fewer_events(card) -> None:
    X, y = people(4000, 5)
    points = card.points(X)
    assert metrics.auc(y, -points) > 0.7
    assert points[y == 0].mean() > points[y == 1].mean()


def test_points_go_the_declared_way(card) -> None:
    X, _ = people(200, 6)
    X["age"] = X["age"].fillna(5)
    for feature, step in (("arrears", 1), ("age", -1)):
        worse = X.assign(**{feature: X[feature] + step})
        assert (card.points(worse) <= card.points(X)).all()
    table = card.table()
    arrears = table[(table["feature"] == "arrears") & (table["kind"] == "interval")]
    assert arrears["points"].is_monotonic_decreasing
    assert (table.loc[1:, "coefficient"] < 0).all()


def test_the_wrong_direction_carries_no_points() -> None:
    X, y = people()
    card = CreditScorecard(monotone={"arrears": 1}).fit(X, y)
    assert "arrears" in card.unused_


def test_table_counts_add_up(card) -> None:
    table = card.table()
    y = people()[1]
    assert table.loc[0, ["feature", "kind", "count", "events"]].tolist() == [BASE, "base", 3000, y.sum()]
    sums = table.iloc[1:].groupby("feature")[["count", "events"]].sum()
    assert (sums["count"] == 3000).all()
    assert (sums["events"] == y.sum()).all()
    kinds = table.iloc[1:].groupby("feature")["kind"].agg(set)
    assert all("missing" in kind for kind in kinds)
    assert kinds["sector"] == {"level", "missing", "unseen"}


def test_unused_features_are_named_with_their_reason(card) -> None:
    assert card.unused_["constant"] == "constant"
    assert card.unused_["nothing"] == "all values are missing"
    assert "noise" in card.unused_
    assert set(card.unused_) | set(card.table()["feature"][1:]) == set(people()[0].columns)


def test_a_coefficient_that_would_turn_its_bins_round_is_dropped() -> None:
    # b says the same as a but more coarsely, and beside a its effect is turned round.
    rng = np.random.default_rng(0)
    a = rng.integers(0, 6, 20_000).astype(float)
    b = np.where(rng.random(20_000) < 0.9, a // 2, rng.integers(0, 3, 20_000))
    y = (rng.random(20_000) < 1 / (1 + np.exp(3 - 0.9 * a + 0.9 * (b - a // 2)))).astype(int)
    card = CreditScorecard().fit(pd.DataFrame({"a": a, "b": b}), y)
    assert "turn its bins round" in card.unused_.get("b", "")
    assert (card.table().loc[1:, "coefficient"] < 0).all()


def test_missing_never_seen_and_unseen_levels_weigh_as_the_average(card) -> None:
    table = card.table()
    unseen = table[(table["feature"] == "sector") & (table["kind"] == "unseen")]
    missing = table[(table["feature"] == "arrears") & (table["kind"] == "missing")]
    for part in (unseen, missing):
        assert part["count"].item() == 0
        assert part["points"].item() == pytest.approx(0, abs=1e-9)


def test_flags_count_what_was_never_seen(card, strange) -> None:
    flags = card.check(strange)
    assert flags["sector:unseen"].sum() == (strange["sector"] == "banking").sum()
    assert flags["arrears:missing"].sum() == strange["arrears"].isna().sum()
    strict = CreditScorecard(on_unseen="error").fit(*people())
    with pytest.raises(ColumnError, match="sector"):
        strict.points(strange)


def test_columns_are_joined_by_name(card) -> None:
    X, _ = people(100, 4)
    np.testing.assert_array_equal(card.points(X[X.columns[::-1]]), card.points(X))
    with pytest.raises(ValueError, match="fitted on named columns"):
        card.points(X.drop(columns="sector").to_numpy())


def test_bits_do_not_depend_on_the_other_rows(card, strange) -> None:
    whole = card.points(strange)
    parts = [card.points(strange.iloc[i : i + 37]) for i in range(0, len(strange), 37)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_fit_is_deterministic(card) -> None:
    again = CreditScorecard(monotone={"arrears": -1, "age": 1}).fit(*people())
    pd.testing.assert_frame_equal(again.table(), card.table(), check_exact=True)


def test_json_is_lossless(card, strange) -> None:
    text = card.to_json()
    back = CreditScorecard.from_json(text)
    assert back.to_json() == text
    pd.testing.assert_frame_equal(back.table(), card.table(), check_exact=True)
    np.testing.assert_array_equal(back.points(strange), card.points(strange))
    np.testing.assert_array_equal(back.predict(strange), card.predict(strange))
    assert back.get_params() == card.get_params()
    plain = CreditScorecard().fit(people()[0][["age", "noise"]].to_numpy(), people()[1].astype(str))
    back = CreditScorecard.from_json(plain.to_json())
    np.testing.assert_array_equal(back.predict([[1, 2], [np.nan, 3]]), plain.predict([[1, 2], [np.nan, 3]]))


@pytest.mark.parametrize("text", ['{"format": "other"}', "[]"])
def test_other_json_is_refused(text) -> None:
    with pytest.raises(ValueError, match="no scorecard of format"):
        CreditScorecard.from_json(text)


@given(st.integers(10, 60), st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_few_rows_give_a_card_or_a_clear_refusal(n: int, seed: int) -> None:
    X, y = people(n, seed)
    if len(set(y)) < 2:
        with pytest.raises(ValueError, match="one class only"):
            CreditScorecard().fit(X, y)
        return
    card = CreditScorecard().fit(X, y)
    check_identity(card, X, card.points(X))


def test_all_features_useless_gives_everybody_the_base_points() -> None:
    X, y = people()
    card = CreditScorecard().fit(X[["constant", "nothing"]], y)
    rate = y.mean()
    np.testing.assert_allclose(card.predict_proba(X[["constant", "nothing"]])[:, 1], rate, rtol=0, atol=1e-12)
    assert len(card.table()) == 1
    assert CreditScorecard.from_json(card.to_json()).to_json() == card.to_json()


def test_a_table_that_could_leave_the_scale_is_refused() -> None:
    X, y = people()
    with pytest.raises(ValueError, match=r"leaves 0 … 1000.*Lower 'points_to_double'"):
        CreditScorecard(points_to_double=400).fit(X, y)
    with pytest.raises(ValueError, match="leaves 0 … 1000"):
        CreditScorecard(base_points=990).fit(X, y)


def test_wrong_parameters_are_listed_together() -> None:
    with pytest.raises(ValueError, match="'base_odds'") as caught:
        CreditScorecard(base_odds=-1, max_bins=1, on_unseen="ignore", min_bin_share=np.nan).fit(*people(50))
    for name in ("base_odds", "max_bins", "on_unseen", "min_bin_share"):
        assert f"The '{name}' parameter of CreditScorecard must be" in str(caught.value)
    with pytest.raises(ValueError, match="names 'nobody'"):
        CreditScorecard(monotone={"nobody": 1}).fit(*people(50))
    with pytest.raises(ValueError, match="levels have no order"):
        CreditScorecard(monotone={"sector": 1}).fit(*people(50))


def test_infinite_numbers_are_refused() -> None:
    X, y = people(100)
    with pytest.raises(ColumnError, match="'age' contains infinity"):
        CreditScorecard().fit(X.assign(age=np.inf), y)


def test_json_holds_plain_numbers_only(card) -> None:
    assert "Infinity" not in card.to_json()
    assert json.loads(card.to_json())["format"] == "tierkit-scorecard-1"


# Whole points


def test_whole_points_are_whole_and_agree_with_their_log_odds_and_probability(card, strange) -> None:
    whole = card.rounded()
    assert (whole.table()["points"] % 1 == 0).all()
    for rows in (people(300, 2)[0], strange):
        points = whole.points(rows)
        assert (points % 1 == 0).all()
        check_identity(whole, rows, points)
        with pytest.raises(AssertionError):
            check_identity(whole, rows, points + 1e-6)


def test_rounding_leaves_the_scorecard_and_all_but_its_scores_as_they_are(card, strange) -> None:
    before = card.to_json()
    whole = card.rounded()
    assert card.to_json() == before
    same = [column for column in card.table() if column not in ("points", "log_odds")]
    pd.testing.assert_frame_equal(whole.table()[same], card.table()[same], check_exact=True)
    pd.testing.assert_frame_equal(whole.rounded().table(), whole.table(), check_exact=True)
    back = CreditScorecard.from_json(whole.to_json())
    assert back.to_json() == whole.to_json()
    np.testing.assert_array_equal(back.points(strange), whole.points(strange))
    np.testing.assert_array_equal(back.predict_proba(strange), whole.predict_proba(strange))


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_no_row_is_further_off_than_the_bounds_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    X, y = people(400, seed)
    card = CreditScorecard(points_to_double=float(rng.uniform(5, 40))).fit(X, y)
    found = rounding(card, people(200, seed + 1)[0]).errors.set_index("unit")
    slack = 1e-9
    assert (found["largest"] <= found["table_bound"] + slack).all()
    assert (found["table_bound"] <= found["bound"] + slack).all()
    assert (found["mean"].abs() <= found["mean_absolute"] + slack).all()
    assert (found["mean_absolute"] <= found["largest"] + slack).all()
    step = np.log(2) / card.points_to_double
    assert found["largest"]["log_odds"] == pytest.approx(found["largest"]["points"] * step, abs=slack)


def test_rounding_by_hand_and_the_grades_it_changes(card) -> None:
    # 0.5 a feature and the base; the worst that rows of this very table can add up to, by brute force.
    X = people(1000, 9)[0]
    table, whole = card.table(), card.rounded()
    names = list(dict.fromkeys(table["feature"]))
    off = whole.table()["points"] - table["points"]
    sums = np.zeros(1)
    for name in names:
        sums = (sums[:, None] + off[table["feature"] == name].to_numpy()).ravel()
    cuts = np.unique(np.quantile(card.points(X), np.linspace(0.05, 0.95, 19))).tolist()
    found = rounding(card, X, cuts)
    points = found.errors.iloc[0]
    assert points["bound"] == len(names) / 2
    assert points["table_bound"] == pytest.approx(np.abs(sums).max(), abs=1e-9)
    assert points["largest"] == np.abs(whole.points(X) - card.points(X)).max()
    grade = [np.searchsorted(cuts, one.points(X), side="right") for one in (card, whole)]
    changed = found.grades.set_index("cutoff")
    assert changed.loc["any", "changed"] == (grade[0] != grade[1]).sum() > 0
    assert (changed["low"] <= changed["share"]).all()
    assert (changed["share"] <= changed["high"]).all()
    assert "grades changed" in repr(found)
    assert "cutoff" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict()))["features"] == len(names) - 1


@pytest.mark.parametrize("cutoffs", [[np.nan], [500, np.inf], ["500"], 500, [[500.0]], [None], [500 + 0j]])
def test_cutoffs_of_a_rounding_are_finite_numbers(card, cutoffs) -> None:
    with pytest.raises(ValueError, match=r"'cutoffs' (must|has)"):
        rounding(card, people(20)[0], cutoffs)


def test_whole_points_that_could_leave_the_scale_are_refused(card) -> None:
    # Rounding takes up to half a point per feature, and this scale ends just below the worst sum.
    data = json.loads(card.to_json())
    worst = card.table().iloc[1:].groupby("feature")["points"].min()
    scale = next(k for k in np.linspace(1, 2, 41) if (worst * k).sum() - np.rint(worst * k).sum() > 0.6)
    factor = 40 * scale / np.log(2)
    for row in data["table"]:
        row["points"] = -factor * row["log_odds"]
    data["table"][0]["points"] = 0.05 - scale * worst.sum()
    data["parameters"]["points_to_double"] = 40 * scale
    data["parameters"]["base_points"] = data["table"][0]["points"] + factor * (
        np.log(20) + data["table"][0]["log_odds"]
    )
    with pytest.raises(ValueError, match=r"The table could give -1\.0 to .* points, which leaves 0 … 1000"):
        CreditScorecard.from_json(json.dumps(data)).rounded()


# Levels, many of them


def test_log_odds_of_many_levels_are_right_on_new_rows() -> None:
    rng = np.random.default_rng(0)
    n, effect = 6000, rng.normal(0, 0.6, 150)

    def drawn() -> tuple[pd.DataFrame, np.ndarray]:
        code, x = rng.integers(0, 150, n), rng.normal(size=n)
        log_odds = -2 + effect[code] + 0.5 * x
        X = pd.DataFrame({"purpose": pd.Categorical.from_codes(code, [f"L{i}" for i in range(150)]), "x": x})
        return X, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)

    X, y = drawn()
    card = CreditScorecard().fit(X, y)
    assert not card.unused_
    assert card.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), abs=1e-9)
    new, outcome = drawn()
    told = card.bin_rows(new)["purpose"].map(card.table()["log_odds"])
    worst, best = told == told.max(), told == told.min()
    predicted = card.predict_proba(new)[:, 1]
    # Of 300 rows each, the standard error is 0.02. Unshrunken, the worst are told 0.07 or more too high.
    assert predicted[worst].mean() == pytest.approx(outcome[worst].mean(), abs=0.03)
    assert predicted[best].mean() == pytest.approx(outcome[best].mean(), abs=0.03)


# Missing values of a column with a declared direction


def test_values_missing_at_random_give_no_points_and_those_that_tell_do() -> None:
    rng = np.random.default_rng(0)
    known = rng.integers(0, 2, 1000).astype(float)
    y = (rng.random(1000) < 0.15 + 0.3 * known).astype(int)
    gone = rng.random(1000) < 0.3
    X = pd.DataFrame({"a": np.where(gone, np.nan, known), "b": np.where(gone, np.nan, 0.0)})
    card = CreditScorecard(monotone={"a": -1, "b": -1}).fit(X, y)
    assert card.unused_ == {"b": "its values differ no more than chance would have it"}
    missing = card.table().query("kind == 'missing'")
    assert missing[["points", "woe", "iv"]].to_numpy().tolist() == [[0.0, 0.0, 0.0]]
    assert missing["count"].tolist() == [gone.sum()]
    # The file says the same, and no other weight than this one or that of the counts.
    assert CreditScorecard.from_json(card.to_json()).table().equals(card.table())
    data = json.loads(card.to_json())
    row = next(row for row in data["table"] if row["kind"] == "missing")
    row["woe"] = 0.5
    with pytest.raises(ValueError, match="woe: is not that of the row's 'count' and 'events'"):
        CreditScorecard.from_json(json.dumps(data))
    tells = np.where(gone & (y == 1), np.nan, known)
    card = CreditScorecard(monotone={"a": -1}).fit(pd.DataFrame({"a": tells}), y)
    assert card.table().query("kind == 'missing'")["points"].item() < -20


def test_a_missing_bin_of_no_declared_direction_has_the_weight_of_its_counts(card) -> None:
    data = json.loads(CreditScorecard().fit(*people()).to_json())
    row = next(row for row in data["table"] if row["kind"] == "missing" and row["feature"] == "age")
    assert row["count"]
    row["woe"] = row["points"] = row["log_odds"] = 0.0
    with pytest.raises(ValueError, match="woe: is not that of the row's"):
        CreditScorecard.from_json(json.dumps(data))


def test_a_weight_is_how_often_a_row_counts() -> None:
    rng = np.random.default_rng(4)
    X = pd.DataFrame({"x": rng.normal(size=600), "kind": rng.choice(["a", "b", "c"], 600)})
    y = (rng.random(600) < 0.1 + 0.3 * (X["x"] > 0.5) + 0.2 * (X["kind"] == "b")).to_numpy(np.int64)
    times = rng.integers(0, 4, 600)
    again = np.repeat(np.arange(600), times)
    weighted = CreditScorecard().fit(X, y, sample_weight=times)
    repeated = CreditScorecard().fit(X.iloc[again], y[again])
    pd.testing.assert_frame_equal(weighted.table(), repeated.table(), check_exact=True)
    assert weighted.to_json() == repeated.to_json()
    with pytest.raises(ValueError, match="'sample_weight' must be a whole number in every row"):
        CreditScorecard().fit(X, y, sample_weight=times + 0.5)
    with pytest.raises(ValueError, match="sample_weight"):
        CreditScorecard().fit(X, y, sample_weight=-times)
