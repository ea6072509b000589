"""What a model's own test says against it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierkit.scores.baselines import ahead
from tierkit.scores.basis import credit_basis
from tierkit.scores.worth import useless
from tierkit.texts import number, text

__all__ = ["doubts"]


def doubts(manifest: Mapping[str, Any], lang: str) -> list[str]:
    """Return which models are not shown to be of use, which simple score was ahead, and that a level moves.

    Parameters
    ----------
    manifest : mapping
        As of `tierkit.scores.model.Model`.
    lang : {"zh", "en"}

    Examples
    --------
    >>> doubts({}, "en")
    []
    >>> doubts({"credit": {"metrics": {"n": 239, "events": 60, "auc": 0.5}}}, "en")[0][:51]
    'The credit model is not shown to be better than cha'
    """
    about = manifest.get("risk", {})
    table = about.get("baselines", {}).get("test", [])
    said = credit_basis(manifest.get("credit", {}), lang)
    said += [one.sentence(lang) for one in useless(manifest)]
    said += [
        text(
            "model.ahead", lang, score=text(f"card.baseline.{one['score'].replace(' ', '_')}", lang),
            auc=number(one["auc"], 3), own=number(one["auc"] + one["auc_behind"], 3),
            by=number(-one["auc_behind"], 3), low=number(-one["auc_behind_high"], 3),
            high=number(-one["auc_behind_low"], 3),
        )
        for one in ahead(table)
    ]  # fmt: skip
    refit = about.get("refit")
    if refit and not refit["held"]:
        numbers = {name: number(refit[name], 3) for name in ("error", "bound")}
        said.append(text("model.level_moves", lang, **numbers))
    return said
