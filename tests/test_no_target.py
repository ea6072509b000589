"""Credit where records give no target: an expert's table of points, or tiers by risk alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shared import once, run_command

import tierkit as tk
from tierkit.features import build
from tierkit.policy.files.points_file import read_points
from tierkit.policy.tiers import by_risk_alone, sentences
from tierkit.records import CREDIT_TARGET, DataError, Dataset, read_dataset
from tierkit.scores.expert import ExpertCard, NoCredit, card_of, credit_from_json
from tierkit.scores.model import Model
from tierkit.scores.model_folder import ModelError

DATA, DAY = "data/synthetic", "2024-12-30"
EXAMPLE = Path(__file__).parent / "points" / "example.toml"
SAID = {
    "table": {
        "en": "from an expert's table of points, example table of points",
        "zh": "信用评分来自专家评分表《示例评分表》",
    },
    "none": {"en": "There is no credit score", "zh": "没有信用评分"},
}
OPTIONS = {"table": {"credit_table": EXAMPLE}, "none": {"risk_alone": True}}


def folder(kind: str) -> Path:
    def make(target: Path) -> None:
        tk.train(DATA, DAY, "jiading-2025", out=target, bootstrap=2, **OPTIONS[kind])

    return once(f"no_target_{kind}", make)


ONE_OR_BOTH = pytest.mark.parametrize("kind", ["table", pytest.param("none", marks=pytest.mark.long)])
"""What is drawn from both the same way: one in every run, the other before a release."""


@pytest.fixture(params=["table", "none"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_from_training_to_the_page_everything_says_where_credit_comes_from(kind: str, tmp_path: Path) -> None:
    model = folder(kind)
    loaded = Model.load(model)
    assert loaded.credit.kind == loaded.manifest["credit"]["kind"] == kind
    assert all(SAID[kind][lang] in " ".join(loaded.sentences(lang)) for lang in ("en", "zh"))
    out = tmp_path / "scores.parquet"
    done = tk.score_folder(model, DATA, DAY, "jiading-2025", out, reasons=2, certainty=True)
    assert all(SAID[kind][lang] in " ".join(done.grounds[lang]) for lang in ("en", "zh"))
    rows = pd.read_parquet(out)
    assert rows["credit_probability"].isna().all()
    if kind == "none":
        assert rows["credit_points"].isna().all()
        assert rows["credit_grade"].isna().all()
        assert set(rows["policy"]) == {"jiading-2025-risk-alone"}
        floored = rows["barred_by"] != ""
        assert floored.any()
        assert not (rows.loc[floored, "tier"] == "T1").any()
        assert (
            rows.loc[rows["tier_reason"] == "risk_alone"].groupby("risk_level")["tier"].nunique().max() == 1
        )
    else:
        card, X = loaded.credit, build(DATA, DAY)
        np.testing.assert_allclose(rows["credit_points"], card.points(X), rtol=0, atol=1e-9)
        assert rows["credit_grade"].notna().all()
    worst = rows.sort_values(["tier", "risk_probability"], ascending=False)["enterprise_id"].iloc[0]
    why = tk.explain(loaded, DATA, DAY, worst, "jiading-2025")
    gained = sum(one.effect for one in why.of("risk"))
    assert why.risk_base + gained == pytest.approx(why.risk_margin, abs=1e-9)
    if kind == "none":
        assert not why.of("credit")
        assert why.axes == ("risk",)
        assert why.to_dict()["credit_points"] is None
        assert json.loads(json.dumps(why.to_dict(), allow_nan=False))
    else:
        lost = sum(one.effect for one in why.of("credit"))
        assert lost < 0
        assert why.credit_best + lost == pytest.approx(why.credit_points, abs=1e-9)
        assert why.credit_points == rows.set_index("enterprise_id")["credit_points"][worst]
    assert type(why).from_dict(why.to_dict()).sentences("en") == why.sentences("en")
    for lang in ("en", "zh"):
        page = tmp_path / f"one.{lang}.html"
        asked = ["--enterprise", worst, "--policy", "jiading-2025"]
        run_command("explain", model, DATA, "--as-of", DAY, *asked, "--lang", lang, "--out", page)
        told = page.read_text("utf-8").replace("&#39;", "'")
        assert SAID[kind][lang] in told
        assert ">nan<" not in told
        assert SAID[kind][lang] in " ".join(why.sentences(lang))
    run_command("report", out, "--data", DATA, "--model", model, "--out", tmp_path / "page")
    city = (tmp_path / "page" / "index.html").read_text("utf-8").replace("&#39;", "'")
    assert all(SAID[kind][lang] in city for lang in ("en", "zh"))


def test_certainty_is_that_of_the_risk_model_alone(kind: str) -> None:
    model = Model.load(folder(kind))
    assert model.ensemble is not None
    assert model.ensemble.cards == ()
    ids = build(DATA, DAY).index[:40]
    sure = model.certainty(DATA, DAY, ids, "jiading-2025")
    assert sure["tier_agreement"].between(0, 1).all()
    assert len(sure) == 40
    if kind == "none":
        assert sure["points_sd"].isna().all()
        assert sure["grade_agreement"].isna().all()
    else:
        assert (sure["points_sd"] == 0).all()
        assert (sure["grade_agreement"] == 1).all()


def _bare(kinds: tuple[str, ...]) -> Dataset:
    data = read_dataset(DATA)
    events = data["credit_events"]
    left = events[~events["kind"].isin(kinds)].reset_index(drop=True)
    return Dataset({**data, "credit_events": left}, data.manifest)


def test_records_of_penalties_alone_are_refused_with_both_ways_out_and_their_commands(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        tk.train(_bare(tuple(CREDIT_TARGET)), DAY, out=tmp_path / "model")
    said = str(caught.value)
    assert "nothing to tell apart" in said
    assert "penalty" in said
    again = f"tierkit train DIR --as-of {DAY} --out {tmp_path / 'model'}"
    assert f"{again} --credit-table FILE.toml" in said
    assert f"{again} --risk-alone" in said


def test_a_policy_carries_a_table_that_serves_where_records_give_no_target(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_bytes(EXAMPLE.read_bytes())
    own = tmp_path / "own.toml"
    own.write_text('[meta]\nname = "own"\nbaseline = "jiading-2025"\ncredit_table = "card.toml"\n', "utf-8")
    policy, plain = tk.Policy.load(own), tk.Policy.load("jiading-2025")
    assert policy.hash != plain.hash
    assert "meta.credit_table" in list(tk.diff(plain, policy)["parameter"])
    pinned = tk.Policy.loads(policy.to_toml())
    assert pinned.hash == policy.hash
    assert isinstance(pinned.credit_table, str)
    model = tk.train(_bare(tuple(CREDIT_TARGET)), DAY, policy)
    assert model.credit.kind == "table"
    assert model.manifest["credit"]["sha256"] == read_points(EXAMPLE).digest
    with pytest.raises(tk.PolicyError, match="is not beside the policy"):
        tk.train(_bare(tuple(CREDIT_TARGET)), DAY, pinned)
    (tmp_path / "card.toml").write_text(EXAMPLE.read_text("utf-8").replace("-70", "-60"), "utf-8")
    own.write_text(own.read_text("utf-8").replace("card.toml", policy.credit_table.pinned), "utf-8")
    with pytest.raises(tk.PolicyError, match="is another file than the one named"):
        tk.Policy.load(own)


def _changed(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("change", "message", "line"),
    [
        (
            _changed('assumption = "example: none is the rule"\n', ""),
            "'rows[1]' has points without a source",
            10,
        ),
        (_changed("penalties_open", "penalties_opn"), "no feature (did you mean 'penalties_open'?)", 11),
        (_changed("below = 3", "below = 4"), "overlaps with 'rows[2]': both hold 3", 23),
        (_changed("below = 3", "below = 2"), "leaves 'penalties_open' from 2 to below 3 without points", 23),
        (_changed("below = 1\n", "below = 0.5\n"), "from 0.5 to below 1 without points", 16),
        (_changed("points = -140", "points = -10"), "more of 'penalties_open' gives points", 26),
        (_changed("points = 640", "points = 990"), "", None),
        (_changed("points = 640", "points = 200"), "could give -30.5 to 200 points", 6),
        (_changed("at_least = 3\n", ""), "must be of one thing", 23),
        (_changed('feature = "adverse_open"', 'feature = "ratings_mean_1y"'), "", None),
        (_changed("points = -70", "points = true"), "must be a number", 20),
        (_changed("[base]", "[base]\nweight = 2"), "'base.weight' is not known", 7),
        (_changed('title_en = "example table of points"\n', ""), "'title_en' must be a text", None),
    ],
)  # fmt: skip
def test_a_table_is_refused_with_place_and_remedy(
    change: Callable[[str], str], message: str, line: int | None, tmp_path: Path
) -> None:
    file = tmp_path / "card.toml"
    file.write_text(change(EXAMPLE.read_text("utf-8")), "utf-8")
    if not message:
        if "ratings" in file.read_text("utf-8"):
            with pytest.raises(tk.PolicyError):
                card_of(file)
        else:
            assert card_of(file).span()[1] == 990
        return
    with pytest.raises(tk.PolicyError) as caught:
        card_of(file)
    found = [one for one in caught.value.problems if message in one.message]
    assert [one.line for one in found] == [line], caught.value.problems
    assert found[0].remedy


def test_what_an_enterprise_is_gives_points_only_if_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "card.toml"
    row = '\n[[rows]]\nfeature = "sector"\nlevels = ["gas"]\npoints = -20\nassumption = "example"\n'
    other = '\n[[rows]]\nfeature = "sector"\nothers = true\npoints = 5\nassumption = "example"\n'
    file.write_text(EXAMPLE.read_text("utf-8") + row + other, "utf-8")
    with pytest.raises(tk.PolicyError, match="'sector' is what an enterprise is"):
        card_of(file)
    card = card_of(file, structure=True)
    X = pd.DataFrame({"penalties_open": 0.0, "adverse_open": 0.0, "sector": ["gas", "food", None]})
    assert card.points(X).tolist() == [620, 645, 640]
    twice = file.read_text("utf-8").replace('levels = ["gas"]', 'levels = ["gas", "gas2"]') + row
    file.write_text(twice, "utf-8")
    with pytest.raises(tk.PolicyError, match=r"no level of 'sector'.*overlaps with"):
        card_of(file, structure=True)


def test_the_table_of_a_model_is_read_strictly(tmp_path: Path) -> None:
    card = card_of(EXAMPLE)
    again = credit_from_json(card.to_json())
    assert isinstance(again, ExpertCard)
    assert again.source == card.source
    assert isinstance(credit_from_json(NoCredit().to_json()), NoCredit)
    text = card.to_json()
    for old, new, place in (
        ('"points": -70.0', '"points": 1e9', r"rows\[1\].points"),
        ('"assumption": "example: none is the rule"', '"assumption": null', r"rows\[0\]: has neither"),
        ('"below": 3.0', '"below": 4.0', r"overlaps with"),
        ('"below": 3.0', '"upper": 3.0', "unknown key"),
        ('"date": "2024-01-01"', '"date": "2024"', "date: must be a day"),
    ):
        assert old in text
        with pytest.raises(ValueError, match=place):
            credit_from_json(text.replace(old, new, 1))
    broken = tmp_path / "model"
    broken.mkdir()
    for file in folder("table").iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "scorecard.json").write_text(text.replace("-70.0", "-60.0"), "utf-8")
    with pytest.raises(ModelError, match=r"scorecard\.json: is altered"):
        Model.load(broken)


def test_by_risk_alone_the_tiers_keep_caps_floors_and_the_way_back() -> None:
    scores = pd.DataFrame({
        "enterprise_id": list("abcd"), "sector": "gas", "risk_probability": [0.01, 0.01, 0.12, 0.4],
        "credit_points": np.nan, "serious_finding_weeks": pd.array([None, 3, None, None], "Int32"),
    })  # fmt: skip
    for name in ("jiading-2025", "shanghai-2025", "legacy"):
        policy = tk.Policy.load(name)
        with pytest.raises(DataError, match="a policy by risk alone"):
            tk.assign(scores, policy)
        alone = by_risk_alone(policy)
        assert by_risk_alone(alone) is alone
        assert tk.Policy.loads(alone.to_toml()) == alone
        out = tk.assign(scores, alone)
        assert out["tier"].tolist()[0] == "T1"
        assert out["tier"].tolist()[3] == "T4"
        assert out["barred_by"][1] == "serious"
        assert out["tier"][1] != "T1"
        assert out["credit_grade"].isna().all()
        assert out["distance_credit"].isna().all()
        assert "by risk alone" in sentences(out, alone, "en")[0]
        assert "仅按风险" in sentences(out, alone, "zh")[0]
        again = out[["enterprise_id", "tier", "risk_level", "credit_grade"]].assign(weeks_ago=4)
        assert (tk.assign(scores, alone, again)["tier"] == out["tier"]).all()
        red = scores.assign(red_line="serious_dishonesty", standing_records="serious_dishonesty:2")
        assert (tk.assign(red, alone)["tier"].astype(str) >= out["tier"].astype(str)).all()
        moved = out["distance_risk"].notna()
        odds = np.log(scores["risk_probability"] / (1 - scores["risk_probability"])) + out["distance_risk"]
        there = tk.assign(scores.assign(risk_probability=1 / (1 + np.exp(-odds))), alone)
        assert (there["tier"][moved] != out["tier"][moved]).all()


def test_one_cannot_have_a_table_and_no_credit() -> None:
    with pytest.raises(tk.InputError, match="not both"):
        tk.train(DATA, DAY, credit_table=EXAMPLE, risk_alone=True)


def test_drift_and_rounding_say_that_nothing_was_fitted(kind: str) -> None:
    with pytest.raises(tk.InputError, match="nothing that was fitted on records"):
        Model.load(folder(kind)).monitor(DATA, DAY)


def test_names_of_policies_by_risk_alone_are_told_in_both_languages() -> None:
    from tierkit.texts import policy_label

    assert policy_label("jiading-2025-risk-alone", "en") == "Jiading 2025, by risk alone"
    assert re.fullmatch("嘉定 2025（仅按风险）", policy_label("jiading-2025-risk-alone", "zh"))


def test_cut_offs_are_calibrated_on_risk_alone(kind: str) -> None:
    scores = Model.load(folder(kind)).score(DATA, DAY)
    done = tk.policy.calibrate("jiading-2025", scores, as_of=DAY)
    shares = done.shares_frame()
    if kind == "none":
        assert done.policy["scoring.logic"] == "risk"
        assert "credit_grade" not in set(shares["kind"])
    else:
        assert set(shares["kind"]) >= {"risk_level", "credit_grade"}
    own = shares[shares["kind"] == "risk_level"]
    assert (own["share"] - own["target"]).abs().max() < 0.02


@ONE_OR_BOTH
def test_a_run_and_its_page_say_where_credit_comes_from(kind: str, tmp_path: Path) -> None:
    asked = ["--policy", "jiading-2025", "--model", folder(kind), "--replicates", 2, "--weeks", 4]
    run_command("simulate", DATA, *asked, "--out", tmp_path / "run")
    run_command("report", tmp_path / "run", "--out", tmp_path / "page")
    page = (tmp_path / "page" / "index.html").read_text("utf-8").replace("&#39;", "'")
    assert all(page.count(SAID[kind][lang]) for lang in ("en", "zh"))
    assert ">nan<" not in page


@ONE_OR_BOTH
def test_a_model_without_a_target_is_evaluated_by_risk_and_its_card_says_so(
    kind: str, tmp_path: Path
) -> None:
    earlier = tmp_path / "model"
    tk.train(DATA, "2024-07-01", "jiading-2025", out=earlier, **OPTIONS[kind])
    run_command("evaluate", earlier, DATA, "--as-of", "2024-07-01", "--months", 1, "--out", tmp_path / "out")
    card = (tmp_path / "out" / "model_card.html").read_text("utf-8").replace("&#39;", "'")
    assert all(SAID[kind][lang] in card for lang in ("en", "zh"))
