"""Pages in a real browser: no boxes, requests or errors, accessible, printed on A4, used by keyboard alone.

Chromium is looked for on the path; without it these tests skip and say so.
"""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from fontTools.ttLib import TTFont
from playwright.sync_api import Browser, Page, sync_playwright

from tierkit import report

AS_OF = "2024-12-30"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
A4 = (595, 842)  # points
FONT = "Tierkit Sans SC"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("there is no Chromium on this machine: install the package 'chromium' to run these tests")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=list(QUIET))
        yield running
        running.close()


@dataclass
class Opened:
    """A page, with what it asked for and complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def opened(browser: Browser) -> Iterator[Any]:
    """Open a file, in a window of its own, as if there were no network."""
    contexts = []

    def open_file(path: Path, fragment: str = "", width: int = 1100) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        contexts.append(context)
        one = Opened(context.new_page())
        one.page.on("request", lambda request: one.requests.append(request.url))
        one.page.on("console", lambda said: one.complaints.append(f"{said.type}: {said.text}"))
        one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
        one.page.goto(path.resolve().as_uri() + fragment)
        return one

    yield open_file
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def pages(report_run: report.Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind, made as a user makes them."""
    folder = tmp_path_factory.mktemp("pages")
    report.index(report_run, folder / "run")
    return {"run": folder / "run" / "index.html"}


SEEN = [("run", "#lang=zh"), ("run", "#lang=en")]
each_page = pytest.mark.parametrize(("name", "fragment"), SEEN, ids=[name + part for name, part in SEEN])


@each_page
def test_a_page_asks_for_nothing_and_complains_of_nothing(
    opened: Any, pages: dict[str, Path], name: str, fragment: str
) -> None:
    one = opened(pages[name], fragment)
    assert one.requests == [pages[name].as_uri()]
    assert one.complaints == []


@each_page
def test_a_page_keeps_the_rules_of_accessibility(
    opened: Any, pages: dict[str, Path], name: str, fragment: str
) -> None:
    page = opened(pages[name], fragment).page
    # What is inside a figure is one picture to a reader, and thousands of elements to the checker.
    page.evaluate("() => document.querySelectorAll('svg[role=img] > *').forEach((one) => one.remove())")
    found = Axe().run(page).response["violations"]
    told = [(rule["id"], rule["help"], [node["html"][:200] for node in rule["nodes"][:3]]) for rule in found]
    assert told == []


# For every font family of the page an element with all the characters beyond ASCII that it shows in it.
_SAMPLE = """() => {
  const shown = new Map();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const holder = walk.currentNode.parentElement;
    if (!holder.checkVisibility() || /^(SCRIPT|STYLE)$/.test(holder.tagName)) continue;
    const family = getComputedStyle(holder).fontFamily;
    if (!shown.has(family)) shown.set(family, new Set());
    for (const one of walk.currentNode.data) if (one > "~" && one.trim()) shown.get(family).add(one);
  }
  for (const [family, characters] of shown) {
    if (!characters.size) continue;
    const sample = document.createElement("p");
    sample.className = "font-sample";
    sample.style.fontFamily = family;
    sample.textContent = [...characters].join("");
    document.body.append(sample);
  }
  return [...shown.values()].map((one) => [...one].join("")).join("");
}"""


def drawn(page: Page) -> tuple[set[str], set[tuple[str, bool]]]:
    """Return the characters beyond ASCII that a page shows, and the fonts that draw them."""
    characters = set(page.evaluate(_SAMPLE))
    session = page.context.new_cdp_session(page)
    session.send("DOM.enable")
    session.send("CSS.enable")
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    samples = session.send("DOM.querySelectorAll", {"nodeId": root, "selector": ".font-sample"})["nodeIds"]
    told = [session.send("CSS.getPlatformFontsForNode", {"nodeId": one})["fonts"] for one in samples]
    return characters, {(font["familyName"], font["isCustomFont"]) for fonts in told for font in fonts}


def carried(page: Page) -> set[str]:
    """Return the characters that the fonts inside a page have glyphs for."""
    found = re.findall(r"url\(['\"]?data:font/woff;base64,([^'\")]+)", page.content())
    fonts = [TTFont(io.BytesIO(base64.b64decode(one))) for one in found]
    return {chr(code) for font in fonts for code in font.getBestCmap()}


@each_page
def test_every_character_is_drawn_by_the_font_in_the_page(
    opened: Any, pages: dict[str, Path], name: str, fragment: str
) -> None:
    page = opened(pages[name], fragment).page
    characters, used = drawn(page)
    assert len(characters) > (100 if "zh" in fragment + name else 3)
    assert used == {(FONT, True)}
    assert characters - carried(page) == set()


def test_a_character_that_the_font_lacks_would_be_seen(opened: Any, pages: dict[str, Path]) -> None:
    page = opened(pages["run"]).page
    page.evaluate("() => document.querySelector('h1').append('\u0e01')")  # a letter of Thai
    assert drawn(page)[0] - carried(page) == {"\u0e01"}


PRINTED = [one for one in SEEN if one[0] != "run"]


@pytest.mark.parametrize(("name", "fragment"), PRINTED, ids=[name + part for name, part in PRINTED])
def test_a_page_prints_on_a4(opened: Any, pages: dict[str, Path], name: str, fragment: str) -> None:
    printed = opened(pages[name], fragment).page.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert boxes
    assert {(round(float(width)), round(float(height))) for width, height in boxes} == {A4}


# What takes part in the order of Tab: of a group of radio buttons only the chosen one does.
_REACHABLE = """() => [...document.querySelectorAll(
    'a[href], button, input, select, textarea, summary, [tabindex="0"]')].filter(
    (one) => one.checkVisibility() && !one.disabled && !(one.type === "radio" && !one.checked)).length"""
_FOCUSED = """() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  if (!one.dataset.visit) one.dataset.visit = String(document.querySelectorAll("[data-visit]").length);
  const style = getComputedStyle(one);
  const marked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return [one.dataset.visit, one.outerHTML.slice(0, 120), marked];
}"""


@each_page
def test_tab_reaches_everything_and_shows_where_it_is(
    opened: Any, pages: dict[str, Path], name: str, fragment: str
) -> None:
    page = opened(pages[name], fragment).page
    wanted = page.evaluate(_REACHABLE)
    visited: dict[str, str] = {}
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        focused = page.evaluate(_FOCUSED)
        if focused is None or focused[0] in visited:
            break
        assert focused[2], f"no outline on {focused[1]}"
        visited[focused[0]] = focused[1]
    assert len(visited) == wanted, visited


def test_the_language_is_changed_by_keyboard_alone(opened: Any, pages: dict[str, Path]) -> None:
    page = opened(pages["run"], "#lang=zh").page
    page.focus("#lang-zh")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("() => document.documentElement.lang") == "en"
    assert not page.is_visible("span.zh")
