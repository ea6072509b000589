"""Every parameter at the limits of its range runs, or is refused in words: of the city, and of policies."""

from __future__ import annotations

import warnings
from numbers import Real

import pytest

from tierkit.city.engine import run
from tierkit.city.parameters import parameters
from tierkit.city.synth import grow, make
from tierkit.city.world import World
from tierkit.policy import Policy, PolicyError, PolicyWarning
from tierkit.policy.specification import spec_of
from tierkit.records.arguments import InputError

P = parameters()
NUMBERS = [path for path in P if isinstance(P[path], Real) and not isinstance(P[path], bool)]
POLICY = Policy.load("shanghai-2025")
BOUNDED = [path for path in POLICY.parameters if spec_of(POLICY.place)[path].kind in ("number", "integer")]


def at_limit(path: str, value: float) -> float:
    """Return a value as an integer where the parameter is one."""
    return int(value) if isinstance(P[path], int) else float(value)


def test_nobody_leaves_where_the_rate_of_leaving_is_zero() -> None:
    data, world = make(300, 1, params=P.replace({"turnover.exit": 0.0, "turnover.reregister": 0.0}))
    assert world.alive().sum() == 300
    assert data["enterprises"]["closed_on"].isna().all()
    left = make(300, 1, params=P.replace({"turnover.exit": 0.3}))[1]
    assert left.alive().sum() < 250


@pytest.mark.parametrize("value", [None, float("inf"), float("-inf"), float("nan"), "0.1", True, [0.1]])
def test_what_is_no_finite_number_is_refused_for_every_parameter_at_once(value: object) -> None:
    with pytest.raises(InputError) as caught:
        P.replace(dict.fromkeys(NUMBERS, value))
    assert str(caught.value).count("must be a finite number") == len(NUMBERS)


def test_what_lies_beyond_a_range_is_refused_with_its_name() -> None:
    wrong = {
        "turnover.exit": 52.0, "turnover.entry": -0.1, "rating.share": 1.1, "hazard.prevalence": 0.0,
        "violation.mend.minor": 1.01, "deterrence.half_life": 0, "hazard.hunch_share": -1.1,
        "calendar.history_weeks": 10.5, "commitment.renewal": 0,
    }  # fmt: skip
    for path, value in wrong.items():
        with pytest.raises(InputError, match=rf"The parameter '{path}' must .* Got {value}"):
            P.replace({path: value})


def test_a_world_may_run_without_mending_but_none_is_drawn_so() -> None:
    never = P.replace({"violation.mend.minor": 0.0, "violation.mend.serious": 0.0})
    with pytest.raises(InputError, match=r"violation\.mend\.minor, violation\.mend\.serious must be above 0"):
        grow(50, 1, params=never)


def rates() -> list[str]:
    """Return the parameters that may be zero and belong to no group that is one whole."""
    found = []
    for path in NUMBERS:
        try:
            P.replace({path: at_limit(path, 0)})
        except InputError:
            continue
        if not path.startswith(("share.", "violation.severity.", "violation.mend.", "complaint.sector.")):
            found.append(path)
    return found


def test_all_that_may_be_zero_may_be_zero_together() -> None:
    world = grow(80, 1, params=P.replace({path: at_limit(path, 0) for path in rates()}))
    assert world.alive().sum() == 80


def test_all_shares_may_be_one_together() -> None:
    whole = [
        path
        for path in rates()
        if P.parameter(path).unit.startswith(("share", "probability"))
        or "correlation" in P.parameter(path).unit
    ]
    assert len(whole) > 5
    assert grow(80, 1, params=P.replace({path: at_limit(path, 1) for path in whole})).obligations > 0


@pytest.mark.long
@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("path", NUMBERS)
def test_each_parameter_of_the_city_runs_at_its_limits_or_is_refused(path: str, limit: int) -> None:
    try:
        changed = P.replace({path: at_limit(path, limit)})
    except InputError:
        return
    make(40, 1, params=changed)


def runs_or_is_refused(path: str, world: World) -> int:
    """Return at how many of a parameter's bounds the engine runs; a policy may refuse one, and says why."""
    spec = spec_of(POLICY.place)[path]
    ran = 0
    for value in {spec.low, spec.high} - {None}:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PolicyWarning)
            try:
                at = POLICY.reform({path: int(value) if spec.kind == "integer" else value}, name="limit")
            except PolicyError:
                continue
        run(world, at, 2)
        ran += 1
    return ran


def test_parameters_of_a_policy_run_at_their_bounds_or_are_refused() -> None:
    world = grow(40, 1)
    assert sum(runs_or_is_refused(path, world) for path in BOUNDED[::9]) > 20


@pytest.mark.long
def test_each_parameter_of_a_policy_runs_at_its_bounds_or_is_refused() -> None:
    world = grow(40, 1)
    assert sum(runs_or_is_refused(path, world) for path in BOUNDED) > 250
