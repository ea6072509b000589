"""Every feature, declared once in ``catalogue.toml``: definition, sign in each model, and labels.

Signs are chosen so that they hold for records and not for columns alone. One more finding raises the counts
of findings and shortens the days since the last one, and both may only raise the risk; a repair lowers the
number of open records and changes nothing else that a model reads, so it gives its points back. What could
break this, or would punish somebody for using a right, is declared here and read by no model: the time since
the last visit, ratings, complaints by heavy complainants, ownership.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from tierkit.records import EVENT_KINDS, GRAVITY, MERIT_DAYS, MERITS, SHANGHAI, TABLES, Label, Place
from tierkit.records.repair_rules import open_sql

__all__ = [
    "BONUSES",
    "BY_NAME",
    "FEATURES",
    "GROUPS",
    "HEAVY_COMPLAINTS",
    "NEVER_DAYS",
    "RECORD_DAYS",
    "Feature",
    "Sign",
    "is_structure",
    "monotone",
    "read_by",
]

Sign = Literal[-1, 0, 1]
"""Which way a model's output may move as a feature grows; 0 for either."""

NEVER_DAYS = 3650.0
"""Days since something that never happened: ten years, longer than records are kept."""
RECORD_DAYS = 1095
"""Days over which the share of records that were repaired is taken: three years."""
HEAVY_COMPLAINTS = 10
"""Complaints in the city within a year from which a complainant counts as heavy (7,880 did in Shanghai)."""

GROUPS: Mapping[str, Label] = MappingProxyType(
    {
        "conduct": Label("行为记录", "conduct"),
        "complaints": Label("投诉举报", "complaints"),
        "structure": Label("主体特征", "structure"),
    }
)
"""Group of features → its label, in the order in which they are told: what an enterprise is comes last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One feature.

    Parameters
    ----------
    name : str
        ASCII id, the column of the feature frame.
    group : str
        One of `GROUPS`.
    source : str
        Table whose view as of the date it is taken from.
    sql : str
        Value of an enterprise's row, or aggregate over its records, in the view's columns.
    where : str or None
        Which records lie behind the value, in the view's columns; None for a cell of the register.
    on : str
        Column of the date that counts.
    latest : bool
        Whether only the records of the last day lie behind it.
    label, unit : Label
        In Chinese and English; the unit is empty where there is none.
    risk, credit : {-1, 0, 1} or None
        Sign that the risk or the credit may take as the feature grows, 0 for either; None if that model
        does not read the feature. Credit +1 means that more of it never takes points away.
    absent : float or None
        Value where there is no record to count; None leaves it missing.
    text : Label
        Sentence with ``{value}``, a number in the feature's unit.
    none : Label or None
        Sentence for the value ``absent``, where a number would read oddly.
    levels : str or None
        Level set of a place, for a feature that is no number.
    bonus : bool
        Whether it can only speak for an enterprise: accounts of a score start from the value ``absent``, so
        that having none is never a reason.
    """

    name: str
    group: str
    source: str
    sql: str
    label: Label
    unit: Label
    risk: Sign | None
    credit: Sign | None
    absent: float | None
    text: Label
    on: str
    where: str | None = None
    latest: bool = False
    none: Label | None = None
    levels: str | None = None
    bonus: bool = False

    def sentence(self, value: object, lang: str = "zh", place: Place = SHANGHAI) -> str:
        """Return the value in words.

        Parameters
        ----------
        value : float or str
            A number in the feature's unit, or the id of a level; missing values are said to be unknown.
        lang : {"zh", "en"}
        place : Place
            The place whose levels the value may be.

        Examples
        --------
        >>> BY_NAME["findings_1y"].sentence(2.0, "en")
        'Inspections with a finding in the past year: 2.'
        >>> BY_NAME["findings_1y"].sentence(0, "zh")
        '近一年检查未发现问题。'
        >>> BY_NAME["sector"].sentence("food", "en")
        'Supervision sector: food production and sale.'
        """
        if value is None or value != value:  # NaN is not itself
            return Label("“{}”不详。", "“{}” is not known.").text(lang).format(self.label.text(lang))
        if self.levels is not None:
            known = place.levels[self.levels].get(str(value))
            return self.text.text(lang).format(value=known.text(lang) if known else value)
        number = float(np.float64(value))  # type: ignore[arg-type]
        if self.none is not None and number == self.absent:
            return self.none.text(lang)
        return self.text.text(lang).format(value=number)


_COUNT = "count(*) FILTER (WHERE {where})"
"""What a feature that says only which records count is: their number."""


def _read() -> tuple[Feature, ...]:
    """Read the catalogue; a key that is not known, or missing, is an error of ours and shows at import."""
    terms = " ".join(f"WHEN '{kind}' THEN {days}" for kind, days in MERIT_DAYS.items())
    words = {
        "open": open_sql(),
        "adverse": ", ".join(f"'{kind}'" for kind in GRAVITY),
        "merits": ", ".join(f"'{kind}'" for kind in MERITS),
        "kinds": ", ".join(f"'{kind}'" for kind in EVENT_KINDS),
        "counts": f"known_on >= as_of - CASE kind {terms} END",
        "heavy": HEAVY_COMPLAINTS,
        "never": int(NEVER_DAYS),
        "record_days": RECORD_DAYS,
    }
    text = resources.files("tierkit.features").joinpath("catalogue.toml").read_text("utf-8")
    features = []
    for name, row in tomllib.loads(text).items():
        labels = {key: Label(*row[key]) for key in ("label", "unit", "text", "none") if key in row}
        fixed: dict[str, Any] = {"risk": None, "credit": None, "absent": None, "unit": Label("", "")}
        fixed["on"] = TABLES[row["source"]].columns["enterprise_id"].known_from
        where = row["where"].format_map(words) if "where" in row else None
        sql = " ".join(row.get("sql", _COUNT).format_map({**words, "where": where}).split())
        row |= {"sql": sql, "where": where}
        features.append(Feature(name=name, **{**fixed, **row, **labels}))
    return tuple(features)


FEATURES: tuple[Feature, ...] = _read()
"""All features, in the order of their columns."""
BY_NAME: Mapping[str, Feature] = MappingProxyType({feature.name: feature for feature in FEATURES})
BONUSES: Mapping[str, float] = MappingProxyType(
    {one.name: one.absent or 0.0 for one in FEATURES if one.bonus}
)
"""Features that can only speak for an enterprise, with the value of one that has none."""


def is_structure(name: str) -> bool:
    """Return whether a feature says what an enterprise is, not what it did; unknown features are taken so.

    Examples
    --------
    >>> is_structure("employees"), is_structure("findings_1y")
    (True, False)
    """
    return name not in BY_NAME or BY_NAME[name].group == "structure"


def read_by(model: Literal["risk", "credit"]) -> list[str]:
    """Return the names of the features that a model reads, in order.

    Examples
    --------
    >>> "findings_1y" in read_by("risk"), "findings_1y" in read_by("credit")
    (True, False)
    """
    return [feature.name for feature in FEATURES if getattr(feature, model) is not None]


def monotone(model: Literal["risk", "credit"]) -> dict[str, Sign]:
    """Return the signs that a model must keep, by feature; those free to go either way are left out.

    Examples
    --------
    >>> monotone("credit")["penalties_open"]
    -1
    """
    return {f.name: sign for f in FEATURES if (sign := getattr(f, model))}
