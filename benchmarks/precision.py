"""How much the keyed draws sharpen a comparison: ``python -m benchmarks.precision`` writes docs/precision.md.

The same comparison is made twice on the same world: under the same draws for baseline and reform, and with
draws of its own for each. The standard deviation of the difference over replicates makes an interval's width.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.synth import grow
from tierkit.city.world import World
from tierkit.compare.comparison import HEADLINE
from tierkit.compare.outcomes import run_and_measure
from tierkit.policy import Policy
from tierkit.progress import show
from tierkit.texts import text

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "precision.md"
ENTERPRISES, WEEKS, REPLICATES, SEED, KAPPA = 20_000, 52, 60, 1, 0.1
APART = 1_000_000
"""What is added to the replicate of a reform's own draws."""
SMALL_REFORM = {"frequency.tier.T4.key": 2.0}
HEAD = """\
# How sharp a paired comparison is

The draws of a run are keyed by what they decide: seed and replicate, enterprise, obligation, week and
kind of decision ([engine.md](engine.md)). So a baseline and a reform meet the same falls, complaints,
lots and detections, and differ only where the policies do. This page says what that is worth on the
engine itself.

`python -m benchmarks.precision` makes it: {enterprises:,} enterprises, {weeks} weeks from the end of
the records, κ = {kappa:g}, {replicates} replicates, world and seed the same throughout.

- *Paired* is the standard deviation over replicates of the difference between reform and baseline under
  the same draws, as `compare` makes it.
- *Unpaired* is that of the same difference where the reform has draws of its own, as with one stream of
  random numbers that two policies use up at different places.
- The ratio says how many times wider the unpaired interval is. Its square says how many times as many
  replicates would make up for it.

Standard deviations from {replicates} replicates are known to about {error:.0%}, and ratios to half as
much again.
"""
TAIL = """\
## Where the draws come from

Every draw is a word of Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011), computed from its key by
`tierkit.city.keyed_random`; nothing is stored between draws, so order, threads and slices change none. The
tests show that

- the compiled generator gives the known answers of its authors, and the words of a second one written
  from the paper's definition (`tests/test_keyed_random.py`, `tests/test_draw_quality.py`);
- no two decisions share a block: the parts of a key lie in runs of bits of their own that fill the
  counter, and from every block its counter can be computed back;
- each lane is uniform, neighbours along each part of the key are independent and uncorrelated, lanes of
  a block are independent, and each bit of a key that is flipped changes every bit of output in half of
  the cases;
- the same checks find generators that are bad on purpose: fewer rounds, a key left out, packing that
  collides, a lane that echoes another, numbers that are too even.
"""


def differences(
    world: World, baseline: Policy, reforms: list[Policy], replicates: int, weeks: int,
    progress: Callable[[int, int], None],
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:  # fmt: skip
    """Return by reform the baseline's values and the paired and unpaired differences, shape (R, measures)."""
    jobs = [(baseline, 0), *((reform, apart) for reform in reforms for apart in (0, APART))]
    tasks = [(policy, apart + r) for policy, apart in jobs for r in range(replicates)]
    done: list[int] = []

    def one(task: tuple[Policy, int]) -> NDArray[np.float64]:
        policy, replicate = task
        outcome = run_and_measure(world, policy, weeks, seed=SEED, replicate=replicate, kappa=KAPPA)[1]
        values = outcome.values()
        values = values[values["group"] == "all"].set_index("measure")["value"]
        done.append(1)
        progress(len(done), len(tasks))
        return values.loc[list(HEADLINE)].to_numpy(np.float64)

    with ThreadPoolExecutor(2) as pool:
        found = np.stack(list(pool.map(one, tasks))).reshape(len(jobs), replicates, -1)
    return {
        reform.name: (found[0], found[1 + 2 * k] - found[0], found[2 + 2 * k] - found[0])
        for k, reform in enumerate(reforms)
    }


def table(
    base: NDArray[np.float64], paired: NDArray[np.float64], unpaired: NDArray[np.float64]
) -> pd.DataFrame:
    """Return a row a measure: baseline, difference, both standard deviations and their ratio."""
    one, other = paired.std(axis=0, ddof=1), unpaired.std(axis=0, ddof=1)
    ratio = np.divide(other, one, out=np.full_like(one, np.inf), where=one > 0)
    return pd.DataFrame(
        {
            "baseline": base.mean(axis=0), "difference": paired.mean(axis=0), "paired": one,
            "unpaired": other, "ratio": ratio, "replicates": ratio**2,
        },
        index=list(HEADLINE),
    )  # fmt: skip


def told(found: pd.DataFrame) -> list[str]:
    """Return a table as lines of Markdown, each number with three digits that say something."""
    lines = [
        "| measure | baseline | difference | SD paired | SD unpaired | ratio | replicates saved, times |"
    ]
    lines.append("|---" * 7 + "|")
    for name, row in found.iterrows():
        numbers = [f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" for value in row]
        lines.append(f"| {text(f'measure.{name}', 'en')} | {' | '.join(numbers)} |")
    return lines


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precision", description=__doc__)
    parser.add_argument("--enterprises", type=int, default=ENTERPRISES)
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    parser.add_argument("--weeks", type=int, default=WEEKS)
    parser.add_argument("--out", type=Path, default=PAGE)
    given = parser.parse_args()
    baseline, plan = Policy.load("legacy"), Policy.load("shanghai-2025")
    small = baseline.reform(SMALL_REFORM, name="small")
    with show() as progress:
        world = grow(given.enterprises, SEED, threads=2, progress=partial(progress, "drawing the city"))
        many = partial(progress, "comparing")
        found = differences(world, baseline, [plan, small], given.replicates, given.weeks, many)
    lines = HEAD.format(
        enterprises=given.enterprises, weeks=given.weeks, kappa=KAPPA, replicates=given.replicates,
        error=1 / np.sqrt(2 * (given.replicates - 1)),
    ).splitlines()  # fmt: skip
    change = ", ".join(f"`{name} = {value}`" for name, value in SMALL_REFORM.items())
    for title, reform in ((f"A whole plan: {plan.name}", plan), (f"A small reform: {change}", small)):
        lines += ["", f"## {title}, against {baseline.name}", "", *told(table(*found[reform.name]))]
    lines += ["", *TAIL.splitlines(), ""]
    given.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
