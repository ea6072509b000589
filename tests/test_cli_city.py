"""``tierkit report`` on scores: a page of everybody, its filters and dossiers, and what it refuses."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from shared import model_folder

from tierkit.cli import main
from tierkit.explain import Changes
from tierkit.explain import changes as told_changes
from tierkit.folders import kind_of
from tierkit.jobs import city_page
from tierkit.jobs.scoring import score
from tierkit.jobs.staging import parquet_writer
from tierkit.policy import Policy, reviews
from tierkit.records import TIERS
from tierkit.records.parquet import read_sealed
from tierkit.scores.model import Model

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
    shutil.copytree(model_folder("shanghai-2025", bootstrap=2), folder / "model")
    model = Model.load(folder / "model")
    for day in DAYS:
        score(model, CITY, day, "shanghai-2025", folder / f"{day}.parquet", reasons=1, certainty=True)
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
    assert shlex.split(data["command"]) == [
        "tierkit", "explain", str(place / "model"), str(CITY), "--as-of", DAYS[1], "--reviews", str(log),
        "--lang", "en", "--enterprise", "{id}", "--out", str(tmp_path / "page-dossiers" / "{id}.html"),
    ]  # fmt: skip
    assert "warnings" not in answer, "the earlier scores are what the records give"
    page = (tmp_path / "page" / "index.html").read_text("utf-8")
    assert f"From {DAYS[0]} to {DAYS[1]}" in page
    assert page.count('<figure id="figure-portrait') == 5
    assert len(answer["portraits"]["zh"]) == len(answer["portraits"]["en"])


def test_options_of_scores_are_refused_for_a_run(report: Report, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    status, answer = report(
        tmp_path / "run", "--out", tmp_path / "page", "--tier", "T4", "--uncertain", "--dossiers", 2,
        "--last", tmp_path / "last.csv", "--lang", "zh",
    )  # fmt: skip
    assert status == 2
    said = problems(answer)
    for option in ("--tier", "--uncertain", "--dossiers", "--last", "--lang"):
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
        patch.setattr(Model, "load", classmethod(lambda _cls, _folder, **_: model))
        status, answer = report(path, "--data", CITY, "--model", place / "model", "--out", out)
    assert status == 2
    assert "is not the model that gave these scores" in problems(answer)

    elsewhere = tmp_path / "jiading.parquet"
    score(place / "model", CITY, DAYS[0], "jiading-2025", elsewhere)
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


def rewritten(source: Path, path: Path, rows: pd.DataFrame) -> Path:
    """Write rows in place of those of a file of scores, which still says the same of itself."""
    table, said = read_sealed(source)
    about = json.dumps({**json.loads(said["tierkit"]), "scored": len(rows)})
    with parquet_writer(path, table.schema.remove_metadata(), {"tierkit": about}) as add:
        add(pa.Table.from_pandas(rows, table.schema.remove_metadata(), preserve_index=False))
    return path


def test_earlier_scores_that_these_records_do_not_give_are_told_of(
    report: Report, place: Path, scores: pd.DataFrame, tmp_path: Path
) -> None:
    source = place / f"{DAYS[0]}.parquet"
    last = pd.read_parquet(source)
    newcomer = scores[~scores["enterprise_id"].isin(last["enterprise_id"])].head(1)
    assert len(newcomer) == 1
    both = last.index[last["enterprise_id"].isin(scores["enterprise_id"])]
    last.loc[both[:3], "risk_margin"] += 0.01
    last.loc[both[5], "enterprise_id"] = "91310101TK00000001"  # whom the tables do not have
    last = pd.concat([last, newcomer[[name for name in last if name in newcomer]]], ignore_index=True)
    told = []

    def kept(*given: object, **more: object) -> Changes:
        told.append(told_changes(*given, **more))  # type: ignore[arg-type]
        return told[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(city_page, "changes", kept)
        status, answer = report(
            place / f"{DAYS[1]}.parquet", "--data", CITY, "--model", place / "model", "--out",
            tmp_path / "page", "--previous", rewritten(source, tmp_path / "last.parquet", last),
        )  # fmt: skip
    assert status == 0, answer
    n = len(last)
    said = "\n".join(answer["warnings"])
    assert f"3 of {n - 2:,} earlier scores are not what these records give for {DAYS[0]}" in said
    assert f"2 of {n:,} earlier scores are of enterprises that these tables do not have" in said
    moves = told[0].transitions
    now = set(scores["enterprise_id"])
    there = set(last["enterprise_id"]) - {newcomer["enterprise_id"].iloc[0]}
    assert moves.loc[moves["after"] == "gone", "n"].sum() == len(there - now) >= 1
    assert moves.loc[moves["before"] == "new", "n"].sum() == len(now - there) >= 1
    assert moves["n"].sum() == len(now | there)


def test_the_command_is_offered_only_with_the_last_assignment_that_tiers_rest_on(
    report: Report, place: Path, scores: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(city_page, "_portraits", lambda *_: None)
    last, path = tmp_path / "last tiers.csv", tmp_path / "scores.parquet"
    columns = ["enterprise_id", "assigned_on", "tier", "risk_level", "credit_grade"]
    given = scores.assign(assigned_on="2024-12-23")[columns]
    moved = given.index[scores["tier"] == "T1"][0]
    given.loc[moved, ["tier", "risk_level", "credit_grade"]] = ["T2", 2, "B"]
    given.to_csv(last, index=False)
    score(place / "model", CITY, DAYS[1], "shanghai-2025", path, previous=last)
    one = scores["enterprise_id"][moved]
    stays = pd.read_parquet(path).set_index("enterprise_id")["tier"][one]
    assert stays == "T2", "for one week is less than the dwell"
    asked = (path, "--data", CITY, "--model", place / "model", "--out", tmp_path / "page")

    status, answer = report(*asked)
    assert status == 0
    assert listed(tmp_path / "page" / "index.html")["command"] == ""
    assert "rest on a last assignment that is not at hand" in answer["warnings"][0]
    assert "--last" in answer["warnings"][0]
    status, answer = report(*asked, "--dossiers", 1)
    assert status == 2
    assert "--last: the tiers rest on a last assignment that is not at hand" in problems(answer)
    status, answer = report(*asked, "--last", place / f"{DAYS[0]}.parquet")
    assert status == 2
    assert "is not the last assignment that these tiers rest on" in problems(answer)
    status, answer = report(place / f"{DAYS[1]}.parquet", *asked[1:], "--last", last)
    assert status == 2
    assert "--last: these tiers rest on no last assignment. Leave it out." in problems(answer)

    for option in ("--last", "--previous"):  # the latter fits here, and nothing is compared
        status, answer = report(*asked, option, last)
        assert status == 0, answer
        assert "warnings" not in answer
        command = listed(tmp_path / "page" / "index.html")["command"]
        told = shlex.split(command)
        assert told[told.index("--previous") + 1] == str(last)
    capfd.readouterr()
    with pytest.raises(SystemExit) as left:
        main([*(part.replace("{id}", one) for part in told[1:]), "--json"])
    assert left.value.code == 0
    assert json.loads(capfd.readouterr().out)["reasons"]["tier"] == "T2"
    assert (tmp_path / "page-dossiers" / f"{one}.html").is_file()


def test_the_command_names_the_policy_so_that_it_is_found(
    report: Report, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(city_page, "_portraits", lambda *_: None)
    path, file = tmp_path / "scores.parquet", tmp_path / "our own.toml"
    own = Policy.load("shanghai-2025").reform({"review.hysteresis_points": 6.0})

    def named(*more: object) -> str | None:
        status, answer = report(
            path, "--data", CITY, "--model", place / "model", "--out", tmp_path / "page", *more
        )
        assert status == 0, answer
        told = shlex.split(listed(tmp_path / "page" / "index.html")["command"])
        assert told[told.index("--lang") + 1] == "zh"
        return told[told.index("--policy") + 1] if "--policy" in told else None

    score(place / "model", CITY, DAYS[1], "jiading-2025", path)
    assert named() == "jiading-2025"
    file.write_text(own.to_toml(), "utf-8")
    score(place / "model", CITY, DAYS[1], own, path)
    assert named("--policy", file) == str(file)
    model = dataclasses.replace(Model.load(place / "model"), policy=own)
    monkeypatch.setattr(Model, "load", classmethod(lambda _cls, _folder, **_: model))
    assert named() is None, "explain takes the model's own"


def test_scores_that_would_break_the_page_are_bad_input(
    report: Report, place: Path, scores: pd.DataFrame, tmp_path: Path
) -> None:
    rows = pd.concat([scores, scores.head(2)])
    rows["agreement_low"] = rows["agreement_low"].mask(np.arange(len(rows)) == 0)
    path = rewritten(place / f"{DAYS[1]}.parquet", tmp_path / "scores.parquet", rows)
    status, answer = report(path, "--data", CITY, "--out", tmp_path / "page")
    assert status == 2
    told = [(one["column"], one["message"], one["remedy"]) for one in answer["problems"]]
    remedy = "Give a file that 'tierkit score' wrote, as it was written."
    assert told == [
        ("enterprise_id", "is there twice", remedy),
        ("agreement_low", "is missing", remedy),
    ]


def test_more_rows_than_a_page_holds_ask_for_a_filter(
    report: Report, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tierkit.jobs.city_page.MOST_ROWS", 100)
    status, answer = report(place / f"{DAYS[1]}.parquet", "--data", CITY, "--out", tmp_path / "page")
    assert status == 2
    assert "Give a filter: --tier" in problems(answer)


def test_score_says_that_certainty_needs_a_bootstrap(
    place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = dataclasses.replace(Model.load(place / "model"), ensemble=None)
    monkeypatch.setattr(Model, "load", classmethod(lambda _cls, _folder, **_: bare))
    who = ("--as-of", DAYS[1], "--policy", "legacy", "--certainty", "--out", str(tmp_path / "scores.parquet"))
    with pytest.raises(SystemExit) as left:
        main(["score", str(place / "model"), str(CITY), *who])
    assert left.value.code == 2
    assert "Train it again with --bootstrap 20" in capfd.readouterr().err
    assert not any(tmp_path.iterdir())
