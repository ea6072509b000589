"""What a draft knows of raw files: for every column its values, the forms of its dates, how full it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from tierkit.bounds import UnreadableError
from tierkit.intake.cells import forms_of, is_empty, number_cell
from tierkit.intake.reading import (
    SUFFIXES,
    Layout,
    encoding_of,
    header_of,
    is_text_file,
    read_batches,
    sheets_of,
)
from tierkit.records.credit_code import valid_mask

__all__ = ["Profile", "RawFile", "profile", "raw_files"]

_DISTINCT = 20_000
"""Distinct values of a column that are kept."""
_SAMPLE = 2_000
"""Distinct values of a column of which forms are told, so that a draft takes no longer for more rows."""


@dataclass
class Profile:
    """One column of a file.

    Attributes
    ----------
    name : str
    rows, filled : int
    values : Counter of str
        How often each value is there; of `_DISTINCT` at most, ``many`` if there are more.
    """

    name: str
    rows: int = 0
    filled: int = 0
    values: Counter[str] = field(default_factory=Counter)
    many: bool = False
    _forms: Counter[tuple[str, ...]] | None = None

    @property
    def forms(self) -> Counter[tuple[str, ...]]:
        """How many rows can be read in which forms of date; the empty tuple is for those in none."""
        if self._forms is None:
            self._forms = Counter()
            for value, count in self._each():
                self._forms[forms_of(value)] += count
        return self._forms

    def _each(self) -> list[tuple[str, int]]:
        if len(self.values) <= _SAMPLE * 10:
            return list(self.values.items())
        return sorted(self.values.items())[:: len(self.values) // _SAMPLE]

    @property
    def dates(self) -> float:
        """Share of the filled cells, of those looked at, that can be read as dates with a day."""
        total = sum(self.forms.values())
        lone = {("excel",), ("YMD",), ()}
        good = sum(n for forms, n in self.forms.items() if forms)
        plain = sum(n for forms, n in self.forms.items() if forms not in lone)
        return good / total if total and (plain or good == total) else 0.0

    @property
    def numbers(self) -> float:
        """Share of the filled cells that are numbers."""
        read = number_cell("", "")
        each = self._each()
        good = sum(n for value, n in each if not read(value)[1])
        return good / max(sum(n for _, n in each), 1)

    @property
    def codes(self) -> float:
        """Share of the filled cells that are unified social credit codes."""
        each = self._each()
        if not each:
            return 0.0
        good = valid_mask(["".join(value.upper().split()) for value, _ in each])
        return sum(n for (_, n), fits in zip(each, good, strict=True) if fits) / sum(n for _, n in each)

    @property
    def repeats(self) -> float:
        """Share of the filled cells that repeat another."""
        return 1 - len(self.values) / self.filled if self.filled and not self.many else 0.0


@dataclass
class RawFile:
    """One file: how it is laid out, the evidence for that, and its columns."""

    name: str
    path: Path
    layout: Layout
    evidence: str
    certain: bool
    columns: list[Profile]
    rows: int = 0

    def column(self, name: str) -> Profile:
        """Return a column by its name."""
        return next(one for one in self.columns if one.name == name)


def raw_files(folder: Path) -> list[Path]:
    """Return the files below a folder that are read, in the order of their names."""
    found = [
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.name.lower().endswith(SUFFIXES)
        and not any(part.startswith((".", "~$")) for part in path.relative_to(folder).parts)
    ]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def profile(folder: Path, path: Path) -> RawFile:
    """Look at a whole file.

    Raises
    ------
    UnreadableError
    OSError
    """
    layout, evidence, certain = _layout(path)
    header = header_of(path, layout)
    if not header:
        raise UnreadableError("it has no header", "Give it one header line with the names of the columns")
    columns = [Profile(name) for name in header]
    rows = 0
    for batch in read_batches(path, layout):
        rows += len(batch.rows) + len(batch.misfits)
        for one, array in zip(columns, batch.columns, strict=True):
            one.rows += len(array)
            for entry in array.value_counts().to_pylist():
                value, count = entry["values"], entry["counts"]
                if is_empty(value):
                    continue
                one.filled += count
                if value in one.values or len(one.values) < _DISTINCT:
                    one.values[value] += count
                else:
                    one.many = True
    return RawFile(path.relative_to(folder).as_posix(), path, layout, evidence, certain, columns, rows)


def _layout(path: Path) -> tuple[Layout, str, bool]:
    if path.suffix.lower() == ".parquet":
        return Layout(), "a Parquet file", True
    if not is_text_file(path):
        sheets = sheets_of(path)
        many = f", the first of {len(sheets)}" if len(sheets) > 1 else ""
        sheet = sheets[0]
        header = _header_row(path, Layout(sheet=sheet))
        return (
            Layout(sheet=sheet, header=header),
            f"sheet {sheet!r}{many}, names in row {header}",
            len(sheets) == 1,
        )
    encoding, evidence, certain = encoding_of(path)
    best, delimiter = 0, ","
    for one in (",", "\t", ";", "|"):
        try:
            found = len(header_of(path, Layout(encoding, one)))
        except UnreadableError:
            continue
        if found > best:
            best, delimiter = found, one
    layout = Layout(encoding, delimiter)
    if not all(header_of(path, layout)):  # a title above the names, or names that are missing
        layout = Layout(encoding, delimiter, header=_header_row(path, layout))
    return layout, evidence, certain


def _header_row(path: Path, layout: Layout) -> int:
    """Return the first of the upper rows that has the most names."""
    widths = []
    for row in range(1, 11):
        names = [one for one in header_of(path, replace(layout, header=row)) if one]
        texts = [one for one in names if not one.replace(".", "").isdigit()]
        widths.append(len(texts) if len(set(names)) == len(names) else 0)
    return widths.index(max(widths)) + 1
