"""The credit scorecard: one plain table of bins that gives points, log-odds and probability.

Points are an affine map of the log-odds of the adverse event, so all three agree to rounding error,
for missing values and unknown levels too:

    points = base_points + points_to_double / ln 2 × (-log_odds - ln base_odds)

More points mean more trustworthy. Points are never clipped: a table that could leave 0 … 1000 is
refused at fit. `CreditScorecard.rounded` has the same table in whole points.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import copy
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_consistent_length, check_is_fitted
from threadpoolctl import threadpool_limits

from tierkit.arrays import Floats
from tierkit.features.catalogue import Sign
from tierkit.scores import estimators
from tierkit.scores.binning import bins, woe
from tierkit.scores.card_table import BASE, check_bins, check_numbers, check_rows, rows_of, table_of
from tierkit.scores.checked import checked, checked_whole
from tierkit.scores.content import count, known, mapping, number, read_json, record, text
from tierkit.scores.inputs import Unseen
from tierkit.scores.point_card import HIGHEST, LOWEST, PointCard
from tierkit.scores.saved import check_learnt, learnt

__all__ = ["BASE", "HIGHEST", "LOWEST", "CreditScorecard"]

_FORMAT = "tierkit-scorecard-1"
_MOST_ROWS = 100_000_000
_NUMBERS = {
    "base_points": (-np.inf, np.inf),
    "base_odds": (0.0, np.inf),
    "points_to_double": (0.0, np.inf),
    "min_bin_share": (0.0, 0.5),
}
_COUNTS = {"max_bins": 2}
_SAVED = record(
    format=known(_FORMAT),
    **learnt(**dict.fromkeys(_NUMBERS, number()), max_bins=count()),
    unused=mapping(text()),
    table=check_rows,
)


class CreditScorecard(PointCard, estimators.TwoClassEstimator):
    """A points scorecard: optimal monotone bins, weights of evidence, logistic regression.

    Parameters
    ----------
    base_points : float
        Points at ``base_odds``.
    base_odds : float
        Odds of no adverse event to one at which the base points are given.
    points_to_double : float
        Points by which the odds double. 600 points at odds of 20 to 1 are where credit scorecards are
        commonly anchored (Siddiqi 2006, chapter 6); 40 to double, at the upper end of what is usual, spreads
        enterprises whose odds differ little. The scale is an assumption and changes no ranking.
    monotone : mapping of str to {-1, 0, 1}, optional
        By feature name: +1 where more of it never takes points away, -1 where it never gives any.
        Others go whichever single way the data say. Levels are grouped freely.
    max_bins : int
        Largest number of bins of one feature, not counting missing and unseen.
    min_bin_share : float
        Smallest share of rows in a bin, never less than five rows.
    on_unseen : {"flag", "error"}
        What scoring does with unknown levels, values missing where none was at fit, and extra columns:
        counts them (see `check`) and gives unknown and missing their own row, or refuses.

    Attributes
    ----------
    classes_ : array of shape (2,)
        The second is the adverse event.
    unused_ : dict of str to str
        Features that carry no points, with the reason.
    n_features_in_, feature_names_in_, inputs_
        What was learnt about the columns.

    Notes
    -----
    Rules of degenerate input. One class only: an error. A feature that is constant, all missing, without
    a cut that helps in its direction, whose values differ by chance only (without a declared direction:
    `tierkit.scores.chance.differs`, at 0.001 before anything is chosen by the outcome), or whose coefficient
    would turn its bins round: no points, and named in ``unused_``. Missing values or levels that never
    occurred at fit: the weight of an empty bin, which is that of the average, 0.

    A feature with a declared direction is not tested: a noise that goes the declared way gets points, few as
    they are. Its missing values are: the direction says nothing of them, and where they differ from the known
    ones by chance only, they have the weight 0. Weights of levels are of shrunken rates
    (`tierkit.scores.chance.shrunken`), coefficients of the rates as seen. Rows are taken as independent;
    where an enterprise has several, the test finds differences between enterprises that a repeated draw of
    enterprises would not.

    Examples
    --------
    >>> x = np.repeat([0.0, 1.0], 500)
    >>> late = np.r_[np.repeat([0, 1], [475, 25]), np.repeat([0, 1], [400, 100])]
    >>> card = CreditScorecard(monotone={"arrears": -1}).fit(pd.DataFrame({"arrears": x}), late)
    >>> card.points(pd.DataFrame({"arrears": [0.0, 1.0, None]})).round(1).tolist()
    [595.5, 507.6, 539.4]
    """

    def __init__(
        self,
        base_points: float = 600.0,
        base_odds: float = 20.0,
        points_to_double: float = 40.0,
        monotone: Mapping[str, Sign] | None = None,
        max_bins: int = 6,
        min_bin_share: float = 0.005,
        on_unseen: Unseen = "flag",
    ) -> None:
        self.base_points = base_points
        self.base_odds = base_odds
        self.points_to_double = points_to_double
        self.monotone = monotone
        self.max_bins = max_bins
        self.min_bin_share = min_bin_share
        self.on_unseen = on_unseen

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Bin each feature, compute weights of evidence, fit the coefficients and store the table.

        Parameters
        ----------
        X : DataFrame or array of shape (n, k)
            Numbers, or levels as categories or text.
        y : array of shape (n,)
            Two classes; the second in sorted order is the adverse event.
        sample_weight : array of shape (n,), optional
            How often each row counts, a whole number; the fit is that of the rows repeated so often, to the
            last bit. What is chosen by a test of chance counts repeated rows as so many rows, so other
            weights, which are no counts, have no exact meaning here and are refused.

        Returns
        -------
        CreditScorecard

        Raises
        ------
        ValueError
            If a parameter, a column or a weight cannot be used, ``y`` has one class, or points could leave
            0 … 1000.
        """
        estimators.check_parameters(self, _NUMBERS, _COUNTS)
        if sample_weight is not None:
            X, y = _repeated(X, y, sample_weight)
        frame, event = estimators.learn(self, X, y)
        estimators.check_monotone(self)
        matrix = self.inputs_.read(frame)
        self.unused_: dict[str, str] = {}
        kept: dict[str, list[dict[str, Any]]] = {}
        for j, name in enumerate(self.inputs_.names):
            # The declared sign is that of trust, hence turned round for the event rate.
            sign: Any = -int((self.monotone or {}).get(name, 0))
            settings = (self.inputs_.levels.get(name), sign, self.max_bins, self.min_bin_share)
            found = bins(name, matrix[:, j], event, *settings)
            if isinstance(found, str):
                self.unused_[name] = found
            else:
                kept[name] = found
        self._lay_down(kept, matrix, event)
        return self

    def _lay_down(
        self, kept: dict[str, list[dict[str, Any]]], matrix: Floats, event: NDArray[np.int64]
    ) -> None:
        """Regress the event on the bins' weights, and store the table."""
        seen, told = np.zeros((event.size, len(kept))), np.zeros((event.size, len(kept)))
        for k, (name, rows) in enumerate(kept.items()):
            where = self._place(name, rows, matrix)
            count, events = np.array([[row["count"], row["events"]] for row in rows], np.float64).T
            weight, own = woe(count, events, event.size, event.sum()), np.array([row["woe"] for row in rows])
            missing = np.array([row["kind"] == "missing" for row in rows])
            seen[:, k], told[:, k] = np.where(missing, own, weight)[where], own[where]
        # The weights of levels are shrunken, and a regression on the rows that they come from would stretch
        # them again. So the coefficients are those of the weights as seen, and the level is set anew.
        slopes = self._regress(seen, event, list(kept))
        offset = told @ np.array([slopes.get(name, 0.0) for name in kept])
        intercept = _level(offset, float(event.mean()))
        base = {"feature": BASE, "bin": 0, "kind": "base", "count": event.size, "events": int(event.sum())}
        table = pd.DataFrame([{**base, "woe": 0.0, "iv": 0.0}, *(row for n in slopes for row in kept[n])])
        table["coefficient"] = table["feature"].map(slopes).fillna(0.0).astype(np.float64)
        table["log_odds"] = table["coefficient"] * table["woe"] + 0.0  # no -0
        table["points"] = -self._factor * table["log_odds"] + 0.0
        table.loc[0, "log_odds"] = intercept
        table.loc[0, "points"] = self.base_points - self._factor * (np.log(self.base_odds) + intercept)
        self._keep(table)
        self._check_range()

    def _regress(self, weights: Floats, event: NDArray[np.int64], names: list[str]) -> dict[str, float]:
        """Return the coefficients, all below 0: fewer events where the weight is higher."""
        from sklearn.linear_model import LogisticRegression  # only to fit: scoring should not wait for it

        kept = list(range(len(names)))
        while kept:
            # One thread, since sums in another order would change the last bits of the table.
            with threadpool_limits(1):
                model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10, max_iter=1000)
                model.fit(weights[:, kept], event)
            slopes = model.coef_[0]
            if (slopes < 0).all():
                return {names[k]: float(s) for k, s in zip(kept, slopes, strict=True)}
            worst = kept.pop(int(np.argmax(slopes)))
            self.unused_[names[worst]] = "its coefficient would turn its bins round, beside the others"
        return {}

    @property
    def _factor(self) -> float:
        return float(self.points_to_double / np.log(2))

    def _check_range(self) -> None:
        low, high = self.span()
        if low < LOWEST or high > HIGHEST:
            raise ValueError(
                f"The table could give {low:.1f} to {high:.1f} points, which leaves 0 … 1000, and points are "
                "never clipped. Lower 'points_to_double', or move 'base_points' or 'base_odds'."
            )

    def _check_table(self) -> None:
        """Refuse a table that was not fitted here and breaks what scoring relies on."""
        rows = json.loads(self.to_json())["table"]
        check_rows(rows, "table")
        check_bins(rows, self.inputs_, self.unused_)
        base = self.base_points - self._factor * float(np.log(self.base_odds))
        check_numbers(rows, self._factor, base, self.monotone or {})
        self._check_range()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "table_" in state:
            self._keep(self.table_)
            self._check_table()

    def rounded(self) -> Self:
        """Return a scorecard whose points are whole numbers, for adding up on paper.

        Every row's points, the base row's too, go to the nearest whole number (halves to even). The one table
        still drives all scores: log-odds and probability are those that the whole points stand for, so the
        three agree as exactly as before. `tierkit.scores.integer_points.rounding` says how far they are from
        those of this scorecard.

        Returns
        -------
        CreditScorecard
            Its table's ``log_odds`` are no longer ``coefficient`` × ``woe``; all else is that of this one.

        Raises
        ------
        ValueError
            If the rounded points could leave 0 … 1000.

        Examples
        --------
        >>> x = np.repeat([0.0, 1.0], 500)
        >>> late = np.r_[np.repeat([0, 1], [475, 25]), np.repeat([0, 1], [400, 100])]
        >>> card = CreditScorecard().fit(pd.DataFrame({"arrears": x}), late).rounded()
        >>> card.points(pd.DataFrame({"arrears": [0.0, 1.0]})).tolist()
        [595.0, 507.0]
        """
        check_is_fitted(self)
        card: Self = copy(self)
        table = self.table()
        points = np.rint(table["points"].to_numpy(np.float64)) + 0.0  # no -0
        log_odds = -points / self._factor + 0.0
        log_odds[0] += self.base_points / self._factor - np.log(self.base_odds)
        table = table.assign(points=points, log_odds=log_odds)
        card._keep(table)
        card._check_range()
        return card

    def points_and_log_odds(self, X: Any) -> tuple[Floats, Floats]:
        """Return `points` and `log_odds`, each of shape (n,), by looking the bins up once."""
        check_is_fitted(self)
        points, log_odds = self._sums(X, "points", "log_odds")
        return points, log_odds

    def points_of(self, log_odds: Floats) -> Floats:
        """Return the points that log-odds of the adverse event stand for on this scorecard's scale.

        Examples
        --------
        >>> CreditScorecard().points_of(-np.log([20.0, 40.0])).tolist()
        [600.0, 640.0]
        """
        points: Floats = self.base_points - self._factor * (np.log(self.base_odds) + np.asarray(log_odds))
        return points

    def log_odds(self, X: Any) -> Floats:
        """Return the log-odds of the adverse event, shape (n,)."""
        check_is_fitted(self)
        return self._sums(X, "log_odds")[0]

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities of no event and of the event, shape (n, 2)."""
        event = expit(self.log_odds(X))
        return np.column_stack([1 - event, event])

    def to_json(self) -> str:
        """Return the whole scorecard as JSON text that `from_json` reads back without loss."""
        check_is_fitted(self)
        data = {
            "format": _FORMAT,
            **self._learnt(),
            "unused": self.unused_,
            "table": rows_of(self.table_),
        }
        return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the scorecard that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is no scorecard of this format, or one that no fit gives.
        """
        data = read_json(text)
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise ValueError(f"This is no scorecard of format '{_FORMAT}'. Fit and save it again.")
        _SAVED(data, "")
        check_learnt(data)
        card = cls._restored(data)
        estimators.check_parameters(card, _NUMBERS, _COUNTS)
        estimators.check_monotone(card)
        card.unused_ = dict(data["unused"])
        card._keep(table_of(data["table"]))
        card._check_table()
        return card


def _repeated(X: Any, y: Any, sample_weight: ArrayLike) -> tuple[Any, Any]:
    """Return rows as often as their weights say."""
    check_consistent_length(X, y, sample_weight)
    [weight] = checked(sample_weight=("weights", sample_weight))
    times = checked_whole("sample_weight", weight)
    if times.sum() > _MOST_ROWS:
        raise ValueError(
            f"The 'sample_weight' adds up to {times.sum():,} rows, more than {_MOST_ROWS:,}. "
            "Give smaller ones."
        )
    rows = np.repeat(np.arange(times.size), times)
    table, target = (one if hasattr(one, "iloc") else np.asarray(one) for one in (X, y))
    return _safe_indexing(table, rows), _safe_indexing(target, rows)


def _level(offset: Floats, rate: float) -> float:
    """Return what to add to log-odds so that their mean probability is the rate."""
    middle = float(logit(rate))
    ends = middle - float(offset.max()), middle - float(offset.min())
    if ends[0] == ends[1]:
        return ends[0]
    return float(brentq(lambda a: expit(a + offset).mean() - rate, *ends, xtol=1e-12))
