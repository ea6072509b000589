"""The figure of one enterprise's risk reasons, as reports and dossiers show it."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from tierkit import plot, texts
from tierkit.report.page import Words, figure
from tierkit.report.sheets import Sheet

__all__ = ["waterfall"]

_FACT_WIDTH = 52


def waterfall(case: Sheet, words: Words, name: str, top: int = 9) -> Markup:
    """Return the figure of one enterprise's risk reasons."""
    reasons = case.reasons

    def draw(lang: str) -> Any:
        risk = reasons.of("risk")
        return plot.waterfall(
            np.array([reason.effect for reason in risk]),
            reasons.risk_base,
            [texts.short(reason.fact(lang, reasons.place).rstrip("。. "), _FACT_WIDTH) for reason in risk],
            lang=lang,
            top=top,
            cutoffs=() if reasons.composite else reasons.risk_boundaries,
        )

    return figure(words, name, draw, lambda lang: texts.text("report.alt.waterfall", lang))
