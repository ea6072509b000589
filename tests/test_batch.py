"""A batch: counts that add up, the same bytes however it is cut, and killed runs that end like whole ones."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from leakage import scramble
from make_dataset import make_dataset

from tierkit.explain import reason_codes
from tierkit.features import build
from tierkit.jobs import scoring
from tierkit.jobs.checks import BadInputError
from tierkit.jobs.scoring import codes_path, rejects_path, score
from tierkit.jobs.staging import parquet_writer
from tierkit.policy import Policy
from tierkit.policy.tiers import assign, listed
from tierkit.records import DataError, Dataset, write_dataset
from tierkit.records.parquet import write_sealed
from tierkit.scores.model import Model
from tierkit.scores.train import train

AS_OF = pd.Timestamp("2024-03-01")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_dataset(400, seed=4, records=3000)


@pytest.fixture(scope="module")
def model(data) -> Model:
    return train(data, AS_OF)


@pytest.fixture(scope="module")
def policy(data, model) -> Policy:
    """Return a policy whose cut-offs part these enterprises into tiers of some size."""
    scores = model.score(data, AS_OF)
    cuts = {
        "scoring.risk_cutoffs": [round(float(q), 3) for q in scores["risk_probability"].quantile([0.4, 0.7])],
        "scoring.credit_cutoffs": [round(float(q), 1) for q in scores["credit_points"].quantile([0.2, 0.6])],
    }
    return Policy.load("jiading-2025").reform(
        cuts | {"lists.unmonitored.by": "rule"}, name="near", assumption="the quantiles of these enterprises"
    )


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory) -> Path:
    return write_dataset(data, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(model, policy, folder, tmp_path_factory):
    """Return the report and the path of a run in one chunk."""
    out = tmp_path_factory.mktemp("whole") / "scores.parquet"
    return score(model, folder, AS_OF, policy, out), out


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_output_is_scores_and_tiers(model, policy, data, whole) -> None:
    report, out = whole
    found = pd.read_parquet(out)
    scores = model.score(data, AS_OF)
    tiers = assign(scores, policy, as_of=AS_OF.date())
    assert found["enterprise_id"].tolist() == scores["enterprise_id"].tolist()
    for column in ("risk_margin", "risk_probability", "credit_points", "credit_probability"):
        np.testing.assert_array_equal(found[column], scores[column])
    for column in ("tier", "risk_level", "credit_grade", "tier_reason", "unmonitored", "held", "changed"):
        assert found[column].tolist() == tiers[column].tolist()
    np.testing.assert_array_equal(found["distance_risk"], tiers["distance_risk"])
    assert found["buffered"].tolist() == tiers["buffered"].tolist()
    assert found["red_line"].isna().tolist() == tiers["red_line"].isna().tolist()
    assert set(found["policy"]) == {"near"}
    assert (pd.to_datetime(found["assigned_on"]) == AS_OF).all()
    assert left(out.parent) == {"scores.parquet", "scores.rejects.parquet"}
    assert report.tiers == found["tier"].value_counts().to_dict()
    assert len(report.tiers) >= 3


def test_lists_of_agencies_are_filled_over_the_whole_city(model, policy, data, folder, tmp_path) -> None:
    quota = policy.reform(
        {"lists.unmonitored.enabled": True, "lists.unmonitored.by": "agency",
         "lists.unmonitored.target_share": 0.4},
        name="quota",
    )  # fmt: skip
    outs = [tmp_path / f"{size}.parquet" for size in (67, 400)]
    for out, size in zip(outs, (67, 400), strict=True):
        score(model, folder, AS_OF, quota, out, chunk_rows=size)
    found, again = (pd.read_parquet(out).set_index("enterprise_id") for out in outs)
    pd.testing.assert_frame_equal(found, again)
    rows = data["obligations"]
    rows = rows[(rows["valid_from"] < AS_OF) & ~(rows["valid_to"] < AS_OF)]
    wanted = listed(model.score(data, AS_OF), quota, rows)
    told = found["unmonitored_by"].reindex(wanted["enterprise_id"])
    on = [agency in by.split(";") for by, agency in zip(told, wanted["agency"], strict=True)]
    assert on == wanted["listed"].tolist()
    assert found["unmonitored"].tolist() == (found["unmonitored_by"] != "").tolist()
    assert 0 < wanted["listed"].mean() <= 0.4  # few have no open record
    assert found["unmonitored_by"].str.contains(";").any()


def test_counts_add_up(data, whole) -> None:
    report, out = whole
    firms = data["enterprises"]
    born = firms["registered_on"] < AS_OF
    closed = born & (firms["closed_on"] < AS_OF)
    assert report.rows_in == 400
    assert report.closed == closed.sum() > 0
    assert report.not_registered == (~born).sum() > 0
    assert report.rejected == pq.read_metadata(rejects_path(out)).num_rows == 0
    assert report.scored == (born & ~closed).sum()
    assert report.rows_in == report.scored + report.rejected + report.closed + report.not_registered
    told = json.loads(pq.read_schema(out).metadata[b"tierkit"])
    assert told["scored"] == report.scored
    assert told["as_of"] == "2024-03-01"
    json.dumps(report.to_dict())


@pytest.mark.parametrize(("chunk_rows", "threads"), [(67, 1), (1, 2), (400, 2), (399, 1)])
def test_chunks_and_threads_change_no_byte(
    model, policy, folder, whole, tmp_path, chunk_rows, threads
) -> None:
    few = folder
    if chunk_rows == 1:  # a chunk a row is slow: a dozen enterprises will do
        few = tmp_path / "few"
        rows = make_dataset(12, seed=4, records=300)
        write_dataset(rows, few)
        score(model, few, AS_OF, policy, tmp_path / "whole.parquet")
        expected = (tmp_path / "whole.parquet").read_bytes()
    else:
        expected = whole[1].read_bytes()
    out = tmp_path / "scores.parquet"
    score(model, few, AS_OF, policy, out, chunk_rows=chunk_rows, threads=threads)
    assert out.read_bytes() == expected


def test_row_groups_have_one_size_however_rows_come(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tierkit.jobs.staging.ROW_GROUP", 10)
    schema = pa.schema([("x", pa.int64())])
    files = []
    for step in (1, 7, 10, 100):
        path = tmp_path / f"{step}.parquet"
        with parquet_writer(path, schema) as write:
            for start in range(0, 33, step):
                write(pa.table({"x": np.arange(start, min(start + step, 33))}))
        files.append(path.read_bytes())
        assert [pq.read_metadata(path).row_group(i).num_rows for i in range(4)] == [10, 10, 10, 3]
    assert len(set(files)) == 1


class Killed(BaseException):
    """What kill -9 would do, as far as files go."""


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(model, policy, folder, whole, tmp_path) -> None:
    out = tmp_path / "scores.parquet"

    def until(_: str, done: int, __: int) -> None:
        if done >= 150:
            raise Killed

    with pytest.raises(Killed):
        score(model, folder, AS_OF, policy, out, chunk_rows=50, progress=until)
    work = tmp_path / ".scores.parquet.work"
    assert left(tmp_path) == {work.name}
    parts = sorted(work.glob("part-*.parquet"))
    assert len(parts) == 3
    # The last part was cut off in the middle: it is there, but nothing says that it is whole.
    parts[-1].write_bytes(parts[-1].read_bytes()[:-10])
    parts[-1].with_suffix(".json").unlink()
    kept = parts[0].stat().st_mtime_ns
    done: list[int] = []
    score(
        model,
        folder,
        AS_OF,
        policy,
        out,
        chunk_rows=50,
        resume=True,
        progress=lambda _, n, __: done.append(n),
    )
    assert out.read_bytes() == whole[1].read_bytes()
    assert left(tmp_path) == {"scores.parquet", "scores.rejects.parquet"}
    assert kept
    assert done[-1] == 400


def test_finished_parts_are_not_scored_again(model, policy, folder, tmp_path, monkeypatch) -> None:
    out = tmp_path / "scores.parquet"

    def stop(_: str, done: int, __: int) -> None:
        if done >= 300:
            raise Killed

    with pytest.raises(Killed):
        score(model, folder, AS_OF, policy, out, chunk_rows=100, progress=stop)
    seen: list[int] = []
    original = Model.score_features

    def counted(self, X, ids, red_line=None):
        seen.append(len(X))
        return original(self, X, ids, red_line)

    monkeypatch.setattr(Model, "score_features", counted)
    score(model, folder, AS_OF, policy, out, chunk_rows=100, resume=True)
    assert len(seen) == 1


def test_resuming_with_other_inputs_is_refused(model, policy, folder, whole, tmp_path) -> None:
    out = tmp_path / "scores.parquet"

    def stop(_: str, done: int, __: int) -> None:
        if done:
            raise Killed

    with pytest.raises(Killed):
        score(model, folder, AS_OF, "chongming-2025", out, chunk_rows=100, progress=stop)
    with pytest.raises(ValueError, match="had other inputs: chunk_rows, policy, policy_name"):
        score(model, folder, AS_OF, policy, out, resume=True)
    with pytest.warns(
        UserWarning, match=r"did not end; what it left is removed: '.*\.scores\.parquet\.work'"
    ):
        score(model, folder, AS_OF, policy, out)
    assert out.read_bytes() == whole[1].read_bytes()


def spoil(data: Dataset, tmp_path: Path) -> Path:
    """Write the dataset with rows that break the contract, as a careless exporter would."""
    folder = write_dataset(data, tmp_path / "spoilt")
    (folder / "manifest.json").unlink()  # whose hashes would show that tables were edited
    firms = pd.read_parquet(folder / "enterprises.parquet")
    firms.loc[3, "sector"] = "banking"
    firms.loc[5, "enterprise_id"] = firms.loc[6, "enterprise_id"]
    firms.loc[9, "enterprise_id"] = firms.loc[9, "enterprise_id"][:-1] + "?"
    firms.loc[11, "registered_capital"] = np.inf
    firms.loc[12, "employees"] = -4
    firms.to_parquet(folder / "enterprises.parquet")
    seen = pd.read_parquet(folder / "inspections.parquet")
    seen.loc[[0, 1], "finding"] = "dreadful"
    seen.to_parquet(folder / "inspections.parquet")
    return folder


def test_bad_rows_go_to_the_reject_file_with_their_reasons(model, policy, data, tmp_path) -> None:
    folder = spoil(data, tmp_path)
    outs = []
    for chunk_rows in (400, 70):
        out = tmp_path / f"scores{chunk_rows}.parquet"
        report = score(model, folder, AS_OF, policy, out, chunk_rows=chunk_rows)
        rejects = pd.read_parquet(rejects_path(out))
        mine = rejects[rejects["table"] == "enterprises"].set_index("row")["reason"]
        assert mine.index.tolist() == [4, 6, 7, 10, 12, 13]
        for row, word in (
            (4, "sector"),
            (6, "more than once"),
            (7, "more than once"),
            (10, "check character"),
        ):
            assert word in mine[row]
        assert "registered_capital" in mine[12]
        assert "employees" in mine[13]
        assert report.rejected == 6
        assert report.rows_in == 400 == report.scored + 6 + report.closed + report.not_registered
        assert report.records["inspections"] == {"rows": 3000, "rejected": 2}
        assert rejects[rejects["table"] == "inspections"]["row"].tolist() == [1, 2]
        assert rejects["key"].str.len().gt(0).all()
        outs.append((out.read_bytes(), rejects_path(out).read_bytes()))
    assert outs[0] == outs[1]
    # What is left is scored as if the bad rows had never been there.
    clean = {
        **data,
        "enterprises": data["enterprises"].drop(index=[3, 5, 6, 9, 11, 12]),
        "inspections": data["inspections"].drop(index=[0, 1]),
    }
    expected = model.score(Dataset({n: f.reset_index(drop=True) for n, f in clean.items()}), AS_OF)
    found = pd.read_parquet(tmp_path / "scores70.parquet")
    assert found["enterprise_id"].tolist() == expected["enterprise_id"].tolist()
    np.testing.assert_array_equal(found["risk_margin"], expected["risk_margin"])


@pytest.mark.parametrize("format", ["csv", "csv.gz"])
def test_csv_gives_the_same_rows(model, policy, data, whole, tmp_path, format) -> None:
    folder = write_dataset(data, tmp_path / "csv", format=format)
    score(model, folder, AS_OF, policy, tmp_path / "scores.parquet", chunk_rows=111)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "scores.parquet"), pd.read_parquet(whole[1]), check_exact=True
    )


def test_no_byte_comes_from_the_future_or_the_truth(model, policy, data, whole, tmp_path) -> None:
    folder = write_dataset(scramble(data, AS_OF, seed=2), tmp_path / "later")
    (folder / "truth.parquet").write_bytes(b"not even a table")
    score(model, folder, AS_OF, policy, tmp_path / "scores.parquet")
    found, expected = pd.read_parquet(tmp_path / "scores.parquet"), pd.read_parquet(whole[1])
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_reasons_are_those_of_explain(model, policy, data, folder, whole, tmp_path) -> None:
    score(model, folder, AS_OF, policy, tmp_path / "scores.parquet", reasons=2, chunk_rows=100)
    found = pd.read_parquet(tmp_path / "scores.parquet")
    codes = reason_codes(model.risk, model.credit, build(data, AS_OF), 2)
    assert [c for c in found if "_reason_" in c or "_effect_" in c] == codes.columns.tolist()
    for column in codes:
        assert found[column].astype(str).tolist() == codes[column].astype(str).tolist()
    pd.testing.assert_frame_equal(found[pd.read_parquet(whole[1]).columns], pd.read_parquet(whole[1]))


def test_the_last_assignment_counts(model, policy, data, folder, whole, tmp_path) -> None:
    first = pd.read_parquet(whole[1])
    later = AS_OF + pd.Timedelta(weeks=2)
    report = score(model, folder, later, policy, tmp_path / "next.parquet", previous=whole[1])
    found = pd.read_parquet(tmp_path / "next.parquet").set_index("enterprise_id")
    scores = model.score(data, later)
    expected = assign(scores, policy, first, as_of=later.date()).set_index("enterprise_id")
    assert found["tier"].tolist() == expected["tier"].tolist()
    assert found["held"].tolist() == expected["held"].tolist()
    stands = pd.to_datetime(found["assigned_on"])
    assert (stands[found["changed"]] == later).all()
    assert (stands[~found["changed"]] == AS_OF).all()
    assert (~found["changed"]).sum() > 0
    # A CSV of the same, with an older row of each enterprise beside it and one from the future.
    columns = ["enterprise_id", "assigned_on", "tier", "risk_level", "credit_grade"]
    table = first[columns].astype({"assigned_on": "str"})
    other = [table.assign(assigned_on=day, tier="T4") for day in ("2023-01-01", "2031-01-01")]
    pd.concat([other[0], table, other[1]]).to_csv(tmp_path / "tiers.csv", index=False)
    score(
        model, folder, later, policy, tmp_path / "csv.parquet", previous=tmp_path / "tiers.csv", chunk_rows=90
    )
    again = pd.read_parquet(tmp_path / "csv.parquet").set_index("enterprise_id")
    pd.testing.assert_frame_equal(again, found)
    assert report.scored == len(found)


def test_a_bad_last_assignment_is_refused_before_anything_is_written(
    model, policy, folder, whole, tmp_path
) -> None:
    first = pd.read_parquet(whole[1])
    out = tmp_path / "scores.parquet"
    with pytest.raises(DataError, match="is not a declared level"):
        score(model, folder, AS_OF, policy, out, previous=first.assign(tier="T9"))
    cut = tmp_path / "cut.parquet"
    cut.write_bytes(whole[1].read_bytes()[:500])
    with pytest.raises(DataError, match=r"cut\.parquet cannot be read"):
        score(model, folder, AS_OF, policy, out, previous=cut)
    assert left(tmp_path) == {"cut.parquet"}


def test_bad_tables_are_all_listed_and_nothing_is_left(model, policy, data, folder, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    other = write_dataset(data, tmp_path / "other")
    (other / "manifest.json").unlink()
    pd.read_parquet(other / "signals.parquet").drop(columns="raised_on").to_parquet(other / "signals.parquet")
    path = other / "complaints.parquet"
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError) as caught:
        score(model, other, AS_OF, policy, out)
    tables = {problem.table for problem in caught.value.problems}
    assert tables == {"signals", "complaints"}
    edited = write_dataset(data, tmp_path / "edited")
    pd.read_parquet(edited / "signals.parquet").iloc[1:].to_parquet(edited / "signals.parquet")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match="SHA-256 differs"):
        score(model, edited, AS_OF, policy, out)
    with pytest.raises(DataError, match="enterprises"):
        score(model, tmp_path / "nothing", AS_OF, policy, out)
    assert left(tmp_path) == {"other", "edited", "nothing"}


def test_nobody_to_score_replaces_nothing(model, policy, data, folder, tmp_path) -> None:
    out = tmp_path / "out" / "scores.parquet"
    empty = Dataset({name: frame.iloc[:0] for name, frame in data.items()})
    nobody = write_dataset(empty, tmp_path / "empty")
    wrong = write_dataset(data, tmp_path / "wrong")
    (wrong / "manifest.json").unlink()
    firms = pd.read_parquet(wrong / "enterprises.parquet")
    firms.assign(enterprise_id="x").to_parquet(wrong / "enterprises.parquet", index=False)
    refused = {
        nobody: "of 0 rows 0 are rejected",
        wrong: r"of 400 rows 400 are rejected(?s:.*)row 1: enterprise_id",
    }
    for place, said in refused.items():
        with pytest.raises(DataError, match=said):
            score(model, place, AS_OF, policy, out)
        assert left(tmp_path) == {"empty", "wrong"}
    with pytest.raises(DataError, match="400 were not registered"):
        score(model, folder, "1990-01-01", policy, out)
    score(model, folder, AS_OF, policy, out, reasons=1)
    before = {path: path.read_bytes() for path in out.parent.iterdir()}
    assert len(before) == 3
    for place in refused:
        with pytest.raises(DataError, match="holds nobody to score"):
            score(model, place, AS_OF, policy, out)
        assert {path: path.read_bytes() for path in out.parent.iterdir()} == before


def test_parameters_are_checked_together(model, policy, folder, tmp_path) -> None:
    with pytest.raises(BadInputError, match=r"End it in \.parquet") as caught:
        score(model, folder, AS_OF, "no-such-policy", tmp_path / "scores.xlsx", reasons=-1, chunk_rows=0)
    assert [one.place.split()[0] for one in caught.value.problems] == [
        "policy", "reasons", "chunk_rows", "out",
    ]  # fmt: skip
    with pytest.raises(BadInputError, match=r"model: .* does not exist"):
        score(tmp_path / "no-model", folder, AS_OF, policy, tmp_path / "scores.parquet")
    assert left(tmp_path) == set()


def test_a_full_disk_leaves_no_file_under_a_final_name(
    model, policy, folder, whole, tmp_path, monkeypatch
) -> None:
    out = tmp_path / "scores.parquet"
    real = write_sealed
    calls = []

    def full(*args, **kwargs):
        calls.append(1)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    monkeypatch.setattr("tierkit.jobs.scoring.write_sealed", full)
    with pytest.raises(OSError, match="No space left"):
        score(model, folder, AS_OF, policy, out, chunk_rows=100)
    assert not out.exists()
    assert not rejects_path(out).exists()
    monkeypatch.undo()
    score(model, folder, AS_OF, policy, out, chunk_rows=100, resume=True)
    assert out.read_bytes() == whole[1].read_bytes()


def test_staging_in_parts_gives_the_same(model, policy, data, tmp_path, monkeypatch) -> None:
    folder = spoil(data, tmp_path)
    outs = []
    for size in (1 << 16, 90):
        monkeypatch.setattr("tierkit.jobs.staging._AT_ONCE", size)
        out = tmp_path / f"scores{size}.parquet"
        score(model, folder, AS_OF, policy, out)
        outs.append((out.read_bytes(), rejects_path(out).read_bytes()))
    assert outs[0] == outs[1]


@pytest.fixture(scope="module")
def sure_model(data) -> Model:
    return train(data, AS_OF, bootstrap=3)


def test_certainty_is_the_ensembles_whatever_the_chunks(sure_model, policy, data, folder, tmp_path) -> None:
    files = []
    for chunk_rows, threads in ((400, 1), (67, 2)):
        out = tmp_path / f"{chunk_rows}.parquet"
        score(sure_model, folder, AS_OF, policy, out, chunk_rows=chunk_rows, threads=threads, certainty=True)
        files.append(out.read_bytes())
    assert files[0] == files[1]
    found = pd.read_parquet(out)
    told = sure_model.certainty(data, AS_OF, policy=policy)
    assert found["enterprise_id"].tolist() == told["enterprise_id"].tolist()
    columns = {"tier_agreement": "tier_agreement", "agreement_low": "low", "agreement_high": "high"}
    for column, name in columns.items():
        np.testing.assert_array_equal(found[column], told[name])
    assert len(set(found["tier_agreement"])) > 1, "members differ on some and agree on others"
    assert (found["agreement_low"] < found["agreement_high"]).all()


def test_certainty_is_of_the_tier_that_is_given(sure_model, policy, folder, tmp_path) -> None:
    slow = policy.reform({"review.dwell_weeks": 13}, name="slow")
    out = tmp_path / "scores.parquet"
    score(sure_model, folder, AS_OF, slow, out, certainty=True)
    first = pd.read_parquet(out)
    watched = first.assign(tier="T4", assigned_on=pd.Timestamp(AS_OF) - pd.Timedelta(days=7))
    score(sure_model, folder, AS_OF, slow, out, watched, certainty=True)
    kept = pd.read_parquet(out)
    free = kept["red_line"].isna()
    assert (kept.loc[free, "tier"] == "T4").all(), "no tier may change within the dwell"
    assert (kept.loc[free, "tier_agreement"] == 1).all()
    assert (first["tier_agreement"] < 1).any()


def test_certainty_is_refused_where_there_is_no_ensemble(model, policy, folder, tmp_path) -> None:
    with pytest.raises(ValueError, match="--bootstrap 20"):
        score(model, folder, AS_OF, policy, tmp_path / "scores.parquet", certainty=True)
    assert not left(tmp_path)


def test_no_cell_of_the_code_book_is_a_formula(model, policy, folder, tmp_path, monkeypatch) -> None:
    name = "=HYPERLINK(1)"
    book = scoring.code_books().assign(name_zh=name)
    monkeypatch.setattr(scoring, "code_books", lambda: book)
    out = tmp_path / "scores.parquet"
    score(model, folder, AS_OF, policy, out, reasons=1)
    written = pd.read_csv(codes_path(out), keep_default_na=False, dtype="str")
    assert set(written["name_zh"]) == {f"'{name}"}
    assert written["name_en"].tolist() == book["name_en"].tolist()


def test_every_code_in_the_rows_is_in_the_code_book_beside_them(model, policy, folder, tmp_path) -> None:
    out = tmp_path / "scores.parquet"
    report = score(model, folder, AS_OF, policy, out, reasons=2)
    assert report.codes == str(codes_path(out))
    assert left(tmp_path) == {"scores.parquet", "scores.rejects.parquet", "scores.codes.csv"}
    assert codes_path(out).read_bytes().startswith(b"\xef\xbb\xbf"), "else a spreadsheet reads no Chinese"
    book = pd.read_csv(codes_path(out), keep_default_na=False, dtype="str").set_index("code")
    assert {"name_zh", "name_en", "unit_zh", "unit_en", "risk_zh", "credit_en"} <= set(book)
    found = pd.read_parquet(out)
    shown = [found[f"{axis}_reason_{k}"] for axis in ("risk", "credit") for k in (1, 2)]
    assert set(pd.concat(shown).dropna()) <= set(book.index)
    assert book.loc["findings_1y", "group_zh"] == "行为记录"
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in book.to_numpy().ravel())
