"""Exact Shapley values of a tree ensemble by table look-up: a compiled, read-only LightGBM model.

The trees are cut into fragments whose contributions are tabulated beforehand
(`tierkit.explain.trees.fragments`), so that a row costs one look-up a fragment instead of a walk. Two games
fill the tables: the path-dependent one, and the interventional one over background rows
(`tierkit.explain.trees.interventional`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from itertools import repeat
from types import MappingProxyType
from typing import Self

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from tierkit.arrays import Floats, Ints
from tierkit.explain.trees import interventional, kernels
from tierkit.explain.trees.fragments import (
    Game,
    UnsupportedTreesError,
    by_shares,
    fragments,
    mean,
    nodes,
    read,
    size,
)
from tierkit.scores.trees import TreesError, read_trees

__all__ = ["CompiledTrees"]


_MOST_NODES = 64  # of a tree: its answers are the bits of one word
_MOST_BYTES = 1 << 29  # of all tables
_PROBES = 64  # rows on which a compiled model is held against LightGBM
_MISSING = 0.1  # of the values of those rows
_TOLERANCE = 1e-9
_LARGEST = 1e300  # LightGBM writes endless thresholds so; beyond, a fresh model and one read back differ


@dataclass(frozen=True)
class CompiledTrees:
    """A LightGBM model as flat arrays and tables of contributions.

    Made by `of`; scoring changes nothing in it, so threads share it.

    Attributes
    ----------
    base : float
        The average margin, from which contributions start: over the training rows as the trees count them, or
        over the background.
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
    def checked(
        cls,
        booster: lgb.Booster,
        background: Floats | None = None,
        weight: Floats | None = None,
        given: Mapping[int, float] = MappingProxyType({}),
    ) -> Self:
        """Compile a model and verify it against LightGBM on rows around its thresholds.

        Path-dependent values are compared with LightGBM's own. LightGBM has no interventional values: there
        the sum of each row is compared with its margin, and the mean of each feature over the background
        with 0, which fails if rows and background rows are read differently. Nor has it values that start
        from given ones: there the path-dependent values are compared first, then the sums with the margins,
        and what has its given value must get 0.

        Parameters
        ----------
        booster, background, weight, given
            As in `of`.

        Raises
        ------
        UnsupportedTreesError
            If the model is outside the limits, or a value differs by more than 1e-9.
        """
        if given:
            cls.checked(booster)
        compiled = cls.of(booster, background, weight, given)
        rows = compiled.probes()
        own = np.column_stack([compiled.values(rows), np.full(len(rows), compiled.base)])
        if background is None and not given:
            apart = np.abs(own - np.asarray(booster.predict(rows, pred_contrib=True, num_threads=1))).max()
            what = "Its contributions differ from LightGBM's"
        else:
            off = own.sum(axis=1) - np.asarray(booster.predict(rows, raw_score=True, num_threads=1))
            if background is None:
                at = rows.copy()
                at[:, list(given)] = list(given.values())
                none = compiled.values(at)[:, list(given)].ravel()
                what = "Its values from given ones miss its margins"
            else:
                none = np.average(compiled.values(background), axis=0, weights=weight)
                what = "Its interventional values miss its margins"
            apart = np.abs([*off, *none]).max()
        # `not <=` and not `>`, so that NaN is refused too.
        if not apart <= _TOLERANCE:
            raise UnsupportedTreesError(f"{what} by {apart:.1e}.")
        return compiled

    @classmethod
    def of(
        cls,
        booster: lgb.Booster,
        background: Floats | None = None,
        weight: Floats | None = None,
        given: Mapping[int, float] = MappingProxyType({}),
    ) -> Self:
        """Compile a model.

        Parameters
        ----------
        booster : lightgbm.Booster
            Of one margin: binary, or regression.
        background : float array of shape (n, n_features), optional
            Rows that stand in for what is not known, as the trees see rows; path-dependent values if not
            given.
        weight : float array of shape (n,), optional
            Of the background rows; all alike if not given.
        given : mapping of int to float
            Without a background: numbers of features, and the value that stands in for each where it is not
            known, so that it gets 0 where it has that value.

        Returns
        -------
        CompiledTrees

        Raises
        ------
        UnsupportedTreesError
            If the model is outside the limits; the message says which.
        ValueError
            If the background has no rows, other columns than the model, or weights that are no weights.

        Examples
        --------
        >>> X = np.arange(200.0)[:, None]
        >>> booster = lgb.train({"verbosity": -1}, lgb.Dataset(X, X[:, 0] > 99), 5)
        >>> values = CompiledTrees.of(booster).values(X)
        >>> bool(np.abs(values - booster.predict(X, pred_contrib=True)[:, :1]).max() < 1e-12)
        True
        >>> over = CompiledTrees.of(booster, X[:50])
        >>> bool(np.abs(over.values(X)[:, 0] + over.base - booster.predict(X)).max() < 1e-12)
        True
        """
        try:
            # Its text and not its dump: only what passes the strict reader becomes an index of a kernel.
            model = read_trees(booster.model_to_string())
        except TreesError as error:
            raise UnsupportedTreesError(f"The model cannot be compiled: {error}") from None
        if any(one.feature.size > _MOST_NODES for one in model.trees):
            raise UnsupportedTreesError(f"A tree has more than {_MOST_NODES} inner nodes.")
        trees = [read(one, one.root, given=given) for one in model.trees]
        by_tree = [list(fragments(tree)) for tree in trees]
        pieces = [piece for own in by_tree for piece in own]
        if 8 * sum(piece.cells for piece in pieces) > _MOST_BYTES:
            raise UnsupportedTreesError(f"The tables take more than {_MOST_BYTES >> 20} MiB.")
        asked = [node for tree in trees for node in nodes(tree)]
        ways = [sides for piece in pieces for sides in piece.way.values()]
        n_features = model.n_features
        tests = {
            "tree_start": _starts(map(size, trees)),
            "feature": np.array([node.feature for node in asked], np.int64),
            "threshold": np.array([node.threshold for node in asked], np.float64),
            "nan_left": np.array([node.nan_left for node in asked], np.bool_),
            "word_start": _word_starts([node.words for node in asked]),
            "words": np.concatenate([np.empty(0, np.uint32), *(node.words for node in asked)]),
        }
        if background is None:
            base = math.fsum(map(mean, trees))
            games: Iterator[Game] = repeat(by_shares, len(trees))
        else:
            rows, weight = _weighted(background, weight, n_features)
            # fsum adds without rounding in between, so the base does not depend on the order of the rows.
            margin = np.asarray(booster.predict(rows, raw_score=True, num_threads=1))
            base = math.fsum(weight * margin) / math.fsum(weight)
            games = interventional.games(rows, weight, tests)
        tables = [
            piece.table(game).ravel() for own, game in zip(by_tree, games, strict=True) for piece in own
        ]
        return cls(
            base=base,
            n_features=n_features,
            **tests,
            piece_start=_starts(map(len, by_tree)),
            first=np.array([piece.first for piece in pieces], np.int64),
            inner=np.array([piece.inner for piece in pieces], np.int64),
            way_start=_starts(len(piece.way) for piece in pieces),
            way_nodes=np.array([on_way for on_way, _ in ways], np.uint64),
            way_left=np.array([left for _, left in ways], np.uint64),
            member_start=_starts(len(piece.members) for piece in pieces),
            member=np.array([feature for piece in pieces for feature in piece.members], np.int64),
            table_start=_starts(piece.cells for piece in pieces),
            table=np.concatenate([np.empty(0), *tables]),
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
            # Values at a threshold and the next ones on either side: where a comparison turned the wrong way
            # shows.
            beside = [np.nextafter(limits, side) for side in (-np.inf, np.inf)]
            drawn = rng.choice(np.concatenate([limits, *beside, np.arange(-1, codes + 1)]), _PROBES)
            rows[:, j] = np.clip(drawn, -_LARGEST, _LARGEST)
        rows[rng.random(rows.shape) < _MISSING] = np.nan
        return rows

    def values(self, matrix: Floats, threads: int = 1) -> Floats:
        """Return the contributions of rows, shape (n, n_features); threads do not change the result.

        Parameters
        ----------
        matrix : float array of shape (n, n_features)
            As the trees see rows: numbers and codes of levels.
        threads : int
        """
        X = _rows(matrix, self.n_features)
        out = np.zeros(X.shape)
        # The kernel takes all fields but the first two (base and n_features), in the order of their
        # declaration.
        arrays = [getattr(self, one.name) for one in fields(self)[2:]]
        # A thread for less than a block of rows would cost more than it gives.
        edges = np.linspace(0, len(X), max(1, min(threads, len(X) // kernels.BLOCK)) + 1).astype(np.int64)
        if len(edges) == 2:
            kernels.values(X, out, *arrays)
            return out
        with ThreadPoolExecutor(len(edges) - 1) as pool:
            list(pool.map(lambda a, b: kernels.values(X[a:b], out[a:b], *arrays), edges[:-1], edges[1:]))
        return out


def _rows(matrix: Floats, k: int) -> Floats:
    X = np.ascontiguousarray(matrix, np.float64)
    if X.ndim != 2 or X.shape[1] != k:
        raise ValueError(f"The rows must have {k} columns. Got the shape {X.shape}.")
    return X


def _weighted(background: Floats, weight: Floats | None, k: int) -> tuple[Floats, Floats]:
    """Return background rows and their weights, checked."""
    rows = _rows(background, k)
    if not len(rows):
        raise ValueError("The background has no rows. Give at least one, such as some of the city's.")
    weights = np.ones(len(rows)) if weight is None else np.asarray(weight, np.float64)
    fit = weights.shape == (len(rows),) and bool(((weights >= 0) & np.isfinite(weights)).all())
    if not fit or not weights.any():
        raise ValueError(
            f"The weights of the background must be {len(rows)} numbers of at least 0, not all of them 0. "
            f"Got the shape {weights.shape}."
        )
    return rows, weights


def _starts(sizes: Iterable[int]) -> Ints:
    return np.concatenate([[0], np.cumsum(np.fromiter(sizes, np.int64))]).astype(np.int64)


def _word_starts(words: list[NDArray[np.uint32]]) -> Ints:
    """Return where the words of each node begin, -1 where it has none, and last where all end."""
    starts = _starts(one.size for one in words)
    starts[:-1][[one.size == 0 for one in words]] = -1
    return starts
