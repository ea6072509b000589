"""A kind of credit event is declared once: with one more there, every list that should know it does."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import tierkit
from tierkit.explain.recourse.steps import STEPS
from tierkit.features import FEATURES
from tierkit.policy.specification import SCORE_EVENTS
from tierkit.records import (
    CREDIT_EVENTS,
    CREDIT_TARGET,
    EVENT_KINDS,
    GRAVITY,
    LEVELS,
    MERITS,
    REPAIRABLE_KINDS,
    SEVERITIES,
    UNINSPECTED_KINDS,
)
from tierkit.records.credit_events import declared_events

HERE = Path(__file__).parent
PACKAGE = Path(tierkit.__file__).parent
DECLARED = (PACKAGE / "records" / "credit_events.toml").read_text("utf-8")

NAMES_SEVERAL = {
    "records/credit_events.toml": "the declaration",
    "features/catalogue.toml": "a feature of one kind is a choice; those of all kinds see a new one",
    "explain/recourse/steps.toml": "what repairs a kind; a test says which kind has no step",
    "policy/presets/legacy.toml": "a policy gives every kind its points and its cap, or is refused by name",
    "policy/presets/anhui-food-2022.toml": "a ladder whose law names two kinds",
    "intake/synonyms.toml": "words by which files from elsewhere call a kind; one without any is asked for",
    "policy/plans/clauses.toml": "clauses of plans name the kinds that they are about",
}
"""Files that name two or more kinds, and why they may."""


@pytest.fixture(scope="module", params=["true", pytest.param("false", marks=pytest.mark.long)])
def told(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the package makes of one more kind, once as a target of credit and once not."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HERE / "new_event_kind.py", request.param],
        capture_output=True, text=True, check=False, encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["target"] == (request.param == "true")
    return answer


def test_levels_labels_and_the_dictionary_know_a_new_kind(told: dict[str, Any]) -> None:
    assert (told["labels"], told["code"], told["last"]) == (
        ["出借资质", "licence lent"],
        len(EVENT_KINDS),
        True,
    )
    assert told["dictionary"]


def test_policies_have_its_parameters_and_say_by_name_that_they_must_decide(told: dict[str, Any]) -> None:
    assert told["score_event"] == "adverse_licence_lent"
    assert told["spec"] == [
        *(f"score_update.adverse_licence_lent.{part}" for part in ("margin", "points", "half_life")),
        "red_lines.licence_lent",
    ]
    assert told["instrument"]
    assert told["undecided"].startswith("legacy.toml: ")
    assert set(re.findall(r"'([\w.]+)'", told["undecided"])) == {"meta.baseline", *told["spec"]}


def test_the_city_draws_it_writes_it_and_reads_it_back(told: dict[str, Any]) -> None:
    assert told["rate"] == 3.0
    assert told["drawn"] > 100
    assert told["severity"] == ["moderate"]
    assert told["others"] == ["penalty"]  # the rates of all other kinds are zero
    assert told["columns"] == [len(UNINSPECTED_KINDS) + 1] * 2
    assert told["read_back"]


def test_both_engines_draw_it_alike(told: dict[str, Any]) -> None:
    assert told["same_bits"]
    assert told["run"] > 0


def test_features_evidence_and_repair_count_it(told: dict[str, Any]) -> None:
    for what in ("adverse_open", "adverse_2y", "standing", "open_records", "evidence"):
        assert told[what], what


def test_it_is_a_target_of_credit_if_declared_so(told: dict[str, Any]) -> None:
    found, late = told["training"]
    assert late > 0
    assert found == (late if told["target"] else 0)


def test_the_history_weighs_it(told: dict[str, Any]) -> None:
    assert told["history"]


def test_it_can_be_a_red_line_with_its_reason_in_words(told: dict[str, Any]) -> None:
    assert told["red_line"] == ["D", "licence_lent"]
    assert told["sentence"].startswith("存在红线记录（出借资质）")


def test_nothing_repairs_it_until_a_step_does(told: dict[str, Any]) -> None:
    assert told["step"] == []


def test_every_kind_that_stands_against_an_enterprise_has_a_step_that_repairs_it() -> None:
    without = set(REPAIRABLE_KINDS) - {what.event for what in STEPS.values() if what.edit == "repair"}
    assert not without, f"explain/recourse/steps.toml has no step that repairs {sorted(without)}"


def test_the_lists_are_those_of_the_declaration() -> None:
    raw = tomllib.loads(DECLARED)
    by_nature = {
        nature: {kind for kind, row in raw.items() if row["nature"] == nature}
        for nature in ("inspected", "adverse", "merit")
    }
    assert list(raw) == list(EVENT_KINDS) == list(LEVELS["event_kind"]) == list(CREDIT_EVENTS)
    assert [set(GRAVITY), set(MERITS)] == [by_nature["adverse"], by_nature["merit"]]
    assert [raw[kind]["gravity"] for kind in GRAVITY] == list(range(1, len(GRAVITY) + 1))
    assert set(REPAIRABLE_KINDS) == by_nature["inspected"] | by_nature["adverse"]
    assert set(UNINSPECTED_KINDS) == by_nature["adverse"] | by_nature["merit"]
    assert set(CREDIT_TARGET) == {kind for kind, row in raw.items() if row.get("credit_target")}
    assert list(SCORE_EVENTS)[-len(UNINSPECTED_KINDS) :] == [
        CREDIT_EVENTS[k].score_event for k in UNINSPECTED_KINDS
    ]
    assert {CREDIT_EVENTS[kind].severity for kind in UNINSPECTED_KINDS} <= set(SEVERITIES)
    sql = {feature.name: feature.where or "" for feature in FEATURES}
    listed = sql["adverse_open"].partition("kind IN (")[2].partition(")")[0]
    assert set(re.findall(r"'(\w+)'", listed)) == set(GRAVITY)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            'nature = "adverse"\nseverity = "minor"',
            "'x' needs 'credit_target'; 'x' needs 'gravity'; 'x' needs 'rate'; 'x' needs 'slope'",
        ),
        ('nature = "bad"', "'x' needs a nature, one of inspected, adverse, merit"),
        ('nature = "inspected"\ngravity = 7', "'x' is inspected and cannot have 'gravity'"),
        ('nature = "inspected"', "only one kind can be born of inspections"),
        (
            'nature = "merit"\nseverity = "minor"\n'
            'rate = { value = 0.1, unit = "1/year", assumption = "a trial" }\n'
            'slope = { value = 0.5, unit = "log-rate/SD", assumption = "a trial" }\n'
            'counts_for = { value = 365, unit = "days", assumption = "a trial" }',
            "'x' needs a 'slope' below 0",
        ),
        (
            'nature = "adverse"\ncredit_target = true\nseverity = "minor"\ngravity = 6\n'
            'rate = { value = 0.1, unit = "1/year", assumption = "a trial" }\n'
            'slope = { value = 0.5, unit = "log-rate/SD", assumption = "a trial" }',
            re.escape(f"{sorted([*range(1, len(GRAVITY) + 1), 6])}, not 1 to {len(GRAVITY) + 1}"),
        ),
    ],
)  # fmt: skip
def test_a_declaration_that_says_too_little_or_too_much_is_refused(row: str, said: str) -> None:
    with pytest.raises(ValueError, match=f"credit_events.toml: .*{said}"):
        declared_events(f'{DECLARED}\n[x]\nlabel = ["某", "some"]\n{row}\n')


def named_kinds(file: Path) -> set[str]:
    """Return the kinds that a file's data names: not its docstrings, comments or sentences."""
    text = file.read_text("utf-8")
    if file.suffix == ".py":
        tree = ast.parse(text)
        prose = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body and isinstance(node.body[0], ast.Expr)
        }  # fmt: skip
        words = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
        ]
    else:
        words = re.findall(r'^\[[^\]]+\]|^[\w.]+(?= =)|"[^"\n]*"', text, re.MULTILINE)
    # In a phrase a kind is meant only where it is quoted, as in SQL; "penalty" and "honour" are words, too.
    whole = {part for word in words if " " not in word for part in re.split(r"[^a-z_]+|adverse_", word)}
    quoted = {part for word in words for part in re.findall(r"'(\w+)'", word)}
    return (whole | quoted) & set(EVENT_KINDS)


def test_no_other_file_lists_kinds() -> None:
    files = [file for kind in ("*.py", "*.toml", "*.j2", "*.js", "*.sql") for file in PACKAGE.rglob(kind)]
    several = {file.relative_to(PACKAGE).as_posix() for file in files if len(named_kinds(file)) > 1}
    assert several - NAMES_SEVERAL.keys() == set(), "derive the list from tierkit.records.CREDIT_EVENTS"
    assert NAMES_SEVERAL.keys() - several == set(), "no longer needed in the list of exceptions"


def test_a_list_of_kinds_is_seen_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(
        '"""A penalty, an honour."""\nX = ("penalty", "honour")  # tax_arrears\n'
    )
    (tmp_path / "two.py").write_text("X = \"kind IN ('tax_arrears', 'wage_arrears')\"\n")
    (tmp_path / "three.py").write_text('X = "a penalty or an honour"\n')
    assert named_kinds(tmp_path / "one.py") == {"penalty", "honour"}
    assert named_kinds(tmp_path / "two.py") == {"tax_arrears", "wage_arrears"}
    assert named_kinds(tmp_path / "three.py") == set()
