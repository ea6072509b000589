"""Score a whole city in chunks: the same bits for any chunk size, resumable, and whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tierkit import __version__
from tierkit.bounds import UnreadableError, parse_json, read_json
from tierkit.explain import code_books, reason_codes
from tierkit.folders import replacing
from tierkit.folders.claims import OutputError, plain_path, unbroken
from tierkit.jobs.checks import Checks
from tierkit.jobs.staging import REJECTS, Rejects, Staged, column_problems, parquet_writer, stage
from tierkit.policy import Policy, PolicyLike
from tierkit.policy.tiers import assign, by_agency, listed, unknown_on_list
from tierkit.policy.tiers.drift import counts_of, origin, unheeded, warn_of_shares
from tierkit.policy.tiers.rule import lists_by_data
from tierkit.progress import Progress, quiet
from tierkit.records import TABLES, DataError, Folder, Problem, Tables, open_folder
from tierkit.records.dataset import frame_of
from tierkit.records.files import load_file
from tierkit.records.known import TIMED, Known, check_recorded, known
from tierkit.records.parquet import is_sealed, is_sound, read_sealed, verify_seal, write_sealed
from tierkit.records.rows import cell_problems, check_rows
from tierkit.results import Result
from tierkit.scores.basis import credit_basis
from tierkit.scores.manifest import stated_credit
from tierkit.scores.model import Model
from tierkit.scores.risk import RiskModel
from tierkit.scores.score_file import CERTAINTY, read_scores, score_schema
from tierkit.scores.worth import age, useless
from tierkit.spreadsheets import write_csv
from tierkit.texts import LANGUAGES, join, number, text

__all__ = [
    "CHUNK_ROWS",
    "Tally",
    "codes_path",
    "last_assignment",
    "model_digest",
    "previous_digest",
    "rejects_path",
    "score",
    "warn_of_missing",
    "warn_of_rule",
    "warn_of_unknown",
]

CHUNK_ROWS = 1 << 16
_REJECTS = ".rejects.parquet"
_SHARE = "share "
"""How the counts begin from which the shares of a whole city are told."""
_PREVIOUS = ["enterprise_id", "assigned_on", "tier", "risk_level", "credit_grade"]
_TO_LIST = [
    "enterprise_id", "sector", "risk_probability", "credit_points", "standing_records", "adverse_record",
    "serious_finding_weeks", "risk_level",
]  # fmt: skip
_LAST = replace(
    TABLES["tiers"],
    name="previous",
    columns={
        name: replace(TABLES["tiers"].columns[name], required=False, nullable=True, credit_code=False)
        for name in _PREVIOUS
    },
)
"""A last assignment as it is read: what is absent is told by `assign`, and any place's ids do."""


@dataclass(frozen=True, repr=False)
class Tally(Result):
    """What a batch did; the counts add up: rows in = scored + rejected + closed + not registered.

    Parameters
    ----------
    out, rejects : str
        The two files.
    rows_in : int
        Rows of the table of enterprises.
    scored, rejected : int
        Rows with a tier, and rows that break the contract.
    closed, not_registered : int
        Enterprises that had closed before the date, or were not registered before it.
    flagged : int
        Scored rows in which a model met something that it never saw at fit.
    tiers : mapping of str to int
        Scored rows by tier.
    records : mapping of str to mapping
        For each other table its rows and how many were rejected.
    codes : str or None
        The code book, where there are reason codes.
    grounds : mapping of str to sequence of str
        Language → where the cut-offs come from, how much older the models are, and with their figures which
        of them are no better than chance.
    """

    out: str
    rejects: str
    rows_in: int
    scored: int
    rejected: int
    closed: int
    not_registered: int
    flagged: int
    tiers: Mapping[str, int]
    records: Mapping[str, Mapping[str, int]]
    codes: str | None = None
    grounds: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Return the counts as one row."""
        names = ("rows_in", "scored", "rejected", "closed", "not_registered", "flagged")
        return pd.DataFrame([{name: getattr(self, name) for name in names} | dict(self.tiers)])

    def sentences(self, lang: str = "zh") -> list[str]:
        """Return the counts in words."""
        names = ("rows_in", "scored", "rejected", "closed", "not_registered")
        tiers = join((f"{tier} {number(n)}" for tier, n in self.tiers.items()), lang)
        counts = {name: number(getattr(self, name)) for name in names}
        said = [text("tally.said", lang, **counts), text("tally.tiers", lang, tiers=tiers)]
        return [*said, *self.grounds.get(lang, ())]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def rejects_path(out: str | os.PathLike[str]) -> Path:
    """Return where the reject file of an output lies.

    Examples
    --------
    >>> rejects_path("scores.parquet").name
    'scores.rejects.parquet'
    """
    path = Path(out)
    return path.with_name(path.stem + _REJECTS)


def codes_path(out: str | os.PathLike[str]) -> Path:
    """Return where the code book of an output lies: what its reason codes mean, in Chinese and English.

    Examples
    --------
    >>> codes_path("scores.parquet").name
    'scores.codes.csv'
    """
    path = Path(out)
    return path.with_name(f"{path.stem}.codes.csv")


def score(
    model: Model | str | os.PathLike[str],
    data: str | os.PathLike[str],
    as_of: date | str,
    policy: PolicyLike,
    out: str | os.PathLike[str],
    previous: pd.DataFrame | str | os.PathLike[str] | None = None,
    reasons: int = 0,
    chunk_rows: int = CHUNK_ROWS,
    resume: bool = False,
    *,
    certainty: bool = False,
    insist: bool = False,
    threads: int = 1,
    progress: Progress = quiet,
) -> Tally:
    """Score and tier every enterprise of a dataset, and write one Parquet file.

    The file holds the scores of `tierkit.scores.model.Model.score` and the tiers of
    `tierkit.policy.tiers.assign`, one row per enterprise in the order of their table, and ``assigned_on``,
    the day since which the tier stands, and ``unmonitored_by``, the agencies on whose lists an enterprise is
    where each agency fills its own. Rows that break the contract go to a reject file beside it; with
    reason codes comes a code book. All appear whole, under their names, at the end; what another command
    wrote there is not replaced.

    Parameters
    ----------
    model : Model or path
    data : path
        Folder of the dataset.
    as_of : date
        Cells known on this day or later are not used.
    policy : Policy, or name or path of one
    out : path
        A ``.parquet`` file.
    previous : DataFrame or path, optional
        The last assignment, for hysteresis and dwell: an earlier output, or a table of tiers; of several rows
        of an enterprise the last up to the date counts.
    reasons : int
        Reason codes of each score in the output; see `tierkit.explain.reason_codes`.
    chunk_rows : int
        Enterprises at a time; it changes no bit, only memory.
    resume : bool
        Go on where a run with the same inputs was cut off; else begin anew.
    certainty : bool
        Whether to say how many of the model's bootstrap models give the same tier, with Wilson's interval:
        ``tier_agreement``, ``agreement_low`` and ``agreement_high``, as
        `tierkit.scores.ensemble.Ensemble.certainty` compares them, the last assignment counted.
    insist : bool
        Whether to give tiers even if a model is no better than chance on what was kept back.
    threads : int
        Does not change the result.
    progress : Progress

    Returns
    -------
    Tally

    Raises
    ------
    ModelError
        If the model folder is refused.
    DataError
        If tables or the last assignment cannot be read, a table's columns break the contract, the records
        end before the date, or nobody can be scored; then nothing is written or replaced.
    BadInputError
        With everything that is wrong with the arguments, if certainty is asked of a model without an
        ensemble, if a run to resume had other inputs, or if another run is writing there.

    Examples
    --------
    >>> import tempfile
    >>> import tierkit as tk
    >>> model = tk.train("data/synthetic", "2024-12-30")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     out = f"{folder}/scores.parquet"
    ...     report = tk.score_folder(model, "data/synthetic", "2024-12-30", "jiading-2025", out)
    >>> report.rows_in == report.scored + report.rejected + report.closed + report.not_registered
    True
    """
    checks = Checks()
    if not isinstance(model, Model):
        checks.folder("model", model, "model", holds=["manifest.json"])
    checks.folder("data", data, "dataset")
    day = checks.date("as_of", as_of)
    meant = checks.policy("policy", policy, of_models=True)
    if previous is not None and not isinstance(previous, pd.DataFrame):
        checks.file("previous", previous)
    checks.at_least("reasons", reasons, 0)
    checks.at_least("chunk_rows", chunk_rows, 1)
    checks.at_least("threads", threads, 1)
    target = checks.out_file("out", out, [".parquet"], _check_replaceable)
    with checks.writing():
        assert meant is not None
        target = plain_path(target)
        loaded = model if isinstance(model, Model) else Model.load(model)
        loaded = replace(loaded, insist=insist or loaded.insist)
        checks.worth("model", loaded.manifest, loaded.insist)
        if certainty and loaded.ensemble is None:
            what = "the model" if isinstance(model, Model) else f"'{model}'"
            remedy = "Train it again with --bootstrap 20, say, or leave out `certainty`."
            checks.note("certainty", f"{what} was trained without a bootstrap", remedy)
        folder = open_folder(data)
        meant = checks.in_place("policy", meant, loaded.place, day)
        with checks.blame("data", "Give records of the model's place."):
            loaded.check_place(folder.place)
        assert meant is not None
        meant = loaded.policy_for(meant)
        warn_of_rule(meant)
        for one in (loaded.risk, *(loaded.ensemble.members if certainty and loaded.ensemble else ())):
            one.set_params(num_threads=threads)
        last = last_assignment(previous, day)
        nobody = pd.DataFrame(
            {"enterprise_id": [], "sector": [], "risk_probability": [], "credit_points": []}
        )
        assign(nobody, meant, last, as_of=day)  # so that a bad assignment or policy shows before the work
        check_recorded(day, folder.as_of)
        job = _Job(loaded, meant, day, last, reasons, certainty)
        key = _key(job, folder, chunk_rows)
        work = target.with_name(f".{target.name}.work")
        with checks.blame("resume", "Give the same inputs, or leave out `resume`."):
            _prepare(work, key, resume)
        try:
            return _run(job, folder, target, _Parts(work, key), threads, progress)
        except ValueError:  # bad input: there is nothing to go on with
            shutil.rmtree(work, ignore_errors=True)
            raise


def _run(job: _Job, folder: Folder, target: Path, parts: _Parts, threads: int, progress: Progress) -> Tally:
    """Score in parts those that no earlier run has scored, and put all together."""
    staged = _staged(folder, parts)
    warn_of_missing(folder)
    size = int(parts.key["chunk_rows"])
    with known(staged.files, job.day, threads=threads) as seen:
        ids = seen.ids()
        starts = range(0, max(len(ids), 1), size)
        tally: Counter[str] = Counter()
        progress("scoring", 0, len(ids))
        for number, start in enumerate(starts):
            counts = parts.kept(number)
            if counts is None:
                with unheeded():  # a chunk is no city; of the whole it is told below
                    table, counts = job.chunk(seen, ids.iloc[start : start + size])
                parts.keep(number, table, counts)
            tally.update(counts)
            progress("scoring", min(start + size, len(ids)), len(ids))
        lists = _lists(job.policy, seen, parts, len(starts)) if by_agency(job.policy) else None
        warn_of_unknown(job.policy, ids)
    report = replace(_report(target, staged, tally, job.reasons), grounds=_grounds(job))
    if not report.scored:
        raise DataError([_nobody(report, parts.work)])
    shares = {key.removeprefix(_SHARE): n for key, n in tally.items() if key.startswith(_SHARE)}
    warn_of_shares(job.policy, shares, stacklevel=3)
    _assemble(target, parts, len(starts), report, lists)
    shutil.rmtree(parts.work)
    return report


def _grounds(job: _Job) -> dict[str, list[str]]:
    """Return by language what the tiers rest on."""
    about = job.model.manifest
    return {
        lang: [
            *credit_basis(about.get("credit", {}), lang),
            *origin(job.policy, lang),
            *age(about.get("as_of", job.day), job.day, lang),
            *(one.sentence(lang) for one in useless(about)),
        ]
        for lang in LANGUAGES
    }


def _lists(policy: Policy, seen: Known, parts: _Parts, count: int) -> Mapping[str, str]:
    """Return the agencies on whose lists each enterprise is, where lists are filled over the whole city."""
    tables = []
    for part in range(count):
        with _taken_up(parts.work):
            tables.append(read_sealed(parts.path(part))[0].select(_TO_LIST).to_pandas())
    sql = """SELECT DISTINCT a.enterprise_id, o.agency FROM asked a
        JOIN known_obligations o ON o."row" = a."row" WHERE o.valid_to IS NULL ORDER BY ALL"""
    found = listed(pd.concat(tables, ignore_index=True), policy, seen.query(sql))
    on = found[found["listed"]].groupby("enterprise_id")["agency"].agg(";".join)
    return dict(zip(on.index.astype(str), on, strict=True))


def _check_replaceable(target: Path) -> None:
    """Raise if there is something, here or where reject file and code book go, that `score` did not write."""
    if target.name.endswith(_REJECTS):
        raise OutputError(f"'{target}' is the name of a reject file", f"Give one without '{_REJECTS}'.")
    ours = {target: _is_scores, rejects_path(target): _is_rejects, codes_path(target): _is_book}
    for path, is_ours in ours.items():
        if path.is_symlink() or (path.exists() and not (path.is_file() and is_ours(path))):
            what = f"'{path}' was not written by 'tierkit score'"
            raise OutputError(what, "Give another name, or move that file away.")


def _is_scores(path: Path) -> bool:
    try:
        said = parse_json((pq.read_schema(path).metadata or {})[b"tierkit"])
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return False
    # Whoever reads a file and writes it again keeps what it says of itself, but not the seal.
    return isinstance(said, dict) and {"model", "policy", "scored"} <= set(said) and is_sound(path)


def _is_rejects(path: Path) -> bool:
    try:
        schema = pq.read_schema(path)
    except (OSError, ValueError, pa.ArrowException):
        return False
    return bool(schema.equals(REJECTS)) and is_sound(path)


def _is_book(path: Path) -> bool:
    head = ",".join(code_books().columns).encode("utf-8-sig")
    with path.open("rb") as file:
        return file.read(len(head) + 2) == head + b"\r\n"


def _nobody(report: Tally, work: Path) -> Problem:
    """Return the problem that nobody was scored, with the first reasons for which rows were rejected."""
    rejects = pq.read_table(work / "rejects.parquet", filters=[("table", "==", "enterprises")])
    examples = tuple(f"row {one['row']}: {one['reason']}" for one in rejects.slice(0, 3).to_pylist())
    message = (
        f"holds nobody to score: of {report.rows_in:,} rows {report.rejected:,} are rejected, "
        f"{report.closed:,} had closed and {report.not_registered:,} were not registered before the date"
    )
    remedy = "Correct the rows, all of which 'tierkit validate' lists, or give another date"
    return Problem("enterprises", "", report.rows_in, examples, message, remedy)


def warn_of_missing(opened: Folder) -> str | None:
    """Warn of tables that features are taken from and that are not there; return their names."""
    names = ", ".join(f"'{name}'" for name in TIMED if name not in opened.files)
    if not names:
        return None
    warnings.warn(f"missing tables count as if nothing had happened: {names}", stacklevel=3)
    return names


def warn_of_unknown(policy: Policy, ids: pd.Series) -> None:
    """Warn of those on a policy's list who are not among these enterprises."""
    unknown = unknown_on_list(policy, ids)
    if unknown:
        file = policy["lists.unmonitored.file"].name
        said = f"{len(unknown):,} on the list '{file}' are not on the register here, such as {unknown[0]}"
        warnings.warn(said, stacklevel=3)


def warn_of_rule(policy: Policy) -> None:
    """Warn of a policy whose own tiers rest on a rule score, where the models' scores take its place."""
    if policy["scoring.basis"] == "rule":
        said = f"under {policy.name} tiers rest on a rule score of its own; here the models' take its place"
        warnings.warn(said, stacklevel=3)


def last_assignment(previous: pd.DataFrame | str | os.PathLike[str] | None, day: date) -> pd.DataFrame | None:
    """Return the last assignment of each enterprise up to the date, for `tierkit.policy.tiers.assign`."""
    if previous is None:
        return None
    frame = _held(previous if isinstance(previous, pd.DataFrame) else _read(Path(previous)))
    if "assigned_on" in frame:
        frame = frame[~(frame["assigned_on"] > pd.Timestamp(day))]
        frame = frame.sort_values("assigned_on", kind="stable", na_position="first")
        frame = frame.drop_duplicates("enterprise_id", keep="last")
    return frame


def previous_digest(last: pd.DataFrame) -> str:
    """Return the hash of a last assignment, as an output names it."""
    return _digest(last.to_csv(index=False))


def _read(path: Path) -> Any:
    """Read an earlier output, which must be as it was written, or a table of tiers of anybody's."""
    try:
        if path.suffix == ".parquet" and is_sealed(path):
            table, said = read_sealed(path)
            return read_scores(path, "previous")[0] if "tierkit" in said else table
        (table,) = load_file(path, _LAST)
    except (OSError, UnreadableError) as error:
        message = f"{path} cannot be read: {error}"
        remedy = "Give an earlier output, or a table of tiers, as Parquet or CSV."
        raise DataError([Problem("previous", "", 0, (), message, remedy)]) from error
    return table


def _held(last: Any) -> pd.DataFrame:
    """Return the columns that count of a last assignment (frame or Arrow table), in declared types."""
    names = list(last) if isinstance(last, pd.DataFrame) else last.column_names
    read = [k for k, name in enumerate(names) if name in _PREVIOUS]
    rows = check_rows(last.iloc[:, read] if isinstance(last, pd.DataFrame) else last.select(read), _LAST)
    problems = cell_problems(rows)
    remedy = "Give an earlier output, or a table of tiers."
    problems += [
        Problem("previous", name, 0, (), "is a column that is missing", remedy)
        for name in _PREVIOUS
        if name != "assigned_on" and name not in names
    ]
    if problems:
        raise DataError(problems)
    return frame_of(rows)


def _key(job: _Job, folder: Folder, chunk_rows: int) -> dict[str, Any]:
    """Return everything that the result depends on, and the chunk size, which its parts depend on."""
    return {
        "tierkit": __version__,
        "model": model_digest(job.model),
        "data": _digests(folder),
        "policy": job.policy.hash,
        "policy_name": job.policy.name,
        "list": str(job.policy["lists.unmonitored.file"]) if lists_by_data(job.policy) else "",
        "as_of": job.day.isoformat(),
        "previous": "" if job.last is None else previous_digest(job.last),
        "reasons": job.reasons,
        "certainty": _ensemble_digest(job.model) if job.certainty else "",
        "chunk_rows": chunk_rows,
        **({} if job.model.credit.kind == "records" else {"credit": stated_credit(job.model.credit)}),
    }


def model_digest(model: Model) -> str:
    """Return the hash of all of a model that a score depends on, as an output names it."""
    return _digest(_risk_text(model.risk) + model.credit.to_json())


def _risk_text(risk: RiskModel) -> str:
    trees, rest = risk.to_parts()
    rest["parameters"].pop("num_threads")
    return trees + json.dumps(rest, sort_keys=True)


def _ensemble_digest(model: Model) -> str:
    members, cards = (model.ensemble.members, model.ensemble.cards) if model.ensemble else ((), ())
    return _digest("".join([*map(_risk_text, members), *(one.to_json() for one in cards)]))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _prepare(work: Path, key: Mapping[str, Any], resume: bool) -> None:
    """Make the folder of the unfinished run, or take it up again if it was one of the same inputs."""
    before = _json(work / "key.json")
    if resume and before:
        other = sorted(name for name in {*key, *before} if before.get(name) != key.get(name))
        if other:
            raise ValueError(f"the unfinished run in '{work}' had other inputs: {', '.join(other)}")
        return
    if work.exists():
        said = "" if resume else "; with `resume` and the same inputs this one would have gone on"
        warnings.warn(f"an earlier run did not end; what it left is removed: '{work}'{said}", stacklevel=3)
        shutil.rmtree(work)
    work.mkdir()
    with replacing(work / "key.json") as temporary:
        temporary.write_text(json.dumps(key, indent=1), "utf-8")


def _json(path: Path) -> dict[str, Any]:
    """Return what a file of an unfinished run says; nothing if it is not there whole."""
    try:
        said = read_json(path)
    except (OSError, UnreadableError):
        return {}
    return said if isinstance(said, dict) else {}


@dataclass(frozen=True)
class _Parts:
    """The parts of an unfinished run, sealed, each with the digest of the run's key.

    A part that was not written under the same key, or is not what was written, is none.
    """

    work: Path
    key: Mapping[str, Any]

    @property
    def run(self) -> str:
        """The digest of the key."""
        return _digest(json.dumps(self.key, sort_keys=True))

    def path(self, number: int) -> Path:
        return self.work / f"part-{number:06d}.parquet"

    def keep(self, number: int, table: Any, counts: Mapping[str, int]) -> None:
        path = self.path(number)
        with replacing(path) as temporary:
            write_sealed(table, temporary)
        about = {"run": self.run, "counts": dict(counts)}
        with replacing(path.with_suffix(".json")) as temporary:  # last: it says that the part is whole
            temporary.write_text(json.dumps(about), "utf-8")

    def kept(self, number: int) -> dict[str, int] | None:
        """Return the counts of a part; None if there is none of this run."""
        path = self.path(number)
        about = _json(path.with_suffix(".json"))
        if about.get("run") != self.run or not is_sound(path):
            return None
        counts: dict[str, int] = about["counts"]
        return counts


def _digests(folder: Folder) -> dict[str, str]:
    """Return the hash of each table; if one cannot be read, tell of all tables what is wrong with them."""
    digests: dict[str, str] = {}
    problems: list[Problem] = []
    for name in TIMED:
        if name in folder.files:
            try:
                digests[name] = folder.sha256(TABLES[name])
            except DataError as error:
                problems += error.problems
    if problems:
        raise DataError([*problems, *column_problems(folder, TIMED, {one.table for one in problems})])
    return digests


@contextmanager
def _taken_up(work: Path) -> Iterator[None]:
    """Name the run in errors of files that an unfinished run left."""
    try:
        yield
    except UnreadableError as error:
        message = f"the unfinished run in '{work}' cannot be taken up: {error}"
        raise DataError([Problem("", "", 0, (), message, "Score anew, without `resume`.")]) from error


def _staged(folder: Folder, parts: _Parts) -> Staged:
    """Sort the rows, or take up what was sorted before."""
    work, done = parts.work, parts.work / "staged.json"
    kept = _json(done)
    if kept.get("run") == parts.run:
        files = Tables({name: Path(path) for name, path in kept["files"].items()}, folder.place)
        with _taken_up(work):
            for path in files.values():
                if path.parent == work:
                    verify_seal(path)
        return Staged(files, kept["rows"], kept["rejected"])
    with parquet_writer(work / "rejects.parquet", REJECTS) as write:
        staged = stage(folder, work, Rejects(write))
    kept = {
        "run": parts.run,
        "files": {name: str(path.resolve()) for name, path in staged.files.items()},
        "rows": dict(staged.rows),
        "rejected": dict(staged.rejected),
    }
    with replacing(done) as temporary:
        temporary.write_text(json.dumps(kept, indent=1), "utf-8")
    return staged


@dataclass(frozen=True)
class _Job:
    model: Model
    policy: Policy
    day: date
    last: pd.DataFrame | None
    reasons: int
    certainty: bool

    def chunk(self, known: Known, ids: pd.Series) -> tuple[Any, dict[str, int]]:
        """Score and tier some enterprises."""
        scored = self.model.scored(known, ids)
        scores, X = scored.scores, scored.X.reset_index(drop=True)
        last = None if self.last is None else self.last[self.last["enterprise_id"].isin(ids)]
        tiers = scored.tiers(self.policy, last)
        parts = [
            scores.drop(columns="red_line"),
            tiers.drop(columns="enterprise_id"),
            self._since(tiers, last),
        ]
        if self.reasons:
            parts.append(reason_codes(self.model.risk, self.model.credit, X, self.reasons))
        if self.certainty and self.model.ensemble is not None:
            sure = self.model.certainty_of(scored, self.policy, last)
            parts.append(sure[["tier_agreement", "low", "high"]].set_axis(list(CERTAINTY), axis=1))
        whole = pd.concat(parts, axis=1).assign(policy=self.policy.name, unmonitored_by="")
        table = _arrow(whole, score_schema(self.reasons, self.certainty))
        counts = {
            "closed": int((scored.registered & ~scored.here).sum()),
            "not_registered": int((~scored.registered).sum()),
            "scored": len(X),
            "flagged": int((scores["flags"] != "").sum()),
            **{f"{_SHARE}{one}": n for one, n in counts_of(self.policy, scores["sector"], tiers).items()},
            **{f"tier_{tier}": int(n) for tier, n in tiers["tier"].value_counts(sort=False).items() if n},
        }
        return table, counts

    def _since(self, tiers: pd.DataFrame, last: pd.DataFrame | None) -> pd.Series:
        """Return the day since which each tier stands."""
        today = pd.Series(pd.Timestamp(self.day), index=tiers.index, name="assigned_on")
        if last is None or "assigned_on" not in last:
            return today
        before = last.set_index("enterprise_id")["assigned_on"].reindex(tiers["enterprise_id"]).to_numpy()
        return today.where(tiers["changed"].to_numpy(), pd.Series(before, index=tiers.index))


def _with_lists(part: Any, lists: Mapping[str, str]) -> Any:
    """Return a part with the lists on which its enterprises are."""
    by = [lists.get(one, "") for one in part["enterprise_id"].to_pylist()]
    for name, values in (("unmonitored_by", by), ("unmonitored", [one != "" for one in by])):
        at = part.schema.get_field_index(name)
        part = part.set_column(at, part.schema.field(at), pa.array(values, part.schema.field(at).type))
    return part


def _arrow(frame: pd.DataFrame, schema: Any) -> Any:
    arrays = []
    for column in schema:
        values = frame[column.name]
        if pa.types.is_string(column.type):
            values = values.astype("object")
        elif pa.types.is_date(column.type):
            values = values.to_numpy().astype("datetime64[D]")
        # NaN is a missing number here: there is no boundary to be distant from, or no composite.
        arrays.append(pa.array(values, column.type, from_pandas=True))
    return pa.table(arrays, schema=schema)


def _report(target: Path, staged: Staged, tally: Counter[str], reasons: int) -> Tally:
    rows, rejected = staged.rows["enterprises"], staged.rejected["enterprises"]
    report = Tally(
        out=str(target),
        rejects=str(rejects_path(target)),
        rows_in=rows,
        scored=tally["scored"],
        rejected=rejected,
        closed=tally["closed"],
        not_registered=tally["not_registered"],
        flagged=tally["flagged"],
        tiers={k.removeprefix("tier_"): n for k, n in sorted(tally.items()) if k.startswith("tier_")},
        records={
            name: {"rows": staged.rows[name], "rejected": staged.rejected[name]}
            for name in staged.rows
            if name != "enterprises"
        },
        codes=str(codes_path(target)) if reasons else None,
    )
    total = report.scored + report.rejected + report.closed + report.not_registered
    if total != rows or sum(report.tiers.values()) != report.scored:
        raise RuntimeError(f"The counts do not add up: {report}")
    return report


def _assemble(
    target: Path, parts: _Parts, count: int, report: Tally, lists: Mapping[str, str] | None = None
) -> None:
    """Write the parts as one file, whatever their size was, and put all files into their places."""
    work, key = parts.work, parts.key
    about = {name: value for name, value in key.items() if name != "chunk_rows"}
    counts = {k: v for k, v in report.to_dict().items() if k not in ("out", "rejects", "codes", "grounds")}
    metadata = {"tierkit": json.dumps({**about, **counts}, sort_keys=True)}
    rows = 0
    with parquet_writer(
        work / "scores.parquet", score_schema(int(key["reasons"]), bool(key["certainty"])), metadata
    ) as write:
        for number in range(count):
            with _taken_up(work):
                part, _ = read_sealed(parts.path(number))
            rows += part.num_rows
            write(part if lists is None else _with_lists(part, lists))
    if rows != report.scored:
        raise RuntimeError(f"The file does not hold the {report.scored} rows that were scored.")
    if report.codes:
        write_csv(code_books(), work / "codes.csv")
    with unbroken():
        _check_replaceable(target)
        # The scores of an earlier run go first and the new ones come last: where there are scores, what lies
        # beside them is of the same run.
        target.unlink(missing_ok=True)
        codes_path(target).unlink(missing_ok=True)
        if report.codes:
            (work / "codes.csv").replace(report.codes)
        (work / "rejects.parquet").replace(rejects_path(target))
        (work / "scores.parquet").replace(target)
