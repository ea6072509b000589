"""``tierkit policy``: list, show, compare, check and calibrate policies, and map the clauses of the plans."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from tierkit.cli.answers import Answer, command, describe
from tierkit.cli.table import table
from tierkit.jobs.checks import BadInputError, Checks

__all__ = ["app"]

app = typer.Typer(help="List, show, compare, check and calibrate policies.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="POLICY", help="A preset's name or a TOML file.")]


def _load(**names: str) -> list[Any]:
    checks = Checks()
    loaded = [checks.policy(place, name) for place, name in names.items()]
    checks.settle()
    return loaded


@command(app, "list")
def list_policies() -> Answer:
    """List the policies that come with tierkit."""
    from tierkit.policy import STATUSES, Policy, PolicyWarning, diff, presets

    warnings.simplefilter(
        "ignore", PolicyWarning
    )  # they are for those who use a policy, not for a list of all
    rows = []
    for name in presets():
        policy = Policy.load(name)
        baseline = policy.meta.baseline
        rows.append(
            {
                "policy": name,
                "date": str(policy.meta.date),
                "status": STATUSES[policy.meta.status].en,
                "baseline": baseline or "",
                "differs_in": len(diff(Policy.load(baseline), policy)) if baseline else "",
                "title": policy.meta.title.en,
                "title_zh": policy.meta.title.zh,
            }
        )
    return Answer({"policies": rows}, table(rows, right=["differs_in"]))


@command(app, "ladder")
def show_ladders(
    policies: Annotated[
        list[str] | None,
        typer.Argument(metavar="[POLICY]...", help="Presets or TOML files; all presets if not given."),
    ] = None,
) -> Answer:
    """Compare how often policies inspect each tier, with each other and with the legal floor."""
    from tierkit.policy import PolicyWarning, presets
    from tierkit.policy.ladders import FLOORS, check_floor, ladder, ladder_table

    warnings.simplefilter(
        "ignore", PolicyWarning
    )  # they are for those who use a policy, not for a table of ladders
    names = dict.fromkeys(policies or presets())
    checks = Checks()
    loaded = [checks.policy("POLICY", name) for name in names]
    checks.settle()
    chosen = [one for one in loaded if one is not None]
    floors = [check_floor(one) for one in chosen]
    shown = ladder_table(chosen, "en").reset_index().to_dict("records")
    about = (
        "Of each tier: routine inspections per enterprise-year as declared, general / key items where they "
        f"differ, over all agencies. {FLOORS[-1].source.en} asks for draws of {FLOORS[-1].share:.0%} of the "
        "enterprises a year, of the market regulators alone."
    )
    low = [line.replace("**", "") for check in floors for line in check.sentences("en")]
    rows: list[dict[str, Any]] = [{str(key): value for key, value in row.items()} for row in shown]
    return Answer(
        {
            "unit": "inspections/enterprise-year",
            "ladder": ladder(chosen).to_dict("records"),
            "floor": [check.to_dict() for check in floors],
        },
        "\n\n".join([table(rows), about, *low]),
    )


@command(app, "show")
def show(policy: Name) -> Answer:
    """Show every value of a policy with its unit and where it comes from, as TOML."""
    (one,) = _load(POLICY=policy)
    values = {
        path: {
            "value": parameter.value,
            "unit": parameter.unit,
            "source": parameter.source,
            "assumption": parameter.assumption,
            "from": parameter.from_,
        }
        for path, parameter in one.parameters.items()
    }
    about = {"policy": one.name, "hash": one.hash, "overlays": one.meta.overlays}
    return Answer({**about, "parameters": values}, one.to_toml().rstrip("\n"))


@command(app, "diff")
def difference(
    a: Annotated[str, typer.Argument(metavar="A", help="A preset's name or a TOML file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
) -> Answer:
    """List the values in which two policies differ."""
    from tierkit.policy import diff

    one, other = _load(A=a, B=b)
    rows = diff(one, other).to_dict("records")
    named = [
        {**{"parameter": row["parameter"], one.name: row["a"], other.name: row["b"]}, **row} for row in rows
    ]
    for row in named:
        del row["a"], row["b"]
    text = table(named) if rows else f"{one.name} and {other.name} hold the same values."
    return Answer({"a": one.name, "b": other.name, "differences": rows}, text)


@command(app, "check")
def check_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A TOML file, or a preset's name.")],
    on: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Day on which its overlays count; the policy's date if not given."),
    ] = None,
    overlay: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Rule of higher rank, or its file, in the place of those it states; repeat."
        ),
    ] = None,
) -> Answer:
    """List everything that is wrong with a policy file, and where it breaks rules of higher rank."""
    from tierkit.policy import check

    problems = check(file)
    if any(not one.warning for one in problems):
        raise BadInputError(problems)
    rows = [describe(one) for one in problems]
    held = _held(file, on, overlay or None)
    text = "\n\n".join([f"{file} can be used.", *([table(rows)] if rows else []), *_bound(held)])
    return Answer({"file": file, "notes": rows, "overlays": held.to_dict()}, text)


def _held(file: str, on: str | None, overlays: list[str] | None) -> Any:
    """Return a policy that can be used held against overlays; every unknown one is told at once."""
    from tierkit.policy import Overlay, Policy, PolicyError, PolicyWarning, check_overlays

    checks = Checks()
    day = None if on is None else checks.date("--on", on)
    rules: list[Overlay] = []
    for name in overlays or ():
        try:
            rules.append(Overlay.load(name))
        except PolicyError as error:
            for one in error.problems:
                where = f" line {one.line}" if one.line else ""
                checks.note(f"--overlay {one.place}{where}", one.message, one.remedy)
    checks.settle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PolicyWarning)  # they are among the notes
        policy = Policy.load(file)
    return check_overlays(policy, day, None if overlays is None else rules)


def _bound(held: Any) -> list[str]:
    """Return the paragraphs on a policy's overlays; none where it has none."""
    from tierkit.texts import plain

    if not held.overlays:
        return []
    columns = ("overlay", "requirement", "parameter", "value", "must", "remedy", "source", "from")
    head, *rest = (plain(one) for one in held.sentences("en"))  # a rule's file may be a stranger's
    broken = [{key: row[key] for key in columns} for row in held.to_dict()["broken"]]
    return [head, *([table(broken)] if broken else []), *rest[len(held.broken) :]]


@command(app, "coverage")
def clause_coverage(
    parameter: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only clauses that name this parameter, or one of this family."),
    ] = None,
    lang: Annotated[str, typer.Option(metavar="LANG", help="zh or en.")] = "en",
) -> Answer:
    """Map each clause of the five plans to what carries it, or say why nothing does."""
    from tierkit.policy import REFERENCES, STANDINGS, clauses_naming, coverage, coverage_summary

    checks = Checks()
    checks.one_of("--lang", lang, ("zh", "en"))
    if parameter is not None:
        with checks.blame("--parameter", "'tierkit policy show legacy' lists the parameters."):
            wanted = {one.id for one in clauses_naming(parameter)}
    checks.settle()
    frame = coverage(lang)
    labels = {name: label.text(lang) for name, label in {**STANDINGS, **REFERENCES}.items()}
    if parameter is not None:
        frame = frame[frame["clause_id"].isin(wanted)]
    rows = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
    text = table([{**row, "standing": labels[row["standing"]]} for row in rows])
    if parameter is not None:
        return Answer({"parameter": parameter, "clauses": rows}, text or f"No clause names '{parameter}'.")
    summary = coverage_summary().reset_index().to_dict("records")
    counts = [{str(key): value for key, value in row.items()} for row in summary]
    shown = [{labels.get(key, key): value for key, value in row.items()} for row in counts]
    text += f"\n\n{table(shown, right=list(shown[0])[1:])}\n\n{_EXTRA}"
    return Answer({"clauses": rows, "summary": counts}, text)


@command(app, "calibrate")
def calibrate_cutoffs(
    policy: Name,
    scores: Annotated[Path, typer.Argument(metavar="SCORES", help="A file that score wrote.")],
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="Where to write the policy, FILE.toml; its name is FILE.")
    ],
    shares: Annotated[
        str | None,
        typer.Option(
            metavar="S1,S2,S3,S4",
            help="Shares of T1 to T4 to aim at; the policy's own target shares if not given.",
        ),
    ] = None,
    risk_cutoffs: Annotated[
        str | None,
        typer.Option(
            metavar="P1,P2,...", help="Probabilities from which risk levels begin; credit goes by shares."
        ),
    ] = None,
    worst: Annotated[
        float | None,
        typer.Option(metavar="N", help="At most N enterprises in T4, or that share of them if N is below 1."),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(metavar="SCORES", help="Tell the shares on these scores, too; of another day, say."),
    ] = None,
    place: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Name or file of the scores' place, for a policy of any place."),
    ] = None,
    lang: Annotated[str, typer.Option(metavar="LANG", help="zh or en.")] = "en",
) -> Answer:
    """Set a policy's cut-offs on scores of one's own city, and write them as a policy."""
    from tierkit.jobs import calibration

    checks = Checks()
    checks.one_of("--lang", lang, ("zh", "en"))
    four = _numbers(checks, "--shares", shares)
    given = _numbers(checks, "--risk-cutoffs", risk_cutoffs)
    checks.settle()
    done = calibration.calibrate(
        policy, scores, out, also=also or (), shares=four, risk_cutoffs=given, worst=worst, place=place
    )
    result = done.result
    wrote = "Replaced" if done.replaced else "Wrote"
    shown = [
        {
            "scores": one.scores,
            "": f"{one.kind.replace('_', ' ')} {one.level}",
            "enterprises": one.enterprises,
            "share": f"{one.share:.1%}",
            "95 % interval": f"[{one.low:.1%}, {one.high:.1%}]",
            "aimed at": "" if one.target != one.target else f"{one.target:.1%}",
        }
        for one in result.shares
    ]
    right = ["enterprises", "share", "aimed at"]
    parts = [*result.sentences(lang), table(shown, right=right), f"{wrote} '{out}'."]
    return Answer(done.to_dict(), "\n\n".join(parts))


def _numbers(checks: Checks, place: str, given: str | None) -> list[float] | None:
    """Return numbers that commas part; record a problem if they are none."""
    if given is None:
        return None
    try:
        return [float(one) for one in given.split(",")]
    except ValueError:
        checks.note(place, f"'{given}' is not a list of numbers", "Give numbers with commas between them.")
        return None


_EXTRA = "Extra clauses are not counted; they are here because a policy file cites them."
