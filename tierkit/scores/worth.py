"""Whether a model tells anybody apart: one that is no better than chance gives no tiers, unless one insists.

A model is held against records that it was not fitted on, as its manifest says: the risk against the later
inspections, the credit against enterprises held back. Where the 95 % interval of its AUC holds 0.5 the order
that it gives could be that of a lot. With few events kept back that says little of the model, since a good
one might look so too: then it scores, and cards, pages and sheets say that nobody can tell what it is worth.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from tierkit import texts
from tierkit.records.arguments import InputError

__all__ = ["CHANCE", "ENOUGH", "Worth", "age", "auc_interval", "check_worth", "refusal", "useless", "worths"]

CHANCE = 0.5
"""The AUC of a lot."""
ENOUGH = 200
"""Rows of either class from which on a model is refused (assumption): the standard error of an AUC is at most
about 0.02 then, so that one of 0.54, as a scorecard of conduct alone may have, stands out from chance."""
_Z = 1.959963984540054  # quantile of a 95 % interval
_TINY = 1e-12


class Worth(NamedTuple):
    """How well a model orders what it was not fitted on.

    Attributes
    ----------
    model : str
        ``risk`` or ``credit``.
    auc, low, high : float
        With its 95 % interval; NaN, 0 and 1 where one class only was kept back.
    n, events : int
        Rows kept back, and those with the event.
    """

    model: str
    auc: float
    low: float
    high: float
    n: int
    events: int

    @property
    def enough(self) -> bool:
        """Whether enough was kept back to tell a model of use from a lot."""
        return min(self.events, self.n - self.events) >= ENOUGH

    def sentence(self, lang: str) -> str:
        """Return that the model is not shown to be better than chance, with the figures.

        Examples
        --------
        >>> Worth("credit", 0.52, 0.44, 0.6, 239, 19).sentence("en")
        'The credit model is not shown to be better than chance: on 239 rows kept back, 19 of them ...'
        """
        auc = texts.number(self.auc, 3) if self.auc == self.auc else texts.text("worth.none", lang)
        interval = texts.interval(self.low, self.high, 3)
        count = {"n": texts.number(self.n), "events": texts.number(self.events)}
        model = texts.text(f"worth.{self.model}", lang)
        said = texts.text("worth.useless", lang, model=model, auc=auc, interval=interval, **count)
        if self.enough:
            return said
        return texts.paragraph([said, texts.text("worth.few", lang)], lang)


def worths(manifest: Mapping[str, Any]) -> list[Worth]:
    """Return how good both models of a manifest are; a model of which it says nothing is left out.

    The interval of the risk is that of whole enterprises, as training took it; that of the credit, one row an
    enterprise, is `auc_interval`.

    Examples
    --------
    >>> worths({"credit": {"metrics": {"n": 239, "events": 60, "auc": 0.6}}})[0].low > 0.5
    True
    """
    found = []
    for name in ("risk", "credit"):
        about = manifest.get(name, {})
        tested = about.get("metrics", {}) if name == "credit" else about.get("metrics", {}).get("test", {})
        if not {"n", "events", "auc"} <= set(tested):
            continue
        n, events, auc = int(tested["n"]), int(tested["events"]), tested["auc"]
        low, high = 0.0, 1.0
        if auc is not None and 0 < events < n:
            low, high = auc_interval(float(auc), events, n - events)
            for row in about.get("baselines", {}).get("test", []):
                if row["score"] == "model" and row["auc_low"] is not None:
                    low, high = float(row["auc_low"]), float(row["auc_high"])
        found.append(Worth(name, float("nan") if auc is None else float(auc), low, high, n, events))
    return found


def useless(manifest: Mapping[str, Any]) -> list[Worth]:
    """Return the models that are not shown to be better than chance.

    Examples
    --------
    >>> [one.model for one in useless({"credit": {"metrics": {"n": 239, "events": 19, "auc": 0.54}}})]
    ['credit']
    """
    return [one for one in worths(manifest) if one.low <= CHANCE]


def refusal(manifest: Mapping[str, Any]) -> str:
    """Return why no tiers are given by these models, in English; empty if they are.

    Examples
    --------
    >>> refusal({"credit": {"metrics": {"n": 239, "events": 19, "auc": 0.54}}})  # too few to tell
    ''
    """
    found = [one.sentence("en") for one in useless(manifest) if one.enough]
    return " ".join([*found, "No tiers are given by it."]) if found else ""


def check_worth(manifest: Mapping[str, Any], insist: bool) -> None:
    """Refuse to give tiers by a model that is no better than chance, unless one insists.

    Raises
    ------
    InputError
        With the figures of each such model, and what would help.
    """
    said = "" if insist else refusal(manifest)
    if said:
        raise InputError(f"{said} Train on more enterprises or longer records, or give insist=True.")


def age(trained: date | str, day: date | str, lang: str) -> list[str]:
    """Return how much older a model is than the day for which it scores; nothing if it is of that day.

    Examples
    --------
    >>> age("2024-12-30", "2024-12-30", "en"), age("2023-12-30", "2024-12-30", "en")
    ([], ['The models were trained on what was known before 2023-12-30, 366 days before.'])
    """
    first, last = (date.fromisoformat(str(one)) for one in (trained, day))
    days = (last - first).days
    return (
        [texts.text("worth.age", lang, trained=first.isoformat(), days=texts.number(days))]
        if days > 0
        else []
    )


def auc_interval(auc: float, hits: float, misses: float) -> tuple[float, float]:
    """Return the 95 % interval of an AUC of independent rows that count the same.

    Parameters
    ----------
    auc : float
        In [0, 1].
    hits, misses : float
        Rows of each class, above 0.

    Raises
    ------
    ValueError
        If the AUC is missing or out of range, or a class has no rows or no end of them.

    Notes
    -----
    The AUCs from which the one observed is no more than 1.96 standard errors away, the error being that at
    each of them by Hanley and McNeil, with half of all rows for either class: Newcombe, *Confidence intervals
    for an effect size measure based on the Mann-Whitney statistic, part 2*, Statistics in Medicine 25 (2006),
    method 5. It stays within 0 … 1, and is wide where few rows are perfectly apart.

    Examples
    --------
    >>> [round(end, 3) for end in auc_interval(0.7, 100, 900)]
    [0.643, 0.75]
    >>> [round(end, 3) for end in auc_interval(1.0, 1, 1)]  # as sure as one trial of one, by Wilson
    [0.207, 1.0]
    """
    if not (0 <= auc <= 1 and 0 < hits < np.inf and 0 < misses < np.inf):
        raise ValueError(
            f"An AUC in [0, 1] of rows of both classes is needed. Got {auc} of {hits} and {misses} rows."
        )

    def beyond(true: float) -> float:
        part = (1 - true) / (2 - true) + true / (1 + true)
        variance = true * (1 - true) * (1 + ((hits + misses) / 2 - 1) * part) / (hits * misses)
        return (auc - true) ** 2 - _Z**2 * variance

    # At an AUC of 0 or 1 that end is itself, and the other is where the difference changes its sign again.
    low = brentq(beyond, 0.0, min(auc, 1 - _TINY)) if auc > 0 else 0.0
    high = brentq(beyond, max(auc, _TINY), 1.0) if auc < 1 else 1.0
    return float(low), float(high)
