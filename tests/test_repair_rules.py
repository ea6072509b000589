"""Publication and repair go by the rule in force on the day, wherever they are asked for."""

import dataclasses
import datetime as dt
import re
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from make_dataset import make_dataset

from tests.worlds import LEGACY, busy_world, plain_world
from tierkit.city.engine import repair_terms, run
from tierkit.city.writing import write_records
from tierkit.explain.recourse.repair import open_records
from tierkit.explain.recourse.steps import ends_after, is_open
from tierkit.features import build, standing
from tierkit.records import MERIT_DAYS, SEVERITIES, UNINSPECTED_KINDS, Dataset, conform
from tierkit.records.known import known
from tierkit.records.repair_rules import (
    REPAIR_RULES,
    declared_rules,
    open_sql,
    published_until,
    repairable_from,
    rule_on,
)
from tierkit.report.sheet_records import known_records

DECLARED = resources.files("tierkit.records").joinpath("repair_rules.toml").read_text("utf-8")
CHANGE = dt.date(2026, 4, 1)
DAY = pd.Timedelta(days=1)


def over(known_on: dt.date, kind: str, severity: str, which: str) -> dt.date:
    """Return the first day on which a term is over, by asking the rule of each day in turn."""
    day = known_on
    while True:
        months = getattr(rule_on(day).term(kind, severity), which)
        if pd.Timestamp(known_on) + pd.DateOffset(months=months) <= pd.Timestamp(day):
            return day
        day += dt.timedelta(days=1)


@pytest.mark.parametrize("kind", ["penalty", "court_default"])
@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_term_is_over_on_the_first_day_on_which_the_rule_of_that_day_says_so(
    kind: str, severity: str
) -> None:
    days = ["2022-11-30", "2023-03-31", "2025-04-01", "2025-12-31", "2026-01-01", "2026-03-31", "2026-04-01"]
    for day in map(dt.date.fromisoformat, days):
        asked = repairable_from(day, kind, severity).item()
        ends = published_until(day, kind, severity).item()
        assert asked == over(day, kind, severity, "shortest")
        # The last day of publication is that on which the term ends, or the one before the new rule.
        first = over(day, kind, severity, "longest")
        months = rule_on(first).term(kind, severity).longest
        by_itself = pd.Timestamp(day) + pd.DateOffset(months=months) == pd.Timestamp(first)
        assert by_itself or first == CHANGE
        assert ends == (first if by_itself else dt.date(2026, 3, 31))
        assert asked <= max(ends, CHANGE)


def test_the_rules_of_2023_and_2026_say_what_their_sources_say() -> None:
    trial, now = REPAIR_RULES
    assert (trial.start, now.start) == (dt.date(2023, 5, 1), CHANGE)
    assert {(term.longest) for term in trial.terms.values()} == {36}
    months = [(term.shortest, term.longest) for term in (now.term("penalty", one) for one in SEVERITIES)]
    assert months == [(0, 3), (3, 12), (12, 36)]
    assert rule_on("2020-01-01") is trial
    assert all(rule.transition.zh and rule.transition.en for rule in REPAIR_RULES)


def test_months_end_with_the_month_and_honours_are_never_repaired() -> None:
    assert repairable_from("2023-11-30", "penalty", "minor").item() == dt.date(2024, 2, 29)
    assert np.isnat(published_until(["2024-01-01"], "honour", "minor")).all()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("shortest = 3, longest = 36", "shortest = 40, longest = 36", "only after its publication has ended"),
        ("shortest = 3,", "shortest = 2.5,", "whole months"),
        ('unit = "months"', 'unit = "weeks"', "whole months"),
        ("from = 2026-04-01", "from = 2023-05-01", "'measures-2026' must begin after 'trial-2023'"),
        ("transition = ", "transitional = ", "'trial-2023.transitional' is not known"),
        (', source = "C39: one year at least, three years at most"', "", "needs a source or an assumption"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_place(before: str, after: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        declared_rules(DECLARED.replace(before, after))


def one_record(kind: str, severity: str, known_on: str) -> Dataset:
    data = make_dataset(5, 1, records=5)
    row = {
        "event_id": ["E1"],
        "enterprise_id": [data["enterprises"].sort_values("registered_on")["enterprise_id"].iloc[0]],
        "kind": [kind],
        "severity": [severity],
        "happened_on": [pd.Timestamp(known_on)],
        "known_on": [pd.Timestamp(known_on)],
        "repairable_from": [pd.Timestamp(repairable_from(known_on, kind, severity).item())],
        "repaired_on": [pd.NaT],
        "letter_sent_on": [pd.NaT],
    }
    tables = {**data, "credit_events": conform(pd.DataFrame(row), "credit_events")}
    return Dataset(tables)


@pytest.mark.parametrize(
    ("severity", "known_on", "last"),
    [
        ("minor", "2025-05-10", "2026-03-31"),
        ("minor", "2026-02-10", "2026-05-10"),
        ("moderate", "2025-05-10", "2026-05-10"),
        ("serious", "2025-05-10", "2028-05-10"),
    ],
)
def test_features_standing_recourse_and_sheets_close_a_record_on_the_same_day(
    severity: str, known_on: str, last: str
) -> None:
    data = one_record("court_default", severity, known_on)
    if severity == "minor":  # of penalties alone: other records are general at least
        data = one_record("penalty", severity, known_on)
    event = data["credit_events"].iloc[0].to_dict()
    name = "penalties_open" if event["kind"] == "penalty" else "adverse_open"
    one, end = event["enterprise_id"], pd.Timestamp(last)
    assert ends_after({**event, "repaired_on": None}) == end
    with known(data, "2027-12-31") as seen:
        sheet = known_records(seen, None, [one])
    assert sheet.loc[sheet["record_id"] == "E1", "published_until"].item() == end
    for day in (end - 200 * DAY, end, end + DAY, end + 300 * DAY):
        if day <= pd.Timestamp(known_on):
            continue
        open_ = day <= end
        assert (build(data, day, [one], closed=True)[name].item() == 1) == open_
        assert len(open_records(data, day, [one])) == open_
        with known(data, day) as seen:
            assert pd.notna(standing(seen, [one])["red_line"].item()) == (
                open_ and event["kind"] != "penalty"
            )
        if event["kind"] != "penalty":
            assert is_open({**event, "repaired_on": None}, day) == open_


def test_the_condition_in_sql_is_the_function() -> None:
    import duckdb

    rng = np.random.default_rng(4)
    n = 3000
    events = pd.DataFrame(
        {
            "kind": rng.choice(["penalty", "tax_arrears", "abnormal_list"], n),
            "severity": rng.choice(SEVERITIES, n),
            "known_on": pd.Timestamp("2022-06-01") + pd.to_timedelta(rng.integers(0, 1800, n), "D"),
            "as_of": pd.Timestamp("2024-06-01") + pd.to_timedelta(rng.integers(0, 1800, n), "D"),
        }
    ).assign(repaired_on=pd.NaT)
    base = duckdb.connect()
    base.register("events", events)
    told = base.sql(f"SELECT {open_sql(as_of='CAST(as_of AS DATE)')} AS open FROM events").df()["open"]
    ends = published_until(events["known_on"], events["kind"], events["severity"])
    np.testing.assert_array_equal(told, events["as_of"].to_numpy("datetime64[D]") <= ends)
    assert 0.2 < told.mean() < 0.8


def test_the_engine_counts_the_weeks_of_the_rule_in_force_in_the_week_of_the_record() -> None:
    terms = repair_terms(dt.date(2025, 4, 7))
    monday = np.datetime64("2025-04-07") + 7 * np.arange(120)
    for at, severity in enumerate(SEVERITIES, 1):
        for told, asked in ((terms.earliest, repairable_from), (terms.display, published_until)):
            days = (asked(monday, "penalty", severity) - monday).astype(int)
            assert (np.abs(7 * told[:120, at].astype(int) - days) <= 3).all()
    change = int((np.datetime64(CHANGE) - np.datetime64("2025-04-07")).astype(int) // 7)
    assert (terms.display[: change - 13, 1] > 13).all(), "until the new rule begins"
    assert (terms.display[change + 1 : 200, 1] == 13).all()
    honour = UNINSPECTED_KINDS.index("honour")
    assert set(terms.adverse_display[:, honour]) == {round(MERIT_DAYS["honour"] / 7)}


def test_records_of_a_simulated_city_close_sooner_once_the_new_rule_is_in_force() -> None:
    frame = busy_world()
    weeks = 60
    done = run(frame, LEGACY, weeks)
    fined = done.log[(done.log[:, 5] >= 3) & (done.log[:, 4] == 2)]
    longest = (fined[:, 15] - fined[:, 0]).max()
    late = (dt.date(2026, 6, 1) - frame.date).days
    moved = dataclasses.replace(frame, origin=frame.origin + dt.timedelta(days=late))
    again = run(moved, LEGACY, weeks)
    fined = again.log[(again.log[:, 5] >= 3) & (again.log[:, 4] == 2)]
    assert (fined[:, 15] - fined[:, 0]).max() <= 53 < longest


def test_synthetic_records_carry_the_day_of_repair_that_the_rule_gives() -> None:
    events = write_records(run(plain_world(), LEGACY, 30))["credit_events"]
    stands = events[events["kind"] != "honour"]
    told = repairable_from(stands["known_on"], stands["kind"], stands["severity"])
    np.testing.assert_array_equal(stands["repairable_from"].to_numpy("datetime64[D]"), told)
