"""Hold a policy against the overlays that bind it, on a day."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from tierkit import texts
from tierkit.policy.core import Policy, PolicyLike, policy_of
from tierkit.policy.files.problems import PolicyWarning
from tierkit.policy.files.writing import shown_value
from tierkit.policy.overlays.rules import Condition, Overlay, Requirement
from tierkit.records.arguments import InputError, day_of, described
from tierkit.results import Result

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Finding", "OverlayCheck", "check_overlays"]


class Finding(NamedTuple):
    """What a policy shows about one requirement.

    Attributes
    ----------
    overlay : Overlay
    requirement : Requirement
    standing : str
        ``broken``; ``kept``, as far as a policy shows it; ``unshown`` where nothing in a policy shows any of
        it, or where it goes on with what existed before the rule and cites no document for it; ``later``
        where it is not yet in force.
    values : tuple
        The value of the parameter of each condition.
    held : tuple of bool
        Whether each condition holds.
    """

    overlay: Overlay
    requirement: Requirement
    standing: str
    values: tuple[Any, ...]
    held: tuple[bool, ...]

    @property
    def name(self) -> str:
        """Overlay and requirement in short."""
        return f"{self.overlay.name} {self.requirement.id}"

    def failed(self) -> Iterator[tuple[Condition, Any]]:
        """Yield each condition that does not hold, with the value of its parameter."""
        conditions = zip(self.requirement.conditions, self.values, self.held, strict=True)
        yield from ((condition, value) for condition, value, holds in conditions if not holds)


@dataclass(frozen=True, repr=False)
class OverlayCheck(Result):
    """A policy held against rules of higher rank on a day.

    Attributes
    ----------
    policy : str
        Its name.
    on : datetime.date
        The day.
    overlays : tuple of str
        Names of the rules.
    findings : tuple of Finding
        One for each requirement, in the order of the rules.
    """

    policy: str
    on: date
    overlays: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> tuple[Finding, ...]:
        """Requirements in force that the policy breaks."""
        return self._of("broken")

    @property
    def later(self) -> tuple[Finding, ...]:
        """Requirements that are not yet in force."""
        return self._of("later")

    @property
    def unshown(self) -> tuple[Finding, ...]:
        """Requirements in force of which nothing in a policy shows some part, or any."""
        return tuple(
            one for one in self.findings if one.standing != "later" and one.requirement.unshown is not None
        )

    def _of(self, standing: str) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if one.standing == standing)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each condition, and for each requirement that has none.

        Columns ``overlay``, ``requirement``, ``from``, ``standing`` (of the requirement), ``parameter``,
        ``value``, ``must`` (be), ``holds``, ``source`` and ``unshown``, in English.
        """
        import pandas as pd  # here, as in policy/core

        columns = ["overlay", "requirement", "from", "standing", "parameter", "value", "must", "holds",
                   "source", "unshown"]  # fmt: skip
        rows: list[tuple[object, ...]] = []
        for one in self.findings:
            asked = one.requirement
            first = (one.overlay.name, asked.id, asked.from_, one.standing)
            last = (asked.source, asked.unshown.en if asked.unshown else None)
            conditions = zip(asked.conditions, one.values, one.held, strict=True)
            told: list[tuple[object, ...]] = [
                (each.parameter, value, _must(each, "en"), holds) for each, value, holds in conditions
            ]
            rows += [(*first, *each, *last) for each in told or [(None,) * 4]]
        return pd.DataFrame(rows, columns=columns, dtype=object)

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return how many requirements are kept; each that is broken; what cannot be shown or is to come."""
        if not self.overlays:
            return [texts.text("overlay.none", lang, policy=self.policy)]
        counts = {name: len(self._of(name)) for name in ("kept", "broken", "unshown", "later")}
        known: dict[str, Any] = {"policy": self.policy, "on": self.on.isoformat(), **counts}
        told = [texts.text("overlay.head", lang, overlays=texts.join(self.overlays, lang), **known)]
        told += [self._broken(one, lang) for one in self.broken]
        if self.unshown:
            listed = [texts.text("overlay.part", lang, name=one.name, what=one.requirement.unshown.text(lang))
                      for one in self.unshown if one.requirement.unshown]  # fmt: skip
            told.append(texts.text("overlay.unshown", lang, listed=_listed(listed, lang)))
        if self.later:
            listed = [texts.text("overlay.part", lang, name=one.name, what=one.requirement.from_.isoformat())
                      for one in self.later]  # fmt: skip
            told.append(texts.text("overlay.later", lang, listed=_listed(listed, lang)))
        return told

    def _broken(self, finding: Finding, lang: str) -> str:
        asked = finding.requirement
        faults = [
            texts.text("overlay.fault", lang, parameter=one.parameter, value=shown_value(value),
                       must=_must(one, lang))
            for one, value in finding.failed()
        ]  # fmt: skip
        assert asked.remedy is not None  # an overlay with conditions states one
        return texts.text(
            "overlay.broken", lang, name=finding.name, source=asked.source, date=asked.from_.isoformat(),
            text=asked.text.text(lang), faults=_listed(faults, lang), remedy=asked.remedy.text(lang),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return what is broken, not shown and yet to come as plain data, for JSON."""
        return {
            "policy": self.policy,
            "on": self.on.isoformat(),
            "overlays": list(self.overlays),
            "kept": [one.name for one in self._of("kept")],
            "broken": [_row(one, *failed) for one in self.broken for failed in one.failed()],
            "unshown": [_about(one) | {"unshown": one.requirement.unshown.en} for one in self.unshown
                        if one.requirement.unshown],
            "later": [_about(one) for one in self.later],
        }  # fmt: skip


def _about(finding: Finding) -> dict[str, Any]:
    asked = finding.requirement
    return {
        "overlay": finding.overlay.name,
        "requirement": asked.id,
        "from": asked.from_.isoformat(),
        "source": asked.source,
        "text": asked.text.en,
        "text_zh": asked.text.zh,
    }


def _row(finding: Finding, condition: Condition, value: Any) -> dict[str, Any]:
    remedy = finding.requirement.remedy
    value = list(value) if isinstance(value, tuple) else value
    said = {"parameter": condition.parameter, "value": value, "must": _must(condition, "en")}
    return _about(finding) | said | {"remedy": remedy.en if remedy else ""}


def _must(condition: Condition, lang: str) -> str:
    """Return what a parameter must be, in words."""
    bound = condition.bound
    shown = texts.join(bound, lang) if isinstance(bound, tuple) else f"{bound:g}"
    return texts.text(f"overlay.must.{condition.kind}", lang, bound=shown)


def _listed(parts: Iterable[str], lang: str) -> str:
    return ("；" if lang == "zh" else "; ").join(parts)


def check_overlays(
    policy: PolicyLike,
    on: date | str | None = None,
    overlays: Iterable[Overlay | str | os.PathLike[str]] | None = None,
) -> OverlayCheck:
    """Hold a policy against rules of higher rank on a day.

    Each rule states requirements with their dates, and conditions on parameters where these can show
    something. A requirement that is kept is kept as far as a policy shows it, and no more: ``unshown`` lists
    what nothing in a policy shows.

    Parameters
    ----------
    policy : Policy, name or path
    on : date or str, optional
        The day; the policy's date if absent. Values count as they are in force then.
    overlays : iterable of Overlay, name or path, optional
        The rules; those that the policy states if absent.

    Returns
    -------
    OverlayCheck

    Raises
    ------
    InputError
        If an argument is none of these.
    PolicyError
        If there is no such policy or rule, or its file is wrong.

    Examples
    --------
    >>> check_overlays("shanghai-2025").broken
    ()
    >>> late = check_overlays("shanghai-2025", "2025-07-01")
    >>> [(one.requirement.id, one.values) for one in late.broken]
    [('yearly-cap', (0, 52))]
    >>> print(late.sentences("en")[0])
    shanghai-2025 on 2025-07-01 under national-2025. Requirements kept as far as a policy shows: 3; broken: 1;
    not shown at all: 1; not yet in force: 0.
    """
    policy = policy_of(policy)
    day = policy.meta.date if on is None else day_of(on, "on")
    given = policy.meta.overlays if overlays is None else overlays
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(
            f"The 'overlays' must be a list of overlays, names or paths. Got {described(given)}."
        )
    rules = [_overlay(one) for one in given]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)  # what is not in force then is not asked about
        policy = policy.on(day)
    found = tuple(
        _held(rule, requirement, policy, day) for rule in rules for requirement in rule.requirements
    )
    return OverlayCheck(policy.name, day, tuple(rule.name for rule in rules), found)


def _overlay(given: object) -> Overlay:
    if isinstance(given, Overlay):
        return given
    if isinstance(given, str | os.PathLike) and os.fspath(given):
        return Overlay.load(os.fspath(given))
    raise InputError(f"An overlay must be an Overlay, a name or a path. Got {described(given)}.")


def _held(rule: Overlay, requirement: Requirement, policy: Policy, day: date) -> Finding:
    values = tuple(one.value(policy.parameters) for one in requirement.conditions)
    held = tuple(one.holds(policy.parameters) for one in requirement.conditions)
    if requirement.from_ > day:
        standing = "later"
    elif not requirement.conditions:
        standing = "unshown"
    else:
        standing = "kept" if (any if requirement.either else all)(held) else "broken"
        failed = [one for one, holds in zip(requirement.conditions, held, strict=True) if not holds]
        if standing == "broken" and all(one.existing(policy.parameters, requirement.from_) for one in failed):
            standing = "unshown"
    return Finding(rule, requirement, standing, values, held)
