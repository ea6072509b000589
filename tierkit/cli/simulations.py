"""``tierkit simulate`` and ``demo``: what policies would do."""

import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierkit import __version__
from tierkit.cli.answers import Answer, command
from tierkit.cli.table import table
from tierkit.folders import whole_folder
from tierkit.jobs.checks import MAX_SEED, Checks, cores
from tierkit.progress import Progress, show

if TYPE_CHECKING:
    import pandas as pd

    from tierkit.city.world import World
    from tierkit.compare.comparison import Replicates
    from tierkit.policy import Policy
    from tierkit.records import Dataset

__all__ = ["MOST_KAPPA", "MOST_REPLICATES", "MOST_WEEKS", "add_to", "warn_of_rule_scores"]

KAPPAS = (0.0, 0.1, 0.25)
"""Nobody knows κ, so a result is shown at three."""

HEADLINE_KAPPA = 0.1
_LEGACY = "legacy"
LEAST_TO_LEARN = 500
_ONE_REPLICATE = (
    "One replicate has no intervals: no difference can be told from the luck of one draw. "
    "Give --replicates 2 or more."
)
_RANGES = (
    "Ranges are ours, around the published figures named; shanghai-2025's frequencies were set so that its "
    "change of\ninspections lies in its range."
)
MOST_KAPPA = 2
MOST_WEEKS = 520
MOST_REPLICATES = 1000


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    command(app, "simulate")(simulate)
    command(app, "demo")(demo)


def simulate(
    policy: Annotated[
        list[str], typer.Option(metavar="POLICY", help="The reform; may be given several times.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A synthetic city, unless one is drawn here.")
    ] = None,
    enterprises: Annotated[
        int | None,
        typer.Option(metavar="N", help="Draw a city of so many in memory, without its records."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="What to compare with; the baseline that the reforms name if not given."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Whose scores the tiers rest on; a rule score if not given."),
    ] = None,
    kappa: Annotated[
        list[float] | None,
        typer.Option(
            metavar="K", help="General deterrence; 0, 0.1 and 0.25 if not given; may be given several times."
        ),
    ] = None,
    weeks: Annotated[int, typer.Option(metavar="W", help="How long to run.")] = 52,
    replicates: Annotated[int, typer.Option(metavar="R", help="Runs of each policy; intervals need 2.")] = 20,
    seed: Annotated[
        int, typer.Option(metavar="S", help="Seed of the draws, and of the city if it is drawn here.")
    ] = 0,
) -> Answer:
    """Compare what policies would do, with intervals."""
    kappas = sorted(set(kappa or KAPPAS))
    checks = Checks()
    if (folder is None) == (enterprises is None):
        checks.note(
            "DIR",
            "one city is needed, from a folder or drawn here",
            "Give either DIR or --enterprises.",
        )
    elif folder is not None:
        checks.folder("DIR", folder, "dataset", holds=["manifest.json"])
    elif enterprises is not None:
        from tierkit.city.population import MOST_ENTERPRISES

        checks.between("--enterprises", enterprises, 1, MOST_ENTERPRISES)
        if model is not None:
            checks.note("--model", "a city drawn here has no records to score", "Give DIR, or leave it out.")
    if model is not None:
        checks.folder("MODEL", model, "model", holds=["manifest.json"])
    loaded = [checks.policy("--policy", one) for one in policy]
    named = None if baseline or None in loaded else _baseline_of(checks, policy)
    wanted = baseline or named
    loaded.insert(0, checks.policy("--baseline", wanted) if wanted else None)
    policies = [one for one in loaded if one is not None]
    if len(policies) == len(loaded):
        _check_that_they_differ(checks, policies)
    for one in kappas:
        checks.between("--kappa", one, 0, MOST_KAPPA)
    checks.between("--weeks", weeks, 1, MOST_WEEKS)
    checks.between("--replicates", replicates, 1, MOST_REPLICATES)
    checks.between("--seed", seed, 0, MAX_SEED)
    wrote = checks.out_folder("--out", out, "run")
    checks.settle()

    import pandas as pd

    from tierkit.city.world import WEEKS_A_YEAR
    from tierkit.compare.agencies import ratings
    from tierkit.compare.comparison import HEADLINE, compare
    from tierkit.report import RunReport, floor_checks

    base, *reforms = policies
    with show() as progress:
        data, world = _city(checks, folder, enterprises, seed, weeks, progress)
        scores, tiers = _scored(model, data, policies)
        runs = [
            compare(
                world,
                base,
                reforms,
                scores=scores,
                replicates=replicates,
                weeks=weeks,
                by_year=weeks > WEEKS_A_YEAR and weeks % WEEKS_A_YEAR == 0,
                seed=seed,
                kappa=one,
                threads=cores(),
                progress=partial(progress, f"simulating, κ = {one:g}"),
            )
            for one in kappas
        ]
    shown = min(kappas, key=lambda one: abs(one - HEADLINE_KAPPA))
    run = RunReport(
        summary=pd.concat([one.summary for one in runs], ignore_index=True),
        years=pd.concat([one.years for one in runs], ignore_index=True),
        transitions=pd.concat([one.transitions for one in runs], ignore_index=True),
        by_replicate=pd.concat([one.by_replicate for one in runs], ignore_index=True),
        policies=tuple(policies),
        kappa=shown,
        weeks=weeks,
        tiers=tiers,
        scores=scores,
        visits=RunReport.visits_frame(runs[kappas.index(shown)].visits),
        ratings=ratings(data["inspections"]) if data else None,
        facts={
            "version": __version__,
            "enterprises": data.manifest["enterprises"] if data else enterprises,
            "seed": seed,
            "replicates": replicates,
            "as_of": world.date.isoformat(),
            "world_hash": world.parameters.hash,
        },
    )
    with whole_folder(out) as draft:
        run.save(draft)
    headline = run.summary[(run.summary["group"] == "all") & run.summary["measure"].isin(HEADLINE)]
    needed: list[Any] = headline.to_dict("records")
    for row in needed:
        takes = _takes(row)
        row["replicates_for_10_percent"] = None if takes is None else takes._asdict()
    of_file = ", the baseline that the reform names," if named not in (None, _LEGACY) else ""
    with_what = "with 95 % intervals" if replicates > 1 else "of one replicate"
    what = f"Differences from {base.name}{of_file} over {weeks} weeks, {with_what}. {wrote} '{out}'."
    if replicates == 1:
        what = f"{_ONE_REPLICATE}\n\n{what}"
    floors = floor_checks(run)
    low = [line.replace("**", "") for check in floors for line in check.sentences("en")]
    return Answer(
        {
            "folder": str(out),
            "baseline": base.name,
            "facts": run.facts,
            "headline": needed,
            "floor": [check.to_dict() for check in floors],
        },
        "\n\n".join([_headline(headline), *low, what]),
    )


def _city(
    checks: Checks, folder: Path | None, enterprises: int | None, seed: int, weeks: int, progress: Progress
) -> "tuple[Dataset | None, World]":
    """Return the records of a folder and the world that goes on from them, or a world drawn here."""
    from tierkit.city.synth import grow, world_of
    from tierkit.records import read_dataset

    if enterprises is not None:
        watch = partial(progress, "drawing the city and its past")
        return None, grow(enterprises, seed, horizon_weeks=weeks, threads=cores(), progress=watch)
    assert folder is not None
    data = read_dataset(folder)
    remedy = "Give a folder that this version's 'tierkit synth' made, truth included."
    with checks.blame("DIR", remedy):
        return data, world_of(data, horizon_weeks=weeks)


def _baseline_of(checks: Checks, policies: "Sequence[str]") -> str | None:
    """Return the baseline that all policies name; presets and files that name none stand beside legacy."""
    import tomllib

    from tierkit.policy import presets

    named: dict[str, str] = {}
    for one in policies:
        if one in presets():
            named[one] = _LEGACY
        else:
            base = tomllib.loads(Path(one).read_text("utf-8-sig"))["meta"].get("baseline", _LEGACY)
            named[one] = base if base in presets() else str(Path(one).parent / base)
    if len(set(named.values())) == 1:
        return next(iter(named.values()))
    told = ", ".join(f"{one} names {base}" for one, base in named.items())
    checks.note(
        "--baseline", f"the policies have no baseline in common: {told}", "Say with which to compare."
    )
    return None


def _scored(
    model: Path | None, data: "Dataset | None", policies: "Sequence[Policy]"
) -> "tuple[pd.DataFrame | None, pd.DataFrame | None]":
    """Return everybody's scores at the end of the records, and tier under each policy that rests on them."""
    on_models = [one for one in policies if one["scoring.basis"] == "model" and not one.oracle]
    if model is None or data is None:
        warn_of_rule_scores(policies)
        return None, None
    import pandas as pd

    from tierkit.policy.tiers import assign
    from tierkit.scores.model import Model

    scores = Model.load(model).score(data, str(data.manifest["as_of"]), threads=cores())
    columns = ["enterprise_id", "tier", "risk_level", "credit_grade", "tier_reason", "unmonitored"]
    tiers = [assign(scores, one)[columns].assign(policy=one.name) for one in on_models]
    return scores, pd.concat(tiers, ignore_index=True) if tiers else None


def warn_of_rule_scores(policies: "Sequence[Policy]") -> None:
    """Warn of policies whose tiers rest on models, where no model is given."""
    names = ", ".join(one.name for one in policies if one["scoring.basis"] == "model" and not one.oracle)
    if names:
        said = (
            f"without --model, the rule score stands in for models under {names}; it tells enterprises "
            "apart less, so fewer are in the middle tiers and on an unmonitored list than the plan aims at"
        )
        warnings.warn(said, stacklevel=2)


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    enterprises: Annotated[int, typer.Option(metavar="N", help="How many enterprises.")] = 20_000,
    replicates: Annotated[int, typer.Option(metavar="R", help="Runs of each policy.")] = 20,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the city and of the draws.")] = 2025,
) -> Answer:
    """Do the main job: records, models, tiers, five plans."""
    from tierkit.city.population import MOST_ENTERPRISES

    checks = Checks()
    checks.between("--enterprises", enterprises, LEAST_TO_LEARN, MOST_ENTERPRISES)
    checks.between("--replicates", replicates, 2, MOST_REPLICATES)
    checks.between("--seed", seed, 0, MAX_SEED)
    replaced = checks.out_folder("--out", out, "demo")
    checks.settle()

    from tierkit.compare.comparison import HEADLINE
    from tierkit.jobs.demo import run
    from tierkit.report import RunReport, headline

    with show() as progress, whole_folder(out) as draft:
        done = run(
            draft,
            enterprises=enterprises,
            seed=seed,
            replicates=replicates,
            threads=cores(),
            progress=progress,
        )
    sentences = [one.replace("**", "") for one in headline(RunReport.read(out / "run"), "en")]
    compared = done.comparison.summary
    compared = compared[(compared["group"] == "all") & compared["measure"].isin(HEADLINE)]
    moments: list[Any] = done.moments.to_dict("records")
    total = sum(done.seconds.values())
    wrote = f"{replaced} '{out / 'index.html'}' in {total:.0f} s."
    parts = [*sentences, _headline(compared), _acceptance(moments), wrote]
    data = {
        "page": str(out / "index.html"),
        "seconds": done.seconds,
        "headline": sentences,
        "moments": moments,
    }
    return Answer(data, "\n\n".join(parts))


def _check_that_they_differ(checks: Checks, policies: "Sequence[Policy]") -> None:
    base, *reforms = policies
    for at, one in enumerate(reforms, 1):
        if one.hash == base.hash:
            checks.note(
                "--policy", f"'{one.name}' is equal to the baseline '{base.name}'", "Give another policy."
            )
        elif one.name in [other.name for other in policies[:at]]:
            checks.note(
                "--policy", f"the name '{one.name}' comes twice", "Give each a 'name' of its own in [meta]."
            )


def _headline(headline: "pd.DataFrame") -> str:
    """Return a row a policy and measure, with the difference at each κ and the replicates it takes."""
    from tierkit.compare.outcomes import SHARES
    from tierkit.texts import interval, number, percent, signed, text

    rows: dict[tuple[str, str], dict[str, str]] = {}
    needs: dict[tuple[str, str], str] = {}
    found: list[Any] = headline[headline["policy"] != headline["baseline"]].to_dict("records")
    shown_kappa = min((row["kappa"] for row in found), key=lambda one: abs(one - HEADLINE_KAPPA))
    at = f", κ = {shown_kappa:g}" if len({row["kappa"] for row in found}) > 1 else ""
    for one in found:
        share = one["measure"] in SHARES
        value = percent(one["baseline_value"], 1) if share else number(one["baseline_value"])
        label = text(f"measure.{one['measure']}", "en")
        scale, digits, unit = (100, 1, " points") if share else (1, 0, "")
        change, low, high = (scale * one[key] for key in ("difference", "difference_low", "difference_high"))
        ends = f" {interval(low, high, digits, sign=True)}" if low == low else ""
        shown = f"{signed(change, digits)}{ends}{unit}" if change == change else "–"
        base = f"{one['baseline']}{at}"
        row = rows.setdefault((one["policy"], label), {"policy": one["policy"], "measure": label, base: ""})
        row[f"κ = {one['kappa']:g}"] = shown
        if one["kappa"] == shown_kappa:
            row[base] = value
            takes = _takes(one)
            if takes is not None:
                needs[one["policy"], label] = f"{number(takes.needed)} {interval(takes.low, takes.high)}"
    column = f"replicates for ± 10 %{at}"
    extra = {key: {column: needs.get(key, "")} for key in rows} if needs else {}
    return table([{**row, **extra.get(key, {})} for key, row in rows.items()])


def _takes(row: dict[str, Any]) -> "Replicates | None":
    """Return how many replicates give the difference an interval of ± 10 % of it; None if nothing can."""
    from tierkit.compare.comparison import replicates_for

    try:
        return replicates_for(row, 0.1 * abs(row["difference"]))
    except ValueError:  # one replicate, or no difference
        return None


def _acceptance(moments: list[dict[str, Any]]) -> str:
    """Return each moment of the world beside the range in which it must lie."""
    from tierkit.evaluate.moments import decimals
    from tierkit.texts import interval, number

    rows = []
    for one in moments:
        digits = decimals(one)
        ranged = one["lowest"] == one["lowest"]
        row = {
            "moment": one["moment"],
            "value": f"{number(one['value'], digits)} {interval(one['low'], one['high'], digits)}",
            "must_be_in": interval(one["lowest"], one["highest"], digits) if ranged else "",
            "holds": ("yes" if one["holds"] else "NO") if ranged else "",
            "n": round(one["n"]),
            "source": one["source"],
        }
        rows.append(row)
    return table(rows, right=["n"]) + "\n\n" + _RANGES
