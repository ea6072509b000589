"""Tier stability: closed forms for hand-made scores, a plain loop as oracle, coverage of intervals."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, t

from tierkit.evaluate import tier_stability
from tierkit.evaluate.stability import MEASURES, SETTINGS, _ratio
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.records import read_dataset
from tierkit.scores.metrics import clustered_interval
from tierkit.scores.train import train

JIADING = Policy.load("jiading-2025").reform(
    {
        "scoring.risk_cutoffs": [0.1, 0.3],
        "scoring.credit_cutoffs": [500.0, 600.0],
        "review.hysteresis_margin": 0.2,
        "review.hysteresis_points": 5.0,
        "review.dwell_weeks": 13,
    },
    name="by-hand",
)
DAYS = [date(2024, 1, 1) + k * (date(2024, 2, 1) - date(2024, 1, 1)) for k in range(12)]  # 31 days apart
CUT = np.log(0.1 / 0.9)


def frame(margins: list[float], points: list[float] | float = 650.0, **more: object) -> pd.DataFrame:
    ids = [f"e{i}" for i in range(len(margins))]
    risk = 1 / (1 + np.exp(-np.asarray(margins)))
    return pd.DataFrame(
        {"enterprise_id": ids, "sector": "gas", "risk_probability": risk, "credit_points": points, **more}
    )


def swinging(by: float) -> dict[date, pd.DataFrame]:
    """One enterprise beside the cut-off of level 2, now above and now below; grade A makes it T1 or T2."""
    return {day: frame([CUT + (by if k % 2 else -by)]) for k, day in enumerate(DAYS)}


def cells(found: pd.DataFrame, measure: str, column: str = "count") -> dict[str, float]:
    rows = found[found["measure"] == measure].set_index("setting")
    return {setting: rows.loc[setting, column].item() for setting in SETTINGS}


def test_a_swing_within_the_hysteresis_by_hand() -> None:
    # 12 days make 11 changes with neither; hysteresis stops all. 13 weeks are 91 days: the tier of day 0 may
    # change from day 3 (93 days) on, and again on days 6 and 9, each time the other side of the cut-off.
    table = tier_stability(swinging(0.1), JIADING).table
    assert cells(table, "change_share") == {"both": 0, "hysteresis": 0, "dwell": 3, "neither": 11}
    assert cells(table, "change_share", "n") == dict.fromkeys(SETTINGS, 11)
    # Back within six months of the last change: each change but the first (93 days for the dwell).
    assert cells(table, "flip_share") == {"both": 0, "hysteresis": 0, "dwell": 2, "neither": 10}
    assert cells(table, "return_share", "n") == {"both": 0, "hysteresis": 0, "dwell": 3, "neither": 11}
    # Held: with hysteresis on the odd days, on which the scores alone give T2: 6 of them. With the dwell
    # on days 1 (T1 for T2), 4 (T2 for T1), 7 and 10; on days 2, 5, 8, 11 scores and tier agree.
    assert cells(table, "held_share") == {"both": 6, "hysteresis": 6, "dwell": 4, "neither": 0}


def test_a_swing_beyond_the_hysteresis_is_left_to_the_dwell() -> None:
    table = tier_stability(swinging(0.3), JIADING).table
    assert cells(table, "change_share") == {"both": 3, "hysteresis": 11, "dwell": 3, "neither": 11}


def test_a_way_back_counts_within_the_given_months_only() -> None:
    # T1, then T2 from day 1 to day 5, then T1 again on day 6: 155 days, so within six months and not five.
    path = [-1.0] + [1.0] * 5 + [-1.0] * 6
    scores = {day: frame([CUT + by]) for day, by in zip(DAYS, path, strict=True)}
    for within, flips in ((6, 1), (5, 0)):
        table = tier_stability(scores, JIADING, within=within).table
        assert cells(table, "change_share")["neither"] == 2
        assert cells(table, "flip_share")["neither"] == flips


def test_who_comes_and_goes_is_counted_from_the_second_month() -> None:
    both = frame([CUT - 1, CUT - 1])
    scores = {DAYS[0]: both.iloc[:1], DAYS[1]: both, DAYS[2]: both.iloc[1:], DAYS[3]: both}
    found = tier_stability(scores, JIADING)
    assert cells(found.table, "change_share", "n")["both"] == 1 + 1 + 2
    assert found.monthly.query("setting == 'both'")["n"].tolist() == [1, 1, 2]
    assert cells(found.table, "change_share", "enterprises")["both"] == 2


def test_a_red_line_breaks_the_dwell() -> None:
    clean, red = frame([CUT - 1]), frame([CUT - 1], red_line="serious_dishonesty")
    found = tier_stability({DAYS[0]: clean, DAYS[1]: red}, JIADING).table
    assert cells(found, "change_share") == dict.fromkeys(SETTINGS, 1)


def noisy(n: int, months: int, seed: int, spread: float = 0.25) -> dict[date, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    home, credit = rng.normal(CUT, 0.8, n), rng.normal(580, 40, n)
    return {
        day: frame(home + rng.normal(0, spread, n), credit + rng.normal(0, 6, n)) for day in DAYS[:months]
    }


BARE = {"review.hysteresis_margin": 0.0, "review.hysteresis_points": 0.0}
CHANGES = {
    "both": {}, "hysteresis": {"review.dwell_weeks": 0}, "dwell": BARE,
    "neither": {**BARE, "review.dwell_weeks": 0},
}  # fmt: skip


def oracle(scores: dict[date, pd.DataFrame], policy: Policy) -> dict[str, int]:
    """Count changes and flip-flops with one enterprise at a time and numbers as they come."""
    cuts = [np.log(p / (1 - p)) for p in policy["scoring.risk_cutoffs"]]
    marks, matrix = policy["scoring.credit_cutoffs"], policy["scoring.matrix"]
    slack = (policy["review.hysteresis_margin"], policy["review.hysteresis_points"])
    composite = policy["scoring.logic"] == "composite"

    def place(score: float, at: list[float], old: int | None, by: float) -> int:
        new = sum(score >= cut for cut in at)
        if old is None:
            return new
        low, high = sum(score >= cut + by for cut in at), sum(score >= cut - by for cut in at)
        return min(max(old, low), high)

    state: dict[str, dict[str, object]] = {}
    changes = flips = months = 0
    for day, rows in scores.items():
        for one in rows.itertuples():
            margin = np.log(one.risk_probability / (1 - one.risk_probability))
            old = state.get(one.enterprise_id)
            level = place(margin, cuts, old and old["level"], slack[0])
            rank = place(one.credit_points, marks, old and old["rank"], slack[1])
            if composite:
                weights = [policy[f"scoring.composite_{of}_weight"] for of in ("credit", "risk")]
                score = weights[0] * one.credit_points - weights[1] * margin
                kept = None if old is None else 4 - int(old["tier"][1])
                tier = f"T{4 - place(score, policy['scoring.composite_cutoffs'], kept, slack[1])}"
            else:
                tier = matrix[level][len(marks) - rank]
            if old is None:
                state[one.enterprise_id] = {
                    "level": level, "rank": rank, "tier": tier, "since": day, "before": None, "moved": None,
                }  # fmt: skip
                continue
            months += 1
            if tier != old["tier"] and (day - old["since"]).days // 7 >= policy["review.dwell_weeks"]:
                changes += 1
                moved = old["moved"]
                flips += (
                    tier == old["before"] and day <= (pd.Timestamp(moved) + pd.DateOffset(months=6)).date()
                )
                old.update(before=old["tier"], moved=day, tier=tier, since=day)
            old.update(level=level, rank=rank)
    return {"months": months, "changes": changes, "flips": flips}


def test_tiers_are_those_that_assign_gives() -> None:
    scores = noisy(80, 4, 3)
    found = tier_stability(scores, JIADING).monthly.query("setting == 'both'")
    previous, changes = None, []
    for day, rows in scores.items():
        now = assign(rows, JIADING, previous, as_of=day)
        since = pd.Series(pd.Timestamp(day), index=now.index)
        if previous is not None:
            changes.append(int(now["changed"].sum()))
            since = since.where(now["changed"], previous["assigned_on"])
        previous = now.assign(assigned_on=since)
    assert found["changes"].tolist() == changes
    assert sum(changes) > 0


@pytest.mark.parametrize("logic", ["matrix", "composite"])
def test_both_ways_of_fusion_agree_with_a_plain_loop(logic: str) -> None:
    policy = JIADING.reform({
        "scoring.logic": logic, "scoring.composite_cutoffs": [600.0, 650.0, 700.0],
        "floors.highest_risk": False,  # of which the plain loop knows nothing
    })  # fmt: skip
    scores = noisy(150, 12, 1)
    found = tier_stability(scores, policy)
    assert (found.table["logic"] == logic).all()
    for setting, change in CHANGES.items():
        own = oracle(scores, policy.reform(change) if change else policy)
        rows = found.table[found.table["setting"] == setting].set_index("measure")
        assert rows.loc["change_share", ["count", "n"]].tolist() == [own["changes"], own["months"]]
        assert rows.loc["flip_share", "count"] == own["flips"]
    shares = cells(found.table, "change_share", "value")
    assert shares["both"] < min(shares["hysteresis"], shares["dwell"])
    assert max(shares["hysteresis"], shares["dwell"]) < shares["neither"]
    lows = cells(found.table, "change_share", "difference_high")
    assert lows["both"] < 0
    assert cells(found.table, "change_share", "difference")["neither"] == 0
    by_month = found.monthly.groupby("setting")[["n", "changes", "flips", "held"]].sum()
    for measure, (top, bottom) in MEASURES.items():
        assert cells(found.table, measure)["both"] == by_month.loc["both", top]
        assert (
            cells(found.table, measure, "n")["both"]
            == by_month.loc["both", "n" if bottom == "months" else bottom]
        )


def test_anhuis_hundred_and_twenty_points_and_a_matrix_side_by_side() -> None:
    anhui = Policy.load("anhui-food-2022")
    scores = {day: one.assign(sector="food") for day, one in noisy(100, 4, 2).items()}
    table = tier_stability(scores, [anhui, JIADING]).table
    assert table.groupby("policy", sort=False)["logic"].first().to_dict() == {
        "anhui-food-2022": "composite",
        "by-hand": "matrix",
    }
    assert len(table) == 2 * len(SETTINGS) * len(MEASURES)


def test_who_is_outside_the_scope_is_left_out() -> None:
    scores = {day: one.assign(sector=["food", "gas"] * 25) for day, one in noisy(50, 4, 4).items()}
    found = tier_stability(scores, Policy.load("anhui-food-2022")).table
    assert cells(found, "change_share", "n") == dict.fromkeys(SETTINGS, 25 * 3)
    assert cells(found, "change_share", "enterprises") == dict.fromkeys(SETTINGS, 25)


@pytest.mark.long
def test_intervals_cover_with_enterprises_as_clusters() -> None:
    # Each enterprise swings with a spread of its own, so that its months belong together; the share of a city
    # of 20,000 stands for the truth. Taken month by month as independent, intervals are too short.
    def city(n: int, seed: int) -> dict[date, pd.DataFrame]:
        rng = np.random.default_rng(seed)
        at_edge = rng.random(n) < 0.15
        home = np.where(at_edge, CUT, CUT - 6)
        return {day: frame(home + rng.normal(0, 0.5, n)) for day in DAYS[:7]}

    truth = tier_stability(city(20_000, 0), JIADING).table
    share, gain = cells(truth, "change_share", "value")["neither"], cells(truth, "change_share", "difference")
    hits, paired, plain = 0, 0, 0
    draws = 25
    for seed in range(1, draws + 1):
        table = tier_stability(city(150, seed), JIADING).table
        row = table[(table["setting"] == "neither") & (table["measure"] == "change_share")].iloc[0]
        hits += row["low"] <= share <= row["high"]
        half = 1.96 * np.sqrt(row["value"] * (1 - row["value"]) / row["n"])
        plain += abs(row["value"] - share) <= half
        row = table[(table["setting"] == "both") & (table["measure"] == "change_share")].iloc[0]
        paired += row["difference_low"] <= gain["both"] <= row["difference_high"]
    least = binom.ppf(0.001, draws, 0.95)
    assert hits >= least
    assert paired >= least
    assert plain < least


def test_a_policy_without_hysteresis_or_dwell_has_four_equal_settings() -> None:
    bare = JIADING.reform(CHANGES["neither"])
    assert cells(tier_stability(swinging(0.1), bare).table, "change_share") == dict.fromkeys(SETTINGS, 11)


def test_days_must_ascend_and_be_two() -> None:
    scores = swinging(0.1)
    with pytest.raises(ValueError, match="at least two"):
        tier_stability({DAYS[0]: scores[DAYS[0]]}, JIADING)
    with pytest.raises(ValueError, match="at least two, each later"):
        tier_stability(dict(reversed(scores.items())), JIADING)


def test_the_result_shows_and_saves_itself() -> None:
    found = tier_stability(swinging(0.1), JIADING)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["within_months"] == 6
    assert "n = 11 enterprise-months" in repr(found)
    assert "difference_low" in found._repr_html_()


def test_models_scores_month_by_month_on_synthetic_records() -> None:
    data = read_dataset("data/synthetic")
    model = train(data, "2024-09-01", policy=Policy.load("jiading-2025"))
    days = [one.date() for one in pd.date_range("2024-09-01", periods=4, freq="MS")]
    found = tier_stability({day: model.score(data, day) for day in days}, model.policy).table
    shares = cells(found, "change_share", "value")
    assert 0 < shares["both"] <= shares["neither"] < 0.3
    assert (found.dropna()["low"] <= found.dropna()["value"]).all()
    assert (found.dropna()["value"] <= found.dropna()["high"]).all()


def test_enterprises_that_are_all_alike_tell_no_difference() -> None:
    three = {day: frame([CUT + by] * 3) for day, by in zip(DAYS, [-0.3, 0.3] * 6, strict=True)}
    row = (
        tier_stability(three, JIADING).table.query("measure == 'change_share' and setting == 'both'").iloc[0]
    )
    assert row["difference"] == pytest.approx(3 / 11 - 1)
    assert np.isnan([row["difference_low"], row["difference_high"]]).all()
    still = {day: frame([CUT - 2] * 3) for day in DAYS}
    ends = tier_stability(still, JIADING).table.query("measure == 'change_share'")
    assert ends[["difference_low", "difference_high"]].isna().all(axis=None)  # of zero from zero


def test_few_enterprises_that_hold_most_months_count_as_few() -> None:
    n = np.r_[np.full(2, 100), np.ones(12, int)]
    rng = np.random.default_rng(0)
    both, neither = ({"months": n, "changes": rng.binomial(n, share)} for share in (0.2, 0.5))
    row = _ratio(both, neither, "changes", "months")
    freedom = n.sum() ** 2 / (n**2).sum() - 1
    assert freedom == pytest.approx(1.25, abs=0.01)  # and not 13
    p, q = (one["changes"].sum() / n.sum() for one in (both, neither))
    apart = (both["changes"] - p * n - neither["changes"] + q * n) / n.sum()
    half = t.ppf(0.975, freedom) * np.sqrt((apart**2 / (1 - n / n.sum())).sum())
    assert row["difference"] == pytest.approx(p - q)
    assert row["difference_high"] == pytest.approx(min(p - q + half, 1))
    ends = clustered_interval(both["changes"].astype(float), n.astype(float), float(n.sum()))
    assert (row["low"], row["high"]) == ends[:2]
    one = _ratio(
        *({name: x[:1] for name, x in side.items()} for side in (both, neither)), "changes", "months"
    )
    assert np.isnan([one["low"], one["high"], one["difference_low"], one["difference_high"]]).all()
