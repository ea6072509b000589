"""Check a value against its declaration, and the values of a policy against each other."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from tierkit.policy.specification import SCORE_EVENTS, Spec
from tierkit.records import TIERS
from tierkit.records.problems import suggestion
from tierkit.texts import is_text

__all__ = ["HALF_LIVES", "QUOTAS", "Clash", "UnfitError", "Value", "clashes", "normalise", "stale"]

Value = bool | int | float | str | tuple[float, ...] | tuple[str, ...] | tuple[tuple[str, ...], ...]
"""The plain value of a parameter; lists are tuples, so that nobody can change them."""


HALF_LIVES = 4
"""Most different half-lives of a policy's score update."""
_TOLD = 10  # more names than these are counted
_SETTINGS = {
    "scoring.target_shares.": ("scoring.risk_cutoffs", "scoring.credit_cutoffs", "scoring.composite_cutoffs"),
    "lists.unmonitored.target_share": ("lists.unmonitored.max_risk", "lists.unmonitored.min_points"),
    "lists.no_disturb.target_share": ("lists.no_disturb.items",),
}
"""Shares that were aimed at → the settings that give them."""


QUOTAS = ("agency", "agency_sector")
"""Ways of making a list that fill it to its target share."""


class UnfitError(ValueError):
    """A value that its declaration does not allow; the message says what it must be."""


class Clash(NamedTuple):
    """Values that contradict each other (error), or that may be unintended (warning)."""

    parameter: str
    message: str
    remedy: str
    warning: bool


def normalise(spec: Spec, raw: object) -> Value:
    """Return ``raw`` as the frozen value of a parameter.

    Raises
    ------
    UnfitError
        If the value has another type, is out of range or names something unknown.

    Examples
    --------
    >>> from tierkit.policy.specification import SPEC
    >>> normalise(SPEC["scoring.credit_cutoffs"], [480, 540])
    (480.0, 540.0)
    """
    return _READERS[spec.kind](spec, raw)


def _number(spec: Spec, raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise UnfitError(f"must be a number {spec.range_text}")
    try:
        value = float(raw)
    except OverflowError:
        value = math.inf
    low = -math.inf if spec.low is None else spec.low
    high = math.inf if spec.high is None else spec.high
    inside = low < value < high if spec.inside else low <= value <= high
    if not math.isfinite(value) or not inside:
        raise UnfitError(f"must be {spec.range_text}")
    return value + 0.0  # no negative zero: it would give equal policies different hashes


def _integer(spec: Spec, raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise UnfitError(f"must be a whole number {spec.range_text}")
    if abs(raw) > 10**6:  # beyond every declared range; a huge int cannot become the float of the range check
        raise UnfitError(f"must be {spec.range_text}")
    _number(spec, raw)
    return raw


def _boolean(spec: Spec, raw: object) -> bool:
    if not isinstance(raw, bool):
        raise UnfitError("must be true or false")
    return raw


def _text(spec: Spec, raw: object) -> str:
    if not is_text(raw):
        raise UnfitError("must be a text that is not empty")
    return raw


def _list(spec: Spec, raw: object) -> str:
    if not isinstance(raw, str) or (raw and not is_text(raw)):
        raise UnfitError("must be the path of a CSV in quotation marks, or empty")
    return raw


def _choice(spec: Spec, raw: object) -> str:
    if not isinstance(raw, str) or raw not in spec.levels:
        near = suggestion(raw, spec.levels) if isinstance(raw, str) else ""
        raise UnfitError(f"must be one of {', '.join(spec.levels)}{near}")
    return raw


def _numbers(spec: Spec, raw: object) -> tuple[float, ...]:
    if not isinstance(raw, list | tuple):
        raise UnfitError(f"must be a list of ascending numbers, each {spec.range_text}")
    if spec.lengths and len(raw) not in spec.lengths:
        raise UnfitError(f"must hold {' or '.join(map(str, spec.lengths))} numbers; it holds {len(raw)}")
    try:
        values = tuple(_number(spec, one) for one in raw)
    except UnfitError:
        raise UnfitError(f"must be a list of ascending numbers, each {spec.range_text}") from None
    if any(b <= a for a, b in pairwise(values)):
        raise UnfitError("must ascend strictly")
    return values


def _names(spec: Spec, raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list | tuple) or not all(isinstance(one, str) and one for one in raw):
        raise UnfitError("must be a list of names, or the path of a CSV that holds them")
    if spec.of_place and not spec.levels and raw:
        raise UnfitError(
            f"names what only a place has, a kind of {spec.of_place}; the policy is of any place"
        )
    unknown = [one for one in raw if spec.levels and one not in spec.levels]
    if unknown:
        shown = [f"'{one}'{suggestion(one, spec.levels)}" for one in unknown[:_TOLD]]
        raise UnfitError(f"has unknown names: {_listed(shown, len(unknown))}")
    twice = sorted(repr(one) for one, times in Counter(raw).items() if times > 1)
    if twice:
        raise UnfitError(f"must not repeat {_listed(twice, len(twice))}")
    return tuple(raw)


def _matrix(spec: Spec, raw: object) -> tuple[tuple[str, ...], ...]:
    if not isinstance(raw, list | tuple) or not raw or not all(isinstance(row, list | tuple) for row in raw):
        raise UnfitError("must be a list of rows of tiers")
    unknown = sorted({repr(str(one)) for row in raw for one in row if one not in spec.levels})
    if unknown:
        shown = _listed(unknown, len(unknown))
        raise UnfitError(f"holds {shown}; entries must be {', '.join(spec.levels)}")
    return tuple(tuple(row) for row in raw)


def _listed(shown: list[str], count: int) -> str:
    """Return the first few of a list of names, and how many more there are."""
    more = f" and {count - _TOLD:,} more" if count > _TOLD else ""
    return ", ".join(shown[:_TOLD]) + more


_READERS: Mapping[str, Callable[[Spec, object], Value]] = {
    "boolean": _boolean,
    "choice": _choice,
    "integer": _integer,
    "list": _list,
    "matrix": _matrix,
    "names": _names,
    "number": _number,
    "numbers": _numbers,
    "text": _text,
}


def clashes(values: Mapping[str, Any]) -> Iterator[Clash]:
    """Yield every contradiction between the values of a whole policy.

    Parameters
    ----------
    values : mapping of str to Value
        All parameters, each already allowed by its own declaration. Where one is missing, the checks
        that need it are passed over.
    """
    for check in (_matrix_shape, _composite_weights, _shares, _half_lives, _floor, _windows, _list_by_data):
        try:
            yield from check(values)
        except KeyError:  # a parameter that was refused on its own has its message already
            continue


def stale(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Clash]:
    """Yield every target share that a reform changes without changing the cut-offs it documents.

    A target share documents how cut-offs and conditions were set; by itself it changes no tier.

    Parameters
    ----------
    before, after : mapping of str to Value
        All parameters of the baseline and of the reform.
    """
    for share, made_by in _SETTINGS.items():
        changed = [path for path in after if path.startswith(share) and after[path] != before.get(path)]
        if share.startswith("lists.unmonitored") and after["lists.unmonitored.by"] in QUOTAS:
            continue  # the share itself fills the lists
        if changed and all(after[path] == before.get(path) for path in made_by):
            yield Clash(
                changed[0],
                f"'{changed[0]}' was changed alone: it only says what {', '.join(map(repr, made_by))} "
                "were set to give, and moves nobody",
                "set those anew as well, or leave the share as it was",
                warning=True,
            )


def _matrix_shape(values: Mapping[str, Any]) -> Iterator[Clash]:
    if values["scoring.logic"] == "composite":
        return
    matrix, risk, credit = (values[f"scoring.{key}"] for key in ("matrix", "risk_cutoffs", "credit_cutoffs"))
    rows, columns = len(risk) + 1, len(credit) + 1
    if len(matrix) != rows or any(len(row) != columns for row in matrix):
        lengths = ", ".join(str(len(row)) for row in matrix)
        yield Clash(
            "scoring.matrix",
            f"'scoring.matrix' must have {rows} rows of {columns}, one more than the {rows - 1} risk and "
            f"{columns - 1} credit cut-offs; it has rows of {lengths}",
            "change the matrix or the cut-offs",
            warning=False,
        )
        return
    codes = [[TIERS.index(one) for one in row] for row in matrix]
    falls = any(a > b for row in codes for a, b in pairwise(row))
    falls |= any(a > b for column in zip(*codes, strict=True) for a, b in pairwise(column))
    if falls:
        yield Clash(
            "scoring.matrix",
            "'scoring.matrix' gives a better tier to higher risk or to worse credit",
            "order the entries, unless it is meant",
            warning=True,
        )


def _composite_weights(values: Mapping[str, Any]) -> Iterator[Clash]:
    weights = [values[f"scoring.composite_{axis}_weight"] for axis in ("risk", "credit")]
    if values["scoring.logic"] == "composite" and not any(weights):
        yield Clash(
            "scoring.composite_risk_weight",
            "'scoring.composite_risk_weight' and 'scoring.composite_credit_weight' are both 0, so "
            "the composite score is the same for all",
            'give one of them a weight, or use scoring.logic = "matrix"',
            warning=False,
        )


def _shares(values: Mapping[str, Any]) -> Iterator[Clash]:
    total = sum(values[f"scoring.target_shares.{tier}"] for tier in TIERS)
    if abs(total - 1) > 1e-9:
        yield Clash(
            "scoring.target_shares",
            f"'scoring.target_shares' must add up to 1, not {total:g}",
            "change the shares",
            warning=False,
        )


def _half_lives(values: Mapping[str, Any]) -> Iterator[Clash]:
    lives = sorted({values[f"score_update.{event}.half_life"] for event in SCORE_EVENTS})
    if len(lives) > HALF_LIVES:
        yield Clash(
            "score_update",
            f"'score_update' has {len(lives)} different half-lives ({', '.join(f'{x:g}' for x in lives)}); "
            f"the engine keeps {HALF_LIVES}",
            "let some events share a half-life",
            warning=False,
        )


def _windows(values: Mapping[str, Any]) -> Iterator[Clash]:
    if values["check_code.action"] == "refuse" and values["check_code.window_weeks"] == 0:
        yield Clash(
            "check_code.window_weeks",
            "'check_code.window_weeks' = 0, so 'check_code.action' = \"refuse\" refuses nothing",
            'give a window, or use check_code.action = "none"',
            warning=True,
        )
    if values["capacity.multiplier"] == 0:
        yield Clash(
            "capacity.multiplier",
            "'capacity.multiplier' = 0: no agency makes any inspection but equal-chance audits",
            "give the share of today's capacity, unless it is meant",
            warning=True,
        )


def _list_by_data(values: Mapping[str, Any]) -> Iterator[Clash]:
    by_data, given = values["lists.unmonitored.by"] == "data", values["lists.unmonitored.file"]
    if by_data and not given:
        yield Clash(
            "lists.unmonitored.file",
            "'lists.unmonitored.by' = \"data\" needs a file, and 'lists.unmonitored.file' is empty",
            "give the path of a CSV with the column enterprise_id",
            warning=False,
        )
    if given and not by_data:
        yield Clash(
            "lists.unmonitored.file",
            f"'lists.unmonitored.file' is not read under 'lists.unmonitored.by' = "
            f'"{values["lists.unmonitored.by"]}"',
            'use by = "data", or leave the file out',
            warning=True,
        )


def _floor(values: Mapping[str, Any]) -> Iterator[Clash]:
    if values["frequency.random_floor"] != 0:
        return
    yield Clash(
        "frequency.random_floor",
        "'frequency.random_floor' = 0: without equal-chance audits nothing shows what the inspected do not",
        "set a floor (0.01 is usual), or keep 0 knowing that no estimate of missed violations will be sound",
        warning=True,
    )
    if values["lists.unmonitored.enabled"]:
        yield Clash(
            "lists.unmonitored.enabled",
            "'lists.unmonitored.enabled' with 'frequency.random_floor' = 0: nobody would ever look at "
            "the listed",
            "set a floor, or switch the list off",
            warning=True,
        )
