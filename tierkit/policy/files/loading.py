"""Load policy files with their baselines, from text to the complete set of parameters."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from tierkit.policy.files.checks import clashes, stale, suggestion
from tierkit.policy.files.problems import PolicyError, PolicyProblem
from tierkit.policy.files.reading import Meta, Reading, parse, read_file, read_text
from tierkit.policy.specification import SPEC
from tierkit.records import Label, Parameter

__all__ = ["Content", "baseline_of", "find", "finish", "load", "presets", "read"]

_PRESETS = Path(str(files("tierkit.policy").joinpath("presets")))


class Content(NamedTuple):
    """Name, heading and parameters of a policy."""

    name: str
    meta: Meta
    parameters: Mapping[str, Parameter]


def presets() -> tuple[str, ...]:
    """Return the names of the policies that come with tierkit, in alphabetical order.

    Examples
    --------
    >>> "legacy" in presets()
    True
    """
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.toml")))


def find(name_or_path: str | Path, folder: Path = Path()) -> Path:
    """Return the file of a preset's name or of a path relative to ``folder``."""
    if str(name_or_path) in presets():
        return _PRESETS / f"{name_or_path}.toml"
    path = folder / name_or_path
    try:
        if path.is_file():
            return path
    except OSError:  # a name too long for the file system is no file either
        pass
    hint = suggestion(str(name_or_path), presets()) or f"; presets are {', '.join(presets())}"
    problem = PolicyProblem(
        str(name_or_path), None, "", f"neither a preset nor a file{hint}", "name a preset or give a path"
    )
    raise PolicyError([problem])


def load(path: Path, above: tuple[Path, ...]) -> tuple[Content | None, Reading]:
    """Read a file and its baselines; the content is None if there is an error."""
    return read(read_file(path), path.name, path.parent, (*above, path.resolve()))


def read(text: str, place: str, folder: Path, above: tuple[Path, ...]) -> tuple[Content | None, Reading]:
    """Read the text of a file found in ``folder``; ``above`` are the files that led to it, this one too."""
    reading = read_text(parse(text, place), text, place)
    base = None
    if reading.given < SPEC.keys():
        base = baseline_of(reading, folder, above)
    return finish(reading.meta.get("name", place), base, reading), reading


def baseline_of(reading: Reading, folder: Path, above: tuple[Path, ...]) -> Content | None:
    """Return the baseline that a file names; its problems are recorded in ``reading``."""
    wanted = reading.meta.get("baseline")
    if wanted is None:
        missing = [path for path in SPEC if path not in reading.given]
        shown = ", ".join(f"'{path}'" for path in missing[:6]) + (", …" if len(missing) > 6 else "")
        message = (
            f"'meta.baseline' is missing; without one the file must hold every parameter, and lacks {shown}"
        )
        reading.note(
            "meta.baseline", message, 'name a baseline, such as baseline = "legacy", or give them all'
        )
        return None
    try:
        path = find(wanted, folder)
        if path.resolve() in above:
            reading.note("meta.baseline", f"'meta.baseline' = '{wanted}' leads back to this file",
                         "let the chain of baselines end in a preset")  # fmt: skip
            return None
        base, its = load(path, above)
    except PolicyError as error:
        for one in error.problems:
            reading.note("meta.baseline", f"'meta.baseline' = '{wanted}': {one.message}", one.remedy)
        return None
    reading.problems.extend(one for one in its.problems if not one.warning)
    return base


def finish(name: str, base: Content | None, reading: Reading) -> Content | None:
    """Apply a reading to its baseline and check the result as a whole; return None if there is an error."""
    merged = {**(base.parameters if base else {}), **reading.parameters}
    values = {path: one.value for path, one in merged.items()}
    for clash in clashes(values):
        reading.note(clash.parameter, clash.message, clash.remedy, warning=clash.warning)
    stands_alone = "baseline" not in reading.meta or reading.given >= SPEC.keys()
    if base is None and stands_alone and "date" not in reading.meta:
        reading.note(
            "meta.date", "'meta.date' is missing", "give the date of the document, such as 2025-01-24"
        )
    if any(not one.warning for one in reading.problems):
        return None
    if base is not None:
        for clash in stale({path: one.value for path, one in base.parameters.items()}, values):
            reading.note(clash.parameter, clash.message, clash.remedy, warning=clash.warning)
    given = reading.meta
    meta = Meta(
        title=Label(given.get("title_zh", name), given.get("title_en", name)),
        document=given.get("document", ""),
        date=given["date"] if base is None else given.get("date", base.meta.date),
        status=given.get("status", "reform"),
        baseline=base.name if base else given.get("baseline"),
        oracle=given.get("oracle", base.meta.oracle if base else False),
    )
    return Content(name, meta, merged)
