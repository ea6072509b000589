"""The declarations hold together, and the documentation is made from them."""

import re
from pathlib import Path

import pandas as pd
import pytest

import tierkit.records
from tierkit.records import (
    CHANNELS,
    PLANNED_CHANNELS,
    SHANGHAI,
    TABLES,
    Column,
    Dataset,
    conform,
    data_dictionary,
    empty,
)
from tierkit.records.dictionary import UNITS

AGENCIES = SHANGHAI.ids("agency")

DOCS = Path(__file__).parents[2] / "docs"
COLUMNS = [(table, column) for table in TABLES.values() for column in table]
CHINESE = re.compile("[\u4e00-\u9fff]")
each_column = pytest.mark.parametrize(("table", "column"), COLUMNS, ids=lambda x: x.name)


def test_sets_of_levels_are_those_of_the_design() -> None:
    sizes = {name: len(levels) for name, levels in SHANGHAI.levels.items()}
    assert sizes["sector"] == sizes["district"] == 16
    assert (sizes["agency"], sum(one.core for one in SHANGHAI.agencies.values()), sizes["channel"]) == (
        12,
        9,
        6,
    )
    assert AGENCIES[9:] == ("urban_management", "agriculture", "water")
    assert set(CHANNELS) - set(PLANNED_CHANNELS) == {"trigger", "followup"}


@pytest.mark.parametrize("name", SHANGHAI.levels)
def test_levels_have_labels_in_both_languages(name: str) -> None:
    for level, label in SHANGHAI.levels[name].items():
        assert re.fullmatch("[A-Za-z][A-Za-z0-9_]*", level)
        assert label.text("zh") == label.zh
        assert label.text("en") == label.en
        assert CHINESE.search(label.zh)
        assert label.en
        assert not CHINESE.search(label.en)
    for lang in ("zh", "en"):
        texts = [label.text(lang) for label in SHANGHAI.levels[name].values()]
        assert len(set(texts)) == len(texts)


@each_column
def test_columns_are_declared_in_full(table: tierkit.records.Table, column: Column) -> None:
    assert re.fullmatch("[a-z][a-z0-9_]*", column.name)
    assert CHINESE.search(column.zh)
    assert not CHINESE.search(column.en)
    assert (column.kind == "level") <= (column.levels in SHANGHAI.levels)
    if column.known_from is not None:
        assert table.columns[column.known_from].kind == "date"
    assert column.nullable or column.required
    assert column.unit in UNITS or not re.search("[A-Za-z]{3}", column.unit)


@each_column
def test_a_value_is_known_no_earlier_than_its_row(table: tierkit.records.Table, column: Column) -> None:
    if column.known_from is None:
        assert table.latent or table.name in ("agencies", "items")
    elif (column.name, column.known_from) in table.orders:
        pass  # it lies before the day from which its row is known
    elif column.kind == "date" and column.nullable and not column.future:
        assert column.known_from == column.name  # a date that is filled in later is known from itself


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_tables_refer_to_columns_that_exist(table: tierkit.records.Table) -> None:
    names = set(table.columns)
    before = list(TABLES)[: list(TABLES).index(table.name)]
    assert set(table.key) <= names
    assert {name for pair in (*table.orders, *table.together, *table.decided) for name in pair} <= names
    assert not table.happens_on or {table.happens_on, "enterprise_id"} <= names
    for reference in table.references:
        assert reference.table in before  # so that one pass finds what is missing
        assert set(reference.columns) <= names & set(TABLES[reference.table].columns)
        assert reference.columns == TABLES[reference.table].key
    assert table.latent == table.name.startswith("truth")


@pytest.mark.parametrize("name", TABLES)
def test_an_empty_table_has_the_declared_types(name: str) -> None:
    frame = empty(name)
    assert frame.dtypes.to_dict() == TABLES[name].dtypes
    pd.testing.assert_frame_equal(conform(frame, name), frame)


def test_datasets_are_frozen_and_in_order(small: Dataset) -> None:
    shuffled = Dataset({name: small[name] for name in sorted(small, reverse=True)}, small.manifest)
    assert list(shuffled) == [name for name in TABLES if name in small]
    assert repr(small).startswith("Dataset(enterprises: 4, agencies: 2,")
    assert len(small) == len(TABLES)
    with pytest.raises(TypeError):
        small["enterprises"] = empty("enterprises")  # type: ignore[index]
    with pytest.raises(TypeError):
        small.manifest["seed"] = 8  # type: ignore[index]
    honest = small.without(name for name, table in TABLES.items() if table.latent)
    assert small.keys() - honest.keys() == {name for name in TABLES if name.startswith("truth")}
    assert honest.manifest == small.manifest


@pytest.mark.parametrize(("lang", "page"), [("en", "data_dictionary.md"), ("zh", "data_dictionary.zh-CN.md")])
def test_dictionary_in_the_docs_is_the_one_generated(lang: str, page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    assert text == data_dictionary(lang), "run: python scripts/write_dictionary.py"
    for table in TABLES.values():
        for column in table:
            assert f"| `{column.name}` | {column.label.text(lang)} |" in text


def test_dictionary_knows_two_languages() -> None:
    with pytest.raises(ValueError, match=r"'lang' must be one of en, zh\. Got 'fr' instead"):
        data_dictionary("fr")
