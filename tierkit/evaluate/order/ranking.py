"""Evaluate a score as an order of inspections: how much is found first, and how many days earlier.

The days of the inspections that were made stay, and so does how many were made on each; only who is inspected
when changes. *Days earlier* is the mean over violations of the day on which each was found less the day of
its new slot (the published evaluation of Chicago's food inspections). Inspectors differ in what they find, so
an order that sends the strict ones first finds much early and says little of who violates: given inspectors,
every measure is taken a second time with each keeping their own dates. Ties count as their expectation, with
the worst and the best order beside; so are a random order, and an order by the outcomes themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from tierkit.evaluate.findings import found_something, of_channels, on_site
from tierkit.evaluate.order.inspections import Inspections
from tierkit.evaluate.order.ranked import Ranking, RankingComparison
from tierkit.scores.metrics import bootstrap_interval

__all__ = [
    "PLANNED",
    "Ranking",
    "RankingComparison",
    "compare_rankings",
    "rank_inspections",
    "ranking",
]

PLANNED = ("routine", "random")
"""Channels whose day the agency sets."""
_CAPACITY = (0.1, 0.25, 0.5)
_ROUNDING = 1e-9


def ranking(
    outcome: ArrayLike,
    score: ArrayLike,
    dates: ArrayLike | pd.Series,
    *,
    group: ArrayLike | pd.Series | None = None,
    capacity: Sequence[float] = _CAPACITY,
    cluster: ArrayLike | pd.Series | None = None,
    replicates: int = 999,
    seed: int = 0,
) -> Ranking:
    """Evaluate a score as an order of the inspections that were made.

    Parameters
    ----------
    outcome : array of 0 and 1, shape (n,)
        1 where a violation was found.
    score : float array of shape (n,)
        Higher is inspected earlier.
    dates : array of shape (n,)
        Days of the inspections.
    group : array of shape (n,), optional
        Who inspected. If given, measures are also taken with each keeping their own dates.
    capacity : sequence of float
        Shares of the inspections, in (0, 1], for capture and precision; 0.5 is the first half.
    cluster : array of shape (n,), optional
        Whose rows are drawn together in the bootstrap, enterprises say; rows alone if absent.
    replicates : int
        Bootstrap samples, and shuffles; at least 39.
    seed : int

    Returns
    -------
    Ranking

    Raises
    ------
    ValueError
        If there are no rows, lengths differ, a value is missing, or a number is out of range.

    Notes
    -----
    Without a violation every measure is NaN; without a clean inspection the AUC is. Groups are kept as they
    are in the bootstrap: the intervals are of other inspections by the same inspectors. Of one cluster, or
    where more than a twentieth of the samples have no value, there is none
    (`tierkit.scores.metrics.bootstrap_interval`).

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> found = ranking([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9], days, replicates=39)
    >>> one = found.row("days_earlier")
    >>> float(one["value"]), float(one["worst"]), float(one["best"])  # from days 3 and 4 to 1, and 2 or 3
    (1.75, 1.5, 2.0)
    """
    given = Inspections.of(outcome, {"score": score}, dates, group, cluster, capacity, replicates)
    measures = given.measures()
    orders = {name: given.order("score", name) for name in given.strata}
    drawn = np.stack(
        [[given.values(one, w) for one in orders.values()] for w in given.samples(replicates, seed)]
    )
    rng = np.random.default_rng([seed, 1])
    luck = np.stack([[given.values(one.shuffled(rng)) for one in orders.values()] for _ in range(replicates)])
    frames = []
    for k, (name, order) in enumerate(orders.items()):
        value, worst, best = given.bounds(order).T
        low, high = bootstrap_interval(drawn[:, k], given.clusters)
        random, spread = given.chance(order).T
        as_well = (luck[:, k] >= value - _ROUNDING).sum(axis=0)
        frames.append(
            measures.assign(
                order=name,
                value=value,
                low=low,
                high=high,
                worst=worst,
                best=best,
                as_made=given.values(order.by(-given.day)),
                random=random,
                random_sd=spread,
                oracle=given.values(order.by(given.event)),
                p_value=np.where(np.isnan(value), np.nan, (1 + as_well) / (1 + replicates)),
                n=len(given.day),
                events=int(given.event.sum()),
                groups=len(np.unique(order.stratum)),
            )
        )
    return Ranking(pd.concat(frames, ignore_index=True), given.course(orders), replicates)


def compare_rankings(
    outcome: ArrayLike,
    scores: Mapping[str, ArrayLike],
    dates: ArrayLike | pd.Series,
    *,
    group: ArrayLike | pd.Series | None = None,
    capacity: Sequence[float] = _CAPACITY,
    cluster: ArrayLike | pd.Series | None = None,
    replicates: int = 999,
    seed: int = 0,
) -> RankingComparison:
    """Compare scores as orders of the same inspections: differences from the first, with paired intervals.

    Parameters
    ----------
    outcome, dates, group, capacity, cluster, replicates, seed
        As in `ranking`.
    scores : mapping of str to float array of shape (n,)
        At least two; the others are compared with the first.

    Returns
    -------
    RankingComparison

    Raises
    ------
    ValueError
        As in `ranking`, and if there are fewer than two scores.

    Examples
    --------
    >>> days = pd.date_range("2024-01-01", periods=4)
    >>> scores = {"last year's": [4, 3, 2, 1], "ours": [1, 2, 3, 4]}
    >>> both = compare_rankings([0, 0, 1, 1], scores, days, replicates=39)
    >>> float(both.row("ours", "days_earlier")["difference"])
    2.0
    """
    if len(scores) < 2:
        raise ValueError(
            f"A comparison needs at least two 'scores'. Got {len(scores)}; use 'ranking' for one."
        )
    given = Inspections.of(outcome, scores, dates, group, cluster, capacity, replicates)
    orders = [(name, of, given.order(name, of)) for name in scores for of in given.strata]
    value = np.stack([given.values(one) for _, _, one in orders])
    drawn = np.stack([[given.values(one, w) for *_, one in orders] for w in given.samples(replicates, seed)])
    first, strata = next(iter(scores)), len(given.strata)
    frames = []
    for k, (name, of, _) in enumerate(orders):
        low, high = bootstrap_interval(drawn[:, k], given.clusters)
        change, base = value[k] - value[k % strata], drawn[:, k % strata]
        least, most = bootstrap_interval(drawn[:, k] - base, given.clusters, against=base)
        none = np.full_like(change, np.nan)
        frames.append(
            given.measures().assign(
                score=name, against=first, order=of, value=value[k], low=low, high=high,
                difference=none if name == first else change,
                difference_low=none if name == first else least,
                difference_high=none if name == first else most,
                n=len(given.day), events=int(given.event.sum()),
            )
        )  # fmt: skip
    table = pd.concat(frames, ignore_index=True)
    front = ["score", "against"]
    return RankingComparison(table[front + [c for c in table if c not in front]], replicates)


def rank_inspections(
    inspections: pd.DataFrame,
    scored: pd.DataFrame,
    *,
    by: str = "risk_margin",
    channels: Sequence[str] = PLANNED,
    capacity: Sequence[float] = _CAPACITY,
    replicates: int = 999,
    seed: int = 0,
) -> Ranking:
    """Evaluate scores as of a date as an order of the inspections after it.

    Parameters
    ----------
    inspections : DataFrame
        Rows of the table ``inspections`` from the date on: ``enterprise_id``, ``inspected_on``, ``channel``,
        ``mode``, ``finding``, ``inspector``.
    scored : DataFrame
        ``enterprise_id`` and the score, as `tierkit.scores.model.Model.score` returns them.
    by : str
        Column of the score; higher is inspected earlier.
    channels : sequence of str
        Channels whose day the agency sets: by default routine checks and equal-chance audits. Triggered
        checks cannot be put off.
    capacity, replicates, seed
        As in `ranking`.

    Returns
    -------
    Ranking
        Of on-site inspections of scored enterprises; a violation is a finding of any severity, groups are
        inspectors, and an enterprise's rows are drawn together in the bootstrap.

    Raises
    ------
    ValueError
        If no such inspection is there, a finding or mode is missing, or as in `ranking`.

    Examples
    --------
    >>> inspections = pd.DataFrame(
    ...     {
    ...         "enterprise_id": ["a", "b", "c"],
    ...         "inspected_on": ["2024-01-01", "2024-01-02", "2024-01-03"],
    ...         "channel": "random",
    ...         "mode": "onsite",
    ...         "finding": ["none", "minor", "none"],
    ...         "inspector": "fire-1",
    ...     }
    ... )
    >>> scored = pd.DataFrame({"enterprise_id": ["a", "b"], "risk_margin": [-3.0, -1.0]})
    >>> found = rank_inspections(inspections, scored, replicates=39)
    >>> float(found.row("days_earlier")["value"]), int(found.row("days_earlier")["n"])
    (1.0, 2)
    """
    mine = inspections[of_channels(inspections, channels)]
    mine = mine[on_site(mine)]
    rows = mine.merge(scored[["enterprise_id", by]], on="enterprise_id", validate="many_to_one")
    # Who was sent by nobody knows whom stays where they were within inspectors: a group of their own.
    alone = pd.Series([f"? {k}" for k in range(len(rows))], index=rows.index)
    return ranking(
        found_something(rows).astype(np.int64),
        rows[by],
        rows["inspected_on"],
        group=rows["inspector"].astype("object").where(rows["inspector"].notna(), alone),
        capacity=capacity,
        cluster=rows["enterprise_id"],
        replicates=replicates,
        seed=seed,
    )
