"""Empty is one thing, whatever holds it: the same content gives the same cells, problems and features."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierkit.features import build
from tierkit.records import FINDINGS, Column, Dataset, row_problems, validate
from tierkit.records.cells import check_cells, raw_cells
from tierkit.records.known import known

LEVEL = Column("l", "level", "级", "level", levels="finding", ids=FINDINGS, nullable=True)
TEXT = Column("s", "text", "名", "name", nullable=True)
INT = Column("n", "int", "数", "number", nullable=True, bits=16, low=-9, high=300)
FLOAT = Column("x", "float", "数", "number", nullable=True, low=-1e3, high=1e3)
FLAG = Column("f", "flag", "否", "flag", nullable=True)
DATE = Column("d", "date", "日", "day", nullable=True)

NAN = float("nan")
Make = Callable[[list[Any]], Any]


def with_empty(empty: Any) -> Make:
    return lambda cells: pd.Series([empty if one is None else one for one in cells], dtype="object")


def of_pandas(dtype: Any) -> Make:
    return lambda cells: pd.Series(cells, dtype=dtype)


def of_arrow(kind: Any) -> Make:
    return lambda cells: pa.array(cells, kind)


def coded(kind: Any) -> Make:
    """Codes and values, of which an empty one is a value, too."""

    def make(cells: list[Any]) -> Any:
        values = list(dict.fromkeys([*cells, None]))
        places = pa.array([values.index(one) for one in cells], pa.int32())
        return pa.DictionaryArray.from_arrays(places, pa.array(values, kind))

    return make


def instants(unit: str) -> Make:
    return lambda cells: pa.array(cells, pa.date32()).cast(pa.timestamp("s")).cast(pa.timestamp(unit))


def nan_within(cells: list[Any]) -> Any:
    """Return an Arrow-backed Series whose empty cells are NaN, not null."""
    return pd.Series(
        pd.arrays.ArrowExtensionArray(pa.array([NAN if one is None else float(one) for one in cells]))
    )


def doubles(cells: list[Any]) -> Any:
    return pd.Series([NAN if one is None else float(one) for one in cells], dtype="float64")


OBJECTS = {
    f"object with {name}": with_empty(one)
    for name, one in {
        "None": None, "NaN": NAN, "NumPy's NaN": np.float32("nan"), "NA": pd.NA, "NaT": pd.NaT,
        "NumPy's NaT": np.datetime64("NaT"), "a decimal NaN": Decimal("NaN"),
    }.items()
}  # fmt: skip
NUMBERS = {
    "float64": doubles, "NaN in Arrow": nan_within,
    "category": lambda cells: pd.Series(pd.Categorical(doubles(cells))),
    "Float64": lambda cells: doubles(cells).astype("Float64"),
    "dictionary of NaN": lambda cells: pa.array(doubles(cells).to_numpy()).dictionary_encode(),
}  # fmt: skip
TEXTS = {
    "str": of_pandas("str"), "string": of_pandas("string"),
    "category": lambda cells: pd.Series(pd.Categorical(cells)),
    "pyarrow": of_pandas("string[pyarrow]"), "ArrowDtype": of_pandas(pd.ArrowDtype(pa.string())),
    **{str(kind): of_arrow(kind) for kind in (pa.string(), pa.large_string(), pa.string_view())},
    "dictionary": lambda cells: pa.array(cells, pa.string()).dictionary_encode(),
    "dictionary with an empty value": coded(pa.string()),
}  # fmt: skip
INTS = {
    **{name: of_pandas(name) for name in ("Int16", "Int64")}, "decimal": of_arrow(pa.decimal128(9, 2)),
    "decimal256": of_arrow(pa.decimal256(40, 3)), "int32": of_arrow(pa.int32()), "coded": coded(pa.int64()),
    "float32": of_arrow(pa.float32()), "ArrowDtype": of_pandas(pd.ArrowDtype(pa.int64())),
}  # fmt: skip
DAYS = {
    **{f"datetime64[{unit}]": of_pandas(f"datetime64[{unit}]") for unit in ("s", "ms", "us", "ns")},
    **{f"timestamp[{unit}]": instants(unit) for unit in ("s", "ms", "us", "ns")},
    "date32": of_arrow(pa.date32()), "date64": of_arrow(pa.date64()), "coded": coded(pa.date32()),
    "ArrowDtype": of_pandas(pd.ArrowDtype(pa.date32())),
    "category": lambda cells: pd.Series(pd.Categorical(pd.Series(cells, dtype="datetime64[us]"))),
}  # fmt: skip
FLAGS = {
    "boolean": of_pandas("boolean"), "bool_": of_arrow(pa.bool_()), "coded": coded(pa.bool_()),
    "ArrowDtype": of_pandas(pd.ArrowDtype(pa.bool_())), "Int8": of_pandas("Int8"),
}  # fmt: skip

HOLDERS = [
    (column, name, make)
    for column, makes in (
        (LEVEL, TEXTS), (TEXT, TEXTS), (INT, {**NUMBERS, **INTS}), (FLOAT, NUMBERS), (DATE, DAYS),
        (FLAG, {**NUMBERS, **FLAGS}),
    )
    for name, make in {**OBJECTS, **makes}.items()
]  # fmt: skip
VALUES = {
    LEVEL.name: st.sampled_from([*FINDINGS, "none such"]),
    TEXT.name: st.text("ab 甲", max_size=3),
    INT.name: st.integers(-20, 400),
    FLOAT.name: st.floats(-2e3, 2e3) | st.just(float("inf")),
    DATE.name: st.dates(date(1800, 1, 1), date(2200, 1, 1)),
    FLAG.name: st.booleans(),
}
PLAIN = {
    "l": pa.string(),
    "s": pa.string(),
    "n": pa.int64(),
    "x": pa.float64(),
    "d": pa.date32(),
    "f": pa.bool_(),
}


def told(raw: Any, column: Column) -> tuple[list[Any], list[list[str]]]:
    """Return the cells, and what is wrong with each."""
    cells = check_cells(raw, column, date(2024, 12, 30))
    wrong = [sorted({one.message for one in cells.faults if one.rows[row]}) for row in range(len(raw))]
    return cells.array.to_pylist(), wrong


@pytest.mark.parametrize(("column", "name", "make"), HOLDERS, ids=lambda one: getattr(one, "kind", None))
@settings(max_examples=15)
@given(data=st.data())
def test_the_same_content_is_read_alike_from_every_type(
    data: st.DataObject, column: Column, name: str, make: Make
) -> None:
    cells = data.draw(st.lists(st.none() | VALUES[column.name], max_size=6))
    raw, plain = raw_cells(make(cells)), raw_cells(pa.array(cells, PLAIN[column.name]))
    assert raw.is_null().to_pylist() == [one is None for one in cells]
    assert told(raw, column) == told(plain, column)


@pytest.mark.parametrize("kind", ["float64", "object", "Int64", "datetime64[ns]", "str", "category"])
@pytest.mark.parametrize("column", [LEVEL, TEXT, INT, FLOAT, DATE, FLAG], ids=lambda one: one.kind)
def test_a_column_of_nothing_can_be_read_as_any(column: Column, kind: str) -> None:
    cells = pd.Series([None] * 3, dtype=kind)
    assert told(raw_cells(cells), column) == ([None] * 3, [[], [], []])
    needed = Column(column.name, column.kind, "", "", levels=column.levels, ids=column.ids)
    assert told(raw_cells(cells), needed)[1] == [["has no value"]] * 3


RATED = {
    "Int8": lambda cells: cells.astype("Int8"), "object": lambda cells: cells.astype("object"),
    "NaN in Arrow": lambda cells: nan_within([None if pd.isna(one) else one for one in cells]),
    "float32": lambda cells: cells.astype("float32"), "category": lambda cells: cells.astype("category"),
}  # fmt: skip


@pytest.mark.parametrize("name", RATED)
def test_rules_of_whole_rows_know_the_same_empty(small: Dataset, name: str) -> None:
    frame = small["inspections"]
    rating = pd.Series([1.0, NAN, NAN, 4.0], dtype="float64")
    day = pd.Series([pd.NaT, "2024-03-01", pd.NaT, "2024-03-01"], dtype="datetime64[us]")
    reasons = row_problems(frame.assign(rating=RATED[name](rating), rated_on=day), "inspections")
    alone = "rating: is filled without rated_on, or the other way round"
    assert [alone in one for one in reasons] == [True, True, False, False]


def test_nan_in_parquet_is_empty_for_every_reader(tmp_path: Path) -> None:
    for name in ("enterprises", "obligations", "credit_events", "complaints", "signals", "agencies", "items"):
        (tmp_path / f"{name}.parquet").write_bytes(Path(f"data/synthetic/{name}.parquet").read_bytes())
    table = pq.read_table("data/synthetic/inspections.parquet")
    for column in ("rating", "propensity"):
        values = [NAN if one is None else float(one) for one in table[column].to_pylist()]
        if column == "propensity":
            values[:5] = [NAN] * 5  # in the declared type, which DuckDB reads itself
        place = table.column_names.index(column)
        table = table.set_column(place, column, pa.array(values, pa.float64()))
    rated = table.column("rating").to_pylist()
    assert 0 < sum(one != one for one in rated) < len(rated)
    pq.write_table(table, tmp_path / "inspections.parquet")
    assert [str(one) for one in validate(tmp_path) if one.table == "inspections"] == []
    assert (row_problems(table, "inspections") == "").all()
    pd.testing.assert_frame_equal(
        build(tmp_path, "2024-12-30"), build("data/synthetic", "2024-12-30"), check_exact=True
    )
    rating = table.column("rating").cast(pa.float64()).to_numpy()
    declared = pa.array(rating, pa.int8(), from_pandas=True)
    place = table.column_names.index("rating")
    pq.write_table(table.set_column(place, "rating", declared), tmp_path / "inspections.parquet")
    with known(tmp_path, "2024-12-30") as seen:
        asked = "SELECT count(*) AS rows, count(propensity) AS drawn FROM raw_inspections"
        rows, drawn = seen.query(asked, ()).iloc[0]
    values = table.column("propensity").to_numpy()
    assert (rows, drawn) == (len(values), np.isfinite(values).sum())
