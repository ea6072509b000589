"""The loops of the look-up, compiled by numba: answers of rows to the tests of a tree, and table sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["BLOCK", "answers", "on_the_way", "take", "values"]

BLOCK = 4096
"""Rows at a time."""
_NEARLY_ZERO = float(np.float32(1e-35))  # LightGBM reads what is not further from 0 as 0


@njit(cache=True, nogil=True)
def _by_threshold(column: Any, limit: Any, nan_left: Any, bit: Any, went: Any) -> None:  # pragma: no cover
    for i in range(column.size):
        # No branches, so that it vectorises. `x != x` is true of NaN alone, for which `x <= limit` is false;
        # the answers of a row's nodes are the bits of one 64-bit word.
        x = column[i]
        went[i] |= np.uint64((x <= limit) | ((x != x) & nan_left)) << bit


@njit(cache=True, nogil=True)
def _by_level(column: Any, words: Any, bit: Any, went: Any) -> None:  # pragma: no cover
    for i in range(column.size):
        x = column[i]
        # NaN and codes beyond the words fail both comparisons and go right, as in LightGBM.
        if -1 < x < 32 * words.size:
            code = int(x)  # LightGBM, too, cuts off what is behind the point
            held = (words[code // 32] >> np.uint32(code % 32)) & np.uint32(1)
            went[i] |= np.uint64(held) << bit


@njit(cache=True, nogil=True)
def take(X: Any, start: Any, size: Any, block: Any) -> None:  # pragma: no cover
    """Write ``size`` rows from ``start`` on into the columns of ``block``, as LightGBM reads them."""
    for i in range(size):
        for f in range(X.shape[1]):
            x = X[start + i, f]
            # Turned round: trees ask feature by feature, so a feature's values should lie together.
            block[f, i] = 0.0 if abs(x) <= _NEARLY_ZERO else x


@njit(cache=True, nogil=True)
def answers(
    block: Any, t: Any, went: Any, tree_start: Any, feature: Any, threshold: Any, nan_left: Any,
    word_start: Any, words: Any,
) -> None:  # fmt: skip  # pragma: no cover
    """Write which inner nodes of tree ``t`` send a row left, as bits, for every row of ``went``."""
    went[:] = 0
    for node in range(tree_start[t], tree_start[t + 1]):
        bit = np.uint64(node - tree_start[t])
        column = block[feature[node]][: went.size]
        if word_start[node] < 0:
            _by_threshold(column, threshold[node], nan_left[node], bit, went)
        else:
            # Nodes by threshold have -1 for their start; the words end where those of the next node by level
            # begin.
            end = node + 1
            while word_start[end] < 0:
                end += 1
            _by_level(column, words[word_start[node] : word_start[end]], bit, went)


@njit(cache=True, nogil=True)
def _inside(went: Any, low: Any, keep: Any, at: Any) -> None:  # pragma: no cover
    for i in range(went.size):
        # A fragment's nodes are numbered without a gap, so their answers are a run of bits: shift and mask.
        at[i] = (went[i] >> low) & keep


@njit(cache=True, nogil=True)
def on_the_way(went: Any, nodes: Any, lefts: Any, bit: Any, at: Any) -> None:  # pragma: no cover
    """Set a bit of ``at`` where the answers at some nodes are those that lead down to a leaf."""
    for i in range(went.size):
        # All conditions of a feature at once: at the nodes of its mask, left exactly where the way goes left.
        at[i] |= np.uint64((went[i] & nodes) == lefts) << bit


@njit(cache=True, nogil=True)
def _add(at: Any, table: Any, total: Any) -> None:  # pragma: no cover
    for i in range(at.size):
        total[i] += table[at[i]]


@njit(cache=True, nogil=True)
def values(
    X: Any, out: Any, tree_start: Any, feature: Any, threshold: Any, nan_left: Any, word_start: Any,
    words: Any, piece_start: Any, first: Any, inner: Any, way_start: Any, way_nodes: Any, way_left: Any,
    member_start: Any, member: Any, table_start: Any, table: Any,
) -> None:  # fmt: skip  # pragma: no cover
    """Add the contributions of rows to ``out``, a block at a time."""
    n, k = X.shape
    block, sums = np.empty((k, BLOCK)), np.empty((k, BLOCK))
    went = np.empty(BLOCK, np.uint64)
    at = np.empty(BLOCK, np.uint64)
    one = np.uint64(1)
    # Block by block, so that the columns, answers and sums of a block stay in the cache while all trees pass
    # over them. Each row's sum is taken in the order of trees and fragments, whatever block or thread it is
    # in: the same bits.
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        take(X, start, size, block)
        sums[:] = 0
        for t in range(tree_start.size - 1):
            answers(block, t, went[:size], tree_start, feature, threshold, nan_left, word_start, words)
            for piece in range(piece_start[t], piece_start[t + 1]):
                count = np.uint64(inner[piece])
                _inside(went[:size], np.uint64(first[piece]), (one << count) - one, at)
                for way in range(way_start[piece], way_start[piece + 1]):
                    bit = count + np.uint64(way - way_start[piece])
                    on_the_way(went[:size], way_nodes[way], way_left[way], bit, at)
                own = table[table_start[piece] : table_start[piece + 1]]
                members = member[member_start[piece] : member_start[piece + 1]]
                rows = own.size // members.size
                for j in range(members.size):
                    _add(at[:size], own[j * rows : (j + 1) * rows], sums[members[j]])
        for i in range(size):
            for f in range(k):
                out[start + i, f] = sums[f, i]
