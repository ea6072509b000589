"""Sector offsets: the mode of the posterior by an optimiser, shrinkage, and what they do to scores."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.scores.offsets import SectorOffset


def drawn(spread: float, sectors: int = 12, n: int = 3000, seed: int = 0):
    rng = np.random.default_rng(seed)
    right = rng.normal(0, spread, sectors)
    place = np.repeat(np.arange(sectors), rng.integers(n // 10, n, sectors))
    z = rng.normal(-2, 0.7, len(place))
    y = (rng.random(len(place)) < expit(z + right[place])).astype(int)
    return right, z, y, pd.Series([f"s{k:02}" for k in place])


def test_offsets_are_the_mode_of_the_posterior() -> None:
    _, z, y, sector = drawn(0.4)
    found = SectorOffset.fit(z, y, sector)
    for name, row in found.table.iterrows():
        here = (sector == name).to_numpy()

        def loss(d: float, prior: float, here: np.ndarray = here) -> float:
            like = np.logaddexp(0, z[here] + d) - y[here] * (z[here] + d)
            return float(like.sum() + prior * d**2 / (2 * found.spread**2))

        assert row["offset"] == pytest.approx(minimize_scalar(loss, args=(1,)).x, abs=1e-6)
        assert abs(row["offset"]) < abs(minimize_scalar(loss, args=(0,)).x)  # drawn to 0
        assert (row["n"], row["events"]) == (here.sum(), y[here].sum())


def test_they_are_near_the_truth_and_their_intervals_cover_it() -> None:
    covered, total = 0, 0
    for seed in range(12):
        right, z, y, sector = drawn(0.4, seed=seed)
        table = SectorOffset.fit(z, y, sector).table
        covered += int(((table["low"] <= right) & (right <= table["high"])).sum())
        total += len(right)
    assert 0.90 < covered / total < 0.99  # 144 sectors at 95 %: a standard error of 1.8 points


def test_where_sectors_do_not_differ_nobody_is_moved_and_few_rows_move_little() -> None:
    flat = [SectorOffset.fit(*_four(drawn(0.0, seed=seed))) for seed in range(8)]
    assert np.median([one.spread for one in flat]) < 0.06
    assert any((one.table["offset"] == 0).all() for one in flat)
    _, z, y, sector = drawn(0.5)
    few = np.r_[np.full(3, -2.0)], np.ones(3, int), pd.Series(["tiny"] * 3)
    found = SectorOffset.fit(
        np.r_[z, few[0]], np.r_[y, few[1]], pd.concat([sector, few[2]], ignore_index=True)
    )
    assert found.table.loc["tiny", "offset"] < 0.35 * found.table.loc["tiny", "raw"]


def _four(made):
    return made[1:]


def test_weights_count_as_what_they_are_worth() -> None:
    _, z, y, sector = drawn(0.4)
    one, many = SectorOffset.fit(z, y, sector), SectorOffset.fit(z, y, sector, np.full(len(y), 7.0))
    pd.testing.assert_frame_equal(one.table, many.table)
    half = np.tile([1.0, 0.0], len(y))[: len(y)]
    kept = half > 0
    some = SectorOffset.fit(z, y, sector, half)
    alone = SectorOffset.fit(z[kept], y[kept], sector[kept])
    pd.testing.assert_frame_equal(some.table, alone.table)
    with pytest.raises(ValueError, match="No row carries weight"):
        SectorOffset.fit(z, y, sector, np.zeros(len(y)))


def test_scores_and_a_composite_policy_are_moved_alike() -> None:
    policy = Policy.load("legacy").reform(
        {
            "scoring.basis": "model",
            "scoring.logic": "composite",
            "scoring.composite_cutoffs": [640, 680, 720],
        },
        name="composite",
    )
    offset = SectorOffset(pd.DataFrame({"offset": [0.5, -0.3]}, index=["gas", "food"]), 0.4)
    rng = np.random.default_rng(0)
    scores = pd.DataFrame(
        {
            "enterprise_id": [f"e{k}" for k in range(300)],
            "sector": np.repeat(["gas", "food", "retail"], 100),
            "risk_probability": expit(rng.normal(-2, 0.7, 300)),
            "credit_points": rng.normal(600, 40, 300).round(1),
        }
    )
    moved = offset.apply(scores)
    np.testing.assert_allclose(
        logit(moved["risk_probability"]) - logit(scores["risk_probability"]),
        np.repeat([0.5, -0.3, 0.0], 100),
        atol=1e-12,
    )
    assert (moved["risk_probability"][200:] == scores["risk_probability"][200:]).all()
    by_scores = assign(moved, policy)["composite_points"]
    by_policy = assign(scores, policy.reform(offset.reform(policy), name="by sector"))["composite_points"]
    np.testing.assert_allclose(by_scores, by_policy, atol=0.2)
    assert (by_scores != assign(scores, policy)["composite_points"]).sum() == 200
    with pytest.raises(ValueError, match="takes tiers from a matrix"):
        offset.reform(Policy.load("legacy"))
    assert offset.to_dict()["spread"] == 0.4
    assert "gas" in offset._repr_html_()
