"""Compare how groups of enterprises are tiered and inspected at equal risk, as audits by lot measure it.

Enterprises were scored and put into tiers as of a day; the records from that day on say who was inspected and
what equal-chance audits found. Groups are compared **at equal risk**: within bands of the scored risk, by a
Mantel-Haenszel ratio of planned inspections a year, group against the rest. It needs no model of how visits
depend on risk, holds with many small strata, and a calibration that keeps ranks cannot change it. The score
itself may be unfair; so what the equal-chance audits found is held against what it said, group by group. A
rule may inspect a sector or a size more by intent, and groups differ in these; ``like`` is the ratio at
equal risk, sector and size.

Ratios of fewer than ten inspections and rates of fewer than ten findings are refused, in words. Liu and Li
(2015, C41) found state firms less sampled and failing as often; why labels of those inspected cannot settle
it is shown by `tierkit.evaluate.feedback`. See docs/fairness.md.
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

from tierkit.arrays import Floats, Ints
from tierkit.evaluate.fairness import groups as g
from tierkit.evaluate.fairness.observed import Observed, alike, observe, ratio_text, verdict
from tierkit.records import SHANGHAI, TIERS, Place
from tierkit.results import Result
from tierkit.scores.metrics import bootstrap_interval, wilson_interval
from tierkit.texts import number, percent, text

__all__ = ["Fairness", "fairness", "missed_by_group"]


@dataclass(frozen=True, repr=False)
class Fairness(Result):
    """Results of `fairness`. Each row of a frame is one level of one group.

    Attributes
    ----------
    start : date
        The day of the scores; records from it on were used.
    days : int
    tiers : DataFrame
        ``group``, ``level``, ``tier``, ``n`` enterprises, ``share`` of the level in the tier, ``low`` and
        ``high`` (Wilson).
    visits : DataFrame
        ``n`` enterprises, ``years`` of exposure, ``planned`` on-site inspections, ``rate`` an enterprise-year
        with ``low`` and ``high``; ``ratio`` to the rest at equal risk with ``ratio_low``, ``ratio_high``,
        ``p`` and ``p_holm`` (for all levels of the group at once); ``like`` at equal risk, sector and size
        with ``like_low`` and ``like_high``; ``verdict`` by ``p_holm`` at 5 %: ``more``, ``less``,
        ``no_difference`` or ``too_few``. Where one level gets more, the others get a little less than a
        rest that holds it; read the level that is farthest out first.
    audits : DataFrame
        Equal-chance audits: ``audits``, ``enterprises`` audited, ``findings``, ``rate`` with ``low`` and
        ``high``, ``predicted`` (mean scored risk of the audited), ``over_predicted`` (rate over predicted)
        with ``over_low`` and ``over_high``, and ``note``: ``""`` or ``too_few``.
    false_t4 : DataFrame
        Of the compliant, who is in T4: ``n`` compliant, ``in_t4``, ``share``, ``low``, ``high``, ``basis``:
        ``audits`` (no equal-chance audit of theirs found anything, which misses what audits miss) or
        ``truth``.
    missed : DataFrame
        ``obligations``, ``uninspected`` share, and ``missed`` with ``low`` and ``high``: violations that a
        standard audit would find and nobody looked for, per 1,000 obligations; ``note`` as above.
    cost : DataFrame
        One row per group: what it would do to give all levels the same planned visits at equal risk and keep
        the load of every band: ``moved`` inspections over the days, ``findings`` expected of all as they
        were, the ``change`` of these with ``low`` and ``high``.
    place : Place
        The place of the records.
    """

    start: date
    days: int
    tiers: pd.DataFrame
    visits: pd.DataFrame
    audits: pd.DataFrame
    false_t4: pd.DataFrame
    missed: pd.DataFrame
    cost: pd.DataFrame
    place: Place = SHANGHAI

    @property
    def table(self) -> pd.DataFrame:
        """The main columns of all frames in one frame, one row per level."""
        keys = ["group", "level"]
        top = self.tiers[self.tiers["tier"] == "T4"].rename(columns={"share": "t4"})[[*keys, "t4"]]
        seen = self.audits[[*keys, "audits", "findings", "rate"]].rename(columns={"rate": "audit_rate"})
        out = self.visits.merge(top, on=keys).merge(seen, on=keys)
        wrong = self.false_t4[[*keys, "share"]].rename(columns={"share": "false_t4"})
        return out.merge(wrong, on=keys).merge(self.missed[[*keys, "missed"]], on=keys)

    def to_frame(self) -> pd.DataFrame:
        """Return the table, one row per level."""
        return self.table

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return which levels get more or less than the rest at equal risk."""
        said = [text("fairness.head", lang, start=self.start, days=self.days)]
        told = self.visits[self.visits["verdict"].isin(["more", "less"])].to_dict("records")
        apart = [self._apart(row, lang) for row in told]
        return [*said, *(apart or [text("fairness.alike", lang)])]

    def _apart(self, row: Mapping[Any, Any], lang: str) -> str:
        return text(
            "fairness.said", lang, group=text(f"group.{row['group']}", lang),
            level=self.label(row["group"], row["level"], lang), ratio=ratio_text(row, "ratio"),
            verdict=text(f"fairness.{row['verdict']}", lang),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return all frames as plain data for JSON; a refused number is None."""
        frames = ("tiers", "visits", "audits", "false_t4", "missed", "cost")
        return {"start": self.start.isoformat(), "days": self.days} | {
            name: getattr(self, name)
            .astype(object)
            .where(getattr(self, name).notna(), None)
            .to_dict("records")
            for name in frames
        }

    def label(self, group: str, level: str, lang: str = "en") -> str:
        """Return the name of a group's level."""
        return text(f"age.{level}", lang) if group == "age" else self.place.levels[group][level].text(lang)

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
                    text("fairness.level", lang): self.label(row["group"], row["level"], lang),
                    text("fairness.n", lang): number(row["n"]),
                    "T4": percent(row["t4"], 1),
                    text("fairness.rate", lang): number(row["rate"], 2)
                    if row["rate"] == row["rate"]
                    else few,
                    text("fairness.audit_rate", lang): _share(row["audit_rate"], few),
                    text("fairness.ratio", lang): ratio_text(row, "ratio") if told else few,
                    text("fairness.like", lang): ratio_text(row, "like")
                    if row["like"] == row["like"]
                    else few,
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


def _share(value: float, few: str) -> str:
    return few if np.isnan(value) else percent(value, 1)


def fairness(
    scored: pd.DataFrame,
    records: Mapping[str, pd.DataFrame],
    start: date | str,
    *,
    days: int = 180,
    groups: Sequence[str] = g.GROUPS,
    violating: pd.Series | None = None,
    n_bands: int = 20,
    repeats: int = 200,
    seed: int = 0,
) -> Fairness:
    """Compare tiers and inspections of groups with the risk that equal-chance audits show.

    Parameters
    ----------
    scored : DataFrame
        ``enterprise_id``, ``tier`` and ``risk_probability`` as of ``start``: scores joined with the tiers of
        `tierkit.policy.tiers.assign`.
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
        If a column or an enterprise is missing, a tier is none, a risk is no probability, a finding
        or mode is missing, or there is no such group.

    Examples
    --------
    >>> from tierkit.policy import Policy
    >>> from tierkit.city.synth import make
    >>> data, _ = make(300, seed=1)
    >>> ids = data["enterprises"]["enterprise_id"]
    >>> scored = pd.DataFrame({"enterprise_id": ids, "tier": "T2", "risk_probability": 0.1})
    >>> fairness(scored, data, "2023-07-03", groups=["ownership"], repeats=20).visits["level"].tolist()
    ['private', 'state', 'foreign', 'hmt', 'individual']
    """
    first = pd.Timestamp(start)
    seen = observe(scored, records, first, days)
    truth = None
    if violating is not None:
        truth = violating.reindex(scored["enterprise_id"]).to_numpy()
        if pd.isna(truth).any():
            raise ValueError("The 'violating' series must say of every scored enterprise whether it is.")
    band = g.bands(seen.risk, n_bands)
    parts: dict[str, list[pd.DataFrame]] = {}
    for group in dict.fromkeys(groups):
        code, levels = (
            g.group_of(seen.enterprises, group, first.date(), seen.place),
            g.levels_of(group, seen.place),
        )
        frames = {
            "tiers": _tiers(seen, code, levels),
            "visits": _visits(seen, code, group, band, first.date()),
            "audits": _audits(seen, code, levels),
            "false_t4": _false_t4(seen, code, levels, truth),
            "missed": _missed(seen, code, levels),
            "cost": _cost(seen, code, band, repeats, seed),
        }
        for name, frame in frames.items():
            frame.insert(0, "group", group)
            parts.setdefault(name, []).append(frame)
    whole = {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}
    return Fairness(first.date(), days, **whole, place=seen.place)


def _tiers(seen: Observed, code: Ints, levels: Sequence[str]) -> pd.DataFrame:
    rows = []
    for k, level in enumerate(levels):
        n = int((code == k).sum())
        for t, tier in enumerate(TIERS):
            inside = int(((code == k) & (seen.tier == t)).sum())
            low, high = wilson_interval(inside, n)
            rows.append((level, tier, n, inside / n if n else np.nan, float(low), float(high)))
    return pd.DataFrame(rows, columns=["level", "tier", "n", "share", "low", "high"])


def _visits(seen: Observed, code: Ints, group: str, band: Ints, day: date) -> pd.DataFrame:
    known = code >= 0  # who is of no known level is of no level's rest
    like, band = alike(seen, band, group, day)[known], band[known]
    planned, years = seen.planned[known], seen.years[known]
    rows = []
    for k, level in enumerate(g.levels_of(group, seen.place)):
        mine = code[known] == k
        rate = g.clustered_rate(planned[mine], years[mine])
        ratio = g.rate_ratio(planned, years, mine, band)
        same = g.rate_ratio(planned, years, mine, like)
        counts = (int(mine.sum()), years[mine].sum(), int(planned[mine].sum()))
        rows.append((level, *counts, *rate[:3], *ratio, *same[:3]))
    columns = ["level", "n", "years", "planned", "rate", "low", "high"]
    columns += ["ratio", "ratio_low", "ratio_high", "p", "like", "like_low", "like_high"]
    out = pd.DataFrame(rows, columns=columns)
    out["p_holm"] = g.holm(out["p"])
    out["verdict"] = [verdict(r, p) for r, p in zip(out["ratio"], out["p_holm"], strict=True)]
    return out


def _audits(seen: Observed, code: Ints, levels: Sequence[str]) -> pd.DataFrame:
    rows = []
    for k, level in enumerate(levels):
        mine = (code == k) & (seen.audits > 0)
        n, found = seen.audits[mine], seen.found[mine]
        rate = g.clustered_share(found, n)
        predicted = float(np.average(seen.risk[mine], weights=n)) if n.size else np.nan
        over = [value / (predicted or np.nan) for value in rate[:3]]
        note = "too_few" if np.isnan(rate.value) else ""
        counts = (int(n.sum()), int(mine.sum()), int(found.sum()))
        rows.append((level, *counts, *rate[:3], predicted, *over, note))
    columns = ["level", "audits", "enterprises", "findings", "rate", "low", "high", "predicted"]
    return pd.DataFrame(rows, columns=[*columns, "over_predicted", "over_low", "over_high", "note"])


def _false_t4(
    seen: Observed, code: Ints, levels: Sequence[str], violating: NDArray[Any] | None
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


def _missed(seen: Observed, code: Ints, levels: Sequence[str]) -> pd.DataFrame:
    rows = []
    for k, level in enumerate(levels):
        mine = code == k
        duties = seen.obligations[mine].sum()
        open_ = 1 - seen.inspected[mine].sum() / duties if duties else np.nan
        rate = g.clustered_share(seen.found[mine], seen.audits[mine])
        per = [1000 * open_ * value for value in rate[:3]]
        rows.append((level, int(duties), open_, *per, "too_few" if np.isnan(rate.value) else ""))
    return pd.DataFrame(
        rows, columns=["level", "obligations", "uninspected", "missed", "low", "high", "note"]
    )


def _cost(seen: Observed, code: Ints, band: Ints, repeats: int, seed: int) -> pd.DataFrame:
    """Return the change of expected findings if visits were equal at equal risk and each band kept its load.

    A cell's visits find at its mean scored risk, times what equal-chance audits found over what was
    predicted: of its group with ten findings or more, of everybody with fewer. Enterprises are drawn anew,
    audits and all.
    """
    known = code >= 0
    levels, n_bands = int(code.max(initial=0)) + 1, int(band.max(initial=0)) + 1
    cell = (code * n_bands + band)[known]
    own, risk, years, planned = (x[known] for x in (code, seen.risk, seen.years, seen.planned))
    audits, found = seen.audits[known], seen.found[known]
    enough = np.bincount(own, weights=found, minlength=levels) >= g.FEWEST
    rng = np.random.default_rng(seed)

    def summed(values: Floats, by: NDArray[Any], n: int) -> Floats:
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
    drawn = [once(rng.poisson(1.0, known.sum()).astype(np.float64)) for _ in range(repeats)]
    _, before, changed = np.array(drawn).reshape(repeats, 3).T
    low, high = bootstrap_interval(changed, int(known.sum()), against=before)
    columns = ["moved", "findings", "change", "low", "high"]
    return pd.DataFrame([(moved, findings, change, float(low), float(high))], columns=columns)


def missed_by_group(summary: pd.DataFrame, group: str = "ownership") -> pd.DataFrame:
    """Return violations missed and harm by group, per 1,000 enterprises, of a simulation's summary.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary`` (`tierkit.compare`), or `tierkit.compare.outcomes.Outcome.values` of one run,
        which has no intervals.
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
    rows = rows.assign(**{end: rows.get(end, np.nan) for end in ("low", "high")})
    scale = 1000 / rows["n"].where(rows["n"] > 0)
    rows = rows.assign(**{end: rows[end] * scale for end in ("value", "low", "high")})
    before = [name for name in ("policy", "kappa", "weeks") if name in rows]
    return rows[[*before, "level", "measure", "n", "value", "low", "high"]].reset_index(drop=True)
