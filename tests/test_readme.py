"""The two READMEs: what they tell people to type works, prints what they show, and is the same in both.

``.venv/bin/python tests/test_readme.py`` writes what the commands print into both again.
"""

import importlib
import os
import platform
import re
import subprocess
import sys
import tomllib
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from make_dataset import make_dataset
from shared import model_folder
from typer.main import get_command

import tierkit
import tierkit.features.building
import tierkit.features.catalogue
from tierkit.cli import app
from tierkit.jobs.demo import FIVE_YEARS
from tierkit.policy import Policy, diff

ROOT = Path(__file__).resolve().parent.parent
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}
ELSEWHERE = ("make ", "source ", "tierkit --help")
"""Beginnings of lines that are not run here: the demo and the activation of the environment."""

BOTH = pytest.mark.parametrize("lang", READMES)


class Block(NamedTuple):
    """A fenced block: its language, its text, and where the text begins and ends in the file."""

    kind: str
    text: str
    start: int
    end: int


def blocks(lang: str) -> list[Block]:
    text = READMES[lang].read_text("utf-8")
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(one[1], one[2], *one.span(2)) for one in found]


def texts_of(lang: str, kind: str) -> list[str]:
    return [one.text for one in blocks(lang) if one.kind == kind]


def lines(lang: str) -> list[str]:
    return [line for text in texts_of(lang, "sh") for line in text.splitlines()]


def commands(lang: str) -> list[str]:
    """Return every ``tierkit`` command of a README, of blocks and of running text."""
    text = READMES[lang].read_text("utf-8")
    inline = re.findall(r"`(tierkit [a-z][^`\n]*)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    return [line for line in lines(lang) if re.match(r"tierkit [a-z]", line)] + inline


# The two languages


def test_both_languages_name_the_same_commands_files_and_code() -> None:
    def same(text: str) -> str:
        return re.sub(r"--lang (en|zh)", "--lang X", text)

    assert [one.kind for one in blocks("en")] == [one.kind for one in blocks("zh")]
    for kind in ("sh", "toml", "python"):
        assert [same(one) for one in texts_of("en", kind)] == [same(one) for one in texts_of("zh", kind)]
    assert sorted(map(same, commands("en"))) == sorted(map(same, commands("zh")))
    assert headings("en") == headings("zh")
    assert rows("en") == rows("zh"), "tables name the same things"


def headings(lang: str) -> list[int]:
    outside = re.sub(r"^```.*?^```$", "", READMES[lang].read_text("utf-8"), flags=re.M | re.S)
    return [len(one) for one in re.findall(r"^(#+) ", outside, re.MULTILINE)]


def rows(lang: str) -> list[list[str]]:
    """Return the code in the first cell of every row of a table."""
    found = re.findall(r"^\| ([^|]+) \|.*\|$", READMES[lang].read_text("utf-8"), re.MULTILINE)
    return [re.findall(r"`([^`]+)`", cell) for cell in found]


# Names


@BOTH
def test_every_command_and_option_exists(lang: str) -> None:
    root = get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    found = commands(lang)
    assert len(found) > 10
    for one in found:
        words = one.split()[1:]
        command = root
        while words and isinstance(command, typer.core.TyperGroup):
            assert words[0] in command.commands, one
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, one


@BOTH
def test_every_link_and_path_leads_somewhere(lang: str) -> None:
    text = READMES[lang].read_text("utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 10
    assert [one for one in links if not one.startswith("http") and not (ROOT / one).exists()] == []
    named = re.findall(r"\b((?:docs|notebooks|scripts|tests|tierkit)/[\w./-]*\w)", text)
    assert [one for one in named if not (ROOT / one).exists()] == []


@BOTH
def test_every_module_is_in_the_layout_once_and_in_order(lang: str) -> None:
    named = [row for row in rows(lang) if row]
    listed = named[
        named.index(["cli"]) : named.index(["credit_code", "folders", "fonts", "progress", "texts"]) + 1
    ]
    here = {path.stem for path in (ROOT / "tierkit").glob("[a-z]*.py")}
    here |= {path.parent.name for path in (ROOT / "tierkit").glob("*/__init__.py")}
    assert sorted(name for row in listed for name in row) == sorted(here)
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layer = {
        name: at
        for at, names in enumerate(contract["contracts"][0]["layers"])
        for name in re.findall(r"\w+", names)
    }
    order = [[layer[name] for name in row] for row in listed]
    assert all(max(above) < min(below) for above, below in pairwise(order))


def test_the_package_names_every_module_and_what_it_is_for() -> None:
    here = {path.stem for path in (ROOT / "tierkit").glob("[a-z]*.py")}
    here |= {path.parent.name for path in (ROOT / "tierkit").glob("*/__init__.py")}
    told = re.findall(r"^    ([a-z_, ]+):", tierkit.__doc__ or "", re.MULTILINE)
    assert sorted(name for line in told for name in line.split(", ")) == sorted(here)
    shown = re.findall(r"^    ([a-z_]+):[^\n]*?(`.+)", tierkit.__doc__ or "", re.MULTILINE)
    assert len(shown) >= 10
    for module, line in shown:
        for name in re.findall(r"`([\w.]+)`", line):
            assert callable(reduce(getattr, name.split("."), importlib.import_module(f"tierkit.{module}")))


def test_data_folders_of_the_package_are_named() -> None:
    folders = {path.name for path in (ROOT / "tierkit").iterdir() if path.is_dir()} - {"__pycache__"}
    data = {name for name in folders if not (ROOT / "tierkit" / name / "__init__.py").exists()}
    for lang in READMES:
        text = READMES[lang].read_text("utf-8")
        assert {name for name in data if f"`{name}/`" not in text and f"tierkit/{name}/" not in text} == set()


@BOTH
def test_what_was_measured_says_where_and_when(lang: str) -> None:
    section = measured(lang)
    assert re.search(r"\d+ (s\b|秒)", section)
    assert re.search(r"20\d\d-\d\d-\d\d", section)
    assert "x86-64" in section
    figures = [sorted(re.findall(r"\d(?:[\d,.-]*\d)?", measured(each))) for each in READMES]
    assert figures[0] == figures[1]


def measured(lang: str) -> str:
    heading = {"en": "## What was measured\n", "zh": "## 实测结果\n"}[lang]
    return READMES[lang].read_text("utf-8").split(heading)[1].split("\n## ")[0]


def test_every_page_in_docs_is_on_its_map() -> None:
    text = (ROOT / "docs" / "README.md").read_text("utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"({name})" not in text} == set()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [one for one in links if not (ROOT / "docs" / one).exists()] == []


# What the files in it do


def test_the_reform_changes_what_it_says(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text(texts_of("en", "toml")[0], "utf-8")
    my = Policy.load(file)
    change = diff(Policy.load("shanghai-2025"), my)
    assert change["parameter"].tolist() == ["frequency.tier.T4.key"]
    assert change["b"].tolist() == [2.0]
    assert my.name == "my"


def test_the_feature_can_be_added_and_counts_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = ROOT / "tierkit" / "features" / "catalogue.toml"
    text = catalogue.read_text("utf-8") + "\n" + texts_of("en", "toml")[1]
    (tmp_path / "catalogue.toml").write_text(text, "utf-8")
    monkeypatch.setattr(tierkit.features.catalogue.resources, "files", lambda _: tmp_path)
    more = tierkit.features.catalogue._read()
    monkeypatch.setattr(tierkit.features.building, "FEATURES", more)
    data = make_dataset(40, seed=1, records=400)
    built = tierkit.features.build(data, "2023-10-01")["serious_findings_1y"]
    seen = data["inspections"]
    seen = seen[(seen["finding"] == "serious") & (seen["inspected_on"] < "2023-10-01")]
    counts = seen[seen["inspected_on"] >= "2022-10-01"].groupby("enterprise_id").size()
    assert built.sum() > 0
    assert built.to_dict() == counts.reindex(built.index, fill_value=0).astype(float).to_dict()
    assert more[-1].sentence(2, "en") == "Serious findings in the past year: 2."


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo's data and model are those of the small city."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "build" / "demo").mkdir(parents=True)
    (folder / "build" / "demo" / "data").symlink_to(ROOT / "data" / "synthetic")
    (folder / "build" / "demo" / "model").symlink_to(model_folder())
    return folder


@BOTH
def test_the_python_code_runs(
    lang: str, small_demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small_demo)
    scope: dict[str, Any] = {}
    for code in texts_of(lang, "python"):
        exec(code, scope)  # noqa: S102 - it is our own README
    assert "makes tier T4 (close watch)" in capsys.readouterr().out
    assert scope["comparison"].policies == ("shanghai-2025", "closer")


# What the commands print


def make_demo(folder: Path) -> None:
    """Leave what the commands read where `make demo` leaves it, with the same bits."""
    from tierkit.city.synth import make
    from tierkit.records import write_dataset
    from tierkit.scores.train import train

    data, world = make(20_000, 2025, horizon_weeks=FIVE_YEARS)
    write_dataset(data, folder / "build" / "demo" / "data")
    train(data, world.date, seed=2025).save(folder / "build" / "demo" / "model")
    (folder / "my.toml").write_text(texts_of("en", "toml")[0], "utf-8")
    (folder / "data").symlink_to(ROOT / "data")


def run_all(folder: Path) -> dict[str, str]:
    """Return what every line of both READMEs prints, run in a folder in their order."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    said = {}
    for line in dict.fromkeys([*lines("en"), *lines("zh")]):
        if not line.startswith(ELSEWHERE):
            assert line.startswith("tierkit "), line
            ended = subprocess.run(
                [sys.executable, "-m", *line.split()],
                cwd=folder,
                env=environment,
                capture_output=True,
                encoding="utf-8",
                check=False,
            )
            assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
            said[line] = ended.stdout
    return said


def shown(lang: str) -> list[tuple[list[str], Block]]:
    """Return the blocks of commands that a block of text follows, which is what they print."""
    return [
        (one.text.splitlines(), other)
        for one, other in pairwise(blocks(lang))
        if one.kind == "sh" and other.kind == "text"
    ]


@pytest.mark.slow
def test_commands_print_what_the_readmes_show(tmp_path: Path) -> None:
    make_demo(tmp_path)
    said = run_all(tmp_path)
    for lang in READMES:
        assert len(shown(lang)) == 3
        for typed, block in shown(lang):
            if platform.machine() in ("x86_64", "AMD64"):  # elsewhere the last bits of a model may differ
                assert "".join(said[line] for line in typed) == block.text
    table = re.findall(r"^my +(\S+) .*?\[(.+?), (.+?)\]", shown("en")[2][1].text, re.MULTILINE)
    signs = {name: low[0] + high[0] for name, low, high in table}
    said_below = {"inspections": "++", "findings": "++", "harm": "−−"}
    assert {name: signs[name] for name in said_below} == said_below
    assert (tmp_path / "build" / "one.html").is_file()
    assert (tmp_path / "build" / "my-page" / "index.html").is_file()


def rewrite(folder: Path) -> None:
    make_demo(folder)
    said = run_all(folder)
    for lang, path in READMES.items():
        text = path.read_text("utf-8")
        for typed, block in reversed(shown(lang)):
            text = text[: block.start] + "".join(said[line] for line in typed) + text[block.end :]
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        rewrite(Path(place))
