"""The page of a city: rows as data that cannot end or run anything, filters, and scores that must fit."""

from __future__ import annotations

import html
import json
import re
import shlex

import numpy as np
import pandas as pd
import pytest

from tierkit import texts
from tierkit.explain import BANDS, bands
from tierkit.plot import fonts
from tierkit.records import SHANGHAI, TIERS
from tierkit.report import City, city_page
from tierkit.report.city_page import MOST_ROWS, select

DISTRICTS = SHANGHAI.ids("district")
SECTORS = SHANGHAI.ids("sector")

HOSTILE = [
    "<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "=CMD()", "+1", "-1", "@SUM(A1)",
    "\tx", "\rx", "a\u202eb", "a\u2028b\u2029c", '"quoted"', "{{ 7 * 7 }}", "长" * 10_000, "&lt;b&gt;", "",
]  # fmt: skip


def scored(n: int = 60, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    tiers = rng.choice(TIERS, n)
    agreement = rng.integers(0, 21, n) / 20
    return pd.DataFrame({
        "enterprise_id": [f"9131{k:014d}" for k in range(n)],
        "name": [HOSTILE[k] if k < len(HOSTILE) else f"企业{k}" for k in range(n)],
        "sector": rng.choice(SECTORS, n),
        "district": rng.choice(DISTRICTS, n),
        "tier": tiers,
        "risk_probability": rng.uniform(0, 1, n),
        "credit_points": rng.normal(580, 40, n),
        "distance_risk": np.where(rng.random(n) < 0.1, np.nan, rng.normal(0, 1, n)),
        "distance_credit": np.where(rng.random(n) < 0.1, np.nan, rng.normal(0, 40, n)),
        "tier_agreement": agreement,
        "agreement_low": np.maximum(agreement - 0.1, 0),
        "agreement_high": np.minimum(agreement + 0.1, 1),
        "risk_reason_1": rng.choice(["findings_1y", "sector", None], n),
        "credit_reason_1": rng.choice(["arrears_open", None], n),
        "risk_effect_1": rng.normal(0, 1, n).round(3), "credit_effect_1": -rng.gamma(2, 5, n).round(3),
    })  # fmt: skip


def page_of(rows: pd.DataFrame, **more: object) -> str:
    given = {"rows": rows, "scored": len(rows), "as_of": "2024-12-30", "policy": "shanghai-2025"}
    return city_page(City(**{**given, **more}))  # type: ignore[arg-type]


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found.group(1))


@pytest.fixture(scope="module")
def page() -> str:
    explain = ("tierkit", "explain", "my model", "data", "--enterprise", "{id}", "--out", "d/{id}.html")
    return page_of(scored(), explain=explain, facts={"version": "0.1.0"})


def test_rows_come_back_from_the_page_as_they_were(page: str) -> None:
    rows, data = scored(), data_of(page)
    columns, levels = data["columns"], data["levels"]
    assert columns["id"] == rows["enterprise_id"].tolist()
    assert columns["name"] == [texts.plain(name, 120) for name in rows["name"]]
    for kind in ("tier", "sector", "district"):
        assert [levels[kind][k][0] for k in columns[kind]] == rows[kind].tolist()
    assert [levels["sure"][k][0] for k in columns["sure"]] == bands(rows).tolist()
    np.testing.assert_allclose(columns["risk"], rows["risk_probability"], atol=5e-5)
    nowhere = rows["distance_risk"].isna()
    assert [value is None for value in columns["wayRisk"]] == nowhere.tolist()
    np.testing.assert_allclose(columns["riskEffect"], rows["risk_effect_1"].round(2), atol=1e-9)
    np.testing.assert_allclose(columns["creditEffect"], rows["credit_effect_1"].round(1), atol=1e-9)
    reasons = [levels["reason"][k][0] if k >= 0 else None for k in columns["riskReason"]]
    assert reasons == rows["risk_reason_1"].astype(object).where(rows["risk_reason_1"].notna(), None).tolist()
    assert data["command"] == "tierkit explain 'my model' data --enterprise '{id}' --out 'd/{id}.html'"


def test_the_command_is_one_command_whatever_its_paths_hold() -> None:
    explain = ("tierkit", "explain", "--enterprise", "{id}", "--out", "it's; rm -r $HOME `x`/{id}.html")
    command = data_of(page_of(scored(), explain=explain))["command"]
    one = "a'; touch b; '$(c)"
    filled = command.replace("{id}", one.replace("'", "'\"'\"'"))
    assert shlex.split(filled) == [part.replace("{id}", one) for part in explain]


def test_no_name_can_end_the_data_or_hide_in_it(page: str) -> None:
    assert len(re.findall(r"</script>", page)) == 2, "that of the data and that of the script"
    assert "alert(1)</script>" not in page
    assert "\u2028" not in page
    assert "\u202e" not in page, "shown as its code point"
    names = data_of(page)["columns"]["name"]
    assert names[8] == "a[U+202E]b"
    assert names[12] == "长" * 120 + "… (+9,880)"
    assert len(page) < 600_000, "a name of 10,000 characters is cut before it is embedded"


def test_the_page_needs_nothing_else_and_runs_only_its_own_script(page: str) -> None:
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert not re.search(r"<[^>]+\son\w+=", page.partition('<script type="application/json"')[0])
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', page).group(1))  # type: ignore[union-attr]
    assert "default-src 'none'" in policy
    import base64
    import hashlib

    script = re.search(r"<script>(.*?)</script>", page, re.S).group(1)  # type: ignore[union-attr]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_every_character_of_a_name_is_in_the_pages_font() -> None:
    import base64
    import io

    from fontTools.ttLib import TTFont

    rows = scored(20)
    rows["name"] = "鑫淼犇骉" + rows["name"].str[:5]
    told = re.search(r"base64,([^)]*)\)", page_of(rows))
    assert told is not None
    with TTFont(io.BytesIO(base64.b64decode(told.group(1)))) as font:
        held = set(map(chr, font.getBestCmap()))
    assert set("鑫淼") & fonts.characters() <= held
    assert set("监管等级稳定") <= held


def test_every_text_of_the_script_is_there_in_both_languages(page: str) -> None:
    from pathlib import Path

    script = (Path(texts.__file__).parent / "report" / "templates" / "city.js").read_text("utf-8")
    asked = set(re.findall(r'say\("([\w.]+)"', script)) - {"decision.", "column."}
    told = data_of(page)["texts"]
    assert set(told) == set(texts.LANGUAGES)
    columns = {*data_of(page)["columns"]} - {"way"}  # which sorts, and is not saved
    decisions = {f"decision.{one}" for one in ("agree", "override", "correct")}
    for words in told.values():
        assert set(words) == asked | decisions | {f"column.{name}" for name in columns}


def test_certainty_goes_by_distance_where_there_is_no_ensemble() -> None:
    rows = scored().drop(columns=["tier_agreement", "agreement_low", "agreement_high"])
    page = page_of(rows)
    assert "agree" not in data_of(page)["columns"]
    assert "没有重抽样模型" in page
    assert "There are no bootstrap models" in page
    near = (rows["distance_risk"].abs() < 0.2) | (rows["distance_credit"].abs() < 10)
    assert ((bands(rows) == BANDS[0]) == near).all()
    assert "There are no bootstrap models" not in page_of(scored())


def test_filters_are_what_brute_force_gives() -> None:
    rows = scored(300)
    found = select(rows, ["T1", "T4"], [SECTORS[0], SECTORS[1]], [DISTRICTS[2]], uncertain=True)
    expected = [
        row.enterprise_id
        for row in rows.itertuples()
        if row.tier in ("T1", "T4") and row.sector in SECTORS[:2] and row.district == DISTRICTS[2]
        and row.tier_agreement < 0.7
    ]  # fmt: skip
    assert found["enterprise_id"].tolist() == expected
    assert len(select(rows)) == 300


def test_too_many_rows_for_a_page_are_refused() -> None:
    rows = scored(1).loc[np.zeros(MOST_ROWS + 1, int)]
    with pytest.raises(ValueError, match=r"at most 200,000 enterprises.*Give a filter"):
        page_of(rows)


def test_last_decisions_are_shown_with_the_assignment_they_are_on() -> None:
    rows = scored()
    ids, tiers = rows["enterprise_id"], rows["tier"]
    other = next(tier for tier in TIERS if tier != tiers[3])
    log = pd.DataFrame(
        [
            (1, ids[0], "2025-01-02", "agree", None, tiers[0], "2024-12-30", "shanghai-2025"),
            (2, ids[0], "2025-01-02", "override", "T2", tiers[0], "2024-12-30", "shanghai-2025"),
            (3, ids[0], "2025-02-01", "correct", None, tiers[0], "2024-12-30", "jiading-2025"),
            (4, ids[1], "2024-07-01", "override", "T1", tiers[1], "2024-06-30", "shanghai-2025"),
            (5, ids[2], "2025-01-03", "agree", None, tiers[2], "2024-12-30", "jiading-2025"),
            (6, ids[3], "2025-01-04", "agree", None, other, "2024-12-30", "shanghai-2025"),
            (7, "somebody", "2025-01-05", "agree", None, "T1", "2024-12-30", "shanghai-2025"),
        ],
        columns=["entry", "enterprise_id", "decided_on", "decision", "override_tier", "tier", "as_of",
                 "policy"],
    )  # fmt: skip
    log = log.astype({"decided_on": "datetime64[us]", "as_of": "datetime64[us]"})
    page = page_of(rows, decisions=log)
    assert data_of(page)["decisions"] == {
        ids[0]: ["override", "T2", "2025-01-02", tiers[0], "2024-12-30", False],
        ids[1]: ["override", "T1", "2024-07-01", tiers[1], "2024-06-30", True],
        ids[3]: ["agree", "", "2025-01-04", other, "2024-12-30", True],
    }
    assert 'id="decided"' in page
    assert 'id="decided"' not in page_of(rows)


def test_a_share_far_from_its_target_is_told_in_both_languages() -> None:
    rows = scored()
    far = {"zh": "按<甲>，占97.7%。", "en": "Under <a> 97.7% are in T1."}
    page = page_of(rows, far=far)
    for told in far.values():
        assert told.replace("<", "&lt;").replace(">", "&gt;") in page
    assert 'class="warning"><span class="zh"' in page
    assert 'class="warning"><span class="zh" lang="zh-CN">按' not in page_of(rows)
