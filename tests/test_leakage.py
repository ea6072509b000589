"""No feature and no model sees a cell that was not known, or the truth; and the test sees it if one does."""

import pandas as pd
import pytest
from leakage import scramble
from make_dataset import make_dataset

from tierkit.features import build, build_rows
from tierkit.records import TABLES, Dataset
from tierkit.records import known as timeline

AS_OF = pd.Timestamp("2023-06-15")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_dataset(60, seed=5, records=500)


@pytest.fixture(scope="module")
def scrambled(data) -> Dataset:
    return scramble(data, AS_OF, seed=1)


def features_before(data: Dataset) -> pd.DataFrame:
    return build(data, AS_OF, ids=make_dataset(60, seed=5, records=500)["enterprises"]["enterprise_id"])


def test_scrambling_changes_every_column_and_nothing_that_is_known(data, scrambled) -> None:
    for name, frame in data.items():
        spec = TABLES[name]
        dated = [c for c in spec if c.known_from and c.name in frame]
        if not dated:
            continue
        known = spec.columns["enterprise_id"].known_from
        early, still = frame[frame[known] < AS_OF], scrambled[name][scrambled[name][known] < AS_OF]
        assert len(early) == len(still)
        for column in dated:
            seen = early[column.known_from] < AS_OF
            now = still[column.known_from] < AS_OF
            assert seen.to_numpy().tolist() == now.to_numpy().tolist(), (name, column.name)
            left = early.loc[seen, column.name].reset_index(drop=True)
            right = still.loc[now, column.name].reset_index(drop=True)
            pd.testing.assert_series_equal(left, right)
            hidden = frame.loc[~(frame[column.known_from] < AS_OF), column.name]
            other = scrambled[name].loc[~(scrambled[name][column.known_from] < AS_OF), column.name]
            if column.name not in ("enterprise_id", "park") and len(hidden) >= 10:
                assert hidden.astype(str).tolist() != other.astype(str).tolist(), (name, column.name)


def test_features_are_the_same_bits(data, scrambled) -> None:
    pd.testing.assert_frame_equal(features_before(scrambled), features_before(data), check_exact=True)


def test_features_of_rows_are_the_same_bits(data, scrambled) -> None:
    ids = data["enterprises"]["enterprise_id"]
    dates = pd.to_datetime(["2022-10-01", "2023-01-31", AS_OF])
    pairs = pd.DataFrame([(i, d) for i in ids for d in dates], columns=["enterprise_id", "as_of"])
    pd.testing.assert_frame_equal(build_rows(scrambled, pairs), build_rows(data, pairs), check_exact=True)


def _same_day(sql: str) -> str:
    return sql.replace("< a.as_of", "<= a.as_of")


def _later_repairs(sql: str) -> str:
    return sql.replace(
        'CASE WHEN t."repaired_on" < a.as_of THEN t."repaired_on" END AS', 't."repaired_on" AS'
    )


def _later_decisions(sql: str) -> str:
    return sql.replace('CASE WHEN t."decided_on" < a.as_of THEN', "CASE WHEN TRUE THEN")


def _later_closures(sql: str) -> str:
    return sql.replace('CASE WHEN t."closed_on" < a.as_of THEN', "CASE WHEN TRUE THEN")


@pytest.mark.parametrize("leak", [_same_day, _later_repairs, _later_decisions, _later_closures])
def test_a_leak_is_seen(data, scrambled, monkeypatch, leak) -> None:
    whole = timeline.known_sql
    assert any(leak(whole(table)) != whole(table) for table in timeline.TIMED)
    monkeypatch.setattr(timeline, "known_sql", lambda table: leak(whole(table)))
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(features_before(scrambled), features_before(data), check_exact=True)
