"""Every check at once: each part is there or refused, from the records alone, and the card tells both."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.test_cli import Tierkit, tierkit  # noqa: F401  a fixture
from tierkit.city.synth import make
from tierkit.evaluate import assessment
from tierkit.evaluate.assessment import PARTS, Assessment, assess
from tierkit.policy import Policy
from tierkit.records import Dataset, write_dataset
from tierkit.report import figures, model_card
from tierkit.scores.metrics import rate_interval
from tierkit.scores.model import Model
from tierkit.scores.train import train

DAY = "2024-07-15"


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make(2500, seed=3)[0]


@pytest.fixture(scope="module")
def model(data: Dataset) -> Model:
    return train(data, DAY, policy=Policy.load("jiading-2025"))


@pytest.fixture(scope="module")
def found(data: Dataset, model: Model) -> Assessment:
    return assess(model, data, DAY, months=1)


def test_each_part_is_there_or_refused_and_never_both(found: Assessment) -> None:
    there = {name.partition(".")[0] for name in found.tables}
    assert there | set(found.refused) == set(PARTS)
    assert there & set(found.refused) == set()
    assert {"scores", "ranking", "fairness", "stability", "drift", "targets", "rounding"} <= there
    assert all(why.strip() for why in found.refused.values())


def test_levels_are_those_of_the_window_counted_by_hand(data: Dataset, found: Assessment) -> None:
    assert (found.facts["as_of"], found.facts["until"], found.facts["days"]) == (DAY, "2024-12-30", 168)
    seen = data["inspections"]
    seen = seen[(seen["inspected_on"] >= DAY) & (seen["mode"] != "offsite")]
    levels = found.tables["scores.levels"].set_index("set")
    for name, mine in (("all", seen), ("random", seen[seen["channel"] == "random"])):
        # Enterprises registered within the window have no score of its first day.
        known = data["enterprises"].set_index("enterprise_id")["registered_on"]
        mine = mine[mine["enterprise_id"].map(known) < DAY]
        hits = int((mine["finding"] != "none").sum())
        row = levels.loc[name]
        assert (row["n"], row["findings"]) == (len(mine), hits)
        ends = rate_interval(mine["finding"] != "none", groups=mine["enterprise_id"].astype(str))
        told = (hits / len(mine), *ends[:2])
        told = told if hits >= 10 else (np.nan,) * 3  # what is refused is not shown
        assert (row["rate"], row["low"], row["high"]) == pytest.approx(told, nan_ok=True)
        assert (f"scores.calibration_{name}" in found.tables) == (hits >= 10)
        assert row["too_few"] == (hits < 10)
        assert np.isnan(row["calibration_error"]) == (hits < 10)


def test_the_truth_is_not_read(data: Dataset, model: Model, found: Assessment) -> None:
    blind = Dataset({k: v for k, v in data.items() if not k.startswith("truth")}, data.manifest)
    again = assess(model, blind, DAY, months=1)
    assert dict(again.refused) == dict(found.refused)
    for name, frame in found.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], frame)


def test_practice_is_what_the_records_name(data: Dataset, model: Model, found: Assessment) -> None:
    assert found.facts["practice"] == "legacy"
    renamed = data["inspections"].assign(policy="somebody else's")
    other = Dataset({**data, "inspections": renamed}, data.manifest)
    alone = assess(model, other, DAY, months=1)
    assert alone.facts["practice"] == ""
    if "policy_value" not in alone.refused:
        assert (alone.tables["policy_value.estimates"]["holds_if"] != "records").all()


def test_a_policy_of_fixed_intervals_is_refused_with_the_reason(data: Dataset, model: Model) -> None:
    fixed = Policy.load("jiading-2025").reform({"frequency.schedule": "interval"}, name="fixed")
    told = assess(model, data, DAY, fixed, months=1)
    for name in ("policy_value", "comparators"):
        assert "'frequency.schedule' is 'interval'" in told.refused[name]
    page = model_card(model, told)
    assert page.count("nobody has a probability of being drawn") == 4  # two parts, in two languages
    assert "拒绝给出" in page


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2024-07-08", "has seen what it would be held against"),
        ("2024-10-07", "looked at for 91 days at least"),
        ("2024-07-17", "2024-07-17 is no Monday; 2024-07-15 is"),
    ],
)
def test_a_date_that_cannot_be_judged_is_refused(data: Dataset, model: Model, day: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        assess(model, data, day)


def test_the_card_is_one_page_in_both_languages_that_fetches_nothing(model: Model, found: Assessment) -> None:
    page = html.unescape(model_card(model, found))
    for said in ("Model card", "模型说明卡", "Not for", "不用于", DAY, "each inspector's own dates"):
        assert said in page
    assert not re.search(r'(?:src|href)="https?:', page)
    assert "{" not in re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S)  # no placeholder is left
    for name in figures(found):
        assert f'id="figure-{name}"' in page


def test_numbers_of_the_summary_are_plain_json(found: Assessment) -> None:
    told = json.loads(json.dumps(found.to_dict(), default=str, allow_nan=False))
    assert set(told["tables"]) == set(found.tables)


def test_evaluate_writes_tables_figures_and_the_card(
    tierkit: Tierkit,  # noqa: F811
    data: Dataset,
    model: Model,
    found: Assessment,
    tmp_path: Path,
) -> None:
    write_dataset(data, tmp_path / "city")
    model.save(tmp_path / "model")
    asked = ("evaluate", tmp_path / "model", tmp_path / "city", "--as-of", DAY, "--months", 1)
    ended = tierkit(*asked, "--out", tmp_path / "out", "--json")
    assert ended.status == 0, ended.err
    assert ended.data["refused"] == dict(found.refused)
    out = tmp_path / "out"
    assert {file.stem for file in (out / "tables").iterdir()} == set(found.tables)
    drawn = {file.name for file in (out / "figures").iterdir()}
    assert drawn == {f"{name}.{lang}.png" for name in figures(found) for lang in ("zh", "en")}
    assert (out / "model_card.html").stat().st_size > 50_000
    kept = pd.read_csv(out / "tables" / "scores.levels.csv")
    assert kept["n"].tolist() == found.tables["scores.levels"]["n"].tolist()
    again = tierkit(*asked, "--out", out)  # an evaluation is replaced
    assert again.status == 0
    assert "equal-chance audits" in again.out
    late = tierkit(*asked[:3], "--as-of", "2024-07-17", "--out", tmp_path / "none")
    assert late.status == 2
    assert "no Monday" in late.err
    assert not (tmp_path / "none").exists()


@pytest.mark.long
def test_retraining_is_tried_where_worlds_are_asked_for(
    data: Dataset, model: Model, found: Assessment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "say in how many" in found.refused["feedback"]
    monkeypatch.setattr(assessment, "_WORLD_SIZE", 400)
    tried = assess(model, data, DAY, months=1, worlds=1)
    assert "feedback" not in tried.refused
    assert tried.tables["feedback.rounds"]["round"].max() == 10
    assert 'id="figure-feedback"' in model_card(model, tried)
