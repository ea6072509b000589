"""A made-up place runs from records to a compared policy: nothing is hard-wired to Shanghai."""

import json
import pickle
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tierkit.city.engine import run
from tierkit.city.parameters import parameters
from tierkit.city.population import agency_levels, cells, item_ranges, items
from tierkit.city.synth import make, world_of
from tierkit.city.world import World
from tierkit.cli.app import app
from tierkit.compare.comparison import Comparison, compare
from tierkit.features import BY_NAME
from tierkit.policy import Policy, PolicyError, check, diff
from tierkit.policy.tiers import assign
from tierkit.records import (
    SHANGHAI,
    DataError,
    Dataset,
    Place,
    PlaceError,
    open_folder,
    read_dataset,
    tables_of,
    validate,
    write_dataset,
)
from tierkit.records.gate import InputError
from tierkit.report import sheets
from tierkit.report.dossier import dossier
from tierkit.scores.model import Model
from tierkit.scores.train import train

HERE = Path(__file__).parent / "places"
FILE, PLAN = HERE / "lowmere.toml", HERE / "lowmere-plan.toml"
LOWMERE = Place.load(FILE)
DAY = "2024-12-30"


@dataclass(frozen=True)
class Town:
    """The made-up place's city, with its model and scores, made once."""

    data: Dataset
    world: World

    @cached_property
    def model(self) -> Model:
        return train(self.data, DAY, policy=Policy.load(PLAN))

    @cached_property
    def scores(self) -> pd.DataFrame:
        return self.model.score(self.data, DAY)


@pytest.fixture(scope="module")
def town() -> Town:
    return Town(*make(1_500, 3, params=parameters(LOWMERE)))


def shanghai_words(page: str) -> list[str]:
    """Return the labels of Shanghai's sectors, agencies and districts that a page shows as such."""
    page = re.sub(r"url\(data:[^)]*\)", "", page)
    labels = [label for kind in ("sector", "agency", "district") for label in SHANGHAI.levels[kind].values()]
    # One short word of these is part of a page's own texts, such as "water" of a waterfall.
    return [word for label in labels for word in label if len(word) > 5 and word in page]


def test_shanghai_is_what_it_was() -> None:
    assert (len(SHANGHAI.districts), len(SHANGHAI.agencies), len(SHANGHAI.sectors)) == (16, 12, 16)
    assert [name for name, one in SHANGHAI.agencies.items() if one.core] == list(SHANGHAI.agencies)[:9]
    assert SHANGHAI.ids("agency")[9:] == ("urban_management", "agriculture", "water")
    # the districts' plans name a district's bureau for each
    assert {one.level for one in SHANGHAI.agencies.values()} == {"district"}
    assert list(SHANGHAI.items)[:6] == [
        *(f"market_regulation-{key}" for key in ("g1", "g2", "g3", "k1", "k2")),
        "fire-g1",
    ]
    assert SHANGHAI.sectors["gas"].divisions == ("45",)
    assert SHANGHAI.credit_codes
    assert SHANGHAI.bundled


def test_places_are_frozen_equal_by_what_they_hold_and_cross_processes() -> None:
    again = Place.loads(LOWMERE.to_toml())
    assert again == LOWMERE
    assert hash(again) == hash(LOWMERE)
    assert pickle.loads(pickle.dumps(LOWMERE)) == LOWMERE
    assert LOWMERE != SHANGHAI
    with pytest.raises(AttributeError, match="frozen"):
        again.name = "other"
    with pytest.raises(TypeError):
        again.sectors["new"] = again.sectors["inns"]  # type: ignore[index]
    assert repr(LOWMERE) == "Place('lowmere', 3 districts, 5 agencies, 4 sectors, 20 items)"
    assert "eel smoking" in LOWMERE._repr_html_()
    with pytest.raises(KeyError, match="did you mean 'weights'"):
        LOWMERE.code("agency", "weight")


def test_a_label_is_no_other_place_and_an_id_is() -> None:
    text = LOWMERE.to_toml()
    assert Place.loads(text.replace('en = "pottery"', 'en = "potteries"')).hash == LOWMERE.hash
    assert Place.loads(text.replace("pottery = {", "glass = {")).hash != LOWMERE.hash
    assert Place.loads(text.replace("^LM-[0-9]{7}$", "^LM-[0-9]+$")).hash != LOWMERE.hash


def test_everything_wrong_with_a_place_is_told_at_once_with_lines_and_remedies() -> None:
    text = (
        LOWMERE.to_toml()
        .replace('name = "lowmere"', 'name = "Low Mere"')
        .replace('level = "district" }', 'level = "state" }', 1)
        .replace('section = "H"', 'section = "9"')
        .replace("minutes = 30, ", "")
        .replace('made = "LM-{serial:07d}"', 'made = "X-{serial:07d}"')
        .replace("licensed = true }", "licensd = true }", 1)
        .replace('park = "{district} Works"', 'park = "{city} Works"')
    )
    with pytest.raises(PlaceError) as told:
        Place.loads(text, "bad.toml")
    found = {problem.column: problem for problem in told.value.problems}
    assert set(found) == {
        "place.name",
        "agency.kiln_office.level",
        "sector.inns.section",
        "sector.eel_smoking.licensd",
        "item.papers.minutes",
        "ids.made",
        "names.park",
    }
    for problem in found.values():
        table, _, rest = problem.column.partition(".")
        line = int(problem.examples[0].removeprefix("line "))
        at = text.splitlines()[line - 1]
        assert at.startswith(rest.partition(".")[0]) or at.startswith(rest)
        assert table in problem.column
        assert problem.remedy
    assert "did you mean 'licensed'?" in found["sector.eel_smoking.licensd"].message
    assert "'X-0000001'" in found["ids.made"].message


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ("[agency]", "agency: has no entries"),
        ("[item]", "item: has no entries"),
        ("[names]", "names.pattern: is missing"),
    ],
)
def test_a_table_that_is_missing_is_told(cut: str, message: str) -> None:
    head, _, rest = LOWMERE.to_toml().partition(cut)
    tail = rest[rest.index("\n[") :]
    with pytest.raises(PlaceError, match=re.escape(message)):
        Place.loads(head + tail)


@pytest.mark.parametrize(
    ("key", "value"),
    [("pattern", v) for v in ("{first}{", "{second.x}", "{first!r}", "{first:>9}", "{}", "}", "{0}")]
    + [("park", v) for v in ("{district.foo}", "{district[0]}", "{first}")],
)
def test_a_name_is_filled_by_its_words_alone(key: str, value: str) -> None:
    text = re.sub(rf"(?m)^{key} = .*$", f'{key} = "{value}"', LOWMERE.to_toml().partition("[names]")[2])
    with pytest.raises(PlaceError, match=rf"names\.{key}: = .* may hold"):
        Place.loads(LOWMERE.to_toml().partition("[names]")[0] + "[names]" + text)


def test_ids_that_run_out_of_their_form_are_refused_before_anything_is_drawn() -> None:
    text = re.sub(r"(?m)^pattern = '?\"?\^.*$", "pattern = '^LM-[0-9]{3}$'", LOWMERE.to_toml(), count=1)
    place = Place.loads(re.sub(r"(?m)^made = .*$", "made = 'LM-{serial:03d}'", text, count=1))
    with pytest.raises(PlaceError, match=r"ids\.made: gives 'LM-1\d+' .* does not match ids\.pattern"):
        make(1_500, 1, params=parameters(place))
    assert (
        make(300, 1, params=parameters(place))[0]["enterprises"]["enterprise_id"]
        .str.fullmatch(r"LM-\d{3}")
        .all()
    )


def test_the_name_of_a_place_of_the_package_stands_for_that_place_alone() -> None:
    with pytest.raises(PlaceError, match="is the name of a place that comes with the package"):
        Place.loads(LOWMERE.to_toml().replace('name = "lowmere"', 'name = "shanghai"'))
    with pytest.raises(PlaceError, match=r"neither a place .* nor a file \(did you mean 'shanghai'"):
        Place.load("shangai")


def test_parameters_of_the_city_come_from_the_place_and_are_checked() -> None:
    p = parameters(LOWMERE)
    assert p.place is LOWMERE
    assert p.group("share.sector") == {"eel_smoking": 0.3, "pottery": 0.2, "ferries": 0.1, "inns": 0.4}
    assert p.group("share.district") == dict.fromkeys(LOWMERE.districts, 1 / 3)
    assert p["applicability.all.rivers"] == [0.5, 0.2]
    assert p["hazard.prevalence"] == parameters()["hazard.prevalence"]
    bad = LOWMERE.to_toml().replace(
        "[city.share.sector]\neel_smoking = { value = 0.3", "[city.share.sector]\neels = { value = -1"
    )
    with pytest.raises(DataError) as told:
        parameters(Place.loads(bad))
    assert {problem.column for problem in told.value.problems} == {
        "share.sector.eels",
        "share.sector.eel_smoking",
    }


def test_parameters_of_the_city_are_checked_where_a_place_is_shown(tmp_path: Path) -> None:
    (tmp_path / "place.toml").write_text(LOWMERE.to_toml() + "\n[city.shares]\neels = 1\n", "utf-8")
    shown = CliRunner().invoke(app, ["place", "show", str(tmp_path / "place.toml")])
    assert shown.exit_code == 2
    assert "shares" in shown.output


def test_arrays_have_the_size_of_the_place(town: Town) -> None:
    fixed = town.world.fixed
    assert (fixed.agency.max(), fixed.sector.max(), fixed.district.max()) == (4, 3, 2)
    assert fixed.capacity.shape == fixed.agency_level.shape == (5,)
    assert agency_levels(LOWMERE).tolist() == [0, 1, 1, 1, 0]
    assert cells(LOWMERE) == 10
    first, count = item_ranges(LOWMERE)
    assert first.tolist() == [0, 1, 4, 5, 8, 9, 12, 13, 16, 17]
    assert count.tolist() == [1, 3] * 5
    assert set(np.unique(fixed.item)) <= set(range(20))
    done = run(town.world, Policy.load(PLAN), 4)
    assert done.tally.shape[:2] == done.demanded.shape[:2] == (4, 5)
    done.check_conservation()


def test_records_keep_the_contract_of_their_place_and_of_no_other(town: Town) -> None:
    assert validate(town.data) == []
    tables = tables_of(LOWMERE)
    assert tables["enterprises"].columns["sector"].ids == tuple(LOWMERE.sectors)
    enterprises = town.data["enterprises"]
    assert enterprises["enterprise_id"].str.fullmatch(r"LM-[0-9]{7}").all()
    assert list(enterprises["district"].cat.categories) == list(LOWMERE.districts)
    quay = enterprises[enterprises["district"] == "quay"]
    assert set(quay["town"]) == {"Old Quay", "New Quay"}
    of_shanghai = validate(dict(town.data))
    columns = {(problem.table, problem.column) for problem in of_shanghai}
    assert {("enterprises", "district"), ("enterprises", "sector"), ("agencies", "agency")} <= columns
    assert any("unified social credit code" in problem.message for problem in of_shanghai)


def test_a_folder_names_and_carries_its_place(town: Town, tmp_path: Path) -> None:
    write_dataset(town.data, tmp_path / "data", "csv")
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_text("utf-8"))
    assert manifest["place"] == {"name": "lowmere", "hash": LOWMERE.hash}
    back = read_dataset(tmp_path / "data")
    assert back.place == LOWMERE
    for name, frame in town.data.items():
        pd.testing.assert_frame_equal(back[name], frame)
    assert world_of(back).place == LOWMERE
    carried = tmp_path / "data" / "place.toml"
    carried.write_text(carried.read_text("utf-8").replace("pottery", "glass"), encoding="utf-8")
    (problem,) = open_folder(tmp_path / "data").problems
    assert str(problem).startswith("place.toml: is not the place that manifest.json names")
    carried.unlink()
    assert "names the unknown place 'lowmere'" in str(open_folder(tmp_path / "data").problems[0])


def test_a_policy_is_of_a_place_and_used_in_it_alone() -> None:
    plan, generic, legacy = Policy.load(PLAN), Policy.load("generic"), Policy.load("legacy")
    assert plan.place == LOWMERE
    assert generic.place is None
    assert legacy.place == SHANGHAI
    assert plan["frequency.sector"] == {"eel_smoking": 2.0, "pottery": 1.0, "ferries": 1.0, "inns": 1.0}
    assert plan.at(LOWMERE) is plan
    assert generic.at(LOWMERE)["scoring.sector_offset"] == dict.fromkeys(LOWMERE.sectors, 0.0)
    with pytest.raises(PolicyError, match="'legacy' is of Shanghai and names its sectors and agencies"):
        legacy.at(LOWMERE)
    with pytest.raises(PolicyError, match="'lowmere-plan' is of Lowmere"):
        plan.at(SHANGHAI)
    changed = set(diff(generic, plan)["parameter"])
    assert {"frequency.sector.eel_smoking", "joint.sectors"} <= changed
    assert Policy.loads(plan.to_toml(), of_place=LOWMERE) == plan
    assert plan.reform({"frequency.sector.inns": 3.0}).place == LOWMERE


def test_what_a_policy_names_is_checked_against_its_place(tmp_path: Path) -> None:
    text = PLAN.read_text("utf-8").replace('"lowmere.toml"', f'"{FILE}"')
    bad = tmp_path / "bad.toml"
    bad.write_text(
        text.replace('["inns", "ferries"]', '["innns", "catering"]').replace("eel_smoking =", "catering =")
    )
    messages = [problem.message for problem in check(bad)]
    assert any("'innns' (did you mean 'inns'?), 'catering'" in message for message in messages)
    assert any("'frequency.sector.catering' is not a parameter" in message for message in messages)
    bad.write_text(text.replace('baseline = "generic"', 'baseline = "jinshan-2025"'))
    (problem,) = check(bad)
    assert (problem.parameter, problem.line) == ("meta.place", 10)
    assert "'jinshan-2025' is of Shanghai" in problem.message
    assert "'generic'" in problem.remedy
    bad.write_text(text.replace(f'place = "{FILE}"', 'place = "any"'))
    messages = [problem.message for problem in check(bad)]
    assert any("names what only a place has" in message for message in messages)
    assert any("goes by the sectors of a place" in message for message in messages)
    bad.write_text(text.replace(f'"{FILE}"', '"nowhere"'))
    assert any("'meta.place' = 'nowhere'" in problem.message for problem in check(bad))


def test_scores_tiers_and_models_are_of_the_place(town: Town, tmp_path: Path) -> None:
    assert set(town.scores["sector"]) == set(LOWMERE.sectors)
    for policy in (Policy.load(PLAN), Policy.load("generic"), Policy.load("generic").at(LOWMERE)):
        assert len(assign(town.scores, policy)) == len(town.scores)
    same = [
        assign(town.scores, one)["tier"]
        for one in (Policy.load("generic"), Policy.load("generic").at(LOWMERE))
    ]
    assert same[0].equals(same[1])
    with pytest.raises(DataError, match=r"scores\.sector: has an unknown level"):
        assign(town.scores, Policy.load("legacy"))
    town.model.save(tmp_path / "model")
    back = Model.load(tmp_path / "model")
    assert back.place == LOWMERE
    assert back.manifest["place"] == {"name": "lowmere", "hash": LOWMERE.hash}
    pd.testing.assert_frame_equal(back.score(town.data, DAY), town.scores)
    with pytest.raises(
        InputError, match=r"trained on records of Lowmere \('lowmere'\); these are of Shanghai"
    ):
        back.score("data/synthetic", DAY)


def test_a_sheet_shows_labels_of_the_place_and_none_of_shanghai(town: Town) -> None:
    policy = Policy.load(PLAN)
    one = town.scores.sort_values("risk_probability")["enterprise_id"].iloc[-1]
    (sheet,) = sheets(town.model, town.data, DAY, [one], policy)
    sector = town.data["enterprises"].set_index("enterprise_id")["sector"].astype(str)[one]
    for lang in ("zh", "en"):
        page = dossier(sheet, policy, as_of=DAY, lang=lang)
        assert LOWMERE.levels["sector"][sector].text(lang) in page
        assert shanghai_words(page) == []
        assert not [name for name in ("上海", "Shanghai", "shanghai") if name in page]
    # Whether the sector is among the reasons is up to the model; its words are the place's own.
    assert LOWMERE.sectors[sector].label.en in BY_NAME["sector"].sentence(sector, "en", LOWMERE)


@pytest.fixture(scope="module")
def comparison(town: Town) -> Comparison:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return compare(
            town.world, Policy.load("generic"), Policy.load(PLAN), scores=town.scores, replicates=2, weeks=8
        )


def test_policies_are_compared_by_the_levels_of_the_place(comparison: Comparison) -> None:
    levels = comparison.summary.groupby("group", sort=False)["level"].unique()
    for group in ("sector", "agency", "district"):
        assert set(levels[group]) == set(LOWMERE.ids(group))
    assert comparison.place == LOWMERE


def test_policies_of_another_place_are_not_compared_here(town: Town) -> None:
    with pytest.raises(PolicyError, match="'legacy' is of Shanghai"):
        compare(town.world, Policy.load("legacy"), Policy.load(PLAN), replicates=1, weeks=4)


def command(*arguments: object) -> str:
    """Run one command, which must end well, and return what it says."""
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_every_command_runs_on_the_place(tmp_path: Path) -> None:
    data, model, scores = tmp_path / "data", tmp_path / "model", tmp_path / "scores.parquet"
    assert "harbour board" in command("place", "show", FILE)
    command("synth", "--enterprises", 1_200, "--seed", 3, "--place", FILE, "--out", data)
    command("validate", data)
    command("train", data, "--as-of", DAY, "--out", model, "--policy", PLAN)
    command("score", model, data, "--as-of", DAY, "--policy", PLAN, "--out", scores, "--reasons", 2)
    scored = pd.read_parquet(scores).sort_values("risk_probability")
    one = scored.loc[scored["sector"] == "eel_smoking", "enterprise_id"].iloc[-1]
    pages: Sequence[Path] = (tmp_path / "one.html", tmp_path / "run-page", tmp_path / "city")
    command("explain", model, data, "--as-of", DAY, "--enterprise", one, "--out", pages[0], "--lang", "en")
    options = ("--replicates", 2, "--weeks", 8, "--kappa", 0.1)
    command("simulate", data, "--policy", PLAN, "--model", model, "--out", tmp_path / "run", *options)
    command("report", tmp_path / "run", "--out", pages[1])
    command("report", scores, "--data", data, "--model", model, "--dossiers", 1, "--out", pages[2])
    register = pd.read_parquet(data / "enterprises.parquet").set_index("enterprise_id")
    own = LOWMERE.sectors[register.loc[one, "sector"]].label.en
    for page, sector in ((pages[0], own), (pages[1] / "index.html", "eel smoking"),
                         (pages[2] / "index.html", "eel smoking")):  # fmt: skip
        text = page.read_text("utf-8")
        assert sector in text
        # The legal floor of Shanghai's own plans is told of on the page of a run, whatever the place.
        assert set(shanghai_words(text)) <= {"市场监管"}


# Legal basis of items

LAW = re.compile(r"《[^》]*(?:法|条例|规定|办法|决定)》(?:第[一二三四五六七八九十百]+条)?")
"""A law, a regulation, a rule or a decision, and an article of it."""


def test_items_rest_on_laws_regulations_rules_and_decisions_and_on_nothing_else() -> None:
    given = {name: one.basis for name, one in SHANGHAI.items.items() if one.basis}
    for name, basis in given.items():
        assert all(LAW.fullmatch(part) for part in basis.split("；")), name
        assert "国办发" not in basis, "a notice gives no power to inspect"
        assert "府办发" not in basis
    by_agency = {SHANGHAI.items[name].agency for name in given}
    assert by_agency >= {"market_regulation", "fire", "emergency", "ecology", "construction", "transport"}
    assert SHANGHAI.items["fire-k2"].basis == SHANGHAI.items["fire-g1"].basis
    assert SHANGHAI.items["market_regulation-g1"].basis != SHANGHAI.items["market_regulation-k1"].basis


def test_what_has_no_basis_is_told_so_in_the_language_of_the_place() -> None:
    told = items(SHANGHAI).set_index("item")["legal_basis"]
    assert told["market_regulation-g2"] == "未载明"
    assert told["fire-g1"] == SHANGHAI.items["fire-g1"].basis
    assert (told.eq("未载明") == [not one.basis for one in SHANGHAI.items.values()]).all()
    plain = LOWMERE.to_toml().replace(', basis = "Byelaw 1"', "")
    assert (
        items(Place.loads(plain))
        .set_index("item")["legal_basis"]
        .filter(like="-papers")
        .eq("not given")
        .all()
    )


def test_the_basis_of_an_agency_goes_before_that_of_an_item_everywhere() -> None:
    agency, other = LOWMERE.ids("agency")[:2]
    made = Place.loads(LOWMERE.to_toml() + f'\n[basis]\n{agency} = {{ hulls = "A", all = "B" }}\n')
    assert [made.items[f"{agency}-{key}"].basis for key in ("papers", "hulls", "fires")] == ["B", "A", "B"]
    assert made.items[f"{other}-hulls"].basis == "Byelaw 2"
    assert made.hash == LOWMERE.hash, "a corrected basis makes no other place"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("[basis]\nnobody = { all = 'A' }", "is not an agency of the place"),
        ("[basis]\nharbour_board = { hull = 'A' }", "did you mean"),
        ("[basis]\nharbour_board = { hulls = 3 }", "must be a text"),
        ("[basis]\nharbour_board = 'A'", "must be a table"),
        ("basis = 3", "must be a table"),
    ],
)
def test_a_basis_that_cannot_be_is_refused(given: str, told: str) -> None:
    text = LOWMERE.to_toml()
    text = f"{given}\n{text}" if given.startswith("basis") else f"{text}\n{given}\n"
    with pytest.raises(PlaceError, match=re.escape(told)):
        Place.loads(text)
