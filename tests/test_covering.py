"""Clauses: every one is mapped, every reference exists, and presets and clauses name each other."""

import json
import re
import tomllib
import unicodedata
import warnings
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

import tierkit.report
from tierkit import plot
from tierkit.city.parameters import parameters
from tierkit.cli.app import app
from tierkit.compare.measures import MEASURES
from tierkit.compare.outcomes import levels_of
from tierkit.policy import (
    INSTRUMENTS,
    PLANS,
    REFERENCES,
    SPEC,
    STANDINGS,
    Policy,
    PolicyError,
    PolicyWarning,
    clauses_naming,
    coverage,
    coverage_summary,
    presets,
)
from tierkit.policy.plans.covering import STEPS, clauses, read_clauses
from tierkit.records import SHANGHAI, TABLES

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tierkit" / "policy" / "plans" / "clauses.toml"
SHARED = ROOT.parent / "shared"
SEEDS = SHARED / "seed_clauses.json"
MORE = SHARED / "domain" / "MISSED.json"
TEXTS = SHARED / "seeds"
CODE = re.compile(r"\b[CI]\d{1,2}\b")

SUBJECTS = {
    "T": 17, "K": 16, "R": 4, "L": 9, "D": 9, "Q": 9, "P": 15, "O": 10, "G": 10, "A": 10, "E": 6, "F": 10,
    "H": 3,
}  # fmt: skip
"""Letter of a subject → how many clauses it has; counted by hand in the lists of what the plans order."""

OTHER_CLAUSE = {
    "K7": "its multiples are cited to the clause on graded inspection",
    "T14": "its multiples are cited to the clause on graded inspection",
}
"""Clause that names parameters which its plan sets, but cites to another of its clauses → why."""

ORDERED_OFF = {
    "check_code.unregistered_share": "off means that no inspection escapes the code",
    "campaign.rate": "off means that nothing is enforced by campaign",
}
"""Parameter whose value under which its instrument is off is what a plan orders → why."""


def load(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)  # ladders without equal-chance audits are meant
        return Policy.load(name)


def existing():
    """Return every name that a reference may have, from where it is declared."""
    root = get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    measures = {one.name for one in MEASURES}
    return {
        "world": set(parameters()),
        "figure": measures
        | {f"{one.name}/{group}" for one in MEASURES for group in one.groups}
        | set(plot.__all__),
        "output": set(root.commands) | set(tierkit.report.__all__),
        "record": {f"{table.name}.{column.name}" for table in TABLES.values() for column in table},
        "step": set(STEPS),
        "policy": set(SPEC),
        "shown": measures
        | {
            f"{one.name}/{g}/{level}"
            for one in MEASURES
            for g in one.groups
            for level in levels_of(SHANGHAI)[g]
        },
    }


# The clauses


def test_every_subject_has_its_clauses_and_each_is_mapped():
    own = [one for one in clauses().values() if not one.extra]
    assert [one.id for one in own] == [
        f"{letter}{number + 1}" for letter, count in SUBJECTS.items() for number in range(count)
    ]
    for one in clauses().values():
        assert one.carried_by or one.outside, one.id
    assert [one.id for one in clauses().values() if one.extra] == [f"X{n}" for n in range(1, 8)]
    assert list(clauses()) == list(tomllib.loads(FILE.read_text("utf-8")))


def test_each_clause_is_of_a_plan_by_its_official_number():
    documents = {load(name).meta.document for name in PLANS}
    assert {one.document for one in clauses().values()} == documents
    number = re.compile(
        r"[一二三四五]\([一二三四五六七八九十]+\)\d?|[一五]\d|\([一二三四五六七八九十]+\)|\d{1,2}"
    )
    sources = (ROOT / "docs" / "sources.md").read_text("utf-8")
    for one in clauses().values():
        assert number.fullmatch(one.clause), one.id
        assert one.document.removeprefix("闵行区").removesuffix("(征求意见稿)") in sources


def test_statements_are_in_both_languages():
    for one in clauses().values():
        for label in filter(None, (one.statement, one.outside)):
            assert re.search(r"[\u4e00-\u9fff]", label.zh), one.id
            assert label.zh.endswith("。")
            assert label.en.endswith(".")
            assert label.en.isascii(), one.id
        assert len(one.statement.zh) <= 40
        assert len(one.statement.en) <= 130


TERMS = ("无感监测", "无感监管", "检查码", "双随机", "两书同达", "无事不扰", "重点关注", "风险+信用")


def bare(text):
    return re.sub(r"[\W_]", "", text)


@pytest.mark.skipif(not MORE.exists(), reason="the lists of clauses with their quotes are not here")
def test_clauses_are_those_of_the_lists():
    code = dict(
        zip(("SH", "CM", "JD", "JS", "MH"), (load(name).meta.document for name in PLANS), strict=True)
    )
    listed, more = (json.loads(file.read_text("utf-8")) for file in (SEEDS, MORE))
    own = {one.id: (one.document, one.clause) for one in clauses().values() if not one.extra}
    first = {one["id"]: (code[one["doc"]], one["clause"]) for one in listed}
    assert {key: own[key] for key in first} == first
    assert {own[key] for key in own.keys() - first} <= {(code[one["doc"]], one["clause"]) for one in more}


@pytest.mark.skipif(not TEXTS.exists(), reason="the plans' texts are not here")
def test_clauses_are_in_our_own_words():
    texts = [bare(unicodedata.normalize("NFKC", file.read_text("utf-8"))) for file in TEXTS.glob("*.txt")]
    assert len(texts) == len(PLANS)
    for one in clauses().values():
        said = one.statement.zh
        for term in TERMS:
            said = said.replace(term, "\t")
        words = bare(said)
        assert all(words[i : i + 13] not in text for text in texts for i in range(len(words) - 12)), one.id


# What references lead to


def test_every_reference_leads_to_what_exists():
    names = existing()
    assert set(names) == {*REFERENCES, "shown"}
    assert list(read_clauses(FILE.read_text("utf-8"), FILE.name, names)) == list(clauses())


def test_every_step_is_described_where_it_says():
    text = (ROOT / "docs" / "engine.md").read_text("utf-8")
    assert [name for name, words in STEPS.items() if words not in text] == []


def test_every_kind_of_reference_and_every_step_but_the_unordered_is_used():
    used = {one for clause in clauses().values() for one in clause.carried_by}
    assert {one.kind for one in used} == set(REFERENCES)
    # No clause speaks of how enterprises behave, who enters and leaves, or what is put off.
    assert {one.name for one in used if one.kind == "step"} == set(STEPS) - {
        "behaviour",
        "register",
        "capacity",
    }


# Presets and clauses


@pytest.mark.parametrize("name", presets())
def test_every_value_names_its_clause_its_published_source_or_is_assumed(name):
    documents = {load(plan).meta.document for plan in PLANS}
    sources = (ROOT / "docs" / "sources.md").read_text("utf-8")
    listed = {one[1] for one in re.finditer(r"^\| ([CI]\d{1,2}) \|", sources, re.MULTILINE)}
    for path, parameter in load(name).parameters.items():
        document = next((one for one in documents if (parameter.source or "").startswith(f"{one} ")), None)
        if document:
            clause = re.split(r"[:;]", parameter.source.removeprefix(f"{document} "))[0]
            naming = [one for one in clauses_naming(path) if (one.document, one.clause) == (document, clause)]
            assert naming, f"{name}: no clause {clause} of {document} names {path}"
        elif parameter.source:
            codes = CODE.findall(parameter.source)
            law = parameter.source.split(":")[0]
            assert codes or law in sources, f"{name}: {path} cites {parameter.source!r}"
            assert set(codes) <= listed
        else:
            assert parameter.assumption, path


OFF = {path: value for instrument in INSTRUMENTS.values() for path, value in instrument.off.items()}


@cache
def set_by(document):
    """Return parameter → its source, of those that the preset of a plan sets by its text and leaves on."""
    plan = next(plan for plan in map(load, PLANS) if plan.meta.document == document)
    legacy = load("legacy").parameters
    return {
        path: one.source
        for path, one in plan.parameters.items()
        if one != legacy[path]
        and (one.source or "").startswith(f"{document} ")
        and (path in ORDERED_OFF or path not in OFF or not same(one.value, OFF[path]))
    }


def same(value, off):
    return list(value) == off if isinstance(off, list) else value == off


def settings(one):
    """Return reference of a clause → the parameters in it that the preset of its plan sets → their source."""
    return {
        by.name: {
            path: source
            for path, source in set_by(one.document).items()
            if f"{path}.".startswith(f"{by.name}.")
        }
        for by in one.carried_by
        if by.kind == "policy"
    }


@pytest.mark.parametrize("key", clauses())
def test_a_clause_names_only_what_the_preset_of_its_own_plan_sets_and_leaves_on(key):
    assert [name for name, found in settings(clauses()[key]).items() if not found] == []


def test_what_a_clause_names_is_cited_to_it():
    elsewhere = set()
    for one in clauses().values():
        named, cited = settings(one), f"{one.document} {one.clause}"
        if named and not any(
            source.startswith(cited) for found in named.values() for source in found.values()
        ):
            elsewhere.add(one.id)
    assert elsewhere == set(OTHER_CLAUSE)


def test_what_a_plan_may_order_off_is_off_in_one_whose_clause_names_it():
    plans = {plan.meta.document: plan for plan in map(load, PLANS)}
    named = {(by.name, one.document) for one in clauses().values() for by in one.carried_by}
    used = {path for path, document in named if path in ORDERED_OFF and plans[document][path] == OFF[path]}
    assert used == set(ORDERED_OFF)


def test_what_is_off_counts_as_not_set():
    document = load("minhang-2023").meta.document
    assert load("minhang-2023").parameters["repair.two_letters"].source.startswith(document)
    assert "repair.two_letters" not in set_by(document)
    assert "repair.take_up" in set_by(document)
    assert "campaign.rate" in set_by(document)  # a plan may order it off
    assert same(load("legacy")["joint.sectors"], OFF["joint.sectors"])


@pytest.mark.parametrize("name", [name for name in PLANS if load(name)["lists.unmonitored.enabled"]])
def test_the_plans_with_a_list_fill_it_for_each_agency(name):
    # D1, D3, D4 and D7 say so
    assert load(name)["lists.unmonitored.by"] == "agency"
    assert load(name).parameters["lists.unmonitored.by"].source


@pytest.mark.parametrize("path", sorted({*SPEC, "frequency", "frequency.tier", "lists", "repair"}))
def test_clauses_are_found_by_the_parameter_that_they_name(path):
    # a second way: by looking at the texts of the file
    naming = []
    for key, table in tomllib.loads(FILE.read_text("utf-8")).items():
        names = [one[7:].split(".") for one in table.get("carried_by", []) if one.startswith("policy:")]
        asked = path.split(".")
        if any(all(a == b for a, b in zip(name, asked, strict=False)) for name in names):
            naming.append(key)
    assert [one.id for one in clauses_naming(path)] == naming


def test_an_unknown_parameter_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"no parameter 'cap\.visits'"):
        clauses_naming("cap.visits")
    with pytest.raises(ValueError, match=r"did you mean 'cap\.planned_visits'"):
        clauses_naming("cap.planed_visits")


# Frames


def test_the_summary_adds_up():
    summary, frame = coverage_summary(), coverage("zh")
    assert summary.loc["all", "clauses"] == sum(SUBJECTS.values())
    assert (summary[list(STANDINGS)].sum(axis=1) == summary["clauses"]).all()
    assert (summary.drop("all").sum() == summary.loc["all"]).all()
    own = frame[~frame["extra"]]
    for standing in STANDINGS:
        assert (own["standing"] == standing).sum() == summary.loc["all", standing]
    for kind in REFERENCES:
        having = own["carried_by"].map(
            lambda several, kind=kind: any(one.startswith(f"{kind}:") for one in several)
        )
        assert having.sum() == summary.loc["all", kind]
    assert ((frame["standing"] == "carried") == (frame["outside"] == "")).all()
    assert ((frame["standing"] == "outside") == (frame["carried_by"].map(len) == 0)).all()


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="'lang' must be one of zh, en"):
        coverage("fr")


# Broken files

GOOD = """
[T1]
document = "D"
clause = "1"
zh = "少查"
en = "fewer"
carried_by = ["policy:cap"]
"""

BROKEN = {
    "'T1' is mapped to nothing": GOOD.replace('carried_by = ["policy:cap"]', ""),
    "'T1' has an unknown key 'claus' (did you mean 'clause'?)": GOOD + 'claus = "2"\n',
    "'T1.zh' must be a text that is not empty": GOOD.replace("少查", " "),
    "'T1.document' must be a text": GOOD.replace('document = "D"\n', ""),
    "'T1.extra' must be true or false": GOOD + "extra = 1\n",
    "'T1.outside' must be a reason in both languages": GOOD + 'outside = { en = "why" }\n',
    "'T1.carried_by' must be a list": GOOD.replace('["policy:cap"]', '"policy:cap"'),
    "'poliy:cap', which is no reference (did you mean 'policy'?)": GOOD.replace("policy:", "poliy:"),
    "'cap', which is no reference": GOOD.replace("policy:cap", "cap"),
    "'T1.carried_by' has 3, which is no reference": GOOD.replace('"policy:cap"', "3"),
    "'policy:cup', which does not exist": GOOD.replace(":cap", ":cup"),
    "'policy:ca', which does not exist": GOOD.replace(":cap", ":ca"),
    "'step:demnd', which does not exist (did you mean 'demand'?)": GOOD.replace("policy:cap", "step:demnd"),
    "'record:inspections.code', which does not exist": GOOD.replace("policy:cap", "record:inspections.code"),
    "'world:nothing', which does not exist": GOOD.replace("policy:cap", "world:nothing"),
    "'figure:harm/agency', which does not exist": GOOD.replace("policy:cap", "figure:harm/agency"),
    "'output:guess', which does not exist": GOOD.replace("policy:cap", "output:guess"),
    "names 'policy:cap' more than once": GOOD.replace('"policy:cap"', '"policy:cap", "policy:cap"'),
    "'T1.shown' must be a list": GOOD + 'shown = "inspections"\n',
    "'T1.shown' must be a list, of a clause that names": GOOD.replace("policy:cap", "step:cap")
    + 'shown = [{ figure = "visits", change = "less" }]\n',
    "'T1.shown' has {'figure': 'visits', 'change': 'fewer'}, which is no": GOOD
    + 'shown = [{ figure = "visits", change = "fewer" }]\n',
    "'T1.shown' has 'visits', which is no figure": GOOD + 'shown = ["visits"]\n',
    "names the figure 'visits/tier/T5', which does not exist": GOOD
    + 'shown = [{ figure = "visits/tier/T5", change = "less" }]\n',
    "'T1.shown' has of = ['joint'], which are not all": GOOD
    + 'shown = [{ figure = "visits", change = "less", of = ["joint"] }]\n',
    "'one' must be a table named by a letter and a number": GOOD.replace("[T1]", "[one]"),
    "the file is not TOML": GOOD.replace("]", "", 1),
}


@pytest.mark.parametrize("message", BROKEN)
def test_what_is_wrong_is_said_with_a_remedy(message):
    assert read_clauses(GOOD, "good.toml", existing())["T1"].standing == "carried"
    with pytest.raises(PolicyError, match=re.escape(message)) as caught:
        read_clauses(BROKEN[message], "bad.toml", existing())
    assert [one.place for one in caught.value.problems] == ["bad.toml"]
    assert all(one.remedy for one in caught.value.problems)


def test_everything_that_is_wrong_is_said_at_once_with_its_line():
    text = GOOD.replace("cap", "cup").replace("少查", "") + "[T2]\nclause = 2\n"
    with pytest.raises(PolicyError) as caught:
        read_clauses(text, "bad.toml")
    problems = [(one.parameter, one.line) for one in caught.value.problems]
    assert problems == [
        ("T1.zh", 5), ("T1.carried_by", 7), ("T2.document", 8), ("T2.clause", 9), ("T2.zh", 8),
        ("T2.en", 8), ("T2", 8),
    ]  # fmt: skip


# The command


def answer(*words):
    result = CliRunner().invoke(app, ["policy", "coverage", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_every_clause_and_the_summary():
    text = answer()
    for one in clauses().values():
        assert one.statement.en in text
    assert "mapped to nothing" not in text
    assert re.search(rf"^all +{sum(SUBJECTS.values())} +", text, re.MULTILINE)
    assert clauses()["G8"].outside.zh in answer("--lang", "zh")


def test_the_command_answers_in_json():
    data = json.loads(answer("--json"))
    assert [one["clause_id"] for one in data["clauses"]] == list(clauses())
    assert [one["document"] for one in data["summary"]][-1] == "all"
    assert {one["standing"] for one in data["clauses"]} == set(STANDINGS)


def test_the_command_turns_the_map_round():
    data = json.loads(answer("--parameter", "repair.two_letters", "--json"))
    assert [one["clause_id"] for one in data["clauses"]] == [
        one.id for one in clauses_naming("repair.two_letters")
    ]
    assert answer("--parameter", "scoring.rule_sd").startswith("No clause names 'scoring.rule_sd'.")


def test_the_command_refuses_what_it_does_not_know():
    result = CliRunner().invoke(app, ["policy", "coverage", "--lang", "fr", "--parameter", "caps", "--json"])
    assert result.exit_code == 2
    assert [one["place"] for one in json.loads(result.stdout)["problems"]] == ["--lang", "--parameter"]
