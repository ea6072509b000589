"""Clause coverage: the clauses of the five plans, and what in tierkit implements each.

``clauses.toml`` states each clause in our own words and names what carries it: parameters, steps of the
engine's week, figures, records, outputs. What nothing carries says why. What parameters carry names the
figures that move with them, and which way; ``tests/test_clauses_proved.py`` runs each plan with and without.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from tierkit.policy.files.problems import PolicyError
from tierkit.policy.files.reading import Reading, parse
from tierkit.policy.specification import SPEC
from tierkit.records import TABLES, Label
from tierkit.records.lines import line_numbers
from tierkit.records.problems import suggestion
from tierkit.texts import is_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CHANGES",
    "REFERENCES",
    "STANDINGS",
    "STEPS",
    "Clause",
    "Reference",
    "Shown",
    "clauses",
    "clauses_naming",
    "coverage",
    "coverage_summary",
    "read_clauses",
]

REFERENCES: Mapping[str, Label] = MappingProxyType(
    {
        "policy": Label("方案参数", "policy parameter"),
        "world": Label("世界参数", "world parameter"),
        "step": Label("引擎步骤", "engine step"),
        "figure": Label("结果", "figure"),
        "record": Label("记录", "record"),
        "output": Label("输出", "output"),
    }
)
"""Kind of thing that may carry a clause → its label."""

STANDINGS: Mapping[str, Label] = MappingProxyType(
    {
        "carried": Label("已承载", "carried"),
        "in part": Label("部分承载", "in part"),
        "outside": Label("不建模", "outside"),
    }
)
"""How far a clause is carried → its label."""

STEPS: Mapping[str, str] = MappingProxyType(
    {
        "register": "0. Turn",
        "behaviour": "1. Behaviour",
        "signals": "2. Signals",
        "demand": "3. Demand",
        "lists": "on the unmonitored list",
        "offsite": "checked off site",
        "check_code": "if the check code refuses",
        "joint": "*Joining.*",
        "cap": "*Cap*",
        "capacity": "*Capacity.*",
        "inspection": "5. Inspection",
        "consequence": "6. Consequence",
        "repair": "if repair is taken up",
        "review": "4. Review",
    }
)
"""Step of the engine's week → the words in docs/engine.md at which it is described."""

CHANGES = ("more", "less")
"""What a clause may do to a figure."""
_KEYS = ("document", "clause", "zh", "en", "carried_by", "shown", "outside", "extra")
_TEXTS = ("document", "clause", "zh", "en")
_ID = re.compile(r"[A-Z][1-9]\d*")


class Reference(NamedTuple):
    """One parameter, step, measure or other part that implements a clause.

    Attributes
    ----------
    kind : str
        A key of `REFERENCES`.
    name : str
        A parameter or a family of them by its beginning, a step, a measure (``measure/group``), and so on.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        """Return it as the file writes it."""
        return f"{self.kind}:{self.name}"


class Shown(NamedTuple):
    """A figure that a clause moves, and which way.

    Attributes
    ----------
    figure : str
        A measure of all enterprises, or ``measure/group/level``; by tier, those that the plan puts there.
    change : str
        One of `CHANGES`: what the clause does to it.
    of : tuple of str
        The policy references of the clause that do it; empty for all of them together.
    """

    figure: str
    change: str
    of: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return figure and direction as one text."""
        return f"{self.figure} {'↑' if self.change == 'more' else '↓'}"


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a plan: what it orders, and what implements it.

    Attributes
    ----------
    id : str
        A letter for its subject, and a number.
    document : str
        The plan's official number or title, as in the policy files.
    clause : str
        Number of the clause within it.
    statement : Label
        What it orders, in our own words.
    carried_by : tuple of Reference
        Empty if nothing implements it.
    shown : tuple of Shown
        What moves with the policy parameters that it names, in the preset of its own plan.
    outside : Label or None
        What of it is not modelled, and why; None where nothing is left out.
    extra : bool
        Whether it is not counted: it says what another plan's clause does, and a policy file cites it.
    """

    id: str
    document: str
    clause: str
    statement: Label
    carried_by: tuple[Reference, ...] = ()
    shown: tuple[Shown, ...] = ()
    outside: Label | None = None
    extra: bool = False

    @property
    def standing(self) -> str:
        """How far the clause is implemented, a key of `STANDINGS`."""
        if not self.carried_by:
            return "outside"
        return "in part" if self.outside else "carried"

    def names(self, path: str) -> bool:
        """Return whether the clause names a policy parameter, or one of a family.

        Examples
        --------
        >>> clauses()["P1"].names("cap.planned_visits"), clauses()["P1"].names("offsite")
        (True, False)
        """
        return any(
            one.kind == "policy" and (_within(path, one.name) or _within(one.name, path))
            for one in self.carried_by
        )


def _within(path: str, family: str) -> bool:
    """Return whether a dotted name is another, or lies in the table of that name."""
    return path == family or path.startswith(f"{family}.")


@cache
def clauses() -> Mapping[str, Clause]:
    """Return the clauses that come with tierkit: id → clause, in the order of the file.

    Examples
    --------
    >>> print(clauses()["P1"].statement.en)
    How often one enterprise is inspected in a period is limited.
    """
    file = files("tierkit.policy.plans").joinpath("clauses.toml")
    return read_clauses(file.read_text("utf-8"), "clauses.toml")


def read_clauses(
    text: str, place: str, known: Mapping[str, Collection[str]] | None = None
) -> Mapping[str, Clause]:
    """Read clauses from a TOML text.

    Parameters
    ----------
    text : str
    place : str
        What messages call it.
    known : mapping of str to collection of str, optional
        Kind of reference → names that exist, beside those of policies, steps and records; names of kinds
        that are not in it are not checked.

    Raises
    ------
    PolicyError
        With everything that is wrong.

    Examples
    --------
    >>> some = read_clauses('''
    ... [T1]
    ... document = "A"
    ... clause = "1"
    ... zh = "少查"
    ... en = "fewer checks"
    ... carried_by = ["policy:frequency.tier"]
    ... ''', "some.toml")
    >>> some["T1"].standing
    'carried'
    """
    names = {"policy": SPEC, "step": STEPS, "record": _columns(), **(known or {})}
    tree = parse(text, place)
    reading = Reading(place, line_numbers(text))
    found = {}
    for key, table in tree.items():
        before = len(reading.problems)
        if not isinstance(table, Mapping) or not _ID.fullmatch(key):
            reading.note(
                key,
                f"'{key}' must be a table named by a letter and a number",
                "name it after its subject, such as [T1]",
            )
            continue
        _check(key, table, names, reading)
        if len(reading.problems) == before:
            found[key] = _clause(key, table)
    if reading.problems:
        raise PolicyError(reading.problems)
    return MappingProxyType(found)


def _columns() -> list[str]:
    return [f"{table.name}.{column.name}" for table in TABLES.values() for column in table]


def _clause(key: str, table: Mapping[str, Any]) -> Clause:
    outside = table.get("outside")
    return Clause(
        key,
        table["document"],
        table["clause"],
        Label(table["zh"], table["en"]),
        tuple(Reference(*one.split(":", 1)) for one in table.get("carried_by", ())),
        tuple(
            Shown(one["figure"], one["change"], tuple(one.get("of", ()))) for one in table.get("shown", ())
        ),
        Label(outside["zh"], outside["en"]) if outside else None,
        table.get("extra", False),
    )


def _check(
    key: str, table: Mapping[str, Any], known: Mapping[str, Collection[str]], reading: Reading
) -> None:
    """Record everything that is wrong with one clause."""
    for name in table:
        if name not in _KEYS:
            reading.note(
                f"{key}.{name}",
                f"'{key}' has an unknown key '{name}'{suggestion(name, _KEYS)}",
                f"use {', '.join(_KEYS)}",
            )
    for name in _TEXTS:
        if not is_text(table.get(name)):
            reading.note(
                f"{key}.{name}", f"'{key}.{name}' must be a text that is not empty", f"add {name} = …"
            )
    if not isinstance(table.get("extra", False), bool):
        reading.note(f"{key}.extra", f"'{key}.extra' must be true or false", "write true, or leave it out")
    if not table.get("carried_by") and "outside" not in table:
        reading.note(
            key,
            f"'{key}' is mapped to nothing",
            "name what carries it in carried_by, or say in outside why nothing does",
        )
    _check_outside(key, table, reading)
    _check_references(key, table.get("carried_by", []), known, reading)
    _check_shown(key, table.get("shown", []), table.get("carried_by", []), known.get("shown"), reading)


def _check_outside(key: str, table: Mapping[str, Any], reading: Reading) -> None:
    if "outside" not in table:
        return
    outside = table["outside"]
    if (
        not isinstance(outside, Mapping)
        or outside.keys() != {"zh", "en"}
        or not all(map(is_text, outside.values()))
    ):
        reading.note(
            f"{key}.outside",
            f"'{key}.outside' must be a reason in both languages",
            'write { zh = "…", en = "…" }',
        )


def _check_references(key: str, given: Any, known: Mapping[str, Collection[str]], reading: Reading) -> None:
    place = f"{key}.carried_by"
    if not isinstance(given, list):
        reading.note(place, f"'{place}' must be a list of references", "write it in square brackets")
        return
    for one in given:
        kind, colon, name = str(one).partition(":")
        if not isinstance(one, str) or not colon or not name or kind not in REFERENCES:
            reading.note(
                place,
                f"'{place}' has {one!r}, which is no reference{suggestion(kind, REFERENCES.keys())}",
                f"write <kind>:<name>; kinds are {', '.join(REFERENCES)}",
            )
        elif given.count(one) > 1:
            message = f"'{place}' names '{one}' more than once"
            if all(problem.message != message for problem in reading.problems):
                reading.note(place, message, "keep one of them")
        elif kind in known and not any(_within(path, name) for path in known[kind]):
            near = suggestion(name, list(known[kind]))
            reading.note(
                place,
                f"'{place}' names '{one}', which does not exist{near}",
                f"name a {REFERENCES[kind].en}, or the beginning of several",
            )


def _check_shown(
    key: str, given: Any, carried_by: Any, figures: Collection[str] | None, reading: Reading
) -> None:
    """Record what is wrong with the figures that a clause is said to move."""
    place = f"{key}.shown"
    own = {str(one)[7:] for one in carried_by if str(one).startswith("policy:")}
    if not isinstance(given, list) or (given and not own):
        reading.note(
            place,
            f"'{place}' must be a list, of a clause that names policy parameters in carried_by",
            'write [{ figure = "…", change = "less" }], and only where a policy parameter is named',
        )
        return
    for one in given:
        if (
            not isinstance(one, Mapping)
            or not {"figure", "change"} <= one.keys() <= {"figure", "change", "of"}
            or not is_text(one["figure"])
            or one["change"] not in CHANGES
        ):
            reading.note(
                place,
                f"'{place}' has {one!r}, which is no figure with its direction",
                f'write {{ figure = "…", change = "…" }}, where the change is {" or ".join(CHANGES)}',
            )
        elif figures is not None and one["figure"] not in figures:
            reading.note(
                place,
                f"'{place}' names the figure '{one['figure']}', which does not exist"
                f"{suggestion(one['figure'], list(figures))}",
                "name a measure, or measure/group/level",
            )
        elif not isinstance(one.get("of", []), list) or not set(map(str, one.get("of", []))) <= own:
            reading.note(
                place,
                f"'{place}' has of = {one['of']!r}, which are not all policy parameters of carried_by",
                f"name some of {', '.join(sorted(own))}, as a list, or leave it out for all",
            )


def clauses_naming(path: str) -> tuple[Clause, ...]:
    """Return the clauses that name a policy parameter, or any of a family.

    Parameters
    ----------
    path : str
        Such as ``"cap.planned_visits"`` or ``"frequency.tier"``.

    Raises
    ------
    ValueError
        If there is no such parameter and no such family.

    Examples
    --------
    >>> [one.id for one in clauses_naming("lenience.first_only")]
    ['L4']
    """
    if not any(_within(one, path) for one in SPEC):
        raise ValueError(f"no parameter '{path}'{suggestion(path, SPEC.keys())}")
    return tuple(one for one in clauses().values() if one.names(path))


def coverage(lang: str = "en") -> pd.DataFrame:
    """Return the clauses with what implements them.

    Parameters
    ----------
    lang : {"zh", "en"}
        Language of statements and reasons.

    Returns
    -------
    pandas.DataFrame
        One row per clause: ``clause_id``, ``document``, ``clause``, ``statement``, ``standing``,
        ``carried_by`` and ``shown`` (tuples of str), ``outside`` (empty where nothing is left out),
        ``extra``.

    Raises
    ------
    ValueError
        If there is no such language.

    Examples
    --------
    >>> frame = coverage().set_index("clause_id")
    >>> print(frame.loc["Q7", "standing"])
    carried
    """
    if lang not in ("zh", "en"):
        raise ValueError(f"'lang' must be one of zh, en. Got {lang!r} instead.")
    import pandas as pd

    rows = [
        (
            one.id,
            one.document,
            one.clause,
            one.statement.text(lang),
            one.standing,
            tuple(map(str, one.carried_by)),
            tuple(map(str, one.shown)),
            one.outside.text(lang) if one.outside else "",
            one.extra,
        )
        for one in clauses().values()
    ]
    columns = [
        "clause_id", "document", "clause", "statement", "standing", "carried_by", "shown", "outside", "extra",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def coverage_summary() -> pd.DataFrame:
    """Count the clauses by document, by how far they are implemented and by what implements them.

    Returns
    -------
    pandas.DataFrame
        Documents × ``clauses``, then the keys of `STANDINGS`, which add up to it, then the keys of
        `REFERENCES`: how many clauses name something of that kind, which overlap. The last row, ``all``,
        is their sum. Extra clauses are not counted.

    Examples
    --------
    >>> summary = coverage_summary()
    >>> bool(summary.loc["all", "clauses"] == summary.loc["all", list(STANDINGS)].sum())
    True
    """
    import pandas as pd

    own = [one for one in clauses().values() if not one.extra]
    rows = {
        document: [one for one in own if one.document == document]
        for document in dict.fromkeys(one.document for one in own)
    }
    frame = pd.DataFrame.from_dict(
        {
            document: {
                "clauses": len(several),
                **{name: sum(one.standing == name for one in several) for name in STANDINGS},
                **{
                    kind: sum(any(by.kind == kind for by in one.carried_by) for one in several)
                    for kind in REFERENCES
                },
            }
            for document, several in rows.items()
        },
        orient="index",
    )
    frame.loc["all"] = frame.sum()
    return frame.rename_axis("document")
