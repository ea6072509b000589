"""One measurement in a process of its own: ``python -m benchmarks.one '{"what": "small", …}'`` prints JSON.

A process of its own has a peak of memory of its own, and nothing that an earlier measurement left behind.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.memory import peak_bytes, start_again
from benchmarks.pages import filtering
from benchmarks.small import model

ROOT = Path(__file__).parent.parent
_NOT_SETTINGS = ("num_iterations", "categorical_feature")
"""What a trained model calls a parameter, and LightGBM wants as an argument."""
POLICY, KAPPA = "jinshan-2025", 0.1


def timed(task: Callable[[], Any]) -> tuple[float, Any]:
    """Return the wall time of a task and what it returned."""
    start = time.perf_counter()
    done = task()
    return time.perf_counter() - start, done


def small(
    way: str, enterprises: int, threads: int, runs: int, weeks: int = model.WEEKS, check: int = 0
) -> dict[str, Any]:
    """Time an implementation of the small model, after asserting at a size that it gives what it must."""
    module = importlib.import_module(f"benchmarks.small.{way}_way")
    module.prepare(model.city(1_000), weeks, 0, threads)()  # compiles, or loads what is compiled
    before = start_again()
    if check:
        city = model.city(check)
        worst = model.disagreement(city, module.prepare(city, model.WEEKS, 7, threads)())
        assert worst < model.STANDARD_ERRORS, f"{way} differs by {worst:.1f} standard errors"
    city = model.city(enterprises)
    spent = [timed(module.prepare(city, weeks, seed, threads))[0] for seed in range(runs)]
    return {
        "rate": enterprises * weeks / statistics.median(spent),
        "peak": peak_bytes(),
        "bytes": (peak_bytes() - before) / enterprises,
    }


def engine(enterprises: int, threads: list[int], runs: int, weeks: int) -> dict[str, Any]:
    """Time the full model, all instruments of a plan on, over a city as drawn; memory by obligation."""
    from tierkit.city.engine import run
    from tierkit.city.population import draw_world
    from tierkit.policy import Policy

    policy, legacy = Policy.load(POLICY), Policy.load("legacy")
    run(draw_world(300, 1, legacy), policy, 2, kappa=KAPPA, threads=2)  # compiles, or loads what is compiled
    before = start_again()
    spent, frame = timed(lambda: draw_world(enterprises, 1, legacy, weeks))
    found: dict[str, Any] = {"drawing": {"seconds": spent, "peak": peak_bytes()}}
    at_work = int(frame.alive().sum())
    for count in threads:
        start_again()
        times = [
            timed(lambda count=count: run(frame, policy, weeks, kappa=KAPPA, threads=count))[0]
            for _ in range(runs)
        ]
        found[str(count)] = {
            "seconds": statistics.median(times),
            "rate": at_work * weeks / statistics.median(times),
            "peak": peak_bytes(),
            "bytes": (peak_bytes() - before) / frame.obligations,
        }
    kept = sum(part.nbytes for part in (*frame.fixed, *frame.state, *frame.state))
    found["kept"] = kept / frame.obligations
    found["obligations"] = frame.obligations
    return found


def plain(enterprises: int, weeks: int) -> dict[str, Any]:
    """Time the plain NumPy engine of the tests, after asserting that both engines give the same bits."""
    sys.path.insert(0, str(ROOT / "tests"))  # the plain engine is a test's oracle
    from plain_engine import plain_run

    from tierkit.city.engine import run
    from tierkit.city.population import draw_world
    from tierkit.policy import Policy

    policy, legacy = Policy.load(POLICY), Policy.load("legacy")
    frame = draw_world(enterprises, 1, legacy, weeks)
    fast = run(frame, policy, weeks, kappa=KAPPA)
    before = start_again()
    spent, slow = timed(lambda: plain_run(frame, policy, weeks, kappa=KAPPA))
    for name in ("log", "signals", "events", "tally", "counts"):
        assert np.array_equal(getattr(fast, name), getattr(slow, name)), f"the engines' {name} differ"
    return {
        "rate": int(frame.alive().sum()) * weeks / spent,
        "peak": peak_bytes(),
        "bytes": (peak_bytes() - before) / frame.obligations,
    }


def rest(enterprises: int, runs: int) -> dict[str, Any]:
    """Time the generator, features, the risk model and its explanation."""
    from tierkit.city.keyed_random import Block, pack, philox_many
    from tierkit.city.synth import make
    from tierkit.explain import contributions
    from tierkit.features import build
    from tierkit.scores import training_rows as training
    from tierkit.scores.risk import RiskModel

    def median(task: Callable[[], Any]) -> float:
        task()
        return statistics.median(timed(task)[0] for _ in range(runs))

    counters = pack(range(1_000_000), 0, Block.WEEK, 3)
    blocks = 1e6 / median(lambda: philox_many((1, 2), counters))
    data, world = make(enterprises, seed=1, threads=2)
    X = build(data, world.date)
    rows = training.training_frame(data, world.date)
    fitted = RiskModel(num_threads=2).fit(rows.X, rows.y, rows.weight)
    return {
        "blocks": blocks,
        "features": len(X) / median(lambda: build(data, world.date, threads=2)),
        "rows": len(rows.X),
        "fit": median(lambda: RiskModel(num_threads=2).fit(rows.X, rows.y, rows.weight)),
        "shap": len(X) / median(lambda: contributions(fitted, X)),
    }


def recourse(enterprises: int) -> dict[str, Any]:
    """Take the processor's time for the recourse of 500 enterprises of a city that could do better."""
    from tierkit.city.synth import make
    from tierkit.explain import recourse
    from tierkit.policy import Policy
    from tierkit.policy.tiers import assign
    from tierkit.scores.train import train

    data, world = make(enterprises, seed=1, threads=2)
    policy = Policy.load("shanghai-2025")
    model = train(data, world.date, policy=policy)
    tiers = assign(model.score(data, world.date), policy)
    ids = tiers.loc[tiers["tier"] != "T1", "enterprise_id"].iloc[:500]
    start = time.process_time()
    found = recourse(model, data, world.date, ids, policy)
    spent = time.process_time() - start
    reached = sum(bool(one.paths) for one in found.values())
    return {"seconds": spent / len(found), "n": len(found), "reached": reached}


def fit(enterprises: int, runs: int) -> dict[str, Any]:
    """Time the risk model and plain LightGBM with the same settings on the same rows, by turns."""
    import lightgbm as lgb

    from tierkit.city.synth import make
    from tierkit.scores import fitting
    from tierkit.scores import training_rows as training

    data, world = make(enterprises, seed=1, threads=2)
    rows = training.training_frame(data, world.date)
    model = fitting.new_model(rows)
    trees = model.fit(rows.X, rows.y, rows.weight).booster_
    settings = {key: value for key, value in trees.params.items() if key not in _NOT_SETTINGS}
    number = fitting.SETTINGS["n_trees"]

    def plain() -> lgb.Booster:
        return lgb.train(settings, lgb.Dataset(rows.X, rows.y, weight=rows.weight), int(number))

    ours, theirs = [], []
    for _ in range(runs):
        ours.append(timed(lambda: model.fit(rows.X, rows.y, rows.weight))[0])
        theirs.append(timed(plain)[0])
    told = plain().predict(rows.X, raw_score=True)
    same = float(np.abs(np.asarray(told) - model.margin(rows.X)).max())
    return {
        "rows": len(rows.y),
        "columns": rows.X.shape[1],
        "trees": int(number),
        "seconds": statistics.median(ours),
        "plain": statistics.median(theirs),
        "ratio": statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        "apart": same,
    }


def scorecards(way: str, enterprises: int, runs: int) -> dict[str, Any]:
    """Time a scorecard on the rows that credit is trained on, and measure it on enterprises held out."""
    from benchmarks.scorecards import WAYS
    from tierkit.city.synth import make
    from tierkit.scores import training_rows as training
    from tierkit.scores.metrics import auc

    data, world = make(enterprises, seed=1, threads=2)
    rows = training.credit_frame(data, world.date)
    held = training.hold_out(rows.rows["enterprise_id"])
    X, y, fit = rows.X[~held], rows.y[~held], WAYS[way]
    fit(X.iloc[:2000], y[:2000])  # imports what it needs
    fits = [timed(lambda: fit(X, y)) for _ in range(runs)]
    score = fits[0][1]
    scored = [timed(lambda: score(rows.X)) for _ in range(runs)]
    clusters = rows.rows["enterprise_id"][held].to_numpy()
    return {
        "train": len(X),
        "test": int(held.sum()),
        "events": int(rows.y[held].sum()),
        "fit": statistics.median(spent for spent, _ in fits),
        "score": len(rows.X) / statistics.median(spent for spent, _ in scored),
        "auc": auc(rows.y[held], score(rows.X[held])),
        "interval": _bootstrap(rows.y[held], score(rows.X[held]), clusters),
    }


def reasons(way: str, model: str, threads: int, rows: int, runs: int) -> dict[str, Any]:
    """Time one library's Shapley values of a model, and hold them against LightGBM's own."""
    from benchmarks.reasons import WAYS, by_lightgbm, grow

    booster, X = grow(model, rows)
    WAYS[way](booster, threads)  # imports and compiles what it needs
    built, values = timed(lambda: WAYS[way](booster, threads))
    few = X[:500]
    try:
        apart = float(np.abs(values(few) - by_lightgbm(booster, threads)(few)).max())
    except ValueError as error:
        return {"refused": str(error)}
    spent = [timed(lambda: values(X))[0] for _ in range(runs)]
    return {"built": built, "rate": rows / statistics.median(spent), "apart": apart}


def over(way: str, model: str, rows: int, background: int, runs: int) -> dict[str, Any]:
    """Time one library's Shapley values over a background, and hold them against margins and tierkit's."""
    from benchmarks.reasons import OVER, grow

    booster, X = grow(model, rows + background)
    X, chosen = X[background:], X[:background]
    few = X[:50]
    try:
        first = OVER[way](booster, chosen, 1)(few)  # imports and compiles what it needs
    except ValueError as error:
        return {"refused": str(error)}
    built, values = timed(lambda: OVER[way](booster, chosen, 1))
    base = np.mean(np.asarray(booster.predict(chosen, raw_score=True)))
    off = base + first.sum(axis=1) - np.asarray(booster.predict(few, raw_score=True))
    ours = OVER["tierkit"](booster, chosen, 1)(few)
    spent = [timed(lambda: values(X))[0] for _ in range(runs)]
    return {
        "built": built,
        "seconds": statistics.median(spent) / rows * 1000,
        "off": float(np.abs(off).max()),
        "apart": float(np.abs(first - ours).max()),
    }


def backgrounds(enterprises: int, sizes: list[int], draws: int) -> dict[str, Any]:
    """Hold values over drawn backgrounds, and path-dependent ones, against those over the whole city."""
    from tierkit.city.synth import make
    from tierkit.explain import background, contributions
    from tierkit.features import build
    from tierkit.scores import fitting
    from tierkit.scores import training_rows as training

    data, world = make(enterprises, seed=1, threads=2)
    rows = training.training_frame(data, world.date)
    model = fitting.new_model(rows).fit(rows.X, rows.y, rows.weight)
    X = build(data, world.date)
    whole, base = contributions(model, X, X)

    def compare(values: Any, start: float) -> list[float]:
        far = np.quantile(np.abs(values - whole).max(axis=1), 0.95)
        same = np.abs(values).argmax(axis=1) == np.abs(whole).argmax(axis=1)
        return [float(far), float(same.mean()), abs(start - base)]

    told = {"path-dependent": compare(*contributions(model, X))}
    for n in sizes:
        drawn = [compare(*contributions(model, X, background(X, n, seed))) for seed in range(draws)]
        told[f"{n:,} rows"] = [float(one) for one in np.mean(drawn, axis=0)]
    return {"enterprises": len(X), "told": told}


def _bootstrap(y: Any, score: Any, clusters: Any, draws: int = 200) -> list[float]:
    """Return the 95 % interval of the AUC over draws of enterprises with all their rows."""
    from tierkit.scores.metrics import auc

    _, owner = np.unique(clusters, return_inverse=True)
    rng = np.random.default_rng(0)
    n = owner.max() + 1
    weights = (np.bincount(rng.integers(0, n, n), minlength=n)[owner] for _ in range(draws))
    return [float(end) for end in np.nanquantile([auc(y, score, w) for w in weights], [0.025, 0.975])]


def measure(what: str, **options: Any) -> dict[str, Any]:
    """Do one measurement by its name."""
    kinds: dict[str, Callable[..., dict[str, Any]]] = {
        "small": small, "engine": engine, "plain": plain, "fit": fit, "scorecards": scorecards,
        "reasons": reasons, "over": over, "backgrounds": backgrounds, "recourse": recourse,
        "pages": filtering, "rest": rest,
    }  # fmt: skip
    return kinds[what](**options)


def main() -> None:
    """Do the measurement that the argument describes and print what was found as JSON."""
    print(json.dumps(measure(**json.loads(sys.argv[1]))))


if __name__ == "__main__":
    main()
