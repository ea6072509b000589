"""Write policies: as TOML, as a difference, as an HTML table."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from html import escape
from itertools import groupby

from tierkit.policy.files.checks import Value
from tierkit.policy.files.points_file import PointsTable
from tierkit.policy.files.reading import STATUSES, Meta
from tierkit.policy.specification import UNITS, Spec, spec_of
from tierkit.records import SHANGHAI, Parameter
from tierkit.records.toml_text import quoted

__all__ = ["hash_of", "html_of", "leaf_of", "toml_of"]


def hash_of(meta: Meta, parameters: Mapping[str, Parameter]) -> str:
    """Return the sha256 of the values, and of whether the policy is the oracle, as canonical JSON."""
    plain: dict[str, object] = {path: one.value for path, one in parameters.items()}
    later = {path: one for path, one in parameters.items() if one.before is not None}
    plain |= {f"{path} before {one.from_}": one.before for path, one in later.items()}
    if meta.credit_table is not None:
        plain["meta.credit_table"] = _pinned(meta.credit_table).rpartition("=")[2]
    text = json.dumps({**plain, "meta.oracle": meta.oracle}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _pinned(table: PointsTable | str) -> str:
    return table.pinned if isinstance(table, PointsTable) else table


def toml_of(
    name: str,
    meta: Meta,
    baseline: str | None,
    parameters: Iterable[tuple[str, Parameter]],
    inherits: tuple[str, ...] = (),
) -> str:
    """Return a policy file with these parameters; ``inherits`` are the overlays of its baseline."""
    head = {
        "name": name,
        "title_zh": meta.title.zh,
        "title_en": meta.title.en,
        "document": meta.document or None,
        "date": meta.date,
        "status": meta.status,
        "baseline": baseline,
        "oracle": meta.oracle,
        "place": None if meta.place == SHANGHAI else meta.place.name if meta.place else "any",
        "overlays": meta.overlays or (() if inherits else None),
        "credit_table": None if meta.credit_table is None else _pinned(meta.credit_table),
    }
    lines = ["[meta]", *(f"{key} = {_toml_value(value)}" for key, value in head.items() if value is not None)]
    if meta.tiers:
        lines += ["", "[meta.tiers]"]
        for tier, called in meta.tiers.items():
            cells = {"zh": called.value.zh, "en": called.value.en, "source": called.source}
            inside = ", ".join(f"{key} = {_toml_value(cell)}" for key, cell in cells.items())
            lines.append(f"{tier} = {{ {inside} }}")
    tables: dict[str, list[str]] = {}
    for path, parameter in parameters:
        table, _, key = path.rpartition(".")
        tables.setdefault(table, []).append(f"{key} = {leaf_of(parameter)}")
    for table, leaves in tables.items():
        lines += ["", f"[{table}]", *leaves]
    return "\n".join(lines) + "\n"


def leaf_of(parameter: Parameter) -> str:
    """Return a parameter as an inline table."""
    cells = {
        "value": parameter.value,
        "unit": parameter.unit,
        "from": parameter.from_,
        "before": parameter.before,
        "source": parameter.source,
        "assumption": parameter.assumption,
    }
    inside = ", ".join(f"{key} = {_toml_value(cell)}" for key, cell in cells.items() if cell is not None)
    return f"{{ {inside} }}"


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_toml_value(one) for one in value)}]"
    return str(value)  # a date, or a number: Python and TOML write both alike


def shown_value(value: Value) -> str:
    """Return a value as people read it.

    Examples
    --------
    >>> shown_value((0.09, 0.15))
    '0.09, 0.15'
    >>> shown_value((("T1", "T2"), ("T3", "T4")))
    'T1 T2 / T3 T4'
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        if value and isinstance(value[0], tuple):
            return " / ".join(" ".join(map(str, row)) for row in value if isinstance(row, tuple))
        return ", ".join(shown_value(one) for one in value if not isinstance(one, tuple)) or "–"
    return str(value)


def html_of(name: str, meta: Meta, parameters: Mapping[str, Parameter]) -> str:
    """Return a table of the policy, every text escaped, one group of parameters folded under each heading."""
    status, spec = STATUSES[meta.status], spec_of(meta.place)
    facts = [*filter(None, [meta.document]), meta.date.isoformat(), f"{status.zh} {status.en}"]
    if meta.baseline:
        facts.append(f"baseline: {meta.baseline}")
    if meta.credit_table is not None:
        facts.append(f"credit table: {_pinned(meta.credit_table).partition('#')[0]}")
    if meta.overlays:
        facts.append(f"overlays: {', '.join(meta.overlays)}")
    parts = [
        '<div class="tierkit-policy">',
        f"<h4>{escape(name)}: {escape(meta.title.zh)} · {escape(meta.title.en)}</h4>",
        f"<p>{escape(' · '.join(facts))}</p>",
    ]
    for group, rows in groupby(parameters.items(), key=lambda one: one[0].partition(".")[0]):
        parts.append(f"<details><summary>{escape(group)}</summary><table><tbody>")
        parts.extend(_html_row(path, parameter, spec[path]) for path, parameter in rows)
        parts.append("</tbody></table></details>")
    return "\n".join([*parts, "</div>"])


def _html_row(path: str, parameter: Parameter, spec: Spec) -> str:
    unit = UNITS[parameter.unit]
    cells = (
        path,
        f"{spec.label.zh} {spec.label.en}",
        shown_value(parameter.value),
        f"{unit.zh} {unit.en}" if unit.zh != unit.en else unit.en,
        parameter.from_.isoformat() if parameter.from_ else "",
        parameter.ground,
    )
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
