"""Problems of a policy, reported together, each with its place, fault and remedy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["PolicyError", "PolicyProblem", "PolicyWarning"]


@dataclass(frozen=True, slots=True)
class PolicyProblem:
    """One problem of a policy.

    Attributes
    ----------
    place : str
        The file, preset or reform in which it stands.
    line : int or None
        Its line in that file, where it has one.
    parameter : str
        Dotted name as written there; empty where the whole file is at fault.
    message : str
        What is wrong and what it must be, ready for people.
    remedy : str
        What to do about it.
    warning : bool
        Whether the policy can be used nevertheless.
    """

    place: str
    line: int | None
    parameter: str
    message: str
    remedy: str
    warning: bool = False

    def __str__(self) -> str:
        """Return ``place: message``."""
        return f"{self.place}: {self.message}"


class PolicyWarning(UserWarning):
    """A policy that can be used, but has a value that may be unintended."""


class PolicyError(ValueError):
    """A policy that cannot be used; ``problems`` lists everything that is wrong with it.

    Parameters
    ----------
    problems : sequence of PolicyProblem
        At least one.

    Examples
    --------
    >>> raise PolicyError([PolicyProblem("a.toml", 3, "eps", "'eps' = -1 must be in [0, 1]", "set it")])
    Traceback (most recent call last):
    ...
    tierkit.policy.files.problems.PolicyError: a.toml: 'eps' = -1 must be in [0, 1]  (1 problem)
    """

    def __init__(self, problems: Sequence[PolicyProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(_message(self.problems))

    def __reduce__(self) -> tuple[type["PolicyError"], tuple[tuple[PolicyProblem, ...]]]:
        """Support pickling with the list of problems."""
        return PolicyError, (self.problems,)


def _message(problems: Iterable[PolicyProblem]) -> str:
    """Return the problems as one line, those of one place together."""
    by_place: dict[str, list[str]] = {}
    for problem in problems:
        by_place.setdefault(problem.place, []).append(problem.message)
    parts = []
    for place, messages in by_place.items():
        noun = "problem" if len(messages) == 1 else "problems"
        parts.append(f"{place}: {'; '.join(messages)}  ({len(messages)} {noun})")
    return "\n".join(parts)
