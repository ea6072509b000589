"""Texts for people, in Chinese and English, from the catalogues in ``locale/``; and numbers as shown.

A text has an id (``figure.load.title``), never an English original, so that neither language is the
translation of the other. Fields are named: ``{n}``. A text with a plural chooses its form by ``n``. Labels
of levels are the schema's, not ours.
"""

from __future__ import annotations

import contextlib
import functools
import gettext
import io
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import MappingProxyType
from typing import TypeGuard

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

__all__ = [
    "ALONE",
    "LANGUAGES",
    "ids",
    "interval",
    "is_text",
    "join",
    "number",
    "paragraph",
    "percent",
    "plain",
    "policy_label",
    "short",
    "signed",
    "text",
    "titled",
]

#: The languages, and the name of each one's catalogue folder.
LANGUAGES = {"zh": "zh_CN", "en": "en"}

ALONE = "-risk-alone"
"""How the name of a policy ends whose tiers go by risk alone, for want of credit."""
_NO_VALUE = "–"
_LABEL_WIDTH = 32
_NOTHING = ("Zs", "Zl", "Zp", "Cc", "Cf")
"""Categories of letters that show nothing: blanks, ends of lines, controls and formats."""
_TITLES: ContextVar[Mapping[str, Mapping[str, str]]] = ContextVar("titles", default=MappingProxyType({}))


def __dir__() -> list[str]:
    return list(__all__)


def _language(lang: str) -> str:
    if lang not in LANGUAGES:
        known = ", ".join(map(repr, LANGUAGES))
        raise ValueError(f"The 'lang' parameter must be one of {known}. Got {lang!r} instead.")
    return lang


@functools.cache
def _catalogue(lang: str) -> tuple[gettext.GNUTranslations, dict[str, str | tuple[str, ...]]]:
    file = Path(__file__).parent / "locale" / LANGUAGES[_language(lang)] / "LC_MESSAGES" / "tierkit.po"
    with file.open("rb") as stream:
        catalogue = read_po(stream, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    messages: dict[str, str | tuple[str, ...]] = {}
    for message in catalogue:
        if message.id:
            key = message.id[0] if isinstance(message.id, list | tuple) else message.id
            messages[key] = message.string if isinstance(message.string, str) else tuple(message.string or ())
    return gettext.GNUTranslations(compiled), messages


def ids(lang: str = "en") -> list[str]:
    """Return every text id of one language's catalogue, sorted.

    Examples
    --------
    >>> "measure.inspections" in ids("zh")
    True
    """
    return sorted(_catalogue(lang)[1])


def text(text_id: str, lang: str, /, **values: object) -> str:
    """Return the text of an id in one language, with its fields filled in.

    Parameters
    ----------
    text_id : str
        The id, for instance ``"figure.load.title"``.
    lang : {"zh", "en"}
        The language.
    **values : object
        A value for each field of the text; an integer ``n`` chooses the plural form where the text has one.

    Returns
    -------
    str
        Plain text, not markup.

    Raises
    ------
    KeyError
        If the catalogue of that language has no such text, or a field is not given.
    ValueError
        If there is no such language.

    Examples
    --------
    >>> text("measure.inspections", "zh"), text("measure.inspections", "en")
    ('行政检查', 'inspections')
    """
    translations, messages = _catalogue(_language(lang))
    if text_id not in messages:
        place = f"the catalogue {LANGUAGES[lang]!r}"
        raise KeyError(f"There is no text {text_id!r} in {place}; add it to tierkit/locale.")
    if isinstance(messages[text_id], str):
        form = translations.gettext(text_id)
    else:
        count = values.get("n")
        if not isinstance(count, int):
            raise KeyError(
                f"The text {text_id!r} has plurals and needs an integer 'n'. Got {count!r} instead."
            )
        form = translations.ngettext(text_id, text_id, count)
    shown = {name: number(value) if isinstance(value, int) else value for name, value in values.items()}
    return form.format(**shown) if values else form


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with thousands separated and a true minus sign; no value is shown as a dash.

    Parameters
    ----------
    value : float or None
        The number; None and NaN are "no value".
    digits : int, default=0
        Decimals.

    Examples
    --------
    >>> number(12345.678, 1), number(-0.04), number(float("nan"))
    ('12,345.7', '0', '–')
    """
    if value is None or math.isnan(value):
        return _NO_VALUE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    shown = f"{value:,.{digits}f}"
    if shown.startswith("-"):
        shown = shown[1:] if not shown.strip("-0.,") else "−" + shown[1:]
    return shown


def signed(value: float | None, digits: int = 0) -> str:
    """Return a number with its sign, plus included; a zero has none.

    Examples
    --------
    >>> signed(3.25, 1), signed(-3), signed(0.0)
    ('+3.2', '−3', '0')
    """
    shown = number(value, digits)
    positive = value is not None and value > 0 and shown.strip("0.,") != ""
    return f"+{shown}" if positive else shown


def percent(value: float | None, digits: int = 0, *, sign: bool = False) -> str:
    """Return a share (1 is all) in per cent.

    Examples
    --------
    >>> percent(0.1234, 1), percent(-0.5, sign=True)
    ('12.3%', '−50%')
    """
    scaled = None if value is None else value * 100
    shown = signed(scaled, digits) if sign else number(scaled, digits)
    return shown if shown == _NO_VALUE else f"{shown}%"


def interval(
    low: float | None, high: float | None, digits: int = 0, *, share: bool = False, sign: bool = False
) -> str:
    """Return an interval, from low to high, as one short text that reads the same in every language.

    Examples
    --------
    >>> interval(0.121, 0.134, 1, share=True), interval(-3, -1)
    ('[12.1%, 13.4%]', '[−3, −1]')
    """

    def show(value: float | None) -> str:
        if share:
            return percent(value, digits, sign=sign)
        return signed(value, digits) if sign else number(value, digits)

    return f"[{show(low)}, {show(high)}]"


def join(parts: Iterable[str], lang: str) -> str:
    """Return a list of words as people write one: commas in English, enumeration commas in Chinese.

    Examples
    --------
    >>> join(["风险", "信用"], "zh"), join(["risk", "credit"], "en")
    ('风险、信用', 'risk, credit')
    """
    return ("、" if _language(lang) == "zh" else ", ").join(parts)


def paragraph(sentences: Iterable[str], lang: str) -> str:
    """Return sentences one after the other: with a blank between them in English, with none in Chinese.

    Examples
    --------
    >>> paragraph(["一。", "二。"], "zh"), paragraph(["One.", "Two."], "en")
    ('一。二。', 'One. Two.')
    """
    return ("" if _language(lang) == "zh" else " ").join(sentences)


@contextlib.contextmanager
def titled(titles: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """Let `policy_label` call policies that are no presets by their titles.

    Parameters
    ----------
    titles : mapping of str to mapping of str to str
        Name of a policy → language → title.

    Examples
    --------
    >>> with titled({"mine": {"zh": "我的方案", "en": "My plan"}}):
    ...     policy_label("mine", "en")
    'My plan'
    """
    before = _TITLES.set(titles)
    try:
        yield
    finally:
        _TITLES.reset(before)


def policy_label(policy: str, lang: str) -> str:
    """Return the short name of a preset in one language; of another policy its title, if `titled` gave one.

    Examples
    --------
    >>> policy_label("jinshan-2025", "zh"), policy_label("mine", "zh")
    ('金山 2025', 'mine')
    """
    if policy.endswith(ALONE):
        return text("alone.policy", lang, policy=policy_label(policy.removesuffix(ALONE), lang))
    text_id = f"policy.{policy}"
    if text_id in ids(lang):
        return text(text_id, lang)
    return short(_TITLES.get().get(policy, {}).get(lang, policy), _LABEL_WIDTH)


def short(value: str, width: int) -> str:
    """Return text as `plain` does, cut to a width that a figure has room for.

    Parameters
    ----------
    value : str
    width : int
        Columns; a full-width character takes two.

    Examples
    --------
    >>> short("abcdef", 4), short("一二三", 4), short("一二", 4)
    ('abc…', '一…', '一二')
    """
    shown = plain(value)
    sizes = [2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in shown]
    if sum(sizes) <= width:
        return shown
    kept = next(k for k in range(len(sizes) + 1) if sum(sizes[: k + 1]) > width - 1)
    return shown[:kept].rstrip() + "…"


def is_text(value: object) -> TypeGuard[str]:
    """Return whether a value is a text that shows something: more than blanks, controls and invisible signs.

    Examples
    --------
    >>> is_text("why"), is_text(" \u3000\u200b"), is_text(None)
    (True, False, False)
    """
    return isinstance(value, str) and any(unicodedata.category(letter) not in _NOTHING for letter in value)


def plain(value: str, limit: int | None = None) -> str:
    """Return text from a record as people may safely see it: nothing invisible, one line, bounded length.

    Control and direction characters can hide or reorder what a reader sees, so each is shown as its code
    point.

    Parameters
    ----------
    value : str
        Any text, such as an enterprise's name.
    limit : int, optional
        Characters kept; what is cut is counted in the text returned.

    Examples
    --------
    >>> plain("A\u202eB")
    'A[U+202E]B'
    >>> plain("abcdef", limit=4)
    'abcd… (+2)'
    """
    cut = value if limit is None or len(value) <= limit else value[:limit]
    shown = cut if cut.isprintable() else "".join(map(_visible, cut))
    return shown if cut is value else f"{shown}… (+{number(len(value) - len(cut))})"


def _visible(char: str) -> str:
    if char == "\u3000" or char.isprintable():
        return char
    if unicodedata.category(char) == "Zs":
        return " "
    return f"[U+{ord(char):04X}]"
