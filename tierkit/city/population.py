"""Draw the synthetic enterprises, their obligations and their latent propensities.

All draws are keyed by the slot of the enterprise, so a world of 2,000 enterprises is no prefix of a
larger one only where shares are fixed by the total, and entrants sit in slots allotted beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, ndtri

from tierkit.city.keyed_random import ENTERPRISE_LEVEL, Domain, draws, threshold, uniform
from tierkit.city.parameters import Parameters, parameters
from tierkit.city.world import LOG_ONE, LONG_AGO, NEVER, WEEKS_A_YEAR, Fixed, State, World, log_index
from tierkit.policy import Policy
from tierkit.records import (
    AGENCY_LEVELS,
    ITEM_CLASSES,
    OWNERSHIPS,
    SEVERITIES,
    SHANGHAI,
    SIZES,
    UNINSPECTED_KINDS,
    Place,
    PlaceError,
    Problem,
    conform,
    credit_code,
)
from tierkit.records.arguments import InputError
from tierkit.records.places.entries import NO_BASIS
from tierkit.records.places.tables import agency_rows, item_rows

__all__ = [
    "MOST_ENTERPRISES",
    "Population",
    "agency_levels",
    "base_rates",
    "cells",
    "draw",
    "draw_world",
    "first_state",
    "hazard_intercept",
    "item_ranges",
    "items",
    "professional_limits",
    "reference_rates",
    "towns",
    "violation_weeks",
]

MOST_ENTERPRISES = 20_000_000
"""Largest city that can be drawn."""

LAST_EXIT = 3_900
"""Week, some 75 years on, after which an exit is not given a date."""

_CHUNK = 1 << 16
"""Enterprises or obligations whose draws are held at a time; the result does not depend on it."""
_OBLIGATION_BLOCK = 16
_INSPECTOR_BLOCK = 32
_EMPLOYEES = {"micro": (1, 9), "small": (10, 99), "medium": (100, 299), "large": (300, 5000)}


@dataclass(frozen=True, repr=False)
class Population:
    """Enterprises and obligations as drawn, with the engine's starting point.

    Attributes
    ----------
    world : World
        The world in week 0.
    latent : float array of shape (E,)
        Standardised latent propensity of the enterprise.
    enterprises, agencies, items, obligations : DataFrame
        Tables of the data contract; entrants to come are among them, each with its own dates.
    """

    world: World
    latent: NDArray[np.float64]
    enterprises: pd.DataFrame
    agencies: pd.DataFrame
    items: pd.DataFrame
    obligations: pd.DataFrame

    def __repr__(self) -> str:
        """Return the size of the city, as one line."""
        return f"Population({self.world!r})"


def cells(place: Place) -> int:
    """Return how many kinds of obligation there are: one for each agency and item class of the place.

    The number of an obligation within its enterprise is its kind.
    """
    return len(place.agencies) * len(ITEM_CLASSES)


@cache
def items(place: Place = SHANGHAI) -> pd.DataFrame:
    """Return the items of a place, agency by agency, general ones first; the frame must not be changed.

    Returns
    -------
    DataFrame
        The table ``items`` of the data contract.

    Examples
    --------
    >>> items().groupby("item_class", observed=True).size().to_dict()
    {'general': 36, 'key': 24}
    """
    not_given = NO_BASIS.text(place.language)
    table = pd.DataFrame(item_rows(place))
    return conform(table.assign(legal_basis=table["legal_basis"].fillna(not_given)), "items", place)


def item_ranges(place: Place) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, by kind of obligation, the code of its first item and how many items it has.

    Examples
    --------
    >>> first, count = item_ranges(SHANGHAI)
    >>> first[:4].tolist(), count[:4].tolist()
    ([0, 3, 5, 8], [3, 2, 3, 2])
    """
    table = items(place)
    agency, item_class = (table[name].cat.codes.to_numpy(np.int64) for name in ("agency", "item_class"))
    kind = agency * len(ITEM_CLASSES) + item_class
    count = np.bincount(kind, minlength=cells(place))
    return np.searchsorted(kind, np.arange(cells(place))), count


def hazard_intercept(p: Parameters) -> float:
    """Return the log-odds intercept that gives the declared prevalence over the declared shares.

    The mean of ``expit(intercept + shift + sd * z)`` over sectors and a standard normal z is solved for
    the intercept by Brent's method, the normal integrated by Gauss-Hermite quadrature.

    Examples
    --------
    >>> bool(-3.0 < hazard_intercept(parameters()) < -1.5)
    True
    """
    node, weight = hermegauss(64)
    weight = weight / weight.sum()
    share = p.group("share.sector")
    shift = p.group("hazard.sector")
    total = sum(share.values())

    def excess(intercept: float) -> float:
        mean: float = sum(
            share[s]
            / total
            * float((weight * expit(intercept + shift[s] + p["hazard.latent_sd"] * node)).sum())
            for s in p.place.sectors
        )
        return mean - float(p["hazard.prevalence"])

    return float(brentq(excess, -8.0, 2.0, xtol=1e-12))


def violation_weeks(p: Parameters) -> NDArray[np.float64]:
    """Return the mean weeks that a new violation lasts unless found, split by severity, shape (3,).

    The share of each severity times its mean duration; the sum is the mean duration of a new violation, and
    the shares of the sum are those of the violations that exist at a time.

    Raises
    ------
    InputError
        If violations of a severity never mend.

    Examples
    --------
    >>> violation_weeks(parameters()).round(2).tolist()
    [12.0, 10.67, 8.0]
    """
    never = [path for s in SEVERITIES if p[path := f"violation.mend.{s}"] <= 0]
    if never:  # a world that is there can run so, but none can have come to rest so
        raise InputError(
            f"A city is drawn as after long years, when violations that never mend would be everywhere: "
            f"{', '.join(never)} must be above 0."
        )
    return np.array([p[f"violation.severity.{s}"] / p[f"violation.mend.{s}"] for s in SEVERITIES])


def _choose(u: NDArray[np.float64], names: tuple[str, ...], shares: dict[str, float]) -> NDArray[np.uint8]:
    weight = np.array([shares[name] for name in names], np.float64)
    edges = np.cumsum(weight / weight.sum())
    return np.minimum(np.searchsorted(edges, u, side="right"), len(names) - 1).astype(np.uint8)


def _calendar(n: int, future: int, p: Parameters) -> tuple[NDArray[np.int64], int, int]:
    """Return the week in which each slot enters, the week records begin and the week they end."""
    known = int(p["calendar.burn_in_weeks"])
    end = known + int(p["calendar.history_weeks"])
    years = (end - known) / WEEKS_A_YEAR
    first = round(n / (1 + p["turnover.entry"] * years))
    entered = np.zeros(n + future, np.int64)
    late = n - first
    if late:
        entered[first:n] = known + np.arange(late) * (end - known) // late
    entered[n:] = end + 1 + np.arange(future) * WEEKS_A_YEAR // max(1, round(n * p["turnover.entry"]))
    return entered, known, end


def draw(
    enterprises: int,
    seed: int,
    reference: Policy,
    horizon_weeks: int = WEEKS_A_YEAR,
    params: Parameters | None = None,
) -> Population:
    """Draw a population.

    Parameters
    ----------
    enterprises : int
        Enterprises that are in the register at some time before the end of the records.
    seed : int
        0 … 2**32 - 1.
    reference : Policy
        The policy whose base rates set capacities and the unit of the perceived rate.
    horizon_weeks : int
        Weeks after the records for which entrants get slots.
    params : Parameters, optional
        Parameters of the world; the default ones if absent.

    Returns
    -------
    Population

    Raises
    ------
    ValueError
        If `enterprises` is not in 1 … 20 million or the horizon is negative.
    """
    world, latent, age_days = _draw(enterprises, seed, reference, horizon_weeks, params)
    table = items(world.place)
    facts = _facts(world, age_days, latent, table)
    return Population(world, latent, facts["enterprises"], facts["agencies"], table, facts["obligations"])


def draw_world(
    enterprises: int,
    seed: int,
    reference: Policy,
    horizon_weeks: int = WEEKS_A_YEAR,
    params: Parameters | None = None,
) -> World:
    """Draw the world of a population without the tables of its register, which take most of the memory.

    Parameters
    ----------
    enterprises, seed, reference, horizon_weeks, params
        As in `draw`.

    Returns
    -------
    World
        The same as that of `draw`.

    Raises
    ------
    ValueError
        As in `draw`.

    Examples
    --------
    >>> draw_world(50, 1, Policy.load("legacy"), horizon_weeks=0).enterprises
    50
    """
    return _draw(enterprises, seed, reference, horizon_weeks, params)[0]


def _draw(
    enterprises: int, seed: int, reference: Policy, horizon_weeks: int, params: Parameters | None
) -> tuple[World, NDArray[np.float64], NDArray[np.int64]]:
    """Return the world in week 0, and the latent propensity and age in days of every enterprise."""
    if not 1 <= enterprises <= MOST_ENTERPRISES:
        raise ValueError(
            f"The number of 'enterprises' must be in 1 … {MOST_ENTERPRISES:,}. Got {enterprises}."
        )
    if horizon_weeks < 0:
        raise ValueError(f"The 'horizon_weeks' must not be negative. Got {horizon_weeks}.")
    p = params or parameters()
    place = p.place
    reference = reference.at(place)
    agencies, kinds = len(place.agencies), len(ITEM_CLASSES)
    future = -(-round(enterprises * p["turnover.entry"]) * horizon_weeks // WEEKS_A_YEAR)
    entered, known, _end = _calendar(enterprises, future, p)
    slots = np.arange(len(entered))
    left = np.maximum(entered, known) + _lives(_uniforms(seed, slots, 1)[1], p["turnover.exit"])
    left = np.where(left > LAST_EXIT, NEVER, left)
    kept = min(p["turnover.reregister"] / p["turnover.entry"], 1.0) if p["turnover.entry"] else 0.0
    successor_of = _successors(entered, left, _uniforms(seed, slots, 4)[3], kept)
    # Whoever may re-register as another is that other's twin, all but in name, age and the time it has left.
    twin = np.where(successor_of >= 0, successor_of, slots)
    u = [_uniforms(seed, twin, block) for block in range(3)]
    sector = _choose(u[0][0], place.ids("sector"), p.group("share.sector"))
    size = _choose(u[0][1], SIZES, p.group("share.size"))
    ownership = _choose(u[0][2], OWNERSHIPS, p.group("share.ownership"))
    individual = ownership == OWNERSHIPS.index("individual")
    size = np.where(individual, np.minimum(size, SIZES.index("small")), size).astype(np.uint8)
    district = _choose(u[0][3], place.ids("district"), p.group("share.district"))
    latent = ndtri(u[1][0])
    age_days = np.where(entered > 0, 0, np.minimum(-np.log(u[1][2]) * 8 * 365.25, 45 * 365.0) + 30).astype(
        np.int64
    )
    licensed = np.array([one.licensed for one in place.sectors.values()])[sector]
    commitment = u[2][2] < np.where(licensed, p["commitment.share_licensed"], p["commitment.share"])
    phase = np.where(commitment, (u[2][3] * p["commitment.renewal"]).astype(np.int64), -1)
    del u

    owner, number, words = _obligations(seed, twin, sector, p)
    counts = np.bincount(owner, minlength=len(slots))
    start = np.concatenate([[0], np.cumsum(counts)])
    young = age_days < 2 * 365
    shift = np.array([p[f"hazard.sector.{s}"] for s in place.sectors])[sector]
    shift = (
        shift
        + np.where(young, p["hazard.young"], 0.0)
        + np.where(size == SIZES.index("large"), p["hazard.large"], 0.0)
    )
    common = float(p["hazard.enterprise_share"])
    z = np.sqrt(common) * latent[owner] + np.sqrt(1 - common) * ndtri(uniform(words[1]))
    item_class = (number % kinds).astype(np.uint8)
    odds = hazard_intercept(p) + shift[owner] + p["hazard.latent_sd"] * z + p["hazard.key_item"] * item_class
    duration = violation_weeks(p).sum()
    rho = float(p["hazard.hunch_share"])
    hunch = rho * z + np.sqrt(1 - rho**2) * ndtri(uniform(words[2]))
    del z
    agency = (number // kinds).astype(np.uint8)
    first_item, in_class = (one.astype(np.uint8)[number] for one in item_ranges(place))
    nth = np.minimum((uniform(words[3]) * in_class).astype(np.uint8), in_class - 1)
    item = first_item + nth
    can_offsite = items(place)["offsite"].to_numpy(bool)[item]
    rank = np.minimum(uniform(words[4]) * 65_534, 65_533).astype(np.uint16)

    planned, triggered = reference_rates(reference, p, sector, size)
    per = WEEKS_A_YEAR * np.maximum(counts, 1)
    # Those of the records alone, so that slots for later entrants change nothing.
    demand = np.where(slots < enterprises, (planned + triggered) / per, 0.0)
    expected = np.bincount(agency, weights=demand[owner], minlength=agencies)
    capacity = np.ceil(expected * p["reference_rate.slack"]).astype(np.int64) + 2
    groups = int(p["inspector.groups"])
    skill = ndtri(
        uniform(draws(seed, 0, np.arange(agencies * groups), 0, _INSPECTOR_BLOCK, domain=Domain.POPULATION))[
            0
        ]
    )

    fixed = Fixed(
        start=start.astype(np.int64),
        entered=entered.astype(np.int16),
        left=left.astype(np.int16),
        successor_of=successor_of.astype(np.int32),
        sector=sector,
        size=size,
        ownership=ownership,
        district=district,
        permit_phase=phase.astype(np.int16),
        professional=professional_limits(sector, counts, p),
        latent=np.rint(latent * LOG_ONE).astype(np.int16),
        base_rate=np.rint((planned + triggered) / WEEKS_A_YEAR * 2**24).astype(np.uint32),
        enterprise=owner,
        local=number,
        agency=agency,
        item_class=item_class,
        item=item,
        hazard=log_index(np.exp(odds) / duration).astype(np.int16),
        hunch=np.rint(np.clip(hunch, -4, 4) * LOG_ONE).astype(np.int16),
        offsite=np.where(can_offsite, rank, 65_535).astype(np.uint16),
        agency_level=agency_levels(place),
        capacity=capacity,
        inspector_z=skill.reshape(agencies, groups),
    )
    ids = _ids(place, slots, district, individual)
    origin = p["calendar.start"] - pd.Timedelta(weeks=known).to_pytimedelta()
    world = World(fixed, first_state(fixed, seed, odds, p), 0, origin, ids, seed, p, known)
    return world, latent, age_days


def agency_levels(place: Place) -> NDArray[np.uint8]:
    """Return the level of government of each agency, as a code of `tierkit.records.AGENCY_LEVELS`."""
    return np.array([AGENCY_LEVELS.index(one.level) for one in place.agencies.values()], np.uint8)


def _ids(
    place: Place, slots: NDArray[np.int64], district: NDArray[np.uint8], individual: NDArray[np.bool_]
) -> NDArray[np.object_]:
    """Return the enterprise ids, as the place makes them."""
    if not place.credit_codes:
        made = np.array([place.made_id.format(serial=slot) for slot in slots.tolist()], object)
        for one in made[[0, -1]] if made.size else ():  # the shortest and the longest
            if not place.has_form(one):
                message = (
                    f"gives {one!r} to one of {made.size:,} enterprises, which does not match ids.pattern"
                )
                remedy = "Make them agree, or make fewer enterprises"
                raise PlaceError([Problem(place.name, "ids.made", 0, (), message, remedy)])
        return made
    division = np.array([one.division for one in place.districts.values()], object)[district]
    ids: NDArray[np.object_] = credit_code.make(slots, division, np.where(individual, "2", "1")).to_numpy(
        object
    )
    return ids


def _uniforms(seed: int, slots: NDArray[np.int64], block: int) -> NDArray[np.float64]:
    """Return the four uniforms of a block of every enterprise, shape (4, E)."""
    return uniform(draws(seed, 0, slots, ENTERPRISE_LEVEL, block, domain=Domain.POPULATION))


def _successors(
    entered: NDArray[np.int64], left: NDArray[np.int64], u: NDArray[np.float64], share: float
) -> NDArray[np.int64]:
    """Return for each slot the slot of the enterprise that may re-register as this one, or -1.

    A share of the entrants' slots is kept for it, each for one of those in the register in week 0 that is
    still there when the entrant comes, and no two for the same.
    """
    first = int(np.searchsorted(entered, 1))
    out = np.full(len(entered), -1)
    kept = first + np.flatnonzero(u[first:] < share)
    old = np.minimum((u[kept] / share * first).astype(np.int64), first - 1) if first and share else kept[:0]
    there = left[old] > entered[kept[: len(old)]]
    old, kept = old[there], kept[: len(old)][there]
    old, place = np.unique(old, return_index=True)
    out[kept[place]] = old
    return out


def _lives(u: NDArray[np.float64], rate: float) -> NDArray[np.int64]:
    """Return the weeks until each leaves, at a yearly rate, from a uniform; at rate 0 nobody ever does."""
    if rate == 0:
        return np.full(len(u), LAST_EXIT + 1, np.int64)
    weeks = np.floor(np.log(u) / np.log1p(-rate / WEEKS_A_YEAR)) + 1
    found: NDArray[np.int64] = np.minimum(weeks, LAST_EXIT + 1).astype(np.int64)
    return found


def _obligations(
    seed: int, slots: NDArray[np.int64], sector: NDArray[np.uint8], p: Parameters
) -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint32]]:
    """Return owner, number and five draws of every obligation, in the order of their owners.

    The draws are those of the given slots; the owners are their places.
    """
    place, kinds = p.place, cells(p.place)
    chance = np.zeros((len(place.sectors), kinds))
    for s, name in enumerate(place.sectors):
        own = p.group(f"applicability.{name}")
        for a, agency in enumerate(place.agencies):
            chance[s, 2 * a : 2 * a + 2] = own.get(agency, p[f"applicability.all.{agency}"])
    limit = threshold(chance)
    owners, numbers, values = [], [], []
    for lo in range(0, len(slots), _CHUNK):
        mine = slots[lo : lo + _CHUNK]
        words = np.stack(
            [draws(seed, 0, mine, k, _OBLIGATION_BLOCK, domain=Domain.POPULATION) for k in range(kinds)],
            axis=2,
        )
        who, cell = np.nonzero(words[0] < limit[sector[lo : lo + _CHUNK]])
        more = draws(seed, 0, mine[who], cell, _OBLIGATION_BLOCK + 1, domain=Domain.POPULATION)
        owners.append((lo + who).astype(np.uint32))
        numbers.append(cell.astype(np.uint8))
        values.append(np.vstack([words[:, who, cell], more[:1]]))
    return np.concatenate(owners), np.concatenate(numbers), np.concatenate(values, axis=1)


def reference_rates(
    reference: Policy, p: Parameters, sector: NDArray[np.uint8], size: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], float]:
    """Return planned inspections a year of each enterprise under the reference, and triggered ones.

    Planned are the routine ones and those of campaigns.
    """
    rate = base_rates(reference, p)
    only = reference["campaign.sectors"]
    ordered = np.array([not only or name in only for name in p.place.ids("sector")])
    rate = rate + reference["campaign.rate"] * ordered[:, None]
    return rate[sector, size], float(p["reference_rate.triggered"])


def base_rates(policy: Policy, p: Parameters) -> NDArray[np.float64]:
    """Return the declared base rate of planned inspections a year by sector and size, shape (sectors, 4).

    The relative weights are scaled so that their mean over the declared shares is one.
    """
    sectors, policy = p.place.ids("sector"), policy.at(p.place)
    by_sector = np.array([policy[f"frequency.sector.{s}"] for s in sectors], np.float64)
    by_size = np.array([policy[f"frequency.size.{s}"] for s in SIZES], np.float64)
    sector_share = np.array([p[f"share.sector.{s}"] for s in sectors])
    size_share = np.array([p[f"share.size.{s}"] for s in SIZES])
    by_sector = by_sector / (by_sector @ sector_share / sector_share.sum())
    by_size = by_size / (by_size @ size_share / size_share.sum())
    rates: NDArray[np.float64] = policy["frequency.base_rate"] * np.outer(by_sector, by_size)
    return rates


def professional_limits(
    sector: NDArray[np.uint8], counts: NDArray[np.int64], p: Parameters
) -> NDArray[np.uint32]:
    """Return the weekly threshold of a professional complaint against each enterprise, shape (E,).

    Parameters
    ----------
    sector : uint8 array of shape (E,)
    counts : int array of shape (E,)
        Obligations of each; nobody complains where there are none.
    p : Parameters
    """
    special = p.group("complaint.sector")
    sectors = p.place.ids("sector")
    weight = np.array([special.get(s, special["other"]) for s in sectors])
    share = np.array([p[f"share.sector.{s}"] for s in sectors])
    weekly = p["complaint.professional"] / WEEKS_A_YEAR * weight / (weight @ share / share.sum())
    limit: NDArray[np.uint32] = threshold(-np.expm1(-weekly)).astype(np.uint32)[sector]
    return np.where(counts > 0, limit, 0).astype(np.uint32)


def first_state(fixed: Fixed, seed: int, odds: NDArray[np.float64], p: Parameters) -> State:
    """Return the state of week 0: compliance drawn from the stationary shares, no records.

    Parameters
    ----------
    fixed : Fixed
    seed : int
    odds : float array of shape (O,)
        Log-odds of being in violation.
    p : Parameters
    """
    n, m = len(fixed.entered), len(fixed.enterprise)
    stock = violation_weeks(p)
    edges = np.cumsum(stock / stock.sum())[:2]
    violation = np.zeros(m, np.uint8)
    for lo in range(0, m, _CHUNK):
        mine = slice(lo, lo + _CHUNK)
        owner = fixed.enterprise[mine]
        words = uniform(
            draws(seed, 0, owner, fixed.local[mine], _OBLIGATION_BLOCK + 2, domain=Domain.POPULATION)
        )
        there = (words[0] < expit(odds[mine])) & (fixed.entered[owner] == 0)
        violation[mine] = np.where(there, 1 + np.searchsorted(edges, words[1], side="right"), 0)
    return State(
        violation=violation,
        since=np.zeros(m, np.int16),
        found_week=np.full(m, LONG_AGO, np.int16),
        found_kind=np.zeros(m, np.uint8),
        record_week=np.full(m, LONG_AGO, np.int16),
        record_severity=np.zeros(m, np.uint8),
        record_until=np.full(m, LONG_AGO, np.int16),
        due_week=np.full(m, NEVER, np.int16),
        due_channel=np.zeros(m, np.uint8),
        due_age=np.zeros(m, np.uint8),
        merged_until=np.full(m, -1, np.int16),
        routine=np.zeros(m, np.uint32),
        phase=np.zeros(m, np.uint32),
        bound=np.zeros(m, np.uint32),
        known_rate=np.zeros(m, np.int16),
        unseen=np.zeros(m, np.uint8),
        left=fixed.left.copy(),
        tier=np.zeros(n, np.uint8),
        before=np.zeros(n, np.uint8),
        risk_level=np.zeros(n, np.uint8),
        grade=np.zeros(n, np.uint8),
        tier_week=np.full(n, LONG_AGO, np.int16),
        listed=np.zeros(n, np.uint8),
        margin0=np.zeros(n, np.int32),
        points0=np.zeros(n, np.int32),
        conduct=np.zeros((n, 4, 2), np.int32),
        conduct_week=np.full(n, p["calendar.burn_in_weeks"], np.int16),
        offset=np.zeros((n, 2), np.int32),
        last_visit=np.full(n, LONG_AGO, np.int16),
        last_agency=np.zeros(n, np.uint8),
        visits=np.zeros((n, 2), np.uint8),
        perceived=np.full(n, 1 << 16, np.int64),
        perceived0=np.full(n, 1 << 16, np.int64),
        fear=np.zeros(n, np.int16),
        adverse_until=np.full((n, len(UNINSPECTED_KINDS)), LONG_AGO, np.int16),
        adverse_week=np.full((n, len(UNINSPECTED_KINDS)), LONG_AGO, np.int16),
        recorded=np.zeros(n, np.uint8),
        serious_week=np.full(n, LONG_AGO, np.int16),
        changes=np.zeros(n, np.uint8),
        flips=np.zeros(n, np.uint8),
        spells=np.zeros(n, np.uint16),
        weeks=np.zeros((n, 3), np.uint16),
    )


def towns(world: World) -> NDArray[np.int64]:
    """Return the town of each enterprise, shape (E,), as its position in the place's `towns`.

    The engine knows districts alone; what goes by town takes it from here.

    Examples
    --------
    >>> world = draw_world(5, 1, Policy.load("legacy"), horizon_weeks=0)
    >>> [world.place.towns[code][0] for code in towns(world)[:2]] == [
    ...     world.place.ids("district")[code] for code in world.fixed.district[:2]
    ... ]
    True
    """
    sizes = np.array([len(one.towns) for one in world.place.districts.values()])
    u = _uniforms(world.seed, np.arange(world.enterprises), 4)[2]
    district = world.fixed.district
    first = (np.cumsum(sizes) - sizes)[district]
    town: NDArray[np.int64] = first + (u * sizes[district]).astype(np.int64)
    return town


def _facts(
    world: World,
    age_days: NDArray[np.int64],
    latent: NDArray[np.float64],
    table: pd.DataFrame,
) -> dict[str, pd.DataFrame]:
    """Return the register's tables."""
    fixed, p, place = world.fixed, world.parameters, world.place
    n = world.enterprises
    slots = np.arange(n)
    twin = np.where(fixed.successor_of >= 0, fixed.successor_of, slots)
    u = [*(_uniforms(world.seed, twin, block) for block in range(4)), _uniforms(world.seed, slots, 4)]
    origin = pd.Timestamp(world.origin)
    # An entrant registers on a day of the week before the first in which it can be inspected.
    entry = origin + pd.to_timedelta(
        fixed.entered.astype(np.int64) * 7 - 7 + (u[1][3] * 5).astype(np.int64), unit="D"
    )
    registered = entry - pd.to_timedelta(age_days, unit="D")
    closed = origin + pd.to_timedelta(fixed.left.astype(np.int64) * 7, unit="D")
    rural = np.array([one.rural for one in place.districts.values()])[fixed.district]
    in_park = u[2][0] < np.where(rural, p["park.share_rural"], p["park.share"])
    parks = [
        place.names.park.format(district=one.label.text(place.language)) for one in place.districts.values()
    ]
    sector_names = np.array(place.ids("sector"), object)[fixed.sector]
    low = np.array([_EMPLOYEES[s][0] for s in SIZES])[fixed.size]
    high = np.array([_EMPLOYEES[s][1] for s in SIZES])[fixed.size]
    employees = np.floor(np.exp(np.log(low) + u[2][1] * (np.log(high + 1) - np.log(low)))).astype(np.int64)
    middle = np.log(np.array([p[f"capital.median.{s}"] for s in SIZES]))[fixed.size]
    capital = np.round(np.exp(middle + p["capital.latent"] * latent + p["capital.sd"] * ndtri(u[3][0])), 1)
    tag_odds = p.group("tag")
    tag_u = uniform(draws(world.seed, 0, np.arange(n), ENTERPRISE_LEVEL, 9, domain=Domain.POPULATION))
    has = np.stack([w < expit(a + b * latent) for w, (a, b) in zip(tag_u, tag_odds.values(), strict=True)])
    names = list(tag_odds)
    tags = [[name for name, yes in zip(names, row, strict=True) if yes] for row in has.T]
    section = np.array([one.section for one in place.sectors.values()], object)[fixed.sector]
    division = _pick(fixed.sector, u[3][1], [one.divisions for one in place.sectors.values()])
    trade = _pick(fixed.sector, u[3][2], [one.trades for one in place.sectors.values()])
    brand = np.array(place.names.brands, object)
    first = brand[(u[4][0] * len(brand)).astype(np.int64)]
    second = brand[(u[4][1] * len(brand)).astype(np.int64)]
    form = np.where(
        fixed.ownership == OWNERSHIPS.index("individual"), place.names.individual, place.names.company
    )
    name = [
        place.names.pattern.format(first=a, second=b, trade=c, form=d)
        for a, b, c, d in zip(first, second, trade, form, strict=True)
    ]
    town = np.array([town for _district, town in place.towns], object)[towns(world)]
    park = pd.Series(np.array(parks, object)[fixed.district]).where(in_park)
    enterprises = pd.DataFrame(
        {
            "enterprise_id": world.ids,
            "name": name,
            "district": np.array(place.ids("district"), object)[fixed.district],
            "town": town,
            "park": park,
            "industry_section": section,
            "industry_division": division,
            "sector": sector_names,
            "ownership": np.array(OWNERSHIPS, object)[fixed.ownership],
            "size": np.array(SIZES, object)[fixed.size],
            "registered_on": registered,
            "registered_capital": capital,
            "employees": employees,
            "tags": tags,
            "commitment": fixed.permit_phase >= 0,
            "closed_on": pd.Series(closed).where(fixed.left < NEVER),
        }
    )
    agencies = pd.DataFrame(agency_rows(place)).assign(capacity=fixed.capacity)
    owner = fixed.enterprise.astype(np.int64)
    obligations = pd.DataFrame(
        {
            "enterprise_id": world.ids[owner],
            "agency": np.array(place.ids("agency"), object)[fixed.agency],
            "item_class": np.array(ITEM_CLASSES, object)[fixed.item_class],
            "item": table["item"].to_numpy(object)[fixed.item],
            "valid_from": registered[owner],
            "valid_to": pd.Series(closed).where(fixed.left < NEVER).to_numpy()[owner],
        }
    )
    return {
        "enterprises": conform(enterprises, "enterprises", place),
        "agencies": conform(agencies, "agencies", place),
        "obligations": conform(obligations, "obligations", place),
    }


def _pick(
    code: NDArray[np.uint8], u: NDArray[np.float64], choices: Sequence[tuple[str, ...]]
) -> NDArray[np.object_]:
    """Return one of the choices of each code, by a uniform."""
    out = np.empty(len(u), object)
    for number, options in enumerate(choices):
        mine = code == number
        out[mine] = np.array(options, object)[(u[mine] * len(options)).astype(np.int64)]
    return out
