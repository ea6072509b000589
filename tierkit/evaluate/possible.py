"""What can be done with a dataset, said before anything is tried: yes, in part or no, and what is missing.

The answers come from the code that would refuse: the rows that the schemes of the risk model take, the target
of the scorecard, what an evaluation and a backtest need.
"""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd

from tierkit.evaluate.history.estimation import FEWEST_DAYS as HISTORY
from tierkit.evaluate.history.estimation import NEEDED
from tierkit.evaluate.value.overlap import FEWEST_FINDINGS
from tierkit.evaluate.windows import FEWEST_DAYS as WINDOW
from tierkit.features import FEATURES
from tierkit.records import TABLES, DataError, Dataset, Folder, InputError, open_folder
from tierkit.records.gate import day_of, source_of
from tierkit.records.known import Known, Source, known
from tierkit.results import Result
from tierkit.scores.learnable import credit_target, fitting_scheme
from tierkit.scores.training_rows import HISTORY_DAYS, chosen_rows
from tierkit.texts import text

__all__ = ["THINGS", "Abilities", "Ability", "Lack", "Verdict", "abilities"]

Verdict = Literal["yes", "part", "no"]
THINGS = ("risk", "credit", "tiers", "reasons", "recourse", "evaluation", "simulation", "backtest")
"""What one may want of a dataset, in the order in which one thing rests on another."""


class Lack(NamedTuple):
    """Something that is missing: the table, the columns, and which it is by the id of its texts."""

    what: str
    table: str
    columns: tuple[str, ...] = ()
    values: tuple[tuple[str, Any], ...] = ()

    def sentence(self, lang: str = "zh") -> str:
        """Return what is missing and what would help, in words."""
        return text(f"ability.lack.{self.what}", lang, **dict(self.values))


@dataclass(frozen=True)
class Ability:
    """Whether one thing can be done, and what is missing where it cannot, or only in part.

    Parameters
    ----------
    thing : str
        One of `THINGS`.
    verdict : {"yes", "part", "no"}
    lacks : tuple of Lack
    """

    thing: str
    verdict: Verdict
    lacks: tuple[Lack, ...] = ()

    def sentence(self, lang: str = "zh") -> str:
        """Return the verdict in words, with what is missing."""
        said = text(f"ability.{self.verdict}", lang, thing=text(f"ability.{self.thing}", lang))
        return (" " if lang == "en" else "").join([said, *(one.sentence(lang) for one in self.lacks)])


@dataclass(frozen=True, repr=False)
class Abilities(Result):
    """What can be done with a dataset as of a day.

    Parameters
    ----------
    as_of : date
    scheme : str
        That by which the risk model would be trained; empty where none can be.
    each : tuple of Ability
        In the order of `THINGS`.
    """

    as_of: dt.date
    scheme: str
    each: tuple[Ability, ...]

    def of(self, thing: str) -> Ability:
        """Return the answer for one of `THINGS`."""
        for one in self.each:
            if one.thing == thing:
                return one
        raise InputError(f"The 'thing' must be one of {', '.join(THINGS)}. Got {thing!r} instead.")

    def to_frame(self) -> pd.DataFrame:
        """Return one row per thing: ``thing``, ``verdict``, ``table``, ``columns`` and what would help."""
        return pd.DataFrame(
            [
                {
                    "thing": one.thing,
                    "verdict": one.verdict,
                    "table": ", ".join(dict.fromkeys(lack.table for lack in one.lacks)),
                    "columns": ", ".join(name for lack in one.lacks for name in lack.columns),
                    "missing": " ".join(lack.sentence("en") for lack in one.lacks),
                }
                for one in self.each
            ]
        )

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return one sentence per thing."""
        return [one.sentence(lang) for one in self.each]

    def __repr__(self) -> str:
        """Return the verdicts."""
        return f"Abilities({', '.join(f'{one.thing}: {one.verdict}' for one in self.each)})"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(text(f'ability.{one.thing}', 'zh'))}</td><td>{one.thing}</td>"
            f"<td>{one.verdict}</td>"
            f"<td>{html.escape(' '.join(k.sentence('en') for k in one.lacks))}</td></tr>"
            for one in self.each
        )
        return f"<p>{self.as_of}</p><table>{rows}</table>"


def abilities(data: Source, as_of: dt.date | str | None = None) -> Abilities:
    """Return what can be done with records, and what is missing for the rest.

    Parameters
    ----------
    data : Dataset, mapping or path
    as_of : date, optional
        The day as of which models would be trained and everybody scored; the end of the records if absent.

    Returns
    -------
    Abilities

    Raises
    ------
    DataError
        If the tables cannot be read, or the records end before that day.
    InputError
        If ``as_of`` is no day.

    Examples
    --------
    >>> found = abilities("data/synthetic")
    >>> found.of("risk").verdict, found.of("simulation").verdict
    ('yes', 'yes')
    >>> found.of("credit").sentence("en")
    'Credit: yes.'
    """
    source = source_of(data)
    there, manifest = _there(source)
    with known(source) as whole:
        end = whole.until or _last(whole)
    day = end if as_of is None else day_of(as_of)
    with known(source, day) as seen:
        scheme, risk = _risk(seen)
        credit = _credit(seen)
        unknown = _unknown(seen)
        events = int(seen.query("SELECT count(*) AS n FROM known_credit_events")["n"].iloc[0])
    cut = end - dt.timedelta(days=WINDOW)
    cut -= dt.timedelta(days=cut.weekday())
    possible = risk.verdict != "no"
    found = [risk, credit]
    if possible:
        by_risk = () if credit.verdict == "yes" else (Lack("risk_alone", "credit_events"),)
        no_events = () if events else (Lack("no_events", "credit_events"),)
        told = {"tiers": by_risk, "reasons": unknown, "recourse": no_events}
        found += [_full_or_part(thing, lacks) for thing, lacks in told.items()]
        found.append(_evaluation(source, end, cut, there))
    else:
        needs = (Lack("needs_risk", "inspections"),)
        found += [Ability(thing, "no", needs) for thing in ("tiers", "reasons", "recourse", "evaluation")]
    found += [_simulation(there, manifest), _backtest(source, end, cut, there, manifest, possible=possible)]
    return Abilities(day, scheme if possible else "", tuple(found))


def _there(source: Any) -> tuple[frozenset[str], dict[str, Any]]:
    """Return the names of the tables that there are, and what the manifest says."""
    if isinstance(source, Dataset):
        return frozenset(source), dict(source.manifest)
    if isinstance(source, dict):
        return frozenset(source), {}
    folder: Folder = open_folder(source)
    return frozenset(folder.files), dict(folder.manifest)


def _last(whole: Known) -> dt.date:
    """Return the day after the last inspection."""
    last = whole.query("SELECT max(inspected_on) AS last FROM raw_inspections", ())["last"].iloc[0]
    if pd.isna(last):
        return dt.date.today()
    day: dt.date = (pd.Timestamp(last) + pd.Timedelta(days=1)).date()
    return day


def _rows(seen: Known) -> tuple[str, pd.DataFrame | None]:
    """Return the scheme that fits, and the rows that it takes; None where there are none."""
    try:
        scheme, _ = fitting_scheme(seen, "weighted")
        return scheme, chosen_rows(seen, scheme)[0]
    except DataError:
        return "", None


def _risk(seen: Known) -> tuple[str, Ability]:
    scheme, rows = _rows(seen)
    if rows is None:
        return "", Ability("risk", "no", (Lack("no_rows", "inspections", (), (("days", HISTORY_DAYS),)),))
    if rows["as_of"].nunique() < 3:
        return "", Ability("risk", "no", (Lack("few_days", "inspections", ("inspected_on",)),))
    found = rows["found"]
    if found.all() or not found.any():
        return "", Ability("risk", "no", (Lack("all_alike", "inspections", ("finding",)),))
    if scheme == "naive":
        columns = ("channel", "propensity", "served_share")
        return scheme, Ability("risk", "part", (Lack("no_chances", "inspections", columns),))
    return scheme, Ability("risk", "yes")


def _credit(seen: Known) -> Ability:
    held, faults = credit_target(seen)
    if held is not None:
        return Ability("credit", "yes")
    what = "no_target" if any(one.column == "kind" for one in faults) else "short"
    return Ability("credit", "no", (Lack(what, "credit_events", ("kind",) if what == "no_target" else ()),))


def _full_or_part(thing: str, lacks: tuple[Lack, ...]) -> Ability:
    return Ability(thing, "part" if lacks else "yes", lacks)


def _unknown(seen: Known) -> tuple[Lack, ...]:
    """Return the cells of the register that features read and nobody is told of."""
    spec = TABLES["enterprises"]
    read = [c for c in spec if c.nullable and any(c.name in one.sql for one in FEATURES if _of_register(one))]
    counts = ", ".join(f'count("{one.name}") AS "{one.name}"' for one in read if one.name != "park")
    told = seen.query(f"SELECT {counts} FROM known_enterprises").iloc[0]
    gone = tuple(name for name in told.index if told[name] == 0)
    if not gone:
        return ()
    return (Lack("unknown", "enterprises", gone, (("columns", ", ".join(gone)),)),)


def _of_register(feature: Any) -> bool:
    return bool(feature.source == "enterprises")


def _evaluation(source: Any, end: dt.date, cut: dt.date, there: frozenset[str]) -> Ability:
    """Return whether a model trained as of an earlier day can be held against what came after."""
    with known(source, cut) as seen:
        rows = _rows(seen)[1]
    if rows is None or rows["found"].all() or not rows["found"].any() or rows["as_of"].nunique() < 3:
        return Ability("evaluation", "no", (Lack("short_window", "inspections", (), (("days", WINDOW),)),))
    with known(source) as whole:
        after = whole.query(
            "SELECT CAST(channel AS VARCHAR) AS channel, finding <> 'none' AS found, propensity "
            f"FROM raw_inspections WHERE mode <> 'offsite' AND inspected_on >= DATE '{cut}' "
            f"AND inspected_on < DATE '{end}'",
            (),
        )
    planned = after["channel"].isin(["routine", "random"]) | bool(after["channel"].isna().all())
    ordered = int(after.loc[planned, "found"].sum())
    audited = int(after.loc[after["channel"].eq("random") & after["propensity"].notna(), "found"].sum())
    values = (("found", ordered), ("fewest", FEWEST_FINDINGS))
    if ordered < FEWEST_FINDINGS:
        return Ability("evaluation", "no", (Lack("few_findings", "inspections", ("finding",), values),))
    lacks = list(_absent(there, ("obligations",)))
    if audited < FEWEST_FINDINGS:
        values = (("found", audited), ("fewest", FEWEST_FINDINGS))
        lacks.append(Lack("few_audits", "inspections", ("channel", "propensity"), values))
    return _full_or_part("evaluation", tuple(lacks))


def _absent(there: frozenset[str], needed: tuple[str, ...]) -> Iterator[Lack]:
    for name in needed:
        if name not in there:
            yield Lack("no_table", name, (), (("table", name),))


def _simulation(there: frozenset[str], manifest: dict[str, Any]) -> Ability:
    if manifest.get("synthetic") and {"truth", "truth_enterprises"} <= there:
        return Ability("simulation", "yes")
    return Ability("simulation", "no", (Lack("no_truth", "truth"),))


def _backtest(
    source: Any,
    end: dt.date,
    cut: dt.date,
    there: frozenset[str],
    manifest: dict[str, Any],
    *,
    possible: bool,
) -> Ability:
    lacks = list(_absent(there, NEEDED))
    with known(source) as whole:
        told = whole.query(
            "SELECT min(inspected_on) AS first, count(*) FILTER (channel = 'routine') AS routine "
            f"FROM raw_inspections WHERE inspected_on < DATE '{cut}'",
            (),
        ).iloc[0]
    start = manifest.get("start") or told["first"]
    if pd.isna(start) or (pd.Timestamp(cut) - pd.Timestamp(start)).days < HISTORY:
        lacks.append(Lack("short_history", "inspections", (), (("days", HISTORY),)))
    elif not told["routine"]:
        lacks.append(Lack("no_routine", "inspections", ("channel",)))
    if lacks:
        return Ability("backtest", "no", tuple(lacks))
    if _simulation(there, manifest).verdict == "yes":
        return Ability("backtest", "yes")
    if not possible:
        return Ability("backtest", "no", (Lack("needs_risk", "inspections"),))
    return Ability("backtest", "part", (Lack("by_scores", "truth"),))
