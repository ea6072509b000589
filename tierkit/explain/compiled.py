"""Exact Shapley values of a tree ensemble by table: a compiled, read-only view of a LightGBM model.

The trees are cut into fragments whose contributions are tabulated beforehand (`tierkit.explain.fragments`),
so that a row costs one look-up a fragment instead of a walk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, Self

import lightgbm as lgb
import numpy as np
from numba import njit
from numpy.typing import NDArray

from tierkit.explain.fragments import UnsupportedTreesError, fragments, mean, nodes, read, size

__all__ = ["CompiledTrees"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_NODES = 64  # of a tree: its answers are the bits of one word
_MOST_BYTES = 1 << 29  # of all tables
_BLOCK = 4096  # rows at a time
_NEARLY_ZERO = float(np.float32(1e-35))  # LightGBM reads what is not further from 0 as 0
_PROBES = 64  # rows on which a compiled model is held against LightGBM
_MISSING = 0.1  # of the values of those rows
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class CompiledTrees:
    """A LightGBM model as flat arrays and tables of contributions.

    Made by `of`; scoring changes nothing in it, so threads share it.

    Attributes
    ----------
    base : float
        The average margin, from which contributions start.
    n_features : int

    Notes
    -----
    Outside its limits are trees of more than 64 inner nodes, paths of more than 16 different features, tables
    of more than 512 MiB, splits with an empty side, linear leaves, several classes and zero taken as missing.
    """

    base: float
    n_features: int
    tree_start: Ints  # nodes of a tree: [tree_start[t], tree_start[t + 1])
    feature: Ints
    threshold: Floats
    nan_left: NDArray[np.bool_]
    word_start: Ints  # of a node by levels, where its words begin; -1 of one by threshold
    words: NDArray[np.uint32]
    piece_start: Ints  # fragments of a tree
    first: Ints  # by fragment: its first node, counted in its tree
    inner: Ints  # by fragment: how many nodes
    way_start: Ints  # by fragment: conditions on the way down to it
    way_nodes: NDArray[np.uint64]
    way_left: NDArray[np.uint64]
    member_start: Ints  # by fragment: features that it contributes to
    member: Ints
    table_start: Ints
    table: Floats

    @classmethod
    def checked(cls, booster: lgb.Booster) -> Self:
        """Compile a model, and hold it against LightGBM's own contributions on rows around its thresholds.

        Raises
        ------
        UnsupportedTreesError
            If the model is outside the limits, or a contribution differs by more than 1e-9.
        """
        compiled = cls.of(booster)
        rows = compiled.probes()
        own = np.column_stack([compiled.values(rows), np.full(len(rows), compiled.base)])
        apart = np.abs(own - np.asarray(booster.predict(rows, pred_contrib=True, num_threads=1))).max()
        if not apart <= _TOLERANCE:
            raise UnsupportedTreesError(f"Its contributions differ from LightGBM's by {apart:.1e}.")
        return compiled

    @classmethod
    def of(cls, booster: lgb.Booster) -> Self:
        """Compile a model.

        Parameters
        ----------
        booster : lightgbm.Booster
            Of one margin: binary, or regression.

        Returns
        -------
        CompiledTrees

        Raises
        ------
        UnsupportedTreesError
            If the model is outside the limits; the message says which.

        Examples
        --------
        >>> X = np.arange(200.0)[:, None]
        >>> booster = lgb.train({"verbosity": -1}, lgb.Dataset(X, X[:, 0] > 99), 5)
        >>> values = CompiledTrees.of(booster).values(X)
        >>> bool(np.abs(values - booster.predict(X, pred_contrib=True)[:, :1]).max() < 1e-12)
        True
        """
        model = booster.dump_model()
        if model["num_tree_per_iteration"] != 1:
            raise UnsupportedTreesError("The model has a tree for each class.")
        if any(one["num_leaves"] > _MOST_NODES + 1 for one in model["tree_info"]):
            raise UnsupportedTreesError(f"A tree has more than {_MOST_NODES} inner nodes.")
        trees = [read(one["tree_structure"]) for one in model["tree_info"]]
        by_tree = [list(fragments(tree)) for tree in trees]
        pieces = [piece for own in by_tree for piece in own]
        if 8 * sum(piece.cells for piece in pieces) > _MOST_BYTES:
            raise UnsupportedTreesError(f"The tables take more than {_MOST_BYTES >> 20} MiB.")
        tests = [node for tree in trees for node in nodes(tree)]
        ways = [sides for piece in pieces for sides in piece.way.values()]
        return cls(
            base=math.fsum(map(mean, trees)),
            n_features=int(model["max_feature_idx"]) + 1,
            tree_start=_starts(map(size, trees)),
            feature=np.array([node.feature for node in tests], np.int64),
            threshold=np.array([node.threshold for node in tests], np.float64),
            nan_left=np.array([node.nan_left for node in tests], np.bool_),
            word_start=_word_starts([node.words for node in tests]),
            words=np.concatenate([np.empty(0, np.uint32), *(node.words for node in tests)]),
            piece_start=_starts(map(len, by_tree)),
            first=np.array([piece.first for piece in pieces], np.int64),
            inner=np.array([piece.inner for piece in pieces], np.int64),
            way_start=_starts(len(piece.way) for piece in pieces),
            way_nodes=np.array([on_way for on_way, _ in ways], np.uint64),
            way_left=np.array([left for _, left in ways], np.uint64),
            member_start=_starts(len(piece.members) for piece in pieces),
            member=np.array([feature for piece in pieces for feature in piece.members], np.int64),
            table_start=_starts(piece.cells for piece in pieces),
            table=np.concatenate([np.empty(0), *(piece.table().ravel() for piece in pieces)]),
        )

    def probes(self) -> Floats:
        """Return rows of thresholds, their neighbours, levels known and unknown, and missing values."""
        rng = np.random.default_rng(0)
        rows = np.empty((_PROBES, self.n_features))
        ends = self.word_start[self.word_start >= 0]
        lengths = dict(zip(ends[:-1], np.diff(ends), strict=True))
        for j in range(self.n_features):
            at = np.flatnonzero(self.feature == j)
            codes = 32 * max((lengths.get(start, 0) for start in self.word_start[at]), default=0)
            limits = self.threshold[at]
            beside = [np.nextafter(limits, side) for side in (-np.inf, np.inf)]
            rows[:, j] = rng.choice(np.concatenate([limits, *beside, np.arange(-1, codes + 1)]), _PROBES)
        rows[rng.random(rows.shape) < _MISSING] = np.nan
        return rows

    def values(self, matrix: Floats, threads: int = 1) -> Floats:
        """Return the contributions of rows, shape (n, n_features); the same bits whatever the threads.

        Parameters
        ----------
        matrix : float array of shape (n, n_features)
            As the trees see rows: numbers and codes of levels.
        threads : int
        """
        X = np.ascontiguousarray(matrix, np.float64)
        if X.ndim != 2 or X.shape[1] != self.n_features:
            raise ValueError(f"The rows must have {self.n_features} columns. Got the shape {X.shape}.")
        out = np.zeros(X.shape)
        arrays = [getattr(self, one.name) for one in fields(self)[2:]]
        edges = np.linspace(0, len(X), max(1, min(threads, len(X) // _BLOCK)) + 1).astype(np.int64)
        if len(edges) == 2:
            _values(X, out, *arrays)
            return out
        with ThreadPoolExecutor(len(edges) - 1) as pool:
            list(pool.map(lambda a, b: _values(X[a:b], out[a:b], *arrays), edges[:-1], edges[1:]))
        return out


def _starts(sizes: Iterable[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(np.fromiter(sizes, np.int64))]).astype(np.int64)


def _word_starts(words: list[NDArray[np.uint32]]) -> Ints:
    """Return where the words of each node begin, -1 where it has none, and last where all end."""
    starts = _starts(one.size for one in words)
    starts[:-1][[one.size == 0 for one in words]] = -1
    return starts


@njit(cache=True, nogil=True)
def _by_threshold(column: Any, limit: Any, nan_left: Any, bit: Any, went: Any) -> None:  # pragma: no cover
    for i in range(column.size):
        x = column[i]
        went[i] |= np.uint64((x <= limit) | ((x != x) & nan_left)) << bit


@njit(cache=True, nogil=True)
def _by_level(column: Any, words: Any, bit: Any, went: Any) -> None:  # pragma: no cover
    for i in range(column.size):
        x = column[i]
        if -1 < x < 32 * words.size:
            code = int(x)  # LightGBM, too, cuts off what is behind the point
            held = (words[code // 32] >> np.uint32(code % 32)) & np.uint32(1)
            went[i] |= np.uint64(held) << bit


@njit(cache=True, nogil=True)
def _inside(went: Any, low: Any, keep: Any, at: Any) -> None:  # pragma: no cover
    for i in range(went.size):
        at[i] = (went[i] >> low) & keep


@njit(cache=True, nogil=True)
def _on_the_way(went: Any, nodes: Any, lefts: Any, bit: Any, at: Any) -> None:  # pragma: no cover
    for i in range(went.size):
        at[i] |= np.uint64((went[i] & nodes) == lefts) << bit


@njit(cache=True, nogil=True)
def _add(at: Any, table: Any, total: Any) -> None:  # pragma: no cover
    for i in range(at.size):
        total[i] += table[at[i]]


@njit(cache=True, nogil=True)
def _values(
    X: Any, out: Any, tree_start: Any, feature: Any, threshold: Any, nan_left: Any, word_start: Any,
    words: Any, piece_start: Any, first: Any, inner: Any, way_start: Any, way_nodes: Any, way_left: Any,
    member_start: Any, member: Any, table_start: Any, table: Any,
) -> None:  # fmt: skip  # pragma: no cover
    """Add the contributions of rows to ``out``, a block at a time."""
    n, k = X.shape
    block, sums = np.empty((k, _BLOCK)), np.empty((k, _BLOCK))
    went = np.empty(_BLOCK, np.uint64)
    at = np.empty(_BLOCK, np.uint64)
    one = np.uint64(1)
    for start in range(0, n, _BLOCK):
        size = min(_BLOCK, n - start)
        for i in range(size):
            for f in range(k):
                x = X[start + i, f]
                block[f, i] = 0.0 if abs(x) <= _NEARLY_ZERO else x
        sums[:] = 0
        for t in range(tree_start.size - 1):
            went[:size] = 0
            for node in range(tree_start[t], tree_start[t + 1]):
                bit = np.uint64(node - tree_start[t])
                column = block[feature[node]]
                if word_start[node] < 0:
                    _by_threshold(column[:size], threshold[node], nan_left[node], bit, went)
                else:
                    end = node + 1
                    while word_start[end] < 0:
                        end += 1
                    _by_level(column[:size], words[word_start[node] : word_start[end]], bit, went)
            for piece in range(piece_start[t], piece_start[t + 1]):
                count = np.uint64(inner[piece])
                _inside(went[:size], np.uint64(first[piece]), (one << count) - one, at)
                for way in range(way_start[piece], way_start[piece + 1]):
                    bit = count + np.uint64(way - way_start[piece])
                    _on_the_way(went[:size], way_nodes[way], way_left[way], bit, at)
                own = table[table_start[piece] : table_start[piece + 1]]
                members = member[member_start[piece] : member_start[piece + 1]]
                rows = own.size // members.size
                for j in range(members.size):
                    _add(at[:size], own[j * rows : (j + 1) * rows], sums[members[j]])
        for i in range(size):
            for f in range(k):
                out[start + i, f] = sums[f, i]
