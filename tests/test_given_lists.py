"""Lists that are given as a file: what is read, what is refused, and that everything goes by them."""

from __future__ import annotations

import hashlib
import json
import pickle
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.test_plain_engine import both
from tests.worlds import plain_world, scores_of
from tierkit.bounds import LIST_BYTES
from tierkit.city.engine import TALLY, run
from tierkit.city.engine.rules import compile_rules
from tierkit.explain.listing import listing_of
from tierkit.features import build
from tierkit.jobs.scoring import score
from tierkit.policy import Policy, PolicyError, PolicyWarning, check
from tierkit.policy.tiers import assign, listed, unknown_on_list
from tierkit.records import CHANNELS, SHANGHAI, credit_code, read_dataset
from tierkit.report import Sheet, dossier, sheets
from tierkit.scores.model import Model
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard

SHANGHAI_2025 = Policy.load("shanghai-2025")
DATA = read_dataset("data/synthetic")
IDS = DATA["enterprises"]["enterprise_id"].astype(str).tolist()
DAY = date(2025, 3, 3)


@pytest.fixture(scope="module")
def small_model() -> Model:
    """Return quick models; what they say matters nothing here."""
    X = build(DATA, "2024-12-30")
    y = (X["complaints_1y"] > 0).to_numpy()
    risk = RiskModel(n_trees=8).fit(X[["findings_2y", "age_years"]], y)
    credit = CreditScorecard().fit(X[["adverse_open", "self_check_1y"]], X["findings_2y"] > 0)
    return Model(risk, credit, SHANGHAI_2025, {"sha256": "ab" * 32})


def given(folder: Path, text: str | bytes, base: Policy = SHANGHAI_2025) -> Policy:
    """Return a policy whose list is this file."""
    file = folder / "list.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return base.reform({"lists.unmonitored.by": "data", "lists.unmonitored.file": str(file)}, name="given")


def scores(ids: list[str], **columns: Any) -> pd.DataFrame:
    """Return scores of enterprises whom no rule would list, and no floor bars."""
    told = {"risk_probability": 0.15, "credit_points": 480.0, "sector": "food", **columns}
    return pd.DataFrame({"enterprise_id": ids, **told})


@pytest.mark.parametrize(
    "text",
    [
        f"enterprise_id\n{IDS[0]}\n",
        f"\ufeff统一社会信用代码,部门\r\n{IDS[0]},\r\n\r\n",
        f"enterprise_id,listed_on,until\n'{IDS[0]},2025-01-01,2026-01-01\n",
    ],
)
def test_a_list_names_enterprises_for_every_agency(tmp_path: Path, text: str) -> None:
    policy = given(tmp_path, text)
    assert assign(scores(IDS[:2]), policy, as_of=DAY)["unmonitored"].tolist() == [True, False]
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert policy["lists.unmonitored.file"] == f"list.csv#sha256={digest}"
    assert listing_of(policy, IDS[1], on=False).sentence("en") == "On no unmonitored list."  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id\nx\n", "must begin with a line that names the columns"),
        (f"enterprise_id;agency\n{IDS[0]};fire\n", "separated by commas: enterprise_id"),
        (f"enterprise_id\n{IDS[0]}\n{IDS[0]}\n", "line 3 .* is there before"),
        (f"enterprise_id,agency\n{IDS[0]},\n{IDS[0]},fire\n", "for an agency and for every agency"),
        ("enterprise_id\n9.13101E+17\n", "a spreadsheet made a number of"),
        (f"enterprise_id\n{IDS[0][:-1]}\n", "is none of the place"),
        (f"enterprise_id,agency\n{IDS[0]},moon\n", "an agency that the place does not have"),
        (f"enterprise_id,listed_on\n{IDS[0]},2025/3/1\n", "no date such as"),
        (f"enterprise_id,listed_on,until\n{IDS[0]},2025-03-01,2025-03-01\n", "ends before it begins"),
        (f"enterprise_id,agency\n{IDS[0]}\n", "has not 2 cells"),
        ("统一社会信用代码\n".encode("gbk"), "can be read as GBK"),
        ("", "begins with nothing"),
    ],
)
def test_what_is_wrong_with_a_list_is_told(tmp_path: Path, text: str | bytes, told: str) -> None:
    with pytest.raises(PolicyError, match=told):
        given(tmp_path, text)


def test_a_list_that_is_absent_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="there is no such file"):
        SHANGHAI_2025.reform({"lists.unmonitored.by": "data", "lists.unmonitored.file": "nowhere.csv"})
    with (tmp_path / "list.csv").open("wb") as file:
        file.truncate(LIST_BYTES + 1)
    with pytest.raises(PolicyError, match="larger than 128 MiB"):
        SHANGHAI_2025.reform({"lists.unmonitored.file": str(tmp_path / "list.csv")})
    with pytest.raises(PolicyError, match="needs a file"):
        SHANGHAI_2025.reform({"lists.unmonitored.by": "data"})
    (tmp_path / "list.csv").write_text(f"enterprise_id\n{IDS[0]}\n", "utf-8")
    with pytest.warns(PolicyWarning, match="is not read under"):
        SHANGHAI_2025.reform({"lists.unmonitored.file": str(tmp_path / "list.csv")})


def test_policy_check_reads_the_list_beside_the_file(tmp_path: Path) -> None:
    head = '[meta]\nname = "mine"\nbaseline = "shanghai-2025"\n[lists.unmonitored]\n'
    ours = 'by = { value = "data", unit = "name", source = "the office\'s list" }\n'
    file = tmp_path / "mine.toml"
    file.write_text(
        head + ours + 'file = { value = "list.csv", unit = "file", source = "the office\'s list" }', "utf-8"
    )
    (tmp_path / "list.csv").write_text(f"enterprise_id\n{IDS[0]}\n", "utf-8")
    assert check(file) == []
    (tmp_path / "list.csv").write_text("enterprise_id\n9.1E+17\n", "utf-8")
    [problem] = check(file)
    assert "a spreadsheet made a number of" in str(problem)
    assert problem.line == 6


def test_a_policy_with_a_list_is_written_with_its_digest_and_read_without_the_file(tmp_path: Path) -> None:
    policy = given(tmp_path, f"enterprise_id\n{IDS[0]}\n")
    again = Policy.loads(policy.to_toml())
    assert again == policy
    assert again.hash == policy.hash != SHANGHAI_2025.hash
    with pytest.raises(PolicyError, match=r"the list 'list\.csv' .* is not beside the policy"):
        assign(scores(IDS[:1]), again)
    (tmp_path / "mine.toml").write_text(policy.to_toml(), "utf-8")  # beside the list
    assert assign(scores(IDS[:1]), Policy.load(tmp_path / "mine.toml"))["unmonitored"].all()
    (tmp_path / "list.csv").write_text(f"enterprise_id\n{IDS[1]}\n", "utf-8")
    with pytest.raises(PolicyError, match="is another file than the one named"):
        Policy.load(tmp_path / "mine.toml")
    assert pickle.loads(pickle.dumps(policy))["lists.unmonitored.file"].at_hand()[0][0] == IDS[0]


def test_dates_agencies_and_open_records_count(tmp_path: Path) -> None:
    rows = [
        f"{IDS[0]},fire,2025-01-01,", f"{IDS[1]},,2025-04-01,", f"{IDS[2]},,2024-01-01,2025-03-03",
        f"{IDS[3]},,,", f"{IDS[4]},,,",
    ]  # fmt: skip
    policy = given(tmp_path, "\n".join(["enterprise_id,agency,listed_on,until", *rows]))
    frame = scores(IDS[:5], red_line=pd.Series([pd.NA] * 4 + ["serious_dishonesty"], dtype="str"))
    tiers = assign(frame, policy, as_of=DAY)
    assert tiers["unmonitored"].tolist() == [True, False, False, True, False]
    now = policy.on(DAY)
    pairs = pd.DataFrame({"enterprise_id": np.repeat(IDS[:5], 2), "agency": ["fire", "health"] * 5})
    on = listed(frame, now, pairs)
    assert on.loc[on["listed"], ["enterprise_id", "agency"]].to_numpy().tolist() == [
        [IDS[0], "fire"], [IDS[3], "fire"], [IDS[3], "health"],
    ]  # fmt: skip
    assert unknown_on_list(now, pd.Series(IDS[:2] + IDS[3:4])) == [IDS[4]]
    barred = listing_of(now, IDS[4], on=False)
    assert barred is not None
    assert barred.barred
    assert "keeps it off" in barred.sentence("en")
    since = listing_of(now, IDS[0], on=True)
    assert since is not None
    assert "2025-01-01起" in since.sentence("zh")
    assert SHANGHAI.agencies["fire"].label.zh in since.sentence("zh")


def test_both_engines_make_no_routine_check_of_those_that_the_list_names(tmp_path: Path) -> None:
    world = plain_world(200)
    ids = [str(one) for one in world.ids]
    rows = [*(f"{one}," for one in ids[::2]), *(f"{one},fire" for one in ids[1::4])]
    policy = given(tmp_path, "\n".join(["enterprise_id,agency", *rows]))
    base = policy.reform({"lists.unmonitored.enabled": False})
    done = both(world, policy, 30, scores=scores_of(world, 1), kappa=0.1)
    named = compile_rules(policy, world, 0.1).named
    fire = world.fixed.agency == SHANGHAI.ids("agency").index("fire")
    assert named[fire].mean() > named[~fire].mean() > 0
    routine = done.table().query(f"channel == {CHANNELS.index('routine')}")
    stopped = run(world, base, 30, scores=scores_of(world, 1), kappa=0.1).table()
    stopped = stopped.query(f"channel == {CHANNELS.index('routine')}")
    unseen = done.end.state.unseen
    assert (unseen <= named).all()
    assert unseen[routine["obligation"]].sum() == 0 < unseen[stopped["obligation"]].sum()
    assert done.tally[:, :, TALLY.index("list")].sum() > 0


def test_score_and_sheet_go_by_the_list(tmp_path: Path, small_model: Model) -> None:
    day = "2024-12-30"
    strange = credit_code.make([1], ["310101"], ["1"]).tolist()
    here = DATA["enterprises"]
    ids = here.loc[(here["registered_on"] < day) & here["closed_on"].isna(), "enterprise_id"].tolist()[:3]
    rows = [f"{ids[0]},fire,2024-11-01", f"{ids[1]},,", f"{strange[0]},,"]
    policy = given(tmp_path, "\n".join(["enterprise_id,agency,listed_on", *rows]))
    out = tmp_path / "scores.parquet"
    told_of = f"1 on the list 'list.csv' are not on the register here, such as {strange[0]}"
    with pytest.warns(UserWarning, match=told_of):
        score(small_model, "data/synthetic", day, policy, out)
    told = pq.read_table(out)
    assert json.loads(told.schema.metadata[b"tierkit"])["list"] == policy["lists.unmonitored.file"]
    on = told.to_pandas().set_index("enterprise_id")[["unmonitored", "unmonitored_by"]]
    assert on.loc[ids[0]].tolist() == [True, "fire"]
    assert on["unmonitored"].sum() == 2

    [sheet] = sheets(small_model, DATA, day, ids[:1], policy, recourse=False)
    assert "2024-11-01" in sheet.reasons.list_sentence("en")
    assert "依据名单“list.csv”" in dossier(sheet, policy, as_of=day, lang="zh")
    assert Sheet.from_dict(json.loads(json.dumps(sheet.to_dict()))).reasons.listed == sheet.reasons.listed

    # of a list that is filled, a sheet says what it is told
    named = {ids[0]: ["fire", "health"]}
    first, other = sheets(small_model, DATA, day, ids[:2], SHANGHAI_2025, recourse=False, on_lists=named)
    assert "filled on 2024-12-30 with the 22%" in first.reasons.list_sentence("en")
    assert first.reasons.unmonitored
    assert other.reasons.list_sentence("en") == "On no unmonitored list."
    [alone] = sheets(small_model, DATA, day, ids[:1], SHANGHAI_2025, recourse=False)
    assert "the file of scores says it" in alone.reasons.list_sentence("en")
