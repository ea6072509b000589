"""The instruments that a policy may use, and how to switch each off alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tierkit.policy.core import Policy
from tierkit.policy.specification import SPEC
from tierkit.records import Label

__all__ = ["INSTRUMENTS", "Instrument", "without"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument of a policy, with the values that switch it off.

    Attributes
    ----------
    label : Label
        Its name.
    off : mapping of str to any
        Parameters, and the values under which the instrument has no effect, whatever its others are.
    """

    label: Label
    off: Mapping[str, Any]


def _family(prefix: str, value: Any) -> dict[str, Any]:
    return {path: value for path in SPEC if path.startswith(prefix)}


def _instrument(zh: str, en: str, off: dict[str, Any]) -> Instrument:
    return Instrument(Label(zh, en), MappingProxyType(off))


_SIGNALS = ("genuine", "professional", "incident", "alert")

INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(
    {
        "frequency": _instrument("差异化频次", "frequency by tier", _family("frequency.tier.", 1.0)),
        "depth": _instrument("检查深度", "depth by tier", _family("depth.tier.", 1.0)),
        "inspectors": _instrument("检查人员差异", "spread between inspectors", {"depth.inspector_sd": 0.0}),
        "list": _instrument("无感监测清单", "unmonitored list", {"lists.unmonitored.enabled": False}),
        "items": _instrument("无事不扰事项", "no-disturb items", {"lists.no_disturb.items": []}),
        "random_floor": _instrument("随机抽查下限", "random floor", {"frequency.random_floor": 0.0}),
        "triggers": _instrument(
            "触发式检查",
            "triggers",
            {f"trigger.{kind}": 0.0 for kind in _SIGNALS}
            | {"professional_filter.weight": 0.0}
            | _family("trigger.followup.", 0.0),
        ),
        "professional_filter": _instrument(
            "职业举报识别",
            "filter of professional complaints",
            {"professional_filter.recall": 0.0, "professional_filter.false_positive": 0.0},
        ),
        "check_code": _instrument("检查码窗口", "check-code window", {"check_code.action": "none"}),
        "uncoded": _instrument("未登记检查", "checks without a code", {"check_code.unregistered_share": 0.0}),
        "cap": _instrument("频次上限", "cap", {"cap.planned_visits": 0}),
        "relabelling": _instrument("变通触发", "relabelled triggers", {"trigger.relabelled_share": 0.0}),
        "campaign": _instrument("上级部署检查", "campaigns", {"campaign.rate": 0.0}),
        "joint": _instrument("跨部门联合检查", "joint inspection", {"joint.sectors": []}),
        "offsite": _instrument(
            "非现场检查", "off-site substitution", {"offsite.coverage": 0.0, "offsite.substitution": 0.0}
        ),
        "sector_credit": _instrument("行业信用加分", "sector offset", _family("scoring.sector_offset.", 0.0)),
        "strata": _instrument("标签×分类抽取", "tag × class strata", {"strata.tags": []}),
        "agency_tables": _instrument("部门自有分级", "agencies' own tables", {"agency_table.agencies": []}),
        "override": _instrument("检查人员自主选择", "inspectors' override", {"frequency.override": 0.0}),
        "red_lines": _instrument("红线", "red lines", _family("red_lines.", "A")),
        "hysteresis": _instrument(
            "缓冲与停留",
            "hysteresis and dwell",
            {
                "review.hysteresis_margin": 0.0,
                "review.hysteresis_points": 0.0,
                "review.dwell_weeks": 0,
            },
        ),
        "lenience": _instrument(
            "包容审慎", "lenience", {"lenience.minor_waiver": 0.0, "lenience.rectify_first": False}
        ),
        "two_letters": _instrument("两书同达", "two letters together", {"repair.two_letters": False}),
        "repair": _instrument(
            "信用修复", "credit repair", {"repair.take_up": 0.0, "repair.letters_take_up": 0.0}
        ),
        "commitment": _instrument("承诺核查", "commitment checks", {"commitment.check_share": 0.0}),
        "guidance": _instrument("核查并指导", "guidance in the check", {"commitment.guidance": False}),
        "capacity": _instrument("检查力量限制", "capacity", {"capacity.multiplier": 1000.0}),
    }
)
"""Name of an instrument → its label and what switches it off."""


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
