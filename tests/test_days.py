"""A day has one form, and every public function that takes one refuses all others in the same sentence."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tierkit import report
from tierkit.city.scored import table_of, world_from_scores
from tierkit.city.synth import make, world_at
from tierkit.evaluate import logged
from tierkit.evaluate.assessment import assess
from tierkit.evaluate.backtest import backtest
from tierkit.evaluate.fairness.groups import group_of
from tierkit.evaluate.history.estimation import estimate
from tierkit.evaluate.stability import tier_stability
from tierkit.evaluate.targets import severities
from tierkit.explain import evidence, explain, features_held, recourse, revoked
from tierkit.explain.asking import portraits
from tierkit.explain.recourse import repair
from tierkit.features import build, build_rows
from tierkit.jobs import scoring
from tierkit.plot import timeline
from tierkit.policy import Policy
from tierkit.policy.reviews import latest
from tierkit.policy.tiers import assign
from tierkit.records import Dataset, read_dataset
from tierkit.records.gate import InputError, days_of
from tierkit.records.known import known
from tierkit.scores.model import Model
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard
from tierkit.scores.train import train
from tierkit.scores.training_rows import credit_frame, training_frame

WRONG = {
    "int": 20241230,
    "zoned": pd.Timestamp("2024-12-30", tz="Asia/Shanghai"),
    "other order": "03/04/2024",
    "missing": pd.NaT,
    "time of day": pd.Timestamp("2024-12-30 08:00"),
}


class City:
    """Records, a small model of theirs and one enterprise."""

    def __init__(self) -> None:
        self.data: Dataset = read_dataset("data/synthetic")
        X = build(self.data, "2024-12-30")
        risk = RiskModel(n_trees=5).fit(X[["findings_2y"]], X["complaints_1y"] > 0)
        credit = CreditScorecard().fit(X[["adverse_2y"]], X["adverse_open"] > 0)
        self.policy = Policy.load("jiading-2025")
        self.model = Model(risk, credit, self.policy, {"as_of": "2024-12-30"})
        self.one = X.index[0]
        self.scores = self.model.score(self.data, "2024-12-30")
        with known(self.data, "2024-12-30") as seen:
            self.events = seen.rows("credit_events")
        self.records = report.known_records(self.data, "2024-12-30", [self.one])


@pytest.fixture(scope="module")
def city() -> City:
    return City()


def pairs(one: str, day: Any) -> pd.DataFrame:
    return pd.DataFrame({"enterprise_id": [one], "as_of": [day]})


TAKES_A_DAY: dict[str, Callable[[City, Any], Any]] = {
    "known": lambda c, day: known(c.data, day),
    "build": lambda c, day: build(c.data, day),
    "build_rows": lambda c, day: build_rows(c.data, pairs(c.one, day)),
    "score": lambda c, day: c.model.score(c.data, day),
    "train": lambda c, day: train(c.data, day),
    "training_frame": lambda c, day: training_frame(c.data, day),
    "credit_frame": lambda c, day: credit_frame(c.data, day),
    "assign": lambda c, day: assign(c.scores, c.policy, as_of=day),
    "explain": lambda c, day: explain(c.model, c.data, day, c.one),
    "portraits": lambda c, day: portraits(c.model, c.data, day),
    "recourse": lambda c, day: recourse(c.model, c.data, day, [c.one]),
    "revoked": lambda c, day: revoked(c.model, c.data, day, c.one, ["x"], c.policy),
    "evidence": lambda c, day: evidence(c.data, day, [c.one]),
    "features_held": lambda c, day: features_held(c.data, day, "2024-12-30", [c.one]),
    "features_held later": lambda c, day: features_held(c.data, "2024-01-01", day, [c.one]),
    "open_records": lambda c, day: repair.open_records(c.data, day, [c.one]),
    "repaired": lambda c, day: repair.repaired(c.events, day),
    "credit_path": lambda c, day: repair.credit_path(c.model, c.data, day, [c.one]),
    "sheets": lambda c, day: list(report.sheets(c.model, c.data, day, [c.one], recourse=False)),
    "known_records": lambda c, day: report.known_records(c.data, day, [c.one]),
    "timeline": lambda c, day: timeline(c.records, day),
    "assess": lambda c, day: assess(c.model, c.data, day, c.policy),
    "severities": lambda c, day: severities(c.data, day),
    "logged": lambda c, day: logged(c.data, c.scores, c.policy, day),
    "backtest": lambda c, day: backtest(c.data, day),
    "estimate": lambda c, day: estimate(c.data, day),
    "estimate since": lambda c, day: estimate(c.data, "2024-12-30", since=day),
    "group_of": lambda c, day: group_of(c.data["enterprises"], "age", day),
    "tier_stability": lambda c, day: tier_stability(
        {day: c.scores, dt.date(2025, 1, 30): c.scores}, c.policy
    ),
    "table_of": lambda c, day: table_of(c.data, c.scores, day),
    "world_at": lambda c, day: world_at(c.data, day),
    "world_from_scores": lambda c, day: world_from_scores(table_of(c.data, c.scores, "2024-12-30"), day),
    "latest": lambda c, day: latest(pd.DataFrame({"decided_on": []}), day),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", TAKES_A_DAY)
def test_what_is_no_day_is_refused_in_one_sentence(city: City, name: str, wrong: str) -> None:
    sentence = r"The '\w+' must be one day: a text such as '2024-12-30', .*\. Got .*: .+\."
    with pytest.raises(InputError, match=sentence):
        TAKES_A_DAY[name](city, WRONG[wrong])


@pytest.mark.parametrize("wrong", WRONG)
def test_a_job_refuses_the_same_beside_all_else_that_is_wrong_with_its_arguments(city, wrong: str) -> None:
    with pytest.raises(InputError, match=r"as_of: .* is not a date\. Give a calendar date as YYYY-MM-DD"):
        scoring.score(city.model, "data/synthetic", WRONG[wrong], city.policy, "x.parquet")


@pytest.mark.parametrize(
    "day", ["2024-12-30", dt.date(2024, 12, 30), dt.datetime(2024, 12, 30), pd.Timestamp("2024-12-30")]
)
def test_every_form_of_a_day_gives_the_same(city: City, day: Any) -> None:
    pd.testing.assert_frame_equal(city.model.score(city.data, day), city.scores, check_exact=True)


def test_a_column_of_days_may_hold_texts_dates_or_naive_midnights() -> None:
    days = ["2023-02-28", "2024-12-30"]
    expected = np.array(days, "datetime64[D]")
    for given in (days, pd.to_datetime(days), [dt.date.fromisoformat(day) for day in days]):
        assert (days_of(pd.Series(given)) == expected).all()
    assert days_of(pd.Series([], dtype="str")).dtype == np.dtype("datetime64[D]")
    zoned = pd.Series(pd.to_datetime(days)).dt.tz_localize("Asia/Shanghai")
    with pytest.raises(InputError, match="it has a time zone"):
        days_of(zoned)
    with pytest.raises(InputError, match="it is missing"):
        days_of(pd.Series([*days, None]).pipe(pd.to_datetime))


def test_scores_of_another_city_are_refused_though_ids_overlap() -> None:
    (data, world), (other, _) = make(200, seed=1), make(200, seed=2)
    scores = [
        one["enterprises"][["enterprise_id", "sector"]].assign(risk_probability=0.1, credit_points=600.0)
        for one in (data, other)
    ]
    ids = data["enterprises"]["enterprise_id"]
    wrong = scores[1].assign(enterprise_id=ids.head(len(scores[1])).to_numpy())
    from tierkit.city.engine import run

    policy = Policy.load("jiading-2025")
    assert run(world, policy, 1, scores=scores[0]).weeks == 1
    table_of(data, scores[0], "2024-01-01")
    for use in (
        lambda given: run(world, policy, 1, scores=given),
        lambda given: table_of(data, given, "2024-01-01"),
        lambda given: logged(data, given, policy, "2024-01-01"),
    ):
        with pytest.raises(InputError, match=r"The 'scores' are of another city: \d+ of \d+ enterprises"):
            use(wrong)
