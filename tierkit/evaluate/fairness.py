"""Equal risk, equal visits? Tiers and inspections of groups, at the risk that random audits bear out.

Enterprises were scored and put into tiers as of a day; the records from that day on say who was inspected and
what random audits found. Groups are compared **at equal risk**: within bands of the scored risk, by a
Mantel-Haenszel ratio of planned inspections a year, group against the rest. It needs no model of how visits
depend on risk, holds with many small strata, and a calibration that keeps ranks cannot change it. The score
itself may be unfair; so what the random audits found is held against what it said, group by group. A rule may
inspect a sector or a size more by intent, and groups differ in these; ``like`` is the ratio at equal risk,
sector and size.

Visits below fewer than ten inspections, and rates of fewer than ten findings, are refused and say so. Liu and
Li (2015) found state firms less sampled and failing as often; Ensign and others (2018) why labels of those
inspected cannot settle it. See docs/fairness.md.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.evaluate import groups as g
from tierkit.metrics import wilson_interval
from tierkit.schema import LEVELS, PLANNED_CHANNELS, TIERS
from tierkit.texts import interval, number, percent, text

__all__ = ["Consistency", "Fairness", "domestic_foreign", "fairness", "level_text", "missed_by_group"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FOREIGN = ("foreign", "hmt")
"""Foreign capital as the statistics count it, that of Hong Kong, Macao and Taiwan included."""
_YEAR_DAYS = 364.0  # a simulated year, 52 weeks
_ALPHA = 0.05


def level_text(group: str, level: str, lang: str) -> str:
    """Return the name of a group's level in one language.

    Examples
    --------
    >>> level_text("age", "under_2", "en"), level_text("ownership", "private", "zh")
    ('under 2 years', '民营')
    """
    return text(f"age.{level}", lang) if group == "age" else LEVELS[group][level].text(lang)


@dataclass(frozen=True)
class Fairness:
    """What groups get at equal risk; a row of each frame is a group's level.

    Attributes
    ----------
    start : date
        The day of the scores; records from it on were used.
    days : int
    tiers : DataFrame
        ``group``, ``level``, ``tier``, ``n`` enterprises, ``share`` of the level in the tier, ``low``, ``high``
        (Wilson).
    visits : DataFrame
        ``n`` enterprises, ``years`` of exposure, ``planned`` on-site inspections, ``rate`` an enterprise-year
        with ``low`` and ``high``; ``ratio`` to the rest at equal risk with ``ratio_low``, ``ratio_high``, ``p``
        and ``p_holm`` (for all levels of the group at once); ``like`` at equal risk, sector and size with
        ``like_low`` and ``like_high``; ``verdict``: ``more``, ``less``, ``no_difference`` or ``too_few``.
    audits : DataFrame
        Random audits: ``audits``, ``enterprises`` audited, ``findings``, ``rate`` with ``low`` and ``high``,
        ``predicted`` (mean scored risk of the audited), ``over_predicted`` (rate over predicted) with its ends,
        and ``note``: ``""`` or ``too_few``.
    false_t4 : DataFrame
        Of the compliant, who is in T4: ``n`` compliant, ``in_t4``, ``share``, ``low``, ``high``, ``basis``:
        ``audits`` (no random audit of theirs found anything, which misses what audits miss) or ``truth``.
    missed : DataFrame
        ``obligations``, ``uninspected`` share, and ``missed`` with ``low`` and ``high``: violations that a standard
        audit would find and nobody looked for, per 1,000 obligations; ``note`` as above.
    cost : DataFrame
        A row a group: what it would do to give all levels the same planned visits at equal risk and keep the
        load of every band: ``moved`` inspections over the days, ``findings`` expected of them as they were, the
        ``change`` of these with ``low`` and ``high``.
    """

    start: date
    days: int
    tiers: pd.DataFrame
    visits: pd.DataFrame
    audits: pd.DataFrame
    false_t4: pd.DataFrame
    missed: pd.DataFrame
    cost: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """The main columns of all frames beside each other, a row a level."""
        keys = ["group", "level"]
        top = self.tiers[self.tiers["tier"] == "T4"].rename(columns={"share": "t4"})[[*keys, "t4"]]
        seen = self.audits[[*keys, "audits", "findings", "rate"]].rename(columns={"rate": "audit_rate"})
        out = self.visits.merge(top, on=keys).merge(seen, on=keys)
        wrong = self.false_t4[[*keys, "share"]].rename(columns={"share": "false_t4"})
        return out.merge(wrong, on=keys).merge(self.missed[[*keys, "missed"]], on=keys)

    def to_dict(self) -> dict[str, Any]:
        """Return all frames as plain data for JSON; a refused number is None."""
        frames = ("tiers", "visits", "audits", "false_t4", "missed", "cost")
        return {"start": self.start.isoformat(), "days": self.days} | {
            name: getattr(self, name).astype(object).where(getattr(self, name).notna(), None).to_dict("records")
            for name in frames
        }

    def summary(self, lang: str = "en") -> pd.DataFrame:
        """Return the table for people: names, n, rates, ratios with intervals, verdicts.

        Parameters
        ----------
        lang : {"zh", "en"}
        """
        rows = []
        for row in self.table.to_dict("records"):
            told = row["verdict"] != "too_few"
            few = text("fairness.too_few", lang)
            rows.append(
                {
                    text("fairness.group", lang): text(f"group.{row['group']}", lang),
                    text("fairness.level", lang): level_text(row["group"], row["level"], lang),
                    text("fairness.n", lang): number(row["n"]),
                    "T4": percent(row["t4"], 1),
                    text("fairness.rate", lang): number(row["rate"], 2) if row["rate"] == row["rate"] else few,
                    text("fairness.audit_rate", lang): _share(row["audit_rate"], few),
                    text("fairness.ratio", lang): _ratio(row, "ratio") if told else few,
                    text("fairness.like", lang): _ratio(row, "like") if row["like"] == row["like"] else few,
                    text("fairness.verdict", lang): text(f"fairness.{row['verdict']}", lang),
                }
            )
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        table = self.summary()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
            for row in table.to_numpy().tolist()
        )
        return (
            f"<p>{html.escape(text('fairness.head', 'en', start=self.start, days=self.days))}</p>"
            f"<table><tr>{head}</tr>{body}</table>"
        )


@dataclass(frozen=True)
class Consistency:
    """Whether domestic and foreign capital is inspected alike at equal risk (内外资一致).

    Attributes
    ----------
    foreign, domestic : int
        Enterprises.
    foreign_planned, domestic_planned : int
        Planned on-site inspections.
    ratio, low, high, p : float
        Visits a year of foreign over domestic capital at equal risk; NaN where refused.
    like, like_low, like_high : float
        The same at equal risk, sector and size.
    verdict : {"more", "less", "no_difference", "too_few"}
        Of the ratio at equal risk, at 5 %.
    """

    foreign: int
    domestic: int
    foreign_planned: int
    domestic_planned: int
    ratio: float
    low: float
    high: float
    p: float
    like: float
    like_low: float
    like_high: float
    verdict: str

    def sentence(self, lang: str = "en") -> str:
        """Return the verdict in words, with n, ratio and interval.

        Parameters
        ----------
        lang : {"zh", "en"}
        """
        counts = {
            name: number(getattr(self, name))
            for name in ("foreign", "domestic", "foreign_planned", "domestic_planned")
        }
        if self.verdict == "too_few":
            return text("consistency.too_few", lang, **counts, fewest=g.FEWEST)
        row = vars(self) | {"ratio_low": self.low, "ratio_high": self.high}
        first = text(f"consistency.{self.verdict}", lang, **counts, ratio=_ratio(row, "ratio"))
        if np.isnan(self.like):
            return first
        return f"{first}{text('consistency.like', lang, ratio=_ratio(row, 'like'))}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON; a refused number is None."""
        return {name: None if value != value else value for name, value in vars(self).items()}

    def _repr_html_(self) -> str:
        return "".join(f"<p>{html.escape(self.sentence(lang))}</p>" for lang in ("en", "zh"))


def _ratio(row: Mapping[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return f"{number(row[name], 2)} {interval(low, high, 2)}"


def _share(value: float, few: str) -> str:
    return few if np.isnan(value) else percent(value, 1)


@dataclass(frozen=True)
class _Seen:
    """What the records of the window say, by enterprise in the order of the scores."""

    enterprises: pd.DataFrame
    tier: Ints
    risk: Floats
    years: Floats
    planned: Floats
    audits: Floats
    found: Floats
    obligations: Floats
    inspected: Floats  # obligations that were looked at, on site or off


def _seen(
    scored: pd.DataFrame, records: Mapping[str, pd.DataFrame], start: pd.Timestamp, days: int
) -> _Seen:
    missing = {"enterprise_id", "tier", "risk_probability"} - set(scored.columns)
    if missing:
        raise ValueError(f"The 'scored' frame must have the columns {sorted(missing)}; see tiers.assign.")
    if days < 1:
        raise ValueError(f"The 'days' must be at least 1. Got {days}.")
    ids = pd.Index(scored["enterprise_id"].astype(str))
    table = records["enterprises"]
    table = table.set_axis(table["enterprise_id"].astype(str), axis=0)
    if not ids.is_unique or not ids.isin(table.index).all():
        raise ValueError("The 'scored' enterprises must be in the records, a row each; score the same dataset.")
    table = table.loc[ids].reset_index(drop=True)
    end = start + pd.Timedelta(days=days)
    last = table["closed_on"].where(table["closed_on"] < end, end)
    years = (last - start).dt.days.clip(lower=0).to_numpy(np.float64) / _YEAR_DAYS
    rows = records["inspections"]
    rows = rows[(rows["inspected_on"] >= start) & (rows["inspected_on"] < end)]
    place = ids.get_indexer(pd.Index(rows["enterprise_id"].astype(str)))
    rows, place = rows[place >= 0], place[place >= 0]
    onsite = (rows["mode"] != "offsite").to_numpy()
    random = (rows["channel"] == "random").to_numpy() & onsite

    def per(which: NDArray[np.bool_]) -> Floats:
        return np.bincount(place[which], minlength=len(ids)).astype(np.float64)

    keys = ["enterprise_id", "agency", "item_class"]
    duties = records["obligations"]
    duties = duties[(duties["valid_from"] < end) & ~(duties["valid_to"] <= start)][keys].astype(str)
    looked = pd.MultiIndex.from_frame(duties).isin(pd.MultiIndex.from_frame(rows[keys].astype(str)))
    owner = ids.get_indexer(pd.Index(duties["enterprise_id"]))
    mine = owner >= 0
    return _Seen(
        enterprises=table,
        tier=pd.Categorical(scored["tier"].astype(str), list(TIERS)).codes.astype(np.int64),
        risk=scored["risk_probability"].to_numpy(np.float64),
        years=years,
        planned=per(onsite & rows["channel"].isin(PLANNED_CHANNELS).to_numpy()),
        audits=per(random),
        found=per(random & (rows["finding"] != "none").to_numpy()),
        obligations=np.bincount(owner[mine], minlength=len(ids)).astype(np.float64),
        inspected=np.bincount(owner[mine & looked], minlength=len(ids)).astype(np.float64),
    )


def fairness(
    scored: pd.DataFrame,
    records: Mapping[str, pd.DataFrame],
    start: date | str,
    *,
    days: int = 180,
    groups: Sequence[str] = tuple(g.GROUPS),
    violating: pd.Series | None = None,
    n_bands: int = 20,
    repeats: int = 200,
    seed: int = 0,
) -> Fairness:
    """Hold tiers and inspections of groups against the risk that random audits show.

    Parameters
    ----------
    scored : DataFrame
        ``enterprise_id``, ``tier`` and ``risk_probability`` as of ``start``: scores joined with the tiers of
        `tierkit.tiers.assign`.
    records : mapping of str to DataFrame
        A dataset with ``enterprises``, ``obligations`` and ``inspections``.
    start : date
        Records from this day on are what happened.
    days : int, default=180
    groups : sequence of str
        Of ``ownership``, ``size``, ``sector``, ``district``, ``age``.
    violating : Series of bool, optional
        By enterprise id, whether anything was in violation on the day, where truth is known; false T4 is then
        counted among those who truly complied.
    n_bands : int, default=20
        Bands of equal counts of the scored risk.
    repeats : int, default=200
        Bootstrap samples of enterprises for the interval of what equalising would cost.
    seed : int
        Of these samples.

    Returns
    -------
    Fairness

    Raises
    ------
    ValueError
        If a column or an enterprise is missing, or there is no such group.

    Examples
    --------
    >>> from tierkit.policy import Policy
    >>> from tierkit.synth import make
    >>> data, _ = make(300, seed=1)
    >>> ids = data["enterprises"]["enterprise_id"]
    >>> scored = pd.DataFrame({"enterprise_id": ids, "tier": "T2", "risk_probability": 0.1})
    >>> fairness(scored, data, "2023-07-03", groups=["ownership"], repeats=20).visits["level"].tolist()
    ['state', 'private', 'foreign', 'hmt', 'individual']
    """
    first = pd.Timestamp(start)
    seen = _seen(scored, records, first, days)
    truth = None
    if violating is not None:
        truth = violating.reindex(scored["enterprise_id"]).to_numpy()
        if pd.isna(truth).any():
            raise ValueError("The 'violating' series must say of every scored enterprise whether it is.")
    band = g.bands(seen.risk, n_bands)
    parts: dict[str, list[pd.DataFrame]] = {}
    for group in dict.fromkeys(groups):
        code = g.group_of(seen.enterprises, group, first.date())
        frames = {
            "tiers": _tiers(seen, code, g.GROUPS[group]),
            "visits": _visits(seen, code, group, band, first.date()),
            "audits": _audits(seen, code, g.GROUPS[group]),
            "false_t4": _false_t4(seen, code, g.GROUPS[group], truth),
            "missed": _missed(seen, code, g.GROUPS[group]),
            "cost": _cost(seen, code, band, repeats, seed),
        }
        for name, frame in frames.items():
            frame.insert(0, "group", group)
            parts.setdefault(name, []).append(frame)
    whole = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    return Fairness(first.date(), days, **whole)


def _tiers(seen: _Seen, code: Ints, levels: Sequence[str]) -> pd.DataFrame:
    rows = []
    for k, level in enumerate(levels):
        n = int((code == k).sum())
        for t, tier in enumerate(TIERS):
            inside = int(((code == k) & (seen.tier == t)).sum())
            low, high = wilson_interval(inside, n)
            rows.append((level, tier, n, inside / n if n else np.nan, float(low), float(high)))
    return pd.DataFrame(rows, columns=["level", "tier", "n", "share", "low", "high"])


def _like(seen: _Seen, band: Ints, but: str, day: date) -> Ints:
    """Return strata of equal risk, sector and size, without the group itself."""
    out = band
    for name in ("sector", "size"):
        if name != but:
            out = out * len(g.GROUPS[name]) + g.group_of(seen.enterprises, name, day)
    return out


def _visits(seen: _Seen, code: Ints, group: str, band: Ints, day: date) -> pd.DataFrame:
    like = _like(seen, band, group, day)
    rows = []
    for k, level in enumerate(g.GROUPS[group]):
        mine = code == k
        rate = g.clustered_rate(seen.planned[mine], seen.years[mine])
        ratio = g.rate_ratio(seen.planned, seen.years, mine, band)
        same = g.rate_ratio(seen.planned, seen.years, mine, like)
        counts = (int(mine.sum()), seen.years[mine].sum(), int(seen.planned[mine].sum()))
        rows.append((level, *counts, *rate[:3], *ratio, *same[:3]))
    columns = ["level", "n", "years", "planned", "rate", "low", "high"]
    columns += ["ratio", "ratio_low", "ratio_high", "p", "like", "like_low", "like_high"]
    out = pd.DataFrame(rows, columns=columns)
    out["p_holm"] = g.holm(out["p"])
    out["verdict"] = [_verdict(r, p) for r, p in zip(out["ratio"], out["p_holm"], strict=True)]
    return out


def _verdict(ratio: float, p: float) -> str:
    if np.isnan(ratio):
        return "too_few"
    return "no_difference" if p >= _ALPHA else "more" if ratio > 1 else "less"


def _audits(seen: _Seen, code: Ints, levels: Sequence[str]) -> pd.DataFrame:
    rows = []
    for k, level in enumerate(levels):
        mine = (code == k) & (seen.audits > 0)
        n, found = seen.audits[mine], seen.found[mine]
        rate = g.clustered_share(found, n)
        predicted = float(np.average(seen.risk[mine], weights=n)) if n.size else np.nan
        over = [value / predicted for value in rate[:3]]
        note = "too_few" if np.isnan(rate.value) else ""
        counts = (int(n.sum()), int(mine.sum()), int(found.sum()))
        rows.append((level, *counts, *rate[:3], predicted, *over, note))
    columns = ["level", "audits", "enterprises", "findings", "rate", "low", "high", "predicted"]
    return pd.DataFrame(rows, columns=[*columns, "over_predicted", "over_low", "over_high", "note"])


def _false_t4(
    seen: _Seen, code: Ints, levels: Sequence[str], violating: NDArray[Any] | None
) -> pd.DataFrame:
    audited = (seen.audits > 0) & (seen.found == 0)
    compliant = audited if violating is None else ~violating.astype(bool)
    rows = []
    for k, level in enumerate(levels):
        mine = compliant & (code == k)
        n, top = int(mine.sum()), int((mine & (seen.tier == len(TIERS) - 1)).sum())
        enough = n >= g.FEWEST
        low, high = wilson_interval(top, n) if enough else (np.nan, np.nan)
        rows.append((level, n, top, top / n if enough else np.nan, float(low), float(high)))
    out = pd.DataFrame(rows, columns=["level", "n", "in_t4", "share", "low", "high"])
    basis = "audits" if violating is None else "truth"
    return out.assign(basis=basis, note=np.where(out["n"] < g.FEWEST, "too_few", ""))


def _missed(seen: _Seen, code: Ints, levels: Sequence[str]) -> pd.DataFrame:
    rows = []
    for k, level in enumerate(levels):
        mine = code == k
        duties = seen.obligations[mine].sum()
        open_ = 1 - seen.inspected[mine].sum() / duties if duties else np.nan
        rate = g.clustered_share(seen.found[mine], seen.audits[mine])
        per = [1000 * open_ * value for value in rate[:3]]
        rows.append((level, int(duties), open_, *per, "too_few" if np.isnan(rate.value) else ""))
    return pd.DataFrame(rows, columns=["level", "obligations", "uninspected", "missed", "low", "high", "note"])


def _cost(seen: _Seen, code: Ints, band: Ints, repeats: int, seed: int) -> pd.DataFrame:
    """Return what equal visits at equal risk would do to expected findings, the load of each band kept.

    A cell's visits find at its mean scored risk, times what random audits found over what was predicted: of
    its group with ten findings or more, of everybody with fewer. Enterprises are drawn anew, audits and all.
    """
    known = code >= 0
    levels, n_bands = int(code.max(initial=0)) + 1, int(band.max(initial=0)) + 1
    cell = (code * n_bands + band)[known]
    own, risk, years, planned = (x[known] for x in (code, seen.risk, seen.years, seen.planned))
    audits, found = seen.audits[known], seen.found[known]
    enough = np.bincount(own, weights=found, minlength=levels) >= g.FEWEST
    rng = np.random.default_rng(seed)

    def summed(values: Floats, by: Ints, n: int) -> Floats:
        return np.bincount(by, weights=values, minlength=n).astype(np.float64)

    def once(w: Floats) -> tuple[float, float, float]:
        made = summed(w * planned, cell, levels * n_bands).reshape(levels, n_bands)
        there = summed(w * years, cell, levels * n_bands).reshape(levels, n_bands)
        danger = summed(w * years * risk, cell, levels * n_bands).reshape(levels, n_bands)
        alike = there * (made.sum(axis=0) / np.maximum(there.sum(axis=0), 1e-300))
        hit, said = summed(w * found, own, levels), summed(w * audits * risk, own, levels)
        overall = hit.sum() / said.sum() if said.sum() > 0 and found.sum() >= g.FEWEST else 1.0
        factor = np.where(enough & (said > 0), hit / np.maximum(said, 1e-300), overall)
        chance = factor[:, None] * danger / np.maximum(there, 1e-300)
        size = max(w.mean(), 1e-300) if w.size else 1.0  # a sample is as large as the whole
        moved = np.abs(alike - made).sum() / 2
        return moved / size, (made * chance).sum() / size, ((alike - made) * chance).sum() / size

    moved, findings, change = once(np.ones(known.sum()))
    drawn = [once(rng.poisson(1.0, known.sum()).astype(np.float64))[2] for _ in range(repeats)]
    low, high = np.quantile(drawn, [0.025, 0.975]) if repeats else (np.nan, np.nan)
    columns = ["moved", "findings", "change", "low", "high"]
    return pd.DataFrame([(moved, findings, change, float(low), float(high))], columns=columns)


def domestic_foreign(
    scored: pd.DataFrame,
    records: Mapping[str, pd.DataFrame],
    start: date | str,
    *,
    days: int = 180,
    foreign: Sequence[str] = FOREIGN,
    n_bands: int = 20,
) -> Consistency:
    """Check whether domestic and foreign capital is inspected alike at equal risk (内外资一致).

    Parameters
    ----------
    scored, records, start, days, n_bands
        As in `fairness`.
    foreign : sequence of str
        Ownerships that count as foreign capital; all others are domestic.

    Returns
    -------
    Consistency

    Raises
    ------
    ValueError
        If a column or an enterprise is missing, or there is no such ownership.

    Examples
    --------
    >>> from tierkit.synth import make
    >>> data, _ = make(300, seed=1)
    >>> ids = data["enterprises"]["enterprise_id"]
    >>> scored = pd.DataFrame({"enterprise_id": ids, "tier": "T2", "risk_probability": 0.1})
    >>> domestic_foreign(scored, data, "2023-07-03").verdict
    'too_few'
    """
    unknown = sorted(set(foreign) - set(g.GROUPS["ownership"]))
    if unknown:
        known = ", ".join(g.GROUPS["ownership"])
        raise ValueError(f"The 'foreign' ownerships must be of {known}. Got {unknown}.")
    first = pd.Timestamp(start)
    seen = _seen(scored, records, first, days)
    mine = seen.enterprises["ownership"].isin(list(foreign)).to_numpy()
    band = g.bands(seen.risk, n_bands)
    ratio = g.rate_ratio(seen.planned, seen.years, mine, band)
    like = g.rate_ratio(seen.planned, seen.years, mine, _like(seen, band, "ownership", first.date()))
    return Consistency(
        int(mine.sum()),
        int((~mine).sum()),
        int(seen.planned[mine].sum()),
        int(seen.planned[~mine].sum()),
        *ratio,
        *like[:3],
        _verdict(ratio.value, ratio.p),
    )


def missed_by_group(summary: pd.DataFrame, group: str = "ownership") -> pd.DataFrame:
    """Return violations missed and harm by group, per 1,000 enterprises, of a simulation's summary.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary`` (`tierkit.compare`), or `tierkit.outcomes.Outcome.values` of one run, which has
        no intervals.
    group : str
        Of its groups: ``ownership``, ``size``, ``sector``, ``district``.

    Returns
    -------
    DataFrame
        ``policy``, ``kappa`` and ``weeks`` where the summary has them, ``level``, ``measure``
        (``violations_missed`` or ``harm``), ``n`` enterprises, ``value``, ``low``, ``high``.

    Raises
    ------
    KeyError
        If the summary does not have the group.

    Examples
    --------
    >>> row = {"group": "size", "level": "micro", "measure": "harm", "value": 30.0, "n": 600}
    >>> missed_by_group(pd.DataFrame([row]), "size")["value"].tolist()
    [50.0]
    """
    rows = summary[(summary["group"] == group) & summary["measure"].isin(["violations_missed", "harm"])]
    if rows.empty:
        have = ", ".join(sorted(summary["group"].astype(str).unique()))
        raise KeyError(f"The summary has no violations missed or harm by '{group}'; it has {have}.")
    rows = rows.assign(**{end: rows[end] if end in rows else np.nan for end in ("low", "high")})
    scale = 1000 / rows["n"].where(rows["n"] > 0)
    rows = rows.assign(**{end: rows[end] * scale for end in ("value", "low", "high")})
    before = [name for name in ("policy", "kappa", "weeks") if name in rows]
    return rows[[*before, "level", "measure", "n", "value", "low", "high"]].reset_index(drop=True)
