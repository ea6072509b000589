"""What many tests start from, made once in a run of the tests by the first worker that asks.

An environment variable, which pytest's workers inherit, holds the folder of the run; ``conftest.py`` sets it
and removes the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tierkit.policy import PolicyLike
    from tierkit.scores.model import Model

ROOT = Path(__file__).resolve().parent.parent
CITY = ROOT / "data" / "synthetic"
"""The city that tests share."""
DAY = "2024-12-30"
"""The last day of its records."""
PLACE = "TIERKIT_TESTS_SHARED"


def once(name: str, make: Callable[[Path], object]) -> Path:
    """Return the file or folder of a name; the first to ask makes it, and others wait until it is whole."""
    place = Path(os.environ[PLACE]) / name
    making = place.parent / ".making"
    making.mkdir(exist_ok=True)
    with (making / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            make(making / name)
            (making / name).rename(place)
    return place


def run_command(*arguments: object) -> dict[str, Any]:
    """Run a command in this process and return its answer; it must succeed."""
    from tierkit.cli import main

    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as left:
        main([*map(str, arguments), "--json"])
    assert left.value.code == 0, said.getvalue()
    answer: dict[str, Any] = json.loads(said.getvalue())
    return answer


def model_folder(policy: str = "legacy", bootstrap: int = 0) -> Path:
    """Return the folder of a model that was trained on the city; read it, and write nothing into it."""
    from tierkit.scores.train import train

    def make(folder: Path) -> None:
        train(CITY, DAY, policy, out=folder, bootstrap=bootstrap)

    return once(f"model-{policy}-{bootstrap}", make)


def sharing(train: Callable[..., Model]) -> Callable[..., Model]:
    """Return a function that trains as the given one does, but reads a model of the city from its folder."""

    def trained(data: Any, as_of: Any, policy: PolicyLike | None = None, **options: Any) -> Model:
        from tierkit.policy import Policy, policy_of, presets
        from tierkit.scores.model import Model

        asked = policy_of(policy or "legacy")
        preset = asked.name in presets() and Policy.load(asked.name).hash == asked.hash
        if (data, as_of) == ("data/synthetic", DAY) and preset and not options:
            return Model.load(model_folder(asked.name))
        return train(data, as_of, policy, **options)

    return trained


def calls(work: Callable[[], object]) -> int:
    """Return how many calls of functions a piece of work makes, however busy the machine is."""
    seen = 0

    def count(*_: object) -> None:
        nonlocal seen
        seen += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return seen
