"""A short search of ``scripts/fuzz.py`` in each kind of file, and the promises that it holds them to."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pandas as pd
import pytest

from tierkit.policy.reviews import append
from tierkit.records import credit_code
from tierkit.records.parquet import write_sealed

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("model", "expert", "dataset", "policy", "scores", "reviews", "tables")


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "scripts/fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with patch.dict(os.environ), patch.object(sys, "path", list(sys.path)):
        spec.loader.exec_module(module)
    return module


def test_every_kind_of_file_is_searched(fuzz: ModuleType) -> None:
    assert tuple(fuzz.TARGETS) == NAMES


def test_a_seal_that_does_not_fit_is_known_without_the_reader(fuzz: ModuleType, tmp_path: Path) -> None:
    write_sealed(pd.DataFrame({"tier": ["T1", "T4"]}), tmp_path / "scores.parquet")
    sound = (tmp_path / "scores.parquet").read_bytes()
    assert fuzz._sealed(sound) == sound
    altered = sound[:40] + bytes([sound[40] ^ 1]) + sound[41:]
    assert fuzz._sealed(altered) != altered
    assert fuzz._sealed(fuzz._sealed(altered)) == fuzz._sealed(altered)


def test_a_chain_that_is_broken_is_known_without_the_reader(fuzz: ModuleType, tmp_path: Path) -> None:
    ids = credit_code.make(range(3)).tolist()
    one = {
        "decision": "agree", "tier": "T4", "reviewer": "李审定", "decided_on": "2025-01-06",
        "as_of": "2024-12-30", "policy": "jiading-2025",
    }  # fmt: skip
    append(tmp_path / "log.jsonl", pd.DataFrame([{"enterprise_id": each, **one} for each in ids]))
    sound = (tmp_path / "log.jsonl").read_bytes()
    assert fuzz._chained(sound) == sound
    for altered in (sound.replace(b"T4", b"T1", 1), sound.split(b"\n", 1)[1]):
        assert fuzz._chained(altered) != altered


SHORT = {4: ("policy", "reviews", "model", "expert"), 2: ("scores", "dataset", "tables")}
"""Cases of a short search, and the targets that one process takes in turn: it loads the libraries once."""


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.long)])
@pytest.mark.parametrize("cases", SHORT)
def test_a_short_search_finds_no_fault(cases: int, times: int, tmp_path: Path) -> None:
    names, cases = SHORT[cases], cases * times
    asked = [sys.executable, ROOT / "scripts/fuzz.py", "--target", *names, "--cases", cases]
    words = [str(one) for one in (*asked, "--keep", tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        assert f"{name}: {cases} cases, 0 faults" in done.stdout


def test_a_short_search_takes_every_target() -> None:
    assert sorted(NAMES) == sorted(name for names in SHORT.values() for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("case", [1011, pytest.param(1153, marks=pytest.mark.long)])
def test_damage_that_arrow_forgives_and_duckdb_does_not_is_read_alike(case: int, tmp_path: Path) -> None:
    """A bit of the footer's inner structure: validation passed the table, and scoring could not read it."""
    asked = [sys.executable, ROOT / "scripts/fuzz.py", "--target", "dataset", "--seed", 20261130]
    asked += ["--first", case, "--cases", 1, "--keep", tmp_path]
    done = subprocess.run([*map(str, asked)], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dataset: 1 cases, 0 faults" in done.stdout
