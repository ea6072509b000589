"""Let runs of every command that writes meet and be killed, and hold what they leave: ``make kills``.

Pairs: two runs of a command with one place to write, begun at random moments of each other. The output must
be that of one run, whole; a run that meets another ends with 2 and says which process it is. Kills: a run
that is stopped at a random moment, by SIGKILL, SIGTERM or Ctrl-C, over an earlier output or none. The place
must hold the earlier output, the new one or none, each whole; Ctrl-C ends with 130; and the next run names
everything else that lies there, and clears it away.

Words: ``pairs=20 kills=200 minutes=240 seed=0 commands=score,train``; pairs are of each command. Most runs
are forks of this process, which has the libraries loaded; every fifth is a process of its own, so that its
start is met, too.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

CITY = Path(__file__).resolve().parent.parent / "data" / "synthetic"
AS_OF, OLDER, PAST = "2024-12-30", "2024-09-30", "2024-01-01"
BLANKED = re.compile(rb'"(seconds|recorded_at|hash|previous|entry|seal)": ?("[^"]*"|[0-9.]+|\{[^}]*\})')
OWN_PROCESS = 5
"""One of so many runs is a process of its own."""
LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Command:
    """A command that writes, in two variants whose outputs differ."""

    name: str
    variants: tuple[list[str], list[str]]
    adds: bool = False  # to what is there, instead of replacing it


@dataclass
class Run:
    """A run of a command in a folder."""

    pid: int
    folder: Path
    label: str
    status: int | None = None
    ended: float = 0.0

    def said(self) -> str:
        """Return what it wrote to standard error."""
        return (self.folder.parent / f"{self.label}.err").read_text("utf-8", "replace")


@dataclass
class Faults:
    """What was found wrong, and how often what was seen."""

    told: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)

    def expect(self, held: bool, said: str) -> None:
        """Record a fault unless something holds."""
        if not held:
            self.told.append(said)
            print(f"FAULT {said}", flush=True)


def begin(words: list[str], folder: Path, label: str, *, own: bool = False) -> Run:
    """Begin a run in a folder; its standard error goes to a file beside the folder."""
    with (
        (folder.parent / f"{label}.out").open("wb") as out,
        (folder.parent / f"{label}.err").open("wb") as err,
    ):
        if own:
            command = [sys.executable, "-m", "tierkit", *words]
            started = subprocess.Popen(command, cwd=folder, stdout=out, stderr=err, preexec_fn=_listen)
            started.returncode = 0  # it is waited for by its number, as forks are
            return Run(started.pid, folder, label)
        pid = os.fork()
        if pid:
            return Run(pid, folder, label)
        status = 1
        try:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.chdir(folder)
            _listen()
            from tierkit.cli import main

            main(words)
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
        except KeyboardInterrupt:
            status = 130
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    raise AssertionError


def _listen() -> None:
    """Hear Ctrl-C, which a shell's background jobs ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def end(*runs: Run) -> None:
    """Wait for runs, and note how and in which order they ended."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while any(one.status is None for one in runs):
        for one in runs:
            if one.status is None:
                pid, status = os.waitpid(one.pid, os.WNOHANG)
                if pid:
                    one.status, one.ended = os.waitstatus_to_exitcode(status), time.monotonic()
                elif time.monotonic() > deadline:
                    os.kill(one.pid, signal.SIGKILL)
        time.sleep(0.002)


def content(folder: Path) -> str:
    """Return a digest of what is seen in a folder; empty if there is nothing."""
    files = [one for one in sorted(folder.rglob("*")) if one.is_file()]
    shown = [one for one in files if not one.relative_to(folder).parts[0].startswith(".")]
    whole = b"\0".join(
        str(one.relative_to(folder)).encode() + b"\0" + BLANKED.sub(b"", one.read_bytes()) for one in shown
    )
    return hashlib.sha256(whole).hexdigest() if whole else ""


def hidden(folder: Path) -> list[str]:
    """Return the names of what a run keeps beside its output while it works."""
    return sorted(one.name for one in folder.iterdir() if one.name.startswith("."))


def prepare(place: Path) -> list[Command]:
    """Make what the commands read, and return them."""

    def do(*words: object) -> None:
        run = begin([str(one) for one in words], place / "made", "prepare")
        end(run)
        if run.status:
            raise SystemExit(f"{words} ended with {run.status}:\n{run.said()}")

    made = place / "made"
    made.mkdir()
    city, model, older, scores = (made / name for name in ("city", "model", "older", "scores.parquet"))
    do("synth", "--enterprises", 700, "--seed", 3, "--out", city)
    do("train", city, "--as-of", AS_OF, "--policy", "jiading-2025", "--out", model)
    do("train", city, "--as-of", OLDER, "--out", older)
    do("score", model, city, "--as-of", AS_OF, "--policy", "jiading-2025", "--out", scores)
    do("train", CITY, "--as-of", AS_OF, "--policy", "jiading-2025", "--out", made / "larger")
    on = [CITY, "--as-of", AS_OF, "--policy", "jiading-2025"]
    do("score", made / "larger", *on, "--out", made / "larger.parquet")
    simulate = ["simulate", "--enterprises", "150", "--weeks", "8", "--replicates", "2", "--policy"]
    do(*simulate, "uniform-3pct", "--out", made / "run")
    do(*simulate, "chongming-2025", "--out", made / "other")
    _decide(made)
    return _commands(made, simulate)


def _decide(made: Path) -> None:
    """Write two files of decisions on those that were scored."""
    import pandas as pd

    rows = pd.read_parquet(made / "scores.parquet", columns=["enterprise_id", "tier", "policy"])
    told = rows.assign(decision="agree", reviewer="Li", decided_on="2025-01-06", as_of=AS_OF)
    told.iloc[:100].to_csv(made / "a.csv", index=False)
    told.iloc[100:250].to_csv(made / "b.csv", index=False)


def _commands(made: Path, simulate: list[str]) -> list[Command]:
    city, model, older, scores = (str(made / one) for one in ("city", "model", "older", "scores.parquet"))
    larger = str(made / "larger.parquet")
    on = [city, "--as-of", AS_OF]
    out = ["--out", "out"]
    screen = ["sensitivity", "--policy", "uniform-3pct", "--enterprises", "300", "--weeks", "8"]
    screen += ["--chosen", "kappa", "--chosen", "frequency.base_rate"]  # few, so that a run takes seconds
    screen += ["--trajectories", "2", "--replicates", "2", "--cities", "2", "--measure", "inspections"]
    import pandas as pd

    someone = str(pd.read_parquet(scores, columns=["enterprise_id"]).iloc[0, 0])
    again = ["backtest", str(CITY), "--as-of", PAST, "--weeks", "26", "--replicates", "39"]

    def both(name: str, words: list[str], first: list[str], second: list[str], adds: bool = False) -> Command:
        return Command(name, ([*words, *first], [*words, *second]), adds)

    return [
        both("synth", ["synth", "--enterprises", "300", *out], ["--seed", "1"], ["--seed", "2"]),
        both("synth-csv", ["synth", "--enterprises", "300", "--format", "csv", *out], [], ["--seed", "2"]),
        both("train", ["train", *on, *out], ["--seed", "1"], ["--seed", "2", "--bootstrap", "2"]),
        both(
            "score", ["score", model, *on, "--chunk-rows", "40", "--out", "scores.parquet", "--policy"],
            ["jiading-2025", "--reasons", "2"], ["chongming-2025"],
        ),
        both(
            "explain", ["explain", model, *on, "--enterprise", someone, "--out", "one.html", "--lang"],
            ["zh"], ["en"],
        ),
        both("review", ["review", "--log", "log.jsonl"], [f"{made}/a.csv"], [f"{made}/b.csv"], adds=True),
        both(
            "calibrate",  # cuts scores that differ: those of a larger city
            ["policy", "calibrate", "jiading-2025", larger, "--out", "mine.toml", "--shares"],
            ["0.4,0.4,0.15,0.05"], ["0.5,0.3,0.15,0.05"],
        ),
        both("simulate", [*simulate, "uniform-3pct", *out], ["--seed", "1"], ["--seed", "2"]),
        both("report", ["report", *out], [f"{made}/run"], [f"{made}/other"]),
        both(
            "report-city", ["report", scores, "--data", city, "--model", model, *out],
            ["--dossiers", "2"], ["--tier", "T1", "--tier", "T2"],
        ),
        both("sensitivity", [*screen, *out], ["--seed", "1"], ["--seed", "2"]),
        both("evaluate", ["evaluate", older, city, "--as-of", OLDER, *out], [], ["--months", "2"]),
        both("backtest", [*again, *out], ["--seed", "1"], ["--seed", "2"]),
        both("demo", ["demo", "--enterprises", "600", "--replicates", "2", *out], [], ["--seed", "2"]),
    ]  # fmt: skip


def references(command: Command, place: Path) -> tuple[dict[str, str], float]:
    """Return what each variant gives alone, by digest, and how long one takes."""
    wholes: dict[str, str] = {}
    orders = [(0,), (1,), (0, 1), (1, 0)] if command.adds else [(0,), (1,)]
    seconds = 0.0
    for order in orders:
        folder = place / "alone"
        folder.mkdir()
        for variant in order:
            began = time.monotonic()
            run = begin(command.variants[variant], folder, "alone")
            end(run)
            seconds = max(seconds, time.monotonic() - began)
            if run.status:
                raise SystemExit(f"{command.name} ended with {run.status}:\n{run.said()}")
        wholes[content(folder)] = "".join("AB"[one] for one in order)
        shutil.rmtree(folder)
    if len(wholes) != len(orders):
        raise SystemExit(f"{command.name}: its variants give the same output")
    return wholes, seconds


def pair(
    command: Command, wholes: dict[str, str], seconds: float, place: Path, faults: Faults, draw: random.Random
) -> None:
    """Let two runs of a command write one place."""
    folder = place / "case"
    folder.mkdir()
    runs = []
    for variant in draw.sample([0, 1], 2):
        runs.append(
            begin(command.variants[variant], folder, "AB"[variant], own=not draw.randrange(OWN_PROCESS))
        )
        if len(runs) == 1:
            time.sleep(draw.uniform(0, seconds * 0.7))
    end(*runs)
    statuses = sorted(one.status or 0 for one in runs)
    what = f"pair of {command.name}, {[(one.label, one.status) for one in runs]}"
    faults.expect(statuses in ([0, 0], [0, 2]), f"{what}: {[one.said()[-500:] for one in runs]}")
    faults.expect(not hidden(folder), f"{what}: left {hidden(folder)}")
    found = wholes.get(content(folder), "neither's")
    if statuses == [0, 2]:
        done, refused = sorted(runs, key=lambda one: one.status or 0)
        faults.seen["pairs that met"] += 1
        named = f"process {done.pid} on this host" in refused.said()
        faults.expect(named, f"{what}: it does not say who writes: {refused.said()}")
        faults.expect(found == done.label, f"{what}: the output is {found}")
    elif statuses == [0, 0]:
        faults.seen["pairs one after the other"] += 1
        order = "".join(one.label for one in sorted(runs, key=lambda one: one.ended))
        right = set(wholes.values()) - set("AB") if command.adds else set(order[-1])
        faults.expect(found in right, f"{what}: the output is {found}")
    shutil.rmtree(folder)


def _before_python(run: Run) -> bool:
    """Return whether a run was stopped while the interpreter set itself up, before a line of ours."""
    return run.status == -signal.SIGINT or (run.status == 1 and "init_import_site" in run.said())


def kill(
    command: Command, wholes: dict[str, str], seconds: float, place: Path, faults: Faults, draw: random.Random
) -> None:
    """Stop a run at a random moment, and let another follow."""
    folder = place / "case"
    folder.mkdir()
    before = ""
    if draw.random() < 0.5:
        end(begin(command.variants[0], folder, "before"))
        before = wholes[content(folder)]
    how = draw.choice([signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
    own = not draw.randrange(OWN_PROCESS)
    run = begin(command.variants[1], folder, "killed", own=own)
    moment = draw.uniform(0, seconds * 1.05 + (2 if own else 0))
    time.sleep(moment)
    os.kill(run.pid, how)
    end(run)
    what = f"{how.name} to {command.name} after {moment:.2f} of {seconds:.2f} s over '{before}'"
    if run.status == 0:
        faults.seen["kills that came too late"] += 1
    elif how == signal.SIGINT and own and moment < 0.1 and _before_python(run):
        faults.seen["Ctrl-C before Python hears it"] += 1
    else:
        faults.seen[how.name] += 1
        wanted = 130 if how == signal.SIGINT else -how
        faults.expect(run.status == wanted, f"{what}: ended with {run.status}: {run.said()[-800:]}")
    found = wholes.get(content(folder), "none") if content(folder) else ""
    after = {"B", "", "AB"} if command.adds and before else {"B", ""}
    faults.expect(found in {*after, before}, f"{what}: the output is {found}")
    left = hidden(folder)
    mine = {".scores.parquet.work"} if how == signal.SIGINT else set(left)
    faults.expect(set(left) <= mine, f"{what}: ended with {run.status} and left {left}")
    following = begin(command.variants[1], folder, "next")
    end(following)
    said = following.said()
    faults.expect(following.status == 0, f"{what}: the next ended with {following.status}: {said[-800:]}")
    faults.expect(all(one in said for one in left), f"{what}: {left} is not named: {said[-800:]}")
    faults.expect(not hidden(folder), f"{what}: the next left {hidden(folder)}")
    final = wholes.get(content(folder), "none")
    faults.expect(final in ({"B", "AB"} if command.adds else {"B"}), f"{what}: the next gave {final}")
    faults.seen["leftovers named and cleared"] += len(left)
    shutil.rmtree(folder)


def main(words: list[str]) -> int:
    """Run pairs and kills; return 1 if there was a fault."""
    asked = {"pairs": "20", "kills": "200", "minutes": "240", "seed": "0", "commands": ""}
    asked |= dict(one.split("=", 1) for one in words)
    draw, faults = random.Random(int(asked["seed"])), Faults()
    import tierkit.cli.app
    import tierkit.jobs.city_page
    import tierkit.jobs.demo
    import tierkit.jobs.dossier
    import tierkit.jobs.evaluation
    import tierkit.jobs.sensitivity  # noqa: F401  loaded once, for all forks

    with tempfile.TemporaryDirectory(prefix="tierkit-kills-") as folder:
        place = Path(folder)
        commands = prepare(place)
        wanted = asked["commands"].split(",") if asked["commands"] else [one.name for one in commands]
        commands = [one for one in commands if one.name in wanted]
        cases = [(pair, one) for one in commands for _ in range(int(asked["pairs"]))]
        cases += [(kill, draw.choice(commands)) for _ in range(int(asked["kills"]))]
        draw.shuffle(cases)
        alone: dict[str, tuple[dict[str, str], float]] = {}
        deadline = time.monotonic() + 60 * float(asked["minutes"])
        for done, (case, command) in enumerate(cases):
            if done % 20 == 0:
                print(f"{done} of {len(cases)} cases, {len(faults.told)} faults", flush=True)
            if time.monotonic() > deadline:
                faults.seen["cases left out, as time was up"] += 1
                continue
            if command.name not in alone:
                alone[command.name] = references(command, place)
                print(f"{command.name}: {alone[command.name][1]:.1f} s alone", flush=True)
            case(command, *alone[command.name], place, faults, draw)
            faults.seen[f"{case.__name__}: {command.name}"] += 1
    print(json.dumps({"faults": len(faults.told), **dict(sorted(faults.seen.items()))}, indent=1))
    return bool(faults.told)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
