"""Rules above a policy and on repair are named where a person reads of them."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from tierkit import report
from tierkit.explain import Recourse
from tierkit.explain.recourse.paths import Path as Way
from tierkit.explain.recourse.steps import Step
from tierkit.records.repair_rules import REPAIR_RULES, published_until, repairable_from
from tierkit.report.page import Words
from tierkit.report.run_page import _checked, _overlays

NAMES = {"zh": [f"《{one.label.zh}》" for one in REPAIR_RULES], "en": [one.label.en for one in REPAIR_RULES]}


def records(known_on: str, **other: object) -> pd.DataFrame:
    """Return a record of a penalty as a sheet holds it."""
    kind, severity = "penalty", "moderate"
    days = {
        "happened_on": known_on, "known_on": known_on, "outcome_on": None, "counts_until": "2027-12-31",
        "published_until": str(published_until(known_on, kind, severity)),
        "repairable_from": str(repairable_from(known_on, kind, severity)), "repaired_on": None,
    }  # fmt: skip
    row = {"table": "credit_events", "record_id": "P1", "kind": kind, "agency": None, "outcome": severity}
    dated = {name: pd.Timestamp(day) if day else pd.NaT for name, day in days.items()}
    return pd.DataFrame([row | {"disposition": None} | dated | other])


@pytest.mark.parametrize(
    ("known_on", "as_of", "rule", "earlier"),
    [
        ("2025-06-01", "2025-07-01", 0, False),
        ("2026-05-01", "2026-06-01", 1, False),
        ("2025-11-15", "2026-06-01", 1, True),
    ],
)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_sheet_names_the_rule_by_which_a_record_is_repaired(
    known_on: str, as_of: str, rule: int, earlier: bool, lang: str, report_run: report.RunReport
) -> None:
    case = dataclasses.replace(report_run.cases[0], records=records(known_on))
    page = report.dossier(case, report_run.policies[1], as_of=as_of, lang=lang)
    assert page.count(NAMES[lang][rule]) == 2  # beside the record, and below the table with its terms
    assert NAMES[lang][1 - rule] not in page
    term = REPAIR_RULES[rule].term("penalty", "moderate")
    said = {
        "zh": f"最短{term.shortest}个月可申请修复、最长公示{term.longest}个月",
        "en": f"repaired after {term.shortest} months and is published for {term.longest} at most",
    }
    assert said[lang] in page
    assert (REPAIR_RULES[rule].transition.text(lang)[:20] in page) == earlier


def test_a_repaired_record_needs_no_rule(report_run: report.RunReport) -> None:
    case = dataclasses.replace(
        report_run.cases[0], records=records("2025-06-01", repaired_on=pd.Timestamp("2025-12-10"))
    )
    page = report.dossier(case, report_run.policies[1], as_of="2026-01-01", lang="zh")
    assert not any(one in page for one in NAMES["zh"])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_ways_to_a_better_tier_name_the_rule_of_the_day_of_repair(lang: str) -> None:
    steps = [Step("clear_penalty", f"P{k}", (), on, 2.0) for k, on in enumerate(["2026-03-01", "2026-04-02"])]
    earned = Step("file_self_check", None, (), "2026-04-02", 2.0)
    about = {"tier": "T1", "on": "2026-05-01", "cost": 4.0, "risk_level": 1, "credit_grade": "A",
             "risk_probability": 0.1, "credit_points": 600.0}  # fmt: skip

    def said(*taken: Step) -> str:
        way = Recourse(
            enterprise_id="a", as_of="2026-01-01", policy="legacy", tier="T2", months=12, tried=1,
            paths=(Way(steps=taken, **about),), complete=True, pass_chance=0.5,
        )  # fmt: skip
        return " ".join(way.sentences(lang))

    for taken, rules in ((steps[:1], [0]), (steps[1:], [1]), (steps, [0, 1]), ([earned], [])):
        assert [k for k, name in enumerate(NAMES[lang]) if name in said(*taken)] == rules


def test_the_page_of_a_run_says_which_rules_of_higher_rank_a_policy_breaks(
    report_run: report.RunReport,
) -> None:
    run = dataclasses.replace(report_run, facts={**report_run.facts, "as_of": "2025-07-01"})
    checks = {check.policy: check for check in _checked(run)}
    assert sorted(checks) == sorted(one.name for one in run.policies if one.meta.overlays)
    check = checks["shanghai-2025"]
    assert [one.requirement.id for one in check.broken] == ["yearly-cap"]
    told = next(lines for one, lines in _overlays(run, Words()) if one.policy == "shanghai-2025")
    assert len(told) == 2
    assert check.broken[0].requirement.text.zh in told[1]
    assert check.broken[0].requirement.text.en in told[1]
