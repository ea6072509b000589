"""Set the cut-offs of the presets from their target shares on the dated reference worlds.

Cut-offs are absolute: probabilities and points that stay as they are until somebody runs this again, so
that nobody's tier depends on how others score tonight. Run it after a change of the world's parameters, the
features or the models: ``.venv/bin/python scripts/set_cutoffs.py`` (two minutes). It rewrites the values in
``tierkit/policy/presets`` and prints the shares that they give. Several worlds are taken together, since the
level of one model may be far from that of another. The records of the worlds were made under the tiers of
the policy legacy, so a second run may move a value by a tenth.
"""

from __future__ import annotations

import datetime as dt
import math
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from tierkit.city.synth import make
from tierkit.policy import Policy, PolicyWarning, amend
from tierkit.policy.calibration import restated
from tierkit.policy.tiers import assign, listed
from tierkit.policy.tiers.cutoffs import AIMED, CREDIT, cutoffs, in_scope, values_of
from tierkit.records import TIERS
from tierkit.scores.train import train

FOLDER = Path(__file__).parent.parent / "tierkit" / "policy" / "presets"
ENTERPRISES, SEEDS = 20_000, range(2015, 2025)


def main() -> None:
    """Score the reference worlds, set each policy's cut-offs, and print the shares of those in its scope."""
    scores, obligations, day = worlds()
    common = most_common(scores)
    each = f"{len(SEEDS)} worlds of {ENTERPRISES:,} enterprises, seeds {SEEDS[0]} to {SEEDS[-1]}"
    reference = f"{each}, as of {day.isoformat()}"
    why = f"{AIMED}{reference}"
    for path in sorted(FOLDER.glob("*.toml")):
        text = path.read_text("utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)
            policy = Policy.load(path.stem)
        scored = scores[in_scope(policy, scores["sector"])]
        changes = {k: v for k, v in cutoffs(policy, *values_of(policy, scored)).items() if stated(text, k)}
        if not changes:
            continue
        if CREDIT in changes:
            changes[CREDIT] = [below_all(value, common) for value in changes[CREDIT]]
        if path.stem == "legacy":
            changes["scoring.reference"] = reference
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)
            path.write_text(amend(text, restated(policy, changes, why)), encoding="utf-8")
            policy = Policy.load(path.stem)
            shown = assign(scored, policy) if not policy.oracle else pd.DataFrame()
            on = listed(scored, policy, obligations)["listed"].mean() if len(shown) else 0.0
        if len(shown):
            print(f"{path.stem}: {dict(changes)}\n  {realised(policy, shown, on)}")
    print(f"done on {dt.date.today().isoformat()}")


def worlds() -> tuple[pd.DataFrame, pd.DataFrame, dt.date]:
    """Return the scores and obligations of all reference worlds, one below the other, and their day."""
    scores: list[pd.DataFrame] = []
    obligations: list[pd.DataFrame] = []
    days = set()
    for seed in SEEDS:
        data, world = make(ENTERPRISES, seed)
        found = train(data, world.date, seed=seed).score(data, world.date)
        for frame, kept in ((found, scores), (data["obligations"], obligations)):
            kept.append(frame.assign(enterprise_id=f"{seed} " + frame["enterprise_id"].astype("str")))
        days.add(world.date)
        print(f"{seed}: scored", flush=True)
    [day] = days
    return pd.concat(scores, ignore_index=True), pd.concat(obligations, ignore_index=True), day


def most_common(scores: pd.DataFrame) -> list[float]:
    """Return the points that most enterprises of each world have: of those of whom nothing is recorded."""
    worlds = scores["enterprise_id"].str.split(" ").str[0]
    return [float(points.mode().iloc[0]) for _, points in scores.groupby(worlds)["credit_points"]]


def below_all(value: float, common: list[float]) -> float:
    """Return a cut-off, below the most common points of all worlds if it lies between those of some.

    Else the level of a model would decide which grade they get against whom nothing is recorded.
    """
    return math.floor(10 * min(common)) / 10 if min(common) <= value <= max(common) else value


def realised(policy: Policy, shown: pd.DataFrame, on: float) -> str:
    """Return the shares that the cut-offs give beside those aimed at; where many points tie they differ."""
    share = shown["tier"].value_counts(normalize=True).reindex(TIERS, fill_value=0).round(3).tolist()
    aimed = [float(policy[f"scoring.target_shares.{tier}"]) for tier in TIERS]
    aim = policy["lists.unmonitored.target_share"]
    told = f"listed {on:.3f} of {aim:.3f} aimed at"
    return f"tiers {share} of {aimed} aimed at, {told}"


def stated(text: str, path: str) -> bool:
    """Return whether a policy file states a value itself."""
    import tomllib

    node: Any = tomllib.loads(text)
    for part in path.split("."):
        if part not in node:
            return False
        node = node[part]
    return True


if __name__ == "__main__":
    main()
