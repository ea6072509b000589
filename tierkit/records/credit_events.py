"""Every kind of credit event, declared once in ``credit_events.toml``, and the lists that follow from it.

Levels, features, red lines, the credit target, the events of the score update, the engine's columns and the
rates of the synthetic city are all derived from here, so that a new kind is one more table in that file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType
from typing import Any, Literal

from tierkit.records.label import Label
from tierkit.records.parameter import Parameter

__all__ = [
    "CREDIT_EVENTS",
    "CREDIT_TARGET",
    "EVENT_KINDS",
    "GRAVITY",
    "MERITS",
    "MERIT_DAYS",
    "REPAIRABLE_KINDS",
    "UNINSPECTED_KINDS",
    "CreditEvent",
    "declared_events",
]

Nature = Literal["inspected", "adverse", "merit"]

# What a declaration holds beside label and nature, by nature; `permit_only` may be left out.
_FIELDS: Mapping[Nature, frozenset[str]] = {
    "inspected": frozenset(),
    "adverse": frozenset({"gravity", "credit_target", "severity", "rate", "slope"}),
    "merit": frozenset({"severity", "rate", "slope", "counts_for"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditEvent:
    """One kind of credit event.

    Attributes
    ----------
    kind : str
        Its id, the level of the column ``kind``.
    label : Label
    nature : {"inspected", "adverse", "merit"}
        Born of an inspection; recorded by another authority against the enterprise; or in its favour.
    gravity : int or None
        Rank as a red line, 1 the gravest; None of what can be none.
    credit_target : bool
        Whether credit predicts it.
    permit_only : bool
        Whether only those who hold a permit by notification and commitment can have it.
    severity : str or None
        Severity that synthetic records state; None where that of the finding decides.
    rate : Parameter or None
        Events an enterprise-year in the synthetic city, at average latent propensity; None where the engine's
        inspections decide.
    slope : Parameter or None
        Change of the log of that rate by standard deviation of latent propensity.
    counts_for : Parameter or None
        Days after it became known for which a merit counts.
    """

    kind: str
    label: Label
    nature: Nature
    gravity: int | None = None
    credit_target: bool = False
    permit_only: bool = False
    severity: str | None = None
    rate: Parameter | None = None
    slope: Parameter | None = None
    counts_for: Parameter | None = None

    @property
    def score_event(self) -> str:
        """The event of a policy's score update that stands for it."""
        return f"adverse_{self.kind}" if self.nature == "adverse" else self.kind


def declared_events(text: str) -> Mapping[str, CreditEvent]:
    """Return the kinds that a declaration in TOML holds, by id and in its order.

    Raises
    ------
    ValueError
        Listing every kind that says too little or too much, and ranks of gravity that are not 1 to n.

    Examples
    --------
    >>> events = declared_events('penalty = { nature = "inspected", label = ["行政处罚", "penalty"] }')
    >>> events["penalty"].label.en
    'penalty'
    """
    events: dict[str, CreditEvent] = {}
    problems = []
    for kind, row in tomllib.loads(text).items():
        wanted = _FIELDS.get(row.get("nature"))
        if wanted is None:
            problems.append(f"'{kind}' needs a nature, one of {', '.join(_FIELDS)}")
            continue
        given = set(row) - {"nature"}
        lacks, extra = sorted((wanted | {"label"}) - given), sorted(given - wanted - {"label", "permit_only"})
        problems += [f"'{kind}' needs '{name}'" for name in lacks]
        problems += [f"'{kind}' is {row['nature']} and cannot have '{name}'" for name in extra]
        if not lacks and not extra:
            events[kind] = _event(kind, row)
    problems += [
        f"'{kind}' needs a 'slope' {'below' if one.nature == 'merit' else 'above'} 0"
        for kind, one in events.items()
        if one.slope and (one.slope.value >= 0 if one.nature == "merit" else one.slope.value <= 0)
    ]
    ranks = sorted(one.gravity for one in events.values() if one.gravity is not None)
    if not problems and ranks != list(range(1, len(ranks) + 1)):
        problems.append(f"the ranks of gravity are {ranks}, not 1 to {len(ranks)}")
    if sum(one.nature == "inspected" for one in events.values()) > 1:
        # The engine's inspections end in a penalty or in no credit event at all (`engine.kernels.settle`).
        problems.append("only one kind can be born of inspections, as the engine makes no other")
    if problems:
        raise ValueError("credit_events.toml: " + "; ".join(problems) + ".")
    return MappingProxyType(events)


def _event(kind: str, row: Mapping[str, Any]) -> CreditEvent:
    numbers = {name: Parameter(**row[name]) for name in ("rate", "slope", "counts_for") if name in row}
    return CreditEvent(kind=kind, **{**row, "label": Label(*row["label"]), **numbers})


CREDIT_EVENTS: Mapping[str, CreditEvent] = declared_events(
    resources.files("tierkit.records").joinpath("credit_events.toml").read_text("utf-8")
)
"""Kind of credit event → what is declared of it; the position of a kind is its code."""

_ALL = tuple(CREDIT_EVENTS.values())

EVENT_KINDS = tuple(CREDIT_EVENTS)
GRAVITY = tuple(one.kind for one in sorted(_ALL, key=lambda one: one.gravity or 0) if one.nature == "adverse")
"""Adverse kinds, which can be red lines, the gravest first."""
MERITS = tuple(one.kind for one in _ALL if one.nature == "merit")
"""Kinds that speak for the enterprise."""
MERIT_DAYS: Mapping[str, int] = MappingProxyType(
    {one.kind: int(one.counts_for.value) for one in _ALL if one.counts_for is not None}
)
"""Kind that speaks for the enterprise → days after it became known for which it counts."""
REPAIRABLE_KINDS = tuple(one.kind for one in _ALL if one.nature != "merit")
"""Kinds that stand against the enterprise until they are repaired or no longer shown."""
UNINSPECTED_KINDS = tuple(one.kind for one in _ALL if one.nature != "inspected")
"""Kinds that no inspection gives birth to, in the order of the engine's columns."""
CREDIT_TARGET = tuple(one.kind for one in _ALL if one.credit_target)
"""Adverse kinds that credit predicts."""
