"""Whether domestic and foreign capital is inspected alike at equal risk (内外资一致)."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from tierkit.evaluate.fairness import groups as g
from tierkit.evaluate.fairness.observed import alike, observe, ratio_text, verdict
from tierkit.records import OWNERSHIPS
from tierkit.texts import number, text

__all__ = ["Consistency", "domestic_foreign"]

FOREIGN = ("foreign", "hmt")
"""Foreign capital as the statistics count it, that of Hong Kong, Macao and Taiwan included."""


@dataclass(frozen=True)
class Consistency:
    """Whether domestic and foreign capital is inspected alike at equal risk (内外资一致).

    Attributes
    ----------
    foreign, domestic : int
        Enterprises.
    foreign_planned, domestic_planned : int
        Planned on-site inspections.
    ratio, low, high, p : float
        Visits a year of foreign over domestic capital at equal risk; NaN where refused.
    like, like_low, like_high : float
        The same at equal risk, sector and size.
    verdict : {"more", "less", "no_difference", "too_few"}
        Of the ratio at equal risk, at 5 %.
    """

    foreign: int
    domestic: int
    foreign_planned: int
    domestic_planned: int
    ratio: float
    low: float
    high: float
    p: float
    like: float
    like_low: float
    like_high: float
    verdict: str

    def sentence(self, lang: str = "en") -> str:
        """Return the verdict in words, with n, ratio and interval.

        Parameters
        ----------
        lang : {"zh", "en"}
        """
        counts = {
            name: number(getattr(self, name))
            for name in ("foreign", "domestic", "foreign_planned", "domestic_planned")
        }
        if self.verdict == "too_few":
            return text("consistency.too_few", lang, **counts, fewest=g.FEWEST)
        row = vars(self) | {"ratio_low": self.low, "ratio_high": self.high}
        first = text(f"consistency.{self.verdict}", lang, **counts, ratio=ratio_text(row, "ratio"))
        if np.isnan(self.like):
            return first
        return f"{first}{text('consistency.like', lang, ratio=ratio_text(row, 'like'))}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a refused number is None."""
        return {name: None if value != value else value for name, value in vars(self).items()}

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(self.sentence(lang))}</p>" for lang in ("en", "zh"))


def domestic_foreign(
    scored: pd.DataFrame,
    records: Mapping[str, pd.DataFrame],
    start: date | str,
    *,
    days: int = 180,
    foreign: Sequence[str] = FOREIGN,
    n_bands: int = 20,
) -> Consistency:
    """Check whether domestic and foreign capital is inspected alike at equal risk (内外资一致).

    Parameters
    ----------
    scored, records, start, days, n_bands
        As in `fairness`.
    foreign : sequence of str
        Ownerships that count as foreign capital; all others are domestic.

    Returns
    -------
    Consistency

    Raises
    ------
    ValueError
        If a column or an enterprise is missing, or there is no such ownership.

    Examples
    --------
    >>> from tierkit.city.synth import make
    >>> data, _ = make(300, seed=1)
    >>> ids = data["enterprises"]["enterprise_id"]
    >>> scored = pd.DataFrame({"enterprise_id": ids, "tier": "T2", "risk_probability": 0.1})
    >>> domestic_foreign(scored, data, "2023-07-03").verdict
    'too_few'
    """
    unknown = sorted(set(foreign) - set(OWNERSHIPS))
    if unknown:
        known = ", ".join(OWNERSHIPS)
        raise ValueError(f"The 'foreign' ownerships must be of {known}. Got {unknown}.")
    first = pd.Timestamp(start)
    seen = observe(scored, records, first, days)
    owned = seen.enterprises["ownership"].notna().to_numpy(np.bool_)  # who owns the others, nobody is told
    mine = seen.enterprises["ownership"].isin(list(foreign)).to_numpy()[owned]
    band = g.bands(seen.risk, n_bands)
    planned, years = seen.planned[owned], seen.years[owned]
    ratio = g.rate_ratio(planned, years, mine, band[owned])
    like = g.rate_ratio(planned, years, mine, alike(seen, band, "ownership", first.date())[owned])
    return Consistency(
        int(mine.sum()),
        int((~mine).sum()),
        int(planned[mine].sum()),
        int(planned[~mine].sum()),
        *ratio,
        *like[:3],
        verdict(ratio.value, ratio.p),
    )
