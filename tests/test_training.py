"""Rows to train on: who is in, with which weight, and on which side of the split."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from leakage import scramble
from make_dataset import make_dataset

from tierkit.features import build_rows, read_by
from tierkit.records import CREDIT_TARGET, DataError, Dataset
from tierkit.scores import metrics
from tierkit.scores.training_rows import SCHEMES, credit_frame, hold_out, time_split, training_frame, weights

AS_OF = pd.Timestamp("2024-03-01")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_dataset(300, seed=2, records=900)


@given(st.lists(st.integers(0, 40), min_size=5, max_size=60))
def test_no_date_is_on_two_sides_and_no_side_is_empty(offsets: list[int]) -> None:
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(offsets, unit="D")
    if len(set(offsets)) < 3:
        with pytest.raises(ValueError, match="fewer than three dates"):
            time_split(dates)
        return
    split = time_split(dates)
    parts = [split.train, split.calibrate, split.test]
    assert (np.sum(parts, axis=0) == 1).all()
    assert all(part.any() for part in parts)
    assert dates[split.train].max() < dates[split.calibrate].min() == pd.Timestamp(split.calibrate_from)
    assert dates[split.calibrate].max() < dates[split.test].min() == pd.Timestamp(split.test_from)


def test_shares_of_the_split() -> None:
    split = time_split(pd.date_range("2023-01-01", periods=1000), calibrate=0.3, test=0.1)
    assert (split.train.sum(), split.calibrate.sum(), split.test.sum()) == (600, 300, 100)


def test_the_lot_of_an_enterprise_is_its_own() -> None:
    ids = pd.Series([f"e{i}" for i in range(5000)])
    held = hold_out(ids)
    assert held.mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_array_equal(hold_out(ids[::-1]), held[::-1])
    assert (hold_out(ids, seed=1) != held).any()


def test_each_scheme_takes_its_rows(data) -> None:
    seen = data["inspections"]
    seen = seen[seen["inspected_on"] < AS_OF]
    late = seen["inspected_on"] >= seen["inspected_on"].min() + pd.Timedelta(days=182)
    base = seen[late & (seen["mode"] != "offsite")]
    expected = {
        "naive": base,
        "random": base[base["channel"] == "random"],
        "weighted": base[base["channel"].isin(["random", "routine"])],
    }
    for scheme in SCHEMES:
        found = training_frame(data, AS_OF, scheme)
        assert found.report["rows"] == len(found.y) == len(expected[scheme])
        assert found.y.sum() == (expected[scheme]["finding"] != "none").sum()
        left_out = sum(
            found.report[k] for k in ("off_site", "too_early", "other_channels", "without_propensity")
        )
        assert found.report["inspections"] == len(seen) == len(found.y) + left_out
        assert found.weight.mean() == pytest.approx(1)
        assert found.X.columns.tolist() == read_by("risk")
        assert found.rows["as_of"].is_monotonic_increasing
    rows = training_frame(data, AS_OF, "naive")
    pd.testing.assert_frame_equal(rows.X, build_rows(data, rows.rows)[rows.X.columns])


def test_rows_without_a_propensity_cannot_be_weighted(data) -> None:
    seen = data["inspections"]
    bare = seen.assign(propensity=seen["propensity"].where(seen["channel"] == "random"))
    found = training_frame(Dataset({**data, "inspections": bare}), AS_OF, "weighted")
    assert set(found.rows["channel"]) == {"random"}
    assert found.report["without_propensity"] > 0


def test_weights_give_each_channel_its_effective_size() -> None:
    rng = np.random.default_rng(0)
    channel = pd.Series(["random"] * 300 + ["routine"] * 700)
    propensity = np.r_[np.full(300, 0.01), rng.uniform(0.05, 0.5, 700)]
    found, report = weights(propensity, np.ones(1000), channel)
    assert found.mean() == pytest.approx(1)
    np.testing.assert_allclose(found[:300], found[0])
    size = [report[c]["effective_size"] for c in ("random", "routine")]
    assert size[0] == 300
    assert 300 < size[1] < 700
    assert found[:300].sum() / found[300:].sum() == pytest.approx(size[0] / size[1], rel=1e-3)
    # The largest one percent were cut to the 99th percentile, and the report says how much that took.
    raw = 1 / propensity[300:]
    assert report["routine"]["rows_cut"] == (raw > np.quantile(raw, 0.99)).sum() == 7
    assert report["routine"]["weight_cut"] == pytest.approx(
        1 - np.minimum(raw, np.quantile(raw, 0.99)).sum() / raw.sum(), abs=1e-5
    )
    assert report["random"]["rows_cut"] == 0


def test_weighted_rows_stand_for_everybody() -> None:
    # Drawn with known probabilities that go with the outcome: both channels estimate the same mean.
    rng = np.random.default_rng(1)
    n = 200_000
    risk = rng.normal(size=n)
    y = rng.random(n) < 1 / (1 + np.exp(2 - risk))
    p = {"random": np.full(n, 0.02), "routine": 0.1 / (1 + np.exp(1 - risk))}
    drawn = {name: rng.random(n) < chance for name, chance in p.items()}
    outcome = np.concatenate([y[drawn[name]] for name in p])
    propensity = np.concatenate([p[name][drawn[name]] for name in p])
    channel = pd.Series(np.repeat(list(p), [drawn[name].sum() for name in p]))
    found, _ = weights(propensity, np.ones(propensity.size), channel)
    error = np.sqrt(y.mean() * (1 - y.mean()) / metrics.effective_size(found))
    assert np.average(outcome, weights=found) == pytest.approx(y.mean(), abs=4 * error)
    assert outcome.mean() - y.mean() > 4 * error


def plain_credit(data: Dataset, start: pd.Timestamp, end: pd.Timestamp) -> dict[str, int]:
    """Return outcome by enterprise, by the definition in words."""
    firms = data["enterprises"]
    there = firms[(firms["registered_on"] < start) & ~(firms["closed_on"] < start)]
    events = data["credit_events"]
    new = events[
        events["kind"].isin(CREDIT_TARGET) & (events["known_on"] >= start) & (events["known_on"] < end)
    ]
    hit = there["enterprise_id"].isin(new["enterprise_id"])
    keep = hit | ~(there["closed_on"] < end)
    return dict(zip(there["enterprise_id"][keep], hit[keep].astype(int), strict=True))


def test_credit_rows_by_hand(data) -> None:
    found = credit_frame(data, AS_OF)
    assert found.report["snapshots"] == 1
    start = AS_OF - pd.DateOffset(years=1)
    expected = plain_credit(data, start, AS_OF)
    assert dict(zip(found.rows["enterprise_id"], found.y, strict=True)) == expected
    assert (found.rows["as_of"] == start).all()
    pd.testing.assert_frame_equal(found.X, build_rows(data, found.rows)[found.X.columns])
    assert found.report["closed_without_event"] > 0
    assert not set(CREDIT_TARGET) & {"penalty", "serious_dishonesty", "honour"}


def test_a_longer_history_gives_more_snapshots(data) -> None:
    late = AS_OF + pd.DateOffset(years=1)
    found = credit_frame(data, late)
    assert found.report["snapshots"] == 2
    sizes = found.rows.groupby("as_of").size()
    for start, size in sizes.items():
        assert size == len(plain_credit(data, start, start + pd.DateOffset(years=1)))


def test_nothing_known_on_the_day_or_later_is_used(data) -> None:
    other = scramble(data, AS_OF, seed=3)
    for scheme in SCHEMES:
        one, two = training_frame(data, AS_OF, scheme), training_frame(other, AS_OF, scheme)
        pd.testing.assert_frame_equal(one.X, two.X, check_exact=True)
        np.testing.assert_array_equal(one.y, two.y)
        np.testing.assert_array_equal(one.weight, two.weight)
    one, two = credit_frame(data, AS_OF), credit_frame(other, AS_OF)
    both = one.rows.merge(two.rows, on=["enterprise_id", "as_of"])
    assert len(both) == len(one.rows) == len(two.rows)
    pd.testing.assert_frame_equal(one.X, two.X, check_exact=True)
    np.testing.assert_array_equal(one.y, two.y)


def test_too_little_is_said_plainly(data) -> None:
    early = pd.Timestamp("2022-06-01")
    with pytest.raises(DataError, match="has no rows before 2022-06-01"):
        training_frame(data, early)
    with pytest.raises(DataError, match="has no rows for the scheme 'random'"):
        training_frame(data, pd.Timestamp("2022-09-01"), "random")
    with pytest.raises(DataError, match="reach back too little"):
        credit_frame(data, pd.Timestamp("2023-06-01"))
    with pytest.raises(ValueError, match="'scheme' must be one of naive, random, weighted"):
        training_frame(data, AS_OF, "best")
