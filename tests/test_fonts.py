"""The vendored font: it holds every character we show, and its subsets hold what a page asks for."""

from __future__ import annotations

import base64
import io
import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from fontTools.ttLib import TTFont

from tierkit import plot, texts
from tierkit.city.population import items
from tierkit.plot import fonts
from tierkit.policy import SPEC, STATUSES, UNITS
from tierkit.policy.tiers import REASONS
from tierkit.records import SHANGHAI


def test_the_font_is_openly_licensed_and_not_called_like_the_original() -> None:
    with TTFont(fonts.path()) as font:
        names = {record.nameID: str(record) for record in font["name"].names}
        assert font["OS/2"].fsType == 0  # may be embedded
    assert names[1] == fonts.FAMILY
    assert "SIL Open Font License" in names[13]
    assert "Adobe" in names[0]
    licence = (fonts.path().parent / "OFL.txt").read_text(encoding="utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert names[0] in licence


def test_all_of_gb2312_is_there() -> None:
    hanzi = [
        bytes([high, low]).decode("gb2312", "ignore")
        for high in range(0xB0, 0xF8)
        for low in range(0xA1, 0xFF)
    ]
    hanzi = [char for char in hanzi if char]
    assert len(hanzi) == 6763
    assert set(hanzi) <= fonts.characters()


@pytest.mark.parametrize("lang", sorted(texts.LANGUAGES))
def test_every_text_can_be_drawn(lang: str) -> None:
    catalogue = (
        fonts.path().parents[2] / "locale" / texts.LANGUAGES[lang] / "LC_MESSAGES" / "tierkit.po"
    ).read_text(encoding="utf-8")
    assert fonts.missing(catalogue) == []


def test_every_label_of_a_level_can_be_drawn() -> None:
    labels = "".join(
        label.text(lang)
        for levels in SHANGHAI.levels.values()
        for label in levels.values()
        for lang in texts.LANGUAGES
    )
    assert fonts.missing(labels) == []


@pytest.mark.parametrize("file", sorted(fonts.path().parents[2].rglob("*.toml")), ids=lambda file: file.name)
def test_every_declared_word_can_be_drawn(file: Path) -> None:
    # Policies with their sources, features with their sentences, names that the synthetic world is made of.
    assert fonts.missing(file.read_text(encoding="utf-8")) == []


def test_labels_declared_in_code_can_be_drawn() -> None:
    labels = [spec.label for spec in SPEC.values()] + [spec.about for spec in SPEC.values()]
    labels += [*UNITS.values(), *STATUSES.values(), *REASONS.values()]
    assert fonts.missing("".join(label.text(lang) for label in labels for lang in texts.LANGUAGES)) == []
    assert fonts.missing("".join(items()["name_zh"]) + "".join(items()["name_en"])) == []


def test_what_the_font_lacks_is_named() -> None:
    assert fonts.missing("한국\n企业") == ["국", "한"]


def test_a_web_font_holds_what_is_asked_and_little_else() -> None:
    made = fonts.web_font("经营主体κ−")
    with TTFont(io.BytesIO(made)) as font:
        held = set(map(chr, font.getBestCmap()))
    assert set("经营主体κ−Az09") <= held
    assert len(held) < 110
    assert len(made) < 20_000
    assert fonts.web_font("−κ体主营经经") == made


def test_font_face_carries_the_font_inside() -> None:
    css = fonts.font_face(["检查"])
    data = re.search(r"base64,([A-Za-z0-9+/=]+)\)", css)
    assert data is not None
    assert base64.b64decode(data.group(1)) == fonts.web_font("检查")
    assert "http" not in css


def test_matplotlib_draws_chinese_and_the_minus_sign_from_it() -> None:
    with plot.style():
        figure, ax = plt.subplots()
        ax.set_title("风险与信用 −1")
        ax.plot([-1, 1])
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a glyph that is missing is a warning of matplotlib's
            figure.canvas.draw()
        used = ax.title.get_fontname()
    assert used == fonts.FAMILY
