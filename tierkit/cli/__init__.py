"""The command line: ``tierkit COMMAND``, also as ``python -m tierkit``."""

from tierkit.cli.app import app, main

__all__ = ["app", "main"]
