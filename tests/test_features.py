"""Features against a plain reading of their definitions, their signs on records, and their catalogue."""

import re

import numpy as np
import pandas as pd
import pytest
from make_dataset import make_dataset

from tierkit.features import (
    FEATURES,
    GROUPS,
    NEVER_DAYS,
    build,
    build_rows,
    features_sql,
    monotone,
    read_by,
    standing,
)
from tierkit.records import (
    GRAVITY,
    REPAIRABLE_KINDS,
    SHANGHAI,
    TABLES,
    DataError,
    Dataset,
    write_dataset,
)
from tierkit.records.known import TIMED, known
from tierkit.records.repair_rules import published_until

BY_NAME = {feature.name: feature for feature in FEATURES}
AS_OF = pd.Timestamp("2023-10-01")
KNOWN = [
    ("inspections", "inspected_on"),
    ("credit_events", "known_on"),
    ("complaints", "received_on"),
    ("obligations", "valid_from"),
]


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_dataset(40, seed=1, records=400)


@pytest.fixture(scope="module")
def everybody(data) -> pd.DataFrame:
    return build(data, AS_OF, closed=True)


def days(n: int) -> pd.Timedelta:
    return pd.Timedelta(days=n)


def plain_features(data: Dataset, enterprise: str, as_of: pd.Timestamp) -> dict[str, float]:
    """Compute features of one enterprise by hand, in pandas, from the definitions in words."""
    seen, events, said, held = (
        data[table][(data[table]["enterprise_id"] == enterprise) & (data[table][day] < as_of)]
        for table, day in KNOWN
    )
    city = data["complaints"]
    city = city[(city["received_on"] < as_of) & (city["received_on"] >= as_of - days(365))]
    made = city["complainant"].value_counts()
    year = said[said["received_on"] >= as_of - days(365)]
    ordinary = year[year["complainant"].map(made) < 10]
    bad = seen[seen["finding"] != "none"]["inspected_on"]
    clean = seen[seen["finding"] == "none"]["inspected_on"]
    grave = seen[seen["finding"].isin(["moderate", "serious"])]["inspected_on"]
    decided = seen[(seen["decided_on"] < as_of) & seen["disposition"].isin(["penalised", "sealed"])]
    true = said[(said["substantiated_on"] < as_of) & said["substantiated"].fillna(False)]["substantiated_on"]
    until = published_until(events["known_on"], events["kind"], events["severity"])
    stands = events[~(events["repaired_on"] < as_of) & (until >= as_of.to_datetime64())]
    held = held[~(held["valid_to"] < as_of)]
    firm = data["enterprises"].set_index("enterprise_id").loc[enterprise]
    since = [NEVER_DAYS if not len(d) else min(NEVER_DAYS, (as_of - d.max()).days) for d in (bad, clean)]
    return {
        "age_years": (as_of - firm["registered_on"]).days / 365.25,
        "tags": len(firm["tags"]),
        "obligations": len(held),
        "key_obligations": (held["item_class"] == "key").sum(),
        "findings_1y": (bad >= as_of - days(365)).sum(),
        "findings_2y": (bad >= as_of - days(730)).sum(),
        "grave_findings_1y": (grave >= as_of - days(365)).sum(),
        "days_since_finding": since[0],
        "clean_checks_2y": (clean >= as_of - days(730)).sum(),
        "days_since_clean_check": since[1],
        "penalised_2y": (decided["decided_on"] >= as_of - days(730)).sum(),
        "penalties_open": (stands["kind"] == "penalty").sum(),
        "arrears_open": stands["kind"].isin(["tax_arrears", "wage_arrears"]).sum(),
        "adverse_2y": (events["kind"].isin(GRAVITY) & (events["known_on"] >= as_of - days(730))).sum(),
        "honours_2y": ((events["kind"] == "honour") & (events["known_on"] >= as_of - days(730))).sum(),
        "substantiated_1y": (true >= as_of - days(365)).sum(),
        "complaints_1y": len(year),
        "ordinary_complaints_1y": len(ordinary),
        "ordinary_complainants_1y": ordinary["complainant"].nunique(),
        "heavy_share_1y": 0.0 if not len(year) else 1 - len(ordinary) / len(year),
    }


def test_features_are_what_their_words_say(data, everybody) -> None:
    assert len(everybody) > 30
    for enterprise, row in everybody.iterrows():
        for name, value in plain_features(data, enterprise, AS_OF).items():
            assert row[name] == pytest.approx(value, abs=1e-12), (enterprise, name)
    for name in ("penalised_2y", "arrears_open", "substantiated_1y", "heavy_share_1y", "key_obligations"):
        assert everybody[name].max() > 0, name


def test_rows_are_the_features_of_each_date(data) -> None:
    rng = np.random.default_rng(0)
    ids = data["enterprises"]["enterprise_id"]
    pairs = pd.DataFrame(
        {
            "enterprise_id": rng.choice(ids, 60),
            "as_of": rng.choice(pd.to_datetime(["2022-12-01", "2023-05-05", AS_OF]), 60),
        },
        index=np.arange(60) * 3,
    )
    rows = build_rows(data, pairs)
    assert (rows.index == pairs.index).all()
    for as_of, part in pairs.groupby("as_of"):
        whole = build(data, as_of, closed=True)
        here = part["enterprise_id"].isin(whole.index)
        expected = whole.loc[part["enterprise_id"][here]]
        pd.testing.assert_frame_equal(
            rows.loc[part.index[here]].reset_index(drop=True), expected.reset_index(drop=True)
        )
        assert rows.loc[part.index[~here]].isna().all(axis=None)


def test_who_is_told_about(data) -> None:
    firms = data["enterprises"].set_index("enterprise_id")
    born = firms[firms["registered_on"] < AS_OF]
    there = born[~(born["closed_on"] < AS_OF)]
    assert len(there) < len(born) < len(firms)
    assert build(data, AS_OF).index.tolist() == there.index.tolist()
    assert build(data, AS_OF, closed=True).index.tolist() == born.index.tolist()
    chosen = there.index[[5, 2, 9]]
    pd.testing.assert_frame_equal(build(data, AS_OF, ids=chosen), build(data, AS_OF).loc[chosen])
    with pytest.raises(DataError, match="is not in the dataset"):
        build(data, AS_OF, ids=["nobody"])
    with pytest.raises(DataError, match="is not in the dataset"):
        build_rows(data, pd.DataFrame({"enterprise_id": ["nobody"], "as_of": [AS_OF]}))
    assert build(data, AS_OF, ids=[]).shape == (0, len(FEATURES))


@pytest.mark.slow
def test_frames_files_threads_and_chunks_give_the_same_bits(data, tmp_path) -> None:
    expected = build(data, AS_OF)
    write_dataset(data, tmp_path / "p")
    write_dataset(data, tmp_path / "c", format="csv.gz")
    parts = [build(data, AS_OF, ids=expected.index[i : i + 7]) for i in range(0, len(expected), 7)]
    for other in (
        build(tmp_path / "p", AS_OF),
        build(tmp_path / "c", AS_OF, threads=2),
        pd.concat(parts),
        build(Dataset({n: f.sample(frac=1, random_state=0) for n, f in data.items()}), AS_OF).loc[
            expected.index
        ],
    ):
        pd.testing.assert_frame_equal(other, expected, check_exact=True)


def with_record(data: Dataset, table: str, **cells: object) -> Dataset:
    """Return the dataset with one more record, made from the table's first."""
    frame = data[table]
    record = frame.iloc[:1].assign(**{k: pd.Series([v], dtype=frame[k].dtype) for k, v in cells.items()})
    more = pd.concat([frame, record.astype(frame.dtypes)], ignore_index=True)
    return Dataset({**data, table: more}, data.manifest)


def check_signs(before: pd.DataFrame, after: pd.DataFrame, model: str, worse: bool) -> bool:
    """Assert that no feature that the model reads moves to the other side; return whether any moved."""
    moved = False
    for name, sign in monotone(model).items():
        change = (after[name] - before[name]).to_numpy()
        bad = sign if model == "risk" else -sign
        assert ((change * bad if worse else -change * bad) >= 0).all(), name
        moved |= bool((change != 0).any())
    free = [n for n in read_by(model) if n not in monotone(model)]
    pd.testing.assert_frame_equal(before[free], after[free])  # a record moves no feature without a sign
    return moved


LAST_MONTH = pd.Timestamp("2023-09-10")


@pytest.mark.parametrize(
    ("table", "cells", "worse"),
    [
        ("inspections", {"finding": "serious", "inspected_on": LAST_MONTH, "disposition": "none"}, True),
        ("inspections", {"finding": "none", "inspected_on": LAST_MONTH, "disposition": "none"}, False),
        ("credit_events", {"kind": "penalty", "known_on": LAST_MONTH, "repaired_on": pd.NaT}, True),
        ("credit_events", {"kind": "wage_arrears", "known_on": LAST_MONTH, "repaired_on": pd.NaT}, True),
        ("credit_events", {"kind": "honour", "known_on": LAST_MONTH, "repaired_on": pd.NaT}, False),
        ("signals", {"kind": "incident", "raised_on": LAST_MONTH}, True),
        (
            "complaints",
            {
                "received_on": LAST_MONTH,
                "complainant": "new",
                "substantiated": True,
                "substantiated_on": LAST_MONTH,
            },
            True,
        ),
    ],
)  # fmt: skip
def test_one_more_record_works_one_way(data, everybody, table, cells, worse) -> None:
    for enterprise in everybody.index[:4]:
        after = build(with_record(data, table, enterprise_id=enterprise, **cells), AS_OF, closed=True)
        moved = check_signs(everybody, after, "risk", worse)
        check_signs(everybody, after, "credit", worse)
        assert moved


def test_a_heavy_complainant_moves_no_score_unless_found_true(data, everybody) -> None:
    said = data["complaints"]
    year = said[(said["received_on"] < AS_OF) & (said["received_on"] >= AS_OF - days(365))]
    heavy = year["complainant"].value_counts().index[0]
    cells = {
        "received_on": LAST_MONTH,
        "complainant": heavy,
        "substantiated": pd.NA,
        "substantiated_on": pd.NaT,
    }
    after = build(
        with_record(data, "complaints", enterprise_id=everybody.index[0], **cells), AS_OF, closed=True
    )
    read = sorted({*read_by("risk"), *read_by("credit")})
    pd.testing.assert_frame_equal(after[read], everybody[read])
    assert after["complaints_1y"].sum() == everybody["complaints_1y"].sum() + 1


@pytest.mark.slow
def test_a_repair_gives_everything_back_to_credit(data, everybody) -> None:
    for kind in REPAIRABLE_KINDS:
        cells = {"enterprise_id": everybody.index[0], "kind": kind, "known_on": LAST_MONTH}
        open_ = build(with_record(data, "credit_events", repaired_on=pd.NaT, **cells), AS_OF, closed=True)
        mended = build(
            with_record(data, "credit_events", repaired_on=LAST_MONTH, **cells), AS_OF, closed=True
        )
        read = read_by("credit")
        pd.testing.assert_frame_equal(mended[read], everybody[read])
        assert not open_[read].equals(everybody[read])
        check_signs(open_, mended, "risk", worse=False)


def test_standing_tells_what_the_tier_rule_asks_of_records(data) -> None:
    ids = data["enterprises"]["enterprise_id"]
    with known(data, AS_OF) as seen:
        found = standing(seen, ids)
    events = data["credit_events"]
    events = events[events["kind"].isin(REPAIRABLE_KINDS) & (events["known_on"] < AS_OF)]
    for enterprise, row in zip(ids, found.to_dict("records"), strict=True):
        mine = events[events["enterprise_id"] == enterprise]
        assert row["adverse_record"] == (len(mine) > 0)
        until = published_until(mine["known_on"], mine["kind"], mine["severity"])
        mine = mine[~(mine["repaired_on"] < AS_OF) & (until >= AS_OF.to_datetime64())]
        gravest = next((k for k in GRAVITY if (mine["kind"] == k).any()), None)
        assert (gravest is None and pd.isna(row["red_line"])) or row["red_line"] == gravest
        youngest = mine.groupby("kind")["known_on"].max()
        weeks = {k: (AS_OF - youngest[k]).days // 7 for k in REPAIRABLE_KINDS if k in youngest}
        assert row["standing_records"] == ";".join(f"{kind}:{age}" for kind, age in weeks.items())
        serious = data["inspections"].query("enterprise_id == @enterprise and finding == 'serious'")
        last = serious.loc[serious["inspected_on"] < AS_OF, "inspected_on"].max()
        assert row["serious_finding_weeks"] == (AS_OF - last).days // 7 or pd.isna(last)
        assert pd.isna(row["serious_finding_weeks"]) == pd.isna(last)
    assert found["serious_finding_weeks"].notna().any()
    assert found["red_line"].nunique() >= 3
    assert found["standing_records"].str.contains(";").any()
    assert (found["adverse_record"] & (found["standing_records"] == "")).any()


def test_the_catalogue_is_whole() -> None:
    assert len(BY_NAME) == len(FEATURES) >= 30
    assert {feature.group for feature in FEATURES} == set(GROUPS)
    for feature in FEATURES:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", feature.name)
        assert feature.source in TIMED
        for label in (feature.label, feature.text, *([feature.none] if feature.none else [])):
            assert label.en
            assert label.zh != label.en
            assert re.search(r"[\u4e00-\u9fff]", label.zh)
        if feature.levels is None:
            assert feature.absent is not None or feature.source == "enterprises"
        else:
            assert (feature.risk or 0) == (feature.credit or 0) == 0
    for words in ([f.label.zh for f in FEATURES], [f.label.en for f in FEATURES]):
        assert len(set(words)) == len(words)


def test_the_query_reads_views_only() -> None:
    sql = features_sql()
    assert "raw_" not in sql
    assert set(re.findall(r"known_(\w+)", sql)) - {"on"} == set(TIMED)
    assert not any(name in sql for name in TABLES if TABLES[name].latent)


def test_ownership_ratings_and_visits_are_carried_and_read_by_no_model() -> None:
    read = {*read_by("risk"), *read_by("credit")}
    carried = {"ownership", "ratings_2y", "inspections_2y", "days_since_inspection", "heavy_share_1y"}
    assert carried <= set(BY_NAME)
    assert not carried & read


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_value_can_be_put_into_words(everybody, lang) -> None:
    for feature in FEATURES:
        for value in [*everybody[feature.name].unique()[:5], np.nan, feature.absent]:
            text = feature.sentence(value, lang)
            assert text.endswith("。" if lang == "zh" else ".")
            assert "{" not in text
            assert " nan" not in text
    assert BY_NAME["days_since_finding"].sentence(NEVER_DAYS, lang) == BY_NAME[
        "days_since_finding"
    ].none.text(lang)
    assert BY_NAME["registered_capital"].sentence(1234.5, lang).count("1,234.5") == 1


def test_levels_keep_all_that_are_declared(everybody) -> None:
    for name in ("sector", "size", "ownership"):
        assert everybody[name].cat.categories.tolist() == list(SHANGHAI.levels[name])
    numbers = [feature.name for feature in FEATURES if feature.levels is None]
    assert (everybody[numbers].dtypes == "float64").all()
    assert everybody.columns.tolist() == list(BY_NAME)
