"""Exact Shapley values of a tree ensemble by table: a compiled, read-only view of a LightGBM model.

A tree is cut into *fragments*: subtrees whose contributions depend on few yes-or-no answers. An answer is
whether an inner node of the fragment sends the row left, or whether all the conditions of one feature on the
way from the root down to the fragment hold. For every pattern of answers the contributions of all the
fragment's leaves are summed beforehand, so that a row costs one look-up a fragment instead of a walk.

For one leaf of value v let U be the features on its path, o its answers (1 where all conditions of a feature
hold) and r the shares of training rows that went the leaf's way. Its path-dependent game is
v × ∏ (o where known, r where not), and the Shapley value of feature j is

    v (o_j - r_j) ∫₀¹ ∏_{k ≠ j} (o_k t + r_k (1 - t)) dt,

the mean over an owner's time of arrival t (Owen, *Multilinear extensions of games*, Management Science 18,
1972). The integrand is a polynomial of degree |U| - 1, so Gauss-Legendre quadrature with ⌈|U| / 2⌉ nodes is
exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

import lightgbm as lgb
import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["CompiledTrees", "UnsupportedTreesError"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MOST_NODES = 64  # of a tree: its answers are the bits of one word
_MOST_PATH = 16  # different features on the way to a leaf: its table has 2 to this many rows
_FRAGMENT_BITS = 11  # answers of a fragment of several leaves: 2048 rows of some ten numbers stay in the cache
_BLOCK = 4096  # rows at a time


class UnsupportedTreesError(ValueError):
    """The model is outside what can be compiled; LightGBM's own contributions serve instead."""


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
    Outside its limits are trees of more than 64 inner nodes, paths of more than 16 different features, linear
    leaves, several classes and zero taken as missing.
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
        trees = [_read(info["tree_structure"]) for info in model["tree_info"]]
        if max(map(_size, trees), default=0) > _MOST_NODES:
            raise UnsupportedTreesError(f"A tree has more than {_MOST_NODES} inner nodes.")
        nodes = [node for tree in trees for node in _nodes(tree)]
        by_tree = [list(_pieces(tree)) for tree in trees]
        pieces = [piece for own in by_tree for piece in own]
        tables = [piece.table().T.ravel() for piece in pieces]
        ways = [sides for piece in pieces for sides in piece.way.values()]
        return cls(
            base=math.fsum(map(_mean, trees)),
            n_features=int(model["max_feature_idx"]) + 1,
            tree_start=_starts(map(_size, trees)),
            feature=np.array([node.feature for node in nodes], np.int64),
            threshold=np.array([node.threshold for node in nodes], np.float64),
            nan_left=np.array([node.nan_left for node in nodes], np.bool_),
            word_start=_word_starts([node.words for node in nodes]),
            words=np.concatenate([np.empty(0, np.uint32), *(node.words for node in nodes)]),
            piece_start=_starts(map(len, by_tree)),
            first=np.array([piece.first for piece in pieces], np.int64),
            inner=np.array([piece.inner for piece in pieces], np.int64),
            way_start=_starts(len(piece.way) for piece in pieces),
            way_nodes=np.array([nodes for nodes, _ in ways], np.uint64),
            way_left=np.array([left for _, left in ways], np.uint64),
            member_start=_starts(len(piece.members) for piece in pieces),
            member=np.array([feature for piece in pieces for feature in piece.members], np.int64),
            table_start=_starts(one.size for one in tables),
            table=np.concatenate([np.empty(0), *tables]),
        )

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


@dataclass(frozen=True)
class _Node:
    """An inner node, numbered in its tree from the root down and left before right."""

    number: int
    feature: int
    threshold: float
    nan_left: bool
    words: NDArray[np.uint32]
    sides: tuple[_Node | float, _Node | float]  # left, right; a leaf is its value
    shares: tuple[float, float]  # of the training rows that went there
    below: int  # inner nodes of its subtree, with itself


class _Step(NamedTuple):
    """One decision on the way to a leaf."""

    node: int
    feature: int
    left: bool
    share: float


_Way = tuple[_Step, ...]


def _read(info: Mapping[str, Any], number: int = 0) -> _Node | float:
    """Return a tree, or a subtree whose first node has a given number."""
    if "leaf_value" in info:
        if "leaf_coeff" in info:
            raise UnsupportedTreesError("The model has linear leaves.")
        return float(info["leaf_value"])
    if info["missing_type"] == "Zero":
        raise UnsupportedTreesError("The model takes zero as missing.")
    by_level = info["decision_type"] == "=="
    threshold = 0.0 if by_level else float(info["threshold"])
    left = _read(info["left_child"], number + 1)
    right = _read(info["right_child"], number + 1 + _size(left))
    counts = [int(c.get("internal_count", c.get("leaf_count"))) for c in (info["left_child"], info["right_child"])]
    knows_missing = info["missing_type"] == "NaN"
    return _Node(
        number=number,
        feature=int(info["split_feature"]),
        threshold=threshold,
        # Where no value was missing at fit, LightGBM reads a missing one as 0, and an unknown level goes right.
        nan_left=not by_level and (bool(info["default_left"]) if knows_missing else threshold >= 0),
        words=_words(info["threshold"]) if by_level else np.empty(0, np.uint32),
        sides=(left, right),
        shares=(counts[0] / sum(counts), counts[1] / sum(counts)),
        below=1 + _size(left) + _size(right),
    )


def _size(tree: _Node | float) -> int:
    return tree.below if isinstance(tree, _Node) else 0


def _words(levels: str) -> NDArray[np.uint32]:
    """Return a set of level codes, ``"0||3"``, as bits."""
    codes = np.array(levels.split("||"), np.int64)
    words = np.zeros(int(codes.max()) // 32 + 1, np.uint32)
    np.bitwise_or.at(words, codes // 32, np.uint32(1) << (codes % 32).astype(np.uint32))
    return words


def _nodes(tree: _Node | float) -> Iterator[_Node]:
    if isinstance(tree, _Node):
        yield tree
        for side in tree.sides:
            yield from _nodes(side)


def _leaves(tree: _Node | float, way: _Way = ()) -> Iterator[tuple[_Way, float]]:
    """Give every leaf with the steps to it."""
    if isinstance(tree, _Node):
        for left, side, share in zip((True, False), tree.sides, tree.shares, strict=True):
            yield from _leaves(side, (*way, _Step(tree.number, tree.feature, left, share)))
    else:
        yield way, tree


def _mean(tree: _Node | float) -> float:
    return sum(value * math.prod(step.share for step in way) for way, value in _leaves(tree))


class _Piece:
    """A fragment of a tree, with the way down to it."""

    def __init__(self, tree: _Node | float, way: _Way) -> None:
        self.first = tree.number if isinstance(tree, _Node) else 0
        self.inner = _size(tree)
        self.depth = len(way)
        self.way: dict[int, tuple[int, int]] = {}  # feature → its nodes on the way, and those that went left
        for step in way:
            nodes, lefts = self.way.get(step.feature, (0, 0))
            self.way[step.feature] = (nodes | 1 << step.node, lefts | int(step.left) << step.node)
        self.leaves = list(_leaves(tree, way))
        self.members = list(dict.fromkeys([*self.way, *(node.feature for node in _nodes(tree))]))

    @property
    def bits(self) -> int:
        return self.inner + len(self.way)

    def table(self) -> Floats:
        """Return the contributions of its leaves for every pattern of answers, shape (2^bits, members)."""
        out = np.zeros((1 << self.bits, len(self.members)))
        ways = {feature: self.inner + k for k, feature in enumerate(self.way)}
        patterns = np.arange(1 << self.bits)
        for way, value in self.leaves:
            features = list(dict.fromkeys(step.feature for step in way))
            share = np.ones(len(features))
            answer = np.zeros(len(patterns), np.int64)
            for j, feature in enumerate(features):
                holds = np.ones(len(patterns), bool)
                for k, step in enumerate(way):
                    if step.feature == feature:
                        share[j] *= step.share
                        bit = ways[feature] if k < self.depth else step.node - self.first
                        holds &= ((patterns >> bit) & 1) == (1 if k < self.depth else int(step.left))
                answer |= holds.astype(np.int64) << j
            columns = [self.members.index(feature) for feature in features]
            out[:, columns] += _leaf_table(share, value)[answer]
        return out


def _leaf_table(share: Floats, value: float) -> Floats:
    """Return the Shapley values of one leaf's game for every pattern of its features, shape (2^m, m)."""
    m = len(share)
    times, weights = np.polynomial.legendre.leggauss((m + 1) // 2)
    times, weights = (1 + times) / 2, weights / 2
    holds = ((np.arange(1 << m)[:, None] >> np.arange(m)) & 1).astype(np.float64)
    out = np.zeros((1 << m, m))
    for t, w in zip(times, weights, strict=True):
        factors = holds * t + share * (1 - t)
        out += w * factors.prod(axis=1, keepdims=True) / factors
    return out * value * (holds - share)


def _pieces(tree: _Node | float, way: _Way = ()) -> Iterator[_Piece]:
    """Cut a tree into the largest fragments that keep to the limit."""
    piece = _Piece(tree, way)
    if not piece.inner or piece.bits <= _FRAGMENT_BITS:
        if len(piece.way) > _MOST_PATH:
            raise UnsupportedTreesError(f"A path tests more than {_MOST_PATH} different features.")
        if piece.members:
            yield piece
        return
    assert isinstance(tree, _Node)
    for left, side, share in zip((True, False), tree.sides, tree.shares, strict=True):
        yield from _pieces(side, (*way, _Step(tree.number, tree.feature, left, share)))


@njit(cache=True, nogil=True)
def _by_threshold(column: Any, limit: Any, missing_left: Any, bit: Any, went: Any) -> None:  # pragma: no cover
    for i in range(column.size):
        x = column[i]
        went[i] |= np.uint64((x <= limit) | ((x != x) & missing_left)) << bit


@njit(cache=True, nogil=True)
def _by_level(column: Any, words: Any, bit: Any, went: Any) -> None:  # pragma: no cover
    for i in range(column.size):
        x = column[i]
        if 0 <= x < 32 * words.size:
            code = int(x)
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
                block[f, i] = X[start + i, f]
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
                keep = (one << count) - one if count < 64 else ~np.uint64(0)
                _inside(went[:size], np.uint64(first[piece]), keep, at)
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
