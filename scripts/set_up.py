"""Set up tierkit's own environment, .venv, from requirements.lock: ``make setup``.

Every other target of the Makefile calls this first. A stamp remembers what was installed, so a second call
does nothing, in no time and without a network. It needs Python 3.11 to 3.13 and its standard library.
With the word ``bench`` it adds what only the benchmarks need, from requirements-bench.lock: ``make bench``.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "set-up.json"
LOCK = ROOT / "requirements.lock"
BENCH_LOCK = ROOT / "requirements-bench.lock"
LOG = ROOT / "build" / "set-up.log"
LINE_EVERY_SECONDS = 15.0
STARTED = time.monotonic()
WARM_UP = """
from tierkit.city.synth import make
from tierkit.compare.comparison import compare
from tierkit.policy import Policy
from tierkit.report import dossier, figures, index, sheets
from tierkit.scores.train import train

data, world = make(600, 1)
policy = Policy.load("jinshan-2025")
compare(world, Policy.load("legacy"), policy, replicates=1, weeks=4, threads=1)
model = train(data, "2024-12-30", policy=policy)
one = model.score(data, "2024-12-30")["enterprise_id"].head(1)
[sheet] = sheets(model, data, "2024-12-30", one)
dossier(sheet, policy, as_of="2024-12-30")
"""


def main(wishes: Sequence[str] = ()) -> int:
    """Bring .venv to what the locks say, by the fewest steps; return the exit status."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return fail(
            f"this is Python {platform.python_version()}, and tierkit runs on Python 3.11 to 3.13.\n"
            "Install one of them, or name it: make test PYTHON=python3.11"
        )
    return set_up() or (add_peers() if "bench" in wishes else 0)


def set_up() -> int:
    """Install what tierkit needs, if it is not there; return the exit status."""
    wanted = fingerprint()
    done = read_stamp()
    if done.items() >= wanted.items():
        return 0
    say(f"setting up .venv with Python {platform.python_version()}")
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("", encoding="utf-8")
    if done.get("python") != wanted["python"] and not make_environment():
        return 1
    if done.get("lock") != wanted["lock"] and not install_lock(LOCK, "a minute or two, and 1.6 GB"):
        return 1
    if not install_project():
        return 1
    compile_engine()
    write_stamp(wanted)
    say("set up; the next time this takes no time and no network")
    return 0


def add_peers() -> int:
    """Install the libraries that the benchmarks measure beside tierkit; return the exit status."""
    done, wanted = read_stamp(), hashlib.sha256(BENCH_LOCK.read_bytes()).hexdigest()
    if done.get("bench") == wanted:
        return 0
    if not install_lock(BENCH_LOCK, "half a minute"):
        return 1
    write_stamp({**done, "bench": wanted})
    return 0


def fingerprint() -> dict[str, str]:
    """Say what the environment depends on: lock, interpreter, metadata and where the folder is."""
    return {
        "lock": hashlib.sha256(LOCK.read_bytes()).hexdigest(),
        "project": hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest(),
        "python": f"{sys.implementation.cache_tag} {platform.machine()} {sys.platform}",
        "folder": str(ROOT),
    }


def read_stamp() -> dict[str, str]:
    """Return what was installed last; nothing if that is unknown or the interpreter is gone."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if PYTHON.exists() and isinstance(stamp, dict) else {}


def write_stamp(stamp: dict[str, str]) -> None:
    """Remember what is installed."""
    STAMP.write_text(json.dumps(stamp, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def make_environment() -> bool:
    """Create .venv afresh; a half-made one is replaced."""
    ok = run([sys.executable, "-m", "venv", "--clear", VENV], "creating the environment failed")
    if not ok:
        hint = "On Debian and Ubuntu the venv module is a package of its own: apt-get install python3-venv"
        print(hint, file=sys.stderr)
    return ok


def install_lock(lock: Path, cost: str) -> bool:
    """Install every package that a lock pins in one call of pip, telling how far it has come."""
    total = len(re.findall(r"^[\w.-]+==", lock.read_text(encoding="utf-8"), flags=re.MULTILINE))
    say(f"installing {total} packages from {lock.name} ({cost})")
    options = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--progress-bar", "off"]
    options += ["--no-compile"]  # Python compiles what is imported; compiling all of it takes half a minute
    return run(
        [PYTHON, "-m", "pip", "install", *options, "-r", lock],
        "installing the packages failed",
        steps=total,
    )


def install_project() -> bool:
    """Install the working tree in place, with the build backend that the lock has brought, so offline too."""
    options = ["--no-deps", "--no-build-isolation", "--no-index"]
    ok = run([PYTHON, "-m", "pip", "install", *options, "--editable", "."], "installing tierkit failed")
    # Python reads these files as ASCII where LC_ALL=C, so the folder's name must not be in them.
    for path_file in VENV.glob("lib/python3.*/site-packages/_editable_impl_tierkit.pth"):
        path_file.write_text(os.path.relpath(ROOT, path_file.parent) + "\n", encoding="ascii")
    return ok


def compile_engine() -> None:
    """Compile the simulator and the reasons ahead, which numba then keeps, and the modules that they load.

    What is not kept is compiled when needed; without its modules compiled a command takes twice the time.
    """
    say("compiling the simulator and the reasons (once)")
    run([PYTHON, "-c", WARM_UP], "compiling the simulator failed")


def run(command: list[str | Path], failure: str, steps: int = 0) -> bool:
    """Run a command with its output kept in the log; show the end of it if the command fails."""
    pip = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore", "PIP_NO_INPUT": "1"}
    pip["PYTHONDONTWRITEBYTECODE"] = ""  # what is compiled here is kept in .venv, whatever is said outside
    lines: list[str] = []
    said, fetched = time.monotonic(), 0
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={**os.environ, **pip},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            lines.append(line)
            fetched += line.startswith(("Collecting ", "Processing "))
            if steps and line.startswith("Installing collected packages"):
                say(f"  fetched {fetched}, unpacking them")
                steps = 0  # the rest is one long step
            elif steps and time.monotonic() - said > LINE_EVERY_SECONDS:
                said = time.monotonic()
                say(f"  fetched {fetched} of {steps}")
    if process.returncode == 0:
        return True
    fail(f"{failure}; the last lines of build/set-up.log:\n" + "".join(f"    {line}" for line in lines[-15:]))
    if any("NewConnectionError" in line or "No matching distribution" in line for line in lines):
        hint = "The packages could not be fetched. Check the network and pip's settings (pip config list)."
        print(hint, file=sys.stderr)
    return False


def say(what: str) -> None:
    """Print one line with the time that has passed."""
    print(f"[{time.monotonic() - STARTED:4.0f} s] {what}", flush=True)


def fail(why: str) -> int:
    """Print why set-up stopped; return exit status 1."""
    print(f"set-up stopped: {why}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
