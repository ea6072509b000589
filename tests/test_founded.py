"""What moves a score or a tier is founded on a record with its day; what was found untrue is none."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import CITY, DAY, model_folder

from tierkit.city.synth import make
from tierkit.features import BONUSES, BY_NAME, FEATURES, build
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.records import (
    CREDIT_EVENTS,
    EVENT_KINDS,
    MERIT_DAYS,
    MERITS,
    Dataset,
    read_dataset,
    row_problems,
    validate,
)
from tierkit.scores.model import Model

SCORES = ["risk_margin", "risk_probability", "credit_points", "credit_probability"]


@cache
def told() -> tuple[Model, Dataset, pd.DataFrame, dict[str, pd.Series]]:
    """Return a model, the city's records, their scores and the tiers under four plans."""
    model, data = Model.load(model_folder("jiading-2025")), read_dataset(CITY)
    scores = model.score(data, DAY)
    return model, data, scores, tiers(scores)


def tiers(scores: pd.DataFrame) -> dict[str, pd.Series]:
    plans = ("shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025")
    return {name: assign(scores, Policy.load(name))["tier"] for name in plans}


def complaints(rows: list[tuple[int, int, int, bool]], ids: pd.Series, like: pd.DataFrame) -> pd.DataFrame:
    """Return complaints of the last year that are open, or were found untrue."""
    day = pd.Timestamp(DAY)
    made = [
        {
            "complaint_id": f"new{k}", "enterprise_id": ids.iloc[who % len(ids)],
            "agency": "market_regulation",
            "received_on": day - pd.Timedelta(days=age), "channel": "hotline", "complainant": f"c{by}",
            "substantiated": False if closed else pd.NA,
            "substantiated_on": day - pd.Timedelta(days=age // 2 + 1) if closed else pd.NaT,
        }
        for k, (who, age, by, closed) in enumerate(rows)
    ]  # fmt: skip
    return pd.concat([like, pd.DataFrame(made).astype(like.dtypes)], ignore_index=True)


rows = st.lists(
    st.tuples(st.integers(0, 10**6), st.integers(2, 364), st.integers(0, 40), st.booleans()),
    min_size=1,
    max_size=300,
)


@given(rows)
@settings(max_examples=4, deadline=None)
def test_complaints_that_are_open_or_were_found_untrue_move_no_score_and_no_tier(
    given_rows: list[tuple[int, int, int, bool]],
) -> None:
    model, data, before, placed = told()
    more: dict[str, Any] = dict(data.items())
    more["complaints"] = complaints(given_rows, before["enterprise_id"], data["complaints"])
    after = model.score(more, DAY)
    pd.testing.assert_frame_equal(after[SCORES], before[SCORES], check_exact=True)
    for name, tier in tiers(after).items():
        pd.testing.assert_series_equal(tier, placed[name])


def test_a_complaint_that_was_found_true_does_count() -> None:
    _, data, before, _ = told()
    found = complaints([(k, 20, k, True) for k in range(200)], before["enterprise_id"], data["complaints"])
    found.loc[len(data["complaints"]) :, "substantiated"] = True
    ids = before["enterprise_id"].tolist()
    was, now = (build(records, DAY, ids) for records in (data, dict(data.items()) | {"complaints": found}))
    np.testing.assert_array_equal(
        now["substantiated_1y"] - was["substantiated_1y"], [1.0] * 200 + [0.0] * (len(ids) - 200)
    )
    only = [name for name in was if one_reads(name) and not was[name].equals(now[name])]
    assert sorted(only) == ["substantiated_1y", "substantiated_2y"]


def one_reads(name: str) -> bool:
    return BY_NAME[name].risk is not None or BY_NAME[name].credit is not None


def test_models_read_of_complaints_only_those_that_were_found_true() -> None:
    of_complaints = [one for one in FEATURES if one.source == "complaints"]
    read = [one for one in of_complaints if one_reads(one.name)]
    assert sorted(one.name for one in read) == ["substantiated_1y", "substantiated_2y"]
    assert all(str(one.where).startswith("substantiated AND") for one in read)


CONDUCT = ("late_annual_report", "address_unreachable", "certified_management", "self_check_filed")
"""What an enterprise did or left undone, and was a tag without a day."""


def events(drawn: list[tuple[str, int, int, int]], ids: list[str], like: pd.DataFrame) -> pd.DataFrame:
    """Return credit events known some days after the day, or before it, and repaired later."""
    day, made = pd.Timestamp(DAY), []
    for k, (kind, who, after, repaired) in enumerate(drawn):
        known_on = day + pd.Timedelta(days=after)
        mended = kind not in MERITS and repaired >= 0
        made.append({
            "event_id": f"new{k}", "enterprise_id": ids[who % len(ids)], "kind": kind, "severity": "minor",
            "happened_on": known_on, "known_on": known_on, "repairable_from": pd.NaT,
            "repaired_on": known_on + pd.Timedelta(days=repaired) if mended else pd.NaT,
            "letter_sent_on": pd.NaT,
        })  # fmt: skip
    return pd.DataFrame(made, columns=list(like)).astype(like.dtypes)


drawn_events = st.lists(
    st.tuples(st.sampled_from(CONDUCT), st.integers(0, 10**6), st.integers(-1300, 400), st.integers(-1, 900)),
    min_size=1,
    max_size=200,
)


@cache
def small() -> Dataset:
    return make(300, 4)[0]


@given(drawn_events)
@settings(max_examples=6, deadline=None)
def test_a_feature_sees_of_conduct_what_was_known_before_the_day_and_nothing_later(
    drawn: list[tuple[str, int, int, int]],
) -> None:
    data, day = small(), pd.Timestamp(DAY)
    ids = data["enterprises"]["enterprise_id"].tolist()
    new = events(drawn, ids, data["credit_events"])
    whole = pd.concat([data["credit_events"], new], ignore_index=True)
    early = new[new["known_on"] < day]
    early = early.assign(repaired_on=early["repaired_on"].where(early["repaired_on"] < day))
    known = pd.concat([data["credit_events"], early], ignore_index=True)
    X, expected = (build({**data, "credit_events": one}, DAY, closed=True) for one in (whole, known))
    pd.testing.assert_frame_equal(X, expected, check_exact=True)
    for name, kind in {
        "certificates_3y": "certified_management",
        "self_check_1y": "self_check_filed",
    }.items():
        since = day - pd.Timedelta(days=MERIT_DAYS[kind])
        mine = known[(known["kind"] == kind) & (known["known_on"] >= since) & (known["known_on"] < day)]
        counts = mine["enterprise_id"].value_counts().reindex(X.index, fill_value=0)
        np.testing.assert_array_equal(X[name], counts.clip(upper=1) if name == "self_check_1y" else counts)
    for kind in ("late_annual_report", "address_unreachable"):
        open_ = known["repaired_on"].isna() | (known["repaired_on"] >= day)
        since = day - pd.Timedelta(days=1095)
        open_ &= (known["kind"] == kind) & (known["known_on"] >= since) & (known["known_on"] < day)
        counts = known.loc[open_, "enterprise_id"].value_counts().reindex(X.index, fill_value=0)
        np.testing.assert_array_equal(X[f"{kind}_open"], counts)


def test_what_is_known_from_registration_is_no_conduct() -> None:
    of_register = [one for one in FEATURES if one.source == "enterprises"]
    assert {one.group for one in of_register} == {"structure"}
    tags = {tag for own in small()["enterprises"]["tags"] for tag in own}
    assert len(tags) == 4
    assert not tags & set(EVENT_KINDS)
    # as old as they are, enterprises are the same on any two days
    names = [one.name for one in of_register if one.name != "age_years"]
    first, last = build(small(), "2024-03-01"), build(small(), DAY)
    both = first.index.intersection(last.index)
    assert len(both) > 200
    pd.testing.assert_frame_equal(first.loc[both, names], last.loc[both, names], check_exact=True)


def test_conduct_has_its_day_and_goes_with_latent_propensity_as_declared() -> None:
    data, world = make(6_000, 1)
    latent = pd.Series(world.fixed.latent / 512, world.ids)
    told = data["credit_events"]
    assert told["known_on"].notna().all()
    for kind in CONDUCT:
        of_kind = told[told["kind"] == kind]
        assert (of_kind["known_on"] >= of_kind["happened_on"]).all()
        assert of_kind["known_on"].nunique() > 50
        # of a Poisson draw with rate exp(slope z), z standard normal, those drawn have the mean slope
        mean, error = latent[of_kind["enterprise_id"]].mean(), 4 / np.sqrt(len(of_kind))
        slope = CREDIT_EVENTS[kind].slope
        assert slope is not None
        assert abs(mean - slope.value) < error + 0.05, kind
    listed = told[told["kind"].isin(["late_annual_report", "address_unreachable", "abnormal_list"])]
    assert listed["enterprise_id"].nunique() / 6_000 == pytest.approx(0.1, abs=0.02)


@given(drawn_events)
@settings(max_examples=3, deadline=None)
def test_one_more_merit_never_counts_against_and_one_more_adverse_record_never_helps(
    drawn: list[tuple[str, int, int, int]],
) -> None:
    model, data, before, _ = told()
    ids = before["enterprise_id"].tolist()
    own = data["credit_events"]
    for kinds, sign in ((set(MERITS), 1), (set(CONDUCT) - set(MERITS), -1)):
        new = events([one for one in drawn if one[0] in kinds], ids, own)
        after = model.score({**data, "credit_events": pd.concat([own, new], ignore_index=True)}, DAY)
        assert ((after["credit_points"] - before["credit_points"]) * sign >= -1e-9).all()
        assert ((before["risk_margin"] - after["risk_margin"]) * sign >= -1e-9).all()


def test_every_merit_is_read_as_a_bonus_and_nothing_else_is_one() -> None:
    read = {one.name: str(one.where) for one in FEATURES if one.bonus}
    assert set(read) == set(BONUSES)
    for kind in MERITS:
        assert [name for name, where in read.items() if where.startswith(f"kind = '{kind}' AND")], kind
    for name in read:
        assert (BY_NAME[name].risk, BY_NAME[name].credit, BY_NAME[name].absent) == (-1, 1, 0)


def test_a_tag_that_is_a_kind_of_credit_event_is_told_and_read_by_nothing() -> None:
    data = small()
    firms = data["enterprises"].copy()
    tags = [list(own) for own in firms["tags"]]
    for k, kind in enumerate(CONDUCT):
        tags[3 + k] = [kind, *tags[3 + k]]
    other = {**data, "enterprises": firms.assign(tags=pd.Series(tags, dtype=firms["tags"].dtype))}
    assert not validate(data)
    (problem,) = validate(other)
    assert (problem.table, problem.column, problem.rows) == ("enterprises", "tags", 4)
    assert problem.examples[0].startswith("row 4: ['late_annual_report'")
    assert "is a kind of credit event" in problem.message
    assert problem.remedy == "Take it out, and give each as a row of credit_events, with its days"
    assert (row_problems(other["enterprises"], "enterprises") == "").all()  # such a row is scored
    pd.testing.assert_frame_equal(build(other, DAY), build(data, DAY), check_exact=True)
