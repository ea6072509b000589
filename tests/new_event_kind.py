"""Declare one more kind of credit event in the one place, and print as JSON what every list makes of it.

Run in a process of its own, as the lists are made at import. The declaration is read with one more row; no
file is written and nothing else is changed, except that the policy `legacy` is asked for twice: as it is, and
with the values of the new kind, which a policy alone can decide.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tierkit import bounds

KIND = "licence_lent"
ROW = f"""
[{KIND}]
label = ["出借资质", "licence lent"]
nature = "adverse"
gravity = {{gravity}}
credit_target = {{target}}
severity = "moderate"
rate = {{{{ value = 3.0, unit = "1/enterprise-year", assumption = "often, so that a test sees it" }}}}
slope = {{{{ value = 0.5, unit = "log-rate/SD", assumption = "a trial" }}}}
"""
POLICY = {
    "[red_lines]\n": f'[red_lines]\n{KIND} = {{ value = "D", unit = "grade", assumption = "a trial" }}\n',
    "[score_update.honour]\n": f"""[score_update.adverse_{KIND}]
margin = {{ value = 0.2, unit = "log-odds", assumption = "a trial" }}
points = {{ value = -70, unit = "points", assumption = "a trial" }}
half_life = {{ value = 52, unit = "weeks", assumption = "a trial" }}

[score_update.honour]
""",
}
EXTRA = {"target": "true", "decided": False}

_read_text, _read_bytes = Path.read_text, bounds.read_bytes


def _more_text(self: Path, *args: Any, **named: Any) -> str:
    text = _read_text(self, *args, **named)
    if self.name != "credit_events.toml":
        return text
    gravity = text.count('\nnature = "adverse"') + 1  # after all that are declared
    return text + ROW.format(target=EXTRA["target"], gravity=gravity)


def _more_bytes(path: Path, most: int) -> bytes:
    content = _read_bytes(path, most)
    if path.name == "legacy.toml" and EXTRA["decided"]:
        for before, after in POLICY.items():
            assert content.count(before.encode()) == 1
            content = content.replace(before.encode(), after.encode())
    return content


def main(target: str) -> dict[str, Any]:
    """Return what the package says of the new kind, by what was asked."""
    EXTRA["target"] = target
    Path.read_text, bounds.read_bytes = _more_text, _more_bytes  # type: ignore[method-assign]
    from tierkit.policy import INSTRUMENTS, SPEC, Policy, PolicyError
    from tierkit.policy.specification import SCORE_EVENTS
    from tierkit.records import CREDIT_TARGET, EVENT_KINDS, GRAVITY, LEVELS, UNINSPECTED_KINDS

    told: dict[str, Any] = {"labels": LEVELS["event_kind"][KIND], "code": EVENT_KINDS.index(KIND)}
    told |= {"last": EVENT_KINDS[-1] == GRAVITY[-1] == UNINSPECTED_KINDS[-1] == KIND}
    told |= {"target": KIND in CREDIT_TARGET, "score_event": list(SCORE_EVENTS)[-1]}
    told["spec"] = [path for path in SPEC if KIND in path]
    told["instrument"] = f"red_lines.{KIND}" in INSTRUMENTS["red_lines"].off
    try:
        Policy.load("legacy")
    except PolicyError as error:
        told["undecided"] = str(error)
    EXTRA["decided"] = True
    policy = Policy.load("shanghai-2025")

    import numpy as np
    import pandas as pd
    from plain_engine import plain_run

    from tierkit.city.engine import run
    from tierkit.city.parameters import parameters
    from tierkit.city.synth import make, world_of
    from tierkit.evaluate.history.logged import Records
    from tierkit.explain.evidence import evidence
    from tierkit.explain.recourse.repair import open_records
    from tierkit.explain.recourse.steps import STEPS
    from tierkit.features import build, standing
    from tierkit.policy.tiers import assign, sentences
    from tierkit.records import data_dictionary, validate
    from tierkit.records.known import known
    from tierkit.scores.training_rows import credit_frame

    quiet = {name: 0.0 for name in parameters() if name.startswith("adverse.")}
    alone = parameters().replace({**quiet, f"adverse.{KIND}": parameters()[f"adverse.{KIND}"]})
    data, world = make(60, 3, params=alone)
    events = data["credit_events"]
    mine = events[events["kind"] == KIND]
    validate(data)
    told |= {
        "rate": parameters()[f"adverse.{KIND}"],
        "drawn": len(mine),
        "severity": sorted(set(mine["severity"])),
    }
    told["others"] = sorted(set(events["kind"]) - {KIND})
    told["columns"] = [world.state.adverse_until.shape[1], len(UNINSPECTED_KINDS)]
    again = world_of(data, params=alone).state.adverse_until
    told["read_back"] = bool((again == world.state.adverse_until).all() and (again[:, -1] > 0).any())

    fast, plain = (one(world, policy, 30, seed=5) for one in (run, plain_run))
    told["same_bits"] = np.array_equal(fast.events, plain.events) and np.array_equal(fast.log, plain.log)
    told["run"] = int((fast.events[:, 2] == UNINSPECTED_KINDS.index(KIND)).sum())

    day = pd.Timestamp("2024-12-30")
    open_ = mine[(mine["known_on"] < day) & ~(mine["repaired_on"] < day)]
    X = build(data, day)
    counts = open_["enterprise_id"].value_counts().reindex(X.index, fill_value=0)
    told["adverse_open"] = bool((X["adverse_open"] == counts).all() and counts.any())
    recent = mine[(mine["known_on"] < day) & (mine["known_on"] >= day - pd.Timedelta(days=730))]
    told["adverse_2y"] = int(X["adverse_2y"].sum()) == int(recent["enterprise_id"].isin(X.index).sum()) > 0
    with known(data, day) as seen:
        red = standing(seen, X.index)["red_line"]
    told["standing"] = bool((red.notna().to_numpy() == (counts > 0).to_numpy()).all()) and set(
        red.dropna()
    ) == {KIND}
    told["open_records"] = KIND in set(open_records(data, day)["kind"])
    behind = evidence(data, day)
    told["evidence"] = bool(((behind["feature"] == "adverse_open") & (behind["kind"] == KIND)).any())

    rows = credit_frame(data, day)
    start = day - pd.DateOffset(years=1)
    late = mine[(mine["known_on"] >= start) & (mine["known_on"] < day)]["enterprise_id"]
    told["training"] = [int(rows.y.sum()), int(rows.rows["enterprise_id"].isin(late).sum())]

    records = Records(data, data["inspections"]["inspected_on"].min(), day)
    double = policy.reform({f"score_update.adverse_{KIND}.margin": 0.4}, name="double")
    told["history"] = bool((records.score(double, day) > records.score(policy, day)).any())

    scores = pd.DataFrame({"enterprise_id": ["e1"], "sector": ["retail"], "risk_probability": [0.01]})
    tiers = assign(scores.assign(credit_points=900.0, red_line=KIND), policy)
    told["red_line"] = [tiers["credit_grade"].iloc[0], tiers["red_line"].iloc[0]]
    told["sentence"] = sentences(tiers, policy, "zh").iloc[0]
    told["dictionary"] = KIND in data_dictionary("zh")
    told["step"] = [name for name, what in STEPS.items() if what.event == KIND]
    return told


if __name__ == "__main__":
    json.dump(main(sys.argv[1]), sys.stdout, ensure_ascii=False, default=str)
