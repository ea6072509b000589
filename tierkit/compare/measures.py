"""The measures of a run, and by what they are told apart: declared here without the simulator."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GROUPS", "MEASURES", "SHARES", "Measure"]


class Measure(NamedTuple):
    """A measure of the summary, computed from columns of sums."""

    name: str
    unit: str
    top: str
    bottom: str = ""  # empty: a sum
    groups: tuple[str, ...] = ("all", "tier", "sector", "size", "ownership", "district")


_BY_ENTERPRISE = ("all", "tier", "sector", "size", "ownership", "district")
_BY_AGENCY = (*_BY_ENTERPRISE, "agency")
_BY_SHIELD = (*_BY_AGENCY, "shield")
_BY_CHANNEL = (*_BY_SHIELD, "channel")
_WHOLE = ("all", "agency")
MEASURES = (
    Measure("inspections", "inspections", "inspections", groups=_BY_CHANNEL),
    Measure("planned_inspections", "inspections", "planned", groups=_BY_CHANNEL),
    Measure("triggered_inspections", "inspections", "triggered", groups=_BY_CHANNEL),
    Measure("visits", "visits", "visits", groups=_BY_AGENCY),
    Measure("inspector_hours", "hours", "inspector_hours", groups=_BY_AGENCY),
    Measure("enterprise_hours", "hours", "enterprise_hours", groups=_BY_AGENCY),
    Measure("findings", "findings", "findings", groups=_BY_CHANNEL),
    Measure("finding_rate", "findings/inspection", "findings", "inspections", groups=_BY_CHANNEL),
    Measure("violations", "violations", "violations"),
    Measure("violations_missed", "violations", "missed"),
    Measure("violation_weeks", "obligation-weeks", "violation_weeks"),
    Measure("harm", "harm units", "harm"),
    Measure("weeks_to_detection", "weeks", "detection_weeks", "findings", groups=_BY_CHANNEL),
    Measure("trigger_share", "share of inspections", "triggered", "inspections", groups=_BY_SHIELD),
    Measure(
        "trigger_finding_rate", "findings/inspection", "triggered_findings", "triggered", groups=_BY_SHIELD
    ),
    Measure("relabelled", "inspections", "relabelled", groups=_BY_SHIELD),
    Measure("prevalence", "share of obligations", "violation_weeks", "obligation_weeks"),
    Measure("never_visited_share", "share of enterprises", "unvisited", "enterprises"),
    Measure("drawn_share", "share of enterprises", "drawn", "enterprises"),
    Measure("visited_once_share", "share of enterprises", "visited_1", "enterprises"),
    Measure("visited_twice_share", "share of enterprises", "visited_2", "enterprises"),
    Measure("visited_thrice_share", "share of enterprises", "visited_3", "enterprises"),
    Measure("visited_more_share", "share of enterprises", "visited_more", "enterprises"),
    Measure("repeat_visits_30d", "visits", "repeats", groups=_BY_AGENCY),
    Measure("multi_agency_30d", "visits", "multi_agency", groups=_BY_AGENCY),
    Measure("penalties", "penalties", "penalties", groups=_BY_CHANNEL),
    Measure("seizures", "measures", "seizures", groups=_BY_CHANNEL),
    Measure("random_audits", "inspections", "audits", groups=_BY_AGENCY),
    Measure("random_finding_rate", "findings/inspection", "audit_findings", "audits", groups=_BY_AGENCY),
    Measure("uncoded", "inspections", "uncoded", groups=_BY_AGENCY),
    Measure("uncoded_share", "share of inspections", "uncoded", "inspections", groups=_BY_AGENCY),
    Measure("replaced_offsite", "inspections", "offsite", groups=_WHOLE),
    Measure("suppressed", "inspections", "suppressed", groups=_WHOLE),
    Measure("put_off", "inspections", "put_off", groups=_WHOLE),
    Measure("visits_saved", "visits", "visits_saved", groups=("all",)),
    Measure("tier_changes", "changes", "changes"),
    Measure("flip_flops", "changes", "flips"),
)
"""The summary, in the order in which it is shown.

By agency, a joint visit is shared equally by the agencies that take part. Enterprises are *shielded* if
planned checks of theirs are stopped by list or cap: on the unmonitored list when the measured weeks begin,
or with as many planned visits at one level of agency, within one period of the cap, as the cap allows.
"""
SHARES = frozenset(m.name for m in MEASURES if m.bottom and m.unit != "weeks")
"""Measures that are shares of something, shown in per cent and changed by points."""
GROUPS = ("all", "tier", "agency", "sector", "size", "ownership", "district", "shield", "channel")
"""By what measures are told apart."""
