"""Cross-fitted model of what an audit of each obligation would find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tierkit.evaluate.value.evidence import Logged

__all__ = ["expected_findings"]

_PENALTY = 0.1  # inverse strength of the ridge: a few hundred findings for some fifty levels


def expected_findings(
    given: Logged, rows: NDArray[np.bool_], model: Any = None, folds: int = 5, seed: int = 0
) -> NDArray[np.float64]:
    """Return each obligation's probability of a finding, fitted on the inspections of other enterprises.

    Parameters
    ----------
    given : Logged
    rows : bool array of shape (n,)
        Inspections to fit on.
    model : classifier, optional
        A standardised logistic regression with a ridge if absent; it is cloned.
    folds : int
    seed : int

    Returns
    -------
    float array of shape (N,)
        The rate of the others where they show one outcome only; 0 where there are none.

    Raises
    ------
    ValueError
        If there are fewer than two folds.
    """
    if folds < 2:
        raise ValueError(f"The 'folds' must be at least 2. Got {folds}.")
    prototype = model or make_pipeline(StandardScaler(), LogisticRegression(C=_PENALTY, max_iter=1000))
    owner = pd.factorize(given.obligations["enterprise_id"], sort=True)[0]
    fold = np.random.default_rng(seed).permutation(owner.max() + 1) % folds
    of_obligation = fold[owner]
    place = given.inspections["obligation"].to_numpy(np.int64)
    found = given.inspections["found"].to_numpy(np.int64)
    out = np.zeros(len(owner))
    for k in range(folds):
        use, mine = rows & (of_obligation[place] != k), of_obligation == k
        outcomes = found[use]
        if not mine.any():  # fewer enterprises than folds
            continue
        if outcomes.size and 0 < outcomes.sum() < outcomes.size:
            fitted = clone(prototype).fit(given.X[place[use]], outcomes)
            out[mine] = fitted.predict_proba(given.X[mine])[:, 1]
        elif outcomes.size:
            out[mine] = outcomes.mean()
    return out
