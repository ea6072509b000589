"""What a command was given: paths, dates, policies and ids, checked together before anything is written.

Each check notes what is wrong and goes on, so that one run lists everything; `Checks.settle` then stops the
command if there was anything.
"""

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierkit.folders import kind_of

if TYPE_CHECKING:
    import pandas as pd

    from tierkit.policy import Policy

__all__ = ["FORMATS", "MAX_SEED", "BadInputError", "Checks", "Fault", "cores", "nearest"]

FORMATS = ("parquet", "csv", "csv.gz")
WRITERS = {
    "dataset": "synth",
    "model": "train",
    "run": "simulate",
    "page": "report",
    "city": "report",
    "demo": "demo",
    "screening": "sensitivity",
    "backtest": "backtest",
    "evaluation": "evaluate",
}
"""Kind of a folder → the command that writes it."""
IN_DEMO = {"dataset": "data", "model": "model", "run": "run"}
"""Kind of a folder → where a demo holds one."""
MAX_SEED = 2**32 - 1


def cores() -> int:
    """Return how many cores this process may use; no result depends on it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def nearest(wrong: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` where something known is near, or nothing.

    Examples
    --------
    >>> nearest("shangai-2025", ["legacy", "shanghai-2025"])
    "; did you mean 'shanghai-2025'?"
    """
    near = difflib.get_close_matches(wrong, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what a command was given.

    Attributes
    ----------
    place : str
        The option, argument or file.
    message : str
        What is wrong.
    remedy : str
        What to do.
    """

    place: str
    message: str
    remedy: str


class BadInputError(ValueError):
    """What a command was given cannot be used; ``problems`` lists everything that is wrong with it."""

    def __init__(self, problems: Iterable[Any]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


class Checks:
    """Collects what is wrong with the options and arguments of one command."""

    def __init__(self) -> None:
        self._problems: list[Any] = []
        self._inputs: list[Path] = []

    def note(self, place: str, message: str, remedy: str) -> None:
        """Add a problem."""
        self._problems.append(Fault(place, message, remedy))

    def settle(self) -> None:
        """Stop the command if anything was wrong.

        Raises
        ------
        BadInputError
            With everything that was wrong.
        """
        if self._problems:
            raise BadInputError(self._problems)

    @contextmanager
    def blame(self, place: str, remedy: str) -> Iterator[None]:
        """Turn a plain `ValueError` of what runs inside into a problem of an input; others pass."""
        try:
            yield
        except ValueError as error:
            if hasattr(error, "problems"):
                raise
            self.note(place, str(error), remedy)
        self.settle()

    def folder(self, place: str, path: Path, kind: str, *, holds: Sequence[str] = ()) -> Path:
        """Note it unless a folder can be read there, of no other kind and with certain files in it."""
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

    def file(self, place: str, path: Path) -> Path:
        """Note it unless the path is a file that can be read."""
        self._inputs.append(path)
        if not path.exists():
            self.note(place, f"'{path}' does not exist", "Give a file that exists." + _sibling(path))
        elif not path.is_file():
            self.note(place, f"'{path}' is not a file", "Give a file.")
        elif not os.access(path, os.R_OK):
            self.note(place, f"'{path}' may not be read", "Ask for the right to read it.")
        return path

    def date(self, place: str, text: str) -> "pd.Timestamp":
        """Note it unless the text is a calendar date, ``YYYY-MM-DD``; the first of 1970 stands in then."""
        import pandas as pd

        try:
            if len(text) != len("2024-12-30"):
                raise ValueError
            return pd.Timestamp(date.fromisoformat(text))
        except ValueError:
            remedy = "Give a calendar date as YYYY-MM-DD, 2024-12-30 say."
            self.note(place, f"'{text}' is not a date", remedy)
            return pd.Timestamp(1970, 1, 1)

    def policy(self, place: str, name_or_path: str, *, of_models: bool = False) -> "Policy | None":
        """Note all that is wrong with a policy, as one of the models' tiers too; return it if nothing is."""
        from tierkit.policy import Policy, PolicyError

        if name_or_path.endswith(".toml"):
            self._inputs.append(Path(name_or_path))
        try:
            loaded = Policy.load(name_or_path)
            if of_models and loaded.oracle:
                message = f"'{loaded.name}' rests on the true probabilities, which no model gives"
                self.note(place, message, "Give another policy; the oracle is for 'tierkit simulate'.")
            return loaded
        except PolicyError as error:
            for one in error.problems:
                at = f"{place} {one.place}" if one.line is None else f"{place} {one.place}, line {one.line}"
                self.note(at, one.message, one.remedy)
        except UnicodeDecodeError:
            self.note(place, f"'{name_or_path}' is not text", "Give a TOML file in UTF-8.")
        except OSError as error:
            self.note(place, f"'{name_or_path}': {error.strerror}", "Give a file that can be read.")
        return None

    def at_least(self, place: str, value: float, least: float) -> None:
        """Note it if a number is too small (or not a number at all)."""
        if not value >= least:
            self.note(place, f"{value} is too small", f"Give a number of at least {least}.")

    def between(self, place: str, value: float, low: float, high: float) -> None:
        """Note it if a number is out of range (or not a number at all)."""
        if not low <= value <= high:
            self.note(place, f"{value:,} is out of range", f"Give a number from {low:,} to {high:,}.")

    def one_of(self, place: str, value: str, allowed: Sequence[str]) -> None:
        """Note it if a word is none of those allowed."""
        if value not in allowed:
            self.note(
                place,
                f"'{value}' is not known{nearest(value, allowed)}",
                f"Give one of {', '.join(allowed)}.",
            )

    def enterprise(self, place: str, text: str) -> str:
        """Note it unless the text is a unified social credit code with a valid check character."""
        from tierkit.records import credit_code

        if not credit_code.is_valid(text):
            self.note(place, f"'{text}' is not a valid unified social credit code", _code_remedy(text))
        return text

    def out_folder(self, place: str, path: Path, kind: str) -> str:
        """Note it unless a folder can be written there, losing nothing but what the same command wrote.

        Returns
        -------
        str
            What to say of it when it is done: ``"Wrote"``, or ``"Replaced"`` where there is something now.
        """
        full = path.is_dir() and any(path.iterdir())
        if path.exists() and not path.is_dir():
            self.note(place, f"'{path}' is a file", "Give the name of a folder.")
        elif full and (found := kind_of(path)) != kind:
            what = (
                f"is a {found}, which only another {found} may replace"
                if found
                else "holds files that tierkit did not write"
            )
            remedy = f"Give a new folder, an empty one, or one that 'tierkit {WRITERS[kind]}' wrote."
            self.note(place, f"'{path}' {what}", remedy)
        self._out(place, path)
        return "Replaced" if full else "Wrote"

    def out_file(self, place: str, path: Path, suffixes: Sequence[str]) -> Path:
        """Note it unless a file can be written there; one of the same kind is replaced."""
        if not path.name.endswith(tuple(suffixes)):
            self.note(place, f"'{path}' has no known ending", f"End it in {' or '.join(suffixes)}.")
        if path.exists() and not path.is_file():
            self.note(place, f"'{path}' is not a file", "Give the name of a file.")
        self._out(place, path)
        return path

    def _out(self, place: str, path: Path) -> None:
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
    try:
        hint = nearest(path.name, (one.name for one in path.parent.iterdir()))
    except OSError:
        return ""
    return hint.removeprefix(";").replace(" did", " Did")


def _code_remedy(text: str) -> str:
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
