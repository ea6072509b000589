"""The files of a model folder: written completely or not at all, and all checked before any is used."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tierkit.folders import whole_folder
from tierkit.records import PLACE_FILE
from tierkit.scores.content import ContentError, read_json

__all__ = [
    "ENSEMBLE",
    "FILES",
    "FORMAT",
    "MANIFEST",
    "MOST_BYTES",
    "ModelError",
    "json_text",
    "plain",
    "read_folder",
    "write_folder",
]

FORMAT = "tierkit-model-1"
MANIFEST = "manifest.json"
FILES = ("risk.txt", "risk.json", "scorecard.json", "policy.toml")
"""Files of a model folder beside its manifest."""
ENSEMBLE = "ensemble.json"
"""A file that is there where the model was trained with a bootstrap."""
_OPTIONAL = (ENSEMBLE, PLACE_FILE)
"""Files that a model need not have; the latter is there where its place does not come with the package."""
MOST_BYTES: Mapping[str, int] = MappingProxyType(
    dict.fromkeys((MANIFEST, *FILES, *_OPTIONAL), 1 << 23) | {"risk.txt": 1 << 25, ENSEMBLE: 1 << 26}
)
"""Most bytes of each file: a hundred times those of a usual model, and what memory holds many times over."""


class ModelError(ValueError):
    """A model folder that cannot be trusted or read; ``problems`` lists everything that is wrong with it."""

    def __init__(self, folder: Path, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(
                [
                    f"The model folder {folder} is refused:",
                    *self.problems,
                    "Train again, or copy it again whole.",
                ]
            )
        )


def plain(value: Any) -> Any:
    """Return plain data for JSON: NaN is null, NumPy's numbers are Python's, dates are text.

    Examples
    --------
    >>> plain({"rate": np.float64("nan"), "n": np.int64(3), "from": date(2024, 12, 30)})
    {'rate': None, 'n': 3, 'from': '2024-12-30'}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date) else value


def json_text(value: Any) -> str:
    """Return the canonical JSON text of a value, so that texts can be compared and hashed."""
    return json.dumps(plain(value), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _signed(manifest: Mapping[str, Any]) -> str:
    """Return the manifest's text with its own hash, so that a changed manifest is detected too."""
    bare = {key: value for key, value in manifest.items() if key != "sha256"}
    return json_text({**bare, "sha256": hashlib.sha256(json_text(bare).encode("utf-8")).hexdigest()})


def read_folder(root: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files and the manifest of a folder after checking that nothing was changed."""
    if not root.is_dir():
        raise ModelError(root, ["It is not a folder."])
    there = {path.name: path for path in root.iterdir()}
    if not there.keys() & {*FILES}:
        raise ModelError(root, [f"It is no model folder: there is no {', no '.join(FILES)} in it."])
    problems = [f"{name}: is missing" for name in (MANIFEST, *FILES) if name not in there]
    expected = (MANIFEST, *FILES, *_OPTIONAL)
    problems += [f"{name}: does not belong here" for name in sorted(there) if name not in expected]
    problems += [
        f"{name}: is no plain file" for name, p in sorted(there.items()) if p.is_symlink() or not p.is_file()
    ]
    problems = problems or _too_large(there)
    if problems:
        raise ModelError(root, problems)
    contents = {name: there[name].read_bytes() for name in (*FILES, *_OPTIONAL) if name in there}
    text = there[MANIFEST].read_bytes()
    try:
        manifest = read_json(text.decode("utf-8"))
        if manifest["format"] != FORMAT:
            raise ModelError(root, [f"{MANIFEST}: is of format {manifest['format']!r}, not '{FORMAT}'"])
        whole = _signed(manifest).encode("utf-8") == text
        listed = {name: str(manifest["files"].get(name)) for name in (*FILES, *_OPTIONAL)}
        wanted = set(manifest["files"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ModelError):
            raise
        why = f": {error}" if isinstance(error, ContentError) else ""
        raise ModelError(root, [f"{MANIFEST}: is altered or cut short{why}"]) from error
    problems = [] if whole else [f"{MANIFEST}: is altered or cut short"]
    problems += [f"{name}: is missing" for name in _OPTIONAL if name in wanted and name not in there]
    stray = [f"{name}: does not belong here" for name in _OPTIONAL if name in there and name not in wanted]
    if stray:
        raise ModelError(root, [*problems, *stray])
    problems += [
        f"{name}: is altered or cut short"
        for name, content in contents.items()
        if hashlib.sha256(content).hexdigest() != listed[name]
    ]
    if problems:
        raise ModelError(root, problems)
    return contents, manifest


def _too_large(files: Mapping[str, Path]) -> list[str]:
    """Return problems, told by the sizes alone: a file with holes may be larger than memory."""
    sizes = {name: path.stat().st_size for name, path in files.items()}
    return [
        f"{name}: takes {size:,} bytes, and no model's takes more than {MOST_BYTES[name]:,}"
        for name, size in sizes.items()
        if size > MOST_BYTES[name]
    ]


def write_folder(target: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> None:
    """Write a model folder under a temporary name, with a manifest that holds the hashes, and rename it.

    Raises
    ------
    OutputError
        If there is something at the target that is no model folder, or another process is writing there.
    """
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    signed = _signed({**manifest, "files": hashes}).encode("utf-8")
    with whole_folder(target, "model") as draft:
        for name, content in {**files, MANIFEST: signed}.items():
            with (draft / name).open("wb") as file:
                file.write(content)
                os.fsync(file.fileno())
