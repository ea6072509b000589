"""Train both models on a dataset and record how in a manifest."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tierkit import __version__
from tierkit.arrays import Mask
from tierkit.features import is_structure, monotone, read_by
from tierkit.folders import check_replaceable
from tierkit.folders.claims import claim
from tierkit.policy import Policy, PolicyError, PolicyLike, policy_of
from tierkit.policy.files.points_file import PointsTable
from tierkit.policy.files.problems import PolicyProblem
from tierkit.policy.tiers import by_risk_alone
from tierkit.progress import Progress, quiet
from tierkit.records import SCHEMA_VERSION, TABLES, DataError, Place, place_of
from tierkit.records.dataset import arrow_table
from tierkit.records.folder import open_folder
from tierkit.records.gate import InputError, day_of, source_of
from tierkit.records.known import TIMED, Source, known
from tierkit.records.parquet import PARQUET_OPTIONS, ROW_GROUP
from tierkit.scores.baselines import baselines
from tierkit.scores.ensemble import Ensemble
from tierkit.scores.expert import CreditCard, ExpertCard, NoCredit, card_of
from tierkit.scores.fitting import SETTINGS, Level
from tierkit.scores.learnable import credit_rows, faults_of_risk, fitting_scheme, with_offers
from tierkit.scores.manifest import stated_credit
from tierkit.scores.metrics import measures
from tierkit.scores.model import Model
from tierkit.scores.model_folder import FORMAT, plain
from tierkit.scores.monitoring import Bands
from tierkit.scores.refitting import refit_risk
from tierkit.scores.scorecard import CreditScorecard
from tierkit.scores.training_rows import Scheme, TrainingRows, time_split, training_frame
from tierkit.scores.tuning import tune

__all__ = ["train"]


def _data_hashes(data: Source) -> dict[str, Any]:
    """Return row counts and SHA-256 of the tables read: of the file, or as it would be written."""
    found: dict[str, Any] = {}
    if isinstance(data, Mapping):
        place = place_of(data)
        for name in TIMED:
            if name in data:
                sink = io.BytesIO()
                rows = arrow_table(data[name], name, place)
                pq.write_table(rows, sink, row_group_size=ROW_GROUP, **PARQUET_OPTIONS)
                found[name] = hashlib.sha256(sink.getbuffer()).hexdigest()
        return found
    folder = open_folder(data)
    return {name: folder.sha256(TABLES[name]) for name in TIMED if name in folder.files}


def train(
    data: Source,
    as_of: date | str,
    policy: PolicyLike | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    scheme: Scheme = "weighted",
    level: Level = "scheme",
    budget: int = 0,
    bootstrap: int = 0,
    insist: bool = False,
    structure: bool = False,
    credit_table: PointsTable | str | os.PathLike[str] | None = None,
    risk_alone: bool = False,
    threads: int = 1,
    progress: Progress = quiet,
) -> Model:
    """Train both models on what was known before a date.

    The risk model is grown on the earliest three fifths of its rows, calibrated on the next fifth and tested
    on the last; what was measured is of that model. It is then grown again on all rows, and the level of its
    probabilities is carried over; see `tierkit.scores.refitting`. The scorecard is tested on a lot of three
    tenths of the enterprises, and then fitted on all.

    Parameters
    ----------
    data : Dataset or path
    as_of : date
    policy : Policy, name or path, optional
        The policy that the model is for; that of the past of the place if absent.
    out : path, optional
        Where to write the model folder; nobody else can write there from the start.
    seed : int
        Of LightGBM, and of the lot that holds enterprises out.
    scheme : {"naive", "random", "weighted"}
        Rows and weights of the risk model; see `tierkit.scores.training_rows`. Where no row carries the
        chance of its draw, none can be weighted: the scheme that fits is taken with a warning.
    level : {"scheme", "audits"}
        What sets the level of the risk: the scheme's rows, or equal-chance audits alone; see
        `tierkit.scores.fitting`.
    budget : int
        Settings to try beside the stated ones, at rolling origins in the training part; see
        `tierkit.scores.tuning`.
    bootstrap : int
        Members of an ensemble that is kept beside the model and says how sure it is; see
        `tierkit.scores.ensemble`.
    insist : bool
        Whether the model returned may score anybody even if it is no better than chance on what was kept
        back.
    structure : bool
        Whether what an enterprise is (its size, age, sector, …) may give or take credit; by default what it
        did and what is recorded of it does alone. The risk model reads both.
    credit_table : PointsTable or path, optional
        An expert's table of points, from which credit is taken instead of from records; see
        `tierkit.scores.expert`. The table that the policy carries serves where records give no target.
    risk_alone : bool
        Whether there is to be no credit at all, and tiers by risk alone.
    threads : int
        Does not change the result.
    progress : Progress

    Returns
    -------
    Model

    Raises
    ------
    DataError
        If the records are too few or reach back too little; for credit, with what serves instead.
    InputError
        If an argument cannot be used.
    PolicyError
        If there is no such policy, or it is of another place; or if the table of points cannot be used.
    ValueError
        If a part of the rows holds one class only; an OutputError if the model cannot be written there.

    Examples
    --------
    >>> import tierkit as tk
    >>> model = tk.train("data/synthetic", "2024-12-30")
    >>> scores = model.score("data/synthetic", "2024-12-30")
    >>> bool(scores["risk_probability"].between(0, 1).all()), model.manifest["scheme"]
    (True, 'weighted')
    """
    settings: dict[str, Any] = {
        "seed": seed, "scheme": scheme, "level": level, "budget": budget, "bootstrap": bootstrap,
        "structure": structure, "credit_table": credit_table, "risk_alone": risk_alone, "out": out,
        "threads": threads, "progress": progress,
    }  # fmt: skip
    if risk_alone and credit_table is not None:
        raise InputError("Give 'credit_table' or 'risk_alone', not both: by risk alone there is no credit.")
    if out is None:
        model = _trained(data, as_of, policy, **settings)
    else:
        with claim(Path(out)) as where:
            check_replaceable(where, "model")
            model = _trained(data, as_of, policy, **settings)
            model.save(where)
    progress("training", 4, 4)
    return replace(model, insist=insist)


def _trained(
    data: Source,
    as_of: date | str,
    policy: PolicyLike | None,
    *,
    seed: int,
    scheme: Scheme,
    level: Level,
    budget: int,
    bootstrap: int,
    structure: bool,
    credit_table: PointsTable | str | os.PathLike[str] | None,
    risk_alone: bool,
    out: str | os.PathLike[str] | None,
    threads: int,
    progress: Progress,
) -> Model:
    given, data, day = data, source_of(data), day_of(as_of)
    place = place_of(data)
    chosen = policy_of(place.past_policy if policy is None else policy).at(place)
    progress("training", 0, 4)
    table = None if credit_table is None else card_of(credit_table, place, structure=structure)
    with known(data, day, threads=threads) as seen:
        scheme, why = fitting_scheme(seen, scheme)
        rows = training_frame(seen, day, scheme)
        split = time_split(rows.rows["as_of"])
        faults = faults_of_risk(rows, split)
        found, lacks = (None, ()) if risk_alone or table else credit_rows(seen, seed)
    if lacks and chosen.credit_table is not None:
        table, lacks = _carried(chosen, place, structure), ()
    if why:
        warnings.warn(why, stacklevel=4)
    if faults or lacks:
        raise DataError([*faults, *(with_offers(one, given, day, out) for one in lacks)])
    snapshots = None
    if found is not None:
        trusted_by = read_by("credit") if structure else [n for n in read_by("credit") if not is_structure(n)]
        snapshots = replace(found[0], X=found[0].X[trusted_by])
    progress("training", 1, 4)
    tuning = tune(rows, budget, split, seed=seed, threads=threads) if budget else None
    settings = tuning.chosen if tuning else SETTINGS
    refit = refit_risk(rows, split, settings, level, seed=seed, threads=threads)
    risk, on_trial = refit.risk, refit.tested
    ensemble = None
    if bootstrap:
        ensemble = Ensemble.fit(
            rows,
            snapshots,
            split,
            bootstrap,
            settings,
            level,
            newest=not refit.held,
            seed=seed,
            threads=threads,
        )
    audits = split.test & (rows.rows["channel"] == "random").to_numpy()
    tested = {
        name: measures(rows.y[part], on_trial.predict_proba(rows.X[part])[:, 1], rows.weight[part])
        for name, part in (("test", split.test), ("test_random_audits", audits))
    }
    margin = on_trial.margin(rows.X)
    beside = {
        name: baselines(rows, split, margin, part, seed=seed).reset_index().to_dict("records")
        for name, part in (("test", split.test), ("test_random_audits", audits))
    }
    progress("training", 2, 4)
    credit: CreditCard
    if snapshots is None or found is None:
        credit = table or NoCredit()
        of_credit = stated_credit(credit)
    else:
        credit, of_credit = _fitted_credit(snapshots, found[1])
    progress("training", 3, 4)
    if credit.kind == "none":
        chosen = by_risk_alone(chosen)
    manifest = {
        "format": FORMAT,
        "tierkit": __version__,
        "schema": SCHEMA_VERSION,
        "as_of": day,
        "scheme": scheme,
        "seed": seed,
        "risk": {
            "target": "an on-site inspection finds at least a minor violation",
            "rows": rows.report,
            "split": {
                "train": int(split.train.sum()),
                "calibrate": int(split.calibrate.sum()),
                "test": int(split.test.sum()),
                "first": rows.rows["as_of"].min().date(),
                "calibrate_from": split.calibrate_from,
                "test_from": split.test_from,
            },
            "settings": dict(settings),
            "tuning": tuning.to_dict() if tuning else None,
            "level": level,
            "calibration": risk.calibration_.to_dict(),
            "refit": refit.report(),
            "bootstrap": bootstrap,
            "metrics": tested,
            "baselines": beside,
        },
        "credit": of_credit,
        "features": {"risk": read_by("risk"), "credit": list(credit.inputs_.names)},
        "policy": {"name": chosen.name, "hash": chosen.hash},
        "place": place.stated(),
        "data": {"sha256": _data_hashes(data)},
        "libraries": {
            "python": platform.python_version(),
            **{
                n: version(n) for n in ("duckdb", "lightgbm", "numpy", "optbinning", "pandas", "scikit-learn")
            },
        },
    }
    return Model(risk, credit, chosen, plain(manifest), ensemble)


def _fitted_credit(snapshots: TrainingRows, held: Mask) -> tuple[CreditScorecard, dict[str, Any]]:
    """Return a scorecard of all rows, and what a manifest says of it: tested on those held out."""
    signs = monotone("credit")
    trial = CreditScorecard(monotone=signs).fit(snapshots.X[~held], snapshots.y[~held])
    trusted = measures(snapshots.y[held], trial.predict_proba(snapshots.X[held])[:, 1])
    credit = CreditScorecard(monotone=signs).fit(snapshots.X, snapshots.y)
    return credit, {
        "target": "a new adverse event not born of an inspection becomes known within 12 months",
        "rows": snapshots.report,
        "events": int(snapshots.y.sum()),
        "held_out": int(held.sum()),
        "metrics": trusted,
        "bands": Bands.of(credit.points(snapshots.X)).to_dict(),
        "unused": credit.unused_,
    }


def _carried(policy: Policy, place: Place, structure: bool) -> ExpertCard:
    """Return the table of points that a policy carries.

    Raises
    ------
    PolicyError
        If its file is not at hand, or does not fit the features.
    """
    table = policy.credit_table
    if isinstance(table, PointsTable):
        return card_of(table, place, structure=structure)
    message = f"the table of points '{table}' is not beside the policy"
    remedy = "put the file there, or give it with --credit-table"
    raise PolicyError([PolicyProblem(policy.name, None, "meta.credit_table", message, remedy)])
