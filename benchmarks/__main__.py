"""Measure the main parts and write the table: ``make bench``.

Each figure is the median of three runs after a warm-up. Timings say nothing by themselves; take the
ratios, and measure again side by side on the machine at hand.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))  # the plain engine is a test's oracle

from plain_engine import plain_run  # noqa: E402  needs the path above

from tierkit import explain, features, training  # noqa: E402
from tierkit.keyed_random import Block, pack, philox_many  # noqa: E402
from tierkit.policy import Policy  # noqa: E402
from tierkit.risk import RiskModel  # noqa: E402
from tierkit.simulate import run  # noqa: E402
from tierkit.synth import make  # noqa: E402
from tierkit.world import Frame  # noqa: E402

RUNS = 3
WEEKS = 26
PACKAGES = ("numpy", "numba", "pandas", "duckdb", "lightgbm", "shap", "optbinning", "scikit-learn")


def seconds(task: Callable[[], object], runs: int = RUNS) -> float:
    """Return the median wall time of a task."""
    task()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        task()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def engine(world: Frame, threads: int) -> float:
    """Return enterprise-weeks a second of the full model, all instruments of Jinshan's plan on."""
    policy = Policy.load("jinshan-2025")
    spent = seconds(lambda: run(world, policy, WEEKS, kappa=0.1, threads=threads))
    return int(world.alive().sum()) * WEEKS / spent


def main() -> None:
    """Print the table and write it to results.md."""
    rows: list[tuple[str, str, str]] = []

    def row(what: str, value: float, unit: str, beside: str = "") -> None:
        rows.append((what, f"{value:,.3g} {unit}", beside))
        print(f"{what:<60} {value:>12,.4g} {unit}  {beside}", flush=True)

    small = make(1_000, seed=1)[1]
    plain_seconds = seconds(lambda: plain_run(small, Policy.load("jinshan-2025"), WEEKS, kappa=0.1), 1)
    plain = int(small.alive().sum()) * WEEKS / plain_seconds
    row("plain engine of the tests, 1,000 enterprises", plain, "enterprise-weeks/s")
    fast = engine(small, 1)
    row(
        "engine, 1,000 enterprises, one thread",
        fast,
        "enterprise-weeks/s",
        f"{fast / plain:,.0f} times plain",
    )
    for size in (10_000, 100_000):
        world = make(size, seed=1, threads=2)[1]
        one = engine(world, 1)
        row(
            f"engine, {size:,} enterprises, one thread",
            one,
            "enterprise-weeks/s",
            f"{one / plain:,.0f} times plain",
        )
        two = engine(world, 2)
        row(
            f"engine, {size:,} enterprises, two threads",
            two,
            "enterprise-weeks/s",
            f"{two / one:.2f} times one thread",
        )
    counters = pack(range(1_000_000), 0, Block.WEEK, 3)
    spent = seconds(lambda: philox_many((1, 2), counters))
    row("floor: one block of draws an obligation and week, one thread", 1e6 / spent, "blocks/s")

    data, world = make(20_000, seed=1, threads=2)
    as_of = world.date
    spent = seconds(lambda: features.build(data, as_of, threads=2))
    X = features.build(data, as_of)
    row("features as of a date, 20,000 enterprises", len(X) / spent, "rows/s")
    rows_ = training.training_frame(data, as_of)
    spent = seconds(lambda: RiskModel(num_threads=2).fit(rows_.X, rows_.y, rows_.weight))
    row(f"risk model, {len(rows_.X):,} rows", spent, "s")
    model = RiskModel(num_threads=2).fit(rows_.X, rows_.y, rows_.weight)
    spent = seconds(lambda: explain.contributions(model, X))
    row("exact SHAP values", len(X) / spent, "rows/s")

    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    text = [
        "# Speed and memory",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {versions}. "
        f"Medians of {RUNS}; {WEEKS} weeks of the full model under Jinshan's plan, κ = 0.1. "
        f"Largest resident memory of the whole program {memory:.2f} GiB. `make bench` measures again.",
        "",
        "| what | figure | beside |",
        "|---|---|---|",
        *(f"| {what} | {value} | {beside} |" for what, value, beside in rows),
        "",
    ]
    Path(__file__).with_name("results.md").write_text("\n".join(text), encoding="utf-8")


if __name__ == "__main__":
    main()
