"""Load policy files with their baselines, from text to the complete set of parameters."""

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from tierkit.bounds import BASELINES
from tierkit.policy.files.checks import clashes, stale
from tierkit.policy.files.problems import PolicyError, PolicyProblem
from tierkit.policy.files.reading import (
    Meta,
    Reading,
    parse,
    read_body,
    read_file,
    read_head,
)
from tierkit.policy.overlays.rules import unknown_overlays
from tierkit.policy.specification import spec_of
from tierkit.records import PLACE_FILE, SHANGHAI, Label, Parameter, Place, PlaceError, place_names
from tierkit.records.problems import suggestion

__all__ = [
    "ANY",
    "GENERIC",
    "Content",
    "baseline_of",
    "bind",
    "clash_of_places",
    "find",
    "find_place",
    "finish",
    "load",
    "own_name",
    "presets",
    "read",
]

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
    if _is_file(path):
        return path
    hint = suggestion(str(name_or_path), presets()) or f"; presets are {', '.join(presets())}"
    problem = PolicyProblem(
        str(name_or_path), None, "", f"neither a preset nor a file{hint}", "name a preset or give a path"
    )
    raise PolicyError([problem])


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for the file system is no file either
        return False


def load(
    path: Path, above: tuple[Path, ...], of_place: Place | None = None
) -> tuple[Content | None, Reading]:
    """Read a file and its baselines; the content is None if there is an error."""
    content, reading = read(read_file(path), path.name, path.parent, (*above, path.resolve()))
    if path.resolve().parent == _PRESETS.resolve():
        return content, reading
    return own_name(content, reading), reading


def own_name(content: Content | None, reading: Reading) -> Content | None:
    """Return a policy, or None and a problem if it bears the name of a preset and is another.

    It may be the preset in a place, or as it is in force on a day.
    """
    if content is None:
        return None
    # nobody tells names apart by capitals, width or what is not seen
    name = unicodedata.normalize("NFKC", content.name).casefold()
    seen = "".join(one for one in name if one.isprintable() and not one.isspace())
    if seen not in presets():
        return content
    preset, _ = load(find(seen), ())
    assert preset is not None
    if preset.meta.place is None:  # a run writes a preset of any place as it is in its own place
        preset = bind(preset, content.meta.place)
    other = [one for one, given in content.parameters.items() if not _same(given, preset.parameters.get(one))]
    same = (content.meta.oracle, content.meta.credit_table) == (preset.meta.oracle, preset.meta.credit_table)
    if not other and same:
        return content
    what = f"'{other[0]}'" + (f" and {len(other) - 1} more" if other[1:] else "") if other else "it"
    message = f"'meta.name' = '{content.name}' is the name of a preset, which differs in {what}"
    reading.note("meta.name", message, "give the policy a name of its own")
    return None


def _same(given: Parameter, preset: Parameter | None) -> bool:
    if preset is None or preset.before is None:
        return given == preset
    return given in (preset, replace(preset, value=preset.before, before=None, from_=None))


def read(
    text: str, place: str, folder: Path, above: tuple[Path, ...], of_place: Place | None = None
) -> tuple[Content | None, Reading]:
    """Read the text of a file found in ``folder``.

    ``above`` are the files that led to it, this one too; ``of_place`` is a place that it may name.
    """
    tree = parse(text, place)
    reading = read_head(tree, text, place)
    find_place(reading, folder, above, of_place)
    read_body(tree, reading, folder if above else None)
    base = None
    if reading.given < reading.spec.keys():
        base = baseline_of(reading, folder, above)
    return finish(reading.meta.get("name", place), base, reading), reading


def find_place(
    reading: Reading,
    folder: Path,
    above: tuple[Path, ...],
    of_place: Place | None,
    default: str | None = None,
) -> None:
    """Set the place of a policy: the one that it states, else that of its baseline, else Shanghai.

    ``any`` stands for every place. A place is stated by the name of one that comes with the package, by the
    name of the one handed over or of the ``place.toml`` beside the policy, or by the path of its file.
    """
    stated = reading.meta.get("place", default)
    if stated is None:
        reading.of_place = _place_of_baseline(reading.meta.get("baseline"), folder, above, of_place)
    elif stated == ANY:
        reading.of_place = None
    else:
        try:
            reading.of_place = _named(stated, folder, of_place)
        except PlaceError as error:
            for one in error.problems:
                reading.note("meta.place", f"'meta.place' = '{stated}': {one}", one.remedy)


ANY = "any"
"""What a policy states as its place if it holds in every one."""


def _named(stated: str, folder: Path, of_place: Place | None) -> Place:
    if of_place is not None and of_place.name == stated:
        return of_place
    if stated in place_names():
        return Place.load(stated)
    beside = folder / PLACE_FILE
    if not _is_file(folder / stated) and beside.is_file():
        place = Place.load(beside)
        if place.name == stated:
            return place
    return Place.load(folder / stated)


def _place_of_baseline(
    wanted: str | None, folder: Path, above: tuple[Path, ...], of_place: Place | None
) -> Place | None:
    """Return the place of a baseline; what is wrong with it is told when it is read itself."""
    if wanted is None:
        return SHANGHAI
    try:
        path = find(wanted, folder)
        if path.resolve() in above or len(above) > BASELINES:
            return SHANGHAI
        text = read_file(path)
        reading = read_head(parse(text, path.name), text, path.name)
    except PolicyError:
        return SHANGHAI
    find_place(reading, path.parent, (*above, path.resolve()), of_place)
    return reading.of_place


def baseline_of(reading: Reading, folder: Path, above: tuple[Path, ...]) -> Content | None:
    """Return the baseline that a file names; its problems are recorded in ``reading``."""
    wanted = reading.meta.get("baseline")
    if wanted is None:
        missing = [path for path in reading.spec if path not in reading.given]
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
        if len(above) > BASELINES:
            reading.note("meta.baseline", f"the chain of baselines is longer than {BASELINES}",
                         "take a baseline nearer to a preset")  # fmt: skip
            return None
        base, its = load(path, above, reading.of_place)
    except PolicyError as error:
        for one in error.problems:
            reading.note("meta.baseline", f"'meta.baseline' = '{wanted}': {one.message}", one.remedy)
        return None
    reading.problems.extend(one for one in its.problems if not one.warning)
    if base is None:
        return None
    other = clash_of_places(base, reading.of_place)
    if other:
        reading.note("meta.place", *other)
        return None
    return bind(base, reading.of_place)


def clash_of_places(content: Content, place: Place | None) -> tuple[str, str] | None:
    """Return message and remedy where a policy cannot be used in a place, or None."""
    own = content.meta.place
    if own is None or (place is not None and (own.name, own.hash) == (place.name, place.hash)):
        return None
    if place is not None:
        which = "another version of it" if own.name == place.name else place.label.en
        message = (
            f"the policy '{content.name}' is of {own.label.en} and names its sectors and agencies; "
            f"the place here is {which}"
        )
        return message, f"use a policy of that place, or one of any place such as '{GENERIC}'"
    named = [
        path
        for path, one in spec_of(own).items()
        if one.of_place and path in content.parameters and content.parameters[path].value
    ]
    if not named:
        return None
    message = f"the policy '{content.name}' names in '{named[0]}' what only {own.label.en} has"
    return message, "state its place, or take a baseline that names nothing of a place"


GENERIC = "generic"
"""The preset that holds in every place."""


def bind(content: Content, place: Place | None) -> Content:
    """Return a policy in a place in which it can be used.

    A policy of any place gets the parameters by sector, the same for all; one of a place loses them where it
    becomes the baseline of a policy of any place.
    """
    if content.meta.place == place:
        return content
    parameters = {}
    for path, spec in spec_of(place).items():
        if path in content.parameters:
            parameters[path] = content.parameters[path]
        elif spec.neutral is not None:
            why = f"'{content.name}' is of any place: the same for every sector"
            parameters[path] = Parameter(spec.neutral, spec.unit, None, why)
    return Content(content.name, replace(content.meta, place=place), parameters)


def _later(reading: Reading, base: Content) -> dict[str, Parameter]:
    """Return the parameters that come into force after the policy itself, with what holds until then."""
    since = reading.meta.get("date", base.meta.date)
    old = {path: one.value for path, one in base.parameters.items()}
    return {
        path: replace(one, before=old[path])
        for path, one in reading.parameters.items()
        if one.from_ is not None and one.from_ > since and one.before is None
        if old.get(path, one.value) != one.value
    }


def finish(name: str, base: Content | None, reading: Reading) -> Content | None:
    """Apply a reading to its baseline and check the result as a whole; return None if there is an error."""
    merged = {**(base.parameters if base else {}), **reading.parameters}
    if base is not None:
        merged |= _later(reading, base)
    refused = reading.given - reading.parameters.keys()  # these have their message, and no value to compare
    values = {path: one.value for path, one in merged.items() if path not in refused}
    for clash in clashes(values):
        reading.note(clash.parameter, clash.message, clash.remedy, warning=clash.warning)
    stands_alone = "baseline" not in reading.meta or reading.given >= reading.spec.keys()
    if base is None and stands_alone and "date" not in reading.meta:
        reading.note(
            "meta.date", "'meta.date' is missing", "give the date of the document, such as 2025-01-24"
        )
    unknown_overlays(reading)
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
        place=reading.of_place,
        overlays=given.get("overlays", base.meta.overlays if base else ()),
        tiers=given.get("tiers", base.meta.tiers if base else {}),
        credit_table=given.get("credit_table", base.meta.credit_table if base else None),
    )
    return Content(name, meta, merged)
