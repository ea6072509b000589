"""What a comparison refuses or warns of before it runs: policies that are alike, scores of another city."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tierkit.city.world import World
from tierkit.policy import Policy, diff
from tierkit.records.gate import InputError
from tierkit.scores.gate import check_scores

__all__ = ["check_policies", "check_world_scores"]

_MOST_UNSCORED = 0.1  # above this share, scores are probably those of another city


def check_policies(policies: Sequence[Policy]) -> None:
    """Refuse policies of one name, and reforms that change nothing."""
    baseline, *reforms = policies
    names = [policy.name for policy in policies]
    if len(set(names)) < len(names):
        raise InputError(f"Policies to compare need different names. Got {names}.")
    for policy in reforms:
        if policy.hash == baseline.hash or diff(baseline, policy).empty:
            raise InputError(
                f"Policy '{policy.name}' does not differ from its baseline '{baseline.name}'; "
                "nothing to compare."
            )


def check_world_scores(world: World, scores: pd.DataFrame) -> None:
    """Refuse scores that cannot be used on a world, and warn if many of its enterprises have none."""
    missing = [one for one in ("enterprise_id", "risk_probability", "credit_points") if one not in scores]
    if missing:
        raise InputError(
            f"The 'scores' lack the columns {', '.join(missing)}; "
            "give the frame that model.score(data, as_of) returns."
        )
    sectors = np.array(world.place.ids("sector"))[world.fixed.sector]
    check_scores(scores, pd.Series(sectors, index=world.ids))
    here = world.ids[world.alive()]
    without = int((~pd.Index(here).isin(scores["enterprise_id"])).sum())
    if without > _MOST_UNSCORED * len(here):
        warnings.warn(
            f"The 'scores' lack {without:,} of {len(here):,} enterprises in the register; these start at the "
            "mean of their sector.",
            stacklevel=4,
        )
