"""Set the cut-offs of a policy on a file of scores, and write them as a policy file."""

from __future__ import annotations

import hashlib
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from tierkit.folders import replacing
from tierkit.folders.claims import OutputError, plain_path
from tierkit.jobs.checks import Checks, Location, listed
from tierkit.policy import CutoffCalibration, Policy, PolicyWarning, presets
from tierkit.policy.calibration import calibrate as on_scores
from tierkit.policy.calibration import faults_of
from tierkit.scores.score_file import read_scores

__all__ = ["CalibratedPolicy", "calibrate"]

_HEAD = "# Written by 'tierkit policy calibrate'; SHA-256 of the lines below: "


@dataclass(frozen=True)
class CalibratedPolicy:
    """What `calibrate` wrote.

    Attributes
    ----------
    out : str
        The policy file.
    replaced : bool
        Whether it took the place of an earlier one.
    result : CutoffCalibration
    """

    out: str
    replaced: bool
    result: CutoffCalibration

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"out": self.out, "replaced": self.replaced, **self.result.to_dict()}


def calibrate(
    policy: str | os.PathLike[str],
    scores: Location,
    out: Location,
    *,
    also: Location | Sequence[Location] = (),
    shares: Sequence[float] | None = None,
    risk_cutoffs: Sequence[float] | None = None,
    worst: float | None = None,
    place: Any = None,
) -> CalibratedPolicy:
    """Set the cut-offs of a policy on scores of one's own, and write a policy file that holds them.

    The file names the policy as its baseline and holds only what differs, with the scores, their place and
    day and the number of enterprises as the assumption. What this job did not write, or was changed since, is
    not replaced.

    Parameters
    ----------
    policy : str or path
        Name of a preset, or a policy file.
    scores : path
        A file that `tierkit.jobs.scoring.score` wrote.
    out : path
        A ``.toml`` file; its name is that of the policy.
    also : path or sequence of path
        Further files of scores, of other days say, on which to tell the shares.
    shares, risk_cutoffs, worst
        As for `tierkit.policy.calibrate`.
    place : str or path, optional
        Place of the scores, for a policy of any place.

    Returns
    -------
    CalibratedPolicy

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.
    DataError
        If scores cannot be read or cut; then nothing is written.

    Examples
    --------
    >>> calibrate("shanghai-2025", "scores.txt", "mine.toml")
    Traceback (most recent call last):
    ...
    tierkit.jobs.checks.BadInputError: scores: 'scores.txt' does not exist. Give a file that exists.
    """
    checks = Checks()
    meant = checks.policy("policy", policy, of_models=True)
    if isinstance(policy, Policy):
        checks.note("policy", f"'{policy.name}' is in memory", "Give a preset's name or a file, to be named.")
    first = checks.file("scores", scores)
    others = [checks.file("also", one) for one in listed(also)]
    if meant is not None:
        for at, what, remedy in faults_of(meant, shares, risk_cutoffs, worst):
            checks.note(at, what, remedy)
    where = None if place is None else checks.place("place", place)
    if meant is not None and where is not None:
        checks.in_place("place", meant, where)
    target = checks.out_file("out", out, [".toml"], _check_replaceable)
    name = target.name.removesuffix(".toml")
    if name in presets():
        checks.note("out", f"'{name}' is the name of a preset", "Give the policy a name of its own.")
    with checks.writing() as replaced:
        assert meant is not None
        target = plain_path(target)
        rows, day = _read(first, "scores")
        more: dict[str, pd.DataFrame] = {}
        for one in others:
            frame, its = _read(one, "also")
            more[f"{one}, {its}"] = frame
        with checks.blame("scores", "Correct what it says."):
            done = on_scores(
                meant, rows, shares=shares, risk_cutoffs=risk_cutoffs, worst=worst, also=more, place=where,
                as_of=day, called=first.name, name=name,
            )  # fmt: skip
        _write(done, target, _baseline(policy, target), policy)
    return CalibratedPolicy(str(out), replaced, done)


def _read(path: Path, argument: str) -> tuple[pd.DataFrame, date]:
    rows, about = read_scores(path, argument)
    return rows, date.fromisoformat(about["as_of"])


def _baseline(policy: str | os.PathLike[str], target: Path) -> str:
    """Return what a file calls its baseline: a preset by name, a file by its path from there."""
    named = os.fspath(policy)
    if named in presets():
        return named
    return Path(os.path.relpath(Path(named).resolve(), target.resolve().parent)).as_posix()


def _write(done: CutoffCalibration, target: Path, baseline: str, policy: str | os.PathLike[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)  # they were told of the policy itself
        text = done.to_toml(
            baseline, Policy.load(Path(policy)) if Path(policy).is_file() else Policy.load(str(policy))
        )
    with replacing(target) as draft:
        draft.write_text(f"{_HEAD}{_digest(text)}\n{text}", "utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)  # they were told of the policy itself
            if Policy.load(draft).hash != done.policy.hash:
                raise RuntimeError(f"'{target}' would not hold the policy that was made.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _check_replaceable(target: Path) -> None:
    """Raise if there is something that `calibrate` did not write, or that was changed since."""
    if not target.is_file():
        return
    head, _, text = target.read_bytes().decode("utf-8", "replace").partition("\n")
    if re.fullmatch(re.escape(_HEAD) + "[0-9a-f]{64}", head) and head[len(_HEAD) :] == _digest(text):
        return
    changed = ", or was changed since" if head.startswith(_HEAD) else ""
    what = f"'{target}' was not written by 'tierkit policy calibrate'{changed}"
    raise OutputError(what, "Give another name, or move that file away.")
