"""Screening and tornado: SALib's own numbers, analytic ones, and what must come out of a real comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from SALib.analyze.morris import analyze
from SALib.sample.morris import sample
from scipy.stats import ttest_1samp
from worlds import load

from tierkit.city.parameters import parameters
from tierkit.city.synth import make
from tierkit.compare.comparison import compare
from tierkit.compare.sensitivity import screen, tornado, uncertain
from tierkit.compare.sensitivity.design import _noise_quantile, city_seeds, morris
from tierkit.compare.sensitivity.questions import case_of
from tierkit.compare.sensitivity.ranges import Uncertain
from tierkit.compare.sensitivity.screening import Screening
from tierkit.compare.sensitivity.tornado import _with_interval
from tierkit.policy import PLANS, SPEC, Policy, presets
from tierkit.records import Label

LEGACY, PLAN = load("legacy"), load("jinshan-2025")


def unknown(name: str, low: float, high: float) -> Uncertain:
    return Uncertain(name, Label(name, name), "kappa", (name,), False, "", low, high, "share", "", "a test")


def chosen(*names: str) -> list[Uncertain]:
    by_name = {one.name: one for one in uncertain()}
    return [by_name[name] for name in names]


# The list


def test_every_uncertain_number_can_be_set_and_says_why_its_range_is_what_it_is() -> None:
    assert len(uncertain()) > 30
    for one in uncertain():
        assert one.low < one.high, one.name
        assert one.source or one.assumption, one.name
        assert one.acts in ("reform", "policies", "world", "kappa")
        assert one.label.zh.strip()
        assert one.label.en.strip()
        for path in one.paths:
            if one.acts == "world":
                assert isinstance(parameters()[path], int | float), path
            elif one.acts != "kappa":
                assert SPEC[path].kind in ("number", "integer"), path
                ends = [SPEC[path].low, SPEC[path].high]
                assert one.factor or all(ends[0] <= end <= ends[1] for end in (one.low, one.high)), path
        assert not one.needs or one.needs in SPEC


def test_what_is_taken_to_be_lies_within_its_range() -> None:
    for one in uncertain():
        now = {
            "world": lambda one: parameters()[one.paths[0]],
            "kappa": lambda one: 0.1,
            "policies": lambda one: LEGACY[one.paths[0]],
            "reform": lambda one: PLAN[one.paths[0]],
        }[one.acts](one)
        assert one.low <= (1 if one.factor else now) <= one.high, one.name


def test_practice_shared_by_all_is_set_outright_only_where_no_plan_differs() -> None:
    # Setting it would wipe out what a plan says of it.
    plans = [name for name in presets() if name == "legacy" or name in PLANS]
    for one in uncertain():
        if one.acts == "policies" and not one.factor:
            assert {load(name)[path] for name in plans for path in one.paths} == {
                LEGACY[path] for path in one.paths
            }, one.name


def test_only_what_can_matter_is_moved() -> None:
    def names(baseline: Policy, reform: Policy) -> set[str]:
        return {one.name for one in case_of(100, baseline, reform, None, ("harm",), 4, 0.1, None).chosen}

    jinshan, minhang = names(LEGACY, PLAN), names(LEGACY, load("minhang-2023"))
    assert {"professional_filter.recall", "frequency.tier.T4", "offsite.sensitivity", "kappa"} <= jinshan
    assert "professional_filter.recall" not in minhang  # that plan has no filter
    assert "depth.tier.T4" not in minhang
    shanghai = load("shanghai-2025")
    assert "frequency.tier.T4" not in names(LEGACY, shanghai)  # stricter checks there, not more
    assert "depth.tier.T4" in names(LEGACY, shanghai)
    floor = load("uniform-3pct")
    assert not {"offsite.sensitivity", "alert.true", "offsite.coverage"} & names(LEGACY, floor)


def test_a_point_changes_what_it_says_and_nothing_else() -> None:
    case = case_of(50, LEGACY, load("chongming-2025"), None, ("harm",), 4, 0.1, None)
    moved = case.policy(case.reform, {"frequency.tier.T1": 2.0, "depth.detection": 0.9}, "policies", "reform")
    # Chongming spares the general items of T1 altogether and leaves the key ones as they were.
    assert moved["frequency.tier.T1"] == {"general": 0, "key": 1}
    assert moved["depth.detection"] == 0.9
    assert case.policy(LEGACY, {"depth.detection": 0.9}, "policies")["depth.detection"] == 0.9
    sure = case.policy(case.reform, {"repair.take_up": 9.0}, "policies")
    assert sure["repair.take_up"] == 1.0  # a probability ends there
    frame, _ = case.world({"hazard.prevalence": 0.2, "complaint.true": 2.0, "kappa": 0.2}, 1)
    told = {path for path in parameters() if frame.parameters[path] != parameters()[path]}
    assert told == {
        "hazard.prevalence", "complaint.true_minor", "complaint.true_moderate", "complaint.true_serious",
    }  # fmt: skip
    assert frame.parameters["complaint.true_minor"] == 2 * parameters()["complaint.true_minor"]


# Morris against SALib and against analysis


def ishigami(points: Sequence[Mapping[str, float]], seed: int) -> NDArray[np.float64]:
    x = np.array([[point[name] for name in "abc"] for point in points])
    return (np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0]))[:, None]


def test_the_numbers_are_those_of_salib() -> None:
    three = [unknown(name, -np.pi, np.pi) for name in "abc"]
    frame = morris(three, ishigami, ["y"], trajectories=50, seed=4).set_index("parameter").loc[list("abc")]
    problem = {"num_vars": 3, "names": list("abc"), "bounds": [[-np.pi, np.pi]] * 3}
    x = sample(problem, 50, num_levels=4, seed=4)
    y = ishigami([dict(zip("abc", row, strict=True)) for row in x], 0)[:, 0]
    wanted = analyze(problem, x, y, num_resamples=1000, num_levels=4, seed=4)
    for key in ("mu", "mu_star", "sigma"):
        np.testing.assert_allclose(frame[key], np.asarray(wanted[key], float), rtol=1e-9, atol=1e-12)
    # SALib's interval is of a bootstrap with a normal quantile; of fifty, Student's is nearly as wide.
    own, theirs = (np.asarray(one["mu_star_conf"], float)[[0, 2]] for one in (frame, wanted))
    np.testing.assert_allclose(own, theirs, rtol=0.12)
    assert np.isnan(frame.loc["b", "mu_star_conf"])  # all its effects are of one size
    assert (frame["noise"] == 0).all()
    # By hand: on the grid ±π, ±π/3 a step of 2/3 of the range takes sin² from 0 to 3/4 or back, so every
    # effect of b is ±7 · .75 / (2/3).
    assert frame.loc["b", "mu_star"] == pytest.approx(7 * 0.75 * 1.5)


def test_a_linear_function_has_its_slopes_and_no_spread() -> None:
    three = [unknown("a", 0, 2), unknown("b", -1, 1), unknown("c", 5, 9)]

    def line(points: Sequence[Mapping[str, float]], seed: int) -> NDArray[np.float64]:
        return np.array([[3 * p["a"] - 5 * p["b"], p["c"]] for p in points])

    frame = morris(three, line, ["first", "second"], trajectories=4, levels=6, seed=2)
    first = frame[frame["measure"] == "first"].set_index("parameter")
    np.testing.assert_allclose(first.loc[["a", "b", "c"], "mu"], [6, -10, 0], atol=1e-9)
    np.testing.assert_allclose(first["sigma"], 0, atol=1e-9)
    assert first["mu_star_conf"].isna().all()
    assert first["rank"].to_dict() == {"b": 1, "a": 2, "c": 3}
    assert first["stands_out"].to_dict() == {"b": True, "a": True, "c": False}
    second = frame[frame["measure"] == "second"]
    assert second["parameter"].iloc[0] == "c"
    assert second["mu"].iloc[0] == pytest.approx(4)


def noisy(points: Sequence[Mapping[str, float]], seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    return np.array([[0.5 * point.get("true", 0.0) + 0.1 * rng.normal()] for point in points])


def test_what_does_nothing_stands_out_once_in_forty_times() -> None:
    idle = [unknown(f"idle{k}", 0, 1) for k in range(300)]
    frame = morris([unknown("true", 0, 1), *idle], noisy, ["y"], trajectories=8, replicates=3, seed=9)
    told = frame.set_index("parameter")["stands_out"]
    assert told["true"]
    false = told.drop("true").sum()
    # 300 at 1/40 are 7.5; neighbouring steps share a point, so counts spread a little more than binomial.
    assert 1 <= false <= 18
    raw = frame.set_index("parameter")["mu_star"].drop("true").mean()
    assert raw == pytest.approx(0.1 * np.sqrt(2) * 1.5 / np.sqrt(3) * np.sqrt(2 / np.pi), rel=0.1)


def test_the_noise_quantile_is_that_of_its_definition() -> None:
    rng = np.random.default_rng(5)
    effects = rng.normal(size=(20_000, 10, 2))
    mean = np.abs(effects.mean(axis=2)).mean(axis=1)
    pooled = np.sqrt((effects.var(axis=2, ddof=1) / 2).mean(axis=1))
    assert (mean / pooled > _noise_quantile(10, 2)).mean() == pytest.approx(0.025, abs=0.005)


def test_the_same_seed_gives_the_same_frame_whatever_the_threads() -> None:
    two = [unknown("true", 0, 1), unknown("idle", 0, 1)]
    seen: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        seen.append((done, total))

    one = morris(two, noisy, ["y"], trajectories=5, seed=1, threads=1, progress=note)
    pd.testing.assert_frame_equal(
        morris(two, noisy, ["y"], trajectories=5, seed=1, threads=3), one, check_exact=True
    )
    assert seen == [(k, 10) for k in range(1, 11)]
    other = morris(two, noisy, ["y"], trajectories=5, seed=2)
    assert not np.allclose(other["mu"], one["mu"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trajectories": 1}, "'trajectories' must be at least 2"),
        ({"replicates": 1}, "'replicates' must be at least 2"),
        ({"levels": 3}, "'levels' must be an even number"),
    ],
)
def test_what_cannot_be_screened_is_refused(given: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        morris([unknown("true", 0, 1)], noisy, ["y"], **given)
    with pytest.raises(ValueError, match="no parameter to screen"):
        morris([], noisy, ["y"])


# Real comparisons, in tiny cities

FEW = ("kappa", "violation.harm.serious", "frequency.base_rate", "frequency.tier.T2")
SMALL = {"measures": ("inspections", "harm"), "weeks": 40, "seed": 3, "replicates": 3}


@pytest.fixture(scope="module")
def screening():
    return screen(1000, LEGACY, PLAN, chosen=chosen(*FEW), trajectories=4, **SMALL)


def test_a_comparison_moves_by_what_acts_on_it(screening) -> None:
    by = screening.frame.set_index(["measure", "parameter"])
    # How grave a violation is changes no inspection.
    assert by.loc[("inspections", "violation.harm.serious"), "mu_star"] == 0
    assert not by.loc[("inspections", "violation.harm.serious"), "stands_out"]
    # More checks at T2 make a plan that cuts inspections cut less; the more checks there are at all, the less
    # do complaints and the floor, which it does not cut, dilute its cut.
    assert by.loc[("inspections", "frequency.tier.T2"), "mu"] > 0
    assert by.loc[("inspections", "frequency.base_rate"), "mu"] < 0
    assert by.loc[("inspections", "frequency.tier.T2"), "stands_out"]
    assert set(screening.first("inspections")["parameter"]) >= {"frequency.base_rate", "frequency.tier.T2"}


@pytest.mark.long
def test_a_screening_repeats_itself_whatever_the_threads() -> None:
    given = {"chosen": chosen("kappa", "hazard.prevalence"), "trajectories": 2, "measures": ("violations",)}
    one, two = (screen(150, LEGACY, PLAN, seed=3, weeks=8, threads=n, **given) for n in (1, 2))
    pd.testing.assert_frame_equal(one.frame, two.frame, check_exact=True)
    other = screen(150, LEGACY, PLAN, seed=4, weeks=8, **given)
    assert not np.allclose(one.frame["mu_star"], other.frame["mu_star"])


def test_a_screening_tells_what_to_find_out_first(screening) -> None:
    english, chinese = screening.sentences("en"), screening.sentences("zh")
    count = len(screening.first())
    assert len(english) == len(chinese) == 2 + count
    assert english[0].startswith("inspections: ")
    assert "of 4 uncertain numbers" in english[0]
    assert "frequency at T2 (× 0.5–2): " in "\n".join(english)
    assert "T2频次倍数（× 0.5–2）：" in "\n".join(chinese)
    shown = screening._repr_html_()
    assert "frequency at T2" in shown
    assert "<td>" in shown
    assert "4 parameters" in repr(screening)
    mute = replace(screening, frame=screening.frame.assign(stands_out=False))
    assert mute.sentences("en")[0].endswith("take more enterprises or trajectories.")


def test_a_tornado_is_made_of_the_comparisons_at_the_ends() -> None:
    frame = tornado(
        300, LEGACY, PLAN, chosen=chosen("commitment.check_share", "hazard.prevalence"), replicates=3,
        measures=("visits",), weeks=12, seed=8, kappa=0.2,
    )  # fmt: skip
    assert frame["parameter"].value_counts().to_dict() == {
        "commitment.check_share": 2,
        "hazard.prevalence": 2,
    }

    def outcome(params, reform, seed):
        world = make(300, seed, params=params, horizon_weeks=12)[1]
        done = compare(world, LEGACY, reform, replicates=1, weeks=12, kappa=0.2, seed=seed)
        return done.table(measures=("visits",))["relative"].iloc[1]

    seeds = city_seeds(8, 3)
    half = PLAN.reform({"commitment.check_share": PLAN["commitment.check_share"] * 0.5}, name="half")
    more = parameters().replace({"hazard.prevalence": 0.25})
    base = np.array([outcome(None, PLAN, seed) for seed in seeds])
    ends = {
        ("commitment.check_share", "low"): np.array([outcome(None, half, seed) for seed in seeds]),
        ("hazard.prevalence", "high"): np.array([outcome(more, PLAN, seed) for seed in seeds]),
    }
    rows = frame.set_index(["parameter", "end"])
    for key, values in ends.items():
        row = rows.loc[key]
        assert row["relative"] == pytest.approx(values.mean(), rel=1e-12)
        assert row["base_relative"] == pytest.approx(base.mean(), rel=1e-12)
        alone = ttest_1samp(values, 0).confidence_interval(0.95)
        assert (row["relative_low"], row["relative_high"]) == pytest.approx((alone.low, alone.high))
        paired = ttest_1samp(values - base, 0).confidence_interval(0.95)
        assert (row["change_low"], row["change_high"]) == pytest.approx((paired.low, paired.high), abs=1e-12)
    assert rows.loc[("hazard.prevalence", "low"), "base"] == parameters()["hazard.prevalence"]
    assert rows.loc[("commitment.check_share", "low"), ["setting", "base"]].tolist() == [0.5, 1.0]
    assert frame["rank"].tolist() == [1, 1, 2, 2]
    largest = frame["change"].abs().groupby(frame["rank"]).max()
    assert largest[1] >= largest[2]


def test_scores_of_a_model_are_taken_for_every_city() -> None:
    asked = []

    def score(data):
        asked.append(len(data["enterprises"]))
        ids = data["enterprises"]["enterprise_id"]
        return pd.DataFrame({"enterprise_id": ids, "risk_probability": 0.03, "credit_points": 700.0})

    given = {"chosen": chosen("kappa"), "replicates": 2, "measures": ("visits",), "weeks": 12}
    scored = tornado(300, LEGACY, PLAN, score=score, **given)
    assert asked == [300, 300]  # κ changes no city
    plain = tornado(300, LEGACY, PLAN, **given)
    # All of them safe and creditworthy: all in T1, nearly none visited.
    assert scored["base_relative"].iloc[0] < plain["base_relative"].iloc[0]


def test_what_is_no_comparison_is_refused() -> None:
    with pytest.raises(ValueError, match="does not differ from its baseline 'legacy'"):
        screen(100, LEGACY, LEGACY)
    with pytest.raises(ValueError, match="no measure happiness; there are inspections, "):
        tornado(100, LEGACY, PLAN, measures=("happiness",))
    with pytest.raises(ValueError, match="'replicates' must be at least 2"):
        tornado(100, LEGACY, PLAN, replicates=1)
    with pytest.raises(ValueError, match="difference of 'findings' is no number in some of the cities"):
        tornado(20, LEGACY, PLAN, chosen=chosen("kappa"), replicates=2, measures=("findings",), weeks=1)


@pytest.mark.parametrize("trajectories", [2, 4])
def test_intervals_of_few_trajectories_hold_the_mean_as_often_as_they_say(trajectories: int) -> None:
    # Effects of random slopes: each trajectory has its own, drawn anew by its seed.
    def slopes(points: Sequence[Mapping[str, float]], seed: int) -> NDArray[np.float64]:
        slope = 5 + np.random.default_rng(seed).normal()
        return np.array([[slope * point["a"]] for point in points])

    runs, inside = 300, 0
    for seed in range(runs):
        frame = morris([unknown("a", 0, 1)], slopes, ["y"], trajectories=trajectories, seed=seed, threads=1)
        row = frame.iloc[0]
        inside += abs(row["mu_star"] - 5) <= row["mu_star_conf"]
    assert inside / runs == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / runs))


def test_a_parameter_whose_effects_are_all_alike_is_told_without_an_interval() -> None:
    frame = morris([unknown("a", 0, 2)], lambda points, _: np.array([[p["a"]] for p in points]), ["harm"],
                   trajectories=2)  # fmt: skip
    shown = Screening(frame, "legacy", "plan", 10, 4, 2, 4, 2, 0)
    for lang in ("en", "zh"):
        line = shown.sentences(lang)[1]
        assert "200.0" in line
        assert "[" not in line
        assert "–]" not in line


def test_a_relative_difference_ends_at_the_whole_and_its_change_does_not() -> None:
    values, whole = np.array([-0.9, 0.6, -0.8]), np.ones(3)
    told = _with_interval("relative", values, whole, -1.0)
    assert told["relative_low"] == -1
    assert _with_interval("change", values, whole)["change_low"] < -1
    alike = _with_interval("relative", np.full(3, -0.5), whole, -1.0)
    assert np.isnan([alike["relative_low"], alike["relative_high"]]).all()
    assert _with_interval("change", np.zeros(3), whole)["change_low"] == 0
    assert np.isnan(
        _with_interval("change", np.zeros(3), 0 * whole)["change_low"]
    )  # of nothing left in either
