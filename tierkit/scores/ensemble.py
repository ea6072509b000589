"""Bootstrap ensemble beside the scoring model, to measure how certain its levels and tiers are.

Each member is fitted as the model is, with the same settings, split and calibration, on a bootstrap of the
**enterprises**: all rows of one count as often as its lot says, drawn from Poisson's law of mean 1 (Oza and
Russell, *Online bagging and boosting*, AISTATS 2001), keyed by seed, member and enterprise. Members never
score anybody; they say how far another sample of the same city would have moved the score, and whether it
would have changed the level or the tier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import poisson

from tierkit.arrays import Floats
from tierkit.policy import Policy
from tierkit.policy.tiers import assign
from tierkit.policy.tiers.drift import unheeded
from tierkit.scores.content import anything, known, mapping, read_json, record, refuse, series, text
from tierkit.scores.fitting import SETTINGS, Level
from tierkit.scores.metrics import wilson_interval
from tierkit.scores.model_folder import ENSEMBLE, MOST_BYTES
from tierkit.scores.refitting import refit_risk
from tierkit.scores.risk import RiskModel
from tierkit.scores.training_rows import Split, TrainingRows, lots

__all__ = ["Ensemble"]


_FORMAT = "tierkit-ensemble-1"
_MOST_MEMBERS = 10_000
_MEMBER = record(trees=text(MOST_BYTES[ENSEMBLE]), rest=mapping(anything))
_SAVED = record(format=known(_FORMAT), members=series(_MEMBER, _MOST_MEMBERS))


@dataclass(frozen=True)
class Ensemble:
    """Risk models fitted on bootstrap samples of the enterprises.

    Parameters
    ----------
    members : tuple of RiskModel
    """

    members: tuple[RiskModel, ...]

    @classmethod
    def fit(
        cls,
        rows: TrainingRows,
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
        >>> from tierkit.scores.training_rows import time_split, training_frame
        >>> rows = training_frame("data/synthetic", "2024-12-30")
        >>> some = Ensemble.fit(rows, time_split(rows.rows["as_of"]), members=2)
        >>> some.log_odds(rows.X[:3]).shape
        (3, 2)
        """
        if members < 2:
            raise ValueError(f"An ensemble has at least 2 members. Got {members} instead.")
        ids = rows.rows["enterprise_id"]
        fitted = []
        for member in range(members):
            lot = lots(ids, f"bootstrap {seed} {member}") / 2.0**64
            sample = replace(rows, weight=rows.weight * poisson.ppf(lot, 1.0))
            one = refit_risk(sample, split, settings, level, seed=seed, threads=threads, newest=newest)
            fitted.append(one.risk)
        return cls(tuple(fitted))

    def log_odds(self, X: pd.DataFrame) -> Floats:
        """Return each member's calibrated log-odds, shape (n, members)."""
        return np.column_stack([one.calibration_.log_odds(one.margin(X)) for one in self.members])

    def certainty(
        self,
        X: pd.DataFrame,
        scores: pd.DataFrame,
        policy: Policy,
        previous: pd.DataFrame | None = None,
        *,
        as_of: date | None = None,
    ) -> pd.DataFrame:
        """Return the share of members that agree with the model on each enterprise.

        Parameters
        ----------
        X : DataFrame of shape (n, n_features)
            Features of the enterprises of ``scores``, in the same order.
        scores : DataFrame of shape (n, any)
            As `Model.score` gives; their credit is taken as it is.
        policy : Policy
            Under which levels and tiers are given.
        previous, as_of
            As for `tierkit.policy.tiers.assign`: the last assignment, from which the model and every member
            start alike, so that what agrees is the tier that is given, hysteresis and dwell included.

        Returns
        -------
        DataFrame of shape (n, 9), indexed as ``scores``
            ``enterprise_id``; ``log_odds_sd``, the standard deviation over members; ``risk_level`` and
            ``tier`` of the model; ``level_agreement`` and ``tier_agreement``, the shares of members that
            give the same, the latter with ``low`` and ``high`` (Wilson, as members are few); ``members``.

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
        level, tier = np.zeros(len(scores)), np.zeros(len(scores))
        for k in range(told.shape[1]):
            moved = scores.assign(risk_probability=expit(told[:, k]))
            with unheeded():
                other = assign(moved, policy, previous, as_of=as_of)
            level += (other["risk_level"] == own["risk_level"]).to_numpy()
            tier += (other["tier"] == own["tier"]).to_numpy()
        n = told.shape[1]
        low, high = wilson_interval(tier, np.full(len(tier), n))
        return pd.DataFrame(
            {
                "enterprise_id": own["enterprise_id"],
                "log_odds_sd": told.std(axis=1, ddof=1),
                "risk_level": own["risk_level"],
                "tier": own["tier"],
                "level_agreement": level / n,
                "tier_agreement": tier / n,
                "low": low,
                "high": high,
                "members": n,
            },
            index=scores.index,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the members as LightGBM's text and plain data for JSON."""
        parts = [one.to_parts() for one in self.members]
        return {"format": _FORMAT, "members": [{"trees": trees, "rest": rest} for trees, rest in parts]}

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
        members = []
        for at, one in enumerate(data["members"]):
            try:
                members.append(RiskModel.from_parts(one["trees"], one["rest"]))
            except ValueError as error:
                refuse(f"members[{at}]", str(error))
        return cls(tuple(members))
