"""Under strong selection the corrected risk is right on average over everybody, and the naive one is not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.correction import BOUND, STRENGTHS, WAYS, errors, interval, summary, told, truth, verdict
from tierkit.policy import Policy
from tierkit.simulate import oracle_scores
from tierkit.synth import grow

PAGE = Path(__file__).parent.parent / "docs" / "correction.md"
CORRECTED = ("random", "weighted, level by audits")


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    ways = ("naive", *CORRECTED)
    return pd.concat([errors("strong", seed, 16_000, 0.04, ways) for seed in (1, 2, 3)], ignore_index=True)


def test_the_corrected_mean_is_near_the_truth_and_the_naive_one_is_not(found) -> None:
    # Three cities of 16,000; the page has twenty of 40,000, and the bound itself.
    by_way = found.groupby("way")["error"].mean()
    for way in CORRECTED:
        assert abs(by_way[way]) < 1.0, way
        assert by_way["naive"] - by_way[way] > 0.8, way
    assert by_way["naive"] > 1.0
    assert (found.loc[found["way"] == "naive", "triggered"] > 500).all()
    assert (found.loc[found["way"] != "naive", "triggered"] == 0).all()


def test_the_truth_is_the_engines_own() -> None:
    # Against the stationary share in violation of each obligation, by the closed form that the oracle uses.
    world, policy = grow(3_000, 1), Policy.load("legacy")
    known = truth(world, policy)
    right = oracle_scores(world, policy["depth.detection"]).set_index("enterprise_id")["risk_probability"]
    both = pd.DataFrame({"known": known, "right": right}).dropna()
    assert len(both) == len(known) == int(world.alive().sum())
    # Inspections lower what is there, so the truth is below the share of an obligation left alone.
    assert 0.85 < both["known"].mean() / both["right"].mean() < 1.0
    assert np.corrcoef(both["known"], both["right"])[0, 1] > 0.6
    assert truth(world, policy, weeks=52).mean() == pytest.approx(known.mean(), rel=0.1)


def test_the_page_says_what_was_measured(found) -> None:
    table = summary(found)
    lines = "\n".join(told(table) + verdict(table))
    assert "whole interval" in lines or "Undecided" in lines
    mean, low, high = interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, high - mean) == (2.0, pytest.approx(4.302653 / np.sqrt(3)))  # Student, two degrees
    assert low == pytest.approx(2 * mean - high)
    page = PAGE.read_text("utf-8")
    for way in WAYS:
        assert page.count(f"| {way} |") == len(STRENGTHS)
    strong = next(line for line in page.splitlines() if line.startswith("- Under strong selection."))
    inside, _, outside = strong.partition(f"beyond {BOUND:g} point")
    assert all(f"*{way}*" in inside for way in CORRECTED)
    assert "*naive*" in outside
