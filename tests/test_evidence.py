"""The records behind each reason are those that its feature counts, for everybody, by id and date."""

import json

import numpy as np
import pandas as pd
import pytest
from make_dataset import make_dataset
from shared import model_folder

from tierkit import texts
from tierkit.explain import Reasons, Record, evidence, reasons
from tierkit.features import FEATURES, NEVER_DAYS, RECORD_DAYS, build
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.records import TABLES, DataError, Dataset, read_dataset
from tierkit.scores.model import Model

AS_OF = pd.Timestamp("2024-12-30")
KEYS = {"inspections": "check_code", "credit_events": "event_id", "complaints": "complaint_id",
        "signals": "signal_id"}  # fmt: skip
SHARES = {"repaired_share", "heavy_share_1y"}


@pytest.fixture(scope="module")
def city() -> Dataset:
    return read_dataset("data/synthetic")


def random_records() -> Dataset:
    return make_dataset(200, seed=3, records=2000)


@pytest.mark.parametrize(
    ("make", "day"),
    [(lambda: read_dataset("data/synthetic"), "2024-12-30"), (random_records, "2023-07-15")],
)
def test_there_are_as_many_as_a_count_says_and_the_last_is_as_long_ago(make, day) -> None:
    data = make()
    X, found = build(data, day, closed=True), evidence(data, day)
    assert set(found["enterprise_id"]) == set(X.index)
    behind = {name: rows for name, rows in found.groupby("feature")}  # noqa: C416  a dict of a groupby fails
    counted = 0
    for feature in FEATURES:
        rows = behind.get(feature.name, found.iloc[:0])
        n = rows.groupby("enterprise_id").size().reindex(X.index, fill_value=0)
        if feature.where is None:
            assert (n == 1).all()
            assert (rows["record_id"] == rows["enterprise_id"]).all()
        elif feature.latest:
            assert len(rows[["enterprise_id", "on"]].drop_duplicates()) == rows["enterprise_id"].nunique()
            days = (pd.Timestamp(day) - rows.groupby("enterprise_id")["on"].first()).dt.days
            ago = days.clip(upper=NEVER_DAYS).reindex(X.index, fill_value=NEVER_DAYS)
            np.testing.assert_array_equal(ago, X[feature.name])
        elif feature.name == "ordinary_complainants_1y":
            who = rows.merge(data["complaints"], left_on="record_id", right_on="complaint_id")
            people = who.groupby("enterprise_id_x")["complainant"].nunique().reindex(X.index, fill_value=0)
            np.testing.assert_array_equal(people, X[feature.name])
        elif feature.name == "self_check_1y":  # of several in a year one counts
            np.testing.assert_array_equal(n.clip(upper=1), X[feature.name])
        elif feature.name not in SHARES:
            np.testing.assert_array_equal(n, X[feature.name], err_msg=feature.name)
            counted += n.sum() > 0
    assert counted > 20
    for name, rows in found[found["table"].isin(list(KEYS))].groupby("table"):
        known = data[name].set_index(KEYS[name])
        assert (known.loc[rows["record_id"], "enterprise_id"].to_numpy() == rows["enterprise_id"]).all()
        first = known.loc[rows["record_id"], TABLES[name].columns["enterprise_id"].known_from]
        assert (first < pd.Timestamp(day)).all()
    assert (found["on"] < pd.Timestamp(day)).all()


def test_the_latest_record_comes_first_and_those_of_a_day_by_id(city) -> None:
    found = evidence(city, AS_OF)
    later = 0
    for _, rows in found.groupby(["enterprise_id", "feature"]):
        days, ids = rows["on"].tolist(), rows["record_id"].tolist()
        pairs = list(zip(days, ids, strict=True))
        assert pairs == sorted(
            sorted(pairs, key=lambda pair: pair[1]), key=lambda pair: pair[0], reverse=True
        )
        later += len(set(days)) > 1
    assert later > 20


def test_a_share_has_the_records_that_it_is_a_share_of(city) -> None:
    X, found = build(city, AS_OF), evidence(city, AS_OF)
    events = city["credit_events"].set_index("event_id")
    rows = found[found["feature"] == "repaired_share"]
    done = (events.loc[rows["record_id"], "repaired_on"] < AS_OF).groupby(rows["enterprise_id"].to_numpy())
    assert (events.loc[rows["record_id"], "known_on"] >= AS_OF - pd.Timedelta(days=RECORD_DAYS)).all()
    np.testing.assert_allclose(done.mean().reindex(X.index, fill_value=1.0), X["repaired_share"])
    n = found[found["feature"] == "heavy_share_1y"].groupby("enterprise_id").size()
    np.testing.assert_array_equal(n.reindex(X.index, fill_value=0), X["complaints_1y"])


def test_nothing_known_on_the_day_or_later_is_behind_anything(city) -> None:
    day = pd.Timestamp("2024-06-01")
    before = evidence(city, day)
    gone = {name: frame.copy() for name, frame in city.items()}
    for name in KEYS:
        gone[name] = gone[name][gone[name][TABLES[name].columns["enterprise_id"].known_from] < day]
    repairs = gone["credit_events"]
    gone["credit_events"] = repairs.assign(
        repaired_on=repairs["repaired_on"].where(repairs["repaired_on"] < day)
    )
    pd.testing.assert_frame_equal(before, evidence(gone, day))


def test_those_asked_about_in_their_order_and_strangers_refused(city) -> None:
    everybody = evidence(city, AS_OF)
    ids = [*build(city, AS_OF).index[[5, 2]]]
    found = evidence(city, AS_OF, ids)
    assert found["enterprise_id"].drop_duplicates().tolist() == ids
    for one in ids:
        pd.testing.assert_frame_equal(
            found[found["enterprise_id"] == one].reset_index(drop=True),
            everybody[everybody["enterprise_id"] == one].reset_index(drop=True),
        )
    with pytest.raises(DataError, match="is not in the dataset"):
        evidence(city, AS_OF, ["nobody"])


@pytest.fixture(scope="module")
def model(city) -> Model:
    return Model.load(model_folder("shanghai-2025"))


def test_reasons_carry_their_records_through_tables_sentences_and_json(city, model) -> None:
    X, policy = build(city, AS_OF), Policy.load("shanghai-2025")
    assigned = assign(model.score(city, AS_OF), policy)
    one = X["adverse_open"].idxmax()
    found = evidence(city, AS_OF, [one])
    why = reasons(model.risk, model.credit, X, assigned, policy, one, lang="en", records=found)
    plain = reasons(model.risk, model.credit, X, assigned, policy, one, lang="en")
    assert why.sentences() == plain.sentences()
    assert "records" not in plain.table()
    for reason in why.reasons:
        mine = found[found["feature"] == reason.feature]
        assert [record.record_id for record in reason.records] == mine["record_id"].tolist()
        assert [record.on for record in reason.records] == mine["on"].dt.strftime("%Y-%m-%d").tolist()
    checks = next(reason for reason in why.reasons if len(reason.records) > 3)
    said = checks.behind("en")
    assert said.startswith("Records: credit event ")
    assert said.endswith(f"and {len(checks.records) - 3} more.")
    assert [record.record_id in said for record in checks.records] == [True] * 3 + [False] * (
        len(checks.records) - 3
    )
    told = why.sentences(top=60, records=True)
    assert any(said in sentence for sentence in told)
    assert "register entry" not in " ".join(told)
    shown = why.table().set_index("feature")["records"][checks.feature]
    assert all(f"{record.record_id} ({record.on})" in shown for record in checks.records)
    assert Reasons.from_dict(json.loads(json.dumps(why.to_dict()))) == why
    old = plain.to_dict()
    for reason in old["reasons"]:
        del reason["records"]
    assert Reasons.from_dict(old) == plain


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_odd_id_is_shown_as_text(lang: str) -> None:
    odd = Record("signals", "<b>\u202e" + "x" * 500, "2024-01-01", "incident").text(lang)
    assert "\u202e" not in odd
    assert len(odd) < 120
    assert texts.text("record.of.signals", lang) in odd
