"""Pages say first that their data are synthetic, and say it of no records of one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from shared import CITY, DAY, model_folder, run_command

import tierkit as tk
from tierkit import texts
from tierkit.policy import Policy
from tierkit.records import Dataset, read_dataset
from tierkit.report import City, city_page, dossier, sheets
from tierkit.scores.model import Model

LANGS = ("zh", "en")


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_sheet_says_so_on_top_and_at_the_foot(synthetic: bool) -> None:
    data = read_dataset(CITY)
    if not synthetic:
        data = Dataset(data, {name: value for name, value in data.manifest.items() if name != "synthetic"})
    policy = Policy.load("jiading-2025")
    model = Model.load(model_folder())
    one = model.score(data, DAY)["enterprise_id"].head(1)
    [sheet] = sheets(model, data, DAY, one, policy, recourse=False)
    for lang in LANGS:
        page = dossier(sheet, policy, as_of=DAY, lang=lang)
        head = page[page.index("<main>") : page.index("<h1>")]
        foot = page[page.rindex("@bottom-left") : page.rindex("@bottom-right")]
        assert (texts.text("page.synthetic", lang) in head) is synthetic
        assert (texts.text("page.synthetic.short", lang) in foot) is synthetic
        assert (texts.text("page.synthetic.short", lang).lower() in page.lower()) is synthetic


def test_a_policy_without_a_document_cites_none() -> None:
    model = Model.load(model_folder())
    own = Policy.loads('meta = { name = "own", baseline = "jiading-2025" }')
    assert own.meta.document == ""
    one = model.score(CITY, DAY)["enterprise_id"].head(1)
    [sheet] = sheets(model, CITY, DAY, one, own, recourse=False)
    for lang, empty in (("zh", "（）"), ("en", "()")):
        page = dossier(sheet, own, as_of=DAY, lang=lang)
        basis = page[page.index('id="conclusion"') : page.index('id="scores"')]
        assert empty not in basis
        assert own.meta.title.text(lang) in basis


@pytest.mark.parametrize("synthetic", [True, False])
def test_the_page_of_everybody_says_so(synthetic: bool) -> None:
    scores = Model.load(model_folder()).score(CITY, DAY).head(3)
    rows = scores.merge(tk.assign(scores, "jiading-2025")).merge(read_dataset(CITY)["enterprises"])
    city = City(rows=rows, scored=len(rows), as_of=DAY, policy="jiading-2025", synthetic=synthetic)
    page = city_page(city)
    for lang in LANGS:
        assert (texts.text("page.synthetic", lang) in page) is synthetic


def test_the_command_says_so_of_the_records_that_it_is_given(tmp_path: Path) -> None:
    own = shutil.copytree(CITY, tmp_path / "own")
    (own / "manifest.json").unlink()
    model = Model.load(model_folder())
    one = model.score(CITY, DAY)["enterprise_id"].iloc[0]
    for data, synthetic in ((CITY, True), (own, False)):
        page = tmp_path / "one.html"
        run_command("explain", model_folder(), data, "--as-of", DAY, "--enterprise", one, "--out", page)
        assert (texts.text("page.synthetic", "zh") in page.read_text("utf-8")) is synthetic
        page.unlink()
