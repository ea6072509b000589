"""How a command ends: with an answer, a table of problems with its input, or an error inside tierkit.

`command` turns a function that returns an `Answer` into a command with ``--json`` and ``--debug``. Every
exception is reported in the same form, in JSON if asked for.
"""

import functools
import inspect
import json
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from types import FrameType
from typing import Annotated, Any

import typer

from tierkit.cli.table import table
from tierkit.folders.claims import CTRL_C
from tierkit.jobs.checks import BadInputError, Fault

__all__ = [
    "BAD_INPUT",
    "DONE",
    "FAULT_OF_OURS",
    "INTERRUPTED",
    "READER_GONE",
    "Answer",
    "as_data",
    "command",
    "describe",
    "interruptible",
    "reader_gone",
]

DONE, FAULT_OF_OURS, BAD_INPUT, INTERRUPTED, READER_GONE = 0, 1, 2, 130, 141
"""Exit statuses; the last two are those of shells for a process that SIGINT or SIGPIPE ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a command.

    Attributes
    ----------
    data : mapping
        Printed with ``--json``.
    text : str
        Printed otherwise.
    """

    data: Mapping[str, Any]
    text: str


Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, errors included.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def command(app: typer.Typer, name: str) -> Callable[[Callable[..., Answer]], Callable[..., None]]:
    """Add a function that returns an `Answer` to an application, with ``--json`` and ``--debug``.

    Parameters
    ----------
    app : typer.Typer
    name : str
        Name of the command.
    """

    def add(function: Callable[..., Answer]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*, as_json: bool, debug: bool, **given: Any) -> None:
            try:
                writes = not given.keys().isdisjoint({"out", "log"})
                status = _run(functools.partial(function, **given), names, as_json, debug, writes)
                sys.stdout.flush()
            except BrokenPipeError:
                status = reader_gone()
            raise typer.Exit(status)

        signature = inspect.signature(function)
        names = _names(signature)
        extra = [
            inspect.Parameter("as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json),
            inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug),
        ]
        keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in signature.parameters.values()]
        run.__signature__ = signature.replace(parameters=[*keywords, *extra])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in [*keywords, *extra]}
        app.command(name, short_help=inspect.getdoc(function))(run)  # whole, which typer would cut
        return run

    return add


def _names(signature: inspect.Signature) -> dict[str, str]:
    """Return how each parameter is written on the command line: an option, or an argument in capitals."""
    told = {}
    for name, one in signature.parameters.items():
        declared = next(iter(getattr(one.annotation, "__metadata__", ())), None)
        if isinstance(declared, typer.models.ArgumentInfo):
            told[name] = str(declared.metavar).strip("[].")
            told |= {one.lower(): one for one in told[name].split("|")}  # RUN|SCORES: by what it is
        else:
            own = getattr(declared, "default", None)  # typer takes the first word, the option, for a default
            told[name] = own if isinstance(own, str) else f"--{name.replace('_', '-')}"
    return told


def _spoken(text: str, names: Mapping[str, str]) -> str:
    """Return a text of a job with its parameters as the command line writes them."""
    return re.sub(r"`(\w+)`", lambda found: names.get(found[1], found[0]), text)


@contextmanager
def interruptible() -> Iterator[None]:
    """Remember Ctrl-C until the block ends: a library may make another exception of it, or drop it.

    A process that was started to ignore Ctrl-C, in the background of a shell, goes on to ignore it.
    """
    CTRL_C.clear()
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def remember(number: int, frame: FrameType | None) -> None:
        CTRL_C.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, remember)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        CTRL_C.clear()


def reader_gone() -> int:
    """Discard what is still to be printed: the program that read it, such as head, has closed the pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_GONE


def _run(
    function: Callable[[], Answer], names: Mapping[str, str], as_json: bool, debug: bool, writes: bool
) -> int:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        status, failed = DONE, None
        try:
            answer = function()
        except KeyboardInterrupt:
            CTRL_C.set()
        except Exception as error:
            failed = error
        if CTRL_C.is_set():
            print("Interrupted; nothing was left half-written.", file=sys.stderr)
            status = INTERRUPTED
        elif failed is not None:
            status = _tell(failed, names, as_json, debug, writes)
    told = [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
    notes = list(dict.fromkeys(_spoken(one, names) for one in told))
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    if status == DONE:
        if as_json:
            _print_json({"status": "done", **answer.data, **({"warnings": notes} if notes else {})})
        elif answer.text:
            print(answer.text)
    return status


def _tell(error: Exception, names: Mapping[str, str], as_json: bool, debug: bool, writes: bool) -> int:
    if debug:
        traceback.print_exception(error)
    problems = _problems(error, names)
    if problems is None:
        message = f"{type(error).__name__}: {error}".strip().rstrip(":")
        if as_json:
            _print_json({"status": "fault", "message": message})
        else:
            print(_blame(error, message, debug), file=sys.stderr)
        return FAULT_OF_OURS
    if as_json:
        _print_json({"status": "bad input", "problems": problems})
    else:
        count = f"{len(problems)} problem{'s' * (len(problems) != 1)}{'; nothing was written' * writes}."
        rows = " Row 1 is the first below the header." if any(one.get("rows") for one in problems) else ""
        print(table(problems) + f"\n\n{count}{rows}", file=sys.stderr)
    return BAD_INPUT


def _blame(error: Exception, message: str, debug: bool) -> str:
    if isinstance(error, OSError):
        return f"The system refused: {error}. Nothing was left half-written under its own name."
    again = "" if debug else "\nRun it again with --debug for the traceback, and report it."
    return f"An error inside tierkit, not in your input: {message}{again}"


def _problems(error: Exception, names: Mapping[str, str]) -> list[dict[str, Any]] | None:
    """Return what is wrong with the input, or None if the error is not the input's fault."""
    listed = getattr(error, "problems", None)
    if isinstance(error, BadInputError):
        return [_of_options(describe(one), names) for one in error.problems]
    if isinstance(error, ValueError) and listed is not None:
        return [describe(one) for one in listed]
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError | PermissionError):
        remedy = "Check the path and the rights to it."
        return [describe(Fault(str(error.filename or ""), f"{error.strerror}".lower(), remedy))]
    return None


def _of_options(problem: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a problem of a job's parameter as one of the option or argument that it came from."""
    first, gap, rest = str(problem.get("place", "")).partition(" ")
    at = {"place": names.get(first, first) + gap + rest} if "place" in problem else {}
    said = {key: _spoken(str(problem[key]), names) for key in ("message", "remedy") if key in problem}
    return problem | at | said


def describe(problem: Any) -> dict[str, Any]:
    """Return a problem, of whatever class, as a row of a table."""
    if is_dataclass(problem) and not isinstance(problem, type):
        return asdict(problem)
    return {"message": str(problem)}


def as_data(value: Any) -> Any:
    """Return a value that JSON can represent: dates as ISO text, missing and infinite numbers as null."""
    if isinstance(value, Mapping):
        return {str(key): as_data(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_data(one) for one in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):  # a NumPy scalar
        value = value.item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if value != value:  # NaT and its kin
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _print_json(data: Mapping[str, Any]) -> None:
    print(json.dumps(as_data(data), ensure_ascii=False, indent=2, allow_nan=False))
