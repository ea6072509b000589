"""What moves a score or a tier is founded on a record: a complaint that nobody found true is not."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from shared import CITY, DAY, model_folder

from tierkit.features import BY_NAME, FEATURES, build
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.records import Dataset, read_dataset
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
@settings(max_examples=8, deadline=None)
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
