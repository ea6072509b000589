"""Views as of a date, cell by cell, against a plain reading of the schema."""

import numpy as np
import pandas as pd
import pytest
from make_dataset import make_dataset

from tierkit.records import TABLES, DataError, Dataset, write_dataset
from tierkit.records.known import COMPLAINANT_DAYS, TIMED, Timeline, known_sql

DATES = ["2022-05-01", "2023-02-15", "2023-12-31", "2025-01-01"]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_dataset(12, seed=3, records=60)


@pytest.fixture(scope="module")
def pairs(data) -> pd.DataFrame:
    ids = data["enterprises"]["enterprise_id"]
    return pd.DataFrame(
        [(i, pd.Timestamp(d)) for i in ids for d in DATES], columns=["enterprise_id", "as_of"]
    )


def plain_view(data: Dataset, table: str, pairs: pd.DataFrame) -> list[tuple]:
    """Return the view's rows by two loops, as the schema reads: nothing is known on its own day."""
    spec = TABLES[table]
    known = spec.columns["enterprise_id"].known_from
    rows = []
    for number, (enterprise, as_of) in enumerate(pairs.itertuples(index=False)):
        for record in data[table].to_dict("records"):
            if record["enterprise_id"] != enterprise or not record[known] < as_of:
                continue
            cells = []
            for column in spec:
                source = record[column.known_from] if column.known_from else None
                hidden = column.known_from and not (pd.notna(source) and source < as_of)
                value = None if hidden else record[column.name]
                cells.append(None if not isinstance(value, (list, np.ndarray)) and pd.isna(value) else value)
            rows.append((number, *cells))
    return rows


def plain(value: object) -> object:
    if isinstance(value, (list, np.ndarray)):
        return tuple(value)
    if value is None or pd.isna(value):
        return None
    if isinstance(value, (pd.Timestamp, np.datetime64)):
        return pd.Timestamp(value)
    return value if isinstance(value, str) else float(value)


@pytest.mark.parametrize("table", TIMED)
def test_views_hold_what_the_schema_says_was_known(data, pairs, table) -> None:
    with Timeline(data) as seen:
        seen.ask(pairs)
        view = seen.query(f"SELECT * FROM known_{table}")
    columns = ["row", *TABLES[table].columns]
    found = sorted(repr(tuple(map(plain, row))) for row in view[columns].itertuples(index=False, name=None))
    expected = sorted(repr(tuple(map(plain, row))) for row in plain_view(data, table, pairs))
    assert len(expected) > 20
    assert found == expected


def test_complaints_are_counted_by_complainant_in_the_whole_city(data, pairs) -> None:
    with Timeline(data) as seen:
        seen.ask(pairs)
        view = seen.query("SELECT * FROM known_complaints")
    everything = data["complaints"]
    for row in view.itertuples():
        since = row.as_of - pd.Timedelta(days=COMPLAINANT_DAYS)
        mine = everything[everything["complainant"] == row.complainant]["received_on"]
        assert row.by_complainant == ((mine < row.as_of) & (mine >= since)).sum()
    assert view["by_complainant"].max() > 5


def test_files_and_frames_and_threads_give_the_same(data, pairs, tmp_path) -> None:
    write_dataset(data, tmp_path / "p")
    write_dataset(data, tmp_path / "c", format="csv")
    sql = 'SELECT * FROM known_inspections ORDER BY "row", check_code'
    answers = []
    for source, threads in ((data, 1), (data, 2), (tmp_path / "p", 1), (tmp_path / "c", 1)):
        with Timeline(source, threads) as seen:
            seen.ask(pairs)
            answers.append(seen.query(sql))
    for answer in answers[1:]:
        pd.testing.assert_frame_equal(answer, answers[0])


def test_it_can_be_asked_again(data, pairs) -> None:
    with Timeline(data) as seen:
        seen.ask(pairs)
        many = seen.query("SELECT count(*) AS n FROM known_signals")["n"].item()
        seen.ask(pairs[pairs["as_of"] == pd.Timestamp(DATES[0])])
        assert seen.query("SELECT count(*) AS n FROM known_signals")["n"].item() == 0 < many


def test_truth_is_never_loaded(data) -> None:
    assert not any(TABLES[name].latent for name in TIMED)
    truth = pd.DataFrame({"enterprise_id": ["x"], "agency": ["fire"]})
    with Timeline({**data, "truth": truth}) as seen:
        names = set(seen.query("SELECT view_name FROM duckdb_views()")["view_name"])
    assert not any("truth" in name for name in names)


def test_a_table_without_dates_has_no_view() -> None:
    with pytest.raises(ValueError, match="no date from which they are known"):
        known_sql("truth")


def test_absent_tables_are_empty_and_a_folder_must_hold_enterprises(data, tmp_path) -> None:
    with Timeline({"enterprises": data["enterprises"]}) as seen:
        seen.ask(pd.DataFrame({"enterprise_id": seen.ids(), "as_of": "2024-01-01"}))
        assert seen.query("SELECT * FROM known_inspections").empty
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="enterprises: is missing"):
        Timeline(tmp_path / "empty")
