"""The general path: a risk model of any rows with an outcome, a day and an id, as `tk.inspections` gives.

In the order in which it is done: rows are split by time; levels with many values are pooled to effects of the
training part; signs that the training part contradicts are dropped, and named; settings are chosen at rolling
origins in the training part; the model is fitted, calibrated and tested, and grown again on all rows with its
level guarded (`tierkit.scores.refitting`).

**Signs and kinds.** "More was found before: no lower risk" holds for routine checks. A follow-up comes
because something was found, and mostly finds it mended, so over all kinds together what was found before
seems to lower the risk, and a model that must not say so is blind. So the kind of inspection is an input, and
a sign is held against the rows of **each kind** apart. Where one contradicts it by more than chance, all
signs and kinds together at 5 %, it is dropped, and the trees tell by kind what the column means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata

from tierkit.arrays import Floats, Mask
from tierkit.features.catalogue import Sign
from tierkit.scores.checked import checked
from tierkit.scores.fitting import SETTINGS
from tierkit.scores.inputs import column_of
from tierkit.scores.level_effects import MANY, LevelEffects
from tierkit.scores.refitting import Refit, refit_risk
from tierkit.scores.training_rows import TrainingRows, time_split
from tierkit.scores.tuning import tune

__all__ = ["GeneralRisk", "contradicted", "fit_general"]

_FEW_EVENTS = 10  # of either class; a kind with fewer contradicts nothing
_SIZE = 0.05
_ALL = "all kinds"


@dataclass(frozen=True)
class GeneralRisk:
    """A risk model of general rows, with what was decided on the way to it.

    Attributes
    ----------
    refit : Refit
        The model of all rows, the one that was tested, and whether its level held.
    effects : LevelEffects
        Of the columns with many levels; fitted on the training part.
    settings : mapping
        Of the risk model.
    signs : mapping of str to {-1, 1}
        Those that are kept.
    contradicted : DataFrame
        A row a sign that is dropped and a kind of inspection that contradicts it: ``column``, ``sign``,
        ``kind``, ``n``, ``events`` and ``z``.
    rows : TrainingRows
        What it was fitted on, levels pooled.
    """

    refit: Refit
    effects: LevelEffects
    settings: Mapping[str, float]
    signs: Mapping[str, Sign]
    contradicted: pd.DataFrame
    rows: TrainingRows

    def margin(self, X: pd.DataFrame) -> Floats:
        """Return the log-odds before calibration, shape (n,)."""
        return self.refit.risk.margin(self.effects.transform(X))

    def predict_proba(self, X: pd.DataFrame) -> Floats:
        """Return calibrated probabilities of no event and of the event, shape (n, 2)."""
        return self.refit.risk.predict_proba(self.effects.transform(X))


def fit_general(
    X: pd.DataFrame,
    y: ArrayLike,
    days: ArrayLike | pd.Series,
    ids: ArrayLike | pd.Series,
    *,
    signs: Mapping[str, Sign] | None = None,
    kind: str | None = None,
    over: int = MANY,
    budget: int = 8,
    seed: int = 0,
    threads: int = 1,
) -> GeneralRisk:
    """Fit a risk model to any rows with an outcome, a day and an id.

    Parameters
    ----------
    X : DataFrame of shape (n, k)
        What was known of each row before its day, as from `tierkit.features.inspections`; numbers and levels.
    y : array of 0 and 1, shape (n,)
    days : array of dates, shape (n,)
    ids : array of shape (n,)
        Rows of one id belong together.
    signs : mapping of str to {-1, 0, 1}, optional
        Which way more of a column moves the risk, as from `tierkit.features.history_signs`.
    kind : str, optional
        Column of ``X`` that tells kinds of inspection apart: signs are held against each.
    over : int
        Levels above which a column is pooled.
    budget : int
        Settings to try beside the stated ones; 0 for these alone.
    seed, threads : int

    Returns
    -------
    GeneralRisk

    Raises
    ------
    ValueError
        If rows do not match, a part of them holds one class only, or a column cannot be used.

    Examples
    --------
    >>> import tierkit as tk
    >>> table = tk.read("data/synthetic")["inspections"]
    >>> table = table.assign(outcome=table["finding"].astype("str") != "none")
    >>> X = tk.inspections(table, kind="channel", area="agency", inspector="inspector")
    >>> found = fit_general(
    ...     X, table["outcome"], table["inspected_on"], table["enterprise_id"], kind="kind", budget=0
    ... )
    >>> bool(((p := found.predict_proba(X)[:, 1]) > 0).all() and (p < 1).all())
    True
    """
    outcome, owner = checked(y=("outcomes", y), ids=("groups", ids))
    if len(X) != len(outcome):
        raise ValueError(f"'X' has {len(X):,} rows, and 'y' has {len(outcome):,}.")
    wanted = {name: sign for name, sign in (signs or {}).items() if sign and name in X}
    if kind is not None and kind not in X:
        raise ValueError(f"'X' has no column '{kind}' that tells kinds of inspection apart. Add it.")
    dates = pd.to_datetime(pd.Series(np.asarray(days)))
    order = np.argsort(dates.to_numpy(), kind="stable")  # settings are tried on rows in the order of days
    dates, outcome = dates.iloc[order].reset_index(drop=True), outcome[order]
    split = time_split(dates)
    frame = X.iloc[order].reset_index(drop=True)
    own = pd.Series(owner[order]).astype("str")
    train = split.train
    effects = LevelEffects(over=over, random_state=seed)
    fitted = effects.fit_transform(frame[train], outcome[train], groups=own[train].to_numpy())
    told = pd.concat([fitted, effects.transform(frame[~train])]).loc[frame.index]
    kinds = frame[kind] if kind is not None else pd.Series(_ALL, frame.index)
    against = contradicted(frame[train], outcome[train], own[train], wanted, kinds[train])
    kept = {name: sign for name, sign in wanted.items() if name not in set(against["column"])}
    ids_and_days = pd.DataFrame({"enterprise_id": own, "as_of": dates})
    rows = TrainingRows(
        told, outcome.astype(np.int64), np.ones(len(outcome)), ids_and_days, signs=MappingProxyType(kept)
    )
    settings: Mapping[str, float] = SETTINGS
    if budget:
        settings = tune(rows, budget, split, seed=seed, threads=threads).chosen
    refit = refit_risk(rows, split, settings, seed=seed, threads=threads)
    return GeneralRisk(refit, effects, settings, rows.signs or {}, against, rows)


def contradicted(
    X: pd.DataFrame,
    y: ArrayLike,
    ids: ArrayLike | pd.Series,
    signs: Mapping[str, Sign],
    kind: pd.Series,
) -> pd.DataFrame:
    """Return the signs that rows of a kind contradict by more than chance.

    Parameters
    ----------
    X : DataFrame of shape (n, k)
    y : array of 0 and 1, shape (n,)
    ids : array of shape (n,)
        Rows of one id are no evidence apart.
    signs : mapping of str to {-1, 1}
        By column of numbers.
    kind : Series of shape (n,)
        Levels; missing is a kind of its own.

    Returns
    -------
    DataFrame
        ``column``, ``sign``, ``kind``, ``n``, ``events`` and ``z`` (below 0 against the sign) of the rank of
        the column and the outcome within the kind; at 5 % for all columns and kinds together.

    Examples
    --------
    >>> X = pd.DataFrame({"found_before": [0, 1] * 200})
    >>> y = [1, 0] * 150 + [1, 1, 0, 0] * 25
    >>> kind = pd.Series(["followup"] * 300 + ["routine"] * 100)
    >>> contradicted(X, y, range(400), {"found_before": 1}, kind)["kind"].tolist()
    ['followup']
    """
    outcome, owner = checked(y=("outcomes", y), ids=("groups", ids))
    who = pd.factorize(owner)[0]
    levels = kind.astype("str").where(kind.notna(), "").to_numpy(object)
    parts: dict[str, Mask] = {}
    for level in sorted(set(levels)):
        here = levels == level
        if min(outcome[here].sum(), (1 - outcome[here]).sum()) >= _FEW_EVENTS:
            parts[level] = here
    bound = norm.ppf(1 - _SIZE / max(len(parts) * len(signs), 1))
    found: list[dict[str, Any]] = []
    for name, sign in signs.items():
        values = column_of(name, X[name]).numbers
        if values is None:
            continue
        for level, part in parts.items():
            here = part & ~np.isnan(values)
            z = sign * _z(values[here], outcome[here], who[here])
            if z < -bound:
                row = {"column": name, "sign": sign, "kind": level, "n": int(here.sum())}
                found.append({**row, "events": int(outcome[here].sum()), "z": z})
    return pd.DataFrame(found, columns=["column", "sign", "kind", "n", "events", "z"])


def _z(values: Floats, y: Floats, who: Any) -> float:
    """Return how far outcomes go with the rank of values, in standard errors by whole groups."""
    if len(values) < 2 or np.ptp(values) == 0 or np.ptp(y) == 0:
        return 0.0
    ranks = rankdata(values)
    each = np.bincount(who, (ranks - ranks.mean()) * (y - y.mean()))
    spread = float(np.sqrt((each**2).sum()))
    return float(each.sum()) / spread if spread > 0 else 0.0
