"""Turn the texts of a source into values: dates of several forms, amounts with units, words for yes and no.

Each function gives a value, or the reason why there is none; nothing is guessed. An empty cell, and what
stands for one ("-", "N/A", "无"), is no value and no fault.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from types import MappingProxyType

from tierkit.intake.reading import LOST
from tierkit.records.cells import EARLIEST, LATEST

__all__ = [
    "DATE_FORMS",
    "EMPTY",
    "FORMS_APART",
    "UNITS",
    "Cell",
    "date_cell",
    "flag_cell",
    "forms_of",
    "is_empty",
    "number_cell",
    "word",
]

EMPTY = frozenset(
    [
        *(
            "",
            "-",
            "--",
            "—",
            "——",
            "/",
            "\\",
            "n/a",
            "na",
            "null",
            "none",
            "nan",
            "nil",
            "nat",
            "#n/a",
            "\\n",
        ),
        *(
            "无",
            "空",
            "暂无",
            "不详",
            "未知",
            "未填写",
            "未填",
            "unknown",
            "not available",
            "(null)",
            "(blank)",
        ),
    ]
)
"""Texts, in small letters, that stand for an empty cell."""

Cell = tuple[object, str]
"""A value, or None; and the reason why there is none, empty if the cell itself is empty."""

_TIME = r"(?:[T\s]+\d{1,2}(?::\d{1,2}){1,2}(?:[.,]\d+)?\s*(?:[AaPp][Mm])?\s*(?:Z|[+-]\d{2}:?\d{2})?)?"
_MONTHS = {
    name: k
    for k, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], start=1
    )
}
_MONTH = r"(?P<name>[A-Za-z]{3,9})\.?"
_Y, _M, _D = r"(?P<y>\d{4})", r"(?P<m>\d{1,2})", r"(?P<d>\d{1,2})"


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"^{pattern}{_TIME}$")


DATE_FORMS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "Y-M-D": _form(f"{_Y}-{_M}-{_D}"),
        "Y/M/D": _form(f"{_Y}/{_M}/{_D}"),
        "Y.M.D": _form(rf"{_Y}\.{_M}\.{_D}"),
        "Y年M月D日": _form(rf"{_Y}\s*年\s*{_M}\s*月\s*{_D}\s*[日号]?"),
        "YMD": re.compile(rf"^(?P<y>\d{{4}})(?P<m>\d{{2}})(?P<d>\d{{2}})(?:\d{{6}}|{_TIME})$"),
        "D/M/Y": _form(f"{_D}/{_M}/{_Y}"),
        "M/D/Y": _form(f"{_M}/{_D}/{_Y}"),
        "D-M-Y": _form(f"{_D}-{_M}-{_Y}"),
        "M-D-Y": _form(f"{_M}-{_D}-{_Y}"),
        "D.M.Y": _form(rf"{_D}\.{_M}\.{_Y}"),
        "D Mon Y": _form(rf"{_D}[\s-]+{_MONTH}[\s,-]+{_Y}"),
        "Mon D Y": _form(rf"{_MONTH}\s+{_D}(?:st|nd|rd|th)?,?\s+{_Y}"),
        "excel": re.compile(r"^(?P<serial>\d{5})(?:\.\d+)?$"),
    }
)
"""Form of a date → how it is told. A time of the day may follow, and is left out."""

FORMS_APART: tuple[tuple[str, str], ...] = (("D/M/Y", "M/D/Y"), ("D-M-Y", "M-D-Y"))
"""Forms that cannot both be in one column: day and month could be swapped."""

_EXCEL = date(1899, 12, 30)  # day 0 of serial days, as they are since 1900-03-01


def word(text: str) -> str:
    """Return a text as it is compared: compatible forms made one, blanks at its ends taken away.

    Examples
    --------
    >>> word(" Ａ１（餐饮） ")
    'A1(餐饮)'
    """
    return " ".join(unicodedata.normalize("NFKC", text).split())


def is_empty(text: str | None) -> bool:
    """Return whether a cell is empty, or holds what stands for that.

    Examples
    --------
    >>> is_empty("N/A"), is_empty("—"), is_empty("0")
    (True, True, False)
    """
    return text is None or word(text).lower() in EMPTY


def forms_of(text: str) -> tuple[str, ...]:
    """Return every form of date that a text can be read in, as a day that there is.

    Examples
    --------
    >>> forms_of("2024/1/3"), forms_of("03/04/2024"), forms_of("13/04/2024")
    (('Y/M/D',), ('D/M/Y', 'M/D/Y'), ('D/M/Y',))
    """
    return tuple(form for form in DATE_FORMS if isinstance(_day(word(text), form), date))


def _day(text: str, form: str) -> date | str | None:
    """Return the day, None if the text is not of the form, or what is wrong with it."""
    found = DATE_FORMS[form].match(text)
    if not found:
        return None
    part = found.groupdict()
    if form == "excel":
        return _EXCEL + timedelta(days=int(part["serial"]))
    month = _MONTHS.get(part["name"][:3].lower()) if "name" in part else int(part["m"])
    if month is None:
        return None
    try:
        return date(int(part["y"]), month, int(part["d"]))
    except ValueError:
        return "is no day of the calendar"


def date_cell(forms: Sequence[str], until: date | None = None) -> Callable[[str], Cell]:
    """Return a function that reads a date in one of some forms.

    Parameters
    ----------
    forms : sequence of str
        Keys of `DATE_FORMS`.
    until : date or None
        Day after which no date may lie.

    Examples
    --------
    >>> read = date_cell(["Y-M-D", "excel"])
    >>> read("2024-02-30"), read("45321")
    ((None, 'is no day of the calendar'), (datetime.date(2024, 1, 30), ''))
    >>> read("3/4/2024")[1]
    'is not written as Y-M-D or excel'
    """

    def read(text: str) -> Cell:
        if text.startswith(LOST):
            return None, "is a number that lost digits in the workbook"
        shown = word(text)
        wrong = ""
        for form in forms:
            day = _day(shown, form)
            if isinstance(day, date):
                if not EARLIEST <= day <= LATEST:
                    return None, f"is a day that is not between {EARLIEST} and {LATEST}"
                if until is not None and day > until:
                    return None, f"is a day after the end of the records, {until}"
                return day, ""
            wrong = wrong or day or ""
        return None, wrong or f"is not written as {' or '.join(forms)}"

    return read


UNITS: Mapping[str, float] = MappingProxyType(
    {"元": 1.0, "万元": 1e4, "万": 1e4, "百万元": 1e6, "千元": 1e3, "亿元": 1e8, "亿": 1e8}
    | {"CNY": 1.0, "10k CNY": 1e4, "RMB": 1.0, "": 1.0, "1": 1.0}
)
"""Units of amounts → how many CNY. Money of another country has no place in the contract."""

_AMOUNT = re.compile(
    r"^(?:人民币|RMB|CNY|[¥￥$])?\s*(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*"
    r"(?P<unit>亿|百万|万|千|百)?\s*(?P<money>圆|元)?\s*(?P<kind>整|人民币|RMB|CNY)?(?:人|名|户)?$"
)
_STEPS = {"亿": 1e8, "百万": 1e6, "万": 1e4, "千": 1e3, "百": 1e2}
_FOREIGN = re.compile(
    r"美元|美金|港元|港币|日元|欧元|英镑|澳元|加元|新台币|韩元|USD|HKD|EUR|JPY|GBP", re.IGNORECASE
)
_IN_WORDS = re.compile(r"[零〇一二三四五六七八九十两壹贰叁肆伍陆柒捌玖拾佰仟]")
_ABOUT = re.compile(r"约|左右|以上|以下|不足|余|多|[<>≥≤~～]|\d\s*[-—至到]\s*\d")


def number_cell(unit: str, wanted: str, *, whole: bool = False) -> Callable[[str], Cell]:
    """Return a function that reads a number with or without a unit of its own, in the unit of a column.

    Parameters
    ----------
    unit : str
        The unit of what states none; one of `UNITS`.
    wanted : str
        The unit of the value returned.
    whole : bool
        Whether it must be a whole number.

    Examples
    --------
    >>> read = number_cell("万元", "10k CNY")
    >>> read("1,000"), read("100万元人民币"), read("2亿元"), read("5000元")
    ((1000.0, ''), (100.0, ''), (20000.0, ''), (0.5, ''))
    >>> read("叁佰万元整")[1]
    'is a number in words: write it in digits'
    """
    base, target = UNITS.get(unit, 1.0), UNITS.get(wanted, 1.0)

    def read(text: str) -> Cell:
        if text.startswith(LOST):
            return None, "is a number that lost digits in the workbook: format its cells as text"
        shown = word(text)
        found = _AMOUNT.match(shown)
        if not found or not any(letter.isdigit() for letter in found["number"]):
            return None, _why_no_number(shown)
        number = float(found["number"].replace(",", ""))
        if number - number != 0:
            return None, "is too large"
        own = found["unit"] or found["money"]
        value = number * (_STEPS.get(found["unit"] or "", 1.0) if own else base) / target
        value = round(value, 9)
        if whole and value != int(value):
            return None, "is no whole number"
        return (int(value) if whole else value), ""

    return read


def _why_no_number(text: str) -> str:
    if _FOREIGN.search(text):
        return "is in the money of another country: state it in CNY"
    if _ABOUT.search(text):
        return "is about a number, or a range: state the number"
    if _IN_WORDS.search(text):
        return "is a number in words: write it in digits"
    return "is no number"


_YES = frozenset(["是", "有", "属实", "y", "yes", "true", "t", "1", "√", "✓"])
_NO = frozenset(["否", "无", "没有", "不属实", "n", "no", "false", "f", "0", "×", "✗"])


def flag_cell(text: str) -> Cell:
    """Return whether a text says yes or no.

    Examples
    --------
    >>> flag_cell("是"), flag_cell("N"), flag_cell("部分属实")[1]
    ((True, ''), (False, ''), 'says neither yes nor no')
    """
    said = word(text).lower()
    return (True, "") if said in _YES else (False, "") if said in _NO else (None, "says neither yes nor no")
