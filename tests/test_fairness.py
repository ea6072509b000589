"""Equal risk, equal visits: planted differences are found, absent ones are not, and few are refused."""

import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit

from tierkit.city.synth import make
from tierkit.compare.comparison import compare
from tierkit.evaluate import domestic_foreign, fairness, missed_by_group
from tierkit.evaluate.fairness import groups as g
from tierkit.policy import Policy
from tierkit.records import OWNERSHIPS, SHANGHAI, SIZES, TIERS
from tierkit.scores import metrics

SECTORS = SHANGHAI.ids("sector")

START = pd.Timestamp("2024-07-01")
SHARES = (0.1, 0.5, 0.1, 0.05, 0.25)


def city(
    seed: int,
    n: int = 3000,
    *,
    riskier: float = 0.0,
    doubled: str = "",
    understated: str = "",
    audited: float = 0.3,
    foreign: int | None = None,
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Return scores and records of half a year in which planned visits follow the risk alone, unless told.

    State firms are `riskier` in log-odds; the ownership `doubled` is inspected twice as often; audits find
    twice what the score says at the one `understated`.
    """
    rng = np.random.default_rng(seed)
    owner = rng.choice(OWNERSHIPS, n, p=SHARES)
    if foreign is not None:
        owner = np.where(np.isin(owner, ["foreign", "hmt"]), "private", owner)
        owner[:foreign] = "foreign"
    margin = rng.normal(-2, 0.8, n) + riskier * (owner == "state")
    risk = expit(margin)
    ids = np.array([f"E{k:05d}" for k in range(n)])
    visits = rng.poisson(6 * risk * np.where(owner == doubled, 2, 1) * rng.gamma(2, 0.5, n))
    audits = rng.poisson(audited, n)
    who = np.repeat(np.arange(n), visits + audits)
    lot = np.concatenate([np.arange(a + v) < a for a, v in zip(audits, visits, strict=True)])
    chance = np.minimum(risk * np.where(owner == understated, 2, 1), 1)
    found = rng.random(len(who)) < chance[who]
    inspections = pd.DataFrame({
        "enterprise_id": ids[who], "agency": "fire", "item_class": "general",
        "inspected_on": START + pd.to_timedelta(rng.integers(0, 180, len(who)), unit="D"),
        "channel": np.where(lot, "random", "routine"), "mode": "onsite",
        "finding": np.where(found, "minor", "none"),
    })  # fmt: skip
    enterprises = pd.DataFrame({
        "enterprise_id": ids, "ownership": owner, "size": rng.choice(SIZES, n),
        "sector": rng.choice(SECTORS[:3], n), "district": "jinshan",
        "registered_on": START - pd.to_timedelta(rng.integers(100, 5000, n), unit="D"),
        "closed_on": pd.Series(pd.NaT, index=range(n), dtype="datetime64[us]"),
    })  # fmt: skip
    obligations = pd.DataFrame({
        "enterprise_id": np.repeat(ids, 2), "agency": np.tile(["fire", "ecology"], n),
        "item_class": "general", "valid_from": START - pd.Timedelta(days=1000),
        "valid_to": pd.Series(pd.NaT, index=range(2 * n), dtype="datetime64[us]"),
    })  # fmt: skip
    tier = np.array(TIERS)[np.searchsorted(np.quantile(risk, [0.6, 0.85, 0.97]), risk)]
    scored = pd.DataFrame({"enterprise_id": ids, "tier": tier, "risk_probability": risk})
    return scored, {"enterprises": enterprises, "obligations": obligations, "inspections": inspections}


def level(frame: pd.DataFrame, name: str) -> Any:
    return frame[frame["level"] == name].iloc[0]


def by_owner(seed: int = 1, **changes: Any) -> Any:
    scored, records = city(seed, **changes)
    return fairness(scored, records, START, groups=["ownership"], repeats=60)


# The ratio


def test_the_ratio_of_rates_is_mantel_and_haenszels_by_hand() -> None:
    rows = [(0, True, 30, 10.0), (0, False, 40, 30.0), (1, True, 12, 20.0), (1, False, 11, 25.0)]
    stratum, mine, y, n = (np.array(column) for column in zip(*rows, strict=True))
    top = 30 * 30 / 40 + 12 * 25 / 45
    bottom = 40 * 10 / 40 + 11 * 20 / 45
    assert g.rate_ratio(y, n, mine, stratum).value == pytest.approx(top / bottom, rel=1e-12)


def test_without_strata_the_interval_is_that_of_two_clustered_rates() -> None:
    rng = np.random.default_rng(0)
    y, n, mine = rng.poisson(2, 400).astype(float), np.ones(400), np.arange(400) < 150
    a, b = y[mine], y[~mine]
    se = np.sqrt(a.var() / a.size / a.mean() ** 2 + b.var() / b.size / b.mean() ** 2)
    got = g.rate_ratio(y, n, mine, np.zeros(400, int))
    assert got.value == pytest.approx(a.mean() / b.mean(), rel=1e-12)
    assert np.log(got.high / got.value) == pytest.approx(1.959964 * se, rel=0.05)
    assert got.p == pytest.approx(2 * stats.norm.sf(abs(np.log(got.value)) / se), abs=0.02)


def test_events_that_come_in_pairs_widen_the_interval_by_the_root_of_two() -> None:
    rng = np.random.default_rng(1)
    y, n, mine = rng.poisson(1, 2000), np.ones(2000), np.arange(2000) < 700
    alone = g.rate_ratio(rng.poisson(2, 2000), n, mine, np.zeros(2000, int))
    pairs = g.rate_ratio(2 * y, n, mine, np.zeros(2000, int))
    width = np.log(pairs.high / pairs.low) / np.log(alone.high / alone.low)
    assert width == pytest.approx(np.sqrt(2), rel=0.08)
    assert g.clustered_rate(2 * y, n).high - g.clustered_rate(2 * y, n).low > 1.2 * 2 * 1.96 * np.sqrt(
        2 / 2000
    )


@pytest.mark.parametrize("strata", [10, 1000], ids=["few and large", "many and small"])
def test_the_interval_covers_one_where_groups_differ_by_stratum_only(strata: int) -> None:
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        at = rng.integers(0, strata, 2000)
        danger = np.exp(rng.normal(0, 1, strata))[at]
        mine = rng.random(2000) < danger / (danger + 2)  # the group is where the danger is
        y = rng.poisson(0.6 * danger * rng.gamma(2, 0.5, 2000))
        got = g.rate_ratio(y, np.ones(2000), mine, at)
        hits += got.low <= 1 <= got.high
        if not seed:
            crude = g.rate_ratio(y, np.ones(2000), mine, np.zeros(2000, int))
            assert crude.low > 1.3  # so the strata are what makes it right
    assert 182 <= hits <= 197


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50))
def test_turning_the_groups_round_inverts_the_ratio_and_a_unit_of_time_does_not_matter(
    seed: int, unit: float
) -> None:
    rng = np.random.default_rng(seed)
    y, n, mine, at = (
        rng.poisson(2, 200),
        rng.uniform(0.1, 1, 200),
        rng.random(200) < 0.4,
        rng.integers(0, 6, 200),
    )
    a, b = g.rate_ratio(y, n, mine, at), g.rate_ratio(y, n * unit, ~mine, at)
    assert a.value * b.value == pytest.approx(1, rel=1e-9)
    assert a.low * b.high == pytest.approx(1, rel=1e-6)
    assert a.p == pytest.approx(b.p, rel=1e-5, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=8))
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    known = [x for x in p if x == x]
    want = [
        max(min(1.0, sum(z >= y for z in known) * y) for y in known if y <= x) if x == x else np.nan
        for x in p
    ]
    if len(set(known)) == len(known):
        np.testing.assert_allclose(g.holm(p), want, rtol=1e-12)


# The whole


@pytest.mark.long
def test_groups_that_differ_by_risk_alone_are_visited_alike_at_equal_risk() -> None:
    hits, more = 0, 0
    for seed in range(40):
        row = level(by_owner(seed, riskier=1.0).visits, "state")
        hits += row["ratio_low"] <= 1 <= row["ratio_high"]
        more += row["rate"] > 2.0 * 6 * 0.15 * 364 / 180
    assert hits >= 34
    assert more >= 35  # their rate itself is far above the others'


def test_a_planted_doubling_is_found_and_measured() -> None:
    covered = alike = 0
    for seed in range(15):
        told = by_owner(seed, doubled="foreign", audited=0.0).visits
        row = level(told, "foreign")
        assert row["verdict"] == "more"
        covered += row["ratio_low"] <= 2 <= row["ratio_high"]
        alike += row["like_low"] <= 2 <= row["like_high"]
        others = told[told["level"] != "foreign"]
        # A little below 1: the rest that each is held against has the doubled in it.
        assert others["ratio"].between(0.7, 1.2).all()
        assert others["p_holm"].min() > 1e3 * row["p_holm"]
    assert min(covered, alike) >= 12


def test_a_calibration_that_keeps_ranks_changes_no_ratio() -> None:
    scored, records = city(2)
    other = scored.assign(risk_probability=scored["risk_probability"] ** 2 / 3)
    one, two = (fairness(s, records, START, groups=["size"], repeats=2).visits for s in (scored, other))
    pd.testing.assert_frame_equal(one, two)


def test_counts_are_those_of_the_records() -> None:
    scored, records = city(4)
    result = fairness(scored, records, START, days=90, repeats=2)
    rows = records["inspections"].merge(records["enterprises"], on="enterprise_id")
    rows = rows[rows["inspected_on"] < START + pd.Timedelta(days=90)]
    for group in ("ownership", "size", "sector"):
        mine = result.visits[result.visits["group"] == group].set_index("level")
        want = rows.groupby(group).size().reindex(mine.index, fill_value=0)
        np.testing.assert_array_equal(mine["planned"], want)
        lots = rows[rows["channel"] == "random"]
        audits = result.audits[result.audits["group"] == group].set_index("level")
        np.testing.assert_array_equal(
            audits["audits"], lots.groupby(group).size().reindex(audits.index, fill_value=0)
        )
    assert result.visits.groupby("group")["n"].sum().eq(len(scored)).all()
    shares = result.tiers.groupby(["group", "level"])["share"].sum(min_count=1).dropna()
    np.testing.assert_allclose(shares, 1)
    age = (START - records["enterprises"]["registered_on"]).dt.days / 365.25
    ages = result.visits[result.visits["group"] == "age"].set_index("level")["n"]
    assert ages["under_2"] == (age < 2).sum()
    assert ages["over_10"] == (age >= 10).sum()


def test_an_audit_rate_of_nine_findings_is_refused_and_of_ten_is_told() -> None:
    for found, note in ((9, "too_few"), (10, "")):
        scored, records = city(5, n=400, audited=0.0)
        rows = records["inspections"].iloc[:0]
        ids = scored["enterprise_id"][:60]
        rows = pd.DataFrame({
            "enterprise_id": ids, "agency": "fire", "item_class": "general",
        "inspected_on": START + pd.Timedelta(days=179),
            "channel": "random", "mode": "onsite", "finding": ["minor"] * found + ["none"] * (60 - found),
        })  # fmt: skip
        records = {**records, "inspections": rows}
        records["enterprises"] = records["enterprises"].assign(ownership="private")
        row = level(fairness(scored, records, START, groups=["ownership"], repeats=2).audits, "private")
        assert (row["findings"], row["note"]) == (found, note)
        assert np.isnan(row["rate"]) == bool(note)
    low, high = stats.binomtest(10, 60).proportion_ci(method="wilson")
    assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))


def test_a_score_that_understates_a_group_is_shown_by_the_audits() -> None:
    audits = by_owner(6, n=6000, understated="individual", audited=1.0).audits
    assert level(audits, "individual")["over_low"] > 1.4
    assert level(audits, "private")["over_low"] < 1 < level(audits, "private")["over_high"]


def test_false_t4_is_counted_among_those_whom_audits_or_truth_clear() -> None:
    scored, records = city(7)
    lots = records["inspections"].loc[lambda t: t["channel"] == "random"]
    clean = lots.groupby("enterprise_id")["finding"].agg(lambda f: (f == "none").all())
    owner = records["enterprises"].set_index("enterprise_id")["ownership"]
    ids = clean.index[clean & (owner[clean.index] == "private")]
    tier = scored.set_index("enterprise_id")["tier"]
    row = level(fairness(scored, records, START, groups=["ownership"], repeats=2).false_t4, "private")
    assert (row["n"], row["in_t4"], row["basis"]) == (len(ids), (tier[ids] == "T4").sum(), "audits")
    truth = pd.Series(scored["risk_probability"].to_numpy() > 0.2, index=scored["enterprise_id"])
    told = fairness(scored, records, START, groups=["ownership"], violating=truth, repeats=2).false_t4
    assert level(told, "private")["in_t4"] == ((tier == "T4") & ~truth & (owner == "private")).sum() == 0
    assert (told["basis"] == "truth").all()
    with pytest.raises(ValueError, match="must say of every scored enterprise"):
        fairness(scored, records, START, violating=truth.iloc[:5])


def test_missed_violations_are_audit_rate_times_obligations_nobody_looked_at() -> None:
    scored, records = city(8)
    result = fairness(scored, records, START, groups=["ownership"], repeats=2)
    row, audit = level(result.missed, "private"), level(result.audits, "private")
    mine = records["enterprises"].loc[lambda t: t["ownership"] == "private", "enterprise_id"]
    seen = records["inspections"].loc[lambda t: t["enterprise_id"].isin(mine), "enterprise_id"].nunique()
    assert row["obligations"] == 2 * len(mine)  # of two each, only those of one agency are inspected
    assert row["uninspected"] == pytest.approx(1 - seen / (2 * len(mine)), abs=1e-12)
    assert row["missed"] == pytest.approx(1000 * audit["rate"] * row["uninspected"], rel=1e-12)


def test_equalising_costs_nothing_where_the_score_is_right_and_findings_where_it_understates() -> None:
    right = by_owner(9, n=6000, doubled="individual", audited=1.0).cost.iloc[0]
    assert right["low"] < 0 < right["high"] or abs(right["change"]) < 0.02 * right["findings"]
    wrong = by_owner(9, n=6000, doubled="individual", understated="individual", audited=1.0).cost.iloc[0]
    assert wrong["high"] < 0  # fewer visits where more is found than the score says
    assert wrong["moved"] > 0


def test_the_cost_of_two_cells_is_that_by_hand() -> None:
    scored, records = city(10, n=200, audited=0.0)
    scored = scored.assign(risk_probability=0.2)
    owner = np.where(np.arange(200) < 50, "state", "private")
    records["enterprises"] = records["enterprises"].assign(ownership=owner)
    ids = np.r_[np.repeat(scored["enterprise_id"][:50], 2), scored["enterprise_id"][50:110]]
    records["inspections"] = pd.DataFrame({
        "enterprise_id": ids, "agency": "fire", "item_class": "general",
        "inspected_on": START + pd.Timedelta(days=179),
        "channel": "routine", "mode": "onsite", "finding": "none",
    })  # fmt: skip
    row = fairness(scored, records, START, groups=["ownership"], repeats=2).cost.iloc[0]
    assert row["moved"] == pytest.approx(100 - 160 * 50 / 200)  # a quarter of 160 is due to the state firms
    assert row["findings"] == pytest.approx(160 * 0.2)
    assert row["change"] == pytest.approx(0, abs=1e-9)


def test_bad_input_is_refused_with_what_to_do() -> None:
    scored, records = city(11, n=50)
    with pytest.raises(ValueError, match=r"must have the columns \['tier'\]"):
        fairness(scored.drop(columns="tier"), records, START)
    with pytest.raises(ValueError, match="score the same dataset"):
        fairness(scored.assign(enterprise_id="nobody"), records, START)
    with pytest.raises(ValueError, match="A group must be one of ownership"):
        fairness(scored, records, START, groups=["colour"])
    with pytest.raises(ValueError, match="'days' must be at least 1"):
        fairness(scored, records, START, days=0)
    with pytest.raises(ValueError, match=r"Got \['martian'\]"):
        domestic_foreign(scored, records, START, foreign=["martian"])


def test_the_result_is_shown_and_written_with_refusals_in_words() -> None:
    result = by_owner(12, n=60)
    told = json.loads(json.dumps(result.to_dict()))
    assert None in [row["ratio"] for row in told["visits"]]
    assert "too few to tell" in result._repr_html_()
    assert "数量太少" in result.summary("zh").to_string()
    assert len(result.summary()) == len(OWNERSHIPS)


# Domestic and foreign


@pytest.mark.parametrize(
    ("changes", "verdict", "english", "chinese"),
    [
        ({}, "no_difference", "No difference told", "看不出差别"),
        ({"doubled": "foreign"}, "more", "inspected more", "被查得更多"),
        ({"foreign": 3}, "too_few", "Too few to tell", "数量太少"),
    ],
)
def test_domestic_and_foreign_gets_a_verdict_in_both_languages(
    changes: dict[str, Any], verdict: str, english: str, chinese: str
) -> None:
    scored, records = city(15, **changes)
    told = domestic_foreign(scored, records, START)
    assert told.verdict == verdict
    for lang, words in (("en", english), ("zh", chinese)):
        sentence = told.sentence(lang)
        assert words in sentence
        assert f"{told.domestic:,}" in sentence
        if verdict != "too_few":
            assert f"{told.ratio:.2f} [{told.low:.2f}, {told.high:.2f}]" in sentence
    assert english in told._repr_html_()
    assert json.loads(json.dumps(told.to_dict()))["verdict"] == verdict


def test_fewer_visits_are_told_too() -> None:
    scored, records = city(14, doubled="foreign")
    assert domestic_foreign(scored, records, START, foreign=["private", "state"]).verdict == "less"
    assert (
        "inspected less" in domestic_foreign(scored, records, START, foreign=["private", "state"]).sentence()
    )


# A simulation's harm


@cache
def summary() -> pd.DataFrame:
    world = make(400, seed=1)[1]
    return compare(world, Policy.load("legacy"), Policy.load("shanghai-2025"), replicates=2, weeks=8).summary


def test_harm_of_groups_adds_up_to_the_whole() -> None:
    table = summary()
    missed = missed_by_group(table, "ownership")
    for measure, mine in missed.groupby("measure"):
        whole = table[(table["group"] == "all") & (table["measure"] == measure)]
        want = (mine["value"] * mine["n"] / 1000).groupby(mine["policy"].astype(str)).sum()
        np.testing.assert_allclose(
            want, whole.set_index(whole["policy"].astype(str))["value"].loc[want.index]
        )
    with pytest.raises(KeyError, match="by 'age'; it has"):
        missed_by_group(table, "age")


# Few enterprises


def test_one_enterprise_gives_no_interval_however_many_its_trials() -> None:
    for found in (
        g.clustered_rate([10], [1]),
        g.clustered_rate([10, 0], [1, 0]),
        g.clustered_share([10], [20]),
        g.clustered_share([10, 0, 0], [20, 0, 0]),
        g.rate_ratio([10, 5, 5], [1, 1, 1], [True, False, False], [0, 0, 0]),
        g.rate_ratio([5, 5, 10], [1, 1, 1], [True, True, False], [0, 0, 0]),
        g.rate_ratio([], [], [], []),
    ):
        assert np.isnan(found).all()


def test_two_enterprises_have_students_interval_of_one_degree_of_freedom() -> None:
    # Rates 10 and 30 a year: the variance of their mean is 100, its logarithm's error 10 / 20.
    got = g.clustered_rate([10, 30], [1, 1])
    assert got.value == 20
    assert np.log(got.high / got.value) == pytest.approx(stats.t.ppf(0.975, 1) * 0.5, rel=1e-12)
    assert got.low == pytest.approx(20**2 / got.high, rel=1e-12)
    got = g.clustered_share([5, 10], [20, 20])
    assert 0 < got.low < 0.05 < 0.375 < 0.9 < got.high < 1


def test_enterprises_that_happen_to_be_alike_are_not_certain() -> None:
    # All equal: as sure as a Poisson count of 50 over ten enterprises, and no surer.
    far = np.exp(stats.t.ppf(0.975, 9) / np.sqrt(50))
    assert g.clustered_rate([5] * 10, [1] * 10)[:3] == pytest.approx((5, 5 / far, 5 * far), rel=1e-12)
    same = g.rate_ratio([5] * 20, [1] * 20, [True, False] * 10, [0] * 20)
    far = np.exp(stats.t.ppf(0.975, 9) * np.sqrt(2 / 50))
    assert same[:3] == pytest.approx((1, 1 / far, far), rel=1e-12)
    assert same.p == 1
    # All trials events: an enterprise is one trial, since nothing shows how alike its trials are.
    all_found = g.clustered_share([20] * 10, [20] * 10)
    t = stats.t.ppf(0.975, 9)
    assert all_found.low == pytest.approx(10 / (10 + t**2), rel=1e-12)
    assert all_found.high == 1


def test_degrees_of_freedom_are_those_of_the_enterprises_that_hold_the_exposure() -> None:
    assert metrics.clustered_variance(np.ones(30), np.ones(30))[1] == pytest.approx(29)
    assert metrics.clustered_variance(np.ones(30), np.r_[np.full(3, 1e6), np.ones(27)])[1] == pytest.approx(
        2, abs=1e-3
    )


def covered(m: int, runs: int) -> dict[str, float]:
    """Return how often the intervals of so many enterprises that differ hold the truth."""
    rng = np.random.default_rng([2026, m])
    inside = {"rate": 0, "share": 0, "ratio": 0}
    for _ in range(runs):
        years, pace = rng.gamma(4, 0.25, 2 * m) + 0.2, 4 * rng.gamma(2, 0.5, 2 * m)
        count = rng.poisson(pace * years)
        got = g.clustered_rate(count[:m], years[:m])
        inside["rate"] += got.low <= 4 <= got.high
        got = g.rate_ratio(count, years, np.arange(2 * m) < m, np.zeros(2 * m))
        inside["ratio"] += got.low <= 1 <= got.high
        trials = 5 + rng.poisson(6, m)
        got = g.clustered_share(rng.binomial(trials, rng.beta(1.2, 1.8, m)), trials)
        inside["share"] += got.low <= 0.4 <= got.high
    return {name: count / runs for name, count in inside.items()}


@pytest.mark.parametrize("m", [10, 20, 30, 100])
def test_intervals_of_few_enterprises_cover(m: int) -> None:
    runs = 500  # docs/fairness.md shows 4,000
    for name, share in covered(m, runs).items():
        assert share == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / runs)), name


@pytest.mark.parametrize(
    "call",
    [
        lambda: g.clustered_rate([10, np.nan], [1, 1]),
        lambda: g.clustered_rate([10, 10], [1, 0]),
        lambda: g.clustered_rate([10, -10], [1, 1]),
        lambda: g.clustered_share([30, 10], [20, 20]),
        lambda: g.clustered_share([10, 10], [20]),
        lambda: g.rate_ratio([10, 10], [1, 1], [True], [0, 0]),
        lambda: g.rate_ratio([10, 10], [1, 1], [True, False], [0, np.nan]),
        lambda: g.holm([0.1, 1.2]),
        lambda: g.holm([[0.1, 0.2]]),
    ],
)
def test_counts_that_cannot_be_are_refused(call: Any) -> None:
    with pytest.raises(ValueError, match=r"must|has"):
        call()


# What is refused


def test_events_without_exposure_are_refused() -> None:
    y, n, mine = np.ones(100), np.ones(100), np.arange(100) < 50
    assert g.rate_ratio(y, n, mine, np.zeros(100)).value == pytest.approx(1)
    y[:5], n[:5] = 26, 0
    with pytest.raises(ValueError, match="'count' and no 'years'"):
        g.rate_ratio(y, n, mine, np.zeros(100))


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("risk_probability", 7.0, "'risk_probability' must be a probability"),
        ("risk_probability", -1.0, "'risk_probability' must be a probability"),
        ("risk_probability", np.nan, "'risk_probability' must be a probability"),
        ("tier", "T9", "'tier' must be one of T1, T2, T3, T4 .* Got 'T9'"),
        ("tier", None, "'tier' must be one of"),
    ],
)
def test_scores_that_are_none_are_refused(column: str, value: object, said: str) -> None:
    scored, records = city(1, 300)
    scored[column] = [value, *scored[column][1:]]
    with pytest.raises(ValueError, match=said):
        fairness(scored, records, START, groups=["ownership"], repeats=2)


def test_audits_of_a_risk_of_zero_are_over_nothing_that_can_be_told() -> None:
    scored, records = city(1, 600)
    table = fairness(scored.assign(risk_probability=0.0), records, START, groups=["size"], repeats=20).audits
    assert (table["findings"] >= g.FEWEST).any()
    assert table[["over_predicted", "over_low", "over_high"]].isna().all(axis=None)


def test_to_equalise_what_was_never_visited_changes_nothing_that_can_be_told() -> None:
    scored, records = city(1, 300)
    records["inspections"] = records["inspections"].iloc[:1].assign(channel="trigger")
    kept = {
        **records,
        "inspections": records["inspections"].assign(inspected_on=START + pd.Timedelta(days=180)),
    }
    row = fairness(scored, kept, START, groups=["size"], repeats=20).cost.iloc[0]
    assert (row["findings"], row["change"]) == (0, 0)
    assert np.isnan([row["low"], row["high"]]).all()
