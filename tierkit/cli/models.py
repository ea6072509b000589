"""``tierkit train``, ``score`` and ``explain``: models, everybody's tier, and one enterprise's reasons."""

import shlex
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.jobs.checks import MAX_SEED, Checks, cores
from tierkit.progress import show

if TYPE_CHECKING:
    import pandas as pd

    from tierkit.policy import Policy
    from tierkit.records import Folder

__all__ = ["add_to"]

AsOf = Annotated[str, typer.Option(metavar="DATE", help="Only what was known before this day is used.")]
Data = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of tables.")]
ModelFolder = Annotated[Path, typer.Argument(metavar="MODEL", help="What train wrote.")]
Previous = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The last assignment, for hysteresis and dwell.")
]

LANGUAGES = ("zh", "en")
SCHEMES = ("naive", "random", "weighted")
LEVELS = ("scheme", "audits")
MAX_BUDGET = 374
"""All other settings of the space that is searched."""
MAX_BOOTSTRAP = 200


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    command(app, "train")(train)
    command(app, "score")(score)
    command(app, "explain")(explain)


def train(
    folder: Data,
    as_of: AsOf,
    out: Annotated[Path, typer.Option(metavar="MODEL", help="Where to write.")],
    policy: Annotated[str, typer.Option(metavar="POLICY", help="What the model is for.")] = "legacy",
    scheme: Annotated[str, typer.Option(metavar="SCHEME", help=f"{', '.join(SCHEMES)}.")] = "weighted",
    level: Annotated[
        str,
        typer.Option(metavar="LEVEL", help="What sets probabilities: the scheme's rows, or audits alone."),
    ] = "scheme",
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of trees and hold-out.")] = 0,
    budget: Annotated[int, typer.Option(metavar="N", help="Settings to try beside the stated ones.")] = 0,
    bootstrap: Annotated[
        int, typer.Option(metavar="B", help="Models of resampled enterprises, to say how sure tiers are.")
    ] = 0,
) -> Answer:
    """Train the risk model and the credit scorecard."""
    checks = Checks()
    checks.folder("DIR", folder, "dataset")
    day = checks.date("--as-of", as_of)
    meant = checks.policy("--policy", policy, of_models=True)
    checks.one_of("--scheme", scheme, SCHEMES)
    checks.one_of("--level", level, LEVELS)
    checks.between("--budget", budget, 0, MAX_BUDGET)
    checks.between("--bootstrap", bootstrap, 0, MAX_BOOTSTRAP)
    if bootstrap == 1:
        checks.note("--bootstrap", "one model agrees with itself", "Give 2 or more, or 0 for none.")
    checks.between("--seed", seed, 0, MAX_SEED)
    wrote = checks.out_folder("--out", out, "model")
    checks.settle()

    from tierkit.records import DataError, validate
    from tierkit.scores.baselines import FEW_EVENTS
    from tierkit.scores.train import train as fit

    problems = validate(folder)
    if problems:
        raise DataError(problems)
    with show() as progress, checks.blame("DIR", "Give more records, or an earlier or later date."):
        model = fit(
            folder, day, out, meant, seed, scheme, level=level,  # type: ignore[arg-type]
            budget=budget, bootstrap=bootstrap, threads=cores(), progress=progress,
        )  # fmt: skip
    about = dict(model.manifest)
    tests = {
        "risk, later inspections": about["risk"]["metrics"]["test"],
        "risk, later random audits": about["risk"]["metrics"]["test_random_audits"],
        "credit, enterprises held out": about["credit"]["metrics"],
    }
    rows = [
        {"tested on": name, **{key: _short(value) for key, value in test.items()}}
        for name, test in tests.items()
    ]
    few = [f"{name} ({test['events']} events)" for name, test in tests.items() if test["events"] < FEW_EVENTS]
    doubt = f"\n\nToo few to judge by: {', '.join(few)}." if few else ""
    beside = table([_beside(one) for one in about["risk"]["baselines"]["test"]])
    tuned = about["risk"]["tuning"]
    tried = f"\n\nSettings: {_settings(tuned)}." if tuned else ""
    text = (
        f"{table(rows)}{doubt}\n\nRisk beside simple scores, on the later inspections (95 % intervals, by "
        f"enterprise):\n\n{beside}{tried}\n\n{wrote} '{out}', trained on what was known before {as_of}."
    )
    return Answer({"folder": str(out), "manifest": about, "too_few_to_judge_by": few}, text)


def score(
    model: ModelFolder,
    folder: Data,
    as_of: AsOf,
    policy: Annotated[str, typer.Option(metavar="POLICY", help="Under which tiers are given.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The tiers, FILE.parquet.")],
    previous: Previous = None,
    reasons: Annotated[
        int, typer.Option(metavar="K", help="Reason codes of each score, with a code book beside the file.")
    ] = 0,
    certainty: Annotated[
        bool, typer.Option("--certainty", help="Say how many bootstrap models give the same tier.")
    ] = False,
    chunk_rows: Annotated[
        int, typer.Option(metavar="N", help="Enterprises at a time; sets memory.")
    ] = 65_536,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a killed run stopped.")] = False,
) -> Answer:
    """Give every enterprise its scores and tier."""
    checks = Checks()
    checks.folder("MODEL", model, "model", holds=["manifest.json"])
    checks.folder("DIR", folder, "dataset")
    day = checks.date("--as-of", as_of)
    meant = checks.policy("--policy", policy, of_models=True)
    if previous is not None:
        checks.file("--previous", previous)
    checks.at_least("--reasons", reasons, 0)
    checks.at_least("--chunk-rows", chunk_rows, 1)
    checks.out_file("--out", out, [".parquet"])
    checks.settle()

    from tierkit.jobs.scoring import score as score_folder
    from tierkit.records import open_folder
    from tierkit.scores.model import Model

    loaded = Model.load(model)
    if certainty and loaded.ensemble is None:
        remedy = "Train it again with --bootstrap 20, say, or leave the option out."
        checks.note("--certainty", f"'{model}' was trained without a bootstrap", remedy)
    checks.settle()
    if meant is not None:
        _warn_of_rule(meant)
    _warn_of_missing(open_folder(folder))
    out.parent.mkdir(parents=True, exist_ok=True)
    with show() as progress, checks.blame("--resume", "Give the same inputs, or leave out --resume."):
        done = score_folder(
            loaded,
            folder,
            day,
            meant or policy,
            out,
            previous,
            reasons,
            chunk_rows,
            resume,
            certainty=certainty,
            threads=cores(),
            progress=progress,
        )
    counts = ("rows_in", "scored", "rejected", "closed", "not_registered", "flagged")
    rows = [{"": name.replace("_", " "), "enterprises": getattr(done, name)} for name in counts]
    rows += [{"": f"in {tier}", "enterprises": n} for tier, n in done.tiers.items()]
    wrong = [
        {"table": name, "rows": one["rows"], "rejected": one["rejected"]}
        for name, one in done.records.items()
        if one["rejected"]
    ]
    parts = [
        table(rows, right=["enterprises"]),
        *([table(wrong, right=["rows", "rejected"])] if wrong else []),
    ]
    rejects = f", and what was rejected to '{done.rejects}'" if done.rejected or wrong else ""
    book = f", what the codes mean to '{done.codes}'" if done.codes else ""
    return Answer(done.to_dict(), "\n\n".join([*parts, f"Wrote '{out}'{book}{rejects}."]))


def explain(
    model: ModelFolder,
    folder: Data,
    as_of: AsOf,
    enterprise: Annotated[str, typer.Option(metavar="ID", help="A unified social credit code.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="A page, FILE.html.")],
    policy: Annotated[
        str | None, typer.Option(metavar="POLICY", help="The model's own if not given.")
    ] = None,
    lang: Annotated[str, typer.Option(metavar="LANG", help="zh or en.")] = "zh",
    previous: Previous = None,
    reviews: Annotated[
        Path | None, typer.Option(metavar="LOG", help="Decisions so far, as review keeps them.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="What if this record had never been? May be given again."),
    ] = None,
    background: Annotated[
        int, typer.Option(metavar="N", help="Measure risk against N enterprises of DIR, drawn by lot.")
    ] = 0,
) -> Answer:
    """Say why one enterprise is in its tier."""
    checks = Checks()
    checks.folder("MODEL", model, "model", holds=["manifest.json"])
    checks.folder("DIR", folder, "dataset")
    day = checks.date("--as-of", as_of)
    checks.enterprise("--enterprise", enterprise)
    meant = None if policy is None else checks.policy("--policy", policy, of_models=True)
    checks.one_of("--lang", lang, LANGUAGES)
    if previous is not None:
        checks.file("--previous", previous)
    if reviews is not None:
        checks.file("--reviews", reviews)
    checks.at_least("--background", background, 0)
    checks.out_file("--out", out, [".html"])
    checks.settle()

    from tierkit.explain import background as drawn
    from tierkit.explain import revoked
    from tierkit.features import build
    from tierkit.jobs.scoring import last_assignment
    from tierkit.jobs.staging import stage_one
    from tierkit.policy.reviews import read_log
    from tierkit.records import open_folder, replacing
    from tierkit.records.known import check_recorded
    from tierkit.report import data_hash, dossier, sheets
    from tierkit.scores.model import Model

    options: dict[str, Any] = {"as-of": as_of, "enterprise": enterprise, "policy": policy, "lang": lang}
    options |= {"previous": previous, "reviews": reviews, "out": out}
    parts = [f"--{name}={value}" for name, value in options.items() if value is not None]
    parts += [f"--without={one}" for one in without or ()]
    parts += [f"--background={background}"] if background else []
    again = shlex.join(["tierkit", "explain", str(model), str(folder), *parts])
    loaded = Model.load(model)
    chosen = meant or loaded.policy
    _warn_of_rule(chosen)
    opened = open_folder(folder)
    missing = _warn_of_missing(opened)
    check_recorded(day.date(), opened.as_of)
    with TemporaryDirectory(prefix="tierkit-") as place:
        staged, left_out = stage_one(opened, Path(place), enterprise)
        _check(checks, staged.files["enterprises"], left_out, enterprise, day)
        last = last_assignment(previous, day.date())
        city = drawn(build(folder, day, threads=cores()), background) if background else None
        [case] = sheets(
            loaded, staged.files, day, [enterprise], chosen, background=city,
            previous=last, reviews=None if reviews is None else read_log(reviews),
            facts={"data_hash": data_hash(folder), "missing": missing, "command": again},
            lang=lang, threads=cores(),
        )  # fmt: skip
        appeal = None
        if without:
            appeal = revoked(
                loaded, staged.files, day, enterprise, without, chosen, last, everybody=folder, lang=lang
            )
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as draft:
        dossier(case, chosen, as_of=as_of, lang=lang, appeal=appeal, out=draft)
    said = case.reasons.sentences(lang)
    if background:
        said.append(case.reasons.game_sentence(lang))
    if case.recourse is not None:
        said += ["", *case.recourse.sentences(lang)]
    answer = {"page": str(out), **case.to_dict()}
    if appeal is not None:
        said += ["", *appeal.sentences(lang)]
        answer["without"] = appeal.to_dict()
    return Answer(answer, "\n".join([*said, "", f"Wrote '{out}'."]))


def _warn_of_missing(opened: "Folder") -> str | None:
    """Warn of tables that features are taken from and that are not there; return their names."""
    from tierkit.records.known import TIMED

    names = ", ".join(f"'{name}'" for name in TIMED if name not in opened.files)
    if not names:
        return None
    warnings.warn(f"missing tables count as if nothing had happened: {names}", stacklevel=2)
    return names


def _warn_of_rule(policy: "Policy") -> None:
    """Warn of a policy whose own tiers rest on a rule score, where the models' scores take its place."""
    if policy["scoring.basis"] == "rule":
        said = f"under {policy.name} tiers rest on a rule score of its own; here the models' take its place"
        warnings.warn(said, stacklevel=2)


def _check(
    checks: Checks, enterprises: Path, left_out: "pd.DataFrame", enterprise: str, day: "pd.Timestamp"
) -> None:
    """Note it unless an enterprise was on the register; warn of its records that are left out."""
    import pandas as pd

    rows = [f"'{one.table}' row {one.row} ({one.reason})" for one in left_out.itertuples()]
    found = pd.read_parquet(enterprises, filters=[("enterprise_id", "==", enterprise)])
    if found.empty:
        if (left_out["table"] == "enterprises").any():
            message = f"{enterprise} breaks the data contract: {'; '.join(rows)}"
            checks.note("--enterprise", message, "Mend the row; 'tierkit validate' lists everything.")
        else:
            message = f"{enterprise} is not in the table 'enterprises'"
            checks.note("--enterprise", message, "Give one of its column enterprise_id.")
        checks.settle()
    row = found.iloc[0]
    if pd.notna(row["closed_on"]) and pd.Timestamp(row["closed_on"]) < day:
        message = f"{enterprise} closed on {row['closed_on']}"
        checks.note("--as-of", message, "Give a date before it closed.")
    elif pd.Timestamp(row["registered_on"]) >= day:
        message = f"{enterprise} was registered on {row['registered_on']}, and nothing is known of it before"
        checks.note("--as-of", message, "Give a later date.")
    checks.settle()
    if rows:
        shown = "; ".join(rows[:3]) + (f"; and {len(rows) - 3} more" if len(rows) > 3 else "")
        warnings.warn(f"records that break the data contract are left out: {shown}", stacklevel=2)


def _short(value: float | None) -> float | str:
    if value is None:
        return "none"
    return value if isinstance(value, int) else f"{value:.4f}"


def _beside(one: dict[str, Any]) -> dict[str, str]:
    """Return a row of the table of baselines."""

    def told(name: str) -> str:
        if one[name] is None:
            return "none: one class only"
        low, high = one[f"{name}_low"], one[f"{name}_high"]
        return f"{one[name]:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")

    behind = "" if one["score"] == "model" else told("auc_behind")
    return {
        "ranked by": one["score"],
        "auc": told("auc"),
        "found in the first tenth": told("capture"),
        "behind the model by": behind,
    }


def _settings(tuned: dict[str, Any]) -> str:
    best = next(one for one in tuned["candidates"] if one["chosen"])
    numbers = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in tuned["chosen"].items())
    return (
        f"{numbers}, the best of {len(tuned['candidates'])} at {len(tuned['origins'])} origins; log loss "
        f"{best['difference']:+.5f} [{best['difference_low']:+.5f}, {best['difference_high']:+.5f}] "
        "from the stated ones"
    )
