"""Reasons: exact for every row, the same as independent oracles, and said in words with numbers and units."""

from __future__ import annotations

import dataclasses
import itertools
import math
import warnings

import numpy as np
import pandas as pd
import pytest

from tierkit import plot
from tierkit.explain import (
    AdditivityError,
    Reasons,
    check_additivity,
    code_book,
    contributions,
    points_lost,
    reason_codes,
    reasons,
)
from tierkit.explain import shap_explanation as shap_values
from tierkit.features import BONUSES, FEATURES, is_structure, monotone, read_by
from tierkit.plot import fonts
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.records import SHANGHAI, SIZES
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

SECTORS = SHANGHAI.ids("sector")

with warnings.catch_warnings():  # shap's import uses what matplotlib means to deprecate
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap

N = 1200


@pytest.fixture(scope="module", name="X")
def features() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(index=pd.Index([f"e{i}" for i in range(N)], name="enterprise_id"))
    for feature in FEATURES:
        if feature.levels:
            levels = {"sector": SECTORS, "size": SIZES}.get(feature.levels, ("private", "state"))
            frame[feature.name] = pd.Categorical(rng.choice(levels, N), list(levels))
        elif feature.unit.en in ("years", "days", "10k CNY", "persons"):
            frame[feature.name] = rng.lognormal(3, 1, N)
        else:
            frame[feature.name] = rng.poisson(0.4, N).astype(float)
    frame.loc[frame.index[::9], "employees"] = np.nan
    return frame


@pytest.fixture(scope="module")
def models(X: pd.DataFrame) -> tuple[RiskModel, CreditScorecard]:
    rng = np.random.default_rng(6)
    margin = -2 + 0.9 * X["findings_1y"] + 0.7 * X["substantiated_1y"] + 0.4 * (X["sector"] == "catering")
    y = (rng.random(N) < 1 / (1 + np.exp(-margin))).astype(int)
    risk = RiskModel(n_trees=40).fit(X[read_by("risk")], y).calibrate(X[read_by("risk")], y)
    bad = -2 + 1.2 * X["arrears_open"] + 0.9 * X["penalties_open"] - 0.3 * X["honours_2y"]
    event = (rng.random(N) < 1 / (1 + np.exp(-bad))).astype(int)
    return risk, CreditScorecard().fit(X[read_by("credit")], event)


@pytest.fixture(scope="module")
def scores(X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard]) -> pd.DataFrame:
    risk, credit = models
    return pd.DataFrame({
        "enterprise_id": X.index, "sector": X["sector"].to_numpy(),
        "risk_probability": risk.predict_proba(X[read_by("risk")])[:, 1],
        "credit_points": credit.points(X[read_by("credit")]),
    })  # fmt: skip


def test_shapley_values_are_shaps_and_add_up(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard]
) -> None:
    # What is a bonus starts from having none, which shap's own values know nothing of.
    plain = X[[name for name in read_by("risk") if name not in BONUSES]]
    y = models[0].predict_proba(X[read_by("risk")])[:, 1] > np.random.default_rng(7).random(N)
    risk = RiskModel(n_trees=40).fit(plain, y.astype(int))
    explanation = shap_values(risk, X)
    margin = risk.margin(plain)
    oracle = shap.TreeExplainer(risk.booster_)(risk.matrix(plain))
    ours, theirs = (np.asarray(one.values) for one in (explanation, oracle))
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
    np.testing.assert_allclose(ours.sum(axis=1) + explanation.base_values, margin, atol=1e-9)
    assert explanation.unit == "log-odds"
    assert explanation[3].output_names == "risk margin (log-odds), path-dependent"
    assert explanation.game == "path-dependent"


@pytest.mark.parametrize("last", ["d", "honours_2y"])
def test_shapley_values_are_those_of_brute_force(last: str) -> None:
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(400, 4)), columns=["a", "b", "c", last])
    X[last] = rng.poisson(0.8, 400).astype(float)
    y = (X["a"] * X["b"] + X["c"] - X[last] > -0.4).astype(int)
    model = RiskModel(n_trees=3, n_leaves=6).fit(X, y)
    trees = model.booster_.dump_model()["tree_info"]

    def expected(node: dict, row: np.ndarray, known: frozenset[int]) -> float:  # type: ignore[type-arg]
        if "leaf_value" in node:
            return float(node["leaf_value"])
        left, right = node["left_child"], node["right_child"]
        if node["split_feature"] in known:
            return expected(left if row[node["split_feature"]] <= node["threshold"] else right, row, known)
        if X.columns[node["split_feature"]] in BONUSES:  # who has none stands in for what is not known
            return expected(left if node["threshold"] >= 0 else right, row, known)
        weights = [child.get("internal_count", child.get("leaf_count")) for child in (left, right)]
        values = [expected(child, row, known) for child in (left, right)]
        return float(np.average(values, weights=weights))

    def game(row: np.ndarray, known: frozenset[int]) -> float:
        return sum(expected(tree["tree_structure"], row, known) for tree in trees)

    assert any("'split_feature': 3" in str(tree) for tree in trees)
    values, base = contributions(model, X.iloc[:8])
    for i in range(8):
        row = X.iloc[i].to_numpy()
        assert base == pytest.approx(game(row, frozenset()), abs=1e-9)
        for j in range(4):
            others = [k for k in range(4) if k != j]
            total = 0.0
            for size in range(4):
                weight = math.factorial(size) * math.factorial(3 - size) / math.factorial(4)
                for chosen in itertools.combinations(others, size):
                    total += weight * (game(row, frozenset({*chosen, j})) - game(row, frozenset(chosen)))
            assert values[i, j] == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("over", [None, 50])
def test_a_merit_is_a_bonus_and_having_none_is_no_reason(over: int | None, X: pd.DataFrame) -> None:
    rng = np.random.default_rng(8)
    good = X["honours_2y"] + X["certificates_3y"] + X["self_check_1y"]
    y = (rng.random(N) < 1 / (1 + np.exp(1.0 + 1.5 * good - X["findings_1y"] - X["penalties_open"]))).astype(
        int
    )
    risk = RiskModel(monotone("risk"), n_trees=40).fit(X[read_by("risk")], y).calibrate(X[read_by("risk")], y)
    credit = CreditScorecard(monotone=monotone("credit")).fit(X[read_by("credit")], y)
    background = None if over is None else X.iloc[:over]
    values, base = contributions(risk, X, background)
    effects = pd.DataFrame(values, index=X.index, columns=list(risk.inputs_.names))
    lost = points_lost(credit, X).lost
    assert list(BONUSES) == ["honours_2y", "certificates_3y", "self_check_1y"]
    for name, none in BONUSES.items():
        has = X[name] > none
        assert not effects.loc[~has, name].any()
        assert (effects.loc[has, name] < 0).all()
        assert not lost.loc[~has, name].any()
        assert (lost.loc[has, name] < 0).all()
    bare = X.assign(**BONUSES)
    start = risk.margin((bare if background is None else background.assign(**BONUSES))[read_by("risk")])
    if background is not None:
        assert base == pytest.approx(start.mean(), abs=1e-9)
    best = points_lost(credit, bare)
    assert best.best == points_lost(credit, X).best
    assert (best.lost.to_numpy() >= 0).all()
    scores = pd.DataFrame({
        "enterprise_id": X.index, "sector": X["sector"].to_numpy(),
        "risk_probability": risk.predict_proba(X[read_by("risk")])[:, 1],
        "credit_points": credit.points(X[read_by("credit")]),
    })  # fmt: skip
    policy = Policy.load("jiading-2025")
    assigned = assign(scores, policy)
    without = {one.none.text(lang) for one in FEATURES if one.bonus and one.none for lang in ("zh", "en")}
    for one in X.index[:: N // 12]:
        why = reasons(risk, credit, X, assigned, policy, one, background=background)
        said = " ".join([*why.sentences("zh", top=60), *why.sentences("en", top=60)])
        assert not [sentence for sentence in without if sentence.rstrip("。.") in said]
        gained = sum(reason.effect for reason in why.of("credit") if reason.effect > 0)
        assert (
            ("另加" in why.credit_sentence("zh"))
            == (gained > 0)
            == bool((X.loc[one, list(BONUSES)] > 0).any())
        )


@pytest.mark.parametrize("shift", [1e-6, -1e-6, np.nan, np.inf])
def test_what_does_not_add_up_is_refused(shift: float) -> None:
    values = np.array([[0.5, -0.25], [0.1, 0.2]])
    score = values.sum(axis=1) - 2
    check_additivity(values, -2.0, score)
    with pytest.raises(AdditivityError, match="1 of 2 rows do not add up; row 1"):
        check_additivity(values, -2.0, score + np.array([0.0, shift]))


def test_explaining_with_another_models_margin_is_refused(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard], monkeypatch: pytest.MonkeyPatch
) -> None:
    risk, _ = models
    margin = risk.margin(X[read_by("risk")])
    monkeypatch.setattr(RiskModel, "margin", lambda self, rows: margin + 1e-6)
    with pytest.raises(AdditivityError, match=f"{N} of {N} rows"):
        shap_values(risk, X)


def test_points_lost_lead_from_the_best_to_the_own_points(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard]
) -> None:
    _, credit = models
    odd = X.copy()
    odd.loc[odd.index[:5], "arrears_open"] = np.nan  # missing where none was at fit
    losses = points_lost(credit, odd)
    assert (losses.lost.drop(columns=list(BONUSES), errors="ignore").to_numpy() >= 0).all()
    np.testing.assert_allclose(
        losses.best - losses.lost.sum(axis=1), credit.points(odd[read_by("credit")]), atol=1e-9
    )
    alone = points_lost(credit, odd.iloc[[7]])
    assert alone.best == losses.best
    pd.testing.assert_frame_equal(alone.lost, losses.lost.iloc[[7]])


def test_a_levels_name_is_shown_and_its_code_kept(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard]
) -> None:
    explanation = shap_values(models[0], X.iloc[:3], lang="zh")
    at = explanation.feature_names.index("监管领域")
    assert explanation.display_data[0, at] == "批发零售" or explanation.display_data[0, at][0] >= "\u4e00"
    assert explanation.data[0, at] == X["sector"].cat.codes.iloc[0]


def test_shaps_own_plots_take_the_explanation(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard]
) -> None:
    explanation = shap_values(models[0], X.iloc[:50], lang="zh")
    with plot.style():
        shap.plots.waterfall(explanation[0], show=False)


def test_no_rows_are_no_error(X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard]) -> None:
    assert shap_values(models[0], X.iloc[:0]).shape == (0, len(read_by("risk")))
    assert reason_codes(*models, X.iloc[:0]).empty


def test_reason_codes_are_the_strongest_of_conduct_then_of_structure_with_their_effects(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard]
) -> None:
    codes = reason_codes(*models, X, k=2)
    values, _ = contributions(models[0], X)
    names = np.array(models[0].inputs_.names)
    structure = [is_structure(name) for name in names]
    for i in (0, 17, 400):
        order = np.lexsort((-np.abs(values[i]), structure, values[i] == 0))[:2]
        assert codes.iloc[i][["risk_reason_1", "risk_reason_2"]].tolist() == names[order].tolist()
        np.testing.assert_array_equal(
            codes.iloc[i][["risk_effect_1", "risk_effect_2"]].astype(float), values[i, order]
        )
    lost = ~codes["credit_reason_1"].isin(list(BONUSES))
    assert (codes.loc[lost, "credit_effect_1"].dropna() < 0).all()
    assert codes["credit_reason_1"].isna().equals(codes["credit_effect_1"].isna())
    assert set(codes["risk_reason_1"].dropna()) <= set(code_book("zh")["code"])
    assert code_book("zh")["code"].tolist() == code_book("en")["code"].tolist()
    with pytest.raises(ValueError, match="must be at least 1"):
        reason_codes(*models, X, k=0)


@pytest.mark.parametrize(
    "name", ["shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025", "minhang-2023"]
)
def test_each_score_has_its_own_sum_and_a_composite_has_one(
    name: str, X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard], scores: pd.DataFrame
) -> None:
    policy = Policy.load(name)
    assigned = assign(scores, policy)
    for enterprise_id in scores["enterprise_id"].iloc[[0, 9, 100]]:
        why = reasons(*models, X, assigned, policy, enterprise_id)
        effects = {axis: math.fsum(r.effect for r in why.of(axis)) for axis in ("risk", "credit")}
        assert why.risk_base + effects["risk"] == pytest.approx(why.risk_margin, abs=1e-9)
        assert why.credit_best + effects["credit"] == pytest.approx(why.credit_points, abs=1e-9)
        assert sum(why.groups("risk").values()) == pytest.approx(effects["risk"], abs=1e-9)
        row = scores.set_index("enterprise_id").loc[enterprise_id]
        assert why.risk_probability == pytest.approx(row["risk_probability"], abs=1e-12)
        one_sum = policy["scoring.logic"] == "composite" and why.tier_reason != "out_of_scope"
        assert (why.composite is not None) is one_sum
        if why.composite:
            start, rounding, total = why.composite
            parts = math.fsum(r.composite or 0.0 for r in why.reasons)
            assert start + parts + rounding == pytest.approx(total, abs=1e-9)
            # What rounds a composite is the grid of the tier rule: 1/16 points and 1/1024 log-odds.
            weight = policy["scoring.composite_risk_weight"]
            assert abs(rounding) <= 1 / 16 + weight / 1024
        assert Reasons.from_dict(why.to_dict()).to_dict() == why.to_dict()


def test_who_stands_at_a_cutoff_is_told_so_and_hysteresis_is_named_where_it_counts(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard], scores: pd.DataFrame
) -> None:
    policy = Policy.load("shanghai-2025")
    first = assign(scores, policy)
    at = first["composite_points"].iloc[0]  # a cut-off just where this enterprise stands
    below, above = sorted({at - 150, at + 150})
    policy = policy.reform({"scoring.composite_cutoffs": [below, at, above]})
    first = assign(scores, policy)
    before = first.assign(weeks_ago=52)
    new, old = (
        reasons(*models, X, assigned, policy, first["enterprise_id"].iloc[0])
        for assigned in (first, assign(scores, policy, before))
    )
    assert abs(new.distance_credit) < 0.2
    assert new.distance_sentence("credit", "en") == (
        "On credit alone, a loss of 0.1 points would change the tier."
    )
    assert old.distance_sentence("credit", "en") == (
        "On credit alone, a loss of 5.1 points would change the tier. "
        "That includes the hysteresis, which keeps a tier that stands."
    )
    assert old.distance_sentence("risk", "zh").endswith("其中已含维持原等级的缓冲。")
    nearly = dataclasses.replace(new, distance_risk=-0.001)
    assert "by less than 0.01 " in nearly.distance_sentence("risk", "en")
    assert "再下降 不到 0.01，" in nearly.distance_sentence("risk", "zh")


def test_boundaries_are_margins_of_the_policys_probabilities(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard], scores: pd.DataFrame
) -> None:
    policy = Policy.load("jiading-2025")
    why = reasons(*models, X, assign(scores, policy), policy, "e3")
    reached = models[0].calibration_.probability(np.array(why.risk_boundaries))
    np.testing.assert_allclose(reached, policy["scoring.risk_cutoffs"], atol=1e-9)


def test_credit_boundaries_are_points_at_which_the_sectors_grade_changes(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard], scores: pd.DataFrame
) -> None:
    sector = str(X.loc["e3", "sector"])
    policy = Policy.load("jiading-2025").reform({f"scoring.sector_offset.{sector}": 37.0})
    cuts = [cut - 37.0 for cut in policy["scoring.credit_cutoffs"]]
    why = reasons(*models, X, assign(scores, policy), policy, "e3")
    np.testing.assert_allclose(why.credit_boundaries, cuts)
    one = scores[scores["enterprise_id"] == "e3"]
    for cut in why.credit_boundaries:
        grades = [
            assign(one.assign(credit_points=cut + by), policy)["credit_grade"].iloc[0] for by in (-1, 1)
        ]
        assert grades[0] != grades[1]
    other = X.index[X["sector"] != sector][0]
    plain = reasons(*models, X, assign(scores, policy), policy, other)
    np.testing.assert_allclose(plain.credit_boundaries, policy["scoring.credit_cutoffs"])


def test_sentences_say_facts_with_numbers_in_the_language_asked_for(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard], scores: pd.DataFrame
) -> None:
    policy = Policy.load("shanghai-2025")
    assigned = assign(scores, policy)
    why = reasons(*models, X, assigned, policy, "e9", lang="en")
    english, chinese = why.sentences("en"), why.sentences("zh")
    assert len(english) == len(chinese)
    assert not any("\u4e00" <= char <= "\u9fff" for sentence in english for char in sentence)
    assert all(any("\u4e00" <= char <= "\u9fff" for char in sentence) for sentence in chinese)
    assert not any(
        feature.name in sentence
        for sentence in english + chinese
        for feature in FEATURES
        if "_" in feature.name
    )
    assert all(sentence.endswith("。") for sentence in chinese)
    assert all(sentence.endswith(".") for sentence in english)
    assert fonts.missing("".join(english + chinese)) == []
    assert list(why.table("zh").columns) == [
        "axis", "feature", "group", "fact", "value", "effect", "unit", "composite",
    ]  # fmt: skip
    assert "<ul><li>" in why._repr_html_()


def test_an_unknown_enterprise_is_said_to_be_unknown(
    X: pd.DataFrame, models: tuple[RiskModel, CreditScorecard], scores: pd.DataFrame
) -> None:
    policy = Policy.load("jiading-2025")
    assigned = assign(scores, policy)
    with pytest.raises(KeyError, match="'nobody' has no features"):
        reasons(*models, X, assigned, policy, "nobody")
    with pytest.raises(KeyError, match="'e0' has no tier"):
        reasons(*models, X, assigned.iloc[1:], policy, "e0")


def test_a_feature_that_is_not_ours_is_still_explained() -> None:
    X = pd.DataFrame({"own <b>": np.repeat([0.0, 3.0], 200)}, index=[f"e{i}" for i in range(400)])
    y = np.r_[np.repeat([0, 1], [180, 20]), np.repeat([0, 1], [100, 100])]
    risk, credit = RiskModel(n_trees=20).fit(X, y), CreditScorecard().fit(X, y)
    scores = pd.DataFrame({"enterprise_id": X.index, "sector": "food"})
    scores["risk_probability"], scores["credit_points"] = risk.predict_proba(X)[:, 1], credit.points(X)
    jiading = Policy.load("jiading-2025")
    why = reasons(risk, credit, X, assign(scores, jiading), jiading, "e399", lang="en")
    assert why.of("risk")[0].fact("en") == "own <b> = 3.0"
    assert "<b> =" not in why._repr_html_()


SHAP_PLOTS = {
    "bar": lambda shap, e: shap.plots.bar(e, show=False),
    "bar, one row": lambda shap, e: shap.plots.bar(e[0], show=False),
    "bar, largest": lambda shap, e: shap.plots.bar(e.abs.max(0), show=False),
    "bar, ordered": lambda shap, e: shap.plots.bar(e, order=e.abs.max(0), show=False),
    "bar, cohorts": lambda shap, e: shap.plots.bar(e.cohorts(2).abs.mean(0), show=False),
    "beeswarm": lambda shap, e: shap.plots.beeswarm(e, show=False),
    "beeswarm, by largest": lambda shap, e: shap.plots.beeswarm(e, order=e.abs.max(0), show=False),
    "beeswarm, by mean": lambda shap, e: shap.plots.beeswarm(e, order=e.abs.mean(0), show=False),
    "beeswarm, by a chain": lambda shap, e: shap.plots.beeswarm(
        e, order=shap.Explanation.abs.max(0), show=False
    ),
    "violin": lambda shap, e: shap.plots.violin(e, show=False),
    "waterfall": lambda shap, e: shap.plots.waterfall(e[0], show=False),
    "heatmap": lambda shap, e: shap.plots.heatmap(e, show=False),
    "heatmap, by sum": lambda shap, e: shap.plots.heatmap(e, instance_order=e.sum(1), show=False),
    "heatmap, by largest": lambda shap, e: shap.plots.heatmap(e, feature_values=e.abs.max(0), show=False),
    "scatter": lambda shap, e: shap.plots.scatter(e[:, "a"], show=False),
    "scatter, coloured": lambda shap, e: shap.plots.scatter(e[:, "a"], color=e, show=False),
    "scatter, all": lambda shap, e: shap.plots.scatter(e, show=False),
    "force": lambda shap, e: shap.plots.force(e[:20]),
    "force, one row": lambda shap, e: shap.plots.force(e[0], matplotlib=True, show=False),
    "decision": lambda shap, e: shap.plots.decision(
        float(e[0].base_values),
        e[:20].values,
        feature_names=list(e.feature_names),
        show=False,
    ),
    "embedding": lambda shap, e: shap.plots.embedding(
        "a", e.values, feature_names=list(e.feature_names), show=False
    ),
    "group_difference": lambda shap, e: shap.plots.group_difference(
        e.values, e.data[:, 0] > 0.5, list(e.feature_names), show=False
    ),
    "monitoring": lambda shap, e: shap.plots.monitoring(
        0, e.values, e.data, feature_names=list(e.feature_names), show=False
    ),
}
NOT_OF_VALUES = {"benchmark", "colors", "image", "image_to_text", "initjs", "partial_dependence", "text"}


@pytest.fixture(scope="module")
def explanation():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.random(120), "b": rng.random(120), "c": rng.integers(0, 3, 120).astype(float)})
    X["size"] = pd.Categorical(rng.choice(["s", "m"], 120))
    return shap_values(RiskModel(n_trees=5).fit(X, X["a"] + X["b"] + rng.random(120) > 1.5), X)


@pytest.mark.parametrize("name", SHAP_PLOTS)
@pytest.mark.filterwarnings("ignore")  # shap's own, on what NumPy and matplotlib mean to change
def test_every_plot_of_shap_takes_the_explanation(name, explanation):
    import matplotlib.pyplot as plt

    SHAP_PLOTS[name](shap, explanation)
    plt.close("all")


def test_no_plot_of_values_by_row_and_feature_is_left_out():
    there = {one for one in dir(shap.plots) if not one.startswith("_")} - {"matplotlib"}
    assert there - NOT_OF_VALUES == {name.partition(",")[0] for name in SHAP_PLOTS}


def test_slices_and_sums_of_an_explanation_keep_what_it_is(explanation):
    for one in (explanation[3], explanation[:, "a"], explanation[:9].abs.max(0), explanation[3].abs):
        assert one.output_names == "risk margin (log-odds), path-dependent"
        assert (one.unit, one.game) == ("log-odds", "path-dependent")
    assert explanation[3].base_values == explanation.base_values[3]
