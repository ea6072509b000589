"""Compare policies on one world, replicate by replicate, under the same draws."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.engine import run
from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.compare.inputs import check_policies, check_world_scores
from tierkit.compare.intervals import Replicates, mean_interval, replicates_for
from tierkit.compare.measures import GROUPS, SHARES
from tierkit.compare.outcomes import run_and_measure_windows
from tierkit.compare.showing import change_of, html_of
from tierkit.compare.told import Told, by_replicate_of, tell, transitions_of
from tierkit.policy import Policy, PolicyLike, policies_of, policy_of
from tierkit.progress import in_threads
from tierkit.records import SHANGHAI, Place
from tierkit.records.gate import InputError, count_of, described, instance_of, scores_of
from tierkit.results import Result
from tierkit.texts import join, policy_label, text

if TYPE_CHECKING:
    from tierkit.compare.agencies import Scoreboard
    from tierkit.compare.spread import Spread

__all__ = [
    "HEADLINE",
    "IN_SHORT",
    "Comparison",
    "compare",
]

HEADLINE = (
    "inspections", "visits", "enterprise_hours", "finding_rate", "findings", "violations_missed", "harm",
    "trigger_share",
)  # fmt: skip
"""Measures that are always shown together."""
IN_SHORT = ("inspections", "finding_rate", "findings", "violations_missed", "harm")
"""Those of them that a sentence, or a table of several strengths of deterrence, has room for."""
LARGE_WORLD = 5_000_000
"""Obligations from which a run has the memory to itself."""
_KEYS = ["group", "level", "measure", "unit"]
_YEARLY = ("all", "tier")


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """Reforms against their baseline on one world, at one or several kappas and horizons.

    ``tk.plot.outcomes(comparison.summary)`` draws it; so do ``tk.plot.trade_off`` and ``tk.plot.load``.
    One kappa and one horizon are the headline. Every frame has the columns ``kappa`` and ``weeks`` and holds
    the rows of all of them, by horizon in the order asked for, then by rising kappa.

    Attributes
    ----------
    summary : DataFrame
        One row per policy, group, level, measure, kappa and horizon: ``value`` with ``low`` and ``high``,
        ``baseline_value``, the paired ``difference`` with its own interval, ``relative``, ``replicates``
        and ``n``. Intervals are 95 % Student intervals of the mean over replicates; with one replicate
        they are missing, and where all replicates have one value (`mean_interval`). The baseline stands
        among the policies with a difference of zero. By tier, a
        reform is compared with the baseline on the same enterprises: those that the reform puts there.
    years : DataFrame
        The same for each year of the runs, with a column ``year``, of all enterprises and by tier; empty
        unless asked for.
    transitions : DataFrame
        ``policy``, ``first`` and ``last`` (tier at the start and at the end, or ``left``), ``enterprises``
        with ``low`` and ``high``, ``share`` of ``n``, those of the first tier; of who was in the register at
        the start.
    by_replicate : DataFrame
        ``policy``, ``measure``, ``kappa``, ``weeks``, ``replicate``, ``value``: the `HEADLINE` measures of
        all enterprises in each replicate, so that any two policies can be compared under the same draws.
    baseline : str
    policies : tuple of str
        Baseline first.
    kappa : float
        The headline's.
    weeks, over : int
        Length of the headline's runs, and the last weeks of them that are measured.
    replicates, seed : int
        Of the headline.
    first_tier : dict of str to uint8 array of shape (E,)
        Tier of every slot at the start under each policy.
    alive : bool array of shape (E,)
        Who was in the register at the start.
    visits : dict of str to int array
        Enterprises by number of visits in the measured weeks, first replicate of the headline.
    place : Place
        The place of the world.
    spread : Spread or None
        The headline's changes with intervals over models, or over cities like this, where asked for. All
        other intervals are over draws alone: of this city, under these scores.
    """

    summary: pd.DataFrame
    years: pd.DataFrame
    transitions: pd.DataFrame
    by_replicate: pd.DataFrame
    baseline: str
    policies: tuple[str, ...]
    kappa: float
    weeks: int
    over: int
    replicates: int
    seed: int
    first_tier: dict[str, NDArray[np.uint8]]
    alive: NDArray[np.bool_]
    visits: dict[str, NDArray[np.int64]]
    place: Place = SHANGHAI
    spread: Spread | None = None

    @property
    def kappas(self) -> tuple[float, ...]:
        """All kappas, rising."""
        return tuple(sorted(set(self.summary["kappa"].tolist())))

    @property
    def horizons(self) -> tuple[int, ...]:
        """All horizons, in weeks, in the order asked for."""
        return tuple(dict.fromkeys(self.summary["weeks"].tolist()))

    def table(self, group: str = "all", measures: Sequence[str] = HEADLINE) -> pd.DataFrame:
        """Return the headline's rows of a group and some measures, in the order of policies and measures.

        Raises
        ------
        KeyError
            If there is no such group, or a measure is not in its summary.
        """
        summary = self.summary
        groups = list(dict.fromkeys(summary["group"]))
        if group not in groups:
            raise KeyError(f"No group '{group}'; there are {groups}.")
        headline = (summary["kappa"] == self.kappa) & (summary["weeks"] == self.weeks)
        rows = summary[(summary["group"] == group) & headline]
        unknown = set(measures) - set(rows["measure"])
        if unknown:
            raise KeyError(
                f"No measure {sorted(unknown)} by '{group}'; there are {sorted(set(rows['measure']))}."
            )
        order = {name: k for k, name in enumerate(measures)}
        rows = rows[rows["measure"].isin(order)]
        place = {name: k for k, name in enumerate(self.policies)}
        key = rows["policy"].map(place).astype(int) * len(order) + rows["measure"].map(order).astype(int)
        return rows.iloc[np.argsort(key.to_numpy(), kind="stable")].reset_index(drop=True)

    def to_frame(self) -> pd.DataFrame:
        """Return the `HEADLINE` measures of all enterprises, as `table` does."""
        return self.table()

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return what each reform changes, a sentence a reform, with the widest 95 % intervals there are."""
        if self.spread is not None:
            return self.spread.sentences(lang)
        said = [self._head(lang, policy_label(self.baseline, lang))]
        for policy in self.policies[1:]:
            rows = self.table(measures=IN_SHORT).query("policy == @policy").to_dict("records")
            changes = join((change_of(row, lang) for row in rows), lang)
            said.append(text("comparison.policy", lang, policy=policy_label(policy, lang), changes=changes))
        return said

    def replicates_for(
        self,
        width: float,
        measure: str = "findings",
        policy: str | None = None,
        *,
        relative: bool = False,
        group: str = "all",
        level: str = "all",
    ) -> Replicates:
        """Return how many replicates the 95 % interval of a difference needs for a wanted half-width.

        Parameters
        ----------
        width : float
            The wanted half width: ``difference ± width``.
        measure : str
        policy : str, optional
            The reform; needed if there are several.
        relative : bool
            Whether the width is a share of the difference's size, 0.1 for ± 10 % of it.
        group, level : str
            Whose difference.

        Returns
        -------
        Replicates

        Raises
        ------
        ValueError
            If the width is not above zero, there was one replicate alone, or the policy is not one of the
            reforms.
        KeyError
            If the summary has no such row.

        Examples
        --------
        >>> from tierkit.city.synth import make
        >>> legacy = Policy.load("legacy")
        >>> twice = legacy.reform({"frequency.base_rate": 0.67}, name="twice")
        >>> comparison = compare(make(60, seed=1)[1], legacy, twice, replicates=3, weeks=4)
        >>> row = comparison.table(measures=["visits"]).iloc[1]
        >>> half = row["difference_high"] - row["difference"]
        >>> comparison.replicates_for(half * 1.001, "visits").needed  # what was run gives that width
        3
        """
        reforms = self.policies[1:]
        if policy is None and len(reforms) == 1:
            policy = reforms[0]
        if policy not in reforms:
            raise ValueError(f"The 'policy' must be one of {list(reforms)}. Got {policy!r}.")
        table = self.table(group, (measure,))
        rows = table[(table["policy"] == policy) & (table["level"] == level)]
        if rows.empty:
            raise KeyError(f"No '{level}' in the group '{group}'; there are {sorted(set(table['level']))}.")
        row = rows.iloc[0].to_dict()
        return replicates_for(row, width * abs(row["difference"]) if relative else width)

    def scoreboard(self) -> Scoreboard:
        """Return the agencies' scoreboard of the headline: their measures under each policy.

        Returns
        -------
        Scoreboard
            As from `tierkit.compare.agencies.scoreboard`.

        Examples
        --------
        >>> from tierkit.city.synth import make
        >>> done = compare(make(80, seed=1)[1], "legacy", "jinshan-2025", replicates=2, weeks=8)
        >>> done.scoreboard().table("legacy").columns[1]
        'finding_rate'
        """
        from tierkit.compare.agencies import scoreboard  # here, as that module needs this one

        return scoreboard(self.summary, kappa=self.kappa, weeks=self.weeks)

    def _head(self, lang: str, baseline: str) -> str:
        """Return against what it was held, and how it was run."""
        weeks = "comparison.weeks" if self.over == self.weeks else "comparison.weeks.last"
        return text(
            "comparison.head", lang, baseline=baseline, n=self.replicates, kappa=f"{self.kappa:g}",
            weeks=text(weeks, lang, n=self.weeks, over=self.over),
        )  # fmt: skip

    def __repr__(self) -> str:
        """Return what was compared, as one line."""
        reforms = ", ".join(self.policies[1:])
        weeks = f"{self.weeks}" if self.over == self.weeks else f"{self.over} of {self.weeks}"
        return (
            f"Comparison({reforms} against {self.baseline}: weeks={weeks}, kappa={self.kappa:g}, "
            f"replicates={self.replicates})"
        )

    def _repr_html_(self) -> str:
        wider = "" if self.spread is None else self.spread._repr_html_()
        head = html.escape(self._head("en", self.baseline))
        return f"{wider}<p>{head}</p>{html_of(self.table(), self.policies)}"


class _Case(NamedTuple):
    """One kappa and one horizon of a comparison."""

    kappa: float
    weeks: int
    over: int
    by_year: bool
    replicates: int

    @property
    def windows(self) -> list[tuple[int, int]]:
        """The weeks that are measured: the last ones, then each year where asked for."""
        years = range(0, self.weeks, WEEKS_A_YEAR) if self.by_year else ()
        return [(self.weeks - self.over, self.weeks), *((at, at + WEEKS_A_YEAR) for at in years)]


class _Frames(NamedTuple):
    """What one case came to."""

    summary: pd.DataFrame
    years: pd.DataFrame
    transitions: pd.DataFrame
    by_replicate: pd.DataFrame
    first_tier: dict[str, NDArray[np.uint8]]
    visits: dict[str, NDArray[np.int64]]


def compare(
    world: World,
    baseline: PolicyLike,
    reforms: PolicyLike | Sequence[PolicyLike],
    *,
    scores: pd.DataFrame | None = None,
    replicates: int = 20,
    beside: int | None = None,
    weeks: int | Sequence[int] = WEEKS_A_YEAR,
    over: int | None = None,
    by_year: bool = False,
    seed: int = 0,
    kappa: float | Sequence[float] = 0.1,
    within: str = "draws",
    worlds: int = 6,
    models: Sequence[pd.DataFrame] = (),
    threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Run reforms and their baseline on one world, under the same draws, and compare.

    Parameters
    ----------
    world : World
        The world at the start.
    baseline : Policy, name or path
    reforms : Policy, name or path, or list of them
    scores : DataFrame, optional
        ``enterprise_id``, ``risk_probability``, ``credit_points`` as of the start, for policies whose
        tiers rest on models.
    replicates : int
        Runs of each policy, at least 1; intervals need 2.
    beside : int, optional
        Runs of each policy at the kappas and horizons beside the headline; `replicates` if absent.
    weeks : int, or sequence of int
        Length of a run. Of several, the first is the headline's.
    over : int, optional
        Measure the last so many weeks; all if absent.
    by_year : bool
        Measure each year of the same runs, too; they must last whole years. Of several horizons, only those
        that are longer than a year are measured so.
    seed : int
        Seed of the draws.
    kappa : float, or sequence of float
        Strength of general deterrence, which nobody knows. Of several, the first is the headline's.
    within : {"draws", "model", "world"}
        What the sentences' intervals are over: draws alone, for this city and these scores; models and draws;
        or cities like this, made by the same parameters, each with a model of its own if there are scores
        (`Comparison.spread`).
    worlds : int
        Cities, within the world.
    models : sequence of DataFrame
        Scores of several models, within the model: `tierkit.compare.worlds.member_scores` gives them.
    threads : int
        Runs at a time, or threads of one run at a time if the world is large; no result depends on it.
    progress : callable, optional
        Called with the weeks done and all weeks, those of all runs together.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If an argument cannot be used: a reform equals its baseline, the scores are of another city, a name, a
        kappa or a horizon comes twice, or a number is out of range.
    PolicyError
        If there is no such policy, or one is of another place than the world.

    Examples
    --------
    >>> import tierkit as tk
    >>> world = tk.world_of(tk.synth(60, seed=1))
    >>> legacy = tk.Policy.load("legacy")
    >>> twice = legacy.reform({"frequency.base_rate": 0.67}, name="twice")
    >>> tk.compare(world, legacy, twice, replicates=2, weeks=4).policies
    ('legacy', 'twice')
    >>> several = tk.compare(world, legacy, twice, replicates=2, weeks=4, kappa=[0.1, 0.0])
    >>> several.kappa, several.kappas, sorted(set(several.table()["kappa"]))
    (0.1, (0.0, 0.1), [0.1])
    """
    instance_of(world, World, "world", "a World, as tk.world_of(data) gives it")
    given = [policy_of(baseline, "baseline"), *policies_of(reforms, "reforms")]
    baseline, *_ = policies = [policy.at(world.place, world.date) for policy in given]
    check_policies(policies)
    headline, cases = _cases(weeks, kappa, over, by_year, replicates, beside)
    count_of(threads, "threads")
    if scores is not None:
        check_world_scores(world, scores_of(scores))
    steps = [case.replicates * len(policies) * case.weeks for case in cases]

    def run_one(at: int) -> _Frames:
        before = sum(steps[:at])
        count = None if progress is None else lambda done, _: progress(before + done, sum(steps))
        return _run_case(world, policies, cases[at], scores, seed, threads, count)

    parts = [run_one(at) for at in range(len(cases))]
    years = [one.years for one in parts if len(one.years)] or [parts[0].years]
    shown = parts[cases.index(headline)]
    spread = None
    if within != "draws":
        from tierkit.compare.worlds import spread_within  # here, as that module needs this one

        spread = spread_within(
            within, world, given, models, worlds=worlds, replicates=replicates, weeks=headline.weeks,
            over=headline.over, kappa=headline.kappa, seed=seed, threads=threads,
            train_models=scores is not None,
        )  # fmt: skip
    return Comparison(
        pd.concat([one.summary for one in parts], ignore_index=True),
        pd.concat(years, ignore_index=True),
        pd.concat([one.transitions for one in parts], ignore_index=True),
        pd.concat([one.by_replicate for one in parts], ignore_index=True),
        baseline.name, tuple(policy.name for policy in policies), headline.kappa, headline.weeks,
        headline.over, headline.replicates, seed, shown.first_tier, world.alive(), shown.visits,
        world.place, spread,
    )  # fmt: skip


def _cases(
    weeks: int | Sequence[int],
    kappa: float | Sequence[float],
    over: int | None,
    by_year: bool,
    replicates: int,
    beside: int | None,
) -> tuple[_Case, list[_Case]]:
    """Return the headline's case, and all cases in the order of the frames."""
    horizons, kappas = _several(weeks), _several(kappa)
    others = replicates if beside is None else beside
    for name, counts in (("weeks", horizons), ("replicates", [replicates]), ("beside", [others])):
        for value in counts:
            count_of(value, name)
    for value in kappas:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise InputError(f"The 'kappa' must be a number, or several. Got {described(value)}.")
    for name, several in (("weeks", horizons), ("kappa", kappas)):
        if not several or len(set(several)) < len(several):
            raise InputError(f"The '{name}' must be one value, or several that differ. Got {several!r}.")

    def case(strength: float, length: int) -> _Case:
        measured = length if over is None else over
        if not 1 <= measured <= length:
            raise InputError(f"The 'over' must be in 1 … {length}. Got {over}.")
        yearly = by_year and (len(horizons) == 1 or length > WEEKS_A_YEAR)
        if yearly and length % WEEKS_A_YEAR:
            raise InputError(f"By year, the 'weeks' must be whole years of {WEEKS_A_YEAR}. Got {length}.")
        first = (strength, length) == (kappas[0], horizons[0])
        return _Case(strength, length, measured, yearly, replicates if first else others)

    return case(kappas[0], horizons[0]), [case(k, w) for w in horizons for k in sorted(kappas)]


def _run_case(
    world: World,
    policies: Sequence[Policy],
    case: _Case,
    scores: pd.DataFrame | None,
    seed: int,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> _Frames:
    """Run all policies at one kappa over one horizon."""
    names = [policy.name for policy in policies]
    groups = [GROUPS, *[_YEARLY] * (len(case.windows) - 1)]
    first: dict[str, NDArray[np.uint8]] = {}
    visits: dict[str, NDArray[np.int64]] = {}
    # A large world is run once at a time, by all threads, as every run has a state of its own in memory.
    at_a_time = threads if world.obligations <= LARGE_WORLD else 1
    # Whom a reform puts into a tier at the start is no matter of luck, so a week of one run tells it.
    options: dict[str, Any] = {
        "seed": seed, "kappa": case.kappa, "scores": scores, "threads": threads // at_a_time,
    }  # fmt: skip
    cohorts = [run(world, policy, 1, **options).first_tier for policy in policies[1:]]

    def one(which: int, replicate: int, step: Callable[[], None]) -> Told:
        finished, outcomes = run_and_measure_windows(
            world,
            policies[which],
            case.weeks,
            case.windows,
            groups=groups,
            replicate=replicate,
            progress=lambda _done, _weeks: step(),
            **options,
        )
        if replicate == 0:
            first[names[which]] = finished.first_tier
            seen = outcomes[0].visits_per_enterprise
            visits[names[which]] = np.bincount(seen[seen >= 0])
        return tell(finished, outcomes, cohorts if which == 0 else [])

    jobs = [
        partial(one, which, replicate)
        for replicate in range(case.replicates)
        for which in range(len(policies))
    ]
    results = in_threads(jobs, len(jobs) * case.weeks, at_a_time, progress)
    told = [results[which :: len(policies)] for which in range(len(policies))]
    common = {"baseline": names[0], "kappa": case.kappa, "weeks": case.weeks, "over": case.over}
    frames = [_summarise(told, names, at, common) for at in range(len(case.windows))]
    years = [frame.assign(year=year, over=WEEKS_A_YEAR) for year, frame in enumerate(frames[1:], 1)]
    return _Frames(
        frames[0],
        pd.concat(years, ignore_index=True) if years else frames[0].iloc[:0].assign(year=0),
        transitions_of(told, names, common),
        by_replicate_of(told, names, common, HEADLINE),
        {name: first[name] for name in names},  # runs end in any order
        {name: visits[name] for name in names},
    )


def _several(value: Any) -> list[Any]:
    """Return one value, or several, as a list; a text is one."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _summarise(
    told: Sequence[Sequence[Told]], names: Sequence[str], at: int, common: Mapping[str, Any]
) -> pd.DataFrame:
    """Return the summary rows of one window: each policy and its paired difference from the baseline."""
    keys = told[0][0].keys[at]
    tier = (keys["group"] == "tier").to_numpy()
    share = keys["measure"].isin(SHARES).to_numpy()
    most = np.where(share, 1.0, np.inf)
    rows = []
    for which, name in enumerate(names):
        value = np.stack([one.told[at] for one in told[which]])
        against = np.stack([one.told[at] for one in told[0]])
        if which:
            against[:, tier] = np.stack([one.cohorts[at][which - 1] for one in told[0]])
        count = np.stack([one.counts[at] for one in told[which]])
        mean, low, high = mean_interval(value)
        low, high = (np.clip(end, 0.0, most) for end in (low, high))
        base = against.mean(axis=0)
        change, change_low, change_high = mean_interval(value - against, against=against)
        change_low, change_high = (np.clip(end, -most, most) for end in (change_low, change_high))
        relative = np.divide(change, base, out=np.full_like(base, np.nan), where=base != 0)
        rows.append(
            keys.assign(
                policy=name,
                **common,
                value=mean,
                low=low,
                high=high,
                baseline_value=base,
                difference=change,
                difference_low=change_low,
                difference_high=change_high,
                relative=relative,
                replicates=len(value),
                n=np.rint(count.mean(axis=0)).astype(np.int64),
            )
        )
    summary = pd.concat(rows, ignore_index=True)
    front = ["policy", "baseline", *_KEYS, "kappa", "weeks", "over"]
    return summary[front + [c for c in summary.columns if c not in front]]
