"""Small frames with the shape of real results, for tests and docstrings of figures and pages.

The numbers are made up, near those of a real run; what they must show is the shape, the labels and the order.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import shared

import tierkit
from tierkit.compare.agencies import MEASURES as SCOREBOARD
from tierkit.explain import Reason, Reasons
from tierkit.policy import Policy
from tierkit.records import Label
from tierkit.report import RunReport, Sheet, index

mpl.use("Agg")

POLICIES = ["legacy", "shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025", "minhang-2023"]
# policy: change of inspections, finding rate, findings, violations missed, harm
CHANGES = {
    "shanghai-2025": (-0.52, 0.31, -0.37, 0.019, 0.024),
    "chongming-2025": (-0.47, 0.36, -0.28, 0.014, 0.011),
    "jiading-2025": (-0.55, 0.44, -0.35, 0.017, 0.006),
    "jinshan-2025": (-0.41, 0.47, -0.13, 0.006, -0.031),
    "minhang-2023": (-0.12, 0.08, -0.05, 0.002, -0.004),
}
BASE = {
    "inspections": 8012.0,
    "planned_inspections": 6650.0,
    "visits": 7350.0,
    "inspector_hours": 17250.0,
    "enterprise_hours": 29800.0,
    "findings": 1010.0,
    "finding_rate": 0.126,
    "violations_missed": 21870.0,
    "violation_weeks": 512000.0,
    "harm": 1284000.0,
    "weeks_to_detection": 33.1,
    "trigger_share": 0.151,
    "prevalence": 0.139,
    "never_visited_share": 0.701,
    "repeat_visits_30d": 412.0,
    "multi_agency_30d": 380.0,
    "penalties": 455.0,
    "random_audits": 812.0,
}
UNITS = {
    "finding_rate": "share",
    "trigger_share": "share",
    "prevalence": "share",
    "never_visited_share": "share",
}
MOVES = {
    "finding_rate": 1,
    "findings": 2,
    "violations_missed": 3,
    "violation_weeks": 3,
    "harm": 4,
    "prevalence": 3,
}
CHANNEL_SHARES = {
    "random": 0.10,
    "trigger": 0.13,
    "followup": 0.03,
    "campaign": 0.04,
    "commitment": 0.08,
    "routine": 0.62,
}
CHANNEL_FACTORS = {
    "random": 0.0, "trigger": 0.2, "followup": 0.4, "campaign": 1.6, "commitment": 0.6, "routine": 1.25,
}  # fmt: skip
GROUPS = {
    "ownership": {"private": 14100, "state": 510, "foreign": 490, "hmt": 250, "individual": 4650},
    "size": {"micro": 15990, "small": 3010, "medium": 800, "large": 200},
}


def _row(
    policy: str, group: str, level: str, measure: str, kappa: float, weeks: int, base: float, change: float
) -> dict[str, Any]:
    half = 0.0 if policy == "legacy" else 0.012 + 0.25 * abs(change) * 0.15
    value = base * (1 + change)
    return {
        "policy": policy, "baseline": "legacy", "group": group, "level": level, "measure": measure,
        "unit": UNITS.get(measure, "per run"), "kappa": kappa, "weeks": weeks, "over": 52, "value": value,
        "low": value * (1 - half),
        "high": value * (1 + half), "baseline_value": base, "difference": base * change,
        "difference_low": base * (change - half), "difference_high": base * (change + half),
        "relative": change,
        "replicates": 20, "n": 20000,
    }  # fmt: skip


def make_summary() -> pd.DataFrame:
    """Return a frame like ``Comparison.summary`` for five plans against ``legacy``."""
    rows = []
    for policy, changes in {"legacy": (0.0,) * 5, **CHANGES}.items():
        for weeks in (52, 260):
            for kappa in (0.0, 0.1, 0.25):
                for measure, base in BASE.items():
                    change = changes[MOVES.get(measure, 0)]
                    if measure in ("harm", "violations_missed", "prevalence") and policy != "legacy":
                        change += kappa * 0.12 * (weeks / 52) ** 0.5
                    if measure in ("trigger_share",):
                        change = -changes[0] * 0.9
                    if measure in ("never_visited_share",):
                        change = -changes[0] * 0.35
                    row = _row(policy, "all", "all", measure, kappa, weeks, base, change)
                    # The n of a ratio is what it is a share of, as in real summaries.
                    rows.append(row | ({"n": 8012} if measure in ("finding_rate", "trigger_share") else {}))
        for channel, share in CHANNEL_SHARES.items():
            base = BASE["inspections"] * share
            rows.append(
                _row(
                    policy,
                    "channel",
                    channel,
                    "inspections",
                    0.1,
                    52,
                    base,
                    changes[0] * CHANNEL_FACTORS[channel],
                )
            )
        for group, levels in GROUPS.items():
            for i, (level, n) in enumerate(levels.items()):
                base = n * 0.36 * (1 + 0.35 * i)
                row = _row(policy, group, level, "inspections", 0.1, 52, base, changes[0] * (1 + 0.08 * i))
                rows.append({**row, "n": n})
        rows += _watched(policy, changes[0])
    return pd.DataFrame(rows)


AGENCY_SHARES = {"market_regulation": 0.5, "fire": 0.3, "ecology": 0.2}
TIER_SIZES = {"T1": 12400, "T2": 5100, "T3": 2000, "T4": 500}
ENTERED = 1200


def _watched(policy: str, change: float) -> list[dict[str, Any]]:
    """Return rows by agency, by tier and of the shielded, who are none under the baseline."""
    rows = []
    for agency, share in AGENCY_SHARES.items():
        for measure in SCOREBOARD:
            part = 1.0 if UNITS.get(measure) == "share" else share
            base = BASE.get(measure, 0.0) * part
            rows.append(_row(policy, "agency", agency, measure, 0.1, 52, base, change))
    for tier, n in {**TIER_SIZES, "entered": ENTERED}.items():
        for measure, base in (("inspections", 0.4), ("tier_changes", 0.2), ("flip_flops", 0.02)):
            row = _row(policy, "tier", tier, measure, 0.1, 52, base * n, change)
            rows.append({**row, "n": n})
    for measure, base in (("inspections", 400.0), ("trigger_share", 0.3), ("trigger_finding_rate", 0.25)):
        for level in ("shielded", "open"):
            none = policy == "legacy" and level == "shielded"
            row = _row(policy, "shield", level, measure, 0.1, 52, np.nan if none else base, 0.3 * change)
            rows.append({**row, "n": 0 if none else 400})
    rows.append(_row(policy, "all", "all", "relabelled", 0.1, 52, 30.0, change))
    return rows


def make_years() -> pd.DataFrame:
    """Return a frame like ``Comparison.years``: five years at three strengths of deterrence."""
    rows = []
    for policy in POLICIES:
        for kappa in (0.0, 0.1, 0.25):
            for year in range(1, 6):
                for tier, n in TIER_SIZES.items():
                    for measure, base in (("inspections", 4000.0), ("prevalence", 0.12), ("harm", 2e5)):
                        change = kappa * 0.1 * year * (1 + CHANGES.get(policy, (0.0,) * 5)[4])
                        change *= policy != "legacy"
                        row = _row(policy, "tier", tier, measure, kappa, 260, base, change)
                        rows.append({**row, "year": year, "n": n})
    return pd.DataFrame(rows)


def make_by_replicate() -> pd.DataFrame:
    """Return a frame like ``Comparison.by_replicate``: plans that share their luck, 5 units apart in harm."""
    luck = np.linspace(-100.0, 100.0, 20)
    frames = [
        pd.DataFrame({
            "policy": policy, "measure": measure, "kappa": kappa, "weeks": weeks,
            "replicate": range(20), "value": 1000.0 + luck + 5 * place + 0.01 * luck * place,
        })
        for place, policy in enumerate(POLICIES)
        for measure in ("inspections", "harm")
        for kappa in (0.0, 0.1, 0.25)
        for weeks in (52, 260)
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def make_transitions() -> pd.DataFrame:
    """Return a frame like ``Comparison.transitions``."""
    rows = []
    for policy in POLICIES:
        for k, (first, n) in enumerate(TIER_SIZES.items()):
            for j, last in enumerate((*TIER_SIZES, "left")):
                share = 0.75 if j == k else 0.09 if last == "left" else 0.16 / 3
                rows.append({
                    "policy": policy, "kappa": 0.1, "weeks": 52, "first": first, "last": last,
                    "enterprises": n * share, "low": n * (share - 0.01), "high": n * (share + 0.01),
                    "share": share, "replicates": 20, "n": n,
                })  # fmt: skip
    return pd.DataFrame(rows)


def make_tiers() -> pd.DataFrame:
    """Return a frame of tiers, a row a policy and enterprise."""
    rng = np.random.default_rng(7)
    n, frames = 4000, []
    level = rng.choice([1, 2, 3, 4], n, p=[0.5, 0.3, 0.15, 0.05])
    grade = np.array(list("ABCD"))[np.clip(level - 1 + rng.integers(-1, 2, n), 0, 3)]
    for policy in POLICIES:
        total = level + np.searchsorted(list("ABCD"), grade)
        tier = np.select([total <= 1, total <= 3, total <= 5], ["T1", "T2", "T3"], "T4")
        placed = {"risk_level": level, "credit_grade": grade}
        if policy == "jiading-2025":  # three levels by three grades
            placed = {"risk_level": np.minimum(level, 3), "credit_grade": np.where(grade > "C", "C", grade)}
            tier = np.where(
                (level == 1) & (grade == "A"), "T1", np.where((level >= 3) & (grade >= "C"), "T4", "T2")
            )
        frames.append(pd.DataFrame({
            "policy": policy, "enterprise_id": np.arange(n).astype(str), **placed, "tier": tier,
        }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def make_visits() -> pd.DataFrame:
    """Return a frame of visits per enterprise, a row a policy and number of visits."""
    rows = []
    for policy in POLICIES:
        change = CHANGES.get(policy, (0,))[0]
        rate = 0.37 * (1 + change)
        shares = np.array([np.exp(-rate) * rate**k / max(1, k * (k - 1) // 1) for k in range(5)])
        shares[0] = 0.72 - change * 0.25
        shares[1:] *= (1 - shares[0]) / shares[1:].sum()
        rows += [
            {"policy": policy, "visits": k, "enterprises": 20000 * share} for k, share in enumerate(shares)
        ]
    return pd.DataFrame(rows)


_UNKNOWN = {
    "depth.detection": ("现场发现概率", "detection on site", "probability", 0.5, 0.9),
    "frequency.tier.T1": ("T1频次倍数", "frequency at T1", "multiple", 0.5, 2.0),
    "frequency.base_rate": ("计划检查基准频次", "base rate of planned inspections", "multiple", 0.6, 2.4),
    "kappa": ("一般威慑强度κ", "general deterrence κ", "log-hazard/log-rate", 0.0, 0.25),
    "violation.harm.serious": ("严重违法危害", "harm of a serious violation", "harm/violation-week", 20, 80),
}


def make_screened() -> pd.DataFrame:
    """Return a frame like that of a screening."""
    rows = [
        {
            "measure": measure, "parameter": name, "label_zh": zh, "label_en": en, "acts": "policies",
            "unit": unit, "low": low, "high": high, "mu": 0.09 / (k + 1), "mu_star": 0.1 / (k + 1),
            "mu_star_conf": 0.04 / (k + 1), "sigma": 0.03 * (k % 3), "noise": 0.03,
            "stands_out": k < 3, "rank": k + 1, "policy": "jinshan-2025", "baseline": "legacy",
            "weeks": 52, "trajectories": 10, "replicates": 2, "enterprises": 5000,
        }
        for measure in ("findings", "harm")
        for k, (name, (zh, en, unit, low, high)) in enumerate(_UNKNOWN.items())
    ]  # fmt: skip
    return pd.DataFrame(rows)


def make_swings() -> pd.DataFrame:
    """Return a frame like that of a tornado."""
    rows = []
    for measure in ("findings", "harm"):
        for k, (name, (zh, en, unit, low, high)) in enumerate(_UNKNOWN.items()):
            for end, setting, change in (("low", low, -0.06), ("high", high, 0.05 - 0.02 * k)):
                change /= k + 1
                rows.append({
                    "measure": measure, "parameter": name, "label_zh": zh, "label_en": en, "unit": unit,
                    "end": end, "setting": setting, "base": 1.0, "relative": change - 0.13,
                    "base_relative": -0.13, "base_relative_low": -0.15, "base_relative_high": -0.11,
                    "change": change, "change_low": change - 0.01, "change_high": change + 0.01,
                    "rank": k + 1, "policy": "jinshan-2025", "baseline": "legacy", "kappa": 0.1,
                    "weeks": 52, "replicates": 10, "enterprises": 5000,
                })  # fmt: skip
    return pd.DataFrame(rows)


def make_reasons(enterprise_id: str = "91310114TK0000001X", policy: str = "shanghai-2025") -> Reasons:
    """Return one enterprise's reasons, of both scores and with a composite sum."""
    facts = [
        ("risk", "findings_2y", "conduct", 3.0, 0.62),
        ("risk", "sector", "structure", "catering", 0.31),
        ("risk", "age_years", "structure", 1.2, 0.18),
        ("risk", "days_since_clean_check", "conduct", 40.0, -0.22),
        ("risk", "ordinary_complaints_1y", "complaints", 2.0, 0.09),
        ("risk", "employees", "structure", 4.0, -0.05),
        ("credit", "penalties_open", "conduct", 1.0, -24.5),
        ("credit", "registered_capital", "structure", 10.0, -11.25),
    ]
    reasons = tuple(
        Reason(*fact, composite=-40 * fact[-1] if fact[0] == "risk" else fact[-1]) for fact in facts
    )
    margin = -2.1 + sum(fact[-1] for fact in facts if fact[0] == "risk")
    start = 700.0
    total = start + sum(reason.composite or 0.0 for reason in reasons)
    return Reasons(
        enterprise_id=enterprise_id, policy=policy, tier="T4", risk_level=4, credit_grade="C",
        tier_reason="composite",
        rule=Label(
            "综合评价627.0分，列为T4（重点关注）。",
            "A composite score of 627.0 points makes tier T4 (close watch).",
        ),
        reasons=reasons, risk_base=-2.1, risk_margin=margin, risk_probability=0.24,
        risk_boundaries=(-2.3, -1.7, -1.3), credit_best=610.0, credit_points=610 - 24.5 - 11.25,
        credit_boundaries=(480.0, 540.0, 600.0), composite=(start, 0.0, total), distance_risk=-0.31,
        distance_credit=float("nan"), unmonitored=False, held=False, flags=(),
    )  # fmt: skip


def make_run() -> RunReport:
    """Return a run with everything that a report can show."""
    moments = pd.DataFrame(
        [
            ("finding rate", "检查发现率", 0.137, 0.128, 0.146, 0.10, 0.15, True, 5475, "I27"),
            ("penalised", "受处罚占比", 0.04, 0.03, 0.05, 0.01, 0.025, False, 293, "assumption"),
            ("change of harm", "危害变化", 0.01, 0.0, 0.02, np.nan, np.nan, True, 20000, ""),
        ],
        columns=["moment", "zh", "value", "low", "high", "lowest", "highest", "holds", "n", "source"],
    )
    calibration = pd.DataFrame(
        [(0.05, 0.04, 0.02, 0.08, 300), (0.2, 0.19, 0.14, 0.25, 100)],
        columns=["predicted", "observed", "low", "high", "n"],
    )
    enterprise = {
        "name": "上海信兴餐饮有限公司",
        "district": "jiading",
        "sector": "catering",
        "size": "micro",
    }
    points = np.random.default_rng(3).normal(580, 30, 400)
    return RunReport(
        summary=make_summary(),
        years=make_years(),
        transitions=make_transitions(),
        by_replicate=make_by_replicate(),
        ratings=pd.DataFrame(
            [("fire", 3.9, 3.7, 4.1, 120), ("water", 4.0, np.nan, np.nan, 1)],
            columns=["agency", "value", "low", "high", "n"],
        ),
        policies=tuple(Policy.load(name) for name in POLICIES),
        tiers=make_tiers(),
        scores=pd.DataFrame({"credit_points": points}),
        visits=make_visits(),
        moments=moments,
        calibration=calibration,
        metrics={"risk": {"n": 1500, "auc": 0.69}, "credit": {"n": 4200, "auc": 0.71}},
        cases=(Sheet(reasons=make_reasons(), enterprise={**enterprise, "ownership": "private"}),),
        facts={"version": "0.1.0", "seed": 7, "data_hash": "ab" * 32},
    )


@pytest.fixture(scope="session")
def summary() -> pd.DataFrame:
    """Return a comparison's summary."""
    return make_summary()


@pytest.fixture(scope="session")
def tier_frame() -> pd.DataFrame:
    """Return tiers under each policy."""
    return make_tiers()


@pytest.fixture(scope="session")
def visit_frame() -> pd.DataFrame:
    """Return visits per enterprise under each policy."""
    return make_visits()


@pytest.fixture(scope="session")
def screened() -> pd.DataFrame:
    """Return what a screening found."""
    return make_screened()


@pytest.fixture(scope="session")
def swings() -> pd.DataFrame:
    """Return what a tornado found."""
    return make_swings()


@pytest.fixture(scope="session")
def report_run() -> RunReport:
    """Return a run to report."""
    return make_run()


@pytest.fixture(scope="session")
def bare_run(report_run: RunReport) -> RunReport:
    """Return a run with nothing but the headline's summary."""
    rows = report_run.summary
    rows = rows[(rows["group"] == "all") & (rows["weeks"] == 52) & (rows["kappa"] == 0.1)]
    return RunReport(summary=rows, policies=report_run.policies)


@pytest.fixture(scope="session")
def run_page(report_run: RunReport) -> Path:
    """Return the folder of the page of the run to report; read it, and write nothing into it."""
    return shared.once("run-page", lambda folder: index(report_run, folder))


def pytest_configure(config: pytest.Config) -> None:
    """Set up the folder that the workers of a run share; it goes when the process that made it ends."""
    if shared.PLACE not in os.environ:
        os.environ[shared.PLACE] = tempfile.mkdtemp(prefix="tierkit-tests-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(shared.PLACE)))


@pytest.fixture(autouse=True)
def _examples(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give examples in docstrings a ``summary``, its kin and a ``run``, and close the figures they draw."""
    if isinstance(request.node, pytest.DoctestItem):
        request.node.dtest.globs["summary"] = make_summary()
        request.node.dtest.globs["years"] = make_years()
        request.node.dtest.globs["moved"] = make_transitions()
        request.node.dtest.globs["screened"] = make_screened()
        request.node.dtest.globs["swings"] = make_swings()
        trains = any("train(" in one.source for one in request.node.dtest.examples)
        if trains and not request.node.dtest.name.startswith("tierkit.scores.train"):
            # Models of the city are trained once a run; the example of training itself trains.
            module = importlib.import_module("tierkit.scores.train")
            patch = request.getfixturevalue("monkeypatch")
            sharing = shared.sharing(module.train)
            patch.setattr(module, "train", sharing)
            patch.setattr(tierkit, "train", sharing)  # the front door keeps what it loaded once
        if request.node.dtest.name.startswith("tierkit.report"):
            whole, bare = (request.getfixturevalue(name) for name in ("report_run", "bare_run"))
            request.node.dtest.globs["run"] = dataclasses.replace(bare, cases=whole.cases)
            Path("build").mkdir(exist_ok=True)  # where they write, as after `make demo`
    yield
    plt.close("all")
