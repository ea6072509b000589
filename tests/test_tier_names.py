"""What a document calls its tiers: read, written, and used wherever a tier is named."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from tierkit import report
from tierkit.explain import Recourse
from tierkit.policy import PLANS, Policy, PolicyError
from tierkit.policy.tiers import assign
from tierkit.policy.tiers.reasons import sentences
from tierkit.records import TIER_NAMES, TIERS

CLAUSES = dict.fromkeys(PLANS, "三(二)3") | {"jiading-2025": "38", "minhang-2023": "(十六)"}


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_names_its_tiers_by_its_own_clause(name: str) -> None:
    policy = Policy.load(name)
    assert all(CLAUSES[name] in str(one.source) for one in policy.meta.tiers.values())
    assert {"T1", "T4"} <= set(policy.meta.tiers)
    assert Policy.loads(policy.to_toml()) == policy
    assert policy.reform({"depth.detection": 0.8}).tier_names == policy.tier_names


def test_only_jiading_calls_a_tier_by_the_name_of_the_list_of_items() -> None:
    plans = map(Policy.load, ["legacy", *PLANS])
    called = [plan.name for plan in plans if "无事不扰" in {name.zh for name in plan.tier_names}]
    assert called == ["jiading-2025"]
    assert Policy.load("legacy").tier_names == TIER_NAMES


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('T5 = { zh = "甲", en = "a", source = "b" }', "is no tier"),
        ('T1 = { zh = "甲", en = "a" }', "must have zh, en, source"),
        (f'T1 = {{ zh = "{"甲" * 41}", en = "a", source = "b" }}', "at most 40 characters"),
        ('T1 = "甲"', "must have zh, en, source"),
    ],
)
def test_what_is_wrong_with_a_name_is_told(table: str, told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        Policy.loads(f'[meta]\nname = "mine"\nbaseline = "legacy"\n[meta.tiers]\n{table}\n')


@pytest.mark.parametrize(("lang", "worst"), [("zh", "重点关注"), ("en", "special attention")])
def test_reasons_use_the_policys_words(lang: str, worst: str) -> None:
    scores = pd.DataFrame(
        {"enterprise_id": ["a"], "sector": "gas", "risk_probability": 0.4, "credit_points": 400.0}
    )
    jiading = Policy.load("jiading-2025")
    said = sentences(assign(scores, jiading), jiading, lang).iloc[0]
    assert {"zh": f"T4（{worst}）", "en": f"T4 ({worst})"}[lang] in said


def test_sheet_and_recourse_use_the_policys_words(report_run: report.RunReport) -> None:
    case, names = report_run.cases[0], Policy.load("jiading-2025").tier_names
    why = dataclasses.replace(case.reasons, names=names, tier="T4")
    page = report.dossier(
        dataclasses.replace(case, reasons=why), report_run.policies[1], as_of="2024-12-30", lang="zh"
    )
    assert "<span>重点关注</span>" in page
    assert "□ 同意 T4 重点关注" in page
    best = Recourse(
        enterprise_id="a", as_of="2024-12-30", policy="jiading-2025", tier=TIERS[0], months=12, paths=(),
        tried=0, complete=True, pass_chance=0.5, names=names,
    )  # fmt: skip
    assert "无事不扰" in best.sentences("zh")[0]
    assert Recourse.from_dict(best.to_dict()).names == names


def test_a_page_of_everybody_uses_the_policys_words(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {
            "enterprise_id": ["e1"], "name": "甲", "district": "pudong", "sector": "food", "tier": "T4",
            "risk_level": 4, "credit_grade": "D", "risk_probability": 0.5, "credit_points": 400.0,
            "distance_risk": 0.1, "distance_credit": 1.0, "tier_reason": "matrix", "flags": "",
            "red_line": None, "policy": "jiading-2025", "assigned_on": pd.Timestamp(date(2025, 1, 6)),
            "held": False, "unmonitored": False, "composite_points": float("nan"),
        }
    )  # fmt: skip
    city = report.City(
        rows=rows,
        scored=1,
        as_of="2025-01-06",
        policy="jiading-2025",
        names=Policy.load("jiading-2025").tier_names,
    )
    assert '["T4","重点关注","special attention"]' in report.city_page(city)
