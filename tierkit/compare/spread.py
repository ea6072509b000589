"""How far changes vary over draws, models and worlds, and intervals as wide as what a sentence is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from tierkit.arrays import Floats
from tierkit.compare.measures import SHARES
from tierkit.compare.nested import LEVELS, nested_ends, parts_of
from tierkit.policy.tiers.cutoffs import binomial_interval
from tierkit.records.gate import InputError
from tierkit.results import Result
from tierkit.texts import interval, join, number, percent, policy_label, signed, text

__all__ = ["ORDER", "PARTS", "ROWS", "Spread", "change_told"]

_INDEX = ["world", "member", "replicate"]
ROWS = (
    "policy", "measure", "within", "cutoffs", "change", "low", "high", "one_low", "one_high", "freedom",
    "same_sign", "worlds", "models", "replicates", "enterprises",
)  # fmt: skip
"""Columns of the intervals."""
PARTS = ("policy", "measure", "cutoffs", "part", "variance", "sd", "share")
"""Columns of the decomposition."""
ORDER = ("measure", "lower", "higher", "share", "low", "high", "units", "sure")
"""Columns of the order of plans."""
_OF_ORDER: Mapping[str, Any] = {
    "measure": "str", "lower": "str", "higher": "str", "share": "float64", "low": "float64",
    "high": "float64", "units": "int64", "sure": "bool",
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Spread(Result):
    """Changes against a baseline with intervals at each level, what varies, and how sure an order is.

    Changes of counts are shares of the baseline's value in the same world, those of shares are differences.

    Attributes
    ----------
    rows : DataFrame
        One row per policy, measure, level (``within``) and kind of cut-offs: ``change`` with the 95 %
        interval of its mean (``low``, ``high``) and that of one more run, model or city (``one_low``,
        ``one_high``); ``freedom``; ``same_sign``, the share of units of the widest level whose change has the
        sign of the mean; ``worlds``, ``models`` in each, ``replicates`` of each, ``enterprises``. See
        `tierkit.compare.nested`.
    parts : DataFrame
        One row per policy, measure, kind of cut-offs and ``part``: its ``variance``, ``sd``, and ``share`` of
        the variance of one run in one city. Where worlds have one model each, what models add is within
        theirs.
    order : DataFrame
        One row per measure and pair of plans: the ``share`` of units (worlds; models where there is one
        world) in which ``lower`` has less than ``higher``, with its exact binomial interval, and ``sure``:
        whether the interval of their difference at the widest level leaves out zero, for all pairs of the
        measure at once.
    policies : tuple of str
        Baseline first.
    kappa : float
    weeks : int
    """

    rows: pd.DataFrame
    parts: pd.DataFrame
    order: pd.DataFrame
    policies: tuple[str, ...]
    kappa: float
    weeks: int

    @classmethod
    def of(
        cls, values: pd.DataFrame, policies: Sequence[str], *, kappa: float, weeks: int, enterprises: int
    ) -> Spread:
        """Return what nested runs show.

        Parameters
        ----------
        values : DataFrame
            ``policy``, ``measure``, ``cutoffs``, ``world``, ``member``, ``replicate``, ``value`` and
            ``baseline_value``, under the same draws; as many members in each world and runs of each member.
        policies : sequence of str
            Baseline first.
        kappa, weeks, enterprises
            Of the runs.

        Raises
        ------
        InputError
            If there are not as many runs of each model, and models in each world.

        Examples
        --------
        >>> runs = pd.DataFrame({"world": [0, 1, 2], "member": 0, "replicate": 0, "value": [9.0, 8.0, 7.0]})
        >>> runs = runs.assign(policy="mine", measure="harm", cutoffs="stated", baseline_value=10.0)
        >>> Spread.of(runs, ("legacy", "mine"), kappa=0.1, weeks=52, enterprises=500).sentences("en")[1]
        'mine: harm −20.0% [−44.8, +4.8].'
        """
        arms, changes = list(dict.fromkeys(values["cutoffs"])), {}
        for key, own in values.groupby(["cutoffs", "policy", "measure"], sort=False, observed=True):
            changes[tuple(map(str, key))] = _changes(own)
        counts = next(iter(changes.values())).shape
        sizes = dict(zip(("worlds", "models", "replicates"), counts, strict=True))
        rows, parts = [], []
        for (arm, policy, measure), found in changes.items():
            head = {"policy": policy, "measure": measure, "cutoffs": arm}
            mean = float(found.mean())
            units = _units(found)
            alike = float((np.sign(units) == np.sign(mean)).mean()) if np.isfinite(mean) else float("nan")
            most = 1.0 if measure in SHARES else np.inf
            for level, ends in nested_ends(found).items():
                told = ends._asdict()
                cut = {k: float(np.clip(told[k], -1.0, most)) for k in list(told)[:-1]}
                rows.append(
                    head
                    | {"within": level, "change": mean, "freedom": ends.freedom, "same_sign": alike}
                    | cut
                    | sizes
                    | {"enterprises": enterprises}
                )
            apart = {name: float(one) for name, one in parts_of(found).items()}
            whole = sum(apart.values())
            parts += [
                head
                | {"part": name, "variance": one, "sd": one**0.5, "share": one / whole if whole else np.nan}
                for name, one in apart.items()
            ]
        first = {key[1:]: found for key, found in changes.items() if key[0] == arms[0]}
        return cls(
            pd.DataFrame(rows, columns=list(ROWS)),
            pd.DataFrame(parts, columns=list(PARTS)),
            pd.DataFrame(_orders(first, policies[1:]), columns=list(ORDER)).astype(_OF_ORDER),
            tuple(policies),
            kappa,
            weeks,
        )

    @property
    def widest(self) -> str:
        """The outermost level of which there are several units."""
        there = set(self.rows["within"])
        return next((one for one in reversed(LEVELS) if one in there), LEVELS[0])

    @property
    def worlds(self) -> int:
        """How many worlds there are."""
        return int(self.rows["worlds"].iloc[0])

    @property
    def models(self) -> int:
        """How many models there are in each world."""
        return int(self.rows["models"].iloc[0])

    @property
    def cutoffs(self) -> str:
        """What the cut-offs of the result are: set ``again``, or as ``stated``."""
        return str(self.rows["cutoffs"].iloc[0])

    def row(self, policy: str, measure: str, within: str | None = None) -> dict[str, Any]:
        """Return the row of a policy and a measure, at the widest level if none is named.

        Raises
        ------
        KeyError
            If there is none.
        """
        rows = self.rows
        own = rows[
            (rows["policy"] == policy)
            & (rows["measure"] == measure)
            & (rows["within"] == (within or self.widest))
            & (rows["cutoffs"] == self.cutoffs)
        ]
        if own.empty:
            raise KeyError(f"There is no '{measure}' of '{policy}' within '{within or self.widest}'.")
        return {str(name): value for name, value in own.iloc[0].to_dict().items()}

    def about(self, lang: str = "zh", within: str | None = None) -> str:
        """Return in a few words what an interval is over: draws alone, models and draws, cities like this."""
        return text(f"spread.within.{within or self.widest}", lang)

    def to_frame(self) -> pd.DataFrame:
        """Return the intervals at every level, each with what it is over in words (``about``)."""
        words = {level: text(f"spread.within.{level}", "en") for level in LEVELS}
        return self.rows.assign(about=self.rows["within"].map(words))

    def to_dict(self) -> dict[str, Any]:
        """Return intervals, parts and order as data for JSON."""
        from tierkit.results import plain

        return super().to_dict() | {"parts": plain(self.parts), "order": plain(self.order)}

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return the changes with intervals at the widest level, what varies, and what order holds."""
        told = [self.head(lang)]
        measures = list(dict.fromkeys(self.rows["measure"]))
        for policy in self.policies[1:]:
            rows = [self.row(policy, measure) for measure in measures]
            changes = join([change_told(row, lang, measure=True) for row in rows], lang)
            told.append(text("comparison.policy", lang, policy=policy_label(policy, lang), changes=changes))
        return [*told, *self.parted(lang), *self.ordered(lang), *self.left(lang)]

    def head(self, lang: str) -> str:
        """Return what was run, and what the intervals are over."""
        first = self.rows.iloc[0]
        return text(
            f"spread.head.{self.widest}", lang, n=self.worlds, enterprises=number(first["enterprises"]),
            replicates=int(first["replicates"]), weeks=self.weeks, kappa=f"{self.kappa:g}",
            baseline=policy_label(self.policies[0], lang), how=self.how(lang),
        )  # fmt: skip

    def how(self, lang: str) -> str:
        """Return what models were trained and whose cut-offs count."""
        return text(f"spread.how.{self.widest}.{self.cutoffs}", lang, n=self.models)

    def parted(self, lang: str) -> list[str]:
        """Return of the first plan's changes how much of their variance is of what."""
        own = self.parts[(self.parts["policy"] == self.policies[1]) & (self.parts["cutoffs"] == self.cutoffs)]
        alone = self.models == 1 and self.cutoffs != "rule"
        told = []
        for measure, rows in own.groupby("measure", sort=False, observed=True):
            if rows["share"].isna().any() or len(rows) < 2:
                continue
            shares = [
                text(
                    f"spread.part.{'world.models' if one == 'world' and alone else one}", lang,
                    share=percent(share, 0),
                )
                for one, share in zip(rows["part"], rows["share"], strict=True)
            ]  # fmt: skip
            label = text(f"measure.{measure}", lang)
            told.append(text("spread.part.of", lang, measure=label, parts=join(shares, lang)))
        if not told:
            return []
        plan = policy_label(self.policies[1], lang)
        return [text("spread.parts", lang, plan=plan, parts=text("spread.join", lang).join(told))]

    def ordered(self, lang: str) -> list[str]:
        """Return of each measure which pairs of plans have an order at the widest level, and how many not."""
        told = []
        for measure, rows in self.order.groupby("measure", sort=False, observed=True):
            sure = rows[rows["sure"]]
            pairs = [
                text(
                    "spread.order.pair", lang, lower=policy_label(one["lower"], lang),
                    higher=policy_label(one["higher"], lang), share=percent(one["share"], 0),
                )
                for one in sure.to_dict("records")
            ]  # fmt: skip
            label = text(f"measure.{measure}", lang)
            known = {"measure": label, "pairs": join(pairs, lang)}
            if not pairs:
                told.append(text("spread.order.none", lang, measure=label))
            elif len(sure) == len(rows):
                told.append(text("spread.order.all", lang, **known))
            else:
                told.append(text("spread.order.some", lang, n=len(rows) - len(sure), **known))
        return told

    def left(self, lang: str) -> list[str]:
        """Return what setting cut-offs again leaves of the spread between units, where both were run."""
        told = []
        other = [one for one in dict.fromkeys(self.parts["cutoffs"]) if one != self.cutoffs]
        outer = self.parts[self.parts["part"] == self.widest]
        for policy in self.policies[1:] if other else ():
            sd = outer[outer["policy"] == policy].set_index(["measure", "cutoffs"])["sd"]
            measure = str(self.rows["measure"].iloc[0])
            pair = [100 * float(sd[measure, arm]) for arm in (self.cutoffs, other[0])]
            told.append(
                text(
                    f"spread.left.{self.cutoffs}", lang, plan=policy_label(policy, lang),
                    measure=text(f"measure.{measure}", lang), sd=number(pair[0], 1), other=number(pair[1], 1),
                )
            )  # fmt: skip
        return told


def change_told(row: Mapping[str, Any], lang: str, *, measure: bool = False, one: bool = False) -> str:
    """Return a change with its interval as text: of a share in points, of others in per cent.

    Parameters
    ----------
    row : mapping
        Of `Spread.rows`.
    lang : str
    measure : bool
        Whether to name the measure before it.
    one : bool
        Whether the interval is that of one more unit.
    """
    named = text(f"measure.{row['measure']}", lang) if measure else ""
    low, high = (100 * row[name] for name in (("one_low", "one_high") if one else ("low", "high")))
    if not np.isfinite(row["change"]):
        return f"{named} {number(None)}".strip()
    told = text(
        "comparison.points" if row["measure"] in SHARES else "comparison.change", lang,
        measure=named, change=signed(100 * row["change"], 1),
        interval=interval(low, high, 1, sign=True) if np.isfinite(low) else "",
    )  # fmt: skip
    return told.strip()


def _changes(own: pd.DataFrame) -> Floats:
    """Return changes by world, model and run; of counts as shares of the world's baseline.

    The change of a world is that of the sums over its runs, a ratio; a run's value is the world's plus its
    linear residual, so that means over runs are ratios of means and mean squares are those of the ratio.
    """
    table = own.set_index(_INDEX).sort_index()
    shape = tuple(len(table.index.unique(level)) for level in _INDEX)
    if len(table) != np.prod(shape) or table.index.has_duplicates:
        raise InputError("There must be as many runs of each model, and as many models in each world.")
    value, base = (table[name].to_numpy(np.float64).reshape(shape) for name in ("value", "baseline_value"))
    changed: Floats = value - base
    if str(own["measure"].iloc[0]) in SHARES:
        return changed
    whole = base.mean(axis=(1, 2), keepdims=True)
    ratio = np.divide(value.mean(axis=(1, 2), keepdims=True), whole, where=whole != 0,
                      out=np.full_like(whole, np.nan))  # fmt: skip
    changed = ratio - 1 + (value - ratio * base) / np.where(whole != 0, whole, np.nan)
    return changed


def _units(found: Floats) -> Floats:
    """Return the changes of the widest level's units: worlds, or models, or runs."""
    worlds, models, _ = found.shape
    if worlds > 1:
        means: Floats = found.mean(axis=(1, 2))
    elif models > 1:
        means = found[0].mean(axis=1)
    else:
        means = found[0, 0]
    return means


def _orders(first: Mapping[tuple[str, ...], Floats], plans: Sequence[str]) -> list[dict[str, Any]]:
    """Return each pair of plans by measure, the lower first, and how sure their order is."""
    pairs = list(combinations(plans, 2))
    told = []
    for measure in dict.fromkeys(key[1] for key in first):
        for a, b in pairs:
            gap = first[a, measure] - first[b, measure]
            lower, higher = (a, b) if gap.mean() <= 0 else (b, a)
            units = _units(gap if lower == a else -gap)
            ends = list(nested_ends(gap, among=len(pairs)).values())[-1:]
            sure = bool(ends and (ends[0].low > 0 or ends[0].high < 0))
            low, high = binomial_interval(int((units < 0).sum()), units.size)
            told.append(
                {
                    "measure": measure, "lower": lower, "higher": higher,
                    "share": float((units < 0).mean()), "low": low, "high": high, "units": units.size,
                    "sure": sure,
                }
            )  # fmt: skip
    return told
