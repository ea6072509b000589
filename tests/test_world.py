"""The world's parameters, its logarithmic rates and its frame."""

import dataclasses
import datetime as dt
import tomllib
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds import busy_world
from tierkit.city.parameters import parameters
from tierkit.city.world import LOG_MIN, LOG_ONE, NEVER, State, log_index, probability_table

TOP = -int(LOG_MIN) * LOG_ONE


# Parameters


def test_every_parameter_has_a_unit_and_a_ground() -> None:
    p = parameters()
    assert len(list(p)) > 150
    for path in p:
        one = p.parameter(path)
        assert one.unit, path
        assert one.source or one.assumption, path
        assert one.value == p[path]


def test_parameters_are_those_of_the_file() -> None:
    tree = tomllib.loads(files("tierkit.city").joinpath("world.toml").read_text("utf-8"))
    assert parameters()["calendar.start"] == tree["calendar"]["start"]["value"] == dt.date(2023, 1, 2)
    assert parameters()["violation.harm.serious"] == 40
    assert parameters().group("violation.harm") == {"minor": 1, "moderate": 5, "serious": 40}


@pytest.mark.parametrize("kind", ["sector", "size", "ownership", "district"])
def test_shares_are_shares(kind: str) -> None:
    shares = parameters().group(f"share.{kind}")
    assert all(0 < share < 1 for share in shares.values())
    assert sum(shares.values()) == pytest.approx(1, abs=0.06)  # drawn in proportion


def test_replacing_leaves_the_default_as_it_is() -> None:
    p = parameters()
    changed = p.replace({"turnover.entry": 0.5})
    assert (changed["turnover.entry"], p["turnover.entry"]) == (0.5, 0.12)
    assert changed["turnover.exit"] == p["turnover.exit"]
    assert changed.parameter("turnover.entry").unit == p.parameter("turnover.entry").unit
    assert parameters() is p
    with pytest.raises(KeyError, match=r"'turnover\.enter' is not a parameter of the world"):
        p.replace({"turnover.enter": 0.5})


def test_the_hash_is_of_the_values() -> None:
    p = parameters()
    assert p.hash == p.replace({}).hash == p.replace({"turnover.entry": 0.12}).hash
    assert p.hash != p.replace({"turnover.entry": 0.13}).hash


# Rates as logarithms


@given(st.floats(np.exp(LOG_MIN + 1 / LOG_ONE), 1.0))
def test_a_rate_is_held_to_a_thousandth(rate: float) -> None:
    held = np.exp(int(log_index(rate)) / LOG_ONE + LOG_MIN)
    assert abs(np.log(held / rate)) <= 0.5 / LOG_ONE + 1e-12


def test_rates_beyond_the_table_stay_at_its_ends_and_zero_means_never() -> None:
    assert log_index([0.0, 1e-30, np.exp(LOG_MIN), 1.0, 50.0]).tolist() == [0, 1, 1, TOP, TOP]
    assert probability_table()[[0, 1, TOP]].tolist() == [0, 26441, 2714937127]
    # by hand: 2^32 (1 − exp(−exp(1/512 − 12))) = 26,441.0; 2^32 (1 − 1/e) = 2,714,937,127.2


def test_the_probability_table_rises_and_cannot_be_written_to() -> None:
    table = probability_table()
    assert (np.diff(table.astype(np.int64)) > 0).all()
    with pytest.raises(ValueError, match="read-only"):
        table[0] = 1


# Frames


def test_a_frame_knows_its_date_and_who_is_there() -> None:
    frame = busy_world()
    assert frame.date == frame.origin + dt.timedelta(weeks=frame.week)
    assert frame.origin.weekday() == 0
    assert frame.origin + dt.timedelta(weeks=frame.known_from) == frame.parameters["calendar.start"]
    here = frame.alive()
    assert here.tolist() == [
        a <= frame.week < b for a, b in zip(frame.fixed.entered, frame.state.left, strict=True)
    ]
    assert 0 < here.sum() < frame.enterprises == len(frame.ids)
    assert f"{here.sum():,} enterprises" in frame._repr_html_()
    assert str(frame.date) in frame._repr_html_()
    with pytest.raises(dataclasses.FrozenInstanceError):
        frame.week = 3  # type: ignore[misc]


def test_a_frame_prints_as_a_line() -> None:
    frame = busy_world(30)
    there = int(frame.alive().sum())
    assert repr(frame).startswith(
        f"World({there} enterprises on {frame.date}, {frame.obligations} obligations"
    )
    assert len(repr(frame)) < 120
    assert len(repr(frame.parameters)) < 60


def test_a_copied_state_shares_nothing() -> None:
    state = busy_world().state
    other = state.copy()
    assert all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(state, other, strict=True))
    other.violation[:] = 3
    assert (state.violation != 3).any()
    assert not any(np.shares_memory(a, b) for a, b in zip(state, other, strict=True))


def test_every_obligation_has_its_place() -> None:
    world = busy_world().fixed
    held = np.diff(world.start)
    assert world.start[0] == 0
    assert world.start[-1] == len(world.enterprise)
    assert np.array_equal(np.repeat(np.arange(len(held)), held), world.enterprise)
    inside = np.diff(world.local.astype(int)) > 0  # numbers rise within an enterprise
    assert (inside | (np.diff(world.enterprise.astype(int)) > 0)).all()
    assert np.array_equal(world.local, world.agency * 2 + world.item_class)
    assert ((world.left > world.entered) & (world.left <= NEVER)).all()
    assert (np.diff(world.entered) >= 0).all()  # slots are in the order of entry


def test_a_state_takes_at_most_what_a_city_can_afford() -> None:
    # 3.4 million enterprises with five obligations each; the engine's own state, without the log
    frame = busy_world()
    of_obligations = sum(part.nbytes for part in frame.state if len(part) == frame.obligations)
    of_enterprises = sum(part.nbytes for part in frame.state if len(part) == frame.enterprises)
    assert set(map(len, frame.state)) == {frame.obligations, frame.enterprises}
    assert State._fields[0] == "violation"
    assert of_obligations / frame.obligations + of_enterprises / frame.enterprises / 5 < 100
