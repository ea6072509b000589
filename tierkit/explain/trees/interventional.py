"""The interventional game of a leaf: unknown features are taken from background rows.

For one leaf of value v let o be the answers of the row that is explained (1 where all conditions of a feature
hold), b those of a background row, and f(b) the share of the background that answers so. The game is
v × Σ_b f(b) × ∏ (o where known, b where not), and the Shapley value of feature j is

    v Σ_b f(b) (o_j - b_j) ∫₀¹ ∏_{k ≠ j} (o_k t + b_k (1 - t)) dt,

the mean over an owner's time of arrival t (Owen 1972). At each node of the quadrature, which is exact as in
`tierkit.explain.trees.fragments`, the sum is a Kronecker product of matrices of 2 × 2, rows o and columns b,
applied to f as an array of m axes: one matrix for all axes but j, another for j. So all patterns o of a leaf
of m features take some m 2^m steps a node, whatever the number of background rows, which are only counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierkit.arrays import Floats
from tierkit.explain.trees.fragments import Game, Way, conditions, quadrature
from tierkit.explain.trees.kernels import answers, on_the_way, take

__all__ = ["games", "leaf_values"]


def games(rows: Floats, weight: Floats, tests: Mapping[str, Any]) -> Iterator[Game]:
    """Yield the game of the leaves of each tree.

    Parameters
    ----------
    rows : float array of shape (n, k)
        The background, as the trees see rows.
    weight : float array of shape (n,)
        Its sum is more than 0.
    tests : mapping
        The arrays of `CompiledTrees` that describe inner nodes.

    Yields
    ------
    callable
        From the way to a leaf and its value to the Shapley values for every pattern of answers.
    """
    # Columns, as the kernels read them: a feature's values lie next to each other.
    block = np.empty(rows.shape[::-1])
    take(rows, 0, len(rows), block)
    for t in range(len(tests["tree_start"]) - 1):
        went = np.empty(len(rows), np.uint64)
        answers(block, t, went, **tests)
        yield partial(_values, went, weight)


def _values(went: NDArray[np.uint64], weight: Floats, way: Way, value: float) -> Floats:
    """Return the Shapley values of one leaf, shape (m, 2^m), given the background's answers at its tree."""
    # Rows that answer alike count as one with the sum of their weights, so what follows does not depend on
    # how many background rows there are.
    at = np.zeros(went.size, np.uint64)
    asked = conditions(way)
    for bit, (nodes, lefts) in enumerate(asked.values()):
        on_the_way(went, np.uint64(nodes), np.uint64(lefts), np.uint64(bit), at)
    counted = np.bincount(at.astype(np.int64), weight, 1 << len(asked))
    return leaf_values(counted / weight.sum(), value)


def leaf_values(share: Floats, value: float) -> Floats:
    """Return the Shapley values of one leaf's game for every pattern of its m features.

    Parameters
    ----------
    share : float array of shape (2^m,)
        Of the background by its pattern of answers: bit k is that of feature k.
    value : float

    Returns
    -------
    float array of shape (m, 2^m)

    Examples
    --------
    A leaf of value 4 with two features, of whose conditions the only background row meets none: a row that
    meets both gets half of it from each, any other row nothing.

    >>> leaf_values(np.array([1.0, 0.0, 0.0, 0.0]), 4.0).round(12) + 0.0
    array([[0., 0., 0., 2.],
           [0., 0., 0., 2.]])
    """
    m = share.size.bit_length() - 1
    time, weight = quadrature(m)
    rest = 1 - time
    zero, one = np.zeros_like(time), np.ones_like(time)
    # By node: o t + b (1 - t), and what makes o - b of it once it has been applied to all axes.
    factor = np.array([[zero, rest], [time, one]]).transpose(2, 0, 1)[:, None]
    # `turn` is the matrix of o - b times the inverse of `factor`, which exists inside (0, 1): so the product
    # over all axes is made once and turned for each feature, not made anew without it.
    turn = np.array([[-1 / rest, zero], [-1 / (time * rest), 1 / time]]).transpose(2, 0, 1)[:, None]
    # One 2 × 2 matrix for each axis in turn, never their product of 2^m × 2^m: the reshape brings axis k (of
    # stride 2^k) to the place where a matrix product applies it.
    whole = np.broadcast_to(share, (time.size, share.size))
    for k in range(m):
        whole = (factor @ whole.reshape(time.size, -1, 2, 1 << k)).reshape(time.size, -1)
    out = np.empty((m, share.size))
    for k in range(m):
        out[k] = weight @ (turn @ whole.reshape(time.size, -1, 2, 1 << k)).reshape(time.size, -1)
    return out * value
