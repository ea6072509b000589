"""Everybody's Parquet: each file gives the right values or a located problem, and all readers agree."""

import base64
import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest
from shared import model_folder

from tierkit.features import build
from tierkit.folders.claims import OutputError
from tierkit.jobs.scoring import score
from tierkit.jobs.staging import REJECTS, Rejects, parquet_writer, stage
from tierkit.records import DataError, Dataset, open_folder, read_dataset, validate, write_dataset
from tierkit.records.files import sha256
from tierkit.records.known import known
from tierkit.records.parquet import is_sealed, read_sealed, read_whole, write_sealed

SYNTHETIC = Path("data/synthetic")
SIGNALS = pq.read_table(SYNTHETIC / "signals.parquet")
DAYS = SIGNALS["raised_on"].combine_chunks()
ROWS = len(DAYS)


NAMES = ("enterprises", "agencies", "items", "obligations", "inspections", "credit_events", "complaints")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset without a manifest, in which the signals can be replaced."""
    for name in (
        "enterprises",
        "agencies",
        "items",
        "obligations",
        "inspections",
        "credit_events",
        "complaints",
    ):
        (tmp_path / f"{name}.parquet").write_bytes((SYNTHETIC / f"{name}.parquet").read_bytes())
    return tmp_path


def replaced(column: str, values: Any) -> Any:
    return SIGNALS.set_column(SIGNALS.column_names.index(column), column, values)


def first_day(kind: Any, value: int) -> Any:
    """Return the days as a type, the first of them with this integer behind it."""
    wide = DAYS.cast(pa.date64()) if pa.types.is_date64(kind) else DAYS.cast(pa.timestamp("s")).cast(kind)
    days = DAYS if pa.types.is_date32(kind) else wide
    integer = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    return pa.concat_arrays([pa.array([value], integer).cast(kind), days[1:]])


def told(folder: Path) -> list[str]:
    """Return what is wrong with the signals by `validate`, by staging and by the views, which must agree."""
    found = [one for one in validate(folder) if one.table == "signals" and "registration" not in one.message]
    messages = {one.message for one in found}
    work = folder / "work"
    work.mkdir()
    try:
        with parquet_writer(work / "rejects.parquet", REJECTS) as write:
            staged = stage(open_folder(folder), work, Rejects(write))
    except DataError as error:
        by_stage = {one.message for one in error.problems}
    else:
        reasons = read_sealed(work / "rejects.parquet")[0]["reason"].to_pylist()
        by_stage = {one.partition(": ")[2] for one in reasons}
        assert staged.rows["signals"] == read_whole(folder / "signals.parquet").num_rows
    try:
        with known(folder, "2024-12-30") as seen:
            seen.rows("signals")
    except DataError as error:
        by_views = {one.message for one in error.problems}
    else:
        by_views = set()
    assert by_stage == by_views == messages
    return [str(one) for one in found]


SAME: dict[str, tuple[str, Any]] = {
    **{f"timestamp[{unit}]": ("raised_on", DAYS.cast(pa.timestamp("s")).cast(pa.timestamp(unit)))
       for unit in ("s", "ms", "us", "ns")},
    "date64": ("raised_on", DAYS.cast(pa.date64())),
    "days as text": ("raised_on", DAYS.cast(pa.string())),
    "string": ("kind", SIGNALS["kind"].cast(pa.string())),
    "string_view": ("enterprise_id", SIGNALS["enterprise_id"].cast(pa.string_view())),
    "dictionary": ("enterprise_id", SIGNALS["enterprise_id"].combine_chunks().dictionary_encode()),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_types_that_hold_the_same_are_read_as_the_same(folder: Path, name: str) -> None:
    pq.write_table(replaced(*SAME[name]), folder / "signals.parquet")
    assert told(folder) == []
    expected = read_dataset(SYNTHETIC, ["signals"])["signals"]
    pd.testing.assert_frame_equal(read_dataset(folder, ["signals"])["signals"], expected)


LEAST, MOST = -(2**63), 2**63 - 1
DAY_US, DAY_NS = 86_400_000_000, 86_400_000_000_000
US, NS = pa.timestamp("us"), pa.timestamp("ns")
ZONED = DAYS.cast(US).cast(pa.timestamp("us", "Asia/Shanghai"))
NO_DAY = "is an impossible date (1 row, row 1: "
WRONG: dict[str, tuple[str, Any, str]] = {
    **{f"{unit} {value}": ("raised_on", first_day(pa.timestamp(unit), value), "it has a time of day (1 row")
       for unit in ("ms", "us", "ns") for value in (LEAST, MOST)},
    "last of us": ("raised_on", first_day(US, MOST // DAY_US * DAY_US), NO_DAY),
    "first of ns": ("raised_on", first_day(NS, (LEAST // DAY_NS + 1) * DAY_NS), f"{NO_DAY}1677-09-22)"),
    "date32 least": ("raised_on", first_day(pa.date32(), -(2**31)), f"{NO_DAY}-2147483648 as date32"),
    "date32 most": ("raised_on", first_day(pa.date32(), 2**31 - 1), f"{NO_DAY}2147483647 as date32"),
    "a zone": ("raised_on", ZONED, "is of type timestamp[us, tz=Asia/Shanghai], not a date without"),
    "a time": ("raised_on", pa.array([1] * ROWS, pa.time32("s")), "is of type time32[ms], not a date"),
    "a duration": ("raised_on", pa.array([1] * ROWS, pa.duration("ns")), "is of type duration[ns], not"),
    "a decimal": ("raised_on", pa.array([1] * ROWS, pa.decimal128(5, 1)), "is of type decimal128(5, 1)"),
    "a struct": ("enterprise_id", pa.array([{"a": 1}] * ROWS), "is of type struct<a: int64>, not text"),
    "a list": ("signal_id", pa.array([["a"]] * ROWS), "is of type list<element: string>, not text"),
    "a map": ("kind", pa.array([[("a", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())), "is of type map<"),
    "bytes": ("enterprise_id", SIGNALS["enterprise_id"].cast(pa.binary()), "is of type binary, not text"),
    "views": ("kind", SIGNALS["kind"].cast(pa.binary()).cast(pa.binary_view()), "binary, not text"),
    "a uuid": ("signal_id", pa.array([b"0" * 16] * ROWS, pa.uuid()), "is of type extension<arrow.uuid>"),
    "nothing": ("raised_on", pa.nulls(ROWS), f"has no value ({ROWS} rows"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_the_declared_is_a_located_problem(folder: Path, name: str) -> None:
    column, values, message = WRONG[name]
    pq.write_table(replaced(column, values), folder / "signals.parquet")
    (problem,) = told(folder)
    assert problem.startswith(f"signals.{column}: ")
    assert message in problem


class Keys(pe.KmsClient):  # type: ignore[misc]
    """Keys that hide nothing."""

    def __init__(self, _: Any) -> None:
        pe.KmsClient.__init__(self)

    def wrap_key(self, key: bytes, _: str) -> bytes:
        return base64.b64encode(key)


def encrypted(path: Path, open_footer: bool) -> None:
    asked = pe.EncryptionConfiguration(
        footer_key="f", column_keys={"c": ["kind"]}, plaintext_footer=open_footer
    )
    keys = pe.CryptoFactory(Keys).file_encryption_properties(pe.KmsConnectionConfig(), asked)
    with pq.ParquetWriter(path, SIGNALS.schema, encryption_properties=keys) as writer:
        writer.write_table(SIGNALS)


def twice(path: Path, name: str) -> None:
    pq.write_table(pa.table([*SIGNALS.columns, SIGNALS[name]], [*SIGNALS.column_names, name]), path)


def no_group(path: Path) -> None:
    pq.ParquetWriter(path, SIGNALS.schema).close()


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "an encrypted footer": (
        lambda path: encrypted(path, False),
        "cannot be read: Could not read encrypted metadata",
    ),
    "an encrypted column": (lambda path: encrypted(path, True), "cannot be read: Cannot decrypt"),
    "a column twice": (lambda path: twice(path, "kind"), "signals.kind: is there more than once"),
    "the ids twice": (
        lambda path: twice(path, "enterprise_id"),
        "signals.enterprise_id: is there more than once",
    ),
    "no bytes": (lambda path: path.write_bytes(b""), "cannot be read: Parquet file size is 0 bytes"),
    "another format": (lambda path: path.write_bytes(b"not a table" * 9), "cannot be read: "),
    "no rows": (lambda path: pq.write_table(SIGNALS.slice(0, 0), path), ""),
    "no row group": (no_group, ""),
}


@pytest.mark.parametrize("name", FILES)
def test_files_as_a_whole_are_read_or_told(folder: Path, name: str) -> None:
    write, message = FILES[name]
    write(folder / "signals.parquet")
    if name not in ("no rows", "no row group"):
        (problem,) = [str(one) for one in validate(folder) if one.table == "signals"]
        assert message in problem
        work = folder / "work"
        work.mkdir()
        with pytest.raises(DataError) as error:
            stage(open_folder(folder), work, Rejects(None))
        assert [str(one) for one in error.value.problems] == [problem]
    else:
        assert told(folder) == []


def test_the_place_of_a_page_that_fails_its_checksum_is_told(folder: Path) -> None:
    path = folder / "signals.parquet"
    pq.write_table(
        SIGNALS, path, write_page_checksum=True, row_group_size=8, compression="none", use_dictionary=False
    )
    page = pq.read_metadata(path).row_group(1).column(1)
    content = bytearray(path.read_bytes())
    content[page.data_page_offset + page.total_compressed_size - 2] ^= 1
    path.write_bytes(content)
    (problem,) = told(folder)
    assert "(column enterprise_id, row group 2)" in problem


def test_no_flipped_bit_of_a_foreign_file_is_read_two_ways(folder: Path) -> None:
    path = folder / "signals.parquet"
    pq.write_table(SIGNALS, path, write_page_checksum=True)
    whole = path.read_bytes()
    for bit in map(int, np.random.default_rng(5).integers(0, len(whole) * 8, 20)):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        found = [one for one in validate(folder) if one.table == "signals"]
        try:
            table = read_dataset(folder, ["signals"])["signals"]
        except DataError:
            assert found
        else:  # a bit that nothing reads: of the writer's name, of statistics
            pd.testing.assert_frame_equal(table, read_dataset(SYNTHETIC, ["signals"])["signals"])


@pytest.mark.parametrize("place", ["inspections", "inspections.parquet"])
def test_a_folder_of_parts_is_a_table(folder: Path, place: str) -> None:
    pq.write_table(SIGNALS, folder / "signals.parquet")
    whole = pq.read_table(folder / "inspections.parquet")
    (folder / "inspections.parquet").unlink()
    (folder / place).mkdir()
    third = whole.num_rows // 3
    backwards = whole.column_names[::-1]  # columns are found by name
    empty = pa.nulls(whole.num_rows - 2 * third)
    pq.write_table(whole.slice(0, third), folder / place / "part-0.parquet")
    pq.write_table(whole.slice(third, third).select(backwards), folder / place / "part-1.parquet")
    pq.write_table(whole.slice(2 * third), folder / place / "part-2.parquet")
    (folder / place / "_SUCCESS").touch()
    assert [one for one in validate(folder) if one.table == "inspections"] == []
    expected = read_dataset(SYNTHETIC, ["inspections"])["inspections"]
    pd.testing.assert_frame_equal(read_dataset(folder, ["inspections"])["inspections"], expected)
    features = build(SYNTHETIC, "2024-12-30")
    pd.testing.assert_frame_equal(build(folder, "2024-12-30"), features, check_exact=True)
    # a part in which nothing was rated has no type for it, as pandas writes it
    at = whole.column_names.index("rating")
    last = whole.slice(2 * third).set_column(at, "rating", empty)
    at = whole.column_names.index("rated_on")
    pq.write_table(last.set_column(at, "rated_on", empty), folder / place / "part-2.parquet")
    read = read_dataset(folder, ["inspections"])["inspections"]
    assert read["rating"].iloc[2 * third :].isna().all()
    pd.testing.assert_frame_equal(read.iloc[: 2 * third], expected.iloc[: 2 * third])
    with pytest.raises(OutputError, match="holds files that tierkit did not write"):
        write_dataset(Dataset({"signals": read_dataset(SYNTHETIC, ["signals"])["signals"]}), folder)


@pytest.mark.parametrize("name", ["a*", "a?", "a[b]", "a[", "**", "enterprise_id=5", "rating=1", "it's"])
def test_a_path_is_no_pattern_and_tells_nothing_of_the_records(tmp_path: Path, name: str) -> None:
    for other in ("ab", "ac"):  # which a pattern would find
        shutil.copytree(SYNTHETIC, tmp_path / other)
        read = pq.read_table(tmp_path / other / "inspections.parquet")
        pq.write_table(read.slice(0, 0), tmp_path / other / "inspections.parquet")
    shutil.copytree(SYNTHETIC, tmp_path / name)
    features = build(SYNTHETIC, "2024-12-30")
    pd.testing.assert_frame_equal(build(tmp_path / name, "2024-12-30"), features, check_exact=True)


@pytest.mark.parametrize("kind", ["stranger", "pipe", "sparse"])
def test_what_is_no_table_is_told_before_its_hash_is_taken(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, kind: str
) -> None:
    away = tmp_path_factory.mktemp("away")
    file = folder / "inspections.parquet"
    held = file.rename(away / "part.parquet")
    if kind == "pipe":
        os.mkfifo(file)
        told = "not a regular file"
    elif kind == "stranger":
        file.mkdir()
        held.rename(file / "part.parquet")
        (file / "README.txt").touch()
        told = "README.txt, which is no part"
    else:
        with (folder / "inspections.csv").open("wb") as sparse:
            sparse.truncate(1 << 40)
        told = "larger than 16 GiB"
    assert any(told in str(one) for one in validate(folder))
    with pytest.raises(DataError, match=f"inspections.*{told}"):
        score(model_folder("jiading-2025"), folder, "2024-12-30", "jiading-2025", away / "s.parquet")
    with pytest.raises(DataError, match=f"inspections.*{told}"):
        build(folder, "2024-12-30")


def test_a_place_that_cannot_be_read_is_not_passed_over(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "place.toml").write_text("# 上海", "gb18030")
    assert any("not UTF-8" in str(one) for one in validate(folder))
    out = tmp_path_factory.mktemp("away") / "s.parquet"
    for use in (
        lambda: score(model_folder("jiading-2025"), folder, "2024-12-30", "jiading-2025", out),
        lambda: build(folder, "2024-12-30"),
        lambda: read_dataset(folder, ["signals"]),
    ):
        with pytest.raises(DataError, match=r"place.toml: .*not UTF-8"):
            use()


def test_parts_that_do_not_fit_are_told(folder: Path) -> None:
    place = folder / "signals"
    place.mkdir()
    assert "signals cannot be read: the folder holds no part" in str(validate(folder))
    pq.write_table(SIGNALS, place / "part-0.parquet")
    before = sha256(place)
    pq.write_table(SIGNALS.drop_columns(["kind"]), place / "part-1.parquet")
    assert sha256(place) != before
    assert "part-1.parquet has other columns than part-0.parquet: kind" in str(validate(folder))
    pq.write_table(replaced("kind", pa.array([1] * ROWS)), place / "part-1.parquet")
    assert "its parts have types that do not fit" in str(validate(folder))
    (place / "part-1.parquet").unlink()
    (place / "year=2024").mkdir()
    assert "the folder holds year=2024, which is no part" in str(validate(folder))
    (place / "year=2024").rmdir()
    pq.write_table(SIGNALS, folder / "signals.parquet")
    assert "signals: is there twice, as signals and as signals.parquet" in "\n".join(
        map(str, validate(folder))
    )


def test_a_frame_of_very_many_columns_is_checked_in_linear_time() -> None:
    def seconds(columns: int) -> float:
        frame = pd.DataFrame(np.zeros((1, columns)), columns=[f"c{k}" for k in range(columns)])
        began = process_time()
        problems = validate({"signals": frame})
        assert sum(one.message == "is not a declared column" for one in problems) == columns
        return process_time() - began

    seconds(100)
    assert seconds(40_000) < 40 * max(seconds(4_000), 0.01)  # the square would be 100 times


def test_a_seal_is_of_the_bytes_and_not_of_the_time(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"tier": pd.Categorical(["T1", "T4"]), "on": [date(2024, 1, 1), None], "x": [1.5, None]}
    )
    for name in ("a", "b"):
        write_sealed(frame, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    pd.testing.assert_frame_equal(read_sealed(tmp_path / "a")[0].to_pandas(), frame)
    assert is_sealed(tmp_path / "a")
    frame.to_parquet(tmp_path / "c.parquet")
    assert not is_sealed(tmp_path / "c.parquet")
