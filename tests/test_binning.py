"""Bins of one variable: by hand, in the declared direction, and under degenerate input."""

import logging
import signal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierkit.scores import binning


def sample(n: int = 4000, seed: int = 0, slope: float = 0.8):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    event = (rng.random(n) < 1 / (1 + np.exp(2 - slope * x))).astype(np.int64)
    return x, event


def test_ctrl_c_still_raises_after_a_fit() -> None:
    binning.cuts(*sample())
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_weight_of_evidence_by_hand(monkeypatch) -> None:
    monkeypatch.setattr(binning, "SMOOTHING", 0.0)
    # Two bins by hand: woe = ln((30/40) / (10/110)) = 2.1102 and ln((10/40) / (100/110)) = -1.2910.
    found = binning.woe(np.array([40.0, 110.0]), np.array([10.0, 100.0]), 150, 110)
    assert found.round(4).tolist() == [2.1102, -1.291]


@given(st.integers(1, 500), st.integers(1, 500))
def test_an_empty_bin_weighs_nothing(good: int, bad: int) -> None:
    found = binning.woe(np.array([0.0]), np.array([0.0]), good + bad, bad)
    assert abs(found[0]) < 1e-12


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([-1, 1]))
def test_rates_go_the_declared_way_or_there_is_one_bin(seed: int, sign) -> None:
    x, event = sample(600, seed)
    edges = binning.cuts(x, event, sign)
    rate = [event[where].mean() for where in bins_of(x, edges)]
    smoothed = [
        (event[w].sum() + binning.SMOOTHING * event.mean()) / (w.sum() + binning.SMOOTHING)
        for w in bins_of(x, edges)
    ]
    assert len(rate) == len(edges) + 1
    assert (np.diff(smoothed) * sign >= 0).all()
    assert len(edges) < 6


def bins_of(x, edges):
    place = np.searchsorted(np.array(edges), x, side="right")
    return [place == i for i in range(len(edges) + 1)]


def test_the_wrong_direction_gives_no_cut() -> None:
    x, event = sample()
    assert len(binning.cuts(x, event, 1)) >= 2
    assert binning.cuts(x, event, -1) == []
    assert binning.cuts(-x, event, -1)


def test_a_perfect_predictor_gets_its_cut() -> None:
    x = np.r_[np.linspace(0, 1, 50), np.linspace(3, 4, 50)]
    assert binning.cuts(x, np.repeat([0, 1], 50)) == [2.0]


@pytest.mark.parametrize(
    ("x", "event"),
    [
        (np.zeros(100), np.tile([0, 1], 50)),
        (np.arange(100.0), np.zeros(100, np.int64)),
        (np.arange(9.0), np.tile([0, 1, 1], 3)),
        (np.array([]), np.array([], np.int64)),
    ],
)
def test_nothing_to_cut(x, event) -> None:
    assert binning.cuts(x, event) == []


def test_rare_counts_are_still_parted() -> None:
    rng = np.random.default_rng(0)
    x = (rng.random(20_000) < 0.01).astype(float)
    event = (rng.random(20_000) < np.where(x > 0, 0.4, 0.05)).astype(np.int64)
    assert binning.cuts(x, event, 1) == [0.5]


def test_levels_of_like_rates_share_a_bin() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, 6000)
    event = (rng.random(6000) < np.where(codes % 2, 0.3, 0.05)).astype(np.int64)
    found = binning.groups(codes, event, max_bins=2)
    assert found == [[0, 2, 4], [1, 3, 5]]


def test_missing_and_unseen_have_rows_of_their_own() -> None:
    x, event = sample()
    x[:400] = np.nan
    rows = binning.bins("x", x, event)
    assert rows[-1]["kind"] == "missing"
    assert rows[-1]["count"] == 400
    assert rows[-1]["events"] == event[:400].sum()
    assert sum(row["count"] for row in rows) == x.size
    codes = np.where(x > 0, 1.0, 0.0)
    rows = binning.bins("c", codes, event, labels=("no", "yes", "never"))
    assert [row["kind"] for row in rows] == ["level", "level", "missing", "unseen"]
    # A declared level that never occurred is as unknown as one that was never declared.
    assert binning.place(rows, np.array([0, 1, 2, -1, np.nan]), ("no", "yes", "never")).tolist() == [
        0,
        1,
        3,
        3,
        2,
    ]


def test_intervals_hold_their_lower_end_and_leave_no_gap() -> None:
    x, event = sample()
    rows = [row for row in binning.bins("x", x, event) if row["kind"] == "interval"]
    assert rows[0]["lower"] == -np.inf
    assert rows[-1]["upper"] == np.inf
    for before, after in pairwise(rows):
        assert before["upper"] == after["lower"]
    edge = rows[1]["lower"]
    every = binning.bins("x", x, event)
    assert binning.place(every, np.array([np.nextafter(edge, -np.inf), edge])).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.full(400, np.nan), "all values are missing"),
        (np.full(400, 3.0), "constant"),
        (np.tile([0.0, 1.0, 2.0, 3.0], 100), "chance|no cut"),
    ],
)
def test_a_feature_that_says_nothing_comes_back_with_its_reason(x, reason) -> None:
    event = np.repeat([0, 1], 200)
    found = binning.bins("x", x, event)
    assert isinstance(found, str)
    assert any(part in found for part in reason.split("|"))


def test_noise_is_left_out_nineteen_times_in_twenty() -> None:
    kept = 0
    for seed in range(40):
        x, event = sample(1000, seed, slope=0)
        kept += not isinstance(binning.bins("x", x, event), str)
    assert kept <= 2


def test_the_import_of_optbinning_stays_quiet(capfd) -> None:
    binning.cuts(*sample(200))
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("__cvxpy__").filters


# Missing values of a declared direction


def column(seed: int, rate_missing: float, n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Return a column of zeros with missing values, whose event rate is 0.2 where it is known."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(n) < 0.3, np.nan, 0.0)
    return x, (rng.random(n) < np.where(np.isnan(x), rate_missing, 0.2)).astype(np.int64)


@pytest.mark.parametrize("sign", [-1, 0, 1])
def test_values_missing_at_random_get_no_points_whatever_the_declared_sign(sign) -> None:
    kept = [binning.bins("x", *column(seed, 0.2), sign=sign) for seed in range(40)]
    assert kept == ["its values differ no more than chance would have it"] * 40


@pytest.mark.parametrize("sign", [-1, 0, 1])
def test_missing_values_that_tell_are_kept(sign) -> None:
    x, event = column(0, 0.5)
    rows = binning.bins("x", x, event, sign=sign)
    assert [row["kind"] for row in rows] == ["interval", "missing"]
    assert rows[1]["woe"] < -0.5


def test_a_missing_bin_beside_known_ones_weighs_only_what_is_more_than_chance() -> None:
    x, event = sample(1000)
    gone = np.random.default_rng(1).random(1000) < 0.3
    known = binning.bins("x", np.where(gone, np.nan, x), event, sign=1)
    assert len(known) > 2
    assert [row["woe"] for row in known if row["kind"] == "missing"] == [0.0]
    assert [row["iv"] for row in known if row["kind"] == "missing"] == [0.0]
    assert known[-1]["count"] == gone.sum()
    tells = binning.bins("x", np.where(event == 1, np.where(gone, np.nan, x), x), event, sign=1)
    assert tells[-1]["woe"] < -1


# Input of the public functions


@pytest.mark.parametrize(
    ("count", "events", "total", "total_events", "said"),
    [
        ([10.0, 20], [5, 21], 30, 26, "bin 1 has 21 of 20"),
        ([10.0, np.nan], [5, 1], 30, 6, "'count' must be a finite number, 0 or more"),
        ([10.0, 20], [5, -1], 30, 4, "'events' must be a finite number, 0 or more"),
        ([10.0, 20], [0, 0], 30, 0, "0 of 30 rows are events"),
        ([10.0, 20], [10, 20], 30, 30, "30 of 30 rows are events"),
        ([10.0, 20], [5, 5], 29, 10, "hold 10 events and 20 others, and the totals say 10 and 19"),
        ([10.0, 20], [5, 5], 30, 9, "hold 10 events and 20 others, and the totals say 9 and 21"),
        ([10.0, 20], [5], 30, 5, "'events' has 1 rows, and 'count' has 2"),
        ([10.0, 20], [5, 5], "30", 10, "'totals' must be a finite number"),
    ],
)
def test_weights_are_of_counts_that_are_sound(count, events, total, total_events, said) -> None:
    with pytest.raises(ValueError, match=said):
        binning.woe(count, events, total, total_events)


def test_weights_of_lists_are_those_of_arrays() -> None:
    assert binning.woe([40, 110], [10, 100], 150, 110).tolist() == (
        binning.woe(np.array([40.0, 110.0]), np.array([10.0, 100.0]), 150, 110).tolist()
    )


HALF = [0, 1] * 20


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: binning.cuts([np.nan, *range(39)], HALF), "'x' must be a finite number"),
        (lambda: binning.cuts(range(40), [1, 2] * 20), "'event' must be 0 or 1"),
        (lambda: binning.cuts(range(40), HALF, 2), "'sign' must be -1, 0 or 1"),
        (lambda: binning.cuts(range(40), HALF, max_bins=0), "'max_bins' must be a whole number"),
        (lambda: binning.cuts(range(40), HALF, min_share=2), "'min_share' must be in"),
        (lambda: binning.cuts(range(40), HALF, rate=2), "'rate' must be in"),
        (lambda: binning.groups([0.5] * 40, HALF), "'codes' must be a whole number"),
        (lambda: binning.groups([-1] * 40, HALF), "'codes' must be a finite number, 0 or more"),
        (lambda: binning.groups([], []), "There are no 'codes'"),
        (lambda: binning.bins("x", range(40), [1, 2] * 20), "'event' must be 0 or 1"),
        (lambda: binning.bins("x", range(40), [1] * 40), "'event' is of one class only"),
        (lambda: binning.bins("x", [np.inf] * 40, HALF), "'x' must be a finite number, or missing"),
        (lambda: binning.bins("x", [3.0] * 40, HALF, ("a", "b")), "'x' must hold codes of levels, 0 to 1"),
        (lambda: binning.bins("x", [0.5] * 40, HALF, ("a", "b")), "'x' must be a whole number"),
        (lambda: binning.place([{"kind": "missing"}], [np.inf]), "'x' must be a finite number, or missing"),
        (
            lambda: binning.place([{"kind": "missing"}], [-2], ("a",)),
            "'x' must hold codes of levels, -1 to 0",
        ),
    ],
)
def test_columns_are_what_they_have_to_be(call, said) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_a_column_may_be_a_list() -> None:
    x, event = sample(400)
    assert binning.cuts(x.tolist(), event.tolist()) == binning.cuts(x, event)
    assert binning.bins("x", x.tolist(), event.tolist()) == binning.bins("x", x, event)
