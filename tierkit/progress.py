"""How far a long job has come: a bar on a terminal, plain lines elsewhere, nothing for what is quick.

A job takes a `Progress`, any callable of a stage's name, the steps done and the steps in all; it knows
nothing of terminals. `show` makes one that writes to standard error, so that standard output stays clean
for results.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, TypeAlias, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["Progress", "in_threads", "quiet", "show"]

T = TypeVar("T")

Progress: TypeAlias = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``: with ``done`` = 0 when a stage starts, as it goes, and with
``done`` = ``total`` when it ends."""

PATIENCE_SECONDS = 2.0
"""What ends sooner than this shows nothing."""

LINE_EVERY_SECONDS = 5.0
"""How often a stage says how far it is where there is no terminal."""


def in_threads(
    jobs: Sequence[Callable[[Callable[[], None]], T]],
    total: int,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> list[T]:
    """Run jobs, each of which calls what it is given whenever it has done a step.

    Parameters
    ----------
    jobs : sequence of callable
        Each takes the callable that counts a step.
    total : int
        Steps of all jobs together.
    threads : int
        Jobs at a time.
    progress : callable, optional
        Called with the steps done and all of them.

    Returns
    -------
    list
        What the jobs return, in their order.

    Examples
    --------
    >>> in_threads([lambda step: 1, lambda step: 2], 2, 2, None)
    [1, 2]
    """
    lock, stopped = threading.Lock(), threading.Event()
    done = 0

    def step() -> None:
        nonlocal done
        if stopped.is_set():
            raise CancelledError
        with lock:
            done += 1
            if progress is not None:
                progress(done, total)

    if threads == 1:
        return [job(step) for job in jobs]
    with ThreadPoolExecutor(threads) as pool:
        try:
            return list(pool.map(lambda job: job(step), jobs))
        except BaseException:
            stopped.set()  # or Ctrl-C would wait until all that has begun is done
            raise


def quiet(stage: str, done: int, total: int) -> None:
    """Show nothing: the `Progress` of a job that nobody watches.

    Examples
    --------
    >>> quiet("drawing", 1, 10)
    """


@contextmanager
def show(stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Progress]:
    """Show the stages of a job while it runs, once it has run for two seconds.

    Parameters
    ----------
    stream : text file, optional
        Where to write; standard error if not given. It gets bars if it is a terminal, lines if not.
    clock : callable
        Seconds from any origin; for tests.

    Yields
    ------
    Progress
        To be called by the job.

    Examples
    --------
    >>> with show() as progress:
    ...     for week in range(52):
    ...         progress("simulating", week + 1, 52)
    """
    target = sys.stderr if stream is None else stream
    shown = _Bars(target, clock) if target.isatty() else _Lines(target, clock)
    try:
        yield shown
    finally:
        shown.close()


class _Lines:
    """Plain lines, one a stage and one every few seconds of a long stage."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._started = self._said = clock()
        self._stage = ""
        self._partly = False  # whether the stage's last line told a share, so that its end is awaited

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = self._clock()
        if now - self._started < PATIENCE_SECONDS:
            return
        if stage == self._stage and done < total and now - self._said < LINE_EVERY_SECONDS:
            return
        if (
            stage == self._stage
            and done >= total
            and not self._partly
            and now - self._said < PATIENCE_SECONDS
        ):
            return
        self._stage, self._said, self._partly = stage, now, 0 < done < total
        share = f" {100 * done // total:d} %" if done > 0 and total > 1 else ""
        print(f"[{now - self._started:4.0f} s] {stage}{share}", file=self._stream, flush=True)

    def close(self) -> None:
        """Leave things as they are: lines stay."""


class _Bars:
    """A bar a stage, drawn by rich, gone when the job ends."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._started = clock()
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if self._bars is None:
            if self._clock() - self._started < PATIENCE_SECONDS:
                return
            self._bars = self._open()
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total)

    def _open(self) -> Bars:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        bars = RichProgress(*columns, console=Console(file=self._stream), transient=True)
        bars.start()
        return bars

    def close(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()
