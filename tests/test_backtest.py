"""A past year run again: the past itself comes back, intervals cover, and a wrong policy is caught."""

import datetime as dt
from functools import cache

import numpy as np
import pandas as pd
import pytest

from tierkit.city.engine import run
from tierkit.city.scored import table_of, world_from_scores
from tierkit.city.synth import make, world_at, world_of
from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.city.writing import state_columns
from tierkit.evaluate.backtest import Backtest, backtest, prediction_interval
from tierkit.evaluate.history import estimate
from tierkit.policy import Policy
from tierkit.records import Dataset

NEW_YEAR = dt.date(2024, 1, 1)
SEEDS = (1, 2, 3)


@cache
def city(seed: int = 1) -> tuple[Dataset, World]:
    return make(3000, seed)


@cache
def result_of(seed: int = 1) -> Backtest:
    return backtest(city(seed)[0], NEW_YEAR, replicates=39)


def test_the_world_put_back_and_run_again_is_what_happened() -> None:
    data, end = city()
    frame = world_at(data, NEW_YEAR)
    again = run(frame, Policy.load("legacy"), WEEKS_A_YEAR)
    for name in ("violation", "found_week", "record_until", "conduct", "last_visit"):
        np.testing.assert_array_equal(getattr(again.end.state, name), getattr(end.state, name), err_msg=name)
    observed = result_of().observed
    log = again.table()
    assert observed.sum() == len(log)
    np.testing.assert_array_equal(
        observed.sum(axis=(0, 2)), np.bincount(log["channel"], minlength=observed.shape[1])
    )


def test_at_the_end_of_the_records_it_is_the_world_that_goes_on() -> None:
    data, _ = city()
    back, on = world_at(data, dt.date(2024, 12, 30)), world_of(data)
    for one, other in zip(state_columns(back), state_columns(on), strict=True):
        assert one.keys() == other.keys()
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name], err_msg=name)


@pytest.mark.long
def test_the_load_falls_inside_its_interval_in_90_to_99_percent_of_cells() -> None:
    found = [result_of(seed).coverage for seed in SEEDS]
    cells, inside = (sum(one[key] for one in found) for key in ("cells", "inside"))
    assert cells > 120
    assert 0.90 <= inside / cells <= 0.99
    assert sum(one["expected_low"] <= one["share"] <= one["expected_high"] for one in found) >= len(SEEDS) - 1
    for one in found:
        assert one["low"] < one["share"] <= one["high"]


@pytest.mark.long
def test_a_wrong_policy_is_caught() -> None:
    data, _ = city()
    right = estimate(data, NEW_YEAR)
    half = right.base.reform({"frequency.base_rate": right.policy["frequency.base_rate"] / 2}, name="half")
    wrong = estimate(data, NEW_YEAR, base=half)
    object.__setattr__(wrong, "draw", lambda seed, replicate: half)
    result = backtest(data, NEW_YEAR, history=wrong, replicates=39)
    assert result.coverage["share"] < min(0.9, result.coverage["expected_low"])
    assert not result.table(["channel"]).set_index("channel").loc["routine", "inside"]


@pytest.mark.long
def test_intervals_hold_the_error_of_estimation() -> None:
    data, _ = city()
    frame = world_at(data, NEW_YEAR)
    spread = []
    for fixed in (False, True):
        short = estimate(data, NEW_YEAR, since="2023-07-03")
        if fixed:
            object.__setattr__(short, "draw", lambda seed, replicate, short=short: short.policy)
        runs = backtest(data, NEW_YEAR, world=frame, history=short, replicates=59, weeks=26)
        spread.append(runs.counts[:, :, -1].sum(axis=(1, 2)).std())
    assert spread[0] > 1.15 * spread[1]  # as many weeks to learn from as to predict: about the root of two


def test_cells_add_up_and_are_judged_by_what_was_expected() -> None:
    result = result_of()
    whole, fine = result.table([]), result.table()
    assert len(whole) == 1
    assert whole["observed"].item() == fine["observed"].sum() == len(late(city()[0]))
    assert fine["predicted"].sum() == pytest.approx(whole["predicted"].item())
    assert (fine["judged"] == (fine["predicted"] >= result.least)).all()
    rows = late(city()[0])
    by_agency = result.table(["agency"]).set_index("agency")["observed"]
    counts = rows["agency"].astype(str).value_counts()
    assert by_agency.to_dict() == counts.reindex(by_agency.index, fill_value=0).to_dict()


def late(data: Dataset) -> pd.DataFrame:
    rows = data["inspections"]
    return rows[rows["inspected_on"] >= pd.Timestamp(NEW_YEAR)]


@pytest.mark.long
def test_threads_change_nothing() -> None:
    data, _ = city()
    one = backtest(data, NEW_YEAR, replicates=39, weeks=8, threads=1)
    two = backtest(data, NEW_YEAR, replicates=39, weeks=8, threads=2)
    np.testing.assert_array_equal(one.counts, two.counts)


def test_one_more_draw_lies_inside_in_95_percent_of_cases() -> None:
    rng = np.random.default_rng(0)
    low, high = prediction_interval(rng.normal(size=(39, 20_000)))
    new = rng.normal(size=20_000)
    share = ((low <= new) & (new <= high)).mean()
    assert abs(share - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 20_000)
    low, high = prediction_interval(rng.normal(size=(119, 20_000)))
    assert abs(((low <= new) & (new <= high)).mean() - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 20_000)


def test_it_says_what_is_wrong() -> None:
    data, end = city()
    with pytest.raises(ValueError, match=r"at least 39\. Got 20"):
        backtest(data, NEW_YEAR, replicates=20)
    with pytest.raises(ValueError, match=r"needs at least 39 replicates\. Got 38"):
        prediction_interval(np.zeros(38))
    with pytest.raises(ValueError, match="records end on 2024-12-30; 53 weeks from 2024-01-01"):
        backtest(data, NEW_YEAR, weeks=53)
    with pytest.raises(ValueError, match=r"must be a Monday. Got 2024-01-03; 2024-01-01 is"):
        backtest(data, "2024-01-03", weeks=4)
    with pytest.raises(ValueError, match="world is that of 2024-12-30, not of 2024-01-01"):
        backtest(data, NEW_YEAR, world=end)
    with pytest.raises(ValueError, match="Got 'size'"):
        result_of().table(["size"])
    with pytest.raises(ValueError, match="each dimension of a cell once"):
        result_of().table(["agency", "agency"])
    other = Dataset({**data, "inspections": data["inspections"].iloc[1:]}, data.manifest)
    with pytest.raises(ValueError, match="not those of the dataset's seed"):
        world_at(other, NEW_YEAR)
    small = backtest(make(60, 1)[0], NEW_YEAR, replicates=39, weeks=4)
    with pytest.raises(ValueError, match="take a larger world"):
        small.coverage  # noqa: B018


def test_it_shows_itself() -> None:
    assert "from 2024-01-01 to 2024-12-29" in repr(result_of())
    assert "commitment" in result_of()._repr_html_()


def test_a_world_of_scores_alone_tells_the_year_too() -> None:
    data, _ = city()
    rows, own = data["inspections"], data["enterprises"]
    early = rows[rows["inspected_on"] < pd.Timestamp(NEW_YEAR)].merge(own[["enterprise_id", "sector"]])
    found = (early["finding"] != "none").groupby(early["sector"].astype(str))
    risk = (found.sum() + 1) / (found.count() + 8)
    scores = own[["enterprise_id"]].assign(risk_probability=own["sector"].astype(str).map(risk).fillna(0.125))
    room = dict(zip(data["agencies"]["agency"].astype(str), data["agencies"]["capacity"], strict=True))
    world = world_from_scores(table_of(data, scores, NEW_YEAR), NEW_YEAR, capacity=room)
    result = backtest(data, NEW_YEAR, world=world, replicates=39)
    later = late(data)
    assert result.observed.sum() == later["enterprise_id"].isin(world.ids).sum() < len(later)
    assert 0.88 <= result.coverage["share"] <= 1
    assert result.table([])["inside"].item()
