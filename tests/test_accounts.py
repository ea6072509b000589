"""What each feature adds for many enterprises: exact, the same as for one, and the same as a batch writes."""

import numpy as np
import pandas as pd
import pytest
from shared import CITY, DAY, model_folder

import tierkit as tk
from tierkit.explain import background, reason_codes
from tierkit.features import BONUSES


@pytest.fixture(scope="module")
def model() -> tk.Model:
    return tk.Model.load(model_folder())


@pytest.fixture(scope="module")
def parts(model: tk.Model):
    return tk.contributions(model, CITY, DAY)


def test_both_accounts_add_up_for_everybody(model: tk.Model, parts) -> None:
    scores = model.score(CITY, DAY).set_index("enterprise_id")
    assert parts.risk.index.equals(parts.credit.index)
    assert parts.risk.index.tolist() == scores.index.tolist()
    assert (parts.risk_base + parts.risk.sum(axis=1) - scores["risk_margin"]).abs().max() < 1e-9
    assert (parts.credit_best + parts.credit.sum(axis=1) - scores["credit_points"]).abs().max() < 1e-9
    merits = parts.credit.columns.intersection(list(BONUSES))
    assert len(merits)
    assert (parts.credit[merits] >= 0).all(axis=None)
    assert (parts.credit.drop(columns=merits) <= 0).all(axis=None)


def test_some_have_the_account_that_they_have_among_all(model: tk.Model, parts) -> None:
    some = parts.risk.index[[7, 3, 20]]
    few = tk.contributions(model, CITY, DAY, some)
    pd.testing.assert_frame_equal(few.risk, parts.risk.loc[some], check_exact=True)
    pd.testing.assert_frame_equal(few.credit, parts.credit.loc[some], check_exact=True)


def test_effects_are_those_of_the_reasons_of_one(model: tk.Model, parts) -> None:
    one = parts.risk.index[11]
    why = tk.explain(model, CITY, DAY, one)
    frame = parts.to_frame().query("enterprise_id == @one and effect != 0")
    told = frame.set_index(["axis", "feature"])["effect"].to_dict()
    assert told == {(reason.axis, reason.feature): reason.effect for reason in why.reasons}


def test_codes_are_those_of_a_batch(model: tk.Model, parts) -> None:
    expected = reason_codes(model.risk, model.credit, tk.features(CITY, DAY), 2)
    pd.testing.assert_frame_equal(parts.codes(2), expected, check_exact=True)
    with pytest.raises(ValueError, match="'k' parameter must be at least 1"):
        parts.codes(0)


def test_a_background_may_be_given_or_drawn(model: tk.Model) -> None:
    X = tk.features(CITY, DAY)
    one = [X.index[0]]
    drawn = tk.contributions(model, CITY, DAY, one, background=40, seed=3)
    given = tk.contributions(model, CITY, DAY, one, background=background(X, 40, 3))
    pd.testing.assert_frame_equal(drawn.risk, given.risk, check_exact=True)
    assert "40 enterprises" in drawn.sentences("en")[0]
    with pytest.raises(tk.InputError, match="'background' must be a whole number from 1"):
        tk.contributions(model, CITY, DAY, one, background=0)


def test_shap_is_handed_the_same_values(model: tk.Model) -> None:
    parts = tk.contributions(model, CITY, DAY, tk.features(CITY, DAY).index[:5])
    handed = parts.to_shap("en")
    np.testing.assert_array_equal(handed.values, parts.risk.to_numpy())
    assert set(handed.base_values) == {parts.risk_base}
    assert parts.sentences("zh")[0].endswith("。")
    assert len(parts.to_dict()["rows"]) == 5 * (parts.risk.shape[1] + parts.credit.shape[1])


def test_calibration_is_on_the_rows_that_the_model_never_saw(model: tk.Model) -> None:
    tested = model.manifest["risk"]["metrics"]
    every, audits = (model.calibration(CITY, 4, channel=one) for one in (None, "random"))
    for table, name in ((every, "test"), (audits, "test_random_audits")):
        assert (table["n"].sum(), table["events"].sum()) == (tested[name]["n"], tested[name]["events"])
    assert np.average(every["predicted"], weights=every["weight"]) == pytest.approx(
        tested["test"]["predicted"]
    )
    with pytest.raises(tk.InputError, match="did you mean 'random'"):
        model.calibration(CITY, channel="randm")


def test_monitoring_is_against_the_bands_of_training(model: tk.Model) -> None:
    from tierkit.scores.monitoring import Bands, monitor

    X = tk.features(CITY, DAY)[list(model.credit.inputs_.names)]
    expected = monitor(model.credit, X, Bands.from_dict(model.manifest["credit"]["bands"]))
    pd.testing.assert_frame_equal(model.monitor(CITY, DAY).table, expected.table)


def test_finding_rates_weigh_as_training_does() -> None:
    from tierkit.scores.training_rows import training_frame

    rates = tk.evaluate.finding_rates(CITY, DAY)
    rows = training_frame(CITY, DAY, "weighted")
    assert rates.loc["weighted", "value"] == pytest.approx(np.average(rows.y, weights=rows.weight))
    assert rates.loc["naive", "value"] == training_frame(CITY, DAY, "naive").y.mean()
    assert ((rates["low"] < rates["value"]) & (rates["value"] < rates["high"])).all()
    with pytest.raises(tk.InputError, match="day"):
        tk.evaluate.finding_rates(CITY, 20241230)


def test_labels_are_those_of_a_column_in_either_language() -> None:
    data = tk.read(CITY)
    for lang in ("zh", "en"):
        labels = data.labels("channel", lang)
        assert set(data["inspections"]["channel"].dropna()) <= set(labels)
    assert data.labels("tier", "zh")["T1"] != data.labels("tier", "en")["T1"]
    with pytest.raises(tk.InputError, match="did you mean 'channel'"):
        data.labels("chanel")


def test_arms_may_be_named() -> None:
    with pytest.raises(tk.InputError, match="did you mean 'discovered'"):
        tk.evaluate.runaway(400, arms=["discoverd"])


def test_the_scoreboard_of_a_comparison_is_that_of_its_headline() -> None:
    from tierkit.compare.agencies import scoreboard

    done = tk.compare(tk.world_of(tk.synth(80, seed=1)), "legacy", "jinshan-2025", replicates=2, weeks=8)
    expected = scoreboard(done.summary, kappa=0.1, weeks=8)
    pd.testing.assert_frame_equal(done.scoreboard().rows, expected.rows)
