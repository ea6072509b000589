"""Make a dataset of raw files by a mapping, and account for every row."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping as MappingOf
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tierkit.intake.mapping import Mapping, MappingError, read_mapping
from tierkit.intake.resolving import resolve
from tierkit.intake.staging import Staging, source_problems, staging
from tierkit.intake.writing import derive, write_aside, write_tables
from tierkit.progress import Progress, quiet
from tierkit.records.problems import DataError
from tierkit.records.validation import errors_of, validate

__all__ = ["FOLDER", "Account", "fill"]

FOLDER = "intake"
"""Folder in a dataset that says how it came about."""


@dataclass(frozen=True)
class Account:
    """What became of every row that was read.

    Attributes
    ----------
    read, taken, rejected, duplicates : mapping of str to int
        Rows by table: those read are those taken, rejected and repeated.
    files : list of dict
        Table, file and rows read.
    reasons : list of dict
        Table, column, reason and number of the rows rejected.
    cells : list of dict
        Table, column, reason and number of the cells that are not taken as they stand.
    derived : mapping of str to int
        What was derived → rows.
    found_by_name : mapping of str to int
        Rows whose code was found by name.
    merged : mapping of str to int
        Keys whose rows differed and were made one.
    unknown : mapping of str to list of str
        Columns by table that no file tells.
    rows : mapping of str to int
        Rows of each table of the dataset; empty if none was written.
    as_of : str
        Day up to which there are records.
    warnings : list of dict
        What seldom is right in the dataset, as `tierkit validate` tells it.
    """

    read: MappingOf[str, int]
    taken: MappingOf[str, int]
    rejected: MappingOf[str, int]
    duplicates: MappingOf[str, int]
    files: list[dict[str, Any]]
    reasons: list[dict[str, Any]]
    cells: list[dict[str, Any]]
    derived: MappingOf[str, int]
    found_by_name: MappingOf[str, int]
    merged: MappingOf[str, int]
    unknown: MappingOf[str, list[str]]
    rows: MappingOf[str, int]
    as_of: str
    warnings: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {key: getattr(self, key) for key in self.__dataclass_fields__}


def fill(path: Path, folder: Path, threads: int = 1, progress: Progress = quiet) -> Account:
    """Write the dataset of a mapping into an empty folder, with the account of it in the folder `FOLDER`.

    Raises
    ------
    MappingError
        With everything that is wrong: of the mapping, and then of its files.
    DataError
        If what comes out breaks the data contract.
    """
    mapping = _ready(path)
    own = folder / FOLDER
    own.mkdir()
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".staging-") as beside,
        staging(mapping, Path(beside), threads) as rows,
    ):
        rows.load(progress)
        told = resolve(rows)
        derived = derive(rows)
        written = write_tables(rows, folder)
        write_aside(rows, own)
        account = _account(rows, told, derived, written)
    found = validate(folder)
    if problems := errors_of(found):
        raise DataError(problems)
    account = replace(account, warnings=[asdict(one) for one in found])
    (own / "mapping.toml").write_text(mapping.text, encoding="utf-8")
    text = json.dumps(account.to_dict(), ensure_ascii=False, indent=1)
    (own / "account.json").write_text(text + "\n", encoding="utf-8")
    return account


def _ready(path: Path) -> Mapping:
    mapping = read_mapping(path)
    problems = source_problems(mapping)
    if problems:
        raise MappingError(problems)
    return mapping


def _account(
    rows: Staging,
    told: MappingOf[str, MappingOf[str, int]],
    derived: MappingOf[str, int],
    written: MappingOf[str, int],
) -> Account:
    tables = list(rows.mapping.tables())

    def counts(name: str) -> dict[str, int]:
        found = dict(rows.sql(f"SELECT tbl, count(*) FROM {name} GROUP BY tbl"))
        return {table: int(found.get(table, 0)) for table in tables}

    def reasons(name: str) -> list[dict[str, Any]]:
        found = rows.sql(
            f"SELECT tbl, col, why, count(*) AS n, min(val) FROM {name} GROUP BY ALL ORDER BY tbl, "
            f"n DESC, col, why"
        )
        keys = ("table", "column", "reason", "rows", "example")
        return [dict(zip(keys, one, strict=True)) for one in found]

    read = {t: sum(n for (table, _), n in rows.read.items() if table == t) for t in tables}
    rejected, duplicates = counts("rejected"), counts("duplicates")
    taken = {t: read[t] - rejected[t] - duplicates[t] for t in tables}
    for table in tables:
        if table != "obligations":
            there = int(rows.sql(f"SELECT count(*) FROM out_{table}")[0][0])
            assert there == taken[table], (table, there, taken[table])
    unknown = {
        table: [
            column.name
            for column in rows.tables[table]
            if column.required and column.name not in rows.columns.get(table, ())
        ]
        for table in tables
    }
    return Account(
        read,
        taken,
        rejected,
        duplicates,
        [{"table": t, "file": f, "rows": n} for (t, f), n in sorted(rows.read.items())],
        reasons("rejected"),
        reasons("cells"),
        dict(derived),
        {t: told.get(t, {}).get("found_by_name", 0) for t in tables},
        {t: told.get(t, {}).get("merged", 0) for t in tables},
        unknown,
        dict(written),
        rows.mapping.as_of.isoformat(),
    )
