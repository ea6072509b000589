"""Results are one family: a frame, plain data that agrees with it, sentences in both languages, a page."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tierkit as tk
from tierkit.evaluate import runaway
from tierkit.explain import changes, features_held
from tierkit.results import Result, plain

FOLDER, EARLY, DAY = "data/synthetic", "2024-07-15", "2024-12-30"


@cache
def data() -> tk.Dataset:
    return tk.read(FOLDER)


@cache
def model() -> tk.Model:
    return tk.train(data(), EARLY, policy="jiading-2025")


@cache
def tiers() -> pd.DataFrame:
    return tk.assign(model().score(data(), DAY), "jiading-2025")


def watched() -> str:
    return str(tiers().sort_values("tier", kind="stable")["enterprise_id"].iloc[-1])


def appeal() -> Result:
    events = data()["credit_events"]
    row = events[events["enterprise_id"].isin(tiers()["enterprise_id"])].iloc[-1]
    return tk.revoked(model(), data(), DAY, row["enterprise_id"], [row["event_id"]], "jiading-2025")


def moved() -> Result:
    X = [tk.features(data(), day) for day in (EARLY, DAY)]
    last = tk.assign(model().score(data(), EARLY), "jiading-2025")
    held = features_held(data(), EARLY, DAY, X[0].index.intersection(X[1].index))
    both = model().risk, model().credit
    return changes(*both, tiers(), X[1], last, X[0], held, before=EARLY, after=DAY)


@cache
def assessed() -> tk.Assessment:
    return tk.assess(model(), data(), EARLY, months=1)


def batch() -> Result:
    with TemporaryDirectory() as folder:
        return tk.score_folder(model(), FOLDER, DAY, "jiading-2025", Path(folder) / "scores.parquet")


def screened() -> Result:
    short: dict[str, Any] = {"measures": ["violations"], "trajectories": 2, "weeks": 4}
    return tk.screen(200, "legacy", "jinshan-2025", chosen=["kappa", "violation.harm.serious"], **short)


RESULTS: dict[str, Callable[[], Any]] = {
    "Assessment": assessed,
    "Backtest": lambda: tk.backtest(tk.synth(300, seed=1), "2024-11-04", weeks=8, replicates=39),
    "Changes": moved,
    "Comparison": lambda: tk.compare(
        tk.world_of(data()), "legacy", ["jiading-2025", "jinshan-2025"], replicates=2, weeks=6
    ),
    "CutoffCalibration": lambda: tk.policy.calibrate("jiading-2025", model().score(data(), DAY), as_of=DAY),
    "Fairness": lambda: assessed().results["fairness"],
    "Feedback": lambda: runaway(150, seeds=(1, 2), rounds=2),
    "Model": model,
    "Policy": lambda: tk.Policy.load("shanghai-2025"),
    "PolicyValue": lambda: assessed().results["policy_value"],
    "Portraits": lambda: tk.portraits(model(), data(), DAY),
    "Ranking": lambda: assessed().results["ranking"],
    "Reasons": lambda: tk.explain(model(), data(), DAY, watched()),
    "Recourse": lambda: tk.recourse(model(), data(), DAY, [watched()], "jiading-2025")[watched()],
    "Revocation": appeal,
    "Screening": screened,
    "Stability": lambda: assessed().results["stability"],
    "Tally": batch,
    "World": lambda: tk.world_of(data()),
}


DERIVED = {"Revocation": ["change"]}  # of two columns beside it, which the data hold


@cache
def result(name: str) -> Any:
    return RESULTS[name]()


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from leaves(one)
    else:
        yield value


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_keeps_the_contract(name: str) -> None:
    one = result(name)
    assert isinstance(one, Result)
    assert type(one).__name__ == name
    frame = one.to_frame()
    assert len(frame) or name == "Revocation"
    told = one.to_dict()
    json.dumps(told, allow_nan=False)  # numbers of Python, and nothing that JSON lacks
    numbers = {leaf for leaf in leaves(told) if isinstance(leaf, int | float)}
    for column in frame.select_dtypes("number").columns.difference(DERIVED.get(name, [])):
        for value in frame[column].dropna():
            assert plain(value) in numbers or not math.isfinite(value), (column, value)
    chinese, english = one.sentences("zh"), one.sentences("en")
    assert chinese
    assert english
    assert set(chinese).isdisjoint(english)
    assert all(one.strip() for one in [*chinese, *english])
    assert "\n" not in repr(one)
    assert repr(one).startswith(f"{name}(")
    assert "<" in one._repr_html_()


@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_frozen(name: str) -> None:
    one = result(name)
    field = dataclasses.fields(one)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, field, None)


def test_sentences_quote_the_numbers_of_the_frame() -> None:
    compared = result("Comparison")
    rows = compared.to_frame().set_index(["policy", "measure"])
    for policy, said in zip(compared.policies[1:], compared.sentences("en")[1:], strict=True):
        for measure in ("inspections", "findings", "harm"):
            shown = f"{abs(100 * rows.loc[(policy, measure), 'relative']):.1f}%"
            assert shown in said, (policy, measure)
        points = 100 * rows.loc[(policy, "finding_rate"), "difference"]
        assert f"{abs(points):.1f} points" in said


def test_plain_data_has_no_numbers_of_numpy() -> None:
    found = plain({"a": np.arange(2), "b": pd.Timestamp(DAY), "c": pd.NA, "d": (np.float32(0.5), np.inf)})
    assert found == {"a": [0, 1], "b": DAY, "c": None, "d": [0.5, None]}
    assert [type(one) for one in leaves(found)] == [int, int, str, type(None), float, type(None)]
