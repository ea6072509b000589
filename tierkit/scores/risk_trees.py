"""What the trees of a risk model promise beside being sound: what its fit cannot break."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tierkit.features.catalogue import Sign
from tierkit.scores.inputs import Inputs
from tierkit.scores.trees import ZERO, Tree, TreesError, read_trees

__all__ = ["Limits", "check_risk_trees"]


LARGEST_MARGIN = 1e4
"""Log-odds. Sums of such numbers keep the 1e-9 to which explanations add up."""
_NUMBER = r"-?[0-9]{1,25}(?:\.[0-9]{1,25})?(?:e[+-]?[0-9]{1,3})?"
_RANGE = rf"none|\[{_NUMBER}:{_NUMBER}\]|-?[0-9]{{1,10}}(?::-?[0-9]{{1,10}})*"
_RANGES = re.compile(rf"feature_infos=(?:{_RANGE})(?: (?:{_RANGE}))*")
# What LightGBM writes behind the trees. It reads the settings back, so they are words and short numbers.
_SETTING = r"-?[0-9]{1,10}(?:\.[0-9]{1,20})?(?:e-?[0-9]{1,2})?"
_TAIL = re.compile(
    r"\nfeature_importances:\n(?:Column_[0-9]{1,5}=[0-9]{1,10}\n)*\nparameters:\n"
    rf"(?:\[[a-z0-9_]{{1,40}}: (?:[a-z_]{{0,40}}|{_SETTING}(?:,{_SETTING})*)\]\n){{0,500}}"
    r"\nend of parameters\n\npandas_categorical:null\n"
)


class Limits(NamedTuple):
    """What the parameters of a risk model allow its trees."""

    trees: int
    leaves: int
    depth: int


def check_risk_trees(text: str, inputs: Inputs, monotone: Mapping[str, Sign], limits: Limits) -> None:
    """Refuse a text that is not that of a risk model's trees, before LightGBM reads it.

    Parameters
    ----------
    text : str
        As from `lightgbm.Booster.model_to_string`.
    inputs : Inputs
        Columns of the model.
    monotone : mapping of str to {-1, 0, 1}
        Which way the margin may move, by column.
    limits : Limits

    Raises
    ------
    TreesError
        The message names the tree and the field.
    """
    found = read_trees(text)
    signs = [int(monotone.get(name, 0)) for name in inputs.names]
    _check_head(found.head, signs)
    if not _TAIL.fullmatch(found.tail):
        raise TreesError("behind the trees: there is other text than LightGBM writes.")
    if len(found.trees) > limits.trees:
        raise TreesError(f"tree_sizes: there are {len(found.trees)} trees; 'n_trees' is {limits.trees}.")
    levels = [len(inputs.levels[name]) if name in inputs.levels else None for name in inputs.names]
    largest = 0.0
    for number, tree in enumerate(found.trees):
        place = f"tree {number}"
        _check_size(tree, place, limits)
        _check_splits(tree, place, levels)
        _check_rows(tree, place)
        _check_signs(tree, place, signs)
        largest += float(np.abs(tree.value).max())
        if largest > LARGEST_MARGIN:
            raise TreesError(f"{place}, leaf_value: the margin could pass {LARGEST_MARGIN:,.0f} log-odds.")


def _check_head(head: tuple[str, ...], signs: list[int]) -> None:
    expected = [
        "tree",
        "version=v4",
        "num_class=1",
        "num_tree_per_iteration=1",
        "label_index=0",
        f"max_feature_idx={len(signs) - 1}",
        "objective=binary sigmoid:1",
        "feature_names=" + " ".join(f"Column_{j}" for j in range(len(signs))),
        "monotone_constraints=" + " ".join(map(str, signs)),
    ]
    for line, wanted in zip(head, expected, strict=False):
        if line != wanted:
            name, _, value = wanted.partition("=")
            raise TreesError(f"{name}: is not '{value[:100]}', as that of this risk model.")
    ranges = head[-1]
    if len(head) != len(expected) + 1 or not _RANGES.fullmatch(ranges) or ranges.count(" ") != len(signs) - 1:
        raise TreesError(f"feature_infos: does not give the ranges of {len(signs)} columns.")


def _check_size(tree: Tree, place: str, limits: Limits) -> None:
    if tree.value.size > limits.leaves:
        raise TreesError(f"{place}, num_leaves: is {tree.value.size}; 'n_leaves' is {limits.leaves}.")
    depth = [0] * tree.feature.size
    for node, children in enumerate(tree.children()):
        for child in children:
            if child >= 0:
                depth[child] = depth[node] + 1
    if max(depth, default=0) >= limits.depth:
        raise TreesError(f"{place}, left_child and right_child: lead deeper than {limits.depth} splits.")


def _check_splits(tree: Tree, place: str, levels: list[int | None]) -> None:
    asked = zip(tree.feature.tolist(), tree.by_level.tolist(), tree.missing.tolist(), strict=True)
    for node, (feature, by_level, missing) in enumerate(asked):
        n = levels[feature]
        if by_level != (n is not None):
            held = "numbers" if n is None else "levels"
            raise TreesError(f"{place}, decision_type: node {node} asks a column of {held} amiss.")
        if missing == ZERO:
            raise TreesError(f"{place}, decision_type: node {node} takes zero as missing.")
        if n is not None:
            words = tree.levels[int(tree.threshold[node])]
            bits = int.from_bytes(words.astype("<u4").tobytes(), "little")
            if bits >> n or not bits or words.size > n // 32 + 1:
                raise TreesError(f"{place}, cat_threshold: node {node} asks for no or other levels than {n}.")


def _check_rows(tree: Tree, place: str) -> None:
    # A child below 0 counts from the end: leaf 0 is the last.
    rows = [*tree.inner_rows.tolist(), *tree.leaf_rows[::-1].tolist()]
    for node, (left, right) in enumerate(tree.children()):
        if rows[left] + rows[right] != rows[node]:
            raise TreesError(f"{place}, internal_count: node {node} does not have the rows of its sides.")
        if not rows[left] or not rows[right]:
            raise TreesError(f"{place}, leaf_count: a side of node {node} has no rows.")


def _check_signs(tree: Tree, place: str, signs: list[int]) -> None:
    """Refuse a split by number whose sides lie the wrong way round, as a whole, for the declared sign."""
    inner = tree.feature.size
    leaves = tree.value[::-1].tolist()
    low, high = [0.0] * inner + leaves, [0.0] * inner + leaves
    feature, children = tree.feature.tolist(), tree.children()
    for node in range(inner - 1, -1, -1):  # children have larger numbers
        left, right = children[node]
        sign = signs[feature[node]]
        if (sign > 0 and high[left] > low[right]) or (sign < 0 and high[right] > low[left]):
            raise TreesError(f"{place}, leaf_value: node {node} turns the declared direction round.")
        low[node], high[node] = min(low[left], low[right]), max(high[left], high[right])
