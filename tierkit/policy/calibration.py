"""Set the cut-offs of a policy on the scores of one's own city."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from tierkit import texts
from tierkit.policy.core import Policy, PolicyLike, policy_of
from tierkit.policy.files.writing import toml_of
from tierkit.policy.specification import spec_of
from tierkit.records import GRADES, SHANGHAI, TIERS, DataError, Label, Parameter, Place, Problem
from tierkit.records.arguments import InputError, day_of, described
from tierkit.results import Result

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cutoff", "CutoffCalibration", "Share", "calibrate", "faults_of", "restated"]

LEAST, LEAST_EACH = 100, 5
"""Fewest enterprises on whom cut-offs are set, and fewest who are to be in any level."""
MISSED = 0.01
"""Difference from its target that is told of a share on the scores on which the cut-offs were set."""
_STEPS = 40  # halvings until a capacity is met to one enterprise in a billion


class Cutoff(NamedTuple):
    """A cut-off with its 95 % interval.

    Attributes
    ----------
    parameter : str
    number : int
        1 for the lowest of several.
    value : float
    low, high : float
        Interval of the quantile over draws of enterprises; NaN for one that was given as it is.
    below : float
        Share of those in scope that was to lie below it; NaN for one that was given.
    """

    parameter: str
    number: int
    value: float
    low: float
    high: float
    below: float


class Share(NamedTuple):
    """The share of a level, grade, tier or of the unmonitored list that the new cut-offs give.

    Attributes
    ----------
    scores : str
        On which scores.
    kind : str
        ``risk_level``, ``credit_grade``, ``tier`` or ``unmonitored``.
    level : str
    enterprises, n : int
        In it, and in scope.
    share, low, high : float
        With its 95 % interval, exact by the binomial.
    target : float
        What the cut-offs were set to give; NaN where nothing was.
    """

    scores: str
    kind: str
    level: str
    enterprises: int
    n: int
    share: float
    low: float
    high: float
    target: float


@dataclass(frozen=True, repr=False)
class CutoffCalibration(Result):
    """A policy whose cut-offs were set on given scores.

    Attributes
    ----------
    policy, baseline : Policy
        The new one, and the one that it differs from.
    where : Label or None
        The place of the scores, where it is known.
    as_of : datetime.date or None
    scores : str
        What the scores are called, their file say.
    n : int
        Enterprises in scope on whom the cut-offs were set.
    asked : str
        ``shares``, ``risk_cutoffs`` or ``worst``.
    cutoffs : tuple of Cutoff
    shares : tuple of Share
        What the cut-offs give on these scores, and on others: red lines count, last tiers do not.
    barred : int
        How many of the `n` enterprises floors keep out of T1, whatever the cut-offs.
    aimed : float
        The share of T1 that was aimed at; NaN where risk cut-offs were given.
    """

    policy: Policy
    baseline: Policy
    where: Label | None
    as_of: date | None
    scores: str
    n: int
    asked: str
    cutoffs: tuple[Cutoff, ...]
    shares: tuple[Share, ...]
    barred: int = 0
    aimed: float = float("nan")

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each cut-off, with its interval."""
        import pandas as pd  # here, as in policy/core

        return pd.DataFrame(list(self.cutoffs), columns=list(Cutoff._fields))

    def shares_frame(self) -> pd.DataFrame:
        """Return one row for each level, grade and tier on each file of scores, with its share."""
        import pandas as pd

        return pd.DataFrame(list(self.shares), columns=list(Share._fields))

    def to_dict(self) -> dict[str, Any]:
        """Return cut-offs and shares as data for JSON."""
        told = super().to_dict()
        told["cutoffs"] = told.pop("rows")
        names = {"policy": self.policy.name, "hash": self.policy.hash, "baseline": self.baseline.name}
        return names | {"place": self.where.en if self.where else None} | told

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return on whom the cut-offs were set, each with its interval, and what they give."""
        place = self.where.text(lang) if self.where else texts.text("cutoffs.unknown_place", lang)
        day = self.as_of.isoformat() if self.as_of else texts.text("cutoffs.unknown_day", lang)
        asked = texts.text(f"cutoffs.asked.{self.asked}", lang)
        known = {"policy": self.policy.name, "baseline": self.baseline.name, "scores": self.scores}
        told = [texts.text("cutoffs.head", lang, n=self.n, place=place, day=day, asked=asked, **known)]
        spec = spec_of(self.policy.place)
        for path in dict.fromkeys(one.parameter for one in self.cutoffs):
            shown = [_shown(one) for one in self.cutoffs if one.parameter == path]
            label = spec[path].label.text(lang)
            told.append(texts.text("cutoffs.one", lang, label=label, values=texts.join(shown, lang)))
        told.append(texts.text("cutoffs.interval", lang))
        for scores in dict.fromkeys(one.scores for one in self.shares):
            of_tiers = [one for one in self.shares if (one.scores, one.kind) == (scores, "tier")]
            shown = [f"{one.level} {texts.percent(one.share, 1)}" for one in of_tiers]
            n = of_tiers[0].n
            told.append(texts.text("cutoffs.tiers", lang, scores=scores, n=n, tiers=texts.join(shown, lang)))
        missed = [self._missed(one, lang) for one in self.shares if one.scores == self.scores and _far(one)]
        if missed:
            told.append(texts.text("cutoffs.missed", lang, missed=texts.join(missed, lang)))
        room = 1 - self.barred / self.n
        if room < self.aimed - MISSED:
            about = {"room": texts.percent(room, 1), "target": texts.percent(self.aimed, 1)}
            told.append(texts.text("cutoffs.barred", lang, count=self.barred, n=self.n, **about))
        return told

    def _missed(self, one: Share, lang: str) -> str:
        kind = texts.text(f"cutoffs.kind.{one.kind}", lang, level=one.level)
        share, target = texts.percent(one.share, 1), texts.percent(one.target, 1)
        return texts.text("cutoffs.for", lang, level=kind, share=share, target=target)

    def to_toml(self, baseline: str | None = None, held: Policy | None = None) -> str:
        """Return the policy as a file that holds only what differs from its baseline.

        Parameters
        ----------
        baseline : str, optional
            What the file calls its baseline: a preset's name, or a path relative to the file; the name of the
            baseline if not given.
        held : Policy, optional
            What is found under that name, if not the baseline itself: a policy by risk alone is in no file,
            so that its own values have to stand in this one.

        Examples
        --------
        >>> import pandas as pd
        >>> scores = pd.DataFrame({"enterprise_id": [f"e{k}" for k in range(500)], "sector": "retail"})
        >>> scores["risk_probability"], scores["credit_points"] = scores.index / 501, 500 + scores.index / 5
        >>> print(calibrate("jiading-2025", scores, name="mine").to_toml().splitlines()[6])
        baseline = "jiading-2025"
        """
        old = (held or self.baseline).parameters
        kept = [(path, one) for path, one in self.policy.parameters.items() if old[path] != one]
        # A file says nothing of place and overlays if they are its baseline's, which it takes from there.
        meta = replace(self.policy.meta, place=SHANGHAI, overlays=())
        return toml_of(self.policy.name, meta, baseline or self.baseline.name, kept)


def _far(one: Share) -> bool:
    return abs(one.share - one.target) > MISSED


def _shown(one: Cutoff) -> str:
    digits = ".1f" if one.parameter.endswith(("points", "credit_cutoffs", "composite_cutoffs")) else ".4g"
    interval = "" if one.low != one.low else f" [{one.low:{digits}}, {one.high:{digits}}]"
    return f"{one.value:{digits}}{interval}"


def calibrate(
    policy: PolicyLike,
    scores: pd.DataFrame,
    *,
    shares: Sequence[float] | None = None,
    risk_cutoffs: Sequence[float] | None = None,
    worst: float | None = None,
    also: Mapping[str, pd.DataFrame] | None = None,
    place: Place | str | os.PathLike[str] | None = None,
    as_of: date | str | None = None,
    called: str = "scores",
    name: str = "calibrated",
) -> CutoffCalibration:
    """Set the cut-offs of a policy on scores of one's own, from shares, from a capacity or as given.

    Cut-offs are absolute: nobody's tier depends on how others score later. What they give on other scores is
    told, and differs.

    Parameters
    ----------
    policy : Policy, name or path
    scores : DataFrame
        As for `tierkit.assign`; those in the policy's scope count.
    shares : sequence of float, optional
        Shares of T1 to T4 that levels, grades and tiers are to have; those for which the policy's own
        cut-offs were set, `scoring.target_shares`, if not given.
    risk_cutoffs : sequence of float, optional
        Probabilities from which a risk level begins, as many as the policy has; credit goes by shares.
    worst : int or float, optional
        At most so many enterprises in T4, red lines among them, or at most this share of them if it is below
        1. The other tiers keep their proportions.
    also : mapping of str to DataFrame, optional
        Further scores by what they are called, of other days say, on which to tell the shares.
    place : Place, name or path, optional
        Place of the scores, for a policy of any place.
    as_of : date, optional
        Day of the scores, which the new policy states.
    called : str
        What the scores are called, their file say, which the new policy states.
    name : str
        Name of the new policy.

    Returns
    -------
    CutoffCalibration

    Raises
    ------
    InputError
        If an argument cannot be used.
    DataError
        If scores are wrong, of another place, too few, constant, or tie so that cut-offs fall together.
    PolicyError
        If the name is a preset's, or the policy is of another place.

    Notes
    -----
    The interval of a cut-off is that of the quantile over draws of enterprises, from order statistics, exact
    by the binomial (David and Nagaraja, Order Statistics, 2003, 7.1); it says nothing of what a model trained
    on other records would give. Under a capacity it is that of the quantile at the share that was found.
    A file of scores names red lines only where they cap a grade under the policy that it was scored with.

    Examples
    --------
    >>> import tierkit as tk
    >>> scores = tk.train("data/synthetic", "2024-12-30").score("data/synthetic", "2024-12-30")
    >>> done = tk.policy.calibrate("jiading-2025", scores, as_of="2024-12-30")
    >>> done.n, len(done.policy["scoring.risk_cutoffs"])
    (1743, 2)
    >>> round(float(done.shares_frame()["share"][0]), 2)  # of risk level 1, which is to have 0.62
    0.62
    """
    import pandas as pd

    from tierkit.policy.tiers import by_risk_alone
    from tierkit.policy.tiers import cutoffs as setting
    from tierkit.policy.tiers.rule import is_composite
    from tierkit.records.gate import scores_of

    base = policy_of(policy)
    if (
        isinstance(scores, pd.DataFrame)
        and "credit_points" in scores
        and scores["credit_points"].isna().all()
    ):
        base = by_risk_alone(base)
    day = None if as_of is None else day_of(as_of)
    here = _place(base, place)
    if base.oracle:
        raise InputError(f"The 'policy' must rest on scores; '{base.name}' rests on the true probabilities.")
    wrong = [
        f"The '{at}': {what}. {remedy}" for at, what, remedy in faults_of(base, shares, risk_cutoffs, worst)
    ]
    if wrong:
        raise InputError("\n".join(wrong))
    frames = {
        called: scores_of(scores),
        **{str(k): scores_of(one, "also") for k, one in (also or {}).items()},
    }
    if len(frames) != 1 + len(also or {}):
        raise InputError(f"The 'also' must not hold '{called}', on which the cut-offs are set.")
    problems = [one for key, frame in frames.items() for one in _problems(key, frame, base, here)]
    if problems:
        raise DataError(problems)
    used = scores[setting.in_scope(base, scores["sector"])]
    n = len(used)
    aims = setting.aims_of(base, None if shares is None else tuple(map(float, shares)))
    if worst is not None:
        _check_enough(called, n, min(aims.tiers[:-1]))
        aims = _within(base, used, worst, called)
    _check_enough(called, n, min(*aims.risk, *aims.credit, *(aims.tiers if is_composite(base) else ())))
    risk, points = setting.values_of(base, used)
    found = setting.cutoffs(base, risk, points, aims)
    if not is_composite(base):
        found.pop(setting.COMPOSITE, None)
    if risk_cutoffs is not None:
        found[setting.RISK] = [float(one) for one in risk_cutoffs]
    reference = ", ".join(filter(None, (
        f"{n:,} enterprises" + (f" of {here.label.en}" if here else ""), called,
        f"as of {day.isoformat()}" if day else "",
    )))  # fmt: skip
    why = f"{setting.AIMED}{reference}"
    changes = restated(base, found | {"scoring.reference": reference}, why)
    if risk_cutoffs is not None:
        given = f"given as probabilities; they were held against {reference}"
        changes[setting.RISK] = replace(changes[setting.RISK], source=None, assumption=given)
    if aims != setting.aims_of(base):
        asked_for = "asked for when the cut-offs were set"
        if worst is not None:
            most = f"{int(worst):,}" if worst >= 1 else f"{worst:.4g} of all"
            asked_for = f"asked for: at most {most} enterprises in T4"
        four = {f"scoring.target_shares.{tier}": share for tier, share in zip(TIERS, aims.tiers, strict=True)}
        changes |= {path: replace(one, source=None) for path, one in restated(base, four, asked_for).items()}
    new = base.reform(changes, name=name)
    placed = {key: setting.placed(new, frame) for key, frame in frames.items()}
    return CutoffCalibration(
        policy=new,
        baseline=base,
        where=here.label if here else None,
        as_of=day,
        scores=called,
        n=n,
        asked="worst" if worst is not None else "shares" if risk_cutoffs is None else "risk_cutoffs",
        cutoffs=tuple(_cutoffs(new, risk, points, aims, found, risk_cutoffs is not None)),
        shares=tuple(
            one
            for key, those in placed.items()
            for one in _shares(new, those, key, aims, risk_cutoffs is not None)
        ),
        barred=int((placed[called].bars.any(axis=0) & placed[called].in_scope).sum()),
        aimed=float("nan") if risk_cutoffs is not None else float(aims.tiers[0]),
    )


def restated(policy: Policy, changes: Mapping[str, Any], why: str) -> dict[str, Parameter]:
    """Return parameters with new values and a new assumption, each with the date and source that it had.

    Examples
    --------
    >>> jiading = Policy.load("jiading-2025")
    >>> restated(jiading, {"scoring.basis": "model"}, "a trial")["scoring.basis"].assumption
    'a trial'
    """
    told = {}
    for path, value in changes.items():
        old = policy.parameter(path)
        later = old.from_ is not None and old.from_ > policy.meta.date
        since = None if later else old.from_
        told[path] = replace(old, value=value, from_=since, before=None, assumption=why)
    return told


def _place(policy: Policy, place: Place | str | os.PathLike[str] | None) -> Place | None:
    """Return the place of the scores, which must be the policy's where it has one."""
    if place is None:
        return policy.place
    here = place if isinstance(place, Place) else Place.load(place)
    return policy.at(here).place


def faults_of(
    policy: Policy, shares: Any = None, risk_cutoffs: Any = None, worst: Any = None
) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with what is asked of `calibrate`: argument, fault and remedy.

    Examples
    --------
    >>> list(faults_of(Policy.load("jiading-2025"), worst=0))
    [('worst', '0 (int) is no number of enterprises and no share', 'Give 200 or 0.02, say.')]
    """
    from tierkit.policy.tiers.rule import is_composite

    if worst is not None and (shares is not None or risk_cutoffs is not None):
        yield "worst", "it sets the shares, which `shares` or `risk_cutoffs` set too", "Give one of them."
    if shares is not None:
        numbers = _numbers(shares)
        if len(numbers) != len(TIERS) or min(numbers) <= 0 or not abs(sum(numbers) - 1) < 1e-9:
            message = f"{described(shares)} is not {len(TIERS)} numbers above 0 that add up to 1"
            yield "shares", message, "Give the shares of T1 to T4, 0.6, 0.25, 0.1 and 0.05 say."
    if risk_cutoffs is not None:
        numbers, many = _numbers(risk_cutoffs), len(policy["scoring.risk_cutoffs"])
        rises = all(a < b for a, b in pairwise(numbers))
        if len(numbers) != many or not rises or not 0 < numbers[0] <= numbers[-1] < 1:
            message = f"{described(risk_cutoffs)} is not {many} rising probabilities between 0 and 1"
            yield "risk_cutoffs", message, f"Give as many as '{policy.name}' has, the lowest first."
    if worst is not None:
        real = isinstance(worst, int | float) and not isinstance(worst, bool) and 0 < worst < float("inf")
        if not real or (worst >= 1 and worst != int(worst)):
            message = f"{described(worst)} is no number of enterprises and no share"
            yield "worst", message, "Give 200 or 0.02, say."
        elif not is_composite(policy) and not any("T4" in row for row in policy["scoring.matrix"]):
            yield "worst", f"'{policy.name}' gives T4 to nobody", "Give a policy that has a worst tier."


def _numbers(given: Any) -> list[float]:
    """Return numbers as a list; an empty one of what is none, which every check refuses."""
    try:
        return [float(one) for one in given]
    except (TypeError, ValueError):
        return []


def _problems(called: str, scores: pd.DataFrame, policy: Policy, here: Place | None) -> Iterator[Problem]:
    """Yield what keeps scores from being cut: another place, wrong rows, or one value for all."""
    from tierkit.policy.tiers.cutoffs import in_scope
    from tierkit.policy.tiers.inputs import check_inputs

    if here is not None and "sector" in scores:
        strange = scores["sector"].notna() & ~scores["sector"].isin(list(here.ids("sector")))
        if strange.any():
            names = ", ".join(f"'{one}'" for one in scores.loc[strange, "sector"].unique()[:3])
            message = f"is of another place: {here.label.en}, whose policy '{policy.name}' is, has no {names}"
            remedy = "Give scores of that place, or a policy of the scores' own place"
            yield Problem(called, "sector", int(strange.sum()), (), message, remedy)
            return
    try:
        check_inputs(scores, policy, None, None, None)
    except DataError as error:
        yield from (replace(one, table=called) for one in error.problems)
        return
    used = scores[in_scope(policy, scores["sector"])]
    if len(used) < LEAST:
        which = "are in the policy's scope" if len(used) < len(scores) else "are there"
        message = f"too few: {len(used):,} enterprises {which}, and cut-offs take at least {LEAST:,}"
        yield Problem(called, "", len(used), (), message, "Give the scores of a whole city")
        return
    for column in ("risk_probability", "credit_points"):
        if used[column].min() == used[column].max():
            message = f"is the same for all, {used[column].iloc[0]:g}, so that nothing can be cut"
            remedy = "Give scores of a model that tells enterprises apart"
            yield Problem(called, column, len(used), (), message, remedy)


def _check_enough(called: str, n: int, least_share: float) -> None:
    if n * least_share >= LEAST_EACH:
        return
    needed = int(-(-LEAST_EACH // least_share))
    message = (
        f"too few: of {n:,} enterprises in scope the smallest share, {least_share:.2%}, is "
        f"{n * least_share:.1f}, and each is to hold at least {LEAST_EACH}"
    )
    remedy = f"Give the scores of at least {needed:,} enterprises, or larger shares"
    raise DataError([Problem(called, "", n, (), message, remedy)])


def _within(policy: Policy, scores: pd.DataFrame, worst: float, called: str) -> Any:
    """Return the largest aims under which T4 holds at most so many, the proportions of the others kept."""
    from tierkit.policy.tiers import cutoffs as setting
    from tierkit.policy.tiers.rule import is_composite

    most = int(worst) if worst >= 1 else int(worst * len(scores))
    fewest = min(len(policy[one]) + 1 for one in ((setting.COMPOSITE,) if is_composite(policy) else
                                                  (setting.RISK, setting.CREDIT)))  # fmt: skip
    own = setting.aims_of(policy).tiers
    best, last = own[: fewest - 1], own[fewest - 1 :]
    risk, points = setting.values_of(policy, scores)

    def aims(q: float) -> Any:
        four = [one * (1 - q) / sum(best) for one in best] + [one * q / sum(last) for one in last]
        rounded = [round(one, 9) for one in four[1:]]
        return setting.aims_of(policy, (round(1 - sum(rounded), 9), *rounded))

    def held(q: float) -> int:
        cuts = setting.cutoffs(policy, risk, points, aims(q))
        trial = policy.reform({path: cuts[path] for path in cuts}, name="trial")
        return int((setting.placed(trial, scores).tier == len(TIERS) - 1).sum())

    low, high = LEAST_EACH / len(scores), 0.9
    least = held(low)
    if least > most:
        message = (
            f"{least:,} of {len(scores):,} enterprises in scope are in T4 however cut-offs are set, by red "
            f"lines or ties or since each level is to hold {LEAST_EACH}; at most {most:,} were asked for"
        )
        raise DataError(
            [Problem(called, "", least, (), message, "Give a larger number, or change red lines")]
        )
    for _ in range(_STEPS):
        if (high - low) * len(scores) < 0.1:
            break
        middle = (low + high) / 2
        try:
            low, high = (middle, high) if held(middle) <= most else (low, middle)
        except DataError:  # so large a share that cut-offs fall together
            high = middle
    return aims(low)


def _cutoffs(
    policy: Policy, risk: Any, points: Any, aims: Any, found: Mapping[str, Any], given: bool
) -> Iterator[Cutoff]:
    import numpy as np

    from tierkit.policy.tiers import cutoffs as setting

    nan = float("nan")
    for path, values, below in setting.scores_for(policy, risk, points, aims):
        ordered = np.sort(values)
        for k, (value, share) in enumerate(zip(found.get(path, ()), below, strict=False)):
            if given and path == setting.RISK:
                yield Cutoff(path, k + 1, value, nan, nan, nan)
            else:
                yield _with_interval(path, k + 1, value, ordered, share)
    if set(setting.LISTED) <= found.keys():
        highest, least = (found[one] for one in setting.LISTED)
        fine = np.sort(risk[points >= least])
        yield _with_interval(setting.LISTED[0], 1, highest, fine, float((fine <= highest).mean()))
        yield _with_interval(setting.LISTED[1], 1, least, np.sort(points), float((points < least).mean()))


def _with_interval(path: str, number: int, value: float, ordered: Any, below: float) -> Cutoff:
    from tierkit.policy.tiers.cutoffs import quantile_interval

    low, high = quantile_interval(ordered, below)
    # Where no values lie a cut-off may stand anywhere between two of them: its place belongs to the interval.
    return Cutoff(path, number, value, min(low, value), max(high, value), below)


def _shares(policy: Policy, placed: Any, called: str, aims: Any, given: bool) -> Iterator[Share]:
    import numpy as np

    from tierkit.policy.tiers import cutoffs as setting
    from tierkit.policy.tiers.rule import is_composite, is_risk_alone, lists_by_rule

    alone, here = is_risk_alone(policy), placed.in_scope
    n = int(here.sum())
    levels = [str(k + 1) for k in range(len(aims.risk))]
    listed = [policy["lists.unmonitored.target_share"]] if lists_by_rule(policy) else []
    for kind, codes, names, targets in (
        ("risk_level", placed.level, levels, () if given else aims.risk),
        ("credit_grade", placed.grade, () if alone else GRADES[: len(aims.credit)], aims.credit),
        ("tier", placed.tier, TIERS, aims.tiers if is_composite(policy) else ()),
        ("unmonitored", np.where(placed.unmonitored, 0, 1), ("yes",) * len(listed), listed),
    ):
        for k, level in enumerate(names):
            count = int((codes[here] == k).sum())
            low, high = setting.binomial_interval(count, n)
            target = float(targets[k]) if targets else float("nan")
            yield Share(called, kind, level, count, n, count / n, low, high, target)
