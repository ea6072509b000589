"""``tierkit report`` on scores: a page of everybody, its filters and dossiers, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tierkit import batch, reviews
from tierkit.artifact import Model, train
from tierkit.cli import main
from tierkit.folders import kind_of
from tierkit.policy import Policy
from tierkit.schema import TIERS

CITY = Path("data/synthetic")
DAYS = ("2024-06-30", "2024-12-30")

Report = Callable[..., tuple[int, dict]]


@pytest.fixture
def report(capfd: pytest.CaptureFixture[str]) -> Report:
    def run(*arguments: object) -> tuple[int, dict]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["report", *map(str, arguments), "--json"])
        assert isinstance(left.value.code, int)
        return left.value.code, json.loads(capfd.readouterr().out)

    return run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and the scores of two days."""
    folder = tmp_path_factory.mktemp("city")
    model = train(CITY, DAYS[1], folder / "model", policy=Policy.load("shanghai-2025"), bootstrap=2)
    for day in DAYS:
        batch.score(model, CITY, day, "shanghai-2025", folder / f"{day}.parquet", reasons=1, certainty=True)
    return folder


@pytest.fixture(scope="module")
def scores(place: Path) -> pd.DataFrame:
    return pd.read_parquet(place / f"{DAYS[1]}.parquet")


def listed(page: Path) -> dict:
    found = re.search(r'id="data">(.*?)</script>', page.read_text("utf-8"), re.S)
    assert found is not None
    return json.loads(found.group(1))


def problems(answer: dict) -> str:
    assert answer["status"] == "bad input"
    return "\n".join(f"{one['place']}: {one['message']}. {one['remedy']}" for one in answer["problems"])


def test_the_page_lists_everybody_who_was_scored(report: Report, place: Path, scores, tmp_path) -> None:
    status, answer = report(place / f"{DAYS[1]}.parquet", "--data", CITY, "--out", tmp_path / "page")
    assert status == 0
    data = listed(tmp_path / "page" / "index.html")
    assert data["columns"]["id"] == scores["enterprise_id"].tolist()
    names = pd.read_parquet(CITY / "enterprises.parquet").set_index("enterprise_id")["name"]
    assert data["columns"]["name"] == names.loc[scores["enterprise_id"]].tolist()
    assert data["command"] == "", "no model, so nothing to explain with"
    assert answer["enterprises"] == answer["scored"] == len(scores)
    assert sum(answer["tiers"].values()) == len(scores)
    assert kind_of(tmp_path / "page") == "city"
    # It replaces what it wrote itself, and a page of a run is not that.
    summary = tmp_path / "page" / "summary.json"
    summary.write_text(json.dumps({"facts": {"version": "0.1.0"}}), "utf-8")
    status, answer = report(place / f"{DAYS[1]}.parquet", "--data", CITY, "--out", tmp_path / "page")
    assert status == 2
    assert "is a page, which only another page may replace" in problems(answer)


def test_filters_dossiers_portraits_changes_and_decisions(
    report: Report, place: Path, scores: pd.DataFrame, tmp_path: Path
) -> None:
    tier = scores["tier"].max()
    chosen = scores[(scores["tier"] == tier) & (scores["tier_agreement"] < 0.7)]
    worst = chosen.sort_values("risk_probability", ascending=False, kind="stable")["enterprise_id"].iloc[0]
    log = tmp_path / "reviews.jsonl"
    decision = {
        "enterprise_id": worst, "decision": "override", "override_tier": "T1", "reason": "moved away",
        "reviewer": "a reviewer", "decided_on": "2025-01-02", "as_of": DAYS[1], "policy": "shanghai-2025",
        "tier": tier,
    }  # fmt: skip
    reviews.append(log, pd.DataFrame([decision]))
    status, answer = report(
        place / f"{DAYS[1]}.parquet", "--data", CITY, "--model", place / "model", "--previous",
        place / f"{DAYS[0]}.parquet", "--reviews", log, "--tier", tier, "--uncertain", "--dossiers", 1,
        "--lang", "en", "--out", tmp_path / "page",
    )  # fmt: skip
    assert status == 0, answer
    assert answer["enterprises"] == len(chosen) > 1
    data = listed(tmp_path / "page" / "index.html")
    assert data["columns"]["id"] == chosen["enterprise_id"].tolist()
    assert data["dossiers"] == {worst: ["en"]}
    assert data["decisions"][worst][:2] == ["override", "T1"]
    made = sorted(one.name for one in (tmp_path / "page" / "dossiers").iterdir())
    assert made == [f"{worst}.en.html"]
    dossier = (tmp_path / "page" / "dossiers" / f"{worst}.en.html").read_text("utf-8")
    assert worst in dossier
    assert tier in dossier
    assert data["command"].startswith(f"tierkit explain {place / 'model'} {CITY} --as-of {DAYS[1]}")
    page = (tmp_path / "page" / "index.html").read_text("utf-8")
    assert f"From {DAYS[0]} to {DAYS[1]}" in page
    assert page.count('<figure id="figure-portrait') == 5
    assert len(answer["portraits"]["zh"]) == len(answer["portraits"]["en"])


def test_options_of_scores_are_refused_for_a_run(report: Report, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    status, answer = report(
        tmp_path / "run", "--out", tmp_path / "page", "--tier", "T4", "--uncertain", "--dossiers", 2
    )
    assert status == 2
    said = problems(answer)
    for option in ("--tier", "--uncertain", "--dossiers"):
        assert f"{option}: is for scores, not for a run" in said


def test_all_that_is_wrong_is_listed_at_once(report: Report, place: Path, tmp_path: Path) -> None:
    status, answer = report(
        place / f"{DAYS[1]}.parquet", "--out", tmp_path / "page", "--tier", "T9", "--sector", "fod",
        "--district", "moon", "--dossiers", 3, "--lang", "fr", "--previous", tmp_path / "none.parquet",
    )  # fmt: skip
    assert status == 2
    said = problems(answer)
    for part in ("--data: ", "--tier: 'T9'", "did you mean 'food'", "--district: 'moon'", "--lang: 'fr'",
                 "--previous: ", "--dossiers: needs the model"):  # fmt: skip
        assert part in said, part
    assert not (tmp_path / "page").exists()


def test_other_data_models_policies_and_days_are_refused(
    report: Report, place: Path, scores: pd.DataFrame, tmp_path: Path
) -> None:
    path, out = place / f"{DAYS[1]}.parquet", tmp_path / "page"
    other = tmp_path / "data"
    shutil.copytree(CITY, other)
    (other / "manifest.json").unlink()
    rows = pd.read_parquet(other / "signals.parquet")
    rows.iloc[1:].to_parquet(other / "signals.parquet")
    status, answer = report(path, "--data", other, "--out", out)
    assert status == 2
    assert "the table 'signals' is not the one that was scored" in problems(answer)

    model = Model.load(place / "model")
    model.risk.booster_.set_leaf_output(0, 0, 9.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Model, "load", classmethod(lambda _cls, _folder: model))
        status, answer = report(path, "--data", CITY, "--model", place / "model", "--out", out)
    assert status == 2
    assert "is not the model that gave these scores" in problems(answer)

    elsewhere = tmp_path / "jiading.parquet"
    batch.score(place / "model", CITY, DAYS[0], "jiading-2025", elsewhere)
    for previous, said in ((elsewhere, "scored under another policy"), (path, "which is not before")):
        status, answer = report(
            path, "--data", CITY, "--model", place / "model", "--previous", previous, "--out", out
        )
        assert status == 2
        assert said in problems(answer)
    nobody = next(
        (one, sector)
        for one in TIERS
        for sector in scores["sector"].unique()
        if not ((scores["tier"] == one) & (scores["sector"] == sector)).any()
    )
    status, answer = report(path, "--data", CITY, "--tier", nobody[0], "--sector", nobody[1], "--out", out)
    assert status == 2
    assert "0 enterprises meet the filter" in problems(answer)
    assert not out.exists()


def test_more_rows_than_a_page_holds_ask_for_a_filter(
    report: Report, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tierkit.report.city.MOST_ROWS", 100)
    status, answer = report(place / f"{DAYS[1]}.parquet", "--data", CITY, "--out", tmp_path / "page")
    assert status == 2
    assert "Give a filter: --tier" in problems(answer)


def test_score_says_that_certainty_needs_a_bootstrap(
    place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = dataclasses.replace(Model.load(place / "model"), ensemble=None)
    monkeypatch.setattr(Model, "load", classmethod(lambda _cls, _folder: bare))
    who = ("--as-of", DAYS[1], "--policy", "legacy", "--certainty", "--out", str(tmp_path / "scores.parquet"))
    with pytest.raises(SystemExit) as left:
        main(["score", str(place / "model"), str(CITY), *who])
    assert left.value.code == 2
    assert "Train it again with --bootstrap 20" in capfd.readouterr().err
    assert not any(tmp_path.iterdir())
