import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRESETS = sorted((ROOT / "tierkit" / "policy" / "presets").glob("*.toml"))
OVERLAYS = sorted((ROOT / "tierkit" / "policy" / "overlays").glob("*.toml"))
PARAMETERS = [
    ROOT / "tierkit" / "city" / "world.toml",
    ROOT / "tierkit" / "records" / "repair_rules.toml",
    ROOT / "tierkit" / "compare" / "sensitivity" / "uncertain.toml",
]
CODE = re.compile(r"\b[CI]\d{1,2}\b")


def cited():
    places = [*PRESETS, *OVERLAYS, *PARAMETERS, *(ROOT / "tierkit").rglob("*.py")]
    return {code for place in places for code in CODE.findall(place.read_text("utf-8"))}


def test_every_source_that_is_cited_is_listed_and_no_other():
    rows = [
        line.split("|")[1].strip()
        for line in (ROOT / "docs" / "sources.md").read_text("utf-8").splitlines()
        if line.startswith("| ")
    ]
    listed = [row for row in rows if CODE.fullmatch(row)]
    assert len(listed) == len(set(listed))
    assert set(listed) == cited()


def test_every_work_that_explanations_cite_is_listed_and_no_other():
    work = re.compile(r"([A-Z][a-z]+)(?: and others)? ((?:19|20)\d\d)\b")
    cited = set()
    for path in (ROOT / "tierkit" / "explain").rglob("*.py"):
        cited |= set(work.findall(" ".join(path.read_text("utf-8").split())))
    text = (ROOT / "docs" / "sources.md").read_text("utf-8").split("## Methods of explanation")[1]
    listed = set(re.findall(r"^\| ([A-Z]\w+)[^|]* (\d{4}) \|", text, re.MULTILINE))
    assert cited == listed


@pytest.mark.parametrize("path", PARAMETERS, ids=lambda p: p.name)
def test_no_parameter_points_to_a_document_that_is_not_there(path):
    assert "DOMAIN" not in path.read_text("utf-8")
