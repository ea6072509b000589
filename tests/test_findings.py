"""A finding or a mode that is missing is refused, wherever inspections are counted."""

import numpy as np
import pandas as pd
import pytest
from test_fairness import START, city

from tierkit.city.synth import make
from tierkit.evaluate import rank_inspections
from tierkit.evaluate.fairness.observed import observe
from tierkit.evaluate.findings import found_something, of_channels, on_site
from tierkit.evaluate.history import estimate
from tierkit.evaluate.moments import of_records
from tierkit.evaluate.targets import severities
from tierkit.records import Dataset

NOTHING = [None, float("nan"), "", pd.NA]


@pytest.mark.parametrize("dtype", ["object", "str", "string", "category"])
def test_what_was_found_is_told_in_every_kind_of_column(dtype: str) -> None:
    rows = pd.DataFrame({"finding": ["none", "minor", "serious"], "mode": ["onsite", "offsite", "joint"]})
    rows = rows.astype(dtype)
    assert found_something(rows).tolist() == [False, True, True]
    assert on_site(rows).tolist() == [True, False, True]
    assert found_something(rows[:0]).size == 0


@pytest.mark.parametrize("nothing", NOTHING, ids=repr)
@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_an_unknown_channel_is_none_of_those_asked_for(nothing: object, dtype: str) -> None:
    rows = pd.DataFrame({"channel": pd.Series(["random", nothing, "routine"], dtype=dtype)})
    assert of_channels(rows, ["random", "routine"]).tolist() == [True, False, True]


@pytest.mark.parametrize("nothing", NOTHING, ids=repr)
@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_what_is_missing_is_refused_with_its_count_and_a_remedy(nothing: object, dtype: str) -> None:
    for name, level, told in (
        ("finding", "none", found_something),
        ("mode", "onsite", on_site),
    ):
        rows = pd.DataFrame({name: pd.Series([level, nothing, nothing], dtype=dtype)})
        with pytest.raises(ValueError, match=f"'{name}' is missing in 2 of 3 .* Give a dataset"):
            told(rows)


def test_what_is_no_finding_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'finding' is none of none, .* in 1 of 2 inspections"):
        found_something(pd.DataFrame({"finding": ["None", "minor"]}))


@pytest.mark.parametrize("column", ["finding", "mode"])
def test_no_order_and_no_group_counts_a_missing_one(column: str) -> None:
    scored, records = city(1, 200)
    rows = records["inspections"].assign(inspector="i")
    rows[column] = rows[column].astype(object)
    rows.loc[rows.index[:3], column] = None
    said = f"'{column}' is missing in 3 of"
    with pytest.raises(ValueError, match=said):
        rank_inspections(rows, scored.assign(risk_margin=0.0), replicates=39)
    with pytest.raises(ValueError, match=said):
        observe(scored, {**records, "inspections": rows}, START, 180)


@pytest.mark.parametrize("column", ["finding", "mode"])
def test_no_moment_and_no_past_counts_a_missing_one(column: str) -> None:
    data, _ = make(300, seed=1)
    rows = data["inspections"].copy()
    rows[column] = rows[column].astype(object).where(np.arange(len(rows)) % 50 > 0, None)
    data = Dataset({**data, "inspections": rows}, data.manifest)
    for ask in (
        of_records,
        lambda data: estimate(data, "2024-01-01"),
        lambda data: severities(data, "2024-12-30"),
    ):
        with pytest.raises(ValueError, match=f"'{column}' is missing in"):
            ask(data)
