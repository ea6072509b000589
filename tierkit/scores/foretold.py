"""What the tested risk model foretold of the last inspections, which it never saw, beside what was found."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from tierkit.records import CHANNELS
from tierkit.records.arguments import did_you_mean
from tierkit.records.gate import InputError, described, source_of
from tierkit.records.known import Source
from tierkit.scores.fitting import fit_risk
from tierkit.scores.metrics import calibration_table
from tierkit.scores.training_rows import split_at, training_frame

__all__ = ["foretold"]


def foretold(
    manifest: Mapping[str, Any], data: Source, bins: int, *, channel: str | None = None, threads: int = 1
) -> pd.DataFrame:
    """Return `tierkit.scores.model.Model.calibration` of a model with this manifest."""
    if channel is not None and channel not in CHANNELS:
        raise InputError(f"There is no 'channel' {described(channel)}{did_you_mean(channel, CHANNELS)}")
    rows = training_frame(source_of(data), manifest["as_of"], manifest["scheme"], threads=threads)
    about = manifest["risk"]
    days = [date.fromisoformat(about["split"][name]) for name in ("calibrate_from", "test_from")]
    split = split_at(rows.rows["as_of"], *days)
    seed = manifest["seed"]
    tested = fit_risk(rows, split, about["settings"], about["level"], seed=seed, threads=threads)
    held = split.test
    if channel is not None:
        held = held & (rows.rows["channel"] == channel).to_numpy()
    predicted = tested.predict_proba(rows.X[held])[:, 1]
    weight = rows.weight[held] if channel is None else None
    owners = rows.rows.loc[held, "enterprise_id"]
    return calibration_table(rows.y[held], predicted, bins, weight, groups=owners)
