"""All commands in one application, and the exit status of a call."""

import gc
import io
import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from tierkit import __version__
from tierkit.cli import (
    backtests,
    data,
    evaluations,
    intakes,
    models,
    places,
    policies,
    reports,
    reviews,
    sensitivity,
    simulations,
)
from tierkit.cli.answers import DONE, INTERRUPTED, interruptible, reader_gone

__all__ = ["app", "main"]

HELP = """\
Tier enterprises by risk and credit, and ask what an inspection policy would do before anybody is visited.

POLICY is the name of a preset (tierkit policy list) or a TOML file. Exit status: 0 done; 2 bad input or
usage, and nothing is written; 1 an error inside tierkit; 130 interrupted; 141 the output pipe was closed.
"""

app = typer.Typer(
    name="tierkit",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Version = Annotated[bool, typer.Option("--version", callback=lambda asked: _version(asked), is_eager=True)]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"tierkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(version: Version = False) -> None:
    """Read the options that stand before the command."""


data.add_to(app)
models.add_to(app)
reviews.add_to(app)
simulations.add_to(app)
reports.add_to(app)
sensitivity.add_to(app)
backtests.add_to(app)
evaluations.add_to(app)
app.add_typer(policies.app, name="policy")
app.add_typer(places.app, name="place")
app.add_typer(intakes.app, name="intake")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``tierkit``; that of the process if not given.

    Raises
    ------
    SystemExit
        Always: 0 done, 2 bad input or usage, 1 an error inside tierkit, 130 interrupted, 141 the output pipe
        was closed.

    Examples
    --------
    >>> main(["policy", "diff", "legacy", "legacy"])
    Traceback (most recent call last):
    ...
    SystemExit: 0
    """
    raise SystemExit(_run(list(sys.argv[1:] if arguments is None else arguments)))


def _run(arguments: list[str]) -> int:
    # Loading libraries makes millions of objects that stay: looking for garbage among them again and again
    # takes a sixth of a short command's time.
    gc.set_threshold(100_000, 50, 100)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that the terminal does not have is shown as ?
            stream.reconfigure(errors="replace")
    try:
        with interruptible():
            status = get_command(app).main(arguments, prog_name="tierkit", standalone_mode=False)
            sys.stdout.flush()
    except typer.TyperException as error:  # a wrong option, a missing argument
        _say_usage(error, "--json" in arguments)
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (BrokenPipeError, SystemExit):  # typer makes the one the other while it prints help
        return reader_gone()
    return status if isinstance(status, int) else DONE


def _say_usage(error: typer.TyperException, as_json: bool) -> None:
    context = getattr(error, "ctx", None)
    name = context.command_path if context else "tierkit"
    if as_json:
        problems = [{"place": name, "message": error.format_message(), "remedy": f"See {name} --help."}]
        print(json.dumps({"status": "bad input", "problems": problems}, ensure_ascii=False, indent=2))
    else:
        print(f"{name}: {error.format_message()}\nSee {name} --help.", file=sys.stderr)
