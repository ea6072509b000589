"""One writer at a time: who holds a place, what a killed run left, and what is never replaced."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tierkit.folders import check_replaceable, kind_of, whole_file, whole_folder
from tierkit.folders.claims import OutputError, beside, claim, is_partial, scratch, unbroken

ROOT = Path(__file__).parent.parent
_HOLD = """
import sys
from pathlib import Path
from tierkit.folders.claims import claim
with claim(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other(target: Path) -> Iterator[subprocess.Popen[str]]:
    """Let another process claim a place until the block ends."""
    held = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(target)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert held.stdin is not None
    assert held.stdout is not None
    try:
        assert held.stdout.readline() == "held\n"
        yield held
    finally:
        held.stdin.close()
        held.wait(30)
        held.stdout.close()


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def owner(**changed: Any) -> str:
    """Return what the lock of this process would say, with some of it changed."""
    from tierkit.folders import claims

    own = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "began": claims._began(os.getpid()),
        "since": "2026-01-01 08:00:00+08:00",
        "made": [],
    }
    return json.dumps(own | changed)


def test_the_second_run_is_told_who_writes_and_the_third_may(tmp_path: Path) -> None:
    target = tmp_path / "new" / "run"
    with other(target) as held:
        since = json.loads(beside(target, "lock").read_text())["since"]
        said = re.escape(
            f"'{target}' is being written by process {held.pid} on this host, {socket.gethostname()}, "
            f"since {since}. Wait until that process ends"
        )
        with pytest.raises(OutputError, match=said), claim(target):
            pass
        assert names(target.parent) == [".run.tierkit-lock"]
    assert names(tmp_path) == [], "neither the lock nor the folder that was made for it is left"
    with claim(target):
        assert names(target.parent) == [".run.tierkit-lock"]


def test_a_thread_may_claim_again_what_it_holds_and_no_other_may(tmp_path: Path) -> None:
    refused = []

    def second() -> None:
        try:
            with claim(tmp_path / "run"):
                pass
        except OutputError as error:
            refused.append(error.message)

    with claim(tmp_path / "run"), claim(tmp_path / "run"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert f"process {os.getpid()} on this host" in refused[0]
    second()
    assert len(refused) == 1


def test_what_lies_in_the_draft_of_a_claimed_place_needs_no_claim(tmp_path: Path) -> None:
    with whole_folder(tmp_path / "demo", "demo") as draft:
        with whole_folder(draft / "run", "run") as inner:
            _run(inner, "1")
            assert names(draft) == [".run.tierkit-draft"]
        with whole_file(draft / "new" / "index.html") as page:
            page.write_text("whole")
        with claim(draft):
            pass
        assert names(tmp_path) == [".demo.tierkit-draft", ".demo.tierkit-lock"]
    assert names(tmp_path / "demo") == ["new", "run"]


def test_a_killed_run_is_named_and_what_it_left_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "run"
    with other(target) as held:
        held.send_signal(signal.SIGKILL)
        held.wait(30)
    beside(target, "draft").mkdir()
    (beside(target, "draft") / "half").touch()
    (target.parent / ".run.123.partial").touch()
    (target.parent / ".other.123.partial").touch()
    said = rf"an earlier run, process {held.pid} since .*, did not end; what it left is removed: "
    files = r"'.*\.run\.tierkit-lock', '.*\.run\.tierkit-draft', '.*\.run\.123\.partial'$"
    with pytest.warns(UserWarning, match=said + files), claim(target):
        assert names(target.parent) == [".other.123.partial", ".run.tierkit-lock"]
    (target.parent / ".other.123.partial").unlink()
    with other(target) as held:
        held.send_signal(signal.SIGKILL)
        held.wait(30)
    with pytest.warns(UserWarning, match="did not end"), claim(target):
        pass
    assert names(tmp_path) == ["a"], "which was there"
    target.parent.rmdir()
    target.parent.parent.rmdir()
    with other(target) as held:
        held.send_signal(signal.SIGKILL)
        held.wait(30)
    with pytest.warns(UserWarning, match="did not end"), claim(target):
        pass
    assert names(tmp_path) == [], "folders that the killed run had made go with its claim"


@pytest.mark.parametrize(
    ("changed", "taken"),
    [
        ({}, False),
        ({"began": "of a process that had the number before"}, True),
        ({"process": 2**22 + 1}, True),
        ({"host": "elsewhere"}, False),
        ({"host": "elsewhere", "process": 2**22 + 1}, False),
    ],
)
def test_a_claim_that_the_system_holds_for_nobody_stands_if_its_owner_may_live(
    tmp_path: Path, changed: dict[str, Any], taken: bool
) -> None:
    lock = beside(tmp_path / "run", "lock")
    lock.write_text(owner(**changed))
    if taken:
        with pytest.warns(UserWarning, match="did not end"), claim(tmp_path / "run"):
            pass
        assert names(tmp_path) == []
        return
    with pytest.raises(OutputError, match="is being written by process") as caught, claim(tmp_path / "run"):
        pass
    assert lock.read_text() == owner(**changed)
    other_host = "on another host, elsewhere" in caught.value.message
    assert other_host == ("host" in changed)
    assert (f"if that run has ended, delete '{lock}'" in caught.value.remedy) == other_host


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 1}', "[" * 60_000])
def test_a_lock_without_an_owner_is_taken(tmp_path: Path, content: str) -> None:
    beside(tmp_path / "run", "lock").write_text(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with claim(tmp_path / "run"):
            pass
    assert len(caught) == bool(content)
    assert names(tmp_path) == []


def test_nobody_writes_in_a_folder_that_is_being_written(tmp_path: Path) -> None:
    with other(tmp_path / "demo"):
        (tmp_path / "demo").mkdir()
        with pytest.raises(OutputError, match=r"/demo' is being written"), claim(tmp_path / "demo" / "model"):
            pass
        assert names(tmp_path / "demo") == []
    with claim(tmp_path / "demo"), claim(tmp_path / "demo" / "model"):
        pass


def test_links_are_refused_and_links_above_are_followed(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "nowhere").symlink_to("missing")
    for one in ("link", "nowhere"):
        with pytest.raises(OutputError, match=r"is a link\. Give the place"), claim(tmp_path / one):
            pass
    with whole_file(tmp_path / "link" / "page.html") as draft:
        draft.write_text("whole")
    assert names(tmp_path / "there") == ["page.html"]
    with other(tmp_path / "there" / "run"), pytest.raises(OutputError), claim(tmp_path / "link" / "run"):
        pass


def _run(folder: Path, version: str) -> None:
    (folder / "run.json").write_text(json.dumps({"facts": {"version": version}}))


def test_what_a_killed_run_was_replacing_is_put_back(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with whole_folder(target, "run") as draft:
        _run(draft, "1")
    target.rename(beside(target, "old"))
    beside(target, "draft").mkdir()
    with pytest.warns(UserWarning, match="is again what it was before that run"), claim(target):
        assert kind_of(target) == "run"
    assert names(tmp_path) == ["run"]


def test_a_folder_is_replaced_only_if_all_in_it_is_of_its_command(tmp_path: Path) -> None:
    target = tmp_path / "run"
    with whole_folder(target, "run") as draft:
        _run(draft, "1")
    (target / ".run.json.77.partial").touch()  # of a run that was killed, before drafts
    with whole_folder(target, "run") as draft:
        _run(draft, "2")
    assert names(target) == ["run.json"]
    with pytest.raises(OutputError, match="is a run, which only another run may replace"):
        check_replaceable(target, "model")
    (target / "link.parquet").symlink_to("run.json")
    with pytest.raises(OutputError, match=r"did not write: 'link.parquet'. Move"):
        check_replaceable(target, "run")
    (target / "link.parquet").unlink()

    def disturbed() -> None:
        with whole_folder(target, "run") as draft:
            _run(draft, "3")
            (target / "notes.txt").write_text("put there while the run went on")

    with pytest.raises(OutputError, match=r"did not write: 'notes\.txt'"):
        disturbed()
    assert names(target) == ["notes.txt", "run.json"]
    assert '"2"' in (target / "run.json").read_text()
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize(
    ("kind", "mine"),
    [
        ("run", "policies/my_reform.toml"),
        ("run", "moments.parquet"),
        ("run", "policies/.my_reform.toml.1.partial"),
        ("evaluation", "tables/my_notes.csv"),
        ("evaluation", "figures/photo.png"),
        ("city", "dossiers/mine.html"),
        ("screening", "screening-mine.png"),
        ("demo", "other.html"),
    ],
)
def test_a_file_of_ones_own_is_kept_whatever_it_is_called(tmp_path: Path, kind: str, mine: str) -> None:
    target = tmp_path / "there"

    def write() -> None:
        with whole_folder(target, kind) as draft:
            for name in ("policies/00.toml", "tables/rates.csv", "figures/rates.png", "dossiers/one.html"):
                (draft / name).parent.mkdir(exist_ok=True)
                (draft / name).write_text("ours")
            if kind == "demo":
                (draft / "run").mkdir()
                _run(draft / "run", "1")
            said = {"version": "1"} if kind == "demo" else {"version": "1", "kind": kind}
            if kind == "run":
                _run(draft, "1")
            else:
                (draft / "summary.json").write_text(json.dumps(said))

    write()
    write()
    (target / mine).parent.mkdir(exist_ok=True)
    (target / mine).write_text("mine")
    with pytest.raises(OutputError, match=f"did not write: '{re.escape(mine)}'"):
        write()
    assert (target / mine).read_text() == "mine"


def test_the_working_folder_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="is the working folder"), whole_folder(Path(), "run"):
        pass


def test_scratch_is_removed_and_that_of_a_killed_run_is_named(tmp_path: Path) -> None:
    left = tmp_path / ".page.html.work"
    left.mkdir()
    with pytest.warns(UserWarning, match=re.escape(f"'{left}'")), scratch(tmp_path / "page.html") as work:
        assert work.is_dir()
    assert names(tmp_path) == []


def test_ctrl_c_waits_for_what_may_not_be_broken() -> None:
    done = []

    def work() -> None:
        with unbroken():
            signal.raise_signal(signal.SIGINT)
            done.append(1)
        done.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_names_of_unfinished_files() -> None:
    assert is_partial(".a.csv.12.partial", "a.csv")
    assert not is_partial(".a.csv.x.partial", "a.csv")
    assert not is_partial(".b.csv.12.partial", "a.csv")
