"""Which of the numbers that nobody knows decide a comparison: Morris screening, and one at a time.

A comparison rests on assumptions about the plan, about practice, about the city and about κ. `screen` moves
all of them over their ranges at once and ranks what each does to the reform's relative difference; `tornado`
moves one at a time from where it is. A replicate here is a whole city of its own, drawn with its history
from a seed of its own, so that what is said holds for such cities and not for one of them.
"""

from __future__ import annotations

import html
import threading
import tomllib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from SALib.analyze.morris import analyze
from SALib.sample.morris import sample
from scipy.stats import t as student

from tierkit.outcomes import MEASURES, run_and_measure
from tierkit.policy import SPEC, Policy, diff
from tierkit.schema import Dataset, Label
from tierkit.synth import history, make
from tierkit.texts import number, percent, text
from tierkit.world import WEEKS_A_YEAR, Frame, parameters

__all__ = ["MEASURED", "Screening", "Uncertain", "morris", "screen", "tornado", "uncertain"]

MEASURED = ("findings", "violations_missed", "harm")
"""Measures whose relative difference is looked at unless others are named."""
RESAMPLES = 1000
"""Bootstrap resamples behind an interval of a mean absolute effect."""

NULL_DRAWS = 40_000
"""Draws behind the quantile that a parameter's effect must exceed."""

Score: TypeAlias = Callable[[Dataset], pd.DataFrame]
Progress: TypeAlias = Callable[[int, int], None]
Evaluate: TypeAlias = Callable[[Sequence[Mapping[str, float]], int], NDArray[np.float64]]


class Uncertain(NamedTuple):
    """A number that nobody knows well, and the range in which it may lie."""

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
    """Return the default list, as ``tierkit/parameters/uncertain.toml`` declares it.

    Examples
    --------
    >>> [one.name for one in uncertain() if one.acts == "kappa"]
    ['kappa']
    """
    read = tomllib.loads(files("tierkit").joinpath("parameters/uncertain.toml").read_text("utf-8"))
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


@dataclass(frozen=True, repr=False)
class Screening:
    """What each uncertain parameter does to the relative difference, and which of them stand out.

    Attributes
    ----------
    frame : DataFrame
        One row a measure and parameter, the largest ``mu_star`` first: the mean effect ``mu`` of moving the
        parameter over its range, from ``low`` to ``high``; the mean absolute one, ``mu_star``, with the half
        width of its 95 % bootstrap interval over trajectories, ``mu_star_conf``; ``sigma``, the standard
        deviation of effects, large where the effect depends on the others; ``noise``, what ``mu_star`` would
        exceed once in forty times if the parameter did nothing (see `morris`); ``stands_out``, whether it is
        above that; ``rank``. Effects are shares of the baseline's value: 0.05 moves a difference of −20 % to −15 %.
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
        """Return the rows of what to find out first: those that stand out from the noise, in order.

        Parameters
        ----------
        measure : str, optional
            One measure; all if absent.
        """
        rows = self.frame[self.frame["stands_out"]]
        rows = rows if measure is None else rows[rows["measure"] == measure]
        return rows.reset_index(drop=True)

    def words(self, lang: str = "en") -> list[str]:
        """Return what to find out first, a sentence a measure and a line a parameter.

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
            lines.append(text(said, lang, measure=about, found=len(rows), every=every))
            lines += [_line(place, row, lang) for place, row in enumerate(rows, 1)]
        return lines

    def __repr__(self) -> str:
        """Return what was screened, in a line."""
        return (
            f"Screening({self.reform} against {self.baseline}: {self.frame['parameter'].nunique()} parameters, "
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
    half = row["mu_star_conf"]
    return text(
        "sensitivity.line",
        lang,
        place=place,
        label=row[f"label_{lang}"],
        range=_range(row),
        effect=percent(row["mu_star"], 1).removesuffix("%"),
        low=percent(max(row["mu_star"] - half, 0.0), 1).removesuffix("%"),
        high=percent(row["mu_star"] + half, 1).removesuffix("%"),
        noise=percent(row["noise"], 1).removesuffix("%"),
    )


def _seeds(seed: int, count: int) -> NDArray[np.uint32]:
    """Return seeds of cities, a function of the seed and their number alone."""
    return np.random.SeedSequence(seed).generate_state(count)


def _in_threads(
    jobs: Sequence[Callable[[Callable[[], None]], NDArray[np.float64]]],
    total: int,
    threads: int,
    progress: Progress | None,
) -> list[NDArray[np.float64]]:
    """Run jobs, each of which says when it has done a step, and return what they return, in their order."""
    lock = threading.Lock()
    done = 0

    def step() -> None:
        nonlocal done
        with lock:
            done += 1
            if progress is not None:
                progress(done, total)

    if threads == 1:
        return [job(step) for job in jobs]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda job: job(step), jobs))


def morris(
    chosen: Sequence[Uncertain],
    evaluate: Evaluate,
    measures: Sequence[str],
    *,
    trajectories: int = 10,
    levels: int = 4,
    seed: int = 0,
    replicates: int = 2,
    threads: int = 2,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Screen any function of some parameters, drawn with a seed, by Morris's method.

    The design and the statistics are SALib's [1]_: from a random point of a grid, each trajectory moves one
    parameter after the other by a step of ``levels / (2 (levels - 1))`` of its range; a change of the
    function over the step, divided by the step, is an elementary effect. Every trajectory and replicate has
    its own seed, the same at all of its points, so that what they share in chance cancels.

    A parameter that does nothing still has effects, by chance, and their absolute values do not cancel. So the
    same design is run under several seeds; the variance of an effect over them, divided by their number and
    pooled over the trajectories, is s². ``noise`` is what the mean absolute effect of such a parameter exceeds
    once in forty times: s times the .975 quantile of the mean of as many absolute normal numbers as there are
    trajectories, over the square root of a χ² number over its degrees of freedom. A parameter stands out if its
    ``mu_star`` is above that. (Its interval is wide as well where the effect depends on the other parameters,
    which is not noise.) Expect one false one among forty.

    Parameters
    ----------
    chosen : sequence of Uncertain
    evaluate : callable
        Takes points (parameter name → value) and a seed; returns an array of shape (points, measures).
    measures : sequence of str
        Names of what the function returns.
    trajectories : int
        At least 2.
    levels : int
        Levels of the grid, even.
    seed : int
        Of the design, the draws and the bootstrap.
    replicates : int
        Seeds for each trajectory, at least 2.
    threads : int
        Trajectories at a time; the result does not depend on it.
    progress : callable, optional
        Called with the trajectories done and all of them.

    Returns
    -------
    DataFrame
        As `Screening.frame`.

    Raises
    ------
    ValueError
        If a number is out of range, no parameter is given, or the function returns what is no number.

    References
    ----------
    .. [1] M. D. Morris, Technometrics 33 (1991) 161-174; F. Campolongo, J. Cariboni, A. Saltelli,
       Environmental Modelling & Software 22 (2007) 1509-1518.

    Examples
    --------
    >>> a, b = [one for one in uncertain() if one.name in ("kappa", "depth.detection")]
    >>> def line(points, seed):
    ...     return np.array([[point["kappa"]] for point in points])
    >>> morris([a, b], line, ["output"], trajectories=2)[["parameter", "mu_star"]].round(6).values.tolist()
    [['kappa', 0.25], ['depth.detection', 0.0]]
    """
    for name, value, least in (
        ("trajectories", trajectories, 2), ("levels", levels, 2), ("replicates", replicates, 2)
    ):  # fmt: skip
        if value < least:
            raise ValueError(f"The '{name}' must be at least {least}. Got {value}.")
    if levels % 2:
        raise ValueError(f"The 'levels' must be an even number. Got {levels}.")
    if not chosen:
        raise ValueError("There is no parameter to screen; give at least one that matters to these policies.")
    count = len(chosen)
    names = [one.name for one in chosen]
    problem = {"num_vars": count, "names": names, "bounds": [[0.0, 1.0]] * count}
    unit: NDArray[np.float64] = sample(problem, trajectories, num_levels=levels, seed=seed)
    paths = unit.reshape(trajectories, count + 1, count)
    low, high = (np.array([getattr(one, end) for one in chosen]) for end in ("low", "high"))
    seeds = _seeds(seed, trajectories * replicates).reshape(trajectories, replicates)

    def job(j: int, r: int) -> Callable[[Callable[[], None]], NDArray[np.float64]]:
        def run_path(step: Callable[[], None]) -> NDArray[np.float64]:
            points = [
                dict(zip(names, row, strict=True)) for row in (low + paths[j] * (high - low)).tolist()
            ]
            found = np.asarray(evaluate(points, int(seeds[j, r])), np.float64)
            step()
            return found

        return run_path

    jobs = [job(j, r) for j in range(trajectories) for r in range(replicates)]
    found = np.stack(_in_threads(jobs, len(jobs), threads, progress))
    _check_finite(found, measures)
    values = found.reshape(trajectories, replicates, count + 1, len(measures))
    which, effects = _elementary(paths, values)
    frames = []
    for m, measure in enumerate(measures):
        output = values[..., m].mean(axis=1).ravel()
        found_m = analyze(
            problem, unit, output, num_resamples=RESAMPLES, num_levels=levels, seed=seed, scaled=False
        )
        variance = np.zeros((trajectories, count))
        np.put_along_axis(variance, which, effects[..., m].var(axis=1, ddof=1) / replicates, axis=1)
        table = pd.DataFrame(
            {
                "measure": measure,
                "parameter": names,
                "label_zh": [one.label.zh for one in chosen],
                "label_en": [one.label.en for one in chosen],
                "acts": [one.acts for one in chosen],
                "unit": [one.unit for one in chosen],
                "low": low,
                "high": high,
                **{
                    key: np.asarray(found_m[key], np.float64)
                    for key in ("mu", "mu_star", "mu_star_conf", "sigma")
                },
                "noise": _noise_quantile(trajectories, replicates) * np.sqrt(variance.mean(axis=0)),
            }
        )
        table["stands_out"] = table["mu_star"] > table["noise"] + 1e-12  # what rounding leaves of no effect
        table = table.iloc[np.argsort(-table["mu_star"].to_numpy(), kind="stable")]
        frames.append(table.assign(rank=np.arange(1, count + 1)))
    return pd.concat(frames, ignore_index=True)


@cache
def _noise_quantile(trajectories: int, replicates: int) -> float:
    """Return what a mean of absolute normal numbers exceeds once in forty times, in estimated SDs.

    By a simulation that always has the same seed; the third decimal is uncertain.

    Examples
    --------
    >>> round(_noise_quantile(2_000, 2), 1)  # the mean of one, sqrt(2 / pi)
    0.8
    """
    rng = np.random.default_rng(0)
    freedom = trajectories * (replicates - 1)
    mean = np.zeros(NULL_DRAWS)
    for _ in range(trajectories):
        mean += np.abs(rng.standard_normal(NULL_DRAWS)) / trajectories
    spread = np.sqrt(rng.chisquare(freedom, NULL_DRAWS) / freedom)
    return float(np.quantile(mean / spread, 0.975))


def _check_finite(found: NDArray[np.float64], measures: Sequence[str]) -> None:
    for m, measure in enumerate(measures):
        if not np.isfinite(found[..., m]).all():
            raise ValueError(
                f"The relative difference of '{measure}' is no number in some of the cities, as the baseline "
                "has none of it there; take more enterprises or weeks, or another measure."
            )


def _elementary(
    paths: NDArray[np.float64], values: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return which parameter each step moves, (N, D), and its effect by replicate, (N, R, D, measures)."""
    moved = np.diff(paths, axis=1)
    which = np.abs(moved).argmax(axis=2)
    size = np.take_along_axis(moved, which[..., None], axis=2)[..., 0]
    return which, np.diff(values, axis=2) / size[:, None, :, None]


@dataclass(frozen=True)
class _Case:
    """A comparison of which some parameters are uncertain."""

    enterprises: int
    baseline: Policy
    reform: Policy
    chosen: tuple[Uncertain, ...]
    measures: tuple[str, ...]
    weeks: int
    kappa: float
    score: Score | None

    def base(self, one: Uncertain) -> float:
        """Return where a parameter stands unless it is moved."""
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

    def world(self, point: Mapping[str, float], seed: int) -> tuple[Frame, pd.DataFrame | None]:
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
        def world(*at: float | None) -> tuple[Frame, pd.DataFrame | None]:
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
        return np.array(found)


def _point(names: Sequence[str], at: Sequence[float | None]) -> dict[str, float]:
    return {name: value for name, value in zip(names, at, strict=True) if value is not None}


def _within(path: str, value: float) -> float | int:
    """Return a value of a policy parameter, brought into its range and whole where it must be."""
    spec = SPEC[path]
    value = max(value, -np.inf if spec.low is None else spec.low)
    value = min(value, np.inf if spec.high is None else spec.high)
    return round(value) if spec.kind == "integer" else value


def _paths(one: Uncertain, baseline: Policy, reform: Policy) -> tuple[str, ...]:
    """Return the paths that a parameter moves: of a reform's own, those in which it differs, unless zero."""
    if one.acts != "reform":
        return one.paths
    return tuple(
        path for path in one.paths if reform[path] != baseline[path] and not (one.factor and reform[path] == 0)
    )


def _case(
    enterprises: int,
    baseline: Policy,
    reform: Policy,
    chosen: Sequence[Uncertain] | None,
    measures: Sequence[str],
    weeks: int,
    kappa: float,
    score: Score | None,
) -> _Case:
    """Return a case, without the parameters that cannot matter to its policies."""
    if diff(baseline, reform).empty:
        raise ValueError(
            f"Policy '{reform.name}' does not differ from its baseline '{baseline.name}'; nothing to compare."
        )
    known = [one.name for one in MEASURES]
    unknown = [one for one in measures if one not in known]
    if unknown or not measures:
        raise ValueError(f"There is no measure {', '.join(unknown) or 'given'}; there are {', '.join(known)}.")
    matter = tuple(
        one
        for one in (uncertain() if chosen is None else chosen)
        if _paths(one, baseline, reform)
        and (not one.needs or bool(baseline[one.needs]) or bool(reform[one.needs]))
    )
    return _Case(enterprises, baseline, reform, matter, tuple(measures), weeks, kappa, score)


def screen(
    enterprises: int,
    baseline: Policy,
    reform: Policy,
    *,
    chosen: Sequence[Uncertain] | None = None,
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
    """Rank the uncertain parameters of a comparison by what they do to its relative difference.

    See `morris` for the method. Each point of the design is a city drawn with its two years of records,
    in which the reform is compared with the baseline under the same draws.

    Parameters
    ----------
    enterprises : int
        Enterprises of a city.
    baseline, reform : Policy
    chosen : sequence of Uncertain, optional
        The uncertain parameters; `uncertain` if absent. Those that cannot matter to these policies, such as
        off-site sensitivity where nothing is checked off site, are left out.
    measures : sequence of str
        Measures of `tierkit.outcomes.MEASURES`.
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
    >>> legacy, plan = Policy.load("legacy"), Policy.load("jinshan-2025")
    >>> few = [one for one in uncertain() if one.name in ("kappa", "violation.harm.serious")]
    >>> screening = screen(300, legacy, plan, chosen=few, measures=["violations"], trajectories=2, weeks=4)
    >>> len(screening.frame), screening.frame["mu"].iloc[-1]
    (2, 0.0)
    """
    case = _case(enterprises, baseline, reform, chosen, measures, weeks, kappa, score)
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


def _with_interval(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    """Return the mean with its 95 % Student interval."""
    mean = float(values.mean())
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}


def tornado(
    enterprises: int,
    baseline: Policy,
    reform: Policy,
    *,
    chosen: Sequence[Uncertain] | None = None,
    measures: Sequence[str] = MEASURED,
    seed: int = 0,
    replicates: int = 10,
    weeks: int = WEEKS_A_YEAR,
    kappa: float = 0.1,
    score: Score | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return the relative difference at each parameter's low and high value, the others as they are.

    Parameters
    ----------
    enterprises, baseline, reform, chosen, measures, weeks, score
        As in `screen`.
    seed : int
    replicates : int
        Cities, at least 2; the same for every parameter.
    kappa : float
        Strength of general deterrence where it is not the parameter that is moved.
    threads : int
        Cities at a time; the result does not depend on it.
    progress : callable, optional
        Called with the cities done and all of them.

    Returns
    -------
    DataFrame
        One row a measure, parameter and end (``low``, ``high``), the widest swing first: ``setting``, the
        parameter's value there, and ``base``, what it else is; ``relative``, the relative difference, with
        the 95 % Student interval over cities ``relative_low``, ``relative_high``; ``base_relative`` with
        its own, of the comparison as it is; their paired ``change`` with ``change_low``, ``change_high``; ``rank``
        by the larger change of the two ends.

    Raises
    ------
    ValueError
        As `screen`.

    Examples
    --------
    >>> legacy, plan = Policy.load("legacy"), Policy.load("jinshan-2025")
    >>> few = [one for one in uncertain() if one.name == "violation.harm.serious"]
    >>> frame = tornado(300, legacy, plan, chosen=few, measures=["violations"], replicates=2, weeks=4)
    >>> frame[["end", "setting", "change"]].values.tolist()
    [['low', 20.0, 0.0], ['high', 80.0, 0.0]]
    """
    if replicates < 2:
        raise ValueError(f"The 'replicates' must be at least 2. Got {replicates}.")
    case = _case(enterprises, baseline, reform, chosen, measures, weeks, kappa, score)
    # What leaves the city as it is comes first, so that one city serves for all of it.
    order = sorted(case.chosen, key=lambda one: one.acts in ("world", "policies"))
    points = [{}, *({one.name: getattr(one, end)} for one in order for end in ("low", "high"))]

    def job(city: int) -> Callable[[Callable[[], None]], NDArray[np.float64]]:
        def run_city(step: Callable[[], None]) -> NDArray[np.float64]:
            found = case.evaluate(points, city)
            step()
            return found

        return run_city

    jobs = [job(int(one)) for one in _seeds(seed, replicates)]
    values = np.stack(_in_threads(jobs, replicates, threads, progress))
    _check_finite(values, case.measures)
    rows = []
    for m, measure in enumerate(case.measures):
        base = values[:, 0, m]
        for k, one in enumerate(order):
            for e, end in enumerate(("low", "high")):
                mine = values[:, 1 + 2 * k + e, m]
                change = mine - base
                rows.append(
                    {
                        "measure": measure,
                        "parameter": one.name,
                        "label_zh": one.label.zh,
                        "label_en": one.label.en,
                        "acts": one.acts,
                        "unit": one.unit,
                        "end": end,
                        "setting": getattr(one, end),
                        "base": case.base(one),
                        **_with_interval("relative", mine),
                        **_with_interval("base_relative", base),
                        **_with_interval("change", change),
                    }
                )
    frame = pd.DataFrame(rows)
    swing = frame["change"].abs().groupby([frame["measure"], frame["parameter"]]).transform("max")
    frame["rank"] = swing.groupby(frame["measure"]).rank(method="dense", ascending=False).astype(int)
    place = {measure: k for k, measure in enumerate(case.measures)}
    order_rows = np.lexsort((np.arange(len(frame)), frame["rank"], frame["measure"].map(place)))
    frame = frame.iloc[order_rows].reset_index(drop=True)
    return frame.assign(
        policy=reform.name,
        baseline=baseline.name,
        kappa=kappa,
        weeks=weeks,
        replicates=replicates,
        enterprises=enterprises,
    )
