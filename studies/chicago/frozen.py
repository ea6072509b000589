"""A model chosen before a window, frozen by its hash, and the window opened for that hash alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from studies.chicago.history import MONOTONE, WHO, features
from studies.chicago.records import OPENS, window
from tierkit.evaluate.order.inspections import codes
from tierkit.evaluate.order.ordering import Order
from tierkit.folders import whole_file
from tierkit.folders.claims import claim
from tierkit.records.files import sha256
from tierkit.scores.risk import RiskModel

__all__ = [
    "BUDGET",
    "CHOSEN",
    "DIGEST",
    "GRID",
    "ORIGINS",
    "Frozen",
    "choose",
    "fit",
    "freeze",
    "open_window",
]

ORIGINS = ("2013-03-01", "2013-05-01", "2013-07-01", "2013-09-01", "2013-11-01", "2014-01-01")
"""First days of windows of two months in which settings are tried. The last ends in February 2014: from April
to August 2014 no inspectors are known."""
GRID: Mapping[str, tuple[Any, ...]] = {
    "inspectors": (False, True),
    "n_trees": (50, 100, 200, 400),
    "learning_rate": (0.02, 0.05, 0.1),
    "n_leaves": (3, 6, 12),
    "min_rows": (20, 50, 100),
}
"""What is searched: whether the model reads who inspects, and the settings of `RiskModel`."""

BUDGET = 24
"""Settings that are tried, drawn from `GRID` without replacement."""

CHOSEN: Mapping[str, Any] = MappingProxyType(
    {"inspectors": True, "n_trees": 200, "learning_rate": 0.1, "n_leaves": 3, "min_rows": 50}
)
"""What `choose` came to on the public file, before the window was opened."""
DIGEST = "681c53da701171dec163114d22fa88a8a8be714330e7e467a09a7513fc5ad81c"
"""The hash of that model."""

_MONTHS = pd.DateOffset(months=2)
_LEARN_FROM = pd.Timestamp("2012-03-01")  # half a year of history before the first row that is learnt from
_MODEL, _CHOICE = "model.json", "choice.json"


@dataclass(frozen=True)
class Frozen:
    """A model that was chosen and written down before its window was opened.

    Attributes
    ----------
    sha256 : str
        Of the file ``model.json``.
    settings : mapping
        The chosen cell of `GRID`.
    tried : DataFrame
        A row a setting that was tried, the best first: the setting, and means over the origins of ``within``
        (days earlier with each inspector keeping their own dates, by which it is chosen) and ``pooled``.
    """

    sha256: str
    settings: Mapping[str, Any]
    tried: pd.DataFrame


def fit(records: pd.DataFrame, until: str | pd.Timestamp, settings: Mapping[str, Any]) -> RiskModel:
    """Fit a model with given settings to the inspections before a day.

    Parameters
    ----------
    records : DataFrame
        As from `read`; rows on or after the day are not looked at.
    until : date
    settings : mapping
        A cell of `GRID`.

    Returns
    -------
    RiskModel
    """
    known = records[records["inspection_date"] < pd.Timestamp(until)]
    return _grow(features(known), known, settings)


def choose(records: pd.DataFrame, folder: str | Path, *, budget: int = BUDGET, seed: int = 0) -> Frozen:
    """Choose a model on records before the published window, and freeze it.

    Settings drawn from `GRID` are each fitted to what came before each of `ORIGINS` and order the two months
    from there on, by what was known on their first day. The setting with the most days earlier on average,
    each inspector keeping their own dates, is fitted to everything before the window and written down.

    Parameters
    ----------
    records : DataFrame
        As from `read`. Rows on or after the first day of the window are cut away first.
    folder : path
        Must not hold a choice yet.
    budget : int
        Settings that are tried.
    seed : int
        Of the draw of settings.

    Returns
    -------
    Frozen

    Raises
    ------
    ValueError
        If the folder holds a choice.
    """
    place = _unused(folder)
    with claim(place):
        _unused(place)
        known = records[records["inspection_date"] < OPENS]
        cells = [dict(zip(GRID, cell, strict=True)) for cell in product(*GRID.values())]
        drawn = np.random.default_rng(seed).permutation(len(cells))[:budget]
        table = features(known)
        rows = []
        for cell in (cells[k] for k in drawn):
            gains = [_try(known, table, pd.Timestamp(origin), cell) for origin in ORIGINS]
            within, pooled = np.mean(gains, axis=0)
            rows.append({**cell, "within": within, "pooled": pooled})
        tried = pd.DataFrame(rows).sort_values("within", ascending=False, kind="stable", ignore_index=True)
        settings = {name: tried[name].tolist()[0] for name in GRID}
        told = {"budget": budget, "seed": seed, "origins": ORIGINS, "tried": tried.to_dict("records")}
        return Frozen(freeze(known, place, settings, told), settings, tried)


def freeze(
    records: pd.DataFrame,
    folder: str | Path,
    settings: Mapping[str, Any] = CHOSEN,
    told: Mapping[str, Any] | None = None,
) -> str:
    """Fit a model with given settings to everything before the published window, and write it down.

    Parameters
    ----------
    records : DataFrame
        As from `read`. Rows on or after the first day of the window are not looked at.
    folder : path
        Must not hold a choice yet.
    settings : mapping
        A cell of `GRID`.
    told : mapping, optional
        How it was chosen, written beside it.

    Returns
    -------
    str
        The SHA-256 of ``model.json``; `DIGEST` for the settings and the public file that it is of.

    Raises
    ------
    ValueError
        If the folder holds a choice.
    """
    place = _unused(folder)
    with claim(place):
        _unused(place)  # nor did another process choose one in the meantime
        trees, rest = fit(records, OPENS, settings).to_parts()
        with whole_file(place / _MODEL) as draft:
            draft.write_text(json.dumps({"trees": trees, "rest": rest}, sort_keys=True), "utf-8")
        digest = sha256(place / _MODEL)
        choice = {"sha256": digest, "before": f"{OPENS:%Y-%m-%d}", "settings": dict(settings), **(told or {})}
        with whole_file(place / _CHOICE) as draft:  # last: it says that the model is whole
            draft.write_text(json.dumps(choice, indent=1), "utf-8")
        return digest


def open_window(records: pd.DataFrame, folder: str | Path, digest: str) -> NDArray[np.float64]:
    """Open the published window for one frozen model, and for no other.

    Parameters
    ----------
    records : DataFrame
        As from `read`.
    folder : path
        As from `choose`.
    digest : str
        The SHA-256 that `choose` returned; it was published before the window was opened.

    Returns
    -------
    float array of shape (1637,)
        Margins by what was known on the window's first day, in the order of `window`.

    Raises
    ------
    ValueError
        If the folder holds no choice, or one with another hash.
    """
    place = Path(folder)
    if not (place / _CHOICE).is_file():
        raise ValueError(f"'{place}' holds no frozen model, so the window stays closed; call 'choose' first.")
    told = json.loads((place / _CHOICE).read_text("utf-8"))
    there = sha256(place / _MODEL)
    if not there == told["sha256"] == digest:
        raise ValueError(
            f"The model in '{place}' has the hash {there}, it was chosen as {told['sha256']}, and the window "
            f"is asked for as {digest}. They must be one, so it stays closed; choose anew in another folder."
        )
    parts = json.loads((place / _MODEL).read_text("utf-8"))
    model = RiskModel.from_parts(parts["trees"], parts["rest"])
    rows = records[(records["inspection_date"] < OPENS) | records["paper_test"].astype(bool)]
    known = features(rows, OPENS).loc[window(records).index, list(model.feature_names_in_)]
    return model.margin(known)


def _unused(folder: str | Path) -> Path:
    place = Path(folder)
    if (place / _CHOICE).exists():
        raise ValueError(f"'{place}' holds a model that was chosen already; give another folder.")
    return place


def _grow(table: pd.DataFrame, records: pd.DataFrame, settings: Mapping[str, Any]) -> RiskModel:
    """Return a model of the rows that have half a year of history behind them."""
    rest = {name: value for name, value in settings.items() if name != "inspectors"}
    learnt = (records["inspection_date"] >= _LEARN_FROM).to_numpy()
    X = table[learnt] if settings["inspectors"] else table[learnt].drop(columns=list(WHO))
    monotone = {name: sign for name, sign in MONOTONE.items() if name in X}
    return RiskModel(monotone, **rest, num_threads=1).fit(X, records.loc[learnt, "critical_found"])


def _try(
    known: pd.DataFrame, table: pd.DataFrame, origin: pd.Timestamp, cell: Mapping[str, Any]
) -> tuple[float, float]:
    """Return the days earlier of one setting in the two months from an origin on, within and pooled."""
    past = (known["inspection_date"] < origin).to_numpy()
    model = _grow(table[past], known[past], cell)
    until = known[known["inspection_date"] < origin + _MONTHS]
    test = until["inspection_date"] >= origin
    margin = model.margin(features(until, origin).loc[test, list(model.feature_names_in_)])
    rows = until[test]
    event = rows["critical_found"].to_numpy(np.float64)
    day = (rows["inspection_date"] - origin).to_numpy() / np.timedelta64(1, "D")
    strata = codes(rows["inspector_group"].fillna("unknown")), codes(np.zeros(len(rows)))
    within, pooled = (Order.of(event, margin, day, one).days_earlier().value for one in strata)
    return within, pooled
