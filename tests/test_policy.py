"""Policies: data in, every fault out, the baseline untouched."""

import copy
import csv
import io
import json
import math
import pickle
import re
import tempfile
import tomllib
import warnings
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tierkit
from tierkit.city.engine.engine import run
from tierkit.city.parameters import _leaves
from tierkit.city.synth import make
from tierkit.policy import (
    SPEC,
    UNITS,
    Policy,
    PolicyError,
    PolicyWarning,
    amend,
    check,
    diff,
    presets,
)
from tierkit.policy.files import loading
from tierkit.policy.specification import RENAMED, spec_of
from tierkit.records import SHANGHAI, DataError, Parameter
from tierkit.texts import is_text

HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.toml"))
REFORMS = sorted((HERE / "reforms").glob("*.toml"))
PLANS = {
    "shanghai-2025": "沪府办发〔2025〕1号",
    "chongming-2025": "沪崇府办发〔2025〕7号",
    "jiading-2025": "嘉府办发〔2025〕2号",
    "jinshan-2025": "金府办发〔2025〕4号",
    "minhang-2023": "闵行区持续优化营商环境激发市场活力行动方案(征求意见稿)",
}


def load(name):
    """Load a preset; one that draws no equal-chance audits warns of it, and is meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        return Policy.load(name)


@pytest.fixture(scope="module")
def legacy():
    return Policy.load("legacy")


# What is declared


def test_every_parameter_has_labels_a_unit_and_a_line_on_what_it_does():
    for path, spec in SPEC.items():
        assert spec.path == path
        assert spec.unit in UNITS
        for label in (spec.label, spec.about):
            assert re.search(r"[\u4e00-\u9fff]", label.zh), path
            assert label.en.isascii() or "×" in label.en, path
    labels = [spec.label for spec in SPEC.values()]
    assert len(set(labels)) == len(labels)


def test_no_path_is_both_a_table_and_a_parameter():
    tables = {path.rsplit(".", depth)[0] for path in SPEC for depth in range(1, path.count(".") + 1)}
    assert not tables & set(SPEC)


def test_renamed_paths_lead_to_what_exists():
    for old, new in RENAMED.items():
        assert old not in SPEC
        assert new in SPEC or any(path.startswith(f"{new}.") for path in SPEC)


# Presets


def test_presets_are_these():
    assert set(presets()) >= {"legacy", "uniform-3pct", "oracle", *PLANS}


@pytest.mark.parametrize("name", presets())
def test_a_preset_is_complete_sound_and_grounded(name):
    policy, problems = load(name), check(name)
    assert all(one.warning for one in problems)
    assert bool(problems) == (policy["frequency.random_floor"] == 0)
    assert policy.name == name
    assert tuple(policy.parameters) == tuple(spec_of(policy.place))
    for path, parameter in policy.parameters.items():
        assert parameter.unit == SPEC[path].unit
        assert parameter.source or parameter.assumption
        assert isinstance(parameter.from_, date)


@pytest.mark.parametrize(("name", "document"), PLANS.items())
def test_a_plan_cites_clauses_of_its_own_document(name, document):
    policy = Policy.load(name)
    assert policy.meta.document == document
    number = r"(?:[一二三四五]\([一二三四]\)\d|\([一二三四五六七八九十]+\)|\d+)"
    clause = re.compile(rf"{re.escape(document)} {number}(?:: |; |$)")
    inherited = Policy.load("legacy").parameters
    own = [one for path, one in policy.parameters.items() if one != inherited[path]]
    for one in own:
        assert one.source is None or clause.match(one.source)
    assert sum(one.source is not None for one in own) >= 0.9 * len(own)


# The numbers of the presets, from the table of preset parameters in the domain notes
TABLE = {
    "shanghai-2025": {
        "scoring.logic": "composite", "frequency.tier.T1.general": 0.2, "frequency.tier.T2.key": 0.5,
        "frequency.tier.T3.key": 1.0, "frequency.tier.T4.key": 1.0, "depth.tier.T4": 1.5,
        "lists.unmonitored.target_share": 0.22, "lists.no_disturb.target_share": 0.20, "campaign.rate": 0.05,
        "cap.planned_visits": 0, "check_code.unregistered_share": 0.02, "check_code.window_weeks": 4,
        "offsite.substitution": 0.8, "offsite.coverage": 0.1, "depth.inspector_sd": 0.1,
        "lenience.minor_waiver": 0.8, "repair.letters_take_up": 0.65, "repair.letters_mean_delay_weeks": 4.0,
        "professional_filter.recall": 0.6, "professional_filter.false_positive": 0.02,
        "commitment.check_share": 0.3,
    },
    "chongming-2025": {
        "scoring.logic": "matrix", "frequency.tier.T1.general": 0.0, "frequency.tier.T1.key": 1.0,
        "frequency.tier.T2.key": 1.0, "frequency.tier.T3.key": 1.5, "frequency.tier.T4.general": 2.0,
        "depth.tier.T4": 1.2, "lists.unmonitored.target_share": 0.22, "lists.no_disturb.target_share": 0.2,
        "check_code.unregistered_share": 0.02, "offsite.substitution": 0.8, "offsite.coverage": 0.1,
        "lenience.minor_waiver": 0.7, "repair.letters_take_up": 0.7, "professional_filter.recall": 0.5,
        "professional_filter.false_positive": 0.02, "commitment.check_share": 0.3,
    },
    "jiading-2025": {
        "scoring.logic": "matrix", "frequency.tier.T1.key": 0.15, "frequency.tier.T2.key": 1.0,
        "frequency.tier.T3.key": 1.0, "frequency.tier.T4.key": 2.0, "depth.tier.T4": 1.2,
        "check_code.unregistered_share": 0.01, "offsite.substitution": 0.9, "offsite.coverage": 0.2,
        "depth.inspector_sd": 0.05, "lenience.minor_waiver": 0.9, "lenience.off_list": True,
        "professional_filter.recall": 0.7, "professional_filter.false_positive": 0.04,
        "commitment.check_share": 0.3, "commitment.guidance": True,
    },
    "jinshan-2025": {
        "scoring.logic": "composite", "frequency.tier.T1.key": 0.1, "frequency.tier.T2.key": 0.5,
        "frequency.tier.T3.key": 1.3, "frequency.tier.T4.key": 2.5, "depth.tier.T4": 1.5,
        "lists.unmonitored.target_share": 0.3, "lists.no_disturb.target_share": 0.3, "campaign.rate": 0.05,
        "cap.planned_visits": 2, "check_code.unregistered_share": 0.0, "check_code.window_weeks": 9,
        "lenience.rectify_first": True, "professional_filter.recall": 0.7,
        "professional_filter.false_positive": 0.03, "commitment.check_share": 0.4,
    },
    "minhang-2023": {
        "scoring.logic": "matrix", "frequency.tier.T1.key": 0.7, "frequency.tier.T2.key": 1.0,
        "frequency.tier.T3.key": 1.2, "frequency.tier.T4.key": 1.5, "depth.tier.T4": 1.0,
        "scoring.scope_sectors": ("labour_dispatch", "ecology"), "lists.unmonitored.enabled": False,
        "campaign.rate": 0.0, "check_code.action": "none", "check_code.unregistered_share": 0.15,
        "offsite.substitution": 0.4, "offsite.coverage": 0.05, "depth.inspector_sd": 0.12,
        "lenience.minor_waiver": 0.6, "repair.take_up": 0.35, "repair.two_letters": False,
        "repair.mean_delay_weeks": 26.0, "professional_filter.recall": 0.0, "commitment.check_share": 0.6,
    },
    "uniform-3pct": {
        "frequency.random_floor": 0.03, "commitment.check_share": 0.0, "campaign.rate": 0.0,
        **{path: 0.0 for path in SPEC if path.startswith("frequency.tier.")},
    },
    "legacy": {"frequency.random_floor": 0.01, "scoring.rule_gradient": 0.5, "scoring.hidden_gradient": 0.0,
               "repair.take_up": 0.35, "lenience.minor_waiver": 0.5, "check_code.action": "none",
               "trigger.genuine": 0.35, "trigger.professional": 0.3, "professional_filter.weight": 0.08},
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_presets_hold_the_numbers_of_the_table(name):
    policy = Policy.load(name)
    assert {path: policy[path] for path in TABLE[name]} == TABLE[name]


def test_plans_differ_in_structure_as_their_texts_do():
    plan = {name: Policy.load(name) for name in PLANS}
    jiading, chongming = plan["jiading-2025"]["scoring.matrix"], plan["chongming-2025"]["scoring.matrix"]
    # both corners by AND: one cell each
    assert [sum(row.count(tier) for row in jiading) for tier in ("T1", "T4")] == [1, 1]
    assert (len(jiading), len(jiading[0]), jiading[0][0], jiading[2][2]) == (3, 3, "T1", "T4")
    # relief by AND, escalation by OR: a whole row and a whole column
    assert sum(row.count("T1") for row in chongming) == 1
    assert set(chongming[3]) == {row[3] for row in chongming} == {"T4"}
    # the class of credit alone
    assert len(set(plan["minhang-2023"]["scoring.matrix"])) == 1
    assert [name for name in PLANS if plan[name]["cap.planned_visits"]] == ["jinshan-2025"]
    assert [name for name in PLANS if not plan[name]["lists.unmonitored.enabled"]] == ["minhang-2023"]
    assert [name for name in PLANS if not plan[name]["repair.two_letters"]] == ["minhang-2023"]
    assert len({tuple(diff(plan[a], plan[b])["parameter"]) for a in plan for b in plan if a < b}) == 10


def test_list_shares_fit_the_items_named():
    for name in PLANS:
        policy = Policy.load(name)
        assert len(policy["lists.no_disturb.items"]) / 60 == pytest.approx(
            policy["lists.no_disturb.target_share"]
        )


def test_legacy_treats_all_tiers_alike(legacy):
    assert {one for row in legacy["frequency.tier"].values() for one in row.values()} == {1.0}
    assert set(legacy["depth.tier"].values()) == {1.0}


def test_only_the_oracle_sees_the_truth():
    assert [name for name in presets() if load(name).oracle] == ["oracle"]


# Reforms


@pytest.mark.parametrize("path", REFORMS, ids=lambda path: path.stem)
def test_golden_reforms(path):
    # written by hand beside each reform; a value is shown as Python writes it
    reform = Policy.load(path)
    wanted = tomllib.loads(path.read_text("utf-8"))["meta"]["baseline"]
    baseline = Policy.load(path.parent / wanted if wanted.endswith(".toml") else wanted)
    assert reform.meta.baseline == baseline.name
    rows = [[str(cell) for cell in row] for row in diff(baseline, reform).itertuples(index=False)]
    with path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        header, *expected = csv.reader(file)
    assert header == ["parameter", "a", "b", "unit", "source"]
    assert rows == expected


def test_a_reform_never_changes_its_baseline(legacy):
    before, text = legacy.hash, legacy.to_toml()
    values = [[0.2, 0.3, 0.4], ["gas"], [["T1"] * 4] * 4]
    changes = {"scoring.risk_cutoffs": values[0], "joint.sectors": values[1], "scoring.matrix": values[2]}
    reform = legacy.reform(changes)
    for one in values:
        one.clear()  # what was passed in is not what is kept
    assert reform["scoring.risk_cutoffs"] == (0.2, 0.3, 0.4)
    assert reform["joint.sectors"] == ("gas",)
    assert reform["scoring.matrix"] == (("T1",) * 4,) * 4
    assert (legacy.hash, legacy.to_toml()) == (before, text)
    assert legacy == Policy.load("legacy")
    assert reform != legacy


def test_a_policy_cannot_be_changed(legacy):
    with pytest.raises(TypeError):
        legacy.values["depth"]["detection"] = 1  # noqa: PD011 (a policy, not a frame)
    with pytest.raises(TypeError):
        legacy.parameters["depth.detection"] = 1
    with pytest.raises(AttributeError):
        legacy.name = "other"
    with pytest.raises(AttributeError):
        legacy.parameter("depth.detection").value = 1
    legacy["depth.tier"]["T1"] = 9  # a dictionary of one's own
    assert legacy["depth.tier"]["T1"] == 1


def test_all_ways_to_say_a_change_agree(legacy, tmp_path):
    leaf = {"value": 0.8, "unit": "probability", "assumption": "why"}
    path = tmp_path / "reform.toml"
    inline = '{ value = 0.8, unit = "probability", assumption = "why" }'
    path.write_text(f'[meta]\nname = "r"\n[depth]\ndetection = {inline}\n', encoding="utf-8")
    ways = [
        legacy.reform({"depth.detection": 0.8}, name="r", assumption="why"),
        legacy.reform({"depth": {"detection": 0.8}}, name="r", assumption="why"),
        legacy.reform({"depth.detection": leaf}, name="r"),
        legacy.reform({"depth": {"detection": leaf}}, name="r"),
        legacy.reform({"depth.detection": Parameter(0.8, "probability", assumption="why")}, name="r"),
        legacy.reform(path),
        legacy.reform(str(path), name="r"),
    ]
    assert {one.hash for one in ways} == {ways[0].hash}
    assert {one.parameter("depth.detection") for one in ways} == {ways[0].parameter("depth.detection")}
    assert {one.name for one in ways} == {"r"}


def test_changes_below_a_table_may_be_dotted(legacy):
    reform = legacy.reform({"frequency": {"tier.T4": {"key": 2, "general": 3}}})
    assert reform["frequency.tier.T4"] == {"general": 3.0, "key": 2.0}


def test_an_empty_reform_acts_like_its_baseline(legacy):
    reform = legacy.reform({})
    assert diff(legacy, reform).empty
    assert reform.hash == legacy.hash


def test_reforms_of_reforms_keep_earlier_changes(legacy):
    both = legacy.reform({"depth.detection": 0.8}, name="a").reform({"cap.planned_visits": 3}, name="b")
    assert list(diff(legacy, both)["parameter"]) == ["depth.detection", "cap.planned_visits"]
    assert both.meta.baseline == "a"


def test_a_file_is_applied_to_the_baseline_that_it_names(legacy):
    path = HERE / "reforms" / "denser.toml"
    assert Policy.load("jiading-2025").reform(path) == Policy.load(path)
    with pytest.raises(PolicyError, match=r"'meta\.baseline' = 'jiading-2025' is not 'legacy'"):
        legacy.reform(path)
    twin = Policy.load("jiading-2025").reform({}, name="twin")  # acts alike, whatever its name
    assert twin.reform(path)["frequency.random_floor"] == 0.02


def test_hash_follows_values_alone(legacy):
    other = legacy.reform(
        {"depth.detection": {"value": 0.7, "unit": "probability", "source": "elsewhere"}}, name="x"
    )
    assert other.hash == legacy.hash
    assert other != legacy
    hashes = {legacy.reform({"depth.detection": 0.7 + step}).hash for step in (1e-12, 1e-9, 0.1)}
    assert len(hashes | {legacy.hash}) == 4
    assert legacy.reform({"scoring.sector_offset.gas": -0.0}).hash == legacy.hash
    seeing = legacy.reform({}).to_toml().replace("oracle = false", "oracle = true")
    assert Policy.loads(seeing).hash != legacy.hash


def test_policies_survive_copies_and_process_boundaries(legacy):
    for twin in (pickle.loads(pickle.dumps(legacy)), copy.deepcopy(legacy)):
        assert twin == legacy
        assert hash(twin) == hash(legacy)
    with pytest.raises(PolicyError) as caught:
        legacy.reform({"eps": 2})
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.problems == caught.value.problems


# Files


@pytest.mark.parametrize("name", presets())
@pytest.mark.filterwarnings("ignore::tierkit.policy.PolicyWarning")
def test_a_policy_round_trips_through_toml(name, legacy):
    policy = load(name)
    base = legacy if policy.place in (None, legacy.place) else load(policy.meta.baseline)
    assert Policy.loads(policy.to_toml()) == policy
    short = Policy.loads(policy.to_toml(against=base))
    assert short.hash == policy.hash
    assert short.parameters == policy.parameters
    assert set(tomllib.loads(policy.to_toml(against=policy))) == {"meta"}, "more than the heading"


NUMBERS = [
    path for path, spec in SPEC.items() if spec.kind == "number" and not path.startswith("scoring.target")
]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_reform_within_the_ranges_round_trips(data):
    policy = Policy.load("legacy")
    changes = {}
    for path in data.draw(st.lists(st.sampled_from(NUMBERS), max_size=6)):
        spec = SPEC[path]
        number = st.floats(spec.low, spec.high, exclude_min=spec.inside, exclude_max=spec.inside)
        changes[path] = data.draw(number)
    why = data.draw(st.text(st.characters(codec="utf-8"), min_size=1).filter(is_text))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)  # a drawn floor may be 0
        reform = policy.reform(changes, name="drawn", assumption=why)
        assert Policy.loads(reform.to_toml()) == reform
    assert {path: reform[path] for path in changes} == changes
    assert set(diff(policy, reform)["parameter"]) == {
        path for path in changes if changes[path] != policy[path]
    }


SCRAPS = st.one_of(st.floats(), st.text(max_size=3), st.lists(st.text(max_size=2), max_size=2))
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(SCRAPS, max_size=4),
    st.dictionaries(st.sampled_from(["value", "unit", "from", "x"]), st.integers(), max_size=3),
)
ANY_NAME = st.sampled_from([*SPEC, *RENAMED, "frequency", "scoring.matrix", "nothing", "meta"])


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(ANY_NAME, ANYTHING, max_size=4))
def test_whatever_is_given_the_answer_is_a_sound_policy_or_a_list_of_problems(changes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        try:
            reform, problems = Policy.load("legacy").reform(changes), ()
        except PolicyError as error:
            reform, problems = None, error.problems
    assert (reform is None) == bool(problems)
    assert all(one.message and one.remedy for one in problems)
    if reform is not None:
        numbers = [reform[path] for path in changes if isinstance(reform[path], float)]
        assert all(map(math.isfinite, numbers))


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(max_size=60), st.binary(max_size=60)))
def test_check_never_raises(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
        assert check(path)


# Faults


def _expected(path):
    """Return (whether a warning, line, message) of each line at the foot of a broken file."""
    for line in path.read_text("utf-8").splitlines():
        found = re.fullmatch(r"# (problem|warning)(?:, line (\d+))?: (.+)", line)
        if found:
            yield found[1] == "warning", found[2] and int(found[2]), found[3]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_fault_has_its_message_its_line_and_a_remedy(path):
    problems, expected = check(path), list(_expected(path))
    assert len(problems) == len(expected)
    for problem, (warning, line, message) in zip(problems, expected, strict=True):
        assert (problem.warning, problem.line) == (warning, line)
        assert problem.message == message or (
            message.endswith("…") and problem.message.startswith(message[:-1])
        )
        assert problem.remedy
        assert problem.place.endswith(".toml")
    errors = [one for one in problems if not one.warning]
    if errors:
        with pytest.raises(PolicyError) as caught:
            Policy.load(path)
        assert list(caught.value.problems) == errors
    else:
        with pytest.warns(PolicyWarning) as seen:
            Policy.load(path)
        assert len(seen) == len(problems)


def test_a_sound_file_has_no_problem(tmp_path):
    path = tmp_path / "good.toml"
    path.write_text('[meta]\nname = "good"\nbaseline = "legacy"\n', encoding="utf-8")
    assert check(path) == []


def test_all_problems_stand_in_one_message():
    with pytest.raises(PolicyError) as caught:
        Policy.load(HERE / "bad" / "several.toml")
    assert str(caught.value) == (
        "several.toml: 'freq.T4' was renamed 'frequency.tier.T4'; "
        "'frequency.random_floor' = -1 must be in [0, 1]; "
        "'depth.detektion' is not a parameter (did you mean 'depth.detection'?)  (3 problems)"
    )


@pytest.mark.parametrize(
    ("given", "hint", "in_file"),
    [
        ("frequency.tier.D.key", "'frequency.tier' has T1, T2, T3, T4", "has T1, T2, T3, T4"),
        ("frequncy.tier.T4.key", "did you mean 'frequency.tier.T4.key'?", "did you mean 'frequency'?"),
        ("frequency.tier.T4.kye", "did you mean 'frequency.tier.T4.key'?", "'frequency.tier.T4.key'?"),
        ("cap.random_flor", "'cap' has planned_visits, levels, period_weeks", "'cap' has planned"),
    ],
)
def test_an_unknown_name_gets_the_nearest_or_those_that_there_are(legacy, tmp_path, given, hint, in_file):
    with pytest.raises(PolicyError, match=re.escape(f"'{given}' is not a parameter ({hint})")):
        legacy.reform({given: 2})
    file = tmp_path / "table.toml"
    table, _, key = given.rpartition(".")
    file.write_text(
        f'[meta]\nname = "x"\nbaseline = "legacy"\n\n[{table}]\n'
        f'{key} = {{ value = 2, unit = "multiple", assumption = "to see" }}\n',
        "utf-8",
    )
    (problem,) = check(file)
    assert in_file in problem.message


def test_a_file_may_begin_with_a_byte_order_mark_and_a_warning_says_what_to_do(tmp_path):
    file = tmp_path / "marked.toml"
    dark = 'random_floor = { value = 0, unit = "draws/obligation-year", assumption = "to see" }'
    text = f'[meta]\nname = "marked"\nbaseline = "legacy"\n[frequency]\n{dark}\n'
    file.write_text(text, encoding="utf-8-sig")
    with pytest.warns(PolicyWarning, match=r"the inspected do not\. Set a floor \(0\.01 is usual\)"):
        assert Policy.load(file)["frequency.random_floor"] == 0


def test_old_names_are_refused_however_they_are_written(legacy):
    for changes in ({"freq.T4.key": 2}, {"freq": {"T4": {"key": 2}}}, {"freq": {"T4.key": 2}}):
        with pytest.raises(PolicyError) as caught:
            legacy.reform(changes)
        assert [one.message for one in caught.value.problems] == ["'freq.T4' was renamed 'frequency.tier.T4'"]
    with pytest.raises(PolicyError, match=r"'depth\.detection' is given twice"):
        legacy.reform({"depth.detection": 0.8, "depth": {"detection": 0.9}})


def test_problems_of_a_reform_name_the_reform(legacy):
    with pytest.raises(
        PolicyError, match=re.escape("reform 'x': 'depth.detection' = 2 must be in [0, 1]  (1 problem)")
    ):
        legacy.reform({"depth.detection": 2}, name="x")


def test_files_that_cannot_be_read(tmp_path):
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'name = "Jos\xe9"\n')
    assert [one.message for one in check(latin)] == ["the file is not UTF-8: byte 11 is 0xe9"]
    for lost in (tmp_path / "lost.toml", tmp_path, "x" * 5000, "sanghai-2025"):
        (problem,) = check(lost)
        assert problem.message.startswith("neither a preset nor a file")
    assert "did you mean 'shanghai-2025'" in problem.message
    deep = tmp_path / "deep.toml"
    deep.write_text("a = " + "[" * 10_000, encoding="utf-8")
    assert check(deep)[0].message == "the file is nested more than 32 levels deep"


def test_a_chain_of_baselines_is_relative_to_each_file(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.toml").write_text('[meta]\nname = "a"\nbaseline = "sub/b.toml"\n', encoding="utf-8")
    (tmp_path / "sub" / "b.toml").write_text('[meta]\nname = "b"\nbaseline = "c.toml"\n', encoding="utf-8")
    (tmp_path / "sub" / "c.toml").write_text('[meta]\nname = "c"\nbaseline = "legacy"\n', encoding="utf-8")
    assert Policy.load(tmp_path / "a.toml").hash == Policy.load("legacy").hash


def test_a_file_that_bears_the_name_of_a_preset_is_the_preset(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(Policy.load("shanghai-2025").to_toml(), encoding="utf-8")
    assert Policy.load(path) == Policy.load("shanghai-2025")
    # A run writes a preset of any place as it is in the run's place.
    path.write_text(Policy.load("generic").at(SHANGHAI).to_toml(), encoding="utf-8")
    assert Policy.load(path) == Policy.load("generic").at(SHANGHAI)
    other = Policy.load("shanghai-2025").reform({"depth.detection": 0.8, "cap.planned_visits": 9})
    path.write_text(other.to_toml().replace('"reform"', '"shanghai-2025"', 1), encoding="utf-8")
    (problem,) = check(path)
    assert (problem.line, problem.parameter) == (2, "meta.name")
    assert "which differs in 'depth.detection' and 1 more" in problem.message
    with pytest.raises(PolicyError, match="is the name of a preset"):
        Policy.load(path)
    (tmp_path / "on_it.toml").write_text('[meta]\nname = "on it"\nbaseline = "mine.toml"\n', encoding="utf-8")
    with pytest.raises(PolicyError, match="is the name of a preset"):
        Policy.load(tmp_path / "on_it.toml")


@pytest.mark.parametrize("name", ["Legacy", "legacy ", "ＬＥＧＡＣＹ", "leg\u200bacy", "le\u00adgacy"])
def test_a_name_that_looks_like_that_of_a_preset_is_that(tmp_path: Path, name: str) -> None:
    path = tmp_path / "mine.toml"
    text = f'[meta]\nname = "{name}"\nbaseline = "legacy"\n'
    path.write_text(text, encoding="utf-8")
    assert Policy.load(path).hash == Policy.load("legacy").hash
    path.write_text(
        text + '[depth]\ndetection = { value = 0.1, unit = "probability", assumption = "mine" }\n',
        encoding="utf-8",
    )
    with pytest.raises(PolicyError, match=r"is the name of a preset, which differs in 'depth.detection'"):
        Policy.load(path)


@pytest.mark.parametrize("name", ["jiading-2025", "Jiading-2025"])
def test_the_name_of_a_preset_is_refused_to_another_policy_however_it_is_made(legacy, tmp_path, name):
    said = f"'meta.name' = '{name}' is the name of a preset, which differs in 'scoring"
    with pytest.raises(PolicyError, match=said) as caught:
        legacy.reform({"depth.detection": 0.8}, name=name)
    assert caught.value.problems[0].remedy == "give the policy a name of its own"
    text = legacy.reform({"depth.detection": 0.8}).to_toml().replace('"reform"', f'"{name}"', 1)
    with pytest.raises(PolicyError, match=said):
        Policy.loads(text)
    file = tmp_path / "jiading-2025.toml"
    value = '{ value = 0.1, unit = "probability", assumption = "mine" }'
    file.write_text(f'[meta]\nname = "{name}"\n[depth]\ndetection = {value}\n')
    with pytest.raises(PolicyError, match="is the name of a preset"):
        legacy.reform(file)
    assert legacy.reform(file, name="mine").name == "mine"
    assert legacy.reform({"depth.detection": 0.8}).name == "reform"


def test_a_preset_keeps_its_name_in_a_place_and_on_a_day_and_comes_back(legacy, monkeypatch):
    assert legacy.reform({}, name="legacy").hash == legacy.hash
    here = Policy.load("generic").at(SHANGHAI)
    assert here.name == "generic"
    assert Policy.loads(here.to_toml()) == here
    later = Parameter(0.8, "probability", assumption="x", from_=date(2030, 1, 1))
    shanghai = Policy.load("shanghai-2025").reform({"depth.detection": later})
    content = loading.Content("shanghai-2025", shanghai.meta, shanghai.parameters)
    preset = loading.load
    monkeypatch.setattr(
        loading, "load", lambda path, above, *of: (content, None) if not above else preset(path, above, *of)
    )
    with pytest.warns(PolicyWarning, match="from 2030-01-01 on"):
        today = replace(shanghai, name="shanghai-2025").on(date(2026, 1, 1))
    assert Policy.loads(today.to_toml())["depth.detection"] == 0.7


def test_numbers_of_numpy_are_those_of_python_at_any_depth(legacy):
    plain = legacy.reform(
        {"cap": {"planned_visits": 3}, "scoring": {"risk_cutoffs": [0.1, 0.2, 0.4]}}, name="one"
    )
    changes = {
        "cap": {"planned_visits": np.int64(3)},
        "scoring": {"risk_cutoffs": [np.float64(0.1), np.float64(0.2), np.float64(0.4)]},
    }
    of_numpy = legacy.reform(changes, name="one")
    assert of_numpy == plain
    assert type(of_numpy["cap.planned_visits"]) is int
    assert [type(one) for one in of_numpy["scoring.risk_cutoffs"]] == [float] * 3
    leaf = {"value": np.float64(0.8), "unit": "probability", "assumption": "a trial"}
    for one in (leaf, Parameter(np.float64(0.8), "probability", assumption="a trial")):
        assert type(legacy.reform({"depth": {"detection": one}})["depth.detection"]) is float


LATER = """[meta]
name = "later"
baseline = "shanghai-2025"
[depth]
detection = { value = 0.8, unit = "probability", from = 2026-01-01, assumption = "from the new year" }
[cap]
planned_visits = { value = 9, unit = "visits/level/period", from = 2025-01-01, assumption = "as the plan" }
"""


def test_a_value_is_in_force_from_its_date_and_the_baselines_before(tmp_path):
    path = tmp_path / "later.toml"
    path.write_text(LATER, encoding="utf-8")
    policy, shanghai = Policy.load(path), Policy.load("shanghai-2025")
    with pytest.warns(
        PolicyWarning, match=r"'depth.detection' of 'later' is 0.8 from 2026-01-01 on, and 0.7"
    ):
        before = policy.on(date(2025, 12, 31))
    assert (before["depth.detection"], before["cap.planned_visits"]) == (0.7, 9)  # one is as old as the plan
    assert list(diff(shanghai, before)["parameter"]) == ["cap.planned_visits"]
    assert before.on(date(2025, 12, 31)) is before
    since = policy.on(date(2026, 1, 1))
    assert since is policy
    assert since["depth.detection"] == 0.8
    assert policy.at(policy.place, date(2026, 1, 2)) is policy
    again = Policy.loads(policy.to_toml())
    assert again == policy
    assert again.parameter("depth.detection").before == 0.7
    meant = Policy.loads(LATER.replace("baseline", "date = 2026-01-01\nbaseline"))
    assert meant.on(date(2020, 1, 1))["depth.detection"] == 0.8  # the whole policy is asked about earlier
    assert policy.hash != meant.hash


def test_the_engine_takes_a_policy_as_it_is_in_force_on_the_day_of_the_world():
    world = make(60, 1)[1]
    shanghai = Policy.load("shanghai-2025")
    later = Parameter(0.8, "probability", assumption="from 2030", from_=date(2030, 1, 1))
    with pytest.warns(PolicyWarning, match=r"is 0\.8 from 2030-01-01 on, and 0\.7 on"):
        done = run(world, shanghai.reform({"depth.detection": later}), weeks=4)
    pd.testing.assert_frame_equal(done.table(), run(world, shanghai, weeks=4).table())


@pytest.mark.parametrize("nothing", [None, "", " \u3000", "\u200b"])
def test_a_parameter_of_a_world_needs_a_ground_that_shows_something(nothing):
    leaf = {"value": 1.0, "unit": "years", "source": nothing, "assumption": nothing}
    with pytest.raises(DataError, match="needs a unit and a source or an assumption"):
        dict(_leaves({"half_life": leaf}, "world.toml"))
    ((path, parameter),) = _leaves({"half_life": {**leaf, "assumption": "why"}}, "world.toml")
    assert (path, parameter.assumption) == ("half_life", "why")


def test_a_value_before_needs_a_date_and_fits_as_the_value_does():
    bare = LATER.replace("from = 2026-01-01", "before = 0.5")
    with pytest.raises(PolicyError, match="has a value before, and no date until which it holds"):
        Policy.loads(bare)
    with pytest.raises(PolicyError, match=r"'depth.detection' has before = 7 must be"):
        Policy.loads(LATER.replace("from = 2026-01-01", "before = 7, from = 2026-01-01"))


@pytest.mark.parametrize("blank", ["", "  ", "\t", "\u3000", "\u00a0", "\u200b", "\ufeff \u2060"])
@pytest.mark.parametrize("key", ["source", "assumption"])
def test_a_ground_that_shows_nothing_is_none(key, blank):
    text = LATER.replace('assumption = "from the new year"', f"{key} = {json.dumps(blank)}")
    with pytest.raises(PolicyError, match=f"has {key} = .*, not a text with anything in it"):
        Policy.loads(text)


def test_zero_random_floor_is_a_warned_choice(legacy):
    with pytest.warns(PolicyWarning, match="without equal-chance audits"):
        assert legacy.reform({"frequency.random_floor": 0})["frequency.random_floor"] == 0
    with pytest.raises(PolicyError, match="needs an assumption"):
        legacy.reform(
            {"frequency.random_floor": {"value": 0, "unit": "draws/obligation-year", "source": "x"}}
        )


# Reading values


def test_tables_and_leaves(legacy):
    assert legacy["trigger.followup"] == {"minor": 0.1, "moderate": 0.3, "serious": 0.8}
    nested = legacy.values  # noqa: PD011 (a policy, not a frame)
    assert nested["lists"]["unmonitored"]["enabled"].value is False
    assert set(nested) == {path.partition(".")[0] for path in SPEC}
    with pytest.raises(KeyError, match=r"did you mean 'frequency\.random_floor'"):
        legacy["frequency.random_flor"]
    with pytest.raises(KeyError, match=r"did you mean 'depth\.detection'"):
        legacy.parameter("depth.detecton")
    with pytest.raises(KeyError, match="a table of parameters"):
        legacy.parameter("depth.tier")


def test_diff_shows_the_oracle_too(legacy):
    assert "meta.oracle" in set(diff(legacy, Policy.load("oracle"))["parameter"])


class _Texts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_a_policy_shows_as_escaped_html(legacy):
    nasty = '<script>alert("x")</script> & \u202eevil'
    reform = legacy.reform({"scoring.reference": nasty}, name=nasty, assumption=nasty)
    page = _Texts()
    page.feed(reform._repr_html_())
    assert page.tags == {"div", "h4", "p", "details", "summary", "table", "tbody", "tr", "td"}
    assert nasty in page.texts
    assert all(path in page.texts for path in SPEC)


def test_every_problem_fits_a_table(legacy):
    frame = pd.DataFrame(check(HERE / "bad" / "several.toml"))
    assert list(frame.columns) == ["place", "line", "parameter", "message", "remedy", "warning"]
    frame.to_csv(io.StringIO())


# Files changed in place


def test_amending_a_file_keeps_its_comments_and_everything_else(tmp_path):
    text = (HERE / "reforms" / "denser.toml").read_text("utf-8")
    changes = {"frequency.random_floor": 0.03, "frequency.tier.T3.key": 2, "cap.planned_visits": 4}
    reform = Policy.load("jiading-2025").reform(changes, assumption="it is")
    path = tmp_path / "amended.toml"
    path.write_text(amend(text, {one: reform.parameter(one) for one in changes}), encoding="utf-8")
    amended = Policy.load(path)
    assert {one: amended[one] for one in changes} == changes
    assert amended["frequency.tier.T4"] == {"general": 3.0, "key": 3.0}
    kept = [line for line in text.splitlines() if not line.startswith("random_floor")]
    assert set(kept) <= set(path.read_text("utf-8").splitlines())


@pytest.mark.parametrize("name", presets())
def test_amending_a_preset_with_its_own_values_changes_nothing(name):
    policy = load(name)
    text = (Path(tierkit.__file__).parent / "policy" / "presets" / f"{name}.toml").read_text("utf-8")
    written = tomllib.loads(text)
    own = [path for path in SPEC if path.partition(".")[0] in written][:9]
    again = amend(text, {path: policy.parameter(path) for path in own})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        assert Policy.loads(again).hash == policy.hash


def test_amending_refuses_what_it_would_break():
    new = {"joint.sectors": Parameter(("gas",), "names", assumption="x")}
    spread = '[joint]\nsectors = { value = [\n  "gas",\n], unit = "names" }\n'
    with pytest.raises(PolicyError, match="several lines"):
        amend(spread, new)
