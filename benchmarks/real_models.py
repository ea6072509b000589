"""The general path on real records: ``python -m benchmarks.real_models FOLDER`` writes docs/real_models.md.

FOLDER is that of benchmarks/real_records.py. At each origin every model is fitted to what came before it and
orders and foretells the stretch from there to the next, by what was known on the origin's day. Chicago's
published window stays closed: it, and what came after it, is cut away first.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from studies import chicago
from studies.rentsafe import ladder as rentsafe
from studies.rentsafe import risk as rentsafe_risk
from tierkit.evaluate import compare_rankings
from tierkit.features import history_signs, inspections
from tierkit.features.catalogue import Sign
from tierkit.progress import Progress, quiet, show
from tierkit.scores.general import fit_general
from tierkit.scores.metrics import auc as auc_of
from tierkit.scores.metrics import calibration_error, calibration_error_null
from tierkit.texts import interval, number, signed

PAGE = Path(__file__).parent.parent / "docs" / "real_models.md"
REPLICATES = 199
BUDGET = 0
"""Settings that the general path tries beside the stated ones."""
ALLOWED = 0.005
"""AUC by which the general path may be behind LightGBM."""
GENERAL = "general path"
HAND = ("LightGBM, by hand", "small LightGBM, by hand")
Y = NDArray[np.int64]
Floats = NDArray[np.float64]


HEAD = """\
# The general path on real records

`python -m benchmarks.real_models FOLDER` writes this page; FOLDER is that of
[real_records.md](real_records.md). At each origin every model is fitted to what came before it, and orders
and foretells the rows from there to the next origin by what was known on the origin's day. The published
window of Chicago stays closed: it, and all after it, is cut away first.

- *General path*: `tierkit.scores.general.fit_general` on what `tk.inspections` tells of the table, with the
  columns that a row has beforehand; {tried}; grown again on all rows, level guarded.
- *By hand*: the frames of `studies.chicago.features` and of `studies.rentsafe.risk`, with days since the last
  evaluation and the ward; LightGBM as it comes, a small one ({small}), and a ridge logistic regression with
  counts by their logarithm, each fitted to all rows before the origin. The small one was set before any was
  fitted here, near what the study of RentSafe had chosen on 2020.
  RentSafe's frame by hand takes the evaluation before, which of a few rows lies within the stretch: what the
  general path does not see there counts for the frames by hand.

AUC and days earlier are those within stretches, each keeping its own dates. Intervals are 95 %, of
differences paired, from {replicates} bootstrap samples of licences or buildings. The calibration error (ten
bins of equal counts) is of all stretches together; beside it is the 95 % point of what it is if every
probability is right.
"""


@dataclass(frozen=True)
class City:
    """A table of inspections, and what each way makes of it as of an origin.

    Attributes
    ----------
    name : str
    rows : DataFrame
        ``id``, ``day`` and ``y`` of each inspection.
    general, by_hand : function of a day
        Frames of the rows before the end of a stretch as of its first day: what `tk.inspections` tells, and
        the best frame that was written by hand.
    origins : tuple of str
        First days of the stretches, and the day after the last.
    signs : mapping of str to {-1, 1}
        Beside those of the history.
    own_dates : Series, optional
        Who inspects, for the days earlier with each inspector keeping their own dates.
    """

    name: str
    rows: pd.DataFrame
    general: Callable[[pd.DataFrame, str], pd.DataFrame]
    by_hand: Callable[[pd.DataFrame, str], pd.DataFrame]
    origins: tuple[str, ...]
    signs: Mapping[str, Sign]
    table: pd.DataFrame
    own_dates: pd.Series | None = None


def chicago_city(folder: Path) -> City:
    """Return the canvass inspections before the published window."""
    table = chicago.read(folder / "chicago_food/chicago_canvass.csv.gz")
    table = table[table["inspection_date"] < chicago.OPENS]
    table = table.assign(
        failed=(table["result"] == "Fail").astype(np.float64), place=table["ward"].astype("str")
    )
    fixed = ["risk_class", "age_years", *_LICENCES]

    def general(known: pd.DataFrame, as_of: str) -> pd.DataFrame:
        told = inspections(
            known, id="license", day="inspection_date", outcome="critical_found", area="ward",
            inspector="inspector_group", counts=[*_COUNTS, "failed"], as_of=as_of,
        )  # fmt: skip
        levels = known[["facility_type", "place"]].astype("str")
        return (
            told.join(known[fixed].astype(np.float64))
            .join(levels)
            .assign(inspector=known["inspector_group"].fillna("unknown").astype("str"))
        )

    def by_hand(known: pd.DataFrame, as_of: str) -> pd.DataFrame:
        return chicago.features(known, pd.Timestamp(as_of))

    rows = pd.DataFrame(
        {"id": table["license"], "day": table["inspection_date"], "y": table["critical_found"]}
    )
    return City(
        "Chicago",
        rows,
        general,
        by_hand,
        ("2013-03-01", "2013-07-01", "2013-11-01", "2014-03-01"),
        {},
        table,
        table["inspector_group"].fillna("unknown"),
    )


def rentsafe_city(folder: Path) -> City:
    """Return the evaluations, and whether each is scored 65 or less."""
    path = folder / "toronto_rentsafe/evaluations_2017_2023.csv.gz"
    table = rentsafe.read(path, (*rentsafe_risk.COLUMNS, "ward"))
    table = table.assign(low=(table["score"] <= rentsafe_risk.LOW).astype(np.int64))
    items = [name for name in rentsafe_risk.COLUMNS if name.startswith("item_")]

    def general(known: pd.DataFrame, as_of: str) -> pd.DataFrame:
        told = inspections(
            known,
            id="building_id",
            day="date",
            outcome="low",
            area="ward",
            counts=["score", *items],
            as_of=as_of,
        )
        fixed = known[["year_built", "storeys", "units"]].astype(np.float64)
        return told.join(fixed).join(known[["property_type", "ward"]].astype("str"))

    def by_hand(known: pd.DataFrame, as_of: str) -> pd.DataFrame:
        before = known.groupby("building_id")
        day = known["date"].clip(upper=pd.Timestamp(as_of))
        told = rentsafe_risk.features(known)
        fixed = ["property_type", "year_built", "storeys", "units"]
        past = told.drop(columns=fixed).groupby(known["building_id"]).shift()
        gap = (day - before["date"].shift()).dt.days.astype(np.float64)
        return past.join(told[fixed]).assign(days_since=gap, ward=known["ward"].astype("str"))

    rows = pd.DataFrame({"id": table["building_id"], "day": table["date"], "y": table["low"]})
    signs: dict[str, Sign] = {
        f"{how}_{name}": -1
        for name in ("score", *items)
        for how in ("last", "last_but_one", "mean", "min", "max")
    }
    origins = ("2019-07-01", "2020-01-01", "2021-01-01", "2022-01-01", "2023-03-01")
    return City("RentSafe", rows, general, by_hand, origins, signs, table)


_COUNTS = ("critical_count", "serious_count", "minor_count")
_LICENCES = ("tobacco", "tavern", "outdoor_patio", "consumption_on_premises_incidental_activity")


def foretold(
    city: City, budget: int = BUDGET, progress: Progress = quiet
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Return what each model says of the rows of each stretch, and how the general path came to it."""
    parts, told = [], []
    stretches = list(zip(city.origins[:-1], city.origins[1:], strict=True))
    for k, (origin, end) in enumerate(stretches):
        until = city.rows["day"] < pd.Timestamp(end)
        rows, table = city.rows[until], city.table[until]
        general, by_hand = city.general(table, origin), city.by_hand(table, origin)
        kept = (
            (general["inspections"] > 0).to_numpy() if city.name == "RentSafe" else np.ones(len(rows), bool)
        )
        test = kept & (rows["day"] >= pd.Timestamp(origin)).to_numpy()
        past = kept & ~test & (rows["day"] < pd.Timestamp(origin)).to_numpy()
        y = rows["y"].to_numpy(np.int64)
        signs = {**history_signs(general.columns), **city.signs}
        found = fit_general(
            general[past], y[past], rows.loc[past, "day"], rows.loc[past, "id"], signs=signs, budget=budget
        )
        here = pd.DataFrame({"stretch": origin, **rows[test].to_dict("series")})
        here[GENERAL] = found.predict_proba(general[test])[:, 1]
        for name, fit in BASELINES.items():
            frame = general if name.endswith("general frame") else by_hand
            here[name] = fit(frame[past], y[past], frame[test])
        if city.own_dates is not None:
            here["who"] = city.own_dates[here.index]
        parts.append(here)
        held = {"held": found.refit.held, "dropped": sorted(set(found.contradicted["column"]))}
        told.append({"origin": origin, "rows": int(past.sum()), "settings": dict(found.settings), **held})
        progress(city.name, k + 1, len(stretches))
    return pd.concat(parts, ignore_index=True), told


def _boosted(settings: Mapping[str, Any]) -> Callable[[pd.DataFrame, Y, pd.DataFrame], Floats]:
    def fit(X: pd.DataFrame, y: Y, new: pd.DataFrame) -> Floats:
        both = pd.concat([X, new])
        levels = both.select_dtypes(exclude="number").astype("category")
        both = both.assign(**{name: levels[name].cat.codes.replace(-1, np.nan) for name in levels})
        columns = [f"x{j}" for j in range(both.shape[1])]
        own, later = (
            both.iloc[: len(X)].set_axis(columns, axis=1),
            both.iloc[len(X) :].set_axis(columns, axis=1),
        )
        model = lgb.LGBMClassifier(
            **settings, n_jobs=1, verbosity=-1, deterministic=True, force_row_wise=True
        )
        which = [f"x{j}" for j, name in enumerate(both) if name in levels]
        model.fit(own, y, categorical_feature=which)
        chance: Floats = np.asarray(model.predict_proba(later))[:, 1]
        return chance

    return fit


def _logistic(X: pd.DataFrame, y: Y, new: pd.DataFrame) -> Floats:
    both = pd.concat([X, new])
    numbers = both.select_dtypes("number").astype(np.float64)
    gone = numbers.isna().loc[:, lambda t: t.any()].astype(np.float64).add_suffix(" is missing")
    filled = numbers.fillna(numbers.iloc[: len(X)].median()).fillna(0.0)
    small = np.sign(filled) * np.log1p(filled.abs())
    dummies = pd.get_dummies(both.select_dtypes(exclude="number").astype("str"), dtype=float)
    wide = pd.concat([small, gone, dummies], axis=1).to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)).fit(wide[: len(X)], y)
    chance: Floats = model.predict_proba(wide[len(X) :])[:, 1]
    return chance


_SMALL = {"n_estimators": 200, "learning_rate": 0.05, "num_leaves": 8, "min_child_samples": 50}
BASELINES: Mapping[str, Callable[[pd.DataFrame, Y, pd.DataFrame], Floats]] = {
    "LightGBM, by hand": _boosted({}),
    "small LightGBM, by hand": _boosted(_SMALL),
    "logistic regression, by hand": _logistic,
    "LightGBM, general frame": _boosted({}),
}


def section(name: str, rows: pd.DataFrame, told: list[dict[str, Any]], replicates: int = REPLICATES) -> str:
    """Return what the page says of a city."""
    scores = {one: rows[one].to_numpy(np.float64) for one in (GENERAL, *BASELINES)}
    args: dict[str, Any] = {"cluster": rows["id"], "replicates": replicates}
    found = compare_rankings(rows["y"], scores, rows["day"], group=rows["stretch"], **args)
    title = f"## {name}: {number(len(rows))} rows, {number(int(rows['y'].sum()))} events\n"
    head = ["| | AUC | general path less this | days earlier | general path less this | calibration error |"]
    lines = [*head, "|---|---|---|---|---|---|"]
    worst, error_text = 0.0, ""
    for one, score in scores.items():
        auc, days = found.row(one, "auc", "within"), found.row(one, "days_earlier", "within")
        error = calibration_error(rows["y"], score)
        chance = float(np.quantile(calibration_error_null(score, replicates=199), 0.95))
        off = "" if error <= chance else ", off"
        cells = [one, _shown(auc, 3), _behind(auc, 3), _shown(days, 2), _behind(days, 2)]
        lines.append("| " + " | ".join([*cells, f"{number(error, 3)} ({number(chance, 3)}{off})"]) + " |")
        if one == GENERAL:
            error_text = "The level is off" if off else "The level holds"
        elif one in HAND:
            worst = max(worst, float(auc["difference"]))
    met = f"{'no more' if worst <= ALLOWED else 'more'} than the {number(ALLOWED, 3)} allowed"
    behind = f"behind the better LightGBM by hand by {number(worst, 3)} of AUC, {met}"
    whole = behind if worst > 0 else "ahead of either LightGBM by hand"
    apart = [(_most_behind(rows[rows["stretch"] == one["origin"]]), one["origin"]) for one in told]
    said = [
        f"Over all stretches the general path is {whole}.",
        f"In a single stretch it is behind by {number(max(apart)[0], 3)} at most, from {max(apart)[1]}.",
        f"{error_text} in these stretches, by calibration error.\n",
        "| from | rows before | rows after | events | level carried over held | signs dropped | "
        f"{' | '.join(scores)} |",
        "|---|---|---|---|---|---|" + "---|" * len(scores),
    ]
    for one in told:
        part = rows[rows["stretch"] == one["origin"]]
        cells = [one["origin"], number(one["rows"]), number(len(part)), number(int(part["y"].sum()))]
        cells += ["yes" if one["held"] else "no", str(len(one["dropped"]))]
        said.append(
            "| " + " | ".join([*cells, *(number(auc_of(part["y"], part[n]), 3) for n in scores)]) + " |"
        )
    return "\n".join(["", title, *lines, "", *said, ""])


def _most_behind(part: pd.DataFrame) -> float:
    """Return by how much AUC the general path is behind the better LightGBM by hand in a stretch."""
    own, *others = (auc_of(part["y"], part[name]) for name in (GENERAL, *HAND))
    return max(others) - own


def _shown(row: pd.Series, digits: int) -> str:
    return f"{number(row['value'], digits)} {interval(row['low'], row['high'], digits)}"


def _behind(row: pd.Series, digits: int) -> str:
    """Return how far the general path, which is the first score, is ahead of another."""
    if pd.isna(row["difference"]):
        return ""
    less = interval(-row["difference_high"], -row["difference_low"], digits)
    return f"{signed(-row['difference'], digits)} {less}"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=int, default=BUDGET, help="settings to try beside the stated ones")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    with show() as progress:
        parts = [
            section(city.name, *foretold(city, given.budget, progress))
            for city in (chicago_city(given.folder), rentsafe_city(given.folder))
        ]
    given.page.write_text(head(given.budget) + "".join(parts), "utf-8")


def head(budget: int, replicates: int = REPLICATES) -> str:
    """Return the beginning of the page."""
    tried = f"the best of {budget + 1} settings at rolling origins" if budget else "in its stated settings"
    small = ", ".join(f"{name} {value}" for name, value in _SMALL.items())
    return HEAD.format(tried=tried, small=small, replicates=number(replicates))


if __name__ == "__main__":
    main()
