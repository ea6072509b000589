"""CSV that a spreadsheet opens as it is meant: no cell is run as a formula, no code becomes a number."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BOM", "TAKEN", "cell", "write_csv"]

BOM = "\ufeff"
"""Byte order mark, without which a spreadsheet does not take Chinese for UTF-8."""

# Blanks of every kind, controls, and what is not seen at all: a spreadsheet may pass over them.
_BLANK = (
    "[\\x00-\\x20\\x7f-\u00a0\u00ad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]"
)
_SIGN = r"[=+\-@＝＋－＠﹦﹢﹣﹫]"
# Numbers, shares, dates, times and fractions: digits and what may stand between them.
_NUMBER = rf"\.?[0-9０-９][0-9０-９.,/:\- ]*(?:[eE][+\-]?[0-9]+|%)?{_BLANK}*$"

TAKEN = rf"'*(?:{_BLANK}*(?:{_SIGN}|{_NUMBER})|[\t\r\n])"
r"""Beginning of a text that a spreadsheet takes for a formula, lets slip into the next cell, or turns into a
number: a regular expression in words that Python, RE2 and JavaScript share. It allows for apostrophes before,
so that one can be put there, and taken away again, whatever was there."""

_TAKEN = re.compile(TAKEN)


def cell(value: str) -> str:
    r"""Return text as a spreadsheet's cell that stays text, whatever it begins with.

    Parameters
    ----------
    value : str
        Any text. An apostrophe goes before it where it begins, after blanks of any kind, with ``=``, ``+``,
        ``-``, ``@`` or one of these in full width; or with a tab or the end of a line (OWASP, *CSV
        Injection*); and where it is digits and their separators as a whole, such as a code of 18 digits, of
        which a spreadsheet would keep 15, or ``3-1``, of which it would make a date.

    Examples
    --------
    >>> cell("=CMD()"), cell("\u3000=CMD()"), cell("000123"), cell("3-1"), cell("上海金瑞百货")
    ("'=CMD()", "'\u3000=CMD()", "'000123", "'3-1", '上海金瑞百货')
    """
    return f"'{value}" if _TAKEN.match(value) else value


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame as a CSV for people: texts and names of columns as `cell` gives them, nine digits.

    Parameters
    ----------
    frame : DataFrame
        Its index is left out.
    path : Path
    """
    texts = frame.map(lambda value: cell(value) if isinstance(value, str) else value)
    texts = texts.rename(columns=lambda name: cell(str(name)))
    texts.to_csv(path, index=False, float_format="%.9g", encoding="utf-8-sig", lineterminator="\r\n")
