"""A number with its unit and the reason for it: what policies, the synthetic city and declarations hold."""

from dataclasses import dataclass
from datetime import date
from typing import Any

__all__ = ["Parameter"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value and where it comes from.

    Attributes
    ----------
    value : bool, int, float, str, datetime.date or tuple
        The plain value.
    unit : str
        Its unit; that of a policy's parameter is a key of `tierkit.policy.UNITS`.
    source : str or None
        Document and clause number, in our own words.
    assumption : str or None
        Why this number, where the text has none.
    from_ : datetime.date or None
        Date from which the value of a policy is in force.
    before : bool, int, float, str, datetime.date, tuple or None
        The value in force until then, where the policy itself is older than ``from_``.
    """

    value: Any
    unit: str
    source: str | None = None
    assumption: str | None = None
    from_: date | None = None
    before: Any = None

    @property
    def ground(self) -> str:
        """Return source and assumption as one text."""
        parts = [self.source] if self.source else []
        if self.assumption:
            parts.append(f"assumption: {self.assumption}")
        return "; ".join(parts)
