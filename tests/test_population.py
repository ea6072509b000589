"""Who is in the synthetic world: shares, obligations, latent propensity, calendar, slots that never move."""

import datetime as dt
import tracemalloc
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats
from scipy.special import expit

from tests.worlds import LEGACY, policy_of
from tierkit.city.parameters import parameters
from tierkit.city.population import Population, base_rates, draw, draw_world, hazard_intercept, items
from tierkit.city.synth import make
from tierkit.city.world import LOG_MIN, LOG_ONE, NEVER
from tierkit.policy import Policy
from tierkit.records import ITEM_CLASSES, OWNERSHIPS, SEVERITIES, SHANGHAI, SIZES, credit_code

AGENCIES = SHANGHAI.ids("agency")
DISTRICTS = SHANGHAI.ids("district")
SECTORS = SHANGHAI.ids("sector")

P = parameters()
ALPHA = 1e-6
NODES = np.linspace(-8, 8, 4001)
WEIGHTS = stats.norm.pdf(NODES) / stats.norm.pdf(NODES).sum()
SEEDS = (1, 2, 3)


@cache
def population(seed: int = 1, enterprises: int = 20_000) -> Population:
    return draw(enterprises, seed, LEGACY)


def log_odds(one: Population) -> NDArray[np.float64]:
    """Return the log-odds of being in violation were nobody inspected, by obligation."""
    weeks = sum(P[f"violation.severity.{s}"] / P[f"violation.mend.{s}"] for s in SEVERITIES)
    return one.world.fixed.hazard / LOG_ONE + LOG_MIN + np.log(weeks)


def shifts(one: Population) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return what sector, size and age add to the log-odds, and of whom the register tells for sure."""
    world = one.world.fixed
    shift = np.array([P[f"hazard.sector.{s}"] for s in SECTORS])[world.sector]
    shift = shift + np.where(world.size == SIZES.index("large"), P["hazard.large"], 0)
    registered = one.enterprises["registered_on"].to_numpy("datetime64[D]")
    came = np.datetime64(one.world.origin) + world.entered.astype(int) * np.timedelta64(7, "D")
    age = (came - registered).astype(int)
    shift = shift + np.where(age < 2 * 365, P["hazard.young"], 0)
    sure = np.abs(age - 2 * 365) > 14  # who registered on which day of the week is not the question
    return shift[world.enterprise], sure[world.enterprise]


def r_squared(columns: pd.DataFrame, y: NDArray[np.float64]) -> float:
    design = np.column_stack([np.ones(len(columns)), columns.to_numpy(np.float64)])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(1 - rest.var() / y.var())


# Shares


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("kind", "levels"), [("sector", SECTORS), ("ownership", OWNERSHIPS), ("district", DISTRICTS)]
)
def test_shares_are_those_declared(seed: int, kind: str, levels: tuple[str, ...]) -> None:
    codes = getattr(population(seed).world.fixed, kind)
    declared = np.array([P[f"share.{kind}.{level}"] for level in levels])
    expected = declared / declared.sum() * len(codes)
    assert stats.chisquare(np.bincount(codes, minlength=len(levels)), expected).pvalue > ALPHA


@pytest.mark.parametrize("seed", SEEDS)
def test_sizes_are_those_declared_but_that_individuals_stay_small(seed: int) -> None:
    world = population(seed).world.fixed
    individual = world.ownership == OWNERSHIPS.index("individual")
    declared = np.array([P[f"share.size.{s}"] for s in SIZES])
    declared = declared / declared.sum()
    assert (
        stats.chisquare(
            np.bincount(world.size[~individual], minlength=4), declared * (~individual).sum()
        ).pvalue
        > ALPHA
    )
    assert world.size[individual].max() == SIZES.index("small")
    small = np.array([declared[0], declared[1:].sum()])
    assert stats.chisquare(np.bincount(world.size[individual]), small * individual.sum()).pvalue > ALPHA


@pytest.mark.parametrize("seed", SEEDS)
def test_enterprises_have_four_to_six_obligations_as_their_sector_says(seed: int) -> None:
    world = population(seed).world.fixed
    held = np.diff(world.start)
    assert 4 < held.mean() < 6
    assert held.min() >= 1
    assert held.max() <= 24
    for s, sector in enumerate(SECTORS):
        mine = world.sector == s
        for a, agency in enumerate(AGENCIES):
            own = P.group(f"applicability.{sector}").get(agency, P[f"applicability.all.{agency}"])
            for c, share in enumerate(own):
                there = (world.agency == a) & (world.item_class == c) & mine[world.enterprise]
                spread = np.sqrt(mine.sum() * share * (1 - share))
                assert abs(there.sum() - mine.sum() * share) <= 5 * spread, (sector, agency)  # 384 cells


# Latent propensity


def test_the_intercept_gives_the_declared_prevalence() -> None:
    # the same mean, by adaptive quadrature
    shares = P.group("share.sector")
    total = sum(shares.values())
    mean = 0.0
    for sector, share in shares.items():
        centre = hazard_intercept(P) + P[f"hazard.sector.{sector}"]

        def density(z: float, centre: float = centre) -> float:
            return float(expit(centre + P["hazard.latent_sd"] * z) * stats.norm.pdf(z))

        mean += share / total * integrate.quad(density, -12, 12, epsabs=1e-13)[0]
    assert mean == pytest.approx(P["hazard.prevalence"], abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_prevalence_is_near_the_declared_one(seed: int) -> None:
    one = population(seed)
    share = expit(log_odds(one))
    # the declared mean is that of the sectors; risky ones hold more obligations, and the young lie higher
    assert P["hazard.prevalence"] < share.mean() < P["hazard.prevalence"] + 0.03
    shift, sure = shifts(one)
    levels, of = np.unique(shift, return_inverse=True)
    centre = (hazard_intercept(P) + levels)[:, None] + P["hazard.latent_sd"] * NODES
    excess = np.where(sure, share - (expit(centre) @ WEIGHTS)[of], 0)
    by_enterprise = np.bincount(one.world.fixed.enterprise, excess)
    assert abs(by_enterprise.sum()) <= 4 * np.sqrt((by_enterprise**2).sum())
    here = one.world.fixed.entered[one.world.fixed.enterprise] == 0
    there = one.world.state.violation[here] > 0
    spread = np.sqrt((share[here] * (1 - share[here])).sum())
    assert abs(there.sum() - share[here].sum()) <= 4 * spread
    assert not one.world.state.violation[~here].any()  # entrants start clean


@pytest.mark.parametrize("seed", SEEDS)
def test_latent_log_odds_have_their_spread_and_what_an_enterprise_shares(seed: int) -> None:
    one = population(seed)
    world, latent = one.world.fixed, one.latent
    assert stats.kstest(latent, "norm").pvalue > ALPHA
    shift, sure = shifts(one)
    mine = sure & (world.hazard > 1)
    z = (log_odds(one) - hazard_intercept(P) - shift) / P["hazard.latent_sd"]
    assert z[mine].std() == pytest.approx(1, abs=0.02)
    share = P["hazard.enterprise_share"]
    slope = np.cov(z[mine], latent[world.enterprise][mine])[0, 1]
    assert slope == pytest.approx(np.sqrt(share), abs=0.02)
    first = world.start[:-1]
    both = mine[first] & mine[first + 1] & (np.diff(world.start) > 1)
    assert np.corrcoef(z[first][both], z[first + 1][both])[0, 1] == pytest.approx(share, abs=0.03)
    hunch = world.hunch[mine] / LOG_ONE
    assert np.corrcoef(hunch, z[mine])[0, 1] == pytest.approx(P["hazard.hunch_share"], abs=0.02)
    assert hunch.std() == pytest.approx(1, abs=0.02)


def registered(one: Population) -> pd.DataFrame:
    """Return what the register says of each enterprise, as numbers."""
    e = one.enterprises
    age = (pd.Timestamp(P["calendar.start"]) - e["registered_on"]).dt.days
    seen = pd.get_dummies(e[["sector", "size", "ownership", "district"]], drop_first=True).astype(float)
    seen["young"], seen["capital"] = age < 2 * 365, np.log(e["registered_capital"])
    seen["employees"], seen["park"] = np.log(e["employees"]), e["park"].notna()
    for tag in P.group("tag"):
        seen[tag] = [tag in tags for tags in e["tags"]]
    return seen


def explained(one: Population, seen: pd.DataFrame, here: NDArray[np.bool_]) -> float:
    """Return the share of the latent log-odds of obligations that columns of some enterprises explain."""
    world = one.world.fixed
    cells = pd.get_dummies(pd.Series(world.local), prefix="cell", drop_first=True)
    columns = pd.concat([seen.iloc[world.enterprise].reset_index(drop=True), cells], axis=1)
    mine = here[world.enterprise]
    return r_squared(columns[mine], log_odds(one)[mine])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_register_alone_explains_little_of_the_latent_log_odds(seed: int) -> None:
    one = population(seed)
    assert 0.1 < explained(one, registered(one), np.full(len(one.enterprises), True)) < 0.17


def test_records_explain_a_fifth_to_a_third_of_the_latent_log_odds() -> None:
    one = population(1, 6_000)
    data, world = make(6_000, 1)
    assert np.array_equal(world.fixed.hazard, one.world.fixed.hazard)
    events, ids = data["credit_events"], one.enterprises["enterprise_id"]
    counts = pd.crosstab(events["enterprise_id"], events["kind"].astype(str)).reindex(ids, fill_value=0)
    here = (world.fixed.entered < world.week) & (world.state.left > world.week)
    register = registered(one)
    alone = explained(one, register, here)
    both = explained(one, pd.concat([register, counts.reset_index(drop=True).astype(float)], axis=1), here)
    assert 0.2 < both < 0.35
    assert both == pytest.approx(0.32, abs=0.03)
    assert both > alone + 0.1


# The register


@pytest.mark.parametrize("seed", SEEDS)
def test_ids_are_valid_unique_and_say_district_and_kind(seed: int) -> None:
    one = population(seed)
    e = one.enterprises
    assert credit_code.valid_mask(e["enterprise_id"]).all()
    assert e["enterprise_id"].is_unique
    division = e["district"].astype(str).map({name: one.division for name, one in SHANGHAI.districts.items()})
    assert (e["enterprise_id"].str[2:8] == division).all()
    individual = e["ownership"] == "individual"
    assert (e["enterprise_id"].str[1] == np.where(individual, "2", "1")).all()
    assert list(one.world.ids) == list(e["enterprise_id"])


def test_columns_say_what_the_world_says() -> None:
    one = population()
    world, e, o = one.world.fixed, one.enterprises, one.obligations
    for name, levels in (
        ("sector", SECTORS),
        ("size", SIZES),
        ("ownership", OWNERSHIPS),
        ("district", DISTRICTS),
    ):
        assert np.array_equal(np.array(levels)[getattr(world, name)], e[name].astype(str))
    assert np.array_equal(world.permit_phase >= 0, e["commitment"])
    assert e["closed_on"].isna().to_numpy().tolist() == (world.left == NEVER).tolist()
    assert np.array_equal(np.array(AGENCIES)[world.agency], o["agency"].astype(str))
    assert np.array_equal(np.array(ITEM_CLASSES)[world.item_class], o["item_class"].astype(str))
    table = items().set_index("item").loc[o["item"]]
    assert np.array_equal(table["agency"].astype(str), o["agency"].astype(str))
    assert np.array_equal(table["item_class"].astype(str), o["item_class"].astype(str))
    assert np.array_equal(table["offsite"], world.offsite < 65_535)
    bands = {"micro": (1, 9), "small": (10, 99), "medium": (100, 299), "large": (300, 5000)}
    for size, (low, high) in bands.items():
        assert e.loc[e["size"] == size, "employees"].between(low, high).all()
    assert np.array_equal(one.agencies["capacity"], world.capacity)
    assert one.agencies["core"].sum() == 9


@pytest.mark.parametrize("tag", list(P.group("tag")))
def test_tags_lean_on_latent_propensity_as_declared(tag: str) -> None:
    one = population()
    intercept, slope = P[f"tag.{tag}"]
    p = expit(intercept + slope * one.latent)
    has = np.array([tag in tags for tags in one.enterprises["tags"]])
    assert abs(has.sum() - p.sum()) <= 4 * np.sqrt((p * (1 - p)).sum())
    score = ((has - p) * one.latent).sum()  # the slope's score is zero at the truth
    assert abs(score) <= 4 * np.sqrt((p * (1 - p) * one.latent**2).sum())


def test_items_are_sixty_with_their_agencies() -> None:
    table = items()
    assert len(table) == 60
    assert table["item"].is_unique
    of_agency = table.groupby(["item_class", "agency"], observed=True).size()
    assert (of_agency["general"] == 3).all()
    assert (of_agency["key"] == 2).all()
    assert (table["minutes"] > 0).all()
    assert set(table.loc[table["offsite"], "item_class"]) == {"general"}


# Rates


def test_base_rates_average_to_the_declared_one() -> None:
    rates = base_rates(LEGACY, P)
    sector = np.array([P[f"share.sector.{s}"] for s in SECTORS])
    size = np.array([P[f"share.size.{s}"] for s in SIZES])
    mean = sector @ rates @ size / sector.sum() / size.sum()
    assert mean == pytest.approx(LEGACY["frequency.base_rate"], rel=1e-12)
    assert rates[5, 0] / rates[0, 0] == pytest.approx(3 / 0.6)  # catering over retail
    assert rates[0, 3] / rates[0, 0] == pytest.approx(4 / 0.8)  # large over micro
    assert base_rates(policy_of({"frequency.base_rate": 0.0}), P).max() == 0


def test_professional_complaints_average_to_the_declared_rate() -> None:
    world = population().world.fixed
    yearly = -np.log1p(-world.professional.astype(np.float64) / 2.0**32) * 52
    share = np.array([P[f"share.sector.{s}"] for s in SECTORS])
    by_sector = np.array([yearly[world.sector == s].mean() for s in range(len(SECTORS))])
    assert by_sector @ share / share.sum() == pytest.approx(P["complaint.professional"], rel=1e-5)
    assert by_sector[SECTORS.index("catering")] / by_sector[0] == pytest.approx(4 / 1.5, rel=1e-4)


def test_capacity_is_the_expected_demand_and_its_slack() -> None:
    one = population()
    world = one.world.fixed
    known = np.arange(one.world.enterprises) < 20_000
    held = np.diff(world.start)
    yearly = base_rates(LEGACY, P)[world.sector, world.size] + LEGACY["campaign.rate"]
    yearly += P["reference_rate.triggered"]
    weekly = np.where(known, yearly / held / 52, 0)[world.enterprise]
    demand = np.bincount(world.agency, weekly, minlength=12)
    assert (world.capacity >= demand * P["reference_rate.slack"] + 2).all()
    assert (world.capacity <= demand * P["reference_rate.slack"] + 3).all()
    assert world.inspector_z.shape == (12, P["inspector.groups"])
    assert stats.kstest(world.inspector_z.ravel(), "norm").pvalue > ALPHA
    assert world.base_rate / 2**24 * 52 == pytest.approx(yearly, rel=1e-3)


# Calendar and slots


@pytest.mark.parametrize("seed", SEEDS)
def test_enterprises_enter_and_leave_at_the_declared_rates(seed: int) -> None:
    world = population(seed).world.fixed
    start, end = P["calendar.burn_in_weeks"], P["calendar.burn_in_weeks"] + P["calendar.history_weeks"]
    known = world.entered < end
    assert known.sum() == 20_000
    came = known & (world.entered >= start)
    first = (known & ~came).sum()
    assert came.sum() / first == pytest.approx(P["turnover.entry"] * 2, rel=0.001)
    assert ((world.entered == 0) | (world.entered >= start)).all()
    later = world.entered[~known]
    assert len(later) == round(20_000 * P["turnover.entry"])
    assert later.min() > end
    assert later.max() <= end + 52
    assert world.left.min() > start  # nobody leaves before the records begin
    there = np.maximum(world.entered, start)
    for weeks in (26, 104):
        share = 1 - (1 - P["turnover.exit"] / 52) ** weeks
        gone = (world.left - there <= weeks).sum()
        assert abs(gone - share * len(there)) <= 4 * np.sqrt(len(there) * share * (1 - share))


def test_entrants_register_in_the_week_before_they_can_be_inspected() -> None:
    one = population()
    entered = one.world.fixed.entered
    monday = pd.Timestamp(one.world.origin) + pd.to_timedelta(entered.astype(int) * 7, unit="D")
    lead = (monday - one.enterprises["registered_on"]).dt.days[entered > 0]
    assert lead.between(3, 7).all()  # a working day
    assert (one.enterprises["registered_on"][entered == 0] < pd.Timestamp(one.world.origin)).all()
    assert (
        one.obligations["valid_from"]
        == one.enterprises["registered_on"].iloc[one.world.fixed.enterprise].to_numpy()
    ).all()


def test_the_same_seed_draws_the_same_world_and_another_does_not() -> None:
    a, b, c = (draw(300, seed, LEGACY) for seed in (7, 7, 8))
    assert all(np.array_equal(x, y) for x, y in zip(a.world.fixed, b.world.fixed, strict=True))
    assert all(np.array_equal(x, y) for x, y in zip(a.world.state, b.world.state, strict=True))
    for name in ("enterprises", "agencies", "items", "obligations"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=True)
    assert (a.world.fixed.sector != c.world.fixed.sector).mean() > 0.5


@pytest.mark.parametrize("policy", ["shanghai-2025", "uniform-3pct"])
def test_slots_hold_the_same_enterprises_whatever_the_policy(policy: str) -> None:
    # The rates of the reference are in the world: those of routine checks and of campaigns.
    other = Policy.load(policy).reform({"campaign.rate": LEGACY["campaign.rate"]})
    a, b = draw(300, 7, LEGACY).world, draw(300, 7, other).world
    for name, x, y in zip(a.fixed._fields, a.fixed, b.fixed, strict=True):
        assert np.array_equal(x, y), name


@pytest.mark.parametrize("horizon", [0, 60, 260])
def test_slots_for_later_entrants_change_nothing_before_them(horizon: int) -> None:
    for enterprises in (300, 20_000):
        a, b = draw(enterprises, 1, LEGACY, 52).world, draw(enterprises, 1, LEGACY, horizon).world
        n = min(a.enterprises, b.enterprises)
        m = int(a.fixed.start[n])
        for name, x, y in zip(a.fixed._fields, a.fixed, b.fixed, strict=True):
            size = {a.enterprises: n, a.enterprises + 1: n + 1, a.obligations: m}.get(len(x), len(x))
            assert np.array_equal(x[:size], y[:size]), name
        assert list(a.ids[:n]) == list(b.ids[:n])


def test_a_world_of_one_enterprise_can_be_drawn() -> None:
    one = draw(1, 1, LEGACY, 0)
    assert one.world.enterprises == len(one.enterprises) == 1
    assert one.world.date == P["calendar.start"] - dt.timedelta(weeks=P["calendar.burn_in_weeks"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, LEGACY), r"The number of 'enterprises' must be in 1 … 20,000,000\. Got 0\."),
        ((20_000_001, 1, LEGACY), r"must be in 1 … 20,000,000\. Got 20000001\."),
        ((10, 1, LEGACY, -1), r"The 'horizon_weeks' must not be negative\. Got -1\."),
        ((10, -1, LEGACY), r"The 'seed' must be in 0 … 4294967295\. Got -1\."),
        ((10, 2**32, LEGACY), r"The 'seed' must be in"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(*arguments)  # type: ignore[arg-type]


def test_chunks_and_tables_change_no_bit_of_the_world(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw(3_000, 4, LEGACY).world
    monkeypatch.setattr("tierkit.city.population._CHUNK", 700)
    parts = draw_world(3_000, 4, LEGACY)
    for one, other in ((whole.fixed, parts.fixed), (whole.state, parts.state)):
        for a, b in zip(one, other, strict=True):
            assert a.dtype == b.dtype
            assert np.array_equal(a, b)
    assert list(whole.ids) == list(parts.ids)


def test_drawing_takes_at_most_what_a_city_can_afford() -> None:
    draw_world(100, 1, LEGACY)
    tracemalloc.start()
    frame = draw_world(40_000, 1, LEGACY)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / frame.obligations < 230  # of which chunks of a fixed size take some 60 here
