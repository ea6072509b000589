"""The uncertain parameters, each with the range in which it may lie."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from tierkit.records import Label

__all__ = ["Uncertain", "uncertain"]


class Uncertain(NamedTuple):
    """An uncertain parameter, and the range in which it may lie."""

    name: str
    label: Label
    acts: str  # reform, policies, world or kappa
    paths: tuple[str, ...]  # the parameters of policies or of the world that it sets
    factor: bool  # whether the range multiplies what they are
    needs: str  # the parameter that must not be zero in both policies; empty if none
    low: float
    high: float
    unit: str
    source: str
    assumption: str


@cache
def uncertain() -> tuple[Uncertain, ...]:
    """Return the default list, as ``tierkit/compare/sensitivity/uncertain.toml`` declares it.

    Examples
    --------
    >>> [one.name for one in uncertain() if one.acts == "kappa"]
    ['kappa']
    """
    read = tomllib.loads(files("tierkit.compare.sensitivity").joinpath("uncertain.toml").read_text("utf-8"))
    return tuple(
        Uncertain(
            name,
            Label(one["zh"], one["en"]),
            one["acts"],
            tuple(one.get("paths", [name])),
            one.get("factor", False),
            one.get("needs", ""),
            float(one["low"]),
            float(one["high"]),
            one["unit"],
            one.get("source", ""),
            one.get("assumption", ""),
        )
        for name, one in read.items()
    )
