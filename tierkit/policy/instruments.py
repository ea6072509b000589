"""Switch off instruments of a policy, to see what each of them does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierkit.policy.core import Policy
from tierkit.policy.specification import INSTRUMENTS, SPEC

__all__ = ["without"]


def _in_place(policy: Policy, off: Mapping[str, Any]) -> dict[str, Any]:
    """Return what switches an instrument off for the sectors that the policy's place has."""
    known = {path: value for path, value in off.items() if path in policy.parameters}
    for path, value in off.items():
        if SPEC[path].neutral is not None:  # one of a family by sector
            family = path.rpartition(".")[0]
            known |= {one: value for one in policy.parameters if one.startswith(f"{family}.")}
    return known


def without(policy: Policy, *names: str, name: str | None = None) -> Policy:
    """Return a policy with some instruments switched off, to see what each of them does.

    Parameters
    ----------
    policy : Policy
    *names : str
        Keys of `INSTRUMENTS`.
    name : str, optional
        Name of the new policy, such as a short one for figures; that of the policy and what it goes without
        if not given.

    Returns
    -------
    Policy

    Raises
    ------
    ValueError
        If there is no such instrument, or none is given.

    Examples
    --------
    >>> capless = without(Policy.load("jinshan-2025"), "cap")
    >>> capless.name, capless["cap.planned_visits"]
    ('jinshan-2025-without-cap', 0)
    """
    unknown = [repr(one) for one in names if not isinstance(one, str) or one not in INSTRUMENTS]
    if unknown or not names:
        raise ValueError(
            f"There is no instrument {', '.join(unknown) or 'given'}; there are {', '.join(INSTRUMENTS)}."
        )
    off: dict[str, Any] = {}
    for one in names:
        off |= _in_place(policy, INSTRUMENTS[one].off)
    return policy.reform(
        off,
        name=name or f"{policy.name}-without-{'-'.join(one.replace('_', '-') for one in names)}",
        assumption="switched off to see what it does",
    )
