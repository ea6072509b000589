"""The log of reviews: append-only, none twice in a row, whole after a kill, altered lines named."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierkit.policy import reviews
from tierkit.policy.reviews import COLUMNS, LONGEST, _hash, _line, append, check, latest, read_log
from tierkit.records import DataError, credit_code

IDS = credit_code.make(range(60)).tolist()
NOW = datetime(2025, 3, 1, 8, 30, tzinfo=UTC)


def decision(k: int = 0, **changes: Any) -> dict[str, Any]:
    """Return one right decision, with some cells changed."""
    return {
        "enterprise_id": IDS[k], "decision": "agree", "override_tier": None, "reason": None,
        "reviewer": "李审定", "decided_on": "2025-01-06", "as_of": "2024-12-30", "policy": "jiading-2025",
        "tier": "T4",
    } | changes  # fmt: skip


def frame(*rows: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def added(*given: Any, **more: Any) -> int:
    """Return how many decisions were new."""
    return append(*given, **more).added


OVERRIDE = {"decision": "override", "override_tier": "T2", "reason": "整改已复查，\n证据见案卷 3 号"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of three decisions."""
    path = tmp_path / "reviews.jsonl"
    rows = (decision(0), decision(1, **OVERRIDE), decision(2, decision="correct", reason="地址有误"))
    assert added(path, frame(*rows), now=NOW) == 3
    return path


def test_what_is_appended_is_read_back(log: Path) -> None:
    found = read_log(log)
    assert tuple(found.columns) == COLUMNS
    assert found["entry"].tolist() == [1, 2, 3]
    assert found["enterprise_id"].tolist() == IDS[:3]
    assert found["reason"].iloc[1] == OVERRIDE["reason"]
    assert found["override_tier"].isna().tolist() == [True, False, True]
    assert set(found["recorded_at"]) == {"2025-03-01T08:30:00+00:00"}
    assert str(found["decided_on"].dtype) == "datetime64[us]"
    assert found["hash"].str.fullmatch("[0-9a-f]{64}").all()
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [one["previous"] for one in lines] == ["0" * 64, *found["hash"].iloc[:2]]


def test_the_same_decision_is_kept_once_and_old_lines_never_move(log: Path) -> None:
    before = log.read_bytes()
    again = frame(decision(1, **OVERRIDE), decision(3), decision(3))
    assert added(log, again, now=NOW) == 1
    assert added(log, again, now=NOW) == 0
    assert log.read_bytes().startswith(before)
    assert len(read_log(log)) == 4
    assert added(log, frame(decision(1, **OVERRIDE, reviewer="王复核")), now=NOW) == 1


@pytest.mark.parametrize(("suffix", "writer"), [("csv", "to_csv"), ("parquet", "to_parquet")])
def test_decisions_come_from_files(tmp_path: Path, suffix: str, writer: str) -> None:
    file, log = tmp_path / f"decisions.{suffix}", tmp_path / "log"
    getattr(frame(decision(0), decision(1, **OVERRIDE)), writer)(file, index=False)
    assert added(log, file, now=NOW) == 2
    assert read_log(log)["reason"].iloc[1] == OVERRIDE["reason"]
    file.write_text("enterprise_id,decision\n1,2,3\n")
    with pytest.raises(DataError, match=r"cannot be read|another number of fields"):
        append(log, file, now=NOW)
    assert len(read_log(log)) == 2


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown decision": ({"decision": "maybe"}, "is not a declared level"),
    "no reason": ({"decision": "correct"}, "reason: is missing"),
    "blank reason": ({**OVERRIDE, "reason": "  "}, "reason: is blank"),
    "no tier": ({"decision": "override", "reason": "x"}, "override_tier: is missing"),
    "needless tier": ({"override_tier": "T1"}, "nothing is overridden"),
    "same tier": ({**OVERRIDE, "override_tier": "T4"}, "is the tier that stands"),
    "check character": ({"enterprise_id": "91350100M000100Y44"}, "check character"),
    "no reviewer": ({"reviewer": None}, "has no value"),
    "no date": ({"decided_on": "2025-02-30"}, "is not a date"),
    "too early": ({"decided_on": "2024-12-01"}, "lies before as_of"),
    "too late": ({"decided_on": "2025-03-02"}, "lies in the future"),
    "long": ({**OVERRIDE, "reason": "长" * (LONGEST + 1)}, "has more than 2,000 characters"),
    "reversed": ({**OVERRIDE, "reason": "好\u202e坏"}, "control or direction characters"),
    "nul": ({"reviewer": "a\x00b"}, "control or direction characters"),
    "tier": ({"tier": "T9"}, "is not a declared level"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_decision_is_refused_and_nothing_is_written(kind: str, tmp_path: Path) -> None:
    changes, said = WRONG[kind]
    log = tmp_path / "log"
    with pytest.raises(DataError) as told:
        append(log, frame(decision(0), decision(1, **changes)), now=NOW)
    assert said in str(told.value)
    assert "row 2" in str(told.value)
    assert "row 1:" not in str(told.value)
    assert not log.exists()


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    rows = [decision(k, **changes) for k, (changes, _) in enumerate(WRONG.values())]
    with pytest.raises(DataError) as told:
        check(frame(*rows), today=NOW.date())
    missing = [said for _, said in WRONG.values() if said.split(": ")[-1] not in str(told.value)]
    assert missing == []
    with pytest.raises(DataError, match="is not a declared column"):
        check(frame(decision(mood="good")), today=NOW.date())
    contrary = frame(decision(0), decision(0, **OVERRIDE))
    with pytest.raises(DataError, match="contradicts another row"):
        check(contrary, today=NOW.date())


def test_a_text_that_many_decisions_share_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(reviews, "_hides", lambda text: seen.append(text) or False)
    check(frame(*[decision(k % 5, **OVERRIDE) for k in range(500)]), today=NOW.date())
    assert len(seen) == len(set(seen)) == 3


def test_decisions_are_held_against_the_scores() -> None:
    scores = pd.DataFrame({"enterprise_id": IDS[:2], "tier": ["T4", "T1"], "policy": "jiading-2025"})
    assert len(check(frame(decision(0)), scores, NOW.date())) == 1
    with pytest.raises(DataError) as told:
        check(frame(decision(0, policy="legacy"), decision(1), decision(2)), scores, NOW.date())
    assert [(one.column, one.examples[0][:5]) for one in told.value.problems] == [
        ("enterprise_id", "row 3"), ("tier", "row 2"), ("policy", "row 1"),
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["enterprise_id", "tier", "policy"])
def test_scores_that_lack_a_column_are_refused(column: str) -> None:
    scores = pd.DataFrame({"enterprise_id": IDS[:2], "tier": "T4", "policy": "jiading-2025"})
    with pytest.raises(DataError, match=rf"scores\.{column}: is a column that is missing.*tierkit score"):
        check(frame(decision(0)), scores.drop(columns=column), NOW.date())


def test_who_needs_no_reason_needs_no_column_for_it() -> None:
    bare = frame(decision(0)).drop(columns=["override_tier", "reason"])
    assert check(bare, today=NOW.date())["reason"].isna().all()
    assert check(bare.iloc[:0], today=NOW.date()).empty


def _sealed(entry: dict[str, Any]) -> str:
    """Return a line with the hash of its content, whatever that is."""
    own = {name: value for name, value in entry.items() if name != "hash"}
    return _line(own | {"hash": _hash(own)})


def _edit(content: str, kind: str) -> str:
    lines = content.splitlines(keepends=True)
    if kind == "altered":
        lines[1] = lines[1].replace('"T2"', '"T3"')
    elif kind == "rehashed":  # the forger repairs the line's own hash, not the chain
        lines[1] = _sealed(json.loads(lines[1]) | {"override_tier": "T3"})
    elif kind == "removed":
        del lines[1]
    elif kind == "moved":
        lines[1], lines[2] = lines[2], lines[1]
    elif kind == "spaced":
        lines[1] = lines[1].replace('","', '", "', 1)
    elif kind == "nonsense":
        lines[1] = "[]\n"
    return "".join(lines)


@pytest.mark.parametrize(
    ("kind", "line"),
    [("altered", 2), ("rehashed", 3), ("removed", 2), ("moved", 2), ("spaced", 2), ("nonsense", 2)],
)
def test_tampering_is_told_by_the_first_line_that_does_not_fit(log: Path, kind: str, line: int) -> None:
    log.write_text(_edit(log.read_text("utf-8"), kind), "utf-8")
    forged = log.read_bytes()
    for attempt in (lambda: read_log(log), lambda: append(log, frame(decision(5)), now=NOW)):
        with pytest.raises(DataError, match=rf"line {line} "):
            attempt()
    assert log.read_bytes() == forged, "a log that is not right is not written to"


UNTRUE: dict[str, tuple[dict[str, Any], str]] = {
    "decision": ({"decision": "banana"}, "decision is not a declared level"),
    "tier": ({"tier": "T9"}, "tier is not a declared level"),
    "no override": ({"decision": "override", "reason": "x"}, "override_tier is missing"),
    "day": ({"decided_on": "2025-02-30"}, "decided_on is not a date"),
    "order": ({"decided_on": "2024-12-01"}, "decided_on lies before as_of"),
    "empty": ({"policy": None}, "policy has no value"),
    "number": ({"reviewer": 7}, "is no entry of a log"),
    "list": ({"reason": ["x"]}, "is no entry of a log"),
    "more": ({"mood": "good"}, "is no entry of a log"),
    "moment": ({"recorded_at": "yesterday"}, "is no entry of a log"),
    "no zone": ({"recorded_at": "2025-03-01T08:30:00"}, "is no entry of a log"),
    "no moment": ({"recorded_at": None}, "is no entry of a log"),
    "no whole number": ({"entry": 2.0}, "is no entry of a log"),
}


@pytest.mark.parametrize("kind", [*UNTRUE, "lacking", "brackets", "later fault"])
def test_hashes_that_fit_make_no_decision_of_what_is_none(log: Path, kind: str) -> None:
    lines = log.read_text("utf-8").splitlines(keepends=True)
    entry = json.loads(lines[1]) | {"decision": "agree", "override_tier": None, "reason": None}
    changes, said = UNTRUE.get(kind, UNTRUE["decision"])
    entry |= changes
    if kind == "lacking":
        del entry["policy"]
        said = "is no entry of a log"
    lines[1] = _sealed(entry)
    lines[2] = _sealed(json.loads(lines[2]) | {"previous": json.loads(lines[1])["hash"]})
    if kind == "brackets":
        lines[1], said = "[" * 100_000 + "]" * 100_000 + "\n", "is no entry of a log"
    elif kind == "later fault":  # the chain breaks one line on; what is wrong first is named
        lines[2] = "nonsense\n"
    log.write_text("".join(lines), "utf-8")
    forged = log.read_bytes()
    for attempt in (lambda: read_log(log), lambda: append(log, frame(decision(5)), now=NOW)):
        with pytest.raises(DataError, match=r"line 2 is no (decision|entry)") as told:
            attempt()
        assert said in str(told.value)
    assert log.read_bytes() == forged


def test_what_a_chain_cannot_show_is_shown_by_a_hash_kept_elsewhere(log: Path) -> None:
    kept = append(log, frame(decision(3)), now=NOW)
    assert kept[:3] == (1, 1, 4)
    assert kept.hash == read_log(log)["hash"].iloc[-1]
    lines = log.read_text("utf-8").splitlines(keepends=True)
    cut = lines[:3]
    anew, last = lines[:1], json.loads(lines[0])
    for line in lines[1:]:
        last = json.loads(_sealed(json.loads(line) | {"reviewer": "王复核", "previous": last["hash"]}))
        anew.append(_line(last))
    for content in (cut, anew):
        log.write_text("".join(content), "utf-8")
        assert read_log(log)["hash"].iloc[-1] != kept.hash


def test_who_goes_back_to_an_earlier_decision_is_heard(tmp_path: Path) -> None:
    log, other = tmp_path / "log", {"reviewer": "王复核"}
    for one in (decision(0), decision(0, **other), decision(0, **OVERRIDE), decision(0)):
        assert added(log, frame(one), now=NOW) == 1
        assert added(log, frame(one), now=NOW) == 0, "a call that was interrupted is repeated"
    assert read_log(log)["decision"].tolist() == ["agree", "agree", "override", "agree"]
    assert latest(log)["entry"].tolist() == [4]
    assert added(log, frame(decision(0, **other)), now=NOW) == 0, "others' entries do not count"


def test_reading_waits_for_a_writer_and_does_not_call_it_killed(log: Path) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole[:-40])
    with log.open("ab") as writer, ThreadPoolExecutor(1) as readers:
        fcntl.flock(writer, fcntl.LOCK_EX)
        found = readers.submit(read_log, log)
        with pytest.raises(TimeoutError):
            found.result(timeout=0.2)
        writer.write(whole[-40:])
        writer.flush()
        fcntl.flock(writer, fcntl.LOCK_UN)
        assert len(found.result(timeout=30)) == 3
        fcntl.flock(writer, fcntl.LOCK_SH)
        together = readers.submit(read_log, log).result(timeout=30)
        assert len(together) == 3, "readers do not wait for each other"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_no_byte_can_be_changed_unseen(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    append(path, frame(decision(0), decision(1, **OVERRIDE)), now=NOW)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 2))  # but the last line's end, without which it is half
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != content[at]))
    content[at] = byte
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"line [12] "):
        read_log(path)


_HIDDEN = ("Cc", "Cs", "Cf", "Zl", "Zp", "Co", "Cn")
_TEXT = st.text(st.characters(exclude_categories=_HIDDEN), min_size=1, max_size=80)


@settings(max_examples=15, deadline=None)
@given(reasons=st.lists(_TEXT.filter(lambda text: text.strip() != ""), min_size=1, max_size=4, unique=True))
def test_whatever_can_be_printed_comes_back_as_it_was(
    reasons: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    rows = [decision(k, **{**OVERRIDE, "reason": reason}) for k, reason in enumerate(reasons)]
    assert added(path, frame(*rows), now=NOW) == len(reasons)
    assert read_log(path)["reason"].tolist() == reasons


def test_half_a_line_is_left_out_with_a_message_and_taken_away(log: Path) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole[:-40])
    with pytest.warns(UserWarning, match="ends in half a line"):
        assert len(read_log(log)) == 2
    with pytest.warns(UserWarning, match="Record those decisions again"):
        assert added(log, frame(decision(2, decision="correct", reason="地址有误")), now=NOW) == 1
    assert log.read_bytes() == whole


def test_the_decision_in_force_is_the_last_decided(log: Path) -> None:
    later = decision(0, **OVERRIDE, decided_on="2025-02-01")
    earlier = decision(1, decided_on="2025-01-02", reviewer="王复核")
    other = decision(2, decided_on="2025-02-02", policy="shanghai-2025")
    append(log, frame(later, earlier, other), now=NOW)
    force = latest(log).set_index("enterprise_id")
    assert force["decision"].tolist() == ["override", "override", "agree"]
    assert latest(log, as_of="2025-01-31")["decision"].tolist() == ["agree", "override", "correct"]
    assert latest(read_log(log), policy="shanghai-2025")["entry"].tolist() == [6]


_WRITER = """
import sys, pandas as pd
from datetime import datetime, UTC
sys.path.insert(0, {tests!r})
from test_reviews import decision, frame, NOW
from tierkit.policy.reviews import append
first = int(sys.argv[2])
print("ready", flush=True)
for k in range(first, first + 20):
    append(sys.argv[1], frame(decision(k % 60, decided_on="2025-01-%02d" % (7 + k // 60))), now=NOW)
    print(k, flush=True)
"""


def _writer(log: Path, first: int) -> subprocess.Popen[str]:
    code = _WRITER.format(tests=str(Path(__file__).parent))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(log), str(first)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    log = tmp_path / "log"
    writers = [_writer(log, 0), _writer(log, 20)]
    assert [one.wait(60) for one in writers] == [0, 0]
    for one in writers:
        assert one.stdout is not None
        one.stdout.close()
    assert sorted(read_log(log)["enterprise_id"]) == sorted(IDS[:40])


def test_a_writer_that_is_killed_loses_nothing_that_it_said_was_done(tmp_path: Path) -> None:
    log = tmp_path / "log"
    one = _writer(log, 0)
    assert one.stdout is not None
    said = [one.stdout.readline().strip() for _ in range(4)]
    time.sleep(0.01)
    one.send_signal(signal.SIGKILL)
    said += one.stdout.read().split()
    one.stdout.close()
    one.wait(60)
    done = len(said) - 1
    assert said[0] == "ready"
    assert len(read_log(log)) in (done, done + 1), "what was written and not yet said may be there"
    before = len(read_log(log))
    rows = frame(*(decision(k, decided_on="2025-01-07") for k in range(20)))
    assert added(log, rows, now=NOW) == 20 - before
    assert read_log(log)["enterprise_id"].tolist() == IDS[:20]


@pytest.mark.parametrize("content", ["mine", "{", '{"b', "first line\nmine", '{"as_on":'])
def test_what_is_no_log_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    if content == "{":  # which a writer of ours may have left
        with pytest.warns(UserWarning, match="half a line"):
            assert added(path, frame(decision(0)), now=NOW) == 1
        return
    with pytest.raises(DataError, match=r"line 1 is no entry of a log"):
        append(path, frame(decision(0)), now=NOW)
    assert path.read_text() == content


@pytest.mark.parametrize("call", ["write", "fsync", "link"])
def test_a_writer_that_is_killed_before_it_is_done_leaves_no_new_log(tmp_path: Path, call: str) -> None:
    log = tmp_path / "log"
    child = os.fork()
    if not child:
        setattr(os, call, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        append(log, frame(decision(0)), now=NOW)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []
    assert added(log, frame(decision(0)), now=NOW) == 1


def test_a_log_that_another_process_begins_meanwhile_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, link = tmp_path / "log", os.link

    def late(*args: Any, **options: Any) -> None:
        monkeypatch.setattr(os, "link", link)
        assert added(log, frame(decision(0)), now=NOW) == 1
        link(*args, **options)

    monkeypatch.setattr(os, "link", late)
    assert added(log, frame(decision(1)), now=NOW) == 1
    assert sorted(read_log(log)["enterprise_id"]) == sorted(IDS[:2])


def test_where_no_file_is_without_a_name_the_log_has_one_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")
    assert added(tmp_path / "log", frame(decision(0)), now=NOW) == 1
    assert len(read_log(tmp_path / "log")) == 1


def test_no_decision_makes_no_log(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="hold no decision"):
        append(tmp_path / "new" / "log", frame(decision(0)).iloc[:0], now=NOW)
    assert list(tmp_path.iterdir()) == []
