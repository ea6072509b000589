"""A place drafted from records, and pages of a place that is not Shanghai."""

from __future__ import annotations

import tomllib
import unicodedata

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tierkit as tk
from tierkit.jobs.places import draft
from tierkit.records import SHANGHAI, DataError, Dataset, Place, conform, credit_code
from tierkit.records.places.draft import draft_place, occurring
from tierkit.records.tables import tables_of
from tierkit.records.toml_text import quoted

HEFEI = credit_code.make(range(6), "340104").tolist()


def people(**cells: object) -> pd.DataFrame:
    rest = {"district": "蜀山区", "town": "笔架山街道", "sector": "餐饮"}
    return pd.DataFrame({"enterprise_id": HEFEI, **rest, **cells})


def drafted(**tables: pd.DataFrame) -> tuple[Place, dict[str, dict[str, str]]]:
    made = draft_place(occurring(tables), "hefei", "合肥", "Hefei")
    return made.place, {kind: dict(ids) for kind, ids in made.ids.items()}


def test_a_city_has_its_own_names() -> None:
    inspections = pd.DataFrame({"agency": ["市场监督管理局", "应急管理局", None]})
    place, ids = drafted(enterprises=people(), inspections=inspections)
    assert place.language == "zh"
    assert place.credit_codes
    (district,) = place.districts.values()
    assert (district.label.zh, district.division, list(district.towns)) == (
        "蜀山区",
        "340104",
        ["笔架山街道"],
    )
    assert {one.label.zh for one in place.agencies.values()} == {"市场监督管理局", "应急管理局"}
    assert ids["sector"] == {"餐饮": "s1"}
    assert set(ids["district"].values()) <= set(place.ids("district"))


def test_no_word_of_a_draft_is_of_another_city() -> None:
    text = draft_place(occurring({"enterprises": people()}), "hefei", "合肥", "Hefei").text
    names = {one.label.zh for one in SHANGHAI.districts.values()} | {"上海", "Shanghai"}
    assert not [name for name in names if name in text]


def test_ids_of_ones_own_have_a_pattern_that_all_of_them_match() -> None:
    place, _ = drafted(enterprises=people(enterprise_id=[f"CH{k:07d}" for k in range(6)]))
    assert place.id_pattern == "^CH[0-9]{7}$"
    assert place.has_form(place.made_id.format(serial=7))
    mixed, _ = drafted(enterprises=people(enterprise_id=["a-1", "b/2", "3c", "4", "5", "6"]))
    assert all(map(mixed.has_form, ["a-1", "b/2", "3c"]))


def test_what_is_unknown_throughout_is_one_level_for_all() -> None:
    bare = pd.DataFrame({"enterprise_id": ["x1", "x2"]})
    place, _ = drafted(enterprises=bare)
    assert (list(place.districts), list(place.sectors), list(place.agencies)) == (
        ["all"],
        ["general"],
        ["authority"],
    )


def test_quotes_and_line_breaks_stay_in_a_text() -> None:
    place, _ = drafted(enterprises=people(district='"a"\n[x]\\'))
    assert [one.label.zh for one in place.districts.values()] == ['"a"\n[x]\\']


def test_more_than_a_place_holds_is_refused_with_the_count() -> None:
    many = pd.DataFrame(
        {"enterprise_id": [str(k) for k in range(200)], "sector": [f"s{k}x" for k in range(200)]}
    )
    with pytest.raises(DataError, match="has 200 different values, and a place holds 127"):
        drafted(enterprises=many)


def test_the_place_of_a_dataset_is_drafted_back(tmp_path) -> None:
    made = draft("data/synthetic", tmp_path / "place.toml", name="own", zh="本市", en="our city")
    place = Place.load(made.file)
    assert set(place.districts) == set(SHANGHAI.districts)
    assert {k: one.division for k, one in place.districts.items()} == {
        k: one.division for k, one in SHANGHAI.districts.items()
    }
    assert set(place.agencies) == set(SHANGHAI.agencies)
    assert set(place.sectors) <= set(SHANGHAI.sectors)
    assert not made.replaced
    assert draft("data/synthetic", made.file, name="own", zh="本市", en="our city").replaced


def test_records_are_read_in_a_drafted_place(tmp_path) -> None:
    inspections = pd.DataFrame({"agency": ["市场监督管理局"]})
    place, ids = drafted(enterprises=people(), inspections=inspections)
    rows = people().assign(name="甲", district=ids["district"]["蜀山区"], sector=ids["sector"]["餐饮"])
    frame = {column.name: rows.get(column.name) for column in tables_of(place)["enterprises"]}
    table = conform(pd.DataFrame(frame), "enterprises", place)
    folder = tk.write(Dataset({"enterprises": table}, {}, place), tmp_path / "own")
    again = tk.read(folder, ["enterprises"])
    assert again.labels("district")[ids["district"]["蜀山区"]] == "蜀山区"
    assert again.place.name == "hefei"


@given(
    st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["a\U000e0001b", "\u202e", "\x7f"])
)
def test_any_text_comes_back_from_toml_and_shows_what_is_invisible(text: str) -> None:
    written = quoted(text)
    assert tomllib.loads(f"text = {written}")["text"] == text
    assert all(one.isprintable() or unicodedata.category(one) == "Zs" for one in written)
