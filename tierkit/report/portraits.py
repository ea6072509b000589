"""Portraits of tiers for the page of a city: sentences, tables and figures in both languages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
from markupsafe import Markup
from matplotlib.axes import Axes

from tierkit import plot, texts
from tierkit.explain import DISTANCE, Portraits
from tierkit.explain.changes import ABSENT
from tierkit.records import TIERS
from tierkit.report.page import Words, figure

__all__ = ["told"]

_TOP = 5


def told(portraits: Portraits, words: Words) -> dict[str, Any]:
    """Return the portraits as data for the template.

    Returns
    -------
    dict
        ``tiers`` (headline, and what sets the tier apart on each axis: fact and effect), ``changes``
        (sentences), ``moves`` (the table of transitions), ``near`` (sentences) and ``figures``.
    """
    draw: dict[str, Any] = {
        f"portrait_{axis}": partial(plot.tier_marks, portraits, axis) for axis in DISTANCE
    } | {"portrait_near": partial(plot.near_boundary, portraits)}
    if portraits.changes is not None:
        draw |= {
            f"portrait_moves_{axis}": partial(plot.tier_moves, portraits.changes, axis) for axis in DISTANCE
        }
    figures = {
        name: figure(words, name, partial(_drawn, make), partial(texts.text, f"city.figure.{name}"))
        for name, make in draw.items()
    }
    plt.close("all")
    return {
        "tiers": [_tier(portraits, tier, words) for tier in portraits.tiers["tier"]],
        "changes": _both(portraits.changes, words) if portraits.changes else [],
        "moves": _moves(portraits) if portraits.changes else None,
        "near": [words.pair(*pair) for pair in _pairs(portraits.near_sentences)],
        "figures": figures,
    }


def _drawn(make: Callable[..., Axes], lang: str) -> Axes:
    return make(lang=lang)


def _pairs(sentences: Any) -> Any:
    return zip(sentences("zh"), sentences("en"), strict=True)


def _both(changes: Any, words: Words) -> list[Markup]:
    return [words.pair(*pair) for pair in _pairs(changes.sentences)]


def _tier(portraits: Portraits, tier: str, words: Words) -> dict[str, Any]:
    marks = {
        axis: [
            (
                words.each(partial(portraits.fact, tier, str(row["feature"]))),
                words.each(partial(portraits.mark, row)),
            )
            for _, row in portraits.strongest(tier, axis, _TOP).iterrows()
        ]
        for axis in DISTANCE
    }
    return {"tier": tier, "headline": words.each(partial(portraits.headline, tier)), "marks": marks}


def _moves(portraits: Portraits) -> dict[str, Any]:
    """Return transitions as a table: from each tier, and from none, to each tier, and to none."""
    assert portraits.changes is not None
    rows = portraits.changes.transitions.set_index(["before", "after"]).to_dict("index")
    return {
        "before": [*TIERS, ABSENT[0]],
        "after": [*TIERS, ABSENT[1]],
        "cells": rows,
    }
