"""Three targets to rank by: probability of a violation, current harm, and harm that a visit averts.

With p the calibrated probability that one audit of an obligation finds something, d the probability that an
audit detects a violation that is there, and s the severity of a violation,

    probability     p
    expected harm   p / d × Σ share(s) × harm(s)                    a week, while nobody comes
    harm averted    p × Σ share(s) × harm(s) × weeks(s)             by one audit now

where p / d is the probability of being in violation, harm(s) the harm of a violation-week, share(s) the share
of severities among the violations that are there, and weeks(s) = 1 / (1 - (1 - mend) (1 - found)) the weeks
until it would have mended itself or been found otherwise. All are of one obligation, drawn by lot among the
enterprise's own. Harm and mending are parameters of the world (assumptions); shares and the rate of other
inspections are estimated from the records by stratum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln
from scipy.stats import kendalltau, norm, spearmanr

from tierkit.arrays import Floats
from tierkit.city.parameters import Parameters, parameters
from tierkit.city.world import WEEKS_A_YEAR
from tierkit.evaluate.findings import found_something, of_channels, on_site
from tierkit.policy import Policy
from tierkit.records import PLANNED_CHANNELS, SEVERITIES, Dataset
from tierkit.records.gate import day_of
from tierkit.records.unknown import begun
from tierkit.scores.training_rows import lots

__all__ = ["TARGETS", "Movers", "Severities", "movers", "severities", "targets"]


TARGETS = ("probability", "expected_harm", "harm_averted")

_STRENGTHS = (1.0, 10_000.0)  # findings that the city's shares may count for in a stratum
_OBLIGATION_YEARS = 200.0  # that the city's rate of inspections counts for in a stratum
_DRAWS = 100


@dataclass(frozen=True)
class Severities:
    """Severity shares of violations and the rate at which other inspections find them, by stratum.

    Parameters
    ----------
    table : DataFrame
        One row per stratum: ``n`` (findings), a share for each of `tierkit.records.SEVERITIES` with ``_low``
        and ``_high``, ``obligations``, ``inspections`` (on site, in the year before), ``found``
        (probability that other inspections find a violation in a week).
    strength : float
        How many findings the shares of all strata together count for in each, estimated with them.
    by : str
        Column of the enterprises that makes the strata.
    """

    table: pd.DataFrame
    strength: float
    by: str

    def weights(
        self, params: Parameters | None = None, shares: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """Return, by stratum, a violation's harm per week and its expected remaining harm.

        Parameters
        ----------
        params : Parameters, optional
            ``violation.harm`` and ``violation.mend``; the default ones if absent.
        shares : float array of shape (..., strata, 3), optional
            Other shares than those estimated.

        Returns
        -------
        tuple of two float arrays of shape (..., strata)
        """
        p = params or parameters()
        harm = np.array([p[f"violation.harm.{name}"] for name in SEVERITIES], np.float64)
        mend = np.array([p[f"violation.mend.{name}"] for name in SEVERITIES], np.float64)
        share = self.table[list(SEVERITIES)].to_numpy(np.float64) if shares is None else shares
        weeks = 1 / (1 - (1 - mend) * (1 - self.table["found"].to_numpy(np.float64)[:, None]))
        return (share * harm).sum(axis=-1), (share * harm * weeks).sum(axis=-1)

    def draw(self, draws: int, seed: int = 0) -> Floats:
        """Return draws of the shares from their posterior, shape (draws, strata, 3)."""
        alpha = self.table[list(SEVERITIES)].to_numpy() * (
            self.table["n"].to_numpy()[:, None] + self.strength
        )
        raw = np.random.default_rng(seed).standard_gamma(alpha, (draws, *alpha.shape))
        drawn: Floats = raw / raw.sum(axis=-1, keepdims=True)
        return drawn

    def _repr_html_(self) -> str:
        return self.table.to_html(float_format="{:.3f}".format)


def _strength(counts: Floats, share: Floats) -> float:
    """Return the strength of the prior by maximum likelihood of the Dirichlet-multinomial."""
    n = counts.sum(axis=1)

    def loss(log_m: float) -> float:
        m = np.exp(log_m)
        inside = (gammaln(counts + m * share) - gammaln(m * share)).sum(axis=1)
        return -float((gammaln(m) - gammaln(n + m) + inside).sum())

    low, high = np.log(_STRENGTHS)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def severities(
    data: Dataset | Mapping[str, pd.DataFrame], as_of: date | str, by: str = "sector", detection: float = 0.7
) -> Severities:
    """Estimate severity shares and the rate of other inspections by stratum, from records before a date.

    Parameters
    ----------
    data : Dataset or mapping of name to DataFrame
        ``enterprises``, ``obligations`` and ``inspections``.
    as_of : date
    by : str
        Column of the enterprises.
    detection : float
        Probability that an inspection detects a violation that is there, whatever its severity.

    Returns
    -------
    Severities

    Raises
    ------
    ValueError
        If no planned inspection before the date found anything.

    Notes
    -----
    Shares are those among findings of planned on-site inspections: what a trigger sends inspectors to may go
    by severity. They are posterior means under a Dirichlet prior at the shares of all strata together, whose
    strength is estimated by maximum likelihood in 1 … 10,000 findings (empirical Bayes); intervals are
    95 % normal ones of the posterior, cut to [0, 1]. The weekly rate counts all on-site inspections of the 52
    weeks before the date by obligation, drawn to that of all as if by 200 obligation-years (assumption).

    Examples
    --------
    >>> from tierkit.records import read_dataset
    >>> found = severities(read_dataset("data/synthetic"), "2024-12-30")
    >>> bool(np.allclose(found.table[list(SEVERITIES)].sum(axis=1), 1)), int(found.table["n"].sum()) > 50
    (True, True)
    """
    day = pd.Timestamp(day_of(as_of))
    stratum = data["enterprises"].set_index("enterprise_id")[by].astype("str")
    seen = data["inspections"]
    seen = seen[seen["inspected_on"] < day]
    seen = seen[on_site(seen)]
    # What triggers a check may go by severity, so only planned ones tell how grave violations are.
    planned = seen[of_channels(seen, PLANNED_CHANNELS)]
    planned = planned[found_something(planned)]
    names = pd.Index(sorted(stratum.unique()), name=by)
    counts = (
        pd.crosstab(planned["enterprise_id"].map(stratum), planned["finding"].astype("str"))
        .reindex(index=names, columns=list(SEVERITIES), fill_value=0)
        .to_numpy(np.float64)
    )
    n = counts.sum(axis=1)
    if not n.sum():
        raise ValueError(f"No planned inspection before {day.date()} found anything. Give more records.")
    # Half a finding of each severity, so that one never found yet keeps a share.
    overall = (counts.sum(axis=0) + 0.5) / (n.sum() + 1.5)
    strength = _strength(counts, overall)
    share = (counts + strength * overall) / (n + strength)[:, None]
    half = norm.ppf(0.975) * np.sqrt(share * (1 - share) / (n + strength + 1)[:, None])
    columns: dict[str, Floats | NDArray[np.int64]] = {"n": n.astype(np.int64)}
    for k, name in enumerate(SEVERITIES):
        columns[name] = share[:, k]
        columns[f"{name}_low"] = np.clip(share[:, k] - half[:, k], 0, 1)
        columns[f"{name}_high"] = np.clip(share[:, k] + half[:, k], 0, 1)
    owed = data["obligations"]
    owed = owed[begun(owed["valid_from"], day) & ~(owed["valid_to"] < day)]
    recent = seen[seen["inspected_on"] >= day - pd.Timedelta(weeks=WEEKS_A_YEAR)]
    of_obligations, of_inspections = (
        table["enterprise_id"].map(stratum).value_counts().reindex(names, fill_value=0).to_numpy(np.float64)
        for table in (owed, recent)
    )
    everywhere = of_inspections.sum() / max(of_obligations.sum(), 1.0)
    yearly = (of_inspections + _OBLIGATION_YEARS * everywhere) / (of_obligations + _OBLIGATION_YEARS)
    columns |= {
        "obligations": of_obligations.astype(np.int64),
        "inspections": of_inspections.astype(np.int64),
    }
    columns["found"] = detection * -np.expm1(-yearly / WEEKS_A_YEAR)
    return Severities(pd.DataFrame(columns, index=names), strength, by)


def _places(scored: pd.DataFrame, found: Severities) -> NDArray[np.int64]:
    if found.by not in scored:
        raise ValueError(f"The scores have no column '{found.by}', which makes the strata. Join it first.")
    places = found.table.index.get_indexer(pd.Index(scored[found.by].astype("str")))
    if (places < 0).any():
        strange = scored[found.by].astype("str")[places < 0].iloc[0]
        raise ValueError(f"The stratum '{strange}' is not among those estimated. Estimate on these records.")
    return places.astype(np.int64)


def targets(
    scored: pd.DataFrame, found: Severities, policy: Policy, params: Parameters | None = None
) -> pd.DataFrame:
    """Return the three targets of each enterprise.

    Parameters
    ----------
    scored : DataFrame of shape (n, any)
        ``enterprise_id``, ``risk_probability`` and the column that makes the strata, as `Model.score` gives.
    found : Severities
    policy : Policy
        Its ``depth.detection`` is that of a standard audit.
    params : Parameters, optional
        ``violation.harm`` and ``violation.mend``.

    Returns
    -------
    DataFrame of shape (n, 4), indexed as ``scored``
        ``enterprise_id``, ``probability`` (that an audit finds something), ``expected_harm`` (harm a week),
        ``harm_averted`` (harm, by one audit). The probability of being in violation is cut off at 1.

    Raises
    ------
    ValueError
        If the scores have no stratum, or one that was not estimated.

    Examples
    --------
    >>> table = pd.DataFrame({"minor": 0.6, "moderate": 0.3, "serious": 0.1, "found": 0.0}, index=["food"])
    >>> scored = pd.DataFrame({"enterprise_id": ["a"], "sector": ["food"], "risk_probability": [0.07]})
    >>> row = targets(scored, Severities(table, 1.0, "sector"), Policy.load("legacy")).iloc[0]
    >>> round(float(row["expected_harm"]), 6)  # 0.1 in violation × (0.6 × 1 + 0.3 × 5 + 0.1 × 40)
    0.61
    >>> round(float(row["harm_averted"]), 6)  # 0.07 × (0.6 × 1 × 20 + 0.3 × 5 × 33.3 + 0.1 × 40 × 100)
    32.34
    """
    place = _places(scored, found)
    weekly, ahead = found.weights(params)
    chance = scored["risk_probability"].to_numpy(np.float64)
    sensitivity = float(policy["depth.detection"])
    violating = np.minimum(chance / sensitivity, 1.0)
    return pd.DataFrame(
        {
            "enterprise_id": scored["enterprise_id"],
            "probability": chance,
            "expected_harm": violating * weekly[place],
            "harm_averted": violating * sensitivity * ahead[place],
        },
        index=scored.index,
    )


@dataclass(frozen=True)
class Movers:
    """Which enterprises change rank when another target than the probability is used.

    Parameters
    ----------
    summary : DataFrame
        One row per target: ``n``, ``capacity`` (enterprises), ``kept`` (of those who come first by
        probability), ``overlap``, ``drawn_low`` and ``drawn_high`` (where 95 % of draws of the severity
        shares put it: no interval of the overlap, since their noise moves more and so pushes it down),
        ``kendall``, ``spearman`` (missing where all are alike).
    groups : DataFrame
        One row per target, grouping and group: ``n``, ``before``, ``after`` (within capacity), ``entered``,
        ``left``.
    levels : DataFrame
        One row per target and pair of levels: ``from``, ``to``, ``n``; empty without levels.
    """

    summary: pd.DataFrame
    groups: pd.DataFrame
    levels: pd.DataFrame

    def to_dict(self) -> dict[str, list[dict[str, object]]]:
        """Return the tables as lists of rows for JSON."""
        return {name: getattr(self, name).to_dict("records") for name in ("summary", "groups", "levels")}

    def _repr_html_(self) -> str:
        return self.summary.to_html(index=False, float_format="{:.3f}".format)


def _correlation(measure: Callable[[Floats, Floats], Any], one: Floats, other: Floats) -> float:
    """Return a rank correlation; NaN where one side is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(measure(one, other).statistic)


def _order(values: Floats, lot: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return rows in descending order, with ties broken by a hash of the id."""
    return np.lexsort((lot, -values))


def movers(
    scored: pd.DataFrame,
    found: Severities,
    policy: Policy,
    capacity: float = 0.1,
    groups: Sequence[str] = (),
    level: str | None = None,
    params: Parameters | None = None,
) -> Movers:
    """Compare who comes first, and who is in which level, under each target and under the probability.

    Parameters
    ----------
    scored : DataFrame of shape (n, any)
        As for `targets`, with the columns named in ``groups`` and ``level``.
    found : Severities
    policy : Policy
    capacity : float
        Share of the enterprises that can be visited.
    groups : sequence of str
        Columns to count movers by; the stratum is always among them.
    level : str, optional
        A column of levels or tiers, graver ones sorting later. Under each target the same numbers are in each
        level, filled from the highest value down: who changes places shows, not how many there are.
    params : Parameters, optional

    Returns
    -------
    Movers

    Raises
    ------
    ValueError
        If the capacity is not in (0, 1), or the strata do not fit.

    Examples
    --------
    >>> table = pd.DataFrame({"n": 50, "minor": [0.9, 0.2], "moderate": 0.1, "serious": [0.0, 0.7],
    ...                       "found": 0.0}, index=["retail", "gas"])
    >>> scored = pd.DataFrame({"enterprise_id": ["a", "b"], "sector": ["retail", "gas"],
    ...                        "risk_probability": [0.2, 0.1]})
    >>> moved = movers(scored, Severities(table, 10.0, "sector"), Policy.load("legacy"), capacity=0.5)
    >>> moved.summary[["target", "n", "capacity", "kept"]].to_numpy().tolist()
    [['expected_harm', 2, 1, 0], ['harm_averted', 2, 1, 0]]
    """
    if not 0 < capacity < 1:
        raise ValueError(f"The 'capacity' must be a share in (0, 1). Got {capacity!r} instead.")
    values = targets(scored, found, policy, params)
    lot = lots(values["enterprise_id"].astype("str"))
    n = len(values)
    k = max(round(capacity * n), 1)
    first = values["probability"].to_numpy()
    before = np.zeros(n, bool)
    before[_order(first, lot)[:k]] = True
    place = _places(scored, found)
    violating = np.minimum(first / float(policy["depth.detection"]), 1.0)
    drawn = dict(zip(TARGETS[1:], found.weights(params, found.draw(_DRAWS)), strict=True))
    summary, by_group, by_level = [], [], []
    for target in TARGETS[1:]:
        value = values[target].to_numpy()
        order = _order(value, lot)
        after = np.zeros(n, bool)
        after[order[:k]] = True
        shares = [before[_order(violating * w[place], lot)[:k]].mean() for w in drawn[target]]
        summary.append(
            {
                "target": target, "n": n, "capacity": k, "kept": int((before & after).sum()),
                "overlap": float((before & after).sum() / k), "drawn_low": float(np.quantile(shares, 0.025)),
                "drawn_high": float(np.quantile(shares, 0.975)),
                "kendall": _correlation(kendalltau, first, value),
                "spearman": _correlation(spearmanr, first, value),
            }
        )  # fmt: skip
        flags = pd.DataFrame(
            {"n": 1, "before": before, "after": after, "entered": ~before & after, "left": before & ~after},
            dtype=np.int64,
        )
        for name in dict.fromkeys([found.by, *groups]):
            counted = flags.groupby(scored[name].astype("str").to_numpy()).sum()
            counted = counted.rename_axis("group").reset_index()
            by_group.append(counted.assign(target=target, grouping=name))
        if level is not None:
            old = scored[level].astype("str").to_numpy()
            new = np.empty(n, object)
            new[order] = np.sort(old)[::-1]
            pairs = pd.DataFrame({"from": old, "to": new}).value_counts(sort=False).rename("n").reset_index()
            by_level.append(pairs.assign(target=target))
    columns = ["target", "grouping", "group", "n", "before", "after", "entered", "left"]
    levels = pd.concat(by_level, ignore_index=True) if by_level else pd.DataFrame(columns=["from", "to", "n"])
    return Movers(
        pd.DataFrame(summary),
        pd.concat(by_group, ignore_index=True)[columns],
        levels.assign(target=levels.get("target"))[["target", "from", "to", "n"]],
    )
