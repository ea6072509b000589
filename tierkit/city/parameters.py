"""The parameters of the synthetic city, each with its unit and source: those of every city, and of a place.

They are read from ``world.toml`` beside this file and from the file of the place.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from tierkit.bounds import PROBLEMS
from tierkit.city.ranges import fault_of
from tierkit.records import CREDIT_EVENTS, SHANGHAI, UNINSPECTED_KINDS, DataError, Parameter, Place, Problem
from tierkit.records.arguments import InputError, described
from tierkit.records.problems import suggestion
from tierkit.texts import is_text

__all__ = ["Parameters", "parameters"]


@dataclass(frozen=True, repr=False)
class Parameters:
    """The parameters of the synthetic world of a place: ``tierkit/city/world.toml`` and its ``[city]`` table.

    Attributes
    ----------
    entries : mapping of str to Parameter
    place : Place

    Examples
    --------
    >>> p = parameters()
    >>> p["turnover.entry"]
    0.12
    >>> p.parameter("turnover.entry").unit
    '1/year'
    """

    entries: Mapping[str, Parameter]
    place: Place = SHANGHAI

    def __repr__(self) -> str:
        """Return how many there are and the start of their hash."""
        return f"Parameters({len(self.entries)} values, hash={self.hash[:12]!r})"

    def __getitem__(self, path: str) -> Any:
        return self.entries[path].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def parameter(self, path: str) -> Parameter:
        """Return the value together with its unit and source."""
        return self.entries[path]

    def group(self, prefix: str) -> dict[str, Any]:
        """Return the values directly below a prefix, by the last part of their name."""
        head = prefix + "."
        return {
            path[len(head) :]: p.value
            for path, p in self.entries.items()
            if path.startswith(head) and "." not in path[len(head) :]
        }

    def replace(self, changes: Mapping[str, Any]) -> Parameters:
        """Return parameters with some values changed; the rest stays.

        Raises
        ------
        KeyError
            If a name is not a parameter.
        InputError
            If a value is not in its range (`tierkit.city.ranges`), with all that are not.
        """
        entries = dict(self.entries)
        wrong = []
        for path, value in changes.items():
            if path not in entries:
                raise KeyError(f"'{path}' is not a parameter of the world.")
            if fault := fault_of(path, value, entries[path]):
                wrong.append(f"The parameter '{path}' {fault}. Got {described(value)}.")
            entries[path] = Parameter(value, entries[path].unit, assumption="set by the caller")
        if wrong:
            raise InputError("\n".join(wrong))
        return Parameters(entries, self.place)

    @property
    def hash(self) -> str:
        """SHA-256 of all values in a canonical order."""
        text = json.dumps({k: str(self.entries[k].value) for k in sorted(self.entries)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _leaves(tree: Mapping[str, Any], file: str, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
    for name, node in tree.items():
        path = f"{prefix}{name}"
        if not isinstance(node, Mapping):
            remedy = 'Give { value = …, unit = "…", assumption = "why" }'
            raise DataError([Problem(file, path, 0, (), f"= {node!r} is not a parameter", remedy)])
        if "value" in node:
            grounds = (node.get("source"), node.get("assumption"))
            if not is_text(node.get("unit")) or not any(map(is_text, grounds)):
                message, remedy = "needs a unit and a source or an assumption", "Give them"
                raise DataError([Problem(file, path, 0, (), message, remedy)])
            yield path, Parameter(**node)
        else:
            yield from _leaves(node, file, path + ".")


_ALL_ALIKE = "the file of the place has no value: all alike"


def _alike(place: Place) -> Mapping[str, Mapping[str, Parameter]]:
    """Return what holds where a place's file says nothing: groups of parameters, in which all are alike."""
    sectors, districts, agencies = (place.ids(kind) for kind in ("sector", "district", "agency"))
    some = Parameter([0.5, 0.2], "share [general, key]", "", _ALL_ALIKE)
    return MappingProxyType(
        {
            "share.sector": dict.fromkeys(sectors, Parameter(1 / len(sectors), "share", "", _ALL_ALIKE)),
            "share.district": dict.fromkeys(
                districts, Parameter(1 / len(districts), "share", "", _ALL_ALIKE)
            ),
            "hazard.sector": dict.fromkeys(sectors, Parameter(0.0, "log-odds", "", _ALL_ALIKE)),
            "complaint.sector": {"other": Parameter(1.0, "relative", "", _ALL_ALIKE)},
            "applicability.all": dict.fromkeys(agencies, some),
        }
    )


def _fault(path: str, value: Any) -> str:
    """Return what is wrong with the value of a parameter that a place gives by sector, district or agency."""
    if path.startswith("applicability."):
        fits = (
            isinstance(value, list)
            and len(value) == 2
            and all(isinstance(one, int | float) and 0 <= one <= 1 for one in value)
        )
        return "" if fits else "must be two shares, of general and key items"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number"
    return "must not be negative" if value < 0 and not path.startswith("hazard.") else ""


def _of_place(place: Place, world: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Return the parameters that the file of a place gives, completed by those that are alike for all.

    Raises
    ------
    DataError
        With everything that is wrong with the ``[city]`` table.
    """
    file = f"{place.name}: [city]"
    given = dict(_leaves(place.city, file))
    groups = _alike(place)
    keyed = {f"{group}.{name}" for group, own in groups.items() for name in own}
    keyed |= {f"complaint.sector.{sector}" for sector in place.sectors}
    keyed |= {f"applicability.{sector}.{agency}" for sector in place.sectors for agency in place.agencies}
    problems: list[Problem] = []
    for path, one in given.items():
        if len(problems) == PROBLEMS:
            break
        if path not in keyed and path not in world:
            message = f"is no parameter of this place{suggestion(path, [*keyed, *world])}"
            problems.append(Problem(file, path, 0, (), message, "Correct the name, or take it out"))
        elif fault := (_fault(path, one.value) if path in keyed else fault_of(path, one.value, world[path])):
            problems.append(Problem(file, path, 0, (), f"= {one.value!r} {fault}", "Correct the value"))
    entries: dict[str, Parameter] = {}
    for group, own in groups.items():
        mine = {name for name in own if f"{group}.{name}" in given}
        if mine and group != "complaint.sector":
            problems += [
                Problem(file, f"{group}.{name}", 0, (), "is missing", f"Give all of {group}, or none")
                for name in own
                if name not in mine
            ]
        entries |= {f"{group}.{name}": one for name, one in own.items()}
    if problems:
        raise DataError(problems)
    return entries | given


@cache
def parameters(place: Place = SHANGHAI) -> Parameters:
    """Return the default parameters of the world of a place.

    They are those of ``world.toml``, the rates and slopes of credit events, and the ``[city]`` table of the
    place.

    Raises
    ------
    DataError
        With everything that is wrong with the place's ``[city]`` table.
    """
    text = files("tierkit.city").joinpath("world.toml").read_text("utf-8")
    tree = tomllib.loads(text)
    for group, field in (("adverse", "rate"), ("slope", "slope")):
        tree[group] = {
            kind: {"value": one.value, "unit": one.unit, "source": one.source, "assumption": one.assumption}
            for kind in UNINSPECTED_KINDS
            if (one := getattr(CREDIT_EVENTS[kind], field)) is not None
        }
    world = dict(_leaves(tree, "world.toml"))
    return Parameters(world | _of_place(place, world), place)
