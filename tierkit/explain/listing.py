"""Whether an enterprise is on an unmonitored list, how it came there, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from tierkit import texts
from tierkit.policy import Policy
from tierkit.records import SHANGHAI, Place

__all__ = ["Listing", "listing_of"]

_BY = "lists.unmonitored.by"
_DIGEST = 12
"""Characters of a file's digest that a sentence shows."""


@dataclass(frozen=True)
class Listing:
    """What is known of one enterprise and the unmonitored lists of a policy.

    Attributes
    ----------
    by : str
        How the list is made: a level of ``lists.unmonitored.by``.
    on : bool or None
        Whether it is on a list; None where that depends on everybody and was not told.
    agencies : tuple of str
        On whose lists; empty where it is on that of every agency, or of none.
    since : str
        The day since which it is listed, where a file says so; the day of filling of a list that is filled.
    file, digest : str
        Name and SHA-256 of the list that was given.
    share : float
        Share to which lists are filled.
    barred : bool
        Whether the file names it and an open record keeps it off.
    """

    by: str
    on: bool | None
    agencies: tuple[str, ...] = ()
    since: str = ""
    file: str = ""
    digest: str = ""
    share: float = 0.0
    barred: bool = False

    def sentence(self, lang: str, place: Place = SHANGHAI) -> str:
        """Return whether and why it is on a list; nothing where a rule for all leaves it off.

        Examples
        --------
        >>> Listing("agency", True, ("fire",), "2025-01-06", share=0.22).sentence("en")
        'On the unmonitored list of fire and rescue, filled on 2025-01-06 with the 22% of those it ...
        """
        if self.by == "rule":
            return texts.text("reason.unmonitored", lang) if self.on else ""
        if self.on is None:
            return texts.text("reason.listed.untold", lang)
        if self.barred:
            return texts.text("reason.listed.barred", lang, file=self.file)
        if not self.on:
            return texts.text("reason.listed.none", lang)
        named = texts.join((place.agencies[one].label.text(lang) for one in self.agencies), lang)
        agencies = named or texts.text("reason.listed.all", lang)
        if self.by == "data":
            since = texts.text("reason.listed.since", lang, on=self.since) if self.since else ""
            told = {"file": self.file, "digest": self.digest[:_DIGEST], "since": since}
            return texts.text("reason.listed.data", lang, agencies=agencies, **told)
        share = texts.percent(self.share)
        return texts.text(f"reason.listed.{self.by}", lang, agencies=agencies, share=share, on=self.since)

    def told(self, agencies: Iterable[str], day: str) -> Self:
        """Return it with the agencies on whose lists, filled on a day, the enterprise was found to be."""
        on = tuple(agencies)
        return replace(self, on=bool(on), agencies=on, since=day)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return what `dataclasses.asdict` made of one."""
        return cls(**{**data, "agencies": tuple(data["agencies"])})


def listing_of(policy: Policy, enterprise_id: str, *, on: bool) -> Listing | None:
    """Return what a policy says of an enterprise and its lists; None where it has none.

    Parameters
    ----------
    policy : Policy
    enterprise_id : str
    on : bool
        Whether `tierkit.policy.tiers.assign` finds it on the list.

    Examples
    --------
    >>> listing_of(Policy.load("shanghai-2025"), "e1", on=False).on is None
    True
    """
    if not policy["lists.unmonitored.enabled"]:
        return None
    by = str(policy[_BY])
    if by == "rule":
        return Listing(by, on)
    if by != "data":
        return Listing(by, None, share=float(policy["lists.unmonitored.target_share"]))
    given = policy["lists.unmonitored.file"]
    own = [one for one in given.at_hand() if one[0] == enterprise_id]
    days = [one[2].isoformat() for one in own if one[2]]
    return Listing(
        by,
        on,
        agencies=tuple(one[1] for one in own if one[1]),
        since=max(days, default=""),
        file=given.name,
        digest=given.digest,
        barred=bool(own) and not on,
    )
