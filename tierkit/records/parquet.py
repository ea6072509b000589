"""Parquet: what tierkit writes is sealed, and what anybody wrote is read by one reader.

A sealed file bears the SHA-256 of all its other bytes in its footer, so that any bit that changed later
shows, before a page is decoded. Files of others bear none: their pages' checksums are verified where there
are any, and what the footer says of rows is held against what is there.
"""

import hashlib
import mmap
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tierkit.bounds import UnreadableError

__all__ = [
    "PARQUET_OPTIONS",
    "ROW_GROUP",
    "is_sealed",
    "is_sound",
    "is_sound_inside",
    "literal_path",
    "parquet_schemas",
    "parts",
    "read_chunks",
    "read_sealed",
    "read_whole",
    "sealed_writer",
    "verify_seal",
    "write_sealed",
]

ROW_GROUP = 1 << 17
"""Rows in a row group of a Parquet file: fixed, so that the bytes do not depend on the writer."""

PARQUET_OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "version": "2.6",
        "compression": "zstd",
        "compression_level": 3,
        "store_schema": False,  # plain types only: what other tools read is what we read
        "write_page_checksum": True,
    }
)
"""How Parquet is written: no times, no names of machines, every page with its checksum."""

_ERRORS = (pa.ArrowException, OSError, EOFError, ValueError, KeyError, OverflowError, MemoryError)

# Two names, so that no single bit makes a sealed file look like one of somebody else.
_SEALED, _SEAL = b"tierkit.sealed", b"tierkit.sha256"
_BLANK = b"0" * 64
_BEFORE_SEAL = len(_SEAL) + 2  # the name, then the type and the length of the value


@contextmanager
def sealed_writer(
    path: Path, schema: Any, metadata: Mapping[str, str] | None = None, *, store_schema: bool = False
) -> Iterator[Any]:
    """Yield a writer of Parquet whose file gets its seal at the end.

    Parameters
    ----------
    path : Path
    schema : pyarrow.Schema
    metadata : mapping of str to str, optional
        What the file says of itself.
    store_schema : bool
        Whether types that Parquet lacks, categories say, are told beside its own.
    """
    options = {**PARQUET_OPTIONS, "store_schema": store_schema}
    with pq.ParquetWriter(path, schema, **options) as writer:
        yield writer
        own = {_SEALED.decode(): "", _SEAL.decode(): _BLANK.decode()}  # the seal last
        writer.add_key_value_metadata({**(metadata or {}), **own})
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        at = data.rfind(_SEAL) + _BEFORE_SEAL
        data[at : at + len(_BLANK)] = _digest(data, at)


def write_sealed(data: Any, path: Path) -> None:
    """Write a frame or an Arrow table as a sealed file.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> path = Path(tempfile.mkdtemp()) / "scores.parquet"
    >>> write_sealed(pd.DataFrame({"tier": ["T1", "T4"]}), path)
    >>> read_sealed(path)[0].to_pandas()["tier"].tolist()
    ['T1', 'T4']
    >>> damaged = bytearray(path.read_bytes())
    >>> damaged[40] ^= 1
    >>> _ = path.write_bytes(damaged)
    >>> read_sealed(path)
    Traceback (most recent call last):
    ...
    tierkit.bounds.UnreadableError: it was altered after it was written: its SHA-256 differs ...
    """
    table = data if isinstance(data, pa.Table) else pa.Table.from_pandas(data, preserve_index=False)
    with sealed_writer(path, table.schema, store_schema=True) as writer:
        writer.write_table(table, ROW_GROUP)


def is_sealed(path: Path) -> bool:
    """Return whether a file bears a seal, be it a broken one."""
    with _mapped(path) as data:
        return any(data.rfind(mark) >= 0 for mark in (_SEAL, _SEALED))


def is_sound(path: Path) -> bool:
    """Return whether a file is there, sealed and as it was written."""
    try:
        verify_seal(path)
    except (OSError, UnreadableError):
        return False
    return True


def verify_seal(path: Path) -> None:
    """Raise unless each byte of a file is as it was written.

    Raises
    ------
    UnreadableError
        With the column and row group whose page fails, if it is in a page that something changed.
    """
    with _mapped(path) as data:
        at = data.rfind(_SEAL) + _BEFORE_SEAL
        if at >= _BEFORE_SEAL and _digest(data, at) == data[at : at + len(_BLANK)]:
            return
        sealed = at >= _BEFORE_SEAL or data.rfind(_SEALED) >= 0
    if not sealed:
        raise UnreadableError("it bears no seal of tierkit, or was cut off")
    place = _damaged(path) or "no page: its header or footer"
    raise UnreadableError(f"it was altered after it was written: its SHA-256 differs ({place})")


def read_sealed(path: Path) -> tuple[Any, dict[str, str]]:
    """Read a sealed file, once each byte of it is known to be as it was written.

    Returns
    -------
    tuple of pyarrow.Table and dict
        The rows, and what the file says of itself.

    Raises
    ------
    UnreadableError
        If there is no such file, it is not sealed, a bit of it was changed, or what it says is no text.
    """
    verify_seal(path)
    table = read_whole(path)
    said = table.schema.metadata or {}
    own = {key: value for key, value in said.items() if key not in (_SEAL, _SEALED)}
    try:
        told = {key.decode(): value.decode() for key, value in own.items()}
    except UnicodeDecodeError as error:
        raise UnreadableError("what it says of itself is not UTF-8") from error
    return table.replace_schema_metadata(own), told


def is_sound_inside(path: Path, base: Any) -> bool:
    """Return whether DuckDB reads a table too, which refuses some damage that Arrow forgives.

    ``base`` is a connection; to open one takes ten times as long as to look at a table.
    """
    import duckdb

    try:
        for part in parts(path):
            query = "SELECT * FROM read_parquet(?, hive_partitioning = false) LIMIT 1"
            base.execute(query, [literal_path(part)]).fetchall()
    except duckdb.InterruptException:
        raise
    except duckdb.Error:
        return False
    return True


def literal_path(path: Path) -> str:
    """Return a path for DuckDB, which takes one for a pattern.

    Examples
    --------
    >>> literal_path(Path("a[1]*.parquet"))
    'a[[]1][*].parquet'
    """
    return re.sub(r"([*?[])", r"[\1]", str(path))


def parts(path: Path) -> list[Path]:
    """Return the files that a table consists of: the file itself, or what a folder holds, by name.

    Names that begin with a dot or an underscore are notes of other programs (``_SUCCESS``), not parts.

    Raises
    ------
    UnreadableError
        If a folder holds anything else than parts, or none, or the table is a pipe, which may never end.
    """
    if not path.is_dir():
        if path.exists() and not path.is_file():
            raise UnreadableError("it is not a regular file", "Save it as a file, and give that")
        return [path]
    found = sorted(one for one in path.iterdir() if one.name[0] not in "._")
    other = [one.name for one in found if one.suffix != ".parquet" or not one.is_file()]
    if other:
        raise UnreadableError(f"the folder holds {other[0]}, which is no part: parts end in .parquet")
    if not found:
        raise UnreadableError("the folder holds no part: parts end in .parquet")
    return found


def parquet_schemas(path: Path) -> list[Any]:
    """Return the Arrow schema of each file of a table.

    Raises
    ------
    UnreadableError
        If a footer cannot be read.
    """
    schemas = []
    for part in parts(path):
        with _opened(part) as file:
            schemas.append(file.schema_arrow.remove_metadata())
    return schemas


def read_chunks(
    path: Path, rows: int | None = None, levels: Collection[str] = (), columns: list[str] | None = None
) -> Iterator[Any]:
    """Read Parquet as Arrow tables of at most ``rows`` rows, or as one; at least one comes.

    Parameters
    ----------
    path : Path
        A file, or a folder of parts with the same columns, which are read in the order of their names.
    rows : int or None
    levels : collection of str
        Texts of few values, which stay codes and names: that saves most of their memory.
    columns : list of str, optional
        All if absent.

    Raises
    ------
    UnreadableError
        If a file cannot be read to its end, has other rows than its footer says, or parts do not fit.
    """
    files = parts(path)
    if len(files) == 1:
        yield from _chunks(files[0], rows, levels, columns)
        return
    common = _common(path, columns)
    read = (_fit(chunk, common, one) for one in files for chunk in _chunks(one, rows, levels, common.names))
    yield from [pa.concat_tables(read)] if rows is None else read


def read_whole(path: Path, columns: list[str] | None = None) -> Any:
    """Read Parquet as one Arrow table; errors are those of `read_chunks`."""
    (table,) = read_chunks(path, columns=columns)
    return table


def _chunks(
    path: Path, rows: int | None, levels: Collection[str], columns: list[str] | None
) -> Iterator[Any]:
    with _opened(path) as file:
        texts = {one.name for one in file.schema_arrow if _is_text(one.type)}
    named = [name for name in levels if name in texts]
    with _opened(path, named) as file:
        told = file.metadata.num_rows
        held = 0
        try:
            whole = rows is None or told <= rows
            for batch in [file.read(columns)] if whole else file.iter_batches(rows, columns=columns):
                chunk = _without_views(batch if whole else pa.Table.from_batches([batch]))
                chunk.validate(full=True)
                held += chunk.num_rows
                yield chunk
        except _ERRORS as error:
            place = _damaged(path)
            raise UnreadableError(f"{_reason(error)}{f' ({place})' if place else ''}") from error
        if held != told:
            raise UnreadableError(f"its footer tells of {told:,} rows, and it holds {held:,}")


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _without_views(chunk: Any) -> Any:
    """Return a chunk whose texts and bytes are no views, of which Arrow can neither take nor filter rows."""
    schema = pa.schema([one.with_type(_plain(one.type)) for one in chunk.schema], chunk.schema.metadata)
    return chunk if schema.equals(chunk.schema) else chunk.cast(schema)


def _plain(kind: Any) -> Any:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        value = _plain(kind.value_type)
        return kind if value.equals(kind.value_type) else pa.large_list(value)
    plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return plain.get(kind, kind)


@contextmanager
def _opened(path: Path, levels: Iterable[str] = ()) -> Iterator[Any]:
    try:
        file = pq.ParquetFile(path, read_dictionary=list(levels), page_checksum_verification=True)
        _ = file.schema_arrow.names  # which must be text
    except _ERRORS as error:
        raise UnreadableError(_reason(error)) from error
    with file:
        yield file


def _common(path: Path, columns: list[str] | None) -> Any:
    """Return the schema in which all parts can be read, in the order of the first."""
    files, schemas = parts(path), parquet_schemas(path)
    for part, schema in zip(files, schemas, strict=True):
        if sorted(schema.names) != sorted(schemas[0].names):
            other = sorted({*schema.names} ^ {*schemas[0].names})
            differ = ", ".join(other[:3]) or "one is there more than once"
            raise UnreadableError(f"{part.name} has other columns than {files[0].name}: {differ}")
    try:
        common = pa.unify_schemas(schemas, promote_options="permissive")
    except _ERRORS as error:
        raise UnreadableError(f"its parts have types that do not fit: {_reason(error)}") from error
    return pa.schema([one for one in common if columns is None or one.name in columns])


def _fit(chunk: Any, common: Any, path: Path) -> Any:
    """Return a chunk of a part with the columns of all parts."""
    try:
        # levels that are codes stay so
        types = [
            one.type if pa.types.is_dictionary(one.type) else common.field(name).type
            for name, one in ((name, chunk.schema.field(name)) for name in common.names)
        ]
        return chunk.select(common.names).cast(pa.schema(list(zip(common.names, types, strict=True))))
    except _ERRORS as error:
        raise UnreadableError(f"{path.name}: {_reason(error)}") from error


def _damaged(path: Path) -> str:
    """Return the first column and row group that cannot be read; an empty text if all can."""
    with suppress(UnreadableError), _opened(path) as file:
        for number in range(file.num_row_groups):
            for name in dict.fromkeys(file.schema_arrow.names):
                try:
                    file.read_row_group(number, columns=[name])
                except _ERRORS:
                    return f"column {name}, row group {number + 1}"
    return ""


@contextmanager
def _mapped(path: Path) -> Iterator[Any]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
    except UnreadableError:
        raise
    except (OSError, ValueError) as error:  # an empty file cannot be mapped
        raise UnreadableError(_reason(error)) from error


def _digest(data: Any, at: int) -> bytes:
    """Return the SHA-256 of a file whose seal, which begins at ``at``, is blank."""
    with memoryview(data) as view:
        digest = hashlib.sha256(view[:at])
        digest.update(_BLANK)
        digest.update(view[at + len(_BLANK) :])
    return digest.hexdigest().encode()


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
