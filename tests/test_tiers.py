"""Tiers: a total and disjoint rule that a slow reader and a fast one apply alike."""

import warnings
from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierkit.policy import Policy, PolicyWarning, presets, without
from tierkit.policy.tiers import (
    MARGIN_ONE,
    NEUTRAL_TIER,
    POINT_ONE,
    REASONS,
    Previous,
    RecordRule,
    Standing,
    TierRule,
    assign,
    by_quota,
    by_risk_alone,
    listed,
    margin_steps,
    place,
    point_steps,
    sentences,
)
from tierkit.policy.tiers.distance import distances
from tierkit.policy.tiers.inputs import standing_of
from tierkit.policy.tiers.standing import FloorRule
from tierkit.records import EVENT_KINDS, GRADES, GRAVITY, REPAIRABLE_KINDS, SHANGHAI, TIERS, DataError

SECTORS = SHANGHAI.ids("sector")

with warnings.catch_warnings():  # a ladder without equal-chance audits warns of it
    warnings.simplefilter("ignore", PolicyWarning)
    POLICIES = {name: Policy.load(name) for name in presets()}
    FREE = {name: without(policy, "floors") for name, policy in POLICIES.items()}
    LATELY = {
        name: policy.reform({"floors.highest_risk": False, "floors.red_line": False})
        for name, policy in POLICIES.items()
    }


def rounded(policy):
    """Return a preset with round cut-offs, by which examples can be worked by hand; its own may move."""
    three = len(policy["scoring.risk_cutoffs"]) == 2
    return policy.reform(
        {
            "scoring.risk_cutoffs": [0.09, 0.24] if three else [0.09, 0.15, 0.24],
            "scoring.credit_cutoffs": [480, 600] if three else [480, 540, 600],
            "scoring.composite_cutoffs": [525, 610, 690],
            "lists.unmonitored.max_risk": 0.09,
            "lists.unmonitored.min_points": 600,
        },
        name=f"{policy.name} in round numbers",
    )


ROUND = {
    name: rounded(POLICIES[name])
    for name in ("legacy", *(n for n in POLICIES if n.endswith(("-2025", "-2023"))))
}
TOP = [["T1", "T1", "T2"], ["T1", "T2", "T3"], ["T2", "T3", "T4"]]
NAMES = [name for name in presets() if name != "oracle"]
RULES = {name: TierRule.of(policy) for name, policy in POLICIES.items()}


def frame(risk, points, *, sector="retail", red_line=None, standing="", record=None):
    risk, points = np.broadcast_arrays(np.asarray(risk, float), np.asarray(points, float))
    ids = [f"e{k}" for k in range(len(risk))]
    return pd.DataFrame(
        {
            "enterprise_id": ids,
            "sector": sector,
            "risk_probability": risk,
            "credit_points": points,
            "red_line": red_line,
            "standing_records": standing,
            "adverse_record": record,
        }
    )


def previous_of(assigned, weeks_ago=1000):
    return assigned[["enterprise_id", "tier", "risk_level", "credit_grade"]].assign(weeks_ago=weeks_ago)


def none_before(n):
    nothing = np.full(n, -1)
    return Previous(nothing, nothing, nothing, nothing)


# The rule, applied row by row in plain Python, as its text says


def count(cuts, score):
    return sum(score >= cut for cut in cuts)


def kept(cuts, score, slack, old):
    if old is None:
        return count(cuts, score)
    return min(max(old, count(cuts, score - slack)), count(cuts, score + slack))


def slowly(rule, margin, points, sector, standing, old):
    """Return tier, level, grade, whether listed, and the tier before the dwell of one enterprise."""
    red_line, weeks, clean, serious = standing
    points = listing = points + int(rule.sector_offset[sector])
    cap = int(rule.caps[red_line])
    worst = len(rule.credit_cuts)
    by = rule.by_records
    spared = by.needed and clean
    if spared and worst > 1:
        points = max(points, int(rule.credit_cuts[-2]))
    least = 0
    for kind, age in enumerate(weeks):
        if age >= 0 and by.red_kinds[kind]:
            least = max(least, by.red_tier)
        if 0 <= age <= by.rising_weeks and by.rising_kinds[kind]:
            least = max(least, by.rising_tier)
    if old is not None and (old[1] > len(rule.risk_cuts) or old[2] > worst):
        old = None
    level = kept(rule.risk_cuts, margin, rule.slack_margin, old and old[1])
    grade = worst - kept(rule.credit_cuts, points, rule.slack_points, old and worst - old[2])
    if spared:
        grade = min(grade, GRADES.index("B"))
    grade = max(grade, min(cap, worst))
    if rule.composite:
        score = rule.credit_weight * points - rule.risk_weight * margin
        at = kept(rule.composite_cuts, score, rule.slack_points * 1024, old and 3 - old[0])
        tier = max(3 - at, cap)
    else:
        tier = int(rule.matrix[level, grade])
    tier = max(tier, least)
    floors = rule.floors
    barred = floors.risk and level == len(rule.risk_cuts)
    barred |= 0 <= serious <= floors.serious_weeks
    barred |= any(age >= 0 and floors.kinds[kind] for kind, age in enumerate(weeks))
    barred |= red_line >= 0 and floors.kinds[red_line]
    if barred:
        tier, least = max(tier, 1), max(least, 1)
    candidate = tier
    if old is not None and tier != old[0] and old[3] < rule.dwell and cap == 0:
        tier = max(old[0], least)
    inside = bool(rule.in_scope[sector])
    if not inside:
        tier = candidate = TIERS.index(NEUTRAL_TIER)
    listed = rule.list_enabled and inside and cap == 0 and least == 0
    listed = listed and margin <= rule.list_margin and listing >= rule.list_points
    return tier, level, grade, listed, candidate


@st.composite
def rules(draw):
    """Draw a tier rule, sensible or not."""
    base = RULES[draw(st.sampled_from(["legacy", "shanghai-2025", "minhang-2023", "jiading-2025"]))]

    def cuts(least, low, high, size=None):
        number = size or draw(st.integers(least, 3))
        values = draw(st.lists(st.integers(low, high), min_size=number, max_size=number, unique=True))
        return np.array(sorted(values), np.int64)

    risk, credit = cuts(1, -3000, 1000), cuts(1, 3000, 12_000)
    cells = st.lists(st.integers(0, 3), min_size=len(credit) + 1, max_size=len(credit) + 1)
    rows = draw(st.lists(cells, min_size=len(risk) + 1, max_size=len(risk) + 1))
    composite = draw(st.booleans())
    return replace(
        base,
        composite=composite,
        risk_cuts=risk,
        credit_cuts=credit,
        composite_cuts=cuts(3, 0, 20_000, 3) * 1024,
        matrix=np.array(rows),
        risk_weight=draw(st.sampled_from([0, 160, 641])),
        credit_weight=draw(st.sampled_from([0, 1024, 300])),
        slack_margin=draw(st.sampled_from([0, 1, 102, 900])),
        slack_points=draw(st.sampled_from([0, 1, 80, 2000])),
        dwell=draw(st.integers(0, 20)),
        sector_offset=np.array(draw(st.lists(st.integers(-320, 320), min_size=16, max_size=16))),
        in_scope=np.array(draw(st.lists(st.booleans(), min_size=16, max_size=16))),
        caps=np.array(
            [*draw(st.lists(st.integers(0, 3), min_size=len(EVENT_KINDS), max_size=len(EVENT_KINDS))), 0]
        ),
        by_records=RecordRule(
            needed=draw(st.booleans()),
            sound_points=int(credit[-2]) if len(credit) > 1 else -(10**7),
            red_kinds=np.array(
                draw(st.lists(st.booleans(), min_size=len(EVENT_KINDS), max_size=len(EVENT_KINDS)))
            ),
            red_tier=draw(st.integers(0, 3)),
            rising_kinds=np.array(
                draw(st.lists(st.booleans(), min_size=len(EVENT_KINDS), max_size=len(EVENT_KINDS)))
            ),
            rising_tier=draw(st.integers(0, 3)),
            rising_weeks=draw(st.integers(1, 20)),
        ),
        floors=FloorRule(
            risk=draw(st.booleans()),
            serious_weeks=draw(st.sampled_from([-1, 1, 20])),
            kinds=np.array(
                [*draw(st.lists(st.booleans(), min_size=len(EVENT_KINDS), max_size=len(EVENT_KINDS))), False]
            ),
        ),
        list_enabled=draw(st.booleans()),
    )


@st.composite
def enterprises(draw, rule):
    """Draw scores, some of them at a cut-off or one step beside it, and what was assigned before."""
    n = draw(st.integers(1, 12))

    def near(cuts, low, high):
        at = st.sampled_from([int(cut) for cut in cuts])
        step = st.sampled_from([-1, 0, 1])
        one = st.one_of(st.integers(low, high), st.builds(lambda a, b: a + b, at, step))
        return np.array(draw(st.lists(one, min_size=n, max_size=n)), np.int64)

    def codes(low, high):
        return np.array(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)), np.int64)

    red_line, clean = codes(-1, 7), codes(0, 1) > 0
    some = codes(0, 1) > 0
    weeks = np.stack([np.where(some, codes(-1, 25), -1) for _ in EVENT_KINDS], axis=1)
    standing = Standing(red_line, weeks, clean, np.where(codes(0, 2) > 1, codes(-1, 25), -1))
    known = codes(0, 2) > 0
    old = Previous(*(np.where(known, codes(0, high), -1) for high in (3, 3, 3, 25)))
    return (
        near(rule.risk_cuts, -4000, 2000),
        near(rule.credit_cuts, 2000, 14_000),
        codes(0, 15),
        standing,
        old,
    )


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_fast_rule_is_the_slow_one(data):
    rule = data.draw(rules())
    margin, points, sector, standing, old = data.draw(enterprises(rule))
    placed = place(rule, margin, points, sector, standing, old)
    for k in range(len(margin)):
        before = None if old.tier[k] < 0 else tuple(int(one[k]) for one in old)
        wanted = slowly(rule, int(margin[k]), int(points[k]), sector[k], [one[k] for one in standing], before)
        got = (placed.tier, placed.level, placed.grade, placed.unmonitored, placed.candidate)
        assert tuple(int(one[k]) for one in got) == tuple(map(int, wanted))


def search(data):
    """Hold distances to a search of every move."""
    rule = replace(data.draw(rules()), list_enabled=False)
    margin, points, sector, standing, old = data.draw(enterprises(rule))
    placed = place(rule, margin, points, sector, standing, old)
    to_risk, to_credit = distances(rule, margin, points, sector, standing, placed)
    reach = 25_000
    moves = np.arange(-reach, reach + 1)
    order = np.argsort(np.abs(moves), kind="stable")
    free = replace(rule, dwell=0)
    for k in range(min(len(margin), 3)):
        same = np.full(len(moves), k)
        now = Previous(placed.tier[same], placed.level[same], placed.grade[same], same * 0)
        if not placed.known[k]:  # a first assignment: nothing holds the tier, so the cut-off itself counts
            now = Previous(*(same * 0 - 1 for _ in now))

        def tiers(by_margin, by_points, k=k, same=same, now=now):
            return place(
                free,
                margin[k] + by_margin,
                points[k] + by_points,
                sector[same],
                Standing(*(one[same] for one in standing)),
                now,
            )

        for found, one, result, better in (
            (to_risk[k], MARGIN_ONE, tiers(moves, 0 * moves), -1),
            (to_credit[k], POINT_ONE, tiers(0 * moves, moves), 1),
        ):
            changes = [int(move) for move in moves[order] if result.tier[move + reach] != placed.tier[k]]
            nearest = [move for move in changes if abs(move) == abs(changes[0])]
            wanted = better * abs(changes[0]) if changes and better * abs(changes[0]) in nearest else None
            wanted = nearest[0] if changes and wanted is None else wanted
            if not placed.in_scope[k]:
                assert np.isnan(found)
            elif wanted is None:
                assert np.isnan(found) or abs(found * one) > reach
            else:
                assert found * one == wanted


test_distances_are_the_shortest_moves_that_a_search_finds = pytest.mark.slow(
    settings(max_examples=10, deadline=None)(given(st.data())(search))
)
test_distances_are_the_shortest_moves_that_a_long_search_finds = pytest.mark.long(
    settings(max_examples=60, deadline=None)(given(st.data())(search))
)


def test_the_search_can_fail():
    rule = RULES["legacy"]
    margin, points, zero = margin_steps([0.1]), point_steps([610.0]), np.array([0])
    nothing = Standing.nothing(1)
    placed = place(rule, margin, points, zero, nothing, none_before(1))
    to_risk, _ = distances(rule, margin, points, zero, nothing, placed)
    moved = place(
        replace(rule, dwell=0), margin + round(to_risk[0] * MARGIN_ONE) - int(np.sign(to_risk[0])),
        points, zero, nothing, Previous(placed.tier, placed.level, placed.grade, zero),
    )  # fmt: skip
    assert moved.tier == placed.tier  # one step less does not do


# What must hold under every preset


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.floats(allow_nan=False, allow_infinity=False),
            st.sampled_from(SECTORS),
            st.sampled_from([None, *EVENT_KINDS]),
        ),
        max_size=20,
    )
)
def test_everybody_gets_exactly_one_tier(name, rows):
    scores = pd.DataFrame(rows, columns=["risk_probability", "credit_points", "sector", "red_line"])
    scores.insert(0, "enterprise_id", [f"e{k}" for k in range(len(rows))])
    kept_scores = scores.copy()
    out = assign(scores, POLICIES[name])
    pd.testing.assert_frame_equal(scores, kept_scores)
    assert out["enterprise_id"].tolist() == scores["enterprise_id"].tolist()
    assert out[["tier", "risk_level", "credit_grade", "tier_reason"]].notna().all(axis=None)
    assert sum((out["tier"] == tier).sum() for tier in TIERS) == len(rows)
    assert not out["held"].any()
    assert out["changed"].all()
    assert not (out["unmonitored"] & out["red_line"].notna()).any()


GRID = np.linspace(0.001, 0.999, 250)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sector", ["retail", "ecology"])
def test_more_risk_never_gives_a_better_tier_nor_more_points_a_worse_one(name, sector):
    for points in (300, 479.9, 480, 545, 605, 700):
        tiers = assign(frame(GRID, points, sector=sector), POLICIES[name])["tier"].cat.codes
        assert tiers.is_monotonic_increasing
    for risk in (0.01, 0.1, 0.2, 0.5):
        scores = frame(np.full(250, risk), np.linspace(0, 1000, 250), sector=sector)
        assert assign(scores, POLICIES[name])["tier"].cat.codes.is_monotonic_decreasing


@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_repeated_stays(name):
    rng = np.random.default_rng(7)
    sectors, kinds = rng.choice(SECTORS, 400), rng.choice([None, "serious_dishonesty"], 400, p=[0.9, 0.1])
    scores = frame(rng.beta(1, 6, 400), rng.normal(570, 60, 400), sector=sectors, red_line=kinds)
    first = assign(scores, POLICIES[name])
    again = assign(scores, POLICIES[name], previous_of(first))
    moves = ["distance_risk", "distance_credit"]
    told_apart = ["changed", "buffered", *moves]  # whether anything stood before
    pd.testing.assert_frame_equal(first.drop(columns=told_apart), again.drop(columns=told_apart))
    assert not again["changed"].any()
    assert not (again[moves].abs() < first[moves].abs()).any(axis=None), "hysteresis only adds to the way"


def test_order_index_and_strangers_make_no_difference():
    rng = np.random.default_rng(3)
    policy = ROUND["jiading-2025"]
    scores = frame(rng.beta(1, 6, 200), rng.normal(570, 60, 200))
    first = assign(scores, policy)
    old = previous_of(first, weeks_ago=5)
    later = scores.assign(risk_probability=rng.beta(1, 6, 200))
    wanted = assign(later, policy, old)
    shuffled = later.sample(frac=1, random_state=1)
    strangers = pd.concat(
        [old.assign(enterprise_id="x" + old["enterprise_id"]), old.sample(frac=1, random_state=2)]
    )
    got = assign(shuffled, policy, strangers)
    pd.testing.assert_frame_equal(got.sort_index(), wanted)
    half = assign(later.iloc[:50], policy, old)
    pd.testing.assert_frame_equal(half, wanted.iloc[:50])  # nobody's tier depends on others


# Cut-offs and grid


def test_at_a_cutoff_a_score_belongs_above():
    policy = ROUND["jiading-2025"]
    out = assign(frame([0.0899, 0.09, 0.2399, 0.24], [599.9, 600, 479.9, 480]), policy)
    assert out["risk_level"].tolist() == [1, 2, 2, 3]
    assert out["credit_grade"].tolist() == ["B", "A", "C", "B"]


def test_steps_are_rounded_log_odds():
    p = np.array([1e-9, 0.02, 0.15, 0.5, 0.97, 1 - 1e-9])
    exact = [1024 * log(one / (1 - one)) for one in p]
    assert np.abs(margin_steps(p) - exact).max() <= 0.5 + 1e-6
    assert margin_steps([0.0, 1.0]).tolist() == [-30 * 1024, 30 * 1024]
    assert point_steps([0.03, 0.04, -1e308]).tolist() == [0, 1, -(10**6) * 16]


def test_composite_score_by_hand():
    # 600 points and even odds: no log-odds, so the composite is 600; at 3 : 1, 600 - 40 ln 3 = 556.06
    out = assign(frame([0.5, 0.75, 0.25], 600), ROUND["shanghai-2025"])
    assert out["composite_points"].tolist() == pytest.approx([600, 556.06, 643.94], abs=1 / 16)
    assert out["tier"].tolist() == ["T3", "T3", "T2"]  # 525, 610 and 690 are the cut-offs
    # 610 - 600 points up; ln(x) = -10/40 less risk
    assert out["distance_credit"].iloc[0] == 10
    assert out["distance_risk"].iloc[0] == pytest.approx(-10 / 40, abs=1 / 1024)
    # to leave a tier that stands, 5 points of hysteresis on top
    later = assign(frame([0.5, 0.75, 0.25], 600), ROUND["shanghai-2025"], previous_of(out))
    assert later["distance_credit"].iloc[0] == 15
    assert later["distance_risk"].iloc[0] == pytest.approx(-15 / 40, abs=1 / 1024)
    assert [out["buffered"].tolist(), later["buffered"].tolist()] == [[False] * 3, [True] * 3]


def test_at_a_composite_cutoff_one_step_down_is_below():
    policy = ROUND["shanghai-2025"]
    out = assign(frame([0.5], 610), policy)
    assert out["tier"].tolist() == ["T2"]
    assert out["distance_credit"].tolist() == [-1 / 16]
    assert out["distance_risk"].tolist() == [1 / 1024]
    later = assign(frame([0.5], 610), policy, previous_of(out))
    assert later["distance_credit"].tolist() == [-5 - 1 / 16]
    assert later["distance_risk"].tolist() == [pytest.approx(5 / 40, abs=1.5 / 1024)]


# Hysteresis, dwell, red lines, scope


def test_hysteresis_keeps_a_tier_until_the_cutoff_is_passed_by_the_margin():
    policy = ROUND["jiading-2025"].reform({"review.hysteresis_margin": 0.1, "review.dwell_weeks": 0})
    cut = log(0.09 / 0.91)
    margins = cut + np.array([-0.2, 0.05, -0.05, 0.09, 0.11, 0.05, -0.09, -0.11])
    tier, levels, reasons, held = None, [], [], []
    for margin in margins:
        scores = frame([1 / (1 + np.exp(-margin))], 650)
        tier = assign(scores, policy, None if tier is None else previous_of(tier))
        levels.append(int(tier["risk_level"].iloc[0]))
        reasons.append(tier["tier_reason"].iloc[0])
        held.append(bool(tier["held"].iloc[0]))
    assert levels == [1, 1, 1, 1, 2, 2, 2, 1]
    assert held == [False, True, False, True, False, False, True, False]
    assert [one == "held_by_margin" for one in reasons] == held


def test_dwell_keeps_a_tier_for_its_weeks_but_not_against_a_red_line():
    policy = without(ROUND["jiading-2025"], "floors")
    first = assign(frame([0.05], 650), policy)
    worse = frame([0.5], 400)
    young = assign(worse, policy, previous_of(first, weeks_ago=12))
    kept = young[["tier", "tier_reason", "held", "changed"]].to_numpy().tolist()
    assert kept == [["T1", "held_by_dwell", True, False]]
    assert young[["distance_risk", "distance_credit"]].to_numpy().tolist() == [[0, 0]]
    # level and grade move all the same
    assert young[["risk_level", "credit_grade"]].to_numpy().tolist() == [[3, "C"]]
    old = assign(worse, policy, previous_of(first, weeks_ago=13))
    assert old["tier"].tolist() == ["T4"]
    red = frame([0.5], 650, red_line="serious_dishonesty")
    at_once = assign(red, policy, previous_of(first, weeks_ago=0))
    assert at_once[["tier", "tier_reason"]].to_numpy().tolist() == [["T4", "red_line"]]


def test_weeks_are_counted_from_the_day_since_which_a_tier_stands():
    policy = without(ROUND["jiading-2025"], "floors")
    first = assign(frame([0.05, 0.05], 650), policy)
    old = (
        previous_of(first).drop(columns="weeks_ago").assign(assigned_on=[date(2025, 1, 6), date(2025, 1, 7)])
    )
    later = assign(frame([0.5, 0.5], 400), policy, old, as_of=date(2025, 4, 7))  # 13 weeks, and a day less
    assert later["tier"].tolist() == ["T4", "T1"]


def test_a_red_line_caps_the_grade_and_says_so():
    policy = ROUND["legacy"]
    kinds = [None, "serious_dishonesty", "penalty", "tax_arrears"]
    out = assign(frame([0.05] * 4, 650, red_line=kinds), policy)
    assert out["credit_grade"].tolist() == ["A", "D", "A", "A"]
    assert out["tier_reason"].tolist() == ["matrix", "red_line", "matrix", "matrix"]
    assert out["red_line"].isna().tolist() == [True, False, True, True]
    # worse anyway: the cap changes nothing, and is not given as the reason
    worse = assign(frame([0.05], 300, red_line="serious_dishonesty"), policy)
    assert worse["tier_reason"].tolist() == ["matrix"]
    # under a composite the cap is one of tiers
    composite = assign(frame([0.05], 900, red_line="serious_dishonesty"), ROUND["jinshan-2025"])
    assert composite[["tier", "tier_reason"]].to_numpy().tolist() == [["T4", "red_line"]]
    # three grades only: a cap of D is a cap of the worst
    assert assign(frame([0.05], 900, red_line="serious_dishonesty"), ROUND["jiading-2025"])[
        "credit_grade"
    ].tolist() == ["C"]


def test_without_an_adverse_record_nobody_is_graded_worse_than_b():
    policy = ROUND["legacy"]
    told = frame([0.05] * 4, [300, 300, 535, 300], record=[False, True, False, None])
    out = assign(told, policy)
    assert out["credit_grade"].tolist() == ["B", "D", "B", "D"]
    assert out["tier"].tolist() == ["T1", "T3", "T1", "T3"]
    assert out["tier_reason"].tolist() == ["record_needed", "matrix", "record_needed", "matrix"]
    assert out["without_record"].tolist() == [True, False, True, False]
    # points are what counts of a composite: no fewer than the cut-off of B
    both = assign(told, ROUND["shanghai-2025"])["composite_points"]
    assert both[0] - both[1] == 540 - 300
    # an open record is one, whatever the column says
    open_now = frame([0.05], 300, standing=["penalty:3"], record=[False])
    assert assign(open_now, policy)["credit_grade"].tolist() == ["D"]
    # a grade from before is not held against it
    old = previous_of(assign(frame([0.05], 300), policy))
    assert assign(frame([0.05], 300, record=[False]), policy, old)["credit_grade"].tolist() == ["B"]
    off = policy.reform({"scoring.record_needed": False})
    assert assign(told, off)["credit_grade"].tolist() == ["D", "D", "C", "D"]
    said = sentences(assign(frame([0.5], 300, record=[False]), policy), policy, "en").iloc[0]
    assert said.endswith("There is no adverse record, so credit counts as grade B at worst.")


def test_a_record_of_the_kinds_named_brings_a_tier_whatever_the_risk():
    policy = ROUND["legacy"].reform(
        {"escalation.kinds": ["penalty", "tax_arrears"], "escalation.tier": "T3", "escalation.max_weeks": 52}
    )
    standing = ["penalty:52", "penalty:53", "court_default:1", "", "court_default:2;tax_arrears:5"]
    out = assign(frame([0.05] * 5, 650, standing=standing), policy)
    assert out["tier"].tolist() == ["T3", "T1", "T1", "T1", "T3"]
    assert out["tier_record"].astype(object).where(out["tier_record"].notna(), None).tolist() == [
        "penalty", None, None, None, "tax_arrears",
    ]  # fmt: skip
    # a worse tier by the scores stays, and says why
    worse = assign(frame([0.5], 300, standing=["penalty:1"]), policy)
    assert worse[["tier", "tier_reason"]].to_numpy().tolist() == [["T4", "matrix"]]
    # no dwell holds a better tier against a record, and none of those is left undisturbed
    old = previous_of(assign(frame([0.05], 650), policy), weeks_ago=1)
    assert assign(frame([0.05], 650, standing=["penalty:0"]), policy, old)["tier"].tolist() == ["T3"]
    # no move of the scores leads to a better tier while it is open
    least = assign(frame([0.05], 650, standing=["penalty:0"]), policy.reform({"escalation.tier": "T4"}))
    assert least[["distance_risk", "distance_credit"]].iloc[0].isna().all()


def test_a_red_line_to_a_tier_has_no_age_and_keeps_off_the_list():
    policy = ROUND["jiading-2025"].reform({"lists.unmonitored.by": "rule", "lists.unmonitored.max_risk": 0.2})
    standing = ["serious_dishonesty:155", "court_default:1", ""]
    out = assign(frame([0.05] * 3, 650, standing=standing), policy)
    assert out["tier"].tolist() == ["T4", "T1", "T1"]
    assert out["tier_reason"].tolist() == ["red_line_tier", "matrix", "matrix"]
    assert out["unmonitored"].tolist() == [False, True, True]
    # told by the gravest kind alone
    assert assign(frame([0.05], 650, red_line="serious_dishonesty"), policy)["tier"].tolist() == ["T4"]
    # it goes before escalation where both state the same tier
    both = policy.reform({"escalation.kinds": ["penalty"]})
    assert assign(frame([0.05], 650, standing=["penalty:1;serious_dishonesty:9"]), both)[
        "tier_reason"
    ].tolist() == ["red_line_tier"]


def test_what_is_said_of_records_is_checked():
    wrong = frame([0.1] * 4, 600, standing=["penalty", "rumour:3", "penalty:1;penalty:2", "penalty:1"])
    wrong["adverse_record"] = [True, "yes", None, False]
    with pytest.raises(DataError) as refused:
        assign(wrong, ROUND["legacy"])
    counts = {one.column: one.rows for one in refused.value.problems}
    assert counts == {"standing_records": 3, "adverse_record": 1}


def test_outside_the_scope_everybody_is_in_the_neutral_tier():
    scores = frame(
        np.linspace(0.01, 0.9, len(SECTORS)), 300, sector=list(SECTORS), red_line="serious_dishonesty"
    )
    out = assign(scores, ROUND["minhang-2023"])
    inside = scores["sector"].isin(["labour_dispatch", "ecology"])
    assert set(out["tier"][~inside]) == {NEUTRAL_TIER}
    assert set(out["tier_reason"][~inside]) == {"out_of_scope"}
    assert out.loc[~inside, ["distance_risk", "distance_credit"]].isna().all(axis=None)
    assert set(out["tier"][inside]) == {"T4"}


def test_sector_offsets_move_grades():
    policy = ROUND["legacy"].reform({"scoring.sector_offset.gas": -30})
    out = assign(frame([0.05, 0.05], 610, sector=["gas", "retail"]), policy)
    assert out["credit_grade"].tolist() == ["B", "A"]


def test_the_unmonitored_list_asks_for_both_scores():
    policy = ROUND["shanghai-2025"].reform({"lists.unmonitored.by": "rule"})
    out = assign(
        frame(
            [0.09, 0.0902, 0.05, 0.05],
            [600, 650, 599.9, 650],
            red_line=[None, None, None, "serious_dishonesty"],
        ),
        policy,
    )
    assert out["unmonitored"].tolist() == [True, False, False, False]
    assert not assign(frame([0.01], 900), ROUND["legacy"])["unmonitored"].any()


def supervised_by(agencies):
    return pd.DataFrame([(one, agency) for agency, ids in agencies.items() for one in ids],
                        columns=["enterprise_id", "agency"])  # fmt: skip


def test_each_agency_lists_those_of_least_risk_up_to_its_share():
    policy = ROUND["shanghai-2025"].reform({"lists.unmonitored.target_share": 0.5})
    risk = [0.05, 0.20, 0.10, 0.01, 0.30, 0.12]
    standing = ["", "", "", "penalty:150", "", ""]
    scores = frame(risk, [650, 600, 600, 700, 650, 600], standing=standing)
    pairs = supervised_by({"fire": [f"e{k}" for k in range(6)], "health": ["e1", "e4", "e3", "e5"]})
    found = listed(scores, policy, pd.concat([pairs, pairs, supervised_by({"fire": ["nobody"]})]))
    on = found[found["listed"]]
    # of six three, of four two; e3 has an open record, e4 is in the highest risk level
    assert sorted(on.loc[on["agency"] == "fire", "enterprise_id"]) == ["e0", "e2", "e5"]
    assert sorted(on.loc[on["agency"] == "health", "enterprise_id"]) == ["e1", "e5"]
    assert len(found) == 10
    # looking at rows one by one says nothing of it
    assert not assign(scores, policy)["unmonitored"].any()
    # by sector as well: half of each sector of each agency
    scores["sector"] = ["gas", "gas", "gas", "gas", "retail", "retail"]
    by_sector = listed(scores, policy.reform({"lists.unmonitored.by": "agency_sector"}), pairs)
    on = by_sector[by_sector["listed"] & (by_sector["agency"] == "fire")]
    assert sorted(on["enterprise_id"]) == ["e0", "e2", "e5"]
    on = by_sector[by_sector["listed"] & (by_sector["agency"] == "health")]
    assert sorted(on["enterprise_id"]) == ["e1", "e5"]
    # equal risks: more points first, then as they stand
    even = listed(frame([0.1] * 4, [600, 650, 600, 600]), policy, pairs)
    assert even.loc[even["listed"] & (even["agency"] == "fire"), "enterprise_id"].tolist() == ["e0", "e1"]
    # by one rule, everybody's agencies have the same
    rule = listed(scores, policy.reform({"lists.unmonitored.by": "rule"}), pairs)
    assert set(rule[rule["listed"]]["enterprise_id"]) == {"e0", "e3"}
    # outside the scope nobody is listed, or counted
    scope = policy.reform({"scoring.scope_sectors": ["retail"]})
    assert listed(scores, scope, pairs).query("listed")["enterprise_id"].tolist() == ["e5", "e5"]
    off = policy.reform({"lists.unmonitored.enabled": False})
    assert not listed(scores, off, pairs)["listed"].any()


@pytest.mark.parametrize("name", [name for name in NAMES if by_quota(POLICIES[name])])
def test_the_plans_lists_come_within_two_points_of_their_share(name):
    rng = np.random.default_rng(3)
    n = 3000
    scores = frame(rng.beta(2, 15, n), rng.normal(600, 30, n), sector=rng.choice(list(SECTORS), n),
                   standing=np.where(rng.random(n) < 0.1, "tax_arrears:9", ""))  # fmt: skip
    pairs = supervised_by(
        {agency: scores["enterprise_id"][rng.random(n) < 0.2] for agency in SHANGHAI.agencies}
    )
    found = listed(scores, POLICIES[name], pairs)
    shares = found.groupby("agency")["listed"].mean()
    assert (abs(shares - POLICIES[name]["lists.unmonitored.target_share"]) < 0.02).all()
    record = scores.loc[scores["standing_records"] != "", "enterprise_id"]
    assert not found.loc[found["enterprise_id"].isin(record), "listed"].any()


def test_a_previous_level_that_the_policy_does_not_have_counts_as_none():
    # four levels under legacy; three under Jiading
    old = previous_of(assign(frame([0.9], 300), ROUND["legacy"]), weeks_ago=0)
    out = assign(frame([0.05], 650), ROUND["jiading-2025"], old)
    assert out[["tier", "held"]].to_numpy().tolist() == [["T1", False]]


# The oracle


def test_the_oracle_follows_the_truth_and_nobody_else_sees_it():
    scores = frame([0.01, 0.9], 600)
    truth = pd.Series([0.5, 0.01, 0.2], index=["e0", "e1", "stranger"])
    out = assign(scores, POLICIES["oracle"], oracle_probability=truth)
    assert out["tier"].tolist() == ["T4", "T1"]
    with pytest.raises(DataError, match="needs it"):
        assign(scores, POLICIES["oracle"])
    with pytest.raises(DataError, match="is not for policy 'legacy in round numbers'"):
        assign(scores, ROUND["legacy"], oracle_probability=truth)
    with pytest.raises(DataError, match="is not a probability") as caught:
        assign(scores, POLICIES["oracle"], oracle_probability=truth.drop("e1"))
    assert caught.value.problems[0].rows == 1


# Bad input


def test_scores_that_are_no_numbers_are_listed_by_row():
    scores = frame([np.nan, 0.1, np.inf, 1.5, 0.2], [600, -np.inf, 600, 600, np.nan])
    scores["sector"] = ["retail", "retial", "gas", "gas", None]
    scores.loc[4, "red_line"] = "murder"
    with pytest.raises(DataError) as caught:
        assign(scores, ROUND["legacy"])
    problems = {(one.column, one.message): (one.rows, one.examples) for one in caught.value.problems}
    assert problems == {
        ("sector", "has an unknown level"): (2, ("row 2, e1: retial", "row 5, e4: nan")),
        ("risk_probability", "is not a finite number"): (2, ("row 1, e0: nan", "row 3, e2: inf")),
        ("credit_points", "is not a finite number"): (2, ("row 2, e1: -inf", "row 5, e4: nan")),
        ("risk_probability", "is outside [0, 1]"): (1, ("row 4, e3: 1.5",)),
        ("red_line", "has an unknown level"): (1, ("row 5, e4: murder",)),
    }
    assert all(one.remedy for one in caught.value.problems)


def test_ids_and_columns_are_checked():
    scores = frame([0.1, 0.2, 0.3], 600)
    scores["enterprise_id"] = ["a", "a", None]
    with pytest.raises(DataError) as caught:
        assign(scores, ROUND["legacy"])
    assert [(one.message, one.rows) for one in caught.value.problems] == [
        ("is empty", 1),
        ("occurs more than once", 1),
    ]
    with pytest.raises(DataError) as caught:
        assign(scores[["sector"]], ROUND["legacy"])
    assert [one.column for one in caught.value.problems] == [
        "enterprise_id",
        "risk_probability",
        "credit_points",
    ]
    texts = frame([0.1], 600).astype({"credit_points": object})
    texts.loc[0, "credit_points"] = "many"
    with pytest.raises(DataError, match="is not a finite number"):
        assign(texts, ROUND["legacy"])


STRANGE = {
    "days": pd.Series(pd.to_datetime(["2024-01-01", None])),
    "durations": pd.Series(pd.to_timedelta([1, None], "D")),
    "dates": pd.Series([date(2024, 1, 1)] * 2, dtype=object),
    "durations of NumPy": pd.Series([np.timedelta64(1, "D")] * 2, dtype=object),
    "complex": pd.Series([0.1 + 0j, 0.2]),
    "complex objects": pd.Series([0.1 + 0j, 0.2 + 1j], dtype=object),
    "text": pd.Series(["0.1", "0.2"]),
    "categories": pd.Series(pd.Categorical(["a", "b"])),
    "a decimal that is none": pd.Series([Decimal("sNaN")] * 2, dtype=object),
}


@pytest.mark.parametrize("column", ["risk_probability", "credit_points"])
@pytest.mark.parametrize("held", STRANGE)
def test_scores_are_real_numbers(held, column):
    scores = frame([0.1, 0.2], 600).assign(**{column: STRANGE[held]})
    with pytest.raises(DataError, match="is not a finite number") as caught:
        assign(scores, ROUND["legacy"])
    assert [(one.column, one.rows) for one in caught.value.problems] == [(column, 2)]


@pytest.mark.parametrize("held", STRANGE)
def test_weeks_and_true_probabilities_are_real_numbers(held):
    scores = frame([0.1, 0.2], 600)
    old = pd.DataFrame({"enterprise_id": ["e0", "e1"], "tier": "T1", "risk_level": 1, "credit_grade": "A"})
    with pytest.raises(DataError, match="is not a number of weeks"):
        assign(scores, ROUND["legacy"], old.assign(weeks_ago=STRANGE[held]))
    truth = pd.Series(STRANGE[held].array, index=["e0", "e1"])
    with pytest.raises(DataError, match="is not a probability"):
        assign(scores, POLICIES["oracle"], oracle_probability=truth)


@pytest.mark.parametrize("kind", ["object", "Float64", "float32", "double[pyarrow]"])
def test_numbers_of_every_type_give_the_same_tiers(kind):
    scores = frame([0.125, 0.25], 600)
    other = scores.astype({"risk_probability": kind, "credit_points": kind})
    pd.testing.assert_frame_equal(assign(other, ROUND["legacy"]), assign(scores, ROUND["legacy"]))
    decimals = scores.assign(risk_probability=[Decimal("0.125"), Decimal("0.25")])
    pd.testing.assert_frame_equal(assign(decimals, ROUND["legacy"]), assign(scores, ROUND["legacy"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tier": "T9"}, "has an unknown level"),
        ({"risk_level": 0}, "has an unknown level"),
        ({"credit_grade": None}, "has an unknown level"),
        ({"weeks_ago": -1}, "is not a number of weeks of at least 0"),
        ({"weeks_ago": np.nan}, "is not a number of weeks of at least 0"),
        ({"enterprise_id": None}, "is empty"),
    ],
)
def test_previous_tiers_are_checked(change, message):
    scores = frame([0.1], 600)
    old = pd.DataFrame(
        {"enterprise_id": ["e0"], "tier": "T1", "risk_level": 1, "credit_grade": "A", "weeks_ago": 3}
    )
    assign(scores, ROUND["legacy"], old)
    with pytest.raises(DataError, match=message):
        assign(scores, ROUND["legacy"], old.assign(**change))


def test_previous_days_need_a_day_to_count_to():
    scores = frame([0.1], 600)
    old = pd.DataFrame({"enterprise_id": ["e0"], "tier": "T1", "risk_level": 1, "credit_grade": "A"})
    with pytest.raises(DataError, match="assigned_on: is missing"):
        assign(scores, ROUND["legacy"], old)
    dated = old.assign(assigned_on=pd.Timestamp("2025-02-03"))
    with pytest.raises(DataError, match="needs as_of"):
        assign(scores, ROUND["legacy"], dated)
    with pytest.raises(DataError, match="is not a date up to 2025-01-06"):
        assign(scores, ROUND["legacy"], dated, as_of=date(2025, 1, 6))
    with pytest.raises(DataError, match=r"previous\.tier: is missing"):
        assign(scores, ROUND["legacy"], old[["enterprise_id"]])


def test_an_empty_table_gives_an_empty_one():
    empty = frame([], [])
    out = assign(empty, ROUND["shanghai-2025"])
    assert out.empty
    full = assign(frame([0.1], 600), ROUND["shanghai-2025"])
    assert list(out.columns) == list(full.columns)
    assert assign(frame([0.1], 600), ROUND["legacy"], out)["tier"].notna().all()


def test_level_columns_hold_all_declared_levels():
    out = assign(frame([0.1], 600), ROUND["legacy"])
    assert tuple(out["tier"].cat.categories) == TIERS
    assert tuple(out["credit_grade"].cat.categories) == GRADES
    assert tuple(out["tier_reason"].cat.categories) == tuple(REASONS)
    assert out["risk_level"].dtype == np.int8


# Words


def test_every_reason_reads_as_a_sentence_in_both_languages():
    jiading = ROUND["jiading-2025"]
    first = assign(frame([0.05], 650), jiading)
    just_past = frame([0.091], 650)
    red = jiading.reform({"red_line_tier.kinds": ["serious_dishonesty"], "red_line_tier.tier": "T3"})
    capped = jiading.reform({"red_line_tier.kinds": []})
    rising = jiading.reform({"escalation.kinds": ["penalty"], "escalation.tier": "T3"})
    barred, shanghai = (
        capped.reform({"red_lines.serious_dishonesty": "B", "scoring.matrix": TOP}),
        ROUND["shanghai-2025"],
    )
    alone = by_risk_alone(jiading)
    cases = {
        "matrix": (first, jiading),
        "composite": (assign(frame([0.05], 650), ROUND["shanghai-2025"]), ROUND["shanghai-2025"]),
        "red_line": (assign(frame([0.05], 650, red_line="serious_dishonesty"), capped), capped),
        "red_line_tier": (assign(frame([0.05], 650, standing=["serious_dishonesty:80"]), red), red),
        "escalated": (assign(frame([0.05], 650, standing=["penalty:9"]), rising), rising),
        "record_needed": (assign(frame([0.3], 300, record=False), jiading), jiading),
        "held_by_margin": (assign(just_past, jiading, previous_of(first)), jiading),
        "held_by_dwell": (assign(frame([0.15], 500), jiading, previous_of(first, 1)), jiading),
        "floor_red_line": (assign(frame([0.05], 650, standing=["serious_dishonesty:80"]), barred), barred),
        "floor_serious": (assign(frame([0.05], 650).assign(serious_finding_weeks=9), jiading), jiading),
        "floor_highest_risk": (assign(frame([0.3], 2000), shanghai), shanghai),
        "out_of_scope": (assign(frame([0.05], 650), ROUND["minhang-2023"]), ROUND["minhang-2023"]),
        "risk_alone": (assign(frame([0.05], np.nan), alone), alone),
    }
    assert set(cases) == set(REASONS)
    for reason, (assigned, policy) in cases.items():
        assert assigned["tier_reason"].tolist() == [reason]
        for lang, end in (("zh", "。"), ("en", ".")):
            text = sentences(assigned, policy, lang).iloc[0]
            assert text.endswith(end)
            assert "{" not in text
            assert str(assigned["tier"].iloc[0]) in text
    told = sentences(cases["escalated"][0], rising, "zh").iloc[0]
    assert told.startswith(
        "存在未了结的不良记录（行政处罚），发生未超过156周，不论风险高低，等级按规定不得优于T3"
    )
    told = sentences(cases["red_line"][0], capped, "zh").iloc[0]
    assert told == "存在红线记录（严重违法失信），信用等次不高于D级，列为T2（第二级）。"


# Floors under T1


def of_records(n, seed):
    """Return random scores with random open records and findings, many of them near what a floor says."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice([*REPAIRABLE_KINDS], n)
    ages = rng.integers(0, 200, n)
    told = [
        f"{kind}:{age}" if one else ""
        for kind, age, one in zip(kinds, ages, rng.random(n) < 0.5, strict=True)
    ]
    red = [kind if text and kind in GRAVITY else None for kind, text in zip(kinds, told, strict=True)]
    weeks = np.where(rng.random(n) < 0.5, rng.integers(0, 110, n), np.nan)
    made = frame(rng.beta(1, 8, n), rng.normal(600, 150, n), red_line=red, standing=told)
    return made.assign(sector=rng.choice(SECTORS, n), serious_finding_weeks=pd.array(weeks, "Int32"))


@pytest.mark.parametrize("name", NAMES)
def test_nobody_whom_a_floor_bars_is_t1_or_listed_under_any_preset(name):
    policy, scores = POLICIES[name], of_records(3000, 7)
    red = {kind for kind in GRAVITY if policy["red_lines"][kind] != "A"} | set(policy["red_line_tier.kinds"])
    scope = policy["scoring.scope_sectors"] or SECTORS
    opened = scores["standing_records"].str.partition(":")[0].isin(red)
    found = scores["serious_finding_weeks"].le(52).fillna(False).astype(bool)
    out = assign(scores, policy)
    for _ in range(2):  # anew, and after a last assignment within its dwell
        highest = out["risk_level"] == 1 + len(policy["scoring.risk_cutoffs"])
        barred = (opened | found | highest) & scores["sector"].isin(scope)
        assert 10 < barred.sum() < len(scores) - 10
        assert not (out["tier"] == "T1")[barred].any()
        assert not out["unmonitored"][barred].any()
        assert ((out["barred_by"] != "") == barred).all()
        better = scores.assign(risk_probability=scores["risk_probability"] / 3, credit_points=700.0)
        before = assign(better, FREE[name])
        out = assign(scores, policy, previous_of(before, weeks_ago=1))
    agencies = pd.DataFrame({"enterprise_id": scores["enterprise_id"], "agency": "fire"})
    if policy["lists.unmonitored.enabled"]:
        on = listed(scores.assign(risk_level=out["risk_level"]), policy, agencies)
        assert not on["listed"][barred].any()


@pytest.mark.parametrize("name", NAMES)
def test_floors_switched_off_give_what_scores_and_records_alone_give(name):
    scores, rule = of_records(300, 3), TierRule.of(FREE[name])
    margin = margin_steps(scores["risk_probability"])
    points = point_steps(scores["credit_points"])
    sector, standing = rule.sector_codes(scores["sector"]), standing_of(scores)
    out = assign(scores, FREE[name])
    assert (out["barred_by"] == "").all()
    for k in range(len(scores)):
        own = [one[k] for one in standing._replace(serious=np.full(len(scores), -1))]
        wanted = slowly(rule, int(margin[k]), int(points[k]), sector[k], own, None)
        assert (TIERS.index(out["tier"].iloc[k]), bool(out["unmonitored"].iloc[k])) == (wanted[0], wanted[3])
    # one floor alone bars no more than it says
    moved = assign(scores, LATELY[name])["tier"] != out["tier"]
    lately = scores["serious_finding_weeks"].le(52).fillna(False).astype(bool)
    inside = scores["sector"].isin(POLICIES[name]["scoring.scope_sectors"] or SECTORS)
    assert (moved == ((out["tier"] == "T1") & lately & inside)).all()


def test_what_a_record_or_a_floor_lowers_is_not_said_to_be_kept_by_the_dwell():
    policy = ROUND["jiading-2025"].reform({"escalation.kinds": ["penalty"], "escalation.tier": "T3"})
    first = previous_of(assign(frame([0.05] * 3, 650), policy), weeks_ago=1)
    worst = frame([0.5] * 3, 300, standing=["penalty:3", "", ""], record=True)
    out = assign(worst.assign(serious_finding_weeks=pd.array([None, 4, None], "Int32")), policy, first)
    assert out["tier"].tolist() == ["T3", "T2", "T2"]
    assert out["tier_reason"].tolist() == ["escalated", "floor_serious", "floor_highest_risk"]


def test_weeks_since_a_serious_finding_must_be_whole_numbers():
    wrong = frame([0.1] * 5, 600).assign(serious_finding_weeks=[1, -1, 2.5, "soon", None])
    with pytest.raises(DataError) as caught:
        assign(wrong, "legacy")
    assert {one.column: one.rows for one in caught.value.problems} == {"serious_finding_weeks": 3}
