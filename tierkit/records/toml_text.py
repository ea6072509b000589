"""Text as TOML writes it."""

from __future__ import annotations

import json
import unicodedata

__all__ = ["quoted"]


def quoted(text: str) -> str:
    r"""Return a text as a basic string of TOML, which reads back as the same; what is invisible is escaped.

    Examples
    --------
    >>> print(quoted('瑶海区 "A"'), quoted("a\u202eb"), quoted("\U000e0001"))
    "瑶海区 \"A\"" "a\u202eb" "\U000e0001"
    """
    # A JSON string is a TOML basic string, but for one control character, which is escaped here, too.
    return "".join(map(_shown, json.dumps(text, ensure_ascii=False)))


def _shown(letter: str) -> str:
    if letter.isprintable() or unicodedata.category(letter) == "Zs":
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) <= 0xFFFF else f"\\U{ord(letter):08x}"
