"""Cut-offs that are set on scores: their shares, intervals and ties, and the warning where they are off."""

from __future__ import annotations

import importlib.util
import shutil
import tomllib
import warnings
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierkit as tk
from tierkit.policy import Policy, PolicyError, PolicyWarning, calibrate, presets
from tierkit.policy.tiers.cutoffs import (
    AIMED,
    SLACK,
    aims_of,
    binomial_interval,
    cutoffs,
    quantile_interval,
)
from tierkit.policy.tiers.drift import FAR, LEAST, SharesWarning, counts_of, gaps, unheeded, warn_of_shares
from tierkit.records import TIERS, DataError
from tierkit.records.arguments import InputError

LOWMERE = Path(__file__).parent / "places" / "lowmere.toml"
CUTS = ("scoring.risk_cutoffs", "scoring.credit_cutoffs", "scoring.composite_cutoffs")


def frame(risk: Any, points: Any, sector: str = "retail") -> pd.DataFrame:
    ids = [f"e{k}" for k in range(len(risk))]
    return pd.DataFrame({"enterprise_id": ids, "sector": sector, "risk_probability": risk,
                         "credit_points": points})  # fmt: skip


def city(n: int = 4000, seed: int = 1, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    trust = rng.normal(size=n)
    risk = 1 / (1 + np.exp(2.2 + trust + shift + rng.normal(size=n) / 2))
    return frame(risk, 580 + 25 * trust + 40 * shift)


def realised(done: Any, kind: str, scores: str = "scores") -> list[float]:
    return [one.share for one in done.shares if (one.kind, one.scores) == (kind, scores)]


def best_possible(values: np.ndarray[Any, Any], below: float) -> float:
    """Return by how much the share below any cut-off must miss what is wanted."""
    known = np.unique(values)
    shares = np.append(np.searchsorted(np.sort(values), known), len(values)) / len(values)
    return float(np.abs(shares - below).min())


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(800, 3000),
    levels=st.sampled_from([0, 12, 40]),
    weights=st.lists(st.integers(2, 20), min_size=4, max_size=4),
)
def test_shares_are_met_as_well_as_ties_allow(seed: int, n: int, levels: int, weights: list[int]) -> None:
    rng = np.random.default_rng(seed)
    risk, points = rng.beta(1.5, 9, n), rng.normal(560, 30, n)
    if levels:  # so many values only, each shared by many
        risk, points = np.ceil(risk * levels) / (levels + 1), np.round(points / 10) * 10
    shares = np.array(weights) / sum(weights)
    policy = Policy.load("shanghai-2025")
    aims = aims_of(policy, shares)
    told = ""
    try:
        cuts = cutoffs(policy, risk, points, aims)
    except DataError as error:
        told = str(error)
    if told:  # coarse scores may leave no room for three cut-offs
        assert levels
        assert "fall together" in told
        return
    for path, values, aimed in ((CUTS[0], risk, shares), (CUTS[1], points, shares[::-1])):
        if path not in cuts:  # of grades, which decide nothing beside a composite
            assert levels
            assert path == CUTS[1]
            continue
        for cut, below in zip(cuts[path], np.cumsum(aimed)[:-1], strict=True):
            missed = abs(float((values < cut).mean()) - below)
            tenth = float((np.abs(values - cut) <= 0.1).mean()) if path == CUTS[1] else 0.0
            assert missed <= best_possible(values, below) + SLACK + tenth + 1e-9
            beside = np.abs(values - cut).min()
            if levels:  # no cut-off stands beside a value that many share
                assert beside > (0.2 / (levels + 1) if path == CUTS[0] else 0.9)


def test_an_interval_of_a_cut_off_covers_the_quantile_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    for below, true in ((0.62, 0.62), (0.97, 0.97)):
        held = [
            low <= true <= high
            for low, high in (quantile_interval(np.sort(rng.random(400)), below) for _ in range(1500))
        ]
        assert 0.94 <= np.mean(held) <= 0.975


def test_an_interval_of_a_quantile_is_the_binomial_s() -> None:
    # n = 100, median: P(40 <= Bin(100, 1/2) <= 60) = 0.9648, and 41 to 59 has less than 0.95
    assert quantile_interval(np.arange(1.0, 101.0), 0.5) == (40.0, 61.0)
    assert quantile_interval(np.arange(1.0, 11.0), 0.01)[0] == -np.inf
    assert quantile_interval(np.arange(1.0, 11.0), 0.99)[1] == np.inf
    assert binomial_interval(0, 10) == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert binomial_interval(10, 10) == (pytest.approx(0.025 ** (1 / 10)), 1.0)


@pytest.mark.parametrize("name", ["shanghai-2025", "jiading-2025", "legacy"])
def test_a_fresh_draw_of_the_same_city_gets_the_target_shares_within_sampling_error(name: str) -> None:
    n = 4000
    done = calibrate(name, city(n, 1), also={"another draw": city(n, 2)})
    for one in done.shares:
        if one.target == one.target:
            error = 0.0 if one.scores == "scores" else 3.5 * np.sqrt(2 * one.target * (1 - one.target) / n)
            assert abs(one.share - one.target) <= error + 2 * SLACK + 1 / n, one
    for one in done.cutoffs:
        assert one.low <= one.value <= one.high
        assert one.low < one.high


def test_where_many_have_the_very_same_points_what_is_missed_is_told() -> None:
    scores = city()
    scores.loc[:1600, "credit_points"] = 585.0
    done = calibrate("jiading-2025", scores)
    assert any("grade A" in line and "miss" in line for line in done.sentences("en"))
    assert any("信用A等" in line for line in done.sentences("zh"))
    assert not any("miss" in line for line in calibrate("jiading-2025", city()).sentences("en"))


def test_tiny_risks_keep_the_digits_that_it_takes() -> None:
    scores = city()
    scores["risk_probability"] /= 10_000
    done = calibrate("legacy", scores)
    assert realised(done, "risk_level") == pytest.approx([0.62, 0.25, 0.1, 0.03], abs=2 * SLACK)


@pytest.mark.parametrize("name", ["shanghai-2025", "chongming-2025", "jiading-2025"])
@pytest.mark.parametrize("worst", [25, 150, 0.1])
def test_a_capacity_is_kept_and_used(name: str, worst: float) -> None:
    scores = city()
    scores["red_line"] = pd.Series(pd.NA, index=scores.index, dtype="object")
    scores.loc[:9, "red_line"] = "serious_dishonesty"
    done = calibrate(name, scores, worst=worst)
    most = worst if worst >= 1 else worst * len(scores)
    held = int((tk.assign(scores, done.policy)["tier"] == "T4").sum())
    assert most * 0.6 - 5 <= held <= most
    assert done.asked == "worst"
    said = done.policy.parameter("scoring.target_shares.T4").assumption
    assert said == f"asked for: at most {worst if worst >= 1 else '0.1 of all'} enterprises in T4"
    assert sum(done.policy[f"scoring.target_shares.{tier}"] for tier in TIERS) == pytest.approx(1, abs=1e-9)
    by_level = [one for one in done.shares if one.kind == "risk_level"]
    for one in by_level:
        assert one.share == pytest.approx(one.target, abs=2 * SLACK)


def test_risks_that_are_given_stay_as_they_are_and_credit_goes_by_shares() -> None:
    done = calibrate("legacy", city(), risk_cutoffs=(0.05, 0.1, 0.2), shares=(0.4, 0.3, 0.2, 0.1))
    assert done.policy["scoring.risk_cutoffs"] == (0.05, 0.1, 0.2)
    assert realised(done, "credit_grade") == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=2 * SLACK)
    first = done.to_frame().iloc[0]
    assert np.isnan(first["low"])
    assert np.isnan(first["below"])
    assert not done.policy.parameter("scoring.risk_cutoffs").assumption.startswith(AIMED)
    assert [done.policy[f"scoring.target_shares.{tier}"] for tier in TIERS] == [0.4, 0.3, 0.2, 0.1]


def test_only_those_in_scope_count() -> None:
    ours, others = city(), city(seed=2, shift=2.0)
    others["enterprise_id"] = "x" + others["enterprise_id"]
    both = pd.concat([ours.assign(sector="food"), others], ignore_index=True)
    done, alone = calibrate("anhui-food-2022", both), calibrate("anhui-food-2022", ours.assign(sector="food"))
    assert done.n == len(ours)
    assert done.cutoffs == alone.cutoffs
    assert done.shares == alone.shares
    everywhere = Policy.load("anhui-food-2022").reform({"scoring.scope_sectors": []}, name="everywhere")
    assert calibrate(everywhere, both).cutoffs != alone.cutoffs


def test_offsets_of_sectors_are_part_of_the_points() -> None:
    scores = city()
    plain = calibrate("legacy", scores).policy["scoring.credit_cutoffs"]
    moved = Policy.load("legacy").reform({"scoring.sector_offset.retail": 30.0}, name="moved")
    assert calibrate(moved, scores).policy["scoring.credit_cutoffs"] == pytest.approx(
        [one + 30 for one in plain], abs=0.11
    )


def test_a_calibrated_policy_comes_back_from_its_file(tmp_path: Path) -> None:
    for name in ("shanghai-2025", "jiading-2025"):
        done = calibrate(name, city(), as_of="2025-06-30", called="mine.parquet", name="mine", worst=80)
        file = tmp_path / "mine.toml"
        file.write_text(done.to_toml(), "utf-8")
        again = Policy.load(file)
        assert again == done.policy
        assert again.meta.baseline == name
        assert again.meta.overlays == done.baseline.meta.overlays
        assert again["scoring.reference"] == "4,000 enterprises of Shanghai, mine.parquet, as of 2025-06-30"
        assert again.parameter("scoring.credit_cutoffs").assumption == f"{AIMED}{again['scoring.reference']}"
        changed = set(tk.diff(done.baseline, again)["parameter"])
        assert changed >= {"scoring.reference", "scoring.target_shares.T4"}
        assert all(one.startswith(("scoring.", "lists.unmonitored.")) for one in changed)


def test_a_policy_of_any_place_takes_the_place_of_the_scores() -> None:
    scores = city().assign(sector="inns")
    done = calibrate("generic", scores, place=LOWMERE)
    assert "enterprises of Lowmere" in done.policy["scoring.reference"]
    assert "baseline" in done.to_toml()
    assert "\nplace =" not in done.to_toml()
    assert "not stated" in calibrate("generic", scores).sentences("en")[0]
    with pytest.raises(DataError, match=r"of another place: Lowmere.* has no 'retail'"):
        calibrate("generic", city(), place=LOWMERE)
    with pytest.raises(PolicyError, match="the place here is Lowmere"):
        calibrate("jiading-2025", scores, place=LOWMERE)


SAID: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"scores": city(60)}, DataError, "too few: 60 enterprises are there, and cut-offs take at least 100"),
    ({"scores": city(150)}, DataError, r"3\.00%, is 4\.5, .* Give the scores of at least 167 enterprises"),
    ({"scores": city().assign(sector="inns")}, DataError, "Shanghai, whose policy .* has no 'inns'"),
    ({"scores": city().assign(risk_probability=0.1)}, DataError, r"risk_probability.*same for all, 0\.1"),
    ({"scores": city().assign(credit_points=600.0)}, DataError, "credit_points.*same for all, 600"),
    ({"scores": city().drop(columns="sector")}, DataError, "sector: is missing"),
    ({"scores": city().assign(risk_probability=np.where(city().index < 10, 0.2, 0.1))}, DataError,
     r"3,990 of 4,000 have the very same value 0\.1"),
    ({"scores": 3}, InputError, "'scores' must be a DataFrame"),
    ({"policy": "oracle"}, InputError, "true probabilities"),
    ({"shares": (0.5, 0.5)}, InputError, "is not 4 numbers above 0 that add up to 1"),
    ({"shares": (0.5, 0.3, 0.2, 0.0)}, InputError, "is not 4 numbers above 0"),
    ({"shares": "much"}, InputError, "is not 4 numbers"),
    ({"risk_cutoffs": (0.2, 0.1, 0.3)}, InputError, "is not 3 rising probabilities"),
    ({"risk_cutoffs": (0.1, 0.2)}, InputError, "is not 3 rising probabilities"),
    ({"risk_cutoffs": (0.1, 0.2, 1.0)}, InputError, "is not 3 rising probabilities"),
    ({"worst": 2.5}, InputError, "is no number of enterprises and no share"),
    ({"worst": True}, InputError, "is no number of enterprises"),
    ({"worst": 100, "shares": (0.4, 0.3, 0.2, 0.1)}, InputError, "Give one of them"),
    ({"worst": 2}, DataError, "of 4,000 enterprises .* in T4 however .* at most 2 were asked for"),
    ({"also": {"scores": city()}}, InputError, "must not hold 'scores'"),
    ({"also": {"next year": city().assign(sector="inns")}}, DataError, "next year.sector: is of another"),
    ({"name": "legacy"}, PolicyError, "name of a preset"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "error", "said"), SAID)
def test_what_cannot_be_calibrated_is_refused(
    changed: dict[str, Any], error: type[Exception], said: str
) -> None:
    asked: dict[str, Any] = {"policy": "shanghai-2025", "scores": city(), **changed}
    with pytest.raises(error, match=said):
        calibrate(asked.pop("policy"), asked.pop("scores"), **asked)


def test_the_presets_say_that_their_cut_offs_come_from_target_shares() -> None:
    for name in presets():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)  # of ladders without a random floor
            policy = Policy.load(name)
        assert all(policy.parameter(path).assumption.startswith(AIMED) for path in CUTS), name


def test_tiers_of_a_city_that_is_not_the_cut_offs_own_come_with_a_warning() -> None:
    ours = calibrate("shanghai-2025", city(), called="ours.parquet").policy
    tk.assign(city(6000, 2), ours)  # of the same city: no warning, which would be an error
    other = city(6000, shift=1.0)
    with pytest.warns(SharesWarning) as caught:
        tk.assign(other, ours)
    (said,) = (str(one.message) for one in caught)
    with unheeded():
        share = (tk.assign(other, ours)["tier"] == "T1").mean()
    assert f"Under calibrated {share:.1%} of 6,000 enterprises are in T1" in said
    assert "set to put 62.0% there, on 4,000 enterprises of Shanghai, ours.parquet" in said
    assert f": {100 * (share - 0.62):.1f} points apart" in said
    assert caught[0].filename == __file__
    assert issubclass(SharesWarning, PolicyWarning)


def test_the_warning_leaves_out_what_it_cannot_judge() -> None:
    ours = calibrate("jiading-2025", city()).policy
    other = city(6000, shift=1.0)
    with pytest.warns(SharesWarning, match="in (grade A|level 1)"):
        tk.assign(other, ours)
    tk.assign(other.head(LEAST - 1), ours)  # too few
    by_hand = ours.reform({CUTS[0]: [0.1, 0.2], CUTS[1]: [540.0, 560.0]}, name="by hand")
    tk.assign(other, by_hand)  # cut-offs for which nobody stated shares
    with unheeded(), warnings.catch_warnings():
        tiers = tk.assign(other, ours)
    counts = counts_of(ours, other["sector"], tiers)
    assert counts["n"] == len(other)
    assert sum(counts[f"tier {tier}"] for tier in TIERS) == len(other)
    far = gaps(ours, counts)
    assert all(abs(one.share - one.target) > FAR for one in far)
    assert [abs(one.share - one.target) for one in far] == sorted(
        (abs(one.share - one.target) for one in far), reverse=True
    )


def test_what_does_not_decide_about_tiers_is_not_told() -> None:
    counts = {
        "n": 10_000,
        "risk_level 1": 10_000,
        "credit_grade A": 6200,
        "credit_grade B": 2500,
        "credit_grade C": 1000,
        "credit_grade D": 300,
    }
    assert gaps(Policy.load("chongqing-2024"), counts) == []  # its matrix has the same row for every level
    (one, *_) = gaps(Policy.load("legacy"), counts)
    assert (one.levels("en"), one.share, one.target) == ("level 1", 1.0, 0.62)
    assert one.sentence(Policy.load("legacy"), "zh").startswith("按legacy，10,000户中风险1级占100.0%")


def test_the_presets_cut_offs_elsewhere_are_told_of_by_every_share_that_is_off() -> None:
    shares = {
        "n": 10_000,
        "risk_level 1": 6800,
        "risk_level 2": 2200,
        "risk_level 3": 750,
        "risk_level 4": 250,
    }
    counts = shares | {
        f"credit_grade {one}": n for one, n in zip("ABCD", (6200, 2500, 1000, 300), strict=True)
    }
    assert gaps(Policy.load("legacy"), counts) == []
    here = Policy.load(LOWMERE.with_name("lowmere-plan.toml"))
    with pytest.warns(SharesWarning, match=r"68\.0% .* in level 1; .*, and not in Lowmere: 6\.0 points"):
        warn_of_shares(here, counts)
    own = here.reform({"scoring.reference": "10,000 enterprises of Lowmere"}, name="own")
    assert gaps(own, counts) == []


def test_the_script_writes_into_the_presets_what_the_package_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location("set_cutoffs", root / "scripts" / "set_cutoffs.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name in ("legacy", "jiading-2025", "henan-2021"):
        shutil.copy(script.FOLDER / f"{name}.toml", tmp_path)
    before = (tmp_path / "henan-2021.toml").read_text("utf-8")
    scores = city()
    pairs = pd.DataFrame({"enterprise_id": scores["enterprise_id"], "agency": "fire"})
    records = {"obligations": pairs}
    monkeypatch.setattr(script, "FOLDER", tmp_path)
    monkeypatch.setattr(script, "make", lambda n, seed: (records, SimpleNamespace(date=date(2024, 12, 30))))
    monkeypatch.setattr(
        script, "train", lambda data, day, seed: SimpleNamespace(score=lambda data, day: scores)
    )
    script.main()
    assert "jiading-2025: {'scoring.risk_cutoffs'" in capsys.readouterr().out
    own = calibrate("jiading-2025", scores).policy
    text = (tmp_path / "jiading-2025.toml").read_text("utf-8")
    written, worlds = tomllib.loads(text), "10 worlds of 20,000 enterprises"
    for path in CUTS[:2]:
        node: Any = written
        for part in path.split("."):
            node = node[part]
        assert np.array_equal(node["value"], own[path]), path
        assert node["assumption"].startswith(f"{AIMED}{worlds}, seeds 2015 to 2024, as of ")
        assert node["source"] == Policy.load("jiading-2025").parameter(path).source
    assert "composite_cutoffs" not in text, "only what a preset states itself is set"
    assert 'reference = { value = "10 worlds of 20,000 enterprises' in (tmp_path / "legacy.toml").read_text(
        "utf-8"
    )
    assert (tmp_path / "henan-2021.toml").read_text("utf-8") == before, "it states no cut-off of its own"


def test_a_result_is_one_of_the_family() -> None:
    done = calibrate("shanghai-2025", city(), as_of="2025-06-30", also={"later": city(seed=3)})
    told = done.to_dict()
    assert told["cutoffs"][0] == done.to_frame().iloc[0].to_dict()
    assert len(told["shares"]) == len(done.shares_frame()) == 2 * (4 + 4 + 4)
    assert (told["policy"], told["baseline"], told["as_of"]) == ("calibrated", "shanghai-2025", "2025-06-30")
    assert repr(done).startswith(
        "CutoffCalibration(calibrated is shanghai-2025 with cut-offs set from target"
    )
    assert "<table" in done._repr_html_()
    assert any("later" in line for line in done.sentences("zh"))


def test_the_pages_say_from_when_on_a_share_is_told() -> None:
    pages = Path(__file__).resolve().parent.parent / "docs"
    for name, points in (
        ("changing_a_policy.md", "{} points"),
        ("changing_a_policy.zh-CN.md", "{} 个百分点"),
    ):
        text = (pages / name).read_text("utf-8")
        assert points.format(round(100 * FAR)) in text
        assert f"{LEAST:,}" in text


def test_it_is_told_where_floors_leave_too_little_room_for_t1() -> None:
    scores = city(1000)
    few, many = (
        scores.assign(serious_finding_weeks=np.where(np.arange(1000) < k, 3.0, np.nan)) for k in (50, 700)
    )
    plain = calibrate("generic", few)
    assert not [one for one in plain.sentences("en") if "Floors keep" in one]
    done = calibrate("generic", many)
    assert done.barred >= 700
    told = [one for one in done.sentences("en") if "Floors keep" in one]
    assert len(told) == 1
    assert f"Floors keep {done.barred} of 1000" in told[0].replace(",", "")
    assert sum("底线规定" in one for one in done.sentences("zh")) == 1
    assert realised(done, "tier")[0] <= 1 - done.barred / 1000
