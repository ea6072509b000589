"""The policy of the past: what it recovers, what it never reads, what it says of itself."""

import datetime as dt
from functools import cache

import numpy as np
import pandas as pd
import pytest
from worlds import policy_of

from tierkit.city.parameters import parameters
from tierkit.city.population import base_rates
from tierkit.city.synth import make
from tierkit.evaluate.history import History, estimate
from tierkit.evaluate.history.logged import Chance
from tierkit.policy import Policy
from tierkit.records import SHANGHAI, SIZES, Dataset

SECTORS = SHANGHAI.ids("sector")

NEW_YEAR = "2024-01-01"
LEGACY = Policy.load("legacy")
OTHER = LEGACY.reform(
    {
        "scoring.rule_gradient": 0.9,
        "frequency.base_rate": 0.8,
        "frequency.sector.catering": 1.0,
        "frequency.sector.ict": 2.0,
        "frequency.random_floor": 0.03,
        "campaign.rate": 0.3,
        "campaign.sectors": ["retail", "manufacturing"],
        "commitment.check_share": 0.7,
        "trigger.genuine": 0.6,
        "trigger.professional": 0.6,
        "trigger.delay_weeks": 2,
        "trigger.followup.serious": 0.4,
        "trigger.followup_weeks": 6,
        "capacity.multiplier": 10.0,
    },
    name="other",
)
"""A past that is far from the base policy in everything that is estimated."""


@cache
def city() -> Dataset:
    return make(6000, 5, policy=OTHER)[0]


@cache
def found() -> History:
    return estimate(city(), "2024-12-30")


def errors(history: History) -> pd.DataFrame:
    used = history.estimates[history.estimates["used"]].set_index("parameter")
    return (used["high"] - used["low"]) / (2 * 1.96)


@pytest.mark.parametrize(
    "path",
    [
        "scoring.rule_gradient", "frequency.random_floor", "campaign.rate", "commitment.check_share",
        "trigger.genuine", "trigger.professional", "trigger.incident", "trigger.followup.minor",
        "trigger.followup.moderate", "trigger.followup.serious", "disposition.penalised.moderate",
        "disposition.penalised.serious", "disposition.sealed_share",
    ],
)  # fmt: skip
@pytest.mark.long
def test_known_rates_are_recovered_within_four_standard_errors(path: str) -> None:
    assert abs(found().policy[path] - OTHER[path]) < 4 * errors(found())[path]


@pytest.mark.long
def test_routine_rates_by_sector_and_size_are_recovered() -> None:
    p = parameters()
    truth, fitted = base_rates(OTHER, p), base_rates(found().policy, p)
    draws = np.array([base_rates(found().draw(1, r), p) for r in range(60)])
    z = (np.log(fitted) - np.log(truth)) / np.log(draws).std(axis=0)
    assert z.shape == (len(SECTORS), len(SIZES))
    assert np.abs(z).max() < 4
    wrong = (np.log(base_rates(LEGACY, p)) - np.log(truth)) / np.log(draws).std(axis=0)
    assert np.abs(wrong).max() > 10, "the base policy's own rates would be told from these"


def test_delays_and_sectors_are_found_exactly() -> None:
    for path in ("trigger.delay_weeks", "trigger.followup_weeks"):
        assert found().policy[path] == OTHER[path]
    assert list(found().policy["campaign.sectors"]) == ["retail", "manufacturing"]


def test_every_changed_value_says_where_it_comes_from() -> None:
    policy = found().policy
    n = len(city()["inspections"])
    changed = [path for path in policy.parameters if policy[path] != LEGACY[path]]
    assert len(changed) > 25
    for path in changed:
        told = policy.parameter(path).assumption
        assert told == f"estimated from {n:,} inspections of 2023-01-02..2024-12-29"
    assert Policy.loads(policy.to_toml()) == policy


def test_what_came_later_and_the_truth_are_never_read() -> None:
    data = city()
    rng = np.random.default_rng(0)
    day = pd.Timestamp(NEW_YEAR)
    tables = {name: frame.copy() for name, frame in data.items() if not name.startswith("truth")}
    rows = tables["inspections"]
    late = (rows["inspected_on"] >= day).to_numpy()
    rows.loc[late, "channel"] = rng.choice(["random", "trigger"], late.sum())
    undecided = (rows["decided_on"] >= day).to_numpy()
    rows.loc[undecided, "disposition"] = "sealed"
    for name, column in (
        ("complaints", "received_on"),
        ("signals", "raised_on"),
        ("credit_events", "known_on"),
    ):
        tables[name] = tables[name][tables[name][column] < day]
    closed = tables["enterprises"]["closed_on"]
    tables["enterprises"]["closed_on"] = closed.where(~(closed >= day))
    ended = tables["obligations"]["valid_to"]
    tables["obligations"]["valid_to"] = ended.where(~(ended >= day))
    told = tables["complaints"]["substantiated_on"] >= day
    tables["complaints"].loc[told.fillna(False), "substantiated"] = True
    a, b = estimate(data, NEW_YEAR), estimate(Dataset(tables, data.manifest), NEW_YEAR)
    assert a.policy == b.policy
    kept = a.estimates["group"] != "tier"
    pd.testing.assert_frame_equal(a.estimates[kept], b.estimates[kept])
    rows.loc[rows.index[~late][:50], "channel"] = "random"
    assert estimate(Dataset(tables, data.manifest), NEW_YEAR).policy != a.policy


@pytest.mark.long
def test_draws_are_spread_as_the_intervals_say_and_keyed() -> None:
    history = estimate(city(), NEW_YEAR)
    draws = [history.draw(3, r) for r in range(150)]
    assert draws[4] == history.draw(3, 4) != history.draw(4, 4)
    used = history.estimates[history.estimates["used"]].set_index("parameter")
    for path in (
        "frequency.random_floor",
        "frequency.sector.food",
        "trigger.genuine",
        "scoring.rule_gradient",
    ):
        values = np.array([one[path] for one in draws])
        inside = ((used["low"][path] <= values) & (values <= used["high"][path])).mean()
        assert 0.88 < inside < 0.995, path
        assert abs(values.mean() - used["value"][path]) < 0.5 * values.std()


@pytest.mark.long
def test_more_records_make_narrower_intervals() -> None:
    one, two = (
        errors(estimate(city(), until))["frequency.random_floor"] for until in (NEW_YEAR, "2024-12-30")
    )
    assert 0.65 < two / one < 0.76


def test_off_site_checks_are_a_share_of_those_that_can_be() -> None:
    past = policy_of({"offsite.coverage": 0.6, "offsite.substitution": 1.0, "frequency.base_rate": 1.0})
    history = estimate(make(1500, 2, policy=past)[0], "2024-12-30")
    row = history.estimates.set_index("parameter").loc["offsite.coverage"]
    assert history.policy["offsite.substitution"] == 1
    assert abs(row["value"] - 0.6) < 4 * (row["high"] - row["low"]) / 3.92 + 0.02  # alarms go on to a visit


@pytest.mark.long
def test_rates_of_agencies_and_tiers_are_told_but_not_set() -> None:
    more = found().estimates[~found().estimates["used"]]
    assert set(more["group"]) == {"agency", "mode", "tier"}
    assert (more["parameter"] == "").all()
    rows = more[more["group"] == "agency"].groupby("level")["n"].sum()
    counts = city()["inspections"]["agency"].astype(str).value_counts()
    assert rows.to_dict() == {name: int(counts.get(name, 0)) for name in rows.index}
    assert ((more["low"] <= more["value"]) | (more["n"] == 0)).all()
    assert (more["value"] <= more["high"]).all()


def test_it_says_what_is_missing() -> None:
    data = city()
    with pytest.raises(ValueError, match="complaints is missing"):
        estimate({name: frame for name, frame in data.items() if name != "complaints"}, NEW_YEAR)
    with pytest.raises(ValueError, match=r"at least 182 days of records. Got 2023-01-02..2023-03-01"):
        estimate(data, "2023-03-01")
    empty = Dataset({**data, "inspections": data["inspections"].iloc[:0]}, {})
    with pytest.raises(ValueError, match="no past to estimate"):
        estimate(empty, NEW_YEAR)
    with pytest.raises(ValueError, match="No routine inspections between"):
        estimate(empty, NEW_YEAR, since="2023-01-02")


def test_it_shows_itself() -> None:
    assert repr(found()).endswith("inspections of 2023-01-02..2024-12-29)")
    assert found().until == dt.date(2024, 12, 30)
    assert "frequency.base_rate" in found()._repr_html_()


def test_an_interval_holds_its_estimate_at_both_ends() -> None:
    for n, exposure in ((0, 9), (9, 9), (0, 1), (1, 1), (4, 9)):
        one = Chance("", n, exposure, "share")
        low, high = one.interval()
        assert low <= one.value <= high
        assert (low == 0, high == 1) == (n == 0, n == exposure)
    none = Chance("", 0, 12.5, "rate")
    assert none.interval()[0] == none.value == 0
    assert none.interval()[1] == none.quantile(0.975) > 0
    assert none.quantile(0.025) > 0  # draws are of the posterior as it is


def test_more_events_than_chances_are_refused() -> None:
    with pytest.raises(ValueError, match=r"'offsite.coverage' has 5 events of 3 chances"):
        Chance("offsite.coverage", 5, 3, "share")
    assert Chance("campaign.rate", 5, 3.0, "rate").value == pytest.approx(5 / 3)
