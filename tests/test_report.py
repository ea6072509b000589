"""Pages: whole, self-contained, in both languages, and safe whatever a record says."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fontTools.ttLib import TTFont

from tierkit import agencies, fonts, report, texts
from tierkit.report import tables
from tierkit.report.page import Words, record

VOID = {"meta", "link", "br", "input", "img", "hr"}
TEMPLATES = Path(texts.__file__).parent / "templates"


class Page(HTMLParser):
    """A page as read by a parser: its elements, its text, and whether every tag is closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def values(self, attribute: str) -> list[str]:
        return [str(attrs[attribute]) for _, attrs in self.elements if attribute in attrs]


@pytest.fixture(scope="module")
def site(report_run: report.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.index(report_run, tmp_path_factory.mktemp("site")).parent


@pytest.fixture(scope="module")
def html(site: Path) -> str:
    return (site / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_fetches_nothing(html: str, page: Page) -> None:
    for attribute in ("src", "href", "xlink:href", "action", "data", "poster"):
        assert all(value.startswith(("#", "data:")) for value in page.values(attribute))
    assert not re.search(r"url\((?!data:|#)", html)
    assert "@import" not in html
    policy = next(attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv"))
    assert str(policy).startswith("default-src 'none';")


def test_the_only_script_is_the_one_the_policy_allows(html: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    assert len(scripts) == 1 == html.count("<script")
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert not re.search(r"\son\w+=", html)


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = [value[1:] for value in page.values("href") if value.startswith("#") and len(value) > 1]
    assert set(targets) <= set(ids)
    assert set(page.values("aria-labelledby")) <= set(ids)


def test_everything_is_said_in_both_languages(html: str, page: Page) -> None:
    assert page.values("class").count("zh") == page.values("class").count("en") > 100
    english = re.findall(r'<span class="en" lang="en">(.*?)</span>', html)
    assert len(english) > 100
    allowed = re.compile(r"沪|崇|嘉|金|闵|〔|号|三\(|方案")  # documents keep their Chinese numbers
    assert [
        words for words in english if re.search(r"[\u4e00-\u9fff]", words) and not allowed.search(words)
    ] == []


def test_the_embedded_font_holds_every_character_that_the_fonts_original_holds(html: str, page: Page) -> None:
    data = re.search(r"data:font/woff;base64,([A-Za-z0-9+/=]+)", html)
    assert data is not None
    with TTFont(io.BytesIO(base64.b64decode(data.group(1)))) as font:
        held = set(map(chr, font.getBestCmap()))
    shown = set(page.text) - set("\n")
    assert shown & fonts.characters() <= held
    assert fonts.missing("".join(shown)) == []


def test_the_finding_rate_never_stands_alone(page: Page, report_run: report.Run) -> None:
    for name in ("finding_rate", "findings", "violations_missed", "harm", "inspections", "trigger_share"):
        assert name in tables.BESIDE
    for _, cells in tables.beside(report_run)[1:]:
        assert all(cell.change and cell.change_interval and cell.value for cell in cells)
    sentence = report.headline(report_run, "en")[0]
    assert all(word in sentence for word in ("finding rate", "findings", "missed", "harm"))


def test_numbers_of_a_cell_are_those_of_the_summary(report_run: report.Run) -> None:
    rows = report_run.summary
    row = rows[
        (rows["policy"] == "jinshan-2025") & (rows["measure"] == "harm") & (rows["group"] == "all")
        & (rows["kappa"] == 0.25) & (rows["weeks"] == 260)
    ].iloc[0]  # fmt: skip
    cell = tables.effect(report_run, "harm", "jinshan-2025", 0.25, 260)
    assert cell.value == texts.number(row["value"])
    assert cell.change == texts.percent(row["relative"], 1, sign=True)
    low, high = (row[f"difference_{end}"] / row["baseline_value"] for end in ("low", "high"))
    assert cell.change_interval == texts.interval(low, high, 1, share=True, sign=True)
    assert cell.sure == (low > 0 or high < 0)
    rate = tables.effect(report_run, "finding_rate", "shanghai-2025")
    assert rate.points
    assert rate.change == texts.signed(0.126 * 0.31 * 100, 1)


@pytest.mark.parametrize(
    ("measure", "base", "difference", "shown"),
    [
        ("inspections", 100.0, -40.0, "−40%"),
        ("inspections", 100.0, 4.0, "+4.0%"),
        ("suppressed", 4.0, 280.0, "+280"),  # 7,000 % would say nothing
        ("replaced_offsite", 0.0, 12.0, "+12"),
        ("weeks_to_detection", 0.0, 1.5, "+1.5"),
        ("finding_rate", 0.126, 0.05, "+5.0"),
        ("prevalence", 0.14, 0.0012, "+0.12"),
        ("random_audits", 350.0, 0.0, "0.0%"),
    ],
)
def test_a_change_is_written_so_that_it_says_something(
    measure: str, base: float, difference: float, shown: str
) -> None:
    row = {
        "policy": "p", "baseline": "b", "value": base + difference, "low": base, "high": base,
        "baseline_value": base,
        "difference": difference, "difference_low": difference - 1, "difference_high": difference + 1,
        "relative": difference / base if base else float("nan"),
    }  # fmt: skip
    cell = tables.cell(row, measure)
    assert cell.change == shown
    assert cell.change_interval.startswith("[")


def test_the_kappa_table_has_every_case(report_run: report.Run) -> None:
    keys, rows = tables.kappa_table(report_run)
    assert keys == [(w, 52, k) for w in (52, 260) for k in (0.0, 0.1, 0.25)]
    assert len(rows) == 5 * len(tables.KAPPA_MEASURES)
    assert all(len(cells) == 6 for _, _, cells in rows)


def test_every_sentence_of_the_headline_says_its_kappa(report_run: report.Run) -> None:
    for lang in ("zh", "en"):
        sentences = report.headline(report_run, lang)
        assert len(sentences) == 3
        assert all("κ = " in sentence for sentence in sentences)
        assert [len(re.findall(rf"κ = {one}[)）]", sentences[2])) for one in (0, 0.1, 0.25)] == [2, 2, 2]
        assert not any("Κ" in sentence for sentence in sentences)  # a capital kappa looks like a K
    cell = tables.effect(report_run, "harm", "shanghai-2025", 0.25, 260)
    assert f"**{cell.change}** {cell.change_interval} (κ = 0.25)" in report.headline(report_run, "en")[2]


def test_the_scoreboard_has_the_agencies_that_had_anything_to_do(report_run: report.Run, page: Page) -> None:
    told = dict(tables.scoreboard(report_run))
    assert list(told) == [policy.name for policy in report_run.policies]
    assert [agency for agency, _ in told["legacy"]] == ["market_regulation", "fire", "ecology"]
    values = dict(zip(agencies.MEASURES, told["legacy"][0][1], strict=True))
    assert (values["findings"].value, values["finding_rate"].value) == ("505", "12.6%")
    assert values["findings"].interval
    assert tables.rating_table(report_run) == [
        ("fire", "3.90", "[3.70, 4.10]", "120"), ("water", "4.00", "", "1"),
    ]  # fmt: skip
    assert "agencies" in page.values("id")


def test_moves_are_those_of_the_frame_and_per_100(report_run: report.Run) -> None:
    rows = tables.move_table(report_run)
    assert len(rows) == 6 * 4
    name, tier, n, cells = rows[0]
    assert (name, tier, n) == ("legacy", "T1", "12,400")
    assert [one.value for one in cells] == ["75.0%", "5.3%", "5.3%", "5.3%", "9.0%", "20.0", "2.0"]
    assert cells[0].interval == "[74.0%, 76.0%]"


def test_the_drift_table_has_the_first_and_last_year_at_each_kappa(report_run: report.Run) -> None:
    keys, rows = tables.drift_table(report_run)
    assert keys == [(kappa, year) for kappa in (0.0, 0.1, 0.25) for year in (1, 5)]
    assert len(rows) == 5 * 4 * 2
    row = next(one for one in rows if one[:3] == ("jinshan-2025", "T1", "harm"))
    assert row[3] == "12,400"
    assert row[4][-1].change == texts.percent(0.25 * 0.5 * (1 - 0.031), sign=True)


def test_tier_shares_add_up(report_run: report.Run) -> None:
    rows = tables.tier_table(report_run)
    for policy in report_run.policies:
        counts = [int(n.replace(",", "")) for name, _, n, _, _ in rows if name == policy.name]
        assert sum(counts) == 4000


def test_parameters_say_where_they_come_from(report_run: report.Run) -> None:
    legacy, *plans = report_run.policies
    for policy in plans:
        rows = tables.parameters(policy, legacy)
        assert rows
        assert all(row.source or row.assumption for row in rows)
        assert all(row.value != row.was for row in rows)
    assert len(tables.parameters(legacy)) == len(legacy.parameters)


def test_the_same_run_gives_the_same_bytes(bare_run: report.Run, tmp_path: Path) -> None:
    first, second = (report.index(bare_run, tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_a_run_with_less_still_makes_a_page(bare_run: report.Run, tmp_path: Path) -> None:
    page = Page(report.index(bare_run, tmp_path).read_text("utf-8"))
    assert "examples" not in page.values("id")
    assert "figure-outcomes" in page.values("id")


def test_one_plan_is_not_compared_with_others(bare_run: report.Run) -> None:
    rows = bare_run.summary[bare_run.summary["policy"].isin(["legacy", "jinshan-2025"])]
    two = report.Run(summary=rows, policies=(bare_run.policies[0], bare_run.policies[4]))
    first, second = report.headline(two, "en")
    assert first.startswith("Under **Jinshan 2025**")
    assert second.startswith("Triggered inspections")


def test_one_replicate_has_no_intervals_and_says_nothing_false(
    report_run: report.Run, tmp_path: Path
) -> None:
    rows = report_run.summary[(report_run.summary["weeks"] == 52) & (report_run.summary["kappa"] == 0.1)]
    rows = rows.assign(low=np.nan, high=np.nan, difference_low=np.nan, difference_high=np.nan)
    once = report.Run(summary=rows.assign(replicates=1), policies=report_run.policies)
    source = report.index(once, tmp_path).read_text("utf-8")
    assert not re.search(r"\bnan\b", Page(source).text.lower())
    assert not tables.effect(once, "harm", "jinshan-2025").sure


def test_policies_that_are_not_the_summarys_are_refused(report_run: report.Run) -> None:
    with pytest.raises(ValueError, match="must be those of the summary, the baseline first"):
        dataclasses.replace(report_run, policies=report_run.policies[1:])


def test_summary_json_is_strict_json_and_holds_the_results(report_run: report.Run, site: Path) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    data = json.loads((site / "summary.json").read_text("utf-8"), parse_constant=refuse)
    assert len(data["results"]) == 6 * (6 * 18 + 1)
    assert data["policies"][3]["hash"] == report_run.policies[3].hash
    assert sum(data["tiers"]["jiading-2025"].values()) == 4000
    assert data["moments"][2]["lowest"] is None
    assert data["headline"]["zh"][0].startswith("按上海市 2025方案")


def test_a_saved_run_is_read_back_the_same(report_run: report.Run, tmp_path: Path) -> None:
    folder = report_run.save(tmp_path / "run")
    again = report.Run.read(folder)
    for name in (
        "summary", "years", "transitions", "tiers", "scores", "visits", "ratings", "moments", "calibration",
    ):  # fmt: skip
        pd.testing.assert_frame_equal(getattr(again, name), getattr(report_run, name))
    assert str(again.cases) == str(report_run.cases)  # as text, since NaN is not itself
    assert [p.hash for p in again.policies] == [p.hash for p in report_run.policies]
    assert report.summary_json(again) == report.summary_json(report_run)
    assert not list(folder.rglob("*.pkl"))
    with pytest.raises(FileNotFoundError, match=r"run\.json is missing"):
        report.Run.read(tmp_path)


def test_a_policys_name_is_no_path(bare_run: report.Run, tmp_path: Path) -> None:
    legacy = bare_run.policies[0]
    odd = legacy.reform({"frequency.base_rate": 0.4}, name="../../odd name")
    rows = bare_run.summary[bare_run.summary["policy"].isin(["legacy", "jinshan-2025"])]
    rows = rows.assign(policy=rows["policy"].replace({"jinshan-2025": odd.name}))
    folder = report.Run(summary=rows, policies=(legacy, odd)).save(tmp_path / "deep" / "run")
    assert sorted(file.name for file in (folder / "policies").iterdir()) == ["00.toml", "01.toml"]
    assert [one.name for one in tmp_path.iterdir()] == ["deep"]
    assert report.Run.read(folder).policies[1].hash == odd.hash


HOSTILE = {
    "script": ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    "attribute": ("\"'><img src=x onerror=alert(1)>", "\"'><img src=x onerror=alert(1)>"),
    "formula": ("=CMD()", "=CMD()"),
    "reversed": ("好\u202e坏\u2066", "好[U+202E]坏[U+2066]"),
    "template": ("{{ 7 * 7 }}{% raw %}", "{{ 7 * 7 }}{% raw %}"),
    "strong": ("**大字**", "**大字**"),
    "nul": ("a\x00b\nc", "a[U+0000]b[U+000A]c"),
    "long": ("企" * 10_000, "企" * 60 + "… (+9,940)"),
    "rtl": ("שלום", "שלום"),
}


@pytest.fixture(scope="module")
def hostile(report_run: report.Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a page on enterprises with every hostile name, and facts that hold them, too."""
    few = dataclasses.replace(report_run.cases[0].reasons, reasons=report_run.cases[0].reasons.reasons[:1])
    cases = tuple(report.Case(reasons=few, enterprise={"name": name}) for name, _ in HOSTILE.values())
    facts = {kind: name for kind, (name, _) in HOSTILE.items()}
    rows = report_run.summary[report_run.summary["group"] == "all"]
    run = report.Run(summary=rows, policies=report_run.policies, cases=cases, facts=facts)
    return report.index(run, tmp_path_factory.mktemp("hostile")).read_text("utf-8")


@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_a_name_holds_is_shown_as_text(kind: str, hostile: str, report_run: report.Run) -> None:
    name, shown = HOSTILE[kind]
    page = Page(hostile)
    assert shown in page.text
    assert hostile.count("<script") == 1
    assert "img" not in [tag for tag, _ in page.elements]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00]", hostile)
    assert hostile.count("<h3><bdi>") == len(HOSTILE)
    case = report.Case(reasons=report_run.cases[0].reasons, enterprise={"name": name})
    sheet = Page(
        report.dossier(case, report_run.policies[1], as_of="2024-12-30", lang="en", facts={"note": name})
    )
    assert shown in sheet.text
    assert "script" not in [tag for tag, _ in sheet.elements]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_dossier_says_tier_rule_reasons_and_leaves_room_to_sign(
    lang: str, report_run: report.Run, tmp_path: Path
) -> None:
    case, policy = report_run.cases[0], report_run.policies[1]
    out = tmp_path / "one.html"
    source = report.dossier(case, policy, as_of="2024-12-30", lang=lang, facts={"version": "0.1.0"}, out=out)
    assert out.read_text("utf-8") == source
    sheet = Page(source)
    for said in (
        case.reasons.rule.text(lang),
        case.reasons.risk_sentence(lang),
        case.reasons.credit_sentence(lang),
        case.reasons.of("risk")[0].fact(lang),
        texts.text("dossier.signature", lang),
        "2024-12-30",
        policy.hash[:16],
    ):
        assert said in sheet.text
    assert fonts.missing(sheet.text) == []
    assert all(
        value.startswith(("#", "data:")) for value in sheet.values("href") + sheet.values("xlink:href")
    )
    if lang == "en":
        words = sheet.text.replace(case.enterprise["name"], "").replace(policy.meta.document, "")
        assert not re.search(r"[\u4e00-\u9fff]", words)


def test_a_dossier_without_a_name_or_with_missing_values_stands(report_run: report.Run) -> None:
    case = report.Case(
        reasons=report_run.cases[0].reasons, enterprise={"name": None, "sector": pd.NA, "size": float("nan")}
    )
    sheet = Page(report.dossier(case, report_run.policies[1], as_of="2024-12-30", lang="en"))
    assert case.reasons.enterprise_id in sheet.text
    assert not re.search(r"\bnan\b", sheet.text.lower())


def test_the_texts_that_templates_ask_for_exist() -> None:
    pages = "".join(file.read_text("utf-8") for file in TEMPLATES.glob("*.j2"))
    asked = set(re.findall(r'\bt\("([\w./ -]+)"\s*[,)]', pages))
    assert len(asked) > 50
    assert sorted(asked - set(texts.ids())) == []
    begun = set(re.findall(r'\bt\("([\w.]+\.)(?:"|%d")', pages))
    assert all(any(known.startswith(start) for known in texts.ids()) for start in begun)


def test_every_measure_of_the_engine_has_a_name_and_a_unit_in_both_languages() -> None:
    from tierkit.outcomes import MEASURES

    known = set(texts.ids())
    assert [m.name for m in MEASURES if f"measure.{m.name}" not in known] == []
    assert [m.unit for m in MEASURES if f"munit.{m.unit}" not in known] == []


def test_records_are_escaped_and_texts_may_be_strong() -> None:
    assert str(Words("en").pair("", "**a** <b>")) == "<strong>a</strong> &lt;b&gt;"
    assert str(record("**a**")) == "<bdi>**a**</bdi>"
