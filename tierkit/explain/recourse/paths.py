"""Results of recourse: paths to a better tier with steps, days, costs and scores, or the obstacles."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import pandas as pd

from tierkit import texts
from tierkit.explain.recourse.steps import STEPS, Step, working_days
from tierkit.records import LEVELS, SHANGHAI, TIER_NAMES, TIERS, Label, Place
from tierkit.records.repair_rules import rule_on
from tierkit.results import Result

__all__ = ["Obstacle", "Path", "Recourse"]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why no path leads to a better tier.

    Attributes
    ----------
    code : str
        ``structure`` (what it is gives no better tier), ``red_line`` (one stands to the end), ``serious`` (a
        finding bars from T1 to the end), ``not_before``
        and ``never`` (a record cannot be repaired so soon, or at all), ``time`` (records fade too slowly),
        ``dwell`` (the tier must stand as long), ``out_of_scope``.
    record_id, kind : str or None
        The credit event, or the inspection.
    until : str or None
        The last day of it, ISO.
    """

    code: str
    record_id: str | None = None
    kind: str | None = None
    until: str | None = None

    def sentence(self, lang: str) -> str:
        """Return the obstacle in words."""
        kind = LEVELS["event_kind"][self.kind].text(lang) if self.kind else ""
        name = texts.plain(self.record_id or "", 40)
        return texts.text(f"obstacle.{self.code}", lang, id=name, kind=kind, until=self.until)


@dataclass(frozen=True, kw_only=True)
class Path:
    """Steps that lead to a tier.

    Attributes
    ----------
    tier : str
    on : str
        The day on which tiers have to be given anew, ISO.
    cost : float
        Working days of the enterprise, all steps together.
    steps : tuple of Step
        In the order of their days; none if time alone does it.
    risk_level, credit_grade : int, str
    risk_probability, credit_points : float
        What would be scored on that day; by risk alone there is no grade, and no points where the model gives
        no credit.
    """

    tier: str
    on: str
    cost: float
    steps: tuple[Step, ...]
    risk_level: int
    credit_grade: str
    risk_probability: float
    credit_points: float | None

    def sentences(
        self, lang: str, place: Place = SHANGHAI, names: tuple[Label, ...] = TIER_NAMES
    ) -> list[str]:
        """Return the path in words: its tier, one sentence per step, and the resulting scores."""
        label = names[TIERS.index(self.tier)].text(lang)
        cost = working_days(self.cost, lang)
        way = "recourse.path" if self.steps else "recourse.wait"
        return [
            texts.text(way, lang, n=len(self.steps), cost=cost, on=self.on, tier=self.tier, label=label),
            *(step.sentence(lang, place) for step in self.steps),
            texts.text(
                "recourse.scores" if self.credit_grade else "recourse.scores.risk",
                lang, level=self.risk_level, grade=self.credit_grade,
                probability=texts.percent(self.risk_probability, 1),
                points=texts.number(self.credit_points, 1),
            ),
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True, repr=False)
class Recourse(Result):
    """What an enterprise can do for a better tier, or why nothing helps.

    Attributes
    ----------
    enterprise_id, as_of, policy, tier : str
        The tier as it stands on ``as_of``, under a policy by name.
    months : int
        How far ahead was looked.
    paths : tuple of Path
        For each better tier that can be reached the cheapest path, then the earliest; where that is waiting,
        also the cheapest that is earlier by steps. None is dominated: no other reaches as good a tier as
        soon and as cheaply.
    tried : int
        Sets of steps that were tried.
    complete : bool
        Whether these are all; otherwise the cheapest, and all steps together.
    pass_chance : float
        The model's probability that a standard on-site audit finds nothing.
    obstacles : tuple of Obstacle
        Why there is no path, where there is none.
    lang : {"zh", "en"}
        Language of `_repr_html_`.
    place : Place
        The place whose agencies the steps name; not part of `to_dict`.
    names : tuple of Label
        What the policy calls the tiers, from T1 on.
    """

    enterprise_id: str
    as_of: str
    policy: str
    tier: str
    months: int
    paths: tuple[Path, ...]
    tried: int
    complete: bool
    pass_chance: float
    obstacles: tuple[Obstacle, ...] = ()
    lang: str = "zh"
    place: Place = SHANGHAI
    names: tuple[Label, ...] = TIER_NAMES

    def __repr__(self) -> str:
        """Return the tier and where the paths lead, as one line."""
        to = ", ".join(path.tier for path in self.paths) or "none"
        return f"Recourse({self.enterprise_id}: {self.tier} under {self.policy}, paths to {to})"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per step of each path, and one for a path that only waits."""
        rows: list[dict[str, Any]] = []
        for path in self.paths:
            about = {"tier": path.tier, "on": path.on, "path_cost": path.cost}
            steps = [{"step": one.kind, "record_id": one.record_id, "step_on": one.on, "cost": one.cost}
                     for one in path.steps]  # fmt: skip
            rows += [about | step for step in steps or [{"step": "wait"}]]
        columns = ["tier", "on", "path_cost", "step", "record_id", "step_on", "cost"]
        return pd.DataFrame(rows, columns=columns)

    def sentences(self, lang: str | None = None) -> list[str]:
        """Return all paths in words with their assumptions, or why there is none."""
        lang = lang or self.lang
        best = min((path.tier for path in self.paths), default=self.tier)
        label = self.names[0].text(lang)
        if self.tier == TIERS[0]:
            return [texts.text("recourse.best", lang, tier=TIERS[0], label=label)]
        if not self.paths:
            none = texts.text("recourse.none", lang, months=self.months, tried=self.tried)
            return [none, *(one.sentence(lang) for one in self.obstacles)]
        said = [sentence for path in self.paths for sentence in path.sentences(lang, self.place, self.names)]
        if best != TIERS[0]:
            closed = TIERS[TIERS.index(best) - 1]
            further = {
                "months": self.months,
                "tier": closed,
                "label": self.names[TIERS.index(closed)].text(lang),
            }
            way = "recourse.further.best" if closed == TIERS[0] else "recourse.further"
            said.append(texts.text(way, lang, **further))
        said += self.rule_sentences(lang)
        said.append(texts.text("recourse.assumes", lang))
        if any(step.kind == "pass_check" for path in self.paths for step in path.steps):
            said.append(texts.text("recourse.check", lang, chance=texts.percent(self.pass_chance)))
        return said

    def rule_sentences(self, lang: str) -> list[str]:
        """Return the rules on repair by which the records of the steps are repaired, each in a sentence."""
        steps = (step for path in self.paths for step in path.steps)
        days = sorted({step.on for step in steps if STEPS[step.kind].edit == "repair"})
        rules = dict.fromkeys(map(rule_on, days))
        return [
            texts.text("recourse.rule", lang, rule=one.label.text(lang), start=one.start.isoformat())
            for one in rules
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; `from_dict` reads it back."""
        data = asdict(self)
        del data["place"]
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], place: Place = SHANGHAI) -> Self:
        """Return the recourse that `to_dict` wrote; it is of that place."""
        paths = tuple(
            Path(**{
                **path,
                "steps": tuple(
                    Step(**{**step, "features": tuple(step["features"])}) for step in path["steps"]
                ),
            })
            for path in data["paths"]
        )  # fmt: skip
        found = tuple(Obstacle(**one) for one in data["obstacles"])
        names = tuple(Label(*one) for one in data.get("names", TIER_NAMES))
        return cls(**{**data, "paths": paths, "obstacles": found, "place": place, "names": names})

    def _repr_html_(self) -> str:
        parts = []
        for path in self.paths:
            first, *rest = path.sentences(self.lang, self.place)
            items = "".join(f"<li>{html.escape(one)}</li>" for one in rest)
            parts.append(f"<p>{html.escape(first)}</p><ul>{items}</ul>")
        said = self.sentences()
        shown = sum(len(path.steps) + 2 for path in self.paths)
        return "".join(parts) + "".join(f"<p>{html.escape(one)}</p>" for one in said[shown:])
