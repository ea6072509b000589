"""Background rows, with which an enterprise is compared when its risk is explained."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tierkit.scores.training_rows import lots

__all__ = ["background"]


def background(X: pd.DataFrame, n: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Draw rows of a city as the background of interventional Shapley values.

    Each enterprise has a fixed lot for a seed, and those with the lowest lots are drawn: in whatever order
    the rows stand, the same enterprises come out in the same order, and a larger background holds a smaller.

    Parameters
    ----------
    X : DataFrame of shape (N, any)
        Features, one row per enterprise, with the enterprise ids as index.
    n : int, default=1000
        Rows to draw; all if there are no more.
    seed : int

    Returns
    -------
    DataFrame of shape (min(n, N), any)

    Raises
    ------
    ValueError
        If ``n`` is less than 1, there are no rows, or an id stands twice.

    Notes
    -----
    Shapley values share out the difference between a row's margin and an average one, so it has to be said
    what is put in for a feature that is not known. There are two answers, and both add up to the margin.

    *Path-dependent*, without a background: what is not known is averaged along the training rows that went
    each way in the trees (Lundberg and others 2020, algorithm 2). Nothing has to be chosen, and what is put
    in keeps, as far as the trees show it, to what goes with the known features. But it depends on how the
    trees happen to be built, so two models that score everybody alike may be explained unlike, and the base
    is the average margin of the rows trained on, which are those inspected, not of the city.

    *Interventional*, with one: what is not known is replaced by the values of the background rows, whatever
    the known features say of them. That breaks the dependence between features and asks what the model itself
    does with each (Janzing and others 2020); Chen and others 2020 call it true to the model rather than true
    to the data. The base is the average margin of the background, over whose rows the values of each feature
    average 0; a feature that no tree uses gets 0. But rows are put together that no enterprise has.

    A regulator who has to say what the model did, in an appeal or an audit, or against whom an enterprise was
    measured (the city, its sector, those a tier higher), wants the second, and names the background. One who
    asks what goes with risk among those inspected may take the first, which needs no choice. Neither says
    what would happen if the enterprise changed.

    Merits (`tierkit.features.BONUSES`) are the exception in both: what stands in for one that is not known is
    to have none. So whoever has none gets 0 for it, and the base is the average with no merit counted.

    How many rows do, and how far the two kinds of values lie apart, is in ``benchmarks/results.md``. Tables
    take hardly longer to fill for many rows: a city of tens of thousands can be its own background.

    Examples
    --------
    >>> X = pd.DataFrame({"findings_1y": np.arange(5.0)}, index=list("abcde"))
    >>> background(X, n=2).index.tolist()
    ['c', 'a']
    >>> background(X[::-1], n=2).index.tolist()
    ['c', 'a']
    """
    if n < 1:
        raise ValueError(f"The 'n' parameter must be at least 1. Got {n} instead.")
    if not len(X):
        raise ValueError("'X' has no rows to draw a background from. Give the features of a city.")
    if not X.index.is_unique:
        shown = X.index[X.index.duplicated()][0]
        raise ValueError(
            f"The enterprise '{shown}' occurs more than once in the index. Give one row per enterprise."
        )
    order = np.argsort(lots(pd.Series(X.index), f"background {seed}"), kind="stable")
    return X.iloc[order[:n]]
