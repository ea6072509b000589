"""Tidy frames: their sums are the run's own, and the summary follows from them."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from worlds import ALL_ON, busy_world, policy_of

from tierkit.city.engine import TALLY
from tierkit.compare import cells as tidy
from tierkit.compare.outcomes import levels_of, run_and_measure
from tierkit.records import CHANNELS, ITEM_CLASSES, MODES, SHANGHAI, TIERS

LEVELS = levels_of(SHANGHAI)

AGENCIES = SHANGHAI.ids("agency")


@pytest.fixture(scope="module")
def both():
    return run_and_measure(busy_world(), policy_of(ALL_ON), 40, kappa=0.1, replicate=3)


@pytest.fixture(scope="module")
def done(both):
    return both[0]


@pytest.fixture(scope="module")
def summary(both):
    return both[1].values().set_index(["measure", "group", "level"])["value"]


def test_cells_of_inspections_are_those_of_the_log_counted_one_by_one(done):
    world = done.start.fixed
    inspected, found, late, fined = Counter(), Counter(), Counter(), Counter()
    for row in done.table().itertuples():
        cell = (
            row.week,
            AGENCIES[world.agency[row.obligation]],
            TIERS[row.tier],
            ITEM_CLASSES[world.item_class[row.obligation]],
            CHANNELS[row.channel],
            MODES[row.mode],
        )
        inspected[cell] += 1
        fined[cell] += row.disposition >= 3
        if row.finding:
            found[cell, row.finding] += 1
            late[cell] += row.week - row.since
    frame = tidy.inspections(done)
    keys = list(
        zip(
            *(frame[name] for name in ("week", "agency", "tier", "item_class", "channel", "mode")),
            strict=True,
        )
    )
    assert len(keys) == len(set(keys)) == len(inspected) > 500
    assert set(frame["mode"]) == set(MODES)
    assert list(frame["inspections"]) == [inspected[key] for key in keys]
    assert list(frame["penalties"]) == [fined[key] for key in keys]
    assert list(frame["detection_weeks"]) == [late[key] for key in keys]
    for k, severity in enumerate(("minor", "moderate", "serious"), 1):
        assert list(frame[severity]) == [found[key, k] for key in keys]
    assert (frame[["minor", "moderate", "serious"]].sum(axis=1) == frame["findings"]).all()
    assert set(frame["policy"]) == {"drawn"}
    assert set(frame["replicate"]) == {3}
    assert set(frame["kappa"]) == {0.1}


def test_measures_of_the_summary_follow_from_the_cells(done, summary):
    cells = tidy.inspections(done)
    cells = cells[cells["mode"] != "offsite"]
    for group in ("agency", "channel"):
        sums = cells.groupby(group, observed=False)[
            ["inspections", "findings", "penalties", "detection_weeks"]
        ].sum()
        for level in LEVELS[group]:
            inspections, findings, penalties, waited = sums.loc[level]
            assert summary["inspections", group, level] == inspections
            assert summary["findings", group, level] == findings
            assert summary["penalties", group, level] == penalties
            if findings:
                assert summary["finding_rate", group, level] == pytest.approx(findings / inspections)
                assert summary["weeks_to_detection", group, level] == pytest.approx(waited / findings)
    triggered = cells["channel"].isin(["trigger", "followup"])
    share = cells.loc[triggered, "inspections"].sum() / cells["inspections"].sum()
    assert summary["trigger_share", "all", "all"] == pytest.approx(share)


def test_violations_and_harm_follow_from_the_obligation_weeks(done, summary):
    frame = tidy.obligation_weeks(done)
    by_state = frame.groupby("state", observed=False)["obligation_weeks"].sum()
    assert list(by_state.index) == ["compliant", "minor", "moderate", "serious"]
    assert list(by_state) == done.counts.sum(axis=(0, 1, 2)).tolist()
    assert summary["violation_weeks", "all", "all"] == by_state.iloc[1:].sum()
    weights = [done.start.parameters[f"violation.harm.{name}"] for name in by_state.index[1:]]
    assert summary["harm", "all", "all"] == pytest.approx(by_state.iloc[1:].to_numpy() @ weights)
    assert summary["prevalence", "all", "all"] == pytest.approx(by_state.iloc[1:].sum() / by_state.sum())
    week = frame["week"] == done.start.week + 7
    cell = frame[
        week & (frame["tier"] == "T3") & (frame["item_class"] == "key") & (frame["state"] == "minor")
    ]
    assert cell["obligation_weeks"].item() == done.counts[7, 2, ITEM_CLASSES.index("key"), 1]


def test_fates_are_the_tally_and_conserve(done, summary):
    frame = tidy.demand(done)
    table = frame.pivot_table(index=["week", "agency"], columns="fate", values="inspections", observed=False)
    assert list(table.columns) == list(TALLY)
    np.testing.assert_array_equal(table.to_numpy(), done.tally.reshape(-1, len(TALLY)))
    assert (table[["new", "carried_in"]].sum(axis=1) == table.iloc[:, 2:].sum(axis=1)).all()
    put_off = frame[frame["fate"] == "put_off"].groupby("agency", observed=False)["inspections"].sum()
    for agency in AGENCIES:
        assert summary["put_off", "agency", agency] == put_off[agency]
    on_site = frame[frame["fate"].isin(["alone", "joint"])]["inspections"].sum()
    assert on_site == summary["inspections", "all", "all"]


@pytest.mark.parametrize("make", [tidy.inspections, tidy.obligation_weeks, tidy.demand])
def test_every_count_has_a_unit_and_frames_go_below_one_another(make, done, tmp_path):
    frame = make(done)
    counts = list(frame.select_dtypes("int64").columns.difference(["week", "replicate"]))
    assert set(frame.attrs["units"]) == set(counts)
    again = pd.concat([frame, frame.assign(replicate=4)])
    assert len(set(again.groupby("replicate")[counts[0]].sum())) == 1
    frame.to_parquet(tmp_path / "cells.parquet")
    assert pd.read_parquet(tmp_path / "cells.parquet").attrs["units"] == frame.attrs["units"]
