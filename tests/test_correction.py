"""Under strong selection the corrected risk is right on average over everybody, and the naive one is not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.correction import BOUND, SELECTIONS, WAYS, errors, interval, summary, told, truth, verdict
from tierkit.city.engine import oracle_scores
from tierkit.city.synth import grow
from tierkit.policy import Policy

PAGE = Path(__file__).parent.parent / "docs" / "correction.md"
CORRECTED = "weighted, level by audits"


def found(enterprises: int, seeds: range) -> pd.DataFrame:
    return pd.concat(
        [errors("strong", seed, enterprises, ("naive", CORRECTED)) for seed in seeds], ignore_index=True
    )


@pytest.mark.long
def test_the_corrected_mean_is_near_the_truth_and_the_naive_one_is_not() -> None:
    # Three cities of 12,000, whose corrected means have a standard error of 0.5 points together; the page
    # has twenty of 40,000, and the bound itself.
    cities = found(12_000, range(1, 4))
    error = cities.pivot_table(index="seed", columns="way", values="error")
    assert abs(error[CORRECTED].mean()) < 1.5
    assert error["naive"].mean() > 1.5
    assert (error["naive"] - error[CORRECTED] > 0.5).all()
    triggered = cities.set_index("way")["triggered"]
    assert (triggered["naive"] > 400).all()
    assert (triggered[CORRECTED] == 0).all()


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


def test_the_page_says_what_was_measured() -> None:
    table = summary(found(2_000, range(1, 3)))
    lines = "\n".join(told(table) + verdict(table))
    assert "whole interval" in lines or "Undecided" in lines
    mean, low, high = interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, high - mean) == (2.0, pytest.approx(4.302653 / np.sqrt(3)))  # Student, two degrees
    assert low == pytest.approx(2 * mean - high)
    page = PAGE.read_text("utf-8")
    for way in WAYS:
        assert page.count(f"| {way} |") == len(SELECTIONS)
    strong = next(line for line in page.splitlines() if line.startswith("- Strong."))
    inside, _, outside = strong.partition(f"beyond {BOUND:g} point")
    assert all(f"*{way}*" in inside for way in ("random", CORRECTED))
    assert "*naive*" in outside
