"""The draws: known answers, packing without collisions, refusals, uniformity and independence."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from tierkit.city.keyed_random import (
    ENTERPRISE_LEVEL,
    MAX_INDEX,
    TWO_32,
    Block,
    Domain,
    draws,
    pack,
    philox_many,
    threshold,
    uniform,
)
from tierkit.city.limits import MAX_SEED

ALPHA = 1e-6
"""Level of each statistical test; keys are fixed, so a failure is a fault and not bad luck."""


def words(*hexadecimal: str) -> NDArray[np.uint64]:
    return np.array([[int(one, 16)] for one in hexadecimal], np.uint64)


@pytest.mark.parametrize(
    ("key", "counter", "answer"),
    [
        (
            ("00000000", "00000000"),
            ("00000000", "00000000", "00000000", "00000000"),
            ("6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"),
        ),
        (
            ("ffffffff", "ffffffff"),
            ("ffffffff", "ffffffff", "ffffffff", "ffffffff"),
            ("408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"),
        ),
        (  # digits of pi
            ("a4093822", "299f31d0"),
            ("243f6a88", "85a308d3", "13198a2e", "03707344"),
            ("d16cfe09", "94fdcceb", "5001e420", "24126ea1"),
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_known_answers_of_the_authors(
    key: tuple[str, str], counter: tuple[str, ...], answer: tuple[str, ...]
) -> None:
    # kat_vectors of Random123 1.14, philox4x32 with 10 rounds
    out = philox_many((int(key[0], 16), int(key[1], 16)), words(*counter))
    assert (out == words(*answer)).all()


def test_draws_are_the_generator_of_the_packed_counter_under_seed_and_replicate() -> None:
    counter = pack(5, 3, Block.SIGNAL, 17, 2, Domain.POPULATION)
    assert counter[:, 0].tolist() == [5, 3 | Block.SIGNAL << 8 | 2 << 16, 17, 1]
    assert (draws(7, 9, 5, 3, Block.SIGNAL, 17, 2, Domain.POPULATION) == philox_many((7, 9), counter)).all()


word32 = st.integers(0, TWO_32 - 1)
decision = st.tuples(
    word32, st.integers(0, 255), st.integers(0, 255), word32, st.integers(0, MAX_INDEX), word32
)


@given(decision, decision)
def test_packing_is_one_to_one(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    assert (pack(*a) == pack(*b)).all() == (a == b)


@given(decision)
def test_packing_can_be_undone(a: tuple[int, ...]) -> None:
    slot, middle, week, domain = pack(*a)[:, 0].tolist()
    assert (slot, middle & 255, middle >> 8 & 255, week, middle >> 16, domain) == a


def distinct(columns: NDArray[np.uint64]) -> int:
    """Return how many distinct columns there are."""
    ordered = columns[:, np.lexsort(columns)]
    return 1 + int((ordered[:, 1:] != ordered[:, :-1]).any(axis=0).sum())


@pytest.mark.slow
def test_no_two_decisions_of_a_large_grid_share_a_counter_or_a_draw() -> None:
    # enterprises × obligations and the enterprise itself × all blocks × weeks over two years × indices
    axes = (
        np.arange(150),
        np.array([*range(25), ENTERPRISE_LEVEL]),
        np.array(Block),
        np.arange(0, 104, 8),
        np.arange(2),
    )
    slot, number, block, week, index = (part.ravel() for part in np.meshgrid(*axes, indexing="ij"))
    counters = pack(slot, number, block, week, index)
    assert distinct(counters) == len(slot) == 150 * 26 * len(Block) * 13 * 2
    assert distinct(philox_many((1, 0), counters).astype(np.uint64)) == len(slot)
    counters[:, 5] = counters[:, 70_000]
    assert distinct(counters) == len(slot) - 1


@pytest.mark.parametrize(
    ("name", "value", "top"),
    [
        ("enterprise", TWO_32, TWO_32 - 1),
        ("obligation", 256, 255),
        ("week", TWO_32, TWO_32 - 1),
        ("index", MAX_INDEX + 1, MAX_INDEX),
        ("block", 256, 255),
        ("domain", TWO_32, TWO_32 - 1),
    ],
)
def test_what_does_not_fit_its_bits_is_refused(name: str, value: int, top: int) -> None:
    good = {"enterprise": 0, "obligation": 0, "block": 0, "week": 0, "index": 0, "domain": 0}
    pack(**good | {name: top})
    for bad in (value, -1):
        message = rf"The '{name}' of a draw must be in 0 … {top}\. Got {bad} … {bad}\."
        with pytest.raises(ValueError, match=message):
            pack(**good | {name: bad})
    with pytest.raises(ValueError, match="'enterprise'"):
        pack([0, 1, TWO_32], 0, 0)


@pytest.mark.parametrize("name", ["seed", "replicate"])
def test_a_seed_that_does_not_fit_is_refused(name: str) -> None:
    good = {"seed": MAX_SEED, "replicate": MAX_SEED}
    draws(**good, enterprise=0, obligation=0, block=0)
    for bad in (-1, MAX_SEED + 1):
        with pytest.raises(ValueError, match=rf"The '{name}' must be in 0 … {MAX_SEED}\. Got {bad}\."):
            draws(**good | {name: bad}, enterprise=0, obligation=0, block=0)


def test_draws_do_not_depend_on_company_or_order() -> None:
    rng = np.random.default_rng(0)
    slots, numbers, weeks = rng.integers(0, [[TWO_32], [ENTERPRISE_LEVEL], [5000]], (3, 400))
    together = draws(3, 1, slots, numbers, Block.WEEK, weeks)
    order = rng.permutation(400)
    assert (draws(3, 1, slots[order], numbers[order], Block.WEEK, weeks[order]) == together[:, order]).all()
    alone = [draws(3, 1, *one, Block.WEEK, week) for *one, week in zip(slots, numbers, weeks, strict=True)]
    assert (np.concatenate(alone, axis=1) == together).all()


# Thresholds and uniforms


@given(st.floats(0, 1))
def test_a_threshold_has_its_probability_to_half_a_cell(p: float) -> None:
    assert abs(int(threshold(p)) / TWO_32 - p) <= 2**-33


@given(word32, st.floats(0, 1))
def test_a_draw_below_the_threshold_is_a_uniform_below_the_probability(draw: int, p: float) -> None:
    u = float(uniform(np.array([draw], np.uint32))[0])
    assert 0 < u < 1
    if abs(u - p) > 2**-32:
        assert (draw < threshold(p)) == (u < p)


@given(st.lists(st.floats(0, 1), min_size=2))
def test_thresholds_rise_with_probability(ps: list[float]) -> None:
    assert (np.diff(threshold(sorted(ps)).astype(np.int64)) >= 0).all()


@pytest.mark.parametrize("bad", [-1e-9, 1 + 1e-9, np.nan, np.inf])
def test_what_is_no_probability_is_refused(bad: float) -> None:
    assert threshold([0.0, 1.0]).tolist() == [0, TWO_32]
    with pytest.raises(ValueError, match=r"A 'probability' must be in \[0, 1\]\."):
        threshold([0.5, bad])


# Quality


def sample(kind: str, n: int = 1 << 18) -> NDArray[np.uint32]:
    """Return draws along one axis of the key, the others fixed, shape (4, n)."""
    run = np.arange(n)
    if kind == "enterprises":
        return draws(1, 0, run, 0, Block.WEEK, 0)
    if kind == "weeks":
        return draws(1, 0, run % 64, 3, Block.WEEK, run // 64)
    if kind == "obligations":
        return draws(1, 0, run // 24, run % 24, Block.INSPECTION, 7)
    if kind == "index":
        return draws(1, 0, run // 1024, 0, Block.VISIT, 3, run % 1024)
    if kind == "replicates":
        return np.concatenate(
            [draws(1, r, np.arange(n // 256), 0, Block.WEEK, 9) for r in range(256)], axis=1
        )
    return np.concatenate([draws(s, 0, np.arange(n // 256), 0, Block.WEEK, 9) for s in range(256)], axis=1)


AXES = ["enterprises", "weeks", "obligations", "index", "replicates", "seeds"]


@pytest.mark.parametrize("axis", AXES)
def test_every_lane_is_uniform_along_every_axis_of_the_key(axis: str) -> None:
    for lane in sample(axis):
        for bits in (lane >> np.uint32(24), lane & np.uint32(255)):  # the highest and the lowest byte
            assert stats.chisquare(np.bincount(bits, minlength=256)).pvalue > ALPHA
        assert stats.kstest(uniform(lane), "uniform").pvalue > ALPHA


@pytest.mark.parametrize("axis", AXES)
def test_neighbouring_keys_are_independent(axis: str) -> None:
    for lane in sample(axis):
        cells = (lane >> np.uint32(28)).astype(np.int64)
        table = np.bincount(cells[:-1] * 16 + cells[1:], minlength=256)
        assert stats.chisquare(table).pvalue > ALPHA


def test_lanes_of_a_block_are_independent() -> None:
    cells = (sample("enterprises") >> np.uint32(28)).astype(np.int64)
    for a, b in itertools.combinations(range(4), 2):
        assert stats.chisquare(np.bincount(cells[a] * 16 + cells[b], minlength=256)).pvalue > ALPHA


@pytest.mark.parametrize(
    "changed",
    [{"week": 11}, {"obligation": 1}, {"replicate": 1}, {"seed": 2}, {"block": Block.DEMAND}, {"index": 1}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_key_that_differs_in_one_part_gives_an_unrelated_draw(changed: dict[str, int]) -> None:
    key = {"seed": 1, "replicate": 0, "obligation": 0, "block": int(Block.WEEK), "week": 10, "index": 0}
    slots = np.arange(1 << 18)
    a, b = (draws(enterprise=slots, **one) for one in (key, key | changed))
    # each of the 128 bits changes in half of the cases; the sum of their chi-squares is one of 128 degrees
    flipped = np.unpackbits((a ^ b).view(np.uint8).reshape(4, -1, 4), axis=2).sum(axis=1)
    z2 = (flipped - len(slots) / 2) ** 2 / (len(slots) / 4)
    assert stats.chi2.sf(z2.sum(), 128) > ALPHA
    cells = (a >> np.uint32(28)).astype(np.int64) * 16 + (b >> np.uint32(28)).astype(np.int64)
    assert stats.chisquare(np.bincount(cells.ravel(), minlength=256)).pvalue > ALPHA


def test_the_quality_tests_are_able_to_fail() -> None:
    lane = sample("enterprises")[0].copy()
    lane[::16] |= np.uint32(1)  # one low bit, one draw of sixteen
    assert stats.chisquare(np.bincount(lane & np.uint32(255), minlength=256)).pvalue < ALPHA
    lane = sample("enterprises")[0].copy()
    lane[1::8] = lane[:-1:8]  # one pair of neighbours in eight is the same draw
    cells = (lane >> np.uint32(28)).astype(np.int64)
    assert stats.chisquare(np.bincount(cells[:-1] * 16 + cells[1:], minlength=256)).pvalue < ALPHA
