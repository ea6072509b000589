"""Make a synthetic dataset: run the engine under the legacy policy and write the run as records."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit import __version__
from tierkit.city.engine import Run, potential_detections, run
from tierkit.city.limits import MAX_SEED
from tierkit.city.parameters import Parameters, parameters
from tierkit.city.population import Population, draw, draw_world
from tierkit.city.world import LONG_AGO, WEEKS_A_YEAR, State, World
from tierkit.city.writing import state_columns, write_records
from tierkit.folders import whole_folder
from tierkit.policy import Policy, PolicyLike, policy_of
from tierkit.records import (
    ITEM_CLASSES,
    SCHEMA_VERSION,
    SHANGHAI,
    TABLES,
    Dataset,
    Place,
    conform,
    data_dictionary,
)
from tierkit.records.folder import write_tables
from tierkit.records.gate import InputError, count_of, dataset_of, day_of

__all__ = [
    "grow",
    "history",
    "make",
    "make_folder",
    "obligation_keys",
    "potential",
    "settled",
    "synth",
    "world_at",
    "world_of",
]


def history(
    enterprises: int,
    seed: int,
    *,
    policy: Policy | None = None,
    params: Parameters | None = None,
    horizon_weeks: int = WEEKS_A_YEAR,
    weeks: int | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Population, Run, dict[int, NDArray[np.uint8]]]:
    """Draw a population and run it through the burn-in and all or the first of its weeks of records.

    Returns
    -------
    Population
        As drawn, in week 0.
    Run
        The years of records.
    dict of int to uint8 array
        Compliance state of every obligation in the first week of each month of the records.
    """
    params = params or parameters()
    legacy = (policy or Policy.load(params.place.past_policy)).at(params.place)
    population = draw(enterprises, seed, legacy, horizon_weeks, params)
    frame = settled(population.world, legacy, threads, progress, weeks)
    months: dict[int, NDArray[np.uint8]] = {}

    def observe(week: int, state: State) -> None:
        monday = frame.origin + dt.timedelta(weeks=week)
        if monday.day <= 7:
            months[monday.year * 100 + monday.month] = state.violation.copy()

    past = _recorded(frame, legacy, threads, progress, observe, weeks)
    return population, past, months


def grow(
    enterprises: int,
    seed: int,
    *,
    policy: Policy | None = None,
    params: Parameters | None = None,
    horizon_weeks: int = WEEKS_A_YEAR,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> World:
    """Make the world at the end of the records without the records, for a city too large for its tables.

    Parameters
    ----------
    enterprises, seed, policy, params, horizon_weeks, threads, progress
        As in `make`.

    Returns
    -------
    World
        The same as that of `make`.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> grow(50, seed=1).date == make(50, seed=1)[1].date
    True
    """
    params = params or parameters()
    legacy = (policy or Policy.load(params.place.past_policy)).at(params.place)
    frame = draw_world(enterprises, seed, legacy, horizon_weeks, params)
    return _recorded(settled(frame, legacy, threads, progress), legacy, threads, progress).end


def _shifted(
    frame: World, progress: Callable[[int, int], None] | None, weeks: int | None
) -> Callable[[int, int], None] | None:
    """Return a progress callback that counts burn-in and records as one run."""
    total = int(frame.parameters["calendar.burn_in_weeks"]) + _weeks(frame, weeks)
    return None if progress is None else lambda done, _all: progress(frame.week + done, total)


def _weeks(frame: World, weeks: int | None) -> int:
    """Return the number of weeks of records: the given one, or all."""
    return int(frame.parameters["calendar.history_weeks"]) if weeks is None else weeks


def settled(
    frame: World,
    legacy: Policy,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
    weeks: int | None = None,
) -> World:
    """Return a drawn world after its burn-in: compliance and deterrence as they are, and no records.

    Parameters
    ----------
    frame : World
        As drawn, in week 0.
    legacy : Policy
        The policy of the burn-in.
    threads : int
    progress : callable, optional
        Called with the weeks done and all weeks, those of the records included.
    weeks : int, optional
        Weeks of records to come, for the progress; all of them if absent.
    """
    burn_in = int(frame.parameters["calendar.burn_in_weeks"])
    if not burn_in:
        return frame
    past = run(frame, legacy, burn_in, threads=threads, progress=_shifted(frame, progress, weeks))
    return _without_records(past.end)


def _recorded(
    frame: World,
    legacy: Policy,
    threads: int,
    progress: Callable[[int, int], None] | None,
    observe: Callable[[int, State], None] | None = None,
    weeks: int | None = None,
) -> Run:
    shifted = _shifted(frame, progress, weeks)
    return run(frame, legacy, _weeks(frame, weeks), threads=threads, progress=shifted, observe=observe)


def _without_records(frame: World) -> World:
    """Return the world with its compliance and deterrence, but without records of conduct."""
    state = frame.state.copy()
    state.conduct[:] = 0
    state.conduct_week[:] = frame.week
    state.record_week[:] = LONG_AGO
    state.record_severity[:] = 0
    state.record_until[:] = LONG_AGO
    state.adverse_until[:] = LONG_AGO
    state.adverse_week[:] = LONG_AGO
    state.recorded[:] = 0
    state.serious_week[:] = LONG_AGO
    state.last_visit[:] = LONG_AGO
    return World(
        frame.fixed,
        state,
        frame.week,
        frame.origin,
        frame.ids,
        frame.seed,
        frame.parameters,
        frame.known_from,
    )


def synth(
    enterprises: int,
    seed: int = 0,
    *,
    policy: PolicyLike | None = None,
    params: Parameters | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Make the records of a synthetic city; `world_of` gives the world that goes on from them.

    Parameters
    ----------
    enterprises : int
        Enterprises in the register at some time before the end of the records.
    seed : int
        0 … 2**32 - 1. The same seed gives the same bits.
    policy : Policy, name or path, optional
        The policy of the past; ``legacy`` if absent. `world_of` needs it again.
    params : Parameters, optional
        Parameters of the world.
    threads : int
        Does not change the result.
    progress : callable, optional
        Called with the weeks done and all weeks.

    Returns
    -------
    Dataset
        The tables of the data contract with the truth beside them, and a manifest.

    Raises
    ------
    InputError
        If an argument cannot be used.

    Examples
    --------
    >>> import tierkit as tk
    >>> data = tk.synth(50, seed=1)
    >>> len(data["enterprises"]), tk.world_of(data).date == data.as_of
    (50, True)
    """
    return make(enterprises, seed, policy=policy, params=params, threads=threads, progress=progress)[0]


def make(
    enterprises: int,
    seed: int,
    *,
    policy: PolicyLike | None = None,
    params: Parameters | None = None,
    horizon_weeks: int = WEEKS_A_YEAR,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Dataset, World]:
    """Make a synthetic dataset and the world at its end, from which simulations continue.

    Parameters
    ----------
    enterprises : int
        Enterprises in the register at some time before the end of the records.
    seed : int
        0 … 2**32 - 1.
    policy : Policy, optional
        The policy of the past; that of the place if absent.
    params : Parameters, optional
        Parameters of the world; their place is that of the dataset, Shanghai if absent.
    horizon_weeks : int
        Weeks after the records for which the world has slots for entrants.
    threads : int
        Threads of the engine; the result does not depend on it.
    progress : callable, optional
        Called with the weeks done and all weeks.

    Returns
    -------
    Dataset
        The tables of the data contract with the truth beside them, and a manifest.
    World
        The world at the end of the records.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> data, world = make(50, seed=1)
    >>> len(data["enterprises"])
    50
    """
    enterprises, seed = count_of(enterprises, "enterprises", 0), count_of(seed, "seed", 0)
    params = params or parameters()
    legacy = policy_of(params.place.past_policy if policy is None else policy).at(params.place)
    population, past, months = history(
        enterprises,
        seed,
        policy=legacy,
        params=params,
        horizon_weeks=horizon_weeks,
        threads=threads,
        progress=progress,
    )
    end = past.end
    known = end.fixed.entered < end.week
    tables = {
        "enterprises": _before(_closing(population.enterprises, end), end, known, ("closed_on",)),
        "agencies": population.agencies,
        "items": population.items,
        "obligations": _before(
            _closing(population.obligations, end, end.fixed.enterprise.astype(np.int64)),
            end,
            known[end.fixed.enterprise.astype(np.int64)],
            ("valid_to",),
        ),
        **write_records(past),
        **_truth(population, end, months, known),
    }
    manifest = {
        "tierkit": __version__,
        "schema": SCHEMA_VERSION,
        "synthetic": True,
        "enterprises": enterprises,
        "seed": seed,
        "start": (end.origin + dt.timedelta(weeks=end.known_from)).isoformat(),
        "as_of": end.date.isoformat(),
        "week": end.week,
        "policy": legacy.name,
        "policy_hash": legacy.hash,
        "parameters_hash": end.parameters.hash,
    }
    return Dataset(tables, manifest, end.place), end


def _closing(table: pd.DataFrame, end: World, slots: NDArray[np.int64] | None = None) -> pd.DataFrame:
    """Return the table with the closing dates of enterprises that re-registered under another name."""
    column = "closed_on" if slots is None else "valid_to"
    gone = end.state.left != end.fixed.left
    closed = pd.Timestamp(end.origin) + pd.to_timedelta(end.state.left.astype(np.int64) * 7, unit="D")
    dates, early = pd.Series(closed), pd.Series(gone)
    if slots is not None:
        dates, early = dates.iloc[slots].reset_index(drop=True), early.iloc[slots].reset_index(drop=True)
    return table.assign(**{column: table[column].mask(early, dates.astype(table[column].dtype))})


def _before(
    table: pd.DataFrame, end: World, known: NDArray[np.bool_], columns: tuple[str, ...]
) -> pd.DataFrame:
    """Return the rows known at the end, with later dates blank."""
    table = table[known].reset_index(drop=True)
    for column in columns:
        table[column] = table[column].where(table[column] < pd.Timestamp(end.date))
    return table


def _truth(
    population: Population, end: World, months: Mapping[int, NDArray[np.uint8]], known: NDArray[np.bool_]
) -> dict[str, pd.DataFrame]:
    world = end.fixed
    of_obligations, of_enterprises = state_columns(end)
    owner = world.enterprise.astype(np.int64)
    mine = known[owner]
    monthly = (
        np.stack([months[month] for month in sorted(months)], axis=1) if months else np.zeros((len(owner), 0))
    )
    truth = obligation_keys(end).assign(
        log_hazard=world.hazard,
        hunch=world.hunch,
        state_by_month=list(monthly.astype(np.int64)),
        **of_obligations,
    )[mine]
    enterprises = pd.DataFrame(
        {"enterprise_id": end.ids, "latent": np.round(population.latent, 6), **of_enterprises}
    )[known]
    return {
        "truth": conform(truth, "truth", end.place),
        "truth_enterprises": conform(enterprises, "truth_enterprises", end.place),
    }


def make_folder(
    enterprises: int,
    seed: int,
    folder: str | os.PathLike[str],
    *,
    format: str = "parquet",
    place: Place = SHANGHAI,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Make a synthetic dataset of a place and write it to a folder, with its data dictionary; see `make`."""
    root = Path(folder)
    with whole_folder(root, "dataset") as draft:
        data, _world = make(enterprises, seed, params=parameters(place), threads=threads, progress=progress)
        write_tables(data, draft, format)
        for lang, name in (("en", "dictionary.md"), ("zh", "dictionary.zh-CN.md")):
            (draft / name).write_text(data_dictionary(lang, place), encoding="utf-8")
    return root


def world_of(
    data: Dataset | str | os.PathLike[str],
    *,
    policy: PolicyLike | None = None,
    horizon_weeks: int = WEEKS_A_YEAR,
    params: Parameters | None = None,
) -> World:
    """Return the world at the end of a synthetic dataset, rebuilt from its manifest and truth.

    Parameters
    ----------
    data : Dataset or path
        With the tables ``truth`` and ``truth_enterprises``.
    policy : Policy, name or path, optional
        The policy of its past, whose base rates set the agencies' capacities; that of the place if absent.
    horizon_weeks : int
        Weeks after the records for which the world has slots for entrants.
    params : Parameters, optional
        Parameters with which the dataset was made; the default ones if absent.

    Returns
    -------
    World

    Raises
    ------
    InputError
        If the dataset is not synthetic, has no truth, or was made with another policy or parameters.

    Examples
    --------
    >>> import tierkit as tk
    >>> tk.world_of(tk.synth(50, seed=1))
    World(46 enterprises on 2024-12-30, 272 obligations of 56 slots, seed=1)
    """
    data, horizon_weeks = dataset_of(data), count_of(horizon_weeks, "horizon_weeks", 0)
    reference, p = _origins(data, None if policy is None else policy_of(policy), params)
    manifest = data.manifest
    population = draw(int(manifest["enterprises"]), int(manifest["seed"]), reference, horizon_weeks, p)
    frame = population.world
    world, week = frame.fixed, int(manifest["week"])
    known = world.entered < week
    mine = known[world.enterprise.astype(np.int64)]
    state = frame.state.copy()
    for table, rows, ids in (
        ("truth", mine, frame.ids[world.enterprise.astype(np.int64)]),
        ("truth_enterprises", known, frame.ids),
    ):
        if not np.array_equal(data[table]["enterprise_id"].to_numpy(object), ids[rows]):
            raise ValueError(
                f"The table '{table}' does not hold the enterprises of its seed in their order; "
                "make the dataset again."
            )
    for name, values in state._asdict().items():
        for table, rows in (("truth", mine), ("truth_enterprises", known)):
            if name in TABLES[table].columns:
                values[rows] = data[table][name].to_numpy(np.int64)
            elif f"{name}_0" in TABLES[table].columns:
                flat = values.reshape(len(values), -1)
                for k in range(flat.shape[1]):
                    flat[rows, k] = data[table][f"{name}_{k}"].to_numpy(np.int64)
    return World(world, state, week, frame.origin, frame.ids, frame.seed, p, frame.known_from)


def _origins(data: Dataset, policy: Policy | None, params: Parameters | None) -> tuple[Policy, Parameters]:
    """Return the policy and parameters that made a synthetic dataset; raise if they do not match."""
    manifest = data.manifest
    missing = [name for name in ("truth", "truth_enterprises") if name not in data]
    if not manifest.get("synthetic") or missing:
        raise InputError(
            "A simulation goes on from the truth of a synthetic dataset; this one has no "
            f"{' and no '.join(missing) or 'synthetic manifest'}. Make one with tk.synth or 'tierkit synth'."
        )
    # It says how much is drawn, so it is held against the truth first.
    most = {"enterprises": len(data["truth_enterprises"]), "seed": MAX_SEED, "week": MAX_SEED}
    wrong = [key for key, high in most.items() if not _is_count(manifest.get(key), high)]
    wrong += [key for key in ("policy", "parameters_hash") if not isinstance(manifest.get(key), str)]
    wrong += [key for key in ("start", "as_of") if manifest.get(key) is None]
    if wrong:
        raise InputError(
            f"The manifest does not say how the dataset was made: {', '.join(wrong)}. Make it again with "
            "tk.synth or 'tierkit synth'."
        )
    p = params or parameters(data.place)
    if p.place.hash != data.place.hash:
        raise InputError(f"The parameters are of {p.place.label.en}, the dataset of {data.place.label.en}.")
    if manifest["parameters_hash"] != p.hash:
        raise InputError(
            "The dataset was made with other parameters of the world; make it again with this version."
        )
    reference = (policy or Policy.load(data.place.past_policy)).at(data.place)
    if manifest["policy"] != reference.name:
        raise InputError(
            f"The dataset was made under the policy '{manifest['policy']}', not '{reference.name}'; "
            "hand that policy over."
        )
    return reference, p


def _is_count(value: object, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def world_at(
    data: Dataset,
    date: dt.date,
    *,
    policy: Policy | None = None,
    horizon_weeks: int = WEEKS_A_YEAR,
    params: Parameters | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> World:
    """Return the world of a synthetic dataset on an earlier date, by simulating its past again.

    Parameters
    ----------
    data : Dataset
        With the tables ``truth`` and ``truth_enterprises``.
    date : datetime.date
        A Monday after the first week of the records, at the latest the day on which they end.
    policy : Policy, optional
        The policy of its past; that of the place if absent.
    horizon_weeks : int
        Weeks after the end of the records for which the world has slots for entrants.
    params : Parameters, optional
        Parameters with which the dataset was made; the default ones if absent.
    threads : int
        Threads of the engine; the result does not depend on it.
    progress : callable, optional
        Called with the weeks done and all weeks.

    Returns
    -------
    World

    Raises
    ------
    ValueError
        If the dataset is not synthetic, was made otherwise, or has no such week.

    Examples
    --------
    >>> data, end = make(50, seed=1)
    >>> world_at(data, dt.date(2024, 1, 1)).week, end.week
    (104, 156)
    """
    reference, p = _origins(data, policy, params)
    manifest = data.manifest
    start, last = (dt.date.fromisoformat(str(manifest[key])) for key in ("start", "as_of"))
    date = day_of(date, "date")
    days = (date - start).days
    if days % 7 or not 7 <= days <= (last - start).days:
        raise ValueError(
            f"The world can be put back to a Monday after {start} and not after {last}. Got {date}."
        )
    _population, past, _months = history(
        int(manifest["enterprises"]),
        int(manifest["seed"]),
        policy=reference,
        params=p,
        horizon_weeks=horizon_weeks,
        weeks=days // 7,
        threads=threads,
        progress=progress,
    )
    again = write_records(past)["inspections"]["check_code"].astype(str)
    rows = data["inspections"]
    kept = rows.loc[rows["inspected_on"] < pd.Timestamp(date), "check_code"].astype(str)
    if set(again) != set(kept):
        raise ValueError(
            f"The inspections before {date} are not those of the dataset's seed; make the dataset again."
        )
    end: World = past.end
    return end


def obligation_keys(frame: World) -> pd.DataFrame:
    """Return ``enterprise_id``, ``agency``, ``item_class`` of every obligation of a world, in its order."""
    world = frame.fixed
    return pd.DataFrame(
        {
            "enterprise_id": frame.ids[world.enterprise.astype(np.int64)],
            "agency": np.array(frame.place.ids("agency"), object)[world.agency],
            "item_class": np.array(ITEM_CLASSES, object)[world.item_class],
        }
    )


def potential(
    data: Dataset,
    date: dt.date | str,
    *,
    weeks: int = 26,
    policy: Policy | None = None,
    params: Parameters | None = None,
    threads: int = 1,
) -> pd.DataFrame:
    """Return what a standard audit of each obligation would have found, by simulating the past again.

    Parameters
    ----------
    data : Dataset
        With the tables ``truth`` and ``truth_enterprises``.
    date : date
        A Monday of the records.
    weeks : int
        Weeks from that day on, within the records.
    policy : Policy, optional
        The policy of its past; that of the place if absent.
    params : Parameters, optional
        Parameters with which the dataset was made; the default ones if absent.
    threads : int
        Threads of the engine; the result does not depend on it.

    Returns
    -------
    DataFrame
        ``enterprise_id``, ``agency``, ``item_class``, ``potential``: the mean over the weeks of the
        probability that one audit finds at least a minor violation
        (`tierkit.city.engine.potential_detections`).

    Raises
    ------
    ValueError
        If the dataset is not synthetic, was made otherwise, or has no such weeks.

    Examples
    --------
    >>> data, end = make(50, seed=1)
    >>> list(potential(data, "2024-07-01"))
    ['enterprise_id', 'agency', 'item_class', 'potential']
    """
    reference, p = _origins(data, policy, params)
    monday = day_of(date)
    start, last = (dt.date.fromisoformat(str(data.manifest[key])) for key in ("start", "as_of"))
    days = (monday - start).days
    if days % 7 or days < 0 or weeks < 1 or monday + dt.timedelta(weeks=weeks) > last:
        raise ValueError(
            f"The window must begin on a Monday from {start} on and end by {last}. "
            f"Got {weeks} weeks from {monday}."
        )
    frame = draw_world(int(data.manifest["enterprises"]), int(data.manifest["seed"]), reference, 0, p)
    past, chance = potential_detections(
        settled(frame, reference, threads), reference, days // 7 + weeks, first=days // 7, threads=threads
    )
    until = pd.Timestamp(monday + dt.timedelta(weeks=weeks))
    rows = data["inspections"]
    kept = rows.loc[rows["inspected_on"] < until, "check_code"].astype(str)
    if set(write_records(past)["inspections"]["check_code"].astype(str)) != set(kept):
        raise ValueError(
            f"The inspections before {until.date()} are not those of the dataset's seed; "
            "make the dataset again."
        )
    return obligation_keys(frame).assign(potential=chance)
