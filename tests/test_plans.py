"""The page of the five plans is what its script writes, and tells how they differ in structure."""

import re
from pathlib import Path

import pytest

from tierkit.policy import PLANS, Policy, plans_page, plans_table
from tierkit.policy.plans import plans
from tierkit.policy.plans.covering import clauses

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {"en": DOCS / "plans.md", "zh": DOCS / "plans.zh-CN.md"}
BOTH = pytest.mark.parametrize("lang", PAGES)


@BOTH
def test_the_page_is_what_the_script_writes(lang):
    assert PAGES[lang].read_text("utf-8") == plans_page(lang)


def cells(lang):
    """Return dimension → plan → what the page says, with what stands behind it."""
    table = plans_page(lang).split("\n## ")[1]
    _, _, *rows = [line for line in table.splitlines() if line.startswith("|")]
    split = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {name: dict(zip(PLANS, said, strict=True)) for name, *said in split}


@BOTH
def test_the_table_is_what_the_page_says(lang):
    table = plans_table(lang)
    assert list(table.columns) == list(PLANS)
    assert table.to_dict("index") == cells(lang)
    assert list(table.index) == list(cells(lang))


@BOTH
def test_every_dimension_is_told_of_every_plan_with_its_ground(lang):
    said = cells(lang)
    assert len(said) == 24
    for name, plan in said.items():
        for cell in plan.values():
            assert re.search(r"(‡|\[[^\]]+\])$", cell), (name, cell)
            assert cell.split(" ")[0]


def test_plans_differ_as_their_texts_do():
    said = cells("en")

    def having(dimension, words):
        return [name for name, cell in said[dimension].items() if words in cell]

    assert having("what is scored", "composite") == ["shanghai-2025", "jinshan-2025"]
    assert having("what is scored", "3 × 3") == ["jiading-2025"]
    assert having("what is scored", "credit alone") == ["minhang-2023"]
    assert having("relief for (T1)", "AND") == ["chongming-2025", "jiading-2025"]
    assert having("escalation for (T4)", "AND") == ["jiading-2025"]
    assert having("escalation for (T4)", "OR") == ["chongming-2025"]
    assert having("relief", "general items ×0, key items ×1") == ["chongming-2025"]
    assert having("escalation", "frequency ×1, depth (odds of detection) ×1.5") == ["shanghai-2025"]
    assert having("escalation", "×2.5") == ["jinshan-2025"]
    assert having("unmonitored list", "none") == having("check code", "none") == ["minhang-2023"]
    assert having("cap", "planned visits") == ["jinshan-2025"]
    assert having("orders from above", "past the lists") == [name for name in PLANS if name != "minhang-2023"]
    assert having("repair", "two letters") == [name for name in PLANS if name != "minhang-2023"]
    assert having("lenience", "off the list too") == ["jiading-2025"]
    assert having("lenience", "rectify first") == ["jinshan-2025"]
    assert having("commitments", "guidance") == ["jiading-2025"]
    assert having("scope", "labour dispatch") == ["minhang-2023"]
    assert all("[三(一)1" in said["cap"][name] for name in having("cap", "planned visits"))


@pytest.mark.parametrize(
    ("matrix", "tier", "wanted"),
    [
        (["T1 T2", "T2 T4"], "T1", "risk level 1 of 2 **AND** credit grade A of A–B"),
        (["T1 T2", "T2 T4"], "T4", "risk level 2 of 2 **AND** credit grade B of A–B"),
        (["T1 T4", "T4 T4"], "T4", "risk level 2 of 2 **OR** credit grade B of A–B"),
        (["T1 T2", "T1 T2"], "T1", "credit grade A of A–B"),
        (["T1 T1", "T2 T2"], "T1", "risk level 1 of 2"),
        (["T1 T1 T2", "T1 T1 T4", "T4 T4 T4"], "T1", "risk level 1–2 of 3 **AND** credit grade A–B of A–C"),
        (["T1 T2 T4", "T2 T4 T4", "T4 T4 T4"], "T4", "1 × C, 2 × B, 2 × C, 3 × A, 3 × B, 3 × C"),
        (["T2 T2", "T2 T3"], "T4", "nobody"),
    ],
)
def test_a_condition_is_read_off_any_matrix(matrix, tier, wanted):
    class Only:
        def __getitem__(self, path):
            return {"scoring.logic": "matrix", "scoring.matrix": [row.split() for row in matrix]}[path]

    assert plans._where(Only(), plans._Say("en"), tier) == wanted


def test_a_changed_value_changes_the_page():
    policy = Policy.load("jinshan-2025").reform({"cap.planned_visits": 3})
    row = next(one for one in plans._ROWS if one.name.en == "cap")
    said = plans._cell(row, policy, Policy.load("legacy"), plans._Say("en"))
    assert said.startswith("3 planned visits of district agencies")
    assert said.endswith("[†]")


@BOTH
def test_every_clause_is_on_the_page_under_its_plan(lang):
    parts = plans_page(lang).split("\n### ")[1:]
    assert len(parts) == len(PLANS)
    for name, part in zip(PLANS, parts, strict=True):
        document = Policy.load(name).meta.document
        ids = re.findall(r"^\| ([A-Z]\d+)\b", part, re.MULTILINE)
        assert document in part.splitlines()[0]
        assert ids == [one.id for one in clauses().values() if one.document == document]


def test_an_unknown_language_is_refused():
    for made in (plans_page, plans_table):
        with pytest.raises(ValueError, match="'lang' must be one of en, zh"):
            made("fr")
