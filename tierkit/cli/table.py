"""Plain tables: as wide as the terminal, or with one line per row if the output is no terminal."""

import io
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["cell", "table"]

LONGEST_CELL = 300
"""Longest cell that is shown whole, in characters; names of 10,000 characters exist."""


def table(rows: Sequence[Mapping[str, Any]], *, right: Sequence[str] = ()) -> str:
    """Return rows as an aligned table; columns that are empty throughout are left out.

    Parameters
    ----------
    rows : sequence of mapping
        Column → value; columns are shown in the order of the first row.
    right : sequence of str
        Columns to align at the right.

    Examples
    --------
    >>> print(table([{"name": "legacy", "n": 3}, {"name": "x", "n": 12}], right=["n"]))
    name     n
    legacy   3
    x       12
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    texts = [{str(key): cell(value) for key, value in row.items()} for row in rows]
    columns = [
        key
        for key in dict.fromkeys(key for row in texts for key in row)
        if any(row.get(key) for row in texts)
    ]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for column in columns:
        grid.add_column(
            column.replace("_", " "), justify="right" if column in right else "left", overflow="fold"
        )
    for row in texts:
        grid.add_row(*(Text(row.get(column, "")) for column in columns))
    text = io.StringIO()
    Console(file=text, width=_width(), color_system=None, force_terminal=False, legacy_windows=False).print(
        grid
    )
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip("\n").split("\n"))


def _width() -> int:
    if sys.stderr.isatty() and sys.stdout.isatty():
        return os.get_terminal_size(sys.stdout.fileno()).columns
    return 100_000


def cell(value: Any) -> str:
    r"""Return a value as one line without control characters, which could steer a terminal.

    Examples
    --------
    >>> cell("a\x1b[31mb"), cell(("one", "two")), cell(1234), cell(True), cell(None)
    ('a[U+001B][31mb', 'one; two', '1,234', 'yes', '')
    """
    from tierkit.texts import plain

    if value is None or value is False:
        return ""
    if value is True:
        return "yes"
    if isinstance(value, list | tuple):
        return "; ".join(map(cell, value))
    return plain(f"{value:,}" if isinstance(value, int) else str(value), LONGEST_CELL)
