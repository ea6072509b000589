"""Points come back at the date the rules give, by features taken anew from edited records."""

import numpy as np
import pandas as pd
import pytest
from leakage import scramble
from make_dataset import make_dataset

from tierkit.explain.recourse.repair import credit_path, open_records, repaired
from tierkit.features import build, features_of
from tierkit.policy import Policy
from tierkit.policy.tiers import assign, sentences
from tierkit.records import REPAIRABLE_KINDS, DataError, Dataset, conform
from tierkit.records.known import known
from tierkit.records.repair_rules import published_until
from tierkit.scores.model import Model
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

AS_OF = pd.Timestamp("2024-01-01")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_dataset(60, 3, records=300)


@pytest.fixture(scope="module")
def model() -> Model:
    """A model whose points are known: 30 less for any open adverse record, 20 less for any penalty."""
    X = pd.DataFrame({name: np.zeros(4000) for name in ("adverse_open", "penalties_open")})
    rng = np.random.default_rng(0)
    X["adverse_open"], X["penalties_open"] = rng.integers(0, 2, 4000), rng.integers(0, 2, 4000)
    y = rng.random(4000) < 0.1 + 0.2 * X["adverse_open"] + 0.1 * X["penalties_open"]
    card = CreditScorecard(monotone={"adverse_open": -1, "penalties_open": -1}).fit(X, y.astype(int))
    return Model(RiskModel(), card, Policy.load("legacy"), {})


def events(*rows: tuple[str, str, str, str | None, str | None]) -> pd.DataFrame:
    columns = ["enterprise_id", "kind", "known_on", "repairable_from", "repaired_on"]
    frame = pd.DataFrame(list(rows), columns=columns)
    frame = frame.assign(
        event_id=[f"c{i}" for i in range(len(frame))], severity="minor", happened_on=frame["known_on"],
        letter_sent_on=None,
    )  # fmt: skip
    return conform(frame, "credit_events")


def test_points_come_back_on_the_day_after_the_earliest_repair_and_not_before(data, model) -> None:
    one = data["enterprises"].sort_values("registered_on")["enterprise_id"].iloc[0]
    mine = events(
        (one, "penalty", "2023-11-01", "2024-02-01", None),
        (one, "abnormal_list", "2023-12-01", "2024-04-10", None),
        (one, "court_default", "2023-12-01", None, None),
    )
    path = credit_path(model, Dataset({**data, "credit_events": mine}), AS_OF, [one], months=6)
    points = path.pivot_table("points", "as_of", "case")
    clean, fined, both = (
        model.credit.points(pd.DataFrame({"adverse_open": [a], "penalties_open": [p]}))[0]
        for a, p in ((1, 0), (1, 1), (0, 0))
    )
    assert (points["none"] == fined).all()
    assert (points.loc[:"2024-02-01", "earliest"] == fined).all()
    assert (points.loc["2024-02-02":, "earliest"] == clean).all()  # the court's record stays: no day is given
    assert pd.Timestamp("2024-02-02") in points.index
    assert both > clean > fined
    counts = path.pivot_table("open_records", "as_of", "case")
    assert counts.loc["2024-07-01"].to_dict() == {"earliest": 1, "none": 3}
    assert path.loc[path["case"] == "none", "red_line"].eq("court_default").all()


def test_a_record_that_could_be_repaired_long_ago_comes_back_tomorrow(data, model) -> None:
    one = data["enterprises"].sort_values("registered_on")["enterprise_id"].iloc[0]
    mine = events((one, "serious_dishonesty", "2022-11-01", "2023-02-01", None))
    path = credit_path(model, Dataset({**data, "credit_events": mine}), AS_OF, [one], months=1)
    shown = path[path["case"] == "earliest"].set_index("as_of")
    assert shown.index.tolist() == [AS_OF, AS_OF + pd.Timedelta(days=1), pd.Timestamp("2024-02-01")]
    assert shown["red_line"].notna().tolist() == [True, False, False]
    assert shown["points"].is_monotonic_increasing


def test_an_open_record_ends_by_itself_after_three_years(data, model) -> None:
    one = data["enterprises"].sort_values("registered_on")["enterprise_id"].iloc[0]
    mine = events((one, "tax_arrears", "2021-02-15", None, None))
    given = Dataset({**data, "credit_events": mine})
    last = open_records(given, AS_OF)["open_until"].item()
    assert last == pd.Timestamp("2024-02-15")
    path = credit_path(model, given, AS_OF, [one], months=3).query("case == 'none'").set_index("as_of")
    assert (path["open_records"] == (path.index <= last)).all()
    assert path["open_records"].nunique() == 2
    assert (
        path.loc[path["open_records"] == 0, "points"].min()
        > path.loc[path["open_records"] == 1, "points"].max()
    )


def test_repair_never_costs_points(data, model) -> None:
    ids = data["enterprises"].query("registered_on < '2023-06-01'")["enterprise_id"]
    path = credit_path(model, data, AS_OF, ids, months=9)
    points = path.pivot_table("points", ["enterprise_id", "as_of"], "case")
    assert (points["earliest"] >= points["none"]).all()
    assert (points["earliest"] > points["none"]).any()
    today = points.xs(AS_OF, level="as_of")
    pd.testing.assert_series_equal(today["earliest"], today["none"], check_names=False)
    X = build(data, AS_OF, ids, closed=True)
    np.testing.assert_array_equal(
        today.loc[X.index, "none"].to_numpy(), model.credit.points(X[list(model.credit.inputs_.names)])
    )


def test_what_is_known_on_a_day_gives_the_features_of_that_day_and_nothing_later_matters(data) -> None:
    with known(data, AS_OF) as seen, known(scramble(data, AS_OF), AS_OF) as other:
        now, scrambled = seen.tables(), other.tables()
    pairs = pd.DataFrame({"enterprise_id": data["enterprises"]["enterprise_id"], "as_of": AS_OF})
    frames = []
    for source in (data, now, scrambled):
        with known(source) as seen:
            frames.append(features_of(seen, pairs))
    pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)
    pd.testing.assert_frame_equal(frames[0], frames[2], check_exact=True)


def test_only_open_records_of_the_enterprises_asked_about_are_listed(data) -> None:
    table = data["credit_events"]
    day = AS_OF
    mine = table[
        table["kind"].isin(REPAIRABLE_KINDS) & (table["known_on"] < day)
        & (published_until(table["known_on"], table["kind"], table["severity"]) >= day.to_datetime64())
        & ~(table["repaired_on"] < day)
    ]  # fmt: skip
    found = open_records(data, day)
    assert sorted(found["event_id"]) == sorted(mine["event_id"])
    assert (found["repairable"] == (found["repairable_from"] <= day)).all()
    one = found["enterprise_id"].iloc[0]
    assert set(open_records(data, day, [one])["enterprise_id"]) == {one}
    with known(data, day) as seen:
        after = repaired(seen.rows("credit_events"), day)
    due = after.set_index("event_id").loc[found["event_id"], "repaired_on"]
    assert (due.to_numpy() == found["repairable_from"].clip(lower=day).to_numpy()).all()


def test_strangers_and_days_without_records_are_refused(data, model) -> None:
    with pytest.raises(DataError, match="is not in the dataset"):
        credit_path(model, data, AS_OF, ["nobody"])
    with pytest.raises(DataError, match="no records reach to"):
        known("data/synthetic", "2030-01-01")


def test_a_red_line_caps_the_grade_with_its_reason_until_it_is_repaired(data, model) -> None:
    one = data["enterprises"].sort_values("registered_on")["enterprise_id"].iloc[0]
    mine = events((one, "serious_dishonesty", "2023-11-01", "2024-02-01", None))
    path = credit_path(model, Dataset({**data, "credit_events": mine}), AS_OF, [one], months=2)
    jiading = Policy.load("jiading-2025").reform({"red_line_tier.kinds": []})
    for case, grades in (("none", ["C", "C", "C", "C"]), ("earliest", ["C", "C", "A", "A"])):
        rows = path[path["case"] == case]  # of 01-01, 02-01, the day after the repair, and 03-01
        scores = pd.DataFrame(
            {
                "enterprise_id": [f"{one}-{i}" for i in range(len(rows))], "sector": "gas",
                "risk_probability": 0.05, "credit_points": 900.0, "red_line": rows["red_line"].to_numpy(),
            }
        )  # fmt: skip
        out = assign(scores, jiading)
        assert out["credit_grade"].tolist() == grades
        said = sentences(out, jiading, "en")
        capped = [bool(pd.notna(kind)) for kind in rows["red_line"]]
        assert [("red line" in text and "caps the credit grade" in text) for text in said] == capped
        assert (out["tier_reason"] == "red_line").tolist() == capped
