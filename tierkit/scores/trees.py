"""A strict reader of trees in LightGBM's text: every index is checked before anything is looked up by it.

LightGBM believes its text: a child that is no node, a feature beyond the columns or a circle of nodes makes
it read what lies beside its arrays, end the process or never return. So a text is read here first, and what
is compiled for explanations is made of the arrays that come out, whose promises are those of `Tree`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tierkit.arrays import Floats, Ints

__all__ = ["MOST_FEATURES", "NAN", "ZERO", "Tree", "Trees", "TreesError", "read_trees"]

ZERO, NAN = 1, 2
"""What a node may take as missing, beside nothing."""
MOST_FEATURES = 10_000
"""Columns of a model."""

_MOST_TREES = 100_000
_MOST_LEAVES = 1 << 17  # LightGBM's own limit
_LARGEST_COUNT = 2**31 - 1  # LightGBM counts rows in 32 bits
_INTS = re.compile(r"(?:-?[0-9]{1,10}(?: -?[0-9]{1,10})*)?")
_NUMBER = r"-?[0-9]{1,25}(?:\.[0-9]{1,25})?(?:e[+-]?[0-9]{1,3})?"
_FLOATS = re.compile(rf"(?:{_NUMBER}(?: {_NUMBER})*)?")
_THRESHOLDS = re.compile(rf"(?:(?:{_NUMBER}|-?inf)(?: (?:{_NUMBER}|-?inf))*)?")
_BY_NODE = ("split_feature", "decision_type", "left_child", "right_child", "internal_count")
_BY_NODE_REAL = ("split_gain", "internal_value", "internal_weight")
_CATEGORICAL, _DEFAULT_LEFT = 1, 2  # bits of a decision type
_LINES = (
    "num_leaves", "num_cat", "split_feature", "split_gain", "threshold", "decision_type", "left_child",
    "right_child", "leaf_value", "leaf_weight", "leaf_count", "internal_value", "internal_weight",
    "internal_count",
)  # fmt: skip


class TreesError(ValueError):
    """A text is not that of sound trees; the message names the tree and the field."""


@dataclass(frozen=True)
class Tree:
    """One tree of n leaves and n - 1 inner nodes; node 0 is the root.

    Attributes
    ----------
    feature : int array of shape (n - 1,)
        From 0 to below the number of features.
    threshold : float array of shape (n - 1,)
        No NaN; endless only where NaN is parted from all else. That of a split by level is its number among
        such splits.
    by_level, default_left : bool array of shape (n - 1,)
    missing : int array of shape (n - 1,)
        What a node takes as missing: `ZERO`, `NAN`, or 0 for nothing.
    left, right : int array of shape (n - 1,)
        A child c from 0 on is an inner node, always of a larger number than its parent; one below 0 is leaf
        -1 - c. Every node but the root and every leaf is a child once.
    value : float array of shape (n,)
        Finite.
    leaf_rows : int array of shape (n,)
    inner_rows : int array of shape (n - 1,)
        Training rows, none below 0.
    levels : tuple of uint32 array
        By number of a split by level: the codes that go left, as bits.
    """

    feature: Ints
    threshold: Floats
    by_level: NDArray[np.bool_]
    default_left: NDArray[np.bool_]
    missing: Ints
    left: Ints
    right: Ints
    value: Floats
    leaf_rows: Ints
    inner_rows: Ints
    levels: tuple[NDArray[np.uint32], ...]

    @property
    def root(self) -> int:
        """Node 0, or leaf -1 of a tree that splits nothing."""
        return 0 if self.feature.size else -1

    def children(self) -> list[tuple[int, int]]:
        """Return the left and the right child of each inner node."""
        return list(zip(self.left.tolist(), self.right.tolist(), strict=True))

    def rows(self, child: int) -> int:
        """Return the training rows of a child, a node or a leaf."""
        return int(self.inner_rows[child] if child >= 0 else self.leaf_rows[-1 - child])


class Trees(NamedTuple):
    """What `read_trees` found.

    Attributes
    ----------
    head : tuple of str
        The lines before the sizes of the trees.
    n_features : int
    trees : tuple of Tree
    tail : str
        What stands behind the trees, unread.
    """

    head: tuple[str, ...]
    n_features: int
    trees: tuple[Tree, ...]
    tail: str


def read_trees(text: str) -> Trees:
    """Read the trees of a model of one margin from LightGBM's text.

    Parameters
    ----------
    text : str
        As from `lightgbm.Booster.model_to_string`.

    Raises
    ------
    TreesError
        If it has a tree for each class or linear leaves, or anything is not as LightGBM writes sound trees.

    Examples
    --------
    >>> import lightgbm as lgb
    >>> x = np.arange(200.0)[:, None]
    >>> booster = lgb.train({"verbosity": -1, "num_leaves": 2}, lgb.Dataset(x, x[:, 0] > 99), 1)
    >>> text = booster.model_to_string()
    >>> read_trees(text).trees[0].threshold.round(1).tolist()
    [99.5]
    >>> read_trees(text.replace("right_child=-2", "right_child=-9"))
    Traceback (most recent call last):
    tierkit.scores.trees.TreesError: tree 0, right_child: holds -9, which is outside -2 … 0.
    """
    start, mark, rest = text.partition("\ntree_sizes=")
    head = tuple(start.split("\n"))
    if not mark or head[0] != "tree":
        raise TreesError("the head: is not that of LightGBM's trees.")
    n_features = _head_count(head, "max_feature_idx", MOST_FEATURES) + 1
    if _head_count(head, "num_tree_per_iteration", 1 << 20) != 1:
        raise TreesError("num_tree_per_iteration: there is a tree for each class.")
    line, _, body = rest.partition("\n\n")
    sizes = _ints(line, "tree_sizes", None, 1, _MOST_LEAVES * 1000)
    if sizes.size > _MOST_TREES:
        raise TreesError(f"tree_sizes: there are {sizes.size} trees, more than {_MOST_TREES}.")
    ends = [0, *np.cumsum(sizes).tolist()]
    trees = tuple(_tree(body[a:b], number, n_features) for number, (a, b) in enumerate(pairwise(ends)))
    mark, tail = "end of trees\n", body[ends[-1] :]
    if not tail.startswith(mark):
        raise TreesError("tree_sizes: do not lead to the end of the trees.")
    return Trees(head, n_features, trees, tail.removeprefix(mark))


def _head_count(head: Sequence[str], name: str, most: int) -> int:
    said = [line.removeprefix(f"{name}=") for line in head if line.startswith(f"{name}=")]
    if len(said) != 1:
        raise TreesError(f"{name}: stands {len(said)} times in the head, not once.")
    return int(_ints(said[0], name, 1, 0, most)[0])


def _ints(text: str, place: str, n: int | None, low: int, high: int) -> Ints:
    """Return ``n`` whole numbers from ``low`` to ``high``; any number of them if ``n`` is None."""
    if not _INTS.fullmatch(text):
        raise TreesError(f"{place}: is no list of whole numbers.")
    found = np.array(text.split(" ") if text else [], np.int64)
    _check_number(found.size, n, place)
    if found.size and (found.min() < low or found.max() > high):
        wrong = found[(found < low) | (found > high)][0]
        raise TreesError(f"{place}: holds {wrong}, which is outside {low} … {high}.")
    return found


def _floats(text: str, place: str, n: int) -> Floats:
    """Return ``n`` finite numbers."""
    if not _FLOATS.fullmatch(text):
        raise TreesError(f"{place}: is no list of finite numbers.")
    found = np.array(text.split(" ") if text else [], np.float64)
    _check_number(found.size, n, place)
    if not np.isfinite(found).all():
        raise TreesError(f"{place}: holds a number that is too large.")
    return found


def _thresholds(text: str, place: str, decision: Ints) -> Floats:
    """Return the threshold of each node; endless ones part what is missing from all else."""
    if not _THRESHOLDS.fullmatch(text):
        raise TreesError(f"{place}: is no list of numbers.")
    found = np.array(text.split(" ") if text else [], np.float64)
    _check_number(found.size, decision.size, place)
    endless = np.isinf(found) & ((decision >> 2 != NAN) | (decision & _CATEGORICAL > 0))
    if endless.any():
        raise TreesError(
            f"{place}: is endless at node {int(np.argmax(endless))}, which knows nothing missing."
        )
    return found


def _check_number(found: int, wanted: int | None, place: str) -> None:
    if wanted is not None and found != wanted:
        raise TreesError(f"{place}: holds {found} numbers, not {wanted}.")


def _tree(block: str, number: int, n_features: int) -> Tree:
    """Return a tree whose text is ``block``."""
    place = f"tree {number}"
    lines = block.split("\n")
    # A title, the fields, and two empty lines: the last line break ends the block.
    if lines[0] != f"Tree={number}" or lines[-3:] != ["", "", ""]:
        raise TreesError(f"{place}: does not begin and end where 'tree_sizes' says.")
    fields = dict(line.partition("=")[::2] for line in lines[1:-3])
    leaves = int(_ints(fields.get("num_leaves", ""), f"{place}, num_leaves", 1, 1, _MOST_LEAVES)[0])
    levels = int(_ints(fields.get("num_cat", ""), f"{place}, num_cat", 1, 0, leaves - 1)[0])
    if fields.get("is_linear") != "0":
        raise TreesError(f"{place}, is_linear: the tree has linear leaves.")
    of_levels = ("cat_boundaries", "cat_threshold") if levels else ()
    if [line.partition("=")[0] for line in lines[1:-3]] != [*_LINES, *of_levels, "is_linear", "shrinkage"]:
        raise TreesError(f"{place}: its fields are not those of a tree, each once and in their order.")
    inner = leaves - 1
    limits = {
        "split_feature": (0, n_features - 1),
        "decision_type": (0, 11),
        "left_child": (-leaves, inner - 1),
        "right_child": (-leaves, inner - 1),
        "internal_count": (0, _LARGEST_COUNT),
    }
    node = {name: _ints(fields[name], f"{place}, {name}", inner, *limits[name]) for name in _BY_NODE}
    for name in _BY_NODE_REAL:
        _floats(fields[name], f"{place}, {name}", inner)
    threshold = _thresholds(fields["threshold"], f"{place}, threshold", node["decision_type"])
    value = _floats(fields["leaf_value"], f"{place}, leaf_value", leaves)
    if inner or fields["leaf_weight"]:  # a tree that splits nothing may have none
        _floats(fields["leaf_weight"], f"{place}, leaf_weight", leaves)
    _floats(fields["shrinkage"], f"{place}, shrinkage", 1)
    leaf_rows = _ints(fields["leaf_count"], f"{place}, leaf_count", leaves, 0, _LARGEST_COUNT)
    _check_shape(node["left_child"], node["right_child"], place)
    by_level = node["decision_type"] & _CATEGORICAL > 0
    return Tree(
        feature=node["split_feature"],
        threshold=threshold,
        by_level=by_level,
        default_left=node["decision_type"] & _DEFAULT_LEFT > 0,
        missing=node["decision_type"] >> 2,
        left=node["left_child"],
        right=node["right_child"],
        value=value,
        leaf_rows=leaf_rows,
        inner_rows=node["internal_count"],
        levels=_levels(fields, place, levels, threshold[by_level]),
    )


def _check_shape(left: Ints, right: Ints, place: str) -> None:
    """Refuse circles, and nodes that are reached twice or never."""
    # A child of a larger number than its parent's leads away from the root, so there are no circles; and a
    # node that is a child once has one way to it. LightGBM numbers nodes as it splits them.
    inner = left.size
    for name, child in (("left_child", left), ("right_child", right)):
        back = (child >= 0) & (child <= np.arange(inner))
        if back.any():
            at = int(np.argmax(back))
            raise TreesError(f"{place}, {name}: node {at} leads to node {child[at]}, which is not below it.")
    children = np.concatenate([left, right, [0]])  # nothing but the text's beginning leads to the root
    seen = np.bincount(children + inner + 1, minlength=2 * inner + 1)
    if inner and (seen != 1).any():
        at = int(np.argmax(seen != 1)) - inner - 1
        which = f"node {at}" if at >= 0 else f"leaf {-1 - at}"
        raise TreesError(
            f"{place}, left_child and right_child: lead to {which} {seen[at + inner + 1]} times."
        )


def _levels(fields: dict[str, str], place: str, n: int, numbers: Floats) -> tuple[NDArray[np.uint32], ...]:
    """Return the codes that go left at each split by level, as bits; ``numbers`` are its thresholds."""
    if not np.array_equal(np.sort(numbers), np.arange(n)):
        raise TreesError(f"{place}, threshold: does not number the {n} splits by level, each once.")
    if not n:
        return ()
    at = f"{place}, cat_boundaries"
    bounds = _ints(fields["cat_boundaries"], at, n + 1, 0, _LARGEST_COUNT)
    words = _ints(fields["cat_threshold"], f"{place}, cat_threshold", None, 0, 2**32 - 1)
    if bounds[0] != 0 or bounds[-1] != words.size or (np.diff(bounds) < 1).any():
        raise TreesError(f"{at}: does not part the {words.size} words of 'cat_threshold'.")
    return tuple(words[a:b].astype(np.uint32) for a, b in pairwise(bounds.tolist()))
