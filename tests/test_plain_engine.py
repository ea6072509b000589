"""The compiled engine and the plain one follow the same rules, so they give the same bits."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from tests.plain_engine import PlainRun, plain_run
from tests.worlds import ALL_ON, LEGACY, busy_world, changes, load, plain_world, policy_of, scores_of
from tierkit.city.engine import LOG, TALLY, Run, run
from tierkit.city.keyed_random import Block
from tierkit.city.population import draw
from tierkit.city.world import NEVER, State, World
from tierkit.policy import presets
from tierkit.records import CHANNELS, DISPOSITIONS, FINDINGS, MODES, UNINSPECTED_KINDS

CACHES = {"bound"}
"""Parts of the state that only spare the compiled engine work; they follow from the others."""
KEPT = ("log", "signals", "events", "tally", "counts", "demanded", "served", "saved", "first_tier")


def differences(fast: Run, plain: PlainRun) -> list[str]:
    """Name everything that the two engines tell differently."""
    pairs = {name: (getattr(fast, name), getattr(plain, name)) for name in KEPT}
    pairs |= {
        f"end.{name}": (getattr(fast.end.state, name), getattr(plain.end, name))
        for name in State._fields
        if name not in CACHES
    }
    return [name for name, (a, b) in pairs.items() if a.shape != b.shape or not np.array_equal(a, b)]


def both(frame: Any, policy: Any, weeks: int, **options: Any) -> Run:
    fast = run(frame, policy, weeks, **options)
    assert differences(fast, plain_run(frame, policy, weeks, **options)) == []
    return fast


@pytest.mark.parametrize("preset", presets())
def test_same_bits_under_every_preset(preset: str) -> None:
    # 70 weeks: reviews every 13, the cap's year turns at 52
    for seed in (1, 2):
        frame = plain_world(seed=seed)
        both(frame, load(preset), 70, kappa=0.1, scores=scores_of(frame, seed))


@pytest.mark.parametrize("schedule", ["lottery", "interval"])
@pytest.mark.parametrize("action", ["none", "merge", "refuse"])
def test_same_bits_with_every_instrument_on_and_each_of_them_at_work(action: str, schedule: str) -> None:
    frame = busy_world()
    policy = policy_of(ALL_ON | {"check_code.action": action, "frequency.schedule": schedule})
    fast = both(frame, policy, 110, kappa=0.25, seed=9, replicate=3)

    log = fast.table()
    happened = {TALLY[k] for k in np.flatnonzero(fast.tally.sum(axis=(0, 1)))}
    assert happened == set(TALLY) - ({"window"} if action != "refuse" else set())
    for column, levels in (
        ("channel", CHANNELS),
        ("mode", MODES),
        ("finding", FINDINGS),
        ("disposition", DISPOSITIONS),
    ):
        assert set(log[column]) == set(range(len(levels))), column
    assert set(log["cause"]) == {0, 1, 2, 3, 4, 5, 6}
    assert set(log["coded"]) == {0, 1}
    rated = log["known_rate"] > 0
    assert rated.any() == (schedule == "lottery")
    assert set(fast.signals[:, 2]) == {0, 1, 2, 3, 4}
    assert set(fast.signals[:, 3]) == {0, 1, 2}
    assert set(fast.events[:, 2]) == set(range(len(UNINSPECTED_KINDS)))
    assert fast.saved.sum() > 0
    assert (fast.demanded - fast.served).sum() > 0
    state = fast.end.state
    for part in (state.changes, state.flips, state.listed, state.fear, state.visits, state.record_until > 0):
        assert part.any()
    weeks = np.arange(frame.week + 1, fast.end.week)
    assert np.isin(frame.fixed.entered, weeks).any()
    assert np.isin(frame.fixed.left, weeks).any()
    gone = state.left != frame.fixed.left
    assert gone[frame.fixed.successor_of[np.isin(frame.fixed.entered, weeks)]].any()
    assert set(state.found_kind) == {0, 1, 2, 3}


def drawn_reforms(
    reform: dict[str, Any], world: tuple[int, int], weeks: int, kappa: float, seed: int, basis: str
) -> None:
    frame = busy_world(*world)
    policy = policy_of(reform | {"scoring.basis": basis})
    both(
        frame, policy, weeks, kappa=kappa, seed=seed, replicate=seed % 7, scores=scores_of(frame, seed % 1000)
    )


DRAWN = given(
    reform=changes(),
    world=st.sampled_from([(60, 1), (60, 2), (35, 3)]),
    weeks=st.sampled_from([5, 30, 60]),
    kappa=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 2**32 - 1),
    basis=st.sampled_from(["rule", "model"]),
)
test_same_bits_under_drawn_reforms = settings(max_examples=25)(DRAWN(drawn_reforms))
test_same_bits_under_many_drawn_reforms = pytest.mark.long(settings(max_examples=200)(DRAWN(drawn_reforms)))


def test_same_bits_from_the_first_week_of_the_burn_in() -> None:
    frame = draw(80, 5, load("legacy"), 20).world
    both(frame, load("shanghai-2025"), 65, kappa=0.1)


@pytest.mark.parametrize("scope", [([], []), (["retail", "food", "ict"], ["fire", "labour"])])
def test_same_bits_in_and_out_of_scope_and_on_the_edge_of_the_list(
    scope: tuple[list[str], list[str]],
) -> None:
    frame = busy_world()
    edge = {  # whoever has no records is on the list's edge exactly
        "lists.unmonitored.max_risk": float(expit(LEGACY["scoring.rule_intercept"])),
        "lists.unmonitored.min_points": LEGACY["scoring.rule_points"],
        "scoring.scope_sectors": scope[0],
        "scoring.scope_agencies": scope[1],
        "scoring.sector_offset.food": 0,
        "review.cadence_weeks": 9,
    }
    fast = both(frame, policy_of(ALL_ON | edge), 60)
    listed = fast.end.state.listed[frame.alive()]
    assert 0 < listed.mean() < 1


def at_random(frame: World, seed: int) -> World:
    """Return the world in a state in which every clock stands near the edge of a rule."""
    rng, state, week = np.random.default_rng(seed), frame.state.copy(), frame.week
    n, m = frame.enterprises, frame.obligations

    def ago(*weeks: int, size: Any = m) -> Any:
        return week - rng.choice(weeks, size)

    state.violation[:] = rng.integers(0, 4, m)
    state.found_week[:] = ago(0, 1, 103, 104, 105, 106, 1022, 1023, 1024, 2000)
    state.found_kind[:] = rng.integers(0, 4, m)
    state.record_until[:] = ago(-10, -4, -1, 0, 1, 50)
    state.record_week[:] = ago(0, 1, 29, 30, 31, 1000)
    state.recorded[:] = rng.integers(0, 2, n)
    state.merged_until[:] = ago(-6, -2, -1, 0, 1, 1000)
    state.due_week[:] = np.where(rng.random(m) < 0.2, week + rng.integers(0, 6, m), NEVER)
    channel = rng.integers(0, 6, m)
    state.due_channel[:] = channel | np.where(channel == 1, rng.integers(1, 6, m), 0) << 4
    state.due_age[:] = rng.integers(0, 5, m)
    state.conduct[:] = rng.integers(-3000, 3000, state.conduct.shape)
    state.conduct_week[:] = ago(-3, 0, 1, 13, 1022, 1023, 1024, 2000, size=n)
    state.perceived[:] = rng.choice([1 << 10, (1 << 10) + 5, 2047, 2048, 1 << 16, (1 << 22) - 5, 1 << 22], n)
    state.last_visit[:] = ago(0, 1, 2, 3, 4, 20_000, size=n)
    state.last_agency[:] = rng.integers(0, 12, n)
    state.adverse_week[:] = ago(0, 1, 29, 30, 31, 1000, size=state.adverse_week.shape)
    state.adverse_until[:] = ago(-9, -4, -1, 0, 1, size=state.adverse_until.shape)
    state.serious_week[:] = ago(0, 1, 51, 52, 53, 1000, size=n)
    return dataclasses.replace(frame, state=state)


@pytest.mark.parametrize("by", ["agency", "agency_sector"])
def test_same_bits_with_lists_that_are_filled(by: str) -> None:
    frame = at_random(busy_world(seed=4), 4)
    state = frame.state
    few = np.random.default_rng(1).random(frame.enterprises) < 0.9  # most may be listed
    state.adverse_until[few] = 0
    state.record_until[few[frame.fixed.enterprise]] = 0
    given = {
        "lists.unmonitored.by": by, "lists.unmonitored.target_share": 0.15, "review.cadence_weeks": 9,
        "scoring.scope_sectors": ["retail", "catering", "construction", "ict"], "scoring.basis": "model",
    }  # fmt: skip
    fast = both(frame, policy_of(ALL_ON | given), 20, scores=scores_of(frame, 4))
    held = fast.end.state
    by_enterprise = np.bincount(frame.fixed.enterprise, held.unseen, frame.enterprises)
    counts = np.bincount(frame.fixed.enterprise, minlength=frame.enterprises)
    assert ((by_enterprise > 0) & (by_enterprise < counts)).any()  # listed by some agencies, not by others
    assert np.array_equal(by_enterprise > 0, held.listed == 1)


@pytest.mark.parametrize("action", ["none", "merge", "refuse"])
@pytest.mark.parametrize("cadence", [1, 9, 13])
def test_same_bits_from_states_on_the_edges_of_the_rules(action: str, cadence: int) -> None:
    for seed in range(3):
        frame = at_random(busy_world(seed=1 + seed), seed)
        changes = {"check_code.action": action, "review.cadence_weeks": cadence, "lenience.first_only": True}
        scores = scores_of(frame, seed) if seed else None
        policy = policy_of(ALL_ON | changes | {"scoring.basis": "model", "lenience.rectify_first": seed == 1})
        both(frame, policy, 42, kappa=[0.0, 0.1, 2.0][seed], scores=scores)


def test_the_page_of_rules_names_every_column_account_channel_and_block() -> None:
    page = (Path(__file__).parent.parent / "docs" / "engine.md").read_text("utf-8")
    named = [*LOG, *TALLY, *CHANNELS, *DISPOSITIONS[1:]]
    assert [name for name in named if not re.search(rf"\b{name.replace('_', '[ _]')}\b", page)] == []
    assert [
        int(row) for row in re.findall(r"^\| (\d) \| (?:obligation|enterprise)", page, re.MULTILINE)
    ] == list(Block)


def test_the_comparison_is_able_to_fail() -> None:
    frame, policy = busy_world(35, 3), load("legacy")
    fast, plain = run(frame, policy, 10), plain_run(frame, policy, 10)
    assert differences(fast, plain) == []
    plain.log[-1, LOG.index("inspector")] += 1
    plain.end.perceived[0] += 1
    assert differences(fast, plain) == ["log", "end.perceived"]
    assert "log" in differences(fast, plain_run(frame, policy, 10, replicate=1))
    other = dataclasses.replace(frame, seed=frame.seed + 1)
    assert "log" in differences(fast, plain_run(other, policy, 10))
