"""The synthetic history: valid records of a run, the same bits again, and the world that goes on from it."""

import dataclasses
import filecmp
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.worlds import ALL_ON, LEGACY, load, policy_of
from tierkit.city.engine import Run, run
from tierkit.city.parameters import parameters
from tierkit.city.population import draw
from tierkit.city.synth import grow, history, make, make_folder, world_of
from tierkit.city.world import World
from tierkit.policy import Policy
from tierkit.records import (
    CHANNELS,
    FINDINGS,
    ITEM_CLASSES,
    MODES,
    SHANGHAI,
    TABLES,
    Dataset,
    read_dataset,
    validate,
)

AGENCIES = SHANGHAI.ids("agency")

P = parameters()
START, END = pd.Timestamp("2023-01-02"), pd.Timestamp("2024-12-30")
RECORDS = ("inspections", "credit_events", "complaints", "signals", "tiers")


@cache
def made(enterprises: int = 1500, seed: int = 1) -> tuple[Dataset, World]:
    return make(enterprises, seed)


@cache
def past(enterprises: int = 1500, seed: int = 1) -> Run:
    return history(enterprises, seed)[1]


def same(a: Run, b: Run) -> bool:
    rows = ("log", "signals", "events", "tally", "counts", "demanded", "served", "saved")
    n = min(len(a.first_tier), len(b.first_tier))  # one may have slots for more entrants
    tiers = np.array_equal(a.first_tier[:n], b.first_tier[:n])
    return tiers and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in rows)


# Validity


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_table_is_valid(seed: int) -> None:
    data, _ = made(800, seed)
    assert validate(data) == []
    assert set(data) == set(TABLES)


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_every_table_is_valid_once_written(format: str, tmp_path: Path) -> None:
    folder = make_folder(300, 5, tmp_path / "data", format=format)
    assert validate(folder) == []
    back = read_dataset(folder)
    for name, table in make(300, 5)[0].items():
        pd.testing.assert_frame_equal(back[name], table, check_exact=True)


@pytest.mark.parametrize(
    "policy", ["shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025", "minhang-2023"]
)
def test_a_past_under_any_plan_is_valid(policy: str) -> None:
    data, frame = make(300, 6, policy=load(policy))
    assert validate(data) == []
    assert set(data["inspections"]["policy"]) == {policy}
    assert same(run(frame, LEGACY, 20), run(world_of(data, policy=load(policy)), LEGACY, 20))


def test_a_very_small_world_is_valid() -> None:
    for enterprises in (1, 7):
        data, frame = make(enterprises, 3)
        assert validate(data) == []
        assert same(run(frame, LEGACY, 30), run(world_of(data), LEGACY, 30))


def test_a_world_without_events_has_valid_empty_tables() -> None:
    quiet = {name: 0.0 for name in P if name.startswith(("complaint.true", "incident.", "alert."))}
    quiet |= {name: 0.0 for name in P if name.startswith("adverse.")}
    quiet |= {"complaint.mistaken": 0.0, "complaint.professional": 0.0}
    nothing = policy_of(
        {
            "frequency.base_rate": 0.0,
            "frequency.random_floor": 0.0,
            "campaign.rate": 0.0,
            "commitment.check_share": 0.0,
        }
    )
    data, _ = make(40, 3, policy=nothing, params=P.replace(quiet))
    assert [len(data[name]) for name in RECORDS[:4]] == [0, 0, 0, 0]
    assert validate(data) == []


# The same bits


def test_the_same_seed_makes_the_same_files_and_another_does_not(tmp_path: Path) -> None:
    a, b, c = (make_folder(200, seed, tmp_path / name) for name, seed in (("a", 4), ("b", 4), ("c", 5)))
    files = sorted(path.name for path in a.iterdir())
    assert filecmp.cmpfiles(a, b, files, shallow=False) == (files, [], [])
    differing = filecmp.cmpfiles(a, c, files, shallow=False)[1]
    assert {"enterprises.parquet", "inspections.parquet", "manifest.json"} <= set(differing)


def test_threads_change_nothing() -> None:
    one, two = make(400, 2)[0], make(400, 2, threads=2)[0]
    for name in one:
        pd.testing.assert_frame_equal(one[name], two[name], check_exact=True)
    assert one.manifest == two.manifest


@pytest.mark.parametrize("horizon", [0, 260])
def test_slots_for_later_entrants_leave_the_records_as_they_are(horizon: int) -> None:
    busy = policy_of(ALL_ON)
    one, two = make(400, 2, policy=busy)[0], make(400, 2, policy=busy, horizon_weeks=horizon)[0]
    for name in one:
        pd.testing.assert_frame_equal(one[name], two[name], check_exact=True)


def test_progress_runs_through_burn_in_and_records() -> None:
    told: list[tuple[int, int]] = []
    make(20, 1, progress=lambda done, weeks: told.append((done, weeks)))
    assert told == [(k, 156) for k in range(1, 157)]


# The world that goes on


@pytest.mark.parametrize("policy", ["legacy", "jinshan-2025", "oracle"])
def test_the_world_of_a_dataset_goes_on_exactly(policy: str) -> None:
    data, frame = made()
    again = world_of(data)
    for name, a, b in zip(frame.fixed._fields, frame.fixed, again.fixed, strict=True):
        assert np.array_equal(a, b), name
        assert a.dtype == b.dtype, name
    assert (again.week, again.origin, again.seed, again.known_from) == (
        frame.week, frame.origin, frame.seed, frame.known_from,
    )  # fmt: skip
    plan = Policy.load(policy)
    a, b = run(frame, plan, 60, kappa=0.25, replicate=3), run(again, plan, 60, kappa=0.25, replicate=3)
    assert len(a.log) > 100
    assert same(a, b)
    here = (frame.fixed.entered < a.end.week) & (frame.state.left > frame.week)
    for name, x, y in zip(a.end.state._fields, a.end.state, b.end.state, strict=True):
        mine = here[frame.fixed.enterprise] if len(x) == frame.obligations else here
        assert np.array_equal(x[mine], y[mine]), name


def test_it_goes_on_exactly_from_files(tmp_path: Path) -> None:
    folder = make_folder(300, 5, tmp_path / "data", format="csv")
    assert same(run(make(300, 5)[1], LEGACY, 40), run(world_of(read_dataset(folder)), LEGACY, 40))


@pytest.mark.parametrize("horizon", [52, 104, 260])
def test_a_longer_horizon_changes_nothing_before_its_entrants_come(horizon: int) -> None:
    # campaigns, capacity and all
    plan = policy_of({"campaign.rate": 0.5}, load("minhang-2023"))
    data, frame = made()
    assert same(run(frame, plan, 52), run(world_of(data, horizon_weeks=horizon), plan, 52))


def test_a_short_horizon_has_no_entrants_after_it() -> None:
    data, _ = made()
    frame = world_of(data, horizon_weeks=0)
    assert frame.enterprises == 1500
    assert (frame.fixed.entered <= frame.week).all()


def test_the_truth_is_the_state_of_the_world() -> None:
    data, frame = made()
    truth = data["truth"]
    known = (frame.fixed.entered < frame.week)[frame.fixed.enterprise]
    assert np.array_equal(truth["violation"], frame.state.violation[known])
    assert np.array_equal(truth["log_hazard"], frame.fixed.hazard[known])
    months = np.stack(truth["state_by_month"].to_list())
    assert months.shape[1] == 24
    assert months.max() <= 3
    late = (frame.fixed.entered > frame.known_from + 60)[frame.fixed.enterprise][known]
    assert not months[late, :12].any()  # not yet there in the first year


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: Dataset({k: v for k, v in d.items() if k != "truth"}, d.manifest), r"one has no truth\."),
        (lambda d: Dataset(dict(d), {}), r"no synthetic manifest"),
        (lambda d: Dataset(dict(d), d.manifest | {"parameters_hash": "0"}), r"made with other parameters"),
        (lambda d: Dataset(dict(d), d.manifest | {"seed": 99}), r"'truth' does not hold the enterprises"),
        *(
            (lambda d, k=key, v=value: Dataset(dict(d), d.manifest | {k: v}), rf"not say how .*: {key}\.")
            for key, value in (
                ("enterprises", [1]), ("enterprises", 20_000_000), ("enterprises", None), ("seed", -1),
                ("seed", "2"), ("week", 1e300), ("week", True), ("policy", 5), ("parameters_hash", None),
                ("start", None),
            )
        ),
        (lambda d: Dataset(dict(d), d.manifest | {"policy": "x"}), r"under the policy 'x', not 'legacy'"),
        (
            lambda d: Dataset(dict(d) | {"truth_enterprises": d["truth_enterprises"].iloc[::-1]}, d.manifest),
            r"'truth_enterprises' does not hold the enterprises",
        ),
    ],
)  # fmt: skip
def test_a_dataset_that_is_not_its_world_is_refused(spoil: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        world_of(spoil(made(300, 2)[0]))


# Records of a run


def test_each_inspection_is_a_row_of_the_run() -> None:
    data, done = made()[0], past()
    world, table = done.start.fixed, data["inspections"]
    log = done.table()
    i = log["obligation"].to_numpy()
    wanted = pd.DataFrame(
        {
            "enterprise_id": done.start.ids[world.enterprise[i]],
            "agency": np.array(AGENCIES)[world.agency[i]],
            "item_class": np.array(ITEM_CLASSES)[world.item_class[i]],
            "week": log["week"],
            "channel": np.array(CHANNELS)[log["channel"]],
            "mode": np.array(MODES)[log["mode"]],
            "finding": np.array(FINDINGS)[log["finding"]],
        }
    )
    week = (table["inspected_on"] - pd.Timestamp(done.start.origin)).dt.days // 7
    told = table.assign(week=week)[list(wanted)].astype(wanted.dtypes.to_dict())
    keys = ["week", "enterprise_id", "agency", "item_class"]
    pd.testing.assert_frame_equal(
        told.sort_values(keys, ignore_index=True),
        wanted.sort_values(keys, ignore_index=True),
        check_dtype=False,
    )
    assert table["inspected_on"].dt.day_of_week.max() <= 4  # working days
    assert table["check_code"].is_unique


def test_what_was_not_known_yet_is_not_told() -> None:
    data, done = made()[0], past()
    for name in RECORDS:
        for column in data[name].select_dtypes("datetime"):
            if column != "repairable_from":  # part of the decision
                assert (data[name][column].dropna() < END).all(), (name, column)
    table = data["inspections"]
    assert (table["disposition"].astype(str) == "none").equals(table["decided_on"].isna())
    assert (table["rating"].isna() == table["rated_on"].isna()).all()
    assert ((table["finding"] != "none") & table["decided_on"].isna()).sum() > 0  # still to be decided
    sealed = done.table()["disposition"] > 0
    assert (table["decided_on"].notna().sum()) < sealed.sum()
    assert (data["enterprises"]["closed_on"].dropna() < END).all()
    assert (data["enterprises"]["registered_on"] < END).all()


def test_propensities_are_the_probabilities_of_their_draws() -> None:
    data, done = made()[0], past()
    table = data["inspections"]
    by_lot = table.loc[table["channel"] == "random", "propensity"]
    assert by_lot.to_numpy() == pytest.approx(-np.expm1(-LEGACY["frequency.random_floor"] / 52), abs=1e-9)
    routine = table.loc[table["channel"] == "routine", "propensity"]
    assert routine.between(1e-6, 0.5).all()
    others = table.loc[~table["channel"].isin(["random", "routine", "campaign"])]
    assert others["propensity"].isna().all()
    assert others["served_share"].isna().all()
    share = table.loc[table["propensity"].notna(), "served_share"]
    assert ((share > 0) & (share <= 1)).all()
    # Horvitz-Thompson: the sum of 1/propensity over the routine rows counts obligation-weeks
    weeks = done.counts.sum()
    rows = table[table["channel"] == "random"]
    assert (1 / rows["propensity"]).sum() == pytest.approx(weeks, abs=4 * np.sqrt(weeks / 0.01 * 52))
    rows = table[(table["channel"] == "routine") & (table["mode"] == "onsite")]
    spread = np.sqrt((1 / rows["propensity"] ** 2).sum())
    assert abs((1 / rows["propensity"]).sum() - weeks) < 5 * spread


def test_penalties_are_records_of_their_own() -> None:
    data, _ = made()
    fined = data["inspections"][data["inspections"]["disposition"].isin(["penalised", "sealed"])]
    events = data["credit_events"]
    penalties = events[events["kind"] == "penalty"]
    known = fined[fined["decided_on"] + pd.Timedelta(days=7) < END]
    assert len(penalties) == len(known) > 30
    told = known.merge(
        penalties, left_on=["enterprise_id", "inspected_on"], right_on=["enterprise_id", "happened_on"]
    )
    assert len(told) >= len(known)
    assert (penalties["known_on"] > penalties["happened_on"]).all()
    assert (events["repairable_from"] >= events["known_on"]).loc[events["repairable_from"].notna()].all()
    repaired = events[events["repaired_on"].notna()]
    assert len(repaired) > 10
    assert (repaired["repaired_on"] >= repaired["repairable_from"]).all()
    assert penalties["letter_sent_on"].isna().all()  # no two letters under legacy
    with_letters = make(400, 1, policy=policy_of({"repair.two_letters": True}))[0]["credit_events"]
    mine = with_letters["kind"] == "penalty"
    assert with_letters.loc[mine, "letter_sent_on"].notna().all()
    assert with_letters.loc[~mine, "letter_sent_on"].isna().all()


def test_visits_hold_the_inspections_of_one_call() -> None:
    data, _ = make(400, 1, policy=policy_of(ALL_ON))
    table = data["inspections"]
    on_site = table[table["mode"] != "offsite"]
    visits = on_site.groupby("visit_id")
    for column in ("enterprise_id", "inspected_on", "mode"):
        assert len(on_site[["visit_id", column]].drop_duplicates()) == visits.ngroups, column
    joint = on_site[on_site["mode"] == "joint"].groupby("visit_id")["agency"].nunique()
    assert (joint > 1).all()
    assert len(joint) > 10
    alone = on_site[on_site["mode"] == "onsite"].groupby("visit_id")["agency"].nunique()
    assert (alone == 1).all()
    ratings = on_site.dropna(subset=["rating"])
    assert set(ratings["rating"]) == {1, 2, 3, 4, 5}
    assert not ratings[["visit_id", "rated_on"]].drop_duplicates()["visit_id"].duplicated().any()


def test_an_off_site_check_is_no_part_of_a_visit() -> None:
    data, _ = make(400, 1, policy=policy_of(ALL_ON))
    table = data["inspections"]
    off = table["mode"] == "offsite"
    assert off.sum() > 10
    assert not set(table.loc[off, "visit_id"]) & set(table.loc[~off, "visit_id"])
    assert table.loc[off, "visit_id"].is_unique
    assert table.loc[off, "rating"].isna().all()


# Complaints


def test_professional_complaints_come_from_few_people() -> None:
    data, _ = made(8000, 2)
    rows = data["complaints"].merge(data["truth_complaints"], on="complaint_id")
    per_person = rows.loc[rows["kind"] == "professional", "complainant"].value_counts()
    people = round(P["complaint.professional_people"] * 8000 / 1000)
    weight = np.arange(1, people + 1) ** -P["complaint.zipf"]
    share = weight / weight.sum()
    n = per_person.sum()
    assert n > 500
    assert len(per_person) <= people
    # the busiest and the three busiest, by the law's shares
    for k in (1, 3):
        p = share[:k].sum()
        assert abs(per_person.iloc[:k].sum() - n * p) <= 4 * np.sqrt(n * p * (1 - p)) + 1
    heavy = per_person[per_person >= 10].sum() / n
    assert heavy > 1 / 3  # what Shanghai says of its heavy users
    others = rows.loc[rows["kind"] != "professional", "complainant"]
    assert others.is_unique
    people_table = data["truth_complainants"].set_index("complainant")["professional"]
    assert people_table.loc[per_person.index].all()
    assert not people_table.loc[others].any()


def test_professional_complaints_keep_to_one_door_and_their_sectors() -> None:
    data, _ = made(8000, 2)
    rows = data["complaints"].merge(data["truth_complaints"], on="complaint_id")
    rows = rows.merge(data["enterprises"][["enterprise_id", "sector"]], on="enterprise_id")
    mine = rows[rows["kind"] == "professional"]
    assert set(mine["agency"].astype(str)) == {"market_regulation"}
    count = data["enterprises"]["sector"].value_counts()
    rate = mine["sector"].value_counts() / count
    assert rate["catering"] > 2 * rate["retail"] > 4 * rate["construction"]
    assert rows.loc[rows["kind"] != "professional", "agency"].nunique() > 5


def test_complaints_are_substantiated_by_the_next_visit_or_not_at_all() -> None:
    data, done = made(8000, 2)[0], past(8000, 2)
    rows = data["complaints"].merge(data["truth_complaints"], on="complaint_id")
    assert (rows["substantiated"].isna() == rows["substantiated_on"].isna()).all()
    settled = rows.dropna(subset=["substantiated"])
    assert len(settled) > 100
    assert (settled["substantiated_on"] > settled["received_on"]).all()
    right = settled.groupby("kind", observed=True)["substantiated"].mean().astype(float)
    assert right["true"] > 2 * right["mistaken"]
    opened = (done.signals[:, 2] < 3) & (done.signals[:, 3] > 0)
    assert len(settled) <= opened.sum()
    counts = np.bincount(done.signals[:, 2], minlength=5)
    assert rows["kind"].value_counts()[["true", "mistaken", "professional"]].tolist() == counts[:3].tolist()
    assert len(data["signals"]) == counts[3:].sum()


def test_tiers_are_those_in_force_at_the_end() -> None:
    data, frame = made()
    here = frame.alive()
    assert data["tiers"]["enterprise_id"].tolist() == frame.ids[here].tolist()
    assert np.array_equal(data["tiers"]["tier"].cat.codes, frame.state.tier[here])
    assert np.array_equal(data["tiers"]["risk_level"] - 1, frame.state.risk_level[here])
    assert (data["tiers"]["assigned_on"] < END).all()


# History


def test_the_past_is_the_engine_under_legacy() -> None:
    data, frame = made()
    done = past()
    assert done.policy == LEGACY
    assert (done.start.known_from, done.start.week, done.end.week) == (52, 52, 156)
    assert done.weeks == 104
    assert same(done, run(done.start, LEGACY, 104))
    assert all(np.array_equal(a, b) for a, b in zip(done.end.state, frame.state, strict=True))
    assert pd.Timestamp(done.start.date) == START
    assert pd.Timestamp(frame.date) == END
    assert data.manifest["as_of"] == "2024-12-30"
    assert (data["inspections"]["inspected_on"] >= START).all()


def test_the_burn_in_leaves_states_and_deterrence_and_no_records() -> None:
    state = past().start.state
    born = draw(1500, 1, LEGACY).world.state
    assert (state.found_week >= 0).any()  # deterrence lasts
    assert not np.array_equal(state.violation, born.violation)
    assert (state.record_until < 0).all()
    assert (state.adverse_until < 0).all()
    assert not state.conduct.any()
    assert (state.last_visit < 0).all()


def test_months_are_first_weeks_of_months() -> None:
    population, done, months = history(60, 2)
    assert list(months) == [y * 100 + m for y in (2023, 2024) for m in range(1, 13)]
    seen: dict[int, Any] = {}
    run(done.start, LEGACY, 104, observe=lambda week, state: seen.update({week: state.violation.copy()}))
    first = {}
    for week in seen:
        monday = pd.Timestamp(population.world.origin) + pd.Timedelta(weeks=week)
        first.setdefault(monday.year * 100 + monday.month, week)
    assert all(np.array_equal(months[month], seen[week]) for month, week in first.items())


def test_a_policy_of_the_past_is_named_in_its_records() -> None:
    busy = policy_of({"frequency.base_rate": 1.5})
    data, _ = make(300, 1, policy=busy)
    assert data.manifest["policy"] == "drawn"
    assert data.manifest["policy_hash"] == busy.hash != LEGACY.hash
    assert len(data["inspections"]) > 2 * len(make(300, 1)[0]["inspections"])
    with pytest.raises(ValueError, match="hand that policy over"):
        world_of(data)
    assert dataclasses.is_dataclass(world_of(data, policy=busy))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "The number of 'enterprises' must be in"),
        ((10, -1), "The 'seed' must be a whole number from 0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(*arguments)


def test_a_world_grown_without_its_records_is_the_one_that_they_lead_to() -> None:
    told: list[tuple[int, int]] = []
    grown = grow(150, 6, progress=lambda done, total: told.append((done, total)))
    made = make(150, 6)[1]
    for one, other in ((grown.fixed, made.fixed), (grown.state, made.state)):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert (grown.week, grown.date, list(grown.ids)) == (made.week, made.date, list(made.ids))
    assert told == [(k, grown.week) for k in range(1, grown.week + 1)]
