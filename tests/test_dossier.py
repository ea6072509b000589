"""Cases and their dossier: records as known, sums that hold, every part there or said to be missing."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import re
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pages import Page

from tierkit import plot, report, texts
from tierkit.explain import Record, Recourse
from tierkit.explain.recourse.paths import Path
from tierkit.explain.recourse.steps import Step
from tierkit.features import FEATURES, GROUPS, build, features_of
from tierkit.plot import fonts
from tierkit.policy import Policy, reviews
from tierkit.records import DataError, Dataset, conform, credit_code, read_dataset
from tierkit.records.known import TIMED, known
from tierkit.report.sheet_records import COLUMNS, TOLD
from tierkit.scores.ensemble import Ensemble
from tierkit.scores.model import Model
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

AS_OF = "2024-07-01"
JIADING = Policy.load("jiading-2025")


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Return the records of the small city in the project."""
    return read_dataset("data/synthetic", [*TIMED, "tiers"])


@pytest.fixture(scope="module")
def model(data: Dataset) -> Model:
    """Return quick models with an ensemble of three; what they say matters nothing here."""
    X = build(data, AS_OF)
    y = (X["complaints_1y"] > 0).to_numpy()
    read = ["findings_2y", "days_since_clean_check", "age_years", "obligations", "penalties_2y"]
    risks = [RiskModel(n_trees=8).fit(X[read], np.roll(y, k)) for k in range(4)]
    credit = CreditScorecard().fit(X[["adverse_open", "self_check_1y"]], X["findings_2y"] > 0)
    return Model(risks[0], credit, JIADING, {"sha256": "ab" * 32}, Ensemble(tuple(risks[1:]), (credit,) * 3))


def _busiest(data: Dataset, count: int = 3) -> list[str]:
    here = data["enterprises"]
    open_ = here[here["closed_on"].isna() & (here["registered_on"] < AS_OF)]["enterprise_id"]
    own = pd.concat([data[name]["enterprise_id"] for name in ("inspections", "credit_events", "complaints")])
    return own[own.isin(open_)].value_counts().head(count).index.tolist()


# Records


def test_records_are_those_known_then_with_the_cells_known_then(data: Dataset) -> None:
    ids = _busiest(data, 400)
    found = report.known_records(data, AS_OF, ids)
    assert tuple(found.columns) == COLUMNS
    assert (found["known_on"] < AS_OF).all()
    assert not (found[["outcome_on", "repaired_on"]] >= pd.Timestamp(AS_OF)).any().any()
    events = data["credit_events"]
    late = events[(events["known_on"] < AS_OF) & (events["repaired_on"] >= AS_OF)]["event_id"]
    told = found[found["record_id"].isin(late)]
    assert len(told) > 5
    assert told["repaired_on"].isna().all()
    for name in ("inspections", "complaints", "signals", "tiers"):
        day = {"inspections": "inspected_on", "complaints": "received_on", "signals": "raised_on"}
        own = data[name][data[name]["enterprise_id"].isin(ids)]
        assert (found["table"] == name).sum() == (own[day.get(name, "assigned_on")] < AS_OF).sum()
    assert found["enterprise_id"].drop_duplicates().tolist() == [
        one for one in ids if one in set(found["enterprise_id"])
    ]
    newest = found.groupby("enterprise_id")["known_on"]
    assert newest.apply(lambda days: days.is_monotonic_decreasing).all()


def test_folders_files_and_frames_give_the_same_records(data: Dataset) -> None:
    ids = _busiest(data)
    frames = report.known_records(data, AS_OF, ids)
    there = {name: pathlib.Path(f"data/synthetic/{name}.parquet") for name in (*TIMED, "tiers")}
    pd.testing.assert_frame_equal(report.known_records("data/synthetic", AS_OF, ids), frames)
    pd.testing.assert_frame_equal(report.known_records(there, AS_OF, ids), frames)
    nobody = report.known_records({"enterprises": data["enterprises"]}, AS_OF, ids)
    assert (tuple(nobody.columns), len(nobody)) == (COLUMNS, 0)


def test_a_record_counts_until_the_day_that_is_told_and_no_longer(data: Dataset) -> None:
    """The oracle are the features themselves: taken with and without the record, on that day and the next."""
    ids = data["enterprises"]["enterprise_id"].tolist()
    found = report.known_records(data, AS_OF, ids)
    found = found[found["table"] != "tiers"].drop_duplicates("enterprise_id")
    with known(data, AS_OF) as now:
        whole = now.tables()
    keys = {
        "inspections": "check_code",
        "credit_events": "event_id",
        "complaints": "complaint_id",
        "signals": "signal_id",
    }
    dropped = {
        name: frame[~frame[keys[name]].isin(found["record_id"])] if name in keys else frame
        for name, frame in whole.items()
    }
    counts = [
        f.name for f in FEATURES
        if f.name.endswith(("_1y", "_2y", "_3y", "_open")) and (f.risk is not None or f.credit is not None)
    ]  # fmt: skip
    untrue = (found["table"] == "complaints") & (found["outcome"] != "true")
    assert untrue.sum() > 20
    assert (found["counts_until"].isna() == untrue).all(), "a complaint that nobody found true does not count"
    told = found[~untrue]
    assert told["table"].value_counts().min() >= 3
    assert len(told) > 300

    def differ(days: int) -> pd.Series:
        pairs = pd.DataFrame(
            {"enterprise_id": told["enterprise_id"], "as_of": told["counts_until"] + pd.Timedelta(days=days)}
        )
        seen = []
        for tables in (whole, dropped):
            with known(tables) as later:
                seen.append(features_of(later, pairs)[counts])
        return (seen[0] != seen[1]).any(axis=1).set_axis(told.index)

    def wrong(rows: pd.Series) -> list[Any]:
        return told[rows].groupby(["table", "kind", "outcome"], dropna=False).size().to_dict()

    assert wrong(~differ(0)) == {}, "these no longer count on their day"
    assert wrong(differ(1)) == {}, "these still count on the day after"


# Cases


def test_cases_hold_everything_of_each_enterprise_in_the_order_asked(data: Dataset, model: Model) -> None:
    ids = _busiest(data)
    log = pd.DataFrame(columns=list(reviews.COLUMNS)).assign(enterprise_id=[ids[1]] * 2)
    found = list(report.sheets(model, data, AS_OF, ids, reviews=log, facts={"command": "again"}))
    assert [case.reasons.enterprise_id for case in found] == ids
    sure = model.certainty(data, AS_OF, ids).set_index("enterprise_id")
    for case, one in zip(found, ids, strict=True):
        assert case.enterprise["name"] == data["enterprises"].set_index("enterprise_id").loc[one, "name"]
        assert case.certainty is not None
        assert case.certainty["tier_agreement"] == sure.loc[one, "tier_agreement"]
        assert case.certainty["members"] == 3
        own = report.known_records(data, AS_OF, [one]).drop(columns="enterprise_id")
        pd.testing.assert_frame_equal(case.records, own)
        assert case.recourse is not None
        assert case.recourse.tier == case.reasons.tier
        behind = {r.record_id for reason in case.reasons.reasons for r in reason.records}
        assert behind & set(own["record_id"])
        assert case.facts["command"] == "again"
        assert case.facts["data_hash"] == report.data_hash("data/synthetic")
    assert [len(case.reviews) for case in found if case.reviews is not None] == [0, 2, 0]


def test_cases_refuse_who_is_not_there(data: Dataset, model: Model) -> None:
    everybody = data["enterprises"]
    closed = everybody[everybody["closed_on"] < AS_OF]["enterprise_id"].iloc[0]
    with pytest.raises(ValueError, match=f"Not on the register on {AS_OF}: {closed}"):
        next(report.sheets(model, data, AS_OF, [closed]))
    with pytest.raises(DataError, match="91350100M000100Y43"):
        next(report.sheets(model, data, AS_OF, ["91350100M000100Y43"]))
    with pytest.raises(DataError, match="no records reach to"):
        next(report.sheets(model, data, "2030-01-01", everybody["enterprise_id"].iloc[:1]))


def test_a_case_comes_back_from_json(data: Dataset, model: Model) -> None:
    log = pd.DataFrame(
        {"entry": [1], "enterprise_id": _busiest(data)[0], "reason": [None], "as_of": pd.to_datetime([AS_OF])}
    )
    [case] = report.sheets(model, data, AS_OF, _busiest(data)[:1], reviews=log, recourse=False)
    case = dataclasses.replace(case, recourse=WAYS)
    again = report.Sheet.from_dict(json.loads(json.dumps(case.to_dict())))
    pd.testing.assert_frame_equal(again.records, case.records)
    assert again.reviews is not None
    assert again.reviews["as_of"].tolist() == log["as_of"].tolist()
    assert again.reviews["reason"].isna().all()
    assert (again.certainty, again.facts, again.recourse) == (case.certainty, case.facts, case.recourse)
    bare = report.Sheet.from_dict({"reasons": case.reasons.to_dict(), "enterprise": {}})
    assert (bare.records, bare.certainty, bare.recourse, bare.reviews) == (None,) * 4


def test_the_hash_of_data_is_that_of_its_files(data: Dataset, tmp_path: Any) -> None:
    small = Dataset({"enterprises": data["enterprises"].head(5)})
    assert report.data_hash(small) is None
    conform(small["enterprises"], "enterprises").to_parquet(tmp_path / "enterprises.parquet")
    first = report.data_hash(tmp_path)
    assert first == report.data_hash(tmp_path)
    small["enterprises"].head(4).to_parquet(tmp_path / "enterprises.parquet")
    assert report.data_hash(tmp_path) != first


# The page


def _records(count: int = 4, name: str = "E1") -> pd.DataFrame:
    """Return records of every table, `count` of them inspections."""
    rows: list[dict[str, Any]] = [
        {"table": "credit_events", "record_id": name, "kind": "penalty", "outcome": "serious",
         "happened_on": "2023-03-01", "known_on": "2023-04-20", "counts_until": "2026-04-20",
         "published_until": "2026-04-20",
         "repairable_from": "2024-04-20"},
        {"table": "credit_events", "record_id": "E2", "kind": "tax_arrears", "outcome": "minor",
         "happened_on": "2022-03-01", "known_on": "2022-03-02", "counts_until": "2024-03-01",
         "repaired_on": "2022-09-01"},
        {"table": "complaints", "record_id": "C1", "kind": "hotline", "agency": "fire", "outcome": "true",
         "happened_on": "2024-02-01", "known_on": "2024-02-01", "outcome_on": "2024-02-09",
         "counts_until": "2026-02-08"},
        {"table": "signals", "record_id": "S1", "kind": "incident", "agency": "fire",
         "happened_on": "2024-02-02", "known_on": "2024-02-02", "counts_until": "2025-02-01"},
        {"table": "tiers", "record_id": "2024-01-01", "kind": "legacy", "outcome": "T3",
         "happened_on": "2024-01-01", "known_on": "2024-01-01"},
    ]  # fmt: skip
    rows += [
        {"table": "inspections", "record_id": f"K{k}", "kind": "random", "agency": "fire",
         "outcome": ("none", "minor", "moderate", "serious")[k % 4],
         "disposition": "none" if k % 4 == 0 else "rectified", "happened_on": "2024-06-01",
         "known_on": "2024-06-01", "outcome_on": None if k % 4 == 0 else "2024-06-09",
         "counts_until": "2026-06-01"}
        for k in range(count)
    ]  # fmt: skip
    frame = pd.DataFrame(rows).reindex(columns=list(COLUMNS[1:]))
    days = [one for one in frame if str(one).endswith(("_on", "_until", "_from"))]
    return frame.assign(**{one: pd.to_datetime(frame[one]) for one in days})


def _log(**changes: Any) -> pd.DataFrame:
    row = {
        "entry": 7, "enterprise_id": "x", "decided_on": pd.Timestamp("2025-01-06"), "decision": "override",
        "tier": "T4", "override_tier": "T2", "reason": "整改已复查", "reviewer": "李审定",
        "as_of": pd.Timestamp("2024-12-30"), "policy": "shanghai-2025", "recorded_at": "", "hash": "cd" * 32,
    }  # fmt: skip
    return pd.DataFrame([row | changes])


CERTAINTY = {
    "tier": "T4", "members": 20, "tier_agreement": 0.7, "low": 0.481, "high": 0.855, "level_agreement": 0.4,
    "grade_agreement": 0.9, "points_sd": 7.5,
    "log_odds_sd": 0.3,
}  # fmt: skip
STEP = Step("clear_penalty", "E1", ("penalties_open",), "2025-02-01", 5.0)
WAY = Path(
    tier="T2", on="2025-03-01", cost=5.0, steps=(STEP,), risk_level=2, credit_grade="B",
    risk_probability=0.11, credit_points=590.0,
)  # fmt: skip
WAYS = Recourse(
    enterprise_id="x", as_of="2024-12-30", policy="shanghai-2025", tier="T4", months=12, paths=(WAY,),
    tried=3, complete=True, pass_chance=0.7,
)  # fmt: skip


@pytest.fixture(scope="module")
def full(report_run: report.RunReport) -> report.Sheet:
    """Return a case with everything that a dossier can show."""
    case = report_run.cases[0]
    first = dataclasses.replace(
        case.reasons.reasons[0],
        records=tuple(Record("inspections", f"K{k}", "2024-06-01", "minor") for k in range(5)),
    )
    why = dataclasses.replace(case.reasons, reasons=(first, *case.reasons.reasons[1:]))
    return dataclasses.replace(
        case, reasons=why, records=_records(), certainty=CERTAINTY, recourse=WAYS, reviews=_log(),
        facts={"model_hash": "ab" * 32, "command": "tierkit explain …"},
        enterprise={**case.enterprise, "registered_on": "2015-05-05"},
    )  # fmt: skip


SAID = {
    "zh": [
        "20 对风险和信用模型中，14 对给出同一监管等级（70%，95% 威尔逊区间 [48%, 86%]）",
        "18 对给出同一信用等次",
        "另定等级 T2 第二级", "李审定于 2025-01-06 审定", "整改已复查", "2015-05-05 登记",
        "2024-04-20 起可申请修复", "2022-09-01 已修复", "属实（2024-02-09 核实）",
        "9 条记录中有 1 条在发生 30 天后才知悉，最迟的一条（E1）迟 50 天",
        "严重问题；责令改正（2024-06-09）", "等，共 5 条", "另定等级： □ T1 □ T2 □ T3",
    ],
    "en": [
        "Of 20 pairs of models, of risk and of credit, trained on other samples of the enterprises, 14 give",
        "14 give the same tier (70%, 95% Wilson interval", "18 the same credit grade",
        "tierkit set them from target shares, on 10 synthetic cities",
        "another tier T2 second tier, by 李审定 on 2025-01-06", "整改已复查", "registered on 2015-05-05",
        "can be repaired from 2024-04-20", "repaired on 2022-09-01", "substantiated (2024-02-09)",
        "1 of 9 records became known more than 30 days after happening, the latest (E1) after 50 days",
        "serious finding; rectified (2024-06-09)", "and others, 5 in all", "another tier: □ T1 □ T2 □ T3",
    ],
}  # fmt: skip


def _page(case: report.Sheet, run: report.RunReport, lang: str = "en") -> Page:
    return Page(report.dossier(case, run.policies[1], as_of="2024-12-30", lang=lang))


def _sections(page: Page) -> list[str]:
    return [str(attrs.get("id")) for tag, attrs in page.elements if tag == "section"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_full_dossier_says_everything_in_one_language(
    lang: str, full: report.Sheet, report_run: report.RunReport
) -> None:
    page = _page(full, report_run, lang)
    assert _sections(page) == [
        "conclusion", "scores", "reasons", "records", "recourse", "reviews", "versions", "decision",
    ]  # fmt: skip
    shown = re.sub(r"\s+", " ", page.text)
    for sentence in [*SAID[lang], *WAYS.sentences(lang), "ab" * 32, "tierkit explain …", "cd" * 6]:
        assert sentence in shown, sentence
    assert fonts.missing(page.text) == []
    assert "script" not in [tag for tag, _ in page.elements]
    if lang == "en":
        theirs = (full.enterprise["name"], report_run.policies[1].meta.document, "李审定", "整改已复查")
        for name in theirs:
            shown = shown.replace(name, "")
        assert not re.search(r"[\u4e00-\u9fff]", shown)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_can_be_read_by_those_who_do_not_see_it(
    lang: str, full: report.Sheet, report_run: report.RunReport
) -> None:
    page = _page(full, report_run, lang)
    tags = [tag for tag, _ in page.elements]
    assert page.elements[0] == ("html", {"lang": {"zh": "zh-CN", "en": "en"}[lang]})
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert tags.count("main") == tags.count("header") == 1
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    assert all(name in ids for name in page.values("aria-labelledby"))
    assert all(link[1:] in ids for link in page.values("href") if link.startswith("#"))
    regions = [attrs for _, attrs in page.elements if attrs.get("role") == "region"]
    assert len(regions) == tags.count("table") == tags.count("caption") == tags.count("thead") == 3
    assert all(attrs["tabindex"] == "0" for attrs in regions)
    assert all("scope" in attrs for tag, attrs in page.elements if tag == "th")
    figures = [attrs for tag, attrs in page.elements if tag == "svg"]
    assert len(figures) == 2
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in figures)
    han = [bool(re.search(r"[\u4e00-\u9fff]", str(attrs["aria-label"]))) for attrs in figures]
    assert han == [lang == "zh"] * 2


def _table(source: str, caption: str) -> list[list[str]]:
    """Return the cells of the table with a caption."""
    tables = source.split("<table")[1:]
    table = next(part for part in tables if f'id="{caption}"' in part).split("</table>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", table, flags=re.S)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.S) for row in rows]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]


def _number(cell: str) -> float:
    return 0.0 if cell == "–" else float(cell.replace("−", "-").replace(",", ""))


def test_the_effects_shown_are_those_of_the_reasons_and_add_up(
    full: report.Sheet, report_run: report.RunReport
) -> None:
    source = report.dossier(full, report_run.policies[1], as_of="2024-12-30", lang="en")
    rows = _table(source, "caption-reasons")
    why = full.reasons
    assert rows[0][2:] == ["risk (log-odds)", "credit (points)", "composite (points)"]
    assert [_number(cell) for cell in rows[1][2:]] == [-2.1, 610.0, 700.0]
    assert rows[-1][2:] == [texts.number(why.risk_margin, 2), texts.number(why.credit_points, 1),
                            texts.number(why.composite[2], 1)]  # type: ignore[index]  # fmt: skip
    by_fact = {row[0]: row for row in rows}
    for reason in why.reasons:
        shown = by_fact[reason.fact("en")][2 if reason.axis == "risk" else 3]
        assert shown == texts.signed(reason.effect, 2 if reason.axis == "risk" else 1)
    sums = [row for row in rows if row[0].endswith(", together")]
    assert [row[0] for row in sums] == [f"{label.en}, together" for label in GROUPS.values()]
    for row, group in zip(sums, GROUPS, strict=True):
        assert row[2] == texts.signed(why.groups("risk")[group], 2)
        assert _number(row[3]) == pytest.approx(why.groups("credit")[group], abs=0.051)
    for column, digits in ((2, 2), (3, 1), (4, 1)):
        total = _number(rows[1][column]) + sum(_number(row[column]) for row in sums)
        assert total == pytest.approx(_number(rows[-1][column]), abs=2.1 * 10**-digits)


def test_facts_beyond_those_shown_are_one_row_and_the_sum_stays(
    full: report.Sheet, report_run: report.RunReport
) -> None:
    conduct = [f.name for f in FEATURES if f.group == "conduct"][:12]
    some = full.reasons.reasons[0]
    many = [
        dataclasses.replace(some, feature=name, effect=0.5 - k / 40, composite=None)
        for k, name in enumerate(conduct)
    ]
    why = dataclasses.replace(full.reasons, reasons=tuple(many), composite=None)
    source = report.dossier(dataclasses.replace(full, reasons=why), JIADING, as_of="2024-12-30", lang="en")
    rows = _table(source, "caption-reasons")
    assert rows[0][2:] == ["risk (log-odds)", "credit (points)"]
    (rest,) = [row for row in rows if row[0] == "4 other facts"]
    assert rest[2] == texts.signed(sum(r.effect for r in many[8:]), 2)
    (total,) = [row for row in rows if row[0] == "conduct, together"]
    assert total[2:] == [texts.signed(sum(r.effect for r in many), 2), "–"]


def test_the_sheet_prints_the_law_that_inspections_of_each_item_rest_on(
    full: report.Sheet, report_run: report.RunReport
) -> None:
    place = full.reasons.place
    case = dataclasses.replace(full, items=("fire-k1", "market_regulation-g2"))
    for lang, none in (("zh", "未载明"), ("en", "not given")):
        rows = _table(report.dossier(case, JIADING, as_of="2024-12-30", lang=lang), "caption-items")[1:]
        assert [row[2] for row in rows] == [place.items["fire-k1"].basis, none]
        assert [row[0] for row in rows] == [place.items[one].label.text(lang) for one in case.items]
    assert report.Sheet.from_dict(case.to_dict(), place).items == case.items
    bare = dataclasses.replace(full, items=None)
    assert "caption-items" not in report.dossier(bare, JIADING, as_of="2024-12-30")


def test_a_sheet_names_the_items_that_the_enterprise_holds_on_the_day(data: Dataset, model: Model) -> None:
    one = _busiest(data, 1)
    [case] = report.sheets(model, data, AS_OF, one, recourse=False)
    held = data["obligations"].query("enterprise_id == @one[0] and valid_from < @AS_OF")
    held = held[~(held["valid_to"] < pd.Timestamp(AS_OF))]
    assert sorted(case.items or ()) == sorted(held["item"])
    assert len(held) > 0


def test_what_is_missing_is_said_to_be_missing(full: report.Sheet, report_run: report.RunReport) -> None:
    bare = report.Sheet(reasons=full.reasons, enterprise={"name": "A"})
    shown = _page(bare, report_run).text
    for said in ("trained without other samples", "No list of records came", "This was not worked out",
                 "No log of decisions came"):  # fmt: skip
        assert said in shown
    assert "Decision in force" not in shown
    none = dataclasses.replace(full, records=_records().iloc[:0], reviews=_log().iloc[:0])
    page = _page(none, report_run)
    for said in ("No record was known before 2024-12-30", "The log holds no decision on this enterprise"):
        assert said in page.text
    assert [tag for tag, _ in page.elements].count("svg") == 1
    other = dataclasses.replace(full, reviews=_log(policy="jiading-2025"))
    assert "Decision in force" not in _page(other, report_run).text, "that was under another plan"
    soon = dataclasses.replace(full, records=_records().iloc[1:])
    assert "8 records, each known within 30 days" in _page(soon, report_run).text
    past = dataclasses.replace(full, records=_records().iloc[4:5])
    assert [tag for tag, _ in _page(past, report_run).elements].count("svg") == 1, (
        "tiers alone are no timeline"
    )


def test_the_report_of_a_run_shows_the_decision_in_force_and_keeps_it(
    full: report.Sheet, report_run: report.RunReport, tmp_path: pathlib.Path
) -> None:
    rows = report_run.summary[report_run.summary["group"] == "all"]
    plain = dataclasses.replace(full, reviews=None)
    run = report.RunReport(summary=rows, policies=report_run.policies, cases=(full, plain))
    again = report.RunReport.read(run.save(tmp_path / "run"))
    pd.testing.assert_frame_equal(again.cases[0].records, full.records)
    source = report.index(again, tmp_path / "page").read_text("utf-8")
    for lang in ("zh", "en"):
        assert source.count(full.in_force(lang).replace("**", "<s>").split("<s>")[1]) == 1
    assert source.count('<p class="force">') == 1


def test_a_long_list_of_records_has_a_limit_that_is_told(
    full: report.Sheet, report_run: report.RunReport
) -> None:
    records = _records(100)
    case = dataclasses.replace(full, records=pd.concat([records[1:], records[:1]]))
    source = report.dossier(case, report_run.policies[1], as_of="2024-12-30", lang="en")
    assert "Records known before 2024-12-30: 60 of 105" in source
    assert "Not listed, as they are older and no open credit events: 45." in source
    table = _table(source, "caption-records")
    assert len(table) == 61
    assert "E1" in table[1], "the open penalty comes first, however many inspections there are"


HOSTILE = (
    "<script>alert(1)</script>", "</style><b>", "=CMD()", "好\u202e坏", "{{ 7 * 7 }}", '"><img src=x>',
    "企" * 10_000,
)  # fmt: skip


@pytest.fixture(scope="module")
def tags(full: report.Sheet, report_run: report.RunReport) -> set[str]:
    """Return the elements of a dossier in which nothing is hostile."""
    return {tag for tag, _ in _page(full, report_run).elements}


@pytest.mark.parametrize("name", [HOSTILE[1], HOSTILE[3], HOSTILE[6]], ids=["markup", "reversed", "long"])
def test_whatever_records_and_reviewers_say_is_text(
    name: str, full: report.Sheet, report_run: report.RunReport, tags: set[str]
) -> None:
    told = tuple(Record("credit_events", text, "2024-06-01", "penalty") for text in HOSTILE)
    first = dataclasses.replace(full.reasons.reasons[0], records=told[:3])
    second = dataclasses.replace(full.reasons.reasons[1], records=told[3:])
    why = dataclasses.replace(full.reasons, enterprise_id=name, reasons=(first, second))
    case = dataclasses.replace(
        full, reasons=why, enterprise={"name": name, "sector": name, "registered_on": name},
        records=pd.concat([_records(0, name=text) for text in HOSTILE]),
        reviews=pd.concat([_log(reason=text, reviewer=text, policy=why.policy) for text in HOSTILE]),
        facts={text: text for text in HOSTILE},
    )  # fmt: skip
    source = report.dossier(case, report_run.policies[1], as_of="2024-12-30", lang="en")
    page = Page(source)
    assert {tag for tag, _ in page.elements} == tags
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00]", source)
    for text in HOSTILE:
        assert texts.plain(text, 40) in page.text
    title = re.search("<title>(.*?)</title>", source, re.S)
    assert title is not None
    assert "<" not in title.group(1)
    assert len(title.group(1)) < 500
    assert source.count("</style>") == 2


def test_the_running_foot_names_only_what_is_a_code(full: report.Sheet, report_run: report.RunReport) -> None:
    source = report.dossier(full, report_run.policies[1], as_of="2024-12-30", lang="zh")
    foot = f'@bottom-left{{content:"监管等级说明书 {full.reasons.enterprise_id} · 2024-12-30"}}'
    assert foot in source
    assert len(full.reasons.enterprise_id) == credit_code.LENGTH
    assert "counter(page)" in source


def _luminance(color: str) -> float:
    rgb = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_colours_of_pages_have_the_contrast_that_wcag_asks_for() -> None:
    sheet = files("tierkit.report").joinpath("templates/page.css").read_text("utf-8")
    color = dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})\b", sheet)) | {"paper": "#ffffff"}
    pairs = [(one, ground) for one in ("ink", "soft", "blue", "red") for ground in ("paper", "faint")]
    pairs += [("ink", tier) for tier in ("T1", "T2", "T3")] + [("paper", "T4"), ("paper", "blue")]
    for one, ground in pairs:
        high, low = sorted((_luminance(color[one]), _luminance(color[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (one, ground)


# The figure


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_timeline_draws_each_record(lang: str) -> None:
    ax = plot.timeline(_records(6), "2024-12-30", lang=lang)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert len(labels) == 2 + 4
    assert labels[2] == {"zh": "行政检查（6）", "en": "inspections (6)"}[lang]
    first = (pd.Timestamp("2022-03-01") - pd.Timestamp(0)).days
    low, high = ax.get_xlim()
    assert low < first
    assert high > (pd.Timestamp("2024-12-30") - pd.Timestamp(0)).days
    assert sum(len(line.get_xdata()) for line in ax.lines if line.get_marker() == "o") == 6
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert any("n = 11" in text.get_text() for text in figure.texts)
    with pytest.raises(ValueError, match="no records to draw"):
        plot.timeline(_records().iloc[:0], "2024-12-30")


def test_the_timeline_says_how_many_events_it_leaves_out() -> None:
    many = pd.concat([_records(0).iloc[:1]] * 12, ignore_index=True)
    ax = plot.timeline(many, "2024-12-30", lang="en")
    assert len(ax.get_yticks()) == 8
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert any("not drawn but listed: 4" in text.get_text() for text in figure.texts)


def test_tables_told_are_those_that_features_read_and_past_tiers() -> None:
    assert set(TOLD) == set(TIMED) - {"enterprises", "obligations"} | {"tiers"}
