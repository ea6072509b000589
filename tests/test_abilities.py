"""What abilities says of records, against what the jobs do with them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache

import pandas as pd
import pytest

import tierkit as tk
from tierkit.evaluate.history import estimate
from tierkit.evaluate.possible import THINGS
from tierkit.records import TABLES, Dataset, InputError
from tierkit.scores.model import Model

DAY, CUT = "2024-12-30", "2024-09-30"
_BEAR = ("inspections", "credit_events", "items")  # on these most answers rest
OWN = [name for name, table in TABLES.items() if not table.latent and name != "enterprises"]


@cache
def city() -> Dataset:
    """Return records of one's own: those of the small city, without its truth and what its manifest says."""
    data = tk.read("data/synthetic")
    own = {name: frame for name, frame in data.items() if not TABLES[name].latent}
    return Dataset(own, {"start": data.manifest["start"], "as_of": data.manifest["as_of"]})


def refused(call: Callable[[], object]) -> str:
    """Return why a call is refused; empty if it is not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
    except ValueError as error:
        return str(error)
    return ""


def less(name: str) -> Dataset:
    return city().without([name])


@pytest.mark.parametrize(
    "name",
    ["nothing", *(name if name in _BEAR else pytest.param(name, marks=pytest.mark.long) for name in OWN)],
)
def test_tables_taken_away_one_by_one(name) -> None:
    """Train, score, simulate and estimate the past: each is refused where abilities says so."""
    data = city() if name == "nothing" else less(name)
    found = data.abilities()
    assert [one.thing for one in found.each] == list(THINGS)
    why = refused(lambda: tk.train(data, DAY))
    assert bool(why) == ("no" in {found.of("risk").verdict, found.of("credit").verdict}), why
    if why:
        alone = refused(lambda: tk.train(data, DAY, risk_alone=True))
        assert bool(alone) == (found.of("risk").verdict == "no"), alone
    assert found.of("simulation").verdict == "no"
    assert refused(lambda: tk.world_of(data))
    gone = [lack.table for lack in found.of("backtest").lacks if lack.what == "no_table"]
    why = refused(lambda: estimate(data, CUT))
    assert bool(why) == (found.of("backtest").verdict == "no"), why
    assert all(table in why for table in gone)
    assert gone == [name] * bool(gone)


@cache
def model() -> Model:
    return tk.train(city(), CUT, risk_alone=True)


@pytest.mark.parametrize("name", ["obligations", "inspections"])
def test_an_evaluation_refuses_parts_and_never_falls_over(name) -> None:
    data = less(name)

    def assessed() -> None:
        if "ranking" not in tk.assess(model(), data, CUT).results:
            raise ValueError("no order is told")

    assert bool(refused(assessed)) == (data.abilities().of("evaluation").verdict == "no")


def test_inspections_alone_are_enough_for_risk_its_order_and_tiers() -> None:
    tables = {name: city()[name] for name in ("enterprises", "inspections")}
    rows = tables["inspections"].assign(propensity=float("nan"), served_share=float("nan"), channel=None)
    kind = {"channel": city()["inspections"]["channel"].dtype}
    alone = Dataset({**tables, "inspections": rows.astype(kind)}, city().manifest)
    assert tk.validate(alone) == []
    found = alone.abilities()
    assert found.scheme == "naive"
    assert {one.thing: one.verdict for one in found.each if one.verdict != "no"} == {
        "risk": "part",
        "tiers": "part",
        "reasons": "yes",
        "recourse": "part",
        "evaluation": "part",
    }
    with pytest.warns(UserWarning, match="The scheme 'naive' is taken"):
        own = tk.train(alone, CUT, "shanghai-2025", risk_alone=True)
    assert own.manifest["scheme"] == "naive"
    scores = own.score(alone, CUT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert set(tk.assign(scores, own.policy)["tier"]) > {"T1"}
        assessed = tk.assess(own, alone, CUT)
    assert "ranking" in assessed.results
    assert "days_earlier" in set(assessed.tables["ranking.measures"]["measure"])


def test_penalties_alone_are_no_target() -> None:
    events = city()["credit_events"]
    fines = Dataset({**city(), "credit_events": events[events["kind"] == "penalty"]}, city().manifest)
    credit = fines.abilities().of("credit")
    assert (credit.verdict, credit.lacks[0].columns) == ("no", ("kind",))
    assert "--risk-alone" in credit.sentence("en")
    assert "专家评分表" in credit.sentence("zh")


def test_a_synthetic_city_can_be_simulated() -> None:
    assert tk.evaluate.abilities("data/synthetic").of("simulation").verdict == "yes"


def test_the_result_is_as_other_results_are() -> None:
    found = less("credit_events").abilities()
    frame = found.to_frame()
    assert frame["thing"].tolist() == list(THINGS)
    assert frame.loc[frame["thing"] == "backtest", "table"].item().startswith("credit_events")
    assert len(found.sentences("zh")) == len(found.sentences("en")) == len(THINGS)
    assert "credit_events" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict()))["rows"][0]["thing"] == "risk"
    assert repr(found).startswith("Abilities(risk: yes")
    with pytest.raises(AttributeError):
        found.scheme = "random"  # type: ignore[misc]
    with pytest.raises(InputError, match="must be one of risk"):
        found.of("weather")


def test_what_nobody_is_told_of_is_named() -> None:
    people = city()["enterprises"].assign(employees=pd.array([None] * len(city()["enterprises"]), "Int32"))
    reasons = Dataset({**city(), "enterprises": people}, city().manifest).abilities().of("reasons")
    assert (reasons.verdict, reasons.lacks[0].columns) == ("part", ("employees",))


def test_a_dataset_without_a_table_says_so() -> None:
    with pytest.raises(InputError, match="no table 'items', which this needs"):
        less("items")["items"]
