"""Every path really leads where it says, by a replay; none is cheaper; none names what cannot change."""

import itertools
import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from make_dataset import make_dataset
from scipy.special import expit
from shared import model_folder

from tierkit.explain import Recourse, recourse
from tierkit.explain.recourse.editing import known_tables
from tierkit.explain.recourse.paths import Path
from tierkit.explain.recourse.search import MOST_SETS, cheapest_sets
from tierkit.explain.recourse.steps import STEPS, Step
from tierkit.features import FEATURES, build, features_of, monotone, read_by, standing
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.records import MERITS, REPAIRABLE_KINDS, SHANGHAI, TIERS, DataError, Dataset, read_dataset
from tierkit.records.known import known
from tierkit.records.repair_rules import published_until
from tierkit.scores.model import Model
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

SECTORS = SHANGHAI.ids("sector")

DAY = pd.Timedelta(days=1)
N = 500
_PLACED = ["tier", "risk_level", "credit_grade"]


class City:
    """Records, a model of theirs and the tiers that it gives."""

    def __init__(self, data: Dataset, as_of: str, policy: Policy, model: Model) -> None:
        self.data, self.as_of, self.policy = data, pd.Timestamp(as_of), policy
        self.model = model
        self.scores = self.model.score(data, as_of)
        self.tiers = assign(self.scores, policy)
        with known(data, as_of) as seen:
            self.known = seen.tables()


@pytest.fixture(scope="module")
def synthetic() -> City:
    """A synthetic city under a plan."""
    model = Model.load(model_folder("jiading-2025"))
    return City(read_dataset("data/synthetic"), "2024-12-30", Policy.load("jiading-2025"), model)


@pytest.fixture(scope="module")
def wild() -> City:
    """Records that fall anywhere, so that every kind of step is met, several of a kind and red lines too."""
    data = make_dataset(300, seed=5, records=900)
    rng = np.random.default_rng(1)
    events = data["credit_events"]
    later = events["known_on"] + pd.to_timedelta(rng.integers(0, 500, len(events)), unit="D")
    events = events.assign(repairable_from=later.mask(rng.random(len(events)) < 0.15))
    data = Dataset({**data, "credit_events": events})
    X = build(data, "2024-03-01")
    bad = (
        0.9 * X["penalties_open"] + 0.6 * X["adverse_open"] + 0.9 * X["late_annual_report_open"]
        + 0.9 * X["address_unreachable_open"] - 0.7 * X["self_check_1y"] - 0.7 * X["certificates_3y"]
    )  # fmt: skip
    seen = 0.7 * X["findings_1y"] - 0.9 * X["clean_checks_1y"] + 0.5 * X["ordinary_complaints_1y"]
    y, late = (rng.random(len(X)) < expit(margin) for margin in (bad + seen - 1, 1.5 * bad - 2))
    risk = RiskModel(monotone("risk"), n_trees=60, min_rows=5).fit(X[read_by("risk")], y.astype(int))
    credit = CreditScorecard(monotone=monotone("credit")).fit(X[read_by("credit")], late.astype(int))
    jiading = Policy.load("jiading-2025")
    model = Model(risk, credit, jiading, {})
    scores = model.score(data, "2024-03-01")
    cuts = {
        "scoring.risk_cutoffs": scores["risk_probability"].quantile([0.25, 0.6]).round(3).tolist(),
        "scoring.credit_cutoffs": scores["credit_points"].quantile([0.4, 0.75]).round(1).tolist(),
        **{f"scoring.sector_offset.{sector}": 0.0 for sector in SECTORS},
    }
    return City(data, "2024-03-01", jiading.reform(cuts, name="wild"), model)


@pytest.fixture(scope="module", params=["synthetic", "wild"])
def city(request) -> City:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def found(city: City) -> dict[str, Recourse]:
    # those who have something to gain first
    ids = city.tiers.sort_values("tier", ascending=False, kind="stable")["enterprise_id"]
    ids = ids.iloc[: N if len(ids) > N else 80]
    return recourse(city.model, city.data, city.as_of, ids, city.policy)


def edited(
    known: Mapping[str, pd.DataFrame], as_of: pd.Timestamp, paths: dict[str, tuple[Step, ...]]
) -> dict[str, pd.DataFrame]:
    """Return the records as enterprises' steps make them, by plain pandas, cell by cell."""
    events = known["credit_events"].set_index("event_id", drop=False)
    days, checks, merits, held = events["repaired_on"].to_dict(), [], [], known["obligations"]
    for one, steps in paths.items():
        for step in steps:
            on = pd.Timestamp(step.on)
            assert as_of <= on
            what = STEPS[step.kind]
            if what.edit == "repair":
                event = events.loc[step.record_id]
                assert event["enterprise_id"] == one
                assert event["kind"] == what.event
                assert event["repairable_from"] <= on  # never before the day that the record allows
                assert pd.isna(days[step.record_id])
                days[step.record_id] = on
            elif what.edit == "check":
                agency, item_class = step.record_id.split("/")
                mine = held[(held["enterprise_id"] == one) & (held["agency"] == agency)]
                assert item_class in set(mine.loc[mine["valid_to"].isna(), "item_class"])
                checks.append({
                    "check_code": f"new-{one}", "visit_id": f"new-{one}", "enterprise_id": one,
                    "agency": agency, "item_class": item_class, "inspected_on": on, "channel": "routine",
                    "mode": "onsite", "finding": "none", "disposition": "none", "policy": "p",
                    "inspector": "i",
                })  # fmt: skip
            else:
                assert step.record_id is None
                assert what.event in MERITS
                merits.append({
                    "event_id": f"new-{one}-{what.event}", "enterprise_id": one, "kind": what.event,
                    "severity": "minor", "happened_on": on, "known_on": on,
                })  # fmt: skip
    repaired = pd.Series(list(days.values()), index=events.index, dtype="datetime64[us]")
    seen = [known["inspections"], *([pd.DataFrame(checks)] if checks else [])]
    return {
        **known,
        "inspections": pd.concat(seen, ignore_index=True),
        "credit_events": pd.concat(
            [events.assign(repaired_on=repaired), *([pd.DataFrame(merits)] if merits else [])],
            ignore_index=True,
        ),
    }


def replayed(city: City, paths: dict[str, Path]) -> pd.DataFrame:
    """Return the tiers after paths of enterprises, of edited tables and the model's own scoring alone."""
    first = city.tiers.assign(assigned_on=city.as_of)
    days: dict[str, list[str]] = {}
    for one, path in paths.items():
        assert all(step.on < path.on for step in path.steps)
        days.setdefault(path.on, []).append(one)
    landed = []
    tables = edited(city.known, city.as_of, {one: path.steps for one, path in paths.items()})
    for day, ids in days.items():
        with known(tables, day) as seen:
            scores = city.model.score(seen, day, ids)
            landed.append(assign(scores, city.policy, first, as_of=pd.Timestamp(day).date()))
    return pd.concat(landed).set_index("enterprise_id")


EVERY = pytest.mark.parametrize("every", [16, pytest.param(1, marks=pytest.mark.long)])
"""Every sixteenth enterprise is replayed, and each with a new kind of step; everybody before a release."""


def some_of(found: dict[str, Recourse], every: int) -> dict[str, Recourse]:
    kept, met = {}, set()
    for k, (one, told) in enumerate(found.items()):
        kinds = {step.kind for path in told.paths for step in path.steps}
        if k % every == 0 or kinds - met:
            kept[one] = told
        met |= kinds
    return kept


@EVERY
def test_every_path_lands_in_the_promised_tier(city: City, found: dict[str, Recourse], every: int) -> None:
    wild, found = len(found) < N, some_of(found, every)
    promised = [(one.enterprise_id, path) for one in found.values() for path in one.paths]
    assert len(promised) > 100 // every
    kinds = {step.kind for _, path in promised for step in path.steps}
    assert len(kinds) >= (9 if wild else 5)
    for place in range(max(len(one.paths) for one in found.values())):
        paths = {one.enterprise_id: one.paths[place] for one in found.values() if len(one.paths) > place}
        landed = replayed(city, paths)
        assert len(landed) == len(paths)
        for one, (tier, level, grade) in zip(landed.index, landed[_PLACED].to_numpy(), strict=True):
            path = paths[one]
            assert (tier, level, grade) == (path.tier, path.risk_level, path.credit_grade)
            assert tier < found[one].tier


@EVERY
def test_the_replay_tells_a_path_that_does_not_lead_there(
    city: City, found: dict[str, Recourse], every: int
) -> None:
    """A step less, and the promise is not kept."""
    found = some_of(found, every)
    full = {one.enterprise_id: one.paths[0] for one in found.values() if one.paths and one.paths[0].steps}
    less = {one: replace(path, steps=path.steps[1:]) for one, path in full.items()}
    landed = replayed(city, less)
    assert all(landed.loc[one, "tier"] > path.tier for one, path in full.items())
    assert len(full) > 50 // every


def test_the_present_tier_is_told_and_nobody_is_left_out(city: City, found: dict[str, Recourse]) -> None:
    tiers = city.tiers.set_index("enterprise_id")["tier"]
    assert {one: found[one].tier for one in found} == {one: tiers[one] for one in found}
    for one in found.values():
        assert bool(one.paths) + bool(one.obstacles) == (one.tier != TIERS[0])
        assert 0 < one.pass_chance < 1
        for path, other in itertools.permutations(one.paths, 2):
            assert not (other.tier <= path.tier and other.cost <= path.cost and other.on <= path.on)


# What an enterprise is, which no step may move; its age grows by itself.
IMMUTABLE = {
    "sector",
    "size",
    "ownership",
    "age_years",
    "employees",
    "registered_capital",
    "commitment",
    "in_park",
    "tags",
    "tag_chain_brand",
    "tag_platform_seller",
    "tag_night_trade",
    "tag_key_account",
    "obligations",
    "key_obligations",
}


def test_no_step_moves_what_an_enterprise_is(city: City, found: dict[str, Recourse]) -> None:
    names = {feature.name for feature in FEATURES}
    for what in STEPS.values():
        assert set(what.moves) <= names - IMMUTABLE
    structure = {feature.name for feature in FEATURES if feature.group == "structure"}
    assert structure <= IMMUTABLE
    kinds = {
        step.kind: (one.enterprise_id, step) for one in found.values() for p in one.paths for step in p.steps
    }
    for (
        one,
        step,
    ) in kinds.values():  # the same day, without and with the step: nothing moves but what it says
        last = pd.Timestamp(step.on) + DAY
        before, after = (
            build(edited(own_records(city, one), city.as_of, {one: steps}), last) for steps in ((), (step,))
        )
        moved = {name for name in before if str(before[name].iloc[0]) != str(after[name].iloc[0])}
        assert moved
        assert moved <= set(step.features)


def test_known_tables_give_the_same_features_bit_for_bit(city: City) -> None:
    ids = city.tiers["enterprise_id"].sample(60, random_state=1)
    with known(city.data, city.as_of) as seen:
        own = known_tables(seen, ids)
    assert len(own["complaints"]) < len(city.data["complaints"])
    for day in (city.as_of, city.as_of + 100 * DAY):
        pairs = pd.DataFrame({"enterprise_id": ids, "as_of": day})
        frames = []
        for tables in (own, city.known):
            with known(tables) as later:
                frames.append(features_of(later, pairs))
        pd.testing.assert_frame_equal(*frames, check_exact=True)
    pd.testing.assert_frame_equal(
        build(own, city.as_of, ids), build(city.data, city.as_of, ids), check_exact=True
    )


def test_parts_put_together_are_the_features_of_the_whole(city: City, found: dict[str, Recourse]) -> None:
    """The margin after a set on several tables is that of the replay, to the last bit."""
    path, one = next(
        (path, one) for one in found.values() for path in one.paths
        if len({step.table for step in path.steps}) > 1
    )  # fmt: skip
    X = build(edited(city.known, city.as_of, {one.enterprise_id: path.steps}), path.on, [one.enterprise_id])
    scores = city.model.score_features(X, X.index)
    assert scores["risk_probability"].item() == path.risk_probability
    assert scores["credit_points"].item() == path.credit_points


def test_no_set_of_steps_is_cheaper(city: City, found: dict[str, Recourse]) -> None:
    """Brute force over every set of an enterprise's steps and every date."""
    kinds = {(one.tried, bool(one.paths)): one for one in found.values() if one.tried in (4, 8)}
    few = list(kinds.values())[:3]
    assert len(few) > 1
    last = city.as_of + pd.DateOffset(months=12)
    months = [city.as_of + pd.DateOffset(months=k) for k in range(1, 13)]
    dwell = city.as_of + 7 * DAY * city.policy["review.dwell_weeks"]
    first = city.tiers.set_index("enterprise_id")
    for one in few:
        alone = own_records(city, one.enterprise_id)
        best: dict[str, tuple[float, str]] = {}
        steps = by_hand(city, one.enterprise_id, last)
        sets = [taken for k in range(len(steps) + 1) for taken in itertools.combinations(steps, k)]
        assert len(sets) >= one.tried
        for taken in sets:
            ready = max((pd.Timestamp(step.on) + DAY for step in taken), default=months[0])
            days = sorted({ready, *(day for day in (*months, dwell) if day >= ready)})
            pairs = pd.DataFrame({"enterprise_id": one.enterprise_id, "as_of": days})
            with known(edited(alone, city.as_of, {one.enterprise_id: taken})) as seen:
                X, red = features_of(seen, pairs), standing(seen, pairs)
            names = pd.Series([str(day) for day in days])
            previous = pd.DataFrame(
                {
                    "enterprise_id": names, "tier": one.tier,
                    "risk_level": first.loc[one.enterprise_id, "risk_level"],
                    "credit_grade": first.loc[one.enterprise_id, "credit_grade"],
                    "weeks_ago": [(day - city.as_of).days // 7 for day in days],
                }
            )  # fmt: skip
            tiers = assign(city.model.score_features(X, names, red), city.policy, previous)["tier"]
            cost = sum(step.cost for step in taken)
            for day, tier in zip(days, tiers, strict=True):
                for better in TIERS[TIERS.index(tier) : TIERS.index(one.tier)]:
                    way = (cost, f"{day:%Y-%m-%d}")
                    best[better] = min(best.get(better, way), way)
        offered: dict[str, tuple[float, str]] = {}
        for path in one.paths:
            for better in TIERS[TIERS.index(path.tier) : TIERS.index(one.tier)]:
                offered[better] = min(offered.get(better, (path.cost, path.on)), (path.cost, path.on))
        assert offered == best


def own_records(city: City, one: str) -> dict[str, pd.DataFrame]:
    """Return the records of one enterprise, and all complaints."""
    return {
        name: frame if name == "complaints" else frame[frame["enterprise_id"] == one]
        for name, frame in city.known.items()
    }


def by_hand(city: City, one: str, last: pd.Timestamp) -> list[Step]:
    """Return what an enterprise can do, from the rules in words."""

    def asked(kind: str, record: str | None, on: pd.Timestamp) -> Step:
        return Step(kind, record, STEPS[kind].moves, f"{on:%Y-%m-%d}", STEPS[kind].cost)

    steps = []
    rows = {name: frame[frame["enterprise_id"] == one] for name, frame in city.known.items()}
    words = {what.event: name for name, what in STEPS.items() if what.edit == "repair"}
    for event in rows["credit_events"].itertuples():
        ends = published_until(event.known_on, event.kind, event.severity)
        counts = pd.Timestamp(str(ends)) >= city.as_of and pd.isna(event.repaired_on)
        if counts and event.kind in words and pd.notna(event.repairable_from):
            on = max(event.repairable_from, city.as_of) + STEPS[words[event.kind]].lead * DAY
            steps += [asked(words[event.kind], event.event_id, on)] if on < last else []
    own = rows["credit_events"]
    for name, days in {"file_self_check": 365, "certify_management": 1095}.items():
        mine = own[own["kind"] == STEPS[name].event]
        if not (mine["known_on"] + days * DAY >= city.as_of).any():
            steps.append(asked(name, None, city.as_of + STEPS[name].lead * DAY))
    held = rows["obligations"][rows["obligations"]["valid_to"].isna()]
    if len(held):
        name = f"{held['agency'].iloc[0]}/{held['item_class'].iloc[0]}"
        steps.append(asked("pass_check", name, city.as_of + STEPS["pass_check"].lead * DAY))
    return steps


def test_all_sets_come_once_and_in_the_order_of_their_cost() -> None:
    rng = np.random.default_rng(3)
    groups = [
        [Step(f"{g}-{k}", None, (), "2024-01-01", cost) for k in range(n)]
        for g, (n, cost) in enumerate(zip([1, 3, 1, 2], rng.integers(1, 9, 4).astype(float), strict=True))
    ]
    sets, whole = cheapest_sets(groups)
    assert whole
    assert len({frozenset(one) for one in sets}) == len(sets) == 2 * 4 * 2 * 3
    costs = [sum(step.cost for step in one) for one in sets]
    assert costs == sorted(costs)
    assert all(
        {"1-0", "1-1"} <= {step.kind for step in one} for one in sets if "1-2" in {s.kind for s in one}
    )
    some, whole = cheapest_sets(groups, most=10)
    assert not whole
    assert some == [*sets[:10], some[-1]]
    assert len(some[-1]) == 7  # all steps together


def test_a_bound_on_sets_is_said(wild: City) -> None:
    many = recourse(wild.model, wild.data, wild.as_of, wild.tiers["enterprise_id"].iloc[:150], wild.policy)
    cut = [one for one in many.values() if not one.complete]
    assert all(one.tried == MOST_SETS + 1 for one in cut)
    assert all(one.tried <= MOST_SETS for one in many.values() if one.complete)
    # in chunks or alone, in any order: the same
    few = list(many)[:40]
    again = recourse(wild.model, wild.data, wild.as_of, few[::-1], wild.policy)
    assert list(again) == few[::-1]
    assert all(again[one] == many[one] for one in few)
    waits = [one for one in many.values() if any(not path.steps for path in one.paths)]
    assert waits  # time alone leads somewhere, and what is offered besides is sooner
    for one in waits:
        wait = next(path for path in one.paths if not path.steps)
        assert wait.cost == 0
        assert all(path.on < wait.on or path.tier < wait.tier for path in one.paths if path is not wait)
        assert "Time alone" in " ".join(one.sentences("en"))


def test_hysteresis_and_dwell_of_the_tier_that_stands_are_in_it(synthetic: City) -> None:
    gaining = synthetic.tiers.query("tier == 'T2'")["enterprise_id"].iloc[:25]
    args = (synthetic.model, synthetic.data, synthetic.as_of, gaining, synthetic.policy)
    new = recourse(*args)
    old = synthetic.tiers.assign(assigned_on=synthetic.as_of - 400 * DAY)
    stood = recourse(*args, previous=old)
    weeks = old.drop(columns="assigned_on").assign(weeks_ago=400 // 7)
    assert recourse(*args, previous=weeks) == stood
    first = synthetic.as_of + 7 * DAY * synthetic.policy["review.dwell_weeks"]
    assert all(path.on >= f"{first:%Y-%m-%d}" for one in new.values() for path in one.paths)
    assert any(path.on < f"{first:%Y-%m-%d}" for one in stood.values() for path in one.paths)
    short = recourse(*args, months=2)
    known = {"structure", "dwell", "serious", "not_before"}
    assert {one.obstacles[0].code for one in short.values()} <= known
    assert any(one.obstacles[0].code == "dwell" for one in short.values())


def test_why_nothing_helps_is_said_with_its_date(wild: City) -> None:
    best = wild.tiers.query("tier == 'T1'")["enterprise_id"].iloc[0]
    told = recourse(wild.model, wild.data, wild.as_of, [best], wild.policy)[best]
    name = wild.policy.tier_names[0].en
    assert told.sentences("en") == [f"It is in the best tier already, T1 ({name})."]

    def marked(one: str) -> pd.DataFrame:
        """Return the events with a red line in the place of what else is told of an enterprise."""
        record = {
            "event_id": "line", "enterprise_id": one, "kind": "serious_dishonesty", "severity": "serious",
            "happened_on": wild.as_of - 90 * DAY, "known_on": wild.as_of - 60 * DAY,
            "repairable_from": wild.as_of + 500 * DAY,
        }  # fmt: skip
        events = wild.known["credit_events"]
        return pd.concat([events[events["enterprise_id"] != one], pd.DataFrame([record])], ignore_index=True)

    # Whom the red line holds: where time alone lowers the risk by a level, the tier moves in spite of it.
    for one in wild.tiers.query("tier == 'T2'")["enterprise_id"][:20]:
        events = marked(one)
        red = {**wild.known, "credit_events": events}
        stands = recourse(wild.model, red, wild.as_of, [one], wild.policy)[one]
        if not stands.paths:
            break
    assert not stands.paths
    assert [(o.code, o.record_id, o.until) for o in stands.obstacles] == [
        ("red_line", "line", f"{wild.as_of + 500 * DAY:%Y-%m-%d}")
    ]
    until = f"{wild.as_of + 500 * DAY:%Y-%m-%d}"
    assert (
        f"A record that is a red line (serious dishonesty, line) stands until {until}."
        in stands.sentences("en")
    )
    soon = {**red, "credit_events": events.assign(
        repairable_from=events["repairable_from"].mask(events["event_id"] == "line", wild.as_of + 40 * DAY)
    )}  # fmt: skip
    freed = recourse(wild.model, soon, wild.as_of, [one], wild.policy)[one]
    repair = next(step for path in freed.paths for step in path.steps if step.kind == "regain_honesty")
    assert (repair.record_id, repair.on) == ("line", f"{wild.as_of + 40 * DAY:%Y-%m-%d}")


def test_no_path_ends_above_the_tier_that_an_open_record_states(synthetic: City) -> None:
    policy = synthetic.policy.reform({"escalation.kinds": ["any"], "escalation.tier": "T4"}, name="rises")
    model, known_, day = synthetic.model, synthetic.known, synthetic.as_of
    tiers = assign(model.score(known_, day), policy)
    [rises] = tiers.query("tier_reason == 'escalated' and distance_risk.isna()")["enterprise_id"][:1]
    ways = recourse(model, known_, day, [rises], policy, months=12)[rises]
    events = known_["credit_events"]
    mine = events[(events["enterprise_id"] == rises) & events["kind"].isin(REPAIRABLE_KINDS)]
    until = pd.to_datetime(published_until(mine["known_on"], mine["kind"], mine["severity"]))
    mine = mine[mine["repaired_on"].isna() & (until >= day)]
    assert len(mine)
    for path in ways.paths:
        taken = {step.record_id for step in path.steps}
        left_open = mine[~mine["event_id"].isin(taken)]
        age = (pd.Timestamp(path.on) - left_open["known_on"]).dt.days // 7
        assert (age > policy["escalation.max_weeks"]).all()
    assert ways.paths or ways.obstacles


def test_outside_the_scope_of_a_policy_nothing_moves_the_tier(synthetic: City) -> None:
    sector = synthetic.scores["sector"].iloc[0]
    others = [one for one in SECTORS if one != sector]
    policy = synthetic.policy.reform({"scoring.scope_sectors": others}, name="some")
    one = synthetic.scores["enterprise_id"].iloc[0]
    told = recourse(synthetic.model, synthetic.data, synthetic.as_of, [one], policy)[one]
    assert [o.code for o in told.obstacles] == ["out_of_scope"]
    assert not told.paths


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_is_found_is_said_and_comes_back_from_json(found: dict[str, Recourse], lang: str) -> None:
    for one in found.values():
        assert Recourse.from_dict(json.loads(json.dumps(one.to_dict()))) == one
        said = one.sentences(lang)
        page = one._repr_html_()
        assert all(sentence for sentence in said)
        assert not any("{" in sentence for sentence in said)
        checked = any(step.kind == "pass_check" for path in one.paths for step in path.steps)
        chance = f"{one.pass_chance:.0%}"
        assert (chance in said[-1]) == checked or not one.paths
        assert page.count("<p>") >= 1
        for path in one.paths:
            for step in path.steps:
                assert step.on in step.sentence(lang)
                assert step.sentence(lang) in said


def test_a_name_with_markup_is_text(wild: City) -> None:
    step = Step("clear_penalty", "<script>\u202e", ("penalties_open",), "2024-01-01", 3.0)
    path = Path(tier="T1", on="2024-02-01", cost=3.0, steps=(step,), risk_level=1, credit_grade="A",
                risk_probability=0.1, credit_points=600.0)  # fmt: skip
    one = Recourse(enterprise_id="e", as_of="2024-01-01", policy="p", tier="T2", months=12, paths=(path,),
                   tried=2, complete=True, pass_chance=0.9)  # fmt: skip
    assert "<script>" not in one._repr_html_()
    assert "&lt;script&gt;[U+202E]" in one._repr_html_()


def test_strangers_late_days_and_no_months_are_refused(synthetic: City) -> None:
    one = synthetic.scores["enterprise_id"].iloc[0]
    with pytest.raises(DataError, match="is not in the dataset"):
        recourse(synthetic.model, synthetic.data, synthetic.as_of, ["nobody"], synthetic.policy)
    with pytest.raises(DataError, match="no records reach to"):
        recourse(synthetic.model, synthetic.data, "2030-01-01", [one], synthetic.policy)
    with pytest.raises(ValueError, match="'months' must be a whole number from 1"):
        recourse(synthetic.model, synthetic.data, synthetic.as_of, [one], synthetic.policy, months=0)
    assert recourse(synthetic.model, synthetic.data, synthetic.as_of, [], synthetic.policy) == {}
    closed = synthetic.data["enterprises"].query("closed_on < '2024-12-01'")["enterprise_id"].iloc[0]
    assert recourse(synthetic.model, synthetic.data, synthetic.as_of, [closed], synthetic.policy) == {}
