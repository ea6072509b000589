"""RentSafe's next score: the risk model against the last score alone, on evaluations that came later.

For each building known before a date, what comes true is whether its first evaluation from that date on is
scored 65 or less (a year or less until the next one, by the city's bands). The trees are grown on pairs of
evaluations of which the later came more than a year before the date, and calibrated on those of the year
before it. Columns and settings are the best of twelve tried on 2020, grown on what came before 2020: three
sets of columns (scores; with the building; with the rating of each item, too) in four settings of the trees.

A building is in the training pairs if it came back in time, and those with low scores came back first;
whoever left the register is in no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tierkit.evaluate import RankingComparison, compare_rankings
from tierkit.features.catalogue import Sign
from tierkit.scores.metrics import calibration_error, calibration_error_null, calibration_table
from tierkit.scores.risk import RiskModel

__all__ = ["COLUMNS", "LOW", "NextScore", "features", "next_score"]

LOW = 65
"""A score of at most this counts as low."""
_ITEMS = (
    "entrance_lobby", "entrance_doors_windows", "security", "stairwells", "laundry_rooms",
    "internal_guards_handrails", "garbage_chute_rooms", "garbage_bin_storage_area", "elevators",
    "storage_areas_lockers", "interior_wall_ceiling_floor", "interior_lighting_levels", "graffiti",
    "exterior_cladding", "exterior_grounds", "exterior_walkways", "balcony_guards",
    "water_pen_ext_bldg_elements", "parking_area", "other_facilities",
)  # fmt: skip
_BUILDING = ("property_type", "year_built", "storeys", "units")
COLUMNS = (*_BUILDING, *(f"item_{name}" for name in _ITEMS))
"""What to keep of the file, beside the scores: `tierkit.rentsafe.read(path, COLUMNS)`."""
_SCORES = ("score", "score_before", "mean_score", "lowest_score")
_MONOTONE: dict[str, Sign] = dict.fromkeys((*_SCORES, *(f"item_{name}" for name in _ITEMS)), -1)


_SETTINGS: dict[str, Any] = {
    "n_trees": 200,
    "learning_rate": 0.05,
    "n_leaves": 8,
    "min_rows": 20,
    "num_threads": 1,
}


@dataclass(frozen=True)
class NextScore:
    """How well the next score was foretold.

    Attributes
    ----------
    rows : DataFrame
        A row a building: ``building_id``, ``date`` of the evaluation foretold, ``last_score``,
        ``probability`` and ``low`` (what came true).
    comparison : RankingComparison
        The last score alone, and the model.
    calibration : DataFrame
        As `tierkit.scores.metrics.calibration_table`, ten bins of equal counts.
    error, error_by_chance : float
        Calibration error over these bins, and the 95 % point of what it is if every probability is right.
    trained, calibrated : int
        Pairs of evaluations.
    """

    rows: pd.DataFrame
    comparison: RankingComparison
    calibration: pd.DataFrame
    error: float
    error_by_chance: float
    trained: int
    calibrated: int

    def summary(self) -> pd.DataFrame:
        """Return the AUC of both, and the paired difference."""
        table = self.comparison.table
        return table[(table["measure"] == "auc") & (table["order"] == "pooled")].reset_index(drop=True)

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        kept = ("error", "error_by_chance", "trained", "calibrated")
        return {name: getattr(self, name) for name in kept} | {
            "comparison": self.comparison.to_dict(),
            "calibration": self.calibration.to_dict("records"),
        }

    def _repr_html_(self) -> str:
        said = (
            f"calibration error {self.error:.4f}; by chance below {self.error_by_chance:.4f} in 95% of cases"
        )
        return f"{self.comparison._repr_html_()}<p>{said}.</p>"


def features(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Return what each evaluation, and those before it, say of the next.

    Parameters
    ----------
    evaluations : DataFrame
        As from `tierkit.rentsafe.read` with `COLUMNS`.

    Returns
    -------
    DataFrame
        By row of the evaluations.
    """
    scores = evaluations.groupby("building_id")["score"]
    number = scores.cumcount() + 1
    kind = pd.Categorical(
        evaluations["property_type"], sorted(evaluations["property_type"].dropna().unique())
    )
    plain = {name: evaluations[name].astype(np.float64) for name in COLUMNS if name != "property_type"}
    return pd.DataFrame(
        {
            "score": evaluations["score"],
            "score_before": scores.shift(),
            "mean_score": scores.cumsum() / number,
            "lowest_score": scores.cummin(),
            "evaluations": number.astype(np.float64),
            "property_type": kind,
            **plain,
        },
        index=evaluations.index,
    )


def next_score(
    evaluations: pd.DataFrame, since: Any = "2021-01-01", *, replicates: int = 999, seed: int = 0
) -> NextScore:
    """Foretell each building's first evaluation from a date on, and hold it against what came.

    Parameters
    ----------
    evaluations : DataFrame
        As from `tierkit.rentsafe.read` with `COLUMNS`.
    since : date
        Nothing on or after it is learnt from.
    replicates : int
        Bootstrap samples, and sets of outcomes for the calibration error by chance.
    seed : int

    Returns
    -------
    NextScore

    Raises
    ------
    ValueError
        If no building was evaluated twice more than a year before the date, or none before it and after.
    """
    day = pd.Timestamp(since)
    after = evaluations.groupby("building_id")[["score", "date"]].shift(-1)
    year = day - pd.DateOffset(years=1)
    train = after["date"] < year
    calibrate = (after["date"] >= year) & (after["date"] < day)
    test = (evaluations["date"] < day) & (after["date"] >= day)
    if not (train.any() and test.any()):
        raise ValueError(
            f"No building was evaluated twice before {year:%Y-%m-%d}, or none before {day:%Y-%m-%d} and "
            "after; give another date, or more records."
        )
    low = (after["score"] <= LOW).to_numpy().astype(np.int64)
    X = features(evaluations[evaluations["date"] < day]).reindex(evaluations.index)
    model = RiskModel(_MONOTONE, **_SETTINGS)
    model.fit(X[train], low[train]).calibrate(X[calibrate], low[calibrate])
    chance = model.predict_proba(X[test])[:, 1]
    rows = pd.DataFrame(
        {
            "building_id": evaluations.loc[test, "building_id"].to_numpy(),
            "date": after.loc[test, "date"].to_numpy(),
            "last_score": evaluations.loc[test, "score"].to_numpy(),
            "probability": chance,
            "low": low[test],
        }
    )
    scores = {"last score": -rows["last_score"].to_numpy(np.float64), "model": chance}
    by_chance = calibration_error_null(chance, replicates=replicates, seed=seed)
    return NextScore(
        rows,
        compare_rankings(rows["low"], scores, rows["date"], replicates=replicates, seed=seed),
        calibration_table(rows["low"], chance, groups=rows["building_id"]),
        calibration_error(rows["low"], chance),
        float(np.quantile(by_chance, 0.95)),
        int(train.sum()),
        int(calibrate.sum()),
    )
