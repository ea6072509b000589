"""Change one uncertain parameter of a comparison at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tierkit.city.world import WEEKS_A_YEAR
from tierkit.compare.intervals import mean_interval
from tierkit.compare.sensitivity.design import Progress, city_seeds
from tierkit.compare.sensitivity.questions import MEASURED, Score, case_of
from tierkit.compare.sensitivity.ranges import Uncertain
from tierkit.policy import Policy
from tierkit.progress import in_threads

__all__ = ["tornado"]


def _with_interval(
    name: str, values: NDArray[np.float64], against: NDArray[np.float64], least: float = -np.inf
) -> dict[str, float]:
    """Return the mean with its 95 % Student interval, cut off at the least value that there can be."""
    mean, low, high = (float(one) for one in mean_interval(values, against=against))
    return {name: mean, f"{name}_low": max(low, least), f"{name}_high": max(high, least)}


def tornado(
    enterprises: int,
    baseline: Policy,
    reform: Policy,
    *,
    chosen: Sequence[Uncertain] | None = None,
    measures: Sequence[str] = MEASURED,
    seed: int = 0,
    replicates: int = 10,
    weeks: int = WEEKS_A_YEAR,
    kappa: float = 0.1,
    score: Score | None = None,
    threads: int = 2,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return the relative difference at the low and the high value of each parameter, others unchanged.

    Parameters
    ----------
    enterprises, baseline, reform, chosen, measures, weeks, score
        As in `screen`.
    seed : int
    replicates : int
        Cities, at least 2; the same for every parameter.
    kappa : float
        Strength of general deterrence where it is not the parameter that is moved.
    threads : int
        Cities at a time; the result does not depend on it.
    progress : callable, optional
        Called with the cities done and all of them.

    Returns
    -------
    DataFrame
        One row per measure, parameter and end (``low``, ``high``), the widest swing first: ``setting``, the
        parameter's value there, and ``base``, what it else is; ``relative``, the relative difference, with
        the 95 % Student interval over cities ``relative_low``, ``relative_high``, which ends at −1 as nothing
        falls by more than all of it; ``base_relative`` with
        its own, of the comparison as it is; their paired ``change`` with ``change_low``, ``change_high``;
        ``rank`` by the larger change of the two ends.

    Raises
    ------
    ValueError
        As `screen`.

    Examples
    --------
    >>> from tierkit.compare.sensitivity import uncertain
    >>> legacy, plan = Policy.load("legacy"), Policy.load("jinshan-2025")
    >>> few = [one for one in uncertain() if one.name == "violation.harm.serious"]
    >>> frame = tornado(300, legacy, plan, chosen=few, measures=["violations"], replicates=2, weeks=4)
    >>> frame[["end", "setting", "change"]].values.tolist()
    [['low', 20.0, 0.0], ['high', 80.0, 0.0]]
    """
    if replicates < 2:
        raise ValueError(f"The 'replicates' must be at least 2. Got {replicates}.")
    case = case_of(enterprises, baseline, reform, chosen, measures, weeks, kappa, score)
    # What leaves the city as it is comes first, so that one city serves for all of it.
    order = sorted(case.chosen, key=lambda one: one.acts in ("world", "policies"))
    points = [{}, *({one.name: getattr(one, end)} for one in order for end in ("low", "high"))]

    def job(city: int) -> Callable[[Callable[[], None]], NDArray[np.float64]]:
        def run_city(step: Callable[[], None]) -> NDArray[np.float64]:
            found = case.evaluate(points, city)
            step()
            return found

        return run_city

    jobs = [job(one) for one in city_seeds(seed, replicates)]
    values = np.stack(in_threads(jobs, replicates, threads, progress))
    rows = []
    whole = np.ones(replicates)  # what relative differences are from, in units of itself
    for m, measure in enumerate(case.measures):
        base = values[:, 0, m]
        for k, one in enumerate(order):
            for e, end in enumerate(("low", "high")):
                mine = values[:, 1 + 2 * k + e, m]
                change = mine - base
                rows.append(
                    {
                        "measure": measure,
                        "parameter": one.name,
                        "label_zh": one.label.zh,
                        "label_en": one.label.en,
                        "acts": one.acts,
                        "unit": one.unit,
                        "end": end,
                        "setting": getattr(one, end),
                        "base": case.base(one),
                        **_with_interval("relative", mine, whole, -1.0),
                        **_with_interval("base_relative", base, whole, -1.0),
                        **_with_interval("change", change, whole + base),
                    }
                )
    frame = pd.DataFrame(rows)
    swing = frame["change"].abs().groupby([frame["measure"], frame["parameter"]]).transform("max")
    frame["rank"] = swing.groupby(frame["measure"]).rank(method="dense", ascending=False).astype(int)
    place = {measure: k for k, measure in enumerate(case.measures)}
    order_rows = np.lexsort((np.arange(len(frame)), frame["rank"], frame["measure"].map(place)))
    frame = frame.iloc[order_rows].reset_index(drop=True)
    return frame.assign(
        policy=reform.name,
        baseline=baseline.name,
        kappa=kappa,
        weeks=weeks,
        replicates=replicates,
        enterprises=enterprises,
    )
