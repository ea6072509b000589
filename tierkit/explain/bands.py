"""Certainty of a tier in three bands, by the agreement of bootstrap models or the distance to a boundary.

All edges are assumptions, the same for every city: a band is a way to sort a list, and no finding. A way of
0.2 in log-odds changes odds by a fifth; 10 points are about as much on a scorecard whose odds double in 40.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["AGREEMENT", "BANDS", "DISTANCE", "bands", "basis", "distance_band", "way"]

BANDS = ("unsure", "fair", "sure")
"""From the least sure."""

AGREEMENT = (0.7, 0.9)
"""Shares of bootstrap models from which a tier is fairly sure, and sure. An assumption."""

DISTANCE: Mapping[str, tuple[float, float]] = MappingProxyType({"risk": (0.2, 0.5), "credit": (10.0, 25.0)})
"""Ways to the next tier from which it is fairly sure, and sure, in log-odds and in points. An assumption."""


def basis(tiers: pd.DataFrame) -> str:
    """Return the basis of the bands of a frame of tiers: ``"agreement"`` or ``"distance"``.

    Examples
    --------
    >>> basis(pd.DataFrame({"distance_risk": [0.1]}))
    'distance'
    """
    return "agreement" if "tier_agreement" in tiers else "distance"


def way(tiers: pd.DataFrame) -> pd.Series:
    """Return the distance to the nearer boundary, in widths of the unsure band; infinite without a boundary.

    Parameters
    ----------
    tiers : DataFrame of shape (n, any)
        With ``distance_risk`` (log-odds) and ``distance_credit`` (points), as `tierkit.policy.tiers.assign`
        gives.

    Returns
    -------
    Series of float, shape (n,)
        Below 1 the tier is unsure by distance.

    Examples
    --------
    >>> way(pd.DataFrame({"distance_risk": [-0.1, np.nan], "distance_credit": [30.0, np.nan]})).tolist()
    [0.5, inf]
    """
    widths = [tiers[f"distance_{axis}"].abs() / DISTANCE[axis][0] for axis in DISTANCE]
    return pd.concat(widths, axis=1).min(axis=1).fillna(np.inf)


def distance_band(tiers: pd.DataFrame, axis: str) -> NDArray[np.intp]:
    """Return the position in `BANDS` for each distance to the next tier along one axis.

    Parameters
    ----------
    tiers : DataFrame of shape (n, any)
        With ``distance_risk`` or ``distance_credit``; missing, where no move changes the tier, is the surest.
    axis : {"risk", "credit"}

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> distance_band(pd.DataFrame({"distance_risk": [-0.1, 0.3, np.nan]}), "risk").tolist()
    [0, 1, 2]
    """
    ways = tiers[f"distance_{axis}"].abs().fillna(np.inf).to_numpy(float)
    band: NDArray[np.intp] = np.digitize(ways, DISTANCE[axis])
    return band


def bands(tiers: pd.DataFrame) -> pd.Series:
    """Return the band of each tier: by agreement where there is any, else by distance.

    Parameters
    ----------
    tiers : DataFrame of shape (n, any)
        With ``tier_agreement``, or with ``distance_risk`` and ``distance_credit``. A tier whose agreement is
        missing is unsure, since nothing vouches for it; by distance a tier is in the worse of the bands of
        both axes.

    Returns
    -------
    Series of category, shape (n,)
        One of `BANDS`, with the index of ``tiers``.

    Examples
    --------
    >>> bands(pd.DataFrame({"tier_agreement": [1.0, 0.7, 0.65, np.nan]})).tolist()
    ['sure', 'fair', 'unsure', 'unsure']
    >>> bands(pd.DataFrame({"distance_risk": [-0.6, 0.6], "distance_credit": [30.0, -5.0]})).tolist()
    ['sure', 'unsure']
    """
    if basis(tiers) == "agreement":
        band = np.digitize(tiers["tier_agreement"].fillna(-np.inf).to_numpy(float), AGREEMENT)
    else:
        band = np.minimum(*(distance_band(tiers, axis) for axis in DISTANCE))
    return pd.Series(pd.Categorical(np.array(BANDS)[band], list(BANDS)), index=tiers.index)
