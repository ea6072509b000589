"""Search for files of a stranger's that break tierkit: ``make fuzz``, or ``fuzz.py --seconds 60``.

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
``fuzz.py --target model --seed 3 --first 812 --cases 1``.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
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
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
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

MARKS = (
    *(b'"', b"'", b'"""', b"\\", b",", b"|", b"=", b".", b"-", b"#", b"[", b"]", b"{", b"}", b" ", b"\t"),
    *(b"\0", b"\r", b"\n", b"\r\n", b"\xff", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\xed\xa0\x80", b"\\ud800"),
    *(b"NaN", b"2024-02-30", b"9999-12-31", b"0001-01-01"),
)


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


def _mark(rng: random.Random, content: bytes) -> bytes | None:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(MARKS) * rng.choice([1, 1, 1, 2_000]) + content[at:]


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
    "a mark put in": Alteration(_mark, may_differ=True),
}
FOREIGN = {how: one._replace(may_differ=True) for how, one in ALTERATIONS.items()}
"""For files that any program may write: what is read of them must be sound, which the target asks itself."""


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


def _command(main: Callable[[list[str]], None], *words: object) -> None:
    """Run a command in the process of a case; refused and broken are told by its status."""
    try:
        main([str(word) for word in words])
    except SystemExit as ended:
        if ended.code == 2:
            raise RefusedError from None
        if ended.code:
            raise BrokenError(f"The command ended with {ended.code}.") from None


class ModelFolder(Target):
    """A model folder whose hashes were computed again."""

    options: ClassVar[Mapping[str, Any]] = {}
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
            out = home / "model"
            model = tk.train(ROOT / "data/synthetic", "2024-12-30", bootstrap=2, out=out, **self.options)
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
        real = scores.drop(columns="serious_finding_weeks").select_dtypes("number").to_numpy()
        self._check(model, scores)
        contributions(model.risk, X)  # raises unless they add up to the margin
        contributions(model.risk, X, X.iloc[:9])
        card = model.credit
        points_lost(card, X)
        if card.kind == "records":
            monitor(card, X[list(card.inputs_.names)], Bands.from_dict(model.manifest["credit"]["bands"]))
        sure = model.ensemble.log_odds(X[list(model.risk.inputs_.names)]) if model.ensemble else np.empty(0)
        model.to_frame(), model.sentences("zh"), model.sentences("en")
        return hashlib.sha256(real.tobytes() + np.asarray(sure).tobytes()).hexdigest()

    def _check(self, model: Any, scores: Any) -> None:
        """Hold scores to what a scorecard promises."""
        import numpy as np

        real = scores.drop(columns="serious_finding_weeks").select_dtypes("number").to_numpy()
        odds = np.log(scores["credit_probability"] / (1 - scores["credit_probability"]))
        card = model.credit
        points = card.base_points - card.points_to_double / np.log(2) * (odds + np.log(card.base_odds))
        if not np.isfinite(real).all() or not np.allclose(points, scores["credit_points"], rtol=0, atol=1e-6):
            raise BrokenError("The scores are not finite, or points and log-odds differ.")
        if not scores["credit_points"].between(0, 1000).all():
            raise BrokenError("Points leave 0 … 1000.")

    def _by_command(self, folder: Path) -> str:
        import pandas as pd

        out = folder.parent / "scores.parquet"
        asked = ["score", folder, self._city, "--as-of", "2024-12-30", "--policy", "legacy"]
        _command(self._main, *asked, "--reasons", 3, "--out", out)
        real = pd.read_parquet(out).select_dtypes("number").to_numpy("float64", na_value=-1.0)
        return hashlib.sha256(real.tobytes()).hexdigest()


class ExpertFolder(ModelFolder):
    """A model folder whose credit is an expert's table of points."""

    options: ClassVar[Mapping[str, Any]] = {"credit_table": ROOT / "tests/points/example.toml"}

    def _check(self, model: Any, scores: Any) -> None:
        import numpy as np

        if not np.isfinite(scores["risk_probability"]).all():
            raise BrokenError("The scores are not finite.")
        if not scores["credit_points"].between(0, 1000).all():
            raise BrokenError("Points leave 0 … 1000.")
        if scores["credit_probability"].notna().any():
            raise BrokenError("A table of points gives a probability.")


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


def _parquet(rng: random.Random, content: bytes) -> bytes | None:
    """Write a table anew, as another program might: other types, values, names, rows or pages."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not content.startswith(b"PAR1"):
        return None
    table = pq.read_table(io.BytesIO(content))
    at = rng.randrange(table.num_columns)
    how = rng.choice(["type", "value", "rows", "names", "order", "pages"])
    if how == "rows":
        table = pa.concat_tables([table, table.slice(0, rng.choice([0, 1, 5]))]).slice(rng.choice([0, 1]))
    elif how == "names":
        names = table.column_names
        names[at] = rng.choice([*names, "", "surprise", "x" * 5_000])
        table = table.rename_columns(names)
    elif how == "order":
        table = table.select(rng.sample(table.column_names, rng.randint(1, table.num_columns)))
    elif how in ("type", "value"):
        table = table.set_column(at, table.column_names[at], _column(rng, table.column(at), how))
    target, checked = io.BytesIO(), rng.random() < 0.5
    pq.write_table(
        table, target, row_group_size=rng.choice([7, 1 << 20]), use_dictionary=rng.random() < 0.5,
        compression=rng.choice(["none", "snappy", "gzip", "zstd"]), store_schema=rng.random() < 0.5,
        data_page_version=rng.choice(["1.0", "2.0"]), write_page_checksum=checked,
    )  # fmt: skip
    made = target.getvalue()
    return made if checked or rng.random() < 0.3 else _flip(rng, made)


def _said(rng: random.Random, content: bytes) -> bytes | None:
    """Alter what a file of ours says of itself."""
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    told = dict(table.schema.metadata)
    told[b"tierkit"] = rng.choice(list(ALTERATIONS.values())).of(rng, told[b"tierkit"]) or b""
    target = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(told), target)
    return target.getvalue()


def _column(rng: random.Random, column: Any, how: str) -> Any:
    """Return a column of another type, or with a cell that its type barely holds."""
    import pyarrow as pa

    most = (1 << 63) - 1
    odd = [
        pa.scalar(-most - 1, pa.timestamp(rng.choice(["s", "ms", "us", "ns"]))),
        pa.scalar(rng.choice([most, -1, 0]), pa.timestamp("us", rng.choice(["UTC", "Asia/Shanghai"]))),
        pa.scalar(rng.choice([1 - (1 << 31), (1 << 31) - 1, 20_000]), pa.int32()).cast(pa.date32()),
        pa.scalar(rng.choice([most, -most - 1, 1 << 53])),
        pa.scalar((1 << 64) - 1, pa.uint64()),
        pa.scalar(rng.choice([-128, 127, 0]), pa.int8()),
        pa.scalar(rng.choice([float("nan"), float("inf"), -0.0, 1e308, 5e-324])),
        pa.scalar(1.5, pa.float32()),
        pa.scalar(rng.choice(["", "\0", "=1+1", "x" * 50_000, "\u202e", "NaN"])),
        pa.scalar("x", pa.string_view()),
        pa.scalar(b"\xff\xfe"),
        pa.scalar([[1]]),
        pa.scalar({"a": 1}),
        pa.scalar(most, pa.duration("us")),
        pa.scalar(86_399, pa.time32("s")),
        pa.scalar(True),
        pa.scalar(None),
    ]
    if how == "type":
        one = rng.choice(odd)
        return pa.repeat(one, len(column)) if rng.random() < 0.8 else pa.nulls(len(column), one.type)
    one = rng.choice([*(one for one in odd if one.type.equals(column.type)), pa.scalar(None, column.type)])
    at = rng.randrange(max(len(column), 1))
    chunks = [*column.slice(0, at).chunks, pa.repeat(one, 1), *column.slice(at + 1).chunks]
    return pa.chunked_array(chunks, column.type)


class Dataset(Target):
    """A folder of tables in Parquet with its manifest, whose hashes were mostly computed again."""

    alterations: ClassVar[Mapping[str, Alteration]] = {
        **FOREIGN,
        "Parquet of another": Alteration(_parquet, may_differ=True),
    }
    format = "parquet"

    def prepare(self, home: Path) -> Mapping[str, bytes]:
        """Make a small city."""
        import tierkit as tk

        city = tk.synth(40, seed=5)
        read = {name: frame for name, frame in city.items() if not name.startswith("truth")}
        folder = tk.write(tk.Dataset(read, city.manifest), home / "city", self.format)
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def warm(self, home: Path) -> None:
        """Load what reads tables."""
        import duckdb  # noqa: F401
        import pandas  # noqa: F401

        import tierkit.features.building
        import tierkit.jobs.staging
        import tierkit.jobs.synthesis  # noqa: F401

    def write(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Write the files, and mostly a manifest that lists their hashes."""
        files = dict(files)
        with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            manifest = json.loads(files["manifest.json"])
            for one in manifest["tables"].values():
                one["sha256"] = hashlib.sha256(files[one["file"]]).hexdigest()
            if zlib.crc32(b"".join(files.values())) % 4:
                files["manifest.json"] = json.dumps(manifest).encode()
        super().write(folder, files)

    def use(self, folder: Path, case: int) -> str:
        """Validate the folder, sort its rows as scoring does, and in every other case build features."""
        import numpy as np

        import tierkit as tk
        from tierkit.features import build
        from tierkit.jobs.staging import REJECTS, Rejects, parquet_writer, stage
        from tierkit.records import open_folder

        problems = tk.validate(folder)
        work = folder.parent / "work"
        work.mkdir()
        try:
            with parquet_writer(work / "rejects.parquet", REJECTS) as write:
                staged = stage(open_folder(folder), work, Rejects(write))
            X = build(staged.files, "2024-12-30") if case % 2 else None
            if case % 4 == 1 and not problems:
                tk.read(folder)
        except tk.DataError as error:
            if not problems:
                raise BrokenError(f"What validate passes cannot be scored: {error}") from None
            raise RefusedError(str(error)) from None
        altered = _exchanged(folder)
        if altered & {*staged.rows} or (altered and not problems):
            raise BrokenError(f"Another hash was accepted: {', '.join(altered)}.")
        if not problems and any(staged.rejected.values()):
            raise BrokenError("What validate passes has rows that are rejected.")
        if X is None:
            return f"{dict(staged.rows)} {dict(staged.rejected)} {len(problems)}"
        if np.isinf(X.select_dtypes("number").to_numpy("float64", na_value=np.nan)).any():
            raise BrokenError("Features are not finite.")
        return hashlib.sha256(X.to_csv().encode("utf-8", "replace")).hexdigest()


def _exchanged(folder: Path) -> set[str]:
    """Return the tables whose file is not the one that the manifest lists."""
    path = folder / "manifest.json"
    listed = json.loads(path.read_bytes()).get("tables", {}) if path.exists() else {}
    hashes = {one.name.partition(".")[0]: hashlib.sha256(one.read_bytes()) for one in folder.iterdir()}
    return {
        name
        for name, one in listed.items()
        if one.get("sha256") is not None and name in hashes and hashes[name].hexdigest() != one["sha256"]
    }


def _unpacked(one: Alteration) -> Alteration:
    """Return an alteration of what a packed file holds."""

    def of(rng: random.Random, content: bytes) -> bytes | None:
        made = one.of(rng, gzip.decompress(content))
        return None if made is None else gzip.compress(made, 1, mtime=0)

    return Alteration(of, may_differ=True)


def _column_of_text(rng: random.Random, content: bytes) -> bytes | None:
    """Take a column away, name it otherwise, or give it another's cells, in a text without quotes."""
    rows = [line.split(b",") for line in content.split(b"\r\n" if b"\r\n" in content else b"\n")]
    at, other = rng.randrange(len(rows[0])), rng.randrange(len(rows[0]))
    how = rng.choice(["cells", "name", "gone"])
    for row in rows if how != "name" else rows[:1]:
        if max(at, other) < len(row):
            row[at : at + 1] = [] if how == "gone" else [row[other] if how == "cells" else b"surprise"]
    return b"\n".join(map(b",".join, rows))


class Tables(Dataset):
    """Tables of one's own as packed CSV, without a manifest."""

    alterations: ClassVar[Mapping[str, Alteration]] = {
        **{how: _unpacked(one) for how, one in FOREIGN.items()},
        "a column": _unpacked(Alteration(_column_of_text)),
        "a packed bit": Alteration(_flip, may_differ=True),
        "cut when packed": Alteration(_cut, may_differ=True),
        "a bomb": _unpacked(Alteration(lambda rng, content: content + rng.choice([b"0", b"\n"]) * (1 << 27))),
    }
    format = "csv.gz"

    def prepare(self, home: Path) -> Mapping[str, bytes]:
        """Make a small city, and take its manifest away."""
        return {name: one for name, one in super().prepare(home).items() if name != "manifest.json"}


class PolicyFile(Target):
    """A policy in TOML, and the place, the table of points and the list of names that it names."""

    alterations: ClassVar[Mapping[str, Alteration]] = FOREIGN

    def prepare(self, home: Path) -> Mapping[str, bytes]:
        """Write a plan under another name, in a place of its own."""
        from tierkit.policy import presets
        from tierkit.records import Place

        assert "jiading-2025" in presets()
        plan = (ROOT / "tierkit/policy/presets/jiading-2025.toml").read_text("utf-8")
        plan = plan.replace('name = "jiading-2025"', 'name = "altered"\nplace = "place.toml"', 1)
        plan = plan.replace('baseline = "legacy"', 'baseline = "base.toml"\ncredit_table = "points.toml"')
        base = (ROOT / "tierkit/policy/presets/legacy.toml").read_text("utf-8")
        base = base.replace('name = "legacy"', 'name = "base"\nplace = "place.toml"', 1)
        base = base.replace("scope_sectors = { value = []", 'scope_sectors = { value = "sectors.csv"', 1)
        place = Place.load("shanghai").to_toml().replace('name = "shanghai"', 'name = "elsewhere"', 1)
        points = (ROOT / "tests/points/example.toml").read_text("utf-8")
        texts = {"policy.toml": plan, "base.toml": base, "place.toml": place, "points.toml": points}
        texts["sectors.csv"] = "sector,note\nfood,\nretail,of any size\n"
        return {name: one.encode() for name, one in texts.items()}

    def warm(self, home: Path) -> None:
        """Load policies and the command line."""
        import pandas  # noqa: F401

        import tierkit.policy.tiers.assignment  # noqa: F401
        from tierkit.cli import main

        self._main = main

    def use(self, folder: Path, case: int) -> str:
        """Load the policy, write it and load it again, and give tiers; all must agree."""
        import numpy as np
        import pandas as pd

        import tierkit as tk
        from tierkit.policy import PolicyWarning, check

        warnings.simplefilter("ignore", PolicyWarning)
        file = folder / "policy.toml"
        if case % 12 == 0:
            _command(self._main, "policy", "show", file)
        refused = [one for one in check(file) if not one.warning]
        try:
            policy = tk.Policy.load(file)
        except tk.PolicyError as error:
            if not refused:
                raise BrokenError("What check passes is not loaded.") from None
            raise RefusedError(str(error)) from None
        if refused:
            raise BrokenError(f"What check refuses is loaded: {refused[0]}")
        values = [one.value for one in policy.parameters.values()]
        if not all(np.isfinite(one) for one in values if isinstance(one, float)):
            raise BrokenError("A value is not finite.")
        again = folder / "again.toml"
        again.write_text(policy.to_toml(), "utf-8")
        if tk.Policy.load(again).hash != policy.hash:
            raise BrokenError("What was written is another policy.")
        n = 200
        scores = pd.DataFrame({
            "enterprise_id": [f"E{k}" for k in range(n)],
            "sector": "catering",
            "risk_probability": np.linspace(0, 1, n),
            "credit_points": np.linspace(1000, 0, n),
        })  # fmt: skip
        try:
            tiers = tk.assign(scores, policy)
        except (tk.PolicyError, tk.InputError, tk.DataError) as error:
            raise RefusedError(str(error)) from None
        if not tiers["tier"].isin(["T1", "T2", "T3", "T4"]).all():
            raise BrokenError("Somebody has no tier.")
        return policy.hash


def _sealed(content: bytes) -> bytes:
    """Return a file of ours with the seal that fits its content."""
    at = content.rfind(b"tierkit.sha256") + 16
    if at < 16:
        return content
    blank = content[:at] + b"0" * 64 + content[at + 64 :]
    return content[:at] + hashlib.sha256(blank).hexdigest().encode() + content[at + 64 :]


class Scores(Target):
    """A file of scores, sealed anew in half of the cases."""

    alterations: ClassVar[Mapping[str, Alteration]] = {
        **Dataset.alterations,
        "what it says": Alteration(_said, may_differ=True),
    }

    def prepare(self, home: Path) -> Mapping[str, bytes]:
        """Make a small city, and a file of scores of it."""
        import numpy as np
        import pandas as pd
        import pyarrow as pa

        import tierkit as tk
        from tierkit.jobs.staging import parquet_writer
        from tierkit.scores.score_file import score_schema

        city = tk.synth(40, seed=5)
        tk.write(city, home / "city")
        one = city["enterprises"]
        rows = pd.DataFrame({"enterprise_id": one["enterprise_id"], "sector": one["sector"].astype("str")})
        rng = np.random.default_rng(3)
        for field in score_schema(1, certainty=True):
            if field.name not in rows:
                whole = pa.types.is_integer(field.type) or pa.types.is_boolean(field.type)
                rows[field.name] = rng.integers(0, 2, len(rows)) if whole else rng.random(len(rows))
                if pa.types.is_string(field.type) or pa.types.is_date(field.type):
                    rows[field.name] = "2024-12-30"
        rows["tier"], rows["credit_grade"] = rng.choice(["T1", "T2", "T3", "T4"], len(rows)), "A"
        rows["policy"] = "jiading-2025"
        rows[["flags", "red_line"]] = None
        schema = score_schema(1, certainty=True)
        rows["assigned_on"] = pd.Timestamp("2024-12-30").date()
        rows = rows.astype({field.name: "bool" for field in schema if pa.types.is_boolean(field.type)})
        said = {
            "as_of": "2024-12-30", "policy_name": "jiading-2025", "policy": "0" * 64, "model": "1" * 64,
            "data": {}, "previous": "", "reasons": 1, "certainty": "2" * 64, "scored": len(rows),
        }  # fmt: skip
        with parquet_writer(home / "scores.parquet", schema, {"tierkit": json.dumps(said)}) as add:
            add(pa.Table.from_pandas(rows, schema, preserve_index=False).replace_schema_metadata(None))
        decisions = pd.DataFrame({
            "enterprise_id": rows["enterprise_id"].head(3), "decision": "agree", "tier": rows["tier"].head(3),
            "reviewer": "李", "decided_on": "2025-01-06", "as_of": "2024-12-30", "policy": "jiading-2025",
        })  # fmt: skip
        decisions.to_csv(home / "decisions.csv", index=False)
        return {"scores.parquet": (home / "scores.parquet").read_bytes()}

    def warm(self, home: Path) -> None:
        """Load what reads scores."""
        import duckdb  # noqa: F401

        import tierkit.jobs.city_page
        import tierkit.jobs.reviewing
        import tierkit.jobs.scoring  # noqa: F401

        self._home = home

    def write(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Write the file, in half of the cases with a seal that fits."""
        content = files["scores.parquet"]
        super().write(folder, {"scores.parquet": _sealed(content) if zlib.crc32(content) % 2 else content})

    def use(self, folder: Path, case: int) -> str:
        """Read the file as a last assignment, for decisions, and for a page."""
        import tierkit as tk
        from tierkit.jobs.city_page import city_page
        from tierkit.jobs.reviewing import review
        from tierkit.jobs.scoring import last_assignment

        file = folder / "scores.parquet"
        content = file.read_bytes()
        day = date(2024, 12, 30)
        jobs: list[Callable[[], Any]] = [
            lambda: last_assignment(file, day),
            lambda: review(self._home / "decisions.csv", folder / "log.jsonl", scores=file),
            lambda: city_page(file, self._home / "city", folder / "page"),
        ]
        said = []
        for read, job in enumerate(jobs):
            try:
                job()
            except (tk.DataError, tk.InputError) as error:
                said.append(str(error))
                continue
            # Anybody's table of tiers is a last assignment, so there a file may lack every trace of a seal.
            bare = read == 0 and b"tierkit.sha256" not in content and b"tierkit.sealed" not in content
            if _sealed(content) != content or (b"tierkit.sha256" not in content and not bare):
                raise BrokenError(f"A file whose seal does not fit was read: {read}.")
        if len(said) == len(jobs):
            raise RefusedError(said[0])
        return hashlib.sha256(content).hexdigest()


def _chained(content: bytes) -> bytes:
    """Return a log whose hashes fit, as far as its lines are entries."""
    lines, previous = content.split(b"\n"), "0" * 64
    for k, line in enumerate(lines[:-1]):
        try:
            entry = json.loads(line)
            entry["previous"] = previous
            del entry["hash"]
            entry["hash"] = previous = hashlib.sha256(_entry(entry)).hexdigest()
            lines[k] = _entry(entry)[:-1]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return b"\n".join(lines)


def _entry(entry: Mapping[str, Any]) -> bytes:
    text = json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
    return text.encode("utf-8", "surrogatepass")


class Reviews(Target):
    """A log of decisions, chained anew in half of the cases, and a file of decisions to add."""

    alterations: ClassVar[Mapping[str, Alteration]] = FOREIGN

    def prepare(self, home: Path) -> Mapping[str, bytes]:
        """Write a log, and decisions."""
        import pandas as pd

        from tierkit.policy.reviews import append
        from tierkit.records import credit_code

        ids = credit_code.make(range(9)).tolist()
        one = {
            "decision": "agree", "override_tier": None, "reason": None, "reviewer": "李审定", "tier": "T4",
            "decided_on": "2025-01-06", "as_of": "2024-12-30", "policy": "jiading-2025",
        }  # fmt: skip
        over = {"decision": "override", "override_tier": "T2", "reason": "整改已复查，\n证据见案卷 3 号"}
        rows = [{"enterprise_id": each, **one, **(over if k % 3 else {})} for k, each in enumerate(ids)]
        append(home / "log.jsonl", pd.DataFrame(rows[:6]))
        pd.DataFrame(rows[6:]).to_csv(home / "decisions.csv", index=False)
        return {name: (home / name).read_bytes() for name in ("log.jsonl", "decisions.csv")}

    def warm(self, home: Path) -> None:
        """Load what reads logs."""
        import tierkit.cli.reviews
        import tierkit.jobs.reviewing  # noqa: F401
        from tierkit.cli import main

        self._main = main

    def write(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Write the files, in half of the cases with hashes that fit."""
        log = files["log.jsonl"]
        super().write(folder, {**files, "log.jsonl": _chained(log) if zlib.crc32(log) % 2 else log})

    def use(self, folder: Path, case: int) -> str:
        """Read the log, add the decisions and read it again."""
        import tierkit as tk
        from tierkit.policy.reviews import append, latest, read_log

        warnings.simplefilter("ignore", UserWarning)
        log, decisions = folder / "log.jsonl", folder / "decisions.csv"
        content = log.read_bytes()
        try:
            before = read_log(log)
            latest(before, "2025-06-01")
            if case % 12 == 0:
                _command(self._main, "review", decisions, "--log", log)
            append(log, decisions)
            after = read_log(log)
        except tk.DataError as error:
            if log.read_bytes() != content:
                raise BrokenError("The log was written, and refused.") from None
            raise RefusedError(str(error)) from None
        whole = content[: content.rfind(b"\n") + 1]
        if _chained(whole) != whole or not log.read_bytes().startswith(whole):
            raise BrokenError("A broken chain was read, or a line moved.")
        if len(before) != whole.count(b"\n") or not after.head(len(before)).equals(before):
            raise BrokenError("Entries are not those of the lines.")
        return hashlib.sha256(after.drop(columns=["recorded_at", "hash"]).to_csv().encode()).hexdigest()


TARGETS: Mapping[str, Callable[[], Target]] = {
    "model": ModelFolder,
    "expert": ExpertFolder,
    "dataset": Dataset,
    "policy": PolicyFile,
    "scores": Scores,
    "reviews": Reviews,
    "tables": Tables,
}


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
    kind, said = outcome
    os.write(writing, json.dumps((kind, said[-8_000:])).encode())  # a pipe holds 64 kB
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
    parser.add_argument("--target", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--seconds", type=float, default=600, help="for each target")
    parser.add_argument("--cases", type=int, default=1 << 60, help="at most, for each target")
    parser.add_argument("--first", type=int, default=1, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=ROOT / "build" / "fuzz", help="where faults are kept")
    asked: Any = parser.parse_args(given)
    faults = 0
    counts = []
    for name in asked.target:
        with tempfile.TemporaryDirectory() as home:
            run = Fuzz(name, asked.seed, Path(home), asked.keep)
            run.start()
            end = time.monotonic() + asked.seconds
            case = asked.first
            while time.monotonic() < end and case < asked.first + asked.cases:
                run.one(case)
                case += 1
        counts.append(f"{name}: {case - asked.first:,} cases, {len(run.faults)} faults")
        print(f"{counts[-1]}\n{run.table()}\n", flush=True)
        faults += len(run.faults)
    print("\n".join(counts))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
