"""Ladders in force elsewhere as presets, laid side by side, and the legal floor of draws."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.worlds import load
from tierkit import report
from tierkit.city.engine import run as run_simulation
from tierkit.city.parameters import parameters
from tierkit.city.population import base_rates
from tierkit.city.synth import make
from tierkit.compare.comparison import compare
from tierkit.compare.outcomes import run_and_measure
from tierkit.policy import Policy, check, ladders
from tierkit.policy.ladders import DANDONG, FLOORS, check_floor, draw_ratio, floor_on, target_shares
from tierkit.policy.tiers import assign
from tierkit.records import SHANGHAI, SIZES, TIERS

SECTORS = SHANGHAI.ids("sector")

# As published, from the best class to the worst: draws or visits a year, examined declarations for customs.
PUBLISHED = {
    "henan-2021": (0.01, 0.02, 0.10, 0.30),
    "chongqing-2024": (0.03, 0.04, 0.05, 0.06),
    "huashan-2021": (0.05, 0.10, 0.20, 0.40),
    "anhui-food-2022": (0.5, 1, 2, 3),
    "customs-2019": (0.0057, 0.0169, 0.0244, 0.8476),
}
FOOD = ("anhui-food-2022", "chongqing-2024")
FROM_LEGACY = {"T1": 0.62, "T2": 0.25, "T3": 0.10, "T4": 0.03}


@pytest.mark.parametrize("name", PUBLISHED)
def test_base_rate_times_multiplier_is_what_was_published(name: str) -> None:
    frame = ladders.ladder([load(name)])
    assert tuple(frame["tier"]) == TIERS
    for kind in ("general", "key"):
        assert frame[kind].to_list() == pytest.approx(PUBLISHED[name], rel=2e-6)


@pytest.mark.parametrize(
    ("name", "on_dandong", "on_default"),
    # per cent, by hand: for instance 65.41 × 3 + 25.33 × 4 + 7.74 × 5 + 1.52 × 6 = 3.45 for Chongqing
    [("henan-2021", 2.39, 3.02), ("chongqing-2024", 3.45, 3.54), ("huashan-2021", 7.96, 8.80)],
)
def test_ladders_come_to_the_published_overall_ratios(
    name: str, on_dandong: float, on_default: float
) -> None:
    policy = load(name)
    assert target_shares(policy) == FROM_LEGACY
    assert round(100 * draw_ratio(policy, DANDONG), 2) == on_dandong
    assert round(100 * draw_ratio(policy, target_shares(policy)), 2) == on_default
    by_hand = sum(n * rate for n, rate in zip(DANDONG.values(), PUBLISHED[name], strict=True)) / 47_554
    assert draw_ratio(policy, DANDONG) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("name", FOOD)
def test_a_ladder_for_food_leaves_every_other_sector_as_it_was(name: str) -> None:
    # The base rate and food's weight rest on the world's sectors; where those change, both are set again:
    # food's weight is the mean of the others, the base rate legacy's times that mean over legacy's own.
    p, policy = parameters(), load(name)
    mine, before = base_rates(policy, p), base_rates(load("legacy"), p)
    food = SECTORS.index("food")
    others = np.arange(len(SECTORS)) != food
    assert mine[others] == pytest.approx(before[others], rel=2e-3)
    size = np.array([p[f"share.size.{one}"] for one in SIZES])
    assert mine[food] @ size / size.sum() == pytest.approx(policy["frequency.base_rate"], rel=2e-3)
    assert policy["scoring.scope_sectors"] == ("food",)
    assert {one: policy[f"frequency.sector.{one}"] for one in SECTORS if one != "food"} == {
        one: load("legacy")[f"frequency.sector.{one}"] for one in SECTORS if one != "food"
    }


def test_anhui_weighs_risk_five_times_credit_and_overrides_by_red_lines() -> None:
    anhui = load("anhui-food-2022")
    # credit points double their odds every 40, so a log-odds is 40 / ln 2 points
    credit = anhui["scoring.composite_credit_weight"] * 40 / math.log(2)
    assert anhui["scoring.composite_risk_weight"] / credit == pytest.approx(5, rel=0.02)
    best = {"enterprise_id": "a", "sector": "food", "risk_probability": 0.001, "credit_points": 900.0}
    rows = pd.DataFrame(
        [
            {**best, "red_line": None},
            {**best, "red_line": "serious_dishonesty"},
            {**best, "red_line": "commitment_breach"},
            {**best, "red_line": "tax_arrears"},
        ]
    ).assign(enterprise_id=list("abcd"))
    assert assign(rows, anhui)["tier"].tolist() == ["T1", "T4", "T2", "T1"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_ladder_loads_and_compares_against_legacy(name: str) -> None:
    assert [one for one in check(name) if not one.warning] == []
    policy = load(name)
    assert (policy.meta.status, policy.meta.baseline) == ("reference", "legacy")
    _, world = make(300, seed=2)
    shown = compare(world, load("legacy"), policy, replicates=2, weeks=26)
    inspections = shown.summary[shown.summary["measure"] == "inspections"].set_index("policy").loc[name]
    assert (inspections["value"] > 0).any()
    assert (inspections["difference"] != 0).any()  # by sector; the whole may come out equal


@pytest.mark.parametrize("name", ["henan-2021", "huashan-2021", "customs-2019"])
def test_what_is_drawn_is_what_the_ladder_declares(name: str) -> None:
    _, world = make(6000, seed=7)
    policy = load(name)
    done = run_simulation(world, policy, 13)  # up to the first review, so that tiers stay
    stays = (world.fixed.entered <= world.week) & (world.fixed.left > world.week + 13)
    log = done.table()
    who = world.fixed.enterprise[log["obligation"].to_numpy()]
    drawn = int(((log["channel"].to_numpy() == 5) & stays[who]).sum())
    rates = ladders.ladder([policy])["general"].to_numpy()
    expected = rates[done.first_tier[stays]].sum() * 13 / 52
    assert expected > 15
    assert abs(drawn - expected) < 4 * math.sqrt(expected)


# The floor


def test_there_is_a_floor_from_its_date_on() -> None:
    assert floor_on(date(2014, 9, 30)) is None
    assert floor_on(date(2014, 10, 1)) == FLOORS[0]
    assert floor_on(date(2025, 3, 17)) == FLOORS[0]
    assert floor_on(date(2025, 3, 18)) == FLOORS[1]
    assert [floor.from_ for floor in FLOORS] == sorted(floor.from_ for floor in FLOORS)
    assert ladders.LEGAL_FLOOR == load("uniform-3pct")["frequency.random_floor"] == 0.03


def test_henan_breaks_the_floor_on_dandongs_shares_alone() -> None:
    henan = load("henan-2021")
    with_dandong, on_target = check_floor(henan, DANDONG), check_floor(henan)
    assert with_dandong.breach
    # (31,107 × 1 % + 12,044 × 2 % + 3,682 × 10 % + 721 × 30 %) / 47,554
    assert with_dandong.ratio == pytest.approx(1136.45 / 47554, rel=1e-12)
    assert (on_target.breach, on_target.sentences("en")) == (False, [])
    (said,) = with_dandong.sentences("en")
    for part in ("Henan 2021", "2.39%", "T1 65.4%", "T4 1.5%", "3%", "2025-03-18", "C13"):
        assert part in said
    (zh,) = with_dandong.sentences("zh")
    for part in ("河南 2021", "2.39%", "第101号", "法定下限"):
        assert part in zh
    assert not check_floor(henan, DANDONG, on=date(2014, 9, 30)).breach
    assert check_floor(henan, DANDONG, on=date(2020, 1, 1)).breach


def test_the_lot_counts_once_an_enterprise_and_no_plan_is_below_the_floor() -> None:
    uniform = check_floor(load("uniform-3pct"))
    assert (uniform.by_tier, uniform.by_lot, uniform.breach) == (0, 0.03, False)
    less = load("uniform-3pct").reform({"frequency.random_floor": 0.029}, name="less")
    assert check_floor(less).breach
    plans = ("shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025", "minhang-2023", "legacy")
    assert [name for name in plans if check_floor(load(name)).breach] == []
    assert [name for name in PUBLISHED if check_floor(load(name)).breach] == ["customs-2019"]


def test_fewer_drawn_in_a_run_is_told_apart_from_a_breach() -> None:
    henan = load("henan-2021")
    few = check_floor(henan, realised=(0.020, 0.018, 0.022))
    assert (few.breach, few.short) == (False, True)
    (said,) = few.sentences("en")
    assert "2.00% [1.80%, 2.20%]" in said
    assert not check_floor(henan, realised=(0.028, 0.024, 0.032)).short
    once = check_floor(henan, realised=(0.020, math.nan, math.nan))  # one replicate has no interval
    assert once.short
    json.dumps(once.to_dict(), allow_nan=False)
    assert "[" not in once.sentences("zh")[0]
    assert not check_floor(henan, realised=(0.02, 0.018, 0.022), on=date(2014, 1, 1)).short


def test_shares_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="must be those of T1, T2, T3, T4"):
        draw_ratio(load("henan-2021"), {"T1": 1.0})
    with pytest.raises(ValueError, match="must add up to more than 0"):
        check_floor(load("henan-2021"), dict.fromkeys(TIERS, 0))


def test_who_was_drawn_is_counted_by_hand() -> None:
    _, world = make(400, seed=3)
    done, outcome = run_and_measure(world, load("jinshan-2025"), 52)
    log = done.table()
    owner = done.start.fixed.enterprise
    drawn = {int(owner[row.obligation]) for row in log.itertuples() if row.mode < 2 and row.channel in (0, 5)}
    here = (done.start.fixed.left > done.start.week) & (done.start.fixed.entered < done.start.week + 52)
    rows = outcome.values()
    row = rows[(rows["measure"] == "drawn_share") & (rows["group"] == "all")].iloc[0]
    assert 0 < len(drawn) < here.sum()
    assert row["value"] == pytest.approx(len(drawn) / here.sum(), rel=1e-12)
    anybody = {int(owner[row.obligation]) for row in log.itertuples() if row.mode < 2}
    assert drawn < anybody, "triggered inspections are no draws"


# Side by side


def test_the_table_lays_policies_side_by_side_in_both_languages() -> None:
    policies = [load(name) for name in ("shanghai-2025", "chongming-2025", "chongqing-2024")]
    for lang, everywhere, food in (("en", "all sectors", "food production and sale"),
                                   ("zh", "全部行业", "食品生产销售")):  # fmt: skip
        table = ladders.ladder_table(policies, lang)
        assert table.index.tolist() == [policy.name for policy in policies]
        assert table.loc["shanghai-2025"].tolist()[1:6] == ["0.047", "0.117", "0.235", "0.235", everywhere]
        assert table.loc["chongming-2025"].tolist()[1] == "0 / 0.235"
        assert table.loc["chongqing-2024"].tolist()[1:6] == ["0.03", "0.04", "0.05", "0.06", food]
        assert table.loc["chongqing-2024"].tolist()[-2:] == ["0.0354", "0.0345"]
        assert table.columns.is_unique
    twins = ladders.ladder_table([policies[0], policies[0]])
    assert len(twins) == 2


# In a run and its report


@pytest.fixture(scope="module")
def run() -> report.RunReport:
    """Return a year of Henan's ladder and of Chongqing's, tiers of the whole city as in Dandong."""
    _, world = make(300, seed=5)
    plans = [load("henan-2021"), load("chongqing-2024")]
    shown = compare(world, load("legacy"), plans, replicates=2, weeks=52)
    tiers = np.repeat(TIERS, [654, 253, 77, 16])
    henan = pd.DataFrame(
        {"policy": "henan-2021", "enterprise_id": [f"e{k}" for k in range(1000)], "tier": tiers,
         "risk_level": 1, "credit_grade": "A", "tier_reason": "matrix"}
    )  # fmt: skip
    outside = np.arange(1000) >= 40
    chongqing = henan.assign(
        policy="chongqing-2024",
        tier=np.where(outside, "T2", np.where(np.arange(1000) < 30, "T1", "T4")),
        tier_reason=np.where(outside, "out_of_scope", "matrix"),
    )
    return report.RunReport(
        summary=shown.summary,
        policies=(load("legacy"), *plans),
        kappa=0.1,
        weeks=52,
        tiers=pd.concat([henan, chongqing], ignore_index=True),
        facts={"as_of": "2024-12-30"},
    )


def test_overrides_count_and_partial_tables_stand_apart() -> None:
    shares = dict.fromkeys(TIERS, 1.0)
    jiading = load("jiading-2025")
    loose = jiading.reform({"frequency.override": 0.25}, name="loose")
    base = jiading["frequency.base_rate"]
    # 3/4 of each step, and a quarter of the base rate for everybody.
    assert ladders.draw_ratio(loose, shares) == pytest.approx(
        0.75 * ladders.draw_ratio(jiading, shares) + 0.25 * base, rel=1e-9
    )
    assert ladders.ladder([loose])["general"].tolist() == pytest.approx(
        [0.75 * step + 0.25 * base for step in ladders.ladder([jiading])["general"]], rel=1e-9
    )
    chongming = load("chongming-2025")
    assert ladders.ladder([chongming]).set_index("tier").loc["T4", "reach"] == {"strata": 1.5}
    # General items: 0, 1, 1.5 × 1.25 and 2 × 1.5 times the base rate, at the most.
    most = chongming["frequency.base_rate"] * (0 + 1 + 1.875 + 3) / 4
    assert ladders.draw_ratio(chongming, shares, most=True) == pytest.approx(most, rel=1e-9)
    assert ladders.check_floor(chongming, shares).by_tier == pytest.approx(most, rel=1e-9)
    assert ladders.draw_ratio(chongming, shares) < most


def test_a_run_is_checked_with_its_own_shares_and_draws(run: report.RunReport) -> None:
    legacy, henan, chongqing = report.floor_checks(run)
    assert henan.shares == pytest.approx({"T1": 0.654, "T2": 0.253, "T3": 0.077, "T4": 0.016})
    assert henan.ratio == pytest.approx(0.00654 + 0.00506 + 0.0077 + 0.0048)
    assert henan.of_run
    assert (legacy.breach, henan.breach, chongqing.breach) == (False, True, False)
    # Of the 40 in its scope 30 are in the best class and 10 in the worst; the others do not count.
    assert chongqing.shares == pytest.approx({"T1": 0.75, "T2": 0, "T3": 0, "T4": 0.25})
    assert chongqing.by_tier == pytest.approx(0.75 * 0.03 + 0.25 * 0.06, rel=1e-6)
    assert chongqing.scope == ("food",)
    assert henan.floor == FLOORS[1]  # in force within the year that is simulated
    assert all(one.realised is not None and 0 < one.realised[0] < 1 for one in (legacy, henan, chongqing))


def test_where_a_run_does_not_tell_whom_it_leaves_out_target_shares_stand_in(run: report.RunReport) -> None:
    bare = dataclasses.replace(run, tiers=None)
    _, _, chongqing = report.floor_checks(bare)
    assert not chongqing.of_run
    assert chongqing.shares == pytest.approx(FROM_LEGACY)


def test_what_is_not_a_year_is_not_held_against_a_yearly_floor(run: report.RunReport) -> None:
    short = dataclasses.replace(run, summary=run.summary.assign(over=26))
    assert [one.realised for one in report.floor_checks(short)] == [None] * 3


def floor_of(page: str) -> str:
    """Return the section that holds declared draws against the legal floor."""
    assert '<section id="floor">' in page
    return page.partition('<section id="floor">')[2].partition("</section>")[0]


def test_the_report_warns_of_a_breach_and_of_nothing_else(run: report.RunReport, tmp_path: Path) -> None:
    section = floor_of(report.index(run, tmp_path / "low").read_text("utf-8"))
    warned = [line for line in section.splitlines() if 'class="warning"' in line]
    assert any("Henan 2021" in line and "2.41%" in line and "T1 65.4%" in line for line in warned)
    assert any("河南 2021" in line and "第101号" in line for line in warned)
    assert not any("Legacy" in line or "Chongqing" in line for line in warned)
    assert section.count("× ") >= 1
    told = json.loads((tmp_path / "low" / "summary.json").read_text("utf-8"))["floor"]
    assert [one["breach"] for one in told] == [False, True, False]
    assert told[1]["ratio"] == pytest.approx(0.0241)

    early = dataclasses.replace(run, facts={"as_of": "2012-12-31"})
    section = floor_of(report.index(early, tmp_path / "early").read_text("utf-8"))
    assert 'class="warning"' not in section
    assert "no floor then" in section


def test_plans_within_the_floor_get_the_table_and_no_warning(run_page: Path) -> None:
    section = floor_of((run_page / "index.html").read_text("utf-8"))
    assert "<table" in section
    assert 'class="warning"' not in section


def test_every_ladder_has_a_short_name_of_its_own() -> None:
    from tierkit.texts import policy_label

    names = [policy_label(name, lang) for name in PUBLISHED for lang in ("zh", "en")]
    assert len(set(names)) == len(names)
    assert not set(names) & set(PUBLISHED)
    assert all(isinstance(load(name), Policy) for name in PUBLISHED)
