"""Cut the trees of a LightGBM model into fragments, and tabulate the Shapley values of each.

A *fragment* is a subtree whose contributions depend on few yes-or-no answers. An answer is whether an inner
node of the fragment sends the row left, or whether all the conditions of one feature on the way from the root
down to the fragment hold. For every pattern of answers the contributions of all the fragment's leaves are
summed beforehand.

For one leaf of value v let U be the features on its path, o its answers (1 where all conditions of a feature
hold) and r the shares of training rows that went the leaf's way. Its path-dependent game is
v × ∏ (o where known, r where not), and the Shapley value of feature j is

    v (o_j - r_j) ∫₀¹ ∏_{k ≠ j} (o_k t + r_k (1 - t)) dt,

the mean over an owner's time of arrival t (Owen 1972). The integrand is a polynomial of degree |U| - 1, so
Gauss-Legendre quadrature with ⌈|U| / 2⌉ nodes is exact. Another game of a leaf fills the same tables: see
`tierkit.explain.trees.interventional`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierkit.arrays import Floats
from tierkit.scores import trees

__all__ = [
    "Fragment",
    "Game",
    "Node",
    "Step",
    "Tree",
    "UnsupportedTreesError",
    "Way",
    "by_shares",
    "conditions",
    "fragments",
    "mean",
    "nodes",
    "quadrature",
    "read",
    "size",
]


_MOST_PATH = 16  # different features on the way to a leaf: its table has 2 to this many rows
_MOST_BITS = 11  # answers of a fragment of several leaves: 2048 rows of some ten numbers stay in the cache


class UnsupportedTreesError(ValueError):
    """The model is outside the limits of what can be compiled."""


@dataclass(frozen=True)
class Node:
    """An inner node, numbered in its tree from the root down and left before right."""

    number: int
    feature: int
    threshold: float
    nan_left: bool
    words: NDArray[np.uint32]
    sides: tuple[Node | float, Node | float]  # left, right; a leaf is its value
    shares: tuple[float, float]  # of the training rows that went there, or 1 where a given value goes
    below: int  # inner nodes of its subtree, with itself


class Step(NamedTuple):
    """One decision on the way to a leaf."""

    node: int
    feature: int
    left: bool
    share: float


Tree = Node | float
"""A tree or a subtree; one of a single leaf is its value."""
Way = tuple[Step, ...]
"""The decisions from the root down."""
Game = Callable[[Way, float], Floats]
"""From the way to a leaf and its value to the Shapley values of its m features, in the order in which the way
first tests them, for every pattern of answers, shape (m, 2^m)."""


def read(
    tree: trees.Tree, child: int, number: int = 0, given: Mapping[int, float] = MappingProxyType({})
) -> Tree:
    """Return a tree, or a part of one, from checked arrays.

    Parameters
    ----------
    tree : tierkit.scores.trees.Tree
    child : int
        Its node or leaf to begin with, numbered as in its arrays.
    number : int
        Of the first node.
    given : mapping of int to float
        By number of a feature, the value that stands in for it where it is not known: of its splits the side
        of that value has the share 1. Of other features it is the share of the training rows.

    Raises
    ------
    UnsupportedTreesError
        If it takes zero as missing, or has sides without rows.
    """
    if child < 0:
        return float(tree.value[-1 - child])
    if tree.missing[child] == trees.ZERO:
        raise UnsupportedTreesError("The model takes zero as missing.")
    by_level = bool(tree.by_level[child])
    threshold = 0.0 if by_level else float(tree.threshold[child])
    children = int(tree.left[child]), int(tree.right[child])
    left = read(tree, children[0], number + 1, given)
    right = read(tree, children[1], number + 1 + size(left), given)
    # Counts of rows and not sums of weights, since LightGBM's own contributions are taken over counts.
    counts = [tree.rows(one) for one in children]
    if min(counts) < 1:
        raise UnsupportedTreesError("A side of a split has no training rows.")
    knows_missing = tree.missing[child] == trees.NAN
    feature = int(tree.feature[child])
    share = counts[0] / sum(counts) if feature not in given else float(given[feature] <= threshold)
    return Node(
        number=number,
        feature=feature,
        threshold=threshold,
        # Where none was missing at fit, LightGBM reads a missing number as 0. A missing level goes right.
        nan_left=not by_level and (bool(tree.default_left[child]) if knows_missing else threshold >= 0),
        words=tree.levels[int(tree.threshold[child])] if by_level else np.empty(0, np.uint32),
        sides=(left, right),
        shares=(share, counts[1] / sum(counts) if feature not in given else 1 - share),
        below=1 + size(left) + size(right),
    )


def size(tree: Tree) -> int:
    """Return the number of inner nodes."""
    return tree.below if isinstance(tree, Node) else 0


def nodes(tree: Tree) -> Iterator[Node]:
    """Yield the inner nodes in the order of their numbers."""
    if isinstance(tree, Node):
        yield tree
        for side in tree.sides:
            yield from nodes(side)


def _leaves(tree: Tree, way: Way = ()) -> Iterator[tuple[Way, float]]:
    """Yield every leaf with the steps to it."""
    if isinstance(tree, Node):
        for left, side, share in zip((True, False), tree.sides, tree.shares, strict=True):
            yield from _leaves(side, (*way, Step(tree.number, tree.feature, left, share)))
    else:
        yield way, tree


def mean(tree: Tree) -> float:
    """Return the mean value of a tree over its training rows."""
    return sum(value * math.prod(step.share for step in way) for way, value in _leaves(tree))


def conditions(way: Way) -> dict[int, tuple[int, int]]:
    """Return by feature its nodes on a way, and those of them that it leaves to the left, as bits."""
    found: dict[int, tuple[int, int]] = {}
    for step in way:
        on_way, lefts = found.get(step.feature, (0, 0))
        found[step.feature] = (on_way | 1 << step.node, lefts | int(step.left) << step.node)
    return found


class Fragment:
    """A subtree that depends on few answers, with the path down to it.

    Attributes
    ----------
    first : int
        Number of its first node in its tree; 0 for a single leaf.
    inner : int
        Its inner nodes: they are the lowest bits of a pattern.
    way : dict of int to (int, int)
        By feature on the way down: its nodes, and those of them that went left, both as bits of the tree's
        nodes. One bit of the pattern each, from ``inner`` on.
    members : list of int
        Features that it contributes to.
    """

    def __init__(self, tree: Tree, way: Way) -> None:
        self.first = tree.number if isinstance(tree, Node) else 0
        self.inner = size(tree)
        self.way = conditions(way)
        self.members = list(dict.fromkeys([*self.way, *(node.feature for node in nodes(tree))]))
        self._depth = len(way)
        self._leaves = list(_leaves(tree, way))

    @property
    def bits(self) -> int:
        """Answers that its contributions depend on."""
        return self.inner + len(self.way)

    @property
    def cells(self) -> int:
        """Numbers in its table."""
        return len(self.members) << self.bits

    def table(self, game: Game) -> Floats:
        """Return the contributions for every pattern of answers, shape (members, 2^bits)."""
        # A pattern is a number whose bits are the answers: the inner nodes lowest, then the features on the
        # way.
        patterns = np.arange(1 << self.bits)
        answered = [(patterns >> bit) & 1 == 1 for bit in range(self.bits)]
        on_way = {feature: answered[self.inner + k] for k, feature in enumerate(self.way)}
        row = {feature: k for k, feature in enumerate(self.members)}
        out = np.zeros((len(self.members), len(patterns)))
        for way, value in self._leaves:
            # Conditions of one feature count together: a Shapley value belongs to the feature, not to the
            # node.
            holds = dict(on_way)  # by feature: whether all its conditions hold
            for step in way[self._depth :]:
                went = answered[step.node - self.first]
                met = went if step.left else ~went
                holds[step.feature] = holds[step.feature] & met if step.feature in holds else met
            # From the fragment's pattern to that of the leaf alone, whose game has a table over its own
            # features.
            key = sum(met.astype(np.int64) << k for k, met in enumerate(holds.values()))
            out[[row[feature] for feature in holds]] += game(way, value)[:, key]
        return out


@cache
def quadrature(m: int) -> tuple[Floats, Floats]:
    """Return times in (0, 1) and their weights that are exact for polynomials of degree below m."""
    at, weight = np.polynomial.legendre.leggauss((m + 1) // 2)
    return (1 + at) / 2, weight / 2  # from [-1, 1] to [0, 1], which halves the weights


def by_shares(way: Way, value: float) -> Floats:
    """Return the Shapley values of one leaf's path-dependent game: see `Game`."""
    shares: dict[int, float] = {}
    for step in way:
        shares[step.feature] = shares.get(step.feature, 1.0) * step.share
    m = len(shares)
    share = np.array(list(shares.values()))[:, None]
    holds = ((np.arange(1 << m) >> np.arange(m)[:, None]) & 1).astype(np.float64)
    out = np.zeros(holds.shape)
    for time, weight in zip(*quadrature(m), strict=True):
        factors = holds * time + share * (1 - time)
        # The product over all features but one: those before it, and those after it. A factor may be 0.
        ends = np.ones((1, factors.shape[1]))
        before = np.vstack([ends, factors[:-1]]).cumprod(axis=0)
        after = np.vstack([factors[1:], ends])[::-1].cumprod(axis=0)[::-1]
        out += weight * before * after
    values: Floats = out * value * (holds - share)
    return values


def fragments(tree: Tree, way: Way = ()) -> Iterator[Fragment]:
    """Cut a tree into the largest fragments that keep to the limit; what contributes nothing is left out.

    Raises
    ------
    UnsupportedTreesError
        If the way to a leaf tests more features than a table can hold.
    """
    one = Fragment(tree, way)
    # Cut at the root as long as the table would be too large. A single leaf has no node to cut at; its table
    # may have up to 2 to the power of _MOST_PATH rows.
    if one.inner and one.bits > _MOST_BITS:
        assert isinstance(tree, Node)
        for left, side, share in zip((True, False), tree.sides, tree.shares, strict=True):
            yield from fragments(side, (*way, Step(tree.number, tree.feature, left, share)))
        return
    if len(one.way) > _MOST_PATH:
        raise UnsupportedTreesError(f"A path tests more than {_MOST_PATH} different features.")
    if one.members:
        yield one
