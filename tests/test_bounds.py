"""What a stranger made is read within its budget, or refused in a sentence."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import time
import tracemalloc
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierkit import bounds
from tierkit.bounds import UnreadableError, parse_json, parse_toml, read_json, read_text
from tierkit.cli.app import main
from tierkit.folders import kind_of
from tierkit.jobs.scoring import last_assignment
from tierkit.policy import Policy, PolicyError
from tierkit.policy.reviews import append, read_log
from tierkit.records import DataError, Place, PlaceError, validate
from tierkit.records.csv_files import Malformed, read_csv
from tierkit.records.files import load_file
from tierkit.records.tables import TABLES
from tierkit.report import RunReport
from tierkit.scores.content import ContentError
from tierkit.scores.content import read_json as read_content

AGENCIES = TABLES["agencies"]
HEAD = "agency,name_zh,name_en,level,core,capacity\n"
ROW = "fire,消防,Fire,district,true,3\n"


def told(path: Path, name: str = "agencies") -> list[str]:
    return [str(one) for one in validate(path) if one.table == name]


def sparse(path: Path, size: int = 20 << 30) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


# JSON and TOML


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [bounds.NESTING + 1, 900, 200_000])
def test_json_beyond_the_nesting_is_refused_however_deep(opening: str, depth: int) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]
    with pytest.raises(UnreadableError, match="nested more than 32 levels deep"):
        parse_json(opening * depth + "0" + closing * depth)


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\udfff": 1}', '[{"a": ["x\\ud83d"]}]', b'"\xed\xa0\x80"'])
def test_json_with_half_of_a_surrogate_pair_is_refused(text: str | bytes) -> None:
    with pytest.raises(UnreadableError, match="half of a surrogate pair"):
        parse_json(text)
    if isinstance(text, str):
        with pytest.raises(ContentError, match="half of a surrogate pair"):
            read_content(text)
    assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"


@pytest.mark.parametrize("key", ["start", "as_of"])
@pytest.mark.parametrize("value", [[1], "x", 1e300])
def test_a_day_of_a_manifest_is_a_date(tmp_path: Path, key: str, value: object) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({key: value}), "utf-8")
    (problem,) = [one for one in validate(tmp_path) if one.table == "manifest.json"]
    assert problem.message == f"has the {key} {value!r}, which is not a date"


def test_json_up_to_the_nesting_is_read() -> None:
    assert parse_json("[" * bounds.NESTING + "]" * bounds.NESTING) is not None
    assert parse_json(str(2**64 - 1)) == 2**64 - 1
    assert parse_json("-9223372036854775808") == -(2**63)


@pytest.mark.parametrize("digits", [bounds.DIGITS + 1, 5_000, 500_000])
def test_a_whole_number_of_many_digits_is_refused(digits: int) -> None:
    for text in ("9" * digits, f'{{"rows": [-{"9" * digits}]}}'):
        with pytest.raises(UnreadableError, match="more than 20 digits"):
            parse_json(text)
    for text in (f"a = {'9' * digits}", f"a = [1, 0x{'f' * digits}]"):
        if digits < bounds.TOML_DIGITS:
            assert parse_toml(text)
            continue
        with pytest.raises(UnreadableError, match="more than 1,000 digits"):
            parse_toml(text)


@pytest.mark.parametrize(
    "text",
    [
        f"x = {'[' * 5000}",
        f"x = {'[' * 40}{']' * 40}",
        f"{'a.' * 100_000}a = 1",
        f"[{'a . ' * 100_000}a]\nb = 1",
        '"é"."b c".' * 40 + "a = 1",
        f"x = {{ {'a.' * 40}a = 1 }}",
        "x = " + "{ a = " * 40 + "1" + " }" * 40,
    ],
)
def test_toml_beyond_the_nesting_is_refused_at_once(text: str) -> None:
    started = time.process_time()
    with pytest.raises(UnreadableError, match="nested more than 32 levels deep"):
        parse_toml(text)
    assert time.process_time() - started < 2


def test_dots_within_texts_and_numbers_are_no_nesting() -> None:
    dots = "a." * 100
    text = f'"""{dots}"""\n\'\'\'{dots}\'\'\'\n"{dots}\\" a.b"\n# {dots}\n{[k / 10 for k in range(200)]}'
    lines = [f"k{k} = {one}" for k, one in enumerate(text.split("\n")) if not one.startswith("#")]
    assert parse_toml(f"# {dots}\n" + "\n".join(lines))["k0"] == dots


def test_a_toml_key_is_short() -> None:
    with pytest.raises(UnreadableError, match="key of more than 100 characters"):
        parse_toml(f"[a.{'b' * 101}]\nc = 1")


def test_a_file_is_read_up_to_its_budget_whatever_its_size(tmp_path: Path) -> None:
    tracemalloc.start()
    for name in ("manifest.json", "run.json"):
        with pytest.raises(UnreadableError, match="larger than 16 MiB"):
            read_json(sparse(tmp_path / name))
    assert tracemalloc.get_traced_memory()[1] < 50 << 20
    tracemalloc.stop()
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(tmp_path / "a.txt", 6) == "abc"
    with pytest.raises(UnreadableError, match="larger than 5 bytes"):
        read_text(tmp_path / "a.txt", 5)
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(UnreadableError, match="not a regular file"):
        read_json(tmp_path / "pipe.json")


@pytest.mark.parametrize(
    ("encoding", "hint"), [("gb18030", "can be read as GBK"), ("utf-16", "it begins as UTF-16 does")]
)
def test_another_encoding_is_told_with_the_remedy(tmp_path: Path, encoding: str, hint: str) -> None:
    (tmp_path / "a.toml").write_text('name = "风险"', encoding)
    with pytest.raises(UnreadableError, match=hint) as caught:
        read_text(tmp_path / "a.toml", 1000)
    assert "Save it as UTF-8" in caught.value.remedy


# The files that are JSON or TOML


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"rows": ' + "9" * 5000 + "}", "{}" * 9, "\x00" * 99, '"\\ud800"']
)
def test_json_files_of_a_stranger_are_refused_in_a_sentence(tmp_path: Path, text: str) -> None:
    for name in ("manifest.json", "run.json", "summary.json"):
        (tmp_path / name).write_text(text)
    assert kind_of(tmp_path) is None
    (problem,) = [one for one in validate(tmp_path) if one.table == "manifest.json"]
    assert problem.message.startswith(("cannot be read: it ", "is not a manifest"))
    if text != '"\\ud800"':
        with pytest.raises(DataError, match=r"run\.json: cannot be read: it "):
            RunReport.read(tmp_path)


@pytest.mark.parametrize("odd", [None, True, 3, 1.5, "x", [], [[]], {"a": 1}])
def test_no_value_of_a_summary_ends_in_an_error(tmp_path: Path, odd: object) -> None:
    for key in ("facts", "kind", "tables", "place", "as_of", "schema"):
        for name in ("summary.json", "manifest.json"):
            (tmp_path / name).write_text(json.dumps({key: odd}))
        assert kind_of(tmp_path) is None
        assert all(one.message for one in validate(tmp_path))


def test_a_log_of_reviews_is_bounded_in_size_and_by_line(tmp_path: Path) -> None:
    log = tmp_path / "reviews.jsonl"
    with pytest.raises(DataError, match="larger than 256 MiB"):
        read_log(sparse(log))
    for line in ("[" * 100_000, '{"entry": ' + "9" * 5000 + "}", '{"a": "' + "x" * bounds.LOG_LINE + '"}'):
        log.write_text(line + "\n")
        with pytest.raises(DataError, match="line 1 is no entry of a log"):
            read_log(log)


def test_what_append_takes_read_log_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "reviews.jsonl"
    one = {"enterprise_id": "91350100M000100Y43", "decision": "agree", "tier": "T4", "reason": '"' * 2000,
           "reviewer": "𠮷" * 2000, "decided_on": "2025-01-06", "as_of": "2024-12-30",
           "policy": "𠮷" * 2000}  # fmt: skip
    append(log, pd.DataFrame([one]))
    assert len(log.read_bytes()) < bounds.LOG_LINE // 2
    assert read_log(log)["reviewer"].tolist() == ["𠮷" * 2000]
    with pytest.raises(DataError, match="reviewer: has more than 2,000 characters"):
        append(log, pd.DataFrame([one | {"reviewer": "x" * 2001}]))
    monkeypatch.setattr("tierkit.policy.reviews.LOG_BYTES", len(log.read_bytes()) + 10)
    with pytest.raises(DataError, match="is full"):
        append(log, pd.DataFrame([one | {"reviewer": "other"}]))
    assert len(read_log(log)) == 1


def policy(path: Path, text: str) -> list[str]:
    path.write_text(f'[meta]\nname = "x"\nbaseline = "legacy"\n{text}', "utf-8")
    with pytest.raises(PolicyError) as caught:
        Policy.load(path)
    return [one.message for one in caught.value.problems]


def test_a_chain_of_baselines_is_bounded(tmp_path: Path) -> None:
    for k in range(1_200):
        base = f"p{k + 1}.toml" if k < 1_199 else "legacy"
        (tmp_path / f"p{k}.toml").write_text(f'[meta]\nname = "p{k}"\nbaseline = "{base}"\n')
    started = time.process_time()
    with pytest.raises(PolicyError, match="the chain of baselines is longer than 16"):
        Policy.load(tmp_path / "p0.toml")
    assert Policy.load(tmp_path / f"p{1_200 - bounds.BASELINES}.toml").meta.baseline
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    "line", ["a{} = 1\n", '"a {}" = 1\n', "[a{}]\n", "frequency.a{} = 1\n", "meta.a{} = 1\n"]
)
def test_many_unknown_keys_take_no_quadratic_time(tmp_path: Path, line: str) -> None:
    text = "".join(line.format(k) for k in range(300_000))[: bounds.TOML_BYTES - 200].rpartition("\n")[0]
    started = time.process_time()
    said = policy(tmp_path / "p.toml", text if line[0] == "[" else f"[meta.x]\n[top]\n{text}")
    assert len(said) <= bounds.PROBLEMS + 1
    assert time.process_time() - started < 30
    assert policy(tmp_path / "q.toml", text * 10)[0].startswith("the file is larger than 512 KiB")


def test_values_of_any_size_are_refused_in_a_short_message(tmp_path: Path) -> None:
    words = ",".join(f'"a{k}"' for k in range(30_000))
    for value in ("9" * 1000, f'"{"x" * 100_000}"', f"[{'1, ' * 100_000}]", f"[{words}]"):
        for leaf in ("depth.detection", "lists.no_disturb.items"):
            text = f"{leaf} = {{ value = {value}, unit = {value} }}"
            for said in policy(tmp_path / "p.toml", text):
                assert len(said) < 1_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        f"place = {'9' * 5000}",
        f"[district]\n{'a' * 300} = 1",
        "".join(f"k{k} = 1\n" for k in range(100_000)),
        '[ids]\nscheme = "free"\npattern = "^(T+)+$"\nmade = "TTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT{serial}!"',
        '[ids]\nscheme = "free"\npattern = "(?=T)"\nmade = "T{serial:0999999999d}"',
        '[ids]\nscheme = "free"\npattern = "("\nmade = "T{serial}"',
        "  " * 200_000,
        "[" + " " * 400_000,
        "\n".join(['x = "é" ' + " " * 90_000] * 5),
    ],
)
def test_place_files_of_a_stranger_are_refused_in_time(tmp_path: Path, text: str) -> None:
    file = tmp_path / "place.toml"
    file.write_text(text, "utf-8")
    started = time.process_time()
    with pytest.raises(PlaceError) as caught:
        Place.load(file)
    assert len(caught.value.problems) <= bounds.PROBLEMS + 1
    assert time.process_time() - started < 10


# CSV


def parts(path: Path, rows: int | None = None) -> tuple[list[dict[str, Any]], list[Malformed]]:
    bad: list[Malformed] = []
    return [row for part in read_csv(path, AGENCIES, rows, bad) for row in part.to_pylist()], bad


CELLS = ["x", '"a\r\nb"', '"q""\r\n"', '"\r\n"', '""', '"a,b"', "消防", '"\n"', '"\r"', '5"x', "", "10.0"]


@settings(max_examples=40)
@given(
    rows=st.lists(st.lists(st.sampled_from(CELLS), min_size=1, max_size=3), max_size=12),
    end=st.sampled_from(["\n", "\r\n"]),
    packed=st.booleans(),
    marked=st.booleans(),
)
def test_no_block_edge_changes_a_cell_or_the_number_of_a_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], end: str, packed: bool, marked: bool
) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    text = end.join(["agency,name_zh", *(",".join(row) for row in rows)]) + end
    content = b"\xef\xbb\xbf" * marked + text.encode()
    path = folder / ("a.csv.gz" if packed else "a.csv")
    path.write_bytes(gzip.compress(content) if packed else content)
    whole = parts(path)
    two = [row for row in rows if len(row) == 2 and row != [""]]
    assert len(whole[0]) == len(two)
    plain = [row for row in csv.reader(io.StringIO(text, newline="")) if len(row) == 2][1:]
    assert [[one["agency"] or "", one["name_zh"] or ""] for one in whole[0]] == plain
    with pytest.MonkeyPatch.context() as patch:
        for block in (40, 41, 42, 43, 57, 64):
            patch.setattr("tierkit.records.csv_files.CSV_BLOCK", block)
            patch.setattr("tierkit.bounds.CSV_HEADER", 20)
            patch.setattr("tierkit.records.csv_files.CSV_HEADER", 1000)
            assert parts(path, 3) == whole


def test_chunks_have_so_many_rows_and_a_table_comes_even_without_any(tmp_path: Path) -> None:
    path = tmp_path / "agencies.csv"
    path.write_text(HEAD + ROW * 10, "utf-8")
    assert [part.num_rows for part in load_file(path, AGENCIES, 4)] == [4, 4, 2]
    path.write_text(HEAD, "utf-8")
    for rows in (None, 4):
        (part,) = load_file(path, AGENCIES, rows)
        assert (part.num_rows, part.column_names) == (0, list(AGENCIES.columns))


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: whole[:15],
        lambda whole: whole + b"more",
        lambda whole: whole[:200] + bytes(byte ^ 0x55 for byte in whole[200:260]) + whole[260:],
        lambda whole: whole[:-8] + b"\x00\x00\x00\x00" + whole[-4:],
        lambda whole: whole[:3] + b"\xff" + whole[4:],
        lambda whole: b"\x00" * 10_000,
    ],
)
def test_a_damaged_gz_is_refused_with_the_place(tmp_path: Path, damage: Any) -> None:
    names = "".join(f"fire,{k * k},{k},district,true,3\n" for k in range(20_000))
    (tmp_path / "agencies.csv.gz").write_bytes(damage(gzip.compress((HEAD + names).encode())))
    said = told(tmp_path)[-1]
    assert "agencies.csv.gz cannot be read: it is" in said
    assert "damaged: after" in said or "not UTF-8" in said


def test_every_bit_of_a_gz_is_read_or_refused(tmp_path: Path) -> None:
    whole = gzip.compress((HEAD + ROW * 30).encode(), mtime=0)
    good = parts(_put(tmp_path, whole))
    for at in range(len(whole)):
        for bit in range(8):
            path = _put(tmp_path, whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
            try:
                assert parts(path) == good, "only the header of a gz, which says nothing of its content"
            except (UnreadableError, pa.ArrowException):
                continue


def _put(folder: Path, content: bytes) -> Path:
    path = folder / "agencies.csv.gz"
    path.write_bytes(content)
    return path


def test_several_members_are_one_file(tmp_path: Path) -> None:
    path = _put(tmp_path, b"".join(gzip.compress(one.encode()) for one in (HEAD, ROW, ROW)))
    assert len(parts(path)[0]) == 2


def test_a_bomb_is_refused_before_it_has_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "EXPANSION_FROM", 4 << 20)
    path = tmp_path / "agencies.csv.gz"
    with gzip.open(path, "wb", 9) as file:
        file.write(HEAD.encode())
        for _ in range(300):
            file.write(ROW.encode() * 3_000)
    (said,) = told(tmp_path)
    assert "unpacks to more than 100 times its size" in said
    with gzip.open(path, "wb", 9) as file:
        file.write(b"\x00" * (50 << 20))
    (said,) = told(tmp_path)
    assert "header of more than 16 KiB" in said


@pytest.mark.parametrize("name", ["agencies.csv", "agencies.csv.gz"])
def test_a_sparse_table_is_refused_by_its_size(tmp_path: Path, name: str) -> None:
    sparse(tmp_path / name)
    (said,) = told(tmp_path)
    assert "it is larger than 16 GiB" in said
    sparse(tmp_path / name, 15 << 30)
    (said,) = told(tmp_path)
    assert "header of more than 16 KiB" in said or "is damaged" in said


@pytest.mark.parametrize(
    "header", ["a" * 131_073, "a," * 131_073, "agency," + '"' + "\n" * 200_000, "\n" * 200_000]
)
def test_a_header_is_short(tmp_path: Path, header: str) -> None:
    (tmp_path / "agencies.csv").write_text(header + "\n" + ROW, "utf-8")
    (said,) = told(tmp_path)
    assert "it has a header of more than 16 KiB. Give it one header line" in said


def test_a_row_without_an_end_is_located(tmp_path: Path) -> None:
    path = tmp_path / "agencies.csv"
    path.write_text(HEAD + ROW * 5 + 'fire,"' + "消防\n" * 1_000_000, "utf-8")
    (said,) = [one for one in told(tmp_path) if "cannot be read" in one]
    assert "it has a row of more than 1 MiB, below row " in said
    assert "Close the quotation mark" in said
    path.write_text(HEAD + ROW * 5 + f"fire,{'消' * 100_000},Fire,district,true,3\n", "utf-8")
    assert len(parts(path)[0][5]["name_zh"]) == 100_000


def test_rows_with_other_fields_are_counted_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tierkit.records.csv_files.MALFORMED", 50)
    path = tmp_path / "agencies.csv"
    path.write_text(HEAD + ROW + "fire\n" * 50, "utf-8")
    (said,) = told(tmp_path)
    assert "50 rows, row 2: 1 field instead of 6: 'fire'" in said
    path.write_text(HEAD + ROW + "fire\n" * 51, "utf-8")
    (said,) = told(tmp_path)
    assert "more than 50 rows with another number of fields than its header, the first is row 2" in said


@pytest.mark.parametrize("at", [0, 3, 200_000])
def test_another_encoding_is_told_by_line_in_csv(tmp_path: Path, at: int) -> None:
    lines = [ROW.encode()] * at + [ROW.encode("gb18030")]
    (tmp_path / "agencies.csv").write_bytes(HEAD.encode() + b"".join(lines))
    said = told(tmp_path)[-1]
    assert f"it is not UTF-8: a byte in line {at + 2:,} is 0xcf; it can be read as GBK (GB 18030)" in said
    assert "a spreadsheet calls that “CSV UTF-8”" in said


def test_a_csv_takes_the_memory_of_its_blocks(tmp_path: Path) -> None:
    path = tmp_path / "agencies.csv"
    path.write_text(HEAD + ROW * 1_500_000, "utf-8")
    seen, most, before = 0, 0, pa.total_allocated_bytes()
    for part in load_file(path, AGENCIES, 1 << 16):
        seen += part.num_rows
        most = max(most, pa.total_allocated_bytes() - before)
    assert seen == 1_500_000
    assert most < 50 << 20, "the file has 45 MB, and its cells take three times as much"


def test_a_last_assignment_is_read_as_a_table_is(tmp_path: Path) -> None:
    path = tmp_path / "tiers.csv.gz"
    text = "enterprise_id,tier,risk_level,credit_grade,other\n'0001,T1,2.0,A,x\n91,T2,,B,y\n"
    path.write_bytes(gzip.compress(text.encode()))
    frame = last_assignment(path, date(2024, 12, 30))  # type: ignore[arg-type]
    assert frame is not None
    assert frame["enterprise_id"].tolist() == ["0001", "91"]
    assert frame["risk_level"].fillna(-1).tolist() == [2, -1]
    assert "other" not in frame
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="cannot be read: it is damaged"):
        last_assignment(path, date(2024, 12, 30))
    path.write_bytes(gzip.compress((text + "91,T2\n").encode()))
    with pytest.raises(DataError, match="row 3 has 2 fields instead of 5"):
        last_assignment(path, date(2024, 12, 30))


@pytest.mark.parametrize("text", ["10.0", "10.", "+10", "10.000"])
def test_a_whole_number_may_be_written_with_zeros_after_the_point(tmp_path: Path, text: str) -> None:
    (tmp_path / "agencies.csv").write_text(HEAD + f"fire,消防,Fire,district,true,{text}\n", "utf-8")
    assert not told(tmp_path)
    (tmp_path / "agencies.csv").write_text(HEAD + "fire,消防,Fire,district,true,10.5\n", "utf-8")
    assert "is not a whole number (1 row, row 1: '10.5')" in told(tmp_path)[0]


def test_the_command_line_tells_it_with_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("manifest.json", "run.json"):
        (tmp_path / name).write_text("[" * 100_000)
    (tmp_path / "p.toml").write_text("x = " + "[" * 5000)
    (tmp_path / "enterprises.csv.gz").write_bytes(gzip.compress(b"x" * 99)[:-3])
    policy_, out = tmp_path / "p.toml", tmp_path / "out"
    commands: list[list[Any]] = [
        ["validate", tmp_path],
        ["validate", tmp_path, "--json"],
        ["policy", "check", policy_],
        ["place", "show", policy_],
        ["report", tmp_path, "--out", out],
    ]
    for words in commands:
        with pytest.raises(SystemExit) as caught:
            main(list(map(str, words)))
        assert caught.value.code == 2, words
        assert "Traceback" not in "".join(capsys.readouterr())
