"""History features of any table of inspections: held to a slow telling of the same, and to what was known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierkit as tk
from tierkit.features import history_signs

COLUMNS: dict[str, Any] = {
    "kind": "kind", "area": "area", "inspector": "who", "counts": ["score"], "dates": ["opened"],
}  # fmt: skip
KINDS = ["routine", "followup"]
FIRST = pd.Timestamp("2022-01-01")


def table(n: int, seed: int = 0, span: int = 900) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    day = FIRST + pd.to_timedelta(rng.integers(0, span, n), unit="D")
    return pd.DataFrame(
        {
            "enterprise_id": rng.choice(list("abcdefg"), n),
            "inspected_on": day,
            "outcome": rng.choice([0.0, 1.0, np.nan], n, p=[0.6, 0.3, 0.1]),
            "kind": pd.Categorical(rng.choice(KINDS, n), KINDS),
            "area": rng.choice(np.array(["north", "south", None], object), n),
            "who": rng.choice(["w1", "w2", "w3"], n),
            "score": np.where(rng.random(n) < 0.1, np.nan, rng.normal(70, 10, n)),
            "opened": day - pd.to_timedelta(rng.integers(-50, 2000, n), unit="D"),
        }
    )


def rate(some: pd.DataFrame, everybody: pd.DataFrame) -> float:
    seen, all_seen = some["outcome"].dropna(), everybody["outcome"].dropna()
    mean = (all_seen.sum() + 0.5) / (len(all_seen) + 1)
    return float((seen.sum() + 10 * mean) / (len(seen) + 10))


def plainly(records: pd.DataFrame, row: Any, windows: tuple[int, ...] = (365, 1095)) -> dict[str, Any]:
    """Return what is known of one row, told record by record."""
    day = row["inspected_on"]
    before = records[records["inspected_on"] < day].sort_values("inspected_on", kind="stable")

    def lately(some: pd.DataFrame, window: int) -> pd.DataFrame:
        return some[some["inspected_on"] >= day - pd.Timedelta(days=window)]

    def counts(some: pd.DataFrame, of: str) -> dict[str, Any]:
        out: dict[str, Any] = {"inspections" + of: len(some), "events" + of: (some["outcome"] == 1).sum()}
        for window in windows:
            near = lately(some, window)
            out[f"inspections_{window}d{of}"] = len(near)
            out[f"events_{window}d{of}"] = (near["outcome"] == 1).sum()
        hits = some[some["outcome"] == 1]
        out[f"last_outcome{of}"] = some["outcome"].iloc[-1] if len(some) else np.nan
        for name, which in (("last", some), ("event", hits)):
            gap = (day - which["inspected_on"].iloc[-1]).days if len(which) else np.nan
            out[f"days_since_{name}{of}"] = gap
        return out

    own = before[before["enterprise_id"] == row["enterprise_id"]]
    out = counts(own, "") | {"rate": rate(own, before)}
    out["days_since_first"] = (day - own["inspected_on"].iloc[0]).days if len(own) else np.nan
    out["last_but_one_outcome"] = own["outcome"].iloc[-2] if len(own) > 1 else np.nan
    out["kind"], out["last_kind"] = row["kind"], own["kind"].iloc[-1] if len(own) else None
    for kind in KINDS:
        out |= counts(own[own["kind"] == kind], f"_{kind}")
    for column, name in (("area", "area"), ("who", "inspector")):
        same = before[before[column] == row[column]]
        out[f"{name}_rate"] = rate(same, before)
        out[f"{name}_rate_365d"] = rate(lately(same, 365), lately(before, 365))
    score = own["score"]
    out["last_score"] = score.iloc[-1] if len(own) else np.nan
    out["last_but_one_score"] = score.iloc[-2] if len(own) > 1 else np.nan
    out["mean_score"], out["min_score"], out["max_score"] = score.mean(), score.min(), score.max()
    age = (day - row["opened"]).days
    out["age_of_opened"] = age if age > 0 else np.nan
    return out


@pytest.mark.parametrize("seed", range(3))
def test_it_tells_what_a_slow_telling_tells(seed: int) -> None:
    records, about = table(120, seed), table(40, seed + 100)
    about.loc[0, "enterprise_id"] = "nobody yet"
    for asked in (records, about):
        told = tk.inspections(records, None if asked is records else asked, **COLUMNS)
        slow = pd.DataFrame([plainly(records, row) for _, row in asked.iterrows()], asked.index)
        assert set(told) == set(slow)
        for name in told.columns:
            if name in ("kind", "last_kind"):
                assert told[name].astype("str").tolist() == slow[name].astype("str").tolist()
            else:
                np.testing.assert_allclose(told[name], slow[name].astype(float), rtol=1e-12, err_msg=name)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(2, 60), st.integers(0, 60), st.integers(0, 40))
def test_records_of_the_day_or_later_never_move_a_row_by_a_bit(
    seed: int, n: int, day: int, more: int
) -> None:
    rng = np.random.default_rng(seed)
    records = table(n, seed, span=60)
    cut = FIRST + pd.Timedelta(days=day)
    later = (records["inspected_on"] >= cut).to_numpy()
    other = table(int(later.sum()) + more, seed + 1, span=60)
    other["inspected_on"] = cut + pd.to_timedelta(rng.integers(0, 30, len(other)), unit="D")
    changed = pd.concat([records[~later], other], ignore_index=True).astype({"kind": records["kind"].dtype})
    about = table(20, seed + 2, span=60)
    about["inspected_on"] = about["inspected_on"].where(about["inspected_on"] <= cut, cut)
    pd.testing.assert_frame_equal(
        tk.inspections(records, about, **COLUMNS), tk.inspections(changed, about, **COLUMNS), check_exact=True
    )


def test_as_of_an_earlier_day_nothing_later_is_known() -> None:
    records = table(300, 5)
    cut = pd.Timestamp("2023-06-01")
    told = tk.inspections(records, as_of="2023-06-01", **COLUMNS)
    late = records["inspected_on"] >= cut
    about = records.assign(inspected_on=records["inspected_on"].clip(upper=cut))
    known = tk.inspections(records[~late], about, **COLUMNS)
    pd.testing.assert_frame_equal(told, known, check_exact=True)
    assert late.any()
    assert not told.equals(tk.inspections(records, **COLUMNS))


def test_the_order_of_rows_of_different_days_says_nothing() -> None:
    records = table(200, 6, span=5000).drop_duplicates(["enterprise_id", "inspected_on"])
    mixed = records.sample(frac=1, random_state=1)
    told = tk.inspections(records, **COLUMNS)
    pd.testing.assert_frame_equal(told, tk.inspections(mixed, **COLUMNS).loc[records.index], check_exact=True)


def test_more_was_found_is_no_lower_risk_and_nothing_else_has_a_way() -> None:
    signs = history_signs(tk.inspections(table(50), **COLUMNS).columns)
    assert signs["events_365d_followup"] == signs["inspector_rate_365d"] == signs["last_outcome"] == 1
    assert signs["days_since_event"] == -1
    assert not {"inspections", "last_score", "kind", "last_kind", "days_since_last"} & set(signs)


def test_an_empty_table_and_no_rows_are_told_about() -> None:
    none = table(0)
    assert tk.inspections(none, **COLUMNS).shape == (0, len(tk.inspections(table(5), **COLUMNS).columns))
    told = tk.inspections(none, table(3), **COLUMNS)
    assert told["inspections"].tolist() == [0, 0, 0]
    assert told["rate"].tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"table": [1]}, "The 'table' must be a DataFrame"),
        ({"day": "when", "area": "where"}, "no column 'when'; the 'table' has no column 'where'"),
        ({"area": "who", "inspector": "who"}, "column 'who' is named for two things"),
        ({"outcome": "score"}, "'score' must be 0 or 1, or missing"),
        ({"outcome": "who"}, "'who' must hold numbers"),
        ({"kind": "enterprise_id", "id": "who", "table": 21}, "has 21 kinds of inspection"),
        ({"windows": [0]}, "'windows' must be a whole number from 1"),
        ({"as_of": "June"}, "'as_of' must be one day"),
        ({"counts": "score"}, "must be a list of columns"),
        ({"id": "area"}, "Column 'area' is missing in some rows"),
    ],
)  # fmt: skip
def test_what_it_cannot_use_is_refused(changes: dict[str, Any], said: str) -> None:
    records: Any = table(60)
    if isinstance(changes.get("table"), int):
        records["enterprise_id"] = [f"k{i % 21}" for i in range(60)]
        changes = {name: value for name, value in changes.items() if name != "table"}
    with pytest.raises(tk.InputError, match=said):
        tk.inspections(**{"table": records, **changes})
