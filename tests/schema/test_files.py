"""Files: what is written is read again, the same bytes each time, and never half."""

import csv
import gzip
import io
import json
import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierkit.folders import replacing
from tierkit.folders.claims import OutputError
from tierkit.records import (
    TABLES,
    DataError,
    Dataset,
    conform,
    empty,
    read_dataset,
    validate,
    write_dataset,
)
from tierkit.records import folder as folder_module
from tierkit.records.files import FORMATS

each_format = pytest.mark.parametrize("format", FORMATS)


def same(left: Dataset, right: Dataset) -> None:
    assert list(left) == list(right)
    for name in left:
        pd.testing.assert_frame_equal(left[name], right[name])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@each_format
def test_a_dataset_survives(small: Dataset, tmp_path: Path, format: str) -> None:
    back = read_dataset(write_dataset(small, tmp_path, format))
    same(back, small)
    assert (back.manifest["seed"], str(back.as_of)) == (7, "2024-12-30")
    for name, frame in back.items():
        assert frame.dtypes.to_dict() == {n: TABLES[name].dtypes[n] for n in frame}
    assert validate(tmp_path) == []


@each_format
def test_only_the_tables_that_are_asked_for_are_read(small: Dataset, tmp_path: Path, format: str) -> None:
    write_dataset(small, tmp_path, format)
    (tmp_path / f"signals.{format}").write_bytes(b"broken")
    assert list(read_dataset(tmp_path, ["tiers", "agencies"])) == ["agencies", "tiers"]
    with pytest.raises(DataError, match=r"signals: signals\.\S+ is not the file that the manifest lists"):
        read_dataset(tmp_path)


@each_format
def test_bytes_are_the_same_each_time(small: Dataset, tmp_path: Path, format: str) -> None:
    first, second = (contents(write_dataset(small, tmp_path / name, format)) for name in ("a", "b"))
    assert first == second
    again = contents(write_dataset(read_dataset(tmp_path / "a"), tmp_path / "c", format))
    assert again == first
    other = Dataset(dict(small) | {"signals": empty("signals")}, small.manifest)
    changed = contents(write_dataset(other, tmp_path / "d", format))
    assert {name for name in first if first[name] != changed[name]} == {f"signals.{format}", "manifest.json"}


def test_bytes_do_not_depend_on_types_in_memory(small: Dataset, tmp_path: Path) -> None:
    loose = {name: frame.astype(object) for name, frame in small.items()}
    expected = contents(write_dataset(small, tmp_path / "a"))
    assert contents(write_dataset(Dataset(loose, small.manifest), tmp_path / "b")) == expected


def test_many_rows_go_into_groups_of_one_size(tmp_path: Path) -> None:
    n = 150_000
    frame = pd.DataFrame({"complainant": [f"c{i}" for i in range(n)], "professional": False})
    write_dataset(Dataset({"truth_complainants": frame}), tmp_path)
    sql = f"SELECT DISTINCT row_group_num_rows FROM parquet_metadata('{tmp_path}/truth_complainants.parquet')"
    assert sorted(duckdb.sql(sql).fetchall()) == [(n - 131_072,), (131_072,)]
    assert len(read_dataset(tmp_path, ["truth_complainants"])["truth_complainants"]) == n


def test_other_tools_read_plain_types(small: Dataset, tmp_path: Path) -> None:
    write_dataset(small, tmp_path)
    described = duckdb.sql(f"DESCRIBE SELECT * FROM '{tmp_path}/enterprises.parquet'").fetchall()
    types = {row[0]: row[1] for row in described}
    assert types["registered_on"] == "DATE"
    assert types["sector"] == types["enterprise_id"] == "VARCHAR"
    assert (types["tags"], types["employees"], types["commitment"]) == ("VARCHAR[]", "INTEGER", "BOOLEAN")


# What a spreadsheet would run, ways round it, and whatever else a name may hold.
formulas = st.sampled_from("=+-@＝＋－＠\t\r\n'").flatmap(
    lambda first: st.text(max_size=5).map(lambda rest: first + rest)
)
names = st.one_of(
    formulas,
    st.text(min_size=1, max_size=30),
    st.sampled_from(
        ["' =1", "''=1", '"', '","', "a\r\nb", "\u202eevil", "<script>", "NA", "null", "nan", "1e5", "  x"]
    ),
    st.just("长" * 10_000),
).filter(lambda text: any(unicodedata.category(character)[0] not in "CZ" for character in text))


visible = st.text("危=+'\",\n a-", min_size=1).filter(str.strip)


@settings(max_examples=25)
@given(values=st.lists(names, min_size=1, max_size=8))
@each_format
def test_any_name_survives(tmp_path_factory: pytest.TempPathFactory, format: str, values: list[str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    agency = pd.DataFrame({"agency": "fire", "name_zh": values, "name_en": values[::-1], "level": "district"})
    frame = conform(agency.assign(core=True, capacity=1), "agencies")
    write_dataset(Dataset({"agencies": frame}), folder, format)
    pd.testing.assert_frame_equal(read_dataset(folder, ["agencies"])["agencies"], frame)
    if format == "csv":
        with (folder / "agencies.csv").open(encoding="utf-8", newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert len(cells) == 6 * (len(values) + 1)
        assert not [cell for cell in cells if cell.lstrip(" \u00a0\u3000")[:1] in set("=+-@＝＋－＠\t\r\n")]
    shutil.rmtree(folder)


@settings(max_examples=25)
@given(tags=st.lists(st.lists(visible), min_size=4, max_size=4))
def test_lists_of_any_text_survive_csv(
    broken: Callable[..., Dataset], tmp_path_factory: pytest.TempPathFactory, tags: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("tags")
    data = broken(*(("enterprises", "tags", row + 1, entries) for row, entries in enumerate(tags)))
    write_dataset(Dataset({"enterprises": data["enterprises"]}), folder, "csv")
    assert read_dataset(folder, ["enterprises"])["enterprises"]["tags"].tolist() == tags
    shutil.rmtree(folder)


def test_a_text_that_others_wrote_with_an_apostrophe_stays(tmp_path: Path) -> None:
    text = "agency,name_zh,name_en,level,core,capacity\nfire,'s,'=1,district,true,3\n"
    (tmp_path / "agencies.csv").write_text(text, encoding="utf-8")
    agencies = read_dataset(tmp_path, ["agencies"])["agencies"]
    assert agencies[["name_zh", "name_en"]].iloc[0].tolist() == ["'s", "=1"]


def test_csv_of_other_programs_is_read(tmp_path: Path) -> None:
    head, row = (
        '"agency","capacity","level","core","name_en","name_zh"',
        '"fire","3","district","TRUE","Fire","消防"',
    )
    text = f"{head}\r\n{row}\r\n"
    (tmp_path / "agencies.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    with gzip.open(tmp_path / "tiers.csv.gz", "wt") as file:
        file.write("enterprise_id,assigned_on,tier,risk_level,credit_grade,policy\n")
    data = read_dataset(tmp_path, ["agencies", "tiers"])
    assert data["agencies"].astype(str).iloc[0].tolist() == ["fire", "消防", "Fire", "district", "True", "3"]
    assert data["tiers"].dtypes.to_dict() == TABLES["tiers"].dtypes


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Empty CSV file"),
        ("agency,name_zh\nfire,消防\n".encode("gb18030"), "it is not UTF-8: a byte in line 2 is 0xcf"),
        (b"PAR1....", "Empty CSV file"),
        (b"PAR1\n....\n", "PAR1: is not a declared column"),
    ],
)
def test_what_is_no_csv_is_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "agencies.csv").write_bytes(content)
    with pytest.raises(DataError) as error:
        read_dataset(tmp_path, ["agencies"])
    assert reason in str(error.value)
    assert "agencies" in str(error.value)
    if "column" not in reason:
        assert "agencies: agencies.csv cannot be read: " in str(error.value)
        assert re.search("a CSV must be in UTF-8, with one header line|Save it as UTF-8", str(error.value))


@pytest.mark.parametrize("packed", [False, True])
def test_rows_with_another_number_of_fields_are_counted_below_the_header(
    tmp_path: Path, packed: bool
) -> None:
    # an empty line is no row, and a row may take several lines
    text = 'agency,name_zh\nfire,消防\n\n"fire","消\n防"\ntoo\nfire,a,b\n'
    file = tmp_path / ("agencies.csv.gz" if packed else "agencies.csv")
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    examples = ("row 3: 1 field instead of 2: 'too'", "row 4: 3 fields instead of 2: 'fire,a,b'")
    (told,) = [one for one in validate(tmp_path) if one.table == "agencies"]
    assert (told.rows, told.examples) == (2, examples)
    with pytest.raises(DataError, match=r"agencies\.csv.* has rows with another number of fields") as error:
        read_dataset(tmp_path, ["agencies"])
    assert error.value.problems == (told,)


# A CSV that ends too soon may be a whole CSV of other data: only the manifest can tell.
@pytest.mark.parametrize(
    ("format", "listed"),
    [("parquet", True), ("parquet", False), ("csv", True), ("csv.gz", True), ("csv.gz", False)],
)
def test_no_truncated_file_is_read(small: Dataset, tmp_path: Path, format: str, listed: bool) -> None:
    path = write_dataset(small, tmp_path, format) / f"inspections.{format}"
    if not listed:
        (tmp_path / "manifest.json").unlink()
    whole = path.read_bytes()
    for size in [*range(0, len(whole), max(len(whole) // 25, 1)), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(DataError) as error:
            read_dataset(tmp_path, ["inspections"])
        (problem,) = error.value.problems
        assert problem.table == "inspections"
        reason = (
            "is not the file that the manifest lists: its SHA-256 differs" if listed else "cannot be read: "
        )
        assert problem.message.startswith(f"inspections.{format} {reason}")


def test_flipped_bits_are_found_even_without_a_manifest(small: Dataset, tmp_path: Path) -> None:
    path = write_dataset(small, tmp_path) / "tiers.parquet"
    (tmp_path / "manifest.json").unlink()
    whole = path.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    for place in range(0, len(whole) - footer, 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        try:
            frame = read_dataset(tmp_path, ["tiers"])["tiers"]
        except DataError as error:
            assert "tiers.parquet cannot be read: " in str(error)  # noqa: PT017
        else:
            pd.testing.assert_frame_equal(frame, small["tiers"])  # a bit that nothing reads


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "manifest.json: cannot be read: it is not JSON: Expecting property name"),
        ("[]", "manifest.json: is not a manifest"),
        ('{"tables": {"tiers": 3}}', "manifest.json: is not a manifest"),
        ('{"schema": 2}', "manifest.json: is of schema version 2; this tierkit reads 1. Update tierkit"),
        ('{"as_of": "yesterday"}', "manifest.json: has the as_of 'yesterday', which is not a date"),
        ('{"tables": {"tiers": {"file": "tiers.csv"}}}', "tiers: tiers.csv is listed but missing"),
    ],
)
def test_a_bad_manifest_is_told(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    assert [p for p in map(str, validate(tmp_path)) if p.startswith(message)]


def test_what_lies_in_a_folder_is_told(small: Dataset, tmp_path: Path) -> None:
    write_dataset(small, tmp_path)
    (tmp_path / "notes.csv").write_text("x")
    (tmp_path / "README.md").write_text("x")
    (tmp_path / ".hidden.csv").write_text("x")
    (tmp_path / "items.csv").write_text("x")
    (tmp_path / "signals.parquet").unlink()
    assert [str(problem).split(". ")[0] for problem in validate(tmp_path)] == [
        "items: is there twice, as items.csv and as items.parquet",
        "notes: is not a declared table",
        "signals: signals.parquet is listed but missing",
        "items: items.csv is not the file that the manifest lists: its SHA-256 differs",
    ]
    nowhere = tmp_path / "nowhere"
    assert [str(problem) for problem in validate(nowhere)] == [
        f"{nowhere} is not a folder. Give the folder that holds the tables"
    ]
    with pytest.raises(DataError, match="is not a folder"):
        read_dataset(nowhere)


def test_an_old_dataset_leaves_nothing_behind(small: Dataset, tmp_path: Path) -> None:
    write_dataset(small, tmp_path, "csv")
    write_dataset(small.without(["truth", "tiers"]), tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["manifest.json", *(f"{n}.parquet" for n in TABLES if n not in ("truth", "tiers"))]
    )
    listed = json.loads((tmp_path / "manifest.json").read_text("utf-8"))["tables"]
    assert listed["agencies"]["rows"] == 2
    assert "truth" not in listed


@pytest.mark.parametrize(
    "name", ["README.md", "items.csv", "agencies.csv.gz", ".hidden", "own/items.parquet"]
)
def test_what_tierkit_did_not_write_is_not_replaced(small: Dataset, tmp_path: Path, name: str) -> None:
    write_dataset(small, tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=re.escape(f"holds files that tierkit did not write: '{name}'")):
        write_dataset(changed(small), tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / name).unlink()
    same(read_dataset(tmp_path), small)


def test_tables_without_a_manifest_are_somebodys_own(small: Dataset, tmp_path: Path) -> None:
    write_dataset(small, tmp_path)
    (tmp_path / "manifest.json").unlink()
    before = contents(tmp_path)
    with pytest.raises(OutputError, match="holds files that tierkit did not write"):
        write_dataset(changed(small), tmp_path)
    assert contents(tmp_path) == before


def changed(small: Dataset) -> Dataset:
    tables = {name: frame.iloc[::-1].reset_index(drop=True) for name, frame in small.items()}
    return Dataset(tables, {**small.manifest, "seed": 8})


@pytest.mark.parametrize("before", ["nothing", "another"])
@pytest.mark.parametrize("stop", [0, 1])
def test_a_crash_between_renames_leaves_the_old(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, stop: int
) -> None:
    folder = tmp_path / "city"
    if before == "another":
        write_dataset(small, folder)
    rename, renamed = Path.rename, []

    def stopped(self: Path, target: Path) -> Path:
        if len(renamed) == stop:
            renamed.append(self)
            raise OSError("refused")
        renamed.append(self)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stopped)
    if before == "nothing" and stop == 1:  # a new folder takes one
        same(read_dataset(write_dataset(changed(small), folder)), changed(small))
        return
    with pytest.raises(OSError, match="refused"):
        write_dataset(changed(small), folder)
    assert [one.name for one in tmp_path.iterdir()] == (["city"] if before == "another" else [])
    if before == "another":
        same(read_dataset(folder), small)


def test_a_failure_while_writing_changes_nothing(
    small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(write_dataset(small, tmp_path))
    save = folder_module.save_file

    def full(data: Any, table: Any, path: Path, format: str) -> None:
        save(data, table, path, format)
        if table.name == "complaints":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        write_dataset(changed(small), tmp_path, "csv")
    assert contents(tmp_path) == before


def test_what_does_not_conform_is_not_written(
    small: Dataset, broken: Callable[..., Dataset], tmp_path: Path
) -> None:
    before = contents(write_dataset(small, tmp_path))
    with pytest.raises(DataError, match=r"tiers\.tier: is not a declared level \(1 row, row 2: 'T9'\)"):
        write_dataset(broken(("tiers", "tier", 2, "T9")), tmp_path)
    with pytest.raises(DataError, match="notes: is not a declared table"):
        write_dataset(Dataset({"notes": pd.DataFrame()}), tmp_path)
    with pytest.raises(
        ValueError, match=r"'format' must be one of parquet, csv, csv\.gz\. Got 'xlsx' \(str\)"
    ):
        write_dataset(small, tmp_path, "xlsx")
    assert contents(tmp_path) == before


def test_replacing_keeps_what_was_there_if_all_did_not_go_well(tmp_path: Path) -> None:
    path = tmp_path / "note"
    path.write_text("old")

    def half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert contents(tmp_path) == {"note": b"old"}


def test_gzip_names_no_time_and_no_file(small: Dataset, tmp_path: Path) -> None:
    header = (write_dataset(small, tmp_path, "csv.gz") / "tiers.csv.gz").read_bytes()[:10]
    assert header[3] == 0  # no name follows
    assert header[4:8] == bytes(4)  # no time
    with gzip.open(tmp_path / "tiers.csv.gz") as file:
        assert pd.read_csv(io.BytesIO(file.read()))["tier"].tolist() == ["T1", "T4", "T3"]
