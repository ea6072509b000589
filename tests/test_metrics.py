"""Measures against closed forms and against independent implementations."""

from datetime import date
from decimal import Decimal
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, t
from sklearn.metrics import brier_score_loss

from tierkit.scores import metrics

pairs = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=40)


@given(pairs)
def test_auc_is_the_share_of_pairs_in_order(rows: list[tuple[int, int]]) -> None:
    y, score = map(np.array, zip(*rows, strict=True))
    good, bad = score[y == 0], score[y == 1]
    if not (good.size and bad.size):
        assert np.isnan(metrics.auc(y, score))
        return
    points = [(b > g) + 0.5 * (b == g) for g, b in product(good, bad)]
    assert metrics.auc(y, score) == pytest.approx(np.mean(points), abs=1e-12)


@given(pairs)
def test_integer_weights_are_repeated_rows(rows: list[tuple[int, int]]) -> None:
    y, score = map(np.array, zip(*rows, strict=True))
    weight = score % 3 + 1
    repeated = metrics.auc(np.repeat(y, weight), np.repeat(score, weight))
    assert metrics.auc(y, score, weight) == pytest.approx(repeated, abs=1e-12, nan_ok=True)


def test_ks_by_hand() -> None:
    # At 2: all of class 0 are at or below, a third of class 1 is.
    assert metrics.ks([0, 0, 1, 1, 1], [1, 2, 2, 3, 4]) == pytest.approx(2 / 3)
    assert np.isnan(metrics.ks([1, 1], [1, 2]))


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_interval_agrees_with_scipy(k: int, n: int) -> None:
    k = min(k, n)
    theirs = binomtest(k, n).proportion_ci(0.9, method="wilson")
    low, high = metrics.wilson_interval(k, n, 0.9)
    assert (float(low), float(high)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_interval_of_no_trials_is_everything() -> None:
    low, high = metrics.wilson_interval([0, 1], [0, 4])
    assert (low[0], high[0]) == (0, 1)
    assert 0 < low[1] < 0.25 < high[1] < 1


def test_calibration_table_counts_add_up_and_ties_stay_together() -> None:
    rng = np.random.default_rng(0)
    p = rng.choice([0.1, 0.2, 0.3, 0.35, 0.7], 997)
    y = (rng.random(997) < p).astype(int)
    table = metrics.calibration_table(y, p, bins=10)
    assert table["n"].sum() == 997
    assert table["events"].sum() == y.sum()
    assert table["weight"].sum() == pytest.approx(1)
    assert len(table) <= 5
    assert table["predicted"].is_monotonic_increasing
    assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()


def test_calibration_error_of_a_calibrated_and_of_a_shifted_score() -> None:
    # 1,000 rows at each of 0.1 … 0.9 with exactly that share of events.
    levels = np.arange(1, 10) / 10
    p = np.repeat(levels, 1000)
    y = np.concatenate([np.r_[np.ones(round(v * 1000)), np.zeros(1000 - round(v * 1000))] for v in levels])
    assert metrics.calibration_error(y, p, 9) == pytest.approx(0, abs=1e-12)
    assert metrics.calibration_error(y, p + 0.05, 9) == pytest.approx(0.05, abs=1e-12)
    assert metrics.brier(y, p) == pytest.approx(brier_score_loss(y, p), abs=1e-12)


def test_weights_undo_selection() -> None:
    # Half of class 1 was left out at random; a weight of 2 gives the rate back.
    y, p, w = np.r_[np.zeros(60), np.ones(20)], np.full(80, 0.4), np.r_[np.ones(60), np.full(20, 2.0)]
    assert metrics.calibration_error(y, p, 10, w) == pytest.approx(0)
    assert metrics.calibration_error(y, p, 10) == pytest.approx(0.15)
    assert metrics.measures(y, p, w)["rate"] == pytest.approx(0.4)


def test_psi() -> None:
    assert metrics.psi_parts([5, 7], [50, 70]).sum() == 0
    # (3/4 - 1/2) ln(3/2) + (1/4 - 1/2) ln(1/2)
    exact = 0.25 * np.log(1.5) + 0.25 * np.log(2)
    assert metrics.psi_parts([200, 200], [300, 100]).sum() == pytest.approx(exact, abs=1e-12)


def test_outcomes_must_be_zero_or_one() -> None:
    with pytest.raises(ValueError, match="must be 0 or 1"):
        metrics.auc([1, 2], [0.1, 0.2])


def test_measures_of_one_class_is_nan_not_an_error() -> None:
    found = metrics.measures([0, 0], [0.1, 0.2])
    assert np.isnan(found["auc"])
    assert np.isnan(found["ks"])
    assert found["brier"] == pytest.approx(0.025)


def test_the_calibration_error_by_chance_is_that_of_outcomes_drawn_from_the_probabilities() -> None:
    rng = np.random.default_rng(0)
    chance = np.round(rng.beta(1, 6, 800), 2)  # ties, which are never parted
    null = metrics.calibration_error_null(chance, replicates=400)
    slow = [metrics.calibration_error((rng.random(800) < chance).astype(int), chance) for _ in range(150)]
    assert null.mean() == pytest.approx(np.mean(slow), abs=4 * np.std(slow) / np.sqrt(150))
    assert np.quantile(null, 0.95) == pytest.approx(np.quantile(slow, 0.95), rel=0.15)
    assert (np.diff(null) >= 0).all()
    wrong = metrics.calibration_error((rng.random(800) < chance + 0.1).astype(int), chance)
    assert wrong > np.quantile(null, 0.95)


def index_of_levels(reference: np.ndarray, other: np.ndarray) -> float:
    """Return the stability index with a cell for each value, counted one by one."""
    total = 0.0
    levels = sorted({*reference.tolist(), *other.tolist()})
    counts = [[max(sum(one == level for one in sample), 0.5) for level in levels]
              for sample in (reference.tolist(), other.tolist())]  # fmt: skip
    for e, a in zip(*counts, strict=True):
        e, a = e / sum(counts[0]), a / sum(counts[1])
        total += (a - e) * np.log(a / e)
    return total


def test_values_that_fill_a_bin_are_cells_whatever_their_order() -> None:
    a, b = np.r_[np.zeros(9500), np.ones(500)], np.r_[np.zeros(4000), np.ones(6000)]
    # (.4 - .95) ln(.4 / .95) + (.6 - .05) ln(.6 / .05) = 1.8424
    exact = -0.55 * np.log(0.4 / 0.95) + 0.55 * np.log(0.6 / 0.05)
    assert exact == pytest.approx(1.8424, abs=5e-5)
    for one, other in ((a, b), (1 - a, 1 - b), (-7 * a, -7 * b), (a.astype(str), b.astype(str))):
        assert metrics.psi(one, other) == pytest.approx(exact, abs=1e-12)
    for bins in (2, 3, 50):
        assert metrics.psi(a, b, bins) == pytest.approx(exact, abs=1e-12)
    constant = np.zeros(100)
    for moved in (b, np.full(50, -3.0), np.full(50, 2.0), np.r_[constant, 1.0]):
        found = metrics.psi(constant, moved)
        assert found == pytest.approx(index_of_levels(constant, (moved != 0).astype(float)), abs=1e-12)
        assert found > 0
    assert metrics.psi(constant, constant[:7]) == 0


@given(st.lists(st.integers(10, 40), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_the_index_of_few_values_is_that_of_levels(counts: list[int], seed: int) -> None:
    assume(min(counts) * 10 >= sum(counts))  # every value fills a bin
    rng = np.random.default_rng(seed)
    values = np.sort(rng.choice(100, len(counts), replace=False)).astype(float)
    reference, other = np.repeat(values, counts), rng.choice(values, 50)
    assert metrics.psi(reference, other) == pytest.approx(index_of_levels(reference, other), abs=1e-9)


def test_edges_are_quantiles_where_none_are_tied_and_a_tie_lies_above_its_edge() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=5003)
    np.testing.assert_allclose(metrics.quantile_edges(x, 10), np.quantile(x, np.arange(1, 10) / 10), 1e-12)
    tied = np.r_[np.arange(50.0), np.arange(50.0), np.arange(50.0)]  # no value fills a bin
    edges = metrics.quantile_edges(tied, 10)
    np.testing.assert_allclose(edges, np.quantile(tied, np.arange(1, 10) / 10), 1e-12)
    inside = np.searchsorted(edges, tied, side="right")
    assert all(len(set(inside[tied == value])) == 1 for value in range(50))
    zeros = np.r_[np.zeros(300), np.linspace(1, 2, 700)]  # zeros apart, the rest in its own quantiles
    assert np.bincount(np.searchsorted(metrics.quantile_edges(zeros, 10), zeros, side="right")).tolist() == [
        0, 300, 100, 100, 100, 100, 100, 100, 100,
    ]  # fmt: skip


def test_missing_is_a_cell_of_the_index() -> None:
    before, after = [1.0, np.nan] * 200, [1.0] * 100 + [np.nan] * 300
    exact = 0.25 * np.log(2) + 0.25 * np.log(1.5)
    for kind in (float, "Float64", object):
        one, other = (pd.Series(x, dtype=kind) for x in (before, after))
        assert metrics.psi(one, other) == pytest.approx(exact, abs=1e-12)
    assert metrics.psi([np.nan] * 4, [np.nan] * 4) == 0
    assert metrics.psi([np.nan] * 4, [1.0] * 4) > 0.25
    assert metrics.psi(["a", None], ["a", None, "a", None]) == 0


def test_bands_hold_equal_counts_and_a_value_that_fills_one_is_alone() -> None:
    rng = np.random.default_rng(1)
    x = rng.permutation(np.arange(103.0))
    by_hand = np.argsort(np.argsort(x)) * 10 // 103
    assert metrics.bands(x, 10).tolist() == by_hand.tolist()
    assert metrics.bands([0.1] * 5 + [0.9] * 95, 10).tolist() == [0] * 5 + [1] * 95
    assert metrics.bands([0.9] * 95 + [0.1] * 5, 10).tolist() == [1] * 95 + [0] * 5
    assert metrics.bands([2.0] * 9, 4).tolist() == [0] * 9
    assert metrics.bands([], 4).tolist() == []
    many = rng.choice([0.1, 0.2, 0.3], 500, p=[0.04, 0.9, 0.06])
    assert metrics.bands(many, 10).tolist() == np.searchsorted([0.1, 0.2, 0.3], many).tolist()


def test_few_low_scores_are_not_hidden_below_a_heavy_tie() -> None:
    # 5 at .1 that all happen, 95 at .9 of which 81 do: (5 × .9 + 95 × |.9 - 81/95|) / 100.
    p, y = np.r_[np.full(5, 0.1), np.full(95, 0.9)], np.r_[np.ones(5 + 81), np.zeros(14)]
    assert metrics.calibration_table(y, p)["n"].tolist() == [5, 95]
    assert metrics.calibration_error(y, p) == pytest.approx((5 * 0.9 + 95 * 0.9 - 81) / 100, abs=1e-12)


def test_bootstrap_intervals_of_few_clusters_are_students() -> None:
    # The mean of m numbers: its bootstrap is nearly normal of variance s² (m - 1) / m², so that the ends lie
    # where Student's interval ends.
    rng = np.random.default_rng(2)
    for m in (5, 10, 40):
        x = rng.normal(size=m)
        normal = x.mean() + x.std(ddof=1) * np.sqrt((m - 1) / m**2) * norm.ppf(
            (np.arange(400_000) + 0.5) / 4e5
        )
        low, high = metrics.bootstrap_interval(normal, m)
        half = t.ppf(0.975, m - 1) * x.std(ddof=1) / np.sqrt(m)
        assert (float(low), float(high)) == pytest.approx((x.mean() - half, x.mean() + half), abs=half / 100)


def test_bootstrap_intervals_are_refused_where_they_cannot_be_told() -> None:
    drawn = np.random.default_rng(0).random((200, 3))
    drawn[:11, 1] = np.nan  # more than a twentieth
    drawn[:10, 2] = np.nan
    low, high = metrics.bootstrap_interval(drawn, 50)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True, False]
    for few in ((drawn, 1), (drawn, 0), (drawn[:1], 50), (drawn[:0], 50)):
        assert np.isnan(metrics.bootstrap_interval(*few)).all()


# Rows of one enterprise


def test_rows_repeated_within_an_enterprise_tell_no_more() -> None:
    rng = np.random.default_rng(0)
    for share in (0.0, 0.3, 1.0):
        y = (rng.random(40) < share).astype(float)
        w, own = rng.uniform(0.5, 2, 40), np.arange(40)
        low, high, size = metrics.rate_interval(y, w, own)
        assert (low, high) == pytest.approx(metrics.rate_interval(y, w)[:2], rel=1e-12)
        for k in (2, 20):
            again = metrics.rate_interval(np.tile(y, k), np.tile(w, k), np.tile(own, k))
            assert again[0] <= low
            assert again[1] >= high
            assert metrics.rate_interval(np.tile(y, k), groups=np.tile(own, k))[2] <= 40
            # The rows taken as independent would be k times as many.
            assert metrics.rate_interval(np.tile(y, k), np.tile(w, k))[2] == pytest.approx(k * size)


def test_the_size_under_clustering_is_that_of_the_shares_of_enterprises() -> None:
    # Shares .1, .3, .2 and .6 of ten rows each: the mean .3 has the variance of four numbers over four.
    found = [1, 3, 2, 6]
    y = np.concatenate([np.r_[np.ones(k), np.zeros(10 - k)] for k in found])
    want = 0.3 * 0.7 / (np.var([0.1, 0.3, 0.2, 0.6], ddof=1) / 4)
    low, high, size = metrics.rate_interval(y, groups=np.repeat(list("abcd"), 10))
    assert size == pytest.approx(want, rel=1e-12)
    ends = metrics.wilson_interval(0.3 * want, want, freedom=3)
    assert (low, high) == pytest.approx([float(end) for end in ends], rel=1e-12)


def test_one_enterprise_has_no_interval_and_all_alike_count_one_trial_each() -> None:
    assert metrics.rate_interval([1, 0, 1], groups=["a"] * 3) == pytest.approx(
        (np.nan, np.nan, 0), nan_ok=True
    )
    assert metrics.rate_interval([1, 0], [1, 0], groups=["a", "b"])[2] == 0  # b weighs nothing
    far = t.ppf(0.975, 9)
    low, high, size = metrics.rate_interval(np.zeros(200), groups=np.arange(200) % 10)
    assert (low, size) == (0, 10)
    assert high == pytest.approx(far**2 / (10 + far**2), rel=1e-12)


def test_a_clustered_interval_covers_where_one_of_rows_does_not() -> None:
    rng = np.random.default_rng(1)
    runs, own, inside = 600, np.repeat(np.arange(60), 20), np.zeros(2)
    for _ in range(runs):
        y = rng.random(1200) < rng.beta(0.8, 1.2, 60)[own]
        for k, groups in enumerate((own, None)):
            low, high, _ = metrics.rate_interval(y, groups=groups)
            inside[k] += low <= 0.4 <= high
    assert inside[0] / runs == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / runs))
    assert inside[1] / runs < 0.7


def test_a_calibration_table_clusters_its_rows() -> None:
    rng = np.random.default_rng(2)
    p = rng.uniform(size=100)
    y, own = (rng.random(100) < p).astype(int), np.arange(100)
    once = metrics.calibration_table(y, p, 4, groups=own)
    pd.testing.assert_frame_equal(once, metrics.calibration_table(y, p, 4))
    many = metrics.calibration_table(np.repeat(y, 5), np.repeat(p, 5), 4, groups=np.repeat(own, 5))
    assert (many["low"] <= once["low"]).all()
    assert (many["high"] >= once["high"]).all()
    assert (many["n"] == 5 * once["n"]).all()


# Ties


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60), st.integers(1, 7))
def test_ties_give_less_than_twice_the_bins(values: list[int], n: int) -> None:
    assert len(set(metrics.bands(values, n))) <= 2 * n - 1
    assert len(set(np.searchsorted(metrics.quantile_edges(values, n), values, side="right"))) <= 2 * n - 1
    assert len(set(metrics.bands([1, 2, 2, 3], 2))) == 3  # and no less holds


def test_samples_that_are_all_alike_have_no_interval() -> None:
    alike = np.column_stack(
        [np.full(99, 1.0), np.zeros(99), np.r_[np.full(98, 1.0), 0.9], np.full(99, np.nan)]
    )
    low, high = metrics.bootstrap_interval(alike, 50)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, True, False, True]


def test_differences_of_zero_are_certain_only_from_what_is_not_all_the_same() -> None:
    zero, various = np.zeros((99, 3)), np.arange(99.0)
    against = np.column_stack([various, np.zeros(99), np.ones(99)])
    low, high = metrics.bootstrap_interval(zero, 50, against=against)
    assert (low[0], high[0]) == (0, 0)
    assert np.isnan([low[1:], high[1:]]).all()
    assert metrics.resampled_interval([0.0] * 5, 0.2, against=[0.8, 0.9, 0.7, 0.8, 0.9]) == (0, 0, 0)
    for same in ([0.0] * 5, [1.0] * 5, None):
        assert np.isnan(metrics.resampled_interval([0.0] * 5, 0.2, against=same)[1:]).all()


def test_the_freedom_of_a_wilson_interval_is_above_zero() -> None:
    for freedom in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="'freedom' must be above 0"):
            metrics.wilson_interval(3, 20, freedom=freedom)


def test_a_cluster_has_no_more_events_than_trials() -> None:
    one = np.ones(2)
    for total, size in (([5.0, 0.0], one), ([1.0, 0.0], [1.0, 0.0]), ([np.nan, 0.0], one), ([1.0], one)):
        with pytest.raises(ValueError, match=r"'total'|'size'"):
            metrics.clustered_interval(np.array(total), np.array(size), 2)


def test_what_rounding_leaves_is_no_spread() -> None:
    near = 1 + 2e-16 * (np.arange(99) % 3 - 1)
    assert np.isnan(metrics.bootstrap_interval(near, 50)).all()
    assert np.isnan(metrics.resampled_interval(near, 0.2)[1:]).all()
    assert np.isnan(metrics.bootstrap_interval(near - 1, 50, against=near)).all()
    various = np.random.default_rng(0).random(99)
    low, high = metrics.bootstrap_interval(near - 1, 50, against=various)
    assert (low, high) == pytest.approx((0, 0), abs=1e-15)


@pytest.mark.parametrize(("k", "n"), [("k", [5, 9]), ([1, 2], "n")])
def test_a_count_under_a_mask_is_missing(k, n) -> None:
    hidden = np.ma.masked_array([1, 999], [False, True])
    with pytest.raises(ValueError, match="'k' must be a finite number in every row; row 1 holds nan"):
        metrics.wilson_interval([1, np.ma.masked], 5)
    k, n = (hidden if isinstance(one, str) else one for one in (k, n))
    with pytest.raises(ValueError, match="must be a finite number in every row; row 1 holds nan"):
        metrics.wilson_interval(k, n)
    with pytest.raises(ValueError, match="no numbers"):
        metrics.wilson_interval("3", 20)


NUMBERS = [0.5, 1.25, 2.0, None, 4.0, 0.5]
OTHERS = [0.5, 3.5, 3.0, 4.0, None, 0.75]


@pytest.mark.parametrize(
    "kind",
    [
        lambda v: [one if one is None else Decimal(str(one)) for one in v],
        lambda v: pd.Series(v, dtype="Float64"),
        lambda v: pd.Series([pd.NA if one is None else one for one in v], dtype=object),
        lambda v: pd.Series(v, dtype=object),
        lambda v: pd.Series(v, dtype="float64[pyarrow]"),
        lambda v: np.ma.masked_array(
            [999.0 if one is None else one for one in v], [one is None for one in v]
        ),
    ],
)
def test_the_index_is_that_of_the_numbers_whatever_holds_them(kind) -> None:
    plain = metrics.psi(np.array(NUMBERS, float), np.array(OTHERS, float), 3)
    assert metrics.psi(kind(NUMBERS), kind(OTHERS), 3) == plain
    assert metrics.psi(kind(NUMBERS), np.array(OTHERS, float), 3) == plain
    assert plain != metrics.psi(list(map(str, NUMBERS)), list(map(str, OTHERS)))


def test_decimals_are_numbers_and_not_levels() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 400)).round(3)
    assert metrics.psi([*map(Decimal, map(str, a))], [*map(Decimal, map(str, b))]) == metrics.psi(a, b) < 0.1


@pytest.mark.parametrize(
    ("values", "held"),
    [
        (pd.date_range("2024-01-01", periods=3), "datetime64"),
        (pd.timedelta_range("1D", periods=3), "timedelta64"),
        ([date(2024, 1, 1)] * 3, "date"),
        ([1, "1", 2], "int, str"),
        ([1j, 2j], "complex"),
    ],
)
def test_what_is_neither_numbers_nor_levels_has_no_index(values, held) -> None:
    for samples in ((values, [1.0, 2.0]), (["a", "b"], values)):
        with pytest.raises(ValueError, match=rf"Column '(reference|other)' holds {held}.*Give a number"):
            metrics.psi(*samples)


def test_levels_of_the_index_are_their_texts() -> None:
    told = metrics.psi(["1", "2"], ["1", "1", "1", "2"])
    assert metrics.psi(pd.Categorical([1, 2]), pd.Categorical([1, 1, 1, 2])) == told
    assert metrics.psi(pd.Series(["1", "2"], dtype="category"), pd.Categorical([1, 1, 1, 2])) == told
    assert metrics.psi([None, "a"], pd.Series([pd.NA, "a"], dtype=object)) == 0
