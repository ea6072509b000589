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


def test_few_enterprises_have_no_interval_and_no_end_is_impossible():
    for n in (1, 3, 30):
        data, _ = make(n, seed=2)
        for table in (moments.of_records(data), moments.of_truth(data)):
            ends = table[["low", "high"]].to_numpy(float)
            assert (np.isnan(ends).all(axis=1) | (ends >= 0).all(axis=1)).all()
            if n == 1:
                assert np.isnan(ends).all()


def test_trials_of_one_enterprise_are_not_independent():
    data, _ = make(2000, seed=1)
    table = moments.of_records(data).set_index("moment")
    checks = data["inspections"][data["inspections"]["mode"] != "offsite"]
    by = checks.groupby(checks["enterprise_id"].astype(str)).size()
    row = table.loc["inspections per enterprise-year"]
    # Wider than of a Poisson count, as enterprises differ.
    assert np.log(row["high"] / row["value"]) > 1.96 / np.sqrt(by.sum())


class _Table:
    """A comparison of which the table alone is read."""

    def __init__(self, **row):
        self.row = {"policy": "shanghai-2025", "n": 10, **row}

    def table(self, measures):
        return pd.DataFrame([self.row | {"measure": name} for name in measures])


def test_there_is_no_change_of_nothing_and_no_fall_by_more_than_all():
    wide = {"difference": -5.0, "difference_low": -15.0, "difference_high": 5.0}
    table = moments.of_comparison(_Table(baseline_value=0.0, **wide)).set_index("moment")
    counts = table.loc[[name for name in table.index if "rate" not in name and "share" not in name]]
    assert counts[["value", "low", "high"]].isna().all(axis=None)
    table = moments.of_comparison(_Table(baseline_value=10.0, **wide)).set_index("moment")
    assert table.loc["shanghai-2025: change of harm", ["value", "low", "high"]].tolist() == [-0.5, -1, 0.5]
