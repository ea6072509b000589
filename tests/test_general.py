"""The general path: kinds of inspection that contradict a sign, pooled levels, and the refit in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import binom

import tierkit as tk
from tierkit.features import history_signs
from tierkit.scores.fitting import SETTINGS, new_model
from tierkit.scores.general import GeneralRisk, contradicted, fit_general
from tierkit.scores.metrics import auc
from tierkit.scores.risk import RiskModel
from tierkit.scores.training_rows import time_split

NAMES: dict[str, Any] = {"id": "id", "day": "day", "outcome": "found", "kind": "kind", "inspector": "who"}


def city(n: int = 300, seed: int = 0) -> pd.DataFrame:
    """Return routine checks, and follow-ups that find the less, the more was found before."""
    rng = np.random.default_rng(seed)
    lean, effect = rng.normal(0, 1.2, n), rng.normal(0, 0.6, 60)
    rows = []
    for one in range(n):
        day, events = int(rng.integers(0, 100)), 0
        while day < 1000:
            who = int(rng.integers(60))
            found = rng.random() < expit(-1.2 + lean[one] + effect[who])
            rows.append((f"e{one}", day, int(found), "routine", f"w{who}"))
            after = day
            while found:
                events += 1
                after += int(rng.integers(20, 60))
                found = rng.random() < expit(-0.6 - 0.6 * events)
                rows.append((f"e{one}", after, int(found), "followup", f"w{who}"))
            day = after + int(rng.integers(20, 120))
    table = pd.DataFrame(rows, columns=["id", "day", "found", "kind", "who"])
    table["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(table["day"], unit="D")
    return table.sort_values("day", kind="stable", ignore_index=True)


@pytest.fixture(scope="module")
def told() -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    table = city()
    X = tk.inspections(table, **NAMES).assign(who=table["who"])
    return table, X, (table["day"] < "2022-03-01").to_numpy()


@pytest.fixture(scope="module")
def found(told) -> GeneralRisk:
    table, X, past = told
    signs = history_signs(X.columns)
    args = (X[past], table.loc[past, "found"], table.loc[past, "day"], table.loc[past, "id"])
    return fit_general(*args, signs=signs, kind="kind", budget=0)


def test_a_sign_that_a_kind_contradicts_is_dropped_named_and_worth_a_lot(told, found) -> None:
    table, X, past = told
    dropped = found.contradicted.set_index("column")
    assert dropped.loc["events", "kind"] == "followup"
    assert dropped.loc["events", "z"] < -3
    assert "events" not in found.signs
    assert found.signs["inspector_rate"] == 1
    signs = history_signs(X.columns)
    # as without kinds: no column tells them, and every sign is kept
    blind = X.drop(columns=[n for n in X if "kind" in n or n.endswith(("_routine", "_followup", "who"))])
    kept = {name: sign for name, sign in signs.items() if name in blind}
    before = RiskModel(kept, **SETTINGS, num_threads=1).fit(blind[past], table.loc[past, "found"])
    later = table.loc[~past, "found"]
    assert auc(later, found.margin(X[~past])) > auc(later, before.margin(blind[~past])) + 0.03


def test_signs_that_stay_are_held_by_the_model(told, found) -> None:
    _table, X, past = told
    row = X[past].iloc[[-1] * 4].reset_index(drop=True)
    row["inspector_rate"] = [0.05, 0.1, 0.3, 0.6]
    assert (np.diff(found.margin(row)) >= 0).all()
    assert found.refit.risk.monotone == found.signs


def test_the_refit_and_the_pooled_levels_are_part_of_it(found) -> None:
    assert found.effects.pooled_.loc["who", "levels"] == 60
    every = new_model(found.rows, found.settings).fit(found.rows.X, found.rows.y, found.rows.weight)
    np.testing.assert_array_equal(every.margin(found.rows.X), found.refit.risk.margin(found.rows.X))
    assert found.refit.bound > 0
    split = time_split(found.rows.rows["as_of"])
    own = found.rows.X.loc[split.train, "who"] if "who" in found.rows.X else pd.Series([], dtype=float)
    assert own.nunique() != 60  # cross-fitted: a level has an effect for each lot


def test_rows_may_come_in_any_order(told) -> None:
    table, X, past = told
    mixed = np.random.default_rng(0).permutation(np.flatnonzero(past))
    args = (X, table["found"], table["day"], table["id"])
    one, other = (
        fit_general(*(given.iloc[which] for given in args), kind="kind", budget=1)
        for which in (np.flatnonzero(past), mixed)
    )
    assert one.settings == other.settings
    assert one.refit.tested.calibration_.kind == other.refit.tested.calibration_.kind
    np.testing.assert_array_equal(one.rows.rows["as_of"], other.rows.rows["as_of"])


def test_rows_of_chance_contradict_a_sign_in_one_set_of_twenty() -> None:
    wrong = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X = pd.DataFrame(rng.normal(size=(600, 6)), columns=list("abcdef"))
        kind = pd.Series(rng.choice(["routine", "followup", None], 600))
        ids = rng.integers(0, 200, 600)
        wrong += len(contradicted(X, rng.integers(0, 2, 600), ids, dict.fromkeys("abcdef", 1), kind)) > 0
    assert wrong <= binom.ppf(0.999, 60, 0.05)


def test_rows_of_one_id_are_one_piece_of_evidence() -> None:
    X = pd.DataFrame({"a": np.repeat([0.0, 1.0], 100)})
    y = np.r_[np.tile([1, 0, 0, 1], 25), np.tile([0, 0, 0, 1], 25)]
    kind = pd.Series(["routine"] * 200)
    assert len(contradicted(X, y, np.arange(200), {"a": 1}, kind)) == 1
    assert len(contradicted(X, y, np.repeat([0, 1], 100), {"a": 1}, kind)) == 0


def test_what_does_not_match_is_refused() -> None:
    table = city(30)
    X = tk.inspections(table, **NAMES)
    with pytest.raises(ValueError, match="'X' has no column 'channel'"):
        fit_general(X, table["found"], table["day"], table["id"], kind="channel")
    with pytest.raises(ValueError, match="'X' has 5 rows"):
        fit_general(X.head(5), table["found"], table["day"], table["id"])
