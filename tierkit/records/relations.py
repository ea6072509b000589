"""What must hold between cells, rows and tables, declared once: what breaks it, and how grave that is.

An error breaks the contract: whoever reads the rows would be told something false. A warning may be right,
and more often is a wrong mapping or a slip of the pen; nothing is stopped by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tierkit.arrays import Mask
from tierkit.records.cells import Fault
from tierkit.records.columns import Table
from tierkit.records.label import Label
from tierkit.records.links import Links
from tierkit.records.rows import Rows
from tierkit.records.tables import TABLES

__all__ = [
    "DIVISIONS",
    "RELATIONS",
    "Relation",
    "link_relations",
    "linked_columns",
    "relations_table",
    "row_relations",
]

DIVISIONS: Mapping[str, range] = MappingProxyType(
    {
        "A": range(1, 6), "B": range(6, 13), "C": range(13, 44), "D": range(44, 47), "E": range(47, 51),
        "F": range(51, 53), "G": range(53, 61), "H": range(61, 63), "I": range(63, 66), "J": range(66, 70),
        "K": range(70, 71), "L": range(71, 73), "M": range(73, 76), "N": range(76, 80), "O": range(80, 83),
        "P": range(83, 84), "Q": range(84, 86), "R": range(86, 91), "S": range(91, 97), "T": range(97, 98),
    }
)  # fmt: skip
"""Section → its divisions, GB/T 4754-2017."""

_GREAT = 100_000
"""10k CNY that nobody small has: a billion. Amounts in CNY that were taken for 10k CNY are above it."""
_GREATER = 1_000_000
"""The same where nothing is known of the size."""
_FEW = 100
"""Employees below which an enterprise is small here."""


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation between cells: where, what breaks it, whether that is a warning, and what to do.

    Parameters
    ----------
    table : str
    column : str
        The one to correct first; empty for the table as a whole.
    breaks : Label
        What breaks the relation.
    remedy : str
    warning : bool
        Whether rows that break it may be right.
    """

    table: str
    column: str
    breaks: Label
    remedy: str = ""
    warning: bool = False

    def fault(self, rows: Mask) -> Fault:
        """Return the rows that break the relation."""
        return Fault(rows, self.breaks.en, self.remedy, warning=self.warning)


_MAPPING = "See whether the mapping is right, or correct the one or the other"
RELATIONS: Mapping[str, Relation] = MappingProxyType(
    {
        "division": Relation(
            "enterprises",
            "industry_division",
            Label("大类不属于该门类（GB/T 4754）", "is no division of that section of GB/T 4754"),
            _MAPPING,
            warning=True,
        ),
        "capital": Relation(
            "enterprises",
            "registered_capital",
            Label("小微主体注册资本超过十亿元，疑为以元计", "is above a billion CNY for a small enterprise"),
            "See whether it is in CNY: the unit here is 10k CNY",
            warning=True,
        ),
        "clean_penalised": Relation(
            "inspections",
            "disposition",
            Label("未发现问题却被处罚", "is a penalty, yet nothing was found"),
            _MAPPING,
            warning=True,
        ),
        "closed_before": Relation(
            "inspections",
            "inspected_on",
            Label("检查日期晚于主体注销日期", "lies after the enterprise closed"),
            "Correct the one date or the other, or take the row out",
            warning=True,
        ),
        "twice": Relation(
            "inspections",
            "check_code",
            Label("同一检查有两个检查码", "tells an inspection again that another code tells"),
            "Keep one row for each check: it counts twice else",
            warning=True,
        ),
        "today": Relation(
            "*",
            "*",
            Label("日期晚于今天（manifest 未写明 as_of 时）", "lies after today"),
            "Correct it, or say by the manifest until when there are records",
            warning=True,
        ),
    }
)
"""Relations that nothing in the declarations of tables says, by name."""


def row_relations(rows: Rows, as_of: date | None, today: date) -> Iterator[tuple[tuple[str, ...], Fault]]:
    """Yield the faults of relations within a row, each with the columns that it concerns.

    Parameters
    ----------
    rows : Rows
    as_of : date or None
        The end of the records, if it is known.
    today : date
        After which nothing can have happened, where it is not.
    """
    values = {name: cells.array for name, cells in rows.cells.items()}
    if as_of is None:
        for column in rows.table:
            if column.kind == "date" and not column.future and column.name in values:
                late = _true(pc.greater(values[column.name], pa.scalar(today, pa.date32())))
                yield (column.name,), RELATIONS["today"].fault(late)
    if rows.table.name == "enterprises":
        yield from _enterprise(values)
    if rows.table.name == "inspections" and {"finding", "disposition"} <= values.keys():
        clean = _is(values["finding"], "none") & _is(values["disposition"], "penalised", "sealed")
        yield ("disposition", "finding"), RELATIONS["clean_penalised"].fault(clean)


def _enterprise(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Fault]]:
    if {"industry_section", "industry_division"} <= values.keys():
        section = pd.Series(pc.cast(values["industry_section"], pa.string()).to_pandas(), dtype="object")
        whole = _true(pc.match_substring_regex(values["industry_division"], "^[0-9]{2}$"))
        number = pd.to_numeric(values["industry_division"].to_pandas().where(whole))
        other = np.zeros(len(section), np.bool_)
        for name, divisions in DIVISIONS.items():
            other |= (section.eq(name) & number.notna() & ~number.isin(divisions)).to_numpy(np.bool_)
        yield ("industry_division", "industry_section"), RELATIONS["division"].fault(other)
    if "registered_capital" in values:
        capital = values["registered_capital"]
        size, staff = values.get("size"), values.get("employees")
        small = np.zeros(len(capital), np.bool_) if size is None else _is(size, "micro", "small")
        gone = np.ones(len(capital), np.bool_) if size is None else _true(size.is_null())
        if staff is not None:
            small |= _true(pc.less(staff, _FEW))
            gone &= _true(staff.is_null())
        great = small & _true(pc.greater_equal(capital, _GREAT))
        great |= gone & _true(pc.greater_equal(capital, _GREATER))
        great &= _true(pc.less_equal(capital, TABLES["enterprises"].columns["registered_capital"].high))
        yield ("registered_capital",), RELATIONS["capital"].fault(great)


_SAME = ("enterprise_id", "agency", "item_class", "inspected_on", "finding", "inspector")
"""Columns that are alike where two rows tell one inspection."""


def linked_columns(table: Table) -> set[str]:
    """Return the columns of a table that `link_relations` reads."""
    return {*_SAME} if table.name == "inspections" else {"closed_on"} & set(table.columns)


def link_relations(links: Links) -> Iterator[tuple[tuple[str, ...], Fault]]:
    """Yield the faults of relations between rows, each with the columns that it concerns."""
    if links.table.name != "inspections":
        return
    registry = links.targets.get("enterprises")
    if {"enterprise_id", "inspected_on"} <= links.cells.keys() and registry is not None:
        closed = links.of_enterprise(registry.closed_on)
        if closed is not None:
            late = _true(pc.greater(links.cells["inspected_on"], closed))
            yield ("inspected_on", "enterprise_id"), RELATIONS["closed_before"].fault(late)
    if {*_SAME, "check_code"} <= links.cells.keys():
        keys = pd.DataFrame({name: _codes(links.cells[name]) for name in _SAME})
        whole = (keys[["enterprise_id", "inspected_on"]] >= 0).all(axis=1)
        codes = pd.Series(_codes(links.cells["check_code"]))
        again = keys.duplicated() & whole & ~codes.duplicated()
        yield ("check_code", *_SAME[:4]), RELATIONS["twice"].fault(again.to_numpy(np.bool_))


def _codes(values: Any) -> NDArray[np.int64]:
    """Return an integer for each cell, equal where they are; -1 if it is empty."""
    if pa.types.is_date32(values.type):
        places = pc.cast(values, pa.int32())
    else:
        coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
        places = coded.indices
    return np.asarray(pc.fill_null(pc.cast(places, pa.int64()), -1).to_numpy(zero_copy_only=False), np.int64)


def _is(values: Any, *levels: str) -> Mask:
    return _true(pc.is_in(pc.cast(values, pa.string()), value_set=pa.array(levels, pa.string())))


def _true(array: Any) -> Mask:
    return np.array(pc.fill_null(array, False).to_numpy(zero_copy_only=False), dtype=np.bool_)


_WORDS = {
    "en": {
        "head": ("where", "what is told", "it is"), "grave": ("an error", "a warning"),
        "order": "lies before `{first}`", "together": "is filled without `{other}`, or the other way round",
        "decided": "is not `none`, yet `{day}` is empty", "happens": "lies before the registration",
        "future": "lies after the `as_of` of the manifest", "empty": "has no rows", "any": "any date",
    },
    "zh": {
        "head": ("位置", "所指问题", "级别"), "grave": ("错误", "警告"),
        "order": "早于 `{first}`", "together": "与 `{other}` 只填了一项",
        "decided": "不是 `none`，而 `{day}` 为空", "happens": "早于主体登记日期",
        "future": "晚于 manifest 的 `as_of`", "empty": "没有行", "any": "任何日期",
    },
}  # fmt: skip


def relations_table(lang: str = "en") -> str:
    """Return what `validate` tells of relations, as a table in Markdown.

    Parameters
    ----------
    lang : {"en", "zh"}

    Examples
    --------
    >>> print(relations_table("en").splitlines()[2])
    | `enterprises.closed_on` | lies before `registered_on` | an error |
    """
    words: Any = _WORDS[lang]
    error, warning = words["grave"]
    rows = [words["head"], ("---",) * 3]
    for table in TABLES.values():
        if table.latent:
            continue
        at = table.name
        rows += [(f"`{at}.{b}`", words["order"].format(first=a), error) for a, b in table.orders]
        rows += [(f"`{at}.{a}`", words["together"].format(other=b), error) for a, b in table.together]
        rows += [(f"`{at}.{a}`", words["decided"].format(day=b), error) for a, b in table.decided]
        if table.happens_on:
            rows.append((f"`{at}.{table.happens_on}`", words["happens"], error))
        if not table.may_be_empty:
            rows.append((f"`{at}`", words["empty"], error))
    rows.append((words["any"], words["future"], error))
    for one in RELATIONS.values():
        where = words["any"] if one.table == "*" else f"`{one.table}.{one.column}`"
        rows.append((where, one.breaks.text(lang), warning if one.warning else error))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
