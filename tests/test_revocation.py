"""Without a record, everything is as if it had never been: scores, tier, and what moves adds up."""

import json

import numpy as np
import pandas as pd
import pytest
from shared import model_folder

from tierkit.explain import Revocation, revoked
from tierkit.features import build
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.records import DataError, Dataset, read_dataset
from tierkit.scores.model import Model

AS_OF = pd.Timestamp("2024-12-30")
KEYS = {"inspections": "check_code", "credit_events": "event_id", "complaints": "complaint_id",
        "signals": "signal_id"}  # fmt: skip
DAYS = {"inspections": "inspected_on", "credit_events": "known_on", "complaints": "received_on",
        "signals": "raised_on"}  # fmt: skip


@pytest.fixture(scope="module")
def data() -> Dataset:
    return read_dataset("data/synthetic")


@pytest.fixture(scope="module")
def model(data) -> Model:
    return Model.load(model_folder("shanghai-2025"))


def victims(data: Dataset) -> list[tuple[str, list[str]]]:
    """Return enterprises on the register with a record of each table, or several inspections."""
    here = set(build(data, AS_OF).index)
    out = []
    for table, key in list(KEYS.items())[1:]:
        rows = data[table]
        rows = rows[rows["enterprise_id"].isin(here) & (rows[DAYS[table]] >= "2024-01-10")]
        if table == "complaints":
            rows = rows[rows["substantiated"].fillna(False)]
        out.append((rows["enterprise_id"].iloc[0], [rows[key].iloc[0]]))
    seen = data["inspections"]
    many = seen[seen["enterprise_id"].isin(here)].groupby("enterprise_id")["check_code"].agg(list)
    most = many.map(len).idxmax()
    return [*out, (most, many[most][:3])]


@pytest.mark.parametrize("place", [0, 1, *(pytest.param(k, marks=pytest.mark.long) for k in (2, 3))])
def test_it_is_as_if_the_records_had_never_been(data, model, place) -> None:
    one, ids = victims(data)[place]
    policy = Policy.load("shanghai-2025")
    found = revoked(model, data, AS_OF, one, ids, policy, lang="en")
    assert sorted(record.record_id for record in found.records) == sorted(ids)
    never = {
        name: frame[~frame[KEYS[name]].isin(ids)] if name in KEYS else frame for name, frame in data.items()
    }
    for why, tables in ((found.before, data), (found.after, never)):
        scores = model.score(tables, AS_OF, [one])
        placed = assign(scores, policy)
        assert why.tier == placed["tier"].item()
        assert why.risk_margin == scores["risk_margin"].item()
        assert why.credit_points == pytest.approx(scores["credit_points"].item(), abs=1e-9)
    assert found.tier_alone == found.after.tier  # no last tier, so nothing holds it
    assert found.changes == (found.before.tier != found.after.tier)
    moved = found.moved("en").groupby("axis")["change"].sum()
    assert moved.get("risk", 0.0) == pytest.approx(
        found.after.risk_margin - found.before.risk_margin, abs=1e-9
    )
    assert moved.get("credit", 0.0) == pytest.approx(
        found.after.credit_points - found.before.credit_points, abs=1e-9
    )
    gone = {record.record_id for reason in found.after.reasons for record in reason.records}
    assert not gone & set(ids)
    # As data, in which a distance that is none is equal to another.
    assert Revocation.from_dict(json.loads(json.dumps(found.to_dict()))).to_dict() == found.to_dict()


def test_one_who_complained_often_counts_once_less(data, model) -> None:
    """A complainant with ten complaints in the city is heavy, one with nine is not."""
    said = data["complaints"]
    one = build(data, AS_OF).index[0]
    rows = pd.DataFrame({
        "complaint_id": [f"k{i}" for i in range(10)], "enterprise_id": one, "agency": "fire",
        "received_on": AS_OF - pd.to_timedelta(np.arange(1, 11), unit="D"), "channel": "hotline",
        "complainant": "often",
    })  # fmt: skip
    more = {**data, "complaints": pd.concat([said, rows], ignore_index=True)}
    assert build(more, AS_OF, [one])["ordinary_complaints_1y"].item() == 0
    found = revoked(model, more, AS_OF, one, ["k3"], Policy.load("shanghai-2025"))
    values = {one.feature: one.value_after for one in found.moves if one.axis == "risk"}
    never = {**more, "complaints": more["complaints"].query("complaint_id != 'k3'")}
    assert build(never, AS_OF, [one])["ordinary_complaints_1y"].item() == 9
    assert found.after.risk_margin == model.score(never, AS_OF, [one])["risk_margin"].item()
    assert values.get("ordinary_complaints_1y", 9) == 9


def test_a_last_tier_that_holds_is_told(data, model) -> None:
    policy = Policy.load("shanghai-2025")
    one, kind = data["enterprises"]["enterprise_id"].iloc[3], "serious_dishonesty"
    record = pd.DataFrame({
        "event_id": ["line"], "enterprise_id": one, "kind": kind, "severity": "serious",
        "happened_on": AS_OF - pd.Timedelta(days=40), "known_on": AS_OF - pd.Timedelta(days=30),
        "repairable_from": [AS_OF + pd.Timedelta(days=300)],
    })  # fmt: skip
    red = {**data, "credit_events": pd.concat([data["credit_events"], record], ignore_index=True)}
    last = assign(model.score(red, AS_OF, [one]), policy).assign(weeks_ago=1)
    plain = revoked(model, red, AS_OF, one, ["line"], policy, lang="en")
    held = revoked(model, red, AS_OF, one, ["line"], policy, last, lang="en")
    assert plain.before.tier == held.before.tier == "T4"
    assert plain.changes
    assert plain.sentences()[0].endswith(f"instead of {plain.before.tier} (checked strictly).")
    assert "line (2024-11-30, serious dishonesty)" in plain.sentences()[0]
    assert held.after.tier == "T4"  # the last tier stands for its time
    assert held.tier_alone == plain.after.tier
    assert "hysteresis or dwell keeps T4" in " ".join(held.sentences())
    assert not held.changes
    assert "<li>" in held._repr_html_()


def test_a_penalty_of_the_same_day_is_named_and_not_taken_away(data, model) -> None:
    fined = data["credit_events"].query("kind == 'penalty'").iloc[-1]
    seen = data["inspections"]
    check = seen[
        (seen["enterprise_id"] == fined["enterprise_id"]) & (seen["inspected_on"] == fined["happened_on"])
    ].iloc[0]
    args = (model, data, AS_OF, fined["enterprise_id"])
    policy = Policy.load("shanghai-2025")
    found = revoked(*args, [check["check_code"]], policy, lang="en")
    assert [record.record_id for record in found.related] == [fined["event_id"]]
    assert fined["event_id"] in found.sentences()[-1]
    both = revoked(*args, [check["check_code"], fined["event_id"]], policy)
    assert both.related == ()
    assert len(both.records) == 2


def test_what_cannot_be_revoked_is_refused_with_what_to_do(data, model) -> None:
    policy = Policy.load("shanghai-2025")
    events = data["credit_events"]
    one, other = (
        events["enterprise_id"].iloc[0],
        events[events["enterprise_id"] != events["enterprise_id"].iloc[0]],
    )
    day = events["known_on"].iloc[0]
    ids = [events["event_id"].iloc[0], other["event_id"].iloc[0], "'; DROP TABLE raw_signals; --"]
    with pytest.raises(DataError) as refused:
        revoked(model, data, day, one, ids, policy)
    late, stranger, unknown = map(str, refused.value.problems)
    assert f"was not known before {day:%Y-%m-%d}" in late
    assert f"is not a record of {one}" in stranger
    assert "is in none of the tables inspections, credit_events, complaints, signals" in unknown
    with pytest.raises(DataError, match="no record is given"):
        revoked(model, data, AS_OF, one, [], policy)
    with pytest.raises(DataError, match="is not in the dataset"):
        revoked(model, data, AS_OF, "nobody", ids, policy)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_sentence_is_whole(data, model, lang) -> None:
    one, ids = victims(data)[0]
    said = revoked(model, data, AS_OF, one, ids, Policy.load("jiading-2025"), lang=lang).sentences()
    assert all(ids[0] in said[0] for _ in said)
    assert all(sentence.endswith("。" if lang == "zh" else ".") for sentence in said)
    assert not any("{" in sentence for sentence in said)
