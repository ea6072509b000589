"""Raw files become a dataset by a mapping: every row is accounted for, and nothing is guessed."""

import csv
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from raw_city import Rows, decided, rows, write

from tierkit.bounds import UnreadableError
from tierkit.cli import main
from tierkit.intake import MappingError, read_mapping
from tierkit.intake.cells import date_cell, flag_cell, forms_of, number_cell
from tierkit.intake.guessing import forms
from tierkit.intake.mapping import line_numbers
from tierkit.intake.profiling import Profile
from tierkit.intake.reading import LOST, Layout, encoding_of, header_of, read_batches
from tierkit.intake.reasons import reason_labels
from tierkit.jobs import intake
from tierkit.jobs.checks import BadInputError
from tierkit.records import DataError, read_dataset, validate
from tierkit.records.validation import errors_of

SMALL = rows(enterprises=16, inspections=60, seed=4)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with raw files of a small city, its mapping and the dataset made of them."""
    root = tmp_path_factory.mktemp("city")
    write(root / "raw", SMALL)
    made = intake.draft(root / "raw", root / "mapping.toml", name="yunxi")
    made.mapping.write_text(decided(made.mapping.read_text("utf-8")), "utf-8")
    intake.run(made.mapping, root / "data")
    return root


def tables(folder: Path) -> dict[str, str]:
    """Return the hash of each table of a dataset."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    return {name: one["sha256"] for name, one in manifest["tables"].items()}


def again(city: Path, root: Path, change: Callable[[str], str] = lambda text: text) -> Path:
    """Return a copy of the mapping and its place for the folder ``raw`` beside it."""
    root.mkdir(parents=True, exist_ok=True)
    text = (city / "mapping.toml").read_text("utf-8")
    (root / "mapping.toml").write_text(change(text), "utf-8")
    place = "mapping.place.toml"
    (root / place).write_text((city / place).read_text("utf-8"), "utf-8")
    return root / "mapping.toml"


def aside(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "intake" / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# Every row is accounted for


def test_the_counts_add_up_and_the_reject_file_lists_each_row(city: Path) -> None:
    done = intake.run(city / "mapping.toml", city / "data")
    account = done.account
    assert done.replaced
    for table, read in account.read.items():
        assert read == account.taken[table] + account.rejected[table] + account.duplicates[table]
        assert account.rows[table] == account.taken[table]
    listed = aside(city / "data", "rejected")
    assert len(listed) == sum(account.rejected.values())
    assert {(one["table"], one["reason"]) for one in listed} == {
        ("enterprises", "is empty, and nothing can be done without it"),
        ("inspections", "is of an enterprise that is not in the register"),
    }
    assert len(aside(city / "data", "duplicates")) == sum(account.duplicates.values()) == 3
    assert account.found_by_name["inspections"] == 2
    assert errors_of(validate(city / "data")) == []


def test_what_no_file_tells_stays_unknown(city: Path) -> None:
    data = read_dataset(city / "data")
    enterprises, inspections = data["enterprises"], data["inspections"]
    assert enterprises["size"].isna().all()
    assert enterprises["town"].isna().all()
    assert inspections["disposition"].isna().all()
    assert data.place.name == "yunxi"
    (cell,) = aside(city / "data", "cells")
    assert (cell["column"], cell["value"]) == ("registered_capital", "1000.0 | 77.0")


def test_units_severity_and_industries_follow_the_mapping(city: Path) -> None:
    data = read_dataset(city / "data")
    raw = {line[0]: line for line in SMALL["inspections.csv"][1]}
    for one in data["inspections"].itertuples():
        result, fine = raw[one.check_code][-2:]
        expected = {"": "minor", "500": "minor", "8000": "moderate", "30000": "serious"}[fine]
        assert one.finding == ("none" if result in ("合格", "未发现问题") else expected)
    capital = data["enterprises"]["registered_capital"].dropna()
    assert set(capital) <= {50.0, 100.0, 200.0, 1000.0}
    by_code = data["enterprises"].set_index("enterprise_id")
    for code, *_, industry, _name in (
        (line[0], line[3], line[4]) for line in SMALL["enterprises.csv"][1] if line[0]
    ):
        if industry:
            assert by_code.loc[code, "industry_section"] == industry[0]
            assert by_code.loc[code, "industry_division"] == industry[1:3]
    assert by_code["sector"].notna().all()


def test_obligations_cover_every_inspection_and_the_page_is_in_both_languages(city: Path) -> None:
    data = read_dataset(city / "data")
    key = ["enterprise_id", "agency", "item_class"]
    bound = data["obligations"][key].astype(str).agg("|".join, axis=1)
    assert data["inspections"][key].astype(str).agg("|".join, axis=1).isin(set(bound)).all()
    page = (city / "data" / "intake" / "index.html").read_text("utf-8")
    assert "数据接入说明" in page
    assert "How these records came in" in page

    assert "主体不在登记名册中" in page
    for account in (intake.check(city / "mapping.toml").account,):
        for one in (*account.reasons, *account.cells):
            zh, en = reason_labels(one["reason"])
            assert zh != en


def test_every_reason_of_a_cell_has_words_in_both_languages() -> None:
    dates, numbers = date_cell(["Y-M-D"], date(2024, 1, 1)), number_cell("元", "CNY", whole=True)
    cells = [dates(one) for one in ("2024-02-30", "1/2/24", "2030-01-01", "1000-01-01", f"{LOST}1")]
    cells += [numbers(one) for one in ("叁佰", "5美元", "约5", "abc", "1.5", "9" * 400, f"{LOST}1")]
    for _, why in [*cells, flag_cell("或许")]:
        assert why
        assert reason_labels(why)[0] != why


def test_a_reason_holds_no_value_so_that_a_thousand_rows_give_one_line(city: Path, tmp_path: Path) -> None:
    mapping = again(city, tmp_path, lambda text: re.sub(r"as_of = \S+", "as_of = 2023-12-31", text))
    write(tmp_path / "raw", SMALL)
    reasons = [one for one in intake.check(mapping).account.reasons if one["column"] == "inspected_on"]
    assert [one["reason"] for one in reasons] == ["is a day after the end of the records, 2023-12-31"]
    assert reasons[0]["rows"] > 5


def test_codes_in_small_letters_and_with_blanks_are_the_same_codes(city: Path, tmp_path: Path) -> None:
    changed = {name: (head, [list(one) for one in lines]) for name, (head, lines) in SMALL.items()}
    head, lines = changed["inspections.csv"]
    at = head.index("统一社会信用代码")
    for one in lines:
        one[at] = " ".join((one[at][:9], one[at][9:])).lower().strip()
    write(tmp_path / "raw", changed)
    intake.run(again(city, tmp_path), tmp_path / "data")
    assert tables(tmp_path / "data") == tables(city / "data")


@pytest.mark.parametrize("place", [1, -1])
def test_a_quotation_mark_that_is_not_closed_takes_in_no_rows(tmp_path: Path, place: int) -> None:
    lines = [f"{k % 6},2019-03-{k % 9 + 10},{'Fail' if k % 2 else 'Pass'}" for k in range(300)]
    cells = lines[40].split(",")
    cells[place] = '"' + cells[place]
    lines[40] = ",".join(cells)
    path = tmp_path / "inspections.csv"
    path.write_text("\n".join(["License,Inspection Date,Results", *lines]) + "\n", "utf-8")
    with pytest.raises(UnreadableError, match="row 41 goes on over more than 100 lines"):
        list(read_batches(path, Layout("utf-8")))


def test_a_zero_byte_does_not_make_a_text_utf_16(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = "企业名称,代码\n" + "店,1\n" * 40
    path.write_bytes(text.encode("utf-8")[:60] + b"\0" + text.encode("utf-8")[60:])
    assert encoding_of(path)[0] == "utf-8"
    path.write_bytes(text.encode("utf-16-le"))
    assert encoding_of(path)[0] == "utf-16-le"


def test_a_title_above_the_names_of_a_text_file_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "raw", SMALL)
    for path in (tmp_path / "raw").iterdir():
        path.write_bytes("导出时间：2024-12-31,,\n".encode("gb18030") + path.read_bytes())
    made = intake.draft(tmp_path / "raw", tmp_path / "mapping.toml")
    assert made.proposal.mapping.count("header = 2") == len(SMALL)
    made.mapping.write_text(decided(made.proposal.mapping), "utf-8")
    assert intake.check(made.mapping).account.taken["inspections"] > 50


def test_words_that_would_make_nearly_everybody_grave_are_asked(tmp_path: Path) -> None:
    lines = ["License,Inspection Date,Results"]
    lines += [f"{k % 6},2019-03-{k % 9 + 10},{('Critical', 'Not Critical')[k % 2]}" for k in range(120)]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "inspections.csv").write_text("\n".join(lines) + "\n", "utf-8")
    made = intake.draft(tmp_path / "raw", tmp_path / "mapping.toml").proposal
    assert '"Critical" = "?"' in made.mapping
    assert '"Not Critical" = "?"' in made.mapping
    assert "50% of the rows would be serious" in made.mapping


def test_a_second_delivery_of_overlapping_rows_changes_nothing_twice(city: Path, tmp_path: Path) -> None:
    write(tmp_path / "raw", SMALL)
    write(tmp_path / "raw" / "second", {name: (head, lines[::3]) for name, (head, lines) in SMALL.items()})
    change = lambda text: re.sub(r'files = \["(\w+\.csv)"\]', r'files = ["\1", "second/\1"]', text)  # noqa: E731
    account = intake.run(again(city, tmp_path, change), tmp_path / "data").account
    assert tables(tmp_path / "data") == tables(city / "data")
    assert sum(account.duplicates.values()) > 20


# The same rows, told otherwise, are the same dataset


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shuffle=st.integers(0, 1_000),
    parts=st.integers(1, 3),
    encoding=st.sampled_from(["gb18030", "utf-8", "utf-8-sig", "utf-16"]),
    mark=st.sampled_from(["", "（一）", "X"]),
)
def test_shuffles_parts_encodings_and_names_change_nothing(
    city: Path, tmp_path_factory: pytest.TempPathFactory, shuffle: int, parts: int, encoding: str, mark: str
) -> None:
    root = tmp_path_factory.mktemp("other")
    write(
        root / "raw",
        SMALL,
        encoding=encoding,
        parts=parts,
        shuffle=shuffle,
        renamed=lambda one: f"{one}{mark}",
    )
    named = {"utf-8-sig": "utf-8"}.get(encoding, encoding)

    def change(text: str) -> str:
        text = text.replace('encoding = "gb18030"', f'encoding = "{named}"')
        if parts > 1:
            text = re.sub(r'files = \["(\w+)\.csv"\]', r'files = ["\1_*.csv"]', text)
        for header in {one for head, _ in SMALL.values() for one in head}:
            text = text.replace(f' "{header}"', f' "{header}{mark}"')
        return text

    intake.run(again(city, root, change), root / "data")
    assert tables(root / "data") == tables(city / "data")


def _mutated(content: Rows, where: list[tuple[int, int, int, str]]) -> Rows:
    changed = {name: (list(head), [list(line) for line in lines]) for name, (head, lines) in content.items()}
    for file, line, column, value in where:
        name = list(changed)[file % len(changed)]
        head, lines = changed[name]
        row = head if line % 20 == 0 else lines[line % len(lines)]
        if not row:
            continue
        if value == "<cut>":
            del row[column % len(row) :]
        else:
            row[column % len(row)] = value
    return changed


_ODD = [
    "",
    "-",
    "N/A",
    "2024-02-30",
    "31/12/2024",
    "1e999",
    "叁佰万",
    "=CMD()",
    "\u202e",
    "x" * 300,
    "<cut>",
    "9" * 18,
    "2099-01-01",
    "１００",
    '"',
    "1000-01-01",
    "\n",
    "NaN",
    "合格",
    "\x00",
]


def _holds_or_tells(city: Path, root: Path, changes: list[tuple[int, int, int, str]]) -> None:
    write(root / "raw", _mutated(SMALL, changes))
    mapping = again(city, root)
    try:
        account = intake.run(mapping, root / "data").account
    except (MappingError, DataError) as error:
        problems = error.problems
    else:
        problems = ()
    if problems:
        assert all(one.message and one.remedy and one.table for one in problems)
        assert not (root / "data").exists()
        return
    for table, read in account.read.items():
        assert read == account.taken[table] + account.rejected[table] + account.duplicates[table]
    assert errors_of(validate(root / "data")) == []


_CHANGES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 400), st.integers(0, 12), st.sampled_from(_ODD)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=_CHANGES)
def test_altered_files_give_counts_that_add_up_or_located_problems(
    city: Path, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int, int, str]]
) -> None:
    _holds_or_tells(city, tmp_path_factory.mktemp("altered"), changes)


@pytest.mark.long
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=_CHANGES)
def test_two_hundred_altered_folders(
    city: Path, tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int, int, str]]
) -> None:
    _holds_or_tells(city, tmp_path_factory.mktemp("altered"), changes)


# Files


def test_workbooks_and_parquet_give_the_dataset_of_the_text_files(city: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name, (head, lines) in SMALL.items():
        stem = name.removesuffix(".csv")
        if stem in ("enterprises", "complaints"):
            book = openpyxl.Workbook()
            sheet = book.active
            assert sheet is not None
            sheet.append(["某市数据导出"])
            sheet.append(head)
            for line in lines:
                sheet.append([_as_cell(one) for one in line])
            book.save(raw / f"{stem}.xlsx")
        else:
            columns = {one: [line[k] or None for line in lines] for k, one in enumerate(head)}
            pq.write_table(pa.table(columns), raw / f"{stem}.parquet")
    made = intake.draft(raw, tmp_path / "mapping.toml", name="yunxi")
    assert "header = 2" in made.proposal.mapping
    made.mapping.write_text(decided(made.proposal.mapping), "utf-8")
    intake.run(made.mapping, tmp_path / "data")
    assert tables(tmp_path / "data") == tables(city / "data")


def _as_cell(text: str) -> Any:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text)
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", text):
        return datetime.fromisoformat(text)
    return int(text) if re.fullmatch(r"\d{1,4}", text) else text


def test_a_number_of_a_workbook_that_lost_digits_is_told_and_zeros_stay(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["code", "short"])
    sheet.append([913401048094131312, 42])
    sheet["B2"].number_format = "000000"
    book.save(tmp_path / "a.xlsx")
    (batch,) = read_batches(tmp_path / "a.xlsx", Layout())
    code, short = (column.to_pylist()[0] for column in batch.columns)
    assert code.startswith(LOST)
    assert short == "000042"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_an_encoding_is_proved_on_the_whole_file(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(("名称,代码\n" + "abc,1\n" * 200_000 + "企业,007\n").encode(encoding))
    found = encoding_of(path)[0]
    assert found == {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    layout = Layout(found)
    assert header_of(path, layout) == ["名称", "代码"]
    *_, last = read_batches(path, layout)
    assert [column.to_pylist()[-1] for column in last.columns] == ["企业", "007"]
    assert last.rows[-1] == 200_001


def test_a_byte_of_another_encoding_is_told_with_its_line(tmp_path: Path, city: Path) -> None:
    write(tmp_path / "raw", SMALL)
    with (tmp_path / "raw" / "inspections.csv").open("ab") as file:
        file.write(b"\xff\xff\n")
    with pytest.raises(
        MappingError, match=r"inspections\.csv: cannot be read: it is not gb18030: a byte in line 64"
    ):
        intake.check(again(city, tmp_path))


def test_rows_with_another_number_of_fields_are_rejected_with_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3\n4,5,6\n7,8\n", "utf-8")
    (batch,) = read_batches(tmp_path / "a.csv", Layout())
    assert batch.rows.tolist() == [1, 4]
    assert [(one.row, one.reason) for one in batch.misfits] == [
        (2, "has 1 fields instead of 2"),
        (3, "has 3 fields instead of 2"),
    ]


# Cells


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024年1月3日", date(2024, 1, 3)),
        ("20240103", date(2024, 1, 3)),
        ("2024/1/3 08:15:00", date(2024, 1, 3)),
        ("45294", date(2024, 1, 3)),
        ("２０２４-01-03", date(2024, 1, 3)),
        ("2024-13-01", None),
        ("24-1-3", None),
    ],
)
def test_dates(text: str, value: date | None) -> None:
    read = date_cell(["Y-M-D", "Y/M/D", "YMD", "Y年M月D日", "excel"])
    found, why = read(text)
    assert found == value
    assert bool(why) == (value is None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,000", 1000.0),
        ("200.00", 200.0),
        ("100万元人民币", 100.0),
        ("1.5亿元", 15_000.0),
        ("人民币500万元整", 500.0),
        *((text, None) for text in ("叁佰万", "100万美元", "约50", "50-100", "1,00", "")),
    ],
)
def test_amounts(text: str, value: float | None) -> None:
    found, why = number_cell("万元", "10k CNY")(text)
    assert found == value
    assert bool(why) == (value is None)


def test_days_and_months_that_could_be_swapped_are_asked() -> None:
    def column(*values: str) -> Profile:
        one = Profile("d")
        one.values, one.filled = Counter(values), len(values)
        return one

    assert forms(column("03/04/2024", "05/06/2024"))[0] == ["?"]
    assert forms(column("03/04/2024", "25/06/2024"))[0] == ["D/M/Y"]
    assert forms(column("03/04/2024", "06/25/2024"))[0] == ["M/D/Y"]
    assert forms(column("13/04/2024", "06/25/2024"))[0] == ["?"]
    assert forms_of("2024/3/4") == ("Y/M/D",)


# The mapping


def test_a_draft_asks_what_it_cannot_know_and_nothing_runs_before(tmp_path: Path, capsys: Any) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = ["License #,DBA Name,Inspection Date,Inspection Type,Results"]
    lines += [
        f"{k},Shop {k},0{k % 9 + 1}/05/2024,Canvass,{'Pass' if k % 3 else 'Odd word'}" for k in range(30)
    ]
    (raw / "food_inspections.csv").write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["intake", "draft", str(raw), "--out", str(tmp_path / "m.toml")])
    assert "To decide: inspections.inspected_on" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["intake", "run", str(tmp_path / "m.toml"), "--out", str(tmp_path / "data")])
    told = capsys.readouterr().err
    assert "which comes first is not decided" in told
    assert "as_of" in told
    assert "Odd word" in told
    assert not (tmp_path / "data").exists()
    text = (tmp_path / "m.toml").read_text("utf-8")
    text = text.replace('as_of = "?"', "as_of = 2024-12-31").replace('dates = ["?"]', 'dates = ["D/M/Y"]')
    text = text.replace('"Odd word" = "?"', '"Odd word" = "serious"')
    (tmp_path / "m.toml").write_text(text, "utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["intake", "run", str(tmp_path / "m.toml"), "--out", str(tmp_path / "data")])
    data = read_dataset(tmp_path / "data")
    assert len(data["enterprises"]) == 30
    assert set(data["inspections"]["inspected_on"].dt.month) == {5}


def test_a_draft_that_is_there_is_never_replaced(city: Path) -> None:
    with pytest.raises(BadInputError, match="is there already, and may have been edited"):
        intake.draft(city / "raw", city / "mapping.toml")


def test_everything_wrong_with_a_mapping_is_told_at_once_with_its_line(city: Path, tmp_path: Path) -> None:
    write(tmp_path / "raw", SMALL)
    changes = {
        'encoding = "gb18030"': 'encoding = "gbk"',
        'check_code = "检查编号"': 'check_kode = "检查编号"',
        'dates = ["Y': 'dates = ["D-M-Y", "M-D-Y", "Y',
        '"合格" = "none"': '"合格" = "nothing"',
        'unit = "万元"': 'unit = "万圆"',
        'duplicates = "merge"': 'duplicates = "latest"',
    }

    def change(text: str) -> str:
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        return text

    with pytest.raises(MappingError) as caught:
        read_mapping(again(city, tmp_path, change))
    told = str(caught.value)
    for part in (
        "'gbk' is not known",
        "is no column of inspections (did you mean 'check_code'?)",
        "does not say what check_code is",
        "both D-M-Y and M-D-Y",
        "'nothing' is no value of finding",
        "unknown unit '万圆'",
        "'latest' is not known",
    ):
        assert part in told
    assert all(one.examples[0].startswith("line ") for one in caught.value.problems)


def test_columns_and_values_that_are_not_there_are_told(city: Path, tmp_path: Path) -> None:
    write(tmp_path / "raw", SMALL)
    wrong = again(city, tmp_path, lambda text: text.replace('"检查日期"', '"检查日"'))
    with pytest.raises(
        MappingError,
        match=r"names the column '检查日', which inspections.csv does not have \(did you mean '检查日期'",
    ):
        intake.check(wrong)
    less = again(city, tmp_path, lambda text: re.sub(r'\n"责令整改" = "minor".*', "", text))
    with pytest.raises(
        MappingError, match=r"gives no level to a value \(\d+ rows, row \d+ of inspections.csv: '责令整改'\)"
    ):
        intake.check(less)


def test_lines_are_those_of_the_file(city: Path) -> None:
    text = (city / "mapping.toml").read_text("utf-8")
    tree, lines = tomllib.loads(text), line_numbers(text)
    listed = text.splitlines()
    for name in ("enterprises", "inspections", "credit_events", "complaints"):
        for column in tree[name][0]["columns"]:
            assert listed[lines[f"{name}[1].columns.{column}"] - 1].startswith(f"{column} =")


def test_contradicting_rows_go_by_the_rule_of_the_mapping(city: Path, tmp_path: Path) -> None:
    head, lines = SMALL["inspections.csv"]
    other = [*lines[0][:-2], "不合格", "30000"]
    write(tmp_path / "raw", {**SMALL, "inspections.csv": (head, [*lines, other])})
    account = intake.run(again(city, tmp_path), tmp_path / "data").account
    assert {one["reason"] for one in account.reasons if one["column"] == "finding"} == {
        "contradicts another row of the same check_code"
    } or lines[0][-2:] == other[-2:]
    worst = again(city, tmp_path, lambda text: text.replace('duplicates = "merge"', 'duplicates = "worst"'))
    intake.run(worst, tmp_path / "data")
    kept = read_dataset(tmp_path / "data")["inspections"].set_index("check_code")
    assert kept.loc[lines[0][0], "finding"] == "serious"


# The whole path


@pytest.mark.slow
def test_from_raw_files_to_a_sheet_by_commands_alone(tmp_path: Path, capsys: Any) -> None:
    def run(*words: str) -> None:
        with pytest.raises(SystemExit) as left:
            main([one.replace("@", f"{tmp_path}/") for one in words])
        assert left.value.code == 0, capsys.readouterr().err

    write(tmp_path / "raw", rows(enterprises=190, inspections=900))
    run("intake", "draft", "@raw", "--out", "@mapping.toml", "--name", "yunxi")
    drafted = (tmp_path / "mapping.toml").read_text("utf-8")
    (tmp_path / "mapping.toml").write_text(decided(drafted), "utf-8")
    changed = sum(a != b for a, b in zip(drafted.splitlines(), decided(drafted).splitlines(), strict=True))
    assert changed <= 40
    run("intake", "check", "@mapping.toml")
    assert "risk" in capsys.readouterr().out.lower()
    run("intake", "run", "@mapping.toml", "--out", "@data")
    run("validate", "@data")
    run("train", "@data", "--as-of", "2024-07-01", "--out", "@model", "--risk-alone")
    run("score", "@model", "@data", "--as-of", "2024-12-30", "--policy", "generic", "--out", "@all.parquet")
    run("policy", "calibrate", "generic", "@all.parquet", "--out", "@own.toml")
    run("score", "@model", "@data", "--as-of", "2024-12-30", "--policy", "@own.toml", "--out", "@own.parquet")
    scores = pd.read_parquet(tmp_path / "own.parquet")
    worst = scores.sort_values("risk_margin")["enterprise_id"].iloc[-1]
    sheet = ["--enterprise", worst, "--policy", "@own.toml", "--lang", "zh", "--out", "@sheet.html"]
    run("explain", "@model", "@data", "--as-of", "2024-12-30", *sheet)
    run(
        "report",
        "@own.parquet",
        "--data",
        "@data",
        "--model",
        "@model",
        "--policy",
        "@own.toml",
        "--out",
        "@page",
    )
    shown = (tmp_path / "sheet.html").read_text("utf-8")
    assert any(one in shown for one in ("桥头区", "河湾区", "山前县"))


# Files of other cities

FOREIGN = {
    "month_first": (
        "Inspection ID,DBA Name,License #,Facility Type,Inspection Date,Inspection Type,Results",
        "{k},CAFE {w},{w},Restaurant,03/{d}/2019,Canvass Re-Inspection,Pass w/ Conditions",
        ('dates = ["M/D/Y"]', '"Canvass Re-Inspection" = "followup"', 'enterprise_id = "License #"'),
    ),
    "one_row_for_each_finding": (
        "CAMIS,DBA,BORO,INSPECTION DATE,CRITICAL FLAG,GRADE",
        "{w},DINER {w},Queens,2021-03-13,Not Critical,A",
        ('check_code = { derived = "visit" }', 'duplicates = "worst"', 'column = "CRITICAL FLAG"'),
    ),
    "a_score": (
        "Premises Ref,Trading Name,Visit Date,Rating,Ward",
        "P{w},SHOP {w},{d}/03/2023,{w},North",
        ('dates = ["D/M/Y"]', 'at_most = { serious = "?"', 'scheme = "free"'),
    ),
    "words_that_are_not_known": (
        "检查任务编号,被检查对象,对象代码,检查机关,检查时间,抽查检查结果",
        "R{k},店{w},{w:06},市场监管局,2022-03-0{w} 09:00:00,通过登记的住所无法联系",
        ('"通过登记的住所无法联系" = "?"', 'enterprise_name = "被检查对象"', "market_regulation = {"),
    ),
    "draws_of_whom_and_by_whom": (
        "抽查计划编号,抽查任务编号,抽查类型,抽查机关,检查对象名称,统一社会信用代码/注册号,抽查完成日期,检查结果",
        "P1,T1,不定向,市场监管局,店{w},{w:06},2022年3月{d}日,未按规定公示应当公示的信息",
        (
            'enterprise_id = "统一社会信用代码/注册号"',
            'name = "检查对象名称"',
            'inspected_on = { column = "抽查完成日期"',
            'check_code = { derived = "content" }',  # the number of a task is that of all its checks
            "抽查任务编号 numbers no check",
        ),
    ),
    "the_gravity_of_each_finding": (
        "business_id,business_name,inspection_id,inspection_date,violation_id,risk_category,license_term_start",
        "{w},CAFE {w},{w}{d},2019-03-{d}T00:00:00.000,{k},High Risk,2013-01-{d}",
        (
            'finding = [{ column = "risk_category" }]',
            'sector = { constant = "unspecified" }',  # the gravity of a finding is no trade
            '"registered_on"',  # a term that is renewed is no registration
        ),
    ),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_draft_reads_what_other_cities_publish(tmp_path: Path, kind: str) -> None:
    head, line, wanted = FOREIGN[kind]
    lines = [line.format(k=k, w=k % 7 + 1, d=k % 15 + 13) for k in range(60)]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "inspections.csv").write_text("\n".join([head, *lines]) + "\n", "utf-8")
    made = intake.draft(tmp_path / "raw", tmp_path / "mapping.toml").proposal
    for part in wanted:
        assert part in made.mapping + made.place
    assert '"?"' not in made.place
    if not made.open:
        account = intake.check(tmp_path / "mapping.toml").account
        assert account.taken["enterprises"] == 7


def test_a_result_that_is_not_written_is_asked_about(tmp_path: Path) -> None:
    lines = ["License,Inspection Date,Results"]
    lines += [f"{k % 6},2019-03-{k % 9 + 10},{'Fail' if k % 2 else ''}" for k in range(60)]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "inspections.csv").write_text("\n".join(lines) + "\n", "utf-8")
    made = intake.draft(tmp_path / "raw", tmp_path / "mapping.toml").proposal
    assert '"" = "?"  # to decide: 30 rows without a value' in made.mapping


def test_codes_that_repeat_are_told_of_files_of_any_length(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tierkit.intake.profiling._DISTINCT", 8)
    monkeypatch.setattr("tierkit.intake.drafting._PART", 50)
    lines = ["License,Inspection ID,Inspection Date,Results"]
    lines += [
        f"L{k // 9},A{k // 3},2019-03-{k // 9 % 9 + 10},{'Fail' if k % 3 else 'Pass'}" for k in range(600)
    ]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "inspections.csv").write_text("\n".join(lines) + "\n", "utf-8")
    made = intake.draft(tmp_path / "raw", tmp_path / "mapping.toml").proposal
    assert 'duplicates = "worst"  # likely: 67% of the rows repeat a code' in made.mapping


def test_empty_cells_get_the_value_that_the_mapping_has_for_them(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    lines = ["License,Facility Type,Inspection Date,Results"]
    lines += [
        f"{k % 6},{'School' if k % 6 else ''},2019-03-{k % 9 + 10},{'Pass' if k % 2 else 'Gone'}"
        for k in range(60)
    ]
    (tmp_path / "raw" / "inspections.csv").write_text("\n".join(lines) + "\n", "utf-8")
    made = intake.draft(tmp_path / "raw", tmp_path / "mapping.toml")
    assert '"" = "unspecified"' in made.proposal.mapping
    made.mapping.write_text(made.proposal.mapping.replace('"Gone" = "?"', '"Gone" = "drop"'), "utf-8")
    account = intake.run(made.mapping, tmp_path / "data").account
    sectors = read_dataset(tmp_path / "data")["enterprises"]["sector"]
    assert sectors.value_counts().to_dict() == {"school": 5, "unspecified": 1}
    assert {one["reason"] for one in account.reasons} == {"is left out by the mapping"}


def test_the_mapping_on_the_page_can_be_read(city: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "intake.md").read_text("utf-8")
    (text,) = re.findall(r"^```toml\n(.*?)^```$", page, re.M | re.S)
    (tmp_path / "raw").mkdir()
    mapping = again(city, tmp_path, lambda _: text)
    assert [one.table for one in read_mapping(mapping).sources] == ["enterprises", "inspections"]


@pytest.mark.parametrize("harm", ["cut", "head", "bits", ".xlsx", ".parquet", ".csv.gz"])
def test_damaged_files_are_told_and_never_a_fault(tmp_path: Path, harm: str) -> None:
    write(tmp_path / "raw", SMALL)
    for path in sorted((tmp_path / "raw").iterdir()):
        content = bytearray(path.read_bytes())
        if harm.startswith("."):
            path.rename(path.with_suffix(harm))
            continue
        half = len(content) // 2
        content[half] ^= 0x83 if harm == "bits" else 0
        path.write_bytes(content[:half] if harm == "cut" else content[half:] if harm == "head" else content)
    try:
        made = intake.draft(tmp_path / "raw", tmp_path / "mapping.toml")
        intake.run(made.mapping, tmp_path / "data")
    except DataError as error:  # of a mapping, or of files of which nothing can be made
        told = error.problems
    else:
        told = ()
    assert all(one.message and one.remedy for one in told)
    assert told or (tmp_path / "data" / "manifest.json").exists()
