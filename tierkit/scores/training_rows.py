"""Training rows of both models, with date, outcome and weight, and their split by time.

**Risk.** A row is an on-site inspection; its features are those known before its date, its outcome is whether
at least a minor violation was found. Who is inspected is not everybody alike, so a scheme says which rows
stand for everybody: ``random`` takes the equal-chance audits alone; ``weighted`` takes them and the routine
inspections, each weighted by one over the probability with which it was drawn and served; ``naive`` takes
every row as it comes, triggered ones too, as is commonly done, and is kept for comparison.

**Credit.** A row is an enterprise on a snapshot date a year or more before the end of the records; its
outcome is whether a new adverse event that no inspection brings about became known within the twelve months
after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from tierkit.arrays import Mask
from tierkit.features import features_of, on_register, read_by
from tierkit.features.catalogue import Sign
from tierkit.records import CREDIT_TARGET, DataError, Problem
from tierkit.records.arguments import one_of
from tierkit.records.known import Known, Source, opened
from tierkit.scores.metrics import effective_size

__all__ = [
    "SCHEMES",
    "Scheme",
    "Split",
    "TrainingRows",
    "chosen_rows",
    "credit_frame",
    "hold_out",
    "lots",
    "snapshots",
    "split_at",
    "time_split",
    "training_frame",
    "weights",
]

Scheme = Literal["naive", "random", "weighted"]
SCHEMES: tuple[Scheme, ...] = ("naive", "random", "weighted")
_CHANNELS: dict[str, tuple[str, ...]] = {"random": ("random",), "weighted": ("random", "routine")}


HISTORY_DAYS = 182  # rows with less history before them would teach that no record means no risk
_CLIP = 0.99  # quantile of a channel's weights above which they are cut off


@dataclass(frozen=True)
class TrainingRows:
    """Rows to train on.

    Parameters
    ----------
    X : DataFrame of shape (n, n_features)
        Features that the model reads, by row number.
    y : int array of shape (n,)
        1 for the event.
    weight : float array of shape (n,)
        Mean 1.
    rows : DataFrame of shape (n, any)
        ``enterprise_id``, ``as_of`` and, for risk, ``channel``.
    report : mapping
        Counts of rows taken and left out, and what was clipped.
    signs : mapping of str to {-1, 0, 1}, optional
        Which way more of a feature moves the outcome; that of the catalogue of features if absent.
    """

    X: pd.DataFrame
    y: NDArray[np.int64]
    weight: NDArray[np.float64]
    rows: pd.DataFrame
    report: Mapping[str, Any] = field(default_factory=dict)
    signs: Mapping[str, Sign] | None = None


@dataclass(frozen=True)
class Split:
    """Rows split by date; rows of one date are in one part.

    Parameters
    ----------
    train, calibrate, test : bool array of shape (n,)
    calibrate_from, test_from : date
        First dates of the two later parts.
    """

    train: Mask
    calibrate: Mask
    test: Mask
    calibrate_from: date
    test_from: date


def time_split(dates: ArrayLike | pd.Series, calibrate: float = 0.2, test: float = 0.2) -> Split:
    """Split rows by date, the earliest for training and the latest for testing.

    Parameters
    ----------
    dates : array of dates, shape (n,)
    calibrate, test : float
        Shares of the rows, as near as whole days allow.

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        If there are fewer than three different dates.

    Examples
    --------
    >>> split = time_split(pd.date_range("2024-01-01", periods=10))
    >>> split.train.sum(), split.calibrate.sum(), split.test.sum(), split.test_from
    (np.int64(6), np.int64(2), np.int64(2), datetime.date(2024, 1, 9))
    """
    days = pd.to_datetime(pd.Series(np.asarray(dates)))
    ordered = days.sort_values(ignore_index=True)
    if ordered.nunique() < 3:
        raise ValueError("Rows of fewer than three dates cannot be split by time. Give a longer history.")
    n = len(ordered)
    first = ordered.iloc[round(n * (1 - calibrate - test))]
    second = ordered.iloc[min(round(n * (1 - test)), n - 1)]
    # Where one date holds a whole part, the borders move on so that no part is empty.
    different = ordered.drop_duplicates(ignore_index=True)
    first = min(max(first, different.iloc[1]), different.iloc[-2])
    second = max(second, different[different > first].iloc[0])
    return split_at(days, first.date(), second.date())


def split_at(dates: ArrayLike | pd.Series, calibrate_from: date, test_from: date) -> Split:
    """Return the split of rows whose later parts begin on these days, as a manifest keeps them.

    Examples
    --------
    >>> split = split_at(pd.date_range("2024-01-01", periods=10), date(2024, 1, 7), date(2024, 1, 9))
    >>> split.train.sum(), split.calibrate.sum(), split.test.sum()
    (np.int64(6), np.int64(2), np.int64(2))
    """
    days = pd.to_datetime(pd.Series(np.asarray(dates)))
    train = (days < pd.Timestamp(calibrate_from)).to_numpy()
    test = (days >= pd.Timestamp(test_from)).to_numpy()
    return Split(train, ~train & ~test, test, calibrate_from, test_from)


def lots(ids: pd.Series, key: int | str = 0) -> NDArray[np.uint64]:
    """Return a hash of each id and a key, in 0 … 2**64 - 1, that serves as a reproducible random number.

    Parameters
    ----------
    ids : Series of str, shape (n,)
    key : int or str

    Returns
    -------
    uint64 array of shape (n,)

    Examples
    --------
    >>> lots(pd.Series(["b", "a", "b"])) // np.uint64(2**56)
    array([233, 229, 233], dtype=uint64)
    """
    numbers, different = pd.factorize(ids)
    digests = b"".join(hashlib.blake2b(f"{key}:{one}".encode(), digest_size=8).digest() for one in different)
    found: NDArray[np.uint64] = np.frombuffer(digests, "<u8")[numbers]
    return found


def hold_out(ids: pd.Series, share: float = 0.3, seed: int = 0) -> Mask:
    """Return which enterprises are held out for testing: a fixed lot for each id.

    Examples
    --------
    >>> hold_out(pd.Series(["a", "b", "c", "d"]), share=0.5).tolist()
    [False, False, False, True]
    """
    chosen: Mask = lots(ids, seed) < share * 2.0**64
    return chosen


def weights(
    propensity: ArrayLike, served_share: ArrayLike, channel: pd.Series
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Return weights that make inspected rows represent all enterprises, and a report of the clipping.

    Parameters
    ----------
    propensity, served_share : float array of shape (n,)
        Probabilities that the obligation was drawn, and that a draw was served.
    channel : Series of shape (n,)
        Each channel is a sample of everybody by itself: its weights are 1 / (propensity × served share), cut
        off at their 99th percentile, and the channels are mixed by their effective sizes, which keeps the
        mixture a sample of everybody and makes the most of it.

    Returns
    -------
    tuple of float array of shape (n,) and dict
        Weights of mean 1; for each channel its rows, effective size, the cut-off as a multiple of the
        channel's mean weight, the rows cut, and the share of weight that was cut off.

    Examples
    --------
    >>> w, report = weights([0.5, 0.25], [1, 1], pd.Series(["random", "random"]))
    >>> w.round(3).tolist(), report["random"]["rows"]
    ([0.669, 1.331], 2)
    """
    raw = 1 / (np.asarray(propensity, np.float64) * np.asarray(served_share, np.float64))
    out = np.zeros(raw.size)
    report: dict[str, Any] = {}
    names = channel.astype("str").to_numpy()
    for name in sorted(set(names)):
        here = names == name
        full = raw[here]
        cut = np.minimum(full, np.quantile(full, _CLIP))
        size = effective_size(cut)
        out[here] = cut / cut.sum() * size
        report[name] = {
            "rows": int(here.sum()),
            "effective_size": round(size, 1),
            "cut_off": round(float(cut.max() / full.mean()), 3),
            "rows_cut": int((full > cut).sum()),
            "weight_cut": round(float(1 - cut.sum() / full.sum()), 5),
        }
    return out * raw.size / out.sum() if out.size else out, report


def _nothing(message: str, remedy: str) -> DataError:
    return DataError([Problem("inspections", "", 0, (), message, remedy)])


def training_frame(
    data: Source | Known,
    as_of: date | str | None = None,
    scheme: Scheme = "weighted",
    *,
    threads: int = 1,
) -> TrainingRows:
    """Return the inspections before a date as rows to train the risk model on.

    Parameters
    ----------
    data : Dataset or path
    as_of : date
        Nothing known on this day or later is used.
    scheme : {"naive", "random", "weighted"}
        Which rows are taken, and how they are weighted; see the head of this module.
    threads : int
        Does not change the result.

    Returns
    -------
    TrainingRows
        By date, then check code.

    Raises
    ------
    DataError
        If no row is left.

    Examples
    --------
    >>> rows = training_frame("data/synthetic", "2024-12-30", "random")
    >>> set(rows.rows["channel"]), bool(rows.rows["as_of"].max() < pd.Timestamp("2024-12-30"))
    ({'random'}, True)
    """
    with opened(data, as_of, threads=threads) as known:
        rows, report = chosen_rows(known, scheme)
        X = features_of(known, rows)[read_by("risk")]
    weight = np.ones(len(rows))
    if scheme == "weighted":
        weight, report["weights"] = weights(rows["propensity"], rows["served_share"], rows["channel"])
    report["rows"] = len(rows)
    y = rows["found"].to_numpy(np.int64)
    return TrainingRows(X, y, weight, rows[["enterprise_id", "as_of", "channel"]], report)


def chosen_rows(known: Known, scheme: Scheme) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the inspections that a scheme takes, without features, and counts of those that it leaves out.

    Raises
    ------
    DataError
        If no row is left.
    """
    one_of(scheme, SCHEMES, "scheme")
    day = known.day
    seen = known.query(
        "SELECT enterprise_id, inspected_on AS as_of, CAST(channel AS VARCHAR) AS channel, "
        "finding <> 'none' AS found, mode <> 'offsite' AS visited, propensity, served_share "
        "FROM known_inspections ORDER BY inspected_on, check_code"
    )
    if not len(seen):
        raise _nothing(f"has no rows before {day}", "Give records, or a later date.")
    settled = seen["as_of"] >= seen["as_of"].min() + pd.Timedelta(days=HISTORY_DAYS)
    right = seen["channel"].isin(_CHANNELS.get(scheme, ())) | (scheme == "naive")
    drawn = seen["propensity"].notna() & seen["served_share"].notna() if scheme == "weighted" else right
    report: dict[str, Any] = {
        "inspections": len(seen),
        "off_site": int((~seen["visited"]).sum()),
        "too_early": int((seen["visited"] & ~settled).sum()),
        "other_channels": int((seen["visited"] & settled & ~right).sum()),
        "without_propensity": int((seen["visited"] & settled & right & ~drawn).sum()),
    }
    rows = seen[seen["visited"] & settled & right & drawn].reset_index(drop=True)
    if not len(rows):
        left_out = {
            "were off site": report["off_site"],
            f"lie in the first {HISTORY_DAYS} days of the records": report["too_early"],
            "are of other channels": report["other_channels"],
            "have no propensity": report["without_propensity"],
        }
        why = ", ".join(f"{n:,} {what}" for what, n in left_out.items() if n)
        message = f"has no rows for the scheme '{scheme}': of {len(seen):,} before {day}, {why}"
        raise _nothing(message, "Give a later date, more records, or another scheme.")
    return rows, report


def credit_frame(data: Source | Known, as_of: date | str | None = None, *, threads: int = 1) -> TrainingRows:
    """Return enterprises on snapshot dates as rows to train the scorecard on.

    Snapshots lie 12, 24, … months before the date, as long as half a year of records lies before them.
    Enterprises that closed within the twelve months without an event are left out, since their outcome is not
    known.

    Parameters
    ----------
    data : Dataset or path
    as_of : date
        Nothing known on this day or later is used.
    threads : int
        Does not change the result.

    Returns
    -------
    TrainingRows
        By snapshot, the latest first, then in the order of the enterprises.

    Raises
    ------
    DataError
        If the records do not reach back far enough.

    Examples
    --------
    >>> rows = credit_frame("data/synthetic", "2024-12-30")
    >>> rows.report["snapshots"], rows.rows["as_of"].unique().tolist()
    (1, [Timestamp('2023-12-30 00:00:00')])
    """
    with opened(data, as_of, threads=threads) as known:
        frame, y, report = snapshots(known)
        X = features_of(known, frame)[read_by("credit")]
    return TrainingRows(X, y, np.ones(len(frame)), frame, report)


def snapshots(known: Known) -> tuple[pd.DataFrame, NDArray[np.int64], dict[str, int]]:
    """Return the rows of `credit_frame` without features: pairs, outcomes, and counts.

    Raises
    ------
    DataError
        If the records do not reach back far enough.
    """
    day = pd.Timestamp(known.day)
    ids = known.ids()
    first = known.query(
        "SELECT least((SELECT min(inspected_on) FROM known_inspections), "
        "(SELECT min(known_on) FROM known_credit_events)) AS first",
        ids,
    )["first"].iloc[0]
    listed = ", ".join(f"'{kind}'" for kind in CREDIT_TARGET)
    events = known.query(
        f"SELECT enterprise_id, known_on FROM known_credit_events WHERE kind IN ({listed})", ids
    )
    closed = known.query('SELECT "row", closed_on FROM known_enterprises ORDER BY "row"', ids)
    closing = pd.Series(pd.NaT, index=range(len(ids)), dtype="datetime64[us]")
    closing.iloc[closed["row"].to_numpy()] = closed["closed_on"].to_numpy()
    rows, late = [], []
    years, unknown = 1, 0
    while pd.notna(first) and day - pd.DateOffset(years=years) >= first + pd.Timedelta(days=HISTORY_DAYS):
        start, end = day - pd.DateOffset(years=years), day - pd.DateOffset(years=years - 1)
        pairs = pd.DataFrame({"enterprise_id": ids, "as_of": start})
        window = events[(events["known_on"] >= start) & (events["known_on"] < end)]
        event = pairs["enterprise_id"].isin(window["enterprise_id"])
        here = on_register(known, pairs)
        open_ = here & ~event & (closing < end)
        take = here & ~open_
        unknown += int(open_.sum())
        rows.append(pairs[take])
        late.append(event[take])
        years += 1
    if not rows:
        message = (
            f"reach back too little: a snapshot needs {HISTORY_DAYS} days before it and 12 months after it"
        )
        remedy = "Give a longer history, or a later date."
        raise DataError([Problem("credit_events", "", 0, (), message, remedy)])
    frame = pd.concat(rows, ignore_index=True)
    y = pd.concat(late).to_numpy().astype(np.int64)
    report = {"rows": len(frame), "snapshots": years - 1, "closed_without_event": unknown}
    return frame, y, report
