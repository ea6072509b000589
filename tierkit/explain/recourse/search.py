"""Search over sets of steps, cheapest first, scored on later dates in one query.

The features of a table depend on that table alone. So each set of steps that meets one table is laid down
once, as a copy of the enterprise under an id of its own, and the features after a set on several tables are
put together from those of its parts. Nothing is approximated: the scores are those of the edited records.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tierkit.explain.recourse.editing import EDITED, edited
from tierkit.explain.recourse.steps import DAY, Step
from tierkit.features import FEATURES, features_of, standing
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.policy.tiers.drift import unheeded
from tierkit.records import Tables
from tierkit.records.known import known
from tierkit.scores.model import Model

__all__ = ["MOST_SETS", "Question", "answers", "cheapest_sets", "placed"]

MOST_SETS = 256
"""Sets of steps that are tried for an enterprise, the cheapest, and all steps together besides."""

_FOUND = "serious_finding_weeks"
"""What the tier rule asks of inspections; the rest of it is of credit events."""
_SOURCES: dict[str, list[str]] = {}
for _feature in FEATURES:
    _SOURCES.setdefault(_feature.source, []).append(_feature.name)


def cheapest_sets(
    groups: Sequence[Sequence[Step]], most: int = MOST_SETS
) -> tuple[list[tuple[Step, ...]], bool]:
    """Return sets of steps in the order of their cost, and whether these are all.

    Parameters
    ----------
    groups : sequence of sequence of Step
        As from `tierkit.explain.recourse.steps.possible`: of a group the first k are taken, for any k.
    most : int

    Examples
    --------
    >>> costs = {"a": 3.0, "b": 2.0, "c": 2.0}
    >>> a, b, c = (Step(kind, None, (), "2024-07-01", cost) for kind, cost in costs.items())
    >>> sets, whole = cheapest_sets([[a], [b, c]])
    >>> [[step.kind for step in one] for one in sets], whole
    ([[], ['b'], ['a'], ['b', 'c'], ['b', 'a'], ['b', 'c', 'a']], True)
    """
    ordered = sorted(groups, key=lambda group: group[0].cost)
    # Each set is reached once, from the one with a step less in its last group, which costs no more.
    waiting: list[tuple[float, tuple[int, ...], int]] = [(0.0, (0,) * len(ordered), 0)]
    found: list[tuple[Step, ...]] = []
    while waiting and len(found) < most:
        cost, taken, last = heapq.heappop(waiting)
        found.append(tuple(step for k, group in zip(taken, ordered, strict=True) for step in group[:k]))
        for place in range(last, len(ordered)):
            if taken[place] < len(ordered[place]):
                more = (*taken[:place], taken[place] + 1, *taken[place + 1 :])
                heapq.heappush(waiting, (cost + ordered[place][taken[place]].cost, more, place))
    if waiting:
        found.append(tuple(step for group in ordered for step in group))
    return found, not waiting


@dataclass(frozen=True)
class Question:
    """The sets of steps and the days to examine for one enterprise.

    Attributes
    ----------
    enterprise_id : str
    sets : list of tuple of Step
    days : list of Timestamp
        Days of assignment; each set is looked at on those after its last step, and on the day after that.
    tier, risk_level, credit_grade
        As they stand.
    since : Timestamp
        The day since which the tier stands.
    """

    enterprise_id: str
    sets: Sequence[tuple[Step, ...]]
    days: Sequence[pd.Timestamp]
    tier: str
    risk_level: int
    credit_grade: str
    since: pd.Timestamp

    def dated(self) -> Iterable[tuple[tuple[Step, ...], pd.Timestamp]]:
        """Yield each set with each of its days."""
        for steps in self.sets:
            ready = max((pd.Timestamp(step.on) + DAY for step in steps), default=self.days[0])
            for day in sorted({ready, *(day for day in self.days if day > ready)}):
                yield steps, day


@dataclass
class _Sheet:
    """Copies of enterprises, and the pairs of copy and day to ask about, each once."""

    copies: dict[str, tuple[str, tuple[Step, ...]]] = field(default_factory=dict)
    ids: dict[tuple[str, tuple[Step, ...]], str] = field(default_factory=dict)
    pairs: dict[tuple[str, pd.Timestamp], int] = field(default_factory=dict)

    def row(self, enterprise_id: str, steps: tuple[Step, ...], day: pd.Timestamp) -> int:
        """Return the number of the pair for an enterprise after steps on one table."""
        name = enterprise_id
        if steps:
            name = self.ids.setdefault((enterprise_id, steps), f"{enterprise_id}#{len(self.ids)}")
            self.copies[name] = (enterprise_id, steps)
        return self.pairs.setdefault((name, day), len(self.pairs))


def answers(
    model: Model, tables: Tables, questions: Sequence[Question], policy: Policy, threads: int = 1
) -> pd.DataFrame:
    """Return scores and tier after each set of steps on each of its days.

    Parameters
    ----------
    model : Model
    tables : mapping of str to DataFrame
        As from `tierkit.explain.recourse.editing.known_tables`.
    questions : sequence of Question
    policy : Policy
    threads : int

    Returns
    -------
    DataFrame
        One row per enterprise, set and day: ``question``, ``steps`` (the set), ``on``, ``cost``, and the
        columns of `Model.score_features` and `tierkit.policy.tiers.assign`, with the tier that stands as the
        last one.
    """
    sheet = _Sheet()
    numbers: dict[str, list[int]] = {source: [] for source in _SOURCES}
    asked = []
    for place, question in enumerate(questions):
        for steps, day in question.dated():
            asked.append((place, steps, day))
            base = sheet.row(question.enterprise_id, (), day)
            for source, rows in numbers.items():
                own = tuple(step for step in steps if step.table == source) if source in EDITED else ()
                rows.append(sheet.row(question.enterprise_id, own, day) if own else base)
    pairs = pd.DataFrame(list(sheet.pairs), columns=["enterprise_id", "as_of"])
    with known(edited(tables, sheet.copies, policy.name), threads=threads) as seen:
        parts, records = features_of(seen, pairs), standing(seen, pairs)
    X = pd.concat(
        [parts[names].take(numbers[source]).reset_index(drop=True) for source, names in _SOURCES.items()],
        axis=1,
    )[parts.columns]
    out = pd.DataFrame(asked, columns=["question", "steps", "on"])
    out["cost"] = [sum(step.cost for step in steps) for steps in out["steps"]]
    records = pd.concat(
        [
            records[names].take(numbers[source]).reset_index(drop=True)
            for source, names in (
                ("credit_events", [name for name in records if name != _FOUND]),
                ("inspections", [_FOUND]),
            )
        ],
        axis=1,
    )
    stands = [questions[place] for place in out["question"]]
    return pd.concat([out, placed(model, X, records, stands, out["on"], policy)], axis=1)


def placed(
    model: Model,
    X: pd.DataFrame,
    records: pd.DataFrame,
    stands: Sequence[Question],
    on: pd.Series,
    policy: Policy,
) -> pd.DataFrame:
    """Return scores and tiers of rows of features, each on its day after the tier that stands."""
    ids = pd.Series(np.arange(len(X))).astype("str")
    scores = model.score_features(X, ids, records)
    since = pd.Series([question.since for question in stands])
    previous = pd.DataFrame({
        "enterprise_id": ids,
        "tier": [question.tier for question in stands],
        "risk_level": [question.risk_level for question in stands],
        "credit_grade": [question.credit_grade for question in stands],
        "weeks_ago": (on - since).dt.days // 7,
    })  # fmt: skip
    with unheeded():  # these rows are what some might be, and no city
        tiers = assign(scores, policy, previous)
    return pd.concat([scores, tiers.drop(columns=["enterprise_id", "red_line"])], axis=1).astype(
        {"tier": "str", "credit_grade": "str"}
    )
