"""Simple baseline scores that a model has to beat, on the same rows and with the same intervals.

    random               a lot; as every tie, it counts as the mean over all orders
    longest unvisited    days since the last inspection
    last result          the last inspection found something, rather than there was none, rather than not
    size                 larger enterprises first
    sector rate          the finding rate of the sector in the training part, drawn to the mean
    logistic regression  the model's features, levels one by one, counts by their logarithm

The first four need no fit; the last two are fitted on the training part, with its weights. Every measure is
taken with the weights of the tested rows, and its interval is a bootstrap of the **enterprises**, all rows of
one counting as often as Poisson's law of mean 1 says: its rows are no independent evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.arrays import Floats, Mask
from tierkit.records import SIZES
from tierkit.scores.checked import checked
from tierkit.scores.metrics import bootstrap_interval
from tierkit.scores.training_rows import Split, TrainingRows

__all__ = ["BASELINES", "FEW_EVENTS", "ahead", "baseline_scores", "baselines"]


BASELINES = ("random", "longest unvisited", "last result", "size", "sector rate", "logistic regression")
CAPACITY = 0.1
"""Share of the rows that is visited first where captures are counted (assumption)."""
FEW_EVENTS = 10
"""Below so many events a ranking is hardly told from luck: the standard error of its AUC is above 0.09."""

_PRIOR_ROWS = 20.0  # that the mean counts for in a sector's rate (assumption)
_DRAWS = 200
_PENALTY = 0.1  # inverse strength of the ridge of the logistic regression, its features standardised


def ahead(table: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the baselines that rank better than the model by more than chance, the best first.

    Parameters
    ----------
    table : iterable of mapping
        The rows of `baselines`, as a manifest keeps them.

    Examples
    --------
    >>> ahead([{"score": "size", "auc": 0.7, "auc_behind_high": -0.01, "enough": True}])[0]["score"]
    'size'
    """
    better = [row for row in table if row["enough"] and (row["auc_behind_high"] or 0.0) < 0]
    return sorted(better, key=lambda row: -row["auc"])


def baseline_scores(rows: TrainingRows, split: Split) -> pd.DataFrame:
    """Return the score that each baseline gives every row; higher comes first.

    Parameters
    ----------
    rows : TrainingRows
        Their features must hold those of the risk model.
    split : Split
        Sector rates and logistic regression are fitted on its training part.

    Returns
    -------
    DataFrame of shape (n, 6)
        A column for each of `BASELINES`.

    Examples
    --------
    >>> from tierkit.scores.training_rows import time_split, training_frame
    >>> rows = training_frame("data/synthetic", "2024-12-30")
    >>> baseline_scores(rows, time_split(rows.rows["as_of"])).columns.tolist() == list(BASELINES)
    True
    """
    X, train = rows.X, split.train
    found, clean = X["days_since_finding"].to_numpy(), X["days_since_clean_check"].to_numpy()
    sector = X["sector"].astype("str")
    weighed = pd.DataFrame({"y": rows.y * rows.weight, "w": rows.weight})[train]
    sums = weighed.groupby(sector[train].to_numpy()).sum()
    mean = sums["y"].sum() / sums["w"].sum()
    rate = (sums["y"] + _PRIOR_ROWS * mean) / (sums["w"] + _PRIOR_ROWS)
    size = pd.Categorical(X["size"].astype("str"), categories=list(SIZES))
    return pd.DataFrame(
        {
            "random": 0.0,
            "longest unvisited": np.minimum(found, clean),
            "last result": np.sign(clean - found),  # both are equal where there was none
            "size": size.codes.astype(np.float64),
            "sector rate": sector.map(rate).fillna(mean),
            "logistic regression": _logistic(rows, train),
        }
    )


def _logistic(rows: TrainingRows, train: Mask) -> Floats:
    """Return the log-odds of a ridge logistic regression on the model's features."""
    from sklearn.linear_model import LogisticRegression  # only to fit: scoring should not wait for it
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    numbers = rows.X.select_dtypes("number").astype(np.float64)
    levels = rows.X[[name for name in rows.X if name not in numbers]].astype("str")
    filled = numbers.fillna(numbers[train].median()).fillna(0.0)
    small = pd.DataFrame(np.sign(filled) * np.log1p(filled.abs()))
    wide = small.join(pd.get_dummies(levels, dtype=float))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_PENALTY, max_iter=1000))
    values = wide.to_numpy()
    model.fit(values[train], rows.y[train], logisticregression__sample_weight=rows.weight[train])
    told: Floats = model.decision_function(values)
    return told


class _Sorted:
    """Rows sorted by a score, highest first, with their ties, for measures under many weightings."""

    def __init__(self, y: NDArray[np.int64], score: Floats) -> None:
        self.order = np.argsort(-score, kind="stable")
        ranked = score[self.order]
        self.starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        self.event = y[self.order] == 1

    def measures(self, weight: Floats, capacity: float) -> tuple[float, float]:
        """Return AUC and capture under a weighting; a tie counts as the mean over its orders."""
        w = weight[self.order]
        hits = np.add.reduceat(np.where(self.event, w, 0.0), self.starts)
        misses = np.add.reduceat(np.where(self.event, 0.0, w), self.starts)
        all_hits, all_misses = hits.sum(), misses.sum()
        if not (all_hits > 0 and all_misses > 0):
            return float("nan"), float("nan")
        below = all_misses - np.cumsum(misses)
        auc = min(float((hits * (below + misses / 2)).sum() / (all_hits * all_misses)), 1.0)
        group = hits + misses
        taken = np.clip(capacity * group.sum() - (np.cumsum(group) - group), 0, group)
        share = np.divide(taken, group, out=np.zeros_like(group), where=group > 0)
        return auc, min(float((hits * share).sum() / all_hits), 1.0)


def baselines(
    rows: TrainingRows,
    split: Split,
    model_score: Floats,
    part: Mask | None = None,
    capacity: float = CAPACITY,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how well the model and every baseline rank the tested rows.

    Parameters
    ----------
    rows : TrainingRows
    split : Split
    model_score : float array of shape (n,)
        The model's margin or probability of every row; those of the tested part are used.
    part : bool array of shape (n,), optional
        The tested rows; the test part of the split if absent.
    capacity : float
        Share of the weight that is visited first.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        A row for the model and each of `BASELINES`: ``n``, ``events``, ``auc`` and ``capture`` with
        ``_low`` and ``_high`` (95 %, percentiles of 200 bootstraps of the enterprises), ``auc_behind`` (the
        model's AUC less this one's, paired) with ``_low`` and ``_high``, ``enough`` (ten events or more).
        Missing where a part has one class only.

    Raises
    ------
    ValueError
        If the capacity is not in (0, 1).

    Examples
    --------
    >>> from tierkit.scores.training_rows import time_split, training_frame
    >>> rows = training_frame("data/synthetic", "2024-12-30")
    >>> split = time_split(rows.rows["as_of"])
    >>> table = baselines(rows, split, rows.X["findings_2y"].to_numpy(float))
    >>> table.loc["random", ["auc", "capture"]].tolist()
    [0.5, 0.1]
    """
    if not 0 < capacity < 1:
        raise ValueError(f"The 'capacity' must be a share in (0, 1). Got {capacity!r} instead.")
    here = split.test if part is None else part
    checked(y=("outcomes", rows.y[here]), model_score=("scores", model_score[here]))
    simple = baseline_scores(rows, split)[here]
    scores = {"model": model_score[here], **{name: simple[name].to_numpy() for name in BASELINES}}
    y, weight = rows.y[here], rows.weight[here]
    ids = rows.rows["enterprise_id"][here]
    ranked = {name: _Sorted(y, score) for name, score in scores.items()} if len(y) else {}
    own = np.array([one.measures(weight, capacity) for one in ranked.values()]).reshape(len(ranked), 2)
    drawn = np.full((_DRAWS, len(scores), 2), np.nan)
    owner, owners = pd.factorize(ids, sort=True)
    times = np.random.default_rng(seed).poisson(1.0, (_DRAWS, len(owners)))
    for draw in range(_DRAWS if len(y) else 0):
        again = weight * times[draw][owner]
        drawn[draw] = [one.measures(again, capacity) for one in ranked.values()]
    table = pd.DataFrame({"n": len(y), "events": int(y.sum())}, index=pd.Index(scores, name="score"))
    behind = drawn[:, :1, 0] - drawn[:, :, 0]
    alike = [0 < y.sum() < len(y) and np.ptp(score) == 0 for score in scores.values()]
    known = {"auc": 0.5, "capture": capacity}  # of a score that tells nobody apart
    model = np.broadcast_to(drawn[:, :1, 0], behind.shape)
    for name, value, draws, against in (
        ("auc", own[:, 0] if len(y) else np.nan, drawn[:, :, 0], None),
        ("capture", own[:, 1] if len(y) else np.nan, drawn[:, :, 1], None),
        ("auc_behind", own[0, 0] - own[:, 0] if len(y) else np.nan, behind, model),
    ):
        low, high = bootstrap_interval(draws, len(owners), against=against)
        if name in known and len(owners) > 1:  # by definition, and no accident of the sample
            low[alike] = high[alike] = known[name]
            value = np.where(alike, known[name], value)
        table[name], table[f"{name}_low"], table[f"{name}_high"] = value, low, high
    table["enough"] = table["events"] >= FEW_EVENTS
    return table
