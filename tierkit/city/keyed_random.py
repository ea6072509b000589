"""Keyed random draws: every draw is a pure function of the decision it is for.

The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, *Parallel random numbers: as easy as
1, 2, 3*, SC 2011). Its 64-bit key holds the seed and the replicate; its 128-bit counter holds the
enterprise slot, the obligation, the block of four decisions, the index of a repeated event, the week
and the domain, each in bits of its own. Philox is a bijection of the counter for a fixed key, so two
different decisions can never share a block of output.

A decision is a lane of a block: one call of the generator serves the four decisions of a block.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from tierkit.city.limits import MAX_SEED

__all__ = [
    "ENTERPRISE_LEVEL",
    "MAX_INDEX",
    "TWO_32",
    "Block",
    "Domain",
    "draws",
    "pack",
    "philox",
    "philox_many",
    "threshold",
    "uniform",
]

TWO_32 = 1 << 32
ENTERPRISE_LEVEL = 255
"""Obligation number of a decision that belongs to the enterprise as a whole."""
MAX_INDEX = (1 << 16) - 1

# The multipliers are those of the paper. The key grows each round by the golden ratio and by the square root
# of three less one, in units of 2**-32. Words of 32 bits are held in 64, so that a product is exact and its
# halves are a shift and a mask.
_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


class Domain(IntEnum):
    """The purpose of a draw: making the population, or a week of the simulation."""

    SIMULATION = 0
    POPULATION = 1


class Block(IntEnum):
    """A block of four decisions of one week; the comment names its four lanes."""

    # The numbers are part of every draw: one that is changed or given to another decision changes all
    # results.
    WEEK = (
        0  # fall or mend · routine draw · equal-chance audit (from below) or campaign (from above) · signal
    )
    SEVERITY = 1  # severity of a new violation · a check that was stopped is made as a trigger
    SIGNAL = 2  # opens a check · recognised as professional · complainant · day
    DEMAND = 3  # goes off site · off-site result · lot among equals · escapes the register
    INSPECTION = 4  # detected · inspector · disposition · minor breach let off
    CONSEQUENCE = 5  # repair taken up · repair delay · follow-up · sealed
    VISIT = 6  # day of the visit · rated · rating · days to the decision
    ENTERPRISE = 7  # adverse event · its repair taken up · repair delay · commitment check
    PHASE = 8  # where in its fixed interval an obligation is at week 0


@njit(cache=True, nogil=True, inline="always")
def philox(k0: Any, k1: Any, c0: Any, c1: Any, c2: Any, c3: Any) -> Any:  # pragma: no cover - compiled
    """Return the four 32-bit words of Philox4x32-10, each held in a ``uint64``.

    Parameters
    ----------
    k0, k1 : uint64
        The two 32-bit words of the key.
    c0, c1, c2, c3 : uint64
        The four 32-bit words of the counter.

    Returns
    -------
    tuple of four uint64
        Uniform on 0 … 2**32 - 1.
    """
    # The high halves are below 2**32 and so is what they are combined with by exclusive or: only the low
    # halves and the key have to be masked. Ten rounds are the authors' choice, with a margin over the seven
    # that pass their tests.
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _SHIFT) ^ c1 ^ k0, p1 & _LOW, (p0 >> _SHIFT) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@njit(cache=True, nogil=True)
def _fill(k0: Any, k1: Any, c0: Any, c1: Any, c2: Any, c3: Any, out: Any) -> None:  # pragma: no cover
    for i in range(c0.size):
        a, b, c, d = philox(k0, k1, c0[i], c1[i], c2[i], c3[i])
        out[0, i] = np.uint32(a)
        out[1, i] = np.uint32(b)
        out[2, i] = np.uint32(c)
        out[3, i] = np.uint32(d)


def philox_many(key: tuple[int, int], counters: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Return Philox4x32-10 of many counters under one key.

    Parameters
    ----------
    key : tuple of two int
        Two 32-bit words.
    counters : uint64 array of shape (4, n)
        The four 32-bit words of each counter.

    Returns
    -------
    uint32 array of shape (4, n)

    Examples
    --------
    The known answer of the generator's authors for key 0 and counter 0:

    >>> [hex(word) for word in philox_many((0, 0), np.zeros((4, 1), np.uint64))[:, 0].tolist()]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    out = np.empty(counters.shape, np.uint32)
    c0, c1, c2, c3 = (np.ascontiguousarray(c) for c in counters)
    _fill(np.uint64(key[0]), np.uint64(key[1]), c0, c1, c2, c3, out)
    return out


def pack(
    enterprise: ArrayLike,
    obligation: ArrayLike,
    block: int,
    week: ArrayLike = 0,
    index: ArrayLike = 0,
    domain: int = Domain.SIMULATION,
) -> NDArray[np.uint64]:
    """Pack the identity of a decision into a counter, one to one.

    Parameters
    ----------
    enterprise : int array
        Slot of the enterprise, 0 … 2**32 - 1.
    obligation : int array
        Number of the obligation within the enterprise, 0 … 254, or `ENTERPRISE_LEVEL`.
    block : int
        Block of four decisions, 0 … 255.
    week : int array
        Week, 0 … 2**32 - 1.
    index : int array
        Number of a repeated event, 0 … 65,535.
    domain : int
        A `Domain`.

    Returns
    -------
    uint64 array of shape (4, n)

    Raises
    ------
    ValueError
        If a value does not fit its bits, since two decisions would then share a draw.
    """
    parts = np.broadcast_arrays(
        np.atleast_1d(np.asarray(enterprise, np.int64)),
        np.asarray(obligation, np.int64),
        np.asarray(week, np.int64),
        np.asarray(index, np.int64),
        np.asarray(block, np.int64),
        np.asarray(domain, np.int64),
    )
    # Word 0: enterprise. Word 1: obligation in bits 0-7, block in 8-15, index in 16-31. Word 2: week. Word 3:
    # domain. A value that ran over its bits would be another decision's draw, hence the check.
    names = ("enterprise", "obligation", "week", "index", "block", "domain")
    tops = (TWO_32 - 1, 255, TWO_32 - 1, MAX_INDEX, 255, TWO_32 - 1)
    for name, part, top in zip(names, parts, tops, strict=True):
        if part.size and (part.min() < 0 or part.max() > top):
            raise ValueError(f"The '{name}' of a draw must be in 0 … {top}. Got {part.min()} … {part.max()}.")
    slot, number, when, nth, what, where = (part.astype(np.uint64) for part in parts)
    middle = number | (what << np.uint64(8)) | (nth << np.uint64(16))
    return np.stack([slot, middle, when, where])


def draws(
    seed: int,
    replicate: int,
    enterprise: ArrayLike,
    obligation: ArrayLike,
    block: int,
    week: ArrayLike = 0,
    index: ArrayLike = 0,
    domain: int = Domain.SIMULATION,
) -> NDArray[np.uint32]:
    """Return the four draws of a block of decisions for many enterprises or obligations.

    Parameters
    ----------
    seed, replicate : int
        0 … 2**32 - 1 each; together the key.
    enterprise, obligation, block, week, index, domain
        As in `pack`.

    Returns
    -------
    uint32 array of shape (4, n)

    Raises
    ------
    ValueError
        If a value does not fit its bits.

    Examples
    --------
    >>> a = draws(1, 0, np.arange(5), ENTERPRISE_LEVEL, Block.VISIT, week=3)
    >>> b = draws(1, 0, np.arange(5)[::-1], ENTERPRISE_LEVEL, Block.VISIT, week=3)
    >>> bool((a == b[:, ::-1]).all())
    True
    """
    for name, value in (("seed", seed), ("replicate", replicate)):
        if not 0 <= int(value) <= MAX_SEED:
            raise ValueError(f"The '{name}' must be in 0 … {MAX_SEED}. Got {value}.")
    return philox_many((int(seed), int(replicate)), pack(enterprise, obligation, block, week, index, domain))


def uniform(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return draws as doubles strictly between 0 and 1, at the middle of each of 2**32 cells.

    Examples
    --------
    >>> uniform(np.array([0, 2**31, 2**32 - 1], np.uint32)).round(3).tolist()
    [0.0, 0.5, 1.0]
    """
    # Half a cell up, so neither 0 nor 1 comes out and a normal quantile of it is finite.
    return (words.astype(np.float64) + 0.5) / TWO_32


def threshold(probability: ArrayLike) -> NDArray[np.uint64]:
    """Return the integer t for which ``draw < t`` has the given probability, to within 2**-33.

    Parameters
    ----------
    probability : float array
        In [0, 1].

    Returns
    -------
    uint64 array
        0 for never, 2**32 for always.

    Raises
    ------
    ValueError
        If a probability is outside [0, 1] or not a number.

    Examples
    --------
    >>> threshold([0.0, 0.25, 1.0]).tolist()
    [0, 1073741824, 4294967296]
    """
    p = np.asarray(probability, np.float64)
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError("A 'probability' must be in [0, 1].")
    # 64 bits, since the threshold of certainty is 2**32: every 32-bit draw is below it.
    return np.rint(p * TWO_32).astype(np.uint64)
