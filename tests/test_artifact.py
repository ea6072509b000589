"""A model folder: the same bits for the same data, back as it was written, and refused when it is not."""

import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from leakage import scramble
from make_dataset import make_dataset

from tierkit.explain import points_lost
from tierkit.features import build, read_by
from tierkit.folders.claims import OutputError
from tierkit.policy import Policy
from tierkit.records import DataError, Dataset, write_dataset
from tierkit.scores.baselines import BASELINES
from tierkit.scores.fitting import SETTINGS
from tierkit.scores.model import Model
from tierkit.scores.model_folder import ENSEMBLE, FILES, MANIFEST, ModelError, read_folder
from tierkit.scores.train import train

AS_OF = pd.Timestamp("2024-03-01")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_dataset(400, seed=4, records=3000)


@pytest.fixture(scope="module")
def model(data) -> Model:
    return train(data, AS_OF, policy=Policy.load("jiading-2025"))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return model.save(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_scores_of_everybody_on_the_register(model, data) -> None:
    scores = model.score(data, AS_OF)
    X = build(data, AS_OF)
    assert scores["enterprise_id"].tolist() == X.index.tolist()
    assert scores.columns.tolist() == [
        "enterprise_id",
        "sector",
        "risk_margin",
        "risk_probability",
        "credit_points",
        "credit_probability",
        "red_line",
        "standing_records",
        "adverse_record",
        "serious_finding_weeks",
        "flags",
    ]
    risk, credit = X[read_by("risk")], X[read_by("credit")]
    np.testing.assert_array_equal(scores["risk_margin"], model.risk.margin(risk))
    np.testing.assert_array_equal(scores["risk_probability"], model.risk.predict_proba(risk)[:, 1])
    np.testing.assert_array_equal(scores["credit_points"], model.credit.points(credit))
    np.testing.assert_array_equal(scores["credit_probability"], model.credit.predict_proba(credit)[:, 1])
    assert scores["red_line"].notna().any()
    assert (scores["flags"] == "").all()


def test_scores_of_some_in_their_order(model, data) -> None:
    everybody = model.score(data, AS_OF).set_index("enterprise_id")
    ids = everybody.index[[7, 3, 30]]
    pd.testing.assert_frame_equal(
        model.score(data, AS_OF, ids=ids).set_index("enterprise_id"), everybody.loc[ids]
    )
    with pytest.raises(DataError, match="is not in the dataset"):
        model.score(data, AS_OF, ids=["nobody"])


def test_a_level_that_training_never_saw_is_flagged_in_the_scores(model, data) -> None:
    X = build(data, AS_OF).iloc[:5]
    strange = X.assign(sector="banking", adverse_open=[np.nan, 1, 1, 1, 1])
    scores = model.score_features(strange, X.index)
    assert scores["flags"].tolist() == ["sector:unseen;adverse_open:missing"] + ["sector:unseen"] * 4


def test_frames_and_files_and_threads_give_the_same_bits(model, data, tmp_path) -> None:
    write_dataset(data, tmp_path / "data")
    scores = model.score(data, AS_OF)
    pd.testing.assert_frame_equal(model.score(tmp_path / "data", AS_OF, threads=2), scores, check_exact=True)
    other = train(tmp_path / "data", AS_OF, policy=Policy.load("jiading-2025"), threads=2)
    other.save(tmp_path / "one")
    model.save(tmp_path / "two")
    for name in (*FILES, MANIFEST):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_another_seed_and_another_scheme_give_another_model(model, data) -> None:
    naive = train(data, AS_OF, scheme="naive")
    assert naive.manifest["risk"]["rows"]["rows"] > model.manifest["risk"]["rows"]["rows"]
    assert naive.risk.to_parts()[0] != model.risk.to_parts()[0]
    held = train(data, AS_OF, seed=1).manifest["credit"]
    assert held["metrics"] != model.manifest["credit"]["metrics"]


def test_no_bit_of_a_model_or_a_score_comes_from_the_future_or_the_truth(model, data) -> None:
    later = scramble(data, AS_OF, seed=8)
    other = train(later, AS_OF, policy=Policy.load("jiading-2025"))
    assert other.risk.to_parts() == model.risk.to_parts()
    assert other.credit.to_json() == model.credit.to_json()
    differing = {k for k in model.manifest if other.manifest[k] != model.manifest[k]}
    assert differing == {"data"}  # which is the proof that the data did differ
    ids = model.score(data, AS_OF)["enterprise_id"]
    pd.testing.assert_frame_equal(
        other.score(later, AS_OF, ids), model.score(data, AS_OF, ids), check_exact=True
    )


def test_a_folder_comes_back_as_it_was_written(model, folder, data, tmp_path) -> None:
    back = Model.load(folder)
    pd.testing.assert_frame_equal(back.score(data, AS_OF), model.score(data, AS_OF), check_exact=True)
    assert back.policy.parameters == model.policy.parameters
    assert back.policy.name == "jiading-2025"
    again = back.save(tmp_path / "again")
    for name in (*FILES, MANIFEST):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    assert {path.name for path in folder.iterdir()} == {*FILES, MANIFEST}
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert "jiading-2025" in repr(back)


def test_a_model_in_whole_points_scores_explains_and_comes_back(model, data, tmp_path) -> None:
    whole = replace(model, credit=model.credit.rounded())
    scores = whole.score(data, AS_OF)
    assert (scores["credit_points"] % 1 == 0).all()
    back = Model.load(whole.save(tmp_path / "whole"))
    pd.testing.assert_frame_equal(back.score(data, AS_OF), scores, check_exact=True)
    X = build(data, AS_OF)
    losses = points_lost(whole.credit, X)
    np.testing.assert_array_equal(losses.best - losses.lost.sum(axis=1), scores["credit_points"])


def test_no_file_is_a_pickle(folder) -> None:
    for path in folder.iterdir():
        with pytest.raises(
            (pickle.UnpicklingError, ValueError, KeyError, IndexError, EOFError, AttributeError)
        ):
            pickle.loads(path.read_bytes())


def test_the_manifest_says_how_the_model_came_about(model, data) -> None:
    about = model.manifest
    split = about["risk"]["split"]
    assert split["first"] < split["calibrate_from"] < split["test_from"] < about["as_of"] == "2024-03-01"
    assert split["train"] + split["calibrate"] + split["test"] == about["risk"]["rows"]["rows"]
    assert set(about["risk"]["metrics"]) == {"test", "test_random_audits"}
    assert about["credit"]["held_out"] < about["credit"]["rows"]["rows"]
    assert about["policy"]["hash"] == Policy.load("jiading-2025").hash
    assert set(about["data"]["sha256"]) == {
        "enterprises",
        "obligations",
        "inspections",
        "credit_events",
        "complaints",
        "signals",
    }
    json.dumps(about, allow_nan=False)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_any_altered_or_shortened_or_missing_file_is_refused_by_name(copy, name) -> None:
    path = copy / name
    whole = path.read_bytes()
    place = len(whole) // 2
    for content in (
        whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        whole[:-7],
        whole + b" ",
        b"",
    ):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=rf"{name}: is (altered or cut short|of format)"):
            Model.load(copy)
    path.unlink()
    with pytest.raises(ModelError, match=f"{name}: is missing"):
        Model.load(copy)


def test_new_files_links_and_other_folders_are_refused(copy, tmp_path) -> None:
    (copy / "model.pkl").write_bytes(pickle.dumps({}))
    (copy / "deep").mkdir()
    with pytest.raises(ModelError) as caught:
        Model.load(copy)
    assert caught.value.problems == (
        "deep: does not belong here",
        "model.pkl: does not belong here",
        "deep: is no plain file",
    )
    (copy / "model.pkl").unlink()
    (copy / "deep").rmdir()
    (copy / "risk.txt").rename(tmp_path / "risk.txt")
    (copy / "risk.txt").symlink_to(tmp_path / "risk.txt")
    with pytest.raises(ModelError, match=r"risk\.txt: is no plain file"):
        Model.load(copy)
    with pytest.raises(ModelError, match="It is not a folder"):
        Model.load(tmp_path / "nowhere")


def resign(folder) -> None:
    """Make the hashes right again, as somebody would who wants a made-up file to be loaded."""
    from tierkit.scores.model_folder import write_folder

    files = {name: (folder / name).read_bytes() for name in FILES}
    write_folder(folder, files, json.loads((folder / MANIFEST).read_text()))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("risk.json", b"{}"),
        ("risk.json", b"not json"),
        ("scorecard.json", b'{"format": "tierkit-scorecard-1"}'),
        ("policy.toml", b"[meta]\nname = 3\n"),
    ],
)
def test_a_made_up_file_with_the_right_hash_is_refused_by_name(copy, name, content) -> None:
    (copy / name).write_bytes(content)
    resign(copy)
    read_folder(copy)  # the hashes agree
    with pytest.raises(ModelError, match=f"{name}: cannot be read"):
        Model.load(copy)


def test_saving_replaces_a_model_and_nothing_else(model, copy, tmp_path) -> None:
    model.save(copy)
    Model.load(copy)
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds files that tierkit did not write"):
        model.save(other)
    assert (other / "thesis.txt").read_text() == "mine"


def test_a_failed_save_leaves_the_old_model(model, copy, monkeypatch) -> None:
    before = {path.name: path.read_bytes() for path in copy.iterdir()}

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert [path.name for path in copy.parent.iterdir()] == ["copy"]


def test_a_policy_with_its_own_baseline_travels_with_the_model(model, tmp_path) -> None:
    (tmp_path / "base.toml").write_text(Policy.load("jiading-2025").to_toml().replace("jiading-2025", "base"))
    head, value = '[meta]\nname = "mine"\nbaseline = "base.toml"\n[depth]\n', "detection = {value = 0.8, "
    (tmp_path / "mine.toml").write_text(head + value + 'unit = "probability", assumption = "a test"}\n')
    mine = Policy.load(tmp_path / "mine.toml")
    folder = Model(model.risk, model.credit, mine, model.manifest).save(tmp_path / "elsewhere" / "model")
    back = Model.load(folder)
    assert back.policy["depth.detection"] == 0.8
    assert back.manifest["policy"] == {"name": "mine", "hash": mine.hash}


def test_too_few_records_are_said_plainly(data) -> None:
    with pytest.raises(DataError, match="has no rows before"):
        train(data, "2022-01-01")


@pytest.fixture(scope="module")
def sure(data) -> Model:
    return train(data, AS_OF, bootstrap=3, budget=1, level="audits")


def test_what_is_opt_in_is_written_down_and_changes_nothing_when_left_out(model, sure) -> None:
    plain, other = model.manifest["risk"], sure.manifest["risk"]
    assert (plain["level"], plain["bootstrap"], plain["tuning"]) == ("scheme", 0, None)
    assert plain["settings"] == dict(SETTINGS)
    assert (other["level"], other["bootstrap"]) == ("audits", 3)
    assert len(other["tuning"]["candidates"]) == 2
    assert other["settings"] == other["tuning"]["chosen"]
    assert other["tuning"]["until"] < other["split"]["calibrate_from"]
    assert model.ensemble is None
    with pytest.raises(ValueError, match="trained without a bootstrap"):
        model.certainty(None, AS_OF)  # type: ignore[arg-type]  # refused before anything is read


def test_baselines_stand_beside_the_model_in_the_manifest(model) -> None:
    beside = model.manifest["risk"]["baselines"]
    for part in ("test", "test_random_audits"):
        assert [row["score"] for row in beside[part]] == ["model", *BASELINES]
        measured = model.manifest["risk"]["metrics"][part]
        assert {row["n"] for row in beside[part]} == {measured["n"]}
        assert {row["events"] for row in beside[part]} == {measured["events"]}
        assert beside[part][0]["auc"] == pytest.approx(measured["auc"])


def test_an_ensemble_beside_the_model_scores_nobody(sure, data) -> None:
    alone = Model(sure.risk, sure.credit, sure.policy, sure.manifest)
    pd.testing.assert_frame_equal(alone.score(data, AS_OF), sure.score(data, AS_OF), check_exact=True)
    found = sure.certainty(data, AS_OF)
    assert found["enterprise_id"].tolist() == sure.score(data, AS_OF)["enterprise_id"].tolist()
    assert found["tier_agreement"].isin([k / 3 for k in range(4)]).all()
    assert (found["log_odds_sd"] > 0).all()
    some = sure.certainty(data, AS_OF, found["enterprise_id"][[5, 2]])
    pd.testing.assert_frame_equal(some, found.iloc[[5, 2]].reset_index(drop=True))


def test_the_ensemble_travels_in_the_folder_and_is_held_against_its_hash(sure, data, tmp_path) -> None:
    folder = sure.save(tmp_path / "model")
    assert {path.name for path in folder.iterdir()} == {*FILES, ENSEMBLE, MANIFEST}
    back = Model.load(folder)
    pd.testing.assert_frame_equal(back.certainty(data, AS_OF), sure.certainty(data, AS_OF), check_exact=True)
    whole = (folder / ENSEMBLE).read_bytes()
    with pytest.raises((pickle.UnpicklingError, ValueError, KeyError, IndexError, EOFError)):
        pickle.loads(whole)
    (folder / ENSEMBLE).write_bytes(whole[:-7])
    with pytest.raises(ModelError, match=r"ensemble\.json: is altered or cut short"):
        Model.load(folder)
    (folder / ENSEMBLE).unlink()
    with pytest.raises(ModelError, match=r"ensemble\.json: is missing"):
        Model.load(folder)
    again = Model(sure.risk, sure.credit, sure.policy, sure.manifest).save(tmp_path / "plain")
    assert {path.name for path in again.iterdir()} == {*FILES, MANIFEST}
    (again / ENSEMBLE).write_bytes(whole)
    with pytest.raises(ModelError, match=r"ensemble\.json: does not belong here"):
        Model.load(again)
