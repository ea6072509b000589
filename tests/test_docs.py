"""The pages for people: what they say to type works, prints what they show, and is alike in both languages.

``.venv/bin/python tests/test_docs.py`` writes what the commands print into all of them again.
"""

import contextlib
import importlib.util
import io
import platform
import re
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import raw_city
import typer
from make_dataset import make_dataset
from shared import model_folder
from typer.main import get_command

from tierkit.cli import main
from tierkit.cli.app import app
from tierkit.features import building, catalogue
from tierkit.jobs.demo import FIVE_YEARS
from tierkit.policy import Policy, diff

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README",
    "docs/README",
    "docs/architecture",
    "docs/changing_a_policy",
    "docs/commands",
    "docs/everybody",
    "docs/explaining",
    "docs/glossary",
    "docs/intake",
    "docs/measured",
    "docs/python",
    "docs/reading_results",
    "docs/security",
    "docs/your_records",
)
"""What is written by hand in both languages; without the ending."""
ENDINGS = {"en": ".md", "zh": ".zh-CN.md"}
ELSEWHERE = ("make ", "source ", "tierkit --help")
"""Beginnings of lines that are not run here: the demo and the activation of the environment."""
MOST_LINES = 180
"""How long a README may be, to be one that is read."""

BOTH = pytest.mark.parametrize("lang", ENDINGS)
EACH = pytest.mark.parametrize("page", PAGES)


def file(page: str, lang: str) -> Path:
    return ROOT / f"{page}{ENDINGS[lang]}"


def read(page: str, lang: str) -> str:
    return file(page, lang).read_text("utf-8")


def in_markdown() -> list[Path]:
    """Return every Markdown file that people read."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


class Block(NamedTuple):
    """A fenced block: its language, its text, and where the text begins and ends in the file."""

    kind: str
    text: str
    start: int
    end: int


def blocks(page: str, lang: str) -> list[Block]:
    found = re.finditer(r"^```(\w*)\n(.*?)^```$", read(page, lang), re.MULTILINE | re.DOTALL)
    return [Block(one[1], one[2], *one.span(2)) for one in found]


def texts_of(page: str, lang: str, kind: str) -> list[str]:
    return [one.text for one in blocks(page, lang) if one.kind == kind]


def lines(page: str, lang: str) -> list[str]:
    return [line for text in texts_of(page, lang, "sh") for line in text.splitlines()]


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def commands(page: str, lang: str) -> list[str]:
    """Return every ``tierkit`` command of a page, of blocks and of running text."""
    inline = re.findall(r"`(tierkit [a-z][^`\n]*)`", without_blocks(read(page, lang)))
    return [line for line in lines(page, lang) if re.match(r"tierkit [a-z]", line)] + inline


# The two languages


@EACH
def test_both_languages_name_the_same_commands_files_and_code(page: str) -> None:
    def same(text: str) -> str:
        return re.sub(r"(--lang |sentences\(\")(en|zh)", r"\1X", text)

    assert [one.kind for one in blocks(page, "en")] == [one.kind for one in blocks(page, "zh")]
    for kind in ("sh", "toml", "python"):
        assert [same(one) for one in texts_of(page, "en", kind)] == [
            same(one) for one in texts_of(page, "zh", kind)
        ]
    assert sorted(map(same, commands(page, "en"))) == sorted(map(same, commands(page, "zh")))
    assert headings(page, "en") == headings(page, "zh")
    assert rows(page, "en") == rows(page, "zh"), "tables name the same things"


def headings(page: str, lang: str) -> list[int]:
    return [len(one) for one in re.findall(r"^(#+) ", without_blocks(read(page, lang)), re.MULTILINE)]


def rows(page: str, lang: str) -> list[list[str]]:
    """Return the code in the first cell of every row of a table."""
    found = re.findall(r"^\| ([^|]+) \|.*\|$", read(page, lang), re.MULTILINE)
    return [re.findall(r"`([^`]+)`", cell) for cell in found]


@EACH
def test_each_language_leads_to_the_other_and_stays_with_itself(page: str) -> None:
    for lang, other in (("en", "zh"), ("zh", "en")):
        links = re.findall(r"\]\(([^)]+)\)", read(page, lang))
        assert links[0] == file(page, other).name
        folder = file(page, lang).parent
        named = {(folder / one).resolve() for one in links[1:] if not one.startswith("http")}
        here = {one for one in named if one.with_name(one.name.removesuffix(".md") + ".zh-CN.md").exists()}
        if lang == "zh":
            assert here == set(), "a page in English where there is one in Chinese"
        else:
            assert {one for one in named if one.name.endswith(".zh-CN.md")} == set()


@BOTH
def test_the_readme_is_short_enough_to_be_read(lang: str) -> None:
    assert len(read("README", lang).splitlines()) <= MOST_LINES
    assert [line for line in lines("README", lang) if line.startswith("make ")] == ["make demo", "make test"]


# Names


@BOTH
def test_every_command_and_option_exists(lang: str) -> None:
    root = get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    found = [one for page in PAGES for one in commands(page, lang)]
    assert len(found) > 25
    for one in found:
        words = one.split()[1:]
        command = root
        while words and isinstance(command, typer.core.TyperGroup):
            assert words[0] in command.commands, one
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, one


def test_the_page_of_commands_has_every_command() -> None:
    root = get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    told = " ".join(word for row in rows("docs/commands", "en") for word in row)
    assert {name for name in root.commands if f"tierkit {name}" not in told} == set()


@pytest.mark.parametrize("path", in_markdown(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_path_leads_somewhere(path: Path) -> None:
    text = without_blocks(path.read_text("utf-8"))
    links = [one for one in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if not one.startswith("http")]
    assert [one for one in links if not (path.parent / one).exists()] == []
    if path.name != "CHANGELOG.md":  # it tells of files that are gone
        named = re.findall(r"\b((?:docs|notebooks|scripts|tests|tierkit)/[\w./-]*\w)", text)
        assert [one for one in named if not (ROOT / one).exists()] == []


def test_data_folders_of_the_package_are_named() -> None:
    folders = {path.name for path in (ROOT / "tierkit").iterdir() if path.is_dir()} - {"__pycache__"}
    data = {name for name in folders if not (ROOT / "tierkit" / name / "__init__.py").exists()}
    assert data
    for lang in ENDINGS:
        text = read("docs/architecture", lang)
        assert {name for name in data if f"tierkit/{name}/" not in text} == set()


@BOTH
def test_what_was_measured_says_where_and_when(lang: str) -> None:
    text = read("docs/measured", lang)
    assert re.search(r"\d+ (s\b|秒)", text)
    assert re.search(r"20\d\d-\d\d-\d\d", text)
    assert "x86-64" in text
    figures = [
        sorted(re.findall(r"\d(?:[\d,.-]*\d)?", read("docs/measured", each).replace("zh-CN", "")))
        for each in ENDINGS
    ]
    assert figures[0] == figures[1]


@BOTH
def test_every_page_in_docs_is_on_its_map(lang: str) -> None:
    text = read("docs/README", lang)
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md", "README.zh-CN.md"}
    chinese = {name for name in pages if name.endswith(".zh-CN.md")}
    translated = {name.replace(".zh-CN.md", ".md") for name in chinese}
    wanted = pages - chinese if lang == "en" else pages - translated
    assert {name for name in wanted if f"({name})" not in text} == set()


# What the files in it do


def test_the_reform_changes_what_it_says(tmp_path: Path) -> None:
    reform = tmp_path / "my.toml"
    reform.write_text(texts_of("docs/changing_a_policy", "en", "toml")[0], "utf-8")
    my = Policy.load(reform)
    change = diff(Policy.load("shanghai-2025"), my)
    assert change["parameter"].tolist() == ["frequency.tier.T4.key"]
    assert change["b"].tolist() == [2.0]
    assert my.name == "my"


def test_the_feature_can_be_added_and_counts_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = ROOT / "tierkit" / "features" / "catalogue.toml"
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (feature,) = re.findall(r"^```toml\n(.*?)^```$", contributing, re.MULTILINE | re.DOTALL)
    text = declared.read_text("utf-8") + "\n" + feature
    (tmp_path / "catalogue.toml").write_text(text, "utf-8")
    monkeypatch.setattr(catalogue.resources, "files", lambda _: tmp_path)
    more = catalogue._read()
    monkeypatch.setattr(building, "FEATURES", more)
    data = make_dataset(40, seed=1, records=400)
    built = building.build(data, "2023-10-01")["serious_findings_1y"]
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


@pytest.mark.parametrize("lang", ["en", pytest.param("zh", marks=pytest.mark.long)])
def test_the_python_code_runs(
    lang: str, small_demo: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(small_demo)
    scope: dict[str, Any] = {}
    for code in [*texts_of("README", lang, "python"), *texts_of("docs/python", lang, "python")]:
        exec(code, scope)  # noqa: S102 - it is our own page
    told = {"en": "makes tier T4 (checked strictly)", "zh": "列为T4（严检查）"}
    assert told[lang] in capsys.readouterr().out
    assert scope["tk"].Policy is Policy
    assert scope["comparison"].policies == ("shanghai-2025", "closer")


# The figure of the READMEs


def readme_figure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme_figure", ROOT / "scripts" / "readme_figure.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@BOTH
def test_the_figure_is_drawn_from_the_table_beside_it(lang: str, tmp_path: Path) -> None:
    made = readme_figure()
    made.draw(lang, tmp_path / "again.png")
    kept, again = (
        plt.imread(path) for path in (made.TABLE.with_suffix(f".{lang}.png"), tmp_path / "again.png")
    )
    assert kept.shape == again.shape
    assert float(np.abs(kept - again).mean()) < 1 / 255
    assert f"docs/figures/five_plans.{lang}.png" in read("README", lang)


@BOTH
def test_the_caption_tells_n_and_interval_and_the_finding_is_in_the_table(lang: str) -> None:
    table = pd.read_csv(readme_figure().TABLE).set_index(["policy", "measure"])
    (caption,) = re.findall(r"^(\*(?:Synthetic|合成).*?)\n\n", read("README", lang), re.MULTILINE | re.DOTALL)
    assert "synthetic data" in caption.lower()
    assert "合成数据" in caption
    assert f"n = {table['n'].iloc[0]:,}" in caption
    assert re.search(rf"\b{table['replicates'].iloc[0]} (replicates|次重复)", caption)
    assert "95" in caption
    finding = caption.split("* ", 1)[1]
    for measure in ("inspections", "violations_missed"):
        row = table.loc[("shanghai-2025", measure)]
        change = [
            row[name] / row["baseline_value"] for name in ("difference", "difference_low", "difference_high")
        ]
        shown = "{} [{}, {}]".format(*(f"{one:+.1%}".replace("-", "−") for one in change))
        assert (shown.replace("%", " %") if lang == "en" else shown) in finding


# What the commands print


def make_demo(folder: Path) -> None:
    """Leave what the commands read where `make demo` leaves it, with the same bits."""
    from tierkit.city.synth import make
    from tierkit.records import write_dataset
    from tierkit.scores.train import train

    data, world = make(20_000, 2025, horizon_weeks=FIVE_YEARS)
    write_dataset(data, folder / "build" / "demo" / "data")
    train(data, world.date, seed=2025).save(folder / "build" / "demo" / "model")
    (folder / "my.toml").write_text(texts_of("docs/changing_a_policy", "en", "toml")[0], "utf-8")
    (folder / "data").symlink_to(ROOT / "data")
    raw_city.write(folder / "raw", raw_city.rows(enterprises=190, inspections=900))


def run_all(folder: Path) -> dict[str, str]:
    """Return what every line of all pages prints, run in a folder in their order."""
    said = {}
    with contextlib.chdir(folder):
        for line in dict.fromkeys(line for page in PAGES for lang in ENDINGS for line in lines(page, lang)):
            if not line.startswith(ELSEWHERE):
                name, *words = line.split()
                assert name == "tierkit", line
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as left:
                    main(words)
                assert left.value.code == 0, f"{line}\n{printed.getvalue()}"
                said[line] = printed.getvalue()
                if line.startswith("tierkit intake draft"):  # then a person decides
                    mapping = folder / "mapping.toml"
                    mapping.write_text(raw_city.decided(mapping.read_text("utf-8")), "utf-8")
    return said


def shown(page: str, lang: str) -> list[tuple[list[str], Block]]:
    """Return the blocks of commands that a block of text follows, which is what they print."""
    return [
        (one.text.splitlines(), other)
        for one, other in pairwise(blocks(page, lang))
        if one.kind == "sh" and other.kind == "text"
    ]


@pytest.mark.long
def test_commands_print_what_the_pages_show(tmp_path: Path) -> None:
    make_demo(tmp_path)
    said = run_all(tmp_path)
    for lang in ENDINGS:
        assert {page: len(shown(page, lang)) for page in PAGES if shown(page, lang)} == {
            "docs/changing_a_policy": 4,
            "docs/explaining": 1,
        }
        for page in PAGES:
            for typed, block in shown(page, lang):
                if platform.machine() in ("x86_64", "AMD64"):  # elsewhere the last bits of a model may differ
                    assert "".join(said[line] for line in typed) == block.text
    (_, simulated) = shown("docs/changing_a_policy", "en")[2]
    table = re.findall(r"^my +(\S+) .*?\[(.+?), (.+?)\]", simulated.text, re.MULTILINE)
    signs = {name: low[0] + high[0] for name, low, high in table}
    said_below = {"inspections": "++", "findings": "++", "harm": "−−"}
    assert {name: signs[name] for name in said_below} == said_below
    assert (tmp_path / "build" / "one.html").is_file()
    assert (tmp_path / "build" / "my-page" / "index.html").is_file()


def rewrite(folder: Path) -> None:
    make_demo(folder)
    said = run_all(folder)
    for page in PAGES:
        for lang in ENDINGS:
            text = read(page, lang)
            for typed, block in reversed(shown(page, lang)):
                text = text[: block.start] + "".join(said[line] for line in typed) + text[block.end :]
            file(page, lang).write_text(text, "utf-8")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        rewrite(Path(place))
