"""The refit on all rows: what it is fitted on, where its level comes from, and when it is left."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from test_ensemble import credit_rows
from test_tuning import made

from tierkit.scores import refitting
from tierkit.scores.baselines import ahead
from tierkit.scores.calibration import Calibration
from tierkit.scores.doubts import doubts
from tierkit.scores.ensemble import Ensemble
from tierkit.scores.fitting import SETTINGS, fit_risk, new_model
from tierkit.scores.metrics import calibration_error
from tierkit.scores.refitting import refit_risk
from tierkit.scores.training_rows import Split, TrainingRows, time_split
from tierkit.scores.trees import read_trees


@pytest.fixture(scope="module")
def rows() -> TrainingRows:
    return made(1200)


@pytest.fixture(scope="module")
def split(rows: TrainingRows) -> Split:
    return time_split(rows.rows["as_of"])


def test_the_trees_are_of_all_rows_and_the_level_of_rows_that_were_foretold(
    rows: TrainingRows, split: Split
) -> None:
    found = refit_risk(rows, split)
    assert found.held
    grown = {}
    for name, part in (("before", ~split.test), ("every", np.ones(len(rows.y), bool))):
        grown[name] = new_model(rows).fit(rows.X[part], rows.y[part], rows.weight[part])
    tested = fit_risk(rows, split)
    np.testing.assert_array_equal(found.risk.margin(rows.X), grown["every"].margin(rows.X))
    np.testing.assert_array_equal(found.tested.predict_proba(rows.X), tested.predict_proba(rows.X))
    own, earlier, first = (one.margin(rows.X) for one in (grown["every"], grown["before"], tested))
    foretold = np.r_[
        first[split.calibrate] - first.mean() + own.mean(), earlier[split.test] - earlier.mean() + own.mean()
    ]
    later = np.r_[np.flatnonzero(split.calibrate), np.flatnonzero(split.test)]
    level = Calibration.fit(foretold, rows.y[later], rows.weight[later])
    assert found.risk.calibration_.log_odds([-2.0, 0.0]) == pytest.approx(level.log_odds([-2.0, 0.0]))
    before, part = ~split.test, split.calibrate
    moved = first[part] - first[before].mean() + earlier[before].mean()
    chance = Calibration.fit(moved, rows.y[part], rows.weight[part]).probability(earlier[split.test])
    weight = rows.weight[split.test]
    assert found.error == pytest.approx(calibration_error(rows.y[split.test], chance, sample_weight=weight))


def test_the_tested_model_reads_nothing_of_the_test_part(rows: TrainingRows, split: Split) -> None:
    y = np.where(split.test, 1 - rows.y, rows.y)
    found, other = refit_risk(rows, split, newest=False), refit_risk(replace(rows, y=y), split, newest=False)
    np.testing.assert_array_equal(found.tested.predict_proba(rows.X), other.tested.predict_proba(rows.X))
    assert (found.risk.margin(rows.X) != other.risk.margin(rows.X)).any()  # and the refit does


def test_a_level_that_moves_is_that_of_the_newest_rows(
    rows: TrainingRows, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {**SETTINGS, "n_trees": 10}
    told = {}
    for error in (0.02, 0.06):
        monkeypatch.setattr(refitting, "_error", lambda *_, error=error: (error, 0.03))
        found = refit_risk(rows, split, few)
        assert found.report() == {"held": error < 0.03, "error": error, "bound": 0.03}
        told[found.held] = found.risk.calibration_
    assert told[True] != told[False]
    for newest in (True, False):
        assert refit_risk(rows, split, few, newest=newest).risk.calibration_ == told[not newest]


def test_a_level_that_jumps_is_found(rows: TrainingRows, split: Split) -> None:
    jumped = replace(rows, y=np.where(split.test, 1, rows.y))
    jumped.y[np.flatnonzero(split.test)[::2]] = 0
    found = refit_risk(jumped, split, {**SETTINGS, "n_trees": 10})
    assert not found.held
    told = found.risk.predict_proba(rows.X[split.test])[:, 1].mean()
    assert told == pytest.approx(0.5, abs=0.05)


def test_a_level_by_audits_is_foretold_by_lots(rows: TrainingRows, split: Split) -> None:
    few = {**SETTINGS, "n_trees": 10}
    found = refit_risk(rows, split, few, "audits")
    every = np.ones(len(rows.y), bool)
    whole = fit_risk(rows, replace(split, train=every, calibrate=~every), few, "audits")
    assert found.risk.calibration_ == whole.calibration_
    np.testing.assert_array_equal(found.risk.margin(rows.X), whole.margin(rows.X))


def test_members_are_fitted_as_the_model_is(rows: TrainingRows, split: Split) -> None:
    few = {**SETTINGS, "n_trees": 10}
    own = {
        newest: Ensemble.fit(rows, credit_rows(), split, 2, few, newest=newest).log_odds(rows.X[:50])
        for newest in (True, False)
    }
    assert (own[True] != own[False]).any()
    y = np.where(split.test, 1 - rows.y, rows.y)
    other = Ensemble.fit(replace(rows, y=y), credit_rows(), split, 2, few).log_odds(rows.X[:50])
    assert (other != own[False]).any()  # the newest rows are read


def test_the_stated_trees_ask_one_question_each(rows: TrainingRows, split: Split) -> None:
    trees = read_trees(refit_risk(rows, split, newest=False).risk.to_parts()[0]).trees
    assert max(tree.feature.size for tree in trees) == 1
    assert len(trees) == SETTINGS["n_trees"]


def test_a_simple_score_that_is_ahead_beyond_chance_is_said() -> None:
    def row(score: str, auc: float, high: float | None, enough: bool = True) -> dict[str, object]:
        return {
            "score": score, "auc": auc, "auc_behind": 0.6 - auc, "auc_behind_low": 2 * (0.6 - auc),
            "auc_behind_high": high, "enough": enough,
        }  # fmt: skip

    table = [
        row("model", 0.6, 0.0), row("size", 0.62, 0.01), row("last result", 0.7, -0.05),
        row("logistic regression", 0.75, -0.1), row("sector rate", 0.9, -0.2, enough=False),
        row("longest unvisited", 0.7, None),
    ]  # fmt: skip
    assert [one["score"] for one in ahead(table)] == ["logistic regression", "last result"]
    manifest = {"risk": {"baselines": {"test": table}}}
    said = doubts(manifest, "en")
    assert len(said) == 2
    assert said[0].startswith("A simple score, logistic regression, orders the later inspections better than")
    assert "AUC 0.750 against 0.600, ahead by 0.150 (95% interval 0.100 to 0.300)" in said[0]
    assert "领先0.150" in doubts(manifest, "zh")[0]
    refit = {"held": False, "error": 0.06, "bound": 0.03}
    [said_of_level] = doubts({"risk": {"refit": refit}}, "en")
    assert "(calibration error 0.060, chance allows 0.030)" in said_of_level


def test_the_days_of_a_split_split_the_same_rows(rows: TrainingRows, split: Split) -> None:
    from tierkit.scores.training_rows import split_at

    again = split_at(rows.rows["as_of"], split.calibrate_from, split.test_from)
    for name in ("train", "calibrate", "test"):
        np.testing.assert_array_equal(getattr(again, name), getattr(split, name))
    none = pd.Series([], dtype="datetime64[us]")
    assert split_at(none, split.calibrate_from, split.test_from).test.size == 0
