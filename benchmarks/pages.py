"""The page of a city in a real browser: how long a filter takes from the click to the frame that shows it."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
# From the change of a control until the frame that shows it is drawn, for every value of every control.
_TIMED = """async () => {
  const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const spent = [];
  async function time(control, change) {
    const began = performance.now();
    change();
    control.dispatchEvent(new Event(control.type === "search" ? "input" : "change", { bubbles: true }));
    await drawn();
    spent.push(performance.now() - began);
  }
  for (const name of ["sector", "district", "sure"]) {
    const control = document.getElementById(name);
    for (const option of [...control.options]) await time(control, () => { control.value = option.value; });
    await time(control, () => { control.value = ""; });
  }
  const search = document.getElementById("q");
  for (const words of ["上", "上海", "公司", "1", ""]) await time(search, () => { search.value = words; });
  return spent;
}"""


def browser() -> str | None:
    """Return where Chromium is, if it is there."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def rows_of_a_city(n: int, seed: int = 0) -> pd.DataFrame:
    """Return made-up rows as the page of a city takes them; only their number and shape matter."""
    from tierkit.records import SHANGHAI, TIERS

    DISTRICTS = SHANGHAI.ids("district")
    SECTORS = SHANGHAI.ids("sector")

    rng = np.random.default_rng(seed)
    agreement = rng.integers(0, 21, n) / 20
    return pd.DataFrame({
        "enterprise_id": [f"91310101TK{k:08d}" for k in range(n)],
        "name": [f"上海第{k}商贸有限公司" for k in range(n)],
        "district": rng.choice(list(DISTRICTS), n), "sector": rng.choice(list(SECTORS), n),
        "tier": rng.choice(list(TIERS), n, p=[0.6, 0.2, 0.15, 0.05]),
        "risk_probability": rng.beta(2, 15, n), "credit_points": rng.normal(560, 40, n),
        "distance_risk": rng.normal(0, 1, n), "distance_credit": rng.normal(0, 30, n),
        "tier_agreement": agreement, "agreement_low": agreement / 2, "agreement_high": (1 + agreement) / 2,
    })  # fmt: skip


def filtering(rows: int) -> dict[str, Any]:
    """Make the page of so many rows, open it, and time every filter in it."""
    from playwright.sync_api import sync_playwright

    from tierkit.report import City, city_page

    with TemporaryDirectory() as place, sync_playwright() as playwright:
        file = Path(place) / "city.html"
        city_page(City(rows=rows_of_a_city(rows), scored=rows, as_of="2024-12-30", policy="x"), file)
        running = playwright.chromium.launch(executable_path=browser(), args=list(FLAGS))
        page = running.new_page()
        page.goto(file.as_uri())
        spent = page.evaluate(_TIMED)
        running.close()
        size = file.stat().st_size
    return {"median": float(np.median(spent)), "most": max(spent), "n": len(spent), "bytes": size}
