"""What an enterprise is gives no credit, and stands behind what it did."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from tierkit import report
from tierkit.explain.codes import strongest
from tierkit.explain.reasons import Reason, Reasons, _collect
from tierkit.features import is_structure, read_by
from tierkit.scores.train import train


def test_reasons_name_what_was_done_before_what_the_enterprise_is() -> None:
    effects = {"employees": 3.0, "findings_1y": 0.1, "age_years": -2.0, "complaints_1y": 0.5, "size": 0.0}
    row = pd.DataFrame([dict.fromkeys(effects, 1.0)])
    assert [one.feature for one in _collect("risk", effects, row, None)] == [
        "complaints_1y", "findings_1y", "employees", "age_years",
    ]  # fmt: skip


def test_codes_name_what_was_done_before_what_the_enterprise_is() -> None:
    rng = np.random.default_rng(1)
    names = ["employees", "findings_1y", "age_years", "complaints_1y", "in_park"]
    values = pd.DataFrame(rng.normal(size=(50, 5)) * (rng.random((50, 5)) < 0.6), columns=names)
    codes = strongest(values, values, 3)
    for row in range(50):
        left = values.loc[row][values.loc[row] != 0]
        wanted = sorted(left.index, key=lambda one: (is_structure(one), -abs(left[one])))[:3]
        assert codes.loc[row, [f"risk_reason_{k}" for k in (1, 2, 3)]].dropna().tolist() == wanted


@pytest.mark.parametrize(
    ("reasons", "rule", "founded"),
    [
        ([Reason("risk", "employees", "structure", 500.0, 2.0)], "matrix", False),
        ([Reason("risk", "findings_1y", "conduct", 0.0, 0.3)], "matrix", False),
        ([Reason("risk", "findings_1y", "conduct", 2.0, -0.3)], "matrix", False),
        ([Reason("risk", "findings_1y", "conduct", 2.0, 0.3)], "matrix", True),
        ([Reason("credit", "penalties_open", "conduct", 1.0, -30.0)], "matrix", True),
        ([], "escalated", True),
    ],
)
def test_a_worst_tier_without_a_record_says_so(
    reasons: list[Reason], rule: str, founded: bool, report_run: report.RunReport
) -> None:
    case = report_run.cases[0]
    why: Reasons = dataclasses.replace(
        case.reasons, tier="T4", reasons=tuple(reasons), tier_reason=rule, composite=None
    )
    assert why.founded == founded
    for lang in ("zh", "en"):
        assert bool(why.unfounded_sentence(lang)) == (not founded)
        assert not dataclasses.replace(why, tier="T3").unfounded_sentence(lang)
    if not founded and reasons:
        page = report.dossier(
            dataclasses.replace(case, reasons=why), report_run.policies[1], as_of="2024-12-30", lang="en"
        )
        assert "follows from its structure alone" in page


def test_structure_gives_credit_only_where_training_is_asked_to_let_it() -> None:
    asked = {True: read_by("credit"), False: [one for one in read_by("credit") if not is_structure(one)]}
    assert len(asked[False]) < len(asked[True])
    model = train("data/synthetic", "2024-12-30")
    assert model.manifest["features"]["credit"] == asked[False]


@pytest.mark.long
def test_structure_gives_credit_where_training_is_asked_to_let_it() -> None:
    model = train("data/synthetic", "2024-12-30", structure=True)
    assert model.manifest["features"]["credit"] == read_by("credit")
