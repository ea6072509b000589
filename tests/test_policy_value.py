"""The value of a policy: identities, enumerated worlds, refusals, and intervals that hold the truth."""

import datetime as dt
import itertools
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.dummy import DummyClassifier
from worlds import LEGACY, busy_world, load

from benchmarks import coverage
from tierkit.city.engine import potential_detections, run
from tierkit.city.synth import make, potential, world_at
from tierkit.evaluate import (
    Logged,
    OverlapError,
    audits_for_rate,
    audits_for_value,
    cases,
    contraction,
    logged,
    policy_value,
    swap,
    true_value,
)
from tierkit.evaluate.value.audits import half_width
from tierkit.evaluate.value.opportunities import open_obligations, weekly_chances, within
from tierkit.evaluate.value.outcome_model import expected_findings
from tierkit.evaluate.value.overlap import Gap, overlap
from tierkit.evaluate.value.policy_value import ESTIMATORS
from tierkit.evaluate.value.sample import interval
from tierkit.evaluate.value.weighting import weigh
from tierkit.policy import Policy
from tierkit.scores.metrics import rate_interval

AS_OF = "2024-07-01"
TINY = 1e-9
WORK = re.compile(r"([A-Z]\w+)(?:, [A-Z]\w+)*(?: and (?:others|[A-Z]\w+))? ((?:19|20)\d\d)\b")
"""First author and year of a work."""


def records(obligations: int = 60, inspections: int = 400, seed: int = 0, routine: bool = True) -> Logged:
    """Return made-up evidence: three obligations an enterprise, two channels."""
    rng = np.random.default_rng(seed)
    base = pd.DataFrame({
        "enterprise_id": [f"e{i // 3}" for i in range(obligations)],
        "tier": rng.choice(["T1", "T2"], obligations),
        "target": rng.uniform(0.01, 0.4, obligations),
        "there": rng.choice([1.0, 1.0, 0.5], obligations),
        "random": inspections / 3 / (26 * obligations),
        "routine": rng.uniform(0.5, 1.5, obligations) if routine else np.nan,
    })  # fmt: skip
    # As many are drawn as the chances say, so that weights stand for the opportunities.
    base["routine"] *= inspections / 3 / (26 * (base["routine"].sum() or 1))
    channel = rng.choice(["random", "routine", "trigger"], inspections)
    place = rng.integers(0, obligations, inspections)
    if routine:
        drawn = rng.choice(obligations, inspections, p=base["routine"] / base["routine"].sum())
        place = np.where(channel == "routine", drawn, place)
    chance = base["routine"].to_numpy()[place]
    chance = np.where(channel == "random", base["random"].to_numpy()[place], chance)
    seen = pd.DataFrame({
        "obligation": place,
        "channel": channel,
        "found": rng.random(inspections) < 0.3,
        "propensity": np.where(channel == "trigger", np.nan, chance),
        "served_share": np.where(channel == "trigger", np.nan, 1.0),
    })  # fmt: skip
    return Logged(base, seen, rng.normal(size=(obligations, 2)), 26, "plan", "practice")


# What the estimators are


def test_random_only_is_the_weighted_rate_of_the_audits_by_hand() -> None:
    one = records(routine=False)
    base, seen = one.obligations, one.inspections
    audits = seen[seen["channel"] == "random"]
    target = base["target"].to_numpy()[audits["obligation"]]
    rate = (target * audits["found"]).sum() / target.sum()
    found = policy_value(one).table.loc["random"]
    assert found["value"] == pytest.approx(1000 * rate * (base["target"] * base["there"]).mean(), rel=TINY)
    u = (
        pd.Series(target * (audits["found"] - rate))
        .groupby(base["enterprise_id"].to_numpy()[audits["obligation"]])
        .sum()
    )
    scale = 1000 * (base["target"] * base["there"]).mean() / target.sum()
    assert found["se"] == pytest.approx(np.sqrt((u**2).sum()) * scale, rel=TINY)
    assert found["freedom"] == pytest.approx(2 * (u**2).sum() ** 2 / (u**4).sum(), rel=TINY)
    assert found["effective_size"] == pytest.approx(target.sum() ** 2 / (target**2).sum(), rel=TINY)


def test_ipw_and_self_normalised_by_hand() -> None:
    one = records()
    base, seen = one.obligations, one.inspections
    w, pull = weigh(one).weight, base["target"].to_numpy()[seen["obligation"]]
    table = policy_value(one).table
    assert table.loc["ipw", "value"] == pytest.approx(
        1000 / len(base) * (w * pull * seen["found"]).sum(), rel=TINY
    )
    rate = (w * pull * seen["found"]).sum() / (w * pull).sum()
    expected = 1000 * rate * (base["target"] * base["there"]).mean()
    assert table.loc["self_normalised", "value"] == pytest.approx(expected, rel=TINY)


def test_doubly_robust_is_ipw_where_the_model_says_nothing_and_the_model_where_it_is_never_wrong() -> None:
    class Nothing(DummyClassifier):
        def predict_proba(self, X):
            return np.column_stack([np.ones(len(X)), np.zeros(len(X))])

    one = records()
    table = policy_value(one, model=Nothing()).table
    same = ["value", "low", "high", "se"]
    assert table.loc["doubly_robust", same].tolist() == pytest.approx(
        table.loc["ipw", same].tolist(), rel=TINY
    )

    class Right(DummyClassifier):
        def predict_proba(self, X):
            return np.column_stack([1 - X[:, 0], X[:, 0]])

    # Whether an obligation is in violation is written in its features, and so is what is found.
    state = np.random.default_rng(2).random(len(one.obligations)) < 0.4
    seen = one.inspections.assign(found=state[one.inspections["obligation"]])
    off = 1e-9 * np.random.default_rng(4).random(state.size)
    almost, exact = (
        policy_value(Logged(one.obligations, seen, column[:, None], 26), model=Right()).table.loc[
            "doubly_robust"
        ]
        for column in (np.abs(state - off), state.astype(float))
    )
    mean = 1000 * (one.obligations["target"] * one.obligations["there"] * state).mean()
    assert almost["value"] == pytest.approx(mean, rel=1e-7)
    assert 0 < almost["se"] < 1e-6
    assert almost["low"] <= almost["value"] <= almost["high"] < almost["low"] + 1e-5
    # Without any residual nothing shows how far the model may be off elsewhere.
    assert np.isnan(exact[["value", "low", "high", "se"]].astype(float)).all()
    assert exact["refused"].startswith("error: the enterprises used are all alike")


def test_the_outcome_model_never_sees_the_enterprise_that_it_is_asked_about() -> None:
    one = records(obligations=30, inspections=200)
    owner = pd.factorize(one.obligations["enterprise_id"], sort=True)[0]
    ids = owner[:, None].astype(float)

    class Memory(DummyClassifier):
        def fit(self, X, y):
            self.seen = set(X[:, 0])
            return super().fit(X, y)

        def predict_proba(self, X):
            assert not self.seen & set(X[:, 0])
            return super().predict_proba(X)

    rows = np.ones(len(one.inspections), bool)
    told = expected_findings(
        Logged(one.obligations, one.inspections, ids, 26), rows, Memory(strategy="prior")
    )
    assert ((told > 0) & (told < 1)).all()
    with pytest.raises(ValueError, match="'folds' must be at least 2"):
        expected_findings(one, rows, folds=1)


def test_the_outcome_model_stands_back_where_there_is_one_class_or_nothing() -> None:
    one = records()
    never = Logged(one.obligations, one.inspections.assign(found=False), one.X, 26)
    assert (expected_findings(never, np.ones(len(one.inspections), bool)) == 0).all()
    assert (expected_findings(one, np.zeros(len(one.inspections), bool)) == 0).all()


@pytest.mark.parametrize("routine", [False, True])
def test_the_expectation_over_every_draw_is_the_value(routine: bool) -> None:
    """Two obligations, two weeks, every pattern of lots enumerated: with and without a model, it is exact."""
    q, r = 0.3, np.array([0.4, 0.2])
    base = pd.DataFrame({
        "enterprise_id": ["a", "b"], "tier": "T1", "target": [0.5, 0.1], "there": 1.0, "random": q,
        "routine": r if routine else np.nan,
    })  # fmt: skip
    state = np.array([[1, 0], [1, 1]])  # by obligation and week
    expected = np.array([0.2, 0.7])
    total, mass = np.zeros(2), 0.0
    for lots in itertools.product([0, 1], repeat=8):
        audit, drawn = np.array(lots).reshape(2, 2, 2)
        chance = np.prod(np.where(audit, q, 1 - q)) * np.prod(np.where(drawn, r[:, None], 1 - r[:, None]))
        mass += chance
        rows = [
            (i, "random" if audit[i, t] else "routine", bool(state[i, t]), q if audit[i, t] else r[i], 1.0)
            for i, t in itertools.product(range(2), range(2))
            if audit[i, t] or (routine and drawn[i, t])
        ]
        seen = pd.DataFrame(rows, columns=["obligation", "channel", "found", "propensity", "served_share"])
        one = Logged(base, seen, np.zeros((2, 1)), 2)
        w = _fixed_mixture(one) if routine else weigh(one).weight
        pull = base["target"].to_numpy()[seen["obligation"].to_numpy(int)]
        found, place = seen["found"].to_numpy(float), seen["obligation"].to_numpy(int)
        ipw = (w * pull * found).sum()
        dr = base["target"].to_numpy() @ expected + (w * pull * (found - expected[place])).sum()
        total += chance * np.array([ipw, dr])
    assert mass == pytest.approx(1, rel=TINY)
    assert total == pytest.approx([float(base["target"] @ state.mean(axis=1))] * 2, rel=TINY)


def _fixed_mixture(one: Logged) -> np.ndarray:
    """Return weights with λ = 1/2, so that the mixture does not depend on the draw."""
    weight = np.zeros(len(one.inspections))
    for k, row in enumerate(one.inspections.itertuples()):
        chance = row.propensity * (1 if row.channel == "random" else 1 - one.obligations["random"].iloc[0])
        weight[k] = 0.5 / (one.weeks * chance)
    return weight


def test_weights_share_an_obligation_between_channels_that_could_draw_it() -> None:
    one = records()
    base = one.obligations.assign(routine=np.where(np.arange(60) < 30, 0.0, 0.02))
    seen = one.inspections[(one.inspections["channel"] != "routine") | (one.inspections["obligation"] >= 30)]
    seen = seen.assign(propensity=np.where(seen["channel"] == "routine", 0.02, seen["propensity"]))
    told = weigh(Logged(base, seen, one.X, 26))
    random = base["random"].iloc[0]
    alone = (seen["channel"] == "random") & (seen["obligation"] < 30)
    assert told.weight[alone] == pytest.approx(1 / (26 * random), rel=TINY)
    share = told.weight[(seen["channel"] == "random") & ~alone] * 26 * random
    rest = told.weight[seen["channel"] == "routine"] * 26 * 0.02 * (1 - random)
    assert share[0] + rest[0] == pytest.approx(1, rel=TINY)
    assert np.ptp(share) < TINY
    assert np.ptp(rest) < TINY
    assert (told.weight[seen["channel"] == "trigger"] == 0).all()


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda one: (one.obligations.assign(routine=np.nan), one.inspections), "practice in force is not"),
        (lambda one: (one.obligations, one.inspections.query("channel != 'routine'")), "there are none"),
        (lambda one: (one.obligations, one.inspections.assign(
            propensity=one.inspections["propensity"].where(one.inspections["channel"] == "random"))),
         "have no propensity"),
    ],
)  # fmt: skip
def test_routine_inspections_are_left_out_with_a_reason(change, note) -> None:
    one = records()
    told = policy_value(Logged(*change(one), one.X, 26))
    assert note in told.notes[0]
    assert set(told.table["holds_if"]) == {"no selection", "design"}
    ratio = told.table.loc[["random", "self_normalised"], "value"]
    assert ratio.iloc[0] == pytest.approx(ratio.iloc[1], rel=TINY)


@settings(max_examples=40, deadline=None)
@given(
    value=st.floats(0.01, 0.99), se=st.floats(0.001, 0.2), freedom=st.floats(1.0, 200.0),
    confidence=st.floats(0.5, 0.99),
)  # fmt: skip
def test_intervals_hold_the_value_and_widen_with_doubt(value, se, freedom, confidence) -> None:
    low, high = interval(value, se, freedom, 1.0, confidence)
    assert 0 <= low <= value <= high <= 1
    wider = interval(value, se, freedom / 2, 1.0, confidence)
    assert wider[0] <= low + TINY
    assert wider[1] >= high - TINY


def test_interval_of_a_plain_rate_is_wilsons() -> None:
    n, k = 200, 30
    rate = k / n
    low, high = interval(rate, np.sqrt(rate * (1 - rate) / n), 1e9, 1.0, 0.95)
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high), rel=1e-6)
    assert interval(2.0, 0.1, 1e9, 1.0, 0.95) == pytest.approx((2 - 0.196, 2 + 0.196), abs=1e-3)


def test_naive_is_the_rate_of_all_inspections_of_the_tier() -> None:
    one = records()
    base, seen = one.obligations, one.inspections
    tier = base["tier"].to_numpy()[seen["obligation"]]
    rate = seen.groupby(tier)["found"].mean()
    expected = 1000 * (base["target"] * base["there"] * base["tier"].map(rate)).mean()
    assert policy_value(one).table.loc["naive", "value"] == pytest.approx(expected, rel=TINY)


# Refusals


def test_refuses_where_there_is_too_little_and_says_everything() -> None:
    one = records()
    with pytest.raises(OverlapError) as caught:
        policy_value(Logged(one.obligations, one.inspections[:12], one.X, 26))
    assert {gap.where for gap in caught.value.gaps} >= {"weights", "random"}
    assert "findings, under 10; use a longer window" in str(caught.value)
    with pytest.raises(OverlapError, match=r"0 inspections are worth 0\.0"):
        policy_value(Logged(one.obligations, one.inspections[:0], one.X, 26))


def test_refuses_where_practice_never_drew_what_the_policy_would() -> None:
    one = records(routine=False)
    base = one.obligations.assign(random=np.where(one.obligations["tier"] == "T2", 0.0, 0.01))
    with pytest.raises(OverlapError, match=r"T2: .* practice never drew; keep a random floor there"):
        policy_value(Logged(base, one.inspections, one.X, 26))
    drawn = records()
    told = policy_value(Logged(
        drawn.obligations.assign(random=np.where(drawn.obligations["tier"] == "T2", 0.0, 0.01)),
        drawn.inspections, drawn.X, 26,
    ))  # fmt: skip
    assert np.isnan(told.table.loc["random", "value"])
    assert "never drew" in told.table.loc["random", "refused"]
    assert told.table.loc["ipw", "value"] > 0
    assert told.table.loc["ipw", "refused"] == ""


def test_gaps_and_overlap_are_told() -> None:
    told, gaps = overlap(np.array([0.2, 0.2]), np.array([0.1, 0.1]), np.ones(50), pd.Series(["T1", "T2"]))
    assert told == {"unseen_share": 0, "effective_size": 50, "design_effect": 1, "largest_share": 0.02}
    assert gaps == []
    error = OverlapError([Gap("a", "b", "c"), Gap("d", "e", "f")])
    assert str(error) == "a: b; c\nd: e; f  (2 problems)"


def test_strata_with_few_findings_are_refused() -> None:
    one = records()
    rare = one.obligations.assign(tier=["T4" if i < 2 else "T1" for i in range(60)])
    strata = policy_value(Logged(rare, one.inspections, one.X, 26)).strata
    assert np.isnan(strata.loc["T4", "rate"])
    assert "under 10" in strata.loc["T4", "refused"]
    audits = one.inspections[(one.inspections["channel"] == "random") & (one.inspections["obligation"] >= 2)]
    low, high, _ = rate_interval(audits["found"], groups=audits["obligation"] // 3)  # three an enterprise
    assert strata.loc["T1", ["rate", "low", "high"]].tolist() == pytest.approx(
        [audits["found"].mean(), low, high], rel=TINY
    )


# Who would get an opportunity


@cache
def small():
    practice = LEGACY.reform({"frequency.random_floor": 1.0, "frequency.base_rate": 1.0}, name="practice")
    data, end = make(400, seed=1, policy=practice)
    return practice, data, end


def scored(data) -> pd.DataFrame:
    ids = data["enterprises"][["enterprise_id", "sector"]]
    rng = np.random.default_rng(0)
    return ids.assign(
        risk_probability=rng.uniform(0.02, 0.3, len(ids)), credit_points=rng.normal(580, 30, len(ids))
    )


def test_chances_are_those_of_the_engine() -> None:
    practice, data, _ = small()
    then = world_at(data, dt.date.fromisoformat(AS_OF), policy=practice)
    state = run(then, practice, 1).end.state
    alive = then.alive()[then.fixed.enterprise]
    rows = open_obligations(data, pd.Timestamp(AS_OF)).assign(tier="T1", unmonitored=False)
    assert len(rows) == alive.sum()
    told = weekly_chances(rows, practice, data, pd.Timestamp(AS_OF))
    engine = state.routine[alive] / 2.0**32
    ids = then.ids[then.fixed.enterprise[alive]]
    assert rows["enterprise_id"].tolist() == ids.tolist()
    # The engine counts a complaint when it is substantiated by a check, and fades in whole weeks.
    assert np.median(np.abs(np.log(told["routine"] / engine))) < 0.02
    assert np.log(told["routine"].mean() / engine.mean()) == pytest.approx(0, abs=0.03)
    assert told["random"].to_numpy() == pytest.approx(1 - np.exp(-1 / 52), rel=TINY)
    assert (told["any"] > told["routine"]).all()


@pytest.mark.parametrize("name", ["shanghai-2025", "jiading-2025", "jinshan-2025", "minhang-2023"])
def test_chances_of_the_plans_are_those_of_their_engine_without_the_rule_score(name: str) -> None:
    _, data, end = small()
    plan = load(name).reform({"scoring.rule_gradient": 0.0}, name=f"flat {name}")
    alive = end.alive()
    scores = scored(data).set_index("enterprise_id").reindex(end.ids[alive]).reset_index()
    done = run(end, plan, 1, scores=scores)
    tiers = pd.DataFrame({
        "enterprise_id": end.ids, "tier": np.array(["T1", "T2", "T3", "T4"])[done.end.state.tier],
        "unmonitored": False,
    }).set_index("enterprise_id")  # fmt: skip
    there = alive[end.fixed.enterprise]
    rows = open_obligations(data, pd.Timestamp(end.date))
    rows = rows[rows["enterprise_id"].isin(end.ids[alive])].reset_index(drop=True)  # some leave this very day
    told = weekly_chances(rows.join(tiers, on="enterprise_id"), plan, data, pd.Timestamp(end.date))
    engine = done.end.state.routine[there] / 2.0**32
    quiet = rows["item"].isin(plan["lists.no_disturb.items"]).to_numpy()
    assert told["routine"].to_numpy()[~quiet] == pytest.approx(engine[~quiet], rel=0.003)
    assert (told["routine"].to_numpy()[quiet] == 0).all()


def test_lists_leave_the_floor_and_campaigns() -> None:
    _, data, end = small()
    plan = LEGACY.reform({"lists.unmonitored.enabled": True, "campaign.rate": 0.5}, name="list")
    rows = open_obligations(data, pd.Timestamp(end.date)).assign(tier="T2", unmonitored=True)
    told = weekly_chances(rows, plan, data, pd.Timestamp(end.date))
    assert (told["routine"] == 0).all()
    yearly = 0.5 * rows["enterprise_id"].nunique() / len(rows)
    assert told["campaign"].to_numpy() == pytest.approx(1 - np.exp(-yearly / 52), rel=TINY)
    assert told["any"].to_numpy() == pytest.approx((told["random"] + told["campaign"]).to_numpy(), rel=TINY)
    assert within(np.array([0.1]), 3) == pytest.approx(1 - 0.9**3, rel=TINY)


def test_fixed_intervals_are_refused() -> None:
    practice, data, _ = small()
    ladder = LEGACY.reform({"frequency.schedule": "interval"}, name="ladder")
    with pytest.raises(OverlapError, match=r"policy 'ladder'.*'interval'.*\(1 problem\)") as caught:
        logged(data, scored(data), ladder, AS_OF, practice=practice)
    assert len(caught.value.gaps) == 1
    with pytest.raises(OverlapError, match="no scored enterprise"):
        logged(data, scored(data).iloc[:0], practice, AS_OF, practice=practice)
    rows = open_obligations(data, pd.Timestamp(AS_OF)).assign(tier="T2", unmonitored=False)
    with pytest.raises(ValueError, match=r"'frequency\.schedule' is 'interval'"):
        weekly_chances(rows, ladder, data, pd.Timestamp(AS_OF))


def test_from_records_to_a_value() -> None:
    practice, data, _ = small()
    plan = Policy.load("shanghai-2025")
    one = logged(data, scored(data), plan, AS_OF, practice=practice)
    inside = data["inspections"]["inspected_on"].between("2024-07-01", "2024-12-27")
    assert len(one.inspections) <= inside.sum()
    assert one.weeks == 26
    told = policy_value(one)
    assert told.table.loc["ipw", "holds_if"] == "records"
    assert told.notes == ()
    assert told.opportunities == pytest.approx(1000 * one.obligations["target"].mean())
    assert "obligations of" in repr(told)
    assert "<table" in told._repr_html_()
    assert told.shown("zh").loc[1, "label"] == "仅基准抽样"
    assert told.shown()["value"].tolist() == told.summary()["value"].tolist()
    plain = told.to_dict()
    assert plain["table"][1]["estimator"] == "random"
    assert plain["unit"] == "findings per 1,000 obligations"
    hidden = practice.reform({"scoring.hidden_gradient": 0.5}, name="practice")
    unclaimed = policy_value(logged(data, scored(data), plan, AS_OF, practice=hidden)).table["holds_if"]
    assert unclaimed.tolist() == ["no selection", "design", *["not claimed"] * 3]
    alone = logged(data, scored(data), plan, AS_OF)
    assert alone.obligations["routine"].isna().all()
    assert alone.practice == ""
    assert policy_value(alone).table.loc["random", "value"] == pytest.approx(
        told.table.loc["random", "value"]
    )


def test_nothing_here_reads_the_truth() -> None:
    practice, data, _ = small()
    blind = {name: frame for name, frame in data.items() if not name.startswith("truth")}
    plan = Policy.load("jiading-2025")
    with_truth = policy_value(logged(data, scored(data), plan, AS_OF, practice=practice))
    without = policy_value(logged(blind, scored(data), plan, AS_OF, practice=practice))
    pd.testing.assert_frame_equal(with_truth.table, without.table, check_exact=True)


# The truth


def test_potential_detections_are_the_state_at_the_time_of_each_weeks_inspections() -> None:
    frame = busy_world(120, seed=3)
    policy = LEGACY.reform({"frequency.random_floor": 1.0, "frequency.base_rate": 3.0})
    _, chance = potential_detections(frame, policy, 20, first=5)
    # What is in violation before the inspections of a week is what its log says.
    weeks = np.zeros(frame.obligations)
    for length in range(6, 21):
        table = run(frame, policy, length).table()
        state = run(frame, policy, length).end.state
        last = table[(table["week"] == frame.week + length - 1) & (table["mode"] < 2)]
        before = state.violation > 0
        before[last["obligation"]] = last["violation"] > 0
        here = (frame.fixed.entered <= frame.week + length - 1) & (frame.week + length - 1 < state.left)
        weeks += before & here[frame.fixed.enterprise]
    detects = np.divide(chance * 15, weeks, out=np.full(len(weeks), np.nan), where=weeks > 0)
    assert (chance[weeks == 0] == 0).all()
    assert weeks.sum() > 100
    by_agency = pd.Series(detects).groupby(frame.fixed.agency)
    assert (by_agency.std().dropna() < TINY).all()
    assert by_agency.mean().dropna().between(0.6, 0.8).all()
    with pytest.raises(ValueError, match="'first' week"):
        potential_detections(frame, policy, 5, first=5)


def test_the_true_value_weighs_each_obligation_by_its_opportunity() -> None:
    base = records().obligations.iloc[:3].assign(agency=["fire", "health", "water"], item_class="key")
    one = Logged(base, records().inspections[:0], np.zeros((3, 1)), 26)
    told = base[["enterprise_id", "agency", "item_class"]].assign(potential=[0.0, 0.5, 1.0])
    expected = 1000 * (base["target"].to_numpy() @ [0.0, 0.5, 1.0]) / 3
    assert true_value(one, told.iloc[::-1]) == pytest.approx(expected, rel=TINY)
    with pytest.raises(ValueError, match="holds 2 of 3 obligations"):
        true_value(one, told.iloc[:2])


def test_potential_of_a_dataset_is_that_of_its_own_past() -> None:
    practice, data, _ = small()
    told = potential(data, dt.date.fromisoformat(AS_OF), policy=practice)
    names = ["enterprise_id", "agency", "item_class"]
    audits = data["inspections"]
    audits = audits[(audits["channel"] == "random") & (audits["inspected_on"] >= AS_OF)]
    mine = audits.astype(dict.fromkeys(names, object)).merge(told, on=names)
    assert len(mine) == len(audits)
    found = (mine["finding"] != "none").to_numpy(float)
    error = np.sqrt((mine["potential"] * (1 - mine["potential"])).sum())
    assert abs(found.sum() - mine["potential"].sum()) < 4 * error
    assert np.corrcoef(found, mine["potential"])[0, 1] > 0.4
    with pytest.raises(ValueError, match="must begin on a Monday"):
        potential(data, dt.date(2024, 7, 2), policy=practice)
    changed = type(data)(dict(data) | {"inspections": data["inspections"].iloc[5:]}, data.manifest)
    with pytest.raises(ValueError, match="not those of the dataset's seed"):
        potential(changed, dt.date.fromisoformat(AS_OF), policy=practice)


# Coverage, in short: the long form is ``python -m benchmarks.coverage``


@pytest.mark.long
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Ten worlds: at 95 %, fewer than seven hits come once in a thousand times."""
    rows = [
        coverage.estimates("default", seed, *coverage.case("default", seed, enterprises=1000, floor=1.0))
        for seed in range(10)
    ]
    told = coverage.table(rows).set_index("estimator")
    for name in ("random", "ipw", "self_normalised", "doubly_robust"):
        assert told.loc[name, "hits"] >= 7, name
        assert abs(told.loc[name, "bias"]) < 4 * told.loc[name, "bias_se"], name


# How many audits


def test_audits_for_a_rate_are_the_fewest_that_do() -> None:
    for rate, wanted in ((0.1, 0.03), (0.5, 0.1), (0.02, 0.01)):
        n = audits_for_rate(rate, wanted)
        assert half_width(n, rate) <= wanted < half_width(n - 1, rate)
        assert n == pytest.approx(1.96**2 * rate * (1 - rate) / wanted**2, rel=0.1)
    assert audits_for_rate(0.1, 0.03, design_effect=2) == 2 * audits_for_rate(0.1, 0.03)
    for bad in ((0, 0.1), (0.1, 0.6), (0.1, 0), (0.1, 0.03, 0.95, np.inf), (0.1, 0.03, 0.95, 0)):
        with pytest.raises(ValueError, match="half-width"):
            audits_for_rate(*bad)
    with pytest.raises(ValueError, match="ask for less"):
        audits_for_rate(0.5, 1e-6)
    with pytest.raises(ValueError, match="must be at least 1 and"):
        half_width(0, 0.1)


def test_audits_for_a_value_go_with_the_square_of_the_width() -> None:
    told = policy_value(records())
    row = told.table.loc["random"]
    now = (row["high"] - row["low"]) / 2
    assert audits_for_value(told, now * (1 + TINY)) == row["n"]
    assert audits_for_value(told, now / 2) == pytest.approx(4 * row["n"], abs=1)
    for wanted in (0, np.inf, np.nan):
        with pytest.raises(ValueError, match="must be positive and finite"):
            audits_for_value(told, wanted)
    with pytest.raises(ValueError, match=r"'estimator' must be one of .*random.* Got 'oracle'"):
        audits_for_value(told, 1, "oracle")


# Comparators


def deck(seed: int = 0, n: int = 2000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    score = rng.random(n)
    group = np.where(np.arange(n) < n // 2, "keen", "calm")
    inspected = rng.random(n) < np.where(group == "keen", 0.8, 0.2)
    return pd.DataFrame({
        "enterprise_id": [f"e{i // 2}" for i in range(n)], "group": group, "score": score,
        "inspected": inspected, "found": inspected & (rng.random(n) < score / 2),
    })  # fmt: skip


def test_contraction_counts_the_best_scored_of_those_who_inspect_most() -> None:
    table = deck()
    told = contraction(table)
    assert told.index.tolist() == ["keen", "calm"]
    lead = table[(table["group"] == "keen") & table["inspected"]].sort_values("score", ascending=False)
    room = told.loc["calm", "share"] * 1000
    assert told.loc["calm", "score"] == pytest.approx(lead["found"].iloc[: round(room)].sum(), abs=1)
    assert told.loc["keen", "score"] == pytest.approx(told.loc["keen", "people"], rel=TINY)
    # Half of the score is found, so the top fifth of a uniform score shows .9 / 2 of 200 cases.
    assert told.loc["calm", "low"] > 0
    assert told.loc["calm", "difference"] == pytest.approx(
        told.loc["calm", "score"] - told.loc["calm", "people"]
    )
    tied = contraction(table.assign(score=1.0))
    share = told.loc["calm", "share"] / told.loc["keen", "share"]
    assert tied.loc["calm", "score"] == pytest.approx(share * lead["found"].sum(), rel=TINY)


def test_cases_repeated_within_an_enterprise_tell_no_more() -> None:
    table = deck()
    once, many = contraction(table), contraction(pd.concat([table] * 20))
    # Not narrower, but for a design effect that comes out a little below one, which is taken as one.
    for name, low, high in (
        ("people", "people_low", "people_high"), ("score", "score_low", "score_high"),
        ("difference", "low", "high"),
    ):  # fmt: skip
        np.testing.assert_allclose(many[name], once[name], rtol=TINY)
        assert (many[high] - many[low] > 0.95 * (once[high] - once[low])).all()
    alone = contraction(table.assign(enterprise_id="e"))
    assert alone["people_low"].isna().all()
    assert alone["low"].isna().all()


def test_swap_gives_up_the_worst_and_expects_what_the_score_promises() -> None:
    table = deck()
    told = swap(table).loc["all"]
    by_group = table[table["inspected"]].groupby("group")
    assert told["swapped"] == sum(len(part) // 10 for _, part in by_group)
    given_up = sum(part.sort_values("score")["found"].iloc[: len(part) // 10].sum() for _, part in by_group)
    assert told["given_up"] == given_up
    assert told["after"] == pytest.approx(told["findings"] - told["given_up"] + told["gained"], rel=TINY)
    assert told["low"] < told["change"] < told["high"]
    assert told["low"] > 0
    useless = swap(table.assign(score=0.5)).loc["all"]
    assert useless["gained"] == pytest.approx(
        useless["swapped"] * table.loc[table["inspected"], "found"].mean()
    )
    with pytest.raises(ValueError, match="'share' must be"):
        swap(table, 0)


def test_equal_scores_are_swapped_in_proportion_whatever_the_order_of_rows() -> None:
    table = deck().assign(score=lambda frame: frame["score"].round(1))
    told = [swap(one, resamples=2).loc["all", ["given_up", "gained"]] for one in (table, table.iloc[::-1])]
    assert told[0].tolist() == pytest.approx(told[1].tolist(), rel=1e-6)
    same = swap(table.assign(score=1.0), resamples=2).loc["all"]
    by_group = table[table["inspected"]].groupby("group")["found"]
    want = sum(len(found) // 10 * found.mean() for _, found in by_group)
    assert same["given_up"] == pytest.approx(want, rel=TINY)


@pytest.mark.parametrize(
    "wrong", [{"found": -1}, {"enterprise_id": None}, {"group": np.nan}, {"score": np.inf}, {"inspected": 2}]
)
def test_cases_that_are_not_what_they_have_to_be_are_refused(wrong: dict[str, object]) -> None:
    for compare in (contraction, swap):
        with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' must be"):
            compare(deck().astype(object).assign(**wrong))


def test_comparators_refuse_what_they_cannot_use() -> None:
    table = deck()
    with pytest.raises(ValueError, match="need the columns score"):
        contraction(table.drop(columns="score"))
    with pytest.raises(ValueError, match="at least one that was inspected"):
        swap(table.assign(inspected=False))


def test_cases_are_the_planned_inspections() -> None:
    one = records()
    one = Logged(one.obligations.assign(agency="fire"), one.inspections, one.X, 26)
    score = pd.Series(0.5, index=one.obligations["enterprise_id"].unique())
    told = cases(one, score)
    planned = one.inspections[one.inspections["channel"] == "routine"]
    assert told["inspected"].sum() == planned["obligation"].nunique()
    assert told["found"].sum() == planned.loc[planned["found"], "obligation"].nunique()
    assert not (told["found"] & ~told["inspected"]).any()


def test_every_work_that_is_cited_is_among_the_sources() -> None:
    root = Path(__file__).parent.parent
    listed = (root / "docs" / "sources.md").read_text("utf-8")
    cited = set()
    for name in ("value/policy_value", "order/comparators", "value/weighting"):
        text = (root / "tierkit" / "evaluate" / f"{name}.py").read_text("utf-8")
        cited |= set(WORK.findall(" ".join(text.split())))
    assert len(cited) >= 8
    for author, year in cited:
        assert re.search(rf"\| {author}[^|]* {year} \|", listed), f"{author} {year}"


def test_the_page_tells_what_the_intervals_held(tmp_path) -> None:
    rows = [
        {"strength": name, "seed": seed, "truth": 1.0, "opportunities": 12.0, "strata": [9, 8, 7, 6],
         **{one: [1.0 + seed, 0.9, 1.1, 0.05, 100.0, 10.0, 50.0] for one in ESTIMATORS}}
        for name in coverage.STRENGTHS for seed in range(2)
    ]  # fmt: skip
    rows[1]["random"] = [1.2, 1.1, 1.3, 0.05, 100.0, 10.0, 50.0]
    told = coverage.page(rows)
    assert "| `random` | 1 of 2 | 50.0% | +10.0% ± 10.0% |" in told
    assert told.count("| (`doubly_robust`) | 2 of 2 | 100.0% |") == 1
    (tmp_path / "weak.jsonl").write_text("\n".join(map(json.dumps, rows[:2])) + "\n", "utf-8")
    coverage.many([("weak", 0), ("weak", 1)], tmp_path, 1)
    assert coverage.read(tmp_path) == rows[:2]


# What a reading found


def test_a_window_beyond_the_records_is_refused() -> None:
    data, _ = make(60, seed=1)
    scored = data["enterprises"][["enterprise_id", "sector"]].assign(risk_probability=0.1, credit_points=600)
    for days, said in ((350, "records end on 2024-12-30, within the 350 days"), (0, "at least 1. Got 0")):
        with pytest.raises(ValueError, match=said):
            logged(data, scored, Policy.load("shanghai-2025"), "2024-07-08", days=days)


def test_findings_that_are_all_alike_give_no_interval() -> None:
    given = one_lot(found=np.ones(400))
    told = policy_value(given).table
    assert (told.loc[["random", "self_normalised"], "value"].isna()).all()
    assert "every inspection used found something" in told.loc["random", "refused"]


def test_weights_that_do_not_stand_for_the_opportunities_are_refused() -> None:
    given = one_lot(
        found=np.arange(400) % 4 == 0, kept=100
    )  # three of four inspections are not in the records
    with pytest.raises(OverlapError, match="weights stand for 25% of the opportunities"):
        policy_value(given)
    whole = policy_value(one_lot(found=np.arange(400) % 4 == 0)).table
    assert whole.loc["random", "value"] == pytest.approx(1000 * 0.2 / 4)
    with pytest.raises(ValueError, match=r"'confidence' must be in \(0, 1\)\. Got 2"):
        policy_value(one_lot(found=np.ones(400)), confidence=2)


@pytest.mark.parametrize("times", [3, 100, 1e6])
def test_weights_that_stand_for_too_much_are_refused(times: float) -> None:
    given = one_lot(found=np.arange(400) % 4 == 0)
    scarce = given.inspections.assign(propensity=given.inspections["propensity"] / times)
    with pytest.raises(OverlapError, match=f"weights stand for {times:.0%} of the opportunities"):
        policy_value(Logged(given.obligations, scarce, given.X, given.weeks))
    twice = pd.concat([given.inspections] * int(min(times, 100)))  # each in the records many times
    with pytest.raises(OverlapError, match="once each"):
        policy_value(Logged(given.obligations, twice, given.X, given.weeks))


def test_no_value_lies_outside_what_can_be_found() -> None:
    # Half found something, with a chance 2.8 times too small: the sum is 1.4 times all that can be found.
    given = one_lot(found=np.arange(400) % 2 == 0)
    seen = given.inspections
    seen = seen.assign(propensity=seen["propensity"] / np.where(seen["found"], 2.8, 1))
    table = policy_value(Logged(given.obligations, seen, given.X, given.weeks)).table
    assert np.isnan(table.loc["ipw", ["value", "low", "high", "se"]].to_numpy(float)).all()
    assert table.loc["ipw", "refused"].startswith("value: the estimate is outside 0 … 200.00")
    assert table.loc["random", "value"] == pytest.approx(200 * 1.4 / 1.9)
    assert (table["high"].dropna() <= 200).all()
    assert (table["low"].dropna() >= 0).all()


def test_one_enterprise_gives_no_interval_of_a_value() -> None:
    given = one_lot(found=np.arange(400) % 4 == 0)
    base = given.obligations.assign(enterprise_id="e")
    table = policy_value(Logged(base, given.inspections, given.X, given.weeks)).table
    assert table[["value", "low", "high"]].isna().all(axis=None)
    assert table["refused"].str.contains("all inspections used are of one enterprise").all()


def one_lot(found: np.ndarray, kept: int = 400) -> Logged:
    """Return 4,000 obligations of which 400 are audited by lot, a week each of ten, some rows left out."""
    n, weeks = 4000, 10
    base = pd.DataFrame({
        "enterprise_id": [f"e{i}" for i in range(n)], "tier": "T1", "target": 0.2, "there": 1.0,
        "random": 0.01, "routine": np.nan,
    })  # fmt: skip
    rows = np.arange(0, n, 10)
    seen = pd.DataFrame({
        "obligation": rows, "channel": "random", "found": np.asarray(found, bool), "propensity": 0.01,
        "served_share": 1.0,
    })  # fmt: skip
    return Logged(base, seen.iloc[:kept], np.zeros((n, 1)), weeks)


@pytest.mark.long
def test_a_score_of_noise_promises_nothing_by_swapping() -> None:
    rng = np.random.default_rng(5)
    changes, clear = [], 0
    for _ in range(40):
        n = 3000
        table = pd.DataFrame({
            "enterprise_id": np.arange(n) // 3, "group": np.arange(n) % 4, "score": rng.normal(size=n),
            "inspected": rng.random(n) < 0.2,
        })  # fmt: skip
        table["found"] = table["inspected"] & (rng.random(n) < 0.12)
        row = swap(table, resamples=60).iloc[0]
        changes.append(row["change"])
        clear += row["low"] > 0
    assert abs(np.mean(changes)) < 4 * np.std(changes) / np.sqrt(40)
    assert clear <= 5  # a fortieth is one; five of forty happen once in three hundred times


def test_enterprises_that_are_all_alike_show_no_error() -> None:
    one = records()
    seen = one.inspections[one.inspections["channel"] == "random"].copy()
    seen["propensity"] *= 2  # as every audit is there twice
    seen = pd.concat([seen.assign(found=found) for found in (True, False)], ignore_index=True)
    row = policy_value(Logged(one.obligations, seen, one.X, 26)).table.loc["random"]
    assert "all alike" in row["refused"]
    assert np.isnan([row["value"], row["low"], row["high"]]).all()
    assert np.isnan(interval(0.5, 0.0, 10, 1.0, 0.95)).all()


def test_what_was_never_inspected_cannot_have_been_found() -> None:
    table = deck()
    table["found"] |= np.arange(len(table)) == np.flatnonzero(~table["inspected"])[0]
    for ask in (contraction, swap):
        with pytest.raises(ValueError, match="1 of 2,000 cases are 'found' and not 'inspected'"):
            ask(table)


def test_a_swap_where_nothing_was_found_tells_no_change() -> None:
    told = swap(deck().assign(found=False), resamples=20).loc["all"]
    assert (told["findings"], told["after"]) == (0, 0)
    assert told[["change", "low", "high"]].isna().all()


def test_a_choice_that_no_record_holds_shows_beside_the_equal_chance_audits() -> None:
    fair = records(obligations=600, inspections=2400, seed=5)
    own = policy_value(fair)
    assert not own.contrast["differs"].any()
    assert list(own.contrast.index) == list(ESTIMATORS[2:])
    assert "no more than chance" in " ".join(own.warnings("en"))
    seen = fair.inspections.copy()
    chosen = (seen["channel"] == "routine") & (np.random.default_rng(1).random(len(seen)) < 0.5)
    seen["found"] = seen["found"] | chosen  # inspectors saw what was wrong before they went
    told = policy_value(replace(fair, inspections=seen))
    assert told.contrast["differs"].all()
    assert (told.contrast["low"] > 0).all()
    assert "Rely on the equal-chance audits alone" in " ".join(told.sentences("en"))


def test_the_difference_of_two_estimates_takes_what_they_share_together() -> None:
    told = policy_value(records(obligations=600, inspections=2400, seed=5, routine=False))
    row = told.contrast.loc["self_normalised"]  # of audits alone it is the same estimate
    assert row["difference"] == pytest.approx(0, abs=1e-9)
    assert not row["differs"]


def test_few_findings_are_said_to_lie_high_where_fewer_are_refused() -> None:
    many = policy_value(records(obligations=600, inspections=2400, seed=5))
    assert not any("somewhat high" in one for one in many.sentences("en"))
    few = policy_value(records(obligations=60, inspections=160, seed=3))
    assert (few.table["findings"] < 30).any()
    assert any("somewhat high" in one for one in few.sentences("en"))
