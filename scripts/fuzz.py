"""Search for files of a stranger's that break tierkit: ``make fuzz``, or ``fuzz.py model --seconds 60``.

A case takes sound files, alters one of them, makes the hashes right again and reads them in a process of its
own. What may come of it: the files are refused, or they are read and give the same answers, or they are read
and give other answers, where the alteration may well have made another sound input (a leaf of another value
is another model, and no reader can know that it was edited). A fault is all else: a traceback, a signal, more
than 10 s of computing, more than 2 GB, answers that break a promise, and other answers after an alteration
that no sound input can hold. Faults are kept below ``build/fuzz``, and the status is 1.

A target is a subclass of `Target` and an entry of `TARGETS`. It says in three methods, each of a few lines,
what is sound (`prepare`), how altered files are laid down (`write`) and what is done with them (`use`);
`warm` loads what all cases share. The alterations of `ALTERATIONS` suit any text and any bytes; a target adds
its own in ``alterations``. A case is told by its number and the seed, so it can be had again:
``fuzz.py model --seed 3 --first 812 --cases 1``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, NamedTuple
from unittest.mock import patch

# Libraries are imported later, in functions: threads of the parent would be missing in a forked case.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
LONGEST = 10  # seconds of computing of a case
PATIENCE = 60  # seconds by the clock, on a machine that has other work
MOST_MEMORY = 2 << 30  # bytes of a case
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
EXTREMES = (
    b"-1 0 1 -0 99 -40 2147483647 -2147483648 4294967296 9223372036854775808 99999999999999999999999 "
    b"1e308 -1e308 1e999 1e-320 0.1 -0.5 null true \"x\" [] {}"
).split()  # fmt: skip


class Alteration(NamedTuple):
    """A way to alter the bytes of a file.

    Attributes
    ----------
    of : callable
        From a source of chance and the bytes to other bytes; None where there is nothing to alter.
    may_differ : bool
        Whether what comes out may be another sound input.
    """

    of: Callable[[random.Random, bytes], bytes | None]
    may_differ: bool = False


def _number(rng: random.Random, content: bytes, other: Callable[[bytes], bytes]) -> bytes | None:
    found = list(NUMBER.finditer(content))
    if not found:
        return None
    one = rng.choice(found)
    return content[: one.start()] + other(one[0]) + content[one.end() :]


def _flip(rng: random.Random, content: bytes) -> bytes | None:
    if not content:
        return None
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]


def _extreme(rng: random.Random, content: bytes) -> bytes | None:
    return _number(rng, content, lambda _: rng.choice(EXTREMES))


def _endless(rng: random.Random, content: bytes) -> bytes | None:
    return _number(rng, content, lambda _: rng.choice([b"nan", b"NaN", b"-nan", b"Infinity", b"1e99999"]))


def _nudge(rng: random.Random, content: bytes) -> bytes | None:
    def other(number: bytes) -> bytes:
        value = float(number)
        if number.lstrip(b"-").isdigit():
            return b"%d" % (int(number) + rng.choice([-1, 1, 2]))
        return repr(value * rng.choice([1.0000001, 1.01, -1, 1e3])).encode()

    return _number(rng, content, other)


def _swap(rng: random.Random, content: bytes) -> bytes | None:
    lines = content.split(b"\n")
    many = [k for k, line in enumerate(lines) if len(NUMBER.findall(line)) > 1]
    if not many:
        return None
    k = rng.choice(many)
    one, other = sorted(rng.sample(list(NUMBER.finditer(lines[k])), 2), key=lambda found: found.start())
    line = lines[k]
    lines[k] = line[: one.start()] + other[0] + line[one.end() : other.start()] + one[0] + line[other.end() :]
    return b"\n".join(lines)


def _drop(rng: random.Random, content: bytes) -> bytes | None:
    lines = content.split(b"\n")
    del lines[rng.randrange(len(lines))]
    return b"\n".join(lines)


def _double(rng: random.Random, content: bytes) -> bytes | None:
    lines = content.split(b"\n")
    full = [k for k, line in enumerate(lines) if line.strip()]
    if not full:
        return None
    at = rng.choice(full)
    return b"\n".join([*lines[: at + 1], lines[at], *lines[at + 1 :]])


def _cut(rng: random.Random, content: bytes) -> bytes | None:
    kept = content[: rng.randrange(len(content))] if content else content
    return kept if kept.strip() != content.strip() else None


def _nest(rng: random.Random, content: bytes) -> bytes | None:
    depth = rng.choice([50, 1_000, 100_000])
    left, right = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return _number(rng, content, lambda number: left * depth + number + right * depth)


def _long(rng: random.Random, content: bytes) -> bytes | None:
    return _number(rng, content, lambda _: rng.choice([b"9" * 5_000, b"0." + b"1" * 5_000, b"1" * 100]))


def _many(rng: random.Random, content: bytes) -> bytes | None:
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    times = min(300_000, (1 << 25) // (len(lines[at]) + 1))
    return b"\n".join([*lines[:at], *[lines[at]] * times, *lines[at + 1 :]])


def _key(rng: random.Random, content: bytes) -> bytes | None:
    places = [found.end() for found in re.finditer(rb"\{", content)]
    if not places:
        return None
    at = rng.choice(places)
    return content[:at] + b'"surprise": 1,' + content[at:]


ALTERATIONS: Mapping[str, Alteration] = {
    "flip a bit": Alteration(_flip, may_differ=True),
    "an extreme number": Alteration(_extreme, may_differ=True),
    "no finite number": Alteration(_endless),
    "a number moved": Alteration(_nudge, may_differ=True),
    "two numbers swapped": Alteration(_swap, may_differ=True),
    "a line less": Alteration(_drop, may_differ=True),
    "a line twice": Alteration(_double),
    "cut short": Alteration(_cut),
    "nested deeply": Alteration(_nest),
    "a long number": Alteration(_long),
    "a line many times": Alteration(_many),
    "an unknown key": Alteration(_key),
}


class RefusedError(Exception):
    """What is read was refused, as it should be."""


class BrokenError(Exception):
    """What was read gave answers that break a promise."""


class Target:
    """What is attacked."""

    alterations: ClassVar[Mapping[str, Alteration]] = ALTERATIONS
    """By name; those of the target beside the common ones."""

    def prepare(self, home: Path) -> Mapping[str, bytes]:
        """Make what is sound, in a process of its own, below ``home``; return the files to alter, by name."""
        raise NotImplementedError

    def warm(self, home: Path) -> None:
        """Load what all cases share, in the process that they are forked from. It must start no thread."""

    def write(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Lay the files down in an empty folder, with hashes that are right."""
        for name, content in files.items():
            (folder / name).write_bytes(content)

    def use(self, folder: Path, case: int) -> str:
        """Read the folder as a user would and return all answers as one text, in the process of a case.

        Raises
        ------
        RefusedError
            If it is refused in the way that the commands report with status 2.
        BrokenError
            If an answer breaks a promise.
        """
        raise NotImplementedError


class ModelFolder(Target):
    """A model folder whose hashes were computed again."""

    alterations: ClassVar[Mapping[str, Alteration]] = {
        **ALTERATIONS,
        "a circle": Alteration(lambda rng, content: _circle(rng, content)),
        "a node twice": Alteration(lambda rng, content: _twice(rng, content)),
    }

    def prepare(self, home: Path) -> Mapping[str, bytes]:
        """Train a small model, and make a small city to score."""
        import tierkit as tk
        from tierkit.features import build
        from tierkit.scores import train

        # A small model, so that many cases fit into the time.
        small = {"n_trees": 6, "learning_rate": 0.2, "n_leaves": 7, "min_rows": 15}
        with patch.object(train, "SETTINGS", small):
            model = tk.train(ROOT / "data/synthetic", "2024-12-30", bootstrap=2, out=home / "model")
        tk.write(tk.synth(40, seed=5), home / "city")
        build(home / "city", "2024-12-30").to_csv(home / "X.csv")
        assert model.ensemble
        return {path.name: path.read_bytes() for path in (home / "model").iterdir()}

    def warm(self, home: Path) -> None:
        """Load the features, the command line and the kernels."""
        import pandas as pd

        from tierkit.cli import main
        from tierkit.explain import contributions
        from tierkit.scores.risk import RiskModel

        self._main, self._city = main, home / "city"
        self._X = pd.read_csv(home / "X.csv", index_col=0)
        some = pd.DataFrame({"a": range(50)}, dtype=float)
        contributions(RiskModel(n_trees=1, min_rows=5, num_threads=1).fit(some, some["a"] > 20), some)

    def write(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Write the files, and a manifest whose hashes are those of the files and its own."""
        from tierkit.scores.model_folder import ENSEMBLE, MANIFEST, json_text

        files = dict(files)
        # The sizes of trees are put right, too, else most that is altered in a tree would go no further. Now
        # and then they are left, since they may be what was altered.
        if zlib.crc32(files["risk.txt"]) % 4:
            files["risk.txt"] = _sized(files["risk.txt"])
        if zlib.crc32(files[ENSEMBLE]) % 4:
            with suppress(ValueError, TypeError, KeyError, RecursionError):
                data = json.loads(files[ENSEMBLE])
                for one in data["members"]:
                    one["trees"] = _sized(one["trees"].encode()).decode()
                files[ENSEMBLE] = json.dumps(data, ensure_ascii=False).encode()
        super().write(folder, files)
        try:
            manifest = json.loads(files[MANIFEST])
            hashes = {name: hashlib.sha256(files[name]).hexdigest() for name in manifest["files"]}
            bare = {**manifest, "files": hashes}
            del bare["sha256"]
            own = hashlib.sha256(json_text(bare).encode()).hexdigest()
            (folder / MANIFEST).write_text(json_text({**bare, "sha256": own}), encoding="utf-8")
        except (ValueError, TypeError, KeyError, RecursionError):
            return  # the manifest itself was altered so that no hash can be put right

    def use(self, folder: Path, case: int) -> str:
        """Score, explain and watch the city, in every twelfth case by the command."""
        import numpy as np

        import tierkit as tk
        from tierkit.explain import contributions, points_lost
        from tierkit.scores.monitoring import Bands, monitor

        if case % 12 == 0:
            return self._by_command(folder)
        try:
            model = tk.Model.load(folder)
        except tk.ModelError as error:
            raise RefusedError(str(error)) from None
        X = self._X
        scores = model.score_features(X, X.index)
        real = scores.select_dtypes("number").to_numpy()
        odds = np.log(scores["credit_probability"] / (1 - scores["credit_probability"]))
        card = model.credit
        points = card.base_points - card.points_to_double / np.log(2) * (odds + np.log(card.base_odds))
        if not np.isfinite(real).all() or not np.allclose(points, scores["credit_points"], rtol=0, atol=1e-6):
            raise BrokenError("The scores are not finite, or points and log-odds differ.")
        if not scores["credit_points"].between(0, 1000).all():
            raise BrokenError("Points leave 0 … 1000.")
        contributions(model.risk, X)  # raises unless they add up to the margin
        contributions(model.risk, X, X.iloc[:9])
        points_lost(card, X)
        monitor(card, X[list(card.inputs_.names)], Bands.from_dict(model.manifest["credit"]["bands"]))
        sure = model.ensemble.log_odds(X[list(model.risk.inputs_.names)]) if model.ensemble else np.empty(0)
        model.to_frame(), model.sentences("zh"), model.sentences("en")
        return hashlib.sha256(real.tobytes() + np.asarray(sure).tobytes()).hexdigest()

    def _by_command(self, folder: Path) -> str:
        import pandas as pd

        out = folder.parent / "scores.parquet"
        asked = ["score", str(folder), str(self._city), "--as-of", "2024-12-30", "--policy", "legacy"]
        try:
            self._main([*asked, "--reasons", "3", "--out", str(out)])
        except SystemExit as ended:
            if ended.code == 2:
                raise RefusedError from None
            if ended.code:
                raise BrokenError(f"The command ended with {ended.code}.") from None
        real = pd.read_parquet(out).select_dtypes("number").to_numpy("float64", na_value=-1.0)
        return hashlib.sha256(real.tobytes()).hexdigest()


def _sized(text: bytes) -> bytes:
    """Return LightGBM's text with the sizes of its trees as they are."""
    _, *trees = re.split(rb"(?=Tree=\d+\n)", text)
    if not trees:
        return text
    trees[-1] = trees[-1].partition(b"end of trees")[0]
    sizes = b" ".join(b"%d" % len(one) for one in trees)
    return re.sub(rb"tree_sizes=.*", b"tree_sizes=" + sizes, text, count=1)


_CHILDREN = re.compile(rb"(left_child|right_child)=([-0-9 ]+)")


def _children(rng: random.Random, content: bytes, other: Callable[[list[int]], None]) -> bytes | None:
    found = [one for one in _CHILDREN.finditer(content) if b" " in one[2]]
    if not found:
        return None
    one = rng.choice(found)
    numbers = list(map(int, one[2].split()))
    before = list(numbers)
    other(numbers)
    told = b" ".join(b"%d" % number for number in numbers)
    return content[: one.start(2)] + told + content[one.end(2) :] if numbers != before else None


def _circle(rng: random.Random, content: bytes) -> bytes | None:
    def other(numbers: list[int]) -> None:
        at = rng.randrange(len(numbers))
        numbers[at] = rng.randrange(at + 1)

    return _children(rng, content, other)


def _twice(rng: random.Random, content: bytes) -> bytes | None:
    def other(numbers: list[int]) -> None:
        one, another = rng.sample(range(len(numbers)), 2)
        numbers[one] = numbers[another]

    return _children(rng, content, other)


TARGETS: Mapping[str, Callable[[], Target]] = {"model": ModelFolder}


class Outcome(NamedTuple):
    """What came of a case: ``refused``, ``read``, or the kind of a fault, with what was said."""

    kind: str
    said: str


def in_a_process(work: Callable[[], str], seconds: int = LONGEST, patience: float = PATIENCE) -> Outcome:
    """Return what a piece of work gave in a forked process, within limits of time and memory."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        _work(work, writing)
    os.close(writing)
    said, end = b"", time.monotonic() + patience
    while True:
        ready, _, _ = select.select([reading], [], [], max(0, end - time.monotonic()))
        if not ready:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reading)
            return Outcome("hang", f"It took more than {patience} s by the clock.")
        if not (more := os.read(reading, 1 << 16)):
            break
        said += more
    os.close(reading)
    _, status, used = os.wait4(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        return Outcome("hang", f"It computed for more than {seconds} s.")
    if os.WIFSIGNALED(status):
        return Outcome("signal", signal.Signals(os.WTERMSIG(status)).name)
    if used.ru_maxrss * 1024 > MOST_MEMORY:
        return Outcome("memory", f"It took {used.ru_maxrss >> 10:,} MB.")
    return (
        Outcome(*json.loads(said)) if said else Outcome("ended", f"It ended with {status >> 8} in silence.")
    )


def _work(work: Callable[[], str], writing: int) -> None:
    """Do the work in the forked process, tell what came of it, and end."""
    resource.setrlimit(resource.RLIMIT_DATA, (3 * MOST_MEMORY // 2, -1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silent, stream)
    try:
        outcome = ("read", work())
    except RefusedError as error:
        outcome = ("refused", str(error))
    except BrokenError as error:
        outcome = ("broken", str(error))
    except BaseException:
        outcome = ("traceback", traceback.format_exc())
    os.write(writing, json.dumps(outcome).encode()[:60_000] or b"")
    os._exit(0)


class Fuzz:
    """A run of cases against one target."""

    def __init__(self, name: str, seed: int, home: Path, keep: Path) -> None:
        self.target, self.name, self.seed, self.home, self.keep = TARGETS[name](), name, seed, home, keep
        self.counts: Counter[tuple[str, str]] = Counter()
        self.faults: list[str] = []

    def start(self) -> None:
        """Make what is sound, and what it answers."""
        packed = self.home / "sound"
        packed.mkdir()

        def prepare() -> str:
            for name, content in self.target.prepare(self.home).items():
                (packed / name).write_bytes(content)
            return ""

        self._demand(in_a_process(prepare, 600, 600))
        self.sound = {path.name: path.read_bytes() for path in sorted(packed.iterdir())}
        self.target.warm(self.home)
        # What a case answers may depend on its number, so both the first and another are asked.
        self.answers = {self._demand(in_a_process(self._case(self.sound, case), 120, 120)) for case in (0, 1)}

    @staticmethod
    def _demand(outcome: Outcome) -> str:
        if outcome.kind != "read":
            raise SystemExit(f"What is sound cannot be read: {outcome.kind}: {outcome.said}")
        return outcome.said

    def _case(self, files: Mapping[str, bytes], case: int) -> Callable[[], str]:
        def work() -> str:
            folder = self.home / "case" / "folder"
            folder.mkdir(parents=True)
            self.target.write(folder, files)
            return self.target.use(folder, case)

        shutil.rmtree(self.home / "case", ignore_errors=True)
        return work

    def one(self, case: int) -> None:
        """Run a case and count what came of it."""
        rng = random.Random(f"{self.name} {self.seed} {case}")
        while True:
            how, file = rng.choice(list(self.target.alterations)), rng.choice(list(self.sound))
            alteration = self.target.alterations[how]
            content = alteration.of(rng, self.sound[file])
            if content is not None and content != self.sound[file]:
                break
        files = {**self.sound, file: content}
        outcome = in_a_process(self._case(files, case))
        kind = outcome.kind
        if kind == "read":
            kind = "same answers" if outcome.said in self.answers else "other answers"
        self.counts[how, kind] += 1
        if kind in ("refused", "same answers") or (kind == "other answers" and alteration.may_differ):
            return
        place = self.keep / f"{self.name}-{self.seed}-{case}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        (place / file).write_bytes(content)
        (place / "said.txt").write_text(f"{how} in {file}\n{kind}\n{outcome.said}\n", encoding="utf-8")
        last = (outcome.said.strip().splitlines() or [""])[-1]
        self.faults.append(f"case {case}: {how} in {file}: {kind}: {last[:300]}")
        print(self.faults[-1], flush=True)

    def table(self) -> str:
        """Return the counts, a line for each alteration."""
        kinds = sorted({kind for _, kind in self.counts})
        head = f"{'':22}" + "".join(f"{kind:>15}" for kind in kinds)
        lines = [
            f"{how:22}" + "".join(f"{self.counts[how, kind]:15,}" for kind in kinds)
            for how in self.target.alterations
        ]
        totals = [sum(n for (_, other), n in self.counts.items() if other == kind) for kind in kinds]
        return "\n".join([head, *lines, f"{'in all':22}" + "".join(f"{n:15,}" for n in totals)])


def main(given: list[str] | None = None) -> int:
    """Run cases until the time is over, print the counts, and return 1 if there were faults."""
    parser = argparse.ArgumentParser(description="Search for files that break tierkit.")
    parser.add_argument("target", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--seconds", type=float, default=600, help="for each target")
    parser.add_argument("--cases", type=int, default=1 << 60, help="at most, for each target")
    parser.add_argument("--first", type=int, default=1, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "fuzz", help="where faults are kept")
    asked: Any = parser.parse_args(given)
    faults = 0
    for name in asked.target:
        with tempfile.TemporaryDirectory() as home:
            run = Fuzz(name, asked.seed, Path(home), asked.keep)
            run.start()
            end = time.monotonic() + asked.seconds
            case = asked.first
            while time.monotonic() < end and case < asked.first + asked.cases:
                run.one(case)
                case += 1
        print(f"{name}: {case - asked.first:,} cases, {len(run.faults)} faults\n{run.table()}")
        faults += len(run.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
