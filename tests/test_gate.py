"""The gate: each argument of each verb has its forms, and what is none of them gets one sentence at once."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tierkit as tk
from tierkit.records import empty

FOLDER, DAY = "data/synthetic", "2024-12-30"


@cache
def data() -> tk.Dataset:
    return tk.read(FOLDER)


@cache
def model() -> tk.Model:
    return tk.train(FOLDER, DAY, policy="jiading-2025")


@cache
def scores() -> pd.DataFrame:
    return model().score(FOLDER, DAY)


@cache
def world() -> tk.World:
    return tk.world_of(data())


@cache
def compared() -> tk.Comparison:
    return tk.compare(world(), *PLANS, replicates=1, weeks=1)


@cache
def elsewhere() -> pd.DataFrame:
    """Return scores of another city, some of whose ids are also here."""
    return model().score(tk.synth(300, seed=7), DAY)


def one() -> str:
    return str(scores()["enterprise_id"].iloc[0])


FRAME = pd.DataFrame({"a": [1]})
LEGACY = tk.Policy.load("legacy")
PLANS = ["legacy", "jiading-2025"]
Case = tuple[Callable[[], Any], str]
DAYS: list[Any] = [20241230, None, "03/04/2024", "2024-02-30", pd.NaT, pd.Timestamp(DAY, tz="Asia/Shanghai")]

WRONG: dict[str, Case] = {
    # the verb, and the argument that the message has to name
    "read None": (lambda: tk.read(None), "folder"),
    "read a frame": (lambda: tk.read(FRAME), "folder"),
    "write swapped": (lambda: tk.write("out", data()), "dataset"),
    "write to a number": (lambda: tk.write(data(), 3), "folder"),
    "validate None": (lambda: tk.validate(None), "data"),
    "validate a frame": (lambda: tk.validate(FRAME), "data"),
    "synth half an enterprise": (lambda: tk.synth(50.5, seed=1), "enterprises"),
    "synth a text": (lambda: tk.synth("50"), "enterprises"),
    "synth seed None": (lambda: tk.synth(50, seed=None), "seed"),
    "synth under several": (lambda: tk.synth(50, policy=PLANS), "policy"),
    "world_of a model": (lambda: tk.world_of(model()), "data"),
    "world_of None": (lambda: tk.world_of(None), "data"),
    "features of a model": (lambda: tk.features(model(), DAY), "data"),
    "features of one id": (lambda: tk.features(data(), DAY, one()), "ids"),
    "features of numbers": (lambda: tk.features(data(), DAY, [1, 2]), "ids"),
    "train on a policy": (lambda: tk.train(LEGACY, DAY), "data"),
    "train for several": (lambda: tk.train(data(), DAY, policy=PLANS), "policy"),
    "score a model": (lambda: model().score(model(), DAY), "data"),
    "score one id": (lambda: model().score(data(), DAY, one()), "ids"),
    "assign swapped": (lambda: tk.assign(LEGACY, scores()), "scores"),
    "assign under None": (lambda: tk.assign(scores(), None), "policy"),
    "assign under several": (lambda: tk.assign(scores(), PLANS), "policy"),
    "assign after a policy": (lambda: tk.assign(scores(), LEGACY, LEGACY), "previous"),
    "explain swapped": (lambda: tk.explain(data(), model(), DAY, one()), "model"),
    "explain without a model": (lambda: tk.explain(None, data(), DAY, one()), "model"),
    "explain with a frame": (lambda: tk.explain(model(), FRAME, DAY, one()), "data"),
    "explain several": (lambda: tk.explain(model(), data(), DAY, [one()]), "enterprise_id"),
    "explain under a number": (lambda: tk.explain(model(), data(), DAY, one(), 3), "policy"),
    "portraits swapped": (lambda: tk.portraits(data(), model(), DAY), "model"),
    "recourse swapped": (lambda: tk.recourse(data(), model(), DAY, [one()], LEGACY), "model"),
    "recourse of one id": (lambda: tk.recourse(model(), data(), DAY, one(), LEGACY), "ids"),
    "recourse of all": (lambda: tk.recourse(model(), data(), DAY, None, LEGACY), "ids"),
    "recourse half a month": (lambda: tk.recourse(model(), data(), DAY, [], LEGACY, months=0.5), "months"),
    "revoked one id": (lambda: tk.revoked(model(), data(), DAY, one(), "c1", LEGACY), "record_ids"),
    "revoked of two": (lambda: tk.revoked(model(), data(), DAY, [one()], ["c1"], LEGACY), "enterprise_id"),
    "compare swapped": (lambda: tk.compare(LEGACY, world(), LEGACY), "world"),
    "compare on data": (lambda: tk.compare(data(), "legacy", "jiading-2025"), "world"),
    "compare with None": (lambda: tk.compare(world(), "legacy", None), "reforms"),
    "compare with none": (lambda: tk.compare(world(), "legacy", []), "reforms"),
    "compare two baselines": (lambda: tk.compare(world(), PLANS, "jiading-2025"), "baseline"),
    "compare a model": (lambda: tk.compare(world(), "legacy", "jiading-2025", scores=model()), "scores"),
    "compare swapped twice": (lambda: tk.compare("legacy", "jiading-2025", world()), "world"),
    "compare no replicate": (lambda: tk.compare(world(), *PLANS, replicates=0), "replicates"),
    "compare in words": (lambda: tk.compare(world(), *PLANS, kappa="high"), "kappa"),
    "compare longer than run": (lambda: tk.compare(world(), *PLANS, weeks=4, over=5), "over"),
    "compare a policy with itself": (lambda: tk.compare(world(), "legacy", "legacy"), "legacy"),
    "compare tiers": (lambda: tk.compare(world(), *PLANS, scores=scores()[["enterprise_id"]]), "scores"),
    "compare scores of another city": (lambda: tk.compare(world(), *PLANS, scores=elsewhere()), "scores"),
    "load a policy": (lambda: tk.Policy.load(LEGACY), "name_or_path"),
    "load several policies": (lambda: tk.Policy.load(PLANS), "name_or_path"),
    "load no policy": (lambda: tk.Policy.load(""), "name_or_path"),
    "load a model": (lambda: tk.Model.load(model()), "folder"),
    "train by a scheme there is not": (lambda: tk.train(data(), DAY, scheme="best"), "scheme"),
    "write as a spreadsheet": (lambda: tk.write(data(), "out", format="xlsx"), "format"),
    "explain in French": (lambda: tk.explain(model(), data(), DAY, one(), lang="fr"), "lang"),
    "portraits in French": (lambda: tk.portraits(model(), data(), DAY, lang="fr"), "lang"),
    "recourse in French": (lambda: tk.recourse(model(), data(), DAY, [one()], lang="fr"), "lang"),
    "revoked in French": (lambda: tk.revoked(model(), data(), DAY, one(), ["c"], LEGACY, lang="fr"), "lang"),
    "world_of another past": (lambda: tk.world_of(data(), policy="jiading-2025"), "legacy"),
    "without one table": (lambda: data().without("truth"), "names"),
    "without a misspelt table": (lambda: data().without(["signal"]), "signals"),
    "draw a comparison": (lambda: tk.plot.outcomes(compared()), "summary"),
    "draw kappas of a comparison": (lambda: tk.plot.kappa(compared()), "summary"),
    "a policy in French": (lambda: LEGACY.sentences("fr"), "lang"),
    "assess swapped": (lambda: tk.assess(data(), model(), DAY), "model"),
    "assess a frame": (lambda: tk.assess(model(), FRAME, DAY), "data"),
    "backtest a model": (lambda: tk.backtest(model(), DAY), "data"),
    "screen a world": (lambda: tk.screen(world(), "legacy", "jiading-2025"), "enterprises"),
    "screen several": (lambda: tk.screen(50, "legacy", PLANS), "reform"),
    "screen one name": (lambda: tk.screen(50, "legacy", "jiading-2025", chosen="kappa"), "chosen"),
    "diff None": (lambda: tk.diff("legacy", None), "b"),
    "diff a model": (lambda: tk.diff(model(), "legacy"), "a"),
    "score_folder a dataset": (lambda: tk.score_folder(model(), data(), DAY, LEGACY, "o.parquet"), "data"),
    "score_folder to None": (lambda: tk.score_folder(model(), FOLDER, DAY, LEGACY, None), "out"),
    "score_folder swapped": (lambda: tk.score_folder(data(), FOLDER, DAY, LEGACY, "o.parquet"), "model"),
}  # fmt: skip

DATED: dict[str, Callable[[Any], Any]] = {
    "features": lambda day: tk.features(data(), day),
    "train": lambda day: tk.train(data(), day),
    "score": lambda day: model().score(data(), day),
    "explain": lambda day: tk.explain(model(), data(), day, one()),
    "portraits": lambda day: tk.portraits(model(), data(), day),
    "recourse": lambda day: tk.recourse(model(), data(), day, [one()], LEGACY),
    "revoked": lambda day: tk.revoked(model(), data(), day, one(), ["c1"], LEGACY),
    "assess": lambda day: tk.assess(model(), data(), day),
    "backtest": lambda day: tk.backtest(data(), day),
    "score_folder": lambda day: tk.score_folder(model(), FOLDER, day, LEGACY, "o.parquet"),
}

MISSPELT: dict[str, Callable[[], Any]] = {
    "load": lambda: tk.Policy.load("jaiding-2025"),
    "synth": lambda: tk.synth(50, policy="jaiding-2025"),
    "world_of": lambda: tk.world_of(data(), policy="jaiding-2025"),
    "train": lambda: tk.train(data(), DAY, policy="jaiding-2025"),
    "assign": lambda: tk.assign(scores(), "jaiding-2025"),
    "explain": lambda: tk.explain(model(), data(), DAY, one(), "jaiding-2025"),
    "portraits": lambda: tk.portraits(model(), data(), DAY, "jaiding-2025"),
    "recourse": lambda: tk.recourse(model(), data(), DAY, [one()], "jaiding-2025"),
    "revoked": lambda: tk.revoked(model(), data(), DAY, one(), ["c1"], "jaiding-2025"),
    "compare": lambda: tk.compare(world(), "legacy", "jaiding-2025"),
    "assess": lambda: tk.assess(model(), data(), DAY, "jaiding-2025"),
    "backtest": lambda: tk.backtest(data(), DAY, policy="jaiding-2025"),
    "screen": lambda: tk.screen(50, "legacy", "jaiding-2025"),
    "diff": lambda: tk.diff("legacy", "jaiding-2025"),
    "score_folder": lambda: tk.score_folder(model(), FOLDER, DAY, "jaiding-2025", "o.parquet"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_named_in_one_sentence(case: str) -> None:
    ask, argument = WRONG[case]
    made = (data, model, scores, elsewhere, world, compared)
    for prepared in (*made, *(partial(getattr, tk, name) for name in tk.__all__)):
        prepared()
    began = time.process_time()
    with pytest.raises(tk.InputError, match=rf"'?{argument}'?") as told:
        ask()
    assert "\n" not in str(told.value)
    assert time.process_time() - began < 1.0, "at once"


@pytest.mark.parametrize("day", DAYS, ids=str)
@pytest.mark.parametrize("verb", DATED)
def test_a_day_has_one_form(verb: str, day: object) -> None:
    with pytest.raises(tk.InputError, match="as_of"):
        DATED[verb](day)


@pytest.mark.parametrize("verb", MISSPELT)
def test_a_misspelt_policy_is_answered_with_the_right_one(verb: str) -> None:
    with pytest.raises((tk.PolicyError, tk.InputError), match="did you mean 'jiading-2025'"):
        MISSPELT[verb]()


def test_every_form_gives_the_same(tmp_path: Path) -> None:
    folder = model().save(tmp_path / "model")
    plan = tk.Policy.load("jiading-2025")
    file = tmp_path / "plan.toml"
    file.write_text(plan.to_toml(), encoding="utf-8")
    given = [plan, "jiading-2025", file, str(file)]
    first = tk.assign(scores(), plan)
    assert all(tk.assign(scores(), one).equals(first) for one in given)
    assert all(tk.diff("legacy", one).equals(tk.diff(LEGACY, plan)) for one in given)
    why = tk.explain(model(), data(), DAY, one(), plan)
    assert tk.explain(folder, FOLDER, pd.Timestamp(DAY), one(), "jiading-2025") == why
    assert tk.world_of(FOLDER).date == world().date


# A dataset as a mapping of frames


def test_a_misspelt_table_is_answered_with_the_right_one() -> None:
    with pytest.raises(KeyError, match="'inspection' is no table; did you mean 'inspections'"):
        data()["inspection"]
    assert "inspection" not in data()
    assert data().get("inspection") is None
    assert data()._ipython_key_completions_() == list(data())


def test_a_table_asked_as_an_attribute_is_told_as_a_key() -> None:
    with pytest.raises(AttributeError, match=r"read the table as data\['inspections'\]"):
        data().inspections  # noqa: B018  # what a user types
    with pytest.raises(AttributeError, match=r"has no attribute 'nothing'$"):
        data().nothing  # noqa: B018
    again = copy.deepcopy(data())
    assert (again.as_of, again.place) == (data().as_of, data().place)
    assert all(again[name].equals(data()[name]) for name in data())


def test_a_misspelt_parameter_is_answered_with_the_right_name() -> None:
    with pytest.raises(KeyError, match=r"did you mean 'frequency\.tier\.T4\.key'\?\)"):
        LEGACY["frequency.tier.T4.kye"]


def test_a_folder_that_is_not_there_is_told_without_an_empty_place() -> None:
    with pytest.raises(tk.DataError, match=r"^1 problem in the data:\ndata/sinthetic is not a folder\."):
        tk.read("data/sinthetic")


def test_the_third_of_train_is_the_policy_and_no_folder_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(FOLDER).resolve()
    monkeypatch.chdir(tmp_path)
    assert tk.train(folder, DAY, "jiading-2025").policy.name == "jiading-2025"
    assert not list(tmp_path.iterdir())


def test_part_of_a_dataset_holds_the_records_of_its_enterprises_alone() -> None:
    whole = data()
    part = whole.where(district="minhang", size=["small", "micro"])
    kept = part["enterprises"]
    assert 0 < len(kept) < len(whole["enterprises"])
    assert set(kept["district"]) == {"minhang"}
    assert set(kept["size"]) == {"small", "micro"}
    ids = set(kept["enterprise_id"])
    for name, frame in whole.items():
        if "enterprise_id" in frame:
            assert part[name].equals(frame[frame["enterprise_id"].isin(ids)].reset_index(drop=True)), name
    for name in ("agencies", "items"):
        assert part[name].equals(whole[name])
    again = whole.where(ids=sorted(ids))
    assert all(again[name].equals(part[name]) for name in part)
    assert tk.validate(part.without(["truth", "truth_enterprises", "truth_complaints"])) == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"distrct": "minhang"}, "'distrct' is no column of 'enterprises'; did you mean 'district'"),
        ({"district": "minhan"}, "'district' has no level 'minhan'.* did you mean 'minhang'"),
        ({"ids": "e1"}, "'ids' must be a list of ids"),
        ({"ids": ["nobody"]}, "The 'ids' hold 1 that are not in the data, such as 'nobody'"),
    ],
)
def test_a_part_that_there_is_not_is_refused(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(tk.InputError, match=message):
        data().where(**asked)


def test_a_dataset_shows_counts_and_dates() -> None:
    page = data()._repr_html_()
    rows = data()["inspections"]
    assert f"<td>{len(rows):,}</td>" in page
    assert f"{rows['inspected_on'].min():%Y-%m-%d} – {rows['inspected_on'].max():%Y-%m-%d}" in page
    assert "<script>" not in tk.Dataset({"<script>": FRAME})._repr_html_()
    assert "agencies" in tk.Dataset({"agencies": empty("agencies")})._repr_html_()
