"""Where the entries of a TOML text stand, for messages that name a line."""

import re

__all__ = ["line_numbers"]

_HEADER = re.compile(r"\s*+\[([^\[\]]++)\]\s*+(?:#.*)?$")
_KEY = re.compile(r"""([A-Za-z0-9_\-."' \t]++)=""")


def line_numbers(text: str) -> dict[str, int]:
    """Return path → line, counted from 1, for the tables and keys of a TOML text, by their look alone."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            table = _bare(header[1])
            found.setdefault(table, number)
        elif key:
            found.setdefault(f"{table}.{_bare(key[1])}".lstrip("."), number)
    return found


def _bare(key: str) -> str:
    return ".".join(part.strip(" \"'") for part in key.split("."))
