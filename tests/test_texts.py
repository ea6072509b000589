"""Texts: both languages say everything that the code asks for, with the same fields."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import pytest

from tierkit import texts
from tierkit.evaluate.assessment import PARTS
from tierkit.explain.evidence import KEYS
from tierkit.explain.recourse.steps import STEPS
from tierkit.policy import SPEC, presets
from tierkit.policy.overlays.rules import CONDITIONS
from tierkit.records import LEVELS, SHANGHAI
from tierkit.report.sheet_records import TOLD

PACKAGE = Path(texts.__file__).parent
# A plural's field n may be written out in one language ("one visit") and not be needed in the other.
LANGUAGES = sorted(texts.LANGUAGES)


def test_both_catalogues_have_the_same_ids() -> None:
    assert texts.ids("zh") == texts.ids("en")


def fields(text_id: str, lang: str) -> set[str]:
    """Return the names of the fields that a text has in one language."""
    forms = texts._catalogue(lang)[1][text_id]
    return {
        name.split(".")[0].split("[")[0]
        for form in ([forms] if isinstance(forms, str) else forms)
        for _, name, _, _ in string.Formatter().parse(form)
        if name
    }


@pytest.mark.parametrize("text_id", texts.ids("en"))
def test_no_text_is_empty_and_the_fields_agree(text_id: str) -> None:
    assert fields(text_id, "zh") == fields(text_id, "en")
    values = dict.fromkeys(fields(text_id, "en"), 2)
    assert all(texts.text(text_id, lang, **values).strip() for lang in LANGUAGES)


@pytest.mark.parametrize("kind", sorted(SHANGHAI.levels))
def test_every_level_has_a_label_in_both_languages(kind: str) -> None:
    for level, label in SHANGHAI.levels[kind].items():
        assert label.zh.strip(), level
        assert label.en.strip(), level
        assert not any("\u4e00" <= char <= "\u9fff" for char in label.en), level
        assert kind == "grade" or any("\u4e00" <= char <= "\u9fff" for char in label.zh), level


def _asked() -> tuple[set[str], set[str]]:
    """Return the ids that the code names outright, and the beginnings of those it builds."""
    whole, begun = set(), set()
    groups = {text_id.partition(".")[0] for text_id in texts.ids("en")}
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (
                isinstance(node, ast.Call)
                and getattr(node.func, "attr", getattr(node.func, "id", "")) in _READERS
            ):
                continue
            for argument in node.args[:2]:
                for part in ast.walk(argument):
                    if isinstance(part, ast.JoinedStr) and isinstance(part.values[0], ast.Constant):
                        begun.add(str(part.values[0].value))
                    elif (
                        isinstance(argument, ast.Constant | ast.IfExp)
                        and isinstance(part, ast.Constant)
                        and isinstance(part.value, str)
                        and part.value.partition(".")[0] in groups
                    ):
                        whole.add(part.value)
    return {text for text in whole if "." in text and " " not in text}, begun


_READERS = {"text", "both", "t"}


def test_every_text_the_code_asks_for_exists() -> None:
    whole, begun = _asked()
    assert len(whole) > 40, "the search for texts in the code finds too few to mean anything"
    known = texts.ids("en")
    assert [text for text in sorted(whole) if text not in known and f"{text}." not in begun] == []
    assert [
        start for start in sorted(begun) if "." in start and not any(text.startswith(start) for text in known)
    ] == []


def test_no_text_is_there_for_nothing() -> None:
    """An id is used if the code or a template names it, or builds ids that begin as it does."""
    whole, begun = set(), set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole.add(node.value)
                begun |= {node.value} if re.fullmatch(r"[\w.]+\.", node.value) else set()
            elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begun.add(str(node.values[0].value))
    for file in (PACKAGE / "report" / "templates").glob("*.j2"):
        named = re.findall(r'"([\w./ -]+?)(?:%d)?"', file.read_text(encoding="utf-8"))
        whole |= set(named)
        begun |= {name for name in named if name.endswith(".")}
    begun = {start for start in begun if "." in start and start[0] != "."}
    unused = [one for one in texts.ids() if one not in whole and not one.startswith(tuple(begun))]
    assert unused == []


BUILT = {
    "assessment.part.": PARTS,
    "dossier.record.": TOLD,
    "dossier.complaint.": ("true", "false", "open"),
    "dossier.col.": ("risk", "credit", "composite"),
    "dossier.scale.": ("risk", "credit", "risk_composite", "credit_composite"),
    "figure.timeline.": (
        *set(TOLD) - {"credit_events"},
        *SHANGHAI.levels["finding"],
        "open",
        "repaired",
        "lapsed",
        "honour",
    ),
    "overlay.must.": CONDITIONS,
    "policy.": presets(),
    "record.of.": KEYS,
    "step.": STEPS,
    "fact.": ("version", "as_of", "model_hash", "data_hash", "policy", "policy_hash", "command"),
}


@pytest.mark.parametrize("start", BUILT)
def test_texts_whose_ids_are_built_are_there_for_everything_they_are_built_of(start: str) -> None:
    assert [end for end in BUILT[start] if start + end not in texts.ids()] == []


def test_a_missing_text_and_a_missing_field_are_errors() -> None:
    with pytest.raises(KeyError, match=r"no text 'figure\.nothing' in the catalogue 'en'"):
        texts.text("figure.nothing", "en")
    with pytest.raises(KeyError):
        texts.text("caption.enterprises", "zh", other=1)
    with pytest.raises(ValueError, match="must be one of 'zh', 'en'"):
        texts.text("measure.harm", "fr")
    with pytest.raises(KeyError, match="needs an integer 'n'"):
        texts.text("figure.visits.count", "en")


def test_plurals_follow_the_language() -> None:
    assert texts.text("figure.visits.count", "en", n=1) == "1 visit"
    assert texts.text("figure.visits.count", "en", n=2) == "2 visits"
    assert texts.text("figure.visits.count", "zh", n=1) == "1 次"


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(0.0, 0, "0"), (-0.4, 0, "0"), (-0.6, 0, "−1"), (1234567.891, 2, "1,234,567.89"), (float("inf"), 0, "∞"),
     (float("-inf"), 0, "−∞"), (float("nan"), 3, "–"), (None, 0, "–"), (-1e308, 0, "−1" )],
)  # fmt: skip
def test_numbers(value: float | None, digits: int, shown: str) -> None:
    assert texts.number(value, digits).startswith(shown)
    assert "-" not in texts.number(value, digits)


def test_what_is_invisible_in_a_record_is_shown() -> None:
    assert texts.plain("好\u202e坏\u200f\n\x00") == "好[U+202E]坏[U+200F][U+000A][U+0000]"
    assert texts.plain("a\u00a0b\u3000c") == "a b\u3000c"
    long = texts.plain("企" * 10_000, limit=60)
    assert long == "企" * 60 + "… (+9,940)"


def test_what_is_cut_for_a_figure_looks_like_no_number() -> None:
    assert (
        texts.short("Complaints by ordinary complainants in the past year: 1", 20) == "Complaints by ordin…"
    )
    assert texts.short("企业" * 8, 16) == "企业" * 3 + "企…"
    assert texts.short("好\u202e坏", 40) == "好[U+202E]坏"


def test_the_audit_of_equal_chances_is_called_so_and_never_a_double_random_draw() -> None:
    """Plans raise the ratio of 双随机 by class; an audit with the same chance for all is none of these."""
    label = LEVELS["channel"]["random"]
    assert (label.zh, label.en) == ("基准抽样", "equal-chance audit")
    said = [str(texts._catalogue(lang)[1][text_id]) for lang in LANGUAGES for text_id in texts.ids("en")]
    said += [f"{spec.label.zh}{spec.about.zh}{spec.label.en}{spec.about.en}" for spec in SPEC.values()]
    assert [text for text in said if "双随机" in text or "random audit" in text.lower()] == []
