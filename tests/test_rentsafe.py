"""A real ladder of intervals: made-up buildings with known chances, and the public file where it is."""

import dataclasses
import datetime as dt
import gzip
import os
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.rentsafe.__main__ import main, predicted
from studies.rentsafe.ladder import BANDS, due, engine_years, ladder, read, tier_of, world_and_policy, years
from tierkit.city.engine import run
from tierkit.records import TIERS

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("TIERKIT_REALDATA", ROOT.parent / "shared" / "realdata"))
FILE = REAL / "toronto_rentsafe" / "evaluations_2017_2023.csv.gz"
real = pytest.mark.skipif(not FILE.is_file(), reason="the public file is not here; set TIERKIT_REALDATA")

KEPT = 0.9
"""Chance that a made-up building that is due or overdue is evaluated in a year; others never are."""


@cache
def made(n: int = 2000, seed: int = 1) -> pd.DataFrame:
    """Return evaluations of 2010 to 2019 under a rule kept with a known chance, scores drifting around."""
    rng = np.random.default_rng(seed)
    score = np.clip(rng.normal(72, 12, n), 0, 100).round()
    rows, next_due = [], np.zeros(n, int)
    for year in range(2010, 2020):
        hit = (year >= next_due) & ((rng.random(n) < KEPT) | (year == 2010))
        score = np.where(hit, np.clip(72 + 0.5 * (score - 72) + rng.normal(0, 9, n), 0, 100).round(), score)
        days = rng.integers(0, 365, n)
        tier = tier_of(score)
        rows += [
            (f"b{k}", f"{dt.date(year, 1, 1) + dt.timedelta(days=int(days[k]))}", score[k], BANDS[tier[k]][1])
            for k in np.flatnonzero(hit)
        ]
        wait = np.array([max(BANDS[one][1], 1) for one in tier])
        next_due = np.where(hit, year + wait, next_due)
    columns = ["building_id", "evaluation_date", "score", "policy_next_years"]
    return pd.DataFrame(rows, columns=columns)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made().to_csv(tmp_path / "e.csv", index=False)
    return tmp_path / "e.csv"


def test_the_bands_are_the_citys() -> None:
    assert (
        tier_of([0, 50, 51, 65, 66, 85, 86, 100]).tolist()
        == ["T4"] * 2 + ["T3"] * 2 + ["T2"] * 2 + ["T1"] * 2
    )


def test_known_chances_are_recovered(file: Path) -> None:
    chances = ladder(read(file), 2020).chances.set_index(["tier", "state"])
    for (tier, state), row in chances.iterrows():
        if row["n"] < 30:
            continue
        truth = 0.0 if state == "early" else KEPT
        error = np.sqrt(KEPT * (1 - KEPT) / row["n"])
        assert abs(row["value"] - truth) < 4 * error + 1 / row["n"], (tier, state)
        assert row["low"] <= row["value"] <= row["high"]
    assert (chances["n"] >= 30).sum() >= 6


def test_years_of_a_ladder_that_is_kept_fall_inside(file: Path) -> None:
    rows = read(file)
    frame = pd.concat([years(rows, year, replicates=79) for year in range(2015, 2020)])
    assert 0.85 <= frame["inside"].mean() <= 1
    whole = frame[frame["tier"] == "all"].set_index("year")
    parts = frame[frame["tier"] != "all"].groupby("year")[["due", "predicted", "observed"]].sum()
    pd.testing.assert_frame_equal(whole[["due", "predicted", "observed"]], parts, check_dtype=False)
    ahead = years(rows, 2017, 3, replicates=79)
    assert list(ahead["year"].unique()) == [2017, 2018, 2019]
    assert ahead["inside"].mean() >= 0.8


def test_what_followed_a_score_that_many_have_is_drawn_from_them(file: Path) -> None:
    found = ladder(read(file), 2021)
    moves = np.array([[79.0, 0.0]] * 300 + [[80.0, 1.0]] * 300 + [[81.0, 2.0]] * 300)
    after = dataclasses.replace(found, moves=moves).next_scores(np.full(4000, 80.0), np.random.default_rng(5))
    # A window of a hundred around any of the 300: 50 · 51 / 2 of 300 · 101 draws go beyond either end.
    for value, share in ((0.0, 0.042), (1.0, 0.916), (2.0, 0.042)):
        assert (after == value).mean() == pytest.approx(share, abs=0.015)


def test_a_year_that_breaks_the_rule_is_seen(file: Path) -> None:
    rows = read(file)
    everybody = rows.drop_duplicates("building_id")
    extra = everybody.assign(date=pd.Timestamp("2019-12-31"))
    broken = pd.concat([rows, extra]).sort_values(["building_id", "date"]).reset_index(drop=True)
    frame = years(broken, 2019, replicates=79).set_index("tier")
    assert not frame.loc["all", "inside"]
    assert frame.loc["all", "observed"] > frame.loc["all", "high"]


def test_later_evaluations_change_no_prediction(file: Path) -> None:
    rows = read(file)
    early = rows[rows["date"].dt.year < 2017]
    a, b = years(rows, 2017, replicates=39), years(early, 2017, replicates=39)
    same = ["year", "tier", "due", "predicted", "low", "high"]
    pd.testing.assert_frame_equal(a[same], b[same])
    assert b["observed"].sum() == 0
    for one, other in zip(
        world_and_policy(rows, "2017-01-01"), world_and_policy(early, "2017-01-01"), strict=True
    ):
        if isinstance(one, pd.DataFrame):
            pd.testing.assert_frame_equal(one, other)
    np.testing.assert_array_equal(
        world_and_policy(rows, "2017-01-01")[0].fixed.hazard,
        world_and_policy(early, "2017-01-01")[0].fixed.hazard,
    )


def test_the_engine_puts_every_building_into_its_band(file: Path) -> None:
    rows = read(file)
    frame, policy, scores = world_and_policy(rows, "2017-01-01")
    done = run(frame, policy, 1, scores=scores)
    start = pd.Series(tier_of(scores["credit_points"] / 10), index=scores["enterprise_id"])
    assert [TIERS[k] for k in done.first_tier] == start[frame.ids].tolist()
    gaps = rows[rows["date"] < "2017-01-01"]
    gaps = gaps.assign(gap=(gaps.groupby("building_id")["date"].shift(-1) - gaps["date"]).dt.days)
    mean = gaps[gaps["tier"] == "T2"]["gap"].mean()
    assert policy["frequency.tier.T2.general"] == pytest.approx(364 / mean, abs=1e-5)
    assert "inspections of 2010-" in str(policy.parameter("frequency.tier.T2.general").assumption)
    table = engine_years(rows, 2017).set_index("tier")
    n = start.value_counts()
    expected = sum(n[t] * -np.expm1(-policy[f"frequency.tier.{t}.general"]) for t in TIERS)
    assert table.loc["all", "predicted"] > 0.97 * expected  # a lottery may meet a building twice
    risk = scores.groupby(tier_of(scores["credit_points"] / 10))["risk_probability"].mean()
    for tier in ("T2", "T3"):
        # What was found is put right and deters for a while, so a yearly visit finds less than the risk says.
        assert 0.75 * risk[tier] < table.loc[tier, "found"] < 1.02 * risk[tier]


def test_the_risk_is_the_share_that_is_below_65_next(file: Path) -> None:
    rows = read(file)
    risk = world_and_policy(rows, "2017-01-01")[2].set_index("enterprise_id")["risk_probability"]
    now = rows[rows["date"].dt.year == 2017].set_index("building_id")["score"]
    p = risk[now.index]
    assert len(now) > 500
    assert abs((now < 65).mean() - p.mean()) < 4 * np.sqrt((p * (1 - p)).mean() / len(p))
    assert p[now < 65].mean() > p[now >= 65].mean() + 0.05


def put(table: pd.DataFrame, column: str, row: int, value: object) -> pd.DataFrame:
    return table.assign(**{column: table[column].where(table.index != row, value)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="score"), "has no column score"),
        (lambda t: put(t, "score", 0, 101), r"1 scores are not from 0 to 100 \(first in line 2\)"),
        (lambda t: put(t, "evaluation_date", 3, "today"), r"1 dates are not YYYY-MM-DD \(first in line 5\)"),
        (lambda t: put(t, "policy_next_years", 1, 9), "1 intervals are not those"),
        (lambda t: pd.concat([t, t.iloc[:2]]), "2 rows repeat a building and date"),
        (lambda t: t.iloc[:0], "there are no rows"),
    ],
)  # fmt: skip
def test_bad_files_are_told(change: object, said: str, tmp_path: Path) -> None:
    change(made()).to_csv(tmp_path / "bad.csv", index=False)  # type: ignore[operator]
    with pytest.raises(ValueError, match=said):
        read(tmp_path / "bad.csv")


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "e.csv.gz").write_bytes(b"\x1f\x8b broken")
    (tmp_path / "empty.csv").write_text("")
    whole = gzip.compress(b"building_id,score\n" * 99)
    (tmp_path / "flipped.csv.gz").write_bytes(whole[:12] + b"\xff\xff" + whole[14:])
    for name in ("e.csv.gz", "flipped.csv.gz", "empty.csv", "none.csv"):
        with pytest.raises(ValueError, match="cannot be read as a CSV file"):
            read(tmp_path / name)


def test_too_few_years_are_told(file: Path) -> None:
    rows = read(file)
    with pytest.raises(ValueError, match="two years at least; before 2011"):
        ladder(rows, 2011)
    with pytest.raises(ValueError, match="evaluated twice before 2010-06-01"):
        world_and_policy(rows, "2010-06-01")


def test_its_command_predicts_year_by_year(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(200).to_csv(tmp_path / "e.csv", index=False)
    main([str(tmp_path / "e.csv"), "--replicates", "39", "--out", str(tmp_path / "b")])
    assert "Only buildings known before" in capsys.readouterr().out
    assert {one.name for one in (tmp_path / "b").iterdir()} == {"years.csv", "chances.csv"}
    with pytest.raises(ValueError, match="needs four years"):
        predicted(read(tmp_path / "e.csv").query("date < '2012-06-01'"), replicates=39, seed=0)


@real
def test_the_public_file_holds_what_was_published() -> None:
    rows = read(FILE)
    assert (len(rows), rows["building_id"].nunique()) == (11_751, 3_512)
    # Due and overlap as counted when the file was fetched; evaluated there includes first evaluations.
    published = {
        2019: (2946, 2917, 2895),
        2020: (888, 1472, 415),
        2021: (1592, 1465, 1352),
        2022: (2015, 1945, 1911),
    }
    for year, (owed, evaluated, both) in published.items():
        one = due(rows, year)
        assert one["due"].sum() == owed
        assert (one["due"] & one["evaluated"]).sum() == both
        assert rows.loc[rows["date"].dt.year == year, "building_id"].nunique() == evaluated


@real
def test_the_public_years_2021_and_2022_are_predicted_and_2020_is_not() -> None:
    rows = read(FILE)
    frame = pd.concat([years(rows, year) for year in (2019, 2020, 2021, 2022)])
    whole = frame[frame["tier"] == "all"].set_index("year")
    assert whole["inside"].to_dict() == {2019: False, 2020: False, 2021: True, 2022: True}
    assert whole.loc[2020, "observed"] > whole.loc[2020, "high"], "the rule broke in 2020"
    lottery = engine_years(rows, 2020).set_index("tier")
    assert lottery.loc["T1", "low"] > 10 * lottery.loc["T1", "observed"], "a lottery knows no calendar"
    assert (
        lottery.loc["all", "found_low"]
        < lottery.loc["all", "found_observed"]
        < lottery.loc["all", "found_high"]
    )


@pytest.mark.parametrize("wrong", [float("nan"), -5, 101])
def test_what_is_no_score_has_no_tier(wrong: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 100"):
        tier_of([wrong, 80])
    assert tier_of([0, 100]).tolist() == ["T4", "T1"]
