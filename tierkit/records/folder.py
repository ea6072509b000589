"""Datasets on disk: a folder of tables and a manifest, read and written as a whole."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tierkit import __version__
from tierkit.records.arguments import instance_of, one_of, path_of
from tierkit.records.columns import Table
from tierkit.records.dataset import Dataset, Tables, arrow_table, frame_of, place_stated
from tierkit.records.files import (
    FORMATS,
    Malformed,
    MalformedRowsError,
    UnreadableError,
    flush,
    load_file,
    replacing,
    save_file,
    sha256,
)
from tierkit.records.places import PLACE_FILE, SHANGHAI, Place
from tierkit.records.problems import DataError, Problem
from tierkit.records.rows import cell_problems, check_rows
from tierkit.records.tables import SCHEMA_VERSION, TABLES, tables_of

__all__ = ["MANIFEST", "Folder", "open_folder", "place_of", "read_dataset", "write_dataset"]

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """The content of a folder: the file of each table, manifest and place, and the problems of these."""

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
        if listed is not None and sha256(path) != listed:
            message = f"{path.name} is not the file that the manifest lists: its SHA-256 differs"
            remedy = (
                f"Restore the file or make the dataset again; or take {MANIFEST} away, and the tables are "
                "your own: no day is known then up to which there are records, and simulate has no city"
            )
            raise DataError([Problem(table.name, "", 0, (), message, remedy)])
        try:
            yield from load_file(path, table, rows, malformed)
        except MalformedRowsError as error:
            message = f"{path.name} has rows with another number of fields than its header"
            remedy = 'Give each row all its fields, and put "" around a text that holds a comma'
            examples = tuple(f"row {one.row}: {one}" for one in error.rows[:3])
            raise DataError([Problem(table.name, "", len(error.rows), examples, message, remedy)]) from error
        except UnreadableError as error:
            message = f"{path.name} cannot be read: {error}"
            remedy = "Copy or make the file again; a CSV must be in UTF-8, with one header line"
            raise DataError([Problem(table.name, "", 0, (), message, remedy)]) from error


def open_folder(folder: str | os.PathLike[str]) -> Folder:
    """List the tables of a folder and read its manifest; problems are returned, not raised."""
    root = Path(folder)
    if not root.is_dir():
        missing = Problem("", "", 0, (), f"{root} is not a folder", "Give the folder that holds the tables")
        return Folder(root, {}, {}, (missing,))
    problems = []
    files: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        suffix = next((s for s in FORMATS if path.name.endswith(f".{s}")), None)
        if suffix is None or path.name.startswith("."):
            continue
        name = path.name.removesuffix(f".{suffix}")
        if name not in TABLES:
            remedy = f"Move {path.name} elsewhere, or rename it; the tables are {', '.join(TABLES)}"
            problems.append(Problem(name, "", 0, (), "is not a declared table", remedy))
        elif name in files:
            message = f"is there twice, as {files[name].name} and as {path.name}"
            problems.append(Problem(name, "", 0, (), message, "Keep one of them"))
        else:
            files[name] = path
    manifest, wrong = _read_manifest(root / MANIFEST)
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
    place = Place.load(path)
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
        Folder with one ``.parquet``, ``.csv`` or ``.csv.gz`` file a table and perhaps ``manifest.json``.
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
                rows = check_rows(found.load(found.tables[name]), found.tables[name], found.as_of)
            except DataError as error:
                problems += error.problems
                continue
            problems += cell_problems(rows)
            if not problems:
                frames[name] = frame_of(rows)
    if problems:
        raise DataError(problems)
    return Dataset(frames, found.manifest, found.place)


def write_dataset(dataset: Dataset, folder: str | os.PathLike[str], format: str = "parquet") -> Path:
    """Write all tables and the manifest, completely or not at all.

    Files are written under temporary names and renamed when all are done, the manifest last but one and the
    enterprises last. So a folder that a crash left half renamed lacks its enterprises, or does not match its
    manifest, and is refused. Tables of an earlier dataset that this one has not are removed. Equal datasets
    give equal bytes.

    Parameters
    ----------
    dataset : Dataset
        Tables and manifest; file names, rows and hashes of tables are added to the manifest.
    folder : path
        Folder to write to; made if it is not there.
    format : {"parquet", "csv", "csv.gz"}
        Format of the tables.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        If a table is not declared or does not conform; nothing is written then.
    ValueError
        If there is no such format.

    Examples
    --------
    >>> import tempfile
    >>> import tierkit as tk
    >>> data = tk.read("data/synthetic")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = tk.read(tk.write(data, folder))
    >>> again["items"].equals(data["items"])
    True
    """
    instance_of(dataset, Dataset, "dataset", "a Dataset")
    root = path_of(folder, "folder")
    one_of(format, FORMATS, "format")
    unknown = [name for name in dataset if name not in TABLES]
    if unknown:
        remedy = f"Leave it out; the tables are {', '.join(TABLES)}"
        raise DataError(Problem(name, "", 0, (), "is not a declared table", remedy) for name in unknown)
    root.mkdir(parents=True, exist_ok=True)
    listed: dict[str, Any] = {}
    first = root / f"enterprises.{format}"
    with ExitStack() as stack:  # what is entered first is renamed last
        last = stack.enter_context(replacing(first)) if "enterprises" in dataset else first
        manifest = stack.enter_context(replacing(root / MANIFEST))
        for name in TABLES:
            if name in dataset:
                path = root / f"{name}.{format}"
                temporary = last if path == first else stack.enter_context(replacing(path))
                data = arrow_table(dataset[name], name, dataset.place)
                save_file(data, TABLES[name], temporary, format)
                flush(temporary)
                listed[name] = {"file": path.name, "rows": data.num_rows, "sha256": sha256(temporary)}
        head = {"tierkit": __version__, "schema": SCHEMA_VERSION}
        rest = {key: value for key, value in dataset.manifest.items() if key not in (*head, "tables")}
        rest["place"] = dataset.place.stated()
        if not dataset.place.bundled:
            carried = stack.enter_context(replacing(root / PLACE_FILE))
            carried.write_text(dataset.place.to_toml(), encoding="utf-8")
        text = json.dumps({**head, **rest, "tables": listed}, ensure_ascii=False, indent=2)
        manifest.write_text(text + "\n", encoding="utf-8")
        kept = {entry["file"] for entry in listed.values()}
        if not (root / MANIFEST).exists():
            kept -= {first.name}  # nothing else would tell that what is there now is being replaced
        if dataset.place.bundled:
            (root / PLACE_FILE).unlink(missing_ok=True)  # of an earlier dataset of another place
        for old in (f"{name}.{other}" for name in TABLES for other in FORMATS):
            if old not in kept:
                (root / old).unlink(missing_ok=True)
    return root


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

    if not path.exists():
        return {}, []
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return wrong(f"cannot be read: {error}", "Restore it, or take it away if the tables are your own")
    tables = manifest.get("tables", {}) if isinstance(manifest, dict) else None
    if not isinstance(tables, dict) or not all(isinstance(entry, dict) for entry in tables.values()):
        return wrong("is not a manifest", "Restore it, or take it away if the tables are your own")
    version = manifest.get("schema", SCHEMA_VERSION)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        return wrong(
            f"is of schema version {version!r}; this tierkit reads {SCHEMA_VERSION}", "Update tierkit"
        )
    if manifest.get("as_of") is not None and _day(manifest["as_of"]) is None:
        return wrong(f"has the as_of {manifest['as_of']!r}, which is not a date", "Write it as YYYY-MM-DD")
    return manifest, []


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
