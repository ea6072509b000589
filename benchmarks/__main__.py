"""Measure speed and memory side by side in one run and write the tables: ``make bench``.

Every measurement has a process of its own, so that its peak of memory is its own, and says how busy the
machine was before it. Timings say nothing by themselves; take the ratios, and measure again on the machine
at hand. ``python -m benchmarks --quick`` does the same at small sizes, to see that it works.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import one as single
from benchmarks import pages
from benchmarks import reasons as shapley
from benchmarks.scorecards import WAYS, installed

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "numpy", "numba", "pandas", "mesa", "starsim", "duckdb", "lightgbm", "shap", "scikit-learn", "optbinning",
    "toad", "woodelf-explainer",
)  # fmt: skip
GENERATOR = "Philox4x32-10"
REACHABLE = 7.3e8
"""Enterprise-weeks a second that a prototype of the small model reached with two threads and keyed Philox."""
MILLION, CITY = 1_000_000, 3_400_000
POLICY = "shanghai-2025"


class Sizes(NamedTuple):
    """How much to measure."""

    small: tuple[int, ...]
    mesa: int  # enterprises of the largest small model that Mesa steps through a whole year
    engine: tuple[int, ...]
    plain: tuple[int, ...]
    city: int
    training: tuple[int, ...]
    rest: int
    rows: int  # to explain by a library that looks up; those that walk take a fiftieth
    background: int  # rows to explain against; a walk over all of them takes a thousandth of the rows
    weeks: int
    runs: int
    index: tuple[int, ...]  # rows of the page of a city


_TRIED = "--quick" in sys.argv[1:]
ENGINE = (10_000, 100_000, 340_000, CITY)
FULL = Sizes(
    (100_000, MILLION),
    100_000,
    ENGINE,
    (10_000, 100_000),
    CITY,
    (20_000, 100_000),
    20_000,
    100_000,
    1_000,
    26,
    3,
    (10_000, 100_000),
)
QUICK = Sizes((2_000,), 2_000, (400, 1_000), (400,), 400, (1_000,), 600, 1_000, 100, 4, 1, (1_000,))


class Table:
    """Rows of a table that is printed as it grows and written at the end."""

    def __init__(self, title: str, note: str, *head: str) -> None:
        self.lines = [f"## {title}", "", note, "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        print(f"\n{title}\n{' · '.join(head)}", flush=True)

    def row(self, *cells: str) -> None:
        """Add a row and print it."""
        self.lines.append(f"| {' | '.join(cells)} |")
        print("  " + " · ".join(cells), flush=True)


def child(what: str, **options: Any) -> dict[str, Any]:
    """Measure something in a process of its own; return what it found and the load of the machine before.

    Where it is only tried whether all works, at small sizes, most measurements share this process: importing
    the libraries again for each would take most of the time.
    """
    load = os.getloadavg()[0]
    if _TRIED and what != "fit":
        return json.loads(json.dumps(single.measure(what, **options))) | {"load": load}
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.one", json.dumps({"what": what, **options})],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found | {"load": load}


def sci(value: float) -> str:
    """Return a rate as 1.23e+08 is read most easily."""
    mantissa, power = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(power)}"


def mib(peak: float) -> str:
    """Return bytes in MiB."""
    return f"{peak / 2**20:,.0f}"


def small(sizes: Sizes) -> Table:
    """Measure the small model in every implementation that is installed."""
    table = Table(
        "The small model",
        f"52 weeks, inspection by tier rate, detection 0.7, reset on detection, hazard per enterprise. "
        f"tierkit draws by {GENERATOR}, keyed. Each first gives inspections and findings within 4 standard "
        f"errors of what is expected, over the year and in each quarter. Mesa and starsim have one thread. "
        f"Memory is that above the imports.",
        "implementation", "enterprises", "threads", "enterprise-weeks/s", "tierkit is … times as fast",
        "bytes an enterprise", "load before",
    )  # fmt: skip
    for size in sizes.small:
        peers = {way: peer(way, size, sizes) for way in ("starsim", "mesa")}
        for threads in (1, 2):
            options = {"enterprises": size, "threads": threads, "runs": 5, "check": sizes.small[0]}
            found = {way: child("small", way=way, **options) for way in ("tierkit", "numpy")} | peers
            mine = found["tierkit"]["rate"]
            for way, one in found.items():
                own = "1" if way in peers else str(threads)
                if one is None:
                    table.row(way, f"{size:,}", own, "not installed; `make bench` installs it", "", "", "")
                    continue
                times = f"{mine / one['rate']:,.1f} (tierkit on {threads})" if way != "tierkit" else ""
                cells = (sci(one["rate"]), times, f"{one['bytes']:,.0f}", f"{one['load']:.2f}")
                table.row(way, f"{size:,}", own, *cells)
    table.lines += [
        "",
        f"At {sizes.small[-1]:,} and two threads tierkit makes {mine / REACHABLE:.2f} times the "
        f"{sci(REACHABLE)} of a prototype with keyed Philox2x32-10; half of it was the aim.",
    ]
    return table


def peer(way: str, size: int, sizes: Sizes) -> dict[str, Any] | None:
    """Measure another library's implementation, if it is installed."""
    if importlib.util.find_spec(way) is None:
        return None
    # A year of a million of Mesa's agents takes minutes and tells no more than some weeks of it.
    weeks, runs = (52, sizes.runs) if way == "starsim" else (52 if size <= sizes.mesa else 6, 1)
    check = sizes.small[0] // 2
    return child("small", way=way, enterprises=size, threads=1, weeks=weeks, runs=runs, check=check)


def engine(sizes: Sizes) -> Table:
    """Measure the full model beside the plain engine of the tests."""
    table = Table(
        "The full model",
        f"{sizes.weeks} weeks under Jinshan's plan, κ = 0.1, from a city as drawn. The plain engine gives "
        f"the same bits. Peak is that of the process, imports and compiler included; bytes are those above "
        f"them, by obligation: world, first and running state, and all that a run needs.",
        "engine", "enterprises", "threads", "enterprise-weeks/s", "beside", "peak MiB", "bytes an obligation",
        "load before",
    )  # fmt: skip
    plain = {}
    for size in sizes.plain:
        one = plain[size] = child("plain", enterprises=size, weeks=sizes.weeks)
        table.row(
            "plain NumPy", f"{size:,}", "1", sci(one["rate"]), "", mib(one["peak"]), f"{one['bytes']:,.0f}",
            f"{one['load']:.2f}",
        )  # fmt: skip
    seconds = {}
    for size in sizes.engine:
        runs = 1 if size == max(sizes.engine) else sizes.runs
        found = child("engine", enterprises=size, threads=[1, 2], runs=runs, weeks=sizes.weeks)
        base = plain.get(size) or plain[max(sizes.plain)]
        for threads in ("1", "2"):
            one = found[threads]
            beside = f"{one['rate'] / base['rate']:,.0f} times plain"
            if threads == "2":
                beside += f", {one['rate'] / found['1']['rate']:.2f} times one thread"
            seconds[size, threads] = one["seconds"]
            table.row(
                "tierkit", f"{size:,}", threads, sci(one["rate"]), beside, mib(one["peak"]),
                f"{one['bytes']:,.0f}", f"{found['load']:.2f}",
            )  # fmt: skip
    before, last = sizes.engine[-2:]
    ratios = [seconds[last, threads] / seconds[before, threads] for threads in ("1", "2")]
    table.lines += [
        "",
        f"From {before:,} to {last:,} enterprises the time grows {ratios[0]:.1f} times on one thread and "
        f"{ratios[1]:.1f} times on two. Where plain was not run, its rate at {max(sizes.plain):,} stands "
        f"beside. The arrays of the world, its state at the start and the running state take "
        f"{found['kept']:.0f} bytes an obligation; drawing {last:,} enterprises took "
        f"{found['drawing']['seconds']:.0f} s and a peak of {mib(found['drawing']['peak'])} MiB.",
    ]
    return table


def city(sizes: Sizes) -> Table:
    """Run one command over a city and measure its time and memory."""
    table = Table(
        "A whole city in one command",
        "Draw the city, live through its past (a year to settle and two of records), then a baseline and a "
        "reform over 52 weeks, with all the measures.",
        "command", "seconds", "peak MiB", "load before",
    )  # fmt: skip
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        options = f"simulate --enterprises {sizes.city} --policy {POLICY} --replicates 1 --kappa 0.1"
        command = [sys.executable, "-m", "tierkit", *options.split(), "--out", str(Path(place) / "run")]
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        spent = time.perf_counter() - start
    if process.returncode:
        raise SystemExit("the command failed")
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    table.row(f"`tierkit {options}`", f"{spent:,.0f}", mib(peak), f"{load:.2f}")
    return table


def rest(sizes: Sizes) -> Table:
    """Measure the generator and the parts before the simulation."""
    table = Table("The rest", "Two threads where there is a choice.", "what", "figure")
    found = child("rest", enterprises=sizes.rest, runs=sizes.runs)
    table.row(
        f"{GENERATOR}, blocks of four draws into memory, one thread", f"{sci(found['blocks'])} blocks/s"
    )
    table.row(f"features as of a date, {sizes.rest:,} enterprises", f"{found['features']:,.0f} rows/s")
    table.row(f"risk model, {found['rows']:,} rows", f"{found['fit']:.2f} s")
    table.row("exact SHAP values", f"{found['shap']:,.0f} rows/s")
    paths = child("recourse", enterprises=sizes.rest)
    table.row(
        f"recourse of {paths['n']:,} enterprises below the best tier, {paths['reached']:,} with a path",
        f"{paths['seconds']:.4f} s of the processor each",
    )
    for rows in sizes.index if pages.browser() else ():
        found = child("pages", rows=rows)
        table.row(
            f"page of a city, {rows:,} rows, {found['bytes'] / 1e6:.1f} MB: from a change of a filter to the "
            f"frame that shows it, {found['n']} changes in Chromium",
            f"median {found['median']:.0f} ms, longest {found['most']:.0f} ms",
        )
    return table


def training(sizes: Sizes) -> Table:
    """Measure the training of the risk model beside plain LightGBM with the same settings."""
    table = Table(
        "Training the risk model",
        "Plain LightGBM is given the same settings, rows and weights, categories as such. The ratio is "
        "the median of those of runs by turns; 1.15 is allowed. Apart is the largest difference between the "
        "two margins.",
        "rows", "columns", "trees", "tierkit s", "plain s", "ratio", "apart", "load before",
    )  # fmt: skip
    for size in sizes.training:
        found = child("fit", enterprises=size, runs=4 * sizes.runs + 1)
        table.row(
            f"{found['rows']:,}", str(found["columns"]), str(found["trees"]), f"{found['seconds']:.3f}",
            f"{found['plain']:.3f}", f"{found['ratio']:.2f}", f"{found['apart']:.1e}", f"{found['load']:.2f}",
        )  # fmt: skip
    return table


def scorecards(sizes: Sizes) -> Table:
    """Measure scorecards on the same rows: tierkit's, and those of the libraries that are installed."""
    table = Table(
        "Scorecards",
        f"Rows of credit: {sizes.rest:,} enterprises of a drawn city on a snapshot date, three of ten held "
        "out for the AUC, whose interval is over draws of enterprises. Each with its defaults, no direction "
        "given. What these records say of coming defaults is little.",
        "scorecard", "rows", "fit, s", "scored rows/s", "AUC held out", "load before",
    )  # fmt: skip
    for way in WAYS:
        if not installed(way):
            table.row(way, "", "", "", "not installed; `make bench` installs it", "")
            continue
        found = child("scorecards", way=way, enterprises=sizes.rest, runs=sizes.runs)
        low, high = found["interval"]
        table.row(
            way, f"{found['train']:,}", f"{found['fit']:.2f}", f"{found['score']:,.0f}",
            f"{found['auc']:.3f} [{low:.3f}, {high:.3f}], n = {found['test']:,}", f"{found['load']:.2f}",
        )  # fmt: skip
    return table


def reasons(sizes: Sizes) -> Table:
    """Measure Shapley values of the same models by tierkit and by the libraries that are installed."""
    models = "; ".join(f"{name}: {what}" for name, what in shapley.MODELS.items())
    table = Table(
        "Reasons",
        f"Exact path-dependent Shapley values, row by row. {models}. To build is done once a model, "
        "tierkit's check against LightGBM included. shap asks LightGBM where the model is LightGBM's. Apart "
        "is the largest difference from LightGBM's pred_contrib.",
        "library", "model", "threads", "build, s", "rows/s", "tierkit is … times as fast", "apart",
        "load before",
    )  # fmt: skip
    for model in shapley.MODELS if sizes.runs > 1 else ["tierkit's"]:
        mine: dict[int, float] = {}
        for way in shapley.WAYS:
            if not shapley.installed(way):
                table.row(way, model, "", "", "not installed; `make bench` installs it", "", "", "")
                continue
            rows = sizes.rows // (1 if way in ("tierkit", "woodelf") else 50)
            for threads in (1, 2) if way in shapley.THREADED else (1,):
                options = {"way": way, "model": model, "threads": threads, "rows": rows, "runs": sizes.runs}
                found = child("reasons", **options)
                if "refused" in found:
                    table.row(way, model, str(threads), "", f"refused: {found['refused']}", "", "", "")
                    continue
                mine.setdefault(threads, found["rate"])
                times = "" if way == "tierkit" else f"{mine[threads] / found['rate']:,.1f}"
                table.row(
                    way, model, str(threads), f"{found['built']:.2f}", f"{found['rate']:,.0f}", times,
                    f"{found['apart']:.1e}", f"{found['load']:.2f}",
                )  # fmt: skip
    table.row(
        "fasttreeshap", "", "", "", "not installed: 0.1.6 needs slicer 0.0.7, and shap 0.0.8", "", "", ""
    )
    return table


def over(sizes: Sizes) -> Table:
    """Measure interventional Shapley values of the same models over the same background."""
    table = Table(
        "Reasons over a background",
        f"Exact interventional Shapley values of the same models over the same {sizes.background:,} rows, "
        "one thread; shap is given the whole background, of which it would take 100. To build is done once a "
        "model and background. Off is the largest distance of a row's sum from its margin, apart the largest "
        "difference from tierkit's values.",
        "library", "model", "build, s", "s per 1,000 rows", "tierkit is … times as fast", "off", "apart",
        "load before",
    )  # fmt: skip
    for model in shapley.MODELS if sizes.runs > 1 else ["tierkit's"]:
        mine = 0.0
        for way in shapley.OVER:
            if not shapley.installed(way):
                table.row(way, model, "", "not installed; `make bench` installs it", "", "", "", "")
                continue
            options = {"rows": sizes.rows // (1_000 if way == "shap" else 1), "background": sizes.background}
            found = child("over", way=way, model=model, runs=sizes.runs, **options)
            if "refused" in found:
                table.row(way, model, "", f"refused: {found['refused']}", "", "", "", "")
                continue
            mine = mine or found["seconds"]
            times = "" if way == "tierkit" else f"{found['seconds'] / mine:,.0f}"
            table.row(
                way, model, f"{found['built']:.2f}", f"{found['seconds']:.4f}", times, f"{found['off']:.1e}",
                f"{found['apart']:.1e}", f"{found['load']:.2f}",
            )  # fmt: skip
    return table


def backgrounds(sizes: Sizes) -> Table:
    """Measure how many background rows do for the whole city."""
    draws = 10 if sizes.runs > 1 else 2
    found = child("backgrounds", enterprises=sizes.rest, sizes=[10, 100, 300, 1_000], draws=draws)
    table = Table(
        "How large a background",
        f"The risk model of `tierkit train`; interventional values over drawn backgrounds (means over "
        f"{draws} draws) and path-dependent ones, held against interventional ones over all "
        f"{found['enterprises']:,} enterprises. Furthest is the 95 % quantile, over enterprises, of the "
        "largest difference of a value.",
        "values", "furthest, log-odds", "same strongest reason", "base apart, log-odds",
    )  # fmt: skip
    for name, (far, same, base) in found["told"].items():
        table.row(name, f"{far:.3f}", f"{same:.1%}", f"{base:.3f}")
    return table


def main() -> None:
    """Print the tables and write them to results.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"), metavar="FILE")
    given = parser.parse_args()
    sizes = QUICK if given.quick else FULL
    start = time.perf_counter()
    parts = (small, engine, city, training, scorecards, reasons, over, backgrounds, rest)
    tables = [part(sizes) for part in parts]
    spent = time.perf_counter() - start
    modules = {"scikit-learn": "sklearn", "woodelf-explainer": "woodelf"}
    there = [name for name in PACKAGES if importlib.util.find_spec(modules.get(name, name))]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in there)
    text = [
        "# Speed and memory",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {versions}. "
        f"Medians of {sizes.runs} runs or more, one run of the largest sizes. `make bench` measures again, "
        f"in {spent / 60:.0f} minutes here. Take the ratios: the times are this machine's.",
        "",
    ]
    for table in tables:
        text += [*table.lines, ""]
    given.out.write_text("\n".join(text), encoding="utf-8")
    print(f"\nWrote '{given.out}' after {spent:.0f} s.")


if __name__ == "__main__":
    main()
