"""Ladders: how often each tier is inspected under a policy, and whether that meets the legal minimum.

A *ladder* is the declared routine frequency by tier, in inspections per enterprise-year over all agencies.
The law's floor is about something narrower: the share of enterprises that a province's market regulators
draw a year to check what enterprises publish. A ladder over all agencies is the most that those draws can be,
so a ladder below the floor breaks it for certain, and one above it has proved nothing. Unmonitored lists,
off-site checks, items left alone and caps only take away; how much, only a run shows.

What inspectors do against the tier in a share of their choices is counted. Agencies' tables of their own and
tags reach some obligations only: the ladder is that of the others, a column says how far those go, and the
floor is held against the most that they can add.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from tierkit import texts
from tierkit.policy.core import Policy
from tierkit.policy.files.reading import STATUSES
from tierkit.records import ITEM_CLASSES, LEVELS, TIERS, Label

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DANDONG",
    "FLOORS",
    "LEGAL_FLOOR",
    "Floor",
    "FloorCheck",
    "check_floor",
    "draw_ratio",
    "floor_on",
    "ladder",
    "ladder_table",
    "realised",
    "target_shares",
]


class Floor(NamedTuple):
    """The least share of enterprises that must be drawn a year, from a date on."""

    from_: date
    share: float
    source: Label


FLOORS = (
    Floor(
        date(2014, 10, 1),
        0.03,
        Label(
            "《企业公示信息抽查暂行办法》(C48)",
            "Interim Measures for Spot Checks of Published Information (C48)",
        ),
    ),
    Floor(
        date(2025, 3, 18),
        0.03,
        Label("国家市场监督管理总局令第101号 (C13)", "Order No. 101 of the market regulator (C13)"),
    ),
)
"""Legal floors, oldest first; each holds until the next."""
LEGAL_FLOOR = FLOORS[-1].share
"""Share of enterprises that a province must draw a year, as of the newest rule."""
DANDONG: Mapping[str, int] = dict(zip(TIERS, (31_107, 12_044, 3_682, 721), strict=True))
"""Enterprises of classes A to D in Dandong, 2023 (source C8), by the tiers that stand for them."""
_ROUNDING = 1e-9
_WEEKS_A_YEAR = 52
_PARTIAL = {"agency_table": "agencies", "strata": "tags"}


def floor_on(day: date) -> Floor | None:
    """Return the floor in force on a day; None before there was one.

    Examples
    --------
    >>> floor_on(date(2014, 1, 1)) is None, floor_on(date(2024, 12, 31)).from_.isoformat()
    (True, '2014-10-01')
    """
    return next((floor for floor in reversed(FLOORS) if floor.from_ <= day), None)


def target_shares(policy: Policy) -> dict[str, float]:
    """Return the target shares of the tiers, for which a policy's cut-offs were set.

    Examples
    --------
    >>> target_shares(Policy.load("legacy"))["T1"]
    0.62
    """
    return {tier: float(policy[f"scoring.target_shares.{tier}"]) for tier in TIERS}


def _reach(policy: Policy, tier: str) -> dict[str, float]:
    """Return the multiples of a tier that apply to some obligations only, by their origin."""
    return {
        family: float(policy[f"{family}.tier.{tier}"])
        for family, members in _PARTIAL.items()
        if policy[f"{family}.{members}"]
    }


def _multiple(policy: Policy, tier: str, item_class: str, reach: float = 1.0) -> float:
    """Return the multiple of the base rate in a tier, with overrides by inspectors."""
    override = float(policy["frequency.override"])
    return (1 - override) * reach * float(policy[f"frequency.tier.{tier}.{item_class}"]) + override


def draw_ratio(policy: Policy, shares: Mapping[str, float], *, most: bool = False) -> float:
    """Return the planned draws per enterprise and year that a policy gives to given shares of tiers.

    The declared base rate times the multiplier of each tier (general items), weighted by the tier's share, of
    the enterprises in the policy's scope. The random floor, which is drawn by obligation, comes on top and is
    not counted.

    Parameters
    ----------
    policy : Policy
    shares : mapping of str to float
        Share of the enterprises by tier; they are scaled to sum to one.
    most : bool, default=False
        Take everything as under an agency's table or a tag where that means more.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the shares are not those of the four tiers, or add up to nothing.

    Examples
    --------
    >>> henan = Policy.load("henan-2021")
    >>> round(draw_ratio(henan, DANDONG), 4), round(draw_ratio(henan, target_shares(henan)), 4)
    (0.0239, 0.0302)
    """
    if set(shares) != set(TIERS):
        raise ValueError(f"The 'shares' must be those of {', '.join(TIERS)}. Got {sorted(shares)}.")
    total = sum(shares.values())
    if not total > 0:
        raise ValueError(f"The 'shares' must add up to more than 0. Got {dict(shares)}.")
    mean = 0.0
    for tier in TIERS:
        reach = math.prod(max(1.0, one) for one in _reach(policy, tier).values()) if most else 1.0
        mean += shares[tier] / total * _multiple(policy, tier, "general", reach)
    return float(policy["frequency.base_rate"]) * mean


@dataclass(frozen=True)
class FloorCheck:
    """A policy's declared draws compared with the legal floor.

    Attributes
    ----------
    policy : str
    scope : tuple of str
        Sectors that the ladder is for; empty means all. Shares and ratio are of the enterprises in scope.
    shares : dict of str to float
        Shares of the tiers, adding up to one.
    of_run : bool
        Whether the shares are those of a run; else they are the policy's target shares or were given.
    by_tier, by_lot : float
        Declared draws per enterprise-year: routine ones by tier (the most of `draw_ratio`), and the random
        floor's, which is counted for one obligation, since every enterprise has one to the market regulators.
    floor : Floor or None
        The floor in force; None before there was one.
    realised : tuple of float, optional
        Share of enterprises with at least one random or routine inspection in a year's run, over all
        agencies and sectors: mean, low and high of its interval.
    """

    policy: str
    scope: tuple[str, ...]
    shares: dict[str, float]
    of_run: bool
    by_tier: float
    by_lot: float
    floor: Floor | None
    realised: tuple[float, float, float] | None = None

    @property
    def ratio(self) -> float:
        """Return the declared draws per enterprise-year, by tier and by lot together."""
        return self.by_tier + self.by_lot

    @property
    def breach(self) -> bool:
        """Return whether the declared draws are below the floor in force."""
        return self.floor is not None and self.ratio < self.floor.share - _ROUNDING

    @property
    def short(self) -> bool:
        """Return whether the run drew fewer enterprises than the floor by more than chance."""
        return self.floor is not None and self.realised is not None and self._highest < self.floor.share

    @property
    def _highest(self) -> float:
        mean, _, high = self.realised or (0.0, 0.0, 0.0)
        return high if high == high else mean  # one replicate has no interval

    def sentences(self, lang: str) -> list[str]:
        """Return the warnings in one language; none where the floor is kept.

        Examples
        --------
        >>> check_floor(Policy.load("henan-2021"), DANDONG).sentences("en")[0].partition(":")[0]
        '**Below the legal floor**'
        >>> check_floor(Policy.load("legacy")).sentences("zh")
        []
        """
        if self.floor is None:
            return []
        known = {
            "policy": texts.policy_label(self.policy, lang),
            "floor": texts.percent(self.floor.share),
            "source": self.floor.source.text(lang),
            "date": self.floor.from_.isoformat(),
        }
        told = []
        if self.breach:
            shares = texts.text("floor.shares_of_run" if self.of_run else "floor.shares_assumed", lang)
            by_tier = texts.percent(self.by_tier, 2)
            by_lot = texts.percent(self.by_lot, 2)
            said = {"shares": shares, "at": self.shares_text(), "by_tier": by_tier, "by_lot": by_lot}
            told.append(texts.text("floor.breach", lang, ratio=texts.percent(self.ratio, 2), **said, **known))
        if self.short and self.realised is not None:
            mean, low, high = self.realised
            interval = texts.interval(low, high, 2, share=True) if low == low else ""
            said = {"realised": texts.percent(mean, 2), "interval": interval}
            told.append(texts.text("floor.short", lang, **said, **known))
        return told

    def shares_text(self) -> str:
        """Return the tier shares in short.

        Examples
        --------
        >>> check_floor(Policy.load("legacy")).shares_text()
        'T1 62.0%, T2 25.0%, T3 10.0%, T4 3.0%'
        """
        return ", ".join(f"{tier} {texts.percent(share, 1)}" for tier, share in self.shares.items())

    def to_dict(self) -> dict[str, object]:
        """Return everything as plain data, for JSON."""
        realised = None if self.realised is None else [None if x != x else x for x in self.realised]
        return {
            "policy": self.policy,
            "scope": list(self.scope),
            "shares": self.shares,
            "shares_of": "run" if self.of_run else "given",
            "by_tier": self.by_tier,
            "by_lot": self.by_lot,
            "ratio": self.ratio,
            "unit": "draws/enterprise-year",
            "floor": None if self.floor is None else self.floor.share,
            "floor_from": None if self.floor is None else self.floor.from_.isoformat(),
            "floor_source": None if self.floor is None else self.floor.source.en,
            "realised": realised,
            "breach": self.breach,
            "short": self.short,
        }


def check_floor(
    policy: Policy,
    shares: Mapping[str, float] | None = None,
    *,
    on: date | None = None,
    of_run: bool = False,
    realised: tuple[float, float, float] | None = None,
) -> FloorCheck:
    """Compare a policy's declared draws with the legal floor.

    Parameters
    ----------
    policy : Policy
    shares : mapping of str to float, optional
        Shares or counts of the enterprises in scope by tier; the policy's target shares if absent.
    on : date, optional
        Day whose floor counts, such as the last of a run; the newest floor if absent, whatever the
        policy's date.
    of_run : bool, default=False
        Whether the shares are those of a run.
    realised : tuple of float, optional
        Share of enterprises with at least one random or routine inspection in a year, with its interval.

    Returns
    -------
    FloorCheck

    Raises
    ------
    ValueError
        If the shares are not those of the four tiers, or add up to nothing.

    Examples
    --------
    >>> henan = Policy.load("henan-2021")
    >>> check_floor(henan, DANDONG).breach, check_floor(henan).breach
    (True, False)
    >>> check_floor(henan, DANDONG, on=date(2014, 1, 1)).breach  # before there was a floor
    False
    """
    given = target_shares(policy) if shares is None else shares
    by_tier = draw_ratio(policy, given, most=True)
    total = sum(given.values())
    return FloorCheck(
        policy=policy.name,
        scope=tuple(policy["scoring.scope_sectors"]),
        shares={tier: given[tier] / total for tier in TIERS},
        of_run=of_run,
        by_tier=by_tier,
        by_lot=float(policy["frequency.random_floor"]),
        floor=FLOORS[-1] if on is None else floor_on(on),
        realised=realised,
    )


def ladder(policies: Iterable[Policy]) -> pd.DataFrame:
    """Return how often each tier is inspected under each policy, as declared.

    Parameters
    ----------
    policies : iterable of Policy

    Returns
    -------
    DataFrame
        One row per policy and tier: ``policy``, ``status``, ``tier``, ``share`` (the tier's target share),
        ``general`` and ``key``: routine inspections per enterprise-year, were all its items of that class. It
        is the base rate times the multiplier, for an enterprise of average sector and size in the policy's
        scope; the random floor comes on top. ``reach`` is what multiplies them on some obligations only: by
        agencies' own tables (``agency_table``) and for tagged enterprises (``strata``).

    Examples
    --------
    >>> frame = ladder([Policy.load("henan-2021")])
    >>> frame["general"].tolist()
    [0.01, 0.02, 0.1, 0.3]
    """
    import pandas as pd  # here, as in policy/core

    rows = [
        {
            "policy": policy.name,
            "status": policy.meta.status,
            "tier": tier,
            "share": share,
            **{kind: policy["frequency.base_rate"] * _multiple(policy, tier, kind) for kind in ITEM_CLASSES},
            "reach": _reach(policy, tier),
        }
        for policy in policies
        for tier, share in target_shares(policy).items()
    ]
    columns = ["policy", "status", "tier", "share", *ITEM_CLASSES, "reach"]
    return pd.DataFrame(rows, columns=columns)


def ladder_table(policies: Iterable[Policy], lang: str = "zh") -> pd.DataFrame:
    """Return ladders side by side, one row per policy, as people read them.

    Parameters
    ----------
    policies : iterable of Policy
    lang : {"zh", "en"}, default="zh"

    Returns
    -------
    DataFrame
        Texts only. Of each tier the inspections per enterprise-year, as ``general / key`` where the two
        differ; the sectors in scope, what multiplies these on some obligations only, the
        random floor, and the draws by tier that this comes to at the policy's target shares and at Dandong's
        published ones.

    Examples
    --------
    >>> table = ladder_table([Policy.load("chongming-2025"), Policy.load("henan-2021")], "en")
    >>> table.iloc[:, 1].tolist()
    ['0 / 0.235', '0.01']
    """
    import pandas as pd

    rows = []
    for policy in policies:
        own = ladder([policy]).to_dict("records")
        labels = policy.place.levels["sector"] if policy.place else {}
        sectors = [labels[one].text(lang) for one in policy["scoring.scope_sectors"]]
        by_tier = {
            f"{row['tier']} {LEVELS['tier'][row['tier']].text(lang)}": _rate(row["general"], row["key"])
            for row in own
        }
        partial = (_partial(policy, family, lang) for family in _PARTIAL)
        rows.append(
            {
                texts.text("word.policy", lang): policy.name,
                texts.text("ladder.status", lang): STATUSES[policy.meta.status].text(lang),
                **by_tier,
                texts.text("ladder.scope", lang): texts.join(sectors, lang)
                or texts.text("ladder.everywhere", lang),
                texts.text("ladder.partial", lang): "; ".join(one for one in partial if one) or "–",
                texts.text("ladder.by_lot", lang): f"{policy['frequency.random_floor']:.3g}",
                texts.text("ladder.at_target", lang): f"{draw_ratio(policy, target_shares(policy)):.4f}",
                texts.text("ladder.at_dandong", lang): f"{draw_ratio(policy, DANDONG):.4f}",
            }
        )
    return pd.DataFrame(rows).set_index(texts.text("word.policy", lang))


def realised(summary: pd.DataFrame) -> pd.DataFrame:
    """Return how often each tier was inspected by plan in the runs of a comparison.

    It is not what a ladder declares: sectors and sizes are spread unevenly over the tiers, inspectors lean
    towards bad records, lists and items left alone take away, and equal-chance audits, campaigns and
    commitment checks add.

    Parameters
    ----------
    summary : DataFrame
        ``Comparison.summary``, with the group ``tier``.

    Returns
    -------
    DataFrame
        One row per policy, κ and tier (that of the start): ``policy``, ``kappa``, ``tier``, ``planned``,
        planned inspections per enterprise-year, its interval ``low`` and ``high``, and ``n``, enterprises.

    Examples
    --------
    >>> import pandas as pd
    >>> row = {"policy": "a", "kappa": 0.0, "group": "tier", "level": "T1", "measure": "planned_inspections"}
    >>> row |= {"value": 30.0, "low": 26.0, "high": 34.0, "over": 26, "n": 600}
    >>> realised(pd.DataFrame([row]))["planned"].tolist()  # 30 of 600 enterprises in half a year
    [0.1]
    """
    rows = summary[(summary["group"] == "tier") & (summary["measure"] == "planned_inspections")]
    rows = rows[rows["level"].isin(TIERS)].reset_index(drop=True)
    years = rows["n"] * rows["over"] / _WEEKS_A_YEAR
    ends = {"planned": rows["value"] / years, "low": rows["low"] / years, "high": rows["high"] / years}
    return rows[["policy", "kappa", "level"]].rename(columns={"level": "tier"}).assign(**ends, n=rows["n"])


def _partial(policy: Policy, family: str, lang: str) -> str:
    members = policy[f"{family}.{_PARTIAL[family]}"]
    if not members or policy.place is None:
        return ""
    labels = policy.place.levels["agency" if family == "agency_table" else "sector"]
    names = texts.join((labels[one].text(lang) for one in members), lang)
    steps = ", ".join(f"{tier} ×{_reach(policy, tier)[family]:.3g}" for tier in TIERS)
    return texts.text("ladder.reach", lang, names=names, steps=steps)


def _rate(general: float, key: float) -> str:
    return f"{general:.3g}" if general == key else f"{general:.3g} / {key:.3g}"
