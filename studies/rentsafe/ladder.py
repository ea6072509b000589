"""Toronto's RentSafe evaluations: a real score → tier → interval policy, rerun and held against the years.

The city scores apartment buildings from 0 to 100 and writes down when each is due again: after 3 years from
86 points on, 2 from 66, 1 from 51, and a full audit below. So its policy is a ladder with fixed intervals,
without overlap. Two policies of the past are estimated from the evaluations before a date:

- `ladder` keeps the calendar: the chance of being evaluated in a year by tier and by whether the building is
  not yet due, due or overdue; scores move as they did. It is simulated year by year here.
- `world_and_policy` makes the engine's world and policy: hazards from calibrated risk (the chance that the
  next score is below 65), and the mean realised gap of each tier as the rate of a weekly lottery. A lottery
  has the ladder's load in the long run, and none of its waves.

The public file holds only buildings that are registered today, so those that left are in no year.
"""

from __future__ import annotations

import datetime as dt
import os
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

from tierkit.city.engine import run
from tierkit.city.scored import MOST_VIOLATING, world_from_scores
from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.evaluate.backtest import prediction_interval
from tierkit.policy import Policy, PolicyWarning
from tierkit.records import ITEM_CLASSES, SEVERITIES, TIERS, Parameter, refuse_rows
from tierkit.scores.calibration import Calibration

__all__ = ["BANDS", "Ladder", "due", "engine_years", "ladder", "read", "tier_of", "world_and_policy", "years"]

BANDS = {"T1": (86, 3), "T2": (66, 2), "T3": (51, 1), "T4": (0, 0)}
"""Tier → lowest score, and years until the next evaluation; 0 is a full audit."""
PASSING = 65
"""Below this score a building counts as in violation."""
_COLUMNS = ("building_id", "evaluation_date", "score", "policy_next_years")
_STATES = ("early", "due", "overdue")
_RULE = np.array([[0.5, 1.5], [1.5, 0.5], [1.5, 0.5]])  # Jeffreys' prior and one building that kept the rule
_POINTS_A_LOG_ODDS = 10.0  # scale on which calibration starts; it finds the slope
_LOWEST_RISK = 1e-4
_NEAREST = 100  # evaluations of which one lends what followed it


def tier_of(score: Any) -> NDArray[np.object_]:
    """Return the tier of each score by the city's own bands.

    Raises
    ------
    ValueError
        If a score is missing or not from 0 to 100.

    Examples
    --------
    >>> tier_of([50, 51, 65, 66, 86]).tolist()
    ['T4', 'T3', 'T3', 'T2', 'T1']
    """
    edges = sorted(low for low, _years in BANDS.values())
    values = np.asarray(score, np.float64)
    wrong = ~((values >= 0) & (values <= 100))
    if wrong.any():
        raise ValueError(
            f"Scores must be from 0 to 100. Got {values[wrong][0]:g} ({int(wrong.sum()):,} of them)."
        )
    place = np.searchsorted(edges, values, side="right")
    names = [name for name, _ in sorted(BANDS.items(), key=lambda one: one[1][0])]
    out: NDArray[np.object_] = np.array(names, object)[place - 1]
    return out


def read(path: str | os.PathLike[str], extra: Sequence[str] = ()) -> pd.DataFrame:
    """Read the public file of evaluations, checked.

    Parameters
    ----------
    path : str or path
        A CSV file, compressed or not.
    extra : sequence of str
        Columns of the file to keep as they are.

    Returns
    -------
    DataFrame
        A row an evaluation, by building and date: ``building_id``, ``date``, ``score``, ``tier``,
        ``years`` (until the next, as the city wrote it down), and the extra ones.

    Raises
    ------
    ValueError
        With everything that is wrong with the file.
    """
    try:
        raw = pd.read_csv(path, dtype={"building_id": "str"}, low_memory=False)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise ValueError(f"'{path}' cannot be read as a CSV file: {error}.") from error
    if missing := [name for name in (*_COLUMNS, *extra) if name not in raw]:
        raise ValueError(
            f"'{path}' has no column {', '.join(missing)}; give the file of RentSafe evaluations."
        )
    days = raw["evaluation_date"].astype("str")
    days = days.where(days.str.fullmatch(r"\d{4}-\d{2}-\d{2}"))  # pandas would read "today" as a date
    date = pd.to_datetime(days, errors="coerce", format="%Y-%m-%d")
    score = pd.to_numeric(raw["score"], errors="coerce")
    after = pd.to_numeric(raw["policy_next_years"], errors="coerce")
    good = score.between(0, 100)
    problems = {
        "dates are not YYYY-MM-DD": date.isna(),
        "scores are not from 0 to 100": ~good,
        "building ids are empty": raw["building_id"].isna(),
        "rows repeat a building and date": raw.duplicated(["building_id", "evaluation_date"]),
        "intervals are not those of the city's bands": good
        & (after != pd.Series(tier_of(score.where(good, 0))).map({k: v[1] for k, v in BANDS.items()})),
    }
    refuse_rows(path, raw, problems)
    out = pd.DataFrame(
        {
            "building_id": raw["building_id"],
            "date": date,
            "score": score,
            "tier": tier_of(score),
            "years": after.astype(np.int64),
            **{name: raw[name] for name in extra},
        }
    )
    return out.sort_values(["building_id", "date"], kind="stable").reset_index(drop=True)


def _last(evaluations: pd.DataFrame, year: int) -> pd.DataFrame:
    """Return each building's last evaluation before a year."""
    known = evaluations[evaluations["date"].dt.year < year]
    last: pd.DataFrame = known.drop_duplicates("building_id", keep="last")
    return last


def _relation(last: pd.DataFrame, year: int) -> NDArray[np.int64]:
    """Return 0 where a building is not yet due in a year, 1 where it falls due, 2 where it is overdue."""
    past = year - (last["date"].dt.year + last["years"].clip(lower=1)).to_numpy(np.int64)
    state: NDArray[np.int64] = np.sign(past) + 1
    return state


def due(evaluations: pd.DataFrame, year: int) -> pd.DataFrame:
    """Return who is due in a year under the rule, and who is evaluated, of buildings known before it.

    Parameters
    ----------
    evaluations : DataFrame
        As from `read`.
    year : int

    Returns
    -------
    DataFrame
        A row a building: ``building_id``, ``tier``, ``due`` and ``evaluated``.
    """
    last = _last(evaluations, year)
    now = set(evaluations.loc[evaluations["date"].dt.year == year, "building_id"])
    return pd.DataFrame(
        {
            "building_id": last["building_id"].to_numpy(),
            "tier": last["tier"].to_numpy(),
            "due": _relation(last, year) > 0,
            "evaluated": last["building_id"].isin(now).to_numpy(),
        }
    )


@dataclass(frozen=True)
class Ladder:
    """A ladder with fixed intervals as it was kept, estimated from whole years.

    Attributes
    ----------
    until : int
        The first year that was not looked at.
    fitted : tuple of int
        Years from which the chances are.
    chances : DataFrame
        By ``tier`` and ``state`` (early, due, overdue): ``value``, ``low``, ``high`` and ``n`` buildings.
    counts : int array of shape (years, 4, 3, 2)
        Buildings evaluated and not, by year, tier and state.
    moves : float array of shape (pairs, 2)
        Scores and those that followed, by the former.
    """

    until: int
    fitted: tuple[int, ...]
    chances: pd.DataFrame
    counts: NDArray[np.int64]
    moves: NDArray[np.float64]

    def draw(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return chances by tier and state, drawn within their errors.

        Years are drawn anew with replacement, so that what differed between them counts; then each chance is
        beta, with Jeffreys' prior and one building that kept the rule.
        """
        again = rng.integers(0, len(self.fitted), len(self.fitted))
        seen = self.counts[again].sum(axis=0) + _RULE
        chance: NDArray[np.float64] = rng.beta(seen[..., 0], seen[..., 1])
        return chance

    def next_scores(self, scores: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a score that followed one of the hundred scores nearest to each, drawn at random."""
        reach = min(_NEAREST // 2, len(self.moves) - 1)
        first, last = (np.searchsorted(self.moves[:, 0], scores, side) for side in ("left", "right"))
        # Hundreds have the very same score: the middle of the window is any of them.
        middle = first + rng.integers(0, np.maximum(last - first, 1))
        place = middle + rng.integers(-reach, reach + 1, len(scores))
        after: NDArray[np.float64] = self.moves[np.clip(place, 0, len(self.moves) - 1), 1]
        return after


def ladder(evaluations: pd.DataFrame, until: int) -> Ladder:
    """Estimate how a ladder was kept, from the years before one.

    Parameters
    ----------
    evaluations : DataFrame
        As from `read`.
    until : int
        The first year that is not looked at.

    Returns
    -------
    Ladder

    Raises
    ------
    ValueError
        If there are not two years before it.
    """
    known = evaluations[evaluations["date"].dt.year < until]
    first = int(evaluations["date"].dt.year.min())
    fitted = tuple(range(first + 1, until))
    if known.empty or not fitted:
        raise ValueError(f"A ladder is estimated from two years at least; before {until} there are not.")
    counts = np.zeros((len(fitted), len(TIERS), len(_STATES), 2), np.int64)
    for k, year in enumerate(fitted):
        last = _last(known, year)
        rows = due(known, year)
        tier = pd.Categorical(rows["tier"], TIERS).codes
        np.add.at(counts[k], (tier, _relation(last, year), 1 - rows["evaluated"].to_numpy(np.int64)), 1)
    after = known.groupby("building_id")["score"].shift(-1)
    moved = known["score"].to_frame().assign(after=after).dropna().sort_values("score", kind="stable")
    if moved.empty:
        raise ValueError(f"No building was evaluated twice before {until}; give a later year.")
    total = counts.sum(axis=0)
    seen = total + _RULE
    tiers, states = (part.ravel() for part in np.meshgrid(TIERS, _STATES, indexing="ij"))
    kept, broken = seen[..., 0].ravel(), seen[..., 1].ravel()
    chances = pd.DataFrame(
        {
            "tier": tiers,
            "state": states,
            "value": kept / (kept + broken),
            "low": beta.ppf(0.025, kept, broken),
            "high": beta.ppf(0.975, kept, broken),
            "n": total.sum(axis=-1).ravel(),
        }
    )
    return Ladder(until, fitted, chances, counts, moved.to_numpy(np.float64))


def years(
    evaluations: pd.DataFrame,
    until: int,
    ahead: int = 1,
    *,
    replicates: int = 399,
    seed: int = 0,
) -> pd.DataFrame:
    """Predict evaluations a year by the ladder as kept before a year, and hold them against what happened.

    Parameters
    ----------
    evaluations : DataFrame
        As from `read`.
    until : int
        The first year that is predicted; the chances are from the years before.
    ahead : int
        How many years.
    replicates : int
        Simulated courses of all buildings, at least 39.
    seed : int

    Returns
    -------
    DataFrame
        A row a year and tier, and one for ``all``: ``due`` (under the rule, scores as simulated: the mean),
        ``predicted`` with its 95 % prediction interval ``low`` to ``high``, ``observed`` (buildings known
        before the first year, by their tier at the start of each) and ``inside``.
    """
    found = ladder(evaluations, until)
    last = _last(evaluations, until)
    tier0 = pd.Categorical(last["tier"], TIERS).codes.astype(np.int64)
    year0 = last["date"].dt.year.to_numpy(np.int64)
    wait = np.array([max(BANDS[tier][1], 1) for tier in TIERS])
    rng = np.random.default_rng([seed, until])
    made = np.zeros((replicates, ahead, len(TIERS)), np.int64)
    owed = np.zeros_like(made)
    for r in range(replicates):
        chance = found.draw(rng)
        tier, when, score = tier0.copy(), year0.copy(), last["score"].to_numpy(np.float64).copy()
        for k in range(ahead):
            state = np.sign(until + k - when - wait[tier]) + 1
            hit = rng.random(len(tier)) < chance[tier, state]
            made[r, k] = np.bincount(tier[hit], minlength=len(TIERS))
            owed[r, k] = np.bincount(tier[state > 0], minlength=len(TIERS))
            score[hit] = found.next_scores(score[hit], rng)
            tier[hit] = pd.Categorical(tier_of(score[hit]), TIERS).codes
            when[hit] = until + k
    rows = []
    for k in range(ahead):
        seen = due(evaluations, until + k)
        seen = seen[seen["building_id"].isin(last["building_id"])]
        now = seen.loc[seen["evaluated"], "tier"].value_counts().reindex(TIERS, fill_value=0).to_numpy()
        for t, name in enumerate(("all", *TIERS)):
            pick = slice(None) if t == 0 else slice(t - 1, t)
            draws = made[:, k, pick].sum(axis=1)
            low, high = prediction_interval(draws)
            observed = int(now[pick].sum())
            rows.append(
                (until + k, name, owed[:, k, pick].sum(axis=1).mean(), draws.mean(), float(low), float(high),
                 observed, bool(low <= observed <= high))
            )  # fmt: skip
    return pd.DataFrame(
        rows, columns=["year", "tier", "due", "predicted", "low", "high", "observed", "inside"]
    )


def world_and_policy(evaluations: pd.DataFrame, as_of: Any) -> tuple[World, Policy, pd.DataFrame]:
    """Make the engine's world of buildings and the policy of the past, from the evaluations before a date.

    Parameters
    ----------
    evaluations : DataFrame
        As from `read`.
    as_of : date

    Returns
    -------
    World
        Each building an enterprise with one general obligation to the housing authority, its hazard from the
        calibrated chance that its next score is below 65.
    Policy
        Named ``history``: tiers by the city's bands, and for each the lottery with the mean realised gap.
    DataFrame
        The scores to run it with: ``enterprise_id``, ``risk_probability``, ``credit_points`` (ten times
        the city's score).

    Raises
    ------
    ValueError
        If no building was evaluated twice before the date.
    """
    day = pd.Timestamp(as_of)
    known = evaluations[evaluations["date"] < day]
    after = known.groupby("building_id")[["score", "date"]].shift(-1)
    pairs = known.assign(then=after["score"], gap=(after["date"] - known["date"]).dt.days)
    pairs = pairs[pairs["then"].notna()]
    if pairs.empty:
        raise ValueError(f"No building was evaluated twice before {day:%Y-%m-%d}; give a later date.")
    calibration = Calibration.fit(_margin(pairs["score"]), pairs["then"].to_numpy() < PASSING)
    last = known.drop_duplicates("building_id", keep="last")
    risk = np.clip(calibration.probability(_margin(last["score"])), _LOWEST_RISK, MOST_VIOLATING)
    scores = pd.DataFrame(
        {
            "enterprise_id": last["building_id"].to_numpy(),
            "risk_probability": risk,
            "credit_points": last["score"].to_numpy(np.float64) * 10,
        }
    )
    table = scores.assign(sector="construction", size="small", agency="construction", item_class="general")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)  # no random floor and no limits: as the city had it
        policy = _policy(pairs, day)
        frame = world_from_scores(
            table, day.date(), detection=float(policy["depth.detection"]), reference=policy
        )
    return frame, policy, scores


def _margin(score: pd.Series) -> NDArray[np.float64]:
    out: NDArray[np.float64] = (PASSING - score.to_numpy(np.float64)) / _POINTS_A_LOG_ODDS
    return out


def _policy(pairs: pd.DataFrame, day: pd.Timestamp) -> Policy:
    """Return the lottery with the mean realised gaps of pairs of evaluations."""
    legacy = Policy.load("legacy")
    levels = [path for path in legacy.parameters if path.startswith(("frequency.sector.", "frequency.size."))]
    signals = ("genuine", "professional", "incident", "alert")
    rule: dict[str, Any] = {
        **dict.fromkeys(levels, 1.0),
        **{f"trigger.{kind}": 0.0 for kind in signals},
        **{f"trigger.followup.{severity}": 0.0 for severity in SEVERITIES},
        "frequency.base_rate": 1.0,
        "frequency.random_floor": 0.0,
        "scoring.basis": "model",
        "scoring.risk_cutoffs": [0.5],
        "scoring.credit_cutoffs": [10 * low - 5.0 for low in sorted(low for low, _ in BANDS.values() if low)],
        "scoring.matrix": [list(TIERS), list(TIERS)],
        "scoring.rule_gradient": 0.0,
        "depth.detection": 1.0,
        "depth.inspector_sd": 0.0,
        "review.dwell_weeks": 0,
        "review.hysteresis_points": 0.0,
        "commitment.check_share": 0.0,
    }
    gaps = pairs.groupby("tier")["gap"].mean() / (7 * WEEKS_A_YEAR)
    realised = {
        f"frequency.tier.{tier}.{item_class}": round(1 / float(gaps.get(tier, max(BANDS[tier][1], 1))), 6)
        for tier in TIERS
        for item_class in ITEM_CLASSES
    }
    ground = (
        f"estimated from {len(pairs):,} inspections of {pairs['date'].min():%Y-%m-%d}.."
        f"{day - pd.Timedelta(days=1):%Y-%m-%d}"
    )
    changes = {
        path: Parameter(value, legacy.parameter(path).unit, assumption=why)
        for values, why in (
            (rule, "the city's rule: the score alone decides, by its bands"),
            (realised, ground),
        )
        for path, value in values.items()
    }
    return legacy.reform(changes, name="history")


def engine_years(
    evaluations: pd.DataFrame, until: int, *, replicates: int = 39, seed: int = 0
) -> pd.DataFrame:
    """Run the engine's lottery over a year from its first day, and hold it against what happened.

    Parameters
    ----------
    evaluations : DataFrame
        As from `read`.
    until : int
        The year; world and policy are from the evaluations before it.
    replicates : int
        Runs, at least 39.
    seed : int

    Returns
    -------
    DataFrame
        A row a tier, and one for ``all``: as `years`, and ``found``, the share of evaluations with a
        violation (a score below 65), with its interval and what was observed.
    """
    frame, policy, scores = world_and_policy(evaluations, dt.date(until, 1, 1))
    start = tier_of(scores["credit_points"] / 10)
    code = pd.Categorical(start, TIERS).codes.astype(np.int64)
    counts, found = [], []
    for replicate in range(replicates):
        log = run(frame, policy, WEEKS_A_YEAR, seed=seed, replicate=replicate, scores=scores).table()
        mine = code[frame.fixed.enterprise[log["obligation"]].astype(np.int64)]
        counts.append(np.bincount(mine, minlength=len(TIERS)))
        found.append(np.bincount(mine, weights=log["finding"] > 0, minlength=len(TIERS)))
    made, bad = np.array(counts), np.array(found)
    seen = due(evaluations, until)
    now = evaluations[evaluations["date"].dt.year == until].drop_duplicates("building_id")
    low_now = seen["building_id"].map(now.set_index("building_id")["score"]) < PASSING
    rows = []
    for t, name in enumerate(("all", *TIERS)):
        pick = slice(None) if t == 0 else slice(t - 1, t)
        mask = seen["evaluated"] & ((seen["tier"] == name) | (t == 0))
        draws = made[:, pick].sum(axis=1)
        share = bad[:, pick].sum(axis=1) / np.maximum(draws, 1)
        (low, high), (least, most) = prediction_interval(draws), prediction_interval(share)
        observed = int(mask.sum())
        rows.append(
            (until, name, draws.mean(), float(low), float(high), observed, bool(low <= observed <= high),
             share.mean(), float(least), float(most), float(low_now[mask].mean()) if observed else np.nan)
        )  # fmt: skip
    return pd.DataFrame(
        rows,
        columns=[
            "year", "tier", "predicted", "low", "high", "observed", "inside", "found", "found_low",
            "found_high", "found_observed",
        ],
    )  # fmt: skip
