"""The benchmarks measure what they say: every implementation of the small model gives the model's moments."""

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from benchmarks import reasons, scorecards
from benchmarks.memory import peak_bytes, start_again
from benchmarks.precision import differences, table
from benchmarks.small import model, tierkit_way
from benchmarks.small.model import DETECTION, STANDARD_ERRORS, TIER_RATE, City, city, disagreement, expected
from tierkit.city.keyed_random import philox_many, threshold
from tierkit.city.synth import grow
from tierkit.compare.comparison import HEADLINE
from tierkit.policy import Policy
from tierkit.scores.metrics import auc

ROOT = Path(__file__).resolve().parent.parent
WAYS = ["tierkit", "numpy", "starsim", "mesa"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_every_implementation_gives_the_moments_of_the_model(way: str) -> None:
    if way in ("starsim", "mesa") and importlib.util.find_spec(way) is None:
        pytest.skip(f"{way} is installed by make bench alone")
    module = importlib.import_module(f"benchmarks.small.{way}_way")
    small = city(20_000)
    for seed in (1, 2):
        assert disagreement(small, module.prepare(small, model.WEEKS, seed, 2)()) < STANDARD_ERRORS


def test_the_moments_are_those_of_the_model_followed_by_hand() -> None:
    # one enterprise of T4: in violation before the first inspections with h, found with h r d
    one = City(np.array([0.5]), np.array([3], np.uint8))
    mean, variance = expected(one, 2)
    found = 0.5 * 0.05 * 0.7
    assert mean[:, 0] == pytest.approx([0.05, found])
    left = 0.5 - found
    assert mean[1, 1] == pytest.approx((left + (1 - left) * 0.5) * 0.05 * 0.7)
    assert variance[:, 0] == pytest.approx([0.05 * 0.95, found * (1 - found)])


def test_a_wrong_model_disagrees(monkeypatch: pytest.MonkeyPatch) -> None:
    small = city(100_000)
    right = tierkit_way.prepare(small, model.WEEKS, 1)()
    assert disagreement(small, right) < STANDARD_ERRORS
    monkeypatch.setattr(tierkit_way, "DETECTION", DETECTION + 0.05)
    assert disagreement(small, tierkit_way.prepare(small, model.WEEKS, 1)()) > STANDARD_ERRORS
    assert disagreement(small, np.roll(right, 1, axis=1)[:, ::-1]) > STANDARD_ERRORS
    assert disagreement(small._replace(hazard=small.hazard * 1.1), right) > STANDARD_ERRORS


def test_the_compiled_small_model_is_the_rule_applied_to_the_keyed_draws() -> None:
    small = city(5_000)
    fall, inspect, find = (
        threshold(p) for p in (small.hazard, TIER_RATE[small.tier], TIER_RATE[small.tier] * DETECTION)
    )
    violation = np.zeros(5_000, bool)
    by_hand = np.zeros((2, 6), np.int64)
    slots, none = np.arange(5_000, dtype=np.uint64), np.zeros(5_000, np.uint64)
    for week in range(6):
        block = philox_many((9, 0), np.stack([slots, none, none + np.uint64(week // 2), none]))
        x, y = block[2 * (week % 2)], block[2 * (week % 2) + 1]
        violation |= x < fall
        found = violation & (y < find)
        by_hand[:, week] = (y < inspect).sum(), found.sum()
        violation &= ~found
    for threads, size in ((1, 1 << 16), (2, 700)):
        assert np.array_equal(tierkit_way.prepare(small, 6, 9, threads, size)(), by_hand)
    with pytest.raises(ValueError, match="must be even"):
        tierkit_way.prepare(small, 7, 9)


def test_the_peak_of_memory_is_that_since_the_start() -> None:
    before = start_again()
    block = np.ones(40_000_000, np.uint8)
    assert 35e6 < peak_bytes() - before < 60e6
    del block


def test_the_engine_takes_at_most_200_bytes_an_obligation() -> None:
    asked = {"what": "engine", "enterprises": 40_000, "threads": [2], "runs": 1, "weeks": 4}
    told = subprocess.run(
        [sys.executable, "-m", "benchmarks.one", json.dumps(asked)],
        cwd=ROOT, check=True, capture_output=True, encoding="utf-8",
    ).stdout  # fmt: skip
    found = json.loads(told.splitlines()[-1])
    assert 60 < found["kept"] < found["2"]["bytes"] < 200


def test_keyed_draws_sharpen_a_comparison() -> None:
    world = grow(600, 1)
    legacy = Policy.load("legacy")
    small = legacy.reform({"frequency.tier.T4.key": 2.0}, name="small")
    found = table(*differences(world, legacy, [small], 6, 12, lambda done, total: None)["small"])
    assert list(found.index) == list(HEADLINE)
    assert found.loc["violations_missed", "ratio"] > 4
    assert (found["replicates"] == found["ratio"] ** 2).all()


@pytest.mark.parametrize("way", scorecards.WAYS)
def test_every_scorecard_scores_where_the_event_is_likelier(way: str) -> None:
    if not scorecards.installed(way):
        pytest.skip(f"{way} is installed by make bench alone")
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=3000), "sector": pd.Categorical(rng.choice(["a", "b"], 3000))})
    X.loc[::7, "x"] = np.nan
    log_odds = X["x"].fillna(0) + (X["sector"] == "a")
    y = (rng.random(3000) < 1 / (1 + np.exp(2 - log_odds))).to_numpy(np.int64)
    score = scorecards.WAYS[way](X[:2000], y[:2000])
    assert auc(y[2000:], score(X[2000:])) > 0.65
    assert np.array_equal(score(X[2000:2100]), score(X[2000:])[:100])


@pytest.mark.parametrize("way", reasons.WAYS)
@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_every_library_gives_the_same_shapley_values(way: str) -> None:
    if not reasons.installed(way):
        pytest.skip(f"{way} is installed by make bench alone")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4))
    X[::9, 1] = np.nan
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    booster = lgb.train(fixed, lgb.Dataset(X, X[:, 0] * X[:, 2] + np.nan_to_num(X[:, 1]) > 0.5), 10)
    values = reasons.WAYS[way](booster, 1)(X)
    theirs = np.asarray(booster.predict(X, pred_contrib=True))[:, :-1]
    np.testing.assert_allclose(values, theirs, rtol=0, atol=1e-5 if way == "woodelf" else 1e-9)


@pytest.mark.parametrize("way", reasons.OVER)
@pytest.mark.filterwarnings("ignore")  # of other libraries
def test_every_library_gives_the_same_values_over_a_background_or_refuses(way: str) -> None:
    if not reasons.installed(way):
        pytest.skip(f"{way} is installed by make bench alone")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4))
    X[:, 3] = rng.integers(0, 6, 2000)
    X[::9, 1] = np.nan
    y = X[:, 0] * X[:, 2] + np.nan_to_num(X[:, 1]) + X[:, 3] % 2 > 0.5
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1}
    numbers = lgb.train(fixed, lgb.Dataset(X, y), 10)
    values = reasons.OVER[way](numbers, X[:150], 1)(X[:200])
    ours = reasons.OVER["tierkit"](numbers, X[:150], 1)(X[:200])
    np.testing.assert_allclose(values, ours, rtol=0, atol=1e-6)
    with_levels = lgb.train(fixed, lgb.Dataset(X, y, categorical_feature=[3]), 10)
    if way == "tierkit":
        base = np.mean(np.asarray(with_levels.predict(X[:150], raw_score=True)))
        told = base + reasons.OVER[way](with_levels, X[:150], 1)(X).sum(axis=1)
        theirs = np.asarray(with_levels.predict(X, raw_score=True))
        np.testing.assert_allclose(told, theirs, rtol=0, atol=1e-9)
    else:
        with pytest.raises(ValueError, match=r"categorical splits|Additivity check failed"):
            reasons.OVER[way](with_levels, X[:150], 1)(X[:200])


@pytest.mark.long
def test_all_measurements_run_and_are_written(tmp_path: Path) -> None:
    out = tmp_path / "results.md"
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--out", out],
        cwd=ROOT, check=False, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    text = out.read_text("utf-8")
    for said in (
        "## The small model",
        "times plain",
        "bytes an obligation",
        "| `tierkit simulate",
        "## Training the risk model",
        "blocks/s",
        "## Scorecards",
        "## Reasons",
        "## Reasons over a background",
        "## How large a background",
    ):
        assert said in text
