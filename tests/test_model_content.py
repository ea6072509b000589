"""A model folder whose hashes are right and whose content is not: refused with the place, and never run."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierkit.cli import main
from tierkit.explain.trees.compiled import CompiledTrees
from tierkit.explain.trees.fragments import UnsupportedTreesError
from tierkit.scores.calibration import Calibration
from tierkit.scores.content import ContentError, read_json
from tierkit.scores.ensemble import Ensemble
from tierkit.scores.model import Model
from tierkit.scores.model_folder import MANIFEST, ModelError, json_text
from tierkit.scores.risk import RiskModel
from tierkit.scores.scorecard import CreditScorecard
from tierkit.scores.train import train
from tierkit.scores.trees import TreesError, read_trees

ROOT = Path(__file__).resolve().parent.parent


def people(n: int = 600, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"late": rng.integers(0, 6, n).astype(float), "age": rng.normal(40, 9, n)})
    X["sector"] = pd.Categorical(rng.choice(["food", "gas", "ict"], n), ["food", "gas", "ict", "other"])
    X.loc[::7, "age"] = np.nan
    logit = 0.4 * X["late"] + (X["sector"] == "gas") - 2
    return X, (rng.random(n) < 1 / (1 + np.exp(-logit))).to_numpy().astype(int)


@pytest.fixture(scope="module")
def risk() -> RiskModel:
    return RiskModel(monotone={"late": 1}, n_trees=4, n_leaves=5, min_rows=10, num_threads=1).fit(*people())


@pytest.fixture(scope="module")
def card() -> CreditScorecard:
    return CreditScorecard(monotone={"late": -1}).fit(*people())


@pytest.fixture
def no_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing reach LightGBM."""

    def reached(*_: Any, **__: Any) -> None:
        raise AssertionError("LightGBM was given the text")

    monkeypatch.setattr(lgb.Booster, "__init__", reached)


def change(text: str, field: str, other: Callable[[list[str]], None], tree: int = 0) -> str:
    """Return the text with other numbers in a field of a tree, and the sizes of trees put right."""
    head, _, rest = text.partition("\n\nTree=0\n")
    blocks = re.split(r"(?<=\n\n\n)(?=Tree=|end of trees)", "Tree=0\n" + rest)
    *trees, tail = blocks
    lines = trees[tree].split("\n")
    at = next(k for k, line in enumerate(lines) if line.startswith(f"{field}="))
    numbers = lines[at].partition("=")[2].split(" ")
    other(numbers)
    lines[at] = f"{field}=" + " ".join(numbers)
    trees[tree] = "\n".join(lines)
    sizes = "tree_sizes=" + " ".join(str(len(one)) for one in trees)
    return re.sub(r"tree_sizes=.*", sizes, head) + "\n\n" + "".join(trees) + tail


def put(at: int, value: object) -> Callable[[list[str]], None]:
    def other(numbers: list[str]) -> None:
        numbers[at] = str(value)

    return other


TREES = {
    "a feature beyond the columns": (
        "split_feature",
        put(0, 99),
        "split_feature: holds 99, which is outside 0",
    ),
    "a feature below 0": ("split_feature", put(0, -1), "split_feature: holds -1"),
    "a leaf that is not there": ("left_child", put(0, -40), "left_child: holds -40, which is outside"),
    "a node that is not there": ("right_child", put(0, 40), "right_child: holds 40, which is outside"),
    "a circle": ("left_child", put(0, 0), "left_child: node 0 leads to node 0, which is not below it"),
    "a circle of two": ("right_child", put(-1, 1), "right_child: node 3 leads to node 1"),
    "a child twice": ("left_child", lambda own: own.__setitem__(slice(None), [own[0]] * 4), "tree 0, "),
    "no number": ("threshold", put(0, "nan"), "threshold: is no list of numbers"),
    "a child less": ("left_child", lambda own: own.pop(), "left_child: holds 3 numbers, not 4"),
    "an endless leaf": ("leaf_value", put(1, "inf"), "leaf_value: is no list of finite numbers"),
    "a leaf too large": ("leaf_value", put(1, "1e999"), "leaf_value: holds a number that is too large"),
    "a leaf beyond sense": ("leaf_value", put(1, "-1e9"), "leaf_value: "),
    "another decision": ("decision_type", put(0, 13), "decision_type: holds 13, which is outside 0 … 11"),
    "levels as numbers": ("decision_type", put(0, 1), "threshold: does not number"),
    "zero as missing": ("decision_type", put(0, 6), "node 0 takes zero as missing"),
    "rows less than none": ("leaf_count", put(0, -5), "leaf_count: holds -5"),
    "rows from nowhere": ("leaf_count", put(0, 100_000), "does not have the rows of its sides"),
    "many leaves": ("num_leaves", put(0, 2**40), "num_leaves: is no list of whole|num_leaves: holds"),
    "levels from nowhere": ("num_cat", put(0, 3), "tree 0"),
    "linear leaves": ("is_linear", put(0, 1), "is_linear: the tree has linear leaves"),
    "other digits": ("leaf_count", put(0, "١٢"), "leaf_count: is no list of whole numbers"),
}


@pytest.mark.parametrize("case", TREES)
@pytest.mark.usefixtures("no_lightgbm")
def test_an_unsound_tree_is_refused_by_its_place(risk: RiskModel, case: str) -> None:
    field, other, said = TREES[case]
    text, rest = risk.to_parts()
    with pytest.raises(TreesError, match=said):
        RiskModel.from_parts(change(text, field, other), json.loads(json.dumps(rest)))


TEXTS = {
    "a size": (r"tree_sizes=\d+", "tree_sizes=7", "tree 0: does not begin and end where 'tree_sizes' says"),
    "columns": ("max_feature_idx=2", "max_feature_idx=9", "max_feature_idx: is not '2'"),
    "classes": ("num_tree_per_iteration=1", "num_tree_per_iteration=3", "a tree for each class"),
    "objective": (
        "objective=binary sigmoid:1",
        "objective=regression",
        "objective: is not 'binary sigmoid:1'",
    ),
    "signs": ("monotone_constraints=1 0 0", "monotone_constraints=0 0 0", "monotone_constraints: is not"),
    "ranges": (r"feature_infos=\S+ ", "feature_infos=", "feature_infos: does not give"),
    "settings": (r"\[learning_rate: 0.05\]", "[learning_rate]", "behind the trees: there is other text"),
    "categories": ("pandas_categorical:null", "pandas_categorical:" + "[" * 100_000, "behind the trees"),
    "a field twice": ("num_cat=", "num_cat=0\nnum_cat=", "tree_sizes|its fields are not"),
    "the end": ("end of trees", "end", "do not lead to the end of the trees"),
}


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.usefixtures("no_lightgbm")
def test_other_text_around_the_trees_is_refused(risk: RiskModel, case: str) -> None:
    pattern, other, said = TEXTS[case]
    text, rest = risk.to_parts()
    altered = re.sub(pattern, other, text, count=1)
    assert altered != text
    with pytest.raises(TreesError, match=said):
        RiskModel.from_parts(altered, json.loads(json.dumps(rest)))


def test_a_tree_that_turns_the_declared_direction_round_is_refused(risk: RiskModel) -> None:
    text, rest = risk.to_parts()
    for number, tree in enumerate(read_trees(text).trees):
        for node, feature in enumerate(tree.feature):
            if feature == 0 and tree.left[node] < 0 and tree.right[node] < 0:
                a, b = sorted((-1 - int(tree.left[node]), -1 - int(tree.right[node])))

                def swap(own: list[str], a: int = a, b: int = b) -> None:
                    own[a], own[b] = own[b], own[a]

                with pytest.raises(
                    TreesError, match=f"tree {number}, leaf_value: node .* turns the declared"
                ):
                    RiskModel.from_parts(change(text, "leaf_value", swap, number), rest)
                return
    raise AssertionError("no tree asks 'late' last")


def test_a_side_without_rows_is_refused(risk: RiskModel) -> None:
    text, rest = risk.to_parts()
    tree = read_trees(text).trees[0]
    node = next(k for k, sides in enumerate(tree.children()) if max(sides) < 0)
    left, right = (-1 - child for child in tree.children()[node])

    def move(own: list[str]) -> None:
        own[left], own[right] = "0", str(int(own[left]) + int(own[right]))

    with pytest.raises(TreesError, match=f"tree 0, leaf_count: a side of node {node} has no rows"):
        RiskModel.from_parts(change(text, "leaf_count", move), rest)


def test_a_level_that_the_model_does_not_have_is_refused(risk: RiskModel) -> None:
    text, rest = risk.to_parts()
    number = next(k for k, tree in enumerate(read_trees(text).trees) if tree.levels)
    with pytest.raises(TreesError, match=f"tree {number}, cat_threshold: node . asks for no or other levels"):
        RiskModel.from_parts(change(text, "cat_threshold", put(0, 16), number), rest)
    with pytest.raises(TreesError, match=f"tree {number}, cat_boundaries: does not part the . words"):
        RiskModel.from_parts(change(text, "cat_boundaries", put(1, 0), number), rest)


def test_kernels_are_compiled_from_checked_arrays_alone(risk: RiskModel) -> None:
    """A text that was altered in memory, where no file was read, makes no index of a kernel either."""
    altered = change(risk.booster_.model_to_string(), "split_feature", put(0, 99))

    class Altered:
        def model_to_string(self) -> str:
            return altered

    with pytest.raises(UnsupportedTreesError, match="split_feature: holds 99"):
        CompiledTrees.of(Altered())  # type: ignore[arg-type]


@given(
    n=st.integers(30, 300),
    seed=st.integers(0, 10_000),
    leaves=st.integers(2, 40),
    least=st.integers(1, 30),
    heavy=st.sampled_from([0.0, 1.0, 1e4, 1e9]),
)
@settings(max_examples=20, deadline=None)
def test_what_fit_grows_passes_its_own_reader(
    n: int, seed: int, leaves: int, least: int, heavy: float
) -> None:
    X, y = people(n, seed)
    if len(set(y)) < 2:
        return
    weight = np.random.default_rng(seed).exponential(size=n) * heavy + 1
    model = RiskModel({"late": 1, "age": -1}, 5, 0.3, leaves, least, num_threads=1).fit(X, y, weight)
    back = RiskModel.from_parts(*model.calibrate(X, y).to_parts())
    np.testing.assert_array_equal(back.margin(X), model.margin(X))


def test_a_pickle_is_read_as_strictly_as_a_file(risk: RiskModel, card: CreditScorecard) -> None:
    X, _ = people()
    for copied in (pickle.loads(pickle.dumps(risk)), copy.deepcopy(risk)):
        np.testing.assert_array_equal(copied.margin(X), risk.margin(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(card)).points(X), card.points(X))
    state = risk.__getstate__()
    altered = {**state, "booster_": change(state["booster_"], "right_child", put(0, 40))}
    with pytest.raises(TreesError, match="right_child: holds 40"):
        RiskModel().__setstate__(altered)
    table = card.table().assign(points=lambda one: one["points"] + 1)
    with pytest.raises(ContentError, match=r"table\[0\]\.points: are not those of the log-odds"):
        CreditScorecard().__setstate__({**card.__getstate__(), "table_": table})


def _set(*path: Any) -> Callable[[Any], None]:
    *way, last, value = path

    def other(data: Any) -> None:
        for key in way:
            data = data[key]
        data[last] = value

    return other


RISK = {
    "an unknown key": (_set("surprise", 1), "the file: has the unknown key 'surprise'"),
    "threads": (_set("parameters", "num_threads", 2**40), r"parameters\.num_threads: must be a whole number"),
    "trees": (_set("parameters", "n_trees", 1), "there are 4 trees; 'n_trees' is 1"),
    "leaves": (_set("parameters", "n_leaves", 2), "num_leaves: is .; 'n_leaves' is 2"),
    "columns": (_set("inputs", "names", ["late", "late", "sector"]), r"inputs\.names: holds an item twice"),
    "levels": (_set("inputs", "levels", {"sector": ["food"]}), "cat_threshold|decision_type"),
    "levels of numbers": (_set("inputs", "levels", {}), "decision_type: node . asks a column of numbers"),
    "missing": (_set("inputs", "missing", ["fax"]), r"inputs\.missing: tells of 'fax'"),
    "classes": (_set("classes", [1, 0]), "classes: must be two of one type, in ascending order"),
    "calibration": (_set("calibration", "low", -1.0), r"calibration\.low: must be a number from 0\.01"),
    "a kind": (_set("calibration", {"low": 2.0, "high": 1.0, "shift": 0.0, "kind": "none"}), "other numbers"),
    "a flag": (_set("named", 1), "named: must be true or false. Got 1 instead"),
}


@pytest.mark.parametrize("case", RISK)
@pytest.mark.usefixtures("no_lightgbm")
def test_what_stands_beside_the_trees_is_held_against_its_form(risk: RiskModel, case: str) -> None:
    other, said = RISK[case]
    text, rest = risk.to_parts()
    rest = json.loads(json.dumps(rest))
    other(rest)
    with pytest.raises(ValueError, match=said):
        RiskModel.from_parts(text, rest)


def test_a_member_of_an_ensemble_is_named(risk: RiskModel, card: CreditScorecard) -> None:
    data = Ensemble((risk, risk), (card, card)).to_dict()
    with pytest.raises(ContentError, match="cards: must be as many as the members, 2"):
        Ensemble.from_json(json_text({**data, "cards": data["cards"][:1]}))
    other = json.loads(data["cards"][1])
    other["table"][1]["points"] = 9.0
    with pytest.raises(ContentError, match=r"cards\[1\]: table\[1\]\.points: are not those of the log-odds"):
        Ensemble.from_json(json_text({**data, "cards": [data["cards"][0], json.dumps(other)]}))
    data["members"][1]["trees"] = change(data["members"][1]["trees"], "left_child", put(0, 0), 2)
    with pytest.raises(ContentError, match=r"members\[1\]: tree 2, left_child: node 0 leads to node 0"):
        Ensemble.from_json(json_text(data))
    with pytest.raises(ContentError, match="members: must be at least 2"):
        Ensemble.from_json(json_text({**data, "members": data["members"][:1]}))


CARD = {
    "points": (_set("table", 1, "points", 9.0), r"table\[1\]\.points: are not those of the log-odds"),
    "a base twice": (_set("table", 1, "kind", "base"), r"table\[0\]: must be the only base row"),
    "a limit": (_set("table", 2, "lower", 77.0), r"table\[1\]\.lower: begins intervals"),
    "a bin": (_set("table", 2, "bin", 7), r"table\[1\]\.bin: begins bins that are not numbered"),
    "events": (_set("table", 1, "events", 10**6), r"table\[1\]\.events: is 1000000, more than its"),
    "rows": (_set("table", 0, "count", 10**6), r"table\[1\]\.count: begins bins whose sum is not the base"),
    "events of all": (_set("table", 0, "events", 1), r"table\[1\]\.events: begins bins whose sum is not"),
    "events of none": (_set("table", 0, "events", 0), r"table\[0\]\.events: must be some of its rows"),
    "a weight": (_set("table", 1, "woe", 0.25), r"table\[1\]\.woe: is not that of the row's"),
    "a coefficient": (
        _set("table", 1, "coefficient", -0.01),
        r"table\[1\]\.points: are not those of the weight",
    ),
    "a sign": (_set("table", 1, "coefficient", 0.5), r"table\[1\]\.coefficient: must be below 0"),
    "an unknown key": (_set("table", 1, "surprise", 0), r"table\[1\]: has the unknown key 'surprise'"),
    "a column": (_set("table", 1, "feature", "fax"), "table and unused|kind"),
    "a column less": (_set("unused", {}), "must tell of each column|kind"),
    "no number": (_set("table", 1, "woe", None), r"table\[1\]\.woe: must be a number"),
    "a scale": (_set("parameters", "points_to_double", -40.0), "'points_to_double' parameter"),
}


@pytest.mark.parametrize("case", CARD)
def test_a_table_that_breaks_a_promise_is_refused(card: CreditScorecard, case: str) -> None:
    other, said = CARD[case]
    data = json.loads(card.to_json())
    if case == "a column less":
        data["unused"] = {}
        data["inputs"]["names"].append("fax")
    else:
        other(data)
    with pytest.raises(ValueError, match=said):
        CreditScorecard.from_json(json.dumps(data))


def test_a_table_that_turns_the_declared_direction_round_is_refused(card: CreditScorecard) -> None:
    data = json.loads(card.to_json())
    rows = [row for row in data["table"] if row["feature"] == "late" and row["kind"] == "interval"]
    assert rows[0]["points"] > rows[-1]["points"]
    for name in ("points", "log_odds", "woe", "iv", "count", "events"):
        rows[0][name], rows[-1][name] = rows[-1][name], rows[0][name]
    with pytest.raises(ContentError, match="points: turn the declared direction round"):
        CreditScorecard.from_json(json.dumps(data))


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_a_declared_direction_holds_beside_missing_values_of_another_rate(seed: int) -> None:
    """Bins are pooled by the very rates that their weights are taken from, those of all rows."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 800))
    x = rng.integers(0, 8, n).astype(float)
    chance = 1 / (1 + np.exp(3 - 0.25 * x * rng.random()))
    x[rng.random(n) < 0.4] = np.nan
    y = (rng.random(n) < np.where(np.isnan(x), rng.random(), chance)).astype(int)
    if len(set(y)) < 2:
        return
    try:
        table = CreditScorecard(monotone={"a": -1}).fit(pd.DataFrame({"a": x}), y).table()
    except ValueError:  # points could leave 0 … 1000
        return
    points = table.loc[table["kind"] == "interval", "points"]
    assert (np.diff(points) <= 1e-9).all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' is given twice"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"a": ' * 100_000, "is nested too deeply"),
        ("[NaN]", "the number NaN is not finite"),
        ("[1e999]", "the number 1e999 is not finite"),
        ("[" + "9" * 5_000 + "]", "a number of 5,000 characters is too long"),
        ("[1,]", "is no JSON"),
    ],
)
def test_json_that_hides_something_is_refused(text: str, said: str) -> None:
    with pytest.raises(ContentError, match=said):
        read_json(text)


@pytest.mark.parametrize("low", [0.0, -1.0, 1e7, float("nan"), None, "1"])
def test_a_calibration_that_does_not_increase_is_refused(low: Any) -> None:
    with pytest.raises(ContentError, match=r"calibration\.low: must be a number"):
        Calibration.from_dict({"low": low, "high": 1.0, "shift": 0.0, "kind": "beta"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(ROOT / "data/synthetic", "2024-12-30").save(tmp_path_factory.mktemp("models") / "model")


def signed(source: Path, target: Path, alter: Callable[[dict[str, Any], dict[str, bytes]], None]) -> Path:
    """Return a copy that somebody altered, with all hashes made right."""
    files = {path.name: path.read_bytes() for path in source.iterdir()}
    manifest = json.loads(files.pop(MANIFEST))
    alter(manifest, files)
    manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    del manifest["sha256"]
    manifest["sha256"] = hashlib.sha256(json_text(manifest).encode()).hexdigest()
    target.mkdir()
    for name, content in {**files, MANIFEST: json_text(manifest).encode()}.items():
        (target / name).write_bytes(content)
    return target


STATED = {
    "an unknown key": (_set("surprise", 1), "manifest.json: cannot be read: the file: has the unknown key"),
    "bands": (_set("credit", "bands", "edges", [2.0, 1.0]), "credit.bands"),
    "a day": (_set("as_of", "soon"), r"as_of: must be a day as YYYY-MM-DD. Got 'soon' instead"),
    "a part": (_set("risk", "split", "test_from", "1999-01-01"), "risk.split: must ascend"),
    "a scheme": (_set("scheme", "guess"), "scheme: must be 'naive' or 'random' or 'weighted'"),
    "columns": (_set("features", "risk", ["fax"]), "does not go with the other files: features.risk"),
    "a setting": (_set("risk", "settings", "n_trees", 9), "risk.settings: are not the parameters"),
    "a calibration": (_set("risk", "calibration", "shift", 9.0), "risk.calibration: is not that"),
    "a policy's hash": (_set("policy", "hash", "0" * 64), "policy.hash: is not that of the policy in policy"),
    "a policy's name": (
        _set("policy", "name", "generic"),
        "policy.name: is not that of the policy in policy",
    ),
    "a place's hash": (_set("place", "hash", "0" * 64), "place.hash: is not that of the place in policy"),
    "a place's name": (_set("place", "name", "xanadu"), "place.name: is not that of the place in policy"),
    "a schema": (_set("schema", 99), "manifest.json: cannot be read: schema: must be 1. Got 99 instead"),
    "a day to come": (_set("as_of", "2300-01-01"), "as_of: must be days that records may have, 1949-10-01"),
    "a day long past": (
        _set("risk", "split", "first", "0001-01-01"),
        "risk.split: must be days that records",
    ),
    "a share": (
        _set("risk", "metrics", "test", "auc", 1e308),
        r"risk\.metrics\.test\.auc: must be a share from 0 to 1",
    ),
    "a share below 0": (_set("credit", "metrics", "brier", -0.1), r"credit\.metrics\.brier: must be a share"),
    "a share of a baseline": (
        _set("risk", "baselines", "test", 0, "auc_behind_low", -1.1),
        r"auc_behind_low: must be a share from -1 to 1",
    ),
    "bands beyond all points": (
        lambda manifest: manifest["credit"]["bands"]["edges"].__setitem__(-1, 1e300),
        r"credit\.bands\.edges\[\d+\]: must be a number from 0\.0 to 1000",
    ),
    "half an interval": (
        _set("risk", "baselines", "test", 0, "auc_high", None),
        r"baselines\.test\[0\]\.auc_high: is null, and 'auc_low' is not",
    ),
    "the other half": (
        _set("risk", "baselines", "test", 1, "capture_low", None),
        r"baselines\.test\[1\]\.capture_low: is null, and 'capture_high' is not",
    ),
    "an interval of nothing": (
        _set("risk", "baselines", "test", 2, "auc_behind", None),
        r"baselines\.test\[2\]\.auc_behind: is null, and its interval is not",
    ),
    "ends that are swapped": (
        _set("risk", "baselines", "test", 0, "auc_low", 1.0),
        r"baselines\.test\[0\]\.auc_low: is above 'auc_high'",
    ),
    "a baseline": (
        _set("risk", "baselines", "test", 0, "score", "luck"),
        r"baselines\.test\[0\]\.score: must",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", STATED)
def test_a_manifest_with_a_right_hash_is_held_against_the_files(
    folder: Path, tmp_path: Path, case: str
) -> None:
    other, said = STATED[case]
    altered = signed(folder, tmp_path / "altered", lambda manifest, _: other(manifest))
    with pytest.raises(ModelError, match=said):
        Model.load(altered)


@pytest.mark.slow
def test_a_policy_under_another_name_is_refused(folder: Path, tmp_path: Path) -> None:
    def alter(_: dict[str, Any], files: dict[str, bytes]) -> None:
        text = files["policy.toml"].decode()
        other = re.sub(r"(risk_cutoffs = \{ value = )\[[^]]*\]", r"\1[0.0011, 0.2, 0.5]", text)
        assert other != text
        files["policy.toml"] = other.encode()

    with pytest.raises(ModelError, match=r"policy\.toml: cannot be read: .*is the name of a preset"):
        Model.load(signed(folder, tmp_path / "altered", alter))


@pytest.mark.slow
def test_a_command_refuses_a_signed_folder_with_2_and_the_place(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def alter(_: dict[str, Any], files: dict[str, bytes]) -> None:
        files["risk.txt"] = change(files["risk.txt"].decode(), "left_child", put(0, 0), 3).encode()

    altered = signed(folder, tmp_path / "altered", alter)
    asked = [
        "score",
        str(altered),
        str(ROOT / "data/synthetic"),
        "--as-of",
        "2024-12-30",
        "--policy",
        "legacy",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--reasons", "3", "--out", str(tmp_path / "scores.parquet")])
    assert ended.value.code == 2
    assert "risk.txt: cannot be read: tree 3, left_child: node 0 leads to node 0" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"altered"}


@pytest.mark.slow
def test_a_file_of_holes_is_refused_by_its_size(folder: Path, tmp_path: Path) -> None:
    altered = signed(folder, tmp_path / "altered", lambda *_: None)
    os.truncate(altered / "risk.txt", 20 << 30)
    with pytest.raises(ModelError, match=r"risk\.txt: takes 21,474,836,480 bytes, and no model's takes more"):
        Model.load(altered)
