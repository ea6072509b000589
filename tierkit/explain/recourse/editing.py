"""Edit records known before a day as steps would change them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import pandas as pd

from tierkit.explain.recourse.steps import STEPS, Step
from tierkit.features import features_of, on_register, standing
from tierkit.features.building import wanted_ids
from tierkit.records import MERITS, TABLES, Tables
from tierkit.records.known import TIMED, Source, Timeline
from tierkit.scores.model import model_of
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

__all__ = ["EDITED", "Scorer", "edited", "known_tables", "score_known", "scorer_of", "spotless"]


EDITED = ("enterprises", "inspections", "credit_events")
"""Tables that a step can change."""


class Scorer(Protocol):
    """What scores are taken from: a `tierkit.scores.model.Model`."""

    @property
    def risk(self) -> RiskModel:
        """The risk model."""

    @property
    def credit(self) -> CreditScorecard:
        """The scorecard."""

    def score_features(
        self, X: pd.DataFrame, ids: pd.Series | pd.Index, red_line: pd.Series | None = None
    ) -> pd.DataFrame:
        """Score enterprises whose features are given."""


def scorer_of(model: Any, name: str = "model") -> Scorer:
    """Return what scores are taken from; a model may be given as the path of its folder.

    Raises
    ------
    InputError
        If it is anything else.
    """
    return model if hasattr(model, "score_features") else model_of(model, name)


def known_tables(data: Source, as_of: date | str, ids: Iterable[str], threads: int = 1) -> Tables:
    """Return the records of some enterprises as they were known before a day.

    Parameters
    ----------
    data : Dataset, mapping or path
    as_of : date
    ids : iterable of str
    threads : int

    Returns
    -------
    mapping of str to DataFrame
        As `tierkit.explain.recourse.repair.known_on` gives them, of these enterprises alone, but for
        complaints: there, those of whoever complained about one of them are complete, since they are counted
        over the whole city. Features of these enterprises are thus the same, and later days can be asked
        about.

    Raises
    ------
    DataError
        If an enterprise is not in the dataset, the records do not reach to that day, or cannot be read.
    """
    day = pd.Timestamp(as_of)
    with Timeline(data, threads) as timeline:
        wanted = wanted_ids(timeline, ids)
        timeline.ask(pd.DataFrame({"enterprise_id": wanted, "as_of": day}))
        out = Tables(
            {table: timeline.query(_rows(table)) for table in TIMED if table != "complaints"}, timeline.place
        )
        who = timeline.query("SELECT DISTINCT complainant FROM known_complaints")["complainant"]
        timeline.ask(pd.DataFrame({"enterprise_id": _about(timeline, who), "as_of": day}))
        out["complaints"] = timeline.query(_rows("complaints"))
    out["complaints"] = out["complaints"][out["complaints"]["complainant"].isin(who)]
    for table, frame in out.items():
        for value, _ in TABLES[table].decided:
            frame[value] = frame[value].fillna("none")
    return out


def score_known(
    model: Scorer, tables: Tables, ids: Sequence[str], day: pd.Timestamp, threads: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scores and features of those of some enterprises that are on the register on a day."""
    with Timeline(tables, threads) as timeline:
        timeline.ask(pd.DataFrame({"enterprise_id": ids, "as_of": day}))
        here = on_register(timeline)
        X = features_of(timeline)[here].reset_index(drop=True)
        red = standing(timeline)[here].reset_index(drop=True)
    chosen = pd.Index(pd.Series(ids, dtype="str")[here], name="enterprise_id")
    return model.score_features(X, chosen, red), X.set_axis(chosen)


def _rows(table: str) -> str:
    columns = ", ".join(f'"{column.name}"' for column in TABLES[table])
    keys = ", ".join(f'"{name}"' for name in TABLES[table].key)
    return f'SELECT {columns} FROM known_{table} ORDER BY "row", {keys}'


def _about(timeline: Timeline, who: pd.Series) -> pd.Series:
    """Return the enterprises about which any of some complainants ever complained."""
    pairs = timeline.query("SELECT DISTINCT complainant, enterprise_id FROM raw_complaints")
    return pairs.loc[pairs["complainant"].isin(who), "enterprise_id"].drop_duplicates()


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
    firms, seen, events = (
        _copies(tables[table], own if table == "enterprises" else of_table[table]) for table in EDITED
    )
    tags = dict(zip(firms["enterprise_id"], firms["tags"], strict=True))
    repairs: dict[tuple[str, str | None], pd.Timestamp] = {}
    checks = []
    for copy, (_, steps) in variants.items():
        for step in steps:
            if step.table == "credit_events":
                repairs[copy, step.record_id] = pd.Timestamp(step.on)
            elif step.table == "inspections":
                checks.append(passed_check(step, copy, policy))
            else:
                tags[copy] = retagged(tags[copy], step)
    firms["tags"] = [tags[copy] for copy in firms["enterprise_id"]]
    keys = zip(events["enterprise_id"], events["event_id"], strict=True)
    mended = pd.Series([repairs.get(key) for key in keys], index=events.index, dtype="datetime64[us]")
    events["repaired_on"] = events["repaired_on"].fillna(mended)
    added = {"enterprises": [firms], "inspections": [seen, pd.DataFrame(checks)], "credit_events": [events]}
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


def retagged(tags: Iterable[str], step: Step) -> list[str]:
    """Return an enterprise's tags after a step."""
    what = STEPS[step.kind]
    kept = [str(tag) for tag in tags if tag != what.tag]
    return [*kept, str(what.tag)] if what.edit == "add" else kept


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
    firms, seen, events = (own[table] for table in EDITED)
    tags = dict(zip(firms["enterprise_id"], firms["tags"], strict=True))
    checks = []
    for enterprise, steps in taken.items():
        for step in steps:
            if step.table == "enterprises":
                tags[enterprise] = retagged(tags[enterprise], step)
            elif step.table == "inspections":
                checks.append(passed_check(step, enterprise, policy))
    clean = seen[seen["finding"] == "none"]
    kept = {
        "enterprises": firms.assign(tags=[tags[one] for one in firms["enterprise_id"]]),
        "obligations": own["obligations"],
        "inspections": pd.concat([clean, pd.DataFrame(checks)] if checks else [clean], ignore_index=True),
        "credit_events": events[events["kind"].isin(MERITS)].reset_index(drop=True),
    }
    return Tables(kept, tables.place)
