"""RentSafe's next score, on made-up buildings and, where it is, on the public file."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from studies.rentsafe import ladder as rentsafe
from studies.rentsafe.risk import COLUMNS, LOW, features, next_score

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("TIERKIT_REALDATA", ROOT.parent / "shared" / "realdata"))
FILE = REAL / "toronto_rentsafe" / "evaluations_2017_2023.csv.gz"
real = pytest.mark.skipif(not FILE.is_file(), reason="the public file is not here; set TIERKIT_REALDATA")


def made(n: int = 900, seed: int = 1) -> pd.DataFrame:
    """Return yearly evaluations whose scores wander about each building's own."""
    rng = np.random.default_rng(seed)
    own = rng.normal(70, 8, n)
    rows = []
    for year in range(2017, 2023):
        score = np.clip(own + rng.normal(0, 5, n), 0, 100).round()
        day = pd.Timestamp(f"{year}-01-01") + pd.to_timedelta(rng.integers(0, 365, n), unit="D")
        rows.append(pd.DataFrame({"building_id": [f"b{k}" for k in range(n)], "date": day, "score": score}))
    frame = pd.concat(rows).sort_values(["building_id", "date"]).reset_index(drop=True)
    for name in COLUMNS:
        frame[name] = rng.choice(["PRIVATE", "TCHC"], len(frame)) if name == "property_type" else 3.0
    return frame


def test_one_row_a_building_and_the_next_score_is_its_first_from_the_date_on() -> None:
    rows = made()
    result = next_score(rows, replicates=39)
    since = rows[rows["date"] >= "2021-01-01"].drop_duplicates("building_id").set_index("building_id")
    before = rows[rows["date"] < "2021-01-01"].drop_duplicates("building_id", keep="last")
    assert len(result.rows) == rows["building_id"].nunique()
    seen = result.rows.set_index("building_id")
    assert (seen["low"] == (since["score"] <= LOW).astype(int).reindex(seen.index)).all()
    assert (seen["last_score"] == before.set_index("building_id")["score"].reindex(seen.index)).all()
    difference = result.summary().set_index("score").loc["model"].to_dict()
    assert difference["value"] > 0.75
    assert difference["difference"] > 0, "two years say more than one"
    assert result.error < 2 * result.error_by_chance
    assert "calibration error" in result._repr_html_()
    assert result.to_dict()["trained"] == result.trained == 900 * 2


def test_nothing_from_the_date_on_is_learnt_from() -> None:
    rows = made(300)
    late = rows["date"] >= "2021-01-01"
    turned = rows.assign(
        score=rows["score"].where(~late, 100 - rows["score"]), units=rows["units"].where(~late, 99)
    )
    a, b = next_score(rows, replicates=39), next_score(turned, replicates=39)
    pd.testing.assert_series_equal(a.rows["probability"], b.rows["probability"])
    assert not a.rows["low"].equals(b.rows["low"])


def test_features_look_back_only() -> None:
    rows = made(50)
    table = features(rows)
    mine = rows["building_id"] == "b7"
    scores = rows.loc[mine, "score"]
    np.testing.assert_allclose(table.loc[mine, "mean_score"], scores.expanding().mean())
    np.testing.assert_allclose(table.loc[mine, "lowest_score"], scores.expanding().min())
    np.testing.assert_allclose(table.loc[mine, "score_before"].iloc[1:], scores.iloc[:-1])


def test_too_little_is_told() -> None:
    with pytest.raises(ValueError, match="twice before 2017-01-01"):
        next_score(made(20), "2018-01-01")


@real
def test_the_public_file() -> None:
    result = next_score(rentsafe.read(FILE, COLUMNS), replicates=199)
    assert (len(result.rows), result.rows["low"].sum()) == (3223, 250)
    both = result.summary().set_index("score")
    last = both.loc["last score"].to_dict()
    assert round(last["value"], 3) == 0.836
    error = (last["high"] - last["low"]) / 3.92
    assert error == pytest.approx(0.015, abs=0.002)
    assert both["difference"].to_dict()["model"] >= -0.01
    assert result.error > result.error_by_chance, (
        "buildings were scored lower than buildings like them before"
    )
