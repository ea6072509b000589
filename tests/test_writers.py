"""Every command that writes: a second run at one place is refused, and nothing foreign is replaced."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shared import CITY, model_folder, run_command

from tests.test_claims import names, other
from tierkit import report
from tierkit.cli import main
from tierkit.folders.claims import OutputError
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
from tierkit.records import read_dataset, write_dataset
from tierkit.scores.model import Model
from tierkit.scores.train import train

ROOT = Path(__file__).parent.parent
AS_OF = "2024-12-30"
SOMEONE = "91350100M000100Y43"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model, scores, a run and decisions."""
    folder = tmp_path_factory.mktemp("place")
    model = model_folder("jiading-2025")
    on = (CITY, "--as-of", AS_OF, "--policy", "jiading-2025")
    run_command("score", model, *on, "--out", folder / "scores.parquet")
    simulation.simulate("uniform-3pct", folder / "run", enterprises=60, kappas=[0.1], weeks=2, replicates=1)
    rows = pd.read_parquet(folder / "scores.parquet").head(2)[["enterprise_id", "tier", "policy"]]
    rows.assign(decision="agree", reviewer="Li", decided_on="2025-01-06", as_of=AS_OF).to_csv(
        folder / "decisions.csv", index=False
    )
    return folder


def jobs(place: Path) -> dict[str, tuple[str, Callable[[Path], Any]]]:
    """Return each job that writes: the name of its output, and what calls it."""
    model = model_folder("jiading-2025")
    scores = place / "scores.parquet"
    return {
        "synth": ("city", lambda out: synthesis.synth(60, out)),
        "train": ("model", lambda out: training.train(CITY, AS_OF, out)),
        "score": ("s.parquet", lambda out: scoring.score(model, CITY, AS_OF, "legacy", out)),
        "explain": ("p.html", lambda out: dossier.explain(model, CITY, AS_OF, SOMEONE, out)),
        "review": ("log", lambda out: reviewing.review(place / "decisions.csv", out)),
        "simulate": ("run", lambda out: simulation.simulate("uniform-3pct", out, enterprises=60)),
        "report": ("page", lambda out: simulation.run_page(place / "run", out)),
        "report-city": ("all", lambda out: city_page.city_page(scores, CITY, out)),
        "sensitivity": ("screen", lambda out: sensitivity.sensitivity("uniform-3pct", out)),
        "evaluate": ("found", lambda out: evaluation.evaluate(model, CITY, AS_OF, out)),
        "backtest": ("back", lambda out: backtest.backtest(CITY, "2024-01-01", out=out)),
        "demo": ("demo", lambda out: demo.run(out)),
    }


JOBS = (
    "synth", "train", "score", "explain", "review", "simulate", "report", "report-city", "sensitivity",
    "evaluate", "backtest", "demo",
)  # fmt: skip


def test_every_command_with_an_output_is_among_the_jobs() -> None:
    from tierkit.cli.app import app

    writes = {
        one.name
        for one in app.registered_commands
        if one.callback is not None and not {"out", "log"}.isdisjoint(one.callback.__annotations__)
    }
    assert writes == set(JOBS) - {"report-city"}


@pytest.mark.parametrize("name", JOBS)
def test_a_second_run_is_refused_before_it_works(place: Path, tmp_path: Path, name: str) -> None:
    out, job = jobs(place)[name]
    target = tmp_path / "new" / out
    with other(target) as held:
        said = re.escape(f"'{target}' is being written by process {held.pid} on this host")
        with pytest.raises(BadInputError, match=said):
            job(target)
        assert names(target.parent) == [f".{out}.tierkit-lock"]
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", JOBS)
def test_what_another_command_wrote_is_not_replaced(place: Path, tmp_path: Path, name: str) -> None:
    out, job = jobs(place)[name]
    target = tmp_path / out
    if "." in out or name == "review":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"did not write|was not written by|is no entry of a log"):
        job(target)
    kept = target if target.is_file() else target / "thesis.txt"
    assert kept.read_text() == "mine"
    assert names(tmp_path) == [out]
    kept.unlink()
    target.unlink() if target.exists() and target.is_file() else None
    if target.is_dir():
        target.rmdir()
    target.symlink_to(place / "scores.parquet")
    with pytest.raises(BadInputError, match="is a link"):
        job(target)
    assert names(tmp_path) == [out]


def test_python_functions_that_write_are_refused_too(place: Path, tmp_path: Path) -> None:
    model = Model.load(model_folder("jiading-2025"))
    run = report.RunReport.read(place / "run")
    functions: dict[str, Callable[[Path], Any]] = {
        "dataset": lambda out: write_dataset(read_dataset(CITY, ["items"]), out),
        "model": model.save,
        "trained": lambda out: train(CITY, AS_OF, out=out),
        "run": run.save,
        "page": lambda out: report.index(run, out),
    }
    for name, write in functions.items():
        target = tmp_path / name
        with other(target), pytest.raises(OutputError, match="is being written by process"):
            write(target)
        assert names(tmp_path) == []


def test_companions_of_scores_are_not_replaced_unless_score_wrote_them(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.parquet"

    def score(**options: Any) -> scoring.Tally:
        return scoring.score(model_folder("jiading-2025"), CITY, AS_OF, "jiading-2025", out, **options)

    for name in ("s.rejects.parquet", "s.codes.csv"):
        mine = tmp_path / name
        pd.DataFrame({"table": ["mine"], "row": [1], "key": [""], "reason": ["mine"]}).to_parquet(mine)
        before = mine.read_bytes()
        with pytest.raises(BadInputError, match=f"{name}' was not written by 'tierkit score'"):
            score()
        assert (mine.read_bytes(), names(tmp_path)) == (before, [name])
        mine.unlink()
        mine.symlink_to(place / "scores.rejects.parquet")
        with pytest.raises(BadInputError, match=f"{name}' was not written by 'tierkit score'"):
            score()
        mine.unlink()
    score(reasons=1)
    assert names(tmp_path) == ["s.codes.csv", "s.parquet", "s.rejects.parquet"]
    score()
    assert names(tmp_path) == ["s.parquet", "s.rejects.parquet"], "no code book of the run before"
    with pytest.raises(BadInputError, match="is the name of a reject file"):
        scoring.score(model_folder("jiading-2025"), CITY, AS_OF, "legacy", tmp_path / "x.rejects.parquet")


@pytest.mark.parametrize("name", ["s.parquet", "s.rejects.parquet"])
def test_scores_that_somebody_wrote_again_are_not_replaced(place: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "s.parquet"
    scoring.score(model_folder("jiading-2025"), CITY, AS_OF, "jiading-2025", out)
    mine = tmp_path / name
    pq.write_table(pq.read_table(mine), mine)  # which keeps what the file says of itself
    before = mine.read_bytes()
    with pytest.raises(BadInputError, match=f"{name}' was not written by 'tierkit score'"):
        scoring.score(model_folder("jiading-2025"), CITY, AS_OF, "jiading-2025", out)
    assert mine.read_bytes() == before


@pytest.mark.parametrize("said", ["[" * 100_000, "9" * 5000, "[]", "{"])
def test_a_file_that_says_anything_of_itself_is_not_replaced(tmp_path: Path, said: str) -> None:
    out = tmp_path / "s.parquet"
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"tierkit": said}), out)
    before = out.read_bytes()
    with pytest.raises(BadInputError, match="was not written by 'tierkit score'"):
        scoring.score(model_folder("jiading-2025"), CITY, AS_OF, "jiading-2025", out)
    assert out.read_bytes() == before


def test_parts_of_another_run_are_not_taken(place: Path, tmp_path: Path) -> None:
    model = model_folder("jiading-2025")

    class Killed(BaseException):
        pass

    def stop(_: str, done: int, __: int) -> None:
        if done >= 1000:
            raise Killed

    for policy, out in (("jiading-2025", "a.parquet"), ("chongming-2025", "b.parquet")):
        with pytest.raises(Killed):
            scoring.score(model, CITY, AS_OF, policy, tmp_path / out, chunk_rows=500, progress=stop)
    a, b = tmp_path / ".a.parquet.work", tmp_path / ".b.parquet.work"
    for end in ("parquet", "json"):
        (a / f"part-000000.{end}").write_bytes((b / f"part-000000.{end}").read_bytes())
    damaged = bytearray((a / "part-000001.parquet").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (a / "part-000001.parquet").write_bytes(damaged)
    scoring.score(model, CITY, AS_OF, "jiading-2025", tmp_path / "a.parquet", chunk_rows=500, resume=True)
    assert (tmp_path / "a.parquet").read_bytes() == (place / "scores.parquet").read_bytes()


def test_two_runs_of_score_at_one_place_give_the_output_of_one(place: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "s.parquet", model_folder("jiading-2025")
    refused: list[str] = []

    def meet(_: str, done: int, __: int) -> None:
        if done == 500:
            command = [sys.executable, "-m", "tierkit", "score", model, CITY, "--as-of", AS_OF, "--out", out]
            words = [str(one) for one in (*command, "--policy", "chongming-2025")]
            ended = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
            refused.extend([str(ended.returncode), ended.stderr])

    scoring.score(model, CITY, AS_OF, "jiading-2025", out, chunk_rows=500, progress=meet)
    assert refused[0] == "2"
    assert "is being written by process" in refused[1]
    assert out.read_bytes() == (place / "scores.parquet").read_bytes()


def test_ctrl_c_that_a_library_makes_another_error_of_ends_with_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(error: Exception | None) -> int:
        def as_duckdb(*_: Any, **__: Any) -> Any:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                if error is None:
                    return None
                raise error from None

        monkeypatch.setattr("tierkit.records.place_of", as_duckdb)
        monkeypatch.setattr("tierkit.jobs.synthesis.problems_of", as_duckdb)
        with pytest.raises(SystemExit) as left:
            main(["validate", str(CITY)])
        return int(str(left.value.code))

    for error in (RuntimeError("Query interrupted"), OutputError("a", "b"), None):
        assert interrupted(error) == 130
        told = capsys.readouterr()
        assert told.out == ""
        assert "Interrupted" in told.err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    monkeypatch.undo()
    with pytest.raises(SystemExit) as left:
        main(["validate", str(CITY)])
    assert left.value.code == 0, "the next command knows nothing of it"


def test_ctrl_c_that_a_library_drops_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check of `evaluate` was once refused for it, and the rest took the place of an earlier output."""
    from tierkit.city import synth

    out, make = tmp_path / "city", synth.make_folder

    def dropped(*given: Any, **named: Any) -> Any:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return make(*given, **named)

    def run(seed: int) -> int:
        with pytest.raises(SystemExit) as left:
            main(["synth", "--enterprises", "50", "--seed", str(seed), "--out", str(out)])
        return int(str(left.value.code))

    assert run(1) == 0
    before = {one.name: one.read_bytes() for one in out.iterdir()}
    monkeypatch.setattr("tierkit.jobs.synthesis.make_folder", dropped)
    assert run(2) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert {one.name: one.read_bytes() for one in out.iterdir()} == before
    assert names(tmp_path) == ["city"]
    monkeypatch.undo()
    assert run(2) == 0, "the next command knows nothing of it"


def ended(program: str, place: Path) -> tuple[int, str]:
    """Run a program as ``python -m``; return how it ended and what it said of errors."""
    (place / "begun.py").write_text(program)
    command = [sys.executable, "-m", "begun"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place)
    return run.returncode, run.stderr


def test_ctrl_c_in_code_that_is_run_from_text_ends_with_130(tmp_path: Path) -> None:
    """Python then ends itself by the signal, though the exception was caught; dataclasses are run so."""
    program = """
import signal, sys, types
from tierkit.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
run = "import signal; signal.raise_signal(signal.SIGINT)"
sys.modules["tierkit.cli.app"] = types.SimpleNamespace(main=lambda _: exec(run))
main()
"""
    assert ended(program, tmp_path) == (130, "")


def test_ctrl_c_while_python_ends_changes_nothing(tmp_path: Path) -> None:
    program = """
import atexit, signal, sys
from tierkit.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
atexit.register(signal.raise_signal, signal.SIGINT)
sys.argv = ["tierkit", "--version"]
main()
"""
    assert ended(program, tmp_path) == (0, "")


def test_threads_stop_when_the_one_that_waits_is_interrupted() -> None:
    from tierkit.progress import in_threads

    steps, running = [0, 0], threading.Barrier(2)

    def job(k: int) -> Callable[[Callable[[], None]], int]:
        def run(step: Callable[[], None]) -> int:
            running.wait()
            for _ in range(10**6):
                steps[k] += 1
                step()
            return k

        return run

    def interrupt(done: int, _: int) -> None:
        if done == 10:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        in_threads([job(0), job(1)], 2 * 10**6, 2, interrupt)
    assert max(steps) < 10**6


@pytest.mark.long
def test_runs_that_meet_and_runs_that_are_killed() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "kills.py"), "pairs=2", "kills=30"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout
    assert json.loads(ended.stdout[ended.stdout.rindex("{") :])["faults"] == 0
