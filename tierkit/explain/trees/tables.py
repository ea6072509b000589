"""Cache of compiled tables, by model and background."""

from __future__ import annotations

import hashlib
import warnings
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import lightgbm as lgb
import numpy as np
from numpy.typing import ArrayLike

from tierkit.arrays import Floats
from tierkit.explain.trees.fragments import UnsupportedTreesError

if TYPE_CHECKING:
    from tierkit.explain.trees.compiled import CompiledTrees

__all__ = ["interventional", "path_dependent"]


_MOST = 4  # backgrounds of a model whose tables are kept
# Weak keys: the tables of a model go when the model goes.
_OF_PATHS: WeakKeyDictionary[lgb.Booster, CompiledTrees | None] = WeakKeyDictionary()
_OVER: WeakKeyDictionary[lgb.Booster, dict[bytes, CompiledTrees]] = WeakKeyDictionary()


def path_dependent(booster: lgb.Booster) -> CompiledTrees | None:
    """Return the cached tables of a model; None, with a warning, if it is outside the limits."""
    if booster not in _OF_PATHS:
        # Imported here, since the compiler takes a second, and points lost do without it.
        from tierkit.explain.trees.compiled import CompiledTrees

        try:
            _OF_PATHS[booster] = CompiledTrees.checked(booster)
        except UnsupportedTreesError as error:
            _OF_PATHS[booster] = None
            warnings.warn(f"{error} LightGBM's own, slower contributions are used.", stacklevel=3)
    return _OF_PATHS[booster]


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
