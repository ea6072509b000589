"""Hold what the commands write on fixed seeds to the digests in ``tests/digests.json``: ``make digests``.

Every step is a command line, run in an empty folder, so that code can move without this file. A file of
NumPy, Parquet, HTML, JSON or text is told by the SHA-256 of its bytes; what a run says of itself alone (its
version, its seconds) is blanked first. With the word ``write`` the digests are written anew: do that in a
commit of its own, which says why they changed.

What is fitted may differ in its last digits between processors, and with it all that follows. With
``against COMMIT`` the same steps are run with the code of a commit too, and the two are compared.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIGESTS = ROOT / "tests" / "digests.json"
AS_OF, OLDER, BEFORE = "2024-12-30", "2024-09-30", "2024-07-01"
PLANS = ["shanghai-2025", "chongming-2025", "jiading-2025", "jinshan-2025", "minhang-2023"]
BLANKED = re.compile(rb'"(seconds|tierkit|version|python|seal)": ("[^"]*"|[0-9.]+|\{[^}]*\})')


def steps() -> list[tuple[str, list[str]]]:
    """Return the commands, each with its name; ``{id}`` is an enterprise of tier T4."""
    on = ["city", "--as-of", AS_OF]
    return [
        ("synth", ["synth", "--enterprises", "3000", "--seed", "11", "--out", "city"]),
        ("synth-csv", ["synth", "--enterprises", "300", "--seed", "5", "--format", "csv", "--out", "small"]),
        ("validate", ["validate", "city"]),
        ("train", ["train", *on, "--policy", PLANS[0], "--bootstrap", "4", "--out", "model"]),
        ("train-random", ["train", *on, "--scheme", "random", "--out", "audits"]),
        (
            "score-before",
            ["score", "model", "city", "--as-of", BEFORE, "--policy", PLANS[0], "--out", "before.parquet"],
        ),
        (
            "score",
            [
                "score",
                "model",
                *on,
                "--policy",
                PLANS[0],
                "--reasons",
                "5",
                "--certainty",
                "--previous",
                *["before.parquet", "--chunk-rows", "700", "--out", "scores.parquet"],
            ],
        ),
        *(
            (f"score-{plan}", ["score", "model", *on, "--policy", plan, "--out", f"{plan}.parquet"])
            for plan in PLANS[1:]
        ),
        *(
            (
                f"explain-{lang}",
                [
                    "explain",
                    "model",
                    *on,
                    "--enterprise",
                    "{id}",
                    "--policy",
                    plan,
                    "--lang",
                    lang,
                    *more,
                    "--out",
                    f"{lang}.html",
                ],
            )
            for lang, plan, more in (
                ("zh", PLANS[0], ["--previous", "before.parquet"]),
                ("en", "jiading-2025", ["--background", "100"]),
            )
        ),
        (
            "page",
            [
                "report",
                "scores.parquet",
                "--data",
                "city",
                "--model",
                "model",
                "--dossiers",
                "2",
                "--last",
                "before.parquet",
                "--lang",
                "both",
                "--out",
                "page",
            ],
        ),
        (
            "simulate",
            [
                "simulate",
                "city",
                "--model",
                "model",
                "--baseline",
                "legacy",
                "--kappa",
                "0.1",
                *(part for plan in PLANS for part in ("--policy", plan)),
                "--replicates",
                "3",
                "--out",
                "run",
            ],
        ),
        (
            "simulate-years",
            [
                "simulate",
                "--enterprises",
                "2000",
                "--policy",
                PLANS[3],
                "--weeks",
                "104",
                "--seed",
                "3",
                "--replicates",
                "2",
                "--out",
                "years",
            ],
        ),
        ("report", ["report", "run", "--out", "run-page"]),
        ("train-older", ["train", "city", "--as-of", OLDER, "--policy", PLANS[0], "--out", "older"]),
        ("evaluate", ["evaluate", "older", "city", "--as-of", OLDER, "--months", "2", "--out", "evaluation"]),
        (
            "backtest",
            ["backtest", "city", "--as-of", "2024-01-01", "--replicates", "39", "--out", "backtest"],
        ),
        ("coverage", ["policy", "coverage"]),
        ("ladder", ["policy", "ladder"]),
        *((f"policy-{plan}", ["policy", "show", plan]) for plan in ("legacy", *PLANS)),
        ("diff", ["policy", "diff", PLANS[0], PLANS[3]]),
    ]


def run_all(folder: Path, source: Path = ROOT) -> dict[str, str]:
    """Run the steps in a folder; return what each said and what each wrote, by name, as digests."""
    import pandas as pd

    found: dict[str, str] = {}
    before: set[Path] = set()
    enterprise = ""
    environment = {
        **os.environ,
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "PYTHONUTF8": "1",
        "PYTHONPATH": str(source),
    }
    for name, arguments in steps():
        command = [sys.executable, "-m", "tierkit", *(one.replace("{id}", enterprise) for one in arguments)]
        print(f"{name}", flush=True)
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, env=environment)
        if done.returncode:
            raise SystemExit(f"{name} ended with {done.returncode}:\n{done.stderr.decode()}")
        said = done.stdout.replace(str(folder).encode(), b"")
        found[f"{name}: said"] = digest(re.sub(rb"in [0-9.]+ s\b", b"in s", said))
        after = {path for path in folder.rglob("*") if path.is_file()}
        for path in sorted(after - before):
            found[f"{name}: {path.relative_to(folder)}"] = digest(path.read_bytes())
        before = after
        if name == "score":
            scores = pd.read_parquet(folder / "scores.parquet")
            enterprise = str(scores.loc[scores["tier"] == "T4", "enterprise_id"].iloc[0])
    return found


def digest(content: bytes) -> str:
    """Return the SHA-256 of a content without what a run says of itself."""
    return hashlib.sha256(BLANKED.sub(b"", content)).hexdigest()


def of_commit(commit: str) -> dict[str, str]:
    """Return the digests that the code of a commit gives on this machine."""
    git = ["git", "-C", str(ROOT), "worktree"]
    with tempfile.TemporaryDirectory() as place:
        source, folder = Path(place) / "source", Path(place) / "out"
        folder.mkdir()
        subprocess.run([*git, "add", "--quiet", "--detach", str(source), commit], check=True)
        try:
            return run_all(folder, source)
        finally:
            subprocess.run([*git, "remove", "--force", str(source)], check=True)


def main(words: list[str]) -> int:
    """Compare with the digests that are kept, or with those of a commit, or write them; return the status."""
    with tempfile.TemporaryDirectory() as folder:
        found = run_all(Path(folder))
    if words == ["write"]:
        DIGESTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"wrote {len(found)} digests")
        return 0
    kept = of_commit(words[1]) if words[:1] == ["against"] else json.loads(DIGESTS.read_text("utf-8"))
    differ = sorted(name for name in kept.keys() | found.keys() if kept.get(name) != found.get(name))
    print("\n".join([f"differs: {name}" for name in differ] + [f"{len(found) - len(differ)} digests hold"]))
    return int(bool(differ))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
