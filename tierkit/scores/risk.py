"""The risk model: monotone gradient boosting by LightGBM, calibrated smoothly, joined by name.

The margin is the raw log-odds of the trees; explanations are of it, and ranks are by it. The
probability is a strictly increasing map of the margin. The same data and parameters give the same
bits for any number of threads, and a model read back from text scores as the one that was written.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Self

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from tierkit.arrays import Floats
from tierkit.features.catalogue import Sign
from tierkit.scores import estimators
from tierkit.scores.calibration import Calibration
from tierkit.scores.checked import checked
from tierkit.scores.inputs import Unseen
from tierkit.scores.risk_trees import Limits, check_risk_trees
from tierkit.scores.saved import RISK, check_learnt

__all__ = ["RiskModel"]


_FORMAT = "tierkit-risk-1"
_MANY_ROWS = 10_000
_FIXED: dict[str, Any] = {
    "objective": "binary",
    "max_depth": 6,  # exact attribution takes tables of 2 to the number of features on a path
    "lambda_l2": 1.0,  # leaves of few rows are drawn to the average
    "deterministic": True,
    "force_row_wise": True,  # else LightGBM times both ways and takes the faster, which changes bits
    "feature_pre_filter": False,
    "verbosity": -1,
}


class RiskModel(estimators.TwoClassEstimator):
    """A gradient-boosted classifier with monotonicity constraints and a calibrated probability.

    Parameters
    ----------
    monotone : mapping of str to {-1, 0, 1}, optional
        By feature name: +1 where a larger value never lowers the risk, -1 where it never raises it.
    n_trees : int
    learning_rate : float
    n_leaves : int
        Largest number of leaves of a tree.
    min_rows : int
        Smallest number of rows in a leaf.
    on_unseen : {"flag", "error"}
        What scoring does with unknown levels, values missing where none was at fit, and extra columns:
        counts them (see `check`) and goes on, an unknown level taken as missing, or refuses.
    num_threads : int
        Threads of LightGBM; it changes no bit.
    random_state : int

    Attributes
    ----------
    classes_ : array of shape (2,)
        The second is the event.
    calibration_ : Calibration
        Leaves the margin as it is until `calibrate` is called.
    booster_ : lightgbm.Booster
    n_features_in_, feature_names_in_, inputs_
        What was learnt about the columns.

    Notes
    -----
    Rules of degenerate input. One class only, or one class with all the weight: an error. Constant or
    wholly missing columns: no tree can use them. Fewer rows than two leaves hold: every row gets the
    average. Rows of weight 0 are left out.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"findings": rng.poisson(1, 2000), "age": rng.normal(size=2000)})
    >>> y = (rng.random(2000) < 0.1 + 0.1 * X["findings"].clip(upper=5)).astype(int)
    >>> model = RiskModel(monotone={"findings": 1}).fit(X, y)
    >>> margin = model.margin(pd.DataFrame({"age": 0.0, "findings": [0, 1, 4]}))
    >>> bool(np.all(np.diff(margin) > 0))
    True
    """

    def __init__(
        self,
        monotone: Mapping[str, Sign] | None = None,
        n_trees: int = 200,
        learning_rate: float = 0.05,
        n_leaves: int = 15,
        min_rows: int = 20,
        on_unseen: Unseen = "flag",
        num_threads: int = 2,
        random_state: int = 0,
    ) -> None:
        self.monotone = monotone
        self.n_trees = n_trees
        self.learning_rate = learning_rate
        self.n_leaves = n_leaves
        self.min_rows = min_rows
        self.on_unseen = on_unseen
        self.num_threads = num_threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Grow the trees.

        Parameters
        ----------
        X : DataFrame or array of shape (n, k)
            Numbers, or levels as categories or text.
        y : array of shape (n,)
            Two classes; the second in sorted order is the event.
        sample_weight : float array of shape (n,), optional

        Returns
        -------
        RiskModel

        Raises
        ------
        ValueError
            If a parameter or a column cannot be used, or only one class carries weight.
        """
        _check_parameters(self)
        frame, event = estimators.learn(self, X, y)
        estimators.check_monotone(self)
        weight = self._weights(sample_weight, event)
        matrix = self._encoded(self.inputs_.read(frame))
        used = weight > 0
        names = self.inputs_.names
        signs = self.monotone or {}
        data = lgb.Dataset(
            matrix[used],
            event[used],
            weight=weight[used],
            categorical_feature=[j for j, name in enumerate(names) if name in self.inputs_.levels],
            params={"verbosity": -1, "feature_pre_filter": False},
        )
        settings = {
            "learning_rate": float(self.learning_rate),
            "num_leaves": int(self.n_leaves),
            "min_data_in_leaf": int(self.min_rows),
            "num_threads": int(self.num_threads),
            "seed": int(self.random_state),
            "monotone_constraints": [int(signs.get(name, 0)) for name in names],
        }
        # Scored from its own text, so that a model in memory and one read from a folder are the same.
        # LightGBM would make the same round trip at the end of training; once is enough.
        grown = lgb.train({**_FIXED, **settings}, data, int(self.n_trees), keep_training_booster=True)
        self.booster_ = self._booster(grown.model_to_string())
        self.calibration_ = Calibration()
        return self

    def _booster(self, trees: str) -> lgb.Booster:
        """Return the trees of a text that the strict reader passes: LightGBM itself believes anything."""
        limits = Limits(int(self.n_trees), int(self.n_leaves), _FIXED["max_depth"])
        check_risk_trees(trees, self.inputs_, self.monotone or {}, limits)
        return lgb.Booster(model_str=trees)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the trees as text, so that a pickle is read as strictly as a file."""
        state: dict[str, Any] = super().__getstate__()
        if "booster_" in state:
            state = {**state, "booster_": self.booster_.model_to_string()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "booster_" in state:
            self.booster_ = self._booster(state["booster_"])

    def _weights(self, sample_weight: ArrayLike | None, event: Floats) -> Floats:
        weight: Floats = checked(y=("outcomes", event), sample_weight=("weights", sample_weight))[1]
        heavy = [c for i, c in enumerate(self.classes_.tolist()) if weight[event == i].sum() > 0]
        if len(heavy) < 2:
            raise ValueError(f"Rows of one class only carry weight: {heavy}. Give weight to both classes.")
        return weight

    @property
    def threads(self) -> int:
        """Threads to use here: a model may come from a machine of more, or name any number."""
        return min(int(self.num_threads), os.cpu_count() or 1)

    def _encoded(self, matrix: Floats) -> Floats:
        """Return the matrix with unknown levels as missing, in the way LightGBM reads it."""
        for j, name in enumerate(self.inputs_.names):
            if name in self.inputs_.levels:
                matrix[matrix[:, j] < 0, j] = np.nan
        return matrix

    def matrix(self, X: Any) -> Floats:
        """Return the rows as the trees see them: numbers and codes of levels, shape (n, k)."""
        frame = estimators.rows(self, X)
        return self._encoded(self.inputs_.read(frame, self.on_unseen))

    def margin(self, X: Any) -> Floats:
        """Return the trees' log-odds of the event, before calibration, shape (n,)."""
        matrix = self.matrix(X)
        if not len(matrix):
            return np.empty(0)
        # Threads that have little to do cost more than they give.
        threads = self.threads if len(matrix) > _MANY_ROWS else 1
        raw: Floats = np.asarray(
            self.booster_.predict(matrix, raw_score=True, num_threads=threads), np.float64
        )
        return raw

    def calibrate(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the calibration on rows that were not used to grow the trees.

        Parameters
        ----------
        X : DataFrame or array of shape (n, k)
        y : array of shape (n,)
            Of the classes seen at fit.
        sample_weight : float array of shape (n,), optional

        Returns
        -------
        RiskModel

        Raises
        ------
        ValueError
            If ``y`` holds other classes, a weight is no weight, or rows do not match.
        """
        margin = self.margin(X)
        self.calibration_ = Calibration.fit(margin, estimators.events_of(self, y), sample_weight)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return calibrated probabilities of no event and of the event, shape (n, 2)."""
        check_is_fitted(self)
        event = self.calibration_.probability(self.margin(X))
        return np.column_stack([1 - event, event])

    def to_parts(self) -> tuple[str, dict[str, Any]]:
        """Return the trees as LightGBM's text and the rest as plain data for JSON."""
        check_is_fitted(self)
        rest = {
            "format": _FORMAT,
            **self._learnt(),
            "calibration": self.calibration_.to_dict(),
        }
        return self.booster_.model_to_string(), rest

    @classmethod
    def from_parts(cls, trees: str, rest: Mapping[str, Any]) -> Self:
        """Return the model that `to_parts` took apart.

        Raises
        ------
        ValueError
            If the parts are no risk model of this format, or one that no fit gives. LightGBM sees only what
            passed.
        """
        if not isinstance(rest, Mapping) or rest.get("format") != _FORMAT:
            raise ValueError(f"This is no risk model of format '{_FORMAT}'. Train and save it again.")
        RISK(rest, "")
        check_learnt(rest)
        model = cls._restored(rest)
        _check_parameters(model)
        estimators.check_monotone(model)
        model.calibration_ = Calibration.from_dict(rest["calibration"])
        model.booster_ = model._booster(trees)
        return model


def _check_parameters(model: RiskModel) -> None:
    least = {"n_trees": 1, "n_leaves": 2, "min_rows": 1, "num_threads": 1, "random_state": 0}
    estimators.check_parameters(model, {"learning_rate": (0.0, 1.0)}, least)
