"""The form of a model's manifest, and what it must have in common with the model's other files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tierkit.features.catalogue import BY_NAME
from tierkit.policy import Policy
from tierkit.records import SCHEMA_VERSION, SHANGHAI
from tierkit.records.cells import EARLIEST, LATEST
from tierkit.scores.baselines import BASELINES
from tierkit.scores.basis import check_stated
from tierkit.scores.content import (
    Form,
    count,
    day,
    digest,
    either,
    flag,
    intervals,
    known,
    mapping,
    maybe,
    number,
    record,
    refuse,
    series,
    share,
    text,
)
from tierkit.scores.ensemble import Ensemble
from tierkit.scores.expert import CreditCard, ExpertCard
from tierkit.scores.fitting import LEVELS
from tierkit.scores.model_folder import FORMAT
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import HIGHEST, LOWEST, CreditScorecard
from tierkit.scores.training_rows import SCHEMES

__all__ = ["check_manifest", "check_parts", "stated_credit"]


_SETTINGS = {"n_trees": count(1), "learning_rate": number(0, 1), "n_leaves": count(2), "min_rows": count(1)}
_CELL = number()  # of tables that are shown and never computed with
_POINTS = number(LOWEST, math.nextafter(HIGHEST, math.inf))  # an edge may lie just above the highest points
_MEASURES = record(
    n=count(),
    events=count(),
    **dict.fromkeys(("rate", "predicted", "auc", "ks", "brier", "calibration_error"), maybe(share())),
)
_ENDS = ("", "_low", "_high")
_BESIDE = intervals(
    record(
        score=known("model", *BASELINES),
        n=count(),
        events=count(),
        enough=flag,
        **dict.fromkeys((f"{name}{end}" for name in ("auc", "capture") for end in _ENDS), maybe(share())),
        **dict.fromkeys((f"auc_behind{end}" for end in _ENDS), maybe(share(-1))),
    ),
    *((name, f"{name}_low", f"{name}_high") for name in ("auc", "capture", "auc_behind")),
)


def _parts(of: Form) -> Form:
    """Return the form of what is told of the test part, and of the equal-chance audits in it."""
    return record(test=of, test_random_audits=of)


_LOST = ("log_loss", "low", "high", "difference", "difference_low", "difference_high")
_TUNING = record(
    budget=count(),
    origins=series(day, 1000),
    until=day,
    chosen=record(**_SETTINGS),
    candidates=series(
        intervals(
            record(**_SETTINGS, **dict.fromkeys(_LOST, maybe(_CELL)), chosen=flag), _LOST[:3], _LOST[3:]
        )
    ),
)
_CLIPPED = record(
    rows=count(), rows_cut=count(), **dict.fromkeys(("effective_size", "cut_off", "weight_cut"), maybe(_CELL))
)
_LEFT_OUT = dict.fromkeys(
    ("inspections", "off_site", "too_early", "other_channels", "without_propensity", "rows"), count()
)
_RISK = record(
    target=text(),
    rows=either(record(**_LEFT_OUT), record(**_LEFT_OUT, weights=mapping(_CLIPPED))),
    split=record(
        **dict.fromkeys(("train", "calibrate", "test"), count()),
        **dict.fromkeys(("first", "calibrate_from", "test_from"), day),
    ),
    settings=record(**_SETTINGS),
    tuning=maybe(_TUNING),
    level=known(*LEVELS),
    calibration=record(low=number(), high=number(), shift=number(), kind=text()),
    refit=record(held=flag, error=maybe(share()), bound=maybe(share())),
    bootstrap=count(),
    metrics=_parts(_MEASURES),
    baselines=_parts(series(_BESIDE, 100)),
)
_CREDIT = record(
    target=text(),
    rows=record(rows=count(), snapshots=count(), closed_without_event=count()),
    events=count(),
    held_out=count(),
    metrics=_MEASURES,
    bands=record(edges=series(_POINTS, 1000), counts=series(count(), 1001)),
    unused=mapping(text()),
)


def _of_credit(value: Any, place: str) -> None:
    """Refuse what training says of no source of credit: only what is not of records states its kind."""
    form = check_stated if isinstance(value, Mapping) and "kind" in value else _CREDIT
    form(value, place)


_STATED = record(name=text(), hash=digest)
_MANIFEST = record(
    format=known(FORMAT),
    tierkit=text(),
    schema=known(SCHEMA_VERSION),
    as_of=day,
    scheme=known(*SCHEMES),
    seed=count(),
    risk=_RISK,
    credit=_of_credit,
    features=record(risk=series(text(), apart=True), credit=series(text(), apart=True)),
    policy=_STATED,
    place=_STATED,
    data=record(sha256=mapping(digest)),
    libraries=mapping(text()),
    files=mapping(digest),
    sha256=digest,
)


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Refuse a manifest that is not of the form that training writes.

    Raises
    ------
    ContentError
    """
    _MANIFEST(manifest, "")
    if "kind" not in manifest["credit"]:
        _check_bands(manifest["credit"]["bands"])
    split = manifest["risk"]["split"]
    days = [split["first"], split["calibrate_from"], split["test_from"], manifest["as_of"]]
    if not EARLIEST.isoformat() <= min(days) <= max(days) <= LATEST.isoformat():
        outside = "as_of" if manifest["as_of"] == max(days) > LATEST.isoformat() else "risk.split"
        refuse(outside, f"must be days that records may have, {EARLIEST} to {LATEST}.")
    if days != sorted(days):
        refuse("risk.split", "must ascend from 'first' to 'calibrate_from', 'test_from' and 'as_of'.")


def _check_bands(bands: Mapping[str, Any]) -> None:
    if len(bands["counts"]) != len(bands["edges"]) + 1 or not any(bands["counts"]):
        refuse("credit.bands.counts", "must be one more than the edges, and not all 0.")
    if any(a >= b for a, b in zip(bands["edges"], bands["edges"][1:], strict=False)):
        refuse("credit.bands.edges", "must ascend.")


def stated_credit(credit: CreditCard) -> dict[str, Any]:
    """Return what a manifest says of credit that was not fitted on records."""
    if not isinstance(credit, ExpertCard):
        return {"kind": credit.kind}
    one = credit.source
    return {
        "kind": credit.kind,
        "title": one.title._asdict(),
        "document": one.document,
        "date": one.date.isoformat(),
        "file": one.name,
        "sha256": one.digest,
        "rows": len(one.rows) + 1,
        "assumed": one.assumed,
    }


def check_parts(
    manifest: Mapping[str, Any],
    risk: RiskModel,
    credit: CreditCard,
    ensemble: Ensemble | None,
    policy: Policy,
) -> None:
    """Refuse parts of a model, each sound by itself, that do not go together.

    Raises
    ------
    ContentError
    """
    for name, one in (("risk", risk), ("credit", credit)):
        if manifest["features"][name] != list(one.inputs_.names):
            refuse(f"features.{name}", "are not the columns of the model's own file.")
        for feature in one.inputs_.names:
            if feature not in BY_NAME:
                refuse(f"features.{name}", f"names '{feature[:40]}', which tierkit does not know.")
            if (BY_NAME[feature].levels is not None) != (feature in one.inputs_.levels):
                refuse(f"features.{name}", f"'{feature}' holds levels in one place and numbers in the other.")
        if isinstance(one, RiskModel | CreditScorecard) and one.classes_.tolist() != [0, 1]:
            refuse(f"{name}.classes", "must be 0 and 1.")
    for feature, levels in risk.inputs_.levels.items():
        if credit.inputs_.levels.get(feature, levels) != levels:
            refuse(f"features.credit, '{feature}'", "has other levels than in the risk model.")
    if manifest["risk"]["calibration"] != risk.calibration_.to_dict():
        refuse("risk.calibration", "is not that of risk.json.")
    if manifest["credit"].get("kind", "records") != credit.kind:
        refuse("credit.kind", f"is not that of scorecard.json, '{credit.kind}'.")
    if isinstance(credit, ExpertCard) and manifest["credit"] != stated_credit(credit):
        refuse("credit", "does not say of the table what scorecard.json holds.")
    if credit.kind == "records" and manifest["credit"]["unused"] != credit.unused_:
        refuse("credit.unused", "is not that of scorecard.json.")
    if any(value != getattr(risk, name) for name, value in manifest["risk"]["settings"].items()):
        refuse("risk.settings", "are not the parameters of risk.json.")
    place = policy.place or SHANGHAI
    files = {"policy": {"name": policy.name, "hash": policy.hash}, "place": place.stated()}
    for what, stated in files.items():
        for key, value in stated.items():
            if manifest[what][key] != value:
                refuse(f"{what}.{key}", f"is not that of the {what} in policy.toml.")
    members = () if ensemble is None else ensemble.members
    if members and len(members) != manifest["risk"]["bootstrap"]:
        refuse("risk.bootstrap", f"is not the number of members of the ensemble, {len(members)}.")
    for at, member in enumerate(members):
        if (member.inputs_.names, member.inputs_.levels) != (risk.inputs_.names, risk.inputs_.levels):
            refuse(f"members[{at}]", "of the ensemble have other columns or levels than the risk model.")
    if ensemble is not None and bool(ensemble.cards) != (credit.kind == "records"):
        refuse("cards", "of the ensemble are there where credit was fitted on records, and only there.")
    for at, card in enumerate(() if ensemble is None else ensemble.cards):
        if (card.inputs_.names, card.inputs_.levels) != (credit.inputs_.names, credit.inputs_.levels):
            refuse(f"cards[{at}]", "of the ensemble have other columns or levels than the scorecard.")
