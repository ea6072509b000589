"""The page on the architecture tells what is in the code, and the way through it is short."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def architecture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "scripts" / "architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_shows_what_is_in_the_code(architecture: ModuleType, lang: str) -> None:
    text = architecture.PAGES[lang].read_text("utf-8")
    assert text == architecture.filled(text, lang), "run scripts/architecture.py"


def test_the_figure_shows_who_imports_whom(architecture: ModuleType) -> None:
    assert architecture.FIGURE.read_text("utf-8") == architecture.drawn(), "run scripts/architecture.py"


def test_every_room_is_told_of_and_has_its_place(architecture: ModuleType) -> None:
    package = ROOT / "tierkit"
    here = {path.parent.name for path in package.glob("*/__init__.py")}
    here |= {path.stem for path in package.glob("[a-z]*.py")}
    assert set(architecture.rooms()) == here
    assert set(architecture.WHAT) == {*here, "studies"}


def test_the_heart_is_the_lowest_layers_so_that_it_imports_no_attachment(architecture: ModuleType) -> None:
    leaves = architecture.layers()[-1]
    rooms = [room for room in architecture.rooms() if room not in leaves]
    assert tuple(rooms[-len(architecture.HEART) :]) == architecture.HEART
    for room in architecture.HEART:
        assert set(architecture.imports(room)) <= {*architecture.HEART, *leaves}


def test_the_reading_path_is_short_and_within_the_heart(architecture: ModuleType) -> None:
    path = architecture.PATH
    assert len(set(path)) == len(path)
    rooms = [one.split("/")[1] for one in path if one.startswith("tierkit/")]
    assert set(rooms) == set(architecture.HEART)
    assert sum(architecture.code_lines(ROOT / one) for one in path) <= architecture.MOST_TO_READ


def test_lines_of_code_leave_out_what_is_no_code(architecture: ModuleType, tmp_path: Path) -> None:
    file, other = tmp_path / "some.py", tmp_path / "other.py"
    text = '"""Text."""\n\n# why\nx = [\n    1,  # one\n]\n\n\ndef f():\n    """Text.\n\n    More.\n    """\n'
    file.write_text(text, "utf-8")
    assert architecture.code_lines(file) == 4
    other.write_text('x = """no\n\ndocstring"""\n', "utf-8")
    assert architecture.code_lines(other) == 3
