"""``tierkit simulate`` and ``demo``: what policies would do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tierkit.cli.answers import Answer, command
from tierkit.cli.models import INSIST
from tierkit.cli.table import table
from tierkit.jobs.checks import cores
from tierkit.progress import show

if TYPE_CHECKING:
    import pandas as pd

    from tierkit.compare.spread import Spread

__all__ = ["add_to"]

_ONE_REPLICATE = (
    "One replicate has no intervals: no difference can be told from the luck of one draw. "
    "Give --replicates 2 or more."
)
_HINT = (
    "Another city made by the same parameters, with a model of its own, would differ by more: --within world "
    "gives intervals over cities like this."
)
_RANGES = (
    "Ranges are ours, around the published figures named; shanghai-2025's frequencies were set so that its "
    "change of\ninspections lies in its range."
)


def add_to(app: typer.Typer) -> None:
    """Add the commands to an application."""
    command(app, "simulate")(simulate)
    command(app, "demo")(demo)


def simulate(
    policies: Annotated[
        list[str],
        typer.Option("--policy", metavar="POLICY", help="The reform; may be given several times."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    data: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="A synthetic city, unless one is drawn here.")
    ] = None,
    enterprises: Annotated[
        int | None,
        typer.Option(metavar="N", help="Draw a city of N enterprises in memory instead, without records."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="What to compare with; the baseline that the reforms name if not given."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL", help="Model whose scores set the tiers; a rule score sets them if not given."
        ),
    ] = None,
    insist: Annotated[bool, typer.Option("--insist", help=INSIST)] = False,
    kappas: Annotated[
        list[float] | None,
        typer.Option(
            "--kappa",
            metavar="K",
            help="Strength of general deterrence; 0, 0.1 and 0.25 if not given; may be given several times.",
        ),
    ] = None,
    weeks: Annotated[int, typer.Option(metavar="W", help="How long to run.")] = 52,
    replicates: Annotated[int, typer.Option(metavar="R", help="Runs of each policy; intervals need 2.")] = 20,
    seed: Annotated[
        int, typer.Option(metavar="S", help="Seed of the draws, and of the city if it is drawn here.")
    ] = 0,
    apart: Annotated[
        bool,
        typer.Option("--apart", help="Also run all without campaigns, without lists and without caps."),
    ] = False,
    within: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="What the headline's intervals are over: draws, model (and draws) or world (cities).",
        ),
    ] = "draws",
    worlds: Annotated[
        int,
        typer.Option(metavar="N", help="Cities like this, each with a model of its own, within the world."),
    ] = 6,
    world_size: Annotated[
        int | None,
        typer.Option(metavar="N", help="Enterprises of each; as here, at most 5,000, if not given."),
    ] = None,
) -> Answer:
    """Compare what policies would do, with intervals."""
    from tierkit.jobs import simulation

    with show() as progress:
        done = simulation.simulate(
            policies, out, data, enterprises=enterprises, baseline=baseline, model=model, insist=insist,
            kappas=kappas or simulation.KAPPAS, weeks=weeks, replicates=replicates, seed=seed,
            apart=apart, within=within, worlds=worlds, world_size=world_size, threads=cores(),
            progress=progress,
        )  # fmt: skip
    of_file = ", the baseline that the reform names," if done.named_baseline else ""
    alone = "with 95 % intervals over draws alone, for this city and this model"
    with_what = alone if replicates > 1 else "of one replicate"
    wrote = f"{'Replaced' if done.replaced else 'Wrote'} '{out}'"
    what = f"Differences from {done.baseline}{of_file} over {weeks} weeks, {with_what}. {wrote}."
    if replicates == 1:
        what = f"{_ONE_REPLICATE}\n\n{what}"
    low = [line.replace("**", "") for check in done.floors for line in check.sentences("en")]
    wider = _wider(done.report.spread) if done.report.spread is not None else []
    hint = [] if wider or replicates == 1 else [_HINT]
    return Answer(done.to_dict(), "\n\n".join([*wider, _headline(done.headline), *low, what, *hint]))


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")],
    enterprises: Annotated[int, typer.Option(metavar="N", help="How many enterprises.")] = 20_000,
    replicates: Annotated[int, typer.Option(metavar="R", help="Runs of each policy.")] = 20,
    seed: Annotated[int, typer.Option(metavar="S", help="Seed of the city and of the draws.")] = 2025,
    apart: Annotated[
        bool,
        typer.Option("--apart", help="Also run all without campaigns, without lists and without caps."),
    ] = False,
    worlds: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Further cities, each with a model of its own, for the headline's intervals; 0: none.",
        ),
    ] = 5,
) -> Answer:
    """Run the whole demonstration: records, models, tiers and five plans."""
    from tierkit.jobs.demo import run

    with show() as progress:
        done = run(
            out, enterprises=enterprises, seed=seed, replicates=replicates, apart=apart, worlds=worlds,
            threads=cores(), progress=progress,
        )  # fmt: skip
    wrote = f"{'Replaced' if done.replaced else 'Wrote'} '{done.page}' in {sum(done.seconds.values()):.0f} s."
    moments: list[Any] = done.moments.to_dict("records")
    wider = _wider(done.report.spread) if done.report.spread is not None else []
    parts = [*done.sentences, *wider, _headline(done.headline), _acceptance(moments), wrote]
    return Answer(done.to_dict(), "\n\n".join(parts))


def _wider(spread: "Spread") -> list[str]:
    """Return the changes at the widest level, each with its level in words, and what varies."""
    from tierkit.compare.spread import change_told
    from tierkit.texts import percent, text

    rows = []
    for policy in spread.policies[1:]:
        for measure in dict.fromkeys(spread.rows["measure"]):
            row = spread.row(policy, str(measure))
            one = change_told(row, "en", one=True).partition(" [")[2]
            rows.append(
                {
                    "policy": policy,
                    "measure": text(f"measure.{measure}", "en"),
                    "change": change_told(row, "en"),
                    "over": spread.about("en"),
                    text(f"report.widths.one.{spread.widest}", "en"): f"[{one}" if one else "–",
                    "same sign": percent(row["same_sign"], 0),
                }
            )
    return [spread.head("en"), table(rows), "\n".join(spread.sentences("en")[len(spread.policies) :])]


def _headline(headline: "pd.DataFrame") -> str:
    """Return one row per policy and measure, with the difference at each κ and the replicates it takes."""
    from tierkit.compare.measures import SHARES
    from tierkit.jobs.simulation import KAPPA, within_a_tenth
    from tierkit.texts import interval, number, percent, signed, text

    rows: dict[tuple[str, str], dict[str, str]] = {}
    needs: dict[tuple[str, str], str] = {}
    found: list[Any] = headline[headline["policy"] != headline["baseline"]].to_dict("records")
    shown_kappa = min((row["kappa"] for row in found), key=lambda one: abs(one - KAPPA))
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
            takes = within_a_tenth(one)
            if takes is not None:
                needs[one["policy"], label] = f"{number(takes.needed)} {interval(takes.low, takes.high)}"
    column = f"replicates for ± 10 %{at}"
    extra = {key: {column: needs.get(key, "")} for key in rows} if needs else {}
    return table([{**row, **extra.get(key, {})} for key, row in rows.items()])


def _acceptance(moments: list[dict[str, Any]]) -> str:
    """Return a table of the moments of the city, each beside the range in which it must lie."""
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
