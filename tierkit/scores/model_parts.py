"""A model's parts to its folder and back: each file read strictly, then all held against the manifest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tierkit.policy import Policy, PolicyError
from tierkit.records import PLACE_FILE, SHANGHAI, Place
from tierkit.scores.content import ContentError, read_json
from tierkit.scores.ensemble import Ensemble
from tierkit.scores.expert import CreditCard, credit_from_json
from tierkit.scores.manifest import check_manifest, check_parts
from tierkit.scores.model_folder import ENSEMBLE, MANIFEST, ModelError, json_text, read_folder, write_folder
from tierkit.scores.risk import RiskModel
from tierkit.scores.trees import TreesError

__all__ = ["read_parts", "write_parts"]


def write_parts(
    target: Path,
    risk: RiskModel,
    credit: CreditCard,
    policy: Policy,
    manifest: Mapping[str, Any],
    ensemble: Ensemble | None,
) -> None:
    """Write the files of a model folder, completely or not at all."""
    trees, rest = risk.to_parts()
    texts = {
        "risk.txt": trees,
        "risk.json": json_text(rest),
        "scorecard.json": credit.to_json() + "\n",
        "policy.toml": _whole(policy),
    }
    place = policy.place or SHANGHAI
    if not place.bundled:
        texts[PLACE_FILE] = place.to_toml()
    if ensemble is not None:
        texts[ENSEMBLE] = json_text(ensemble.to_dict())
    # The policy may be another than the one that the model was trained for.
    named = {"name": policy.name, "hash": policy.hash}
    about = {**manifest, "policy": named, "place": place.stated()}
    write_folder(target, {name: content.encode("utf-8") for name, content in texts.items()}, about)


def _whole(policy: Policy) -> str:
    """Return the policy as one complete file: every value is written out, and no baseline is referred to."""
    lines = policy.to_toml().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("baseline = "))


def read_parts(root: Path) -> dict[str, Any]:
    """Return ``risk``, ``credit``, ``policy``, ``manifest`` and ``ensemble`` (or None) of a model folder.

    Raises
    ------
    ModelError
        If a file is altered, cut short, missing, new or not what it should be; all are named.
    """
    contents, manifest = read_folder(root)
    parts: dict[str, Any] = {}
    problems = []
    for name, read in _readers(root, contents, manifest).items():
        try:
            parts[name] = read()
        # Whatever a library raises over a file that somebody made up, the folder is refused by name.
        except Exception as error:
            reason = error.problems[0] if isinstance(error, PolicyError) else error
            at = "risk.txt" if name == "risk.json" and isinstance(error, TreesError) else name
            problems.append(f"{at}: cannot be read: {reason}")
    if problems:
        raise ModelError(root, problems)
    risk, credit, ensemble = parts["risk.json"], parts["scorecard.json"], parts.get(ENSEMBLE)
    try:
        check_parts(manifest, risk, credit, ensemble, parts["policy.toml"])
    except ContentError as error:
        raise ModelError(root, [f"{MANIFEST}: does not go with the other files: {error}"]) from error
    return {
        "risk": risk,
        "credit": credit,
        "policy": parts["policy.toml"],
        "manifest": manifest,
        "ensemble": ensemble,
    }


def _readers(
    root: Path, contents: Mapping[str, bytes], manifest: Mapping[str, Any]
) -> dict[str, Callable[[], Any]]:
    """Return what reads each part of a model from its files, by the file that it is named after."""

    def words(name: str) -> str:
        return contents[name].decode("utf-8")

    def policy() -> Policy:
        place = Place.loads(words(PLACE_FILE)) if PLACE_FILE in contents else None
        return Policy.loads(words("policy.toml"), f"{root}/policy.toml", place)

    readers: dict[str, Callable[[], Any]] = {
        MANIFEST: lambda: check_manifest(manifest),
        "risk.json": lambda: RiskModel.from_parts(words("risk.txt"), read_json(words("risk.json"))),
        "scorecard.json": lambda: credit_from_json(words("scorecard.json")),
        "policy.toml": policy,
    }
    if ENSEMBLE in contents:
        readers[ENSEMBLE] = lambda: Ensemble.from_json(words(ENSEMBLE))
    return readers
