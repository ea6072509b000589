"""Datasets in memory: tables by name, each with its declared columns and types."""

import html
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tierkit.records.arguments import InputError, described, did_you_mean, ids_of
from tierkit.records.columns import Column, Table
from tierkit.records.places import SHANGHAI, Place, place_names
from tierkit.records.problems import DataError, Problem
from tierkit.records.rows import Rows, cell_problems, check_rows
from tierkit.records.tables import TABLES, tables_of

__all__ = [
    "Dataset",
    "MissingTableError",
    "Tables",
    "arrow_table",
    "conform",
    "empty",
    "frame_of",
    "place_stated",
]


class MissingTableError(KeyError, InputError):
    """A table of the contract that a dataset does not have, and something asks for.

    Parameters
    ----------
    table : str
    """

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table

    def __str__(self) -> str:
        """Say which table is missing, and what to do."""
        return f"The dataset has no table '{self.table}', which this needs. Add it."


class Dataset(Mapping[str, pd.DataFrame]):
    """Tables by name, with the manifest that describes them; the mapping itself is frozen.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Frames by table name.
    manifest : mapping or None
        What is known about the whole: seed, start, ``as_of`` and so on.
    place : Place or None
        The place whose vocabularies the tables use; the one that the manifest names, else Shanghai, if None.

    Examples
    --------
    >>> data = Dataset({"agencies": empty("agencies")}, {"as_of": "2024-12-30"})
    >>> data, data.as_of
    (Dataset(agencies: 0), datetime.date(2024, 12, 30))
    >>> data["agency"]
    Traceback (most recent call last):
        ...
    KeyError: "'agency' is no table; did you mean 'agencies'?"
    """

    __slots__ = ("_manifest", "_place", "_tables")

    def __init__(
        self,
        tables: Mapping[str, pd.DataFrame],
        manifest: Mapping[str, Any] | None = None,
        place: Place | None = None,
    ) -> None:
        ordered = {name: tables[name] for name in TABLES if name in tables}
        self._tables = MappingProxyType(ordered | dict(tables))
        self._manifest = MappingProxyType(dict(manifest or {}))
        given = getattr(tables, "place", None) if place is None else place
        self._place: Place = place_stated(self._manifest) if given is None else given

    def __reduce__(self) -> tuple[type["Dataset"], tuple[Any, ...]]:
        """Support copying and pickling, which a mapping proxy does not."""
        return Dataset, (dict(self._tables), dict(self._manifest), self._place)

    def __getitem__(self, name: str) -> pd.DataFrame:
        try:
            return self._tables[name]
        except KeyError:
            if name in TABLES:
                raise MissingTableError(name) from None
            raise KeyError(f"{name!r} is no table{did_you_mean(name, self._tables)}") from None

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._tables)

    def __getattr__(self, name: str) -> Any:
        hint = f"; read the table as data[{name!r}]" if name in TABLES else ""
        raise AttributeError(f"'Dataset' object has no attribute {name!r}{hint}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __repr__(self) -> str:
        return "Dataset(" + ", ".join(f"{name}: {len(frame):,}" for name, frame in self.items()) + ")"

    @property
    def manifest(self) -> Mapping[str, Any]:
        """What is known about the whole."""
        return self._manifest

    @property
    def as_of(self) -> date | None:
        """The day up to which there are records, if the manifest says."""
        value = self._manifest.get("as_of")
        return None if value is None else date.fromisoformat(str(value))

    def abilities(self, as_of: date | str | None = None) -> Any:
        """Return what can be done with these records, and what is missing for the rest.

        Parameters
        ----------
        as_of : date, optional
            The day as of which models would be trained; the end of the records if absent.

        Returns
        -------
        tierkit.evaluate.Abilities

        Examples
        --------
        >>> from tierkit.records import read_dataset
        >>> read_dataset("data/synthetic").abilities().of("risk").verdict
        'yes'
        """
        import tierkit  # the front door, which finds what this room may not know

        return tierkit.evaluate.abilities(self, as_of)

    def where(self, ids: Iterable[str] | None = None, **columns: Any) -> "Dataset":
        """Return the records of some enterprises, chosen by id or by columns of their table.

        The other tables keep the rows of these enterprises; tables that belong to no enterprise, such as
        ``agencies``, stay whole. Features that look at the whole city (how often a complainant complains)
        see less in the part than in the whole; to have the features or scores of a few, hand their ids to
        the verb and the whole dataset with them.

        Parameters
        ----------
        ids : iterable of str, optional
            Enterprise ids.
        **columns : value or list of values
            Columns of the table ``enterprises``: ``district="minhang"``, ``size=["small", "micro"]``.

        Returns
        -------
        Dataset
            With the same manifest.

        Raises
        ------
        InputError
            If an id, a column or a level is unknown.

        Examples
        --------
        >>> from tierkit.records import read_dataset
        >>> data = read_dataset("data/synthetic")
        >>> food = data.where(sector="food", size=["small", "micro"])
        >>> set(food["inspections"]["enterprise_id"]) <= set(food["enterprises"]["enterprise_id"])
        True
        """
        enterprises = self["enterprises"]
        kept = pd.Series(True, index=enterprises.index)
        if ids is not None:
            wanted = ids_of(ids)
            kept &= enterprises["enterprise_id"].isin(wanted)
            unknown = sorted(set(wanted) - set(enterprises["enterprise_id"]))
            if unknown:
                raise InputError(
                    f"The 'ids' hold {len(unknown):,} that are not in the data, such as {unknown[0]!r}."
                )
        for name, value in columns.items():
            kept &= enterprises[_column(name)].isin(_values(name, value, self._place))
        chosen = set(enterprises.loc[kept, "enterprise_id"])
        tables = {
            name: frame[frame["enterprise_id"].isin(chosen)].reset_index(drop=True)
            for name, frame in self.items()
            if "enterprise_id" in frame
        }
        if "truth_complaints" in self and "complaints" in tables:  # these name their complaint alone
            frame = self["truth_complaints"]
            mine = frame["complaint_id"].isin(tables["complaints"]["complaint_id"])
            tables["truth_complaints"] = frame[mine].reset_index(drop=True)
        return Dataset({**self, **tables}, self._manifest, self._place)

    def labels(self, name: str, lang: str = "zh") -> dict[str, str]:
        """Return the labels of levels, for a figure or a table: what each id of a column means.

        Parameters
        ----------
        name : str
            A column of levels: ``"channel"``, ``"sector"``, ``"agency"``.
        lang : {"zh", "en"}

        Returns
        -------
        dict of str to str

        Raises
        ------
        InputError
            If no column has levels of that name.

        Examples
        --------
        >>> Dataset({}).labels("channel", "zh")["random"]
        '基准抽样'
        """
        levels = self._place.levels
        if name not in levels:
            raise InputError(f"'{name}' has no levels{did_you_mean(name, levels)}")
        return {level: label.text(lang) for level, label in levels[name].items()}

    def _repr_html_(self) -> str:
        rows = []
        for name, frame in self.items():
            spec = TABLES.get(name)
            dates = [column.name for column in spec or () if column.kind == "date" and column.name in frame]
            known = frame[dates[0]].dropna() if dates else frame.iloc[:0]
            between = f"{known.min():%Y-%m-%d} – {known.max():%Y-%m-%d}" if len(known) else ""
            cells = (name, spec.row.zh if spec else "", spec.row.en if spec else "", f"{len(frame):,}",
                     dates[0] if between else "", between)  # fmt: skip
            rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
        head = "".join(f"<th>{one}</th>" for one in ("table", "一行", "a row", "rows", "date", "from – to"))
        until = f" · records until {self.as_of}" if self.as_of else ""
        return f"<p><b>Dataset</b>{until}</p><table><tr>{head}</tr>{''.join(rows)}</table>"

    @property
    def place(self) -> Place:
        """The place whose vocabularies the tables use."""
        return self._place

    def without(self, names: Iterable[str]) -> "Dataset":
        """Return the dataset without some tables, for instance without those that are latent.

        Parameters
        ----------
        names : iterable of str
            Tables of the contract, whether they are there or not, or others that are there.

        Raises
        ------
        InputError
            If it is one name alone, or one is no table.

        Examples
        --------
        >>> "signals" in Dataset({"signals": empty("signals")}).without(["signals"])
        False
        """
        dropped = set(ids_of(names, "names", "names of tables"))
        unknown = sorted(dropped - {*self, *TABLES})
        if unknown:
            raise InputError(f"{unknown[0]!r} is no table{did_you_mean(unknown[0], self)}")
        kept = {name: frame for name, frame in self.items() if name not in dropped}
        return Dataset(kept, self._manifest, self._place)


def _column(name: str) -> str:
    columns = TABLES["enterprises"].columns
    if name not in columns:
        raise InputError(f"'{name}' is no column of 'enterprises'{did_you_mean(name, columns)}")
    return name


def _values(name: str, value: Any, place: Place) -> list[Any]:
    """Return the values that are asked of a column, as a list of levels that there are."""
    values = (
        list(value) if isinstance(value, list | tuple | set | frozenset | pd.Index | pd.Series) else [value]
    )
    levels = tables_of(place)["enterprises"].columns[name].ids
    for one in values if levels else ():
        if one not in levels:
            raise InputError(f"The '{name}' has no level {described(one)}{did_you_mean(one, levels)}")
    return values


class Tables(dict[str, Any]):
    """Tables by name, as frames or Parquet files, that know which place they are of.

    Parameters
    ----------
    tables : mapping of str to DataFrame or Path
    place : Place
    """

    def __init__(self, tables: Mapping[str, Any], place: Place) -> None:
        super().__init__(tables)
        self.place = place


def place_stated(manifest: Mapping[str, Any]) -> Place:
    """Return the place that a manifest names, which must be one that comes with the package; else Shanghai.

    Raises
    ------
    DataError
        If the place does not come with the package, or is not the one that the manifest's hash tells of.
    """
    stated = manifest.get("place")
    if stated is None:
        return SHANGHAI
    name = stated.get("name") if isinstance(stated, Mapping) else None
    if name not in place_names():
        remedy = "Restore its place.toml, or hand the place over"
        raise DataError(
            [Problem("manifest.json", "place", 0, (), f"names the unknown place {name!r}", remedy)]
        )
    place = Place.load(name)
    if isinstance(stated, Mapping) and stated.get("hash", place.hash) != place.hash:
        message = f"names the place '{name}' as it was in another version: its hash differs"
        raise DataError([Problem("manifest.json", "place", 0, (), message, "Make the dataset again")])
    return place


def empty(table: str, place: Place = SHANGHAI) -> pd.DataFrame:
    """Return a frame of the table with its declared columns and types and no rows.

    Examples
    --------
    >>> list(empty("agencies"))
    ['agency', 'name_zh', 'name_en', 'level', 'core', 'capacity']
    """
    return pd.DataFrame(
        {column.name: pd.Series([], dtype=column.dtype) for column in tables_of(place)[table]}
    )


def conform(frame: pd.DataFrame, table: str, place: Place = SHANGHAI) -> pd.DataFrame:
    """Return the frame with the declared columns, in their order, cast to the declared types.

    Absent columns are added empty if they may be empty, and left out if they are optional.

    Parameters
    ----------
    frame : DataFrame, shape (n, columns)
        Any types that can be read as the declared ones: texts for dates, lists for lists, and so on.
    table : str
        Name of the table.
    place : Place
        The place whose levels and ids are allowed.

    Returns
    -------
    DataFrame, shape (n, declared columns)
        With a new index from 0.

    Raises
    ------
    DataError
        If a column is missing or undeclared, or a cell cannot be kept in the declared type: an unknown level,
        say, or no value where there must be one. All are listed. Ranges and dates are left to `validate`.

    Examples
    --------
    >>> frame = pd.DataFrame({"complainant": ["c1"], "professional": ["true"]})
    >>> conform(frame, "truth_complainants").dtypes.tolist()
    [<StringDtype(na_value=nan)>, dtype('bool')]
    """
    return frame_of(_cast(frame, tables_of(place)[table]))


def frame_of(rows: Rows) -> pd.DataFrame:
    """Return checked rows as a frame, in the declared types."""
    columns = {name: _series(cells.array, rows.table.columns[name]) for name, cells in rows.cells.items()}
    return pd.DataFrame(columns, index=pd.RangeIndex(rows.size))


def arrow_table(
    frame: pd.DataFrame,
    table: str,
    place: Place = SHANGHAI,
    as_of: date | None = None,
    *,
    whole: bool = False,
) -> Any:
    """Return the frame, conformed, as an Arrow table with the types of a file.

    With ``whole``, cells must keep their declaration in all, as a reader asks: ranges, forms and days, none
    of which may lie after ``as_of``.

    Raises
    ------
    DataError
        As `conform` does.
    """
    spec = tables_of(place)[table]
    cells = _cast(frame, spec, as_of, whole=whole).cells
    schema = pa.schema([(name, spec.columns[name].arrow_type) for name in cells])
    return pa.table([pc.cast(cells[field.name].array, field.type) for field in schema], schema=schema)


def _cast(frame: pd.DataFrame, spec: Table, as_of: date | None = None, *, whole: bool = False) -> Rows:
    absent = [c for c in spec if c.nullable and c.required and c.name not in frame.columns]
    if absent:
        frame = frame.assign(**{c.name: pd.Series(None, index=frame.index, dtype=c.dtype) for c in absent})
    rows = check_rows(frame, spec, as_of)
    problems = cell_problems(rows, lost_only=not whole)
    if problems:
        raise DataError(problems)
    return rows


def _series(values: Any, column: Column) -> "pd.Series[Any]":
    if column.kind in ("id", "text"):
        data: Any = pd.array(values, dtype=column.dtype)
    elif column.kind == "level":
        data = pd.Categorical.from_codes(_codes(values), dtype=column.dtype)
    elif column.kind == "date":
        data = pc.cast(values, pa.timestamp("us")).to_numpy(zero_copy_only=False)
    elif column.kind in ("texts", "ints"):
        data = pd.arrays.ArrowExtensionArray(values)
    elif column.nullable and column.kind != "float":
        masked: Any = pd.api.types.pandas_dtype(column.dtype)
        data = masked.__from_arrow__(values)
    else:
        data = values.to_numpy(zero_copy_only=False)
    series: pd.Series[Any] = pd.Series(data, dtype=column.dtype)
    return series


def _codes(values: Any) -> Any:
    return pc.fill_null(values.indices, -1).to_numpy(zero_copy_only=False)
