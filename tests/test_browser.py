"""Pages in a real browser: no boxes, requests or errors, accessible, printed on A4, used by keyboard alone.

Chromium is looked for on the path; without it these tests skip and say so.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from fontTools.ttLib import TTFont
from playwright.sync_api import Browser, Page, sync_playwright
from shared import once

from benchmarks.pages import FLAGS, rows_of_a_city
from benchmarks.pages import browser as find_browser
from tierkit.cli import main
from tierkit.report import City, city_page

ROOT = Path(__file__).resolve().parents[1]
AS_OF, POLICY = "2024-12-30", "shanghai-2025"
A4 = (595, 842)  # points
FONT = "Tierkit Sans SC"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = find_browser()
    if found is None:
        pytest.skip("there is no Chromium on this machine: install the package 'chromium' to run these tests")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
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


HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(2)>",
    "formula": "=CMD()",
    "direction": "上海\u202egnp.exe\u200b有限公司",
    "long": "长" * 10_000,
}
"""Names of the enterprises of the watched tiers, as a stranger might have registered them."""


def make_town(folder: Path) -> None:
    """Make the small city with hostile names, a model, scores, a page and some dossiers, by commands."""
    folder.mkdir()
    data, model, scores = folder / "data", folder / "model", folder / "scores.parquet"
    shutil.copytree(ROOT / "data" / "synthetic", data)
    (data / "manifest.json").unlink()
    asked = ["--as-of", AS_OF, "--policy", POLICY]
    command("train", data, *asked, "--bootstrap", 4, "--out", model)
    scoring = ["score", model, data, *asked, "--reasons", 2, "--certainty", "--out", scores]
    command(*scoring)
    first = pd.read_parquet(scores).sort_values(["tier", "risk_probability"], ascending=False)
    ids = first["enterprise_id"].head(len(HOSTILE)).tolist()
    register = pd.read_parquet(data / "enterprises.parquet")
    named = register.set_index("enterprise_id")["name"].copy()
    named.loc[ids] = list(HOSTILE.values())
    register.assign(name=named.to_numpy()).to_parquet(data / "enterprises.parquet", index=False)
    command(*scoring)  # anew, since a page is refused for records that are not those that were scored
    made = ["--dossiers", len(ids), "--lang", "both", "--out", folder / "page"]
    command("report", scores, "--data", data, "--model", model, *made)


@pytest.fixture(scope="module")
def town() -> dict[str, Path]:
    """Return what `make_town` made, by what it is."""
    folder = once("hostile-town", make_town)
    found = {
        "city": folder / "page" / "index.html",
        "scores": folder / "scores.parquet",
        "data": folder / "data",
    }
    register = pd.read_parquet(found["data"] / "enterprises.parquet").set_index("name")["enterprise_id"]
    for kind, one in ((kind, register[name]) for kind, name in HOSTILE.items()):
        for lang in ("zh", "en"):
            found[f"{kind}-{lang}"] = folder / "page" / "dossiers" / f"{one}.{lang}.html"
    return found


def command(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    assert ended.value.code == 0


@pytest.fixture(scope="module")
def pages(run_page: Path, town: dict[str, Path]) -> dict[str, Path]:
    """One page of each kind."""
    dossiers = {f"dossier-{lang}": town[f"markup-{lang}"] for lang in ("zh", "en")}
    return {"run": run_page / "index.html", "city": town["city"], **dossiers}


SEEN = [
    ("run", "#lang=zh"), ("run", "#lang=en"), ("city", "#lang=zh"), ("city", "#lang=en"),
    ("dossier-zh", ""), ("dossier-en", ""),
]  # fmt: skip
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


PRINTED = [one for one in SEEN if one[0].startswith("dossier")]


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


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_a_name_holds_is_text_in_a_dossier(
    opened: Any, town: dict[str, Path], kind: str, lang: str
) -> None:
    one = opened(town[f"{kind}-{lang}"])
    assert one.complaints == []
    heading = one.page.inner_text("h1")
    shown = {"direction": "上海[U+202E]gnp.exe[U+200B]有限公司", "long": "长" * 50}
    assert shown.get(kind, HOSTILE[kind][:50]) in heading
    assert len(heading) < 200
    assert one.page.locator("h1 script, h1 img").count() == 0


def test_whatever_a_name_holds_is_text_in_the_index_and_in_its_csv(
    opened: Any, town: dict[str, Path], tmp_path: Path
) -> None:
    one = opened(town["city"], "#lang=en")
    assert one.complaints == []
    assert one.page.locator("#rows td script, #rows td img").count() == 0
    cells = one.page.locator("#rows tbody tr").all_inner_texts()
    for expected in (HOSTILE["markup"], "=CMD()", "上海[U+202E]gnp.exe[U+200B]有限公司", "长" * 50):
        assert sum(expected in cell for cell in cells) == 1
    assert max(map(len, cells)) < 600
    with one.page.expect_download() as saving:
        one.page.get_by_role("button", name="CSV").click()
    saving.value.save_as(tmp_path / "rows.csv")
    saved = (tmp_path / "rows.csv").read_text("utf-8-sig")
    table = list(csv.reader(io.StringIO(saved)))
    names = [cell for row in table[1:] for cell in row]
    assert len(table) == len(pd.read_parquet(town["scores"])) + 1
    assert "'=CMD()" in names
    assert HOSTILE["markup"] in names
    assert not [cell for cell in names if re.match(r"[=+@\t\r]|-(?![\d.]+$)", cell)]


def test_the_index_is_used_by_keyboard_alone(opened: Any, town: dict[str, Path]) -> None:
    page = opened(town["city"], "#lang=en").page
    scores = pd.read_parquet(town["scores"])
    page.keyboard.press("Tab")
    while page.evaluate("() => document.activeElement.id") != "q":
        page.keyboard.press("Tab")
    code = scores["enterprise_id"].iloc[7]
    page.keyboard.type(code)
    page.wait_for_function("() => document.querySelectorAll('#rows tbody tr').length === 1")
    assert code in page.inner_text("#rows tbody tr")
    page.keyboard.press("Control+A")
    page.keyboard.press("Backspace")
    while page.evaluate("() => document.activeElement.name") != "tier":
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    chosen = page.evaluate("() => document.activeElement.value")
    n = int((scores["tier"] == chosen).sum())
    page.wait_for_function(f"() => document.querySelector('[aria-live]').innerText.startsWith('{n:,} ')")
    assert f"tier={chosen}" in page.url
    while page.evaluate("() => document.activeElement.dataset.key") != "credit":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    points = [float(cell) for cell in page.locator("#rows tbody tr td:nth-of-type(4)").all_inner_texts()]
    assert points in (sorted(points), sorted(points, reverse=True))
    assert page.locator("#rows th[aria-sort]:not([aria-sort=none])").count() == 1


def test_ten_thousand_rows_are_filtered_with_few_of_them_drawn(opened: Any, tmp_path: Path) -> None:
    many = rows_of_a_city(10_000)
    page = tmp_path / "many.html"
    city_page(City(rows=many, scored=len(many), as_of=AS_OF, policy=POLICY), page)
    one = opened(page, "#lang=en").page
    for district, n in many["district"].value_counts().items():
        one.select_option("#district", str(district))
        assert one.inner_text("#count").startswith(f"{n:,} of 10,000 ")
        assert 0 < one.locator("#rows tbody tr").count() <= min(n, 100)


def test_rows_of_the_index_hold_no_command_but_theirs_and_no_share_of_nothing(
    opened: Any, tmp_path: Path
) -> None:
    rows = rows_of_a_city(3)
    rows["enterprise_id"] = hostile = ["a'; touch b; '$(c)", '`d` \\ "e"', "f"]
    rows["name"] = ["＝1+1", "＠SUM(A1)", "－1"]
    rows["tier"] = "T4"
    rows["risk_probability"] = [0.5, 0.25, float("nan")]
    log = pd.DataFrame({
        "entry": [1, 2], "enterprise_id": hostile[:2], "decision": ["agree", "override"],
        "override_tier": [None, "T2"], "tier": ["T4", "T3"], "policy": POLICY,
        "decided_on": pd.to_datetime(["2025-01-02", "2024-07-02"]),
        "as_of": pd.to_datetime([AS_OF, "2024-06-30"]),
    })  # fmt: skip
    explain = ("tierkit", "explain", "--enterprise", "{id}", "--out", "it's; x/{id}.html")
    city = City(rows=rows, scored=3, as_of=AS_OF, policy=POLICY, explain=explain, decisions=log)
    city_page(city, tmp_path / "page.html")
    one = opened(tmp_path / "page.html", "#lang=en").page
    for k, code in enumerate(hostile):
        one.locator("#rows tbody button").nth(k).click()
        assert shlex.split(one.inner_text("#command code")) == [
            part.replace("{id}", code) for part in explain
        ]
    shown = one.locator("#rows tbody tr").all_inner_texts()
    assert "50.0%" in shown[0]
    assert "–%" not in "".join(shown)
    decided = one.locator("#rows tbody tr td:nth-of-type(3)").all_inner_texts()
    assert [" ".join(cell.split()) for cell in decided] == [
        f"agreed 2025-01-02 on T4, as of {AS_OF}",
        "overridden T2 2024-07-02 on another assignment: T3, as of 2024-06-30",
        "–",
    ]
    with one.expect_download() as saving:
        one.get_by_role("button", name="CSV").click()
    saving.value.save_as(tmp_path / "rows.csv")
    saved = (tmp_path / "rows.csv").read_text("utf-8-sig")
    assert [row[1] for row in csv.reader(io.StringIO(saved))][1:] == ["'＝1+1", "'＠SUM(A1)", "'－1"]
