"""A trained model: scoring, and saving to and loading from a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Self, TypeAlias

import pandas as pd
from scipy.special import expit

from tierkit.features import build, features_of, on_register, standing
from tierkit.folders.claims import plain_path
from tierkit.policy import Policy, PolicyLike, policy_of
from tierkit.policy.tiers import assign, by_risk_alone
from tierkit.records import GRAVITY, SHANGHAI, Place
from tierkit.records.gate import InputError, described, path_of
from tierkit.records.known import Known, Source, opened
from tierkit.results import Result, plain
from tierkit.scores.doubts import doubts
from tierkit.scores.ensemble import Ensemble
from tierkit.scores.expert import CreditCard, fitted
from tierkit.scores.foretold import foretold
from tierkit.scores.inputs import flag_text
from tierkit.scores.model_parts import read_parts, write_parts
from tierkit.scores.monitoring import Bands, Monitoring, monitor
from tierkit.scores.risk import RiskModel
from tierkit.scores.worth import check_worth
from tierkit.texts import number, policy_label, text

__all__ = ["Model", "ModelLike", "Scored", "model_of"]


@dataclass(frozen=True)
class Scored:
    """Enterprises with their features and scores as of a day, as `Model.scored` gives them.

    Attributes
    ----------
    day : date
    ids : Series of str
        All that were asked about.
    registered, here : Series of bool
        Whether each of them was registered before the day, and whether it was on the register then.
    X : DataFrame of shape (n, n_features)
        Features of those on the register, indexed by ``enterprise_id``.
    scores : DataFrame of shape (n, 11)
        Their scores, as of `Model.score`, indexed from 0.
    risk_alone : bool
        Whether the model gives no credit, so that tiers go by risk alone.
    """

    day: date
    ids: pd.Series
    registered: pd.Series
    here: pd.Series
    X: pd.DataFrame
    scores: pd.DataFrame
    risk_alone: bool = False

    def tiers(self, policy: Policy, previous: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return the tiers under a policy, as from `tierkit.policy.tiers.assign`, indexed from 0."""
        used = by_risk_alone(policy) if self.risk_alone else policy
        return assign(self.scores, used, previous, as_of=self.day)

    def check_present(self) -> None:
        """Raise a ValueError if one of those asked about was not on the register."""
        if absent := self.ids[~self.here].tolist():
            shown = ", ".join(absent[:3]) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
            raise ValueError(
                f"Not on the register on {self.day}: {shown}. Leave them out, or give another day."
            )


_METRICS = ("n", "events", "rate", "predicted", "auc")


@dataclass(frozen=True, repr=False)
class Model(Result):
    """A risk model and a scorecard, with the policy they were trained for and a manifest of their origin.

    Parameters
    ----------
    risk : RiskModel
    credit : CreditScorecard, ExpertCard or NoCredit
        Fitted on records; or an expert's table of points; or nothing, where tiers go by risk alone.
    policy : Policy
    manifest : mapping
        Versions, dates, split, metrics and hashes.
    ensemble : Ensemble, optional
        Measures how certain levels and tiers are; it is not used for the scores.
    insist : bool
        Whether to score anybody even if a model is no better than chance on what was kept back; otherwise
        `score` refuses (`tierkit.scores.worth`). It is not saved.
    """

    risk: RiskModel
    credit: CreditCard
    policy: Policy
    manifest: Mapping[str, Any]
    ensemble: Ensemble | None = None
    insist: bool = False

    def to_frame(self) -> pd.DataFrame:
        """Return how good both scores were on what was held back; risk on equal-chance audits, too."""
        about = {name: self.manifest.get(name, {}).get("metrics", {}) for name in ("risk", "credit")}
        held = {
            "risk": about["risk"].get("test"),
            "risk_random_audits": about["risk"].get("test_random_audits"),
        }
        held["credit"] = about["credit"]
        frame = pd.DataFrame([{"score": name} | dict(one) for name, one in held.items() if one])
        return frame[[name for name in ("score", *_METRICS) if name in frame]]

    def to_dict(self) -> dict[str, Any]:
        """Return the manifest as data for JSON, and the name of the policy."""
        return {"policy": self.policy.name, "manifest": plain(self.manifest)}

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return what the model was trained on, and how good its scores are."""
        about = {name: self.manifest.get(name) for name in ("as_of", "scheme")}
        said = [text("model.head", lang, policy=policy_label(self.policy.name, lang), **about)]
        for row in self.to_frame().to_dict("records"):
            n = {"n": number(row["n"]), "events": number(row["events"])}
            auc = number(row["auc"], 2)
            said.append(text(f"model.{row['score']}", lang, auc=auc, **n))
        return [*said, *doubts(self.manifest, lang)]

    @property
    def risk_alone(self) -> bool:
        """Whether it gives no credit, so that tiers go by risk alone."""
        return self.credit.kind == "none"

    def policy_for(self, policy: Policy | None = None) -> Policy:
        """Return a policy, its own if none is given, as it is used with these scores.

        Without credit that is the policy by risk alone; see `tierkit.policy.tiers.by_risk_alone`.
        """
        used = self.policy if policy is None else policy
        return by_risk_alone(used) if self.risk_alone else used

    @property
    def place(self) -> Place:
        """The place whose records it was trained on, which is that of its policy."""
        return self.policy.place or SHANGHAI

    def check_place(self, place: Place) -> None:
        """Refuse records of another place than those that the model was trained on.

        Raises
        ------
        InputError
        """
        own = self.place
        if own.hash != place.hash:
            which = (
                "another version of it" if own.name == place.name else f"{place.label.en} ('{place.name}')"
            )
            raise InputError(
                f"The model was trained on records of {own.label.en} ('{own.name}'); these are of {which}. "
                "Train a model on records of that place."
            )

    def score(
        self,
        data: Source | Known,
        as_of: date | str | None = None,
        ids: Iterable[str] | None = None,
        *,
        threads: int = 1,
    ) -> pd.DataFrame:
        """Score enterprises as of a date.

        Parameters
        ----------
        data : Dataset, mapping, path or Known
        as_of : date
            Cells known on this day or later are not used. What is open already has its day.
        ids : iterable of str, optional
            Enterprises, in this order; all that are on the register, in their order, if absent.
        threads : int
            Does not change the result.

        Returns
        -------
        DataFrame of shape (n, 11)
            ``enterprise_id``, ``sector``, ``risk_margin`` (log-odds), ``risk_probability``,
            ``credit_points``, ``credit_probability`` (of a new adverse event within 12 months; both missing
            where tiers go by risk alone, the second under an expert's table, too),
            ``red_line`` (the gravest adverse kind that stands open, or NA), ``standing_records`` (each kind
            that stands open, with the weeks since its youngest record), ``adverse_record`` (whether any was
            ever known), ``serious_finding_weeks`` (since the last serious finding, or NA) and ``flags`` (what
            the models never saw at fit, codes joined by ``;``). Enterprises that were not on the register are
            left out.
        """
        with opened(data, as_of, threads=threads) as known:
            return self.scored(known, ids).scores

    def scored(self, known: Known, ids: Iterable[str] | None = None) -> Scored:
        """Return features and scores of enterprises: the one path from records to both.

        Parameters
        ----------
        known : Known
        ids : iterable of str, optional
            Enterprises, in this order; everybody, in the order of their table, if absent.

        Raises
        ------
        DataError
            If the dataset does not have one of them.
        InputError
            If a model is no better than chance, and nobody insists.
        """
        check_worth(self.manifest, self.insist)
        self.check_place(known.place)
        asked = known.ids(ids)
        here = on_register(known, asked)
        features = features_of(known, asked)
        X = features[here].set_axis(pd.Index(asked[here], name="enterprise_id"))
        scores = self.score_features(X, X.index, standing(known, asked)[here])
        registered = features["sector"].notna()
        return Scored(known.day, asked, registered, here, X, scores, self.risk_alone)

    def certainty(
        self,
        data: Source | Known,
        as_of: date | str | None = None,
        ids: Iterable[str] | None = None,
        policy: PolicyLike | None = None,
        previous: pd.DataFrame | None = None,
        *,
        threads: int = 1,
    ) -> pd.DataFrame:
        """Return how certain level and tier of each enterprise are: the share of bootstrap models that agree.

        Parameters
        ----------
        data, as_of, ids, threads
            As for `score`.
        policy : Policy, name or path, optional
            The model's own if absent.
        previous : DataFrame, optional
            The last assignment, as `tierkit.policy.tiers.assign` takes it.

        Returns
        -------
        DataFrame of shape (n, 12)
            As from `tierkit.scores.ensemble.Ensemble.certainty`.

        Raises
        ------
        ValueError
            If the model was trained without an ensemble.
        """
        if self.ensemble is None:
            raise ValueError("The model was trained without a bootstrap. Train it with --bootstrap 20, say.")
        plan = self.policy if policy is None else policy_of(policy)
        with opened(data, as_of, threads=threads) as known:
            return self.certainty_of(self.scored(known, ids), plan, previous)

    def certainty_of(
        self, scored: Scored, policy: Policy, previous: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Return `certainty` of enterprises that this model scored; it must have an ensemble."""
        assert self.ensemble is not None
        return self.ensemble.certainty(
            scored.X, scored.scores, self.policy_for(policy), previous, card=self.credit, as_of=scored.day
        )

    def calibration(
        self, data: Source, bins: int = 5, *, channel: str | None = None, threads: int = 1
    ) -> pd.DataFrame:
        """Return predicted and observed risk on the last inspections, as the tested model foretold them.

        The model that scores was fitted on them too, so the tested one is fitted anew, on rows before them.

        Parameters
        ----------
        data : Dataset or path
            What the model was trained on.
        bins : int
            Largest number of bins of equal counts.
        channel : str, optional
            Inspections of one channel, ``"random"`` for equal-chance audits, which are drawn by lot; each
            then counts alike. All that the model's scheme takes, with its weights, if absent.
        threads : int
            Does not change the result.

        Returns
        -------
        DataFrame
            As from `tierkit.scores.metrics.calibration_table`, for `tierkit.plot.calibration`.

        Examples
        --------
        >>> import tierkit as tk
        >>> model = tk.train("data/synthetic", "2024-12-30")
        >>> table = model.calibration("data/synthetic")
        >>> int(table["n"].sum()) == model.manifest["risk"]["metrics"]["test"]["n"]
        True
        """
        return foretold(self.manifest, data, bins, channel=channel, threads=threads)

    def monitor(self, data: Source, as_of: date | str, *, threads: int = 1) -> Monitoring:
        """Return how far the enterprises of a day have moved from those that the scorecard was fitted on.

        Parameters
        ----------
        data : Dataset or path
        as_of : date
        threads : int
            Does not change the result.

        Returns
        -------
        Monitoring
            For `tierkit.plot.monitoring`: the index of the score and of each feature, beside what chance
            alone would give.

        Raises
        ------
        InputError
            If the credit was not fitted on records, so that there is nothing to compare with.

        Examples
        --------
        >>> import tierkit as tk
        >>> watch = tk.train("data/synthetic", "2024-12-30").monitor("data/synthetic", "2024-12-30")
        >>> watch.table["variable"].iloc[0]
        '(score)'
        """
        card = fitted(self.credit)
        X = build(data, as_of, threads=threads)[list(card.inputs_.names)]
        return monitor(card, X, Bands.from_dict(self.manifest["credit"]["bands"]))

    def score_features(
        self, X: pd.DataFrame, ids: pd.Series | pd.Index, records: pd.DataFrame | None = None
    ) -> pd.DataFrame:
        """Score enterprises whose features are given, with the columns of `score`.

        Parameters
        ----------
        X : DataFrame of shape (n, n_features)
            As from `tierkit.features.build`.
        ids : array of str, shape (n,)
        records : DataFrame of shape (n, 4), optional
            As from `tierkit.features.standing`, row by row; if absent none stands, nor a serious finding, and
            whether there ever was an adverse record is not known.
        """
        of_risk, of_credit = X[list(self.risk.inputs_.names)], X[list(self.credit.inputs_.names)]
        margin = self.risk.margin(of_risk)
        points, log_odds = self.credit.points_and_log_odds(of_credit)
        flags = pd.concat([self.risk.check(of_risk), self.credit.check(of_credit)], axis=1)
        if records is None:
            records = pd.DataFrame(
                {
                    "red_line": None,
                    "standing_records": "",
                    "adverse_record": pd.NA,
                    "serious_finding_weeks": pd.NA,
                },
                index=X.index,
            )
        return pd.DataFrame(
            {
                "enterprise_id": pd.Series(ids, dtype="str").to_numpy(),
                "sector": X["sector"].to_numpy(),
                "risk_margin": margin,
                "risk_probability": self.risk.calibration_.probability(margin),
                "credit_points": points,
                "credit_probability": expit(log_odds),
                "red_line": pd.Categorical(records["red_line"].to_numpy(), list(GRAVITY)),
                "standing_records": records["standing_records"].to_numpy(),
                "adverse_record": pd.array(records["adverse_record"].to_numpy(), "boolean"),
                "serious_finding_weeks": pd.array(records["serious_finding_weeks"].to_numpy(), "Int32"),
                "flags": flag_text(flags.loc[:, ~flags.columns.duplicated()]).to_numpy(),
            }
        ).astype({"enterprise_id": "str", "standing_records": "str", "flags": "str"})

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the model folder, completely or not at all.

        Parameters
        ----------
        folder : path
            A model folder that is there is replaced; anything else is left alone.

        Raises
        ------
        OutputError
            If the folder holds something other than a model, or another process is writing there.
        """
        target = plain_path(Path(folder))
        write_parts(target, self.risk, self.credit, self.policy, self.manifest, self.ensemble)
        return target

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, insist: bool = False) -> Self:
        """Load a model folder after checking all its files.

        Parameters
        ----------
        folder : path
        insist : bool
            Whether it may score anybody even if it is no better than chance.

        Raises
        ------
        InputError
            If it is no path.
        ModelError
            If a file is altered, cut short, missing, new or not what it should be; all are named.
        """
        root = path_of(folder, "folder", "the path of a model folder")
        return cls(**read_parts(root), insist=insist)

    def __repr__(self) -> str:
        """Name the date, the scheme and the policy."""
        about = self.manifest
        return f"Model(as_of={about.get('as_of')}, scheme={about.get('scheme')}, policy={self.policy.name})"


ModelLike: TypeAlias = Model | str | os.PathLike[str]
"""A model, or the path of its folder."""


def model_of(model: Any, name: str = "model") -> Model:
    """Return a model, which may be given as the path of its folder.

    Raises
    ------
    InputError
        If it is anything else.
    ModelError
        If the folder is refused.

    Examples
    --------
    >>> model_of(Policy.load("legacy"))
    Traceback (most recent call last):
        ...
    tierkit.records.arguments.InputError: The 'model' must be a Model or the path of its folder. Got ...
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, str | os.PathLike) and str(model):
        return Model.load(model)
    raise InputError(f"The '{name}' must be a Model or the path of its folder. Got {described(model)}.")
