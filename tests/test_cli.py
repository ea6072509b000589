"""The command line: what it prints, its exit status, and that nothing is written when anything is wrong."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from shared import once, run_command

from tierkit.cli import main
from tierkit.cli.answers import as_data
from tierkit.cli.app import app
from tierkit.cli.table import cell, table
from tierkit.features import build
from tierkit.folders import kind_of, whole_folder
from tierkit.jobs.checks import Checks, nearest
from tierkit.policy import Policy, presets
from tierkit.records import read_dataset
from tierkit.scores.baselines import BASELINES


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out)
        return answer


Tierkit = Callable[..., Ended]


@pytest.fixture
def tierkit(capfd: pytest.CaptureFixture[str]) -> Tierkit:
    """Run a command in this process."""

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(one) for one in arguments])
        assert isinstance(left.value.code, int)
        return Ended(left.value.code, *capfd.readouterr())

    return run


def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own."""
    command = [sys.executable, "-m", "tierkit", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        check=False,
    )


# Usage


def test_help_lists_the_commands_and_is_quick() -> None:
    process("--help")  # the first call writes bytecode
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = process("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # processor time, which does not grow where other tests keep the cores busy
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5
    assert ended.returncode == 0
    assert "…" not in ended.stdout
    assert "..." not in ended.stdout.partition("Commands:")[2], "no summary is cut"
    for name in [command.name for command in app.registered_commands]:
        assert f"  {name} " in ended.stdout


def test_help_loads_no_library() -> None:
    code = "import sys, tierkit.cli; print(*({'numpy', 'pandas', 'numba', 'rich.table'} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "\n"


def test_a_policy_is_checked_without_the_libraries_of_tables() -> None:
    code = (
        "import sys\nfrom tierkit.cli import main\n"
        "try: main(['policy', 'check', 'shanghai-2025'])\n"
        "except SystemExit: print(*({'numpy', 'pandas', 'pyarrow', 'numba'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, *_, loaded = ended.stdout.split("\n")[:-1]
    assert (first, loaded) == ("shanghai-2025 can be used.", "")


def test_version(tierkit: Tierkit) -> None:
    assert tierkit("--version").out.startswith("tierkit 0.")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["polisy"], "Did you mean 'policy'?"),
        (["policy", "shw"], "Did you mean 'show'?"),
        (["policy", "show"], "Missing argument 'POLICY'"),
        (["policy", "list", "--jsn"], "--json"),
        (["policy", "show", "legacy", "more"], "unexpected extra argument"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_where_help_is(
    tierkit: Tierkit, arguments: list[str], said: str
) -> None:
    ended = tierkit(*arguments)
    assert ended.status == 2
    assert said in ended.err
    assert "--help" in ended.err
    assert ended.out == ""


def test_wrong_usage_is_told_in_json_where_asked(tierkit: Tierkit) -> None:
    ended = tierkit("policy", "show", "--json")
    assert ended.status == 2
    assert ended.data["status"] == "bad input"
    assert ended.data["problems"][0]["message"] == "Missing argument 'POLICY'."


def test_a_fault_of_ours_is_short_and_shows_its_traceback_only_when_asked(
    tierkit: Tierkit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("the engine lost count")

    monkeypatch.setattr("tierkit.policy.presets", fail)
    ended = tierkit("policy", "list")
    assert ended.status == 1
    assert "RuntimeError: the engine lost count" in ended.err
    assert "Traceback" not in ended.err
    assert "Traceback" in tierkit("policy", "list", "--debug").err
    as_json = tierkit("policy", "list", "--json")
    assert as_json.status == 1
    assert as_json.data == {"status": "fault", "message": "RuntimeError: the engine lost count"}


def test_an_interrupt_ends_with_130(tierkit: Tierkit, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tierkit.policy.presets", interrupt)
    assert tierkit("policy", "list").status == 130


@pytest.mark.parametrize("command", ["policy show legacy", "policy diff legacy shanghai-2025", "--help"])
def test_a_reader_that_has_seen_enough_is_no_fault(command: str) -> None:
    # a reader that reads nothing at all, whether the answer fits the buffer or not
    shell = f"'{sys.executable}' -m tierkit {command} | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
    assert ended.stdout == "141\n", "what shells say of a process that SIGPIPE ended"
    assert ended.stderr == ""


def test_chinese_shows_in_any_locale() -> None:
    ended = process("policy", "list", LC_ALL="C")
    assert ended.returncode == 0
    assert "嘉定区" in ended.stdout


# Policies


def test_policy_list_names_every_preset(tierkit: Tierkit) -> None:
    ended = tierkit("policy", "list", "--json")
    assert ended.status == 0
    assert ended.err == ""
    assert [one["policy"] for one in ended.data["policies"]] == list(presets())
    listed = tierkit("policy", "list").out
    assert all(name in listed for name in presets())


def test_policy_ladder_lays_policies_side_by_side_and_warns(tierkit: Tierkit, tmp_path: Path) -> None:
    ended = tierkit("policy", "ladder", "shanghai-2025", "henan-2021")
    assert ended.status == 0, ended.err
    _, first, second = ended.out.splitlines()[:3]
    assert first.split()[:3] == ["shanghai-2025", "in", "force"]
    assert second.split()[-2:] == ["0.0302", "0.0239"]
    assert "Below" not in ended.out
    assert {one["policy"] for one in tierkit("policy", "ladder", "--json").data["ladder"]} == set(presets())
    file = tmp_path / "less.toml"
    # 0.04 × (0.62 × 0.2 + 0.25 × 0.5 + 0.10 + 0.03) + 0.005 = 0.02016
    changes = {"frequency.base_rate": 0.04, "frequency.random_floor": 0.005}
    less = Policy.load("shanghai-2025").reform(changes, name="less")
    file.write_text(less.to_toml(against=Policy.load("legacy")), "utf-8")
    said = tierkit("policy", "ladder", file).out
    assert "Below the legal floor: as the only draw, less reaches 2.02% of the enterprises a year" in said
    (only,) = tierkit("policy", "ladder", file, "--json").data["floor"]
    assert (only["breach"], round(only["ratio"], 6)) == (True, 0.02016)
    assert tierkit("policy", "ladder", "henna-2021").status == 2


def test_simulate_warns_of_a_policy_below_the_legal_floor(
    tierkit: Tierkit, city: Path, tmp_path: Path
) -> None:
    file = tmp_path / "less.toml"
    less = Policy.load("uniform-3pct").reform({"frequency.random_floor": 0.02}, name="less")
    file.write_text(less.to_toml(against=Policy.load("legacy")), "utf-8")
    few = ("--weeks", 4, "--replicates", 2, "--kappa", 0, "--out", tmp_path / "run")
    said = tierkit("simulate", city, "--policy", "uniform-3pct", "--policy", file, *few)
    assert said.status == 0, said.err
    (line,) = [line for line in said.out.splitlines() if "legal floor" in line]
    assert line.startswith("Below the legal floor: as the only draw, less reaches 2.00% of the enterprises")
    told = tierkit("simulate", city, "--policy", "uniform-3pct", "--policy", file, *few, "--json").data
    assert [one["breach"] for one in told["floor"]] == [False, False, True]


def test_policy_show_can_be_read_again(tierkit: Tierkit, tmp_path: Path) -> None:
    file = tmp_path / "copy.toml"
    file.write_text(tierkit("policy", "show", "shanghai-2025").out, "utf-8")
    assert Policy.load(file).hash == Policy.load("shanghai-2025").hash
    shown = tierkit("policy", "show", file, "--json").data
    assert (
        shown["parameters"]["frequency.random_floor"]["value"] == Policy.load(file)["frequency.random_floor"]
    )


def test_policy_diff_shows_one_changed_value(tierkit: Tierkit, tmp_path: Path) -> None:
    reform = Policy.load("legacy").reform({"frequency.tier.T4.key": 4.0}, name="denser")
    file = tmp_path / "denser.toml"
    file.write_text(reform.to_toml(against=Policy.load("legacy")), "utf-8")
    ended = tierkit("policy", "diff", "legacy", file)
    assert ended.status == 0
    heading, row = ended.out.splitlines()
    assert heading.split() == ["parameter", "legacy", "denser", "unit", "source"]
    assert row.split()[:3] == ["frequency.tier.T4.key", "1.0", "4.0"]
    (only,) = tierkit("policy", "diff", "legacy", file, "--json").data["differences"]
    assert (only["a"], only["b"]) == (1.0, 4.0)
    assert "same values" in tierkit("policy", "diff", "legacy", "legacy").out


def test_unknown_policies_are_all_named_with_the_nearest(tierkit: Tierkit) -> None:
    ended = tierkit("policy", "diff", "legcy", "shangai-2025")
    assert ended.status == 2
    assert "did you mean 'legacy'?" in ended.err
    assert "did you mean 'shanghai-2025'?" in ended.err
    assert "2 problems" in ended.err


def test_policy_check_lists_everything_that_is_wrong(tierkit: Tierkit, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    heading = '[meta]\nname = "bad"\ntitle_zh = "坏"\ntitle_en = "bad"\nbaseline = "legacy"\n'
    values = (
        "[depth]\n"
        'detection = { value = 1.5, unit = "probability", assumption = "x" }\n'
        'detecton = { value = 0.5, unit = "probability", assumption = "x" }\n'
    )
    file.write_text(heading + values, "utf-8")
    ended = tierkit("policy", "check", file, "--json")
    assert ended.status == 2
    problems = {one["parameter"]: one for one in ended.data["problems"]}
    assert problems.keys() == {"depth.detection", "depth.detecton"}
    assert problems["depth.detection"]["line"] == 7
    assert all(one["remedy"] for one in problems.values())
    assert "1.5" in tierkit("policy", "check", file).err


def test_policy_check_passes_what_only_deserves_a_warning(tierkit: Tierkit, tmp_path: Path) -> None:
    reform = tmp_path / "dark.toml"
    reform.write_text(
        '[meta]\nname = "dark"\ntitle_zh = "暗"\ntitle_en = "dark"\nbaseline = "legacy"\n'
        "[frequency]\n"
        'random_floor = { value = 0.0, unit = "draws/obligation-year", assumption = "to see" }\n',
        "utf-8",
    )
    ended = tierkit("policy", "check", reform)
    assert ended.status == 0, ended.err
    assert "random_floor" in ended.out
    shown = tierkit("policy", "show", reform)
    assert shown.status == 0
    assert shown.err.startswith("warning: ")
    assert "Set a floor" in shown.err
    assert tierkit("policy", "show", reform, "--json").data["warnings"]


# Records and runs


@pytest.fixture(scope="module")
def city() -> Path:
    """A folder with a small synthetic city."""

    def make(folder: Path) -> None:
        answer = run_command("synth", "--enterprises", 120, "--seed", 5, "--out", folder)
        assert answer["manifest"]["enterprises"] == 120

    return once("city", make)


def files(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_synth_makes_the_same_city_again_and_another_by_another_seed(
    tierkit: Tierkit, city: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    for seed, same in ((5, True), (6, False)):
        assert tierkit("synth", "--enterprises", 120, "--seed", seed, "--out", again).status == 0
        assert (files(again) == files(city)) is same


def test_a_city_may_be_as_small_as_one_enterprise(tierkit: Tierkit, tmp_path: Path) -> None:
    assert tierkit("synth", "--enterprises", 1, "--seed", 1, "--out", tmp_path / "one").status == 0
    assert tierkit("validate", tmp_path / "one").status == 0


def test_synth_lists_all_that_is_wrong_and_writes_nothing(tierkit: Tierkit, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()
    ended = tierkit(
        "synth", "--enterprises", 0, "--seed", -1, "--format", "xlsx", "--out", tmp_path, "--json"
    )
    assert ended.status == 2
    places = [one["place"] for one in ended.data["problems"]]
    assert places == ["--enterprises", "--seed", "--format", "--out"]
    assert [one.name for one in tmp_path.iterdir()] == ["precious.txt"]


def test_validate_passes_what_synth_makes(tierkit: Tierkit, city: Path) -> None:
    ended = tierkit("validate", city)
    assert ended.status == 0
    assert "keeps the contract" in ended.out
    assert tierkit("validate", city, "--json").data["tables"]["enterprises"] == 120


def test_validate_lists_every_failure(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    assert tierkit("synth", "--enterprises", 120, "--seed", 5, "--format", "csv", "--out", broken).status == 0
    (broken / "manifest.json").unlink()
    table_of = broken / "enterprises.csv"
    heading, first, second, *rest = table_of.read_text("utf-8").splitlines()
    fields = first.split(",")
    column = heading.split(",").index("size")
    wrong = ",".join(
        ["?" * 18 if at == 0 else "huge" if at == column else one for at, one in enumerate(fields)]
    )
    table_of.write_text("\n".join([heading, wrong, second, second, *rest]) + "\n", "utf-8")
    (broken / "inspections.csv").unlink()
    ended = tierkit("validate", broken, "--json")
    assert ended.status == 2
    found = {(one["table"], one["column"]) for one in ended.data["problems"]}
    assert {("enterprises", "enterprise_id"), ("enterprises", "size"), ("inspections", "")} <= found
    assert all(one["remedy"] for one in ended.data["problems"])
    said = tierkit("validate", broken)
    assert "huge" in said.err
    assert said.out == ""
    assert said.err.rstrip().endswith("problems. Row 1 is the first below the header."), "it writes nothing"


def test_a_row_with_too_few_fields_is_shown_and_the_other_tables_are_checked(
    tierkit: Tierkit, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    assert tierkit("synth", "--enterprises", 60, "--format", "csv", "--out", folder).status == 0
    table_of = folder / "enterprises.csv"
    heading, *rows = table_of.read_text("utf-8").splitlines()
    table_of.write_text("\n".join([heading, rows[0], "", "too,few", *rows[1:]]) + "\n", "utf-8")
    edited = tierkit("validate", folder)
    assert "SHA-256 differs" in edited.err
    assert "take manifest.json away, and the tables are your own" in edited.err
    (folder / "manifest.json").unlink()
    ended = tierkit("validate", folder, "--json")
    (problem,) = [one for one in ended.data["problems"] if one["table"] == "enterprises"]
    fields = len(heading.split(","))
    assert problem["rows"] == 1
    assert problem["examples"] == [f"row 2: 2 fields instead of {fields}: 'too,few'"]
    assert "all its fields" in problem["remedy"]


def test_an_output_replaces_only_what_the_same_command_wrote(
    tierkit: Tierkit, city: Path, model: Path, tmp_path: Path
) -> None:
    few = ("--policy", "shanghai-2025", "--weeks", 4, "--replicates", 2, "--kappa", 0)
    run, page = tmp_path / "run", tmp_path / "page"
    for said in ("Wrote", "Replaced"):
        assert f"{said} '{run}'" in tierkit("simulate", city, *few, "--out", run).out
        assert f"{said} '{page / 'index.html'}'" in tierkit("report", run, "--out", page).out
    demo = tmp_path / "demo"
    for name, folder in (("data", city), ("model", model), ("run", run)):
        shutil.copytree(folder, demo / name)
    shutil.copy(page / "summary.json", demo)
    before = {folder: files(folder) for folder in (demo, city, model, run, page)}
    refused = {
        "synth --enterprises 5": ("dataset", [demo, model, run, page]),
        f"train {city} --as-of {AS_OF}": ("model", [demo, run, page]),
        f"simulate {city} --policy shanghai-2025": ("run", [demo, model, page]),
        f"report {run}": ("page", [demo, model, city]),
        "demo": ("demo", [city, model, run, page]),
    }
    kinds = dict(zip(before, ("demo", "dataset", "model", "run", "page"), strict=True))
    for command, (_, places) in refused.items():
        for place in places:
            ended = tierkit(*command.split(), "--out", place)
            assert ended.status == 2, (command, place)
            assert f"is a {kinds[place]}, which only another {kinds[place]} may replace" in ended.err
    assert {folder: files(folder) for folder in before} == before


def test_a_folder_of_another_kind_is_named_as_what_it_is(
    tierkit: Tierkit, city: Path, model: Path, tmp_path: Path
) -> None:
    who = ("--as-of", AS_OF, "--enterprise", "91350100M000100Y43", "--out", tmp_path / "a.html")
    ended = tierkit("explain", city, model, *who)
    assert ended.status == 2
    assert f"'{city}' is a dataset, not a model" in ended.err
    assert f"'{model}' is a model, not a dataset" in ended.err
    assert "2 problems" in ended.err
    assert f"'{model}' is a model, not a dataset" in tierkit("validate", model).err


def test_a_city_too_large_is_bad_input(tierkit: Tierkit, tmp_path: Path) -> None:
    for command in ("synth", "demo"):
        ended = tierkit(command, "--enterprises", 10**9, "--out", tmp_path / "city")
        assert ended.status == 2
        assert "Give a number from" in ended.err
        assert "to 20,000,000." in ended.err


def test_validate_of_a_place_that_is_not_there(tierkit: Tierkit, city: Path) -> None:
    ended = tierkit("validate", city.with_name("citi"))
    assert ended.status == 2
    assert "Did you mean 'city'?" in ended.err


def test_simulate_shows_headline_with_intervals_and_writes_a_run(
    tierkit: Tierkit, city: Path, tmp_path: Path
) -> None:
    from tierkit.compare.comparison import HEADLINE
    from tierkit.report import RunReport

    run = tmp_path / "run"
    few = ("--weeks", 8, "--replicates", 2)
    ended = tierkit("simulate", city, "--policy", "shanghai-2025", *few, "--out", run)
    assert ended.status == 0, ended.err
    assert len(ended.out.splitlines()) == 1 + len(HEADLINE) + 2 + 2  # the last: what intervals are over
    assert "over draws alone" in ended.out
    for shown in ("κ = 0", "κ = 0.1", "κ = 0.25", "finding rate", "violations missed"):
        assert shown in ended.out
    kept = RunReport.read(run)
    assert [one.hash for one in kept.policies] == [
        Policy.load(one).hash for one in ("legacy", "shanghai-2025")
    ]
    assert (kept.kappa, kept.weeks, kept.facts["enterprises"]) == (0.1, 8, 120)
    assert "Differences from legacy over" in ended.out
    before = files(run)
    again = tierkit("simulate", city, "--policy", "shanghai-2025", *few, "--out", run, "--json")
    assert again.status == 0
    assert len(again.data["headline"]) == 2 * 3 * len(HEADLINE)
    assert files(run) == before


def test_simulate_promises_no_interval_of_one_replicate(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    options = ("--policy", "uniform-3pct", "--weeks", 8, "--kappa", 0, "--replicates", 1)
    ended = tierkit("simulate", city, *options, "--out", tmp_path / "run")
    assert ended.status == 0
    assert "One replicate has no intervals" in ended.out
    assert "[–, –]" not in ended.out
    assert "95 %" not in ended.out


def test_simulate_says_how_many_replicates_a_width_takes(
    tierkit: Tierkit, city: Path, tmp_path: Path
) -> None:
    from tierkit.compare.intervals import replicates_for

    asked = ("simulate", city, "--policy", "uniform-3pct", "--weeks", 8, "--kappa", 0.1)
    ended = tierkit(*asked, "--replicates", 3, "--out", tmp_path / "run", "--json")
    row = next(
        one
        for one in ended.data["headline"]
        if one["policy"] == "uniform-3pct" and one["measure"] == "inspections"
    )
    takes = replicates_for(row, 0.1 * abs(row["difference"]))
    assert row["replicates_for_10_percent"] == takes._asdict()
    shown = tierkit(*asked, "--replicates", 3, "--out", tmp_path / "run").out.splitlines()
    assert shown[0].endswith("replicates for ± 10 %")
    assert shown[1].endswith(f"{takes.needed:,} [{takes.low:,}, {takes.high:,}]")
    one = tierkit(*asked, "--replicates", 1, "--out", tmp_path / "run")
    assert one.status == 0
    assert "replicates for" not in one.out  # one shows no spread


def test_sensitivity_writes_frames_and_figures_in_both_languages(tierkit: Tierkit, tmp_path: Path) -> None:
    import pandas as pd

    out = tmp_path / "sensitivity"
    few = ["depth.detection", "frequency.tier.T1", "kappa"]
    asked = ("sensitivity", "--enterprises", 150, "--seed", 5, "--policy", "minhang-2023", "--out", out)
    asked += ("--trajectories", 2, "--cities", 2, "--weeks", 8, "--measure", "visits")
    asked += tuple(word for name in few for word in ("--chosen", name))
    ended = tierkit(*asked)
    assert ended.status == 0, ended.err
    assert ended.out.startswith("visits: ")
    assert ended.out.endswith(f"Wrote '{out}'.\n")
    assert "the rule score stands in for models under minhang-2023" in ended.err
    pictures = [f"{kind}-visits-{lang}.png" for kind in ("screening", "tornado") for lang in ("en", "zh")]
    assert sorted(one.name for one in out.iterdir()) == sorted(
        [*pictures, "screening.parquet", "tornado.parquet", "summary.json"]
    )
    frame = pd.read_parquet(out / "screening.parquet")
    assert set(frame["measure"]) == {"visits"}
    assert sorted(frame["parameter"]) == few
    swings = pd.read_parquet(out / "tornado.parquet")
    stands = set(frame.loc[frame["stands_out"], "parameter"])
    assert set(swings["parameter"]) == (stands or set(frame["parameter"]))
    before = files(out)
    again = tierkit(*asked, "--json")
    assert again.status == 0
    assert again.data["facts"]["enterprises"] == 150
    assert [one["parameter"] for one in again.data["first"]] == list(
        frame.loc[frame["stands_out"], "parameter"]
    )
    assert files(out) == before


def test_sensitivity_lists_all_that_is_wrong(tierkit: Tierkit, tmp_path: Path) -> None:
    out = tmp_path / "sensitivity"
    ended = tierkit(
        "sensitivity", "--enterprises", 5, "--policy", "legacy", "--trajectories", 1, "--levels", 3,
        "--replicates", 1, "--cities", 1, "--kappa", 9, "--weeks", 0, "--measure", "harn", "--chosen", "kapa",
        "--out", out, "--json",
    )  # fmt: skip
    assert ended.status == 2
    assert [one["place"] for one in ended.data["problems"]] == [
        "--policy", "--enterprises", "--trajectories", "--levels", "--replicates", "--cities", "--kappa",
        "--weeks", "--measure", "--chosen",
    ]  # fmt: skip
    assert "did you mean 'harm'?" in ended.data["problems"][-2]["message"]
    assert "did you mean 'kappa'?" in ended.data["problems"][-1]["message"]
    assert not out.exists()
    idle = tierkit("sensitivity", "--policy", "uniform-3pct", "--chosen", "offsite.coverage", "--out", out)
    assert idle.status == 2
    assert "'offsite.coverage' cannot affect the comparison of 'uniform-3pct' with 'legacy'" in idle.err
    small = ("--enterprises", 100, "--weeks", 1, "--trajectories", 2, "--measure", "findings")
    ended = tierkit("sensitivity", "--policy", "uniform-3pct", *small, "--out", out)
    assert ended.status == 2
    assert "take more enterprises or weeks" in ended.err
    assert not out.exists()


def test_simulate_draws_a_city_in_memory_that_is_the_one_of_its_folder(
    tierkit: Tierkit, tmp_path: Path
) -> None:
    options = ("--policy", "shanghai-2025", "--weeks", 4, "--replicates", 2, "--kappa", 0.1, "--seed", 7)
    made = tierkit("synth", "--enterprises", 150, "--seed", 7, "--out", tmp_path / "city")
    assert made.status == 0, made.err
    written = tierkit("simulate", tmp_path / "city", *options, "--out", tmp_path / "a", "--json")
    drawn = tierkit("simulate", "--enterprises", 150, *options, "--out", tmp_path / "b", "--json")
    assert (written.status, drawn.status) == (0, 0), drawn.err
    assert written.data["headline"] == drawn.data["headline"]
    assert written.data["facts"] == drawn.data["facts"]
    of_folder, in_memory = files(tmp_path / "a"), files(tmp_path / "b")
    del of_folder["ratings.parquet"]  # of the records, which a city drawn in memory has not
    told, other = (json.loads(one.pop("run.json")) for one in (of_folder, in_memory))
    del told["files"]["ratings.parquet"], told["seal"], other["seal"]
    assert told == other
    assert of_folder == in_memory


def test_simulate_wants_one_city(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    options = ("--policy", "shanghai-2025", "--out", tmp_path / "run")
    for arguments in ((), (city, "--enterprises", 100)):
        ended = tierkit("simulate", *arguments, *options)
        assert ended.status == 2
        assert "Give either DIR or --enterprises." in ended.err
    none = tierkit("simulate", "--enterprises", 0, "--model", tmp_path / "model", *options)
    assert none.status == 2
    for said in ("--enterprises", "no records to score"):
        assert said in none.err
    assert not (tmp_path / "run").exists()


def test_a_reform_is_compared_with_the_baseline_that_it_names(
    tierkit: Tierkit, city: Path, tmp_path: Path
) -> None:
    shanghai = Policy.load("shanghai-2025")
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    one = shanghai.reform({"frequency.tier.T4.key": 2.0}, name="first")
    first.write_text(one.to_toml(against=shanghai), "utf-8")
    two = one.reform({"frequency.tier.T3.key": 2.0}, name="second").to_toml(against=one)
    second.write_text(two.replace('baseline = "first"', 'baseline = "first.toml"'), "utf-8")
    few = ("--weeks", 2, "--replicates", 2, "--kappa", 0, "--out", tmp_path / "run")
    for file, base in ((first, "shanghai-2025"), (second, "first")):
        ended = tierkit("simulate", city, "--policy", file, *few)
        assert ended.status == 0, ended.err
        assert f"Differences from {base}, the baseline that the reform names, over 2 weeks" in ended.out
    told = tierkit("simulate", city, "--policy", first, "--baseline", "legacy", *few, "--json")
    assert told.data["baseline"] == "legacy"
    ended = tierkit("simulate", city, "--policy", first, "--policy", second, *few)
    assert ended.status == 2
    assert "no baseline in common" in ended.err
    assert "1 problem;" in ended.err


def test_a_report_repeats_no_warning_of_a_policy(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    dark = tmp_path / "dark.toml"
    reform = '[meta]\nname = "dark"\nbaseline = "legacy"\n[frequency]\n'
    floor = 'random_floor = { value = 0, unit = "draws/obligation-year", assumption = "to see" }\n'
    dark.write_text(reform + floor, "utf-8")
    few = ("--weeks", 8, "--replicates", 2, "--kappa", 0.1, "--out", tmp_path / "run")
    assert tierkit("simulate", city, "--policy", dark, *few).err.count("'frequency.random_floor' = 0") == 1
    assert ".toml" not in tierkit("report", tmp_path / "run", "--out", tmp_path / "page").err


def test_report_tells_a_run_in_one_page(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "report"
    options = ("--policy", "jinshan-2025", "--weeks", 8, "--replicates", 2, "--kappa", 0.1)
    assert tierkit("simulate", city, *options, "--out", run).status == 0
    ended = tierkit("report", run, "--out", out)
    assert ended.status == 0, ended.err
    page = (out / "index.html").read_text("utf-8")
    assert "Jinshan 2025" in page
    assert "金山" in page
    assert json.loads((out / "summary.json").read_text("utf-8"))["facts"]["enterprises"] == 120


def test_report_of_what_is_no_run(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    ended = tierkit("report", city, "--out", tmp_path / "report")
    assert ended.status == 2
    assert "is a dataset, not a run" in ended.err
    (tmp_path / "empty").mkdir()
    assert "holds no run.json" in tierkit("report", tmp_path / "empty", "--out", tmp_path / "report").err
    assert not (tmp_path / "report").exists()


def test_simulate_lists_all_that_is_wrong(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    wrong = (
        "--policy",
        "legacy",
        "--policy",
        "shangai-2025",
        "--weeks",
        0,
        "--replicates",
        0,
        "--kappa",
        "nan",
    )
    ended = tierkit("simulate", city, *wrong, "--out", city)
    assert ended.status == 2
    for said in (
        "did you mean 'shanghai-2025'?",
        "--weeks",
        "--replicates",
        "--kappa",
        "overwrite the input",
    ):
        assert said in ended.err
    same = tierkit("simulate", city, "--policy", "legacy", "--out", tmp_path / "run")
    assert same.status == 2
    assert "equal to the baseline" in same.err
    assert not (tmp_path / "run").exists()


def test_simulate_refuses_what_is_no_synthetic_city(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    from tierkit.records import read_dataset, write_dataset

    records = tmp_path / "records"
    data = read_dataset(city)
    write_dataset(data.without([name for name in data if name.startswith("truth")]), records)
    ended = tierkit("simulate", records, "--policy", "shanghai-2025", "--out", tmp_path / "run")
    assert ended.status == 2
    assert "synth" in ended.err
    assert not (tmp_path / "run").exists()


def test_a_truncated_table_is_refused_by_name(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    shutil.copytree(city, tmp_path / "cut")
    table_of = tmp_path / "cut" / "inspections.parquet"
    table_of.write_bytes(table_of.read_bytes()[:-100])
    for arguments in (["validate"], ["simulate", "--policy", "shanghai-2025", "--out", tmp_path / "run"]):
        command, *options = arguments
        ended = tierkit(command, tmp_path / "cut", *options)
        assert ended.status == 2
        assert "inspections" in ended.err


# Models

AS_OF = "2024-12-30"


@pytest.fixture(scope="module")
def town() -> Path:
    """A folder with a synthetic city that is large enough to learn from."""
    return once(
        "town", lambda folder: run_command("synth", "--enterprises", 3000, "--seed", 5, "--out", folder)
    )


@pytest.fixture(scope="module")
def model(town: Path) -> Path:
    """A model that was trained on the town."""

    def make(folder: Path) -> None:
        assert run_command("train", town, "--as-of", AS_OF, "--out", folder)["manifest"]["as_of"] == AS_OF

    return once("model", make)


def some_id(town: Path) -> str:
    import pandas as pd

    return str(pd.read_parquet(town / "tiers.parquet")["enterprise_id"].iloc[11])


def test_train_shows_how_good_the_models_are_and_makes_the_same_folder_again(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    ended = tierkit("train", town, "--as-of", AS_OF, "--out", tmp_path / "again")
    assert ended.status == 0, ended.err
    for said in ("auc", "calibration error", "equal-chance audits", "credit", "95 % intervals", *BASELINES):
        assert said in ended.out
    assert files(tmp_path / "again") == files(model)


@pytest.mark.long
def test_train_tries_settings_and_keeps_an_ensemble_when_asked(tierkit: Tierkit, tmp_path: Path) -> None:
    asked = ("--budget", 2, "--bootstrap", 2, "--level", "audits", "--out", tmp_path / "model")
    ended = tierkit("train", "data/synthetic", "--as-of", AS_OF, *asked)
    assert ended.status == 0, ended.err
    assert "the best of 3 at 4 origins" in ended.out
    assert (tmp_path / "model" / "ensemble.json").exists()


def test_train_says_when_there_is_too_little_to_judge_by(tierkit: Tierkit, tmp_path: Path) -> None:
    ended = tierkit("train", "data/synthetic", "--as-of", AS_OF, "--out", tmp_path / "model")
    assert ended.status == 0, ended.err
    assert re.search(r"Too few to judge by: risk, later equal-chance audits \(\d events\)\.", ended.out)


@pytest.mark.parametrize("day", ["2024-12-31", "2030-01-01"])
def test_nothing_is_asked_about_days_after_the_records_end(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path, day: str
) -> None:
    to_score = ("--policy", "jiading-2025", "--out", tmp_path / "scores.parquet")
    to_explain = ("--enterprise", some_id(town), "--out", tmp_path / "page.html")
    for arguments in (
        ("train", town, "--as-of", day, "--out", tmp_path / "model"),
        ("score", model, town, "--as-of", day, *to_score),
        ("explain", model, town, "--as-of", day, *to_explain),
    ):
        ended = tierkit(*arguments)
        assert ended.status == 2
        assert f"no records reach to {day}: they end on {AS_OF}" in ended.err
        assert f"Give a date up to {AS_OF}." in ended.err
    assert not list(tmp_path.iterdir())


def test_train_lists_all_that_is_wrong_and_writes_nothing(
    tierkit: Tierkit, town: Path, tmp_path: Path
) -> None:
    (tmp_path / "precious.txt").touch()
    wrong = (
        "--as-of",
        "2024-02-30",
        "--policy",
        "legcy",
        "--scheme",
        "wieghted",
        "--seed",
        -1,
        "--level",
        "audit",
        "--budget",
        375,
        "--bootstrap",
        -1,
        "--out",
        tmp_path,
    )
    ended = tierkit("train", town.with_name("twn"), *wrong)
    assert ended.status == 2
    options = ("--seed", "--budget", "--bootstrap")
    for said in ("'town'?", "2024-02-30", "'legacy'?", "'weighted'?", "'audits'?", *options, "did not write"):
        assert said in ended.err, said
    assert [one.name for one in tmp_path.iterdir()] == ["precious.txt"]


def test_train_on_too_few_records_says_so(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    ended = tierkit("train", city, "--as-of", "2023-02-01", "--out", tmp_path / "model")
    assert ended.status == 2, ended.err
    assert "lie in the first 182 days of the records" in ended.err
    assert "{" not in ended.err
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("lang", "said"), [("zh", "信用"), ("en", "Credit points")])
def test_explain_writes_a_dossier_and_says_why(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path, lang: str, said: str
) -> None:
    page = tmp_path / "dossier.html"
    who = ("--as-of", AS_OF, "--enterprise", some_id(town), "--policy", "jinshan-2025", "--lang", lang)
    ended = tierkit("explain", model, town, *who, "--out", page)
    assert ended.status == 0, ended.err
    assert said in ended.out
    assert some_id(town) in page.read_text("utf-8")
    reasons = tierkit("explain", model, town, *who, "--out", page, "--json").data["reasons"]
    assert reasons["policy"] == "jinshan-2025"


def test_explain_says_what_would_be_without_records(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    events = read_dataset(town)["credit_events"]
    here = build(town, AS_OF).index
    mine = events[events["enterprise_id"].isin(here) & (events["known_on"] < AS_OF)]
    one, record = mine[["enterprise_id", "event_id"]].iloc[0]
    page = tmp_path / "dossier.html"
    who = ("explain", model, town, "--as-of", AS_OF, "--enterprise", one, "--lang", "en", "--out", page)
    ended = tierkit(*who, "--without", record)
    assert ended.status == 0, ended.err
    assert f"Had these records never been (credit event {record} " in ended.out
    answer = tierkit(*who, "--without", record, "--json").data
    assert answer["without"]["before"]["risk_margin"] == answer["reasons"]["risk_margin"]
    assert "without" not in tierkit(*who, "--json").data
    page.unlink()
    ended = tierkit(*who, "--without", record, "--without", "nobody's")
    assert ended.status == 2
    assert "is in none of the tables" in ended.err
    assert not page.exists()


def test_explain_lists_all_that_is_wrong(tierkit: Tierkit, town: Path, model: Path, tmp_path: Path) -> None:
    wrong = (
        "--as-of",
        "soon",
        "--enterprise",
        "9131",
        "--policy",
        "legcy",
        "--lang",
        "fr",
        "--out",
        tmp_path / "a.pdf",
    )
    ended = tierkit("explain", model, town, *wrong, "--json")
    assert ended.status == 2
    places = [one["place"] for one in ended.data["problems"]]
    assert places == ["--as-of", "--enterprise", "--policy legcy", "--lang", "--out"]
    assert list(tmp_path.iterdir()) == []


def test_explain_knows_who_was_not_there(tierkit: Tierkit, town: Path, model: Path, tmp_path: Path) -> None:
    import pandas as pd

    stranger = ("--as-of", AS_OF, "--enterprise", "91350100M000100Y43", "--out", tmp_path / "a.html")
    ended = tierkit("explain", model, town, *stranger)
    assert ended.status == 2
    assert "is not in the table 'enterprises'" in ended.err
    early = ("--as-of", "1970-01-01", "--enterprise", some_id(town), "--out", tmp_path / "a.html")
    ended = tierkit("explain", model, town, *early)
    assert ended.status == 2
    assert "was registered on" in ended.err
    everybody = pd.read_parquet(town / "enterprises.parquet")
    closed = everybody[everybody["closed_on"].notna()].iloc[0]
    late = ("--as-of", AS_OF, "--enterprise", closed["enterprise_id"], "--out", tmp_path / "a.html")
    ended = tierkit("explain", model, town, *late)
    assert ended.status == 2
    assert f"closed on {closed['closed_on']}" in ended.err
    named = ("--as-of", AS_OF, "--enterprise", everybody["name"].iloc[0], "--out", tmp_path / "a.html")
    assert "column enterprise_id of the table 'enterprises'" in tierkit("explain", model, town, *named).err
    oracle = ("--policy", "oracle", "--as-of", AS_OF, "--enterprise", some_id(town))
    ended = tierkit("explain", model, town, *oracle, "--out", tmp_path / "a.html")
    assert ended.status == 2
    assert "rests on the true probabilities, which no model gives" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_missing_tables_are_named_wherever_scores_rest_on_them(
    tierkit: Tierkit, model: Path, tmp_path: Path
) -> None:
    shutil.copytree("data/synthetic", tmp_path / "data")
    (tmp_path / "data" / "manifest.json").unlink()
    (tmp_path / "data" / "complaints.parquet").unlink()
    asked = (model, tmp_path / "data", "--as-of", AS_OF, "--policy", "shanghai-2025")
    one = some_id(tmp_path / "data")
    for ended in (
        tierkit("score", *asked, "--out", tmp_path / "scores.parquet"),
        tierkit("explain", *asked, "--enterprise", one, "--lang", "en", "--out", tmp_path / "one.html"),
    ):
        assert ended.status == 0, ended.err
        assert "missing tables count as if nothing had happened: 'complaints'" in ended.err
    assert "missing tables" in (tmp_path / "one.html").read_text("utf-8")


def test_an_appeal_is_on_the_page_and_says_whose_a_record_is(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    import pandas as pd

    checks = pd.read_parquet(town / "inspections.parquet")
    checks = checks[checks["enterprise_id"].isin(pd.read_parquet(town / "tiers.parquet")["enterprise_id"])]
    mine, other = checks.drop_duplicates("enterprise_id").iloc[:2].to_dict("records")
    asked = ("explain", model, town, "--as-of", AS_OF, "--enterprise", mine["enterprise_id"], "--lang", "en")
    asked += ("--policy", "shanghai-2025", "--out", tmp_path / "one.html")
    ended = tierkit(*asked, "--without", mine["check_code"])
    assert ended.status == 0, ended.err
    assert "If records had never been" in (tmp_path / "one.html").read_text("utf-8")
    refused = tierkit(*asked, "--without", other["check_code"])
    assert refused.status == 2
    assert f"is not a record of {mine['enterprise_id']}" in refused.err


def test_explain_measures_risk_against_enterprises_drawn_by_lot_where_asked(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    asked = (
        "explain",
        model,
        town,
        "--as-of",
        AS_OF,
        "--enterprise",
        some_id(town),
        "--lang",
        "en",
        "--json",
    )
    path = json.loads(tierkit(*asked, "--out", tmp_path / "path.html").out)["reasons"]
    ended = tierkit(*asked, "--background", 200, "--out", tmp_path / "drawn.html")
    drawn = json.loads(ended.out)["reasons"]
    assert (path["background"], drawn["background"]) == (None, 200)
    assert drawn["risk_margin"] == path["risk_margin"]
    assert drawn["risk_base"] != path["risk_base"]
    for one in (path, drawn):
        effects = sum(reason["effect"] for reason in one["reasons"] if reason["axis"] == "risk")
        assert abs(one["risk_base"] + effects - one["risk_margin"]) < 1e-9
    assert "path-dependent Shapley values" in (tmp_path / "path.html").read_text("utf-8")
    assert "against 200 enterprises" in (tmp_path / "drawn.html").read_text("utf-8")


def test_explain_looks_only_at_the_rows_of_the_enterprise(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    import pandas as pd

    from tierkit.records import Dataset, read_dataset, write_dataset

    data = read_dataset(town).without(["truth", "truth_enterprises", "truth_complainants"])
    signals, who = data["signals"], some_id(town)
    mine = signals.iloc[:2].assign(signal_id=["mine-1", "mine-2"], enterprise_id=who)
    own = write_dataset(Dataset({**data, "signals": pd.concat([signals, mine])}), tmp_path / "own", "csv")
    (own / "manifest.json").unlink()
    before, after = {}, {}

    def explained(kept: dict[str, Any], one: str, said: str, status: int = 0) -> None:
        page = ("--as-of", AS_OF, "--enterprise", one, "--policy", "shanghai-2025", "--json")
        ended = tierkit("explain", model, own, *page, "--out", tmp_path / "a.html")
        assert ended.status == status, ended.out
        assert said in ended.err + ended.out
        kept |= ended.data

    explained(before, who, "")
    assert "warnings" not in before
    heading, *rows = (own / "enterprises.csv").read_text("utf-8").splitlines()
    at = next(k for k, row in enumerate(rows) if who in row)
    other = rows[0 if at else 1].split(",")[0].strip(chr(34))
    rows = [re.sub(r"\b(micro|small|medium|large)\b", "huge", row) if other in row else row for row in rows]
    rows = [*rows[:3], "too,few", *rows[3:]]
    (own / "enterprises.csv").write_text("\n".join([heading, *rows]) + "\n", "utf-8")
    explained(after, who, "")
    assert after["facts"].pop("data_hash") != before["facts"].pop("data_hash"), "the files are others"
    assert after == before, "bad rows of others change nothing else"
    explained({}, other, "is not a declared level", status=2)
    lines = (own / "signals.csv").read_text("utf-8").splitlines()
    lines[-1] = lines[-1].replace(str(mine["kind"].iloc[-1]), "rumour")
    (own / "signals.csv").write_text("\n".join(lines) + "\n", "utf-8")
    explained({}, who, f"left out: 'signals' row {len(lines) - 1} (kind: is not a declared level)")


def test_review_adds_decisions_to_a_log_and_holds_them_against_the_scores(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    import pandas as pd

    scores, log, file = tmp_path / "scores.parquet", tmp_path / "log" / "reviews.jsonl", tmp_path / "d.csv"
    given = ("--as-of", AS_OF, "--policy", "jiading-2025", "--out", scores)
    assert tierkit("score", model, town, *given).status == 0
    rows = pd.read_parquet(scores)[["enterprise_id", "tier", "policy"]].head(2)
    rows = rows.assign(decision="agree", reviewer="Li", decided_on="2025-01-06", as_of=AS_OF)
    rows.to_csv(file, index=False)
    ended = tierkit("review", file, "--log", log, "--scores", scores)
    assert ended.status == 0, ended.err
    assert ended.out.startswith("Recorded 2 of 2 decisions")
    again = tierkit("review", file, "--log", log, "--json")
    assert (again.data["added"], again.data["entries"]) == (0, 2)
    assert again.data["hash"] in ended.out
    assert "2 were there already" in tierkit("review", file, "--log", log).out
    before = log.read_bytes()
    wrong = {"tier": ["T1" if tier != "T1" else "T2" for tier in rows["tier"]], "as_of": "2024-12-01"}
    rows.assign(decision="correct", **wrong).to_csv(file, index=False)
    ended = tierkit("review", file, "--log", log, "--scores", scores)
    assert ended.status == 2
    for said in ("reason", "is missing", "tier", "as_of", "is not that of the scores", "nothing was written"):
        assert said in ended.err, said
    assert tierkit("review", file, "--log", log, "--scores", town / "enterprises.parquet").status == 2
    usage = tierkit("review", tmp_path / "no.txt", "--log", town, "--json")
    assert [one["place"] for one in usage.data["problems"]] == ["DECISIONS", "DECISIONS", "--log"]
    assert log.read_bytes() == before
    log.write_bytes(before.replace(b'"Li"', b'"Xu"', 1))
    rows.to_csv(file, index=False)
    ended = tierkit("review", file, "--log", log)
    assert (ended.status, "line 1 is not what was written" in ended.err) == (2, True)


def test_an_altered_model_is_refused_by_the_name_of_its_file(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    shutil.copytree(model, tmp_path / "model")
    trees = tmp_path / "model" / "risk.txt"
    trees.write_bytes(trees.read_bytes().replace(b"0.", b"1.", 1))
    who = ("--as-of", AS_OF, "--enterprise", some_id(town), "--out", tmp_path / "a.html")
    ended = tierkit("explain", tmp_path / "model", town, *who)
    assert ended.status == 2
    assert "risk.txt: is altered" in ended.err


def test_score_gives_everybody_a_tier_and_counts_add_up(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    import pandas as pd

    out = tmp_path / "new" / "tiers.parquet"
    who = ("--as-of", AS_OF, "--policy", "jiading-2025")
    ended = tierkit("score", model, town, *who, "--reasons", 2, "--out", out)
    assert ended.status == 0, ended.err
    tiers = pd.read_parquet(out)
    assert {"tier", "tier_reason", "risk_probability", "credit_points"} <= set(tiers)
    counts = tierkit(
        "score", model, town, *who, "--chunk-rows", 700, "--reasons", 2, "--out", out, "--json"
    ).data
    assert counts["rows_in"] == 3000
    assert counts["rows_in"] == sum(counts[one] for one in ("scored", "rejected", "closed", "not_registered"))
    assert counts["scored"] == sum(counts["tiers"].values()) == len(tiers)
    pd.testing.assert_frame_equal(pd.read_parquet(out), tiers)


def test_score_puts_what_breaks_the_contract_into_a_reject_file(
    tierkit: Tierkit, model: Path, tmp_path: Path
) -> None:
    import pandas as pd

    town = tmp_path / "town"
    assert tierkit("synth", "--enterprises", 300, "--seed", 8, "--format", "csv", "--out", town).status == 0
    (town / "manifest.json").unlink()
    heading, first, *rest = (town / "enterprises.csv").read_text("utf-8").splitlines()
    broken = first.replace(first.split(",")[0], "9" * 18)
    (town / "enterprises.csv").write_text("\n".join([heading, broken, *rest]) + "\n", "utf-8")
    out = tmp_path / "tiers.parquet"
    ended = tierkit("score", model, town, "--as-of", AS_OF, "--policy", "legacy", "--out", out, "--json")
    assert ended.status == 0, ended.err
    assert ended.data["rejected"] == 1
    assert len(pd.read_parquet(ended.data["rejects"])) >= 1
    short = [heading, "too,few", *rest[:4], f"{rest[4]},more", broken, *rest[5:]]
    (town / "enterprises.csv").write_text("\n".join(short) + "\n", "utf-8")
    ended = tierkit("score", model, town, "--as-of", AS_OF, "--policy", "legacy", "--out", out, "--json")
    assert ended.status == 0, ended.err
    assert (ended.data["rows_in"], ended.data["rejected"]) == (301, 3)
    rejects = pd.read_parquet(ended.data["rejects"])
    rejects = rejects[rejects["table"] == "enterprises"].set_index("row")["reason"].sort_index()
    assert rejects.index.tolist() == [1, 6, 7], "rows of the file, below the header"
    assert rejects[1].endswith("'too,few'")
    assert "check character" in rejects[7]


def test_score_lists_all_that_is_wrong_and_writes_nothing(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    wrong = ("--as-of", "20241230", "--policy", "legcy", "--previous", tmp_path / "nothing.parquet")
    more = ("--reasons", -1, "--chunk-rows", 0, "--out", tmp_path / "tiers.xlsx")
    ended = tierkit("score", town, town.with_name("twn"), *wrong, *more, "--json")
    assert ended.status == 2
    places = [one["place"] for one in ended.data["problems"]]
    options = ["--as-of", "--policy legcy", "--previous", "--reasons", "--chunk-rows", "--out"]
    assert places == ["MODEL", "DIR", *options], ended.data
    assert list(tmp_path.iterdir()) == []
    ended = tierkit(
        "score", town, town, "--as-of", AS_OF, "--policy", "legacy", "--out", tmp_path / "tiers.parquet"
    )
    assert ended.status == 2, "a dataset is no model"
    assert f"'{town}' is a dataset, not a model" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_simulate_takes_its_tiers_from_a_model(
    tierkit: Tierkit, town: Path, model: Path, tmp_path: Path
) -> None:
    from tierkit.report import RunReport

    run = tmp_path / "run"
    options = ("--policy", "jiading-2025", "--weeks", 4, "--replicates", 2, "--kappa", 0.1, "--out", run)
    without = tierkit("simulate", town, *options, "--json")
    assert without.status == 0
    assert "rule score stands in" in without.data["warnings"][0]
    with_model = tierkit("simulate", town, "--model", model, *options, "--json")
    assert with_model.status == 0, with_model.err
    assert "warnings" not in with_model.data
    assert with_model.data["headline"] != without.data["headline"]
    kept = RunReport.read(run)
    assert kept.tiers is not None
    assert set(kept.tiers["policy"]) == {"jiading-2025"}


# Accidents


@pytest.mark.parametrize("encoding", ["ascii", "gbk"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["policy", "show", "shanghai-2025"], 0), (["policy", "check", "没有é·−"], 2), (["--hélp·−"], 2)],
    ids=["answer", "bad input", "usage"],
)
def test_what_the_terminal_cannot_show_is_replaced(encoding: str, arguments: list[str], status: int) -> None:
    command = [sys.executable, "-m", "tierkit", *arguments]
    done = subprocess.run(
        command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": f"{encoding}:strict"}, check=False
    )
    said = (done.stdout + done.stderr).decode(encoding)
    assert done.returncode == status, said
    assert "Traceback" not in said
    assert "?" in said or arguments[:2] == ["policy", "show"]  # all of it may be in the encoding


def stopped(how: signal.Signals, out: Path) -> tuple[int, str]:
    """Run the demo, stop it when it trains, and return exit status and what it said."""
    command = [sys.executable, "-m", "tierkit", "demo", "--enterprises", "3000", "--out", str(out)]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )
    deadline = time.monotonic() + 120
    while not list(out.parent.glob(".*/model")) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(how)
    _, said = running.communicate(timeout=60)
    return running.returncode, said


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    status, said = stopped(signal.SIGINT, tmp_path / "demo")
    assert (status, list(tmp_path.iterdir())) == (130, [])
    assert "Interrupted" in said
    assert "Traceback" not in said


def test_a_killed_run_leaves_no_folder_of_its_name_and_the_next_clears_up(tmp_path: Path) -> None:
    status, _ = stopped(signal.SIGKILL, tmp_path / "demo")
    assert status == -signal.SIGKILL
    assert sorted(one.name for one in tmp_path.iterdir()) == [".demo.tierkit-draft", ".demo.tierkit-lock"]
    said = r"did not end; what it left is removed: '.*/\.demo\.tierkit-lock', '.*/\.demo\.tierkit-draft'"
    with pytest.warns(UserWarning, match=said), whole_folder(tmp_path / "demo", "demo"):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["demo"]


def test_a_full_disk_leaves_no_half_file(tierkit: Tierkit, town: Path, model: Path, tmp_path: Path) -> None:
    who = ("--as-of", AS_OF, "--policy", "legacy")
    commands: dict[str, tuple[object, ...]] = {
        "synth": ("synth", "--enterprises", 3000, "--out", tmp_path / "city"),
        "train": ("train", town, "--as-of", AS_OF, "--out", tmp_path / "model"),
        "score": ("score", model, town, *who, "--out", tmp_path / "tiers.parquet"),
    }
    for name, words in commands.items():
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (24 * 1024, hard))  # no file beyond 24 KiB
        try:
            ended = tierkit(*words)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert ended.status == 1, (name, ended.err)
        assert "Traceback" not in ended.err
        assert "The system refused" in ended.err
        assert "too large" in ended.err
    final = [one for one in tmp_path.iterdir() if not one.name.startswith(".")]  # a dot: to be resumed
    assert [file for one in final for file in (one.rglob("*") if one.is_dir() else [one])] == []


# Inputs and outputs


def faults(checks: Checks) -> str:
    with pytest.raises(ValueError, match=r".+") as error:
        checks.settle()
    return str(error.value)


def test_inputs_are_all_checked_before_any_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    checks = Checks()
    checks.folder("DIR", tmp_path / "nowhere", "dataset")
    checks.folder("DIR", tmp_path / "file", "dataset")
    checks.folder("MODEL", tmp_path, "model", holds=["manifest.json"])
    checks.file("--previous", tmp_path / "fil")
    for text in ("2024-13-01", "20241301", "2024-02-30", "yesterday", ""):
        checks.date("--as-of", text)
    checks.at_least("--weeks", 0, 1)
    checks.between("--kappa", float("nan"), 0, 2, whole=False)
    checks.one_of("--lang", "eng", ["zh", "en"])
    checks.policy("--policy", "shanghai")
    checks.enterprise("--enterprise", "91310000MA1FL00000")
    checks.out_folder("--out", tmp_path, "run")
    said = faults(checks)
    for expected in (
        "does not exist",
        "is not a folder",
        "holds no manifest.json",
        "Did you mean 'file'?",
        "'2024-13-01' is not",
        "'20241301' is not",
        "'2024-02-30' is not",
        "'yesterday' is not",
        "'' is not",
        "0 is too small",
        "nan is out of range",
        "did you mean 'en'?",
        "did you mean 'shanghai-2025'?",
        "check character",
        "did not write",
    ):
        assert expected in said, expected


def test_good_inputs_pass(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    checks = Checks()
    checks.folder("DIR", tmp_path / "model", "dataset")
    assert checks.date("--as-of", "2024-02-29") == date(2024, 2, 29)
    assert checks.policy("--policy", "legacy") == Policy.load("legacy")
    checks.enterprise("--enterprise", "91350100M000100Y43")
    checks.out_folder("--out", tmp_path / "a" / "b", "run")
    checks.out_file("--out", tmp_path / "c.parquet", [".parquet"])
    checks.settle()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("91350100M000100Y44", "check character 3"),
        ("91350100m000100y43", "in capitals"),
        ("91350100M000100Y4", "all 18 characters"),
        ("91350100O000100Y43", "are not among them"),
    ],
)
def test_a_wrong_enterprise_id_gets_the_remedy_that_fits(code: str, said: str) -> None:
    checks = Checks()
    checks.enterprise("--enterprise", code)
    assert said in faults(checks)


def test_an_output_never_overwrites_an_input(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for out in (data, data / "scores", tmp_path):
        checks = Checks()
        checks.folder("DIR", data, "dataset")
        checks.out_folder("--out", out, "run")
        assert "would overwrite the input" in faults(checks), out
    checks = Checks()
    checks.folder("DIR", data, "dataset")
    checks.out_file("--out", data / "enterprises.parquet", [".parquet"])
    assert "would overwrite the input" in faults(checks)


def test_rights_that_are_missing_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root, in a container say, has every right
    checks = Checks()
    checks.folder("DIR", tmp_path, "dataset")
    checks.file("--previous", tmp_path / "file")
    checks.out_folder("--out", tmp_path.with_name("new"), "run")
    said = faults(checks)
    assert said.count("may not be read") == 2
    assert "nothing may be written" in said


def fill_half(file: Path) -> None:
    file.write_text("half")
    raise OSError("disk full")


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "run.v1"
    with pytest.raises(OSError, match="disk full"), whole_folder(target, "dataset") as draft:
        fill_half(draft / "half")
    assert list(tmp_path.iterdir()) == []
    with whole_folder(target, "dataset") as draft:
        (draft / "manifest.json").write_text('{"tierkit": "0.1.0"}')
        assert not target.exists()
    assert kind_of(target) == "dataset"
    with pytest.raises(KeyboardInterrupt), whole_folder(target, "dataset"):
        raise KeyboardInterrupt
    assert kind_of(target) == "dataset", "what was there stays"
    with whole_folder(target, "dataset") as draft:
        (draft / "other").touch()
    assert [one.name for one in target.iterdir()] == ["other"], "nothing of the old one is left"
    assert [one.name for one in tmp_path.iterdir()] == ["run.v1"]
    assert kind_of(target) is None


# What people read


def test_tables_align_chinese_and_leave_out_empty_columns() -> None:
    rows = [{"name": "风险", "n": 3, "note": ""}, {"name": "risk", "n": 12345, "note": None}]
    assert table(rows, right=["n"]).splitlines() == ["name       n", "风险       3", "risk  12,345"]


def test_what_a_name_holds_cannot_steer_the_terminal() -> None:
    hostile = "\x1b]0;owned\x07[bold]=CMD()\u202e" + "x" * 10_000
    shown = table([{"name": hostile}])
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[bold]=CMD()" in shown
    assert len(cell(hostile)) < 350


def test_json_holds_no_nan() -> None:
    import numpy as np
    import pandas as pd

    value = {
        "a": float("nan"),
        "b": np.inf,
        "c": np.int64(3),
        "d": pd.Timestamp("2024-01-01"),
        "e": pd.NaT,
        "f": (1,),
    }
    assert as_data(value) == {"a": None, "b": None, "c": 3, "d": "2024-01-01T00:00:00", "e": None, "f": [1]}


def test_the_nearest_name_is_offered_only_if_near() -> None:
    assert nearest("legcy", presets()) == "; did you mean 'legacy'?"
    assert nearest("xyz", presets()) == ""


def test_backtest_holds_a_past_year_against_its_own_past(tierkit: Tierkit, tmp_path: Path) -> None:
    from tierkit.city.synth import make_folder

    city = make_folder(1500, 3, tmp_path / "city")
    ended = tierkit("backtest", city, "--as-of", "2024-01-01", "--replicates", 39, "--out", tmp_path / "b")
    assert ended.status == 0, ended.err
    assert "cells of agency, channel and sector" in ended.out
    assert {one.name for one in (tmp_path / "b").iterdir()} == {
        "cells.csv", "estimates.csv", "history.toml", "summary.json",
    }  # fmt: skip
    again = Policy.load(tmp_path / "b" / "history.toml")
    asked = tierkit("backtest", city, "--as-of", "2024-01-01", "--replicates", 39, "--json")
    assert asked.data["policy"] == again.hash
    found = asked.data["coverage"]
    assert found["inside"] <= found["cells"]
    summary = json.loads((tmp_path / "b" / "summary.json").read_text("utf-8"))
    assert summary["coverage"] == found


def test_backtest_lists_all_that_is_wrong(tierkit: Tierkit, city: Path, tmp_path: Path) -> None:
    ended = tierkit("backtest", city, "--as-of", "2024-02-30", "--replicates", 5, "--weeks", 0)
    assert ended.status == 2
    for part in ("not a date", "--replicates", "--weeks", "3 problems"):
        assert part in ended.err
    assert "--as-of" in tierkit("backtest", city).err
    assert "does not exist" in tierkit("backtest", tmp_path / "no", "--as-of", "2024-01-01").err
    late = tierkit("backtest", city, "--as-of", "2024-06-03")
    assert late.status == 2
    assert "records end on" in late.err
