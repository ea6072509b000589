"""The command line: ``tierkit COMMAND``, also as ``python -m tierkit``."""

import signal
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Load the commands and run one; see `tierkit.cli.app.main`.

    Raises
    ------
    SystemExit
        Always, with the exit status.

    Examples
    --------
    >>> main(["policy", "diff", "legacy", "legacy"])
    Traceback (most recent call last):
    ...
    SystemExit: 0
    """
    try:
        from tierkit.cli.app import main as run  # here, so that Ctrl-C ends with its status from the start

        run(arguments)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        # Python ends itself by the signal if the last Ctrl-C passed through code that was run from text, as
        # that of a dataclass is, caught or not. Running text once more makes it forget.
        exec("")  # noqa: S102
        if arguments is None:  # the process ends here: nothing is left that Ctrl-C could stop
            signal.signal(signal.SIGINT, signal.SIG_IGN)
