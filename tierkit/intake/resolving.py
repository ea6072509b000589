"""From the rows of all sources to those of the contract: codes by name, duplicates told, relations held.

Every row that was read ends in one of three places: it is taken, it is set aside with a reason, or it repeats
another. Nothing here depends on the order of rows or files.
"""

from __future__ import annotations

from tierkit.intake.mapping import Source
from tierkit.intake.staging import Staging, defaults
from tierkit.records.columns import Column, Table

__all__ = ["resolve"]

_WORST = ("finding", "severity", "disposition")
"""Columns of levels of which the worst counts where rows of one key differ and the mapping says so."""

_VISIT = ("enterprise_id", "inspected_on", "agency")
"""What makes a visit one."""
_WHERE = "_file, _line"


def resolve(staging: Staging) -> dict[str, dict[str, int]]:
    """Make a table ``out_NAME`` of each table that has sources.

    Returns
    -------
    dict of str to dict of str to int
        By table: ``found_by_name``, rows whose code was found; ``merged``, keys whose rows differed.
    """
    told: dict[str, dict[str, int]] = {}
    for name, sources in staging.mapping.tables().items():
        table = staging.tables[name]
        told[name] = {}
        if name != "enterprises":
            told[name]["found_by_name"] = _codes(staging, name)
            _known(staging, name, table)
            _ids(staging, name, sources[0], table)
        else:
            _set_aside(staging, name, "enterprise_id", "NULL", "has no code", "enterprise_id IS NULL")
        told[name]["merged"] = _duplicates(staging, name, table, sources)
        _empty_cells(staging, name, sources)
        _relations(staging, name, table)
        if name == "enterprises":
            _names(staging)
    return told


def _empty_cells(staging: Staging, name: str, sources: list[Source]) -> None:
    """Give empty cells the value that the mapping has for them, once rows of one key are one."""
    for column, value in defaults(sources).items():
        staging.sql(f"UPDATE out_{name} SET {column} = {_quoted(value)} WHERE {column} IS NULL")


def _set_aside(
    staging: Staging, name: str, column: str, value: str, why: str, condition: str, of: str = "in_"
) -> None:
    """Move rows that meet a condition to those that are rejected."""
    staging.sql(
        f"INSERT INTO rejected SELECT '{name}', _file, _line, '{column}', {value}, {_quoted(why)} "
        f"FROM {of}{name} WHERE {condition}"
    )
    staging.sql(f"DELETE FROM {of}{name} WHERE {condition}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _names(staging: Staging) -> None:
    """List each name of the register with its code, if one enterprise alone has it."""
    has = "_name_key" if "name" in staging.columns["enterprises"] else "NULL::VARCHAR"
    staging.sql(
        f"CREATE TABLE register AS SELECT {has} AS k, min(enterprise_id) AS id, count(DISTINCT "
        f"enterprise_id) AS n "
        f"FROM out_enterprises WHERE {has} IS NOT NULL GROUP BY ALL"
    )


def _codes(staging: Staging, name: str) -> int:
    """Give rows without a code the one of the only enterprise of their name; the others are rejected."""
    staging.sql(
        f"UPDATE in_{name} SET enterprise_id = register.id, _found = true FROM register "
        f"WHERE enterprise_id IS NULL AND _name_key = register.k AND register.n = 1"
        if _add_found(staging, name)
        else "SELECT 1"
    )
    found: int = staging.sql(f"SELECT count(*) FROM in_{name} WHERE _found")[0][0]
    none = "has no code, and no name by which to find it"
    _set_aside(staging, name, "enterprise_id", "NULL", none, "enterprise_id IS NULL AND _name_key IS NULL")
    many = "has no code, and several enterprises of the register have its name"
    twice = "enterprise_id IS NULL AND _name_key IN (SELECT k FROM register WHERE n > 1)"
    _set_aside(staging, name, "enterprise_id", "_name_key", many, twice)
    nobody = "has no code, and no enterprise of the register has its name"
    _set_aside(staging, name, "enterprise_id", "_name_key", nobody, "enterprise_id IS NULL")
    return found


def _add_found(staging: Staging, name: str) -> bool:
    staging.sql(f"ALTER TABLE in_{name} ADD COLUMN _found BOOLEAN DEFAULT false")
    if "enterprise_id" not in staging.columns[name]:
        staging.sql(f"ALTER TABLE in_{name} ADD COLUMN enterprise_id VARCHAR")
        staging.columns[name].append("enterprise_id")
    return True


def _known(staging: Staging, name: str, table: Table) -> None:
    """Reject rows of enterprises that are not in the register, and of days before they were."""
    nobody = "enterprise_id NOT IN (SELECT enterprise_id FROM out_enterprises)"
    why = "is of an enterprise that is not in the register"
    _set_aside(staging, name, "enterprise_id", "enterprise_id", why, nobody)
    day = table.happens_on
    if day in staging.columns[name] and "registered_on" in staging.columns["enterprises"]:
        early = (
            f"{day} < (SELECT e.registered_on FROM out_enterprises e WHERE e.enterprise_id = "
            f"in_{name}.enterprise_id)"
        )
        why = "lies before the registration of the enterprise"
        _set_aside(staging, name, day, f"{day}::VARCHAR", why, early)


def _ids(staging: Staging, name: str, source: Source, table: Table) -> None:
    """Make the ids that the mapping derives from what a row says."""
    derived = {
        field.name: field.derived
        for one in staging.mapping.tables()[name]
        for field in one.fields.values()
        if field.derived
    }
    said = [column for column in table.columns if column in staging.columns[name]]
    for column, how in derived.items():
        if how == "content":
            parts = ", ".join(f"coalesce({one}::VARCHAR, '')" for one in said)
            made = f"'{name[0].upper()}-' || md5(concat_ws(chr(31), {parts}))[:20]"
        elif how == "visit":  # a check of its own is of one class of items
            of = (*_VISIT, "item_class") if column == table.key[0] else _VISIT
            parts = ", ".join(f"coalesce({one}::VARCHAR, '')" for one in of if one in said)
            made = f"'V-' || md5(concat_ws(chr(31), {parts}))[:20]"
        else:
            continue
        if column not in staging.columns[name]:
            staging.sql(f"ALTER TABLE in_{name} ADD COLUMN {column} VARCHAR")
            staging.columns[name].append(column)
        only = [
            k
            for k, one in enumerate(staging.mapping.sources)
            if one.table == name and column in one.fields and one.fields[column].derived
        ]
        staging.sql(
            f"UPDATE in_{name} SET {column} = {made} WHERE {column} IS NULL AND _source IN "
            f"({', '.join(map(str, only))})"
        )


def _duplicates(staging: Staging, name: str, table: Table, sources: list[Source]) -> int:
    """Make ``out_NAME`` of one row for each key; return how many keys had rows that differ."""
    columns = staging.columns[name]
    key = [one for one in table.key if one in columns]
    keys = ", ".join(key)
    way = sources[0].duplicates
    own = [one for one in columns if one not in key]
    more = ["_name_key"]
    staging.sql(f"CREATE TABLE twice AS SELECT {keys} FROM in_{name} GROUP BY {keys} HAVING count(*) > 1")
    same = " AND ".join(f"t.{one} IS NOT DISTINCT FROM i.{one}" for one in key)
    picked = ", ".join(f"i.{one}" for one in (*key, *own, *more))
    staging.sql(f"CREATE TABLE again AS SELECT i.* FROM in_{name} i SEMI JOIN twice t ON {same}")
    staging.sql(
        f"CREATE TABLE out_{name} AS SELECT {picked}, i._file, i._line FROM in_{name} i ANTI JOIN "
        f"twice t ON {same}"
    )
    differ, merged = _differing(staging, keys, own)
    if way == "newest":
        by = sources[0].newest_by
        order = ", ".join([f"{by} DESC NULLS LAST", *(f"{one} NULLS LAST" for one in own), _WHERE])
        staging.sql(
            f"CREATE TABLE kept AS SELECT * FROM again QUALIFY row_number() OVER (PARTITION BY "
            f"{keys} ORDER BY {order}) = 1"
        )
    else:
        lost = _contradictions(table, differ, way)
        for column in lost:
            why = f"contradicts another row of the same {' × '.join(key)}"
            condition = (
                f"({keys}) IN (SELECT ({keys}) FROM again GROUP BY {keys} HAVING "
                f"count(DISTINCT {column}) > 1)"
            )
            staging.sql(
                f"INSERT INTO rejected SELECT '{name}', _file, _line, '{column}', "
                f"{column}::VARCHAR, {_quoted(why)} "
                f"FROM again WHERE {condition}"
            )
            staging.sql(f"DELETE FROM again WHERE {condition}")
        _merge(staging, name, table, key, own, differ, way)
    rest = ", ".join((*key, *own, *more))
    staging.sql(
        f"INSERT INTO duplicates SELECT '{name}', i._file, i._line, '{key[0]}', i.{key[0]}, "
        f"'repeats row ' || k._line || ' of ' || k._file FROM again i JOIN kept k ON "
        + " AND ".join(f"i.{one} IS NOT DISTINCT FROM k.{one}" for one in key)
        + " WHERE i._file <> k._file OR i._line <> k._line"
    )
    staging.sql(f"INSERT INTO out_{name} SELECT {rest}, _file, _line FROM kept")
    for one in ("twice", "again", "kept"):
        staging.sql(f"DROP TABLE {one}")
    staging.sql(f"DROP TABLE in_{name}")
    return merged


def _differing(staging: Staging, keys: str, own: list[str]) -> tuple[list[str], int]:
    """Return the columns in which rows of one key differ, and how many keys have such rows."""
    each = ", ".join(f"count(DISTINCT {one}) > 1 AS _d{k}" for k, one in enumerate(own))
    counts = ", ".join(f"count_if(_d{k})" for k in range(len(own)))
    some = " OR ".join(f"_d{k}" for k in range(len(own)))
    (found,) = staging.sql(
        f"SELECT count_if({some}), {counts} FROM (SELECT {each} FROM again GROUP BY {keys})"
    )
    return [one for one, rows in zip(own, found[1:], strict=True) if rows], int(found[0] or 0)


def _contradictions(table: Table, differ: list[str], way: str) -> list[str]:
    """Return the columns of which a row cannot be kept where they differ."""
    found = []
    for name in differ:
        column = table.columns.get(name)
        settled = column is None or column.nullable or _settles(table, column, way)
        if way == "reject" or not settled:
            found.append(name)
    return found


def _settles(table: Table, column: Column, way: str) -> bool:
    """Return whether rows that differ in a column that must be filled still give it a value."""
    return (way == "worst" and column.name in _WORST) or (
        column.kind == "text" or (table.name == "enterprises" and column.kind == "level")
    )


def _merge(
    staging: Staging, name: str, table: Table, key: list[str], own: list[str], differ: list[str], way: str
) -> None:
    """Make ``kept`` of one row for each key: what the rows agree in, and nothing where they do not."""
    keys = ", ".join(key)
    made = []
    for one in own:
        column = table.columns.get(one)
        if one not in differ:
            made.append(f"any_value({one}) AS {one}")
        elif way == "worst" and one in _WORST and column is not None:
            ids = ", ".join(map(_quoted, column.ids))
            made.append(f"([{ids}])[max(list_position([{ids}], {one}))] AS {one}")
        elif column is not None and not column.nullable:  # one must stand: the most frequent, else the first
            often = (
                f"SELECT {keys}, {one} AS _v, count(*) AS _n FROM again WHERE {one} IS NOT NULL GROUP BY ALL"
            )
            first = f"SELECT {keys}, arg_min(_v, (-_n, _v)) AS _v FROM ({often}) GROUP BY {keys}"
            staging.sql(f"CREATE OR REPLACE TABLE often_{one} AS {first}")
            joined = " AND ".join(f"again.{k} IS NOT DISTINCT FROM o.{k}" for k in key)
            staging.sql(f"ALTER TABLE again ADD COLUMN _was_{one} VARCHAR")
            staging.sql(f"UPDATE again SET _was_{one} = {one}::VARCHAR")
            staging.sql(f"UPDATE again SET {one} = o._v FROM often_{one} o WHERE {joined}")
            staging.sql(f"DROP TABLE often_{one}")
            made.append(f"any_value({one}) AS {one}")
        else:
            made.append(f"CASE WHEN count(DISTINCT {one}) <= 1 THEN any_value({one}) END AS {one}")
    first = "arg_min(_file, (_file, _line)) AS _file, arg_min(_line, (_file, _line)) AS _line"
    columns = ", ".join([keys, *made, "min(_name_key) AS _name_key", first])
    staging.sql(f"CREATE TABLE kept AS SELECT {columns} FROM again GROUP BY {keys}")
    for one in differ:
        column = table.columns.get(one)
        if column is None or (way == "worst" and one in _WORST):
            continue
        rest = "so that it is not known" if column.nullable else "of which the most frequent stands"
        why = f"differs between rows of the same key, {rest}"
        one = one if column.nullable else f"_was_{one}"
        staging.sql(
            f"INSERT INTO cells SELECT '{name}', any_value(k._file), any_value(k._line), '{column.name}', "
            f"string_agg(DISTINCT a.{one}::VARCHAR, ' | ' ORDER BY a.{one}::VARCHAR), "
            f"{_quoted(why)} FROM again a JOIN kept k USING ({keys}) "
            f"GROUP BY {', '.join(f'a.{x}' for x in key)} HAVING count(DISTINCT a.{one}) > 1"
        )


def _relations(staging: Staging, name: str, table: Table) -> None:
    """Hold what must hold between cells of a row: what contradicts another cell is not known."""
    columns = staging.columns[name]
    for first, last in table.orders:
        if first in columns and last in columns:
            _order(staging, name, table, first, last)
    for one, other in table.together:
        if one in columns or other in columns:
            _alone(staging, name, one, other, columns)
            _alone(staging, name, other, one, columns)
    for level, day in table.decided:
        if level in columns:
            open_ = f"{level} <> 'none'" + (f" AND {day} IS NULL" if day in columns else "")
            _empty(staging, name, table.columns[level], f"has no {day}, from which on it is known", open_)


def _order(staging: Staging, name: str, table: Table, first: str, last: str) -> None:
    one, other = table.columns[first], table.columns[last]
    condition = f"{last} < {first}"
    if one.nullable:
        _empty(staging, name, one, f"lies after {last}", condition)
    elif other.nullable:
        _empty(staging, name, other, f"lies before {first}", condition)
    else:
        why = f"lies before {first}"
        _set_aside(staging, name, last, f"{last}::VARCHAR", why, condition, of="out_")


def _alone(staging: Staging, name: str, one: str, other: str, columns: list[str]) -> None:
    if one in columns:
        missing = f"{one} IS NOT NULL" + (f" AND {other} IS NULL" if other in columns else "")
        column = staging.tables[name].columns[one]
        _empty(staging, name, column, f"stands without {other}", missing)


def _empty(staging: Staging, name: str, column: Column, why: str, condition: str) -> None:
    """Make a cell unknown in the rows that meet a condition, and tell it."""
    if not column.nullable:
        _set_aside(staging, name, column.name, f"{column.name}::VARCHAR", why, condition, of="out_")
        return
    staging.sql(
        f"INSERT INTO cells SELECT '{name}', _file, _line, '{column.name}', {column.name}::VARCHAR, "
        f"{_quoted(why)} "
        f"FROM out_{name} WHERE {column.name} IS NOT NULL AND {condition}"
    )
    staging.sql(f"UPDATE out_{name} SET {column.name} = NULL WHERE {condition}")
