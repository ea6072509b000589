"""What is unknown of an enterprise stays unknown, in every reader of the records."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import tierkit as tk
from tests.make_dataset import make_dataset
from tierkit.city.scored import table_of, world_from_scores
from tierkit.evaluate.fairness.observed import alike, observe
from tierkit.features import BY_NAME, build, features_sql
from tierkit.records import TABLES, Dataset, conform, validate
from tierkit.records.known import known
from tierkit.records.unknown import begun, stand_ins
from tierkit.report.page import Words
from tierkit.report.sheet_records import register

DAY = "2024-01-01"
FROM_REGISTER = {
    "size": "size",
    "ownership": "ownership",
    "age_years": "registered_on",
    "employees": "employees",
    "registered_capital": "registered_capital",
    "commitment": "commitment",
    "tags": "tags",
    "tag_night_trade": "tags",
}
"""Feature → the cell of the register that it says."""


def blanked(
    data: Dataset, columns: set[str], rows: slice = slice(None), table: str = "enterprises"
) -> Dataset:
    """Return the dataset with cells unknown in some rows of a table."""
    frame = data[table].copy()
    for name in columns:
        values = frame[name].astype("object")
        values.iloc[rows] = None
        frame[name] = values
    return Dataset({**data, table: conform(frame, table)}, data.manifest)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_dataset()


def test_every_cell_of_the_register_but_name_and_sector_may_be_unknown() -> None:
    told = {one.name for one in TABLES["enterprises"] if not one.nullable}
    assert told == {"enterprise_id", "name", "sector"}


def test_a_register_of_unknown_cells_is_valid(data) -> None:
    gone = {one.name for one in TABLES["enterprises"] if one.nullable}
    there = {p.message for p in validate(data)}
    assert {p.message for p in validate(blanked(data, gone))} <= there


def test_an_unknown_cell_is_a_missing_feature_and_changes_no_other(data) -> None:
    whole, part = build(data, DAY), build(blanked(data, set(FROM_REGISTER.values()), slice(0, 15)), DAY)
    first = part.index.isin(data["enterprises"]["enterprise_id"].iloc[:15])
    assert part.loc[first, list(FROM_REGISTER)].isna().all().all()
    assert set(part.index) >= set(whole.index)  # who may always have been there is there
    pd.testing.assert_frame_equal(part[~first], whole.loc[part.index[~first]])
    rest = [name for name in whole if name not in FROM_REGISTER and not name.startswith("tag_")]
    both = part.index[first].intersection(whole.index)
    assert len(both) > 5
    pd.testing.assert_frame_equal(part.loc[both, rest], whole.loc[both, rest])


def test_an_unknown_day_of_registration_lies_before_every_day(data) -> None:
    first = data["enterprises"]["enterprise_id"].iloc[[0]].tolist()
    with known(blanked(data, {"registered_on"}, slice(0, 1)), "1990-01-01") as seen:
        assert seen.rows("enterprises", first)["registered_on"].isna().tolist() == [True]
    with known(data, "1990-01-01") as seen:
        assert seen.rows("enterprises", first).empty


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_unknown_feature_is_told_as_unknown(lang) -> None:
    for name in FROM_REGISTER:
        said = BY_NAME[name].sentence(np.nan, lang)
        assert BY_NAME[name].label.text(lang) in said
        assert ("不详" if lang == "zh" else "not known") in said


def test_the_head_of_a_sheet_names_what_is_unknown(data) -> None:
    one = data["enterprises"]["enterprise_id"].iloc[0]
    with known(blanked(data, {"district", "size", "registered_on"}), "2024-05-01") as seen:
        told = register(seen, [one])[one]
    assert told["district"] is told["size"] is told["registered_on"] is None
    assert str(Words("en").unknown(told)) == "not known: district, size, registered on"
    assert str(Words("zh").unknown(told)) == "不详：所在区、规模、登记日期"
    assert str(Words("en").unknown({"district": "huangpu"})) == ""


def test_columns_of_a_source_go_along_and_are_empty_where_there_are_none(data) -> None:
    extra = [one.name for one in TABLES["credit_events"] if not one.required]
    assert {"penalty_kind", "amount", "decision_number", "legal_basis", "public_until"} <= set(extra)
    assert not set(extra) & set(data["credit_events"])
    events = data["credit_events"].assign(amount=500.0, penalty_kind="罚款", public_until="2030-01-01")
    more = Dataset({**data, "credit_events": conform(events, "credit_events")}, data.manifest)
    pd.testing.assert_frame_equal(build(more, DAY), build(data, DAY))
    with known(more, DAY) as seen:
        rows = seen.rows("credit_events")
    assert set(rows["amount"]) == {500.0}
    assert rows["decision_number"].isna().all()


def test_columns_of_a_source_are_read_from_a_folder(data, tmp_path) -> None:
    events = conform(data["credit_events"].assign(amount=500.0), "credit_events")
    folder = tk.write(Dataset({**data, "credit_events": events}, data.manifest), tmp_path / "more")
    assert set(tk.read(folder, ["credit_events"])["credit_events"]["amount"]) == {500.0}
    with known(folder, DAY) as seen:
        assert set(seen.rows("credit_events")["amount"]) == {500.0}
        assert seen.rows("inspections")["result"].isna().all()
    pd.testing.assert_frame_equal(build(folder, DAY), build(data, DAY))


def test_a_world_says_what_stands_in_for_what_is_unknown(data) -> None:
    part = blanked(data, {"size", "district"}, slice(0, 20))
    scores = part["enterprises"][["enterprise_id"]].assign(risk_probability=0.1)
    table = table_of(part, scores, DAY).drop_duplicates(["enterprise_id", "agency", "item_class"])
    with pytest.warns(UserWarning, match=r"The 'size' of .* obligations is not known; 'micro' stands in"):
        world_from_scores(table, pd.Timestamp(DAY).date())


def test_a_level_that_is_none_is_no_unknown_one(data) -> None:
    scores = data["enterprises"][["enterprise_id"]].assign(risk_probability=0.1)
    table = table_of(data, scores, DAY).drop_duplicates(["enterprise_id", "agency", "item_class"])
    with pytest.raises(ValueError, match="'size' holds huge"):
        world_from_scores(table.assign(size="huge"), pd.Timestamp(DAY).date())
    with pytest.raises(ValueError, match="'sector' holds"):
        world_from_scores(table.assign(sector=None), pd.Timestamp(DAY).date())


def test_the_unknown_are_no_stratum_of_others(data) -> None:
    start = pd.Timestamp("2024-01-01")
    whole = Dataset(dict(data), {"start": "2022-06-01", "as_of": "2024-06-01"})
    part = blanked(whole, {"size"}, slice(0, 20))
    scored = part["enterprises"][["enterprise_id"]].assign(tier="T2", risk_probability=0.1)
    seen = observe(scored, part, start, 60)
    strata = alike(seen, np.zeros(len(scored), np.int64), "ownership", start.date())
    size = part["enterprises"]["size"].astype("object").fillna("?")
    told = pd.DataFrame({"stratum": strata, "sector": part["enterprises"]["sector"], "size": size})
    assert len(told.drop_duplicates()) == told["stratum"].nunique() > 20


def test_what_has_no_beginning_always_was() -> None:
    days = pd.Series(pd.to_datetime(["2024-01-01", None, "2025-01-01"]))
    assert begun(days, pd.Timestamp(DAY)).tolist() == [False, True, False]


def test_an_absent_column_is_unknown_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codes, unknown = stand_ins(pd.DataFrame({"sector": ["gas"]}), ("sector", "size"))
    assert codes["size"].tolist() == [0]
    assert unknown == {}


def test_the_query_of_features_asks_for_no_column_that_a_source_need_not_have() -> None:
    for table in TABLES.values():
        for column in table:
            if not column.required and not table.latent:
                assert f'"{column.name}"' not in features_sql()
