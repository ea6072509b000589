"""Write requirements.lock and requirements-bench.lock again from pyproject.toml: ``make lock``.

The first pins every package that tierkit and its development tools need, with the hashes of all its files,
for each platform that ``[tool.uv] environments`` names. It names no index, so it installs from whichever one
a machine is set up to use. The second holds what the benchmarks need besides, at versions that go with it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
BENCH_LOCK = ROOT / "requirements-bench.lock"
BENCH_HEADER = """\
# What only the benchmarks need, on top of requirements.lock, pinned and hashed.
# Made by `make lock` from pyproject.toml, not to be edited by hand; installed by `make bench`.
"""
HEADER = """\
# Every package that tierkit and its development tools need, pinned and hashed.
# Made by `make lock` from pyproject.toml, not to be edited by hand; installed by `make setup`.
"""


def main() -> None:
    """Write both locks."""
    write_lock(LOCK, HEADER, "--extra dev --extra notebooks")
    write_lock(BENCH_LOCK, BENCH_HEADER, "--extra bench --constraint requirements.lock", LOCK)


def write_lock(lock: Path, header: str, what: str, besides: Path | None = None) -> None:
    """Resolve, drop the markers that hold everywhere we run and what another lock holds, and write."""
    environment = ROOT / "build" / "lock-venv"
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "uv>=0.9"], check=True)
    options = f"{what} --universal --python-version 3.11 --fork-strategy fewest --generate-hashes"
    quiet = "--no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet"
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    compile_lock = [python, "-m", "uv", "pip", "compile", "pyproject.toml"]
    previous = lock.read_text(encoding="utf-8") if lock.exists() else ""
    draft = ROOT / "build" / lock.name
    draft.write_text(previous, encoding="utf-8")  # uv keeps the versions found here, unless told to upgrade
    arguments = [*options.split(), *quiet.split(), *upgrade, "--output-file", draft]
    subprocess.run([*compile_lock, *arguments], check=True, cwd=ROOT)
    held = entries_of(besides.read_text(encoding="utf-8")) if besides else {}
    entries = entries_of(without_common_markers(draft.read_text(encoding="utf-8")))
    resolved = header + "".join(text for name, text in entries.items() if name not in held)
    lock.write_text(resolved, encoding="utf-8")
    packages = len(re.findall(r"^[\w.-]+==", resolved, flags=re.MULTILINE))
    print(f"{lock.name}: {packages} packages, {'unchanged' if resolved == previous else 'changed'}")


def entries_of(lock: str) -> dict[str, str]:
    """Return the lines of every package of a lock, by its name."""
    return {one.split("==")[0]: one for one in re.split(r"^(?=\w)", lock, flags=re.MULTILINE) if "==" in one}


def without_common_markers(lock: str) -> str:
    """Drop the marker that says no more than where tierkit runs; keep those that tell our platforms apart."""
    markers = re.findall(r"^[\w.-]+==\S+ ; (.+?) \\$", lock, flags=re.MULTILINE)
    common = max(set(markers), key=markers.count)
    return lock.replace(f" ; {common} \\\n", " \\\n")


if __name__ == "__main__":
    main()
