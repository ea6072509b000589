"""Drift of a scorecard's rows: indices by hand, the point of chance and the intervals by simulation."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from tierkit.scores import metrics
from tierkit.scores.monitoring import CUSTOM, SCORE, Bands, monitor, null_point, psi_interval
from tierkit.scores.scorecard import CreditScorecard

LEVELS = ["retail", "food", "gas"]
NAMES = ["arrears", "age", "sector"]


def people(n: int, seed: int, older: float = 0.0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "arrears": rng.poisson(0.3, n).astype(float),
            "age": rng.gamma(2, 4, n) + older,
            "sector": pd.Categorical.from_codes(rng.integers(0, 3, n), LEVELS),
        }
    )
    frame.loc[rng.random(n) < 0.1, "age"] = np.nan
    log_odds = -2 + frame["arrears"] - 0.1 * frame["age"].fillna(0) + (frame["sector"] == "food")
    return frame, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)


@pytest.fixture(scope="module")
def card() -> CreditScorecard:
    return CreditScorecard(monotone={"arrears": -1, "age": 1}).fit(*people(4000, 0))


@pytest.fixture(scope="module")
def bands(card: CreditScorecard) -> Bands:
    return Bands.of(card.points(people(4000, 0)[0]))


def test_the_rows_of_the_fit_have_not_moved(card, bands) -> None:
    found = monitor(card, people(4000, 0)[0], bands)
    assert found.table["variable"].tolist() == [SCORE, *card.table()["feature"].unique()[1:]]
    assert (found.table["index"] == 0).all()
    assert found.table["by_chance"].all()
    assert (found.table["custom"] == "little").all()
    assert (found.table["low"] == 0).all()
    assert found.table["points_moved"].iloc[1:].abs().max() < 1e-9


def test_missing_and_unseen_are_cells_and_indices_are_the_sums_of_their_parts(card, bands) -> None:
    now = people(1000, 1)[0].astype({"sector": object})
    now.loc[:299, "sector"] = "banking"
    now.loc[:99, "arrears"] = np.nan
    found = monitor(card, now, bands)
    cells = found.cells.set_index(["variable", "kind"])
    assert cells.loc[("sector", "unseen"), "actual"].item() == 300
    assert cells.loc[("arrears", "missing"), ["expected", "actual"]].tolist() == [0, 100]
    for name, rows in found.cells.groupby("variable"):
        row = found.table.set_index("variable").loc[str(name)]
        assert rows["part"].sum() == pytest.approx(row["index"], abs=1e-12)
        assert rows["actual"].sum() == row["n"] == 1000
        assert rows["expected"].sum() == row["n_expected"] == 4000
        # by hand, over the cells that hold anybody
        e, a = (np.maximum(rows[column], 0.5) for column in ("expected", "actual"))
        some = rows["expected"] + rows["actual"] > 0
        e, a = e[some] / e[some].sum(), a[some] / a[some].sum()
        assert row["index"] == pytest.approx(((a - e) * np.log(a / e)).sum(), abs=1e-12)
    assert not found.table.set_index("variable").loc[["sector", "arrears"], "by_chance"].any()


def test_the_index_of_the_score_is_that_of_its_bands_counted_apart(card, bands) -> None:
    before, now = people(4000, 0)[0], people(1500, 3, older=2.0)[0]
    deciles = np.unique(np.quantile(card.points(before), np.linspace(0.1, 0.9, 9)))
    for cuts, given in ((deciles, bands), ([560.0, 600.0], Bands.of(card.points(before), [560.0, 600.0]))):
        ends = np.r_[-np.inf, cuts, np.inf]
        shares = []
        for rows in (before, now):
            inside = [
                ((ends[k] <= card.points(rows)) & (card.points(rows) < ends[k + 1])).sum()
                for k in range(len(ends) - 1)
            ]
            shares.append(np.array(inside) / len(rows))
        expected, actual = shares
        assert (actual > 0).all()
        index = monitor(card, now, given).table.set_index("variable").loc[SCORE, "index"]
        by_hand = ((actual - expected) * np.log(actual / expected)).sum()
        assert index == pytest.approx(by_hand, abs=1e-12)


def test_the_mean_points_move_by_what_the_features_move(card, bands) -> None:
    before, now = people(4000, 0)[0], people(2000, 4, older=3.0)[0]
    moved = monitor(card, now).table["points_moved"].sum()
    assert monitor(card, now, bands).table["points_moved"].iloc[0] == pytest.approx(moved)
    assert moved == pytest.approx(card.points(now).mean() - card.points(before).mean(), abs=1e-9)


def test_a_shift_is_seen_and_named(card, bands) -> None:
    table = monitor(card, people(2000, 5, older=20.0)[0], bands).table.set_index("variable")
    assert table.loc["age", "custom"] == "much"
    assert not table.loc["age", "by_chance"]
    assert table.loc["age", "low"] > table.loc["age", "null_95"]
    assert table.loc["sector", "custom"] == "little"
    assert [*CUSTOM.values()] == sorted(CUSTOM.values())


@pytest.mark.parametrize(("cells", "n", "m"), [(4, 300, 500), (10, 2000, 1000), (10, 50_000, 3000)])
def test_the_point_of_chance_is_exceeded_in_one_month_of_twenty(cells: int, n: int, m: int) -> None:
    rng = np.random.default_rng(cells)
    share = rng.dirichlet(np.full(cells, 5.0))
    limit, draws = null_point(cells, n, m), 2000
    before, after = rng.multinomial(n, share, draws), rng.multinomial(m, share, draws)
    index = np.array([metrics.psi_parts(b, a).sum() for b, a in zip(before, after, strict=True)])
    low, high = binom.ppf([0.0005, 0.9995], draws, 0.05)
    assert low <= (index > limit).sum() <= high
    assert index.mean() == pytest.approx((cells - 1) * (1 / n + 1 / m), rel=0.1)
    # half the limit, or twice, is not the point that is exceeded in one of twenty
    assert not low <= (index > limit / 2).sum() <= high
    assert not low <= (index > 2 * limit).sum() <= high


@pytest.mark.parametrize("shift", [0.0, 0.2, 0.45])
def test_the_interval_covers_the_index_of_the_populations(shift: float) -> None:
    rng = np.random.default_rng(int(100 * shift))
    e = np.full(10, 0.1)
    a = e * np.exp(shift * np.linspace(-1.6, 1.6, 10))
    a /= a.sum()
    truth = float(((a - e) * np.log(a / e)).sum())
    n, m, draws = 4000, 1500, 250
    hit = 0
    for b, now in zip(rng.multinomial(n, e, draws), rng.multinomial(m, a, draws), strict=True):
        low, high = psi_interval(float(metrics.psi_parts(b, now).sum()), 10, n, m)
        hit += low <= truth <= high
    # at no shift the lower end is 0 in all draws but one of forty, and the interval covers at 97.5 %
    assert binom.ppf(0.0005, draws, 0.95) <= hit <= binom.ppf(0.9995, draws, 0.98)


def test_one_cell_has_no_index_and_no_row_is_refused(card) -> None:
    assert null_point(1, 10, 10) == 0
    for index, rows in ((0.0, 3), (0.5, 10)):
        assert np.isnan(psi_interval(index, 1, rows, rows)).all()
    for bad in ((np.inf, 10, 20, 20), (np.nan, 10, 20, 20), (0.1, 10, np.inf, 20), (0.1, 10, 20, 0)):
        with pytest.raises(ValueError, match="A finite index"):
            psi_interval(*bad)
    with pytest.raises(ValueError, match="no row to compare"):
        monitor(card, people(10, 0)[0].iloc[:0])


def test_the_result_shows_and_saves_itself(card, bands) -> None:
    found = monitor(card, people(500, 6)[0], bands)
    assert json.loads(json.dumps(found.to_dict()))["table"][0]["variable"] == SCORE
    assert "moved by more than chance" in repr(found)
    assert "null_95" in found._repr_html_()
    assert Bands.from_dict(json.loads(json.dumps(bands.to_dict()))) == bands
    assert (found.table["thin"] >= 0).all()


def test_bands_of_points_that_are_tied_are_as_those_of_levels() -> None:
    a, b = np.r_[np.full(9500, 600.0), np.full(500, 640.0)], np.r_[np.full(4000, 600.0), np.full(6000, 640.0)]
    exact = -0.55 * np.log(0.4 / 0.95) + 0.55 * np.log(0.6 / 0.05)
    for before, now in ((a, b), (1000 - a, 1000 - b)):
        one = Bands.of(before)
        other = Bands.of(now, one.edges)
        assert metrics.psi_parts(one.counts, other.counts).sum() == pytest.approx(exact, abs=1e-12)
        assert sorted(one.counts)[-2:] == [500, 9500]
    constant = Bands.of(np.full(50, 600.0))
    assert Bands.of([599.0, 600.0, 601.0], constant.edges).counts == (1, 1, 1)


@pytest.mark.parametrize(
    ("edges", "counts"),
    [((2.0, 1.0), (1, 1, 1)), ((1.0,), (1,)), ((1.0,), (0, 0)), ((1.0,), (1, 0.5)), ((1.0,), (-1, 2))],
)
def test_bands_that_cannot_be_are_refused_when_they_are_made(edges, counts) -> None:
    with pytest.raises(ValueError, match=r"'?(edges|counts)'?"):
        Bands(edges, counts)


def test_a_set_of_values_is_no_sample() -> None:
    with pytest.raises(ValueError, match="'other' must be an array of values"):
        metrics.psi([1, 2], {1, 2})
