"""Screen the uncertain parameters of a comparison, and say which to measure first."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tierkit.city.world import WEEKS_A_YEAR
from tierkit.compare.sensitivity.design import FALSE_ONES, Progress, morris
from tierkit.compare.sensitivity.questions import MEASURED, Score, case_of
from tierkit.compare.sensitivity.ranges import Uncertain, uncertain
from tierkit.policy import PolicyLike, policy_of
from tierkit.records.arguments import InputError, count_of, described, did_you_mean
from tierkit.results import Result
from tierkit.texts import number, percent, text

__all__ = ["Screening", "screen"]


@dataclass(frozen=True, repr=False)
class Screening(Result):
    """The effect of each uncertain parameter on the relative difference, and which stand out from noise.

    Attributes
    ----------
    frame : DataFrame
        One row per measure and parameter, the largest ``mu_star`` first: the mean effect ``mu`` of moving the
        parameter over its range, from ``low`` to ``high``; the mean absolute one, ``mu_star``, with the half
        width of its 95 % Student interval over trajectories, ``mu_star_conf``; ``sigma``, the standard
        deviation of effects, large where the effect depends on the others; ``noise``, what ``mu_star`` would
        exceed once in forty times if the parameter did nothing (see `morris`); ``stands_out``, whether it is
        above that; ``rank``. Effects are shares of the baseline's value: 0.05 moves a difference of −20 % to
        −15 %.
    baseline, reform : str
    enterprises, weeks, trajectories, levels, replicates, seed : int
    """

    frame: pd.DataFrame
    baseline: str
    reform: str
    enterprises: int
    weeks: int
    trajectories: int
    levels: int
    replicates: int
    seed: int

    def first(self, measure: str | None = None) -> pd.DataFrame:
        """Return the rows of the parameters that stand out from the noise, in order of effect.

        Parameters
        ----------
        measure : str, optional
            One measure; all if absent.
        """
        rows = self.frame[self.frame["stands_out"]]
        rows = rows if measure is None else rows[rows["measure"] == measure]
        return rows.reset_index(drop=True)

    def to_frame(self) -> pd.DataFrame:
        """Return `frame`."""
        return self.frame

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return what to measure first: one sentence per measure and one line per parameter.

        Parameters
        ----------
        lang : {"zh", "en"}
        """
        lines = []
        for measure in dict.fromkeys(self.frame["measure"]):
            rows: list[Any] = self.first(measure).to_dict("records")
            about = text(f"measure.{measure}", lang)
            every = int((self.frame["measure"] == measure).sum())
            said = "sensitivity.first" if rows else "sensitivity.nothing"
            by_chance = number(FALSE_ONES * every, 1)
            told = {"measure": about, "found": len(rows), "every": every, "chance": by_chance}
            lines.append(text(said, lang, **told))
            lines += [_line(place, row, lang) for place, row in enumerate(rows, 1)]
        return lines

    def __repr__(self) -> str:
        """Return what was screened, as one line."""
        count = self.frame["parameter"].nunique()
        return (
            f"Screening({self.reform} against {self.baseline}: {count} parameters, "
            f"{self.trajectories} trajectories × {self.replicates} replicates, "
            f"{self.enterprises} enterprises, {self.weeks} weeks)"
        )

    def _repr_html_(self) -> str:
        head = ("what to find out first", "range", "mean absolute effect", "mean effect", "sigma", "noise")
        parts = [
            f"<p>{html.escape(self.reform)} against <b>{html.escape(self.baseline)}</b>, effect on the "
            f"relative difference: {self.trajectories} trajectories, {self.replicates} replicates, "
            f"{number(self.enterprises)} enterprises, {self.weeks} weeks; ± 95% intervals.</p>"
        ]
        for measure in dict.fromkeys(self.frame["measure"]):
            rows = [
                "".join(f"<td>{cell}</td>" for cell in (
                    html.escape(row["label_en"]), _range(row),
                    f"{percent(row['mu_star'], 1)} ± {percent(row['mu_star_conf'], 1)}",
                    percent(row["mu"], 1, sign=True), percent(row["sigma"], 1), percent(row["noise"], 1),
                ))
                for row in self.first(measure).to_dict("records")
            ]  # fmt: skip
            title = html.escape(text(f"measure.{measure}", "en"))
            body = "".join(f"<tr>{row}</tr>" for row in rows)
            ths = "".join(f"<th>{one}</th>" for one in head)
            parts.append(f"<table><caption>{title}</caption><tr>{ths}</tr>{body}</table>")
        return "".join(parts)


def _range(row: Mapping[Any, Any]) -> str:
    factor = "× " if row["unit"] == "multiple" else ""
    return f"{factor}{row['low']:g}–{row['high']:g}"


def _line(place: int, row: Mapping[Any, Any], lang: str) -> str:
    effect, half = row["mu_star"], row["mu_star_conf"]
    low, high = np.maximum(effect - half, 0.0), effect + half  # NaN stays
    return text(
        "sensitivity.line",
        lang,
        place=place,
        label=row[f"label_{lang}"],
        range=_range(row),
        effect=percent(effect, 1).removesuffix("%"),
        low=percent(low, 1).removesuffix("%"),
        high=percent(high, 1).removesuffix("%"),
        noise=percent(row["noise"], 1).removesuffix("%"),
    ).replace(f" [{number(None)}, {number(None)}]", "")


def _uncertain(chosen: Sequence[Uncertain | str] | None) -> list[Uncertain] | None:
    """Return the uncertain parameters that are meant by names or by themselves."""
    if chosen is None:
        return None
    if isinstance(chosen, str | Uncertain) or not isinstance(chosen, Iterable):
        raise InputError(f"The 'chosen' must be a list of uncertain parameters. Got {described(chosen)}.")
    named = {one.name: one for one in uncertain()}
    for one in chosen:
        if not isinstance(one, Uncertain) and one not in named:
            raise InputError(f"'chosen' names no parameter: {described(one)}{did_you_mean(one, named)}")
    return [one if isinstance(one, Uncertain) else named[one] for one in chosen]


def screen(
    enterprises: int,
    baseline: PolicyLike,
    reform: PolicyLike,
    *,
    chosen: Sequence[Uncertain | str] | None = None,
    measures: Sequence[str] = MEASURED,
    trajectories: int = 10,
    levels: int = 4,
    seed: int = 0,
    replicates: int = 2,
    weeks: int = WEEKS_A_YEAR,
    kappa: float = 0.1,
    score: Score | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> Screening:
    """Rank the uncertain parameters of a comparison by their effect on its relative difference.

    See `morris` for the method. Each point of the design is a city drawn with its two years of records,
    in which the reform is compared with the baseline under the same draws.

    Parameters
    ----------
    enterprises : int
        Enterprises of a city.
    baseline, reform : Policy, name or path
    chosen : sequence of Uncertain or str, optional
        The uncertain parameters, or their names in `uncertain`; all of these if absent. Those that cannot
        matter to these policies, such as
        off-site sensitivity where nothing is checked off site, are left out.
    measures : sequence of str
        Measures of `tierkit.compare.measures.MEASURES`.
    trajectories, levels, seed, replicates, threads
        As in `morris`.
    weeks : int
        Length of a run.
    kappa : float
        Strength of general deterrence, if it is not among the parameters.
    score : callable, optional
        Gives the scores of a dataset's enterprises at its end, for policies whose tiers rest on models;
        without it the rule score stands in.
    progress : callable, optional
        Called with the trajectories done and all of them.

    Returns
    -------
    Screening

    Raises
    ------
    ValueError
        If the policies do not differ, a measure is unknown, a number is out of range, or a city has nothing
        of a measure under the baseline.

    Examples
    --------
    >>> import tierkit as tk
    >>> few = ["kappa", "violation.harm.serious"]
    >>> short = {"measures": ["violations"], "trajectories": 2, "weeks": 4}
    >>> screening = tk.screen(300, "legacy", "jinshan-2025", chosen=few, **short)
    >>> screening.frame.set_index("parameter")["mu"].loc["violation.harm.serious"].item()
    0.0
    """
    enterprises = count_of(enterprises, "enterprises")
    baseline, reform = policy_of(baseline, "baseline"), policy_of(reform, "reform")
    case = case_of(enterprises, baseline, reform, _uncertain(chosen), measures, weeks, kappa, score)
    frame = morris(
        case.chosen,
        case.evaluate,
        case.measures,
        trajectories=trajectories,
        levels=levels,
        seed=seed,
        replicates=replicates,
        threads=threads,
        progress=progress,
    )
    frame = frame.assign(
        policy=reform.name,
        baseline=baseline.name,
        weeks=weeks,
        trajectories=trajectories,
        replicates=replicates,
        enterprises=enterprises,
    )
    return Screening(
        frame, baseline.name, reform.name, enterprises, weeks, trajectories, levels, replicates, seed
    )
