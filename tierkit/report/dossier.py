"""One enterprise on one printable page: 一企一档."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from tierkit import texts
from tierkit.features import GROUPS
from tierkit.policy import Policy
from tierkit.report.index import waterfall
from tierkit.report.page import Words, render
from tierkit.report.run import Case

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
        scales=[_risk_scale(case), _credit_scale(case)],
        groups=GROUPS,
        facts=facts or {},
    )
    if out is not None:
        Path(out).write_text(page, encoding="utf-8")
    return page


def _risk_scale(case: Case) -> dict[str, Any]:
    reasons = case.reasons
    return _scale(case, "risk", reasons.risk_margin, reasons.risk_boundaries, reasons.risk_base)


def _credit_scale(case: Case) -> dict[str, Any]:
    reasons = case.reasons
    return _scale(case, "credit", reasons.credit_points, reasons.credit_boundaries, reasons.credit_best)


def _scale(
    case: Case, axis: str, value: float, boundaries: tuple[float, ...], reference: float
) -> dict[str, Any]:
    """Return where a score and the policy's boundaries lie on a line from 0 to 100."""
    marks = [value, reference, *boundaries]
    low, high = min(marks), max(marks)
    room = 0.12 * (high - low) or 1.0

    def at(mark: float) -> float:
        return round((mark - low + room) / (high - low + 2 * room) * 100, 2)

    digits = 2 if axis == "risk" else 1
    return {
        "axis": axis,
        "distance": lambda lang: case.reasons.distance_sentence(axis, lang),
        "value": texts.number(value, digits),
        "at": at(value),
        "reference": texts.number(reference, digits),
        "reference_at": at(reference),
        "boundaries": [
            (texts.number(mark, digits if axis == "risk" else 0), at(mark)) for mark in boundaries
        ],
    }
