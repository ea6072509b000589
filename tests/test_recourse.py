"""Every path really leads where it says, by a replay; none is cheaper; none names what cannot change."""

import itertools

import numpy as np
import pandas as pd
import pytest
from make_dataset import make_dataset
from scipy.special import expit

from tierkit.artifact import Model, train
from tierkit.explain import Path, Recourse, Step, recourse
from tierkit.explain.editing import known_records
from tierkit.explain.steps import IMMUTABLE, STEPS
from tierkit.features import FEATURES, build, features_of, monotone, read_by, standing
from tierkit.policy import Policy
from tierkit.repair import known_on
from tierkit.risk import RiskModel
from tierkit.schema import SECTORS, TIERS, Dataset, read_dataset
from tierkit.scorecard import CreditScorecard
from tierkit.tiers import assign
from tierkit.timeline import Timeline

DAY = pd.Timedelta(days=1)
N = 500


class City:
    """Records, a model of theirs and the tiers that it gives."""

    def __init__(self, data: Dataset, as_of: str, policy: Policy, model: Model | None = None) -> None:
        self.data, self.as_of, self.policy = data, pd.Timestamp(as_of), policy
        self.model = model or train(data, as_of, policy=policy)
        self.scores = self.model.score(data, as_of)
        self.tiers = assign(self.scores, policy)
        self.known = known_on(data, as_of)


@pytest.fixture(scope="module")
def synthetic() -> City:
    """A synthetic city under a plan."""
    return City(read_dataset("data/synthetic"), "2024-12-30", Policy.load("jiading-2025"))


@pytest.fixture(scope="module")
def wild() -> City:
    """Records that fall anywhere, so that every kind of step is met, several of a kind and red lines too."""
    data = make_dataset(300, seed=5, records=900)
    rng = np.random.default_rng(1)
    tags = [what.tag for what in STEPS.values() if what.tag]
    firms = data["enterprises"].assign(
        tags=[list(rng.choice(tags, rng.integers(0, 4), replace=False)) for _ in range(300)]
    )
    events = data["credit_events"]
    later = events["known_on"] + pd.to_timedelta(rng.integers(0, 500, len(events)), unit="D")
    events = events.assign(repairable_from=later.mask(rng.random(len(events)) < 0.15))
    data = Dataset({**data, "enterprises": firms, "credit_events": events})
    X = build(data, "2024-03-01")
    bad = (
        0.9 * X["penalties_open"] + 0.6 * X["adverse_open"] + 0.9 * X["tag_late_annual_report"]
        + 0.9 * X["tag_address_unreachable"] - 0.7 * X["tag_self_check_filed"]
        - 0.7 * X["tag_certified_management"]
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
    ids = city.tiers.sort_values("tier", ascending=False, kind="stable")["enterprise_id"].iloc[:N]
    return recourse(city.model, city.data, city.as_of, ids, city.policy)


def edited(city: City, paths: dict[str, tuple[Step, ...]]) -> dict[str, pd.DataFrame]:
    """Return the records as enterprises' steps make them, by plain pandas, cell by cell."""
    firms, seen, events = (
        city.known[table].copy() for table in ("enterprises", "inspections", "credit_events")
    )
    tags = {one: set(held) for one, held in zip(firms["enterprise_id"], firms["tags"], strict=True)}
    for one, steps in paths.items():
        for step in steps:
            assert city.as_of <= pd.Timestamp(step.on)
            what = STEPS[step.kind]
            if what.edit == "repair":
                row = events.index[events["event_id"] == step.record_id].item()
                assert events.loc[row, "enterprise_id"] == one
                assert events.loc[row, "kind"] == what.event
                assert pd.isna(events.loc[row, "repaired_on"])
                assert events.loc[row, "repairable_from"] <= pd.Timestamp(
                    step.on
                )  # never earlier than allowed
                events.loc[row, "repaired_on"] = pd.Timestamp(step.on)
            elif what.edit == "check":
                agency, item_class = step.record_id.split("/")
                held = city.known["obligations"]
                held = held[
                    (held["enterprise_id"] == one) & (held["agency"] == agency) & held["valid_to"].isna()
                ]
                assert item_class in set(held["item_class"])
                row = dict.fromkeys(seen) | {
                    "check_code": f"new-{one}", "visit_id": f"new-{one}", "enterprise_id": one,
                    "agency": agency, "item_class": item_class, "inspected_on": pd.Timestamp(step.on),
                    "channel": "followup", "mode": "onsite", "finding": "none", "disposition": "none",
                    "policy": "p", "inspector": "i",
                }  # fmt: skip
                seen.loc[len(seen)] = row
            else:
                assert (what.tag in tags[one]) == (what.edit == "drop")
                tags[one] = tags[one] ^ {what.tag}
    firms["tags"] = [sorted(held) for held in tags.values()]
    return {**city.known, "enterprises": firms, "inspections": seen, "credit_events": events}


def replayed(city: City, paths: dict[str, Path]) -> pd.DataFrame:
    """Return the tiers after paths that end on one day, of edited tables and `Model.score` alone."""
    day = pd.Timestamp(next(iter(paths.values())).on)
    assert all(pd.Timestamp(path.on) == day for path in paths.values())
    assert all(pd.Timestamp(step.on) < day for path in paths.values() for step in path.steps)
    tables = edited(city, {one: path.steps for one, path in paths.items()})
    scores = city.model.score(tables, day, list(paths))
    first = city.tiers.assign(assigned_on=city.as_of)
    return assign(scores, city.policy, first, as_of=day.date()).set_index("enterprise_id")


def test_every_path_lands_in_the_promised_tier(city: City, found: dict[str, Recourse]) -> None:
    promised = [(one.enterprise_id, path) for one in found.values() for path in one.paths]
    assert len(promised) > 100
    kinds = {step.kind for _, path in promised for step in path.steps}
    assert len(kinds) >= (11 if len(found) < N else 5)
    turns: dict[tuple[str, int], dict[str, Path]] = {}
    for one, path in promised:
        place = found[one].paths.index(path)
        turns.setdefault((path.on, place), {})[one] = path
    for paths in turns.values():
        landed = replayed(city, paths)
        for one, path in paths.items():
            assert landed.loc[one, "tier"] == path.tier < found[one].tier
            assert landed.loc[one, "risk_level"] == path.risk_level
            assert landed.loc[one, "credit_grade"] == path.credit_grade


def test_the_present_tier_is_told_and_nobody_is_left_out(city: City, found: dict[str, Recourse]) -> None:
    tiers = city.tiers.set_index("enterprise_id")["tier"]
    assert {one: found[one].tier for one in found} == {one: tiers[one] for one in found}
    for one in found.values():
        assert bool(one.paths) + bool(one.obstacles) == (one.tier != TIERS[0])
        assert 0 < one.pass_chance < 1
        for path, other in itertools.permutations(one.paths, 2):
            assert not (other.tier <= path.tier and other.cost <= path.cost and other.on <= path.on)


def test_no_step_moves_what_an_enterprise_is(city: City, found: dict[str, Recourse]) -> None:
    names = {feature.name for feature in FEATURES}
    for what in STEPS.values():
        assert set(what.moves) <= names - set(IMMUTABLE)
    structure = {feature.name for feature in FEATURES if feature.group == "structure"}
    assert structure - {"tags"} <= set(IMMUTABLE)
    kinds = {
        step.kind: (one.enterprise_id, step) for one in found.values() for p in one.paths for step in p.steps
    }
    for (
        one,
        step,
    ) in kinds.values():  # the same day, without and with the step: nothing moves but what it says
        last = pd.Timestamp(step.on) + DAY
        before, after = (build(edited(city, {one: steps}), last, [one]) for steps in ((), (step,)))
        moved = {name for name in before if str(before[name].iloc[0]) != str(after[name].iloc[0])}
        assert moved
        assert moved <= set(step.features)


def test_known_records_give_the_same_features_bit_for_bit(city: City) -> None:
    ids = city.tiers["enterprise_id"].sample(60, random_state=1)
    own = known_records(city.data, city.as_of, ids)
    assert len(own["complaints"]) < len(city.data["complaints"])
    for day in (city.as_of, city.as_of + 100 * DAY):
        pairs = pd.DataFrame({"enterprise_id": ids, "as_of": day})
        frames = []
        for tables in (own, city.known):
            with Timeline(tables) as timeline:
                timeline.ask(pairs)
                frames.append(features_of(timeline))
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
    X = build(edited(city, {one.enterprise_id: path.steps}), path.on, [one.enterprise_id])
    scores = city.model.score_features(X, X.index)
    assert scores["risk_probability"].item() == path.risk_probability
    assert scores["credit_points"].item() == path.credit_points


def test_no_set_of_steps_is_cheaper(city: City, found: dict[str, Recourse]) -> None:
    """Brute force over every set of an enterprise's steps and every date."""
    few = [one for one in found.values() if one.tried in (4, 8, 16) and one.tier != "T1"]
    few = [*[one for one in few if one.paths][:2], *[one for one in few if not one.paths][:1]]
    last = city.as_of + pd.DateOffset(months=12)
    months = [city.as_of + pd.DateOffset(months=k) for k in range(1, 13)]
    dwell = city.as_of + 7 * DAY * city.policy["review.dwell_weeks"]
    first = city.tiers.set_index("enterprise_id")
    for one in few:
        best: dict[str, tuple[float, str]] = {}
        steps = by_hand(city, one.enterprise_id, last)
        sets = [taken for k in range(len(steps) + 1) for taken in itertools.combinations(steps, k)]
        assert len(sets) >= one.tried
        for taken in sets:
            ready = max((pd.Timestamp(step.on) + DAY for step in taken), default=months[0])
            days = sorted({ready, *(day for day in (*months, dwell) if day >= ready)})
            with Timeline(edited(city, {one.enterprise_id: taken})) as timeline:
                timeline.ask(pd.DataFrame({"enterprise_id": one.enterprise_id, "as_of": days}))
                X, red = features_of(timeline), standing(timeline)
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


def by_hand(city: City, one: str, last: pd.Timestamp) -> list[Step]:
    """Return what an enterprise can do, from the rules in words."""

    def asked(kind: str, record: str | None, on: pd.Timestamp) -> Step:
        return Step(kind, record, STEPS[kind].moves, f"{on:%Y-%m-%d}", STEPS[kind].cost)

    steps = []
    rows = {name: frame[frame["enterprise_id"] == one] for name, frame in city.known.items()}
    words = {what.event: name for name, what in STEPS.items() if what.event}
    for event in rows["credit_events"].itertuples():
        counts = event.known_on + 1095 * DAY >= city.as_of and pd.isna(event.repaired_on)
        if counts and event.kind in words and pd.notna(event.repairable_from):
            on = max(event.repairable_from, city.as_of)
            steps += [asked(words[event.kind], event.event_id, on)] if on < last else []
    tags = set(rows["enterprises"]["tags"].iloc[0])
    for name, what in STEPS.items():
        if what.edit in ("drop", "add") and (what.tag in tags) == (what.edit == "drop"):
            steps.append(asked(name, None, city.as_of + what.lead * DAY))
    held = rows["obligations"][rows["obligations"]["valid_to"].isna()]
    if len(held):
        name = f"{held['agency'].iloc[0]}/{held['item_class'].iloc[0]}"
        steps.append(asked("pass_check", name, city.as_of + STEPS["pass_check"].lead * DAY))
    return steps
