"""The command line: ``tierkit COMMAND``, also as ``python -m tierkit``."""

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
