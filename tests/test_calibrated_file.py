"""Cut-offs set by the command: the file that it writes, what it refuses, and the warning of `score`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from shared import CITY, DAY, model_folder, once, run_command

import tierkit as tk
from tierkit.cli import main
from tierkit.jobs import scoring
from tierkit.jobs.calibration import CalibratedPolicy, calibrate
from tierkit.jobs.checks import BadInputError
from tierkit.jobs.city_page import city_page
from tierkit.policy import Policy
from tierkit.policy.tiers import drift
from tierkit.records import DataError

EARLIER = "2024-07-01"
LOWMERE = Path(__file__).parent / "places" / "lowmere-plan.toml"


def scored(day: str) -> Path:
    """Return the scores of the shared city on a day; read them, and write nothing beside them."""

    def make(folder: Path) -> None:
        folder.mkdir()
        scoring.score(model_folder("jiading-2025"), CITY, day, "jiading-2025", folder / "scores.parquet")

    return once(f"scores-{day}", make) / "scores.parquet"


@pytest.fixture(scope="module")
def scores() -> Path:
    return scored(DAY)


def said(error: BadInputError) -> str:
    return " | ".join(f"{one.place}: {one.message}" for one in error.problems)


def test_the_command_writes_a_policy_that_gives_the_shares_it_tells(scores: Path, tmp_path: Path) -> None:
    out, earlier = tmp_path / "ours.toml", scored(EARLIER)
    told = run_command("policy", "calibrate", "jiading-2025", scores, "--out", out, "--also", earlier)
    ours = Policy.load(out)
    assert (ours.name, ours.hash, ours.meta.baseline) == ("ours", told["hash"], "jiading-2025")
    n = len(pd.read_parquet(scores))
    assert ours["scoring.reference"] == f"{n:,} enterprises of Shanghai, scores.parquet, as of {DAY}"
    for file, name in ((scores, "scores.parquet"), (earlier, f"{earlier}, {EARLIER}")):
        tiers = tk.assign(pd.read_parquet(file), ours)["tier"].value_counts()
        shown = {one["level"]: one["enterprises"] for one in told["shares"]
                 if (one["scores"], one["kind"]) == (name, "tier")}  # fmt: skip
        assert shown == {tier: int(tiers.get(tier, 0)) for tier in shown}
    level = next(one for one in told["shares"] if one["kind"] == "risk_level")
    assert level["share"] == pytest.approx(level["target"], abs=0.004)
    assert told["cutoffs"][0]["low"] < told["cutoffs"][0]["value"] < told["cutoffs"][0]["high"]


def test_a_policy_file_is_its_baseline_by_the_path_from_the_new_one(scores: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(
        Policy.load("shanghai-2025").reform({"depth.detection": 0.8}, name="mine").to_toml(), "utf-8"
    )
    done = calibrate(mine, scores, tmp_path / "below" / "cut.toml", worst=0.05)
    assert 'baseline = "../mine.toml"' in Path(done.out).read_text("utf-8")
    again = Policy.load(done.out)
    assert again["depth.detection"] == 0.8
    assert again.hash == done.result.policy.hash
    share = next(one for one in done.result.shares if (one.kind, one.level) == ("tier", "T4"))
    assert 0.04 < share.share <= 0.05


def test_only_what_the_command_wrote_and_nobody_changed_is_replaced(scores: Path, tmp_path: Path) -> None:
    out = tmp_path / "ours.toml"
    assert not calibrate("jiading-2025", scores, out).replaced
    assert calibrate("jiading-2025", scores, out, shares=(0.5, 0.3, 0.15, 0.05)).replaced
    changed = out.read_text("utf-8").replace("0.15", "0.16")
    out.write_text(changed, "utf-8")
    with pytest.raises(BadInputError, match=r"was not written by .*, or was changed since"):
        calibrate("jiading-2025", scores, out)
    assert out.read_text("utf-8") == changed
    for name, text in (("own.toml", "[meta]\n"), ("empty.toml", "")):
        (tmp_path / name).write_text(text, "utf-8")
        with pytest.raises(BadInputError, match="was not written by"):
            calibrate("jiading-2025", scores, tmp_path / name)
        assert (tmp_path / name).read_text("utf-8") == text
    reform = tmp_path / "reform.toml"
    reform.write_text(Policy.load("jiading-2025").to_toml().replace('"jiading-2025"', '"own"', 1), "utf-8")
    with pytest.raises(BadInputError, match="would overwrite the input"):
        calibrate(reform, scores, reform)
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "empty.toml",
        "ours.toml",
        "own.toml",
        "reform.toml",
    ]


def test_everything_wrong_with_the_arguments_is_told_at_once(scores: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        calibrate(
            "jiading-2025", tmp_path / "none.parquet", tmp_path / "legacy.toml", also=tmp_path,
            shares=(1.0,), risk_cutoffs=(0.2,), worst=-1,
        )  # fmt: skip
    told = said(caught.value)
    for place, message in (
        ("scores", "does not exist"), ("also", "is not a file"), ("worst", "sets the shares"),
        ("shares", "not 4 numbers"), ("risk_cutoffs", "not 2 rising"), ("worst", "is no number of"),
        ("out", "'legacy' is the name of a preset"),
    ):  # fmt: skip
        assert any(one.startswith(f"{place}: ") and message in one for one in told.split(" | ")), (
            place,
            told,
        )
    with pytest.raises(BadInputError, match="rests on the true probabilities"):
        calibrate("oracle", scores, tmp_path / "a.toml")
    with pytest.raises(BadInputError, match="is in memory"):
        calibrate(Policy.load("legacy"), scores, tmp_path / "a.toml")  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="has no known ending"):
        calibrate("legacy", scores, tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_scores_of_another_place_and_files_that_are_none_are_refused(scores: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"of another place: Lowmere, .* has no 'retail'"):
        calibrate(LOWMERE, scores, tmp_path / "a.toml")
    with pytest.raises(BadInputError, match="the place here is Lowmere"):
        calibrate("jiading-2025", scores, tmp_path / "a.toml", place=LOWMERE.with_name("lowmere.toml"))
    other = tmp_path / "frame.parquet"
    pd.read_parquet(scores).to_parquet(other)  # whoever wrote it, it is not sealed
    with pytest.raises(DataError):
        calibrate("jiading-2025", other, tmp_path / "a.toml")
    assert list(tmp_path.iterdir()) == [other]


def test_the_command_names_options_and_writes_nothing_when_refused(
    scores: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["policy", "calibrate", "jiading-2025", str(scores), "--out", str(tmp_path / "a.toml")]
    for more, told in (
        (["--shares", "0.5;0.5"], "--shares"),
        (["--risk-cutoffs", "0.3,0.2"], "--risk-cutoffs"),
        (["--worst", "2.5"], "--worst"),
        (["--lang", "fr"], "--lang"),
    ):
        with pytest.raises(SystemExit) as left:
            main([*words, *more])
        assert left.value.code == 2
        assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SystemExit) as left:
        main([*words, "--lang", "zh"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    assert "按目标占比重新设定分界" in shown
    assert f"Wrote '{tmp_path / 'a.toml'}'." in shown


def test_a_result_is_plain_data(scores: Path, tmp_path: Path) -> None:
    done = calibrate("jiading-2025", scores, tmp_path / "a.toml", risk_cutoffs=(0.1, 0.2))
    told: dict[str, Any] = done.to_dict()
    assert isinstance(done, CalibratedPolicy)
    assert (told["out"], told["replaced"], told["asked"]) == (done.out, False, "risk_cutoffs")
    assert told["cutoffs"][0] | {"low": None, "high": None, "below": None} == told["cutoffs"][0]
    assert [one["value"] for one in told["cutoffs"][:2]] == [0.1, 0.2]


def test_score_warns_once_of_a_whole_city_however_it_is_cut(
    scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = calibrate("jiading-2025", scores, tmp_path / "ours.toml").result.policy
    far = ours.reform({"scoring.risk_cutoffs": [0.3, 0.5]}, name="far", assumption="set from the target "
                      "shares on another city")  # fmt: skip
    asked = (model_folder("jiading-2025"), CITY, DAY)
    scoring.score(*asked, far, tmp_path / "quiet.parquet")  # a city of so few says nothing
    monkeypatch.setattr(drift, "LEAST", 300)
    for rows in (400, 65_536):
        with pytest.warns(drift.SharesWarning) as caught:
            scoring.score(*asked, far, tmp_path / "far.parquet", chunk_rows=rows)
        (one,) = caught
        whole = pd.read_parquet(tmp_path / "far.parquet")
        share = (whole["risk_level"] == 1).mean()
        assert f"Under far {share:.1%} of {len(whole):,} enterprises are in level 1" in str(one.message)
        assert "set to put 62.0% there" in str(one.message)
    monkeypatch.setattr(drift, "FAR", 0.3)  # most here have the very same points, so that they miss the share
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scoring.score(*asked, ours, tmp_path / "ours.parquet", chunk_rows=400)


def test_the_page_of_everybody_tells_of_the_share_that_is_farthest(
    scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiers = pd.read_parquet(scores)
    share = (tiers["credit_grade"] == "A").mean()
    assert share - 0.62 > 0.2, "the small city is one that the preset's cut-offs do not fit"
    model = model_folder("jiading-2025")  # with which the page knows the policy
    city_page(scores, CITY, tmp_path / "quiet", model=model)
    monkeypatch.setattr(drift, "LEAST", 300)
    monkeypatch.setattr(drift, "FAR", 0.2)
    city_page(scores, CITY, tmp_path / "page", model=model)
    told = (tmp_path / "page" / "index.html").read_text("utf-8")
    for said in (
        f"Under jiading-2025 {share:.1%} of {len(tiers):,} enterprises are in grade A",
        f"信用A等占{share:.1%}",
    ):
        assert said in told
        assert said not in (tmp_path / "quiet" / "index.html").read_text("utf-8")
