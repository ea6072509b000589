"""A table of points and how values are looked up in it: what every source of credit points has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from tierkit.arrays import Floats
from tierkit.scores import estimators
from tierkit.scores.binning import place
from tierkit.scores.card_table import typed
from tierkit.scores.inputs import Inputs, Unseen

__all__ = ["HIGHEST", "LOWEST", "CreditKind", "PointCard"]

LOWEST, HIGHEST = 0.0, 1000.0
CreditKind = Literal["records", "table", "none"]
"""Where credit comes from: fitted on records, an expert's table, or nowhere."""


class PointCard:
    """A table of bins with points each, in which every score is looked up.

    A subclass sets ``inputs_`` and ``on_unseen``, and stores its table by `_keep`.
    """

    kind: CreditKind = "records"
    inputs_: Inputs
    on_unseen: Unseen
    table_: pd.DataFrame

    def _check_made(self) -> None:
        check_is_fitted(self)

    def _rows_of(self, X: Any) -> pd.DataFrame:
        """Return the rows to score as a frame for ``inputs_``."""
        return estimators.rows(self, X)

    def table(self) -> pd.DataFrame:
        """Return the table that all scores are looked up in.

        Returns
        -------
        DataFrame
            The base row, then the bins of each feature that carries points: ``feature``, ``bin`` (id),
            ``kind`` (base, interval, level, missing, unseen), ``lower`` (in the bin), ``upper`` (not in it),
            ``levels``, ``count``, ``events``, ``woe``, ``iv`` (information value), ``coefficient``,
            ``points`` and ``log_odds`` (of the event).
        """
        self._check_made()
        table: pd.DataFrame = self.table_.copy()
        return table

    def span(self) -> tuple[float, float]:
        """Return the fewest and the most points that the table could give anybody."""
        by_feature = self.table_.groupby("feature", sort=False)["points"]
        return float(by_feature.min().sum()), float(by_feature.max().sum())

    def bin_rows(self, X: Any) -> pd.DataFrame:
        """Return the bin of each row in each feature that has points, as row numbers of the table."""
        frame = self._rows_of(X)
        matrix = self.inputs_.read(frame, self.on_unseen)
        out: dict[str, NDArray[np.int64]] = {}
        for name, rows in self._rows_.items():
            out[name] = self._place(name, rows, matrix) + self._first_[name]
        return pd.DataFrame(out, index=frame.index)

    def _keep(self, table: pd.DataFrame) -> None:
        """Store the table, and each feature's rows of it as scoring looks them up."""
        self.table_ = typed(table)
        names = self.table_["feature"].to_list()
        self._rows_: dict[str, list[dict[Any, Any]]] = {name: [] for name in dict.fromkeys(names[1:])}
        self._first_ = {name: names.index(name) for name in self._rows_}
        for row in self.table_[["feature", "kind", "lower", "levels"]].iloc[1:].to_dict("records"):
            self._rows_[row["feature"]].append(row)

    def _sums(self, X: Any, *columns: str) -> list[Floats]:
        where = self.bin_rows(X)
        sums = []
        for column in columns:
            values = self.table_[column].to_numpy()
            total = np.full(len(where), values[0])
            for name in where.columns:  # feature by feature: a row's bits do not depend on the other rows
                total += values[where[name].to_numpy()]
            sums.append(total)
        return sums

    def points(self, X: Any) -> Floats:
        """Return credit points, shape (n,); more is more trustworthy."""
        self._check_made()
        return self._sums(X, "points")[0]

    def _place(self, name: str, rows: Sequence[Mapping[Any, Any]], matrix: Floats) -> NDArray[np.int64]:
        return place(rows, matrix[:, self.inputs_.names.index(name)], self.inputs_.levels.get(name))
