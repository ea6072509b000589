"""The file of scores: sealed, so that no bit of it can change unseen, and held to what it says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tierkit.jobs.city_page import city_page
from tierkit.jobs.reviewing import review
from tierkit.jobs.scoring import last_assignment
from tierkit.jobs.staging import parquet_writer
from tierkit.records import GRADES, TIERS, DataError
from tierkit.records.parquet import sealed_writer, write_sealed
from tierkit.scores.score_file import read_scores, score_schema

DAY = date(2024, 12, 30)
SAID = {
    "as_of": str(DAY), "policy_name": "jiading-2025", "policy": "0" * 64, "model": "1" * 64, "data": {},
    "previous": "", "reasons": 1, "certainty": "2" * 64, "scored": 400,
}  # fmt: skip


def scored(n: int = 400) -> pd.DataFrame:
    """Return the rows of a file of scores, with a reason and how sure each tier is."""
    rng = np.random.default_rng(3)
    made: dict[str, object] = {}
    for field in score_schema(1, certainty=True):
        if pa.types.is_string(field.type):
            made[field.name] = [f"{field.name} {k % 7}" for k in range(n)]
        elif pa.types.is_boolean(field.type):
            made[field.name] = rng.random(n) < 0.5
        elif pa.types.is_date(field.type):
            made[field.name] = [DAY] * n
        elif pa.types.is_integer(field.type):
            made[field.name] = rng.integers(1, 5, n)
        else:
            made[field.name] = rng.random(n)
    ids = [f"9131{k:014d}" for k in range(n)]
    rows = pd.DataFrame(made).assign(enterprise_id=ids, tier=rng.choice(TIERS, n), policy="jiading-2025")
    return rows.assign(credit_grade=rng.choice(GRADES, n))


def write(path: Path, rows: pd.DataFrame, **said: object) -> Path:
    """Write rows as a sealed file of scores."""
    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
    declared = score_schema(1, certainty=True)
    table = table.cast(pa.schema([declared.field(name) for name in table.column_names]))
    told = {name: value for name, value in {**SAID, **said}.items() if value is not None}
    with parquet_writer(path, table.schema, {"tierkit": json.dumps(told)}) as add:
        add(table)
    return path


def read_for_review(path: Path, folder: Path) -> None:
    decisions = folder / "decisions.csv"
    decisions.write_text("enterprise_id\n1\n", encoding="utf-8")
    review(decisions, folder / "log.jsonl", scores=path)


READERS: dict[str, Callable[[Path, Path], object]] = {
    "report": lambda path, folder: city_page(path, "data/synthetic", folder / "page"),
    "score --previous": lambda path, folder: last_assignment(path, DAY),
    "review": read_for_review,
}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    rows, about = read_scores(write(tmp_path / "scores.parquet", scored()))
    assert rows["assigned_on"].tolist() == [DAY] * 400
    pd.testing.assert_frame_equal(rows, scored(), check_dtype=False, check_exact=True)
    assert about == SAID
    last = last_assignment(tmp_path / "scores.parquet", DAY)
    assert last is not None
    assert last["tier"].tolist() == scored()["tier"].tolist()


@pytest.mark.parametrize("name", READERS)
def test_every_reader_refuses_every_flipped_bit(tmp_path: Path, name: str) -> None:
    whole = write(tmp_path / "scores.parquet", scored()).read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    rng = np.random.default_rng(7)
    begins = (len(whole) - footer) * 8
    bits = [*rng.integers(0, begins, 60), *rng.integers(begins, len(whole) * 8, 60)]
    ends = [*range(32), *range(len(whole) * 8 - 64, len(whole) * 8)]
    broken = tmp_path / "broken.parquet"
    for bit in map(int, [*bits, *ends]):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        broken.write_bytes(content)
        with pytest.raises(DataError, match=r"it was altered after it was written: its SHA-256 differs"):
            READERS[name](broken, tmp_path)


def test_not_one_bit_of_the_whole_file_may_change(tmp_path: Path) -> None:
    whole = write(tmp_path / "scores.parquet", scored(3), scored=3).read_bytes()
    broken = tmp_path / "broken.parquet"
    for bit in range(0, len(whole) * 8, 37):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        broken.write_bytes(content)
        with pytest.raises(DataError, match="SHA-256 differs"):
            read_scores(broken)


def test_the_place_of_a_damaged_page_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "scores.parquet", scored())
    content = bytearray(path.read_bytes())
    at = content.index(b"\x28\xb5\x2f\xfd", 2_000)  # a block of zstd, some columns in
    content[at + 9] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"SHA-256 differs \(column \w+, row group 1\)"):
        read_scores(path)


@pytest.mark.parametrize(
    ("change", "said", "message"),
    [
        (lambda rows: rows.drop(columns="distance_risk"), {}, "other columns than it says: .*distance_risk"),
        (lambda rows: rows[rows.columns[::-1]], {}, "has other columns than it says: their order"),
        (lambda rows: rows.assign(tier="T9"), {}, r"scores\.tier: is no tier \(400 rows, row 1: T9"),
        (
            lambda rows: pd.concat([rows, rows.head(2)]),
            {"scored": 402},
            r"enterprise_id: is there twice \(2 rows, row 401: 9131\d+; row 402: 9131\d+\)",
        ),
        (lambda rows: rows.assign(enterprise_id=rows["enterprise_id"].mask(rows.index == 1)), {}, "is empty"),
        (
            lambda rows: rows.assign(agreement_low=rows["agreement_low"].mask(rows.index == 4)),
            {},
            r"agreement_low: is missing \(1 row, row 5: nan\)",
        ),
        (lambda rows: rows, {"certainty": ""}, "has other columns than it says: agreement_high"),
        (lambda rows: rows, {"reasons": 2}, "has other columns than it says: credit_effect_2"),
        (lambda rows: rows, {"reasons": -1}, "does not say what it is: reasons"),
        (lambda rows: rows, {"reasons": 10**12}, "does not say what it is: reasons"),
        (lambda rows: rows, {"policy_name": "\ud800"}, "what it is: it has a text with half of a surrogate"),
        (lambda rows: rows, {"as_of": "20241230"}, "does not say of which day it is"),
        (lambda rows: rows, {"scored": 401}, "has 400 rows, and says 401"),
        (lambda rows: rows, {"as_of": "tomorrow"}, "does not say of which day it is"),
        (lambda rows: rows, {"as_of": None}, "does not say of which day it is"),
        (lambda rows: rows, {"model": 3}, "does not say what it is: model"),
        (lambda rows: rows, {"credit": {"kind": "table"}}, "does not say what it is: credit: has no 'title'"),
        (lambda rows: rows, {"credit": {"kind": "guess"}}, "it is: credit: must be of the kind 'table' or"),
        (lambda rows: rows, {"credit": ["none"]}, "it is: credit: must be of the kind 'table' or 'none'"),
    ],
)
def test_a_seal_alone_makes_no_file_of_scores(tmp_path: Path, change, said, message: str) -> None:
    path = write(tmp_path / "scores.parquet", change(scored()), **said)
    with pytest.raises(DataError, match=message):
        read_scores(path)


def test_a_sealed_file_says_of_itself_what_is_text(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    with sealed_writer(path, pa.schema([("a", pa.int64())]), {"tierkit": b"\xff"}) as writer:  # type: ignore[dict-item]
        writer.write_table(pa.table({"a": [1]}))
    for name in READERS:
        with pytest.raises(DataError, match="what it says of itself is not UTF-8"):
            READERS[name](path, tmp_path)


def test_what_bears_no_seal_is_no_file_of_scores(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    scored().to_parquet(path)
    with pytest.raises(DataError, match=r"it bears no seal of tierkit, or was cut off"):
        read_scores(path)
    whole = write(path, scored()).read_bytes()
    for size in (0, 3, 200, len(whole) - 5_000, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match="cannot be read"):
            read_scores(path)


def test_a_table_of_tiers_of_anybody_is_a_last_assignment(tmp_path: Path) -> None:
    columns = ["enterprise_id", "assigned_on", "tier", "risk_level", "credit_grade"]
    rows = scored()[columns].assign(enterprise_id=[f"NA{k:03d}" for k in range(400)])
    rows.loc[0, "enterprise_id"] = "NA"  # an id, not an empty cell
    rows.to_csv(tmp_path / "tiers.csv", index=False)
    rows.to_parquet(tmp_path / "tiers.parquet")
    days = rows.assign(assigned_on=pd.to_datetime(rows["assigned_on"]))
    days.to_parquet(tmp_path / "days.parquet")
    for name in ("tiers.csv", "tiers.parquet", "days.parquet"):
        last = last_assignment(tmp_path / name, DAY)
        assert last is not None
        assert last.astype("str").to_numpy().tolist() == days.astype("str").to_numpy().tolist()
    rows.assign(assigned_on="2024-02-30").to_csv(tmp_path / "tiers.csv", index=False)
    with pytest.raises(DataError, match=r"previous\.assigned_on: is not a date \(400 rows, row 1: '2024-02"):
        last_assignment(tmp_path / "tiers.csv", DAY)


def test_what_is_no_last_assignment_is_none(tmp_path: Path) -> None:
    other = pd.DataFrame({"agency": ["fire"], "level": ["district"]})
    other.to_parquet(tmp_path / "agencies.parquet")
    other.to_csv(tmp_path / "agencies.csv", index=False)
    write_sealed(other, tmp_path / "sealed.parquet")
    for last in (
        other,
        *(tmp_path / name for name in ("agencies.parquet", "agencies.csv", "sealed.parquet")),
    ):
        with pytest.raises(DataError) as told:
            last_assignment(last, DAY)
        missing = [one.column for one in told.value.problems]
        assert missing == ["enterprise_id", "tier", "risk_level", "credit_grade"]


@pytest.mark.parametrize("day", [5, "soon", "9999-12-31x"])
def test_a_day_of_a_last_assignment_that_is_none_is_refused(day: object) -> None:
    row = {"enterprise_id": "a", "tier": "T1", "risk_level": 1, "credit_grade": "A", "assigned_on": day}
    with pytest.raises(DataError, match=r"previous\.assigned_on"):
        last_assignment(pd.DataFrame([row]), DAY)
