"""Acceptance moments: the ranges a synthetic world must lie in before conclusions are drawn from it.

The ranges come from published figures where there are any; each moment names its own. They are wide
on purpose: the world is made to be consistent with what is known of Shanghai, not fitted to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tierkit import texts
from tierkit.compare.comparison import Comparison
from tierkit.compare.intervals import mean_interval, relative_ends
from tierkit.evaluate.fairness.groups import clustered_rate, clustered_share
from tierkit.evaluate.findings import found_something, on_site
from tierkit.policy import Policy, PolicyWarning
from tierkit.policy.ladders import DANDONG, LEGAL_FLOOR, draw_ratio
from tierkit.records import Dataset

__all__ = ["decimals", "of_comparison", "of_ladder", "of_records", "of_truth"]

_DAYS_A_YEAR = 364  # a simulated year has 52 weeks
_COLUMNS = ["moment", "zh", "value", "low", "high", "lowest", "highest", "holds", "n", "source"]


class _Moment(NamedTuple):
    name: str
    zh: str
    lowest: float
    highest: float
    source: str


_RECORDS = {
    "inspections": _Moment(
        "inspections per enterprise-year", "每户每年检查次数", 0.35, 0.45, "C24: .24 after the reform"
    ),
    "finding_rate": _Moment("finding rate", "检查发现率", 0.10, 0.15, "I27, I10"),
    "penalised": _Moment(
        "share of enterprises penalised a year", "每年受处罚户数占比", 0.01, 0.025, "assumption"
    ),
    "complaints": _Moment("complaints per enterprise-year", "每户每年投诉举报", 0.12, 0.25, "C31, C32"),
    "obligations": _Moment("obligations per enterprise", "每户监管关系数", 4.0, 6.0, "assumption"),
}
_TRUTH = {
    "prevalence": _Moment("share of obligations in violation", "违法监管关系占比", 0.13, 0.15, "I27, I10")
}
_PLAN = {
    "inspections": _Moment(
        "shanghai-2025: change of inspections",
        "上海方案：检查变化",
        -0.75,
        -0.40,
        "C23: -33 %; C25: -70 %; plan set to it",
    ),
    "finding_rate": _Moment(
        "shanghai-2025: change of finding rate", "上海方案：发现率变化", 0.03, 1.0, "C25: up to 19 %"
    ),
}

_LADDER = {
    "draws": _Moment(
        "henan-2021 on Dandong's classes: draws per enterprise-year",
        "河南抽取比例用于丹东分类：每户每年抽取次数",
        0.02385,
        0.02395,
        "C8, C9: 2.39 %",
    ),
    "shortfall": _Moment(
        "the same: shortfall against the legal floor of 3 %",
        "同上：低于 3% 法定下限",
        1e-9,
        LEGAL_FLOOR,
        "C13",
    ),
}


def _row(moment: _Moment, value: float, low: float, high: float, n: int) -> tuple[object, ...]:
    holds = moment.lowest <= value <= moment.highest
    return (moment.name, moment.zh, value, low, high, moment.lowest, moment.highest, holds, n, moment.source)


def _per(count: pd.Series, exposure: pd.Series) -> tuple[float, float, float]:
    """Return events per exposure, with an interval clustered by enterprise; NaN where it is refused."""
    counts = count.reindex(exposure.index, fill_value=0).to_numpy(np.float64)
    years = exposure.to_numpy(np.float64)
    there = years > 0
    told = clustered_rate(counts[there], years[there])
    return float(counts.sum() / years.sum()) if there.any() else np.nan, told.low, told.high


def of_records(data: Dataset) -> pd.DataFrame:
    """Return the moments that a dataset's records show, each with a 95 % interval and its range.

    Intervals are clustered by enterprise, those of `tierkit.evaluate.fairness.groups`; there is none (NaN) of
    fewer than ten events or two enterprises.

    Parameters
    ----------
    data : Dataset
        With ``start`` and ``as_of`` in its manifest.

    Returns
    -------
    DataFrame
        ``moment``, ``zh``, ``value``, ``low``, ``high``, ``lowest``, ``highest``, ``holds``, ``n``,
        ``source``.

    Examples
    --------
    >>> from tierkit.city.synth import make
    >>> of_records(make(200, seed=1)[0])["moment"].tolist()[:2]
    ['inspections per enterprise-year', 'finding rate']
    """
    start, end = (pd.Timestamp(str(data.manifest[key])) for key in ("start", "as_of"))
    people = data["enterprises"]
    since = people["registered_on"].where(people["registered_on"] > start, start)
    until = people["closed_on"].where(people["closed_on"] < end, end)
    years = (until - since).dt.days.clip(lower=0) / _DAYS_A_YEAR
    years = years.set_axis(people["enterprise_id"].astype(str))
    checks = data["inspections"]
    checks = checks[on_site(checks)]
    hits = pd.Series(found_something(checks), index=checks["enterprise_id"].astype(str))
    found = hits.groupby(level=0).agg(["sum", "size"])
    share = clustered_share(found["sum"], found["size"])
    n = len(checks)
    events = data["credit_events"]
    fines = events[events["kind"] == "penalty"]
    year = (fines["happened_on"].fillna(fines["known_on"]) - start).dt.days // _DAYS_A_YEAR
    penalised = pd.DataFrame({"id": fines["enterprise_id"].astype(str), "year": year}).drop_duplicates()["id"]
    complaints = data["complaints"]["enterprise_id"].astype(str)
    per = np.asarray(data["obligations"].groupby("enterprise_id").size(), float)
    mean, low, high = (float(end) for end in mean_interval(per))
    rate = float(found["sum"].sum()) / n if n else np.nan
    rows = [
        _row(_RECORDS["inspections"], *_per(found["size"], years), n),
        _row(_RECORDS["finding_rate"], rate, share.low, share.high, n),
        _row(_RECORDS["penalised"], *_per(penalised.value_counts(), years), len(penalised)),
        _row(_RECORDS["complaints"], *_per(complaints.value_counts(), years), len(complaints)),
        _row(_RECORDS["obligations"], mean, low, high, len(per)),
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def of_truth(data: Dataset) -> pd.DataFrame:
    """Return the moments that only the truth of a synthetic dataset shows; columns as in `of_records`.

    The interval is clustered by enterprise, as those of `of_records` are.

    Examples
    --------
    >>> from tierkit.city.synth import make
    >>> of_truth(make(200, seed=1)[0])["moment"].tolist()
    ['share of obligations in violation']
    """
    truth = data["truth"]
    there = truth["state_by_month"].map(len) > 0
    state = np.stack(truth.loc[there, "state_by_month"].map(np.asarray).to_list())
    alive = data["obligations"][["enterprise_id", "agency", "item_class", "valid_from", "valid_to"]]
    alive = truth.loc[there, ["enterprise_id", "agency", "item_class"]].merge(
        alive, on=["enterprise_id", "agency", "item_class"], how="left"
    )
    months = pd.date_range(str(data.manifest["start"]), periods=state.shape[1], freq="MS").to_numpy()
    begun = alive["valid_from"].to_numpy()[:, None] <= months[None, :]
    over = alive["valid_to"].to_numpy()[:, None] <= months[None, :]
    exists = begun & ~over
    violating = ((state > 0) & exists).sum(axis=1)
    by = (
        pd.DataFrame({"id": alive["enterprise_id"], "v": violating, "n": exists.sum(axis=1)})
        .groupby("id")
        .sum()
    )
    total = int(by["n"].sum())
    told = clustered_share(by["v"], by["n"])
    share = float(by["v"].sum()) / total if total else np.nan
    row = _row(_TRUTH["prevalence"], share, told.low, told.high, total)
    return pd.DataFrame([row], columns=_COLUMNS)


def of_comparison(comparison: Comparison, policy: str = "shanghai-2025") -> pd.DataFrame:
    """Return the moments that a plan must show against the legacy policy; columns as in `of_records`.

    What the finding rate says nothing about stands beside it, without a range: findings, violations
    missed, harm and trigger share. There is no change (NaN) of what is zero under the baseline.
    """
    rows = comparison.table(
        measures=("inspections", "finding_rate", "findings", "violations_missed", "harm", "trigger_share")
    )
    mine = rows[rows["policy"] == policy].set_index("measure")
    out: list[tuple[object, ...]] = []
    for name in mine.index:
        r = mine.loc[name]
        relative = name not in ("finding_rate", "trigger_share")
        value, low, high = r["difference"], r["difference_low"], r["difference_high"]
        if relative:
            base = r["baseline_value"]
            value, (low, high) = value / (base or np.nan), relative_ends(low, high, base)
        moment = _PLAN.get(name)
        if moment is None:
            label = str(name).replace("_", " ")
            out.append(
                (
                    f"{policy}: change of {label}",
                    f"{policy}：{texts.text(f'measure.{name}', 'zh')}变化",
                    value,
                    low,
                    high,
                    np.nan,
                    np.nan,
                    True,
                    r["n"],
                    "",
                )
            )
        else:
            out.append(_row(moment, value, low, high, int(r["n"])))
    return pd.DataFrame(out, columns=_COLUMNS)


def of_ladder() -> pd.DataFrame:
    """Return the published ratios of a ladder, and whether the check of the legal floor warns of it.

    Henan's draw ratios on Dandong's published classes; both are counts of whole populations, so that the
    interval is the value. Columns as in `of_records`.

    Examples
    --------
    >>> of_ladder()[["value", "holds"]].round(4).to_numpy().tolist()
    [[0.0239, True], [0.0061, True]]
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)  # that the ladder has no random floor is known
        henan = Policy.load("henan-2021")
    ratio = draw_ratio(henan, DANDONG)
    short = LEGAL_FLOOR - ratio
    n = sum(DANDONG.values())
    rows = [
        _row(_LADDER["draws"], ratio, ratio, ratio, n),
        _row(_LADDER["shortfall"], short, short, short, n),
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def decimals(moment: Mapping[Any, Any]) -> int:
    """Return how many decimals a row of a table of moments is shown with: four where it is all below 0.05.

    Examples
    --------
    >>> decimals({"value": 0.0239, "high": 0.0239}), decimals({"value": 0.4, "high": 0.5})
    (4, 3)
    """
    return 4 if max(abs(moment["value"]), abs(moment["high"])) < 0.05 else 3
