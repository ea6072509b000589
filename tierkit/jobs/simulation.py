"""Compare policies on one city, keep the run in a folder, and make the page that tells it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from tierkit import __version__
from tierkit.city.limits import MAX_KAPPA, MAX_SEED
from tierkit.city.population import MOST_ENTERPRISES
from tierkit.city.synth import grow, world_of
from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.compare.agencies import ratings
from tierkit.compare.apart import headlines_apart
from tierkit.compare.comparison import HEADLINE, Comparison, compare
from tierkit.compare.intervals import Replicates, replicates_for
from tierkit.compare.nested import LEVELS
from tierkit.compare.spread import Spread
from tierkit.compare.worlds import LEAST_TO_LEARN, member_scores, spread_within
from tierkit.folders import whole_folder
from tierkit.jobs.checks import Checks, Location, listed
from tierkit.jobs.scoring import warn_of_unknown
from tierkit.policy import Policy, PolicyWarning, presets
from tierkit.policy.files.reading import parse, read_file
from tierkit.policy.ladders import FloorCheck
from tierkit.policy.tiers import assign, by_risk_alone
from tierkit.policy.tiers import listed as on_lists
from tierkit.progress import Progress, quiet
from tierkit.records import Dataset, read_dataset
from tierkit.records.unknown import begun
from tierkit.report import RunReport, floor_checks, index
from tierkit.results import plain
from tierkit.scores.basis import credit_basis
from tierkit.scores.manifest import stated_credit
from tierkit.scores.model import Model
from tierkit.texts import LANGUAGES, paragraph

__all__ = [
    "KAPPA",
    "KAPPAS",
    "MOST_REPLICATES",
    "MOST_WEEKS",
    "MOST_WORLDS",
    "WORLDS",
    "WORLD_REPLICATES",
    "RunPage",
    "Simulation",
    "baseline_and_reforms",
    "headline_rows",
    "report_of",
    "run_page",
    "simulate",
    "supervised",
    "tiers_under",
    "warn_of_rule_scores",
    "widths_of",
    "within_a_tenth",
]

KAPPAS = (0.0, 0.1, 0.25)
"""Nobody knows how strong general deterrence is, so a result is shown at three strengths."""
KAPPA = 0.1
"""The strength of the headline; of several others the nearest to it."""
MOST_WEEKS = 520
MOST_REPLICATES = 1000
WORLDS, MOST_WORLDS = 6, 1000
WORLD_SIZE = 5_000
"""Most enterprises of each of the cities like this, unless asked for."""
WORLD_REPLICATES = 2
"""Runs of each policy in such a city, or under one of several models: cities are worth more than runs."""
LEGACY = "legacy"

_TIERS = ["enterprise_id", "tier", "risk_level", "credit_grade", "tier_reason", "unmonitored"]


@dataclass(frozen=True)
class Simulation:
    """What `simulate` did.

    Attributes
    ----------
    folder : Path
        Where the run is.
    replaced : bool
        Whether an older run lay there.
    report : RunReport
        The run, as `RunReport.read` gives it.
    named_baseline : bool
        Whether the baseline is one that the reforms name, other than ``legacy``.
    """

    folder: Path
    replaced: bool
    report: RunReport
    named_baseline: bool

    @property
    def baseline(self) -> str:
        """The baseline's name."""
        return self.report.policies[0].name

    @property
    def floors(self) -> list[FloorCheck]:
        """Each policy held against the legal floor."""
        return floor_checks(self.report)

    @property
    def headline(self) -> pd.DataFrame:
        """The rows of the summary that are always shown together."""
        return headline_rows(self.report.summary)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; each row says how many replicates give an interval of ± 10 %."""
        rows: list[Any] = self.headline.to_dict("records")
        for row in rows:
            takes = within_a_tenth(row)
            row["replicates_for_10_percent"] = None if takes is None else takes._asdict()
        return {
            "folder": str(self.folder),
            "baseline": self.baseline,
            "facts": self.report.facts,
            "headline": rows,
            "widths": [] if self.report.spread is None else plain(self.report.spread.to_frame()),
            "floor": [check.to_dict() for check in self.floors],
        }


@dataclass(frozen=True)
class RunPage:
    """What `run_page` wrote: a folder with ``index.html`` and ``summary.json``."""

    folder: Path
    replaced: bool

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / "index.html"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"page": str(self.page), "summary": str(self.folder / "summary.json")}


def simulate(
    policies: Policy | Location | Sequence[Policy | Location],
    out: Location,
    data: Location | None = None,
    *,
    enterprises: int | None = None,
    baseline: Policy | Location | None = None,
    model: Location | None = None,
    insist: bool = False,
    kappas: Iterable[float] = KAPPAS,
    weeks: int = WEEKS_A_YEAR,
    replicates: int = 20,
    seed: int = 0,
    apart: bool = False,
    within: str = "draws",
    worlds: int = WORLDS,
    world_size: int | None = None,
    threads: int = 1,
    progress: Progress = quiet,
) -> Simulation:
    """Compare policies with a baseline on one city, and write the run to a folder.

    Parameters
    ----------
    policies : Policy, or name or path of one, or several of them
        The reforms.
    out : path
        Folder of the run; an older run there is replaced.
    data : path, optional
        Folder of a synthetic city.
    enterprises : int, optional
        In the place of `data`: draw a city of so many in memory, without its records.
    baseline : Policy, or name or path of one, optional
        What to compare with; if absent, the baseline that the reforms name.
    model : path, optional
        Folder of the model whose scores the tiers rest on; a rule score stands in if absent.
    insist : bool
        Whether to give tiers even if a model is no better than chance on what was kept back.
    kappas : iterable of float
        Strengths of general deterrence; the one nearest to 0.1 is the headline's.
    weeks : int
        Length of the runs.
    replicates : int
        Runs of each policy at each kappa; intervals need 2.
    seed : int
        Seed of the draws, and of the city if it is drawn here.
    apart : bool
        Whether to run all again without campaigns, lists and caps, as `tierkit.compare.apart` does.
    within : {"draws", "model", "world"}
        What the headline's intervals are over: draws alone; models and draws, of a model that was trained
        with a bootstrap; or cities like this, made by the same parameters, each with a model of its own if
        one is given.
    worlds : int
        Cities, within the world.
    world_size : int, optional
        Enterprises of each; as many as here, but at most `WORLD_SIZE`, if absent.
    threads : int
        It changes no number.
    progress : Progress

    Returns
    -------
    Simulation

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.
    DataError
        If tables cannot be read.
    ModelError
        If the model folder is refused.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     done = simulate(
    ...         "uniform-3pct", f"{place}/run", enterprises=60, kappas=[0.1], weeks=4, replicates=2
    ...     )
    ...     again = RunReport.read(f"{place}/run")
    >>> done.baseline, len(done.headline), again.summary.equals(done.report.summary)
    ('legacy', 16, True)
    """
    checks = Checks()
    asked = listed(kappas)
    _check_city(checks, data, enterprises, model)
    named, chosen = baseline_and_reforms(checks, listed(policies), baseline)
    if not asked:
        checks.note("kappas", "there is none", "Give at least one.")
    for one in asked:
        checks.between("kappas", one, 0, MAX_KAPPA, whole=False)
    checks.between("weeks", weeks, 1, MOST_WEEKS)
    checks.between("replicates", replicates, 1, MOST_REPLICATES)
    checks.between("seed", seed, 0, MAX_SEED)
    checks.at_least("threads", threads, 1)
    if within not in LEVELS:
        checks.note("within", f"'{within}' is no level", f"Give one of {', '.join(LEVELS)}.")
    elif within == "model" and model is None:
        checks.note("within", "without a model there is none to vary", "Give `model`, or leave it out.")
    if within == "world":
        checks.between("worlds", worlds, 2, MOST_WORLDS)
        if world_size is not None:
            checks.between("world_size", world_size, LEAST_TO_LEARN, MOST_ENTERPRISES)
    folder = checks.out_folder("out", out, "run")
    with checks.writing() as replaced:
        records, world = _city(checks, data, enterprises, seed, weeks, threads, progress)
        here = [checks.in_place("policies", each, world.place, world.date) for each in chosen]
        chosen = [one for one in here if one]
        if len(chosen) == len(here):
            _check_that_they_differ(checks, chosen)  # on the day from which they run
        checks.settle()
        for one in chosen:
            warn_of_unknown(one, pd.Series(world.ids))
        loaded = _model(model, records, chosen, checks, insist)
        if loaded is not None and loaded.risk_alone:
            of_models = {one.name for one in _on_models(chosen)}
            chosen = [by_risk_alone(one) if one.name in of_models else one for one in chosen]
        models = _members(loaded, records, within, checks, threads)
        scores, tiers = _scored(loaded, records, chosen, threads)
        strengths = sorted(set(asked))
        headline = min(strengths, key=lambda one: abs(one - KAPPA))
        comparison = compare(
            world,
            chosen[0],
            chosen[1:],
            scores=scores,
            replicates=replicates,
            weeks=weeks,
            by_year=weeks > WEEKS_A_YEAR and weeks % WEEKS_A_YEAR == 0,
            seed=seed,
            kappa=[headline, *(one for one in strengths if one != headline)],
            threads=threads,
            progress=partial(progress, "simulating"),
        )
        wider: dict[str, Any] = {}
        if within != "draws":
            size = world_size or min(int((world.fixed.entered < world.week).sum()), WORLD_SIZE)
            wider = widths_of(
                spread_within(
                    within, world, chosen, models, worlds=worlds, replicates=WORLD_REPLICATES, weeks=weeks,
                    train_models=loaded is not None, kappa=headline, seed=seed, threads=threads,
                    **({"enterprises": size} if within == "world" else {}),
                    progress=partial(progress, "cities like this" if within == "world" else "models"),
                )
            )  # fmt: skip
        facts = {
            "version": __version__,
            "enterprises": enterprises if records is None else records.manifest["enterprises"],
            "seed": seed,
            "replicates": replicates,
            "as_of": world.date.isoformat(),
            "world_hash": world.parameters.hash,
        }
        if loaded is not None and loaded.credit.kind != "records":
            about = stated_credit(loaded.credit)
            facts |= {f"credit_{lang}": paragraph(credit_basis(about, lang), lang) for lang in LANGUAGES}
        taken = None
        if apart:
            taken = headlines_apart(
                world, chosen[0], chosen[1:], as_they_are=comparison.summary, scores=scores,
                replicates=replicates, weeks=weeks, seed=seed, kappa=headline, threads=threads,
                progress=partial(progress, "taking apart"),
            )  # fmt: skip
        told = report_of(
            comparison, chosen, records, scores=scores, tiers=tiers, facts=facts, apart=taken, **wider
        )
        told.save(folder)
    return Simulation(folder, replaced, told, named)


def run_page(run: Location, out: Location) -> RunPage:
    """Write the page that tells a run.

    Parameters
    ----------
    run : path
        Folder that `simulate` wrote.
    out : path
        Folder of the page; an older page there is replaced.

    Returns
    -------
    RunPage

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.

    Examples
    --------
    >>> run_page("data/synthetic", "build/page")
    Traceback (most recent call last):
    ...
    tierkit.jobs.checks.BadInputError: run: 'data/synthetic' is a dataset, not a run. Give a run, as ...
    """
    checks = Checks()
    source = checks.folder("run", run, "run", holds=["run.json"])
    folder = checks.out_folder("out", out, "page")
    with checks.writing() as replaced:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)  # whoever simulated the policy was warned
            told = RunReport.read(source)
        with whole_folder(folder, "page") as draft:
            index(told, draft)
    return RunPage(folder, replaced)


def widths_of(spread: Spread) -> dict[str, pd.DataFrame]:
    """Return a spread as the tables of a report.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> spread = SimpleNamespace(rows=[], parts=[], order=[])  # as of `tierkit.compare.worlds`
    >>> list(widths_of(spread))
    ['widths', 'width_parts', 'width_order']
    """
    return {"widths": spread.rows, "width_parts": spread.parts, "width_order": spread.order}


def _members(
    loaded: Model | None, data: Dataset | None, within: str, checks: Checks, threads: int
) -> list[pd.DataFrame]:
    """Return the scores of a model's bootstrap members, where the headline is to be within the model."""
    if within != "model" or loaded is None or data is None:
        return []
    if loaded.ensemble is None:
        checks.note("within", "the model has no bootstrap to vary", "Train it with --bootstrap 8, say.")
        checks.settle()
    return member_scores(loaded, data, str(data.manifest["as_of"]), threads=threads)


def report_of(
    comparison: Comparison,
    policies: Sequence[Policy],
    data: Dataset | None,
    **more: Any,
) -> RunReport:
    """Return a comparison as a report, with the policies and the agencies' ratings.

    Parameters
    ----------
    comparison : Comparison
    policies : sequence of Policy
        Those compared, the baseline first.
    data : Dataset, optional
        The records of the city, for the agencies' ratings.
    **more
        What else the report holds; see `RunReport`.
    """
    return RunReport(
        summary=comparison.summary,
        years=comparison.years,
        transitions=comparison.transitions,
        by_replicate=comparison.by_replicate,
        policies=tuple(policies),
        kappa=comparison.kappa,
        weeks=comparison.weeks,
        visits=RunReport.visits_frame(comparison.visits),
        ratings=None if data is None else ratings(data["inspections"], data.place),
        **more,
    )


def tiers_under(scores: pd.DataFrame, policies: Iterable[Policy], data: Dataset) -> pd.DataFrame | None:
    """Return everybody's tier under each policy whose tiers rest on models, if there is such a policy.

    With it goes who is on a list: ``unmonitored`` (of any agency), ``agencies`` (how many supervise it) and
    ``listed_by`` (how many of these have it on their list).
    """
    held = supervised(data)
    tiers = [_with_lists(assign(scores, one), scores, one, held) for one in _on_models(policies)]
    return pd.concat(tiers, ignore_index=True) if tiers else None


def supervised(data: Dataset) -> pd.DataFrame:
    """Return the obligations that are open on the day to which the records reach."""
    day, rows = pd.Timestamp(data.manifest["as_of"]), data["obligations"]
    return rows[begun(rows["valid_from"], day) & ~(rows["valid_to"] <= day)]


def _with_lists(
    tiers: pd.DataFrame, scores: pd.DataFrame, policy: Policy, supervised: pd.DataFrame
) -> pd.DataFrame:
    """Return tiers under a policy with who is on the lists of how many agencies."""
    by_enterprise = on_lists(scores, policy, supervised).groupby("enterprise_id")["listed"]
    own = pd.DataFrame({"agencies": by_enterprise.size(), "listed_by": by_enterprise.sum()})
    own = own.reindex(tiers["enterprise_id"], fill_value=0).set_axis(tiers.index)
    on = tiers["unmonitored"] | (own["listed_by"] > 0)
    return pd.concat([tiers.assign(unmonitored=on)[_TIERS], own], axis=1).assign(policy=policy.name)


def headline_rows(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of all enterprises and of the measures that are always shown together."""
    return summary[(summary["group"] == "all") & summary["measure"].isin(HEADLINE)]


def within_a_tenth(row: Mapping[Any, Any]) -> Replicates | None:
    """Return how many replicates give a difference an interval of ± 10 % of it; None if no number can."""
    try:
        return replicates_for(row, 0.1 * abs(row["difference"]))
    except ValueError:  # one replicate, or no difference
        return None


def warn_of_rule_scores(policies: Iterable[Policy]) -> None:
    """Warn of policies whose tiers rest on models, where no model is given."""
    names = ", ".join(one.name for one in _on_models(policies))
    if names:
        said = (
            f"without `model`, the rule score stands in for models under {names}; it tells enterprises "
            "apart less, so fewer are in the middle tiers and on an unmonitored list than the plan aims at"
        )
        warnings.warn(said, stacklevel=3)


def _on_models(policies: Iterable[Policy]) -> list[Policy]:
    return [one for one in policies if one["scoring.basis"] == "model" and not one.oracle]


def _check_city(
    checks: Checks, data: Location | None, enterprises: int | None, model: Location | None
) -> None:
    if (data is None) == (enterprises is None):
        checks.note(
            "data", "one city is needed, from a folder or drawn here", "Give either `data` or `enterprises`."
        )
    elif data is not None:
        checks.folder("data", data, "dataset", holds=["manifest.json"])
    elif enterprises is not None:
        checks.between("enterprises", enterprises, 1, MOST_ENTERPRISES)
        if model is not None:
            checks.note("model", "a city drawn here has no records to score", "Give `data`, or leave it out.")
    if model is not None:
        checks.folder("model", model, "model", holds=["manifest.json"])


def baseline_and_reforms(
    checks: Checks, reforms: Sequence[Policy | Location], baseline: Policy | Location | None
) -> tuple[bool, list[Policy]]:
    """Return whether the baseline is one that the reforms name, and all policies, the baseline first.

    Everything that is wrong with them is recorded; the list is whole if nothing is.
    """
    if not reforms:
        checks.note("policies", "there is none", "Give at least one policy.")
    loaded = [checks.policy("policies", one) for one in reforms]
    named = None
    if baseline is None and loaded and None not in loaded:
        named = _named_baseline(checks, reforms)
    wanted = named if baseline is None else baseline
    loaded.insert(0, None if wanted is None else checks.policy("baseline", wanted))
    policies = [one for one in loaded if one is not None]
    if len(policies) == len(loaded):
        _check_that_they_differ(checks, policies)
    return named not in (None, LEGACY), policies


def _named_baseline(checks: Checks, reforms: Sequence[Policy | Location]) -> str | None:
    """Return the baseline that all reforms name; presets, and files that name none, stand beside legacy."""
    named: dict[str, str] = {}
    for one in reforms:
        name = one.name if isinstance(one, Policy) else os.fspath(one)
        if name in presets():
            named[name] = LEGACY
        elif isinstance(one, Policy):
            named[name] = one.meta.baseline or LEGACY
        else:
            path = Path(one)
            base = parse(read_file(path), path.name)["meta"].get("baseline", LEGACY)
            named[name] = base if base in presets() else str(Path(one).parent / base)
    if len(set(named.values())) == 1:
        return next(iter(named.values()))
    told = ", ".join(f"{one} names {base}" for one, base in named.items())
    message = f"the policies have no baseline in common: {told}"
    checks.note("baseline", message, "State the baseline to compare with.")
    return None


def _check_that_they_differ(checks: Checks, policies: Sequence[Policy]) -> None:
    base, *reforms = policies
    for at, one in enumerate(reforms, 1):
        if one.hash == base.hash:
            message = f"'{one.name}' is equal to the baseline '{base.name}'"
            checks.note("policies", message, "Give another policy.")
        elif one.name in [other.name for other in policies[:at]]:
            message = f"the name '{one.name}' comes twice"
            checks.note("policies", message, "Give each a 'name' of its own in [meta].")


def _city(
    checks: Checks,
    data: Location | None,
    enterprises: int | None,
    seed: int,
    weeks: int,
    threads: int,
    progress: Progress,
) -> tuple[Dataset | None, World]:
    """Return the records of a folder and the world that goes on from them, or a world drawn here."""
    if data is None:
        assert enterprises is not None
        count = partial(progress, "drawing the city and its past")
        return None, grow(enterprises, seed, horizon_weeks=weeks, threads=threads, progress=count)
    records = read_dataset(data)
    remedy = "Give a folder that this version's 'tierkit synth' made, truth included."
    with checks.blame("data", remedy):
        return records, world_of(records, horizon_weeks=weeks)


def _model(
    model: Location | None, data: Dataset | None, policies: Sequence[Policy], checks: Checks, insist: bool
) -> Model | None:
    """Return the model whose scores the tiers rest on, if one is given for records."""
    if model is None or data is None:
        warn_of_rule_scores(policies)
        return None
    loaded = Model.load(model, insist=insist)
    checks.worth("model", loaded.manifest, insist)
    return loaded


def _scored(
    loaded: Model | None, data: Dataset | None, policies: Sequence[Policy], threads: int
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Return everybody's scores at the end of the records, and tier under each policy that rests on them."""
    if loaded is None or data is None:
        return None, None
    scores = loaded.score(data, str(data.manifest["as_of"]), threads=threads)
    return scores, tiers_under(scores, policies, data)
