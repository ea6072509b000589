"""Jobs called from Python: wrong arguments are listed at once, and what they return is what they wrote."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from tierkit.folders import kind_of
from tierkit.jobs import (
    backtest,
    city_page,
    demo,
    dossier,
    evaluation,
    reviewing,
    scoring,
    sensitivity,
    simulation,
    synthesis,
    training,
)
from tierkit.jobs.checks import BadInputError
from tierkit.policy import Policy, PolicyWarning
from tierkit.records import Parameter
from tierkit.report import RunReport
from tierkit.report.tables import weak_models

CITY = Path("data/synthetic")
AS_OF = "2024-12-30"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and everybody's scores."""
    folder = tmp_path_factory.mktemp("jobs")
    training.train(CITY, AS_OF, folder / "model", policy="shanghai-2025")
    scoring.score(folder / "model", CITY, AS_OF, "shanghai-2025", folder / "scores.parquet")
    return folder


def places(job: Callable[..., Any], *arguments: Any, **options: Any) -> list[str]:
    """Return the parameters of which a job complains, each once."""
    with pytest.raises(BadInputError) as raised:
        job(*arguments, **options)
    assert isinstance(raised.value, ValueError)
    assert isinstance(raised.value, TypeError)
    for one in raised.value.problems:
        assert one.message
        assert one.remedy
        assert one.message in str(raised.value)
    return list(dict.fromkeys(one.place.split()[0] for one in raised.value.problems))


WRONG: list[tuple[Callable[..., Any], list[Any], dict[str, Any], list[str]]] = [
    (
        synthesis.synth, [1.5, 7], {"seed": "1", "format": 3, "threads": 0},
        ["enterprises", "seed", "format", "threads", "out"],
    ),
    (synthesis.validate, [{}], {}, ["data"]),
    (
        training.train, [5, 20241230, None],
        {"policy": 3, "scheme": "wieghted", "level": None, "seed": -1, "budget": 375, "bootstrap": True},
        ["data", "as_of", "policy", "scheme", "level", "budget", "bootstrap", "seed", "out"],
    ),
    (
        scoring.score, [CITY, None, "03/04/2024", "legcy", "out.csv"],
        {"previous": 1, "reasons": -1, "chunk_rows": 0.5, "threads": "2"},
        ["model", "data", "as_of", "policy", "previous", "reasons", "chunk_rows", "threads", "out"],
    ),
    (
        dossier.explain, [CITY, 1, pd.NaT, 9131, "one.pdf"],
        {"policy": "oracle", "lang": "fr", "previous": "none", "reviews": "none", "background": -1},
        ["model", "data", "as_of", "enterprise", "policy", "lang", "previous", "reviews", "background",
         "out"],
    ),
    (
        city_page.city_page, ["none.parquet", None, "tests"],
        {"tiers": "T9", "sectors": ["fod"], "districts": [1], "dossiers": 2, "lang": "zh-CN", "last": "none"},
        ["scores", "data", "last", "tiers", "sectors", "districts", "lang", "dossiers", "out"],
    ),
    (
        simulation.simulate, [["shangai-2025", 3], "tests"],
        {"kappas": ["0.1", float("nan")], "weeks": 0, "replicates": 2.5, "seed": 2**32, "baseline": "legcy"},
        ["data", "policies", "baseline", "kappas", "weeks", "replicates", "seed", "out"],
    ),
    (simulation.simulate, [[], "new"], {"kappas": [], "enterprises": 10**9},
     ["enterprises", "policies", "kappas"]),
    (simulation.run_page, [CITY, "tests"], {}, ["run", "out"]),
    (
        sensitivity.sensitivity, ["legacy", "tests"],
        {"enterprises": 5, "measures": "harn", "levels": 3, "kappa": "much", "weeks": 1000},
        ["policy", "enterprises", "levels", "kappa", "weeks", "measures", "out"],
    ),
    (
        evaluation.evaluate, [CITY, CITY, "soon", "tests"],
        {"policy": "oracle", "practice": 1, "months": 25, "worlds": -1},
        ["model", "as_of", "policy", "practice", "months", "worlds", "out"],
    ),
    (
        backtest.backtest, ["none", "2024-02-30"],
        {"model": CITY, "weeks": "52", "replicates": 38, "seed": None, "out": "tests"},
        ["data", "as_of", "model", "weeks", "replicates", "seed", "out"],
    ),
    (reviewing.review, ["none.txt", "data"], {"scores": 3}, ["decisions", "scores", "log"]),
    (demo.run, ["tests"], {"enterprises": 499, "replicates": 1, "seed": -1},
     ["enterprises", "replicates", "seed", "out"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("job", "arguments", "options", "expected"), WRONG, ids=[one[0].__module__ for one in WRONG]
)
def test_all_that_is_wrong_is_listed_at_once(
    job: Callable[..., Any], arguments: list[Any], options: dict[str, Any], expected: list[str]
) -> None:
    assert places(job, *arguments, **options) == expected


def test_out_folders_are_guarded_from_python_too(place: Path, tmp_path: Path) -> None:
    before = (place / "model" / "manifest.json").read_bytes()
    for job in (
        lambda out: synthesis.synth(5, out),
        lambda out: simulation.simulate("uniform-3pct", out, enterprises=5, weeks=1, replicates=1),
        lambda out: demo.run(out),
    ):
        assert places(job, place / "model") == ["out"]
    assert (place / "model" / "manifest.json").read_bytes() == before
    assert places(synthesis.synth, 5, CITY / "manifest.json") == ["out"]
    with pytest.raises(BadInputError, match="would overwrite the input"):
        scoring.score(place / "model", CITY, AS_OF, "legacy", CITY / "scores.parquet")


def test_two_jobs_in_one_process_give_what_each_gives_alone(tmp_path: Path) -> None:
    few: dict[str, Any] = {"enterprises": 150, "weeks": 8, "replicates": 2, "kappas": (0.0, 0.1), "seed": 3}
    first = simulation.simulate("uniform-3pct", tmp_path / "a", **few)
    with pytest.warns(UserWarning, match="rule score stands in for models under minhang-2023"):
        other = simulation.simulate(["uniform-3pct", "minhang-2023"], tmp_path / "b", **{**few, "seed": 4})
    again = simulation.simulate(Policy.load("uniform-3pct"), str(tmp_path / "a"), **few)
    assert (first.replaced, other.replaced, again.replaced) == (False, False, True)
    pd.testing.assert_frame_equal(first.report.summary, again.report.summary, check_exact=True)
    kept = RunReport.read(tmp_path / "a")
    pd.testing.assert_frame_equal(kept.summary, first.report.summary, check_exact=True)
    assert (kept.kappa, sorted(set(kept.summary["kappa"]))) == (0.1, [0.0, 0.1])
    assert not first.report.summary.equals(other.report.summary)
    done = simulation.run_page(tmp_path / "a", tmp_path / "page")
    assert done.page.is_file()
    assert json.loads(Path(done.to_dict()["summary"]).read_text("utf-8"))["facts"]["seed"] == 3


def test_a_reform_in_memory_is_compared_with_the_baseline_that_it_names(tmp_path: Path) -> None:
    shanghai = Policy.load("shanghai-2025")
    reform = shanghai.reform({"frequency.tier.T4.key": 2.0}, name="closer")
    few: dict[str, Any] = {"enterprises": 50, "weeks": 1, "replicates": 1, "kappas": [0]}
    with pytest.warns(UserWarning, match="without `model`, the rule score stands in"):
        done = simulation.simulate(reform, tmp_path / "run", **few)
    assert (done.baseline, done.named_baseline) == ("shanghai-2025", True)
    with pytest.raises(BadInputError, match="is equal to the baseline"):
        simulation.simulate(reform, tmp_path / "run", baseline=reform, **few)


def test_a_reform_that_comes_into_force_after_the_run_is_no_reform_of_it(tmp_path: Path) -> None:
    later = Parameter(0.8, "probability", assumption="from 2030", from_=date(2030, 1, 1))
    reform = Policy.load("shanghai-2025").reform({"depth.detection": later}, name="later")
    few: dict[str, Any] = {"enterprises": 50, "weeks": 1, "replicates": 1, "kappas": [0]}
    with (
        pytest.warns(PolicyWarning, match="is 0.8 from 2030-01-01 on"),
        pytest.raises(BadInputError, match="'later' is equal to the baseline 'shanghai-2025'"),
    ):
        simulation.simulate(reform, tmp_path / "run", **few)
    assert not (tmp_path / "run").exists()


def test_a_dossier_can_be_made_again_by_the_command_that_it_states(place: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(place / "scores.parquet")
    one = str(rows.loc[rows["tier"] == rows["tier"].max(), "enterprise_id"].iloc[0])
    page = tmp_path / "new" / "one.html"
    asked = (place / "model", CITY, date(2024, 12, 30), one, page)
    done = dossier.explain(*asked, lang="en", policy=Policy.load("shanghai-2025"))
    assert done.page == page
    assert one in page.read_text("utf-8")
    assert done.sheet.reasons.tier == rows.set_index("enterprise_id")["tier"][one]
    assert done.to_dict()["reasons"]["tier"] == done.sheet.reasons.tier
    assert done.sentences()[: len(done.sheet.reasons.sentences("en"))] == done.sheet.reasons.sentences("en")
    assert shlex.split(done.sheet.facts["command"]) == [
        "tierkit", "explain", str(place / "model"), str(CITY), f"--as-of={AS_OF}", f"--enterprise={one}",
        "--policy=shanghai-2025", "--lang=en", f"--out={page}",
    ]  # fmt: skip
    stranger = (*asked[:3], "91350100M000100Y43", tmp_path / "two.html")
    with pytest.raises(BadInputError, match=r"enterprise: 91350100M000100Y43 is not in the table"):
        dossier.explain(*stranger)
    assert not (tmp_path / "two.html").exists()


def test_the_page_of_a_city_and_a_log_of_decisions(place: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(place / "scores.parquet").head(2)
    decisions = rows[["enterprise_id", "tier", "policy"]].assign(
        decision="agree", reviewer="Li", decided_on="2025-01-06", as_of=AS_OF
    )
    decisions.to_csv(tmp_path / "decisions.csv", index=False)
    log = tmp_path / "log.jsonl"
    added = reviewing.review(tmp_path / "decisions.csv", log, scores=place / "scores.parquet")
    assert (added.rows, added.added, added.entries) == (2, 2, 2)
    assert reviewing.review(str(tmp_path / "decisions.csv"), str(log)).added == 0
    done = city_page.city_page(
        place / "scores.parquet", CITY, tmp_path / "page", reviews=log, tiers=["T1", "T2"], lang="en"
    )
    assert kind_of(done.folder) == "city"
    summary = json.loads((done.folder / "summary.json").read_text("utf-8"))
    assert {name: summary[name] for name in summary if name not in ("files", "seal")} == done.summary
    assert set(summary["tiers"]) <= {"T1", "T2"}
    assert summary["enterprises"] == sum(summary["tiers"].values()) < summary["scored"]


def test_a_past_year_is_rerun_and_kept(tmp_path: Path) -> None:
    synthesis.synth(1500, tmp_path / "city", seed=3)
    done = backtest.backtest(
        tmp_path / "city", date(2024, 1, 1), weeks=26, replicates=39, out=tmp_path / "past"
    )
    told = json.loads((tmp_path / "past" / "summary.json").read_text("utf-8"))
    assert told["coverage"] == done.result.coverage
    assert told["rows"] == done.rows
    assert Policy.load(tmp_path / "past" / "history.toml").hash == done.to_dict()["policy"]
    with pytest.raises(BadInputError, match=r"data: .* records end on"):
        backtest.backtest(tmp_path / "city", "2024-06-03", replicates=39)


def test_the_demo_passes_on_what_tells_the_error_of_its_models() -> None:
    measured = {"n": 300, "events": 30, "auc": 0.6}
    rows = [
        {"score": "random", "auc_low": 0.5, "auc_high": 0.5},
        {"score": "model", "auc_low": 0.4, "auc_high": 0.7},
    ]
    risk = {"metrics": {"test": measured}, "baselines": {"test": rows}}
    credit = {"metrics": measured, "rows": {"rows": 1000, "snapshots": 3}}
    model = SimpleNamespace(manifest={"risk": risk, "credit": credit})
    told = demo._metrics(model)
    assert told == {
        "risk": measured | {"auc_low": 0.4, "auc_high": 0.7},
        "credit": measured | {"independent": 100},
    }
    assert [name for name, *_ in weak_models(told)] == ["risk", "credit"]
    rows[1] |= {"auc_low": None, "auc_high": None}  # as JSON writes that there is no interval
    assert demo._metrics(model)["risk"] == measured
