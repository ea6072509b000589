"""A world of scored records: its hazards give the risks back, and what is wrong with a table is all told."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from worlds import policy_of

from tierkit.city.engine import oracle_scores, run
from tierkit.city.parameters import parameters
from tierkit.city.scored import MOST_VIOLATING, ROOM_FOR_ALL, table_of, world_from_scores
from tierkit.city.synth import make
from tierkit.city.world import LOG_ONE
from tierkit.policy import Policy
from tierkit.records import SHANGHAI, UNINSPECTED_KINDS

AGENCIES = SHANGHAI.ids("agency")

DAY = dt.date(2024, 1, 1)


def table(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    own = pd.DataFrame(
        {
            "enterprise_id": [f"e{k}" for k in range(n)],
            "sector": rng.choice(["food", "retail"], n),
            "size": rng.choice(["micro", "large"], n),
            "risk_probability": rng.uniform(0.02, 0.5, n),
        }
    )
    rows = [
        own.assign(agency=a, item_class=c) for a, c in (("fire", "key"), ("market_regulation", "general"))
    ]
    return pd.concat(rows).sample(frac=1, random_state=seed).reset_index(drop=True)


def test_its_true_risk_is_the_risk_it_was_made_of() -> None:
    rows = table()
    frame = world_from_scores(rows, DAY)
    truth = oracle_scores(frame, 0.7).set_index("enterprise_id")["risk_probability"]
    given = rows.drop_duplicates("enterprise_id").set_index("enterprise_id")["risk_probability"]
    np.testing.assert_allclose(truth, given[truth.index], rtol=2 / LOG_ONE)


def test_audits_find_what_the_risks_say() -> None:
    n = 100_000
    rows = pd.DataFrame(
        {
            "enterprise_id": [f"b{k}" for k in range(n)], "sector": "construction", "size": "small",
            "agency": "construction", "item_class": "general",
            "risk_probability": np.repeat([0.05, 0.2, 0.5], [n // 2, n // 4, n // 4]),
        }
    )  # fmt: skip
    quiet = {name: 0.0 for name in parameters() if name.startswith("deterrence.found")}
    frame = world_from_scores(rows, DAY, params=parameters().replace(quiet))
    policy = policy_of({"frequency.random_floor": 1.0, "depth.inspector_sd": 0.0})
    log = run(frame, policy, 6).table()
    audits = log[log["channel"] == 0]
    group = audits["obligation"] // (n // 4)
    for which, risk in (([0, 1], 0.05), ([2], 0.2), ([3], 0.5)):
        found = (audits.loc[group.isin(which), "finding"] > 0).to_numpy()
        assert abs(found.mean() - risk) < 4 * np.sqrt(risk * (1 - risk) / len(found))
        assert len(found) > 1000


def test_credit_events_are_as_frequent_as_in_a_city_whose_propensities_are_known() -> None:
    n, weeks, kind = 20_000, 104, "late_annual_report"
    rows = pd.DataFrame(
        {
            "enterprise_id": [f"c{k}" for k in range(n)], "sector": "retail", "size": "micro",
            "agency": "fire", "item_class": "general", "risk_probability": 0.1,
        }
    )  # fmt: skip
    done = run(world_from_scores(rows, DAY), Policy.load("legacy"), weeks)
    seen = (done.events[:, 2] == UNINSPECTED_KINDS.index(kind)).sum()
    z = np.random.default_rng(0).normal(size=10**6)
    yearly = parameters()[f"adverse.{kind}"] * np.exp(parameters()[f"slope.{kind}"] * z).mean()
    assert abs(seen - yearly * weeks / 52 * n) < 5 * np.sqrt(yearly * weeks / 52 * n)


def test_rows_come_in_any_order_and_levels_arrive() -> None:
    rows = table(50).assign(district="jinshan", ownership="foreign", commitment=True)
    frame = world_from_scores(rows, DAY, capacity={"fire": 3})
    world = frame.fixed
    assert frame.date == DAY
    assert frame.alive().all()
    assert (np.diff(world.start) == 2).all()
    assert world.local.reshape(-1, 2).tolist() == [[0, 3]] * 50
    assert world.capacity[AGENCIES.index("fire")] == 3
    assert (np.delete(world.capacity, AGENCIES.index("fire")) == ROOM_FOR_ALL).all()
    assert (world.permit_phase >= 0).all()
    again = world_from_scores(rows.sort_values(["enterprise_id", "agency"]), DAY, capacity={"fire": 3})
    by_id = dict(zip(again.ids, again.fixed.hazard[::2], strict=True))
    assert by_id == dict(zip(frame.ids, world.hazard[::2], strict=True))


def test_it_runs_every_week_with_conservation() -> None:
    done = run(world_from_scores(table(), DAY), Policy.load("legacy"), 52)
    done.check_conservation()
    assert len(done.log) > 100


def test_records_of_the_contract_make_a_table() -> None:
    data, end = make(200, 3)
    ids = data["enterprises"]["enterprise_id"]
    scores = pd.DataFrame({"enterprise_id": ids, "risk_probability": 0.1}).iloc[:-5]
    rows = table_of(data, scores, end.date)
    frame = world_from_scores(rows, end.date)
    assert set(frame.ids) <= set(scores["enterprise_id"])
    assert len(set(frame.ids) - set(end.ids[end.alive()])) < 3  # who leaves on the day itself is not known to
    place = {i: k for k, i in enumerate(end.ids)}
    for slot in range(0, frame.enterprises, 17):
        old = place[frame.ids[slot]]
        a, b = frame.fixed, end.fixed
        mine, theirs = slice(a.start[slot], a.start[slot + 1]), slice(b.start[old], b.start[old + 1])
        for name in ("local", "item"):
            np.testing.assert_array_equal(getattr(a, name)[mine], getattr(b, name)[theirs])
        for name in ("sector", "size", "district", "ownership", "base_rate", "professional"):
            assert getattr(a, name)[slot] == getattr(b, name)[old]


def test_a_risk_that_no_audit_could_find_is_cut_with_a_warning() -> None:
    rows = table(10).assign(risk_probability=0.9)
    with pytest.warns(UserWarning, match="20 of 20 risks are above 0.672"):
        frame = world_from_scores(rows, DAY)
    assert oracle_scores(frame, 1.0)["risk_probability"].to_numpy() == pytest.approx(MOST_VIOLATING, abs=1e-3)


def test_everything_wrong_with_a_table_is_told_at_once() -> None:
    rows = table(5)
    with pytest.raises(
        ValueError, match=r"column 'size' is missing; column 'agency' is missing \(2 problems"
    ):
        world_from_scores(rows.drop(columns=["size", "agency"]), DAY)
    with pytest.raises(ValueError, match="no rows"):
        world_from_scores(rows.iloc[:0], DAY)
    bad = pd.concat([rows, rows.iloc[:1]], ignore_index=True)
    bad.loc[0, "sector"] = "moon"
    bad.loc[1, "risk_probability"] = np.nan
    with pytest.raises(ValueError) as told:  # noqa: PT011 - the parts are looked at below
        world_from_scores(bad, DAY, capacity={"police": 1})
    parts = ["'sector' holds moon", "not inside (0, 1) in 1 rows", "1 rows repeat", "(5 problems)"]
    for part in [*parts, "'sector' differs within", "'capacity' names police"]:
        assert part in str(told.value)
    with pytest.raises(ValueError, match=r"'detection' must be in \(0, 1\]. Got 0"):
        world_from_scores(rows, DAY, detection=0.0)
