"""Pages: whole, self-contained, in both languages, and safe whatever a record says."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fontTools.ttLib import TTFont
from pages import Page

from tierkit import folders, plot, report, texts
from tierkit.city.synth import make
from tierkit.compare import agencies
from tierkit.compare.comparison import IN_SHORT, Comparison, compare
from tierkit.evaluate import moments
from tierkit.plot import fonts
from tierkit.policy import Policy
from tierkit.records import DataError, Label
from tierkit.records.parquet import write_sealed
from tierkit.report import tables
from tierkit.report.page import Words, record
from tierkit.scores import metrics

TEMPLATES = Path(texts.__file__).parent / "report" / "templates"


@pytest.fixture(scope="module")
def html(run_page: Path) -> str:
    return (run_page / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_says_first_that_the_city_is_synthetic(html: str) -> None:
    head = html[html.index("<h1>") : html.index("<main")].replace("&#39;", "'")
    assert all(texts.text("page.synthetic.city", lang) in head for lang in ("zh", "en"))


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


def test_a_page_of_one_city_says_that_its_intervals_are_of_this_city_and_model_alone(html: str) -> None:
    assert "are over draws alone, for this city and this model" in html
    assert "凡未另行说明，区间仅计随机抽取" in html


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


def test_the_finding_rate_never_stands_alone(page: Page, report_run: report.RunReport) -> None:
    for name in ("finding_rate", "findings", "violations_missed", "harm", "inspections", "trigger_share"):
        assert name in tables.BESIDE
    for _, cells in tables.beside(report_run)[1:]:
        assert all(cell.change and cell.change_interval and cell.value for cell in cells)
    sentence = report.headline(report_run, "en")[0]
    assert all(word in sentence for word in ("finding rate", "findings", "missed", "harm"))


def test_numbers_of_a_cell_are_those_of_the_summary(report_run: report.RunReport) -> None:
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
        ("put_off", 4.0, -3.5, "−4"),  # its interval would pass −100 %
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


def test_the_kappa_table_has_every_case(report_run: report.RunReport) -> None:
    keys, rows = tables.kappa_table(report_run)
    assert keys == [(w, 52, k) for w in (52, 260) for k in (0.0, 0.1, 0.25)]
    assert len(rows) == 5 * len(IN_SHORT)
    assert all(len(cells) == 6 for _, _, cells in rows)


def test_every_sentence_of_the_headline_says_its_kappa(report_run: report.RunReport) -> None:
    for lang in ("zh", "en"):
        sentences = report.headline(report_run, lang)
        assert len(sentences) == 3
        assert all("κ = " in sentence for sentence in sentences)
        assert [len(re.findall(rf"κ = {one}[)）]", sentences[2])) for one in (0, 0.1, 0.25)] == [2, 2, 2]
        assert not any("Κ" in sentence for sentence in sentences)  # a capital kappa looks like a K
    cell = tables.effect(report_run, "harm", "shanghai-2025", 0.25, 260)
    assert f"**{cell.change}** {cell.change_interval} (κ = 0.25)" in report.headline(report_run, "en")[2]


def test_the_scoreboard_has_the_agencies_that_had_anything_to_do(
    report_run: report.RunReport, page: Page
) -> None:
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


def test_moves_are_those_of_the_frame_and_per_100(report_run: report.RunReport) -> None:
    rows = tables.move_table(report_run)
    assert len(rows) == 6 * 4
    name, tier, n, cells = rows[0]
    assert (name, tier, n) == ("legacy", "T1", "12,400")
    assert [one.value for one in cells] == ["75.0%", "5.3%", "5.3%", "5.3%", "9.0%", "20.0", "2.0"]
    assert cells[0].interval == "[74.0%, 76.0%]"


def test_the_drift_table_has_the_first_and_last_year_at_each_kappa(report_run: report.RunReport) -> None:
    keys, rows = tables.drift_table(report_run)
    assert keys == [(kappa, year) for kappa in (0.0, 0.1, 0.25) for year in (1, 5)]
    assert len(rows) == 5 * 4 * 2
    row = next(one for one in rows if one[:3] == ("jinshan-2025", "T1", "harm"))
    assert row[3] == "12,400"
    assert row[4][-1].change == texts.percent(0.25 * 0.5 * (1 - 0.031), sign=True)


def test_tier_shares_add_up(report_run: report.RunReport) -> None:
    rows = tables.tier_table(report_run)
    for policy in report_run.policies:
        own = [row for row in rows if row.policy == policy.name]
        assert [row.tier for row in own] == ["T1", "T2", "T3", "T4", "entered"]
        assert sum(int(row.n.replace(",", "")) for row in own) == 21_200
        assert [row.share for row in own] == ["62.0%", "25.5%", "10.0%", "2.5%", "–"]
        assert [row.target for row in own] == ["62.0%", "25.0%", "10.0%", "3.0%", "–"]
    assert rows[4].cells[0].value == "40.0"  # of those that entered alone


@pytest.fixture(scope="module")
def real_comparison() -> Comparison:
    """Return a comparison of two plans in a small city, some of which enter during the weeks."""
    legacy, shanghai, minhang = map(Policy.load, ("legacy", "shanghai-2025", "minhang-2023"))
    world = make(300, seed=1)[1]
    return compare(world, legacy, [shanghai, minhang], replicates=2, weeks=26, threads=1)


@pytest.fixture(scope="module")
def real_run(real_comparison: Comparison) -> report.RunReport:
    policies = tuple(map(Policy.load, real_comparison.policies))
    return report.RunReport(
        summary=real_comparison.summary,
        by_replicate=real_comparison.by_replicate,
        policies=policies,
        weeks=26,
    )


def test_count_and_rate_of_a_tier_are_of_the_same_enterprises(real_run: report.RunReport) -> None:
    rows = tables.tier_table(real_run)
    everybody = real_run.summary[
        (real_run.summary["measure"] == "never_visited_share") & (real_run.summary["group"] == "all")
    ]
    total = int(everybody["n"].iloc[0])
    for policy in real_run.policies:
        own = [row for row in rows if row.policy == policy.name]
        counts = [int(row.n.replace(",", "")) for row in own]
        assert sum(counts) == total
        assert counts[-1] > 0, "nobody entered, so that the test shows nothing"
        whole = real_run.effects["inspections", policy.name, 0.1, 26]["value"]
        told = sum(
            n * float(row.cells[0].value) / 100 / 2 for n, row in zip(counts, own, strict=True) if n
        )  # half a year
        assert told == pytest.approx(whole, abs=0.05 / 200 * total)


def test_a_run_without_models_says_so_and_one_with_models_does_not(
    real_run: report.RunReport, page: Page, tmp_path: Path
) -> None:
    without = Page(report.index(real_run, tmp_path).read_text("utf-8")).text
    assert "No models in this run. The tiers of Shanghai 2025 and Minhang 2023 (draft)" in without
    assert "本次推演没有模型。上海市 2025和闵行 2023（征求意见稿）" in without
    assert "LightGBM" not in without
    assert "The tiers of Legacy rest on the rule score" not in without
    assert "LightGBM" in page.text
    assert "No models in this run" not in page.text
    assert "The tiers of Legacy rest on the rule score, not on the models." in page.text


def test_a_plan_is_called_best_only_where_it_is_told_apart(report_run: report.RunReport) -> None:
    # Each plan's values swing by 100 from replicate to replicate, all together, and are 5 apart: their
    # intervals overlap, their paired differences are clear of zero.
    assert report_run.told_apart("harm", "jinshan-2025", "minhang-2023", 0.1, 52)
    # A best of many plans is held against all the others at once, which takes wider intervals.
    fell = {}
    for among in (1, 4, 10**9):
        fell[among] = report_run.told_apart("harm", "jinshan-2025", "minhang-2023", 0.1, 52, among=among)
    assert fell[1] >= fell[4] >= fell[10**9]
    _, second, _ = report.headline(report_run, "en")
    least, safest, worst = second.split("; ")
    assert re.search(r"\*\*Jiading 2025\*\* \(.*\) has the fewest inspections$", least)
    assert re.fullmatch(r"\*\*Jinshan 2025\*\* \(.*\]\) has the least harm", safest)
    assert worst.endswith("has the most harm in year 5.")
    same = report_run.by_replicate
    assert same is not None
    noise = np.random.default_rng(1).normal(0, 50, len(same))
    close = same["policy"].isin(["jinshan-2025", "minhang-2023"])
    tied = dataclasses.replace(report_run, by_replicate=same.assign(value=same["value"] + noise * close))
    sentence = report.headline(tied, "en")[1].split("; ")[1]
    assert "**Jinshan 2025**" in sentence
    assert "**Minhang 2023 (draft)**" in sentence
    assert "not told apart" in sentence or "no plan clearly has" in sentence
    blurred = dataclasses.replace(report_run, by_replicate=same.assign(value=1000.0))
    sentence = report.headline(blurred, "en")[1].split("; ")[1]
    assert re.fullmatch(
        r"no plan clearly has the least harm, \*\*Jinshan 2025\*\* \(.*\) coming nearest", sentence
    )


def test_intervals_that_lie_apart_are_told_apart_without_the_replicates(bare_run: report.RunReport) -> None:
    rows = bare_run.effects
    for one, other in (("jinshan-2025", "shanghai-2025"), ("jiading-2025", "chongming-2025")):
        a, b = (rows["harm", name, 0.1, 52] for name in (one, other))
        apart = a["difference_high"] < b["difference_low"] or b["difference_high"] < a["difference_low"]
        assert bare_run.told_apart("harm", one, other, 0.1, 52) == apart
    assert bare_run.told_apart("inspections", "minhang-2023", "jiading-2025", 0.1, 52)
    assert not bare_run.told_apart("inspections", "jiading-2025", "jiading-2025", 0.1, 52)


def test_the_share_on_the_list_stands_beside_its_target(report_run: report.RunReport, tmp_path: Path) -> None:
    assert report_run.tiers is not None
    assert tables.listed_shares(report_run) == []
    every = np.arange(len(report_run.tiers))
    tiers = report_run.tiers.assign(unmonitored=every % 20 == 0)
    run = dataclasses.replace(report_run, tiers=tiers)
    assert tables.listed_shares(run)[0] == ("shanghai-2025", 0.05, 0.22)
    # where agencies fill lists of their own, of those whom they supervise
    own = tiers.assign(agencies=4, listed_by=every % 2)
    assert tables.listed_shares(dataclasses.replace(run, tiers=own))[0] == ("shanghai-2025", 0.125, 0.22)
    assert "minhang-2023" not in [name for name, _, _ in tables.listed_shares(run)]
    shown = Page(report.index(run, tmp_path).read_text("utf-8")).text
    assert "Shanghai 2025 5.0% (target 22.0%)" in shown
    assert "上海市 2025 5.0%（目标 22.0%）" in shown


def test_ranges_are_said_to_be_ours_and_the_calibrated_one_to_be_no_test(page: Page) -> None:
    assert "Ranges were set before the run" not in page.text
    assert "which need not lie inside" in page.text
    assert "One row is no test" in page.text
    assert "其中一行不是检验" in page.text
    assert moments._PLAN["inspections"].source.endswith("plan set to it")


def test_the_chinese_page_says_that_sources_are_in_english() -> None:
    assert "用英文写成" in texts.text("report.parameters.about", "zh")


def test_an_example_says_how_far_the_next_tier_is(page: Page, report_run: report.RunReport) -> None:
    for lang in ("zh", "en"):
        for axis in ("risk", "credit"):
            assert report_run.cases[0].reasons.distance_sentence(axis, lang) in page.text


def test_every_case_says_its_replicates(report_run: report.RunReport, tmp_path: Path) -> None:
    rows = report_run.summary
    few = np.where((rows["kappa"] == 0.1) & (rows["weeks"] == 52), 20, 3)
    run = dataclasses.replace(report_run, summary=rows.assign(replicates=few))
    assert [tables.replicates(run, kappa, 52) for kappa in (0.0, 0.1, 0.25)] == [3, 20, 3]
    source = report.index(run, tmp_path).read_text("utf-8")
    heads = re.findall(r'<small>κ = ([\d.]+)</small><small>.*?lang="en">(\d+ replicates)</span>', source)
    assert heads == [("0", "3 replicates"), ("0.1", "20 replicates"), ("0.25", "3 replicates")] + [
        (kappa, "3 replicates") for kappa in ("0", "0.1", "0.25")
    ]
    panels = plot.kappa(run.summary)
    assert [tick.get_text() for tick in panels[0].get_xticklabels()] == [
        "κ = 0\n3 replicates", "κ = 0.1\n20 replicates", "κ = 0.25\n3 replicates",
    ]  # fmt: skip


def test_a_reform_is_called_by_its_title(report_run: report.RunReport, tmp_path: Path) -> None:
    legacy, shanghai = report_run.policies[:2]
    title = Label("重点事项加密", "Key items twice as often")
    meta = dataclasses.replace(shanghai.meta, title=title)
    mine = dataclasses.replace(shanghai, name="my", meta=meta)
    rows = report_run.summary[report_run.summary["policy"].isin(["legacy", "shanghai-2025"])]
    rows = rows.assign(policy=rows["policy"].replace({"shanghai-2025": "my"}))
    run = report.RunReport(summary=rows, policies=(legacy, mine))
    assert report.headline(run, "en")[0].startswith("Under **Key items twice as often** (")
    assert report.headline(run, "zh")[0].startswith("按**重点事项加密**方案")
    source = report.index(run, tmp_path).read_text("utf-8")
    assert not re.search(r"\bmy\b", re.sub(r"<style>.*?</style>|<[^>]*>|font-face.*", "", source, flags=re.S))
    assert ">Key items twice as often</text>" in source  # in figures, too
    assert texts.policy_label("my", "en") == "my"
    twins = report.RunReport(
        summary=pd.concat([rows, rows[rows["policy"] == "my"].assign(policy="other")]),
        policies=(legacy, mine, dataclasses.replace(mine, name="other")),
    )
    assert report.headline(twins, "en")[0].startswith("Under **my** (")


@pytest.mark.parametrize("true", [0.5, 0.75, 0.95])
def test_the_interval_of_an_auc_covers(true: float) -> None:
    # Exponential scores: an AUC of ratio / (ratio + 1). At .95 many runs are perfectly apart.
    rng, runs = np.random.default_rng(5), 2000
    hits = rng.exponential(true / (1 - true), (runs, 10, 1))
    aucs, count = np.unique(
        (hits > rng.exponential(1.0, (runs, 1, 15))).mean(axis=(1, 2)), return_counts=True
    )
    ends = np.array([tables.auc_interval(auc, 10, 15) for auc in aucs])
    inside = count[(ends[:, 0] <= true) & (true <= ends[:, 1])].sum() / runs
    assert inside > 0.95 - 4 * np.sqrt(0.95 * 0.05 / runs)
    assert ((ends >= 0) & (ends <= 1)).all()


def test_the_interval_of_an_auc_is_what_newcombes_equation_says() -> None:
    for auc, m, n in ((0.7, 100, 900), (0.9, 5, 8), (0.3, 40, 2), (1.0, 6, 9), (0.0, 6, 9), (1.0, 1, 1)):
        low, high = tables.auc_interval(auc, m, n)
        assert low < high
        for end in {low, high} - {0.0, 1.0}:
            part = (1 - end) / (2 - end) + end / (1 + end)
            se = np.sqrt(end * (1 - end) * (1 + ((m + n) / 2 - 1) * part) / (m * n))
            assert abs(auc - end) / se == pytest.approx(1.959964, rel=1e-5)
        assert tables.auc_interval(1 - auc, m, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_a_weak_model_is_said_to_be_weak(bare_run: report.RunReport, tmp_path: Path) -> None:
    strong = {"n": 4000, "events": 400, "auc": 0.7}
    weak = {"n": 1572, "events": 53, "auc": 0.52}
    metrics = {"risk": weak, "credit": strong}
    assert [name for name, *_ in tables.weak_models(metrics)] == ["risk"]
    shown = Page(
        report.index(dataclasses.replace(bare_run, metrics=metrics), tmp_path).read_text("utf-8")
    ).text
    assert "Risk: an AUC of 0.520" in shown
    assert "Credit: an AUC" not in shown
    assert "so its rate is not events divided by rows" in shown


def test_parameters_say_where_they_come_from(report_run: report.RunReport) -> None:
    legacy, *plans = report_run.policies
    for policy in plans:
        rows = tables.parameters(policy, legacy)
        assert rows
        assert all(row.source or row.assumption for row in rows)
        assert all(row.value != row.was for row in rows)
    assert len(tables.parameters(legacy)) == len(legacy.parameters)


def test_the_same_run_gives_the_same_bytes(bare_run: report.RunReport, tmp_path: Path) -> None:
    first, second = (report.index(bare_run, tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second


def test_a_run_with_less_still_makes_a_page(bare_run: report.RunReport, tmp_path: Path) -> None:
    page = Page(report.index(bare_run, tmp_path).read_text("utf-8"))
    assert "examples" not in page.values("id")
    assert "figure-outcomes" in page.values("id")


def test_one_plan_is_not_compared_with_others(bare_run: report.RunReport) -> None:
    rows = bare_run.summary[bare_run.summary["policy"].isin(["legacy", "jinshan-2025"])]
    two = report.RunReport(summary=rows, policies=(bare_run.policies[0], bare_run.policies[4]))
    first, second = report.headline(two, "en")
    assert first.startswith("Under **Jinshan 2025**")
    assert second.startswith("Triggered inspections")


def test_one_replicate_has_no_intervals_and_says_nothing_false(
    report_run: report.RunReport, tmp_path: Path
) -> None:
    rows = report_run.summary[(report_run.summary["weeks"] == 52) & (report_run.summary["kappa"] == 0.1)]
    rows = rows.assign(low=np.nan, high=np.nan, difference_low=np.nan, difference_high=np.nan)
    once = report.RunReport(
        summary=rows.assign(replicates=1, kappa=0.0), policies=report_run.policies, kappa=0.0
    )
    source = report.index(once, tmp_path).read_text("utf-8")
    shown = Page(source).text
    assert not re.search(r"\bnan\b", shown.lower())
    assert not tables.effect(once, "harm", "jinshan-2025").sure
    assert "[–, –]" not in shown
    assert "1 replicates" not in shown
    assert "One replicate has no intervals. No number here" in shown
    assert "Bars: 95%" not in shown
    assert "κ = 0.0" not in shown
    assert "no plan clearly has the least harm" in report.headline(once, "en")[1]


def test_policies_that_are_not_the_summarys_are_refused(report_run: report.RunReport) -> None:
    with pytest.raises(ValueError, match="must be those of the summary, the baseline first"):
        dataclasses.replace(report_run, policies=report_run.policies[1:])


def test_summary_json_is_strict_json_and_holds_the_results(
    report_run: report.RunReport, run_page: Path
) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    data = json.loads((run_page / "summary.json").read_text("utf-8"), parse_constant=refuse)
    assert len(data["results"]) == 6 * (6 * 18 + 1)
    assert data["policies"][3]["hash"] == report_run.policies[3].hash
    assert sum(data["tiers"]["jiading-2025"].values()) == 4000
    assert data["moments"][2]["lowest"] is None
    assert data["headline"]["zh"][0].startswith("按上海市 2025方案")


def test_a_saved_run_is_read_back_the_same(report_run: report.RunReport, tmp_path: Path) -> None:
    folder = report_run.save(tmp_path / "run")
    again = report.RunReport.read(folder)
    for name in (
        "summary", "years", "transitions", "by_replicate", "tiers", "scores", "visits", "ratings", "moments",
        "calibration",
    ):  # fmt: skip
        pd.testing.assert_frame_equal(getattr(again, name), getattr(report_run, name))
    assert str(again.cases) == str(report_run.cases)  # as text, since NaN is not itself
    assert [p.hash for p in again.policies] == [p.hash for p in report_run.policies]
    assert report.summary_json(again) == report.summary_json(report_run)
    assert not list(folder.rglob("*.pkl"))
    with pytest.raises(FileNotFoundError, match=r"run\.json is missing"):
        report.RunReport.read(tmp_path)


def sealed_anew(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a run says of itself, as somebody does who computes its hashes again."""
    file = folder / "run.json"
    said = json.loads(file.read_text("utf-8"))
    change(said)
    said["files"] = {
        name: folders.file_sha256(folder / name) for name in said["files"] if (folder / name).exists()
    }
    said["seal"] = folders._seal_of(said)
    file.write_text(json.dumps(said), "utf-8")


RUNS: Mapping[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "kappa": (lambda said: said.update(kappa=0.2), "the summary has no κ = 0.2 with 52 weeks"),
    "weeks": (lambda said: said.update(weeks="8"), r"weeks: must be a whole number"),
    "policies": (lambda said: said.update(policies=3), r"policies: must be an array"),
    "one policy": (
        lambda said: said.update(policies=["legacy"]),
        "The 'policies' must be those of the summary",
    ),
    "no cases": (lambda said: said.pop("cases"), "has no 'cases'"),
    "a case": (lambda said: said.update(cases=[{}]), r"cases\[0\] is no enterprise of a sheet"),
    "metrics": (lambda said: said.update(metrics=3), "metrics: must be an object"),
    "facts": (lambda said: said.update(facts=3), "facts: must be an object"),
    "a day": (lambda said: said["facts"].update(as_of=5), r"facts\.as_of: must be a day"),
    "an unknown key": (lambda said: said.update(surprise=1), "has the unknown key 'surprise'"),
    "no summary": (lambda said: said["files"].pop("summary.parquet"), r"it lists no summary\.parquet"),
}


@pytest.mark.parametrize("case", RUNS)
def test_a_run_that_was_altered_and_sealed_anew_is_held_to_its_form(
    report_run: report.RunReport, tmp_path: Path, case: str
) -> None:
    folder = report_run.save(tmp_path / "run")
    change, said = RUNS[case]
    sealed_anew(folder, change)
    with pytest.raises(DataError, match=said):
        report.RunReport.read(folder)


@pytest.mark.parametrize(
    ("name", "column", "value"),
    [
        ("summary", "difference", None),
        ("tiers", "tier", 5),
        ("visits", "visits", "many"),
        ("scores", "credit_points", "A"),
    ],
)
def test_a_table_of_a_run_has_its_columns(
    report_run: report.RunReport, tmp_path: Path, name: str, column: str, value: object
) -> None:
    folder = report_run.save(tmp_path / "run")
    frame = getattr(report_run, name)
    other = frame.drop(columns=column) if value is None else frame.assign(**{column: value})
    write_sealed(other, folder / f"{name}.parquet")
    sealed_anew(folder, lambda said: None)
    with pytest.raises(DataError, match=rf"{name}\.{column}: (is missing|holds)"):
        report.RunReport.read(folder)


def test_a_run_of_which_a_file_was_altered_or_taken_away_is_refused(
    report_run: report.RunReport, tmp_path: Path
) -> None:
    folder = report_run.save(tmp_path / "run")
    (folder / "notes.txt").write_text("mine", "utf-8")
    assert report.RunReport.read(folder).kappa == report_run.kappa, "a file beside them is not looked at"
    file = folder / "run.json"
    whole = file.read_text("utf-8")
    file.write_text(whole.replace('"weeks": 52', '"weeks": 51'), "utf-8")
    with pytest.raises(DataError, match="its seal does not fit"):
        report.RunReport.read(folder)
    file.write_text(whole, "utf-8")
    policy = folder / "policies" / "01.toml"
    policy.write_text(policy.read_text("utf-8") + "\n", "utf-8")
    with pytest.raises(DataError, match=r"'policies/01\.toml' was altered"):
        report.RunReport.read(folder)
    policy.unlink()
    with pytest.raises(DataError, match=r"'policies/01\.toml' is missing"):
        report.RunReport.read(folder)


def test_a_policys_name_is_no_path(bare_run: report.RunReport, tmp_path: Path) -> None:
    legacy = bare_run.policies[0]
    odd = legacy.reform({"frequency.base_rate": 0.4}, name="../../odd name")
    rows = bare_run.summary[bare_run.summary["policy"].isin(["legacy", "jinshan-2025"])]
    rows = rows.assign(policy=rows["policy"].replace({"jinshan-2025": odd.name}))
    folder = report.RunReport(summary=rows, policies=(legacy, odd)).save(tmp_path / "deep" / "run")
    assert sorted(file.name for file in (folder / "policies").iterdir()) == ["00.toml", "01.toml"]
    assert [one.name for one in tmp_path.iterdir()] == ["deep"]
    assert report.RunReport.read(folder).policies[1].hash == odd.hash


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
def hostile(report_run: report.RunReport, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a page on enterprises with every hostile name, and facts that hold them, too."""
    few = dataclasses.replace(report_run.cases[0].reasons, reasons=report_run.cases[0].reasons.reasons[:1])
    cases = tuple(report.Sheet(reasons=few, enterprise={"name": name}) for name, _ in HOSTILE.values())
    facts = {kind: name for kind, (name, _) in HOSTILE.items()}
    rows = report_run.summary[report_run.summary["group"] == "all"]
    run = report.RunReport(summary=rows, policies=report_run.policies, cases=cases, facts=facts)
    return report.index(run, tmp_path_factory.mktemp("hostile")).read_text("utf-8")


@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_a_name_holds_is_shown_as_text(
    kind: str, hostile: str, report_run: report.RunReport
) -> None:
    name, shown = HOSTILE[kind]
    page = Page(hostile)
    assert shown in page.text
    assert hostile.count("<script") == 1
    assert "img" not in [tag for tag, _ in page.elements]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00]", hostile)
    assert hostile.count("<h3><bdi>") == len(HOSTILE)
    case = report.Sheet(reasons=report_run.cases[0].reasons, enterprise={"name": name})
    sheet = Page(
        report.dossier(case, report_run.policies[1], as_of="2024-12-30", lang="en", facts={"note": name})
    )
    assert shown in sheet.text
    assert "script" not in [tag for tag, _ in sheet.elements]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_dossier_says_tier_rule_reasons_and_leaves_room_to_sign(
    lang: str, report_run: report.RunReport, tmp_path: Path
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
    total, cuts = case.reasons.composite[2], policy["scoring.composite_cutoffs"]
    log_odds = np.log(0.24 / 0.76)
    for part in (total, total + 40 * log_odds, *cuts):
        assert f"{part:g}" in sheet.text or f"{part:.1f}" in sheet.text
    assert f"40 × {texts.number(log_odds, 2)}" in sheet.text
    assert source.count('class="cut"') == 3  # of the composite score, not of levels and grades
    assert ("calibration" if lang == "en" else "校准") in sheet.text
    if lang == "en":
        words = sheet.text.replace(case.enterprise["name"], "").replace(policy.meta.document, "")
        assert not re.search(r"[\u4e00-\u9fff]", words)


def test_a_dossier_without_a_name_or_with_missing_values_stands(report_run: report.RunReport) -> None:
    case = report.Sheet(
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
    from tierkit.compare.measures import MEASURES

    known = set(texts.ids())
    assert [m.name for m in MEASURES if f"measure.{m.name}" not in known] == []
    assert [m.unit for m in MEASURES if f"munit.{m.unit}" not in known] == []


def test_records_are_escaped_and_texts_may_be_strong() -> None:
    assert str(Words("en").pair("", "**a** <b>")) == "<strong>a</strong> &lt;b&gt;"
    assert str(record("**a**")) == "<bdi>**a**</bdi>"


def test_a_model_is_weak_by_what_whole_enterprises_tell() -> None:
    model = {"n": 4000, "events": 400, "auc": 0.54}
    assert tables.weak_models({"risk": model}) == []
    ends = {"auc_low": 0.47, "auc_high": 0.61}
    assert tables.weak_models({"risk": model | ends}) == [("risk", "0.540", "[0.470, 0.610]", 400)]
    worth = tables.weak_models({"risk": model | {"independent": 500}})
    low, high = tables.auc_interval(0.54, 50, 450)
    assert worth == [("risk", "0.540", f"[{low:.3f}, {high:.3f}]", 400)]
    gone = dict.fromkeys(ends, float("nan"))
    assert tables.weak_models({"risk": model | gone | {"independent": 500}}) == worth
    assert tables.weak_models({"risk": model | {"auc": float("nan")}}) == []


@pytest.mark.long
def test_a_model_without_signal_is_seldom_told_apart_where_rows_share_enterprises() -> None:
    rng, told, runs = np.random.default_rng(0), np.zeros(2), 200
    for _ in range(runs):
        own = np.repeat(np.arange(50), 8)
        y = rng.random(50)[own] < 0.3
        score = rng.random(50)[own]
        one = {"n": 400, "events": y.sum(), "auc": metrics.auc(y, score)}
        told += [not tables.weak_models({"risk": one | more}) for more in ({}, {"independent": 50})]
    assert told[0] / runs > 0.15
    assert told[1] / runs < 0.06


def test_what_tells_the_error_of_a_model_is_no_column(bare_run: report.RunReport, tmp_path: Path) -> None:
    model = {"n": 4000, "events": 400, "auc": 0.54}
    shown = []
    for name, one in (
        ("a", {"risk": model, "credit": model}),
        (
            "b",
            {
                "risk": model | {"auc_low": 0.51, "auc_high": 0.61},
                "credit": model | {"independent": 4000.0},
            },
        ),
    ):
        run = dataclasses.replace(bare_run, metrics=one)
        text = Page(report.index(run, tmp_path / name).read_text("utf-8")).text
        for lang in texts.LANGUAGES:
            for line in tables.auc_told(one, lang):  # where it is said
                assert line in text
                text = text.replace(line, "")
        shown.append(text)
    assert shown[0] == shown[1]


def test_an_auc_of_no_rows_has_no_interval() -> None:
    for bad in ((float("nan"), 5, 5), (1.2, 5, 5), (0.5, 0, 5), (0.5, 5, 0), (0.5, float("inf"), 5)):
        with pytest.raises(ValueError, match="of rows of both classes"):
            tables.auc_interval(*bad)
