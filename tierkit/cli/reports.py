"""``tierkit report``: the page of a run, or of every enterprise of a city that was scored."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierkit import __version__
from tierkit.cli.answers import Answer, command
from tierkit.folders import whole_folder
from tierkit.jobs.checks import Checks, cores
from tierkit.progress import Progress, show

if TYPE_CHECKING:
    import pandas as pd

    from tierkit.explain import Changes, Portraits
    from tierkit.policy import Policy
    from tierkit.scores.model import Model

__all__ = ["add_to"]

LANGUAGES = ("zh", "en", "both")
_SAME = 1e-9
Scored = tuple["pd.DataFrame", dict[str, Any]]


def add_to(app: typer.Typer) -> None:
    """Add the command to an application."""
    command(app, "report")(report)


def report(
    given_path: Annotated[
        Path, typer.Argument(metavar="RUN|SCORES", help="What simulate wrote, or what score wrote.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The dataset that was scored.")] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Adds portraits of tiers, and makes dossiers.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(metavar="POLICY", help="Of the scores, where it is a file.")
    ] = None,
    previous: Annotated[
        Path | None, typer.Option(metavar="SCORES", help="Of an earlier day: adds how tiers changed and why.")
    ] = None,
    last: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What score --previous was given; the --previous here if it fits."),
    ] = None,
    reviews: Annotated[
        Path | None, typer.Option(metavar="LOG", help="Adds reviewers' last decisions.")
    ] = None,
    tier: Annotated[
        list[str] | None, typer.Option(metavar="TIER", help="Only this tier; may be given several times.")
    ] = None,
    sector: Annotated[
        list[str] | None, typer.Option(metavar="SECTOR", help="Only this sector; likewise.")
    ] = None,
    district: Annotated[
        list[str] | None, typer.Option(metavar="DISTRICT", help="Only this district; likewise.")
    ] = None,
    uncertain: Annotated[bool, typer.Option("--uncertain", help="Only those whose tier is unsure.")] = False,
    dossiers: Annotated[
        int, typer.Option(metavar="N", help="Dossiers to make, of the worst tier and highest risk first.")
    ] = 0,
    lang: Annotated[
        str | None, typer.Option(metavar="LANG", help="Language of dossiers: zh, if not given, en or both.")
    ] = None,
) -> Answer:
    """Write the page that tells a run, or that lists everybody who was scored."""
    checks = Checks()
    of_scores = {
        "--data": data, "--model": model, "--policy": policy, "--previous": previous, "--last": last,
        "--reviews": reviews, "--tier": tier, "--sector": sector, "--district": district,
        "--uncertain": uncertain, "--dossiers": dossiers, "--lang": lang,
    }  # fmt: skip
    if given_path.suffix != ".parquet" or given_path.is_dir():
        for place, value in of_scores.items():
            if value:
                checks.note(place, "is for scores, not for a run", "Leave it out, or give SCORES.parquet.")
        return _of_run(checks, given_path, out)
    from tierkit.records import DISTRICTS, SECTORS, TIERS

    checks.file("SCORES", given_path)
    if data is None:
        checks.note("--data", "names and districts are in the dataset", "Give the folder that was scored.")
    else:
        checks.folder("--data", data, "dataset")
    if model is not None:
        checks.folder("--model", model, "model", holds=["manifest.json"])
    meant = None if policy is None else checks.policy("--policy", policy, of_models=True)
    for place, file in (("--previous", previous), ("--last", last), ("--reviews", reviews)):
        if file is not None:
            checks.file(place, file)
    for place, values, known in (
        ("--tier", tier, TIERS), ("--sector", sector, SECTORS), ("--district", district, DISTRICTS)
    ):  # fmt: skip
        for one in values or ():
            checks.one_of(place, one, known)
    checks.at_least("--dossiers", dossiers, 0)
    spoken = LANGUAGES[0] if lang is None else lang
    checks.one_of("--lang", spoken, LANGUAGES)
    for place, wanted in (("--previous", previous), ("--last", last), ("--dossiers", dossiers)):
        if wanted and model is None:
            checks.note(place, "needs the model that gave the scores", "Give --model too.")
    wrote = checks.out_folder("--out", out, "city")
    checks.settle()
    assert data is not None

    from tierkit.report import data_hash
    from tierkit.report.city_page import MOST_ROWS, select

    scored = _scores(checks, "SCORES", given_path)
    with show() as progress, TemporaryDirectory(prefix="tierkit-") as place:
        files = _files(checks, data, scored, Path(place), progress)
        rows = _named(scored[0], files["enterprises"])
        chosen = select(rows, tier or (), sector or (), district or (), uncertain=uncertain)
        if len(chosen) > MOST_ROWS or chosen.empty:
            message = f"{len(chosen):,} enterprises meet the filter, and a page holds 1 to {MOST_ROWS:,}"
            checks.note("SCORES", message, "Give a filter: --tier, --sector, --district or --uncertain.")
            checks.settle()
        job = _Job(checks, scored, rows, chosen, files, model, meant, policy, previous, last, progress)
        decisions = _decisions(checks, reviews)
        with whole_folder(out) as draft:
            languages = LANGUAGES[:2] if spoken == "both" else (spoken,)
            digest = data_hash(data)
            made = job.dossiers(draft, digest, dossiers, languages, decisions)
            command = job.command(out, data, languages[0], reviews)
            page = job.page(draft, digest, made, decisions, command)
    text = f"{wrote} '{out / 'index.html'}': {len(chosen):,} of {len(rows):,} enterprises"
    text += f", {len(made):,} of them with a dossier." if made else "."
    return Answer({"page": str(out / "index.html"), **page}, text)


def _of_run(checks: Checks, run: Path, out: Path) -> Answer:
    checks.folder("RUN", run, "run", holds=["run.json"])
    wrote = checks.out_folder("--out", out, "page")
    checks.settle()
    from tierkit.policy import PolicyWarning
    from tierkit.report import RunReport, index

    warnings.simplefilter("ignore", PolicyWarning)  # for who simulates a policy, not for who reads of it
    with whole_folder(out) as draft:
        index(RunReport.read(run), draft)
    page = out / "index.html"
    return Answer({"page": str(page), "summary": str(out / "summary.json")}, f"{wrote} '{page}'.")


def _scores(checks: Checks, place: str, path: Path) -> Scored:
    from tierkit.report.city_page import read_scores

    with checks.blame(place, "Give a file that 'tierkit score' wrote."):
        return read_scores(path)


def _files(checks: Checks, data: Path, scored: Scored, place: Path, progress: Progress) -> Mapping[str, Path]:
    """Return the tables that were scored, without the rows that scoring rejected."""
    from tierkit.jobs.staging import REJECTS, Rejects, parquet_writer, stage
    from tierkit.records import open_folder
    from tierkit.records.files import sha256

    folder, hashes = open_folder(data), scored[1]["data"]
    progress("checking the tables", 0, len(hashes))
    for k, (name, expected) in enumerate(sorted(hashes.items()), 1):
        if name not in folder.files or sha256(folder.files[name]) != expected:
            message = f"the table '{name}' is not the one that was scored"
            checks.note("--data", message, "Give the dataset that was scored, or score this one.")
        progress("checking the tables", k, len(hashes))
    checks.settle()
    with parquet_writer(place / "rejects.parquet", REJECTS) as write:
        return stage(folder, place, Rejects(write)).files


def _named(rows: "pd.DataFrame", enterprises: Path) -> "pd.DataFrame":
    """Return the rows with name and district."""
    import pandas as pd

    names = pd.read_parquet(enterprises, columns=["enterprise_id", "name", "district"])
    return rows.merge(names, on="enterprise_id", how="left", validate="one_to_one")


def _decisions(checks: Checks, log: Path | None) -> "pd.DataFrame | None":
    if log is None:
        return None
    from tierkit.policy import reviews

    with checks.blame("--reviews", "Give a log that 'tierkit review' wrote."):
        return reviews.read_log(log)


class _Job:
    """What the page of a city and its dossiers share."""

    def __init__(
        self,
        checks: Checks,
        scored: Scored,
        rows: "pd.DataFrame",
        chosen: "pd.DataFrame",
        files: Mapping[str, Path],
        model: Path | None,
        policy: "Policy | None",
        policy_given: str | None,
        previous: Path | None,
        last: Path | None,
        progress: Progress,
    ) -> None:
        self.given, self.about, self.rows, self.chosen = checks, scored[1], rows, chosen
        self.policy_given = policy_given
        self.files, self.folder, self.previous, self.progress = files, model, previous, progress
        self.model = None if model is None else self._same_model(model)
        self.policy = None if self.model is None else self._same_policy(self.model, policy)
        self.last_file, self.last = (None, None) if self.model is None else self._same_last(last)
        checks.settle()

    def _same_model(self, folder: Path) -> "Model":
        from tierkit.jobs.scoring import model_digest
        from tierkit.scores.model import Model

        loaded = Model.load(folder)
        if model_digest(loaded) != self.about["model"]:
            message = f"'{folder}' is not the model that gave these scores"
            self.given.note("--model", message, "Give that one, or score again with this one.")
        return loaded

    def _same_policy(self, model: "Model", policy: "Policy | None") -> "Policy | None":
        from tierkit.policy import Policy, presets

        name, told = self.about["policy_name"], self.about["policy"]
        known = [policy] if policy else [model.policy, *([Policy.load(name)] if name in presets() else [])]
        for one in known:
            if one.hash == told:
                return one
        message = f"the tiers were given under '{name}', whose text is not at hand"
        self.given.note("--policy", message, "Give its file with --policy.")
        return None

    def _same_last(self, last: Path | None) -> tuple[Path | None, "pd.DataFrame | None"]:
        """Return the last assignment that the tiers rest on, if it is at hand, and its file."""
        import pandas as pd

        from tierkit.jobs.scoring import last_assignment, previous_digest

        digest, file = self.about["previous"], self.previous if last is None else last
        if digest and file is not None:
            found = last_assignment(file, pd.Timestamp(self.about["as_of"]).date())
            if found is not None and previous_digest(found) == digest:
                return file, found
        if last is not None:
            message = f"'{last}' is not the last assignment that these tiers rest on"
            remedy = "Give the file that 'tierkit score --previous' was given." if digest else "Leave it out."
            self.given.note("--last", message if digest else "these tiers rest on no last assignment", remedy)
        return None, None

    def page(
        self,
        draft: Path,
        digest: str | None,
        made: Mapping[str, Sequence[str]],
        decisions: "pd.DataFrame | None",
        command: tuple[str, ...],
    ) -> dict[str, Any]:
        """Write the page and its summary; return what the summary says."""
        from tierkit.report import City, city_page

        shown = self._portraits()
        self.progress("writing the page", 0, 1)
        about = self.about
        facts = {
            "version": __version__,
            "as_of": about["as_of"],
            **({} if self.model is None else {"model_hash": self.model.manifest["sha256"]}),
            "model_digest": about["model"],
            "policy_hash": about["policy"],
            "data_hash": digest,
        }
        city_page(
            City(
                rows=self.chosen, scored=len(self.rows), as_of=about["as_of"], policy=about["policy_name"],
                facts=facts, portraits=shown, dossiers=made, decisions=decisions,
                explain=command,
            ),
            draft / "index.html",
        )  # fmt: skip
        tiers = self.chosen["tier"].value_counts().sort_index()
        summary = {
            "kind": "city",
            "facts": facts,
            "policy": about["policy_name"],
            "scored": len(self.rows),
            "enterprises": len(self.chosen),
            "tiers": {str(one): int(n) for one, n in tiers.items()},
            "dossiers": {one: list(langs) for one, langs in made.items()},
            "portraits": [] if shown is None else {lang: shown.sentences(lang) for lang in ("zh", "en")},
        }
        text = json.dumps(summary, ensure_ascii=False, indent=1, allow_nan=False)
        (draft / "summary.json").write_text(text + "\n", encoding="utf-8")
        self.progress("writing the page", 1, 1)
        return summary

    def command(self, out: Path, data: Path, lang: str, reviews: Path | None) -> tuple[str, ...]:
        """Return the command that makes the dossier of ``{id}``; none if it would give another tier."""
        if self.model is None or self.policy is None:
            return ()
        if self.about["previous"] and self.last is None:
            warnings.warn(
                "the tiers rest on a last assignment that is not at hand, without which a dossier may give "
                "another tier: the page offers no commands for dossiers. Give --last, the file that "
                "'tierkit score --previous' was given",
                stacklevel=2,
            )
            return ()
        own = self.policy.hash == self.model.policy.hash and self.policy.name == self.model.policy.name
        options = {
            "--as-of": self.about["as_of"],
            "--policy": None if own else self.policy_given or self.policy.name,
            "--previous": self.last_file,
            "--reviews": reviews,
            "--lang": lang,
            "--enterprise": "{id}",
            "--out": out.with_name(f"{out.name}-dossiers") / "{id}.html",
        }
        told = [str(one) for pair in options.items() if pair[1] is not None for one in pair]
        return ("tierkit", "explain", str(self.folder), str(data), *told)

    def _portraits(self) -> "Portraits | None":
        """Return what sets tiers apart in the whole city, and how they changed since the earlier scores."""
        if self.model is None:
            return None
        from tierkit.explain import portraits
        from tierkit.features import build

        self.progress("taking reasons", 0, 1)
        X = build(self.files, self.about["as_of"], self.rows["enterprise_id"], threads=cores())
        self.model.risk.set_params(num_threads=cores())
        changed = self._changes(X)
        shown = portraits(self.model.risk, self.model.credit, X, self.rows, changes=changed)
        self.progress("taking reasons", 1, 1)
        return shown

    def _changes(self, X: "pd.DataFrame") -> "Changes | None":
        if self.previous is None or self.model is None:
            return None
        import pandas as pd

        from tierkit.explain import changes, features_held
        from tierkit.features import build

        last, about = _scores(self.given, "--previous", self.previous)
        before, after = about["as_of"], self.about["as_of"]
        for key, what in (("model", "another model"), ("policy", "another policy")):
            if about[key] != self.about[key]:
                message = f"'{self.previous}' was scored under {what}: what moved would be its doing"
                self.given.note("--previous", message, "Give scores of the same model and policy.")
        if before >= after:
            message = f"'{self.previous}' is as of {before}, which is not before {after}"
            self.given.note("--previous", message, "Give scores of an earlier day.")
        self.given.settle()
        register = pd.read_parquet(self.files["enterprises"], columns=["enterprise_id"])["enterprise_id"]
        known = last.loc[last["enterprise_id"].isin(register), "enterprise_id"]
        last_X = build(self.files, before, known, threads=cores())
        here = last["enterprise_id"].isin(last_X.index)
        if not here.all():
            warnings.warn(
                f"{int((~here).sum()):,} of {len(last):,} earlier scores are of enterprises that these "
                f"tables do not have on {before}: they count as gone, or as new if scored now",
                stacklevel=2,
            )
        margin = self.model.risk.margin(last_X[list(self.model.risk.inputs_.names)])
        altered = int((abs(margin - last.loc[here, "risk_margin"].to_numpy()) > _SAME).sum())
        last = last[here | ~last["enterprise_id"].isin(self.rows["enterprise_id"])]
        if altered:
            warnings.warn(
                f"{altered:,} of {len(last_X):,} earlier scores are not what these records give for {before}"
                ": the records were altered since, and what that moved counts as records",
                stacklevel=2,
            )
        both = last_X.index.intersection(X.index)
        held = features_held(self.files, before, after, both, threads=cores())
        return changes(
            self.model.risk, self.model.credit, self.rows, X, last, last_X, held, before=before, after=after
        )

    def dossiers(
        self,
        draft: Path,
        digest: str | None,
        most: int,
        languages: Sequence[str],
        decisions: "pd.DataFrame | None",
    ) -> dict[str, Sequence[str]]:
        """Make the dossiers of the worst of those that meet the filter; return whose, and the languages."""
        if self.model is None or self.policy is None or not most:
            return {}
        if self.about["previous"] and self.last is None:
            message = "the tiers rest on a last assignment that is not at hand"
            self.given.note("--last", message, "Give the file that 'tierkit score --previous' was given.")
            self.given.settle()
        from tierkit.report import dossier, sheets

        order = self.chosen.sort_values(["tier", "risk_probability"], ascending=False, kind="stable")
        ids = order["enterprise_id"].head(most).tolist()
        tiers = order.set_index("enterprise_id")["tier"]
        (draft / "dossiers").mkdir()
        made = sheets(
            self.model, self.files, self.about["as_of"], ids, self.policy, previous=self.last,
            reviews=decisions, facts={"data_hash": digest}, threads=cores(), progress=self.progress,
        )  # fmt: skip
        self.progress("writing dossiers", 0, len(ids))
        for k, case in enumerate(made, 1):
            one = case.reasons.enterprise_id
            if case.reasons.tier != tiers[one]:
                raise RuntimeError(
                    f"The dossier of {one} gives {case.reasons.tier}, the scores {tiers[one]}."
                )
            for lang in languages:
                page = draft / "dossiers" / f"{one}.{lang}.html"
                dossier(case, self.policy, as_of=self.about["as_of"], lang=lang, facts=case.facts, out=page)
            self.progress("writing dossiers", k, len(ids))
        return dict.fromkeys(ids, languages)
