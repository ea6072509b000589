"""Edit records known before a day as steps would change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from tierkit.explain.recourse.steps import STEPS, Step
from tierkit.records import CREDIT_EVENTS, MERITS, Tables
from tierkit.records.known import TIMED, Known

__all__ = ["EDITED", "edited", "known_tables", "spotless"]


EDITED = ("inspections", "credit_events")
"""Tables that a step can change."""


def known_tables(known: Known, ids: Iterable[str]) -> Tables:
    """Return the records on which the features of some enterprises rest, as they were known.

    Parameters
    ----------
    known : Known
    ids : iterable of str

    Returns
    -------
    mapping of str to DataFrame
        Records of these enterprises alone, but for complaints: there, those of whoever complained about one
        of them are complete, since they are counted over the whole city. Features of these enterprises are
        thus the same. Nothing says any longer where the records end, so later days can be asked about.

    Raises
    ------
    DataError
        If an enterprise is not in the dataset, or a file cannot be read.
    """
    wanted = known.ids(ids)
    own = {table: known.rows(table, wanted) for table in TIMED if table != "complaints"}
    who = known.query("SELECT DISTINCT complainant FROM known_complaints", wanted)["complainant"]
    others = known.query(
        """SELECT DISTINCT c.enterprise_id FROM raw_complaints c SEMI JOIN known_complaints k
        ON k.complainant IS NOT DISTINCT FROM c.complainant ORDER BY c.enterprise_id""",
        wanted,
    )
    said = known.rows("complaints", others["enterprise_id"])
    out = Tables({**own, "complaints": said[said["complainant"].isin(who)]}, known.place)
    return out


def edited(tables: Tables, variants: Mapping[str, tuple[str, Sequence[Step]]], policy: str) -> Tables:
    """Return the records with copies of enterprises added, each changed by some steps on one table.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As from `known_tables`.
    variants : mapping of str to tuple of str and sequence of Step
        Id of the copy → the enterprise, and the steps, all on one table.
    policy : str
        Name of the policy in force, for the check.

    Returns
    -------
    mapping of str to DataFrame
        The enterprises themselves are as they were. Of a copy there are its row of the register and its
        rows of the table that the steps edit; other features are those of the enterprise itself.
    """
    own: dict[str, str] = {copy: enterprise for copy, (enterprise, _) in variants.items()}
    of_table: dict[str, dict[str, str]] = {table: {} for table in EDITED}
    for copy, (enterprise, steps) in variants.items():
        of_table[steps[0].table][copy] = enterprise
    firms = _copies(tables["enterprises"], own)
    seen, events = (_copies(tables[table], of_table[table]) for table in EDITED)
    repairs: dict[tuple[str, str | None], pd.Timestamp] = {}
    checks, merits = [], []
    for copy, (_, steps) in variants.items():
        for step in steps:
            edit = STEPS[step.kind].edit
            if edit == "repair":
                repairs[copy, step.record_id] = pd.Timestamp(step.on)
            elif edit == "check":
                checks.append(passed_check(step, copy, policy))
            else:
                merits.append(earned(step, copy))
    keys = zip(events["enterprise_id"], events["event_id"], strict=True)
    mended = pd.Series([repairs.get(key) for key in keys], index=events.index, dtype="datetime64[us]")
    events["repaired_on"] = events["repaired_on"].fillna(mended)
    added = {
        "enterprises": [firms],
        "inspections": [seen, pd.DataFrame(checks)],
        "credit_events": [events, pd.DataFrame(merits)],
    }
    whole = {
        table: pd.concat([frame, *(more for more in added.get(table, []) if len(more))], ignore_index=True)
        for table, frame in tables.items()
    }
    return Tables(whole, tables.place)


def _copies(frame: pd.DataFrame, own: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of enterprises under the ids of their copies."""
    pairs = pd.DataFrame({"copy": list(own), "enterprise_id": list(own.values())}, dtype="str")
    found = pairs.merge(frame, on="enterprise_id")
    return found.assign(enterprise_id=found["copy"]).drop(columns="copy")


def passed_check(step: Step, enterprise_id: str, policy: str) -> dict[str, Any]:
    """Return the row of an inspection that found nothing, of the obligation that a step names."""
    agency, item_class = str(step.record_id).split("/")
    code = f"recourse-{enterprise_id}"
    return {
        "check_code": code, "visit_id": code, "enterprise_id": enterprise_id, "agency": agency,
        "item_class": item_class, "inspected_on": pd.Timestamp(step.on), "channel": "followup",
        "mode": "onsite", "finding": "none", "disposition": "none", "policy": policy, "inspector": "recourse",
    }  # fmt: skip


def earned(step: Step, enterprise_id: str) -> dict[str, Any]:
    """Return the row of the merit that a step earns."""
    kind, on = str(STEPS[step.kind].event), pd.Timestamp(step.on)
    return {
        "event_id": f"recourse-{enterprise_id}-{kind}", "enterprise_id": enterprise_id, "kind": kind,
        "severity": CREDIT_EVENTS[kind].severity, "happened_on": on, "known_on": on,
    }  # fmt: skip


def spotless(tables: Tables, taken: Mapping[str, Sequence[Step]], policy: str) -> Tables:
    """Return the records of enterprises as if there were nothing against them and all steps were taken.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As from `known_tables`.
    taken : mapping of str to sequence of Step
        Enterprise → its steps.
    policy : str
        Name of the policy in force, for the check.
    """
    own = {
        name: tables[name][tables[name]["enterprise_id"].isin(list(taken))].reset_index(drop=True)
        for name in ("enterprises", "obligations", "inspections", "credit_events")
    }
    seen, events = (own[table] for table in EDITED)
    checks, merits = [], []
    for enterprise, steps in taken.items():
        for step in steps:
            edit = STEPS[step.kind].edit
            if edit == "check":
                checks.append(passed_check(step, enterprise, policy))
            elif edit == "earn":
                merits.append(earned(step, enterprise))
    clean, held = seen[seen["finding"] == "none"], events[events["kind"].isin(MERITS)]
    kept = {
        "enterprises": own["enterprises"],
        "obligations": own["obligations"],
        "inspections": pd.concat([clean, pd.DataFrame(checks)] if checks else [clean], ignore_index=True),
        "credit_events": pd.concat([held, pd.DataFrame(merits)] if merits else [held], ignore_index=True),
    }
    return Tables(kept, tables.place)
