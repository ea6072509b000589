"""Make the page of everybody who was scored, with portraits of tiers and dossiers where asked for."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from tierkit import __version__
from tierkit.explain import Changes, Portraits, changes, features_held, portraits
from tierkit.features import build
from tierkit.folders import whole_folder
from tierkit.folders.claims import scratch
from tierkit.jobs.checks import Checks, Location, folder_place, listed
from tierkit.jobs.scoring import last_assignment, model_digest, previous_digest
from tierkit.jobs.staging import REJECTS, Rejects, parquet_writer, stage
from tierkit.policy import Policy, presets
from tierkit.policy.reviews import read_log
from tierkit.policy.tiers.drift import counts_of, gaps, origin
from tierkit.progress import Progress, quiet
from tierkit.records import TABLES, TIER_NAMES, TIERS, Tables, open_folder
from tierkit.records.parquet import read_whole
from tierkit.report import City, data_hash, is_synthetic, sheets, write_dossiers
from tierkit.report import city_page as write_page
from tierkit.report.city_page import MOST_ROWS, select
from tierkit.scores.basis import credit_basis
from tierkit.scores.model import Model
from tierkit.scores.score_file import agencies_of, read_scores
from tierkit.scores.worth import age, useless
from tierkit.texts import ALONE, LANGUAGES, paragraph

__all__ = ["CityPage", "city_page"]

BOTH = "both"
_SAME = 1e-9
_GIVE_LAST = "Give the file that 'tierkit score --previous' was given."


@dataclass(frozen=True)
class CityPage:
    """What `city_page` wrote: ``index.html``, ``summary.json`` and dossiers where asked for.

    Attributes
    ----------
    folder : Path
    replaced : bool
        Whether an older page of a city lay there.
    summary : dict
        What ``summary.json`` says: facts, enterprises by tier, whose dossiers there are, what the
        portraits say.
    """

    folder: Path
    replaced: bool
    summary: dict[str, Any]

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / "index.html"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {"page": str(self.page), **self.summary}


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """Scores of a city, with what they were made from: what the page and its dossiers share.

    Attributes
    ----------
    rows : DataFrame
        Everybody who was scored, with name and district.
    about : mapping
        What the file of scores says of itself.
    files : mapping of str to Path
        The tables that were scored, without the rows that scoring rejected.
    model : Model, optional
    policy : Policy, optional
    last : DataFrame, optional
        The last assignment that the tiers rest on, if it is at hand, and `last_file`, where it lies.
    """

    rows: pd.DataFrame
    about: Mapping[str, Any]
    files: Tables
    model: Model | None
    policy: Policy | None
    last: pd.DataFrame | None
    last_file: Path | None
    threads: int
    progress: Progress

    @property
    def lacks_last(self) -> bool:
        """Whether the tiers rest on a last assignment that is not at hand."""
        return bool(self.about["previous"]) and self.last is None


def city_page(
    scores: Location,
    data: Location | None,
    out: Location,
    *,
    model: Location | None = None,
    policy: Policy | Location | None = None,
    previous: Location | None = None,
    last: Location | None = None,
    reviews: Location | None = None,
    tiers: Sequence[str] = (),
    sectors: Sequence[str] = (),
    districts: Sequence[str] = (),
    uncertain: bool = False,
    dossiers: int = 0,
    lang: str = "zh",
    threads: int = 1,
    progress: Progress = quiet,
) -> CityPage:
    """Write the page that lists everybody who was scored, or those who meet a filter.

    Parameters
    ----------
    scores : path
        A file that `tierkit.jobs.scoring.score` wrote.
    data : path
        Folder of the records that were scored.
    out : path
        Folder of the page; an older page of a city there is replaced.
    model : path, optional
        Folder of the model that gave the scores: adds portraits of tiers, and makes dossiers.
    policy : Policy, or name or path of one, optional
        Under which the tiers were given; needed if it is neither a preset nor the model's own.
    previous : path, optional
        Scores of an earlier day: adds how tiers changed since, and why.
    last : path, optional
        The last assignment that scoring was given; `previous` if absent and it is the same.
    reviews : path, optional
        Log of reviewers' decisions: adds the last ones.
    tiers, sectors, districts : sequence of str
        Only these; all if empty.
    uncertain : bool
        Only those whose tier is unsure.
    dossiers : int
        How many dossiers to make, of the worst tier and highest risk first.
    lang : {"zh", "en", "both"}
        Language of the dossiers.
    threads : int
        Does not change the result.
    progress : Progress

    Returns
    -------
    CityPage

    Raises
    ------
    BadInputError
        With everything that is wrong with the arguments, or if scores, data, model, policy and last
        assignment do not belong together; then nothing is written.
    DataError
        If a file cannot be read.
    ModelError
        If the model folder is refused.

    Examples
    --------
    >>> city_page("scores.parquet", None, "build/page", dossiers=2)
    Traceback (most recent call last):
    ...
    tierkit.jobs.checks.BadInputError: scores: 'scores.parquet' does not exist. Give a file that exists.
    data: the dataset is needed for names and districts. Give the folder that was scored.
    dossiers: needs the model that gave the scores. Give `model` too.
    """
    checks = Checks()
    source = checks.file("scores", scores)
    if data is None:
        checks.note(
            "data", "the dataset is needed for names and districts", "Give the folder that was scored."
        )
    else:
        checks.folder("data", data, "dataset")
    if model is not None:
        checks.folder("model", model, "model", holds=["manifest.json"])
    meant = None if policy is None else checks.policy("policy", policy, of_models=True)
    for name, file in (("previous", previous), ("last", last), ("reviews", reviews)):
        if file is not None:
            checks.file(name, file)
    filters = {"tiers": listed(tiers), "sectors": listed(sectors), "districts": listed(districts)}
    place = folder_place(data)
    levels = (TIERS, place.ids("sector"), place.ids("district"))
    for (name, values), known in zip(filters.items(), levels, strict=True):
        for one in values:
            checks.one_of(name, one, known)
    checks.at_least("dossiers", dossiers, 0)
    checks.one_of("lang", lang, (*LANGUAGES, BOTH))
    for name, wanted in (("previous", previous), ("last", last), ("dossiers", dossiers)):
        if wanted and model is None:
            checks.note(name, "needs the model that gave the scores", "Give `model` too.")
    checks.at_least("threads", threads, 1)
    folder = checks.out_folder("out", out, "city")
    checks.settle()
    assert data is not None
    with checks.writing() as replaced:
        rows, about = read_scores(source)
        with scratch(folder) as work:
            files = _files(checks, Path(data), about, work, progress)
            rows = _named(rows, files["enterprises"])
            chosen = select(rows, *filters.values(), uncertain=uncertain)
            if len(chosen) > MOST_ROWS or chosen.empty:
                message = f"{len(chosen):,} enterprises meet the filter, and a page holds 1 to {MOST_ROWS:,}"
                remedy = "Give a filter: `tiers`, `sectors`, `districts` or `uncertain`."
                checks.note("scores", message, remedy)
                checks.settle()
            scored = _together(
                checks, rows, about, files, model=model, policy=meant,
                last=previous if last is None else last, must_fit=last is not None,
                threads=threads, progress=progress,
            )  # fmt: skip
            decisions = None if reviews is None else _log(checks, Path(reviews))
            languages = list(LANGUAGES) if lang == BOTH else [lang]
            with whole_folder(folder, "city") as draft:
                about_data = {"data_hash": data_hash(data), "synthetic": is_synthetic(data) or None}
                made = _dossiers(checks, scored, chosen, dossiers, languages, decisions, about_data, draft)
                given = None if policy is None or isinstance(policy, Policy) else os.fspath(policy)
                again = _command(scored, model, data, folder, given, reviews, languages[0])
                summary = _page(checks, scored, chosen, previous, about_data, made, decisions, again, draft)
    return CityPage(folder, replaced, summary)


def _log(checks: Checks, log: Path) -> pd.DataFrame:
    with checks.blame("reviews", "Give a log that 'tierkit review' wrote."):
        return read_log(log)


def _files(checks: Checks, data: Path, about: Mapping[str, Any], place: Path, progress: Progress) -> Tables:
    """Return the tables that were scored, without the rows that scoring rejected."""
    folder, hashes = open_folder(data), about["data"]
    progress("checking the tables", 0, len(hashes))
    for k, (name, expected) in enumerate(sorted(hashes.items()), 1):
        if name not in folder.files or folder.sha256(TABLES[name]) != expected:
            message = f"the table '{name}' is not the one that was scored"
            checks.note("data", message, "Give the dataset that was scored, or score this one.")
        progress("checking the tables", k, len(hashes))
    checks.settle()
    with parquet_writer(place / "rejects.parquet", REJECTS) as write:
        return stage(folder, place, Rejects(write)).files


def _named(rows: pd.DataFrame, enterprises: Path) -> pd.DataFrame:
    """Return the rows with name and district."""
    names = read_whole(enterprises, ["enterprise_id", "name", "district"]).to_pandas()
    return rows.merge(names, on="enterprise_id", how="left", validate="one_to_one")


def _together(
    checks: Checks,
    rows: pd.DataFrame,
    about: Mapping[str, Any],
    files: Tables,
    *,
    model: Location | None,
    policy: Policy | None,
    last: Location | None,
    must_fit: bool,
    threads: int,
    progress: Progress,
) -> _Scored:
    """Return the scores with the model, the policy and the last assignment that gave them.

    Raises
    ------
    BadInputError
        If one of them is not the one that did; the last assignment, only if it must fit.
    """
    loaded = None if model is None else _same_model(checks, Path(model), about)
    meant = None if loaded is None else _same_policy(checks, loaded, policy, about)
    before = None if loaded is None or last is None else _same_last(checks, Path(last), about, must_fit)
    checks.settle()
    return _Scored(
        rows=rows, about=about, files=files, model=loaded, policy=meant, last=before,
        last_file=None if before is None or last is None else Path(last),
        threads=threads, progress=progress,
    )  # fmt: skip


def _same_model(checks: Checks, folder: Path, about: Mapping[str, Any]) -> Model:
    """Return the model; record a problem if it is not the one that gave the scores."""
    loaded = Model.load(folder, insist=True)  # the tiers are there; the page says what they rest on
    if model_digest(loaded) != about["model"]:
        message = f"'{folder}' is not the model that gave these scores"
        checks.note("model", message, "Give that one, or score again with this one.")
    return loaded


def _same_policy(
    checks: Checks, model: Model, policy: Policy | None, about: Mapping[str, Any]
) -> Policy | None:
    """Return the policy under which the tiers were given; record a problem if it is not at hand."""
    name = str(about["policy_name"])
    name = name.removesuffix(ALONE) if model.risk_alone else name
    known = [policy] if policy else [model.policy, *([Policy.load(name)] if name in presets() else [])]
    day = date.fromisoformat(about["as_of"])
    for one in (model.policy_for(one.at(model.place, day)) for one in known):
        if one.hash == about["policy"]:
            return one
    message = f"the tiers were given under '{name}', whose text is not at hand"
    checks.note("policy", message, "Give its file with `policy`.")
    return None


def _same_last(checks: Checks, last: Path, about: Mapping[str, Any], must_fit: bool) -> pd.DataFrame | None:
    """Return the last assignment if it is the one that the tiers rest on."""
    digest = about["previous"]
    if digest:
        found = last_assignment(last, date.fromisoformat(about["as_of"]))
        if found is not None and previous_digest(found) == digest:
            return found
    if must_fit:
        message = f"'{last}' is not the last assignment that these tiers rest on"
        remedy = _GIVE_LAST if digest else "Leave it out."
        checks.note("last", message if digest else "these tiers rest on no last assignment", remedy)
    return None


def _dossiers(
    checks: Checks,
    scored: _Scored,
    chosen: pd.DataFrame,
    most: int,
    languages: Sequence[str],
    decisions: pd.DataFrame | None,
    about_data: Mapping[str, Any],
    draft: Path,
) -> dict[str, Sequence[str]]:
    """Make the dossiers of the worst of those that meet the filter; return whose, and the languages."""
    if scored.model is None or scored.policy is None or not most:
        return {}
    if scored.lacks_last:
        checks.note("last", "the tiers rest on a last assignment that is not at hand", _GIVE_LAST)
        checks.settle()
    order = chosen.sort_values(["tier", "risk_probability"], ascending=False, kind="stable")
    ids = order["enterprise_id"].head(most).tolist()
    tiers = order.set_index("enterprise_id")["tier"]
    (draft / "dossiers").mkdir()
    rows = order.head(most).set_index("enterprise_id")["unmonitored_by"]
    on_lists = {str(one): agencies_of(str(named)) for one, named in rows.items()}
    made = sheets(
        scored.model, scored.files, scored.about["as_of"], ids, scored.policy, previous=scored.last,
        reviews=decisions, facts=about_data, threads=scored.threads, progress=scored.progress,
        on_lists=on_lists,
    )  # fmt: skip
    written = write_dossiers(
        made, scored.policy, as_of=scored.about["as_of"], languages=languages,
        path=lambda sheet, lang: draft / "dossiers" / f"{sheet.reasons.enterprise_id}.{lang}.html",
    )  # fmt: skip
    scored.progress("writing dossiers", 0, len(ids))
    for k, sheet in enumerate(written, 1):
        one = sheet.reasons.enterprise_id
        if sheet.reasons.tier != tiers[one]:
            raise RuntimeError(f"The dossier of {one} gives {sheet.reasons.tier}, the scores {tiers[one]}.")
        scored.progress("writing dossiers", k, len(ids))
    return dict.fromkeys(ids, languages)


def _command(
    scored: _Scored,
    model: Location | None,
    data: Location,
    out: Path,
    policy: str | None,
    reviews: Location | None,
    lang: str,
) -> tuple[str, ...]:
    """Return the command that makes the dossier of ``{id}``; none if it would give another tier."""
    if scored.model is None or scored.policy is None:
        return ()
    if scored.lacks_last:
        warnings.warn(
            "the tiers rest on a last assignment that is not at hand, without which a dossier may give "
            "another tier: the page offers no commands for dossiers. Give `last`, the file that "
            "'tierkit score --previous' was given",
            stacklevel=3,
        )
        return ()
    used, its = scored.policy, scored.model.policy
    own = used.hash == its.hash and used.name == its.name
    if not own and policy is None and used.name not in presets():
        return ()  # a policy in memory, which a command cannot name
    options = {
        "--as-of": scored.about["as_of"],
        "--policy": None if own else policy or used.name,
        "--previous": scored.last_file,
        "--reviews": reviews,
        "--lang": lang,
        "--enterprise": "{id}",
        "--out": out.with_name(f"{out.name}-dossiers") / "{id}.html",
    }
    told = [str(one) for pair in options.items() if pair[1] is not None for one in pair]
    return ("tierkit", "explain", str(model), str(data), *told)


def _page(
    checks: Checks,
    scored: _Scored,
    chosen: pd.DataFrame,
    previous: Location | None,
    about_data: Mapping[str, Any],
    made: Mapping[str, Iterable[str]],
    decisions: pd.DataFrame | None,
    command: tuple[str, ...],
    draft: Path,
) -> dict[str, Any]:
    """Write the page and its summary; return what the summary says."""
    shown = _portraits(checks, scored, previous)
    scored.progress("writing the page", 0, 1)
    about = scored.about
    facts = {
        "version": __version__,
        "as_of": about["as_of"],
        **({} if scored.model is None else {"model_hash": scored.model.manifest["sha256"]}),
        "model_digest": about["model"],
        "policy_hash": about["policy"],
        "data_hash": about_data["data_hash"],
    }
    city = City(
        rows=chosen, scored=len(scored.rows), as_of=about["as_of"], policy=about["policy_name"], facts=facts,
        portraits=shown, dossiers=made, decisions=decisions, explain=command,
        place=scored.files.place, far=_far(scored), origin=_origin(scored), useless=_useless(scored),
        credit=_credit(scored), synthetic=bool(about_data["synthetic"]),
        names=TIER_NAMES if scored.policy is None else scored.policy.tier_names,
    )  # fmt: skip
    write_page(city, draft / "index.html")
    tiers = chosen["tier"].value_counts().sort_index()
    summary = {
        "kind": "city",
        "facts": facts,
        "policy": about["policy_name"],
        "scored": len(scored.rows),
        "enterprises": len(chosen),
        "tiers": {str(one): int(n) for one, n in tiers.items()},
        "dossiers": {one: list(langs) for one, langs in made.items()},
        "portraits": [] if shown is None else {lang: shown.sentences(lang) for lang in LANGUAGES},
    }
    text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False)
    (draft / "summary.json").write_text(text + "\n", encoding="utf-8")
    scored.progress("writing the page", 1, 1)
    return summary


def _origin(scored: _Scored) -> dict[str, str]:
    """Return by language where the cut-offs come from, where the policy is at hand."""
    if scored.policy is None:
        return {}
    day = scored.about["as_of"]
    trained = day if scored.model is None else scored.model.manifest.get("as_of", day)
    return {
        lang: paragraph([*origin(scored.policy, lang), *age(trained, day, lang)], lang) for lang in LANGUAGES
    }


def _useless(scored: _Scored) -> dict[str, str]:
    """Return by language which models are no better than chance, with the figures, where one is."""
    found = [] if scored.model is None else useless(scored.model.manifest)
    if not found:
        return {}
    return {lang: paragraph((one.sentence(lang) for one in found), lang) for lang in LANGUAGES}


def _credit(scored: _Scored) -> dict[str, str]:
    """Return by language that credit was not fitted on records, as the file of scores says."""
    about = scored.about.get("credit")
    if not isinstance(about, Mapping):
        return {}
    return {lang: paragraph(credit_basis(about, lang), lang) for lang in LANGUAGES}


def _far(scored: _Scored) -> dict[str, str]:
    """Return by language the share of the whole city that is far from its target, if one is."""
    if scored.policy is None:
        return {}
    far = gaps(scored.policy, counts_of(scored.policy, scored.rows["sector"], scored.rows))
    return {lang: far[0].sentence(scored.policy, lang) for lang in LANGUAGES} if far else {}


def _portraits(checks: Checks, scored: _Scored, previous: Location | None) -> Portraits | None:
    """Return what sets tiers apart in the whole city, and how they changed since the earlier scores."""
    if scored.model is None:
        return None
    scored.progress("computing reasons", 0, 1)
    X = build(scored.files, scored.about["as_of"], scored.rows["enterprise_id"], threads=scored.threads)
    scored.model.risk.set_params(num_threads=scored.threads)
    changed = None if previous is None else _changes(checks, scored, scored.model, Path(previous), X)
    shown = portraits(
        scored.model.risk,
        scored.model.credit,
        X,
        scored.rows,
        changes=changed,
        place=scored.model.place,
    )
    scored.progress("computing reasons", 1, 1)
    return shown


def _changes(checks: Checks, scored: _Scored, model: Model, previous: Path, X: pd.DataFrame) -> Changes:
    """Return how tiers changed since the earlier scores, and why; warn of scores that do not fit."""
    last, about = read_scores(previous, "previous")
    before, after = about["as_of"], scored.about["as_of"]
    for key, what in (("model", "another model"), ("policy", "another policy")):
        if about[key] != scored.about[key]:
            message = f"'{previous}' was scored under {what}, which would itself move tiers"
            checks.note("previous", message, "Give scores of the same model and policy.")
    if before >= after:
        message = f"'{previous}' is as of {before}, which is not before {after}"
        checks.note("previous", message, "Give scores of an earlier day.")
    checks.settle()
    register = read_whole(scored.files["enterprises"], ["enterprise_id"]).to_pandas()["enterprise_id"]
    known = last.loc[last["enterprise_id"].isin(register), "enterprise_id"]
    last_X = build(scored.files, before, known, threads=scored.threads)
    here = last["enterprise_id"].isin(last_X.index)
    if not here.all():
        warnings.warn(
            f"{int((~here).sum()):,} of {len(last):,} earlier scores are of enterprises that these "
            f"tables do not have on {before}: they count as gone, or as new if scored now",
            stacklevel=5,
        )
    margin = model.risk.margin(last_X[list(model.risk.inputs_.names)])
    altered = int((abs(margin - last.loc[here, "risk_margin"].to_numpy()) > _SAME).sum())
    last = last[here | ~last["enterprise_id"].isin(scored.rows["enterprise_id"])]
    if altered:
        warnings.warn(
            f"{altered:,} of {len(last_X):,} earlier scores are not what these records give for {before}"
            ": the records were altered since, and what that moved counts as records",
            stacklevel=5,
        )
    both = last_X.index.intersection(X.index)
    held = features_held(scored.files, before, after, both, threads=scored.threads)
    return changes(model.risk, model.credit, scored.rows, X, last, last_X, held, before=before, after=after)
