"""The page of a whole city: all scored enterprises, searchable, filterable and printable, in one file."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from tierkit import texts
from tierkit.explain import AGREEMENT, BANDS, DISTANCE, Portraits, bands
from tierkit.explain.bands import basis, way
from tierkit.features import BY_NAME
from tierkit.folders import whole_file
from tierkit.policy.reviews import latest
from tierkit.records import SHANGHAI, TIER_NAMES, TIERS, Label, Place
from tierkit.report.page import Words, render
from tierkit.report.portraits import told
from tierkit.spreadsheets import TAKEN

__all__ = ["MOST_ROWS", "City", "city_page", "select"]

MOST_ROWS = 200_000
"""Rows that one page may hold: 19 to 23 MB, by the columns there are, of names of a dozen characters."""
NAME_LIMIT = 120
"""Characters of a name that are shown; how many were cut stands behind them."""

_CERTAINTY = {"agree": "tier_agreement", "low": "agreement_low", "high": "agreement_high"}


@dataclass(frozen=True, kw_only=True)
class City:
    """The content of the page of a city.

    Attributes
    ----------
    rows : DataFrame
        Scored enterprises, as `tierkit.scores.score_file.read_scores` gives them, with ``name`` and
        ``district`` beside; those that the page is to hold.
    scored : int
        How many were scored in all.
    as_of, policy : str
        Day and policy of the scores.
    facts : mapping
        Versions and hashes, in the order in which they are shown.
    portraits : Portraits, optional
    dossiers : mapping of str to sequence of str
        Enterprise → languages of its dossiers, ``dossiers/<id>.<lang>.html`` beside the page.
    explain : sequence of str, optional
        Arguments of the command that makes a dossier; in one of them ``{id}`` stands for the enterprise.
    decisions : DataFrame, optional
        A log of reviewers' decisions, as `tierkit.policy.reviews.read_log` gives it; the last under the
        policy is shown.
    place : Place
        The place of the enterprises.
    far : mapping of str to str
        Language → the share that is farthest from that for which the policy's cut-offs were set, beside it;
        empty where none is far.
    names : tuple of Label
        What the policy calls the tiers, from T1 on.
    origin : mapping of str to str
        Language → where the cut-offs of the policy come from; empty where the policy is not at hand.
    credit : mapping of str to str
        Language → that credit was not fitted on records, where that is so.
    useless : mapping of str to str
        Language → which models are no better than chance, with the figures; empty where none is.
    synthetic : bool
        Whether a program made the records, which the page then says first.
    """

    rows: pd.DataFrame
    scored: int
    as_of: str
    policy: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    portraits: Portraits | None = None
    dossiers: Mapping[str, Iterable[str]] = field(default_factory=dict)
    explain: tuple[str, ...] = ()
    decisions: pd.DataFrame | None = None
    place: Place = SHANGHAI
    far: Mapping[str, str] = field(default_factory=dict)
    names: tuple[Label, ...] = TIER_NAMES
    origin: Mapping[str, str] = field(default_factory=dict)
    useless: Mapping[str, str] = field(default_factory=dict)
    credit: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False


def select(
    rows: pd.DataFrame,
    tiers: Iterable[str] = (),
    sectors: Iterable[str] = (),
    districts: Iterable[str] = (),
    *,
    uncertain: bool = False,
) -> pd.DataFrame:
    """Return the rows that meet every filter that is given; several values of one filter are alternatives.

    Parameters
    ----------
    rows : DataFrame of shape (n, any)
        As for `City`.
    tiers, sectors, districts : iterable of str
    uncertain : bool
        Only those whose tier is unsure, by `tierkit.explain.bands`.

    Examples
    --------
    >>> rows = pd.DataFrame({"tier": ["T1", "T4"], "tier_agreement": [0.5, 0.95]})
    >>> len(select(rows, ["T4"])), len(select(rows, ["T4"], uncertain=True))
    (1, 0)
    """
    keep = np.full(len(rows), True)
    for column, wanted in (("tier", tiers), ("sector", sectors), ("district", districts)):
        chosen = list(wanted)
        if chosen:
            keep &= rows[column].isin(chosen).to_numpy()
    if uncertain:
        keep &= (bands(rows) == BANDS[0]).to_numpy()
    return rows[keep].reset_index(drop=True)


def city_page(city: City, out: str | os.PathLike[str] | None = None) -> str:
    """Return the page of a city as one HTML text, and write it if asked to.

    The rows are data in the page; its script shows fifty of them at a time.

    Parameters
    ----------
    city : City
    out : path, optional
        File to write; its folder must exist.

    Returns
    -------
    str
        A self-contained page in both languages.

    Raises
    ------
    ValueError
        If there are more than `MOST_ROWS` rows.
    """
    n = len(city.rows)
    if n > MOST_ROWS:
        raise ValueError(f"A page holds at most {MOST_ROWS:,} enterprises. Got {n:,} instead. Give a filter.")
    words = Words(place=city.place)
    page = render(
        "city.html.j2",
        also="city",
        place=city.place,
        title={lang: texts.text("city.title", lang, n=n) for lang in texts.LANGUAGES},
        city=city,
        n=n,
        basis=basis(city.rows),
        edges={"agreement": AGREEMENT, "distance": DISTANCE},
        bands=BANDS,
        names=dict(zip(TIERS, city.names, strict=True)),
        tiers=[tier for tier in TIERS if (city.rows["tier"] == tier).any()],
        portraits=None if city.portraits is None else told(city.portraits, words),
        reasons=_has_reasons(city.rows),
        data=_embedded(_data(city)),
    )
    if out is not None:
        with whole_file(Path(out)) as draft:
            draft.write_text(page, encoding="utf-8")
    return page


def _embedded(data: Mapping[str, Any]) -> Markup:
    r"""Return data as JSON that no text in it can end.

    Examples
    --------
    >>> str(_embedded({"name": "</script>\u2028"}))
    '{"name":"\\u003c/script>\\u2028"}'
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in ("<", "\u2028", "\u2029"):
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def _has_reasons(rows: pd.DataFrame) -> bool:
    return "risk_reason_1" in rows


def _data(city: City) -> dict[str, Any]:
    """Return the data of the page's script: one list per column, levels as codes, null where missing."""
    rows = city.rows
    data: dict[str, Any] = {
        "id": [texts.plain(one, 40) for one in rows["enterprise_id"].astype(str)],
        "name": [texts.plain(one, NAME_LIMIT) for one in rows["name"].fillna("").astype(str)],
        "tier": _codes(rows["tier"], TIERS),
        "sector": _codes(rows["sector"], city.place.sectors),
        "district": _codes(rows["district"], city.place.districts),
        "sure": _codes(bands(rows), BANDS),
        "risk": _numbers(rows["risk_probability"], 4),
        "credit": _numbers(rows["credit_points"], 1),
        "wayRisk": _numbers(rows["distance_risk"], 2),
        "wayCredit": _numbers(rows["distance_credit"], 1),
        "way": _numbers(way(rows), 2),
    }
    if "tier_agreement" in rows:
        data |= {key: _numbers(rows[name], 3) for key, name in _CERTAINTY.items()}
    codes = list(BY_NAME)
    if _has_reasons(rows):
        data |= {f"{axis}Reason": _codes(rows[f"{axis}_reason_1"], codes) for axis in ("risk", "credit")}
        data |= {
            f"{axis}Effect": _numbers(rows[f"{axis}_effect_1"], digits)
            for axis, digits in (("risk", 2), ("credit", 1))
        }
    languages = list(texts.LANGUAGES)
    return {
        "columns": data,
        "levels": {
            "tier": [[one, *label] for one, label in zip(TIERS, city.names, strict=True)],
            "sector": [[one, *label] for one, label in city.place.levels["sector"].items()],
            "district": [[one, *label] for one, label in city.place.levels["district"].items()],
            "sure": [[one, *(texts.text(f"city.band.{one}", lang) for lang in languages)] for one in BANDS],
            "reason": [[one, *BY_NAME[one].label] for one in codes] if _has_reasons(rows) else [],
        },
        "dossiers": {one: list(langs) for one, langs in city.dossiers.items()},
        "decisions": _decided(city),
        "command": shlex.join(city.explain),  # which puts what holds {id} in single quotes
        "file": f"enterprises-{city.as_of}.csv",
        "taken": f"^{TAKEN}".encode("ascii", "backslashreplace").decode(),  # a page holds nothing invisible
        "texts": {
            lang: {name: texts.text(f"city.js.{name}", lang) for name in _spoken()} for lang in languages
        },
    }


def _decided(city: City) -> dict[str, list[Any]]:
    """Return each last decision: what, the tier given instead, the day, and the assignment that it is on.

    The last of the list tells whether that is another assignment than the page's, by its day or its tier.
    """
    if city.decisions is None:
        return {}
    last = latest(city.decisions, policy=city.policy)
    last = last.merge(city.rows[["enterprise_id", "tier"]], on="enterprise_id", suffixes=("", "_now"))
    for name in ("decided_on", "as_of"):
        last[name] = last[name].dt.strftime("%Y-%m-%d")
    same = last["tier"].astype("str") == last["tier_now"].astype("str")
    last["other"] = (last["as_of"] != city.as_of) | ~same
    told = last[["decision", "override_tier", "decided_on", "tier", "as_of", "other"]].astype(object)
    return dict(zip(last["enterprise_id"].astype(str), told.fillna("").to_numpy().tolist(), strict=True))


def _spoken() -> list[str]:
    """Return the ids of the texts that the page's script shows."""
    begin = "city.js."
    return [one.removeprefix(begin) for one in texts.ids() if one.startswith(begin)]


def _codes(values: pd.Series, levels: Iterable[str]) -> list[int]:
    """Return the positions of values among levels; −1 for other values."""
    place = {level: k for k, level in enumerate(levels)}
    return [place.get(value, -1) for value in values.astype(object)]


def _numbers(values: pd.Series, digits: int) -> list[float | None]:
    """Return numbers with so many decimals as are shown; None where there is none."""
    rounded = values.to_numpy(np.float64).round(digits)
    return [value if np.isfinite(value) else None for value in rounded.tolist()]
