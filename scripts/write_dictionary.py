"""Write docs/data_dictionary*.md again from the schema's declarations."""

from pathlib import Path

from tierkit.records import data_dictionary

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {"en": DOCS / "data_dictionary.md", "zh": DOCS / "data_dictionary.zh-CN.md"}

if __name__ == "__main__":
    for lang, page in PAGES.items():
        page.write_text(data_dictionary(lang), encoding="utf-8")
        print(page)
