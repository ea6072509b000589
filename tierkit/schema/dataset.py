"""Datasets in memory and on disk: read, write whole or not at all, the same bytes each time."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tierkit import __version__
from tierkit.schema.columns import Column, Table
from tierkit.schema.tables import SCHEMA_VERSION, TABLES

__all__ = ["Dataset", "conform", "empty", "read_dataset", "write_dataset"]


class Dataset(Mapping[str, pd.DataFrame]):
    """Tables by name, with the manifest that describes them; the mapping itself is frozen.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Frames by table name.
    manifest : mapping or None
        What is known about the whole: seed, start, ``as_of`` and so on.
    """

    __slots__ = ("_manifest", "_tables")

    def __init__(self, tables: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any] | None = None) -> None:
        self._tables = MappingProxyType(
            {name: tables[name] for name in TABLES if name in tables} | dict(tables)
        )
        self._manifest = MappingProxyType(dict(manifest or {}))

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return the frame of a table."""
        return self._tables[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over table names in the schema's order."""
        return iter(self._tables)

    def __len__(self) -> int:
        """Return the number of tables."""
        return len(self._tables)

    def __repr__(self) -> str:
        """Show the number of rows of each table."""
        return "Dataset(" + ", ".join(f"{name}: {len(frame):,}" for name, frame in self.items()) + ")"

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What is known about the whole."""
        return self._manifest

    @property
    def as_of(self) -> pd.Timestamp | None:
        """The date on which the records were taken, if the manifest says."""
        value = self._manifest.get("as_of")
        return None if value is None else pd.Timestamp(value)

    def without(self, names: Iterable[str]) -> "Dataset":
        """Return the dataset without some tables, for instance without ``truth``."""
        drop = set(names)
        return Dataset({n: f for n, f in self.items() if n not in drop}, self._manifest)


def empty(table: str) -> pd.DataFrame:
    """Return a frame of the table with its declared columns and types and no rows.

    Examples
    --------
    >>> list(empty("agencies"))
    ['agency', 'name_zh', 'name_en', 'level', 'core', 'capacity']
    """
    return pd.DataFrame({c.name: pd.Series([], dtype=c.dtype) for c in TABLES[table]})


def conform(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return the frame with the declared columns, in their order, cast to the declared types.

    Columns that may be missing and are absent come back empty (required ones) or stay away.
    """
    spec = TABLES[table]
    out: dict[str, pd.Series] = {}
    for column in spec:
        if column.name in frame:
            out[column.name] = _cast(frame[column.name], column)
        elif column.required:
            out[column.name] = pd.Series([None] * len(frame), dtype=column.dtype)
    return pd.DataFrame(out).reset_index(drop=True)


def _cast(values: pd.Series, column: Column) -> pd.Series:
    dtype = column.dtype
    if values.dtype == dtype:
        return values.reset_index(drop=True)
    if column.kind == "level":
        cast = pd.Series(pd.Categorical(values, dtype=dtype))
        unknown = cast.isna().to_numpy() & values.notna().to_numpy()
        if unknown.any():
            raise ValueError(
                f"'{column.name}' holds {values[unknown].iloc[0]!r}, which is not a declared level"
            )
        return cast
    if column.kind == "date":
        return pd.to_datetime(values).astype(dtype).reset_index(drop=True)
    if column.kind in ("texts", "ints"):
        return pd.Series(pa.array(list(values), type=column.arrow_type), dtype=dtype)
    return values.astype(dtype).reset_index(drop=True)


def _to_arrow(frame: pd.DataFrame, table: Table) -> Any:
    columns = [c for c in table if c.name in frame]
    arrays = []
    for column in columns:
        values = frame[column.name]
        if column.kind == "level":
            values = values.astype(object)
        arrays.append(pa.Array.from_pandas(values, type=column.arrow_type))
    return pa.Table.from_arrays(arrays, schema=pa.schema([(c.name, c.arrow_type) for c in columns]))


def _from_arrow(data: Any, table: Table) -> pd.DataFrame:
    out: dict[str, pd.Series] = {}
    for column in table:
        if column.name in data.column_names:
            values = data.column(column.name)
            if isinstance(column.dtype, pd.api.extensions.ExtensionDtype) and column.kind in ("int", "flag"):
                out[column.name] = pd.Series(column.dtype.__from_arrow__(values))  # type: ignore[attr-defined]
            elif column.kind in ("texts", "ints"):
                out[column.name] = pd.Series(values, dtype=column.dtype)
            elif column.kind == "date":
                out[column.name] = values.to_pandas(date_as_object=False).astype(column.dtype)
            else:
                out[column.name] = _cast(values.to_pandas(), column)
    return pd.DataFrame(out)


def read_dataset(folder: str | os.PathLike[str], tables: Iterable[str] | None = None) -> Dataset:
    """Read the tables of a folder, all of them or those named."""
    root = Path(folder)
    names = list(TABLES) if tables is None else list(tables)
    manifest_path = root / "manifest.json"
    manifest = json.loads(manifest_path.read_text("utf-8")) if manifest_path.exists() else {}
    frames = {
        name: _from_arrow(pq.read_table(root / f"{name}.parquet"), TABLES[name])
        for name in names
        if (root / f"{name}.parquet").exists()
    }
    return Dataset(frames, manifest)


def write_dataset(dataset: Dataset, folder: str | os.PathLike[str], format: str = "parquet") -> Path:
    """Write all tables and then the manifest, each under a temporary name first."""
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    listed: dict[str, Any] = {}
    for name, frame in dataset.items():
        data = _to_arrow(conform(frame, name), TABLES[name])
        path = root / f"{name}.{format}"
        handle, temporary = tempfile.mkstemp(prefix=f".{name}-", dir=root)
        os.close(handle)
        pq.write_table(
            data,
            temporary,
            row_group_size=1 << 17,
            compression="zstd",
            compression_level=3,
            store_schema=False,
        )
        digest = hashlib.sha256(Path(temporary).read_bytes()).hexdigest()
        os.replace(temporary, path)
        listed[name] = {"file": path.name, "rows": len(frame), "sha256": digest}
    manifest = {"tierkit": __version__, "schema": SCHEMA_VERSION, **dataset.manifest, "tables": listed}
    (root / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return root
