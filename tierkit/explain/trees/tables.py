"""Cache of compiled tables, by model and background."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike

from tierkit.arrays import Floats
from tierkit.explain.trees.fragments import UnsupportedTreesError

if TYPE_CHECKING:
    from tierkit.explain.trees.compiled import CompiledTrees

__all__ = ["interventional", "path_dependent"]

Given: TypeAlias = tuple[tuple[int, float], ...]

_MOST = 4  # backgrounds of a model whose tables are kept
# Weak keys: the tables of a model go when the model goes.
_OF_PATHS: WeakKeyDictionary[lgb.Booster, dict[Given, CompiledTrees | None]] = WeakKeyDictionary()
_OVER: WeakKeyDictionary[lgb.Booster, dict[bytes, CompiledTrees]] = WeakKeyDictionary()


def path_dependent(
    booster: lgb.Booster, given: Mapping[int, float] = MappingProxyType({})
) -> CompiledTrees | None:
    """Return the cached tables of a model; None, with a warning, if it is outside the limits.

    Parameters
    ----------
    booster : lightgbm.Booster
    given : mapping of int to float
        As in `CompiledTrees.of`.
    """
    kept, key = _OF_PATHS.setdefault(booster, {}), tuple(given.items())
    if key not in kept:
        # Imported here, since the compiler takes a second, and points lost do without it.
        from tierkit.explain.trees.compiled import CompiledTrees

        try:
            kept[key] = CompiledTrees.checked(booster, given=given)
        except UnsupportedTreesError as error:
            kept[key] = None
            average = " They measure merits, too, against the average." if given else ""
            warnings.warn(f"{error} LightGBM's own, slower contributions are used.{average}", stacklevel=3)
    return kept[key]


def interventional(booster: lgb.Booster, background: Floats, weight: ArrayLike | None) -> CompiledTrees:
    """Return the tables of a model over a background; the last four backgrounds of a model are cached.

    Parameters
    ----------
    booster : lightgbm.Booster
    background : float array of shape (B, k)
        As the trees see rows.
    weight : float array of shape (B,), optional

    Raises
    ------
    UnsupportedTreesError
        If the model is outside the limits.
    ValueError
        If the background has no rows, or its weights are no weights.
    """
    from tierkit.explain.trees.compiled import CompiledTrees

    given = None if weight is None else np.ascontiguousarray(weight, np.float64)
    # By content: two frames of the same rows share their tables. The length goes first, so that weights and
    # rows cannot run into each other.
    weights, rows = b"" if given is None else given.tobytes(), background.tobytes()
    key = hashlib.blake2b(b"".join([len(weights).to_bytes(8, "little"), weights, rows])).digest()
    kept = _OVER.setdefault(booster, {})
    compiled = kept.pop(key, None)
    if compiled is None:
        try:
            compiled = CompiledTrees.checked(booster, background, given)
        except UnsupportedTreesError as error:
            raise UnsupportedTreesError(
                f"{error} LightGBM has no interventional values of its own: leave 'background' out for "
                "path-dependent ones, or fit a model of fewer leaves."
            ) from None
    kept[key] = compiled  # the last used stands last
    while len(kept) > _MOST:
        kept.pop(next(iter(kept)), None)
    return compiled
