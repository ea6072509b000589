"""Tuning by time, which never reads what is to be tested; and what sets the level of the risk."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import t as student
from sklearn.metrics import log_loss

from tierkit.scores.fitting import SETTINGS, fit_risk, new_model
from tierkit.scores.training_rows import Split, TrainingRows, lots, time_split
from tierkit.scores.tuning import ORIGINS, SPACE, _mean, tune


def made(n: int = 3000, seed: int = 0, slope: float = 1.0) -> TrainingRows:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"findings_1y": rng.poisson(0.6, n).astype(float), "age_years": rng.gamma(2, 3, n)})
    y = (rng.random(n) < expit(-2 + slope * X["findings_1y"] - 0.1 * X["age_years"])).astype(np.int64)
    days = pd.Timestamp("2023-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 700, n)), unit="D")
    channel = np.where(rng.random(n) < 0.3, "random", "routine")
    ids = [f"e{k}" for k in rng.integers(0, n // 2, n)]
    rows = pd.DataFrame({"enterprise_id": ids, "as_of": days, "channel": channel})
    return TrainingRows(X, y, rng.uniform(0.5, 1.5, n), rows)


def test_it_keeps_to_its_budget_and_to_its_space() -> None:
    rows = made(1000)
    found = tune(rows, 3, seed=3)
    assert len(found.candidates) == 4
    assert len(found.candidates.drop_duplicates(list(SPACE))) == 4
    assert found.candidates.loc[0, list(SPACE)].to_dict() == dict(SETTINGS)
    for name, values in SPACE.items():
        assert set(found.candidates[name]) <= set(values)
    best = found.candidates.loc[found.candidates["log_loss"].idxmin()]
    assert best["chosen"]
    assert found.candidates["chosen"].sum() == 1
    assert found.chosen == best[list(SPACE)].to_dict()
    assert (found.candidates.loc[0, ["difference", "difference_low", "difference_high"]] == 0).all()
    again = tune(rows, 3, seed=3)
    pd.testing.assert_frame_equal(again.candidates, found.candidates, check_exact=True)
    more = tune(rows, 4, seed=3)
    pd.testing.assert_frame_equal(more.candidates.loc[:3, list(SPACE)], found.candidates[list(SPACE)])
    assert found.to_dict()["budget"] == 3
    assert "log_loss" in found._repr_html_()


def test_nothing_of_the_calibration_and_test_parts_is_read() -> None:
    rows = made(1200)
    split = time_split(rows.rows["as_of"])
    rng = np.random.default_rng(1)
    later = ~split.train
    X, y, weight = rows.X.copy(), rows.y.copy(), rows.weight.copy()
    X.loc[later] = rng.permutation(X.loc[later].to_numpy() * 9 + 1)
    y[later] = 1 - y[later]
    weight[later] = 7.0
    found, other = tune(rows, 1, split), tune(replace(rows, X=X, y=y, weight=weight), 1, split)
    pd.testing.assert_frame_equal(found.candidates, other.candidates, check_exact=True)
    assert found.until < pd.Timestamp(split.calibrate_from)
    # and it can fail: what lies before is read
    y[split.train] = 1 - y[split.train]
    assert (tune(replace(rows, y=y), 1, split).candidates["log_loss"] != found.candidates["log_loss"]).any()


def test_the_loss_is_that_of_rolling_origins_by_hand() -> None:
    rows = made()
    split = time_split(rows.rows["as_of"])
    found = tune(rows, 1, split)
    days = rows.rows["as_of"][split.train].to_numpy()
    borders = [days[int(share * len(days))] for share in ORIGINS]
    assert list(found.origins) == [pd.Timestamp(one) for one in borders]
    losses = []
    for k, start in enumerate(borders):
        end = borders[k + 1] if k + 1 < len(borders) else days.max() + np.timedelta64(1, "D")
        when = rows.rows["as_of"].to_numpy()
        before, after = when < start, (when >= start) & (when < end)
        model = new_model(rows).fit(rows.X[before], rows.y[before], rows.weight[before])
        losses.append(
            log_loss(
                rows.y[after], model.predict_proba(rows.X[after])[:, 1], sample_weight=rows.weight[after]
            )
        )
    assert found.candidates.loc[0, "log_loss"] == pytest.approx(np.mean(losses))


def test_the_intervals_hold_for_the_best_of_many() -> None:
    # Twenty settings that are all alike, over four origins: one by one, 95 % intervals of the best of them
    # leave out zero far more often than in one of twenty draws.
    draws = np.random.default_rng(0).normal(size=(1000, 20, 4))
    best = draws.mean(axis=2).argmin(axis=1)
    missed = {}
    for tried in (1, 20):
        _, low, high = _mean(draws, tried)
        own = (np.arange(1000), best)
        missed[tried] = ((low[own] > 0) | (high[own] < 0)).mean()
    assert missed[1] > 0.2
    assert missed[20] < 0.05
    few, many = (tune(made(1000), budget, seed=3).candidates.iloc[1] for budget in (1, 3))
    for name, tried in (("", (2, 4)), ("difference_", (1, 3))):
        wide = [student.ppf(1 - 0.025 / k, 3) for k in tried]
        spread = [one[f"{name}high"] - one[f"{name}low"] for one in (few, many)]
        assert spread[1] / spread[0] == pytest.approx(wide[1] / wide[0])


def test_what_cannot_be_tuned_is_said() -> None:
    rows = made(400)
    for budget in (0, 375):
        with pytest.raises(ValueError, match=r"must be in 1 … 374"):
            tune(rows, budget)
    none = np.zeros(400, np.int64)
    none[-1] = 1
    with pytest.raises(ValueError, match="too short to be tuned"):
        tune(replace(rows, y=none), 1)


def test_the_level_may_come_from_audits_alone() -> None:
    # Routine rows were chosen by what is not recorded: they find more than the audits, whatever their weight.
    rows = made(12_000, slope=0.5)
    rng = np.random.default_rng(2)
    routine = (rows.rows["channel"] == "routine").to_numpy()
    y = np.where(routine & (rng.random(len(rows.y)) < 0.15), 1, rows.y)
    rows = replace(rows, y=y, weight=np.ones(len(y)))
    split = time_split(rows.rows["as_of"])
    right = y[~routine].mean()
    by_scheme, by_audits = (
        fit_risk(rows, split, level=level).predict_proba(rows.X)[:, 1].mean()
        for level in ("scheme", "audits")
    )
    assert by_scheme - right > 0.05
    assert abs(by_audits - right) < 0.02  # four standard errors: 2,900 audits at 17 %, and their features
    with pytest.raises(ValueError, match="'level' must be one of scheme, audits"):
        fit_risk(rows, split, level="none")  # type: ignore[arg-type]


def test_cross_fitted_margins_are_of_models_that_never_saw_the_enterprise() -> None:
    rows = made(2000)
    split = time_split(rows.rows["as_of"])
    audits = (rows.rows["channel"] == "random").to_numpy()
    lot = lots(rows.rows["enterprise_id"], "fold 0") % np.uint64(5)
    model = fit_risk(rows, split, level="audits")
    margin = np.zeros(len(rows.y))
    margin[split.calibrate] = model.margin(rows.X[split.calibrate])
    for fold in range(5):
        rest, mine = split.train & (lot != fold), split.train & (lot == fold)
        assert not set(rows.rows["enterprise_id"][rest]) & set(rows.rows["enterprise_id"][mine])
        other = new_model(rows).fit(rows.X[rest], rows.y[rest], rows.weight[rest])
        margin[mine] = other.margin(rows.X[mine])
    used = audits & ~split.test
    # Fitting the same calibration by hand moves nothing.
    from tierkit.scores.calibration import Calibration

    assert Calibration.fit(margin[used], rows.y[used], rows.weight[used]) == model.calibration_


def test_audits_that_are_missing_leave_the_margin_as_it_is() -> None:
    rows = made(1000)
    rows = replace(rows, rows=rows.rows.assign(channel="routine"))
    split: Split = time_split(rows.rows["as_of"])
    assert fit_risk(rows, split, level="audits").calibration_.kind == "none"


def test_origins_that_are_all_alike_have_no_interval() -> None:
    mean, low, high = _mean(np.array([[0.3] * 4, [0.0] * 4, [0.1, 0.2, 0.3, 0.4]]), 3)
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == (0, 0)
    assert low[2] < mean[2] < high[2]
