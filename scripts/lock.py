"""Write requirements.lock again from pyproject.toml: ``make lock``.

The lock pins every package that tierkit and its development tools need, with the hashes of all its files, for
each platform that ``[tool.uv] environments`` names. It names no index, so it installs from whichever one a
machine is set up to use.
"""

from __future__ import annotations

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
HEADER = """\
# Every package that tierkit and its development tools need, pinned and hashed.
# Made by `make lock` from pyproject.toml, not to be edited by hand; installed by `make setup`.
"""


def main() -> None:
    """Resolve, drop the markers that hold everywhere we run, and write the file if it changed."""
    environment = ROOT / "build" / "lock-venv"
    python = environment / "bin" / "python"
    if not python.exists():
        venv.create(environment, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "uv>=0.9"], check=True)
    options = "--extra dev --universal --python-version 3.11 --fork-strategy fewest --generate-hashes"
    quiet = "--no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet"
    upgrade = ["--upgrade"] if "--upgrade" in sys.argv[1:] else []
    compile_lock = [python, "-m", "uv", "pip", "compile", "pyproject.toml"]
    previous = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    draft = ROOT / "build" / "requirements.lock"
    draft.write_text(previous, encoding="utf-8")  # uv keeps the versions found here, unless told to upgrade
    arguments = [*options.split(), *quiet.split(), *upgrade, "--output-file", draft]
    subprocess.run([*compile_lock, *arguments], check=True, cwd=ROOT)
    resolved = HEADER + without_common_markers(draft.read_text(encoding="utf-8"))
    LOCK.write_text(resolved, encoding="utf-8")
    packages = len(re.findall(r"^[\w.-]+==", resolved, flags=re.MULTILINE))
    print(f"requirements.lock: {packages} packages, {'unchanged' if resolved == previous else 'changed'}")


def without_common_markers(lock: str) -> str:
    """Drop the marker that says no more than where tierkit runs; keep those that tell our platforms apart."""
    markers = re.findall(r"^[\w.-]+==\S+ ; (.+?) \\$", lock, flags=re.MULTILINE)
    common = max(set(markers), key=markers.count)
    return lock.replace(f" ; {common} \\\n", " \\\n")


if __name__ == "__main__":
    main()
