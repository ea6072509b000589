"""Say why one enterprise is in its tier: a page, and the sheet that it shows."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from tierkit.explain import background as drawn
from tierkit.explain import revoked
from tierkit.explain.recourse.revocation import Revocation
from tierkit.features import build
from tierkit.folders import whole_file
from tierkit.folders.claims import OutputError, scratch
from tierkit.jobs.checks import Checks, Location, folder_place, listed
from tierkit.jobs.scoring import last_assignment, model_digest, warn_of_missing, warn_of_rule
from tierkit.jobs.staging import stage_one
from tierkit.policy import Policy
from tierkit.policy.reviews import read_log
from tierkit.progress import Progress, quiet
from tierkit.records import open_folder
from tierkit.records.known import check_recorded
from tierkit.records.parquet import read_whole
from tierkit.report import Sheet, data_hash, is_synthetic, sheets, write_dossiers
from tierkit.scores.model import Model
from tierkit.scores.score_file import agencies_of, read_scores
from tierkit.texts import LANGUAGES

__all__ = ["Dossier", "explain"]

_SIGNED = b'<meta name="generator" content="tierkit explain">'
_HEAD = 1000  # bytes within which a page says who wrote it


@dataclass(frozen=True)
class Dossier:
    """What `explain` found and wrote.

    Attributes
    ----------
    page : Path
    sheet : Sheet
        Scores, tier, reasons, records and ways to a better tier.
    appeal : Revocation or None
        What would be without the records that were asked about.
    lang : str
        Language of the page.
    """

    page: Path
    sheet: Sheet
    appeal: Revocation | None
    lang: str

    def sentences(self, lang: str | None = None) -> list[str]:
        """Return what the page says, in sentences; an empty one stands between paragraphs."""
        lang = lang or self.lang
        said = list(self.sheet.reasons.sentences(lang))
        if self.sheet.reasons.background:
            said.append(self.sheet.reasons.game_sentence(lang))
        if self.sheet.recourse is not None:
            said += ["", *self.sheet.recourse.sentences(lang)]
        if self.appeal is not None:
            said += ["", *self.appeal.sentences(lang)]
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        appeal = {} if self.appeal is None else {"without": self.appeal.to_dict()}
        return {"page": str(self.page), **self.sheet.to_dict(), **appeal}


def explain(
    model: Location,
    data: Location,
    as_of: date | str,
    enterprise: str,
    out: Location,
    *,
    policy: Policy | Location | None = None,
    lang: str = "zh",
    previous: Location | None = None,
    reviews: Location | None = None,
    without: Sequence[str] = (),
    scores: Location | None = None,
    background: int = 0,
    insist: bool = False,
    threads: int = 1,
    progress: Progress = quiet,
) -> Dossier:
    """Say why one enterprise is in its tier, and write the dossier.

    Parameters
    ----------
    model, data : path
        Folders of the model and of the records.
    as_of : date
        Only what was known before this day is used.
    enterprise : str
        Its id; in Shanghai a unified social credit code.
    out : path
        The page, an ``.html`` file.
    policy : Policy, or name or path of one, optional
        Under which the tier is given; the model's own if absent.
    lang : {"zh", "en"}
        Language of the page.
    previous : path, optional
        The last assignment, for hysteresis and dwell.
    reviews : path, optional
        Log of reviewers' decisions.
    without : sequence of str
        Ids of records: also tell what scores and tier would be without them.
    scores : path, optional
        What `tierkit.score_folder` wrote for that day, policy and model: it says on whose lists the
        enterprise is where each agency fills its own.
    background : int
        Measure risk against so many enterprises of the records, drawn at random.
    insist : bool
        Whether to give the tier even if a model is no better than chance on what was kept back.
    threads : int
        Does not change the result.
    progress : Progress

    Returns
    -------
    Dossier

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments; then nothing is written.
    DataError
        If tables cannot be read, or end before the date.
    ModelError
        If the model folder is refused.

    Examples
    --------
    >>> explain("build/model", "data/synthetic", "soon", "9131", "build/one.pdf")
    Traceback (most recent call last):
    ...
    tierkit.jobs.checks.BadInputError: model: 'build/model' does not exist. Give a folder that exists.
    as_of: 'soon' is not a date. Give a calendar date as YYYY-MM-DD, 2024-12-30 say.
    enterprise: '9131' is not a valid unified social credit code. Give all 18 characters.
    out: 'build/one.pdf' has no known ending. End it in .html.
    """
    checks = Checks()
    checks.folder("model", model, "model", holds=["manifest.json"])
    checks.folder("data", data, "dataset")
    day = checks.date("as_of", as_of)
    checks.enterprise("enterprise", enterprise, folder_place(data))
    meant = None if policy is None else checks.policy("policy", policy, of_models=True)
    checks.one_of("lang", lang, LANGUAGES)
    if previous is not None:
        checks.file("previous", previous)
    if reviews is not None:
        checks.file("reviews", reviews)
    if scores is not None:
        checks.file("scores", scores)
    checks.at_least("background", background, 0)
    checks.at_least("threads", threads, 1)
    page = checks.out_file("out", out, [".html"], _check_page)
    checks.settle()

    options = {
        "as-of": day.isoformat(), "enterprise": enterprise,
        "policy": policy.name if isinstance(policy, Policy) else policy, "lang": lang,
        "previous": previous, "reviews": reviews, "scores": scores, "out": out,
    }  # fmt: skip
    parts = [f"--{name}={value}" for name, value in options.items() if value is not None]
    parts += [f"--without={one}" for one in listed(without)]
    parts += [f"--background={background}"] if background else []
    parts += ["--insist"] if insist else []
    again = shlex.join(["tierkit", "explain", str(model), str(data), *parts])
    with checks.writing():
        loaded = Model.load(model, insist=insist)
        checks.worth("model", loaded.manifest, insist)
        chosen = checks.in_place("policy", meant or loaded.policy, loaded.place, day)
        checks.settle()
        assert chosen is not None
        chosen = loaded.policy_for(chosen)
        warn_of_rule(chosen)
        on_lists = None if scores is None else _lists(checks, scores, loaded, chosen, day, enterprise)
        opened = open_folder(data)
        missing = warn_of_missing(opened)
        check_recorded(day, opened.as_of)
        with scratch(page) as work:
            staged, left_out = stage_one(opened, work, enterprise)
            _check(checks, staged.files["enterprises"], left_out, enterprise, day)
            last = last_assignment(previous, day)
            city = drawn(build(data, day, threads=threads), background) if background else None
            appeal = None
            if without:
                appeal = revoked(
                    loaded,
                    staged.files,
                    day,
                    enterprise,
                    listed(without),
                    chosen,
                    last,
                    everybody=data,
                    lang=lang,
                )
            cases = sheets(
                loaded, staged.files, day, [enterprise], chosen, background=city,
                previous=last, reviews=None if reviews is None else read_log(reviews),
                facts={
                    "data_hash": data_hash(data), "synthetic": is_synthetic(data) or None,
                    "missing": missing, "command": again,
                },
                lang=lang, threads=threads, progress=progress, on_lists=on_lists,
            )  # fmt: skip
            with whole_file(page) as draft:
                [sheet] = write_dossiers(
                    cases,
                    chosen,
                    as_of=day.isoformat(),
                    languages=[lang],
                    path=lambda *_: draft,
                    appeal=appeal,
                )
    return Dossier(page, sheet, appeal, lang)


def _lists(
    checks: Checks, scores: Location, model: Model, policy: Policy, day: date, enterprise: str
) -> dict[str, list[str]]:
    """Return the agencies on whose lists the enterprise is, as a file of scores says.

    Raises
    ------
    BadInputError
        If they are scores of another day, policy or model, or the enterprise is not among them.
    """
    rows, about = read_scores(scores)
    same = {
        "as_of": (about["as_of"], day.isoformat()),
        "policy": (about["policy"], policy.hash),
        "model": (about["model"], model_digest(model)),
    }
    for name, (theirs, ours) in same.items():
        if theirs != ours:
            checks.note("scores", f"'{scores}' is of another {name}", "Score the same, or leave it out.")
    own = rows.loc[rows["enterprise_id"] == enterprise, "unmonitored_by"]
    if own.empty:
        checks.note("scores", f"{enterprise} is not in '{scores}'", "Give scores of the whole city.")
    checks.settle()
    return {enterprise: agencies_of(str(own.iloc[0]))}


def _check_page(page: Path) -> None:
    """Raise unless nothing is there, or a page of ours."""
    if not page.exists():
        return
    with page.open("rb") as file:
        signed = _SIGNED in file.read(_HEAD)
    if not signed:
        raise OutputError(f"'{page}' was not written by 'tierkit explain'", "Give another name.")


def _check(checks: Checks, enterprises: Path, left_out: pd.DataFrame, enterprise: str, day: date) -> None:
    """Raise unless the enterprise was on the register; warn of its records that are left out."""
    rows = [f"'{one.table}' row {one.row} ({one.reason})" for one in left_out.itertuples()]
    own = read_whole(enterprises, ["enterprise_id", "registered_on", "closed_on"])
    found = own.filter(pc.equal(own["enterprise_id"], enterprise)).to_pandas()
    if found.empty:
        if (left_out["table"] == "enterprises").any():
            message = f"{enterprise} breaks the data contract: {'; '.join(rows)}"
            checks.note("enterprise", message, "Correct the row; 'tierkit validate' lists all problems.")
        else:
            message = f"{enterprise} is not in the table 'enterprises'"
            checks.note("enterprise", message, "Give one of its column enterprise_id.")
        checks.settle()
    row = found.iloc[0]
    if pd.notna(row["closed_on"]) and pd.Timestamp(row["closed_on"]) < pd.Timestamp(day):
        message = f"{enterprise} closed on {row['closed_on']}"
        checks.note("as_of", message, "Give a date before it closed.")
    elif pd.Timestamp(row["registered_on"]) >= pd.Timestamp(day):
        message = f"{enterprise} was registered on {row['registered_on']}, and nothing is known of it before"
        checks.note("as_of", message, "Give a later date.")
    checks.settle()
    if rows:
        shown = "; ".join(rows[:3]) + (f"; and {len(rows) - 3} more" if len(rows) > 3 else "")
        warnings.warn(f"records that break the data contract are left out: {shown}", stacklevel=3)
