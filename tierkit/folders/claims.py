"""One writer at a time: whoever writes a file or a folder claims it first, and says who it is.

A claim on ``NAME`` is the file ``.NAME.tierkit-lock`` beside it, which names its owner: host, process, when
that process began, and since when it writes. The system holds the file (flock) for as long as the process
lives, so the claim of a process that was killed is taken over, with all that it left. Where a file system
forgets whom it holds files for, what the file says decides: a process of this host is the owner if it lives
and began when the file says; a process of another host cannot be asked, and its claim stands until somebody
deletes the file.
"""

import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from tierkit.bounds import parse_json

__all__ = [
    "CTRL_C",
    "OutputError",
    "beside",
    "check_wanted",
    "claim",
    "is_partial",
    "plain_path",
    "scratch",
    "unbroken",
]

_HOLDS_NOTHING = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What a file system answers that cannot hold files."""
_TRIES = 40
_PAUSE = 0.05  # seconds: an owner writes its name right after the system has given it the file


class OutputError(ValueError):
    """A place that may not be written: another run writes it, or what is there is not to be replaced.

    Attributes
    ----------
    message, remedy : str
        What is wrong, and what to do.
    problems : tuple of str
        Both, as one line.
    """

    def __init__(self, message: str, remedy: str) -> None:
        self.message, self.remedy = message, remedy
        self.problems = (f"{message}. {remedy}",)
        super().__init__(self.problems[0])


class _Mine(threading.local):
    def __init__(self) -> None:
        self.places: set[Path] = set()


_mine = _Mine()
"""What this thread has claimed: a job claims its output, and what writes it for the job claims it again."""


def beside(where: Path, what: str) -> Path:
    """Return the hidden name beside a place under which a run keeps its ``lock``, ``draft`` or ``old``.

    Examples
    --------
    >>> beside(Path("build/run"), "draft").name
    '.run.tierkit-draft'
    """
    return where.with_name(f".{where.name}.tierkit-{what}")


def plain_path(target: Path) -> Path:
    """Return where a target lies, links above it followed.

    Raises
    ------
    OutputError
        If it is a link itself, or has no name.

    Examples
    --------
    >>> plain_path(Path("build/../run")) == Path.cwd() / "run"
    True
    """
    where = target.parent.resolve() / target.name if target.name not in ("", "..") else target.resolve()
    if where.is_symlink():
        raise OutputError(f"'{target}' is a link", "Give the place that it leads to, or remove the link.")
    if not where.name:
        raise OutputError(f"'{target}' is not a place to write", "Give the name of a file or folder.")
    return where


@contextmanager
def claim(target: Path) -> Iterator[Path]:
    """Hold a place, which no other run can write until the block ends; what a killed run left is removed.

    Folders above it are made; those that then hold nothing are removed again at the end. A thread may claim
    again what it holds.

    Parameters
    ----------
    target : Path
        A file or a folder, which need not exist.

    Yields
    ------
    Path
        The place, with links above it followed.

    Raises
    ------
    OutputError
        If another run holds it, or a folder that it lies in, or it is a link.

    Warns
    -----
    UserWarning
        If an earlier run was killed; it names what that run left.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, claim(Path(folder) / "run") as where:
    ...     [one.name for one in where.parent.iterdir()]
    ['.run.tierkit-lock']
    """
    where = plain_path(target)
    if _is_mine(where):
        where.parent.mkdir(parents=True, exist_ok=True)
        yield where
        return
    lock = beside(where, "lock")
    made: list[Path] = []
    descriptor = None
    try:
        with unbroken():
            descriptor, before = _taken(target, lock, made)
            _mine.places.add(where)
        _check_above(where)
        _clear(where, before)
        yield where
    finally:
        with unbroken():
            if descriptor is not None:
                _mine.places.discard(where)
                lock.unlink(missing_ok=True)
                os.close(descriptor)
            with suppress(OSError):  # what holds the output, or the claim of another run, stays
                for folder in sorted(made, key=lambda one: len(one.parts), reverse=True):
                    folder.rmdir()


def _is_mine(where: Path) -> bool:
    """Return whether this thread holds a place: it claimed it, or the place lies in a draft of its own."""
    drafts = {beside(one, "draft") for one in _mine.places}
    return where in _mine.places or not drafts.isdisjoint({where, *where.parents})


def _taken(target: Path, lock: Path, made: list[Path]) -> tuple[int, dict[str, Any] | None]:
    """Return the open lock and what it said before; folders that were made for it are noted, deepest first.

    A killed run's list of made folders is taken over with its lock.
    """
    for _ in range(_TRIES):
        new = [one for one in lock.parents if not one.exists()]
        made[:] = [*new, *(one for one in made if one not in new)]
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except FileNotFoundError:  # whoever had made the folder has just removed it
            continue
        free = _locked(descriptor)
        owner = _read(descriptor)
        if free and not _is_at(descriptor, lock):  # its owner removed it before it was ours
            os.close(descriptor)
            continue
        if owner is not None and (not free or _stands(owner)):
            os.close(descriptor)
            raise _held(target, lock, owner)
        if not free:
            os.close(descriptor)
            time.sleep(_PAUSE)
            continue
        found = os.fstat(descriptor).st_size > 0
        inherited = (owner or {"made": []})["made"]
        made += [one for one in lock.parents if str(one) in inherited and one not in made]
        _sign(descriptor, made)
        return descriptor, (owner or {}) if found else None
    raise OutputError(f"'{target}' is being written by another process", "Wait until it ends.")


def _locked(descriptor: int) -> bool:
    """Hold an open file, if nobody else does."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _HOLDS_NOTHING:
            raise
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sign(descriptor: int, made: list[Path]) -> None:
    about = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "began": _began(os.getpid()),
        "since": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        "made": [str(one) for one in made],
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(about).encode(), 0)


def _read(descriptor: int) -> dict[str, Any] | None:
    """Return what a lock says of its owner; None if it says nothing, or not yet."""
    try:
        said = parse_json(os.pread(descriptor, 1 << 16, 0))
    except ValueError:
        return None
    whole = isinstance(said, dict) and {"host", "process", "began", "since", "made"} <= set(said)
    return said if whole and isinstance(said["process"], int) and isinstance(said["made"], list) else None


def _stands(owner: dict[str, Any]) -> bool:
    """Return whether a claim stands although the system holds its file for nobody."""
    if owner["host"] != socket.gethostname():
        return True
    began = _began(owner["process"])
    return began is not None and began == owner["began"]


def _began(process: int) -> str | None:
    """Return when a process of this host began, in a form that no other process of its number has."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("utf-8").strip()
        return f"{boot} {stat.rpartition(')')[2].split()[19]}"  # in ticks since the system was started
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    told = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(process)], capture_output=True, text=True, check=False,
        env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    return told.stdout.strip() or None


def _held(target: Path, lock: Path, owner: dict[str, Any]) -> OutputError:
    here = owner["host"] == socket.gethostname()
    who = f"process {owner['process']} on {'this host' if here else 'another host'}, {owner['host']}"
    message = f"'{target}' is being written by {who}, since {owner['since']}"
    if here:
        return OutputError(message, "Wait until that process ends, or give another place.")
    return OutputError(message, f"Wait, or give another place; if that run has ended, delete '{lock}'.")


def _check_above(where: Path) -> None:
    """Raise if another run is about to replace a folder in which the place lies."""
    for folder in where.parents[:-1]:
        lock = beside(folder, "lock")
        if folder in _mine.places or not lock.exists():
            continue
        with suppress(FileNotFoundError):
            descriptor = os.open(lock, os.O_RDONLY)
            try:
                owner = _read(descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                if owner is not None:
                    raise _held(folder, lock, owner) from None
            finally:
                os.close(descriptor)


def _clear(where: Path, before: dict[str, Any] | None) -> None:
    """Remove what a killed run left beside a place, or put back what it was replacing; tell it."""
    draft, old = beside(where, "draft"), beside(where, "old")
    left = [one for one in (draft, old) if one.exists()]
    left += [one for one in where.parent.glob(".*.partial") if is_partial(one.name, where.name)]
    if before is None and not left:
        return
    names = ", ".join(f"'{one}'" for one in (beside(where, "lock"), *left))
    who = f", process {before['process']} since {before['since']}," if before else ""
    said = f"an earlier run{who} did not end; what it left is removed: {names}"
    if old in left and not where.exists():
        old.rename(where)
        said += f"; '{where}' is again what it was before that run"
    for one in left:
        if one.is_dir():
            shutil.rmtree(one)
        else:
            one.unlink(missing_ok=True)
    warnings.warn(said, stacklevel=5)


def is_partial(name: str, of: str) -> bool:
    """Return whether a name is that of an unfinished file: ``.NAME.PROCESS.partial``.

    Examples
    --------
    >>> is_partial(".page.html.123.partial", "page.html"), is_partial(".page.html.partial", "page.html")
    (True, False)
    """
    return name.startswith(f".{of}.") and name[len(of) + 2 :].removesuffix(".partial").isdigit()


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Give a folder for what is needed on the way to a claimed file or folder: ``.NAME.work`` beside it.

    It is removed at the end. One that a killed run left is removed first, and named.
    """
    work = target.with_name(f".{target.name}.work")
    if work.exists():
        warnings.warn(f"an earlier run did not end; what it left is removed: '{work}'", stacklevel=3)
        shutil.rmtree(work)
    work.mkdir()
    try:
        yield work
    finally:
        with unbroken():
            shutil.rmtree(work, ignore_errors=True)


CTRL_C = threading.Event()
"""Set by Ctrl-C while a command runs: a library may drop the exception, or make another one of it."""


def check_wanted() -> None:
    """Raise KeyboardInterrupt if Ctrl-C came, however far a run went on without knowing of it.

    Whatever takes the place of an earlier output asks this first: a part of the new one may be missing.
    """
    if CTRL_C.is_set():
        raise KeyboardInterrupt


@contextmanager
def unbroken() -> Iterator[None]:
    """Let Ctrl-C wait until the block ends, which is short: a change of names, or clearing up.

    Examples
    --------
    >>> with unbroken():
    ...     print("names are changed here")
    names are changed here
    """
    usual = signal.getsignal(signal.SIGINT)
    # The main thread alone is interrupted; what is no handler of Python's cannot be put back.
    if usual is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if came and callable(usual):
            usual(signal.SIGINT, None)
