"""Scramble every cell that is not known before a date, so that whatever reads one gives itself away."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tierkit.records import TABLES, Column, Dataset, conform


def _other_values(
    column: Column, values: pd.Series, as_of: pd.Timestamp, rng: np.random.Generator
) -> pd.Series:
    """Return new values of the same kind: shuffled and changed, dates on or after the date."""
    n = len(values)
    if column.kind == "date":
        days = as_of + pd.to_timedelta(rng.integers(0, 500, n), unit="D")
        # a row whose own day is empty was known before every day, so that would be no scrambling
        own = column.known_from == column.name and column.name in ("registered_on", "valid_from")
        none = rng.random(n) < 0.3 if column.nullable and not own else np.zeros(n, bool)
        return pd.Series(days.to_numpy(), index=values.index).mask(none)
    if column.kind == "level":
        return pd.Series(rng.choice(list(column.ids), n), index=values.index)
    if column.kind == "flag":
        return pd.Series(rng.random(n) < 0.5, index=values.index)
    if column.kind in ("int", "float"):
        low, high = column.low or 0, min(column.high or 1000, 1000)
        numbers = np.maximum(rng.integers(int(low), int(high) + 1, n), 1)
        return pd.Series(numbers / 1000 if column.high == 1 else numbers, index=values.index)
    return pd.Series(rng.permutation(values.to_numpy(dtype=object)), index=values.index)


def _settle(changed: pd.DataFrame, frame: pd.DataFrame, name: str, as_of: pd.Timestamp) -> None:
    """Change the changed cells once more, so that each row keeps the contract by itself."""
    spec = TABLES[name]
    for first, last in spec.orders:
        hidden = ~(frame[last] < as_of) & changed[last].notna()
        early = hidden & (pd.to_datetime(changed[first]) > pd.to_datetime(changed[last]))
        changed.loc[early, last] = changed.loc[early, first]
    for value, day in (*spec.together, *spec.decided):
        none = changed[day].isna()
        changed.loc[none, value] = None if (value, day) in spec.together else "none"


def scramble(data: Dataset, as_of: pd.Timestamp, seed: int = 0) -> Dataset:
    """Return the dataset with every cell that is known on ``as_of``, later or never replaced; no truth.

    Rows that are not known at all keep their key only in so far as another enterprise's row has it too:
    their ids are drawn again, a third of them are dropped and a third doubled.
    """
    rng = np.random.default_rng(seed)
    tables = {}
    for name, frame in data.items():
        spec = TABLES[name]
        if spec.latent:
            continue
        changed = frame.astype(object)
        for column in spec:
            if column.known_from is None or column.name not in frame:
                continue
            hidden = ~(frame[column.known_from] < as_of)
            if column.name == "enterprise_id":
                pool = data["enterprises"]["enterprise_id"].to_numpy()
                fresh = pd.Series(rng.choice(pool, hidden.sum()), index=frame.index[hidden])
                if name == "enterprises":  # their own ids stay: records may refer to them
                    continue
            else:
                fresh = _other_values(column, frame.loc[hidden, column.name], as_of, rng)
            changed.loc[hidden, column.name] = fresh.astype(object)
        known = spec.columns["enterprise_id"].known_from if "enterprise_id" in spec.columns else None
        _settle(changed, frame, name, as_of)
        if known is not None and name != "enterprises":
            later = ~(frame[known] < as_of)
            fate = rng.integers(0, 3, len(frame))
            doubled = changed[later & (fate == 1)]
            changed = pd.concat([changed[~(later & (fate == 0))], doubled], ignore_index=True)
        tables[name] = conform(changed.replace({np.nan: None}), name)
    return Dataset(tables, data.manifest)
