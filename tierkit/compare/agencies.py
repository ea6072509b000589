"""The agencies' scoreboard: each agency's measures under each policy, with intervals, and its ratings.

A finding rate stands here between inspections and findings, beside repeats and what was put off: an
agency that goes where it is easy to find something has a high rate and nothing else. Ratings are given by
enterprises, so they are of records; a simulated run has none.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tierkit.compare.intervals import mean_interval
from tierkit.compare.measures import SHARES
from tierkit.records import SHANGHAI, Place
from tierkit.texts import interval, number, percent, text

__all__ = ["MEASURES", "Scoreboard", "ratings", "scoreboard"]

MEASURES = (
    "inspections",
    "finding_rate",
    "findings",
    "weeks_to_detection",
    "trigger_share",
    "visits",
    "repeat_visits_30d",
    "multi_agency_30d",
    "put_off",
    "uncoded_share",
    "relabelled",
)
"""What is shown of an agency, the finding rate with findings beside it."""


@dataclass(frozen=True, repr=False)
class Scoreboard:
    """Measures of each agency under each policy.

    Attributes
    ----------
    rows : DataFrame
        One row per policy, agency and measure: ``policy``, ``agency``, ``measure``, ``unit``, ``value``,
        ``low``, ``high``, ``difference`` from the baseline with its interval, ``replicates`` and ``n``. A
        joint visit is shared equally by the agencies that take part.
    ratings : DataFrame
        `ratings` of the records; empty where there are none.
    kappa : float
    weeks, over : int
        Length of the runs, and the last weeks of them that are measured.
    place : Place
        The place of the agencies.
    """

    rows: pd.DataFrame
    ratings: pd.DataFrame
    kappa: float
    weeks: int
    over: int
    place: Place = SHANGHAI

    def table(self, policy: str) -> pd.DataFrame:
        """Return the values of one policy: one row per agency with any demand, one column per measure.

        Raises
        ------
        KeyError
            If the policy was not run.
        """
        own = self.rows[self.rows["policy"] == policy]
        if own.empty:
            raise KeyError(f"No policy '{policy}'; there are {list(self.rows['policy'].unique())}.")
        wide = own.pivot_table(index="agency", columns="measure", values="value", observed=True, dropna=False)
        busy = wide[["inspections", "put_off"]].sum(axis=1) > 0
        order = [agency for agency in self.place.agencies if agency in wide.index and busy[agency]]
        return wide.loc[order, [name for name in MEASURES if name in wide.columns]]

    def __repr__(self) -> str:
        """Return what it is of, as one line."""
        policies = ", ".join(self.rows["policy"].unique())
        return f"Scoreboard({policies}: {self.over} of {self.weeks} weeks, κ = {self.kappa:g})"

    def _repr_html_(self) -> str:
        parts = [
            f"<p>Agencies, last {self.over} of {self.weeks} weeks, κ = {self.kappa:g}, "
            f"{int(self.rows['replicates'].iloc[0])} replicates; 95% intervals.</p>"
        ]
        found = self.rows.to_dict("records")
        rows = {(one["policy"], one["agency"], one["measure"]): one for one in found}
        for policy in self.rows["policy"].unique():
            wide = self.table(policy)
            head = "".join(f"<th>{html.escape(text(f'measure.{name}', 'en'))}</th>" for name in wide)
            body = []
            for agency in wide.index:
                cells = "".join(f"<td>{_cell(rows[policy, agency, name])}</td>" for name in wide)
                body.append(f"<tr><th>{html.escape(self.place.agencies[agency].label.en)}</th>{cells}</tr>")
            parts.append(
                f"<p><b>{html.escape(policy)}</b></p><table><tr><th></th>{head}</tr>{''.join(body)}</table>"
            )
        if len(self.ratings):
            body = [
                f"<tr><th>{html.escape(self.place.agencies[str(one['agency'])].label.en)}</th>"
                f"<td>{number(one['value'], 2)}<br><small>{interval(one['low'], one['high'], 2)}</small></td>"
                f"<td>{number(one['n'])}</td></tr>"
                for one in self.ratings.to_dict("records")
            ]
            head = f"<tr><th></th><th>{html.escape(text('report.agencies.rating', 'en'))}</th><th>n</th></tr>"
            parts.append(f"<table>{head}{''.join(body)}</table>")
        return "".join(parts)


def _cell(row: Mapping[Any, Any]) -> str:
    share = row["measure"] in SHARES
    value = percent(row["value"], 1) if share else number(row["value"])
    if not np.isfinite(row["low"]):
        return value
    return f"{value}<br><small>{interval(row['low'], row['high'], 1 if share else 0, share=share)}</small>"


def scoreboard(
    summary: pd.DataFrame,
    *,
    kappa: float = 0.1,
    weeks: int = 52,
    rated: pd.DataFrame | None = None,
    place: Place = SHANGHAI,
) -> Scoreboard:
    """Return the agencies' scoreboard of a comparison.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary``.
    kappa, weeks
        Which run of the comparison.
    rated : DataFrame, optional
        `ratings` of the records.
    place : Place
        The place of the comparison.

    Returns
    -------
    Scoreboard

    Raises
    ------
    KeyError
        If the summary has nothing by agency under these conditions.

    Examples
    --------
    >>> from tierkit.compare.comparison import compare
    >>> from tierkit.policy import Policy
    >>> from tierkit.city.synth import make
    >>> legacy, plan = Policy.load("legacy"), Policy.load("jinshan-2025")
    >>> done = compare(make(80, seed=1)[1], legacy, plan, replicates=2, weeks=8)
    >>> board = scoreboard(done.summary, weeks=8)
    >>> board
    Scoreboard(legacy, jinshan-2025: 8 of 8 weeks, κ = 0.1)
    >>> board.table("legacy").columns[1]
    'finding_rate'
    """
    rows = summary[
        (summary["group"] == "agency")
        & np.isclose(summary["kappa"].astype(float), kappa)
        & (summary["weeks"] == weeks)
        & summary["measure"].isin(MEASURES)
    ]
    if rows.empty:
        raise KeyError(f"The summary has nothing by 'agency' at kappa = {kappa} over {weeks} weeks.")
    kept = [
        "policy", "agency", "measure", "unit", "value", "low", "high", "difference", "difference_low",
        "difference_high", "replicates", "n",
    ]  # fmt: skip
    told = rows.rename(columns={"level": "agency"}).astype(
        {"policy": "str", "agency": "str", "measure": "str"}
    )
    none = ratings(pd.DataFrame({"agency": [], "rating": []}))
    return Scoreboard(
        told[kept].reset_index(drop=True),
        none if rated is None else rated,
        kappa,
        weeks,
        int(rows["over"].iloc[0]),
        place,
    )


def ratings(inspections: pd.DataFrame, place: Place = SHANGHAI) -> pd.DataFrame:
    """Return how enterprises rated each agency's inspections.

    Parameters
    ----------
    inspections : DataFrame
        The table ``inspections`` of the records, or its columns ``agency`` and ``rating`` (1 to 5).
    place : Place
        The place of the agencies, for their order.

    Returns
    -------
    DataFrame
        ``agency``, ``value`` (mean of the ratings), ``low`` and ``high`` (95 % Student interval within 1 to
        5; missing below two ratings) and ``n``, in the order of the agencies; those without a rating are left
        out.
        Ratings come from those who care to, so an interval covers luck and not who answers.

    Raises
    ------
    ValueError
        If a rating is not from 1 to 5, or the place has no such agency.

    Examples
    --------
    >>> rows = pd.DataFrame({"agency": ["fire", "fire", "fire", "water"], "rating": [3, 4, 5, pd.NA]})
    >>> ratings(rows).round(2).values.tolist()
    [['fire', 4.0, 1.52, 5.0, 3]]
    """
    given = inspections[["agency", "rating"]].dropna()
    stars = given["rating"].to_numpy(np.float64)
    wrong = ~((stars >= 1) & (stars <= 5))
    unknown = sorted(set(given["agency"].astype(str)) - set(place.agencies))
    told = []
    if wrong.any():
        told.append(f"A 'rating' must be from 1 to 5. Got {stars[wrong][0]:g} ({wrong.sum():,} rows).")
    if unknown:
        told.append(f"The 'agency' must be one of {', '.join(place.agencies)}. Got {', '.join(unknown)}.")
    if told:
        raise ValueError(" ".join(told))
    rows = []
    for agency, own in given.groupby(given["agency"].astype(str))["rating"]:
        stars = own.to_numpy(np.float64)
        mean, low, high = mean_interval(stars)
        rows.append((agency, float(mean), *(float(np.clip(end, 1, 5)) for end in (low, high)), len(stars)))
    out = pd.DataFrame(rows, columns=["agency", "value", "low", "high", "n"])
    at = {agency: code for code, agency in enumerate(place.agencies)}
    return out.iloc[np.argsort(out["agency"].map(at).to_numpy(), kind="stable")].reset_index(drop=True)
