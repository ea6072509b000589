"""The test before binning holds its size whatever the number of values, and finds what is there."""

from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import chi2_contingency
from sklearn.isotonic import IsotonicRegression

from tierkit.scores import binning, chance

ROWS, RATE = 4000, 0.1


def counted(code: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = int(code.max()) + 1
    return np.bincount(code, minlength=n), np.bincount(code[event == 1], minlength=n)


def levels(seed: int, n: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, n])
    code = rng.integers(0, n, ROWS)
    log_odds = logit(RATE) + rng.normal(0, spread, n)
    return code, (rng.random(ROWS) < expit(log_odds)[code]).astype(np.int64)


# 200 columns of noise at 0.001: more than two pass once in a thousand times.


@pytest.mark.parametrize("n", [5, 20, 60, 300])
def test_noise_passes_no_more_often_than_promised_whatever_the_number_of_levels(n: int) -> None:
    assert sum(chance.differs(*counted(*levels(seed, n, 0.0))) for seed in range(200)) <= 2


@pytest.mark.parametrize("draw", ["normal", "counts", "two values"])
def test_noise_in_numbers_passes_no_more_often_than_promised(draw: str) -> None:
    passed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x = {
            "normal": rng.normal(size=ROWS),
            "counts": rng.poisson(1.0, ROWS).astype(float),
            "two values": (rng.random(ROWS) < 0.01).astype(float),
        }[draw]
        count, events = counted(chance.cells(x), (rng.random(ROWS) < RATE).astype(np.int64))
        passed += chance.differs(count, events, len(count))
    assert passed <= 2


@pytest.mark.parametrize(("n", "spread"), [(5, 0.6), (20, 0.5), (60, 0.6), (300, 0.8)])
def test_levels_that_differ_are_found(n: int, spread: float) -> None:
    assert sum(chance.differs(*counted(*levels(seed, n, spread))) for seed in range(20)) >= 16


@pytest.mark.parametrize("way", [1, -1])
def test_a_slope_and_a_rare_value_are_found_either_way(way: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    count, events = counted(
        chance.cells(way * x), (rng.random(ROWS) < expit(logit(RATE) + 0.35 * x)).astype(np.int64)
    )
    assert chance.differs(count, events, len(count))
    rare = (rng.random(ROWS) < 0.01).astype(float)
    count, events = counted(chance.cells(way * rare), (rng.random(ROWS) < RATE + 0.3 * rare).astype(np.int64))
    assert (count > 0).sum() == 2
    assert chance.differs(count, events, len(count))


def test_a_number_whose_rates_rise_and_fall_again_is_found() -> None:
    count = np.full(20, 300)
    assert chance.differs(count, np.repeat([30, 70, 30], [9, 2, 9]), 20)


def test_the_decision_is_that_of_all_deals() -> None:
    """Every way to deal the events out, with its chance, against the decision; near 0.001 either may be."""
    count = np.array([9, 7, 8])
    for ordered in (0, 3):
        decided = {True: 0, False: 0}
        for total in (8, 12):
            deals = np.array([e for e in product(*(range(m + 1) for m in count)) if sum(e) == total])
            ways = np.array([np.prod([comb(m, k) for m, k in zip(count, e, strict=True)]) for e in deals])
            tried = [chance._gain(deals, count, way) for way in {0, ordered}]
            for k, events in enumerate(deals):
                p = len(tried) * min(ways[gain >= gain[k] - 1e-9].sum() / ways.sum() for gain in tried)
                if p < 0.00005 or p > 0.005:
                    assert chance.differs(count, events, ordered) == (p < 0.001), (events, p)
                    decided[bool(p < 0.001)] += 1
        assert min(decided.values()) > 0


@given(st.integers(0, 10_000), st.integers(2, 30))
@settings(max_examples=30, deadline=None)
def test_monotone_rates_of_many_deals_are_those_of_each(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 50, n)
    events = rng.binomial(count, rng.random(n), (20, n))
    middle = np.cumsum(count) - count / 2
    for told, held, own in zip(*chance._monotone(events, count), events, strict=True):
        rises = own @ (middle - np.average(middle, weights=count)) >= 0
        fit = IsotonicRegression(increasing=bool(rises)).fit(np.arange(n), own / count, count)
        np.testing.assert_allclose(told, fit.predict(np.arange(n)), rtol=0, atol=1e-9)
        steps = np.flatnonzero(np.diff(held) != 0) + 1  # rows held together sum up to what they hold
        for part in np.split(np.arange(n), steps):
            assert count[part].sum() % held[part[0]] == 0


def test_gain_is_the_likelihood_ratio_where_nothing_is_drawn_to_the_mean(monkeypatch) -> None:
    count, events = np.array([400, 300, 500]), np.array([20, 30, 80])
    table = np.array([events, count - events])
    expected = chi2_contingency(table, lambda_="log-likelihood", correction=False).statistic
    for ordered in (0, 3):
        assert chance._gain(events[np.newaxis], count, ordered)[0] < expected
    monkeypatch.setattr(chance, "_SPREAD", 1e9)
    for ordered in (0, 3):
        assert chance._gain(events[np.newaxis], count, ordered)[0] == pytest.approx(expected, rel=1e-9)


@given(st.permutations(range(12)))
@settings(max_examples=10, deadline=None)
def test_a_clear_decision_depends_on_no_order_of_the_levels(order: list[int]) -> None:
    for spread, found in ((0.0, False), (0.9, True)):
        count, events = counted(*levels(3, 12, spread))
        assert chance.differs(count[order], events[order]) is found


def test_shrunken_rates_are_nearer_to_the_true_ones_and_right_where_they_were_picked() -> None:
    off, too_high = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        true = rng.beta(8, 72, 400)  # mean 0.1, worth 80 rows
        count = rng.integers(5, 60, 400).astype(float)
        events = rng.binomial(count.astype(int), true).astype(float)
        told, seen = chance.shrunken(count, events), events / count
        errors = [np.average((one - true) ** 2, weights=count) for one in (told, seen)]
        assert errors[0] < 0.6 * errors[1]
        picked = np.argsort(told)[-40:]
        off.append(told[picked].mean() - true[picked].mean())
        too_high.append(seen[picked].mean() - true[picked].mean())
        rate = events.sum() / count.sum()
        rows = (events[0] - told[0] * count[0]) / (told[0] - rate)
        # A posterior mean, the prior the same for all.
        np.testing.assert_allclose(told, (events + rows * rate) / (count + rows), rtol=1e-9)
    # Those picked are right on average, within three standard errors of forty samples.
    assert abs(np.mean(off)) < 3 * np.std(off, ddof=1) / np.sqrt(40) < 0.005
    assert min(too_high) > 0.05
    assert np.ptp(chance.shrunken(np.full(4, 100.0), np.array([10.0, 11, 10, 9]))) == 0


# What binning makes of it


@pytest.mark.parametrize("n", [20, 60])
def test_levels_that_are_noise_get_no_bins(n: int) -> None:
    labels = tuple(f"L{i}" for i in range(n))
    for seed in range(20):
        code, event = levels(seed, n, 0.0)
        assert binning.bins("c", code.astype(float), event, labels) == (
            "its values differ no more than chance would have it"
        )


def test_where_only_missing_values_differ_the_known_levels_are_one_bin() -> None:
    rng = np.random.default_rng(1)
    missing = rng.random(ROWS) < 0.2
    event = (rng.random(ROWS) < np.where(missing, 0.3, RATE)).astype(np.int64)
    code = np.where(missing, np.nan, rng.integers(0, 40, ROWS))
    rows = binning.bins("c", code, event, tuple(f"L{i}" for i in range(40)))
    assert [row["kind"] for row in rows] == ["level", "missing", "unseen"]
    seen = binning.woe(
        np.array([float((~missing).sum())]), np.array([float(event[~missing].sum())]), ROWS, event.sum()
    )
    assert rows[0]["woe"] == pytest.approx(seen[0])


@pytest.mark.parametrize("draw", ["normal", "counts"])
def test_where_only_missing_values_differ_a_number_has_no_cuts(draw: str) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=ROWS) if draw == "normal" else rng.poisson(3.0, ROWS).astype(float)
        missing = rng.random(ROWS) < 0.2
        noise = (rng.random(ROWS) < np.where(missing, 0.3, RATE)).astype(np.int64)
        real = (rng.random(ROWS) < np.where(missing, 0.3, expit(logit(RATE) + 0.5 * x))).astype(np.int64)
        x[missing] = np.nan
        kinds = [row["kind"] for row in binning.bins("x", x, noise)]
        assert kinds == ["interval", "missing"], seed
        assert len(binning.bins("x", x, real)) > 2, seed


def test_weights_of_levels_are_those_of_their_shrunken_rates() -> None:
    code, event = levels(2, 60, 0.6)
    labels = tuple(f"L{i}" for i in range(60))
    rows = binning.bins("c", code.astype(float), event, labels)
    told = chance.shrunken(*(part.astype(float) for part in counted(code, event)))
    for row in rows[:-2]:
        members = [labels.index(level) for level in row["levels"]]
        inside = np.isin(code, members)
        assert (row["count"], row["events"]) == (inside.sum(), event[inside].sum())
        expected = binning.woe(
            np.array([inside.sum()]), np.array([told[code[inside]].sum()]), ROWS, event.sum()
        )
        assert row["woe"] == pytest.approx(expected[0], rel=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda: chance.cells(np.array([1.0, np.nan])),
        lambda: chance.differs(np.array([5, 5]), np.array([6, 1])),
        lambda: chance.differs(np.array([5, -5]), np.array([1, 0])),
        lambda: chance.differs(np.array([5.5, 5]), np.array([1, 0])),
        lambda: chance.differs(np.array([5, 5]), np.array([1])),
        lambda: chance.shrunken(np.array([5.0, 0]), np.array([1.0, 0])),
        lambda: chance.shrunken(np.array([5.0, 5]), np.array([1.0, 9])),
        lambda: chance.shrunken(np.array([]), np.array([])),
    ],
)
def test_cells_are_counts_of_rows_and_of_events_among_them(call) -> None:
    with pytest.raises(ValueError, match=r"must|has"):
        call()
