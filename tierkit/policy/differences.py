"""What differs between two policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierkit.policy.core import PolicyLike, policy_of
from tierkit.policy.files.points_file import PointsTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["diff"]


def diff(a: PolicyLike, b: PolicyLike) -> pd.DataFrame:
    """Return the parameters whose values differ between two policies.

    Parameters
    ----------
    a, b : Policy, name or path

    Returns
    -------
    pandas.DataFrame
        Columns ``parameter``, ``a``, ``b``, ``unit`` and ``source`` (of the value in ``b``, or why it is
        assumed), in the order of their specification.

    Raises
    ------
    PolicyError
        If they are of different places.

    Examples
    --------
    >>> import tierkit as tk
    >>> legacy = tk.Policy.load("legacy")
    >>> tk.diff(legacy, legacy.reform({"depth.detection": 0.8}))[["parameter", "a", "b"]].values.tolist()
    [['depth.detection', 0.7, 0.8]]
    """
    a, b = policy_of(a, "a"), policy_of(b, "b")
    import pandas as pd  # here and in plans/, since files are read and checked without it

    if a.place != b.place:
        place = a.place or b.place
        if place is not None:
            a, b = a.at(place), b.at(place)
    rows: list[tuple[object, ...]] = [
        (path, a.parameters[path].value, one.value, one.unit, one.ground)
        for path, one in b.parameters.items()
        if a.parameters[path].value != one.value
    ]
    if a.credit_table != b.credit_table:
        carried = (a.credit_table, b.credit_table)
        named = (one.pinned if isinstance(one, PointsTable) else one or "" for one in carried)
        rows.append(("meta.credit_table", *named, "name", b.meta.document))
    if a.oracle != b.oracle:
        rows.append(("meta.oracle", a.oracle, b.oracle, "yes/no", b.meta.document))
    return pd.DataFrame(rows, columns=["parameter", "a", "b", "unit", "source"], dtype=object)
