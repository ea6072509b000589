"""Make a world from scored records, with the hazards that the scored risks imply.

The engine needs how often each obligation falls into violation. Real records do not say so; a calibrated
risk does, if violations come and go as the world's parameters say: a share q of the time in violation and a
probability d that an audit detects one give a risk of q d, and q = h D / (1 + h D) with hazard h and mean
duration D. So h = q / ((1 - q) D), the inverse of `tierkit.city.engine.oracle_scores`. Nothing is known of
what inspectors sense beyond the records, of coming entries and exits, or of how inspectors differ; none of
it is in such a world.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.keyed_random import ENTERPRISE_LEVEL, Domain, draws, uniform
from tierkit.city.parameters import Parameters, parameters
from tierkit.city.population import first_state, items, professional_limits, reference_rates, violation_weeks
from tierkit.city.world import NEVER, WEEKS_A_YEAR, Fixed, World, log_index
from tierkit.policy import Policy
from tierkit.records import ITEM_CLASSES, Place
from tierkit.records.gate import day_of
from tierkit.records.unknown import begun, stand_ins, told_stand_ins
from tierkit.scores.gate import check_scores

__all__ = ["MAY_BE_UNKNOWN", "MOST_VIOLATING", "table_of", "world_from_scores"]

MOST_VIOLATING = 0.96
"""Largest share of time in violation that a risk may imply; above it the risk is cut, with a warning.

A fall a week is the most that the engine knows, and with the world's durations that is .968."""
ROOM_FOR_ALL = 10**9
"""Inspections a week of an agency whose capacity is not given."""
_LEVELS = ("sector", "size", "district", "ownership", "agency", "item_class")
MAY_BE_UNKNOWN = ("size", "district", "ownership")
"""Levels of an enterprise for which another stands in, with a warning, where they are not known."""
_NEEDED = ("enterprise_id", "sector", "size", "agency", "item_class", "risk_probability")
_OWN = ("sector", "size", "district", "ownership", "commitment")
_RANK_BLOCK, _PERMIT_BLOCK = 40, 2


def table_of(data: Mapping[str, pd.DataFrame], scores: pd.DataFrame, as_of: Any) -> pd.DataFrame:
    """Return the obligations in force on a date, with their enterprises and risks, for `world_from_scores`.

    Parameters
    ----------
    data : Dataset or mapping of str to DataFrame
        ``enterprises`` and ``obligations`` of the data contract.
    scores : DataFrame
        ``enterprise_id`` and ``risk_probability`` as of the date.
    as_of : date

    Returns
    -------
    DataFrame
        The columns that `world_from_scores` reads. Enterprises without a score are left out.

    Examples
    --------
    >>> from tierkit.city.synth import make
    >>> data, world = make(50, seed=1)
    >>> scores = data["enterprises"][["enterprise_id"]].assign(risk_probability=0.1)
    >>> rows = table_of(data, scores, "2024-01-01")
    >>> int(rows["enterprise_id"].nunique())
    45
    """
    day = pd.Timestamp(day_of(as_of))
    check_scores(scores, data["enterprises"].set_index("enterprise_id")["sector"])
    rows = data["obligations"]
    rows = rows[begun(rows["valid_from"], day) & ~(rows["valid_to"] <= day)]
    own = data["enterprises"]
    own = own.loc[
        begun(own["registered_on"], day) & ~(own["closed_on"] <= day),
        ["enterprise_id", "sector", "size", "district", "ownership", "commitment"],
    ]
    kept = rows[["enterprise_id", "agency", "item_class", "item"]].merge(own, on="enterprise_id")
    return kept.merge(scores[["enterprise_id", "risk_probability"]], on="enterprise_id").reset_index(
        drop=True
    )


def world_from_scores(
    table: pd.DataFrame,
    date: dt.date,
    *,
    detection: float | None = None,
    capacity: Mapping[str, int] | None = None,
    reference: Policy | None = None,
    seed: int = 0,
    params: Parameters | None = None,
) -> World:
    """Make a world from a table of obligations with calibrated risks.

    Parameters
    ----------
    table : DataFrame
        One row per obligation: ``enterprise_id``, ``sector``, ``size``, ``agency``, ``item_class`` and
        ``risk_probability``, the probability that one audit of it finds a violation. Optional:
        ``district``, ``ownership``, ``item``, ``commitment`` (holds a permit by commitment).
    date : datetime.date
        The day on which the world begins.
    detection : float, optional
        Probability that an audit finds a violation that is there, under which the risks were observed;
        ``depth.detection`` of the reference if absent.
    capacity : mapping of str to int, optional
        Inspections a week of each agency; one that is not named has room for all.
    reference : Policy, optional
        The policy that is the unit of the perceived rate; that of the past if absent.
    seed : int
        Seed of the world's draws: who is in violation at first, who is covered off site, when permits
        are renewed.
    params : Parameters, optional
        Parameters of the world: how violations come about, last, and are complained of; those of Shanghai
        if absent. Their place is that of the table.

    Returns
    -------
    World
        Everybody is in the register from the first week on, and stays.

    Raises
    ------
    ValueError
        With everything that is wrong with the table.

    Warns
    -----
    UserWarning
        If a risk is above what an audit can find; it is cut. If a size, a district or an ownership is not
        known; the first level of the place stands in.

    Examples
    --------
    >>> table = pd.DataFrame({"enterprise_id": ["a", "b"], "sector": "food", "size": "micro",
    ...                       "agency": "fire", "item_class": "general", "risk_probability": [0.1, 0.3]})
    >>> world = world_from_scores(table, dt.date(2024, 1, 1))
    >>> world.date, world.obligations
    (datetime.date(2024, 1, 1), 2)
    """
    day = day_of(date, "date")
    p = params or parameters()
    place = p.place
    _check(table, capacity or {}, place)
    policy = (reference or Policy.load(place.past_policy)).at(place)
    seen = float(policy["depth.detection"]) if detection is None else detection
    if not 0 < seen <= 1:
        raise ValueError(f"The 'detection' must be in (0, 1]. Got {seen}.")
    slot, ids = pd.factorize(table["enterprise_id"].astype(str))
    code, unknown = stand_ins(table, _LEVELS, place)
    told_stand_ins(unknown, "obligations", place)
    number = code["agency"] * len(ITEM_CLASSES) + code["item_class"]
    order = np.lexsort((number, slot))
    owner, number = slot[order].astype(np.int64), number[order]
    agency, item_class = code["agency"][order], code["item_class"][order]
    counts = np.bincount(owner, minlength=len(ids))
    start = np.concatenate([[0], np.cumsum(counts)])
    first = order[start[:-1]]
    sector, size = code["sector"][first], code["size"][first]

    share = table["risk_probability"].to_numpy(np.float64)[order] / seen
    cut = int((share > MOST_VIOLATING).sum())
    if cut:
        warnings.warn(
            f"{cut} of {len(share)} risks are above {MOST_VIOLATING * seen:.3f}, more than audits that "
            f"detect {seen:.0%} could find; they are cut to it.",
            stacklevel=2,
        )
    share = np.minimum(share, MOST_VIOLATING)
    odds = share / (1 - share)
    item = _items(table, agency, item_class, order, place)
    rank = uniform(draws(seed, 0, owner, number, _RANK_BLOCK, domain=Domain.POPULATION))[0]
    can_offsite = items(place)["offsite"].to_numpy(bool)[item]
    slots = np.arange(len(ids))
    phase = uniform(draws(seed, 0, slots, ENTERPRISE_LEVEL, _PERMIT_BLOCK, domain=Domain.POPULATION))[3]
    permit = np.zeros(len(ids), bool)
    if "commitment" in table:  # nobody is checked for a promise that is not known
        permit = table["commitment"].eq(True).fillna(False).to_numpy(bool)[first]
    planned, triggered = reference_rates(policy, p, sector, size)
    rate = planned + triggered
    room = [int((capacity or {}).get(name, ROOM_FOR_ALL)) for name in place.agencies]
    world = Fixed(
        start=start.astype(np.int64),
        entered=np.zeros(len(ids), np.int16),
        left=np.full(len(ids), NEVER, np.int16),
        successor_of=np.full(len(ids), -1, np.int32),
        sector=sector.astype(np.uint8),
        size=size.astype(np.uint8),
        ownership=code["ownership"][first].astype(np.uint8),
        district=code["district"][first].astype(np.uint8),
        permit_phase=np.where(permit, phase * p["commitment.renewal"], -1).astype(np.int16),
        professional=professional_limits(sector.astype(np.uint8), counts, p),
        latent=np.zeros(len(ids), np.int16),
        base_rate=np.rint(rate / WEEKS_A_YEAR * 2**24).astype(np.uint32),
        enterprise=owner.astype(np.uint32),
        local=number.astype(np.uint8),
        agency=agency.astype(np.uint8),
        item_class=item_class.astype(np.uint8),
        item=item,
        hazard=log_index(odds / violation_weeks(p).sum()).astype(np.int16),
        hunch=np.zeros(len(owner), np.int16),
        offsite=np.where(can_offsite, np.minimum(rank * 65_534, 65_533), 65_535).astype(np.uint16),
        agency_level=np.zeros(len(place.agencies), np.uint8),
        capacity=np.array(room, np.int64),
        inspector_z=np.zeros((len(place.agencies), int(p["inspector.groups"]))),
    )
    known = int(p["calendar.burn_in_weeks"])
    state = first_state(world, seed, np.log(odds), p)
    state.recorded[:] = 2  # the scores of a run may say
    origin = day - dt.timedelta(weeks=known)
    return World(world, state, known, origin, ids.to_numpy(object), seed, _alike(p), known)


def _alike(p: Parameters) -> Parameters:
    """Return parameters under which everybody has the mean rate of each kind of credit event.

    Nobody's latent propensity is known here; over a standard normal one the mean of exp(slope z) is
    exp(slope² / 2).
    """
    slopes = p.group("slope")
    rates = {f"adverse.{kind}": p[f"adverse.{kind}"] * np.exp(slope**2 / 2) for kind, slope in slopes.items()}
    return p.replace(rates | {f"slope.{kind}": 0.0 for kind in slopes})


def _items(table: pd.DataFrame, agency: Any, item_class: Any, order: Any, where: Place) -> NDArray[np.uint8]:
    """Return the item of each obligation: the one given, else the first of its agency and class."""
    known = items(where).reset_index(drop=True)
    keys = known["agency"].astype(str) + "/" + known["item_class"].astype(str)
    first = keys.drop_duplicates()
    place = pd.Series(first.index, index=first.to_numpy())
    agencies = where.ids("agency")
    own = place[
        [f"{agencies[a]}/{ITEM_CLASSES[c]}" for a, c in zip(agency, item_class, strict=True)]
    ].to_numpy(np.int64)
    if "item" in table:
        given = pd.Index(known["item"].astype(str)).get_indexer(pd.Index(table["item"].astype(str)))[order]
        own = np.where(given >= 0, given, own)
    return own.astype(np.uint8)


def _other_levels(values: pd.Series, name: str, place: Place) -> list[str]:
    """Return what a column holds beside levels; what may be unknown may be missing."""
    held = values.dropna() if name in MAY_BE_UNKNOWN else values
    return sorted(set(map(str, held)) - set(place.ids(name)))


def _check(table: pd.DataFrame, capacity: Mapping[str, int], place: Place) -> None:
    """Check a table of obligations; one error lists everything wrong."""
    problems = [f"column '{name}' is missing" for name in _NEEDED if name not in table]
    if not problems and table.empty:
        problems.append("the table has no rows; give at least one obligation")
    if not problems:
        problems += [
            f"'{name}' holds {', '.join(unknown[:3])}; use levels of {place.label.en}"
            for name in _LEVELS
            if name in table and (unknown := _other_levels(table[name], name, place))
        ]
        risk = pd.to_numeric(table["risk_probability"], errors="coerce").to_numpy(np.float64)
        if bad := int((~((risk > 0) & (risk < 1))).sum()):
            problems.append(f"'risk_probability' is not inside (0, 1) in {bad} rows; give probabilities")
        if twice := int(table.duplicated(["enterprise_id", "agency", "item_class"]).sum()):
            problems.append(
                f"{twice} rows repeat an enterprise, agency and item class; give one row an obligation"
            )
        problems += [
            f"'{name}' differs within an enterprise; it belongs to the whole of it"
            for name in _OWN
            if name in table
            and table.drop_duplicates(["enterprise_id", name])["enterprise_id"].duplicated().any()
        ]
    if unknown := sorted(set(capacity) - set(place.agencies)):
        problems.append(f"'capacity' names {', '.join(unknown)}; use agencies of {place.label.en}")
    if problems:
        count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
        raise ValueError(f"No world can be made of the scores: {'; '.join(problems)} ({count}).")
