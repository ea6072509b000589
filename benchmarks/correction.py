"""How right the risk is on average, by how it was trained: ``python -m benchmarks.correction``.

Cities are made under three strengths of selection into inspection, models are trained on their records in
the ways that tierkit offers, and the mean probability that each gives over all enterprises is held against
the truth, which only the engine knows. Writes docs/correction.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr, t

from tierkit.city.engine import run
from tierkit.city.engine.kernels import REFERENCE_DEPTH
from tierkit.city.engine.rules import compile_rules
from tierkit.city.synth import make
from tierkit.city.world import State, World
from tierkit.features import build
from tierkit.policy import Policy
from tierkit.progress import show
from tierkit.scores.fitting import Level
from tierkit.scores.refitting import refit_risk
from tierkit.scores.training_rows import Scheme, time_split, training_frame

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "correction.md"
ENTERPRISES, SEEDS, WEEKS = 40_000, 20, 26


class Selection(NamedTuple):
    """How inspections are chosen."""

    recorded: float  # log-odds of being drawn per standard deviation of recorded conduct
    hidden: float  # the same, of what no record holds
    floor: float = 0.03  # random audits by obligation and year; the law asks for 3 %


SELECTIONS = {
    "weak": Selection(0.25, 0.0),
    "middling": Selection(0.5, 0.0),
    "strong": Selection(1.0, 0.5),
    "strong, few audits": Selection(1.0, 0.5, 0.01),
}
WAYS: dict[str, tuple[Scheme, Level]] = {
    "naive": ("naive", "scheme"),
    "weighted": ("weighted", "scheme"),
    "random": ("random", "scheme"),
    "weighted, level by audits": ("weighted", "audits"),
}
BOUND = 1.0
"""Percentage points within which a corrected model's mean has to be."""
HEAD = """\
# How far the records mislead, and what corrects them

The lists of inspections show those who were chosen. This page measures what that does to the mean risk, and
which training sets it right.

The risk is the probability that one standard on-site audit of an enterprise (reference depth, average
inspector, an obligation drawn by lot among its own), on a random date in the next 180 days, finds at least
a minor violation. On a synthetic city the engine knows it: the run goes on for {weeks} weeks under the same
policy, and the share of weeks in which an obligation is in violation, times the probability of detection, is
averaged over the obligations of each enterprise. No model sees this.

`python -m benchmarks.correction` makes this page: {seeds} cities of {enterprises:,} enterprises for each way
of choosing whom to inspect, two years of records under the legacy policy, 3 random audits a year by 100
obligations (the law asks for 3 %; in the last table 1, the default of the presets), the stated settings of
`tierkit train`, everybody scored at the end of the records. The records hold triggered and follow-up checks
throughout.

- *naive* takes every row as it comes, triggered ones too.
- *weighted* takes random audits and routine checks, each by one over the probability that the records
  explain; this is the default.
- *random* takes the random audits alone.
- *weighted, level by audits* grows the trees as *weighted* does and takes the level of the calibration from
  random audits alone, cross-fitted (`tierkit train --level audits`).

Error is the mean probability less the mean truth over **all** enterprises on the register, in percentage
points; its interval is Student's 95 % interval of the mean over cities. *Within {bound:g} point* counts
cities. Rank correlation is Spearman's, of probability with truth.
"""


TAIL = """\
What triggers a check is not in the features, and what an inspector senses is in no record. So rows that were
chosen by either find more than audits of the same enterprises would, and a model that takes them as they come
says so of everybody. Weights undo the choice that the records explain and no more: what is left grows with
the part they do not hold, and with the share of routine rows among all. The random audits are free of both.
Alone they are few, and their level is as uncertain as their number says; trees grown on all weighted rows and
a level taken from all audits before the test part, cross-fitted, keep the order of the one and the level of
the other. What is corrected is the level: ranks gain nothing by it.
"""


def truth(world: World, policy: Policy, weeks: int = WEEKS) -> pd.Series:
    """Return the true risk of each enterprise on the register, by id: the share of coming weeks in violation.

    Parameters
    ----------
    world : World
        At the end of the records.
    policy : Policy
        Under which it goes on.
    weeks : int
        26 are the next 180 days, to the week.
    """
    owner = world.fixed.enterprise.astype(np.int64)
    bad, there = np.zeros(world.obligations), np.zeros(world.obligations)

    def observe(week: int, state: State) -> None:
        here = (week < state.left)[owner]
        bad[:] += here & (state.violation > 0)
        there[:] += here

    run(world, policy, weeks, observe=observe)
    detect = np.asarray(compile_rules(policy, world, 0.0).detect, np.float64)[:, :, REFERENCE_DEPTH] / 2.0**32
    alive = world.alive()[owner]
    chance = (bad / np.maximum(there, 1) * detect.mean(axis=1)[world.fixed.agency])[alive]
    return pd.Series(chance).groupby(world.ids[owner][alive]).mean()


def errors(selection: str, seed: int, enterprises: int, ways: Sequence[str] = tuple(WAYS)) -> pd.DataFrame:
    """Make a city and train each way; return a row each: both means, rank correlation, counts."""
    recorded, hidden, floor = SELECTIONS[selection]
    policy = Policy.load("legacy").reform(
        {
            "scoring.rule_gradient": recorded,
            "scoring.hidden_gradient": hidden,
            "frequency.random_floor": floor,
        },
        name="legacy, other lots",
    )
    data, world = make(enterprises, seed, policy=policy)
    X = build(data, world.date)
    known = truth(world, policy)
    X = X[X.index.isin(known.index)]  # who left on this very day is still on the register as it was known
    right = known.reindex(X.index).to_numpy()
    rows = []
    for way in ways:
        scheme, level = WAYS[way]
        frame = training_frame(data, world.date, scheme)
        model = refit_risk(frame, time_split(frame.rows["as_of"]), level=level).risk
        told = model.predict_proba(X[list(model.inputs_.names)])[:, 1]
        row = {
            "selection": selection, "seed": seed, "way": way, "truth": 100 * right.mean(),
            "predicted": 100 * told.mean(), "rank": float(spearmanr(told, right).statistic),
            "rows": len(frame.y), "audits": int((frame.rows["channel"] == "random").sum()),
            "triggered": int(frame.rows["channel"].isin(["trigger", "followup"]).sum()),
        }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows).assign(error=lambda table: table["predicted"] - table["truth"])


def interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return mean, low and high of the 95 % Student interval over cities."""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """Return by selection and way the mean error, its interval, cities within the bound, rank correlation."""
    rows = []
    for (selection, way), part in found.groupby(["selection", "way"], sort=False):
        mean, low, high = interval(part["error"].to_numpy())
        row = {
            "selection": selection, "way": way, "n": len(part), "truth": part["truth"].mean(),
            "predicted": part["predicted"].mean(), "error": mean, "low": low, "high": high,
            "sd": part["error"].std(ddof=1), "within": int((part["error"].abs() <= BOUND).sum()),
            "rank": part["rank"].mean(), "rows": part["rows"].mean(), "audits": part["audits"].mean(),
            "triggered": part["triggered"].mean(),
        }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)


def told(table: pd.DataFrame) -> list[str]:
    """Return the table as lines of Markdown, one table for each selection."""
    lines: list[str] = []
    for selection, part in table.groupby("selection", sort=False):
        recorded, hidden, floor = SELECTIONS[str(selection)]
        lines += [
            f"## {str(selection).capitalize()}: {recorded:g} on recorded conduct, "
            f"{hidden:g} on what no record holds, floor {floor:g}",
            "",
            "| trained | rows | of them audits | truth | predicted | error | 95 % interval | SD over cities "
            f"| within {BOUND:g} point | rank correlation |",
            "|---" * 10 + "|",
        ]
        lines += [
            f"| {one.way} | {one.rows:,.0f} | {one.audits:,.0f} | {one.truth:.2f} % | {one.predicted:.2f} % "
            f"| {one.error:+.2f} | {one.low:+.2f} … {one.high:+.2f} | {one.sd:.2f} "
            f"| {one.within} of {one.n} | {one.rank:.3f} |"
            for one in part.itertuples()
        ]
        lines.append("")
    return lines


def verdict(table: pd.DataFrame) -> list[str]:
    """Return what the table says of the requirement, as lines of Markdown."""
    lines = ["## What follows", ""]
    for selection, part in table.groupby("selection", sort=False):
        inside = [one.way for one in part.itertuples() if max(-one.low, one.high) < BOUND]
        outside = [one.way for one in part.itertuples() if one.low > BOUND or one.high < -BOUND]
        undecided = [one.way for one in part.itertuples() if one.way not in (*inside, *outside)]
        said = [
            f"{what}: {'; '.join(f'*{way}*' for way in ways)}"
            for what, ways in (
                (f"whole interval within {BOUND:g} point of the truth", inside),
                (f"whole interval beyond {BOUND:g} point", outside),
                ("undecided", undecided),
            )
            if ways
        ]
        off = [one.way for one in part.itertuples() if one.low > 0 or one.high < 0]
        said += [f"interval that leaves out 0: {'; '.join(f'*{way}*' for way in off)}"] if off else []
        ranks = part.set_index("way")["rank"]
        said.append(f"naive ranks {'no worse' if ranks['naive'] >= ranks.max() else 'worse'} than the others")
        lines.append(f"- {str(selection).capitalize()}. {'. '.join(one.capitalize() for one in said)}.")
    return lines


def study(
    selections: Sequence[str], seeds: int, enterprises: int,
    progress: Callable[[int, int], None], threads: int = 2,
) -> pd.DataFrame:  # fmt: skip
    """Return the errors of all cities."""
    tasks = [(selection, seed) for selection in selections for seed in range(1, seeds + 1)]
    done: list[int] = []

    def one(task: tuple[str, int]) -> pd.DataFrame:
        found = errors(*task, enterprises)
        done.append(1)
        progress(len(done), len(tasks))
        return found

    with ThreadPoolExecutor(threads) as pool:
        return pd.concat(pool.map(one, tasks), ignore_index=True)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.correction", description=__doc__)
    parser.add_argument("--enterprises", type=int, default=ENTERPRISES)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    with show() as progress:
        found = study(tuple(SELECTIONS), given.seeds, given.enterprises, partial(progress, "cities"))
    table = summary(found)
    head = HEAD.format(weeks=WEEKS, seeds=given.seeds, enterprises=given.enterprises, bound=BOUND)
    lines = [*head.splitlines(), "", *told(table), *verdict(table), "", *TAIL.splitlines(), ""]
    given.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
