"""Checks of what a job was given, the same for Python and for the command line.

A job checks all its arguments before it writes anything. Each check records what is wrong and goes on, so
that one call lists everything; `Checks.settle` then raises if there was anything. A problem names the
parameter that it is about, and other parameters in backticks, so that the command line can say the option.
"""

import difflib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from datetime import date as Day  # noqa: N812  # Checks has a method of that name
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tierkit.folders import IN_DEMO, WRITERS, check_replaceable, kind_of
from tierkit.folders.claims import OutputError, claim, plain_path
from tierkit.records.arguments import InputError, day_of, described

if TYPE_CHECKING:
    from tierkit import records
    from tierkit.policy import Policy
    from tierkit.policy.files.points_file import PointsTable

__all__ = ["BadInputError", "Checks", "Fault", "Location", "cores", "folder_place", "listed", "nearest"]

Location: TypeAlias = str | os.PathLike[str]
"""Path of a file or folder, as users give it."""

NOWHERE = Path("nowhere")
"""Stands in for what is no path, until `Checks.settle` raises."""


def cores() -> int:
    """Return how many cores this process may use; no result depends on it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def folder_place(data: Any) -> "records.Place":
    """Return the place of a folder of records; Shanghai if there is no such folder."""
    from tierkit.records import SHANGHAI, place_of

    there = isinstance(data, str | os.PathLike) and Path(data).is_dir()
    return place_of(data) if there else SHANGHAI


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` if a known word is similar to the wrong one, else an empty text.

    Examples
    --------
    >>> nearest("shangai-2025", ["legacy", "shanghai-2025"])
    "; did you mean 'shanghai-2025'?"
    """
    near = difflib.get_close_matches(wrong, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def listed(given: Any) -> list[Any]:
    """Return one value, or several of them, as a list; None is none.

    Examples
    --------
    >>> listed("legacy"), listed(["legacy", "oracle"]), listed(None)
    (['legacy'], ['legacy', 'oracle'], [])
    """
    if given is None:
        return []
    one = isinstance(given, str | bytes) or not isinstance(given, Iterable)
    return [given] if one else list(given)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what a job was given.

    Attributes
    ----------
    place : str
        The parameter, and the place in its file where there is one.
    message : str
        What is wrong.
    remedy : str
        What to do.
    """

    place: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """Return all three as a line."""
        return f"{self.place}: {self.message}. {self.remedy}"


class BadInputError(InputError):
    """Arguments that a job cannot use; ``problems`` lists everything that is wrong with them."""

    def __init__(self, problems: Iterable[Any]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Checks:
    """Collects what is wrong with the arguments of one job.

    Examples
    --------
    >>> checks = Checks()
    >>> checks.between("weeks", 0, 1, 520)
    >>> checks.one_of("lang", "eng", ["zh", "en"])
    >>> checks.settle()
    Traceback (most recent call last):
    ...
    tierkit.jobs.checks.BadInputError: weeks: 0 is out of range. Give a number from 1 to 520.
    lang: 'eng' is not known; did you mean 'en'?. Give one of zh, en.
    """

    def __init__(self) -> None:
        self._problems: list[Any] = []
        self._inputs: list[Path] = []
        self._outs: list[tuple[str, Path, Callable[[], None]]] = []

    def note(self, place: str, message: str, remedy: str) -> None:
        """Record a problem."""
        self._problems.append(Fault(place, message, remedy))

    def settle(self) -> None:
        """Raise if a problem was recorded.

        Raises
        ------
        BadInputError
            With all problems.
        """
        if self._problems:
            raise BadInputError(self._problems)

    @contextmanager
    def blame(self, place: str, remedy: str) -> Iterator[None]:
        """Record a plain `ValueError` raised inside as a problem of a parameter, and settle.

        An error that lists its own ``problems`` passes unchanged.
        """
        try:
            yield
        except ValueError as error:
            if hasattr(error, "problems"):
                raise
            self.note(place, str(error), remedy)
        self.settle()

    def worth(self, place: str, manifest: Mapping[str, Any], insist: bool) -> None:
        """Record a problem if a model is no better than chance and nobody insists, and settle."""
        from tierkit.scores.worth import refusal  # with it comes what reads models

        said = "" if insist else refusal(manifest)
        if said:
            remedy = "Train on more enterprises or longer records, or give `insist`: all pages will say so."
            self.note(place, said.rstrip("."), remedy)
        self.settle()

    def path(self, place: str, given: Location) -> Path:
        """Record a problem unless the value is a path; return it as a `Path`."""
        try:
            return Path(given)
        except TypeError:
            self.note(place, f"{described(given)} is not a path", "Give a path, as text or pathlib.Path.")
            return NOWHERE

    def folder(self, place: str, given: Location, kind: str, *, holds: Sequence[str] = ()) -> Path:
        """Record a problem unless the path is a readable folder, of no other kind, that holds some files."""
        path = self.path(place, given)
        if path is NOWHERE:
            return path
        self._inputs.append(path)
        if not path.exists():
            self.note(place, f"'{path}' does not exist", "Give a folder that exists." + _sibling(path))
        elif not path.is_dir():
            self.note(place, f"'{path}' is not a folder", "Give the folder, not a file in it.")
        elif not os.access(path, os.R_OK | os.X_OK):
            self.note(place, f"'{path}' may not be read", "Ask for the right to read it.")
        else:
            found = kind_of(path)
            missing = [name for name in holds if not (path / name).is_file()]
            if found not in (None, kind):
                inside = f", {path / IN_DEMO[kind]} say" if found == "demo" else ""
                remedy = f"Give a {kind}, as 'tierkit {WRITERS[kind]}' writes it{inside}."
                self.note(place, f"'{path}' is a {found}, not a {kind}", remedy)
            elif missing:
                remedy = f"Give a folder with {', '.join(holds)} in it."
                self.note(place, f"'{path}' holds no {', '.join(missing)}", remedy)
        return path

    def file(self, place: str, given: Location) -> Path:
        """Record a problem unless the path is a file that can be read."""
        path = self.path(place, given)
        if path is NOWHERE:
            return path
        self._inputs.append(path)
        if not path.exists():
            self.note(place, f"'{path}' does not exist", "Give a file that exists." + _sibling(path))
        elif not path.is_file():
            self.note(place, f"'{path}' is not a file", "Give a file.")
        elif not os.access(path, os.R_OK):
            self.note(place, f"'{path}' may not be read", "Ask for the right to read it.")
        return path

    def date(self, place: str, given: date | str) -> date:
        """Record a problem unless the value is a day; return it, or the first of 1970 in its place."""
        try:
            return day_of(given, place)
        except InputError:
            shown = f"'{given}'" if isinstance(given, str) else described(given)
            remedy = "Give a calendar date as YYYY-MM-DD, 2024-12-30 say."
            self.note(place, f"{shown} is not a date", remedy)
            return date(1970, 1, 1)

    def policy(self, place: str, given: Any, *, of_models: bool = False) -> "Policy | None":
        """Record every problem of a policy; return the policy if there is none.

        Parameters
        ----------
        place : str
        given : Policy, or name or path of one
        of_models : bool
            Whether its tiers are to rest on scores of models, which those of the oracle cannot.
        """
        from tierkit.policy import Policy, PolicyError

        if isinstance(given, Policy):
            return self._of_models(place, given) if of_models else given
        if not isinstance(given, str | os.PathLike):
            remedy = "Give the name of a preset, a TOML file or a Policy."
            self.note(place, f"{described(given)} is not a policy", remedy)
            return None
        name_or_path = os.fspath(given)
        if name_or_path.endswith(".toml"):
            self._inputs.append(Path(name_or_path))
        try:
            loaded = Policy.load(name_or_path)
            return self._of_models(place, loaded) if of_models else loaded
        except PolicyError as error:
            for one in error.problems:
                at = f"{place} {one.place}" if one.line is None else f"{place} {one.place}, line {one.line}"
                self.note(at, one.message, one.remedy)
        except UnicodeDecodeError:
            self.note(place, f"'{name_or_path}' is not text", "Give a TOML file in UTF-8.")
        except OSError as error:
            self.note(place, f"'{name_or_path}': {error.strerror}", "Give a file that can be read.")
        return None

    def points(
        self, place: str, given: Location | None, where: "records.Place", structure: bool
    ) -> "PointsTable | None":
        """Record every problem of an expert's table of points; return it if there is none."""
        from tierkit.policy import PolicyError
        from tierkit.scores.expert import card_of

        if given is None:
            return None
        try:
            return card_of(Path(given), where, structure=structure).source
        except PolicyError as error:
            for one in error.problems:
                at = f"{place} {one.place}" if one.line is None else f"{place} {one.place}, line {one.line}"
                self.note(at, one.message, f"{one.remedy[:1].upper()}{one.remedy[1:]}.")
        return None

    def place(self, place: str, given: Any) -> "records.Place | None":
        """Record every problem of a place of the records, by name or path; return it if there is none."""
        from tierkit.records import Place, PlaceError

        if isinstance(given, Place):
            return given
        if not isinstance(given, str | os.PathLike):
            self.note(place, f"{described(given)} is not a place", "Give its name, or the path of its file.")
            return None
        name_or_path = os.fspath(given)
        if name_or_path.endswith(".toml"):
            self._inputs.append(Path(name_or_path))
        try:
            return Place.load(name_or_path)
        except PlaceError as error:
            for one in error.problems:
                at = " ".join(filter(None, (place, one.table, one.column, *one.examples)))
                self.note(at, one.message, f"{one.remedy}.")
        return None

    def in_place(
        self, place: str, policy: "Policy | None", where: "records.Place", day: "Day | None" = None
    ) -> "Policy | None":
        """Record a problem unless a policy can be used in a place; return it as it is used there on a day."""
        from tierkit.policy import PolicyError

        if policy is None:
            return None
        try:
            return policy.at(where, day)
        except PolicyError as error:
            for one in error.problems:
                self.note(place, one.message, f"{one.remedy[:1].upper()}{one.remedy[1:]}.")
        return None

    def _of_models(self, place: str, policy: "Policy") -> "Policy":
        if policy.oracle:
            message = f"'{policy.name}' rests on the true probabilities, which no model gives"
            self.note(place, message, "Give another policy; the oracle is for 'tierkit simulate'.")
        return policy

    def at_least(self, place: str, value: int, least: int) -> None:
        """Record a problem unless the value is a whole number that is large enough."""
        if self._is_number(place, value, whole=True) and value < least:
            self.note(place, f"{value} is too small", f"Give a number of at least {least}.")

    def between(self, place: str, value: float, low: float, high: float, *, whole: bool = True) -> None:
        """Record a problem unless the value is a number, a whole one unless said otherwise, in a range."""
        if self._is_number(place, value, whole=whole) and not low <= value <= high:
            self.note(place, f"{value:,} is out of range", f"Give a number from {low:,} to {high:,}.")

    def _is_number(self, place: str, value: object, *, whole: bool) -> bool:
        good = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
        if not good:
            kind = "whole number" if whole else "number"
            self.note(place, f"{described(value)} is not a {kind}", f"Give a {kind}.")
        return good

    def one_of(self, place: str, value: Any, allowed: Collection[str]) -> None:
        """Record a problem unless the value is one of the allowed words."""
        if value not in tuple(allowed):
            shown, near = (
                (f"'{value}'", nearest(value, allowed)) if isinstance(value, str) else (described(value), "")
            )
            self.note(place, f"{shown} is not known{near}", f"Give one of {', '.join(allowed)}.")

    def enterprise(self, place: str, text: Any, of: "records.Place | None" = None) -> None:
        """Record a problem unless the text can be an id: a credit code with a valid check character.

        Places whose ids are no credit codes say which form they have.
        """
        from tierkit.records import credit_code

        if of is not None and not of.credit_codes:
            if not isinstance(text, str) or not of.has_form(text):
                message = f"{text!r} is no id of an enterprise of {of.label.en}"
                self.note(place, message, f"Give one that matches {of.id_pattern}.")
        elif not isinstance(text, str):
            message = f"{described(text)} is not a unified social credit code"
            self.note(place, message, "Give the code of one enterprise as text.")
        elif not credit_code.is_valid(text):
            self.note(place, f"'{text}' is not a valid unified social credit code", _code_remedy(text))

    def out_folder(self, place: str, given: Location, kind: str) -> Path:
        """Record a problem unless the path is a new or empty folder, or one written by the same command."""
        path = self.path(place, given)
        if path is not NOWHERE:
            self._out(place, path, lambda: check_replaceable(path, kind))
        return path

    def out_file(
        self,
        place: str,
        given: Location,
        suffixes: Sequence[str],
        replaceable: Callable[[Path], None] | None = None,
    ) -> Path:
        """Record a problem unless a file of a given ending can be written there.

        Parameters
        ----------
        place : str
        given : path
        suffixes : sequence of str
        replaceable : callable, optional
            Raises `OutputError` if what lies at the path, or beside it, is not to be replaced.
        """
        path = self.path(place, given)
        if path is NOWHERE:
            return path
        if not path.name.endswith(tuple(suffixes)):
            self.note(place, f"'{path}' has no known ending", f"End it in {' or '.join(suffixes)}.")
        if path.exists() and not path.is_file():
            self.note(place, f"'{path}' is not a file", "Give the name of a file.")
            replaceable = None
        self._out(place, path, lambda: None if replaceable is None else replaceable(path))
        return path

    @contextmanager
    def writing(self) -> Iterator[bool]:
        """Hold the outputs until the block ends, so that no other run writes them; settle before.

        What lies there is checked again once it is held.

        Yields
        ------
        bool
            Whether there is something now that will be replaced.

        Raises
        ------
        BadInputError
            If a problem was recorded, or another run is writing there.
        """
        self.settle()
        with ExitStack() as stack:
            for place, path, check in self._outs:
                with self._told(place):
                    stack.enter_context(claim(path))
                    check()
            self.settle()
            yield any(path.is_file() or (path.is_dir() and any(path.iterdir())) for _, path, _ in self._outs)

    @contextmanager
    def _told(self, place: str) -> Iterator[None]:
        try:
            yield
        except OutputError as error:
            self.note(place, error.message, error.remedy)

    def _out(self, place: str, path: Path, check: Callable[[], None]) -> None:
        self._outs.append((place, path, check))
        with self._told(place):
            plain_path(path)
            check()
        here = path.resolve()
        parent = next(one for one in [here, *here.parents] if one.exists())
        parent = parent if parent != here else here.parent
        if not parent.is_dir():
            self.note(place, f"'{parent}' is a file, not a folder", "Give another place.")
        elif not os.access(parent, os.W_OK | os.X_OK):
            self.note(
                place, f"nothing may be written in '{parent}'", "Give another place, or ask for the right."
            )
        for given in self._inputs:
            used = given.resolve()
            if here == used or here in used.parents or used in here.parents:
                self.note(place, f"'{path}' would overwrite the input '{given}'", "Give another place.")
                break


def _sibling(path: Path) -> str:
    """Return a hint at the most similar name in the same folder, or an empty text."""
    try:
        hint = nearest(path.name, (one.name for one in path.parent.iterdir()))
    except OSError:
        return ""
    return hint.removeprefix(";").replace(" did", " Did")


def _code_remedy(text: str) -> str:
    """Return what to do about a wrong credit code, by what is wrong with it."""
    from tierkit.records import credit_code

    if len(text) == credit_code.LENGTH and credit_code.is_valid(text.upper()):
        return f"Write it in capitals: {text.upper()}."
    if not text.isascii() or " " in text:
        return "Give the code, not the name: column enterprise_id of the table 'enterprises'."
    if len(text) != credit_code.LENGTH:
        return f"Give all {credit_code.LENGTH} characters."
    try:
        right = credit_code.check_character(text[:-1])
    except ValueError:
        return "Use digits and capitals; I, O, S, V and Z are not among them."
    return f"Check it for typing errors: to the first 17 characters belongs the check character {right}."
