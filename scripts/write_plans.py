"""Write docs/plans*.md again from the policies' values and the clauses."""

from pathlib import Path

from tierkit.policy import plans_page

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = {"en": DOCS / "plans.md", "zh": DOCS / "plans.zh-CN.md"}

if __name__ == "__main__":
    for lang, page in PAGES.items():
        page.write_text(plans_page(lang), encoding="utf-8")
        print(page)
