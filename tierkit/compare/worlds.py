"""Run plans in cities made anew by the same parameters, each with models trained on its own records.

What differs from one such city to the next is more than the draws of the year ahead: the city itself, its
records, what a model learns from them, and where that model's scores lie beside the cut-offs. One comparison
on one city shows the draws alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from tierkit.city.limits import MAX_SEED
from tierkit.city.parameters import Parameters
from tierkit.city.synth import make
from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.compare.comparison import IN_SHORT, compare
from tierkit.compare.nested import LEVELS
from tierkit.compare.spread import Spread
from tierkit.policy import Policy, PolicyLike, PolicyWarning, policies_of, policy_of
from tierkit.policy.tiers import by_risk_alone
from tierkit.policy.tiers.again import set_again
from tierkit.records import SHANGHAI, Dataset
from tierkit.records.gate import InputError, count_of, scores_of
from tierkit.records.known import opened
from tierkit.scores.model import Model
from tierkit.scores.scorecard import CreditScorecard
from tierkit.scores.train import train

__all__ = [
    "ARMS",
    "LEAST_TO_LEARN",
    "member_scores",
    "one_world",
    "over_models",
    "over_worlds",
    "seed_of",
    "spread_within",
]

ARMS = ("again", "stated")
"""Cut-offs set again on a model's own scores, or as the policy states them."""
RULE = "rule"
"""What stands in their place where no model is trained."""
LEAST_TO_LEARN = 500
"""Enterprises of a city that holds enough to train on."""


def seed_of(seed: int, *which: int) -> int:
    """Return the seed of a world, or of the draws of a model in it.

    Examples
    --------
    >>> seed_of(1, 0) != seed_of(1, 1), seed_of(1, 0) == seed_of(1, 0)
    (True, True)
    """
    return int(np.random.SeedSequence(seed, spawn_key=which).generate_state(1)[0]) % (MAX_SEED + 1)


def over_worlds(
    baseline: PolicyLike,
    reforms: PolicyLike | Sequence[PolicyLike],
    *,
    worlds: int = 6,
    enterprises: int = 5_000,
    models: int = 1,
    replicates: int = 2,
    weeks: int = WEEKS_A_YEAR,
    over: int | None = None,
    kappa: float = 0.1,
    seed: int = 0,
    cutoffs: Sequence[str] = ARMS[:1],
    measures: Sequence[str] = IN_SHORT,
    params: Parameters | None = None,
    threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Spread:
    """Compare policies in several cities made by the same parameters, each with models of its own.

    Parameters
    ----------
    baseline : Policy, name or path
    reforms : Policy, name or path, or list of them
    worlds : int
        Cities, at least 2; few give wide intervals.
    enterprises : int
        Of each, at least `LEAST_TO_LEARN`. In a smaller city a model learns less, and changes vary more.
    models : int
        Models trained in each city: the model itself if 1, else so many on bootstrap samples of its
        enterprises. With one, what models add is within what worlds add. With 0 none is, and the rule score
        sets the tiers.
    replicates : int
        Runs of each policy under each model.
    weeks, over, kappa
        As for `tierkit.compare.comparison.compare`.
    seed : int
        From which cities and draws have theirs.
    cutoffs : sequence of {"again", "stated"}
        Whether cut-offs are set again to the target shares on each model's own scores (`set_again`), or stay
        as the policies state them. The first is what the result is of, the other is shown beside it.
    measures : sequence of str
    params : Parameters, optional
        Of the cities; those of Shanghai if absent.
    threads : int
        Changes no number.
    progress : callable, optional
        Called with the cities done and all of them.

    Returns
    -------
    Spread

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> found = over_worlds(
    ...     "legacy", "jinshan-2025", worlds=2, enterprises=600, weeks=8, measures=["inspections"]
    ... )
    >>> found.widest, found.worlds, list(found.to_frame()["within"])
    ('world', 2, ['draws', 'world'])
    """
    for name, value, least in (
        ("worlds", worlds, 2), ("enterprises", enterprises, LEAST_TO_LEARN if models else 1), ("models",
        models, 0), ("replicates", replicates, 1), ("weeks", weeks, 1), ("threads", threads, 1),
    ):  # fmt: skip
        count_of(value, name, least)
    if not cutoffs or set(cutoffs) - set(ARMS) or len(set(cutoffs)) < len(cutoffs):
        raise InputError(f"The 'cutoffs' must be of {list(ARMS)}, each once. Got {list(cutoffs)}.")
    given = [policy_of(baseline, "baseline"), *policies_of(reforms, "reforms")]
    options: dict[str, Any] = {
        "replicates": replicates, "weeks": weeks, "over": over, "kappa": kappa, "threads": threads
    }  # fmt: skip
    parts = []
    for at in range(worlds):
        parts.append(
            one_world(
                at, given, enterprises=enterprises, models=models, cutoffs=cutoffs, measures=measures,
                seed=seed, params=params, **options,
            )
        )  # fmt: skip
        if progress is not None:
            progress(at + 1, worlds)
    values = pd.concat(parts, ignore_index=True)
    place = SHANGHAI if params is None else params.place
    policies = tuple(one.at(place).name for one in given)
    return Spread.of(values, policies, kappa=float(kappa), weeks=weeks, enterprises=enterprises)


def one_world(
    at: int,
    policies: Sequence[Policy],
    *,
    enterprises: int,
    models: int = 1,
    cutoffs: Sequence[str] = ARMS[:1],
    measures: Sequence[str] = IN_SHORT,
    seed: int = 0,
    params: Parameters | None = None,
    weeks: int = WEEKS_A_YEAR,
    threads: int = 2,
    **options: Any,
) -> pd.DataFrame:
    """Return the runs of one of the cities of `over_worlds`, as `Spread.of` takes them.

    Parameters
    ----------
    at : int
        Which city; it is the same whatever others there are.
    policies : sequence of Policy
        The baseline first.
    enterprises, models, cutoffs, measures, seed, params, weeks, threads
        As for `over_worlds`.
    options
        As for `tierkit.compare.comparison.compare`: replicates, over, kappa.
    """
    parts = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)
        city = make(enterprises, seed_of(seed, at), params=params, horizon_weeks=weeks, threads=threads)
        for member, scores in enumerate(_scores(*city, models, threads)):
            found = _one(
                city[1], policies, scores, cutoffs, seed_of(seed, at, member), measures, weeks=weeks,
                threads=threads, **options,
            )  # fmt: skip
            parts.append(found.assign(world=at, member=member))
    return pd.concat(parts, ignore_index=True)


def over_models(
    world: World,
    baseline: PolicyLike,
    reforms: PolicyLike | Sequence[PolicyLike],
    scores: Sequence[pd.DataFrame],
    *,
    replicates: int = 4,
    weeks: int = WEEKS_A_YEAR,
    over: int | None = None,
    kappa: float = 0.1,
    seed: int = 0,
    cutoffs: Sequence[str] = ARMS[:1],
    measures: Sequence[str] = IN_SHORT,
    threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Spread:
    """Compare policies on one city under several models: what another sample of its records would have done.

    Parameters
    ----------
    world, baseline, reforms, replicates, weeks, over, kappa, seed, measures, threads
        As for `tierkit.compare.comparison.compare`; replicates are of each model.
    scores : sequence of DataFrame
        Of each model, at least 2: from `member_scores`, or from models that were trained again.
    cutoffs, progress
        As for `over_worlds`; progress is told of models.

    Returns
    -------
    Spread

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> import tierkit as tk
    >>> data = tk.synth(600, seed=3)
    >>> model = tk.train(data, "2024-12-30", bootstrap=2, insist=True)
    >>> several = member_scores(model, data, "2024-12-30")
    >>> found = over_models(
    ...     tk.world_of(data), "legacy", "jinshan-2025", several, weeks=8, measures=["inspections"]
    ... )
    >>> found.widest, found.models
    ('model', 2)
    """
    if len(scores) < 2:
        raise InputError(f"The 'scores' must be those of at least 2 models. Got {len(scores)}.")
    given = [policy_of(baseline, "baseline"), *policies_of(reforms, "reforms")]
    options: dict[str, Any] = {
        "replicates": replicates, "weeks": weeks, "over": over, "kappa": kappa, "threads": threads
    }  # fmt: skip
    parts = []
    for member, each in enumerate(scores):
        found = _one(world, given, scores_of(each), cutoffs, seed_of(seed, 0, member), measures, **options)
        parts.append(found.assign(world=0, member=member))
        if progress is not None:
            progress(member + 1, len(scores))
    values = pd.concat(parts, ignore_index=True)
    policies = tuple(one.at(world.place, world.date).name for one in given)
    count = int(world.alive().sum())
    return Spread.of(values, policies, kappa=float(kappa), weeks=weeks, enterprises=count)


def spread_within(
    within: str,
    world: World,
    policies: Sequence[Policy],
    models: Sequence[pd.DataFrame],
    *,
    worlds: int,
    replicates: int,
    train_models: bool = True,
    **options: Any,
) -> Spread:
    """Return the spread over models of a world, or over cities like it and as large as it.

    Parameters
    ----------
    within : {"model", "world"}
    world : World
    policies : sequence of Policy
        The baseline first.
    models : sequence of DataFrame
        As the scores of `over_models`.
    worlds, replicates, options
        As for `over_worlds` and `over_models`.
    train_models : bool
        Whether each city has a model of its own, or the rule score sets tiers, as in a world without scores.

    Raises
    ------
    InputError
        If an argument cannot be used.
    """
    if within not in LEVELS[1:]:
        raise InputError(f"The 'within' must be one of {list(LEVELS)}. Got {within!r}.")
    baseline, *reforms = policies
    options["replicates"] = max(replicates, 2)
    if within == LEVELS[1]:
        if len(models) < 2:
            raise InputError(
                "Within the model, the 'models' must be the scores of at least 2; "
                "tierkit.compare.worlds.member_scores gives those of a bootstrap."
            )
        return over_models(world, baseline, reforms, models, **options)
    options["models"] = int(train_models)
    options.setdefault("enterprises", int((world.fixed.entered < world.week).sum()))
    return over_worlds(baseline, reforms, worlds=worlds, params=world.parameters, **options)


def member_scores(model: Model, data: Dataset, as_of: Any, *, threads: int = 1) -> list[pd.DataFrame]:
    """Return the scores that each bootstrap member of a model gives: what other samples would have given.

    Parameters
    ----------
    model : Model
        Trained with a bootstrap.
    data, as_of, threads
        As for `Model.score`.

    Returns
    -------
    list of DataFrame
        As from `Model.score`, with risk and points of a member each.

    Raises
    ------
    InputError
        If the model was trained without a bootstrap.
    """
    ensemble = model.ensemble
    if ensemble is None:
        raise InputError("The model was trained without a bootstrap. Train it with bootstrap=8, say.")
    with opened(data, as_of, threads=threads) as known:
        scored = model.scored(known)
    risk = expit(ensemble.log_odds(scored.X))
    told = []
    for k in range(risk.shape[1]):
        one = scored.scores.assign(risk_probability=risk[:, k])
        if isinstance(model.credit, CreditScorecard):
            own = ensemble.credit_log_odds(scored.X)[:, k]
            one = one.assign(credit_points=model.credit.points_of(own))
        told.append(one)
    return told


def _scores(data: Dataset, world: World, models: int, threads: int) -> Iterator[pd.DataFrame | None]:
    """Yield the scores of the models that are trained on a city's records; none of no model."""
    options: dict[str, Any] = {"insist": True, "threads": threads}
    if models == 0:
        yield None
    elif models == 1:
        yield train(data, world.date, **options).score(data, world.date, threads=threads)
    else:
        model = train(data, world.date, bootstrap=models, **options)
        yield from member_scores(model, data, world.date, threads=threads)


def _one(
    world: World,
    given: Sequence[Policy],
    scores: pd.DataFrame | None,
    cutoffs: Sequence[str],
    seed: int,
    measures: Sequence[str],
    **options: Any,
) -> pd.DataFrame:
    """Return the measures of all policies in each run under one model, with cut-offs as asked for."""
    base, *plans = (one.at(world.place, world.date) for one in given)
    if scores is not None and scores["credit_points"].isna().all():
        plans = [by_risk_alone(one) if one["scoring.basis"] == "model" else one for one in plans]
    arms = [RULE] if scores is None else cutoffs
    every = [
        (old.name, arm, set_again(one, scores) if arm == ARMS[0] and scores is not None else one)
        for old, one in zip(given[1:], plans, strict=True)
        for arm in arms
    ]
    run = {one.hash: one for *_, one in every}  # what cut-offs do not reach is run once
    found = compare(world, base, list(run.values()), scores=scores, seed=seed, **options).by_replicate
    found = found[found["measure"].isin(list(measures))]
    of_base = found[found["policy"] == base.name].set_index(["measure", "replicate"])["value"]
    parts = []
    for name, arm, one in every:
        mine = found[found["policy"] == run[one.hash].name]
        against = of_base.reindex(pd.MultiIndex.from_frame(mine[["measure", "replicate"]])).to_numpy()
        kept = mine[["measure", "replicate", "value"]]
        parts.append(kept.assign(policy=name, baseline_value=against, cutoffs=arm))
    return pd.concat(parts, ignore_index=True)
