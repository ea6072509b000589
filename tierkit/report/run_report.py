"""The results of a run that a report shows, and the folder that stores them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pandas as pd
from pandas.api.types import is_string_dtype

from tierkit import texts
from tierkit.bounds import UnreadableError
from tierkit.compare.intervals import mean_interval
from tierkit.compare.spread import Spread
from tierkit.folders import read_sealed_folder, whole_folder
from tierkit.policy import Policy
from tierkit.records import PLACE_FILE, SHANGHAI, DataError, Place, Problem
from tierkit.records.parquet import read_sealed, write_sealed
from tierkit.report.sheets import Sheet
from tierkit.scores.content import (
    ContentError,
    anything,
    count,
    day,
    digest,
    either,
    flag,
    mapping,
    maybe,
    number,
    record,
    series,
    text,
)

__all__ = ["RunReport"]


_NUMBER, _TEXT, _FLAG = "iuf", "t", "b"
_EFFECTS = dict.fromkeys(("policy", "baseline", "group", "level", "measure", "unit"), _TEXT) | dict.fromkeys(
    ("kappa", "weeks", "over", "value", "low", "high", "baseline_value", "difference", "difference_low",
     "difference_high", "relative", "replicates", "n"), _NUMBER
)  # fmt: skip
_TABLES: Mapping[str, Mapping[str, str]] = {
    "summary": _EFFECTS,
    "years": {**_EFFECTS, "year": _NUMBER},
    "transitions": dict.fromkeys(("policy", "first", "last"), _TEXT)
    | dict.fromkeys(("kappa", "weeks", "enterprises", "low", "high", "share", "replicates", "n"), _NUMBER),
    "by_replicate": dict.fromkeys(("policy", "measure"), _TEXT)
    | dict.fromkeys(("kappa", "weeks", "replicate", "value"), _NUMBER),
    "tiers": {"policy": _TEXT, "enterprise_id": _TEXT, "tier": _TEXT},
    "scores": {"credit_points": _NUMBER},
    "visits": {"policy": _TEXT, "visits": _NUMBER, "enterprises": _NUMBER},
    "ratings": {"agency": _TEXT} | dict.fromkeys(("value", "low", "high", "n"), _NUMBER),
    "moments": {"moment": _TEXT, "source": _TEXT, "holds": _FLAG}
    | dict.fromkeys(("value", "low", "high", "lowest", "highest", "n"), _NUMBER),
    "apart": dict.fromkeys(("policy", "measure", "apart"), _TEXT)
    | dict.fromkeys(("difference", "difference_low", "difference_high", "relative", "place"), _NUMBER)
    | dict.fromkeys(("has", "assumed", "turns"), _FLAG),
    "widths": dict.fromkeys(("policy", "measure", "within", "cutoffs"), _TEXT)
    | dict.fromkeys(
        (
            "change",
            "low",
            "high",
            "one_low",
            "one_high",
            "freedom",
            "same_sign",
            "worlds",
            "models",
            "replicates",
            "enterprises",
        ),
        _NUMBER,
    ),
    "width_parts": dict.fromkeys(("policy", "measure", "cutoffs", "part"), _TEXT)
    | dict.fromkeys(("variance", "sd", "share"), _NUMBER),
    "width_order": dict.fromkeys(("measure", "lower", "higher"), _TEXT)
    | dict.fromkeys(("share", "low", "high", "units"), _NUMBER)
    | {"sure": _FLAG},
    "calibration": dict.fromkeys(("n", "predicted", "observed", "low", "high"), _NUMBER),
}
"""Tables that a run may hold → the columns that each must have, with the kinds of their values."""


def _facts(value: Any, place: str) -> None:
    """Hold what is told of a run to its form: plain values, and a day where one is meant."""
    mapping(maybe(either(text(), number(), flag, series(maybe(either(text(), number()))))))(value, place)
    if value.get("as_of") is not None:
        day(value["as_of"], f"{place}.as_of")


_FORM = record(
    policies=series(text(), apart=True),
    kappa=number(0),
    weeks=count(1),
    metrics=mapping(mapping(maybe(number()))),
    cases=series(anything),
    facts=_facts,
    files=mapping(digest),
    seal=digest,
)


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """Results of one run, ready for the report.

    Attributes
    ----------
    summary : DataFrame
        ``Comparison.summary``; those of several kappas and horizons one below the other.
    policies : tuple of Policy
        Those compared, the baseline first.
    kappa : float
        The headline's kappa, one of the summary's.
    weeks : int
        The headline's horizon, one of the summary's.
    years : DataFrame, optional
        ``Comparison.years``; those of several kappas one below the other.
    transitions : DataFrame, optional
        ``Comparison.transitions``; likewise.
    by_replicate : DataFrame, optional
        ``Comparison.by_replicate``; likewise. Without it two plans count as told apart only where their
        intervals do not overlap.
    tiers : DataFrame, optional
        ``policy``, ``enterprise_id``, ``tier``, ``risk_level``, ``credit_grade``: every policy's assignment
        of the same scores (`tierkit.policy.tiers.assign`), one below the other; and ``unmonitored``, who is
        on the list.
    scores : DataFrame, optional
        With ``credit_points``: the models' scores that the tiers rest on. Without scores and tiers the page
        says that the rule score stood in.
    visits : DataFrame, optional
        ``policy``, ``visits``, ``enterprises``: how many enterprises got how many visits; from
        ``Comparison.visits`` by `visits_frame`.
    ratings : DataFrame, optional
        `tierkit.compare.agencies.ratings` of the records.
    moments : DataFrame, optional
        `tierkit.evaluate.moments`.
    apart : DataFrame, optional
        `tierkit.compare.apart.headlines_apart`: the headlines with and without campaigns, lists and caps.
    widths, width_parts, width_order : DataFrame, optional
        `Spread.rows`, ``parts`` and ``order``: the headline's changes over models, or over cities like this.
    calibration : DataFrame, optional
        `tierkit.scores.metrics.calibration_table` on the test period.
    metrics : mapping, optional
        ``risk`` and ``credit`` → measures of the models (`tierkit.scores.metrics.measures`), and what tells
        their error (`tierkit.report.tables.weak_models`).
    cases : tuple of Sheet
        Example enterprises.
    facts : mapping of str to str or number
        Versions, seeds, dates and hashes, in the order in which they are shown.
    """

    summary: pd.DataFrame
    policies: tuple[Policy, ...]
    kappa: float = 0.1
    weeks: int = 52
    years: pd.DataFrame | None = None
    transitions: pd.DataFrame | None = None
    by_replicate: pd.DataFrame | None = None
    tiers: pd.DataFrame | None = None
    scores: pd.DataFrame | None = None
    visits: pd.DataFrame | None = None
    ratings: pd.DataFrame | None = None
    moments: pd.DataFrame | None = None
    apart: pd.DataFrame | None = None
    widths: pd.DataFrame | None = None
    width_parts: pd.DataFrame | None = None
    width_order: pd.DataFrame | None = None
    calibration: pd.DataFrame | None = None
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cases: tuple[Sheet, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise if summary and policies do not belong together."""
        told = list(dict.fromkeys(self.summary["policy"].astype(str)))
        given = [policy.name for policy in self.policies]
        if told != given:
            raise ValueError(
                f"The 'policies' must be those of the summary, the baseline first: {told}. "
                f"Got {given} instead."
            )

    @cached_property
    def effects(self) -> Mapping[tuple[str, str, float, int], dict[Any, Any]]:
        """Rows of all enterprises together: (measure, policy, kappa, weeks) → row."""
        rows = self.summary[self.summary["group"] == "all"]
        return {
            (str(row["measure"]), str(row["policy"]), float(row["kappa"]), int(row["weeks"])): row
            for row in rows.to_dict("records")
        }

    @cached_property
    def spread(self) -> Spread | None:
        """The headline's changes over models or cities like this, if they were run."""
        if self.widths is None or self.width_parts is None or self.width_order is None or self.widths.empty:
            return None
        names = tuple(policy.name for policy in self.policies)
        return Spread(self.widths, self.width_parts, self.width_order, names, self.kappa, self.weeks)

    @property
    def place(self) -> Place:
        """The place of the policies, which is that of the world that they were run on."""
        return next((one.place for one in self.policies if one.place is not None), SHANGHAI)

    @property
    def replicates(self) -> int:
        """Replicates of the headline's case."""
        row = self.effects["inspections", self.policies[0].name, self.kappa, self.weeks]
        return int(row["replicates"])

    @property
    def has_models(self) -> bool:
        """Whether tiers rest on scores of models; without them the rule score stands in."""
        return self.scores is not None or self.tiers is not None

    @cached_property
    def titles(self) -> Mapping[str, Mapping[str, str]]:
        """Titles of policies that are not presets: name → language → title.

        One whose title, as short as a figure shows it, another has too is left out, so that its name tells
        the two apart.
        """
        whole = {p.name: {lang: p.meta.title.text(lang) for lang in texts.LANGUAGES} for p in self.policies}
        with texts.titled(whole):
            told = {name: [texts.policy_label(name, lang) for lang in texts.LANGUAGES] for name in whole}
        shown = Counter(label for labels in told.values() for label in set(labels))
        return {name: whole[name] for name, labels in told.items() if all(shown[one] == 1 for one in labels)}

    def told_apart(
        self, measure: str, one: str, other: str, kappa: float, weeks: int, *, among: int = 1
    ) -> bool:
        """Return whether the 95 % interval of the paired difference of two policies leaves out zero.

        A policy that was picked as the best is held against ``among`` so many others at once.

        Where the replicates are not kept, whether the two intervals of their differences from the baseline
        lie apart: that is stricter, since paired differences spread at most as far as both together.
        """
        if self.by_replicate is None:
            rows = [self.effects[measure, name, kappa, weeks] for name in (one, other)]
            (a, b), (c, d) = ((row["difference_low"], row["difference_high"]) for row in rows)
            return bool(b < c or d < a)  # false without intervals
        frame = self.by_replicate
        own = frame[(frame["measure"] == measure) & (frame["kappa"] == kappa) & (frame["weeks"] == weeks)]
        values = own.pivot_table(index="replicate", columns="policy", values="value", observed=True)
        _, low, high = mean_interval((values[one] - values[other]).to_numpy(float), among)
        return bool(low > 0 or high < 0)

    @staticmethod
    def visits_frame(visits: Mapping[str, Any]) -> pd.DataFrame:
        """Return ``Comparison.visits`` as one tidy frame.

        Examples
        --------
        >>> RunReport.visits_frame({"legacy": [70, 30]}).values.tolist()
        [['legacy', 0, 70], ['legacy', 1, 30]]
        """
        rows = [(name, k, int(n)) for name, counts in visits.items() for k, n in enumerate(counts)]
        return pd.DataFrame(rows, columns=["policy", "visits", "enterprises"])

    def save(self, folder: str | Path) -> Path:
        """Write everything into a folder, whole or not at all: Parquet, TOML and JSON, no pickle.

        Parameters
        ----------
        folder : path
            A run that is there is replaced; anything else is left alone.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        OutputError
            If another process is writing there, or the folder holds something other than a run.
        """
        with whole_folder(Path(folder), "run") as draft:
            self._fill(draft)
        return Path(folder)

    def _fill(self, place: Path) -> None:
        """Write everything into an empty folder."""
        (place / "policies").mkdir()
        for name in _TABLES:
            frame = getattr(self, name)
            if frame is not None:
                write_sealed(frame, place / f"{name}.parquet")
        # Numbered, since a policy's name is text from somebody's file and no safe file name.
        for k, policy in enumerate(self.policies):
            (place / "policies" / f"{k:02d}.toml").write_text(policy.to_toml(), encoding="utf-8")
        if not self.place.bundled:
            (place / "policies" / PLACE_FILE).write_text(self.place.to_toml(), encoding="utf-8")
        rest = {
            "policies": [policy.name for policy in self.policies],
            "kappa": self.kappa,
            "weeks": self.weeks,
            "metrics": {name: dict(values) for name, values in self.metrics.items()},
            "cases": [case.to_dict() for case in self.cases],
            "facts": dict(self.facts),
        }
        told = json.dumps(rest, ensure_ascii=False, indent=1, default=str)
        (place / "run.json").write_text(told + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Return the run that `save` wrote.

        Raises
        ------
        FileNotFoundError
            If the folder holds no run.
        DataError
            If its ``run.json`` cannot be read, or a table of it was altered after it was written.
        """
        place = Path(folder)
        file = place / "run.json"
        if not file.is_file():
            raise FileNotFoundError(
                f"There is no run in '{place}': run.json is missing. Simulate one into it."
            )
        try:
            said = read_sealed_folder(place, "run")
            _FORM(said, "")
        except UnreadableError as error:
            raise _unfit(f"cannot be read: {error}", error.remedy) from error
        except ContentError as error:
            raise _unfit(f"is no run's: {error}") from error
        frames: dict[str, Any] = {
            name: _frame(place / f"{name}.parquet", columns)
            for name, columns in _TABLES.items()
            if f"{name}.parquet" in said["files"]
        }
        if "summary" not in frames:
            raise _unfit("is no run's: it lists no summary.parquet")
        names = [f"policies/{k:02d}.toml" for k in range(len(said["policies"]))]
        if missing := [name for name in names if name not in said["files"]]:
            raise _unfit(f"is no run's: it lists no {missing[0]}")
        policies = tuple(Policy.load(place / name) for name in names)
        of_place = next((one.place for one in policies if one.place is not None), SHANGHAI)
        cases = tuple(_case(k, case, of_place) for k, case in enumerate(said["cases"]))
        rest = {name: said[name] for name in ("kappa", "weeks", "metrics", "facts")}
        try:
            run = cls(policies=policies, cases=cases, **frames, **rest)
            run.effects["inspections", policies[0].name, run.kappa, run.weeks]
        except ValueError as error:
            raise _unfit(f"does not fit its tables: {error}") from error
        except KeyError as error:
            message = f"does not fit its tables: the summary has no κ = {run.kappa:g} with {run.weeks} weeks"
            raise _unfit(message) from error
        return run


def _unfit(message: str, remedy: str = "") -> DataError:
    return DataError([Problem("run.json", "", 0, (), message, remedy or "Simulate the run again")])


def _case(k: int, case: Mapping[str, Any], place: Place) -> Sheet:
    """Read an example enterprise; its parts have forms of their own, and are written by `Sheet.to_dict`."""
    try:
        return Sheet.from_dict(case, place)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unfit(f"is no run's: cases[{k}] is no enterprise of a sheet") from error


def _frame(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read a table of a run, which has at least some columns, of kinds that its page can show."""
    try:
        frame: pd.DataFrame = read_sealed(path)[0].to_pandas()
    except UnreadableError as error:
        message = f"{path} cannot be read: {error}"
        raise DataError([Problem(path.stem, "", 0, (), message, "Simulate the run again.")]) from error
    for name, kinds in columns.items():
        if name not in frame or _kind(frame[name]) not in kinds:
            what = "is missing" if name not in frame else f"holds {frame[name].dtype}"
            raise DataError([Problem(path.stem, name, 0, (), what, "Simulate the run again.")])
    return frame


def _kind(column: pd.Series) -> str:
    return (
        "t" if is_string_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype) else column.dtype.kind
    )
