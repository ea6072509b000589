"""Scores on real public records: ``python -m benchmarks.real_records FOLDER`` writes docs/real_records.md.

FOLDER holds ``chicago_food/chicago_canvass.csv.gz`` and ``toronto_rentsafe/evaluations_2017_2023.csv.gz``.
Chicago's model is chosen first, into ``--frozen``, and its hash is printed before its window is opened.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from studies import chicago
from studies.rentsafe import ladder as rentsafe
from studies.rentsafe import risk as rentsafe_risk
from tierkit.evaluate import compare_rankings, ranking
from tierkit.texts import interval, number, percent, signed

PAGE = Path(__file__).parent.parent / "docs" / "real_records.md"
REPLICATES = 1999
NAMES = {
    "published": "published model, with inspectors",
    "blind": "published model, without inspectors",
    "inspectors": "inspector group alone",
    "tierkit": "tierkit's model",
}
CHICAGO = """\
# Real records

What scores are worth on records that anybody can fetch, as it came out. `python -m benchmarks.real_records
FOLDER` writes this page again; [the notebook](../notebooks/08_real_records.ipynb) shows the figures. The
records are not in this project: FOLDER holds

- `chicago_food/chicago_canvass.csv.gz`, 27,600 canvass inspections of retail food, 2011-09-02 to
  2014-12-30, made from the city's evaluation (github.com/Chicago/food-inspections-evaluation at 603d8db;
  MIT licence), a row an inspection; `studies.chicago.read` says which columns;
- `toronto_rentsafe/evaluations_2017_2023.csv.gz`, 11,751 evaluations of apartment buildings, 2017-09-13 to
  2023-02-24 (github.com/billy-enrizky/Toronto_Apartment_Project at 222582b; Open Government Licence –
  Toronto).

Tests on them, and the notebook, look for FOLDER in the environment variable `TIERKIT_REALDATA`, and leave out
what is not there.

## Chicago: critical violations found earlier

The city's evaluation of 2015: keep the number of inspections of each day, reorder by score, and critical
violations are found 7.44 days earlier on average, 69 % of them in the first half of the inspections against
55 %. Window: 2 September to 31 October 2014, {n} inspections, {events} with a critical violation. Reproduced
by `tierkit.evaluate.order.ranking` with the model fitted again (maximum likelihood; the city used a ridge
penalty):

{table}

*Within*: each of the six inspector groups keeps its own dates. Intervals are 95 %, from {replicates}
bootstrap samples of licences; ties count as the mean over all their orders. Between worst and best order of
ties, the inspector group alone gains {worst} to {best} days pooled. A random order gains {random} (standard
deviation {random_sd}) pooled and {random_within} ({random_within_sd}) within; an order by the outcomes
{oracle} and {oracle_within}. Random order loses days because the order that was kept found more early,
September being the worse month.

**What is left of the published result.** Groups find from 3 to 43 % in the window. With each keeping their
own dates 7.4 days become {within}, an interval that holds zero: no sure gain over the order that was kept,
though more than a random order within inspectors (which loses {lost}; p = {p}, scores shuffled within
inspectors). The inspector group alone, which says nothing of who violates, has {alone} of the {pooled} days.

**tierkit's model** was chosen on inspections before 2014-09-02 alone: {tried} settings drawn from a grid of
{grid}, each fitted to what came before six dates and tried on the two months from there on (March 2013 to
February 2014), by days earlier with each inspector keeping their own dates (best {best_tried}, worst
{worst_tried}). It reads what was known on the first day of the window: no weather, no complaints of the days
themselves, both of which the published model has. It was frozen as

`{sha256}`

(SHA-256 of `model.json`) before the window was opened; `studies.chicago.open_window` opens for a frozen hash
alone. The hash was in this page's history before its figures were.

Chosen: `{settings}`.

| paired difference from the published model | days earlier | AUC |
|---|---|---|
| pooled | {pooled_days} | {pooled_auc} |
| each inspector keeping their own dates | {within_days} | {within_auc} |

The window was opened for this model alone. It is one window of two months in one city; six groups of
inspectors are taken as they are.
"""
RENTSAFE = """\

## RentSafe: is the next score 65 or less?

For each of {n} buildings evaluated before 2021-01-01 and again from then on: is that next score 65 or less
({events} are)? Grown on {trained} pairs of evaluations up to 2019, calibrated on {calibrated} of 2020.
Columns and settings are the best of twelve on 2020.

| | AUC | difference, paired |
|---|---|---|
| last score alone | {last} | |
| tierkit's model | {model} | {difference} |

The two are not told apart: the difference is above −0.01, the lower end of its interval is not. Also tried,
after this: trees grown on 2020 too, calibrated out of fold. AUC 0.832, difference −0.004 [−0.016, 0.009],
calibration error 0.031.

Calibration error over ten bins of equal counts: {error}; if every probability were right, it would be below
{by_chance} in 95 % of cases. The model is **not calibrated** for these years:

| n | predicted | came true |
|---|---|---|
{bins}

It says {said} on average and {came} came true. The order held, the level did not: from 2021 on buildings were
scored lower than buildings like them before; [backtest.md](backtest.md) sees the same.
"""


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frozen", type=Path, help="where the chosen model is written, or was")
    parser.add_argument("--page", type=Path, default=PAGE)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        text = of_chicago(given.folder, given.frozen or Path(scratch) / "frozen")
    args = rentsafe.read(
        given.folder / "toronto_rentsafe/evaluations_2017_2023.csv.gz", rentsafe_risk.COLUMNS
    )
    given.page.write_text(text + of_rentsafe(rentsafe_risk.next_score(args, replicates=REPLICATES)), "utf-8")


def shown(row: Mapping[Any, Any] | pd.Series, digits: int, name: str = "value") -> str:
    """Return a value and its interval."""
    difference = name == "difference"
    low, high = (row["difference_low"], row["difference_high"]) if difference else (row["low"], row["high"])
    value = signed(row[name], digits) if difference else number(row[name], digits)
    return f"{value} {interval(low, high, digits)}"


def of_chicago(folder: Path, frozen: Path) -> str:
    """Return the section on Chicago; the model is chosen first, unless its folder is there."""
    records = chicago.read(folder / "chicago_food/chicago_canvass.csv.gz")
    if not frozen.exists():
        chicago.choose(records, frozen)
    choice = json.loads((frozen / "choice.json").read_text("utf-8"))
    print(f"frozen as {choice['sha256']}", flush=True)  # said before the window is opened
    rows = chicago.window(records)
    scores = {
        "published": chicago.published(records),
        "blind": chicago.published(records, inspectors=False),
        "inspectors": chicago.inspectors_alone(records),
        "tierkit": chicago.open_window(records, frozen, choice["sha256"]),
    }
    args: dict[str, Any] = {
        "group": rows["inspector_group"],
        "cluster": rows["license"],
        "replicates": REPLICATES,
    }
    outcome, dates = rows["critical_found"], rows["inspection_date"]
    found = {name: ranking(outcome, one, dates, **args) for name, one in scores.items()}
    both = compare_rankings(outcome, {name: scores[name] for name in ("published", "tierkit")}, dates, **args)
    lines = ["| | AUC | days earlier | within | first half finds |", "|---|---|---|---|---|"]
    for name, one in found.items():
        half = one.row("capture", capacity=0.5)
        days = [shown(one.row("days_earlier", order), 2) for order in ("pooled", "within")]
        first = f"{percent(half['value'])}, was {percent(half['as_made'])}"
        lines.append(" | ".join([f"| {NAMES[name]}", shown(one.row("auc"), 3), *days, f"{first} |"]))
    pooled, within = (found["published"].row("days_earlier", order) for order in ("pooled", "within"))
    alone = found["inspectors"].row("days_earlier")
    change = {
        f"{order}_{short}": shown(both.row("tierkit", measure, order), digits, "difference")
        for order in ("pooled", "within")
        for short, measure, digits in (("days", "days_earlier", 2), ("auc", "auc", 3))
    }
    tried = pd.DataFrame(choice["tried"])["within"]
    cells = 1
    for values in chicago.GRID.values():
        cells *= len(values)
    return CHICAGO.format(
        n=number(len(rows)),
        events=number(int(outcome.sum())),
        table="\n".join(lines),
        replicates=number(REPLICATES),
        worst=number(alone["worst"], 1),
        best=number(alone["best"], 1),
        random=number(pooled["random"], 1),
        random_sd=number(pooled["random_sd"], 1),
        random_within=number(within["random"], 1),
        random_within_sd=number(within["random_sd"], 1),
        oracle=number(pooled["oracle"], 1),
        oracle_within=number(within["oracle"], 1),
        within=shown(within, 2),
        lost=number(-within["random"], 1),
        p=f"{within['p_value']:.4f}",
        alone=number(alone["value"], 1),
        pooled=number(pooled["value"], 1),
        tried=choice["budget"],
        grid=cells,
        best_tried=number(tried.max(), 2),
        worst_tried=number(tried.min(), 2),
        sha256=choice["sha256"],
        settings=json.dumps(choice["settings"]),
        **change,
    )


def of_rentsafe(found: rentsafe_risk.NextScore) -> str:
    """Return the section on RentSafe."""
    both = {row["score"]: row for row in found.summary().to_dict("records")}
    bins = [
        f"| {number(row['n'])} | {percent(row['predicted'], 1)} | {percent(row['observed'], 1)} "
        f"{interval(100 * row['low'], 100 * row['high'], 1)} |"
        for row in found.calibration.to_dict("records")
    ]
    return RENTSAFE.format(
        n=number(len(found.rows)),
        events=number(int(found.rows["low"].sum())),
        trained=number(found.trained),
        calibrated=number(found.calibrated),
        last=shown(both["last score"], 3),
        model=shown(both["model"], 3),
        difference=shown(both["model"], 3, "difference"),
        error=number(found.error, 3),
        by_chance=number(found.error_by_chance, 3),
        bins="\n".join(bins),
        said=percent(float(found.rows["probability"].mean()), 1),
        came=percent(float(found.rows["low"].mean()), 1),
    )


if __name__ == "__main__":
    main()
