"""Do the intervals hold the mean over many cities: ``python -m benchmarks.widths`` makes docs/widths.md.

Each repetition takes a few cities that nobody else uses, makes the interval of the mean over cities from them
(`tierkit.compare.worlds.over_worlds`), and asks whether it holds the mean over all the other cities. Beside
it stands the interval over draws alone from the first of the cities, as one comparison on one city gives it.
What was run is kept in ``build/widths``, one file for each city, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom

from tierkit.compare.comparison import IN_SHORT
from tierkit.compare.intervals import mean_interval
from tierkit.compare.measures import SHARES
from tierkit.compare.spread import Spread
from tierkit.compare.worlds import ARMS, one_world
from tierkit.policy import PLANS, Policy
from tierkit.texts import number, policy_label, text

BASELINE = "legacy"
SEED = 1946
RUNS = 2
"""Runs of each policy that count in a city; the first city of a repetition has more, for the draws alone."""


def run(
    folder: Path, *, repetitions: int, worlds: int, enterprises: int, draws: int, minutes: float, threads: int
) -> pd.DataFrame:
    """Return the runs of all cities, those that were kept among them; stop early when time is up."""
    folder.mkdir(parents=True, exist_ok=True)
    policies = [Policy.load(name) for name in (BASELINE, *PLANS)]
    started, parts = time.monotonic(), []
    for at in range(repetitions * worlds):
        first = at % worlds == 0
        file = folder / f"{enterprises}-{worlds}-{draws}-{at:04d}.parquet"
        if not file.exists():
            if time.monotonic() - started > 60 * minutes:
                break
            one_world(
                at, policies, enterprises=enterprises, cutoffs=ARMS, seed=SEED, threads=threads,
                replicates=draws if first else RUNS,
            ).to_parquet(file)  # fmt: skip
            print(f"city {at + 1} of {repetitions * worlds}", flush=True)
        parts.append(pd.read_parquet(file))
    whole = len(parts) // worlds * worlds
    return pd.concat(parts[:whole], ignore_index=True)


def changes(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the change of each city: a ratio of sums for counts, a mean difference for shares."""
    keys = ["cutoffs", "policy", "measure", "world"]
    means = runs[runs["replicate"] < RUNS].groupby(keys, observed=True)[["value", "baseline_value"]].mean()
    share = means.index.get_level_values("measure").isin(list(SHARES))
    ratio = means["value"] / means["baseline_value"] - 1
    return means.assign(change=np.where(share, means["value"] - means["baseline_value"], ratio))["change"]


def one_run(runs: pd.DataFrame, key: tuple[str, str, str], world: int) -> float:
    """Return the change of the first run in a city."""
    arm, policy, measure = key
    mine = runs[
        (runs["cutoffs"] == arm)
        & (runs["policy"] == policy)
        & (runs["measure"] == measure)
        & (runs["world"] == world)
        & (runs["replicate"] == 0)
    ].iloc[0]
    value, base = float(mine["value"]), float(mine["baseline_value"])
    return value - base if measure in SHARES else value / base - 1


def covered(runs: pd.DataFrame, worlds: int, enterprises: int) -> pd.DataFrame:
    """Return by cut-offs, plan and measure how often each interval held the mean over the other cities."""
    of_world = changes(runs)
    names = (BASELINE, *PLANS)
    told = []
    for first in range(0, int(runs["world"].max()) + 1, worlds):
        mine = runs[runs["world"].between(first, first + worlds - 1)]
        spread = Spread.of(
            mine[mine["replicate"] < RUNS], names, kappa=0.1, weeks=52, enterprises=enterprises
        )
        rows = spread.rows[spread.rows["within"] == "world"].set_index(["cutoffs", "policy", "measure"])
        own = mine[mine["world"] == first]
        for key, row in rows.iterrows():
            here = of_world.loc[key]
            following = one_run(runs, key, (first + worlds) % len(here))
            truth = float(here[~here.index.isin(range(first, first + worlds))].mean())
            arm, policy, measure = key
            alone = own[(own["cutoffs"] == arm) & (own["policy"] == policy) & (own["measure"] == measure)]
            value, base = (alone[name].to_numpy(float) for name in ("value", "baseline_value"))
            scale = 1.0 if measure in SHARES else base.mean()
            _, low, high = mean_interval(value - base)
            told.append(
                {
                    "cutoffs": arm, "policy": policy, "measure": measure, "truth": truth,
                    "world": row["low"] <= truth <= row["high"], "half": (row["high"] - row["low"]) / 2,
                    "one": row["one_low"] <= following <= row["one_high"],
                    "draws": low / scale <= truth <= high / scale, "half_draws": (high - low) / 2 / scale,
                }
            )  # fmt: skip
    return pd.DataFrame(told)


def page(runs: pd.DataFrame, found: pd.DataFrame, worlds: int, enterprises: int, draws: int) -> str:
    """Return the page."""
    n = len(found) // (found.groupby(["cutoffs", "policy", "measure"]).ngroups)
    low, high = (int(one) for one in binom.ppf([0.025, 0.975], n, 0.95))
    of_world = changes(runs).groupby(["cutoffs", "policy", "measure"], observed=True)
    sd, mean = of_world.std(), of_world.mean()
    count = runs["world"].nunique()
    lines = [
        "# How wide an interval has to be",
        "",
        f"`python -m benchmarks.widths` made this page from {count} cities of {enterprises:,}",
        "enterprises, made by the same parameters, each with a model trained on its own records, over",
        f"52 weeks at κ = 0.1. A repetition is {worlds} cities with {RUNS} runs of each policy; there",
        f"were {n}. **cities**: how many of their intervals of the mean over cities (Student's,",
        f"`tierkit.compare.nested`) held the mean over all other cities; of 95 % intervals {low} to",
        f"{high} of {n} do. **one more**: how many intervals of one more city held the first",
        f"run of the next. **draws**: how many intervals over {draws} draws of one city and its model alone",
        "held the same mean. Half widths beside them, in per cent of the baseline's value or in",
        "points (finding rate).",
        "",
        "| plan | measure | mean | SD over cities | cities | half width | one more | draws | half width |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    mine = found[found["cutoffs"] == ARMS[0]]
    for policy in PLANS:
        for measure in IN_SHORT:
            rows = mine[(mine["policy"] == policy) & (mine["measure"] == measure)]
            key = (ARMS[0], policy, measure)
            cells = [
                policy_label(policy, "en"), text(f"measure.{measure}", "en"),
                number(100 * mean[key], 2), number(100 * sd[key], 2), f"{int(rows['world'].sum())} of {n}",
                number(100 * rows["half"].mean(), 2), f"{int(rows['one'].sum())} of {n}",
                f"{int(rows['draws'].sum())} of {n}", number(100 * rows["half_draws"].mean(), 2),
            ]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    whole = {arm: found[found["cutoffs"] == arm][["world", "one", "draws"]].mean() for arm in ARMS}
    again = whole[ARMS[0]]
    lines += [
        "",
        f"All together: {again['world']:.1%} (cities), {again['one']:.1%} (one more), {again['draws']:.1%} "
        "(draws alone).",
        "",
        "## What setting cut-offs again leaves of the spread",
        "",
        "SD over cities of the change, in per cent of the baseline's value or in points, with",
        "cut-offs set again to the target shares on each model's own scores, and as the plans state them;",
        f"and the share of the variance left. What {RUNS} runs leave of the draws is in both.",
        "",
        "| plan | measure | set again | as stated | variance left |",
        "|---|---|---|---|---|",
    ]
    for policy in PLANS:
        for measure in IN_SHORT:
            both = [100 * sd[arm, policy, measure] for arm in ARMS]
            cells = [
                policy_label(policy, "en"), text(f"measure.{measure}", "en"), *(number(one, 2) for one in
                both), f"{both[0] ** 2 / both[1] ** 2:.0%}",
            ]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what was asked for, and write the page."""
    about = argparse.ArgumentParser(prog="python -m benchmarks.widths", description=__doc__.splitlines()[0])
    about.add_argument("--repetitions", type=int, default=40)
    about.add_argument("--worlds", type=int, default=5, help="cities of a repetition")
    about.add_argument("--enterprises", type=int, default=5_000)
    about.add_argument("--draws", type=int, default=8, help="runs of the first city of a repetition")
    about.add_argument("--minutes", type=float, default=60.0, help="after which no city is begun")
    about.add_argument("--threads", type=int, default=2)
    about.add_argument("--folder", type=Path, default=Path("build/widths"))
    about.add_argument("--out", type=Path, default=Path("docs/widths.md"))
    asked = about.parse_args()
    runs = run(
        asked.folder, repetitions=asked.repetitions, worlds=asked.worlds, enterprises=asked.enterprises,
        draws=asked.draws, minutes=asked.minutes, threads=asked.threads,
    )  # fmt: skip
    found = covered(runs, asked.worlds, asked.enterprises)
    asked.out.write_text(page(runs, found, asked.worlds, asked.enterprises, asked.draws), encoding="utf-8")
    print(f"wrote {asked.out}")


if __name__ == "__main__":
    main()
