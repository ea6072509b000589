import numpy as np
import pandas as pd
import pytest

from tierkit.city.synth import make
from tierkit.compare.comparison import compare
from tierkit.evaluate import moments
from tierkit.policy import Policy


@pytest.mark.parametrize("seed", [1, *(pytest.param(k, marks=pytest.mark.long) for k in (2, 3))])
def test_records_and_truth_hold_their_moments(seed):
    data, _ = make(8000, seed=seed)
    for table in (moments.of_records(data), moments.of_truth(data)):
        assert table["holds"].all(), table[~table["holds"]].to_string()
        assert ((table["low"] <= table["value"]) & (table["value"] <= table["high"])).all()


def test_a_world_that_is_off_does_not_hold():
    busy = Policy.load("legacy").reform({"frequency.base_rate": 1.0}, name="busy")
    table = moments.of_records(make(2000, seed=1, policy=busy)[0]).set_index("moment")
    assert not table.loc["inspections per enterprise-year", "holds"]


def test_exposure_is_counted_by_hand():
    data, _ = make(300, seed=3)
    start, end = np.datetime64("2023-01-02"), np.datetime64("2024-12-30")
    years = 0.0
    for row in data["enterprises"].itertuples():
        since = max(np.datetime64(row.registered_on, "D"), start)
        until = end if pd.isna(row.closed_on) else np.datetime64(row.closed_on, "D")
        years += max(0, int((min(until, end) - since).astype(int))) / 364
    table = moments.of_records(data).set_index("moment")
    checks = (data["inspections"]["mode"] != "offsite").sum()
    assert table.loc["inspections per enterprise-year", "value"] == pytest.approx(checks / years, rel=1e-12)


def test_the_ladder_is_among_the_moments_and_its_check_fires():
    table = moments.of_ladder()
    assert table["holds"].all()
    assert table["value"].round(4).tolist() == [0.0239, 0.0061]


def test_a_plan_is_shown_with_what_its_finding_rate_hides():
    _, world = make(1500, seed=4)
    shown = compare(world, Policy.load("legacy"), Policy.load("shanghai-2025"), replicates=2, weeks=20)
    table = moments.of_comparison(shown)
    text = " ".join(table["moment"])
    for word in ("inspections", "finding rate", "findings", "violations missed", "harm", "trigger share"):
        assert word in text
