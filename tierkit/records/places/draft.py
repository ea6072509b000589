"""Draft the file of a place from what occurs in records: vocabularies, ids, language; to be looked through.

A draft takes nothing from another city. What records cannot say, such as the minutes of a check or the words
of synthetic names, stands in it as an assumption that a comment names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tierkit.records.label import Label
from tierkit.records.places.place import Place
from tierkit.records.places.reading import MOST
from tierkit.records.problems import DataError, Problem
from tierkit.records.toml_text import quoted

__all__ = ["PlaceDraft", "assumed_lines", "draft_place", "occurring"]

_SLUG = re.compile(r"^[a-z][a-z0-9_-]{0,39}$")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SAMPLE = 2000  # ids that a pattern is read from; it is held against all of them
_MOST_TOWNS = 60
_MINUTES = 60

_NAMES = {
    "zh": {
        "pattern": "{first}{second}{trade}{form}", "brands": ["甲", "乙", "丙", "丁"], "company": "有限公司",
        "individual": "（个体工商户）", "park": "{district}园区", "towns": ["未列街镇"],
    },
    "en": {
        "pattern": "{first} {second} {trade} {form}", "brands": ["Alpha", "Beta", "Gamma", "Delta"],
        "company": "Ltd", "individual": "(sole trader)", "park": "{district} park",
        "towns": ["no town given"],
    },
}  # fmt: skip
_ITEMS = {"g1": ("general", "一般事项", "general items"), "k1": ("key", "重点事项", "key items")}
_PREFIX = {"district": "d", "agency": "a", "sector": "s"}


@dataclass(frozen=True)
class PlaceDraft:
    """A drafted place.

    Parameters
    ----------
    text : str
        The file, which `Place.loads` reads.
    ids : mapping of str to mapping of str to str
        By ``district``, ``agency`` and ``sector``: the value as the records have it → the id in the file.
    notes : tuple of str
        What was assumed, and what to look at.
    """

    text: str
    ids: Mapping[str, Mapping[str, str]]
    notes: tuple[str, ...]

    @property
    def place(self) -> Place:
        """The place that the draft is of."""
        return Place.loads(self.text)


def occurring(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """Return what occurs in tables of the contract, whatever the values are: what `draft_place` takes.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``enterprises`` at least; cells as they come, texts all of them. Columns may be absent.

    Examples
    --------
    >>> people = pd.DataFrame({"enterprise_id": ["LM-1"], "district": ["码头区"], "sector": ["pottery"]})
    >>> sorted(occurring({"enterprises": people}))
    ['agencies', 'districts', 'ids', 'sectors']
    """
    people = tables["enterprises"]
    districts: dict[str, dict[str, Any]] = {}
    for value, own in _groups(people, "district"):
        codes = own["enterprise_id"].astype("str").str.slice(2, 8)
        digits = Counter(codes[codes.str.fullmatch(r"[0-9]{6}")])
        towns = list(dict(_groups(own, "town")))[:_MOST_TOWNS]
        districts[value] = {"division": digits.most_common(1)[0][0] if digits else "", "towns": towns}
    sectors: dict[str, dict[str, Any]] = {}
    for value, own in _groups(people, "sector"):
        sections = Counter({k: len(v) for k, v in _groups(own, "industry_section")})
        divisions = sorted(k for k, _ in _groups(own, "industry_division") if re.fullmatch("[0-9]{2}", k))
        sectors[value] = {
            "section": sections.most_common(1)[0][0] if sections else "",
            "divisions": divisions,
        }
    agencies: dict[str, Label] = {}
    known = tables.get("agencies", pd.DataFrame())
    for value, own in _groups(known, "agency"):
        words = [str(own[name].iloc[0]) if name in own else value for name in ("name_zh", "name_en")]
        agencies[value] = Label(*words)
    for name in ("inspections", "obligations", "complaints", "signals"):
        for value, _ in _groups(tables.get(name, pd.DataFrame()), "agency"):
            agencies.setdefault(value, Label(value, value))
    ids = people["enterprise_id"].dropna().astype("str")
    return {"districts": districts, "sectors": sectors, "agencies": agencies, "ids": ids.tolist()}


def _groups(frame: pd.DataFrame, column: str) -> Iterable[tuple[str, pd.DataFrame]]:
    """Return the values of a column in the order of their names, each with its rows."""
    if column not in frame:
        return []
    values = frame[column].astype("object")
    told = frame[values.notna() & values.astype("str").str.strip().ne("")]
    return [(str(k), v) for k, v in told.groupby(told[column].astype("str").str.strip(), sort=True)]


def draft_place(
    occurs: Mapping[str, Any], name: str, zh: str, en: str, language: str | None = None
) -> PlaceDraft:
    """Return a place made of what occurs.

    Parameters
    ----------
    occurs : mapping
        As from `occurring`: ``districts`` (value → ``division``, ``towns``), ``sectors`` (value →
        ``section``, ``divisions``), ``agencies`` (value → label) and ``ids`` of enterprises.
    name : str
        Short name of the place.
    zh, en : str
        Its name for people.
    language : {"zh", "en"}, optional
        Of the records; by their characters if absent.

    Returns
    -------
    PlaceDraft

    Raises
    ------
    DataError
        If there is more of a kind than a place can hold; fold the rare ones together.
    PlaceError
        If the names of the place cannot be used.

    Examples
    --------
    >>> people = pd.DataFrame({"enterprise_id": ["LM-1", "LM-2"], "district": "码头区", "sector": "熏鳗"})
    >>> made = draft_place(occurring({"enterprises": people}), "lowmere-2", "低湖", "Lowmere")
    >>> made.place, made.ids["district"], made.place.id_pattern
    (Place('lowmere-2', 1 districts, 1 agencies, 1 sectors, 2 items), {'码头区': 'd1'}, '^LM-[0-9]{1}$')
    """
    notes: list[str] = []
    words = [*occurs["districts"], *occurs["sectors"], *occurs["agencies"]]
    lang = language or ("zh" if any(map(_HAN.search, words)) else "en")
    given = {
        "district": occurs["districts"] or {"all": {"division": "", "towns": []}},
        "agency": occurs["agencies"] or {"authority": Label("主管部门", "authority")},
        "sector": occurs["sectors"] or {"general": {"section": "", "divisions": []}},
    }
    over = {kind: len(values) for kind, values in given.items() if len(values) > MOST[kind]}
    if over:
        remedy = "Put the rare ones together under one value"
        raise DataError(
            Problem("place", kind, 0, (), f"has {n} different values, and a place holds {MOST[kind]}", remedy)
            for kind, n in over.items()
        )
    ids = {kind: _named(values, _PREFIX[kind]) for kind, values in given.items()}
    lines = [
        "[place]",
        f"name = {quoted(name)}",
        f"zh = {quoted(zh)}",
        f"en = {quoted(en)}",
        f"language = {quoted(lang)}",
        "",
    ]
    lines += _id_lines(occurs["ids"], given["district"], notes)
    lines.append("[district]")
    for value, one in given["district"].items():
        label = Label(value, value) if occurs["districts"] else Label("全域", "whole area")
        parts = _labelled(label)
        parts += [f"division = {quoted(one['division'])}"] * bool(one["division"])
        parts += [f"towns = {_list(one['towns'])}"] * bool(one["towns"])
        lines.append(f"{ids['district'][value]} = {{ {', '.join(parts)} }}")
    lines += ["", "[agency]  # the level of each is assumed: see which are municipal"]
    for value, label in given["agency"].items():
        lines.append(f'{ids["agency"][value]} = {{ {", ".join(_labelled(label))}, level = "district" }}')
    lines += ["", "[sector]"]
    for value, one in given["sector"].items():
        section, divisions = one["section"] or "O", one["divisions"] or ["80"]
        if not (one["section"] and one["divisions"]):
            notes.append(f"The section or division of sector {value!r} is not in the records; see to it.")
        label = Label(value, value) if occurs["sectors"] else Label("各类", "all sectors")
        trades = _list([label.zh if lang == "zh" else label.en])
        rest = f"section = {quoted(section)}, divisions = {_list(divisions)}, trades = {trades}"
        lines.append(f"{ids['sector'][value]} = {{ {', '.join(_labelled(label))}, {rest} }}")
    lines += assumed_lines(lang)
    notes.append(f"Items are assumed: one of each class with every agency, {_MINUTES} minutes each.")
    notes.append("The level of each agency is assumed to be the district; see which are municipal.")
    text = "\n".join([f"# Drafted from records. {line}" for line in notes] + ["", *lines]) + "\n"
    Place.loads(text)
    return PlaceDraft(text, ids, tuple(notes))


def assumed_lines(language: str) -> list[str]:
    """Return the lines of a place file that no records tell: its items, and what synthetic names are made of.

    Examples
    --------
    >>> assumed_lines("en")[2]
    'g1 = { class = "general", zh = "一般事项", en = "general items", minutes = 60 }'
    """
    lines = ["", f"[item]  # assumed: one of each class with every agency, {_MINUTES} minutes"]
    for key, (item_class, item_zh, item_en) in _ITEMS.items():
        told = ", ".join(_labelled(Label(item_zh, item_en)))
        lines.append(f'{key} = {{ class = "{item_class}", {told}, minutes = {_MINUTES} }}')
    lines += ["", "[names]  # of synthetic enterprises alone"]
    words = _NAMES[language].items()
    return lines + [f"{key} = {quoted(one) if isinstance(one, str) else _list(one)}" for key, one in words]


def _named(values: Iterable[str], prefix: str) -> dict[str, str]:
    """Return an id for each value: itself where it is one, in small letters, or a number."""
    out: dict[str, str] = {}
    for k, value in enumerate(values, 1):
        slug = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_") if value.isascii() else ""
        out[value] = slug if _SLUG.match(slug) and slug not in out.values() else f"{prefix}{k}"
    return out


def _id_lines(given: list[str], districts: Mapping[str, Mapping[str, Any]], notes: list[str]) -> list[str]:
    """Return the form of ids: credit codes where all are, or a pattern that every one of them matches."""
    from tierkit.records.credit_code import is_valid

    if given and all(map(is_valid, given)) and all(one["division"] for one in districts.values()):
        return ["[ids]", 'scheme = "uscc"', ""]
    pattern, made = _pattern(given)
    notes.append(f"Ids are read as {pattern}; see whether that is their form.")
    return ["[ids]", 'scheme = "free"', f"pattern = {quoted(pattern)}", f"made = {quoted(made)}", ""]


def _pattern(given: list[str]) -> tuple[str, str]:
    """Return a regular expression that all ids match, and how synthetic ones are made."""
    forms = {re.sub(r"[0-9]+", "#", one) for one in given[:_SAMPLE]}
    if len(forms) == 1 and (form := next(iter(forms))).count("#") == 1:
        before, after = form.split("#")
        counts = [len(one) - len(before) - len(after) for one in given]
        low, high = min(counts), max(counts)
        times = f"{{{low}}}" if low == high else f"{{{low},{high}}}"
        pattern = f"^{re.escape(before)}[0-9]{times}{re.escape(after)}$".replace(r"\-", "-")
        serial = f"{{serial:0{low}d}}" if low > 1 else "{serial}"
        made = before + serial + after
        if all(re.fullmatch(pattern, one) for one in given) and not {"{", "}"} & set(before + after):
            return pattern, made
    return r"^[^\s]{1,64}$", "T{serial:08d}"


def _labelled(label: Label) -> list[str]:
    return [f"zh = {quoted(label.zh)}", f"en = {quoted(label.en)}"]


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(quoted, texts))}]"
