"""Views as of a date, cell by cell, against a plain reading of the schema."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from make_dataset import make_dataset

from tierkit.explain.recourse.editing import known_tables
from tierkit.features import build
from tierkit.records import TABLES, DataError, Dataset, conform, write_dataset
from tierkit.records.gate import InputError
from tierkit.records.known import COMPLAINANT_DAYS, TIMED, known, known_sql, opened

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
                undecided = "none" if (column.name, column.known_from) in spec.decided else None
                value = undecided if hidden else record.get(column.name)
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
    with known(data) as seen:
        view = seen.query(f"SELECT * FROM known_{table}", pairs)
    columns = ["row", *TABLES[table].columns]
    found = sorted(repr(tuple(map(plain, row))) for row in view[columns].itertuples(index=False, name=None))
    expected = sorted(repr(tuple(map(plain, row))) for row in plain_view(data, table, pairs))
    assert len(expected) > 20
    assert found == expected


def test_complaints_are_counted_by_complainant_in_the_whole_city(data, pairs) -> None:
    with known(data) as seen:
        view = seen.query("SELECT * FROM known_complaints", pairs)
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
        with known(source, threads=threads) as seen:
            answers.append(seen.query(sql, pairs))
    for answer in answers[1:]:
        pd.testing.assert_frame_equal(answer, answers[0])


def test_it_tells_about_what_is_passed_and_not_about_what_was_asked_last(data, pairs) -> None:
    counted = "SELECT count(*) AS n FROM known_signals"
    with known(data, DATES[-1]) as seen:
        many = seen.query(counted, pairs)["n"].item()
        assert seen.query(counted, pairs[pairs["as_of"] == pd.Timestamp(DATES[0])])["n"].item() == 0 < many
        ids = data["enterprises"]["enterprise_id"]
        everybody = seen.query(counted)["n"].item()
        assert everybody == sum(seen.query(counted, [one])["n"].item() for one in ids) > 0
        assert seen.query(counted, ())["n"].item() == 0


def test_what_is_open_is_handed_on_and_stays_open_and_has_one_day(data) -> None:
    with known(data, "2024-01-01") as seen:
        with opened(seen) as again, opened(seen, "2024-01-01") as same:
            assert again is seen is same
        assert len(seen.ids()) == len(data["enterprises"])
        with pytest.raises(InputError, match="open as of 2024-01-01, not as of 2024-01-02"):
            opened(seen, "2024-01-02")
    with known(data) as timeless, pytest.raises(InputError, match="opened without a day"):
        timeless.rows("signals")


def test_undecided_lost_and_blank_cells_read_the_same_in_every_way_to_them(data) -> None:
    """A disposition that is not decided yet, or on no known day, is "none"; any other cell is blank."""
    table, day = data["inspections"].copy(), pd.Timestamp("2024-01-01")
    one = table["enterprise_id"].iloc[0]
    kinds = [day - pd.Timedelta(days=1), day, day + pd.Timedelta(days=9), pd.NaT]
    table = table.head(len(kinds) * 2).assign(
        enterprise_id=one, inspected_on=pd.Timestamp("2023-06-01"), disposition="penalised",
        decided_on=kinds * 2, rating=3, rated_on=[*kinds, *kinds[::-1]],
    )  # fmt: skip
    given = {**data, "inspections": conform(table, "inspections")}
    with known(given, day) as seen:
        rows = seen.rows("inspections", [one]).set_index("check_code").loc[table["check_code"]]
        sql = "SELECT check_code, disposition, decided_on, rating, rated_on FROM known_inspections"
        view = seen.query(sql, [one]).set_index("check_code").loc[table["check_code"]]
    expected = ["penalised", "none", "none", "none"] * 2
    assert rows["disposition"].tolist() == view["disposition"].tolist() == expected
    decided = [True, False, False, False] * 2
    assert rows["decided_on"].notna().tolist() == view["decided_on"].notna().tolist() == decided
    rated = [*decided[:4], *decided[3::-1]]
    assert rows["rating"].notna().tolist() == view["rating"].notna().tolist() == rated
    # What is taken out of the view is known before that day, too: taken again, it is the same.
    with known({**given, "inspections": rows.reset_index()}, day) as again:
        found = again.rows("inspections", [one]).set_index("check_code").loc[table["check_code"]]
    pd.testing.assert_frame_equal(found, rows)
    ids = data["enterprises"]["enterprise_id"]
    with known(given, day) as seen:
        tables = seen.tables()
        own = known_tables(seen, ids)
    for source in (tables, own):
        pd.testing.assert_frame_equal(build(source, day, ids), build(given, day, ids), check_exact=True)


def test_truth_is_never_loaded(data) -> None:
    assert not any(TABLES[name].latent for name in TIMED)
    truth = pd.DataFrame({"enterprise_id": ["x"], "agency": ["fire"]})
    with known({**data, "truth": truth}, DATES[0]) as seen:
        seen.tables()
        names = set(seen.query("SELECT view_name FROM duckdb_views()")["view_name"])
        assert {f"known_{name}" for name in TIMED} <= names
        assert not any("truth" in name for name in names)
        with pytest.raises(duckdb.CatalogException, match="raw_truth does not exist"):
            seen.query("SELECT * FROM raw_truth")


def test_a_table_without_dates_has_no_view() -> None:
    with pytest.raises(ValueError, match="no date from which they are known"):
        known_sql("truth")


def test_absent_tables_are_empty_and_a_folder_must_hold_enterprises(data, tmp_path) -> None:
    with known({"enterprises": data["enterprises"]}, "2024-01-01") as seen:
        assert seen.query("SELECT * FROM known_inspections").empty
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="enterprises: is missing"):
        known(tmp_path / "empty", "2024-01-01")
