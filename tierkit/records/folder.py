"""Datasets on disk: a folder of tables and a manifest, read and written as a whole."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from tierkit import __version__
from tierkit.bounds import PROBLEMS, CsvBytes, UnreadableError, read_json
from tierkit.folders import flush, whole_folder
from tierkit.records.arguments import instance_of, one_of, path_of
from tierkit.records.columns import Table
from tierkit.records.dataset import Dataset, Tables, arrow_table, frame_of, place_stated
from tierkit.records.files import (
    FORMATS,
    Malformed,
    MalformedRowsError,
    load_file,
    save_file,
    sha256,
)
from tierkit.records.parquet import ROW_GROUP, parquet_schemas
from tierkit.records.places import PLACE_FILE, SHANGHAI, Place
from tierkit.records.problems import DataError, Problem
from tierkit.records.rows import cell_problems, check_rows
from tierkit.records.tables import SCHEMA_VERSION, TABLES, tables_of

__all__ = [
    "MANIFEST",
    "Folder",
    "manifest_text",
    "open_folder",
    "place_of",
    "read_dataset",
    "unreadable",
    "write_dataset",
    "write_tables",
]

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """The content of a folder: the file of each table, manifest and place, and the problems of these.

    The file of a table may be a folder of Parquet parts, as programs that write in parallel leave them.
    """

    root: Path
    files: Mapping[str, Path]
    manifest: Mapping[str, Any]
    problems: tuple[Problem, ...]
    place: Place = SHANGHAI

    @property
    def tables(self) -> Mapping[str, Table]:
        """The tables of the contract, with the levels and ids of the folder's place."""
        return tables_of(self.place)

    @property
    def as_of(self) -> date | None:
        """The day up to which there are records, if the manifest says."""
        return _day(self.manifest.get("as_of"))

    def sha256(self, table: Table) -> str:
        """Return the hash of the file of a table; what is no table, and may be endless, is not read.

        Raises
        ------
        DataError
            If it cannot be read.
        """
        path = self.files[table.name]
        try:
            if path.suffix == ".parquet" or path.is_dir():
                parquet_schemas(path)
            else:
                CsvBytes(path).close()
            return sha256(path)
        except UnreadableError as error:
            raise DataError([unreadable(table, path, error)]) from error

    def load(self, table: Table) -> Any:
        """Read a table as it is.

        Raises
        ------
        DataError
            If its file cannot be read, or is not the one that the manifest lists.
        """
        (data,) = self.chunks(table, rows=None)
        return data

    def chunks(
        self, table: Table, rows: int | None, malformed: list[Malformed] | None = None
    ) -> Iterator[Any]:
        """Read a table as it is, so many rows at a time, at least once; errors are those of `load`.

        Rows of a CSV with another number of fields than its header are an error, or are left out and added
        to ``malformed`` if that is given.
        """
        path = self.files[table.name]
        listed = self.manifest.get("tables", {}).get(table.name, {}).get("sha256")
        try:
            if listed is not None and sha256(path) != listed:
                message = f"{path.name} is not the file that the manifest lists: its SHA-256 differs"
                remedy = (
                    f"Restore the file or make the dataset again; or take {MANIFEST} away, and the tables "
                    "are your own: no day is known then up to which there are records, and simulate has no "
                    "city"
                )
                raise DataError([Problem(table.name, "", 0, (), message, remedy)])
            yield from load_file(path, table, rows, malformed)
        except MalformedRowsError as error:
            message = f"{path.name} has rows with another number of fields than its header"
            remedy = 'Give each row all its fields, and put "" around a text that holds a comma'
            examples = tuple(f"row {one.row}: {one}" for one in error.rows[:3])
            raise DataError([Problem(table.name, "", len(error.rows), examples, message, remedy)]) from error
        except UnreadableError as error:
            raise DataError([unreadable(table, path, error)]) from error

    def read(self, table: Table) -> pd.DataFrame:
        """Read a table, cast to its declared types.

        Raises
        ------
        DataError
            As `load` does, or with all cells that break their declaration.
        """
        rows = check_rows(self.load(table), table, self.as_of)
        problems = cell_problems(rows)
        if problems:
            raise DataError(problems)
        return frame_of(rows)

    def check(self, table: Table) -> None:
        """Read a table as `read` does, and keep nothing of it.

        Raises
        ------
        DataError
            If its file cannot be read to its end or is not the one that the manifest lists, or cells break
            their declaration: those of the first rows that do.
        """
        size = 0
        for chunk in self.chunks(table, ROW_GROUP):
            problems = cell_problems(check_rows(chunk, table, self.as_of), before=size)
            if problems:
                raise DataError(problems)
            size += chunk.num_rows


def unreadable(table: Table, path: Path, error: UnreadableError) -> Problem:
    """Return the problem of a file that cannot be read."""
    message = f"{path.name} cannot be read: {error}"
    again = "Copy or make the file again; a CSV must be in UTF-8, with one header line"
    return Problem(table.name, "", 0, (), message, error.remedy or again)


def open_folder(folder: str | os.PathLike[str], stated: Mapping[str, Any] | None = None) -> Folder:
    """List the tables of a folder and read its manifest; problems are returned, not raised.

    Parameters
    ----------
    folder : path
    stated : mapping, optional
        What to take for its manifest, whatever it has.
    """
    root = Path(folder)
    if not root.is_dir():
        missing = Problem("", "", 0, (), f"{root} is not a folder", "Give the folder that holds the tables")
        return Folder(root, {}, {}, (missing,))
    problems = []
    files: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        suffix = next((f".{s}" for s in FORMATS if path.name.endswith(f".{s}")), None)
        if suffix is None and path.name in TABLES and path.is_dir():
            suffix = ""  # a folder of parts
        if suffix is None or path.name.startswith("."):
            continue
        name = path.name.removesuffix(suffix)
        if name not in TABLES:
            remedy = f"Move {path.name} elsewhere, or rename it; the tables are {', '.join(TABLES)}"
            problems.append(Problem(name, "", 0, (), "is not a declared table", remedy))
        elif name in files:
            message = f"is there twice, as {files[name].name} and as {path.name}"
            problems.append(Problem(name, "", 0, (), message, "Keep one of them"))
        else:
            files[name] = path
    manifest, wrong = _read_manifest(root / MANIFEST) if stated is None else (dict(stated), [])
    for name, entry in manifest.get("tables", {}).items():
        if name not in files:
            remedy = "Restore the file, or make the dataset again"
            problems.append(
                Problem(name, "", 0, (), f"{entry.get('file', name)} is listed but missing", remedy)
            )
    try:
        place = _read_place(root, manifest)
    except DataError as error:
        return Folder(root, files, manifest, (*problems, *wrong, *error.problems))
    return Folder(root, files, manifest, (*problems, *wrong), place)


def _read_place(root: Path, manifest: Mapping[str, Any]) -> Place:
    """Return the place of a folder: that of its ``place.toml``, if its manifest names it, or as named."""
    path = root / PLACE_FILE
    if not path.exists():
        return place_stated(manifest)
    try:
        place = Place.load(path)
    except DataError as error:  # one that cannot be read is told by its path
        raise DataError([replace(one, table=PLACE_FILE) for one in error.problems]) from error
    stated = manifest.get("place", place.stated())
    if stated != place.stated():
        message = f"is not the place that {MANIFEST} names: its name or hash differs"
        raise DataError([Problem(PLACE_FILE, "", 0, (), message, "Restore it, or make the dataset again")])
    return place


def place_of(data: Mapping[str, Any] | str | os.PathLike[str]) -> Place:
    """Return the place of a dataset, however it is given; tables that name none are Shanghai's.

    Raises
    ------
    DataError
        If the place of a folder cannot be read.

    Examples
    --------
    >>> place_of(Dataset({})).name
    'shanghai'
    """
    if isinstance(data, Dataset | Tables):
        return data.place
    if isinstance(data, Mapping):
        return SHANGHAI
    return _read_place(Path(data), _read_manifest(Path(data) / MANIFEST)[0])


def read_dataset(folder: str | os.PathLike[str], tables: Iterable[str] | None = None) -> Dataset:
    """Read the tables of a folder, all of them or those named, cast to their declared types.

    Every file is held against the manifest, and every cell against its column's declaration. What concerns
    more than one cell (keys, references, the order of dates) is left to `validate`.

    Parameters
    ----------
    folder : path
        Folder with one ``.parquet``, ``.csv`` or ``.csv.gz`` file a table and perhaps ``manifest.json``. A
        folder ``TABLE`` or ``TABLE.parquet`` that holds nothing but ``.parquet`` files with the same columns
        is a table, too: its rows are those of its files, in the order of their names.
    tables : iterable of str or None
        Names of the tables to read; they must be there.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If a table is missing, altered or unreadable, or a cell breaks its declaration; all are listed.
    InputError
        If the folder is no path.

    Examples
    --------
    >>> import tierkit as tk
    >>> data = tk.read("data/synthetic")
    >>> len(data["enterprises"]), data.as_of
    (2000, datetime.date(2024, 12, 30))
    """
    found = open_folder(path_of(folder, "folder"))
    wanted = list(found.files) if tables is None else list(dict.fromkeys(tables))
    needed = [t.name for t in TABLES.values() if t.required] if tables is None else wanted
    problems = [p for p in found.problems if tables is None or p.table in ("", MANIFEST, PLACE_FILE, *wanted)]
    if found.root.is_dir():
        problems += missing_tables(found.files, needed)
    frames = {}
    for name in TABLES:
        if name in wanted and name in found.files:
            try:
                frames[name] = found.read(found.tables[name])
            except DataError as error:
                problems += error.problems
    if problems:
        raise DataError(problems)
    return Dataset(frames, found.manifest, found.place)


def write_dataset(dataset: Dataset, folder: str | os.PathLike[str], format: str = "parquet") -> Path:
    """Write all tables and the manifest, completely or not at all.

    The folder appears whole, and takes the place of an earlier dataset. Equal datasets give equal bytes.

    Parameters
    ----------
    dataset : Dataset
        Tables and manifest; file names, rows and hashes of tables are added to the manifest.
    folder : path
        Folder to write to: a new or empty one, or one that holds a dataset of tierkit's and nothing else.
    format : {"parquet", "csv", "csv.gz"}
        Format of the tables.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If a table is not declared or does not conform, or a cell is one that `read_dataset` refuses; all are
        listed, and nothing is written then.
    ValueError
        If there is no such format, another run is writing the folder, or it holds what is not to be replaced.

    Examples
    --------
    >>> import tempfile
    >>> import tierkit as tk
    >>> data = tk.read("data/synthetic")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = tk.read(tk.write(data, f"{folder}/copy"))
    >>> again["items"].equals(data["items"])
    True
    """
    instance_of(dataset, Dataset, "dataset", "a Dataset")
    root = path_of(folder, "folder")
    one_of(format, FORMATS, "format")
    with whole_folder(root, "dataset") as draft:
        write_tables(dataset, draft, format)
    return root


def write_tables(dataset: Dataset, folder: Path, format: str = "parquet") -> None:
    """Write all tables and the manifest into an empty folder, as `write_dataset` does.

    Raises
    ------
    DataError
        If a table is not declared or does not conform, or a cell is one that `read_dataset` refuses.
    """
    unknown = [name for name in dataset if name not in TABLES]
    if unknown:
        remedy = f"Leave it out; the tables are {', '.join(TABLES)}"
        raise DataError(Problem(name, "", 0, (), "is not a declared table", remedy) for name in unknown)
    listed: dict[str, Any] = {}
    problems: list[Problem] = []
    for name in TABLES:
        if name in dataset:
            path = folder / f"{name}.{format}"
            try:
                data = arrow_table(dataset[name], name, dataset.place, dataset.as_of, whole=True)
            except DataError as error:
                problems += error.problems
            if problems:
                continue
            save_file(data, TABLES[name], path, format)
            flush(path)
            listed[name] = {"file": path.name, "rows": data.num_rows, "sha256": sha256(path)}
    if problems:
        raise DataError(problems)
    if not dataset.place.bundled:
        (folder / PLACE_FILE).write_text(dataset.place.to_toml(), encoding="utf-8")
    text = manifest_text(dataset.manifest, dataset.place, listed)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def manifest_text(stated: Mapping[str, Any], place: Place, listed: Mapping[str, Any]) -> str:
    """Return a manifest as JSON: what is stated of the whole, its place, and its tables with their hashes."""
    head = {"tierkit": __version__, "schema": SCHEMA_VERSION}
    rest = {key: value for key, value in stated.items() if key not in (*head, "tables")}
    told = {**head, **rest, "place": place.stated(), "tables": listed}
    return json.dumps(told, ensure_ascii=False, indent=2) + "\n"


def missing_tables(there: Iterable[str], needed: Iterable[str]) -> list[Problem]:
    """Return one problem for each table that is needed and not there."""
    return [
        Problem(
            name, "", 0, (), "is a table that is missing", f"Add {name}.parquet, {name}.csv or {name}.csv.gz"
        )
        for name in needed
        if name not in set(there)
    ]


def _read_manifest(path: Path) -> tuple[dict[str, Any], list[Problem]]:
    def wrong(message: str, remedy: str) -> tuple[dict[str, Any], list[Problem]]:
        return {}, [Problem(MANIFEST, "", 0, (), message, remedy)]

    restore = "Restore it, or take it away if the tables are your own"
    if not path.exists():
        return {}, []
    try:
        manifest = read_json(path)
    except (OSError, UnreadableError) as error:
        return wrong(f"cannot be read: {error}", restore)
    tables = manifest.get("tables", {}) if isinstance(manifest, dict) else None
    if not isinstance(tables, dict) or not all(isinstance(entry, dict) for entry in tables.values()):
        return wrong("is not a manifest", restore)
    if len(tables) > PROBLEMS:
        return wrong(f"lists {len(tables):,} tables", restore)
    version = manifest.get("schema", SCHEMA_VERSION)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        return wrong(
            f"is of schema version {version!r}; this tierkit reads {SCHEMA_VERSION}", "Update tierkit"
        )
    for key in ("start", "as_of"):
        if manifest.get(key) is not None and _day(manifest[key]) is None:
            return wrong(f"has the {key} {manifest[key]!r}, which is not a date", "Write it as YYYY-MM-DD")
    return manifest, []


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
