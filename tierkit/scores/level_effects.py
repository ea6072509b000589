"""Levels with many values, such as hundreds of inspectors or streets: pooled to one number each.

Given as they are, such levels are learnt by heart: a tree finds the few of which the training rows happened
to hold more events, and says so with confidence. Here each level gets its **shrunken effect** instead, how
far its mean lies from that of all rows, drawn to 0 by as many rows as the spread between levels warrants
(one-way analysis of variance; Searle, Casella and McCulloch, *Variance Components*, 1992).

The rows that effects are fitted on are given effects of the **other** lots of rows, so that whatever learns
from them next sees the effects as good as they are for new rows. And a column stays only if these effects
foretell the outcomes of the rows that they were not fitted on, at 5 % for all columns together: it is tested
as it was chosen. Pure noise is left out, but for one fit in twenty.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from tierkit.arrays import Floats, Ints
from tierkit.scores import estimators
from tierkit.scores.checked import checked
from tierkit.scores.training_rows import lots

__all__ = ["MANY", "LevelEffects"]

MANY = 20
"""Above so many levels in the rows a column is pooled (assumption)."""

_SIZE = 0.05  # chance that any column of noise is kept


class LevelEffects(TransformerMixin, BaseEstimator):
    """A transformer that puts a shrunken, cross-fitted effect in the place of levels with many values.

    Parameters
    ----------
    over : int
        Columns of levels, text or categories, of which more than so many occur are pooled; others pass as
        they are. Codes that are numbers are numbers: make text of them first.
    folds : int
        Lots of rows for cross-fitting.
    random_state : int
        Of the lots.

    Attributes
    ----------
    pooled_ : DataFrame
        A row a column with many values: ``levels``, ``spread`` (standard deviation between levels),
        ``rows_of_belief`` that draw each level to the average, ``z`` of the test on rows that the effects
        were not fitted on, and ``kept``. A column that is not kept is left out of what comes out.
    inputs_, n_features_in_, feature_names_in_
        What was learnt about the columns.

    Notes
    -----
    The target is a number, or two classes of which the second is the event. ``fit_transform`` gives the rows
    of the fit their cross-fitted effects, ``transform`` gives new rows those of all; in a pipeline
    scikit-learn calls the one to fit and the other to predict. A level that did not occur has the effect 0;
    missing is a level of its own.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from tierkit.scores.risk import RiskModel
    >>> rng = np.random.default_rng(0)
    >>> who = rng.integers(0, 100, 5000)
    >>> X = pd.DataFrame({"who": who.astype(str), "street": rng.integers(0, 400, 5000).astype(str)})
    >>> y = rng.random(5000) < np.where(who < 50, 0.1, 0.3)
    >>> model = make_pipeline(LevelEffects(), RiskModel(n_trees=50)).fit(X, y.astype(int))
    >>> model[0].pooled_["kept"].to_dict()
    {'who': True, 'street': False}
    >>> bool(model.predict_proba(X)[who >= 50, 1].mean() > 0.25)
    True
    """

    def __init__(self, over: int = MANY, folds: int = 5, random_state: int = 0) -> None:
        self.over = over
        self.folds = folds
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Declare that a target is needed, and that missing values and text are read."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        return tags

    def fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Self:
        """Learn the effects of all rows.

        Parameters
        ----------
        X : DataFrame or array of shape (n, k)
            An array holds numbers, and passes as it is.
        y : array of shape (n,)
            Numbers, or two classes.
        sample_weight : float array of shape (n,), optional
        groups : array of shape (n,), optional
            Whose rows belong together, such as those of one enterprise: they are in one lot, and count as one
            in the test.

        Returns
        -------
        LevelEffects

        Raises
        ------
        ValueError
            If a parameter, a column or the target cannot be used.
        """
        self._learn(X, y, sample_weight, groups)
        return self

    def fit_transform(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Any:
        """Learn the effects of all rows, and return the rows with those that were fitted without their lot.

        Parameters and errors are those of `fit`, the result is that of `transform`.
        """
        return self._put(X, self._learn(X, y, sample_weight, groups))

    def transform(self, X: Any) -> Any:
        """Return rows with effects in the place of pooled levels.

        Parameters
        ----------
        X : DataFrame or array of shape (n, k)
            Columns are joined by name.

        Returns
        -------
        DataFrame or array of shape (n, k')
            As given, in the order of the fit, without the columns that are not kept.

        Raises
        ------
        ValueError
            If columns are missing, or of another kind than at fit.
        """
        check_is_fitted(self)
        matrix = self.inputs_.read(estimators.rows(self, X))
        names = list(self.inputs_.names)
        told = {}
        for name, effect in self.effects_.items():
            codes = matrix[:, names.index(name)]
            known = ~np.isnan(codes) & (codes >= 0)
            values = np.where(np.isnan(codes), effect[-1], 0.0)
            values[known] = effect[codes[known].astype(np.int64)]
            told[name] = values
        return self._put(X, told)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns that come out.

        Parameters
        ----------
        input_features : ignored
            As scikit-learn asks for it; the names are those of the fit.
        """
        check_is_fitted(self)
        left = self._left_out()
        return np.array([name for name in self.inputs_.names if name not in left], dtype=object)

    def _left_out(self) -> set[str]:
        return set(self.pooled_.index[~self.pooled_["kept"].astype(bool)])

    def _put(self, X: Any, told: dict[str, Floats]) -> Any:
        """Return rows with columns exchanged or left out."""
        frame = estimators.rows(self, X)
        out = {n: told.get(n, frame[n]) for n in self.get_feature_names_out()}
        if hasattr(self, "feature_names_in_"):
            return pd.DataFrame(out, index=frame.index)
        return frame.to_numpy(np.float64)

    def _learn(self, X: Any, y: Any, sample_weight: Any, groups: Any) -> dict[str, Floats]:
        """Learn the effects, and return the cross-fitted ones of the columns that are kept."""
        for name, least in (("over", 1), ("folds", 2), ("random_state", 0)):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
                rule = f"must be an int from {least}. Got {value!r} instead."
                raise ValueError(f"The '{name}' parameter of LevelEffects {rule}")
        frame, y = estimators.frame_and_target(self, X, y)
        estimators.learn_columns(self, X, frame)
        target = _numbers(y)
        target, weight = checked(y=("scores", target), sample_weight=("weights", sample_weight))
        weight = weight / weight.mean()
        matrix = self.inputs_.read(frame)
        n = len(target)
        owner = np.arange(n) if groups is None else _owners(groups, n)
        lot = _lots(owner, groups, int(self.folds), int(self.random_state))
        many = {}
        for j, name in enumerate(self.inputs_.names):
            if name in self.inputs_.levels:
                size = len(self.inputs_.levels[name])
                codes = np.where(np.isnan(matrix[:, j]), size, matrix[:, j]).astype(np.int64)
                if len(np.unique(codes)) > self.over:
                    many[name] = codes, size + 1
        bound = norm.ppf(1 - _SIZE / max(len(many), 1))
        self.effects_: dict[str, Floats] = {}
        rows: list[Any] = []
        told: dict[str, Floats] = {}
        for name, (codes, size) in many.items():
            foretold, gain = np.zeros(n), np.zeros(n)
            for k in range(int(self.folds)):
                here = lot == k
                if here.any() and not here.all() and weight[~here].any():
                    effect = _effects(codes[~here], target[~here], weight[~here], size)[0]
                    foretold[here] = effect[codes[here]]
                    mean = np.average(target[~here], weights=weight[~here])
                    gain[here] = weight[here] * (target[here] - mean) * foretold[here]
            each = np.bincount(owner, gain)
            spread = float(np.sqrt((each**2).sum()))
            z = float(each.sum() / spread) if spread > 0 else 0.0
            effect, between, belief = _effects(codes, target, weight, size)
            kept = bool(z > bound and effect.any())
            rows.append((name, len(np.unique(codes)), between, belief, z, kept))
            if kept:
                self.effects_[name], told[name] = effect, foretold
        columns = ["column", "levels", "spread", "rows_of_belief", "z", "kept"]
        self.pooled_ = pd.DataFrame(rows, columns=columns).set_index("column")
        return told


def _effects(codes: Ints, y: Floats, weight: Floats, size: int) -> tuple[Floats, float, float]:
    """Return the shrunken effect of each level, the spread between levels, and what draws them to 0."""
    n = np.bincount(codes, weight, size)
    total = n.sum()
    mean = np.bincount(codes, weight * y, size) / np.where(n > 0, n, 1)
    average = float((n * mean).sum() / total)
    some = int((n > 0).sum())
    apart = np.where(n > 0, mean - average, 0.0)
    free, scale = total - some, total - (n**2).sum() / total
    within = float((weight * (y - mean[codes]) ** 2).sum()) / free if free > 0 else 0.0
    between = ((n * apart**2).sum() - (some - 1) * within) / scale if free > 0 and scale > 0 else 0.0
    if not between > 0:
        return np.zeros(size), 0.0, float("inf")
    belief = within / between
    shrunken = np.zeros(size)
    np.divide(apart * n, n + belief, out=shrunken, where=n > 0)
    return shrunken, float(np.sqrt(between)), float(belief)


def _numbers(y: Any) -> Floats:
    """Return a target as numbers: of two texts the second is the event."""
    values = np.asarray(y)
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    classes = sorted(set(values.tolist()))
    if len(classes) > 2:
        raise ValueError(f"'y' has {len(classes)} classes of text. Give numbers, or two classes.")
    event: Floats = np.asarray(values == classes[-1], np.float64)
    return event


def _owners(groups: Any, n: int) -> Ints:
    """Return a number for the group of each row."""
    given = checked(groups=("groups", groups))[0]
    if len(given) != n:
        raise ValueError(f"'groups' has {len(given):,} rows, and 'y' has {n:,}.")
    return np.asarray(pd.factorize(given)[0], np.int64)


def _lots(owner: Ints, groups: Any, folds: int, seed: int) -> Ints:
    """Return the lot of each row: by its group's name, or by its place where rows stand alone."""
    if groups is not None:
        names = pd.Series(np.asarray(groups)).astype("str")
        return np.asarray(lots(names, f"fold {seed}") % np.uint64(folds), np.int64)
    return np.random.default_rng(seed).permutation(len(owner)) % folds
