"""Test for runaway feedback: a model is retrained, round after round, on the findings it led to.

Each round scores everybody with a model trained on the records so far, puts the highest into the tiers that
are inspected, runs the engine for half a year, adds what was found to the records, and trains again. An `Arm`
says what the model learns from and whether there is a random floor:

``discovered``
    Every enterprise on half-yearly snapshots, with whether anything was found there in the half year after;
    whom nobody visited counts as clean. The learning of Ensign and others (2018), in which a place that is
    visited confirms itself.
``inspected``
    The inspections as they come, triggered ones too, with whether they found something.
``audits``
    Equal-chance audits alone, the fair sample; needs a floor.

**What it shows.** Whether a way of learning goes on to look at the same enterprises, what then stands unseen
at the others, and what a floor mends: in a synthetic world with known truth, under equal draws, at about
equal planned inspections in every arm. In a world of `equal_hazards` nothing can be learnt, so whoever is
kept in the top tiers longer than a lot would keep them is kept by the loop alone.

**What it does not.** That any city's records do so: real hazards, features and inspectors differ. Tiers hold
fixed shares of everybody by rank, and a tier is visited alike in every sector and size, so that the load
stays and only who is visited changes. The features are a short form of those of `tierkit.features`, counted
over two years from the engine's log (a record is known in its own week, not weeks later), so that ten rounds
take seconds. The risk model is `tierkit.scores.risk.RiskModel` without calibration.
"""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit, logit

from tierkit.arrays import Floats, Ints
from tierkit.city.engine import Run, oracle_scores, run
from tierkit.city.parameters import Parameters, parameters
from tierkit.city.synth import history
from tierkit.city.world import WEEKS_A_YEAR, World
from tierkit.compare.intervals import mean_interval
from tierkit.evaluate.feedback.learning import COUNTED, ROUND_WEEKS, Book, Learn
from tierkit.policy import Policy
from tierkit.records import CHANNELS, SIZES
from tierkit.records.arguments import InputError, described, did_you_mean
from tierkit.results import Result
from tierkit.scores.risk import RiskModel
from tierkit.texts import interval, join, number, text

__all__ = ["ARMS", "MEASURES", "Arm", "Feedback", "equal_hazards", "runaway"]


_TOP = 0.1
_ALIKE = 1e-9  # probabilities closer than this differ by rounding alone
_LOAD = 0.4  # planned inspections an enterprise-year, as the city had in 2024; assumed of every arm
_SHARES = (0.62, 0.25, 0.10, 0.03)
_MULTIPLES = (0.0, 1.0, 3.0, 8.0)
_TARGETED: dict[str, Any] = {
    "scoring.basis": "model",
    "scoring.matrix": [["T1"] * 4, ["T2"] * 4, ["T3"] * 4, ["T4"] * 4],
    "review.cadence_weeks": WEEKS_A_YEAR,  # a round's tiers stand for the round
    "scoring.rule_gradient": 0.0,
    "commitment.check_share": 0.0,
    **{f"frequency.size.{name}": 1.0 for name in SIZES},
    **{f"frequency.tier.T{k + 1}.{c}": m for k, m in enumerate(_MULTIPLES) for c in ("general", "key")},
}
_UNHEARD = {f"trigger.{name}": 0.0 for name in ("genuine", "professional", "incident", "alert")}
_SETTINGS: dict[str, Any] = {"n_trees": 80, "learning_rate": 0.05, "n_leaves": 6, "min_rows": 50}
MEASURES = {
    "planned": "inspections/1,000 enterprises",
    "findings": "findings/1,000 enterprises",
    "top_share": "share of planned inspections so far",
    "gini": "Gini coefficient",
    "kept": "share of the top tiers",
    "correlation": "rank correlation",
    "never": "share of enterprises",
    "missed": "violations/1,000 enterprises",
    "gap": "probability",
}
"""Measures of a round and their units.

``planned`` and ``findings``: planned on-site inspections of the round, and what they found. ``top_share``:
share of all planned inspections since the first round at the tenth of enterprises that had most; ``gini``: of
the same. ``kept``: of the enterprises in T3 and T4 in the first round, the share that is there in this one (a
lot would keep 13 %). ``correlation``: Spearman's, of score and true long-run risk. ``never``: enterprises
without an on-site inspection since the first round began; ``missed``: violations that stand at these at the
round's end; ``gap``: their mean score less the share of audits that would find something on the day of
scoring (the score of ``discovered`` is read as its users read it, as risk).
"""


class Arm(NamedTuple):
    """One way of training, with or without a floor of equal-chance audits.

    Attributes
    ----------
    name : str
    learn : {"discovered", "inspected", "audits"}
    floor : float
        Equal-chance audits per obligation-year.
    """

    name: str
    learn: Learn
    floor: float


ARMS = (
    Arm("discovered", "discovered", 0.0),
    Arm("inspected", "inspected", 0.0),
    Arm("inspected_floor", "inspected", 0.03),
    Arm("audits_floor", "audits", 0.03),
)


@dataclass(frozen=True, repr=False)
class Feedback(Result):
    """Results of `runaway`: the rounds of retraining, by arm.

    Attributes
    ----------
    rounds : DataFrame
        ``arm``, ``seed``, ``round`` (from 1), ``measure``, ``value``, a row each.
    arms : tuple of Arm
    enterprises : int
    """

    rounds: pd.DataFrame
    arms: tuple[Arm, ...]
    enterprises: int

    @property
    def seeds(self) -> int:
        """Number of worlds."""
        return int(self.rounds["seed"].nunique())

    def summary(self) -> pd.DataFrame:
        """Return means over the ``n`` worlds, by ``arm``, ``round`` and ``measure``.

        ``value`` has its ``unit`` and Student's 95 % interval, ``low`` to ``high``; NaN with one world.
        """
        return self._means(self.rounds)

    def differences(self, than: str | None = None) -> pd.DataFrame:
        """Return each arm's difference from one, paired by world, with the columns of `summary`.

        Parameters
        ----------
        than : str, optional
            Name of the arm; the first if absent.

        Raises
        ------
        KeyError
            If there is no such arm.
        """
        name = self.arms[0].name if than is None else than
        keys = ["seed", "round", "measure"]
        base = self.rounds[self.rounds["arm"] == name].set_index(keys)["value"]
        if base.empty:
            raise KeyError(f"There is no arm '{name}'; there are {', '.join(arm.name for arm in self.arms)}.")
        others = self.rounds[self.rounds["arm"] != name]
        against = base.reindex(pd.MultiIndex.from_frame(others[keys])).to_numpy(np.float64)
        return self._means(others.assign(value=others["value"] - against, against=against))

    def _means(self, rounds: pd.DataFrame) -> pd.DataFrame:
        rows = []
        for (arm, k, measure), part in rounds.groupby(["arm", "round", "measure"], sort=False):
            part = part[part["value"].notna()]
            known = part["value"].to_numpy(np.float64)
            against = part["against"].to_numpy(np.float64) if "against" in part else None
            ends = mean_interval(known, against=against) if known.size else (np.nan,) * 3
            rows.append((arm, k, measure, MEASURES[str(measure)], known.size, *map(float, ends)))
        columns = ["arm", "round", "measure", "unit", "n", "value", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    def to_frame(self) -> pd.DataFrame:
        """Return `summary`."""
        return self.summary()

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return what each arm came to in the last round."""
        means = self.summary()
        last = int(means["round"].max())
        said = [text("feedback.head", lang, n=self.enterprises, seeds=self.seeds, rounds=last)]
        for arm in self.arms:
            rows = means[(means["round"] == last) & (means["arm"] == arm.name)].to_dict("records")
            values = join(
                (f"{text('feedback.' + row['measure'], lang)} {number(row['value'], 3)}" for row in rows),
                lang,
            )
            said.append(
                text("feedback.said", lang, arm=text(f"feedback.arm.{arm.name}", lang), values=values)
            )
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return means and paired differences as plain data for JSON; what is missing is None."""
        frames = {"summary": self.summary(), "differences": self.differences()}
        return {"enterprises": self.enterprises, "seeds": self.seeds} | {
            name: frame.astype(object).where(frame.notna(), None).to_dict("records")
            for name, frame in frames.items()
        }

    def _repr_html_(self) -> str:
        means = self.summary()
        last = int(means["round"].max())
        here = means[means["round"] == last].to_dict("records")
        head = "".join(f"<th>{html.escape(text(f'feedback.{name}', 'en'))}</th>" for name in MEASURES)
        body = ""
        for arm in self.arms:
            cells = "".join(
                f"<td>{number(row['value'], 3)} {interval(row['low'], row['high'], 3)}</td>"
                for row in here
                if row["arm"] == arm.name
            )
            body += f"<tr><th>{html.escape(arm.name)}</th>{cells}</tr>"
        told = text("feedback.head", "en", n=self.enterprises, seeds=self.seeds, rounds=last)
        return f"<p>{html.escape(told)}</p><table><tr><th></th>{head}</tr>{body}</table>"


def _policy(arm: Arm, frame: World, reported: bool) -> Policy:
    """Return the policy of an arm; a floor takes the place of as many targeted inspections."""
    alive = frame.alive()
    left = _LOAD - arm.floor * float(np.diff(frame.fixed.start)[alive].mean())
    if left <= 0:
        raise ValueError(
            f"A floor of {arm.floor} in arm '{arm.name}' leaves no targeted inspection. Lower it."
        )
    changes = {
        **_TARGETED,
        **{f"frequency.sector.{name}": 1.0 for name in frame.place.sectors},
        **({} if reported else _UNHEARD),
        "frequency.base_rate": left / float(np.dot(_SHARES, _MULTIPLES)),
        "frequency.random_floor": arm.floor,
    }
    with warnings.catch_warnings():
        # No floor is what such an arm is there to show.
        warnings.filterwarnings("ignore", message=".*random_floor' = 0", category=UserWarning)
        return Policy.load(frame.place.past_policy).at(frame.place).reform(changes, name=arm.name)


def _tiered(frame: World, score: Floats, alive: Ints, cutoffs: Sequence[float]) -> pd.DataFrame:
    """Return scores for the engine, set by rank so that every tier has its declared share of enterprises."""
    share = (stats.rankdata(score, "ordinal") - 0.5) / score.size
    inner = np.cumsum(_SHARES)[:-1]
    cuts = logit(np.asarray(cutoffs))
    margin = np.interp(share, [0.0, *inner, 1.0], [cuts[0] - 2, *cuts, cuts[-1] + 2])
    return pd.DataFrame(
        {"enterprise_id": frame.ids[alive], "risk_probability": expit(margin), "credit_points": 600.0}
    )


def _gini(values: Floats) -> float:
    """Return the Gini coefficient; 0 if all values are equal.

    By Sen (1973): over ascending values, (2 sum(i x_i) / sum(x) - n - 1) / n.
    """
    x = np.sort(values)
    if x.sum() == 0:
        return 0.0
    return float((2 * np.dot(np.arange(1, x.size + 1), x) / x.sum() - x.size - 1) / x.size)


def _rank_correlation(a: Floats, b: Floats) -> float:
    """Return Spearman's correlation; NaN if one of the two is constant."""
    return float(stats.spearmanr(a, b).statistic) if min(np.ptp(a), np.ptp(b)) > _ALIKE else np.nan


def equal_hazards() -> Parameters:
    """Return a world in which every obligation is as likely to fall into violation as any other.

    There is nothing to learn in it: a model that keeps visiting the same enterprises confirms itself.

    Examples
    --------
    >>> equal_hazards()["hazard.latent_sd"]
    0.0
    """
    told = parameters()
    shifts = ["hazard.latent_sd", "hazard.young", "hazard.large", "hazard.key_item"]
    shifts += [path for path in told if path.startswith("hazard.sector.")]
    return told.replace(dict.fromkeys(shifts, 0.0))


def _arm(
    arm: Arm, past: Run, rounds: int, seed: int, reported: bool, done: Callable[[], None]
) -> list[tuple[str, int, int, str, float]]:
    """Return the measures of all rounds of an arm on one world."""
    frame = past.end
    world, began = frame.fixed, frame.week
    policy = _policy(arm, frame, reported)
    detection = float(policy["depth.detection"])
    truth = oracle_scores(frame, detection)["risk_probability"].to_numpy()
    duties = np.diff(world.start)
    lots = [CHANNELS.index(name) for name in ("routine", "random")]
    planned, first = np.zeros(duties.size), np.zeros(duties.size, bool)
    runs, rows = [past], []
    book = Book(frame, runs)
    for k in range(1, rounds + 1):
        model = _learnt(book, arm, frame.week, k)
        alive = np.flatnonzero(frame.alive())
        score = model.predict_proba(book.features(alive, np.full(alive.size, frame.week)))[:, 1]
        unseen = ~_seen_since(book, alive, began)
        chance = detection * _standing(frame)[alive] / duties[alive]
        top = np.zeros(duties.size, bool)
        below = alive.size - round(sum(_SHARES[2:]) * alive.size)
        top[alive[np.argsort(score, kind="stable")[below:]]] = True
        first = top if k == 1 else first
        start, scored = frame.week, _tiered(frame, score, alive, policy["scoring.risk_cutoffs"])
        runs.append(run(frame, policy, ROUND_WEEKS, seed=seed, scores=scored))
        frame = runs[-1].end
        book = Book(frame, runs)
        lot = np.isin(book.channel, lots) & (book.week >= start)
        planned += np.bincount(book.owner[lot], minlength=duties.size)
        staying = np.flatnonzero(frame.alive())
        never = ~_seen_since(book, staying, began)
        most = np.sort(planned[staying])[::-1]
        thousand = 1000 / staying.size
        values = {
            "planned": lot.sum() * thousand,
            "findings": book.found[lot].sum() * thousand,
            "top_share": most[: round(_TOP * most.size)].sum() / max(most.sum(), 1.0),
            "gini": _gini(most),
            "kept": (top & first).sum() / first[alive].sum(),
            "correlation": _rank_correlation(score, truth[alive]),
            "never": never.mean(),
            "missed": _standing(frame)[staying][never].sum() * thousand,
            "gap": (score - chance)[unseen].mean() if unseen.any() else np.nan,
        }
        rows += [(arm.name, seed, k, name, float(values[name])) for name in MEASURES]
        done()
    return rows


def _learnt(book: Book, arm: Arm, week: int, k: int) -> RiskModel:
    """Return the model of a round."""
    X, y = book.rows(arm.learn, week)
    if not 0 < y.sum() < y.size:
        raise ValueError(
            f"In round {k} of arm '{arm.name}' the {y.size} rows to learn from do not hold both outcomes. "
            "Give more enterprises, or a higher floor."
        )
    return RiskModel(monotone=dict.fromkeys(COUNTED, 1), num_threads=1, **_SETTINGS).fit(X, y)


def _seen_since(book: Book, owner: Ints, week: int) -> NDArray[np.bool_]:
    """Return who had an on-site inspection since a week."""
    seen = book.count("inspections", owner, np.full(owner.size, week), np.full(owner.size, book.span - 1))
    return seen > 0


def _standing(frame: World) -> Floats:
    """Return how many obligations of each enterprise are in violation."""
    owner, violating = frame.fixed.enterprise, frame.state.violation > 0
    return np.bincount(owner, weights=violating, minlength=frame.enterprises).astype(np.float64)


def _named(arm: Arm | str) -> Arm:
    """Return an arm that may be given by name."""
    known = {one.name: one for one in ARMS}
    if isinstance(arm, str) and arm not in known:
        raise InputError(f"The 'arms' name no arm {described(arm)}{did_you_mean(arm, known)}")
    return known[arm] if isinstance(arm, str) else arm


def runaway(
    enterprises: int = 3000,
    *,
    rounds: int = 10,
    arms: Sequence[Arm | str] = ARMS,
    seeds: Sequence[int] = (1, 2, 3),
    reported: bool = True,
    params: Parameters | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Feedback:
    """Retrain a model on the findings of the policy that it drives, for several rounds, arms and worlds.

    Parameters
    ----------
    enterprises : int, default=3000
        In the register of each world.
    rounds : int, default=10
        Of half a year each.
    arms : sequence of Arm or str
        With different names; those of `ARMS` may be given by name.
    seeds : sequence of int
        One world per seed; all arms start from the same records and share all draws.
    reported : bool, default=True
        Whether complaints, incidents and alerts open checks; without them only the policy looks.
    params : Parameters, optional
        Of the world, `equal_hazards` for instance.
    threads : int
        Of the engine while the records are made; it changes no bit.
    progress : callable, optional
        Called with the rounds done and all rounds.

    Returns
    -------
    Feedback

    Raises
    ------
    ValueError
        If an arm cannot learn: equal-chance audits without a floor, a floor above the load, one outcome only.

    Notes
    -----
    Ensign, Friedler, Neville, Scheidegger and Venkatasubramanian, *Runaway feedback loops in predictive
    policing*, FAT* 2018 (I26).

    Examples
    --------
    >>> short = runaway(400, rounds=2, arms=["discovered"], seeds=[1])
    >>> short.summary()["round"].unique().tolist()
    [1, 2]
    """
    chosen = tuple(_named(arm) for arm in arms)
    names = [arm.name for arm in chosen]
    if not chosen or len(set(names)) < len(names):
        raise ValueError(f"The 'arms' must have different names, one at least. Got {names}.")
    for arm in chosen:
        if arm.learn == "audits" and arm.floor == 0:
            raise ValueError(
                f"Arm '{arm.name}' learns from equal-chance audits and has no floor. Give it one."
            )
    if rounds < 1 or not len(seeds):
        raise ValueError("There must be at least one round and one seed.")
    total, count = len(seeds) * len(chosen) * rounds, 0

    def done() -> None:
        nonlocal count
        count += 1
        if progress is not None:
            progress(count, total)

    rows = []
    for seed in seeds:
        _, past, _ = history(
            enterprises, seed, params=params, horizon_weeks=rounds * ROUND_WEEKS, threads=threads
        )
        for arm in chosen:
            rows += _arm(arm, past, rounds, seed, reported, done)
    frame = pd.DataFrame(rows, columns=["arm", "seed", "round", "measure", "value"])
    return Feedback(frame, chosen, enterprises)
