"""Draw the figure of the READMEs from what the demo made.

``make demo && .venv/bin/python scripts/readme_figure.py`` writes docs/figures/five_plans.csv, the rows of the
comparison that are drawn, and from them the figure in both languages. With the word ``again`` it draws from
that table alone, and needs no demo.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd

from tierkit import plot
from tierkit.plot.style import INK, style
from tierkit.report import RunReport

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / "build" / "demo" / "run"
TABLE = ROOT / "docs" / "figures" / "five_plans.csv"
MEASURES = ("inspections", "finding_rate", "findings", "violations_missed", "harm")
MARK = "合成数据 · synthetic data"
KAPPA, WEEKS = 0.1, 52


def main(words: list[str]) -> None:
    """Write the table, unless it is to be drawn again, and the figure in both languages."""
    if words != ["again"]:
        write_table(RunReport.read(RUN).summary)
    for lang in ("en", "zh"):
        draw(lang, TABLE.with_suffix(f".{lang}.png"))


def write_table(summary: pd.DataFrame) -> None:
    """Keep the rows of a comparison that the figure draws."""
    drawn = (
        (summary["group"] == "all")
        & summary["measure"].isin(MEASURES)
        & (summary["kappa"] == KAPPA)
        & (summary["weeks"] == WEEKS)
    )
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    summary[drawn].to_csv(TABLE, index=False)


def draw(lang: str, path: Path) -> None:
    """Draw the table, marked as synthetic, into a PNG."""
    mpl.use("Agg")
    axes = plot.outcomes(pd.read_csv(TABLE), measures=MEASURES, lang=lang, kappa=KAPPA, weeks=WEEKS)
    figure = axes[0].figure
    with style():
        figure.text(0.994, 0.985, MARK, fontsize=9.2, color=INK["text"], va="top", ha="right")
        figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    main(sys.argv[1:])
