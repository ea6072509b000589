"""Write what was taken as a dataset: tables in the order of their keys, manifest and place."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tierkit.folders import file_sha256, flush
from tierkit.intake.converting import industry_of
from tierkit.intake.mapping import OTHERS
from tierkit.intake.staging import Staging
from tierkit.records.columns import Table
from tierkit.records.dataset import arrow_table
from tierkit.records.folder import MANIFEST, manifest_text
from tierkit.records.parquet import PARQUET_OPTIONS, ROW_GROUP
from tierkit.records.places import PLACE_FILE
from tierkit.records.places.tables import agency_rows, item_rows
from tierkit.spreadsheets import BOM, cell

__all__ = ["ASIDE", "derive", "write_aside", "write_tables"]

ASIDE = ("rejected", "duplicates", "cells")
"""Files that tell what was set aside."""
_OF_PLACE = ("agencies", "items")
_FILES = ("table", "file", "row", "column", "value", "reason")


def derive(staging: Staging) -> dict[str, int]:
    """Make what follows from the rows: industry and sector of enterprises, obligations.

    Returns
    -------
    dict of str to int
        What was derived → rows.
    """
    done: dict[str, int] = {}
    fields = {
        name for one in staging.mapping.tables()["enterprises"] for name, f in one.fields.items() if f.derived
    }
    if fields:
        done |= _industries(staging, fields)
    for table in ("inspections", "credit_events", "complaints", "signals"):
        if table in staging.columns:
            done |= {
                f"{table}.{name}": _rows(staging, table)
                for one in staging.mapping.tables()[table]
                for name, f in one.fields.items()
                if f.derived
            }
    done |= _obligations(staging)
    return done


def _rows(staging: Staging, table: str) -> int:
    found: int = staging.sql(f"SELECT count(*) FROM out_{table}")[0][0]
    return found


def _industries(staging: Staging, fields: set[str]) -> dict[str, int]:
    """Fill section, division and sector from the industry code, or from that of its name elsewhere."""
    columns = staging.columns["enterprises"]
    code = "industry_code" if "industry_code" in columns else "NULL::VARCHAR"
    name = "industry_name" if "industry_name" in columns else "NULL::VARCHAR"
    staging.sql(
        f"CREATE TABLE trade AS SELECT {name} AS n, min({code}) AS c FROM out_enterprises "
        f"WHERE {name} IS NOT NULL AND {code} IS NOT NULL GROUP BY ALL HAVING count(DISTINCT {code}) = 1"
    )
    staging.sql(
        f"CREATE TABLE coded AS SELECT enterprise_id AS eid, coalesce({code}, trade.c) AS code, "
        f"{name} AS named, "
        f"{code} IS NULL AND trade.c IS NOT NULL AS found FROM out_enterprises LEFT JOIN trade ON "
        f"{name} = trade.n"
    )
    by_name: int = staging.sql("SELECT count(*) FROM coded WHERE found")[0][0]
    pairs = staging.sql("SELECT DISTINCT code, named FROM coded")
    rules = sorted(staging.mapping.industries.items(), key=lambda one: -len(one[0]))
    made: list[dict[str, str | None]] = []
    for one, named in pairs:
        section, division, digits = industry_of(one)
        sector = next(
            (s for start, s in rules if start != OTHERS and (digits.startswith(start) or section == start)),
            None,
        )
        if sector is None and named is not None:
            sector = staging.mapping.industries.get(str(named))
        made.append(
            {
                "code": one,
                "named": named,
                "industry_section": section,
                "industry_division": division,
                "sector": sector or staging.mapping.industries.get(OTHERS),
            }
        )
    schema = pa.schema(
        [(key, pa.string()) for key in ("code", "named", "industry_section", "industry_division", "sector")]
    )
    staging.db.register("industries", pa.Table.from_pylist(made, schema))
    wanted = [one for one in ("sector", "industry_section", "industry_division") if one in fields]
    for one in wanted:
        if one not in columns:
            staging.sql(f"ALTER TABLE out_enterprises ADD COLUMN {one} VARCHAR")
            columns.append(one)
    sets = ", ".join(f"{one} = coalesce(out_enterprises.{one}, i.{one})" for one in wanted)
    staging.sql(
        f"UPDATE out_enterprises SET {sets} FROM coded c, industries i WHERE c.eid = enterprise_id "
        "AND i.code IS NOT DISTINCT FROM c.code AND i.named IS NOT DISTINCT FROM c.named"
    )
    staging.db.unregister("industries")
    told = {f"enterprises.{one}": _known(staging, one) for one in wanted}
    return {**told, "enterprises.industry_code": by_name} if by_name else told


def _known(staging: Staging, column: str) -> int:
    found: int = staging.sql(f"SELECT count({column}) FROM out_enterprises")[0][0]
    return found


def _obligations(staging: Staging) -> dict[str, int]:
    """Make obligations: of the files, of whoever was inspected, and of a sector that an agency inspects."""
    mapping = staging.mapping
    items: dict[tuple[str, str], str] = {}
    for item, one in mapping.place.items.items():
        items.setdefault((one.agency, one.item_class), item)
    listed = [{"agency": a, "item_class": c, "item": i} for (a, c), i in items.items()]
    staging.db.register("place_items", pa.Table.from_pylist(listed))
    given = "obligations" in staging.columns
    parts = ["SELECT DISTINCT enterprise_id, agency, item_class FROM out_inspections"]
    if given:
        parts.append("SELECT enterprise_id, agency, item_class FROM out_obligations")
    if "sector" in mapping.obligations:
        staging.sql(
            "CREATE TABLE bound AS WITH seen AS (SELECT DISTINCT i.enterprise_id, e.sector, "
            "i.agency, i.item_class "
            "FROM out_inspections i JOIN out_enterprises e USING (enterprise_id)), "
            "whole AS (SELECT sector, count(DISTINCT enterprise_id) AS n FROM seen GROUP BY sector) "
            "SELECT sector, agency, item_class FROM seen JOIN whole USING (sector) "
            f"GROUP BY sector, agency, item_class, n HAVING count(*) >= {mapping.sector_share!r} * n"
        )
        parts.append(
            "SELECT e.enterprise_id, agency, item_class FROM out_enterprises e JOIN bound USING (sector)"
        )
    valid = [
        one if one in staging.columns.get("obligations", ()) else f"NULL::DATE AS {one}"
        for one in ("valid_from", "valid_to")
    ]
    joined = "LEFT JOIN out_obligations o USING (enterprise_id, agency, item_class)" if given else ""
    own = "coalesce(o.item, p.item)" if given and "item" in staging.columns["obligations"] else "p.item"
    staging.sql(
        f"CREATE TABLE all_obligations AS SELECT enterprise_id, agency, item_class, {own} AS item, "
        f"{', '.join(valid)} "
        f"FROM ({' UNION '.join(parts)}) JOIN place_items p USING (agency, item_class) {joined}"
    )
    if given:
        staging.sql("DROP TABLE out_obligations")
    staging.sql("ALTER TABLE all_obligations RENAME TO out_obligations")
    if "registered_on" in staging.columns["enterprises"] and not given:
        staging.sql(
            "UPDATE out_obligations SET valid_from = e.registered_on FROM out_enterprises e "
            "WHERE e.enterprise_id = out_obligations.enterprise_id"
        )
    staging.columns["obligations"] = [
        "enterprise_id",
        "agency",
        "item_class",
        "item",
        "valid_from",
        "valid_to",
    ]
    staging.db.unregister("place_items")
    return {"obligations": _rows(staging, "obligations")}


def write_tables(staging: Staging, folder: Path) -> dict[str, int]:
    """Write all tables and the manifest of the dataset.

    Returns
    -------
    dict of str to int
        Rows of each table.
    """
    place, listed = staging.mapping.place, dict[str, Any]()
    for name, table in staging.tables.items():
        if name not in (*staging.columns, *_OF_PLACE):
            continue  # no file tells of it, which is another thing than that there was nothing
        path = folder / f"{name}.parquet"
        if name in _OF_PLACE:
            rows_of = agency_rows if name == "agencies" else item_rows
            data = arrow_table(pd.DataFrame(rows_of(place)), name, place)
            pq.write_table(data, path, row_group_size=ROW_GROUP, **PARQUET_OPTIONS)
            rows = data.num_rows
        else:
            rows = _write(staging, name, table, path)
        flush(path)
        listed[name] = {"file": path.name, "rows": rows, "sha256": file_sha256(path)}
    stated = {"as_of": staging.mapping.as_of.isoformat(), "intake": {"mapping": staging.mapping.digest}}
    if not place.bundled:
        (folder / PLACE_FILE).write_text(place.to_toml(), encoding="utf-8")
    (folder / MANIFEST).write_text(manifest_text(stated, place, listed), encoding="utf-8")
    return {name: entry["rows"] for name, entry in listed.items()}


def _write(staging: Staging, name: str, table: Table, path: Path) -> int:
    """Write one table in the order of its key, in row groups of one size."""
    filled = staging.columns.get(name, [])
    columns = [one for one in table if one.name in filled or one.required]
    schema = pa.schema([(one.name, one.arrow_type) for one in columns])
    rows = 0
    with pq.ParquetWriter(path, schema, **PARQUET_OPTIONS) as writer:
        for part in _parts(staging, name, table, [one.name for one in columns if one.name in filled]):
            arrays = [_typed(part, one) for one in columns]
            writer.write_table(pa.table(arrays, schema=schema), ROW_GROUP)
            rows += part.num_rows
        if not rows:
            writer.write_table(schema.empty_table(), ROW_GROUP)
    return rows


def _typed(part: Any, column: Any) -> Any:
    if column.name not in part.column_names:
        empty: list[str] | None = [] if column.kind == "texts" and not column.nullable else None
        return pa.array([empty] * part.num_rows, column.arrow_type)
    values = part.column(column.name)
    if column.kind == "texts":
        cut = pc.split_pattern_regex(pc.cast(values, pa.string()), r"\s*[|;；,，、]\s*")
        return pc.cast(cut, column.arrow_type)
    return pc.cast(values, column.arrow_type)


def _parts(staging: Staging, name: str, table: Table, columns: list[str]) -> Iterator[Any]:
    """Yield the rows of a table by row groups, in the order of the key."""
    if name not in staging.columns:
        return
    picked, order = ", ".join(columns), ", ".join(table.key)
    result = staging.db.cursor().sql(f"SELECT {picked} FROM out_{name} ORDER BY {order}")
    waiting: list[Any] = []
    size = 0
    for batch in result.to_arrow_reader(ROW_GROUP):
        waiting.append(pa.Table.from_batches([batch]))
        size += batch.num_rows
        while size >= ROW_GROUP:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, ROW_GROUP).combine_chunks()
            waiting, size = [whole.slice(ROW_GROUP)], size - ROW_GROUP
    if size:
        yield pa.concat_tables(waiting).combine_chunks()


def write_aside(staging: Staging, folder: Path) -> dict[str, int]:
    """Write the files of what was set aside, as CSV that a spreadsheet shows as it is.

    Returns
    -------
    dict of str to int
        Lines of each of `ASIDE`.
    """
    counts = {}
    order = "CASE tbl " + " ".join(f"WHEN '{t}' THEN {k}" for k, t in enumerate(staging.tables)) + " END"
    for name in ASIDE:
        result = staging.db.cursor().execute(
            f"SELECT * FROM {name} ORDER BY {order}, file, line, col, why, val"
        )
        counts[name] = 0
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            file.write(BOM)
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_FILES)
            while rows := result.fetchmany(10_000):
                counts[name] += len(rows)
                for table, source, line, column, value, why in rows:
                    writer.writerow([table, cell(source), line, column, cell(value or ""), why])
    return counts
