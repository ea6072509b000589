"""Bootstrap ensemble beside the scoring model, to measure how certain its levels, grades and tiers are.

Each member is a risk model and a scorecard, fitted as the model's own are, with the same settings, split,
choice of features and calibration, on a bootstrap of the **enterprises**: all rows of one count as often as
its lot says, drawn from Poisson's law of mean 1 (Oza and Russell, *Online bagging and boosting*, AISTATS
2001), keyed by seed, member and enterprise. Both of a member go by the same lots, so what risk and credit owe
to the same enterprises moves together. Members never score anybody; they say how far another sample of the
same city would have moved the scores, and whether it would have changed the level, the grade or the tier.

Three limits. Another sample is all that they speak of: cut-offs, plan and the years that the records cover
are the same for all. A lot counts a row of the scorecard as so many equal rows, and repeated rows pass its
test of chance more easily than new ones would: a feature near the edge comes and goes between members, and
the spread of points is rather too wide than too narrow. And members are few; hence the interval.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import poisson

from tierkit.arrays import Floats
from tierkit.features import monotone
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.policy.tiers.drift import unheeded
from tierkit.policy.tiers.rule import is_risk_alone
from tierkit.scores.content import anything, known, mapping, read_json, record, refuse, series, text
from tierkit.scores.expert import CreditCard
from tierkit.scores.fitting import SETTINGS, Level
from tierkit.scores.metrics import wilson_interval
from tierkit.scores.model_folder import ENSEMBLE, MOST_BYTES
from tierkit.scores.refitting import refit_risk
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard
from tierkit.scores.training_rows import Split, TrainingRows, lots

__all__ = ["Ensemble"]

_Part = TypeVar("_Part")

_FORMAT = "tierkit-ensemble-2"
_MOST_MEMBERS = 10_000
_MEMBER = record(trees=text(MOST_BYTES[ENSEMBLE]), rest=mapping(anything))
_CARD = text(MOST_BYTES["scorecard.json"])
_SAVED = record(
    format=known(_FORMAT), members=series(_MEMBER, _MOST_MEMBERS), cards=series(_CARD, _MOST_MEMBERS)
)
_SPREAD = 4.0
"""Points to double of a member's scorecard. It is read in log-odds alone, and a narrow scale keeps the points
of any sample within their range, which no sample is to fail at."""


@dataclass(frozen=True)
class Ensemble:
    """Risk models and scorecards fitted on bootstrap samples of the enterprises.

    Parameters
    ----------
    members : tuple of RiskModel
    cards : tuple of CreditScorecard
        One for each member; none where credit was not fitted on records, so that no sample moves it.
    """

    members: tuple[RiskModel, ...]
    cards: tuple[CreditScorecard, ...]

    @classmethod
    def fit(
        cls,
        rows: TrainingRows,
        snapshots: TrainingRows | None,
        split: Split,
        members: int = 20,
        settings: Mapping[str, float] = SETTINGS,
        level: Level = "scheme",
        *,
        newest: bool = False,
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Fit the members.

        Parameters
        ----------
        rows, split, settings, level, seed, threads
            As for `tierkit.scores.refitting.refit_risk`.
        snapshots : TrainingRows or None
            As from `tierkit.scores.training_rows.credit_frame`; None where credit is not fitted on records.
        members : int
            At least 2.
        newest : bool
            Whether the level is that of the newest rows, as that of a model whose level moves.

        Returns
        -------
        Ensemble

        Raises
        ------
        ValueError
            If there are fewer than two members, or a sample holds one class only.

        Examples
        --------
        >>> from tierkit.scores.training_rows import credit_frame, time_split, training_frame
        >>> both = (make("data/synthetic", "2024-12-30") for make in (training_frame, credit_frame))
        >>> rows, snapshots = both
        >>> some = Ensemble.fit(rows, snapshots, time_split(rows.rows["as_of"]), members=2)
        >>> some.log_odds(rows.X[:3]).shape, some.credit_log_odds(snapshots.X[:3]).shape
        ((3, 2), (3, 2))
        """
        if members < 2:
            raise ValueError(f"An ensemble has at least 2 members. Got {members} instead.")
        fitted, cards = [], []
        signs = monotone("credit")
        if snapshots is not None:
            signs = {name: sign for name, sign in signs.items() if name in snapshots.X}
        for member in range(members):
            key = f"bootstrap {seed} {member}"
            sample = replace(rows, weight=rows.weight * _counts(rows, key))
            one = refit_risk(sample, split, settings, level, seed=seed, threads=threads, newest=newest)
            fitted.append(one.risk)
            if snapshots is None:
                continue
            again = np.repeat(np.arange(len(snapshots.y)), _counts(snapshots, key))
            card = CreditScorecard(monotone=signs, points_to_double=_SPREAD)
            cards.append(card.fit(snapshots.X.iloc[again], snapshots.y[again]))
        return cls(tuple(fitted), tuple(cards))

    def log_odds(self, X: pd.DataFrame) -> Floats:
        """Return each member's calibrated log-odds of a finding, shape (n, members)."""
        return np.column_stack([one.calibration_.log_odds(one.margin(_read(one, X))) for one in self.members])

    def credit_log_odds(self, X: pd.DataFrame) -> Floats:
        """Return each member's log-odds of the adverse event, shape (n, members)."""
        return np.column_stack([one.log_odds(_read(one, X)) for one in self.cards])

    def certainty(
        self,
        X: pd.DataFrame,
        scores: pd.DataFrame,
        policy: Policy,
        previous: pd.DataFrame | None = None,
        *,
        card: CreditCard,
        as_of: date | None = None,
    ) -> pd.DataFrame:
        """Return the share of members that agree with the model on each enterprise.

        Parameters
        ----------
        X : DataFrame of shape (n, n_features)
            Features of the enterprises of ``scores``, in the same order, of both models.
        scores : DataFrame of shape (n, any)
            As `Model.score` gives.
        policy : Policy
            Under which levels and tiers are given.
        previous, as_of
            As for `tierkit.policy.tiers.assign`: the last assignment, from which the model and every member
            start alike, so that what agrees is the tier that is given, hysteresis and dwell included.
        card : CreditScorecard, ExpertCard or NoCredit
            The model's own, on whose scale the members' log-odds become points. Points that were not fitted
            on records are the same for all members.

        Returns
        -------
        DataFrame of shape (n, 12), indexed as ``scores``
            ``enterprise_id``; ``log_odds_sd`` and ``points_sd``, the standard deviations over members;
            ``risk_level``, ``credit_grade`` and ``tier`` of the model; ``level_agreement``,
            ``grade_agreement`` and ``tier_agreement``, the shares of members that give the same, the last
            with ``low`` and ``high`` (Wilson, as members are few); ``members``. By risk alone ``points_sd``
            and ``grade_agreement`` are missing.

        Raises
        ------
        ValueError
            If ``X`` and ``scores`` differ in length.
        """
        if len(X) != len(scores):
            raise ValueError(
                f"'X' and 'scores' must have the same rows. Got {len(X)} and {len(scores)} rows instead."
            )
        own = assign(scores, policy, previous, as_of=as_of)
        told = self.log_odds(X)
        if isinstance(card, CreditScorecard):
            points = card.points_of(self.credit_log_odds(X))
        else:
            points = np.repeat(scores[["credit_points"]].to_numpy(np.float64), told.shape[1], axis=1)
        spread = points.std(axis=1, ddof=1) if isinstance(card, CreditScorecard) else 0.0 * points[:, 0]
        same = {name: np.zeros(len(scores)) for name in ("risk_level", "credit_grade", "tier")}
        for k in range(told.shape[1]):
            moved = scores.assign(risk_probability=expit(told[:, k]), credit_points=points[:, k])
            with unheeded():
                other = assign(moved, policy, previous, as_of=as_of)
            for name, count in same.items():
                count += (other[name] == own[name]).to_numpy()
        n = told.shape[1]
        if is_risk_alone(policy):
            same["credit_grade"][:] = np.nan
        low, high = wilson_interval(same["tier"], np.full(len(scores), n))
        return pd.DataFrame(
            {
                "enterprise_id": own["enterprise_id"],
                "log_odds_sd": told.std(axis=1, ddof=1),
                "points_sd": spread,
                **{name: own[name] for name in same},
                "level_agreement": same["risk_level"] / n,
                "grade_agreement": same["credit_grade"] / n,
                "tier_agreement": same["tier"] / n,
                "low": low,
                "high": high,
                "members": n,
            },
            index=scores.index,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the members as LightGBM's text and plain data for JSON."""
        parts = [one.to_parts() for one in self.members]
        members = [{"trees": trees, "rest": rest} for trees, rest in parts]
        return {"format": _FORMAT, "members": members, "cards": [one.to_json() for one in self.cards]}

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the ensemble whose `to_dict` was written as JSON.

        Raises
        ------
        ValueError
            If the text is no ensemble of this format, or a member is no risk model that a fit gives.
        """
        data = read_json(text)
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise ValueError(f"This is no ensemble of format '{_FORMAT}'. Train and save it again.")
        _SAVED(data, "")
        if len(data["members"]) < 2:
            refuse("members", "must be at least 2.")
        if data["cards"] and len(data["cards"]) != len(data["members"]):
            refuse("cards", f"must be as many as the members, {len(data['members'])}, or none.")
        members = _each(
            "members", data["members"], lambda one: RiskModel.from_parts(one["trees"], one["rest"])
        )
        return cls(members, _each("cards", data["cards"], CreditScorecard.from_json))


def _counts(rows: TrainingRows, key: str) -> NDArray[np.int64]:
    """Return how often each row is in a sample: as often as its enterprise."""
    drawn: NDArray[np.int64] = poisson.ppf(lots(rows.rows["enterprise_id"], key) / 2.0**64, 1.0).astype(
        np.int64
    )
    return drawn


def _read(model: RiskModel | CreditScorecard, X: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that a model reads."""
    return X[list(model.inputs_.names)]


def _each(name: str, saved: list[Any], read: Callable[[Any], _Part]) -> tuple[_Part, ...]:
    """Return parts as they were saved; one that cannot be read is named."""
    parts = []
    for at, one in enumerate(saved):
        try:
            parts.append(read(one))
        except ValueError as error:
            refuse(f"{name}[{at}]", str(error))
    return tuple(parts)
