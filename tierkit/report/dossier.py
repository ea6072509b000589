"""One enterprise on one printable page: 一企一档."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.special import logit

from tierkit import texts
from tierkit.features import GROUPS
from tierkit.policy import Policy
from tierkit.report.cases import Case
from tierkit.report.index import waterfall
from tierkit.report.page import Words, render

__all__ = ["dossier"]

_TOP = 9


def dossier(
    case: Case,
    policy: Policy,
    *,
    as_of: str,
    lang: str = "zh",
    facts: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
) -> str:
    """Return the dossier of one enterprise as one page, and write it if asked to.

    Parameters
    ----------
    case : Case
        The enterprise and its reasons.
    policy : Policy
        Under which the tier was given.
    as_of : str
        Date before which everything used was known.
    lang : {"zh", "en"}, default="zh"
    facts : mapping, optional
        Versions and hashes of model and data, shown at the foot.
    out : str or Path, optional
        File to write; its folder must exist.

    Returns
    -------
    str
        A self-contained HTML page that prints on A4.

    Examples
    --------
    >>> case, policy = run.cases[0], run.policies[1]  # run = Run.read("build/demo/run")
    >>> page = dossier(case, policy, as_of="2024-12-30", lang="en")
    >>> page.startswith("<!doctype html>"), "<script" in page
    (True, False)
    """
    words = Words(lang)
    reasons = case.reasons
    known = {
        **{"name": "", "district": None, "sector": None, "size": None, "ownership": None},
        **case.enterprise,
    }
    missing = [key for key, value in known.items() if not isinstance(value, list | tuple) and pd.isna(value)]
    page = render(
        "dossier.html.j2",
        lang=lang,
        title=texts.text("dossier.title", lang),
        reasons=reasons,
        enterprise=known | dict.fromkeys(missing),
        policy=policy,
        as_of=as_of,
        figure=waterfall(case, words, "waterfall", top=_TOP),
        composite=_composite(case, policy),
        scales=[_risk_scale(case), _credit_scale(case)],
        groups=GROUPS,
        facts=facts or {},
    )
    if out is not None:
        Path(out).write_text(page, encoding="utf-8")
    return page


def _composite(case: Case, policy: Policy) -> dict[str, Any] | None:
    """Return the composite score, what it is made of and its cut-offs; None under a plan without one."""
    reasons = case.reasons
    if reasons.composite is None:
        return None
    start, _, total = reasons.composite
    t3, t2, t1 = (float(cut) for cut in policy["scoring.composite_cutoffs"])
    weight = float(policy["scoring.composite_risk_weight"])
    log_odds = float(logit(reasons.risk_probability))
    risk = -weight * log_odds
    made = {
        "total": texts.number(total, 1),
        "credit": texts.number(total - risk, 1),
        "credit_weight": f"{policy['scoring.composite_credit_weight']:g}",
        "risk": texts.signed(risk, 1),
        "risk_weight": f"{weight:g}",
        "log_odds": texts.number(log_odds, 2),
        "t1": f"{t1:g}",
        "t2": f"{t2:g}",
        "t3": f"{t3:g}",
        "start": texts.number(start, 1),
        "sum": texts.signed(total - start, 1),
    }
    return {"made": made, **_line(total, (t3, t2, t1), None, 1)}


def _risk_scale(case: Case) -> dict[str, Any]:
    reasons = case.reasons
    return _scale(case, "risk", reasons.risk_margin, reasons.risk_boundaries, reasons.risk_base)


def _credit_scale(case: Case) -> dict[str, Any]:
    reasons = case.reasons
    return _scale(case, "credit", reasons.credit_points, reasons.credit_boundaries, reasons.credit_best)


def _scale(
    case: Case, axis: str, value: float, boundaries: tuple[float, ...], reference: float
) -> dict[str, Any]:
    """Return a score's line; boundaries of levels and grades only where the plan reads them."""
    composite = case.reasons.composite is not None
    return {
        "axis": axis,
        "about": f"dossier.scale.{axis}{'_composite' if composite else ''}",
        "distance": lambda lang: case.reasons.distance_sentence(axis, lang),
        **_line(value, () if composite else boundaries, reference, 2 if axis == "risk" else 1),
    }


def _line(
    value: float, boundaries: tuple[float, ...], reference: float | None, digits: int
) -> dict[str, Any]:
    """Return where a score and a policy's boundaries lie on a line from 0 to 100."""
    marks = [value, *boundaries, *([] if reference is None else [reference])]
    low, high = min(marks), max(marks)
    room = 0.12 * (high - low) or 1.0

    def at(mark: float) -> float:
        return round((mark - low + room) / (high - low + 2 * room) * 100, 2)

    return {
        "value": texts.number(value, digits),
        "at": at(value),
        "reference": "" if reference is None else texts.number(reference, digits),
        "reference_at": None if reference is None else at(reference),
        "boundaries": [(texts.number(mark, digits), at(mark)) for mark in boundaries],
    }
