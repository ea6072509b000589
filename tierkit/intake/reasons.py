"""Reasons for which rows and cells are set aside, in both languages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from tierkit.records.relations import RELATIONS

__all__ = ["reason_labels"]


@lru_cache
def _patterns() -> Mapping[str, str]:
    return tomllib.loads((Path(__file__).parent / "reasons.toml").read_text("utf-8"))


def reason_labels(reason: str) -> tuple[str, str]:
    """Return a reason in Chinese and in English; one without Chinese words is told in English twice.

    Examples
    --------
    >>> reason_labels("lies after known_on")
    ('晚于 known_on', 'lies after known_on')
    """
    for one in RELATIONS.values():
        if one.breaks.en == reason:
            return one.breaks.zh, reason
    for pattern, words in _patterns().items():
        if re.fullmatch(pattern, reason):
            return re.sub(pattern, words, reason), reason
    return reason, reason
