"""The keyed draws look random along every part of their key, and the checks see it where draws do not.

Each check takes a generator and returns a p-value. tierkit's passes all, at a level that a fault misses
by far and bad luck does not reach; the keys are fixed. Each deliberately bad generator fails the check
for its kind of fault.
"""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from tierkit.city.keyed_random import MAX_INDEX, TWO_32, Block, Domain, draws, pack, philox_many

Words = NDArray[np.uint32]
Counters = NDArray[np.uint64]
Generator = Callable[[tuple[int, int], Counters], Words]

ALPHA = 1e-6
N = 1 << 16
HERE = {
    "seed": 3, "replicate": 1, "enterprise": 1_000, "obligation": 2, "block": int(Block.WEEK), "week": 60,
    "index": 0, "domain": int(Domain.SIMULATION),
}  # fmt: skip
"""A decision; the samples run along one part of its key, the others staying as they are."""
TOPS = {
    "enterprise": TWO_32 - 1, "obligation": 255, "week": TWO_32 - 1, "index": MAX_INDEX, "block": 255,
    "domain": TWO_32 - 1,
}  # fmt: skip
PARTS = [*TOPS, "seed", "replicate"]
LOW = np.uint64(0xFFFFFFFF)


# Philox once more, in NumPy and for any number of rounds, and its inverse


def rounds(number: int) -> Generator:
    """Return Philox4x32 of so many rounds, written from the paper's definition."""

    def generator(key: tuple[int, int], counters: Counters) -> Words:
        k0, k1 = (np.uint64(word) for word in key)
        c0, c1, c2, c3 = counters
        for _ in range(number):
            p0, p1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
            c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & LOW, (p0 >> 32) ^ c3 ^ k1, p0 & LOW
            k0, k1 = (k0 + np.uint64(0x9E3779B9)) & LOW, (k1 + np.uint64(0xBB67AE85)) & LOW
        return np.stack([c0, c1, c2, c3]).astype(np.uint32)

    return generator


def undone(key: tuple[int, int], words: tuple[int, ...]) -> tuple[int, ...]:
    """Return the counter of a block of output: each round of Philox can be undone, as its factors are odd."""
    m0, m1, w0, w1 = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85
    i0, i1 = pow(m0, -1, TWO_32), pow(m1, -1, TWO_32)
    a, b, c, d = words
    for step in reversed(range(10)):
        k0, k1 = (key[0] + step * w0) % TWO_32, (key[1] + step * w1) % TWO_32
        c2, c0 = b * i1 % TWO_32, d * i0 % TWO_32
        a, b, c, d = c0, a ^ (m1 * c2 >> 32) ^ k0, c2, c ^ (m0 * c0 >> 32) ^ k1
    return a, b, c, d


word32 = st.integers(0, TWO_32 - 1)
four = st.tuples(word32, word32, word32, word32)


def column(words: tuple[int, ...]) -> Counters:
    return np.array(words, np.uint64)[:, None]


@given(st.tuples(word32, word32), four)
def test_the_compiled_generator_is_philox_of_ten_rounds(
    key: tuple[int, int], counter: tuple[int, ...]
) -> None:
    assert np.array_equal(philox_many(key, column(counter)), rounds(10)(key, column(counter)))


@given(st.tuples(word32, word32), four)
def test_no_two_counters_share_a_block_since_every_block_tells_its_counter(
    key: tuple[int, int], counter: tuple[int, ...]
) -> None:
    assert undone(key, tuple(philox_many(key, column(counter))[:, 0].tolist())) == counter


# The packing has no collisions: its parts lie in bits of their own


def packed(**parts: int) -> int:
    """Return the counter as one number of 128 bits, parts that are not given being zero."""
    words = pack(**dict.fromkeys(TOPS, 0) | parts)[:, 0].tolist()
    return sum(word << 32 * place for place, word in enumerate(words))


def test_every_part_has_bits_of_its_own() -> None:
    taken = 0
    for name, top in TOPS.items():
        mask = packed(**{name: top})
        low = (mask & -mask).bit_length() - 1
        assert mask == top << low, f"{name} is one run of bits, as wide as what may be in it"
        assert mask & taken == 0, f"{name} shares a bit with another part"
        taken |= mask
        values = range(top + 1) if top < 1 << 17 else [0, top, *(1 << k for k in range(32))]
        shifted = pack(**{other: 0 for other in TOPS if other != name}, **{name: np.array(values)})
        assert all(
            sum(int(word) << 32 * place for place, word in enumerate(one)) == value << low
            for one, value in zip(shifted.T, values, strict=True)
        )
    assert taken == 2**128 - 1, "nothing is left over"


@given(st.tuples(*(st.integers(0, top) for top in TOPS.values())))
def test_a_counter_is_the_sum_of_its_parts_so_that_no_two_decisions_share_one(
    values: tuple[int, ...],
) -> None:
    parts = dict(zip(TOPS, values, strict=True))
    assert packed(**parts) == sum(packed(**{name: value}) for name, value in parts.items())


def test_the_engine_stays_within_the_bits() -> None:
    assert max(Block) <= 255
    assert len(set(Block)) == len(Block)
    assert len(set(Domain)) == len(Domain)


# Checks of quality: each returns the smallest p-value of what it looks at, times how many that are


def of(generator: Generator, n: int = N, **parts: Any) -> Words:
    """Return the draws of n decisions, of which some parts of the key are arrays."""
    at = HERE | {"enterprise": np.arange(n)} | parts
    key = (int(at.pop("seed")), int(at.pop("replicate")))
    return generator(key, pack(**at))


def along(generator: Generator, part: str) -> Words:
    """Return draws in the order of one part of the key, with a few values of another to fill up."""
    if part in ("seed", "replicate"):
        runs = [of(generator, N // 256, **{part: value}) for value in range(256)]
        return np.stack(runs, axis=2).reshape(4, -1)  # neighbours differ in the part alone
    if part == "enterprise":
        return of(generator)
    width = min(TOPS[part] + 1, 1024)
    run = np.arange(N)
    return of(generator, enterprise=run // width, **{part: run % width})


def smallest(values: list[float]) -> float:
    return min(values) * len(values)


def table(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Return the p-value of independence and uniformity of two columns of four bits; two-sided."""
    seen = stats.chisquare(np.bincount(a * 16 + b, minlength=256)).pvalue
    return float(2 * min(seen, 1 - seen))


def uniformity(generator: Generator, part: str) -> float:
    """Look at all four bytes of every lane, and at whether they are too even."""
    values = []
    for lane, byte in itertools.product(along(generator, part), range(4)):
        seen = np.bincount(lane >> np.uint32(8 * byte) & np.uint32(255), minlength=256)
        one = stats.chisquare(seen).pvalue
        values.append(2 * min(one, 1 - one))
    return smallest(values)


def serial(generator: Generator, part: str) -> float:
    """Look at the correlation of each lane with itself, one to sixteen places on."""
    values = []
    for lane in along(generator, part):
        u = lane / TWO_32 - 0.5
        r = np.array([(u[:-lag] * u[lag:]).mean() * 12 * np.sqrt(len(u) - lag) for lag in range(1, 17)])
        values.append(stats.chi2.sf((r**2).sum(), len(r)))
    return smallest(values)


def neighbours(generator: Generator, part: str) -> float:
    """Look at each lane beside each lane of the decision whose key differs by one in this part."""
    step = np.arange(N) + 1 if part == "enterprise" else HERE[part] + 1
    here, there = (
        (words >> np.uint32(28)).astype(np.int64) for words in (of(generator), of(generator, **{part: step}))
    )
    return smallest([table(a, b) for a, b in itertools.product(here, there)])


def lanes(generator: Generator, part: str) -> float:
    """Look at every two lanes of a block, in their highest bits and in their lowest."""
    words = along(generator, part)
    values = []
    for cells in (words >> np.uint32(28), words & np.uint32(15)):
        pairs = itertools.combinations(cells.astype(np.int64), 2)
        values += [table(a, b) for a, b in pairs]
    return smallest(values)


def avalanche(generator: Generator, part: str) -> float:
    """Flip each bit of this part of the key: every bit of output changes in half of the cases."""
    n = 2048
    rng = np.random.default_rng(5)
    counters = rng.integers(0, TWO_32, (4, n), dtype=np.uint64)
    key = (0x1234ABCD, 7)
    plain = generator(key, counters)
    worst, bits = 0.0, 0
    if part in ("seed", "replicate"):
        flips = [(np.zeros(4, np.uint64), part == "seed", part != "seed", 1 << k) for k in range(32)]
    else:
        mask = packed(**{part: TOPS[part]})
        places = [k for k in range(128) if mask >> k & 1]
        flips = []
        for k in places:
            flip = np.zeros(4, np.uint64)
            flip[k // 32] = 1 << k % 32
            flips.append((flip, False, False, 0))
    for flip, first, second, bit in flips:
        other = (key[0] ^ bit if first else key[0], key[1] ^ bit if second else key[1])
        changed = plain ^ generator(other, counters ^ flip[:, None])
        counts = np.unpackbits(changed.view(np.uint8).reshape(4, n, 4), axis=2).sum(axis=1)
        worst = max(worst, float(np.abs(counts - n / 2).max()))
        bits += 128
    return float(2 * stats.norm.sf(worst / np.sqrt(n / 4)) * bits)


def duplicates(generator: Generator, part: str) -> float:
    """Look for blocks that two decisions share, on a grid of enterprises and this part: there are none."""
    if part in ("seed", "replicate"):
        words = np.concatenate([of(generator, 256, **{part: value}) for value in range(256)], axis=1)
    else:
        run = np.arange(N)
        grid = {part: run % 256} if part != "enterprise" else {}
        words = of(generator, **({"enterprise": run // 256} | grid if grid else {}))
    seen = np.unique(np.ascontiguousarray(words.T).view("V16"))
    return float(len(seen) == words.shape[1])


CHECKS = [uniformity, serial, neighbours, lanes, avalanche, duplicates]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_draws_pass(check: Callable[[Generator, str], float], part: str) -> None:
    assert check(philox_many, part) > ALPHA


def test_the_samples_are_those_that_the_engine_draws() -> None:
    run = np.arange(N)
    asked = {name: HERE[name] for name in ("seed", "replicate", "obligation", "block", "index", "domain")}
    assert np.array_equal(along(philox_many, "week"), draws(enterprise=run // 1024, week=run % 1024, **asked))


# The checks are able to fail


def summed(key: tuple[int, int], counters: Counters) -> Words:
    """Draw by the sum of a counter's words, which many decisions share."""
    total = np.zeros_like(counters)
    total[0] = counters.sum(axis=0) & LOW
    return philox_many(key, total)


def deaf(key: tuple[int, int], counters: Counters) -> Words:
    """Leave out the replicate."""
    return philox_many((key[0], 0), counters)


def echo(key: tuple[int, int], counters: Counters) -> Words:
    """Give the fourth lane the bits of the first, in another order."""
    words = philox_many(key, counters)
    words[3] = words[0] << np.uint32(28) | words[0] >> np.uint32(4)
    words[3] = words[3] & np.uint32(0x0FFFFFFF) | words[0] & np.uint32(0xF0000000)
    return words


def even(key: tuple[int, int], counters: Counters) -> Words:
    """Step through the numbers by a constant: uniform, far too evenly, and each foretells the next."""
    start = counters[0] * np.uint64(0x9E3779B1) + counters[2] * np.uint64(0x85EBCA77)
    return np.stack([(start + np.uint64(key[0] * 77 + lane * 0x7F4A7C15)) & LOW for lane in range(4)]).astype(
        np.uint32
    )


def leaning(key: tuple[int, int], counters: Counters) -> Words:
    """Set the lowest bit of a lane once in sixteen times."""
    words = philox_many(key, counters)
    words[2] |= (words[1] < np.uint32(1 << 28)).astype(np.uint32)
    return words


@pytest.mark.parametrize(
    ("generator", "check", "part"),
    [
        (leaning, uniformity, "enterprise"),
        (even, uniformity, "enterprise"),
        (even, serial, "enterprise"),
        (even, neighbours, "week"),
        (deaf, neighbours, "replicate"),
        (deaf, avalanche, "replicate"),
        (deaf, duplicates, "replicate"),
        (echo, lanes, "enterprise"),
        (summed, duplicates, "week"),
        (summed, duplicates, "obligation"),
        (rounds(2), avalanche, "enterprise"),
        (rounds(2), avalanche, "seed"),
        (rounds(3), avalanche, "week"),
        (rounds(2), neighbours, "block"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_bad_generator_fails(
    generator: Generator, check: Callable[[Generator, str], float], part: str
) -> None:
    assert check(generator, part) <= ALPHA
    assert check(philox_many, part) > ALPHA
