"""Collect everything about an enterprise that a page shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

import pandas as pd

from tierkit import __version__, texts
from tierkit.explain import Reasons, Recourse
from tierkit.explain.explained import explained
from tierkit.policy import Policy
from tierkit.policy.files.checks import QUOTAS
from tierkit.policy.reviews import latest
from tierkit.progress import Progress, quiet
from tierkit.records import LEVELS, SHANGHAI, Dataset, Place, open_folder
from tierkit.records.files import sha256
from tierkit.records.known import Known, Source, opened
from tierkit.report.sheet_records import known_records, register
from tierkit.scores.model import Model
from tierkit.scores.worth import useless

__all__ = ["Sheet", "data_hash", "sheets"]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One enterprise with everything that a page shows of it.

    Attributes
    ----------
    reasons : Reasons
    enterprise : mapping of str to object
        Its row of the table ``enterprises``, as far as a reader needs it: ``name``, ``sector``, ``size``,
        ``ownership``, ``district``.
    records : DataFrame, optional
        What was known of it: `tierkit.report.known_records`.
    certainty : mapping, optional
        ``members``, ``tier``, ``tier_agreement`` with ``low`` and ``high``, ``level_agreement``,
        ``grade_agreement``, ``log_odds_sd`` and ``points_sd``, as
        `tierkit.scores.ensemble.Ensemble.certainty` gives them; None without an ensemble.
    recourse : Recourse, optional
        What would lead to a better tier.
    reviews : DataFrame, optional
        Decisions on it so far, as `tierkit.policy.reviews.read_log` gives them; None where no log was given.
    facts : mapping of str to object
        Versions and hashes of what all this was taken from.
    items : tuple of str, optional
        The items on which it can be inspected; None where no obligations came.
    """

    reasons: Reasons
    enterprise: Mapping[str, Any]
    records: pd.DataFrame | None = None
    certainty: Mapping[str, Any] | None = None
    recourse: Recourse | None = None
    reviews: pd.DataFrame | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    items: tuple[str, ...] | None = None

    def in_force(self, lang: str) -> str:
        """Return the decision in force under the policy of the reasons, in a sentence; nothing without one.

        What is decided is between two asterisks on either side, as texts of pages mark what is strong.
        """
        force = self.reviews
        if force is None or (force := latest(force, policy=self.reasons.policy)).empty:
            return ""
        row = force.iloc[0]
        decided = LEVELS["decision"][row["decision"]].text(lang)
        if pd.notna(row["override_tier"]):
            decided += f" {row['override_tier']} {self.reasons.tier_name(row['override_tier']).text(lang)}"
        days = {"on": f"{row['decided_on']:%Y-%m-%d}", "as_of": f"{row['as_of']:%Y-%m-%d}"}
        who = texts.plain(row["reviewer"], 40)
        return texts.text("case.in_force", lang, decision=decided, reviewer=who, tier=row["tier"], **days)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; `from_dict` reads it back."""
        return {
            "reasons": self.reasons.to_dict(),
            "enterprise": dict(self.enterprise),
            "records": _laid_down(self.records),
            "certainty": None if self.certainty is None else dict(self.certainty),
            "recourse": None if self.recourse is None else self.recourse.to_dict(),
            "reviews": _laid_down(self.reviews),
            "facts": dict(self.facts),
            "items": None if self.items is None else list(self.items),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], place: Place = SHANGHAI) -> Self:
        """Return the sheet that `to_dict` wrote; files with reasons alone are read too."""
        known = dict(data)
        return cls(
            reasons=Reasons.from_dict(known["reasons"], place),
            enterprise=known["enterprise"],
            records=_taken_up(known.get("records")),
            certainty=known.get("certainty"),
            recourse=Recourse.from_dict(known["recourse"], place) if known.get("recourse") else None,
            reviews=_taken_up(known.get("reviews")),
            facts=known.get("facts") or {},
            items=None if known.get("items") is None else tuple(known["items"]),
        )


def _laid_down(frame: pd.DataFrame | None) -> dict[str, Any] | None:
    """Return a frame as columns: days as ISO text, what is missing as None."""
    if frame is None:
        return None
    days = [str(name) for name in frame if frame[name].dtype.kind == "M"]
    shown = frame.assign(**{name: frame[name].dt.strftime("%Y-%m-%d") for name in days}).astype("object")
    shown = shown.where(frame.notna(), None)
    return {"days": days, "columns": {str(name): shown[name].tolist() for name in shown}}


def _taken_up(data: Mapping[str, Any] | None) -> pd.DataFrame | None:
    if data is None:
        return None
    taken = {}
    for name, cells in data["columns"].items():
        words = all(cell is None or isinstance(cell, str) for cell in cells)
        kind = "datetime64[us]" if name in data["days"] else "str" if words else None
        taken[name] = pd.Series(cells, dtype=kind)
    return pd.DataFrame(taken)


def data_hash(data: Source) -> str | None:
    """Return one hash of all tables of a dataset: SHA-256 over the names and hashes of its files.

    The manifest's hashes are taken where there is one, so that a folder and the dataset read from it have
    the same. Data that were never written have none.

    Examples
    --------
    >>> from tierkit.records import read_dataset
    >>> data_hash("data/synthetic") == data_hash(read_dataset("data/synthetic"))
    True
    """
    if isinstance(data, Mapping):
        listed = data.manifest.get("tables", {}) if isinstance(data, Dataset) else {}
        files: Mapping[str, Path] = {}
    else:
        folder = open_folder(data)
        listed, files = folder.manifest.get("tables", {}), folder.files
    hashes = {name: str(entry["sha256"]) for name, entry in listed.items() if "sha256" in entry}
    hashes = hashes or {name: sha256(file) for name, file in files.items()}
    text = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return hashlib.sha256(text.encode()).hexdigest() if hashes else None


def is_synthetic(data: Source) -> bool:
    """Tell whether the records say of themselves that a program made them.

    Examples
    --------
    >>> is_synthetic("data/synthetic"), is_synthetic({})
    (True, False)
    """
    if isinstance(data, Mapping):
        return isinstance(data, Dataset) and bool(data.manifest.get("synthetic"))
    return bool(open_folder(data).manifest.get("synthetic"))


def sheets(
    model: Model,
    data: Source | Known,
    as_of: date | str | None,
    ids: Iterable[str],
    policy: Policy | None = None,
    *,
    previous: pd.DataFrame | None = None,
    reviews: pd.DataFrame | None = None,
    recourse: bool = True,
    facts: Mapping[str, Any] | None = None,
    background: pd.DataFrame | None = None,
    threads: int = 1,
    progress: Progress = quiet,
    on_lists: Mapping[str, Iterable[str]] | None = None,
    lang: str = "zh",
) -> Iterator[Sheet]:
    """Yield a sheet per enterprise, from what was known before a day.

    Parameters
    ----------
    model : Model
    data : Dataset, mapping of str to DataFrame or Path, path or Known
    as_of : date
        Only what was known before this day is shown. What is open already has its day.
    ids : iterable of str
        Enterprises, in this order.
    policy : Policy, optional
        The model's own if absent.
    previous : DataFrame, optional
        The last assignment, for hysteresis and dwell.
    reviews : DataFrame, optional
        As `tierkit.policy.reviews.read_log` gives them.
    recourse : bool
        Whether to look for what would lead to a better tier, which takes most of the time.
    facts : mapping, optional
        Versions and hashes beside those that are known here, or instead of them.
    background : DataFrame, optional
        Features of the enterprises against which risk is measured, as `tierkit.explain.reasons` takes them.
    threads : int
        Does not change the result.
    progress : Progress
    on_lists : mapping of str to iterable of str, optional
        Enterprise to the agencies on whose lists it is, of lists that are filled in the order of everybody's
        risk, which a sheet alone cannot tell; who is not in it is on none.
    lang : {"zh", "en"}
        Language in which a notebook shows the reasons.

    Yields
    ------
    Sheet

    Raises
    ------
    DataError
        If an enterprise is not in the dataset, or the records do not reach to that day.
    ValueError
        If an enterprise was not on the register on that day.

    Examples
    --------
    >>> from tierkit.features import build
    >>> from tierkit.scores.risk import RiskModel
    >>> from tierkit.scores.scorecard import CreditScorecard
    >>> X = build("data/synthetic", "2024-07-01")
    >>> risk = RiskModel(n_trees=5).fit(X[["findings_2y"]], X["complaints_1y"] > 0)
    >>> credit = CreditScorecard().fit(X[["adverse_2y"]], X["adverse_open"] > 0)
    >>> model = Model(risk, credit, Policy.load("jiading-2025"), {})
    >>> [case] = sheets(model, "data/synthetic", "2024-07-01", X.index[:1], recourse=False)
    >>> case.enterprise["registered_on"], case.certainty, sorted(case.facts)
    ('1987-04-18', None, ['as_of', 'data_hash', 'policy_hash', 'synthetic', 'version'])
    """
    with opened(data, as_of, threads=threads) as known:
        chosen = model.policy_for((model.policy if policy is None else policy).at(model.place, known.day))
        told = list(
            explained(
                model, known, ids, chosen, previous,
                recourse=recourse, background=background, progress=progress, lang=lang,
            )
        )  # fmt: skip
        there = [one.reasons.enterprise_id for one in told]
        rows, records = register(known, there), known_records(known, ids=there)
        held = known.rows("obligations", there)
        held = held[held["valid_to"].isna()]
        day = known.day
    facts_known = {
        "version": __version__,
        "as_of": day.isoformat(),
        "model_hash": model.manifest.get("sha256"),
        "data_hash": None if facts and "data_hash" in facts else data_hash(known.source),
        "policy_hash": chosen.hash,
        "trained": model.manifest.get("as_of"),
        "useless": [one._asdict() for one in useless(model.manifest)] or None,
        "synthetic": is_synthetic(known.source) or None,
        **(facts or {}),
    }
    versions = {name: value for name, value in facts_known.items() if value is not None}
    for reasons, way, sure in told:
        one = reasons.enterprise_id
        own = records[records["enterprise_id"] == one].drop(columns="enterprise_id")
        if on_lists is not None and reasons.listed is not None and reasons.listed.by in QUOTAS:
            told_of = reasons.listed.told(on_lists.get(one, ()), day.isoformat())
            reasons = replace(reasons, listed=told_of, unmonitored=bool(told_of.on))
        decided = None if reviews is None else reviews[reviews["enterprise_id"] == one]
        yield Sheet(
            reasons=reasons,
            enterprise=rows[one],
            records=own.reset_index(drop=True),
            certainty=sure,
            recourse=way,
            reviews=None if decided is None else decided.reset_index(drop=True),
            facts=versions,
            items=tuple(held.loc[held["enterprise_id"] == one, "item"].astype(str)),
        )
