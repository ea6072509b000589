"""Tiered supervision of enterprises by risk and credit: score, tier, explain, compare.

Begin with records, real or synthetic, and end with a policy held against another:

>>> import tierkit as tk
>>> data = tk.synth(600, seed=3)
>>> model = tk.train(data, "2024-12-30", policy="shanghai-2025")
>>> scores = model.score(data, "2024-12-30")
>>> tiers = tk.assign(scores, "shanghai-2025")
>>> one = tiers.loc[tiers["tier"] == "T4", "enterprise_id"].iloc[0]
>>> why = tk.explain(model, data, "2024-12-30", one, "shanghai-2025")
>>> closer = tk.Policy.load("shanghai-2025").reform({"frequency.tier.T4.key": 2.0}, name="closer")
>>> change = tk.compare(tk.world_of(data), "shanghai-2025", closer, scores=scores, replicates=2)
>>> (why.tier, change.policies)
('T4', ('shanghai-2025', 'closer'))

What there is, by task:

Records
    `read` and `write` a folder of tables, `validate` it, or make a city with `synth`. A `Dataset` is a
    mapping of frames by table: ``data["inspections"]``, ``data.where(district="minhang")``;
    ``data.abilities()`` says what can be done with it, and what is missing for the rest.
Scores
    `train` a `Model`, or ``Model.load`` one; ``model.score(data, day)`` gives risk and credit, `features`
    what they rest on, and `score_folder` scores a whole city in chunks. `inspections` tells the history of
    any table of inspections, as of each row's day.
Policies
    ``Policy.presets()`` are their names; ``Policy.load``, ``policy.reform`` and `diff`. `assign` turns
    scores into tiers. The room `policy` has what the plans say, their ladders, and their instruments, and
    ``policy.calibrate`` sets cut-offs on scores of one's own.
Reasons
    `explain` one enterprise (`Reasons`), what it can do (`recourse`, a `Recourse` each), what its tier
    would be without some records (`revoked`), and how its points come back over a year (`credit_path`);
    what sets each tier apart (`portraits`), and the exact account of everybody (`contributions`).
Policies compared
    `world_of` a dataset is the `World` that goes on from it; `compare` policies on it (`Comparison`), and
    `screen` for the unknown numbers that decide the answer.
Is it sound?
    `assess` all of it (`Assessment`), `backtest` a past year; the room `evaluate` has each question by
    itself.
Output
    The rooms `plot` (every figure), `report` (pages) and `texts` (numbers and labels as shown).
    ``plot.outcomes(change.summary)`` draws a comparison, ``plot.tier_marks(portraits(...))`` tiers.

A policy may be given as a `Policy`, by name or by path; data and models as such or by path; a day as
``"2024-12-30"``, a date, or a pandas Timestamp at midnight. What cannot be used raises `InputError`;
wrong records raise `DataError`, policies `PolicyError`, model folders `ModelError`, all of them ValueErrors.

Every result shows itself in a notebook and has ``to_frame()``, ``to_dict()`` and ``sentences(lang)``, in
Chinese (``"zh"``) or English (``"en"``).
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tierkit import evaluate, plot, policy, report, texts
    from tierkit.city.synth import synth, world_of
    from tierkit.city.world import World
    from tierkit.compare.comparison import Comparison, compare
    from tierkit.compare.sensitivity.screening import screen
    from tierkit.evaluate.assessment import Assessment, assess
    from tierkit.evaluate.backtest import backtest
    from tierkit.explain.accounts import contributions
    from tierkit.explain.asking import explain, portraits
    from tierkit.explain.reasons import Reasons
    from tierkit.explain.recourse.paths import Recourse
    from tierkit.explain.recourse.repair import credit_path
    from tierkit.explain.recourse.revocation import revoked
    from tierkit.explain.recourse.ways import recourse
    from tierkit.features.building import build as features
    from tierkit.features.history import inspections
    from tierkit.jobs.scoring import score as score_folder
    from tierkit.policy.core import Policy
    from tierkit.policy.differences import diff
    from tierkit.policy.files.problems import PolicyError
    from tierkit.policy.tiers.assignment import assign
    from tierkit.records.arguments import InputError
    from tierkit.records.dataset import Dataset
    from tierkit.records.folder import read_dataset as read
    from tierkit.records.folder import write_dataset as write
    from tierkit.records.problems import DataError
    from tierkit.records.validation import validate
    from tierkit.scores.model import Model
    from tierkit.scores.model_folder import ModelError
    from tierkit.scores.train import train

    __version__: str

__all__ = [
    "Assessment",
    "Comparison",
    "DataError",
    "Dataset",
    "InputError",
    "Model",
    "ModelError",
    "Policy",
    "PolicyError",
    "Reasons",
    "Recourse",
    "World",
    "assess",
    "assign",
    "backtest",
    "compare",
    "contributions",
    "credit_path",
    "diff",
    "evaluate",
    "explain",
    "features",
    "inspections",
    "plot",
    "policy",
    "portraits",
    "read",
    "recourse",
    "report",
    "revoked",
    "score_folder",
    "screen",
    "synth",
    "texts",
    "train",
    "validate",
    "world_of",
    "write",
]

_ROOMS = ("evaluate", "plot", "policy", "report", "texts")
_PLACES = {
    "Assessment": "evaluate.assessment",
    "Comparison": "compare.comparison",
    "DataError": "records.problems",
    "Dataset": "records.dataset",
    "InputError": "records.arguments",
    "Model": "scores.model",
    "ModelError": "scores.model_folder",
    "Policy": "policy.core",
    "PolicyError": "policy.files.problems",
    "Reasons": "explain.reasons",
    "Recourse": "explain.recourse.paths",
    "World": "city.world",
    "assess": "evaluate.assessment",
    "assign": "policy.tiers.assignment",
    "backtest": "evaluate.backtest",
    "compare": "compare.comparison",
    "contributions": "explain.accounts",
    "credit_path": "explain.recourse.repair",
    "diff": "policy.differences",
    "explain": "explain.asking",
    "features": "features.building:build",
    "inspections": "features.history",
    "portraits": "explain.asking",
    "read": "records.folder:read_dataset",
    "recourse": "explain.recourse.ways",
    "revoked": "explain.recourse.revocation",
    "score_folder": "jobs.scoring:score",
    "screen": "compare.sensitivity.screening",
    "synth": "city.synth",
    "train": "scores.train",
    "validate": "records.validation",
    "world_of": "city.synth",
    "write": "records.folder:write_dataset",
}
"""Where each name is made; loaded when it is first asked for, as NumPy, pandas and others take seconds."""


class _FrontDoor(ModuleType):
    """The package, on which three verbs have the name of a room: `compare`, `explain` and `features`.

    The import system binds a room to the package when it is first imported, which would hide the verb. So
    these three are not bound; ``from tierkit.explain import ...`` finds them all the same.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name in _PLACES and isinstance(value, ModuleType):
            return
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    """Load what is asked for."""
    if name in _ROOMS:
        return import_module(f"tierkit.{name}")
    if name in _PLACES:
        place, _, there = _PLACES[name].partition(":")
        found = getattr(import_module(f"tierkit.{place}"), there or name)
    elif name == "__version__":
        found = _version()
    else:
        raise AttributeError(f"module 'tierkit' has no attribute '{name}'{_near(name)}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return list(__all__)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tierkit")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0.1.0"


def _near(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, __all__, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


sys.modules[__name__].__class__ = _FrontDoor
