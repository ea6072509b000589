"""Headlines with and without campaigns, lists and caps: on a small world, and what turns."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from tests.worlds import LEGACY, load, plain_world
from tierkit import report
from tierkit.compare.apart import APART, MEASURES, _differs, headlines_apart
from tierkit.compare.comparison import compare
from tierkit.policy import without
from tierkit.report import tables
from tierkit.report.run_page import _page


def test_headlines_apart_are_those_of_comparisons_without_the_instrument() -> None:
    world, plans = plain_world(120), [load("minhang-2023"), load("jinshan-2025")]
    options = {"weeks": 12, "replicates": 2, "seed": 3}
    whole = compare(world, LEGACY, plans, **options)
    found = headlines_apart(world, LEGACY, plans, as_they_are=whole.summary, **options)
    assert found.groupby("apart").size().to_dict() == dict.fromkeys(["", *APART], 2 * len(MEASURES))
    bare = compare(
        world, without(LEGACY, "campaign"), [without(one, "campaign") for one in plans], **options
    ).summary
    of = found[(found["apart"] == "campaign") & (found["measure"] == "inspections")].set_index("policy")
    own = bare[(bare["group"] == "all") & (bare["measure"] == "inspections")].set_index("policy")
    for plan in plans:
        assert of.loc[plan.name, "difference"] == own.loc[f"{plan.name}-without-campaign", "difference"]
    has = found.set_index(["policy", "apart"])["has"].groupby(level=[0, 1]).first()
    assert has["minhang-2023", "campaign"]  # the baseline has them, the plan bars them
    assert not has["minhang-2023", "list"]
    assert not found.loc[~found["has"], "turns"].any()
    assert found.loc[(found["apart"] == "campaign"), "assumed"].all()


@pytest.mark.parametrize(
    ("low", "high", "place", "turns"),
    [(-9.0, -1.0, 1, False), (-9.0, 1.0, 1, True), (1.0, 9.0, 1, True), (-9.0, -1.0, 2, True)],
)
def test_a_headline_turns_with_its_direction_its_clearness_or_its_place(
    low: float, high: float, place: int, turns: bool
) -> None:
    rows = [("", -8.0, -2.0, 1), ("cap", low, high, place)]
    frame = pd.DataFrame(rows, columns=["apart", "difference_low", "difference_high", "place"])
    frame = frame.assign(policy="a", measure="harm", difference=-5.0)
    assert _differs(frame).tolist() == [False, turns]


def _one(report_run: report.RunReport) -> report.RunReport:
    """Return a run with a headline that turns on an assumed value, and one that does not."""
    rows = [
        {"policy": "minhang-2023", "measure": "inspections", "apart": apart, "difference": 5.0,
         "difference_low": 4.0, "difference_high": 6.0, "relative": 0.145, "place": 5, "has": True,
         "assumed": apart == "campaign", "turns": apart in ("campaign", "cap")}
        for apart in ("", *APART)
    ]  # fmt: skip
    return dataclasses.replace(report_run, apart=pd.DataFrame(rows))


def test_rows_of_the_page_mark_what_turns(report_run: report.RunReport) -> None:
    [(policy, measure, cells)] = tables.apart_rows(_one(report_run))
    assert (policy, measure) == ("minhang-2023", "inspections")
    assert {one["apart"]: (one["turns"], one["assumed"]) for one in cells} == {
        "": (False, False), "campaign": (True, True), "list": (False, False), "cap": (True, False),
    }  # fmt: skip
    assert cells[0]["change"] == "+14.5"
    assert tables.apart_rows(report_run) == []


@pytest.mark.long  # it draws a whole page
def test_the_page_shows_what_headlines_turn_on_when_asked(report_run: report.RunReport) -> None:
    page = _page(_one(report_run))
    assert page.count("turns on a value that is assumed") == page.count("取决于假定值") == 1
    assert "去频次上限" in page
