"""The text of a place file that fits what raw files hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tierkit.bounds import KEY
from tierkit.intake.cells import word
from tierkit.intake.converting import industry_of
from tierkit.intake.guessing import CERTAIN, LIKELY, synonyms
from tierkit.intake.mapping import OTHERS
from tierkit.intake.profiling import Profile, RawFile
from tierkit.intake.reading import read_batches
from tierkit.records.levels import LEVELS
from tierkit.records.places.draft import assumed_lines
from tierkit.records.places.reading import MOST
from tierkit.records.toml_text import quoted

__all__ = ["Found", "place_text", "slug"]

_SECTORS = 40  # fewer than a place holds: more trades than these are told apart by nobody


def slug(text: str, prefix: str, number: int) -> str:
    """Return an id of small letters for a name, or a numbered one.

    Examples
    --------
    >>> slug("Grocery Store", "sector", 1), slug("瑶海区", "district", 2), slug("20", "district", 3)
    ('grocery_store', 'district_2', 'district_20')
    """
    shown = re.sub(r"[^a-z0-9]+", "_", word(text).lower()).strip("_")[:40].strip("_")
    if not shown or not word(text).isascii():
        return f"{prefix}_{number}"
    return shown if shown[0].isalpha() else f"{prefix}_{shown}"[:40]


@dataclass
class Found:
    """The vocabularies that occur.

    Attributes
    ----------
    name : str
        Short name of the place.
    districts, agencies : dict of str to str
        Id → name as it occurs; ``divisions`` holds the six digits of a district.
    sectors : dict of str to Counter
        Id → divisions of industry codes that occur in it.
    labels : dict of str to str
        Sector → name as it occurs, where it is none of the usual ones.
    industries : dict of str to (str, int)
        Beginning of a code → sector and rows.
    """

    name: str
    districts: dict[str, str] = field(default_factory=dict)
    divisions: dict[str, str] = field(default_factory=dict)
    agencies: dict[str, str] = field(default_factory=dict)
    sectors: dict[str, Counter[str]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    industries: dict[str, tuple[str, int]] = field(default_factory=dict)
    credit_codes: bool = False
    pattern: str = "^[^ ]{1,64}$"

    def ids(self, column: Profile) -> None:
        """Note which ids there are."""
        self.credit_codes = column.codes > 0.9

    def add_districts(self, column: Profile, group: list[RawFile], header: str, code: str | None) -> None:
        """Add the districts of a column, the frequent first."""
        listed = [value for value, _ in column.values.most_common(MOST["district"])]
        divisions = _divisions(group, header, code) if code is not None and self.credit_codes else {}
        for number, value in enumerate(sorted(listed), start=1):
            if value in self.districts.values():
                continue
            division = divisions.get(value, "")
            own = division not in ("", *self.divisions.values())
            name = self._free(f"d{division}" if own else slug(value, "district", number), self.districts)
            self.districts[name] = value
            if own:
                self.divisions[name] = division

    def _free(self, wanted: str, taken: Mapping[str, Any]) -> str:
        found, number = wanted, 2
        while found in taken:
            found, number = f"{wanted[:36]}_{number}", number + 1
        return found

    def add_agencies(self, column: Profile) -> None:
        """Add the agencies of a column under the ids that their words have."""
        known = synonyms()["agency"]
        for value in sorted(one for one, _ in column.values.most_common(MOST["agency"])):
            if value in self.agencies.values() or len(self.agencies) == MOST["agency"]:
                continue
            hit = next((k for k, one in known.items() if any(w in value for w in one["words"])), None)
            wanted = hit or slug(value, "agency", len(self.agencies) + 1)
            self.agencies[self._free(wanted, self.agencies)] = value

    def add_industries(self, column: Profile) -> None:
        """Add the sectors of industry codes, and the beginnings of codes from which they follow."""
        starts = sorted(synonyms()["sector_of"], key=len, reverse=True)
        rows: Counter[tuple[str, str]] = Counter()
        for value, count in column.values.items():
            section, division, digits = industry_of(value)
            start = next((one for one in starts if digits.startswith(one)), None)
            if start is not None:
                sector = synonyms()["sector_of"][start]
            elif section is not None:
                start, sector = division or section, synonyms()["sector_of_section"][section]
            else:
                continue
            rows[start, sector] += count
            self.sectors.setdefault(sector, Counter())[
                division or synonyms()["sector"][sector]["division"]
            ] += count
        self.industries = {start: (sector, n) for (start, sector), n in sorted(rows.items())}
        self.sectors.setdefault("unspecified", Counter())

    def add_sectors(self, column: Profile) -> list[tuple[str, str, str, int]]:
        """Add the trades of a column as sectors, and return the values of the mapping."""
        rows = []
        for number, (value, count) in enumerate(column.values.most_common(_SECTORS), start=1):
            if len(value) > KEY:
                continue
            known = next((one for one, label in self.labels.items() if label == value), None)
            section = next((s for s, one in LEVELS["industry_section"].items() if value in one), None)
            if section is not None:
                known = synonyms()["sector_of_section"][section]
            name = known or self._free(slug(value, "sector", number), self.sectors)
            self.sectors.setdefault(name, Counter())
            self.labels[name] = value
            rows.append((value, name, CERTAIN if len(column.values) <= _SECTORS else LIKELY, count))
        self.sectors.setdefault("unspecified", Counter())
        if column.filled < column.rows:
            rows.append(("", "unspecified", LIKELY, column.rows - column.filled))
        rows.append((OTHERS, "unspecified", LIKELY, 0))
        return rows


def _divisions(group: list[RawFile], header: str, code: str) -> dict[str, str]:
    """Return by district the division that most credit codes of its enterprises carry."""
    counts: dict[str, Counter[str]] = {}
    for file in group:
        names = [one.name for one in file.columns]
        for batch in read_batches(file.path, file.layout):
            districts = batch.columns[names.index(header)].to_pylist()
            codes = batch.columns[names.index(code)].to_pylist()
            for district, one in zip(districts, codes, strict=True):
                if district and one and one[2:8].isdigit():
                    counts.setdefault(district, Counter())[one[2:8]] += 1
    return {
        district: max(seen, key=lambda one: (seen[one], one))
        for district, seen in counts.items()
        if max(seen.values()) * 2 > seen.total()
    }


def _text(value: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in value)
    return quoted(" ".join(shown.split())[:80] or "?")


def place_text(found: Found) -> str:
    """Return the text of a place file."""
    chinese = any(not one.isascii() for one in (*found.districts.values(), *found.agencies.values()))
    lines = [
        "# The place of one's own records, as `tierkit intake draft` found it. Give every entry "
        "its names in both languages;",
        "# the ids stand in data and policies, so change them before the first run or not at all. "
        "The format: docs/places.md.",
        "",
        "[place]",
        f'name = "{found.name}"',
        f"zh = {_text(found.name)}",
        f"en = {_text(found.name)}",
        f'language = "{"zh" if chinese else "en"}"',
        "",
        "[ids]",
    ]
    if found.credit_codes:
        lines.append('scheme = "uscc"')
    else:
        lines += ['scheme = "free"', f"pattern = {_text(found.pattern)}", 'made = "E{serial:07d}"']
    lines += ["", "[district]"]
    for name, value in (found.districts or {"whole": found.name}).items():
        division = found.divisions.get(name, "000000")
        extra = f', division = "{division}"' if found.credit_codes else ""
        lines.append(f"{name} = {{ zh = {_text(value)}, en = {_text(value)}{extra} }}")
    lines += ["", "[agency]"]
    for name, value in (found.agencies or {"agency_1": "agency"}).items():
        known = synonyms()["agency"].get(name, {})
        english = known.get("en", value) if not value.isascii() else value
        core = ", core = true" if known.get("core") else ""
        lines.append(f'{name} = {{ zh = {_text(value)}, en = {_text(english)}, level = "district"{core} }}')
    lines += ["", "[sector]"]
    for name, divisions in found.sectors.items():
        known = synonyms()["sector"].get(name, {"section": "O", "division": "82"})
        zh, en = found.labels.get(name, known.get("zh", name)), found.labels.get(name, known.get("en", name))
        listed = json.dumps(
            sorted(one for one in divisions if _has(known["section"], one)) or [known["division"]]
        )
        licensed = ", licensed = true" if known.get("licensed") else ""
        lines.append(
            f"{name} = {{ zh = {_text(zh)}, en = {_text(en)}, "
            f'section = "{known["section"]}", divisions = {listed}, '
            f"trades = [{_text(zh)}]{licensed} }}"
        )
    return "\n".join([*lines, *assumed_lines("zh" if chinese else "en")]) + "\n"


def _has(section: str, division: str) -> bool:
    return industry_of(division)[0] == section
