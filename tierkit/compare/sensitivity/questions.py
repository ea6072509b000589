"""A comparison as a function of its uncertain parameters, for one city at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.parameters import parameters
from tierkit.city.synth import history, make
from tierkit.city.world import World
from tierkit.compare.measures import MEASURES
from tierkit.compare.outcomes import run_and_measure
from tierkit.compare.sensitivity.design import check_finite
from tierkit.compare.sensitivity.ranges import Uncertain, uncertain
from tierkit.policy import SPEC, Policy, diff
from tierkit.records import Dataset

__all__ = ["MEASURED", "Question", "Score", "case_of", "matters"]

MEASURED = ("findings", "violations_missed", "harm")
"""Measures whose relative difference is looked at unless others are named."""

Score: TypeAlias = Callable[[Dataset], pd.DataFrame]
"""Gives the scores of a dataset's enterprises at its end."""


@dataclass(frozen=True)
class Question:
    """A comparison with uncertain parameters."""

    enterprises: int
    baseline: Policy
    reform: Policy
    chosen: tuple[Uncertain, ...]
    measures: tuple[str, ...]
    weeks: int
    kappa: float
    score: Score | None

    def base(self, one: Uncertain) -> float:
        """Return the value of a parameter where it is not moved."""
        if one.acts == "kappa":
            return self.kappa
        if one.factor:
            return 1.0
        return float(parameters()[one.paths[0]] if one.acts == "world" else self.reform[one.paths[0]])

    def changes(self, point: Mapping[str, float], acts: str, policy: Policy) -> dict[str, Any]:
        """Return the policy parameters of a kind that a point changes, with their values."""
        found: dict[str, Any] = {}
        for one in self.chosen:
            if one.acts == acts and one.name in point:
                for path in _paths(one, self.baseline, self.reform):
                    value = policy[path] * point[one.name] if one.factor else point[one.name]
                    found[path] = _within(path, float(value))
        return found

    def policy(self, policy: Policy, point: Mapping[str, float], *acts: str) -> Policy:
        """Return a policy under its own name with what a point changes of it."""
        held = policy.parameters
        changed = {
            path: replace(held[path], value=value)
            for kind in acts
            for path, value in self.changes(point, kind, policy).items()
        }
        return replace(policy, parameters={**held, **changed})

    def world(self, point: Mapping[str, float], seed: int) -> tuple[World, pd.DataFrame | None]:
        """Return a city with its history at a point, and scores where a model gives them."""
        p = parameters()
        moved = {
            path: p[path] * point[one.name] if one.factor else point[one.name]
            for one in self.chosen
            if one.acts == "world" and one.name in point
            for path in one.paths
        }
        past = self.policy(Policy.load("legacy"), point, "policies")
        given: dict[str, Any] = {
            "policy": past, "params": p.replace(moved) if moved else p, "horizon_weeks": self.weeks
        }  # fmt: skip
        if self.score is None:
            return history(self.enterprises, seed, **given)[1].end, None
        data, frame = make(self.enterprises, seed, **given)
        return frame, self.score(data)

    def evaluate(self, points: Sequence[Mapping[str, float]], seed: int) -> NDArray[np.float64]:
        """Return the relative difference of each measure at each point, (points, measures), in one city.

        Only what a point moves is run again: the city and its past if the world or common practice is
        different from the point before, the baseline if that or κ is.
        """
        of_world = [one.name for one in self.chosen if one.acts in ("world", "policies")]

        @lru_cache(maxsize=2)
        def world(*at: float | None) -> tuple[World, pd.DataFrame | None]:
            return self.world(_point(of_world, at), seed)

        def measured(policy: Policy, kappa: float, at: tuple[float | None, ...]) -> NDArray[np.float64]:
            frame, scores = world(*at)
            rows = run_and_measure(frame, policy, self.weeks, kappa=kappa, scores=scores)[1].values()
            return rows[rows["group"] == "all"].set_index("measure")["value"][list(self.measures)].to_numpy()

        @lru_cache(maxsize=2)
        def before(kappa: float, *at: float | None) -> NDArray[np.float64]:
            return measured(self.policy(self.baseline, _point(of_world, at), "policies"), kappa, at)

        found = []
        for point in points:
            at = tuple(point.get(name) for name in of_world)
            kappa = float(point.get("kappa", self.kappa))
            old = before(kappa, *at)
            new = measured(self.policy(self.reform, point, "policies", "reform"), kappa, at)
            found.append(np.divide(new - old, old, out=np.full_like(old, np.nan), where=old != 0))
            check_finite(found[-1], self.measures)  # before any more cities are made
        return np.array(found)


def _point(names: Sequence[str], at: Sequence[float | None]) -> dict[str, float]:
    return {name: value for name, value in zip(names, at, strict=True) if value is not None}


def _within(path: str, value: float) -> float | int:
    """Return a value clipped to the range of a policy parameter, rounded if it is an integer."""
    spec = SPEC[path]
    value = max(value, -np.inf if spec.low is None else spec.low)
    value = min(value, np.inf if spec.high is None else spec.high)
    return round(value) if spec.kind == "integer" else value


def _paths(one: Uncertain, baseline: Policy, reform: Policy) -> tuple[str, ...]:
    """Return the paths that a parameter moves: of a reform's own, those in which it differs, unless zero."""
    if one.acts != "reform":
        return one.paths
    own = [path for path in one.paths if reform[path] != baseline[path]]
    return tuple(path for path in own if not (one.factor and reform[path] == 0))


def matters(one: Uncertain, baseline: Policy, reform: Policy) -> bool:
    """Return whether a parameter can affect the comparison of two policies."""
    needed = not one.needs or bool(baseline[one.needs]) or bool(reform[one.needs])
    return needed and bool(_paths(one, baseline, reform))


def case_of(
    enterprises: int,
    baseline: Policy,
    reform: Policy,
    chosen: Sequence[Uncertain] | None,
    measures: Sequence[str],
    weeks: int,
    kappa: float,
    score: Score | None,
) -> Question:
    """Return a question without the parameters that cannot affect its policies."""
    if diff(baseline, reform).empty:
        raise ValueError(
            f"Policy '{reform.name}' does not differ from its baseline '{baseline.name}'; nothing to compare."
        )
    known = [one.name for one in MEASURES]
    unknown = [one for one in measures if one not in known]
    if unknown or not measures:
        raise ValueError(
            f"There is no measure {', '.join(unknown) or 'given'}; there are {', '.join(known)}."
        )
    matter = tuple(
        one for one in (uncertain() if chosen is None else chosen) if matters(one, baseline, reform)
    )
    return Question(enterprises, baseline, reform, matter, tuple(measures), weeks, kappa, score)
