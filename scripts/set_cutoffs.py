"""Set the cut-offs of the presets from their target shares on the dated reference world.

Cut-offs are absolute: probabilities and points that stay as they are until somebody runs this again, so
that nobody's tier depends on how others score tonight. Run it after a change of the world's parameters, the
features or the models: ``.venv/bin/python scripts/set_cutoffs.py``. It rewrites the values in
``tierkit/policy/presets`` and prints the shares that they give. The records of the world were made under the
tiers of the policy legacy, so a second run may move a value by a tenth.
"""

from __future__ import annotations

import datetime as dt
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import logit

from tierkit.city.synth import make
from tierkit.policy import Policy, PolicyWarning, amend
from tierkit.policy.tiers import assign, listed
from tierkit.records import SHANGHAI, TIERS, Parameter
from tierkit.scores.train import train

SECTORS = SHANGHAI.ids("sector")

FOLDER = Path(__file__).parent.parent / "tierkit" / "policy" / "presets"
ENTERPRISES, SEED = 20_000, 2024
THREE = (0.62, 0.28, 0.10)
"""Shares of three levels, where a plan has three: the two worst of four taken together, rounded up."""
NEAR, SLACK = 1.0, 0.002
"""Points on either side of a cut-off where few should lie; the share that may be missed for it."""


def main() -> None:
    """Score the reference world, set each policy's cut-offs, and print the shares of those in its scope."""
    data, world = make(ENTERPRISES, SEED)
    scores = train(data, world.date, seed=SEED).score(data, world.date)
    reference = f"{ENTERPRISES:,} enterprises, seed {SEED}, as of {world.date.isoformat()}"
    why = f"set from the target shares on the reference world of {reference}"
    for path in sorted(FOLDER.glob("*.toml")):
        text = path.read_text("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)
            policy = Policy.load(path.stem)
        sectors = list(policy["scoring.scope_sectors"] or SECTORS)
        scored = scores[scores["sector"].isin(sectors)]
        risk, points = (scored[name].to_numpy(float) for name in ("risk_probability", "credit_points"))
        changes = {k: v for k, v in cutoffs(policy, risk, points).items() if stated(text, k)}
        if not changes:
            continue
        if path.stem == "legacy":
            changes["scoring.reference"] = reference
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)
            path.write_text(amend(text, restated(policy, changes, why)), encoding="utf-8")
            policy = Policy.load(path.stem)
            shown = assign(scored, policy) if not policy.oracle else pd.DataFrame()
        if len(shown):
            on = listed(scored, policy, data["obligations"])["listed"].mean()
            print(f"{path.stem}: {dict(changes)}\n  {realised(policy, shown, on)}")
    print(f"done on {dt.date.today().isoformat()}")


def realised(policy: Policy, shown: pd.DataFrame, on: float) -> str:
    """Return the shares that the cut-offs give beside those aimed at; where many points tie they differ."""
    share = shown["tier"].value_counts(normalize=True).reindex(TIERS, fill_value=0).round(3).tolist()
    aimed = [float(policy[f"scoring.target_shares.{tier}"]) for tier in TIERS]
    aim = policy["lists.unmonitored.target_share"]
    told = f"listed {on:.3f} of {aim:.3f} aimed at"
    return f"tiers {share} of {aimed} aimed at, {told}"


def restated(policy: Policy, changes: dict[str, Any], why: str) -> dict[str, Parameter]:
    """Return the parameters with their new values, each with the date and source that it had."""
    new = policy.reform(changes, name="new cut-offs", assumption=why)
    return {k: replace(policy.parameter(k), value=new[k], assumption=why) for k in changes}


def stated(text: str, path: str) -> bool:
    """Return whether a policy file states a value itself."""
    import tomllib

    node: Any = tomllib.loads(text)
    for part in path.split("."):
        if part not in node:
            return False
        node = node[part]
    return True


def cutoffs(policy: Policy, risk: NDArray[np.float64], points: NDArray[np.float64]) -> dict[str, Any]:
    """Return the cut-offs that give a policy its target shares."""
    four = [float(policy[f"scoring.target_shares.{tier}"]) for tier in TIERS]
    of_risk = four if len(policy["scoring.risk_cutoffs"]) == 3 else THREE
    of_credit = four if len(policy["scoring.credit_cutoffs"]) == 3 else THREE
    composite = policy["scoring.composite_credit_weight"] * points
    composite = composite - policy["scoring.composite_risk_weight"] * logit(risk)
    out: dict[str, Any] = {
        "scoring.risk_cutoffs": [round(float(q), 4) for q in np.quantile(risk, np.cumsum(of_risk)[:-1])],
        "scoring.credit_cutoffs": worst_first(points, of_credit),
        "scoring.composite_cutoffs": worst_first(composite, four),
    }
    target = float(policy["lists.unmonitored.target_share"])
    if policy["lists.unmonitored.enabled"] and policy["lists.unmonitored.by"] == "rule" and target > 0:

        def excess(q: float) -> float:
            listed = (risk <= np.quantile(risk, q)) & (points >= np.quantile(points, 1 - q))
            return float(listed.mean()) - target

        q = brentq(excess, 0.02, 0.98, xtol=1e-4)
        # A third may have the very same points; risks hardly tie, so they give the share wanted.
        least = cut(points, 1 - q)
        fine = risk[points >= least]
        out["lists.unmonitored.max_risk"] = round(float(np.quantile(fine, target * risk.size / fine.size)), 4)
        out["lists.unmonitored.min_points"] = least
    return out


def worst_first(values: NDArray[np.float64], shares: Any) -> list[float]:
    """Return ascending cut-offs of a score of which more is better, for shares from the best."""
    return [cut(values, below) for below in np.cumsum(list(shares)[::-1])[:-1]]


def cut(values: NDArray[np.float64], below: float) -> float:
    """Return a cut-off to one decimal near a quantile, in a place where few values lie.

    Many have the very same points, and a cut-off beside such a value lets a rounding of the scorecard, or the
    next year's data, move all of them. So the share may miss what is wanted by `SLACK` for an emptier place.
    """
    exact = float(np.quantile(values, below))
    tenths = np.round(np.arange(np.floor(exact * 10) - 100, np.ceil(exact * 10) + 101)) / 10
    order = np.sort(values)
    missed = np.abs(np.searchsorted(order, tenths, side="left") / len(order) - below)
    beside = np.searchsorted(order, tenths + NEAR) - np.searchsorted(order, tenths - NEAR)
    allowed = missed <= missed.min() + SLACK
    return float(min(zip(beside[allowed], missed[allowed], tenths[allowed], strict=True))[2])


if __name__ == "__main__":
    main()
