"""What must hold between cells, rows and tables: each relation broken once, and none by what is right."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import tierkit as tk
from tests.make_dataset import make_dataset
from tierkit.jobs import synthesis
from tierkit.records import TABLES, DataError, Dataset, conform, validate, write_dataset
from tierkit.records.dictionary import data_dictionary
from tierkit.records.relations import DIVISIONS, RELATIONS, relations_table
from tierkit.records.validation import errors_of

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def city() -> Dataset:
    return tk.read("data/synthetic")


def changed(data: Dataset, table: str, **cells: object) -> Dataset:
    """Return the dataset with other cells in the first row of a table; without truth, so that it is fast."""
    frame = data[table].astype("object")
    for name, value in cells.items():
        frame.loc[0, name] = value
    rest = {name: one for name, one in data.items() if not TABLES[name].latent}
    return Dataset({**rest, table: conform(frame, table)}, data.manifest)


def told(data: Dataset) -> list[str]:
    return [f"{one.table}.{one.column}: {one.message}" for one in validate(data) if one.warning]


def broken(data: Dataset, name: str) -> Dataset:
    first = data["inspections"].iloc[0]
    if name == "division":
        return changed(data, "enterprises", industry_section="H", industry_division="13")
    if name == "capital":
        return changed(data, "enterprises", size="micro", registered_capital=500_000.0)
    if name == "clean_penalised":
        return changed(
            data, "inspections", finding="none", disposition="penalised", decided_on=first["inspected_on"]
        )
    if name == "closed_before":
        people = data["enterprises"]
        row = people.index[people["enterprise_id"] == first["enterprise_id"]][0]
        moved = people.assign(
            registered_on=people["registered_on"].where(people.index != row, pd.Timestamp("2000-01-01")),
            closed_on=people["closed_on"].where(
                people.index != row, first["inspected_on"] - pd.Timedelta(days=1)
            ),
        )
        return Dataset({**data, "enterprises": moved}, data.manifest)
    if name == "twice":
        again = pd.concat([data["inspections"], data["inspections"].iloc[[0]].assign(check_code="again")])
        return Dataset({**data, "inspections": again.reset_index(drop=True)}, data.manifest)
    later = changed(data, "signals", raised_on=pd.Timestamp("2099-01-01"))
    return Dataset(dict(later))  # without a manifest nobody says until when there are records


@pytest.mark.parametrize("name", RELATIONS)
def test_each_relation_is_seen_where_it_is_broken(city, name) -> None:
    honest = Dataset({key: one for key, one in city.items() if not TABLES[key].latent}, city.manifest)
    one = RELATIONS[name]
    found = told(broken(honest, name))
    assert [line for line in found if line.endswith(one.breaks.en)]
    assert not errors_of(validate(broken(honest, name)))


def test_what_is_right_is_told_of_by_nothing(city) -> None:
    assert validate(city) == []


def test_unknown_inspectors_hide_no_inspection_told_twice(city) -> None:
    rows = city["inspections"].iloc[[0]].assign(inspector=None)
    more = pd.concat([city["inspections"], rows.assign(check_code="a"), rows.assign(check_code="b")])
    part = Dataset({**city, "inspections": conform(more, "inspections")}, city.manifest)
    (problem,) = [one for one in validate(part) if one.warning]
    assert (problem.column, problem.rows) == ("check_code", 1)


def test_divisions_of_sections_do_not_overlap() -> None:
    every = [one for divisions in DIVISIONS.values() for one in divisions]
    assert every == list(range(1, 98))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_dictionary_tells_every_relation(lang) -> None:
    table = relations_table(lang)
    assert table in data_dictionary(lang)
    for one in RELATIONS.values():
        assert one.breaks.text(lang) in table


def test_the_writer_refuses_what_the_reader_refuses(tmp_path) -> None:
    data = make_dataset()
    ruined = data["inspections"].assign(propensity=2.0)
    with pytest.raises(DataError, match="propensity: is out of range"):
        write_dataset(Dataset({**data, "inspections": ruined}), tmp_path / "out")
    late = Dataset(dict(data), {"as_of": "2023-01-01"})
    with pytest.raises(DataError, match="lies in the future"):
        write_dataset(late, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_manifest_is_made_of_tables_of_ones_own(city, tmp_path) -> None:
    folder = write_dataset(city.without([n for n in TABLES if TABLES[n].latent]), tmp_path / "own", "csv")
    (folder / "manifest.json").unlink()
    made = synthesis.manifest(folder, as_of="2024-12-30", start="2023-01-02")
    assert not made.replaced
    again = tk.read(folder)
    assert again.as_of.isoformat() == "2024-12-30"
    assert "seed" not in again.manifest
    assert {name: one["rows"] for name, one in made.content["tables"].items()} == {
        name: len(frame) for name, frame in again.items()
    }
    (folder / "signals.csv").write_bytes((folder / "signals.csv").read_bytes() + b"\n")
    with pytest.raises(DataError, match="SHA-256"):
        tk.read(folder)
    assert synthesis.manifest(folder, as_of="2024-12-30").replaced
    assert len(tk.read(folder)) == len(again)


def test_no_manifest_is_made_of_tables_that_break_the_contract(city, tmp_path) -> None:
    folder = write_dataset(city.without([n for n in TABLES if TABLES[n].latent]), tmp_path / "own")
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(DataError, match="lies in the future"):
        synthesis.manifest(folder, as_of="2024-01-01")
    assert (folder / "manifest.json").read_bytes() == before
